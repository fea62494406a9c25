/* The certificate authority of one org: makes client certificates for its members and services, and
 * the list of those that are revoked. OpenSSL over memory; what it makes is the caller's to keep.
 * No clock: `now` and all times are seconds since 1970.
 *
 * A certificate says whom it stands for in one place, a URI in its subjectAltName:
 *
 *   urn:rosterd:org:KEY:member:UUID      urn:rosterd:org:KEY:service:UUID
 *
 * KEY is the org's key on the day of issue, for people; which org it is follows from who signed, so
 * a rename changes nothing. Nothing of a CSR but its public key goes into a certificate. */
#ifndef DAEMON_CA_H
#define DAEMON_CA_H

#include "base/arena.h"
#include "base/err.h"
#include "base/uuid.h"
#include "daemon/seal.h"

enum {
	CA_SERIAL_SIZE = 16, /* a random number of 127 bits, so that its DER is never negative */
	CA_SERIAL_TEXT = 2 * CA_SERIAL_SIZE,
	CA_YEARS = 10,     /* of the authority itself */
	CA_DAYS_MAX = 825, /* of a certificate */
	CA_CSR_MAX = 16384,
};

struct ca_serial {
	uint8_t bytes[CA_SERIAL_SIZE];
};

/* 32 hex digits, lower case; read in any case. */
void ca_serial_format(const struct ca_serial *s, char out[CA_SERIAL_TEXT]);
bool ca_serial_parse(struct slice text, struct ca_serial *out);

/* Why a certificate was revoked: those of RFC 5280 section 5.3.1 that a client's can have. */
#define CA_REASON_LIST(X)                                                                          \
	X(UNSPECIFIED, 0, "unspecified")                                                           \
	X(KEY_COMPROMISE, 1, "keyCompromise")                                                      \
	X(AFFILIATION_CHANGED, 3, "affiliationChanged")                                            \
	X(SUPERSEDED, 4, "superseded")                                                             \
	X(CESSATION_OF_OPERATION, 5, "cessationOfOperation")                                       \
	X(PRIVILEGE_WITHDRAWN, 9, "privilegeWithdrawn")

#define X(name, code, text) CA_##name = code,
enum ca_reason { CA_REASON_LIST(X) };
#undef X

bool ca_reason_parse(struct slice text, enum ca_reason *out);
const char *ca_reason_text(enum ca_reason reason);

enum ca_kind { CA_MEMBER, CA_SERVICE };

/* ---- The authority ---- */

struct ca_org {
	uint32_t no;
	struct slice key, display_name;
};

struct ca_authority {
	struct slice certificate; /* DER */
	struct slice sealed_key;  /* for the org's number and the purpose "ca" */
};

/* A fresh P-256 key and its self-signed certificate. *out lives in the arena. */
enum rc ca_create(const struct seal *seal, const struct ca_org *org, int64_t now, struct arena *a,
	struct ca_authority *out, struct err *err) MUSTCHECK;

/* PEM of any certificate in DER, and the other way. */
enum rc ca_certificate_pem(
	struct arena *a, struct slice der, struct slice *pem, struct err *err) MUSTCHECK;
enum rc ca_certificate_der(
	struct arena *a, struct slice pem, struct slice *der, struct err *err) MUSTCHECK;

enum { CA_FINGERPRINT_TEXT = 64 };

struct ca_facts {
	struct ca_serial serial;
	int64_t not_before, not_after;
	char fingerprint[CA_FINGERPRINT_TEXT]; /* SHA-256 of the DER, in hex */
};

enum rc ca_facts_read(struct slice der, struct ca_facts *out, struct err *err) MUSTCHECK;

/* ---- Certificates ---- */

struct ca_request {
	enum ca_kind kind;
	struct uuid id;
	struct slice name; /* for people: the common name is this behind "member" or "service" */
	struct slice csr;  /* PEM; empty: a key is made, and its private part given back */
	int64_t not_after; /* at most CA_DAYS_MAX days from now, and not beyond the authority's end
			    */
	struct slice crl_url; /* where clients find the list; empty: the certificate names none */
};

struct ca_certificate {
	struct ca_serial serial;
	struct slice der, pem;
	int64_t not_before, not_after;
	struct slice private_key; /* PEM (PKCS #8) of a key that was made here, else empty; wiped
				     with the arena */
};

/* INVALID_VALUE with path "csr" or "notAfter": what is wrong with it. Takes a millisecond or so,
 * more for a large RSA key: call on the pool where that matters. */
enum rc ca_issue(const struct seal *seal, const struct ca_org *org, const struct ca_authority *ca,
	const struct ca_request *request, int64_t now, struct arena *a, struct ca_certificate *out,
	struct err *err) MUSTCHECK;

/* ---- Revocation ---- */

struct ca_revoked {
	struct ca_serial serial;
	int64_t when;
	enum ca_reason reason;
};

struct ca_crl {
	struct slice der, pem;
};

/* number rises with each list; next_update: when clients must have a newer one. Any order of
 * entries. */
enum rc ca_crl_make(const struct seal *seal, const struct ca_org *org,
	const struct ca_authority *ca, const struct ca_revoked *revoked, size_t count,
	uint64_t number, int64_t now, int64_t next_update, struct arena *a, struct ca_crl *out,
	struct err *err) MUSTCHECK;

/* ---- Whose certificate is it? ---- */

struct ca_subject {
	enum ca_kind kind;
	struct uuid id;
	struct ca_serial serial;
	int64_t not_after;
};

/* Tells in *revoked whether the authority has revoked this serial number. */
typedef enum rc (*ca_revoked_fn)(
	void *arg, const struct ca_serial *serial, bool *revoked, struct err *err);

/* UNAUTHORIZED, with the reason, when it is not a client certificate of this authority that holds
 * now. certificate, authority: DER. */
enum rc ca_verify(struct slice certificate, struct slice authority, int64_t now,
	ca_revoked_fn is_revoked, void *arg, struct ca_subject *out, struct err *err) MUSTCHECK;

/* The org's key that stands in a certificate: a claim, of the day of issue, and no proof. */
bool ca_org_key_read(struct slice certificate, char *key, size_t size);

#endif
