#include <stdarg.h>
#include <stdio.h>

#include "daemon/directory/form.h"
#include "daemon/directory/invitation.h"
#include "daemon/directory/migrate_private.h"

#include "base/banned.h"

enum { STEP = 256 };

void
migration_warn(struct move *m, const char *fmt, ...)
{
	char text[320];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	m->plan->warnings = arena_grow(m->a, m->plan->warnings, m->plan->warning_count,
		&m->warning_cap, sizeof(*m->plan->warnings));
	m->plan->warnings[m->plan->warning_count++] = arena_dup(m->a, slice_of(text));
}

void
migration_each_row(struct move *m, uint8_t type, void (*fn)(struct move *m, uint64_t row))
{
	uint64_t rows[STEP], after = 0;
	size_t n;

	while ((n = rows_list(m->o, type, after, 0, rows, STEP)) > 0) {
		for (size_t i = 0; i < n; i++)
			fn(m, rows[i]);
		after = rows[n - 1];
	}
}

/* ---- Limits ---- */

static uint64_t
count_members(struct move *m)
{
	return rows_count(m->o, TYPE_USER) + pending_invitations(m->d, m->o, m->a, m->now, 0).by_address;
}

static uint64_t
count_pending(struct move *m)
{
	return pending_invitations(m->d, m->o, m->a, m->now, 0).all;
}

static uint64_t
count_roles_that_stay(struct move *m)
{
	return role_count_custom(m->d, m->o, m->a) - m->plan->roles_ended;
}

static void
check_limits(struct move *m)
{
	static const struct {
		enum limit limit;
		uint8_t type;
		uint64_t (*count)(struct move *m); /* NULL: the records of the type */
	} counted[] = {
		{ LIMIT_MEMBERS, TYPE_USER, count_members },
		{ LIMIT_TEAMS, TYPE_GROUP, NULL },
		{ LIMIT_WORKSPACES, TYPE_WORKSPACE, NULL },
		{ LIMIT_PROJECTS, TYPE_PROJECT, NULL },
		{ LIMIT_INVITATIONS, TYPE_INVITATION, count_pending },
		{ LIMIT_TOKENS, TYPE_TOKEN, NULL },
		{ LIMIT_ROLES, TYPE_ROLE, count_roles_that_stay },
	};
	const struct model_kind *kind = &m->plan->to->kinds[m->by->org.kind];

	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++) {
		uint64_t own = m->by->org.limits[counted[i].limit], has;
		uint64_t most = own != UINT64_MAX ? own : kind->limits[counted[i].limit];

		has = counted[i].count != NULL ? counted[i].count(m) : rows_count(m->o, counted[i].type);
		if (has > most)
			migration_warn(m, "the limit \"%s\" is %llu in the new model, and the org has %llu: nothing goes, "
				"but none can be added", limit_name(counted[i].limit),
				(unsigned long long)most, (unsigned long long)has);
	}
}

/* ---- Invitations ---- */

static bool
stays(struct move *m, struct slice path)
{
	return model_role_by_path(m->plan->to, path) != NULL ||
		(model_role_by_path(m->plan->from, path) == NULL && slice_eq(migration_becomes(m, path), path));
}

/* The first of the roles beside the one in the org that the new model has not; "" when it has all. */
static struct slice
vanishing(struct move *m, const struct node *invitation)
{
	const struct attrs *at = &m->d->at;
	const struct node *list = node_child(invitation, at->invitation_assignments);

	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
		if (!stays(m, e->text))
			return e->text;
	list = node_child(invitation, at->invitation_access);
	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
		if (!stays(m, tree_text(e, at->invitation_access_role)))
			return tree_text(e, at->invitation_access_role);
	return SLICE("");
}

/* Whether anybody at all could give in the new model what it carries. */
static bool
can_be_accepted(struct move *m, const struct node *invitation, struct err *why)
{
	struct subject anyone = *m->by;
	struct slice gone = vanishing(m, invitation);
	const struct model_role *role;

	anyone.model = m->plan->to;
	anyone.all = true;
	return gone.len > 0 ? fail(why, RC_CONFLICT, "", "the new model has no role \"%.*s\"",
				      SLICE_ARG(slice_clip(gone, 80))) == RC_OK
			    : invitation_presets(&anyone, invitation, &role, why) == RC_OK;
}

/* Pending ones stay as they are. Those that can't be accepted any more say so when they are, and here. */
static void
count_invitation(struct move *m, uint64_t row)
{
	const struct node *root;
	struct slice address;
	struct record r;
	struct err why;

	if (!record_get(m->o, row, &r) || !slice_eq(invitation_status(m->d, &r, m->now), SLICE("pending")) ||
		(root = record_unpack(m->a, m->d->schema, &r, 0)) == NULL || can_be_accepted(m, root, &why))
		return;
	address = tree_text(root, m->d->at.invitation_address);
	migration_warn(m, "the invitation %.*s (%.*s) can't be accepted any more: %.160s",
		SLICE_ARG(id_text(m->a, &r.id)),
		SLICE_ARG(address.len > 0 ? slice_clip(address, 80) : SLICE("by link")), why.detail);
}

void
migration_foresee(struct move *m)
{
	migration_each_row(m, TYPE_INVITATION, count_invitation);
	check_limits(m);
}
