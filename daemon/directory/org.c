#include "daemon/directory/org.h"

#include "schema/text.h"

#include "base/banned.h"

static bool
key_valid(struct slice key)
{
	if (key.len == 0 || key.len > ORG_KEY_MAX || key.p[0] == '-' || key.p[key.len - 1] == '-')
		return false;
	for (size_t i = 0; i < key.len; i++) {
		char c = key.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	return true;
}

/* Names are shown to people: text without control characters. */
static enum rc
name_check(const char *what, struct slice name, struct err *err)
{
	if (name.len > NAME_MAX_BYTES)
		return fail(err, RC_INVALID_VALUE, what, "%s has %zu bytes, at most %d are allowed",
			what, name.len, NAME_MAX_BYTES);
	if (!text_valid(name))
		return fail(err, RC_INVALID_VALUE, what, "%s is not valid UTF-8", what);
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f)
			return fail(
				err, RC_INVALID_VALUE, what, "%s holds a control character", what);
	return RC_OK;
}

static void
name_copy(char out[NAME_MAX_BYTES + 1], struct slice name)
{
	if (name.len > 0)
		memcpy(out, name.p, name.len);
	out[name.len] = '\0';
}

enum rc
dir_org_create(struct txn *t, struct slice key, struct slice name, int64_t now, struct org *out,
	struct err *err)
{
	struct org org;
	enum rc rc;

	if (!key_valid(key))
		return fail(err, RC_INVALID_VALUE, "key",
			"an org's key is 1 to %d of a-z, 0-9 and \"-\", with no \"-\" at either "
			"end",
			ORG_KEY_MAX);
	if ((rc = name_check("name", name, err)) != RC_OK)
		return rc;
	if (org_by_key(t, key, &org)) {
		if (org.state == ORG_PURGING)
			return fail(err, RC_CONFLICT, "key",
				"the org \"%s\" is still being deleted", org.key);
		return fail(err, RC_UNIQUENESS, "key", "there is an org \"%s\" already", org.key);
	}
	org_init(&org);
	org.created = now;
	memcpy(org.key, key.p, key.len);
	name_copy(org.name, name.len > 0 ? name : key);
	org_create(t, &org);
	*out = org;
	return RC_OK;
}

enum rc
dir_org_find(struct txn *t, struct slice key, struct org *out, struct err *err)
{
	enum rc rc;

	if (key.len <= ORG_KEY_MAX && org_by_key(t, key, out) && out->state != ORG_PURGING)
		return RC_OK;
	if ((rc = txn_rc(t)) != RC_OK)
		return fail(err, rc, "", "the store could not be read");
	return fail(err, RC_NOT_FOUND, "org", "there is no org \"%.*s\"",
		key.len > ORG_KEY_MAX ? ORG_KEY_MAX : (int)key.len, key.p);
}

enum rc
dir_org_set_state(
	struct txn *t, struct slice key, enum org_state state, struct org *out, struct err *err)
{
	enum rc rc = dir_org_find(t, key, out, err);

	if (rc != RC_OK || out->state == state)
		return rc;
	out->state = state;
	org_put(t, out);
	return RC_OK;
}

/* ---- Connections ---- */

static bool
connection_by_name(struct txn *t, uint32_t org, struct slice name, struct connection *out)
{
	struct arena *a = arena_new();
	struct slice folded = text_fold(a, name);
	bool found = false;

	for (uint32_t no = 0; !found && connection_next(t, org, no, out); no = out->no)
		found = slice_eq(text_fold(a, slice_of(out->name)), folded);
	arena_free(a);
	return found;
}

enum rc
dir_connection_create(struct txn *t, uint32_t org, struct slice name, enum dialect dialect,
	int64_t now, struct connection *out, struct err *err)
{
	struct connection c = { .org = org, .dialect = dialect, .created = now };
	enum rc rc;

	if (name.len == 0 || name.p[0] == '#')
		return fail(err, RC_INVALID_VALUE, "name",
			"a connection needs a name, which does not begin with \"#\"");
	if ((rc = name_check("name", name, err)) != RC_OK)
		return rc;
	if (connection_by_name(t, org, name, &c))
		return fail(err, RC_UNIQUENESS, "name", "the org has a connection \"%s\" already",
			c.name);
	c = (struct connection){ .org = org, .dialect = dialect, .created = now };
	name_copy(c.name, name);
	connection_put(t, &c);
	*out = c;
	return RC_OK;
}

enum rc
dir_connection_find(
	struct txn *t, uint32_t org, struct slice name, struct connection *out, struct err *err)
{
	uint64_t no;
	enum rc rc;

	if (name.len > 1 && name.p[0] == '#') {
		if (slice_to_u64(slice_from(name, 1), 1, UINT32_MAX, &no) &&
			connection_get(t, org, (uint32_t)no, out))
			return RC_OK;
	} else if (name.len <= NAME_MAX_BYTES && text_valid(name) &&
		   connection_by_name(t, org, name, out)) {
		return RC_OK;
	}
	if ((rc = txn_rc(t)) != RC_OK)
		return fail(err, rc, "", "the store could not be read");
	return fail(err, RC_NOT_FOUND, "connection", "the org has no connection \"%.*s\"",
		name.len > NAME_MAX_BYTES ? NAME_MAX_BYTES : (int)name.len, name.p);
}

enum rc
dir_connection_set_dialect(struct txn *t, uint32_t org, struct slice name, enum dialect dialect,
	struct connection *out, struct err *err)
{
	enum rc rc = dir_connection_find(t, org, name, out, err);

	if (rc != RC_OK)
		return rc;
	out->dialect = dialect;
	connection_put(t, out);
	return RC_OK;
}

enum rc
dir_connection_release(
	struct txn *t, uint32_t org, struct slice name, struct connection *out, struct err *err)
{
	enum rc rc = dir_connection_find(t, org, name, out, err);

	if (rc != RC_OK)
		return rc;
	out->guard = (struct guard){ 0 };
	connection_put(t, out);
	return RC_OK;
}

enum rc
dir_connection_delete(
	struct txn *t, uint32_t org, struct slice name, struct connection *out, struct err *err)
{
	enum rc rc = dir_connection_find(t, org, name, out, err);
	struct token token;

	if (rc != RC_OK)
		return rc;
	for (uint32_t no = 0; token_next(t, org, no, &token); no = token.no)
		if (token.connection == out->no)
			token_delete(t, &token);
	connection_delete(t, org, out->no);
	return RC_OK;
}

/* ---- Tokens ---- */

enum rc
dir_token_add(struct txn *t, const struct connection *c, int64_t now, struct token *token,
	struct err *err)
{
	struct token other;
	unsigned live = 0;
	enum rc rc = name_check("label", slice_of(token->label), err);

	if (rc != RC_OK)
		return rc;
	if (token->expires != 0 && token->expires <= now)
		return fail(
			err, RC_INVALID_VALUE, "expires", "the token would have expired already");
	for (uint32_t no = 0; token_next(t, c->org, no, &other); no = other.no)
		if (other.connection == c->no && (other.expires == 0 || other.expires > now))
			live++;
	if (live >= TOKENS_MAX)
		return fail(err, RC_TOO_MANY, "tokens",
			"the connection has %u live tokens, at most %d are allowed: revoke some",
			live, TOKENS_MAX);
	token->org = c->org;
	token->connection = c->no;
	token->no = 0;
	token->created = now;
	token->last_used = 0;
	token_put(t, token);
	return RC_OK;
}

enum rc
dir_token_find(struct txn *t, uint32_t org, uint32_t no, struct token *out, struct err *err)
{
	enum rc rc;

	if (no > 0 && token_next(t, org, no - 1, out) && out->no == no)
		return RC_OK;
	if ((rc = txn_rc(t)) != RC_OK)
		return fail(err, rc, "", "the store could not be read");
	return fail(err, RC_NOT_FOUND, "token", "the org has no token %u", no);
}

enum rc
dir_token_rotate(struct txn *t, uint32_t org, uint32_t no, int64_t now, int64_t old_until,
	struct token *fresh, struct err *err)
{
	struct connection c;
	struct token old;
	enum rc rc = dir_token_find(t, org, no, &old, err);

	if (rc != RC_OK)
		return rc;
	if (!connection_get(t, org, old.connection, &c))
		return fail(err, RC_NOT_FOUND, "token", "the connection of token %u is gone", no);
	if (fresh->label[0] == '\0')
		memcpy(fresh->label, old.label, sizeof(fresh->label));
	if ((rc = dir_token_add(t, &c, now, fresh, err)) != RC_OK)
		return rc;
	if (old.expires == 0 || old.expires > old_until) {
		old.expires = old_until;
		token_put(t, &old);
	}
	return RC_OK;
}

enum rc
dir_token_revoke(struct txn *t, uint32_t org, uint32_t no, struct token *out, struct err *err)
{
	enum rc rc = dir_token_find(t, org, no, out, err);

	if (rc != RC_OK)
		return rc;
	token_delete(t, out);
	return RC_OK;
}

/* ---- Names of enums ---- */

static const char *const dialect_names[] = {
	[DIALECT_TOLERANT] = "tolerant",
	[DIALECT_STRICT] = "strict",
	[DIALECT_INTEROP] = "interop",
};

bool
dialect_parse(struct slice text, enum dialect *out)
{
	for (size_t i = 0; i < sizeof(dialect_names) / sizeof(dialect_names[0]); i++) {
		if (slice_eq(text, slice_of(dialect_names[i]))) {
			*out = (enum dialect)i;
			return true;
		}
	}
	return false;
}

const char *
dialect_name(enum dialect d)
{
	return dialect_names[d];
}

const char *
org_state_name(enum org_state s)
{
	static const char *const names[] = {
		[ORG_ACTIVE] = "active",
		[ORG_SUSPENDED] = "suspended",
		[ORG_DELETED] = "deleted",
		[ORG_PURGING] = "deleting",
	};

	return names[s];
}
