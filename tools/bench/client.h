/* A load connection: TLS 1.3 (or plain TCP) on a non-blocking socket in a thread's event loop, with a fixed number of
 * requests under way. What is sent and how it is judged is the workload's. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <event2/event.h>
#include <netinet/in.h>
#include <openssl/ssl.h>

#include "tools/bench/histogram.h"
#include "tools/bench/workload.h"

/* One thread's share of one stream. */
struct tally {
	uint64_t requests, errors, bytes; /* in the measured time */
	uint64_t last_ns;                 /* when the last answer came */
	struct histogram latency;
	char first_error[512];
};

/* What a thread's connections share. */
struct client_loop {
	struct event_base *base;
	uint64_t measure_ns, end_ns; /* monotonic: the warm-up is over; nothing is sent any more */
	uint64_t answers;            /* all, to notice a stall */
	unsigned busy;               /* connections with requests under way */
};

struct client;

uint64_t clock_ns(void);

/* Connects and shakes hands, blocking; ends the process with a sentence when it can't. ctx NULL: plain TCP. */
struct client *client_new(struct client_loop *loop, const struct sockaddr_in *to, SSL_CTX *ctx, struct stream *s,
	struct tally *tally, uint64_t seed);
void client_start(struct client *c); /* sends the first requests */
void client_free(struct client *c);

#endif
