#include "daemon/directory/directory.h"

#include "daemon/directory/row_set.h"

#include "base/banned.h"

struct found {
	struct arena *arena;
	struct membership *list;
	size_t count, cap;
	struct row_set seen;
};

static void
found_add(struct found *f, uint64_t group, uint64_t from)
{
	if (!row_set_add(&f->seen, group))
		return;
	f->list = arena_grow(f->arena, f->list, f->count, &f->cap, sizeof(*f->list));
	f->list[f->count++] = (struct membership){ group, from == 0, from };
}

static void
add_groups_of(struct found *f, struct orgtx *o, uint64_t member, uint64_t from)
{
	enum { STEP = 64 };
	uint64_t groups[STEP], after = 0;
	size_t n;

	do {
		n = edge_list(o, EDGE_GROUPS, member, after, groups, STEP);
		for (size_t i = 0; i < n; i++)
			found_add(f, groups[i], from);
		if (n > 0)
			after = groups[n - 1];
	} while (n == STEP);
}

size_t
membership_list(struct orgtx *o, struct arena *a, uint64_t member, struct membership **out)
{
	struct found f = { .arena = a, .seen = { .arena = a } };

	add_groups_of(&f, o, member, 0);
	for (size_t i = 0; i < f.count; i++)
		add_groups_of(&f, o, f.list[i].group, f.list[i].group);
	*out = f.list;
	return f.count;
}

/* Groups come behind users in a group's list. */
static bool
holds_groups(struct orgtx *o, uint64_t group)
{
	uint64_t row;

	return edge_list(o, EDGE_MEMBERS, group, ((uint64_t)TYPE_GROUP << 56) - 1, &row, 1) == 1 &&
	       row_type(row) == TYPE_GROUP;
}

enum membership_kind
membership_find(struct orgtx *o, struct arena *a, uint64_t group, uint64_t member)
{
	struct found f = { .arena = a, .seen = { .arena = a } };

	if (edge_has(o, group, member))
		return DIRECT_MEMBER;
	if (!holds_groups(o, group))
		return NOT_MEMBER;
	add_groups_of(&f, o, member, 0);
	for (size_t i = 0; i < f.count; i++) {
		if (f.list[i].group == group)
			return NESTED_MEMBER;
		add_groups_of(&f, o, f.list[i].group, f.list[i].group);
	}
	return NOT_MEMBER;
}

struct slice
display_of(const struct directory *d, const struct record *r)
{
	const struct attr *display = r->type->code == TYPE_USER ? d->at.user_display : d->at.group_display;
	struct slice text;

	if (record_field(d->schema, r, display, &text))
		return text;
	if (r->type->code == TYPE_USER && record_field(d->schema, r, d->at.user_name, &text))
		return text;
	return SLICE("");
}

static void
add_text(struct arena *a, struct node *object, const char *name, struct slice text)
{
	const struct attr *sub = attr_sub(object->attr, slice_of(name));

	if (sub != NULL && text.len > 0) {
		struct node *n = node_new(a, sub, NODE_VALUE);

		n->text = arena_dup(a, text);
		node_append(object, n);
	}
}

struct node *
edge_node(const struct directory *d, struct orgtx *o, struct arena *a, const struct attr *attr,
	uint64_t row, bool direct)
{
	struct node *e = node_new(a, attr, NODE_OBJECT);
	struct record r;
	char id[UUID_TEXT];

	if (!record_get(o, row, &r))
		return NULL;
	uuid_format(&r.id, id);
	add_text(a, e, "value", (struct slice){ id, UUID_TEXT });
	add_text(a, e, "display", display_of(d, &r));
	if (attr->source == SOURCE_MEMBERS)
		add_text(a, e, "type", r.type->name);
	else
		add_text(a, e, "type", direct ? SLICE("direct") : SLICE("indirect"));
	return e;
}

static const struct node *
group_nodes(const struct directory *d, struct orgtx *o, struct arena *a, const struct attr *attr,
	uint64_t row)
{
	struct node *list = node_new(a, attr, NODE_LIST), *e;
	struct membership *groups;
	size_t n = membership_list(o, a, row, &groups);

	for (size_t i = 0; i < n; i++)
		if ((e = edge_node(d, o, a, attr, groups[i].group, groups[i].direct)) != NULL)
			node_append(list, e);
	return n > 0 ? list : NULL;
}

const struct node *
edge_nodes(const struct directory *d, struct orgtx *o, struct arena *a, const struct attr *attr,
	uint64_t row, uint64_t limit, bool *over)
{
	enum { STEP = 256 };
	struct node *list, *e, *last = NULL;
	uint64_t members[STEP], after = 0;
	size_t n;

	*over = false;
	if (attr->source == SOURCE_GROUPS)
		return group_nodes(d, o, a, attr, row);
	*over = edge_count(o, EDGE_MEMBERS, row) > limit;
	if (*over)
		return NULL;
	list = node_new(a, attr, NODE_LIST);
	while ((n = edge_list(o, EDGE_MEMBERS, row, after, members, STEP)) > 0) {
		for (size_t i = 0; i < n; i++) {
			e = edge_node(d, o, a, attr, members[i], true);
			if (e == NULL)
				continue;
			if (last == NULL)
				node_append(list, e);
			else
				last->next = e; /* node_append() walks: too slow for a long list */
			last = e;
		}
		after = members[n - 1];
	}
	return last != NULL ? list : NULL;
}
