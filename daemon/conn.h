/* Inside the doors: workers, connections, answers. For server.c, worker.c, conn.c, respond.c and session.c only; handlers see exchange.h and session.h.
 *
 * Everything here but `struct server` and a worker's queue belongs to the worker's thread. */
#ifndef DAEMON_CONN_H
#define DAEMON_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdatomic.h>

#include "daemon/exchange.h"
#include "daemon/fair.h"
#include "daemon/link.h"
#include "daemon/server.h"

/* Bytes received and not used yet, at..len. Connections borrow one while bytes move; one that waits for the rest of a small request
 * keeps a block of just that size. */
struct block {
	struct block *next;
	size_t at, len, cap;
	char bytes[];
};

/* A body that does not fit into a block, or whose client waits for 100 Continue. */
struct incoming {
	struct buf bytes;
	struct http_chunked chunked;
	uint64_t left;   /* of Content-Length */
	size_t progress; /* bytes since the deadline was set */
};

struct gzip;

/* An answer that is made piece by piece. */
struct stream {
	exchange_produce *produce;
	void *ctx;
	struct gzip *gzip; /* or NULL */
	bool chunked;
};

/* What a connection waits for, which tells its deadline. */
enum phase {
	PHASE_HANDSHAKE,
	PHASE_IDLE,
	PHASE_HEAD,
	PHASE_BODY,
	PHASE_HANDLER, /* no deadline */
	PHASE_WRITE,
	PHASE_LINGER, /* answered, closed for writing: what the client still sends is thrown away */
};

struct conn {
	struct link link;
	struct worker *worker;
	size_t slot; /* in worker->conns */
	struct event rd, wr;
	bool rd_on, wr_on;
	bool secure;
	enum phase phase;
	int64_t deadline; /* ms, monotonic */
	struct block *in;
	struct buf out; /* what the socket did not take; from out_at */
	size_t out_at;
	struct exchange *x; /* under way: its body is read, or the handler has it, or it streams */
	struct incoming *body;
	struct stream *stream;
	bool reading_body; /* x waits for its body */
	bool eof;          /* the client sends no more */
	bool closing;      /* takes no more requests */
	bool running;      /* in conn_run() */
	bool unread;       /* closes although the client may still be sending */
	bool more;         /* stopped in the middle, to let others run */
	unsigned char turns; /* since its TLS buffers were last given back for rest, up to BUSY_TURNS */
	bool gone;         /* the client is; kept until the handler answers */
	char peer[56];
};

/* An exchange in the worker's pool. */
struct exchange_slot {
	struct exchange x; /* first */
	struct exchange_slot *next;
	struct stream stream;
	uint64_t bytes; /* of the answer's body, for the log */
	int status;
};

/* What speaks there. */
enum listen_kind { LISTEN_HTTP, LISTEN_HTTPS, LISTEN_ROSTER };

struct listener {
	struct worker *worker;
	struct event accept;
	int fd;
	enum listen_kind kind;
	bool on;
};

struct post {
	void (*fn)(void *arg);
	void *arg;
};

struct posts {
	struct post *items;
	size_t n, cap;
};

struct counters {
	_Atomic uint64_t accepted, closed, requests, refused; /* written by the worker's thread only */
};

struct worker {
	struct server *server;
	unsigned index;
	pthread_t thread;
	bool started;
	struct event_base *base;
	struct listener *listeners; /* as many as options.listen */
	struct event wake, tick, log_event, turns_event;
	int wake_fd;

	pthread_mutex_t lock;
	struct posts posted; /* under lock */
	struct posts running;
	size_t running_at; /* those before have run */

	struct conn **conns;
	size_t conn_count, conn_cap, sweep;
	struct session **sessions;
	size_t session_count, session_cap, session_sweep;
	struct session_task *orphans; /* outlived their sessions */
	struct session *answered, **answered_end; /* whose answers wait to be written, see sessions_write() */
	struct buf answers;
	struct fair turns; /* sessions that wait for one; an org's in one lane */
	struct block *blocks;
	unsigned block_count;
	struct exchange_slot *exchanges;
	unsigned exchange_count;

	struct conn *corked; /* whose answers go to `out` now */
	struct buf out, piece, log;
	struct gzip *gzips;
	int64_t now_us; /* monotonic, of this turn */
	char date[64];  /* "Date: …\r\n" */
	size_t date_len;
	int64_t date_second;
	char id_prefix[12];
	uint64_t id_next;
	bool log_soon, turns_soon; /* log_event, turns_event is on its way */
	bool draining;
	int64_t drain_end_us;
	struct counters counters;
};

struct server {
	struct server_options options;
	struct listen_address *addresses; /* parsed options.listen, in order */
	size_t listen_count;
	char *certificate, *private_key;
	pthread_mutex_t tls_lock;
	SSL_CTX *tls, *session_tls; /* under tls_lock */
	struct worker *workers;
	unsigned worker_count;
	size_t block_size;
	_Atomic size_t connections;
	bool stopped;
};

enum {
	BLOCK_SIZE = 32 * 1024,
	HIGH_WATER = 256 * 1024,   /* bytes of answers queued before a connection must wait for its client */
	BODY_STEP = 64 * 1024,     /* that much progress renews a body's deadline */
	GZIP_MIN = 1024,           /* shorter answers are sent as they are */
	LINGER_SECONDS = 3,
	BUSY_TURNS = 4,            /* turns in a row after which a connection keeps its TLS buffers between turns */
	TICK_MS = 100,
	SWEEP_TICKS = 10, /* each connection is looked at once in so many ticks */
};

/* worker.c */
enum rc worker_init(struct worker *w, struct server *s, unsigned index, struct err *err) MUSTCHECK;
enum rc worker_start(struct worker *w, struct err *err) MUSTCHECK;
void worker_drain(struct worker *w, unsigned grace); /* thread-safe */
void worker_join(struct worker *w);
void worker_release(struct worker *w);
void worker_clock(struct worker *w);
struct block *worker_block(struct worker *w);
void worker_block_back(struct worker *w, struct block *b);
struct exchange *worker_exchange(struct worker *w);
void worker_exchange_back(struct worker *w, struct exchange *x);
void worker_log_soon(struct worker *w);
/* Adds or deletes an event, when that is another thing than *on says. Not a moment lost: an event that event_active() has made active, but
 * that was not run yet, would not be added by event_add() alone. */
void worker_want(struct event *ev, bool *on, bool wanted);
void worker_session_add(struct worker *w, struct session *s);
void worker_session_remove(struct worker *w, struct session *s);
/* server.c; thread-safe */
SSL *server_new_ssl(struct server *s);
SSL *server_new_session_ssl(struct server *s);

static inline void
count(_Atomic uint64_t *n)
{
	atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* conn.c */
void conn_new(struct worker *w, int fd, bool secure, const char *peer);
/* Reads, answers and writes all that can be done now, then waits or frees c. */
void conn_run(struct conn *c);
/* For the sweep: acts when the deadline is over. May free c. */
void conn_check(struct conn *c);
void conn_free(struct conn *c);

/* respond.c */
void exchange_begin(struct conn *c, struct exchange *x);
/* Ends it without an answer. */
void exchange_drop(struct exchange *x);
/* An error of the server's own: a SCIM error, and the connection closes. */
void exchange_refuse(struct exchange *x, enum rc rc, const struct err *err);
/* Fills the output up to the high-water mark. */
void stream_pump(struct conn *c);
struct buf *conn_output(struct conn *c);

#endif
