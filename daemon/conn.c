#include "daemon/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

#include "base/banned.h"

enum { READS_MAX = 16 }; /* reads of one connection before others have their turn */

static const char continue_line[] = "HTTP/1.1 100 Continue\r\n\r\n";

static void on_read(evutil_socket_t fd, short what, void *arg);
static void on_write(evutil_socket_t fd, short what, void *arg);

static void
set_deadline(struct conn *c, unsigned seconds)
{
	c->deadline = c->worker->now_us / 1000 + (int64_t)seconds * 1000;
}

/* A deadline counts from the begin of a phase, however many events fall into it. */
static void
enter(struct conn *c, enum phase phase)
{
	const struct server_options *o = &c->worker->server->options;
	const unsigned seconds[] = {
		[PHASE_HANDSHAKE] = o->head_timeout, [PHASE_IDLE] = o->idle_timeout,
		[PHASE_HEAD] = o->head_timeout, [PHASE_BODY] = o->body_timeout, [PHASE_HANDLER] = 0,
		[PHASE_WRITE] = o->write_timeout, [PHASE_LINGER] = LINGER_SECONDS,
	};

	if (c->phase == phase && phase != PHASE_IDLE)
		return;
	c->phase = phase;
	set_deadline(c, seconds[phase]);
}

void
conn_new(struct worker *w, int fd, bool secure, const char *peer)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (w->conn_count == w->conn_cap) {
		w->conn_cap = w->conn_cap == 0 ? 64 : w->conn_cap * 2;
		w->conns = realloc(w->conns, w->conn_cap * sizeof(struct conn *));
	}
	if (c == NULL || w->conns == NULL)
		abort();
	c->worker = w;
	c->slot = w->conn_count;
	w->conns[w->conn_count++] = c;
	c->secure = secure;
	memcpy(c->peer, peer, strnlen(peer, sizeof(c->peer) - 1));
	link_init(&c->link, fd, secure ? server_new_ssl(w->server) : NULL);
	c->link.broken |= secure && c->link.ssl == NULL;
	c->phase = PHASE_LINGER; /* any other: enter() sets the deadline */
	enter(c, PHASE_HANDSHAKE);
	(void)event_assign(&c->rd, w->base, fd, EV_READ | EV_PERSIST, on_read, c);
	(void)event_assign(&c->wr, w->base, fd, EV_WRITE | EV_PERSIST, on_write, c);
	worker_want(&c->rd, &c->rd_on, true);
}

static void
block_back(struct conn *c)
{
	if (c->in != NULL)
		worker_block_back(c->worker, c->in);
	c->in = NULL;
}

/* All of the connection but its place in memory. */
static void
cut(struct conn *c)
{
	struct worker *w = c->worker;

	if (c->gone)
		return;
	c->gone = true;
	(void)event_del(&c->rd);
	(void)event_del(&c->wr);
	link_close(&c->link);
	buf_release(&c->out);
	count(&w->counters.closed);
	atomic_fetch_sub_explicit(&w->server->connections, 1, memory_order_relaxed);
}

void
conn_free(struct conn *c)
{
	struct worker *w = c->worker;

	cut(c);
	if (c->x != NULL && (c->reading_body || c->stream != NULL))
		exchange_drop(c->x);
	if (c->x != NULL)
		return; /* its handler answers some day, to nobody */
	block_back(c);
	w->conns[c->slot] = w->conns[--w->conn_count];
	w->conns[c->slot]->slot = c->slot;
	free(c);
}

/* --- output --- */

struct buf *
conn_output(struct conn *c)
{
	return c->worker->corked == c && c->out.len == 0 ? &c->worker->out : &c->out;
}

static void
note_progress(struct conn *c, size_t sent)
{
	if (sent > 0 && c->phase == PHASE_WRITE)
		set_deadline(c, c->worker->server->options.write_timeout);
}

/* Writes what waits; what the socket does not take is kept with the connection. */
static void
flush(struct conn *c)
{
	struct buf *shared = &c->worker->out;
	size_t sent;

	if (c->out.len > 0) {
		(void)link_write(&c->link, c->out.p + c->out_at, c->out.len - c->out_at, &sent);
		note_progress(c, sent);
		c->out_at += sent;
		if (c->out_at == c->out.len || c->link.broken) {
			buf_release(&c->out);
			c->out_at = 0;
		}
	}
	if (c->worker->corked != c || shared->len == 0)
		return;
	(void)link_write(&c->link, shared->p, shared->len, &sent);
	note_progress(c, sent);
	if (!c->link.broken)
		buf_put(&c->out, shared->p + sent, shared->len - sent);
	buf_clear(shared);
	if (shared->cap > 4 * HIGH_WATER)
		buf_release(shared);
}

/* --- input --- */

static struct slice
input(const struct conn *c)
{
	return c->in == NULL ? (struct slice){ NULL, 0 } :
			       (struct slice){ c->in->bytes + c->in->at, c->in->len - c->in->at };
}

/* One read. False when it brought nothing: the socket is empty, or the connection is ending. */
static bool
fill(struct conn *c)
{
	struct worker *w = c->worker;
	struct slice had = input(c);
	size_t got;
	enum link_io r;

	if (c->in == NULL) {
		c->in = worker_block(w);
	} else if (c->in->cap != w->server->block_size) {
		struct block *b = worker_block(w);

		memcpy(b->bytes, had.p, had.len);
		b->len = had.len;
		free(c->in);
		c->in = b;
	} else if (c->in->at > 0) {
		memmove(c->in->bytes, had.p, had.len);
		c->in->len = had.len;
		c->in->at = 0;
	}
	r = link_read(&c->link, c->in->bytes + c->in->len, c->in->cap - c->in->len, &got);
	c->in->len += got;
	if (r == LINK_EOF)
		c->eof = true;
	else if (r == LINK_WANT_WRITE)
		c->more = true;
	return r == LINK_OK;
}

/* A connection at rest holds no block, one that waits for more of a request no larger one than it needs. */
static void
shrink_input(struct conn *c)
{
	struct slice s = input(c);
	struct block *b;

	if (c->in == NULL || (c->x != NULL && !c->reading_body))
		return; /* a handler may still look at it */
	if (s.len > 0) {
		if (c->in->cap == s.len || (b = malloc(sizeof(*b) + s.len)) == NULL)
			return;
		*b = (struct block){ .len = s.len, .cap = s.len };
		memcpy(b->bytes, s.p, s.len);
		block_back(c);
		c->in = b;
	} else {
		block_back(c);
	}
}

/* --- requests --- */

static void
dispatch(struct conn *c)
{
	struct server *s = c->worker->server;

	c->reading_body = false;
	enter(c, PHASE_HANDLER);
	count(&c->worker->counters.requests);
	s->options.handler(c->x, s->options.arg);
}

/* What the head says of the body, before a byte of it is looked at. */
static enum rc
check_body(const struct conn *c, const struct http_request *rq, struct err *err)
{
	size_t max = c->worker->server->options.max_body;

	if (rq->length > max)
		return fail(err, RC_TOO_LARGE, "", "The body is longer than the limit of %zu bytes.", max);
	if (rq->content_encoding.p != NULL && rq->content_encoding.len > 0 &&
		!slice_caseeq(rq->content_encoding, SLICE("identity")))
		return fail(err, RC_UNSUPPORTED_MEDIA_TYPE, "", "A body with Content-Encoding \"%.*s\" is not taken.",
			rq->content_encoding.len > 40 ? 40 : (int)rq->content_encoding.len,
			rq->content_encoding.p);
	return RC_OK;
}

/* The exchange begins before its body is there: the head moves to the arena, the body is gathered apart. */
static void
begin_body(struct conn *c, struct exchange *x)
{
	struct server *s = c->worker->server;
	struct http_request *rq = &x->request;
	size_t head_len = rq->head_len;
	struct slice head = arena_dup(x->arena, (struct slice){ input(c).p, head_len });
	enum rc rc;

	if (http_parse_head(head, &s->options.limits, rq, &rc, NULL) != HTTP_DONE)
		abort(); /* it was well a moment ago */
	c->in->at += head_len;
	if ((c->body = calloc(1, sizeof(*c->body))) == NULL)
		abort();
	c->body->left = rq->length;
	c->reading_body = true;
	if (s->options.admit != NULL) {
		bool keep_alive = rq->keep_alive;

		rq->keep_alive = false; /* an answer now leaves the body unread */
		s->options.admit(x, s->options.arg);
		if (c->x == NULL) {
			c->unread = true;
			return;
		}
		rq->keep_alive = keep_alive;
	}
	if (rq->expect_continue && input(c).len == 0)
		buf_put(conn_output(c), continue_line, sizeof(continue_line) - 1);
	enter(c, PHASE_BODY);
}

static void
refuse(struct conn *c, enum rc rc, const struct err *err)
{
	c->reading_body = false;
	c->unread = true;
	exchange_refuse(c->x, rc, err);
}

static void
note_body(struct conn *c, struct slice run)
{
	struct incoming *b = c->body;

	buf_slice(&b->bytes, run);
	b->progress += run.len;
	if (b->progress >= BODY_STEP) {
		b->progress = 0;
		set_deadline(c, c->worker->server->options.body_timeout);
	}
}

static bool
take_length(struct conn *c)
{
	struct slice in = input(c);

	if (in.len > c->body->left)
		in.len = (size_t)c->body->left;
	note_body(c, in);
	c->in->at += in.len;
	c->body->left -= in.len;
	return c->body->left == 0;
}

static bool
take_chunks(struct conn *c)
{
	size_t max = c->worker->server->options.max_body;
	struct err err;
	enum http_parse r = HTTP_MORE;

	while (r == HTTP_MORE && input(c).len > 0) {
		struct slice in = input(c), run;

		r = http_chunked_next(&c->body->chunked, &in, &run);
		c->in->at = c->in->len - in.len;
		if (r != HTTP_BAD && run.len > max - c->body->bytes.len) {
			refuse(c, fail(&err, RC_TOO_LARGE, "", "The body is longer than the limit of %zu bytes.", max),
				&err);
			return false;
		}
		note_body(c, run);
	}
	if (r == HTTP_BAD)
		refuse(c, fail(&err, RC_BAD_REQUEST, "", "The chunked coding of the body is malformed."), &err);
	return r == HTTP_DONE;
}

/* Takes body bytes. False when there must be more. */
static bool
take_body(struct conn *c)
{
	bool done;

	if (c->in == NULL)
		return false;
	done = c->x->request.chunked ? take_chunks(c) : take_length(c);
	if (c->x == NULL)
		return true;
	if (done) {
		c->x->body = buf_as_slice(&c->body->bytes);
		dispatch(c);
	}
	return done;
}

/* Takes one request off the input. False when there must be more bytes first. */
static bool
take_request(struct conn *c)
{
	struct server *s = c->worker->server;
	struct slice data = input(c);
	struct exchange *x;
	struct http_request *rq;
	enum http_parse r;
	struct err err;
	enum rc rc;

	if (data.len == 0)
		return false;
	x = worker_exchange(c->worker);
	rq = &x->request;
	r = http_parse_head(data, &s->options.limits, rq, &rc, &err);
	if (r == HTTP_DONE && (rq->chunked || rq->length > 0) && (rc = check_body(c, rq, &err)) != RC_OK)
		r = HTTP_BAD;
	/* A small body is waited for with its head, which is then read again: nothing is kept meanwhile but bytes. */
	if (r == HTTP_DONE && !rq->expect_continue && rq->length > data.len - rq->head_len &&
		rq->length <= s->block_size - rq->head_len) {
		enter(c, PHASE_BODY);
		r = HTTP_MORE;
	} else if (r == HTTP_MORE) {
		enter(c, PHASE_HEAD);
	}
	if (r == HTTP_MORE) {
		worker_exchange_back(c->worker, x);
		return false;
	}
	exchange_begin(c, x);
	if (r == HTTP_BAD) {
		refuse(c, rc, &err);
	} else if (rq->chunked || rq->length > data.len - rq->head_len) {
		begin_body(c, x);
	} else {
		c->in->at += rq->head_len + (size_t)rq->length;
		x->body = (struct slice){ data.p + rq->head_len, (size_t)rq->length };
		dispatch(c);
	}
	return true;
}

/* All that can be done before waiting. */
static void
work(struct conn *c)
{
	unsigned reads = 0;

	c->more = false;
	while (!c->link.broken && c->out.len == 0) {
		if (c->stream != NULL) {
			stream_pump(c);
			if (c->stream == NULL)
				continue;
			c->more = true;
			return;
		}
		if (c->x != NULL && !c->reading_body)
			return; /* the handler's turn */
		if (c->worker->out.len >= HIGH_WATER) {
			c->more = true;
			return;
		}
		if (c->closing)
			return;
		if (c->x != NULL ? take_body(c) : take_request(c))
			continue;
		if (c->eof) {
			c->closing = true; /* what was whole is answered */
			return;
		}
		if (reads > 0 && !link_pending(&c->link))
			return;
		if (reads++ == READS_MAX) {
			c->more = true;
			return;
		}
		if (!fill(c) && !c->eof)
			return;
	}
}

/* --- waiting --- */

/* Answered and done. */
static void
finish(struct conn *c)
{
	link_finish(&c->link);
	/* To close with bytes unread resets the connection, and the client may lose the answer (RFC 9112 section 9.6). */
	if (c->link.broken || c->eof || (!c->unread && input(c).len == 0)) {
		conn_free(c);
		return;
	}
	block_back(c);
	enter(c, PHASE_LINGER);
	worker_want(&c->wr, &c->wr_on, false);
	worker_want(&c->rd, &c->rd_on, true);
}

/* Between requests. The TLS buffers, 34 KiB, are given back at once until a connection turns out to be a busy one, later when
 * it pauses for a second (conn_check): thousands of idle ones must not hold them, hundreds of busy ones not fetch them each time. */
static void
rest(struct conn *c)
{
	enter(c, PHASE_IDLE);
	if (c->turns < BUSY_TURNS) {
		c->turns++;
		link_rest(&c->link);
	}
}

static void
settle(struct conn *c)
{
	bool handling = c->x != NULL && !c->reading_body && c->stream == NULL, waiting = c->out.len > 0 || c->more;

	if (c->link.broken) {
		conn_free(c);
		return;
	}
	if (c->worker->draining && c->x == NULL && input(c).len == 0)
		c->closing = true;
	if (c->closing && c->reading_body) { /* the client ended in the middle */
		conn_free(c);
		return;
	}
	if (c->closing && c->x == NULL && !waiting) {
		finish(c);
		return;
	}
	shrink_input(c);
	if (waiting) {
		enter(c, PHASE_WRITE);
		if (c->out.len == 0) /* it waits for us, not we for it */
			set_deadline(c, c->worker->server->options.write_timeout);
	} else if (handling) {
		enter(c, PHASE_HANDLER);
	} else if (c->reading_body) {
		enter(c, PHASE_BODY);
	} else if (!c->link.ready) {
		enter(c, PHASE_HANDSHAKE);
	} else if (c->in == NULL && c->x == NULL) {
		rest(c);
	}
	worker_want(&c->wr, &c->wr_on, waiting);
	/* While a handler works, reading goes on being announced: it is stopped only when bytes come (on_read), which
	 * spares two system calls a request. */
	if (!handling)
		worker_want(&c->rd, &c->rd_on, !waiting && !c->closing);
}

void
conn_run(struct conn *c)
{
	struct worker *w = c->worker;
	enum link_io r;

	if (c->gone) {
		if (c->x == NULL)
			conn_free(c);
		return;
	}
	if (c->phase == PHASE_LINGER)
		return;
	if (w->corked != NULL && w->corked != c) { /* called from within another connection's turn */
		event_active(&c->wr, EV_WRITE, 0);
		return;
	}
	w->corked = c;
	c->running = true;
	r = link_handshake(&c->link);
	if (r == LINK_OK) {
		if (c->out.len > 0)
			flush(c);
		/* Either bytes wait for the socket, or work() says why it stopped: to write what waited only after it would leave
		 * requests behind that nothing wakes. */
		if (c->out.len == 0) {
			work(c);
			flush(c);
		}
	}
	w->corked = NULL;
	c->running = false;
	if (r == LINK_WANT_WRITE) {
		worker_want(&c->wr, &c->wr_on, true);
		return;
	}
	settle(c);
}

/* Reads what nobody wants to know, until the client closes too or time is over. */
static void
discard(struct conn *c)
{
	struct block *b = worker_block(c->worker);
	ssize_t n = read(c->link.fd, b->bytes, b->cap);

	worker_block_back(c->worker, b);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		conn_free(c);
}

static void
on_read(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd, (void)what;
	worker_clock(c->worker);
	if (c->phase == PHASE_LINGER)
		discard(c);
	else if (c->x != NULL && !c->reading_body)
		worker_want(&c->rd, &c->rd_on, false);
	else
		conn_run(c);
}

static void
on_write(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd, (void)what;
	worker_clock(c->worker);
	conn_run(c);
}

static void
time_out_request(struct conn *c)
{
	struct worker *w = c->worker;
	struct err err;
	enum rc rc = fail(&err, RC_TIMEOUT, "", "The request did not come within the time limit of %u s for its %s.",
		c->phase == PHASE_HEAD ? w->server->options.head_timeout : w->server->options.body_timeout,
		c->phase == PHASE_HEAD ? "head" : "body");

	if (c->x == NULL) {
		struct exchange *x = worker_exchange(w);

		memset(&x->request, 0, sizeof(x->request));
		x->request.method = HTTP_OTHER;
		exchange_begin(c, x);
	}
	refuse(c, rc, &err);
	conn_run(c);
}

void
conn_check(struct conn *c)
{
	int64_t now = c->worker->now_us / 1000;

	if (c->gone || c->phase == PHASE_HANDLER)
		return;
	if (now < c->deadline) {
		if (c->phase == PHASE_IDLE && c->turns == BUSY_TURNS &&
			c->deadline - now < ((int64_t)c->worker->server->options.idle_timeout - 1) * 1000) {
			link_rest(&c->link);
			c->turns = 0;
		}
		return;
	}
	if (c->phase == PHASE_HEAD || c->phase == PHASE_BODY) {
		time_out_request(c);
		return;
	}
	if (c->phase == PHASE_IDLE)
		link_finish(&c->link);
	else if (c->phase == PHASE_WRITE || c->phase == PHASE_HANDSHAKE)
		log_event(LOG_INFO, "connection_cut", LOG_STR("peer", c->peer),
			LOG_STR("reason", c->phase == PHASE_WRITE ? "write_timeout" : "handshake_timeout"));
	conn_free(c);
}
