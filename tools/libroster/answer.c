#include "tools/libroster/private.h"

#include "base/banned.h"

bool
answer_read(struct roster_answer *answer, struct slice payload, bool last)
{
	struct slice rest = payload, item;
	struct fields of_item;

	answer->row = answer->rest = payload;
	answer->last = last;
	answer->resumed = false;
	if (!fields_read_answer(roster_answer_fields, payload, &answer->fields))
		return false;
	if (!fields_has(&answer->fields, OUT_ITEM))
		return true;
	/* Looked at before anybody is told, so that nobody acts on half a part. */
	while (fields_next(&rest, OUT_ITEM, &item))
		if (!fields_read_answer(roster_answer_fields, item, &of_item))
			return false;
	return true;
}

static bool
is_there(const struct roster_answer *answer, unsigned field, enum field_kind kind)
{
	return field < FIELD_NUMBERS && roster_answer_fields[field].kind == kind && fields_has(&answer->fields, field);
}

bool
roster_has(const struct roster_answer *answer, enum roster_field field)
{
	return (unsigned)field < FIELD_NUMBERS && fields_has(&answer->fields, (unsigned)field);
}

uint64_t
roster_number(const struct roster_answer *answer, enum roster_field field)
{
	return is_there(answer, field, FIELD_NUMBER) ? answer->fields.at[field].number : 0;
}

struct roster_text
roster_text(const struct roster_answer *answer, enum roster_field field)
{
	struct slice s = { NULL, 0 };

	if (is_there(answer, field, FIELD_BYTES))
		s = answer->fields.at[field].bytes;
	return (struct roster_text){ s.p, s.len };
}

const struct roster_id *
roster_id(const struct roster_answer *answer, enum roster_field field)
{
	return is_there(answer, field, FIELD_ID) ? (const struct roster_id *)answer->fields.at[field].bytes.p : NULL;
}

/* The answer is const to those who read it; how far they have read is not part of it. */
static struct roster_answer *
reader(const struct roster_answer *answer)
{
	union {
		const struct roster_answer *in;
		struct roster_answer *out;
	} u = { answer };

	return u.out;
}

const struct roster_answer *
roster_next_item(const struct roster_answer *answer)
{
	struct slice item;

	if (answer->item == NULL || !fields_has(&answer->fields, OUT_ITEM) ||
		!fields_next(&reader(answer)->rest, OUT_ITEM, &item))
		return NULL;
	return answer_read(answer->item, item, true) ? answer->item : NULL;
}

const struct roster_id *
roster_next_id(const struct roster_answer *answer, enum roster_field field)
{
	struct slice id;

	if (!is_there(answer, field, FIELD_ID) || !fields_next(&reader(answer)->rest, (unsigned)field, &id))
		return NULL;
	return (const struct roster_id *)id.p;
}

bool
roster_is_last(const struct roster_answer *answer)
{
	return answer->last;
}

bool
roster_is_resumed(const struct roster_answer *answer)
{
	return answer->resumed;
}

/* ---- Ids ---- */

bool
roster_id_parse(const char *text, struct roster_id *out)
{
	struct uuid id;

	if (text == NULL || !uuid_parse(slice_of(text), &id))
		return false;
	memcpy(out->bytes, id.bytes, sizeof(out->bytes));
	return true;
}

void
roster_id_format(const struct roster_id *id, char out[37])
{
	struct uuid u;

	memcpy(u.bytes, id->bytes, sizeof(u.bytes));
	uuid_format(&u, out);
	out[UUID_TEXT] = '\0';
}
