#include "tools/libroster/private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/banned.h"

/* ---- Sockets as OpenSSL is to see them: no SIGPIPE, and no read() that is known to find nothing ---- */

static BIO_METHOD *method;

struct tls_socket {
	int fd;
	bool drained;
};

static int
socket_write(BIO *bio, const char *p, int size)
{
	struct tls_socket *s = BIO_get_data(bio);
	ssize_t n = send(s->fd, p, (size_t)size, MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)n;
}

/* A read that did not fill its buffer has emptied the socket. The next one would only hear EAGAIN, so it is told that without
 * asking: the descriptor is watched by level, and shows what has come since. */
static int
socket_read(BIO *bio, char *p, int size)
{
	struct tls_socket *s = BIO_get_data(bio);
	ssize_t n = -1;

	BIO_clear_retry_flags(bio);
	if (s->drained)
		errno = EAGAIN;
	else
		n = recv(s->fd, p, (size_t)size, 0);
	s->drained = n > 0 && n < size;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	return (int)n;
}

static int
socket_destroy(BIO *bio)
{
	free(BIO_get_data(bio));
	return 1;
}

static long
socket_ctrl(BIO *bio, int command, long number, void *arg)
{
	(void)bio;
	(void)number;
	(void)arg;
	return command == BIO_CTRL_FLUSH || command == BIO_CTRL_PUSH || command == BIO_CTRL_POP;
}

static void
make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "roster socket");
	if (method == NULL)
		abort();
	BIO_meth_set_write(method, socket_write);
	BIO_meth_set_read(method, socket_read);
	BIO_meth_set_ctrl(method, socket_ctrl);
	BIO_meth_set_destroy(method, socket_destroy);
}

/* ---- The connection ---- */

static void
expect_name(SSL *ssl, char *name)
{
	unsigned char address[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1) {
		if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) != 1)
			abort();
		return;
	}
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (SSL_set1_host(ssl, name) != 1 || SSL_set_tlsext_host_name(ssl, name) != 1)
		abort();
}

SSL *
tls_new(SSL_CTX *ctx, int fd, char *name)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static const unsigned char alpn[] = "\x08" ROSTER_ALPN;
	struct tls_socket *s = calloc(1, sizeof(*s));
	SSL *ssl = SSL_new(ctx);
	BIO *bio;

	(void)pthread_once(&once, make_method);
	bio = BIO_new(method);
	if (s == NULL || ssl == NULL || bio == NULL)
		abort();
	s->fd = fd;
	BIO_set_data(bio, s);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_connect_state(ssl);
	expect_name(ssl, name);
	if (SSL_set_alpn_protos(ssl, alpn, sizeof(alpn) - 1) != 0)
		abort();
	return ssl;
}

static enum tls_result
result_of(SSL *ssl, int rc)
{
	switch (SSL_get_error(ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return TLS_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		return TLS_AGAIN_WRITE;
	default:
		return TLS_CLOSED;
	}
}

void
tls_reason(char *why, size_t size)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;

	if (text != NULL)
		(void)snprintf(why, size, "%s", text);
	else
		(void)snprintf(why, size, "%s", errno != 0 ? strerror(errno) : "the server closed the connection");
	ERR_clear_error();
}

static bool
speaks_roster(SSL *ssl)
{
	const unsigned char *protocol;
	unsigned len;

	SSL_get0_alpn_selected(ssl, &protocol, &len);
	return slice_eq((struct slice){ (const char *)protocol, len }, SLICE(ROSTER_ALPN));
}

/* Alerts that say that the other side, or we, are not what was expected: another attempt would hear the same. */
static bool
is_final(unsigned long code)
{
	switch (ERR_GET_REASON(code)) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
	case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_WRONG_VERSION_NUMBER:
		return ERR_GET_LIB(code) == ERR_LIB_SSL;
	default:
		return false;
	}
}

enum tls_result
tls_handshake(SSL *ssl, char *why, size_t size, bool *untrusted)
{
	enum tls_result result;
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_do_handshake(ssl);
	*untrusted = false;
	if (rc == 1) {
		if (speaks_roster(ssl))
			return TLS_OK;
		*untrusted = true;
		(void)snprintf(why, size, "the server does not speak %s", ROSTER_ALPN);
		return TLS_CLOSED;
	}
	if ((result = result_of(ssl, rc)) != TLS_CLOSED)
		return result;
	*untrusted = is_final(ERR_peek_last_error());
	if (SSL_get_verify_result(ssl) != X509_V_OK) {
		*untrusted = true;
		(void)snprintf(why, size, "the certificate of the server: %s",
			X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
		ERR_clear_error();
	} else {
		tls_reason(why, size);
	}
	return TLS_CLOSED;
}

enum tls_result
tls_read(SSL *ssl, char *p, size_t size, size_t *n)
{
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_read_ex(ssl, p, size, n);
	return rc == 1 ? TLS_OK : result_of(ssl, rc);
}

enum tls_result
tls_write(SSL *ssl, const char *p, size_t size, size_t *n)
{
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_write_ex(ssl, p, size, n);
	return rc == 1 ? TLS_OK : result_of(ssl, rc);
}
