/* A few threads for work that is too slow for an event loop: hashing passwords, parsing large
 * bodies, queries that no index serves.
 *
 * Orgs take turns by the time that their work takes (daemon/fair.h). What waits is bounded, for
 * each org and in all. Work of many seconds comes in pieces: a job that runs may submit itself
 * again. */
#ifndef DAEMON_POOL_H
#define DAEMON_POOL_H

#include <stdbool.h>

#include "base/err.h"
#include "daemon/fair.h"

enum { POOL_WAITING = 2048, POOL_WAITING_LANE = 512 };

struct pool;

struct pool_job {
	struct fair_item item;             /* must stay first; lane: the org's number */
	void (*run)(struct pool_job *job); /* on a thread of the pool; the job is the caller's again
					      once it began */
};

enum rc pool_new(unsigned threads, struct pool **out, struct err *err) MUSTCHECK;
/* Finishes what was submitted, then ends the threads. */
void pool_free(struct pool *p);
/* Thread-safe; those of a lane go in order. UNAVAILABLE: too much waits. */
enum rc pool_submit(struct pool *p, struct pool_job *job, struct err *err) MUSTCHECK;
/* From within run(): the next piece of the same work, which is never refused. */
void pool_go_on(struct pool *p, struct pool_job *job);

#endif
