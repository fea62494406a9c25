/* HTTP/1.1 requests, strictly (RFC 9110, RFC 9112): bytes in, a struct out. No I/O, no state between calls but the
 * chunked decoder's own. Whatever could be read two ways by two parsers is refused: both length headers,
 * repeated or malformed Content-Length, any transfer coding but a single "chunked", bare LF, obs-fold, spaces
 * before a colon, control characters. */
#ifndef PROTOCOL_HTTP_H
#define PROTOCOL_HTTP_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

enum http_method {
	HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER,
};

enum { HTTP_HEADERS_MAX = 64 };

struct http_limits {
	size_t target; /* longest request target: URI_TOO_LONG */
	size_t head;   /* longest head, request line and headers: HEADERS_TOO_LARGE */
};

/* Slices point into the bytes that were parsed. Absent headers have p == NULL. */
struct http_request {
	enum http_method method;
	struct slice method_text, target;
	struct slice path, query; /* of the target, still percent-encoded; query without "?" */
	int minor;                /* HTTP/1.minor: 0 or 1 */
	bool keep_alive, chunked, expect_continue, has_length;
	uint64_t length; /* Content-Length */
	struct slice host, authorization, content_type, content_encoding, accept, accept_encoding, if_match,
		if_none_match, request_id /* X-Request-Id */, prefer;
	size_t head_len;
};

enum http_parse { HTTP_MORE, HTTP_DONE, HTTP_BAD };

/* data begins at a request (blank lines before it are passed over, RFC 9112 section 2.2). HTTP_BAD: *rc and err say why; the
 * connection must be closed after the answer. HTTP_MORE: call again with more bytes, from the same beginning; however the bytes
 * are split, the result is the same. Repeated Accept or Accept-Encoding lines are read as absent ones, other repeated headers
 * that are kept here are refused. */
enum http_parse http_parse_head(struct slice data, const struct http_limits *limits,
	struct http_request *out, enum rc *rc, struct err *err);

/* The chunked coding, decoded step by step. Zero-initialise. */
struct http_chunked {
	uint64_t left; /* of the chunk under way */
	unsigned char state;
	size_t overhead; /* bytes of extensions and trailers so far: limited */
};

/* Takes bytes off *in and gives a run of body bytes in *out (may be empty): call again while *in is not empty. HTTP_DONE:
 * the end, with its trailers (dropped), was taken; what is left of *in belongs to the next request. HTTP_BAD: malformed. */
enum http_parse http_chunked_next(struct http_chunked *c, struct slice *in, struct slice *out);

/* Percent-decoding of a path segment, or of a query value (plus: "+" is a space). false on a broken escape or on
 * bytes that are no UTF-8 or hold NUL. */
bool http_decode(struct arena *a, struct slice s, bool plus, struct slice *out);

/* A query parameter by name (ASCII case-insensitive: clients write startindex), decoded. *found tells whether it is there; the first one
 * counts. false when its value is malformed. */
bool http_query(struct arena *a, struct slice query, const char *name, struct slice *value, bool *found);

/* Whether a header like Accept allows a media type ("application", "scim+json"), by the most specific range and q (0 refuses).
 * An absent header allows all. */
bool http_accepts(struct slice accept, struct slice type, struct slice subtype);
/* Whether Accept-Encoding asks for a coding with q > 0 (an absent header does not). */
bool http_accepts_coding(struct slice accept_encoding, struct slice coding);

/* Whether an If-Match or If-None-Match list holds the tag, by opaque parts (weak comparison), or is "*". */
bool http_etag_list_has(struct slice list, struct slice etag);

#endif
