#include "daemon/committer.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/log.h"

#include "base/banned.h"

/* More jobs than this wait for the next commit, so that the first ones are not kept waiting. */
enum { BATCH_MAX = 512, COMMITTER_NICE = 5 };

struct committer {
	struct store *store;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct write_job *first, **last; /* what waits; under lock */
	bool stop;                       /* under lock */
	struct committer_stats stats;    /* under lock */
};

static enum rc
run_batch(struct txn *t, void *arg, struct err *err)
{
	for (struct write_job *job = arg; job != NULL; job = job->next) {
		job->err = (struct err)ERR_INIT;
		job->rc = job->run(job, t, &job->err);
		if (txn_rc(t) != RC_OK)
			return fail(err, txn_rc(t), "", "the store could not take the change");
	}
	return RC_OK;
}

/* A batch that did not reach the disk failed as a whole: also for the jobs that were refused, since
 * what they were refused for may have been another job of the batch. */
static void
finish_batch(struct write_job *batch, enum rc rc, const struct err *err)
{
	while (batch != NULL) {
		struct write_job *job = batch;

		batch = job->next;
		if (rc != RC_OK) {
			job->rc = rc;
			job->err = *err;
		}
		job->done(job);
	}
}

/* Takes up to BATCH_MAX jobs off the queue; NULL when it is time to end. */
static struct write_job *
take_batch(struct committer *c)
{
	struct write_job *batch, **end;

	pthread_mutex_lock(&c->lock);
	while (c->first == NULL && !c->stop)
		pthread_cond_wait(&c->wake, &c->lock);
	batch = c->first;
	end = &c->first;
	for (int n = 0; n < BATCH_MAX && *end != NULL; n++) {
		end = &(*end)->next;
		c->stats.waiting--;
		c->stats.jobs++;
	}
	if (batch != NULL) {
		c->stats.commits++;
		c->first = *end;
		*end = NULL;
		if (c->first == NULL)
			c->last = &c->first;
	}
	pthread_mutex_unlock(&c->lock);
	return batch;
}

static enum rc
commit(struct committer *c, struct write_job *batch)
{
	struct err err = ERR_INIT;
	enum rc rc = store_write(c->store, run_batch, batch, &err);

	if (rc == RC_INTERNAL && batch->next != NULL)
		return rc;
	if (rc != RC_OK)
		log_event(LOG_ERROR, "commit-failed", LOG_STR("code", rc_name(rc)),
			LOG_STR("detail", err.detail));
	finish_batch(batch, rc, &err);
	return RC_OK;
}

/* One job that meets a damaged record must not take those down that happen to wait with it: then each goes alone. */
static void
commit_batch(struct committer *c, struct write_job *batch)
{
	if (commit(c, batch) == RC_OK)
		return;
	while (batch != NULL) {
		struct write_job *job = batch;

		batch = job->next;
		job->next = NULL;
		(void)commit(c, job);
	}
}

static void *
committer_main(void *arg)
{
	struct committer *c = arg;
	struct write_job *batch;

	/* A batch takes milliseconds, a read microseconds: where both want one core, who reads goes first. */
	(void)pthread_setname_np(pthread_self(), "committer");
	(void)setpriority(PRIO_PROCESS, 0, COMMITTER_NICE); /* of this thread alone, on Linux */
	while ((batch = take_batch(c)) != NULL)
		commit_batch(c, batch);
	return NULL;
}

enum rc
committer_new(struct store *s, struct committer **out, struct err *err)
{
	struct committer *c = calloc(1, sizeof(*c));

	if (c == NULL)
		abort();
	c->store = s;
	c->last = &c->first;
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
	job->next = NULL;
	pthread_mutex_lock(&c->lock);
	*c->last = job;
	c->last = &job->next;
	c->stats.waiting++;
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

	return w->run(w->inner, t, err);
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
	struct waiter w = { .job = { .run = waiter_run, .done = waiter_done },
		.inner = job,
		.run = run,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.ready = PTHREAD_COND_INITIALIZER };

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
	pthread_mutex_unlock(&c->lock);
}
