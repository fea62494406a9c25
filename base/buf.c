#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/banned.h"

void
buf_release(struct buf *b)
{
	free(b->p);
	*b = (struct buf)BUF_INIT;
}

char *
buf_reserve_slow(struct buf *b, size_t n)
{
	size_t cap = b->cap < 256 ? 256 : b->cap;

	if (n > SIZE_MAX / 4 - b->len)
		abort();
	while (cap - b->len < n)
		cap *= 2;
	b->p = realloc(b->p, cap);
	if (b->p == NULL)
		abort();
	b->cap = cap;
	return b->p + b->len;
}

void
buf_u64(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	buf_put(b, digits + at, sizeof(digits) - at);
}

void
buf_i64(struct buf *b, int64_t v)
{
	if (v < 0)
		buf_char(b, '-');
	buf_u64(b, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int len;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		abort();
	(void)vsnprintf(buf_reserve(b, (size_t)len + 1), (size_t)len + 1, fmt, again);
	va_end(again);
	b->len += (size_t)len;
}

void
buf_drain(struct buf *b, size_t n)
{
	if (n > 0 && n < b->len)
		memmove(b->p, b->p + n, b->len - n);
	b->len -= n;
}

/* What a byte needs in a JSON string: 0 itself, 'u' the \u form, else the letter of its short form. */
static const char json_escape[256] = {
	[0x00] = 'u', [0x01] = 'u', [0x02] = 'u', [0x03] = 'u', [0x04] = 'u', [0x05] = 'u',
	[0x06] = 'u', [0x07] = 'u', ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', [0x0b] = 'u',
	['\f'] = 'f', ['\r'] = 'r', [0x0e] = 'u', [0x0f] = 'u', [0x10] = 'u', [0x11] = 'u',
	[0x12] = 'u', [0x13] = 'u', [0x14] = 'u', [0x15] = 'u', [0x16] = 'u', [0x17] = 'u',
	[0x18] = 'u', [0x19] = 'u', [0x1a] = 'u', [0x1b] = 'u', [0x1c] = 'u', [0x1d] = 'u',
	[0x1e] = 'u', [0x1f] = 'u', ['"'] = '"', ['\\'] = '\\',
};

/* Whether none of the eight bytes needs an escape: none is below 0x20, a quote or a backslash. A borrow can only make one more byte look
 * so when one does already. */
static bool
plain8(const char *p)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
	uint64_t v, quote, backslash;

	memcpy(&v, p, sizeof(v));
	quote = v ^ (ones * '"');
	backslash = v ^ (ones * '\\');
	return ((((v - ones * 0x20) & ~v) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash)) &
		high) == 0;
}

void
buf_json_string(struct buf *b, struct slice s)
{
	static const char hex[] = "0123456789abcdef";
	size_t from = 0;

	buf_reserve(b, s.len + 2);
	buf_char(b, '"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c;
		char how;

		if (s.len - i >= 8 && plain8(s.p + i)) {
			i += 7;
			continue;
		}
		c = (unsigned char)s.p[i];
		how = json_escape[c];
		if (how == 0)
			continue;
		buf_put(b, s.p + from, i - from);
		from = i + 1;
		buf_char(b, '\\');
		buf_char(b, how);
		if (how == 'u') {
			BUF_LIT(b, "00");
			buf_char(b, hex[c >> 4]);
			buf_char(b, hex[c & 15]);
		}
	}
	buf_put(b, s.p + from, s.len - from);
	buf_char(b, '"');
}
