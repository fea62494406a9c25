/* Addresses that nobody vouches for.
 *
 * A proven address makes a person a member, with all that the member holds. So whoever may write a
 * member's addresses could hand out roles that they may not give: an admin puts an accomplice's
 * address on the owner that no person is yet. Such a change is let through, since identity providers
 * rename people every day, but it leaves a mark: the next proof does not link by itself. It waits,
 * as a conflict, for who may give what the member holds (link_set()). */
#ifndef DAEMON_DIRECTORY_DOUBT_H
#define DAEMON_DIRECTORY_DOUBT_H

#include "daemon/directory/rules.h"

/* RC_OK when who does x could give a member all that it holds, or will: directly and through teams. A connection
 * gives what the groups hold that it made itself. Else FORBIDDEN, with what is missing. */
enum rc holdings_require(const struct deed *x, const struct subject *by, uint64_t member,
	struct err *err) MUSTCHECK;

/* In an edit of a User (x->root, x->old_root): sets the mark, or takes it away, when addresses change. */
void doubt_settle(struct deed *x);

/* Whether a proof of an address must not link the User by itself: it carries the mark, and holds anything. root: as
 * it is or will be; row 0: one that is being made. */
bool doubt_stands(const struct directory *d, struct orgtx *o, struct arena *a, uint64_t row,
	const struct node *root);

/* What the person reads whose proof does not link. */
#define DOUBT_TEXT                                                                               \
	"your address was given to the member by someone who can't give what the member holds: " \
	"who can must link you"

#endif
