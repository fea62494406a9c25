/* What the files of libroster know of each other. roster.h is the manual of what they do together. */
#ifndef LIBROSTER_PRIVATE_H
#define LIBROSTER_PRIVATE_H

#include <netdb.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "protocol/fields.h"
#include "protocol/roster.h"
#include "tools/libroster/roster.h"

#define NEVER INT64_MAX

/* Milliseconds of the monotonic clock. */
int64_t clock_ms(void);

/* ---- error.c ---- */

#define NAME_CLOSED "CLOSED"
#define NAME_BAD_REQUEST "BAD_REQUEST"
#define NAME_FULL "FULL"
#define NAME_TIMEOUT "TIMEOUT"
#define NAME_LOST "LOST"
#define NAME_UNTRUSTED "UNTRUSTED"
#define NAME_PROTOCOL "PROTOCOL"
#define NAME_NOT_READY "NOT_READY"

/* Fills error (which may be NULL) as one found here. */
void error_local(struct roster_error *error, const char *name, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void error_answered(struct roster_error *error, const struct fields *f);
void error_copy(struct roster_error *to, const struct roster_error *from);

/* ---- options.c: what roster_new() was told, copied ---- */

struct settings {
	char *host, *port, *token, *client, *server_name, *org;
	int timeout_ms, connect_ms, ping_ms, backoff_ms, backoff_max_ms;
	size_t max_calls, max_bytes;
	void (*log)(void *arg, const char *line);
	void *log_arg;
};

bool settings_read(struct settings *s, const struct roster_options *options, struct roster_error *error);
void settings_release(struct settings *s);
/* NULL: error says which file it is about. */
SSL_CTX *tls_context(const struct roster_options *options, struct roster_error *error);
/* As much of a caller's struct as it has, the rest 0; false: its size is wrong. */
bool options_copy(void *to, size_t size, const void *from, const char *what, struct roster_error *error);

/* ---- tls.c: bytes over TLS ---- */

enum tls_result { TLS_OK, TLS_AGAIN, TLS_AGAIN_WRITE, TLS_CLOSED };

/* The client's side of a connection on fd, which stays the caller's. */
SSL *tls_new(SSL_CTX *ctx, int fd, char *name);
/* TLS_OK: the peer is who it should be, and speaks roster/1. TLS_CLOSED: why is written to `why`, and *untrusted is whether
 * trying again is no use. */
enum tls_result tls_handshake(SSL *ssl, char *why, size_t size, bool *untrusted);
enum tls_result tls_read(SSL *ssl, char *p, size_t size, size_t *n);
enum tls_result tls_write(SSL *ssl, const char *p, size_t size, size_t *n);
/* What the last TLS_CLOSED came from. */
void tls_reason(char *why, size_t size);

/* ---- resolve.c: names of hosts, without waiting ---- */

struct resolve;

/* Ends by making wake_fd (an eventfd) readable; the job keeps a duplicate of it. NULL: why says what failed. */
struct resolve *resolve_start(const char *host, const char *port, int wake_fd, char *why, size_t size);
/* Whether it is done; then *out is the list (the caller's, freeaddrinfo()) or NULL, and why is filled. */
bool resolve_done(struct resolve *job, struct addrinfo **out, char *why, size_t size);
void resolve_drop(struct resolve *job);

/* ---- answer.c ---- */

struct roster_answer {
	struct fields fields;
	struct slice row;  /* all of it */
	struct slice rest; /* behind the item or id that was read last */
	struct roster_answer *item;
	bool last, resumed;
};

/* False: malformed, in itself or in one of its items. */
bool answer_read(struct roster_answer *answer, struct slice payload, bool last);

/* ---- request.c ---- */

/* Writes the fields of the request. *from_at, where not NULL: `from` is left out, and this is where it belongs. False: error. */
bool request_write(struct buf *out, const struct roster_request *request, const char *org, size_t *from_at,
	struct roster_error *error);

/* ---- calls.c: requests from roster_start() to their last answer ---- */

enum call_state {
	CALL_FREE,
	CALL_WAITING,
	CALL_SENT,
	CALL_DROPPED, /* sent, and nobody wants the answer */
	CALL_ENDING,  /* about to hear the last of it */
};

struct call {
	enum call_state state;
	uint32_t slot; /* the id on the wire is one more */
	uint32_t generation;
	uint8_t verb;
	bool counted; /* among the slow ones */
	bool told;    /* parts of its answer */
	bool resumed; /* the next part is the first one on a new connection */
	roster_fn *fn;
	void *arg;
	int64_t deadline;
	int timeout_ms;
	struct buf frame; /* the whole request */
	size_t from_at;   /* of a watch: where `from` belongs in it */
	uint64_t from;
	uint64_t order;    /* since when it waits */
	struct call *next; /* in line */
};

struct line {
	struct call *first, *last;
};

struct calls {
	struct call **slots;
	size_t count, capacity;
	struct call *unused;
	struct line lines[2]; /* to be sent: what is quick, and what makes long answers or writes */
	size_t slow;          /* of the latter, sent */
	uint64_t order;
	size_t live, watches, bytes;
};

/* A call of the library's own: not counted against the limits; NULL deadline as in struct call. */
struct call *call_new(struct roster *r, uint8_t verb, roster_fn *fn, void *arg);
void call_free(struct roster *r, struct call *call);
/* Behind all others. */
void call_enqueue(struct roster *r, struct call *call);
bool calls_wait(const struct calls *c);
/* Out of line; then sent, as far as out, and the connection, have room. */
void calls_send(struct roster *r);
/* The one with this id on the wire, NULL: there is none under way. */
struct call *calls_find(struct roster *r, uint32_t id);
/* Calls back with the error, and frees it. */
void call_fail(struct roster *r, struct call *call, const struct roster_error *error);
/* Those whose time has come; returns when the next one's comes. */
int64_t calls_expire(struct roster *r, int64_t now);
/* The connection is gone: what may be sent again waits, the rest fails with the error. all: everything fails. */
void calls_lost(struct roster *r, const struct roster_error *error, bool all);
void calls_release(struct roster *r);

/* ---- link.c: the connection ---- */

enum link_state { LINK_IDLE, LINK_PAUSE /* until retry_at */, LINK_RESOLVE, LINK_CONNECT, LINK_TLS, LINK_HELLO, LINK_OPEN };

struct link {
	enum link_state state;
	SSL_CTX *ctx;
	struct resolve *resolve;
	struct addrinfo *addresses, *address;
	int fd;
	SSL *ssl;
	unsigned events; /* that epoll was asked for */
	struct buf in, out;
	size_t in_at, out_at;
	uint32_t number; /* of this connection, rising */
	unsigned failures;
	int64_t retry_at, give_up_at, opened_at, heard_at, pinged_at;
	bool pinging, more /* to read, which no descriptor tells */;
	uint64_t random;
	uint64_t max_payload, max_requests, max_items;
	char trouble[512]; /* why there is no connection */
};

void link_init(struct link *l, SSL_CTX *ctx);
void link_release(struct roster *r);
/* Connects and reads, as far as that goes without waiting. */
void link_turn(struct roster *r, int64_t now);
void link_write(struct roster *r);
int64_t link_wanted_at(const struct roster *r);
/* What the clock asks of it; returns when next. */
int64_t link_clock(struct roster *r, int64_t now);
void link_hello(struct roster *r);
/* In frames.c: takes whole frames from in. False: the connection is of no use any more, error says why. */
bool link_frames(struct roster *r, struct roster_error *error);
void link_log(struct roster *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- handle.c ---- */

struct roster {
	struct settings set;
	int epoll_fd, timer_fd, wake_fd;
	int64_t armed; /* what timer_fd is set to */
	_Atomic bool woken;
	bool nudged; /* wake_fd was written to by ourselves */
	bool inside; /* roster_handle() */
	struct link link;
	struct calls calls;
	struct roster_answer answer, item; /* of the frame at hand */
	struct roster_answer kept, kept_item;
	struct buf kept_bytes;
	struct roster_mirror *mirrors;
};

/* roster_fd() is to be ready: there is something to do. */
void handle_nudge(struct roster *r);
/* The timer goes off at this time at the latest. */
void handle_at(struct roster *r, int64_t at);
/* Waits for one turn of the loop, until `until` at most. False: the time is up. */
bool handle_wait(struct roster *r, int64_t until);

/* ---- mirror.c ---- */

/* Starts the watches whose time has come; returns when the next one's comes. */
int64_t mirrors_clock(struct roster *r, int64_t now);

#endif
