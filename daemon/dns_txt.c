/* The system's resolver library makes the question and reads the answer; the sockets are ours,
 * because its own wait for a TCP connection without a bound, and pool threads are few. */
#include "daemon/dns_txt.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/clock.h"

#include "base/banned.h"

#define PREFIX "_rosterd-challenge."
#define PROOF "rosterd-domain-verification="

enum {
	PORT = 53,
	ROUNDS = 2, /* a datagram may get lost */
	ANSWER_MAX = 65535,
	QUESTION_MAX = 512,
	TEXTS_MAX = 256,
	ALIASES_MAX = 8,
	NAME_MAX_ASCII = 253,
};

/* ---- Servers ---- */

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at;
	socklen_t size;
};

static bool
address_parse(const char *text, struct address *out)
{
	struct slice s = slice_of(text), host = s, port = { NULL, 0 };
	const char *colon = memchr(s.p, ':', s.len), *bracket;
	uint64_t number = PORT;
	char name[64];

	if (s.len > 0 && s.p[0] == '[') {
		if ((bracket = memchr(s.p, ']', s.len)) == NULL)
			return false;
		host = (struct slice){ s.p + 1, (size_t)(bracket - s.p) - 1 };
		port = slice_from(s, (size_t)(bracket - s.p) + 1);
		if (port.len > 0 && port.p[0] != ':')
			return false;
	} else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
		host.len = (size_t)(colon - s.p);
		port = slice_from(s, host.len);
	}
	if (port.len > 0 && !slice_to_u64(slice_from(port, 1), 1, 65535, &number))
		return false;
	if (host.len >= sizeof(name) ||
		(size_t)snprintf(name, sizeof(name), "%.*s", SLICE_ARG(host)) != host.len)
		return false;
	memset(out, 0, sizeof(*out));
	if (s.p[0] != '[' && inet_pton(AF_INET, name, &out->at.v4.sin_addr) == 1) {
		out->at.v4.sin_family = AF_INET;
		out->at.v4.sin_port = htons((uint16_t)number);
		out->size = sizeof(out->at.v4);
		return true;
	}
	if (inet_pton(AF_INET6, name, &out->at.v6.sin6_addr) != 1)
		return false;
	out->at.v6.sin6_family = AF_INET6;
	out->at.v6.sin6_port = htons((uint16_t)number);
	out->size = sizeof(out->at.v6);
	return true;
}

bool
dns_server_valid(const char *server)
{
	struct address a;

	return address_parse(server, &a);
}

/* glibc keeps an IPv6 server beside the list, and its place in the list empty. */
static size_t
servers_of_system(struct address out[MAXNS])
{
	struct __res_state state;
	size_t n = 0;

	memset(&state, 0, sizeof(state));
	if (res_ninit(&state) != 0)
		return 0;
	memset(out, 0, MAXNS * sizeof(*out));
	for (int i = 0; i < state.nscount && i < MAXNS; i++) {
		const struct sockaddr_in6 *v6 = state._u._ext.nsaddrs[i];

		if (state.nsaddr_list[i].sin_family == AF_INET) {
			out[n].at.v4 = state.nsaddr_list[i];
			out[n++].size = sizeof(out->at.v4);
		} else if (v6 != NULL && v6->sin6_family == AF_INET6) {
			out[n].at.v6 = *v6;
			out[n++].size = sizeof(out->at.v6);
		}
	}
	res_nclose(&state);
	return n;
}

/* ---- One question ---- */

struct asking {
	struct arena *arena;
	struct slice name; /* with a NUL behind it */
	uint8_t question[QUESTION_MAX];
	size_t question_len;
	uint8_t *answer;  /* ANSWER_MAX */
	int64_t deadline; /* of clock_us() */
	struct slice *texts;
	size_t count, cap;
};

static bool
question_make(struct asking *q)
{
	static const uint8_t tail[] = { 0, 0, ns_t_txt, 0, ns_c_in }; /* root label, type, class */
	struct slice rest = q->name, label;
	uint8_t *p = q->question;

	if (q->name.len == 0 || q->name.len > NAME_MAX_ASCII || getrandom(p, 2, 0) != 2)
		return false;
	memset(p + 2, 0, NS_HFIXEDSZ - 2);
	p[2] = 1; /* recursion desired */
	p[5] = 1; /* one question */
	p += NS_HFIXEDSZ;
	while (slice_split(&rest, '.', &label)) {
		if (label.len == 0 || label.len > NS_MAXLABEL)
			return false;
		*p++ = (uint8_t)label.len;
		memcpy(p, label.p, label.len);
		p += label.len;
	}
	memcpy(p, tail, sizeof(tail));
	q->question_len = (size_t)(p - q->question) + sizeof(tail);
	return true;
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* False: not before `end`. */
static bool
wait_for(int fd, short events, int64_t end)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left;
	int n;

	do {
		if ((left = end - clock_us()) <= 0)
			return false;
		n = poll(&p, 1, (int)(left / 1000) + 1);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

static int
socket_to(const struct address *server, int type, int64_t end)
{
	int fd = socket(server->at.any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
	    failed = 0;
	socklen_t size = sizeof(failed);

	if (fd < 0)
		return -1;
	/* Connected, so that only the server's datagrams come in, from a port that the kernel
	 * chooses at random. */
	if (connect(fd, &server->at.any, server->size) == 0)
		return fd;
	if (errno == EINPROGRESS && wait_for(fd, POLLOUT, end) &&
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) == 0 && failed == 0)
		return fd;
	(void)close(fd);
	return -1;
}

/* Whether it is the answer to this question: the id and the question must be ours (RFC 5452
 * section 9.1). */
static bool
answers(const struct asking *q, size_t len, ns_msg *msg)
{
	char name[NS_MAXDNAME];
	ns_rr rr;

	if (len < NS_HFIXEDSZ || memcmp(q->answer, q->question, 2) != 0 ||
		ns_initparse(q->answer, (int)len, msg) != 0 || ns_msg_getflag(*msg, ns_f_qr) != 1 ||
		ns_msg_count(*msg, ns_s_qd) != 1 || ns_parserr(msg, ns_s_qd, 0, &rr) != 0)
		return false;
	(void)snprintf(name, sizeof(name), "%.*s", SLICE_ARG(q->name));
	return ns_rr_type(rr) == ns_t_txt && ns_rr_class(rr) == ns_c_in &&
	       strcasecmp(ns_rr_name(rr), name) == 0;
}

/* Bytes of an answer by TCP: two of length, then it (RFC 1035 section 4.2.2). 0: none that can be
 * used. */
static size_t
ask_by_tcp(struct asking *q, const struct address *server, bool *late)
{
	uint8_t out[2 + QUESTION_MAX] = { (uint8_t)(q->question_len >> 8),
		(uint8_t)q->question_len },
			head[2];
	int fd = socket_to(server, SOCK_STREAM, q->deadline);
	size_t sent = 0, got = 0, want = 2;
	ssize_t n = fd < 0 ? -1 : 1;

	memcpy(out + 2, q->question, q->question_len);
	while (n > 0 && sent < 2 + q->question_len) {
		n = wait_for(fd, POLLOUT, q->deadline)
			    ? send(fd, out + sent, 2 + q->question_len - sent, MSG_NOSIGNAL)
			    : -1;
		sent += n > 0 ? (size_t)n : 0;
	}
	while (n > 0 && got < want) {
		uint8_t *to = got < 2 ? head + got : q->answer + got - 2;

		n = wait_for(fd, POLLIN, q->deadline) ? recv(fd, to, (got < 2 ? 2 : want) - got, 0)
						      : -1;
		got += n > 0 ? (size_t)n : 0;
		if (got == 2)
			want = 2 + (size_t)(head[0] << 8 | head[1]);
	}
	if (fd >= 0)
		(void)close(fd);
	*late = n < 0 && clock_us() >= q->deadline;
	return got > 2 && got == want ? got - 2 : 0;
}

/* As above, by one datagram that is waited for until `end`. */
static size_t
ask_by_udp(struct asking *q, const struct address *server, int64_t end, ns_msg *msg, bool *late)
{
	int fd = socket_to(server, SOCK_DGRAM, end);
	size_t len = 0;
	ssize_t n;

	*late = false;
	if (fd < 0)
		return 0;
	if (send(fd, q->question, q->question_len, MSG_NOSIGNAL) == (ssize_t)q->question_len) {
		while (len == 0 && !(*late = !wait_for(fd, POLLIN, end))) {
			n = recv(fd, q->answer, ANSWER_MAX, 0);
			if (n < 0 && errno != EAGAIN && errno != EINTR)
				break;
			if (n > 0 && answers(q, (size_t)n, msg))
				len = (size_t)n;
		}
	}
	(void)close(fd);
	return len;
}

/* ---- The answer ---- */

static void
text_add(struct asking *q, const uint8_t *p, size_t len)
{
	char *to = arena_alloc(q->arena, len + 1);
	size_t at = 0, n = 0;

	while (at < len && len - at > p[at]) {
		memcpy(to + n, p + at + 1, p[at]);
		n += p[at];
		at += 1u + p[at];
	}
	if (at != len || len == 0 || q->count == TEXTS_MAX)
		return; /* malformed, or more than anyone needs */
	q->texts = arena_grow(q->arena, q->texts, q->count, &q->cap, sizeof(*q->texts));
	q->texts[q->count++] = (struct slice){ to, n };
}

/* Takes what the records of `name` say. True when the name is another's alias, which then stands in
 * `name`. */
static bool
records_read(struct asking *q, ns_msg *msg, char name[NS_MAXDNAME])
{
	char alias[NS_MAXDNAME];
	bool found = false;
	ns_rr rr;

	for (int i = 0; i < ns_msg_count(*msg, ns_s_an); i++) {
		if (ns_parserr(msg, ns_s_an, i, &rr) != 0)
			return false;
		if (ns_rr_class(rr) != ns_c_in || strcasecmp(ns_rr_name(rr), name) != 0)
			continue;
		if (ns_rr_type(rr) == ns_t_txt)
			text_add(q, ns_rr_rdata(rr), ns_rr_rdlen(rr));
		else if (ns_rr_type(rr) == ns_t_cname && !found)
			found = ns_name_uncompress(ns_msg_base(*msg), ns_msg_end(*msg),
					ns_rr_rdata(rr), alias, sizeof(alias)) >= 0;
	}
	if (found)
		memcpy(name, alias, sizeof(alias));
	return found && q->count == 0;
}

static enum dns_status
answer_read(struct asking *q, ns_msg *msg)
{
	char name[NS_MAXDNAME];

	switch (ns_msg_getflag(*msg, ns_f_rcode)) {
	case ns_r_noerror:
		break;
	case ns_r_nxdomain:
		return DNS_NO_NAME;
	default:
		return DNS_FAILED;
	}
	(void)snprintf(name, sizeof(name), "%.*s", SLICE_ARG(q->name));
	for (int aliases = 0; aliases < ALIASES_MAX && records_read(q, msg, name); aliases++)
		;
	return q->count > 0 ? DNS_FOUND : DNS_NO_TEXT;
}

static enum dns_status
ask(struct asking *q, const struct address *server, int64_t end)
{
	bool late = false;
	size_t len;
	ns_msg msg;

	len = ask_by_udp(q, server, end, &msg, &late);
	if (len > 0 && ns_msg_getflag(msg, ns_f_tc) == 1) {
		len = ask_by_tcp(q, server, &late);
		if (len > 0 && (!answers(q, len, &msg) || ns_msg_getflag(msg, ns_f_tc) == 1))
			len = 0;
	}
	if (len == 0)
		return late ? DNS_TIMEOUT : DNS_FAILED;
	return answer_read(q, &msg);
}

enum dns_status
dns_txt_lookup(const struct dns_options *options, struct arena *a, struct slice name,
	struct slice **texts, size_t *count)
{
	struct asking q = { .arena = a,
		.name = name,
		.deadline = clock_us() + (int64_t)options->timeout_ms * 1000 };
	enum dns_status status = DNS_TIMEOUT, last;
	struct address servers[MAXNS];
	size_t n = 1;

	if (!question_make(&q))
		return DNS_NO_NAME; /* no zone can hold it */
	q.answer = arena_alloc(a, ANSWER_MAX);
	if (options->server == NULL)
		n = servers_of_system(servers);
	else if (!address_parse(options->server, &servers[0]))
		n = 0;
	if (n == 0)
		return DNS_FAILED;
	for (size_t i = 0; i < ROUNDS * n && clock_us() < q.deadline; i++) {
		int64_t now = clock_us(), share = (q.deadline - now) / (int64_t)(ROUNDS * n - i);

		last = ask(&q, &servers[i % n], earlier(now + share, q.deadline));
		if (last != DNS_FAILED && last != DNS_TIMEOUT) {
			*texts = q.texts;
			*count = q.count;
			return last;
		}
		if (last == DNS_FAILED)
			status = DNS_FAILED; /* that says more than silence */
	}
	return status;
}

/* ---- Domains ---- */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter_or_digit(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z');
}

static enum rc
label_check(const char *path, struct slice label, struct err *err)
{
	if (label.len == 0)
		return fail(err, RC_INVALID_VALUE, path,
			"a domain has no empty label (two dots, or one in front)");
	if (label.len > NS_MAXLABEL)
		return fail(err, RC_INVALID_VALUE, path,
			"a label of the domain is longer than %d characters", NS_MAXLABEL);
	for (size_t i = 0; i < label.len; i++)
		if (!is_letter_or_digit(label.p[i]) && label.p[i] != '-')
			return fail(err, RC_INVALID_VALUE, path,
				"a domain has letters, digits, hyphens and dots only, as in "
				"example.com");
	if (label.p[0] == '-' || label.p[label.len - 1] == '-')
		return fail(err, RC_INVALID_VALUE, path,
			"no label of a domain begins or ends with a hyphen");
	return RC_OK;
}

static enum rc
labels_check(const char *path, struct slice domain, struct err *err)
{
	struct slice rest = domain, label = { NULL, 0 };
	bool number = true;
	size_t n = 0;
	enum rc rc;

	while (slice_split(&rest, '.', &label)) {
		if ((rc = label_check(path, label, err)) != RC_OK)
			return rc;
		n++;
	}
	for (size_t i = 0; i < label.len; i++)
		number = number && is_digit(label.p[i]);
	if (number)
		return fail(err, RC_INVALID_VALUE, path, "an IP address is no domain");
	if (n < 2)
		return fail(err, RC_INVALID_VALUE, path,
			"a domain has at least two labels, as in example.com: \"%.*s\" has one",
			SLICE_ARG(domain));
	return RC_OK;
}

enum rc
dns_domain_normalize(
	struct arena *a, const char *path, struct slice domain, struct slice *out, struct err *err)
{
	struct slice copy;
	char *p;
	enum rc rc;

	if (domain.len > 1 && domain.p[domain.len - 1] == '.')
		domain.len--;
	if (domain.len == 0)
		return fail(err, RC_INVALID_VALUE, path, "a domain is needed, such as example.com");
	for (size_t i = 0; i < domain.len; i++)
		if ((unsigned char)domain.p[i] >= 0x80)
			return fail(err, RC_INVALID_VALUE, path,
				"give an internationalised domain in its ASCII form (labels that "
				"begin with xn--)");
	if (domain.len > DNS_DOMAIN_MAX)
		return fail(err, RC_INVALID_VALUE, path, "a domain has at most %d characters",
			DNS_DOMAIN_MAX);
	p = arena_alloc(a, domain.len + 1);
	for (size_t i = 0; i < domain.len; i++)
		p[i] = domain.p[i] >= 'A' && domain.p[i] <= 'Z' ? (char)(domain.p[i] | 0x20)
								: domain.p[i];
	p[domain.len] = '\0';
	copy = (struct slice){ p, domain.len };
	if ((rc = labels_check(path, copy, err)) == RC_OK)
		*out = copy;
	return rc;
}

/* ---- The challenge ---- */

static struct slice
joined(struct arena *a, const char *prefix, struct slice s)
{
	return slice_of(arena_printf(a, "%s%.*s", prefix, SLICE_ARG(s)));
}

struct slice
dns_challenge_name(struct arena *a, struct slice domain)
{
	return joined(a, PREFIX, domain);
}

struct slice
dns_challenge_text(struct arena *a, struct slice token)
{
	return joined(a, PROOF, token);
}

enum rc
dns_challenge_check(const struct dns_options *options, struct arena *a, const char *path,
	struct slice domain, struct slice token, struct err *err)
{
	struct slice name = dns_challenge_name(a, domain), wanted = dns_challenge_text(a, token),
		     *texts = NULL;
	size_t n = 0;

	switch (dns_txt_lookup(options, a, name, &texts, &n)) {
	case DNS_FOUND:
		for (size_t i = 0; i < n; i++)
			if (slice_eq(slice_trim(texts[i]), wanted))
				return RC_OK;
		return fail(err, RC_CONFLICT, path,
			"none of the %zu TXT records of %.*s holds this organization's challenge",
			n, SLICE_ARG(name));
	case DNS_NO_NAME:
		return fail(err, RC_CONFLICT, path, "there is no name %.*s in the DNS",
			SLICE_ARG(name));
	case DNS_NO_TEXT:
		return fail(err, RC_CONFLICT, path, "the name %.*s has no TXT record in the DNS",
			SLICE_ARG(name));
	case DNS_FAILED:
		return fail(err, RC_UNAVAILABLE, path, "the DNS server can't answer for %.*s",
			SLICE_ARG(name));
	case DNS_TIMEOUT:
		break;
	}
	return fail(err, RC_UNAVAILABLE, path, "no DNS server answered for %.*s in time",
		SLICE_ARG(name));
}
