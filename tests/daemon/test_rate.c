/* Rates on a clock of our own. */
#include "tests/daemon/check.h"

#include <pthread.h>

#include "daemon/rate.h"

static const int64_t SECOND_US = 1000000;

static struct caller
caller(uint32_t org, uint32_t token)
{
	return (struct caller){ .org = org, .token_org = org, .token = token };
}

/* How many of n requests at one moment pass. */
static unsigned
take(struct rate *r, struct caller c, unsigned n, int64_t now_us)
{
	unsigned passed = 0;
	int wait;

	while (n-- > 0)
		passed += rate_take(r, &c, now_us, &wait);
	return passed;
}

static void
a_burst_then_the_rate(void **state)
{
	struct rate_limits limits = { 10, 25, 0, 1, 0, 1 };
	struct rate *r = rate_new(&limits);

	(void)state;
	assert_int_equal(take(r, caller(1, 1), 100, 0), 25);
	assert_int_equal(take(r, caller(1, 1), 100, SECOND_US), 10);
	assert_int_equal(take(r, caller(1, 1), 100, SECOND_US + SECOND_US / 10), 1);
	/* A long pause gives the burst, not more. */
	assert_int_equal(take(r, caller(1, 1), 100, 100 * SECOND_US), 25);
	rate_free(r);
}

/* How many of n requests of an address at one moment pass. */
static unsigned
take_address(struct rate *r, const char *peer, unsigned n)
{
	unsigned passed = 0;
	int wait;

	while (n-- > 0)
		passed += rate_take_address(r, peer, 0, &wait);
	return passed;
}

static void
an_address_has_a_rate_of_its_own(void **state)
{
	struct rate_limits limits = { .token = 10, .token_burst = 25, .address = 1, .address_burst = 3 };
	struct rate *r = rate_new(&limits);

	(void)state;
	assert_int_equal(take_address(r, "192.0.2.1:4711", 2), 2);
	assert_int_equal(take_address(r, "192.0.2.1:4712", 5), 1); /* the port is no other client */
	assert_int_equal(take_address(r, "192.0.2.2:4711", 5), 3);
	assert_int_equal(take_address(r, "[2001:db8::1]:80", 5), 3);
	assert_int_equal(take_address(r, "[2001:db8::ffff]:80", 5), 0); /* the same network */
	assert_int_equal(take_address(r, "[2001:db8:0:1::1]:80", 5), 3);
	assert_int_equal(take_address(r, "[::ffff:192.0.2.7]:80", 5), 3);
	assert_int_equal(take_address(r, "[::ffff:192.0.2.8]:80", 5), 3);
	assert_int_equal(take(r, caller(1, 1), 100, 0), 25); /* tokens are counted by themselves */
	rate_free(r);
}

static void
retry_after_is_when_there_is_room(void **state)
{
	struct rate_limits limits = { 1, 5, 0, 1, 0, 1 };
	struct rate *r = rate_new(&limits);
	struct caller c = caller(1, 1);
	int wait = 0;

	(void)state;
	assert_int_equal(take(r, c, 5, 0), 5);
	assert_false(rate_take(r, &c, 0, &wait));
	assert_int_equal(wait, 1);
	assert_false(rate_take(r, &c, SECOND_US / 2, &wait));
	assert_int_equal(wait, 1);
	assert_true(rate_take(r, &c, SECOND_US, &wait));
	rate_free(r);
}

static void
tokens_do_not_share_but_their_org_does(void **state)
{
	struct rate_limits limits = { 10, 10, 20, 15, 0, 1 };
	struct rate *r = rate_new(&limits);

	(void)state;
	assert_int_equal(take(r, caller(1, 1), 100, 0), 10);
	assert_int_equal(take(r, caller(1, 2), 100, 0), 5); /* the org's 15 are used up */
	assert_int_equal(take(r, caller(2, 1), 100, 0), 10);
	/* What the org refused was not taken from the token. */
	assert_int_equal(take(r, caller(1, 2), 100, SECOND_US), 10);
	rate_free(r);
}

static void
zero_is_no_limit_and_can_be_set(void **state)
{
	struct rate_limits none = { 0, 1, 0, 1, 0, 1 }, some = { 1, 2, 0, 1, 0, 1 };
	struct rate *r = rate_new(&none);

	(void)state;
	assert_int_equal(take(r, caller(1, 1), 1000, 0), 1000);
	rate_set(r, &some);
	assert_int_equal(take(r, caller(1, 1), 1000, 0), 2);
	rate_free(r);
}

/* More callers than there are buckets: those that rest make room, and none of the busy is held up.
 */
static void
many_callers(void **state)
{
	struct rate_limits limits = { 1, 1, 0, 1, 0, 1 };
	struct rate *r = rate_new(&limits);
	unsigned passed = 0;

	(void)state;
	for (uint32_t i = 1; i <= 200000; i++)
		passed += take(r, caller(i, 1), 1, (int64_t)i * 100);
	assert_int_equal(passed, 200000);
	assert_int_equal(take(r, caller(200000, 1), 1, 200000 * 100), 0);
	rate_free(r);
}

struct load {
	struct rate *rate;
	unsigned passed;
};

static void *
load_main(void *arg)
{
	struct load *l = arg;

	l->passed = take(l->rate, caller(1, 1), 50000, 0);
	return NULL;
}

static void
threads_take_no_more_than_there_is(void **state)
{
	struct rate_limits limits = { 1000, 30000, 0, 1, 0, 1 };
	struct rate *r = rate_new(&limits);
	struct load loads[4];
	pthread_t threads[4];
	unsigned passed = 0;

	(void)state;
	for (int i = 0; i < 4; i++) {
		loads[i] = (struct load){ r, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, load_main, &loads[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		(void)pthread_join(threads[i], NULL);
		passed += loads[i].passed;
	}
	assert_int_equal(passed, 30000);
	rate_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_then_the_rate),
		cmocka_unit_test(an_address_has_a_rate_of_its_own),
		cmocka_unit_test(retry_after_is_when_there_is_room),
		cmocka_unit_test(tokens_do_not_share_but_their_org_does),
		cmocka_unit_test(zero_is_no_limit_and_can_be_set),
		cmocka_unit_test(many_callers),
		cmocka_unit_test(threads_take_no_more_than_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
