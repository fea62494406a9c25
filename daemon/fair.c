#include "daemon/fair.h"

#include <string.h>

#include "base/banned.h"

/* A turn; what an item costs until it is known; the most that a lane can owe, so that a long job of
 * the past does not shut it out for long. */
enum { TURN_US = 1000, GUESS_US = 100, DEBT_US = 200000 };

static struct fair_lane *
lane_of(struct fair *f, uint32_t lane)
{
	return &f->lanes[lane % FAIR_LANES];
}

static void
pay(struct fair_lane *l, int64_t us)
{
	l->credit -= us;
	if (l->credit < -DEBT_US)
		l->credit = -DEBT_US;
}

void
fair_init(struct fair *f)
{
	memset(f, 0, sizeof(*f));
	for (size_t i = 0; i < FAIR_LANES; i++)
		f->lanes[i].last = &f->lanes[i].first;
}

/* A lane that begins to wait comes last in the round, with a turn's credit: none is saved up. */
static void
join_round(struct fair *f, struct fair_lane *l)
{
	l->credit = (l->credit < 0 ? l->credit : 0) + TURN_US;
	if (f->round == NULL) {
		l->next = l;
	} else {
		l->next = f->round->next;
		f->round->next = l;
	}
	f->round = l;
}

static void
count_in(struct fair *f, struct fair_lane *l)
{
	f->count++;
	if (l->count++ == 0)
		join_round(f, l);
}

void
fair_put(struct fair *f, struct fair_item *item)
{
	struct fair_lane *l = lane_of(f, item->lane);

	item->next = NULL;
	*l->last = item;
	l->last = &item->next;
	count_in(f, l);
}

void
fair_put_back(struct fair *f, struct fair_item *item)
{
	struct fair_lane *l = lane_of(f, item->lane);

	item->next = l->first;
	if (l->first == NULL)
		l->last = &item->next;
	l->first = item;
	count_in(f, l);
	pay(l, -GUESS_US);
}

/* before: the lane before it in the round. */
static void
count_out(struct fair *f, struct fair_lane *l, struct fair_lane *before)
{
	f->count--;
	if (--l->count > 0)
		return;
	before->next = l->next;
	if (f->round == l)
		f->round = before == l ? NULL : before;
}

struct fair_item *
fair_take(struct fair *f)
{
	struct fair_lane *l;
	struct fair_item *item;

	if (f->round == NULL)
		return NULL;
	while ((l = f->round->next)->credit <= 0 && l != f->round) {
		l->credit += TURN_US;
		f->round = l;
	}
	item = l->first;
	l->first = item->next;
	if (l->first == NULL)
		l->last = &l->first;
	pay(l, GUESS_US);
	count_out(f, l, f->round);
	item->next = NULL;
	return item;
}

void
fair_remove(struct fair *f, struct fair_item *item)
{
	struct fair_lane *l = lane_of(f, item->lane), *before = f->round;
	struct fair_item **at = &l->first;

	while (*at != item)
		at = &(*at)->next;
	if ((*at = item->next) == NULL)
		l->last = at;
	item->next = NULL;
	while (before->next != l)
		before = before->next;
	count_out(f, l, before);
}

void
fair_charge(struct fair *f, uint32_t lane, int64_t us)
{
	pay(lane_of(f, lane), us - GUESS_US);
}

size_t
fair_waiting(const struct fair *f, uint32_t lane)
{
	return f->lanes[lane % FAIR_LANES].count;
}
