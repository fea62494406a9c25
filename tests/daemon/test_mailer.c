/* When a mail is tried again. What the mailer does is seen by tests/system/test_mail.py. */
#include "tests/daemon/check.h"

#include "daemon/mail/mailer.h"

#include "base/banned.h"

static const int64_t SECOND = 10000000; /* ticks */

static void
waits_double_up_to_the_greatest(void **state)
{
	(void)state;
	for (uint32_t attempts = 1; attempts < 80; attempts++) {
		int64_t exact =
			attempts <= 9 ? (INT64_C(30) << (attempts - 1)) * SECOND : 14400 * SECOND;
		int64_t least = mailer_delay(30, 14400, attempts, 0);
		int64_t half = mailer_delay(30, 14400, attempts, UINT32_C(1) << 31);
		int64_t most = mailer_delay(30, 14400, attempts, UINT32_MAX);

		assert_true(exact <= 14400 * SECOND);
		assert_int_equal(least, exact / 4 * 3);
		assert_int_equal(half, exact);
		assert_true(most > half || exact == 14400 * SECOND);
		assert_true(most <= exact / 4 * 5 && most <= 14400 * SECOND);
	}
}

static void
extremes_do_not_overflow(void **state)
{
	(void)state;
	assert_int_equal(mailer_delay(1, 1, 1, UINT32_MAX), SECOND);
	assert_int_equal(mailer_delay(86400, 604800, UINT32_MAX, UINT32_MAX), 604800 * SECOND);
	assert_true(mailer_delay(1, 604800, UINT32_MAX, 0) > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_double_up_to_the_greatest),
		cmocka_unit_test(extremes_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
