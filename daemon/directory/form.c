#include "daemon/directory/form.h"

#include "base/banned.h"

/* ---- Reading ---- */

static bool
field_of(const struct schema_set *set, struct slice fields, const struct attr *attr,
	struct slice *payload)
{
	struct field f;
	bool bad = false;

	while (record_next(set, &fields, &f, &bad)) {
		if (f.attr != attr)
			continue;
		*payload = f.payload;
		return true;
	}
	return false;
}

/* Climbs to the root and comes down again through the payloads. */
static bool
payload_of(const struct schema_set *set, const struct record *r, const struct attr *attr,
	struct slice *payload)
{
	struct slice around;

	if (attr->parent == NULL || attr->parent == r->type->root)
		return field_of(set, r->fields, attr, payload);
	return !attr->parent->multi && payload_of(set, r, attr->parent, &around) &&
	       field_of(set, around, attr, payload);
}

bool
record_value(const struct schema_set *set, const struct record *r, const struct attr *attr,
	struct slice *payload)
{
	return payload_of(set, r, attr, payload);
}

struct slice
record_text(const struct schema_set *set, const struct record *r, const struct attr *attr)
{
	struct slice payload;

	return payload_of(set, r, attr, &payload) ? payload : SLICE("");
}

int64_t
record_i64(const struct schema_set *set, const struct record *r, const struct attr *attr,
	int64_t fallback)
{
	struct slice payload;

	return payload_of(set, r, attr, &payload) ? payload_i64(payload) : fallback;
}

bool
record_bool(const struct schema_set *set, const struct record *r, const struct attr *attr,
	bool fallback)
{
	struct slice payload;

	return payload_of(set, r, attr, &payload) ? payload_bool(payload) : fallback;
}

uint64_t
record_row(struct orgtx *o, const struct schema_set *set, const struct record *r,
	const struct attr *attr)
{
	struct slice text = record_text(set, r, attr);
	struct uuid id;
	uint64_t row;

	return uuid_parse(text, &id) && row_by_id(o, &id, &row) ? row : 0;
}

size_t
record_texts(struct arena *a, const struct schema_set *set, const struct record *r,
	const struct attr *attr, struct slice **out)
{
	struct slice list, element;
	size_t n = 0, cap = 0;
	bool bad = false;

	*out = NULL;
	if (!payload_of(set, r, attr, &list))
		return 0;
	while (record_next_element(&list, &element, &bad)) {
		*out = arena_grow(a, *out, n, &cap, sizeof(**out));
		(*out)[n++] = element;
	}
	return n;
}

/* ---- Trees ---- */

const struct node *
tree_value(const struct node *root, const struct attr *attr)
{
	return node_find(root, attr);
}

struct slice
tree_text(const struct node *root, const struct attr *attr)
{
	const struct node *n = node_find(root, attr);

	return n != NULL && n->kind == NODE_VALUE ? n->text : SLICE("");
}

bool
tree_bool(const struct node *root, const struct attr *attr, bool fallback)
{
	const struct node *n = node_find(root, attr);

	return n != NULL ? n->boolean : fallback;
}

static struct node *
fresh(struct arena *a, struct node *root, const struct attr *attr)
{
	struct node *place = node_parent_for(a, root, attr), *n = node_child(place, attr);

	if (n == NULL) {
		n = node_new(a, attr, NODE_VALUE);
		node_insert(place, n);
	}
	return n;
}

void
tree_set_text(struct arena *a, struct node *root, const struct attr *attr, struct slice text)
{
	if (text.len == 0)
		tree_clear(root, attr);
	else
		fresh(a, root, attr)->text = text;
}

void
tree_set_bool(struct arena *a, struct node *root, const struct attr *attr, bool value)
{
	fresh(a, root, attr)->boolean = value;
}

void
tree_set_i64(struct arena *a, struct node *root, const struct attr *attr, int64_t value)
{
	fresh(a, root, attr)->integer = value;
}

void
tree_clear(struct node *root, const struct attr *attr)
{
	bool top = attr->parent == root->attr;
	struct node *place = top ? root : node_find(root, attr->parent);
	struct node *n = place != NULL ? node_child(place, attr) : NULL;

	if (n == NULL)
		return;
	node_remove(place, n);
	if (!top && place->child == NULL)
		tree_clear(root, attr->parent);
}

static struct node *
list_of(struct arena *a, struct node *root, const struct attr *attr)
{
	struct node *place = node_parent_for(a, root, attr), *list = node_child(place, attr);

	if (list == NULL) {
		list = node_new(a, attr, NODE_LIST);
		node_insert(place, list);
	}
	return list;
}

struct node *
tree_add(struct arena *a, struct node *root, const struct attr *list)
{
	struct node *e = node_new(a, list, NODE_OBJECT);

	node_append(list_of(a, root, list), e);
	return e;
}

void
tree_add_text(struct arena *a, struct node *root, const struct attr *list, struct slice text)
{
	struct node *e = node_new(a, list, NODE_VALUE);

	e->text = text;
	node_append(list_of(a, root, list), e);
}

struct slice
id_text(struct arena *a, const struct uuid *id)
{
	char *text = arena_alloc(a, UUID_TEXT);

	uuid_format(id, text);
	return (struct slice){ text, UUID_TEXT };
}

struct slice
row_id_text(struct arena *a, struct orgtx *o, uint64_t row)
{
	struct record r;

	return row != 0 && record_get(o, row, &r) ? id_text(a, &r.id) : SLICE("");
}
