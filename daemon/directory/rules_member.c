/* Members and teams: seats, owner protection, and that whatever ends in holding a role is giving it. */
#include "daemon/directory/doubt.h"
#include "daemon/directory/form.h"
#include "daemon/directory/link.h"
#include "daemon/directory/organization.h"
#include "daemon/directory/rules.h"

#include "base/banned.h"

/* ---- Members ---- */

static bool
user_own(const struct subject *s, uint64_t row, const struct record *r)
{
	(void)r;
	return row != 0 && row == s->member;
}

/* What a member may change of themselves, when they may not change others: the profile, not what others decide by. */
static bool
is_profile(const struct deed *x, const struct attr *attr)
{
	static const struct slice names[] = { SLICE_INIT("name"), SLICE_INIT("displayName"),
		SLICE_INIT("nickName"), SLICE_INIT("profileUrl"), SLICE_INIT("title"),
		SLICE_INIT("preferredLanguage"), SLICE_INIT("locale"), SLICE_INIT("timezone"),
		SLICE_INIT("phoneNumbers"), SLICE_INIT("ims"), SLICE_INIT("photos"),
		SLICE_INIT("addresses"), SLICE_INIT("password") };

	if (attr->schema != x->type->core)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_eq(attr->name, names[i]))
			return true;
	return false;
}

static enum rc
check_profile(struct deed *x, struct err *err)
{
	const struct attr *root = x->type->root;

	for (size_t i = 0; i < root->sub_count; i++) {
		const struct attr *attr = root->subs[i];
		const struct node *had = node_child(x->old_root, attr), *has = node_child(x->root, attr);

		/* For "active" another right was asked. */
		if (is_profile(x, attr) || attr == x->d->at.user_active || (had == NULL && has == NULL) ||
			(had != NULL && has != NULL && node_equal(had, has)))
			continue;
		return fail(err, RC_FORBIDDEN, "",
			"\"member.edit\" is missing: of oneself it lets change the profile, not %.*s",
			SLICE_ARG(attr->name));
	}
	return RC_OK;
}

/* Removing, suspending or deactivating a member takes their role. */
static enum rc
check_lets_go(struct deed *x, const struct model_role *role, bool leaves, struct err *err)
{
	enum rc rc;
	struct model_subject ms;

	if (x->by->org.kind == ORG_PERSONAL)
		return fail(err, RC_CONFLICT, "", "the one member of a personal org can't be removed or deactivated");
	if (!leaves && !x->by->all && x->by->caller != CALLER_CONNECTION) {
		ms = subject_seen_from(x->by, 0);
		if ((rc = model_may_take(&ms, role, err)) != RC_OK)
			return rc;
	}
	if (role->holders_min == 0 || !record_bool(x->d->schema, x->old, x->d->at.user_active, true))
		return RC_OK;
	return role_count_fits(x->by->model, role,
		role_left(x->d, x->o, x->arena, role, x->w->actor.now, x->row), err);
}

/* Who is active again holds the role again: that is giving it. */
static enum rc
check_comes_back(struct deed *x, const struct model_role *role, struct err *err)
{
	struct model_subject ms;
	enum rc rc;

	if (!x->by->all && x->by->caller != CALLER_CONNECTION) {
		ms = subject_seen_from(x->by, 0);
		if ((rc = model_may_give(&ms, role, err)) != RC_OK)
			return rc;
	}
	if (role->holders_max == 0)
		return RC_OK;
	return role_count_fits(x->by->model, role,
		role_holders(x->d, x->o, x->arena, role, x->w->actor.now, x->row) + 1, err);
}

/* An identity provider does not touch owners unless the org says so. */
static enum rc
check_guarded(struct deed *x, const struct model_role *role, struct err *err)
{
	if (x->by->caller != CALLER_CONNECTION || !role->guarded || x->by->org.connections_manage_guarded)
		return RC_OK;
	return fail(err, RC_FORBIDDEN, "",
		"a connection may not change, deactivate or remove who has the role \"%.*s\" "
		"(the org's setting connectionsManageGuarded)", SLICE_ARG(role->path));
}

static enum rc
check_edit(struct deed *x, struct err *err)
{
	bool was_active, is_active, self;
	const struct model_role *role;
	enum rc rc;

	/* Nobody's role is looked up unless it matters: connections write the most by far. */
	role = member_role(x->d, x->o, x->arena, x->by->model, x->row, x->w->actor.now, NULL);
	self = x->by->member == x->row;
	if ((rc = check_guarded(x, role, err)) != RC_OK)
		return rc;
	if (x->verb == VERB_DELETE)
		return check_lets_go(x, role, self, err);
	was_active = record_bool(x->d->schema, x->old, x->d->at.user_active, true);
	is_active = tree_bool(x->root, x->d->at.user_active, true);
	if (was_active && !is_active && (rc = check_lets_go(x, role, false, err)) != RC_OK)
		return rc;
	if (!was_active && is_active && (rc = check_comes_back(x, role, err)) != RC_OK)
		return rc;
	if (self && operation_ask(x->by, TYPE_USER, VERB_EDIT, "", 0, NULL) != RC_OK)
		return check_profile(x, err);
	return RC_OK;
}

/* What it leaves for user_after(): the person who became, or ceases to be, this member. */
struct tie {
	uint64_t person; /* row; 0: nobody */
	bool linked;
};

static enum rc
user_check(struct deed *x, struct err *err)
{
	struct tie *tie = ARENA_NEW(x->arena, struct tie);
	enum rc rc = RC_OK;

	if (x->by != NULL)
		rc = x->verb == VERB_CREATE
			     ? members_fit(x->by, x->w->actor.now, 0, rows_count(x->o, TYPE_USER) + 1, err)
			     : check_edit(x, err);
	if (rc != RC_OK)
		return rc;
	if (x->verb == VERB_EDIT)
		doubt_settle(x);
	tie->linked = x->verb != VERB_DELETE;
	tie->person = tie->linked ? link_decide(x) : person_of_member(x->d, x->o, x->old);
	x->plan = tie;
	return RC_OK;
}

uint64_t
member_tie(const struct deed *x, bool *linked)
{
	const struct tie *tie = x->plan;

	*linked = tie->linked;
	return tie->person;
}

/* Who is in which org is known on the platform too. */
static void
user_after(struct deed *x)
{
	const struct tie *tie = x->plan;
	struct org org;

	if (tie->person != 0 && org_by_no(orgtx_txn(x->o), orgtx_org(x->o), &org))
		org_member_edge(x, &org, tie->person, tie->linked, false);
}

const struct rules user_rules = { .type = TYPE_USER, .own = user_own, .check = user_check,
	.after = user_after };

/* ---- Teams ---- */

static uint64_t
group_scope(const struct directory *d, struct orgtx *o, uint64_t row, const struct node *root)
{
	(void)d;
	(void)o;
	(void)root;
	return row;
}

static bool
group_own(const struct subject *s, uint64_t row, const struct record *r)
{
	(void)r;
	return row != 0 && subject_has_role_in(s, row);
}

uint32_t
group_connection(const struct directory *d, const struct record *r)
{
	return (uint32_t)record_i64(d->schema, r, d->at.group_connection, 0);
}

/* What a team holds, and the teams around it: who comes in gets it, who goes loses it. */
static enum rc
check_held(struct deed *x, uint64_t team, bool gives, struct err *err)
{
	bool connection = x->by->caller == CALLER_CONNECTION;
	struct assignment *list;
	size_t n = assignments_of(x->d, x->o, x->arena, team, &list);
	struct record r;
	enum rc rc;

	if (n > 0 && connection && record_get(x->o, team, &r) &&
		group_connection(x->d, &r) != x->w->actor.connection)
		return fail(err, RC_FORBIDDEN, "members",
			"the team holds roles and was not made by this connection, which so may not "
			"change who is in it");
	for (size_t i = 0; i < n && !connection; i++) {
		rc = gives ? subject_may_give(x->by, list[i].role, list[i].scope, err)
			   : subject_may_take(x->by, list[i].role, list[i].scope, err);
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

static enum rc
check_held_around(struct deed *x, bool gives, struct err *err)
{
	struct membership *around;
	size_t n;
	enum rc rc;

	if (x->by->all || x->row == 0)
		return RC_OK;
	if ((rc = check_held(x, x->row, gives, err)) != RC_OK)
		return rc;
	n = membership_list(x->o, x->arena, x->row, &around);
	for (size_t i = 0; i < n; i++)
		if ((rc = check_held(x, around[i].group, gives, err)) != RC_OK)
			return rc;
	return RC_OK;
}

/* How many teams deep a team is, itself included. Cycles are refused before, so this ends; teams seen twice on different ways
 * count by the longer one. */
static uint64_t
height_of(struct orgtx *o, uint64_t team, uint64_t most)
{
	enum { STEP = 32 };
	uint64_t rows[STEP], after = (uint64_t)TYPE_GROUP << 56, deepest = 0;
	size_t n;

	if (most == 0)
		return 1;
	while ((n = edge_list(o, EDGE_MEMBERS, team, after, rows, STEP)) > 0) {
		for (size_t i = 0; i < n && row_type(rows[i]) == TYPE_GROUP; i++) {
			uint64_t h = height_of(o, rows[i], most - 1);

			deepest = h > deepest ? h : deepest;
		}
		after = rows[n - 1];
	}
	return deepest + 1;
}

static uint64_t
depth_around(struct orgtx *o, uint64_t team, uint64_t most)
{
	enum { STEP = 32 };
	uint64_t rows[STEP], after = 0, deepest = 0;
	size_t n;

	if (team == 0 || most == 0)
		return 0;
	while ((n = edge_list(o, EDGE_GROUPS, team, after, rows, STEP)) > 0) {
		for (size_t i = 0; i < n; i++) {
			uint64_t h = 1 + depth_around(o, rows[i], most - 1);

			deepest = h > deepest ? h : deepest;
		}
		after = rows[n - 1];
	}
	return deepest;
}

static enum rc
check_nesting(struct deed *x, struct err *err)
{
	uint64_t deepest = 0, most = 64;

	for (size_t i = 0; i < x->members->add_count; i++)
		if (row_type(x->members->add[i]) == TYPE_GROUP) {
			uint64_t h = height_of(x->o, x->members->add[i], most);

			deepest = h > deepest ? h : deepest;
		}
	if (deepest == 0)
		return RC_OK;
	return limit_require(x->by, LIMIT_NESTING, deepest + 1 + depth_around(x->o, x->row, most), err);
}

/* Being in the team is a role there, which who manages the team gives and takes. */
static enum rc
check_team_role(struct deed *x, struct err *err)
{
	const struct model_role *role = x->by->model->by_default[SCOPE_TEAM];
	bool adds = x->members->add_count > 0, removes = x->members->remove_count > 0;
	enum rc rc;

	if (x->by->all || x->by->caller == CALLER_CONNECTION || role == NULL || x->verb == VERB_CREATE)
		return RC_OK;
	if (adds && (rc = subject_may_give(x->by, role->path, x->row, err)) != RC_OK)
		return rc;
	return removes ? subject_may_take(x->by, role->path, x->row, err) : RC_OK;
}

enum rc
team_members_check(struct deed *x, struct err *err)
{
	enum rc rc;

	if (x->members == NULL || x->members->add_count + x->members->remove_count == 0)
		return RC_OK;
	if ((rc = check_nesting(x, err)) != RC_OK || (rc = check_team_role(x, err)) != RC_OK)
		return rc;
	if (x->members->add_count > 0 && (rc = check_held_around(x, true, err)) != RC_OK)
		return rc;
	return x->members->remove_count > 0 ? check_held_around(x, false, err) : RC_OK;
}

static enum rc
group_check(struct deed *x, struct err *err)
{
	enum rc rc;

	if (x->verb == VERB_CREATE && x->w->actor.connection != 0)
		tree_set_i64(x->arena, x->root, x->d->at.group_connection, x->w->actor.connection);
	if (x->by == NULL)
		return RC_OK;
	if (x->verb == VERB_DELETE)
		return check_held_around(x, false, err);
	if (x->verb == VERB_CREATE &&
		(rc = limit_require(x->by, LIMIT_TEAMS, rows_count(x->o, TYPE_GROUP) + 1, err)) != RC_OK)
		return rc;
	return team_members_check(x, err);
}

/* Who leaves a team has no role in it any more. */
static void
end_roles_in_team(struct deed *x, uint64_t member, uint64_t revision)
{
	struct assignment *list;
	size_t n = assignments_of(x->d, x->o, x->arena, member, &list);

	for (size_t i = 0; i < n; i++)
		if (list[i].scope == x->row)
			deed_erase(x, list[i].row, revision);
}

static void
group_apply(struct deed *x, uint64_t revision)
{
	const struct model_role *role;

	if (x->verb == VERB_EDIT && x->members != NULL && has_assignments_at(x->d, x->o, x->arena, x->row))
		for (size_t i = 0; i < x->members->remove_count; i++)
			end_roles_in_team(x, x->members->remove[i], revision);
	if (x->verb != VERB_CREATE || x->by == NULL || x->by->member == 0)
		return;
	role = x->by->model->by_creation[SCOPE_TEAM];
	if (role == NULL)
		return;
	(void)edge_add(x->o, x->row, x->by->member);
	(void)deed_assign(x, x->by->member, role->path, x->row, "creator",
		id_text(x->arena, &x->by->member_id), revision);
}

const struct rules group_rules = { .type = TYPE_GROUP, .scope = group_scope, .own = group_own,
	.check = group_check, .apply = group_apply };
