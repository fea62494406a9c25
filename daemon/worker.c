#include <errno.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/conn.h"
#include "daemon/gzip.h"

#include "base/banned.h"

enum {
	ACCEPT_BATCH = 64,
	KEPT_BLOCKS = 64,    /* of a worker, for the next that need some */
	KEPT_EXCHANGES = 64,
	LOG_BATCH = 3584,    /* below PIPE_BUF with a line more, so that lines of threads do not mix */
	POSTS_A_TURN = 4,
};

void
worker_clock(struct worker *w)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	w->now_us = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
	(void)clock_gettime(CLOCK_REALTIME_COARSE, &t);
	if (w->date_len == 0 || t.tv_sec != w->date_second) {
		struct tm tm;

		(void)gmtime_r(&t.tv_sec, &tm);
		w->date_len = strftime(w->date, sizeof(w->date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
		w->date_second = t.tv_sec;
	}
}

void
worker_want(struct event *ev, bool *on, bool wanted)
{
	if (*on == wanted)
		return;
	*on = wanted;
	(void)event_del(ev); /* also what is active: event_add() would leave such a one out of what is waited for */
	if (wanted)
		(void)event_add(ev, NULL);
}

/* --- what is lent to connections --- */

struct block *
worker_block(struct worker *w)
{
	struct block *b = w->blocks;

	if (b != NULL) {
		w->blocks = b->next;
		w->block_count--;
	} else if ((b = malloc(sizeof(*b) + w->server->block_size)) == NULL) {
		abort();
	}
	b->next = NULL;
	b->at = b->len = 0;
	b->cap = w->server->block_size;
	return b;
}

void
worker_block_back(struct worker *w, struct block *b)
{
	if (b->cap != w->server->block_size || w->block_count >= KEPT_BLOCKS) {
		free(b);
		return;
	}
	b->next = w->blocks;
	w->blocks = b;
	w->block_count++;
}

struct exchange *
worker_exchange(struct worker *w)
{
	struct exchange_slot *e = w->exchanges;

	if (e != NULL) {
		w->exchanges = e->next;
		w->exchange_count--;
		return &e->x;
	}
	if ((e = calloc(1, sizeof(*e))) == NULL)
		abort();
	e->x.arena = arena_new();
	e->x.worker = w;
	return &e->x;
}

void
worker_exchange_back(struct worker *w, struct exchange *x)
{
	struct exchange_slot *e = (struct exchange_slot *)x;

	arena_clear(x->arena);
	if (w->exchange_count >= KEPT_EXCHANGES) {
		arena_free(x->arena);
		free(e);
		return;
	}
	e->next = w->exchanges;
	w->exchanges = e;
	w->exchange_count++;
}

/* --- the log of requests --- */

static void
on_log(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd, (void)what;
	w->log_soon = false;
	log_flush(&w->log);
}

/* Written when the events at hand are done, or when there is enough. */
void
worker_log_soon(struct worker *w)
{
	if (w->log.len > LOG_BATCH)
		log_flush(&w->log);
	if (!w->log_soon)
		event_active(&w->log_event, EV_TIMEOUT, 0);
	w->log_soon = true;
}

/* --- work of other threads --- */

void
worker_post(struct worker *w, void (*fn)(void *arg), void *arg)
{
	struct posts *q = &w->posted;
	bool first;

	pthread_mutex_lock(&w->lock);
	first = q->n == 0;
	if (q->n == q->cap) {
		q->cap = q->cap == 0 ? 64 : q->cap * 2;
		if ((q->items = realloc(q->items, q->cap * sizeof(*q->items))) == NULL)
			abort();
	}
	q->items[q->n++] = (struct post){ fn, arg };
	pthread_mutex_unlock(&w->lock);
	if (first && eventfd_write(w->wake_fd, 1) != 0)
		abort();
}

unsigned
worker_index(const struct worker *w)
{
	return w->index;
}

/* What was posted becomes what is run; when that is nothing, the next post wakes the worker again. */
static void
take_posts(struct worker *w)
{
	struct posts batch;
	eventfd_t ignored;

	pthread_mutex_lock(&w->lock);
	batch = w->posted;
	w->posted = w->running;
	w->posted.n = 0;
	if (batch.n == 0)
		(void)eventfd_read(w->wake_fd, &ignored);
	pthread_mutex_unlock(&w->lock);
	w->running = batch;
	w->running_at = 0;
}

/* A commit posts the answers of all its writes at once, and each answered client sends its next request. Taken few at a
 * time, with the sockets looked at in between (the descriptor stays readable until all are taken), they do not stand in front of
 * everybody who reads. */
static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd, (void)what;
	worker_clock(w);
	if (w->running_at == w->running.n)
		take_posts(w);
	for (int i = 0; i < POSTS_A_TURN && w->running_at < w->running.n; i++) {
		const struct post *p = &w->running.items[w->running_at++];

		p->fn(p->arg);
	}
	if (w->running_at == w->running.n)
		take_posts(w);
}

/* --- sessions --- */

static void
on_turns(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	sessions_turn(arg);
}

void
worker_session_add(struct worker *w, struct session *s)
{
	if (w->session_count == w->session_cap) {
		w->session_cap = w->session_cap == 0 ? 64 : w->session_cap * 2;
		if ((w->sessions = realloc(w->sessions, w->session_cap * sizeof(struct session *))) == NULL)
			abort();
	}
	session_set_slot(s, w->session_count);
	w->sessions[w->session_count++] = s;
}

void
worker_session_remove(struct worker *w, struct session *s)
{
	struct session *last = w->sessions[--w->session_count];

	w->sessions[session_slot(s)] = last;
	session_set_slot(last, session_slot(s));
}

/* --- accepting --- */

static void
format_peer(const struct sockaddr_storage *sa, char *out, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (sa->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		(void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		(void)snprintf(out, size, "[%s]:%u", host, ntohs(in6->sin6_port));
	} else {
		const struct sockaddr_in *in = (const void *)sa;

		(void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		(void)snprintf(out, size, "%s:%u", host, ntohs(in->sin_port));
	}
}

static void
accepted(struct listener *l, int fd, const struct sockaddr_storage *sa)
{
	struct worker *w = l->worker;
	struct server *s = w->server;
	char peer[sizeof(((struct conn *)0)->peer)];

	if (atomic_fetch_add_explicit(&s->connections, 1, memory_order_relaxed) >= s->options.max_connections) {
		atomic_fetch_sub_explicit(&s->connections, 1, memory_order_relaxed);
		count(&w->counters.refused);
		(void)close(fd);
		return;
	}
	count(&w->counters.accepted);
	format_peer(sa, peer, sizeof(peer));
	if (l->kind == LISTEN_ROSTER) {
		SSL *ssl = server_new_session_ssl(s);

		if (ssl == NULL)
			abort();
		session_new(w, fd, ssl, peer);
	} else {
		conn_new(w, fd, l->kind == LISTEN_HTTPS, peer);
	}
}

static void
on_accept(evutil_socket_t lfd, short what, void *arg)
{
	struct listener *l = arg;

	(void)what;
	worker_clock(l->worker);
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage sa = { .ss_family = AF_UNSPEC };
		socklen_t len = sizeof(sa);
		int fd = accept4(lfd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
			log_event(LOG_WARN, "accept-paused", LOG_STR("reason", strerror(errno)));
			(void)event_del(&l->accept); /* the tick tries again */
			l->on = false;
			return;
		}
		if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (fd >= 0)
			accepted(l, fd, &sa);
	}
}

static void
listeners_on(struct worker *w)
{
	for (size_t i = 0; i < w->server->listen_count; i++)
		if (!w->listeners[i].on && !w->draining) {
			(void)event_add(&w->listeners[i].accept, NULL);
			w->listeners[i].on = true;
		}
}

static void
listeners_close(struct worker *w)
{
	for (size_t i = 0; w->listeners != NULL && i < w->server->listen_count; i++) {
		struct listener *l = &w->listeners[i];

		if (l->on)
			(void)event_del(&l->accept);
		l->on = false;
		if (l->fd >= 0)
			(void)close(l->fd);
		l->fd = -1;
	}
}

/* --- time --- */

static void
sessions_check(struct worker *w)
{
	size_t n = (w->session_count + SWEEP_TICKS - 1) / SWEEP_TICKS;

	for (; n > 0 && w->session_count > 0; n--) {
		w->session_sweep = w->session_sweep == 0 || w->session_sweep > w->session_count
					   ? w->session_count
					   : w->session_sweep;
		session_check(w->sessions[--w->session_sweep]);
	}
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	size_t n = (w->conn_count + SWEEP_TICKS - 1) / SWEEP_TICKS;

	(void)fd, (void)what;
	worker_clock(w);
	listeners_on(w);
	/* Backwards, because a connection that goes is replaced by the last one. */
	for (; n > 0 && w->conn_count > 0; n--) {
		w->sweep = w->sweep == 0 || w->sweep > w->conn_count ? w->conn_count : w->sweep;
		conn_check(w->conns[--w->sweep]);
	}
	sessions_check(w);
	if (w->draining && (w->conn_count + w->session_count == 0 || w->now_us >= w->drain_end_us))
		(void)event_base_loopbreak(w->base);
}

struct drain {
	struct worker *worker;
	unsigned grace;
};

static void
drain(void *arg)
{
	struct drain *d = arg;
	struct worker *w = d->worker;

	w->draining = true;
	w->drain_end_us = w->now_us + (int64_t)d->grace * 1000000;
	free(d);
	listeners_close(w);
	for (size_t i = w->conn_count; i > 0; i--)
		conn_run(w->conns[i - 1]);
	sessions_write(w);
	for (size_t i = w->session_count; i > 0; i--)
		session_drain(w->sessions[i - 1]);
	if (w->conn_count + w->session_count == 0)
		(void)event_base_loopbreak(w->base);
}

void
worker_drain(struct worker *w, unsigned grace)
{
	struct drain *d = malloc(sizeof(*d));

	if (d == NULL)
		abort();
	*d = (struct drain){ w, grace };
	worker_post(w, drain, d);
}

/* --- life --- */

static void *
worker_main(void *arg)
{
	struct worker *w = arg;

	worker_clock(w);
	listeners_on(w);
	(void)event_base_dispatch(w->base);
	listeners_close(w);
	for (size_t i = w->conn_count; i > 0; i--)
		conn_free(w->conns[i - 1]); /* those that a handler still has stay, see worker_release() */
	for (size_t i = w->session_count; i > 0; i--)
		session_free(w->sessions[i - 1]);
	log_flush(&w->log);
	return NULL;
}

enum rc
worker_start(struct worker *w, struct err *err)
{
	sigset_t all, before;
	char name[16];
	int r;

	/* Signals are the main thread's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&w->thread, NULL, worker_main, w);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return fail(err, RC_INTERNAL, "workers", "A worker thread cannot be started: %s", strerror(r));
	w->started = true;
	(void)snprintf(name, sizeof(name), "worker-%u", w->index % 1000);
	(void)pthread_setname_np(w->thread, name);
	return RC_OK;
}

void
worker_join(struct worker *w)
{
	if (w->started)
		(void)pthread_join(w->thread, NULL);
	w->started = false;
}

static bool
make_id_prefix(struct worker *w)
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	unsigned char random[10];

	if (RAND_bytes(random, sizeof(random)) != 1)
		return false;
	for (size_t i = 0; i < sizeof(random); i++)
		w->id_prefix[i] = digits[random[i] % 32];
	w->id_prefix[sizeof(random)] = '-';
	return true;
}

enum rc
worker_init(struct worker *w, struct server *s, unsigned index, struct err *err)
{
	struct event_config *config = event_config_new();
	struct timeval tick = { 0, TICK_MS * 1000 };

	w->index = index;
	w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	(void)pthread_mutex_init(&w->lock, NULL);
	if (config == NULL || w->wake_fd < 0 || !make_id_prefix(w) ||
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) != 0 ||
		(w->base = event_base_new_with_config(config)) == NULL) {
		if (config != NULL)
			event_config_free(config);
		return fail(err, RC_INTERNAL, "", "The event loop of a worker cannot be made: %s", strerror(errno));
	}
	event_config_free(config);
	(void)event_assign(&w->wake, w->base, w->wake_fd, EV_READ | EV_PERSIST, on_wake, w);
	(void)event_assign(&w->tick, w->base, -1, EV_PERSIST, on_tick, w);
	(void)event_assign(&w->log_event, w->base, -1, 0, on_log, w);
	(void)event_assign(&w->turns_event, w->base, -1, 0, on_turns, w);
	fair_init(&w->turns);
	w->answered_end = &w->answered;
	(void)event_add(&w->wake, NULL);
	(void)event_add(&w->tick, &tick);
	for (size_t i = 0; i < s->listen_count; i++) {
		struct listener *l = &w->listeners[i];

		l->worker = w;
		(void)event_assign(&l->accept, w->base, l->fd, EV_READ | EV_PERSIST, on_accept, l);
	}
	return RC_OK;
}

void
worker_release(struct worker *w)
{
	listeners_close(w);
	/* Handlers that never answered: nobody can any more. */
	while (w->conn_count > 0) {
		struct conn *c = w->conns[w->conn_count - 1];

		if (c->x != NULL)
			exchange_drop(c->x);
		conn_free(c);
	}
	session_orphans_free(w);
	while (w->blocks != NULL) {
		struct block *b = w->blocks;

		w->blocks = b->next;
		free(b);
	}
	while (w->exchanges != NULL) {
		struct exchange_slot *e = w->exchanges;

		w->exchanges = e->next;
		arena_free(e->x.arena);
		free(e);
	}
	while (w->gzips != NULL) {
		struct gzip *g = w->gzips;

		w->gzips = *gzip_next(g);
		gzip_free(g);
	}
	if (w->base != NULL)
		event_base_free(w->base);
	if (w->wake_fd > 0)
		(void)close(w->wake_fd);
	(void)pthread_mutex_destroy(&w->lock);
	free(w->posted.items);
	free(w->running.items);
	free(w->conns);
	free(w->sessions);
	free(w->listeners);
	buf_release(&w->answers);
	buf_release(&w->out);
	buf_release(&w->piece);
	buf_release(&w->log);
}
