#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "protocol/http.h"

#include <cmocka.h> /* last: it has a macro fail() */

static const struct http_limits limits = { 200, 1000 };

#define GET "GET /Users HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define POST "POST /Users HTTP/1.1\r\nHost: a\r\n"

static enum http_parse
parse(struct slice text, struct http_request *rq, enum rc *rc)
{
	struct err err = ERR_INIT;
	enum http_parse r;

	*rc = RC_OK;
	r = http_parse_head(text, &limits, rq, rc, &err);
	if (r == HTTP_BAD)
		assert_true(*rc != RC_OK && err.detail[0] != '\0');
	return r;
}

static const struct {
	const char *text;
	enum http_parse result;
	int status;
} cases[] = {
	/* RFC 9112 section 3: the request line. */
	{ GET HOST "\r\n", HTTP_DONE, 0 },
	{ "GET / HTTP/1.0\r\n\r\n", HTTP_DONE, 0 },
	{ "GET / HTTP/1.2\r\nHost: a\r\n\r\n", HTTP_DONE, 0 },
	{ "\r\n\r\n" GET HOST "\r\n", HTTP_DONE, 0 }, /* 2.2: blank lines before it */
	{ "\n" GET HOST "\r\n", HTTP_BAD, 400 },
	{ "\rGET / HTTP/1.1\r\n\r\n", HTTP_BAD, 400 },
	{ " GET / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET / x HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET /\r\n", HTTP_BAD, 400 }, /* HTTP/0.9 */
	{ "GET / http/1.1\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET / HTTP/11\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET / HTTP/1.10\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET / HTTP/1.1\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET / HTTP/2.0\r\nHost: a\r\n\r\n", HTTP_BAD, 505 },
	{ "GET / HTTP/0.9\r\nHost: a\r\n\r\n", HTTP_BAD, 505 },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP_BAD, 400 },
	{ "G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_DONE, 0 },
	{ "\x16\x03\x01\x02\x05\x01", HTTP_BAD, 400 }, /* TLS to a plain port */
	{ "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n", HTTP_BAD, 400 },
	/* 3.2: targets. */
	{ "GET http://h:1/x?y HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_DONE, 0 },
	{ "GET HTTPS://h HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_DONE, 0 },
	{ "GET ftp://h/ HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET http://u@h/x HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET x HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET * HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_DONE, 0 },
	{ "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_BAD, 400 },
	{ "GET /U?filter=a%20eq%20\"b\" HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_DONE, 0 },
	/* 5: field syntax. */
	{ GET "Host: a\r\nX-Y: \tz \r\n\r\n", HTTP_DONE, 0 },
	{ GET "Host: a\r\nX:\r\n\r\n", HTTP_DONE, 0 },
	{ GET "Host: a\r\nX: caf\xc3\xa9\r\n\r\n", HTTP_DONE, 0 }, /* obs-text */
	{ GET "Host : a\r\n\r\n", HTTP_BAD, 400 },
	{ GET "Host\t: a\r\n\r\n", HTTP_BAD, 400 },
	{ GET " Host: a\r\n\r\n", HTTP_BAD, 400 },
	{ GET "Host: a\r\nX: b\r\n c\r\n\r\n", HTTP_BAD, 400 }, /* obs-fold */
	{ GET "Host: a\r\nX: b\r\n\tc\r\n\r\n", HTTP_BAD, 400 },
	{ GET "Host: a\nX: b\r\n\r\n", HTTP_BAD, 400 }, /* bare LF */
	{ GET "Host: a\r\n\n", HTTP_BAD, 400 },
	{ GET "Host: a\rX: b\r\n\r\n", HTTP_BAD, 400 }, /* bare CR */
	{ GET "Host: a\r\nX: b\r\r\n\r\n", HTTP_BAD, 400 },
	{ GET "Host: a\r\nX: b\x01\r\n\r\n", HTTP_BAD, 400 },
	{ GET "Host: a\r\n: b\r\n\r\n", HTTP_BAD, 400 },
	{ GET "Host: a\r\nnocolon\r\n\r\n", HTTP_BAD, 400 },
	{ GET "Host: a\r\nX(: b\r\n\r\n", HTTP_BAD, 400 },
	{ GET "Host: a\r\n\xc3\xa9: b\r\n\r\n", HTTP_BAD, 400 },
	/* 3.2: Host. */
	{ GET "\r\n", HTTP_BAD, 400 },
	{ GET "Host: a\r\nhost: a\r\n\r\n", HTTP_BAD, 400 },
	{ GET "Host: a b\r\n\r\n", HTTP_BAD, 400 },
	{ GET "Host: a/b\r\n\r\n", HTTP_BAD, 400 },
	{ GET "Host: u@a\r\n\r\n", HTTP_BAD, 400 },
	{ GET "Host: [::1]:8443\r\n\r\n", HTTP_DONE, 0 },
	/* 6: how long the body is; the shapes of request smuggling. */
	{ POST "Content-Length: 5\r\n\r\n", HTTP_DONE, 0 },
	{ POST "Content-Length: 99999999999999999999999\r\n\r\n", HTTP_DONE, 0 }, /* too large, yet well formed */
	{ POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Content-Length: 5, 5\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Content-Length: +5\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Content-Length: -5\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Content-Length: 0x5\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Content-Length: 5 5\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Content-Length: 5;\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Content-Length: \"5\"\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Content-Length:\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Content-Length : 5\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Transfer-Encoding: chunked\r\n\r\n", HTTP_DONE, 0 },
	{ POST "Transfer-Encoding: Chunked\r\n\r\n", HTTP_DONE, 0 },
	{ POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Transfer-Encoding: gzip, chunked\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Transfer-Encoding: chunked, identity\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Transfer-Encoding: identity\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Transfer-Encoding: xchunked\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Transfer-Encoding: chunked;a=b\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Transfer-Encoding:\x0b" "chunked\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Transfer-Encoding: \"chunked\"\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Transfer-Encoding:\r\n chunked\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Transfer-Encoding : chunked\r\n\r\n", HTTP_BAD, 400 },
	{ POST "Transfer-Encoding:\r\n\r\n", HTTP_BAD, 400 },
	{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_BAD, 400 },
	/* RFC 9110 section 10.1.1. */
	{ POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n", HTTP_DONE, 0 },
	{ POST "Expect: a-pony\r\nContent-Length: 1\r\n\r\n", HTTP_BAD, 417 },
	/* What must not be there twice. */
	{ GET HOST "Authorization: a\r\nAuthorization: b\r\n\r\n", HTTP_BAD, 400 },
	{ GET HOST "Content-Type: a\r\ncontent-type: a\r\n\r\n", HTTP_BAD, 400 },
	{ GET HOST "If-Match: \"a\"\r\nIf-Match: \"b\"\r\n\r\n", HTTP_BAD, 400 },
	{ GET HOST "Accept: a/b\r\nAccept: c/d\r\n\r\n", HTTP_DONE, 0 },
	/* Not all there. */
	{ "", HTTP_MORE, 0 },
	{ "GET", HTTP_MORE, 0 },
	{ "GET /", HTTP_MORE, 0 },
	{ "GET / HTTP/1.1\r", HTTP_MORE, 0 },
	{ GET, HTTP_MORE, 0 },
	{ GET HOST "\r", HTTP_MORE, 0 },
};

static void
heads_are_told_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_request rq;
		struct slice text = slice_of(cases[i].text);
		enum rc rc;
		enum http_parse r = parse(text, &rq, &rc);

		if (r != cases[i].result || (r == HTTP_BAD && rc_status(rc) != cases[i].status))
			fail_msg("case %zu: %d, status %d: %s", i, (int)r, rc_status(rc), cases[i].text);
		if (r == HTTP_DONE)
			assert_int_equal(rq.head_len, text.len);
	}
}

/* For each case and each prefix: more is asked for until the very byte that decides, and then it is what the whole gives. */
static void
splits_change_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_request whole, part;
		struct slice text = slice_of(cases[i].text);
		enum rc rc, rc_part;
		enum http_parse r = parse(text, &whole, &rc), got = HTTP_MORE;
		bool decided = false;

		for (size_t n = 0; n <= text.len; n++) {
			/* An exact copy, so that a sanitizer sees a step too far. */
			char *copy = malloc(n + 1);

			memcpy(copy, text.p, n);
			copy = realloc(copy, n > 0 ? n : 1);
			got = parse((struct slice){ copy, n }, &part, &rc_part);
			free(copy);
			if (decided && got == HTTP_MORE)
				fail_msg("case %zu wants more after it had decided, at %zu", i, n);
			decided = got != HTTP_MORE;
			if (decided && (got != r || rc != rc_part || (r == HTTP_DONE && n < text.len)))
				fail_msg("case %zu differs at %zu", i, n);
		}
		assert_int_equal(got, r);
	}
}

static void
assert_slice(struct slice got, const char *want)
{
	if (!slice_eq(got, slice_of(want)))
		fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARG(got), want);
}

static void
everything_is_found(void **state)
{
	static const char text[] =
		"PATCH /orgs/acme/scim/v2/Users/1?attributes=a&b=c?d HTTP/1.1\r\n"
		"hOST: example.com:8443\r\n"
		"AUTHORIZATION:Bearer abc\r\n"
		"Content-Type: application/scim+json; charset=utf-8\r\n"
		"Content-Encoding: identity\r\n"
		"Content-Length: 00042 \r\n"
		"Accept: application/scim+json\r\n"
		"Accept-Encoding: gzip, br\r\n"
		"If-Match: W/\"1\"\r\n"
		"If-None-Match: *\r\n"
		"X-Request-Id:  r-1\t\r\n"
		"Prefer: return=minimal\r\n"
		"Expect: 100-continue\r\n"
		"Unknown: x\r\n"
		"\r\n{";
	struct http_request rq;
	enum rc rc;

	(void)state;
	assert_int_equal(parse(slice_of(text), &rq, &rc), HTTP_DONE);
	assert_int_equal(rq.head_len, sizeof(text) - 2);
	assert_int_equal(rq.method, HTTP_PATCH);
	assert_slice(rq.method_text, "PATCH");
	assert_slice(rq.target, "/orgs/acme/scim/v2/Users/1?attributes=a&b=c?d");
	assert_slice(rq.path, "/orgs/acme/scim/v2/Users/1");
	assert_slice(rq.query, "attributes=a&b=c?d");
	assert_slice(rq.host, "example.com:8443");
	assert_slice(rq.authorization, "Bearer abc");
	assert_slice(rq.content_type, "application/scim+json; charset=utf-8");
	assert_slice(rq.content_encoding, "identity");
	assert_slice(rq.accept, "application/scim+json");
	assert_slice(rq.accept_encoding, "gzip, br");
	assert_slice(rq.if_match, "W/\"1\"");
	assert_slice(rq.if_none_match, "*");
	assert_slice(rq.request_id, "r-1");
	assert_slice(rq.prefer, "return=minimal");
	assert_true(rq.has_length && rq.length == 42);
	assert_true(rq.keep_alive && rq.expect_continue && !rq.chunked);
	assert_int_equal(rq.minor, 1);
}

static void
targets_are_split(void **state)
{
	static const struct {
		const char *target, *host, *path, *query;
	} t[] = {
		{ "/", "a", "/", NULL },
		{ "/?", "a", "/", "" },
		{ "/x?a=?b", "a", "/x", "a=?b" },
		{ "//x", "a", "//x", NULL },
		{ "http://h:1/x?y", "h:1", "/x", "y" }, /* RFC 9112 section 3.2.2: goes before Host */
		{ "http://h", "h", "/", NULL },
		{ "https://h?q", "h", "/", "q" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char text[100];
		struct http_request rq;
		enum rc rc;

		(void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", t[i].target);
		assert_int_equal(parse(slice_of(text), &rq, &rc), HTTP_DONE);
		assert_slice(rq.host, t[i].host);
		assert_slice(rq.path, t[i].path);
		assert_true((rq.query.p != NULL) == (t[i].query != NULL));
		if (t[i].query != NULL)
			assert_slice(rq.query, t[i].query);
	}
}

static void
connections_are_kept_or_not(void **state)
{
	static const struct {
		const char *text;
		bool keep;
	} t[] = {
		{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true },
		{ "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false },
		{ "GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, CLOSE\r\n\r\n", false },
		{ "GET / HTTP/1.1\r\nHost: a\r\nConnection: foo\r\nConnection: close\r\n\r\n", false },
		{ "GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true },
		{ "GET / HTTP/1.0\r\n\r\n", false },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true },
		{ "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct http_request rq;
		enum rc rc;

		assert_int_equal(parse(slice_of(t[i].text), &rq, &rc), HTTP_DONE);
		assert_true(rq.keep_alive == t[i].keep);
	}
}

static void
limits_are_exact(void **state)
{
	char text[4096];
	struct http_request rq;
	enum rc rc;
	int n;

	(void)state;
	/* The target: 200 bytes are fine, 201 are not, and that shows before it ends. */
	n = snprintf(text, sizeof(text), "GET /%0199d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
	assert_int_equal(parse((struct slice){ text, (size_t)n }, &rq, &rc), HTTP_DONE);
	n = snprintf(text, sizeof(text), "GET /%0200d", 0);
	assert_int_equal(parse((struct slice){ text, (size_t)n }, &rq, &rc), HTTP_BAD);
	assert_int_equal(rc, RC_URI_TOO_LONG);
	/* The head: 1000 bytes. */
	n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\nX: %0968d\r\n\r\n", 0);
	assert_int_equal(n, 1000);
	assert_int_equal(parse((struct slice){ text, 1000 }, &rq, &rc), HTTP_DONE);
	n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\nX: %0969d\r\n\r\n", 0);
	assert_int_equal(parse((struct slice){ text, 1000 }, &rq, &rc), HTTP_MORE);
	assert_int_equal(parse((struct slice){ text, 1001 }, &rq, &rc), HTTP_BAD);
	assert_int_equal(rc, RC_HEADERS_TOO_LARGE);
	/* A body behind a head does not count. */
	n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n\r\n%02000d", 0);
	assert_int_equal(parse((struct slice){ text, (size_t)n }, &rq, &rc), HTTP_DONE);
}

/* Each byte at each place of a value: controls but the tab are refused (RFC 9110 section 5.5). */
static void
values_hold_no_controls(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++)
		for (size_t at = 0; at < 20; at++) {
			char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX: (abcdefghijklmnopqrst)\r\n\r\n";
			struct http_request rq;
			enum rc rc;
			bool fine = c == '\t' || (c >= ' ' && c != 0x7f);

			text[29 + at] = (char)c;
			if (parse((struct slice){ text, sizeof(text) - 1 }, &rq, &rc) != (fine ? HTTP_DONE : HTTP_BAD))
				fail_msg("byte %u at %zu", c, at);
		}
}

static void
header_lines_are_counted(void **state)
{
	struct buf b = { NULL, 0, 0 };
	struct http_request rq;
	enum rc rc;

	(void)state;
	BUF_LIT(&b, GET HOST);
	for (int i = 1; i < HTTP_HEADERS_MAX; i++)
		BUF_LIT(&b, "a:b\r\n");
	BUF_LIT(&b, "\r\n");
	assert_int_equal(parse(buf_as_slice(&b), &rq, &rc), HTTP_DONE);
	b.len -= 2;
	BUF_LIT(&b, "a:b\r\n\r\n");
	assert_int_equal(parse(buf_as_slice(&b), &rq, &rc), HTTP_BAD);
	assert_int_equal(rc, RC_HEADERS_TOO_LARGE);
	buf_release(&b);
}

/* --- chunked --- */

static const struct {
	const char *text, *body;
	enum http_parse result;
	size_t left;
} chunked[] = {
	{ "0\r\n\r\n", "", HTTP_DONE, 0 },
	{ "5\r\nhello\r\n0\r\n\r\n", "hello", HTTP_DONE, 0 },
	{ "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", HTTP_DONE, 0 },
	{ "00A\r\n0123456789\r\n000\r\n\r\n", "0123456789", HTTP_DONE, 0 },
	{ "a;x=\"y;\\\"z\"\r\n0123456789\r\n0;b\r\nTrailer: v\r\nOther:\r\n\r\nGET", "0123456789", HTTP_DONE, 3 },
	{ "2\r\n\r\n\r\n0\r\n\r\n", "\r\n", HTTP_DONE, 0 },
	{ "5\r\nhel", "hel", HTTP_MORE, 0 },
	{ "\r\n", "", HTTP_BAD, 0 },
	{ "g\r\n", "", HTTP_BAD, 0 },
	{ "-1\r\n", "", HTTP_BAD, 0 },
	{ "0x5\r\nhello\r\n", "", HTTP_BAD, 0 },
	{ " 5\r\nhello\r\n", "", HTTP_BAD, 0 },
	{ "5 \r\nhello\r\n", "", HTTP_BAD, 0 },
	{ "5\nhello\r\n", "", HTTP_BAD, 0 },
	{ "5\rhello\r\n", "", HTTP_BAD, 0 },
	{ "5;a\nhello\r\n", "", HTTP_BAD, 0 },
	{ "5\r\nhello0\r\n\r\n", "hello", HTTP_BAD, 0 },
	{ "5\r\nhello\n0\r\n\r\n", "hello", HTTP_BAD, 0 },
	{ "ffffffffffffffff\r\n", "", HTTP_BAD, 0 },
	{ "10000000000000000\r\n", "", HTTP_BAD, 0 },
	{ "0\r\n folded\r\n\r\n", "", HTTP_BAD, 0 },
	{ "0\r\nname : v\r\n\r\n", "", HTTP_BAD, 0 },
	{ "0\r\nname: v\n\r\n", "", HTTP_BAD, 0 },
	{ "0\r\nname\r\n\r\n", "", HTTP_BAD, 0 },
	{ "0\r\n\n", "", HTTP_BAD, 0 },
};

/* Decodes in steps of at most `step` bytes. */
static enum http_parse
decode(struct slice text, size_t step, struct buf *body, size_t *left)
{
	struct http_chunked k = { 0, 0, 0 };
	enum http_parse r = HTTP_MORE;

	for (size_t at = 0; at < text.len && r == HTTP_MORE;) {
		size_t n = text.len - at < step ? text.len - at : step;
		struct slice in = { text.p + at, n }, run;

		while (r == HTTP_MORE && in.len > 0) {
			r = http_chunked_next(&k, &in, &run);
			if (r != HTTP_BAD)
				buf_slice(body, run);
		}
		at += n - in.len;
		*left = text.len - at;
	}
	return r;
}

static void
chunks_are_joined_however_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(chunked) / sizeof(chunked[0]); i++) {
		struct slice text = slice_of(chunked[i].text);

		for (size_t step = 1; step <= text.len; step++) {
			struct buf body = { NULL, 0, 0 };
			size_t left = 0;

			if (decode(text, step, &body, &left) != chunked[i].result)
				fail_msg("chunked case %zu in steps of %zu: %s", i, step, chunked[i].text);
			assert_slice(buf_as_slice(&body), chunked[i].body);
			if (chunked[i].result == HTTP_DONE)
				assert_int_equal(left, chunked[i].left);
			buf_release(&body);
		}
	}
}

static void
chunk_decorations_are_bounded(void **state)
{
	static const char *const forever[] = { "0", "1;a", "0\r\na:b" };

	(void)state;
	for (size_t i = 0; i < sizeof(forever) / sizeof(forever[0]); i++) {
		struct buf text = { NULL, 0, 0 }, body = { NULL, 0, 0 };
		size_t left;

		buf_slice(&text, slice_of(forever[i]));
		for (int n = 0; n < 10000; n++)
			buf_char(&text, forever[i][strlen(forever[i]) - 1]);
		assert_int_equal(decode(buf_as_slice(&text), 100, &body, &left), HTTP_BAD);
		buf_release(&text);
		buf_release(&body);
	}
}

/* --- fields --- */

static void
escapes_are_decoded(void **state)
{
	static const struct {
		const char *text;
		bool plus;
		const char *want; /* NULL: refused */
	} t[] = {
		{ "abc", false, "abc" }, { "", false, "" }, { "a%20b", false, "a b" }, { "a+b", false, "a+b" },
		{ "a+b", true, "a b" }, { "a%2Bb", true, "a+b" }, { "%c3%A4", false, "\xc3\xa4" },
		{ "%F0%9F%98%80", false, "\xf0\x9f\x98\x80" }, { "%", false, NULL }, { "%4", false, NULL },
		{ "%4g", false, NULL }, { "%00", false, NULL }, { "%c3", false, NULL }, { "%c0%80", false, NULL },
		{ "%ed%a0%80", false, NULL }, { "%f4%90%80%80", false, NULL }, { "%ff", false, NULL },
		{ "%e0%80%80", false, NULL }, { "%f0%80%80%80", false, NULL }, { "%25", false, "%" },
	};
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct slice out;
		bool ok = http_decode(a, slice_of(t[i].text), t[i].plus, &out);

		assert_true(ok == (t[i].want != NULL));
		if (ok)
			assert_slice(out, t[i].want);
	}
	arena_free(a);
}

static void
query_parameters_are_found(void **state)
{
	static const struct {
		const char *query, *name, *want; /* "!" malformed, NULL absent */
	} t[] = {
		{ "filter=a%20eq%20%22b%22&count=5", "filter", "a eq \"b\"" },
		{ "filter=a&count=5", "count", "5" }, { "startindex=3", "startIndex", "3" },
		{ "a=1&a=2", "a", "1" }, { "a", "a", "" }, { "a=", "a", "" }, { "=1", "a", NULL },
		{ "ab=1", "a", NULL }, { "", "a", NULL }, { "a=%zz", "a", "!" }, { "b=%zz&a=1", "a", "1" },
		{ "%66ilter=x", "filter", "x" }, { "a=b=c", "a", "b=c" }, { "&&a=1&", "a", "1" },
		{ "filter=userName+eq+%22x%2By%22", "filter", "userName eq \"x+y\"" },
	};
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct slice out;
		bool found, ok = http_query(a, slice_of(t[i].query), t[i].name, &out, &found);

		if (t[i].want == NULL) {
			assert_true(ok && !found);
		} else if (t[i].want[0] == '!') {
			assert_true(!ok && found);
		} else {
			assert_true(ok && found);
			assert_slice(out, t[i].want);
		}
	}
	arena_free(a);
}

static void
media_types_are_negotiated(void **state)
{
	static const struct {
		const char *accept;
		bool want; /* application/scim+json */
	} t[] = {
		{ NULL, true }, { "", true }, { "*/*", true }, { "application/*", true },
		{ "application/scim+json", true }, { "APPLICATION/SCIM+JSON", true }, { "application/json", false },
		{ "text/html", false }, { "text/html, */*;q=0.1", true }, { "text/html, */*; q=0", false },
		{ "application/scim+json;q=0, */*", false }, { "application/scim+json;charset=utf-8", true },
		{ "application/*;q=0, application/scim+json", true }, { "text/html;a=\",\", application/scim+json", true },
		{ "*/*;q=0.000", false }, { "*/*;q=0.001", true }, { "text/html, *; q=.2", true }, { ",,", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (http_accepts(slice_of(t[i].accept), SLICE("application"), SLICE("scim+json")) != t[i].want)
			fail_msg("Accept: %s", t[i].accept);
}

static void
codings_are_negotiated(void **state)
{
	static const struct {
		const char *accept;
		bool want; /* gzip */
	} t[] = {
		{ NULL, false }, { "", false }, { "gzip", true }, { "GZIP", true }, { "deflate", false },
		{ "deflate, gzip", true }, { "gzip;q=0", false }, { "gzip; q=0.5", true }, { "*", true },
		{ "*;q=0", false }, { "*, gzip;q=0", false }, { "gzip, *;q=0", true }, { "identity", false },
		{ "x-gzipped", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (http_accepts_coding(slice_of(t[i].accept), SLICE("gzip")) != t[i].want)
			fail_msg("Accept-Encoding: %s", t[i].accept);
}

static void
entity_tags_are_compared(void **state)
{
	static const struct {
		const char *list, *tag;
		bool want;
	} t[] = {
		{ NULL, "W/\"1\"", false }, { "*", "W/\"1\"", true }, { "W/\"1\"", "W/\"1\"", true },
		{ "\"1\"", "W/\"1\"", true }, { "W/\"2\"", "W/\"1\"", false }, { "\"2\", W/\"1\"", "W/\"1\"", true },
		{ "\"a,b\", \"c\"", "\"a,b\"", true }, { "\"a,b\"", "\"b\"", false }, { "", "W/\"1\"", false },
		{ "1", "W/\"1\"", false }, { " * ", "W/\"1\"", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (http_etag_list_has(slice_of(t[i].list), slice_of(t[i].tag)) != t[i].want)
			fail_msg("%s against %s", t[i].list, t[i].tag);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_told_apart),
		cmocka_unit_test(splits_change_nothing),
		cmocka_unit_test(everything_is_found),
		cmocka_unit_test(targets_are_split),
		cmocka_unit_test(connections_are_kept_or_not),
		cmocka_unit_test(limits_are_exact),
		cmocka_unit_test(header_lines_are_counted),
		cmocka_unit_test(values_hold_no_controls),
		cmocka_unit_test(chunks_are_joined_however_split),
		cmocka_unit_test(chunk_decorations_are_bounded),
		cmocka_unit_test(escapes_are_decoded),
		cmocka_unit_test(query_parameters_are_found),
		cmocka_unit_test(media_types_are_negotiated),
		cmocka_unit_test(codings_are_negotiated),
		cmocka_unit_test(entity_tags_are_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
