/* People: signing up, with an org of their own where the configuration says so, and going, with all
 * that they are in the orgs. */
#include "daemon/directory/form.h"
#include "daemon/directory/names.h"
#include "daemon/directory/link.h"
#include "daemon/directory/organization.h"

#include "base/banned.h"

struct place { /* where a person is a member */
	struct org org;
	uint64_t member;
};

struct plan {
	bool with_org; /* of a create: it gets a personal org */
	struct org_plan made;
	struct place *places; /* of a delete */
	size_t place_count, place_cap;
};

static bool
own(const struct subject *s, uint64_t row, const struct record *r)
{
	(void)r;
	return row != 0 && row == s->person;
}

/* ---- Addresses ---- */

/* The same address in the record as it was. */
static const struct node *
email_before(const struct deed *x, const struct node *value)
{
	const struct attrs *at = &x->d->at;
	const struct node *list = x->old_root != NULL ? node_child(x->old_root, at->person_emails) : NULL;
	const struct node *had;

	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
		if ((had = node_child(e, at->person_email)) != NULL && node_compare(had, value) == 0)
			return e;
	return NULL;
}

static bool
verified_in(const struct attrs *at, const struct node *email)
{
	const struct node *n = email != NULL ? node_child(email, at->person_email_verified) : NULL;

	return n != NULL && n->boolean;
}

/* That an address is proven is said by operators and products, who saw the proof, never by the person: it decides which members
 * they may become. */
static void
settle_verified(struct deed *x)
{
	const struct attrs *at = &x->d->at;
	struct node *list = node_child(x->root, at->person_emails);
	const struct node *value;

	for (struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
		if ((value = node_child(e, at->person_email)) == NULL)
			continue;
		if (verified_in(at, email_before(x, value)))
			tree_set_bool(x->arena, e, at->person_email_verified, true);
		else
			tree_clear(e, at->person_email_verified);
	}
}

/* A proven address is one person's. */
static enum rc
check_proven(struct deed *x, struct err *err)
{
	const struct attrs *at = &x->d->at;
	const struct node *list = node_child(x->root, at->person_emails);

	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
		struct slice address = tree_text(e, at->person_email);
		uint64_t other;

		if (!verified_in(at, e))
			continue;
		other = person_with(x->d, orgtx_txn(x->o), x->arena, address);
		if (other != 0 && other != x->row)
			return fail(err, RC_UNIQUENESS, "emails",
				"the address \"%.*s\" is verified for another person",
				SLICE_ARG(slice_clip(address, 100)));
	}
	return RC_OK;
}

/* Members that were waiting for a proof are this person from now on. */
static void
link_proven(struct deed *x)
{
	const struct attrs *at = &x->d->at;
	const struct node *list = node_child(x->root, at->person_emails), *value;

	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
		if (!verified_in(at, e) || (value = node_child(e, at->person_email)) == NULL ||
			verified_in(at, email_before(x, value)))
			continue;
		link_person(x->d, orgtx_txn(x->o), x->w, x->arena, value->text);
	}
}

/* ---- Signing up ---- */

static enum rc
plan_personal(struct deed *x, struct plan *p, struct slice name, struct err *err)
{
	const char *model = x->d->orgs.personal_model;
	const struct model *m = model != NULL && model[0] != '\0'
					? model_by_name(x->d->models, slice_of(model))
					: NULL;
	char *key = arena_alloc(x->arena, ORG_KEY_MAX + 1);
	struct slice shown = tree_text(x->root, x->d->at.person_display);
	struct org_wish wish = { .kind = SLICE_INIT("personal"), .creator = 1 /* its row is to come */ };

	if (m == NULL || !m->kinds[ORG_PERSONAL].allowed || !m->kinds[ORG_PERSONAL].at_signup)
		return RC_OK;
	org_key_from_username(x->d, orgtx_txn(x->o), name, x->w->actor.now, key);
	wish.key = slice_of(key);
	wish.name = shown.len > 0 ? shown : name;
	wish.model = m->name;
	p->with_org = true;
	return org_plan_make(x, &wish, &p->made, err);
}

static enum rc
check_names(struct deed *x, struct err *err)
{
	struct slice name = tree_text(x->root, x->d->at.person_user_name);
	enum rc rc = username_require(x->d, orgtx_txn(x->o), x->arena, name, x->row, err);

	return rc != RC_OK ? rc
			   : shown_name_require("displayName",
				     tree_text(x->root, x->d->at.person_display), err);
}

static enum rc
check_create(struct deed *x, struct plan *p, struct err *err)
{
	enum rc rc = check_names(x, err);

	return rc != RC_OK ? rc
			   : plan_personal(x, p, tree_text(x->root, x->d->at.person_user_name), err);
}

/* ---- Going, for good or for now ---- */

/* Whether an org can be without the member. */
static enum rc
may_leave(const struct deed *x, const struct place *place, struct err *err)
{
	const struct model *m = model_by_name(x->d->models, slice_of(place->org.model));
	struct orgtx *o = orgtx_open(orgtx_txn(x->o), place->org.no);
	const struct model_role *role;
	struct record r;

	if (m == NULL || place->member == 0 || place->org.state == ORG_DELETED ||
		!record_get(o, place->member, &r) ||
		!record_bool(x->d->schema, &r, x->d->at.user_active, true))
		return RC_OK;
	role = member_role(x->d, o, x->arena, m, place->member, x->w->actor.now, NULL);
	if (role == NULL || role->holders_min == 0 ||
		role_count_fits(m, role,
			role_left(x->d, o, x->arena, role, x->w->actor.now, place->member),
			NULL) == RC_OK)
		return RC_OK;
	return fail(err, RC_CONFLICT, "",
		"the org \"%s\" can't be without its %.*s: hand the role over, or delete the org, first",
		place->org.key, SLICE_ARG(role->title));
}

/* Where the person is, into p, and whether it can all be without them. */
static enum rc
check_goes(struct deed *x, struct plan *p, struct err *err)
{
	enum { STEP = 64 };
	uint64_t rows[STEP], after = 0;
	size_t n;
	enum rc rc;

	while ((n = edge_list(x->o, EDGE_GROUPS, x->row, after, rows, STEP)) > 0) {
		for (size_t i = 0; i < n; i++) {
			struct place place;

			if (!org_of_row(x->d, x->o, rows[i], &place.org) ||
				place.org.state == ORG_PURGING)
				continue;
			place.member = member_of_person(x->d,
				orgtx_open(orgtx_txn(x->o), place.org.no), x->arena, x->row, true);
			if (place.org.kind == ORG_COMPANY && (rc = may_leave(x, &place, err)) != RC_OK)
				return rc;
			p->places = arena_grow(x->arena, p->places, p->place_count, &p->place_cap,
				sizeof(*p->places));
			p->places[p->place_count++] = place;
		}
		after = rows[n - 1];
	}
	return RC_OK;
}

static enum rc
check_edit(struct deed *x, struct err *err)
{
	const struct attrs *at = &x->d->at;
	struct slice was = tree_text(x->old_root, at->person_user_name);
	struct slice is = tree_text(x->root, at->person_user_name);
	bool was_active = tree_bool(x->old_root, at->person_active, true);
	bool is_active = tree_bool(x->root, at->person_active, true);
	struct plan nowhere = { .places = NULL };
	bool self = x->by != NULL && x->by->caller == CALLER_PERSON;
	enum rc rc = slice_eq(was, is) ? RC_OK : check_names(x, err);

	if (rc == RC_OK && self && was_active != is_active)
		return fail(err, RC_FORBIDDEN, "active",
			"the permission \"people.edit\" is missing: nobody activates and deactivates themselves");
	if (rc == RC_OK && was_active && !is_active)
		rc = check_goes(x, &nowhere, err);
	if (rc != RC_OK || !self)
		return rc;
	settle_verified(x);
	return shown_name_require("displayName", tree_text(x->root, at->person_display), err);
}

static enum rc
check(struct deed *x, struct err *err)
{
	struct plan *p = ARENA_NEW(x->arena, struct plan);

	enum rc rc;

	x->plan = p;
	if (x->verb == VERB_DELETE)
		return check_goes(x, p, err);
	rc = x->verb == VERB_CREATE ? check_create(x, p, err) : check_edit(x, err);
	return rc != RC_OK ? rc : check_proven(x, err);
}

static void
apply(struct deed *x, uint64_t revision)
{
	struct plan *p = x->plan;
	struct node *root;

	if (x->verb != VERB_CREATE || !p->with_org)
		return;
	p->made.creator = x->row;
	root = node_new(x->arena, schema_type(x->d->schema, TYPE_ORGANIZATION)->root, NODE_OBJECT);
	org_plan_fill(x, &p->made, root);
	org_plan_put(x, &p->made, deed_create(x, TYPE_ORGANIZATION, root, revision));
}

/* A personal org goes with its person, with the grace that every org has. */
static void
end_personal(struct deed *x, const struct place *place)
{
	struct writer w = *x->w;
	struct org_act_args args = { .act = ORG_ACT_DELETE,
		.confirmed = true,
		.confirm = rows_count(orgtx_open(orgtx_txn(x->o), place->org.no), TYPE_USER) };
	struct written unused;

	w.caller = NULL;
	if (place->org.state != ORG_DELETED)
		(void)!organization_act(x->d, orgtx_txn(x->o), &w, x->arena, place->org.row, NULL,
			&args, &unused, NULL);
}

static void
end_membership(struct deed *x, const struct place *place)
{
	struct deed y = { .d = x->d,
		.o = orgtx_open(orgtx_txn(x->o), place->org.no),
		.w = x->w,
		.arena = x->arena,
		.verb = VERB_DELETE };

	if (place->member == 0)
		return;
	deed_erase(&y, place->member, change_begin(y.o, &x->w->actor));
	change_end(y.o);
}

static void
after(struct deed *x)
{
	struct plan *p = x->plan;

	if (x->verb == VERB_CREATE && p->with_org)
		org_plan_furnish(x, &p->made);
	if (x->verb != VERB_DELETE)
		link_proven(x);
	for (size_t i = 0; i < p->place_count; i++) {
		if (p->places[i].org.kind == ORG_PERSONAL)
			end_personal(x, &p->places[i]);
		else
			end_membership(x, &p->places[i]);
	}
}

const struct rules person_rules = { .type = TYPE_PERSON,
	.own = own,
	.check = check,
	.apply = apply,
	.after = after };
