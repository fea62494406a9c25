#include "daemon/scim/edit.h"

#include "daemon/password.h"

#include "base/banned.h"

enum rc
edit_decode(struct request *rq, const json_t *body, struct edit *c, struct err *err)
{
	const struct schema_set *set = rq->scim->options.schema;
	struct read_options options = read_options_of(rq);

	switch (c->op) {
	case OP_CREATE:
	case OP_REPLACE:
		return resource_read(rq->arena, set, c->type, body, &options, &c->in, err);
	case OP_PATCH:
		return patch_read(rq->arena, set, c->type, body, &options, &c->patch, err);
	case OP_DELETE:
		break;
	}
	return RC_OK;
}

static struct slice
plain_password(const struct edit *c)
{
	return c->patch != NULL ? patch_password(c->patch) : c->in.password;
}

bool
edit_has_password(const struct edit *c)
{
	return plain_password(c).len > 0;
}

enum rc
edit_hash(struct request *rq, struct edit *c, struct err *err)
{
	const struct config *cfg = rq->scim->options.config;
	struct password_cost cost = { (uint32_t)cfg->password_memory, (uint32_t)cfg->password_time,
		(uint32_t)cfg->password_lanes };
	struct node *n;
	struct slice phc;
	enum rc rc;

	if ((rc = password_hash(rq->arena, plain_password(c), &cost, &phc, err)) != RC_OK)
		return rc;
	if (c->patch != NULL) {
		patch_set_password_hash(c->patch, phc);
		return RC_OK;
	}
	n = node_new(rq->arena, rq->scim->directory.at.user_password, NODE_VALUE);
	n->text = phc;
	node_insert(c->in.root, n);
	c->in.password = (struct slice){ NULL, 0 };
	return RC_OK;
}

enum rc
edit_run(struct request *rq, struct orgtx *o, struct edit *c, struct err *err)
{
	const struct directory *d = &rq->scim->directory;
	struct writer w = writer_of(rq, o);

	switch (c->op) {
	case OP_CREATE:
		return resource_create(d, o, &w, rq->arena, c->type, &c->id, &c->in, &c->written, err);
	case OP_REPLACE:
		return resource_replace(d, o, &w, rq->arena, c->type, &c->id, &c->pre, &c->in,
			&c->written, err);
	case OP_PATCH:
		return resource_patch(d, o, &w, rq->arena, c->type, &c->id, &c->pre, c->patch,
			&c->written, err);
	case OP_DELETE:
		break;
	}
	return resource_delete(d, o, &w, rq->arena, c->type, &c->id, &c->pre, err);
}

/* ---- The way of a write ---- */

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
