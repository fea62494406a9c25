/* Who may do something at a scope? All members of an org who may, in the order of rows.
 *
 * Candidates are found by the roles that may permit it: who holds one at the scope or around it, themselves or through a team; and all
 * members of the org where the role of everybody may, or where so many hold one that looking at everybody is as cheap. Each
 * candidate is then asked about as a check would ask. */
#ifndef DAEMON_DIRECTORY_WHO_CAN_H
#define DAEMON_DIRECTORY_WHO_CAN_H

#include "daemon/directory/check.h"

struct who_can {
	uint16_t permission;
	uint64_t scope; /* 0: the org */
	struct user_walk *candidates;
};

/* Candidates behind `after`; they hold for the revision at which the org stands, whatever the time. FORBIDDEN when the org's model is
 * not installed. */
enum rc who_can_begin(struct who_can *w, const struct directory *d, struct orgtx *o, struct arena *a,
	uint16_t permission, uint64_t scope, uint64_t after, struct err *err) MUSTCHECK;

/* Looks at up to max candidates: rows gets those who may, *count of them. *last: the last one that was looked at; 0: there was none
 * left. c gives the time and the arena, which grows with max. */
enum rc who_can_next(struct who_can *w, struct check *c, uint64_t *rows, size_t max, size_t *count, uint64_t *last,
	struct err *err) MUSTCHECK;

#endif
