#include "daemon/tls.h"

#include <openssl/err.h>
#include <openssl/tls1.h>
#include <openssl/x509_vfy.h>

#include "protocol/roster.h"

#include "base/banned.h"

static enum rc
tls_fail(struct err *err, const char *setting, const char *what, const char *file)
{
	unsigned long code = ERR_peek_last_error();
	const char *why = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
	enum rc rc = fail(err, RC_INVALID_VALUE, setting, "%s \"%s\" cannot be used: %s", what, file,
		why != NULL ? why : "no reason given");

	ERR_clear_error();
	return rc;
}

static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in,
	unsigned inlen, void *arg)
{
	const char *wanted = arg;
	size_t len = strlen(wanted);

	(void)ssl;
	for (unsigned i = 0; i < inlen; i += in[i] + 1u)
		if (in[i] == len && memcmp(in + i + 1, wanted, len) == 0) {
			*out = in + i + 1;
			*outlen = in[i];
			return SSL_TLSEXT_ERR_OK;
		}
	/* RFC 7301 section 3.2: a client that offers only protocols we do not speak is told so. */
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool
set_policy(SSL_CTX *ctx, const char *alpn)
{
	char groups[] = "X25519:P-256:P-384"; /* OpenSSL's macro casts const away */

	SSL_CTX_set_options(ctx,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
			SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Several records in one read(2); who reads must go on until !SSL_has_pending(). */
	SSL_CTX_set_read_ahead(ctx, 1);
	/* Tickets hold the session, so no cache is kept and all workers can resume it. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, (void *)(uintptr_t)alpn);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 && SSL_CTX_set_num_tickets(ctx, 1) == 1 &&
		SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"rosterd", 7) == 1 &&
		SSL_CTX_set1_groups_list(ctx, groups) == 1 &&
		SSL_CTX_set_ciphersuites(ctx,
			"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
		SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

/* Keys are read without asking: a prompt would hang a daemon. */
static int
no_passphrase(char *to, int size, int writing, void *arg)
{
	(void)to, (void)size, (void)writing, (void)arg;
	return 0;
}

enum rc
tls_context_new(const char *certificate, const char *private_key, const char *alpn, SSL_CTX **out,
	struct err *err)
{
	SSL_CTX *ctx;
	enum rc rc = RC_OK;

	*out = NULL;
	if (certificate == NULL || private_key == NULL)
		return fail(err, RC_INVALID_VALUE, certificate == NULL ? "tls_certificate" : "tls_private_key",
			"A listener on https needs a certificate and a private key.");
	if ((ctx = SSL_CTX_new(TLS_server_method())) == NULL || !set_policy(ctx, alpn)) {
		rc = fail(err, RC_INTERNAL, "", "OpenSSL refuses the TLS settings: %s",
			ERR_reason_error_string(ERR_peek_last_error()));
		ERR_clear_error();
		goto out;
	}
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
		rc = tls_fail(err, "tls_certificate", "The certificate file", certificate);
	else if (SSL_CTX_use_PrivateKey_file(ctx, private_key, SSL_FILETYPE_PEM) != 1 ||
		SSL_CTX_check_private_key(ctx) != 1)
		rc = tls_fail(err, "tls_private_key", "The private key file", private_key);
out:
	if (rc != RC_OK)
		SSL_CTX_free(ctx);
	else
		*out = ctx;
	return rc;
}

/* A certificate is looked at when its owner says hello (daemon/roster/hello.c): which authority is good depends on the org. */
static int
accept_any(X509_STORE_CTX *ctx, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

/* RFC 7301 has a server that gets no list of protocols go on without one; roster/1 is always asked for by name. */
static int
demand_protocol(SSL *ssl, int *alert, void *arg)
{
	const unsigned char *list;
	size_t len;

	(void)arg;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &list, &len) == 1)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	return SSL_CLIENT_HELLO_ERROR;
}

enum rc
tls_context_new_roster(const char *certificate, const char *private_key, SSL_CTX **out, struct err *err)
{
	enum rc rc = tls_context_new(certificate, private_key, ROSTER_ALPN, out, err);

	if (rc != RC_OK)
		return rc;
	(void)SSL_CTX_set_min_proto_version(*out, TLS1_3_VERSION);
	SSL_CTX_set_verify(*out, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(*out, accept_any, NULL);
	SSL_CTX_set_client_hello_cb(*out, demand_protocol, NULL);
	return RC_OK;
}
