/* watch: an answer that does not end. What happens in the org is told as it happens, by a task that waits for commits. */
#include "daemon/roster/watch.h"

#include "daemon/clock.h"
#include "daemon/exchange.h"

#include "base/banned.h"

enum {
	TURN_US = 500,
	HEARTBEAT_MIN_MS = 1000,
	HEARTBEAT_MAX_MS = 600000,
	TICKS_PER_MS = 10000,
};

/* ---- Parts ---- */

struct watch_part
watch_part_begin(struct watch *w, uint64_t revision, int64_t ticks)
{
	struct message *m = &w->task.message;
	struct watch_part p = { answer_begin(m), m };

	put_number(m->out, OUT_REVISION, revision);
	put_number(m->out, OUT_TIME, (uint64_t)(ticks / TICKS_PER_MS));
	return p;
}

bool
watch_part_full(const struct watch_part *p)
{
	return p->m->out->len - p->began >= SESSION_PIECE;
}

void
watch_part_more(struct watch_part *p)
{
	put_number(p->m->out, OUT_MORE, 1);
}

void
watch_part_end(struct watch *w, struct watch_part *p)
{
	answer_end(p->m, p->began, 0);
	w->last = clock_us();
}

bool
watch_full(const struct watch *w)
{
	return w->task.message.out->len - w->size >= SESSION_PIECE || clock_us() >= w->end;
}

enum rc
watch_resync(struct watch *w, uint64_t oldest, struct err *err)
{
	w->task.message.revision = oldest;
	return fail(err, RC_RESYNC, "from", "what came after revision %llu is not kept; %llu is the oldest that can be named",
		(unsigned long long)w->at, (unsigned long long)oldest);
}

/* ---- Turns ---- */

static const struct {
	watch_begin *begin;
	watch_turn *turn;
} views[VIEW_COUNT] = {
	[VIEW_RECORDS] = { records_begin, records_turn },
	[VIEW_MEMBERSHIP] = { effects_begin, effects_turn },
	[VIEW_PERMISSION] = { effects_begin, effects_turn },
};

static void
heartbeat(struct watch *w)
{
	struct watch_part p = watch_part_begin(w, w->at, w->task.message.worker->now);

	watch_part_end(w, &p);
}

/* Rights are looked at again in each turn, at least once a second: who lost them is told no more. */
static enum rc
turn(struct watch *w, bool *more, struct err *err)
{
	struct message *m = &w->task.message;
	enum rc rc = RC_OK;

	*more = false;
	if (session_stopping(m->session))
		return fail(err, RC_UNAVAILABLE, "", "the server stops");
	if ((rc = message_may(m, RIGHT_WATCH, 0, err)) != RC_OK || (rc = views[w->view].turn(w, more, err)) != RC_OK)
		return rc;
	if (!*more && clock_us() - w->last >= w->heartbeat)
		heartbeat(w);
	return RC_OK;
}

static enum task_state
produce(struct session_task *task, struct buf *out)
{
	struct watch *w = (struct watch *)task;
	struct message *m = &w->task.message;
	struct arena *own = m->arena;
	struct err err = ERR_INIT;
	bool more;
	enum rc rc;

	if (!task_resume(&w->task, out, true))
		return TASK_DONE;
	w->end = clock_us() + TURN_US;
	w->size = out->len;
	m->arena = m->worker->arena; /* its own would grow as long as it lives */
	rc = turn(w, &more, &err);
	arena_clear(m->arena);
	m->arena = own;
	if (rc != RC_OK) {
		answer_error(m, rc, &err);
		return TASK_DONE;
	}
	return more ? TASK_MORE : TASK_WAITS;
}

/* ---- Life ---- */

static void
wake(struct wake_item *item)
{
	struct watch *w = (struct watch *)((char *)item - offsetof(struct watch, wake));

	session_task_wake(&w->task.task);
}

static void
forget(void *arg)
{
	wake_remove(arg);
}

static enum rc
read_heartbeat(const struct message *m, int64_t *us, struct err *err)
{
	uint64_t ms = fields_number(&m->in, IN_HEARTBEAT);

	if (ms == 0)
		ms = ROSTER_HEARTBEAT_MS;
	if (ms < HEARTBEAT_MIN_MS || ms > HEARTBEAT_MAX_MS)
		return fail(err, RC_INVALID_VALUE, "heartbeat", "is %d to %d milliseconds", HEARTBEAT_MIN_MS,
			HEARTBEAT_MAX_MS);
	*us = (int64_t)ms * 1000;
	return RC_OK;
}

static struct watch *
watch_new(struct message *m)
{
	struct watch *w = task_new(m, sizeof(*w), produce);

	w->view = (enum roster_view)fields_number(&m->in, IN_VIEW);
	w->snapshot = !fields_has(&m->in, IN_FROM);
	w->at = w->snapshot ? m->revision : fields_number(&m->in, IN_FROM);
	w->last = clock_us();
	w->task.task.ticks = true;
	w->wake.org = m->caller->org;
	w->wake.wake = wake;
	return w;
}

static enum rc
watch_check(struct message *m, int64_t *heartbeat_us, struct err *err)
{
	uint64_t view = fields_number(&m->in, IN_VIEW), from = fields_number(&m->in, IN_FROM);
	enum rc rc;

	if (view >= VIEW_COUNT)
		return fail(err, RC_INVALID_VALUE, "view", "is none that this server has");
	if ((rc = read_heartbeat(m, heartbeat_us, err)) != RC_OK || (rc = message_may(m, RIGHT_WATCH, 0, err)) != RC_OK)
		return rc;
	if (from > m->revision)
		return fail(err, RC_PRECONDITION_FAILED, "from", "the org is at revision %llu",
			(unsigned long long)m->revision);
	return RC_OK;
}

enum rc
watch_run(struct message *m, struct err *err)
{
	int64_t heartbeat_us = 0;
	struct watch *w;
	enum rc rc;

	if ((rc = watch_check(m, &heartbeat_us, err)) != RC_OK)
		return rc;
	w = watch_new(m);
	w->heartbeat = heartbeat_us;
	if ((rc = views[w->view].begin(w, err)) != RC_OK) {
		m->revision = w->task.message.revision;
		arena_free(w->task.message.arena);
		return rc;
	}
	wake_add(m->roster->waker, session_worker(m->session), &w->wake);
	arena_on_free(w->task.message.arena, forget, &w->wake);
	task_add(&w->task);
	return RC_OK;
}
