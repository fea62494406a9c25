/* A growing byte buffer for output. Zero-initialise it (BUF_INIT), release it with buf_release().
 * As with an arena, running out of memory ends the process. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct buf {
	char *p;
	size_t len, cap;
};

#define BUF_INIT { NULL, 0, 0 }

void buf_release(struct buf *b);

/* Room for n more bytes behind len; returns where they go. */
char *buf_reserve_slow(struct buf *b, size_t n);

static inline char *
buf_reserve(struct buf *b, size_t n)
{
	return b->cap - b->len >= n && b->p != NULL ? b->p + b->len : buf_reserve_slow(b, n);
}

static inline void
buf_clear(struct buf *b)
{
	b->len = 0;
}

static inline void
buf_put(struct buf *b, const void *p, size_t n)
{
	if (n > 0) {
		memcpy(buf_reserve(b, n), p, n);
		b->len += n;
	}
}

static inline void
buf_slice(struct buf *b, struct slice s)
{
	buf_put(b, s.p, s.len);
}

static inline void
buf_char(struct buf *b, char c)
{
	*buf_reserve(b, 1) = c;
	b->len++;
}

#define BUF_LIT(b, lit) buf_put((b), (lit), sizeof(lit) - 1)

void buf_u64(struct buf *b, uint64_t v);
void buf_i64(struct buf *b, int64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Drops the first n bytes (n at most len). */
void buf_drain(struct buf *b, size_t n);

static inline struct slice
buf_as_slice(const struct buf *b)
{
	return (struct slice){ b->p, b->len };
}

/* JSON text of a string, quotes included, escaped as RFC 8259 section 7 asks.
 * s must be UTF-8: the doors check that on the way in. */
void buf_json_string(struct buf *b, struct slice s);

#endif
