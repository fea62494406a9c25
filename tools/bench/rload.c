/* rload: closed-loop load on an HTTP server, several streams at once, with latencies kept apart. See usage(). */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tools/bench/client.h"

#include "base/banned.h"

enum { STREAMS_MAX = 8, THREADS_MAX = 64, STALL_SECONDS = 60 };

struct options {
	struct sockaddr_in to;
	char host[64];
	SSL_CTX *ctx;
	double seconds, warm_up;
	unsigned threads;
	bool json;
	const char *token;
	struct stream streams[STREAMS_MAX];
	unsigned stream_count;
};

struct thread {
	pthread_t id;
	unsigned index;
	const struct options *options;
	struct options *shared; /* the streams, which are counted on */
	pthread_barrier_t *ready;
	struct client_loop loop;
	struct tally tally[STREAMS_MAX];
	uint64_t seen_answers;
	unsigned quiet_seconds;
	bool stalled;
};

static void
usage(FILE *to)
{
	fprintf(to,
		"usage: rload [OPTION]... http[s]://ADDRESS:PORT STREAM...\n"
		"Closed-loop HTTP/1.1 load over TLS 1.3. Ends with status 1 when any answer was wrong.\n\n"
		"  -t N      threads (1)              -d SECONDS   length of the measured time (5)\n"
		"  -w SEC    warm-up before it (0.5)  --json       the report as JSON\n"
		"The environment's RLOAD_TOKEN is sent as bearer token.\n\n"
		"A STREAM is KIND,name=value,... Kinds: %s.\n"
		"  path=P    path, or SCIM base       conns=N      connections (64)\n"
		"  depth=N   requests under way a connection (1)   count=N   end after N requests\n"
		"  ids=FILE  names=FILE  group=ID  tag=TEXT  as=NAME (in the report)\n",
		workload_kinds());
}

static void
refuse(const char *what, const char *value)
{
	fprintf(stderr, "rload: %s: \"%s\"\n", what, value);
	exit(2);
}

static uint64_t
to_number(const char *what, const char *text, uint64_t min, uint64_t max)
{
	uint64_t v;

	if (!slice_to_u64(slice_of(text), min, max, &v))
		refuse(what, text);
	return v;
}

static double
to_seconds(const char *text)
{
	char *end;
	double v = strtod(text, &end);

	if (*end != '\0' || !(v >= 0 && v <= 3600))
		refuse("not a number of seconds", text);
	return v;
}

static void
stream_option(struct stream *s, const char *name, const char *value)
{
	if (strcmp(name, "path") == 0)
		s->path = value;
	else if (strcmp(name, "group") == 0)
		s->group = value;
	else if (strcmp(name, "conns") == 0)
		s->connections = (unsigned)to_number("conns", value, 1, 100000);
	else if (strcmp(name, "depth") == 0)
		s->depth = (unsigned)to_number("depth", value, 1, 1024);
	else if (strcmp(name, "count") == 0)
		s->limit = to_number("count", value, 1, UINT64_MAX);
	else if (strcmp(name, "ids") == 0)
		lines_read(&s->ids, value);
	else if (strcmp(name, "names") == 0)
		lines_read(&s->names, value);
	else if (strcmp(name, "tag") == 0)
		snprintf(s->tag, sizeof(s->tag), "%s", value);
	else if (strcmp(name, "as") == 0)
		snprintf(s->name, sizeof(s->name), "%s", value);
	else
		refuse("unknown stream option", name);
}

static void
stream_parse(struct stream *s, char *text)
{
	char *save = NULL, *part = strtok_r(text, ",", &save), *value;

	if (part == NULL || (s->kind = workload_kind(part)) == NULL)
		refuse("unknown kind of stream", part != NULL ? part : "");
	snprintf(s->name, sizeof(s->name), "%s", part);
	snprintf(s->tag, sizeof(s->tag), "n%x%llx-", (unsigned)getpid() & 0xffff,
		(unsigned long long)(clock_ns() & 0xffffff));
	s->connections = 64;
	s->depth = 1;
	while ((part = strtok_r(NULL, ",", &save)) != NULL) {
		if ((value = strchr(part, '=')) == NULL)
			refuse("a stream option without a value", part);
		*value++ = '\0';
		stream_option(s, part, value);
	}
	if (workload_lacks(s)[0] != '\0')
		refuse("the stream needs", workload_lacks(s));
}

static SSL_CTX *
tls_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	/* A load generator on loopback meets self-signed certificates: it does not look at them. */
	if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1)
		refuse("TLS", "no context");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, 64 * 1024);
	return ctx;
}

static void
parse_url(struct options *o, const char *url)
{
	bool tls = strncmp(url, "https://", 8) == 0;
	const char *host = url + (tls ? 8 : 7), *colon = strrchr(host, ':');

	if ((!tls && strncmp(url, "http://", 7) != 0) || colon == NULL || (size_t)(colon - host) >= sizeof(o->host))
		refuse("not an address of the form https://127.0.0.1:8443", url);
	memcpy(o->host, host, (size_t)(colon - host));
	o->to = (struct sockaddr_in){ .sin_family = AF_INET };
	if (inet_pton(AF_INET, o->host, &o->to.sin_addr) != 1)
		refuse("not an IPv4 address", o->host);
	o->to.sin_port = htons((uint16_t)to_number("port", colon + 1, 1, 65535));
	snprintf(o->host, sizeof(o->host), "%s", host);
	if (tls)
		o->ctx = tls_context();
}

static void
parse_options(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = { { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	int c;

	o->seconds = 5;
	o->warm_up = 0.5;
	o->threads = 1;
	o->token = getenv("RLOAD_TOKEN");
	while ((c = getopt_long(argc, argv, "t:d:w:h", longs, NULL)) != -1) {
		switch (c) {
		case 't': o->threads = (unsigned)to_number("threads", optarg, 1, THREADS_MAX); break;
		case 'd': o->seconds = to_seconds(optarg); break;
		case 'w': o->warm_up = to_seconds(optarg); break;
		case 'j': o->json = true; break;
		case 'h': usage(stdout); exit(0);
		default: usage(stderr); exit(2);
		}
	}
	if (argc - optind < 2 || argc - optind - 1 > STREAMS_MAX) {
		usage(stderr);
		exit(2);
	}
	parse_url(o, argv[optind]);
	for (int i = optind + 1; i < argc; i++) {
		struct stream *s = &o->streams[o->stream_count++];

		stream_parse(s, argv[i]);
		workload_headers(s, o->host, o->token);
	}
}

/* ---- Threads ---- */

static void
on_second(evutil_socket_t fd, short what, void *arg)
{
	struct thread *t = arg;

	(void)fd;
	(void)what;
	if (t->loop.answers != t->seen_answers)
		t->quiet_seconds = 0;
	else
		t->quiet_seconds++;
	t->seen_answers = t->loop.answers;
	t->stalled = t->loop.busy > 0 && t->quiet_seconds >= STALL_SECONDS;
}

static unsigned
clients_of(const struct thread *t, const struct stream *s)
{
	return s->connections / t->options->threads + (t->index < s->connections % t->options->threads);
}

static void *
thread_main(void *arg)
{
	struct thread *t = arg;
	const struct options *o = t->options;
	struct timeval second = { 1, 0 };
	struct client **clients;
	unsigned n = 0;
	struct event *tick;
	uint64_t start;

	t->loop.base = event_base_new();
	tick = event_new(t->loop.base, -1, EV_PERSIST, on_second, t);
	event_add(tick, &second);
	for (unsigned i = 0; i < o->stream_count; i++)
		n += clients_of(t, &o->streams[i]);
	clients = calloc(n + 1, sizeof(struct client *));
	n = 0;
	for (unsigned i = 0; i < o->stream_count; i++)
		for (unsigned k = clients_of(t, &o->streams[i]); k > 0; k--, n++)
			clients[n] = client_new(&t->loop, &o->to, o->ctx, &t->shared->streams[i], &t->tally[i],
				(uint64_t)getpid() * 65536 + t->index * 4096 + n + 1);
	pthread_barrier_wait(t->ready);
	start = clock_ns();
	t->loop.measure_ns = start + (uint64_t)(o->warm_up * 1e9);
	t->loop.end_ns = t->loop.measure_ns + (uint64_t)(o->seconds * 1e9);
	for (unsigned i = 0; i < n; i++)
		client_start(clients[i]);
	while (t->loop.busy > 0 && !t->stalled)
		event_base_loop(t->loop.base, EVLOOP_ONCE);
	for (unsigned i = 0; i < n; i++)
		client_free(clients[i]);
	free(clients);
	event_free(tick);
	event_base_free(t->loop.base);
	return NULL;
}

/* ---- The report ---- */

struct report {
	const char *name;
	unsigned connections, depth;
	struct tally sum;
	double seconds, rate;
};

static const struct {
	const char *name;
	double share;
} quantiles[] = { { "p50", 0.5 }, { "p95", 0.95 }, { "p99", 0.99 }, { "p999", 0.999 } };

enum { QUANTILES = sizeof(quantiles) / sizeof(quantiles[0]) };

static double
micros(uint64_t ns)
{
	return (double)ns / 1000;
}

static void
report_human(const struct report *r, double cpu)
{
	const struct histogram *h = &r->sum.latency;

	printf("%-12s %10.0f req/s  %llu requests in %.2f s, %u x %u, %llu errors; load used %.2f cores\n", r->name,
		r->rate, (unsigned long long)r->sum.requests, r->seconds, r->connections, r->depth,
		(unsigned long long)r->sum.errors, cpu);
	printf("%-12s us:", "");
	for (unsigned q = 0; q < QUANTILES; q++)
		printf(" %s %.0f", quantiles[q].name, micros(histogram_quantile(h, quantiles[q].share)));
	printf(" max %.0f\n", micros(h->max));
}

static void
report_json(const struct report *r, double cpu, bool last)
{
	const struct histogram *h = &r->sum.latency;

	printf("  {\"name\":\"%s\",\"connections\":%u,\"depth\":%u,\"requests\":%llu,\"errors\":%llu,"
	       "\"seconds\":%.3f,\"rate\":%.1f,\"bytes\":%llu,\"load_cores\":%.2f,\"latency_us\":{",
		r->name, r->connections, r->depth, (unsigned long long)r->sum.requests,
		(unsigned long long)r->sum.errors, r->seconds, r->rate, (unsigned long long)r->sum.bytes, cpu);
	for (unsigned q = 0; q < QUANTILES; q++)
		printf("\"%s\":%.1f,", quantiles[q].name, micros(histogram_quantile(h, quantiles[q].share)));
	printf("\"max\":%.1f,\"mean\":%.1f}}%s\n", micros(h->max),
		h->count > 0 ? micros(h->sum / h->count) : 0.0, last ? "" : ",");
}

/* The time that counts: all of it, or up to the last answer when a count ended the stream. */
static void
report_make(struct report *r, const struct options *o, struct thread *threads, unsigned stream)
{
	const struct stream *s = &o->streams[stream];
	uint64_t begin = threads[0].loop.measure_ns;

	r->name = s->name;
	r->connections = s->connections;
	r->depth = s->depth;
	r->seconds = o->seconds;
	for (unsigned i = 0; i < o->threads; i++) {
		struct tally *t = &threads[i].tally[stream];

		r->sum.requests += t->requests;
		r->sum.errors += t->errors;
		r->sum.bytes += t->bytes;
		histogram_merge(&r->sum.latency, &t->latency);
		if (t->last_ns > r->sum.last_ns)
			r->sum.last_ns = t->last_ns;
		if (t->first_error[0] != '\0' && r->sum.first_error[0] == '\0')
			memcpy(r->sum.first_error, t->first_error, sizeof(t->first_error));
	}
	if (s->limit > 0 && r->sum.last_ns > begin && r->sum.last_ns < threads[0].loop.end_ns)
		r->seconds = (double)(r->sum.last_ns - begin) / 1e9;
	r->rate = r->seconds > 0 ? (double)r->sum.requests / r->seconds : 0;
}

static bool
report_all(const struct options *o, struct thread *threads, double cpu)
{
	static struct report reports[STREAMS_MAX];
	bool ok = true;

	if (o->json)
		printf("{\"streams\":[\n");
	for (unsigned i = 0; i < o->stream_count; i++) {
		struct report *r = &reports[i];

		report_make(r, o, threads, i);
		if (o->json)
			report_json(r, cpu, i + 1 == o->stream_count);
		else
			report_human(r, cpu);
		if (r->sum.errors > 0 || r->sum.requests == 0) {
			fprintf(stderr, "rload: %s: %llu errors, %llu answers; first: %s\n", r->name,
				(unsigned long long)r->sum.errors, (unsigned long long)r->sum.requests,
				r->sum.first_error);
			ok = false;
		}
	}
	if (o->json)
		printf("]}\n");
	return ok;
}

static double
cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int
main(int argc, char **argv)
{
	static struct options o;
	struct thread *threads;
	pthread_barrier_t ready;
	uint64_t begin;
	double cpu;
	bool ok = true;

	signal(SIGPIPE, SIG_IGN);
	parse_options(&o, argc, argv);
	threads = calloc(o.threads, sizeof(*threads));
	if (threads == NULL || pthread_barrier_init(&ready, NULL, o.threads + 1) != 0)
		refuse("threads", "cannot be made");
	for (unsigned i = 0; i < o.threads; i++) {
		threads[i].index = i;
		threads[i].options = threads[i].shared = &o;
		threads[i].ready = &ready;
		if (pthread_create(&threads[i].id, NULL, thread_main, &threads[i]) != 0)
			refuse("threads", "cannot be made");
	}
	pthread_barrier_wait(&ready);
	begin = clock_ns();
	cpu = cpu_seconds();
	for (unsigned i = 0; i < o.threads; i++) {
		pthread_join(threads[i].id, NULL);
		ok = ok && !threads[i].stalled;
	}
	cpu = (cpu_seconds() - cpu) / ((double)(clock_ns() - begin) / 1e9);
	if (!ok)
		fprintf(stderr, "rload: no answer for %d s\n", STALL_SECONDS);
	ok = report_all(&o, threads, cpu) && ok;
	free(threads);
	SSL_CTX_free(o.ctx);
	return ok ? 0 : 1;
}
