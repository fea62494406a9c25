#include "daemon/committer.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/log.h"
#include "daemon/clock.h"

#include "base/banned.h"

/* More jobs than this, or than run in this time, wait for the next commit, so that the first ones
 * are not kept waiting. */
enum { BATCH_MAX = 512, BATCH_US = 50000, COMMITTER_NICE = 5 };

struct committer {
	struct store *store;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct fair queue;            /* what waits; under lock */
	bool stop;                    /* under lock */
	struct committer_stats stats; /* under lock */
};

/* Jobs of one commit: from first to the one before end. */
struct batch {
	struct write_job *first, *end; /* end: NULL, or the first that there was no time for */
};

static struct write_job *
job_of(struct fair_item *item)
{
	return (struct write_job *)item;
}

static struct write_job *
job_next(const struct write_job *job)
{
	return job_of(job->item.next);
}

static enum rc
run_batch(struct txn *t, void *arg, struct err *err)
{
	struct batch *batch = arg;
	int64_t began = clock_us(), before = began, after;

	for (struct write_job *job = batch->first; job != batch->end; job = job_next(job)) {
		job->err = (struct err)ERR_INIT;
		job->undo = false;
		job->rc = job->run(job, t, &job->err);
		after = clock_us();
		job->took_us = after - before;
		before = after;
		if (txn_rc(t) != RC_OK)
			return fail(err, txn_rc(t), "", "the store could not take the change");
		if (job->undo) {
			*err = job->err;
			return job->rc;
		}
		if (after - began >= BATCH_US)
			batch->end = job_next(job);
	}
	return RC_OK;
}

/* Jobs that did not reach the disk failed, also those that were refused, since what they were
 * refused for may have been another job of the batch. */
static void
fail_all(const struct batch *batch, enum rc rc, const struct err *err)
{
	for (struct write_job *job = batch->first; job != batch->end; job = job_next(job)) {
		job->rc = rc;
		job->err = *err;
	}
}

/* One job's damaged record, or its size, is no matter of the others: each goes alone. When one does
 * not fit onto the disk, the rest is not tried. */
static void
run_each(struct committer *c, struct batch *batch)
{
	for (struct write_job *job = batch->first; job != batch->end; job = job_next(job)) {
		struct batch one = { job, job_next(job) };
		struct err err = ERR_INIT;
		enum rc rc = store_write(c->store, run_batch, &one, &err);

		if (rc == RC_NO_SPACE)
			one.end = batch->end;
		if (rc != RC_OK)
			fail_all(&one, rc, &err);
		if (rc == RC_NO_SPACE)
			return;
	}
}

static bool
is_undone(const struct batch *batch)
{
	for (const struct write_job *job = batch->first; job != batch->end; job = job_next(job))
		if (job->undo)
			return true;
	return false;
}

static void
commit(struct committer *c, struct batch *batch)
{
	struct err err = ERR_INIT;
	enum rc rc = store_write(c->store, run_batch, batch, &err);

	if (rc == RC_OK)
		return;
	if (!is_undone(batch))
		log_event(LOG_ERROR, "commit-failed", LOG_STR("code", rc_name(rc)),
			LOG_STR("detail", err.detail));
	if (job_next(batch->first) != batch->end)
		run_each(c, batch);
	else
		fail_all(batch, rc, &err);
}

static void
finish_batch(struct write_job *batch)
{
	while (batch != NULL) {
		struct write_job *job = batch;

		batch = job_next(job);
		job->done(job);
	}
}

/* Takes up to BATCH_MAX jobs off the queue; NULL when it is time to end. */
static struct write_job *
take_batch(struct committer *c)
{
	struct fair_item *first = NULL, **end = &first;

	pthread_mutex_lock(&c->lock);
	while (c->queue.count == 0 && !c->stop)
		pthread_cond_wait(&c->wake, &c->lock);
	for (int n = 0; n < BATCH_MAX && (*end = fair_take(&c->queue)) != NULL; n++)
		end = &(*end)->next;
	pthread_mutex_unlock(&c->lock);
	return job_of(first);
}

/* To the front of the queue, the last one first, so that their order stays. */
static void
put_back(struct committer *c, struct fair_item *rest)
{
	struct fair_item *turned = NULL, *next;

	for (; rest != NULL; rest = next) {
		next = rest->next;
		rest->next = turned;
		turned = rest;
	}
	for (; turned != NULL; turned = next) {
		next = turned->next;
		fair_put_back(&c->queue, turned);
	}
}

/* After the commit, before anybody is told: a job that was told is its owner's again. */
static void
settle(struct committer *c, struct batch *batch)
{
	struct write_job *job, *last = NULL;

	pthread_mutex_lock(&c->lock);
	for (job = batch->first; job != batch->end; last = job, job = job_next(job)) {
		fair_charge(&c->queue, job->item.lane, job->took_us);
		c->stats.jobs++;
	}
	if (batch->end != NULL)
		put_back(c, &batch->end->item);
	last->item.next = NULL;
	c->stats.commits++;
	pthread_mutex_unlock(&c->lock);
}

static void *
committer_main(void *arg)
{
	struct committer *c = arg;
	struct batch batch;

	/* A batch takes milliseconds, a read microseconds: where both want one core, who reads goes
	 * first. */
	(void)pthread_setname_np(pthread_self(), "committer");
	(void)setpriority(PRIO_PROCESS, 0, COMMITTER_NICE); /* of this thread alone, on Linux */
	while ((batch.first = take_batch(c)) != NULL) {
		batch.end = NULL;
		commit(c, &batch);
		settle(c, &batch);
		finish_batch(batch.first);
	}
	return NULL;
}

enum rc
committer_new(struct store *s, struct committer **out, struct err *err)
{
	struct committer *c = calloc(1, sizeof(*c));

	if (c == NULL)
		abort();
	c->store = s;
	fair_init(&c->queue);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	if (pthread_create(&c->thread, NULL, committer_main, c) != 0) {
		free(c);
		return fail(err, RC_INTERNAL, "", "no thread for the committer");
	}
	*out = c;
	return RC_OK;
}

void
committer_free(struct committer *c)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void
committer_submit(struct committer *c, struct write_job *job)
{
	pthread_mutex_lock(&c->lock);
	fair_put(&c->queue, &job->item);
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

/* What committer_run() waits on; it stands around the caller's job for the time of the wait. */
struct waiter {
	struct write_job job;
	struct write_job *inner;
	enum rc (*run)(struct write_job *, struct txn *, struct err *);
	pthread_mutex_t lock;
	pthread_cond_t ready;
	bool finished;
};

static enum rc
waiter_run(struct write_job *job, struct txn *t, struct err *err)
{
	struct waiter *w = (struct waiter *)job;
	enum rc rc;

	w->inner->undo = false;
	rc = w->run(w->inner, t, err);
	job->undo = w->inner->undo;
	return rc;
}

static void
waiter_done(struct write_job *job)
{
	struct waiter *w = (struct waiter *)job;

	pthread_mutex_lock(&w->lock);
	w->finished = true;
	pthread_cond_signal(&w->ready);
	pthread_mutex_unlock(&w->lock);
}

enum rc
committer_run(struct committer *c, enum rc (*run)(struct write_job *, struct txn *, struct err *),
	struct write_job *job, struct err *err)
{
	struct waiter w = {
		.job = { .item.lane = job->item.lane, .run = waiter_run, .done = waiter_done },
		.inner = job,
		.run = run,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.ready = PTHREAD_COND_INITIALIZER
	};

	committer_submit(c, &w.job);
	pthread_mutex_lock(&w.lock);
	while (!w.finished)
		pthread_cond_wait(&w.ready, &w.lock);
	pthread_mutex_unlock(&w.lock);
	pthread_cond_destroy(&w.ready);
	pthread_mutex_destroy(&w.lock);
	if (w.job.rc != RC_OK && err != NULL)
		*err = w.job.err;
	return w.job.rc;
}

void
committer_stats(struct committer *c, struct committer_stats *out)
{
	pthread_mutex_lock(&c->lock);
	*out = c->stats;
	out->waiting = c->queue.count;
	pthread_mutex_unlock(&c->lock);
}
