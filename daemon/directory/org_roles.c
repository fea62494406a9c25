#include "daemon/directory/org_roles.h"

#include "daemon/directory/form.h"
#include "daemon/directory/organization.h"
#include "daemon/directory/quota.h"

#include "base/banned.h"

/* ---- Role records ---- */

struct naming {
	struct deed *x;
	struct node *root;
};

static void
add_permission(void *arg, struct slice pattern)
{
	struct naming *n = arg;

	tree_add_text(n->x->arena, n->root, n->x->d->at.role_permissions, arena_dup(n->x->arena, pattern));
}

static struct node *
role_tree(struct deed *x, const struct model *m, const struct model_role *role)
{
	const struct attrs *at = &x->d->at;
	struct arena *a = x->arena;
	struct node *root = node_new(a, schema_type(x->d->schema, TYPE_ROLE)->root, NODE_OBJECT);

	tree_set_text(a, root, at->role_name, role->path);
	tree_set_text(a, root, at->role_display, role->title);
	tree_set_text(a, root, at->role_description, role->description);
	tree_set_text(a, root, at->role_scope, slice_of(scope_kind_name(role->scope)));
	tree_set_text(a, root, at->role_kind, role->assignment ? SLICE("assignment") : SLICE("role"));
	permset_print(m, &role->direct, add_permission, &(struct naming){ x, root });
	return root;
}

/* What an older version of the model had, and this one has not. */
static void
erase_gone(struct deed *x, const struct model *m, uint64_t revision)
{
	enum { STEP = 64 };
	uint64_t rows[STEP], after = 0;
	size_t n;

	while ((n = rows_list(x->o, TYPE_ROLE, after, 0, rows, STEP)) > 0) {
		for (size_t i = 0; i < n; i++) {
			struct record r;

			if (!record_get(x->o, rows[i], &r) ||
				slice_eq(record_text(x->d->schema, &r, x->d->at.role_kind), SLICE("custom")))
				continue;
			if (model_role_by_path(m, record_text(x->d->schema, &r, x->d->at.role_name)) == NULL)
				deed_erase(x, rows[i], revision);
		}
		after = rows[n - 1];
	}
}

void
org_roles_put(struct deed *x, const struct model *m, uint64_t revision)
{
	for (size_t i = 0; i < m->role_count; i++) {
		uint64_t row = role_row(x->d, x->o, x->arena, m->roles[i].path);

		if (row == 0)
			(void)deed_create(x, TYPE_ROLE, role_tree(x, m, &m->roles[i]), revision);
		else
			deed_replace(x, row, role_tree(x, m, &m->roles[i]), revision);
	}
	erase_gone(x, m, revision);
	quotas_put(x, m, revision);
}

/* ---- Handing over ---- */

static enum rc
member_by_id(struct orgtx *o, const char *path, const struct uuid *id, uint64_t *row, struct err *err)
{
	if (row_by_id(o, id, row) && row_type(*row) == TYPE_USER)
		return RC_OK;
	return fail(err, RC_INVALID_VALUE, path, "there is no member with this id");
}

/* A member's role becomes another one. */
static void
set_role(struct deed *x, const struct model *m, uint64_t member, const struct model_role *role,
	const char *origin, uint64_t revision)
{
	uint64_t row;

	(void)member_role(x->d, x->o, x->arena, m, member, x->w->actor.now, &row);
	if (row != 0)
		deed_erase(x, row, revision);
	if (role != m->by_default[SCOPE_ORG])
		(void)deed_assign(x, member, role->path, 0, origin, SLICE(""), revision);
}

static enum rc
check_transfer(struct deed *x, const struct model *m, uint64_t from, uint64_t to, struct err *err)
{
	const struct model_role *has, *gets;

	has = member_role(x->d, x->o, x->arena, m, from, x->w->actor.now, NULL);
	gets = member_role(x->d, x->o, x->arena, m, to, x->w->actor.now, NULL);
	if (!member_is_active(x->d, x->o, to))
		return fail(err, RC_CONFLICT, "to", "the member is not active");
	if (member_is_somebody(x->d, x->o, from) && !member_is_somebody(x->d, x->o, to))
		return fail(err, RC_CONFLICT, "to", "no person is this member yet, who could act in the role");
	return transfer_fits(m, has, gets, err);
}

enum rc
org_transfer(const struct subject *by, const struct writer *w, const struct uuid *from,
	const struct uuid *to, struct err *err)
{
	struct writer writer = *w;
	struct deed x = { .d = by->d, .o = by->o, .w = &writer, .arena = by->arena,
		.verb = VERB_ACTION };
	uint64_t giver = by->member, taker, revision;
	enum rc rc;

	if ((rc = operation_ask(by, TYPE_ORGANIZATION, VERB_ACTION, "transfer", 0, err)) != RC_OK)
		return rc;
	if (from != NULL && by->all && (rc = member_by_id(by->o, "from", from, &giver, err)) != RC_OK)
		return rc;
	if (giver == 0)
		return fail(err, RC_INVALID_VALUE, "from", "say which member hands the role over");
	if ((rc = member_by_id(by->o, "to", to, &taker, err)) != RC_OK ||
		(rc = check_transfer(&x, by->model, giver, taker, err)) != RC_OK)
		return rc;
	writer.actor.action = "org.transfer";
	revision = change_begin(by->o, &writer.actor);
	set_role(&x, by->model, taker, by->model->transfer.role, "transfer", revision);
	set_role(&x, by->model, giver, by->model->transfer.previous, "transfer", revision);
	change_end(by->o);
	return RC_OK;
}
