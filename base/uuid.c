#include "base/uuid.h"

static bool
is_dash(size_t at)
{
	return at == 8 || at == 13 || at == 18 || at == 23;
}

struct uuid
uuid_v7(struct uuid_gen *g, uint64_t now_ms, const uint8_t random[8])
{
	struct uuid u;

	if (now_ms > g->last_ms) {
		g->last_ms = now_ms;
		g->counter = 0;
	} else if (++g->counter > 0xFFF) {
		g->last_ms++;
		g->counter = 0;
	}
	for (int i = 0; i < 6; i++)
		u.bytes[i] = (uint8_t)(g->last_ms >> (40 - 8 * i));
	u.bytes[6] = (uint8_t)(0x70 | g->counter >> 8);
	u.bytes[7] = (uint8_t)g->counter;
	memcpy(u.bytes + 8, random, 8);
	u.bytes[8] = (uint8_t)(0x80 | (u.bytes[8] & 0x3F));
	return u;
}

void
uuid_format(const struct uuid *u, char out[UUID_TEXT])
{
	static const char hex[] = "0123456789abcdef";
	size_t at = 0;

	for (size_t i = 0; i < UUID_SIZE; i++) {
		if (is_dash(at))
			out[at++] = '-';
		out[at++] = hex[u->bytes[i] >> 4];
		out[at++] = hex[u->bytes[i] & 15];
	}
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
uuid_parse(struct slice text, struct uuid *out)
{
	size_t byte = 0;

	if (text.len != UUID_TEXT)
		return false;
	for (size_t at = 0; at < UUID_TEXT; at += 2) {
		int high, low;

		if (is_dash(at)) {
			if (text.p[at] != '-')
				return false;
			at++;
		}
		high = hex_value(text.p[at]);
		low = hex_value(text.p[at + 1]);
		if (high < 0 || low < 0)
			return false;
		out->bytes[byte++] = (uint8_t)(high << 4 | low);
	}
	return true;
}
