/* LDIF content records (RFC 2849): one entry at a time, from bytes that may go on later. Pure.
 *
 * Folded lines are put together, comments and the version line passed over, base64 is decoded. Entries
 * alone are read: change records (changetype, control) and values by URL are refused. Values of attributes
 * with options ("cn;lang-de") are passed over. */
#ifndef PROTOCOL_LDIF_H
#define PROTOCOL_LDIF_H

#include "base/arena.h"
#include "base/err.h"

enum { LDIF_ENTRY_MAX = 128 << 20 };

struct ldif_value {
	struct slice name; /* as it stands there */
	struct slice value;
};

/* In the arena. */
struct ldif_entry {
	struct slice dn;
	struct ldif_value *values; /* in order */
	size_t count, cap;
};

enum ldif_result { LDIF_ENTRY, LDIF_NOTHING, LDIF_MORE, LDIF_BAD };

/* The entry at the front of `in`; last: nothing comes behind. LDIF_ENTRY and LDIF_NOTHING (blank lines, comments): *used
 * bytes with *lines line ends were taken; the entry begins *before lines below. LDIF_MORE: it goes on behind `in`.
 * LDIF_BAD: err says why, *lines how many lines before the mistake's. */
enum ldif_result ldif_next(struct arena *a, struct slice in, bool last, struct ldif_entry *out, size_t *used,
	unsigned *lines, unsigned *before, struct err *err);

/* Compares without case. */
bool ldif_is(struct slice name, const char *wanted);

/* A DN in a form that compares: ASCII letters small, no spaces around "," "=" and "+". (Escapes are left as they are.) */
struct slice ldif_dn(struct arena *a, struct slice dn);

#endif
