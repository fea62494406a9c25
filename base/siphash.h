/* SipHash-2-4 with 64 and 128 bits of output: keyed hashes of short texts for tables in memory, which
 * nobody who sends the texts can make collide without the key. No cryptographic digest: what must be
 * proven to a stranger is hashed with SHA-256. */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stdint.h>

#include "base/slice.h"

struct sipkey {
	uint64_t k0, k1;
};

struct sip128 {
	uint64_t low, high;
};

/* A random key. */
struct sipkey sipkey_new(void);

uint64_t siphash(const struct sipkey *key, struct slice text);
struct sip128 siphash128(const struct sipkey *key, struct slice text);

#endif
