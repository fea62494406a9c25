/* The beginning of a journal, taken away. */
#include "daemon/store/store_private.h"

#include "base/banned.h"

static void
forget_gone(struct orgtx *o, uint64_t row)
{
	uint8_t key[KEY_ROW];

	key_row(key, o->org, row);
	(void)txn_del(o->t, TAB_GONE, slice_at(key, sizeof(key)), (struct slice){ NULL, 0 });
}

/* The list of deleted records leads to entries: what the oldest one deleted goes from it. *whole: the entry was looked through. The bytes
 * of an entry may move with a write: rows are noted first. false: there is no such entry, or it can't be read. */
static bool
forget_deletes(struct orgtx *o, struct journal_trim *trim, size_t *left, bool *whole)
{
	struct journal_entry e;
	struct slice rest;
	struct change c;
	uint64_t *rows;
	size_t n = 0;
	bool bad = false;

	if (!journal_get(o, o->stat.trimmed + 1, &e) || trim->at > e.changes.len)
		return false;
	arena_clear(o->t->scratch);
	rows = ARENA_ARRAY(o->t->scratch, uint64_t, *left + 1);
	rest = slice_from(e.changes, trim->at);
	for (; *left > 0 && journal_next_change(&rest, &c, &bad); (*left)--)
		if (c.kind == CHANGE_DELETE)
			rows[n++] = c.row;
	trim->at = e.changes.len - rest.len;
	*whole = rest.len == 0;
	for (size_t i = 0; i < n; i++)
		forget_gone(o, rows[i]);
	return !bad;
}

static bool
drop_oldest(struct orgtx *o, struct journal_trim *trim)
{
	struct org_stat *stat = orgtx_stat_load(o);
	struct journal_entry next;
	uint8_t key[KEY_ROW];

	if (!journal_get(o, stat->trimmed + 2, &next)) /* it begins with the hash of the one that goes */
		return false;
	memcpy(stat->trimmed_hash, next.bytes.p, JOURNAL_HASH);
	key_row(key, o->org, ++stat->trimmed);
	(void)txn_del(o->t, TAB_JOURNAL, slice_at(key, sizeof(key)), (struct slice){ NULL, 0 });
	o->dirty = true;
	trim->entries++;
	trim->at = 0;
	return true;
}

/* A journal that has a gap, or can't be read, is left as it is: that is for verify to tell. */
bool
journal_trim(struct orgtx *o, struct journal_trim *trim, size_t limit)
{
	struct org_stat *stat = orgtx_stat_load(o);
	uint64_t upto = trim->upto < stat->revision ? trim->upto : stat->revision - 1;
	bool whole = false;

	if (stat->revision == 0)
		return true;
	while (stat->trimmed < upto && limit > 0 && o->t->rc == 0) {
		limit--;
		if (!forget_deletes(o, trim, &limit, &whole) || (whole && !drop_oldest(o, trim)))
			return true;
	}
	return stat->trimmed >= upto;
}
