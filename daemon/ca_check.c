/* What comes from outside: certificate requests, and certificates that someone shows. */
#include "daemon/ca_private.h"

#include <time.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/banned.h"

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 4096 /* more only takes time, ours too */ };

#define HEX "0123456789abcdef"

void
ca_serial_format(const struct ca_serial *s, char out[CA_SERIAL_TEXT])
{
	for (size_t i = 0; i < CA_SERIAL_SIZE; i++) {
		out[2 * i] = HEX[s->bytes[i] >> 4];
		out[2 * i + 1] = HEX[s->bytes[i] & 15];
	}
}

bool
ca_serial_parse(struct slice text, struct ca_serial *out)
{
	if (text.len != CA_SERIAL_TEXT)
		return false;
	for (size_t i = 0; i < CA_SERIAL_TEXT; i++) {
		char c =
			text.p[i] >= 'A' && text.p[i] <= 'F' ? (char)(text.p[i] | 0x20) : text.p[i];
		const char *at = c != '\0' ? strchr(HEX, c) : NULL;

		if (at == NULL)
			return false;
		out->bytes[i / 2] = (uint8_t)(out->bytes[i / 2] << 4 | (at - &HEX[0]));
	}
	return true;
}

#define X(name, code, text) { code, text },
static const struct {
	enum ca_reason reason;
	const char *text;
} reasons[] = { CA_REASON_LIST(X) };
#undef X

bool
ca_reason_parse(struct slice text, enum ca_reason *out)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (slice_eq(text, slice_of(reasons[i].text))) {
			*out = reasons[i].reason;
			return true;
		}
	return false;
}

const char *
ca_reason_text(enum ca_reason reason)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].reason == reason)
			return reasons[i].text;
	return reasons[0].text;
}

X509 *
ca_parse(struct slice der)
{
	const unsigned char *p = (const unsigned char *)der.p;
	X509 *x = der.len > 0 && der.len <= INT32_MAX ? d2i_X509(NULL, &p, (long)der.len) : NULL;

	if (x != NULL && p != (const unsigned char *)der.p + der.len) {
		X509_free(x);
		x = NULL;
	}
	ERR_clear_error();
	return x;
}

int64_t
ca_time(const ASN1_TIME *t)
{
	struct tm tm;

	return t != NULL && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static bool
serial_read(const X509 *x, struct ca_serial *out)
{
	BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	bool ok = n != NULL && !BN_is_negative(n) &&
		  BN_bn2binpad(n, out->bytes, CA_SERIAL_SIZE) == CA_SERIAL_SIZE;

	BN_free(n);
	return ok;
}

enum rc
ca_facts_read(struct slice der, struct ca_facts *out, struct err *err)
{
	X509 *x = ca_parse(der);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	bool ok = x != NULL && serial_read(x, &out->serial) &&
		  X509_digest(x, EVP_sha256(), digest, &size) == 1 &&
		  2 * size == CA_FINGERPRINT_TEXT;

	for (size_t i = 0; ok && i < size; i++) {
		out->fingerprint[2 * i] = HEX[digest[i] >> 4];
		out->fingerprint[2 * i + 1] = HEX[digest[i] & 15];
	}
	if (ok) {
		out->not_before = ca_time(X509_get0_notBefore(x));
		out->not_after = ca_time(X509_get0_notAfter(x));
	}
	X509_free(x);
	ERR_clear_error();
	return ok ? RC_OK : fail(err, RC_INTERNAL, "", "a certificate is damaged");
}

/* ---- Requests ---- */

static enum rc
ec_check(const EVP_PKEY *key, struct err *err)
{
	static const char *const curves[] = { "prime256v1", "secp384r1", "secp521r1" };
	char name[80] = "";
	int is_explicit = 0;
	size_t len = 0;

	/* A curve that the client spells out itself may look like a known one and be weak
	 * (CVE-2020-0601). */
	(void)EVP_PKEY_get_int_param(
		key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_explicit);
	if (is_explicit != 0)
		return fail(err, RC_INVALID_VALUE, "csr", "the key's curve must be given by name");
	if (EVP_PKEY_get_group_name(key, name, sizeof(name), &len) != 1)
		name[0] = '\0';
	for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
		if (strcmp(name, curves[i]) == 0)
			return RC_OK;
	return fail(err, RC_INVALID_VALUE, "csr",
		"the key's curve must be P-256, P-384 or P-521, not %s",
		name[0] != '\0' ? name : "another");
}

static enum rc
key_check(EVP_PKEY *key, struct err *err)
{
	int bits = EVP_PKEY_get_bits(key), valid;
	EVP_PKEY_CTX *ctx;
	enum rc rc = RC_OK;

	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
			return fail(err, RC_INVALID_VALUE, "csr",
				"an RSA key must have %d to %d bits; this one has %d", RSA_BITS_MIN,
				RSA_BITS_MAX, bits);
		break;
	case EVP_PKEY_EC:
		if ((rc = ec_check(key, err)) != RC_OK)
			return rc;
		break;
	case EVP_PKEY_ED25519:
		break;
	default:
		return fail(err, RC_INVALID_VALUE, "csr",
			"the key must be RSA, EC (P-256, P-384, P-521) or Ed25519");
	}
	ctx = EVP_PKEY_CTX_new(key, NULL);
	valid = ctx != NULL ? EVP_PKEY_public_check(ctx) : 0;
	EVP_PKEY_CTX_free(ctx);
	return valid == 1 ? RC_OK
			  : fail(err, RC_INVALID_VALUE, "csr",
				    "the public key is not a valid one of its kind");
}

/* A private key in the PEM text, or an encrypted one, is not asked a passphrase for on the daemon's
 * terminal. */
static int
no_passphrase(char *to, int size, int writing, void *arg)
{
	(void)to, (void)size, (void)writing, (void)arg;
	return 0;
}

enum rc
ca_csr_key(struct slice pem, EVP_PKEY **out, struct err *err)
{
	X509_REQ *req = NULL;
	EVP_PKEY *key = NULL;
	enum rc rc = RC_OK;
	BIO *in;

	if (pem.len > CA_CSR_MAX)
		return fail(err, RC_INVALID_VALUE, "csr",
			"a certificate request has at most %d bytes", CA_CSR_MAX);
	if ((in = BIO_new_mem_buf(pem.p, (int)pem.len)) == NULL)
		return ca_openssl_fail(err, "a certificate request can't be read");
	if ((req = PEM_read_bio_X509_REQ(in, NULL, no_passphrase, NULL)) == NULL)
		rc = fail(err, RC_INVALID_VALUE, "csr",
			"no certificate request in PEM (-----BEGIN CERTIFICATE REQUEST-----)");
	else if ((key = X509_REQ_get_pubkey(req)) == NULL)
		rc = fail(err, RC_INVALID_VALUE, "csr",
			"the certificate request's public key can't be read");
	else if ((rc = key_check(key, err)) == RC_OK && X509_REQ_verify(req, key) != 1)
		rc = fail(err, RC_INVALID_VALUE, "csr",
			"the certificate request is not signed with the key that it holds");
	ERR_clear_error();
	BIO_free(in);
	X509_REQ_free(req);
	if (rc == RC_OK)
		*out = key;
	else
		EVP_PKEY_free(key);
	return rc;
}

/* ---- Certificates that are shown ---- */

static enum rc
refused(struct err *err, const char *why)
{
	return fail(err, RC_UNAUTHORIZED, "", "the client certificate is refused: %s", why);
}

static bool
uri_parse(struct slice rest, struct ca_subject *out)
{
	struct slice part[6], word;
	size_t n = 0;

	while (slice_split(&rest, ':', &word)) {
		if (n == 6)
			return false;
		part[n++] = word;
	}
	if (n != 6 || !slice_eq(part[0], SLICE("urn")) || !slice_eq(part[1], SLICE("rosterd")) ||
		!slice_eq(part[2], SLICE("org")) || !uuid_parse(part[5], &out->id))
		return false;
	for (enum ca_kind k = CA_MEMBER; k <= CA_SERVICE; k++)
		if (slice_eq(part[4], slice_of(ca_kind_text(k)))) {
			out->kind = k;
			return true;
		}
	return false;
}

/* The one URI of the subjectAltName; *names is to be freed. */
static struct slice
subject_uri(const X509 *x, GENERAL_NAMES **names)
{
	const GENERAL_NAME *name;

	*names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	name = sk_GENERAL_NAME_num(*names) == 1 ? sk_GENERAL_NAME_value(*names, 0) : NULL;
	if (name == NULL || name->type != GEN_URI)
		return (struct slice){ NULL, 0 };
	return (struct slice){ (const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier),
		(size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier) };
}

static bool
subject_read(const X509 *x, struct ca_subject *out)
{
	GENERAL_NAMES *names;
	struct slice uri = subject_uri(x, &names);
	bool ok = uri.p != NULL && uri_parse(uri, out) && serial_read(x, &out->serial);

	out->not_after = ca_time(X509_get0_notAfter(x));
	GENERAL_NAMES_free(names);
	return ok;
}

bool
ca_org_key_read(struct slice certificate, char *key, size_t size)
{
	const struct slice head = SLICE("urn:rosterd:org:");
	X509 *x = ca_parse(certificate);
	GENERAL_NAMES *names = NULL;
	struct slice uri = { NULL, 0 }, name = { NULL, 0 };
	bool ok;

	if (x != NULL)
		uri = subject_uri(x, &names);
	ok = uri.p != NULL && slice_starts(uri, head);
	if (ok) {
		uri = slice_from(uri, head.len);
		ok = slice_split(&uri, ':', &name) && name.len > 0 && name.len < size;
	}
	if (ok) {
		memcpy(key, name.p, name.len);
		key[name.len] = '\0';
	}
	GENERAL_NAMES_free(names);
	X509_free(x);
	return ok;
}

/* The authority is the only certificate that is trusted, and nothing may stand between. */
static enum rc
chain_check(X509 *x, X509 *authority, int64_t now, struct err *err)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	enum rc rc;

	if (store == NULL || ctx == NULL || X509_STORE_add_cert(store, authority) != 1 ||
		X509_STORE_CTX_init(ctx, store, x, NULL) != 1) {
		rc = ca_openssl_fail(err, "a certificate can't be checked");
		goto out;
	}
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, (time_t)now);
	X509_VERIFY_PARAM_set_depth(param, 0);
	if (X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_CLIENT) != 1 ||
		X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT) != 1)
		rc = ca_openssl_fail(err, "a certificate can't be checked");
	else if (X509_verify_cert(ctx) != 1)
		rc = refused(err, X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	else
		rc = RC_OK;
out:
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	ERR_clear_error();
	return rc;
}

enum rc
ca_verify(struct slice certificate, struct slice authority, int64_t now, ca_revoked_fn is_revoked,
	void *arg, struct ca_subject *out, struct err *err)
{
	X509 *x = ca_parse(certificate), *ca = ca_parse(authority);
	bool revoked = false;
	enum rc rc;

	if (ca == NULL)
		rc = fail(err, RC_INTERNAL, "", "the authority's certificate is damaged");
	else if (x == NULL)
		rc = refused(err, "it can't be read");
	else if ((rc = chain_check(x, ca, now, err)) != RC_OK)
		;
	else if (!subject_read(x, out))
		rc = refused(err, "it names neither a member nor a service");
	else if ((rc = is_revoked(arg, &out->serial, &revoked, err)) == RC_OK && revoked)
		rc = refused(err, "it is revoked");
	X509_free(x);
	X509_free(ca);
	return rc;
}
