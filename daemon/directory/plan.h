/* Sources of candidates for a query, and the choice among them. */
#ifndef DAEMON_DIRECTORY_PLAN_H
#define DAEMON_DIRECTORY_PLAN_H

#include "daemon/directory/directory.h"

enum source_kind {
	CANDIDATES_NONE,  /* nothing can match */
	CANDIDATES_LIST,  /* rows in hand, rising */
	CANDIDATES_ROWS,  /* all rows of the type, rising */
	CANDIDATES_KEY,   /* rows with one key of an index, rising */
	CANDIDATES_EDGES, /* rows at the other end of a row's edges, rising */
	CANDIDATES_RANGE, /* a range of an index, by (key, row) */
};

struct source {
	enum source_kind kind;
	const struct resource_type *type;
	const struct attr *attr;     /* KEY, RANGE: whose index */
	struct slice key;            /* KEY */
	struct slice lower, upper;   /* RANGE: bounds, inclusive; upper.p NULL: none */
	bool backward;               /* RANGE */
	enum edge_direction direction; /* EDGES */
	uint64_t row;                  /* EDGES */
	uint64_t *list;
	size_t list_count;

	uint64_t estimate; /* how many candidates, for the choice */
	bool exact;        /* each candidate matches the whole filter, and estimate is their number */

	/* The walk. */
	bool resumed;
	struct slice after_key;
	uint64_t after;
	struct index_walk *walk;
	uint64_t batch[128];
	size_t at, filled;
};

/* The order in which candidates come decides where the next page begins, so a later page asks for the order of the
 * first one. */
enum plan_order { ORDER_ANY, ORDER_BY_ROW, ORDER_BY_RANGE };

/* The cheapest source for a filter (NULL: all). gather: at most so many rows of the branches of an `or` are taken
 * together; 0: the default. */
void plan_source(const struct directory *d, struct orgtx *o, struct arena *a,
	const struct resource_type *type, const struct filter *filter, uint32_t space,
	enum plan_order order, uint64_t gather, struct source *out);

/* The index of an attribute in order, for sorting; within the bounds that a RANGE source for the same attribute has. */
void plan_ordered(const struct source *chosen, const struct attr *attr, bool descending,
	struct source *out);

/* Starts behind (key, row); key counts for RANGE alone. Before the first source_next(). */
void source_start_after(struct source *s, struct slice key, uint64_t row);

/* Passes over n candidates, fast where the source is ROWS. Before the first source_next(). */
void source_skip(struct source *s, struct orgtx *o, uint64_t n);

/* The next candidate; key is borrowed until the next call, and set for RANGE alone. */
bool source_next(struct source *s, struct orgtx *o, uint64_t *row, struct slice *key);

/* Whether a key lies within the bounds of a RANGE source. */
bool source_in_range(const struct source *s, struct slice key);

#endif
