/* Walks everything and says what disagrees. Memory does not grow with the store: each table is
 * walked in order, and what another table must say is looked up there. That a table holds nothing
 * beyond that is first judged by counting; only when the counts differ are its entries asked one by
 * one where they come from. */
#include "daemon/store/store_private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/banned.h"

enum { STEP = 4096, PROBLEM_MAX = 400 };

struct verify {
	struct txn *t;
	const struct store_progress *p;
	struct verify_result *result;
	uint64_t done, total;
	struct arena *arena; /* of one record */
	/* The org at hand. */
	struct org org;
	struct orgtx *o;
	struct org_stat seen; /* what its counters should say */
	uint64_t index_entries, index_missing;
};

static void problem(struct verify *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
problem(struct verify *v, const char *fmt, ...)
{
	char text[PROBLEM_MAX];
	int at = 0;
	va_list ap;

	v->result->problems++;
	if (v->p == NULL || v->p->problem == NULL)
		return;
	if (v->o != NULL && v->org.no == ORG_PLATFORM)
		at = snprintf(text, sizeof(text), "platform: ");
	else if (v->org.no != 0)
		at = snprintf(text, sizeof(text), "org %s: ", v->org.key);
	va_start(ap, fmt);
	(void)vsnprintf(text + at, sizeof(text) - (size_t)at, fmt, ap);
	va_end(ap);
	v->p->problem(v->p->arg, text);
}

/* An entry that cannot be decoded ends a transaction for everybody else; here it is a finding. */
static void
forgive(struct verify *v)
{
	if (v->t->rc != MDB_CORRUPTED)
		return;
	v->t->rc = 0;
	problem(v, "an entry of the store cannot be read");
}

static void
step(struct verify *v)
{
	if (++v->done % STEP == 0 && v->p != NULL && v->p->step != NULL)
		v->p->step(v->p->arg, v->done < v->total ? v->done : v->total, v->total);
}

/* ---- Walking one table ---- */

struct table_walk {
	struct verify *v;
	MDB_cursor *cursor;
	uint8_t prefix[KEY_ORG];
	size_t prefix_len;
	bool started;
	MDB_val key, value;
};

/* The entries of the org at hand, or with prefix_len 0 all. A cursor of its own: look-ups use the
 * transaction's. */
static bool
table_walk_open(struct table_walk *w, struct verify *v, enum table tab, size_t prefix_len)
{
	*w = (struct table_walk){ .v = v, .prefix_len = prefix_len };
	put_be32(w->prefix, v->org.no);
	return txn_ok(v->t, mdb_cursor_open(v->t->mdb, v->t->s->dbi[tab], &w->cursor));
}

static bool
table_walk_next(struct table_walk *w)
{
	struct txn *t = w->v->t;
	int rc;

	forgive(w->v);
	if (w->started) {
		rc = mdb_cursor_get(w->cursor, &w->key, &w->value, MDB_NEXT);
	} else if (w->prefix_len > 0) {
		w->key = (MDB_val){ w->prefix_len, w->prefix };
		rc = mdb_cursor_get(w->cursor, &w->key, &w->value, MDB_SET_RANGE);
	} else {
		rc = mdb_cursor_get(w->cursor, &w->key, &w->value, MDB_FIRST);
	}
	w->started = true;
	if (t->rc == 0 && txn_ok(t, rc) && w->key.mv_size >= w->prefix_len &&
		memcmp(w->key.mv_data, w->prefix, w->prefix_len) == 0) {
		step(w->v);
		return true;
	}
	mdb_cursor_close(w->cursor);
	return false;
}

/* ---- Records, ids, indexes ---- */

static const char *
id_text(const struct uuid *id, char out[UUID_TEXT + 1])
{
	uuid_format(id, out);
	out[UUID_TEXT] = '\0';
	return out;
}

/* "userName", for messages. */
static const char *
attr_name(struct verify *v, uint16_t attr_id)
{
	const struct attr *attr = attr_id < ATTR_ID_MAX ? v->t->s->schema->by_id[attr_id] : NULL;

	if (attr_id == 0)
		return "the list of its type";
	if (attr == NULL)
		return "an attribute that the schema does not know";
	return arena_dup(v->arena, attr_path(v->arena, attr)).p;
}

static uint16_t
key_attr(const uint8_t *key)
{
	return (uint16_t)(key[KEY_ORG] << 8 | key[KEY_ORG + 1]);
}

static void
verify_record_index(struct verify *v, const struct record *r, uint64_t row)
{
	char id[UUID_TEXT + 1];
	struct slice *entries;
	size_t n;

	entries = index_entries(v->arena, v->o->t->s->schema, v->o->org, r, &n);
	for (size_t i = 0; i < n; i++) {
		v->index_entries++;
		if (dups_has(v->t, TAB_IDX, entries[i], row) || v->t->rc != 0)
			continue;
		v->index_missing++;
		problem(v, "record %s is missing from the index of %s", id_text(&r->id, id),
			attr_name(v, key_attr((const uint8_t *)entries[i].p)));
	}
}

static void
verify_record(struct verify *v, const MDB_val *key, const MDB_val *value)
{
	uint64_t row = get_be64((const uint8_t *)key->mv_data + KEY_ORG), found;
	char id[UUID_TEXT + 1];
	struct slice fields;
	struct field field;
	struct record r;
	bool bad = false;

	v->result->records++;
	if (!record_parse(v->t->s->schema, slice_val(value), &r)) {
		problem(v, "record row %" PRIx64 " cannot be read", row);
		return;
	}
	(void)id_text(&r.id, id);
	for (fields = r.fields; record_next(v->t->s->schema, &fields, &field, &bad);)
		;
	if (bad) {
		problem(v, "record %s has fields that cannot be read", id);
		return;
	}
	if (r.type->code != row_type(row))
		problem(v, "record %s is a %.*s under a row of another type", id,
			SLICE_ARG(r.type->name));
	if (!row_by_id(v->o, &r.id, &found))
		problem(v, "record %s is missing from the table of ids", id);
	else if (found != row)
		problem(v, "the table of ids leads from %s to another record", id);
	if (r.revision > orgtx_stat(v->o)->revision)
		problem(v, "record %s has revision %" PRIu64 ", above the newest of the org", id,
			r.revision);
	verify_record_index(v, &r, row);
	v->seen.rows[r.type->code]++;
	v->seen.active_users += record_is_active(v->t->s, &r);
	if ((row & ROW_COUNTER_MASK) >= v->seen.next_row)
		v->seen.next_row = (row & ROW_COUNTER_MASK) + 1;
}

static void
verify_records(struct verify *v)
{
	struct table_walk w;

	if (!table_walk_open(&w, v, TAB_REC, KEY_ORG))
		return;
	while (table_walk_next(&w)) {
		arena_clear(v->arena);
		if (w.key.mv_size == KEY_ROW)
			verify_record(v, &w.key, &w.value);
		else
			problem(v, "the table of records has a key of %zu bytes", w.key.mv_size);
	}
}

static void
verify_id(struct verify *v, const MDB_val *key, const MDB_val *value)
{
	char text[UUID_TEXT + 1];
	struct record r;
	struct uuid id;

	if (key->mv_size != KEY_ID || value->mv_size != ROW_SIZE) {
		problem(v, "the table of ids has an entry of the wrong size");
		return;
	}
	memcpy(id.bytes, (const uint8_t *)key->mv_data + KEY_ORG, UUID_SIZE);
	if (!record_get(v->o, get_be64(value->mv_data), &r)) {
		if (v->t->rc == MDB_CORRUPTED)
			v->t->rc = 0; /* told when the records were walked */
		else
			problem(v, "the table of ids leads from %s to no record",
				id_text(&id, text));
	} else if (memcmp(&r.id, &id, sizeof(id)) != 0) {
		problem(v, "the table of ids leads from %s to a record with another id",
			id_text(&id, text));
	}
}

static void
verify_ids(struct verify *v)
{
	struct table_walk w;

	if (!table_walk_open(&w, v, TAB_ID, KEY_ORG))
		return;
	while (table_walk_next(&w))
		verify_id(v, &w.key, &w.value);
}

/* Why is this entry here? Asked only when there are more entries than the records account for. */
static void
verify_index_entry(struct verify *v, const MDB_val *key, const MDB_val *value)
{
	uint64_t row = get_be64(value->mv_data);
	struct slice *entries;
	char id[UUID_TEXT + 1];
	struct record r;
	size_t n;

	arena_clear(v->arena);
	if (!record_get(v->o, row, &r)) {
		if (v->t->rc == MDB_CORRUPTED)
			v->t->rc = 0;
		problem(v, "the index of %s leads to row %" PRIx64 ", where there is no record",
			attr_name(v, key_attr(key->mv_data)), row);
		return;
	}
	entries = index_entries(v->arena, v->o->t->s->schema, v->o->org, &r, &n);
	for (size_t i = 0; i < n; i++) {
		if (slice_eq(entries[i], slice_val(key)))
			return;
	}
	problem(v, "the index of %s has an entry of record %s that the record does not have",
		attr_name(v, key_attr(key->mv_data)), id_text(&r.id, id));
}

static void
verify_index(struct verify *v, bool each)
{
	struct table_walk w;
	uint64_t n = 0;

	if (!table_walk_open(&w, v, TAB_IDX, KEY_ORG))
		return;
	while (table_walk_next(&w)) {
		n++;
		if (w.key.mv_size < KEY_INDEX || w.key.mv_size > KEY_MAX ||
			w.value.mv_size != ROW_SIZE)
			problem(v, "the table of indexes has an entry of the wrong size");
		else if (each)
			verify_index_entry(v, &w.key, &w.value);
	}
	if (each)
		return;
	v->result->index_entries += n;
	if (n != v->index_entries || v->index_missing > 0)
		verify_index(v, true);
}

/* ---- Edges ---- */

static const char *
row_text(struct verify *v, uint64_t row, char out[UUID_TEXT + 1])
{
	struct record r;

	if (record_get(v->o, row, &r))
		return id_text(&r.id, out);
	if (v->t->rc == MDB_CORRUPTED)
		v->t->rc = 0;
	(void)snprintf(out, UUID_TEXT + 1, "row %" PRIx64, row);
	return out;
}

static bool
row_is_there(struct verify *v, uint64_t row)
{
	uint8_t key[KEY_ROW];
	MDB_val value;

	key_row(key, v->org.no, row);
	return txn_get(v->t, TAB_REC, key, sizeof(key), &value);
}

static void
verify_edge(struct verify *v, uint64_t group, uint64_t member)
{
	char a[UUID_TEXT + 1], b[UUID_TEXT + 1];
	uint8_t key[KEY_ROW];

	/* On the platform organisations hold people. */
	if ((row_type(group) != TYPE_GROUP && v->org.no != ORG_PLATFORM) || !row_is_there(v, group))
		problem(v, "an edge leads from %s, which is no group, to %s", row_text(v, group, a),
			row_text(v, member, b));
	if (!row_is_there(v, member))
		problem(v, "group %s has the member %s, which is no record", row_text(v, group, a),
			row_text(v, member, b));
	key_row(key, v->org.no, member);
	if (!dups_has(v->t, TAB_GROUP, slice_at(key, sizeof(key)), group) && v->t->rc == 0)
		problem(v,
			"group %s has the member %s, but the member's own list of groups does not "
			"say so",
			row_text(v, group, a), row_text(v, member, b));
}

static void
verify_mirror(struct verify *v, uint64_t member, uint64_t group)
{
	char a[UUID_TEXT + 1], b[UUID_TEXT + 1];

	if (!edge_has(v->o, group, member) && v->t->rc == 0)
		problem(v, "%s has the group %s in its list, but is no member there",
			row_text(v, member, a), row_text(v, group, b));
}

static uint64_t
verify_edges(struct verify *v, enum table tab, void (*each)(struct verify *, uint64_t, uint64_t))
{
	struct table_walk w;
	uint64_t n = 0;

	if (!table_walk_open(&w, v, tab, KEY_ORG))
		return 0;
	while (table_walk_next(&w)) {
		n++;
		if (w.key.mv_size != KEY_ROW || w.value.mv_size != ROW_SIZE)
			problem(v, "the table of edges has an entry of the wrong size");
		else if (each != NULL)
			each(v, get_be64((const uint8_t *)w.key.mv_data + KEY_ORG),
				get_be64(w.value.mv_data));
	}
	return n;
}

/* ---- The journal and the counters ---- */

static void
verify_journal(struct verify *v)
{
	struct journal_entry entry;
	struct change change;
	struct table_walk w;
	uint64_t revision;
	bool bad, gap;

	if (!table_walk_open(&w, v, TAB_JOURNAL, KEY_ORG))
		return;
	while (table_walk_next(&w)) {
		v->result->journal_entries++;
		if (w.key.mv_size != KEY_ROW) {
			problem(v, "the journal has a key of %zu bytes", w.key.mv_size);
			continue;
		}
		revision = get_be64((const uint8_t *)w.key.mv_data + KEY_ORG);
		if ((gap = revision != v->seen.revision + 1))
			problem(v, "the journal goes from revision %" PRIu64 " to %" PRIu64,
				v->seen.revision, revision);
		v->seen.revision = revision;
		if (!gap && !journal_follows(slice_val(&w.value), v->seen.head))
			problem(v, "journal entry %" PRIu64 " does not follow from the one before it: one of them was altered",
				revision);
		journal_hash(v->t, slice_val(&w.value), v->seen.head);
		bad = !journal_decode(slice_val(&w.value), revision, &entry);
		while (!bad && journal_next_change(&entry.changes, &change, &bad))
			;
		if (bad)
			problem(v, "journal entry %" PRIu64 " cannot be read", revision);
	}
}

/* Where a deleted record can be read again. */
static void
verify_gone(struct verify *v)
{
	struct table_walk w;
	struct slice packed;
	uint64_t row;

	if (!table_walk_open(&w, v, TAB_GONE, KEY_ORG))
		return;
	while (table_walk_next(&w)) {
		if (w.key.mv_size != KEY_ROW || w.value.mv_size != GONE_SIZE) {
			problem(v, "the list of deleted records has an entry of the wrong size");
			continue;
		}
		row = get_be64((const uint8_t *)w.key.mv_data + KEY_ORG);
		if (row_is_there(v, row))
			problem(v, "row %" PRIx64 " is in the list of deleted records, and is there", row);
		else if (!journal_deletes(v->o, get_be64(w.value.mv_data), row, &packed))
			problem(v, "row %" PRIx64 " was deleted, but not by journal entry %" PRIu64, row,
				get_be64(w.value.mv_data));
	}
}

static void
verify_count(struct verify *v, const char *what, uint64_t says, uint64_t is)
{
	if (says != is)
		problem(v, "the counter of %s says %" PRIu64 ", there are %" PRIu64, what, says,
			is);
}

static void
verify_stat(struct verify *v)
{
	const struct org_stat *stat = orgtx_stat(v->o);
	struct verify_result *r = v->result;

	for (size_t i = 0; i < v->t->s->schema->type_count; i++) {
		const struct resource_type *type = v->t->s->schema->types[i];

		verify_count(v, type->code == TYPE_USER ? "users" : "groups",
			stat->rows[type->code], v->seen.rows[type->code]);
	}
	verify_count(v, "active users", stat->active_users, v->seen.active_users);
	verify_count(v, "memberships", stat->edges, v->seen.edges);
	if (stat->revision != v->seen.revision)
		problem(v, "the org stands at revision %" PRIu64 ", its journal ends with %" PRIu64,
			stat->revision, v->seen.revision);
	else if (memcmp(stat->head, v->seen.head, JOURNAL_HASH) != 0)
		problem(v, "journal entry %" PRIu64 ", the newest, is not the one that the org knows: it was altered",
			stat->revision);
	if (stat->next_row < v->seen.next_row)
		problem(v, "the counter of rows says %" PRIu64 ", though row %" PRIu64 " is taken",
			stat->next_row, v->seen.next_row - 1);
	r->edges += v->seen.edges;
}

/* Records or journal entries. */
static bool
has_entries(struct verify *v, uint32_t org)
{
	MDB_val found, value;
	uint8_t key[KEY_ORG];
	struct slice prefix = slice_at(key, sizeof(key));

	put_be32(key, org);
	return txn_first(v->t, TAB_REC, prefix, KEY_ORG, &found, &value) ||
	       txn_first(v->t, TAB_JOURNAL, prefix, KEY_ORG, &found, &value);
}

static void
verify_org(struct verify *v)
{
	const struct org_stat *stat;
	uint8_t key[KEY_ORG];
	uint64_t problems;
	MDB_val value;

	v->o = orgtx_open(v->t, v->org.no);
	v->seen = (struct org_stat){ .next_row = 1 };
	v->index_entries = v->index_missing = 0;
	put_be32(key, v->org.no);
	if (!txn_get(v->t, TAB_STAT, key, sizeof(key), &value)) {
		/* A platform that nothing was written to has none. */
		if (v->org.no == ORG_PLATFORM && !has_entries(v, ORG_PLATFORM))
			return;
		problem(v, "the org has no counters");
	}
	stat = orgtx_stat(v->o);
	forgive(v);
	v->seen.revision = stat->trimmed;
	memcpy(v->seen.head, stat->trimmed_hash, JOURNAL_HASH);
	v->result->journal_trimmed += stat->trimmed;
	verify_records(v);
	verify_ids(v);
	verify_index(v, false);
	problems = v->result->problems;
	v->seen.edges = verify_edges(v, TAB_MEMBER, verify_edge);
	if (verify_edges(v, TAB_GROUP, NULL) != v->seen.edges || v->result->problems != problems)
		(void)verify_edges(v, TAB_GROUP, verify_mirror);
	verify_journal(v);
	verify_gone(v);
	verify_stat(v);
}

/* ---- The platform's tables ---- */

static void
verify_former_name(struct verify *v, struct slice key, uint32_t no, int64_t until)
{
	uint8_t old[KEY_ORG + ORG_KEY_MAX];
	struct rd r;
	MDB_val value;

	put_be32(old, no);
	memcpy(old + KEY_ORG, key.p, key.len < ORG_KEY_MAX ? key.len : ORG_KEY_MAX);
	if (txn_get(v->t, TAB_OLDKEY, old, KEY_ORG + key.len, &value)) {
		r = (struct rd){ value.mv_data, value.mv_size, false };
		if ((int64_t)rd_le(&r, 8) == until && !r.bad)
			return;
	}
	problem(v, "the former org key %.*s is missing from the list of org number %u",
		SLICE_ARG(key), no);
}

static void
verify_org_names(struct verify *v)
{
	struct table_walk w;
	struct org org;
	int64_t until;
	uint32_t no;

	if (!table_walk_open(&w, v, TAB_ORGNAME, 0))
		return;
	while (table_walk_next(&w)) {
		if (w.key.mv_size > ORG_KEY_MAX ||
			!org_name_decode(slice_val(&w.value), &no, &until) ||
			!org_by_no(v->t, no, &org) ||
			(until == 0 && !slice_eq(slice_of(org.key), slice_val(&w.key))))
			problem(v, "the org key %.*s leads to no org of that key",
				(int)w.key.mv_size, (const char *)w.key.mv_data);
		else if (until != 0)
			verify_former_name(v, slice_val(&w.key), no, until);
	}
}

static void
verify_former_names(struct verify *v)
{
	struct table_walk w;
	struct slice key;
	struct org org;
	int64_t until;

	if (!table_walk_open(&w, v, TAB_OLDKEY, 0))
		return;
	while (table_walk_next(&w)) {
		key = slice_from(slice_val(&w.key), KEY_ORG);
		if (!org_by_former_key(v->t, key, &org, &until) ||
			org.no != get_be32(w.key.mv_data))
			problem(v, "the former org key %.*s does not lead to org number %u",
				SLICE_ARG(key), get_be32(w.key.mv_data));
	}
}

static void
verify_tokens(struct verify *v)
{
	struct table_walk w;
	struct connection c;
	struct token token;
	struct org org;
	uint8_t key[8];
	MDB_val value;

	if (!table_walk_open(&w, v, TAB_TOKEN, 0))
		return;
	while (table_walk_next(&w)) {
		if (w.key.mv_size != TOKEN_HASH ||
			!token_decode(slice_val(&w.value), w.key.mv_data, &token)) {
			problem(v, "the table of tokens has an entry that cannot be read");
			continue;
		}
		org = (struct org){ .key = "(platform)" };
		if (token.org == ORG_PLATFORM)
			; /* a person's, a product's or an operator's: no connection's */
		else if (!org_by_no(v->t, token.org, &org))
			problem(v, "token %u belongs to org number %u, which is not there",
				token.no, token.org);
		if (token.connection != 0 && org.state != ORG_PURGING &&
			!connection_get(v->t, token.org, token.connection, &c))
			problem(v,
				"token %u of org %s belongs to connection %u, which is not there",
				token.no, org.key, token.connection);
		put_be32(key, token.org);
		put_be32(key + KEY_ORG, token.no);
		if (!txn_get(v->t, TAB_TOKENNO, key, sizeof(key), &value) ||
			!slice_eq(slice_val(&value), slice_val(&w.key)))
			problem(v, "token %u of org number %u is missing from the org's list",
				token.no, token.org);
	}
}

static void
verify_token_numbers(struct verify *v)
{
	struct table_walk w;
	struct token token;
	const uint8_t *key;

	if (!table_walk_open(&w, v, TAB_TOKENNO, 0))
		return;
	while (table_walk_next(&w)) {
		key = w.key.mv_data;
		if (w.key.mv_size != 8 || w.value.mv_size != TOKEN_HASH)
			problem(v, "the list of tokens has an entry of the wrong size");
		else if (!token_get(v->t, w.value.mv_data, &token) || token.org != get_be32(key) ||
			 token.no != get_be32(key + KEY_ORG))
			problem(v,
				"the list of tokens leads from number %u of org number %u to no "
				"such token",
				get_be32(key + KEY_ORG), get_be32(key));
	}
}

static void
verify_connections(struct verify *v)
{
	struct connection c;
	struct table_walk w;
	const uint8_t *key;

	if (!table_walk_open(&w, v, TAB_CONN, 0))
		return;
	while (table_walk_next(&w)) {
		key = w.key.mv_data;
		if (w.key.mv_size != 8 || !connection_decode(slice_val(&w.value), get_be32(key),
						  get_be32(key + KEY_ORG), &c))
			problem(v, "the table of connections has an entry that cannot be read");
	}
}

/* ---- The outbox ---- */

static bool
verify_key(struct verify *v, enum table tab, const uint8_t *key, size_t len)
{
	MDB_val value;

	return txn_get(v->t, tab, key, len, &value);
}

static void
verify_mail(struct verify *v)
{
	struct outbox_entry e;
	struct table_walk w;
	struct org org;
	uint8_t due[KEY_MAIL_DUE], about[KEY_MAIL_ORG];

	if (!table_walk_open(&w, v, TAB_OUTBOX, 0))
		return;
	while (table_walk_next(&w)) {
		if (w.key.mv_size != KEY_MAIL ||
			!outbox_decode(slice_val(&w.value), get_be64(w.key.mv_data), &e)) {
			problem(v, "the outbox has an entry that cannot be read");
			continue;
		}
		if (e.org != 0 && !org_by_no(v->t, e.org, &org))
			problem(v, "mail %" PRIu64 " belongs to org number %u, which is not there", e.no,
				e.org);
		key_mail_due(due, e.next_attempt, e.no);
		if (verify_key(v, TAB_OUTBOXDUE, due, sizeof(due)) != (e.state == OUTBOX_WAITING))
			problem(v, "mail %" PRIu64 " %s the list of what is due", e.no,
				e.state == OUTBOX_WAITING ? "is missing from" : "is dead, yet in");
		key_mail_org(about, e.org, &e.about, e.no);
		if (!verify_key(v, TAB_OUTBOXORG, about, sizeof(about)))
			problem(v, "mail %" PRIu64 " is missing from the list of its org", e.no);
	}
}

/* Each key of a list ends with the number of a mail, and is the key that this mail has there. */
static void
verify_mail_list(struct verify *v, enum table tab, size_t key_len)
{
	uint8_t due[KEY_MAIL_DUE], about[KEY_MAIL_ORG];
	struct outbox_entry e;
	struct table_walk w;
	const uint8_t *key;
	uint64_t no;
	MDB_val mail;

	if (!table_walk_open(&w, v, tab, 0))
		return;
	while (table_walk_next(&w)) {
		key = w.key.mv_data;
		no = w.key.mv_size == key_len ? get_be64(key + key_len - KEY_MAIL) : 0;
		if (no != 0 && txn_get(v->t, TAB_OUTBOX, key + key_len - KEY_MAIL, KEY_MAIL, &mail) &&
			outbox_decode(slice_val(&mail), no, &e)) {
			key_mail_due(due, e.next_attempt, e.no);
			key_mail_org(about, e.org, &e.about, e.no);
			if (memcmp(key, tab == TAB_OUTBOXDUE ? due : about, key_len) == 0)
				continue;
		}
		problem(v, "the table %s leads to no such mail", store_tables[tab].name);
	}
}

/* No table holds entries of an org that is not there. */
static void
verify_strays(struct verify *v, enum table tab)
{
	uint8_t key[KEY_ORG];
	MDB_val found, value;
	struct org org;
	uint32_t no = 0;

	for (;;) {
		put_be32(key, no);
		if (!txn_first(v->t, tab, slice_at(key, sizeof(key)), 0, &found, &value))
			return;
		if (found.mv_size < KEY_ORG) {
			problem(v, "the table %s has a key of %zu bytes", store_tables[tab].name,
				found.mv_size);
			return;
		}
		no = get_be32(found.mv_data);
		if (no != ORG_PLATFORM && !org_by_no(v->t, no, &org))
			problem(v, "the table %s has entries of org number %u, which is not there",
				store_tables[tab].name, no);
		if (no++ == UINT32_MAX)
			return;
	}
}

static uint64_t
entries_total(struct txn *t)
{
	uint64_t total = 0;
	MDB_stat stat;

	for (int i = 0; i < TAB_COUNT; i++) {
		if (txn_ok(t, mdb_stat(t->mdb, t->s->dbi[i], &stat)))
			total += stat.ms_entries;
	}
	return total;
}

static void
verify_all(struct verify *v)
{
	struct org org = { .no = 0 }, named;

	v->total = entries_total(v->t);
	verify_org(v);
	v->o = NULL;
	forgive(v);
	while (org_next(v->t, org.no, &org)) {
		step(v);
		v->result->orgs++;
		v->org = org;
		if (!org_by_key(v->t, slice_of(org.key), &named) || named.no != org.no)
			problem(v, "the org cannot be found by its key");
		/* An org that is being removed is half there, rightly. */
		if (org.state != ORG_PURGING)
			verify_org(v);
		v->org = (struct org){ .no = 0 };
		v->o = NULL;
		forgive(v);
	}
	forgive(v);
	verify_org_names(v);
	verify_former_names(v);
	verify_tokens(v);
	verify_token_numbers(v);
	verify_connections(v);
	verify_mail(v);
	verify_mail_list(v, TAB_OUTBOXDUE, KEY_MAIL_DUE);
	verify_mail_list(v, TAB_OUTBOXORG, KEY_MAIL_ORG);
	for (int tab = TAB_FIRST_OF_ORG; tab <= TAB_LAST_OF_ORG; tab++)
		verify_strays(v, (enum table)tab);
	forgive(v);
	if (v->p != NULL && v->p->step != NULL)
		v->p->step(v->p->arg, v->total, v->total);
}

enum rc
store_verify(
	struct store *s, const struct store_progress *p, struct verify_result *out, struct err *err)
{
	struct verify v = { .p = p, .result = out };
	enum rc rc;

	*out = (struct verify_result){ 0 };
	store_walk_begin(s);
	v.t = reader_new(s);
	v.arena = arena_new();
	rc = reader_begin(v.t, err);
	if (rc == RC_OK) {
		verify_all(&v);
		if (v.t->rc != 0)
			rc = store_fail(s, v.t->rc, err);
	}
	arena_free(v.arena);
	reader_free(v.t);
	store_walk_end(s);
	return rc;
}
