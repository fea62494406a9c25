/* Request rates: a limit for each token, each org, and each address, shared by all workers.
 *
 * Each has a rate (requests a second) and a burst (requests at once after a pause): the generic
 * cell rate algorithm, one 64-bit time a bucket, changed with compare-and-swap. The table of
 * buckets has a fixed size; a bucket that is full again (nobody asked for a while) holds nothing
 * worth keeping and is given to the next. */
#ifndef DAEMON_RATE_H
#define DAEMON_RATE_H

#include "daemon/auth.h"

struct rate;

struct rate_limits {
	uint64_t token, token_burst; /* requests/s, requests; rate 0: no limit */
	uint64_t org, org_burst;
	uint64_t address, address_burst; /* of one address, for what needs no token */
};

struct rate *rate_new(const struct rate_limits *limits);
void rate_free(struct rate *r);
/* Thread-safe: from now on. */
void rate_set(struct rate *r, const struct rate_limits *limits);

/* Takes one request out of both buckets, or none: then false, and the whole seconds to wait (1 or
 * more) for Retry-After. now_us: a clock that never goes back (exchange.started_us). Thread-safe.
 */
bool rate_take(struct rate *r, const struct caller *c, int64_t now_us, int *retry_after_s);

/* The same for a request without a token. peer: "192.0.2.1:4711", "[2001:db8::1]:4711"; of IPv6 the
 * first 64 bits count, as a client has all addresses of such a network. */
bool rate_take_address(struct rate *r, const char *peer, int64_t now_us, int *retry_after_s);

#endif
