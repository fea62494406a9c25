#include "protocol/http.h"

#include "base/banned.h"

/* What a byte may be part of. */
enum { C_TOKEN = 1, C_TARGET = 2, C_VALUE = 4, C_HOST = 8 };

#define T_ C_TOKEN
#define G_ C_TARGET
#define V_ C_VALUE
#define H_ C_HOST
/* A field value takes obs-text (RFC 9110 section 5.5): it is opaque to us and cannot be misread as an end of line. A target takes
 * printable ASCII: some clients leave quotes and brackets of a filter unescaped. "#" is refused, a target has no fragment. */
static const unsigned char class[256] = {
	['\t'] = V_, [' '] = V_,
	['!'] = T_ | G_ | V_ | H_, ['"'] = G_ | V_, ['#'] = T_ | V_, ['$'] = T_ | G_ | V_ | H_,
	['%'] = T_ | G_ | V_ | H_, ['&'] = T_ | G_ | V_ | H_, ['\''] = T_ | G_ | V_ | H_,
	['('] = G_ | V_ | H_, [')'] = G_ | V_ | H_, ['*'] = T_ | G_ | V_ | H_,
	['+'] = T_ | G_ | V_ | H_, [','] = G_ | V_ | H_, ['-'] = T_ | G_ | V_ | H_,
	['.'] = T_ | G_ | V_ | H_, ['/'] = G_ | V_, ['0' ... '9'] = T_ | G_ | V_ | H_,
	[':'] = G_ | V_ | H_, [';'] = G_ | V_ | H_, ['<'] = G_ | V_, ['='] = G_ | V_ | H_,
	['>'] = G_ | V_, ['?'] = G_ | V_, ['@'] = G_ | V_, ['A' ... 'Z'] = T_ | G_ | V_ | H_,
	['['] = G_ | V_ | H_, ['\\'] = G_ | V_, [']'] = G_ | V_ | H_, ['^'] = T_ | G_ | V_,
	['_'] = T_ | G_ | V_ | H_, ['`'] = T_ | G_ | V_, ['a' ... 'z'] = T_ | G_ | V_ | H_,
	['{'] = G_ | V_, ['|'] = T_ | G_ | V_, ['}'] = G_ | V_, ['~'] = T_ | G_ | V_ | H_,
	[0x80 ... 0xff] = V_,
};
#undef T_
#undef G_
#undef V_
#undef H_

static bool
is(char c, unsigned what)
{
	return (class[(unsigned char)c] & what) != 0;
}

static bool
all(struct slice s, unsigned what)
{
	unsigned char in = 0xff;

	for (size_t i = 0; i < s.len; i++)
		in &= class[(unsigned char)s.p[i]];
	return (in & what) != 0;
}

/* Whether all bytes may stand in a field value. Eight at a time where none of them is a control character. */
static bool
is_value(struct slice s)
{
	const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;

	while (s.len >= sizeof(uint64_t)) {
		uint64_t v, del;

		memcpy(&v, s.p, sizeof(v));
		del = v ^ ones * 0x7f;
		if ((((v - ones * 0x20) & ~v) | ((del - ones) & ~del)) & tops)
			break; /* perhaps a tab */
		s = slice_from(s, sizeof(v));
	}
	return s.len == 0 || all(s, C_VALUE);
}

/* One walk over a head. `end` is where the head limit cuts: what is not complete before it is too large. Every verdict is tied to a
 * position in the bytes, so however they arrive, it is the same. */
struct walk {
	const char *p, *end;
	const struct http_limits *limits;
	struct http_request *rq;
	enum rc *rc;
	struct err *err;
	bool repeated_accept, repeated_coding; /* more than one line of it: read as absent */
	bool close, keep, transfer_coding;
	unsigned hosts;
};

static enum http_parse
bad(struct walk *w, enum rc rc, const char *what)
{
	*w->rc = fail(w->err, rc, "", "%s", what);
	return HTTP_BAD;
}

/* HEAD and GET are the only ones that are told apart here for their own sake; all others are the router's. */
static const struct {
	struct slice text;
	enum http_method method;
} methods[] = {
	{ SLICE_INIT("GET"), HTTP_GET }, { SLICE_INIT("HEAD"), HTTP_HEAD },
	{ SLICE_INIT("POST"), HTTP_POST }, { SLICE_INIT("PUT"), HTTP_PUT },
	{ SLICE_INIT("PATCH"), HTTP_PATCH }, { SLICE_INIT("DELETE"), HTTP_DELETE },
	{ SLICE_INIT("OPTIONS"), HTTP_OPTIONS },
};

static enum http_parse
parse_method(struct walk *w)
{
	enum { METHOD_MAX = 32 };
	const char *from = w->p;

	while (w->p < w->end && w->p - from <= METHOD_MAX && is(*w->p, C_TOKEN))
		w->p++;
	if (w->p - from > METHOD_MAX)
		return bad(w, RC_BAD_REQUEST, "The method is longer than 32 bytes.");
	if (w->p == w->end)
		return HTTP_MORE;
	if (*w->p != ' ' || w->p == from)
		return bad(w, RC_BAD_REQUEST, "The request does not begin with a method and one space.");
	w->rq->method_text = (struct slice){ from, (size_t)(w->p++ - from) };
	w->rq->method = HTTP_OTHER;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (slice_eq(w->rq->method_text, methods[i].text))
			w->rq->method = methods[i].method;
	return HTTP_DONE;
}

static void
split_query(struct http_request *rq, struct slice s)
{
	const char *mark = s.len > 0 ? memchr(s.p, '?', s.len) : NULL;

	rq->path = s;
	if (mark != NULL) {
		rq->path.len = (size_t)(mark - s.p);
		rq->query = slice_from(s, rq->path.len + 1);
	}
	if (rq->path.len == 0)
		rq->path = SLICE("/");
}

/* RFC 9112 section 3.2: origin form, absolute form (every server must take it), and "*" for OPTIONS. */
static bool
read_target(struct http_request *rq)
{
	static const struct slice schemes[] = { SLICE_INIT("http://"), SLICE_INIT("https://") };
	struct slice t = rq->target;

	if (t.len > 0 && t.p[0] == '/') {
		split_query(rq, t);
		return true;
	}
	if (t.len == 1 && t.p[0] == '*' && rq->method == HTTP_OPTIONS) {
		rq->path = t;
		return true;
	}
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = schemes[i].len;

		if (t.len <= n || !slice_caseeq((struct slice){ t.p, n }, schemes[i]))
			continue;
		t = slice_from(t, n);
		for (n = 0; n < t.len && t.p[n] != '/' && t.p[n] != '?'; n++)
			;
		rq->host = (struct slice){ t.p, n };
		split_query(rq, slice_from(t, n));
		return n > 0 && all(rq->host, C_HOST);
	}
	return false;
}

static enum http_parse
parse_target(struct walk *w)
{
	const char *from = w->p;

	while (w->p < w->end && (size_t)(w->p - from) <= w->limits->target && is(*w->p, C_TARGET))
		w->p++;
	if ((size_t)(w->p - from) > w->limits->target) {
		*w->rc = fail(w->err, RC_URI_TOO_LONG, "",
			"The request target is longer than the limit of %zu bytes.", w->limits->target);
		return HTTP_BAD;
	}
	if (w->p == w->end)
		return HTTP_MORE;
	w->rq->target = (struct slice){ from, (size_t)(w->p - from) };
	if (*w->p != ' ')
		return bad(w, RC_BAD_REQUEST,
			"The request target holds a byte that must be percent-encoded, or no HTTP version follows it.");
	w->p++;
	if (!read_target(w->rq))
		return bad(w, RC_BAD_REQUEST, "The request target is neither a path nor an http(s) address.");
	return HTTP_DONE;
}

static enum http_parse
parse_version(struct walk *w)
{
	static const char shape[] = "HTTP/d.d\r\n"; /* d: any digit */
	const char *from = w->p;

	for (size_t i = 0; i < sizeof(shape) - 1; i++, w->p++) {
		if (w->p == w->end)
			return HTTP_MORE;
		if (shape[i] == 'd' ? *w->p < '0' || *w->p > '9' : *w->p != shape[i])
			return bad(w, RC_BAD_REQUEST, "The request line does not end with an HTTP version and CRLF.");
	}
	if (from[5] != '1')
		return bad(w, RC_HTTP_VERSION, "This server speaks HTTP/1.1 and HTTP/1.0.");
	w->rq->minor = from[7] == '0' ? 0 : 1;
	return HTTP_DONE;
}

typedef enum http_parse header_fn(struct walk *w, struct slice value);

static enum http_parse
on_host(struct walk *w, struct slice value)
{
	if (++w->hosts > 1)
		return bad(w, RC_BAD_REQUEST, "There is more than one Host header.");
	if (value.len > 0 && !all(value, C_HOST))
		return bad(w, RC_BAD_REQUEST, "The Host header is malformed.");
	if (w->rq->host.p == NULL) /* an absolute target goes before it, RFC 9112 section 3.2.2 */
		w->rq->host = value;
	return HTTP_DONE;
}

static enum http_parse
on_content_length(struct walk *w, struct slice value)
{
	if (w->rq->has_length)
		return bad(w, RC_BAD_REQUEST, "There is more than one Content-Length header.");
	w->rq->has_length = true;
	for (size_t i = 0; i < value.len; i++)
		if (value.p[i] < '0' || value.p[i] > '9')
			value.len = 0;
	if (value.len == 0)
		return bad(w, RC_BAD_REQUEST, "The Content-Length header is not a number.");
	if (!slice_to_u64(value, 0, UINT64_MAX, &w->rq->length))
		w->rq->length = UINT64_MAX; /* beyond any limit on bodies */
	return HTTP_DONE;
}

static enum http_parse
on_transfer_encoding(struct walk *w, struct slice value)
{
	if (w->transfer_coding || !slice_caseeq(value, SLICE("chunked")))
		return bad(w, RC_BAD_REQUEST, "A Transfer-Encoding other than a single \"chunked\" is not taken.");
	w->transfer_coding = w->rq->chunked = true;
	return HTTP_DONE;
}

static enum http_parse
on_connection(struct walk *w, struct slice value)
{
	struct slice token;

	while (slice_split(&value, ',', &token)) {
		token = slice_trim(token);
		w->close |= slice_caseeq(token, SLICE("close"));
		w->keep |= slice_caseeq(token, SLICE("keep-alive"));
	}
	return HTTP_DONE;
}

static enum http_parse
on_expect(struct walk *w, struct slice value)
{
	if (slice_caseeq(value, SLICE("100-continue")))
		w->rq->expect_continue = true;
	else if (value.len > 0)
		return bad(w, RC_EXPECTATION_FAILED, "The only expectation that is met is 100-continue.");
	return HTTP_DONE;
}

/* A list over several lines is legal; without memory to join it, two negotiating headers count as none, which
 * is always a right answer, and two conditions are refused, because to drop one could do harm. */
static enum http_parse
on_accept(struct walk *w, struct slice value)
{
	w->repeated_accept |= w->rq->accept.p != NULL;
	w->rq->accept = value;
	return HTTP_DONE;
}

static enum http_parse
on_accept_encoding(struct walk *w, struct slice value)
{
	w->repeated_coding |= w->rq->accept_encoding.p != NULL;
	w->rq->accept_encoding = value;
	return HTTP_DONE;
}

struct header {
	struct slice name; /* lower case */
	header_fn *fn;     /* NULL: kept at offset, at most once */
	size_t offset;
};

#define KEEP(name, member) { SLICE_INIT(name), NULL, offsetof(struct http_request, member) }
#define CALL(name, fn) { SLICE_INIT(name), fn, 0 }

/* By length of name, few of each. */
enum { HEADER_NAME_MAX = 17, HEADER_ALIKE = 3 };
static const struct header headers[HEADER_NAME_MAX + 1][HEADER_ALIKE] = {
	[4] = { CALL("host", on_host) },
	[6] = { CALL("accept", on_accept), CALL("expect", on_expect), KEEP("prefer", prefer) },
	[8] = { KEEP("if-match", if_match) },
	[10] = { CALL("connection", on_connection) },
	[12] = { KEEP("content-type", content_type), KEEP("x-request-id", request_id) },
	[13] = { KEEP("authorization", authorization), KEEP("if-none-match", if_none_match) },
	[14] = { CALL("content-length", on_content_length) },
	[15] = { CALL("accept-encoding", on_accept_encoding) },
	[16] = { KEEP("content-encoding", content_encoding) },
	[17] = { CALL("transfer-encoding", on_transfer_encoding) },
};

#undef KEEP
#undef CALL

/* name is a token, where setting the sixth bit makes only letters alike. */
static bool
is_named(struct slice name, const struct header *h)
{
	if (h->name.len != name.len)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if ((name.p[i] | 0x20) != h->name.p[i])
			return false;
	return true;
}

static const struct header *
find_header(struct slice name)
{
	if (name.len > HEADER_NAME_MAX)
		return NULL;
	for (size_t i = 0; i < HEADER_ALIKE; i++)
		if (is_named(name, &headers[name.len][i]))
			return &headers[name.len][i];
	return NULL;
}

static enum http_parse
take_header(struct walk *w, struct slice name, struct slice value)
{
	const struct header *h = find_header(name);
	struct slice *at;

	if (h == NULL)
		return HTTP_DONE;
	if (h->fn != NULL)
		return h->fn(w, value);
	at = (struct slice *)(void *)((char *)w->rq + h->offset);
	if (at->p != NULL) {
		*w->rc = fail(w->err, RC_BAD_REQUEST, "", "There is more than one %s header.", h->name.p);
		return HTTP_BAD;
	}
	*at = value;
	return HTTP_DONE;
}

/* One line, without its CRLF. */
static enum http_parse
parse_header(struct walk *w, struct slice line)
{
	size_t n = 0;
	struct slice value;

	while (n < line.len && is(line.p[n], C_TOKEN))
		n++;
	/* A line that begins with a blank continues the one before (obs-fold), a blank before the colon hides a name from other
	 * parsers: both are refused (RFC 9112 sections 5.1 and 5.2). */
	if (n == 0 || n == line.len || line.p[n] != ':')
		return bad(w, RC_BAD_REQUEST, "A header line does not begin with a name and a colon.");
	value = slice_from(line, n + 1);
	if (!is_value(value))
		return bad(w, RC_BAD_REQUEST, "A header value holds a control character.");
	return take_header(w, (struct slice){ line.p, n }, slice_trim(value));
}

/* The rules that look at several headers. */
static enum http_parse
check(struct walk *w)
{
	struct http_request *rq = w->rq;

	if (rq->chunked && rq->has_length)
		return bad(w, RC_BAD_REQUEST, "Transfer-Encoding and Content-Length exclude each other.");
	if (rq->chunked && rq->minor == 0)
		return bad(w, RC_BAD_REQUEST, "Transfer-Encoding needs HTTP/1.1.");
	if (rq->minor == 1 && w->hosts == 0)
		return bad(w, RC_BAD_REQUEST, "The Host header is missing.");
	if (w->repeated_accept)
		rq->accept = (struct slice){ NULL, 0 };
	if (w->repeated_coding)
		rq->accept_encoding = (struct slice){ NULL, 0 };
	rq->keep_alive = !w->close && (rq->minor == 1 || w->keep);
	rq->expect_continue &= rq->minor == 1; /* RFC 9110 section 10.1.1 */
	return HTTP_DONE;
}

static enum http_parse
parse_headers(struct walk *w)
{
	for (unsigned n = 0; w->p < w->end; n++) {
		const char *lf = memchr(w->p, '\n', (size_t)(w->end - w->p));
		struct slice line = { w->p, 0 };
		enum http_parse r;

		if (lf == NULL)
			return HTTP_MORE;
		w->p = lf + 1;
		line.len = (size_t)(lf - line.p);
		if (line.len == 0 || lf[-1] != '\r')
			return bad(w, RC_BAD_REQUEST, "A header line ends without CRLF.");
		if (--line.len == 0)
			return check(w);
		if (n == HTTP_HEADERS_MAX) {
			*w->rc = fail(w->err, RC_HEADERS_TOO_LARGE, "",
				"There are more than %d header lines.", HTTP_HEADERS_MAX);
			return HTTP_BAD;
		}
		if ((r = parse_header(w, line)) != HTTP_DONE)
			return r;
	}
	return HTTP_MORE;
}

static enum http_parse
skip_blank_lines(struct walk *w)
{
	while (w->p < w->end && *w->p == '\r') {
		if (w->p + 1 == w->end)
			return HTTP_MORE;
		if (w->p[1] != '\n')
			return bad(w, RC_BAD_REQUEST, "The request does not begin with a method and one space.");
		w->p += 2;
	}
	return HTTP_DONE;
}

enum http_parse
http_parse_head(struct slice data, const struct http_limits *limits, struct http_request *out, enum rc *rc,
	struct err *err)
{
	size_t window = data.len < limits->head ? data.len : limits->head;
	struct walk w = { .p = data.p, .end = data.p + window, .limits = limits, .rq = out, .rc = rc,
		.err = err };
	enum http_parse r;

	memset(out, 0, sizeof(*out));
	out->method = HTTP_OTHER;
	if (data.len == 0)
		return HTTP_MORE;
	if ((r = skip_blank_lines(&w)) == HTTP_DONE && (r = parse_method(&w)) == HTTP_DONE &&
		(r = parse_target(&w)) == HTTP_DONE && (r = parse_version(&w)) == HTTP_DONE)
		r = parse_headers(&w);
	if (r == HTTP_MORE && data.len > limits->head) {
		*rc = fail(err, RC_HEADERS_TOO_LARGE, "",
			"The request line and headers are longer than the limit of %zu bytes.", limits->head);
		return HTTP_BAD;
	}
	out->head_len = (size_t)(w.p - data.p);
	return r;
}

/* --- chunked --- */

enum chunk_state {
	CHUNK_SIZE,       /* first digit */
	CHUNK_SIZE_MORE,  /* more digits, ";" or CR */
	CHUNK_EXTENSION,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	TRAILER_START,    /* of a line */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	TRAILER_END_LF,
	CHUNK_DONE,
	CHUNK_BAD,
};

/* Leading zeros, extensions and trailers mean nothing to us; that there may be some is no leave to send them without end. */
enum { CHUNK_OVERHEAD_MAX = 8192 };

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
is_overhead(const struct http_chunked *k)
{
	return (k->state == CHUNK_SIZE_MORE && k->left == 0) || k->state == CHUNK_EXTENSION ||
		(k->state >= TRAILER_NAME && k->state <= TRAILER_LF);
}

static enum chunk_state
size_step(struct http_chunked *k, char c)
{
	int digit = hex_digit(c);

	if (digit >= 0) {
		if (k->left >> 58 != 0) /* no body is that long; leaves no way to overflow */
			return CHUNK_BAD;
		k->left = k->left << 4 | (unsigned)digit;
		return CHUNK_SIZE_MORE;
	}
	if (k->state == CHUNK_SIZE)
		return CHUNK_BAD;
	return c == ';' ? CHUNK_EXTENSION : c == '\r' ? CHUNK_SIZE_LF : CHUNK_BAD;
}

/* The state after one byte that is not chunk data. */
static enum chunk_state
step(struct http_chunked *k, char c)
{
	switch ((enum chunk_state)k->state) {
	case CHUNK_SIZE:
	case CHUNK_SIZE_MORE:
		return size_step(k, c);
	case CHUNK_EXTENSION:
		return c == '\r' ? CHUNK_SIZE_LF : is(c, C_VALUE) ? CHUNK_EXTENSION : CHUNK_BAD;
	case CHUNK_SIZE_LF:
		return c != '\n' ? CHUNK_BAD : k->left > 0 ? CHUNK_DATA : TRAILER_START;
	case CHUNK_DATA_CR:
		return c == '\r' ? CHUNK_DATA_LF : CHUNK_BAD;
	case CHUNK_DATA_LF:
		return c == '\n' ? CHUNK_SIZE : CHUNK_BAD;
	case TRAILER_START:
		return c == '\r' ? TRAILER_END_LF : is(c, C_TOKEN) ? TRAILER_NAME : CHUNK_BAD;
	case TRAILER_NAME:
		return c == ':' ? TRAILER_VALUE : is(c, C_TOKEN) ? TRAILER_NAME : CHUNK_BAD;
	case TRAILER_VALUE:
		return c == '\r' ? TRAILER_LF : is(c, C_VALUE) ? TRAILER_VALUE : CHUNK_BAD;
	case TRAILER_LF:
		return c == '\n' ? TRAILER_START : CHUNK_BAD;
	case TRAILER_END_LF:
		return c == '\n' ? CHUNK_DONE : CHUNK_BAD;
	case CHUNK_DATA:
	case CHUNK_DONE:
	case CHUNK_BAD:
		break;
	}
	return CHUNK_BAD;
}

enum http_parse
http_chunked_next(struct http_chunked *k, struct slice *in, struct slice *out)
{
	*out = (struct slice){ in->p, 0 };
	while (in->len > 0 && k->state != CHUNK_DONE && k->state != CHUNK_BAD) {
		if (k->state == CHUNK_DATA) {
			*out = (struct slice){ in->p, k->left < in->len ? (size_t)k->left : in->len };
			*in = slice_from(*in, out->len);
			if ((k->left -= out->len) == 0)
				k->state = CHUNK_DATA_CR;
			return HTTP_MORE;
		}
		k->state = (unsigned char)step(k, in->p[0]);
		*in = slice_from(*in, 1);
		if (is_overhead(k) && ++k->overhead > CHUNK_OVERHEAD_MAX)
			k->state = CHUNK_BAD;
	}
	return k->state == CHUNK_DONE ? HTTP_DONE : k->state == CHUNK_BAD ? HTTP_BAD : HTTP_MORE;
}
