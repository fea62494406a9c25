/* What is held, and what was told of it. */
#include "daemon/directory/effect_private.h"

#include <stdlib.h>

#include "base/banned.h"

static void *
grown(void *p, size_t size)
{
	if ((p = realloc(p, size)) == NULL)
		abort();
	return p;
}

void
row_list_add(struct row_list *l, uint64_t row)
{
	if (l->count > 0 && l->rows[l->count - 1] == row)
		return;
	if (l->count == l->cap) {
		l->cap = l->cap == 0 ? 64 : l->cap * 2;
		l->rows = grown(l->rows, l->cap * sizeof(*l->rows));
	}
	l->rows[l->count++] = row;
}

/* ---- The table ---- */

static size_t
slot_of(const struct held_table *t, uint64_t user)
{
	size_t at = (size_t)(user * 0x9E3779B97F4A7C15u >> 20) & (t->cap - 1);

	while (t->users[at] != 0 && t->users[at] != user)
		at = (at + 1) & (t->cap - 1);
	return at;
}

/* Those that hold nothing any more are left behind. */
static void
held_grow(struct held_table *t)
{
	struct held_table grow = { .cap = 64 };
	size_t live = 0;

	for (size_t i = 0; i < t->cap; i++)
		live += t->held[i] != NULL;
	while (grow.cap < 4 * (live + 1))
		grow.cap *= 2;
	grow.users = calloc(grow.cap, sizeof(*grow.users));
	grow.held = calloc(grow.cap, sizeof(*grow.held));
	if (grow.users == NULL || grow.held == NULL)
		abort();
	for (size_t i = 0; i < t->cap; i++)
		if (t->held[i] != NULL) {
			size_t at = slot_of(&grow, t->users[i]);

			grow.users[at] = t->users[i];
			grow.held[at] = t->held[i];
			grow.count++;
		}
	free(t->users);
	free(t->held);
	*t = grow;
}

const uint64_t *
held_get(const struct held_table *t, uint64_t user)
{
	return t->cap > 0 ? t->held[slot_of(t, user)] : NULL;
}

/* Takes held over. */
static void
held_set(struct held_table *t, uint64_t user, uint64_t *held)
{
	size_t at;

	if (2 * (t->count + 1) > t->cap)
		held_grow(t);
	at = slot_of(t, user);
	if (t->users[at] == 0)
		t->count++;
	t->users[at] = user;
	free(t->held[at]);
	t->held[at] = held;
}

bool
held_mark(struct held_table *t, uint64_t row)
{
	uint64_t *mark;

	if (held_get(t, row) != NULL)
		return false;
	if ((mark = calloc(1, sizeof(*mark))) == NULL)
		abort();
	held_set(t, row, mark);
	return true;
}

void
held_clear(struct held_table *t)
{
	for (size_t i = 0; i < t->cap; i++)
		free(t->held[i]);
	free(t->users);
	free(t->held);
	*t = (struct held_table){ .cap = 0 };
}

void
held_free(struct held_table *t)
{
	held_clear(t);
}

/* ---- Events ---- */

void
told_lose(struct effect *e)
{
	pthread_mutex_lock(&e->lock);
	e->lost = true;
	e->pending_count = 0;
	pthread_mutex_unlock(&e->lock);
}

static void
pending_add(struct effect *e, struct orgtx *o, bool gained, uint64_t group, const struct uuid *user)
{
	struct effect_event event = { .gained = gained, .user = *user };

	if (!e->ready || e->lost)
		return;
	if (e->pending_count == EFFECT_EVENTS || (e->q.kind == EFFECT_MEMBERSHIP && !row_id(o, group, &event.group))) {
		e->lost = true;
		e->pending_count = 0;
		return;
	}
	if (e->pending_count == e->pending_cap) {
		e->pending_cap = e->pending_cap == 0 ? 64 : e->pending_cap * 2;
		e->pending = grown(e->pending, e->pending_cap * sizeof(*e->pending));
	}
	e->pending[e->pending_count++] = event;
}

/* Both sorted. */
static void
compare(struct effect *e, struct orgtx *o, uint64_t user, const uint64_t *old, const uint64_t *new, size_t count)
{
	size_t i = 0, j = 0, old_count = old != NULL ? old[0] : 0;
	struct uuid id = { { 0 } };

	if (e->ready && !row_id(o, user, &id))
		e->lost = true;
	while (i < old_count || j < count) {
		if (j == count || (i < old_count && old[1 + i] < new[j]))
			pending_add(e, o, false, old[1 + i++], &id);
		else if (i == old_count || new[j] < old[1 + i])
			pending_add(e, o, true, new[j++], &id);
		else
			i++, j++;
	}
}

static bool
same(const uint64_t *old, const uint64_t *rows, size_t count)
{
	size_t old_count = old != NULL ? old[0] : 0;

	return old_count == count && (count == 0 || memcmp(old + 1, rows, count * sizeof(*rows)) == 0);
}

void
told_hold(struct effect *e, struct orgtx *o, uint64_t user, const uint64_t *rows, size_t count)
{
	const uint64_t *old = held_get(&e->held, user);
	uint64_t *held = NULL;

	if (same(old, rows, count))
		return;
	if (count > 0) {
		held = grown(NULL, (count + 1) * sizeof(*held));
		held[0] = count;
		memcpy(held + 1, rows, count * sizeof(*rows));
	}
	pthread_mutex_lock(&e->lock);
	compare(e, o, user, old, rows, count);
	held_set(&e->held, user, held);
	pthread_mutex_unlock(&e->lock);
}

/* ---- Parts ---- */

static void
drop_first(struct effect *e)
{
	struct told_part *p = &e->parts[e->parts_at++];
	uint64_t least = p->clock ? p->revision + 1 : p->revision;

	if (e->least < least)
		e->least = least;
	e->event_count -= p->count;
	e->parts_count--;
	e->first_serial++;
	free(p->events);
}

static void
add_part(struct effect *e, uint64_t revision, int64_t now)
{
	struct told_part p = { .revision = revision, .time = now, .clock = revision == e->at, .count = e->pending_count };

	while (e->parts_count > 0 && (e->event_count + p.count > EFFECT_EVENTS || e->parts_count == EFFECT_PARTS))
		drop_first(e);
	if (e->parts_at + e->parts_count == e->parts_cap) {
		if (e->parts_at > e->parts_cap / 2) {
			memmove(e->parts, e->parts + e->parts_at, e->parts_count * sizeof(p));
			e->parts_at = 0;
		} else {
			e->parts_cap = e->parts_cap == 0 ? 64 : e->parts_cap * 2;
			e->parts = grown(e->parts, e->parts_cap * sizeof(p));
		}
	}
	p.events = grown(NULL, p.count * sizeof(*p.events));
	memcpy(p.events, e->pending, p.count * sizeof(*p.events));
	e->parts[e->parts_at + e->parts_count++] = p;
	e->event_count += p.count;
}

static void
forget_parts(struct effect *e, uint64_t least)
{
	while (e->parts_count > 0)
		drop_first(e);
	e->first_serial++; /* who had read all has missed something, too */
	e->least = least;
}

static void
pending_clear(struct effect *e)
{
	e->pending_count = 0;
	if (e->pending_cap > 4096) {
		free(e->pending);
		e->pending = NULL;
		e->pending_cap = 0;
	}
}

bool
told_publish(struct effect *e, uint64_t revision, int64_t now, bool apart)
{
	bool news;

	pthread_mutex_lock(&e->lock);
	news = !e->ready || e->lost || e->pending_count > 0 || revision != e->at;
	if (!e->ready)
		e->least = revision + apart;
	else if (e->lost)
		forget_parts(e, revision + (revision == e->at));
	else if (e->pending_count > 0)
		add_part(e, revision, now);
	e->ready = true;
	e->lost = false;
	e->at = revision;
	e->told += news;
	pending_clear(e);
	pthread_mutex_unlock(&e->lock);
	return news;
}

/* ---- Readers ---- */

enum effect_answer
effect_after(struct effect *e, uint64_t revision, struct effect_cursor *out, uint64_t *least)
{
	enum effect_answer answer = EFFECT_OK;
	size_t i = 0;

	pthread_mutex_lock(&e->lock);
	*least = e->least;
	if (!e->ready || revision > e->at)
		answer = EFFECT_NOT_YET;
	else if (revision < e->least)
		answer = EFFECT_TOO_OLD;
	/* What the clock brought at the revision may have been read, or not: it is told again. */
	for (; answer == EFFECT_OK && i < e->parts_count; i++) {
		const struct told_part *p = &e->parts[e->parts_at + i];

		if (p->revision > revision || (p->revision == revision && p->clock))
			break;
	}
	*out = (struct effect_cursor){ .serial = e->first_serial + i, .at = revision };
	pthread_mutex_unlock(&e->lock);
	return answer;
}

enum effect_answer
effect_end(struct effect *e, struct effect_cursor *out)
{
	bool ready;

	pthread_mutex_lock(&e->lock);
	ready = e->ready;
	*out = (struct effect_cursor){ .serial = e->first_serial + e->parts_count, .at = e->at };
	pthread_mutex_unlock(&e->lock);
	return ready ? EFFECT_OK : EFFECT_NOT_YET;
}

static void
read_part(const struct told_part *p, struct effect_cursor *c, struct effect_event *out, size_t max, struct effect_part *part)
{
	size_t left = p->count - c->event;

	part->revision = p->revision;
	part->time = p->time;
	part->count = left < max ? left : max;
	part->whole = part->count == left;
	memcpy(out, p->events + c->event, part->count * sizeof(*out));
	c->event += part->count;
	if (!part->whole)
		return;
	c->serial++;
	c->event = 0;
	c->at = p->revision;
}

enum effect_answer
effect_read(struct effect *e, struct effect_cursor *c, struct effect_event *out, size_t max, struct effect_part *part,
	uint64_t *least)
{
	enum effect_answer answer = EFFECT_OK;

	*part = (struct effect_part){ .revision = 0 };
	pthread_mutex_lock(&e->lock);
	*least = e->least;
	if (c->serial < e->first_serial)
		answer = EFFECT_TOO_OLD;
	else if (c->serial < e->first_serial + e->parts_count)
		read_part(&e->parts[e->parts_at + (c->serial - e->first_serial)], c, out, max, part);
	else
		c->at = e->at;
	pthread_mutex_unlock(&e->lock);
	return answer;
}

size_t
effect_held(struct effect *e, uint64_t user, uint64_t after, uint64_t *out, size_t max)
{
	const uint64_t *held;
	size_t n = 0;

	pthread_mutex_lock(&e->lock);
	if ((held = held_get(&e->held, user)) != NULL)
		for (size_t i = 1; i <= held[0] && n < max; i++)
			if (held[i] > after)
				out[n++] = held[i];
	pthread_mutex_unlock(&e->lock);
	return n;
}

bool
effect_settled(struct effect *e, uint64_t *mark, uint64_t *revision)
{
	bool settled;

	pthread_mutex_lock(&e->lock);
	if (*mark == 0)
		*mark = e->told;
	settled = (e->pending_count == 0 && !e->lost) || e->told > *mark;
	*revision = e->at;
	pthread_mutex_unlock(&e->lock);
	return settled;
}
