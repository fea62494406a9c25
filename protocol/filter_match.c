#include "protocol/filter.h"

#include "schema/text.h"

#include "base/banned.h"

enum { PATH_MAX_DEPTH = 8, COMPUTED_MAX = 4, LOWERED_MAX = 256 };

/* One match under way. */
struct match {
	const struct filter_source *source;
	struct arena *scratch;
	struct {
		const struct attr *attr;
		const struct node *list;
	} computed[COMPUTED_MAX]; /* what was loaded */
	size_t computed_count;
};

static bool eval(struct match *m, const struct filter *f, const struct node *scope);

/* ---- Values that are not in the tree ---- */

/* RFC 7643 section 3: the core schema, and each extension of which the resource has a value. */
static const struct node *
schemas_of(struct match *m, const struct resource_type *type, const struct node *root)
{
	struct node *list = node_new(m->scratch, type->schemas, NODE_LIST), *urn;

	urn = node_new(m->scratch, type->schemas, NODE_VALUE);
	urn->text = type->core->urn;
	node_append(list, urn);
	for (size_t i = 0; i < type->extension_count; i++)
		if (node_child(root, type->extensions[i].container) != NULL) {
			urn = node_new(m->scratch, type->schemas, NODE_VALUE);
			urn->text = type->extensions[i].schema->urn;
			node_append(list, urn);
		}
	return list;
}

/* members or groups itself: its subs have the same source. */
static bool
is_computed(const struct attr *attr)
{
	return attr->multi && (attr->source == SOURCE_MEMBERS || attr->source == SOURCE_GROUPS);
}

static bool
is_schemas(const struct filter *f, const struct attr *attr)
{
	return f->type != NULL && attr == f->type->schemas;
}

static const struct node *
fetch(struct match *m, const struct filter *f, const struct node *object, const struct attr *attr)
{
	const struct node *list;

	if (!is_schemas(f, attr) && (!is_computed(attr) || m->source == NULL))
		return node_child(object, attr);
	for (size_t i = 0; i < m->computed_count; i++)
		if (m->computed[i].attr == attr)
			return m->computed[i].list;
	list = is_schemas(f, attr) ? schemas_of(m, f->type, object)
				   : m->source->load(m->source->ctx, attr);
	if (m->computed_count < COMPUTED_MAX) {
		m->computed[m->computed_count].attr = attr;
		m->computed[m->computed_count++].list = list;
	}
	return list;
}

/* ---- One value ---- */

/* The comparable form of a stored text. For ASCII all preparations come down to lower case, and a
 * scan should not allocate for each record. */
static struct slice
prepared_text(struct match *m, const struct filter *f, struct slice text, char lowered[LOWERED_MAX])
{
	size_t i;

	if (f->attr->case_exact && f->attr->prepare == PREPARE_NONE && !is_schemas(f, f->attr))
		return text_prepare(m->scratch, f->attr, text);
	for (i = 0; i < text.len && i < LOWERED_MAX && (unsigned char)text.p[i] < 0x80; i++)
		lowered[i] =
			text.p[i] >= 'A' && text.p[i] <= 'Z' ? (char)(text.p[i] + 32) : text.p[i];
	if (i == text.len)
		return (struct slice){ lowered, i };
	return is_schemas(f, f->attr) ? text_fold(m->scratch, text)
				      : text_prepare(m->scratch, f->attr, text);
}

static bool
by_order(enum filter_op op, int order)
{
	switch (op) {
	case FILTER_EQ:
		return order == 0;
	case FILTER_NE:
		return order != 0;
	case FILTER_GT:
		return order > 0;
	case FILTER_GE:
		return order >= 0;
	case FILTER_LT:
		return order < 0;
	case FILTER_LE:
		return order <= 0;
	case FILTER_CO:
	case FILTER_SW:
	case FILTER_EW:
		break;
	}
	return false;
}

static bool
match_text(struct match *m, const struct filter *f, struct slice text)
{
	char lowered[LOWERED_MAX];
	struct slice have = prepared_text(m, f, text, lowered), want = f->prepared;

	if (f->op == FILTER_CO)
		return want.len == 0 ||
		       (have.len > 0 && memmem(have.p, have.len, want.p, want.len) != NULL);
	if (f->op == FILTER_SW)
		return slice_starts(have, want);
	if (f->op == FILTER_EW)
		return have.len >= want.len &&
		       slice_eq(slice_from(have, have.len - want.len), want);
	return by_order(f->op, slice_cmp(have, want));
}

static bool
has_value(const struct node *n)
{
	if (n->kind == NODE_VALUE)
		return (n->attr->type != ATTR_STRING && n->attr->type != ATTR_REFERENCE) ||
		       n->text.len > 0;
	for (const struct node *c = n->child; c != NULL; c = c->next)
		if (has_value(c))
			return true;
	return false;
}

static bool
match_value(struct match *m, const struct filter *f, const struct node *n)
{
	if (f->kind == FILTER_ELEMENT)
		return eval(m, f->left, n);
	if (f->kind == FILTER_PRESENT)
		return has_value(n);
	if (n->kind != NODE_VALUE)
		return false;
	if (f->attr->type == ATTR_STRING || f->attr->type == ATTR_REFERENCE)
		return match_text(m, f, n->text);
	return by_order(f->op, node_compare(n, f->value));
}

/* What a comparison says about a value that is not there: it differs from everything. */
static bool
match_absent(const struct filter *f, bool in_element)
{
	if (f->kind != FILTER_COMPARE)
		return false;
	/* RFC 7643 section 2.4: primary counts as false when it is not given. */
	if (in_element && f->attr->type == ATTR_BOOLEAN && f->attr->parent->multi &&
		slice_eq(f->attr->name, SLICE("primary")))
		return f->value->boolean == (f->op == FILTER_NE);
	return f->op == FILTER_NE;
}

/* ---- Paths ---- */

/* Follows path[0..n) from object; a list is met by any of its elements (RFC 7644 section 3.4.2.2).
 */
static bool
walk(struct match *m, const struct filter *f, const struct node *object,
	const struct attr *const *path, size_t n)
{
	const struct node *found;

	if (n == 0)
		return match_value(m, f, object);
	found = object->kind == NODE_OBJECT ? fetch(m, f, object, path[0]) : NULL;
	if (found == NULL || (found->kind != NODE_VALUE && found->child == NULL))
		return match_absent(f, object->attr->multi);
	if (found->kind != NODE_LIST)
		return walk(m, f, found, path + 1, n - 1);
	for (const struct node *e = found->child; e != NULL; e = e->next)
		if (walk(m, f, e, path + 1, n - 1))
			return true;
	return false;
}

/* An edge can be looked up; the list need not be loaded. */
static bool
look_up(struct match *m, const struct filter *f, bool *result)
{
	const struct filter *inner = f->kind == FILTER_ELEMENT ? f->left : f;
	const struct attr *attr = f->attr;

	if (m->source == NULL || m->source->has == NULL)
		return false;
	if (inner->kind == FILTER_COMPARE && inner->by_id) {
		*result = m->source->has(m->source->ctx, inner->attr->parent, inner->value->text);
		return true;
	}
	if (f->kind != FILTER_PRESENT)
		return false;
	if (!is_computed(attr) && is_computed(attr->parent) &&
		(slice_eq(attr->name, SLICE("value")) || slice_eq(attr->name, SLICE("$ref"))))
		attr = attr->parent;
	if (!is_computed(attr))
		return false;
	*result = m->source->has(m->source->ctx, attr, (struct slice){ NULL, 0 });
	return true;
}

static bool
eval_term(struct match *m, const struct filter *f, const struct node *scope)
{
	const struct attr *path[PATH_MAX_DEPTH];
	size_t n = PATH_MAX_DEPTH;
	bool result;

	/* The elements of members and groups have the same subs, but are not at the root. */
	if (scope->attr->parent == NULL && look_up(m, f, &result))
		return result;
	for (const struct attr *at = f->attr; at != scope->attr; at = at->parent) {
		if (at == NULL || n == 0)
			return false;
		path[--n] = at;
	}
	return walk(m, f, scope, path + n, PATH_MAX_DEPTH - n);
}

static bool
eval(struct match *m, const struct filter *f, const struct node *scope)
{
	switch (f->kind) {
	case FILTER_AND:
		return eval(m, f->left, scope) && eval(m, f->right, scope);
	case FILTER_OR:
		return eval(m, f->left, scope) || eval(m, f->right, scope);
	case FILTER_NOT:
		return !eval(m, f->left, scope);
	case FILTER_COMPARE:
	case FILTER_PRESENT:
	case FILTER_ELEMENT:
		return eval_term(m, f, scope);
	}
	return false;
}

bool
filter_match(const struct filter *f, const struct node *root, const struct filter_source *source,
	struct arena *scratch)
{
	struct match m = { .source = source, .scratch = scratch };

	return eval(&m, f, root);
}

bool
filter_match_element(const struct filter *f, const struct node *element, struct arena *scratch)
{
	struct match m = { .scratch = scratch };

	return eval(&m, f, element);
}

bool
filter_names(const struct filter *f, const struct attr *attr)
{
	if (f->attr != NULL && (attr->bits[f->attr->id / 64] >> (f->attr->id % 64) & 1) != 0)
		return true;
	return (f->left != NULL && filter_names(f->left, attr)) ||
	       (f->right != NULL && filter_names(f->right, attr));
}
