/* Assignments: who holds which role where. Giving and taking are the same rules for all that ends in
 * holding a role. */
#include "daemon/directory/form.h"
#include "daemon/directory/rules.h"

#include "base/banned.h"

struct plan {
	const struct model_role *role; /* NULL: the org's own */
	enum scope_kind kind;
	uint64_t principal, scope;
};

static struct slice
path_in(const struct directory *d, struct orgtx *o, uint64_t row, const struct node *root)
{
	struct record r;

	if (root != NULL)
		return tree_text(root, d->at.assignment_role);
	return record_get(o, row, &r) ? record_text(d->schema, &r, d->at.assignment_role) : SLICE("");
}

static bool
row_in(struct orgtx *o, const struct node *root, const struct attr *attr, uint64_t *row)
{
	struct slice text = tree_text(root, attr);
	struct uuid id;

	*row = 0;
	return text.len == 0 || (uuid_parse(text, &id) && row_by_id(o, &id, row));
}

static uint64_t
scope_of(const struct directory *d, struct orgtx *o, uint64_t row, const struct node *root)
{
	struct assignment x;
	uint64_t scope;

	if (root != NULL) /* one that is not there is refused by check() */
		return row_in(o, root, d->at.assignment_scope_value, &scope) ? scope : 0;
	return assignment_read(d, o, row, &x) ? x.scope : 0;
}

/* One's own roles can be seen, and those of the teams that one is in, and of the scopes where one has a role. */
static bool
own(const struct subject *s, uint64_t row, const struct record *r)
{
	struct assignment x;

	(void)r;
	if (row == 0 || s->member == 0 || !assignment_read(s->d, s->o, row, &x))
		return false;
	if (x.principal == s->member || (x.scope != 0 && subject_has_role_in(s, x.scope)))
		return true;
	for (size_t i = 0; i < s->team_count; i++)
		if (s->teams[i].group == x.principal)
			return true;
	return false;
}

/* Names the kind of role, which decides the permission: assignments, and roles of the org's own in
 * the whole org, are no one's role among the members. */
static struct slice
part_of(const struct directory *d, struct orgtx *o, uint64_t row, const struct node *root)
{
	struct slice path = path_in(d, o, row, root), kind;

	if (!slice_split(&path, '/', &kind))
		return SLICE("org");
	if (slice_eq(kind, SLICE("org")) && role_is_custom(d, o, path_in(d, o, row, root)))
		return SLICE("assignment");
	return kind;
}

/* ---- Counts of holders ---- */

static bool
is_active(const struct deed *x, uint64_t member)
{
	struct record r;

	return row_type(member) == TYPE_USER && record_get(x->o, member, &r) &&
	       record_bool(x->d->schema, &r, x->d->at.user_active, true);
}

static enum rc
check_loses(const struct deed *x, const struct model_role *role, uint64_t member, struct err *err)
{
	if (role->holders_min == 0 || !is_active(x, member))
		return RC_OK;
	return role_count_fits(x->by->model, role,
		role_left(x->d, x->o, x->arena, role, x->w->actor.now, member), err);
}

static enum rc
check_gains(const struct deed *x, const struct model_role *role, uint64_t member, struct err *err)
{
	uint64_t holders;

	if (role->holders_max == 0)
		return RC_OK;
	holders = role_holders(x->d, x->o, x->arena, role, x->w->actor.now, member) + 1;
	return role_count_fits(x->by->model, role, holders, err);
}

/* ---- What is assigned ---- */

static enum rc
check_principal(const struct deed *x, const struct plan *p, struct err *err)
{
	const struct model_role *had;
	struct record r;
	enum rc rc;

	if (row_type(p->principal) == TYPE_GROUP) {
		if (p->kind == SCOPE_TEAM)
			return fail(err, RC_INVALID_VALUE, "principal",
				"a role in a team is held by members, not by teams");
		if (p->role != NULL && (rc = role_fits_team(p->role, err)) != RC_OK)
			return rc;
		if (record_get(x->o, p->principal, &r) && group_connection(x->d, &r) != 0 && !x->by->all)
			return operation_require(x->by, operation_find(TYPE_ASSIGNMENT, VERB_CREATE, SLICE("mapping")), 0, false, err);
		return RC_OK;
	}
	if (row_type(p->principal) != TYPE_USER)
		return fail(err, RC_INVALID_VALUE, "principal", "must be a member or a team of this org");
	if (p->kind == SCOPE_TEAM && !edge_has(x->o, p->scope, p->principal))
		return fail(err, RC_INVALID_VALUE, "principal",
			"is not in the team: add them to its members first");
	if (p->role == NULL || !p->role->assignment)
		return RC_OK;
	had = member_role(x->d, x->o, x->arena, x->by->model, p->principal, x->w->actor.now, NULL);
	return assignment_fits(had, p->role, err);
}

static enum rc
check_times(const struct deed *x, const struct plan *p, struct err *err)
{
	const struct node *start = tree_value(x->root, x->d->at.assignment_start);
	const struct node *end = tree_value(x->root, x->d->at.assignment_end);

	if (start != NULL && end != NULL && start->ticks >= end->ticks)
		return fail(err, RC_INVALID_VALUE, "end", "must be after start");
	if ((start != NULL || end != NULL) && p->role != NULL &&
		(p->role->holders_min > 0 || p->role->holders_max > 0))
		return fail(err, RC_INVALID_VALUE, "end",
			"the role \"%.*s\" can't be held for a time: the org must never be without it",
			SLICE_ARG(p->role->path));
	return RC_OK;
}

static enum rc
read_plan(struct deed *x, struct plan *p, struct err *err)
{
	const struct attrs *at = &x->d->at;
	struct slice path = tree_text(x->root, at->assignment_role);
	struct role_found found;
	enum rc rc;

	if (!row_in(x->o, x->root, at->assignment_principal_value, &p->principal) || p->principal == 0)
		return fail(err, RC_INVALID_VALUE, "principal.value",
			"there is no member or team with this id");
	if (!row_in(x->o, x->root, at->assignment_scope_value, &p->scope))
		return fail(err, RC_INVALID_VALUE, "scope.value",
			"there is no workspace, project or team with this id");
	if ((rc = role_find(x->d, x->o, x->arena, x->by->model, path, &found, err)) != RC_OK)
		return rc;
	p->role = found.role;
	p->kind = found.scope;
	if (p->scope != 0 && scope_kind_of(p->scope) == SCOPE_ORG)
		return fail(err, RC_INVALID_VALUE, "scope.value", "must be a workspace, project or team");
	if (scope_kind_of(p->scope) != p->kind)
		return fail(err, RC_INVALID_VALUE, "scope", "the role \"%.*s\" is held in a %s, not in a %s",
			SLICE_ARG(slice_clip(path, 80)), scope_kind_name(p->kind),
			scope_kind_name(scope_kind_of(p->scope)));
	return RC_OK;
}

static bool
is_org_role(const struct plan *p)
{
	return p->role != NULL && p->role->scope == SCOPE_ORG && !p->role->assignment;
}

static void
become_edit(struct deed *x, uint64_t row, struct record *old)
{
	x->replaced = true;
	x->row = row;
	x->old = old;
	x->old_root = deed_tree(x, old);
}

/* Another role has origins of its own; the same one has more of them. */
static void
set_origin(struct deed *x, const struct plan *p)
{
	const struct attr *list = x->d->at.assignment_origins, *role = x->d->at.assignment_role;
	const struct node *had = x->old_root != NULL ? node_child(x->old_root, list) : NULL;
	bool same = had != NULL && slice_eq(tree_text(x->old_root, role), tree_text(x->root, role));
	struct record r;

	if (node_child(x->root, list) != NULL)
		tree_clear(x->root, list);
	if (same)
		node_insert(x->root, node_copy(x->arena, had));
	if (row_type(p->principal) == TYPE_GROUP && record_get(x->o, p->principal, &r) &&
		group_connection(x->d, &r) != 0)
		deed_add_origin(x, x->root, "mapping", id_text(x->arena, &r.id));
	else if (x->by->member != 0)
		deed_add_origin(x, x->root, "person", id_text(x->arena, &x->by->member_id));
	else
		deed_add_origin(x, x->root, "operator", SLICE(""));
}

/* A member has one role in the org: another one takes the place of the first. */
static enum rc
check_change_of_role(struct deed *x, const struct plan *p, struct err *err)
{
	uint64_t row;
	const struct model_role *had = member_role(x->d, x->o, x->arena, x->by->model, p->principal,
		x->w->actor.now, &row);
	struct record *old = ARENA_NEW(x->arena, struct record);
	enum rc rc;

	if (had == p->role && row == 0)
		return fail(err, RC_CONFLICT, "role", "the member has the role \"%.*s\" already",
			SLICE_ARG(had->path));
	if (had != p->role && ((rc = subject_may_take(x->by, had->path, 0, err)) != RC_OK ||
		(rc = check_loses(x, had, p->principal, err)) != RC_OK))
		return rc;
	if ((rc = check_gains(x, p->role, p->principal, err)) != RC_OK)
		return rc;
	if (row != 0 && record_get(x->o, row, old))
		become_edit(x, row, old);
	return RC_OK;
}

/* The same grant again is one grant with one more origin. */
static void
find_same(struct deed *x, const struct plan *p, struct slice path)
{
	struct assignment *list;
	size_t n = assignments_of(x->d, x->o, x->arena, p->principal, &list);

	for (size_t i = 0; i < n; i++) {
		struct record *old = ARENA_NEW(x->arena, struct record);

		if (list[i].scope != p->scope || !slice_eq(list[i].role, path) ||
			!record_get(x->o, list[i].row, old))
			continue;
		become_edit(x, list[i].row, old);
		return;
	}
}

static enum rc
check_create(struct deed *x, struct err *err)
{
	struct slice path = tree_text(x->root, x->d->at.assignment_role);
	struct plan p;
	enum rc rc;

	if ((rc = read_plan(x, &p, err)) != RC_OK || (rc = check_principal(x, &p, err)) != RC_OK ||
		(rc = check_times(x, &p, err)) != RC_OK ||
		(rc = subject_may_give(x->by, path, p.scope, err)) != RC_OK)
		return rc;
	if (is_org_role(&p) && row_type(p.principal) == TYPE_USER)
		rc = check_change_of_role(x, &p, err);
	else
		find_same(x, &p, path);
	if (rc != RC_OK)
		return rc;
	assignment_fill(x->d, x->o, x->arena, x->root, p.principal, p.scope);
	set_origin(x, &p);
	return RC_OK;
}

/* Start and end alone can change: that is giving and taking. */
static enum rc
check_edit(struct deed *x, struct err *err)
{
	struct slice path = tree_text(x->root, x->d->at.assignment_role);
	struct plan p;
	enum rc rc;

	if ((rc = read_plan(x, &p, err)) != RC_OK || (rc = check_times(x, &p, err)) != RC_OK ||
		(rc = subject_may_take(x->by, path, p.scope, err)) != RC_OK)
		return rc;
	return subject_may_give(x->by, path, p.scope, err);
}

static enum rc
check_delete(struct deed *x, struct err *err)
{
	struct assignment a;
	const struct model_role *role, *next = x->by->model->by_default[SCOPE_ORG];
	enum rc rc;

	if (!assignment_read(x->d, x->o, x->row, &a)) /* of nobody, or nowhere: not in force */
		return RC_OK;
	if ((rc = subject_may_take(x->by, a.role, a.scope, err)) != RC_OK)
		return rc;
	role = model_role_by_path(x->by->model, a.role);
	if (a.scope != 0 || role == NULL || role->assignment || row_type(a.principal) != TYPE_USER)
		return RC_OK;
	if (role != next && (rc = subject_may_give(x->by, next->path, 0, err)) != RC_OK)
		return rc;
	return check_loses(x, role, a.principal, err);
}

static enum rc
check(struct deed *x, struct err *err)
{
	if (x->by == NULL)
		return RC_OK;
	if (x->verb == VERB_CREATE)
		return check_create(x, err);
	return x->verb == VERB_EDIT ? check_edit(x, err) : check_delete(x, err);
}

/* ---- One origin less ---- */

/* How many of the origins go; the tree keeps the others. */
static size_t
take_origins(struct deed *x, struct slice type, struct slice value, size_t *left)
{
	const struct attrs *at = &x->d->at;
	struct node *list = node_child(x->root, at->assignment_origins), *next;
	size_t gone = 0;

	*left = 0;
	for (struct node *e = list != NULL ? list->child : NULL; e != NULL; e = next) {
		next = e->next;
		if (slice_eq(tree_text(e, at->origin_type), type) &&
			(value.len == 0 || slice_eq(tree_text(e, at->origin_value), value))) {
			node_remove(list, e);
			gone++;
		} else {
			++*left;
		}
	}
	return gone;
}

enum rc
assignment_withdraw(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	const struct uuid *id, struct slice type, struct slice value, struct written *out, struct err *err)
{
	struct writer writer = *w;
	struct deed x = { .d = d, .o = o, .w = &writer, .arena = a,
		.type = schema_type(d->schema, TYPE_ASSIGNMENT), .verb = VERB_DELETE };
	struct subject by;
	struct record old;
	uint64_t revision;
	size_t left;
	enum rc rc;

	if ((rc = subject_load(d, o, a, w->caller, w->actor.now, &by, err)) != RC_OK ||
		(rc = resource_find(o, x.type, id, &x.row, &old, err)) != RC_OK)
		return rc;
	old.fields = arena_dup(a, old.fields); /* the store's bytes move with the first put */
	x.by = &by;
	x.old = &old;
	x.root = deed_tree(&x, &old);
	if (take_origins(&x, type, value, &left) == 0)
		return fail(err, RC_NOT_FOUND, "type", "the assignment has no such origin");
	if ((rc = deed_require(&x, err)) != RC_OK || (rc = check_delete(&x, err)) != RC_OK)
		return rc;
	writer.actor.action = "assignment.withdraw";
	revision = change_begin(o, &writer.actor);
	if (left == 0)
		deed_erase(&x, x.row, revision);
	else
		deed_replace(&x, x.row, x.root, revision);
	change_end(o);
	*out = (struct written){ .row = left == 0 ? 0 : x.row };
	return RC_OK;
}

static void
live(const struct directory *d, struct orgtx *o, struct arena *a, int64_t now, uint64_t row,
	struct record *r)
{
	int64_t start = record_i64(d->schema, r, d->at.assignment_start, 0);
	int64_t end = record_i64(d->schema, r, d->at.assignment_end, 0);

	(void)o;
	(void)row;
	record_overlay_text(d, a, r, d->at.assignment_status,
		start > now ? SLICE("scheduled") : end != 0 && end <= now ? SLICE("ended") : SLICE("active"));
}

const struct rules assignment_rules = { .type = TYPE_ASSIGNMENT, .scope = scope_of, .own = own,
	.part = part_of, .check = check, .live = live };
