/* A queue in which no org waits for all of another's work.
 *
 * Items stand in lanes, an org's in one (orgs may share a lane), and the lanes take turns. A turn
 * lasts until the lane has used up its credit, in microseconds of work (deficit round robin): what
 * its items really took is charged afterwards, so who brings dear work has it done less often. One
 * lane alone is a plain queue; within a lane items keep their order. Not thread-safe: the owner has
 * a lock. */
#ifndef DAEMON_FAIR_H
#define DAEMON_FAIR_H

#include <stdint.h>
#include <stddef.h>

enum { FAIR_LANES = 256 };

struct fair_item {
	struct fair_item *next; /* the queue's; the owner's own while the item is out of it */
	uint32_t lane;          /* any number: the org's */
};

struct fair_lane {
	struct fair_item *first, **last;
	struct fair_lane *next; /* in the round, while it has items */
	int64_t credit;
	size_t count;
};

struct fair {
	struct fair_lane lanes[FAIR_LANES];
	struct fair_lane *round; /* the one before the one whose turn it is; NULL: no items */
	size_t count;
};

void fair_init(struct fair *f);
void fair_put(struct fair *f, struct fair_item *item);
/* To the front of its lane: taken, and not worked on. */
void fair_put_back(struct fair *f, struct fair_item *item);
/* NULL: empty. */
struct fair_item *fair_take(struct fair *f);
/* One that is in the queue. */
void fair_remove(struct fair *f, struct fair_item *item);
/* What an item that was taken cost. */
void fair_charge(struct fair *f, uint32_t lane, int64_t us);
/* Items that wait in this lane. */
size_t fair_waiting(const struct fair *f, uint32_t lane);

#endif
