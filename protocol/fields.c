#include "protocol/fields.h"

#include "base/banned.h"

struct reader {
	const unsigned char *p, *end;
};

/* An empty payload may have no address, to which nothing can be added. */
static struct reader
reader_of(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;

	return (struct reader){ p, s.len > 0 ? p + s.len : p };
}

/* Only the shortest form: a number has one spelling. */
static bool
read_varint(struct reader *r, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned shift = 0; r->p < r->end && shift < 70; shift += 7) {
		unsigned char c = *r->p++;

		if (shift == 63 && c > 1)
			return false;
		v |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80) {
			*out = v;
			return c != 0 || shift == 0;
		}
	}
	return false;
}

/* The value behind a field's first byte. */
static bool
read_value(struct reader *r, unsigned kind, uint64_t *number, struct slice *bytes)
{
	uint64_t len = sizeof(struct uuid);

	if (kind == FIELD_NUMBER)
		return read_varint(r, number);
	if (kind > FIELD_ID || (kind == FIELD_BYTES && !read_varint(r, &len)) ||
		len > (uint64_t)(r->end - r->p))
		return false;
	*bytes = (struct slice){ (const char *)r->p, (size_t)len };
	r->p += len;
	return true;
}

enum outcome { READ_OK, READ_MALFORMED, READ_UNKNOWN, READ_WRONG_KIND, READ_TWICE };

static enum outcome
read_all(const field_table table, struct slice payload, bool strict, uint64_t lists, struct fields *out, unsigned *number)
{
	struct reader r = reader_of(payload);

	out->present = 0;
	while (r.p < r.end) {
		unsigned kind = 1u + (*r.p >> 6);
		struct slice bytes = { NULL, 0 };
		uint64_t n = 0;

		*number = *r.p++ & 63;
		if (!read_value(&r, kind, &n, &bytes))
			return READ_MALFORMED;
		if (table[*number].kind != kind) {
			if (table[*number].kind != FIELD_NONE)
				return READ_WRONG_KIND;
			if (strict && *number < FIELD_OPTIONAL)
				return READ_UNKNOWN;
			continue;
		}
		if (fields_has(out, *number)) {
			if (!table[*number].list || (lists >> *number & 1) == 0)
				return READ_TWICE;
			continue;
		}
		out->present |= UINT64_C(1) << *number;
		if (kind == FIELD_NUMBER)
			out->at[*number].number = n;
		else
			out->at[*number].bytes = bytes;
	}
	return READ_OK;
}

enum rc
fields_read(const field_table table, struct slice payload, uint64_t lists, struct fields *out, struct err *err)
{
	unsigned number = 0;

	switch (read_all(table, payload, true, lists, out, &number)) {
	case READ_OK:
		return RC_OK;
	case READ_MALFORMED:
		return fail(err, RC_BAD_REQUEST, "", "the payload is no row of fields");
	case READ_UNKNOWN:
		return fail(err, RC_BAD_REQUEST, "", "field %u is not known here", number);
	case READ_WRONG_KIND:
		return fail(err, RC_BAD_REQUEST, table[number].name, "is of another kind");
	case READ_TWICE:
		return fail(err, RC_INVALID_VALUE, table[number].name, "is there twice");
	}
	return RC_OK;
}

bool
fields_read_answer(const field_table table, struct slice payload, struct fields *out)
{
	unsigned number = 0;

	return read_all(table, payload, false, UINT64_MAX, out, &number) == READ_OK;
}

bool
fields_next(struct slice *rest, unsigned number, struct slice *value)
{
	struct reader r = reader_of(*rest);

	while (r.p < r.end) {
		unsigned kind = 1u + (*r.p >> 6), at = *r.p & 63;
		uint64_t n;

		r.p++;
		if (!read_value(&r, kind, &n, value))
			break;
		if (at == number && kind != FIELD_NUMBER) {
			*rest = (struct slice){ (const char *)r.p, (size_t)(r.end - r.p) };
			return true;
		}
	}
	rest->len = 0;
	return false;
}

/* One byte is left for the length: items are short, mostly. */
size_t
put_item_begin(struct buf *out, unsigned number)
{
	buf_char(out, (char)((FIELD_BYTES - 1) << 6 | number));
	buf_char(out, 0);
	return out->len;
}

void
put_item_end(struct buf *out, size_t began)
{
	size_t len = out->len - began;
	char text[FIELD_NUMBER_MAX];
	size_t n = field_varint(text, len);

	if (n > 1) {
		(void)buf_reserve(out, n - 1);
		memmove(out->p + began + n - 1, out->p + began, len);
		out->len += n - 1;
	}
	memcpy(out->p + began - 1, text, n);
}
