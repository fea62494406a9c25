#include "schema/node.h"

#include "schema/text.h"

#include "base/banned.h"

struct node *
node_new(struct arena *a, const struct attr *attr, enum node_kind kind)
{
	struct node *n = ARENA_NEW(a, struct node);

	n->attr = attr;
	n->kind = kind;
	return n;
}

struct node *
node_child(const struct node *object, const struct attr *attr)
{
	for (struct node *n = object->child; n != NULL; n = n->next) {
		if (n->attr == attr)
			return n;
	}
	return NULL;
}

struct node *
node_find(const struct node *root, const struct attr *attr)
{
	const struct node *above;

	if (attr->parent == NULL)
		return NULL;
	above = attr->parent == root->attr ? root : node_find(root, attr->parent);
	return above != NULL && above->kind == NODE_OBJECT ? node_child(above, attr) : NULL;
}

void
node_append(struct node *list, struct node *child)
{
	struct node **at = &list->child;

	while (*at != NULL)
		at = &(*at)->next;
	child->next = NULL;
	*at = child;
}

/* The place of attr among its parent's subs. */
static size_t
sub_index(const struct attr *parent, const struct attr *attr)
{
	size_t i = 0;

	while (i < parent->sub_count && parent->subs[i] != attr)
		i++;
	return i;
}

void
node_insert(struct node *object, struct node *child)
{
	struct node **at = &object->child;
	size_t place = sub_index(object->attr, child->attr);

	while (*at != NULL && sub_index(object->attr, (*at)->attr) <= place)
		at = &(*at)->next;
	child->next = *at;
	*at = child;
}

void
node_remove(struct node *parent, struct node *child)
{
	struct node **at = &parent->child;

	while (*at != child)
		at = &(*at)->next;
	*at = child->next;
	child->next = NULL;
}

struct node *
node_parent_for(struct arena *a, struct node *root, const struct attr *attr)
{
	struct node *above, *object;

	if (attr->parent == root->attr)
		return root;
	above = node_parent_for(a, root, attr->parent);
	object = node_child(above, attr->parent);
	if (object == NULL) {
		object = node_new(a, attr->parent, NODE_OBJECT);
		node_insert(above, object);
	}
	return object;
}

static bool
is_text(const struct attr *attr)
{
	return attr->type == ATTR_STRING || attr->type == ATTR_REFERENCE ||
	       attr->type == ATTR_BINARY;
}

struct node *
node_copy(struct arena *a, const struct node *n)
{
	struct node *copy = ARENA_NEW(a, struct node), **at = &copy->child;

	*copy = *n;
	copy->next = NULL;
	if (n->kind == NODE_VALUE) {
		if (is_text(n->attr))
			copy->text = arena_dup(a, n->text);
		return copy;
	}
	*at = NULL;
	for (const struct node *c = n->child; c != NULL; c = c->next) {
		*at = node_copy(a, c);
		at = &(*at)->next;
	}
	return copy;
}

static unsigned char
lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* Preparing ASCII is lower-casing it, whatever the attribute: false when either text holds more. */
static bool
compare_ascii(struct slice a, struct slice b, int *order)
{
	size_t n = a.len < b.len ? a.len : b.len;
	unsigned char seen = 0;

	*order = 0;
	for (size_t i = 0; i < n; i++) {
		seen |= (unsigned char)(a.p[i] | b.p[i]);
		if (*order == 0)
			*order = (int)lower(a.p[i]) - (int)lower(b.p[i]);
	}
	for (size_t i = n; i < a.len; i++)
		seen |= (unsigned char)a.p[i];
	for (size_t i = n; i < b.len; i++)
		seen |= (unsigned char)b.p[i];
	if (*order == 0)
		*order = a.len < b.len ? -1 : a.len > b.len;
	return seen < 0x80;
}

static int
compare_texts(const struct attr *attr, struct slice a, struct slice b)
{
	struct arena *scratch;
	int order;

	if (slice_eq(a, b))
		return 0;
	if (attr->type == ATTR_BINARY || attr->case_exact || attr->prepare == PREPARE_PASSWORD)
		return slice_cmp(a, b);
	if (compare_ascii(a, b, &order))
		return order;
	scratch = arena_new();
	order = slice_cmp(text_prepare(scratch, attr, a), text_prepare(scratch, attr, b));
	arena_free(scratch);
	return order;
}

int
node_compare(const struct node *a, const struct node *b)
{
	switch (a->attr->type) {
	case ATTR_BOOLEAN:
		return (int)a->boolean - (int)b->boolean;
	case ATTR_INTEGER:
		return (a->integer > b->integer) - (a->integer < b->integer);
	case ATTR_DECIMAL:
		return (a->decimal > b->decimal) - (a->decimal < b->decimal);
	case ATTR_DATETIME:
		return (a->ticks > b->ticks) - (a->ticks < b->ticks);
	case ATTR_STRING:
	case ATTR_BINARY:
	case ATTR_REFERENCE:
		return compare_texts(a->attr, a->text, b->text);
	case ATTR_COMPLEX:
		break;
	}
	return 0;
}

static size_t
child_count(const struct node *n)
{
	size_t count = 0;

	for (const struct node *c = n->child; c != NULL; c = c->next)
		count++;
	return count;
}

bool
node_equal(const struct node *a, const struct node *b)
{
	const struct node *other = b->child;

	if (a->attr != b->attr || a->kind != b->kind)
		return false;
	if (a->kind == NODE_VALUE)
		return node_compare(a, b) == 0;
	if (child_count(a) != child_count(b))
		return false;
	for (const struct node *c = a->child; c != NULL; c = c->next) {
		const struct node *match = a->kind == NODE_LIST ? other : node_child(b, c->attr);

		if (match == NULL || !node_equal(c, match))
			return false;
		other = a->kind == NODE_LIST ? other->next : NULL;
	}
	return true;
}

/* ---- What is readOnly stays with its value ---- */

static bool
has_read_only(const struct attr *complex)
{
	for (size_t i = 0; i < complex->sub_count; i++)
		if (complex->subs[i]->mutability == ATTR_READ_ONLY)
			return true;
	return false;
}

/* The `value` of a complex value tells which one it is; without such a sub-attribute it is the same
 * thing all along. */
static bool
is_same_thing(const struct node *old, const struct node *now)
{
	const struct attr *value = attr_sub(now->attr, SLICE("value"));
	const struct node *was, *is;

	if (value == NULL)
		return true;
	was = node_child(old, value);
	is = node_child(now, value);
	return was == NULL || is == NULL ? was == is : node_equal(was, is);
}

static void
forget_read_only(struct node *object)
{
	for (struct node *c = object->child, *next; c != NULL; c = next) {
		next = c->next;
		if (c->attr->mutability == ATTR_READ_ONLY)
			node_remove(object, c);
	}
}

static void carry_object(struct arena *a, const struct node *old, struct node *now);

static void
carry_list(struct arena *a, const struct node *old, struct node *now)
{
	if (now->attr->type != ATTR_COMPLEX || !has_read_only(now->attr))
		return;
	for (struct node *e = now->child; e != NULL; e = e->next) {
		const struct node *was = old->child;

		while (was != NULL && !is_same_thing(was, e))
			was = was->next;
		if (was != NULL)
			carry_object(a, was, e);
		else
			forget_read_only(e);
	}
}

static void
carry_object(struct arena *a, const struct node *old, struct node *now)
{
	if (!is_same_thing(old, now)) {
		forget_read_only(now);
		return;
	}
	for (const struct node *had = old->child; had != NULL; had = had->next) {
		struct node *has = node_child(now, had->attr);

		if (had->attr->source != SOURCE_FIELDS)
			continue;
		if (has == NULL && had->attr->mutability == ATTR_READ_ONLY)
			node_insert(now, node_copy(a, had));
		else if (has != NULL && had->kind == NODE_OBJECT)
			carry_object(a, had, has);
		else if (has != NULL && had->kind == NODE_LIST)
			carry_list(a, had, has);
	}
}

void
node_carry_read_only(struct arena *a, const struct node *old, struct node *root)
{
	carry_object(a, old, root);
}
