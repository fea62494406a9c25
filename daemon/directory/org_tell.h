/* What an org's own Settings show of its Organization record on the platform.
 *
 * The audit log of an org is its own journal, which tells what changed from what to what in its own
 * records. Its key, state, model and limits stand in the Organization record, in the platform's
 * journal. So its Settings show them too, readOnly, and follow each change of them. */
#ifndef DAEMON_DIRECTORY_ORG_TELL_H
#define DAEMON_DIRECTORY_ORG_TELL_H

#include "daemon/directory/rules.h"

/* The attributes of a new Settings record, from the platform's. */
void org_tell_fill(const struct directory *d, struct txn *t, struct arena *a, const struct org *org,
	struct node *settings);

/* After the Organization record changed: the org's Settings follow, in a change of the org's own with
 * x's actor. always: also a change that shows nothing new is an event of the org's log. */
void org_tell(const struct deed *x, const struct org *org, bool always);

#endif
