/* UUIDs (RFC 9562). Ids of ours are version 7: a millisecond clock, a counter, random bits. */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum { UUID_SIZE = 16, UUID_TEXT = 36 };

struct uuid {
	uint8_t bytes[UUID_SIZE];
};

/* Makes ids that rise strictly within one generator (RFC 9562 section 6.2, method 1: a 12-bit counter
 * in rand_a, the clock moved ahead when it overflows or steps back). Zero-initialise. Not for
 * several threads. */
struct uuid_gen {
	uint64_t last_ms;
	uint16_t counter;
};

/* now_ms: milliseconds since 1970. random: 8 fresh random bytes. */
struct uuid uuid_v7(struct uuid_gen *g, uint64_t now_ms, const uint8_t random[8]);

/* 36 characters, lower case, no NUL. */
void uuid_format(const struct uuid *u, char out[UUID_TEXT]);

/* The canonical text only: lower case (ids compare with case, RFC 7643 section 3.1), dashes in place. */
bool uuid_parse(struct slice text, struct uuid *out);

#endif
