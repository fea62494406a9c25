#include "daemon/store/store_private.h"

#include <assert.h>

#include "base/banned.h"

static const char meta_next_org[] = "next-org";

/* A value that does not decode is damage, not absence. */
static bool
decoded(struct txn *t, bool good)
{
	return txn_ok(t, good ? 0 : MDB_CORRUPTED);
}

/* ---- Organisations ---- */

enum { FLAG_EXTERNAL_INVITATIONS = 1, FLAG_CONNECTIONS_MANAGE_GUARDED = 2 };

void
org_init(struct org *org)
{
	*org = (struct org){ .state = ORG_ACTIVE };
	for (int i = 0; i < LIMIT_COUNT; i++)
		org->limits[i] = UINT64_MAX;
}

bool
org_decode(struct slice value, uint32_t no, struct org *out)
{
	struct rd r = { value.p, value.len, false };
	uint64_t flags, count, limit;

	org_init(out);
	out->no = no;
	out->state = (enum org_state)rd_le(&r, 1);
	out->kind = (enum org_kind)rd_le(&r, 1);
	out->created = (int64_t)rd_le(&r, 8);
	out->delete_after = (int64_t)rd_le(&r, 8);
	out->row = rd_le(&r, 8);
	out->model_version = (uint32_t)rd_le(&r, 4);
	flags = rd_le(&r, 1);
	out->external_invitations = (flags & FLAG_EXTERNAL_INVITATIONS) != 0;
	out->connections_manage_guarded = (flags & FLAG_CONNECTIONS_MANAGE_GUARDED) != 0;
	count = rd_le(&r, 1);
	for (uint64_t i = 0; i < count; i++) {
		limit = rd_le(&r, 8);
		if (i < LIMIT_COUNT)
			out->limits[i] = limit;
	}
	rd_text(&r, out->model, sizeof(out->model));
	rd_text(&r, out->key, sizeof(out->key));
	rd_text(&r, out->name, sizeof(out->name));
	return !r.bad && r.left == 0 && out->state <= ORG_PURGING && out->kind <= ORG_PERSONAL;
}

bool
org_by_no(struct txn *t, uint32_t no, struct org *out)
{
	uint8_t key[KEY_ORG];
	MDB_val value;

	put_be32(key, no);
	return txn_get(t, TAB_ORG, key, sizeof(key), &value) &&
	       decoded(t, org_decode(slice_val(&value), no, out));
}

bool
org_name_decode(struct slice value, uint32_t *no, int64_t *until)
{
	struct rd r = { value.p, value.len, false };
	struct slice number = rd_bytes(&r, KEY_ORG);

	*no = number.len > 0 ? get_be32(number.p) : 0;
	*until = (int64_t)rd_le(&r, 8);
	return !r.bad && r.left == 0;
}

static void
org_name_put(struct txn *t, struct slice key, uint32_t no, int64_t until)
{
	struct buf b = BUF_INIT;
	uint8_t number[KEY_ORG];

	put_be32(number, no);
	buf_put(&b, number, sizeof(number));
	wr_le(&b, (uint64_t)until, 8);
	txn_put(t, TAB_ORGNAME, key.p, key.len, b.p, b.len);
	buf_release(&b);
}

static bool
org_name_get(struct txn *t, struct slice key, struct org *out, int64_t *until)
{
	MDB_val value;
	uint32_t no = 0;

	if (key.len == 0 || key.len > ORG_KEY_MAX ||
		!txn_get(t, TAB_ORGNAME, key.p, key.len, &value))
		return false;
	return decoded(t, org_name_decode(slice_val(&value), &no, until)) && org_by_no(t, no, out);
}

bool
org_by_key(struct txn *t, struct slice key, struct org *out)
{
	int64_t until;

	return org_name_get(t, key, out, &until) && until == 0;
}

bool
org_by_former_key(struct txn *t, struct slice key, struct org *out, int64_t *until)
{
	return org_name_get(t, key, out, until) && *until != 0;
}

static size_t
former_key(uint8_t out[KEY_ORG + ORG_KEY_MAX + 1], uint32_t no, struct slice key)
{
	put_be32(out, no);
	memcpy(out + KEY_ORG, key.p, key.len);
	return KEY_ORG + key.len;
}

bool
org_had_key(struct txn *t, uint32_t no, struct slice key, int64_t *until)
{
	uint8_t old[KEY_ORG + ORG_KEY_MAX + 1];
	MDB_val value;
	struct rd r;

	if (key.len == 0 || key.len > ORG_KEY_MAX ||
		!txn_get(t, TAB_OLDKEY, old, former_key(old, no, key), &value))
		return false;
	r = (struct rd){ value.mv_data, value.mv_size, false };
	*until = (int64_t)rd_le(&r, 8);
	return decoded(t, !r.bad && r.left == 0);
}

bool
org_former_key_next(struct txn *t, uint32_t no, char *key, int64_t *until)
{
	uint8_t from[KEY_ORG + ORG_KEY_MAX + 1];
	size_t len = former_key(from, no, slice_of(key));
	MDB_val found, value;
	struct rd r;

	from[len++] = 0; /* the first key behind the given one */
	if (!txn_first(t, TAB_OLDKEY, slice_at(from, len), KEY_ORG, &found, &value))
		return false;
	r = (struct rd){ value.mv_data, value.mv_size, false };
	*until = (int64_t)rd_le(&r, 8);
	if (!decoded(t, !r.bad && r.left == 0 && found.mv_size > KEY_ORG &&
				 found.mv_size <= KEY_ORG + ORG_KEY_MAX))
		return false;
	memcpy(key, (const char *)found.mv_data + KEY_ORG, found.mv_size - KEY_ORG);
	key[found.mv_size - KEY_ORG] = '\0';
	return true;
}

static void
former_key_forget(struct txn *t, uint32_t no, struct slice key)
{
	uint8_t old[KEY_ORG + ORG_KEY_MAX + 1];
	size_t len = former_key(old, no, key);

	(void)txn_del(t, TAB_OLDKEY, slice_at(old, len), (struct slice){ NULL, 0 });
}

void
org_former_key_drop(struct txn *t, uint32_t no, struct slice key)
{
	struct org org;
	int64_t until;

	if (!org_by_former_key(t, key, &org, &until) || org.no != no)
		return;
	former_key_forget(t, no, key);
	(void)txn_del(t, TAB_ORGNAME, key, (struct slice){ NULL, 0 });
	txn_entry_changed(t);
}

/* Takes a key that is free, or another's former one, or a former one of this org itself. */
static void
org_name_take(struct txn *t, struct slice key, uint32_t no)
{
	struct org other;
	int64_t until;

	if (org_name_get(t, key, &other, &until)) {
		if (until == 0)
			(void)txn_ok(t, MDB_KEYEXIST);
		former_key_forget(t, other.no, key);
	}
	org_name_put(t, key, no, 0);
}

bool
org_next(struct txn *t, uint32_t after, struct org *out)
{
	uint8_t key[KEY_ORG];
	MDB_val found, value;

	if (after == UINT32_MAX)
		return false;
	put_be32(key, after + 1);
	return txn_first(t, TAB_ORG, slice_at(key, sizeof(key)), 0, &found, &value) &&
	       decoded(t, found.mv_size == KEY_ORG &&
				  org_decode(slice_val(&value), get_be32(found.mv_data), out));
}

void
org_put(struct txn *t, const struct org *org)
{
	struct buf b = BUF_INIT;
	uint8_t key[KEY_ORG];

	put_be32(key, org->no);
	wr_le(&b, org->state, 1);
	wr_le(&b, org->kind, 1);
	wr_le(&b, (uint64_t)org->created, 8);
	wr_le(&b, (uint64_t)org->delete_after, 8);
	wr_le(&b, org->row, 8);
	wr_le(&b, org->model_version, 4);
	wr_le(&b,
		(org->external_invitations ? FLAG_EXTERNAL_INVITATIONS : 0) |
			(org->connections_manage_guarded ? FLAG_CONNECTIONS_MANAGE_GUARDED : 0),
		1);
	wr_le(&b, LIMIT_COUNT, 1);
	for (int i = 0; i < LIMIT_COUNT; i++)
		wr_le(&b, org->limits[i], 8);
	wr_text(&b, org->model);
	wr_text(&b, org->key);
	wr_text(&b, org->name);
	t->org_departs = t->org_departs || org->state >= ORG_DELETED;
	txn_put(t, TAB_ORG, key, sizeof(key), b.p, b.len);
	buf_release(&b);
	txn_entry_changed(t);
}

void
org_rename(struct txn *t, struct org *org, struct slice key, int64_t until)
{
	uint8_t former[KEY_ORG + ORG_KEY_MAX + 1];
	struct slice old = slice_of(org->key);
	struct buf b = BUF_INIT;
	size_t len = former_key(former, org->no, old);

	assert(key.len > 0 && key.len <= ORG_KEY_MAX);
	org_name_take(t, key, org->no);
	if (until == 0) {
		(void)txn_del(t, TAB_ORGNAME, old, (struct slice){ NULL, 0 });
	} else {
		org_name_put(t, old, org->no, until);
		wr_le(&b, (uint64_t)until, 8);
		txn_put(t, TAB_OLDKEY, former, len, b.p, b.len);
		buf_release(&b);
	}
	memcpy(org->key, key.p, key.len);
	org->key[key.len] = '\0';
	org_put(t, org);
}

/* Numbers are not given twice: an old org's journal or token must never be taken for a new one's. */
uint32_t
org_next_number(struct txn *t)
{
	MDB_val value;

	if (txn_get(t, TAB_META, meta_next_org, sizeof(meta_next_org) - 1, &value) &&
		decoded(t, value.mv_size == KEY_ORG))
		return get_be32(value.mv_data);
	return 1;
}

void
org_create(struct txn *t, struct org *org)
{
	struct slice name = slice_of(org->key);
	uint8_t no[KEY_ORG];

	assert(name.len > 0);
	org->no = org_next_number(t);
	put_be32(no, org->no + 1);
	txn_put(t, TAB_META, meta_next_org, sizeof(meta_next_org) - 1, no, sizeof(no));
	org_name_take(t, name, org->no);
	org_put(t, org);
	orgtx_put_stat(t, org->no,
		&(struct org_stat){ .next_row = 1, .next_connection = 1, .next_token = 1 });
}

/* Deletes up to limit entries of one table; true when the org has none left there. */
static bool
purge_table(struct txn *t, enum table tab, uint32_t org, size_t *left)
{
	bool dups = (store_tables[tab].flags & MDB_DUPSORT) != 0;
	MDB_val found, value;
	uint8_t key[KEY_ORG];
	MDB_cursor *cursor;
	size_t count;

	put_be32(key, org);
	/* The place is looked up anew after each one: LMDB 0.9.24 can lose it in runs of deletions
	 * with duplicates. */
	while (txn_first(t, tab, slice_at(key, sizeof(key)), KEY_ORG, &found, &value)) {
		if (*left == 0)
			return false;
		cursor = txn_cursor(t, tab);
		count = 1;
		if (dups && !txn_ok(t, mdb_cursor_count(cursor, &count)))
			return false;
		t->writes++;
		if (!txn_ok(t, mdb_cursor_del(cursor, dups ? MDB_NODUPDATA : 0)))
			return false;
		/* The rows of one key go by whole pages. */
		count = 1 + count / 256;
		*left -= count < *left ? count : *left;
	}
	return t->rc == 0;
}

static bool
purge_tokens(struct txn *t, uint32_t no, size_t *left)
{
	struct token token;

	while (token_next(t, no, 0, &token)) {
		if (*left == 0)
			return false;
		token_delete(t, &token);
		--*left;
	}
	return t->rc == 0;
}

static bool
purge_former_keys(struct txn *t, uint32_t no, size_t *left)
{
	char key[ORG_KEY_MAX + 1] = "";
	int64_t until;

	while (org_former_key_next(t, no, key, &until)) {
		if (*left == 0)
			return false;
		org_former_key_drop(t, no, slice_of(key));
		--*left;
	}
	return t->rc == 0;
}

bool
org_purge(struct txn *t, uint32_t no, size_t limit)
{
	uint8_t key[KEY_ORG];
	struct org org;

	if (!org_by_no(t, no, &org))
		return t->rc == 0;
	if (!purge_tokens(t, no, &limit) || !purge_former_keys(t, no, &limit) ||
		!outbox_purge(t, no, &limit))
		return false;
	orgtx_forget(t, no);
	for (enum table tab = TAB_FIRST_OF_ORG; tab <= TAB_LAST_OF_ORG; tab++) {
		if (!purge_table(t, tab, no, &limit))
			return false;
	}
	put_be32(key, no);
	(void)txn_del(t, TAB_ORGNAME, slice_of(org.key), (struct slice){ NULL, 0 });
	(void)txn_del(t, TAB_ORG, slice_at(key, sizeof(key)), (struct slice){ NULL, 0 });
	txn_entry_changed(t);
	return t->rc == 0;
}

/* ---- One org's handle and counters ---- */

struct orgtx *
orgtx_open(struct txn *t, uint32_t org)
{
	struct orgtx *o;

	assert(t->open);
	for (o = t->orgs; o != NULL; o = o->next) {
		if (o->org == org)
			return o;
	}
	o = ARENA_NEW(t->arena, struct orgtx);
	o->t = t;
	o->org = org;
	o->next = t->orgs;
	t->orgs = o;
	return o;
}

struct txn *
orgtx_txn(struct orgtx *o)
{
	return o->t;
}

uint32_t
orgtx_org(const struct orgtx *o)
{
	return o->org;
}

bool
org_stat_decode(struct slice value, struct org_stat *out)
{
	struct rd r = { value.p, value.len, false };
	uint64_t count, rows;
	struct slice head;

	*out = (struct org_stat){ 0 };
	out->revision = rd_le(&r, 8);
	out->next_row = rd_le(&r, 8);
	out->active_users = rd_le(&r, 8);
	out->edges = rd_le(&r, 8);
	out->next_connection = (uint32_t)rd_le(&r, 4);
	out->next_token = (uint32_t)rd_le(&r, 4);
	head = rd_bytes(&r, JOURNAL_HASH);
	if (!r.bad)
		memcpy(out->head, head.p, JOURNAL_HASH);
	count = rd_le(&r, 1);
	for (uint64_t i = 0; i < count; i++) {
		rows = rd_le(&r, 8);
		if (i < TYPE_COUNT)
			out->rows[i] = rows;
	}
	if (r.left > 0) {
		out->trimmed = rd_le(&r, 8);
		head = rd_bytes(&r, JOURNAL_HASH);
		if (!r.bad)
			memcpy(out->trimmed_hash, head.p, JOURNAL_HASH);
	}
	return !r.bad && r.left == 0;
}

void
orgtx_put_stat(struct txn *t, uint32_t org, const struct org_stat *stat)
{
	struct buf b = BUF_INIT;
	uint8_t key[KEY_ORG];

	put_be32(key, org);
	wr_le(&b, stat->revision, 8);
	wr_le(&b, stat->next_row, 8);
	wr_le(&b, stat->active_users, 8);
	wr_le(&b, stat->edges, 8);
	wr_le(&b, stat->next_connection, 4);
	wr_le(&b, stat->next_token, 4);
	buf_put(&b, stat->head, JOURNAL_HASH);
	wr_le(&b, TYPE_COUNT, 1);
	for (int i = 0; i < TYPE_COUNT; i++)
		wr_le(&b, stat->rows[i], 8);
	if (stat->trimmed > 0) {
		wr_le(&b, stat->trimmed, 8);
		buf_put(&b, stat->trimmed_hash, JOURNAL_HASH);
	}
	txn_put(t, TAB_STAT, key, sizeof(key), b.p, b.len);
	buf_release(&b);
}

struct org_stat *
orgtx_stat_load(struct orgtx *o)
{
	uint8_t key[KEY_ORG];
	MDB_val value;

	if (!o->loaded) {
		put_be32(key, o->org);
		o->stat = (struct org_stat){ .next_row = 1, .next_connection = 1, .next_token = 1 };
		if (txn_get(o->t, TAB_STAT, key, sizeof(key), &value))
			(void)decoded(o->t, org_stat_decode(slice_val(&value), &o->stat));
		o->loaded = true;
	}
	return &o->stat;
}

const struct org_stat *
orgtx_stat(struct orgtx *o)
{
	return orgtx_stat_load(o);
}

void
orgtx_flush(struct txn *t)
{
	for (struct orgtx *o = t->orgs; o != NULL; o = o->next) {
		assert(!o->in_change);
		if (o->dirty)
			orgtx_put_stat(t, o->org, &o->stat);
		o->dirty = false;
	}
}

void
orgtx_forget(struct txn *t, uint32_t org)
{
	for (struct orgtx *o = t->orgs; o != NULL; o = o->next) {
		if (o->org == org)
			o->loaded = o->dirty = false;
	}
}

/* ---- Connections ---- */

bool
connection_decode(struct slice value, uint32_t org, uint32_t no, struct connection *out)
{
	struct rd r = { value.p, value.len, false };

	out->org = org;
	out->no = no;
	out->dialect = (enum dialect)rd_le(&r, 1);
	out->created = (int64_t)rd_le(&r, 8);
	out->row = rd_le(&r, 8);
	out->guard.window_start = (int64_t)rd_le(&r, 8);
	out->guard.base_users = rd_le(&r, 8);
	out->guard.base_edges = rd_le(&r, 8);
	out->guard.fresh_time = (int64_t)rd_le(&r, 8);
	out->guard.fresh_row = rd_le(&r, 8);
	out->guard.fresh_next = rd_le(&r, 8);
	out->guard.users = rd_le(&r, 8);
	out->guard.edges = rd_le(&r, 8);
	out->guard.tripped = rd_le(&r, 1) != 0;
	rd_text(&r, out->name, sizeof(out->name));
	return !r.bad && r.left == 0 && out->dialect <= DIALECT_INTEROP;
}

static void
key_number(uint8_t key[8], uint32_t org, uint32_t no)
{
	put_be32(key, org);
	put_be32(key + KEY_ORG, no);
}

bool
connection_get(struct txn *t, uint32_t org, uint32_t no, struct connection *out)
{
	uint8_t key[8];
	MDB_val value;

	key_number(key, org, no);
	return txn_get(t, TAB_CONN, key, sizeof(key), &value) &&
	       decoded(t, connection_decode(slice_val(&value), org, no, out));
}

bool
connection_next(struct txn *t, uint32_t org, uint32_t after, struct connection *out)
{
	MDB_val found, value;
	uint8_t key[8];

	if (after == UINT32_MAX)
		return false;
	key_number(key, org, after + 1);
	return txn_first(t, TAB_CONN, slice_at(key, sizeof(key)), KEY_ORG, &found, &value) &&
	       decoded(t, found.mv_size == sizeof(key) &&
				  connection_decode(slice_val(&value), org,
					  get_be32((const uint8_t *)found.mv_data + KEY_ORG), out));
}

void
connection_put(struct txn *t, struct connection *c)
{
	struct orgtx *o = orgtx_open(t, c->org);
	struct buf b = BUF_INIT;
	struct connection old;
	uint8_t key[8];

	/* The guard's counters change with every removal, and say nothing of who gets in. */
	if (c->no == 0 || !connection_get(t, c->org, c->no, &old) || old.dialect != c->dialect)
		txn_entry_changed(t);
	if (c->no == 0) {
		c->no = orgtx_stat_load(o)->next_connection++;
		o->dirty = true;
	}
	key_number(key, c->org, c->no);
	wr_le(&b, c->dialect, 1);
	wr_le(&b, (uint64_t)c->created, 8);
	wr_le(&b, c->row, 8);
	wr_le(&b, (uint64_t)c->guard.window_start, 8);
	wr_le(&b, c->guard.base_users, 8);
	wr_le(&b, c->guard.base_edges, 8);
	wr_le(&b, (uint64_t)c->guard.fresh_time, 8);
	wr_le(&b, c->guard.fresh_row, 8);
	wr_le(&b, c->guard.fresh_next, 8);
	wr_le(&b, c->guard.users, 8);
	wr_le(&b, c->guard.edges, 8);
	wr_le(&b, c->guard.tripped, 1);
	wr_text(&b, c->name);
	txn_put(t, TAB_CONN, key, sizeof(key), b.p, b.len);
	buf_release(&b);
}

void
connection_delete(struct txn *t, uint32_t org, uint32_t no)
{
	uint8_t key[8];

	key_number(key, org, no);
	(void)txn_del(t, TAB_CONN, slice_at(key, sizeof(key)), (struct slice){ NULL, 0 });
	txn_entry_changed(t);
}

/* ---- Tokens ---- */

bool
token_decode(struct slice value, const uint8_t *hash, struct token *out)
{
	struct rd r = { value.p, value.len, false };

	memcpy(out->hash, hash, TOKEN_HASH);
	out->kind = (enum token_kind)rd_le(&r, 1);
	out->org = (uint32_t)rd_le(&r, 4);
	out->connection = (uint32_t)rd_le(&r, 4);
	out->no = (uint32_t)rd_le(&r, 4);
	out->created = (int64_t)rd_le(&r, 8);
	out->expires = (int64_t)rd_le(&r, 8);
	out->last_used = (int64_t)rd_le(&r, 8);
	out->owner = rd_le(&r, 8);
	out->row = rd_le(&r, 8);
	rd_text(&r, out->label, sizeof(out->label));
	return !r.bad && r.left == 0 && out->kind <= TOKEN_OPERATOR;
}

bool
token_get(struct txn *t, const uint8_t hash[TOKEN_HASH], struct token *out)
{
	MDB_val value;

	return txn_get(t, TAB_TOKEN, hash, TOKEN_HASH, &value) &&
	       decoded(t, token_decode(slice_val(&value), hash, out));
}

bool
token_next(struct txn *t, uint32_t org, uint32_t after, struct token *out)
{
	MDB_val found, value;
	uint8_t key[8];

	if (after == UINT32_MAX)
		return false;
	key_number(key, org, after + 1);
	if (!txn_first(t, TAB_TOKENNO, slice_at(key, sizeof(key)), KEY_ORG, &found, &value))
		return false;
	return decoded(t, value.mv_size == TOKEN_HASH && token_get(t, value.mv_data, out));
}

static void
token_write(struct txn *t, const struct token *token)
{
	struct buf b = BUF_INIT;

	wr_le(&b, token->kind, 1);
	wr_le(&b, token->org, 4);
	wr_le(&b, token->connection, 4);
	wr_le(&b, token->no, 4);
	wr_le(&b, (uint64_t)token->created, 8);
	wr_le(&b, (uint64_t)token->expires, 8);
	wr_le(&b, (uint64_t)token->last_used, 8);
	wr_le(&b, token->owner, 8);
	wr_le(&b, token->row, 8);
	wr_text(&b, token->label);
	txn_put(t, TAB_TOKEN, token->hash, TOKEN_HASH, b.p, b.len);
	buf_release(&b);
}

void
token_put(struct txn *t, struct token *token)
{
	struct orgtx *o = orgtx_open(t, token->org);
	uint8_t key[8];

	if (token->no == 0) {
		token->no = orgtx_stat_load(o)->next_token++;
		o->dirty = true;
		key_number(key, token->org, token->no);
		txn_put(t, TAB_TOKENNO, key, sizeof(key), token->hash, TOKEN_HASH);
	}
	token_write(t, token);
	txn_entry_changed(t);
}

void
token_used(struct txn *t, const uint8_t hash[TOKEN_HASH], int64_t when)
{
	struct token token;

	if (!token_get(t, hash, &token) || token.last_used >= when)
		return;
	token.last_used = when;
	token_write(t, &token);
}

void
token_delete(struct txn *t, const struct token *token)
{
	uint8_t key[8];

	key_number(key, token->org, token->no);
	(void)txn_del(t, TAB_TOKENNO, slice_at(key, sizeof(key)), (struct slice){ NULL, 0 });
	(void)txn_del(t, TAB_TOKEN, slice_at(token->hash, TOKEN_HASH), (struct slice){ NULL, 0 });
	txn_entry_changed(t);
}
