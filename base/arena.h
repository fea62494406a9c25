/* An arena: memory that goes all at once.
 *
 * One arena serves one request: all that is decoded or built for it lives here and is given
 * back together, after the reply is queued. Allocation does not fail from the caller's point
 * of view: without memory the process ends (there is nothing better to do on a machine that
 * overcommits). What a peer can make us allocate is bounded before, by the limits on bodies
 * and results. An arena belongs to one thread at a time. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "base/slice.h"

struct arena;

/* The caller frees it with arena_free(). */
struct arena *arena_new(void);
void arena_free(struct arena *a);

/* Forgets everything, runs what arena_on_free() left, keeps a first block for the next use. */
void arena_clear(struct arena *a);

/* Bytes handed out since the last clear. */
size_t arena_used(const struct arena *a);

/* 16-byte aligned. arena_zalloc() zeroes. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((malloc, returns_nonnull));
void *arena_zalloc(struct arena *a, size_t size) __attribute__((malloc, returns_nonnull));

/* One zeroed T, n zeroed T. */
#define ARENA_NEW(a, T) ((T *)arena_zalloc((a), sizeof(T)))
#define ARENA_ARRAY(a, T, n) ((T *)arena_zalloc((a), sizeof(T) * (size_t)(n)))

/* An array that grows: room for one more element behind count, in a new place (twice as large) when *cap is reached. */
void *arena_grow(struct arena *a, void *array, size_t count, size_t *cap, size_t element)
	__attribute__((returns_nonnull));

/* A copy, with a NUL behind it that len does not count. */
struct slice arena_dup(struct arena *a, struct slice s);
/* n parts, one behind the other. */
struct slice arena_join(struct arena *a, const struct slice *parts, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Calls fn(arg) when the arena is cleared or freed, last registered first: for what is not memory
 * of its own (a json_t, a secret to wipe). */
void arena_on_free(struct arena *a, void (*fn)(void *), void *arg);

#endif
