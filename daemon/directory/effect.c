/* Whom a change may concern, and the look at them. */
#include "daemon/directory/effect_private.h"

#include <stdlib.h>

#include "daemon/clock.h"
#include "daemon/directory/form.h"

#include "base/banned.h"

enum {
	TURN_US = 5000,
	LOOKS = 64, /* between two looks at the clock */
	STEP = 256, /* rows listed at once */
	HEAP_LEAST = 1024, /* times of assignments, before they are looked through */
};

/* What goes on between two looks at the clock. */
struct turn {
	struct effect *e;
	struct orgtx *o;
	int64_t end; /* us */
	unsigned looks;
};

static bool
time_is_up(struct turn *x)
{
	return ++x->looks % LOOKS == 0 && clock_us() >= x->end;
}

/* ---- Times ---- */

static void
heap_swap(struct effect *e, size_t a, size_t b)
{
	struct boundary kept = e->heap[a];

	e->heap[a] = e->heap[b];
	e->heap[b] = kept;
}

static void
heap_add(struct effect *e, int64_t when, uint64_t assignment)
{
	size_t i = e->heap_count++;

	if (i == e->heap_cap) {
		e->heap_cap = e->heap_cap == 0 ? 64 : e->heap_cap * 2;
		if ((e->heap = realloc(e->heap, e->heap_cap * sizeof(*e->heap))) == NULL)
			abort();
	}
	e->heap[i] = (struct boundary){ when, assignment };
	for (; i > 0 && e->heap[(i - 1) / 2].when > e->heap[i].when; i = (i - 1) / 2)
		heap_swap(e, i, (i - 1) / 2);
}

static uint64_t
heap_take(struct effect *e)
{
	uint64_t assignment = e->heap[0].assignment;
	size_t i = 0, least;

	e->heap[0] = e->heap[--e->heap_count];
	for (;; i = least) {
		least = i;
		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < e->heap_count; child++)
			if (e->heap[child].when < e->heap[least].when)
				least = child;
		if (least == i)
			return assignment;
		heap_swap(e, i, least);
	}
}

static void
note_time(struct effect *e, int64_t when, uint64_t assignment)
{
	if (when > e->now)
		heap_add(e, when, assignment);
	else if (when > e->last_boundary)
		e->last_boundary = when;
}

struct times {
	int64_t start, end; /* 0: none */
};

static struct times
times_of(const struct directory *d, const struct record *r)
{
	return (struct times){ record_i64(d->schema, r, d->at.assignment_start, 0),
		record_i64(d->schema, r, d->at.assignment_end, 0) };
}

static void
note_times(struct effect *e, uint64_t row, const struct record *r)
{
	struct times t = times_of(e->d, r);

	if (t.start != 0)
		note_time(e, t.start, row);
	if (t.end != 0)
		note_time(e, t.end, row);
}

static int
boundary_order(const void *left, const void *right)
{
	const struct boundary *a = left, *b = right;

	if (a->when != b->when)
		return a->when < b->when ? -1 : 1;
	return (a->assignment > b->assignment) - (a->assignment < b->assignment);
}

static bool
is_ahead(struct turn *x, const struct boundary *b)
{
	struct record r;
	struct times t;

	if (b->when <= x->e->now)
		return true; /* it has come, and is to be told */
	if (!record_get(x->o, b->assignment, &r))
		return false;
	t = times_of(x->e->d, &r);
	return b->when == t.start || b->when == t.end;
}

/* Times that were changed again and again are there again and again: without those that do not count the memory is bounded by what is assigned.
 * What is sorted is a heap. */
static void
heap_tidy(struct turn *x)
{
	struct effect *e = x->e;
	size_t n = 0;

	if (e->heap_count <= e->heap_limit)
		return;
	qsort(e->heap, e->heap_count, sizeof(*e->heap), boundary_order);
	for (size_t i = 0; i < e->heap_count; i++)
		if ((n == 0 || boundary_order(&e->heap[n - 1], &e->heap[i]) != 0) && is_ahead(x, &e->heap[i]))
			e->heap[n++] = e->heap[i];
	e->heap_count = n;
	e->heap_limit = HEAP_LEAST + 2 * n;
}

/* Of all assignments, to begin. */
static bool
read_times(struct turn *x)
{
	struct effect *e = x->e;
	struct record r;
	uint64_t row;

	while (e->times && !time_is_up(x)) {
		e->times = rows_list(x->o, TYPE_ASSIGNMENT, e->times_after, 0, &row, 1) == 1;
		if (e->times && record_get(x->o, row, &r))
			note_times(e, row, &r);
		e->times_after = row;
		e->heap_limit = HEAP_LEAST + 2 * e->heap_count;
	}
	return !e->times;
}

/* ---- Whom a change concerns ---- */

static void
concern_all(struct effect *e)
{
	e->all = true;
	e->all_after = 0;
}

static void
concern(struct effect *e, uint64_t principal)
{
	if (row_type(principal) == TYPE_USER)
		row_list_add(&e->users, principal);
	else if (row_type(principal) == TYPE_GROUP)
		row_list_add(&e->groups, principal);
}

static bool
holds(const uint64_t *held, uint64_t row)
{
	for (size_t i = 1; i <= held[0]; i++)
		if (held[i] == row)
			return true;
	return false;
}

/* Whom a group that is gone held is not written anywhere: of a membership those who still have it; of a permission any who have it, as nobody
 * gains one by leaving a group. */
static void
concern_lost(struct effect *e, uint64_t group)
{
	for (size_t i = 0; i < e->held.cap; i++)
		if (e->held.held[i] != NULL &&
			(e->q.kind == EFFECT_PERMISSION || holds(e->held.held[i], group)))
			row_list_add(&e->users, e->held.users[i]);
}

/* The record as it was put, or as it was before; false: it is not known. */
static bool
record_of(struct turn *x, const struct journal_entry *entry, const struct change *c, bool old, struct record *out)
{
	struct slice packed = c->packed;

	return (!old || journal_old(x->o, entry, c, &packed)) && packed.p != NULL &&
	       record_parse(x->e->d->schema, packed, out);
}

static void
assignment_changed(struct turn *x, const struct journal_entry *entry, const struct change *c)
{
	struct effect *e = x->e;
	struct record r;

	if (!record_of(x, entry, c, c->kind == CHANGE_DELETE, &r)) {
		concern_all(e);
		return;
	}
	if (c->kind != CHANGE_DELETE)
		note_times(e, c->row, &r);
	heap_tidy(x);
	/* A principal that is gone is told as such. */
	concern(e, record_row(x->o, e->d->schema, &r, e->d->at.assignment_principal_value));
}

static void
place_changed(struct turn *x, const struct journal_entry *entry, const struct change *c)
{
	const struct directory *d = x->e->d;
	const struct attr *parent =
		row_type(c->row) == TYPE_WORKSPACE ? d->at.workspace_parent_value : d->at.project_parent_value;
	struct record old, new;

	if (c->kind == CHANGE_DELETE && c->row == x->e->q.scope)
		concern_all(x->e);
	if (c->kind == CHANGE_REPLACE &&
		(!record_of(x, entry, c, true, &old) || !record_of(x, entry, c, false, &new) ||
			!slice_eq(record_text(d->schema, &old, parent), record_text(d->schema, &new, parent))))
		concern_all(x->e);
}

static void
group_changed(struct effect *e, const struct change *c)
{
	if (c->kind != CHANGE_DELETE)
		return;
	concern_lost(e, c->row);
	if (c->row == e->q.scope)
		concern_all(e);
}

static void
permission_changed(struct turn *x, const struct journal_entry *entry, const struct change *c)
{
	switch (row_type(c->row)) {
	case TYPE_ASSIGNMENT:
		assignment_changed(x, entry, c);
		break;
	case TYPE_WORKSPACE:
	case TYPE_PROJECT:
		place_changed(x, entry, c);
		break;
	case TYPE_ROLE:
		concern_all(x->e);
		break;
	}
}

static void
changed(struct turn *x, const struct journal_entry *entry, const struct change *c)
{
	if (c->kind == CHANGE_EDGE_ADD || c->kind == CHANGE_EDGE_REMOVE)
		concern(x->e, c->member);
	else if (row_type(c->row) == TYPE_USER)
		concern(x->e, c->row);
	else if (row_type(c->row) == TYPE_GROUP)
		group_changed(x->e, c);
	else if (x->e->q.kind == EFFECT_PERMISSION)
		permission_changed(x, entry, c);
}

/* The journal does not tell (any more) what happened. */
static void
begin_anew(struct turn *x)
{
	struct effect *e = x->e;

	for (size_t i = 0; i < e->held.cap; i++)
		if (e->held.held[i] != NULL)
			row_list_add(&e->users, e->held.users[i]);
	concern_all(e);
	e->times = e->q.kind == EFFECT_PERMISSION;
	e->times_after = 0;
	e->heap_count = 0; /* all of them are read again */
	e->read = orgtx_stat(x->o)->revision;
	e->read_at = 0;
	told_lose(e);
}

/* Some changes of the next entry. */
static void
read_entry(struct turn *x)
{
	struct effect *e = x->e;
	struct journal_entry entry;
	struct slice rest;
	struct change c;
	bool bad = false;

	if (!journal_get(x->o, e->read + 1, &entry) || e->read_at > entry.changes.len) {
		begin_anew(x);
		return;
	}
	rest = slice_from(entry.changes, e->read_at);
	while (!time_is_up(x) && journal_next_change(&rest, &c, &bad))
		changed(x, &entry, &c);
	e->read_at = entry.changes.len - rest.len;
	if (bad)
		begin_anew(x);
	if (bad || rest.len > 0)
		return;
	e->read++;
	e->read_at = 0;
}

static bool
read_journal(struct turn *x)
{
	struct effect *e = x->e;

	while (e->read < orgtx_stat(x->o)->revision && clock_us() < x->end)
		read_entry(x);
	return e->read >= orgtx_stat(x->o)->revision;
}

/* The kind and model of an org are no records of its own. */
static bool
look_at_org(struct turn *x)
{
	struct effect *e = x->e;
	struct org org;

	if (!org_by_no(orgtx_txn(x->o), e->q.org, &org))
		return false;
	if (org.kind == e->kind && org.model_version == e->model_version && strcmp(org.model, e->model) == 0)
		return true;
	e->kind = org.kind;
	e->model_version = org.model_version;
	memcpy(e->model, org.model, sizeof(e->model));
	concern_all(e);
	return true;
}

/* What the clock brought. */
static void
read_clock(struct turn *x)
{
	struct effect *e = x->e;
	struct assignment held;

	while (e->heap_count > 0 && e->heap[0].when <= e->now)
		if (assignment_read(e->d, x->o, heap_take(e), &held))
			concern(e, held.principal);
}

/* ---- Walks ---- */

/* Down from a group: users are to be looked at, groups to be walked in turn. */
static bool
walk_groups(struct turn *x)
{
	struct effect *e = x->e;
	uint64_t rows[STEP];
	size_t n;

	while (!time_is_up(x)) {
		if (e->group == 0) {
			if (e->groups.count == 0) {
				held_clear(&e->seen);
				return true;
			}
			e->group = e->groups.rows[--e->groups.count];
			e->member = 0;
			if (!held_mark(&e->seen, e->group)) {
				e->group = 0;
				continue;
			}
		}
		n = edge_list(x->o, EDGE_MEMBERS, e->group, e->member, rows, STEP);
		for (size_t i = 0; i < n; i++)
			concern(e, rows[i]);
		e->member = n > 0 ? rows[n - 1] : 0;
		if (n < STEP)
			e->group = 0;
	}
	return false;
}

/* ---- The look ---- */

static int
row_order(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static size_t
groups_of(struct turn *x, uint64_t user, uint64_t **out)
{
	struct membership *list;
	struct record r;
	size_t n;

	if (!record_get(x->o, user, &r))
		return 0;
	n = membership_list(x->o, x->e->arena, user, &list);
	*out = ARENA_ARRAY(x->e->arena, uint64_t, n + 1);
	for (size_t i = 0; i < n; i++)
		(*out)[i] = list[i].group;
	qsort(*out, n, sizeof(**out), row_order);
	return n;
}

/* As a check decides it about anything at the place that is not the member's own. */
static bool
may(struct turn *x, uint64_t user)
{
	const struct effect *e = x->e;
	const struct permission *permission;
	struct subject s;
	struct record r;
	struct err ignored;

	return (e->q.scope == 0 || record_get(x->o, e->q.scope, &r)) && record_get(x->o, user, &r) &&
	       record_bool(e->d->schema, &r, e->d->at.user_active, true) &&
	       subject_of_member(e->d, x->o, e->arena, user, e->now, &s, &ignored) == RC_OK &&
	       (permission = model_permission(s.model, e->q.permission)) != NULL &&
	       subject_may(&s, permission->id, e->q.scope, false, NULL);
}

static void
look(struct turn *x, uint64_t user)
{
	uint64_t one = 1, *rows = &one;
	size_t n = x->e->q.kind == EFFECT_MEMBERSHIP ? groups_of(x, user, &rows) : may(x, user);

	told_hold(x->e, x->o, user, rows, n);
	arena_clear(x->e->arena);
}

static bool
look_at_users(struct turn *x)
{
	struct effect *e = x->e;
	uint64_t row;

	while (!time_is_up(x)) {
		if (e->users.count > 0) {
			look(x, e->users.rows[--e->users.count]);
		} else if (e->all) {
			e->all = rows_list(x->o, TYPE_USER, e->all_after, 0, &row, 1) == 1;
			if (e->all)
				look(x, e->all_after = row);
		} else {
			return true;
		}
	}
	return false;
}

/* ---- Turns ---- */

/* A first look is at everybody, and the journal is read from then on. */
static void
begin(struct turn *x)
{
	x->e->begun = true;
	x->e->read = orgtx_stat(x->o)->revision;
	x->e->times = x->e->q.kind == EFFECT_PERMISSION;
	concern_all(x->e);
}

/* By the clock something may have happened at the newest revision before anybody looked. */
static bool
clock_unseen(struct turn *x)
{
	struct journal_entry entry;

	return x->e->last_boundary > 0 && (!journal_get(x->o, x->e->read, &entry) || x->e->last_boundary >= entry.actor.now);
}

bool
effect_turn(struct effect *e, struct txn *t, int64_t now, bool *told)
{
	struct turn x = { e, orgtx_open(t, e->q.org), clock_us() + TURN_US, 0 };

	*told = false;
	if (!look_at_org(&x))
		return false;
	if (e->now == 0)
		e->now = now;
	if (!e->begun)
		begin(&x);
	if (!read_times(&x) || !read_journal(&x))
		return true;
	read_clock(&x);
	if (!walk_groups(&x) || !look_at_users(&x))
		return true;
	*told = told_publish(e, e->read, e->now, clock_unseen(&x));
	e->now = 0;
	return false;
}

int64_t
effect_due(const struct effect *e)
{
	return e->heap_count > 0 ? e->heap[0].when : 0;
}

/* ---- Life ---- */

struct effect *
effect_new(const struct directory *d, const struct effect_question *q)
{
	struct effect *e = calloc(1, sizeof(*e));

	if (e == NULL)
		abort();
	e->d = d;
	e->q = *q;
	e->arena = arena_new();
	pthread_mutex_init(&e->lock, NULL);
	return e;
}

void
effect_free(struct effect *e)
{
	if (e == NULL)
		return;
	for (size_t i = 0; i < e->parts_count; i++)
		free(e->parts[e->parts_at + i].events);
	free(e->parts);
	free(e->pending);
	free(e->heap);
	free(e->users.rows);
	free(e->groups.rows);
	held_free(&e->held);
	held_free(&e->seen);
	arena_free(e->arena);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

const struct effect_question *
effect_question(const struct effect *e)
{
	return &e->q;
}
