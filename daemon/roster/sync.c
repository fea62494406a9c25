/* Syncs: the state comes in, is parsed and planned on the pool's threads, and put by the committer.
 *
 * A connection has one sync at a time. What it waits for goes in order: lines first, then plans and commits one after
 * the other. A client that sends faster than its lines are parsed is not read from. */
#include "daemon/roster/message.h"

#include <stdlib.h>

#include "base/log.h"
#include "daemon/clock.h"
#include "daemon/directory/operation.h"
#include "daemon/directory/org.h"
#include "daemon/directory/sync.h"

#include "base/banned.h"

enum {
	UNDER_WAY = 8 << 20,   /* bytes of lines that wait or are parsed, before the client is no longer read from */
	SAMPLES_MAX = 1000,    /* of each action and type, in a plan */
};

/* Belongs to the worker's thread; what the others work on is the sync itself. */
struct peer_sync {
	unsigned refs; /* the peer's, and each task's */
	struct roster *roster;
	struct session *session;
	struct sync *sync;
	uint64_t number;
	uint32_t org, connection;
	size_t under_way; /* bytes */
	unsigned parsing; /* tasks */
	struct sync_task *first, **last; /* plans and commits */
};

/* A task that others work for. */
struct sync_task {
	struct roster_task task; /* must stay first */
	struct peer_sync *ps;
	struct sync_task *next;  /* of plans and commits */
	void (*start)(struct sync_task *t);
	bool started;
	struct caller caller;
	struct writer writer;
	struct pool_job pool;
	struct write_job write;
	/* Lines. */
	struct sync_lines *lines;
	size_t size;
	/* Found by the other threads. */
	enum rc rc;
	struct err err;
	uint64_t count;
	struct sync_plan plan;
	size_t shown; /* of its samples */
};

/* ---- Life ---- */

static void
unref(struct peer_sync *ps)
{
	if (--ps->refs > 0)
		return;
	sync_free(ps->sync);
	(void)atomic_fetch_sub(&ps->roster->syncs, 1);
	free(ps);
}

void
sync_forget(struct peer *p)
{
	if (p->sync == NULL)
		return;
	sync_stop(p->sync->sync);
	session_hold_input(p->session, false);
	p->sync->session = NULL;
	unref(p->sync);
	p->sync = NULL;
}

static void
task_release(struct session_task *task)
{
	struct sync_task *t = (struct sync_task *)task;

	unref(t->ps);
	arena_free(t->task.message.arena); /* and the task with it */
}

/* The sync that a request names; whether the caller may sync is asked with each. */
static enum rc
find(struct message *m, struct peer_sync **out, struct err *err)
{
	struct peer_sync *ps = m->peer->sync;
	enum rc rc = message_may(m, RIGHT_SYNC, 0, err);

	if (rc != RC_OK)
		return rc;
	if (ps == NULL || fields_number(&m->in, IN_SYNC) != ps->number || m->caller->org != ps->org)
		return fail(err, RC_NOT_FOUND, "sync", "this connection has no such sync open");
	*out = ps;
	return RC_OK;
}

static struct sync_task *
new_task(struct message *m, struct peer_sync *ps, enum task_state (*produce)(struct session_task *, struct buf *))
{
	struct sync_task *t = task_new(m, sizeof(*t), produce);

	t->task.task.release = task_release;
	t->ps = ps;
	ps->refs++;
	t->caller = *m->caller;
	t->writer = (struct writer){ .actor = caller_actor(m->caller, m->o, DOOR_ROSTER, session_peer(m->session),
					     m->worker->now),
		.dialect = m->caller->dialect,
		.caller = &t->caller };
	t->writer.actor.connection = ps->connection;
	t->pool.item.lane = t->write.item.lane = ps->org;
	return t;
}

static enum task_state
answer_failure(struct sync_task *t, struct buf *out)
{
	t->task.message.out = out;
	answer_error(&t->task.message, t->rc, &t->err);
	return TASK_DONE;
}

/* ---- sync-begin ---- */

/* The connection whose labels and guard count: a connection's token speaks for none but its own. */
static enum rc
read_connection(struct message *m, struct connection *out, struct err *err)
{
	bool own = m->caller->kind == CALLER_CONNECTION;
	struct slice name;
	enum rc rc = message_text(m, IN_CONNECTION, ROSTER_TEXT_MAX, &name, err);

	*out = (struct connection){ .dialect = m->caller->dialect };
	if (rc != RC_OK)
		return rc;
	if (name.p != NULL)
		rc = dir_connection_find(m->worker->reader, m->caller->org, name, out, err);
	else if (own && !connection_get(m->worker->reader, m->caller->org, m->caller->connection, out))
		rc = fail(err, RC_FORBIDDEN, "", "the connection no longer exists");
	if (rc == RC_OK && own && out->no != m->caller->connection)
		rc = fail(err, RC_FORBIDDEN, "connection", "a connection's token can sync for that connection alone");
	return rc;
}

static enum rc
read_options(struct message *m, struct sync_options *out, struct err *err)
{
	const struct config *c = m->roster->options.config;
	struct slice match;
	struct connection connection;
	enum rc rc;

	*out = (struct sync_options){ .store = m->roster->options.store,
		.directory = &m->roster->directory,
		.data_directory = c->data_directory,
		.org = m->caller->org,
		.groups = fields_number(&m->in, IN_GROUPS) != 0,
		.max_records = c->sync_records,
		.max_bytes = c->sync_bytes };
	if ((rc = read_connection(m, &connection, err)) != RC_OK ||
		(rc = message_text(m, IN_FILTER, ROSTER_FILTER_MAX, &out->filter, err)) != RC_OK ||
		(rc = message_text(m, IN_MATCH, ROSTER_TEXT_MAX, &match, err)) != RC_OK)
		return rc;
	out->connection = connection.no;
	out->dialect = connection.dialect;
	if (match.len > 0 && !sync_match_parse(match, &out->match))
		return fail(err, RC_INVALID_VALUE, "match", "must be \"externalId\", \"userName\" or \"id\"");
	return RC_OK;
}

static enum rc
open_sync(struct message *m, const struct sync_options *options, struct err *err)
{
	static _Atomic uint64_t numbers;
	struct roster *r = m->roster;
	struct peer_sync *ps;
	struct sync *sync;
	enum rc rc;

	if (atomic_fetch_add(&r->syncs, 1) >= r->options.config->sync_sessions)
		rc = fail(err, RC_UNAVAILABLE, "sync.sessions", "%llu syncs are under way already: try again later",
			(unsigned long long)r->options.config->sync_sessions);
	else
		rc = sync_new(options, &sync, err);
	if (rc != RC_OK) {
		(void)atomic_fetch_sub(&r->syncs, 1);
		return rc;
	}
	if ((ps = calloc(1, sizeof(*ps))) == NULL)
		abort();
	*ps = (struct peer_sync){ .refs = 1, .roster = r, .session = m->session, .sync = sync,
		.number = atomic_fetch_add(&numbers, 1) + 1, .org = options->org, .connection = options->connection };
	ps->last = &ps->first;
	m->peer->sync = ps;
	return RC_OK;
}

enum rc
sync_begin_run(struct message *m, struct err *err)
{
	struct sync_options options;
	size_t began;
	enum rc rc;

	if ((rc = message_may(m, RIGHT_SYNC, 0, err)) != RC_OK)
		return rc;
	if (m->peer->sync != NULL)
		return fail(err, RC_CONFLICT, "sync", "sync %llu is open on this connection: commit or abort it first",
			(unsigned long long)m->peer->sync->number);
	if ((rc = read_options(m, &options, err)) != RC_OK || (rc = open_sync(m, &options, err)) != RC_OK)
		return rc;
	began = answer_begin(m);
	put_number(m->out, OUT_SYNC, m->peer->sync->number);
	answer_end(m, began, FRAME_LAST);
	return RC_OK;
}

/* ---- Plans and commits, one after the other, when all lines are parsed ---- */

static void
advance(struct peer_sync *ps)
{
	struct sync_task *t = ps->first;

	if (t == NULL || t->started || ps->parsing > 0)
		return;
	t->started = true;
	session_task_hold(&t->task.task);
	t->start(t);
}

static void
enqueue(struct peer_sync *ps, struct sync_task *t)
{
	*ps->last = t;
	ps->last = &t->next;
	task_add(&t->task);
	advance(ps);
}

/* One is done, or given up before it began. (When the session is gone nobody looks at the queue any more.) */
static void
dequeue(struct peer_sync *ps, struct sync_task *t)
{
	struct sync_task **at = &ps->first;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	if (ps->last == &t->next)
		ps->last = at;
	advance(ps);
}

/* Whether there is something to say: *state is what to return otherwise. */
static bool
is_ready(struct sync_task *t, struct buf *out, enum task_state *state)
{
	if (t->task.task.held || (!t->started && !t->task.task.cancelled)) {
		*state = TASK_WAITS;
		return false;
	}
	if (!t->started || (t->shown > 0 && t->task.task.cancelled)) {
		t->rc = session_stopping(t->task.message.session)
				? fail(&t->err, RC_UNAVAILABLE, "", "the server stops")
				: fail(&t->err, RC_CANCELLED, "", "cancelled");
	}
	if (t->rc == RC_OK)
		return true;
	*state = answer_failure(t, out);
	dequeue(t->ps, t);
	return false;
}

/* ---- sync-records ---- */

static void
parse_lines(struct pool_job *job)
{
	struct sync_task *t = (struct sync_task *)((char *)job - offsetof(struct sync_task, pool));

	t->rc = sync_lines_parse(t->lines, &t->err);
	t->count = sync_count(t->ps->sync);
	session_task_ready(&t->task.task);
}

static enum task_state
lines_done(struct session_task *task, struct buf *out)
{
	struct sync_task *t = (struct sync_task *)task;
	struct peer_sync *ps = t->ps;
	struct message *m = &t->task.message;
	size_t began;

	if (task->held)
		return TASK_WAITS;
	ps->under_way -= t->size;
	ps->parsing--;
	if (ps->session != NULL && ps->under_way <= UNDER_WAY)
		session_hold_input(ps->session, false);
	advance(ps);
	if (t->rc != RC_OK)
		return answer_failure(t, out);
	m->out = out;
	began = answer_begin(m);
	put_number(out, OUT_COUNT, t->count);
	answer_end(m, began, FRAME_LAST);
	return TASK_DONE;
}

enum rc
sync_records_run(struct message *m, struct err *err)
{
	struct peer_sync *ps;
	struct sync_task *t;
	struct slice data;
	enum rc rc = find(m, &ps, err);

	if (rc != RC_OK)
		return rc;
	if (ps->first != NULL)
		return fail(err, RC_CONFLICT, "sync", "a plan or commit is under way");
	if (!fields_has(&m->in, IN_DATA))
		return fail(err, RC_INVALID_VALUE, "data", "is missing");
	t = new_task(m, ps, lines_done);
	data = fields_bytes(&t->task.message.in, IN_DATA);
	t->size = data.len;
	t->task.task.size = 0; /* counted in under_way */
	t->lines = sync_lines_new(ps->sync, data);
	t->pool.run = parse_lines;
	ps->under_way += t->size;
	ps->parsing++;
	if (ps->under_way > UNDER_WAY)
		session_hold_input(m->session, true);
	session_task_hold(&t->task.task);
	task_add(&t->task);
	pool_go_on(m->roster->pool, &t->pool); /* what waits is bounded by UNDER_WAY and one frame */
	return RC_OK;
}

/* ---- sync-plan ---- */

static void
make_plan(struct pool_job *job)
{
	struct sync_task *t = (struct sync_task *)((char *)job - offsetof(struct sync_task, pool));

	t->rc = sync_plan(t->ps->sync, &t->writer, t->count, &t->plan, &t->err);
	session_task_ready(&t->task.task);
}

static void
start_plan(struct sync_task *t)
{
	t->pool.run = make_plan;
	pool_go_on(t->ps->roster->pool, &t->pool);
}

static struct slice
type_name(const struct message *m, uint8_t type)
{
	return schema_type(m->roster->options.schema, type)->name;
}

static void
put_counts(struct message *m, const struct sync_counts *c)
{
	for (uint8_t type = TYPE_USER; type <= TYPE_GROUP; type++) {
		for (unsigned action = SYNC_CREATE; action < SYNC_ACTIONS; action++) {
			size_t item;

			if (c->n[action][type] == 0)
				continue;
			item = put_item_begin(m->out, OUT_ITEM);
			put_number(m->out, OUT_ACTION, action);
			put_bytes(m->out, OUT_TYPE, type_name(m, type));
			put_number(m->out, OUT_COUNT, c->n[action][type]);
			put_item_end(m->out, item);
		}
	}
}

static void
put_sample(struct message *m, const struct sync_sample *s)
{
	static const struct uuid none;
	size_t item = put_item_begin(m->out, OUT_ITEM);

	put_number(m->out, OUT_ACTION, s->action);
	put_bytes(m->out, OUT_TYPE, type_name(m, s->type));
	if (memcmp(&s->id, &none, sizeof(none)) != 0)
		put_id(m->out, OUT_ID, &s->id);
	put_bytes(m->out, OUT_NAME, s->name);
	if (s->data.len > 0)
		put_bytes(m->out, OUT_DATA, s->data);
	put_item_end(m->out, item);
}

/* One part: counts in the first. True: it was the last one. */
static bool
put_plan(struct message *m, const struct sync_plan *plan, size_t *shown)
{
	size_t began = answer_begin(m);

	if (*shown == 0)
		put_counts(m, &plan->counts);
	while (*shown < plan->sample_count && m->out->len - began < SESSION_PIECE)
		put_sample(m, &plan->samples[(*shown)++]);
	if (*shown == plan->sample_count)
		put_number(m->out, OUT_REVISION, plan->revision);
	answer_end(m, began, *shown == plan->sample_count ? FRAME_LAST : 0);
	return *shown == plan->sample_count;
}

static enum task_state
plan_done(struct session_task *task, struct buf *out)
{
	struct sync_task *t = (struct sync_task *)task;
	enum task_state state;

	if (!is_ready(t, out, &state))
		return state;
	t->task.message.out = out;
	if (!put_plan(&t->task.message, &t->plan, &t->shown))
		return TASK_MORE;
	dequeue(t->ps, t);
	return TASK_DONE;
}

enum rc
sync_plan_run(struct message *m, struct err *err)
{
	uint64_t samples = fields_number(&m->in, IN_LIMIT);
	struct peer_sync *ps;
	struct sync_task *t;
	enum rc rc = find(m, &ps, err);

	if (rc != RC_OK)
		return rc;
	t = new_task(m, ps, plan_done);
	t->count = samples < SAMPLES_MAX ? samples : SAMPLES_MAX;
	t->start = start_plan;
	enqueue(ps, t);
	return RC_OK;
}

/* ---- sync-commit ---- */

static enum rc
commit_run(struct write_job *job, struct txn *t, struct err *err)
{
	struct sync_task *k = (struct sync_task *)((char *)job - offsetof(struct sync_task, write));
	struct roster *r = k->ps->roster;
	/* The org, the token or the right may have gone while the commit waited. */
	enum rc rc = auth_still(r->options.auth, t, &k->caller, err);

	if (rc != RC_OK ||
		(rc = caller_may(&r->directory, orgtx_open(t, k->ps->org), &k->caller, RIGHT_SYNC, clock_ticks(), err)) != RC_OK)
		return rc;
	return sync_commit(k->ps->sync, t, &k->writer, &job->undo, err);
}

static void
remember(struct pool_job *job)
{
	struct sync_task *t = (struct sync_task *)((char *)job - offsetof(struct sync_task, pool));

	sync_remember(t->ps->sync);
	session_task_ready(&t->task.task);
}

static void
commit_done(struct write_job *job)
{
	struct sync_task *t = (struct sync_task *)((char *)job - offsetof(struct sync_task, write));

	t->rc = job->rc;
	t->err = job->err;
	t->pool.run = remember;
	if (t->rc == RC_OK)
		pool_go_on(t->ps->roster->pool, &t->pool);
	else
		session_task_ready(&t->task.task);
}

static void
start_commit(struct sync_task *t)
{
	t->write.run = commit_run;
	t->write.done = commit_done;
	committer_submit(t->ps->roster->options.committer, &t->write);
}

static enum task_state
commit_answer(struct session_task *task, struct buf *out)
{
	struct sync_task *t = (struct sync_task *)task;
	struct message *m = &t->task.message;
	struct peer_sync *ps = t->ps;
	enum task_state state;
	size_t began;

	if (!is_ready(t, out, &state))
		return state;
	m->out = out;
	began = answer_begin(m);
	put_counts(m, sync_done(ps->sync));
	put_number(out, OUT_REVISION, sync_revision(ps->sync));
	answer_end(m, began, FRAME_LAST);
	dequeue(ps, t);
	if (m->peer->sync == ps)
		sync_forget(m->peer);
	return TASK_DONE;
}

enum rc
sync_commit_run(struct message *m, struct err *err)
{
	struct peer_sync *ps;
	struct sync_task *t;
	enum rc rc = find(m, &ps, err);

	if (rc != RC_OK)
		return rc;
	t = new_task(m, ps, commit_answer);
	t->start = start_commit;
	enqueue(ps, t);
	return RC_OK;
}

/* ---- sync-abort ---- */

enum rc
sync_abort_run(struct message *m, struct err *err)
{
	struct peer_sync *ps;
	size_t began;
	enum rc rc = find(m, &ps, err);

	if (rc != RC_OK)
		return rc;
	sync_forget(m->peer);
	began = answer_begin(m);
	answer_end(m, began, FRAME_LAST);
	return RC_OK;
}
