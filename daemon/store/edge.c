#include "daemon/store/store_private.h"

#include <assert.h>

#include "base/banned.h"

enum { EDGE_BATCH = 512 };

static const struct {
	enum table table, mirror;
} directions[] = {
	[EDGE_MEMBERS] = { TAB_MEMBER, TAB_GROUP },
	[EDGE_GROUPS] = { TAB_GROUP, TAB_MEMBER },
};

static bool
edge_put(struct orgtx *o, enum table tab, uint64_t from, uint64_t to, unsigned flags)
{
	uint8_t key[KEY_ROW], value[ROW_SIZE];

	key_row(key, o->org, from);
	put_be64(value, to);
	return txn_put_new(
		o->t, tab, slice_at(key, sizeof(key)), slice_at(value, sizeof(value)), flags);
}

static bool
edge_del(struct orgtx *o, enum table tab, uint64_t from, uint64_t to)
{
	uint8_t key[KEY_ROW], value[ROW_SIZE];

	key_row(key, o->org, from);
	put_be64(value, to);
	return txn_del(o->t, tab, slice_at(key, sizeof(key)), slice_at(value, sizeof(value)));
}

static void
edge_counted(struct orgtx *o, uint64_t added, uint64_t removed)
{
	struct org_stat *stat = orgtx_stat_load(o);

	stat->edges += added;
	stat->edges -= removed;
	o->dirty = true;
}

bool
edge_add(struct orgtx *o, uint64_t group, uint64_t member)
{
	assert(o->in_change);
	if (!edge_put(o, TAB_MEMBER, group, member, MDB_NODUPDATA))
		return false;
	(void)edge_put(o, TAB_GROUP, member, group, MDB_NODUPDATA);
	edge_counted(o, 1, 0);
	change_note_edge(o, CHANGE_EDGE_ADD, group, member);
	return true;
}

bool
edge_remove(struct orgtx *o, uint64_t group, uint64_t member)
{
	assert(o->in_change);
	if (!edge_del(o, TAB_MEMBER, group, member))
		return false;
	if (!edge_del(o, TAB_GROUP, member, group))
		(void)txn_ok(o->t, MDB_CORRUPTED);
	edge_counted(o, 0, 1);
	change_note_edge(o, CHANGE_EDGE_REMOVE, group, member);
	return true;
}

/* Whether all of the run comes behind what the group has: then each goes to the end without a
 * search, and the pages fill up. */
static bool
edges_follow(struct orgtx *o, uint64_t group, uint64_t first)
{
	uint64_t above;

	return first > 0 && edge_list(o, EDGE_MEMBERS, group, first - 1, &above, 1) == 0;
}

uint64_t
edge_add_many(struct orgtx *o, uint64_t group, const uint64_t *members, size_t n)
{
	uint64_t added = 0, last = 0;
	bool append;

	assert(o->in_change);
	if (n == 0)
		return 0;
	append = edges_follow(o, group, members[0]);
	for (size_t i = 0; i < n && o->t->rc == 0; i++) {
		assert(members[i] >= last);
		if (members[i] == last || !edge_put(o, TAB_MEMBER, group, members[i],
						  append ? MDB_APPENDDUP : MDB_NODUPDATA))
			continue;
		last = members[i];
		(void)edge_put(o, TAB_GROUP, members[i], group, MDB_NODUPDATA);
		change_note_edge(o, CHANGE_EDGE_ADD, group, members[i]);
		added++;
	}
	edge_counted(o, added, 0);
	return added;
}

static uint64_t
edges_drop_side(struct orgtx *o, enum edge_direction d, uint64_t row)
{
	uint64_t others[EDGE_BATCH], after = 0, dropped = 0;
	uint8_t key[KEY_ROW];
	size_t n;

	while ((n = edge_list(o, d, row, after, others, EDGE_BATCH)) > 0) {
		for (size_t i = 0; i < n; i++) {
			if (!edge_del(o, directions[d].mirror, others[i], row))
				(void)txn_ok(o->t, MDB_CORRUPTED);
			/* Whom a group held goes without saying when the group goes; which groups
			 * lost a member does not when the member goes. */
			if (d == EDGE_GROUPS)
				change_note_edge(o, CHANGE_EDGE_REMOVE, others[i], row);
		}
		after = others[n - 1];
		dropped += n;
	}
	if (dropped > 0) {
		key_row(key, o->org, row);
		(void)txn_del(o->t, directions[d].table, slice_at(key, sizeof(key)),
			(struct slice){ NULL, 0 });
	}
	return dropped;
}

uint64_t
edges_drop(struct orgtx *o, uint64_t row)
{
	uint64_t dropped =
		edges_drop_side(o, EDGE_MEMBERS, row) + edges_drop_side(o, EDGE_GROUPS, row);

	edge_counted(o, 0, dropped);
	return dropped;
}

bool
edge_has(struct orgtx *o, uint64_t group, uint64_t member)
{
	uint8_t key[KEY_ROW];

	key_row(key, o->org, group);
	return dups_has(o->t, TAB_MEMBER, slice_at(key, sizeof(key)), member);
}

uint64_t
edge_count(struct orgtx *o, enum edge_direction d, uint64_t row)
{
	uint8_t key[KEY_ROW];

	key_row(key, o->org, row);
	return dups_count(o->t, directions[d].table, slice_at(key, sizeof(key)));
}

size_t
edge_list(struct orgtx *o, enum edge_direction d, uint64_t row, uint64_t after, uint64_t *out,
	size_t max)
{
	uint8_t key[KEY_ROW];

	key_row(key, o->org, row);
	return dups_list(o->t, directions[d].table, slice_at(key, sizeof(key)), after, 0, out, max);
}
