#include "daemon/ca_private.h"

#include <stdio.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base/banned.h"

/* Clocks of clients are not exact: what is made now holds a little earlier. */
enum {
	DAY = 86400,
	AUTHORITY_SLACK = 3600,
	SLACK = 300,
	NAME_BYTES = 64 /* ub-common-name, RFC 5280 appendix A */
};

#define PURPOSE "ca"

const char *
ca_kind_text(enum ca_kind kind)
{
	return kind == CA_MEMBER ? "member" : "service";
}

enum rc
ca_openssl_fail(struct err *err, const char *what)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());
	enum rc rc = fail(err, RC_INTERNAL, "", "%s: %s", what,
		why != NULL ? why : "OpenSSL gives no reason");

	ERR_clear_error();
	return rc;
}

/* ---- What OpenSSL makes, in the arena ---- */

static bool
bio_take(BIO *b, struct arena *a, struct slice *out)
{
	char *p = NULL;
	long n = b != NULL ? BIO_get_mem_data(b, &p) : 0;

	if (n > 0)
		*out = arena_dup(a, (struct slice){ p, (size_t)n });
	BIO_free(b);
	return n > 0;
}

/* *pem and *der of anything that has i2d_..._bio() and PEM_write_bio_...(). */
#define ENCODE(name, type)                                                                         \
	static bool encode_##name(struct arena *a, type *x, struct slice *der, struct slice *pem)  \
	{                                                                                          \
		BIO *d = BIO_new(BIO_s_mem()), *p = BIO_new(BIO_s_mem());                          \
		bool ok = d != NULL && p != NULL && i2d_##type##_bio(d, x) == 1 &&                 \
			  PEM_write_bio_##type(p, x) == 1;                                         \
                                                                                                   \
		ok = bio_take(d, a, der) && ok;                                                    \
		return bio_take(p, a, pem) && ok;                                                  \
	}

ENCODE(certificate, X509)
ENCODE(crl, X509_CRL)

enum rc
ca_certificate_pem(struct arena *a, struct slice der, struct slice *pem, struct err *err)
{
	X509 *x = ca_parse(der);
	struct slice again;
	bool ok = x != NULL && encode_certificate(a, x, &again, pem);

	X509_free(x);
	return ok ? RC_OK : fail(err, RC_INTERNAL, "", "a certificate is damaged");
}

enum rc
ca_certificate_der(struct arena *a, struct slice pem, struct slice *der, struct err *err)
{
	BIO *in = pem.len <= INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.len) : NULL;
	X509 *x = in != NULL ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	struct slice again;
	bool ok = x != NULL && encode_certificate(a, x, der, &again);

	X509_free(x);
	BIO_free(in);
	ERR_clear_error();
	return ok ? RC_OK : fail(err, RC_INTERNAL, "", "a certificate is damaged");
}

/* ---- Keys ---- */

static enum rc
key_seal(const struct seal *seal, uint32_t org, EVP_PKEY *key, struct arena *a, struct slice *out,
	struct err *err)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	unsigned char *der = NULL;
	struct buf blob = BUF_INIT;
	int n = info != NULL ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;
	enum rc rc;

	if (n <= 0)
		rc = ca_openssl_fail(err, "a private key can't be written");
	else if ((rc = seal_put(seal, org, PURPOSE, (struct slice){ (const char *)der, (size_t)n },
			  &blob, err)) == RC_OK)
		*out = arena_dup(a, buf_as_slice(&blob));
	OPENSSL_clear_free(der, n > 0 ? (size_t)n : 0);
	PKCS8_PRIV_KEY_INFO_free(info);
	buf_release(&blob);
	return rc;
}

static enum rc
key_open(
	const struct seal *seal, uint32_t org, struct slice sealed, EVP_PKEY **out, struct err *err)
{
	struct buf plain = BUF_INIT;
	const unsigned char *p;
	enum rc rc;

	if ((rc = seal_get(seal, org, PURPOSE, sealed, &plain, err)) == RC_OK) {
		p = (const unsigned char *)plain.p;
		if ((*out = d2i_AutoPrivateKey(NULL, &p, (long)plain.len)) == NULL)
			rc = ca_openssl_fail(err, "an authority's private key can't be read");
	}
	seal_wipe(&plain);
	return rc;
}

static void
wipe_slice(void *arg)
{
	const struct slice *s = arg;

	explicit_bzero((void *)(uintptr_t)s->p, s->len);
}

static bool
key_pem(EVP_PKEY *key, struct arena *a, struct slice *out)
{
	BIO *b = BIO_new(BIO_s_mem()); /* clears what it had */
	struct slice *kept = ARENA_NEW(a, struct slice);
	bool ok;

	ok = b != NULL && PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) == 1;
	ok = bio_take(b, a, kept) && ok;
	arena_on_free(a, wipe_slice, kept);
	*out = *kept;
	return ok;
}

/* An authority that is ready to sign. */
struct signer {
	X509 *x;
	EVP_PKEY *key;
};

static void
signer_release(struct signer *s)
{
	X509_free(s->x);
	EVP_PKEY_free(s->key); /* wipes it */
}

static enum rc
signer_open(const struct seal *seal, const struct ca_org *org, const struct ca_authority *ca,
	struct signer *out, struct err *err)
{
	enum rc rc;

	*out = (struct signer){ NULL, NULL };
	if ((rc = key_open(seal, org->no, ca->sealed_key, &out->key, err)) != RC_OK)
		return rc;
	if ((out->x = ca_parse(ca->certificate)) != NULL &&
		X509_check_private_key(out->x, out->key) == 1)
		return RC_OK;
	signer_release(out);
	ERR_clear_error();
	return fail(
		err, RC_INTERNAL, "", "an authority's certificate is damaged or not of its key");
}

/* ---- Parts of a certificate ---- */

static bool
serial_set(X509 *x, struct ca_serial *serial)
{
	BIGNUM *n = NULL;
	bool ok;

	do {
		if (RAND_bytes(serial->bytes, CA_SERIAL_SIZE) != 1)
			return false;
		serial->bytes[0] &= 0x7f;
	} while (serial->bytes[0] == 0); /* so that all have the same length */
	n = BN_bin2bn(serial->bytes, CA_SERIAL_SIZE, NULL);
	ok = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;
	BN_free(n);
	return ok;
}

static bool
times_set(X509 *x, int64_t from, int64_t to)
{
	return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)from) != NULL &&
	       ASN1_TIME_set(X509_getm_notAfter(x), (time_t)to) != NULL;
}

/* Appends a part of a name: what people read, with blanks for control characters and no more than
 * fits. */
static bool
name_add(struct arena *a, X509_NAME *to, int nid, const char *before, struct slice text)
{
	char *p = arena_printf(a, "%s%.*s", before, SLICE_ARG(text));
	size_t len = slice_clip(slice_of(p), NAME_BYTES).len;

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			p[i] = ' ';
	return X509_NAME_add_entry_by_NID(
		       to, nid, MBSTRING_UTF8, (const unsigned char *)p, (int)len, -1, 0) == 1;
}

static bool
extension_add(X509 *x, int nid, bool critical, void *value)
{
	return value != NULL && X509_add1_ext_i2d(x, nid, value, critical, X509V3_ADD_DEFAULT) == 1;
}

/* Constants in the notation of openssl.cnf. */
static bool
extension_text(X509 *x, X509 *issuer, int nid, const char *text)
{
	X509_EXTENSION *e;
	X509V3_CTX ctx;
	bool ok;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
	ok = e != NULL && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok;
}

static GENERAL_NAMES *
uri_new(struct slice text)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *uri = ASN1_IA5STRING_new();

	if (names != NULL && name != NULL && uri != NULL &&
		ASN1_STRING_set(uri, text.p, (int)text.len) == 1 &&
		sk_GENERAL_NAME_push(names, name) > 0) {
		GENERAL_NAME_set0_value(name, GEN_URI, uri);
		return names;
	}
	GENERAL_NAMES_free(names);
	GENERAL_NAME_free(name);
	ASN1_IA5STRING_free(uri);
	return NULL;
}

static bool
uri_add(X509 *x, struct slice text)
{
	GENERAL_NAMES *names = uri_new(text);
	bool ok = extension_add(x, NID_subject_alt_name, false, names);

	GENERAL_NAMES_free(names);
	return ok;
}

static bool
crl_url_add(X509 *x, struct slice url)
{
	CRL_DIST_POINTS *points = CRL_DIST_POINTS_new();
	DIST_POINT *point = DIST_POINT_new();
	bool ok = false;

	if (points == NULL || point == NULL || (point->distpoint = DIST_POINT_NAME_new()) == NULL)
		goto out;
	point->distpoint->type = 0; /* a full name */
	if ((point->distpoint->name.fullname = uri_new(url)) == NULL ||
		sk_DIST_POINT_push(points, point) <= 0)
		goto out;
	point = NULL;
	ok = extension_add(x, NID_crl_distribution_points, false, points);
out:
	DIST_POINT_free(point);
	CRL_DIST_POINTS_free(points);
	return ok;
}

static bool
excluded_add(NAME_CONSTRAINTS *to, int type, const void *bytes, size_t len)
{
	GENERAL_SUBTREE *tree = GENERAL_SUBTREE_new();
	ASN1_STRING *value = type == GEN_DNS ? ASN1_IA5STRING_new() : ASN1_OCTET_STRING_new();

	if (tree == NULL || value == NULL || ASN1_STRING_set(value, bytes, (int)len) != 1 ||
		sk_GENERAL_SUBTREE_push(to->excludedSubtrees, tree) <= 0) {
		GENERAL_SUBTREE_free(tree);
		ASN1_STRING_free(value);
		return false;
	}
	GENERAL_NAME_set0_value(tree->base, type, value);
	return true;
}

/* No host name and no address: whoever trusts this authority, and whoever may hold its key one day,
 * it makes no server's certificate. (An empty name, and a mask of zeros, match all: RFC 5280
 * section 4.2.1.10. A directory name would say more, but verifiers that do not know such
 * constraints must refuse the whole chain.) */
static bool
constraints_add(X509 *x)
{
	static const unsigned char zeros[32];
	NAME_CONSTRAINTS *c = NAME_CONSTRAINTS_new();
	bool ok;

	ok = c != NULL && (c->excludedSubtrees = sk_GENERAL_SUBTREE_new_null()) != NULL &&
	     excluded_add(c, GEN_DNS, zeros, 0) && excluded_add(c, GEN_IPADD, zeros, 8) &&
	     excluded_add(c, GEN_IPADD, zeros, 32) &&
	     extension_add(x, NID_name_constraints, true, c);
	NAME_CONSTRAINTS_free(c);
	return ok;
}

/* ---- The authority ---- */

static bool
authority_fill(X509 *x, EVP_PKEY *key, const struct ca_org *org, int64_t now, struct arena *a)
{
	X509_NAME *name = X509_get_subject_name(x);
	struct ca_serial serial;

	return X509_set_version(x, X509_VERSION_3) == 1 && serial_set(x, &serial) &&
	       times_set(x, now - AUTHORITY_SLACK, now + (int64_t)CA_YEARS * 36525 * DAY / 100) &&
	       name_add(a, name, NID_organizationName, "",
		       org->display_name.len > 0 ? org->display_name : org->key) &&
	       name_add(a, name, NID_organizationalUnitName, "", org->key) &&
	       name_add(a, name, NID_commonName, "", SLICE("Certificate authority")) &&
	       X509_set_issuer_name(x, name) == 1 && X509_set_pubkey(x, key) == 1 &&
	       extension_text(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
	       extension_text(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") &&
	       extension_text(x, x, NID_ext_key_usage, "clientAuth") &&
	       extension_text(x, x, NID_subject_key_identifier, "hash") &&
	       extension_text(x, x, NID_authority_key_identifier, "keyid:always") &&
	       constraints_add(x) && X509_sign(x, key, EVP_sha256()) > 0;
}

enum rc
ca_create(const struct seal *seal, const struct ca_org *org, int64_t now, struct arena *a,
	struct ca_authority *out, struct err *err)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	struct slice pem;
	enum rc rc;

	if (key == NULL || x == NULL || !authority_fill(x, key, org, now, a) ||
		!encode_certificate(a, x, &out->certificate, &pem))
		rc = ca_openssl_fail(err, "the authority's certificate can't be made");
	else
		rc = key_seal(seal, org->no, key, a, &out->sealed_key, err);
	EVP_PKEY_free(key);
	X509_free(x);
	return rc;
}

/* ---- Certificates ---- */

/* Organization and unit as the authority has them. The common name always has a blank in it: one
 * that looks like a host name would be held against the authority's constraints. */
static bool
subject_set(X509 *x, const X509 *authority, const struct ca_request *r, struct arena *a)
{
	X509_NAME *name = X509_NAME_dup(X509_get_subject_name(authority));
	int last = name != NULL ? X509_NAME_entry_count(name) - 1 : -1;
	struct slice text = r->name;
	char id[UUID_TEXT];
	bool ok;

	uuid_format(&r->id, id);
	if (text.len == 0)
		text = (struct slice){ id, sizeof(id) };
	if (last >= 0)
		X509_NAME_ENTRY_free(X509_NAME_delete_entry(name, last));
	ok = last >= 0 &&
	     name_add(a, name, NID_commonName, arena_printf(a, "%s ", ca_kind_text(r->kind)),
		     text) &&
	     X509_set_subject_name(x, name) == 1;
	X509_NAME_free(name);
	return ok;
}

static bool
certificate_fill(X509 *x, const struct signer *s, EVP_PKEY *key, const struct ca_org *org,
	const struct ca_request *r, struct arena *a, struct ca_certificate *out)
{
	char id[UUID_TEXT];
	const char *uri;

	uuid_format(&r->id, id);
	uri = arena_printf(a, "urn:rosterd:org:%.*s:%s:%.*s", SLICE_ARG(org->key),
		ca_kind_text(r->kind), UUID_TEXT, id);
	return X509_set_version(x, X509_VERSION_3) == 1 && serial_set(x, &out->serial) &&
	       times_set(x, out->not_before, out->not_after) && subject_set(x, s->x, r, a) &&
	       X509_set_issuer_name(x, X509_get_subject_name(s->x)) == 1 &&
	       X509_set_pubkey(x, key) == 1 &&
	       extension_text(x, s->x, NID_basic_constraints, "critical,CA:FALSE") &&
	       extension_text(x, s->x, NID_key_usage, "critical,digitalSignature") &&
	       extension_text(x, s->x, NID_ext_key_usage, "clientAuth") &&
	       extension_text(x, s->x, NID_subject_key_identifier, "hash") &&
	       extension_text(x, s->x, NID_authority_key_identifier, "keyid:always") &&
	       uri_add(x, slice_of(uri)) && (r->crl_url.len == 0 || crl_url_add(x, r->crl_url)) &&
	       X509_sign(x, s->key, EVP_sha256()) > 0 &&
	       encode_certificate(a, x, &out->der, &out->pem);
}

static enum rc
end_check(const struct ca_request *r, const struct signer *s, int64_t now, struct err *err)
{
	int64_t end = ca_time(X509_get0_notAfter(s->x));

	if (end <= now)
		return fail(err, RC_CONFLICT, "",
			"the organization's certificate authority has expired: make a new one");
	if (r->not_after <= now)
		return fail(err, RC_INVALID_VALUE, "notAfter", "must be in the future");
	if (r->not_after > now + (int64_t)CA_DAYS_MAX * DAY)
		return fail(err, RC_INVALID_VALUE, "notAfter", "must be within %d days from now",
			CA_DAYS_MAX);
	if (r->not_after > end)
		return fail(err, RC_INVALID_VALUE, "notAfter",
			"the organization's certificate authority itself ends in %lld days",
			(long long)((end - now) / DAY));
	return RC_OK;
}

enum rc
ca_issue(const struct seal *seal, const struct ca_org *org, const struct ca_authority *ca,
	const struct ca_request *request, int64_t now, struct arena *a, struct ca_certificate *out,
	struct err *err)
{
	struct signer s;
	EVP_PKEY *key = NULL;
	X509 *x = NULL;
	enum rc rc;

	*out = (struct ca_certificate){ .not_before = now - SLACK,
		.not_after = request->not_after };
	if ((rc = signer_open(seal, org, ca, &s, err)) != RC_OK)
		return rc;
	if ((rc = end_check(request, &s, now, err)) != RC_OK)
		goto out;
	if (request->csr.len > 0)
		rc = ca_csr_key(request->csr, &key, err);
	else if ((key = EVP_EC_gen("P-256")) == NULL || !key_pem(key, a, &out->private_key))
		rc = ca_openssl_fail(err, "a key can't be made");
	if (rc == RC_OK &&
		((x = X509_new()) == NULL || !certificate_fill(x, &s, key, org, request, a, out)))
		rc = ca_openssl_fail(err, "the certificate can't be made");
out:
	X509_free(x);
	EVP_PKEY_free(key);
	signer_release(&s);
	return rc;
}

/* ---- Revocation ---- */

static bool
entry_add(X509_CRL *crl, const struct ca_revoked *r)
{
	X509_REVOKED *e = X509_REVOKED_new();
	BIGNUM *n = BN_bin2bn(r->serial.bytes, CA_SERIAL_SIZE, NULL);
	ASN1_INTEGER *serial = n != NULL ? BN_to_ASN1_INTEGER(n, NULL) : NULL;
	ASN1_TIME *when = ASN1_TIME_set(NULL, (time_t)r->when);
	ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();
	bool ok;

	ok = e != NULL && serial != NULL && when != NULL && reason != NULL &&
	     X509_REVOKED_set_serialNumber(e, serial) == 1 &&
	     X509_REVOKED_set_revocationDate(e, when) == 1 &&
	     ASN1_ENUMERATED_set(reason, (long)r->reason) == 1 &&
	     /* RFC 5280 section 5.3.1: no reason at all rather than "unspecified". */
	     (r->reason == CA_UNSPECIFIED || X509_REVOKED_add1_ext_i2d(e, NID_crl_reason, reason, 0,
						     X509V3_ADD_DEFAULT) == 1) &&
	     X509_CRL_add0_revoked(crl, e) == 1;
	if (!ok)
		X509_REVOKED_free(e);
	BN_free(n);
	ASN1_INTEGER_free(serial);
	ASN1_TIME_free(when);
	ASN1_ENUMERATED_free(reason);
	return ok;
}

static bool
crl_extensions_add(X509_CRL *crl, X509 *authority, uint64_t number)
{
	ASN1_INTEGER *n = ASN1_INTEGER_new();
	X509_EXTENSION *e;
	X509V3_CTX ctx;
	bool ok;

	X509V3_set_ctx(&ctx, authority, NULL, NULL, crl, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
	ok = e != NULL && X509_CRL_add_ext(crl, e, -1) == 1 && n != NULL &&
	     ASN1_INTEGER_set_uint64(n, number) == 1 &&
	     X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, X509V3_ADD_DEFAULT) == 1;
	X509_EXTENSION_free(e);
	ASN1_INTEGER_free(n);
	return ok;
}

static bool
crl_times_set(X509_CRL *crl, int64_t now, int64_t next)
{
	ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)now), *to = ASN1_TIME_set(NULL, (time_t)next);
	bool ok = from != NULL && to != NULL && X509_CRL_set1_lastUpdate(crl, from) == 1 &&
		  X509_CRL_set1_nextUpdate(crl, to) == 1;

	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	return ok;
}

enum rc
ca_crl_make(const struct seal *seal, const struct ca_org *org, const struct ca_authority *ca,
	const struct ca_revoked *revoked, size_t count, uint64_t number, int64_t now,
	int64_t next_update, struct arena *a, struct ca_crl *out, struct err *err)
{
	X509_CRL *crl;
	struct signer s;
	enum rc rc;
	bool ok;

	if ((rc = signer_open(seal, org, ca, &s, err)) != RC_OK)
		return rc;
	crl = X509_CRL_new();
	ok = crl != NULL && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
	     X509_CRL_set_issuer_name(crl, X509_get_subject_name(s.x)) == 1 &&
	     crl_times_set(crl, now, next_update);
	for (size_t i = 0; ok && i < count; i++)
		ok = entry_add(crl, &revoked[i]);
	ok = ok && crl_extensions_add(crl, s.x, number) && X509_CRL_sort(crl) == 1 &&
	     X509_CRL_sign(crl, s.key, EVP_sha256()) > 0 &&
	     encode_crl(a, crl, &out->der, &out->pem);
	if (!ok)
		rc = ca_openssl_fail(err, "the list of revoked certificates can't be made");
	X509_CRL_free(crl);
	signer_release(&s);
	return rc;
}
