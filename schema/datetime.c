#include "schema/text.h"

#include "base/banned.h"

enum {
	TICKS_PER_SECOND = 10000000,
	TICK_DIGITS = 7,
	SECONDS_PER_DAY = 86400,
	OFFSET_MAX = 14 * 60
};

/* Days since 1970-01-01 in the Gregorian calendar, carried back before its time as ISO 8601 does.
 * Years are counted from March, so that the leap day is a year's last. */
static int64_t
days_from_civil(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static void
civil_from_days(int64_t days, int *year, int *month, int *day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t day_of_era = z - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t m = (5 * day_of_year + 2) / 153;

	*day = (int)(day_of_year - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 3 : m - 9);
	*year = (int)(year_of_era + era * 400 + (*month <= 2 ? 1 : 0));
}

static int
days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* n digits off *s, within [min, max]; false is sticky for the caller's && chain. */
static bool
take_digits(struct slice *s, size_t n, int min, int max, int *out)
{
	int value = 0;

	if (s->len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		value = value * 10 + (s->p[i] - '0');
	}
	*s = slice_from(*s, n);
	*out = value;
	return value >= min && value <= max;
}

static bool
take_char(struct slice *s, char c)
{
	if (s->len == 0 || s->p[0] != c)
		return false;
	*s = slice_from(*s, 1);
	return true;
}

static bool
take_fraction(struct slice *s, int64_t *ticks)
{
	int digit;
	size_t n = 0;

	*ticks = 0;
	if (!take_char(s, '.'))
		return true;
	for (; s->len > 0 && take_digits(s, 1, 0, 9, &digit); n++) {
		if (n < TICK_DIGITS)
			*ticks = *ticks * 10 + digit;
	}
	for (size_t i = n; i < TICK_DIGITS; i++)
		*ticks *= 10;
	return n > 0;
}

/* Minutes east of UTC. */
static bool
take_offset(struct slice *s, int *minutes)
{
	bool west;
	int hour, minute;

	*minutes = 0;
	if (s->len == 0 || take_char(s, 'Z'))
		return true;
	west = s->p[0] == '-';
	if ((!west && s->p[0] != '+') || !take_char(s, s->p[0]) ||
		!take_digits(s, 2, 0, 14, &hour) || !take_char(s, ':') ||
		!take_digits(s, 2, 0, 59, &minute))
		return false;
	*minutes = (hour * 60 + minute) * (west ? -1 : 1);
	return hour * 60 + minute <= OFFSET_MAX;
}

bool
datetime_parse(struct slice s, int64_t *ticks)
{
	int year, month, day, hour, minute, second, offset;
	int64_t fraction, seconds, first, last;

	if (!take_digits(&s, 4, 1, 9999, &year) || !take_char(&s, '-') ||
		!take_digits(&s, 2, 1, 12, &month) || !take_char(&s, '-') ||
		!take_digits(&s, 2, 1, days_in_month(year, month), &day) || !take_char(&s, 'T') ||
		!take_digits(&s, 2, 0, 23, &hour) || !take_char(&s, ':') ||
		!take_digits(&s, 2, 0, 59, &minute) || !take_char(&s, ':') ||
		!take_digits(&s, 2, 0, 59, &second) || !take_fraction(&s, &fraction) ||
		!take_offset(&s, &offset) || s.len != 0)
		return false;
	seconds = days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 +
		  second - (int64_t)offset * 60;
	/* An offset must not carry the instant out of the years that can be printed. */
	first = days_from_civil(1, 1, 1) * SECONDS_PER_DAY;
	last = days_from_civil(10000, 1, 1) * SECONDS_PER_DAY - 1;
	if (seconds < first || seconds > last)
		return false;
	*ticks = seconds * TICKS_PER_SECOND + fraction;
	return true;
}

static char *
put_digits(char *to, int value, int n)
{
	for (int i = n - 1; i >= 0; i--, value /= 10)
		to[i] = (char)('0' + value % 10);
	return to + n;
}

size_t
datetime_format(int64_t ticks, char out[DATETIME_MAX])
{
	int64_t fraction = ticks % TICKS_PER_SECOND, seconds = ticks / TICKS_PER_SECOND, days, rest;
	int year, month, day, digits = TICK_DIGITS;
	char *to = out;

	if (fraction < 0) {
		fraction += TICKS_PER_SECOND;
		seconds--;
	}
	days = seconds / SECONDS_PER_DAY;
	rest = seconds % SECONDS_PER_DAY;
	if (rest < 0) {
		rest += SECONDS_PER_DAY;
		days--;
	}
	civil_from_days(days, &year, &month, &day);
	year = year < 0 ? 0 : year > 9999 ? 9999 : year; /* only damaged bytes hold others */
	to = put_digits(to, year, 4);
	*to++ = '-';
	to = put_digits(to, month, 2);
	*to++ = '-';
	to = put_digits(to, day, 2);
	*to++ = 'T';
	to = put_digits(to, (int)(rest / 3600), 2);
	*to++ = ':';
	to = put_digits(to, (int)(rest / 60 % 60), 2);
	*to++ = ':';
	to = put_digits(to, (int)(rest % 60), 2);
	if (fraction != 0) {
		*to++ = '.';
		for (; digits > 3 && fraction % 10 == 0; digits--)
			fraction /= 10;
		to = put_digits(to, (int)fraction, digits);
	}
	*to++ = 'Z';
	return (size_t)(to - out);
}
