/* Latencies in log-linear buckets: 128 to each power of two, so a percentile is right to 0.8 %. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_SUB = 128, HISTOGRAM_BUCKETS = 36 * HISTOGRAM_SUB };

/* Zero-initialise. Nanoseconds. */
struct histogram {
	uint64_t count, sum, max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t ns);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The value that a share (0.99) of all values does not pass; 0 when there are none. */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif
