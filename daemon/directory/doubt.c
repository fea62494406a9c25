#include "daemon/directory/doubt.h"

#include "daemon/directory/form.h"

#include "base/banned.h"

/* ---- What a member holds ---- */

static enum rc
require_assignments(const struct deed *x, const struct subject *by, uint64_t principal, struct err *err)
{
	struct assignment *list;
	size_t n = assignments_of(x->d, x->o, x->arena, principal, &list);
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < n; i++)
		if (list[i].end == 0 || list[i].end > x->w->actor.now) /* those to come count too */
			rc = subject_may_give(by, list[i].role, list[i].scope, err);
	return rc;
}

static enum rc
require_team(const struct deed *x, const struct subject *by, uint64_t team, struct err *err)
{
	const struct model_role *in_team = by->model->by_default[SCOPE_TEAM];
	struct record r;
	enum rc rc = RC_OK;

	/* Who is in the teams that a connection may fill is its own affair. */
	if (by->caller == CALLER_CONNECTION && record_get(x->o, team, &r) &&
		group_connection(x->d, &r) == x->w->actor.connection)
		return RC_OK;
	if (by->caller != CALLER_CONNECTION && in_team != NULL)
		rc = subject_may_give(by, in_team->path, team, err);
	return rc != RC_OK ? rc : require_assignments(x, by, team, err);
}

enum rc
holdings_require(const struct deed *x, const struct subject *by, uint64_t member, struct err *err)
{
	struct membership *teams;
	enum rc rc;
	size_t n;

	if (by->all)
		return RC_OK;
	rc = require_assignments(x, by, member, err);
	n = membership_list(x->o, x->arena, member, &teams);
	for (size_t i = 0; rc == RC_OK && i < n; i++)
		rc = require_team(x, by, teams[i].group, err);
	return rc;
}

static bool
holds_anything(const struct directory *d, struct orgtx *o, struct arena *a, uint64_t member)
{
	struct membership *teams;
	struct assignment *list;

	return assignments_of(d, o, a, member, &list) > 0 || membership_list(o, a, member, &teams) > 0;
}

/* ---- The mark ---- */

static bool
differs(const struct node *was, const struct node *is, const struct attr *attr)
{
	const struct node *a = node_child(was, attr), *b = node_child(is, attr);

	return (a == NULL) != (b == NULL) || (a != NULL && !node_equal(a, b));
}

void
doubt_settle(struct deed *x)
{
	const struct attrs *at = &x->d->at;

	if (!differs(x->old_root, x->root, at->user_emails) && !differs(x->old_root, x->root, at->user_name))
		return;
	/* What is one's own already can't be got by an address. */
	if (x->by != NULL && x->by->member != 0 && x->by->member == x->row)
		return;
	if (x->by == NULL || holdings_require(x, x->by, x->row, NULL) == RC_OK)
		tree_clear(x->root, at->user_doubt);
	else
		tree_set_bool(x->arena, x->root, at->user_doubt, true);
}

bool
doubt_stands(const struct directory *d, struct orgtx *o, struct arena *a, uint64_t row,
	const struct node *root)
{
	return row != 0 && tree_bool(root, d->at.user_doubt, false) && holds_anything(d, o, a, row);
}
