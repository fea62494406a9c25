/* Answering an invitation: joining the org, or not. Seats, expiry, state and the inviter's rights are
 * decided here, in the transaction that makes the member, so that however many answer at once the
 * outcome is as if one came after the other. */
#include <stdio.h>

#include "daemon/directory/doubt.h"
#include "daemon/directory/form.h"
#include "daemon/directory/organization.h"
#include "daemon/directory/invitation.h"
#include "daemon/directory/link.h"
#include "schema/text.h"

#include "base/banned.h"

struct join {
	struct deed x;     /* the invitation in its org */
	struct deed home;  /* the platform */
	struct writer home_writer;
	struct caller as_operator;
	struct subject limits; /* of the org, and its model */
	const struct model_role *role;
	bool link, by_secret;
	bool proven;       /* the address is the person's */
	bool prove;        /* and that is new */
	struct slice address;
	uint64_t person;
	struct slice person_id;
	struct node *person_root;
	uint64_t member;   /* that is there already, made by a connection; 0: a new one is made */
	struct node *member_root;
};

static enum rc
no_org(struct err *err)
{
	return fail(err, RC_NOT_FOUND, "", "the org of this invitation is not there any more");
}

/* From the platform's copy to the invitation. */
static enum rc
open_invitation(struct join *j, struct txn *t, uint64_t copy, struct org *org, struct err *err)
{
	struct deed *x = &j->x;
	struct record r, *old = ARENA_NEW(x->arena, struct record);
	enum rc rc;

	if (!record_get(j->home.o, copy, &r) ||
		!org_by_no(t, (uint32_t)record_i64(x->d->schema, &r, x->d->at.invitation_org_number, 0), org) ||
		(org->state != ORG_ACTIVE && org->state != ORG_SUSPENDED))
		return no_org(err);
	if (org->state == ORG_SUSPENDED)
		return fail(err, RC_CONFLICT, "", "the org is suspended");
	x->id = r.id;
	x->o = orgtx_open(t, org->no);
	if ((rc = resource_find(x->o, x->type, &x->id, &x->row, old, err)) != RC_OK)
		return rc;
	old->fields = arena_dup(x->arena, old->fields);
	x->old = old;
	x->root = record_unpack(x->arena, x->d->schema, old, 0);
	if (x->root == NULL)
		return fail(err, RC_INTERNAL, "", "the stored invitation is damaged");
	j->link = slice_eq(tree_text(x->root, x->d->at.invitation_kind), SLICE("link"));
	j->address = tree_text(x->root, x->d->at.invitation_address);
	return RC_OK;
}

static void
join_init(struct join *j, const struct directory *d, struct txn *t, const struct writer *w, struct arena *a)
{
	*j = (struct join){ .home_writer = *w };
	j->x = (struct deed){ .d = d, .w = w, .arena = a, .verb = VERB_ACTION,
		.type = schema_type(d->schema, TYPE_INVITATION) };
	j->home = j->x;
	j->home.w = &j->home_writer;
	j->home.o = orgtx_open(t, ORG_PLATFORM);
}

static enum rc
open_person(struct join *j, uint64_t person, struct err *err)
{
	struct record r;

	if (row_type(person) != TYPE_PERSON || !record_get(j->home.o, person, &r) ||
		!record_bool(j->x.d->schema, &r, j->x.d->at.person_active, true))
		return fail(err, RC_FORBIDDEN, "", "only a person can do this (Invitation.accept), with a personal token");
	j->person = person;
	j->person_id = id_text(j->x.arena, &r.id);
	j->person_root = deed_tree(&j->home, &r);
	return j->person_root != NULL ? RC_OK
				      : fail(err, RC_INTERNAL, "", "the stored person is damaged");
}

/* ---- Whose address it is ---- */

static enum rc
check_by_address(struct join *j, struct err *err)
{
	const struct directory *d = j->x.d;
	struct txn *t = orgtx_txn(j->home.o);
	struct record r;
	uint64_t other;

	j->proven = record_get(j->home.o, j->person, &r) &&
		person_has_address(d, j->x.arena, &r, j->address);
	if (j->proven)
		return RC_OK;
	other = person_with(d, t, j->x.arena, j->address);
	if (other != 0)
		return fail(err, RC_CONFLICT, "address",
			"the invitation is for an address that another person has confirmed as theirs");
	if (!j->by_secret)
		return fail(err, RC_CONFLICT, "address",
			"the invitation is for an address that you have not confirmed as yours");
	/* A link that the inviter was shown proves nothing about the address. */
	j->proven = j->prove = tree_value(j->x.root, d->at.invitation_sent) != NULL;
	if (j->proven || j->limits.org.external_invitations)
		return RC_OK;
	return fail(err, RC_CONFLICT, "address",
		"confirm the address first: the org takes people of its verified domains alone");
}

static enum rc
check_by_link(struct join *j, struct err *err)
{
	const struct attrs *at = &j->x.d->at;
	const struct node *list = node_child(j->person_root, at->person_emails);
	struct err ignored;

	if (j->limits.org.external_invitations)
		return RC_OK;
	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
		if (tree_bool(e, at->person_email_verified, false) &&
			invitation_require_inside(&j->limits, tree_text(e, at->person_email), &ignored) == RC_OK)
			return RC_OK;
	return fail(err, RC_CONFLICT, "address",
		"the org takes people of its verified domains alone (its setting externalInvitations is off), "
		"and you have confirmed no address of them");
}

/* ---- Who the person is in the org ---- */

static size_t
members_with(const struct join *j, const struct attr *attr, struct slice text, uint64_t *rows, size_t max)
{
	struct node value = { .attr = attr, .kind = NODE_VALUE, .text = text };
	struct slice key;

	if (text.len == 0 || !index_key_of(j->x.arena, attr, 0, &value, false, &key))
		return 0;
	return index_list(j->x.o, attr->id, TYPE_USER, key, 0, rows, max);
}

static bool
is_linked(const struct join *j, uint64_t row)
{
	const struct attrs *at = &j->x.d->at;
	struct record r;

	return record_get(j->x.o, row, &r) && record_text(j->x.d->schema, &r, at->user_person_value).len > 0 &&
		slice_eq(record_text(j->x.d->schema, &r, at->user_link_state), SLICE("linked"));
}

static enum rc
check_not_member(const struct join *j, struct err *err)
{
	uint64_t rows[8];
	size_t n = members_with(j, j->x.d->at.user_person_value, j->person_id, rows, 8);
	bool is = j->limits.org.row != 0 && edge_has(j->home.o, j->limits.org.row, j->person);

	for (size_t i = 0; i < n && !is; i++)
		is = is_linked(j, rows[i]);
	return is ? fail(err, RC_CONFLICT, "", "you are a member of this org already") : RC_OK;
}

/* A member that a connection made for this address, and that is nobody yet. */
static enum rc
look_for_provisioned(struct join *j, struct slice address, struct err *err)
{
	const struct directory *d = j->x.d;
	uint64_t rows[16];
	size_t n = members_with(j, d->at.user_email, address, rows, 16);

	for (size_t i = 0; i < n; i++) {
		struct record r;

		if (rows[i] == j->member || !record_get(j->x.o, rows[i], &r) || is_linked(j, rows[i]))
			continue;
		if (j->member != 0)
			return fail(err, RC_CONFLICT, "address",
				"more than one member of the org has your address: an admin must link one to you");
		if (!record_bool(d->schema, &r, d->at.user_active, true))
			return fail(err, RC_CONFLICT, "address",
				"the member with your address is deactivated: an admin must activate them first");
		if (doubt_stands(d, j->x.o, j->x.arena, rows[i], record_unpack(j->x.arena, d->schema, &r, 0)))
			return fail(err, RC_CONFLICT, "address", DOUBT_TEXT);
		j->member = rows[i];
	}
	return RC_OK;
}

static enum rc
find_provisioned(struct join *j, struct err *err)
{
	const struct attrs *at = &j->x.d->at;
	const struct node *list = node_child(j->person_root, at->person_emails);

	if (!j->link)
		return j->proven ? look_for_provisioned(j, j->address, err) : RC_OK;
	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
		enum rc rc = tree_bool(e, at->person_email_verified, false)
			? look_for_provisioned(j, tree_text(e, at->person_email), err) : RC_OK;

		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

/* ---- Whether it may still be ---- */

static enum rc
check_inviter(struct join *j, struct err *err)
{
	const struct directory *d = j->x.d;
	struct slice id = tree_text(j->x.root, d->at.invitation_inviter_value);
	struct subject *by = &j->limits;
	struct err why = ERR_INIT;
	struct uuid uuid;
	uint64_t row;
	enum rc rc = RC_OK;

	if (id.len > 0) {
		if (!uuid_parse(id, &uuid) || !row_by_id(j->x.o, &uuid, &row) || !member_is_active(d, j->x.o, row))
			return fail(err, RC_CONFLICT, "inviter",
				"who invited you is no active member any more: ask for another invitation");
		by = ARENA_NEW(j->x.arena, struct subject);
		if ((rc = subject_of_member(d, j->x.o, j->x.arena, row, j->x.w->actor.now, by, err)) != RC_OK)
			return rc;
		rc = operation_ask(by, TYPE_INVITATION, VERB_CREATE, j->link ? "link" : "email", 0, &why);
	}
	if (rc == RC_OK)
		rc = invitation_presets(by, j->x.root, &j->role, &why);
	if (rc == RC_OK)
		return RC_OK;
	return fail(err, RC_CONFLICT, "inviter",
		"what the invitation carries can't be given by who invited you any more (%.160s): ask for another one",
		why.detail);
}

static enum rc
check_room(struct join *j, struct err *err)
{
	struct deed *x = &j->x;
	uint64_t members = rows_count(x->o, TYPE_USER), more = 0;
	enum rc rc;

	if (j->limits.org.kind == ORG_PERSONAL)
		return fail(err, RC_CONFLICT, "", "a personal org has one member, always");
	/* Who is invited by address has a seat kept; who comes by a link may not take it. */
	if (j->link)
		more = pending_invitations(x->d, x->o, x->arena, x->w->actor.now, 0).by_address;
	if (j->member == 0 && (rc = limit_require(&j->limits, LIMIT_MEMBERS, members + 1 + more, err)) != RC_OK)
		return rc;
	if (j->role->holders_max == 0)
		return RC_OK;
	return role_count_fits(j->limits.model, j->role,
		role_holders(x->d, x->o, x->arena, j->role, x->w->actor.now, 0) + 1, err);
}

static enum rc
decide(struct join *j, struct err *err)
{
	struct deed *x = &j->x;
	enum rc rc;

	if ((rc = invitation_require_pending(x->d, x->old, x->w->actor.now, err)) != RC_OK ||
		(rc = check_not_member(j, err)) != RC_OK)
		return rc;
	rc = j->link ? check_by_link(j, err) : check_by_address(j, err);
	if (rc != RC_OK || (rc = find_provisioned(j, err)) != RC_OK || (rc = check_inviter(j, err)) != RC_OK)
		return rc;
	return check_room(j, err);
}

/* ---- The member ---- */

static bool
name_is_free(const struct join *j, struct slice name)
{
	const struct attr *attr = j->x.d->at.user_name;
	struct node value = { .attr = attr, .kind = NODE_VALUE, .text = name };
	struct slice key;
	uint64_t row;

	return name.len > 0 && index_key_of(j->x.arena, attr, 0, &value, false, &key) &&
		index_list(j->x.o, attr->id, TYPE_USER, key, 0, &row, 1) == 0;
}

/* The person's own name, else the address, else the name with a number. */
static struct slice
pick_name(const struct join *j)
{
	struct slice name = tree_text(j->person_root, j->x.d->at.person_user_name), tried;

	if (name_is_free(j, name))
		return name;
	if (j->proven && name_is_free(j, j->address))
		return j->address;
	for (unsigned n = 2; n < 10000; n++) {
		tried = slice_of(arena_printf(j->x.arena, "%.*s-%u", SLICE_ARG(name), n));
		if (name_is_free(j, tried))
			return tried;
	}
	return j->person_id;
}

/* The address under which the org knows them: the invited one, else the primary one, else the first. */
static struct slice
pick_address(const struct join *j)
{
	const struct attrs *at = &j->x.d->at;
	const struct node *list = node_child(j->person_root, at->person_emails);
	struct slice first = SLICE("");

	if (!j->link)
		return j->address;
	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
		if (!tree_bool(e, at->person_email_verified, false))
			continue;
		if (tree_bool(e, at->person_email_primary, false))
			return tree_text(e, at->person_email);
		if (first.len == 0)
			first = tree_text(e, at->person_email);
	}
	return first;
}

static struct node *
new_member(struct join *j)
{
	static const struct slice same[] = { SLICE_INIT("displayName"), SLICE_INIT("name.formatted"),
		SLICE_INIT("name.familyName"), SLICE_INIT("name.givenName"), SLICE_INIT("name.middleName"),
		SLICE_INIT("name.honorificPrefix"), SLICE_INIT("name.honorificSuffix"),
		SLICE_INIT("preferredLanguage"), SLICE_INIT("locale"), SLICE_INIT("timezone") };
	const struct directory *d = j->x.d;
	const struct attrs *at = &d->at;
	const struct resource_type *user = schema_type(d->schema, TYPE_USER);
	const struct resource_type *person = schema_type(d->schema, TYPE_PERSON);
	struct arena *a = j->x.arena;
	struct node *root = node_new(a, user->root, NODE_OBJECT), *e;
	struct slice address = pick_address(j);

	tree_set_text(a, root, at->user_name, pick_name(j));
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		const struct attr *to = attr_find(user, same[i]), *from = attr_find(person, same[i]);

		if (to != NULL && from != NULL && tree_text(j->person_root, from).len > 0)
			tree_set_text(a, root, to, tree_text(j->person_root, from));
	}
	if (address.len > 0) {
		e = tree_add(a, root, at->user_emails);
		tree_set_text(a, e, at->user_email, address);
		tree_set_text(a, e, at->user_email_type, SLICE("work"));
		tree_set_bool(a, e, at->user_email_primary, true);
	}
	tree_set_bool(a, root, at->user_active, true);
	return root;
}

static void
put_member(struct join *j, uint64_t revision)
{
	const struct attrs *at = &j->x.d->at;
	struct deed *x = &j->x;
	struct record r;

	if (j->member != 0 && record_get(x->o, j->member, &r))
		j->member_root = deed_tree(x, &r);
	else
		j->member_root = new_member(j);
	tree_set_text(x->arena, j->member_root, at->user_person_value, j->person_id);
	tree_set_text(x->arena, j->member_root, at->user_link_state, SLICE("linked"));
	tree_clear(j->member_root, at->user_link_candidates);
	if (j->member != 0)
		deed_replace(x, j->member, j->member_root, revision);
	else
		j->member = deed_create(x, TYPE_USER, j->member_root, revision);
}

static void
assign(struct join *j, struct slice path, uint64_t scope, uint64_t revision)
{
	(void)deed_assign(&j->x, j->member, path, scope, "invitation", id_text(j->x.arena, &j->x.id), revision);
}

/* A member that is there may have a role already: it stays. */
static void
put_role(struct join *j, uint64_t revision)
{
	const struct model *m = j->limits.model;
	struct assignment had;
	uint64_t row;

	(void)member_role(j->x.d, j->x.o, j->x.arena, m, j->member, j->x.w->actor.now, &row);
	if (row != 0 && assignment_read(j->x.d, j->x.o, row, &had) &&
		!assignment_in_force(&had, j->x.w->actor.now)) {
		deed_erase(&j->x, row, revision);
		row = 0;
	}
	if (row == 0 && j->role != m->by_default[SCOPE_ORG])
		assign(j, j->role->path, 0, revision);
}

static void
put_into_team(struct join *j, uint64_t team, uint64_t revision)
{
	struct deed *x = &j->x;
	struct record r;
	struct node *root;

	if (!edge_add(x->o, team, j->member) || !record_get(x->o, team, &r) ||
		(root = deed_tree(x, &r)) == NULL)
		return;
	deed_replace(x, team, root, revision); /* another group than before: a new version */
}

static uint64_t
row_in(const struct join *j, struct slice text)
{
	struct uuid id;
	uint64_t row;

	return uuid_parse(text, &id) && row_by_id(j->x.o, &id, &row) ? row : 0;
}

static void
put_presets(struct join *j, uint64_t revision)
{
	const struct attrs *at = &j->x.d->at;
	const struct node *list = node_child(j->x.root, at->invitation_assignments);

	put_role(j, revision);
	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
		const struct model_role *role = model_role_by_path(j->limits.model, e->text);

		if (role == NULL || !role->required) /* required ones are held without a record */
			assign(j, e->text, 0, revision);
	}
	list = node_child(j->x.root, at->invitation_teams);
	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
		put_into_team(j, row_in(j, tree_text(e, at->invitation_team)), revision);
	list = node_child(j->x.root, at->invitation_access);
	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
		uint64_t scope = row_in(j, tree_text(e, at->invitation_access_value));

		if (row_type(scope) == TYPE_GROUP)
			put_into_team(j, scope, revision);
		assign(j, tree_text(e, at->invitation_access_role), scope, revision);
	}
}

/* ---- What becomes of the invitation ---- */

static void
set_answer(struct join *j, struct slice status)
{
	const struct attrs *at = &j->x.d->at;

	tree_set_text(j->x.arena, j->x.root, at->invitation_status, status);
	tree_set_i64(j->x.arena, j->x.root, at->invitation_answered, j->x.w->actor.now);
	(void)outbox_cancel(orgtx_txn(j->x.o), orgtx_org(j->x.o), &j->x.id);
}

/* A link that is used up is as good as accepted. */
static void
count_use(struct join *j)
{
	const struct attrs *at = &j->x.d->at;
	const struct node *uses = tree_value(j->x.root, at->invitation_uses);
	const struct node *most = tree_value(j->x.root, at->invitation_max_uses);
	int64_t n = (uses != NULL ? uses->integer : 0) + 1;

	tree_set_i64(j->x.arena, j->x.root, at->invitation_uses, n);
	if (most != NULL && n >= most->integer)
		set_answer(j, SLICE("accepted"));
}

static void
put_in_org(struct join *j)
{
	const struct attrs *at = &j->x.d->at;
	struct deed *x = &j->x;
	uint64_t revision = change_begin(x->o, &x->w->actor);
	struct record r;

	put_member(j, revision);
	put_presets(j, revision);
	if (j->link) {
		count_use(j);
	} else {
		set_answer(j, SLICE("accepted"));
		tree_set_text(x->arena, x->root, at->invitation_member_value, row_id_text(x->arena, x->o, j->member));
		if (record_get(x->o, j->member, &r))
			tree_set_text(x->arena, x->root, at->invitation_member_display,
				arena_dup(x->arena, display_of(x->d, &r)));
	}
	deed_replace(x, x->row, x->root, revision);
	change_end(x->o);
}

static void
put_proof(struct join *j, uint64_t revision)
{
	const struct attrs *at = &j->x.d->at;
	struct arena *a = j->x.arena;
	struct node *list = node_child(j->person_root, at->person_emails), *e = NULL;

	for (e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
		if (slice_eq(text_fold(a, tree_text(e, at->person_email)), text_fold(a, j->address)))
			break;
	if (e == NULL) {
		e = tree_add(a, j->person_root, at->person_emails);
		tree_set_text(a, e, at->person_email, j->address);
	}
	tree_set_bool(a, e, at->person_email_verified, true);
	deed_replace(&j->home, j->person, j->person_root, revision);
}

static void
put_at_home(struct join *j)
{
	uint64_t revision = change_begin(j->home.o, &j->home_writer.actor);

	if (j->limits.org.row != 0)
		(void)edge_add(j->home.o, j->limits.org.row, j->person);
	if (j->prove)
		put_proof(j, revision);
	invitation_mirror_put(&j->x, &j->home, revision);
	change_end(j->home.o);
}

enum rc
invitation_accept(const struct directory *d, struct txn *t, const struct writer *w, struct arena *a,
	uint64_t copy, uint64_t person, bool by_secret, struct joined *out, struct err *err)
{
	struct join *j = ARENA_NEW(a, struct join);
	struct record r;
	enum rc rc;

	join_init(j, d, t, w, a);
	j->by_secret = by_secret;
	if ((rc = open_invitation(j, t, copy, &out->org, err)) != RC_OK ||
		(rc = open_person(j, person, err)) != RC_OK)
		return rc;
	caller_init_control(&j->as_operator, out->org.no);
	if ((rc = subject_load(d, j->x.o, a, &j->as_operator, w->actor.now, &j->limits, err)) != RC_OK ||
		(rc = decide(j, err)) != RC_OK)
		return rc;
	put_in_org(j);
	put_at_home(j);
	if (j->prove) /* other orgs may have waited for the proof */
		link_person(d, t, &j->home_writer, a, j->address);
	if (record_get(j->x.o, j->member, &r))
		out->member = r.id;
	return RC_OK;
}

enum rc
invitation_decline(const struct directory *d, struct txn *t, const struct writer *w, struct arena *a,
	uint64_t copy, struct err *err)
{
	struct join *j = ARENA_NEW(a, struct join);
	uint64_t revision;
	struct org org;
	enum rc rc;

	join_init(j, d, t, w, a);
	if ((rc = open_invitation(j, t, copy, &org, err)) != RC_OK)
		return rc;
	if (j->link)
		return fail(err, RC_CONFLICT, "kind", "a link is for many: it is not declined, only left alone");
	if (slice_eq(invitation_status(d, j->x.old, w->actor.now), SLICE("declined")))
		return RC_OK;
	if ((rc = invitation_require_pending(d, j->x.old, w->actor.now, err)) != RC_OK)
		return rc;
	revision = change_begin(j->x.o, &w->actor);
	set_answer(j, SLICE("declined"));
	deed_replace(&j->x, j->x.row, j->x.root, revision);
	change_end(j->x.o);
	invitation_mirror(&j->x);
	return RC_OK;
}
