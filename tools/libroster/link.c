#include "tools/libroster/private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/banned.h"

enum {
	READ_CHUNK = 64 << 10,
	TURN_ENOUGH = 1 << 20, /* read in one turn; then others of the loop have theirs */
	KEPT_BUFFER = 256 << 10,
};

void
link_init(struct link *l, SSL_CTX *ctx)
{
	*l = (struct link){ .state = LINK_IDLE, .ctx = ctx, .fd = -1, .max_payload = ROSTER_PAYLOAD_MAX,
		.max_requests = 256, .max_items = ROSTER_ITEMS_MAX };
	if (getrandom(&l->random, sizeof(l->random), GRND_NONBLOCK) != sizeof(l->random))
		l->random = (uint64_t)clock_ms() ^ (uintptr_t)l;
	l->random |= 1;
}

void
link_log(struct roster *r, const char *fmt, ...)
{
	char line[400];
	va_list args;

	if (r->set.log == NULL)
		return;
	va_start(args, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	r->set.log(r->set.log_arg, line);
}

/* ---- Going down ---- */

static void
close_socket(struct link *l)
{
	SSL_free(l->ssl);
	l->ssl = NULL;
	if (l->fd >= 0)
		(void)close(l->fd);
	l->fd = -1;
	l->events = 0;
}

static void
forget_addresses(struct link *l)
{
	resolve_drop(l->resolve);
	l->resolve = NULL;
	if (l->addresses != NULL)
		freeaddrinfo(l->addresses);
	l->addresses = l->address = NULL;
}

/* What was on its way on this connection. The token may be in it. */
static void
forget_bytes(struct link *l)
{
	if (l->out.len > 0)
		explicit_bzero(l->out.p, l->out.len);
	buf_release(&l->in);
	buf_release(&l->out);
	l->in_at = l->out_at = 0;
	l->pinging = l->more = false;
}

void
link_release(struct roster *r)
{
	close_socket(&r->link);
	forget_addresses(&r->link);
	forget_bytes(&r->link);
	SSL_CTX_free(r->link.ctx);
}

/* xorshift64: many clients that lost one server don't come back all at once. */
static int64_t
random_below(struct link *l, int64_t n)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return n > 0 ? (int64_t)(l->random % (uint64_t)n) : 0;
}

static int64_t
pause_for(struct roster *r)
{
	int64_t pause = r->set.backoff_ms;

	for (unsigned i = 1; i < r->link.failures && pause < r->set.backoff_max_ms; i++)
		pause *= 2;
	if (pause > r->set.backoff_max_ms)
		pause = r->set.backoff_max_ms;
	return pause - random_below(&r->link, pause / 2 + 1);
}

/* The connection, or the attempt at one, is over. final: it is no use to wait for a better one, all calls fail. */
static void
link_down(struct roster *r, const struct roster_error *error, bool final)
{
	struct link *l = &r->link;
	int64_t now = clock_ms();

	/* One that held counts as a success; one that broke at once does not, or we would be back at once, too. */
	if (l->state == LINK_OPEN && now - l->opened_at >= r->set.backoff_max_ms)
		l->failures = 0;
	l->failures++;
	close_socket(l);
	forget_addresses(l);
	forget_bytes(l);
	l->state = LINK_PAUSE;
	l->retry_at = now + pause_for(r);
	(void)snprintf(l->trouble, sizeof(l->trouble), "%s", error->message);
	link_log(r, "%s; again in %jd ms", l->trouble, (intmax_t)(l->retry_at - now));
	handle_at(r, l->retry_at);
	calls_lost(r, error, final);
}

static void
link_fail(struct roster *r, const char *name, bool final, const char *what, const char *why)
{
	struct roster_error error;

	error_local(&error, name, "", "%s:%s: %s%s%s", r->set.host, r->set.port, what, why[0] != '\0' ? ": " : "", why);
	link_down(r, &error, final);
}

/* ---- Coming up ---- */

static void
set_events(struct roster *r, unsigned events)
{
	struct link *l = &r->link;
	struct epoll_event e = { .events = events };

	if (l->events == events)
		return;
	(void)epoll_ctl(r->epoll_fd, l->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, l->fd, &e);
	l->events = events;
}

static void
start_tls(struct roster *r)
{
	int one = 1;

	(void)setsockopt(r->link.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	r->link.ssl = tls_new(r->link.ctx, r->link.fd, r->set.server_name);
	r->link.state = LINK_TLS;
}

/* Tries the address at hand, then those behind it. */
static void
start_connect(struct roster *r, int error)
{
	struct link *l = &r->link;

	for (; l->address != NULL; l->address = l->address->ai_next) {
		close_socket(l);
		l->fd = socket(l->address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (l->fd < 0) {
			error = errno;
			continue;
		}
		l->state = LINK_CONNECT;
		if (connect(l->fd, l->address->ai_addr, l->address->ai_addrlen) == 0) {
			set_events(r, EPOLLIN);
			start_tls(r);
			return;
		}
		if ((error = errno) == EINPROGRESS) {
			set_events(r, EPOLLOUT);
			return;
		}
	}
	link_fail(r, NAME_LOST, false, "can't connect", strerror(error));
}

static void
link_up(struct roster *r, int64_t now)
{
	struct link *l = &r->link;
	char why[160] = "";

	l->state = LINK_RESOLVE;
	l->give_up_at = now + r->set.connect_ms;
	handle_at(r, l->give_up_at);
	l->resolve = resolve_start(r->set.host, r->set.port, r->wake_fd, why, sizeof(why));
	if (l->resolve == NULL)
		link_fail(r, NAME_LOST, false, "can't look it up", why);
}

static void
turn_resolve(struct roster *r)
{
	struct link *l = &r->link;
	char why[160] = "";

	if (!resolve_done(l->resolve, &l->addresses, why, sizeof(why)))
		return;
	resolve_drop(l->resolve);
	l->resolve = NULL;
	l->address = l->addresses;
	if (l->addresses == NULL)
		link_fail(r, NAME_LOST, false, "can't look it up", why);
	else
		start_connect(r, 0);
}

static void
turn_connect(struct roster *r)
{
	struct link *l = &r->link;
	struct pollfd p = { .fd = l->fd, .events = POLLOUT };
	socklen_t size = sizeof(int);
	int error = 0;

	if (poll(&p, 1, 0) <= 0)
		return;
	(void)getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error == 0) {
		start_tls(r);
	} else {
		l->address = l->address->ai_next;
		start_connect(r, error);
	}
}

static void
turn_tls(struct roster *r)
{
	struct link *l = &r->link;
	char why[160] = "";
	bool untrusted;

	switch (tls_handshake(l->ssl, why, sizeof(why), &untrusted)) {
	case TLS_AGAIN:
		set_events(r, EPOLLIN);
		break;
	case TLS_AGAIN_WRITE:
		set_events(r, EPOLLIN | EPOLLOUT);
		break;
	case TLS_CLOSED:
		link_fail(r, untrusted ? NAME_UNTRUSTED : NAME_LOST, untrusted, "no TLS connection", why);
		break;
	case TLS_OK:
		set_events(r, EPOLLIN);
		l->number++;
		l->state = LINK_HELLO;
		l->heard_at = clock_ms();
		link_hello(r);
		break;
	}
}

/* ---- Being up ---- */

/* The bytes that were read are whole frames up to in_at. */
static void
compact(struct link *l)
{
	if (l->in_at > 0)
		buf_drain(&l->in, l->in_at);
	l->in_at = 0;
	if (l->in.len == 0 && l->in.cap > KEPT_BUFFER)
		buf_release(&l->in);
}

/* The hello was refused, and the same hello would be again. */
static bool
is_refusal(const struct roster_error *error)
{
	return error->status >= 400 && error->status < 500 && error->status != 408 && error->status != 429;
}

/* False: the connection is down. */
static bool
take_frames(struct roster *r)
{
	struct roster_error error;

	if (!link_frames(r, &error)) {
		link_down(r, &error, is_refusal(&error));
		return false;
	}
	compact(&r->link);
	return true;
}

static void
turn_read(struct roster *r)
{
	struct link *l = &r->link;
	char why[160] = "";

	l->more = false;
	for (size_t total = 0, n; total < TURN_ENOUGH; total += n) {
		switch (tls_read(l->ssl, buf_reserve(&l->in, READ_CHUNK), READ_CHUNK, &n)) {
		case TLS_OK:
			l->in.len += n;
			l->heard_at = clock_ms();
			l->pinging = false;
			if (!take_frames(r))
				return;
			break;
		case TLS_CLOSED:
			tls_reason(why, sizeof(why));
			link_fail(r, NAME_LOST, false, "the connection broke", why);
			return;
		case TLS_AGAIN:
		case TLS_AGAIN_WRITE:
			return;
		}
	}
	/* What TLS holds already makes no descriptor ready. */
	l->more = true;
}

void
link_write(struct roster *r)
{
	struct link *l = &r->link;
	enum tls_result result = TLS_OK;
	char why[160] = "";
	size_t n = 0;

	if (l->state != LINK_OPEN && l->state != LINK_HELLO)
		return;
	while (result == TLS_OK) {
		if (l->state == LINK_OPEN)
			calls_send(r);
		if (l->out_at == l->out.len)
			break;
		result = tls_write(l->ssl, l->out.p + l->out_at, l->out.len - l->out_at, &n);
		if (result == TLS_OK && (l->out_at += n) == l->out.len) {
			buf_clear(&l->out);
			l->out_at = 0;
		}
	}
	if (result == TLS_CLOSED) {
		tls_reason(why, sizeof(why));
		link_fail(r, NAME_LOST, false, "the connection broke", why);
		return;
	}
	if (l->out_at > KEPT_BUFFER) {
		buf_drain(&l->out, l->out_at);
		l->out_at = 0;
	}
	set_events(r, result == TLS_OK ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

/* One state may lead to the next without waiting. */
void
link_turn(struct roster *r, int64_t now)
{
	struct link *l = &r->link;
	enum link_state before;

	do {
		before = l->state;
		if (l->state == LINK_IDLE || l->state == LINK_PAUSE) {
			if (calls_wait(&r->calls) && (l->state == LINK_IDLE || now >= l->retry_at))
				link_up(r, now);
		} else if (l->state == LINK_RESOLVE) {
			turn_resolve(r);
		} else if (l->state == LINK_CONNECT) {
			turn_connect(r);
		} else if (l->state == LINK_TLS) {
			turn_tls(r);
		} else {
			turn_read(r);
		}
	} while (l->state > before && l->state < LINK_OPEN);
}

/* Calls wait, and there is no connection: when is it tried? They may have been started at any place of a turn. */
int64_t
link_wanted_at(const struct roster *r)
{
	const struct link *l = &r->link;

	if (l->state > LINK_PAUSE || !calls_wait(&r->calls))
		return NEVER;
	return l->state == LINK_IDLE ? 0 : l->retry_at;
}

static void
send_ping(struct roster *r)
{
	struct call *call = call_new(r, ASK_PING, NULL, NULL);
	size_t began = roster_frame_begin(&call->frame);

	roster_frame_end(&call->frame, began, ASK_PING, FRAME_LAST, call->slot + 1);
	r->calls.bytes += call->frame.len;
	call_enqueue(r, call);
	r->link.pinging = true;
}

/* Nothing was heard for a while: is it there? */
static int64_t
clock_open(struct roster *r, int64_t now)
{
	struct link *l = &r->link;
	int64_t ping = r->set.ping_ms, due = (l->pinging ? l->pinged_at : l->heard_at) + ping;

	if (ping < 0)
		return NEVER;
	if (now < due)
		return due;
	if (l->pinging) {
		link_fail(r, NAME_LOST, false, "the connection broke", "the server says nothing any more");
		return l->retry_at;
	}
	send_ping(r);
	l->pinged_at = now;
	return now + ping;
}

int64_t
link_clock(struct roster *r, int64_t now)
{
	struct link *l = &r->link;

	switch (l->state) {
	case LINK_IDLE:
	case LINK_PAUSE:
		return NEVER;
	case LINK_OPEN:
		return clock_open(r, now);
	case LINK_RESOLVE:
	case LINK_CONNECT:
	case LINK_TLS:
	case LINK_HELLO:
		break;
	}
	if (now < l->give_up_at)
		return l->give_up_at;
	link_fail(r, NAME_LOST, false, "can't connect", "it takes too long");
	return l->retry_at;
}
