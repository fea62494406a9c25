/* May someone do something here? The one question that products ask, the same behind every door.
 *
 * Names come in as the door's client says them; what they mean is found here. Whatever can't be
 * found (no such member, no such workspace) is an answer, not a failure: no, and why. Nothing is
 * allocated beyond the arena, and nothing outlives the transaction. */
#ifndef DAEMON_DIRECTORY_CHECK_H
#define DAEMON_DIRECTORY_CHECK_H

#include "daemon/directory/subject.h"

/* ---- Who ---- */

enum check_who {
	CHECK_MEMBER,
	CHECK_PERSON, /* of the platform: their member in the org */
	CHECK_TEAM,   /* what being in it brings */
};

/* Of a person there are ids and user names, of a team ids and display names. */
enum check_by {
	CHECK_BY_ANY, /* the id, else the name, else the externalId: the first that finds someone */
	CHECK_BY_ID,
	CHECK_BY_NAME,
	CHECK_BY_EXTERNAL_ID, /* of any connection of the org */
};

struct check_name {
	enum check_who who;
	enum check_by by;
	struct slice text;
};

/* ---- Where ---- */

/* Each is an id, or displayNames from the org down with "/" between, which must mean one thing.
 * All absent (p NULL): the org. */
struct check_place {
	struct slice org; /* the org itself by key or id: another is none that is here */
	struct slice workspace;
	struct slice project; /* names begin in the workspace when there is one; an id must lie in it */
	struct slice team;    /* by itself only, as are scope and org */
	struct slice scope;   /* a workspace, project or team by id, or the first two by names */
	char id_text[UUID_TEXT]; /* room for whoever has an id and no text of it */
};

/* ---- What ---- */

struct check_query {
	struct check_name subject;
	struct slice permission;
	struct check_place place;
	bool of_place; /* the thing in question is the place itself, not something of the product's in it */
	bool of_member;           /* the thing in question is a member: */
	struct check_name member; /* this one */
	bool owned;               /* whose the thing is, is said: */
	struct check_name owner;  /* equal to the subject: it is their own */
	bool explain; /* find the teams between the subject and the grant */
};

enum check_outcome {
	CHECK_DECIDED, /* as reason says */
	CHECK_NO_SUBJECT,
	CHECK_MANY_SUBJECTS, /* the name means several */
	CHECK_INACTIVE,      /* the member is deactivated, or the person it is */
	CHECK_NO_PERMISSION, /* the org's model has none of this name */
	CHECK_NO_PLACE,
	CHECK_MANY_PLACES,
	CHECK_NO_MEMBER,     /* the thing in question is not there */
	CHECK_PLACE_MIXED,   /* more than one of them */
};

struct check_answer {
	bool allowed;
	enum check_outcome outcome;
	uint64_t revision; /* of the org, that this is true at */
	uint64_t subject;  /* row of the User or Group; 0: none was found */
	uint16_t permission;
	uint64_t scope;    /* row that the permission was asked for at; 0: the org */
	bool own;          /* the thing is the subject's own */
	struct model_answer why;   /* of CHECK_DECIDED; valid until the next question */
	const struct grant *grant; /* that gave it, or has it for own things, or elsewhere; NULL: none */
	struct slice role;         /* path of the grant's role; empty without grant */
	const uint64_t *teams;     /* with explain: from the subject's own team to the one that holds the grant */
	size_t team_count;
};

/* One asker's questions in one transaction: what a subject holds is gathered once for questions in a row. */
struct check {
	const struct directory *d;
	struct orgtx *o;
	struct arena *arena;
	int64_t now; /* ticks */
	uint64_t loaded; /* the row that subject is of; 0: none */
	struct subject subject;
};

void check_init(struct check *c, const struct directory *d, struct orgtx *o, struct arena *a, int64_t now);

/* The row of a User or Group; 0 when there is none. *outcome tells why, it may be NULL. */
uint64_t check_find(struct check *c, const struct check_name *name, enum check_outcome *outcome);

/* The row of a place, 0 for the org. */
enum check_outcome check_find_place(struct check *c, const struct check_place *place, uint64_t *row);

/* The row of a place, 0 for the org. */
enum check_outcome check_find_place(struct check *c, const struct check_place *place, uint64_t *row);

/* What a member or team holds, as c->subject, until the next question about another one; *active: whether that counts at all (a member may be
 * deactivated; then nothing is loaded). FORBIDDEN when the org's role model is not installed. */
enum rc check_load(struct check *c, uint64_t subject, bool *active, struct err *err) MUSTCHECK;

/* FORBIDDEN when the org's role model is not installed. */
enum rc check_ask(struct check *c, const struct check_query *q, struct check_answer *out, struct err *err)
	MUSTCHECK;

/* The answer as a sentence. */
void check_print(const struct check *c, const struct check_query *q, const struct check_answer *a, struct buf *out);

#endif
