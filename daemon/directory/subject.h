/* Who asks, and what they hold: the grants of one caller in one org, gathered in the transaction
 * that answers or writes, and the questions about them.
 *
 * Grants come from the role in the org (the model's default when no assignment says another), from
 * assignments that are in force, and from the teams that hold the member, directly or through other
 * teams: their assignments, and the role of being in them. Nothing is kept from one request to the
 * next, so a change is felt by the next one. */
#ifndef DAEMON_DIRECTORY_SUBJECT_H
#define DAEMON_DIRECTORY_SUBJECT_H

#include "daemon/auth.h"
#include "daemon/directory/directory.h"
#include "schema/model_rules.h"

struct grant {
	const struct model_role *role; /* or NULL, and */
	const struct permset *custom;  /* what a role of the org's own permits, or a connection */
	uint64_t scope;                /* row of a Workspace, Project or Group; 0: the org */
	uint64_t assignment;           /* row of the record that says so; 0: none does */
	uint64_t via;                  /* row of the team that holds it; 0: the member itself */
};

struct subject {
	const struct directory *d;
	struct orgtx *o;
	struct arena *arena;
	struct org org;
	const struct model *model;
	const struct model_kind *kind;
	enum caller_kind caller;
	bool all;                        /* an operator: no permission is missing */
	bool timed;                      /* something begins or ends by the clock */
	uint64_t token_row;              /* of the Token record, in the token's org; 0: none */
	uint64_t member, person;         /* rows, in the org and in org 0; 0: none */
	struct uuid member_id;           /* with member */
	const struct model_role *role;   /* the member's role in the org */
	struct grant *grants;
	size_t grant_count;
	const struct membership *teams; /* that the member is in, directly or through others */
	size_t team_count;
	const struct permset *within;    /* of the token; NULL: all that the member may */
	struct model_grant *scratch;     /* grant_count of them */
};

/* FORBIDDEN when it is not installed. */
enum rc model_of_org(const struct directory *d, const struct org *org, const struct model **out, struct err *err)
	MUSTCHECK;

/* now: ticks, for assignments with start and end. FORBIDDEN with the reason when the org's model is
 * not there any more. On the platform (org 0) there are no grants: platform.h decides there. */
enum rc subject_load(const struct directory *d, struct orgtx *o, struct arena *a,
	const struct caller *caller, int64_t now, struct subject *out, struct err *err) MUSTCHECK;

/* The same for any member of the org, as if it asked itself (checks about others). */
enum rc subject_of_member(const struct directory *d, struct orgtx *o, struct arena *a,
	uint64_t member, int64_t now, struct subject *out, struct err *err) MUSTCHECK;

/* What a member would hold under another model: each role's path is translated first; "" ends it. */
typedef struct slice role_translate(void *arg, struct slice path);
void subject_as_if(const struct directory *d, struct orgtx *o, struct arena *a, uint64_t member,
	int64_t now, const struct model *m, role_translate *translate, void *arg,
	struct subject *out);

/* The same for a team: what being in it brings, without what its members hold themselves. */
enum rc subject_of_team(const struct directory *d, struct orgtx *o, struct arena *a, uint64_t team,
	int64_t now, struct subject *out, struct err *err) MUSTCHECK;

/* scope: row of a Workspace, Project or Group, 0 for the org. own: the thing in question is the
 * subject's own. why may be NULL; its grant's origin is a const struct grant. */
bool subject_may(const struct subject *s, uint16_t perm, uint64_t scope, bool own,
	struct model_answer *why);

/* The subject as the rules of a model see it from a scope; borrowed from the subject, until the next question. */
struct model_subject subject_seen_from(const struct subject *s, uint64_t scope);

/* FORBIDDEN, with the missing permission named. */
enum rc subject_require(const struct subject *s, uint16_t perm, uint64_t scope, bool own,
	struct err *err) MUSTCHECK;

/* Whether the subject may give (take) a role held at scope: the permission for it, and the model's
 * rules. path: "org/owner", or a role of the org's own. FORBIDDEN, INVALID_VALUE for no such role. */
enum rc subject_may_give(
	const struct subject *s, struct slice path, uint64_t scope, struct err *err) MUSTCHECK;
enum rc subject_may_take(
	const struct subject *s, struct slice path, uint64_t scope, struct err *err) MUSTCHECK;

/* What of a type the subject may see. */
enum sight { SEES_NONE, SEES_SOME /* ask subject_sees() of each */, SEES_ALL };
enum sight subject_sight(const struct subject *s, const struct resource_type *type);
bool subject_sees(const struct subject *s, uint64_t row, const struct record *r);
/* FORBIDDEN unless the subject sees it. */
enum rc subject_require_sight(const struct subject *s, uint64_t row, const struct record *r, struct err *err) MUSTCHECK;
/* FORBIDDEN, with the permission named that is missing to see it, or any of the type. */
enum rc subject_explain(const struct subject *s, uint64_t row, const struct record *r, struct err *err);
enum rc subject_explain_type(const struct subject *s, const struct resource_type *type, struct err *err);

/* Whether the subject has a role in the scope: there or around it, but not in the whole org. */
bool subject_has_role_in(const struct subject *s, uint64_t scope);

/* ---- Scopes ---- */

enum scope_kind scope_kind_of(uint64_t row /* 0: the org */);
/* The scope around one, 0 for the org. */
uint64_t scope_parent(const struct directory *d, struct orgtx *o, uint64_t row);
/* Whether inner is outer, or lies in it; outer 0 holds all. */
bool scope_within(const struct directory *d, struct orgtx *o, uint64_t inner, uint64_t outer);

/* ---- Roles ---- */

/* A role by path: of the model (*role), or the org's own (*custom, in the arena; *role NULL).
 * INVALID_VALUE, naming the path, when there is none. *kind: where it is held. */
struct role_found {
	const struct model_role *role;
	struct permset *custom;
	enum scope_kind scope;
};
enum rc role_find(const struct directory *d, struct orgtx *o, struct arena *a,
	const struct model *m, struct slice path, struct role_found *out, struct err *err) MUSTCHECK;

/* The Role record with that path, of the model or the org's own; 0: none. */
uint64_t role_row(const struct directory *d, struct orgtx *o, struct arena *a, struct slice path);
/* Whether a path is that of a role of the org's own; how many of these there are. */
bool role_is_custom(const struct directory *d, struct orgtx *o, struct slice path);
uint64_t role_count_custom(const struct directory *d, struct orgtx *o, struct arena *a);

/* An assignment record as it stands. */
struct assignment {
	uint64_t row, principal, scope;
	struct slice role; /* path; borrowed from the record */
	int64_t start, end; /* ticks; 0: none */
};
bool assignment_read(const struct directory *d, struct orgtx *o, uint64_t row, struct assignment *out);
bool assignment_in_force(const struct assignment *a, int64_t now);
/* Those of a principal, in the arena; in force or not. */
size_t assignments_of(const struct directory *d, struct orgtx *o, struct arena *a,
	uint64_t principal, struct assignment **out);

/* How many records of a type have a text in an index, and their rows, rising, in the arena. */
uint64_t count_with_text(struct orgtx *o, struct arena *a, const struct attr *attr, uint8_t type, struct slice text);
size_t rows_with_text(struct orgtx *o, struct arena *a, const struct attr *attr, uint8_t type, struct slice text,
	uint64_t **out);

/* Whether any role is held at a scope by an assignment. */
bool has_assignments_at(const struct directory *d, struct orgtx *o, struct arena *a, uint64_t scope);

/* The role of a member in the org. *assignment: the record that gives it, or one that will or did (a member has one record of
 * a role of the org at most: who gives another role replaces it); 0: none. */
const struct model_role *member_role(const struct directory *d, struct orgtx *o, struct arena *a,
	const struct model *m, uint64_t member, int64_t now, uint64_t *assignment /* may be NULL */);

/* Active members that hold a role of the org, `but` left out (0: nobody): for the most there may be. */
uint64_t role_holders(const struct directory *d, struct orgtx *o, struct arena *a,
	const struct model_role *role, int64_t now, uint64_t but);

/* Those who hold a role of the org and are left to act in it without a member: for the fewest there must be. Where that
 * member is somebody (linked to an active person), only such ones count, since a record that no person is takes over
 * nothing; else every one who can act does, so that an org that is provisioned and has no people yet works too. */
uint64_t role_left(const struct directory *d, struct orgtx *o, struct arena *a,
	const struct model_role *role, int64_t now, uint64_t without);

#endif
