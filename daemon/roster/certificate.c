/* Whose a client certificate is.
 *
 * The handshake has proven that the client has its key. One that an organisation's authority issued is known by its fingerprint:
 * the organisation has a record of it, with its state and whom it stands for, so nothing is to be verified but that; which
 * organisation that is, hello says, or the name that stands in the certificate. One of the configured authority is verified against that
 * authority, and its common name is the label of a service token. */
#include "daemon/roster/message.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "daemon/ca.h"
#include "daemon/directory/form.h"
#include "daemon/directory/organization.h"

#include "base/banned.h"

static const int64_t SECOND = 10000000; /* ticks */

static enum rc
refused(struct err *err, const char *why)
{
	return fail(err, RC_UNAUTHORIZED, "", "the client certificate is not good here: %s", why);
}

/* ---- Of an organisation ---- */

static bool
find_org(struct txn *t, struct slice key, int64_t now, struct org *out)
{
	int64_t until;

	return org_by_key(t, key, out) || (org_by_former_key(t, key, out, &until) && until > now);
}

static bool
record_of(const struct directory *d, struct orgtx *o, struct arena *a, struct slice fingerprint, struct record *out)
{
	const struct attr *attr = d->at.certificate_fingerprint;
	struct node value = { .attr = attr, .kind = NODE_VALUE, .text = fingerprint };
	struct slice key;
	uint64_t row;

	return index_key_of(a, attr, 0, &value, false, &key) &&
	       index_list(o, attr->id, TYPE_CERTIFICATE, key, 0, &row, 1) == 1 && record_get(o, row, out);
}

static bool
connection_of(struct txn *t, uint32_t org, uint64_t row, struct connection *out)
{
	uint32_t after = 0;

	while (connection_next(t, org, after, out)) {
		if (out->row == row)
			return true;
		after = out->no;
	}
	return false;
}

/* Whom it stands for, as the token that it is as good as. */
static bool
stands_for(const struct directory *d, struct orgtx *o, const struct record *certificate, struct token *out)
{
	uint64_t row = record_row(o, d->schema, certificate, d->at.certificate_subject_value);
	struct connection connection;
	struct record r;

	*out = (struct token){ .kind = TOKEN_KEY, .org = orgtx_org(o) };
	switch (row_type(row)) {
	case TYPE_USER:
		out->owner = row;
		return true;
	case TYPE_TOKEN:
		return record_get(o, row, &r) && token_of_record(d, o, &r, out);
	case TYPE_CONNECTION:
		out->kind = TOKEN_CONNECTION;
		if (!connection_of(orgtx_txn(o), orgtx_org(o), row, &connection))
			return false;
		out->connection = connection.no;
		return true;
	default:
		return false;
	}
}

static enum rc
token_of_org(struct message *m, struct token *out, struct err *err)
{
	const struct directory *d = &m->roster->directory;
	const struct peer *p = m->peer;
	struct orgtx *o;
	struct record r;
	struct org org;

	if (!find_org(m->worker->reader, slice_of(p->certificate.org), m->worker->now, &org))
		return refused(err, "the organisation that issued it is not known");
	o = orgtx_open(m->worker->reader, org.no);
	if (!record_of(d, o, m->arena, (struct slice){ p->certificate.fingerprint, CA_FINGERPRINT_TEXT }, &r))
		return refused(err, "the organisation has issued none like it");
	if (!slice_eq(record_text(d->schema, &r, d->at.certificate_status), SLICE("valid")))
		return refused(err, "it is revoked");
	if (record_i64(d->schema, &r, d->at.certificate_not_before, 0) > m->worker->now ||
		record_i64(d->schema, &r, d->at.certificate_not_after, 0) <= m->worker->now)
		return refused(err, "it is not valid at this time");
	return stands_for(d, o, &r, out) ? RC_OK : refused(err, "whom it stands for is gone");
}

/* ---- Of the configured authority ---- */

static int64_t
ticks_of(const ASN1_TIME *t)
{
	struct tm tm;

	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) * SECOND : 0;
}

/* When the first certificate of a chain ends, and with it all that was built on it. */
static int64_t
end_of(const STACK_OF(X509) *chain)
{
	int64_t end = INT64_MAX;

	for (int i = 0; i < sk_X509_num(chain); i++) {
		int64_t one = ticks_of(X509_get0_notAfter(sk_X509_value(chain, i)));

		if (one < end)
			end = one;
	}
	return end;
}

static enum rc
verify(X509 *x, X509_STORE *store, int64_t *until, struct err *err)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	enum rc rc;

	if (ctx == NULL || X509_STORE_CTX_init(ctx, store, x, NULL) != 1 ||
		X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT) != 1)
		rc = fail(err, RC_INTERNAL, "", "a certificate can't be checked");
	else if (X509_verify_cert(ctx) != 1)
		rc = refused(err, X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	else
		rc = RC_OK;
	if (rc == RC_OK)
		*until = end_of(X509_STORE_CTX_get0_chain(ctx));
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return rc;
}

static bool
service_labelled(struct txn *t, struct slice label, struct token *out)
{
	struct token token;
	uint32_t after = 0;
	unsigned found = 0;

	while (token_next(t, ORG_PLATFORM, after, &token)) {
		after = token.no;
		if (token.kind == TOKEN_SERVICE && slice_eq(slice_of(token.label), label)) {
			*out = token;
			found++;
		}
	}
	return found == 1;
}

static enum rc
token_of_authority(struct message *m, X509 *x, struct token *out, struct err *err)
{
	char name[NAME_MAX_BYTES + 1];
	int len;
	enum rc rc;

	if (m->roster->authority == NULL)
		return refused(err, "no organisation has issued it, and no other authority is configured");
	if ((rc = verify(x, m->roster->authority, &m->peer->certificate.until, err)) != RC_OK)
		return rc;
	len = X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, name, sizeof(name));
	if (len <= 0 || !service_labelled(m->worker->reader, (struct slice){ name, (size_t)len }, out))
		return refused(err, "its common name is not the label of one service token");
	m->peer->certificate.service = true;
	memcpy(m->peer->certificate.token, out->hash, TOKEN_HASH);
	return RC_OK;
}

enum rc
certificate_authority_load(const char *file, X509_STORE **out, struct err *err)
{
	*out = NULL;
	if (file == NULL)
		return RC_OK;
	if ((*out = X509_STORE_new()) == NULL)
		abort();
	if (X509_STORE_load_file(*out, file) == 1)
		return RC_OK;
	X509_STORE_free(*out);
	*out = NULL;
	ERR_clear_error();
	return fail(err, RC_INVALID_VALUE, "tls.client_authority", "\"%s\" holds no certificates in PEM", file);
}

/* ---- Both ---- */

static struct slice
der_of(struct arena *a, X509 *x)
{
	int len = i2d_X509(x, NULL);
	unsigned char *p = arena_alloc(a, len > 0 ? (size_t)len : 1), *end = p;

	return (struct slice){ (const char *)p, len > 0 && i2d_X509(x, &end) == len ? (size_t)len : 0 };
}

/* The organisation that stands in the certificate, if any does; hello may say another key of it. */
static bool
issuer_org(struct message *m, struct slice der)
{
	struct slice said = fields_bytes(&m->in, IN_ORG);
	char *org = m->peer->certificate.org;

	if (!ca_org_key_read(der, org, ORG_KEY_MAX + 1))
		return false;
	if (said.len > 0 && said.len <= ORG_KEY_MAX) {
		memcpy(org, said.p, said.len);
		org[said.len] = '\0';
	}
	return true;
}

static enum rc
identify(struct message *m, X509 *x, struct token *out, struct err *err)
{
	struct slice der = der_of(m->arena, x);
	struct ca_facts facts;

	if (!issuer_org(m, der))
		return token_of_authority(m, x, out, err);
	if (ca_facts_read(der, &facts, err) != RC_OK) /* such as none of ours is */
		return refused(err, "the organisation has issued none like it");
	memcpy(m->peer->certificate.fingerprint, facts.fingerprint, CA_FINGERPRINT_TEXT);
	return token_of_org(m, out, err);
}

enum rc
certificate_identify(struct message *m, struct token *out, struct err *err)
{
	X509 *x = session_certificate(m->session);
	enum rc rc;

	m->peer->certificate = (struct peer_certificate){ .service = false };
	if (x == NULL)
		return fail(err, RC_UNAUTHORIZED, "token", "is missing, and there is no client certificate");
	rc = identify(m, x, out, err);
	X509_free(x);
	m->peer->certificate.shown = rc == RC_OK;
	return rc;
}

enum rc
certificate_token(struct message *m, struct token *out, struct err *err)
{
	if (!m->peer->certificate.service)
		return token_of_org(m, out, err);
	if (m->peer->certificate.until <= m->worker->now)
		return refused(err, "it is not valid any more");
	return token_get(m->worker->reader, m->peer->certificate.token, out)
		       ? RC_OK
		       : refused(err, "the service's token was revoked");
}
