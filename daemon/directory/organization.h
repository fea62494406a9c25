/* What an org is made of, and how it ends: the Organization record on the platform, struct org, the
 * edges to the people in it, and inside it the Settings, the model's Roles, the first member. All of
 * it changes together, here. */
#ifndef DAEMON_DIRECTORY_ORGANIZATION_H
#define DAEMON_DIRECTORY_ORGANIZATION_H

#include "daemon/directory/rules.h"

/* ---- Making one ---- */

struct org_wish { /* empty slices: not said */
	struct slice key, name, kind, model;
	uint64_t creator; /* row of the Person who becomes the first member; 0: nobody */
};

struct org_plan {
	struct org org;
	const struct model *model;
	uint64_t creator;
};

/* Decides; x is a deed on the platform. */
enum rc org_plan_make(
	const struct deed *x, const struct org_wish *wish, struct org_plan *out, struct err *err) MUSTCHECK;
/* The attributes of the Organization record. */
void org_plan_fill(const struct deed *x, const struct org_plan *p, struct node *root);
/* In the platform's open change, when the Organization record is put: row is its. */
void org_plan_put(struct deed *x, struct org_plan *p, uint64_t row);
/* After that change, in one of the org's own: settings, roles, the first member. */
void org_plan_furnish(struct deed *x, const struct org_plan *p);

/* ---- Living ---- */

enum org_act { ORG_ACT_SUSPEND, ORG_ACT_RESUME, ORG_ACT_RENAME, ORG_ACT_DELETE, ORG_ACT_RESTORE };

struct org_act_args {
	enum org_act act;
	struct slice key;  /* of a rename */
	struct slice reason; /* of a suspension, for people; may be empty */
	bool at_once;      /* of a delete: no grace; operators only */
	bool confirmed;    /* of a delete: so many members, says the client, go along */
	uint64_t confirm;
};

/* What an action is called: "suspend". */
const char *org_act_name(enum org_act act);

/* On the Organization record at row. NOT_FOUND, FORBIDDEN, and whatever the act asks for. */
enum rc organization_act(const struct directory *d, struct txn *t, const struct writer *w,
	struct arena *a, uint64_t row, const struct precondition *pre, const struct org_act_args *args,
	struct written *out, struct err *err) MUSTCHECK;

/* Who does x (a deed on the platform) as they are in an org, as if they asked there. FORBIDDEN unless they
 * may do op in it. */
enum rc subject_in_org(const struct deed *x, uint32_t org, const struct operation *op,
	struct subject *out, struct err *err) MUSTCHECK;

/* The org of an Organization record. */
bool org_of_row(const struct directory *d, struct orgtx *platform, uint64_t row, struct org *out);

/* An org's one Settings record; 0: it has none. */
uint64_t settings_row(struct orgtx *o);

/* Operational values as the Organization record has them (limits, name), checked. */
enum rc org_take_over(const struct deed *x, struct org *org, struct err *err) MUSTCHECK;

/* When the grace of a deleted org is over: its records on the platform go, and the state becomes
 * ORG_PURGING; the rest is org_purge()'s. false: it is not (any more) to be removed. */
bool organization_bury(const struct directory *d, struct txn *t, uint32_t org, int64_t now);

/* A newer version of its model came with this start: the org's Role records follow. */
void organization_follow_model(const struct directory *d, struct txn *t, uint32_t org, int64_t now);

/* ---- What records of an org stand for in the store ---- */

bool connection_of_row(
	const struct directory *d, struct orgtx *o, uint64_t row, struct connection *out);
bool token_of_record(
	const struct directory *d, struct orgtx *o, const struct record *r, struct token *out);

/* A new token in place of one, with all that it had but the secret. */
struct token_rotation {
	struct slice label; /* "": the old one's */
	int64_t expires;    /* 0: none, or over HTTPS the usual one */
	int64_t old_until;  /* when the old one ends, unless it ends before */
	struct token token; /* the new one; wipe what was used of secret */
	char secret[TOKEN_TEXT + 1];
};
enum rc token_rotate(const struct directory *d, struct orgtx *o, const struct writer *w,
	struct arena *a, uint64_t row, struct token_rotation *r, struct written *out,
	struct err *err) MUSTCHECK;

/* Lets a connection go on that the guard of mass removal stopped, in a fresh window. */
enum rc connection_release(const struct directory *d, struct orgtx *o, const struct writer *w,
	struct arena *a, uint64_t row, struct connection *out, struct err *err) MUSTCHECK;

/* ---- Members who are people ---- */

/* The active member of an org that a person is; 0: none. all: also one that is not active. */
uint64_t member_of_person(const struct directory *d, struct orgtx *o, struct arena *a,
	uint64_t person, bool all);
/* The person (row on the platform) to whom a member is linked; 0: nobody. */
uint64_t person_of_member(const struct directory *d, struct orgtx *o, const struct record *member);
/* Whether a member can act now, or whoever asks in its name: it is active, and the person that it is, if it is
 * anybody's, is too. */
bool member_is_active(const struct directory *d, struct orgtx *o, uint64_t member);
/* Whether it is active, and linked to a person who is. */
bool member_is_somebody(const struct directory *d, struct orgtx *o, uint64_t member);
/* A new User for a person, in the org and the open change of x; the username is made unique there.
 * Returns its row. The edge is org_member_edge()'s. */
uint64_t member_make(struct deed *x, uint64_t person, uint64_t revision);
/* That a person is (no longer) in an org, on the platform; in a change of its own unless one of the
 * platform's is open (in_change). */
void org_member_edge(const struct deed *x, const struct org *org, uint64_t person, bool is,
	bool in_change);

#endif
