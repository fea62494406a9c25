/* The doors to the network: listeners, TLS, connections, worker threads.
 *
 * Memory, at most: a connection at rest costs about 14 KiB over TLS and 1 KiB without (its OpenSSL state; buffers are the worker's and are
 * lent while bytes move). One with a request under way adds the head and body as far as received (limits.head + max_body), its
 * arena, and at most 256 KiB and one answer of bytes that its client has not taken yet.
 *
 * One event loop a worker; every worker listens by itself (SO_REUSEPORT). TLS is OpenSSL on the non-blocking socket, from libevent's
 * own events, with read-ahead. The server knows HTTP and frames, and nothing of what they mean. */
#ifndef DAEMON_SERVER_H
#define DAEMON_SERVER_H

#include "base/err.h"
#include "daemon/exchange.h"
#include "daemon/session.h"

struct server;

struct server_options {
	const char *const *listen; /* "https://127.0.0.1:8443", "http://127.0.0.1:8080" (behind a proxy), "https://[::]:443",
				    "roster://127.0.0.1:8444" (frames); NULL-terminated */
	const char *certificate, *private_key; /* PEM files, for https and roster */
	unsigned workers;
	size_t max_connections; /* in all; above it new ones are closed at once */
	size_t max_body;        /* bytes: TOO_LARGE names it */
	struct http_limits limits;
	/* Seconds. head: TLS handshake, and from the first byte of a request to the end of its head. body: for each further 64 KiB.
	 * write: in which a reader takes nothing. idle: between requests. */
	unsigned head_timeout, body_timeout, write_timeout, idle_timeout;
	bool gzip;
	bool access_log; /* a line a request, level info; the path without its query, which may hold personal data */
	exchange_handler *handler;
	/* Called, when set, as soon as the head of a request is there whose body is not (a long one, or one that waits for
	 * 100 Continue), with x->body empty: may answer at once (401, 404), which refuses the body and closes the connection; otherwise it
	 * leaves the exchange alone and handler is called when the body is complete. */
	exchange_handler *admit;
	void *arg; /* of handler and admit */
	struct session_handler sessions; /* for roster:// */
};

/* Binds all listeners (so that privileges can be dropped after), does not accept yet. Options are copied. */
enum rc server_new(const struct server_options *options, struct server **out, struct err *err) MUSTCHECK;
enum rc server_start(struct server *s, struct err *err) MUSTCHECK; /* starts the workers */
/* Reads certificate and key again; on failure the old ones stay. */
enum rc server_reload_tls(struct server *s, struct err *err) MUSTCHECK;
/* The port of the n-th listener: for port 0 in the URL. */
int server_port(const struct server *s, size_t n);
/* Stops accepting, closes idle connections, lets exchanges under way finish for at most `grace` seconds (their answers say
 * "Connection: close"), cuts the rest, joins the threads. worker_post() stays safe until server_free(), yet what is posted after is not run. */
void server_stop(struct server *s, unsigned grace);
/* Stops with no grace when that was not done. NULL is fine. Exchanges that were never answered go now: end the threads that may still
 * look at one (a committer, a pool) between server_stop() and this. */
void server_free(struct server *s);

struct server_stats {
	uint64_t connections, accepted, requests, refused;
};
void server_stats(const struct server *s, struct server_stats *out);
/* Of the server that a worker belongs to. */
void worker_server_stats(const struct worker *w, struct server_stats *out);

#endif
