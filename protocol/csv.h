/* CSV as RFC 4180 describes it: one record at a time, from bytes that may go on later. Pure.
 *
 * Lines end with LF or CRLF. A field in quotes may hold separators, line breaks and, doubled, quotes; a
 * quote anywhere else is a mistake, as is text behind a closing quote. Spaces belong to fields. */
#ifndef PROTOCOL_CSV_H
#define PROTOCOL_CSV_H

#include "base/buf.h"
#include "base/err.h"

enum { CSV_RECORD_MAX = 8 << 20, CSV_FIELDS_MAX = 4096 };

/* A record: its fields in order. Used again for the next one; zero to begin. */
struct csv_row {
	struct buf text;
	size_t ends[CSV_FIELDS_MAX];
	size_t count;
};

void csv_row_release(struct csv_row *row);
struct slice csv_field(const struct csv_row *row, size_t n);

enum csv_result { CSV_RECORD, CSV_MORE, CSV_BAD };

/* The record at the front of `in`; last: nothing comes behind. CSV_RECORD: *used bytes with *lines line ends were
 * taken. CSV_MORE: it goes on behind `in` (or, when last, there is none). CSV_BAD: err says why, *lines how many lines
 * before the mistake's. An empty line is a record of one empty field. */
enum csv_result csv_next(struct slice in, bool last, char separator, struct csv_row *row, size_t *used,
	unsigned *lines, struct err *err);

#endif
