#include "protocol/scim_read.h"

#include <stdio.h>

#include "protocol/resource_check.h"
#include "schema/text.h"

#include "base/banned.h"

struct reader {
	struct arena *a;
	enum dialect dialect;
	struct err *err;
};

#define FAIL(r, rc, attr, ...)                                                                     \
	fail((r)->err, (rc), attr_label((attr), (char[ATTR_LABEL_MAX]){ 0 }), __VA_ARGS__)

static bool
tolerant(const struct reader *r)
{
	return r->dialect == DIALECT_TOLERANT;
}

/* Runs over what it holds before the memory goes; keeps the json_t alive until then. */
static void
wipe_json_text(void *json)
{
	explicit_bzero((char *)(uintptr_t)json_string_value(json), json_string_length(json));
	json_decref(json);
}

struct secret {
	struct slice text;
};

static void
wipe_secret(void *arg)
{
	const struct secret *s = arg;

	explicit_bzero((char *)(uintptr_t)s->text.p, s->text.len);
}

static enum rc
password_read(struct reader *r, const json_t *json, struct node *out)
{
	struct secret *secret = ARENA_NEW(r->a, struct secret);
	enum rc rc;

	arena_on_free(r->a, wipe_json_text, json_incref(json_unconst(json)));
	rc = text_password(r->a, json_text(json), &secret->text, r->err);
	if (rc != RC_OK)
		return rc;
	if (secret->text.p != json_string_value(json))
		arena_on_free(r->a, wipe_secret, secret);
	out->text = secret->text;
	return RC_OK;
}

/* A text that is a key (of an index, of uniqueness, of another resource) is short; keys are
 * compared and kept apart. */
static size_t
length_max(const struct attr *attr)
{
	bool key = attr->indexed || attr->resource_id || attr->uniqueness != UNIQUE_NONE ||
		   attr->source == SOURCE_SPACE || attr->prepare != PREPARE_NONE;

	return key ? KEY_TEXT_MAX : attr->max > 0 ? attr->max : TEXT_MAX;
}

static bool
canonical_has(const struct attr *attr, struct slice text)
{
	for (size_t i = 0; i < attr->canonical_count; i++)
		if (attr->case_exact ? slice_eq(attr->canonical[i], text)
				     : slice_caseeq(attr->canonical[i], text))
			return true;
	return attr->canonical_count == 0;
}

static enum rc
text_read(struct reader *r, const struct attr *attr, const json_t *json, struct node *out)
{
	struct slice text = json_text(json), prepared;
	enum rc rc;

	if (text.p == NULL)
		return FAIL(r, RC_INVALID_VALUE, attr, "must be a text");
	if (text.len > length_max(attr))
		return FAIL(r, RC_INVALID_VALUE, attr, "is %zu bytes long; at most %zu are allowed",
			text.len, length_max(attr));
	if (memchr(text.p, '\0', text.len) != NULL)
		return FAIL(r, RC_INVALID_VALUE, attr, "holds the character NUL");
	if (r->dialect == DIALECT_INTEROP && !canonical_has(attr, text))
		return FAIL(r, RC_INVALID_VALUE, attr, "is none of the canonical values");
	if (attr->prepare == PREPARE_PASSWORD)
		return password_read(r, json, out);
	if (attr->prepare == PREPARE_USERNAME) {
		rc = text_username(r->a, text, &prepared, r->err);
		if (rc != RC_OK)
			return rc;
	}
	/* As sent, not as prepared: providers compare what they read back with what they wrote. */
	out->text = text;
	return RC_OK;
}

static enum rc
boolean_read(struct reader *r, const struct attr *attr, const json_t *json, struct node *out)
{
	struct slice text = json_text(json);

	if (json_is_boolean(json))
		out->boolean = json_is_true(json);
	else if (tolerant(r) && text.p != NULL && slice_caseeq(text, SLICE("true")))
		out->boolean = true;
	else if (tolerant(r) && text.p != NULL && slice_caseeq(text, SLICE("false")))
		out->boolean = false;
	else
		return FAIL(r, RC_INVALID_VALUE, attr, "must be true or false");
	return RC_OK;
}

static enum rc
integer_read(struct reader *r, const struct attr *attr, const json_t *json, struct node *out)
{
	if (!json_is_integer(json))
		return FAIL(r, RC_INVALID_VALUE, attr,
			"must be a whole number without fraction or exponent");
	out->integer = json_integer_value(json);
	return RC_OK;
}

static enum rc
decimal_read(struct reader *r, const struct attr *attr, const json_t *json, struct node *out)
{
	if (!json_is_number(json))
		return FAIL(r, RC_INVALID_VALUE, attr, "must be a number");
	out->decimal = json_number_value(json);
	return RC_OK;
}

static enum rc
datetime_read(struct reader *r, const struct attr *attr, const json_t *json, struct node *out)
{
	struct slice text = json_text(json);

	if (text.p == NULL || !datetime_parse(text, &out->ticks))
		return FAIL(r, RC_INVALID_VALUE, attr,
			"must be a dateTime such as \"2008-01-23T04:56:22Z\"");
	return RC_OK;
}

static enum rc
binary_read(struct reader *r, const struct attr *attr, const json_t *json, struct node *out)
{
	struct slice text = json_text(json);

	if (text.p == NULL)
		return FAIL(r, RC_INVALID_VALUE, attr, "must be a text in base64");
	if (text.len > BINARY_MAX / 3 * 4 + 4)
		return FAIL(r, RC_INVALID_VALUE, attr,
			"is longer than the %d bytes that are allowed", BINARY_MAX);
	if (!base64_decode(r->a, text, &out->text))
		return FAIL(r, RC_INVALID_VALUE, attr, "is not valid base64");
	return RC_OK;
}

static enum rc (*const simple_readers[])(
	struct reader *, const struct attr *, const json_t *, struct node *) = {
	[ATTR_STRING] = text_read,
	[ATTR_BOOLEAN] = boolean_read,
	[ATTR_INTEGER] = integer_read,
	[ATTR_DECIMAL] = decimal_read,
	[ATTR_DATETIME] = datetime_read,
	[ATTR_BINARY] = binary_read,
	[ATTR_REFERENCE] = text_read,
};

static enum rc one_read(
	struct reader *r, const struct attr *attr, const json_t *json, struct node **out);
static enum rc any_read(
	struct reader *r, const struct attr *attr, const json_t *json, struct node **out);

static enum rc
unknown_name(const struct reader *r, const struct attr *parent, const char *name)
{
	char path[ATTR_LABEL_MAX] = "";
	bool top = parent->parent == NULL;

	if (r->dialect != DIALECT_INTEROP)
		return RC_OK;
	if (!top)
		(void)attr_label(parent, path);
	(void)snprintf(
		path + strlen(path), sizeof(path) - strlen(path), "%s%s", top ? "" : ".", name);
	return fail(r->err, RC_INVALID_SYNTAX, path,
		"no schema of the resource type defines this attribute");
}

/* Puts the value of one member of an object into node. */
static enum rc
sub_read(struct reader *r, const struct attr *sub, const json_t *json, struct node *object)
{
	struct node *child = NULL;
	enum rc rc;

	if (sub->mutability == ATTR_READ_ONLY)
		return RC_OK;
	if (node_child(object, sub) != NULL)
		return FAIL(r, RC_INVALID_SYNTAX, sub, "is there twice");
	rc = any_read(r, sub, json, &child);
	if (rc == RC_OK && child != NULL)
		node_insert(object, child);
	return rc;
}

static enum rc
object_read(struct reader *r, const struct attr *attr, const json_t *json, struct node **out)
{
	struct node *object = node_new(r->a, attr, NODE_OBJECT);
	const struct attr *sub;
	enum rc rc = RC_OK;
	const char *key;
	json_t *value;

	*out = NULL;
	if (!json_is_object(json)) {
		sub = attr_sub(attr, SLICE("value"));
		if (!tolerant(r) || sub == NULL || json_is_array(json))
			return FAIL(r, RC_INVALID_VALUE, attr, "must be an object");
		rc = sub_read(r, sub, json, object);
	} else {
		json_object_foreach (json_unconst(json), key, value) {
			sub = attr_sub(attr, slice_of(key));
			rc = sub != NULL ? sub_read(r, sub, value, object)
					 : unknown_name(r, attr, key);
			if (rc != RC_OK)
				return rc;
		}
	}
	if (rc == RC_OK && object->child != NULL)
		*out = object;
	return rc;
}

/* A value of attr, or one element of it when it is multi-valued. */
static enum rc
one_read(struct reader *r, const struct attr *attr, const json_t *json, struct node **out)
{
	struct node *node;
	enum rc rc;

	*out = NULL;
	if (json_is_null(json))
		return RC_OK;
	if (tolerant(r) && json_is_string(json) && json_string_length(json) == 0)
		return RC_OK;
	if (attr->type == ATTR_COMPLEX)
		return object_read(r, attr, json, out);
	node = node_new(r->a, attr, NODE_VALUE);
	rc = simple_readers[attr->type](r, attr, json, node);
	if (rc == RC_OK)
		*out = node;
	return rc;
}

static enum rc
list_read(struct reader *r, const struct attr *attr, const json_t *json, struct node **out)
{
	struct node *list = node_new(r->a, attr, NODE_LIST), *element, **tail = &list->child;
	size_t n = json_array_size(json);
	enum rc rc;

	*out = NULL;
	if (n > LIST_MAX)
		return FAIL(r, RC_INVALID_VALUE, attr, "has %zu values; at most %d are allowed", n,
			LIST_MAX);
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(json, i);

		if (!tolerant(r) && json_is_null(item))
			return FAIL(r, RC_INVALID_VALUE, attr, "holds null instead of a value");
		rc = one_read(r, attr, item, &element);
		if (rc != RC_OK)
			return rc;
		if (element == NULL)
			continue;
		*tail = element;
		tail = &element->next;
	}
	if (tolerant(r))
		list_drop_repeats(list);
	if (list->child != NULL)
		*out = list;
	return RC_OK;
}

static enum rc
any_read(struct reader *r, const struct attr *attr, const json_t *json, struct node **out)
{
	struct node *element;
	enum rc rc;

	*out = NULL;
	if (json_is_null(json))
		return RC_OK;
	if (attr->multi && json_is_array(json))
		return list_read(r, attr, json, out);
	if (attr->multi && !tolerant(r))
		return FAIL(r, RC_INVALID_VALUE, attr, "must be a list");
	if (!attr->multi && json_is_array(json)) {
		if (!tolerant(r) || json_array_size(json) > 1)
			return FAIL(
				r, RC_INVALID_VALUE, attr, "must be a single value, not a list");
		if (json_array_size(json) == 0)
			return RC_OK;
		json = json_array_get(json, 0);
	}
	rc = one_read(r, attr, json, &element);
	if (rc != RC_OK || element == NULL)
		return rc;
	*out = element;
	if (attr->multi) {
		*out = node_new(r->a, attr, NODE_LIST);
		(*out)->child = element;
	}
	return RC_OK;
}

enum rc
value_read(struct arena *a, const struct attr *attr, const json_t *json,
	const struct read_options *options, struct node **out, struct err *err)
{
	struct reader r = { a, options->dialect, err };

	return any_read(&r, attr, json, out);
}

enum rc
element_read(struct arena *a, const struct attr *attr, const json_t *json,
	const struct read_options *options, struct node **out, struct err *err)
{
	struct reader r = { a, options->dialect, err };

	return one_read(&r, attr, json, out);
}

/* The id of one member; the other sub-attributes are the server's to say. */
static enum rc
member_read(
	struct reader *r, const struct attr *attr, const json_t *json, size_t at, struct slice *id)
{
	const json_t *value = json;
	const char *key;
	json_t *unused;
	enum rc rc;

	if (json_is_object(json)) {
		value = json_member(json, "value");
		if (r->dialect == DIALECT_INTEROP) {
			json_object_foreach (json_unconst(json), key, unused) {
				if (attr_sub(attr, slice_of(key)) != NULL)
					continue;
				rc = unknown_name(r, attr, key);
				if (rc != RC_OK)
					return rc;
			}
		}
	} else if (!tolerant(r) || !json_is_string(json)) {
		return FAIL(r, RC_INVALID_VALUE, attr, "value %zu must be an object with \"value\"",
			at + 1);
	}
	*id = json_text(value);
	if (id->p == NULL || id->len == 0 || id->len > KEY_TEXT_MAX ||
		memchr(id->p, '\0', id->len) != NULL)
		return FAIL(r, RC_INVALID_VALUE, attr,
			"\"value\" of value %zu must be the id of a resource", at + 1);
	return RC_OK;
}

enum rc
members_read(struct arena *a, const struct attr *attr, const json_t *json,
	const struct read_options *options, struct member_ids *out, struct err *err)
{
	struct reader r = { a, options->dialect, err };
	bool one = !json_is_array(json);
	size_t n = one ? 1 : json_array_size(json);
	enum rc rc;

	*out = (struct member_ids){ NULL, 0 };
	if (json_is_null(json) ||
		(tolerant(&r) && json_is_string(json) && json_string_length(json) == 0))
		return RC_OK;
	if (one && !tolerant(&r))
		return FAIL(&r, RC_INVALID_VALUE, attr, "must be a list");
	out->ids = ARENA_ARRAY(a, struct slice, n);
	for (size_t i = 0; i < n; i++) {
		const json_t *item = one ? json : json_array_get(json, i);

		if (tolerant(&r) && json_is_null(item))
			continue;
		rc = member_read(&r, attr, item, i, &out->ids[out->count]);
		if (rc != RC_OK)
			return rc;
		out->count++;
	}
	return RC_OK;
}

/* What the body's `schemas` names. */
struct schemas_in {
	bool named, core;
	uint64_t extensions; /* a bit for each of the type's */
};

static enum rc
schema_uri_read(struct reader *r, const struct schema_set *set, const struct resource_type *type,
	struct slice uri, struct schemas_in *in)
{
	const struct schema *schema;

	if (uri.p == NULL)
		return fail(r->err, RC_INVALID_SYNTAX, "schemas", "must be a list of URIs");
	schema = schema_by_urn(set, uri);
	in->named = true;
	if (schema == type->core) {
		if (in->core && !tolerant(r))
			return fail(r->err, RC_INVALID_SYNTAX, "schemas", "names \"%.*s\" twice",
				SLICE_ARG(uri));
		in->core = true;
		return RC_OK;
	}
	for (size_t i = 0; schema != NULL && i < type->extension_count; i++) {
		uint64_t bit = UINT64_C(1) << (i & 63);

		if (type->extensions[i].schema != schema)
			continue;
		if ((in->extensions & bit) != 0 && !tolerant(r))
			return fail(r->err, RC_INVALID_SYNTAX, "schemas", "names \"%.*s\" twice",
				SLICE_ARG(uri));
		in->extensions |= bit;
		return RC_OK;
	}
	if (!tolerant(r))
		return fail(r->err, RC_INVALID_SYNTAX, "schemas",
			"\"%.*s\" is no schema of resource type %.*s", SLICE_ARG(uri),
			SLICE_ARG(type->name));
	return RC_OK;
}

/* Whether the list names the core schema of a type other than the one addressed: the body was meant
 * for another endpoint. */
static bool
names_other_core(const struct schema_set *set, const json_t *json)
{
	const struct schema *schema;
	const json_t *uri;
	size_t i;

	json_array_foreach (json, i, uri) {
		schema = json_is_string(uri) ? schema_by_urn(set, json_text(uri)) : NULL;
		for (size_t t = 0; schema != NULL && t < set->type_count; t++)
			if (set->types[t]->core == schema)
				return true;
	}
	return false;
}

static enum rc
schemas_read(struct reader *r, const struct schema_set *set, const struct resource_type *type,
	const json_t *json, struct schemas_in *in)
{
	const json_t *uri;
	enum rc rc;
	size_t i;

	*in = (struct schemas_in){ false, false, 0 };
	if (tolerant(r) && (json == NULL || json_is_null(json)))
		return RC_OK;
	if (tolerant(r) && json_is_string(json))
		return schema_uri_read(r, set, type, json_text(json), in);
	if (!json_is_array(json))
		return fail(r->err, RC_INVALID_SYNTAX, "schemas", "must be a list of URIs");
	json_array_foreach (json, i, uri) {
		rc = schema_uri_read(r, set, type, json_text(uri), in);
		if (rc != RC_OK)
			return rc;
	}
	if (!in->core && (!tolerant(r) || names_other_core(set, json)))
		return fail(r->err, RC_INVALID_SYNTAX, "schemas", "must name \"%.*s\"",
			SLICE_ARG(type->core->urn));
	return RC_OK;
}

/* Strict: "schemas" indicates the namespaces of what is in the body (RFC 7643 section 3). */
static enum rc
extensions_named(const struct reader *r, const struct resource_type *type, const struct node *root,
	const struct schemas_in *in)
{
	for (size_t i = 0; !tolerant(r) && i < type->extension_count; i++)
		if ((in->extensions >> (i & 63) & 1) == 0 &&
			node_child(root, type->extensions[i].container) != NULL)
			return fail(r->err, RC_INVALID_SYNTAX, "schemas",
				"does not name \"%.*s\", which has values",
				SLICE_ARG(type->extensions[i].schema->urn));
	return RC_OK;
}

/* A bare name that the core does not have: tolerantly an extension's, unless the extension's object
 * names it as well. */
static enum rc
bare_read(struct reader *r, const struct resource_type *type, const char *key, const json_t *json,
	struct node *root)
{
	struct node *container, *child;
	const struct attr *sub = NULL;
	enum rc rc;

	for (size_t i = 0; tolerant(r) && sub == NULL && i < type->extension_count; i++)
		sub = attr_sub(type->extensions[i].container, slice_of(key));
	if (sub == NULL)
		return unknown_name(r, type->root, key);
	if (sub->mutability == ATTR_READ_ONLY)
		return RC_OK;
	rc = any_read(r, sub, json, &child);
	if (rc != RC_OK || child == NULL)
		return rc;
	container = node_parent_for(r->a, root, sub);
	if (node_child(container, sub) == NULL)
		node_insert(container, child);
	return RC_OK;
}

static enum rc
member_of_body_read(struct reader *r, const struct attr *attr, const json_t *json,
	const struct read_options *options, struct resource_in *out)
{
	struct node *node;
	enum rc rc;

	if (attr->mutability == ATTR_READ_ONLY || attr->source == SOURCE_HEADER ||
		attr->source == SOURCE_GROUPS)
		return RC_OK;
	if (attr->source == SOURCE_MEMBERS) {
		out->has_members = !json_is_null(json);
		return members_read(r->a, attr, json, options, &out->members, r->err);
	}
	if (attr->prepare != PREPARE_PASSWORD)
		return sub_read(r, attr, json, out->root);
	rc = any_read(r, attr, json, &node);
	if (rc == RC_OK && node != NULL)
		out->password = node->text;
	return rc;
}

enum rc
resource_read(struct arena *a, const struct schema_set *set, const struct resource_type *type,
	const json_t *body, const struct read_options *options, struct resource_in *out,
	struct err *err)
{
	struct reader r = { a, options->dialect, err };
	struct schemas_in schemas;
	const struct attr *attr;
	const char *key;
	json_t *value;
	enum rc rc;

	*out = (struct resource_in){ .root = node_new(a, type->root, NODE_OBJECT) };
	if (!json_is_object(body))
		return fail(err, RC_INVALID_SYNTAX, "", "a resource must be a JSON object");
	rc = schemas_read(&r, set, type, json_member(body, "schemas"), &schemas);
	if (rc != RC_OK)
		return rc;
	json_object_foreach (json_unconst(body), key, value) {
		attr = attr_sub(type->root, slice_of(key));
		rc = attr != NULL ? member_of_body_read(&r, attr, value, options, out) : RC_OK;
		if (rc != RC_OK)
			return rc;
	}
	/* After all others, so that a bare name never goes before its extension's object. */
	json_object_foreach (json_unconst(body), key, value) {
		if (attr_sub(type->root, slice_of(key)) == NULL)
			rc = bare_read(&r, type, key, value, out->root);
		if (rc != RC_OK)
			return rc;
	}
	rc = extensions_named(&r, type, out->root, &schemas);
	return rc == RC_OK ? resource_check(type, out->root, err) : rc;
}
