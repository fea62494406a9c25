#include "daemon/directory/who_can.h"

#include <stdlib.h>

#include "daemon/directory/form.h"
#include "daemon/directory/user_walk.h"

#include "base/banned.h"

/* More assignments than this are not looked at one by one. */
enum { ASSIGNMENTS_MAX = 1024 };

struct search {
	struct who_can *who;
	const struct directory *d;
	struct orgtx *o;
	struct arena *arena;
	const struct model *model;
	enum scope_kind at;
	bool everybody;
	size_t looked; /* assignments */
	uint64_t *users;
	size_t user_count, cap;
};

static void
add_principal(struct search *s, uint64_t row)
{
	if (row_type(row) == TYPE_GROUP) {
		user_walk_add_group(s->who->candidates, s->o, row);
		return;
	}
	s->users = arena_grow(s->arena, s->users, s->user_count, &s->cap, sizeof(*s->users));
	s->users[s->user_count++] = row;
}

static bool
role_may(const struct search *s, struct slice path)
{
	struct role_found found;
	struct err ignored;

	return role_find(s->d, s->o, s->arena, s->model, path, &found, &ignored) == RC_OK &&
	       permset_any(found.role != NULL ? &found.role->sets[s->at] : found.custom, s->who->permission);
}

/* Whoever holds a role by the assignments that have a text in an index. In force or not: the clock goes on while the list is made. */
static void
add_holders(struct search *s, const struct attr *attr, struct slice text, bool role_is_known)
{
	uint64_t *rows, count;
	struct assignment x;
	size_t n;

	count = s->everybody ? 0 : count_with_text(s->o, s->arena, attr, TYPE_ASSIGNMENT, text);
	s->everybody = s->everybody || count > ASSIGNMENTS_MAX - s->looked;
	if (s->everybody || count == 0)
		return;
	s->looked += count;
	n = rows_with_text(s->o, s->arena, attr, TYPE_ASSIGNMENT, text, &rows);
	for (size_t i = 0; i < n; i++)
		if (assignment_read(s->d, s->o, rows[i], &x) && (role_is_known || role_may(s, x.role)))
			add_principal(s, x.principal);
}

/* Roles that are held in the org: by their paths, as such assignments name no scope. */
static void
add_holders_in_org(struct search *s)
{
	const struct attrs *at = &s->d->at;
	uint64_t *rows;
	size_t n;

	for (size_t i = 0; i < s->model->role_count; i++) {
		const struct model_role *role = &s->model->roles[i];

		if (role->scope == SCOPE_ORG && permset_any(&role->sets[s->at], s->who->permission))
			add_holders(s, at->assignment_role, role->path, true);
	}
	n = rows_with_text(s->o, s->arena, at->role_kind, TYPE_ROLE, SLICE("custom"), &rows);
	for (size_t i = 0; i < n; i++) {
		struct record r;
		struct slice path;

		if (!record_get(s->o, rows[i], &r))
			continue;
		path = record_text(s->d->schema, &r, at->role_name);
		if (slice_starts(path, SLICE("org/")) && role_may(s, path))
			add_holders(s, at->assignment_role, path, true);
	}
}

/* Without an entry: the role of everybody in the org, that of being in a team. */
static void
add_implied(struct search *s)
{
	const struct model_role *in_org = s->model->by_default[SCOPE_ORG], *in_team = s->model->by_default[SCOPE_TEAM];

	s->everybody = in_org != NULL && permset_any(&in_org->sets[s->at], s->who->permission);
	if (s->at == SCOPE_TEAM && in_team != NULL && permset_any(&in_team->sets[s->at], s->who->permission))
		user_walk_add_group(s->who->candidates, s->o, s->who->scope);
}

static int
row_order(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

enum rc
who_can_begin(struct who_can *w, const struct directory *d, struct orgtx *o, struct arena *a, uint16_t permission,
	uint64_t scope, uint64_t after, struct err *err)
{
	struct search s = { .who = w, .d = d, .o = o, .arena = a, .at = scope_kind_of(scope) };
	struct org org;
	enum rc rc;

	if (!org_by_no(orgtx_txn(o), orgtx_org(o), &org))
		return fail(err, RC_NOT_FOUND, "", "there is no such org");
	if ((rc = model_of_org(d, &org, &s.model, err)) != RC_OK)
		return rc;
	*w = (struct who_can){ .permission = permission, .scope = scope, .candidates = user_walk_new(a, after) };
	add_implied(&s);
	for (uint64_t at = scope; at != 0; at = scope_parent(d, o, at))
		add_holders(&s, d->at.assignment_scope_value, row_id_text(a, o, at), false);
	add_holders_in_org(&s);
	if (s.everybody) {
		w->candidates = user_walk_new(a, after);
		user_walk_add_all(w->candidates);
		return RC_OK;
	}
	if (s.user_count > 0)
		qsort(s.users, s.user_count, sizeof(*s.users), row_order);
	user_walk_add_rows(w->candidates, s.users, s.user_count);
	return RC_OK;
}

enum rc
who_can_next(struct who_can *w, struct check *c, uint64_t *rows, size_t max, size_t *count, uint64_t *last,
	struct err *err)
{
	size_t n = user_walk_next(w->candidates, c->o, rows, max);
	bool active;
	enum rc rc;

	*count = 0;
	*last = n > 0 ? rows[n - 1] : 0;
	for (size_t i = 0; i < n; i++) {
		if ((rc = check_load(c, rows[i], &active, err)) != RC_OK)
			return rc;
		if (active && subject_may(&c->subject, w->permission, w->scope, false, NULL))
			rows[(*count)++] = rows[i];
	}
	return RC_OK;
}
