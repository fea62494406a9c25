#include "daemon/store/store_private.h"

#include <assert.h>
#include <stdlib.h>

#include "base/banned.h"

static uint64_t
damaged(struct orgtx *o)
{
	(void)txn_ok(o->t, MDB_CORRUPTED);
	return 0;
}

bool
row_by_id(struct orgtx *o, const struct uuid *id, uint64_t *row)
{
	uint8_t key[KEY_ID];
	MDB_val value;

	put_be32(key, o->org);
	memcpy(key + KEY_ORG, id->bytes, UUID_SIZE);
	if (!txn_get(o->t, TAB_ID, key, sizeof(key), &value))
		return false;
	if (!txn_ok(o->t, value.mv_size == ROW_SIZE ? 0 : MDB_CORRUPTED))
		return false;
	*row = get_be64(value.mv_data);
	return true;
}

bool
record_get(struct orgtx *o, uint64_t row, struct record *out)
{
	uint8_t key[KEY_ROW];
	MDB_val value;

	key_row(key, o->org, row);
	return txn_get(o->t, TAB_REC, key, sizeof(key), &value) &&
	       txn_ok(o->t,
		       record_parse(o->t->s->schema, slice_val(&value), out) ? 0 : MDB_CORRUPTED);
}

static bool
gone_get(struct orgtx *o, uint64_t row, MDB_val *value)
{
	uint8_t key[KEY_ROW];

	key_row(key, o->org, row);
	return txn_get(o->t, TAB_GONE, key, sizeof(key), value) &&
	       txn_ok(o->t, value->mv_size == GONE_SIZE ? 0 : MDB_CORRUPTED);
}

bool
record_gone(struct orgtx *o, uint64_t row, struct record *out)
{
	struct slice packed;
	MDB_val value;

	return gone_get(o, row, &value) && journal_deletes(o, get_be64(value.mv_data), row, &packed) &&
	       packed.p != NULL &&
	       txn_ok(o->t, record_parse(o->t->s->schema, packed, out) ? 0 : MDB_CORRUPTED);
}

bool
row_id(struct orgtx *o, uint64_t row, struct uuid *id)
{
	struct record r;
	MDB_val value;

	if (record_get(o, row, &r)) {
		*id = r.id;
		return true;
	}
	if (!gone_get(o, row, &value))
		return false;
	memcpy(id->bytes, (const uint8_t *)value.mv_data + 8, UUID_SIZE);
	return true;
}

/* With the id: the journal's beginning, where the record may be told, can be trimmed. */
static void
gone_put(struct orgtx *o, uint64_t row, const struct uuid *id)
{
	uint8_t key[KEY_ROW], value[GONE_SIZE];

	key_row(key, o->org, row);
	put_be64(value, orgtx_stat_load(o)->revision + 1);
	memcpy(value + 8, id->bytes, UUID_SIZE);
	txn_put(o->t, TAB_GONE, key, sizeof(key), value, sizeof(value));
}

bool
record_is_active(const struct store *s, const struct record *r)
{
	struct slice payload;

	return r->type->code == TYPE_USER &&
	       (s->active == NULL || !record_field(s->schema, r, s->active, &payload) ||
		       payload_bool(payload));
}

/* ---- Index entries ---- */

static struct slice
index_full_key(struct arena *a, uint32_t org, uint16_t attr_id, uint8_t type, struct slice value)
{
	uint8_t *key = arena_alloc(a, KEY_INDEX + value.len);

	assert(value.len <= INDEX_KEY_MAX);
	key_index(key, org, attr_id, type);
	if (value.len > 0)
		memcpy(key + KEY_INDEX, value.p, value.len);
	return slice_at(key, KEY_INDEX + value.len);
}

static int
slice_order(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

struct slice *
index_entries(struct arena *a, const struct schema_set *schema, uint32_t org, const struct record *r, size_t *n)
{
	struct index_key *keys;
	size_t count = record_index_keys(a, schema, r, &keys);
	struct slice *entries = ARENA_ARRAY(a, struct slice, count + 1);

	entries[0] = index_full_key(a, org, 0, r->type->code, (struct slice){ NULL, 0 });
	for (size_t i = 0; i < count; i++)
		entries[i + 1] =
			index_full_key(a, org, keys[i].attr_id, r->type->code, keys[i].key);
	qsort(entries, count + 1, sizeof(*entries), slice_order);
	*n = count + 1;
	return entries;
}

static void
index_put(struct orgtx *o, struct slice key, uint64_t row, unsigned flags)
{
	uint8_t value[ROW_SIZE];

	put_be64(value, row);
	(void)txn_put_new(o->t, TAB_IDX, key, slice_at(value, sizeof(value)), flags);
}

static void
index_del(struct orgtx *o, struct slice key, uint64_t row)
{
	uint8_t value[ROW_SIZE];

	put_be64(value, row);
	if (!txn_del(o->t, TAB_IDX, key, slice_at(value, sizeof(value))))
		(void)damaged(o);
}

/* Both lists are sorted: what is in one of them only changes. */
static void
index_change(struct orgtx *o, uint64_t row, const struct slice *old, size_t old_n,
	const struct slice *new, size_t new_n)
{
	size_t i = 0, j = 0;
	int order;

	while (i < old_n || j < new_n) {
		order = i == old_n ? 1 : j == new_n ? -1 : slice_cmp(old[i], new[j]);
		if (order < 0)
			index_del(o, old[i++], row);
		else if (order > 0)
			index_put(o, new[j++], row, MDB_NODUPDATA);
		else
			i++, j++;
	}
}

/* ---- One record ---- */

static void
rec_put(struct orgtx *o, uint64_t row, struct slice packed)
{
	uint8_t key[KEY_ROW];

	key_row(key, o->org, row);
	txn_put(o->t, TAB_REC, key, sizeof(key), packed.p, packed.len);
}

static void
id_put(struct orgtx *o, const struct uuid *id, uint64_t row)
{
	uint8_t key[KEY_ID], value[ROW_SIZE];

	put_be32(key, o->org);
	memcpy(key + KEY_ORG, id->bytes, UUID_SIZE);
	put_be64(value, row);
	if (!txn_put_new(o->t, TAB_ID, slice_at(key, sizeof(key)), slice_at(value, sizeof(value)),
		    MDB_NOOVERWRITE))
		(void)damaged(o);
}

static void
count_new(struct orgtx *o, const struct record *r, uint64_t row)
{
	struct org_stat *stat = orgtx_stat_load(o);
	uint64_t counter = row & ROW_COUNTER_MASK;

	stat->rows[r->type->code]++;
	stat->active_users += record_is_active(o->t->s, r);
	if (counter >= stat->next_row)
		stat->next_row = counter + 1;
	o->dirty = true;
}

void
record_insert(struct orgtx *o, uint64_t row, struct slice packed)
{
	struct record r;
	struct slice *entries;
	size_t n;

	arena_clear(o->t->scratch);
	if (!record_parse(o->t->s->schema, packed, &r) || r.type->code != row_type(row)) {
		(void)damaged(o);
		return;
	}
	entries = index_entries(o->t->scratch, o->t->s->schema, o->org, &r, &n);
	id_put(o, &r.id, row);
	rec_put(o, row, packed);
	index_change(o, row, NULL, 0, entries, n);
	count_new(o, &r, row);
	change_note_record(o, CHANGE_CREATE, row, 0, packed);
}

uint64_t
record_create(struct orgtx *o, uint8_t type, struct slice packed)
{
	uint64_t row = (uint64_t)type << 56 | orgtx_stat_load(o)->next_row;

	assert(o->in_change);
	record_insert(o, row, packed);
	return row;
}

void
record_replace(struct orgtx *o, uint64_t row, struct slice packed)
{
	struct arena *a = o->t->scratch;
	struct slice *old_entries, *new_entries;
	struct org_stat *stat = orgtx_stat_load(o);
	struct record old, new;
	size_t old_n, new_n;

	assert(o->in_change);
	arena_clear(a);
	if (!record_get(o, row, &old) || !record_parse(o->t->s->schema, packed, &new) ||
		new.type != old.type || memcmp(&new.id, &old.id, sizeof(new.id)) != 0) {
		(void)damaged(o);
		return;
	}
	/* All that is needed of the old record is taken before the first write. */
	old_entries = index_entries(a, o->t->s->schema, o->org, &old, &old_n);
	new_entries = index_entries(a, o->t->s->schema, o->org, &new, &new_n);
	stat->active_users -= record_is_active(o->t->s, &old);
	stat->active_users += record_is_active(o->t->s, &new);
	o->dirty = true;
	index_change(o, row, old_entries, old_n, new_entries, new_n);
	rec_put(o, row, packed);
	change_note_record(o, CHANGE_REPLACE, row, old.revision, packed);
}

uint64_t
record_delete(struct orgtx *o, uint64_t row)
{
	struct arena *a = o->t->scratch;
	struct org_stat *stat = orgtx_stat_load(o);
	uint8_t key[KEY_ID];
	struct slice *entries;
	struct uuid id;
	struct record r;
	uint64_t edges, was;
	size_t n;

	assert(o->in_change);
	arena_clear(a);
	if (!record_get(o, row, &r))
		return damaged(o);
	was = r.revision;
	id = r.id;
	entries = index_entries(a, o->t->s->schema, o->org, &r, &n);
	stat->rows[r.type->code]--;
	stat->active_users -= record_is_active(o->t->s, &r);
	o->dirty = true;
	put_be32(key, o->org);
	memcpy(key + KEY_ORG, r.id.bytes, UUID_SIZE);
	if (!txn_del(o->t, TAB_ID, slice_at(key, KEY_ID), (struct slice){ NULL, 0 }))
		(void)damaged(o);
	index_change(o, row, entries, n, NULL, 0);
	edges = edges_drop(o, row);
	key_row(key, o->org, row);
	(void)txn_del(o->t, TAB_REC, slice_at(key, KEY_ROW), (struct slice){ NULL, 0 });
	gone_put(o, row, &id);
	change_note_record(o, CHANGE_DELETE, row, was, (struct slice){ NULL, 0 });
	return edges;
}

/* ---- Many records ---- */

struct many_entry {
	uint64_t head; /* attribute and the first bytes of the value: settles most comparisons
			  without a miss */
	struct slice key;
	uint64_t at; /* number of the record */
};

struct record_batch {
	uint8_t type;
	bool bad; /* one of them is no such record */
	size_t count;
	const struct slice *packed;
	struct arena *arena;
	struct record *records;
	struct buf entries; /* of struct many_entry, sorted */
};

static int
many_compare(const void *x, const void *y)
{
	const struct many_entry *a = x, *b = y;
	int order;

	if (a->head != b->head)
		return a->head < b->head ? -1 : 1;
	if ((order = slice_cmp(a->key, b->key)) != 0)
		return order;
	return a->at < b->at ? -1 : a->at > b->at;
}

static uint64_t
many_head(struct slice key)
{
	uint8_t head[8] = { (uint8_t)key.p[KEY_ORG], (uint8_t)key.p[KEY_ORG + 1] };
	size_t n = key.len - KEY_INDEX;

	memcpy(head + 2, key.p + KEY_INDEX, n < 6 ? n : 6);
	return get_be64(head);
}

struct record_batch *
record_batch_new(const struct schema_set *schema, uint32_t org, uint8_t type, const struct slice *packed, size_t count)
{
	struct record_batch *b = calloc(1, sizeof(*b));
	struct arena *scratch = arena_new();

	if (b == NULL)
		abort();
	*b = (struct record_batch){ .type = type, .count = count, .packed = packed, .arena = arena_new(), .entries = BUF_INIT };
	b->records = ARENA_ARRAY(b->arena, struct record, count + 1);
	for (size_t i = 0; i < count && !b->bad; i++) {
		struct record *r = &b->records[i];
		struct slice *keys;
		size_t n;

		b->bad = !record_parse(schema, packed[i], r) || r->type->code != type;
		if (b->bad)
			break;
		arena_clear(scratch);
		keys = index_entries(scratch, schema, org, r, &n);
		for (size_t k = 0; k < n; k++) {
			struct many_entry e = { many_head(keys[k]), arena_dup(b->arena, keys[k]), i };

			buf_put(&b->entries, &e, sizeof(e));
		}
	}
	if (b->entries.len > 0)
		qsort(b->entries.p, b->entries.len / sizeof(struct many_entry), sizeof(struct many_entry), many_compare);
	arena_free(scratch);
	return b;
}

static void
batch_free(struct record_batch *b)
{
	arena_free(b->arena);
	buf_release(&b->entries);
	free(b);
}

void
record_batch_put(struct orgtx *o, struct record_batch *b, uint64_t *rows)
{
	const struct many_entry *entries = (void *)b->entries.p;
	size_t n = b->entries.len / sizeof(*entries);

	assert(o->in_change);
	if (b->bad)
		(void)damaged(o);
	for (size_t i = 0; i < b->count && o->t->rc == 0; i++) {
		rows[i] = (uint64_t)b->type << 56 | orgtx_stat_load(o)->next_row;
		id_put(o, &b->records[i].id, rows[i]);
		rec_put(o, rows[i], b->packed[i]);
		count_new(o, &b->records[i], rows[i]);
		change_note_record(o, CHANGE_CREATE, rows[i], 0, b->packed[i]);
	}
	/* The rows are higher than all that were given before, so they go behind those of the same
	 * key. */
	for (size_t i = 0; i < n && o->t->rc == 0; i++)
		index_put(o, entries[i].key, rows[entries[i].at], MDB_APPENDDUP);
	batch_free(b);
}

void
record_create_many(struct orgtx *o, uint8_t type, const struct slice *packed, size_t n, uint64_t *rows)
{
	record_batch_put(o, record_batch_new(o->t->s->schema, o->org, type, packed, n), rows);
}
