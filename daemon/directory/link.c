#include "daemon/directory/link.h"

#include "daemon/directory/doubt.h"
#include "daemon/directory/form.h"
#include "daemon/directory/organization.h"
#include "schema/text.h"

#include "base/banned.h"

struct slice
address_domain(struct arena *a, struct slice address)
{
	const char *at = address.len > 0 ? memrchr(address.p, '@', address.len) : NULL;

	if (at == NULL)
		return SLICE("");
	return text_fold(a, slice_from(address, (size_t)(at + 1 - address.p)));
}

/* ---- Addresses ---- */

enum { ADDRESSES_MAX = 20 /* of one member; more prove nothing more */ };

struct addresses {
	struct slice list[ADDRESSES_MAX]; /* folded */
	size_t count;
};

static void
address_add(struct arena *a, struct addresses *out, struct slice text)
{
	struct slice folded = text_fold(a, text);

	if (out->count == ADDRESSES_MAX || memchr(text.p, '@', text.len) == NULL)
		return;
	for (size_t i = 0; i < out->count; i++)
		if (slice_eq(out->list[i], folded))
			return;
	out->list[out->count++] = folded;
}

/* Of a User: emails, and a userName that is one. */
static struct addresses
addresses_of(const struct directory *d, struct arena *a, const struct node *user)
{
	const struct node *list = node_child(user, d->at.user_emails);
	struct slice name = tree_text(user, d->at.user_name);
	struct addresses out = { .count = 0 };

	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
		struct slice value = tree_text(e, d->at.user_email);

		if (value.len > 0)
			address_add(a, &out, value);
	}
	if (name.len > 0)
		address_add(a, &out, name);
	return out;
}

bool
person_has_address(const struct directory *d, struct arena *a, const struct record *person,
	struct slice address)
{
	const struct node *root = record_unpack(a, d->schema, person, 0);
	const struct node *list = root != NULL ? node_child(root, d->at.person_emails) : NULL;
	struct slice folded = text_fold(a, address);

	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
		if (tree_bool(e, d->at.person_email_verified, false) &&
			slice_eq(text_fold(a, tree_text(e, d->at.person_email)), folded))
			return true;
	return false;
}

static size_t
rows_with(struct orgtx *o, struct arena *a, const struct attr *attr, uint8_t type, struct slice text,
	uint64_t *rows, size_t max)
{
	struct node value = { .attr = attr, .kind = NODE_VALUE, .text = text };
	struct slice key;

	return index_key_of(a, attr, 0, &value, false, &key)
		       ? index_list(o, attr->id, type, key, 0, rows, max)
		       : 0;
}

uint64_t
person_with(const struct directory *d, struct txn *t, struct arena *a, struct slice address)
{
	enum { STEP = 16 };
	struct node value = { .attr = d->at.person_email, .kind = NODE_VALUE, .text = address };
	struct orgtx *platform = orgtx_open(t, ORG_PLATFORM);
	uint64_t rows[STEP], after = 0;
	struct slice key;
	size_t n;

	if (!index_key_of(a, value.attr, 0, &value, false, &key))
		return 0;
	/* Any number of others may carry the address, not verified. */
	while ((n = index_list(platform, value.attr->id, TYPE_PERSON, key, after, rows, STEP)) > 0) {
		for (size_t i = 0; i < n; i++) {
			struct record r;

			if (record_get(platform, rows[i], &r) && person_has_address(d, a, &r, address))
				return rows[i];
		}
		after = rows[n - 1];
	}
	return 0;
}

/* ---- The org's proven domains ---- */

static const struct node *
verified_domains(const struct directory *d, struct orgtx *o, struct arena *a)
{
	uint64_t row = settings_row(o);
	struct slice payload;
	struct record r;
	const struct node *root;

	/* Most orgs have none: no tree for them. */
	if (row == 0 || !record_get(o, row, &r) ||
		!record_field(d->schema, &r, d->at.settings_domains, &payload))
		return NULL;
	root = record_unpack(a, d->schema, &r, 0);
	return root != NULL ? node_child(root, d->at.settings_domains) : NULL;
}

static bool
is_proven(const struct directory *d, struct arena *a, const struct node *domains, struct slice address)
{
	struct slice domain = address_domain(a, address);

	for (const struct node *e = domains != NULL ? domains->child : NULL; e != NULL; e = e->next)
		if (tree_bool(e, d->at.settings_domain_verified, false) &&
			slice_eq(tree_text(e, d->at.settings_domain), domain))
			return true;
	return false;
}

/* ---- Deciding ---- */

static bool
is_linked(const struct deed *x)
{
	return tree_text(x->root, x->d->at.user_person_value).len > 0;
}

static void
unmark(struct deed *x)
{
	tree_clear(x->root, x->d->at.user_person_value);
	tree_clear(x->root, x->d->at.user_link_state);
	tree_clear(x->root, x->d->at.user_link_candidates);
}

static struct slice
person_id(struct deed *x, uint64_t person)
{
	return row_id_text(x->arena, orgtx_open(orgtx_txn(x->o), ORG_PLATFORM), person);
}

/* Waits for an admin, who is told which people it is about. */
static void
mark_conflict(struct deed *x, const uint64_t *people, size_t n)
{
	unmark(x);
	tree_set_text(x->arena, x->root, x->d->at.user_link_state, SLICE("conflict"));
	for (size_t i = 0; i < n; i++)
		tree_add_text(x->arena, x->root, x->d->at.user_link_candidates, person_id(x, people[i]));
}

/* Links a User that is none's yet to a person, unless another member of the org is that person. */
static uint64_t
link_to(struct deed *x, uint64_t person)
{
	uint64_t other = member_of_person(x->d, x->o, x->arena, person, true);

	if (other != 0 && other != x->row) {
		mark_conflict(x, &person, 1);
		return 0;
	}
	unmark(x);
	tree_set_text(x->arena, x->root, x->d->at.user_person_value, person_id(x, person));
	tree_set_text(x->arena, x->root, x->d->at.user_link_state, SLICE("linked"));
	return person;
}

static bool
is_among(const uint64_t *people, size_t n, uint64_t person)
{
	for (size_t i = 0; i < n; i++)
		if (people[i] == person)
			return true;
	return false;
}

/* Those who have proven one of the member's addresses in a domain that the org has proven. */
static size_t
people_by_proof(struct deed *x, const struct node *domains, uint64_t *people)
{
	struct addresses addresses = addresses_of(x->d, x->arena, x->root);
	size_t n = 0;

	for (size_t i = 0; i < addresses.count; i++) {
		uint64_t person = is_proven(x->d, x->arena, domains, addresses.list[i])
			? person_with(x->d, orgtx_txn(x->o), x->arena, addresses.list[i]) : 0;

		if (person != 0 && !is_among(people, n, person))
			people[n++] = person;
	}
	return n;
}

bool
link_is_possible(const struct directory *d, struct orgtx *o, struct arena *a)
{
	return verified_domains(d, o, a) != NULL;
}

uint64_t
link_decide(struct deed *x)
{
	const struct node *domains;
	uint64_t people[ADDRESSES_MAX];
	size_t n;

	if (is_linked(x))
		return 0;
	unmark(x); /* what was in conflict may not be any more */
	if ((domains = verified_domains(x->d, x->o, x->arena)) == NULL)
		return 0;
	n = people_by_proof(x, domains, people);
	if (n > 1 || (n == 1 && doubt_stands(x->d, x->o, x->arena, x->row, x->root))) {
		mark_conflict(x, people, n);
		return 0;
	}
	return n == 1 ? link_to(x, people[0]) : 0;
}

/* ---- Links that come later ---- */

static bool
open_member(struct deed *x, uint64_t row, struct record *r)
{
	if (!record_get(x->o, row, r))
		return false;
	x->row = row;
	x->old = r;
	x->root = deed_tree(x, r);
	return x->root != NULL;
}

static void
put_member(struct deed *x, const char *action, uint64_t person, bool linked)
{
	struct writer w = *x->w;
	const struct writer *before = x->w;
	struct org org;
	uint64_t revision;

	w.actor.action = action;
	x->w = &w;
	revision = change_begin(x->o, &w.actor);
	deed_replace(x, x->row, x->root, revision);
	if (person != 0 && !linked) /* what the person has in hand goes with them */
		deed_end_access(x, x->row, revision);
	change_end(x->o);
	if (person != 0 && org_by_no(orgtx_txn(x->o), orgtx_org(x->o), &org))
		org_member_edge(x, &org, person, linked, false);
	x->w = before;
}

/* Decides about a member as if it were written now. */
static void
look_again(struct deed *x, uint64_t row)
{
	struct slice was;
	struct record r;
	uint64_t person;

	if (!open_member(x, row, &r))
		return;
	was = tree_text(x->root, x->d->at.user_link_state);
	person = link_decide(x);
	if (person != 0 || !slice_eq(was, tree_text(x->root, x->d->at.user_link_state)))
		put_member(x, "member.link", person, true);
}

void
link_person(const struct directory *d, struct txn *t, const struct writer *w, struct arena *a,
	struct slice address)
{
	enum { ORGS = 64, MEMBERS = 16 };
	struct orgtx *platform = orgtx_open(t, ORG_PLATFORM);
	uint64_t orgs[ORGS], members[MEMBERS];
	size_t n = rows_with(platform, a, d->at.org_domains, TYPE_ORGANIZATION,
		address_domain(a, address), orgs, ORGS);

	for (size_t i = 0; i < n; i++) {
		struct deed x = { .d = d, .w = w, .arena = a, .verb = VERB_EDIT };
		struct org org;
		size_t found;

		if (!org_of_row(d, platform, orgs[i], &org))
			continue;
		x.o = orgtx_open(t, org.no);
		found = rows_with(x.o, a, d->at.user_email, TYPE_USER, address, members, MEMBERS);
		for (size_t k = 0; k < found; k++)
			look_again(&x, members[k]);
	}
}

uint64_t
link_members(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	uint64_t after, size_t limit)
{
	enum { STEP = 64 };
	struct deed x = { .d = d, .o = o, .w = w, .arena = a, .verb = VERB_EDIT };
	uint64_t rows[STEP];
	size_t n;

	while (limit > 0 && (n = rows_list(o, TYPE_USER, after, 0, rows, limit < STEP ? limit : STEP)) > 0) {
		for (size_t i = 0; i < n; i++)
			look_again(&x, rows[i]);
		after = rows[n - 1];
		limit -= n;
	}
	return limit == 0 ? after : 0;
}

/* ---- People decide ---- */

static bool
shares_address(struct deed *x, const struct record *person)
{
	struct addresses addresses = addresses_of(x->d, x->arena, x->root);

	for (size_t i = 0; i < addresses.count; i++)
		if (person_has_address(x->d, x->arena, person, addresses.list[i]))
			return true;
	return false;
}

/* Members that have one of the person's verified addresses among their emails, or as userName. */
static uint64_t
member_with_address_of(struct deed *x, const struct record *person)
{
	const struct node *root = record_unpack(x->arena, x->d->schema, person, 0);
	const struct node *list = root != NULL ? node_child(root, x->d->at.person_emails) : NULL;
	uint64_t row;

	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
		struct slice address = tree_text(e, x->d->at.person_email);

		if (tree_bool(e, x->d->at.person_email_verified, false) &&
			(rows_with(x->o, x->arena, x->d->at.user_email, TYPE_USER, address, &row, 1) > 0 ||
				rows_with(x->o, x->arena, x->d->at.user_name, TYPE_USER, address, &row,
					1) > 0))
			return row;
	}
	return 0;
}

enum rc
link_claim(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	uint64_t person, uint64_t *member, struct err *err)
{
	struct orgtx *platform = orgtx_open(orgtx_txn(o), ORG_PLATFORM);
	struct deed x = { .d = d, .o = o, .w = w, .arena = a, .verb = VERB_EDIT };
	struct record human, r;

	if (!record_get(platform, person, &human))
		return fail(err, RC_NOT_FOUND, "", "there is no such person");
	human.fields = arena_dup(a, human.fields);
	*member = member_with_address_of(&x, &human);
	/* Another's member, an unknown one and an org that is not there look alike. */
	if (*member == 0 || !open_member(&x, *member, &r) ||
		tree_text(x.root, d->at.user_person_value).len > 0 ||
		!record_bool(d->schema, &r, d->at.user_active, true))
		return fail(err, RC_NOT_FOUND, "",
			"this org has no member who waits for one of your verified addresses");
	if (member_of_person(d, o, a, person, true) != 0)
		return fail(err, RC_CONFLICT, "", "you are a member of this org already");
	if (doubt_stands(d, o, a, *member, x.root))
		return fail(err, RC_CONFLICT, "", DOUBT_TEXT);
	(void)link_to(&x, person);
	put_member(&x, "member.claim", person, true);
	return RC_OK;
}

static enum rc
find_person(struct deed *x, const struct uuid *id, uint64_t *row, struct err *err)
{
	struct orgtx *platform = orgtx_open(orgtx_txn(x->o), ORG_PLATFORM);
	struct record r;

	/* Nobody learns here who else is on the platform: unknown and unproven look alike. */
	if (!row_by_id(platform, id, row) || row_type(*row) != TYPE_PERSON ||
		!record_get(platform, *row, &r) || !shares_address(x, &r))
		return fail(err, RC_INVALID_VALUE, "person",
			"no person with this id has verified one of the member's addresses");
	return RC_OK;
}

static enum rc
check_link(struct deed *x, const struct subject *by, struct err *err)
{
	struct model_subject ms = subject_seen_from(by, 0);
	enum rc rc = by->all ? RC_OK
			     : model_may_give(&ms,
				       member_role(x->d, x->o, x->arena, by->model, x->row, x->w->actor.now, NULL), err);

	return rc != RC_OK ? rc : holdings_require(x, by, x->row, err);
}

static enum rc
check_unlink(struct deed *x, const struct subject *by, struct err *err)
{
	const struct model_role *role =
		member_role(x->d, x->o, x->arena, by->model, x->row, x->w->actor.now, NULL);
	struct model_subject ms = subject_seen_from(by, 0);
	enum rc rc;

	if (!by->all && (rc = model_may_take(&ms, role, err)) != RC_OK)
		return rc;
	return role->holders_min == 0
		       ? RC_OK
		       : role_count_fits(by->model, role,
				 role_left(x->d, x->o, x->arena, role, x->w->actor.now, x->row), err);
}

enum rc
link_set(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	const struct uuid *member, const struct uuid *person, struct written *out, struct err *err)
{
	struct deed x = { .d = d, .o = o, .w = w, .arena = a, .verb = VERB_EDIT };
	uint64_t row, human, was;
	struct subject by;
	struct record r;
	enum rc rc;

	if ((rc = subject_load(d, o, a, w->caller, w->actor.now, &by, err)) != RC_OK ||
		(rc = operation_ask(&by, TYPE_USER, VERB_ACTION, person != NULL ? "link" : "unlink", 0,
			 err)) != RC_OK ||
		(rc = resource_find(o, schema_type(d->schema, TYPE_USER), member, &row, &r, err)) != RC_OK)
		return rc;
	r.fields = arena_dup(a, r.fields);
	(void)open_member(&x, row, &r);
	was = person_of_member(d, o, &r);
	if (person == NULL) {
		/* Who is nobody's member any more can't act in their role. */
		if ((rc = check_unlink(&x, &by, err)) != RC_OK)
			return rc;
		unmark(&x);
		put_member(&x, "member.unlink", was, false);
	} else {
		/* Who becomes the member gets all that the member holds. */
		if ((rc = check_link(&x, &by, err)) != RC_OK)
			return rc;
		if (was != 0)
			return fail(err, RC_CONFLICT, "", "the member is linked to a person: take that link away first");
		if ((rc = find_person(&x, person, &human, err)) != RC_OK)
			return rc;
		if (link_to(&x, human) == 0)
			return fail(err, RC_CONFLICT, "person", "another member of the org is this person");
		tree_clear(x.root, d->at.user_doubt);
		put_member(&x, "member.link", human, true);
	}
	*out = (struct written){ .row = row };
	return RC_OK;
}
