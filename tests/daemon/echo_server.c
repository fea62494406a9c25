/* The HTTPS door alone, with a handler that shows what it was given: for tests/system/test_http_door.py and for measurements.
 *
 *   echo_server KEY=VALUE...  prints "port N" for each listener, then "ready"; ends on SIGTERM or SIGINT with "stopped"
 *
 *   GET /fixed     700 bytes                     GET /size/N    N bytes
 *   ANY /echo      what arrived, as JSON         GET /late/MS   answered MS ms later, by another thread
 *   GET /stream/N  N bytes, piece by piece       GET /broken    a stream that fails in its middle
 *   GET /unmade    a stream that fails at once   GET /forget    never answered
 *   GET /meet      waits for another one, whose handler answers both
 *   GET /drops/MS  a stream that takes MS ms to make, in pieces of one byte */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/server.h"

#include "base/banned.h"

struct job {
	struct exchange *x;
	uint64_t ms;
};

struct source {
	uint64_t left, fail_at;
	bool slow;
};

static char fixed[700];
static _Atomic int late_threads; /* an exchange must outlive who answers it: waited for before server_free() */

static void
answer(struct exchange *x, int status, struct slice body)
{
	const struct response r = { .status = status };

	exchange_respond(x, &r, body);
}

static bool
produce(void *ctx, struct buf *out, size_t want, bool *failed)
{
	const struct timespec pause = { 0, 1000000 };
	struct source *s = ctx;

	if (s->slow) {
		(void)nanosleep(&pause, NULL);
		want = 1;
	}
	for (; want > 0 && s->left > 0; want--, s->left--)
		buf_char(out, (char)('a' + s->left % 26));
	*failed = s->fail_at > 0 && s->left <= s->fail_at;
	return s->left > 0;
}

static void
respond_stream(struct exchange *x, uint64_t total, uint64_t fail_at, bool slow)
{
	const struct response r = { .status = 200 };
	struct source *s = ARENA_NEW(x->arena, struct source);

	*s = (struct source){ total, fail_at, slow };
	exchange_respond_stream(x, &r, produce, s);
}

static void
late_done(void *arg)
{
	struct job *j = arg;

	answer(j->x, 200, j->x->request.path); /* its slices still stand */
}

static void *
late_main(void *arg)
{
	struct job *j = arg;
	struct timespec t = { (time_t)(j->ms / 1000), (long)(j->ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
	worker_post(j->x->worker, late_done, j);
	late_threads--;
	return NULL;
}

static void
respond_late(struct exchange *x, uint64_t ms)
{
	struct job *j = ARENA_NEW(x->arena, struct job);
	pthread_t t;

	*j = (struct job){ x, ms };
	late_threads++;
	if (pthread_create(&t, NULL, late_main, j) != 0)
		abort();
	(void)pthread_detach(t);
}

static void
put_member(struct buf *b, const char *name, struct slice value)
{
	if (b->len > 1)
		buf_char(b, ',');
	buf_json_string(b, slice_of(name));
	buf_char(b, ':');
	buf_json_string(b, value);
}

static void
respond_echo(struct exchange *x)
{
	const struct http_request *rq = &x->request;
	struct buf b = BUF_INIT;

	buf_char(&b, '{');
	put_member(&b, "method", rq->method_text);
	put_member(&b, "path", rq->path);
	put_member(&b, "query", rq->query);
	put_member(&b, "host", rq->host);
	put_member(&b, "body", x->body);
	put_member(&b, "id", slice_of(x->id));
	put_member(&b, "worker", (struct slice){ &"0123456789"[worker_index(x->worker) % 10], 1 });
	buf_char(&b, '}');
	answer(x, 200, buf_as_slice(&b));
	buf_release(&b);
}

static bool
number_after(struct slice path, struct slice prefix, uint64_t *n)
{
	return slice_starts(path, prefix) && slice_to_u64(slice_from(path, prefix.len), 0, 1u << 30, n);
}

static void
respond_size(struct exchange *x, uint64_t n)
{
	char *p = arena_alloc(x->arena, n + 1);

	memset(p, 'x', n);
	answer(x, 200, (struct slice){ p, n });
}

/* For one worker only. */
static void
respond_meet(struct exchange *x)
{
	static struct exchange *waiting;
	struct exchange *first = waiting;

	if (first == NULL) {
		waiting = x;
		return;
	}
	waiting = NULL;
	answer(first, 200, SLICE("first"));
	answer(x, 200, SLICE("second"));
}

static void
handle(struct exchange *x, void *arg)
{
	struct slice path = x->request.path;
	uint64_t n;

	(void)arg;
	if (slice_eq(path, SLICE("/fixed")))
		answer(x, 200, (struct slice){ fixed, sizeof(fixed) });
	else if (slice_eq(path, SLICE("/echo")))
		respond_echo(x);
	else if (number_after(path, SLICE("/size/"), &n))
		respond_size(x, n);
	else if (number_after(path, SLICE("/stream/"), &n))
		respond_stream(x, n, 0, false);
	else if (number_after(path, SLICE("/drops/"), &n))
		respond_stream(x, n, 0, true);
	else if (number_after(path, SLICE("/late/"), &n))
		respond_late(x, n);
	else if (slice_eq(path, SLICE("/meet")))
		respond_meet(x);
	else if (number_after(path, SLICE("/status/"), &n))
		answer(x, (int)n, SLICE("{}"));
	else if (slice_eq(path, SLICE("/broken")))
		respond_stream(x, 1 << 20, 1 << 19, false);
	else if (slice_eq(path, SLICE("/unmade")))
		respond_stream(x, 100, 100, false);
	else if (!slice_eq(path, SLICE("/forget")))
		answer(x, 404, SLICE("{}"));
}

/* "/denied" is refused before its body is read. */
static void
admit(struct exchange *x, void *arg)
{
	(void)arg;
	if (slice_eq(x->request.path, SLICE("/denied")))
		answer(x, 401, SLICE("{}"));
}

static const struct number {
	const char *name;
	uint64_t fallback;
} numbers[] = {
	{ "workers", 1 }, { "max_connections", 10000 }, { "max_body", 1 << 20 }, { "target", 8192 },
	{ "head", 16384 }, { "head_timeout", 10 }, { "body_timeout", 10 }, { "write_timeout", 10 },
	{ "idle_timeout", 60 }, { "gzip", 1 }, { "log", 0 }, { "admit", 0 }, { "grace", 5 },
};

static struct slice
option(char **argv, const char *name)
{
	size_t len = strlen(name);

	for (; *argv != NULL; argv++)
		if (strncmp(*argv, name, len) == 0 && (*argv)[len] == '=')
			return slice_of(*argv + len + 1);
	return (struct slice){ NULL, 0 };
}

static uint64_t
number(char **argv, const char *name)
{
	uint64_t n;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strcmp(numbers[i].name, name) == 0)
			return slice_to_u64(option(argv, name), 0, UINT64_MAX, &n) ? n : numbers[i].fallback;
	abort();
}

static int
failed(const struct err *err)
{
	(void)fprintf(stderr, "%s: %s\n", err->path, err->detail);
	return 1;
}

int
main(int argc, char **argv)
{
	const char *listen[8] = { NULL };
	struct server_options o = { .listen = listen, .handler = handle };
	struct err err = ERR_INIT;
	struct server *s;
	struct server_stats stats;
	sigset_t stop;
	int n = 0, sig;

	(void)argc;
	memset(fixed, 'x', sizeof(fixed));
	for (char **a = argv; *a != NULL && n < 7; a++)
		if (strncmp(*a, "listen=", 7) == 0)
			listen[n++] = *a + 7;
	o.certificate = option(argv, "cert").p;
	o.private_key = option(argv, "key").p;
	o.workers = (unsigned)number(argv, "workers");
	o.max_connections = number(argv, "max_connections");
	o.max_body = number(argv, "max_body");
	o.limits = (struct http_limits){ number(argv, "target"), number(argv, "head") };
	o.head_timeout = (unsigned)number(argv, "head_timeout");
	o.body_timeout = (unsigned)number(argv, "body_timeout");
	o.write_timeout = (unsigned)number(argv, "write_timeout");
	o.idle_timeout = (unsigned)number(argv, "idle_timeout");
	o.gzip = number(argv, "gzip") != 0;
	o.access_log = number(argv, "log") != 0;
	o.admit = number(argv, "admit") != 0 ? admit : NULL;
	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigaddset(&stop, SIGINT);
	(void)sigaddset(&stop, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, &stop, NULL);
	if (server_new(&o, &s, &err) != RC_OK || server_start(s, &err) != RC_OK)
		return failed(&err);
	for (int i = 0; i < n; i++)
		(void)printf("port %d\n", server_port(s, (size_t)i));
	(void)printf("ready\n");
	(void)fflush(stdout);
	while (sigwait(&stop, &sig) == 0 && sig == SIGHUP) {
		(void)printf("reload %s\n", server_reload_tls(s, &err) == RC_OK ? "ok" : err.detail);
		(void)fflush(stdout);
	}
	server_stop(s, (unsigned)number(argv, "grace"));
	server_stats(s, &stats);
	(void)printf("stopped connections=%ju accepted=%ju requests=%ju refused=%ju\n", (uintmax_t)stats.connections,
		(uintmax_t)stats.accepted, (uintmax_t)stats.requests, (uintmax_t)stats.refused);
	while (late_threads > 0)
		(void)usleep(10000);
	server_free(s);
	return 0;
}
