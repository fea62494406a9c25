#include "protocol/patch.h"

#include <assert.h>
#include <stdio.h>

#include "protocol/patch_private.h"

#include "base/banned.h"

/* A patch being applied to one tree. */
struct apply {
	struct arena *a, *scratch;
	const struct patch *patch;
	struct node *root;
	size_t spent; /* of PATCH_STEPS_MAX */
	struct chosen {
		struct chosen *next;
		const struct attr *attr; /* the list */
		const struct node
			*element; /* that this patch made primary; may have left the list */
	} * chosen;
	struct err *err;
};

static char *
name_of(struct apply *ap, const struct attr *attr)
{
	struct slice path = attr_path(ap->a, attr);

	return arena_printf(ap->a, "%.*s", SLICE_ARG(path));
}

static enum rc
spend(struct apply *ap, size_t steps)
{
	ap->spent += steps;
	if (ap->spent <= PATCH_STEPS_MAX)
		return RC_OK;
	return fail(ap->err, RC_TOO_LARGE, "Operations",
		"the operations compare more than %d values of this resource: send them in smaller "
		"requests",
		PATCH_STEPS_MAX);
}

static enum rc
immutable(struct apply *ap, const struct attr *attr)
{
	return fail(ap->err, RC_MUTABILITY, name_of(ap, attr),
		"the attribute is immutable and has a value");
}

/* ---- Objects ---- */

static struct node *
object_of(struct apply *ap, const struct attr *attr)
{
	return attr->parent == ap->root->attr ? ap->root : node_find(ap->root, attr->parent);
}

/* Takes attr's value away, and what is above it as far as it has become empty: an extension without
 * a value is not there. */
static enum rc
take_away(struct apply *ap, const struct attr *attr)
{
	for (; attr != ap->root->attr; attr = attr->parent) {
		struct node *object = object_of(ap, attr);
		struct node *old = object != NULL ? node_child(object, attr) : NULL;

		if (old != NULL)
			node_remove(object, old);
		if (old != NULL && attr->required)
			return fail(ap->err, RC_MUTABILITY, name_of(ap, attr),
				"the attribute is required and can't be removed");
		if (object == NULL || object->child != NULL)
			break;
	}
	return RC_OK;
}

/* The address of a resource goes with its id. */
static void
forget_ref(struct node *object, const struct attr *id)
{
	const struct attr *ref = id->resource_id ? attr_sub(id->parent, SLICE("$ref")) : NULL;
	struct node *old = ref != NULL ? node_child(object, ref) : NULL;

	if (old != NULL)
		node_remove(object, old);
}

static enum rc join_list(struct apply *ap, struct node *list, const struct node *values);

/* object gets a copy of value in place of what it has; a list in an add grows. */
static enum rc
put(struct apply *ap, struct node *object, const struct node *value, bool add)
{
	struct node *old = node_child(object, value->attr);

	if (old != NULL && value->attr->mutability == ATTR_IMMUTABLE && !node_equal(old, value))
		return immutable(ap, value->attr);
	if (old != NULL && value->kind == NODE_LIST && add)
		return join_list(ap, old, value);
	if (old != NULL) {
		if (!node_equal(old, value))
			forget_ref(object, value->attr);
		node_remove(object, old);
	}
	node_insert(object, node_copy(ap->a, value));
	return RC_OK;
}

/* ---- primary ---- */

static struct node *
primary_of(const struct node *element)
{
	const struct attr *primary =
		element->kind == NODE_OBJECT ? attr_sub(element->attr, SLICE("primary")) : NULL;

	return primary != NULL && primary->type == ATTR_BOOLEAN ? node_child(element, primary)
								: NULL;
}

static bool
is_primary(const struct node *element)
{
	const struct node *primary = primary_of(element);

	return primary != NULL && primary->boolean;
}

/* RFC 7644 section 3.5.2: a value that becomes primary takes that from the others. Two of them in
 * one request contradict each other. Called when an operation says that the element is primary. */
static enum rc
make_primary(struct apply *ap, struct node *list, const struct node *element)
{
	struct chosen *c;

	if (!is_primary(element))
		return RC_OK;
	for (c = ap->chosen; c != NULL && c->attr != list->attr; c = c->next)
		;
	for (struct node *e = list->child; e != NULL; e = e->next) {
		if (e == element || !is_primary(e))
			continue;
		if (c != NULL && c->element == e)
			return fail(ap->err, RC_INVALID_VALUE, name_of(ap, list->attr),
				"only one value can be primary, but the request makes two so");
		primary_of(e)->boolean = false;
	}
	if (c == NULL) {
		c = ARENA_NEW(ap->a, struct chosen);
		c->attr = list->attr;
		c->next = ap->chosen;
		ap->chosen = c;
	}
	c->element = element;
	return spend(ap, 1);
}

/* ---- Lists ---- */

/* Whether both have the sub-attribute and the same value of it, or neither has it. */
static bool
same_sub(const struct node *a, const struct node *b, struct slice name, bool must_have)
{
	const struct attr *sub = attr_sub(a->attr, name);
	const struct node *x = sub != NULL ? node_child(a, sub) : NULL;
	const struct node *y = sub != NULL ? node_child(b, sub) : NULL;

	if (x == NULL || y == NULL)
		return x == y && !must_have;
	return node_equal(x, y);
}

/* RFC 7643 section 2.4: a (type, value) pair stands once in a list. */
static bool
same_element(const struct node *a, const struct node *b)
{
	if (node_equal(a, b))
		return true;
	return a->kind == NODE_OBJECT && same_sub(a, b, SLICE("value"), true) &&
	       same_sub(a, b, SLICE("type"), false);
}

static enum rc
merge(struct apply *ap, struct node *element, const struct node *value)
{
	enum rc rc;

	if (element->kind != NODE_OBJECT)
		return RC_OK;
	for (const struct node *c = value->child; c != NULL; c = c->next)
		if ((rc = put(ap, element, c, true)) != RC_OK)
			return rc;
	return RC_OK;
}

static enum rc
join_one(struct apply *ap, struct node *list, const struct node *value, struct node **joined)
{
	struct node *e;
	enum rc rc;

	for (e = list->child; e != NULL; e = e->next) {
		if ((rc = spend(ap, 1)) != RC_OK)
			return rc;
		if (same_element(e, value)) {
			*joined = e;
			return node_equal(e, value) ? RC_OK : merge(ap, e, value);
		}
	}
	e = node_copy(ap->a, value);
	e->next = NULL;
	node_append(list, e);
	*joined = e;
	return RC_OK;
}

static enum rc
join_list(struct apply *ap, struct node *list, const struct node *values)
{
	struct node *e;
	enum rc rc;

	for (const struct node *v = values->child; v != NULL; v = v->next) {
		if ((rc = join_one(ap, list, v, &e)) != RC_OK)
			return rc;
		if (is_primary(v) && (rc = make_primary(ap, list, e)) != RC_OK)
			return rc;
	}
	return RC_OK;
}

static struct node *
list_for(struct apply *ap, const struct attr *attr)
{
	struct node *object, *list = node_find(ap->root, attr);

	if (list != NULL)
		return list;
	object = node_parent_for(ap->a, ap->root, attr);
	list = node_new(ap->a, attr, NODE_LIST);
	node_insert(object, list);
	return list;
}

/* ---- Steps on whole attributes ---- */

static enum rc
apply_set(struct apply *ap, const struct patch_step *s)
{
	assert(s->value != ap->patch->password || ap->patch->password_hashed);
	return put(ap, node_parent_for(ap->a, ap->root, s->attr), s->value, s->add);
}

static enum rc
apply_unset(struct apply *ap, const struct patch_step *s)
{
	struct node *object = object_of(ap, s->attr);

	if (object == NULL || node_child(object, s->attr) == NULL)
		return RC_OK;
	if (s->attr->mutability == ATTR_IMMUTABLE)
		return immutable(ap, s->attr);
	forget_ref(object, s->attr);
	return take_away(ap, s->attr);
}

static enum rc
apply_list_add(struct apply *ap, const struct patch_step *s)
{
	if (s->attr->mutability == ATTR_IMMUTABLE && node_find(ap->root, s->attr) != NULL)
		return immutable(ap, s->attr);
	return join_list(ap, list_for(ap, s->attr), s->value);
}

static enum rc
apply_list_replace(struct apply *ap, const struct patch_step *s)
{
	struct node *list = node_find(ap->root, s->attr);

	if (list != NULL && s->attr->mutability == ATTR_IMMUTABLE && !node_equal(list, s->value))
		return immutable(ap, s->attr);
	list = list_for(ap, s->attr);
	list->child = NULL;
	return join_list(ap, list, s->value);
}

/* Whether element has all that value has. */
static bool
covers(const struct node *element, const struct node *value)
{
	if (value->kind != NODE_OBJECT)
		return node_equal(element, value);
	for (const struct node *c = value->child; c != NULL; c = c->next) {
		const struct node *have = node_child(element, c->attr);

		if (have == NULL || !node_equal(have, c))
			return false;
	}
	return value->child != NULL;
}

static enum rc
drop_empty_list(struct apply *ap, const struct node *list)
{
	return list->child == NULL ? take_away(ap, list->attr) : RC_OK;
}

static enum rc
apply_list_take(struct apply *ap, const struct patch_step *s)
{
	struct node *list = node_find(ap->root, s->attr), *next;
	enum rc rc;

	if (list == NULL)
		return RC_OK;
	if (s->attr->mutability == ATTR_IMMUTABLE)
		return immutable(ap, s->attr);
	for (struct node *e = list->child; e != NULL; e = next) {
		next = e->next;
		for (const struct node *v = s->value->child; v != NULL; v = v->next) {
			if ((rc = spend(ap, 1)) != RC_OK)
				return rc;
			if (covers(e, v)) {
				node_remove(list, e);
				break;
			}
		}
	}
	return drop_empty_list(ap, list);
}

/* ---- Steps on the elements that a filter chooses ---- */

/* The eq terms of a filter that is a conjunction of them, as subs of element; false for another
 * filter. */
static bool
fill_from_filter(struct apply *ap, const struct filter *f, struct node *element)
{
	if (f->kind == FILTER_AND)
		return fill_from_filter(ap, f->left, element) &&
		       fill_from_filter(ap, f->right, element);
	if (f->kind != FILTER_COMPARE || f->op != FILTER_EQ || f->attr->parent != element->attr ||
		f->attr->multi || f->attr->mutability == ATTR_READ_ONLY)
		return false;
	if (node_child(element, f->attr) == NULL)
		node_insert(element, node_copy(ap->a, f->value));
	return true;
}

/* What only says which element it is. */
static bool
only_labels(const struct node *element)
{
	bool has_value = attr_sub(element->attr, SLICE("value")) != NULL;

	for (const struct node *c = element->child; c != NULL; c = c->next)
		if (!slice_eq(c->attr->name, SLICE("type")) &&
			!slice_eq(c->attr->name, SLICE("primary")) &&
			!(has_value && slice_eq(c->attr->name, SLICE("display"))))
			return false;
	return true;
}

static enum rc
element_unset(struct apply *ap, const struct patch_step *s, struct node *list, struct node *e)
{
	struct node *old;

	if (s->sub == NULL) {
		node_remove(list, e);
		return RC_OK;
	}
	old = node_child(e, s->sub);
	if (old == NULL)
		return RC_OK;
	if (s->sub->mutability == ATTR_IMMUTABLE)
		return immutable(ap, s->sub);
	forget_ref(e, s->sub);
	node_remove(e, old);
	/* An IdP that clears emails[type eq "work"].value wants no e-mail left that has a type
	 * alone. */
	if (e->child == NULL || (ap->patch->dialect == DIALECT_TOLERANT && only_labels(e)))
		node_remove(list, e);
	return RC_OK;
}

static enum rc
element_set(struct apply *ap, const struct patch_step *s, struct node *list, struct node *e)
{
	enum rc rc = put(ap, e, s->value, s->add);

	if (rc != RC_OK || !slice_eq(s->sub->name, SLICE("primary")))
		return rc;
	return make_primary(ap, list, e);
}

static enum rc
element_merge(struct apply *ap, const struct patch_step *s, struct node *list, struct node *e)
{
	enum rc rc = merge(ap, e, s->value);

	if (rc != RC_OK || !is_primary(s->value))
		return rc;
	return make_primary(ap, list, e);
}

/* The element keeps its place. All that match become one value, which stands once. */
static enum rc
element_replace(struct apply *ap, const struct patch_step *s, struct node *list, struct node *e)
{
	struct node *fresh = node_copy(ap->a, s->value), **link;

	if (ap->patch->dialect == DIALECT_TOLERANT && fresh->kind == NODE_OBJECT)
		(void)fill_from_filter(ap, s->filter, fresh);
	for (struct node *other = list->child; other != e; other = other->next)
		if (node_equal(other, fresh)) {
			node_remove(list, e);
			return RC_OK;
		}
	for (link = &list->child; *link != e; link = &(*link)->next)
		;
	fresh->next = e->next;
	*link = fresh;
	return make_primary(ap, list, fresh);
}

static enum rc
no_target(struct apply *ap, const struct patch_step *s)
{
	return fail(ap->err, RC_NO_TARGET, name_of(ap, s->attr),
		"no value meets the filter of the path");
}

/* RFC 7644 has noTarget here; what Entra expects is an element with the filter's own terms. */
static enum rc
make_element(struct apply *ap, const struct patch_step *s)
{
	struct node *list, *e;
	enum rc rc;

	if (s->value->kind == NODE_VALUE && s->sub == NULL) {
		e = node_copy(ap->a, s->value);
		e->next = NULL;
	} else {
		e = node_new(ap->a, s->attr, NODE_OBJECT);
		if (s->sub != NULL)
			rc = put(ap, e, s->value, s->add);
		else
			rc = merge(ap, e, s->value);
		if (rc != RC_OK)
			return rc;
		if (s->filter != NULL && !fill_from_filter(ap, s->filter, e))
			return no_target(ap, s);
	}
	list = list_for(ap, s->attr);
	node_append(list, e);
	return make_primary(ap, list, e);
}

static enum rc
apply_element(struct apply *ap, const struct patch_step *s)
{
	static enum rc (*const act[])(
		struct apply *, const struct patch_step *, struct node *, struct node *) = {
		[PATCH_ELEMENT_SET] = element_set,
		[PATCH_ELEMENT_UNSET] = element_unset,
		[PATCH_ELEMENT_REPLACE] = element_replace,
		[PATCH_ELEMENT_MERGE] = element_merge,
	};
	struct node *list = node_find(ap->root, s->attr), *next;
	bool found = false, match;
	enum rc rc;

	for (struct node *e = list != NULL ? list->child : NULL; e != NULL; e = next) {
		next = e->next;
		if ((rc = spend(ap, s->filter != NULL ? s->filter->terms : 1)) != RC_OK)
			return rc;
		match = s->filter == NULL || filter_match_element(s->filter, e, ap->scratch);
		arena_clear(ap->scratch);
		if (!match)
			continue;
		found = true;
		if ((rc = act[s->verb](ap, s, list, e)) != RC_OK)
			return rc;
	}
	if (!found && s->verb == PATCH_ELEMENT_UNSET)
		return s->may_miss ? RC_OK : no_target(ap, s);
	if (!found)
		return s->may_make ? make_element(ap, s) : no_target(ap, s);
	return drop_empty_list(ap, list);
}

static enum rc (*const verbs[])(struct apply *, const struct patch_step *) = {
	[PATCH_SET] = apply_set,
	[PATCH_UNSET] = apply_unset,
	[PATCH_LIST_ADD] = apply_list_add,
	[PATCH_LIST_REPLACE] = apply_list_replace,
	[PATCH_LIST_TAKE] = apply_list_take,
	[PATCH_ELEMENT_SET] = apply_element,
	[PATCH_ELEMENT_UNSET] = apply_element,
	[PATCH_ELEMENT_REPLACE] = apply_element,
	[PATCH_ELEMENT_MERGE] = apply_element,
};

enum rc
patch_apply(struct arena *a, const struct patch *p, struct node *root, struct err *err)
{
	struct apply ap = { .a = a, .patch = p, .root = root, .err = err };
	enum rc rc = RC_OK;

	ap.scratch = arena_new();
	for (const struct patch_step *s = p->steps; s != NULL && rc == RC_OK; s = s->next)
		if ((rc = verbs[s->verb](&ap, s)) != RC_OK)
			patch_name_operation(err, s->operation, p->operations);
	arena_free(ap.scratch);
	return rc == RC_OK ? resource_check(p->type, root, err) : rc;
}
