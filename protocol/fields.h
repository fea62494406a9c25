/* Fields: how the payload of a roster/1 frame is written (docs/PROTOCOL.md, "Fields").
 *
 * A field is one byte, kind and number, and a value: a number of 7 bits a byte, bytes behind their length, or an id of 16
 * bytes. Which numbers there are, and of which kind each is, a table says; reading puts each value into the slot of its
 * number, so that nobody walks the payload twice. Pure; nothing is copied and nothing is allocated. */
#ifndef PROTOCOL_FIELDS_H
#define PROTOCOL_FIELDS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"

/* One more than what stands in the byte. */
enum field_kind { FIELD_NONE /* no such number */, FIELD_NUMBER, FIELD_BYTES, FIELD_ID };

enum { FIELD_NUMBERS = 64, FIELD_OPTIONAL = 48 /* unknown ones from here on are passed over in requests */ };

struct field_row {
	const char *name;
	enum field_kind kind;
	bool list; /* in some requests, or in answers */
};

/* By number. name NULL: there is none. */
typedef struct field_row field_table[FIELD_NUMBERS];

struct fields {
	uint64_t present; /* bit n: field n is there */
	union {
		uint64_t number;
		struct slice bytes; /* of an id: 16 of them */
	} at[FIELD_NUMBERS];        /* of a list: the first one */
};

/* Of a request, in which those lists of the table whose bit is set in `lists` may come more than once: BAD_REQUEST names the
 * field that is unknown (below FIELD_OPTIONAL) or of another kind, INVALID_VALUE one that is there twice; err->path is "" when
 * the payload is malformed. */
enum rc fields_read(const field_table table, struct slice payload, uint64_t lists, struct fields *out, struct err *err)
	MUSTCHECK;
/* The same for an answer, whose unknown fields are all passed over; false: it is malformed. */
bool fields_read_answer(const field_table table, struct slice payload, struct fields *out);

/* The next field of a list: *rest begins as the payload. False at the end; the payload must have been read before. */
bool fields_next(struct slice *rest, unsigned number, struct slice *value);

static inline bool
fields_has(const struct fields *f, unsigned number)
{
	return (f->present >> number & 1) != 0;
}

/* 0 where it is absent. */
static inline uint64_t
fields_number(const struct fields *f, unsigned number)
{
	return fields_has(f, number) ? f->at[number].number : 0;
}

/* p NULL where it is absent, and not NULL where it is there and empty. */
static inline struct slice
fields_bytes(const struct fields *f, unsigned number)
{
	return fields_has(f, number) ? f->at[number].bytes : (struct slice){ NULL, 0 };
}

static inline bool
fields_id(const struct fields *f, unsigned number, struct uuid *out)
{
	if (!fields_has(f, number))
		return false;
	memcpy(out->bytes, f->at[number].bytes.p, sizeof(out->bytes));
	return true;
}

/* ---- Writing ---- */

enum { FIELD_NUMBER_MAX = 10 /* bytes of a number */ };

/* Writes v at p, which has room for FIELD_NUMBER_MAX bytes; returns how many it took. */
static inline size_t
field_varint(char *p, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		p[n++] = (char)(v | 0x80);
	p[n++] = (char)v;
	return n;
}

static inline void
put_number(struct buf *out, unsigned number, uint64_t v)
{
	char *p = buf_reserve(out, 1 + FIELD_NUMBER_MAX);

	p[0] = (char)number;
	out->len += 1 + field_varint(p + 1, v);
}

static inline void
put_bytes(struct buf *out, unsigned number, struct slice s)
{
	char *p = buf_reserve(out, 1 + FIELD_NUMBER_MAX + s.len);
	size_t n = 1;

	p[0] = (char)((FIELD_BYTES - 1) << 6 | number);
	n += field_varint(p + 1, s.len);
	if (s.len > 0)
		memcpy(p + n, s.p, s.len);
	out->len += n + s.len;
}

static inline void
put_id(struct buf *out, unsigned number, const struct uuid *id)
{
	char *p = buf_reserve(out, 1 + sizeof(id->bytes));

	p[0] = (char)((FIELD_ID - 1) << 6 | number);
	memcpy(p + 1, id->bytes, sizeof(id->bytes));
	out->len += 1 + sizeof(id->bytes);
}

/* An item whose fields are written between begin and end. */
size_t put_item_begin(struct buf *out, unsigned number);
void put_item_end(struct buf *out, size_t began);

#endif
