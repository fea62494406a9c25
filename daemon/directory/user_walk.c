#include "daemon/directory/user_walk.h"

#include "daemon/directory/row_set.h"
#include "schema/model.h"

#include "base/banned.h"

/* Rows that all sources together hold at a time, and how many each does at least and at most. */
enum { ROWS_HELD = 1 << 16, ROWS_LEAST = 8, ROWS_MOST = 512 };

enum source_kind { FROM_GROUP, FROM_ROWS, FROM_ALL };

/* One sorted list, and the piece of it at hand: rows[at] is the next one, unless at == count, which is the end. */
struct source {
	enum source_kind kind;
	uint64_t group;
	const uint64_t *rows;
	uint64_t *room; /* NULL: the rows are all there are */
	size_t at, count;
	bool ended; /* nothing comes behind the piece at hand */
};

struct user_walk {
	struct arena *arena;
	uint64_t after; /* the last one that was given */
	struct source *sources;
	size_t count, cap;
	struct row_set groups; /* that are among the sources */
	struct source **heap;  /* the one with the lowest next row first; NULL: not begun */
	size_t heap_count, piece;
};

struct user_walk *
user_walk_new(struct arena *a, uint64_t after)
{
	struct user_walk *w = ARENA_NEW(a, struct user_walk);

	w->arena = a;
	w->after = after;
	w->groups.arena = a;
	return w;
}

static void
add_source(struct user_walk *w, const struct source *s)
{
	w->sources = arena_grow(w->arena, w->sources, w->count, &w->cap, sizeof(*w->sources));
	w->sources[w->count++] = *s;
}

void
user_walk_add_all(struct user_walk *w)
{
	add_source(w, &(struct source){ .kind = FROM_ALL });
}

void
user_walk_add_rows(struct user_walk *w, const uint64_t *rows, size_t count)
{
	add_source(w, &(struct source){ .kind = FROM_ROWS, .rows = rows, .count = count, .ended = true });
}

static void
add_group(struct user_walk *w, uint64_t group)
{
	if (row_set_add(&w->groups, group))
		add_source(w, &(struct source){ .kind = FROM_GROUP, .group = group });
}

/* Groups come behind users in a group's list. */
static void
add_groups_in(struct user_walk *w, struct orgtx *o, uint64_t group)
{
	enum { STEP = 64 };
	uint64_t rows[STEP], after = ((uint64_t)TYPE_GROUP << 56) - 1;
	size_t n;

	do {
		n = edge_list(o, EDGE_MEMBERS, group, after, rows, STEP);
		for (size_t i = 0; i < n; i++)
			if (row_type(rows[i]) == TYPE_GROUP)
				add_group(w, rows[i]);
		if (n > 0)
			after = rows[n - 1];
	} while (n == STEP);
}

void
user_walk_add_group(struct user_walk *w, struct orgtx *o, uint64_t group)
{
	size_t looked = w->count;

	add_group(w, group);
	for (; looked < w->count; looked++)
		add_groups_in(w, o, w->sources[looked].group);
}

/* ---- Reading ---- */

static size_t
users_of(const struct source *s, struct orgtx *o, uint64_t after, uint64_t *out, size_t max)
{
	size_t n = s->kind == FROM_ALL ? rows_list(o, TYPE_USER, after, 0, out, max)
				       : edge_list(o, EDGE_MEMBERS, s->group, after, out, max);

	while (n > 0 && row_type(out[n - 1]) != TYPE_USER)
		n--;
	return n;
}

/* The next row behind `after`, or the end. */
static void
source_advance(const struct user_walk *w, struct source *s, struct orgtx *o, uint64_t after)
{
	while (s->at < s->count && s->rows[s->at] <= after)
		s->at++;
	if (s->at < s->count || s->ended)
		return;
	if (s->room == NULL)
		s->rows = s->room = ARENA_ARRAY(w->arena, uint64_t, w->piece);
	s->count = users_of(s, o, after, s->room, w->piece);
	s->at = 0;
	s->ended = s->count < w->piece;
}

static uint64_t
head_of(const struct source *s)
{
	return s->rows[s->at];
}

/* The source at i is higher than it was. */
static void
sift_down(struct user_walk *w, size_t i)
{
	struct source *moved = w->heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < w->heap_count && head_of(w->heap[child + 1]) < head_of(w->heap[child]))
			child++;
		if (child >= w->heap_count || head_of(w->heap[child]) >= head_of(moved))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = moved;
}

/* One list of the store's: nothing is to be merged. */
static bool
is_plain(const struct user_walk *w)
{
	return w->count == 1 && w->sources[0].kind != FROM_ROWS;
}

static void
walk_begin(struct user_walk *w, struct orgtx *o)
{
	w->heap = ARENA_ARRAY(w->arena, struct source *, w->count + 1);
	w->piece = ROWS_HELD / (w->count + 1);
	if (w->piece < ROWS_LEAST)
		w->piece = ROWS_LEAST;
	if (w->piece > ROWS_MOST)
		w->piece = ROWS_MOST;
	if (is_plain(w))
		return;
	for (size_t i = 0; i < w->count; i++) {
		source_advance(w, &w->sources[i], o, w->after);
		if (w->sources[i].at < w->sources[i].count)
			w->heap[w->heap_count++] = &w->sources[i];
	}
	for (size_t i = w->heap_count / 2; i-- > 0;)
		sift_down(w, i);
}

static size_t
merge(struct user_walk *w, struct orgtx *o, uint64_t *out, size_t max)
{
	size_t n = 0;

	while (n < max && w->heap_count > 0) {
		struct source *s = w->heap[0];
		uint64_t row = head_of(s);

		if (row > w->after)
			out[n++] = w->after = row;
		source_advance(w, s, o, row);
		if (s->at == s->count)
			w->heap[0] = w->heap[--w->heap_count];
		if (w->heap_count > 0)
			sift_down(w, 0);
	}
	return n;
}

size_t
user_walk_next(struct user_walk *w, struct orgtx *o, uint64_t *out, size_t max)
{
	size_t n;

	if (w->heap == NULL)
		walk_begin(w, o);
	if (!is_plain(w))
		return merge(w, o, out, max);
	n = users_of(&w->sources[0], o, w->after, out, max);
	if (n > 0)
		w->after = out[n - 1];
	return n;
}
