/* Small secrets encrypted at rest: private keys in the store, of use to nobody who has a copy of
 * the store alone.
 *
 * AES-256-GCM under a key from a file that lies beside the store, not in it. A blob names the key
 * that sealed it, so that keys can be changed: the old file is listed as an old key, what it sealed
 * opens still, and seal_is_current() tells what is left to seal anew. A blob opens only for the org
 * and the purpose that it was sealed for: moved to another place in the store it is as good as
 * damaged.
 *
 * Safe for use by several threads at once. */
#ifndef DAEMON_SEAL_H
#define DAEMON_SEAL_H

#include "base/buf.h"
#include "base/err.h"

enum {
	SEAL_PLAIN_MAX = 64 * 1024,      /* bytes of one secret */
	SEAL_OVERHEAD = 1 + 8 + 12 + 16, /* a blob is longer than what it holds by this */
};

struct seal;

/* A key file has 32 bytes as 64 hex digits or as base64 (either alphabet), blanks around allowed,
 * and may be readable by its owner alone. key_file NULL: seal.key in the directory, made from fresh
 * random bytes when it is missing. old_key_files: NULL, or NULL-terminated. Errors name the file.
 * The caller frees *out. */
enum rc seal_new(const char *directory, const char *key_file, char *const *old_key_files,
	struct seal **out, struct err *err) MUSTCHECK;
/* Wipes the keys. */
void seal_free(struct seal *s);

/* purpose: a short constant of the caller's, such as "ca". Appends to *blob. */
enum rc seal_put(const struct seal *s, uint32_t org, const char *purpose, struct slice plain,
	struct buf *blob, struct err *err) MUSTCHECK;

/* Appends to *plain; give it back with seal_wipe(). INTERNAL, and *plain as it was: damaged, not of
 * this place, or sealed with a key that is not in the configuration. */
enum rc seal_get(const struct seal *s, uint32_t org, const char *purpose, struct slice blob,
	struct buf *plain, struct err *err) MUSTCHECK;

/* Whether today's key sealed it. */
bool seal_is_current(const struct seal *s, struct slice blob);

/* Overwrites all of the buffer's memory and releases it. */
void seal_wipe(struct buf *secret);

#endif
