/* The journal read as an audit log: each change of each entry is an AuditEvent (schema/data/AuditEvent.json), made when it is read as a tree
 * that filters and writers take like any resource's. Nothing is kept to tell what happened but the journal.
 *
 * An event's id is "REVISION-INDEX": the entry and the change in it. A replace that left no trace but the version (a group whose members
 * changed) is no event of its own, unless its entry holds nothing else. What is secret is told to have changed, never from what to what. */
#ifndef DAEMON_DIRECTORY_AUDIT_H
#define DAEMON_DIRECTORY_AUDIT_H

#include "daemon/directory/directory.h"
#include "protocol/filter.h"

struct audit_attrs {
	const struct resource_type *type;
	const struct attr *time, *action, *operation, *actor, *actor_type, *actor_value, *actor_display, *actor_connection,
		*actor_token, *door, *peer, *target, *target_type, *target_value, *target_display, *changes, *path, *old, *new,
		*display, *secret;
};

void audit_attrs_init(struct audit_attrs *at, const struct schema_set *schema);

/* Where a walk stands: the next event to look at. */
struct audit_position {
	uint64_t revision; /* 0: before the first entry, so at the end of a walk backwards */
	uint32_t index;    /* of the change */
	uint32_t at;       /* where it begins in the entry's changes; with index 0: 0 */
};

struct audit_walk {
	const struct audit_attrs *at;
	const struct directory *d;
	struct orgtx *o;             /* may be another transaction's from one call to the next */
	struct arena *scratch;       /* holds the event at hand; cleared by each call */
	struct slice base;           /* of addresses: "https://host/orgs/acme/scim/v2"; empty: none are given */
	const struct filter *filter; /* NULL: all */
	bool forward;                /* oldest first; else the newest entry first. Changes of one entry are in their order always */
	uint64_t last;               /* forward: the last revision */
	struct audit_position next;
	uint64_t budget; /* goes down by what was looked at, some thousandth of a millisecond each */
	uint64_t seen;   /* revision whose entry was looked at by the filter */
	bool seen_good;
	struct node *list; /* changes under way */
	struct node **list_end;
};

/* The first position of a walk backwards, or of one forward. */
struct audit_position audit_newest(struct orgtx *o);
struct audit_position audit_oldest(struct orgtx *o);
/* Behind the event with that id; false when it is no id of an event that is there. */
bool audit_after(struct orgtx *o, struct slice id, struct audit_position *out);

enum audit_step { AUDIT_EVENT, AUDIT_END, AUDIT_PAUSE /* the budget is spent: go on with more */, AUDIT_FAILED };

/* The next event that the filter takes, valid until the next call. */
enum audit_step audit_next(struct audit_walk *w, const struct node **event);

/* One event, as audit_next() gives it; filter and position of w do not count. false when there is none. */
bool audit_get(struct audit_walk *w, struct slice id, const struct node **event);

/* ---- Within (audit_values.c) ---- */

/* Adds what differs to w->list; either may be NULL. false: nothing does. */
bool audit_compare(struct audit_walk *w, const struct record *old, const struct record *new);
/* One row of changes; empty slices (p NULL) are left out. */
void audit_add(struct audit_walk *w, struct slice path, struct slice old, struct slice new, struct slice display, bool secret);

#endif
