/* Between ca.c and ca_check.c. */
#ifndef DAEMON_CA_PRIVATE_H
#define DAEMON_CA_PRIVATE_H

#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "daemon/ca.h"

/* The word in the URI for a kind. */
const char *ca_kind_text(enum ca_kind kind);

/* What OpenSSL could not do, with its reason; clears its queue. RC_INTERNAL. */
enum rc ca_openssl_fail(struct err *err, const char *what);

/* NULL unless it is one certificate with nothing behind it. */
X509 *ca_parse(struct slice der);

/* 0 when it can't be said. */
int64_t ca_time(const ASN1_TIME *t);

/* The public key of a CSR (EVP_PKEY_free() it), when the CSR is signed with it and it is strong
 * enough. */
enum rc ca_csr_key(struct slice pem, EVP_PKEY **out, struct err *err) MUSTCHECK;

#endif
