#include "daemon/directory/quota.h"

#include "daemon/directory/form.h"
#include "daemon/directory/operation.h"

#include "base/banned.h"

/* ---- What the model and the operator say ---- */

struct terms {
	struct org org;
	const struct model *model; /* NULL: not installed */
	bool per_member;
};

static void
terms_of(const struct directory *d, struct orgtx *o, struct terms *out)
{
	*out = (struct terms){ .model = NULL };
	if (!org_by_no(orgtx_txn(o), orgtx_org(o), &out->org))
		return;
	out->model = out->org.model[0] != '\0' ? model_by_name(d->models, slice_of(out->org.model))
					       : d->models->models[0];
	out->per_member = out->model != NULL && out->model->kinds[out->org.kind].quota_per_person;
}

/* What an operator gave the org instead of the model's number. */
static bool
given(const struct directory *d, struct orgtx *o, struct arena *a, const struct org *org, struct slice name,
	uint64_t *max)
{
	struct orgtx *platform = orgtx_open(orgtx_txn(o), ORG_PLATFORM);
	const struct node *root, *list, *value, *number;
	struct record r;

	if (org->row == 0 || !record_get(platform, org->row, &r) ||
		(root = record_unpack(a, d->schema, &r, 0)) == NULL)
		return false;
	list = node_child(root, d->at.org_quotas);
	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
		value = node_child(e, d->at.org_quota_name);
		number = node_child(e, d->at.org_quota_max);
		if (value == NULL || number == NULL || !slice_eq(value->text, name))
			continue;
		*max = number->integer > 0 ? (uint64_t)number->integer : 0;
		return true;
	}
	return false;
}

/* 0 for a quota that the model has no more. */
static uint64_t
limit_of(const struct directory *d, struct orgtx *o, struct arena *a, const struct terms *t, struct slice name)
{
	const struct model_quota *quota = t->model != NULL ? model_quota(t->model, name) : NULL;
	uint64_t max;

	if (quota == NULL)
		return 0;
	return given(d, o, a, &t->org, name, &max) ? max : quota->normal[t->org.kind];
}

/* ---- Records ---- */

static size_t
rows_with(const struct directory *d, struct orgtx *o, struct arena *a, const struct attr *attr,
	struct slice text, uint64_t after, uint64_t *rows, size_t max)
{
	struct node value = { .attr = attr, .kind = NODE_VALUE, .text = text };
	struct slice key;

	(void)d;
	return index_key_of(a, attr, 0, &value, false, &key)
		       ? index_list(o, attr->id, TYPE_QUOTA, key, after, rows, max)
		       : 0;
}

/* The org's own record is made before any member's of the name, so it has the least row. */
static uint64_t
row_of_org(const struct directory *d, struct orgtx *o, struct arena *a, struct slice name)
{
	uint64_t row;

	return rows_with(d, o, a, d->at.quota_name, name, 0, &row, 1) == 1 ? row : 0;
}

static uint64_t
row_of_member(const struct directory *d, struct orgtx *o, struct arena *a, uint64_t member, struct slice name)
{
	enum { STEP = 64 };
	struct slice id = row_id_text(a, o, member);
	uint64_t rows[STEP], after = 0;
	struct record r;
	size_t n;

	while ((n = rows_with(d, o, a, d->at.quota_member_value, id, after, rows, STEP)) > 0) {
		for (size_t i = 0; i < n; i++)
			if (record_get(o, rows[i], &r) &&
				slice_eq(record_text(d->schema, &r, d->at.quota_name), name))
				return rows[i];
		after = rows[n - 1];
	}
	return 0;
}

static uint64_t
used_of(const struct directory *d, const struct record *r)
{
	int64_t used = record_i64(d->schema, r, d->at.quota_used, 0);

	return used > 0 ? (uint64_t)used : 0;
}

static uint64_t
used_at(const struct directory *d, struct orgtx *o, uint64_t row)
{
	struct record r;

	return row != 0 && record_get(o, row, &r) ? used_of(d, &r) : 0;
}

static void
put_used(struct deed *x, uint64_t row, uint64_t used, uint64_t revision)
{
	struct node *root;
	struct record r;

	if (!record_get(x->o, row, &r) || (root = deed_tree(x, &r)) == NULL)
		return;
	tree_set_i64(x->arena, root, x->d->at.quota_used, (int64_t)used);
	deed_replace(x, row, root, revision);
}

static struct node *
tree_of(struct deed *x, const struct model_quota *quota, uint64_t used)
{
	struct node *root = node_new(x->arena, schema_type(x->d->schema, TYPE_QUOTA)->root, NODE_OBJECT);

	tree_set_text(x->arena, root, x->d->at.quota_name, quota->name);
	tree_set_text(x->arena, root, x->d->at.quota_display, quota->title);
	tree_set_i64(x->arena, root, x->d->at.quota_used, (int64_t)used);
	return root;
}

/* ---- As the model has them ---- */

bool
quotas_missing(const struct directory *d, struct orgtx *o, struct arena *a)
{
	struct terms t;

	terms_of(d, o, &t);
	for (size_t i = 0; t.model != NULL && i < t.model->quota_count; i++)
		if (row_of_org(d, o, a, t.model->quotas[i].name) == 0)
			return true;
	return false;
}

/* Members' records where the quota is shared now, and those of quotas that are no more. */
static void
erase_gone(struct deed *x, const struct terms *t, uint64_t revision)
{
	enum { STEP = 64 };
	uint64_t rows[STEP], after = 0;
	struct slice unused;
	struct record r;
	size_t n;

	while ((n = rows_list(x->o, TYPE_QUOTA, after, 0, rows, STEP)) > 0) {
		for (size_t i = 0; i < n; i++) {
			if (!record_get(x->o, rows[i], &r))
				continue;
			if (model_quota(t->model, record_text(x->d->schema, &r, x->d->at.quota_name)) == NULL ||
				(!t->per_member && record_value(x->d->schema, &r,
							   x->d->at.quota_member_value, &unused)))
				deed_erase(x, rows[i], revision);
		}
		after = rows[n - 1];
	}
}

/* What the members have reserved, together. */
static uint64_t
sum_of_members(struct deed *x, struct slice name, uint64_t org_row)
{
	enum { STEP = 64 };
	uint64_t rows[STEP], after = org_row, sum = 0;
	size_t n;

	while ((n = rows_with(x->d, x->o, x->arena, x->d->at.quota_name, name, after, rows, STEP)) > 0) {
		for (size_t i = 0; i < n; i++)
			sum += used_at(x->d, x->o, rows[i]);
		after = rows[n - 1];
	}
	return sum;
}

void
quotas_put(struct deed *x, const struct model *m, uint64_t revision)
{
	uint64_t *used = ARENA_ARRAY(x->arena, uint64_t, m->quota_count + 1);
	struct terms t;

	terms_of(x->d, x->o, &t);
	t.model = m;
	t.per_member = m->kinds[t.org.kind].quota_per_person;
	/* What the members had counts on when the quota is shared from now on, but not the other way round. */
	for (size_t i = 0; i < m->quota_count; i++) {
		uint64_t row = row_of_org(x->d, x->o, x->arena, m->quotas[i].name);

		used[i] = t.per_member ? sum_of_members(x, m->quotas[i].name, row) : used_at(x->d, x->o, row);
	}
	erase_gone(x, &t, revision);
	for (size_t i = 0; i < m->quota_count; i++) {
		uint64_t row = row_of_org(x->d, x->o, x->arena, m->quotas[i].name);

		if (row == 0)
			(void)deed_create(x, TYPE_QUOTA, tree_of(x, &m->quotas[i], 0), revision);
		else
			deed_replace(x, row, tree_of(x, &m->quotas[i], used[i]), revision);
	}
}

void
quota_gone(struct deed *x, const struct record *r, uint64_t revision)
{
	struct slice name = record_text(x->d->schema, r, x->d->at.quota_name), unused;
	uint64_t used = used_of(x->d, r), row, sum;
	struct terms t;

	terms_of(x->d, x->o, &t);
	if (!t.per_member || used == 0 || !record_value(x->d->schema, r, x->d->at.quota_member_value, &unused))
		return;
	row = row_of_org(x->d, x->o, x->arena, name);
	sum = used_at(x->d, x->o, row);
	if (row != 0)
		put_used(x, row, sum > used ? sum - used : 0, revision);
}

/* ---- Reserving and releasing ---- */

/* Whose account it is; 0: all members'. */
static enum rc
whose(const struct subject *by, const struct terms *t, const struct record *r, const struct quota_move *move,
	uint64_t *member, struct err *err)
{
	const struct directory *d = by->d;
	uint64_t named = 0;

	*member = 0;
	if (move->has_member && (!row_by_id(by->o, &move->member, &named) || row_type(named) != TYPE_USER))
		return fail(err, RC_INVALID_VALUE, "member", "there is no member with this id");
	if (!t->per_member)
		return RC_OK;
	*member = record_row(by->o, d->schema, r, d->at.quota_member_value);
	if (*member != 0 && named != 0 && named != *member)
		return fail(err, RC_INVALID_VALUE, "member", "this is the quota of another member");
	if (*member == 0)
		*member = named != 0 ? named : by->member;
	if (*member == 0 && t->org.kind == ORG_PERSONAL)
		(void)rows_list(by->o, TYPE_USER, 0, 0, member, 1);
	return *member != 0 ? RC_OK
			    : fail(err, RC_INVALID_VALUE, "member", "each member has the quota: say whose is meant");
}

static enum rc
count(const struct quota_move *move, struct slice name, uint64_t limit, uint64_t *used, struct err *err)
{
	if (move->release && move->amount > *used)
		return fail(err, RC_CONFLICT, "amount", "of the quota \"%.*s\" %llu are reserved: %llu can't be released",
			SLICE_ARG(name), (unsigned long long)*used, (unsigned long long)move->amount);
	if (!move->release && (*used > limit || move->amount > limit - *used))
		return fail(err, RC_CONFLICT, "amount",
			"the quota \"%.*s\" is %llu, of which %llu are reserved: %llu more would pass it",
			SLICE_ARG(name), (unsigned long long)limit, (unsigned long long)*used,
			(unsigned long long)move->amount);
	*used = move->release ? *used - move->amount : *used + move->amount;
	return RC_OK;
}

static uint64_t
make_for_member(struct deed *x, const struct model_quota *quota, uint64_t member, uint64_t used, uint64_t revision)
{
	struct node *root = tree_of(x, quota, used);

	tree_set_text(x->arena, root, x->d->at.quota_member_value, row_id_text(x->arena, x->o, member));
	return deed_create(x, TYPE_QUOTA, root, revision);
}

static void
shown(struct deed *x, uint64_t row, struct written *out)
{
	struct buf b = BUF_INIT;
	struct record r;

	*out = (struct written){ .row = row };
	if (!record_get(x->o, row, &r))
		return;
	record_pack_as_is(&b, &r);
	out->packed = arena_dup(x->arena, buf_as_slice(&b));
	buf_release(&b);
}

static enum rc
may_act(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a, bool release,
	struct subject *by, struct err *err)
{
	enum rc rc;

	*by = (struct subject){ .d = d, .o = o, .arena = a, .all = true };
	if (w->caller == NULL)
		return RC_OK;
	if ((rc = subject_load(d, o, a, w->caller, w->actor.now, by, err)) != RC_OK)
		return rc;
	return operation_require(by,
		operation_find(TYPE_QUOTA, VERB_ACTION, release ? SLICE("release") : SLICE("reserve")), 0,
		false, err);
}

enum rc
quota_act(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	const struct uuid *id, const struct quota_move *move, struct written *out, struct err *err)
{
	struct writer writer = *w;
	struct deed x = { .d = d, .o = o, .w = &writer, .arena = a, .verb = VERB_ACTION };
	uint64_t org_row, row, member, used, revision;
	const struct model_quota *quota;
	struct subject by;
	struct terms t;
	struct record r;
	enum rc rc;

	terms_of(d, o, &t);
	if ((rc = may_act(d, o, w, a, move->release, &by, err)) != RC_OK ||
		(rc = resource_find(o, schema_type(d->schema, TYPE_QUOTA), id, &row, &r, err)) != RC_OK)
		return rc;
	quota = t.model != NULL ? model_quota(t.model, record_text(d->schema, &r, d->at.quota_name)) : NULL;
	if (quota == NULL)
		return fail(err, RC_CONFLICT, "", "the org's role model does not have this quota any more");
	if ((rc = whose(&by, &t, &r, move, &member, err)) != RC_OK)
		return rc;
	org_row = row_of_org(d, o, a, quota->name);
	row = member != 0 ? row_of_member(d, o, a, member, quota->name) : org_row;
	used = used_at(d, o, row);
	if ((rc = count(move, quota->name, limit_of(d, o, a, &t, quota->name), &used, err)) != RC_OK)
		return rc;
	writer.actor.action = move->release ? "quota.release" : "quota.reserve";
	revision = change_begin(o, &writer.actor);
	if (row == 0)
		row = make_for_member(&x, quota, member, used, revision);
	else
		put_used(&x, row, used, revision);
	if (member != 0) {
		used = used_at(d, o, org_row);
		put_used(&x, org_row, move->release ? used - move->amount : used + move->amount, revision);
	}
	change_end(o);
	shown(&x, row, out);
	return RC_OK;
}

/* ---- Rules of the type ---- */

static enum rc
check(struct deed *x, struct err *err)
{
	(void)x;
	return fail(err, RC_METHOD_NOT_ALLOWED, "",
		"quotas come from the role model; operators change their limits in the Organization");
}

/* The limit is where it is said: in the model, or in the Organization. */
static void
live(const struct directory *d, struct orgtx *o, struct arena *a, int64_t now, uint64_t row, struct record *r)
{
	struct slice name = record_text(d->schema, r, d->at.quota_name), whole;
	struct node *root = record_unpack(a, d->schema, r, 0);
	struct buf b = BUF_INIT;
	struct terms t;

	(void)now;
	(void)row;
	if (root == NULL)
		return;
	terms_of(d, o, &t);
	tree_set_i64(a, root, d->at.quota_limit, (int64_t)limit_of(d, o, a, &t, name));
	record_pack(&b, d->schema, r, root, 0, r);
	whole = arena_dup(a, buf_as_slice(&b));
	buf_release(&b);
	(void)!record_parse(d->schema, whole, r);
}

const struct rules quota_rules = { .type = TYPE_QUOTA, .check = check, .live = live };
