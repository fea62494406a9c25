/* Thousands of random operations in several orgs against a plain model in memory: arrays and loops,
 * none of the store's ideas. What the look-ups say is compared after each batch, and after the
 * store was opened anew. */
#include "tests/store/fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/store/store_private.h"

#include "base/banned.h"

enum { ORGS = 3, RECORDS = 160, NONE = -1, NAMES = 60, WORDS = 9, MAILS = 20, MAP = 64 << 20 };

struct mrecord {
	bool alive;
	uint8_t type;
	uint64_t row, id;
	int name, display, family, mails[2], external, active;
	uint32_t space;
	int64_t modified;
	struct slice packed; /* in the world's arena */
};

struct morg {
	uint32_t no;
	uint64_t revision, created;
	struct mrecord records[RECORDS]; /* in order of row: new ones go behind, the dead stay */
	size_t count;
	bool edges[RECORDS][RECORDS]; /* group, member */
};

struct world {
	struct store *s;
	char *dir;
	struct arena *arena;
	uint64_t seed;
	struct morg orgs[ORGS], before[ORGS];
	bool refuse;
	int ops;
};

static uint64_t
pick(struct world *w, uint64_t n)
{
	return fixture_random(&w->seed) % n;
}

/* ---- Values: small domains, so that keys repeat; one word is longer than an index key ---- */

static const char *
word(char *out, const char *kind, int n)
{
	if (n == NONE)
		return NULL;
	(void)snprintf(out, 700, "%s%02d", kind, n);
	if (n == WORDS - 1 && strcmp(kind, "word") == 0) {
		memset(out + 6, 'z', 600);
		out[606] = '\0';
	}
	return out;
}

static void
repack(struct world *w, struct mrecord *r, uint64_t revision)
{
	char text[6][700], title[3001];
	struct buf b = BUF_INIT;
	size_t pad = pick(w, 10) == 0 ? pick(w, 3000) + 1 : pick(w, 50) + 1;
	struct person p = { word(text[0], "user", r->name), word(text[1], "word", r->display),
		word(text[2], "name", r->family),
		{ word(text[3], "mail", r->mails[0]), word(text[4], "mail", r->mails[1]) },
		word(text[5], "ext", r->external), title, r->space, r->active };

	memset(title, 't', pad);
	title[pad] = '\0';
	if (r->type == TYPE_USER)
		fixture_pack_user(&b, fixture_id(r->id), revision, r->modified, &p);
	else
		fixture_pack_group(&b, fixture_id(r->id), revision, r->modified, p.display_name);
	r->packed = arena_dup(w->arena, buf_as_slice(&b));
	buf_release(&b);
}

static int
maybe(struct world *w, int n)
{
	return pick(w, 4) == 0 ? NONE : (int)pick(w, (uint64_t)n);
}

static void
randomise(struct world *w, struct mrecord *r)
{
	r->display = (int)pick(w, WORDS);
	r->modified = 5000 + (int64_t)pick(w, 30);
	if (r->type == TYPE_GROUP)
		return;
	r->name = (int)pick(w, NAMES);
	r->family = maybe(w, WORDS);
	r->mails[0] = maybe(w, MAILS);
	r->mails[1] = maybe(w, MAILS);
	r->external = maybe(w, NAMES);
	r->space = 1 + (uint32_t)pick(w, 2);
	r->active = (int)pick(w, 3) - 1;
}

/* ---- Operations on both ---- */

static struct mrecord *
model_new(struct world *w, struct morg *m, size_t org, uint8_t type, uint64_t revision)
{
	struct mrecord *r = &m->records[m->count++];

	*r = (struct mrecord){ .alive = true,
		.type = type,
		.name = NONE,
		.family = NONE,
		.mails = { NONE, NONE },
		.external = NONE,
		.active = NONE };
	/* The same ids in every org: an org must not see another's. */
	r->id = 1 + m->created++ * 3 + (org == 2);
	randomise(w, r);
	repack(w, r, revision);
	return r;
}

static void
op_create(struct world *w, struct morg *m, size_t org, struct orgtx *o, uint64_t revision)
{
	uint8_t type = pick(w, 4) == 0 ? TYPE_GROUP : TYPE_USER;
	struct slice packed[8];
	uint64_t rows[8];
	size_t n = 1 + pick(w, 8), first = m->count;

	if (m->count + n > RECORDS)
		return;
	for (size_t i = 0; i < n; i++)
		packed[i] = model_new(w, m, org, type, revision)->packed;
	if (n == 1)
		rows[0] = record_create(o, type, packed[0]);
	else
		record_create_many(o, type, packed, n, rows);
	for (size_t i = 0; i < n; i++) {
		m->records[first + i].row = rows[i];
		assert_int_equal(row_type(rows[i]), type);
	}
}

static struct mrecord *
any(struct world *w, struct morg *m, uint8_t type)
{
	for (int tries = 0; m->count > 0 && tries < 20; tries++) {
		struct mrecord *r = &m->records[pick(w, m->count)];

		if (r->alive && (type == 0 || r->type == type))
			return r;
	}
	return NULL;
}

static void
op_replace(struct world *w, struct morg *m, struct orgtx *o, uint64_t revision)
{
	struct mrecord *r = any(w, m, 0);

	if (r == NULL)
		return;
	randomise(w, r);
	repack(w, r, revision);
	record_replace(o, r->row, r->packed);
}

static void
op_delete(struct world *w, struct morg *m, struct orgtx *o)
{
	struct mrecord *r = any(w, m, 0);
	uint64_t edges = 0;

	if (r == NULL)
		return;
	r->alive = false;
	for (size_t i = 0; i < m->count; i++) {
		edges += m->edges[r - m->records][i] + m->edges[i][r - m->records];
		m->edges[r - m->records][i] = m->edges[i][r - m->records] = false;
	}
	assert_int_equal(record_delete(o, r->row), edges);
}

static void
op_edge(struct world *w, struct morg *m, struct orgtx *o, bool add)
{
	struct mrecord *group = any(w, m, TYPE_GROUP), *member = any(w, m, 0);
	bool *edge;

	if (group == NULL || member == NULL || group == member)
		return;
	edge = &m->edges[group - m->records][member - m->records];
	if (add)
		assert_int_equal(edge_add(o, group->row, member->row), !*edge);
	else
		assert_int_equal(edge_remove(o, group->row, member->row), *edge);
	*edge = add;
}

static int
row_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
op_edges(struct world *w, struct morg *m, struct orgtx *o)
{
	struct mrecord *group = any(w, m, TYPE_GROUP);
	uint64_t rows[RECORDS], added = 0;
	size_t n = 0;

	if (group == NULL)
		return;
	for (size_t i = 0; i < m->count; i++) {
		bool *edge = &m->edges[group - m->records][i];

		if (!m->records[i].alive || &m->records[i] == group || pick(w, 3) != 0)
			continue;
		added += !*edge;
		*edge = true;
		rows[n++] = m->records[i].row;
	}
	qsort(rows, n, sizeof(*rows), row_order);
	assert_int_equal(edge_add_many(o, group->row, rows, n), added);
}

static void
one_change(struct world *w, struct txn *t)
{
	size_t org = pick(w, ORGS);
	struct morg *m = &w->orgs[org];
	struct orgtx *o = orgtx_open(t, m->no);
	struct actor actor = { .door = DOOR_SCIM, .connection = 1 + (uint32_t)pick(w, 5), .token = 7, .now = 123456,
		.kind = ACTOR_CONNECTION, .peer = "2001:db8::1" };
	uint64_t was = orgtx_stat(o)->revision, revision = change_begin(o, &actor);

	assert_int_equal(was, m->revision);
	assert_int_equal(revision, was + 1);
	for (uint64_t n = pick(w, 4); n > 0; n--) {
		w->ops++;
		switch (pick(w, 8)) {
		case 0:
		case 1:
			op_create(w, m, org, o, revision);
			break;
		case 2:
		case 3:
			op_replace(w, m, o, revision);
			break;
		case 4:
			op_delete(w, m, o);
			break;
		case 5:
			op_edges(w, m, o);
			break;
		default:
			op_edge(w, m, o, pick(w, 3) != 0);
			break;
		}
	}
	change_end(o);
	m->revision = orgtx_stat(o)->revision;
	assert_true(m->revision == was || m->revision == revision);
}

static enum rc
batch(struct txn *t, void *arg, struct err *err)
{
	struct world *w = arg;

	for (uint64_t n = 1 + pick(w, 6); n > 0; n--)
		one_change(w, t);
	return w->refuse ? fail(err, RC_CONFLICT, "", "refused") : RC_OK;
}

/* ---- Comparison ---- */

struct rows {
	uint64_t list[RECORDS];
	size_t n;
};

static void
same_rows(const struct rows *want, const uint64_t *got, size_t n)
{
	assert_int_equal(n, want->n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(got[i], want->list[i]);
}

static void
compare_types(struct world *w, const struct morg *m, struct orgtx *o, uint8_t type)
{
	uint64_t got[RECORDS + 1];
	struct rows all = { .n = 0 }, part;
	uint64_t after, skip, left;

	for (size_t i = 0; i < m->count; i++) {
		if (m->records[i].alive && m->records[i].type == type)
			all.list[all.n++] = m->records[i].row;
	}
	assert_int_equal(rows_count(o, type), all.n);
	same_rows(&all, got, rows_list(o, type, 0, 0, got, RECORDS + 1));
	after = all.n > 0 ? all.list[pick(w, all.n)] - pick(w, 2) : 0;
	skip = pick(w, 12);
	part.n = 0;
	left = skip;
	for (size_t i = 0; i < all.n; i++) {
		if (all.list[i] > after && (left == 0 || left-- == 0))
			part.list[part.n++] = all.list[i];
	}
	same_rows(&part, got, rows_list(o, type, after, skip, got, RECORDS + 1));
	if (part.n > 2)
		assert_int_equal(rows_list(o, type, after, skip, got, 2), 2);
}

static void
compare_edges(const struct morg *m, struct orgtx *o)
{
	uint64_t got[RECORDS + 1], total = 0;

	for (size_t i = 0; i < m->count; i++) {
		struct rows members = { .n = 0 }, groups = { .n = 0 };

		for (size_t j = 0; j < m->count; j++) {
			if (m->edges[i][j])
				members.list[members.n++] = m->records[j].row;
			if (m->edges[j][i])
				groups.list[groups.n++] = m->records[j].row;
			if (m->records[i].alive && m->records[j].alive &&
				m->records[i].type == TYPE_GROUP)
				assert_int_equal(edge_has(o, m->records[i].row, m->records[j].row),
					m->edges[i][j]);
		}
		qsort(members.list, members.n, sizeof(uint64_t), row_order);
		qsort(groups.list, groups.n, sizeof(uint64_t), row_order);
		total += members.n;
		assert_int_equal(edge_count(o, EDGE_MEMBERS, m->records[i].row), members.n);
		assert_int_equal(edge_count(o, EDGE_GROUPS, m->records[i].row), groups.n);
		same_rows(&members, got,
			edge_list(o, EDGE_MEMBERS, m->records[i].row, 0, got, RECORDS + 1));
		same_rows(&groups, got,
			edge_list(o, EDGE_GROUPS, m->records[i].row, 0, got, RECORDS + 1));
		if (members.n > 1) {
			size_t n = edge_list(
				o, EDGE_MEMBERS, m->records[i].row, members.list[0], got, 1);

			assert_int_equal(n, 1);
			assert_int_equal(got[0], members.list[1]);
		}
	}
	assert_int_equal(orgtx_stat(o)->edges, total);
}

enum column {
	COL_NAME,
	COL_DISPLAY,
	COL_FAMILY,
	COL_MAIL,
	COL_EXT1,
	COL_EXT2,
	COL_ACTIVE,
	COL_GROUP,
	COLS
};

static const struct {
	uint8_t type;
	const char *path, *kind;
	int values;
	uint32_t space;
} columns[COLS] = {
	[COL_NAME] = { TYPE_USER, "userName", "user", NAMES, 0 },
	[COL_DISPLAY] = { TYPE_USER, "displayName", "word", WORDS, 0 },
	[COL_FAMILY] = { TYPE_USER, "name.familyName", "name", WORDS, 0 },
	[COL_MAIL] = { TYPE_USER, "emails.value", "mail", MAILS, 0 },
	[COL_EXT1] = { TYPE_USER, "externalId", "ext", NAMES, 1 },
	[COL_EXT2] = { TYPE_USER, "externalId", "ext", NAMES, 2 },
	[COL_ACTIVE] = { TYPE_USER, "active", NULL, 2, 0 },
	[COL_GROUP] = { TYPE_GROUP, "displayName", "word", WORDS, 0 },
};

static bool
has_value(const struct mrecord *r, enum column c, int value)
{
	if (!r->alive || r->type != columns[c].type)
		return false;
	switch (c) {
	case COL_NAME:
		return r->name == value;
	case COL_DISPLAY:
	case COL_GROUP:
		return r->display == value;
	case COL_FAMILY:
		return r->family == value;
	case COL_MAIL:
		return r->mails[0] == value || r->mails[1] == value;
	case COL_EXT1:
	case COL_EXT2:
		return r->external == value && r->space == columns[c].space;
	case COL_ACTIVE:
		return r->active == value;
	case COLS:
		break;
	}
	return false;
}

struct entry {
	int value;
	uint64_t row;
};

/* From a random place on, both ways: the values of a column rise as their texts do. */
static void
compare_walk(struct world *w, struct orgtx *o, enum column c, const struct entry *all, size_t n,
	struct arena *a)
{
	const struct attr *attr = fixture_attr(columns[c].type, columns[c].path);
	int value = (int)pick(w, (uint64_t)columns[c].values);
	char text[700];
	struct slice start, key;
	uint64_t row, from = n > 0 ? all[pick(w, n)].row + pick(w, 3) - 1 : pick(w, 5);
	struct index_walk *walk;
	size_t i = 0;

	start = fixture_key(a, attr, columns[c].space,
		columns[c].kind != NULL ? word(text, columns[c].kind, value)
		: value                 ? "true"
					: "false");
	while (i < n && (all[i].value < value || (all[i].value == value && all[i].row < from)))
		i++;
	walk = index_walk_open(o, attr->id, columns[c].type, false, start, from);
	for (size_t j = i; j < n; j++) {
		assert_true(index_walk_next(walk, &key, &row));
		assert_int_equal(row, all[j].row);
	}
	if (c != COL_EXT1) /* the other space follows */
		assert_false(index_walk_next(walk, &key, &row));
	while (i < n && all[i].value == value && all[i].row <= from)
		i++;
	walk = index_walk_open(o, attr->id, columns[c].type, true, start, from);
	for (size_t j = i; j > 0; j--) {
		assert_true(index_walk_next(walk, &key, &row));
		assert_int_equal(row, all[j - 1].row);
	}
	if (c != COL_EXT2)
		assert_false(index_walk_next(walk, &key, &row));
	if (c == COL_EXT1 || c == COL_EXT2)
		return;
	walk = index_walk_open(
		o, attr->id, columns[c].type, true, (struct slice){ NULL, 0 }, UINT64_MAX);
	for (size_t j = n; j > 0; j--) {
		assert_true(index_walk_next(walk, &key, &row));
		assert_int_equal(row, all[j - 1].row);
	}
	assert_false(index_walk_next(walk, &key, &row));
}

static void
compare_column(struct world *w, const struct morg *m, struct orgtx *o, enum column c)
{
	const struct attr *attr = fixture_attr(columns[c].type, columns[c].path);
	struct arena *a = arena_new();
	struct entry entries[RECORDS * 2];
	uint64_t got[RECORDS + 1];
	size_t n = 0;
	char text[700];

	for (int v = 0; v < columns[c].values; v++) {
		struct rows want = { .n = 0 };
		struct slice key = fixture_key(a, attr, columns[c].space,
			columns[c].kind != NULL ? word(text, columns[c].kind, v)
			: v                     ? "true"
						: "false");

		for (size_t i = 0; i < m->count; i++) {
			if (has_value(&m->records[i], c, v))
				want.list[want.n++] = m->records[i].row;
		}
		qsort(want.list, want.n, sizeof(uint64_t), row_order);
		for (size_t i = 0; i < want.n; i++)
			entries[n++] = (struct entry){ v, want.list[i] };
		assert_int_equal(index_count(o, attr->id, columns[c].type, key), want.n);
		same_rows(&want, got,
			index_list(o, attr->id, columns[c].type, key, 0, got, RECORDS + 1));
	}
	compare_walk(w, o, c, entries, n, a);
	arena_free(a);
}

static void
compare_org(struct world *w, size_t org, struct txn *t)
{
	const struct morg *m = &w->orgs[org];
	struct orgtx *o = orgtx_open(t, m->no);
	uint64_t active = 0, row;
	struct record r;
	struct uuid id;

	for (size_t i = 0; i < m->count; i++) {
		const struct mrecord *have = &m->records[i];

		id = fixture_id(have->id);
		assert_int_equal(row_by_id(o, &id, &row), have->alive);
		assert_int_equal(record_get(o, have->row, &r), have->alive);
		if (!have->alive)
			continue;
		assert_int_equal(row, have->row);
		assert_memory_equal(&r.id, &id, sizeof(id));
		assert_true(r.fields.len <= have->packed.len);
		assert_memory_equal(
			r.fields.p, have->packed.p + have->packed.len - r.fields.len, r.fields.len);
		active += have->type == TYPE_USER && have->active != 0;
	}
	id = fixture_id(1 + m->created * 3 + (org != 2));
	assert_false(row_by_id(o, &id, &row));
	assert_int_equal(orgtx_stat(o)->revision, m->revision);
	assert_int_equal(orgtx_stat(o)->active_users, active);
	compare_types(w, m, o, TYPE_USER);
	compare_types(w, m, o, TYPE_GROUP);
	compare_edges(m, o);
	for (enum column c = 0; c < COLS; c++)
		compare_column(w, m, o, c);
}

static void
compare(struct world *w)
{
	struct txn *t = reader_new(w->s);
	struct err err = ERR_INIT;

	assert_int_equal(reader_begin(t, &err), RC_OK);
	for (size_t i = 0; i < ORGS; i++)
		compare_org(w, i, t);
	assert_int_equal(txn_rc(t), RC_OK);
	reader_end(t);
	reader_free(t);
}

static void
verify_clean(struct store *s)
{
	struct verify_result result;
	struct err err = ERR_INIT;

	assert_int_equal(store_verify(s, NULL, &result, &err), RC_OK);
	assert_int_equal(result.problems, 0);
}

/* ---- The tests ---- */

static enum rc
make_orgs(struct txn *t, void *arg, struct err *err)
{
	struct world *w = arg;

	(void)err;
	for (int i = 0; i < ORGS; i++) {
		struct org org = { .state = ORG_ACTIVE, .created = 1 };

		(void)snprintf(org.key, sizeof(org.key), "org-%d", i);
		(void)snprintf(org.name, sizeof(org.name), "Org %d", i);
		org_create(t, &org);
		w->orgs[i].no = org.no;
	}
	return RC_OK;
}

static void
world_run(struct world *w, int batches)
{
	struct err err = ERR_INIT;

	for (int i = 0; i < batches; i++) {
		memcpy(w->before, w->orgs, sizeof(w->orgs));
		w->refuse = pick(w, 8) == 0;
		assert_int_equal(
			store_write(w->s, batch, w, &err), w->refuse ? RC_CONFLICT : RC_OK);
		if (w->refuse)
			memcpy(w->orgs, w->before, sizeof(w->orgs));
		compare(w);
		/* A full model begins anew with the dead left out. */
		if (i % 50 == 49) {
			verify_clean(w->s);
			store_close(w->s);
			w->s = fixture_open(w->dir, MAP, MAP);
			compare(w);
		}
	}
}

static enum rc
wipe(struct txn *t, void *arg, struct err *err)
{
	struct world *w = arg;
	struct actor actor = { .door = DOOR_CONTROL, .now = 9, .subject = fixture_id(9), .action = "org.wipe" };

	(void)err;
	for (int i = 0; i < ORGS; i++) {
		struct morg *m = &w->orgs[i];
		struct orgtx *o = orgtx_open(t, m->no);

		(void)change_begin(o, &actor);
		for (size_t j = 0; j < m->count; j++) {
			if (m->records[j].alive)
				(void)record_delete(o, m->records[j].row);
		}
		change_end(o);
		m->revision = orgtx_stat(o)->revision;
		m->count = 0;
		memset(m->edges, 0, sizeof(m->edges));
	}
	return RC_OK;
}

/* Copies an org into an empty store by nothing but its journal. */
struct replay {
	struct txn *from;
	struct world *w;
};

/* The record that each replace and delete found is the last one that the journal says before, by a plain walk backwards. */
static void
check_old(struct orgtx *o, const struct journal_entry *entry)
{
	struct slice changes = entry->changes, got;
	struct change c, before;
	bool bad = false;

	for (uint64_t n = 0; journal_next_change(&changes, &c, &bad); n++) {
		struct slice want = { NULL, 0 };

		if (c.kind != CHANGE_REPLACE && c.kind != CHANGE_DELETE) {
			assert_false(journal_old(o, entry, &c, &got));
			continue;
		}
		for (uint64_t r = entry->revision; r > 0 && want.p == NULL; r--) {
			struct journal_entry e;
			struct slice all;

			assert_true(journal_get(o, r, &e));
			all = e.changes;
			while (journal_next_change(&all, &before, &bad) && (r != entry->revision || before.at < c.at))
				if (before.row == c.row && before.packed.p != NULL)
					want = before.packed;
		}
		assert_true(journal_old(o, entry, &c, &got));
		assert_true(slice_eq(want, got));
		if (c.kind == CHANGE_DELETE) {
			struct record last, gone;

			assert_true(record_parse(fixture_schema(), want, &last));
			assert_true(record_gone(o, c.row, &gone));
			assert_true(slice_eq(last.fields, gone.fields));
			assert_memory_equal(&last.id, &gone.id, sizeof(last.id));
		}
	}
	assert_false(bad);
}

static enum rc
replay_all(struct txn *t, void *arg, struct err *err)
{
	struct replay *r = arg;
	enum rc rc = make_orgs(t, r->w, err);

	for (int i = 0; i < ORGS && rc == RC_OK; i++) {
		struct orgtx *from = orgtx_open(r->from, r->w->orgs[i].no),
			     *to = orgtx_open(t, r->w->orgs[i].no);
		struct journal_entry entry;

		for (uint64_t revision = 1; journal_get(from, revision, &entry) && rc == RC_OK;
			revision++) {
			assert_int_equal(entry.revision, revision);
			assert_int_equal(
				entry.actor.now, entry.actor.door == DOOR_SCIM ? 123456 : 9);
			assert_int_equal(entry.actor.token, entry.actor.door == DOOR_SCIM ? 7 : 0);
			assert_in_range(entry.actor.connection + 1,
				entry.actor.door == DOOR_SCIM ? 2 : 1, 6);
			assert_int_equal(entry.actor.kind,
				entry.actor.door == DOOR_SCIM ? ACTOR_CONNECTION : ACTOR_OPERATOR);
			assert_string_equal(entry.actor.peer, entry.actor.door == DOOR_SCIM ? "2001:db8::1" : "");
			if (entry.actor.door == DOOR_SCIM)
				assert_null(entry.actor.action);
			else
				assert_string_equal(entry.actor.action, "org.wipe");
			check_old(from, &entry);
			rc = journal_apply(to, &entry, err);
			if (rc == RC_OK && revision == 2) {
				struct err again = ERR_INIT;

				assert_int_equal(journal_apply(to, &entry, &again), RC_CONFLICT);
			}
		}
	}
	return rc;
}

static void
table_equal(struct txn *a, struct txn *b, enum table tab)
{
	MDB_cursor *ca = txn_cursor(a, tab), *cb = txn_cursor(b, tab);
	MDB_val ka, va, kb, vb;
	int ra = mdb_cursor_get(ca, &ka, &va, MDB_FIRST),
	    rb = mdb_cursor_get(cb, &kb, &vb, MDB_FIRST);

	while (ra == 0 && rb == 0) {
		assert_true(slice_eq(slice_val(&ka), slice_val(&kb)));
		assert_true(slice_eq(slice_val(&va), slice_val(&vb)));
		ra = mdb_cursor_get(ca, &ka, &va, MDB_NEXT);
		rb = mdb_cursor_get(cb, &kb, &vb, MDB_NEXT);
	}
	assert_int_equal(ra, MDB_NOTFOUND);
	assert_int_equal(rb, MDB_NOTFOUND);
}

static void
dump_equal(struct store *a, struct store *b)
{
	static const enum table tables[] = { TAB_STAT, TAB_REC, TAB_ID, TAB_IDX, TAB_MEMBER,
		TAB_GROUP, TAB_GONE, TAB_JOURNAL };
	struct txn *ta = reader_new(a), *tb = reader_new(b);
	struct err err = ERR_INIT;

	assert_int_equal(reader_begin(ta, &err), RC_OK);
	assert_int_equal(reader_begin(tb, &err), RC_OK);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		table_equal(ta, tb, tables[i]);
	reader_free(ta);
	reader_free(tb);
}

static void
replay_gives_the_same_tables(struct world *w)
{
	struct replay r = { reader_new(w->s), w };
	char *dir = fixture_dir();
	struct store *copy = fixture_open(dir, MAP, MAP), *original = w->s;
	struct err err = ERR_INIT;

	assert_int_equal(reader_begin(r.from, &err), RC_OK);
	assert_int_equal(store_write(copy, replay_all, &r, &err), RC_OK);
	reader_end(r.from);
	reader_free(r.from);
	w->s = copy;
	compare(w);
	verify_clean(copy);
	dump_equal(original, copy);
	w->s = original;
	store_close(copy);
	fixture_dir_remove(dir);
}

static void
random_operations_agree_with_a_plain_model(void **state)
{
	static struct world w;
	struct err err = ERR_INIT;
	const char *seed = getenv("STORE_SEED");
	int rounds = 6;

	(void)state;
	w.seed = seed != NULL ? strtoull(seed, NULL, 10) : 20240501;
	w.dir = fixture_dir();
	w.arena = arena_new();
	w.s = fixture_open(w.dir, MAP, MAP);
	assert_int_equal(store_write(w.s, make_orgs, &w, &err), RC_OK);
	for (int i = 0; i < rounds; i++) {
		world_run(&w, 100);
		if (i % 2 == 1) {
			assert_int_equal(store_write(w.s, wipe, &w, &err), RC_OK);
			compare(&w);
		}
	}
	assert_true(w.ops > 2000);
	replay_gives_the_same_tables(&w);
	store_close(w.s);
	arena_free(w.arena);
	fixture_dir_remove(w.dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_agree_with_a_plain_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
