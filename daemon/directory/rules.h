/* The rules of each resource type: what is checked before a write, and what goes along with it.
 *
 * The engine (resource.c) decodes, checks uniqueness and members, then asks the gate (operation.h),
 * then the type's rules; only then it puts. All of it runs in the committer's transaction. */
#ifndef DAEMON_DIRECTORY_RULES_H
#define DAEMON_DIRECTORY_RULES_H

#include "daemon/directory/member_set.h"
#include "daemon/directory/operation.h"

/* One write to one resource, on its way. */
struct deed {
	const struct directory *d;
	struct orgtx *o;
	const struct writer *w;
	struct arena *arena;
	const struct subject *by; /* who does it; NULL: rosterd itself, or an operator at the control
				     door */
	const struct resource_type *type;
	enum verb verb;        /* CREATE, EDIT, DELETE */
	struct uuid id;
	uint64_t row;          /* 0 until a create has put it */
	const struct record *old;     /* EDIT, DELETE */
	const struct node *old_root;  /* EDIT, DELETE */
	struct node *root;            /* CREATE, EDIT: may be changed by check() */
	const struct member_changes *members; /* of groups; NULL: none */
	struct node *shown; /* attributes that this answer alone shows (secrets): set by check(), a
			       copy of root with them added; NULL: root */
	uint64_t confirm;   /* of a delete: how many things the client says go along */
	bool confirmed;
	bool replaced; /* of a create: check() found the resource there already, at row, and turned it
			  into an edit of that (old, old_root and root are set) */
	bool done;            /* of a delete: check() did it all, and the resource stays for now */
	void *plan;           /* what check() leaves for apply() and after() */
};

struct rules {
	uint8_t type;
	/* The scope where permissions for the resource are asked for; root is NULL when only the row
	 * counts. NULL: the org. */
	uint64_t (*scope)(const struct directory *d, struct orgtx *o, uint64_t row,
		const struct node *root);
	/* Whether it is the subject's own. r is NULL for one that is being made. NULL: never. */
	bool (*own)(const struct subject *s, uint64_t row, const struct record *r);
	/* Which of the type's operations a create or a look is: "link" of invitations. NULL: "". */
	struct slice (*part)(const struct directory *d, struct orgtx *o, uint64_t row,
		const struct node *root);

	/* Decides, beyond the gate. On failure nothing was put. */
	enum rc (*check)(struct deed *x, struct err *err);
	/* Puts what goes along, in the same change: after the resource itself (before it when it is
	 * deleted). */
	void (*apply)(struct deed *x, uint64_t revision);
	/* Puts into other orgs (the platform's records), after the change. */
	void (*after)(struct deed *x);
	/* The record as it reads now, where time or tables decide (an invitation that expired): in
	 * the arena; r when nothing differs. */
	void (*live)(const struct directory *d, struct orgtx *o, struct arena *a, int64_t now,
		uint64_t row, struct record *r);
	/* The rows that the subject can see at most, rising, in its arena, where it sees some of the
	 * type only: so that not all of the platform's are looked at. false: no such short list. */
	bool (*mine)(const struct subject *s, uint64_t **rows, size_t *count);
};

/* NULL when the type has none. */
const struct rules *rules_of(uint8_t type);

/* The gate of a write: the operations that it is, each at its scope. */
enum rc deed_require(struct deed *x, struct err *err) MUSTCHECK;

/* ---- The steps of a write, for whoever makes many in one change (sync_put.c) ---- */

/* The gate, then the type's rules. */
enum rc deed_decide(struct deed *x, struct err *err) MUSTCHECK;
/* Within the change: what goes along; after the change: what follows elsewhere. */
void deed_apply(struct deed *x, uint64_t revision);
void deed_after(struct deed *x);
/* Of a User's deed that was decided: the person who becomes this member, or (*linked false) ceases to be it; 0:
 * nobody. deed_after() tells the platform so. */
uint64_t member_tie(const struct deed *x, bool *linked);

/* What a whole new representation can't clear: what is readOnly, and the password. */
void edit_carry_over(struct arena *a, const struct node *old, struct node *root);
/* RFC 7644 section 3.5.1: MUTABILITY unless what is immutable is repeated as it is. */
enum rc edit_check_immutable(const struct node *old, const struct node *root, struct err *err) MUSTCHECK;

/* What comes and goes among a team's members: nesting, and whether the roles that it holds may be given and
 * taken. x->row may be a team that was just made. */
enum rc team_members_check(struct deed *x, struct err *err) MUSTCHECK;
/* How many of a group's members the guard counts, up to what matters. */
uint64_t guard_counted_members(struct orgtx *o, uint64_t group, const struct guard_view *v);

/* ---- Writes that go along with another one, inside its change ---- */

/* A resource of rosterd's own making; returns its row. No gate, no rules. */
uint64_t deed_create(struct deed *x, uint8_t type, const struct node *root, uint64_t revision);
/* The same under an id that is given. */
uint64_t deed_create_as(struct deed *x, uint8_t type, const struct uuid *id, const struct node *root,
	uint64_t revision);
void deed_replace(struct deed *x, uint64_t row, const struct node *root, uint64_t revision);
/* Removes a resource with all that hangs on it: assignments of it and at it, its tokens, what lies in
 * it. Also for one that is not the deed's own. */
void deed_erase(struct deed *x, uint64_t row, uint64_t revision);
/* All that a principal (row) holds ends. */
void deed_end_assignments(struct deed *x, uint64_t principal, uint64_t revision);
/* What opens doors in a member's name ends: its keys, its certificates. */
void deed_end_access(struct deed *x, uint64_t member, uint64_t revision);
/* An assignment; origin: "person", "creator", "invitation", "transfer", ...; origin_id may be
 * empty. One that is there already (same principal, role and scope) gets the origin added. */
uint64_t deed_assign(struct deed *x, uint64_t principal, struct slice role, uint64_t scope,
	const char *origin, struct slice origin_id, uint64_t revision);

/* The connection (its number) that a Group is one of: the one that made it, whatever labels (externalIds) it
 * carries. 0: none. */
uint32_t group_connection(const struct directory *d, const struct record *r);

/* Invitations that can still be accepted, `but` left out (0: none). Each of those by address has a
 * seat. */
struct pending {
	uint64_t all, by_address;
};
struct pending pending_invitations(const struct directory *d, struct orgtx *o, struct arena *a,
	int64_t now, uint64_t but);
/* CONFLICT unless an org of so many members is within its limits: seats are members, and who is invited by
 * address (`but` left out); a personal org has one member. */
enum rc members_fit(const struct subject *by, int64_t now, uint64_t but, uint64_t members, struct err *err)
	MUSTCHECK;
/* The same for one more, wherever they come from. */
enum rc seat_require(const struct subject *by, int64_t now, uint64_t but, struct err *err) MUSTCHECK;

/* The record as it reads now: rules.live(), when the type has it. */
void record_live(const struct directory *d, struct orgtx *o, struct arena *a, int64_t now,
	uint64_t row, struct record *r);

/* After the settings of an org changed (x->root): struct org and the Organization record follow. Opens a
 * change on the platform. */
void settings_follow(struct deed *x);

/* A record with another tree, packed anew in the arena. */
void record_overlay(const struct directory *d, struct arena *a, struct record *r,
	const struct node *root);
/* A record with one text put in place, packed anew in the arena: what rules.live() does. */
void record_overlay_text(const struct directory *d, struct arena *a, struct record *r,
	const struct attr *attr, struct slice text);
void record_overlay_bool(const struct directory *d, struct arena *a, struct record *r,
	const struct attr *attr, bool value);
void record_overlay_i64(const struct directory *d, struct arena *a, struct record *r,
	const struct attr *attr, int64_t value);

/* Who makes a resource, in its attributes createdBy.value and .type: the member, else the person; nobody for connections, services
 * and operators. */
void deed_created_by(const struct deed *x, struct node *root, const struct attr *value, const struct attr *type);

/* principal and scope (0: the org) of an assignment's tree. */
void assignment_fill(const struct directory *d, struct orgtx *o, struct arena *a, struct node *root,
	uint64_t principal, uint64_t scope);

/* CONFLICT, with the limit named, when the org would have that many. */
enum rc limit_require(const struct subject *by, enum limit limit, uint64_t count, struct err *err) MUSTCHECK;

/* One more origin of an assignment's tree, unless it has it. */
void deed_add_origin(struct deed *x, struct node *root, const char *origin, struct slice origin_id);

/* Takes the origins of a type away, value (empty: any) alone; an assignment without any ends.
 * FORBIDDEN as for ending it, CONFLICT when it must not end, NOT_FOUND when it has no such origin. */
enum rc assignment_withdraw(const struct directory *d, struct orgtx *o, const struct writer *w,
	struct arena *a, const struct uuid *id, struct slice type, struct slice value,
	struct written *out, struct err *err) MUSTCHECK;

/* The tree of a record, to be changed; in the arena. */
struct node *deed_tree(struct deed *x, const struct record *r);

extern const struct rules user_rules, group_rules, workspace_rules, project_rules, role_rules,
	assignment_rules, settings_rules, organization_rules, person_rules, connection_rules, token_rules,
	quota_rules,
	invitation_rules;

#endif
