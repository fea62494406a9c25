/* TLS contexts of the doors: one policy, from PEM files. */
#ifndef DAEMON_TLS_H
#define DAEMON_TLS_H

#include <openssl/ssl.h>

#include "base/err.h"

/* TLS 1.3 and 1.2 (ECDHE with AES-GCM or ChaCha20), no renegotiation, no compression, stateless tickets, one a handshake. alpn: the one
 * protocol that is chosen when a client offers it ("http/1.1"); a literal. The caller frees *out with SSL_CTX_free(). */
enum rc tls_context_new(const char *certificate, const char *private_key, const char *alpn, SSL_CTX **out,
	struct err *err) MUSTCHECK;
/* The same for roster/1: TLS 1.3 only; a client that does not offer the protocol is refused, and one is asked for a certificate, which it need not
 * have. Which certificates are good is decided when the client says who it is, not in the handshake. */
enum rc tls_context_new_roster(const char *certificate, const char *private_key, SSL_CTX **out, struct err *err)
	MUSTCHECK;

#endif
