/* Organizations: who may make one, and what of a living one can be written. How an org is renamed,
 * suspended, deleted is organization_act.c's. */
#include "daemon/directory/form.h"
#include "daemon/directory/names.h"
#include "daemon/directory/org_tell.h"
#include "daemon/directory/organization.h"
#include "daemon/directory/quota.h"

#include "base/banned.h"

struct plan {
	struct org_plan made; /* of a create */
	struct org org;       /* of an edit */
};

/* An org is a person's own when they are in it. */
static bool
own(const struct subject *s, uint64_t row, const struct record *r)
{
	(void)r;
	return s->person != 0 && row != 0 &&
	       edge_has(orgtx_open(orgtx_txn(s->o), ORG_PLATFORM), row, s->person);
}

/* ---- Limits and quotas: operators only ---- */

static enum rc
require_operator(const struct deed *x, const struct attr *attr, struct err *err)
{
	const struct node *had = x->old_root != NULL ? node_child(x->old_root, attr) : NULL;
	const struct node *has = node_child(x->root, attr);

	if (x->by == NULL || x->by->all || (had == NULL && has == NULL) ||
		(had != NULL && has != NULL && node_equal(had, has)))
		return RC_OK;
	return operation_require(x->by, operation_find(TYPE_ORGANIZATION, VERB_EDIT, attr->name), 0, false, err);
}

static enum rc
take_limit(const struct deed *x, const struct node *e, struct org *org, struct err *err)
{
	const struct attrs *at = &x->d->at;
	const struct node *name = node_child(e, at->org_limit_name);
	const struct node *max = node_child(e, at->org_limit_max);
	uint64_t least, most;

	if (name == NULL || max == NULL)
		return fail(err, RC_INVALID_VALUE, "limits", "each limit has a value (its name) and a max");
	for (int i = 0; i < LIMIT_COUNT; i++) {
		if (!slice_eq(name->text, slice_of(limit_name((enum limit)i))))
			continue;
		limit_range((enum limit)i, &least, &most);
		if (max->integer < (int64_t)least || (uint64_t)max->integer > most)
			return fail(err, RC_INVALID_VALUE, "limits",
				"the limit \"%s\" is a number from %llu to %llu",
				limit_name((enum limit)i), (unsigned long long)least,
				(unsigned long long)most);
		org->limits[i] = (uint64_t)max->integer;
		return RC_OK;
	}
	return fail(err, RC_INVALID_VALUE, "limits", "there is no limit \"%.*s\"",
		SLICE_ARG(slice_clip(name->text, 40)));
}

static enum rc
check_quotas(const struct deed *x, const struct org *org, struct err *err)
{
	const struct attrs *at = &x->d->at;
	const struct model *m = model_by_name(x->d->models, slice_of(org->model));
	const struct node *list = node_child(x->root, at->org_quotas), *name, *max;

	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
		name = node_child(e, at->org_quota_name);
		if (name == NULL || m == NULL || model_quota(m, name->text) == NULL)
			return fail(err, RC_INVALID_VALUE, "quotas",
				"the model \"%s\" has no quota \"%.*s\"", org->model,
				name != NULL ? (int)(name->text.len < 40 ? name->text.len : 40) : 0,
				name != NULL ? name->text.p : "");
		max = node_child(e, at->org_quota_max);
		if (max == NULL || max->integer < 0 || max->integer > QUOTA_MAX)
			return fail(err, RC_INVALID_VALUE, "quotas",
				"the max of \"%.*s\" is a number from 0 to %lld", SLICE_ARG(name->text),
				(long long)QUOTA_MAX);
	}
	return RC_OK;
}

enum rc
org_take_over(const struct deed *x, struct org *org, struct err *err)
{
	const struct attrs *at = &x->d->at;
	const struct node *limits = node_child(x->root, at->org_limits);
	struct slice name = tree_text(x->root, at->org_display);
	enum rc rc;

	for (int i = 0; i < LIMIT_COUNT; i++)
		org->limits[i] = UINT64_MAX;
	for (const struct node *e = limits != NULL ? limits->child : NULL; e != NULL; e = e->next)
		if ((rc = take_limit(x, e, org, err)) != RC_OK)
			return rc;
	if (name.len == 0)
		name = slice_of(org->key);
	if ((rc = shown_name_require("displayName", name, err)) != RC_OK)
		return rc;
	memmove(org->name, name.p, name.len);
	org->name[name.len] = '\0';
	return check_quotas(x, org, err);
}

/* ---- Making ---- */

/* A person founds for themselves; products and operators say for whom. */
static enum rc
find_creator(const struct deed *x, uint64_t *out, struct err *err)
{
	struct slice text = tree_text(x->root, x->d->at.org_creator_value);
	enum caller_kind kind = x->by != NULL ? x->by->caller : CALLER_OPERATOR;
	struct uuid id;

	*out = 0;
	if (text.len > 0 && (!uuid_parse(text, &id) || !row_by_id(x->o, &id, out) ||
				    row_type(*out) != TYPE_PERSON))
		return fail(err, RC_INVALID_VALUE, "creator", "there is no Person with this id");
	if (kind == CALLER_PERSON) {
		if (*out != 0 && *out != x->by->person)
			return fail(err, RC_FORBIDDEN, "creator",
				"the permission \"operator\" is missing: a person creates an org for themselves alone");
		*out = x->by->person;
	}
	if (*out == 0 && kind == CALLER_SERVICE)
		return fail(err, RC_INVALID_VALUE, "creator",
			"say which Person becomes the first member");
	return RC_OK;
}

static enum rc
check_create(struct deed *x, struct err *err)
{
	const struct attrs *at = &x->d->at;
	struct plan *p = ARENA_NEW(x->arena, struct plan);
	struct org_wish wish = { .key = tree_text(x->root, at->org_key),
		.name = tree_text(x->root, at->org_display),
		.kind = tree_text(x->root, at->org_kind),
		.model = tree_text(x->root, at->org_model) };
	enum rc rc;

	x->plan = p;
	if ((rc = require_operator(x, at->org_limits, err)) != RC_OK ||
		(rc = require_operator(x, at->org_quotas, err)) != RC_OK ||
		(rc = find_creator(x, &wish.creator, err)) != RC_OK)
		return rc;
	if (x->by != NULL && x->by->caller == CALLER_PERSON && x->d->orgs.per_person > 0 &&
		edge_count(x->o, EDGE_GROUPS, x->by->person) >= x->d->orgs.per_person)
		return fail(err, RC_CONFLICT, "",
			"you are in %llu orgs already: nobody founds another one from there on "
			"(org.per_person)",
			(unsigned long long)x->d->orgs.per_person);
	if (x->by != NULL && x->by->caller == CALLER_PERSON &&
		slice_eq(wish.kind, SLICE("personal")))
		return fail(err, RC_FORBIDDEN, "kind", "the permission \"operator\" is missing: a personal org is made at signing up, not by request");
	if ((rc = org_plan_make(x, &wish, &p->made, err)) != RC_OK)
		return rc;
	org_plan_fill(x, &p->made, x->root);
	return org_take_over(x, &p->made.org, err);
}

/* ---- Changing ---- */

static enum rc
check_edit(struct deed *x, struct err *err)
{
	const struct attrs *at = &x->d->at;
	struct plan *p = ARENA_NEW(x->arena, struct plan);
	struct subject in_org;
	enum rc rc;

	x->plan = p;
	if (!org_of_row(x->d, x->o, x->row, &p->org))
		return fail(err, RC_INTERNAL, "", "the org of this record is not there");
	if (!slice_eq(tree_text(x->root, at->org_key), slice_of(p->org.key)))
		return fail(err, RC_MUTABILITY, "key",
			"the key changes by POST to .rename, so that the former one can lead on");
	if ((rc = require_operator(x, at->org_limits, err)) != RC_OK ||
		(rc = require_operator(x, at->org_quotas, err)) != RC_OK)
		return rc;
	if (x->by != NULL && !x->by->all) {
		if ((rc = subject_in_org(x, p->org.no,
			     operation_find(TYPE_ORGANIZATION, VERB_EDIT, SLICE("")), &in_org, err)) != RC_OK)
			return rc;
	}
	return org_take_over(x, &p->org, err);
}

/* Deleting is a state with a grace, after which the record goes. */
static enum rc
check_delete(struct deed *x, struct err *err)
{
	struct org_act_args args = { .act = ORG_ACT_DELETE,
		.confirmed = x->confirmed,
		.confirm = x->confirm };
	struct written unused;

	x->done = true;
	return organization_act(
		x->d, orgtx_txn(x->o), x->w, x->arena, x->row, NULL, &args, &unused, err);
}

static enum rc
check(struct deed *x, struct err *err)
{
	return x->verb == VERB_CREATE ? check_create(x, err)
	       : x->verb == VERB_EDIT ? check_edit(x, err)
				      : check_delete(x, err);
}

static void
apply(struct deed *x, uint64_t revision)
{
	struct plan *p = x->plan;

	(void)revision;
	if (x->verb == VERB_CREATE)
		org_plan_put(x, &p->made, x->row);
	else if (x->verb == VERB_EDIT)
		org_put(orgtx_txn(x->o), &p->org);
}

static void
after(struct deed *x)
{
	struct plan *p = x->plan;

	if (x->verb == VERB_CREATE)
		org_plan_furnish(x, &p->made);
	else if (x->verb == VERB_EDIT)
		org_tell(x, &p->org, false);
}

const struct rules organization_rules = { .type = TYPE_ORGANIZATION,
	.own = own,
	.check = check,
	.apply = apply,
	.after = after };
