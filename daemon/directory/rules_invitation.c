/* Invitations as resources: making, changing and deleting them, and what the platform shows of them. */
#include <stdlib.h>

#include "daemon/directory/form.h"
#include "daemon/directory/invitation.h"
#include "daemon/directory/link.h"
#include "schema/text.h"

#include "base/banned.h"

static struct slice
part_of(const struct directory *d, struct orgtx *o, uint64_t row, const struct node *root)
{
	(void)o;
	(void)row;
	if (root == NULL)
		return SLICE("");
	return slice_eq(tree_text(root, d->at.invitation_kind), SLICE("link")) ? SLICE("link") : SLICE("email");
}

/* On the platform those to a person's own addresses, in the org those that a member sent. */
static bool
own(const struct subject *s, uint64_t row, const struct record *r)
{
	const struct attrs *at = &s->d->at;
	struct slice address;
	struct record person;
	struct org org;

	if (row == 0 || r == NULL)
		return false;
	if (orgtx_org(s->o) != ORG_PLATFORM)
		return s->member != 0 && slice_eq(record_text(s->d->schema, r, at->invitation_inviter_value),
			id_text(s->arena, &s->member_id));
	address = record_text(s->d->schema, r, at->invitation_address);
	return address.len > 0 &&
		org_by_no(orgtx_txn(s->o), (uint32_t)record_i64(s->d->schema, r, at->invitation_org_number, 0),
			&org) && org.state == ORG_ACTIVE &&
		record_get(s->o, s->person, &person) &&
		person_has_address(s->d, s->arena, &person, address);
}

static int
row_order(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

struct rows {
	uint64_t *list;
	size_t count, cap;
};

static void
add_invitations_to(const struct subject *s, struct slice address, struct rows *rows)
{
	enum { STEP = 64 };
	struct node value = { .attr = s->d->at.invitation_address, .kind = NODE_VALUE, .text = address };
	uint64_t batch[STEP], after = 0;
	struct slice key;
	size_t n;

	if (!index_key_of(s->arena, value.attr, 0, &value, false, &key))
		return;
	while ((n = index_list(s->o, value.attr->id, TYPE_INVITATION, key, after, batch, STEP)) > 0) {
		for (size_t i = 0; i < n; i++) {
			rows->list = arena_grow(s->arena, rows->list, rows->count, &rows->cap, sizeof(*rows->list));
			rows->list[rows->count++] = batch[i];
		}
		after = batch[n - 1];
	}
}

/* By the person's addresses: nobody looks through the invitations of all orgs. */
static bool
mine(const struct subject *s, uint64_t **out, size_t *count)
{
	const struct node *root, *list;
	struct rows rows = { NULL, 0, 0 };
	struct record r;
	size_t kept = 0;

	if (orgtx_org(s->o) != ORG_PLATFORM || s->person == 0)
		return false;
	if (record_get(s->o, s->person, &r) && (root = record_unpack(s->arena, s->d->schema, &r, 0)) != NULL &&
		(list = node_child(root, s->d->at.person_emails)) != NULL)
		for (const struct node *e = list->child; e != NULL; e = e->next)
			if (tree_bool(e, s->d->at.person_email_verified, false))
				add_invitations_to(s, tree_text(e, s->d->at.person_email), &rows);
	if (rows.count > 0)
		qsort(rows.list, rows.count, sizeof(*rows.list), row_order);
	for (size_t i = 0; i < rows.count; i++)
		if (i == 0 || rows.list[i] != rows.list[i - 1])
			rows.list[kept++] = rows.list[i];
	*out = rows.list;
	*count = kept;
	return true;
}

/* ---- Writing ---- */

static enum rc
check_message(const struct deed *x, struct err *err)
{
	struct slice message = tree_text(x->root, x->d->at.invitation_message);

	if (message.len <= MAIL_MESSAGE_MAX)
		return RC_OK;
	return fail(err, RC_INVALID_VALUE, "message", "the message has %zu bytes, at most %d are allowed",
		message.len, MAIL_MESSAGE_MAX);
}

static enum rc
read_address(struct deed *x, struct err *err)
{
	const struct attrs *at = &x->d->at;
	struct slice kind = tree_text(x->root, at->invitation_kind);
	struct slice address = slice_trim(tree_text(x->root, at->invitation_address));
	enum rc rc;

	if (slice_eq(kind, SLICE("link"))) {
		if (address.len > 0)
			return fail(err, RC_INVALID_VALUE, "address", "a link is for no one address");
		return RC_OK;
	}
	if (kind.len > 0 && !slice_eq(kind, SLICE("email")))
		return fail(err, RC_INVALID_VALUE, "kind", "must be \"email\" or \"link\"");
	if (address.len == 0)
		return fail(err, RC_INVALID_VALUE, "address", "is required: whom to invite");
	address = text_fold(x->arena, address);
	if ((rc = mail_address_check(address, "address", err)) != RC_OK)
		return rc;
	tree_set_text(x->arena, x->root, at->invitation_kind, SLICE("email"));
	tree_set_text(x->arena, x->root, at->invitation_address, address);
	return RC_OK;
}

static enum rc
check_create(struct deed *x, struct err *err)
{
	struct offer *offer = ARENA_NEW(x->arena, struct offer);
	enum rc rc;

	if ((rc = check_message(x, err)) != RC_OK || (rc = read_address(x, err)) != RC_OK ||
		(rc = offer_check(x, offer, err)) != RC_OK)
		return rc;
	x->plan = offer;
	return RC_OK;
}

static bool
differs(const struct deed *x, const struct attr *attr)
{
	const struct node *had = node_child(x->old_root, attr), *has = node_child(x->root, attr);

	return had == NULL || has == NULL ? had != has : !node_equal(had, has);
}

/* Who changes what is carried answers for it from now on. */
static enum rc
check_edit(struct deed *x, struct err *err)
{
	const struct attrs *at = &x->d->at;
	bool link = slice_eq(tree_text(x->root, at->invitation_kind), SLICE("link"));
	const struct model_role *role;
	enum rc rc;

	if ((rc = invitation_require_pending(x->d, x->old, x->w->actor.now, err)) != RC_OK ||
		(rc = check_message(x, err)) != RC_OK || (rc = offer_check_form(x, link, err)) != RC_OK)
		return rc;
	if (!differs(x, at->invitation_role) && !differs(x, at->invitation_assignments) &&
		!differs(x, at->invitation_teams) && !differs(x, at->invitation_access))
		return RC_OK;
	if ((rc = invitation_presets(x->by, x->root, &role, err)) != RC_OK)
		return rc;
	offer_fill(x, role);
	return RC_OK;
}

static enum rc
check(struct deed *x, struct err *err)
{
	if (x->by == NULL)
		return RC_OK;
	if (orgtx_org(x->o) == ORG_PLATFORM)
		return fail(err, RC_METHOD_NOT_ALLOWED, "", "invitations are made and changed in their org");
	if (x->verb == VERB_CREATE)
		return check_create(x, err);
	return x->verb == VERB_EDIT ? check_edit(x, err) : RC_OK;
}

static void
apply(struct deed *x, uint64_t revision)
{
	(void)revision;
	if (x->verb == VERB_CREATE && x->plan != NULL)
		offer_put(x, x->plan);
	if (x->verb == VERB_DELETE)
		(void)outbox_cancel(orgtx_txn(x->o), orgtx_org(x->o), &x->id);
}

static void
after(struct deed *x)
{
	if (x->verb == VERB_DELETE)
		invitation_mirror_drop(x);
	else
		invitation_mirror(x);
}

/* ---- Reading ---- */

static void
live(const struct directory *d, struct orgtx *o, struct arena *a, int64_t now, uint64_t row,
	struct record *r)
{
	struct slice status = invitation_status(d, r, now);
	struct node *root;
	struct org org;

	(void)row;
	if (orgtx_org(o) != ORG_PLATFORM) {
		if (!slice_eq(status, record_text(d->schema, r, d->at.invitation_status)))
			record_overlay_text(d, a, r, d->at.invitation_status, status);
		return;
	}
	if ((root = record_unpack(a, d->schema, r, 0)) == NULL ||
		!org_by_no(orgtx_txn(o), (uint32_t)record_i64(d->schema, r, d->at.invitation_org_number, 0), &org))
		return;
	tree_set_text(a, root, d->at.invitation_status, status);
	tree_set_text(a, root, d->at.invitation_org_key, slice_of(org.key));
	tree_set_text(a, root, d->at.invitation_org_display, slice_of(org.name));
	record_overlay(d, a, r, root);
}

const struct rules invitation_rules = { .type = TYPE_INVITATION, .own = own, .part = part_of,
	.check = check, .apply = apply, .after = after, .live = live, .mine = mine };
