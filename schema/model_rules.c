#include "schema/model_rules.h"

#include "base/banned.h"

/* By the kind of scope where a role is held. The members of the org have their role there. */
static const enum perm needed[SCOPE_KINDS] = {
	[SCOPE_ORG] = PERM_MEMBER_ROLE,
	[SCOPE_TEAM] = PERM_TEAM_MEMBERS,
	[SCOPE_WORKSPACE] = PERM_WORKSPACE_MEMBERS,
	[SCOPE_PROJECT] = PERM_PROJECT_MEMBERS,
};

enum perm
role_permission(const struct model_role *role)
{
	return role->assignment ? PERM_ROLE_ASSIGN : needed[role->scope];
}

enum perm
custom_role_permission(enum scope_kind scope)
{
	return scope == SCOPE_ORG ? PERM_ROLE_ASSIGN : needed[scope];
}

enum rc
model_may_give(const struct model_subject *s, const struct model_role *role, struct err *err)
{
	for (size_t i = 0; i < s->grant_count; i++) {
		const struct model_grant *g = &s->grants[i];

		if (g->covers && g->role != NULL && role_set_has(&g->role->gives, role))
			return RC_OK;
	}
	return fail(err, RC_FORBIDDEN, "", "your roles may not give the role \"%.*s\"",
		SLICE_ARG(role->path));
}

enum rc
model_may_take(const struct model_subject *s, const struct model_role *role, struct err *err)
{
	for (size_t i = 0; i < s->grant_count; i++) {
		const struct model_grant *g = &s->grants[i];

		if (g->covers && g->role != NULL && role_set_has(&g->role->takes, role))
			return RC_OK;
	}
	return fail(err, RC_FORBIDDEN, "",
		"your roles may not take the role \"%.*s\" from anyone, "
		"nor remove who has it",
		SLICE_ARG(role->path));
}

enum rc
model_may_give_set(const struct model_subject *s, enum scope_kind scope, const struct permset *set,
	struct err *err)
{
	uint8_t at = scope_below(scope);

	for (unsigned k = 0; k < SCOPE_KINDS; k++) {
		struct permset mine, asked = *set;
		uint16_t beyond;

		if ((at & 1U << k) == 0)
			continue;
		model_rights(s, (enum scope_kind)k, &mine);
		for (size_t i = 0; i < s->model->permission_count; i++)
			if ((s->model->permissions[i].at & 1U << k) == 0) {
				asked.any[i / 64] &= ~(UINT64_C(1) << (i % 64));
				asked.own[i / 64] &= ~(UINT64_C(1) << (i % 64));
			}
		if (!permset_within(&asked, &mine, &beyond))
			return fail(err, RC_FORBIDDEN, "permissions",
				"\"%.*s\" is beyond your own permissions",
				SLICE_ARG(s->model->permissions[beyond].name));
	}
	return RC_OK;
}

enum rc
assignment_fits(const struct model_role *role, const struct model_role *assignment, struct err *err)
{
	if (role_set_has(&assignment->fits, role))
		return RC_OK;
	return fail(err, RC_INVALID_VALUE, "assignments",
		"\"%.*s\" does not go with the role \"%.*s\"", SLICE_ARG(assignment->path),
		SLICE_ARG(role->path));
}

enum rc
assignment_may_end(
	const struct model_role *role, const struct model_role *assignment, struct err *err)
{
	if (!assignment->required || !role_set_has(&assignment->fits, role))
		return RC_OK;
	return fail(err, RC_CONFLICT, "assignments",
		"\"%.*s\" is always held by members with the role \"%.*s\"",
		SLICE_ARG(assignment->path), SLICE_ARG(role->path));
}

enum rc
role_fits_team(const struct model_role *role, struct err *err)
{
	return role->teams ? RC_OK
			   : fail(err, RC_INVALID_VALUE, "principal",
				     "a team can't hold the role \"%.*s\"", SLICE_ARG(role->path));
}

static const char *
plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

enum rc
role_count_fits(
	const struct model *m, const struct model_role *role, uint64_t holders, struct err *err)
{
	bool transfer = m->transfer.role == role;

	if (holders < role->holders_min)
		return fail(err, RC_CONFLICT, "",
			"the org needs at least %u active member%s with the role \"%.*s\"%s",
			role->holders_min, plural(role->holders_min), SLICE_ARG(role->path),
			transfer ? ": transfer it first" : "");
	if (role->holders_max > 0 && holders > role->holders_max)
		return fail(err, RC_CONFLICT, "",
			"the org can have at most %u member%s with the role \"%.*s\"%s",
			role->holders_max, plural(role->holders_max), SLICE_ARG(role->path),
			transfer ? ": it moves by transfer only" : "");
	return RC_OK;
}

enum rc
invitation_fits(const struct model *m, enum invitation_sort sort, const struct model_role **role,
	const struct model_role *const *assignments, size_t n, struct err *err)
{
	const struct model_invitation *i = &m->invitations[sort];
	const char *by = sort == INVITE_BY_LINK ? "link" : "address";

	if (!i->allowed)
		return fail(err, RC_INVALID_VALUE, "", "this org has no invitations by %s", by);
	if (*role == NULL)
		*role = i->role;
	if (!role_set_has(&i->roles, *role))
		return fail(err, RC_INVALID_VALUE, "role",
			"an invitation by %s can't carry the role \"%.*s\"", by,
			SLICE_ARG((*role)->path));
	for (size_t k = 0; k < n; k++) {
		enum rc rc;

		if (!role_set_has(&i->assignments, assignments[k]))
			return fail(err, RC_INVALID_VALUE, "assignments",
				"an invitation by %s can't carry \"%.*s\"", by,
				SLICE_ARG(assignments[k]->path));
		if ((rc = assignment_fits(*role, assignments[k], err)) != RC_OK)
			return rc;
	}
	return RC_OK;
}

enum rc
transfer_fits(const struct model *m, const struct model_role *from, const struct model_role *to,
	struct err *err)
{
	if (m->transfer.role == NULL)
		return fail(err, RC_INVALID_VALUE, "",
			"this org's model has no role that is transferred");
	if (m->transfer.role != from)
		return fail(err, RC_FORBIDDEN, "", "only who has the role \"%.*s\" can transfer it",
			SLICE_ARG(m->transfer.role->path));
	if (to == from)
		return fail(err, RC_CONFLICT, "", "who is to get the role \"%.*s\" has it already",
			SLICE_ARG(from->path));
	return RC_OK;
}

enum rc
parent_fits(const struct model *m, enum scope_kind child, enum scope_kind parent, struct err *err)
{
	if ((m->parents[child] & 1U << parent) != 0)
		return RC_OK;
	return fail(err, RC_INVALID_VALUE, "parent",
		"in this org's model a %s can't lie directly in a scope of kind %s",
		scope_kind_name(child), scope_kind_name(parent));
}
