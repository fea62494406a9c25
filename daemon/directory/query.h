/* Finding resources: filter, sort and page over the indexes (RFC 7644 section 3.4.2, RFC 9865).
 *
 * A query picks the cheapest source of candidates that the filter allows (an id, an index entry, a group's edges, a range of an
 * index, all rows), tests each candidate against the whole filter, and gives rows. What no index serves is a
 * bounded scan: TOO_MANY at the bound. The members and groups that a filter looks at count as well. */
#ifndef DAEMON_DIRECTORY_QUERY_H
#define DAEMON_DIRECTORY_QUERY_H

#include "daemon/directory/subject.h"

/* Where a page ended: the next one begins behind it. The order of a query is by (stage, key, row). */
struct query_position {
	unsigned char stage; /* resources with a sort value and those without come in two stages */
	struct slice key;
	uint64_t row;
};

struct query {
	const struct resource_type *type;
	const struct filter *filter; /* NULL: all */
	const struct attr *sort;     /* NULL: the source's own order, which is stable */
	bool descending;
	uint32_t space; /* whose externalId */
	const struct subject *by; /* sees some of them: the others are not there; NULL: sees all */
	int64_t now;              /* ticks, for what is read with the clock */

	bool by_cursor;
	const struct query_position *after; /* by cursor: NULL for the first page */
	uint64_t skip;                      /* by index: startIndex - 1 */
	size_t count;                       /* at most so many rows; 0: the total alone */
	uint64_t quick; /* gives up after about so many resources (gave_up); 0: goes on to the scan limit */
};

struct query_page {
	uint64_t *rows; /* in the arena */
	size_t count;
	struct query_position *positions; /* by cursor: of each row, as `after` of the page behind it */
	bool total_known; /* always by index */
	uint64_t total;
	bool more; /* by cursor: next is set */
	bool gave_up; /* nothing else is set: ask again without `quick`, where it may take its time */
	struct query_position next;
};

/* The attribute that a list of a type is sorted by. INVALID_VALUE: none of this name, or one that can't sort. */
enum rc query_sort(const struct resource_type *type, struct slice name, const struct attr **out, struct err *err)
	MUSTCHECK;

enum rc query_run(const struct directory *d, struct orgtx *o, struct arena *a, const struct query *q,
	struct query_page *out, struct err *err) MUSTCHECK;

#endif
