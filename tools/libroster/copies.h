/* Two copies of a graph: readers have one, the writer the other, and then they change places. Readers never wait, not even for a change of
 * a million memberships, and see each change whole. The writer waits for readers that are inside, some hundred nanoseconds. */
#ifndef LIBROSTER_COPIES_H
#define LIBROSTER_COPIES_H

#include <stdalign.h>
#include <stdatomic.h>

#include "tools/libroster/graph.h"

enum { READER_LINES = 16 };

/* Counts of those inside, apart from each other, so that threads on different cores do not fight for one line. */
struct readers {
	alignas(CACHE_LINE) _Atomic uint32_t inside[2];
};

struct copies {
	struct graph *side[2];
	_Atomic unsigned shown; /* the side for readers */
	_Atomic unsigned gate;  /* the count that those who come now are in */
	struct readers lines[READER_LINES];
};

struct visit {
	_Atomic uint32_t *inside;
};

/* What is read between enter and leave stays as it is. */
const struct graph *copies_enter(struct copies *c, struct visit *visit);
static inline void
copies_leave(struct visit *visit)
{
	atomic_fetch_sub_explicit(visit->inside, 1, memory_order_release);
}

void copies_init(struct copies *c);
void copies_release(struct copies *c);
/* Changes both, by calling change once for each; readers see the second state when it returns. */
void copies_change(struct copies *c, void (*change)(struct graph *g, void *arg), void *arg);
/* Takes g in the place of what was there. */
void copies_replace(struct copies *c, struct graph *g);

#endif
