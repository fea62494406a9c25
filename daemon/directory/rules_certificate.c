/* Certificates: who may be given one, and what stands in it. */
#include "daemon/directory/certificate.h"
#include "daemon/directory/form.h"
#include "daemon/directory/organization.h"

#include "base/banned.h"

#define TICKS INT64_C(10000000) /* a second */

enum { DAY = 86400 };

/* ---- Whose it is ---- */

/* Who shows a member's certificate is that member: it is given to oneself, or by who may give all
 * that the member holds. Otherwise the right to use the authority would be the right to become the
 * owner. */
static enum rc
check_member(struct deed *x, uint64_t member, struct err *err)
{
	struct subject other;
	enum rc rc;

	if (!member_is_active(x->d, x->o, member))
		return fail(err, RC_INVALID_VALUE, "subject", "the member is not active");
	if (x->by == NULL || x->by->all || x->by->member == member)
		return RC_OK;
	if ((rc = subject_of_member(x->d, x->o, x->arena, member, x->w->actor.now, &other, err)) !=
		RC_OK)
		return rc;
	for (size_t i = 0; i < other.grant_count; i++) {
		const struct grant *g = &other.grants[i];
		struct model_subject ms;

		if (g->role != NULL)
			rc = subject_may_give(x->by, g->role->path, g->scope, err);
		else if (g->custom != NULL) {
			ms = subject_seen_from(x->by, g->scope);
			rc = model_may_give_set(&ms, scope_kind_of(g->scope), g->custom, err);
		}
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

/* A connection's certificate is as good as a token of it. */
static enum rc
check_connection(struct deed *x, struct err *err)
{
	if (x->by == NULL)
		return RC_OK;
	return operation_require(
		x->by, operation_find(TYPE_TOKEN, VERB_CREATE, SLICE("connection")), 0, false, err);
}

static enum rc
check_token(struct deed *x, uint64_t token, struct err *err)
{
	uint64_t owner;
	struct record r;

	owner = record_get(x->o, token, &r)
			? record_row(x->o, x->d->schema, &r, x->d->at.token_owner_value)
			: 0;
	if (row_type(owner) == TYPE_USER)
		return check_member(x, owner, err);
	if (row_type(owner) == TYPE_CONNECTION)
		return check_connection(x, err);
	return fail(
		err, RC_INVALID_VALUE, "subject", "the API key has no owner in this organization");
}

static enum rc
check_subject(struct deed *x, struct uuid *id, uint64_t *row, struct err *err)
{
	struct slice text = tree_text(x->root, x->d->at.certificate_subject_value);

	if (text.len == 0)
		return fail(err, RC_INVALID_VALUE, "subject",
			"\"subject\" with the id of a member, an API key or a connection as its "
			"value is required");
	if (uuid_parse(text, id) && row_by_id(x->o, id, row))
		switch (row_type(*row)) {
		case TYPE_USER:
			return check_member(x, *row, err);
		case TYPE_CONNECTION:
			return check_connection(x, err);
		case TYPE_TOKEN:
			return check_token(x, *row, err);
		}
	return fail(err, RC_INVALID_VALUE, "subject",
		"no member, API key or connection of this organization has the id \"%.*s\"",
		SLICE_ARG(slice_clip(text, 64)));
}

/* ---- What stands in it ---- */

static struct slice
name_for(struct deed *x, uint64_t subject)
{
	struct slice name = tree_text(x->root, x->d->at.certificate_display);
	struct record r;

	if (name.len == 0 && row_type(subject) == TYPE_USER && record_get(x->o, subject, &r))
		name = arena_dup(x->arena, record_text(x->d->schema, &r, x->d->at.user_name));
	return name;
}

static int64_t
end_of(const struct deed *x)
{
	const struct node *n = tree_value(x->root, x->d->at.certificate_not_after);

	return n != NULL ? n->ticks / TICKS : x->w->actor.now / TICKS + CERTIFICATE_DAYS * DAY;
}

static void
fill(struct deed *x, uint64_t subject, const struct ca_certificate *c, const struct ca_facts *facts)
{
	const struct attrs *at = &x->d->at;
	struct arena *a = x->arena;
	char serial[CA_SERIAL_TEXT];

	ca_serial_format(&c->serial, serial);
	tree_set_text(a, x->root, at->certificate_kind, SLICE("client"));
	tree_set_text(a, x->root, at->certificate_subject_type,
		schema_type(x->d->schema, row_type(subject))->name);
	tree_set_text(a, x->root, at->certificate_certificate, c->pem);
	tree_set_text(a, x->root, at->certificate_serial,
		arena_dup(a, (struct slice){ serial, sizeof(serial) }));
	tree_set_text(a, x->root, at->certificate_fingerprint,
		arena_dup(a, (struct slice){ facts->fingerprint, sizeof(facts->fingerprint) }));
	tree_set_i64(a, x->root, at->certificate_not_before, c->not_before * TICKS);
	tree_set_i64(a, x->root, at->certificate_not_after, c->not_after * TICKS);
	tree_set_text(a, x->root, at->certificate_status, SLICE("valid"));
	deed_created_by(
		x, x->root, at->certificate_created_by_value, at->certificate_created_by_type);
}

static enum rc
issue(struct deed *x, uint64_t subject, const struct uuid *id, struct err *err)
{
	struct ca_request request = { .kind = row_type(subject) == TYPE_USER ? CA_MEMBER
									     : CA_SERVICE,
		.id = *id,
		.name = name_for(x, subject),
		.csr = tree_text(x->root, x->d->at.certificate_csr),
		.not_after = end_of(x) };
	struct ca_certificate made;
	struct authority authority;
	struct ca_facts facts;
	struct org org;
	enum rc rc;

	if (!authority_find(x->d, x->o, x->arena, &authority))
		return fail(err, RC_CONFLICT, "",
			"the organization has no certificate authority yet: Settings/{id}/.ca "
			"makes one");
	if (x->d->seal == NULL || !org_by_no(orgtx_txn(x->o), orgtx_org(x->o), &org))
		return fail(err, RC_UNAVAILABLE, "", "the authority's key can't be opened now");
	if (x->d->public_url.len > 0)
		request.crl_url = slice_of(arena_printf(
			x->arena, "%.*s/orgs/%s/crl", SLICE_ARG(x->d->public_url), org.key));
	if ((rc = ca_issue(x->d->seal,
		     &(struct ca_org){ org.no, slice_of(org.key), slice_of(org.name) },
		     &authority.ca, &request, x->w->actor.now / TICKS, x->arena, &made, err)) !=
			RC_OK ||
		(rc = ca_facts_read(made.der, &facts, err)) != RC_OK)
		return rc;
	fill(x, subject, &made, &facts);
	tree_clear(x->root,
		x->d->at.certificate_csr); /* what counts of it stands in the certificate */
	if (made.private_key.len > 0) {
		x->shown = node_copy(x->arena, x->root);
		tree_set_text(
			x->arena, x->shown, x->d->at.certificate_private_key, made.private_key);
	}
	return RC_OK;
}

/* ---- Rules ---- */

static enum rc
check_delete(const struct deed *x, struct err *err)
{
	int64_t end = record_i64(x->d->schema, x->old, x->d->at.certificate_not_after, 0) / TICKS;

	if (end + CERTIFICATE_KEPT_DAYS * DAY < x->w->actor.now / TICKS)
		return RC_OK;
	return fail(err, RC_CONFLICT, "",
		"a certificate can be deleted %d days after its end; before that, revoke it "
		"(.revoke)",
		CERTIFICATE_KEPT_DAYS);
}

static enum rc
check(struct deed *x, struct err *err)
{
	struct uuid id;
	uint64_t subject = 0;
	enum rc rc;

	if (x->verb == VERB_DELETE)
		return check_delete(x, err);
	if (x->verb == VERB_EDIT) {
		tree_clear(x->root, x->d->at.certificate_csr);
		return RC_OK;
	}
	if (rows_count(x->o, TYPE_CERTIFICATE) >= CERTIFICATES_MAX)
		return fail(err, RC_CONFLICT, "",
			"an organization has at most %d certificates: delete those that ended long "
			"ago",
			CERTIFICATES_MAX);
	if ((rc = check_subject(x, &id, &subject, err)) != RC_OK)
		return rc;
	return issue(x, subject, &id, err);
}

static void
live(const struct directory *d, struct orgtx *o, struct arena *a, int64_t now, uint64_t row,
	struct record *r)
{
	(void)o, (void)row;
	if (record_i64(d->schema, r, d->at.certificate_not_after, INT64_MAX) <= now &&
		slice_eq(record_text(d->schema, r, d->at.certificate_status), SLICE("valid")))
		record_overlay_text(d, a, r, d->at.certificate_status, SLICE("expired"));
}

const struct rules certificate_rules = { .type = TYPE_CERTIFICATE, .check = check, .live = live };
