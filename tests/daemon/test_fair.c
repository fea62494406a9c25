/* Turns by the work that was done. */
#include "tests/daemon/check.h"

#include <stdbool.h>

#include "daemon/fair.h"

enum { ITEMS = 2000 };

struct thing {
	struct fair_item item;
	int number;
};

static struct thing things[ITEMS];

static void
put(struct fair *f, int from, int to, uint32_t lane)
{
	for (int i = from; i < to; i++) {
		things[i] = (struct thing){ .item.lane = lane, .number = i };
		fair_put(f, &things[i].item);
	}
}

static void
one_lane_is_a_queue(void **state)
{
	static struct fair f;

	(void)state;
	fair_init(&f);
	assert_null(fair_take(&f));
	put(&f, 0, 100, 7);
	for (int i = 0; i < 100; i++) {
		struct thing *t = (struct thing *)fair_take(&f);

		assert_non_null(t);
		assert_int_equal(t->number, i);
		fair_charge(&f, 7, 100000); /* in debt, and alone: goes on */
	}
	assert_null(fair_take(&f));
	assert_int_equal(f.count, 0);
}

static void
order_stays_when_things_are_put_back(void **state)
{
	static struct fair f;
	struct fair_item *a, *b;

	(void)state;
	fair_init(&f);
	put(&f, 0, 3, 1);
	a = fair_take(&f);
	b = fair_take(&f);
	fair_put_back(&f, b);
	fair_put_back(&f, a);
	for (int i = 0; i < 3; i++)
		assert_int_equal(((struct thing *)fair_take(&f))->number, i);
	a = &things[2].item;
	fair_put_back(&f, a);
	assert_int_equal(fair_waiting(&f, 1), 1);
	assert_ptr_equal(fair_take(&f), a);
}

/* A thousand dear items of one org wait: somebody else's few cheap ones do not wait for them. */
static void
the_dear_lane_waits_for_the_cheap_one(void **state)
{
	static struct fair f;
	int64_t dear = 0;
	int cheap = 0;

	(void)state;
	fair_init(&f);
	put(&f, 0, 1000, 1);
	for (int i = 0; i < 5; i++) { /* some have run before the other comes */
		(void)fair_take(&f);
		fair_charge(&f, 1, 50000);
	}
	put(&f, 1000, 1100, 2);
	while (cheap < 100) {
		struct fair_item *item = fair_take(&f);

		assert_non_null(item);
		if (item->lane == 1)
			dear += 50000;
		else
			cheap++;
		fair_charge(&f, item->lane, item->lane == 1 ? 50000 : 100);
	}
	assert_true(dear <= 50000); /* 100 cheap ones took 10 ms */
}

static void
equal_lanes_share_alike(void **state)
{
	static struct fair f;
	int taken[3] = { 0, 0, 0 };

	(void)state;
	fair_init(&f);
	put(&f, 0, 600, 1);
	put(&f, 600, 1200, 2);
	put(&f, 1200, 1800, 3);
	for (int i = 0; i < 900; i++) {
		struct fair_item *item = fair_take(&f);

		taken[item->lane - 1]++;
		fair_charge(&f, item->lane, 200);
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(taken[i], 280, 320);
}

/* A long past does not shut a lane out for long. */
static void
debts_have_an_end(void **state)
{
	static struct fair f;
	int others = 0;

	(void)state;
	fair_init(&f);
	put(&f, 0, 10, 1);
	(void)fair_take(&f);
	fair_charge(&f, 1, INT64_C(3600) * 1000000);
	put(&f, 10, ITEMS, 2);
	while (fair_take(&f)->lane == 2) {
		fair_charge(&f, 2, 1000);
		others++;
	}
	assert_in_range(others, 1, 400);
}

/* Some of all lanes are taken out, first and last ones among them; the others come as if those had never been there. */
static void
removed_ones_do_not_come(void **state)
{
	static struct fair f;
	bool came[300] = { false };
	struct thing *t;

	(void)state;
	fair_init(&f);
	for (int lane = 0; lane < 3; lane++)
		put(&f, lane * 100, lane * 100 + 100, (uint32_t)lane);
	for (int i = 0; i < 300; i++)
		if (i % 7 == 0 || i % 100 == 99 || i / 100 == 1)
			fair_remove(&f, &things[i].item);
	put(&f, 100, 101, 1); /* a lane that became empty */
	assert_int_equal(fair_waiting(&f, 1), 1);
	while ((t = (struct thing *)fair_take(&f)) != NULL) {
		assert_false(came[t->number]);
		came[t->number] = true;
		fair_charge(&f, t->item.lane, 500);
	}
	for (int i = 0; i < 300; i++)
		assert_int_equal(came[i], i == 100 || !(i % 7 == 0 || i % 100 == 99 || i / 100 == 1));
	assert_int_equal(f.count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_lane_is_a_queue), cmocka_unit_test(removed_ones_do_not_come),
		cmocka_unit_test(order_stays_when_things_are_put_back),
		cmocka_unit_test(the_dear_lane_waits_for_the_cheap_one),
		cmocka_unit_test(equal_lanes_share_alike),
		cmocka_unit_test(debts_have_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
