/* What the tests of this room share: the tables, an arena, numbers that can be replayed. */
#ifndef TESTS_SCHEMA_COMMON_H
#define TESTS_SCHEMA_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "schema/record.h"
#include "schema/text.h"

/* Behind ours: it makes a macro of fail(). */
#include <cmocka.h>

struct fixture {
	struct arena *a;
	const struct schema_set *set;
	const struct resource_type *user, *group;
};

static struct fixture fx __attribute__((unused));

__attribute__((unused)) static int
fixture_up(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	fx.a = arena_new();
	if (schema_load(fx.a, &fx.set, &err) != RC_OK) {
		(void)fprintf(stderr, "%s: %s\n", err.path, err.detail);
		return -1;
	}
	fx.user = schema_type(fx.set, TYPE_USER);
	fx.group = schema_type(fx.set, TYPE_GROUP);
	return 0;
}

__attribute__((unused)) static int
fixture_down(void **state)
{
	(void)state;
	arena_free(fx.a);
	return 0;
}

/* xorshift64*: the same numbers in each run. */
__attribute__((unused)) static uint64_t
dice(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

__attribute__((unused)) static const struct attr *
user_attr(const char *path)
{
	const struct attr *attr = attr_find(fx.user, slice_of(path));

	assert_non_null(attr);
	return attr;
}

__attribute__((unused)) static struct node *
text_node(struct arena *a, const struct attr *attr, const char *text)
{
	struct node *n = node_new(a, attr, NODE_VALUE);

	n->text = slice_of(text);
	return n;
}

#define assert_slice(s, text)                                                                      \
	do {                                                                                       \
		struct slice slice_ = (s);                                                         \
		assert_int_equal(slice_.len, strlen(text));                                        \
		assert_memory_equal(slice_.p, (text), strlen(text));                               \
	} while (0)

/* The file beside the sources. Freed with the arena's owner: the caller frees. */
__attribute__((unused)) static char *
read_reference(const char *name)
{
	const char *dir = getenv("srcdir");
	char path[512];
	FILE *f;
	char *text = calloc(1, 1 << 16);

	(void)snprintf(
		path, sizeof(path), "%s/tests/schema/data/%s", dir != NULL ? dir : ".", name);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_true(fread(text, 1, (1 << 16) - 1, f) > 0);
	(void)fclose(f);
	return text;
}

#endif
