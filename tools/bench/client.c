#include "tools/bench/client.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/banned.h"

enum { IN_SIZE = 128 * 1024, HEAD_MAX = 16 * 1024 };

/* Where in an answer the connection stands. */
enum part { PART_HEAD, PART_BODY, PART_CHUNK_SIZE, PART_CHUNK, PART_CHUNK_END, PART_TRAILER };

struct client {
	struct client_loop *loop;
	struct tally *tally;
	struct lane lane;
	struct ticket *tickets; /* a ring of depth */
	unsigned depth, first, under_way;
	int fd, status;
	bool dead, bad;
	SSL *ssl;
	struct event *readable, *writable;
	enum part part;
	uint64_t left; /* of a body or chunk */
	size_t in_len, out_sent;
	struct buf out;
	char in[IN_SIZE];
};

uint64_t
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
die(const char *what)
{
	fprintf(stderr, "rload: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(1);
}

static void
note_error(struct client *c, const char *why, struct slice seen)
{
	c->tally->errors++;
	if (c->tally->first_error[0] == '\0')
		snprintf(c->tally->first_error, sizeof(c->tally->first_error), "%s: %.*s", why,
			(int)(seen.len < 400 ? seen.len : 400), seen.p != NULL ? seen.p : "");
}

static void
give_up(struct client *c, const char *why, struct slice seen)
{
	if (c->dead)
		return;
	note_error(c, why, seen);
	ERR_clear_error();
	c->dead = true;
	if (c->under_way > 0)
		c->loop->busy--;
	event_del(c->readable);
	event_del(c->writable);
}

/* ---- Sending ---- */

static void
flush(struct client *c)
{
	while (c->out_sent < c->out.len && !c->dead) {
		size_t n = 0;

		if (c->ssl != NULL) {
			int r = SSL_write_ex(c->ssl, c->out.p + c->out_sent, c->out.len - c->out_sent, &n);

			if (r != 1 && SSL_get_error(c->ssl, r) == SSL_ERROR_WANT_WRITE) {
				event_add(c->writable, NULL);
				return;
			}
			if (r != 1)
				give_up(c, "write failed", SLICE(""));
		} else {
			ssize_t r = write(c->fd, c->out.p + c->out_sent, c->out.len - c->out_sent);

			if (r < 0 && errno == EAGAIN) {
				event_add(c->writable, NULL);
				return;
			}
			if (r < 0)
				give_up(c, "write failed", SLICE(""));
			else
				n = (size_t)r;
		}
		c->out_sent += n;
	}
	buf_clear(&c->out);
	c->out_sent = 0;
}

static bool
may_send(struct stream *s)
{
	return s->limit == 0 || atomic_fetch_add_explicit(&s->sent, 1, memory_order_relaxed) < s->limit;
}

static void
fill(struct client *c, uint64_t now)
{
	bool idle = c->under_way == 0;

	while (c->under_way < c->depth && now < c->loop->end_ns && may_send(c->lane.stream)) {
		struct ticket *t = &c->tickets[(c->first + c->under_way) % c->depth];

		t->start_ns = now;
		workload_make(&c->lane, &c->out, t);
		c->under_way++;
	}
	if (idle && c->under_way > 0)
		c->loop->busy++;
}

/* ---- Answers ---- */

static void
answer_done(struct client *c, uint64_t now)
{
	struct tally *t = c->tally;

	c->part = PART_HEAD;
	if (now >= c->loop->measure_ns && now <= c->loop->end_ns) {
		t->requests++;
		t->last_ns = now;
		histogram_add(&t->latency, now - c->tickets[c->first].start_ns);
	}
	c->loop->answers++;
	c->first = (c->first + 1) % c->depth;
	if (--c->under_way == 0)
		c->loop->busy--;
}

/* The head's end is at hand: status, and how the body is framed. */
static bool
read_head(struct client *c, struct slice head)
{
	struct slice line;
	uint64_t v;

	if (head.len < 12 || memcmp(head.p, "HTTP/1.1 ", 9) != 0)
		return false;
	c->status = (head.p[9] - '0') * 100 + (head.p[10] - '0') * 10 + (head.p[11] - '0');
	c->left = 0;
	c->part = c->status == 204 || c->status == 304 ? PART_BODY : PART_HEAD;
	while (slice_split(&head, '\n', &line)) {
		if (line.len < 16 || ((line.p[0] | 0x20) != 'c' && (line.p[0] | 0x20) != 't'))
			continue;
		if (strncasecmp(line.p, "content-length:", 15) == 0) {
			struct slice n = slice_from(line, 15);

			while (n.len > 0 && (n.p[n.len - 1] == '\r' || n.p[n.len - 1] == ' '))
				n.len--;
			if (!slice_to_u64(slice_trim(n), 0, UINT64_MAX, &v))
				return false;
			c->left = v;
			c->part = PART_BODY;
		} else if (strncasecmp(line.p, "transfer-encoding:", 18) == 0) {
			c->part = PART_CHUNK_SIZE;
		} else if (strncasecmp(line.p, "connection: close", 17) == 0) {
			return false;
		}
	}
	return c->part != PART_HEAD;
}

static void
judge(struct client *c, struct slice whole, struct slice body)
{
	struct slice expect = c->tickets[c->first].expect;

	if (!workload_status_ok(c->lane.stream, c->status))
		note_error(c, "unexpected status", whole);
	else if (expect.len > 0 && body.len > 0 && memmem(body.p, body.len, expect.p, expect.len) == NULL)
		note_error(c, "not what was asked for", whole);
}

static size_t
take_head(struct client *c, struct slice in, uint64_t now)
{
	const char *end = memmem(in.p, in.len, "\r\n\r\n", 4);
	struct slice head, body = { NULL, 0 };
	size_t used;

	if (end == NULL) {
		if (in.len > HEAD_MAX)
			give_up(c, "no end of the head", in);
		return 0;
	}
	used = (size_t)(end - in.p) + 4;
	head = (struct slice){ in.p, used - 2 };
	if (!read_head(c, head)) {
		give_up(c, "unusable answer", in);
		return 0;
	}
	if (c->part == PART_BODY && in.len - used < c->left && c->left < IN_SIZE / 2) {
		c->part = PART_HEAD; /* judged when it is whole */
		return 0;
	}
	if (c->part == PART_BODY && in.len - used >= c->left)
		body = (struct slice){ in.p + used, (size_t)c->left };
	judge(c, in, body);
	if (c->part == PART_BODY && in.len - used >= c->left) {
		used += (size_t)c->left;
		answer_done(c, now);
	}
	return used;
}

static size_t
take_counted(struct client *c, struct slice in)
{
	size_t n = in.len < c->left ? in.len : (size_t)c->left;

	c->left -= n;
	return n;
}

/* One line of the chunked coding; 0 while its end is missing. */
static size_t
take_line(struct client *c, struct slice in, uint64_t now)
{
	const char *end = memchr(in.p, '\n', in.len);

	if (end == NULL)
		return 0;
	switch (c->part) {
	case PART_CHUNK_SIZE:
		c->left = strtoull(in.p, NULL, 16);
		c->part = c->left > 0 ? PART_CHUNK : PART_TRAILER;
		break;
	case PART_CHUNK_END:
		c->part = PART_CHUNK_SIZE;
		break;
	case PART_TRAILER:
		if (end - in.p <= 1)
			answer_done(c, now);
		break;
	case PART_HEAD:
	case PART_BODY:
	case PART_CHUNK:
		break;
	}
	return (size_t)(end - in.p) + 1;
}

/* Takes as much as it can off the front of what came; returns how many bytes went. */
static size_t
take(struct client *c, struct slice in, uint64_t now)
{
	size_t n;

	if (in.len == 0)
		return 0;
	switch (c->part) {
	case PART_HEAD:
		return take_head(c, in, now);
	case PART_BODY:
		n = take_counted(c, in);
		if (c->left == 0)
			answer_done(c, now);
		return n;
	case PART_CHUNK:
		n = take_counted(c, in);
		if (c->left == 0)
			c->part = PART_CHUNK_END;
		return n;
	case PART_CHUNK_SIZE:
	case PART_CHUNK_END:
	case PART_TRAILER:
		return take_line(c, in, now);
	}
	return 0;
}

/* false: nothing more for now (or the connection is done for). */
static bool
read_some(struct client *c)
{
	size_t n = 0, room = IN_SIZE - c->in_len;

	if (room == 0) {
		give_up(c, "answer too long to judge", SLICE(""));
		return false;
	}
	if (c->ssl != NULL) {
		int r = SSL_read_ex(c->ssl, c->in + c->in_len, room, &n);

		if (r != 1) {
			if (SSL_get_error(c->ssl, r) != SSL_ERROR_WANT_READ)
				give_up(c, "connection ended", SLICE(""));
			ERR_clear_error();
			return false;
		}
	} else {
		ssize_t r = read(c->fd, c->in + c->in_len, room);

		if (r <= 0) {
			if (r == 0 || errno != EAGAIN)
				give_up(c, "connection ended", SLICE(""));
			return false;
		}
		n = (size_t)r;
	}
	c->in_len += n;
	c->tally->bytes += n;
	return true;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	uint64_t now;
	size_t used = 0, n;

	(void)fd;
	(void)what;
	/* With read-ahead OpenSSL holds records that the socket no longer shows: read until it has none. */
	do {
		if (!read_some(c))
			break;
	} while (c->ssl != NULL && SSL_has_pending(c->ssl) && c->in_len < IN_SIZE);
	now = clock_ns();
	while (!c->dead && (n = take(c, (struct slice){ c->in + used, c->in_len - used }, now)) > 0)
		used += n;
	if (c->dead)
		return;
	if (used < c->in_len && used > 0)
		memmove(c->in, c->in + used, c->in_len - used);
	c->in_len -= used;
	fill(c, now);
	if (c->out_sent == 0)
		flush(c);
	if (c->ssl != NULL && c->in_len < IN_SIZE && SSL_has_pending(c->ssl))
		event_active(c->readable, EV_READ, 0);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	flush(arg);
}

/* ---- Life ---- */

struct client *
client_new(struct client_loop *loop, const struct sockaddr_in *to, SSL_CTX *ctx, struct stream *s,
	struct tally *tally, uint64_t seed)
{
	struct client *c = calloc(1, sizeof(*c));
	int one = 1;

	if (c == NULL || (c->tickets = calloc(s->depth, sizeof(*c->tickets))) == NULL)
		die("memory");
	c->loop = loop;
	c->tally = tally;
	c->lane = (struct lane){ .stream = s, .random = seed * 0x9e3779b97f4a7c15u + 1 };
	c->depth = s->depth;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)to, sizeof(*to)) != 0)
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (ctx != NULL) {
		if ((c->ssl = SSL_new(ctx)) == NULL || SSL_set_fd(c->ssl, c->fd) != 1 || SSL_connect(c->ssl) != 1)
			die("TLS handshake");
	}
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0)
		die("fcntl");
	c->readable = event_new(loop->base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(loop->base, c->fd, EV_WRITE, on_writable, c);
	if (c->readable == NULL || c->writable == NULL || event_add(c->readable, NULL) != 0)
		die("event");
	return c;
}

void
client_start(struct client *c)
{
	fill(c, clock_ns());
	flush(c);
}

void
client_free(struct client *c)
{
	event_free(c->readable);
	event_free(c->writable);
	SSL_free(c->ssl);
	close(c->fd);
	buf_release(&c->out);
	free(c->tickets);
	free(c);
}
