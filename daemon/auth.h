/* Who is asking: bearer tokens (RFC 6750), looked up by their SHA-256.
 *
 * A token is "rst_" and the base64url of 32 random bytes; the store has only its hash. Each worker
 * keeps the tokens it saw last with what they are, and forgets them all when store_epoch() rises: a
 * token that was revoked is dead when the command that revoked it returns. Nothing else is kept:
 * whether a person is a member, and which orgs a service may enter, is read in the same transaction
 * as the answer, every time. */
#ifndef DAEMON_AUTH_H
#define DAEMON_AUTH_H

#include "daemon/committer.h"
#include "daemon/store/store.h"

enum { TOKEN_TEXT = 47 /* characters of a token */ };

enum caller_kind {
	CALLER_CONNECTION, /* within its org */
	CALLER_KEY,        /* acts as the member that owns it, within its org and its permissions */
	CALLER_PERSON,     /* acts as the person's member in any org; on the platform as the person */
	CALLER_SERVICE,    /* with its own permissions in the orgs that it names */
	CALLER_OPERATOR,
};

struct caller {
	enum caller_kind kind;
	uint32_t org; /* that is asked for; ORG_PLATFORM: the platform's base */
	uint32_t connection, token; /* numbers in token_org; token 0: the control door, or */
	bool certificate;           /* a client certificate of a member or connection */
	uint32_t token_org;         /* where the token is kept */
	uint64_t token_row;         /* of the Token record in token_org; 0: none */
	uint64_t person;            /* row in ORG_PLATFORM; 0: none */
	uint64_t member;            /* row of the User in org; 0: none */
	uint64_t generation;        /* auth's: for auth_still() */
	uint64_t request_rate;      /* the org's own limit of requests a second; 0: the server's */
	enum dialect dialect;
	char org_key[ORG_KEY_MAX + 1]; /* of org; "" on the platform's base */
};

struct auth;

struct auth_options {
	unsigned workers;
	const struct store *store;
	const struct schema_set *schema;
	struct committer *committer; /* writes down when tokens were last used, at most once a minute;
					NULL: nobody does */
	const struct model_set *models; /* for the orgs' request rates; NULL: only an org's own */
};

enum rc auth_new(const struct auth_options *options, struct auth **out, struct err *err) MUSTCHECK;
/* What is to be written must be before, by auth_flush(), while the committer still runs; the writes that it runs may ask this, so it must be gone
 * then. */
void auth_free(struct auth *a);

/* authorization: the header's value (p NULL when absent). org_key: whose base is asked for, p NULL:
 * the platform's. now: ticks (100 ns since 1970). reader: begun; it may be renewed within, so call
 * this before anything is borrowed from it.
 * UNAUTHORIZED: no token, an unknown or an expired one (answer with WWW-Authenticate:
 * auth_challenge()). NOT_FOUND: a base that is not for this token, whether that org exists or not.
 * FORBIDDEN: the org is suspended. MOVED: the org has another key now (out->org_key) and the caller
 * may enter it. */
enum rc auth_check(struct auth *a, unsigned worker, struct txn *reader, struct slice authorization,
	struct slice org_key, int64_t now, struct caller *out, struct err *err) MUSTCHECK;

/* Whose token it is, whatever it may do where, and the key of the one org that it opens ("" when there may be several).
 * UNAUTHORIZED as above. */
enum rc auth_identify(struct auth *a, unsigned worker, struct txn *reader, struct slice authorization,
	int64_t now, enum caller_kind *kind, char org_key[ORG_KEY_MAX + 1], struct err *err) MUSTCHECK;

/* The same as auth_check() for who showed a client certificate: token is one that is kept, or one that was made up for the member (owner) or the
 * connection that the certificate stands for (number 0). Nothing is borrowed from the reader, which is not renewed. */
enum rc auth_enter(struct auth *a, struct txn *reader, const struct token *token, struct slice org_key, int64_t now,
	struct caller *out, struct err *err) MUSTCHECK;
enum caller_kind auth_kind(const struct token *token);

/* In the write transaction that carries out what a caller asked for before: its org, its token or
 * its membership may be gone by now. Errors as above. */
enum rc auth_still(
	struct auth *a, struct txn *t, const struct caller *c, struct err *err) MUSTCHECK;

/* The operator at the control door. */
void caller_init_control(struct caller *c, uint32_t org);

/* A peer without its port, as the journal has it. */
void peer_address(const char *peer, char out[ACTOR_PEER]);
/* A caller as the journal tells who did it; o: the caller's org. peer: with its port. */
struct actor caller_actor(const struct caller *c, struct orgtx *o, enum door door, const char *peer, int64_t now);

/* "connection", "key", "person", "service", "operator". */
const char *caller_kind_name(enum caller_kind kind);

/* `Bearer realm="rosterd"`, with error="invalid_token" when a token was sent (RFC 6750 section 3).
 */
struct slice auth_challenge(struct slice authorization);

/* Waits until the times of last use are written (at most once a minute otherwise): for whoever
 * lists tokens. May block. */
void auth_flush(struct auth *a);

/* A new token and its hash. The text is secret: wipe it when it was handed over. */
void token_generate(char text[TOKEN_TEXT + 1], uint8_t hash[TOKEN_HASH]);
void token_hash(struct slice text, uint8_t hash[TOKEN_HASH]);

#endif
