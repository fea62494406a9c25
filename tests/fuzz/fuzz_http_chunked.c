/* The chunked coding of any bytes: at once, and byte by byte. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "protocol/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum http_parse
decode(struct slice text, size_t step, struct buf *body, size_t *used)
{
	struct http_chunked k = { 0, 0, 0 };
	enum http_parse r = HTTP_MORE;

	*used = 0;
	while (r == HTTP_MORE && *used < text.len) {
		size_t n = text.len - *used < step ? text.len - *used : step;
		struct slice in = { text.p + *used, n }, run;

		while (r == HTTP_MORE && in.len > 0) {
			r = http_chunked_next(&k, &in, &run);
			if (r != HTTP_BAD)
				buf_slice(body, run);
		}
		*used += n - in.len;
	}
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	struct buf whole = BUF_INIT, part = BUF_INIT;
	size_t used, part_used;
	enum http_parse r = decode(text, size + 1, &whole, &used);

	if (decode(text, 1, &part, &part_used) != r || !slice_eq(buf_as_slice(&whole), buf_as_slice(&part)) ||
		used != part_used || whole.len > size)
		abort();
	buf_release(&whole);
	buf_release(&part);
	return 0;
}
