/* groups-of, members-of, permissions-of, who-can. */
#include "daemon/roster/list.h"

#include <stdlib.h>

#include "daemon/directory/form.h"
#include "daemon/directory/user_walk.h"
#include "daemon/directory/who_can.h"

#include "base/banned.h"

static void
check_begin(struct message *m, struct arena *a, struct check *k)
{
	check_init(k, &m->roster->directory, m->o, a, m->worker->now);
}

static enum rc
still_there(struct message *m, uint64_t row, const char *field, struct err *err)
{
	struct record r;

	return row == 0 || record_get(m->o, row, &r)
		       ? RC_OK
		       : fail(err, RC_NOT_FOUND, field, "was deleted meanwhile");
}

static enum rc
open_subject(struct message *m, struct list *l, bool first, unsigned right, struct err *err)
{
	const struct question q = { &m->in, NULL };
	uint8_t code = 0;
	struct check k;
	enum rc rc;

	check_begin(m, m->arena, &k);
	if (first && (rc = find_subject(&k, &q, &l->about, &code, err)) != RC_OK)
		return rc;
	if ((rc = message_may(m, right, l->about, err)) != RC_OK)
		return rc;
	return l->about == 0 ? list_no_such(code, "subject", err) : still_there(m, l->about, "subject", err);
}

static enum rc
open_scope(struct message *m, struct list *l, bool first, struct err *err)
{
	static const uint8_t codes[] = { [CHECK_NO_PLACE] = CODE_UNKNOWN_SCOPE,
		[CHECK_MANY_PLACES] = CODE_AMBIGUOUS_SCOPE };
	const struct question q = { &m->in, NULL };
	enum check_outcome outcome;
	struct check_place place;
	struct check k;
	enum rc rc;

	if (!first)
		return still_there(m, l->scope, "scope", err);
	if ((rc = read_place(&q, &place, err)) != RC_OK)
		return rc;
	check_begin(m, m->arena, &k);
	outcome = check_find_place(&k, &place, &l->scope);
	if (outcome == CHECK_PLACE_MIXED)
		return fail(err, RC_INVALID_VALUE, "scope",
			"is given by workspace and project, or by team, or by scope");
	return outcome == CHECK_DECIDED ? RC_OK : list_no_such(codes[outcome], "scope", err);
}

/* ---- Items of members and groups ---- */

static struct slice
name_of(struct message *m, const struct record *r)
{
	const struct attrs *at = &m->roster->directory.at;

	return record_text(m->roster->directory.schema, r,
		r->type->code == TYPE_USER ? at->user_name : at->group_display);
}

static bool
put_resource(struct message *m, struct list *l, uint64_t row, bool direct)
{
	struct record r;

	if (!record_get(m->o, row, &r))
		return false;
	put_id(m->out, OUT_ID, &r.id);
	if (r.type->code == TYPE_GROUP)
		put_number(m->out, OUT_KIND, CHECK_TEAM);
	if (direct)
		put_number(m->out, OUT_DIRECT, 1);
	if (l->names)
		put_bytes(m->out, OUT_NAME, name_of(m, &r));
	return true;
}

static bool
put_row(struct message *m, struct list *l, uint64_t place)
{
	return put_resource(m, l, place, false);
}

/* ---- groups-of: places are rows, those of groups that hold the subject through others behind the direct ones ---- */

#define NESTED (UINT64_C(1) << 63)

struct groups {
	uint64_t *places;
	size_t count, at;
};

static enum rc
groups_of_open(struct message *m, struct list *l, bool first, struct err *err)
{
	return open_subject(m, l, first, RIGHT_MEMBERS, err);
}

static int
place_order(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

static enum rc
groups_of_prepare(struct message *m, struct list *l, struct err *err)
{
	struct groups *g = ARENA_NEW(l->kept, struct groups);
	struct membership *list;
	size_t n = membership_list(m->o, m->arena, l->about, &list);

	(void)err;
	l->state = g;
	g->places = ARENA_ARRAY(l->kept, uint64_t, n + 1);
	for (size_t i = 0; i < n; i++)
		if (list[i].direct || !l->direct)
			g->places[g->count++] = list[i].group | (list[i].direct ? 0 : NESTED);
	if (g->count > 0)
		qsort(g->places, g->count, sizeof(*g->places), place_order);
	while (g->at < g->count && g->places[g->at] <= l->scanned)
		g->at++;
	return RC_OK;
}

static enum rc
groups_of_more(struct message *m, struct list *l, uint64_t *places, size_t max, size_t *count, bool *end,
	struct err *err)
{
	struct groups *g = l->state;

	(void)m, (void)err;
	for (*count = 0; *count < max && g->at < g->count; g->at++)
		places[(*count)++] = l->scanned = g->places[g->at];
	*end = g->at == g->count;
	return RC_OK;
}

static bool
groups_of_put(struct message *m, struct list *l, uint64_t place)
{
	return put_resource(m, l, place & ~NESTED, (place & NESTED) == 0);
}

static const struct list_kind groups_of = { .open = groups_of_open,
	.prepare = groups_of_prepare,
	.more = groups_of_more,
	.put = groups_of_put };

enum rc
groups_of_run(struct message *m, struct err *err)
{
	return list_run(m, &groups_of, err);
}

/* ---- members-of: places are rows ---- */

static enum rc
members_of_open(struct message *m, struct list *l, bool first, struct err *err)
{
	const struct question q = { &m->in, NULL };
	uint8_t code = 0;
	struct check k;
	enum rc rc;

	if ((rc = message_may(m, RIGHT_MEMBERS, 0, err)) != RC_OK)
		return rc;
	check_begin(m, m->arena, &k);
	if (first && (rc = find_group(&k, &q, &l->about, &code, err)) != RC_OK)
		return rc;
	return l->about == 0 ? list_no_such(code, "group", err) : still_there(m, l->about, "group", err);
}

static enum rc
direct_members_more(struct message *m, struct list *l, uint64_t *places, size_t max, size_t *count, bool *end,
	struct err *err)
{
	(void)err;
	*count = edge_list(m->o, EDGE_MEMBERS, l->about, l->scanned, places, max);
	*end = *count < max;
	if (*count > 0)
		l->scanned = places[*count - 1];
	return RC_OK;
}

static enum rc
all_members_prepare(struct message *m, struct list *l, struct err *err)
{
	(void)err;
	l->state = user_walk_new(l->kept, l->scanned);
	user_walk_add_group(l->state, m->o, l->about);
	return RC_OK;
}

static enum rc
all_members_more(struct message *m, struct list *l, uint64_t *places, size_t max, size_t *count, bool *end,
	struct err *err)
{
	(void)err;
	*count = user_walk_next(l->state, m->o, places, max);
	*end = *count < max;
	if (*count > 0)
		l->scanned = places[*count - 1];
	return RC_OK;
}

static const struct list_kind direct_members = { .open = members_of_open,
	.more = direct_members_more,
	.put = put_row };
static const struct list_kind all_members = { .open = members_of_open,
	.prepare = all_members_prepare,
	.more = all_members_more,
	.put = put_row };

enum rc
members_of_run(struct message *m, struct err *err)
{
	return list_run(m, fields_number(&m->in, IN_DIRECT) != 0 ? &direct_members : &all_members, err);
}

/* ---- permissions-of: places are numbers of permissions, from 1 ---- */

struct permissions {
	size_t count;
	const struct model *model; /* NULL: the subject is not active, and may nothing */
	uint8_t held[PERM_MAX];    /* 1: for everything, 2: for own things only */
};

static enum rc
permissions_of_open(struct message *m, struct list *l, bool first, struct err *err)
{
	enum rc rc = open_subject(m, l, first, RIGHT_CHECK, err);

	return rc != RC_OK ? rc : open_scope(m, l, first, err);
}

/* The clock gives and takes roles without a revision: what is held is looked up in each turn. */
static enum rc
held_permissions(struct message *m, struct list *l, struct permissions *p, struct err *err)
{
	struct model_query q = { .at = scope_kind_of(l->scope) };
	struct model_subject ms;
	struct check k;
	bool active;
	enum rc rc;

	check_begin(m, l->scratch, &k);
	if ((rc = check_load(&k, l->about, &active, err)) != RC_OK || !active)
		return rc;
	p->model = k.subject.model;
	p->count = p->model->permission_count;
	ms = subject_seen_from(&k.subject, l->scope);
	for (size_t i = 0; i < p->count; i++) {
		q.perm = p->model->permissions[i].id;
		q.own = false;
		p->held[i] = model_allows(&ms, &q, NULL);
		q.own = true;
		if (p->held[i] == 0 && model_allows(&ms, &q, NULL))
			p->held[i] = 2;
	}
	return RC_OK;
}

static enum rc
permissions_of_more(struct message *m, struct list *l, uint64_t *places, size_t max, size_t *count, bool *end,
	struct err *err)
{
	struct permissions *p = ARENA_NEW(l->scratch, struct permissions);
	enum rc rc = held_permissions(m, l, p, err);

	l->state = p;
	*count = 0;
	while (rc == RC_OK && *count < max && l->scanned < p->count)
		if (p->held[l->scanned++] != 0)
			places[(*count)++] = l->scanned;
	*end = l->scanned >= p->count;
	return rc;
}

static bool
permissions_of_put(struct message *m, struct list *l, uint64_t place)
{
	const struct permissions *p = l->state;

	put_bytes(m->out, OUT_PERMISSION, p->model->permissions[place - 1].name);
	if (p->held[place - 1] == 2)
		put_number(m->out, OUT_OWN, 1);
	return true;
}

static const struct list_kind permissions_of = { .open = permissions_of_open,
	.more = permissions_of_more,
	.put = permissions_of_put };

enum rc
permissions_of_run(struct message *m, struct err *err)
{
	return list_run(m, &permissions_of, err);
}

/* ---- who-can: places are rows ---- */

static enum rc
find_permission(struct message *m, struct list *l, struct err *err)
{
	const struct permission *permission;
	const struct model *model;
	struct slice name;
	struct org org;
	enum rc rc;

	if ((rc = message_text(m, IN_PERMISSION, ROSTER_TEXT_MAX, &name, err)) != RC_OK)
		return rc;
	if (name.p == NULL)
		return fail(err, RC_INVALID_VALUE, "permission", "is missing");
	if (!org_by_no(orgtx_txn(m->o), orgtx_org(m->o), &org))
		return fail(err, RC_NOT_FOUND, "org", "there is no such org for this token");
	if ((rc = model_of_org(&m->roster->directory, &org, &model, err)) != RC_OK)
		return rc;
	if ((permission = model_permission(model, name)) == NULL)
		return fail(err, RC_INVALID_VALUE, "permission", "the org's role model has none of this name");
	l->permission = permission->id;
	return RC_OK;
}

static enum rc
who_can_open(struct message *m, struct list *l, bool first, struct err *err)
{
	enum rc rc;

	if ((rc = message_may(m, RIGHT_CHECK, 0, err)) != RC_OK || (rc = find_permission(m, l, err)) != RC_OK)
		return rc;
	return open_scope(m, l, first, err);
}

static enum rc
who_can_prepare(struct message *m, struct list *l, struct err *err)
{
	struct who_can *w = ARENA_NEW(l->kept, struct who_can);

	l->state = w;
	return who_can_begin(w, &m->roster->directory, m->o, l->kept, l->permission, l->scope, l->scanned, err);
}

static enum rc
who_can_more(struct message *m, struct list *l, uint64_t *places, size_t max, size_t *count, bool *end,
	struct err *err)
{
	struct check k;
	uint64_t last;
	enum rc rc;

	check_begin(m, l->scratch, &k);
	rc = who_can_next(l->state, &k, places, max, count, &last, err);
	*end = last == 0;
	if (last != 0)
		l->scanned = last;
	return rc;
}

static const struct list_kind who_can = { .open = who_can_open,
	.prepare = who_can_prepare,
	.more = who_can_more,
	.put = put_row };

enum rc
who_can_run(struct message *m, struct err *err)
{
	return list_run(m, &who_can, err);
}
