/* The inside of a daemon for fuzz targets: a store with two orgs, the binary door on one worker whose loop is turned by hand. What the
 * committer and the pool are given waits until the target says that they run (in place of daemon/committer.c and daemon/pool.c, which a
 * program that links this does not take from the library); the one thread is that of the effects, which moves what is watched.
 *
 * Everything is the same in each run but the texts of tokens, the key of cursors and what the clock says. */
#ifndef TESTS_FUZZ_STAGE_H
#define TESTS_FUZZ_STAGE_H

#include "daemon/auth.h"
#include "daemon/conn.h"

/* What opens what. */
enum stage_token {
	STAGE_IDP,      /* the connection "idp" of acme */
	STAGE_KEY,      /* of ada in acme */
	STAGE_PERSON,   /* ada, in acme and others */
	STAGE_SERVICE,  /* what clients ask, in acme alone */
	STAGE_OPERATOR, /* everything */
	STAGE_OTHER,    /* the connection of the org "others" */
	STAGE_TOKENS
};

/* Stands in every name of the org "others": the first four tokens but the person's must never be told it. */
#define STAGE_SECRET "zzsecret"

struct worker *stage_worker(void);
const char *stage_token(enum stage_token token);

/* One turn of the worker's loop, which never waits. */
void stage_turn(void);
/* At most so many of the jobs that wait. Returns how many ran. */
unsigned stage_pool(unsigned max);
unsigned stage_commit(unsigned max);

/* Something that others write meanwhile: a number of a list, taken modulo its length. */
void stage_change(unsigned which);

/* What the target expects to hold when an input is over: no session, no task, no job is left. The store is what it was; when it had
 * changed, it is verified before. */
void stage_reset(void);

#endif
