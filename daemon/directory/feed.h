/* What happened in an org, and what there is: the journal and the tables read as events, for whoever keeps a copy.
 *
 * An entry of the journal gives its events in the order in which they happened; applied one after another they make the state
 * of its revision. What goes without saying is not said: a group that is gone takes its edges along. All slices are borrowed from the
 * transaction. */
#ifndef DAEMON_DIRECTORY_FEED_H
#define DAEMON_DIRECTORY_FEED_H

#include "daemon/store/store.h"

enum feed_kind { FEED_PUT, FEED_GONE, FEED_MEMBER_ADDED, FEED_MEMBER_REMOVED };

struct feed_event {
	enum feed_kind kind;
	uint64_t row; /* of the resource; of edges the member's */
	struct uuid id, group;                        /* group: of edges */
	struct record record;                         /* of a put */
	const struct resource_type *type;             /* of the resource or member */
};

enum feed_step {
	FEED_EVENT,
	FEED_END,
	FEED_LOST, /* the event names a record that nobody knows any more: begin with a new copy */
};

/* ---- The journal ---- */

/* One entry under way. */
struct feed {
	const struct schema_set *schema;
	struct orgtx *o;
	struct journal_entry entry;
	struct slice rest;
};

/* at: where a former reading of the entry stopped (feed_at()), 0 to begin. false: the journal does not have it. */
bool feed_open(struct feed *f, const struct schema_set *schema, struct orgtx *o, uint64_t revision, size_t at);
size_t feed_at(const struct feed *f);
/* After FEED_LOST, and FEED_END on damaged bytes, txn_rc() tells of failures of the store. */
enum feed_step feed_next(struct feed *f, struct feed_event *out);

/* ---- All there is ---- */

/* Where a walk over all resources, and behind each group its direct members, stands. Zero to begin; it may go on in another
 * transaction. What was made meanwhile in front of it is left out: whoever wants to be exact applies the journal from the
 * beginning of the walk on. */
struct feed_walk {
	size_t type;     /* place in the schema's types */
	uint64_t row;    /* the last that was given */
	uint64_t member; /* of the group at row: the last that was given */
	bool members;    /* those of the group at row are under way */
};

enum feed_step feed_walk_next(struct feed_walk *w, const struct schema_set *schema, struct orgtx *o, struct feed_event *out);

#endif
