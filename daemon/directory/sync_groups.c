/* Members of groups: whom their names mean, who comes and who goes, and what becomes of the nesting. */
#include <stdlib.h>

#include "daemon/directory/sync_private.h"

#include "base/banned.h"

enum { STEP = 1024, DEPTH_MAX = 1000, BREATH = 256 /* members between two looks at the time */ };

/* ---- Whom a member's name means ---- */

struct seeking {
	struct planning *p;
	struct slice text;
	uint64_t found; /* a row, or NEW_ROW and a record */
};

static uint64_t
target_of(const struct sync *s, size_t record)
{
	return s->records[record].row != 0 ? s->records[record].row : NEW_ROW | record;
}

static bool
in_state(struct seeking *k, enum sync_key what, uint8_t type, struct slice key)
{
	size_t at = sync_record_with(k->p->s, what, type, key, SIZE_MAX);

	if (at != SIZE_MAX)
		k->found = target_of(k->p->s, at);
	return at != SIZE_MAX;
}

/* Of the org, what is in the state is called as the state says. */
static bool
in_org(struct seeking *k, const struct attr *attr, uint8_t type, struct slice key)
{
	uint64_t rows[2];
	size_t n = index_list(k->p->o, attr->id, type, key, 0, rows, 2);
	const struct sync_record *r = n == 1 ? sync_claim(k->p->s, rows[0]) : NULL;

	if (n != 1 || (r != NULL && r->fate != FATE_KNOWN) || sync_is_removed(k->p->s, rows[0]))
		return false;
	k->found = rows[0];
	return true;
}

static bool
by_key(struct seeking *k, enum sync_key what, uint8_t type, const struct attr *attr)
{
	struct slice key;

	return sync_key_of(k->p->arena, attr, k->p->s->options.connection, k->text, &key) &&
	       (in_state(k, what, type, key) || in_org(k, attr, type, key));
}

static bool
by_external(struct seeking *k)
{
	return by_key(k, KEY_EXTERNAL, TYPE_USER, k->p->s->user->external_id) ||
	       by_key(k, KEY_EXTERNAL, TYPE_GROUP, k->p->s->group->external_id);
}

static bool
by_name(struct seeking *k)
{
	const struct attrs *at = &k->p->s->options.directory->at;

	return by_key(k, KEY_NAME, TYPE_USER, at->user_name) || by_key(k, KEY_NAME, TYPE_GROUP, at->group_display);
}

/* As the lines say it, else the org. */
static bool
by_id(struct seeking *k)
{
	struct uuid id;

	if (in_state(k, KEY_LINE_ID, TYPE_USER, k->text) || in_state(k, KEY_LINE_ID, TYPE_GROUP, k->text))
		return true;
	return uuid_parse(k->text, &id) && row_by_id(k->p->o, &id, &k->found) &&
	       (row_type(k->found) == TYPE_USER || row_type(k->found) == TYPE_GROUP) &&
	       !sync_is_removed(k->p->s, k->found);
}

typedef bool by_fn(struct seeking *k);

static by_fn *const ways[][3] = {
	[SYNC_MATCH_ANY] = { by_external, by_name, by_id },
	[SYNC_MATCH_EXTERNAL_ID] = { by_external, by_id },
	[SYNC_MATCH_NAME] = { by_name, by_id },
	[SYNC_MATCH_ID] = { by_id },
};

static enum rc
seek(struct planning *p, struct slice text, uint64_t *found, struct err *err)
{
	by_fn *const *way = ways[p->s->options.match];
	struct seeking k = { .p = p, .text = text };

	for (int i = 0; i < 3 && way[i] != NULL; i++) {
		if (way[i](&k)) {
			*found = k.found;
			return RC_OK;
		}
	}
	return fail(err, RC_INVALID_VALUE, "members", "\"%.*s\" is neither in the state nor stays in the org",
		SLICE_ARG(slice_clip(text, 100)));
}

/* ---- Who comes and who goes ---- */

static void
edge_push(struct sync *s, uint64_t row)
{
	if (s->edge_count == s->edge_cap) {
		s->edge_cap = s->edge_cap == 0 ? 4096 : s->edge_cap * 2;
		if ((s->edges = realloc(s->edges, s->edge_cap * sizeof(*s->edges))) == NULL)
			abort();
	}
	s->edges[s->edge_count++] = row;
}

static int
row_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Those named on all lines of the group, rising, each once; *out is malloc()ed. */
static enum rc
wanted_members(struct planning *p, size_t at, uint64_t **out, size_t *count, struct err *err)
{
	struct sync *s = p->s;
	size_t n = 0, cap = 0, kept = 0;
	uint64_t *list = NULL;
	enum rc rc;

	for (size_t i = at;; i = s->records[i].more - 1) {
		struct staged head = sync_staged(s, &s->records[i]);
		struct slice member;

		if (n + head.member_count > cap) {
			cap = (n + head.member_count) * 2;
			if ((list = realloc(list, cap * sizeof(*list))) == NULL)
				abort();
		}
		while (staged_member(&head.members, &member)) {
			rc = seek(p, member, &list[n], err);
			if (rc != RC_OK)
				rc = sync_fail_line(err, rc, s->records[i].line);
			else if (++n % BREATH == 0)
				rc = planning_breathe(p, err);
			if (rc != RC_OK) {
				free(list);
				return rc;
			}
		}
		if (s->records[i].more == 0)
			break;
	}
	if (n > 0)
		qsort(list, n, sizeof(*list), row_order);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || list[i] != list[kept - 1])
			list[kept++] = list[i];
	*out = list;
	*count = kept;
	return RC_OK;
}

/* A merge of what the group has with what it shall have: additions first, then removals. */
static enum rc
diff_members(struct planning *p, const struct sync_record *r, const uint64_t *wanted, size_t n,
	struct group_change *g, struct err *err)
{
	uint64_t had[STEP], after = 0, *gone = NULL;
	size_t got, at = 0, gone_count = 0, gone_cap = 0;
	enum rc rc = RC_OK;

	g->add_at = p->s->edge_count;
	while (r->row != 0 && rc == RC_OK &&
		(got = edge_list(p->o, EDGE_MEMBERS, r->row, after, had, STEP)) > 0) {
		for (size_t i = 0; i < got; i++) {
			while (at < n && wanted[at] < had[i])
				edge_push(p->s, wanted[at++]);
			if (at < n && wanted[at] == had[i]) {
				at++;
				continue;
			}
			if (sync_is_removed(p->s, had[i]))
				continue; /* the edge goes with it */
			if (gone_count == gone_cap) {
				gone_cap = gone_cap == 0 ? 256 : gone_cap * 2;
				if ((gone = realloc(gone, gone_cap * sizeof(*gone))) == NULL)
					abort();
			}
			gone[gone_count++] = had[i];
		}
		after = had[got - 1];
		rc = planning_breathe(p, err);
	}
	while (at < n)
		edge_push(p->s, wanted[at++]);
	g->add_count = p->s->edge_count - g->add_at;
	g->remove_at = p->s->edge_count;
	for (size_t i = 0; i < gone_count; i++)
		edge_push(p->s, gone[i]);
	g->remove_count = gone_count;
	free(gone);
	return rc;
}

/* ---- What the rules say of it ---- */

/* Of who comes the rules ask here only whether anybody does: nesting is looked at as a whole, below. */
static enum rc
check_change(struct planning *p, const struct sync_record *r, const struct group_change *g, struct err *err)
{
	uint64_t somebody = 0;
	struct member_changes m = { .add = &somebody,
		.add_count = g->add_count > 0,
		.remove = p->s->edges + g->remove_at,
		.remove_count = g->remove_count };
	struct sync_edit edit;

	if (r->row == 0)
		return RC_OK;
	return sync_edit(p->s, p->o, &p->w, p->by, p->arena, r, &m, &edit, err);
}

static void
count_change(struct planning *p, const struct sync_record *r, const struct group_change *g)
{
	struct sync *s = p->s;
	struct record group;
	struct slice name = SLICE("");
	char *data;

	if (record_parse(s->options.directory->schema, sync_staged(s, r).packed, &group))
		name = sync_name_of(s, &group);
	data = arena_printf(p->arena, "+%zu -%zu", g->add_count, g->remove_count);
	if (g->add_count > 0) {
		s->counts.n[SYNC_MEMBER_ADD][TYPE_GROUP]++;
		sync_sample(s, SYNC_MEMBER_ADD, TYPE_GROUP, NULL, name, slice_of(data));
		s->counts.n[SYNC_MEMBER_ADD][TYPE_GROUP] += g->add_count - 1;
	}
	if (g->remove_count > 0) {
		s->counts.n[SYNC_MEMBER_REMOVE][TYPE_GROUP]++;
		sync_sample(s, SYNC_MEMBER_REMOVE, TYPE_GROUP, NULL, name, slice_of(data));
		s->counts.n[SYNC_MEMBER_REMOVE][TYPE_GROUP] += g->remove_count - 1;
	}
}

static enum rc
plan_group(struct planning *p, size_t at, struct err *err)
{
	struct group_change g = { .record = (uint32_t)at };
	struct sync *s = p->s;
	uint64_t *wanted = NULL;
	size_t n = 0;
	enum rc rc;

	if ((rc = wanted_members(p, at, &wanted, &n, err)) != RC_OK)
		return rc;
	rc = diff_members(p, &s->records[at], wanted, n, &g, err);
	free(wanted);
	if (rc != RC_OK || g.add_count + g.remove_count == 0)
		return rc;
	if ((rc = check_change(p, &s->records[at], &g, err)) != RC_OK)
		return sync_fail_line(err, rc, s->records[at].line);
	if (s->group_count == s->group_cap) {
		s->group_cap = s->group_cap == 0 ? 256 : s->group_cap * 2;
		if ((s->groups = realloc(s->groups, s->group_cap * sizeof(*s->groups))) == NULL)
			abort();
	}
	s->groups[s->group_count++] = g;
	count_change(p, &s->records[at], &g);
	return RC_OK;
}

/* ---- Nesting, as it is and as it will be ---- */

struct nesting {
	struct planning *p;
	bool after;       /* as it will be */
	uint16_t *height; /* of a group, by its place: 0: not known, ON_THE_WAY */
};

enum { ON_THE_WAY = UINT16_MAX };

static size_t
place_of(const struct sync *s, uint64_t target)
{
	return (target & NEW_ROW) != 0 ? s->claim_count + (size_t)(target & ~NEW_ROW) : (size_t)row_counter(target);
}

static bool
is_group(const struct sync *s, uint64_t target)
{
	return (target & NEW_ROW) != 0 ? s->records[target & ~NEW_ROW].type == TYPE_GROUP
				       : row_type(target) == TYPE_GROUP;
}

/* What changes in a group; NULL: nothing. */
static const struct group_change *
change_of(const struct sync *s, uint64_t target)
{
	const struct sync_record *r = (target & NEW_ROW) != 0 ? &s->records[target & ~NEW_ROW] : sync_claim(s, target);
	size_t low = 0, high = s->group_count, at;

	if (r == NULL)
		return NULL;
	at = (size_t)(r - s->records);
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->groups[mid].record < at)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->group_count && s->groups[low].record == at ? &s->groups[low] : NULL;
}

static bool
goes(const struct sync *s, const struct group_change *g, uint64_t row)
{
	return sync_is_removed(s, row) ||
	       (g != NULL && g->remove_count > 0 &&
		       bsearch(&row, s->edges + g->remove_at, g->remove_count, sizeof(row), row_order) != NULL);
}

static enum rc height_of(struct nesting *n, uint64_t group, unsigned depth, struct err *err);

static enum rc
look_below(struct nesting *n, uint64_t child, unsigned depth, uint16_t *deepest, struct err *err)
{
	uint16_t h;
	enum rc rc = height_of(n, child, depth + 1, err);

	if (rc != RC_OK)
		return rc;
	h = n->height[place_of(n->p->s, child)];
	*deepest = h > *deepest ? h : *deepest;
	return RC_OK;
}

static enum rc
look_at_held(struct nesting *n, uint64_t group, const struct group_change *g, unsigned depth, uint16_t *deepest,
	struct err *err)
{
	uint64_t rows[32], after = (uint64_t)TYPE_GROUP << 56;
	size_t got;
	enum rc rc;

	while ((got = edge_list(n->p->o, EDGE_MEMBERS, group, after, rows, 32)) > 0) {
		for (size_t i = 0; i < got; i++)
			if (row_type(rows[i]) == TYPE_GROUP && !(n->after && goes(n->p->s, g, rows[i])) &&
				(rc = look_below(n, rows[i], depth, deepest, err)) != RC_OK)
				return rc;
		after = rows[got - 1];
	}
	return RC_OK;
}

static enum rc
height_of(struct nesting *n, uint64_t group, unsigned depth, struct err *err)
{
	const struct sync *s = n->p->s;
	const struct group_change *g = n->after ? change_of(s, group) : NULL;
	uint16_t *height = &n->height[place_of(s, group)], deepest = 0;
	enum rc rc;

	if (*height == ON_THE_WAY)
		return fail(err, RC_INVALID_VALUE, "members",
			"a group can't be a member of itself, neither directly nor through other groups");
	if (*height != 0)
		return RC_OK;
	if (depth > DEPTH_MAX)
		return fail(err, RC_INVALID_VALUE, "members", "groups are nested more than %d deep", DEPTH_MAX);
	*height = ON_THE_WAY;
	if ((group & NEW_ROW) == 0 && (rc = look_at_held(n, group, g, depth, &deepest, err)) != RC_OK)
		return rc;
	for (size_t i = 0; g != NULL && i < g->add_count; i++)
		if (is_group(s, s->edges[g->add_at + i]) &&
			(rc = look_below(n, s->edges[g->add_at + i], depth, &deepest, err)) != RC_OK)
			return rc;
	*height = (uint16_t)(deepest + 1);
	return RC_OK;
}

/* A group that would be higher than it was, and higher than may be. */
static enum rc
check_height(struct nesting *before, struct nesting *after, uint64_t group, struct err *err)
{
	const struct subject *by = after->p->by;
	size_t at = place_of(after->p->s, group);
	enum rc rc = height_of(after, group, 0, err);

	if (rc != RC_OK || by == NULL || limit_require(by, LIMIT_NESTING, after->height[at], NULL) == RC_OK)
		return rc;
	if ((group & NEW_ROW) == 0 && (rc = height_of(before, group, 0, err)) != RC_OK)
		return rc;
	return before->height[at] >= after->height[at] ? RC_OK
						       : limit_require(by, LIMIT_NESTING, after->height[at], err);
}

static enum rc
check_all_heights(struct nesting *before, struct nesting *after, struct err *err)
{
	struct planning *p = after->p;
	struct sync *s = p->s;
	uint64_t rows[STEP], last = 0;
	size_t n;
	enum rc rc;

	for (size_t i = 0; i < s->group_count; i++) {
		const struct sync_record *r = &s->records[s->groups[i].record];

		if ((rc = check_height(before, after, target_of(s, s->groups[i].record), err)) != RC_OK)
			return sync_fail_line(err, rc, r->line);
	}
	while ((n = rows_list(p->o, TYPE_GROUP, last, 0, rows, STEP)) > 0) {
		for (size_t i = 0; i < n; i++)
			if (!sync_is_removed(s, rows[i]) &&
				(rc = check_height(before, after, rows[i], err)) != RC_OK)
				return sync_fail_row(s, p->o, rows[i], rc, err);
		last = rows[n - 1];
	}
	return RC_OK;
}

/* Whether any group comes into another: else no chain gets longer. */
static bool
groups_join(const struct sync *s)
{
	for (size_t i = 0; i < s->group_count; i++)
		for (size_t k = 0; k < s->groups[i].add_count; k++)
			if (is_group(s, s->edges[s->groups[i].add_at + k]))
				return true;
	return false;
}

static enum rc
check_nesting(struct planning *p, struct err *err)
{
	size_t places = p->s->claim_count + p->s->count;
	struct nesting before = { p, false, NULL }, after = { p, true, NULL };
	enum rc rc;

	if (!groups_join(p->s))
		return RC_OK;
	before.height = calloc(places, sizeof(*before.height));
	after.height = calloc(places, sizeof(*after.height));
	if (before.height == NULL || after.height == NULL)
		abort();
	rc = check_all_heights(&before, &after, err);
	free(before.height);
	free(after.height);
	return rc;
}

enum rc
sync_plan_groups(struct planning *p, struct err *err)
{
	struct sync *s = p->s;
	enum rc rc;

	if (!s->options.groups)
		return RC_OK;
	for (size_t i = 0; i < s->count; i++) {
		if (s->records[i].type != TYPE_GROUP || s->records[i].fate == FATE_FURTHER)
			continue;
		if ((rc = plan_group(p, i, err)) != RC_OK || (rc = planning_breathe(p, err)) != RC_OK)
			return rc;
	}
	return check_nesting(p, err);
}
