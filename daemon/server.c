#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/conn.h"
#include "daemon/tls.h"

#include "base/banned.h"

enum {
	BACKLOG = 4096,
	UNSENT = 128 * 1024, /* bytes that the kernel may hold unsent for a connection: keeps "takes nothing" close to the truth */
};

struct listen_address {
	struct sockaddr_storage sa;
	socklen_t len;
	enum listen_kind kind;
};

static const struct {
	struct slice scheme;
	enum listen_kind kind;
} schemes[] = {
	{ SLICE_INIT("https://"), LISTEN_HTTPS },
	{ SLICE_INIT("http://"), LISTEN_HTTP },
	{ SLICE_INIT("roster://"), LISTEN_ROSTER },
};

/* --- addresses --- */

/* Takes the scheme off a URL. */
static bool
split_scheme(struct slice *url, enum listen_kind *kind)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (slice_starts(*url, schemes[i].scheme)) {
			*url = slice_from(*url, schemes[i].scheme.len);
			*kind = schemes[i].kind;
			return true;
		}
	return false;
}

/* Takes "host:port" or "[v6]:port" apart. */
static bool
split_host(struct slice s, char *host, size_t size, uint64_t *port)
{
	const char *colon;
	struct slice h;

	while (s.len > 0 && s.p[s.len - 1] == '/')
		s.len--;
	if (s.len == 0 || (colon = memrchr(s.p, ':', s.len)) == NULL)
		return false;
	h = (struct slice){ s.p, (size_t)(colon - s.p) };
	if (!slice_to_u64(slice_from(s, h.len + 1), 0, 65535, port))
		return false;
	if (h.len >= 2 && h.p[0] == '[' && h.p[h.len - 1] == ']')
		h = (struct slice){ h.p + 1, h.len - 2 };
	else if (h.len > 0 && memchr(h.p, ':', h.len) != NULL)
		return false;
	if (h.len == 0 || h.len >= size)
		return false;
	memcpy(host, h.p, h.len);
	host[h.len] = '\0';
	return true;
}

static enum rc
parse_listen(const char *url, struct listen_address *out, struct err *err)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found = NULL;
	struct slice s = slice_of(url);
	char host[256], service[8];
	uint64_t port;
	int r;

	if (!split_scheme(&s, &out->kind))
		return fail(err, RC_INVALID_VALUE, "listen",
			"\"%s\" begins neither with https:// nor http:// nor roster://.", url);
	if (!split_host(s, host, sizeof(host), &port))
		return fail(err, RC_INVALID_VALUE, "listen", "\"%s\" is not an address like https://127.0.0.1:8443.", url);
	(void)snprintf(service, sizeof(service), "%u", (unsigned)port);
	if ((r = getaddrinfo(host, service, &hints, &found)) != 0)
		return fail(err, RC_INVALID_VALUE, "listen", "The host of \"%s\" is not known: %s", url, gai_strerror(r));
	memcpy(&out->sa, found->ai_addr, found->ai_addrlen);
	out->len = found->ai_addrlen;
	freeaddrinfo(found);
	return RC_OK;
}

static in_port_t *
port_of(struct listen_address *a)
{
	return a->sa.ss_family == AF_INET6 ? &((struct sockaddr_in6 *)(void *)&a->sa)->sin6_port :
					     &((struct sockaddr_in *)(void *)&a->sa)->sin_port;
}

/* --- sockets --- */

static int
open_socket(const struct listen_address *a, bool shared)
{
	int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, unsent = UNSENT, saved;

	/* Accepted sockets inherit these. Without TCP_NODELAY, every second small answer waits 40 ms for an ACK. */
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
		(!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0) &&
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0 &&
		setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent)) == 0 &&
		(a->sa.ss_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == 0) &&
		bind(fd, (const struct sockaddr *)&a->sa, a->len) == 0)
		return fd;
	saved = errno;
	if (fd >= 0)
		(void)close(fd);
	errno = saved;
	return -1;
}

/* Binds one socket a worker. */
static enum rc
bind_all(struct server *s, size_t n, struct err *err)
{
	struct listen_address *a = &s->addresses[n];
	const char *url = s->options.listen[n];
	int fd;

	/* SO_REUSEPORT would let a second daemon share the port in silence: a socket without it notices. */
	if ((fd = open_socket(a, false)) < 0)
		return fail(err, RC_INVALID_VALUE, "listen", "\"%s\" cannot be bound: %s", url, strerror(errno));
	(void)close(fd);
	for (unsigned i = 0; i < s->worker_count; i++) {
		if ((fd = open_socket(a, true)) < 0)
			return fail(err, RC_INVALID_VALUE, "listen", "\"%s\" cannot be bound: %s", url,
				strerror(errno));
		s->workers[i].listeners[n].fd = fd;
		s->workers[i].listeners[n].kind = a->kind;
		/* The first finds the port that 0 stands for, the others share it. */
		if (*port_of(a) == 0 && getsockname(fd, (struct sockaddr *)&a->sa, &a->len) != 0)
			return fail(err, RC_INTERNAL, "listen", "The port of \"%s\" is not known: %s", url,
				strerror(errno));
	}
	return RC_OK;
}

/* --- TLS --- */

static SSL *
new_ssl(struct server *s, SSL_CTX **ctx)
{
	SSL *ssl;

	pthread_mutex_lock(&s->tls_lock);
	ssl = SSL_new(*ctx);
	pthread_mutex_unlock(&s->tls_lock);
	return ssl;
}

SSL *
server_new_ssl(struct server *s)
{
	return new_ssl(s, &s->tls);
}

SSL *
server_new_session_ssl(struct server *s)
{
	return new_ssl(s, &s->session_tls);
}

static bool
listens(const struct server *s, enum listen_kind kind)
{
	for (size_t i = 0; i < s->listen_count; i++)
		if (s->addresses[i].kind == kind)
			return true;
	return false;
}

/* Connections hold the former one as long as they need it. */
static void
swap_tls(struct server *s, SSL_CTX **at, SSL_CTX *fresh)
{
	SSL_CTX *old;

	pthread_mutex_lock(&s->tls_lock);
	old = *at;
	*at = fresh;
	pthread_mutex_unlock(&s->tls_lock);
	SSL_CTX_free(old);
}

enum rc
server_reload_tls(struct server *s, struct err *err)
{
	SSL_CTX *https = NULL, *roster = NULL;
	enum rc rc = RC_OK;

	if (listens(s, LISTEN_HTTPS))
		rc = tls_context_new(s->certificate, s->private_key, "http/1.1", &https, err);
	if (rc == RC_OK && listens(s, LISTEN_ROSTER))
		rc = tls_context_new_roster(s->certificate, s->private_key, &roster, err);
	if (rc != RC_OK) {
		SSL_CTX_free(https);
		return rc;
	}
	if (https != NULL)
		swap_tls(s, &s->tls, https);
	if (roster != NULL)
		swap_tls(s, &s->session_tls, roster);
	return RC_OK;
}

/* --- life --- */

static char *
copy_text(const char *text)
{
	char *copy = text != NULL ? strdup(text) : NULL;

	if (text != NULL && copy == NULL)
		abort();
	return copy;
}

static void *
zalloc(size_t n, size_t size)
{
	void *p = calloc(n > 0 ? n : 1, size);

	if (p == NULL)
		abort();
	return p;
}

static struct server *
server_alloc(const struct server_options *o)
{
	struct server *s = zalloc(1, sizeof(*s));

	s->options = *o;
	s->certificate = copy_text(o->certificate);
	s->private_key = copy_text(o->private_key);
	s->options.certificate = s->certificate;
	s->options.private_key = s->private_key;
	while (o->listen[s->listen_count] != NULL)
		s->listen_count++;
	s->addresses = zalloc(s->listen_count, sizeof(*s->addresses));
	/* A whole head always fits into a block, with room for what comes behind it. */
	s->block_size = BLOCK_SIZE > o->limits.head + BLOCK_SIZE / 2 ? BLOCK_SIZE : o->limits.head + BLOCK_SIZE / 2;
	s->worker_count = o->workers > 0 ? o->workers : 1;
	s->workers = zalloc(s->worker_count, sizeof(*s->workers));
	for (unsigned i = 0; i < s->worker_count; i++) {
		s->workers[i].server = s;
		s->workers[i].wake_fd = -1;
		s->workers[i].server = s;
		s->workers[i].listeners = zalloc(s->listen_count, sizeof(struct listener));
		for (size_t n = 0; n < s->listen_count; n++)
			s->workers[i].listeners[n].fd = -1;
	}
	(void)pthread_mutex_init(&s->tls_lock, NULL);
	return s;
}

enum rc
server_new(const struct server_options *options, struct server **out, struct err *err)
{
	struct server *s = server_alloc(options);
	enum rc rc = RC_OK;

	*out = NULL;
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; rc == RC_OK && i < s->listen_count; i++)
		if ((rc = parse_listen(options->listen[i], &s->addresses[i], err)) == RC_OK)
			rc = bind_all(s, i, err);
	if (rc == RC_OK)
		rc = server_reload_tls(s, err);
	for (unsigned i = 0; rc == RC_OK && i < s->worker_count; i++)
		rc = worker_init(&s->workers[i], s, i, err);
	s->options.listen = NULL; /* the caller's */
	if (rc != RC_OK)
		server_free(s);
	else
		*out = s;
	return rc;
}

enum rc
server_start(struct server *s, struct err *err)
{
	enum rc rc = RC_OK;

	for (unsigned i = 0; i < s->worker_count; i++)
		for (size_t n = 0; n < s->listen_count; n++)
			if (listen(s->workers[i].listeners[n].fd, BACKLOG) != 0)
				return fail(err, RC_INVALID_VALUE, "listen", "A listener cannot listen: %s",
					strerror(errno));
	for (unsigned i = 0; rc == RC_OK && i < s->worker_count; i++)
		rc = worker_start(&s->workers[i], err);
	return rc;
}

int
server_port(const struct server *s, size_t n)
{
	return n < s->listen_count ? ntohs(*port_of(&s->addresses[n])) : -1;
}

void
server_stop(struct server *s, unsigned grace)
{
	if (s->stopped)
		return;
	s->stopped = true;
	for (unsigned i = 0; i < s->worker_count; i++)
		if (s->workers[i].started)
			worker_drain(&s->workers[i], grace);
	for (unsigned i = 0; i < s->worker_count; i++)
		worker_join(&s->workers[i]);
}

void
server_free(struct server *s)
{
	if (s == NULL)
		return;
	server_stop(s, 0);
	for (unsigned i = 0; i < s->worker_count; i++)
		worker_release(&s->workers[i]);
	SSL_CTX_free(s->tls);
	SSL_CTX_free(s->session_tls);
	(void)pthread_mutex_destroy(&s->tls_lock);
	free(s->workers);
	free(s->addresses);
	free(s->certificate);
	free(s->private_key);
	free(s);
}

void
server_stats(const struct server *s, struct server_stats *out)
{
	*out = (struct server_stats){ .connections = atomic_load_explicit(&s->connections, memory_order_relaxed) };
	for (unsigned i = 0; i < s->worker_count; i++) {
		const struct counters *n = &s->workers[i].counters;

		out->accepted += atomic_load_explicit(&n->accepted, memory_order_relaxed);
		out->requests += atomic_load_explicit(&n->requests, memory_order_relaxed);
		out->refused += atomic_load_explicit(&n->refused, memory_order_relaxed);
	}
}

void
worker_server_stats(const struct worker *w, struct server_stats *out)
{
	server_stats(w->server, out);
}
