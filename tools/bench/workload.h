/* What a stream of load asks for, and what it takes for an answer. One row a kind in workload.c. */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stdatomic.h>

#include "base/buf.h"

struct kind;

/* Lines of a file, in memory for the whole run. */
struct lines {
	struct slice text;
	struct slice *line;
	uint64_t count;
};

/* One stream: the same requests on all of its connections. Written before the threads start, then only counted on. */
struct stream {
	const struct kind *kind;
	char name[32]; /* in the report */
	unsigned connections, depth;
	uint64_t limit;      /* requests in all; 0: until the time is up */
	const char *path;    /* of path, or the SCIM base of the others: "/orgs/acme/scim/v2" */
	const char *group;   /* id, of patch kinds */
	struct lines ids, names;
	char tag[24];        /* of the user names that it makes */
	struct buf tail;     /* headers behind the request line, blank line not included */
	_Atomic uint64_t next, sent;
};

/* One connection of a stream. */
struct lane {
	struct stream *stream;
	uint64_t random; /* state, not 0 */
	uint64_t item;   /* of pairs: what was added last and is to go */
	bool added;
};

/* One request under way. */
struct ticket {
	uint64_t start_ns;
	struct slice expect; /* must stand in the body when the body is at hand; empty: nothing */
};

/* The kind by name; NULL when there is none. */
const struct kind *workload_kind(const char *name);
const char *workload_kinds(void); /* for the usage text */

/* "" when the stream has all that its kind needs, else what it lacks. */
const char *workload_lacks(const struct stream *s);

/* Host, Authorization (token may be NULL) and Accept. */
void workload_headers(struct stream *s, const char *host, const char *token);

/* Appends one whole request. */
void workload_make(struct lane *lane, struct buf *out, struct ticket *ticket);
bool workload_status_ok(const struct stream *s, int status);

/* Reads a file; ends the process with a sentence when it can't. */
void lines_read(struct lines *l, const char *file);

#endif
