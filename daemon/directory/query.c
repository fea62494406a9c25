#include "daemon/directory/query.h"

#include <inttypes.h>
#include <stdlib.h>

#include "daemon/directory/plan.h"
#include "daemon/directory/rules.h"

#include "base/banned.h"

/* Above so many candidates a sorted query walks the sort attribute's index instead of sorting what it found. */
enum { SORT_IN_MEMORY = 5000, SCRATCH_KEPT = 256 * 1024 };

/* What query_position.stage says. */
enum stage {
	STAGE_FIRST,    /* sorted: values (ascending), or resources without one (descending) */
	STAGE_SECOND,   /* sorted: the others */
	STAGE_BY_ROW,   /* not sorted */
	STAGE_BY_RANGE, /* not sorted, by the index that served the filter */
};

struct search {
	const struct directory *d;
	struct orgtx *o;
	struct arena *a, *scratch;
	const struct query *q;
	uint64_t limit; /* how many to examine */
	uint64_t examined;
	uint64_t row;   /* under test: for the filter's questions about edges */
	bool over;      /* a group under test has too many members to look at */
};

/* What is cheaper than to examine a resource: so many elements of a list, steps of an index, edges count as one. */
enum { ELEMENTS_AS_ONE = 4, STEPS_AS_ONE = 8, EDGES_AS_ONE = 16 };

static bool
spent(const struct search *s)
{
	return s->over || s->examined > s->limit;
}

/* ---- Testing one candidate ---- */

static const struct node *
load_edges(void *ctx, const struct attr *attr)
{
	struct search *s = ctx;
	bool over;
	const struct node *list = edge_nodes(s->d, s->o, s->scratch, attr, s->row, s->limit, &over);
	uint64_t elements = 0;

	s->over = s->over || over;
	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
		elements++;
	s->examined += elements / ELEMENTS_AS_ONE;
	return list;
}

static bool
has_edge(void *ctx, const struct attr *attr, struct slice id)
{
	struct search *s = ctx;
	struct membership *groups;
	struct uuid uuid;
	uint64_t other;
	size_t n;

	if (id.p == NULL) /* any at all */
		return edge_count(s->o, attr->source == SOURCE_MEMBERS ? EDGE_MEMBERS : EDGE_GROUPS, s->row) > 0;
	if (!uuid_parse(id, &uuid) || !row_by_id(s->o, &uuid, &other))
		return false;
	if (attr->source == SOURCE_MEMBERS)
		return edge_has(s->o, s->row, other);
	n = membership_list(s->o, s->scratch, s->row, &groups);
	s->examined += n / EDGES_AS_ONE;
	for (size_t i = 0; i < n; i++)
		if (groups[i].group == other)
			return true;
	return false;
}

static void
make_room(struct search *s)
{
	if (arena_used(s->scratch) > SCRATCH_KEPT)
		arena_clear(s->scratch);
}

static bool
matches(struct search *s, uint64_t row)
{
	struct filter_source source = { .ctx = s, .load = load_edges, .has = has_edge };
	struct record r;
	const struct node *root;

	s->examined++;
	if (s->q->filter == NULL && s->q->by == NULL)
		return true;
	make_room(s);
	if (!record_get(s->o, row, &r) || (s->q->by != NULL && !subject_sees(s->q->by, row, &r)))
		return false;
	if (s->q->filter == NULL)
		return true;
	s->row = row;
	record_live(s->d, s->o, s->scratch, s->q->now, row, &r);
	root = record_unpack(s->scratch, s->d->schema, &r, s->q->space);
	return root != NULL && filter_match(s->q->filter, root, &source, s->scratch);
}

/* A record stands in the index of a multi-valued attribute once for each value. Only the first of its entries in the
 * range counts, or it would be found several times. */
static bool
is_first_entry(struct search *s, const struct source *src, uint64_t row, struct slice key)
{
	struct index_key *keys;
	struct record r;
	size_t n;

	if (src->kind != CANDIDATES_RANGE || (!src->attr->multi && !src->attr->parent->multi))
		return true;
	make_room(s);
	if (!record_get(s->o, row, &r))
		return false;
	n = record_index_keys(s->scratch, s->d->schema, &r, &keys);
	for (size_t i = 0; i < n; i++)
		if (keys[i].attr_id == src->attr->id && source_in_range(src, keys[i].key) &&
			slice_cmp(keys[i].key, key) < 0) {
			s->examined++; /* one resource may have a thousand entries */
			return false;
		}
	return true;
}

static enum rc
too_many(const struct search *s, struct err *err)
{
	return fail(err, RC_TOO_MANY, "",
		"the query would examine more than %" PRIu64 " resources; filter by an indexed attribute "
		"(id, userName, externalId, emails.value, displayName, name.familyName, active, "
		"meta.lastModified, members) or page by cursor", s->d->scan_limit);
}

static struct query_position
position_at(struct arena *a, enum stage stage, struct slice key, uint64_t row)
{
	struct slice copy = { NULL, 0 };

	if (key.p != NULL)
		copy = arena_dup(a, key);
	return (struct query_position){ (unsigned char)stage, copy, row };
}

/* ---- Not sorted ---- */

static void
end_page(struct search *s, struct query_page *out, enum stage stage, struct slice key, uint64_t row)
{
	out->more = true;
	out->next = position_at(s->a, stage, key, row);
}

/* One page by cursor from one source, behind what the page holds already. Ends the page early when it has examined enough: the
 * client goes on from there. */
static void
page_by_cursor(struct search *s, struct source *src, enum stage stage, struct query_page *out)
{
	struct query_position last = { (unsigned char)stage, { NULL, 0 }, 0 };
	struct slice key;
	uint64_t row;

	while (source_next(src, s->o, &row, &key)) {
		bool match = is_first_entry(s, src, row, key) && matches(s, row);

		if (match && out->count == s->q->count) {
			out->more = true;
			out->next = last;
			return;
		}
		if (match)
			out->positions[out->count] = last = position_at(s->a, stage, key, row);
		if (match)
			out->rows[out->count++] = row;
		if (s->over)
			return;
		if (s->examined >= s->limit) {
			s->over = s->q->quick > 0;
			end_page(s, out, stage, key, row);
			return;
		}
	}
}

/* One page by index; *passed counts the matches before it, over all stages. */
static enum rc
page_by_index(struct search *s, struct source *src, uint64_t *passed, struct query_page *out, struct err *err)
{
	struct slice key;
	uint64_t row;

	while (source_next(src, s->o, &row, &key)) {
		bool match = is_first_entry(s, src, row, key) && matches(s, row);

		if (spent(s))
			return too_many(s, err);
		if (!match)
			continue;
		out->total++;
		if (*passed < s->q->skip)
			++*passed;
		else if (out->count < s->q->count)
			out->rows[out->count++] = row;
	}
	return RC_OK;
}

/* All candidates match, and their number is known: only the page is touched. */
static void
page_exact(struct search *s, struct source *src, struct query_page *out)
{
	struct slice key;
	uint64_t row;

	out->total = src->estimate;
	source_skip(src, s->o, s->q->skip);
	while (out->count < s->q->count && source_next(src, s->o, &row, &key))
		out->rows[out->count++] = row;
}

static enum rc
run_unsorted(struct search *s, struct source *src, struct query_page *out, struct err *err)
{
	enum stage stage = src->kind == CANDIDATES_RANGE ? STAGE_BY_RANGE : STAGE_BY_ROW;
	uint64_t passed = 0;

	out->total_known = src->exact || !s->q->by_cursor;
	if (s->q->by_cursor) {
		out->total = src->estimate;
		if (s->q->after != NULL)
			source_start_after(src, s->q->after->key, s->q->after->row);
		page_by_cursor(s, src, stage, out);
		return s->over ? too_many(s, err) : RC_OK;
	}
	if (src->exact) {
		page_exact(s, src, out);
		return RC_OK;
	}
	return page_by_index(s, src, &passed, out, err);
}

/* ---- Sorted, over the attribute's index ---- */

/* Walks every resource and leaves those that have the attribute to the other stage. */
static bool
lacks_value(struct search *s, uint64_t row)
{
	struct index_key *keys;
	struct record r;
	size_t n;

	if (!record_get(s->o, row, &r))
		return false;
	n = record_index_keys(s->scratch, s->d->schema, &r, &keys);
	for (size_t i = 0; i < n; i++)
		if (keys[i].attr_id == s->q->sort->id)
			return false;
	return true;
}

/* The resources without a value, gathered: a source by row. */
static enum rc
source_without_value(struct search *s, struct source *out, struct err *err)
{
	uint8_t type = s->q->type->code;
	uint64_t total = rows_count(s->o, type), after = 0, batch[128];
	size_t n, cap = 0;

	*out = (struct source){ .kind = CANDIDATES_LIST, .type = s->q->type };
	if (s->q->sort->required || s->q->sort->source == SOURCE_HEADER)
		return RC_OK;
	if (total > s->d->scan_limit)
		return fail(err, RC_TOO_MANY, "sortBy",
			"among more than %" PRIu64 " resources only attributes that each of them has can "
			"sort (userName, meta.lastModified; displayName of groups)", s->d->scan_limit);
	if (total > s->limit)
		return too_many(s, err);
	while ((n = rows_list(s->o, type, after, 0, batch, 128)) > 0) {
		for (size_t i = 0; i < n; i++) {
			make_room(s);
			if (!lacks_value(s, batch[i]))
				continue;
			out->list = arena_grow(s->a, out->list, out->list_count, &cap, sizeof(*out->list));
			out->list[out->list_count++] = batch[i];
		}
		after = batch[n - 1];
	}
	return RC_OK;
}

static enum rc
stage_source(struct search *s, const struct source *chosen, enum stage stage, struct source *out, struct err *err)
{
	/* RFC 7644 section 3.4.2.3: resources without the value come last ascending, first descending. */
	bool values = (stage == STAGE_FIRST) != s->q->descending;

	if (values) {
		plan_ordered(chosen, s->q->sort, s->q->descending, out);
		return RC_OK;
	}
	if (chosen->kind == CANDIDATES_RANGE && chosen->attr == s->q->sort) {
		*out = (struct source){ .kind = CANDIDATES_NONE }; /* the filter asks for a value */
		return RC_OK;
	}
	return source_without_value(s, out, err);
}

static enum rc
run_ordered(struct search *s, const struct source *chosen, struct query_page *out, struct err *err)
{
	const struct query_position *after = s->q->after;
	uint64_t passed = 0;
	enum rc rc;

	out->total = chosen->estimate;
	out->total_known = chosen->exact;
	for (enum stage stage = STAGE_FIRST; stage <= STAGE_SECOND; stage++) {
		struct source src;

		if (after != NULL && after->stage > stage)
			continue;
		if (!s->q->by_cursor && s->q->filter == NULL && s->q->by == NULL && out->count == s->q->count)
			break;
		if ((rc = stage_source(s, chosen, stage, &src, err)) != RC_OK)
			return rc;
		if (after != NULL && after->stage == stage)
			source_start_after(&src, after->key, after->row);
		if (s->q->by_cursor) {
			page_by_cursor(s, &src, stage, out);
			if (out->more)
				break;
		} else if (s->q->filter == NULL && s->q->by == NULL) {
			struct slice key;
			uint64_t row;

			while (out->count < s->q->count && source_next(&src, s->o, &row, &key)) {
				if (passed >= s->q->skip)
					out->rows[out->count++] = row;
				else if (++passed / STEPS_AS_ONE > s->limit && s->q->quick > 0)
					return too_many(s, err);
			}
		} else {
			out->total = stage == STAGE_FIRST ? 0 : out->total;
			out->total_known = true;
			if ((rc = page_by_index(s, &src, &passed, out, err)) != RC_OK)
				return rc;
		}
	}
	return s->over ? too_many(s, err) : RC_OK;
}

/* ---- Sorted in memory ---- */

struct sorted {
	struct slice key;
	uint64_t row;
	bool has, descending;
};

/* By (stage, key, row), as the index would give them. */
static int
sorted_order(const void *left, const void *right)
{
	const struct sorted *a = left, *b = right;
	int order;

	if (a->has != b->has)
		return (a->has ? -1 : 1) * (a->descending ? -1 : 1);
	order = a->has ? slice_cmp(a->key, b->key) : 0;
	if (order == 0)
		order = a->row < b->row ? -1 : a->row > b->row;
	return a->has && a->descending ? -order : order;
}

/* The value that sorts: of a multi-valued attribute the primary one, else the first (RFC 7644 section 3.4.2.3). */
static const struct node *
sort_value(const struct node *root, const struct attr *attr)
{
	const struct attr *outer = attr->parent != NULL && attr->parent->multi ? attr->parent : attr;
	const struct node *n = node_find(root, outer), *chosen;

	if (n == NULL || n->kind == NODE_VALUE)
		return n;
	if (n->kind != NODE_LIST)
		return NULL;
	chosen = n->child;
	for (const struct node *e = n->child; e != NULL && e->kind == NODE_OBJECT; e = e->next) {
		const struct attr *primary = attr_sub(outer, SLICE("primary"));
		const struct node *flag = primary != NULL ? node_child(e, primary) : NULL;

		if (flag != NULL && flag->boolean) {
			chosen = e;
			break;
		}
	}
	if (chosen == NULL || chosen->kind == NODE_VALUE)
		return chosen;
	return attr == outer ? NULL : node_child(chosen, attr);
}

static struct sorted
sort_key(struct search *s, uint64_t row)
{
	struct sorted out = { .row = row, .descending = s->q->descending };
	const struct node *root, *value;
	struct record r;
	struct slice key;

	if (!record_get(s->o, row, &r))
		return out;
	record_live(s->d, s->o, s->scratch, s->q->now, row, &r);
	if ((root = record_unpack(s->scratch, s->d->schema, &r, s->q->space)) == NULL)
		return out;
	value = sort_value(root, s->q->sort);
	out.has = value != NULL && index_key_of(s->scratch, s->q->sort, s->q->space, value, false, &key);
	if (out.has)
		out.key = arena_dup(s->a, key);
	return out;
}

/* How many of the sorted entries lie at or before a position. */
static size_t
behind(const struct search *s, const struct sorted *list, size_t n, const struct query_position *after)
{
	bool has = (after->stage == STAGE_FIRST) != s->q->descending;
	struct sorted at = { after->key, after->row, has, s->q->descending };
	size_t passed = 0;

	while (passed < n && sorted_order(&list[passed], &at) <= 0)
		passed++;
	return passed;
}

static struct query_position
position_of(const struct search *s, const struct sorted *x)
{
	return (struct query_position){ x->has != s->q->descending ? STAGE_FIRST : STAGE_SECOND, x->key, x->row };
}

static enum rc
run_sorted(struct search *s, struct source *src, struct query_page *out, struct err *err)
{
	struct sorted *list = NULL;
	size_t n = 0, cap = 0, from;
	struct slice key;
	uint64_t row;

	while (source_next(src, s->o, &row, &key)) {
		bool match = is_first_entry(s, src, row, key) && matches(s, row);

		if (spent(s))
			return too_many(s, err);
		if (!match)
			continue;
		list = arena_grow(s->a, list, n, &cap, sizeof(*list));
		list[n++] = sort_key(s, row);
	}
	if (n > 0)
		qsort(list, n, sizeof(*list), sorted_order);
	out->total = n;
	out->total_known = true;
	from = s->q->after != NULL ? behind(s, list, n, s->q->after)
		: s->q->skip < n   ? (size_t)s->q->skip : n;
	for (; from < n && out->count < s->q->count; from++) {
		if (s->q->by_cursor)
			out->positions[out->count] = position_of(s, &list[from]);
		out->rows[out->count++] = list[from].row;
	}
	if (s->q->by_cursor && from < n && from > 0) {
		out->more = true;
		out->next = position_of(s, &list[from - 1]);
	}
	return RC_OK;
}

/* ---- */

static bool
can_walk(const struct query *q, const struct source *chosen)
{
	const struct attr *sort = q->sort;

	if (!sort->indexed || sort->live || sort->multi || sort->source == SOURCE_SPACE ||
		(sort->parent != NULL && sort->parent->multi))
		return false;
	return chosen->estimate > SORT_IN_MEMORY;
}

enum rc
query_sort(const struct resource_type *type, struct slice name, const struct attr **out, struct err *err)
{
	const struct attr *attr = attr_find(type, name);

	if (attr != NULL && attr->type == ATTR_COMPLEX && attr->multi)
		attr = attr_sub(attr, SLICE("value"));
	if (attr == NULL || attr->type == ATTR_COMPLEX || attr->returned == RETURNED_NEVER ||
		(attr->parent != NULL &&
			(attr->parent->source == SOURCE_MEMBERS || attr->parent->source == SOURCE_GROUPS)))
		return fail(err, RC_INVALID_VALUE, "sortBy", "can't sort %.*s by \"%.*s\"",
			SLICE_ARG(type->name), SLICE_ARG(slice_clip(name, 100)));
	*out = attr;
	return RC_OK;
}

enum rc
query_run(const struct directory *d, struct orgtx *o, struct arena *a, const struct query *q,
	struct query_page *out, struct err *err)
{
	struct search s = { .d = d, .o = o, .a = a, .q = q, .scratch = arena_new(),
		.limit = q->quick > 0 && q->quick < d->scan_limit ? q->quick : d->scan_limit };
	enum plan_order order = ORDER_ANY;
	uint64_t *mine;
	struct source src;
	size_t count;
	enum rc rc;

	*out = (struct query_page){ .rows = ARENA_ARRAY(a, uint64_t, q->count + 1) };
	if (q->by_cursor)
		out->positions = ARENA_ARRAY(a, struct query_position, q->count + 1);
	if (q->sort == NULL && q->after != NULL)
		order = q->after->stage == STAGE_BY_RANGE ? ORDER_BY_RANGE : ORDER_BY_ROW;
	plan_source(d, o, a, q->type, q->filter, q->space, order, q->quick, &src);
	if (q->by != NULL && q->type->code == TYPE_USER && q->by->member != 0) {
		/* Who may not see all members sees themselves. */
		src = (struct source){ .kind = CANDIDATES_LIST, .type = q->type, .list_count = 1, .estimate = 1 };
		src.list = ARENA_NEW(a, uint64_t);
		src.list[0] = q->by->member;
	}
	if (q->by != NULL && rules_of(q->type->code) != NULL && rules_of(q->type->code)->mine != NULL &&
		rules_of(q->type->code)->mine(q->by, &mine, &count))
		src = (struct source){ .kind = CANDIDATES_LIST, .type = q->type, .list = mine,
			.list_count = count, .estimate = count };
	if (q->by != NULL)
		src.exact = false;
	if (q->sort == NULL)
		rc = run_unsorted(&s, &src, out, err);
	else if (can_walk(q, &src))
		rc = run_ordered(&s, &src, out, err);
	else
		rc = run_sorted(&s, &src, out, err);
	arena_free(s.scratch);
	if (q->quick > 0 && (rc == RC_TOO_MANY || spent(&s))) {
		out->gave_up = true;
		return RC_OK;
	}
	return rc;
}
