/* The guard against mass removal: an IdP whose scope was emptied by mistake must not empty the org.
 *
 * For each connection, within a window that opens with the first removal, the guard counts users
 * deactivated or deleted and memberships removed. When a request would take either count above a share of
 * the most that the org had in the window, the connection's removals are refused (CONFLICT) from then on,
 * until guard_release(). Small counts never trip it. What was made within the hour is free: a client that tries itself out
 * (connection tests, suites) creates and removes without end and harms nobody. */
#ifndef DAEMON_DIRECTORY_GUARD_H
#define DAEMON_DIRECTORY_GUARD_H

#include "daemon/store/store.h"

struct guard_options {
	unsigned share_percent; /* of the org's active users, or of its memberships; 0: no guard */
	uint64_t min_users;     /* removals that never trip it */
	uint64_t min_memberships;
	uint64_t window; /* seconds */
};

/* Admits a request that removes so much, and counts it; the last thing to be decided before the writes. A refusal is
 * remembered: the mark is written though the request is not carried out. */
enum rc guard_admit(const struct guard_options *g, struct orgtx *o, const struct actor *actor,
	uint64_t users, uint64_t memberships, struct err *err) MUSTCHECK;

/* What need not be counted. */
struct guard_view {
	uint64_t first_free; /* rows from this counter on were made within the hour or so: removing them, or edges of them */
	uint64_t enough;     /* more memberships than this change the answer no more */
};
void guard_look(const struct guard_options *g, struct orgtx *o, const struct actor *actor, struct guard_view *out);

/* Lets a connection go on, with a new window. The caller puts the connection. */
void guard_release(struct connection *c);

#endif
