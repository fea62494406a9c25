/* A borrowed run of bytes. Wire strings are slices: they may hold NUL and end without one. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct slice {
	const char *p;
	size_t len;
};

/* A string literal as a slice, in code (SLICE) and in static tables (SLICE_INIT). */
#define SLICE_INIT(lit) { lit, sizeof(lit) - 1 }
#define SLICE(lit) ((struct slice)SLICE_INIT(lit))

/* For printf("%.*s"). */
#define SLICE_ARG(s) (int)(s).len, (s).p

static inline struct slice
slice_of(const char *text)
{
	return (struct slice){ text, text != NULL ? strlen(text) : 0 };
}

static inline bool
slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* ASCII case only: for header names, attribute names, keywords. */
static inline bool
slice_caseeq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.p, b.p, a.len) == 0);
}

static inline bool
slice_starts(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.p, prefix.p, prefix.len) == 0);
}

/* The rest after the first n bytes (n at most s.len). */
static inline struct slice
slice_from(struct slice s, size_t n)
{
	return (struct slice){ s.p + n, s.len - n };
}

/* Byte order of memcmp, the shorter first on a tie. */
int slice_cmp(struct slice a, struct slice b);

/* Decimal digits only, no sign, no blanks; false when empty, malformed or not in [min, max]. */
bool slice_to_u64(struct slice s, uint64_t min, uint64_t max, uint64_t *out);

/* Without spaces and tabs at either end. */
struct slice slice_trim(struct slice s);

/* At most max bytes of a UTF-8 text, cut between two characters: what a message repeats of a client's text. */
struct slice slice_clip(struct slice s, size_t max);

/* Takes the part before the first sep off *rest; false when *rest is used up.
 * "a,,b" gives "a", "", "b". Start with rest->p not NULL. */
bool slice_split(struct slice *rest, char sep, struct slice *part);

#endif
