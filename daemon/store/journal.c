#include "daemon/store/store_private.h"

#include <assert.h>

#include "base/banned.h"

enum { JOURNAL_LAYOUT = 1, JOURNAL_HEAD = 1 + 1 + 4 + 4 + 8 };

/* ---- Writing ---- */

uint64_t
change_begin(struct orgtx *o, const struct actor *actor)
{
	struct buf *b = &o->t->changes;

	assert(o->t->write && !o->in_change && b->len == 0); /* one change at a time */
	o->in_change = true;
	o->actor = *actor;
	buf_clear(b);
	wr_le(b, JOURNAL_LAYOUT, 1);
	wr_le(b, actor->door, 1);
	wr_le(b, actor->connection, 4);
	wr_le(b, actor->token, 4);
	wr_le(b, (uint64_t)actor->now, 8);
	return orgtx_stat_load(o)->revision + 1;
}

void
change_note_record(struct orgtx *o, enum change_kind kind, uint64_t row, struct slice packed)
{
	struct buf *b = &o->t->changes;

	if (o->t->rc != 0)
		return;
	wr_le(b, kind, 1);
	wr_le(b, row, ROW_SIZE);
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

void
change_end(struct orgtx *o)
{
	struct buf *b = &o->t->changes;
	struct org_stat *stat = orgtx_stat_load(o);
	uint8_t key[KEY_ROW];

	assert(o->in_change);
	o->in_change = false;
	if (b->len > JOURNAL_HEAD) {
		key_row(key, o->org, ++stat->revision);
		o->dirty = true;
		if (!txn_put_new(o->t, TAB_JOURNAL, slice_at(key, sizeof(key)), buf_as_slice(b),
			    MDB_NOOVERWRITE))
			(void)txn_ok(o->t, MDB_KEYEXIST);
	}
	buf_clear(b);
}

/* ---- Reading ---- */

bool
journal_decode(struct slice value, uint64_t revision, struct journal_entry *out)
{
	struct rd r = { value.p, value.len, false };

	*out = (struct journal_entry){ .revision = revision };
	if (rd_le(&r, 1) != JOURNAL_LAYOUT)
		r.bad = true;
	out->actor.door = (enum door)rd_le(&r, 1);
	out->actor.connection = (uint32_t)rd_le(&r, 4);
	out->actor.token = (uint32_t)rd_le(&r, 4);
	out->actor.now = (int64_t)rd_le(&r, 8);
	out->changes = rd_bytes(&r, r.left);
	return !r.bad;
}

bool
journal_get(struct orgtx *o, uint64_t revision, struct journal_entry *out)
{
	uint8_t key[KEY_ROW];
	MDB_val value;

	key_row(key, o->org, revision);
	return txn_get(o->t, TAB_JOURNAL, key, sizeof(key), &value) &&
	       txn_ok(o->t, journal_decode(slice_val(&value), revision, out) ? 0 : MDB_CORRUPTED);
}

bool
journal_next_change(struct slice *changes, struct change *out, bool *bad)
{
	struct rd r = { changes->p, changes->len, false };

	*out = (struct change){ 0 };
	if (changes->len == 0)
		return false;
	out->kind = (enum change_kind)rd_le(&r, 1);
	out->row = rd_le(&r, ROW_SIZE);
	switch (out->kind) {
	case CHANGE_CREATE:
	case CHANGE_REPLACE:
		out->packed = rd_bytes(&r, rd_le(&r, 4));
		break;
	case CHANGE_DELETE:
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
	(void)change_begin(o, &entry->actor);
	while (o->t->rc == 0 && journal_next_change(&changes, &change, &bad))
		apply_change(o, &change);
	if (bad)
		(void)txn_ok(o->t, MDB_CORRUPTED);
	change_end(o);
	if (o->t->rc == MDB_CORRUPTED)
		return fail(err, RC_INTERNAL, "",
			"journal entry %llu does not fit the organisation",
			(unsigned long long)entry->revision);
	return o->t->rc == 0 ? RC_OK : store_fail(o->t->s, o->t->rc, err);
}
