/* What the tests of the store share: a schema, a directory that goes away, packed records. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#undef fail /* ours: base/err.h */

#include "daemon/store/store.h"

const struct schema_set *fixture_schema(void);
/* By its path ("emails.value"); fails the test when the type has none. */
const struct attr *fixture_attr(uint8_t type, const char *path);

/* A fresh directory below $TMPDIR; fixture_dir_remove() takes it away with all that is in it. */
char *fixture_dir(void);
void fixture_dir_remove(char *dir);

/* Fails the test when the store does not open. */
struct store *fixture_open(const char *dir, uint64_t map_size, uint64_t map_limit);

struct person {
	const char *user_name, *display_name, *family_name, *emails[2], *external_id, *title;
	uint32_t space; /* of external_id */
	int active;     /* -1: no value */
};

struct uuid fixture_id(uint64_t n);
/* Appends a packed record. */
void fixture_pack_user(struct buf *out, struct uuid id, uint64_t revision, int64_t modified,
	const struct person *p);
void fixture_pack_group(struct buf *out, struct uuid id, uint64_t revision, int64_t modified,
	const char *display_name);

/* The index key of a text (or, for a boolean, "true" and "false"), in the arena. */
struct slice fixture_key(struct arena *a, const struct attr *attr, uint32_t space, const char *text);

/* A deterministic generator: the same run from the same seed. */
uint64_t fixture_random(uint64_t *state);

#endif
