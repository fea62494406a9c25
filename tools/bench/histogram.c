#include "tools/bench/histogram.h"

#include <math.h>

#include "base/banned.h"

enum { SUB_BITS = 7 };

static unsigned
bucket_of(uint64_t ns)
{
	unsigned shift, at;

	if (ns < HISTOGRAM_SUB)
		return (unsigned)ns;
	shift = 63u - (unsigned)__builtin_clzll(ns) - SUB_BITS;
	at = shift * HISTOGRAM_SUB + (unsigned)(ns >> shift);
	return at < HISTOGRAM_BUCKETS ? at : HISTOGRAM_BUCKETS - 1;
}

static uint64_t
bucket_top(unsigned at)
{
	unsigned shift;

	if (at < HISTOGRAM_SUB)
		return at;
	shift = at / HISTOGRAM_SUB - 1;
	return ((uint64_t)(at - shift * HISTOGRAM_SUB + 1) << shift) - 1;
}

void
histogram_add(struct histogram *h, uint64_t ns)
{
	h->count++;
	h->sum += ns;
	if (ns > h->max)
		h->max = ns;
	h->buckets[bucket_of(ns)]++;
}

void
histogram_merge(struct histogram *into, const struct histogram *from)
{
	into->count += from->count;
	into->sum += from->sum;
	if (from->max > into->max)
		into->max = from->max;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
}

uint64_t
histogram_quantile(const struct histogram *h, double share)
{
	uint64_t want = (uint64_t)ceil(share * (double)h->count), seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS && want > 0; i++) {
		seen += h->buckets[i];
		if (seen >= want)
			return bucket_top(i) < h->max ? bucket_top(i) : h->max;
	}
	return 0;
}
