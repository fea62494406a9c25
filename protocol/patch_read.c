#include "protocol/patch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/patch_private.h"

#include "base/banned.h"

enum patch_op { OP_ADD, OP_REPLACE, OP_REMOVE };

static const struct {
	struct slice name;
	enum patch_op op;
} op_names[] = {
	{ SLICE_INIT("add"), OP_ADD },
	{ SLICE_INIT("replace"), OP_REPLACE },
	{ SLICE_INIT("remove"), OP_REMOVE },
};

struct reader {
	struct arena *a;
	struct patch *patch;
	const struct resource_type *type;
	const struct read_options *options;
	size_t operation;
	struct err *err;
};

/* Where an operation points. */
struct target {
	const struct attr *attr;     /* not below a list */
	const struct attr *sub;      /* below attr when that is a list; or NULL */
	const struct filter *filter; /* or NULL */
	bool bare;                   /* a member of a value without path */
};

enum { SHOWN = 64 };
#define SHOW(s) SLICE_ARG(slice_clip((s), SHOWN))

static enum rc read_target(
	struct reader *r, enum patch_op op, const struct target *t, const json_t *value);

static bool
tolerant(const struct reader *r)
{
	return r->options->dialect == DIALECT_TOLERANT;
}

static char *
name_of(struct reader *r, const struct attr *attr)
{
	struct slice path = attr_path(r->a, attr);

	return arena_printf(r->a, "%.*s", SLICE_ARG(path));
}

/* null, [] and no value at all are one state (RFC 7643 section 2.5); IdPs clear with an empty text.
 */
static bool
is_nothing(const struct reader *r, const json_t *json)
{
	if (json == NULL || json_is_null(json) ||
		(json_is_array(json) && json_array_size(json) == 0))
		return true;
	return tolerant(r) && json_is_string(json) && json_string_length(json) == 0;
}

static void
release_json(void *json)
{
	json_decref(json);
}

static struct patch_step *
step_new(struct reader *r, enum patch_verb verb, const struct target *t)
{
	struct patch_step *s = ARENA_NEW(r->a, struct patch_step);

	s->operation = r->operation;
	s->verb = verb;
	s->attr = t->attr;
	s->sub = t->sub;
	s->filter = t->filter;
	*r->patch->steps_end = s;
	r->patch->steps_end = &s->next;
	return s;
}

/* ---- Members: edges, not part of the tree ---- */

static struct member_edit *
edit_new(struct reader *r, enum member_edit_kind kind)
{
	struct member_edit *e = ARENA_NEW(r->a, struct member_edit);

	e->kind = kind;
	*r->patch->edits_end = e;
	r->patch->edits_end = &e->next;
	return e;
}

/* A list with this one value: RFC 7644 section 3.5.2.1 lets an add to a list name a single one. */
static const json_t *
wrap(struct reader *r, const json_t *json)
{
	json_t *list = json_array();

	if (list == NULL || json_array_append(list, json_unconst(json)) != 0)
		abort();
	arena_on_free(r->a, release_json, list);
	return list;
}

/* The ids that a filter like `value eq "a" or value eq "b"` names; false when it is of another
 * kind. */
static bool
ids_of_filter(const struct filter *f, struct member_ids *ids)
{
	if (f->kind == FILTER_OR)
		return ids_of_filter(f->left, ids) && ids_of_filter(f->right, ids);
	if (f->kind != FILTER_COMPARE || !f->by_id)
		return false;
	ids->ids[ids->count++] = f->value->text;
	return true;
}

static void
remove_by_filter(struct reader *r, const struct filter *f)
{
	struct member_ids ids = { ARENA_ARRAY(r->a, struct slice, f->terms), 0 };
	struct member_edit *e = edit_new(r, MEMBER_REMOVE);

	if (ids_of_filter(f, &ids)) {
		e->members = ids;
	} else {
		e->kind = MEMBER_REMOVE_IF;
		e->filter = f;
	}
}

static enum rc
read_members(struct reader *r, enum patch_op op, const struct target *t, const json_t *value)
{
	struct member_ids ids = { NULL, 0 };
	enum rc rc;

	/* RFC 7643 section 4.2: what is inside a member is immutable. */
	if (t->sub != NULL || (t->filter != NULL && op != OP_REMOVE))
		return fail(r->err, RC_MUTABILITY,
			t->sub != NULL ? name_of(r, t->sub) : name_of(r, t->attr),
			"a member is immutable: it is removed and added, not changed");
	if (op == OP_REMOVE && value != NULL && !json_is_null(value) && !tolerant(r))
		return fail(r->err, RC_INVALID_VALUE, name_of(r, t->attr),
			"\"remove\" has no value: name members by members[value eq \"...\"]");
	if (t->filter != NULL) {
		remove_by_filter(r, t->filter);
		return RC_OK;
	}
	if (op == OP_REMOVE && (value == NULL || json_is_null(value))) {
		edit_new(r, MEMBER_REMOVE_ALL);
		return RC_OK;
	}
	if (op == OP_ADD && r->options->dialect == DIALECT_STRICT && json_is_object(value))
		value = wrap(r, value);
	if (!is_nothing(r, value) &&
		(rc = members_read(r->a, t->attr, value, r->options, &ids, r->err)) != RC_OK)
		return rc;
	if (op == OP_REPLACE)
		edit_new(r, ids.count == 0 ? MEMBER_REMOVE_ALL : MEMBER_REPLACE_ALL)->members = ids;
	else if (ids.count > 0)
		edit_new(r, op == OP_ADD ? MEMBER_ADD : MEMBER_REMOVE)->members = ids;
	return RC_OK;
}

/* ---- schemas: follows from what the resource holds ---- */

static const struct attr *
container_of(const struct resource_type *type, struct slice urn)
{
	for (size_t i = 0; i < type->extension_count; i++)
		if (slice_caseeq(type->extensions[i].schema->urn, urn))
			return type->extensions[i].container;
	return NULL;
}

/* Taking a URN away takes the extension away. */
static enum rc
drop_schema(struct reader *r, struct slice urn)
{
	const struct attr *container = container_of(r->type, urn);
	struct target t = { .attr = container };

	if (slice_caseeq(urn, r->type->core->urn) || (container != NULL && container->required))
		return fail(r->err, RC_MUTABILITY, "schemas",
			"the schema \"%.*s\" can't be removed", SHOW(urn));
	if (container != NULL)
		step_new(r, PATCH_UNSET, &t);
	return RC_OK;
}

static bool
list_names(const json_t *list, struct slice urn)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (slice_caseeq(json_text(json_array_get(list, i)), urn))
			return true;
	return false;
}

static bool
filter_takes(struct reader *r, const struct filter *f, struct slice urn)
{
	struct node *n = node_new(r->a, r->type->schemas, NODE_VALUE);

	n->text = urn;
	return filter_match_element(f, n, r->a);
}

/* keep: NULL, or the list of those that stay. take: likewise of those that go. */
static enum rc
drop_schemas(struct reader *r, const json_t *keep, const json_t *take, const struct filter *filter)
{
	enum rc rc;

	for (size_t i = 0; i <= r->type->extension_count; i++) {
		struct slice urn =
			i == 0 ? r->type->core->urn : r->type->extensions[i - 1].schema->urn;

		if ((keep != NULL && !list_names(keep, urn)) ||
			(take != NULL && list_names(take, urn)) ||
			(filter != NULL && filter_takes(r, filter, urn)))
			if ((rc = drop_schema(r, urn)) != RC_OK)
				return rc;
	}
	return RC_OK;
}

static enum rc
read_schemas(struct reader *r, enum patch_op op, const struct target *t, const json_t *value)
{
	if (t->bare && tolerant(r))
		return RC_OK;
	if (op == OP_REMOVE && t->filter != NULL)
		return drop_schemas(r, NULL, NULL, t->filter);
	if (op == OP_REMOVE && !(tolerant(r) && json_is_array(value)))
		return fail(r->err, RC_MUTABILITY, "schemas",
			"the schemas of a resource can't be removed");
	if (t->filter != NULL || !json_is_array(value))
		return fail(r->err, RC_INVALID_VALUE, "schemas",
			"the value is an array of schema URNs");
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *one = json_array_get(value, i);

		if (!json_is_string(one))
			return fail(r->err, RC_INVALID_VALUE, "schemas", "a schema URN is a text");
		if (!tolerant(r) && !slice_caseeq(json_text(one), r->type->core->urn) &&
			container_of(r->type, json_text(one)) == NULL)
			return fail(r->err, RC_INVALID_VALUE, "schemas",
				"a %.*s has no schema \"%.*s\"", SLICE_ARG(r->type->name),
				SHOW(json_text(one)));
	}
	/* An added URN shows once the extension has a value. */
	return op == OP_ADD ? RC_OK
			    : drop_schemas(r, op == OP_REPLACE ? value : NULL,
				      op == OP_REMOVE ? value : NULL, NULL);
}

/* ---- Values ---- */

/* One value where the attribute has one: IdPs' libraries wrap it in a list. */
static const json_t *
unwrap(const struct reader *r, const json_t *json)
{
	return tolerant(r) && json_is_array(json) && json_array_size(json) == 1
		       ? json_array_get(json, 0)
		       : json;
}

static enum rc
no_value(struct reader *r, const struct attr *attr)
{
	return fail(r->err, RC_MUTABILITY, name_of(r, attr),
		"the attribute is required and can't be removed");
}

static enum rc
unset(struct reader *r, const struct target *t, bool may_miss)
{
	struct patch_step *s;

	if (t->attr->required && t->filter == NULL && t->sub == NULL)
		return no_value(r, t->attr);
	if (t->sub != NULL && t->sub->required)
		return no_value(r, t->sub);
	s = step_new(r, t->filter != NULL || t->sub != NULL ? PATCH_ELEMENT_UNSET : PATCH_UNSET, t);
	s->may_miss = may_miss;
	return RC_OK;
}

/* A simple attribute with one value. */
static enum rc
read_simple(struct reader *r, const struct target *t, const json_t *value)
{
	struct node *n;
	enum rc rc;

	if ((rc = value_read(r->a, t->attr, value, r->options, &n, r->err)) != RC_OK)
		return rc;
	if (n == NULL)
		return unset(r, t, true);
	if (t->attr->prepare == PREPARE_PASSWORD) {
		/* One hash serves all operations: only the last password counts. */
		if (r->patch->password == NULL)
			r->patch->password = n;
		r->patch->password->text = n->text;
		n = r->patch->password;
	}
	step_new(r, PATCH_SET, t)->value = n;
	return RC_OK;
}

/* A path through a list is split there. */
static void
point_at(struct target *t, const struct attr *attr)
{
	t->attr = attr;
	if (attr->parent->multi) {
		t->attr = attr->parent;
		t->sub = attr;
	}
}

static enum rc
unknown_member(struct reader *r, const struct attr *complex, const char *name)
{
	struct slice text = slice_of(name);

	if (tolerant(r))
		return RC_OK;
	/* An extension as a value may repeat its URN in "schemas": only extensions have ":" in their names. */
	if (slice_caseeq(text, SLICE("schemas")) && complex->parent != NULL &&
		memchr(complex->name.p, ':', complex->name.len) != NULL)
		return RC_OK;
	return fail(r->err,
		r->options->dialect == DIALECT_INTEROP ? RC_INVALID_SYNTAX : RC_INVALID_PATH,
		arena_printf(r->a, "%.*s", SHOW(text)), "%s has no such attribute",
		complex->parent == NULL ? "the resource" : name_of(r, complex));
}

/* What a member of a value says about attr. Read-only members come along when a client sends back
 * what it read. */
static enum rc
read_member(struct reader *r, enum patch_op op, const struct target *t, const json_t *value)
{
	const struct attr *attr = t->sub != NULL ? t->sub : t->attr;

	if (attr->mutability == ATTR_READ_ONLY && tolerant(r))
		return RC_OK;
	return read_target(r, op, t, value);
}

/* A complex attribute with one value, of which the sub-attributes that are named change (RFC 7644
 * section 3.5.2.3): each is a step of its own. An id goes first: setting it takes the old $ref
 * along. */
static enum rc
read_complex(struct reader *r, enum patch_op op, const struct target *t, const json_t *value)
{
	const char *name;
	json_t *member;
	enum rc rc;

	for (int ids_first = 1; ids_first >= 0; ids_first--)
		json_object_foreach (json_unconst(value), name, member) {
			const struct attr *attr = path_attr_below(t->attr, slice_of(name));
			struct target sub = { .bare = true };

			if (attr == NULL) {
				if (ids_first == 1 &&
					(rc = unknown_member(r, t->attr, name)) != RC_OK)
					return rc;
				continue;
			}
			if (attr->resource_id != (ids_first == 1))
				continue;
			point_at(&sub, attr);
			if ((rc = read_member(r, op, &sub, member)) != RC_OK)
				return rc;
		}
	return RC_OK;
}

/* What stands for a complex value without being an object (a manager's bare id). */
static enum rc
read_complex_short(struct reader *r, const struct target *t, const json_t *value)
{
	struct node *n;
	enum rc rc;

	if ((rc = value_read(r->a, t->attr, value, r->options, &n, r->err)) != RC_OK)
		return rc;
	if ((rc = unset(r, t, true)) != RC_OK || n == NULL)
		return rc;
	for (const struct node *c = n->child; c != NULL; c = c->next) {
		struct target sub = { .attr = c->attr };

		step_new(r, PATCH_SET, &sub)->value = c;
	}
	return RC_OK;
}

static enum rc
read_whole_list(struct reader *r, enum patch_op op, const struct target *t, const json_t *value)
{
	static const enum patch_verb verbs[] = {
		[OP_ADD] = PATCH_LIST_ADD,
		[OP_REPLACE] = PATCH_LIST_REPLACE,
		[OP_REMOVE] = PATCH_LIST_TAKE,
	};
	struct node *list;
	enum rc rc;

	if (op == OP_ADD && r->options->dialect == DIALECT_STRICT && !json_is_array(value))
		value = wrap(r, value);
	if ((rc = value_read(r->a, t->attr, value, r->options, &list, r->err)) != RC_OK)
		return rc;
	if (list == NULL || list->child == NULL)
		return op == OP_REPLACE ? unset(r, t, true) : RC_OK;
	step_new(r, verbs[op], t)->value = list;
	return RC_OK;
}

/* attr[filter], and attr[filter].sub or attr.sub of a list, in add and replace. */
static enum rc
read_element(struct reader *r, enum patch_op op, const struct target *t, const json_t *value)
{
	struct patch_step *s;
	struct node *n;
	enum rc rc;

	if (t->sub == NULL) {
		if (r->options->dialect == DIALECT_INTEROP)
			return fail(r->err, RC_INVALID_PATH, name_of(r, t->attr),
				"a filter in a path is followed by a sub-attribute");
		if ((rc = element_read(r->a, t->attr, unwrap(r, value), r->options, &n, r->err)) !=
			RC_OK)
			return rc;
	} else if ((rc = value_read(r->a, t->sub, t->sub->multi ? value : unwrap(r, value),
			    r->options, &n, r->err)) != RC_OK) {
		return rc;
	}
	if (n == NULL)
		return op == OP_REPLACE || t->sub != NULL ? unset(r, t, true) : RC_OK;
	s = step_new(r,
		t->sub != NULL ? PATCH_ELEMENT_SET
		: op == OP_ADD ? PATCH_ELEMENT_MERGE
			       : PATCH_ELEMENT_REPLACE,
		t);
	s->value = n;
	s->add = op == OP_ADD;
	/* RFC 7644 section 3.5.2.3: what attr.sub does not find is added. A filter that finds
	 * nothing is an error there, but Entra counts on the element being made. */
	s->may_make = t->filter == NULL || (tolerant(r) && (t->sub != NULL || op == OP_ADD));
	return RC_OK;
}

static enum rc
read_remove(struct reader *r, const struct target *t, const json_t *value)
{
	if (value == NULL || json_is_null(value))
		return unset(r, t, tolerant(r) || t->filter == NULL);
	if (!tolerant(r))
		return fail(
			r->err, RC_INVALID_VALUE, name_of(r, t->attr), "\"remove\" has no value");
	/* Beside a filter or a single attribute the value repeats what was there. */
	if (t->attr->multi && t->filter == NULL && t->sub == NULL)
		return json_is_array(value) && json_array_size(value) == 0
			       ? RC_OK
			       : read_whole_list(r, OP_REMOVE, t, value);
	return unset(r, t, true);
}

/* Of which only its attributes are refused: a value without any changes nothing. */
static bool
is_read_only_extension(const struct attr *attr)
{
	return attr->mutability == ATTR_READ_ONLY && attr->parent != NULL && attr->parent->parent == NULL &&
	       memchr(attr->name.p, ':', attr->name.len) != NULL;
}

/* One operation on one target, after the path. */
static enum rc
read_target(struct reader *r, enum patch_op op, const struct target *t, const json_t *value)
{
	const struct attr *attr = t->sub != NULL ? t->sub : t->attr;

	if (t->attr == r->type->schemas)
		return read_schemas(r, op, t, value);
	if (is_read_only_extension(attr) && op != OP_REMOVE && json_is_object(value))
		return read_complex(r, op, t, value);
	if (t->attr->mutability == ATTR_READ_ONLY || attr->mutability == ATTR_READ_ONLY)
		return fail(r->err, RC_MUTABILITY, name_of(r, attr), "the attribute is read-only");
	if (t->attr->source == SOURCE_MEMBERS)
		return read_members(r, op, t, value);
	if (op == OP_REMOVE)
		return read_remove(r, t, value);
	if (!attr->multi)
		value = unwrap(r, value);
	if (is_nothing(r, value)) {
		/* Nothing in place of one value clears it; nothing added to a list adds nothing. */
		if (op == OP_ADD && (attr->multi || t->filter != NULL))
			return RC_OK;
		return unset(r, t, true);
	}
	if (t->filter != NULL || t->sub != NULL)
		return read_element(r, op, t, value);
	if (attr->multi)
		return read_whole_list(r, op, t, value);
	if (attr->type != ATTR_COMPLEX)
		return read_simple(r, t, value);
	if (!json_is_object(value))
		return read_complex_short(r, t, value);
	if (op == OP_REPLACE && r->options->dialect == DIALECT_INTEROP) {
		enum rc rc = unset(r, t, true);

		if (rc != RC_OK)
			return rc;
	}
	return read_complex(r, op, t, value);
}

/* ---- Paths ---- */

static enum rc
no_attribute(struct reader *r, struct slice path)
{
	/* The interop profile refuses what no schema defines so; RFC 7644 has a scimType for paths.
	 */
	return fail(r->err,
		r->options->dialect == DIALECT_INTEROP ? RC_INVALID_SYNTAX : RC_INVALID_PATH,
		arena_printf(r->a, "%.*s", SHOW(path)), "a %.*s has no such attribute",
		SLICE_ARG(r->type->name));
}

/* The closing bracket of the one that opens at from; brackets in texts do not count. */
static bool
bracket_end(struct slice path, size_t from, size_t *out)
{
	bool quoted = false;

	for (size_t i = from + 1; i < path.len; i++) {
		if (quoted && path.p[i] == '\\')
			i++;
		else if (path.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && path.p[i] == ']') {
			*out = i;
			return true;
		}
	}
	return false;
}

/* attr or attr.sub */
static enum rc
read_plain_path(struct reader *r, struct slice path, struct target *out)
{
	const struct attr *attr = path_attr(r->type, path, r->options->dialect);

	if (attr == NULL || attr->parent == NULL)
		return no_attribute(r, path);
	point_at(out, attr);
	return RC_OK;
}

/* attr[filter] or attr[filter].sub */
static enum rc
read_value_path(struct reader *r, struct slice path, size_t open, struct target *out)
{
	struct filter *filter;
	struct slice rest;
	size_t close;
	enum rc rc;

	if (!bracket_end(path, open, &close))
		return fail(r->err, RC_INVALID_PATH, "path",
			"the bracket in \"%.*s\" is not closed", SHOW(path));
	if ((rc = read_plain_path(r, (struct slice){ path.p, open }, out)) != RC_OK)
		return rc;
	if (!out->attr->multi || out->sub != NULL)
		return fail(r->err, RC_INVALID_PATH, name_of(r, out->attr),
			"a filter stands behind a multi-valued attribute only");
	rc = filter_parse_element(r->a, out->attr,
		(struct slice){ path.p + open + 1, close - open - 1 }, r->options->dialect, &filter,
		r->err);
	if (rc != RC_OK)
		return rc;
	out->filter = filter;
	rest = slice_from(path, close + 1);
	if (rest.len == 0)
		return RC_OK;
	if (rest.p[0] != '.')
		return fail(r->err, RC_INVALID_PATH, "path",
			"behind the bracket of \"%.*s\" stands a dot and a sub-attribute, or "
			"nothing",
			SHOW(path));
	if (out->attr->type == ATTR_COMPLEX)
		out->sub = path_attr_below(out->attr, slice_from(rest, 1));
	return out->sub != NULL ? RC_OK : no_attribute(r, path);
}

static enum rc
read_path(struct reader *r, struct slice path, struct target *out)
{
	const char *open = path.len > 0 ? memchr(path.p, '[', path.len) : NULL;

	if (path.len > FILTER_LENGTH_MAX)
		return fail(r->err, RC_INVALID_PATH, "path", "a path is at most %d bytes long",
			FILTER_LENGTH_MAX);
	return open != NULL ? read_value_path(r, path, (size_t)(open - path.p), out)
			    : read_plain_path(r, path, out);
}

/* ---- Operations ---- */

/* The members of a value without path, each a path of its own: Entra writes name.givenName and
 * urn:...:User:department there. */
static enum rc
read_pathless(struct reader *r, enum patch_op op, const json_t *value)
{
	const char *name;
	json_t *member;
	enum rc rc;

	value = unwrap(r, value);
	if (!json_is_object(value))
		return fail(r->err, RC_INVALID_VALUE, "value",
			"without a path the value is an object of attributes");
	json_object_foreach (json_unconst(value), name, member) {
		struct target t = { .bare = true };
		struct slice key = slice_of(name);

		if (!tolerant(r) || (strchr(name, '[') == NULL &&
					    path_attr(r->type, key, r->options->dialect) == NULL)) {
			t.attr = attr_sub(r->type->root, key);
			if (t.attr == NULL &&
				(rc = unknown_member(r, r->type->root, name)) != RC_OK)
				return rc;
			if (t.attr == NULL)
				continue;
		} else if ((rc = read_path(r, key, &t)) != RC_OK) {
			return rc;
		}
		if ((rc = read_member(r, op, &t, member)) != RC_OK)
			return rc;
	}
	return RC_OK;
}

static enum rc
read_op(struct reader *r, const json_t *operation, enum patch_op *out)
{
	const json_t *op = json_member(operation, "op");
	struct slice name;

	if (op == NULL || !json_is_string(op))
		return fail(r->err, RC_INVALID_SYNTAX, "op", "an operation has an \"op\", a text");
	name = json_text(op);
	for (size_t i = 0; i < sizeof(op_names) / sizeof(op_names[0]); i++)
		if (tolerant(r) ? slice_caseeq(name, op_names[i].name)
				: slice_eq(name, op_names[i].name)) {
			*out = op_names[i].op;
			return RC_OK;
		}
	return fail(r->err, RC_INVALID_SYNTAX, "op",
		"\"%.*s\" is none of \"add\", \"remove\" and \"replace\"", SHOW(name));
}

static enum rc
read_operation(struct reader *r, const json_t *operation)
{
	const json_t *path, *value;
	struct target t = { .attr = NULL };
	enum patch_op op = OP_ADD;
	enum rc rc;

	if (!json_is_object(operation))
		return fail(r->err, RC_INVALID_SYNTAX, "Operations", "an operation is an object");
	if ((rc = read_op(r, operation, &op)) != RC_OK)
		return rc;
	path = json_member(operation, "path");
	value = json_member(operation, "value");
	if (json_is_null(path) ||
		(tolerant(r) && json_is_string(path) && json_string_length(path) == 0))
		path = NULL;
	if (path == NULL && r->options->dialect == DIALECT_INTEROP)
		return fail(r->err, RC_INVALID_SYNTAX, "path", "an operation has a path");
	if (path == NULL && op == OP_REMOVE)
		return fail(r->err, RC_NO_TARGET, "path", "\"remove\" has a path");
	if (value == NULL && op != OP_REMOVE)
		return fail(
			r->err, RC_INVALID_VALUE, "value", "\"add\" and \"replace\" have a value");
	if (path == NULL)
		return read_pathless(r, op, value);
	if (!json_is_string(path))
		return fail(r->err, RC_INVALID_PATH, "path", "a path is a text");
	if ((rc = read_path(r, tolerant(r) ? slice_trim(json_text(path)) : json_text(path), &t)) !=
		RC_OK)
		return rc;
	return read_target(r, op, &t, value);
}

static enum rc
check_message(const struct reader *r, const json_t *body, const json_t **operations)
{
	const json_t *schemas = json_member(body, "schemas");
	size_t n;

	if (!json_is_object(body))
		return fail(r->err, RC_INVALID_SYNTAX, "", "the body is an object");
	if (!tolerant(r) && !(json_is_array(schemas) && list_names(schemas, SLICE(URN_PATCH_OP))))
		return fail(r->err, RC_INVALID_SYNTAX, "schemas",
			"the body names the schema " URN_PATCH_OP);
	*operations = json_member(body, "Operations");
	if (!json_is_array(*operations) || json_array_size(*operations) == 0)
		return fail(r->err, RC_INVALID_SYNTAX, "Operations",
			"the body has \"Operations\", an array of at least one operation");
	n = json_array_size(*operations);
	if (n > PATCH_OPERATIONS_MAX)
		return fail(r->err, RC_TOO_LARGE, "Operations",
			"%zu operations are more than one PATCH may hold: %d", n,
			PATCH_OPERATIONS_MAX);
	return RC_OK;
}

void
patch_name_operation(struct err *err, size_t operation, size_t count)
{
	size_t len;

	if (err == NULL || count < 2)
		return;
	len = strlen(err->detail);
	if (len + 32 < sizeof(err->detail))
		(void)snprintf(err->detail + len, sizeof(err->detail) - len, " (operation %zu)",
			operation);
}

enum rc
patch_read(struct arena *a, const struct schema_set *set, const struct resource_type *type,
	const json_t *body, const struct read_options *options, struct patch **out, struct err *err)
{
	struct reader r = { .a = a, .type = type, .options = options, .err = err };
	const json_t *operations = NULL;
	enum rc rc;

	(void)set;
	if ((rc = check_message(&r, body, &operations)) != RC_OK)
		return rc;
	r.patch = ARENA_NEW(a, struct patch);
	r.patch->type = type;
	r.patch->dialect = options->dialect;
	r.patch->operations = json_array_size(operations);
	r.patch->steps_end = &r.patch->steps;
	r.patch->edits_end = &r.patch->edits;
	for (r.operation = 1; r.operation <= r.patch->operations; r.operation++)
		if ((rc = read_operation(&r, json_array_get(operations, r.operation - 1))) !=
			RC_OK) {
			patch_name_operation(err, r.operation, r.patch->operations);
			return rc;
		}
	*out = r.patch;
	return RC_OK;
}

struct slice
patch_password(const struct patch *p)
{
	return p->password != NULL && !p->password_hashed ? p->password->text
							  : (struct slice){ NULL, 0 };
}

void
patch_set_password_hash(struct patch *p, struct slice phc)
{
	assert(p->password != NULL);
	p->password->text = phc;
	p->password_hashed = true;
}

const struct member_edit *
patch_member_edits(const struct patch *p)
{
	return p->edits;
}
