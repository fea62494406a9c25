#include "daemon/directory/cursor.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "schema/text.h"

#include "base/banned.h"

/* A cursor's bytes, before base64url:
 *   u8 layout | u8 type code | u8 started | u8 stage | u32 expires (s since 1970) | u64 row | u64 count | u16 key length | key | MAC
 * The MAC covers these bytes and what the cursor is bound to: org, connection, path, and the query's parameters but count
 * (which has an error of its own, RFC 9865 section 2.1). The key is the store's secret, so a cursor outlives a restart. */
enum { CURSOR_LAYOUT = 1, CURSOR_HEAD = 26, CURSOR_MAC = 16, CURSOR_TEXT_MAX = 4096 };

static void
put_uint(struct buf *b, uint64_t v, int size)
{
	while (size-- > 0)
		buf_char(b, (char)(v >> (8 * size)));
}

static uint64_t
get_uint(struct slice *s, size_t size)
{
	uint64_t v = 0;

	for (size_t i = 0; i < size; i++)
		v = v << 8 | (unsigned char)s->p[i];
	*s = slice_from(*s, size);
	return v;
}

static void
put_text(struct buf *b, struct slice s)
{
	put_uint(b, s.len, 4);
	buf_slice(b, s);
}

static void
cursor_mac(const struct cursor_binding *to, struct slice bytes, unsigned char mac[EVP_MAX_MD_SIZE])
{
	const struct list_request *lr = to->query;
	struct buf b = BUF_INIT;

	put_text(&b, bytes);
	put_uint(&b, to->org, 4);
	put_uint(&b, to->connection, 4);
	put_uint(&b, to->type, 1);
	put_text(&b, lr->filter);
	put_text(&b, lr->sort_by);
	put_uint(&b, lr->descending, 1);
	put_text(&b, lr->attributes);
	put_text(&b, lr->excluded);
	(void)HMAC(EVP_sha256(), to->secret, 32, (unsigned char *)b.p, b.len,
		mac, NULL);
	buf_release(&b);
}

static void
to_url_alphabet(char *p, size_t *len)
{
	while (*len > 0 && p[*len - 1] == '=')
		--*len;
	for (size_t i = 0; i < *len; i++)
		p[i] = p[i] == '+' ? '-' : p[i] == '/' ? '_' : p[i];
}

struct slice
cursor_write(const struct cursor_binding *to, struct arena *a, const struct cursor *c)
{
	uint64_t now = (uint64_t)(to->now / 10000000);
	unsigned char mac[EVP_MAX_MD_SIZE];
	struct buf b = BUF_INIT;
	struct slice text;
	char *p;

	put_uint(&b, CURSOR_LAYOUT, 1);
	put_uint(&b, c->type_code, 1);
	put_uint(&b, c->started, 1);
	put_uint(&b, c->position.stage, 1);
	put_uint(&b, now + to->timeout, 4);
	put_uint(&b, c->position.row, 8);
	put_uint(&b, c->count, 8);
	put_uint(&b, c->position.key.len, 2);
	buf_slice(&b, c->position.key);
	cursor_mac(to, buf_as_slice(&b), mac);
	buf_put(&b, mac, CURSOR_MAC);
	text = base64_encode(a, buf_as_slice(&b));
	buf_release(&b);
	p = arena_alloc(a, text.len);
	memcpy(p, text.p, text.len);
	to_url_alphabet(p, &text.len);
	return (struct slice){ p, text.len };
}

static enum rc
invalid(struct err *err)
{
	return fail(err, RC_INVALID_CURSOR, "cursor",
		"is not a cursor of this query; begin with an empty one and keep all other parameters");
}

enum rc
cursor_read(const struct cursor_binding *to, struct arena *a, struct slice text, struct cursor *out, struct err *err)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	struct slice bytes, body;
	uint64_t expires;

	if (text.len > CURSOR_TEXT_MAX || !base64_decode(a, text, &bytes) ||
		bytes.len < CURSOR_HEAD + CURSOR_MAC || bytes.p[0] != CURSOR_LAYOUT)
		return invalid(err);
	body = (struct slice){ bytes.p, bytes.len - CURSOR_MAC };
	cursor_mac(to, body, mac);
	if (CRYPTO_memcmp(mac, bytes.p + body.len, CURSOR_MAC) != 0)
		return invalid(err);
	body = slice_from(body, 1);
	out->type_code = (uint8_t)get_uint(&body, 1);
	out->started = get_uint(&body, 1) != 0;
	out->position.stage = (unsigned char)get_uint(&body, 1);
	expires = get_uint(&body, 4);
	out->position.row = get_uint(&body, 8);
	out->count = get_uint(&body, 8);
	if (get_uint(&body, 2) != body.len)
		return invalid(err);
	out->position.key = body.len > 0 ? body : (struct slice){ NULL, 0 };
	if (expires < (uint64_t)(to->now / 10000000))
		return fail(err, RC_EXPIRED_CURSOR, "cursor",
			"has expired; the next page must be asked for within %llu s",
			(unsigned long long)to->timeout);
	return RC_OK;
}
