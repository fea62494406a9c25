#include "daemon/directory/certificate.h"

#include "daemon/directory/form.h"

#include "base/banned.h"

enum { STEP = 64, DAY = 86400 };

#define TICKS INT64_C(10000000) /* a second */

/* ---- Records ---- */

static struct slice
key_of_text(struct arena *a, const struct attr *attr, struct slice text)
{
	struct node value = { .attr = attr, .kind = NODE_VALUE, .text = text };
	struct slice key;

	return index_key_of(a, attr, 0, &value, false, &key) ? key : (struct slice){ NULL, 0 };
}

static struct slice
key_of_revoked(struct arena *a, const struct attr *attr)
{
	struct node value = { .attr = attr, .kind = NODE_VALUE, .boolean = true };
	struct slice key;

	return index_key_of(a, attr, 0, &value, false, &key) ? key : (struct slice){ NULL, 0 };
}

static bool
has_text(const struct directory *d, const struct record *r, const struct attr *attr,
	struct slice text)
{
	return slice_eq(record_text(d->schema, r, attr), text);
}

static bool
authority_read(const struct directory *d, struct orgtx *o, struct arena *a, uint64_t row,
	struct authority *out)
{
	const struct attrs *at = &d->at;
	struct record r;
	struct slice key;

	if (!record_get(o, row, &r) || !has_text(d, &r, at->certificate_status, SLICE("valid")) ||
		!record_value(d->schema, &r, at->certificate_sealed_key, &key) ||
		ca_certificate_der(a, record_text(d->schema, &r, at->certificate_certificate),
			&out->ca.certificate, NULL) != RC_OK)
		return false;
	out->ca.sealed_key = arena_dup(a, key);
	out->not_after = record_i64(d->schema, &r, at->certificate_not_after, 0) / TICKS;
	out->row = row;
	return true;
}

bool
authority_find(const struct directory *d, struct orgtx *o, struct arena *a, struct authority *out)
{
	const struct attr *kind = d->at.certificate_kind;
	struct slice key = key_of_text(a, kind, SLICE("authority"));
	uint64_t rows[STEP], after = 0;
	size_t n;

	while ((n = index_list(o, kind->id, TYPE_CERTIFICATE, key, after, rows, STEP)) > 0) {
		for (size_t i = 0; i < n; i++)
			if (authority_read(d, o, a, rows[i], out))
				return true;
		after = rows[n - 1];
	}
	return false;
}

/* ---- Writes by rosterd itself, and by actions ---- */

static void
revoke_row(struct deed *x, uint64_t row, const struct record *r, enum ca_reason reason,
	uint64_t revision)
{
	const struct attrs *at = &x->d->at;
	struct node *root = deed_tree(x, r);

	if (root == NULL)
		return;
	tree_set_text(x->arena, root, at->certificate_status, SLICE("revoked"));
	tree_set_text(x->arena, root, at->certificate_reason, slice_of(ca_reason_text(reason)));
	tree_set_i64(x->arena, root, at->certificate_revoked_at, x->w->actor.now / TICKS * TICKS);
	tree_set_bool(x->arena, root, at->certificate_revoked, true);
	tree_clear(root,
		at->certificate_sealed_key); /* of an authority: nothing is signed with it again */
	deed_replace(x, row, root, revision);
}

/* All that are in an index under a key and hold still. */
static void
revoke_all(struct deed *x, const struct attr *attr, struct slice key, enum ca_reason reason,
	uint64_t revision)
{
	uint64_t rows[STEP], after = 0;
	struct record r;
	size_t n;

	while ((n = index_list(x->o, attr->id, TYPE_CERTIFICATE, key, after, rows, STEP)) > 0) {
		for (size_t i = 0; i < n; i++)
			if (record_get(x->o, rows[i], &r) &&
				has_text(x->d, &r, x->d->at.certificate_status, SLICE("valid")))
				revoke_row(x, rows[i], &r, reason, revision);
		after = rows[n - 1];
	}
}

void
certificates_end_of(struct deed *x, struct slice id, uint64_t revision)
{
	const struct attr *attr = x->d->at.certificate_subject_value;

	if (rows_count(x->o, TYPE_CERTIFICATE) > 0)
		revoke_all(x, attr, key_of_text(x->arena, attr, id), CA_CESSATION_OF_OPERATION,
			revision);
}

static enum rc
action_begin(struct deed *x, uint8_t type, struct slice action, struct err *err)
{
	struct subject *by;
	enum rc rc;

	if (x->w->caller == NULL)
		return RC_OK;
	by = ARENA_NEW(x->arena, struct subject);
	if ((rc = subject_load(x->d, x->o, x->arena, x->w->caller, x->w->actor.now, by, err)) !=
		RC_OK)
		return rc;
	x->by = by;
	return operation_require(by, operation_find(type, VERB_ACTION, action), 0, false, err);
}

/* The record as it is now, for the answer. */
static enum rc
show(struct deed *x, uint64_t row, struct written *out, struct err *err)
{
	struct buf b = BUF_INIT;
	struct record r;

	if (!record_get(x->o, row, &r))
		return fail(err, RC_INTERNAL, "", "the certificate could not be kept");
	record_pack_as_is(&b, &r);
	*out = (struct written){ row, arena_dup(x->arena, buf_as_slice(&b)) };
	buf_release(&b);
	return RC_OK;
}

static enum rc
authority_tree(struct deed *x, const struct ca_authority *ca, struct node *root, struct err *err)
{
	const struct attrs *at = &x->d->at;
	char serial[CA_SERIAL_TEXT];
	struct ca_facts facts;
	struct slice pem;
	enum rc rc;

	if ((rc = ca_facts_read(ca->certificate, &facts, err)) != RC_OK ||
		(rc = ca_certificate_pem(x->arena, ca->certificate, &pem, err)) != RC_OK)
		return rc;
	ca_serial_format(&facts.serial, serial);
	tree_set_text(x->arena, root, at->certificate_kind, SLICE("authority"));
	tree_set_text(x->arena, root, at->certificate_display, SLICE("Certificate authority"));
	tree_set_text(x->arena, root, at->certificate_certificate, pem);
	tree_set_text(x->arena, root, at->certificate_serial,
		arena_dup(x->arena, (struct slice){ serial, sizeof(serial) }));
	tree_set_text(x->arena, root, at->certificate_fingerprint,
		arena_dup(
			x->arena, (struct slice){ facts.fingerprint, sizeof(facts.fingerprint) }));
	tree_set_i64(x->arena, root, at->certificate_not_before, facts.not_before * TICKS);
	tree_set_i64(x->arena, root, at->certificate_not_after, facts.not_after * TICKS);
	tree_set_text(x->arena, root, at->certificate_status, SLICE("valid"));
	tree_set_text(x->arena, root, at->certificate_sealed_key, ca->sealed_key);
	deed_created_by(x, root, at->certificate_created_by_value, at->certificate_created_by_type);
	return RC_OK;
}

/* The old one, and all that it issued. */
static void
supersede(struct deed *x, uint64_t revision)
{
	const struct attr *kind = x->d->at.certificate_kind;

	revoke_all(x, kind, key_of_text(x->arena, kind, SLICE("client")), CA_SUPERSEDED, revision);
	revoke_all(
		x, kind, key_of_text(x->arena, kind, SLICE("authority")), CA_SUPERSEDED, revision);
}

enum rc
authority_make(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	bool replace, bool *made, struct written *out, struct err *err)
{
	const struct resource_type *type = schema_type(d->schema, TYPE_CERTIFICATE);
	struct writer named = *w;
	struct deed x = {
		.d = d, .o = o, .w = &named, .arena = a, .type = type, .verb = VERB_ACTION
	};
	struct node *root = node_new(a, type->root, NODE_OBJECT);
	int64_t now = w->actor.now / TICKS;
	struct ca_authority ca;
	struct authority old;
	struct org org;
	uint64_t revision, row;
	enum rc rc;

	*made = false;
	if ((rc = action_begin(&x, TYPE_SETTINGS, SLICE("ca"), err)) != RC_OK)
		return rc;
	if (!replace && authority_find(d, o, a, &old) && old.not_after > now)
		return show(&x, old.row, out, err);
	if (d->seal == NULL || !org_by_no(orgtx_txn(o), orgtx_org(o), &org))
		return fail(err, RC_UNAVAILABLE, "",
			"no authority can be made now: there is no key to seal it with");
	if ((rc = ca_create(d->seal,
		     &(struct ca_org){ org.no, slice_of(org.key), slice_of(org.name) }, now, a, &ca,
		     err)) != RC_OK ||
		(rc = authority_tree(&x, &ca, root, err)) != RC_OK)
		return rc;
	named.actor.action = "settings.ca";
	revision = change_begin(o, &named.actor);
	supersede(&x, revision);
	row = deed_create(&x, TYPE_CERTIFICATE, root, revision);
	change_end(o);
	*made = true;
	return show(&x, row, out, err);
}

enum rc
certificate_revoke(const struct directory *d, struct orgtx *o, const struct writer *w,
	struct arena *a, const struct uuid *id, enum ca_reason reason, struct written *out,
	struct err *err)
{
	const struct resource_type *type = schema_type(d->schema, TYPE_CERTIFICATE);
	struct writer named = *w;
	struct deed x = {
		.d = d, .o = o, .w = &named, .arena = a, .type = type, .verb = VERB_ACTION
	};
	uint64_t row, revision;
	struct record r;
	enum rc rc;

	if ((rc = action_begin(&x, TYPE_CERTIFICATE, SLICE("revoke"), err)) != RC_OK ||
		(rc = resource_find(o, type, id, &row, &r, err)) != RC_OK)
		return rc;
	if (has_text(d, &r, d->at.certificate_kind, SLICE("authority")))
		return fail(err, RC_CONFLICT, "",
			"an authority ends when another one takes its place: Settings/{id}/.ca "
			"with {\"replace\": true}");
	if (has_text(d, &r, d->at.certificate_status, SLICE("valid"))) {
		named.actor.action = "certificate.revoke";
		revision = change_begin(o, &named.actor);
		revoke_row(&x, row, &r, reason, revision);
		change_end(o);
	}
	return show(&x, row, out, err);
}

/* ---- The list ---- */

/* Rows rise: what came before the authority is none of its certificates. */
static bool
is_listed(const struct directory *d, const struct record *r, uint64_t row, uint64_t authority,
	int64_t now)
{
	return row > authority && has_text(d, r, d->at.certificate_kind, SLICE("client")) &&
	       record_i64(d->schema, r, d->at.certificate_not_after, 0) / TICKS +
			       CERTIFICATE_KEPT_DAYS * DAY >
		       now;
}

size_t
certificates_revoked(const struct directory *d, struct orgtx *o, struct arena *a,
	uint64_t authority, int64_t now, struct ca_revoked **out)
{
	const struct attrs *at = &d->at;
	struct slice key = key_of_revoked(a, at->certificate_revoked);
	uint64_t rows[STEP], after = authority;
	size_t n, count = 0, cap = 0;
	struct record r;

	*out = NULL;
	while ((n = index_list(o, at->certificate_revoked->id, TYPE_CERTIFICATE, key, after, rows,
			STEP)) > 0) {
		for (size_t i = 0; i < n; i++) {
			struct ca_revoked e = { .reason = CA_UNSPECIFIED };

			if (!record_get(o, rows[i], &r) ||
				!is_listed(d, &r, rows[i], authority, now) ||
				!ca_serial_parse(record_text(d->schema, &r, at->certificate_serial),
					&e.serial))
				continue;
			(void)ca_reason_parse(
				record_text(d->schema, &r, at->certificate_reason), &e.reason);
			e.when =
				record_i64(d->schema, &r, at->certificate_revoked_at, now * TICKS) /
				TICKS;
			*out = arena_grow(a, *out, count, &cap, sizeof(**out));
			(*out)[count++] = e;
		}
		after = rows[n - 1];
	}
	return count;
}

/* FNV-1a of the rows: a revocation is for ever, so the rows tell all. */
uint64_t
certificates_revoked_mark(
	struct orgtx *o, const struct directory *d, struct arena *a, uint64_t authority)
{
	const struct attr *attr = d->at.certificate_revoked;
	struct slice key = key_of_revoked(a, attr);
	uint64_t rows[STEP], after = authority, mark = UINT64_C(0xcbf29ce484222325) ^ authority;
	size_t n;

	while ((n = index_list(o, attr->id, TYPE_CERTIFICATE, key, after, rows, STEP)) > 0) {
		for (size_t i = 0; i < n; i++)
			mark = (mark ^ rows[i]) * UINT64_C(0x100000001b3);
		after = rows[n - 1];
	}
	return mark;
}

/* ---- Another key ---- */

static enum rc
reseal_row(
	struct deed *x, uint64_t row, const struct record *r, struct slice sealed, struct err *err)
{
	struct buf plain = BUF_INIT, blob = BUF_INIT;
	struct node *root = deed_tree(x, r);
	uint64_t revision;
	enum rc rc;

	rc = seal_get(x->d->seal, orgtx_org(x->o), "ca", sealed, &plain, err);
	if (rc == RC_OK)
		rc = seal_put(x->d->seal, orgtx_org(x->o), "ca", buf_as_slice(&plain), &blob, err);
	if (rc == RC_OK && root != NULL) {
		tree_set_text(x->arena, root, x->d->at.certificate_sealed_key,
			arena_dup(x->arena, buf_as_slice(&blob)));
		revision = change_begin(x->o, &x->w->actor);
		deed_replace(x, row, root, revision);
		change_end(x->o);
	}
	seal_wipe(&plain);
	buf_release(&blob);
	return rc;
}

static enum rc
reseal_org(struct deed *x, size_t *count, struct err *err)
{
	const struct attrs *at = &x->d->at;
	struct slice key = key_of_text(x->arena, at->certificate_kind, SLICE("authority")), sealed;
	uint64_t rows[STEP], after = 0;
	struct record r;
	enum rc rc;
	size_t n;

	while ((n = index_list(x->o, at->certificate_kind->id, TYPE_CERTIFICATE, key, after, rows,
			STEP)) > 0) {
		for (size_t i = 0; i < n; i++) {
			if (!record_get(x->o, rows[i], &r) ||
				!record_value(
					x->d->schema, &r, at->certificate_sealed_key, &sealed) ||
				seal_is_current(x->d->seal, sealed))
				continue;
			sealed = arena_dup(x->arena, sealed);
			if ((rc = reseal_row(x, rows[i], &r, sealed, err)) != RC_OK)
				return rc;
			(*count)++;
		}
		after = rows[n - 1];
	}
	return RC_OK;
}

enum rc
certificates_reseal(const struct directory *d, struct txn *t, const struct actor *by,
	struct arena *a, size_t *count, struct err *err)
{
	struct writer w = { .actor = *by };
	struct org org = { .no = 0 };
	enum rc rc = RC_OK;

	*count = 0;
	while (rc == RC_OK && org_next(t, org.no, &org)) {
		struct deed x = { .d = d,
			.o = orgtx_open(t, org.no),
			.w = &w,
			.arena = a,
			.type = schema_type(d->schema, TYPE_CERTIFICATE) };

		if (org.state != ORG_PURGING)
			rc = reseal_org(&x, count, err);
	}
	return rc;
}
