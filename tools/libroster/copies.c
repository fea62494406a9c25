#include "tools/libroster/copies.h"

#include <sched.h>

#include "base/banned.h"

static unsigned
my_line(void)
{
	static _Atomic unsigned next;
	static _Thread_local unsigned mine; /* 0: not yet given */

	if (mine == 0)
		mine = 1 + atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % READER_LINES;
	return mine - 1;
}

/* First counted, then looked where to read: whoever changes the side afterwards finds the count. Sequentially consistent, since
 * each of the two sides writes one word and reads the other's. */
const struct graph *
copies_enter(struct copies *c, struct visit *visit)
{
	visit->inside = &c->lines[my_line()].inside[atomic_load(&c->gate)];
	atomic_fetch_add(visit->inside, 1);
	return c->side[atomic_load(&c->shown)];
}

static void
wait_empty(struct copies *c, unsigned gate)
{
	for (unsigned i = 0; i < READER_LINES; i++)
		while (atomic_load(&c->lines[i].inside[gate]) != 0)
			(void)sched_yield();
}

/* Shows the other side. Those who came by the old gate may be on either side; those who come by the new one, once it is empty of
 * older ones and open, are on the new side. */
static void
turn_round(struct copies *c)
{
	unsigned old = atomic_load(&c->gate);

	atomic_store(&c->shown, 1 - atomic_load(&c->shown));
	wait_empty(c, 1 - old);
	atomic_store(&c->gate, 1 - old);
	wait_empty(c, old);
}

static unsigned
hidden(struct copies *c)
{
	return 1 - atomic_load(&c->shown);
}

void
copies_init(struct copies *c)
{
	*c = (struct copies){ .side = { graph_new(), graph_new() } };
}

void
copies_release(struct copies *c)
{
	graph_free(c->side[0]);
	graph_free(c->side[1]);
}

void
copies_change(struct copies *c, void (*change)(struct graph *g, void *arg), void *arg)
{
	change(c->side[hidden(c)], arg);
	turn_round(c);
	change(c->side[hidden(c)], arg);
}

void
copies_replace(struct copies *c, struct graph *g)
{
	graph_free(c->side[hidden(c)]);
	c->side[hidden(c)] = g;
	turn_round(c);
	graph_free(c->side[hidden(c)]);
	c->side[hidden(c)] = graph_copy(g);
}
