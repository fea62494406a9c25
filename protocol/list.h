/* List requests (RFC 7644 sections 3.4.2 and 3.4.3, RFC 9865): the query string and the SearchRequest body, read into the same struct;
 * the envelope of a ListResponse. */
#ifndef PROTOCOL_LIST_H
#define PROTOCOL_LIST_H

#include "base/buf.h"
#include "protocol/http.h"
#include "protocol/scim_read.h"

struct list_request {
	struct slice attributes, excluded; /* comma-separated; empty when absent */
	bool has_filter;
	struct slice filter; /* empty when absent; when given empty, only the tolerant dialect takes it for none */
	struct slice sort_by;
	bool descending;
	uint64_t start; /* startIndex, 1 or more */
	bool has_count;
	uint64_t count; /* negative ones are read as 0 (RFC 7644 section 3.4.2.4) */
	bool has_cursor;
	struct slice cursor; /* empty: the first page */
};

enum rc list_request_from_query(struct arena *a, struct slice query, struct list_request *out,
	struct err *err) MUSTCHECK;
enum rc list_request_from_json(struct arena *a, const json_t *body, struct list_request *out,
	struct err *err) MUSTCHECK;

struct list_head {
	bool has_total, by_cursor;
	uint64_t total, start;
	size_t items;
	struct slice next_cursor; /* empty: the last page */
};

/* Up to `"Resources":[`; the caller adds the resources, separated by commas, and `]}`. */
void list_write_open(struct buf *out, const struct list_head *h);

#endif
