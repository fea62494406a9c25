/* The examples of docs/PROTOCOL.md, read from the document itself: each block's text and its bytes are to be the same, decoded and encoded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/libroster/private.h"

#include <cmocka.h> /* last: it has a macro fail() */

enum { DEPTH = 2, BLOCKS = 64 };

struct block {
	bool is_request;
	uint8_t type, flags;
	uint32_t id;
	struct buf text;  /* the payload, encoded from the block's text */
	struct buf bytes; /* as the block spells them */
	size_t begun[DEPTH];
	unsigned depth;
};

static struct block blocks[BLOCKS];
static size_t block_count;

/* ---- Reading the document ---- */

static int
hex_digit(char c)
{
	const char *at = c != '\0' ? strchr("0123456789abcdef", c) : NULL;

	assert_non_null(at);
	return (int)(at - "0123456789abcdef");
}

static void
put_hex(struct buf *out, const char *text)
{
	for (; *text != '\0' && *text != '\n'; text += 2) {
		while (*text == ' ')
			text++;
		buf_char(out, (char)(hex_digit(text[0]) << 4 | hex_digit(text[1])));
	}
}

/* A JSON string; of its escapes only \uXXXX below 0x800 stand in the document. */
static void
put_json_string(struct buf *out, const char *text)
{
	for (text++; *text != '"'; text++) {
		unsigned c = 0;

		if (*text != '\\') {
			buf_char(out, *text);
			continue;
		}
		assert_int_equal(text[1], 'u');
		for (int i = 2; i < 6; i++)
			c = c << 4 | (unsigned)hex_digit(text[i]);
		assert_in_range(c, 0x80, 0x7ff);
		buf_char(out, (char)(0xc0 | c >> 6));
		buf_char(out, (char)(0x80 | (c & 0x3f)));
		text += 5;
	}
}

static unsigned
number_of(const struct block *b, struct slice name)
{
	const struct field_row *table = b->is_request ? roster_request_fields : roster_answer_fields;

	for (unsigned i = 0; i < FIELD_NUMBERS; i++)
		if (table[i].name != NULL && slice_eq(slice_of(table[i].name), name))
			return i;
	fail_msg("there is no field %.*s", SLICE_ARG(name));
	return 0;
}

static void
read_field(struct block *b, const char *line)
{
	size_t len = strcspn(line, " \n");
	const char *value = line + len + 1;
	struct buf bytes = BUF_INIT;
	unsigned number;

	if (*line == '}') {
		put_item_end(&b->text, b->begun[--b->depth]);
		return;
	}
	number = number_of(b, (struct slice){ line, len });
	if (*value == '{') {
		assert_true(b->depth < DEPTH);
		b->begun[b->depth++] = put_item_begin(&b->text, number);
	} else if (*value == '"') {
		put_json_string(&bytes, value);
		put_bytes(&b->text, number, (struct slice){ bytes.len > 0 ? bytes.p : "", bytes.len });
	} else if (value[0] == '0' && value[1] == 'x') {
		put_hex(&bytes, value + 2);
		put_bytes(&b->text, number, buf_as_slice(&bytes));
	} else if (strlen(value) > UUID_TEXT && value[8] == '-' && value[13] == '-') {
		struct uuid id;

		assert_true(uuid_parse((struct slice){ value, UUID_TEXT }, &id));
		put_id(&b->text, number, &id);
	} else {
		put_number(&b->text, number, strtoull(value, NULL, 10));
	}
	buf_release(&bytes);
}

static void
read_head(struct block *b, const char *line)
{
	char type[32], flags[32];

	b->is_request = line[0] == '>';
	assert_int_equal(sscanf(line + 1, " %31s %u %31s", type, &b->id, flags), 3);
	for (unsigned i = 0; i <= UINT8_MAX; i++)
		if (roster_type_name((uint8_t)i) != NULL && strcmp(roster_type_name((uint8_t)i), type) == 0)
			b->type = (uint8_t)i;
	assert_int_not_equal(b->type, 0);
	b->flags = (uint8_t)((strstr(flags, "last") != NULL ? FRAME_LAST : 0) | (strstr(flags, "error") != NULL ? FRAME_ERROR : 0));
}

static void
read_line(struct block *b, const char *line)
{
	if (line[0] == '>' || line[0] == '<')
		read_head(b, line);
	else if (line[0] == '=')
		put_hex(&b->bytes, line + 2);
	else
		read_field(b, line + strspn(line, " "));
}

static int
read_document(void **state)
{
	FILE *f = fopen(PROTOCOL_MD, "r");
	char line[1024];
	bool inside = false;

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strcmp(line, "```roster\n") == 0) {
			inside = true;
			assert_true(block_count < BLOCKS);
		} else if (inside && strcmp(line, "```\n") == 0) {
			inside = false;
			block_count++;
		} else if (inside) {
			read_line(&blocks[block_count], line);
		}
	}
	(void)fclose(f);
	return 0;
}

static int
forget_document(void **state)
{
	(void)state;
	for (size_t i = 0; i < block_count; i++) {
		buf_release(&blocks[i].text);
		buf_release(&blocks[i].bytes);
	}
	return 0;
}

/* ---- Tests ---- */

static struct slice
payload_of(const struct block *b)
{
	return (struct slice){ b->bytes.p + FRAME_HEAD, b->bytes.len - FRAME_HEAD };
}

static void
document_has_examples(void **state)
{
	(void)state;
	assert_true(block_count >= 16);
}

static void
texts_give_the_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < block_count; i++) {
		struct block *b = &blocks[i];
		struct buf frame = BUF_INIT;
		size_t began = roster_frame_begin(&frame);

		buf_slice(&frame, buf_as_slice(&b->text));
		roster_frame_end(&frame, began, b->type, b->flags, b->id);
		assert_int_equal(frame.len, b->bytes.len);
		assert_memory_equal(frame.p, b->bytes.p, frame.len);
		buf_release(&frame);
	}
}

/* Field by field in their order, items inside; what was read is written again. */
static void
copy_row(const field_table table, struct slice row, struct buf *out)
{
	struct fields f;

	while (row.len > 0) {
		struct slice one = row;
		size_t took = 1;

		/* The shortest beginning that is a row of fields: exactly one field. */
		while (one.len = took, !fields_read_answer(table, one, &f))
			assert_true(took++ < row.len);
		for (unsigned n = 0; n < FIELD_NUMBERS; n++) {
			if (!fields_has(&f, n))
				continue;
			if (table[n].kind == FIELD_NUMBER) {
				put_number(out, n, f.at[n].number);
			} else if (table[n].kind == FIELD_ID) {
				struct uuid id;

				assert_true(fields_id(&f, n, &id));
				put_id(out, n, &id);
			} else if (strcmp(table[n].name, "item") == 0) {
				size_t began = put_item_begin(out, n);

				copy_row(table, f.at[n].bytes, out);
				put_item_end(out, began);
			} else {
				put_bytes(out, n, f.at[n].bytes);
			}
		}
		row = slice_from(row, took);
	}
}

static void
bytes_give_themselves(void **state)
{
	(void)state;
	for (size_t i = 0; i < block_count; i++) {
		struct block *b = &blocks[i];
		struct frame_head head;
		struct buf again = BUF_INIT;

		assert_true(frame_head_read(b->bytes.p, &head));
		assert_int_equal(head.len, b->bytes.len - FRAME_HEAD);
		assert_int_equal(head.type, b->type);
		assert_int_equal(head.flags, b->flags);
		assert_int_equal(head.id, b->id);
		copy_row(b->is_request ? roster_request_fields : roster_answer_fields, payload_of(b), &again);
		assert_int_equal(again.len, head.len);
		assert_memory_equal(again.p, payload_of(b).p, head.len);
		buf_release(&again);
	}
}

static const struct block *
block_named(char direction, uint32_t id, size_t nth)
{
	for (size_t i = 0; i < block_count; i++)
		if (blocks[i].is_request == (direction == '>') && blocks[i].id == id && nth-- == 0)
			return &blocks[i];
	fail_msg("the document has no %c %u", direction, id);
	return NULL;
}

static struct roster_id
id_of(const char *text)
{
	struct roster_id id;

	assert_true(roster_id_parse(text, &id));
	return id;
}

/* The same requests, as programs ask them. */
static void
structs_give_the_bytes(void **state)
{
#define REQUEST .size = sizeof(struct roster_request)
	struct roster_id ada = id_of("01890a5d-ac96-774b-bcce-b302099a8057"), crew = id_of("01890a5d-ac97-7000-8000-00000000000a"),
			 works = id_of("01890a5d-ac98-7000-8000-0000000000ff");
	struct roster_request items[] = { { REQUEST, .permission = "content.edit" },
		{ REQUEST, .subject_name = "bob@example.com", .permission = "content.view" } };
	const struct {
		uint32_t id;
		struct roster_request request;
	} cases[] = {
		{ 2, { REQUEST, .org = "acme", .subject_id = &ada, .group_id = &crew } },
		{ 3, { REQUEST, .org = "acme", .subject_name = "ada@example.com", .permission = "content.edit",
			     .scope = "Works", .explain = 1 } },
		{ 4, { REQUEST, .org = "acme", .subject_id = &ada, .scope_id = &works, .items = items, .item_count = 2 } },
		{ 5, { REQUEST, .group = "Crew", .limit = 2, .names = 1 } },
		{ 6, { REQUEST, .org = "acme", .type = "User", .id = &ada, .if_revision = 299 } },
		{ UINT32_MAX, { REQUEST, .org = "acme", .from = 301, .view = ROSTER_MEMBERSHIP_VIEW } },
		{ 7, { REQUEST, .revision = UINT64_MAX, .subject = "ada", .group = "" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice wanted = payload_of(block_named('>', cases[i].id, 0));
		struct buf out = BUF_INIT;
		struct roster_error error;

		assert_true(request_write(&out, &cases[i].request, NULL, NULL, &error));
		assert_int_equal(out.len, wanted.len);
		assert_memory_equal(out.p, wanted.p, out.len);
		buf_release(&out);
	}
#undef REQUEST
}

static void
read_answer(struct roster_answer *answer, struct roster_answer *item, uint32_t id, size_t nth)
{
	const struct block *b = block_named('<', id, nth);

	answer->item = item;
	assert_true(answer_read(answer, payload_of(b), (b->flags & FRAME_LAST) != 0));
}

static void
assert_text(const struct roster_answer *answer, enum roster_field field, const char *wanted)
{
	struct roster_text t = roster_text(answer, field);

	assert_int_equal(t.len, strlen(wanted));
	assert_memory_equal(t.p, wanted, t.len);
}

static void
answers_are_read(void **state)
{
	struct roster_id ada = id_of("01890a5d-ac96-774b-bcce-b302099a8057"), crew = id_of("01890a5d-ac97-7000-8000-00000000000a");
	struct roster_answer answer = { .last = false }, item = { .last = false };
	const struct roster_answer *it;
	struct roster_error error;
	char text[37];

	(void)state;
	read_answer(&answer, &item, 3, 0);
	assert_int_equal(roster_number(&answer, ROSTER_F_REVISION), 300);
	assert_int_equal(roster_number(&answer, ROSTER_F_CODE), ROSTER_CODE_GRANTED);
	assert_text(&answer, ROSTER_F_ROLE, "workspace/editor");
	assert_memory_equal(roster_next_id(&answer, ROSTER_F_TEAM_ID), &crew, sizeof(crew));
	assert_null(roster_next_id(&answer, ROSTER_F_TEAM_ID));
	assert_false(roster_has(&answer, ROSTER_F_MISSING));
	assert_null(roster_text(&answer, ROSTER_F_MISSING).p);
	/* Asked for as another kind than it has, a field is absent. */
	assert_int_equal(roster_number(&answer, ROSTER_F_ROLE), 0);
	assert_null(roster_text(&answer, ROSTER_F_REVISION).p);

	read_answer(&answer, &item, 5, 0);
	assert_false(roster_is_last(&answer));
	it = roster_next_item(&answer);
	assert_memory_equal(roster_id(it, ROSTER_F_ID), &ada, sizeof(ada));
	assert_text(it, ROSTER_F_NAME, "ada@example.com");
	it = roster_next_item(&answer);
	assert_int_equal(roster_number(it, ROSTER_F_KIND), ROSTER_TEAM);
	assert_text(it, ROSTER_F_NAME, "S\xc3\xb6hne & T\xc3\xb6" "chter");
	assert_null(roster_next_item(&answer));

	read_answer(&answer, &item, 6, 0);
	error_answered(&error, &answer.fields);
	assert_int_equal(error.status, 412);
	assert_string_equal(error.name, "PRECONDITION_FAILED");
	assert_string_equal(error.field, "if-revision");
	roster_id_format(&ada, text);
	assert_string_equal(text, "01890a5d-ac96-774b-bcce-b302099a8057");
}

/* Every answer, cut anywhere and with each bit changed, is read or refused; the sanitizers say whether in bounds. */
static void
broken_answers_are_refused(void **state)
{
	struct roster_answer answer, item;
	size_t refused = 0;

	(void)state;
	answer.item = &item;
	item.item = NULL;
	for (size_t i = 0; i < block_count; i++) {
		struct slice whole = payload_of(&blocks[i]);

		for (size_t bit = 0; bit < whole.len * 8; bit++) {
			char *copy = malloc(whole.len);

			assert_non_null(copy);
			memcpy(copy, whole.p, whole.len);
			copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
			if (!answer_read(&answer, (struct slice){ copy, bit % 2 != 0 ? whole.len : bit / 8 }, true))
				refused++;
			else
				while (roster_next_item(&answer) != NULL)
					;
			free(copy);
		}
	}
	assert_true(refused > 100);
}

/* The public header's numbers are those of the protocol. */
static void
numbers_are_the_same(void **state)
{
	(void)state;
#define X(number, name, text, kind, list) assert_int_equal(ROSTER_F_##name, number);
	ROSTER_ANSWER_FIELDS(X)
#undef X
#define X(number, name, text) assert_int_equal(ROSTER_CODE_##name, number);
	ROSTER_CODES(X)
#undef X
#define SAME(name) assert_int_equal(ROSTER_##name, ASK_##name)
	SAME(PING), SAME(STATS), SAME(CHECK), SAME(CHECK_BATCH), SAME(IS_MEMBER), SAME(IS_MEMBER_BATCH);
	SAME(GROUPS_OF), SAME(MEMBERS_OF), SAME(PERMISSIONS_OF), SAME(WHO_CAN), SAME(ORGS_OF), SAME(GET), SAME(FIND);
	SAME(PUT), SAME(DELETE), SAME(SYNC_BEGIN), SAME(SYNC_RECORDS), SAME(SYNC_PLAN), SAME(SYNC_COMMIT);
	SAME(SYNC_ABORT), SAME(WATCH);
#undef SAME
	assert_int_equal(ROSTER_EVENT_LOST, EVENT_LOST);
	assert_int_equal(ROSTER_ACTION_MEMBER_REMOVE, ACTION_MEMBER_REMOVE);
	assert_int_equal(ROSTER_PERMISSION_VIEW, VIEW_PERMISSION);
}

/* A program that was compiled with a shorter struct, and one with a longer one. */
static void
structs_of_other_versions_are_taken(void **state)
{
	struct roster_request request, old = { .size = offsetof(struct roster_request, direct), .org = "acme", .direct = 1 };
	struct {
		struct roster_request request;
		uint64_t later;
	} new = { .request = { .size = sizeof(new), .org = "acme", .names = 1 }, .later = 1 };
	struct roster_error error;

	(void)state;
	assert_true(options_copy(&request, sizeof(request), &old, "request", &error));
	assert_string_equal(request.org, "acme");
	assert_int_equal(request.direct, 0);
	assert_true(options_copy(&request, sizeof(request), &new, "request", &error));
	assert_int_equal(request.names, 1);
	old.size = 0;
	assert_false(options_copy(&request, sizeof(request), &old, "request", &error));
	assert_string_equal(error.name, "BAD_REQUEST");
	assert_string_equal(error.field, "size");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(document_has_examples),
		cmocka_unit_test(texts_give_the_bytes),
		cmocka_unit_test(bytes_give_themselves),
		cmocka_unit_test(structs_give_the_bytes),
		cmocka_unit_test(answers_are_read),
		cmocka_unit_test(broken_answers_are_refused),
		cmocka_unit_test(numbers_are_the_same),
		cmocka_unit_test(structs_of_other_versions_are_taken),
	};

	return cmocka_run_group_tests(tests, read_document, forget_document);
}
