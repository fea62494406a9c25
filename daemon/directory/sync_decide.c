/* What only the whole of a sync shows: single changes that are fine each for itself, and not together. */
#include "daemon/directory/form.h"
#include "daemon/directory/sync_private.h"

#include "base/banned.h"

/* ---- Roles that somebody must hold ---- */

void
tally_user(struct planning *p, uint64_t row, bool was_active, bool is_active)
{
	struct tally *t = p->tally;
	const struct model_role *role;
	size_t i = 0;

	if (p->by == NULL || was_active == is_active)
		return;
	role = member_role(p->s->options.directory, p->o, p->arena, p->by->model, row, p->w.actor.now, NULL);
	if (role == NULL || (role->holders_min == 0 && role->holders_max == 0))
		return;
	while (i < t->count && t->roles[i].role != role)
		i++;
	if (i == TALLY_MAX)
		return; /* no model has so many; the commit looks at each anyway */
	t->count += i == t->count;
	t->roles[i].role = role;
	t->roles[i].lost += was_active;
	t->roles[i].gained += is_active;
}

static enum rc
check_roles(struct planning *p, struct err *err)
{
	enum rc rc;

	for (size_t i = 0; i < p->tally->count; i++) {
		const struct model_role *role = p->tally->roles[i].role;
		uint64_t holders = role_holders(p->s->options.directory, p->o, p->arena, role, p->w.actor.now, 0);

		holders += p->tally->roles[i].gained;
		holders -= p->tally->roles[i].lost < holders ? p->tally->roles[i].lost : holders;
		if ((rc = role_count_fits(p->by->model, role, holders, err)) != RC_OK)
			return rc;
	}
	return RC_OK;
}

/* ---- Names that are unique ---- */

/* Who has the name now may be going, or be renamed. */
static bool
keeps_name(const struct sync *s, uint64_t row, struct slice name)
{
	const struct sync_record *other = sync_claim(s, row);

	return !sync_is_removed(s, row) &&
	       (other == NULL || other->fate == FATE_KNOWN || slice_eq(sync_staged(s, other).name, name));
}

static enum rc
check_name(struct planning *p, const struct sync_record *r, struct err *err)
{
	const struct attrs *at = &p->s->options.directory->at;
	const struct attr *attr = r->type == TYPE_USER ? at->user_name : at->group_display;
	struct slice name = sync_staged(p->s, r).name;
	uint64_t rows[16], after = 0;
	size_t n;

	while (name.len > 0 && (n = index_list(p->o, attr->id, r->type, name, after, rows, 16)) > 0) {
		for (size_t i = 0; i < n; i++)
			if (rows[i] != r->row && keeps_name(p->s, rows[i], name))
				return fail(err, RC_UNIQUENESS, r->type == TYPE_USER ? "userName" : "displayName",
					"is taken by another %s of this organization",
					r->type == TYPE_USER ? "User" : "Group");
		after = rows[n - 1];
	}
	return RC_OK;
}

static enum rc
check_names(struct planning *p, struct err *err)
{
	struct sync *s = p->s;
	enum rc rc;

	for (size_t i = 0; i < s->count; i++) {
		const struct sync_record *r = &s->records[i];

		if ((r->fate != FATE_CREATE && r->fate != FATE_CHANGE) || rows_count(p->o, r->type) == 0 ||
			(r->type == TYPE_GROUP && s->options.dialect != DIALECT_TOLERANT))
			continue;
		if ((rc = check_name(p, r, err)) != RC_OK)
			return sync_fail_line(err, rc, r->line);
		if ((rc = planning_breathe(p, err)) != RC_OK)
			return rc;
	}
	return RC_OK;
}

/* ---- Limits ---- */

static uint64_t
count_after(struct planning *p, uint8_t type)
{
	const struct sync_counts *c = &p->s->counts;

	return rows_count(p->o, type) + c->n[SYNC_CREATE][type] - c->n[SYNC_REMOVE][type];
}

static enum rc
check_limits(struct planning *p, struct err *err)
{
	const struct sync_counts *c = &p->s->counts;
	enum rc rc;

	if (c->n[SYNC_CREATE][TYPE_USER] > 0 &&
		(rc = members_fit(p->by, p->w.actor.now, 0, count_after(p, TYPE_USER), err)) != RC_OK)
		return rc;
	return c->n[SYNC_CREATE][TYPE_GROUP] > 0
		       ? limit_require(p->by, LIMIT_TEAMS, count_after(p, TYPE_GROUP), err)
		       : RC_OK;
}

enum rc
sync_decide(struct planning *p, struct err *err)
{
	enum rc rc = check_names(p, err);

	if (rc != RC_OK || p->by == NULL)
		return rc;
	if ((rc = check_limits(p, err)) != RC_OK)
		return rc;
	return check_roles(p, err);
}

/* ---- The guard ---- */

static uint64_t
users_counted(struct sync *s, struct orgtx *o, const struct guard_view *v)
{
	const struct schema_set *set = s->options.directory->schema;
	const struct attr *active = s->options.directory->at.user_active;
	struct record r, new;
	uint64_t n = 0;

	for (size_t i = 0; i < s->removed_count; i++)
		n += row_type(s->removed[i]) == TYPE_USER && row_counter(s->removed[i]) < v->first_free &&
		     record_get(o, s->removed[i], &r) && record_bool(set, &r, active, true);
	for (size_t i = 0; i < s->count; i++) {
		const struct sync_record *c = &s->records[i];

		n += c->type == TYPE_USER && c->fate == FATE_CHANGE && row_counter(c->row) < v->first_free &&
		     record_parse(set, sync_staged(s, c).packed, &new) && !record_bool(set, &new, active, true) &&
		     record_get(o, c->row, &r) && record_bool(set, &r, active, true);
	}
	return n;
}

static uint64_t
edges_counted(struct sync *s, struct orgtx *o, const struct guard_view *v)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->removed_count; i++)
		if (row_type(s->removed[i]) == TYPE_GROUP && row_counter(s->removed[i]) < v->first_free)
			n += guard_counted_members(o, s->removed[i], v);
	for (size_t i = 0; i < s->group_count; i++) {
		const struct group_change *g = &s->groups[i];

		if (row_counter(s->records[g->record].row) >= v->first_free)
			continue;
		for (size_t k = 0; k < g->remove_count; k++)
			n += row_counter(s->edges[g->remove_at + k]) < v->first_free;
	}
	return n;
}

enum rc
sync_guard(struct sync *s, struct orgtx *o, const struct writer *w, struct err *err)
{
	const struct guard_options *g = &s->options.directory->guard;
	struct guard_view v;

	guard_look(g, o, &w->actor, &v);
	return v.first_free == 0 ? RC_OK
				 : guard_admit(g, o, &w->actor, users_counted(s, o, &v), edges_counted(s, o, &v), err);
}
