#include "schema/load.h"

#include <stdarg.h>
#include <stdio.h>

#include <jansson.h>

#include "base/banned.h"

/* A schema on its way: the parts that are still written to, and its text. */
struct draft {
	struct schema *schema;
	struct attr **attrs;
	size_t count;
	json_t *json;
	const char *file;
	bool core, extension; /* of a type: its attributes have a place in one tree only */
};

struct loader {
	struct arena *a;
	struct err *err;
	struct schema_set *set;
	const char *file; /* being read */
	json_t *common, *types;
	const char *common_file, *types_file;
	struct draft *drafts;
	size_t draft_count;
};

static enum rc mistake(struct loader *l, const char *where, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static enum rc
mistake(struct loader *l, const char *where, const char *fmt, ...)
{
	char text[224];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return fail(l->err, RC_INTERNAL, where, "%s: %s", l->file, text);
}

/* ---- What may stand in the files ---- */

enum member_type { MEMBER_TEXT, MEMBER_BOOL, MEMBER_NUMBER, MEMBER_TEXTS, MEMBER_OBJECTS };

struct member {
	const char *name;
	enum member_type type;
	bool required;
};

static const struct member attr_members[] = {
	{ "name", MEMBER_TEXT, true },
	{ "type", MEMBER_TEXT, true },
	{ "multiValued", MEMBER_BOOL, true },
	{ "required", MEMBER_BOOL, true },
	{ "description", MEMBER_TEXT, true },
	{ "mutability", MEMBER_TEXT, true },
	{ "returned", MEMBER_TEXT, true },
	{ "caseExact", MEMBER_BOOL, false },
	{ "uniqueness", MEMBER_TEXT, false },
	{ "canonicalValues", MEMBER_TEXTS, false },
	{ "referenceTypes", MEMBER_TEXTS, false },
	{ "subAttributes", MEMBER_OBJECTS, false },
	{ "$id", MEMBER_NUMBER, true }, /* of a common attribute: counted from the type's own */
	{ "$source", MEMBER_TEXT, false },
	{ "$prepare", MEMBER_TEXT, false },
	{ "$index", MEMBER_BOOL, false },
	{ "$resourceId", MEMBER_BOOL, false },
	{ "$hidden", MEMBER_BOOL, false },
	{ "$live", MEMBER_BOOL, false },
	{ "$max", MEMBER_NUMBER, false },
	{ "$dialect", MEMBER_TEXT, false }, /* published in this dialect only */
	{ "$publish", MEMBER_BOOL, false }, /* of a common attribute: listed in each core schema */
	{ NULL, MEMBER_TEXT, false },
};

static const struct member common_members[] = {
	{ "before", MEMBER_OBJECTS, true }, /* printed before the schema's own attributes */
	{ "after", MEMBER_OBJECTS, true },
	{ NULL, MEMBER_TEXT, false },
};

static const struct member schema_members[] = {
	{ "id", MEMBER_TEXT, true },
	{ "name", MEMBER_TEXT, true },
	{ "description", MEMBER_TEXT, true },
	{ "attributes", MEMBER_OBJECTS, true },
	{ NULL, MEMBER_TEXT, false },
};

static const struct member type_members[] = {
	{ "name", MEMBER_TEXT, true },
	{ "endpoint", MEMBER_TEXT, true },
	{ "description", MEMBER_TEXT, true },
	{ "schema", MEMBER_TEXT, true },
	{ "schemaExtensions", MEMBER_OBJECTS, false },
	{ "$code", MEMBER_NUMBER, true },
	{ "$base", MEMBER_TEXT, true },
	{ "$root", MEMBER_BOOL, false },
	{ "$id", MEMBER_NUMBER, true }, /* of the root */
	{ NULL, MEMBER_TEXT, false },
};

static const struct member extension_members[] = {
	{ "schema", MEMBER_TEXT, true },
	{ "required", MEMBER_BOOL, true },
	{ "$id", MEMBER_NUMBER, true }, /* of the container */
	{ NULL, MEMBER_TEXT, false },
};

static const char *const type_names[] = { "string", "boolean", "integer", "decimal", "dateTime",
	"binary", "reference", "complex", NULL };
static const char *const mutability_names[] = { "readWrite", "readOnly", "immutable", "writeOnly",
	NULL };
static const char *const returned_names[] = { "default", "always", "never", "request", NULL };
static const char *const uniqueness_names[] = { "none", "server", "global", NULL };
static const char *const source_names[] = { "fields", "header", "space", "members", "groups",
	NULL };
static const char *const prepare_names[] = { "none", "username", "password", NULL };
static const char *const dialect_names[] = { "interop", NULL };
static const char *const base_names[] = { "org", "platform", "both", NULL };

/* Which characteristics a type has (RFC 7643 section 2.3, with errata 6000, 6001, 6004 and 8470). */
static const struct {
	bool case_exact, always_exact, uniqueness, reference, index, canonical;
} type_rules[] = {
	[ATTR_STRING] = { true, false, true, false, true, true },
	[ATTR_BOOLEAN] = { false, false, false, false, true, false },
	[ATTR_INTEGER] = { false, false, true, false, true, false },
	[ATTR_DECIMAL] = { false, false, true, false, true, false },
	[ATTR_DATETIME] = { false, false, true, false, true, false },
	[ATTR_BINARY] = { true, true, false, false, false, false },
	[ATTR_REFERENCE] = { true, true, true, true, true, false },
	[ATTR_COMPLEX] = { false, false, false, false, false, false },
};

static bool
is_array_of(const json_t *value, json_type type)
{
	size_t i;
	json_t *item;

	json_array_foreach (value, i, item) {
		if (json_typeof(item) != type)
			return false;
	}
	return json_is_array(value) && json_array_size(value) > 0;
}

static bool
member_fits(const json_t *value, enum member_type type)
{
	switch (type) {
	case MEMBER_TEXT:
		return json_string_length(value) > 0;
	case MEMBER_BOOL:
		return json_is_boolean(value);
	case MEMBER_NUMBER:
		return json_is_integer(value);
	case MEMBER_TEXTS:
		return is_array_of(value, JSON_STRING);
	case MEMBER_OBJECTS:
		return is_array_of(value, JSON_OBJECT);
	}
	return false;
}

static enum rc
check_members(struct loader *l, const char *where, json_t *object, const struct member *table)
{
	const struct member *m;
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return mistake(l, where, "an object is expected");
	json_object_foreach (object, key, value) {
		for (m = table; m->name != NULL && strcmp(m->name, key) != 0; m++)
			;
		if (m->name == NULL)
			return mistake(l, where, "unknown member \"%s\"", key);
		if (!member_fits(value, m->type))
			return mistake(l, where, "\"%s\" has a value of the wrong kind", key);
	}
	for (m = table; m->name != NULL; m++) {
		if (m->required && json_object_get(object, m->name) == NULL)
			return mistake(l, where, "\"%s\" is missing", m->name);
	}
	return RC_OK;
}

static struct slice
json_slice(struct loader *l, const json_t *text)
{
	return arena_dup(l->a, (struct slice){ json_string_value(text), json_string_length(text) });
}

static struct slice
member_slice(struct loader *l, const json_t *object, const char *name)
{
	return json_slice(l, json_object_get(object, name));
}

/* The row of a named value; the first when the member is absent. */
static enum rc
member_row(struct loader *l, const char *where, const json_t *object, const char *member,
	const char *const *names, int *out)
{
	const json_t *value = json_object_get(object, member);

	*out = 0;
	if (value == NULL)
		return RC_OK;
	for (; names[*out] != NULL; ++*out) {
		if (strcmp(names[*out], json_string_value(value)) == 0)
			return RC_OK;
	}
	return mistake(l, where, "\"%s\" can't be \"%s\"", member, json_string_value(value));
}

/* ---- Attributes ---- */

enum { MAX_TEXT = 1 << 20 }; /* the most that "$max" can say */

/* Where an attribute is put. */
struct place {
	struct attr *parent;         /* NULL: top level of a schema (its type is not known yet) */
	const struct schema *schema; /* NULL: a common attribute */
	json_int_t id_base;          /* added to "$id" */
	const char *where;           /* path so far */
};

static enum rc compile_attrs(struct loader *l, json_t *array, const struct place *place,
	struct attr ***out, size_t *count);

static enum rc
register_id(struct loader *l, const char *where, json_int_t id, struct attr *attr)
{
	if (id < 1 || id >= ATTR_ID_MAX)
		return mistake(l, where, "\"$id\" %lld is not from 1 to %d", (long long)id,
			ATTR_ID_MAX - 1);
	if (l->set->by_id[id] != NULL)
		return mistake(l, where, "\"$id\" %lld is taken by \"%.*s\"", (long long)id,
			SLICE_ARG(l->set->by_id[id]->name));
	attr->id = (uint16_t)id;
	attr->bits[id / 64] |= UINT64_C(1) << (id % 64);
	l->set->by_id[id] = attr;
	return RC_OK;
}

static void
set_subs(struct attr *attr, const struct attr *const *subs, size_t n)
{
	attr->subs = subs;
	attr->sub_count = n;
	for (size_t i = 0; i < n; i++) {
		for (size_t w = 0; w < ATTR_ID_MAX / 64; w++)
			attr->bits[w] |= subs[i]->bits[w];
	}
}

/* Finds what a readOnly "$ref" is made from when it is printed. */
static enum rc
find_made_ref(struct loader *l, const char *where, struct attr *attr)
{
	const struct attr *ref = attr_sub(attr, SLICE("$ref"));

	if (ref == NULL || ref->mutability != ATTR_READ_ONLY || attr->source != SOURCE_FIELDS)
		return RC_OK;
	attr->made_ref = ref;
	attr->ref_value = attr_sub(attr, SLICE("value"));
	attr->ref_type = attr_sub(attr, SLICE("type"));
	if (attr->ref_value == NULL || attr->ref_value->type != ATTR_STRING ||
		(attr->ref_type != NULL ? attr->ref_type->type != ATTR_STRING : ref->ref_count != 1))
		return mistake(l, where,
			"a readOnly \"$ref\" is made from \"value\" and from \"type\" or the one "
			"reference type");
	return RC_OK;
}

/* RFC 7643 section 2.1; "$ref" is the one name that starts with "$". */
static bool
name_is_valid(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];
		bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!alpha &&
			(i == 0 || ((c < '0' || c > '9') && c != '-' && c != '_' && c != '$')))
			return slice_eq(name, SLICE("$ref"));
	}
	return name.len > 0;
}

static enum rc
read_names(struct loader *l, const char *where, const json_t *json, struct attr *attr)
{
	struct {
		const char *member;
		const char *const *names;
		int row;
	} rows[] = {
		{ "type", type_names, 0 },
		{ "mutability", mutability_names, 0 },
		{ "returned", returned_names, 0 },
		{ "uniqueness", uniqueness_names, 0 },
		{ "$source", source_names, 0 },
		{ "$prepare", prepare_names, 0 },
		{ "$dialect", dialect_names, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum rc rc =
			member_row(l, where, json, rows[i].member, rows[i].names, &rows[i].row);

		if (rc != RC_OK)
			return rc;
	}
	attr->type = (enum attr_type)rows[0].row;
	attr->mutability = (enum attr_mutability)rows[1].row;
	attr->returned = (enum attr_returned)rows[2].row;
	attr->uniqueness = (enum attr_uniqueness)rows[3].row;
	attr->source = (enum attr_source)rows[4].row;
	attr->prepare = (enum attr_prepare)rows[5].row;
	return RC_OK;
}

static const struct slice *
read_texts(struct loader *l, const json_t *json, const char *member, size_t *count)
{
	const json_t *array = json_object_get(json, member);
	struct slice *out;

	*count = json_array_size(array);
	out = ARENA_ARRAY(l->a, struct slice, *count);
	for (size_t i = 0; i < *count; i++)
		out[i] = json_slice(l, json_array_get(array, i));
	return out;
}

static void
read_flags(struct loader *l, const json_t *json, struct attr *attr)
{
	attr->multi = json_is_true(json_object_get(json, "multiValued"));
	attr->required = json_is_true(json_object_get(json, "required"));
	attr->case_exact = json_is_true(json_object_get(json, "caseExact"));
	attr->indexed = json_is_true(json_object_get(json, "$index"));
	attr->resource_id = json_is_true(json_object_get(json, "$resourceId"));
	attr->hidden = json_is_true(json_object_get(json, "$hidden"));
	attr->live = json_is_true(json_object_get(json, "$live"));
	attr->max = (uint32_t)json_integer_value(json_object_get(json, "$max"));
	attr->canonical = read_texts(l, json, "canonicalValues", &attr->canonical_count);
	attr->refs = read_texts(l, json, "referenceTypes", &attr->ref_count);
}

/* What the characteristics of one attribute must not say together. */
static enum rc
check_rules(
	struct loader *l, const char *where, const json_t *json, const struct attr *attr, bool top)
{
	bool case_exact = type_rules[attr->type].case_exact;
	bool uniqueness = type_rules[attr->type].uniqueness;
	bool reference = type_rules[attr->type].reference;
	bool complex = attr->type == ATTR_COMPLEX;
	bool edges = attr->source == SOURCE_MEMBERS || attr->source == SOURCE_GROUPS;
	const char *type = type_names[attr->type];

	if ((json_object_get(json, "caseExact") != NULL) != case_exact)
		return mistake(l, where, "type %s: \"caseExact\" %s", type,
			case_exact ? "is missing" : "has no meaning");
	if (type_rules[attr->type].always_exact && !attr->case_exact)
		return mistake(l, where, "type %s: \"caseExact\" must be true", type);
	if ((json_object_get(json, "uniqueness") != NULL) != uniqueness)
		return mistake(l, where, "type %s: \"uniqueness\" %s", type,
			uniqueness ? "is missing" : "has no meaning");
	if ((json_object_get(json, "referenceTypes") != NULL) != reference)
		return mistake(l, where, "type %s: \"referenceTypes\" %s", type,
			reference ? "is missing" : "has no meaning");
	if ((json_object_get(json, "subAttributes") != NULL) != complex)
		return mistake(l, where, "type %s: \"subAttributes\" %s", type,
			complex ? "is missing" : "has no meaning");
	if (attr->canonical_count > 0 && !type_rules[attr->type].canonical)
		return mistake(l, where, "type %s: \"canonicalValues\" has no meaning", type);
	if (attr->indexed && !type_rules[attr->type].index)
		return mistake(l, where, "type %s can't have an index", type);
	if (attr->indexed && edges)
		return mistake(l, where, "\"$index\": edges have indexes of their own");
	if (attr->indexed && attr->source == SOURCE_HEADER && attr->type != ATTR_DATETIME)
		return mistake(l, where, "\"$index\": of the header only times are indexed");
	if (attr->prepare != PREPARE_NONE && attr->type != ATTR_STRING)
		return mistake(l, where, "type %s: \"$prepare\" has no meaning", type);
	if (attr->prepare == PREPARE_PASSWORD &&
		(attr->indexed || attr->returned != RETURNED_NEVER))
		return mistake(l, where, "a password must neither be returned nor indexed");
	if (attr->resource_id && attr->type != ATTR_STRING)
		return mistake(l, where, "type %s: \"$resourceId\" has no meaning", type);
	if (attr->hidden && (attr->mutability != ATTR_READ_ONLY ||
				    attr->returned != RETURNED_NEVER || attr->required))
		return mistake(l, where,
			"\"$hidden\" needs readOnly, returned never and not required");
	if (attr->live && attr->mutability != ATTR_READ_ONLY)
		return mistake(l, where, "\"$live\" needs readOnly");
	if (json_object_get(json, "$max") != NULL && (attr->type != ATTR_STRING || attr->max == 0 || attr->max > MAX_TEXT))
		return mistake(l, where, "\"$max\": a string may have 1 to %d bytes", MAX_TEXT);
	if (top && edges && (!complex || !attr->multi))
		return mistake(
			l, where, "\"$source\": edges need a multi-valued complex attribute");
	if (attr->source == SOURCE_SPACE && (attr->type != ATTR_STRING || attr->multi))
		return mistake(l, where, "\"$source\": \"space\" needs one string");
	return RC_OK;
}

static enum rc
compile_attr(struct loader *l, json_t *json, const struct place *place, struct attr **out)
{
	struct attr *attr = ARENA_NEW(l->a, struct attr);
	const char *name = json_string_value(json_object_get(json, "name"));
	const char *where = arena_printf(l->a, "%s%s%s", place->where,
		place->where[0] != '\0' ? "." : "", name != NULL ? name : "?");
	bool top = place->where[0] == '\0';
	enum rc rc;

	if ((rc = check_members(l, where, json, attr_members)) != RC_OK ||
		(rc = read_names(l, where, json, attr)) != RC_OK)
		return rc;
	read_flags(l, json, attr);
	attr->name = member_slice(l, json, "name");
	attr->description = member_slice(l, json, "description");
	attr->json_key = slice_of(arena_printf(l->a, "\"%s\":", attr->name.p));
	attr->schema = place->schema;
	attr->parent = place->parent;
	if (!name_is_valid(attr->name))
		return mistake(l, where, "\"%s\" is no attribute name", attr->name.p);
	if (!top) {
		if (json_object_get(json, "$source") != NULL)
			return mistake(l, where, "\"$source\" belongs to the attribute around it");
		attr->source = place->parent->source;
	}
	if (place->schema != NULL && json_object_get(json, "$publish") != NULL)
		return mistake(l, where, "\"$publish\" is for the common attributes");
	if ((rc = check_rules(l, where, json, attr, top)) != RC_OK ||
		(rc = register_id(l, where,
			 place->id_base + json_integer_value(json_object_get(json, "$id")),
			 attr)) != RC_OK)
		return rc;
	if (attr->type == ATTR_COMPLEX) {
		struct place below = { attr, place->schema, place->id_base, where };
		struct attr **subs;
		size_t n;

		rc = compile_attrs(l, json_object_get(json, "subAttributes"), &below, &subs, &n);
		if (rc != RC_OK)
			return rc;
		set_subs(attr, (const struct attr *const *)subs, n);
		rc = find_made_ref(l, where, attr);
	}
	*out = attr;
	return rc;
}

static enum rc
compile_attrs(struct loader *l, json_t *array, const struct place *place, struct attr ***out,
	size_t *count)
{
	size_t n = json_array_size(array);
	struct attr **attrs = ARENA_ARRAY(l->a, struct attr *, n);

	for (size_t i = 0; i < n; i++) {
		enum rc rc = compile_attr(l, json_array_get(array, i), place, &attrs[i]);

		if (rc != RC_OK)
			return rc;
		for (size_t j = 0; j < i; j++) {
			if (slice_caseeq(attrs[j]->name, attrs[i]->name))
				return mistake(l, place->where, "two attributes named \"%.*s\"",
					SLICE_ARG(attrs[i]->name));
		}
	}
	*out = attrs;
	*count = n;
	return RC_OK;
}

/* ---- Schemas ---- */

static enum rc
compile_schema(struct loader *l, json_t *json)
{
	struct draft *d = &l->drafts[l->draft_count++]; /* it owns json from here on */
	struct schema *schema = ARENA_NEW(l->a, struct schema);
	struct place top = { NULL, schema, 0, "" };
	enum rc rc = check_members(l, "", json, schema_members);

	*d = (struct draft){ .schema = schema, .json = json, .file = l->file };
	if (rc != RC_OK)
		return rc;
	schema->urn = member_slice(l, json, "id");
	schema->name = member_slice(l, json, "name");
	schema->description = member_slice(l, json, "description");
	if (!slice_starts(schema->urn, SLICE("urn:")))
		return mistake(l, "id", "\"%s\" is no URN", schema->urn.p);
	for (size_t i = 0; i + 1 < l->draft_count; i++) {
		if (slice_caseeq(l->drafts[i].schema->urn, schema->urn))
			return mistake(l, "id", "%s defines \"%s\" already", l->drafts[i].file,
				schema->urn.p);
	}
	rc = compile_attrs(l, json_object_get(json, "attributes"), &top, &d->attrs, &d->count);
	schema->attrs = (const struct attr *const *)d->attrs;
	schema->attr_count = d->count;
	return rc;
}

/* ---- Resource types ---- */

static enum rc
draft_for(struct loader *l, const char *where, const json_t *object, struct draft **out)
{
	struct slice urn = member_slice(l, object, "schema");

	for (size_t i = 0; i < l->draft_count; i++) {
		struct draft *d = &l->drafts[i];

		if (!slice_eq(d->schema->urn, urn))
			continue;
		if (d->core || d->extension)
			return mistake(
				l, where, "\"%s\" has a place in a resource type already", urn.p);
		*out = d;
		return RC_OK;
	}
	return mistake(l, where, "\"%s\" is the schema of no file", urn.p);
}

/* Puts a schema's attributes below a root or a container. */
static enum rc
adopt(struct loader *l, const char *where, struct draft *d, struct attr *parent)
{
	for (size_t i = 0; i < d->count; i++) {
		struct attr *attr = d->attrs[i];

		attr->parent = parent;
		for (size_t k = 0; k < attr->sub_count; k++) {
			if (attr->subs[k]->type == ATTR_COMPLEX)
				return mistake(l, where,
					"%s: \"%.*s\" holds a complex attribute (RFC 7643 section "
					"2.3.8)",
					d->file, SLICE_ARG(attr->name));
		}
		if (attr->source != SOURCE_FIELDS && parent->parent != NULL)
			return mistake(l, where, "%s: \"%.*s\": \"$source\" in an extension",
				d->file, SLICE_ARG(attr->name));
	}
	return RC_OK;
}

static struct attr *
complex_attr(struct loader *l, struct slice name, struct attr *parent)
{
	struct attr *attr = ARENA_NEW(l->a, struct attr);

	attr->type = ATTR_COMPLEX;
	attr->name = name;
	attr->json_key = slice_of(arena_printf(l->a, "\"%.*s\":", SLICE_ARG(name)));
	attr->parent = parent;
	return attr;
}

static enum rc
compile_extension(struct loader *l, const char *where, json_t *json, unsigned bases,
	struct attr *root, struct extension *ext, struct attr **out)
{
	struct draft *d = NULL;
	struct attr *container;
	enum rc rc;

	if ((rc = check_members(l, where, json, extension_members)) != RC_OK ||
		(rc = draft_for(l, where, json, &d)) != RC_OK)
		return rc;
	d->extension = true;
	d->schema->bases = bases;
	container = complex_attr(l, d->schema->urn, root);
	container->schema = d->schema;
	container->required = json_is_true(json_object_get(json, "required"));
	if ((rc = register_id(l, where, json_integer_value(json_object_get(json, "$id")),
		     container)) != RC_OK ||
		(rc = adopt(l, where, d, container)) != RC_OK)
		return rc;
	set_subs(container, d->schema->attrs, d->count);
	container->mutability = ATTR_READ_ONLY;
	for (size_t i = 0; i < d->count; i++)
		if (d->attrs[i]->mutability != ATTR_READ_ONLY)
			container->mutability = ATTR_READ_WRITE;
	*ext = (struct extension){ d->schema, container, container->required };
	*out = container;
	return RC_OK;
}

static enum rc
find_common(struct loader *l, struct resource_type *type)
{
	struct {
		const char *path;
		const struct attr **at;
		enum attr_type type;
	} rows[] = {
		{ "id", &type->id, ATTR_STRING },
		{ "externalId", &type->external_id, ATTR_STRING },
		{ "schemas", &type->schemas, ATTR_REFERENCE },
		{ "meta", &type->meta, ATTR_COMPLEX },
		{ "meta.resourceType", &type->meta_type, ATTR_STRING },
		{ "meta.created", &type->meta_created, ATTR_DATETIME },
		{ "meta.lastModified", &type->meta_modified, ATTR_DATETIME },
		{ "meta.location", &type->meta_location, ATTR_REFERENCE },
		{ "meta.version", &type->meta_version, ATTR_STRING },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		*rows[i].at = attr_find(type, slice_of(rows[i].path));
		if (*rows[i].at == NULL || (*rows[i].at)->type != rows[i].type)
			return mistake(l, rows[i].path,
				"the common attributes lack it, or its type is wrong");
	}
	if (type->external_id->source != SOURCE_SPACE || type->meta->source != SOURCE_HEADER)
		return mistake(l, "", "externalId needs \"$source\": \"space\", meta \"header\"");
	return RC_OK;
}

/* The root's subs in order: common ones, the core schema's, containers, common ones again (meta). */
static enum rc
compile_tree(struct loader *l, json_t *json, struct resource_type *type, struct draft *core,
	struct attr *root)
{
	json_t *extensions = json_object_get(json, "schemaExtensions");
	size_t n = json_array_size(extensions), before_count, after_count, at = 0;
	struct extension *list = ARENA_ARRAY(l->a, struct extension, n);
	struct attr **before, **after, **subs;
	struct place top = { root, NULL, root->id, "" };
	enum rc rc;

	l->file = l->common_file;
	if ((rc = compile_attrs(l, json_object_get(l->common, "before"), &top, &before,
		     &before_count)) != RC_OK ||
		(rc = compile_attrs(l, json_object_get(l->common, "after"), &top, &after,
			 &after_count)) != RC_OK)
		return rc;
	l->file = l->types_file;
	if ((rc = adopt(l, type->name.p, core, root)) != RC_OK)
		return rc;
	subs = ARENA_ARRAY(l->a, struct attr *, before_count + core->count + n + after_count);
	for (size_t i = 0; i < before_count; i++)
		subs[at++] = before[i];
	for (size_t i = 0; i < core->count; i++)
		subs[at++] = core->attrs[i];
	for (size_t i = 0; i < n; i++) {
		rc = compile_extension(l, type->name.p, json_array_get(extensions, i), type->bases,
			root, &list[i], &subs[at++]);
		if (rc != RC_OK)
			return rc;
	}
	for (size_t i = 0; i < after_count; i++)
		subs[at++] = after[i];
	for (size_t i = 0; i < at; i++) {
		for (size_t j = 0; j < i; j++) {
			if (slice_caseeq(subs[i]->name, subs[j]->name))
				return mistake(l, type->name.p, "two attributes named \"%.*s\"",
					SLICE_ARG(subs[i]->name));
		}
	}
	set_subs(root, (const struct attr *const *)subs, at);
	type->extensions = list;
	type->extension_count = n;
	return RC_OK;
}

static enum rc
compile_type(struct loader *l, json_t *json, struct resource_type *type)
{
	const char *where = json_string_value(json_object_get(json, "name"));
	json_int_t code = json_integer_value(json_object_get(json, "$code"));
	struct draft *core = NULL;
	struct attr *root;
	enum rc rc;
	int base;

	where = where != NULL ? where : "?";
	if ((rc = check_members(l, where, json, type_members)) != RC_OK ||
		(rc = member_row(l, where, json, "$base", base_names, &base)) != RC_OK)
		return rc;
	type->bases = (unsigned)base + 1; /* the names are in the order of BASE_* */
	type->in_root = json_is_true(json_object_get(json, "$root"));
	if (code < 1 || code >= TYPE_COUNT || l->set->by_code[code] != NULL)
		return mistake(l, where, "\"$code\" %lld is taken or not below %d", (long long)code,
			TYPE_COUNT);
	type->code = (uint8_t)code;
	type->name = member_slice(l, json, "name");
	type->endpoint = member_slice(l, json, "endpoint");
	type->description = member_slice(l, json, "description");
	if (type->endpoint.len < 2 || type->endpoint.p[0] != '/')
		return mistake(l, where, "\"endpoint\" must start with a slash");
	if (schema_type_by_name(l->set, type->name) != NULL ||
		schema_type_by_endpoint(l->set, slice_from(type->endpoint, 1)) != NULL)
		return mistake(l, where, "name or endpoint is taken");
	if ((rc = draft_for(l, where, json, &core)) != RC_OK)
		return rc;
	core->core = true;
	core->schema->bases = type->bases;
	type->core = core->schema;
	root = complex_attr(l, SLICE(""), NULL);
	type->root = root;
	if ((rc = register_id(l, where, json_integer_value(json_object_get(json, "$id")), root)) !=
			RC_OK ||
		(rc = compile_tree(l, json, type, core, root)) != RC_OK)
		return rc;
	l->set->by_code[code] = type;
	return find_common(l, type);
}

/* ---- The published texts ---- */

/* A copy without our own members, and without what only another dialect publishes. */
static json_t *
published(json_t *value, bool interop)
{
	const char *key;
	json_t *item, *copy;
	size_t i;

	if (json_is_array(value)) {
		copy = json_array();
		json_array_foreach (value, i, item) {
			if ((interop || json_object_get(item, "$dialect") == NULL) &&
				!json_is_true(json_object_get(item, "$hidden")))
				json_array_append_new(copy, published(item, interop));
		}
		return copy;
	}
	if (!json_is_object(value))
		return json_copy(value);
	copy = json_object();
	json_object_foreach (value, key, item) {
		if (key[0] != '$')
			json_object_set_new(copy, key, published(item, interop));
	}
	return copy;
}

/* Takes object. */
static struct slice
open_text(struct loader *l, json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);
	struct slice out = arena_dup(l->a, slice_of(text));

	out.len--; /* the closing brace: meta follows */
	free(text);
	json_decref(object);
	return out;
}

static struct slice
schema_text(struct loader *l, const struct draft *d, bool interop)
{
	json_t *out =
		json_pack("{s:[s]}", "schemas", "urn:ietf:params:scim:schemas:core:2.0:Schema");
	json_t *attrs = published(json_object_get(d->json, "attributes"), interop), *attr;
	json_t *before = json_object_get(l->common, "before");
	size_t i, at = 0;

	json_object_set(out, "id", json_object_get(d->json, "id"));
	json_object_set(out, "name", json_object_get(d->json, "name"));
	json_object_set(out, "description", json_object_get(d->json, "description"));
	json_array_foreach (before, i, attr) {
		if (d->core && json_is_true(json_object_get(attr, "$publish")))
			json_array_insert_new(attrs, at++, published(attr, interop));
	}
	json_object_set_new(out, "attributes", attrs);
	return open_text(l, out);
}

static struct slice
type_text(struct loader *l, json_t *json)
{
	json_t *out = json_pack(
		"{s:[s]}", "schemas", "urn:ietf:params:scim:schemas:core:2.0:ResourceType");
	json_t *members = published(json, false);

	json_object_set(out, "id", json_object_get(json, "name"));
	json_object_update(out, members);
	json_decref(members);
	return open_text(l, out);
}

/* ---- All of it ---- */

static enum rc
parse_file(struct loader *l, const struct schema_file *file, json_t **out)
{
	json_error_t at;

	*out = json_loadb(file->text.p, file->text.len, JSON_REJECT_DUPLICATES, &at);
	return *out != NULL ? RC_OK : mistake(l, "", "line %d: %s", at.line, at.text);
}

static enum rc
read_files(struct loader *l, const struct schema_file *files, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_t *json;
		enum rc rc;

		l->file = files[i].name;
		if ((rc = parse_file(l, &files[i], &json)) != RC_OK)
			return rc;
		switch (files[i].kind) {
		case SCHEMA_FILE_COMMON:
			json_decref(l->common);
			l->common = json;
			l->common_file = l->file;
			rc = check_members(l, "", json, common_members);
			break;
		case SCHEMA_FILE_SCHEMA:
			rc = compile_schema(l, json);
			break;
		case SCHEMA_FILE_TYPES:
			json_decref(l->types);
			l->types = json;
			l->types_file = l->file;
			rc = is_array_of(json, JSON_OBJECT)
				     ? RC_OK
				     : mistake(l, "", "an array of objects is expected");
			break;
		}
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

static enum rc
compile_types(struct loader *l)
{
	size_t n = json_array_size(l->types);
	struct resource_type *list = ARENA_ARRAY(l->a, struct resource_type, n);
	const struct resource_type **types = ARENA_ARRAY(l->a, const struct resource_type *, n);

	l->set->types = types;
	for (size_t i = 0; i < n; i++) {
		json_t *json = json_array_get(l->types, i);
		enum rc rc = compile_type(l, json, &list[i]);

		if (rc != RC_OK)
			return rc;
		list[i].json = type_text(l, json);
		types[i] = &list[i];
		l->set->type_count = i + 1;
	}
	return RC_OK;
}

static void
publish(struct loader *l)
{
	const struct schema **schemas = ARENA_ARRAY(l->a, const struct schema *, l->draft_count);

	for (size_t i = 0; i < l->draft_count; i++) {
		struct draft *d = &l->drafts[i];

		if (!d->core && !d->extension)
			d->schema->bases = BASE_BOTH;
		d->schema->json = schema_text(l, d, false);
		d->schema->json_interop = schema_text(l, d, true);
		schemas[i] = d->schema;
	}
	l->set->schemas = schemas;
	l->set->schema_count = l->draft_count;
}

enum rc
schema_compile(struct arena *a, const struct schema_file *files, size_t n,
	const struct schema_set **out, struct err *err)
{
	struct loader l = { .a = a, .err = err, .set = ARENA_NEW(a, struct schema_set) };
	enum rc rc;

	l.drafts = ARENA_ARRAY(a, struct draft, n);
	rc = read_files(&l, files, n);
	if (rc == RC_OK)
		rc = compile_types(&l);
	if (rc == RC_OK) {
		publish(&l);
		*out = l.set;
	}
	for (size_t i = 0; i < l.draft_count; i++)
		json_decref(l.drafts[i].json);
	json_decref(l.common);
	json_decref(l.types);
	return rc;
}

enum rc
schema_load(struct arena *a, const struct schema_set **out, struct err *err)
{
	struct schema_file files[SCHEMA_FILE_COUNT];

	schema_files(files);
	return schema_compile(a, files, SCHEMA_FILE_COUNT, out, err);
}
