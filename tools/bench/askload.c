/* askload: closed-loop questions to roster/1 or to a server of the Redis protocol, the same load for both. See usage(). */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "protocol/roster.h"
#include "tools/bench/histogram.h"

#include "base/banned.h"

enum { IN_SIZE = 256 * 1024, CONNECTIONS_MAX = 4096, DEPTH_MAX = 4096, STALL_SECONDS = 20, ONCE = 256, SERVER,
	PAUSE_NS = 200000, SLOW_NS = 300000 };

struct lane;

/* One row a kind of question. */
struct kind {
	const char *name;
	bool redis;
	void (*make)(struct lane *l);
	/* One answer off the front; 0: it is not whole yet. *good: it is the one that is expected. */
	size_t (*take)(struct slice in, bool *good);
	unsigned questions; /* in one request; 0: options.batch */
};

static struct {
	const struct kind *kind;
	struct sockaddr_in to;
	SSL_CTX *ctx;
	unsigned connections, depth, batch;
	double seconds, warm_up, rate;
	bool once;
	const char *token, *org, *group, *permission, *scope, *as, *server;
	char before_id[256]; /* of a command of the Redis protocol */
	struct uuid group_id, scope_id;
	char *texts; /* of the ids: 36 characters and a newline each */
	struct uuid *ids;
	uint64_t id_count;
} options = { .connections = 64, .depth = 1, .batch = 1000, .seconds = 4, .warm_up = 0.5, .org = "bench" };

/* One connection. */
struct lane {
	int fd;
	SSL *ssl;
	struct event *readable, *writable;
	struct buf out;
	size_t sent, in_len;
	unsigned first, under_way;
	uint32_t next_id;
	uint64_t random;
	uint64_t *started; /* a ring of DEPTH_MAX */
	char in[IN_SIZE];
};

/* What the kernel says of a thread, in nanoseconds. */
struct processor {
	int fd;
	uint64_t ran, waited; /* waited: for a core that somebody else had */
};

static struct lane **lanes;
static struct event_base *base;
static struct histogram latency, latency_on_core;
static struct processor servers, own, first; /* first: the server's, at began_ns */
static uint64_t began_ns, taken_until, taken_ns; /* taken: pauses, see look_at_pauses() */
static uint64_t measure_ns, end_ns, answers, measured, wrong, last_ns, due;
static unsigned busy;

static uint64_t
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "askload: %s: %s\n", what, why);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static void
usage(FILE *to)
{
	fprintf(to,
		"usage: askload [OPTION]... roster|redis|rediss://ADDRESS:PORT KIND\n"
		"Closed-loop questions about people of a file. Ends with status 1 when an answer is not yes.\n\n"
		"  KIND: is-member, check, check-batch (roster://), sismember (redis://, rediss:// with TLS)\n"
		"  -c N  connections (64)         -p N  questions under way on each (1)\n"
		"  -d S  seconds (4)              -w S  warm-up (0.5)\n"
		"  -r N  questions a second in all, -p of them together, instead of as many as there can be\n"
		"  --ids FILE      an id a line: who is asked about, at random\n"
		"  --once          each of them once, one after the other, however long it takes\n"
		"  --org KEY  --group ID (sismember: the key)  --permission NAME  --scope ID\n"
		"  --batch N  questions in a check-batch (1000)   --as NAME  in the report\n"
		"  --server TID    the server's thread: how much of a core it took, and with -r the latency while it had one\n"
		"ASKLOAD_TOKEN is the token for roster://. The report is a line of JSON.\n");
}

/* ---- Processors ---- */

static void
processor_open(struct processor *p, const char *thread)
{
	char file[64];

	(void)snprintf(file, sizeof(file), "/proc/%s/schedstat", thread);
	if ((p->fd = open(file, O_RDONLY | O_CLOEXEC)) < 0)
		die(file, strerror(errno));
}

static void
processor_read(struct processor *p)
{
	char text[128];
	ssize_t n = pread(p->fd, text, sizeof(text) - 1, 0);
	char *end;

	if (n <= 0)
		return;
	text[n] = '\0';
	p->ran = strtoull(text, &end, 10);
	p->waited = strtoull(end, NULL, 10);
}

/* The kernel may have given the core of the server, or ours, to somebody else: how long the questions of that time took, and of as long a
 * time behind it, in which the server caught up, says nothing of the server. */
static void
look_at_pauses(uint64_t now)
{
	static uint64_t last;
	uint64_t before = servers.waited + own.waited, pause;

	if (now - last < PAUSE_NS)
		return; /* to look takes time, too */
	last = now;
	processor_read(&servers);
	processor_read(&own);
	pause = servers.waited + own.waited - before;
	if (pause < PAUSE_NS)
		return;
	taken_until = now + pause;
	taken_ns += pause;
}

/* ---- Questions ---- */

/* Which of the ids. */
static uint64_t
someone(struct lane *l)
{
	static uint64_t next;

	if (options.once) {
		if (++next >= options.id_count)
			end_ns = clock_ns();
		return (next - 1) % options.id_count;
	}
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return l->random % options.id_count;
}

static const struct uuid *
id_of_someone(struct lane *l)
{
	return &options.ids[someone(l)];
}

static void
make_is_member(struct lane *l)
{
	size_t began = roster_frame_begin(&l->out);

	put_bytes(&l->out, IN_ORG, slice_of(options.org));
	put_id(&l->out, IN_SUBJECT_ID, id_of_someone(l));
	put_id(&l->out, IN_GROUP_ID, &options.group_id);
	roster_frame_end(&l->out, began, ASK_IS_MEMBER, FRAME_LAST, l->next_id++);
}

static void
put_place(struct lane *l)
{
	put_bytes(&l->out, IN_ORG, slice_of(options.org));
	put_bytes(&l->out, IN_PERMISSION, slice_of(options.permission));
	if (options.scope != NULL)
		put_id(&l->out, IN_SCOPE_ID, &options.scope_id);
}

static void
make_check(struct lane *l)
{
	size_t began = roster_frame_begin(&l->out);

	put_place(l);
	put_id(&l->out, IN_SUBJECT_ID, id_of_someone(l));
	roster_frame_end(&l->out, began, ASK_CHECK, FRAME_LAST, l->next_id++);
}

static void
make_check_batch(struct lane *l)
{
	size_t began = roster_frame_begin(&l->out);

	put_place(l);
	for (unsigned i = 0; i < options.batch; i++) {
		size_t item = put_item_begin(&l->out, IN_ITEM);

		put_id(&l->out, IN_SUBJECT_ID, id_of_someone(l));
		put_item_end(&l->out, item);
	}
	roster_frame_end(&l->out, began, ASK_CHECK_BATCH, FRAME_LAST, l->next_id++);
}

static size_t
take_roster(struct slice in, bool *good)
{
	struct frame_head head;
	struct fields f;
	struct slice payload, codes;

	if (in.len < FRAME_HEAD)
		return 0;
	if (!frame_head_read(in.p, &head))
		die("answer", "the framing is lost");
	if (in.len - FRAME_HEAD < head.len)
		return 0;
	payload = (struct slice){ in.p + FRAME_HEAD, head.len };
	*good = fields_read_answer(roster_answer_fields, payload, &f) && (head.flags & FRAME_ERROR) == 0;
	if (*good && fields_has(&f, OUT_ANSWERS)) {
		codes = fields_bytes(&f, OUT_ANSWERS);
		for (size_t i = 0; i < codes.len; i++)
			*good = *good && roster_code_is_yes((uint8_t)codes.p[i]);
	} else {
		*good = *good && fields_number(&f, OUT_ANSWER) == 1;
	}
	/* Parts before the last one are no answers of their own. */
	return FRAME_HEAD + head.len + ((head.flags & FRAME_LAST) != 0 ? 0 : SIZE_MAX / 2);
}

static void
make_sismember(struct lane *l)
{
	buf_slice(&l->out, slice_of(options.before_id));
	buf_put(&l->out, options.texts + someone(l) * (UUID_TEXT + 1), UUID_TEXT);
	buf_slice(&l->out, SLICE("\r\n"));
}

static size_t
take_redis(struct slice in, bool *good)
{
	const char *end = in.len > 0 ? memchr(in.p, '\n', in.len) : NULL;

	if (end == NULL)
		return 0;
	*good = end - in.p == 3 && in.p[0] == ':' && in.p[1] == '1';
	return (size_t)(end - in.p) + 1;
}

static const struct kind kinds[] = {
	{ "is-member", false, make_is_member, take_roster, 1 },
	{ "check", false, make_check, take_roster, 1 },
	{ "check-batch", false, make_check_batch, take_roster, 0 },
	{ "sismember", true, make_sismember, take_redis, 1 },
};

static unsigned
questions(void)
{
	return options.kind->questions != 0 ? options.kind->questions : options.batch;
}

/* ---- Connections ---- */

static void
flush(struct lane *l)
{
	while (l->sent < l->out.len) {
		size_t n = 0;
		bool again;

		if (l->ssl != NULL) {
			int r = SSL_write_ex(l->ssl, l->out.p + l->sent, l->out.len - l->sent, &n);

			again = r != 1 && SSL_get_error(l->ssl, r) == SSL_ERROR_WANT_WRITE;
			if (r != 1 && !again)
				die("write", "the connection ended");
		} else {
			ssize_t r = write(l->fd, l->out.p + l->sent, l->out.len - l->sent);

			again = r < 0 && errno == EAGAIN;
			if (r < 0 && !again)
				die("write", strerror(errno));
			n = r < 0 ? 0 : (size_t)r;
		}
		if (again) {
			event_add(l->writable, NULL);
			return;
		}
		l->sent += n;
	}
	buf_clear(&l->out);
	l->sent = 0;
}

static void
ask_one(struct lane *l, uint64_t now)
{
	l->started[(l->first + l->under_way++) % DEPTH_MAX] = now;
	if (l->under_way == 1)
		busy++;
	options.kind->make(l);
}

static void
ask(struct lane *l, uint64_t now)
{
	if (options.rate > 0)
		return; /* ask_due() does */
	while (l->under_way < options.depth && now < end_ns)
		ask_one(l, now);
	flush(l);
}

static void
answered(struct lane *l, bool good, uint64_t now)
{
	uint64_t n = questions(), took = now - l->started[l->first % DEPTH_MAX];

	answers++;
	wrong += !good;
	if (now >= measure_ns && now <= end_ns) {
		measured += n;
		last_ns = now;
		histogram_add(&latency, took);
		if (options.server != NULL && options.rate > 0) {
			if (took > SLOW_NS)
				look_at_pauses(now);
			if (l->started[l->first % DEPTH_MAX] >= taken_until)
				histogram_add(&latency_on_core, took);
		}
	}
	l->first++;
	if (--l->under_way == 0)
		busy--;
}

static bool
read_some(struct lane *l)
{
	size_t n = 0, room = IN_SIZE - l->in_len;

	if (l->ssl != NULL) {
		int r = SSL_read_ex(l->ssl, l->in + l->in_len, room, &n);

		if (r != 1) {
			if (SSL_get_error(l->ssl, r) != SSL_ERROR_WANT_READ)
				die("read", "the connection ended");
			ERR_clear_error();
			return false;
		}
	} else {
		ssize_t r = read(l->fd, l->in + l->in_len, room);

		if (r == 0 || (r < 0 && errno != EAGAIN))
			die("read", "the connection ended");
		if (r < 0)
			return false;
		n = (size_t)r;
	}
	l->in_len += n;
	return true;
}

static void
take_answers(struct lane *l)
{
	uint64_t now = clock_ns();
	size_t used = 0, n;
	bool good = true;

	while (l->in_len > used &&
		(n = options.kind->take((struct slice){ l->in + used, l->in_len - used }, &good)) > 0) {
		bool part = n > SIZE_MAX / 2;

		used += part ? n - SIZE_MAX / 2 : n;
		if (!part)
			answered(l, good, now);
		else
			wrong += !good;
	}
	memmove(l->in, l->in + used, l->in_len - used);
	l->in_len -= used;
	ask(l, now);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct lane *l = arg;

	(void)fd, (void)what;
	do {
		if (!read_some(l))
			break;
	} while (l->ssl != NULL && SSL_has_pending(l->ssl) && l->in_len < IN_SIZE / 2);
	take_answers(l);
	if (l->ssl != NULL && SSL_has_pending(l->ssl))
		event_active(l->readable, EV_READ, 0);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	flush(arg);
}

/* At a rate: as soon as `depth` of them are due, they go out together on one connection, the next ones on the next. Who waits for that, or for
 * us, counts, too. */
static void
ask_due(void)
{
	static unsigned turn;
	uint64_t now = clock_ns(), begin = measure_ns - (uint64_t)(options.warm_up * 1e9);
	uint64_t until = (uint64_t)((double)(now - begin) * 1e-9 * options.rate);
	struct lane *l = lanes[turn];

	if (now >= end_ns || until < due + options.depth || l->under_way + options.depth > DEPTH_MAX)
		return;
	turn = (turn + 1) % options.connections;
	for (; due < until && l->under_way < DEPTH_MAX; due++)
		ask_one(l, begin + (uint64_t)((double)due / options.rate * 1e9));
	flush(l);
}

/* Blocking: the socket becomes non-blocking behind it. */
static void
say_hello(struct lane *l)
{
	struct buf b = BUF_INIT;
	size_t began = roster_frame_begin(&b), n = 0;
	char in[4096];
	bool good = false;

	put_number(&b, IN_VERSION, ROSTER_VERSION);
	put_bytes(&b, IN_TOKEN, slice_of(options.token));
	roster_frame_end(&b, began, ASK_HELLO, FRAME_LAST, 0);
	if (SSL_write_ex(l->ssl, b.p, b.len, &n) != 1 || SSL_read_ex(l->ssl, in, sizeof(in), &n) != 1)
		die("hello", "the connection ended");
	(void)take_roster((struct slice){ in, n }, &good);
	if (n < FRAME_HEAD || (in[5] & FRAME_ERROR) != 0)
		die("hello", "refused");
	buf_release(&b);
}

static struct lane *
lane_new(unsigned index)
{
	static const unsigned char alpn[] = "\x08" ROSTER_ALPN;
	struct lane *l = calloc(1, sizeof(*l));
	int one = 1;

	if (l == NULL || (l->started = calloc(DEPTH_MAX, sizeof(uint64_t))) == NULL)
		die("memory", "");
	l->random = (uint64_t)getpid() * 0x9e3779b97f4a7c15u + index + 1;
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || connect(l->fd, (const struct sockaddr *)&options.to, sizeof(options.to)) != 0)
		die("connect", strerror(errno));
	setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (options.ctx != NULL) {
		if ((l->ssl = SSL_new(options.ctx)) == NULL || SSL_set_fd(l->ssl, l->fd) != 1 ||
			(!options.kind->redis && SSL_set_alpn_protos(l->ssl, alpn, sizeof(alpn) - 1) != 0) ||
			SSL_connect(l->ssl) != 1)
			die("TLS", "no handshake");
	}
	if (!options.kind->redis)
		say_hello(l);
	(void)fcntl(l->fd, F_SETFL, O_NONBLOCK);
	l->readable = event_new(base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
	l->writable = event_new(base, l->fd, EV_WRITE, on_writable, l);
	event_add(l->readable, NULL);
	return l;
}

/* ---- Options ---- */

static uint64_t
to_number(const char *text, uint64_t min, uint64_t max)
{
	uint64_t v;

	if (!slice_to_u64(slice_of(text), min, max, &v))
		die("not a number in range", text);
	return v;
}

static void
read_ids(const char *file)
{
	FILE *f = fopen(file, "r");
	long size;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) <= 0)
		die(file, "can't be read");
	rewind(f);
	options.texts = malloc((size_t)size);
	if (options.texts == NULL || fread(options.texts, 1, (size_t)size, f) != (size_t)size)
		die(file, "can't be read");
	fclose(f);
	options.id_count = (uint64_t)size / (UUID_TEXT + 1);
	if ((options.ids = calloc(options.id_count, sizeof(*options.ids))) == NULL)
		die("memory", "");
	for (uint64_t i = 0; i < options.id_count; i++)
		if (!uuid_parse((struct slice){ options.texts + i * (UUID_TEXT + 1), UUID_TEXT }, &options.ids[i]))
			die(file, "a line is no id");
}

static void
parse_url(const char *url)
{
	const char *host = strstr(url, "://"), *colon = strrchr(url, ':');
	char text[64];

	if (host == NULL || colon == NULL || colon < host + 3 || (size_t)(colon - host) >= sizeof(text))
		die("not an address", url);
	host += 3;
	memcpy(text, host, (size_t)(colon - host));
	text[colon - host] = '\0';
	options.to.sin_family = AF_INET;
	options.to.sin_port = htons((uint16_t)to_number(colon + 1, 1, 65535));
	if (inet_pton(AF_INET, text, &options.to.sin_addr) != 1)
		die("not an IPv4 address", text);
	if (strncmp(url, "redis:", 6) == 0)
		return;
	options.ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(options.ctx, TLS1_3_VERSION);
	SSL_CTX_set_verify(options.ctx, SSL_VERIFY_NONE, NULL); /* self-signed, on loopback */
	SSL_CTX_set_mode(options.ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_ciphersuites(options.ctx, "TLS_AES_128_GCM_SHA256");
	SSL_CTX_set_read_ahead(options.ctx, 1);
}

static void
parse_options(int argc, char **argv)
{
	static const struct option longs[] = { { "ids", required_argument, NULL, 'i' },
		{ "org", required_argument, NULL, 'o' }, { "group", required_argument, NULL, 'g' },
		{ "permission", required_argument, NULL, 'P' }, { "scope", required_argument, NULL, 's' },
		{ "once", no_argument, NULL, ONCE }, { "server", required_argument, NULL, SERVER }, { "batch", required_argument, NULL, 'b' }, { "as", required_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "c:p:d:w:r:h", longs, NULL)) != -1)
		switch (c) {
		case 'c': options.connections = (unsigned)to_number(optarg, 1, CONNECTIONS_MAX); break;
		case 'p': options.depth = (unsigned)to_number(optarg, 1, DEPTH_MAX); break;
		case 'd': options.seconds = strtod(optarg, NULL); break;
		case 'w': options.warm_up = strtod(optarg, NULL); break;
		case 'r': options.rate = strtod(optarg, NULL); break;
		case 'i': read_ids(optarg); break;
		case 'o': options.org = optarg; break;
		case 'g': options.group = optarg; break;
		case 'P': options.permission = optarg; break;
		case 's': options.scope = optarg; break;
		case 'b': options.batch = (unsigned)to_number(optarg, 1, ROSTER_ITEMS_MAX); break;
		case 'a': options.as = optarg; break;
		case ONCE:
			options.once = true;
			options.warm_up = 0;
			break;
		case SERVER: options.server = optarg; break;
		case 'h': usage(stdout); exit(0);
		default: usage(stderr); exit(2);
		}
	if (argc - optind != 2) {
		usage(stderr);
		exit(2);
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(argv[optind + 1], kinds[i].name) == 0)
			options.kind = &kinds[i];
	if (options.kind == NULL)
		die("no such kind", argv[optind + 1]);
	parse_url(argv[optind]);
}

static void
check_options(void)
{
	const struct kind *k = options.kind;

	options.token = getenv("ASKLOAD_TOKEN");
	if (options.ids == NULL)
		die("--ids", "is missing");
	if (!k->redis && options.token == NULL)
		die("ASKLOAD_TOKEN", "is not set");
	if ((k->make == make_is_member || k->redis) && options.group == NULL)
		die("--group", "is missing");
	if (k->redis && snprintf(options.before_id, sizeof(options.before_id), "*3\r\n$9\r\nSISMEMBER\r\n$%zu\r\n%s\r\n$%d\r\n",
				strlen(options.group), options.group, UUID_TEXT) >= (int)sizeof(options.before_id))
		die("--group", "is too long");
	if (k->make == make_is_member && !uuid_parse(slice_of(options.group), &options.group_id))
		die("--group", "is no id");
	if ((k->make == make_check || k->make == make_check_batch) && options.permission == NULL)
		die("--permission", "is missing");
	if (options.scope != NULL && !uuid_parse(slice_of(options.scope), &options.scope_id))
		die("--scope", "is no id");
}

/* ---- The run ---- */

static double
cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double
us(uint64_t ns)
{
	return (double)ns * 1e-3;
}

static void
report(double cores)
{
	printf("{\"name\":\"%s\",\"connections\":%u,\"depth\":%u,\"questions\":%llu,\"wrong\":%llu,\"rate\":%.0f,"
	       "\"load_cores\":%.2f,",
		options.as != NULL ? options.as : options.kind->name, options.connections, options.depth,
		(unsigned long long)measured, (unsigned long long)wrong, (double)measured / ((double)(end_ns - measure_ns) / 1e9), cores);
	if (options.server != NULL) {
		processor_read(&servers);
		printf("\"server_cores\":%.3f,", (double)(servers.ran - first.ran) / (double)(clock_ns() - began_ns));
	}
	if (options.server != NULL && options.rate > 0)
		printf("\"p99_on_core\":%.1f,\"paused\":%.4f,", us(histogram_quantile(&latency_on_core, 0.99)),
			(double)taken_ns / (double)(clock_ns() - began_ns));
	printf("\"p50\":%.1f,\"p95\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}\n", us(histogram_quantile(&latency, 0.5)),
		us(histogram_quantile(&latency, 0.95)), us(histogram_quantile(&latency, 0.99)),
		us(histogram_quantile(&latency, 0.999)), us(latency.max));
}

/* The warm-up is over. */
static void
on_begin(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	processor_read(&servers);
	processor_read(&own);
	first = servers;
	began_ns = clock_ns();
	taken_ns = 0;
}

static void
on_second(evutil_socket_t fd, short what, void *arg)
{
	static uint64_t seen;
	static unsigned quiet;

	(void)fd, (void)what, (void)arg;
	quiet = answers == seen ? quiet + 1 : 0;
	seen = answers;
	if (quiet >= STALL_SECONDS)
		die("stalled", "no answer comes");
}

int
main(int argc, char **argv)
{
	struct timeval second = { 1, 0 }, warm_up;
	double cpu, wall;

	signal(SIGPIPE, SIG_IGN);
	parse_options(argc, argv);
	check_options();
	warm_up = (struct timeval){ (time_t)options.warm_up, (suseconds_t)((options.warm_up - (double)(time_t)options.warm_up) * 1e6) };
	base = event_base_new();
	lanes = calloc(options.connections, sizeof(struct lane *));
	for (unsigned i = 0; i < options.connections; i++)
		lanes[i] = lane_new(i);
	cpu = cpu_seconds();
	measure_ns = clock_ns() + (uint64_t)(options.warm_up * 1e9);
	end_ns = options.once ? UINT64_MAX : measure_ns + (uint64_t)(options.seconds * 1e9);
	event_add(event_new(base, -1, EV_PERSIST, on_second, NULL), &second);
	if (options.server != NULL) {
		processor_open(&servers, options.server);
		processor_open(&own, "thread-self");
		event_add(event_new(base, -1, 0, on_begin, NULL), &warm_up);
	}
	for (unsigned i = 0; i < options.connections; i++)
		ask(lanes[i], clock_ns());
	while (busy > 0 || clock_ns() < end_ns) {
		if (options.rate > 0)
			ask_due();
		event_base_loop(base, options.rate > 0 ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
	}
	wall = (double)(clock_ns() - measure_ns) / 1e9 + options.warm_up;
	report((cpu_seconds() - cpu) / wall);
	if (wrong > 0)
		fprintf(stderr, "askload: %llu answers were not yes\n", (unsigned long long)wrong);
	return wrong > 0 || measured == 0 ? 1 : 0;
}
