/* The commands for connections and their tokens, and for tokens of every kind. */
#include <stdio.h>

#include "base/log.h"
#include "daemon/control/change.h"
#include "daemon/directory/form.h"
#include "daemon/directory/org.h"

#include "base/banned.h"

static const int64_t DAY = INT64_C(86400) * 10000000; /* ticks */

static enum rc
connection_args(const struct call *c, struct change_job *j, struct err *err)
{
	enum rc rc = key_arg(c, j, err);

	return rc != RC_OK ? rc : call_text(c, "connection", true, &j->name, err);
}

static enum rc
dialect_arg(const struct call *c, bool required, enum dialect *out, struct err *err)
{
	struct slice text;
	enum rc rc = call_text(c, "dialect", required, &text, err);

	if (rc != RC_OK)
		return rc;
	*out = DIALECT_TOLERANT;
	if (text.len > 0 && !dialect_parse(text, out))
		return fail(
			err, RC_INVALID_VALUE, "dialect", "dialect is tolerant, strict or interop");
	return RC_OK;
}

static enum rc
expires_check(const struct change_job *j, struct err *err)
{
	if (j->expires != 0 && j->expires <= clock_ticks())
		return fail(err, RC_INVALID_VALUE, "expires", "the token would have expired already");
	return RC_OK;
}

static enum rc
token_args(struct call *c, struct change_job *j, struct err *err)
{
	enum rc rc;

	if ((rc = label_arg(c, j, err)) != RC_OK ||
		(rc = expires_arg(c, clock_ticks(), &j->expires, err)) != RC_OK)
		return rc;
	return expires_check(j, err);
}

static enum rc
connection_create_step(struct change_job *j, struct txn *t, struct err *err)
{
	enum rc rc;

	if ((rc = dir_org_find(t, j->key, &j->org, err)) != RC_OK ||
		(rc = change_make_connection(j, t, j->org.no, j->name, j->dialect, err)) != RC_OK)
		return rc;
	return change_make_token(
		j, orgtx_open(t, j->org.no), TOKEN_CONNECTION, j->connection.row, err);
}

enum rc
command_connection_create(struct call *c, struct err *err)
{
	struct change_job j = { .step = connection_create_step };
	enum rc rc;

	if ((rc = connection_args(c, &j, err)) != RC_OK || (rc = token_args(c, &j, err)) != RC_OK ||
		(rc = dialect_arg(c, false, &j.dialect, err)) != RC_OK)
		return rc;
	if ((rc = change_run(c, &j, err)) == RC_OK) {
		log_change("connection-created", &j);
		c->result = connection_json(c->options, &j.org, &j.connection);
		json_put(c->result, "firstToken", new_token_json(&j));
	}
	explicit_bzero(j.secret, sizeof(j.secret));
	return rc;
}

static enum rc
connection_list(struct call *c, struct txn *t, struct err *err)
{
	struct connection connection = { .no = 0 };
	struct slice key;
	struct org org;
	json_t *list;
	enum rc rc;

	if ((rc = call_text(c, "org", true, &key, err)) != RC_OK ||
		(rc = dir_org_find(t, key, &org, err)) != RC_OK)
		return rc;
	list = json_array();
	while (connection_next(t, org.no, connection.no, &connection))
		(void)json_array_append_new(list, connection_json(c->options, &org, &connection));
	c->result = list;
	return RC_OK;
}

enum rc
command_connection_list(struct call *c, struct err *err)
{
	return answer_list(c, with_reader(c, connection_list, err));
}

static enum rc
connection_change(struct call *c, struct change_job *j, const char *event, struct err *err)
{
	enum rc rc;

	if ((rc = connection_args(c, j, err)) != RC_OK || (rc = change_run(c, j, err)) != RC_OK)
		return rc;
	log_change(event, j);
	c->result = connection_json(c->options, &j->org, &j->connection);
	return RC_OK;
}

static enum rc
connection_delete_step(struct change_job *j, struct txn *t, struct err *err)
{
	enum rc rc;

	if ((rc = dir_org_find(t, j->key, &j->org, err)) != RC_OK ||
		(rc = dir_connection_find(t, j->org.no, j->name, &j->connection, err)) != RC_OK)
		return rc;
	return change_delete(j, orgtx_open(t, j->org.no), j->connection.row, err);
}

enum rc
command_connection_delete(struct call *c, struct err *err)
{
	struct change_job j = { .step = connection_delete_step };

	return connection_change(c, &j, "connection-deleted", err);
}

static enum rc
connection_release_step(struct change_job *j, struct txn *t, struct err *err)
{
	enum rc rc;

	if ((rc = dir_org_find(t, j->key, &j->org, err)) != RC_OK ||
		(rc = dir_connection_find(t, j->org.no, j->name, &j->connection, err)) != RC_OK)
		return rc;
	j->caller.org = j->org.no;
	return connection_release(j->call->options->directory, orgtx_open(t, j->org.no), &j->writer,
		j->call->arena, j->connection.row, &j->connection, err);
}

enum rc
command_connection_release(struct call *c, struct err *err)
{
	struct change_job j = { .step = connection_release_step };

	return connection_change(c, &j, "connection-released", err);
}

static enum rc
connection_dialect_step(struct change_job *j, struct txn *t, struct err *err)
{
	struct orgtx *o;
	struct node *root;
	enum rc rc;

	if ((rc = dir_org_find(t, j->key, &j->org, err)) != RC_OK ||
		(rc = dir_connection_find(t, j->org.no, j->name, &j->connection, err)) != RC_OK)
		return rc;
	o = orgtx_open(t, j->org.no);
	if ((root = change_tree(j, o, j->connection.row)) != NULL)
		tree_set_text(j->call->arena, root, j->call->options->directory->at.connection_dialect,
			slice_of(dialect_name(j->dialect)));
	if ((rc = change_replace(j, o, j->connection.row, root, err)) != RC_OK)
		return rc;
	(void)connection_get(t, j->org.no, j->connection.no, &j->connection);
	return RC_OK;
}

enum rc
command_connection_set_dialect(struct call *c, struct err *err)
{
	struct change_job j = { .step = connection_dialect_step };
	enum rc rc = dialect_arg(c, true, &j.dialect, err);

	return rc != RC_OK ? rc : connection_change(c, &j, "connection-dialect-set", err);
}

/* ---- Tokens ---- */

static enum rc
token_add_step(struct change_job *j, struct txn *t, struct err *err)
{
	enum rc rc;

	if ((rc = dir_org_find(t, j->key, &j->org, err)) != RC_OK ||
		(rc = dir_connection_find(t, j->org.no, j->name, &j->connection, err)) != RC_OK)
		return rc;
	return change_make_token(
		j, orgtx_open(t, j->org.no), TOKEN_CONNECTION, j->connection.row, err);
}

/* Runs what makes a token, and shows it. */
static enum rc
token_make(struct call *c, struct change_job *j, const char *event, struct err *err)
{
	enum rc rc = change_run(c, j, err);

	if (rc == RC_OK) {
		log_change(event, j);
		c->result = new_token_json(j);
	}
	explicit_bzero(j->secret, sizeof(j->secret));
	return rc;
}

enum rc
command_token_add(struct call *c, struct err *err)
{
	struct change_job j = { .step = token_add_step };
	enum rc rc;

	if ((rc = connection_args(c, &j, err)) != RC_OK || (rc = token_args(c, &j, err)) != RC_OK)
		return rc;
	return token_make(c, &j, "token-added", err);
}

static enum rc
platform_token_step(struct change_job *j, struct txn *t, struct err *err)
{
	enum token_kind kind = call_flag(j->call, "operator") ? TOKEN_OPERATOR : TOKEN_SERVICE;

	return change_make_token(j, orgtx_open(t, ORG_PLATFORM), kind, 0, err);
}

enum rc
command_token_create(struct call *c, struct err *err)
{
	struct change_job j = { .step = platform_token_step };
	enum rc rc;

	if (call_flag(c, "operator") == call_flag(c, "service"))
		return fail(err, RC_INVALID_VALUE, "", "say --operator or --service");
	if ((rc = call_text(c, "orgs", false, &j.orgs, err)) != RC_OK ||
		(rc = call_text(c, "permissions", false, &j.permissions, err)) != RC_OK ||
		(rc = token_args(c, &j, err)) != RC_OK)
		return rc;
	return token_make(c, &j, "token-created", err);
}

static enum rc
person_token_step(struct change_job *j, struct txn *t, struct err *err)
{
	uint64_t person;
	enum rc rc = change_find_person(j->call, t, j->name, &person, err);

	return rc != RC_OK ? rc
			   : change_make_token(
				     j, orgtx_open(t, ORG_PLATFORM), TOKEN_PERSONAL, person, err);
}

enum rc
command_person_token(struct call *c, struct err *err)
{
	struct change_job j = { .step = person_token_step };
	enum rc rc;

	if ((rc = call_text(c, "person", true, &j.name, err)) != RC_OK ||
		(rc = call_text(c, "permissions", false, &j.permissions, err)) != RC_OK ||
		(rc = token_args(c, &j, err)) != RC_OK)
		return rc;
	return token_make(c, &j, "token-created", err);
}

static enum rc
token_list(struct call *c, struct txn *t, struct err *err)
{
	struct connection connection = { .no = 0 }, only = { .no = 0 };
	struct token token = { .no = 0 };
	struct slice key, name;
	struct org org;
	json_t *list;
	enum rc rc;

	if ((rc = call_text(c, "org", true, &key, err)) != RC_OK ||
		(rc = call_text(c, "connection", false, &name, err)) != RC_OK ||
		(rc = change_find_org(t, key, true, &org, err)) != RC_OK ||
		(name.len > 0 && (rc = dir_connection_find(t, org.no, name, &only, err)) != RC_OK))
		return rc;
	list = json_array();
	while (token_next(t, org.no, token.no, &token)) {
		bool of = token.kind == TOKEN_CONNECTION;

		if (only.no != 0 && (!of || token.connection != only.no))
			continue;
		if (of && connection.no != token.connection &&
			!connection_get(t, org.no, token.connection, &connection))
			continue;
		(void)json_array_append_new(
			list, token_json(of ? &connection : NULL, &token, clock_ticks()));
	}
	c->result = list;
	return RC_OK;
}

enum rc
command_token_list(struct call *c, struct err *err)
{
	auth_flush(c->options->auth);
	return answer_list(c, with_reader(c, token_list, err));
}

static enum rc
number_arg(const struct call *c, uint32_t *out, struct err *err)
{
	struct slice text;
	uint64_t n;
	enum rc rc = call_text(c, "token", true, &text, err);

	if (rc != RC_OK)
		return rc;
	if (!slice_to_u64(text, 1, UINT32_MAX, &n))
		return fail(err, RC_INVALID_VALUE, "token",
			"a token is named by its number (rosterctl token list)");
	*out = (uint32_t)n;
	return RC_OK;
}

static enum rc
find_token(struct change_job *j, struct txn *t, struct err *err)
{
	enum rc rc;

	if ((rc = change_find_org(t, j->key, true, &j->org, err)) != RC_OK ||
		(rc = dir_token_find(t, j->org.no, j->number, &j->token, err)) != RC_OK)
		return rc;
	if (j->token.kind == TOKEN_CONNECTION)
		(void)connection_get(t, j->org.no, j->token.connection, &j->connection);
	return RC_OK;
}

static enum rc
token_rotate_step(struct change_job *j, struct txn *t, struct err *err)
{
	struct token_rotation r = { .label = j->label, .expires = j->expires, .old_until = j->until };
	struct written written;
	enum rc rc = find_token(j, t, err);

	if (rc != RC_OK)
		return rc;
	j->caller.org = j->org.no;
	rc = token_rotate(j->call->options->directory, orgtx_open(t, j->org.no), &j->writer,
		j->call->arena, j->token.row, &r, &written, err);
	if (rc != RC_OK)
		return rc;
	memcpy(j->secret, r.secret, sizeof(j->secret));
	j->token = r.token;
	explicit_bzero(&r, sizeof(r));
	return RC_OK;
}

enum rc
command_token_rotate(struct call *c, struct err *err)
{
	struct change_job j = { .step = token_rotate_step };
	int64_t overlap = DAY, now = clock_ticks();
	struct slice text;
	enum rc rc;

	if ((rc = key_arg(c, &j, err)) != RC_OK || (rc = number_arg(c, &j.number, err)) != RC_OK ||
		(rc = token_args(c, &j, err)) != RC_OK ||
		(rc = call_text(c, "overlap", false, &text, err)) != RC_OK)
		return rc;
	if (text.len > 0 && !duration_parse(text, &overlap))
		return fail(
			err, RC_INVALID_VALUE, "overlap", "overlap is a duration: 24h, 30m, 0s");
	j.until = now + overlap;
	if ((rc = token_make(c, &j, "token-rotated", err)) == RC_OK) {
		json_put(c->result, "replaces", json_integer(j.number));
		json_put(c->result, "oldEnds", json_time(j.until));
	}
	return rc;
}

static enum rc
token_revoke_step(struct change_job *j, struct txn *t, struct err *err)
{
	enum rc rc = find_token(j, t, err);

	return rc != RC_OK ? rc : change_delete(j, orgtx_open(t, j->org.no), j->token.row, err);
}

enum rc
command_token_revoke(struct call *c, struct err *err)
{
	struct change_job j = { .step = token_revoke_step };
	enum rc rc;

	if ((rc = key_arg(c, &j, err)) != RC_OK || (rc = number_arg(c, &j.number, err)) != RC_OK ||
		(rc = change_run(c, &j, err)) != RC_OK)
		return rc;
	log_change("token-revoked", &j);
	c->result = token_json(
		j.token.kind == TOKEN_CONNECTION ? &j.connection : NULL, &j.token, j.now);
	return RC_OK;
}
