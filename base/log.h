/* Structured log: one line an event, logfmt (`ts=… level=info event=listen url=…`), to stderr.
 *
 * Lines are written with one write(2) each, so threads do not mix. Values are quoted and escaped
 * when they need it. No secret is ever passed in: neither a token, a password nor a body. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/buf.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log_field {
	const char *key;
	struct slice text; /* used when text.p is not NULL */
	int64_t number;
};

#define LOG_STR(key, s) ((struct log_field){ (key), slice_of(s), 0 })
#define LOG_SLICE(key, s) ((struct log_field){ (key), (s), 0 })
#define LOG_NUM(key, n) ((struct log_field){ (key), { NULL, 0 }, (int64_t)(n) })

/* Lines above this level are dropped; LOG_INFO at start. May be called at any time. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n);

/* For who logs very often: appends the line to a buffer instead, to be written with others by log_flush(), which empties it. */
void log_append(struct buf *to, enum log_level level, const char *event, const struct log_field *fields,
	size_t n);
void log_flush(struct buf *lines);

#define log_event(level, event, ...) \
	do { \
		if (log_enabled(level)) { \
			const struct log_field log_fields_[] = { __VA_ARGS__ }; \
			log_write((level), (event), log_fields_, \
				sizeof(log_fields_) / sizeof(log_fields_[0])); \
		} \
	} while (0)

#endif
