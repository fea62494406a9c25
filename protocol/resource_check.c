#include "protocol/resource_check.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocol/scim_read.h"

#include "base/banned.h"

const char *
attr_label(const struct attr *attr, char out[ATTR_LABEL_MAX])
{
	const struct attr *up = attr->parent;
	size_t len = 0;

	if (up != NULL && up->parent != NULL) {
		(void)attr_label(up, out);
		len = strlen(out);
		/* No attribute's name holds a colon, a URN does. */
		if (len + 1 < ATTR_LABEL_MAX)
			out[len++] = memchr(up->name.p, ':', up->name.len) != NULL ? ':' : '.';
	}
	(void)snprintf(out + len, ATTR_LABEL_MAX - len, "%.*s", SLICE_ARG(attr->name));
	return out;
}

/* An element by what makes it a repeat: its value and its type (RFC 7643 section 2.4). */
struct pair {
	struct node *element;
	const struct node *value, *type;
	size_t at;
};

static int
pair_compare(const struct pair *x, const struct pair *y)
{
	int order = node_compare(x->value, y->value);

	if (order == 0 && x->type != NULL && y->type != NULL)
		order = node_compare(x->type, y->type);
	else if (order == 0)
		order = (x->type != NULL) - (y->type != NULL);
	return order;
}

static int
pair_order(const void *x, const void *y)
{
	const struct pair *p = x, *q = y;
	int order = pair_compare(p, q);

	return order != 0 ? order : (p->at > q->at) - (p->at < q->at);
}

/* Equal pairs stand together, in the order of the list. Elements without a value are no pairs. */
static size_t
pairs_of(const struct node *list, struct pair pairs[LIST_MAX])
{
	const struct attr *value = attr_sub(list->attr, SLICE("value"));
	const struct attr *type = attr_sub(list->attr, SLICE("type"));
	size_t n = 0, at = 0;

	if (value == NULL || value->multi || value->type == ATTR_COMPLEX)
		return 0;
	for (struct node *e = list->child; e != NULL && n < LIST_MAX; e = e->next, at++) {
		const struct node *v = e->kind == NODE_OBJECT ? node_child(e, value) : NULL;

		if (v != NULL)
			pairs[n++] = (struct pair){ e, v, type != NULL ? node_child(e, type) : NULL,
				at };
	}
	if (n > 1)
		qsort(pairs, n, sizeof(*pairs), pair_order);
	return n;
}

static bool
is_primary(const struct node *element)
{
	const struct attr *attr = attr_sub(element->attr, SLICE("primary"));
	const struct node *primary = attr != NULL ? node_child(element, attr) : NULL;

	return primary != NULL && attr->type == ATTR_BOOLEAN && primary->boolean;
}

void
list_drop_repeats(struct node *list)
{
	struct pair pairs[LIST_MAX];
	size_t n, keep = 0;

	if (list->attr->type != ATTR_COMPLEX || list->child == NULL || list->child->next == NULL)
		return;
	n = pairs_of(list, pairs);
	for (size_t i = 1; i < n; i++) {
		if (pair_compare(&pairs[keep], &pairs[i]) != 0) {
			keep = i;
		} else if (is_primary(pairs[i].element) && !is_primary(pairs[keep].element)) {
			node_remove(list, pairs[keep].element);
			keep = i;
		} else {
			node_remove(list, pairs[i].element);
		}
	}
}

static enum rc
list_check(const struct node *list, struct err *err)
{
	const struct attr *type = attr_sub(list->attr, SLICE("type"));
	char label[ATTR_LABEL_MAX];
	struct pair pairs[LIST_MAX];
	size_t count = 0, primaries = 0, n;

	for (const struct node *e = list->child; e != NULL; e = e->next) {
		count++;
		primaries += e->kind == NODE_OBJECT && is_primary(e);
	}
	if (count > LIST_MAX)
		return fail(err, RC_INVALID_VALUE, attr_label(list->attr, label),
			"has %zu values; at most %d are allowed", count, LIST_MAX);
	if (primaries > 1)
		return fail(err, RC_INVALID_VALUE,
			attr_label(attr_sub(list->attr, SLICE("primary")), label),
			"is true for %zu values; it may be for one", primaries);
	if (list->attr->type != ATTR_COMPLEX || count < 2)
		return RC_OK;
	n = pairs_of(list, pairs);
	for (size_t i = 1; i < n; i++)
		if (pair_compare(&pairs[i - 1], &pairs[i]) == 0)
			return fail(err, RC_INVALID_VALUE, attr_label(list->attr, label),
				"values %zu and %zu have the same value%s", pairs[i - 1].at + 1,
				pairs[i].at + 1, type != NULL ? " and type" : "");
	return RC_OK;
}

static bool
is_empty_text(const struct node *n)
{
	return n->kind == NODE_VALUE && n->attr->type == ATTR_STRING && n->text.len == 0;
}

static bool
must_be_there(const struct attr *attr)
{
	return attr->required && attr->mutability != ATTR_READ_ONLY &&
	       attr->prepare != PREPARE_PASSWORD &&
	       (attr->source == SOURCE_FIELDS || attr->source == SOURCE_SPACE);
}

/* Recursion is bounded by the schema: extension, complex attribute, element. */
static enum rc
object_check(const struct node *object, struct err *err)
{
	char label[ATTR_LABEL_MAX];
	enum rc rc = RC_OK;

	for (size_t i = 0; i < object->attr->sub_count; i++) {
		const struct attr *sub = object->attr->subs[i];
		const struct node *child;

		if (!must_be_there(sub))
			continue;
		child = node_child(object, sub);
		if (child == NULL || is_empty_text(child))
			return fail(err, RC_INVALID_VALUE, attr_label(sub, label),
				"is required and must have a value");
	}
	for (const struct node *n = object->child; n != NULL && rc == RC_OK; n = n->next) {
		if (n->attr->source != SOURCE_FIELDS)
			continue;
		if (n->kind == NODE_LIST) {
			rc = list_check(n, err);
			for (const struct node *e = n->child; e != NULL && rc == RC_OK; e = e->next)
				rc = e->kind == NODE_OBJECT ? object_check(e, err) : RC_OK;
		} else if (n->kind == NODE_OBJECT) {
			rc = object_check(n, err);
		}
	}
	return rc;
}

enum rc
resource_check(const struct resource_type *type, const struct node *root, struct err *err)
{
	char label[ATTR_LABEL_MAX];

	for (size_t i = 0; i < type->extension_count; i++)
		if (type->extensions[i].required &&
			node_child(root, type->extensions[i].container) == NULL)
			return fail(err, RC_INVALID_VALUE,
				attr_label(type->extensions[i].container, label),
				"this extension is required");
	return object_check(root, err);
}
