#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

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

/* The part up to the second is kept: a busy thread logs many lines in one. */
static void
put_time(struct buf *b)
{
	static _Thread_local char text[sizeof("ts=-2147481748-01-01T00:00:00.")];
	static _Thread_local time_t second;
	static _Thread_local int len;
	struct timespec now;
	long ms;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (len == 0 || now.tv_sec != second) {
		struct tm tm;

		(void)gmtime_r(&now.tv_sec, &tm);
		len = snprintf(text, sizeof(text), "ts=%04d-%02d-%02dT%02d:%02d:%02d.",
			tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
		second = now.tv_sec;
	}
	ms = now.tv_nsec / 1000000;
	buf_put(b, text, (size_t)len);
	buf_char(b, (char)('0' + ms / 100));
	buf_char(b, (char)('0' + ms / 10 % 10));
	buf_char(b, (char)('0' + ms % 10));
	buf_char(b, 'Z');
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
log_append(struct buf *to, enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	static const struct slice levels[] = { SLICE_INIT(" level=error event="),
		SLICE_INIT(" level=warn event="), SLICE_INIT(" level=info event="),
		SLICE_INIT(" level=debug event=") };

	put_time(to);
	buf_slice(to, levels[level]);
	buf_slice(to, slice_of(event));
	for (size_t i = 0; i < n; i++) {
		buf_char(to, ' ');
		buf_slice(to, slice_of(fields[i].key));
		buf_char(to, '=');
		if (fields[i].text.p == NULL)
			buf_i64(to, fields[i].number);
		else if (is_plain(fields[i].text))
			buf_slice(to, fields[i].text);
		else
			buf_json_string(to, fields[i].text);
	}
	buf_char(to, '\n');
}

void
log_flush(struct buf *lines)
{
	/* A log that cannot be written is no reason to stop serving. */
	if (lines->len > 0 && write(STDERR_FILENO, lines->p, lines->len) < 0) {
	}
	buf_clear(lines);
}

void
log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	struct buf b = BUF_INIT;

	log_append(&b, level, event, fields, n);
	log_flush(&b);
	buf_release(&b);
}
