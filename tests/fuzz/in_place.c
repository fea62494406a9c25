#include "tests/fuzz/in_place.h"

#include <stdlib.h>

/* Items in the order in which they came. */
struct queue {
	struct fair_item *first, **last;
	unsigned count;
};

static void
queue_put(struct queue *q, struct fair_item *item)
{
	item->next = NULL;
	if (q->first == NULL)
		q->last = &q->first;
	*q->last = item;
	q->last = &item->next;
	q->count++;
}

static struct fair_item *
queue_take(struct queue *q)
{
	struct fair_item *item = q->first;

	if (item != NULL) {
		q->first = item->next;
		q->count--;
	}
	return item;
}

/* ---- The committer ---- */

struct committer {
	struct store *store;
	struct queue queue;
	uint64_t commits;
};

static enum rc
run_job(struct txn *t, void *arg, struct err *err)
{
	struct write_job *job = arg;

	job->err = (struct err)ERR_INIT;
	job->undo = false;
	job->rc = job->run(job, t, &job->err);
	if (txn_rc(t) != RC_OK)
		return fail(err, txn_rc(t), "", "the store could not take the change");
	*err = job->err;
	return job->undo ? job->rc : RC_OK;
}

static void
work(struct committer *c, struct write_job *job)
{
	struct err err = ERR_INIT;
	enum rc rc = store_write(c->store, run_job, job, &err);

	if (rc == RC_OK)
		c->commits++;
	else if (job->rc == RC_OK || !job->undo) {
		job->rc = rc;
		job->err = err;
	}
}

enum rc
committer_new(struct store *s, struct committer **out, struct err *err)
{
	struct committer *c = calloc(1, sizeof(*c));

	(void)err;
	if (c == NULL)
		abort();
	c->store = s;
	*out = c;
	return RC_OK;
}

void
committer_free(struct committer *c)
{
	(void)committer_work(c, UINT32_MAX);
	free(c);
}

void
committer_submit(struct committer *c, struct write_job *job)
{
	queue_put(&c->queue, &job->item);
}

unsigned
committer_work(struct committer *c, unsigned max)
{
	struct write_job *job;
	unsigned n = 0;

	for (; n < max && (job = (struct write_job *)queue_take(&c->queue)) != NULL; n++) {
		work(c, job);
		job->done(job);
	}
	return n;
}

enum rc
committer_run(struct committer *c, enum rc (*run)(struct write_job *, struct txn *, struct err *), struct write_job *job,
	struct err *err)
{
	job->run = run;
	work(c, job);
	*err = job->err;
	return job->rc;
}

void
committer_stats(struct committer *c, struct committer_stats *out)
{
	*out = (struct committer_stats){ .commits = c->commits, .waiting = c->queue.count };
}

uint64_t
committer_commits(const struct committer *c)
{
	return c->commits;
}

/* ---- The pool ---- */

struct pool {
	unsigned threads;
};

static struct queue pool_queue;

enum rc
pool_new(unsigned threads, struct pool **out, struct err *err)
{
	struct pool *p = calloc(1, sizeof(*p));

	(void)err;
	if (p == NULL)
		abort();
	p->threads = threads;
	*out = p;
	return RC_OK;
}

void
pool_free(struct pool *p)
{
	if (p != NULL)
		(void)pool_work(UINT32_MAX);
	free(p);
}

enum rc
pool_submit(struct pool *p, struct pool_job *job, struct err *err)
{
	(void)p;
	(void)err;
	queue_put(&pool_queue, &job->item);
	return RC_OK;
}

void
pool_go_on(struct pool *p, struct pool_job *job)
{
	(void)p;
	queue_put(&pool_queue, &job->item);
}

unsigned
pool_work(unsigned max)
{
	struct pool_job *job;
	unsigned n = 0;

	for (; n < max && (job = (struct pool_job *)queue_take(&pool_queue)) != NULL; n++)
		job->run(job);
	return n;
}
