/* Who is in which group: what a mirror keeps of it. One writer; any number of readers while nobody writes (mirror.c sees to that).
 *
 * A user or group is a node; each node has the set of groups that hold it directly, and each group the set of all groups below it
 * (nested in it at any depth). So a nested membership is two sets that meet, the smaller one walked and the larger one searched. */
#ifndef LIBROSTER_GRAPH_H
#define LIBROSTER_GRAPH_H

#include "tools/libroster/roster.h"

enum { CACHE_LINE = 64 };

struct graph;

struct graph *graph_new(void);
void graph_free(struct graph *g);
struct graph *graph_copy(const struct graph *g);

/* Changes; each of them may be made twice. graph_settle() ends a row of them, before anybody reads. */
void graph_put(struct graph *g, const struct roster_id *id, bool is_group);
void graph_gone(struct graph *g, const struct roster_id *id);
void graph_add(struct graph *g, const struct roster_id *group, const struct roster_id *member, bool is_group);
void graph_remove(struct graph *g, const struct roster_id *group, const struct roster_id *member);
void graph_settle(struct graph *g);

bool graph_knows(const struct graph *g, const struct roster_id *id);
bool graph_has(const struct graph *g, const struct roster_id *group, const struct roster_id *member, bool direct);

struct graph_counts {
	uint64_t users, groups, memberships;
};

struct graph_counts graph_counts(const struct graph *g);

#endif
