#include "base/siphash.h"

#include <endian.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/banned.h"

struct state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t
rotl(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static inline void
sip_round(struct state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 = rotl(s->v2, 32);
}

static inline void
take_word(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	sip_round(s);
	s->v0 ^= word;
}

static inline uint64_t
finish(struct state *s)
{
	for (int i = 0; i < 4; i++)
		sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* wide: 0, or what sets the longer output apart. */
static struct state
digest(const struct sipkey *key, struct slice text, uint64_t wide)
{
	struct state s = { key->k0 ^ UINT64_C(0x736f6d6570736575),
		key->k1 ^ UINT64_C(0x646f72616e646f6d) ^ wide, key->k0 ^ UINT64_C(0x6c7967656e657261),
		key->k1 ^ UINT64_C(0x7465646279746573) };
	uint64_t word, last = (uint64_t)text.len << 56;
	size_t at = 0;

	for (; text.len - at >= 8; at += 8) {
		memcpy(&word, text.p + at, 8);
		take_word(&s, le64toh(word));
	}
	for (unsigned i = 0; at + i < text.len; i++)
		last |= (uint64_t)(unsigned char)text.p[at + i] << 8 * i;
	take_word(&s, last);
	s.v2 ^= wide != 0 ? 0xEE : 0xFF;
	return s;
}

struct sipkey
sipkey_new(void)
{
	struct sipkey key;

	if (getrandom(&key, sizeof(key), 0) != (ssize_t)sizeof(key))
		abort(); /* can't happen once the kernel's pool is ready */
	return key;
}

uint64_t
siphash(const struct sipkey *key, struct slice text)
{
	struct state s = digest(key, text, 0);

	return finish(&s);
}

struct sip128
siphash128(const struct sipkey *key, struct slice text)
{
	struct state s = digest(key, text, 0xEE);
	struct sip128 out = { .low = finish(&s) };

	s.v1 ^= 0xDD;
	out.high = finish(&s);
	return out;
}
