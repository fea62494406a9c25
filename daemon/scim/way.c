#include "daemon/scim/way.h"

#include "base/banned.h"

enum { SLOW_BODY = 64 * 1024 };

static struct write *
write_of_pool_job(struct pool_job *job)
{
	return (struct write *)((char *)job - offsetof(struct write, slow));
}

static void
write_reply(void *arg)
{
	struct write *w = arg;
	struct request *rq = w->rq;
	struct scim_worker *worker = rq->worker;
	struct err err;

	if (w->rc != RC_OK) {
		reply_error(rq, w->rc, &w->err);
		return;
	}
	if ((w->rc = reader_enter(worker, &err)) != RC_OK) {
		reply_error(rq, w->rc, &err);
		return;
	}
	w->reply(w);
	reader_leave(worker);
}

static enum rc
job_run(struct write_job *job, struct txn *t, struct err *err)
{
	struct write *w = (struct write *)job;
	/* The org or the token may have gone while the write waited. */
	enum rc rc = auth_still(w->rq->scim->options.auth, t, &w->rq->caller, err);

	return rc != RC_OK ? rc : w->run(w, orgtx_open(t, w->rq->caller.org), err);
}

static void
submit(struct write *w)
{
	committer_submit(w->rq->scim->options.committer, &w->job);
}

static void
job_done(struct write_job *job)
{
	struct write *w = (struct write *)job;

	if (w->committed != NULL && w->committed(w)) {
		submit(w);
		return;
	}
	w->rc = job->rc;
	w->err = job->err;
	worker_post(w->rq->x->worker, write_reply, w);
}

static void
slow_run(struct pool_job *job)
{
	struct write *w = write_of_pool_job(job);
	bool more;

	w->rc = w->prepare(w, true, &more, &w->err);
	if (w->rc == RC_OK && more)
		pool_go_on(w->rq->scim->pool, job);
	else if (w->rc == RC_OK)
		submit(w);
	else
		worker_post(w->rq->x->worker, write_reply, w);
}

void
write_start(struct request *rq, struct write *w)
{
	bool needs_slow = rq->x->body.len > SLOW_BODY;
	struct err err = ERR_INIT;
	enum rc rc;

	w->rq = rq;
	w->slow.run = slow_run;
	w->job.run = job_run;
	w->job.done = job_done;
	w->slow.item.lane = w->job.item.lane = rq->caller.org;
	if (!needs_slow && (w->rc = w->prepare(w, false, &needs_slow, &w->err)) != RC_OK) {
		reply_error(rq, w->rc, &w->err);
		return;
	}
	if (!needs_slow)
		submit(w);
	else if ((rc = pool_submit(rq->scim->pool, &w->slow, &err)) != RC_OK)
		reply_error(rq, rc, &err); /* else w is the pool's by now: not even its rc may be touched */
}
