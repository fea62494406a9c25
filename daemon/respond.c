#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "daemon/conn.h"
#include "daemon/gzip.h"
#include "protocol/scim_write.h"

#include "base/banned.h"

enum { STREAM_PIECE = 64 * 1024, STREAM_CALLS = 4, LOG_PATH_MAX = 200 };

static const struct status {
	int code;
	struct slice line;
} statuses[] = {
#define S(code, text) { code, SLICE_INIT("HTTP/1.1 " #code " " text "\r\n") }
	S(200, "OK"), S(201, "Created"), S(202, "Accepted"), S(204, "No Content"), S(301, "Moved Permanently"),
	S(302, "Found"), S(303, "See Other"), S(304, "Not Modified"), S(307, "Temporary Redirect"),
	S(308, "Permanent Redirect"), S(400, "Bad Request"), S(401, "Unauthorized"), S(403, "Forbidden"),
	S(404, "Not Found"), S(405, "Method Not Allowed"), S(406, "Not Acceptable"), S(408, "Request Timeout"),
	S(409, "Conflict"), S(410, "Gone"), S(411, "Length Required"), S(412, "Precondition Failed"),
	S(413, "Content Too Large"), S(414, "URI Too Long"), S(415, "Unsupported Media Type"),
	S(416, "Range Not Satisfiable"), S(417, "Expectation Failed"), S(421, "Misdirected Request"),
	S(422, "Unprocessable Content"), S(423, "Locked"), S(428, "Precondition Required"),
	S(429, "Too Many Requests"), S(431, "Request Header Fields Too Large"), S(500, "Internal Server Error"),
	S(501, "Not Implemented"), S(502, "Bad Gateway"), S(503, "Service Unavailable"),
	S(504, "Gateway Timeout"), S(505, "HTTP Version Not Supported"), S(507, "Insufficient Storage"),
#undef S
};

static struct exchange_slot *
slot_of(struct exchange *x)
{
	return (struct exchange_slot *)x;
}

/* --- begin and end --- */

/* What may stand in a log line and a header without a thought: any visible ASCII but quotes and backslashes. */
static bool
is_sane_id(struct slice id)
{
	if (id.p == NULL || id.len == 0 || id.len >= sizeof(((struct exchange *)0)->id))
		return false;
	for (size_t i = 0; i < id.len; i++) {
		char c = id.p[i];

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\')
			return false;
	}
	return true;
}

/* Unique for a worker's life and, by the random prefix, beyond. */
static void
make_id(struct worker *w, char *out)
{
	static const char hex[] = "0123456789abcdef";
	uint64_t n = w->id_next++;
	size_t len = strlen(w->id_prefix);

	memcpy(out, w->id_prefix, len);
	for (int shift = n >> 32 != 0 ? 60 : 28; shift >= 0; shift -= 4)
		out[len++] = hex[n >> shift & 15];
	out[len] = '\0';
}

void
exchange_begin(struct conn *c, struct exchange *x)
{
	struct worker *w = c->worker;

	x->body = (struct slice){ NULL, 0 };
	x->conn = c;
	x->peer = c->peer;
	x->secure = c->secure;
	x->started_us = w->now_us;
	x->log_org = x->log_token = 0;
	x->data = NULL;
	if (is_sane_id(x->request.request_id)) {
		memcpy(x->id, x->request.request_id.p, x->request.request_id.len);
		x->id[x->request.request_id.len] = '\0';
	} else {
		make_id(w, x->id);
	}
	slot_of(x)->bytes = 0;
	slot_of(x)->status = 0;
	c->x = x;
}

static void
release(struct exchange *x)
{
	struct conn *c = x->conn;
	struct stream *stream = c->stream;

	if (c->body != NULL) {
		buf_release(&c->body->bytes);
		free(c->body);
	}
	if (stream != NULL && stream->gzip != NULL) {
		*gzip_next(stream->gzip) = c->worker->gzips;
		c->worker->gzips = stream->gzip;
	}
	c->body = NULL;
	c->stream = NULL;
	c->x = NULL;
	c->reading_body = false;
	worker_exchange_back(c->worker, x);
}

/* The link of an invitation is a secret. */
static struct slice
loggable(struct slice path)
{
	return slice_starts(path, SLICE("/invitations/")) ? SLICE("/invitations/...") : path;
}

static void
log_request(struct exchange *x, const char *event)
{
	const struct exchange_slot *e = slot_of(x);
	const struct http_request *rq = &x->request;
	struct slice method = rq->method_text, path = loggable(rq->path);
	struct timespec now;

	if (!x->worker->server->options.access_log || !log_enabled(LOG_INFO))
		return;
	if (path.len > LOG_PATH_MAX)
		path.len = LOG_PATH_MAX;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);

	const struct log_field fields[] = {
		LOG_SLICE("method", method.p != NULL ? method : SLICE("-")),
		LOG_SLICE("path", path.p != NULL ? path : SLICE("-")),
		LOG_NUM("status", e->status),
		LOG_NUM("bytes", e->bytes),
		LOG_NUM("us", (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 - x->started_us),
		LOG_STR("peer", x->peer),
		LOG_STR("request_id", x->id),
		LOG_NUM("org", x->log_org),
		LOG_NUM("token", x->log_token),
	};

	log_append(&x->worker->log, LOG_INFO, event, fields, sizeof(fields) / sizeof(fields[0]));
	worker_log_soon(x->worker);
}

void
exchange_drop(struct exchange *x)
{
	struct stream *stream = x->conn->stream;

	if (stream != NULL && stream->gzip != NULL)
		gzip_reset(stream->gzip);
	if (stream != NULL)
		log_request(x, "request_cut");
	release(x);
}

/* The answer is queued, or nobody wants it: the exchange goes, the connection goes on. */
static void
end(struct exchange *x)
{
	struct conn *c = x->conn;

	log_request(x, "request");
	if (!x->request.keep_alive || c->worker->draining)
		c->closing = true;
	release(x);
}

/* An answer that comes later opens a turn of the connection's own, so that it is sent from the worker's buffer. */
static void
open_turn(struct conn *c)
{
	if (c->worker->corked == NULL && !c->gone)
		c->worker->corked = c;
}

/* Within the connection's turn the caller goes on by itself. */
static void
go_on(struct conn *c)
{
	if (!c->running)
		conn_run(c);
}

/* --- heads --- */

enum framing { FRAME_LENGTH, FRAME_CHUNKED, FRAME_CLOSE, FRAME_NONE };

struct shape {
	enum framing framing;
	size_t length;
	bool body;  /* the status has one, also when HEAD leaves it out */
	bool gzip;
	bool vary;
};

static void
put_status(struct buf *b, int code)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].code == code) {
			buf_slice(b, statuses[i].line);
			return;
		}
	buf_printf(b, "HTTP/1.1 %03d Other\r\n", code);
}

static void
put_header(struct buf *b, struct slice name_colon, struct slice value)
{
	if (value.p == NULL)
		return;
	/* A handler must never let a client's line break through. */
	assert(value.len == 0 || (memchr(value.p, '\n', value.len) == NULL && memchr(value.p, '\r', value.len) == NULL));
	buf_slice(b, name_colon);
	buf_slice(b, value);
	BUF_LIT(b, "\r\n");
}

static void
put_framing(struct buf *b, const struct exchange *x, const struct shape *s)
{
	bool close = !x->request.keep_alive || x->worker->draining;

	if (s->framing == FRAME_LENGTH) {
		BUF_LIT(b, "Content-Length: ");
		buf_u64(b, s->length);
		BUF_LIT(b, "\r\n");
	} else if (s->framing == FRAME_CHUNKED) {
		BUF_LIT(b, "Transfer-Encoding: chunked\r\n");
	}
	if (s->gzip)
		BUF_LIT(b, "Content-Encoding: gzip\r\n");
	if (s->vary)
		BUF_LIT(b, "Vary: Accept-Encoding\r\n");
	if (close)
		BUF_LIT(b, "Connection: close\r\n");
	else if (x->request.minor == 0)
		BUF_LIT(b, "Connection: keep-alive\r\n");
}

static void
put_head(struct buf *b, struct exchange *x, const struct response *r, const struct shape *s)
{
	struct worker *w = x->worker;

	slot_of(x)->status = r->status;
	buf_reserve(b, 1024 + s->length);
	put_status(b, r->status);
	buf_put(b, w->date, w->date_len);
	if (s->body)
		put_header(b, SLICE("Content-Type: "),
			r->content_type.p != NULL ? r->content_type : SLICE("application/scim+json"));
	put_framing(b, x, s);
	put_header(b, SLICE("ETag: "), r->etag);
	put_header(b, SLICE("Location: "), r->location);
	put_header(b, SLICE("Allow: "), r->allow);
	put_header(b, SLICE("WWW-Authenticate: "), r->www_authenticate);
	if (r->retry_after > 0) {
		BUF_LIT(b, "Retry-After: ");
		buf_i64(b, r->retry_after);
		BUF_LIT(b, "\r\n");
	}
	if (!r->cacheable)
		BUF_LIT(b, "Cache-Control: no-store\r\n");
	else if (r->max_age > 0)
		buf_printf(b, "Cache-Control: public, max-age=%d\r\n", r->max_age);
	put_header(b, SLICE("X-Request-Id: "), slice_of(x->id));
	BUF_LIT(b, "X-Content-Type-Options: nosniff\r\n");
	if (x->secure)
		BUF_LIT(b, "Strict-Transport-Security: max-age=31536000\r\n");
	BUF_LIT(b, "\r\n");
}

/* --- whole answers --- */

static bool
has_body(int status)
{
	return status != 204 && status != 304;
}

static struct gzip *
take_gzip(struct worker *w)
{
	struct gzip *g = w->gzips;

	if (g == NULL)
		return gzip_new();
	w->gzips = *gzip_next(g);
	return g;
}

static bool
wants_gzip(const struct exchange *x)
{
	return x->worker->server->options.gzip && x->request.accept_encoding.p != NULL &&
		http_accepts_coding(x->request.accept_encoding, SLICE("gzip"));
}

/* Appends the answer to b. */
static void
put_answer(struct buf *b, struct exchange *x, const struct response *r, struct slice body)
{
	struct worker *w = x->worker;
	bool head = x->request.method == HTTP_HEAD;
	struct shape s = { .framing = FRAME_NONE, .body = has_body(r->status) };
	struct buf packed = BUF_INIT;

	if (s.body) {
		s.framing = FRAME_LENGTH;
		s.vary = w->server->options.gzip && body.len >= GZIP_MIN;
		s.gzip = s.vary && wants_gzip(x);
		/* The length after packing is known only to who packs, which is not worth it for a HEAD. */
		if (s.gzip && head)
			s.framing = FRAME_NONE;
	}
	if (s.gzip && !head) {
		struct gzip *g = take_gzip(w);

		gzip_put(g, body, true, &packed);
		*gzip_next(g) = w->gzips;
		w->gzips = g;
		body = buf_as_slice(&packed);
	}
	s.length = body.len;
	put_head(b, x, r, &s);
	if (s.body && !head) {
		buf_slice(b, body);
		slot_of(x)->bytes = body.len;
	}
	buf_release(&packed);
}

void
exchange_respond(struct exchange *x, const struct response *r, struct slice body)
{
	struct conn *c = x->conn;

	slot_of(x)->status = r->status;
	open_turn(c);
	if (!c->gone)
		put_answer(conn_output(c), x, r, body);
	end(x);
	go_on(c);
}

void
exchange_refuse(struct exchange *x, enum rc rc, const struct err *err)
{
	const struct response r = { .status = rc_status(rc) };
	struct conn *c = x->conn;
	struct buf body = BUF_INIT;

	x->request.keep_alive = false;
	error_write(&body, rc, err);
	put_answer(conn_output(c), x, &r, buf_as_slice(&body));
	buf_release(&body);
	end(x);
}

/* --- answers in pieces --- */

static void
put_piece(struct stream *stream, struct buf *out, struct slice piece)
{
	static const char hex[] = "0123456789abcdef";
	char size[18];
	size_t at = sizeof(size);

	if (piece.len == 0)
		return;
	if (stream->chunked) {
		size[--at] = '\n';
		size[--at] = '\r';
		for (size_t n = piece.len; n > 0; n >>= 4)
			size[--at] = hex[n & 15];
		buf_put(out, size + at, sizeof(size) - at);
	}
	buf_slice(out, piece);
	if (stream->chunked)
		BUF_LIT(out, "\r\n");
}

/* Queues one piece; `last` ends the answer. */
static void
emit(struct conn *c, struct slice piece, bool last)
{
	struct stream *stream = c->stream;
	struct buf *out = conn_output(c), packed = BUF_INIT;
	size_t before = out->len;

	if (stream->gzip != NULL) {
		gzip_put(stream->gzip, piece, last, &packed);
		piece = buf_as_slice(&packed);
	}
	put_piece(stream, out, piece);
	if (last && stream->chunked)
		BUF_LIT(out, "0\r\n\r\n");
	slot_of(c->x)->bytes += out->len - before;
	buf_release(&packed);
}

void
stream_pump(struct conn *c)
{
	struct worker *w = c->worker;

	/* Few calls a turn: what is made slowly must not keep others waiting. */
	for (int i = 0; i < STREAM_CALLS && c->stream != NULL && conn_output(c)->len < HIGH_WATER; i++) {
		bool failed = false, more;

		buf_clear(&w->piece);
		more = c->stream->produce(c->stream->ctx, &w->piece, STREAM_PIECE, &failed);
		if (failed) {
			/* No end, no close_notify: the client sees that the answer is broken. */
			c->link.broken = true;
			return;
		}
		emit(c, buf_as_slice(&w->piece), !more);
		if (!more)
			end(c->x);
	}
	if (w->piece.cap > 4 * STREAM_PIECE)
		buf_release(&w->piece);
}

static void
stream_start(struct exchange *x, const struct response *r, exchange_produce *produce, void *ctx)
{
	struct conn *c = x->conn;
	struct worker *w = x->worker;
	struct stream *stream = &slot_of(x)->stream;
	struct shape s = { .body = true, .vary = w->server->options.gzip, .gzip = wants_gzip(x) };

	*stream = (struct stream){ .produce = produce, .ctx = ctx, .chunked = x->request.minor == 1 };
	s.framing = stream->chunked ? FRAME_CHUNKED : FRAME_CLOSE;
	if (!stream->chunked)
		x->request.keep_alive = false;
	put_head(conn_output(c), x, r, &s);
	if (x->request.method == HTTP_HEAD) {
		end(x);
		return;
	}
	if (s.gzip)
		stream->gzip = take_gzip(w);
	c->stream = stream;
	emit(c, buf_as_slice(&w->piece), false);
}

void
exchange_respond_stream(struct exchange *x, const struct response *r, exchange_produce *produce, void *ctx)
{
	static const struct response broken = { .status = 500 };
	struct conn *c = x->conn;
	struct worker *w = x->worker;
	bool failed = false, more;

	if (c->gone) {
		slot_of(x)->status = r->status;
		end(x);
		go_on(c);
		return;
	}
	open_turn(c);
	buf_clear(&w->piece);
	more = produce(ctx, &w->piece, STREAM_PIECE, &failed);
	if (failed) {
		const struct err err = { "", "The answer could not be made." };

		buf_clear(&w->piece);
		error_write(&w->piece, RC_INTERNAL, &err);
		put_answer(conn_output(c), x, &broken, buf_as_slice(&w->piece));
		end(x);
	} else if (!more) {
		put_answer(conn_output(c), x, r, buf_as_slice(&w->piece));
		end(x);
	} else {
		stream_start(x, r, produce, ctx);
	}
	go_on(c);
}
