/* A request head of any bytes: however it arrives, it is read alike; every slice lies inside; the fields are then taken apart. */
#include <stdint.h>
#include <stdlib.h>

#include "protocol/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_limits limits = { 512, 2048 };

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
check_slice(struct slice s, struct slice whole)
{
	if (s.p == NULL || (s.len == 1 && s.p[0] == '/')) /* "/" may be ours */
		return;
	must(s.p >= whole.p && s.p + s.len <= whole.p + whole.len);
	must(s.len == 0 || (memchr(s.p, '\n', s.len) == NULL && memchr(s.p, '\r', s.len) == NULL));
}

static void
use_fields(const struct http_request *rq, struct slice whole)
{
	const struct slice all[] = { rq->method_text, rq->target, rq->path, rq->query, rq->host, rq->authorization,
		rq->content_type, rq->content_encoding, rq->accept, rq->accept_encoding, rq->if_match,
		rq->if_none_match, rq->request_id, rq->prefer };
	struct arena *a = arena_new();
	struct slice out;
	bool found;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		check_slice(all[i], whole);
	must(rq->head_len <= limits.head && rq->target.len <= limits.target);
	must(!(rq->chunked && rq->has_length));
	if (http_decode(a, rq->path, false, &out))
		must(out.len <= rq->path.len && memchr(out.p, '\0', out.len) == NULL);
	if (http_query(a, rq->query, "filter", &out, &found) && found)
		must(out.len <= rq->query.len);
	(void)http_accepts(rq->accept, SLICE("application"), SLICE("scim+json"));
	(void)http_accepts_coding(rq->accept_encoding, SLICE("gzip"));
	(void)http_etag_list_has(rq->if_match, SLICE("W/\"1\""));
	(void)http_etag_list_has(rq->if_none_match, SLICE("W/\"1\""));
	arena_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice whole = { (const char *)data, size };
	struct http_request rq, part;
	enum rc rc = RC_OK, part_rc = RC_OK;
	enum http_parse r = http_parse_head(whole, &limits, &rq, &rc, NULL), got = HTTP_MORE;
	size_t step = size / 64 + 1;

	for (size_t n = 0; n < size && got == HTTP_MORE; n += step)
		got = http_parse_head((struct slice){ whole.p, n }, &limits, &part, &part_rc, NULL);
	if (got != HTTP_MORE)
		must(got == r && part_rc == rc);
	if (r == HTTP_DONE) {
		must(http_parse_head((struct slice){ whole.p, rq.head_len - 1 }, &limits, &part, &part_rc, NULL) ==
			HTTP_MORE);
		use_fields(&rq, whole);
	} else if (r == HTTP_BAD) {
		must(rc != RC_OK);
	}
	return 0;
}
