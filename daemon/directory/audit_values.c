/* What changed from what to what: two records attribute by attribute. */
#include <stdlib.h>

#include "daemon/directory/audit.h"
#include "protocol/tree_write.h"

#include "base/banned.h"

static const struct slice none = { NULL, 0 };

static struct node *
value(struct audit_walk *w, const struct attr *attr)
{
	return node_new(w->scratch, attr, NODE_VALUE);
}

static void
put_text(struct audit_walk *w, struct node *object, const struct attr *attr, struct slice text)
{
	struct node *n;

	if (text.p == NULL)
		return;
	n = value(w, attr);
	n->text = text;
	node_append(object, n);
}

void
audit_add(struct audit_walk *w, struct slice path, struct slice old, struct slice new, struct slice display, bool secret)
{
	struct node *row = node_new(w->scratch, w->at->changes, NODE_OBJECT), *flag;

	put_text(w, row, w->at->path, path);
	put_text(w, row, w->at->old, old);
	put_text(w, row, w->at->new, new);
	put_text(w, row, w->at->display, display);
	if (secret) {
		flag = value(w, w->at->secret);
		flag->boolean = true;
		node_append(row, flag);
	}
	if (w->list == NULL) {
		w->list = node_new(w->scratch, w->at->changes, NODE_LIST);
		w->list_end = &w->list->child;
	}
	*w->list_end = row;
	w->list_end = &row->next;
}

/* What no answer ever holds is not told here either. */
static bool
is_secret(const struct attr *attr)
{
	return attr->hidden || attr->returned == RETURNED_NEVER || attr->mutability == ATTR_WRITE_ONLY ||
	       attr->prepare == PREPARE_PASSWORD;
}

static bool
has_secrets(const struct attr *attr)
{
	for (size_t i = 0; i < attr->sub_count; i++)
		if (is_secret(attr->subs[i]))
			return true;
	return false;
}

static struct slice
text_of(struct audit_walk *w, const struct node *n, enum tree_part part)
{
	struct buf b = BUF_INIT;
	struct slice out;

	if (n == NULL)
		return none;
	tree_write_plain(&b, w->scratch, n, part);
	out = arena_dup(w->scratch, buf_as_slice(&b));
	buf_release(&b);
	return out;
}

static bool
compare_simple(struct audit_walk *w, const struct attr *attr, const struct node *old, const struct node *new)
{
	struct slice a = text_of(w, old, TREE_ALL), b = text_of(w, new, TREE_ALL);

	if (old != NULL && new != NULL && slice_eq(a, b))
		return false;
	if (is_secret(attr))
		audit_add(w, attr_path(w->scratch, attr), none,
			old == NULL ? SLICE("set") : new == NULL ? SLICE("removed") : SLICE("changed"), none, true);
	else
		audit_add(w, attr_path(w->scratch, attr), a, b, none, false);
	return true;
}

/* ---- Lists: what is in one of them only ---- */

struct element {
	struct slice key;
	const struct node *node;
};

static int
element_order(const void *x, const void *y)
{
	const struct element *a = x, *b = y;

	return slice_cmp(a->key, b->key);
}

static struct element *
sorted(struct audit_walk *w, const struct node *list, size_t *n)
{
	struct element *out;
	size_t at = 0;

	*n = 0;
	for (const struct node *c = list != NULL ? list->child : NULL; c != NULL; c = c->next)
		++*n;
	out = ARENA_ARRAY(w->scratch, struct element, *n + 1);
	for (const struct node *c = list != NULL ? list->child : NULL; c != NULL; c = c->next)
		out[at++] = (struct element){ text_of(w, c, TREE_ALL), c };
	qsort(out, *n, sizeof(*out), element_order);
	return out;
}

static void
add_element(struct audit_walk *w, const struct attr *attr, const struct element *e, bool is_new)
{
	struct slice text = is_secret(attr) ? none : text_of(w, e->node, TREE_SHOWN);
	bool secret = is_secret(attr) || has_secrets(attr);

	if (is_secret(attr))
		audit_add(w, attr_path(w->scratch, attr), none, is_new ? SLICE("set") : SLICE("removed"), none, true);
	else
		audit_add(w, attr_path(w->scratch, attr), is_new ? none : text, is_new ? text : none, none, secret);
}

static bool
compare_lists(struct audit_walk *w, const struct attr *attr, const struct node *old, const struct node *new)
{
	size_t old_n, new_n, i = 0, j = 0;
	struct element *a = sorted(w, old, &old_n), *b = sorted(w, new, &new_n);
	bool differs = false;

	while (i < old_n || j < new_n) {
		int order = i == old_n ? 1 : j == new_n ? -1 : slice_cmp(a[i].key, b[j].key);

		if (order == 0) {
			i++, j++;
			continue;
		}
		differs = true;
		if (order < 0)
			add_element(w, attr, &a[i++], false);
		else
			add_element(w, attr, &b[j++], true);
	}
	return differs;
}

/* ---- Objects ---- */

static bool
compare_objects(struct audit_walk *w, const struct attr *around, const struct node *old, const struct node *new)
{
	bool differs = false;

	for (size_t i = 0; i < around->sub_count; i++) {
		const struct attr *attr = around->subs[i];
		const struct node *a = old != NULL ? node_child(old, attr) : NULL,
				  *b = new != NULL ? node_child(new, attr) : NULL;

		if (attr->source != SOURCE_FIELDS || (a == NULL && b == NULL))
			continue;
		if (attr->multi)
			differs |= compare_lists(w, attr, a, b);
		else if (attr->type == ATTR_COMPLEX)
			differs |= compare_objects(w, attr, a, b);
		else
			differs |= compare_simple(w, attr, a, b);
	}
	return differs;
}

/* ---- externalIds: one for each connection's space ---- */

/* Those of one record that the other one does not have so. */
static bool
compare_spaces(struct audit_walk *w, const struct record *r, const struct record *other, bool is_new)
{
	struct slice fields = r->fields, text, had;
	struct field f;
	uint32_t space;
	bool bad = false, differs = false;

	while (record_next(w->d->schema, &fields, &f, &bad)) {
		if (f.attr != r->type->external_id || !payload_space(f.payload, &space, &text))
			continue;
		had = other != NULL ? record_external_id(w->d->schema, other, space) : none;
		/* One that is there before and after is told once, with the new record. */
		if ((had.len > 0 && !is_new) || slice_eq(had, text))
			continue;
		differs = true;
		if (had.len == 0)
			had = none;
		audit_add(w, r->type->external_id->name, is_new ? had : text, is_new ? text : none, none, false);
	}
	return differs;
}

bool
audit_compare(struct audit_walk *w, const struct record *old, const struct record *new)
{
	const struct record *any = new != NULL ? new : old;
	const struct node *a, *b;
	bool differs = false;

	if (old != NULL && new != NULL && slice_eq(old->fields, new->fields))
		return false;
	/* No space has this number: externalIds are looked at by themselves. */
	a = old != NULL ? record_unpack(w->scratch, w->d->schema, old, UINT32_MAX) : NULL;
	b = new != NULL ? record_unpack(w->scratch, w->d->schema, new, UINT32_MAX) : NULL;
	if (old != NULL)
		differs |= compare_spaces(w, old, new, false);
	if (new != NULL)
		differs |= compare_spaces(w, new, old, true);
	return compare_objects(w, any->type->root, a, b) || differs;
}
