/* What the tests of the SCIM codecs share: the schema, an arena, JSON from texts and from the RFC's
 * examples. */
#ifndef TESTS_PROTOCOL_FIXTURE_H
#define TESTS_PROTOCOL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
/* base/err.h has a fail() too. */
#undef fail
#undef fail_msg
#define fail_msg(...)                                                                              \
	do {                                                                                       \
		print_error(__VA_ARGS__);                                                          \
		print_error("\n");                                                                 \
		_fail(__FILE__, __LINE__);                                                         \
	} while (0)

#include "base/buf.h"
#include "protocol/json.h"
#include "schema/schema.h"

#define ENTERPRISE "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
#define USER_URN "urn:ietf:params:scim:schemas:core:2.0:User"
#define GROUP_URN "urn:ietf:params:scim:schemas:core:2.0:Group"

struct fixture {
	struct arena *schema_arena, *a;
	const struct schema_set *set;
	const struct resource_type *user, *group;
};

static int
fixture_open(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = ERR_INIT;

	f->schema_arena = arena_new();
	f->a = arena_new();
	if (schema_load(f->schema_arena, &f->set, &err) != RC_OK) {
		print_error("%s: %s\n", err.path, err.detail);
		return -1;
	}
	f->user = schema_type(f->set, TYPE_USER);
	f->group = schema_type(f->set, TYPE_GROUP);
	*state = f;
	return 0;
}

static int
fixture_close(void **state)
{
	struct fixture *f = *state;

	arena_free(f->a);
	arena_free(f->schema_arena);
	free(f);
	return 0;
}

/* A test's own clean arena. */
static int
fixture_clear(void **state)
{
	struct fixture *f = *state;

	arena_clear(f->a);
	return 0;
}

static void
fixture_decref(void *json)
{
	json_decref(json);
}

/* A JSON value of any kind; freed with the arena. Single quotes stand for double ones. */
static inline json_t *
json_of(struct fixture *f, const char *text)
{
	struct slice copy = arena_dup(f->a, slice_of(text));
	json_error_t error;
	json_t *json;

	for (size_t i = 0; i < copy.len; i++)
		if (copy.p[i] == '\'')
			((char *)(uintptr_t)copy.p)[i] = '"';
	json = json_loadb(copy.p, copy.len, JSON_DECODE_ANY, &error);
	if (json == NULL)
		fail_msg("%s: %s", error.text, text);
	arena_on_free(f->a, fixture_decref, json);
	return json;
}

/* A file of tests/protocol/examples. */
static inline struct slice
file_of(struct fixture *f, const char *name)
{
	char *path = arena_printf(f->a, "%s%s", TEST_EXAMPLES, name);
	FILE *file = fopen(path, "rb");
	char *text = arena_alloc(f->a, 65536);
	size_t len;

	if (file == NULL)
		fail_msg("%s can't be opened", path);
	len = fread(text, 1, 65536, file);
	(void)fclose(file);
	return (struct slice){ text, len };
}

static inline json_t *
example_of(struct fixture *f, const char *name)
{
	struct err err = ERR_INIT;
	json_t *json = NULL;

	assert_int_equal(json_read(f->a, file_of(f, name), &json, &err), RC_OK);
	return json;
}

/* Compares as JSON: members in any order. */
static inline void
assert_json(struct fixture *f, struct slice got, const json_t *want)
{
	json_error_t error;
	json_t *json = json_loadb(got.p, got.len, JSON_REJECT_DUPLICATES, &error);

	if (json == NULL)
		fail_msg("%s (%d): %.*s", error.text, error.position, SLICE_ARG(got));
	if (!json_equal(json, want)) {
		char *text = json_dumps(want, JSON_COMPACT);

		fail_msg("got  %.*s\nwant %s", SLICE_ARG(got), text);
	}
	json_decref(json);
	(void)f;
}

/* A small generator: tests are the same at every run. */
static inline uint32_t
random_below(uint64_t *seed, uint32_t n)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*seed >> 33) % n;
}

#define CASE(fn) cmocka_unit_test_setup(fn, fixture_clear)
#define RUN(tests) cmocka_run_group_tests(tests, fixture_open, fixture_close)

#endif
