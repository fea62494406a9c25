#include "tools/rosterctl/map.h"

#include "protocol/filter.h"
#include "schema/text.h"

#include "base/banned.h"

const char map_of_ldif[] = "id = dn\n"
			   "externalId = entryUUID or objectGUID or nsUniqueId or ipaUniqueID\n"
			   "userName = uid or sAMAccountName or userPrincipalName or mail\n"
			   "displayName = displayName or cn\n"
			   "name.givenName = givenName\n"
			   "name.familyName = sn\n"
			   "title = title\n"
			   "emails[work] = mail\n"
			   "phoneNumbers[work] = telephoneNumber\n"
			   "phoneNumbers[mobile] = mobile\n"
			   "preferredLanguage = preferredLanguage\n"
			   "userType = employeeType\n"
			   "employeeNumber = employeeNumber\n"
			   "department = departmentNumber or ou\n"
			   "organization = o\n"
			   "group.id = dn\n"
			   "group.externalId = entryUUID or objectGUID or nsUniqueId or ipaUniqueID\n"
			   "group.displayName = cn\n"
			   "group.members = member or uniqueMember or memberUid\n";

/* ---- One row: the left side ---- */

struct reading {
	struct arena *arena;
	const struct schema_set *set;
	struct map *map;
	struct err *err;
};

static enum rc
wrong(struct reading *r, const char *format, struct slice what)
{
	char text[200];
	size_t n = what.len < 100 ? what.len : 100;

	memcpy(text, what.p, n);
	text[n] = '\0';
	return fail(r->err, RC_INVALID_VALUE, "", "\"%s\" %s", text, format);
}

static bool
is_writable(const struct attr *attr)
{
	return attr->mutability != ATTR_READ_ONLY && attr->prepare != PREPARE_PASSWORD &&
	       (attr->source == SOURCE_FIELDS || attr->source == SOURCE_SPACE);
}

/* "emails[work]": the attribute, and the type between the brackets. */
static enum rc
split_type(struct reading *r, struct slice *path, struct slice *type)
{
	const char *open = memchr(path->p, '[', path->len);

	*type = SLICE("");
	if (open == NULL)
		return RC_OK;
	if (path->p[path->len - 1] != ']')
		return wrong(r, "does not end with ]", *path);
	type->p = open + 1;
	type->len = path->len - (size_t)(open - path->p) - 2;
	path->len = (size_t)(open - path->p);
	return RC_OK;
}

static enum rc
find_attr(struct reading *r, struct map_row *row, struct slice path)
{
	const struct resource_type *type = schema_type(r->set, row->of_group ? TYPE_GROUP : TYPE_USER);
	const struct attr *attr;
	struct slice whole = path;
	enum rc rc = split_type(r, &path, &row->type);

	if (rc != RC_OK)
		return rc;
	attr = path_attr(type, path, DIALECT_TOLERANT);
	if (attr != NULL && attr->type == ATTR_COMPLEX && attr->multi)
		attr = attr_sub(attr, SLICE("value"));
	else if (row->type.len > 0)
		return wrong(r, "has no elements of a type", whole);
	if (attr == NULL)
		return wrong(r, row->of_group ? "is no attribute of a Group" : "is no attribute of a User", whole);
	if (!is_writable(attr) || attr->type == ATTR_COMPLEX)
		return wrong(r, attr->type == ATTR_COMPLEX ? "has parts: name one of them" : "can't be set", whole);
	row->attr = attr;
	return RC_OK;
}

static enum rc
read_target(struct reading *r, struct map_row *row, struct slice path)
{
	row->of_group = slice_starts(path, SLICE("group."));
	if (row->of_group)
		path = slice_from(path, 6);
	if (slice_caseeq(path, SLICE("id")))
		row->target = MAP_ID;
	else if (!row->of_group && slice_caseeq(path, SLICE("groups")))
		row->target = MAP_GROUPS;
	else if (row->of_group && slice_caseeq(path, SLICE("members")))
		row->target = MAP_MEMBERS;
	else
		return find_attr(r, row, path);
	return RC_OK;
}

/* ---- The right side: NAME [or NAME …] [is "TEXT"] [split "C"], or "TEXT" ---- */

/* A text in quotes at the end, behind a word; true: it was taken off. */
static bool
take_clause(struct slice *s, struct slice word, struct slice *text)
{
	size_t at;

	if (s->len < 2 || s->p[s->len - 1] != '"')
		return false;
	for (at = s->len - 2; at > 0 && s->p[at] != '"'; at--)
		;
	if (s->p[at] != '"' || at < word.len || !slice_eq((struct slice){ s->p + at - word.len, word.len }, word))
		return false;
	*text = (struct slice){ s->p + at + 1, s->len - at - 2 };
	*s = slice_trim((struct slice){ s->p, at - word.len });
	return true;
}

static enum rc
read_sources(struct reading *r, struct map_row *row, struct slice s)
{
	static const struct slice or = SLICE_INIT(" or ");

	while (s.len > 0) {
		const char *at = memmem(s.p, s.len, or.p, or.len);
		struct slice name = { s.p, at != NULL ? (size_t)(at - s.p) : s.len };

		if (row->source_count == SOURCES_MAX)
			return wrong(r, "is one source too many", name);
		row->sources[row->source_count++] = slice_trim(name);
		s = slice_from(s, name.len + (at != NULL ? or.len : 0));
	}
	return row->source_count > 0 ? RC_OK : fail(r->err, RC_INVALID_SYNTAX, "", "nothing stands behind the =");
}

static enum rc
read_source(struct reading *r, struct map_row *row, struct slice s)
{
	struct slice split;

	if (s.len > 1 && s.p[0] == '"' && s.p[s.len - 1] == '"') {
		row->literal = (struct slice){ s.p + 1, s.len - 2 };
		return RC_OK;
	}
	if (take_clause(&s, SLICE(" split "), &split)) {
		if (split.len != 1)
			return wrong(r, "must be one character, to split by", split);
		row->split = split.p[0];
	}
	row->is = take_clause(&s, SLICE(" is "), &row->literal);
	if (row->is && (row->target != MAP_ATTR || row->attr->type != ATTR_BOOLEAN))
		return fail(r->err, RC_INVALID_VALUE, "", "\"is\" is for attributes that are true or false");
	return read_sources(r, row, s);
}

/* ---- The file ---- */

static struct map_row *
new_row(struct reading *r, unsigned line)
{
	struct map *m = r->map;

	m->rows = arena_grow(r->arena, m->rows, m->count, &m->cap, sizeof(*m->rows));
	m->rows[m->count] = (struct map_row){ .line = line };
	return &m->rows[m->count];
}

static enum rc
add_row(struct reading *r, struct slice path, struct slice source, unsigned line)
{
	struct map_row *row = new_row(r, line);
	enum rc rc = read_target(r, row, path);

	if (rc != RC_OK || (rc = read_source(r, row, source)) != RC_OK)
		return rc;
	for (size_t i = 0; i < r->map->count; i++)
		if (r->map->rows[i].target == row->target && r->map->rows[i].of_group == row->of_group &&
			r->map->rows[i].attr == row->attr && slice_eq(r->map->rows[i].type, row->type))
			return wrong(r, "is set twice", path);
	r->map->groups = r->map->groups || row->target == MAP_GROUPS || row->of_group;
	r->map->count++;
	return RC_OK;
}

static enum rc
read_line(struct reading *r, struct slice line, unsigned number)
{
	const char *equals;
	struct slice path, source;

	line = slice_trim(line);
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line = slice_trim((struct slice){ line.p, line.len - 1 });
	if (line.len == 0 || line.p[0] == '#')
		return RC_OK;
	if ((equals = memchr(line.p, '=', line.len)) == NULL)
		return fail(r->err, RC_INVALID_SYNTAX, "", "is not of the form ATTRIBUTE = COLUMN");
	path = slice_trim((struct slice){ line.p, (size_t)(equals - line.p) });
	source = slice_trim(slice_from(line, (size_t)(equals - line.p) + 1));
	if (path.len == 0)
		return fail(r->err, RC_INVALID_SYNTAX, "", "nothing stands before the =");
	if (!slice_eq(path, SLICE("separator")))
		return add_row(r, path, source, number);
	if (source.len != 3 || source.p[0] != '"' || source.p[2] != '"' || source.p[1] == '"')
		return fail(r->err, RC_INVALID_VALUE, "", "separator must be one character in quotes");
	r->map->separator = source.p[1];
	return RC_OK;
}

static enum rc
at_line(struct err *err, enum rc rc, const char *what, unsigned line)
{
	struct err inner = *err;

	return fail(err, rc, "", "%s %u: %s", what, line, inner.detail);
}

/* Users without a name can't be. */
static enum rc
check_names(const struct map *m, struct err *err)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->rows[i].target == MAP_ATTR && slice_eq(m->rows[i].attr->name, SLICE("userName")))
			return RC_OK;
	return fail(err, RC_INVALID_VALUE, "", "nothing becomes the userName");
}

enum rc
map_read(struct arena *a, const struct schema_set *set, struct slice text, struct map *out, struct err *err)
{
	struct reading r = { a, set, out, err };
	struct slice line;
	unsigned number = 0;
	enum rc rc;

	*out = (struct map){ .separator = ',' };
	while (text.len > 0 && slice_split(&text, '\n', &line)) {
		number++;
		if ((rc = read_line(&r, line, number)) != RC_OK)
			return at_line(err, rc, "line", number);
	}
	return check_names(out, err);
}

enum rc
map_from_header(struct arena *a, const struct schema_set *set, const struct slice *columns, size_t count,
	struct map *out, struct err *err)
{
	struct reading r = { a, set, out, err };
	enum rc rc;

	*out = (struct map){ .separator = ',' };
	for (size_t i = 0; i < count; i++)
		if ((rc = add_row(&r, columns[i], columns[i], (unsigned)i + 1)) != RC_OK)
			return at_line(err, rc, "column", (unsigned)i + 1);
	return check_names(out, err);
}

/* ---- Values into a resource ---- */

static enum rc
to_json(const struct map_row *row, struct slice text, json_t **out, struct err *err)
{
	static const struct {
		struct slice text;
		bool value;
	} truths[] = { { SLICE_INIT("true"), true }, { SLICE_INIT("false"), false }, { SLICE_INIT("1"), true },
		{ SLICE_INIT("0"), false }, { SLICE_INIT("yes"), true }, { SLICE_INIT("no"), false } };
	uint64_t number;

	if (row->attr->type == ATTR_BOOLEAN) {
		for (size_t i = 0; i < sizeof(truths) / sizeof(truths[0]); i++) {
			if (slice_caseeq(text, truths[i].text)) {
				*out = json_boolean(truths[i].value);
				return RC_OK;
			}
		}
		return fail(err, RC_INVALID_VALUE, "", "%.*s: \"%.*s\" is neither true nor false",
			SLICE_ARG(row->attr->name), SLICE_ARG(slice_clip(text, 60)));
	}
	if (row->attr->type == ATTR_INTEGER && slice_to_u64(text, 0, INT64_MAX, &number))
		*out = json_integer((json_int_t)number);
	else
		*out = json_stringn(text.p, text.len);
	return *out != NULL ? RC_OK
			    : fail(err, RC_INVALID_VALUE, "", "%.*s is not UTF-8", SLICE_ARG(row->attr->name));
}

/* The object in which an attribute stands: made with all around it. */
static json_t *
object_for(json_t *resource, const struct attr *attr)
{
	json_t *around, *inner;

	if (attr->parent == NULL || attr->parent->parent == NULL)
		return resource;
	around = object_for(resource, attr->parent);
	inner = json_object_getn(around, attr->parent->name.p, attr->parent->name.len);
	if (inner == NULL) {
		inner = json_object();
		(void)json_object_setn_new(around, attr->parent->name.p, attr->parent->name.len, inner);
	}
	return inner;
}

static json_t *
list_for(json_t *object, const struct attr *attr)
{
	json_t *list = json_object_getn(object, attr->name.p, attr->name.len);

	if (list == NULL) {
		list = json_array();
		(void)json_object_setn_new(object, attr->name.p, attr->name.len, list);
	}
	return list;
}

/* The first element of a list is the primary one. */
static void
put_element(const struct map_row *row, json_t *resource, json_t *value)
{
	const struct attr *complex = row->attr->parent;
	json_t *list = list_for(object_for(resource, complex), complex), *element = json_object();

	(void)json_object_set_new(element, "value", value);
	if (row->type.len > 0)
		(void)json_object_set_new(element, "type", json_stringn(row->type.p, row->type.len));
	if (json_array_size(list) == 0 && attr_sub(complex, SLICE("primary")) != NULL)
		(void)json_object_set_new(element, "primary", json_true());
	(void)json_array_append_new(list, element);
}

static enum rc
put_value(const struct map_row *row, json_t *resource, struct slice text, struct err *err)
{
	const struct attr *attr = row->attr;
	json_t *value, *object;
	enum rc rc = to_json(row, text, &value, err);

	if (rc != RC_OK)
		return rc;
	if (attr->parent != NULL && attr->parent->multi) {
		put_element(row, resource, value);
		return RC_OK;
	}
	object = object_for(resource, attr);
	if (attr->multi)
		(void)json_array_append_new(list_for(object, attr), value);
	else
		(void)json_object_setn_new(object, attr->name.p, attr->name.len, value);
	return RC_OK;
}

static bool
takes_several(const struct map_row *row)
{
	return row->attr->multi || (row->attr->parent != NULL && row->attr->parent->multi);
}

/* One value as it stands, or each of its parts. */
static enum rc
put_parts(const struct map_row *row, json_t *resource, struct slice text, struct err *err)
{
	struct slice part;
	enum rc rc;

	if (row->split == 0)
		return put_value(row, resource, text, err);
	while (slice_split(&text, row->split, &part)) {
		part = slice_trim(part);
		if (part.len > 0 && (rc = put_value(row, resource, part, err)) != RC_OK)
			return rc;
	}
	return RC_OK;
}

static enum rc
put_is(const struct map_row *row, map_value_fn *value, void *arg, json_t *resource)
{
	struct slice text = SLICE("");
	json_t *object = object_for(resource, row->attr);

	(void)value(arg, row->sources[0], 0, &text);
	(void)json_object_setn_new(object, row->attr->name.p, row->attr->name.len,
		json_boolean(slice_eq(text, row->literal)));
	return RC_OK;
}

enum rc
map_apply(const struct map_row *row, map_value_fn *value, void *arg, json_t *resource, struct err *err)
{
	struct slice text;
	enum rc rc;

	if (row->source_count == 0)
		return put_value(row, resource, row->literal, err);
	if (row->is)
		return put_is(row, value, arg, resource);
	for (size_t s = 0; s < row->source_count; s++) {
		bool any = false;

		for (size_t i = 0; value(arg, row->sources[s], i, &text); i++) {
			if (text.len == 0)
				continue;
			any = true;
			if ((rc = put_parts(row, resource, text, err)) != RC_OK)
				return rc;
			if (!takes_several(row))
				break;
		}
		if (any)
			break;
	}
	return RC_OK;
}
