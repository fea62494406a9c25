/* put and delete: writes of one resource. */
#include "daemon/roster/records.h"

#include "daemon/directory/edit.h"
#include "daemon/directory/ids.h"
#include "protocol/json.h"

#include "base/banned.h"

enum { AT_ONCE = 64 << 10 /* bytes of a resource that are read by the event loop itself */ };

struct change_task {
	struct roster_task task; /* must stay first */
	struct pool_job slow;
	struct write_job job;
	struct roster *roster;
	struct caller caller;
	struct writer writer;
	struct slice body;
	bool decoded;
	struct edit edit;
	uint64_t revision; /* that the org has by it */
	enum rc rc;
	struct err err;
};

static void
put_written(struct change_task *c, struct buf *out)
{
	struct record r;

	put_number(out, OUT_REVISION, c->revision);
	if (c->edit.op == OP_DELETE || !record_parse(c->roster->options.schema, c->edit.written.packed, &r))
		return;
	put_id(out, OUT_ID, &r.id);
	put_number(out, OUT_VERSION, r.revision);
	if (c->edit.op == OP_CREATE)
		put_number(out, OUT_CREATED, 1);
}

/* What was begun is finished and told, even to a client that says otherwise. */
static enum task_state
change_produce(struct session_task *task, struct buf *out)
{
	struct change_task *c = (struct change_task *)task;
	struct message *m = &c->task.message;
	size_t began;

	if (task->held)
		return TASK_WAITS;
	m->out = out;
	if (c->rc != RC_OK) {
		answer_error(m, c->rc, &c->err);
		return TASK_DONE;
	}
	began = answer_begin(m);
	put_written(c, out);
	answer_end(m, began, FRAME_LAST);
	return TASK_DONE;
}

static enum rc
change_commit(struct write_job *job, struct txn *t, struct err *err)
{
	struct change_task *c = (struct change_task *)((char *)job - offsetof(struct change_task, job));
	struct orgtx *o;
	/* The org or the token may have gone while the write waited. */
	enum rc rc = auth_still(c->roster->options.auth, t, &c->caller, err);

	if (rc != RC_OK)
		return rc;
	o = orgtx_open(t, c->caller.org);
	rc = edit_run(&c->roster->directory, c->task.message.arena, o, &c->writer, &c->edit, err);
	c->revision = orgtx_stat(o)->revision;
	return rc;
}

static void
change_done(struct write_job *job)
{
	struct change_task *c = (struct change_task *)((char *)job - offsetof(struct change_task, job));

	c->rc = job->rc;
	c->err = job->err;
	if (c->rc == RC_PRECONDITION_FAILED) /* as this door names it */
		memcpy(c->err.path, "if-revision", sizeof("if-revision"));
	session_task_ready(&c->task.task);
}

static enum rc
decode(struct change_task *c, struct err *err)
{
	struct arena *a = c->task.message.arena;
	json_t *body;
	enum rc rc = json_read(a, c->body, &body, err);

	c->decoded = true;
	return rc != RC_OK ? rc : edit_decode(&c->roster->directory, a, c->caller.dialect, body, &c->edit, err);
}

/* On the pool. */
static void
change_slowly(struct pool_job *job)
{
	struct change_task *c = (struct change_task *)((char *)job - offsetof(struct change_task, slow));
	struct password_cost cost = config_password_cost(c->roster->options.config);

	c->rc = c->decoded ? RC_OK : decode(c, &c->err);
	if (c->rc == RC_OK && edit_has_password(&c->edit))
		c->rc = edit_hash(&c->roster->directory, c->task.message.arena, &cost, &c->edit, &c->err);
	if (c->rc == RC_OK)
		committer_submit(c->roster->options.committer, &c->job);
	else
		session_task_ready(&c->task.task);
}

static struct change_task *
change_new(struct message *m, enum edit_op op, const struct resource_type *type)
{
	struct change_task *c = task_new(m, sizeof(*c), change_produce);
	/* Whole milliseconds: that is what clients can read. */
	int64_t now = m->worker->now / 10000 * 10000;

	c->roster = m->roster;
	c->caller = *m->caller;
	c->writer = (struct writer){ .actor = caller_actor(m->caller, m->o, DOOR_ROSTER, session_peer(m->session), now),
		.dialect = m->caller->dialect,
		.caller = &c->caller,
		.site = records_url(m) };
	c->body = fields_bytes(&c->task.message.in, IN_RESOURCE);
	c->edit.op = op;
	c->edit.type = type;
	c->slow.run = change_slowly;
	c->job.run = change_commit;
	c->job.done = change_done;
	c->slow.item.lane = c->job.item.lane = c->caller.org;
	return c;
}

static void
change_start(struct change_task *c, bool slow)
{
	struct err err;
	enum rc rc;

	session_task_hold(&c->task.task);
	task_add(&c->task);
	if (!slow) {
		committer_submit(c->roster->options.committer, &c->job);
		return;
	}
	if ((rc = pool_submit(c->roster->pool, &c->slow, &err)) == RC_OK)
		return; /* it is the pool's by now: not even its rc may be touched */
	c->rc = rc;
	c->err = err;
	session_task_ready(&c->task.task);
}

static void
read_if_revision(const struct message *m, struct precondition *out)
{
	uint64_t revision = fields_number(&m->in, IN_IF_REVISION);

	*out = (struct precondition){ .if_match = revision != 0, .match_count = 1, .match = { revision } };
}

static enum rc
put_read(struct message *m, const struct resource_type **type, enum edit_op *op, struct uuid *id, struct err *err)
{
	enum rc rc = records_type(m, type, err);

	if (rc != RC_OK)
		return rc;
	if (!fields_has(&m->in, IN_RESOURCE))
		return fail(err, RC_INVALID_VALUE, "resource", "is missing");
	*op = fields_id(&m->in, IN_ID, id) ? OP_REPLACE : OP_CREATE;
	if (*op == OP_CREATE && fields_number(&m->in, IN_IF_REVISION) != 0)
		return fail(err, RC_INVALID_VALUE, "if-revision", "is of a resource that is there: id is missing");
	if (*op == OP_CREATE)
		*id = id_new();
	return records_rate(m, err);
}

enum rc
put_run(struct message *m, struct err *err)
{
	const struct resource_type *type;
	struct change_task *c;
	enum edit_op op = OP_CREATE;
	struct uuid id = { { 0 } };
	bool slow;
	enum rc rc = put_read(m, &type, &op, &id, err);

	if (rc != RC_OK)
		return rc;
	c = change_new(m, op, type);
	c->edit.id = id;
	read_if_revision(m, &c->edit.pre);
	slow = c->body.len > AT_ONCE;
	if (!slow && (rc = decode(c, err)) != RC_OK) {
		arena_free(c->task.message.arena); /* and the task with it */
		return rc;
	}
	change_start(c, slow || edit_has_password(&c->edit));
	return RC_OK;
}

enum rc
delete_run(struct message *m, struct err *err)
{
	const struct resource_type *type;
	struct change_task *c;
	struct uuid id = { { 0 } };
	enum rc rc = records_type(m, &type, err);

	if (rc != RC_OK || (rc = records_id(m, &id, err)) != RC_OK || (rc = records_rate(m, err)) != RC_OK)
		return rc;
	c = change_new(m, OP_DELETE, type);
	c->edit.id = id;
	read_if_revision(m, &c->edit.pre);
	change_start(c, false);
	return RC_OK;
}
