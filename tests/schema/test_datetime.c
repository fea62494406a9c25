#include "common.h"

/* Instants computed apart from this code. */
static const struct {
	const char *in, *out; /* out: NULL when the same */
	int64_t ticks;
} instants[] = {
	{ "0001-01-01T00:00:00Z", NULL, -621355968000000000 },
	{ "1900-02-28T23:59:59Z", NULL, -22038912010000000 },
	{ "1969-12-31T23:59:59.9999999Z", NULL, -1 },
	{ "1970-01-01T00:00:00Z", NULL, 0 },
	{ "2000-02-29T12:00:00Z", NULL, 9518256000000000 },
	{ "2011-08-01T21:32:44.882Z", NULL, 13122343648820000 },
	{ "2024-02-29T23:59:59.5Z", "2024-02-29T23:59:59.500Z", 17092511995000000 },
	{ "9999-12-31T23:59:59.9999999Z", NULL, 2534023007999999999 },
	{ "2026-03-01T00:30:00+01:00", "2026-02-28T23:30:00Z", 17723214000000000 },
	{ "2026-02-28T15:30:00-08:00", "2026-02-28T23:30:00Z", 17723214000000000 },
	{ "2026-02-28T23:30:00", "2026-02-28T23:30:00Z", 17723214000000000 },
	{ "2026-02-28T23:30:00-00:00", "2026-02-28T23:30:00Z", 17723214000000000 },
	{ "2026-03-01T13:30:00+14:00", "2026-02-28T23:30:00Z", 17723214000000000 },
	{ "2026-02-28T23:30:00.12345678912Z", "2026-02-28T23:30:00.1234567Z", 17723214001234567 },
	{ "2026-02-28T23:30:00.0000001Z", NULL, 17723214000000001 },
	{ "2026-02-28T23:30:00.1230Z", "2026-02-28T23:30:00.123Z", 17723214001230000 },
	{ "2026-02-28T23:30:00.000Z", "2026-02-28T23:30:00Z", 17723214000000000 },
};

static const char *const refused[] = {
	"",
	"2026",
	"2026-02-28",
	"2026-02-28T",
	"2026-02-28T23:30",
	"2026-02-28T23:30:00.",
	"2026-02-28T23:30:00.Z",
	"2026-02-30T00:00:00Z",
	"2026-02-29T00:00:00Z",
	"1900-02-29T00:00:00Z",
	"2026-04-31T00:00:00Z",
	"2026-13-01T00:00:00Z",
	"2026-00-01T00:00:00Z",
	"2026-01-00T00:00:00Z",
	"2026-01-32T00:00:00Z",
	"2026-01-01T24:00:00Z",
	"2026-01-01T23:60:00Z",
	"2026-01-01T23:59:60Z",
	"0000-01-01T00:00:00Z",
	"-0001-01-01T00:00:00Z",
	"12026-01-01T00:00:00Z",
	"2026-1-01T00:00:00Z",
	"2026-01-01 00:00:00Z",
	"2026-01-01T00:00:00z",
	"2026-01-01T00:00:00+0100",
	"2026-01-01T00:00:00+1",
	"2026-01-01T00:00:00+14:01",
	"2026-01-01T00:00:00+15:00",
	"2026-01-01T00:00:00+01:60",
	"2026-01-01T00:00:00ZZ",
	"2026-01-01T00:00:00Z ",
	" 2026-01-01T00:00:00Z",
	"2026-01-01T00:00:00,5Z",
	"20260101T000000Z",
	"2026-01-01T00:00:00 +01:00",
	"0001-01-01T00:00:00+00:01",
	"9999-12-31T23:59:59-00:01",
	"2026-01-01T00:00:0\xd9\xa0Z",
};

static void
instants_are_read_and_written(void **state)
{
	char out[DATETIME_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(instants) / sizeof(instants[0]); i++) {
		const char *want = instants[i].out != NULL ? instants[i].out : instants[i].in;
		int64_t ticks = 1;

		if (!datetime_parse(slice_of(instants[i].in), &ticks) || ticks != instants[i].ticks)
			fail_msg("%s gives %lld", instants[i].in, (long long)ticks);
		assert_slice(((struct slice){ out, datetime_format(ticks, out) }), want);
	}
}

static void
what_is_no_instant_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		int64_t ticks;

		if (datetime_parse(slice_of(refused[i]), &ticks))
			fail_msg("\"%s\" passes", refused[i]);
	}
}

static void
each_instant_survives_its_text(void **state)
{
	const int64_t first = -621355968000000000, last = 2534023007999999999;
	uint64_t seed = 7;
	char out[DATETIME_MAX], before[DATETIME_MAX] = "";

	(void)state;
	for (int i = 0; i < 100000; i++) {
		int64_t ticks = first + (int64_t)(dice(&seed) % (uint64_t)(last - first + 1)),
			again;
		size_t len;

		if (i % 3 == 0)
			ticks -= ticks % 10000000;
		len = datetime_format(ticks, out);
		assert_true(len < DATETIME_MAX);
		assert_true(datetime_parse((struct slice){ out, len }, &again));
		assert_int_equal(again, ticks);
	}
	for (int64_t day = first; day < first + 800LL * 366 * 864000000000; day += 864000000000) {
		size_t len = datetime_format(day, out);

		out[len] = '\0';
		assert_true(strcmp(before, out) < 0); /* texts of one length rise with the days */
		memcpy(before, out, sizeof(before));
	}
}

static void
damaged_times_are_written_within_bounds(void **state)
{
	char out[DATETIME_MAX];

	(void)state;
	assert_true(datetime_format(INT64_MIN, out) <= DATETIME_MAX);
	assert_true(datetime_format(INT64_MAX, out) <= DATETIME_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instants_are_read_and_written),
		cmocka_unit_test(what_is_no_instant_is_refused),
		cmocka_unit_test(each_instant_survives_its_text),
		cmocka_unit_test(damaged_times_are_written_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
