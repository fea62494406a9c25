/* Roles: those of the model stand beside those that the org defines itself; only these change. */
#include "daemon/directory/form.h"
#include "daemon/directory/rules.h"

#include "base/banned.h"

static enum rc
check_name(struct deed *x, struct slice name, enum scope_kind *scope, struct err *err)
{
	struct slice rest = name, part;

	if (!slice_split(&rest, '/', &part) || !scope_kind_read(part, scope) || rest.len == 0 ||
		rest.len > MODEL_NAME_MAX)
		return fail(err, RC_INVALID_VALUE, "name",
			"a role is named by its scope and 1 to %d of a-z, 0-9 and \"-\": "
			"\"org/NAME\", \"workspace/NAME\"", MODEL_NAME_MAX);
	for (size_t i = 0; i < rest.len; i++)
		if (!(rest.p[i] >= 'a' && rest.p[i] <= 'z') &&
			!(i > 0 && ((rest.p[i] >= '0' && rest.p[i] <= '9') || rest.p[i] == '-')))
			return fail(err, RC_INVALID_VALUE, "name",
				"behind the \"/\" stand a-z, 0-9 and \"-\", a letter first");
	if (x->by != NULL && (x->by->model->custom_roles & 1U << *scope) == 0)
		return fail(err, RC_INVALID_VALUE, "name",
			"the org's model has no roles of the org's own for a %s", scope_kind_name(*scope));
	if (x->by != NULL && model_role_by_path(x->by->model, name) != NULL)
		return fail(err, RC_UNIQUENESS, "name", "the org's model has a role \"%.*s\"",
			SLICE_ARG(name));
	return RC_OK;
}

struct names {
	struct deed *x;
};

static void
add_name(void *arg, struct slice pattern)
{
	struct names *n = arg;

	tree_add_text(n->x->arena, n->x->root, n->x->d->at.role_permissions,
		arena_dup(n->x->arena, pattern));
}

/* Patterns are written out as the permissions that they mean today, so that a later version of the model does not
 * widen the role. */
static enum rc
check_permissions(struct deed *x, enum scope_kind scope, struct err *err)
{
	const struct attr *attr = x->d->at.role_permissions;
	const struct node *list = node_child(x->root, attr);
	struct permset set = { { 0 }, { 0 } };
	struct slice *patterns = NULL;
	struct model_subject ms;
	size_t n = 0, cap = 0;
	enum rc rc;

	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
		patterns = arena_grow(x->arena, patterns, n, &cap, sizeof(*patterns));
		patterns[n++] = e->text;
	}
	if ((rc = permset_read(x->by->model, scope, patterns, n, &set, err)) != RC_OK)
		return rc;
	if (!x->by->all) {
		ms = subject_seen_from(x->by, 0);
		if ((rc = model_may_give_set(&ms, scope, &set, err)) != RC_OK)
			return rc;
	}
	tree_clear(x->root, attr);
	permset_print(x->by->model, &set, add_name, &(struct names){ x });
	return RC_OK;
}

static bool
is_custom(const struct directory *d, const struct record *r)
{
	return slice_eq(record_text(d->schema, r, d->at.role_kind), SLICE("custom"));
}

static enum rc
check_unused(struct deed *x, struct slice name, struct err *err)
{
	const struct attr *role = x->d->at.assignment_role;
	struct node value = { .attr = role, .kind = NODE_VALUE, .text = name };
	struct slice key;
	uint64_t n = 0;

	if (index_key_of(x->arena, role, 0, &value, false, &key))
		n = index_count(x->o, role->id, TYPE_ASSIGNMENT, key);
	return n == 0 ? RC_OK
		      : fail(err, RC_CONFLICT, "", "the role is held by %llu assignments: end them first",
				(unsigned long long)n);
}

static enum rc
check(struct deed *x, struct err *err)
{
	const struct attrs *at = &x->d->at;
	enum scope_kind scope;
	struct slice name;
	enum rc rc;

	if (x->old != NULL && !is_custom(x->d, x->old))
		return fail(err, RC_FORBIDDEN, "",
			"this role belongs to the org's role model; only roles of the org's own change");
	if (x->verb == VERB_DELETE)
		return check_unused(x, record_text(x->d->schema, x->old, at->role_name), err);
	if (x->by == NULL)
		return RC_OK;
	name = tree_text(x->root, at->role_name);
	if ((rc = check_name(x, name, &scope, err)) != RC_OK)
		return rc;
	if (x->verb == VERB_CREATE &&
		(rc = limit_require(x->by, LIMIT_ROLES, role_count_custom(x->d, x->o, x->arena) + 1, err)) != RC_OK)
		return rc;
	tree_set_text(x->arena, x->root, at->role_kind, SLICE("custom"));
	tree_set_text(x->arena, x->root, at->role_scope, slice_of(scope_kind_name(scope)));
	return check_permissions(x, scope, err);
}

const struct rules role_rules = { .type = TYPE_ROLE, .check = check };
