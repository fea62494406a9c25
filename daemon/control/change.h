/* What the commands share that change something: they are operators at a door of their own, and go
 * through the same rules as every client. */
#ifndef DAEMON_CONTROL_CHANGE_H
#define DAEMON_CONTROL_CHANGE_H

#include "daemon/control/call.h"
#include "daemon/directory/organization.h"

/* A change on its way through the committer: what it is told, what it found. */
struct change_job {
	struct write_job job;
	struct call *call;
	enum rc (*step)(struct change_job *j, struct txn *t, struct err *err);
	struct slice key, name, model, kind, owner;
	struct slice label, orgs, permissions, email;
	struct org_act_args act;
	enum dialect dialect;
	uint32_t number;
	int64_t now, until, expires;
	bool now_flag;
	/* Of change_run(). */
	struct caller caller;
	struct writer writer;
	/* Found. */
	struct org org;
	struct connection connection;
	struct token token;
	uint64_t row;
	char secret[TOKEN_TEXT + 1];
};

enum rc change_run(struct call *c, struct change_job *j, struct err *err) MUSTCHECK;

/* A resource to be made, edited or deleted by the rules of its type. */
struct node *change_root(const struct change_job *j, uint8_t type);
enum rc change_create(struct change_job *j, struct orgtx *o, uint8_t type, struct node *root,
	struct written *out, struct err *err) MUSTCHECK;
enum rc change_delete(
	struct change_job *j, struct orgtx *o, uint64_t row, struct err *err) MUSTCHECK;
/* The record's tree, to be changed and put back by change_replace(). */
struct node *change_tree(const struct change_job *j, struct orgtx *o, uint64_t row);
enum rc change_replace(struct change_job *j, struct orgtx *o, uint64_t row, struct node *root,
	struct err *err) MUSTCHECK;

/* A token of any kind; owner: row, 0 where it has none. Gives token and secret. */
enum rc change_make_token(struct change_job *j, struct orgtx *o, enum token_kind kind,
	uint64_t owner, struct err *err) MUSTCHECK;
/* A connection with its record. */
enum rc change_make_connection(struct change_job *j, struct txn *t, uint32_t org,
	struct slice name, enum dialect dialect, struct err *err) MUSTCHECK;

/* An org by key; "platform" is ORG_PLATFORM where that is allowed. */
enum rc change_find_org(
	struct txn *t, struct slice key, bool platform, struct org *out, struct err *err) MUSTCHECK;
/* A person by username, or by id. */
enum rc change_find_person(const struct call *c, struct txn *t, struct slice name, uint64_t *row,
	struct err *err) MUSTCHECK;

/* Runs fn in a read transaction of its own. */
enum rc with_reader(
	struct call *c, enum rc (*fn)(struct call *, struct txn *, struct err *), struct err *err) MUSTCHECK;
/* Sends a result that is a list as parts. */
enum rc answer_list(struct call *c, enum rc rc) MUSTCHECK;

/* ---- Arguments ---- */

/* "90d", "12h", "30m", "45s": how long; false when it is none. */
bool duration_parse(struct slice text, int64_t *ticks);
enum rc expires_arg(const struct call *c, int64_t now, int64_t *out, struct err *err) MUSTCHECK;
enum rc key_arg(const struct call *c, struct change_job *j, struct err *err) MUSTCHECK;
enum rc label_arg(const struct call *c, struct change_job *j, struct err *err) MUSTCHECK;

/* ---- Answers ---- */

void json_put(json_t *object, const char *name, json_t *value);
json_t *org_json(struct txn *t, const struct org *org);
json_t *connection_json(
	const struct control_options *o, const struct org *org, const struct connection *c);
/* connection: NULL where there is none. */
json_t *token_json(const struct connection *c, const struct token *t, int64_t now);
/* With the secret, which is shown this once. */
json_t *new_token_json(const struct change_job *j);
json_t *base_url(const struct control_options *o, const char *key);
void log_change(const char *event, const struct change_job *j);

#endif
