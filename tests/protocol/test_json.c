#include "fixture.h"

static enum rc
read_text(struct fixture *f, const char *text, size_t len, struct err *err)
{
	json_t *json;

	return json_read(f->a, (struct slice){ text, len }, &json, err);
}

struct refusal {
	const char *text, *word; /* the word that the detail must hold */
};

static void
refuses_what_is_no_json_object(void **state)
{
	static const struct refusal table[] = {
		{ "", "empty" },
		{ " \t", "empty" },
		{ "\n", "ends too early" },
		{ "[]", "object" },
		{ "[{}]", "object" },
		{ "1", "JSON" },
		{ "\"a\"", "JSON" },
		{ "null", "JSON" },
		{ "{", "ends too early" },
		{ "{\"a\":1", "ends too early" },
		{ "{\"a\":1}x", "follows" },
		{ "{\"a\":1}{}", "follows" },
		{ "{'a':1}", "syntax" },
		{ "{\"a\":1,}", "syntax" },
		{ "{\"a\":01}", "syntax" },
		{ "{\"a\":+1}", "syntax" },
		{ "{\"a\":.5}", "syntax" },
		{ "{\"a\":NaN}", "syntax" },
		{ "{a:1}", "syntax" },
		{ "{\"a\":/**/1}", "syntax" },
		{ "{\"a\":\"\t\"}", "syntax" },
		{ "{\"a\":\"\\u0000\"}", "NUL" },
		{ "{\"a\\u0000\":1}", "NUL" },
		{ "{\"a\":\"\\ud800\"}", "surrogate" },
		{ "{\"a\":\"\\udc00\\ud800\"}", "surrogate" },
		{ "{\"a\":\"\xff\"}", "UTF-8" },
		{ "{\"a\":\"\xc0\x80\"}", "UTF-8" },
		{ "{\"a\":\"\xed\xa0\x80\"}", "UTF-8" },
		{ "{\"a\":1,\"a\":1}", "twice" },
		{ "{\"a\":1,\"A\":1}", "twice" },
		{ "{\"x\":[{\"userName\":1,\"b\":2,\"USERNAME\":1}]}", "twice" },
		{ "{\"a\":9223372036854775808}", "range" },
		{ "{\"a\":-9223372036854775809}", "range" },
		{ "{\"a\":1e999}", "range" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct err err = ERR_INIT;
		enum rc rc = read_text(f, table[i].text, strlen(table[i].text), &err);

		if (rc != RC_INVALID_SYNTAX || strstr(err.detail, table[i].word) == NULL)
			fail_msg("%s: %s: %s", table[i].text, rc_name(rc), err.detail);
	}
}

static void
refuses_a_raw_nul(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(read_text(*state, "{\"a\":\"x\0y\"}", 11, &err), RC_INVALID_SYNTAX);
	assert_int_equal(read_text(*state, "{\"a\":1}\0", 8, &err), RC_INVALID_SYNTAX);
}

static void
takes_the_largest_integers(void **state)
{
	static const char text[] = "{\"a\":9223372036854775807,\"b\":-9223372036854775808}";
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	json_t *json;

	assert_int_equal(json_read(f->a, SLICE(text), &json, &err), RC_OK);
	assert_true(json_integer_value(json_member(json, "a")) == INT64_MAX);
	assert_true(json_integer_value(json_member(json, "b")) == INT64_MIN);
}

/* A body "{"a":[[[…", closed or not. */
static enum rc
nested(struct fixture *f, size_t depth, bool closed)
{
	char *text = arena_alloc(f->a, 5 + 2 * depth);
	struct err err = ERR_INIT;

	memcpy(text, "{\"a\":", 5);
	memset(text + 5, '[', depth - 1);
	memset(text + 4 + depth, ']', depth - 1);
	text[3 + 2 * depth] = '}';
	return read_text(f, text, closed ? 4 + 2 * depth : 4 + depth, &err);
}

static void
bounds_the_depth(void **state)
{
	assert_int_equal(nested(*state, JSON_DEPTH_MAX, true), RC_OK);
	assert_int_equal(nested(*state, JSON_DEPTH_MAX + 1, true), RC_INVALID_SYNTAX);
	assert_int_equal(nested(*state, 100000, true), RC_INVALID_SYNTAX);
	assert_int_equal(nested(*state, 100000, false), RC_INVALID_SYNTAX);
}

static void
brackets_in_texts_are_no_depth(void **state)
{
	static const char text[] = "{\"a\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
				   "[[[[[[[[[[[[[[[[[[\\\\\"}";
	struct err err = ERR_INIT;

	assert_int_equal(read_text(*state, text, sizeof(text) - 1, &err), RC_OK);
}

static void
errors_do_not_repeat_the_body(void **state)
{
	static const char text[] = "{\"password\":\"Tr0ub4dor\",,}";
	struct err err = ERR_INIT;

	assert_int_equal(read_text(*state, text, sizeof(text) - 1, &err), RC_INVALID_SYNTAX);
	assert_null(strstr(err.detail, "Tr0ub4dor"));
	assert_null(strstr(err.detail, "password"));
}

static void
passes_over_a_byte_order_mark(void **state)
{
	static const char text[] = "\xEF\xBB\xBF{\"a\":1}";
	struct err err = ERR_INIT;

	assert_int_equal(read_text(*state, text, sizeof(text) - 1, &err), RC_OK);
}

static void
members_are_found_without_case(void **state)
{
	json_t *json = json_of(*state, "{'Operations':1,'PATH':2}");

	assert_int_equal(json_integer_value(json_member(json, "operations")), 1);
	assert_int_equal(json_integer_value(json_member(json, "path")), 2);
	assert_null(json_member(json, "op"));
	assert_null(json_member(json_of(*state, "[]"), "op"));
	assert_null(json_member(NULL, "op"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(refuses_what_is_no_json_object),
		CASE(refuses_a_raw_nul),
		CASE(takes_the_largest_integers),
		CASE(bounds_the_depth),
		CASE(brackets_in_texts_are_no_depth),
		CASE(errors_do_not_repeat_the_body),
		CASE(passes_over_a_byte_order_mark),
		CASE(members_are_found_without_case),
	};

	return RUN(tests);
}
