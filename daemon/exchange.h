/* One HTTP request and its answer: what a handler sees of a connection.
 *
 * A handler is called on the worker's thread with the request complete (head and body). It answers at once, or keeps
 * the exchange and answers later, always on the same worker's thread (worker_post() brings work of other threads there). Exactly one
 * exchange_respond*() call ends it; the exchange and its arena are then gone for the handler, as soon as the bytes are queued. A client that
 * went away meanwhile changes nothing for the handler. */
#ifndef DAEMON_EXCHANGE_H
#define DAEMON_EXCHANGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "protocol/http.h"

struct worker;
struct conn;

struct exchange {
	struct arena *arena;        /* cleared after the answer */
	struct http_request request; /* slices valid until the answer */
	struct slice body;
	struct worker *worker;
	struct conn *conn;
	const char *peer;   /* "127.0.0.1:4711", "[::1]:4711" */
	bool secure;        /* came over TLS */
	char id[132];        /* request id: the client's X-Request-Id when sane, else ours; in log and answer */
	int64_t started_us; /* monotonic */
	uint64_t log_org;   /* set by the handler for the log line: org and token number, 0 unknown */
	uint64_t log_token;
	void *data;         /* the handler's own */
};

struct response {
	int status;
	struct slice content_type; /* "application/scim+json" when p is NULL and there is a body */
	struct slice etag, location, allow, www_authenticate; /* sent when p is not NULL */
	int retry_after;           /* seconds; sent when > 0 */
	bool cacheable;            /* else Cache-Control: no-store */
	int max_age;               /* seconds; with cacheable, > 0: for how long, and by everybody */
};

/* Queues the answer. body is copied before the call returns (for HEAD only its length is used; 204 and 304 carry none). */
void exchange_respond(struct exchange *x, const struct response *r, struct slice body);

/* A long answer, made piece by piece as the client takes it. produce() appends up to about `want` bytes to out and returns true while there
 * is more; it is called on the worker's thread, first within this call, then whenever the connection has room. ctx lives in x->arena. An
 * answer that ends in the first call is sent with Content-Length, else chunked. A call may add little or nothing when finding more
 * takes long: the worker serves others every few calls. produce sets *failed when it can't go on: in its first call that is answered
 * with 500, later the connection is cut, so that the client sees a broken answer and not a short one. */
typedef bool exchange_produce(void *ctx, struct buf *out, size_t want, bool *failed);
void exchange_respond_stream(struct exchange *x, const struct response *r, exchange_produce *produce, void *ctx);

/* The handler that the server calls for every request; arg is server_options.arg. */
typedef void exchange_handler(struct exchange *x, void *arg);

/* Thread-safe: runs fn(arg) on the worker's thread, soon, in order. */
void worker_post(struct worker *w, void (*fn)(void *arg), void *arg);

/* The number of the worker, from 0: for what is kept a thread (readers). */
unsigned worker_index(const struct worker *w);

#endif
