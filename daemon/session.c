#include "daemon/session.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/conn.h"

#include "base/banned.h"

enum {
	READS_MAX = 8,      /* reads of one session before others have their turn */
	TURN_US = 300,      /* of frames and of tasks, likewise */
	FRAMES_A_LOOK = 16, /* frames between two looks at the clock, when none took long */
	ROUND_US = 500,     /* of turns, before the loop goes on and answers are written */
};

struct session {
	struct link link;
	struct worker *worker;
	size_t slot; /* in worker->sessions */
	struct event rd, wr;
	bool rd_on, wr_on;
	bool open;     /* the handler knows it */
	bool welcome;  /* the handler knows who it is */
	bool ending;   /* closes when its answers are written */
	bool eof;      /* the client sends no more */
	bool holds;    /* the handler wants no more input for now */
	bool more;     /* stopped in the middle, to let others run */
	bool behind;   /* input may be left that could not be taken: the socket says nothing of what is read already */
	bool running;
	bool waits_turn; /* is in worker->turns */
	bool answered; /* is in worker->answered */
	bool partial;  /* waits for the rest of a frame */
	unsigned char turns; /* as in struct conn */
	unsigned char unlooked; /* frames since the clock was looked at */
	int64_t deadline;    /* ms, monotonic */
	struct buf in;       /* bytes of a frame that is not whole yet */
	uint64_t skip;       /* bytes of a payload that is passed over */
	struct buf out;      /* what the socket did not take; from out_at */
	size_t out_at;
	struct fair_item turn;
	struct session *next_answered;
	size_t answers_at, answers_len; /* in worker->answers */
	struct session_task *tasks, **tasks_end, *next_task;
	size_t task_count, waiting_tasks, task_bytes;
	void *data;
	char peer[56];
};

static void on_event(evutil_socket_t fd, short what, void *arg);
static void ask_turn(struct session *s);

static const struct session_handler *
handler_of(const struct session *s)
{
	return &s->worker->server->options.sessions;
}

struct worker *
session_worker(const struct session *s)
{
	return s->worker;
}

const char *
session_peer(const struct session *s)
{
	return s->peer;
}

X509 *
session_certificate(const struct session *s)
{
	return s->link.ssl != NULL ? SSL_get1_peer_certificate(s->link.ssl) : NULL;
}

void
session_welcome(struct session *s)
{
	s->welcome = true;
}

void
session_set_lane(struct session *s, uint32_t lane)
{
	if (!s->waits_turn)
		s->turn.lane = lane;
}

void
session_hold_input(struct session *s, bool hold)
{
	if (s->holds == hold)
		return;
	s->holds = hold;
	if (hold)
		return;
	s->more = true;
	s->partial = false; /* the client's time for the rest of a frame begins anew */
	if (!s->running)
		ask_turn(s);
}

void
session_end(struct session *s)
{
	s->ending = true;
}

bool
session_stopping(const struct session *s)
{
	return s->worker->draining;
}

size_t
session_slot(const struct session *s)
{
	return s->slot;
}

void
session_set_slot(struct session *s, size_t slot)
{
	s->slot = slot;
}

static size_t
longest(const struct session *s)
{
	return s->welcome ? handler_of(s)->max_payload : handler_of(s)->max_hello;
}

static void
set_deadline(struct session *s, unsigned seconds)
{
	s->deadline = s->worker->now_us / 1000 + (int64_t)seconds * 1000;
}

/* ---- Tasks ---- */

static void
task_release(struct session_task *t)
{
	t->session = NULL;
	if (t->held) { /* whoever holds it comes back to it */
		t->next = t->worker->orphans;
		t->worker->orphans = t;
		return;
	}
	t->release(t);
}

void
session_task_add(struct session *s, struct session_task *task)
{
	task->session = s;
	task->worker = s->worker;
	task->next = NULL;
	*s->tasks_end = task;
	s->tasks_end = &task->next;
	s->task_count++;
	s->task_bytes += task->size;
	s->waiting_tasks += task->waits;
}

struct session_task *
session_task_find(const struct session *s, uint32_t id)
{
	struct session_task *t = s->tasks;

	while (t != NULL && t->id != id)
		t = t->next;
	return t;
}

static void
task_unlink(struct session *s, struct session_task *task)
{
	struct session_task **at = &s->tasks;

	while (*at != task)
		at = &(*at)->next;
	*at = task->next;
	if (s->tasks_end == &task->next)
		s->tasks_end = at;
	s->task_count--;
	s->task_bytes -= task->size;
	s->waiting_tasks -= task->waits;
	task_release(task);
}

void
session_task_wake(struct session_task *task)
{
	struct session *s = task->session;

	if (s == NULL || !task->waits)
		return;
	task->waits = false;
	s->waiting_tasks--;
	if (!s->running)
		ask_turn(s);
}

bool
session_task_cancel(struct session_task *task)
{
	if (task->held)
		return false;
	task->cancelled = true;
	session_task_wake(task);
	return true;
}

void
session_task_hold(struct session_task *task)
{
	task->held = true;
}

static void
task_ready(void *arg)
{
	struct session_task *t = arg, **at = &t->worker->orphans;

	t->held = false;
	if (t->session != NULL) {
		session_task_wake(t);
		return;
	}
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	t->release(t);
}

void
session_orphans_free(struct worker *w)
{
	while (w->orphans != NULL) {
		struct session_task *t = w->orphans;

		w->orphans = t->next;
		t->release(t);
	}
}

void
session_task_ready(struct session_task *task)
{
	worker_post(task->worker, task_ready, task);
}

/* What the session has answered in this turn. */
static size_t
answers_len(const struct session *s, const struct buf *out)
{
	return s->running ? out->len - s->answers_at : 0;
}

/* One piece of each that has something to say, in turn, until there is enough. */
static void
pump(struct session *s, struct buf *out)
{
	int64_t end_us = s->worker->now_us + TURN_US;
	size_t looked = 0, count = s->task_count;
	struct session_task *t = s->tasks, *next;

	if (s->task_count == s->waiting_tasks)
		return;
	for (; t != NULL && looked < count && answers_len(s, out) < SESSION_HIGH && s->worker->now_us < end_us;
		t = next, looked++) {
		next = t->next;
		if (t->waits)
			continue;
		switch (t->produce(t, out)) {
		case TASK_WAITS:
			t->waits = true;
			s->waiting_tasks++;
			break;
		case TASK_DONE:
			task_unlink(s, t);
			break;
		case TASK_MORE:
			s->more = true;
			break;
		}
		worker_clock(s->worker);
	}
	/* Who had a turn goes behind the others, so that a busy one in front can't keep them waiting. */
	if (t != NULL && s->tasks != t) {
		*s->tasks_end = s->tasks;
		while (s->tasks->next != t)
			s->tasks = s->tasks->next;
		s->tasks_end = &s->tasks->next;
		*s->tasks_end = NULL;
		s->tasks = t;
	}
	s->more = s->more || t != NULL; /* nothing else may come to wake them */
}

/* ---- Life ---- */

static void
forget_answers(struct session *s)
{
	struct session **at = &s->worker->answered;

	while (*at != s)
		at = &(*at)->next_answered;
	if ((*at = s->next_answered) == NULL)
		s->worker->answered_end = at;
	s->answered = false;
}

void
session_new(struct worker *w, int fd, SSL *ssl, const char *peer)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		abort();
	s->worker = w;
	s->tasks_end = &s->tasks;
	memcpy(s->peer, peer, strnlen(peer, sizeof(s->peer) - 1));
	link_init(&s->link, fd, ssl);
	set_deadline(s, w->server->options.head_timeout);
	(void)event_assign(&s->rd, w->base, fd, EV_READ | EV_PERSIST, on_event, s);
	(void)event_assign(&s->wr, w->base, fd, EV_WRITE | EV_PERSIST, on_event, s);
	worker_want(&s->rd, &s->rd_on, true);
	worker_session_add(w, s);
}

void
session_free(struct session *s)
{
	struct worker *w = s->worker;
	struct session_task *t, *next;

	if (s->answered)
		forget_answers(s);
	for (t = s->tasks; t != NULL; t = next) {
		next = t->next;
		task_release(t);
	}
	if (s->open)
		handler_of(s)->close(s->data);
	/* Behind these, which may have asked for one more turn. */
	if (s->waits_turn)
		fair_remove(&w->turns, &s->turn);
	(void)event_del(&s->rd);
	(void)event_del(&s->wr);
	link_close(&s->link);
	buf_release(&s->in);
	buf_release(&s->out);
	count(&w->counters.closed);
	atomic_fetch_sub_explicit(&w->server->connections, 1, memory_order_relaxed);
	worker_session_remove(w, s);
	free(s);
}

/* ---- Input ---- */

/* What is at the front of the bytes: a frame that is handled, or part of one. False: more must come first, or the session ends. */
static bool
take_frame(struct session *s, struct slice *rest, struct buf *out)
{
	const struct session_handler *h = handler_of(s);
	struct frame_head head;
	struct slice payload;

	if (s->skip > 0) {
		size_t n = rest->len < s->skip ? rest->len : (size_t)s->skip;

		*rest = slice_from(*rest, n);
		s->skip -= n;
		return s->skip == 0;
	}
	if (rest->len < FRAME_HEAD)
		return false;
	if (!frame_head_read(rest->p, &head)) {
		h->refuse(s, s->data, &head, true, out);
		*rest = slice_from(*rest, rest->len);
		s->ending = true;
		return false;
	}
	if (head.len > longest(s)) {
		h->refuse(s, s->data, &head, false, out);
		*rest = slice_from(*rest, FRAME_HEAD);
		s->skip = head.len;
		return true;
	}
	if (rest->len - FRAME_HEAD < head.len)
		return false;
	payload = (struct slice){ rest->p + FRAME_HEAD, head.len };
	*rest = slice_from(*rest, FRAME_HEAD + (size_t)head.len);
	count(&s->worker->counters.requests);
	if (h->frame(s, s->data, &head, payload, out))
		s->unlooked = FRAMES_A_LOOK - 1;
	return true;
}

/* As much is under way as may be. */
static bool
is_busy(const struct session *s)
{
	return s->task_count >= SESSION_TASKS || s->task_bytes >= SESSION_TASK_BYTES;
}

static bool
may_take(const struct session *s, const struct buf *out)
{
	return !s->ending && !s->holds && !is_busy(s) && answers_len(s, out) < SESSION_HIGH;
}

/* Handles the whole frames of some bytes; the rest stays in *rest. */
static void
take_frames(struct session *s, struct slice *rest, struct buf *out, int64_t end_us)
{
	while (may_take(s, out) && take_frame(s, rest, out)) {
		if (++s->unlooked < FRAMES_A_LOOK)
			continue;
		s->unlooked = 0;
		worker_clock(s->worker);
		if (s->worker->now_us >= end_us)
			break;
	}
}

/* One read, and what it brought. False: the socket is empty, or the session is ending. */
static bool
take_read(struct session *s, struct buf *out, int64_t end_us)
{
	struct block *b = NULL;
	struct slice rest;
	enum link_io r;
	size_t got;

	if (s->in.len == 0) {
		b = worker_block(s->worker);
		r = link_read(&s->link, b->bytes, b->cap, &got);
		rest = (struct slice){ b->bytes, got };
	} else {
		(void)buf_reserve(&s->in, s->worker->server->block_size);
		r = link_read(&s->link, s->in.p + s->in.len, s->worker->server->block_size, &got);
		s->in.len += got;
		rest = buf_as_slice(&s->in);
	}
	s->eof |= r == LINK_EOF;
	if (got > 0)
		take_frames(s, &rest, out, end_us);
	if (b != NULL) {
		buf_slice(&s->in, rest);
		worker_block_back(s->worker, b);
	} else if (rest.len > 0) {
		buf_drain(&s->in, s->in.len - rest.len);
	} else {
		buf_clear(&s->in);
	}
	if (s->in.len == 0 && s->in.cap > 4096)
		buf_release(&s->in);
	return r == LINK_OK;
}

/* Frames that came with an earlier read and had to wait. */
static void
take_kept(struct session *s, struct buf *out, int64_t end_us)
{
	struct slice rest = buf_as_slice(&s->in);

	if (s->in.len < (s->skip > 0 ? 1 : (size_t)FRAME_HEAD))
		return;
	take_frames(s, &rest, out, end_us);
	buf_drain(&s->in, s->in.len - rest.len);
}

/* Whether a whole frame waits in what was read. */
static bool
frame_waits(const struct session *s)
{
	struct frame_head head;

	return s->in.len >= FRAME_HEAD && (!frame_head_read(s->in.p, &head) || s->skip > 0 ||
						  head.len > longest(s) ||
						  s->in.len - FRAME_HEAD >= head.len);
}

static void
take_input(struct session *s, struct buf *out)
{
	int64_t end_us = s->worker->now_us + TURN_US;

	take_kept(s, out, end_us);
	for (unsigned reads = 0; may_take(s, out) && !s->eof && !s->link.broken; reads++) {
		if (reads > 0 && !link_pending(&s->link))
			break;
		if (reads == READS_MAX || frame_waits(s) || s->worker->now_us >= end_us) {
			s->more = true;
			return;
		}
		if (!take_read(s, out, end_us))
			break;
	}
	if (may_take(s, out) && frame_waits(s))
		s->more = true;
	s->behind = !may_take(s, out);
}

/* ---- Output ---- */

static void
note_sent(struct session *s, size_t sent)
{
	if (sent > 0 && s->welcome)
		set_deadline(s, s->worker->server->options.write_timeout);
}

static void
flush_kept(struct session *s)
{
	size_t sent;

	if (s->out.len == 0)
		return;
	(void)link_write(&s->link, s->out.p + s->out_at, s->out.len - s->out_at, &sent);
	note_sent(s, sent);
	s->out_at += sent;
	if (s->out_at == s->out.len || s->link.broken) {
		buf_release(&s->out);
		s->out_at = 0;
	}
}

static void
flush(struct session *s, struct slice answers)
{
	size_t sent;

	(void)link_write(&s->link, answers.p, answers.len, &sent);
	note_sent(s, sent);
	if (!s->link.broken && sent < answers.len) {
		buf_slice(&s->out, slice_from(answers, sent));
		if (s->welcome)
			set_deadline(s, s->worker->server->options.write_timeout);
	}
}

/* ---- Turns ---- */

static bool
hand_shake(struct session *s)
{
	enum link_io r = link_handshake(&s->link);

	if (r != LINK_OK) {
		worker_want(&s->wr, &s->wr_on, r == LINK_WANT_WRITE);
		return false;
	}
	if (!s->open)
		handler_of(s)->open(s, &s->data, handler_of(s)->arg);
	s->open = true;
	return true;
}

/* What is waited for now. */
static void
settle(struct session *s)
{
	const struct server_options *o = &s->worker->server->options;
	bool waiting = s->out.len > 0 || s->more;

	if (s->worker->draining && s->task_count == 0 && !waiting)
		s->ending = true;
	if (s->link.broken || (s->eof && s->task_count == 0 && !waiting) || (s->ending && !waiting)) {
		link_finish(&s->link);
		session_free(s);
		return;
	}
	if (!waiting && s->welcome) {
		bool partial = s->in.len > 0 || s->skip > 0;

		if (!partial || !s->partial)
			set_deadline(s, partial ? o->body_timeout : o->idle_timeout);
		s->partial = partial;
		if (s->in.len == 0 && s->turns < BUSY_TURNS) {
			s->turns++;
			link_rest(&s->link);
		}
	}
	worker_want(&s->wr, &s->wr_on, waiting);
	worker_want(&s->rd, &s->rd_on, !waiting && !s->eof && !s->ending && !s->holds && !is_busy(s));
}

/* The turn is over when its answers are written. */
static void
end_turn(struct session *s)
{
	struct buf *answers = &s->worker->answers;

	if (s->answers_len > 0)
		flush(s, (struct slice){ answers->p + s->answers_at, s->answers_len });
	s->answers_len = 0;
	s->more = s->more || (s->behind && may_take(s, answers));
	settle(s);
}

void
sessions_write(struct worker *w)
{
	struct session *s;

	while ((s = w->answered) != NULL) {
		forget_answers(s);
		end_turn(s);
	}
	buf_clear(&w->answers);
	if (w->answers.cap > 4 * SESSION_HIGH)
		buf_release(&w->answers);
}

static void
answer_soon(struct session *s)
{
	struct worker *w = s->worker;

	s->next_answered = NULL;
	*w->answered_end = s;
	w->answered_end = &s->next_answered;
	s->answered = true;
	if (w->answers.len >= SESSION_HIGH)
		sessions_write(w);
}

static void
take_turn(struct session *s)
{
	struct worker *w = s->worker;
	struct buf *out = &w->answers;

	s->running = true;
	s->answers_at = out->len;
	take_input(s, out);
	pump(s, out);
	handler_of(s)->rest(w, handler_of(s)->arg);
	s->answers_len = out->len - s->answers_at;
	s->running = false;
}

static void
session_run(struct session *s)
{
	if (!hand_shake(s)) {
		if (s->link.broken)
			session_free(s);
		return;
	}
	if (s->answered) { /* what wakes it comes in the next turn */
		s->more = true;
		return;
	}
	s->more = false;
	flush_kept(s);
	if (s->out.len == 0 && !s->link.broken)
		take_turn(s);
	if (s->answers_len > 0)
		answer_soon(s);
	else
		end_turn(s);
}

static void
ask_turn(struct session *s)
{
	struct worker *w = s->worker;

	if (s->waits_turn)
		return;
	s->waits_turn = true;
	fair_put(&w->turns, &s->turn);
	if (!w->turns_soon)
		event_active(&w->turns_event, EV_TIMEOUT, 0);
	w->turns_soon = true;
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	ask_turn(arg);
}

static struct session *
session_of(struct fair_item *turn)
{
	return (struct session *)((char *)turn - offsetof(struct session, turn));
}

/* Orgs take turns, and the answers of all turns are written behind them, one after the other: the kernel's way in and its way out are long, and
 * neither has to be fetched anew for each session. */
void
sessions_turn(struct worker *w)
{
	static const struct timeval at_once = { 0, 0 };
	struct fair_item *turn;
	int64_t end_us;

	worker_clock(w);
	end_us = w->now_us + ROUND_US;
	while (w->now_us < end_us && (turn = fair_take(&w->turns)) != NULL) {
		uint32_t lane = turn->lane;
		int64_t began_us = w->now_us;

		session_of(turn)->waits_turn = false;
		session_run(session_of(turn));
		worker_clock(w);
		fair_charge(&w->turns, lane, w->now_us - began_us);
	}
	sessions_write(w);
	w->turns_soon = w->turns.count > 0;
	if (w->turns_soon) /* behind a look at the sockets, which event_active() would not give */
		(void)event_add(&w->turns_event, &at_once);
}

void
session_drain(struct session *s)
{
	struct worker *w = s->worker;

	for (struct session_task *t = s->tasks; t != NULL; t = t->next)
		if (t->waits)
			(void)session_task_cancel(t);
	session_run(s);
	sessions_write(w);
}

static void
tick_tasks(struct session *s)
{
	for (struct session_task *t = s->tasks; t != NULL; t = t->next)
		if (t->ticks)
			session_task_wake(t);
}

/* Once a second. */
void
session_check(struct session *s)
{
	const char *reason;
	int64_t now = s->worker->now_us / 1000;

	tick_tasks(s);
	if (now < s->deadline) {
		if (s->turns == BUSY_TURNS && s->out.len == 0 &&
			s->deadline - now < ((int64_t)s->worker->server->options.idle_timeout - 1) * 1000) {
			link_rest(&s->link);
			s->turns = 0;
		}
		return;
	}
	if (s->out.len == 0 && s->welcome && (s->holds || (s->task_count > 0 && s->in.len == 0)))
		return; /* it waits for us */
	reason = s->out.len > 0 ? "write_timeout" : s->welcome ? "idle_timeout" : "hello_timeout";
	if (s->out.len > 0 || !s->welcome || s->in.len > 0)
		log_event(LOG_INFO, "connection_cut", LOG_STR("peer", s->peer), LOG_STR("reason", reason));
	if (s->out.len == 0)
		link_finish(&s->link);
	session_free(s);
}
