#include "tools/rosterctl/model.h"

#include <errno.h>
#include <stdio.h>

#include "schema/model.h"
#include "tools/rosterctl/print.h"

#include "base/banned.h"

/* ---- Finding a model ---- */

static bool
complain(bool json, const char *where, const struct err *err)
{
	unsigned line;
	int skip = 0;
	json_t *j;

	if (json) {
		j = json_pack("{s:b, s:s, s:s, s:s}", "ok", 0, "file", where, "path", err->path,
			"detail", err->detail);
		(void)json_dumpf(j, stdout, JSON_INDENT(2));
		(void)putchar('\n');
		json_decref(j);
	}
	/* As compilers write it, so that editors find the line. */
	if (sscanf(err->detail, "line %u: %n", &line, &skip) == 1 && skip > 0)
		(void)fprintf(stderr, "%s:%u: ", where, line);
	else
		(void)fprintf(stderr, "%s: ", where);
	(void)fprintf(stderr, "%s%s%s\n", err->path, err->path[0] != '\0' ? ": " : "",
		err->detail + skip);
	return false;
}

/* A file of at most one byte more than a model may have. */
static bool
read_file(const char *name, struct buf *out)
{
	FILE *f = fopen(name, "r");
	size_t got = 1;
	bool bad;

	if (f == NULL)
		return false;
	while (got > 0 && out->len <= MODEL_FILE_MAX) {
		got = fread(buf_reserve(out, 65536), 1, 65536, f);
		out->len += got;
	}
	bad = ferror(f) != 0;
	(void)fclose(f);
	return !bad;
}

static bool
compile_file(struct arena *a, const char *name, bool json, const struct model **out)
{
	struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	enum rc rc;

	if (!read_file(name, &text))
		rc = fail(&err, RC_NOT_FOUND, "", "%s", strerror(errno));
	else
		rc = model_compile(a, buf_as_slice(&text), out, &err);
	buf_release(&text);
	return rc == RC_OK || complain(json, name, &err);
}

/* One that ships by its name; a name with a slash or a dot in it is a file's. */
static bool
find(struct arena *a, const json_t *request, bool json, const struct model **out)
{
	const char *name = json_string_value(json_object_get(request, "model"));
	const struct model_set *set;
	struct err err = ERR_INIT;

	if (strpbrk(name, "/.") != NULL)
		return compile_file(a, name, json, out);
	if (models_load(a, NULL, 0, &set, &err) != RC_OK)
		return complain(json, "rosterctl", &err);
	if ((*out = model_by_name(set, slice_of(name))) != NULL)
		return true;
	(void)fail(&err, RC_NOT_FOUND, "model",
		"no model \"%s\" ships; for a file of yours give its name with \"./\"", name);
	return complain(json, "rosterctl", &err);
}

/* ---- What a model says, as JSON ---- */

static json_t *
text(struct slice s)
{
	return json_stringn(s.p, s.len);
}

static void
set_text(json_t *object, const char *member, struct slice s)
{
	(void)json_object_set_new(object, member, text(s));
}

/* Flags are told when they are set. */
static void
set_flag(json_t *object, const char *member, bool v)
{
	if (v)
		(void)json_object_set_new(object, member, json_true());
}

static void
set_number(json_t *object, const char *member, uint64_t v)
{
	(void)json_object_set_new(object, member, json_integer((json_int_t)v));
}

static void
set_roles(json_t *object, const char *member, const struct model *m, const struct role_set *set)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->role_count; i++)
		if (role_set_has(set, &m->roles[i]))
			(void)json_array_append_new(list, text(m->roles[i].path));
	if (json_array_size(list) > 0)
		(void)json_object_set(object, member, list);
	json_decref(list);
}

static void
append_pattern(void *list, struct slice pattern)
{
	(void)json_array_append_new(list, text(pattern));
}

static void
set_permissions(
	json_t *object, const char *member, const struct model *m, const struct permset *set)
{
	json_t *list = json_array();

	permset_print(m, set, append_pattern, list);
	(void)json_object_set_new(object, member, list);
}

static json_t *
role_facts(const struct model *m, const struct model_role *r)
{
	json_t *out = json_object();

	set_text(out, "title", r->title);
	set_text(out, "description", r->description);
	set_flag(out, "default", r->by_default);
	set_flag(out, "creator", r->by_creation);
	set_flag(out, "required", r->required);
	set_flag(out, "guarded", r->guarded);
	set_flag(out, "teams", r->teams);
	if (r->holders_min > 0)
		set_number(out, "holdersMin", r->holders_min);
	if (r->holders_max > 0)
		set_number(out, "holdersMax", r->holders_max);
	set_roles(out, "for", m, &r->fits);
	set_roles(out, "implies", m, &r->implied);
	set_roles(out, "gives", m, &r->gives);
	set_roles(out, "takes", m, &r->takes);
	set_permissions(out, "permissions", m, &r->direct);
	return out;
}

static json_t *
kind_facts(const struct model *m, const struct model_kind *k)
{
	json_t *out = json_object(), *limits = json_object(), *quotas = json_object();

	set_text(out, "title", k->title);
	set_text(out, "creator", k->creator->path);
	set_flag(out, "atSignup", k->at_signup);
	(void)json_object_set_new(out, "deletable", json_boolean(k->deletable));
	(void)json_object_set_new(
		out, "quotaPer", json_string(k->quota_per_person ? "person" : "org"));
	set_permissions(out, "off", m, &k->off);
	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		set_number(limits, limit_name((enum limit)i), k->limits[i]);
	(void)json_object_set_new(out, "limits", limits);
	for (size_t i = 0; i < m->quota_count; i++)
		set_number(quotas, m->quotas[i].name.p, m->quotas[i].normal[k->kind]);
	if (m->quota_count > 0)
		(void)json_object_set(out, "quotas", quotas);
	json_decref(quotas);
	return out;
}

static json_t *
scopes(uint8_t at)
{
	json_t *out = json_array();

	for (unsigned k = 0; k < SCOPE_KINDS; k++)
		if ((at & 1U << k) != 0)
			(void)json_array_append_new(
				out, json_string(scope_kind_name((enum scope_kind)k)));
	return out;
}

static json_t *
invitation_facts(const struct model *m)
{
	static const char *const names[] = { "email", "link" };
	json_t *out = json_object();

	(void)json_object_set_new(out, "external", json_boolean(m->external_invitations));
	for (unsigned i = 0; i < 2; i++) {
		const struct model_invitation *inv = &m->invitations[i];
		json_t *one;

		if (!inv->allowed)
			continue;
		one = json_object();
		set_text(one, "role", inv->role->path);
		set_roles(one, "roles", m, &inv->roles);
		set_roles(one, "assignments", m, &inv->assignments);
		set_number(one, "expiresSeconds", inv->expires);
		(void)json_object_set_new(out, names[i], one);
	}
	return out;
}

static json_t *
facts(const struct model *m)
{
	json_t *out = json_object(), *kinds = json_object(), *tree = json_object(),
	       *roles = json_object();

	set_text(out, "name", m->name);
	set_number(out, "version", m->version);
	set_text(out, "title", m->title);
	set_text(out, "description", m->description);
	for (unsigned i = 0; i < ORG_KINDS; i++)
		if (m->kinds[i].allowed)
			(void)json_object_set_new(kinds, org_kind_name((enum org_kind)i),
				kind_facts(m, &m->kinds[i]));
	(void)json_object_set_new(out, "kinds", kinds);
	for (unsigned i = SCOPE_WORKSPACE; i < SCOPE_KINDS; i++)
		if (m->parents[i] != 0)
			(void)json_object_set_new(
				tree, scope_kind_name((enum scope_kind)i), scopes(m->parents[i]));
	(void)json_object_set_new(out, "tree", tree);
	for (size_t i = 0; i < m->role_count; i++)
		(void)json_object_set_new(roles, m->roles[i].path.p, role_facts(m, &m->roles[i]));
	(void)json_object_set_new(out, "roles", roles);
	(void)json_object_set_new(out, "customRoles", scopes(m->custom_roles));
	(void)json_object_set_new(out, "invitations", invitation_facts(m));
	if (m->transfer.role != NULL) {
		json_t *transfer = json_object();

		set_text(transfer, "role", m->transfer.role->path);
		set_text(transfer, "previous", m->transfer.previous->path);
		(void)json_object_set_new(out, "transfer", transfer);
	}
	return out;
}

/* For people: lists of texts on one line. */
static json_t *
on_lines(const json_t *j)
{
	struct buf line = BUF_INIT;
	json_t *out = json_object(), *value;
	const char *key;
	size_t i;

	json_object_foreach ((json_t *)(uintptr_t)j, key, value) {
		json_t *item;

		buf_clear(&line);
		json_array_foreach (value, i, item)
			buf_printf(&line, "%s%s", i > 0 ? ", " : "", json_string_value(item));
		if (json_is_array(value))
			(void)json_object_set_new(
				out, key, json_stringn(line.len > 0 ? line.p : "", line.len));
		else if (json_is_object(value))
			(void)json_object_set_new(out, key, on_lines(value));
		else
			(void)json_object_set(out, key, value);
	}
	buf_release(&line);
	return out;
}

/* Takes j. */
static bool
show(json_t *j, bool json)
{
	json_t *lines;

	if (json) {
		(void)json_dumpf(j, stdout, JSON_INDENT(2));
		(void)putchar('\n');
	} else {
		lines = on_lines(j);
		print_object(lines, 0);
		json_decref(lines);
	}
	json_decref(j);
	return true;
}

/* ---- The matrix ---- */

static const char *
cell(const struct model_role *r, const struct model_kind *kind, enum scope_kind at, uint16_t perm)
{
	if (kind != NULL && permset_any(&kind->off, perm))
		return "no";
	return permset_any(&r->sets[at], perm)   ? "yes"
	       : permset_own(&r->sets[at], perm) ? "own"
						 : "no";
}

/* One permission and role: an answer for each kind of scope where it is asked for and the role can
 * matter. NULL: there is none. */
static json_t *
cells(const struct model_role *r, const struct model_kind *kind, const struct permission *p)
{
	json_t *out = json_object();

	for (unsigned k = 0; k < SCOPE_KINDS; k++)
		if ((p->at & scope_below(r->scope) & 1U << k) != 0)
			(void)json_object_set_new(out, scope_kind_name((enum scope_kind)k),
				json_string(cell(r, kind, (enum scope_kind)k, p->id)));
	if (json_object_size(out) > 0)
		return out;
	json_decref(out);
	return NULL;
}

/* All answers in one word: the first is of the widest scope; with an asterisk when another one
 * below is meant. */
static json_t *
summary(const json_t *answers)
{
	const char *scope, *best = "no", *first = NULL;
	json_t *v;
	char word[8];

	if (answers == NULL)
		return json_string("");
	json_object_foreach ((json_t *)(uintptr_t)answers, scope, v) {
		const char *answer = json_string_value(v);

		if (first == NULL)
			first = answer;
		if (strcmp(best, "no") == 0 || strcmp(answer, "yes") == 0)
			best = answer;
	}
	(void)snprintf(word, sizeof(word), "%s%s", best,
		first != NULL && strcmp(first, best) != 0 ? "*" : "");
	return json_string(word);
}

static json_t *
matrix_rows(const struct model *m, const struct model_kind *kind, bool brief)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->permission_count; i++) {
		const struct permission *p = &m->permissions[i];
		json_t *row = json_object(), *answers = brief ? row : json_object();

		set_text(row, "permission", p->name);
		if (!brief) {
			set_text(row, "description", p->description);
			(void)json_object_set_new(row, "at", scopes(p->at));
			(void)json_object_set_new(row, "cells", answers);
		}
		for (size_t k = 0; k < m->role_count; k++) {
			json_t *one = cells(&m->roles[k], kind, p);

			if (brief)
				(void)json_object_set_new(
					answers, m->roles[k].path.p, summary(one));
			else if (one != NULL)
				(void)json_object_set(answers, m->roles[k].path.p, one);
			json_decref(one);
		}
		(void)json_array_append_new(rows, row);
	}
	return rows;
}

static void
print_matrix(const struct model *m, const struct model_kind *kind)
{
	struct column columns[MODEL_ROLES_MAX + 2] = { { "permission", "PERMISSION" } };
	json_t *rows = matrix_rows(m, kind, true);

	for (size_t i = 0; i < m->role_count; i++)
		columns[i + 1] = (struct column){ m->roles[i].path.p, m->roles[i].path.p };
	print_table(rows, columns);
	json_decref(rows);
	(void)printf("\nown: for the subject's own things only. *: in scopes below, not for the "
		     "whole scope of the role.\n"
		     "Empty: not asked for where the role is held.\n");
}

/* ---- Commands ---- */

bool
model_check_command(const json_t *request, bool json)
{
	const char *file = json_string_value(json_object_get(request, "file"));
	struct arena *a = arena_new();
	const struct model *m;
	bool ok = compile_file(a, file, json, &m);

	if (ok && json)
		(void)show(json_pack("{s:b, s:s, s:s, s:i}", "ok", 1, "file", file, "name",
				   m->name.p, "version", (int)m->version),
			true);
	else if (ok)
		(void)printf("%s: %s %u is a role model: %zu roles and assignments, %zu "
			     "permissions of the product's.\n",
			file, m->name.p, m->version, m->role_count,
			m->permission_count - PERM_BUILTIN);
	arena_free(a);
	return ok;
}

bool
model_list_command(const json_t *request, bool json)
{
	static const struct column columns[] = { { "name", "NAME" }, { "version", "VERSION" },
		{ "kinds", "KINDS" }, { "roles", "ROLES" }, { NULL, NULL } };
	struct arena *a = arena_new();
	const struct model_set *set;
	json_t *rows = json_array();
	struct err err = ERR_INIT;
	bool ok = models_load(a, NULL, 0, &set, &err) == RC_OK || complain(json, "rosterctl", &err);

	(void)request;
	for (size_t i = 0; ok && i < set->count; i++) {
		const struct model *m = set->models[i];
		json_t *row = json_object(), *kinds = json_array(), *roles = json_array(), *lines;

		set_text(row, "name", m->name);
		set_number(row, "version", m->version);
		set_text(row, "title", m->title);
		set_text(row, "description", m->description);
		for (unsigned k = 0; k < ORG_KINDS; k++)
			if (m->kinds[k].allowed)
				(void)json_array_append_new(
					kinds, json_string(org_kind_name((enum org_kind)k)));
		for (size_t k = 0; k < m->role_count; k++)
			if (m->roles[k].scope == SCOPE_ORG && !m->roles[k].assignment)
				(void)json_array_append_new(roles, text(m->roles[k].name));
		(void)json_object_set_new(row, "kinds", kinds);
		(void)json_object_set_new(row, "roles", roles);
		lines = json ? json_incref(row) : on_lines(row);
		(void)json_array_append_new(rows, lines);
		json_decref(row);
	}
	if (ok && json)
		(void)show(json_incref(rows), true);
	else if (ok)
		print_table(rows, columns);
	json_decref(rows);
	arena_free(a);
	return ok;
}

bool
model_show_command(const json_t *request, bool json)
{
	struct arena *a = arena_new();
	const struct model *m;
	bool ok = find(a, request, json, &m);

	/* As JSON, the file itself: to begin another one with. */
	if (ok && json)
		(void)fwrite(m->text.p, 1, m->text.len, stdout);
	else if (ok)
		(void)show(facts(m), false);
	arena_free(a);
	return ok;
}

bool
model_matrix_command(const json_t *request, bool json)
{
	const char *name = json_string_value(json_object_get(request, "kind"));
	struct arena *a = arena_new();
	const struct model_kind *kind = NULL;
	enum org_kind which = ORG_COMPANY;
	struct err err = ERR_INIT;
	const struct model *m;
	bool ok = find(a, request, json, &m);

	if (ok && name != NULL &&
		(!org_kind_read(slice_of(name), &which) || !m->kinds[which].allowed)) {
		(void)fail(&err, RC_INVALID_VALUE, "kind", "the model has no orgs of kind \"%s\"",
			name);
		ok = complain(json, "rosterctl", &err);
	}
	if (ok && name != NULL)
		kind = &m->kinds[which];
	if (ok && json) {
		json_t *out = facts(m);

		(void)json_object_set_new(out, "matrix", matrix_rows(m, kind, false));
		(void)show(out, true);
	} else if (ok) {
		print_matrix(m, kind);
	}
	arena_free(a);
	return ok;
}
