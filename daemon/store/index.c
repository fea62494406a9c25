#include "daemon/store/store_private.h"

#include <assert.h>

#include "base/banned.h"

/* ---- Rows under one key ---- */

bool
dups_has(struct txn *t, enum table tab, struct slice key, uint64_t row)
{
	MDB_cursor *cursor = txn_cursor(t, tab);
	uint8_t value[ROW_SIZE];
	MDB_val k = val_slice(key), v = { ROW_SIZE, value };

	put_be64(value, row);
	return cursor != NULL && txn_ok(t, mdb_cursor_get(cursor, &k, &v, MDB_GET_BOTH));
}

uint64_t
dups_count(struct txn *t, enum table tab, struct slice key)
{
	MDB_cursor *cursor = txn_cursor(t, tab);
	MDB_val k = val_slice(key), v;
	size_t n = 0;

	if (cursor != NULL && txn_ok(t, mdb_cursor_get(cursor, &k, &v, MDB_SET_KEY)))
		(void)txn_ok(t, mdb_cursor_count(cursor, &n));
	return n;
}

/* The first place in a page of rows that is not below row. */
static size_t
page_find(const uint8_t *page, size_t n, uint64_t row)
{
	size_t low = 0, high = n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (get_be64(page + mid * ROW_SIZE) < row)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* LMDB hands out the rows of one page at a time, from the page's beginning, wherever in it the
 * cursor stands; for a key with a single row it succeeds and says nothing. */
size_t
dups_list(struct txn *t, enum table tab, struct slice key, uint64_t after, uint64_t skip,
	uint64_t *out, size_t max)
{
	MDB_cursor *cursor = txn_cursor(t, tab);
	uint8_t from[ROW_SIZE];
	MDB_val k = val_slice(key), row = { ROW_SIZE, from }, page = { 0, NULL };
	size_t at, n, got = 0;

	if (cursor == NULL || max == 0 || after == UINT64_MAX)
		return 0;
	put_be64(from, after + 1);
	if (!txn_ok(t, mdb_cursor_get(cursor, &k, &row, MDB_GET_BOTH_RANGE)) ||
		!txn_ok(t, mdb_cursor_get(cursor, &k, &page, MDB_GET_MULTIPLE)))
		return 0;
	if (page.mv_data == NULL)
		page = row;
	at = page_find(page.mv_data, page.mv_size / ROW_SIZE, after + 1);
	for (;;) {
		n = page.mv_size / ROW_SIZE;
		if (skip >= n - at) {
			skip -= n - at;
		} else {
			for (at += skip, skip = 0; at < n && got < max; at++)
				out[got++] =
					get_be64((const uint8_t *)page.mv_data + at * ROW_SIZE);
			if (got == max)
				return got;
		}
		at = 0;
		if (!txn_ok(t, mdb_cursor_get(cursor, &k, &page, MDB_NEXT_MULTIPLE)))
			return got;
	}
}

/* ---- Types and values ---- */

uint64_t
rows_count(struct orgtx *o, uint8_t type)
{
	return type < TYPE_COUNT ? orgtx_stat_load(o)->rows[type] : 0;
}

size_t
rows_list(struct orgtx *o, uint8_t type, uint64_t after, uint64_t skip, uint64_t *out, size_t max)
{
	uint8_t key[KEY_INDEX];

	key_index(key, o->org, 0, type);
	return dups_list(o->t, TAB_IDX, slice_at(key, sizeof(key)), after, skip, out, max);
}

/* A key longer than any that was put finds nothing. */
static bool
value_key(struct orgtx *o, uint16_t attr_id, uint8_t type, struct slice value, uint8_t key[KEY_MAX],
	struct slice *out)
{
	if (value.len > INDEX_KEY_MAX)
		return false;
	key_index(key, o->org, attr_id, type);
	if (value.len > 0)
		memcpy(key + KEY_INDEX, value.p, value.len);
	*out = slice_at(key, KEY_INDEX + value.len);
	return true;
}

uint64_t
index_count(struct orgtx *o, uint16_t attr_id, uint8_t type, struct slice value)
{
	uint8_t bytes[KEY_MAX];
	struct slice key;

	return value_key(o, attr_id, type, value, bytes, &key) ? dups_count(o->t, TAB_IDX, key) : 0;
}

size_t
index_list(struct orgtx *o, uint16_t attr_id, uint8_t type, struct slice value, uint64_t after,
	uint64_t *out, size_t max)
{
	uint8_t bytes[KEY_MAX];
	struct slice key;

	return value_key(o, attr_id, type, value, bytes, &key)
		       ? dups_list(o->t, TAB_IDX, key, after, 0, out, max)
		       : 0;
}

/* ---- Walks ---- */

struct index_walk *
index_walk_open(struct orgtx *o, uint16_t attr_id, uint8_t type, bool backward, struct slice value,
	uint64_t row)
{
	struct index_walk *w = ARENA_NEW(o->t->arena, struct index_walk);

	w->o = o;
	w->backward = backward;
	w->row = row;
	w->ended = true;
	if (value.len > INDEX_KEY_MAX || o->t->rc != 0 ||
		!txn_ok(o->t, mdb_cursor_open(o->t->mdb, o->t->s->dbi[TAB_IDX], &w->cursor)))
		return w;
	w->ended = false;
	w->next = o->t->walks;
	o->t->walks = w;
	key_index(w->key, o->org, attr_id, type);
	if (value.len > 0)
		memcpy(w->key + KEY_INDEX, value.p, value.len);
	w->len = KEY_INDEX + value.len;
	return w;
}

/* The first entry not below the walk's (key, row). */
static int
walk_seek_forward(struct index_walk *w, MDB_val *key, MDB_val *row)
{
	uint8_t from[ROW_SIZE];
	int rc;

	*key = (MDB_val){ w->len, w->key };
	if ((rc = mdb_cursor_get(w->cursor, key, row, MDB_SET_RANGE)) != 0 ||
		key->mv_size != w->len || memcmp(key->mv_data, w->key, w->len) != 0)
		return rc;
	put_be64(from, w->row);
	*row = (MDB_val){ ROW_SIZE, from };
	rc = mdb_cursor_get(w->cursor, key, row, MDB_GET_BOTH_RANGE);
	if (rc != MDB_NOTFOUND)
		return rc;
	/* All rows of this key are below: on to the next key. */
	*key = (MDB_val){ w->len, w->key };
	rc = mdb_cursor_get(w->cursor, key, row, MDB_SET_KEY);
	return rc != 0 ? rc : mdb_cursor_get(w->cursor, key, row, MDB_NEXT_NODUP);
}

/* The last entry below a key that is not there itself. */
static int
walk_seek_before(struct index_walk *w, MDB_val *key, MDB_val *row)
{
	int rc = mdb_cursor_get(w->cursor, key, row, MDB_SET_RANGE);

	return mdb_cursor_get(w->cursor, key, row, rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
}

/* The last entry not above the walk's (key, row). */
static int
walk_seek_backward(struct index_walk *w, MDB_val *key, MDB_val *row)
{
	uint8_t from[ROW_SIZE], behind[KEY_INDEX];
	int rc;

	if (w->len == KEY_INDEX && w->row == UINT64_MAX) {
		/* From the end of the index: below the first key that any later one can have. */
		memcpy(behind, w->key, sizeof(behind));
		behind[KEY_INDEX - 1]++; /* type codes are far below 255 */
		*key = (MDB_val){ sizeof(behind), behind };
		return walk_seek_before(w, key, row);
	}
	*key = (MDB_val){ w->len, w->key };
	rc = mdb_cursor_get(w->cursor, key, row, MDB_SET_KEY);
	if (rc == MDB_NOTFOUND) {
		*key = (MDB_val){ w->len, w->key };
		return walk_seek_before(w, key, row);
	}
	if (rc != 0)
		return rc;
	put_be64(from, w->row);
	*row = (MDB_val){ ROW_SIZE, from };
	rc = mdb_cursor_get(w->cursor, key, row, MDB_GET_BOTH_RANGE);
	if (rc == 0)
		return get_be64(row->mv_data) == w->row
			       ? 0
			       : mdb_cursor_get(w->cursor, key, row, MDB_PREV);
	if (rc != MDB_NOTFOUND)
		return rc;
	*key = (MDB_val){ w->len, w->key };
	rc = mdb_cursor_get(w->cursor, key, row, MDB_SET_KEY);
	return rc != 0 ? rc : mdb_cursor_get(w->cursor, key, row, MDB_LAST_DUP);
}

static int
walk_seek(struct index_walk *w, MDB_val *key, MDB_val *row)
{
	w->writes = w->o->t->writes;
	return w->backward ? walk_seek_backward(w, key, row) : walk_seek_forward(w, key, row);
}

static bool
walk_is_last(const struct index_walk *w, const MDB_val *key, const MDB_val *row)
{
	return key->mv_size == w->len && memcmp(key->mv_data, w->key, w->len) == 0 &&
	       get_be64(row->mv_data) == w->row;
}

static int
walk_step(struct index_walk *w, MDB_val *key, MDB_val *row)
{
	enum MDB_cursor_op step = w->backward ? MDB_PREV : MDB_NEXT;
	int rc;

	if (w->started && w->writes == w->o->t->writes)
		return mdb_cursor_get(w->cursor, key, row, step);
	rc = walk_seek(w, key, row);
	/* Placed anew after a write: the entry given last may still be there. */
	if (rc == 0 && w->started && walk_is_last(w, key, row))
		rc = mdb_cursor_get(w->cursor, key, row, step);
	return rc;
}

bool
index_walk_next(struct index_walk *w, struct slice *out_key, uint64_t *out_row)
{
	MDB_val key, row;

	if (w->ended || w->o->t->rc != 0)
		return false;
	if (!txn_ok(w->o->t, walk_step(w, &key, &row)) || key.mv_size < KEY_INDEX ||
		memcmp(key.mv_data, w->key, KEY_INDEX) != 0) {
		w->ended = true;
		return false;
	}
	assert(key.mv_size <= KEY_MAX);
	w->started = true;
	w->len = key.mv_size;
	memcpy(w->key, key.mv_data, key.mv_size);
	w->row = get_be64(row.mv_data);
	*out_key = slice_at((const char *)key.mv_data + KEY_INDEX, key.mv_size - KEY_INDEX);
	*out_row = w->row;
	return true;
}
