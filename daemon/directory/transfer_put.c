#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#include "daemon/clock.h"
#include "daemon/directory/member_set.h"
#include "daemon/directory/transfer_private.h"

#include "base/banned.h"

/* Changes of so many records and edges each get one journal entry; edges of so many are put in one
 * transaction. */
enum { CHANGE_RECORDS = 1000, EDGE_JOB = 50000 };

/* ---- Ids ---- */

static uint64_t
text_hash(struct slice s)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3ULL;
	return h ^ h >> 29;
}

static struct id_map_entry *
id_map_slot(const struct id_map *m, struct slice text)
{
	size_t at = (size_t)text_hash(text) & (m->cap - 1);

	while (m->slots[at].text.p != NULL && !slice_eq(m->slots[at].text, text))
		at = (at + 1) & (m->cap - 1);
	return &m->slots[at];
}

bool
id_map_get(const struct id_map *m, struct slice text, uint64_t *row)
{
	const struct id_map_entry *e;

	if (m->count == 0 || text.p == NULL || (e = id_map_slot(m, text))->text.p == NULL)
		return false;
	*row = e->row;
	return true;
}

void
id_map_put(struct id_map *m, struct slice text, uint64_t row)
{
	struct id_map_entry *e;

	if (m->arena == NULL)
		m->arena = arena_new();
	if (m->count * 2 >= m->cap) {
		struct id_map grown = { m->arena, NULL, m->count, m->cap == 0 ? 64 : m->cap * 2 };

		if ((grown.slots = calloc(grown.cap, sizeof(*grown.slots))) == NULL)
			abort();
		for (size_t i = 0; i < m->cap; i++)
			if (m->slots[i].text.p != NULL)
				*id_map_slot(&grown, m->slots[i].text) = m->slots[i];
		free(m->slots);
		*m = grown;
	}
	e = id_map_slot(m, text);
	if (e->text.p == NULL) {
		e->text = arena_dup(m->arena, text);
		m->count++;
	}
	e->row = row;
}

static void
id_map_clear(struct id_map *m)
{
	if (m->count > 0)
		memset(m->slots, 0, m->cap * sizeof(*m->slots));
	if (m->arena != NULL)
		arena_clear(m->arena);
	m->count = 0;
}

void
id_map_release(struct id_map *m)
{
	if (m->arena != NULL)
		arena_free(m->arena);
	free(m->slots);
	*m = (struct id_map){ NULL, NULL, 0, 0 };
}

/* ---- Records ---- */

struct records_job {
	struct write_job job;
	struct import *im;
	struct chunk *chunks;
	struct actor actor;
	/* Of one run: it may come again. */
	struct arena *arena;
	struct id_map taken; /* unique keys and ids that lines of this job have; groups' ids */
	struct slice *packed;
	struct item **items;
	uint64_t *rows;
	size_t count;
	uint64_t wrong_line;
};

static bool
org_alive(struct txn *t, uint32_t no)
{
	struct org org;

	return org_by_no(t, no, &org) && org.state != ORG_PURGING;
}

/* A key of the map of what is taken: what it is, then the value. */
static struct slice
taken_key(struct records_job *j, uint16_t what, struct slice value)
{
	char *p = arena_alloc(j->arena, value.len + 2);

	memcpy(p, &what, 2);
	memcpy(p + 2, value.p, value.len);
	return (struct slice){ p, value.len + 2 };
}

static const char *
item_refuse(struct records_job *j, struct orgtx *o, const struct item *item)
{
	const struct schema_set *set = j->im->options.schema;
	uint64_t row;

	for (size_t i = 0; i < item->unique_count; i++) {
		const struct unique_key *u = &item->uniques[i];
		const struct slice name = set->by_id[u->attr_id]->name;

		if (id_map_get(&j->taken, taken_key(j, u->attr_id, u->key), &row))
			return arena_printf(j->arena, "%.*s: the same as on line %llu",
				SLICE_ARG(name), (unsigned long long)row);
		if (index_list(o, u->attr_id, item->type, u->key, 0, &row, 1) > 0)
			return arena_printf(
				j->arena, "%.*s: is taken in this org", SLICE_ARG(name));
	}
	return NULL;
}

/* The id on the line when it is free in the org, else a new one. */
static void
item_choose_id(struct records_job *j, struct orgtx *o, struct item *item)
{
	static const uint16_t ID = UINT16_MAX;
	struct slice bytes = { (const char *)item->id.bytes, UUID_SIZE };
	uint64_t row;

	if (item->has_uuid && (row_by_id(o, &item->id, &row) ||
				      id_map_get(&j->taken, taken_key(j, ID, bytes), &row))) {
		if (getrandom(item->id.bytes + 8, 8, 0) != 8)
			abort();
		item->id.bytes[8] = (uint8_t)(0x80 | (item->id.bytes[8] & 0x3F));
		item->has_uuid = false;
	}
	id_map_put(&j->taken, taken_key(j, ID, bytes), item->line);
}

/* RC_INVALID_VALUE: the line is wrong and the import ends with it. */
static enum rc
item_decide(struct records_job *j, struct orgtx *o, struct item *item, struct err *err)
{
	static const uint16_t GROUP = UINT16_MAX - 1;
	uint64_t first;
	const char *why;

	item->continued =
		item->type == TYPE_GROUP && item->id_text.p != NULL &&
		(id_map_get(&j->im->ids, item->id_text, &item->row) ||
			id_map_get(&j->taken, taken_key(j, GROUP, item->id_text), &first));
	if (item->continued)
		return RC_OK;
	why = item_refuse(j, o, item);
	if (why != NULL && !j->im->options.go_on) {
		j->wrong_line = item->line;
		return fail(err, RC_INVALID_VALUE, "", "%s", why);
	}
	if (why != NULL) {
		item->why = why;
		return RC_OK;
	}
	for (size_t i = 0; i < item->unique_count; i++)
		id_map_put(&j->taken, taken_key(j, item->uniques[i].attr_id, item->uniques[i].key),
			item->line);
	item_choose_id(j, o, item);
	if (item->type == TYPE_GROUP && item->id_text.p != NULL)
		id_map_put(&j->taken, taken_key(j, GROUP, item->id_text), item->line);
	j->packed[j->count] = item->packed;
	j->items[j->count++] = item;
	return RC_OK;
}

/* Runs of one type, CHANGE_RECORDS at most in one change. */
static void
records_write(struct records_job *j, struct orgtx *o)
{
	size_t n;

	for (size_t at = 0; at < j->count; at += n) {
		uint8_t type = j->items[at]->type;
		uint64_t revision = change_begin(o, &j->actor);

		for (n = 0;
			at + n < j->count && n < CHANGE_RECORDS && j->items[at + n]->type == type;
			n++)
			record_restamp((char *)(uintptr_t)j->packed[at + n].p,
				&j->items[at + n]->id, revision);
		record_create_many(o, type, j->packed + at, n, j->rows + at);
		change_end(o);
	}
	for (size_t i = 0; i < j->count; i++)
		j->items[i]->row = j->rows[i];
}

static enum rc
records_run(struct write_job *job, struct txn *t, struct err *err)
{
	struct records_job *j = (struct records_job *)job;
	struct orgtx *o;
	enum rc rc;

	if (!org_alive(t, j->im->options.org))
		return fail(err, RC_NOT_FOUND, "org", "the org was deleted meanwhile");
	o = orgtx_open(t, j->im->options.org);
	id_map_clear(&j->taken);
	j->count = 0;
	for (struct chunk *c = j->chunks; c != NULL; c = c->next)
		for (size_t i = 0; i < c->count; i++)
			if (c->items[i].why == NULL &&
				(rc = item_decide(j, o, &c->items[i], err)) != RC_OK)
				return rc;
	records_write(j, o);
	return txn_rc(t);
}

/* What later lines may ask for, and could not find by the id on its line. */
static void
ids_remember(struct import *im, const struct records_job *j)
{
	for (size_t i = 0; i < j->count; i++) {
		const struct item *item = j->items[i];

		if (item->id_text.p != NULL && (item->type == TYPE_GROUP || !item->has_uuid))
			id_map_put(&im->ids, item->id_text, item->row);
		if (item->type == TYPE_GROUP)
			im->counts.groups++;
		else
			im->counts.users++;
	}
}

/* ---- Memberships ---- */

struct edge_run {
	uint64_t group, line;
	uint64_t *members;
	size_t count;
	const char *why; /* its groups were passed over: a cycle */
};

struct edges_job {
	struct write_job job;
	struct import *im;
	struct actor actor;
	struct arena *arena;
	struct edge_run *runs;
	size_t count, cap, members;
	uint64_t added, wrong_line;
};

static int
row_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Groups among the members come last: their rows are the highest. */
static size_t
users_among(const struct edge_run *r)
{
	size_t n = r->count;

	while (n > 0 && row_type(r->members[n - 1]) == TYPE_GROUP)
		n--;
	return n;
}

static enum rc
edges_run(struct write_job *job, struct txn *t, struct err *err)
{
	struct edges_job *j = (struct edges_job *)job;
	struct arena *scratch;
	struct orgtx *o;

	if (!org_alive(t, j->im->options.org))
		return fail(err, RC_NOT_FOUND, "org", "the org was deleted meanwhile");
	scratch = arena_new();
	o = orgtx_open(t, j->im->options.org);
	j->added = 0;
	/* A cycle may close within this job: so each group's edges are put before the next is
	 * looked at, and a refusal passes over the groups of its line alone. */
	(void)change_begin(o, &j->actor);
	for (size_t i = 0; i < j->count; i++) {
		struct edge_run *r = &j->runs[i];
		size_t users = users_among(r);
		struct member_changes groups = { .add = r->members + users,
			.add_count = r->count - users };
		struct record record;

		r->why = NULL;
		if (!record_get(o, r->group, &record))
			continue; /* deleted meanwhile */
		j->added += edge_add_many(o, r->group, r->members, users);
		if (groups.add_count == 0)
			continue;
		if (member_check_cycle(o, scratch, r->group, &groups, err) == RC_OK)
			j->added += edge_add_many(o, r->group, groups.add, groups.add_count);
		else
			r->why = arena_printf(j->arena, "members: %s", err->detail);
	}
	change_end(o);
	arena_free(scratch);
	return txn_rc(t);
}

static enum rc
edges_flush(struct edges_job *j, struct err *err)
{
	struct import *im = j->im;
	enum rc rc = RC_OK;

	if (j->count > 0)
		rc = committer_run(im->options.committer, edges_run, &j->job, err);
	if (rc == RC_OK)
		im->counts.memberships += j->added;
	for (size_t i = 0; rc == RC_OK && i < j->count; i++) {
		if (j->runs[i].why == NULL)
			continue;
		if (!im->options.go_on)
			rc = fail(err, RC_INVALID_VALUE, "", "line %llu: %s",
				(unsigned long long)j->runs[i].line, j->runs[i].why);
		else if (im->options.problem != NULL)
			im->options.problem(im->options.arg, j->runs[i].line, j->runs[i].why);
		im->counts.skipped++;
	}
	j->count = j->members = 0;
	j->added = 0;
	arena_clear(j->arena);
	return rc;
}

static void
edges_add(struct edges_job *j, uint64_t group, uint64_t line, uint64_t *members, size_t n)
{
	if (j->count == j->cap) {
		j->cap = j->cap == 0 ? 256 : j->cap * 2;
		if ((j->runs = realloc(j->runs, j->cap * sizeof(*j->runs))) == NULL)
			abort();
	}
	j->runs[j->count++] = (struct edge_run){ group, line, members, n, NULL };
	j->members += n;
}

static bool
member_row(const struct import *im, struct orgtx *o, struct slice text, uint64_t *row)
{
	struct uuid id;

	return id_map_get(&im->ids, text, row) || (uuid_parse(text, &id) && row_by_id(o, &id, row));
}

static void
pending_add(struct import *im, uint64_t group, uint64_t line, struct slice member)
{
	if (im->pending_count == im->pending_cap) {
		im->pending_cap = im->pending_cap == 0 ? 1024 : im->pending_cap * 2;
		im->pending = realloc(im->pending, im->pending_cap * sizeof(*im->pending));
		if (im->pending == NULL)
			abort();
	}
	if (im->pending_arena == NULL)
		im->pending_arena = arena_new();
	im->pending[im->pending_count++] =
		(struct pending){ group, line, arena_dup(im->pending_arena, member) };
}

/* The rows of some of a group's members; those that are not there (yet) wait for the end. */
static enum rc
members_resolve(struct import *im, struct txn *reader, const struct item *item,
	const struct slice *members, size_t n, struct edges_job *j, struct err *err)
{
	uint64_t *rows = ARENA_ARRAY(j->arena, uint64_t, n);
	struct orgtx *o;
	size_t found = 0;
	enum rc rc = reader_begin(reader, err);

	if (rc != RC_OK)
		return rc;
	o = orgtx_open(reader, im->options.org);
	for (size_t i = 0; i < n; i++) {
		if (member_row(im, o, members[i], &rows[found]))
			found++;
		else
			pending_add(im, item->row, item->line, members[i]);
	}
	if ((rc = txn_rc(reader)) != RC_OK)
		(void)fail(err, rc, "", "the store could not be read");
	reader_end(reader);
	qsort(rows, found, sizeof(*rows), row_order);
	if (found > 0)
		edges_add(j, item->row, item->line, rows, found);
	return rc;
}

static enum rc
members_put(struct import *im, struct txn *reader, struct chunk *chunks, struct edges_job *j,
	struct err *err)
{
	enum rc rc = RC_OK;

	for (struct chunk *c = chunks; c != NULL; c = c->next) {
		for (size_t i = 0; i < c->count; i++) {
			struct item *item = &c->items[i];
			size_t n;

			if (item->why != NULL || item->member_count == 0)
				continue;
			if (item->continued && !id_map_get(&im->ids, item->id_text, &item->row))
				continue;
			for (size_t at = 0; at < item->member_count; at += n) {
				n = item->member_count - at < EDGE_JOB ? item->member_count - at
								       : EDGE_JOB;
				if ((rc = members_resolve(im, reader, item, item->members + at, n,
					     j, err)) != RC_OK ||
					(j->members >= EDGE_JOB &&
						(rc = edges_flush(j, err)) != RC_OK))
					return rc;
			}
		}
	}
	return edges_flush(j, err);
}

static enum rc
with_edges(struct import *im,
	enum rc (*fn)(
		struct import *, struct txn *, struct chunk *, struct edges_job *, struct err *),
	struct chunk *chunks, const struct actor *actor, struct err *err)
{
	struct edges_job j = { .job.item.lane = im->options.org, .im = im, .actor = *actor, .arena = arena_new() };
	struct txn *reader = reader_new(im->options.store);
	enum rc rc;

	if (reader == NULL)
		rc = fail(err, RC_UNAVAILABLE, "", "there are too many readers of the store");
	else
		rc = fn(im, reader, chunks, &j, err);
	if (reader != NULL)
		reader_free(reader);
	arena_free(j.arena);
	free(j.runs);
	return rc;
}

/* ---- All of it ---- */

static struct actor
actor_now(void)
{
	return (struct actor){ .door = DOOR_CONTROL, .now = clock_ticks() };
}

/* Lines that could not even be read, or were refused: told, or the end of the import. */
static enum rc
wrong_lines(struct import *im, struct chunk *chunks, bool before, struct err *err)
{
	for (struct chunk *c = chunks; c != NULL; c = c->next) {
		for (size_t i = 0; i < c->count; i++) {
			const struct item *item = &c->items[i];

			if (item->why == NULL)
				continue;
			if (!im->options.go_on)
				return fail(err, RC_INVALID_VALUE, "", "line %llu: %s",
					(unsigned long long)item->line, item->why);
			if (before)
				continue;
			im->counts.skipped++;
			if (im->options.problem != NULL)
				im->options.problem(im->options.arg, item->line, item->why);
		}
	}
	return RC_OK;
}

static enum rc
records_put(struct import *im, struct chunk *chunks, const struct actor *actor, struct arena *arena,
	struct err *err)
{
	struct records_job j = { .job.item.lane = im->options.org, .im = im, .chunks = chunks, .actor = *actor, .arena = arena };
	struct err inner = ERR_INIT;
	size_t n = 0;
	enum rc rc;

	for (struct chunk *c = chunks; c != NULL; c = c->next)
		n += c->count;
	j.packed = ARENA_ARRAY(arena, struct slice, n);
	j.items = ARENA_ARRAY(arena, struct item *, n);
	j.rows = ARENA_ARRAY(arena, uint64_t, n);
	rc = committer_run(im->options.committer, records_run, &j.job, &inner);
	if (rc == RC_OK)
		ids_remember(im, &j);
	else if (j.wrong_line > 0)
		(void)fail(err, rc, "", "line %llu: %s", (unsigned long long)j.wrong_line,
			inner.detail);
	else
		*err = inner;
	id_map_release(&j.taken);
	return rc;
}

enum rc
chunks_put(struct import *im, struct chunk *chunks, struct err *err)
{
	struct actor actor = actor_now();
	struct arena *arena = arena_new(); /* of the reasons too */
	enum rc rc;

	if ((rc = wrong_lines(im, chunks, true, err)) == RC_OK &&
		(rc = records_put(im, chunks, &actor, arena, err)) == RC_OK &&
		(rc = with_edges(im, members_put, chunks, &actor, err)) == RC_OK)
		rc = wrong_lines(im, chunks, false, err);
	arena_free(arena);
	return rc;
}

static enum rc
pending_edges(struct import *im, struct txn *reader, struct chunk *none, struct edges_job *j,
	struct err *err)
{
	enum { STEP = 1000 };
	size_t missing = 0;
	enum rc rc;

	(void)none;
	for (size_t at = 0; at < im->pending_count;) {
		size_t stop = at + STEP < im->pending_count ? at + STEP : im->pending_count;

		if ((rc = reader_begin(reader, err)) != RC_OK)
			return rc;
		for (; at < stop; at++) {
			const struct pending *p = &im->pending[at];
			uint64_t *row = ARENA_NEW(j->arena, uint64_t);

			if (member_row(im, orgtx_open(reader, im->options.org), p->member, row)) {
				edges_add(j, p->group, p->line, row, 1);
				continue;
			}
			missing++;
			im->counts.skipped++;
			if (im->options.problem != NULL)
				im->options.problem(im->options.arg, p->line,
					arena_printf(j->arena,
						"members: there is no resource \"%.*s\"",
						(int)(p->member.len < 100 ? p->member.len : 100),
						p->member.p));
		}
		reader_end(reader);
		if ((rc = edges_flush(j, err)) != RC_OK)
			return rc;
	}
	if (missing > 0 && !im->options.go_on)
		return fail(err, RC_INVALID_VALUE, "",
			"%zu members are neither in the file nor in the org; all else was imported",
			missing);
	return RC_OK;
}

enum rc
pending_put(struct import *im, struct err *err)
{
	struct actor actor = actor_now();

	return im->pending_count == 0 ? RC_OK : with_edges(im, pending_edges, NULL, &actor, err);
}
