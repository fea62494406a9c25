#include "daemon/directory/plan.h"

#include <stdlib.h>

#include "base/banned.h"

/* An `or` is served by its branches together up to so many rows, those of `or`s within it counted again. */
enum { UNION_MAX = 100000 };

struct planner {
	const struct directory *d;
	struct orgtx *o;
	struct arena *a;
	const struct resource_type *type;
	uint32_t space;
	enum plan_order order;
	uint64_t gather; /* rows that may still be gathered */
};

static struct source
none_of(const struct planner *p)
{
	return (struct source){ .kind = CANDIDATES_NONE, .type = p->type, .exact = true };
}

static struct source
one_row(const struct planner *p, uint64_t row)
{
	struct source s = { .kind = CANDIDATES_LIST, .type = p->type, .list_count = 1, .estimate = 1,
		.exact = true };

	s.list = ARENA_NEW(p->a, uint64_t);
	s.list[0] = row;
	return s;
}

static struct source
edges_to(const struct planner *p, enum edge_direction direction, uint64_t row)
{
	return (struct source){ .kind = CANDIDATES_EDGES, .type = p->type, .direction = direction,
		.row = row, .estimate = edge_count(p->o, direction, row), .exact = true };
}

static bool
row_of_id(const struct planner *p, struct slice text, uint64_t *row)
{
	struct uuid id;

	return uuid_parse(text, &id) && row_by_id(p->o, &id, row);
}

/* Whether a group holds groups, or is held by edges of groups: then `groups` of a user may name it indirectly,
 * which the group's own edges do not tell. Rows of groups sort behind those of users. */
static bool
holds_groups(const struct planner *p, uint64_t group)
{
	uint64_t row;

	return edge_list(p->o, EDGE_MEMBERS, group, (uint64_t)TYPE_GROUP << 56, &row, 1) > 0;
}

/* `members eq "id"`, `groups.value eq "id"`. */
static bool
plan_edge(const struct planner *p, const struct filter *f, struct source *out)
{
	const struct attr *edge = f->attr->parent;
	uint64_t row;

	if (f->op != FILTER_EQ || f->attr != attr_sub(edge, SLICE("value")))
		return false;
	if (!row_of_id(p, f->value->text, &row)) {
		*out = none_of(p);
		return true;
	}
	if (edge->source == SOURCE_MEMBERS) {
		*out = edges_to(p, EDGE_GROUPS, row);
		return true;
	}
	if (row_type(row) != TYPE_GROUP || holds_groups(p, row))
		return false;
	*out = edges_to(p, EDGE_MEMBERS, row);
	return true;
}

/* Behind all keys that start with this one: no UTF-8 text holds the byte 0xFF. Keys of other types have a fixed length. */
static struct slice
key_end(struct arena *a, struct slice key)
{
	char *p = arena_alloc(a, key.len + 1);

	memcpy(p, key.p, key.len);
	p[key.len] = '\xFF';
	return (struct slice){ p, key.len + 1 };
}

static bool
plan_range(const struct planner *p, const struct filter *f, struct source *out)
{
	struct slice key;

	if (f->attr->source == SOURCE_SPACE || p->order == ORDER_BY_ROW ||
		!index_key_of(p->a, f->attr, p->space, f->value, true, &key))
		return false;
	*out = (struct source){ .kind = CANDIDATES_RANGE, .type = p->type, .attr = f->attr,
		.estimate = rows_count(p->o, p->type->code) / 4 + 1 };
	switch (f->op) {
	case FILTER_SW:
		out->lower = key;
		out->upper = key_end(p->a, key);
		return key.len > 0;
	case FILTER_GT:
	case FILTER_GE:
		out->lower = key;
		return true;
	case FILTER_LT:
	case FILTER_LE:
		out->upper = key_end(p->a, key);
		return true;
	case FILTER_EQ:
	case FILTER_NE:
	case FILTER_CO:
	case FILTER_EW:
		break;
	}
	return false;
}

static bool
plan_compare(const struct planner *p, const struct filter *f, struct source *out)
{
	const struct attr *parent = f->attr->parent;
	struct slice key;
	uint64_t row;

	if (f->value == NULL)
		return false;
	if (f->attr == p->type->id && f->op == FILTER_EQ) {
		*out = row_of_id(p, f->value->text, &row) && row_type(row) == p->type->code
			? one_row(p, row) : none_of(p);
		return true;
	}
	if (parent != NULL && (parent->source == SOURCE_MEMBERS || parent->source == SOURCE_GROUPS))
		return plan_edge(p, f, out);
	if (!f->attr->indexed || f->attr->live)
		return false;
	if (f->op != FILTER_EQ)
		return plan_range(p, f, out);
	if (!index_key_of(p->a, f->attr, p->space, f->value, false, &key)) {
		*out = none_of(p);
		return true;
	}
	*out = (struct source){ .kind = CANDIDATES_KEY, .type = p->type, .attr = f->attr, .key = key,
		.estimate = index_count(p->o, f->attr->id, p->type->code, key), .exact = true };
	return true;
}

static bool plan_term(struct planner *p, const struct filter *f, struct source *out);

static int
row_order(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

/* Both branches must be served; their rows are taken together. */
static bool
plan_or(struct planner *p, const struct filter *f, struct source *out)
{
	struct source branch[2];
	struct slice key;
	size_t n = 0, kept = 0, room;
	uint64_t *rows;

	if (!plan_term(p, f->left, &branch[0]) || !plan_term(p, f->right, &branch[1]) ||
		branch[0].kind == CANDIDATES_RANGE || branch[1].kind == CANDIDATES_RANGE ||
		branch[0].estimate + branch[1].estimate > p->gather)
		return false;
	room = (size_t)(branch[0].estimate + branch[1].estimate);
	p->gather -= room;
	rows = ARENA_ARRAY(p->a, uint64_t, room + 1);
	for (int i = 0; i < 2; i++)
		while (n < room && source_next(&branch[i], p->o, &rows[n], &key))
			n++;
	qsort(rows, n, sizeof(*rows), row_order);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || rows[i] != rows[i - 1])
			rows[kept++] = rows[i];
	*out = (struct source){ .kind = CANDIDATES_LIST, .type = p->type, .list = rows,
		.list_count = kept, .estimate = kept, .exact = branch[0].exact && branch[1].exact };
	return true;
}

/* Either branch will do: the one with fewer candidates. */
static bool
plan_and(struct planner *p, const struct filter *f, struct source *out)
{
	struct source right;
	bool has = plan_term(p, f->left, out);

	if (plan_term(p, f->right, &right) && (!has || right.estimate < out->estimate)) {
		*out = right;
		has = true;
	}
	if (has)
		out->exact = out->kind == CANDIDATES_NONE;
	return has;
}

static bool
plan_term(struct planner *p, const struct filter *f, struct source *out)
{
	switch (f->kind) {
	case FILTER_AND:
		return plan_and(p, f, out);
	case FILTER_OR:
		return p->order != ORDER_BY_RANGE && plan_or(p, f, out);
	case FILTER_COMPARE:
		return plan_compare(p, f, out) &&
			(p->order != ORDER_BY_RANGE || out->kind == CANDIDATES_RANGE);
	case FILTER_ELEMENT:
		return plan_term(p, f->left, out);
	case FILTER_NOT:
	case FILTER_PRESENT:
		break;
	}
	return false;
}

void
plan_source(const struct directory *d, struct orgtx *o, struct arena *a, const struct resource_type *type,
	const struct filter *filter, uint32_t space, enum plan_order order, uint64_t gather,
	struct source *out)
{
	struct planner p = { d, o, a, type, space, order, gather > 0 ? gather : UNION_MAX };

	if (filter != NULL && plan_term(&p, filter, out))
		return;
	*out = (struct source){ .kind = CANDIDATES_ROWS, .type = type,
		.estimate = rows_count(o, type->code), .exact = filter == NULL };
}

void
plan_ordered(const struct source *chosen, const struct attr *attr, bool descending, struct source *out)
{
	*out = (struct source){ .kind = CANDIDATES_RANGE, .type = chosen->type, .attr = attr,
		.backward = descending };
	if (chosen->kind == CANDIDATES_RANGE && chosen->attr == attr) {
		out->lower = chosen->lower;
		out->upper = chosen->upper;
	}
}

/* ---- Walking ---- */

void
source_start_after(struct source *s, struct slice key, uint64_t row)
{
	if (s->kind == CANDIDATES_RANGE && key.p == NULL)
		return; /* the last page ended before this walk began */
	s->resumed = true;
	s->after_key = key;
	s->after = row;
	while (s->kind == CANDIDATES_LIST && s->at < s->list_count && s->list[s->at] <= row)
		s->at++;
}

void
source_skip(struct source *s, struct orgtx *o, uint64_t n)
{
	struct slice key;
	uint64_t row;

	if (s->kind == CANDIDATES_ROWS && n > 0) {
		/* The last one passed over is where the walk goes on. */
		if (rows_list(o, s->type->code, s->after, n - 1, &row, 1) == 1)
			s->after = row;
		else
			s->kind = CANDIDATES_NONE;
		return;
	}
	while (n-- > 0 && source_next(s, o, &row, &key)) {
	}
}

bool
source_in_range(const struct source *s, struct slice key)
{
	return slice_cmp(key, s->lower) >= 0 && (s->upper.p == NULL || slice_cmp(key, s->upper) <= 0);
}

static void
open_walk(struct source *s, struct orgtx *o)
{
	struct slice key = s->resumed ? s->after_key : s->backward ? s->upper : s->lower;
	uint64_t row = s->resumed ? s->after : s->backward ? UINT64_MAX : 0;

	s->walk = index_walk_open(o, s->attr->id, s->type->code, s->backward, key, row);
}

static bool
range_next(struct source *s, struct orgtx *o, uint64_t *row, struct slice *key)
{
	if (s->walk == NULL)
		open_walk(s, o);
	while (index_walk_next(s->walk, key, row)) {
		/* The entry where the last page ended was seen then. */
		if (s->resumed && *row == s->after && slice_eq(*key, s->after_key))
			continue;
		return source_in_range(s, *key);
	}
	return false;
}

static size_t
fill(struct source *s, struct orgtx *o)
{
	size_t max = sizeof(s->batch) / sizeof(s->batch[0]);

	switch (s->kind) {
	case CANDIDATES_ROWS:
		return rows_list(o, s->type->code, s->after, 0, s->batch, max);
	case CANDIDATES_KEY:
		return index_list(o, s->attr->id, s->type->code, s->key, s->after, s->batch, max);
	case CANDIDATES_EDGES:
		return edge_list(o, s->direction, s->row, s->after, s->batch, max);
	case CANDIDATES_NONE:
	case CANDIDATES_LIST:
	case CANDIDATES_RANGE:
		break;
	}
	return 0;
}

bool
source_next(struct source *s, struct orgtx *o, uint64_t *row, struct slice *key)
{
	*key = (struct slice){ NULL, 0 };
	if (s->kind == CANDIDATES_RANGE)
		return range_next(s, o, row, key);
	if (s->kind == CANDIDATES_LIST) {
		if (s->at == s->list_count)
			return false;
		*row = s->list[s->at++];
		return true;
	}
	if (s->at == s->filled) {
		s->at = 0;
		s->filled = fill(s, o);
		if (s->filled == 0)
			return false;
		s->after = s->batch[s->filled - 1];
	}
	*row = s->batch[s->at++];
	return true;
}
