/* Who is asking: bearer tokens (RFC 6750), looked up by their SHA-256.
 *
 * A token is "rst_" and the base64url of 32 random bytes; the store has only its hash. Each worker
 * keeps the tokens it saw last with what they open; all are forgotten when auth_changed() is
 * called, which whoever changed an org, a connection or a token does after the commit: a token that
 * was revoked is dead when the command that revoked it returns. */
#ifndef DAEMON_AUTH_H
#define DAEMON_AUTH_H

#include "daemon/committer.h"
#include "daemon/store/store.h"

enum { TOKEN_TEXT = 47 }; /* characters of a token */

struct caller {
	uint32_t org, connection,
		token;       /* numbers; connection and token are numbers within the org */
	uint64_t generation; /* auth's: for auth_still() */
	enum dialect dialect;
	char org_key[ORG_KEY_MAX + 1];
};

struct auth;

/* The committer writes down when tokens were last used, at most once a minute; NULL: nobody does.
 */
enum rc auth_new(unsigned workers, struct committer *committer, struct auth **out,
	struct err *err) MUSTCHECK;
/* Writes what is not written yet; the committer must still run. */
void auth_free(struct auth *a);

/* authorization: the header's value (p NULL when absent). org_key: whose base is asked for. now:
 * ticks (100 ns since 1970). reader: begun; it may be renewed within, so call this before anything
 * is borrowed from it. UNAUTHORIZED: no token, an unknown or an expired one (answer with
 * WWW-Authenticate: auth_challenge()). NOT_FOUND: another org's base, whether that org exists or
 * not. FORBIDDEN: the org is suspended. */
enum rc auth_check(struct auth *a, unsigned worker, struct txn *reader, struct slice authorization,
	struct slice org_key, int64_t now, struct caller *out, struct err *err) MUSTCHECK;

/* In the write transaction that carries out what a caller asked for before: its org or token may be
 * gone by now. Errors as above. */
enum rc auth_still(
	struct auth *a, struct txn *t, const struct caller *c, struct err *err) MUSTCHECK;

/* `Bearer realm="rosterd"`, with error="invalid_token" when a token was sent (RFC 6750 section 3).
 */
struct slice auth_challenge(struct slice authorization);

/* Thread-safe: in the job that changes orgs, connections or tokens (so that the writes behind it
 * look again), and after its commit (so that no worker goes on with what it read before). */
void auth_changed(struct auth *a);

/* Waits until the times of last use are written (at most once a minute otherwise): for whoever
 * lists tokens. May block. */
void auth_flush(struct auth *a);

/* A new token and its hash. The text is secret: wipe it when it was handed over. */
void token_generate(char text[TOKEN_TEXT + 1], uint8_t hash[TOKEN_HASH]);
void token_hash(struct slice text, uint8_t hash[TOKEN_HASH]);

#endif
