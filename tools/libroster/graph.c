#include "tools/libroster/graph.h"

#include <stdlib.h>
#include <string.h>

#include "tools/libroster/idset.h"

#include "base/banned.h"

enum { NOBODY = UINT32_MAX, FIRST_ROOM = 64 };

struct group {
	struct idset below; /* groups that it holds, at any depth */
	bool gone;          /* but somebody is in it still: told later, or never */
	uint32_t held;      /* nodes that have it in `in` */
	uint32_t mark;
	struct idset children; /* groups that it holds directly */
};

/* One cache line, with the groups of most users in it: a question costs two lines of memory for the user, and two for the group. */
struct node {
	struct roster_id id;
	struct idset in;     /* groups that hold it directly */
	struct group *group; /* NULL: a user */
};
_Static_assert(sizeof(struct node) == CACHE_LINE, "a node is a cache line");

/* Part of the hash stands beside the place, so that other nodes that are met on the way need not be looked at. */
struct entry {
	uint32_t tag, place; /* place in nodes, plus 1; 0: nobody */
};

struct graph {
	struct node *nodes;
	uint32_t count, room;
	uint32_t *unused; /* places in nodes */
	uint32_t unused_count, unused_room;
	struct entry *index; /* by hash */
	uint32_t mask;
	uint32_t *changed; /* groups whose children changed */
	uint32_t changed_count, changed_room;
	uint32_t mark;
	struct graph_counts counts;
};

static void *
resized(void *p, size_t count, size_t size)
{
	p = reallocarray(p, count, size);
	if (p == NULL)
		abort();
	return p;
}

static void
push(uint32_t **list, uint32_t *count, uint32_t *room, uint32_t v)
{
	if (*count == *room) {
		*room = *room == 0 ? FIRST_ROOM : 2 * *room;
		*list = resized(*list, *room, sizeof(**list));
	}
	(*list)[(*count)++] = v;
}

/* ---- Finding nodes ---- */

/* Ids are random in their second half, and rise in their first. */
static uint64_t
hash(const struct roster_id *id)
{
	uint64_t high, low;

	memcpy(&high, id->bytes, sizeof(high));
	memcpy(&low, id->bytes + sizeof(high), sizeof(low));
	low = (low ^ high * UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xD6E8FEB86659FD93);
	return low ^ low >> 32;
}

/* The place in index where id is, or where it would be put. */
static uint32_t
slot_of(const struct graph *g, const struct roster_id *id, uint64_t h)
{
	uint32_t at = (uint32_t)h & g->mask, tag = (uint32_t)(h >> 32);

	for (; g->index[at].place != 0; at = (at + 1) & g->mask)
		if (g->index[at].tag == tag && memcmp(&g->nodes[g->index[at].place - 1].id, id, sizeof(*id)) == 0)
			break;
	return at;
}

static uint32_t
find(const struct graph *g, const struct roster_id *id)
{
	return g->index[slot_of(g, id, hash(id))].place - 1; /* none: 0 - 1 is NOBODY */
}

static void
index_node(struct graph *g, uint32_t place)
{
	uint64_t h = hash(&g->nodes[place].id);

	g->index[slot_of(g, &g->nodes[place].id, h)] = (struct entry){ (uint32_t)(h >> 32), place + 1 };
}

static void
build_index(struct graph *g, uint32_t size)
{
	struct entry *old = g->index;
	uint32_t old_size = old != NULL ? g->mask + 1 : 0;

	g->index = calloc(size, sizeof(*g->index));
	if (g->index == NULL)
		abort();
	g->mask = size - 1;
	for (uint32_t i = 0; i < old_size; i++)
		if (old[i].place != 0)
			index_node(g, old[i].place - 1);
	free(old);
}

/* What stands behind moves up, so that no search ends too early. */
static void
unindex(struct graph *g, const struct roster_id *id)
{
	uint32_t hole = slot_of(g, id, hash(id));

	for (uint32_t at = (hole + 1) & g->mask; g->index[at].place != 0; at = (at + 1) & g->mask) {
		uint32_t home = (uint32_t)hash(&g->nodes[g->index[at].place - 1].id) & g->mask;

		if (((at - home) & g->mask) >= ((at - hole) & g->mask)) {
			g->index[hole] = g->index[at];
			hole = at;
		}
	}
	g->index[hole] = (struct entry){ 0, 0 };
}

/* ---- Making and freeing it ---- */

struct graph *
graph_new(void)
{
	struct graph *g = calloc(1, sizeof(*g));

	if (g == NULL)
		abort();
	build_index(g, FIRST_ROOM);
	return g;
}

static void
free_group(struct group *group)
{
	if (group == NULL)
		return;
	idset_release(&group->children);
	idset_release(&group->below);
	free(group);
}

void
graph_free(struct graph *g)
{
	if (g == NULL)
		return;
	for (uint32_t i = 0; i < g->count; i++) {
		idset_release(&g->nodes[i].in);
		free_group(g->nodes[i].group);
	}
	free(g->nodes);
	free(g->unused);
	free(g->index);
	free(g->changed);
	free(g);
}

static void *
copied(const void *p, size_t count, size_t size)
{
	void *to = resized(NULL, count + 1, size);

	if (count > 0)
		memcpy(to, p, count * size);
	return to;
}

/* Room for so many nodes, with those of before in it; on lines of their own, which realloc() would not keep. */
static void
move_nodes(struct graph *g, const struct node *before, uint32_t room)
{
	struct node *nodes = aligned_alloc(CACHE_LINE, (size_t)room * sizeof(*nodes));

	if (nodes == NULL)
		abort();
	if (g->count > 0)
		memcpy(nodes, before, g->count * sizeof(*nodes));
	g->nodes = nodes;
	g->room = room;
}

static void
grow_nodes(struct graph *g)
{
	struct node *before = g->nodes;

	move_nodes(g, before, g->room + g->room / 2 + FIRST_ROOM);
	free(before);
}

static struct group *
copy_group(const struct group *group)
{
	struct group *copy;

	if (group == NULL)
		return NULL;
	copy = copied(group, 1, sizeof(*group));
	copy->children = idset_copy(&group->children);
	copy->below = idset_copy(&group->below);
	return copy;
}

struct graph *
graph_copy(const struct graph *g)
{
	struct graph *copy = copied(g, 1, sizeof(*g));

	copy->nodes = NULL;
	copy->room = 0;
	move_nodes(copy, g->nodes, g->count + 1);
	for (uint32_t i = 0; i < g->count; i++) {
		copy->nodes[i].in = idset_copy(&g->nodes[i].in);
		copy->nodes[i].group = copy_group(g->nodes[i].group);
	}
	copy->unused = copied(g->unused, g->unused_count, sizeof(*g->unused));
	copy->unused_room = g->unused_count + 1;
	copy->index = copied(g->index, (size_t)g->mask + 1, sizeof(*g->index));
	copy->changed = copied(g->changed, g->changed_count, sizeof(*g->changed));
	copy->changed_room = g->changed_count + 1;
	return copy;
}

/* ---- Nodes ---- */

static uint32_t
new_node(struct graph *g, const struct roster_id *id)
{
	uint32_t at;

	if (g->unused_count > 0) {
		at = g->unused[--g->unused_count];
	} else {
		if (g->count == g->room)
			grow_nodes(g);
		at = g->count++;
	}
	g->nodes[at] = (struct node){ .id = *id };
	if ((uint64_t)(g->count - g->unused_count) * 2 > g->mask)
		build_index(g, 2 * (g->mask + 1));
	index_node(g, at);
	return at;
}

static void
become_child(struct graph *g, uint32_t of, uint32_t at)
{
	if (idset_add(&g->nodes[of].group->children, at))
		push(&g->changed, &g->changed_count, &g->changed_room, of);
}

static void
become_group(struct graph *g, uint32_t at)
{
	struct group *group = calloc(1, sizeof(*group));

	if (group == NULL)
		abort();
	g->nodes[at].group = group;
	g->counts.groups++;
	g->counts.users--;
	for (uint32_t i = 0; i < g->nodes[at].in.count; i++)
		become_child(g, idset_all(&g->nodes[at].in)[i], at);
}

/* A group that comes back holds nobody, whatever it held before. */
static void
come_back(struct graph *g, uint32_t at)
{
	struct group *group = g->nodes[at].group;

	for (uint32_t i = 0; i < g->count && group->held > 0; i++)
		if (idset_remove(&g->nodes[i].in, at))
			group->held--;
	group->gone = false;
	g->counts.groups++;
}

/* The node, made where there is none: memberships may be told before their members are. */
static uint32_t
have_node(struct graph *g, const struct roster_id *id, bool is_group)
{
	uint32_t at = find(g, id);

	if (at == NOBODY) {
		at = new_node(g, id);
		g->counts.users++;
	}
	if (is_group && g->nodes[at].group == NULL)
		become_group(g, at);
	if (g->nodes[at].group != NULL && g->nodes[at].group->gone)
		come_back(g, at);
	return at;
}

static void
free_node(struct graph *g, uint32_t at)
{
	struct node *n = &g->nodes[at];

	unindex(g, &n->id);
	idset_release(&n->in);
	free_group(n->group);
	*n = (struct node){ .group = NULL };
	push(&g->unused, &g->unused_count, &g->unused_room, at);
}

/* ---- Edges ---- */

static void
cut(struct graph *g, uint32_t group, uint32_t member)
{
	struct group *of = g->nodes[group].group;

	if (!idset_remove(&g->nodes[member].in, group))
		return;
	g->counts.memberships -= !of->gone;
	if (g->nodes[member].group != NULL && idset_remove(&of->children, member))
		push(&g->changed, &g->changed_count, &g->changed_room, group);
	if (--of->held == 0 && of->gone)
		free_node(g, group);
}

/* All that it is in. */
static void
cut_above(struct graph *g, uint32_t at)
{
	while (g->nodes[at].in.count > 0)
		cut(g, idset_all(&g->nodes[at].in)[0], at);
}

void
graph_add(struct graph *g, const struct roster_id *group, const struct roster_id *member, bool is_group)
{
	uint32_t of = have_node(g, group, true), at = have_node(g, member, is_group);

	if (!idset_add(&g->nodes[at].in, of))
		return;
	g->nodes[of].group->held++;
	g->counts.memberships++;
	if (g->nodes[at].group != NULL)
		become_child(g, of, at);
}

void
graph_remove(struct graph *g, const struct roster_id *group, const struct roster_id *member)
{
	uint32_t of = find(g, group), at = find(g, member);

	if (of != NOBODY && at != NOBODY && g->nodes[of].group != NULL)
		cut(g, of, at);
}

void
graph_put(struct graph *g, const struct roster_id *id, bool is_group)
{
	(void)have_node(g, id, is_group);
}

static void
group_gone(struct graph *g, uint32_t at)
{
	struct group *group = g->nodes[at].group;

	group->gone = true;
	g->counts.groups--;
	g->counts.memberships -= group->held;
	/* Its last one may take the node with it. */
	group->held++;
	while (group->children.count > 0)
		cut(g, at, idset_all(&group->children)[0]);
	if (--group->held == 0)
		free_node(g, at);
}

void
graph_gone(struct graph *g, const struct roster_id *id)
{
	uint32_t at = find(g, id);

	if (at == NOBODY || (g->nodes[at].group != NULL && g->nodes[at].group->gone))
		return;
	cut_above(g, at);
	if (g->nodes[at].group != NULL) {
		group_gone(g, at);
	} else {
		g->counts.users--;
		free_node(g, at);
	}
}

/* ---- What is below ---- */

/* Marks the groups that hold this one, at any depth, and itself; `found` gets them. */
static void
mark_above(struct graph *g, uint32_t at, struct idset *found)
{
	struct node *n = &g->nodes[at];

	if (n->group == NULL || n->group->mark == g->mark)
		return;
	n->group->mark = g->mark;
	(void)idset_add(found, at);
	for (uint32_t i = 0; i < n->in.count; i++)
		mark_above(g, idset_all(&n->in)[i], found);
}

static void
gather_below(const struct graph *g, uint32_t at, struct idset *below)
{
	const struct idset *children = &g->nodes[at].group->children;

	for (uint32_t i = 0; i < children->count; i++)
		if (idset_add(below, idset_all(children)[i]))
			gather_below(g, idset_all(children)[i], below);
}

void
graph_settle(struct graph *g)
{
	struct idset found = { 0 };

	g->mark++;
	for (uint32_t i = 0; i < g->changed_count; i++)
		mark_above(g, g->changed[i], &found);
	g->changed_count = 0;
	for (uint32_t i = 0; i < found.count; i++) {
		uint32_t at = idset_all(&found)[i];

		idset_release(&g->nodes[at].group->below);
		gather_below(g, at, &g->nodes[at].group->below);
	}
	idset_release(&found);
}

/* ---- Questions ---- */

bool
graph_knows(const struct graph *g, const struct roster_id *id)
{
	uint32_t at = find(g, id);

	return at != NOBODY && (g->nodes[at].group == NULL || !g->nodes[at].group->gone);
}

bool
graph_has(const struct graph *g, const struct roster_id *group, const struct roster_id *member, bool direct)
{
	uint32_t of = find(g, group), at = find(g, member);
	const struct group *holder;

	if (of == NOBODY || at == NOBODY || (holder = g->nodes[of].group) == NULL || holder->gone)
		return false;
	if (idset_has(&g->nodes[at].in, of))
		return true;
	return !direct && holder->below.count > 0 && idset_meet(&g->nodes[at].in, &holder->below);
}

struct graph_counts
graph_counts(const struct graph *g)
{
	return g->counts;
}
