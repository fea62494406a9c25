/* A few threads for work that is too slow for an event loop: hashing passwords, parsing large bodies. */
#ifndef DAEMON_POOL_H
#define DAEMON_POOL_H

#include "base/err.h"

struct pool;

struct pool_job {
	struct pool_job *next; /* the pool's */
	void (*run)(struct pool_job *job); /* on a thread of the pool; the job is the caller's again once it began */
};

enum rc pool_new(unsigned threads, struct pool **out, struct err *err) MUSTCHECK;
/* Finishes what was submitted, then ends the threads. */
void pool_free(struct pool *p);
/* Thread-safe; in order of submission. */
void pool_submit(struct pool *p, struct pool_job *job);

#endif
