/* The committer: the one thread that writes.
 *
 * It takes everything that waits, runs it in one LMDB write transaction, commits once, then tells
 * each job. Nothing is told before it is on disk. A job decides first and puts then: when run()
 * returns a failure it must have written nothing.
 *
 * Orgs take turns by the time that their jobs take (daemon/fair.h), and a commit ends after some
 * hundredths of a second of work, so one org's long jobs make others wait for one of them at most.
 * A commit that fails is done again job by job: what one org's job brings to fail is no matter of
 * another's. */
#ifndef DAEMON_COMMITTER_H
#define DAEMON_COMMITTER_H

#include "base/err.h"
#include "daemon/fair.h"
#include "daemon/store/store.h"

struct committer;

struct write_job {
	struct fair_item item; /* must stay first; lane: the org's number, 0 is the operator's */
	/* On the committer's thread. May run again when the batch must be repeated: keep what it
	 * needs unchanged. */
	enum rc (*run)(struct write_job *job, struct txn *t, struct err *err);
	/* On the committer's thread, after the commit: rc and err are set. The job is the caller's
	 * again. */
	void (*done)(struct write_job *job);
	enum rc rc;
	struct err err;
	bool undo; /* set by a run() that failed when it had written already: nothing of its transaction is
		      committed, and the other jobs in it run again. It is costly: for jobs that can't decide
		      all beforehand */
	int64_t took_us; /* the committer's */
};

enum rc committer_new(struct store *s, struct committer **out, struct err *err) MUSTCHECK;
/* Finishes what was submitted, then ends the thread. */
void committer_free(struct committer *c);

/* Thread-safe. */
void committer_submit(struct committer *c, struct write_job *job);

/* Submits and waits: for threads that may block (the control door). */
enum rc committer_run(struct committer *c,
	enum rc (*run)(struct write_job *, struct txn *, struct err *), struct write_job *job,
	struct err *err) MUSTCHECK;

struct committer_stats {
	uint64_t commits, jobs, waiting;
};
void committer_stats(struct committer *c, struct committer_stats *out);

#endif
