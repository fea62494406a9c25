/* Workspaces and projects: where they may lie, and what goes with them. */
#include "daemon/directory/form.h"
#include "daemon/directory/rules.h"

#include "base/banned.h"

struct tree_attrs {
	const struct attr *parent_value, *parent_type, *by_value, *by_type;
};

static struct tree_attrs
attrs_of(const struct directory *d, uint8_t type)
{
	const struct attrs *at = &d->at;

	if (type == TYPE_WORKSPACE)
		return (struct tree_attrs){ at->workspace_parent_value, at->workspace_parent_type,
			at->workspace_created_by_value, at->workspace_created_by_type };
	return (struct tree_attrs){ at->project_parent_value, at->project_parent_type,
		at->project_created_by_value, at->project_created_by_type };
}

/* The scope that a tree names as parent: 0 the org; false when it names none that is there. */
static bool
parent_of(const struct directory *d, struct orgtx *o, uint8_t type, const struct node *root,
	uint64_t *row)
{
	struct slice text = tree_text(root, attrs_of(d, type).parent_value);
	struct uuid id;

	*row = 0;
	return text.len == 0 || (uuid_parse(text, &id) && row_by_id(o, &id, row));
}

/* Looks and edits ask at the resource, creating (and moving) around it. */
static uint64_t
scope_of(const struct directory *d, struct orgtx *o, uint64_t row, const struct node *root)
{
	if (row != 0)
		return row;
	/* A parent that is not there is refused by check(). */
	return parent_of(d, o, root->attr == schema_type(d->schema, TYPE_WORKSPACE)->root
			? TYPE_WORKSPACE : TYPE_PROJECT, root, &row) ? row : 0;
}

static bool
own(const struct subject *s, uint64_t row, const struct record *r)
{
	(void)r;
	return row != 0 && subject_has_role_in(s, row);
}

static uint64_t
depth_of(const struct directory *d, struct orgtx *o, uint64_t row)
{
	uint64_t depth = 0;

	for (; row != 0; row = scope_parent(d, o, row))
		depth++;
	return depth;
}

enum { CHILDREN_STEP = 64 };

/* Calls fn for each workspace or project directly in one. */
static void
each_child(const struct directory *d, struct orgtx *o, struct arena *a, uint64_t row, uint8_t type,
	void (*fn)(void *arg, uint64_t child), void *arg)
{
	const struct attr *attr = attrs_of(d, type).parent_value;
	struct node value = { .attr = attr, .kind = NODE_VALUE, .text = row_id_text(a, o, row) };
	uint64_t rows[CHILDREN_STEP], after = 0;
	struct slice key;
	size_t n;

	if (!index_key_of(a, attr, 0, &value, false, &key))
		return;
	while ((n = index_list(o, attr->id, type, key, after, rows, CHILDREN_STEP)) > 0) {
		for (size_t i = 0; i < n; i++)
			fn(arg, rows[i]);
		after = rows[n - 1];
	}
}

struct below {
	const struct deed *x;
	uint64_t workspaces, projects, depth, deepest;
};

static void
count_below(void *arg, uint64_t child)
{
	struct below *b = arg;

	if (row_type(child) == TYPE_PROJECT) {
		b->projects++;
		return;
	}
	b->workspaces++;
	b->depth++;
	if (b->depth > b->deepest)
		b->deepest = b->depth;
	each_child(b->x->d, b->x->o, b->x->arena, child, TYPE_WORKSPACE, count_below, b);
	each_child(b->x->d, b->x->o, b->x->arena, child, TYPE_PROJECT, count_below, b);
	b->depth--;
}

static struct below
what_lies_in(const struct deed *x)
{
	struct below b = { .x = x };

	if (x->row == 0 || x->type->code != TYPE_WORKSPACE)
		return b;
	each_child(x->d, x->o, x->arena, x->row, TYPE_WORKSPACE, count_below, &b);
	each_child(x->d, x->o, x->arena, x->row, TYPE_PROJECT, count_below, &b);
	return b;
}

static enum rc
check_place(struct deed *x, uint64_t parent, struct err *err)
{
	enum scope_kind kind = scope_kind_of((uint64_t)x->type->code << 56 | 1);
	uint64_t depth;
	enum rc rc;

	if (row_type(parent) != 0 && row_type(parent) != TYPE_WORKSPACE)
		return fail(err, RC_INVALID_VALUE, "parent", "must be a workspace of this org");
	if (x->row != 0 && scope_within(x->d, x->o, parent, x->row))
		return fail(err, RC_INVALID_VALUE, "parent",
			"a workspace can't lie in itself or in what it holds");
	if (x->by == NULL)
		return RC_OK;
	if ((rc = parent_fits(x->by->model, kind, scope_kind_of(parent), err)) != RC_OK)
		return rc;
	depth = depth_of(x->d, x->o, parent) + (x->type->code == TYPE_WORKSPACE) +
		what_lies_in(x).deepest;
	return limit_require(x->by, LIMIT_NESTING, depth, err);
}

static enum rc
check_delete(struct deed *x, struct err *err)
{
	struct below b = what_lies_in(x);
	uint64_t count = b.workspaces + b.projects;

	if (count == 0 || (x->confirmed && x->confirm == count))
		return RC_OK;
	return fail(err, RC_CONFLICT, "",
		"%llu workspaces and %llu projects lie in it and would go with it; to delete all, "
		"repeat the request with ?confirm=%llu",
		(unsigned long long)b.workspaces, (unsigned long long)b.projects,
		(unsigned long long)count);
}

static enum rc
check(struct deed *x, struct err *err)
{
	struct tree_attrs at = attrs_of(x->d, x->type->code);
	bool workspace = x->type->code == TYPE_WORKSPACE;
	uint64_t parent, was;
	enum rc rc;

	if (x->verb == VERB_DELETE)
		return check_delete(x, err);
	if (!parent_of(x->d, x->o, x->type->code, x->root, &parent))
		return fail(err, RC_INVALID_VALUE, "parent", "there is no workspace with this id");
	if (x->verb == VERB_CREATE && x->by != NULL &&
		(rc = limit_require(x->by, workspace ? LIMIT_WORKSPACES : LIMIT_PROJECTS,
			 rows_count(x->o, x->type->code) + 1, err)) != RC_OK)
		return rc;
	was = x->verb == VERB_EDIT ? scope_parent(x->d, x->o, x->row) : UINT64_MAX;
	if (was != parent && (rc = check_place(x, parent, err)) != RC_OK)
		return rc;
	tree_set_text(x->arena, x->root, at.parent_type,
		parent != 0 ? schema_type(x->d->schema, row_type(parent))->name : SLICE(""));
	if (x->verb == VERB_CREATE && x->by != NULL && x->by->member != 0) {
		tree_set_text(x->arena, x->root, at.by_value, id_text(x->arena, &x->by->member_id));
		tree_set_text(x->arena, x->root, at.by_type, SLICE("User"));
	}
	return RC_OK;
}

static void
apply(struct deed *x, uint64_t revision)
{
	enum scope_kind kind = scope_kind_of(x->row);
	const struct model_role *role;

	if (x->verb != VERB_CREATE || x->by == NULL || x->by->member == 0)
		return;
	role = x->by->model->by_creation[kind];
	if (role != NULL)
		(void)deed_assign(x, x->by->member, role->path, x->row, "creator",
			id_text(x->arena, &x->by->member_id), revision);
}

const struct rules workspace_rules = { .type = TYPE_WORKSPACE, .scope = scope_of, .own = own,
	.check = check, .apply = apply };
const struct rules project_rules = { .type = TYPE_PROJECT, .scope = scope_of, .own = own,
	.check = check, .apply = apply };
