#include "tests/protocol/tree_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "schema/text.h"

static _Noreturn void
die(const char *what, const char *detail)
{
	(void)fprintf(stderr, "fixture: %s: %s\n", what, detail);
	abort();
}

static struct arena *arena;

static void
release(void)
{
	arena_free(arena);
}

const struct schema_set *
fixture_schemas(void)
{
	static const struct schema_set *set;
	struct err err = ERR_INIT;

	if (set == NULL) {
		arena = arena_new();
		(void)atexit(release);
		if (schema_load(arena, &set, &err) != RC_OK)
			die("schema_load", err.detail);
	}
	return set;
}

const struct resource_type *
fixture_type(uint8_t code)
{
	return schema_type(fixture_schemas(), code);
}

json_t *
fixture_parse(const char *json)
{
	json_error_t error;
	json_t *parsed = json_loads(json, JSON_DECODE_ANY, &error);

	if (parsed == NULL)
		die(error.text, json);
	return parsed;
}

static struct node *tree_of(struct arena *a, const struct attr *attr, const json_t *json);

static struct node *
value_of(struct arena *a, const struct attr *attr, const json_t *json)
{
	struct node *n = node_new(a, attr, NODE_VALUE);
	struct slice text = { json_string_value(json), json_string_length(json) };

	switch (attr->type) {
	case ATTR_BOOLEAN:
		n->boolean = json_is_true(json);
		break;
	case ATTR_INTEGER:
		n->integer = json_integer_value(json);
		break;
	case ATTR_DECIMAL:
		n->decimal = json_number_value(json);
		break;
	case ATTR_DATETIME:
		if (!datetime_parse(text, &n->ticks))
			die("dateTime", text.p);
		break;
	case ATTR_BINARY:
		if (!base64_decode(a, text, &n->text))
			die("base64", text.p);
		break;
	case ATTR_STRING:
	case ATTR_REFERENCE:
		n->text = arena_dup(a, text);
		break;
	case ATTR_COMPLEX:
		die("not an object", attr->name.p);
	}
	return n;
}

static struct node *
object_of(struct arena *a, const struct attr *attr, const json_t *json)
{
	struct node *object = node_new(a, attr, NODE_OBJECT);
	const char *name;
	json_t *member;

	json_object_foreach ((json_t *)(uintptr_t)json, name, member) {
		const struct attr *sub = attr_sub(attr, slice_of(name));

		if (sub == NULL)
			die("no such attribute", name);
		if (strcmp(name, "schemas") != 0)
			node_insert(object, tree_of(a, sub, member));
	}
	return object;
}

static struct node *
tree_of(struct arena *a, const struct attr *attr, const json_t *json)
{
	struct node *list;

	if (!json_is_array(json))
		return attr->type == ATTR_COMPLEX ? object_of(a, attr, json) : value_of(a, attr, json);
	list = node_new(a, attr, NODE_LIST);
	for (size_t i = 0; i < json_array_size(json); i++)
		node_append(list, tree_of(a, attr, json_array_get(json, i)));
	return list;
}

struct node *
fixture_tree(struct arena *a, const struct resource_type *type, const char *json)
{
	json_t *parsed = fixture_parse(json);
	struct node *root = object_of(a, type->root, parsed);

	json_decref(parsed);
	return root;
}

json_t *
fixture_json(const struct node *n)
{
	json_t *out;
	char name[256];

	if (n->kind == NODE_LIST) {
		out = json_array();
		for (const struct node *c = n->child; c != NULL; c = c->next)
			(void)json_array_append_new(out, fixture_json(c));
		return out;
	}
	if (n->kind == NODE_OBJECT) {
		out = json_object();
		for (const struct node *c = n->child; c != NULL; c = c->next) {
			(void)snprintf(name, sizeof(name), "%.*s", SLICE_ARG(c->attr->name));
			if (json_object_get(out, name) != NULL)
				die("twice in one object", name);
			(void)json_object_set_new(out, name, fixture_json(c));
		}
		return out;
	}
	switch (n->attr->type) {
	case ATTR_BOOLEAN:
		return json_boolean(n->boolean);
	case ATTR_INTEGER:
		return json_integer(n->integer);
	case ATTR_DECIMAL:
		return json_real(n->decimal);
	case ATTR_DATETIME:
		return json_integer(n->ticks);
	case ATTR_STRING:
	case ATTR_BINARY:
	case ATTR_REFERENCE:
	case ATTR_COMPLEX:
		break;
	}
	out = json_stringn(n->text.p, n->text.len);
	return out != NULL ? out : json_string_nocheck("(bytes)");
}
