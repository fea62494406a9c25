/* The plan: all records together, which resource each is, what changes, what goes. */
#include <stdlib.h>
#include <sys/mman.h>

#include "daemon/clock.h"
#include "daemon/directory/form.h"
#include "daemon/directory/sync_private.h"

#include "base/banned.h"

enum {
	SLICE_US = 50000,  /* that one reader lives */
	LOOKS = 64,        /* records between two looks at the clock */
	TRIES = 4,         /* of a plan while others write */
	ARENA_KEPT = 1 << 20,
	ROWS_STEP = 4096,
};

/* ---- Once: the records put together ---- */

static enum rc
same_as(const struct sync_record *other, const char *field, struct err *err)
{
	return fail(err, RC_UNIQUENESS, field, "the same as on line %u", other->line);
}

/* The key in the table; CONFLICT when another record has it and it must not. */
static enum rc
enter_key(struct sync *s, size_t at, enum sync_key what, struct slice key, const char *field, bool unique,
	struct err *err)
{
	const struct sync_record *r = &s->records[at];
	size_t other;

	if (key.len == 0)
		return RC_OK;
	other = unique ? sync_record_with(s, what, r->type, key, at) : SIZE_MAX;
	if (other != SIZE_MAX)
		return same_as(&s->records[other], field, err);
	sync_map_put(&s->keys, sync_hash(s, what, r->type, key), (uint32_t)at);
	return RC_OK;
}

/* A group of many members takes several lines of the same id. */
static bool
is_further(struct sync *s, size_t at)
{
	struct sync_record *r = &s->records[at], *first;
	struct sync_walk w = { r->id_hash, 0 };
	uint32_t other;

	while (r->type == TYPE_GROUP && r->id_hash != 0 && sync_map_next(&s->keys, &w, &other)) {
		first = &s->records[other];
		if (first->id_hash != r->id_hash || first->type != TYPE_GROUP)
			continue;
		r->fate = FATE_FURTHER;
		r->more = first->more;
		first->more = (uint32_t)at + 1;
		return true;
	}
	return false;
}

/* The id that the line says: known by its hash alone. */
static enum rc
enter_id(struct sync *s, size_t at, struct err *err)
{
	const struct sync_record *r = &s->records[at];
	bool unique = s->options.match == SYNC_MATCH_ID;
	struct sync_walk w = { r->id_hash, 0 };
	uint32_t other;

	if (r->id_hash == 0 || (!unique && !s->options.groups))
		return RC_OK;
	while (unique && sync_map_next(&s->keys, &w, &other))
		if (s->records[other].id_hash == r->id_hash && s->records[other].type == r->type)
			return same_as(&s->records[other], "id", err);
	sync_map_put(&s->keys, r->id_hash, (uint32_t)at);
	return RC_OK;
}

enum rc
sync_enter_keys(struct sync *s, size_t at, struct err *err)
{
	struct sync_record *r = &s->records[at];
	struct staged head = sync_staged(s, r);
	bool user = r->type == TYPE_USER;
	enum rc rc;

	rc = enter_key(s, at, KEY_EXTERNAL, head.external, "externalId",
		s->options.match == SYNC_MATCH_ANY || s->options.match == SYNC_MATCH_EXTERNAL_ID, err);
	if (rc != RC_OK)
		return rc;
	return enter_key(s, at, KEY_NAME, head.name, user ? "userName" : "displayName",
		user || s->options.match == SYNC_MATCH_NAME || s->options.dialect == DIALECT_TOLERANT, err);
}

static enum rc
enter(struct sync *s, size_t at, struct err *err)
{
	enum rc rc;

	if (is_further(s, at))
		return RC_OK;
	if ((rc = enter_id(s, at, err)) != RC_OK || s->records[at].fate == FATE_KNOWN)
		return rc;
	return sync_enter_keys(s, at, err);
}

static enum rc
map_file(struct sync *s, struct err *err)
{
	void *p;

	if (s->map.p != NULL)
		(void)munmap((void *)(uintptr_t)s->map.p, s->map.len);
	s->map = (struct slice){ NULL, 0 };
	if (s->size == 0)
		return RC_OK;
	p = mmap(NULL, s->size, PROT_READ, MAP_SHARED, s->file, 0);
	if (p == MAP_FAILED)
		return fail(err, RC_INTERNAL, "", "the records can't be read");
	s->map = (struct slice){ p, s->size };
	return RC_OK;
}

/* All that was received, in its order. */
static enum rc
seal(struct sync *s, struct err *err)
{
	size_t n = 0;
	enum rc rc;

	if (s->rc != RC_OK) {
		*err = s->err;
		return s->rc;
	}
	if (s->first == NULL && s->sealed)
		return RC_OK;
	if ((rc = map_file(s, err)) != RC_OK)
		return rc;
	if ((s->records = realloc(s->records, (s->parsed + 1) * sizeof(*s->records))) == NULL)
		abort();
	n = s->count;
	while (s->first != NULL) {
		struct sync_lines *l = s->first;

		s->first = l->next;
		if (l->count > 0)
			memcpy(s->records + s->count, l->records, l->count * sizeof(*l->records));
		s->count += l->count;
		free(l->records);
		free(l);
	}
	s->last = &s->first;
	s->sealed = true;
	for (; n < s->count; n++) {
		if ((rc = enter(s, n, err)) == RC_OK)
			continue;
		rc = sync_fail_line(err, rc, s->records[n].line);
		s->rc = rc;
		s->err = *err;
		return rc;
	}
	return RC_OK;
}

/* ---- Slices ---- */

static enum rc
slice_begin(struct planning *p, struct err *err)
{
	struct sync *s = p->s;
	enum rc rc;

	if (atomic_load(&s->stop))
		return fail(err, RC_CANCELLED, "", "the sync was given up");
	if ((rc = reader_begin(p->reader, err)) != RC_OK)
		return rc;
	p->o = orgtx_open(p->reader, s->options.org);
	p->until_us = clock_us() + SLICE_US;
	arena_clear(p->slice);
	p->by = NULL;
	if (p->w.caller == NULL)
		return RC_OK;
	p->by = ARENA_NEW(p->slice, struct subject);
	return subject_load(s->options.directory, p->o, p->slice, p->w.caller, p->w.actor.now, p->by, err);
}

enum rc
planning_breathe(struct planning *p, struct err *err)
{
	enum rc rc;

	if (arena_used(p->arena) > ARENA_KEPT)
		arena_clear(p->arena);
	if (++p->looks % LOOKS != 0 || clock_us() < p->until_us)
		return RC_OK;
	if ((rc = txn_rc(p->reader)) != RC_OK)
		return fail(err, rc, "", "the store could not be read");
	reader_end(p->reader);
	if ((rc = slice_begin(p, err)) != RC_OK)
		return rc;
	return orgtx_stat(p->o)->revision == p->s->revision
		       ? RC_OK
		       : fail(err, RC_PRECONDITION_FAILED, "", "the org changes all the time");
}

/* ---- Which resource a record is ---- */

/* The one row with that key; 0: none. */
static enum rc
row_with(struct planning *p, uint8_t type, const struct attr *attr, struct slice key, const char *field,
	uint64_t *row, struct err *err)
{
	uint64_t rows[2];
	size_t n = key.len == 0 ? 0 : index_list(p->o, attr->id, type, key, 0, rows, 2);

	*row = n > 0 ? rows[0] : 0;
	return n < 2 ? RC_OK
		     : fail(err, RC_CONFLICT, field, "several resources of the organization have this value");
}

static enum rc
find_by_id(struct planning *p, const struct sync_record *r, const struct staged *head, uint64_t *row, struct err *err)
{
	struct uuid id;

	*row = 0;
	if (!uuid_parse(head->id, &id) || !row_by_id(p->o, &id, row))
		return RC_OK;
	return row_type(*row) == r->type
		       ? RC_OK
		       : fail(err, RC_CONFLICT, "id", "is that of a resource of another type");
}

static enum rc
find_by_name(struct planning *p, const struct sync_record *r, const struct staged *head, uint64_t *row,
	struct err *err)
{
	const struct attrs *at = &p->s->options.directory->at;
	bool user = r->type == TYPE_USER;

	return row_with(p, r->type, user ? at->user_name : at->group_display, head->name,
		user ? "userName" : "displayName", row, err);
}

static enum rc
find_by_external(struct planning *p, const struct sync_record *r, const struct staged *head, uint64_t *row,
	struct err *err)
{
	const struct resource_type *type = r->type == TYPE_USER ? p->s->user : p->s->group;

	return row_with(p, r->type, type->external_id, head->external, "externalId", row, err);
}

typedef enum rc find_fn(struct planning *p, const struct sync_record *r, const struct staged *head, uint64_t *row,
	struct err *err);

/* In the first round, and what is still without a row in the second. */
static find_fn *const finders[][2] = {
	[SYNC_MATCH_ANY] = { find_by_external, find_by_name },
	[SYNC_MATCH_EXTERNAL_ID] = { find_by_external, NULL },
	[SYNC_MATCH_NAME] = { find_by_name, NULL },
	[SYNC_MATCH_ID] = { find_by_id, NULL },
};

/* A row that another record is already is nobody's in the second round. */
static enum rc
claim(struct planning *p, size_t at, uint64_t row, bool second, struct err *err)
{
	struct sync *s = p->s;
	const struct sync_record *other = sync_claim(s, row);

	if (other != NULL)
		return second ? RC_OK
			      : fail(err, RC_UNIQUENESS, "", "is the same resource as that of line %u", other->line);
	s->records[at].row = row;
	s->claims[row_counter(row)] = (uint32_t)at + 1;
	return RC_OK;
}

static enum rc
match_round(struct planning *p, unsigned round, struct err *err)
{
	struct sync *s = p->s;
	find_fn *find = finders[s->options.match][round];
	enum rc rc = RC_OK;

	for (size_t i = 0; find != NULL && i < s->count; i++) {
		struct sync_record *r = &s->records[i];
		struct staged head;
		uint64_t row = 0;

		if (r->row != 0 || r->fate == FATE_FURTHER || r->fate == FATE_KNOWN || rows_count(p->o, r->type) == 0)
			continue;
		head = sync_staged(s, r);
		if ((rc = find(p, r, &head, &row, err)) != RC_OK ||
			(row != 0 && (rc = claim(p, i, row, round > 0, err)) != RC_OK))
			return sync_fail_line(err, rc, r->line);
		if ((rc = planning_breathe(p, err)) != RC_OK)
			return rc;
	}
	return rc;
}

/* ---- What changes ---- */

void
sync_sample(struct sync *s, enum sync_action action, uint8_t type, const struct uuid *id, struct slice name,
	struct slice data)
{
	struct sync_sample *sample;

	if (s->counts.n[action][type] > s->sample_max)
		return;
	s->samples = arena_grow(s->plan_arena, s->samples, s->sample_count, &s->sample_cap, sizeof(*s->samples));
	sample = &s->samples[s->sample_count++];
	*sample = (struct sync_sample){ .action = action, .type = type, .name = arena_dup(s->plan_arena, name),
		.data = arena_dup(s->plan_arena, data) };
	if (id != NULL)
		sample->id = *id;
}

/* The gate of all creates of a type is the same: it is asked once. */
static enum rc
plan_create(struct planning *p, struct sync_record *r, struct err *err)
{
	struct sync *s = p->s;
	bool first = s->counts.n[SYNC_CREATE][r->type]++ == 0;
	struct deed x = sync_deed(s, p->o, &p->w, p->by, p->arena, r->type, VERB_CREATE);
	struct record record;
	enum rc rc;

	r->fate = FATE_CREATE;
	if (!first && s->counts.n[SYNC_CREATE][r->type] > s->sample_max)
		return RC_OK;
	x.root = sync_new_root(s, p->arena, r, &record);
	if (first && (rc = deed_require(&x, err)) != RC_OK)
		return rc;
	sync_sample(s, SYNC_CREATE, r->type, NULL, sync_name_of(s, &record), SLICE(""));
	return RC_OK;
}

static enum rc
plan_existing(struct planning *p, struct sync_record *r, struct err *err)
{
	const struct attrs *at = &p->s->options.directory->at;
	struct sync *s = p->s;
	struct sync_edit edit;
	struct record old;
	enum rc rc;

	if (!record_get(p->o, r->row, &old))
		return fail(err, RC_INTERNAL, "", "the store could not be read");
	r->fate = FATE_UNCHANGED;
	if (!sync_same(s, &old, sync_staged(s, r).packed)) {
		if ((rc = sync_edit(s, p->o, &p->w, p->by, p->arena, r, NULL, &edit, err)) != RC_OK)
			return rc;
		if (!edit.same)
			r->fate = FATE_CHANGE;
	}
	if (r->fate == FATE_UNCHANGED) {
		s->counts.n[SYNC_UNCHANGED][r->type]++;
		return RC_OK;
	}
	s->counts.n[SYNC_CHANGE][r->type]++;
	if (r->type == TYPE_USER)
		tally_user(p, r->row, tree_bool(edit.old_root, at->user_active, true),
			tree_bool(edit.deed.root, at->user_active, true));
	sync_sample(s, SYNC_CHANGE, r->type, &old.id, sync_name_of(s, &edit.old),
		s->counts.n[SYNC_CHANGE][r->type] <= s->sample_max
			? sync_explain(p->arena, edit.old_root, edit.deed.root)
			: SLICE(""));
	return RC_OK;
}

static enum rc
plan_records(struct planning *p, struct err *err)
{
	struct sync *s = p->s;
	enum rc rc;

	for (size_t i = 0; i < s->count; i++) {
		struct sync_record *r = &s->records[i];

		if (r->fate == FATE_FURTHER)
			continue;
		if (r->fate == FATE_KNOWN) {
			s->counts.n[SYNC_UNCHANGED][TYPE_USER]++;
			continue;
		}
		rc = r->row == 0 ? plan_create(p, r, err) : plan_existing(p, r, err);
		if (rc != RC_OK)
			return sync_fail_line(err, rc, r->line);
		if ((rc = planning_breathe(p, err)) != RC_OK)
			return rc;
	}
	return RC_OK;
}

/* ---- What goes ---- */

/* Users that the filter takes; of groups those of the connection, or all where there is none. */
static bool
is_part(struct planning *p, uint64_t row, struct record *r)
{
	const struct sync *s = p->s;
	const struct node *root;

	if (r->type->code == TYPE_GROUP)
		return s->options.connection == 0 || group_connection(s->options.directory, r) == s->options.connection;
	if (s->filter == NULL)
		return true;
	record_live(s->options.directory, p->o, p->arena, p->w.actor.now, row, r);
	root = record_unpack(p->arena, s->options.directory->schema, r, s->options.connection);
	return root != NULL && filter_match(s->filter, root, NULL, p->arena);
}

static enum rc
plan_removal(struct planning *p, uint64_t row, const struct record *r, struct err *err)
{
	struct sync *s = p->s;
	struct deed x = sync_deed(s, p->o, &p->w, p->by, p->arena, row_type(row), VERB_DELETE);
	bool active = row_type(row) == TYPE_USER &&
		      record_bool(s->options.directory->schema, r, s->options.directory->at.user_active, true);
	enum rc rc;

	x.id = r->id;
	x.row = row;
	x.old = r;
	if ((rc = deed_decide(&x, err)) != RC_OK)
		return sync_fail_row(s, p->o, row, rc, err);
	if (s->removed_count == s->removed_cap) {
		s->removed_cap = s->removed_cap == 0 ? 1024 : s->removed_cap * 2;
		if ((s->removed = realloc(s->removed, s->removed_cap * sizeof(*s->removed))) == NULL)
			abort();
	}
	s->removed[s->removed_count++] = row;
	s->counts.n[SYNC_REMOVE][row_type(row)]++;
	if (active)
		tally_user(p, row, true, false);
	sync_sample(s, SYNC_REMOVE, row_type(row), &r->id, sync_name_of(s, r), SLICE(""));
	return RC_OK;
}

static enum rc
plan_removals(struct planning *p, uint8_t type, struct err *err)
{
	struct sync *s = p->s;
	uint64_t *rows = malloc(ROWS_STEP * sizeof(*rows)), after = 0;
	enum rc rc = RC_OK;
	size_t n;

	if (rows == NULL)
		abort();
	while (rc == RC_OK && (n = rows_list(p->o, type, after, 0, rows, ROWS_STEP)) > 0) {
		for (size_t i = 0; rc == RC_OK && i < n; i++) {
			struct record r;

			if (sync_claim(s, rows[i]) != NULL)
				continue;
			if (record_get(p->o, rows[i], &r) && is_part(p, rows[i], &r))
				rc = plan_removal(p, rows[i], &r, err);
			if (rc == RC_OK)
				rc = planning_breathe(p, err);
		}
		after = rows[n - 1];
	}
	free(rows);
	return rc;
}

/* ---- All of it ---- */

static void
forget(struct planning *p)
{
	struct sync *s = p->s;

	arena_clear(s->plan_arena);
	s->samples = NULL;
	s->sample_count = s->sample_cap = 0;
	s->counts = (struct sync_counts){ 0 };
	s->removed_count = s->group_count = s->edge_count = 0;
	*p->tally = (struct tally){ .count = 0 };
	p->next_row = orgtx_stat(p->o)->next_row;
	free(s->claims);
	s->claim_count = p->next_row;
	if ((s->claims = calloc(s->claim_count + 1, sizeof(*s->claims))) == NULL)
		abort();
	for (size_t i = 0; i < s->count; i++) {
		if (s->records[i].fate == FATE_KNOWN)
			continue;
		s->records[i].row = 0;
		if (s->records[i].fate != FATE_FURTHER)
			s->records[i].fate = FATE_CREATE;
	}
}

static enum rc
plan_once(struct planning *p, struct err *err)
{
	struct sync *s = p->s;
	enum rc rc = slice_begin(p, err);

	if (rc != RC_OK)
		return rc;
	s->revision = orgtx_stat(p->o)->revision;
	forget(p);
	if ((rc = known_settle(p, err)) != RC_OK || (rc = match_round(p, 0, err)) != RC_OK || (rc = match_round(p, 1, err)) != RC_OK ||
		(rc = plan_records(p, err)) != RC_OK || (rc = plan_removals(p, TYPE_USER, err)) != RC_OK ||
		(s->options.groups && (rc = plan_removals(p, TYPE_GROUP, err)) != RC_OK) ||
		(rc = sync_plan_groups(p, err)) != RC_OK || (rc = sync_decide(p, err)) != RC_OK)
		return rc;
	if ((rc = txn_rc(p->reader)) != RC_OK)
		return fail(err, rc, "", "the store could not be read");
	return RC_OK;
}

static enum rc
plan_tries(struct planning *p, struct err *err)
{
	enum rc rc = RC_OK;

	for (int i = 0; i < TRIES; i++) {
		rc = plan_once(p, err);
		reader_end(p->reader);
		if (rc != RC_PRECONDITION_FAILED)
			return rc;
	}
	return fail(err, RC_CONFLICT, "", "the organization changes faster than a plan can be made");
}

enum rc
sync_plan(struct sync *s, const struct writer *w, size_t samples, struct sync_plan *out, struct err *err)
{
	struct tally tally;
	struct planning p = { .s = s, .w = *w, .tally = &tally };
	enum rc rc;

	s->planned = false;
	s->sample_max = samples;
	if ((rc = seal(s, err)) != RC_OK)
		return rc;
	if ((p.reader = reader_new(s->options.store)) == NULL)
		return fail(err, RC_UNAVAILABLE, "", "there are too many readers of the store");
	p.arena = arena_new();
	p.slice = arena_new();
	rc = plan_tries(&p, err);
	reader_free(p.reader);
	arena_free(p.arena);
	arena_free(p.slice);
	if (rc != RC_OK)
		return rc;
	s->planned = true;
	*out = (struct sync_plan){ s->revision, s->counts, s->samples, s->sample_count };
	return RC_OK;
}
