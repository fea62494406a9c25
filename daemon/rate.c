#include "daemon/rate.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/banned.h"

enum { BUCKETS = 1 << 16, PROBES = 16 };

/* until_ns: the time at which the bucket is full again. Before that it is "in debt" by (until -
 * now). */
struct bucket {
	_Atomic uint64_t key; /* 0: never used */
	_Atomic uint64_t until_ns;
};

struct rate {
	_Atomic uint64_t token, token_burst, org, org_burst, address, address_burst;
	struct bucket buckets[BUCKETS];
};

/* A bucket's key is the org's number and the token's (0 for the org's own bucket). The platform has
 * the number 0; a key of 0 is a bucket that was never used. */
static uint64_t
key_of(uint32_t org, uint32_t token)
{
	return ((uint64_t)org + 1) << 32 | token;
}

static uint64_t
mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	return x ^ x >> 33;
}

/* NULL: all places nearby are in use by others who are asking right now. */
static struct bucket *
bucket_find(struct rate *r, uint64_t key, uint64_t now_ns)
{
	uint64_t at = mix(key);
	struct bucket *idle = NULL;
	uint64_t seen, idle_key = 0;

	for (unsigned i = 0; i < PROBES; i++) {
		struct bucket *b = &r->buckets[(at + i) & (BUCKETS - 1)];

		seen = atomic_load_explicit(&b->key, memory_order_relaxed);
		if (seen == key)
			return b;
		if (idle == NULL && (seen == 0 || atomic_load_explicit(&b->until_ns,
							  memory_order_relaxed) <= now_ns)) {
			idle = b;
			idle_key = seen;
		}
		if (seen == 0)
			break;
	}
	if (idle == NULL)
		return NULL;
	if (atomic_compare_exchange_strong(&idle->key, &idle_key, key) || idle_key == key)
		return idle;
	return NULL;
}

/* Generic cell rate algorithm. false: *wait_ns says how long until there is room. */
static bool
bucket_take(struct bucket *b, uint64_t rate, uint64_t burst, uint64_t now_ns, uint64_t *wait_ns)
{
	uint64_t cell = UINT64_C(1000000000) / rate, room = cell * (burst > 0 ? burst : 1);
	uint64_t until = atomic_load_explicit(&b->until_ns, memory_order_relaxed), next;

	do {
		next = (until > now_ns ? until : now_ns) + cell;
		if (next - now_ns > room) {
			*wait_ns = next - now_ns - room;
			return false;
		}
	} while (!atomic_compare_exchange_weak_explicit(
		&b->until_ns, &until, next, memory_order_relaxed, memory_order_relaxed));
	return true;
}

static void
bucket_give_back(struct bucket *b, uint64_t rate)
{
	(void)atomic_fetch_sub_explicit(
		&b->until_ns, UINT64_C(1000000000) / rate, memory_order_relaxed);
}

struct rate *
rate_new(const struct rate_limits *limits)
{
	struct rate *r = calloc(1, sizeof(*r));

	if (r == NULL)
		abort();
	rate_set(r, limits);
	return r;
}

void
rate_free(struct rate *r)
{
	free(r);
}

void
rate_set(struct rate *r, const struct rate_limits *limits)
{
	atomic_store(&r->token, limits->token);
	atomic_store(&r->token_burst, limits->token_burst);
	atomic_store(&r->org, limits->org);
	atomic_store(&r->org_burst, limits->org_burst);
	atomic_store(&r->address, limits->address);
	atomic_store(&r->address_burst, limits->address_burst);
}

/* An hour ahead, so that a bucket's time is never before the clock's zero. */
static uint64_t
bucket_time(int64_t now_us)
{
	return (uint64_t)now_us * 1000 + UINT64_C(3600000000000);
}

static int
whole_seconds(uint64_t wait_ns)
{
	int s = (int)((wait_ns + 999999999) / 1000000000);

	return s < 1 ? 1 : s;
}

bool
rate_take(struct rate *r, const struct caller *c, int64_t now_us, int *retry_after_s)
{
	uint64_t now_ns = bucket_time(now_us), wait_ns = 0;
	uint64_t token_rate = atomic_load_explicit(&r->token, memory_order_relaxed);
	uint64_t org_rate = atomic_load_explicit(&r->org, memory_order_relaxed);
	uint64_t org_burst = atomic_load_explicit(&r->org_burst, memory_order_relaxed);
	struct bucket *token = NULL, *org = NULL;

	/* The org's own limit, where it is the lower one. */
	if (c->request_rate > 0 && (org_rate == 0 || c->request_rate < org_rate)) {
		org_burst = org_rate == 0 ? 2 * c->request_rate
					  : org_burst * c->request_rate / org_rate;
		org_rate = c->request_rate;
	}
	if (token_rate > 0)
		token = bucket_find(r, key_of(c->token_org, c->token), now_ns);
	if (token != NULL && !bucket_take(token, token_rate,
				     atomic_load_explicit(&r->token_burst, memory_order_relaxed),
				     now_ns, &wait_ns))
		goto refused;
	/* The platform is no org: who is there has little in common. */
	if (org_rate > 0 && c->org != ORG_PLATFORM)
		org = bucket_find(r, key_of(c->org, 0), now_ns);
	if (org != NULL && !bucket_take(org, org_rate, org_burst, now_ns, &wait_ns)) {
		if (token != NULL)
			bucket_give_back(token, token_rate);
		goto refused;
	}
	return true;
refused:
	*retry_after_s = whole_seconds(wait_ns);
	return false;
}

/* No org has the number UINT32_MAX - 1: the upper half of an address' key. */
static uint64_t
address_key(const char *peer)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }; /* ::ffff:192.0.2.1 */
	char text[INET6_ADDRSTRLEN] = "";
	const char *end = strrchr(peer, ':');
	uint8_t bytes[16] = { 0 };
	uint64_t words[2];
	size_t len;

	if (end != NULL && peer[0] == '[' && end > peer + 1) {
		peer++;
		end--;
	}
	len = end != NULL ? (size_t)(end - peer) : strlen(peer);
	if (len < sizeof(text))
		memcpy(text, peer, len);
	if (inet_pton(AF_INET, text, bytes) != 1 && inet_pton(AF_INET6, text, bytes) == 1 &&
		memcmp(bytes, mapped, sizeof(mapped)) != 0)
		memset(bytes + 8, 0, 8);
	memcpy(words, bytes, sizeof(words));
	return (uint64_t)UINT32_MAX << 32 | (uint32_t)mix(words[0] ^ mix(words[1]));
}

bool
rate_take_address(struct rate *r, const char *peer, int64_t now_us, int *retry_after_s)
{
	uint64_t rate = atomic_load_explicit(&r->address, memory_order_relaxed), wait_ns = 0;
	uint64_t now_ns = bucket_time(now_us);
	struct bucket *b = rate > 0 ? bucket_find(r, address_key(peer), now_ns) : NULL;

	if (b == NULL || bucket_take(b, rate,
				 atomic_load_explicit(&r->address_burst, memory_order_relaxed),
				 now_ns, &wait_ns))
		return true;
	*retry_after_s = whole_seconds(wait_ns);
	return false;
}
