#include "daemon/store/store_private.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/banned.h"

enum {
	JOURNAL_LAYOUT = 2,
	FLAG_SUBJECT = 1,
	FLAG_INDEX = 2,
	FLAGS_AT = JOURNAL_HASH + 1, /* where the flags stand in an entry */
	INDEX_FROM = 64,             /* records: fewer are found as fast without */
	INDEX_ENTRY = 8 + 4,
	VERIFY_BYTES = 16 << 20, /* that one step looks at */
};

/* A create, replace or delete in the entry that is being written. */
struct journal_row {
	uint64_t row;
	uint32_t at;
};

/* ---- Hashes ---- */

void
journal_hash(struct txn *t, struct slice bytes, uint8_t out[JOURNAL_HASH])
{
	unsigned len = 0;

	if (t->hash_ctx == NULL) {
		t->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
		t->hash_ctx = EVP_MD_CTX_new();
		if (t->sha256 == NULL || t->hash_ctx == NULL)
			abort(); /* out of memory, or a libcrypto without SHA-256 */
	}
	if (EVP_DigestInit_ex2(t->hash_ctx, t->sha256, NULL) != 1 ||
		EVP_DigestUpdate(t->hash_ctx, bytes.p, bytes.len) != 1 ||
		EVP_DigestFinal_ex(t->hash_ctx, out, &len) != 1 || len != JOURNAL_HASH)
		abort();
}

void
journal_hash_free(struct txn *t)
{
	EVP_MD_CTX_free(t->hash_ctx);
	EVP_MD_free(t->sha256);
}

bool
journal_follows(struct slice bytes, const uint8_t before[JOURNAL_HASH])
{
	return bytes.len >= JOURNAL_HASH && memcmp(bytes.p, before, JOURNAL_HASH) == 0;
}

/* ---- Writing ---- */

static bool
is_zero(const struct uuid *id)
{
	static const struct uuid zero;

	return memcmp(id, &zero, sizeof(zero)) == 0;
}

static void
write_text(struct buf *b, const char *text, size_t extra)
{
	size_t len = strlen(text) + extra;

	wr_le(b, len, 1);
	buf_put(b, text, len);
}

uint64_t
change_begin(struct orgtx *o, const struct actor *actor)
{
	bool subject = !is_zero(&actor->subject);
	struct buf *b = &o->t->changes;

	assert(o->t->write && !o->in_change && b->len == 0); /* one change at a time */
	assert(actor->action == NULL || strlen(actor->action) <= ACTOR_ACTION_MAX);
	o->in_change = true;
	o->actor = *actor;
	buf_put(b, orgtx_stat_load(o)->head, JOURNAL_HASH);
	wr_le(b, JOURNAL_LAYOUT, 1);
	wr_le(b, subject ? FLAG_SUBJECT : 0, 1);
	wr_le(b, actor->door, 1);
	wr_le(b, actor->kind, 1);
	wr_le(b, actor->connection, 4);
	wr_le(b, actor->token, 4);
	wr_le(b, (uint64_t)actor->now, 8);
	if (subject)
		buf_put(b, actor->subject.bytes, UUID_SIZE);
	write_text(b, actor->peer, 0);
	if (actor->action == NULL || actor->action[0] == '\0')
		wr_le(b, 0, 1);
	else
		write_text(b, actor->action, 1);
	o->t->head_len = b->len;
	return o->stat.revision + 1;
}

void
change_note_record(struct orgtx *o, enum change_kind kind, uint64_t row, uint64_t was, struct slice packed)
{
	struct journal_row at = { row, (uint32_t)o->t->changes.len };
	struct buf *b = &o->t->changes;

	if (o->t->rc != 0)
		return;
	buf_put(&o->t->rows, &at, sizeof(at));
	wr_le(b, kind, 1);
	wr_le(b, row, ROW_SIZE);
	if (kind != CHANGE_CREATE)
		wr_le(b, was, 8);
	if (kind != CHANGE_DELETE) {
		wr_le(b, packed.len, 4);
		buf_slice(b, packed);
	}
}

void
change_note_edge(struct orgtx *o, enum change_kind kind, uint64_t group, uint64_t member)
{
	struct buf *b = &o->t->changes;

	if (o->t->rc != 0)
		return;
	wr_le(b, kind, 1);
	wr_le(b, group, ROW_SIZE);
	wr_le(b, member, ROW_SIZE);
}

static int
row_order(const void *x, const void *y)
{
	const struct journal_row *a = x, *b = y;

	if (a->row != b->row)
		return a->row < b->row ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

/* Puts the index behind an entry of many records. */
static void
seal(struct orgtx *o)
{
	struct journal_row *rows = (void *)o->t->rows.p;
	size_t n = o->t->rows.len / sizeof(*rows);
	struct buf *b = &o->t->changes;

	if (n >= INDEX_FROM) {
		qsort(rows, n, sizeof(*rows), row_order);
		for (size_t i = 0; i < n; i++) {
			wr_le(b, rows[i].row, 8);
			wr_le(b, rows[i].at, 4);
		}
		wr_le(b, n, 4);
		b->p[FLAGS_AT] |= FLAG_INDEX;
	}
	buf_clear(&o->t->rows);
}

/* wanted: what the entry must be (journal_apply()); NULL: whatever it is. */
static void
finish(struct orgtx *o, const struct slice *wanted)
{
	struct org_stat *stat = orgtx_stat_load(o);
	struct buf *b = &o->t->changes;
	uint8_t key[KEY_ROW];

	assert(o->in_change);
	o->in_change = false;
	if (b->len > o->t->head_len) {
		seal(o);
		if (wanted != NULL && !slice_eq(buf_as_slice(b), *wanted))
			(void)txn_ok(o->t, MDB_CORRUPTED);
		key_row(key, o->org, ++stat->revision);
		journal_hash(o->t, buf_as_slice(b), stat->head);
		o->dirty = o->told = true;
		if (!txn_put_new(o->t, TAB_JOURNAL, slice_at(key, sizeof(key)), buf_as_slice(b),
			    MDB_NOOVERWRITE))
			(void)txn_ok(o->t, MDB_KEYEXIST);
	} else if (wanted != NULL)
		(void)txn_ok(o->t, MDB_CORRUPTED);
	buf_clear(b);
}

void
change_end(struct orgtx *o)
{
	finish(o, NULL);
}

/* ---- Reading ---- */

/* The index of an entry, and what stands before it. */
static struct slice
cut_index(struct rd *r)
{
	struct slice index = { NULL, 0 };
	uint32_t n;

	if (r->left < 4) {
		r->bad = true;
		return index;
	}
	memcpy(&n, r->p + r->left - 4, 4);
	n = le32toh(n);
	if ((r->left - 4) / INDEX_ENTRY < n) {
		r->bad = true;
		return index;
	}
	index.len = (size_t)n * INDEX_ENTRY;
	r->left -= 4 + index.len;
	index.p = r->p + r->left;
	return index;
}

static bool
decode(struct slice value, uint64_t revision, struct journal_entry *out, struct slice *index)
{
	struct rd r = { value.p, value.len, false };
	struct slice part;
	unsigned flags;

	*out = (struct journal_entry){ .revision = revision, .bytes = value };
	*index = (struct slice){ NULL, 0 };
	(void)rd_bytes(&r, JOURNAL_HASH);
	if (rd_le(&r, 1) != JOURNAL_LAYOUT)
		r.bad = true;
	flags = (unsigned)rd_le(&r, 1);
	out->actor.door = (enum door)rd_le(&r, 1);
	out->actor.kind = (enum actor_kind)rd_le(&r, 1);
	out->actor.connection = (uint32_t)rd_le(&r, 4);
	out->actor.token = (uint32_t)rd_le(&r, 4);
	out->actor.now = (int64_t)rd_le(&r, 8);
	if ((flags & FLAG_SUBJECT) != 0) {
		part = rd_bytes(&r, UUID_SIZE);
		if (!r.bad)
			memcpy(out->actor.subject.bytes, part.p, UUID_SIZE);
	}
	part = rd_bytes(&r, rd_le(&r, 1));
	if (part.len >= ACTOR_PEER)
		r.bad = true;
	else if (part.len > 0)
		memcpy(out->actor.peer, part.p, part.len);
	part = rd_bytes(&r, rd_le(&r, 1));
	if (part.len > 0 && part.p[part.len - 1] != '\0')
		r.bad = true;
	else if (part.len > 0)
		out->actor.action = part.p;
	if ((flags & FLAG_INDEX) != 0)
		*index = cut_index(&r);
	out->changes = rd_bytes(&r, r.left);
	return !r.bad;
}

bool
journal_decode(struct slice value, uint64_t revision, struct journal_entry *out)
{
	struct slice index;

	return decode(value, revision, out, &index);
}

static bool
entry_bytes(struct orgtx *o, uint64_t revision, struct slice *out)
{
	uint8_t key[KEY_ROW];
	MDB_val value;

	key_row(key, o->org, revision);
	if (!txn_get(o->t, TAB_JOURNAL, key, sizeof(key), &value))
		return false;
	*out = slice_val(&value);
	return true;
}

uint64_t
journal_oldest(struct orgtx *o)
{
	uint8_t key[KEY_ROW];
	MDB_cursor *cursor = txn_cursor(o->t, TAB_JOURNAL);
	MDB_val k = { sizeof(key), key }, v;
	int rc;

	key_row(key, o->org, 0);
	if (cursor == NULL || (rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE)) == MDB_NOTFOUND)
		return 0;
	return txn_ok(o->t, rc) && k.mv_size == KEY_ROW && memcmp(k.mv_data, key, KEY_ORG) == 0
		       ? get_be64((const uint8_t *)k.mv_data + KEY_ORG)
		       : 0;
}

bool
journal_get(struct orgtx *o, uint64_t revision, struct journal_entry *out)
{
	struct slice bytes;

	return entry_bytes(o, revision, &bytes) &&
	       txn_ok(o->t, journal_decode(bytes, revision, out) ? 0 : MDB_CORRUPTED);
}

bool
journal_next_change(struct slice *changes, struct change *out, bool *bad)
{
	struct rd r = { changes->p, changes->len, false };

	*out = (struct change){ .at = changes->p };
	if (changes->len == 0)
		return false;
	out->kind = (enum change_kind)rd_le(&r, 1);
	out->row = rd_le(&r, ROW_SIZE);
	switch (out->kind) {
	case CHANGE_CREATE:
	case CHANGE_REPLACE:
		if (out->kind == CHANGE_REPLACE)
			out->was = rd_le(&r, 8);
		out->packed = rd_bytes(&r, rd_le(&r, 4));
		break;
	case CHANGE_DELETE:
		out->was = rd_le(&r, 8);
		break;
	case CHANGE_EDGE_ADD:
	case CHANGE_EDGE_REMOVE:
		out->member = rd_le(&r, ROW_SIZE);
		break;
	default: /* not one of ours: damaged bytes */
		r.bad = true;
	}
	*changes = (struct slice){ r.p, r.left };
	if (r.bad)
		*bad = true;
	return !r.bad;
}

/* ---- What a record was ---- */

static struct journal_row
index_at(struct slice index, size_t i)
{
	struct rd r = { index.p + i * INDEX_ENTRY, INDEX_ENTRY, false };
	uint64_t row = rd_le(&r, 8);

	return (struct journal_row){ row, (uint32_t)rd_le(&r, 4) };
}

/* The last record change of a row that begins before `end`. */
static bool
find_indexed(const struct journal_entry *e, struct slice index, uint64_t row, const char *end, struct change *out)
{
	size_t low = 0, high = index.len / INDEX_ENTRY;
	struct journal_row limit = { row, (uint32_t)(end - e->bytes.p) }, found;
	struct slice rest;
	bool bad = false;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		found = index_at(index, middle);
		if (row_order(&found, &limit) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return false;
	found = index_at(index, low - 1);
	rest = e->changes;
	if (found.row != row || e->bytes.p + found.at < rest.p || e->bytes.p + found.at >= rest.p + rest.len)
		return false;
	rest.len -= (size_t)(e->bytes.p + found.at - rest.p);
	rest.p = e->bytes.p + found.at;
	return journal_next_change(&rest, out, &bad) && out->row == row;
}

static bool
find_walking(const struct journal_entry *e, uint64_t row, const char *end, struct change *out)
{
	struct slice rest = e->changes;
	struct change c;
	bool bad = false, found = false;

	while (rest.p < end && journal_next_change(&rest, &c, &bad)) {
		if (c.row != row || c.kind == CHANGE_EDGE_ADD || c.kind == CHANGE_EDGE_REMOVE)
			continue;
		*out = c;
		found = true;
	}
	return found && !bad;
}

bool
journal_old(struct orgtx *o, const struct journal_entry *entry, const struct change *change, struct slice *packed)
{
	struct slice bytes = entry->bytes, index;
	struct journal_entry e;
	struct change c = { 0 };
	const char *end;

	if (change->kind != CHANGE_REPLACE && change->kind != CHANGE_DELETE)
		return false;
	if (change->was != entry->revision && !entry_bytes(o, change->was, &bytes))
		return false;
	if (!txn_ok(o->t, decode(bytes, change->was, &e, &index) ? 0 : MDB_CORRUPTED))
		return false;
	end = change->was == entry->revision ? change->at : e.changes.p + e.changes.len;
	if (!(index.len > 0 ? find_indexed(&e, index, change->row, end, &c) :
			      find_walking(&e, change->row, end, &c)))
		return false;
	*packed = c.packed;
	return packed->p != NULL;
}

bool
journal_deletes(struct orgtx *o, uint64_t revision, uint64_t row, struct slice *packed)
{
	struct journal_entry e;
	struct slice bytes, index;
	struct change c = { 0 };
	const char *end;

	*packed = (struct slice){ NULL, 0 };
	if (!entry_bytes(o, revision, &bytes) || !decode(bytes, revision, &e, &index))
		return false;
	end = e.changes.p + e.changes.len;
	if (!(index.len > 0 ? find_indexed(&e, index, row, end, &c) : find_walking(&e, row, end, &c)) ||
		c.kind != CHANGE_DELETE)
		return false;
	return journal_old(o, &e, &c, packed) || c.was <= orgtx_stat_load(o)->trimmed;
}

/* ---- Doing it again ---- */

static void
apply_change(struct orgtx *o, const struct change *c)
{
	bool done = true;

	switch (c->kind) {
	case CHANGE_CREATE:
		record_insert(o, c->row, c->packed);
		break;
	case CHANGE_REPLACE:
		record_replace(o, c->row, c->packed);
		break;
	case CHANGE_DELETE:
		(void)record_delete(o, c->row);
		break;
	case CHANGE_EDGE_ADD:
		done = edge_add(o, c->row, c->member);
		break;
	case CHANGE_EDGE_REMOVE:
		done = edge_remove(o, c->row, c->member);
		break;
	}
	if (!done)
		(void)txn_ok(o->t, MDB_CORRUPTED);
}

enum rc
journal_apply(struct orgtx *o, const struct journal_entry *entry, struct err *err)
{
	struct slice changes = entry->changes;
	struct change change;
	bool bad = false;

	if (orgtx_stat_load(o)->revision + 1 != entry->revision)
		return fail(err, RC_CONFLICT, "",
			"the organisation stands at revision %llu: entry %llu does not follow",
			(unsigned long long)o->stat.revision, (unsigned long long)entry->revision);
	if (!journal_follows(entry->bytes, o->stat.head))
		return fail(err, RC_CONFLICT, "",
			"entry %llu follows another entry %llu than the organisation's",
			(unsigned long long)entry->revision, (unsigned long long)o->stat.revision);
	(void)change_begin(o, &entry->actor);
	while (o->t->rc == 0 && journal_next_change(&changes, &change, &bad))
		apply_change(o, &change);
	if (bad)
		(void)txn_ok(o->t, MDB_CORRUPTED);
	finish(o, &entry->bytes);
	if (o->t->rc == MDB_CORRUPTED)
		return fail(err, RC_INTERNAL, "",
			"journal entry %llu does not fit the organisation",
			(unsigned long long)entry->revision);
	return o->t->rc == 0 ? RC_OK : store_fail(o->t->s, o->t->rc, err);
}

/* ---- Verifying the chain ---- */

static bool
fault(struct journal_check *c, enum journal_fault kind, uint64_t revision, const char *text)
{
	c->fault = kind;
	c->fault_revision = revision;
	c->done = true;
	(void)snprintf(c->text, sizeof(c->text), "journal entry %" PRIu64 " %s", revision, text);
	return false;
}

/* The entry that stands where revision + 1 should be does not follow from what was found so far. When the one behind it (or the org)
 * knows it as it is, it is the one before that is another than it was. */
static bool
fault_of_link(struct orgtx *o, struct journal_check *c, struct slice bytes)
{
	uint64_t revision = c->revision + 1;
	uint8_t hash[JOURNAL_HASH];
	struct slice next;
	bool known;

	journal_hash(o->t, bytes, hash);
	if (revision == o->stat.revision)
		known = memcmp(o->stat.head, hash, JOURNAL_HASH) == 0;
	else
		known = entry_bytes(o, revision + 1, &next) && journal_follows(next, hash);
	if (known && c->revision > c->trimmed)
		return fault(c, JOURNAL_ALTERED, c->revision, "was altered: the one behind it followed another");
	return fault(c, JOURNAL_ALTERED, revision, "was altered: it does not follow from the one before it");
}

/* Any entry behind the end that the org knows? */
static bool
check_end(struct orgtx *o, struct journal_check *c)
{
	uint8_t key[KEY_ROW];
	MDB_val found, value;

	c->done = true;
	if (memcmp(c->hash, o->stat.head, JOURNAL_HASH) != 0)
		return fault(c, JOURNAL_ALTERED, c->revision, "was altered: the organisation knows another newest entry");
	if (c->revision < c->anchor_revision)
		return fault(c, JOURNAL_CUT, c->revision + 1, "was cut off, and all behind it");
	if (c->revision == UINT64_MAX)
		return true;
	key_row(key, o->org, c->revision + 1);
	if (txn_first(o->t, TAB_JOURNAL, slice_at(key, sizeof(key)), KEY_ORG, &found, &value))
		return fault(c, JOURNAL_BEYOND, c->revision + 1, "or one behind it is there, though the organisation does not know of it");
	return true;
}

/* Begins, or goes on when more was trimmed meanwhile, behind what is not kept. */
static bool
skip_trimmed(const struct org_stat *stat, struct journal_check *c)
{
	bool unseen = c->revision < c->anchor_revision;

	c->trimmed = c->revision = stat->trimmed;
	memcpy(c->hash, stat->trimmed_hash, JOURNAL_HASH);
	if (!unseen || c->anchor_revision > c->revision)
		return true;
	if (c->anchor_revision < c->revision)
		return fault(c, JOURNAL_TRIMMED, c->anchor_revision, "is not kept any more: its anchor can't be compared");
	return memcmp(c->hash, c->anchor, JOURNAL_HASH) == 0 ||
	       fault(c, JOURNAL_ALTERED, c->revision, "or one before it was altered: it is not the one of the anchor");
}

bool
journal_verify(struct orgtx *o, struct journal_check *c)
{
	const struct org_stat *stat = orgtx_stat_load(o);
	size_t looked = 0;
	struct slice bytes;

	if (c->revision < stat->trimmed && !skip_trimmed(stat, c))
		return false;
	if (stat->revision < c->revision)
		return fault(c, JOURNAL_CUT, stat->revision + 1, "was cut off, and all behind it");
	while (looked < VERIFY_BYTES && c->revision < stat->revision && o->t->rc == 0) {
		if (!entry_bytes(o, c->revision + 1, &bytes))
			return o->t->rc == 0 && fault(c, JOURNAL_MISSING, c->revision + 1, "is missing");
		if (!journal_follows(bytes, c->hash))
			return fault_of_link(o, c, bytes);
		journal_hash(o->t, bytes, c->hash);
		c->revision++;
		if (c->revision == c->anchor_revision && memcmp(c->hash, c->anchor, JOURNAL_HASH) != 0)
			return fault(c, JOURNAL_ALTERED, c->revision, "or one before it was altered: it is not the one of the anchor");
		looked += bytes.len + 64;
	}
	if (o->t->rc != 0)
		return false;
	return c->revision < stat->revision || check_end(o, c);
}
