/* The HTTPS door: listeners, TLS, connections, worker threads.
 *
 * One event loop a worker; every worker listens by itself (SO_REUSEPORT). TLS is OpenSSL on the non-blocking socket, from libevent's
 * own events, with read-ahead. The server knows HTTP and nothing of SCIM. */
#ifndef DAEMON_SERVER_H
#define DAEMON_SERVER_H

#include "base/err.h"
#include "daemon/exchange.h"

struct server;

struct server_options {
	const char *const *listen; /* "https://127.0.0.1:8443", "http://127.0.0.1:8080" (behind a proxy), "https://[::]:443"; NULL-terminated */
	const char *certificate, *private_key; /* PEM files, for https */
	unsigned workers;
	size_t max_connections; /* in all; above it new ones are closed at once */
	size_t max_body;        /* bytes: TOO_LARGE names it */
	struct http_limits limits;
	unsigned head_timeout, body_timeout, write_timeout, idle_timeout; /* seconds */
	bool gzip;
	exchange_handler *handler;
	void *arg;
};

/* Binds all listeners (so that privileges can be dropped after), does not accept yet. Options are copied. */
enum rc server_new(const struct server_options *options, struct server **out, struct err *err) MUSTCHECK;
enum rc server_start(struct server *s, struct err *err) MUSTCHECK; /* starts the workers */
/* Reads certificate and key again; on failure the old ones stay. */
enum rc server_reload_tls(struct server *s, struct err *err) MUSTCHECK;
/* The port of the n-th listener: for port 0 in the URL. */
int server_port(const struct server *s, size_t n);
/* Stops accepting, lets exchanges under way finish for at most `grace` seconds, closes everything, joins the threads. */
void server_stop(struct server *s, unsigned grace);
void server_free(struct server *s);

struct server_stats {
	uint64_t connections, accepted, requests, refused;
};
void server_stats(const struct server *s, struct server_stats *out);

#endif
