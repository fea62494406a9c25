#include "daemon/directory/org_tell.h"

#include "daemon/directory/form.h"
#include "daemon/directory/organization.h"

#include "base/banned.h"

/* Attributes that both types have, by the same names. */
static const struct slice shown[] = { SLICE_INIT("displayName"), SLICE_INIT("key"), SLICE_INIT("state"),
	SLICE_INIT("stateReason"), SLICE_INIT("deleteAfter"), SLICE_INIT("model"),
	SLICE_INIT("modelVersion"), SLICE_INIT("limits"), SLICE_INIT("quotas") };

/* The same value of another type's attribute. */
static struct node *
copy_as(struct arena *a, const struct node *from, const struct attr *attr)
{
	struct node *n = node_new(a, attr, from->kind);

	if (from->kind == NODE_VALUE) {
		*n = *from;
		n->attr = attr;
		n->next = NULL;
		return n;
	}
	for (const struct node *c = from->child; c != NULL; c = c->next) {
		const struct attr *sub = from->kind == NODE_LIST ? attr : attr_sub(attr, c->attr->name);

		if (sub != NULL)
			node_append(n, copy_as(a, c, sub));
	}
	return n;
}

void
org_tell_fill(const struct directory *d, struct txn *t, struct arena *a, const struct org *org,
	struct node *settings)
{
	const struct resource_type *type = schema_type(d->schema, TYPE_SETTINGS);
	const struct node *root, *value;
	struct record r, copy;

	if (org->row == 0 || !record_get(orgtx_open(t, ORG_PLATFORM), org->row, &r))
		return;
	copy = r;
	copy.fields = arena_dup(a, r.fields); /* the store's bytes move with the next put */
	if ((root = record_unpack(a, d->schema, &copy, 0)) == NULL)
		return;
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		const struct attr *to = attr_sub(type->root, shown[i]);

		if (node_child(settings, to) != NULL)
			tree_clear(settings, to);
		value = node_child(root, attr_sub(r.type->root, shown[i]));
		if (value != NULL)
			node_insert(settings, copy_as(a, value, to));
	}
}

void
org_tell(const struct deed *x, const struct org *org, bool always)
{
	struct txn *t = orgtx_txn(x->o);
	struct deed y = { .d = x->d, .o = orgtx_open(t, org->no), .w = x->w, .arena = x->arena };
	uint64_t row = settings_row(y.o);
	struct node *root;
	struct record r;

	if (row == 0 || !record_get(y.o, row, &r) || (root = deed_tree(&y, &r)) == NULL)
		return;
	org_tell_fill(x->d, t, x->arena, org, root);
	if (!always && node_equal(root, deed_tree(&y, &r)))
		return;
	deed_replace(&y, row, root, change_begin(y.o, &x->w->actor));
	change_end(y.o);
}
