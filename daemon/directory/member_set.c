#include "daemon/directory/member_set.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/banned.h"

/* The last word on one member. order keeps the words of one request apart. */
struct word {
	uint64_t row;
	uint32_t order;
	bool present;
};

struct member_set {
	struct arena *arena;
	struct word *words;
	size_t count, cap;
	bool cleared; /* what the group had is gone: only words with present count */
	uint64_t examined; /* by filters */
};

static void
say(struct member_set *s, uint64_t row, bool present)
{
	s->words = arena_grow(s->arena, s->words, s->count, &s->cap, sizeof(*s->words));
	s->words[s->count] = (struct word){ row, (uint32_t)s->count, present };
	s->count++;
}

static int
word_order(const void *left, const void *right)
{
	const struct word *a = left, *b = right;

	if (a->row != b->row)
		return a->row < b->row ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* Leaves one word a member, by rising row. */
static void
settle(struct member_set *s)
{
	size_t kept = 0;

	if (s->count == 0)
		return;
	qsort(s->words, s->count, sizeof(*s->words), word_order);
	for (size_t i = 0; i < s->count; i++)
		if (i + 1 == s->count || s->words[i + 1].row != s->words[i].row)
			s->words[kept++] = s->words[i];
	s->count = kept;
	for (size_t i = 0; i < kept; i++)
		s->words[i].order = (uint32_t)i;
}

/* Among the first n words, which are settled. */
static bool
has_word(const struct member_set *s, size_t n, uint64_t row)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->words[mid].row < row)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n && s->words[low].row == row;
}

static bool
member_row(struct orgtx *o, struct slice id, uint64_t *row)
{
	struct uuid uuid;

	return uuid_parse(id, &uuid) && row_by_id(o, &uuid, row);
}

static enum rc
add_ids(struct member_set *s, struct orgtx *o, const struct member_ids *ids, struct err *err)
{
	for (size_t i = 0; i < ids->count; i++) {
		uint64_t row;

		if (!member_row(o, ids->ids[i], &row))
			return fail(err, RC_INVALID_VALUE, "members",
				"there is no user or group with the id \"%.*s\" in this organization",
				(int)(ids->ids[i].len < 100 ? ids->ids[i].len : 100), ids->ids[i].p);
		say(s, row, true);
	}
	return RC_OK;
}

static void
remove_ids(struct member_set *s, struct orgtx *o, const struct member_ids *ids)
{
	for (size_t i = 0; i < ids->count; i++) {
		uint64_t row;

		if (member_row(o, ids->ids[i], &row))
			say(s, row, false);
	}
}

/* Elements of one request's filters are counted together: each filter may look at all members anew. */
static enum rc
spend(struct member_set *s, const struct directory *d, size_t elements, struct err *err)
{
	s->examined += elements;
	if (s->examined <= d->scan_limit)
		return RC_OK;
	return fail(err, RC_TOO_MANY, "members",
		"filters over members may examine %" PRIu64 " of them in one request; name the members by value",
		d->scan_limit);
}

/* A filter over members, at work on one request's set. */
struct sieve {
	const struct directory *d;
	struct orgtx *o;
	const struct attr *members;
	const struct filter *filter;
	struct member_set *set;
	struct arena *scratch;
};

static void
sift(const struct sieve *v, uint64_t row)
{
	const struct node *e = edge_node(v->d, v->o, v->scratch, v->members, row, true);

	if (e != NULL && filter_match_element(v->filter, e, v->scratch))
		say(v->set, row, false);
	arena_clear(v->scratch);
}

/* What the group holds in the store, on which the words said so far count for more. */
static enum rc
sift_held(const struct sieve *v, uint64_t group, size_t said, struct err *err)
{
	enum { STEP = 256 };
	uint64_t rows[STEP], after = 0;
	size_t n;
	enum rc rc;

	while ((n = edge_list(v->o, EDGE_MEMBERS, group, after, rows, STEP)) > 0) {
		if ((rc = spend(v->set, v->d, n, err)) != RC_OK)
			return rc;
		for (size_t i = 0; i < n; i++)
			if (!has_word(v->set, said, rows[i]))
				sift(v, rows[i]);
		after = rows[n - 1];
	}
	return RC_OK;
}

static enum rc
remove_if(const struct directory *d, struct orgtx *o, uint64_t group, const struct attr *members,
	const struct filter *filter, struct member_set *s, struct err *err)
{
	struct sieve v = { d, o, members, filter, s, arena_new() };
	enum rc rc = RC_OK;
	size_t said;

	settle(s);
	said = s->count;
	if (group != 0 && !s->cleared)
		rc = sift_held(&v, group, said, err);
	if (rc == RC_OK)
		rc = spend(s, d, said, err);
	for (size_t i = 0; rc == RC_OK && i < said; i++)
		if (s->words[i].present)
			sift(&v, s->words[i].row);
	settle(s);
	arena_free(v.scratch);
	return rc;
}

static enum rc
take_edit(const struct directory *d, struct orgtx *o, uint64_t group, const struct attr *members,
	const struct member_edit *edit, struct member_set *s, struct err *err)
{
	switch (edit->kind) {
	case MEMBER_ADD:
		return add_ids(s, o, &edit->members, err);
	case MEMBER_REMOVE:
		remove_ids(s, o, &edit->members);
		return RC_OK;
	case MEMBER_REMOVE_ALL:
		s->count = 0;
		s->cleared = true;
		return RC_OK;
	case MEMBER_REPLACE_ALL:
		s->count = 0;
		s->cleared = true;
		return add_ids(s, o, &edit->members, err);
	case MEMBER_REMOVE_IF:
		return remove_if(d, o, group, members, edit->filter, s, err);
	}
	return RC_OK;
}

/* Without "all": each word against its own edge. */
static void
diff_words(struct orgtx *o, struct arena *a, uint64_t group, const struct member_set *s,
	struct member_changes *out)
{
	out->remove = ARENA_ARRAY(a, uint64_t, s->count);
	for (size_t i = 0; i < s->count; i++) {
		const struct word *w = &s->words[i];
		bool has = group != 0 && edge_has(o, group, w->row);

		if (w->present && !has)
			out->add[out->add_count++] = w->row;
		else if (!w->present && has)
			out->remove[out->remove_count++] = w->row;
	}
}

/* Passes the words below row, keeping those that add; true when the word on row itself is "present". */
static bool
pass_words(const struct member_set *s, size_t *at, uint64_t row, struct member_changes *out)
{
	for (; *at < s->count && s->words[*at].row < row; ++*at)
		if (s->words[*at].present)
			out->add[out->add_count++] = s->words[*at].row;
	if (*at < s->count && s->words[*at].row == row)
		return s->words[(*at)++].present;
	return false;
}

/* After "all": a merge of what the group has with what it shall have, both rising. */
static void
diff_all(struct orgtx *o, struct arena *a, uint64_t group, const struct member_set *s,
	struct member_changes *out)
{
	enum { STEP = 4096 };
	uint64_t *had = ARENA_ARRAY(a, uint64_t, STEP), after = 0;
	size_t n, at = 0;

	out->remove = ARENA_ARRAY(a, uint64_t, group != 0 ? edge_count(o, EDGE_MEMBERS, group) : 0);
	while (group != 0 && (n = edge_list(o, EDGE_MEMBERS, group, after, had, STEP)) > 0) {
		for (size_t i = 0; i < n; i++)
			if (!pass_words(s, &at, had[i], out))
				out->remove[out->remove_count++] = had[i];
		after = had[n - 1];
	}
	(void)pass_words(s, &at, UINT64_MAX, out);
}

enum rc
member_changes_of(const struct directory *d, struct orgtx *o, struct arena *a, uint64_t group,
	const struct attr *members, const struct member_edit *edits, struct member_changes *out,
	struct err *err)
{
	struct member_set s = { .arena = a };

	*out = (struct member_changes){ .add = NULL };
	for (const struct member_edit *e = edits; e != NULL; e = e->next) {
		enum rc rc = take_edit(d, o, group, members, e, &s, err);

		if (rc != RC_OK)
			return rc;
	}
	settle(&s);
	out->add = ARENA_ARRAY(a, uint64_t, s.count);
	if (s.cleared)
		diff_all(o, a, group, &s, out);
	else
		diff_words(o, a, group, &s, out);
	return RC_OK;
}

enum rc
member_check_cycle(struct orgtx *o, struct arena *a, uint64_t group,
	const struct member_changes *changes, struct err *err)
{
	struct membership *above = NULL;
	size_t above_count = 0;
	bool asked = false;

	for (size_t i = 0; i < changes->add_count; i++) {
		bool cycle = changes->add[i] == group;

		if (row_type(changes->add[i]) != TYPE_GROUP)
			continue;
		/* A group that joins must not be one that this group is in already. */
		if (!asked)
			above_count = membership_list(o, a, group, &above);
		asked = true;
		for (size_t n = 0; n < above_count && !cycle; n++)
			cycle = above[n].group == changes->add[i];
		if (cycle)
			return fail(err, RC_INVALID_VALUE, "members",
				"a group can't be a member of itself, neither directly nor through "
				"other groups");
	}
	return RC_OK;
}
