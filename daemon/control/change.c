#include "daemon/control/change.h"

#include <stdio.h>

#include "base/log.h"
#include "daemon/directory/form.h"
#include "daemon/directory/ids.h"
#include "daemon/directory/org.h"
#include "schema/text.h"

#include "base/banned.h"

static const int64_t SECOND = 10000000; /* ticks */
static const int64_t DAY = INT64_C(86400) * 10000000;

/* ---- Through the committer ---- */

static enum rc
change_step(struct write_job *job, struct txn *t, struct err *err)
{
	struct change_job *j = (struct change_job *)job;
	enum rc rc = j->step(j, t, err);

	return rc != RC_OK ? rc : txn_rc(t);
}

enum rc
change_run(struct call *c, struct change_job *j, struct err *err)
{
	j->call = c;
	j->now = clock_ticks() / 10000 * 10000; /* whole milliseconds: that is what clients can read */
	caller_init_control(&j->caller, ORG_PLATFORM);
	j->writer = (struct writer){ .actor = { .door = DOOR_CONTROL,
					     .kind = ACTOR_OPERATOR,
					     .now = j->now },
		.dialect = DIALECT_TOLERANT,
		.caller = &j->caller };
	return committer_run(c->options->committer, change_step, &j->job, err);
}

struct node *
change_root(const struct change_job *j, uint8_t type)
{
	return node_new(j->call->arena, schema_type(j->call->options->schema, type)->root, NODE_OBJECT);
}

enum rc
change_create(struct change_job *j, struct orgtx *o, uint8_t type, struct node *root,
	struct written *out, struct err *err)
{
	const struct resource_in in = { .root = root };
	struct uuid id = id_new();

	j->caller.org = orgtx_org(o);
	return resource_create(j->call->options->directory, o, &j->writer, j->call->arena,
		schema_type(j->call->options->schema, type), &id, &in, out, err);
}

enum rc
change_delete(struct change_job *j, struct orgtx *o, uint64_t row, struct err *err)
{
	struct record r;
	struct uuid id;

	j->caller.org = orgtx_org(o);
	if (!record_get(o, row, &r))
		return fail(err, RC_NOT_FOUND, "", "there is no such resource");
	id = r.id;
	return resource_delete(j->call->options->directory, o, &j->writer, j->call->arena, r.type,
		&id, NULL, err);
}

struct node *
change_tree(const struct change_job *j, struct orgtx *o, uint64_t row)
{
	struct record r;

	if (!record_get(o, row, &r))
		return NULL;
	r.fields = arena_dup(j->call->arena, r.fields);
	return record_unpack(j->call->arena, j->call->options->schema, &r, 0);
}

enum rc
change_replace(struct change_job *j, struct orgtx *o, uint64_t row, struct node *root, struct err *err)
{
	const struct resource_in in = { .root = root };
	struct written unused;
	struct record r;
	struct uuid id;

	j->caller.org = orgtx_org(o);
	if (root == NULL || !record_get(o, row, &r))
		return fail(err, RC_NOT_FOUND, "", "there is no such resource");
	id = r.id;
	return resource_replace(j->call->options->directory, o, &j->writer, j->call->arena, r.type,
		&id, NULL, &in, &unused, err);
}

enum rc
change_make_connection(struct change_job *j, struct txn *t, uint32_t org, struct slice name,
	enum dialect dialect, struct err *err)
{
	const struct directory *d = j->call->options->directory;
	struct orgtx *o = orgtx_open(t, org);
	struct node *root = change_root(j, TYPE_CONNECTION);
	struct written written;
	enum rc rc;

	tree_set_text(j->call->arena, root, d->at.connection_name, name);
	tree_set_text(j->call->arena, root, d->at.connection_dialect, slice_of(dialect_name(dialect)));
	if ((rc = change_create(j, o, TYPE_CONNECTION, root, &written, err)) != RC_OK)
		return rc;
	return connection_of_row(d, o, written.row, &j->connection)
		       ? RC_OK
		       : fail(err, RC_INTERNAL, "", "the connection could not be made");
}

/* A list with commas. */
static void
add_list(const struct change_job *j, struct node *root, const struct attr *attr, struct slice list)
{
	struct slice item;

	while (list.len > 0 && slice_split(&list, ',', &item))
		if (slice_trim(item).len > 0)
			tree_add_text(j->call->arena, root, attr, slice_trim(item));
}

enum rc
change_make_token(struct change_job *j, struct orgtx *o, enum token_kind kind, uint64_t owner,
	struct err *err)
{
	static const char *const names[] = { [TOKEN_CONNECTION] = "connection", [TOKEN_KEY] = "key",
		[TOKEN_PERSONAL] = "personal", [TOKEN_SERVICE] = "service", [TOKEN_OPERATOR] = "operator" };
	const struct attrs *at = &j->call->options->directory->at;
	struct arena *a = j->call->arena;
	struct node *root = change_root(j, TYPE_TOKEN);
	struct written written;
	struct slice secret;
	struct record r;
	enum rc rc;

	tree_set_text(a, root, at->token_kind, slice_of(names[kind]));
	tree_set_text(a, root, at->token_display, j->label);
	tree_set_text(a, root, at->token_owner_value, row_id_text(a, o, owner));
	add_list(j, root, at->token_organizations, j->orgs);
	add_list(j, root, at->token_permissions, j->permissions);
	if (j->expires != 0)
		tree_set_i64(a, root, at->token_expires, j->expires);
	if ((rc = change_create(j, o, TYPE_TOKEN, root, &written, err)) != RC_OK)
		return rc;
	if (!record_parse(j->call->options->schema, written.packed, &r) ||
		!token_of_record(j->call->options->directory, o, &r, &j->token))
		return fail(err, RC_INTERNAL, "", "the token could not be made");
	secret = record_text(j->call->options->schema, &r, at->token_secret);
	memcpy(j->secret, secret.p, secret.len < TOKEN_TEXT ? secret.len : TOKEN_TEXT);
	return RC_OK;
}

/* ---- Finding ---- */

enum rc
change_find_org(struct txn *t, struct slice key, bool platform, struct org *out, struct err *err)
{
	if (platform && slice_eq(key, SLICE("platform"))) {
		org_init(out);
		return RC_OK;
	}
	return dir_org_find(t, key, out, err);
}

enum rc
change_find_person(const struct call *c, struct txn *t, struct slice name, uint64_t *row,
	struct err *err)
{
	struct orgtx *o = orgtx_open(t, ORG_PLATFORM);
	const struct attr *attr = c->options->directory->at.person_user_name;
	struct node value = { .attr = attr, .kind = NODE_VALUE, .text = name };
	struct slice key;
	struct uuid id;

	if (uuid_parse(name, &id) && row_by_id(o, &id, row) && row_type(*row) == TYPE_PERSON)
		return RC_OK;
	if (index_key_of(c->arena, attr, 0, &value, false, &key) &&
		index_list(o, attr->id, TYPE_PERSON, key, 0, row, 1) == 1)
		return RC_OK;
	return fail(err, RC_NOT_FOUND, "person", "there is no person \"%.*s\"",
		SLICE_ARG(slice_clip(name, 100)));
}

/* ---- Reading ---- */

enum rc
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

/* Sends a result that is a list as parts. */
enum rc
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

/* ---- Arguments ---- */

/* "90d", "12h", "30m", "45s": how long; false when it is none. */
bool
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
enum rc
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

enum rc
key_arg(const struct call *c, struct change_job *j, struct err *err)
{
	return call_text(c, "org", true, &j->key, err);
}

enum rc
label_arg(const struct call *c, struct change_job *j, struct err *err)
{
	enum rc rc = call_text(c, "label", false, &j->label, err);

	if (rc == RC_OK && j->label.len > NAME_MAX_BYTES)
		return fail(err, RC_INVALID_VALUE, "label",
			"the label has %zu bytes, at most %d are allowed", j->label.len, NAME_MAX_BYTES);
	return rc;
}

/* ---- Answers ---- */

void
json_put(json_t *object, const char *name, json_t *value)
{
	(void)json_object_set_new(object, name, value);
}

json_t *
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

json_t *
org_json(struct txn *t, const struct org *org)
{
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s}", "key", org->key, "name", org->name, "state",
		org_state_name(org->state), "kind", org_kind_name(org->kind), "model", org->model);
	const struct org_stat *stat;
	struct orgtx *o = t != NULL ? orgtx_open(t, org->no) : NULL;

	json_put(j, "created", json_time(org->created));
	if (org->delete_after != 0)
		json_put(j, "deleteAfter", json_time(org->delete_after));
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

json_t *
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

json_t *
token_json(const struct connection *c, const struct token *t, int64_t now)
{
	static const char *const kinds[] = { [TOKEN_CONNECTION] = "connection", [TOKEN_KEY] = "key",
		[TOKEN_PERSONAL] = "personal", [TOKEN_SERVICE] = "service", [TOKEN_OPERATOR] = "operator" };
	json_t *j = json_pack("{s:i, s:s, s:s}", "number", (int)t->no, "kind", kinds[t->kind], "label",
		t->label);

	json_put(j, "connection", c != NULL ? json_string(c->name) : json_null());
	json_put(j, "created", json_time(t->created));
	json_put(j, "expires", json_time(t->expires));
	json_put(j, "expired", json_boolean(t->expires != 0 && t->expires <= now));
	json_put(j, "lastUsed", json_time(t->last_used));
	return j;
}

json_t *
new_token_json(const struct change_job *j)
{
	json_t *token = token_json(
		j->token.kind == TOKEN_CONNECTION ? &j->connection : NULL, &j->token, j->now);

	json_put(token, "token", json_string(j->secret));
	return token;
}

void
log_change(const char *event, const struct change_job *j)
{
	log_event(LOG_INFO, event, LOG_STR("org", j->org.key),
		LOG_NUM("connection", j->connection.no), LOG_NUM("token", j->token.no));
}
