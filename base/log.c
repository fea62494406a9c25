#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

#include "base/banned.h"

static _Atomic int threshold = LOG_INFO;

void
log_set_level(enum log_level level)
{
	atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

bool
log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&threshold, memory_order_relaxed);
}

static void
put_time(struct buf *b)
{
	struct timespec now;
	struct tm tm;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	buf_printf(b, "ts=%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900, tm.tm_mon + 1,
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000);
}

static bool
is_plain(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
			return false;
	}
	return s.len > 0;
}

void
log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	struct buf b = BUF_INIT;

	put_time(&b);
	buf_printf(&b, " level=%s event=%s", names[level], event);
	for (size_t i = 0; i < n; i++) {
		buf_printf(&b, " %s=", fields[i].key);
		if (fields[i].text.p == NULL)
			buf_i64(&b, fields[i].number);
		else if (is_plain(fields[i].text))
			buf_slice(&b, fields[i].text);
		else
			buf_json_string(&b, fields[i].text);
	}
	buf_char(&b, '\n');
	/* A log that cannot be written is no reason to stop serving. */
	if (write(STDERR_FILENO, b.p, b.len) < 0) {
	}
	buf_release(&b);
}
