/* The rules for orgs, their connections and tokens: what names look like, what may stand beside
 * what.
 *
 * The functions that change something take a write transaction (in a committer job) and decide
 * before they put. They know neither HTTP nor frames. */
#ifndef DAEMON_DIRECTORY_ORG_H
#define DAEMON_DIRECTORY_ORG_H

#include "daemon/store/store.h"

/* The key stands in URLs: 1 to 63 of a-z, 0-9 and "-", neither first nor last a "-". */
enum rc dir_org_create(struct txn *t, struct slice key, struct slice name, int64_t now,
	struct org *out, struct err *err) MUSTCHECK;
/* An org that is there and not deleted; NOT_FOUND names the key. */
enum rc dir_org_find(struct txn *t, struct slice key, struct org *out, struct err *err) MUSTCHECK;
/* Suspends (ORG_SUSPENDED), resumes (ORG_ACTIVE), or begins to delete (ORG_PURGING: the key answers
 * 404 from now on; org_purge() does the rest in steps). */
enum rc dir_org_set_state(struct txn *t, struct slice key, enum org_state state, struct org *out,
	struct err *err) MUSTCHECK;

/* Names of connections are unique within the org, without case. */
enum rc dir_connection_create(struct txn *t, uint32_t org, struct slice name, enum dialect dialect,
	int64_t now, struct connection *out, struct err *err) MUSTCHECK;
/* By name, or "#3" by number. */
enum rc dir_connection_find(struct txn *t, uint32_t org, struct slice name, struct connection *out,
	struct err *err) MUSTCHECK;
enum rc dir_connection_set_dialect(struct txn *t, uint32_t org, struct slice name,
	enum dialect dialect, struct connection *out, struct err *err) MUSTCHECK;
/* Lets a connection go on that the guard of mass removal stopped, in a fresh window. */
enum rc dir_connection_release(struct txn *t, uint32_t org, struct slice name,
	struct connection *out, struct err *err) MUSTCHECK;
/* With its tokens. */
enum rc dir_connection_delete(struct txn *t, uint32_t org, struct slice name,
	struct connection *out, struct err *err) MUSTCHECK;

enum { TOKENS_MAX = 50 /* live ones a connection */ };

/* hash, label, expires are given in *token; org, connection, no and created are filled. */
enum rc dir_token_add(struct txn *t, const struct connection *c, int64_t now, struct token *token,
	struct err *err) MUSTCHECK;
enum rc dir_token_find(
	struct txn *t, uint32_t org, uint32_t no, struct token *out, struct err *err) MUSTCHECK;
/* *fresh (hash and expires given; the label is taken over unless given) takes the place of token
 * no, which ends at `old_until` at the latest. */
enum rc dir_token_rotate(struct txn *t, uint32_t org, uint32_t no, int64_t now, int64_t old_until,
	struct token *fresh, struct err *err) MUSTCHECK;
enum rc dir_token_revoke(
	struct txn *t, uint32_t org, uint32_t no, struct token *out, struct err *err) MUSTCHECK;

/* "tolerant", "strict", "interop"; false for another text. */
bool dialect_parse(struct slice text, enum dialect *out);
const char *dialect_name(enum dialect d);
const char *org_state_name(enum org_state s);

#endif
