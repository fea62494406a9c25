#include "protocol/csv.h"

#include "base/banned.h"

void
csv_row_release(struct csv_row *row)
{
	buf_release(&row->text);
	row->count = 0;
}

struct slice
csv_field(const struct csv_row *row, size_t n)
{
	size_t from = n > 0 ? row->ends[n - 1] : 0;

	return (struct slice){ row->text.p + from, row->ends[n] - from };
}

/* A walk over one record. */
struct walk {
	struct slice in;
	size_t at;
	unsigned lines;
	bool last;
	char separator;
	struct csv_row *row;
	struct err *err;
};

static enum csv_result
bad(struct walk *w, const char *why)
{
	(void)fail(w->err, RC_INVALID_SYNTAX, "", "%s", why);
	return CSV_BAD;
}

static bool
is_end(const struct walk *w)
{
	char c = w->in.p[w->at];

	return c == w->separator || c == '\n' || c == '\r';
}

/* Behind the opening quote. */
static enum csv_result
take_quoted(struct walk *w)
{
	for (; w->at < w->in.len; w->at++) {
		char c = w->in.p[w->at];

		w->lines += c == '\n';
		if (c != '"') {
			buf_char(&w->row->text, c);
			continue;
		}
		if (w->at + 1 == w->in.len && !w->last)
			return CSV_MORE; /* a quote may follow */
		if (w->at + 1 < w->in.len && w->in.p[w->at + 1] == '"') {
			buf_char(&w->row->text, '"');
			w->at++;
			continue;
		}
		w->at++;
		return w->at == w->in.len || is_end(w) ? CSV_RECORD : bad(w, "text stands behind a closing quote");
	}
	return w->last ? bad(w, "a field in quotes does not end") : CSV_MORE;
}

static enum csv_result
take_plain(struct walk *w)
{
	for (; w->at < w->in.len && !is_end(w); w->at++) {
		if (w->in.p[w->at] == '"')
			return bad(w, "a quote stands in a field that does not begin with one");
		buf_char(&w->row->text, w->in.p[w->at]);
	}
	return CSV_RECORD;
}

/* The end of a field: a separator (*more), a line's end, or the end of all. */
static enum csv_result
take_end(struct walk *w, bool *more)
{
	*more = false;
	if (w->at == w->in.len)
		return w->last ? CSV_RECORD : CSV_MORE;
	if (w->in.p[w->at] == w->separator) {
		w->at++;
		*more = true;
		return CSV_RECORD;
	}
	if (w->in.p[w->at] == '\r') {
		if (++w->at == w->in.len)
			return w->last ? CSV_RECORD : CSV_MORE;
		if (w->in.p[w->at] != '\n')
			return bad(w, "a carriage return stands without a line feed");
	}
	w->at++;
	w->lines++;
	return CSV_RECORD;
}

static enum csv_result
take_field(struct walk *w, bool *more)
{
	enum csv_result r;

	if (w->row->count == CSV_FIELDS_MAX)
		return bad(w, "a record has too many fields");
	if (w->at < w->in.len && w->in.p[w->at] == '"') {
		w->at++;
		r = take_quoted(w);
	} else {
		r = take_plain(w);
	}
	if (r == CSV_RECORD && (r = take_end(w, more)) == CSV_RECORD)
		w->row->ends[w->row->count++] = w->row->text.len;
	return r;
}

enum csv_result
csv_next(struct slice in, bool last, char separator, struct csv_row *row, size_t *used, unsigned *lines,
	struct err *err)
{
	struct walk w = { .in = in, .last = last, .separator = separator, .row = row, .err = err };
	enum csv_result r = CSV_RECORD;
	bool more = true;

	buf_clear(&row->text);
	row->count = 0;
	*lines = 0;
	if (in.len == 0)
		return CSV_MORE;
	while (r == CSV_RECORD && more)
		r = take_field(&w, &more);
	*used = w.at;
	*lines = w.lines;
	if (r == CSV_MORE && in.len > CSV_RECORD_MAX)
		return bad(&w, "a record is longer than 8 MiB");
	return r;
}
