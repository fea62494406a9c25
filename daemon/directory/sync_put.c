/* The commit: all of a plan in one change. What goes, goes first, so that names and seats are free for what
 * comes; groups get their members last, when all of them are there. */
#include <stdlib.h>

#include "daemon/directory/form.h"
#include "daemon/directory/ids.h"
#include "daemon/directory/link.h"
#include "daemon/directory/organization.h"
#include "daemon/directory/sync_private.h"

#include "base/banned.h"

enum { CREATE_STEP = 20000 /* users put at once: their index entries are sorted together */, ARENA_KEPT = 4 << 20 };

/* A person who becomes a member, or ceases to be one. */
struct tie {
	uint64_t person;
	bool linked;
};

/* A commit on its way. */
struct putting {
	struct sync *s;
	struct orgtx *o;
	const struct writer *w;
	const struct subject *by;
	struct arena *arena;   /* of one record, cleared often */
	struct arena *kept;    /* to the end of the commit */
	uint64_t revision;
	struct tie *ties;      /* told to the platform after the change */
	size_t tie_count, tie_cap;
	uint64_t *rows;        /* of new records, by their number; groups and users */
};

static void
make_room(struct putting *p)
{
	if (arena_used(p->arena) > ARENA_KEPT)
		arena_clear(p->arena);
}

static void
keep_tie(struct putting *p, const struct deed *x)
{
	struct tie tie;

	if (x->type->code != TYPE_USER || (tie.person = member_tie(x, &tie.linked)) == 0)
		return;
	p->ties = arena_grow(p->kept, p->ties, p->tie_count, &p->tie_cap, sizeof(*p->ties));
	p->ties[p->tie_count++] = tie;
}

/* Who is in which org is known on the platform too. */
static void
put_ties(struct putting *p)
{
	struct orgtx *platform = orgtx_open(orgtx_txn(p->o), ORG_PLATFORM);
	struct deed x = { .d = p->s->options.directory, .o = p->o, .w = p->w };
	struct org org;

	if (p->tie_count == 0 || !org_by_no(orgtx_txn(p->o), p->s->options.org, &org))
		return;
	(void)change_begin(platform, &p->w->actor);
	for (size_t i = 0; i < p->tie_count; i++)
		org_member_edge(&x, &org, p->ties[i].person, p->ties[i].linked, true);
	change_end(platform);
}

/* ---- What goes ---- */

static enum rc
put_removals(struct putting *p, struct err *err)
{
	struct sync *s = p->s;
	enum rc rc;

	for (size_t i = 0; i < s->removed_count; i++) {
		uint64_t row = s->removed[i];
		struct deed x = sync_deed(s, p->o, p->w, p->by, p->arena, row_type(row), VERB_DELETE);
		struct record old;

		if (!record_get(p->o, row, &old))
			continue;
		old.fields = arena_dup(x.arena, old.fields);
		x.id = old.id;
		x.row = row;
		x.old = &old;
		if ((rc = deed_decide(&x, err)) != RC_OK)
			return sync_fail_row(s, p->o, row, rc, err);
		deed_apply(&x, p->revision);
		deed_erase(&x, row, p->revision);
		keep_tie(p, &x);
		make_room(p);
	}
	return RC_OK;
}

/* ---- What changes ---- */

static struct slice
stamped(struct putting *p, const struct record *old, struct slice packed)
{
	int64_t now = p->w->actor.now;
	struct slice out = arena_dup(p->arena, packed);

	record_stamp((char *)(uintptr_t)out.p, &old->id, p->revision, old->created,
		now > old->modified ? now : old->modified);
	return out;
}

static enum rc
put_change(struct putting *p, const struct sync_record *r, const struct member_changes *members, struct err *err)
{
	struct sync_edit edit;
	enum rc rc;

	rc = sync_edit(p->s, p->o, p->w, p->by, p->arena, r, members, &edit, err);
	if (rc != RC_OK)
		return rc;
	if (members != NULL && (rc = member_check_cycle(p->o, p->arena, r->row, members, err)) != RC_OK)
		return rc;
	record_replace(p->o, r->row, stamped(p, &edit.old, edit.packed));
	if (members != NULL)
		(void)edge_add_many(p->o, r->row, members->add, members->add_count);
	deed_apply(&edit.deed, p->revision);
	keep_tie(p, &edit.deed);
	return RC_OK;
}

static const struct group_change *
members_of(const struct sync *s, size_t record, size_t *at)
{
	while (*at < s->group_count && s->groups[*at].record < record)
		++*at;
	return *at < s->group_count && s->groups[*at].record == record ? &s->groups[*at] : NULL;
}

/* Groups whose members change too are put with them. */
static enum rc
put_changes(struct putting *p, struct err *err)
{
	struct sync *s = p->s;
	size_t at = 0;
	enum rc rc;

	for (size_t i = 0; i < s->count; i++) {
		const struct sync_record *r = &s->records[i];

		if (r->fate != FATE_CHANGE || (r->type == TYPE_GROUP && members_of(s, i, &at) != NULL))
			continue;
		if ((rc = put_change(p, r, NULL, err)) != RC_OK)
			return sync_fail_line(err, rc, r->line);
		make_room(p);
	}
	return RC_OK;
}

/* ---- What comes ---- */

static struct uuid
new_id(const struct putting *p, const struct sync_record *r)
{
	struct uuid id;

	if (p->s->options.match == SYNC_MATCH_ID && uuid_parse(sync_staged(p->s, r).id, &id))
		return id;
	return id_new();
}

/* Decides about the resource as it will be, where its type's rules have more to say than for all alike. */
static enum rc
decide_new(struct putting *p, const struct sync_record *r, struct slice *packed, struct err *err)
{
	struct deed x = sync_deed(p->s, p->o, p->w, p->by, p->arena, r->type, VERB_CREATE);
	struct buf b = BUF_INIT;
	struct record header;
	enum rc rc;

	if ((x.root = sync_new_root(p->s, x.arena, r, &header)) == NULL)
		return fail(err, RC_INTERNAL, "", "the record is damaged");
	if ((rc = deed_decide(&x, err)) != RC_OK)
		return rc;
	record_pack(&b, p->s->options.directory->schema, &header, x.root, p->s->options.connection, NULL);
	*packed = arena_dup(p->arena, buf_as_slice(&b));
	buf_release(&b);
	keep_tie(p, &x);
	return RC_OK;
}

static struct slice
stamped_new(const struct putting *p, struct arena *a, const struct sync_record *r, struct slice packed)
{
	struct slice out = arena_dup(a, packed);
	struct uuid id = new_id(p, r);

	record_stamp((char *)(uintptr_t)out.p, &id, p->revision, p->w->actor.now, p->w->actor.now);
	return out;
}

static enum rc
put_new(struct putting *p, size_t at, struct err *err)
{
	const struct sync_record *r = &p->s->records[at];
	struct slice packed;
	enum rc rc = decide_new(p, r, &packed, err);

	if (rc != RC_OK)
		return sync_fail_line(err, rc, r->line);
	p->rows[at] = record_create(p->o, r->type, stamped_new(p, p->arena, r, packed));
	make_room(p);
	return RC_OK;
}

/* Users of whom no more is to be decided, many at a time: while some are put, the next are made ready. */
struct step {
	const struct putting *p;
	size_t *at, count; /* numbers of their records */
	struct arena *arena;
	struct record_batch *batch; /* NULL: there is none */
	pthread_t thread;
	bool apart; /* the thread makes it ready */
};

static void *
step_prepare(void *arg)
{
	struct step *x = arg;
	const struct sync *s = x->p->s;
	struct slice *packed = ARENA_ARRAY(x->arena, struct slice, x->count);

	for (size_t i = 0; i < x->count; i++) {
		const struct sync_record *r = &s->records[x->at[i]];

		packed[i] = stamped_new(x->p, x->arena, r, sync_staged(s, r).packed);
	}
	x->batch = record_batch_new(s->options.directory->schema, s->options.org, TYPE_USER, packed, x->count);
	return NULL;
}

static void
step_start(struct step *x)
{
	x->apart = x->count > 0 && pthread_create(&x->thread, NULL, step_prepare, x) == 0;
	if (x->count > 0 && !x->apart)
		(void)step_prepare(x);
}

static void
step_put(struct putting *p, struct step *x)
{
	uint64_t *rows;

	if (x->apart)
		(void)pthread_join(x->thread, NULL);
	if (x->batch == NULL)
		return;
	rows = ARENA_ARRAY(x->arena, uint64_t, x->count);
	record_batch_put(p->o, x->batch, rows);
	for (size_t i = 0; i < x->count; i++)
		p->rows[x->at[i]] = rows[i];
	arena_clear(x->arena);
	x->batch = NULL;
	x->apart = false;
	x->count = 0;
}

static void
put_users(struct putting *p)
{
	struct step steps[2], *x = steps;

	for (int i = 0; i < 2; i++)
		steps[i] = (struct step){ .p = p, .at = ARENA_ARRAY(p->kept, size_t, CREATE_STEP), .arena = arena_new() };
	for (size_t i = 0; i <= p->s->count; i++) {
		if (x->count == CREATE_STEP || i == p->s->count) {
			step_start(x);
			x = x == steps ? steps + 1 : steps;
			step_put(p, x);
		}
		if (i < p->s->count && p->s->records[i].type == TYPE_USER && p->s->records[i].fate == FATE_CREATE)
			x->at[x->count++] = i;
	}
	step_put(p, x == steps ? steps + 1 : steps);
	arena_free(steps[0].arena);
	arena_free(steps[1].arena);
}

static enum rc
check_new_users(struct putting *p, struct err *err)
{
	uint64_t n = p->s->counts.n[SYNC_CREATE][TYPE_USER];
	struct deed x = sync_deed(p->s, p->o, p->w, p->by, p->arena, TYPE_USER, VERB_CREATE);
	struct node root = { .attr = p->s->user->root, .kind = NODE_OBJECT };
	enum rc rc;

	if (p->by == NULL || n == 0)
		return RC_OK;
	x.root = &root;
	if ((rc = deed_require(&x, err)) != RC_OK)
		return rc;
	return members_fit(p->by, p->w->actor.now, 0, rows_count(p->o, TYPE_USER) + n, err);
}

static enum rc
put_one_by_one(struct putting *p, uint8_t type, struct err *err)
{
	struct sync *s = p->s;
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < s->count; i++)
		if (s->records[i].type == type && s->records[i].fate == FATE_CREATE)
			rc = put_new(p, i, err);
	return rc;
}

/* Where the org has proven domains, each may be a person's, and so is decided about when those before it are
 * there. */
static enum rc
put_new_users(struct putting *p, struct err *err)
{
	enum rc rc = check_new_users(p, err);

	if (rc != RC_OK)
		return rc;
	if (link_is_possible(p->s->options.directory, p->o, p->arena))
		return put_one_by_one(p, TYPE_USER, err);
	put_users(p);
	return RC_OK;
}

/* ---- Members ---- */

static void
put_leavers(struct putting *p)
{
	struct sync *s = p->s;

	for (size_t i = 0; i < s->group_count; i++) {
		const struct group_change *g = &s->groups[i];

		for (size_t k = 0; k < g->remove_count; k++)
			(void)edge_remove(p->o, s->records[g->record].row, s->edges[g->remove_at + k]);
	}
}

static int
row_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* With the rows that new records got meanwhile; malloc()ed. */
static uint64_t *
rows_of(const struct putting *p, const struct group_change *g)
{
	uint64_t *rows = malloc((g->add_count + 1) * sizeof(*rows));

	if (rows == NULL)
		abort();
	for (size_t i = 0; i < g->add_count; i++) {
		uint64_t target = p->s->edges[g->add_at + i];

		rows[i] = (target & NEW_ROW) != 0 ? p->rows[target & ~NEW_ROW] : target;
	}
	qsort(rows, g->add_count, sizeof(*rows), row_order);
	return rows;
}

/* Of a group that was just put: the gate was passed when it was. */
static enum rc
put_members_of_new(struct putting *p, const struct sync_record *r, uint64_t row, const struct member_changes *m,
	struct err *err)
{
	struct deed x = sync_deed(p->s, p->o, p->w, p->by, p->arena, r->type, VERB_CREATE);
	enum rc rc;

	x.row = row;
	x.members = m;
	if ((p->by != NULL && (rc = team_members_check(&x, err)) != RC_OK) ||
		(rc = member_check_cycle(p->o, p->arena, row, m, err)) != RC_OK)
		return rc;
	(void)edge_add_many(p->o, row, m->add, m->add_count);
	return RC_OK;
}

static enum rc
put_members(struct putting *p, struct err *err)
{
	struct sync *s = p->s;
	enum rc rc = RC_OK;

	put_leavers(p);
	for (size_t i = 0; rc == RC_OK && i < s->group_count; i++) {
		const struct group_change *g = &s->groups[i];
		const struct sync_record *r = &s->records[g->record];
		struct member_changes m = { .add = rows_of(p, g),
			.add_count = g->add_count,
			.remove = s->edges + g->remove_at,
			.remove_count = g->remove_count };

		rc = r->row != 0 ? put_change(p, r, &m, err)
				 : put_members_of_new(p, r, p->rows[g->record], &m, err);
		free(m.add);
		if (rc != RC_OK)
			rc = sync_fail_line(err, rc, r->line);
		make_room(p);
	}
	return rc;
}

/* ---- All of it ---- */

static enum rc
put_all(struct putting *p, struct err *err)
{
	enum rc rc;

	if ((rc = put_removals(p, err)) != RC_OK || (rc = put_changes(p, err)) != RC_OK ||
		(rc = put_new_users(p, err)) != RC_OK || (rc = put_one_by_one(p, TYPE_GROUP, err)) != RC_OK)
		return rc;
	return put_members(p, err);
}

static enum rc
begin(struct putting *p, struct err *err)
{
	struct sync *s = p->s;
	struct subject *by;
	struct org org;
	enum rc rc;

	if (atomic_load(&s->stop))
		return fail(err, RC_CANCELLED, "", "the sync was given up");
	if (!s->planned)
		return fail(err, RC_CONFLICT, "", "there is no plan of what was sent: make one first");
	if (!org_by_no(orgtx_txn(p->o), s->options.org, &org) || org.state >= ORG_DELETED)
		return fail(err, RC_NOT_FOUND, "org", "the organization is gone");
	if (orgtx_stat(p->o)->revision != s->revision)
		return fail(err, RC_CONFLICT, "",
			"the organization has changed since the plan was made, at revision %llu: plan again",
			(unsigned long long)s->revision);
	if (p->w->caller != NULL) {
		by = ARENA_NEW(p->kept, struct subject);
		rc = subject_load(s->options.directory, p->o, p->kept, p->w->caller, p->w->actor.now, by, err);
		if (rc != RC_OK)
			return rc;
		p->by = by;
	}
	return sync_guard(s, p->o, p->w, err);
}

static enum rc
commit(struct putting *p, bool *undo, struct err *err)
{
	struct sync *s = p->s;
	enum rc rc = begin(p, err);

	if (rc != RC_OK)
		return rc;
	if ((p->rows = calloc(s->count + 1, sizeof(*p->rows))) == NULL)
		abort();
	p->revision = change_begin(p->o, &p->w->actor);
	rc = put_all(p, err);
	change_end(p->o);
	*undo = rc != RC_OK;
	free(s->rows_done);
	s->rows_done = p->rows;
	if (rc != RC_OK)
		return rc;
	put_ties(p);
	s->done = s->counts;
	s->revision_done = orgtx_stat(p->o)->revision;
	memcpy(s->head_done, orgtx_stat(p->o)->head, JOURNAL_HASH);
	return RC_OK;
}

enum rc
sync_commit(struct sync *s, struct txn *t, const struct writer *w, bool *undo, struct err *err)
{
	struct putting p = { .s = s, .o = orgtx_open(t, s->options.org), .w = w, .arena = arena_new(),
		.kept = arena_new() };
	enum rc rc = commit(&p, undo, err);

	arena_free(p.arena);
	arena_free(p.kept);
	return rc;
}
