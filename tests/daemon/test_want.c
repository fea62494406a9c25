/* An event that is waited for from now on comes, whatever it was before. */
#include "tests/daemon/check.h"

#include <unistd.h>

#include "daemon/conn.h"

static unsigned came;

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	came++;
}

/* Writable all the time. */
static unsigned
times_it_comes(bool active_before)
{
	struct event_base *base = event_base_new();
	struct event ev;
	bool on = false;
	int pipes[2];

	if (pipe(pipes) != 0)
		failed("no pipe");
	(void)event_assign(&ev, base, pipes[1], EV_WRITE | EV_PERSIST, on_event, NULL);
	if (active_before)
		event_active(&ev, EV_WRITE, 0);
	worker_want(&ev, &on, true);
	came = 0;
	for (int i = 0; i < 3; i++)
		(void)event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	worker_want(&ev, &on, false);
	(void)event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	event_base_free(base);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
	return came;
}

static void
comes_each_time(void **state)
{
	(void)state;
	assert_int_equal(times_it_comes(false), 3);
}

static void
comes_though_it_was_active(void **state)
{
	(void)state;
	assert_int_equal(times_it_comes(true), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(comes_each_time), cmocka_unit_test(comes_though_it_was_active) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
