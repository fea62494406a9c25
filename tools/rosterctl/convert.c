#include "tools/rosterctl/convert.h"

#include <stdlib.h>

#include "protocol/csv.h"
#include "protocol/ldif.h"
#include "protocol/scim.h"

#include "base/banned.h"

#define USER_URN "urn:ietf:params:scim:schemas:core:2.0:User"
#define GROUP_URN "urn:ietf:params:scim:schemas:core:2.0:Group"

enum { MEMBERS_A_LINE = 10000, ARENA_KEPT = 1 << 20 };

struct convert {
	enum convert_format format;
	struct arena *arena;   /* the map, the header */
	struct arena *scratch; /* of one record */
	const struct schema_set *set;
	struct map map;
	bool mapped;
	struct buf rest;    /* bytes of a record that goes on */
	uint64_t line;      /* lines of the file that were taken */
	uint64_t written;   /* lines of the output */
	bool begun;
	uint64_t passed_over;
	/* CSV. */
	struct csv_row row;
	struct slice *columns;
	size_t column_count;
	json_t *groups; /* name: lines of its members */
	/* LDIF: the entry at hand. */
	struct ldif_entry entry;
};

static enum rc
at_line(struct err *err, enum rc rc, uint64_t line)
{
	struct err inner = *err;

	return fail(err, rc, "", "line %llu: %s%s%s", (unsigned long long)line, inner.path,
		inner.path[0] != '\0' ? ": " : "", inner.detail);
}

/* ---- Lines out ---- */

/* The resource as line `line`, or the next one when that is past; takes the reference. */
static void
emit(struct convert *c, json_t *resource, uint64_t line, struct buf *out)
{
	char *text = json_dumps(resource, JSON_COMPACT | JSON_ENSURE_ASCII);

	for (; c->written + 1 < line; c->written++)
		buf_char(out, '\n');
	if (text == NULL)
		abort(); /* out of memory: what is in it was checked */
	buf_slice(out, slice_of(text));
	buf_char(out, '\n');
	c->written++;
	free(text);
	json_decref(resource);
}

static json_t *
new_resource(bool group)
{
	return json_pack("{s:[s]}", "schemas", group ? GROUP_URN : USER_URN);
}

/* ---- CSV ---- */

static bool
column_value(void *arg, struct slice name, size_t i, struct slice *value)
{
	const struct convert *c = arg;

	if (i > 0)
		return false;
	for (size_t n = 0; n < c->column_count; n++) {
		if (slice_caseeq(c->columns[n], name)) {
			*value = slice_trim(csv_field(&c->row, n));
			return true;
		}
	}
	return false;
}

/* Every column that the map names must be there. */
static enum rc
check_columns(const struct convert *c, struct err *err)
{
	for (size_t i = 0; i < c->map.count; i++) {
		for (size_t s = 0; s < c->map.rows[i].source_count; s++) {
			struct slice name = c->map.rows[i].sources[s];
			size_t n = 0;

			while (n < c->column_count && !slice_caseeq(c->columns[n], name))
				n++;
			if (n == c->column_count)
				return fail(err, RC_INVALID_VALUE, "",
					"line %u of the mapping: the file has no column \"%.*s\"", c->map.rows[i].line,
					SLICE_ARG(slice_clip(name, 100)));
		}
		if (c->map.rows[i].of_group)
			return fail(err, RC_INVALID_VALUE, "",
				"line %u of the mapping: groups of a CSV file come from users: groups = COLUMN",
				c->map.rows[i].line);
	}
	return RC_OK;
}

static enum rc
take_header(struct convert *c, struct err *err)
{
	enum rc rc;

	c->column_count = c->row.count;
	c->columns = ARENA_ARRAY(c->arena, struct slice, c->row.count);
	for (size_t i = 0; i < c->row.count; i++)
		c->columns[i] = arena_dup(c->arena, slice_trim(csv_field(&c->row, i)));
	if (!c->mapped && (rc = map_from_header(c->arena, c->set, c->columns, c->column_count, &c->map, err)) != RC_OK) {
		struct err inner = *err;

		return fail(err, rc, "", "%s (say with --map which columns become what)", inner.detail);
	}
	c->mapped = true;
	return check_columns(c, err);
}

/* The user is a member of these groups, by the number of the line. */
static enum rc
note_groups(struct convert *c, const struct map_row *row, uint64_t line, struct err *err)
{
	struct slice all, name;

	if (row->source_count == 0 || !column_value(c, row->sources[0], 0, &all) || all.len == 0)
		return RC_OK;
	while (slice_split(&all, row->split != 0 ? row->split : '\n', &name)) {
		json_t *members;

		name = slice_trim(name);
		if (name.len == 0)
			continue;
		members = json_object_getn(c->groups, name.p, name.len);
		if (members == NULL && json_object_setn_new(c->groups, name.p, name.len, members = json_array()) != 0)
			return fail(err, RC_INVALID_VALUE, "", "groups is not UTF-8");
		(void)json_array_append_new(members, json_integer((json_int_t)line));
	}
	return RC_OK;
}

static enum rc
csv_user(struct convert *c, uint64_t line, json_t *user, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < c->map.count; i++) {
		const struct map_row *row = &c->map.rows[i];
		struct slice id;

		if (row->target == MAP_ATTR)
			rc = map_apply(row, column_value, c, user, err);
		else if (row->target == MAP_GROUPS)
			rc = note_groups(c, row, line, err);
		else if (column_value(c, row->source_count > 0 ? row->sources[0] : SLICE(""), 0, &id) && id.len > 0)
			(void)json_object_set_new(user, "id", json_stringn(id.p, id.len));
	}
	if (json_object_get(user, "id") == NULL)
		(void)json_object_set_new(user, "id", json_sprintf("line:%llu", (unsigned long long)line));
	return rc;
}

static enum rc
take_csv_row(struct convert *c, uint64_t line, struct buf *out, struct err *err)
{
	json_t *user;
	enum rc rc;

	if (c->row.count == 1 && csv_field(&c->row, 0).len == 0)
		return RC_OK; /* an empty line */
	if (c->columns == NULL)
		return take_header(c, err);
	if (c->row.count != c->column_count)
		return fail(err, RC_INVALID_VALUE, "", "there are %zu fields, and %zu columns in the header", c->row.count,
			c->column_count);
	user = new_resource(false);
	if ((rc = csv_user(c, line, user, err)) != RC_OK)
		json_decref(user);
	else
		emit(c, user, line, out);
	return rc;
}

/* Groups of users, behind all of them; many members take several lines. */
static void
emit_groups(struct convert *c, struct buf *out)
{
	const char *name;
	json_t *lines, *line;
	size_t i;

	json_object_foreach (c->groups, name, lines) {
		json_t *group = NULL, *members = NULL;

		json_array_foreach (lines, i, line) {
			if (i % MEMBERS_A_LINE == 0) {
				if (group != NULL)
					emit(c, group, 0, out);
				group = new_resource(true);
				members = json_array();
				(void)json_object_set_new(group, "id", json_sprintf("group:%s", name));
				(void)json_object_set_new(group, "displayName", json_string(name));
				(void)json_object_set_new(group, "externalId", json_string(name));
				(void)json_object_set_new(group, "members", members);
			}
			(void)json_array_append_new(members, json_pack("{s:o}", "value",
				json_sprintf("line:%lld", (long long)json_integer_value(line))));
		}
		if (group != NULL)
			emit(c, group, 0, out);
	}
}

static enum rc
feed_csv(struct convert *c, bool last, struct buf *out, struct err *err)
{
	size_t at = 0, used;
	unsigned lines;
	enum csv_result r;
	enum rc rc = RC_OK;

	while (rc == RC_OK && (r = csv_next(slice_from(buf_as_slice(&c->rest), at), last,
				      c->mapped ? c->map.separator : ',', &c->row, &used, &lines, err)) != CSV_MORE) {
		if (r == CSV_BAD)
			return at_line(err, RC_INVALID_SYNTAX, c->line + lines + 1);
		if ((rc = take_csv_row(c, c->line + 1, out, err)) != RC_OK)
			return at_line(err, rc, c->line + 1);
		c->line += lines;
		at += used;
	}
	buf_drain(&c->rest, at);
	if (last && c->columns == NULL)
		return fail(err, RC_INVALID_VALUE, "", "the file has no header");
	if (last)
		emit_groups(c, out);
	return rc;
}

/* ---- LDIF ---- */

static bool
entry_value(void *arg, struct slice name, size_t i, struct slice *value)
{
	const struct convert *c = arg;

	if (slice_caseeq(name, SLICE("dn"))) {
		*value = c->entry.dn;
		return i == 0;
	}
	for (size_t n = 0; n < c->entry.count; n++) {
		if (slice_caseeq(c->entry.values[n].name, name) && i-- == 0) {
			*value = c->entry.values[n].value;
			return true;
		}
	}
	return false;
}

static bool
has_class(const struct convert *c, const char *const *classes)
{
	for (; *classes != NULL; classes++)
		for (size_t n = 0; n < c->entry.count; n++)
			if (ldif_is(c->entry.values[n].name, "objectClass") &&
				ldif_is(c->entry.values[n].value, *classes))
				return true;
	return false;
}

/* Members are named as their entries are: by DN; or by uid, as posixGroup does. */
static enum rc
put_members(struct convert *c, const struct map_row *row, json_t *group, struct err *err)
{
	json_t *members = json_array();
	struct slice value;

	(void)json_object_set_new(group, "members", members);
	for (size_t s = 0; s < row->source_count; s++) {
		for (size_t n = 0; n < c->entry.count; n++) {
			json_t *text;

			if (!slice_caseeq(c->entry.values[n].name, row->sources[s]))
				continue;
			value = c->entry.values[n].value;
			if (value.len == 0)
				continue; /* groupOfNames must have a member: an empty one is none */
			if (memchr(value.p, '=', value.len) != NULL)
				value = ldif_dn(c->scratch, value);
			if ((text = json_stringn(value.p, value.len)) == NULL)
				return fail(err, RC_INVALID_VALUE, "", "members is not UTF-8");
			(void)json_array_append_new(members, json_pack("{s:o}", "value", text));
		}
	}
	return RC_OK;
}

static enum rc
ldif_resource(struct convert *c, bool group, json_t *resource, struct err *err)
{
	struct slice dn = ldif_dn(c->scratch, c->entry.dn), id;
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < c->map.count; i++) {
		const struct map_row *row = &c->map.rows[i];

		if (row->of_group != group)
			continue;
		if (row->target == MAP_ATTR)
			rc = map_apply(row, entry_value, c, resource, err);
		else if (row->target == MAP_MEMBERS)
			rc = put_members(c, row, resource, err);
		else if (row->target == MAP_ID && !slice_caseeq(row->sources[0], SLICE("dn")) &&
			 entry_value(c, row->sources[0], 0, &id))
			(void)json_object_set_new(resource, "id", json_stringn(id.p, id.len));
	}
	if (json_object_get(resource, "id") == NULL)
		(void)json_object_set_new(resource, "id", json_stringn(dn.p, dn.len));
	return rc;
}

static enum rc
take_entry(struct convert *c, uint64_t line, struct buf *out, struct err *err)
{
	static const char *const people[] = { "inetOrgPerson", "organizationalPerson", "person", "posixAccount", "user",
		NULL };
	static const char *const groups[] = { "groupOfNames", "groupOfUniqueNames", "groupOfMembers", "posixGroup", "group",
		NULL };
	bool group = has_class(c, groups);
	json_t *resource;
	enum rc rc;

	if (!group && !has_class(c, people)) {
		c->passed_over++;
		return RC_OK;
	}
	resource = new_resource(group);
	if ((rc = ldif_resource(c, group, resource, err)) != RC_OK)
		json_decref(resource);
	else
		emit(c, resource, line, out);
	return rc;
}

static enum rc
feed_ldif(struct convert *c, bool last, struct buf *out, struct err *err)
{
	size_t at = 0, used;
	unsigned lines, before;
	enum ldif_result r;
	enum rc rc;

	while ((r = ldif_next(c->scratch, slice_from(buf_as_slice(&c->rest), at), last, &c->entry, &used, &lines,
			&before, err)) != LDIF_MORE) {
		if (r == LDIF_BAD)
			return at_line(err, RC_INVALID_SYNTAX, c->line + lines + 1);
		if (r == LDIF_ENTRY && (rc = take_entry(c, c->line + before + 1, out, err)) != RC_OK)
			return at_line(err, rc, c->line + before + 1);
		c->line += lines;
		at += used;
		if (arena_used(c->scratch) > ARENA_KEPT)
			arena_clear(c->scratch);
	}
	buf_drain(&c->rest, at);
	return RC_OK;
}

/* ---- All of it ---- */

enum rc
convert_new(enum convert_format format, struct slice mapping, struct convert **out, struct err *err)
{
	struct convert *c = calloc(1, sizeof(*c));
	enum rc rc;

	if (c == NULL)
		abort();
	c->format = format;
	c->arena = arena_new();
	c->scratch = arena_new();
	c->groups = json_object();
	if (format == FORMAT_LDIF && mapping.p == NULL)
		mapping = slice_of(map_of_ldif);
	rc = schema_load(c->arena, &c->set, err);
	c->mapped = mapping.p != NULL;
	if (rc == RC_OK && c->mapped)
		rc = map_read(c->arena, c->set, mapping, &c->map, err);
	if (rc != RC_OK)
		convert_free(c);
	else
		*out = c;
	return rc;
}

void
convert_free(struct convert *c)
{
	if (c == NULL)
		return;
	csv_row_release(&c->row);
	buf_release(&c->rest);
	json_decref(c->groups);
	arena_free(c->arena);
	arena_free(c->scratch);
	free(c);
}

enum rc
convert_feed(struct convert *c, struct slice bytes, bool last, struct buf *out, struct err *err)
{
	static const struct slice mark = SLICE_INIT("\xEF\xBB\xBF");

	if (!c->begun && slice_starts(bytes, mark))
		bytes = slice_from(bytes, mark.len);
	c->begun = true;
	if (c->format == FORMAT_JSON) {
		buf_slice(out, bytes);
		return RC_OK;
	}
	buf_slice(&c->rest, bytes);
	return c->format == FORMAT_CSV ? feed_csv(c, last, out, err) : feed_ldif(c, last, out, err);
}

bool
convert_has_groups(const struct convert *c)
{
	return c->format != FORMAT_CSV || c->map.groups;
}

uint64_t
convert_passed_over(const struct convert *c)
{
	return c->passed_over;
}
