/* Any bytes, as the payload of a request and of an answer: what is read lies inside, written again it reads as the same, and what is
 * refused is told why. */
#include <stdint.h>
#include <stdlib.h>

#include "protocol/roster.h"

enum { DEPTH = 4 /* of items in items */ };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

/* Looks at each byte, so that a sanitizer sees one that lies outside. */
static void
look_at(struct slice s)
{
	static volatile unsigned char sum;

	for (size_t i = 0; i < s.len; i++)
		sum = (unsigned char)(sum + (unsigned char)s.p[i]);
}

static void rewrite(const field_table table, struct slice payload, unsigned depth, struct buf *out);

static void
rewrite_value(const field_table table, unsigned number, struct slice value, unsigned depth, struct buf *out)
{
	struct fields item;
	struct uuid id;
	size_t began;

	look_at(value);
	if (table[number].kind == FIELD_ID) {
		must(value.len == sizeof(id.bytes));
		memcpy(id.bytes, value.p, sizeof(id.bytes));
		put_id(out, number, &id);
	} else if (table[number].list && depth < DEPTH && fields_read_answer(table, value, &item)) {
		began = put_item_begin(out, number);
		rewrite(table, value, depth + 1, out);
		put_item_end(out, began);
	} else {
		put_bytes(out, number, value);
	}
}

static void
rewrite(const field_table table, struct slice payload, unsigned depth, struct buf *out)
{
	struct fields f;

	must(fields_read_answer(table, payload, &f));
	for (unsigned n = 0; n < FIELD_NUMBERS; n++) {
		struct slice rest = payload, value;

		if (!fields_has(&f, n)) {
			must(fields_number(&f, n) == 0 && fields_bytes(&f, n).p == NULL);
			continue;
		}
		must(table[n].kind != FIELD_NONE);
		if (table[n].kind == FIELD_NUMBER)
			put_number(out, n, fields_number(&f, n));
		else if (!table[n].list)
			rewrite_value(table, n, fields_bytes(&f, n), depth, out);
		else
			while (fields_next(&rest, n, &value))
				rewrite_value(table, n, value, depth, out);
	}
}

/* What a list's fields are, but for how their own fields stand. */
static size_t
list_count(struct slice payload, unsigned number)
{
	struct slice value;
	size_t n = 0;

	while (fields_next(&payload, number, &value))
		n++;
	return n;
}

static void
compare(const field_table table, struct slice a, struct slice b)
{
	struct fields fa, fb;

	must(fields_read_answer(table, a, &fa) && fields_read_answer(table, b, &fb));
	must(fa.present == fb.present);
	for (unsigned n = 0; n < FIELD_NUMBERS; n++) {
		if (!fields_has(&fa, n))
			continue;
		if (table[n].kind == FIELD_NUMBER)
			must(fields_number(&fa, n) == fields_number(&fb, n));
		else if (!table[n].list)
			must(slice_eq(fields_bytes(&fa, n), fields_bytes(&fb, n)));
		else
			must(list_count(a, n) == list_count(b, n) && list_count(a, n) > 0);
	}
}

static void
run(const field_table table, struct slice payload)
{
	struct buf once = BUF_INIT, twice = BUF_INIT;
	struct fields strict, lenient;
	struct err err = ERR_INIT;
	enum rc rc = fields_read(table, payload, UINT64_MAX, &strict, &err);
	bool ok = fields_read_answer(table, payload, &lenient);

	must(rc == RC_OK || ((rc == RC_BAD_REQUEST || rc == RC_INVALID_VALUE) && err.detail[0] != '\0'));
	must(rc != RC_OK || (ok && strict.present == lenient.present));
	if (ok) {
		rewrite(table, payload, 0, &once);
		must(once.len <= payload.len); /* what was unknown is gone, and each value has one spelling */
		compare(table, payload, buf_as_slice(&once));
		must(fields_read(table, buf_as_slice(&once), UINT64_MAX, &strict, &err) == RC_OK);
		rewrite(table, buf_as_slice(&once), 0, &twice);
		must(slice_eq(buf_as_slice(&once), buf_as_slice(&twice)));
	}
	buf_release(&once);
	buf_release(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice payload = { (const char *)data, size };

	run(roster_request_fields, payload);
	run(roster_answer_fields, payload);
	return 0;
}
