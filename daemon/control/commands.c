/* The commands that manage orgs, connections and tokens. */
#include <stdio.h>

#include "base/log.h"
#include "daemon/control/call.h"
#include "daemon/directory/org.h"
#include "schema/text.h"

#include "base/banned.h"

static const int64_t SECOND = 10000000; /* ticks */
static const int64_t DAY = INT64_C(86400) * 10000000;

/* A change on its way through the committer: what it is told, what it found. */
struct change_job {
	struct write_job job;
	enum rc (*step)(struct change_job *j, struct txn *t, struct err *err);
	struct slice key, name;
	const struct model *model;
	enum org_state state;
	enum dialect dialect;
	uint32_t number;
	int64_t now, until;
	struct token token;
	struct org org;
	struct connection connection;
	char secret[TOKEN_TEXT + 1];
};

static enum rc
change_step(struct write_job *job, struct txn *t, struct err *err)
{
	struct change_job *j = (struct change_job *)job;
	enum rc rc = j->step(j, t, err);

	return rc != RC_OK ? rc : txn_rc(t);
}

static enum rc
change_run(struct call *c, struct change_job *j, struct err *err)
{
	j->now = clock_ticks();
	return committer_run(c->options->committer, change_step, &j->job, err);
}

/* ---- JSON ---- */

static void
json_put(json_t *object, const char *name, json_t *value)
{
	(void)json_object_set_new(object, name, value);
}

static json_t *
base_url(const struct control_options *o, const char *key)
{
	const struct config *config = o->config;
	const char *base = config->public_url, *rest;
	int port = o->server != NULL ? server_port(o->server, 0) : 0;
	char text[512];
	size_t host;

	if (base != NULL || config->listen[0] == NULL || port <= 0) {
		(void)snprintf(text, sizeof(text), "%s/orgs/%s/scim/v2",
			base != NULL ? base : config->listen[0], key);
		return json_string(text);
	}
	/* The port as bound: the URL may say 0. */
	base = config->listen[0];
	rest = strstr(base, "://") + 3;
	host = rest[0] == '[' ? strcspn(rest, "]") + 1 : strcspn(rest, ":/");
	(void)snprintf(text, sizeof(text), "%.*s:%d/orgs/%s/scim/v2",
		(int)(rest - base) + (int)host, base, port, key);
	return json_string(text);
}

static json_t *
org_json(struct txn *t, const struct org *org)
{
	json_t *j = json_pack("{s:s, s:s, s:s}", "key", org->key, "name", org->name, "state",
		org_state_name(org->state));
	const struct org_stat *stat;
	struct orgtx *o = t != NULL ? orgtx_open(t, org->no) : NULL;

	json_put(j, "created", json_time(org->created));
	if (o == NULL)
		return j;
	stat = orgtx_stat(o);
	json_put(j, "users", json_integer((json_int_t)stat->rows[TYPE_USER]));
	json_put(j, "activeUsers", json_integer((json_int_t)stat->active_users));
	json_put(j, "groups", json_integer((json_int_t)stat->rows[TYPE_GROUP]));
	json_put(j, "memberships", json_integer((json_int_t)stat->edges));
	json_put(j, "revision", json_integer((json_int_t)stat->revision));
	return j;
}

static json_t *
connection_json(const struct control_options *o, const struct org *org, const struct connection *c)
{
	json_t *j = json_pack("{s:s, s:s, s:i, s:s}", "org", org->key, "name", c->name, "number",
		(int)c->no, "dialect", dialect_name(c->dialect));

	json_put(j, "created", json_time(c->created));
	json_put(j, "baseUrl", base_url(o, org->key));
	json_put(j, "stopped", json_boolean(c->guard.tripped));
	json_put(j, "removedUsers", json_integer((json_int_t)c->guard.users));
	json_put(j, "removedMemberships", json_integer((json_int_t)c->guard.edges));
	return j;
}

static json_t *
token_json(const struct connection *c, const struct token *t, int64_t now)
{
	json_t *j = json_pack(
		"{s:i, s:s, s:s}", "number", (int)t->no, "connection", c->name, "label", t->label);

	json_put(j, "created", json_time(t->created));
	json_put(j, "expires", json_time(t->expires));
	json_put(j, "expired", json_boolean(t->expires != 0 && t->expires <= now));
	json_put(j, "lastUsed", json_time(t->last_used));
	return j;
}

/* With the secret, which is shown this once. */
static json_t *
new_token_json(const struct change_job *j)
{
	json_t *token = token_json(&j->connection, &j->token, j->now);

	json_put(token, "token", json_string(j->secret));
	return token;
}

/* ---- Arguments ---- */

/* "90d", "12h", "30m", "45s": how long; false when it is none. */
static bool
duration_parse(struct slice text, int64_t *ticks)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 },
		{ 'y', 31536000 } };
	uint64_t n;

	if (text.len < 2 || !slice_to_u64((struct slice){ text.p, text.len - 1 }, 0, 100000000, &n))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].unit != text.p[text.len - 1])
			continue;
		*ticks = (int64_t)n * units[i].seconds * SECOND;
		return (int64_t)n * units[i].seconds <= INT64_C(36500) * 86400;
	}
	return false;
}

/* A duration, a date (its end, UTC), a time, or "never". */
static enum rc
expires_arg(const struct call *c, int64_t now, int64_t *out, struct err *err)
{
	uint64_t days = c->options->config->token_lifetime,
		 max = c->options->config->token_lifetime_max;
	char day[DATETIME_MAX];
	struct slice text;
	int64_t ticks;
	enum rc rc = call_text(c, "expires", false, &text, err);

	if (rc != RC_OK)
		return rc;
	if (text.len == 0)
		*out = days == 0 ? 0 : now + (int64_t)days * DAY;
	else if (slice_eq(text, SLICE("never")))
		*out = 0;
	else if (duration_parse(text, &ticks))
		*out = now + ticks;
	else if (datetime_parse(text, &ticks))
		*out = ticks;
	else if (text.len == 10 && snprintf(day, sizeof(day), "%.10sT00:00:00Z", text.p) == 20 &&
		 datetime_parse(slice_of(day), &ticks))
		*out = ticks + DAY;
	else
		return fail(err, RC_INVALID_VALUE, "expires",
			"expires is a duration (90d, 12h), a date (2027-01-31), a time "
			"(2027-01-31T12:00:00Z) or "
			"never");
	if (max > 0 && (*out == 0 || *out > now + (int64_t)max * DAY))
		return fail(err, RC_INVALID_VALUE, "expires",
			"a token may live for %llu days at most (token.lifetime_max)",
			(unsigned long long)max);
	return RC_OK;
}

static enum rc
key_arg(const struct call *c, struct change_job *j, struct err *err)
{
	return call_text(c, "org", true, &j->key, err);
}

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
label_arg(const struct call *c, struct token *token, struct err *err)
{
	struct slice label;
	enum rc rc = call_text(c, "label", false, &label, err);

	if (rc != RC_OK)
		return rc;
	if (label.len > NAME_MAX_BYTES)
		return fail(err, RC_INVALID_VALUE, "label",
			"the label has %zu bytes, at most %d are allowed", label.len,
			NAME_MAX_BYTES);
	memcpy(token->label, label.p, label.len);
	token->label[label.len] = '\0';
	return RC_OK;
}

static void
log_change(const char *event, const struct change_job *j)
{
	log_event(LOG_INFO, event, LOG_STR("org", j->org.key),
		LOG_NUM("connection", j->connection.no), LOG_NUM("token", j->token.no));
}

/* ---- Reading ---- */

static enum rc
with_reader(
	struct call *c, enum rc (*fn)(struct call *, struct txn *, struct err *), struct err *err)
{
	struct txn *t = reader_new(c->options->store);
	enum rc rc;

	if (t == NULL)
		return fail(err, RC_UNAVAILABLE, "", "there are too many readers of the store");
	if ((rc = reader_begin(t, err)) == RC_OK) {
		rc = fn(c, t, err);
		if (rc == RC_OK)
			rc = txn_rc(t);
		reader_end(t);
	}
	reader_free(t);
	return rc;
}

/* ---- Orgs ---- */

static enum rc
org_create_step(struct change_job *j, struct txn *t, struct err *err)
{
	enum rc rc = dir_org_create(t, j->key, j->name, j->now, &j->org, err);

	if (rc != RC_OK)
		return rc;
	memcpy(j->org.model, j->model->name.p, j->model->name.len);
	j->org.model_version = j->model->version;
	j->org.external_invitations = j->model->external_invitations;
	org_put(t, &j->org);
	return RC_OK;
}

enum rc
command_org_create(struct call *c, struct err *err)
{
	struct change_job j = { .step = org_create_step,
		.model = c->options->directory->models->models[0] };
	enum rc rc;

	if ((rc = key_arg(c, &j, err)) != RC_OK ||
		(rc = call_text(c, "name", false, &j.name, err)) != RC_OK ||
		(rc = change_run(c, &j, err)) != RC_OK)
		return rc;
	log_change("org-created", &j);
	c->result = org_json(NULL, &j.org);
	json_put(c->result, "baseUrl", base_url(c->options, j.org.key));
	return RC_OK;
}

/* Answers are sent while no transaction is open: the client may be slow. */
enum rc
command_org_list(struct call *c, struct err *err)
{
	enum { STEP = 256 };
	struct txn *t = reader_new(c->options->store);
	struct org org = { .no = 0 };
	bool more = true;
	enum rc rc = RC_OK;

	if (t == NULL)
		return fail(err, RC_UNAVAILABLE, "", "there are too many readers of the store");
	while (more && !c->gone && (rc = reader_begin(t, err)) == RC_OK) {
		json_t *found = json_array();
		json_t *part;
		size_t i;

		for (i = 0; i < STEP && (more = org_next(t, org.no, &org)); i++)
			(void)json_array_append_new(found, org_json(t, &org));
		reader_end(t);
		json_array_foreach (found, i, part)
			call_part(c, json_incref(part));
		json_decref(found);
	}
	reader_free(t);
	return rc;
}

static enum rc
org_show(struct call *c, struct txn *t, struct err *err)
{
	struct connection connection = { .no = 0 };
	struct slice key;
	json_t *list;
	struct org org;
	enum rc rc;

	if ((rc = call_text(c, "org", true, &key, err)) != RC_OK ||
		(rc = dir_org_find(t, key, &org, err)) != RC_OK)
		return rc;
	c->result = org_json(t, &org);
	json_put(c->result, "baseUrl", base_url(c->options, org.key));
	list = json_array();
	while (connection_next(t, org.no, connection.no, &connection))
		(void)json_array_append_new(list, connection_json(c->options, &org, &connection));
	json_put(c->result, "connections", list);
	return RC_OK;
}

enum rc
command_org_show(struct call *c, struct err *err)
{
	return with_reader(c, org_show, err);
}

static enum rc
org_state_step(struct change_job *j, struct txn *t, struct err *err)
{
	return dir_org_set_state(t, j->key, j->state, &j->org, err);
}

static enum rc
org_set_state(struct call *c, enum org_state state, const char *event, struct change_job *j,
	struct err *err)
{
	enum rc rc;

	*j = (struct change_job){ .step = org_state_step, .state = state };
	if ((rc = key_arg(c, j, err)) != RC_OK || (rc = change_run(c, j, err)) != RC_OK)
		return rc;
	log_change(event, j);
	c->result = org_json(NULL, &j->org);
	return RC_OK;
}

enum rc
command_org_suspend(struct call *c, struct err *err)
{
	struct change_job j;

	return org_set_state(c, ORG_SUSPENDED, "org-suspended", &j, err);
}

enum rc
command_org_resume(struct call *c, struct err *err)
{
	struct change_job j;

	return org_set_state(c, ORG_ACTIVE, "org-resumed", &j, err);
}

struct purge_job {
	struct write_job job;
	uint32_t org;
	bool ended;
};

static enum rc
purge_step(struct write_job *job, struct txn *t, struct err *err)
{
	enum { ENTRIES = 20000 /* some tens of milliseconds, so that other writers go on */ };
	struct purge_job *p = (struct purge_job *)job;

	(void)err;
	p->ended = org_purge(t, p->org, ENTRIES);
	return txn_rc(t);
}

enum rc
org_purge_all(const struct control_options *o, uint32_t no, struct call *c, struct err *err)
{
	struct purge_job p = { .job.item.lane = no, .org = no };
	uint64_t steps = 0;
	enum rc rc = RC_OK;

	while (!p.ended && rc == RC_OK && (o->stop == NULL || !*o->stop)) {
		rc = committer_run(o->committer, purge_step, &p.job, err);
		if (c != NULL)
			call_progress(c, ++steps, 0);
	}
	return rc;
}

enum rc
command_org_delete(struct call *c, struct err *err)
{
	struct change_job j;
	enum rc rc = org_set_state(c, ORG_PURGING, "org-deleted", &j, err);

	if (rc == RC_OK && (rc = org_purge_all(c->options, j.org.no, c, err)) == RC_OK)
		json_put(c->result, "state", json_string("deleted"));
	return rc;
}

/* ---- Connections ---- */

static enum rc
connection_create_step(struct change_job *j, struct txn *t, struct err *err)
{
	enum rc rc;

	if ((rc = dir_org_find(t, j->key, &j->org, err)) != RC_OK ||
		(rc = dir_connection_create(
			 t, j->org.no, j->name, j->dialect, j->now, &j->connection, err)) != RC_OK)
		return rc;
	return dir_token_add(t, &j->connection, j->now, &j->token, err);
}

enum rc
command_connection_create(struct call *c, struct err *err)
{
	struct change_job j = { .step = connection_create_step };
	enum rc rc;

	if ((rc = connection_args(c, &j, err)) != RC_OK ||
		(rc = label_arg(c, &j.token, err)) != RC_OK ||
		(rc = dialect_arg(c, false, &j.dialect, err)) != RC_OK ||
		(rc = expires_arg(c, clock_ticks(), &j.token.expires, err)) != RC_OK)
		return rc;
	token_generate(j.secret, j.token.hash);
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

/* Sends a result that is a list as parts. */
static enum rc
answer_list(struct call *c, enum rc rc)
{
	json_t *list = c->result, *part;
	size_t i;

	if (rc != RC_OK || !json_is_array(list))
		return rc;
	c->result = NULL;
	json_array_foreach (list, i, part)
		call_part(c, json_incref(part));
	json_decref(list);
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
	enum rc rc = dir_org_find(t, j->key, &j->org, err);

	return rc != RC_OK ? rc : dir_connection_delete(t, j->org.no, j->name, &j->connection, err);
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
	enum rc rc = dir_org_find(t, j->key, &j->org, err);

	return rc != RC_OK ? rc
			   : dir_connection_release(t, j->org.no, j->name, &j->connection, err);
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
	enum rc rc = dir_org_find(t, j->key, &j->org, err);

	return rc != RC_OK ? rc
			   : dir_connection_set_dialect(
				     t, j->org.no, j->name, j->dialect, &j->connection, err);
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
	return dir_token_add(t, &j->connection, j->now, &j->token, err);
}

enum rc
command_token_add(struct call *c, struct err *err)
{
	struct change_job j = { .step = token_add_step };
	enum rc rc;

	if ((rc = connection_args(c, &j, err)) != RC_OK ||
		(rc = label_arg(c, &j.token, err)) != RC_OK ||
		(rc = expires_arg(c, clock_ticks(), &j.token.expires, err)) != RC_OK)
		return rc;
	token_generate(j.secret, j.token.hash);
	if ((rc = change_run(c, &j, err)) == RC_OK) {
		log_change("token-added", &j);
		c->result = new_token_json(&j);
	}
	explicit_bzero(j.secret, sizeof(j.secret));
	return rc;
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
		(rc = dir_org_find(t, key, &org, err)) != RC_OK ||
		(name.len > 0 && (rc = dir_connection_find(t, org.no, name, &only, err)) != RC_OK))
		return rc;
	list = json_array();
	while (token_next(t, org.no, token.no, &token)) {
		if (only.no != 0 && token.connection != only.no)
			continue;
		if (connection.no != token.connection &&
			!connection_get(t, org.no, token.connection, &connection))
			continue;
		(void)json_array_append_new(list, token_json(&connection, &token, clock_ticks()));
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
token_rotate_step(struct change_job *j, struct txn *t, struct err *err)
{
	enum rc rc;

	if ((rc = dir_org_find(t, j->key, &j->org, err)) != RC_OK ||
		(rc = dir_token_rotate(
			 t, j->org.no, j->number, j->now, j->until, &j->token, err)) != RC_OK)
		return rc;
	(void)connection_get(t, j->org.no, j->token.connection, &j->connection);
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
		(rc = label_arg(c, &j.token, err)) != RC_OK ||
		(rc = expires_arg(c, now, &j.token.expires, err)) != RC_OK ||
		(rc = call_text(c, "overlap", false, &text, err)) != RC_OK)
		return rc;
	if (text.len > 0 && !duration_parse(text, &overlap))
		return fail(
			err, RC_INVALID_VALUE, "overlap", "overlap is a duration: 24h, 30m, 0s");
	j.until = now + overlap;
	token_generate(j.secret, j.token.hash);
	if ((rc = change_run(c, &j, err)) == RC_OK) {
		log_change("token-rotated", &j);
		c->result = new_token_json(&j);
		json_put(c->result, "replaces", json_integer(j.number));
		json_put(c->result, "oldEnds", json_time(j.until));
	}
	explicit_bzero(j.secret, sizeof(j.secret));
	return rc;
}

static enum rc
token_revoke_step(struct change_job *j, struct txn *t, struct err *err)
{
	enum rc rc;

	if ((rc = dir_org_find(t, j->key, &j->org, err)) != RC_OK ||
		(rc = dir_token_revoke(t, j->org.no, j->number, &j->token, err)) != RC_OK)
		return rc;
	(void)connection_get(t, j->org.no, j->token.connection, &j->connection);
	return RC_OK;
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
	c->result = token_json(&j.connection, &j.token, j.now);
	return RC_OK;
}
