#include "tools/libroster/private.h"

#include <stdlib.h>

#include "base/banned.h"

enum {
	FIRST_SLOTS = 64,
	KEPT_FRAME = 4 << 10,  /* a request's memory that is kept for the next one */
	OUT_ENOUGH = 1 << 20,  /* in line for the socket; the rest waits as it is */
	WATCHES_APART = 16,    /* long answers of a connection that watches may not take */
	CANCELS_APART = 8,     /* and those that are left free, or the server would read no cancel either */
};

/* ---- What verbs are ---- */

static bool
is_of_session(uint8_t verb)
{
	return verb > ASK_SYNC_BEGIN && verb <= ASK_SYNC_ABORT;
}

static bool
is_write(uint8_t verb)
{
	return verb == ASK_PUT || verb == ASK_DELETE || (verb >= ASK_SYNC_BEGIN && verb <= ASK_SYNC_ABORT);
}

/* Long answers and writes, of which a connection carries max_requests. */
static bool
is_slow(uint8_t verb)
{
	return verb != ASK_CHECK && verb != ASK_IS_MEMBER && verb > ASK_STATS;
}

/* Of the library itself: they mean one connection. */
static bool
is_internal(const struct call *call)
{
	return call->verb == ASK_HELLO || call->verb == ASK_CANCEL || call->fn == NULL;
}

static bool
is_verb(unsigned verb)
{
	return verb <= UINT8_MAX && roster_type_name((uint8_t)verb) != NULL && verb != ASK_HELLO && verb != ASK_CANCEL;
}

/* ---- Making and freeing them ---- */

static struct call *
new_slot(struct calls *c)
{
	struct call *call = calloc(1, sizeof(*call));

	if (c->count == c->capacity) {
		c->capacity = c->capacity == 0 ? FIRST_SLOTS : 2 * c->capacity;
		c->slots = realloc(c->slots, c->capacity * sizeof(*c->slots));
	}
	if (call == NULL || c->slots == NULL)
		abort();
	call->slot = (uint32_t)c->count;
	c->slots[c->count++] = call;
	return call;
}

struct call *
call_new(struct roster *r, uint8_t verb, roster_fn *fn, void *arg)
{
	struct calls *c = &r->calls;
	struct call *call = c->unused;

	if (call != NULL)
		c->unused = call->next;
	else
		call = new_slot(c);
	call->state = CALL_WAITING;
	call->generation++;
	call->verb = verb;
	call->told = call->resumed = false;
	call->fn = fn;
	call->arg = arg;
	call->deadline = NEVER;
	call->from = 0;
	call->next = NULL;
	buf_clear(&call->frame);
	c->live++;
	c->watches += verb == ASK_WATCH;
	return call;
}

/* It is not on its way any more, whatever comes of it. */
static void
uncount(struct calls *c, struct call *call)
{
	c->slow -= call->counted;
	call->counted = false;
}

void
call_free(struct roster *r, struct call *call)
{
	struct calls *c = &r->calls;

	c->live--;
	uncount(c, call);
	c->watches -= call->verb == ASK_WATCH;
	c->bytes -= call->frame.len;
	/* Tokens travel in hellos; a frame that was long is not worth keeping. */
	if (call->verb == ASK_HELLO && call->frame.len > 0)
		explicit_bzero(call->frame.p, call->frame.len);
	if (call->frame.cap > KEPT_FRAME)
		buf_release(&call->frame);
	buf_clear(&call->frame);
	call->state = CALL_FREE;
	call->next = c->unused;
	c->unused = call;
}

void
calls_release(struct roster *r)
{
	for (size_t i = 0; i < r->calls.count; i++) {
		buf_release(&r->calls.slots[i]->frame);
		free(r->calls.slots[i]);
	}
	free(r->calls.slots);
}

struct call *
calls_find(struct roster *r, uint32_t id)
{
	struct call *call = id > 0 && id <= r->calls.count ? r->calls.slots[id - 1] : NULL;

	return call != NULL && (call->state == CALL_SENT || call->state == CALL_DROPPED) ? call : NULL;
}

void
call_fail(struct roster *r, struct call *call, const struct roster_error *error)
{
	roster_fn *fn = call->state == CALL_DROPPED ? NULL : call->fn;
	void *arg = call->arg;

	call_free(r, call);
	if (fn != NULL)
		fn(arg, NULL, error);
}

/* ---- The line ---- */

static struct line *
line_of(struct calls *c, const struct call *call)
{
	return &c->lines[is_slow(call->verb)];
}

void
call_enqueue(struct roster *r, struct call *call)
{
	struct line *line = line_of(&r->calls, call);

	call->order = r->calls.order++;
	call->next = NULL;
	if (line->last != NULL)
		line->last->next = call;
	else
		line->first = call;
	line->last = call;
}

static void
take_out_of_line(struct calls *c, struct call *call)
{
	struct line *line = line_of(c, call);
	struct call **at = &line->first, *before = NULL;

	while (*at != call) {
		before = *at;
		at = &(*at)->next;
	}
	*at = call->next;
	if (line->last == call)
		line->last = before;
}

bool
calls_wait(const struct calls *c)
{
	return c->lines[0].first != NULL || c->lines[1].first != NULL;
}

/* A watch goes on where it was: `from` is put in its place. */
static void
send_watch(struct buf *out, const struct call *call)
{
	size_t began = roster_frame_begin(out);

	buf_put(out, call->frame.p + FRAME_HEAD, call->from_at - FRAME_HEAD);
	if (call->from != 0)
		put_number(out, IN_FROM, call->from);
	buf_put(out, call->frame.p + call->from_at, call->frame.len - call->from_at);
	roster_frame_end(out, began, call->verb, FRAME_LAST, call->slot + 1);
}

/* What is left of a connection's long answers, when some are kept apart. */
static uint64_t
slow_max(const struct roster *r, uint64_t apart)
{
	uint64_t most = r->link.max_requests;

	return most - (most / 2 < apart ? most / 2 : apart);
}

/* Of the two lines the one whose first has waited longer, as far as the connection carries it. */
static struct line *
next_line(struct roster *r)
{
	struct line *quick = &r->calls.lines[0], *slow = &r->calls.lines[1];

	if (slow->first == NULL || r->calls.slow >= slow_max(r, CANCELS_APART))
		return quick;
	return quick->first != NULL && quick->first->order < slow->first->order ? quick : slow;
}

static struct call *
next_in_line(struct roster *r)
{
	struct line *line = next_line(r);
	struct call *call = line->first;

	if (call == NULL)
		return NULL;
	line->first = call->next;
	if (line->first == NULL)
		line->last = NULL;
	return call;
}

void
calls_send(struct roster *r)
{
	struct call *call;

	while (r->link.out.len - r->link.out_at < OUT_ENOUGH && (call = next_in_line(r)) != NULL) {
		call->state = CALL_SENT;
		call->counted = is_slow(call->verb);
		r->calls.slow += call->counted;
		if (call->verb == ASK_WATCH)
			send_watch(&r->link.out, call);
		else
			buf_put(&r->link.out, call->frame.p, call->frame.len);
	}
}

/* ---- Starting ---- */

static bool
has_room(struct roster *r, uint8_t verb, struct roster_error *error)
{
	struct calls *c = &r->calls;

	if (c->live >= r->set.max_calls) {
		error_local(error, NAME_FULL, "max_calls", "%zu calls are under way or wait", c->live);
		return false;
	}
	if (verb == ASK_WATCH && c->watches >= slow_max(r, WATCHES_APART)) {
		error_local(error, NAME_FULL, "watch", "a connection can't carry more than %zu watches", c->watches);
		return false;
	}
	return true;
}

/* A sync session belongs to its connection; its number says which that was. */
static bool
session_is_there(struct roster *r, uint8_t verb, const struct roster_request *q, struct roster_error *error)
{
	if (!is_of_session(verb) || (r->link.state == LINK_OPEN && q->sync >> 32 == r->link.number))
		return true;
	error_local(error, NAME_LOST, "sync", "the sync session ended with its connection; nothing was changed");
	return false;
}

static bool
write_frame(struct roster *r, struct call *call, const struct roster_request *q, struct roster_error *error)
{
	struct calls *c = &r->calls;
	size_t began = roster_frame_begin(&call->frame);

	if (!request_write(&call->frame, q, r->set.org, call->verb == ASK_WATCH ? &call->from_at : NULL, error)) {
		buf_clear(&call->frame);
		return false;
	}
	if (call->frame.len - began > r->link.max_payload) {
		error_local(error, "TOO_LARGE", "", "the request is longer than the %ju bytes that the server takes",
			(uintmax_t)r->link.max_payload);
		buf_clear(&call->frame);
		return false;
	}
	if (c->bytes > 0 && c->bytes + call->frame.len > r->set.max_bytes) {
		error_local(error, NAME_FULL, "max_bytes", "requests of %zu bytes are under way or wait", c->bytes);
		buf_clear(&call->frame);
		return false;
	}
	roster_frame_end(&call->frame, began, call->verb, FRAME_LAST, call->slot + 1);
	c->bytes += call->frame.len;
	return true;
}

static int64_t
deadline_of(const struct roster *r, uint8_t verb, int timeout_ms, int *used)
{
	*used = timeout_ms != 0 ? timeout_ms : verb == ASK_WATCH ? -1 : r->set.timeout_ms;
	return *used < 0 ? NEVER : clock_ms() + *used;
}

uint64_t
roster_start(struct roster *r, enum roster_verb verb, const struct roster_request *request, roster_fn *fn, void *arg,
	struct roster_error *error)
{
	struct roster_request q;
	struct call *call;

	if (!is_verb((unsigned)verb) || fn == NULL) {
		error_local(error, NAME_BAD_REQUEST, "verb", "there is no verb %d, or no function to call back", (int)verb);
		return 0;
	}
	if (!options_copy(&q, sizeof(q), request, "request", error) || !has_room(r, (uint8_t)verb, error) ||
		!session_is_there(r, (uint8_t)verb, &q, error))
		return 0;
	call = call_new(r, (uint8_t)verb, fn, arg);
	if (!write_frame(r, call, &q, error)) {
		call_free(r, call);
		return 0;
	}
	call->from = q.from;
	call->deadline = deadline_of(r, call->verb, q.timeout_ms, &call->timeout_ms);
	call_enqueue(r, call);
	handle_at(r, call->deadline);
	handle_nudge(r);
	return (uint64_t)call->generation << 32 | (call->slot + 1);
}

/* ---- Ending ---- */

static void
send_cancel(struct roster *r, uint32_t target)
{
	struct call *call = call_new(r, ASK_CANCEL, NULL, NULL);
	size_t began = roster_frame_begin(&call->frame);

	put_number(&call->frame, IN_TARGET, target);
	roster_frame_end(&call->frame, began, ASK_CANCEL, FRAME_LAST, call->slot + 1);
	r->calls.bytes += call->frame.len;
	call_enqueue(r, call);
	handle_nudge(r);
}

/* Nobody wants its answer any more. Its id stays taken until the server has said the last of it. */
static void
call_drop(struct roster *r, struct call *call)
{
	if (call->state == CALL_WAITING) {
		take_out_of_line(&r->calls, call);
		call_free(r, call);
	} else {
		call->state = CALL_DROPPED;
		call->deadline = NEVER;
		send_cancel(r, call->slot + 1);
	}
}

bool
roster_cancel(struct roster *r, uint64_t number)
{
	uint32_t id = (uint32_t)number;
	struct call *call = id > 0 && id <= r->calls.count ? r->calls.slots[id - 1] : NULL;
	bool wanted;

	if (call == NULL || call->generation != number >> 32 || call->state == CALL_FREE || call->state == CALL_DROPPED)
		return false;
	wanted = call->fn != NULL;
	call->fn = NULL;
	if (call->state != CALL_ENDING)
		call_drop(r, call);
	return wanted;
}

static void
call_expire(struct roster *r, struct call *call)
{
	struct roster_error error;
	roster_fn *fn = call->fn;
	void *arg = call->arg;

	error_local(&error, NAME_TIMEOUT, "", "no answer within %d ms%s%s", call->timeout_ms,
		r->link.trouble[0] != '\0' ? "; " : "", r->link.trouble);
	call_drop(r, call);
	fn(arg, NULL, &error);
}

int64_t
calls_expire(struct roster *r, int64_t now)
{
	int64_t next = NEVER;

	for (size_t i = 0; i < r->calls.count; i++) {
		struct call *call = r->calls.slots[i];

		if (call->state != CALL_WAITING && call->state != CALL_SENT)
			continue;
		if (call->deadline <= now)
			call_expire(r, call);
		else if (call->deadline < next)
			next = call->deadline;
	}
	return next;
}

/* Whether the answer can only be an error, now that the connection is gone. */
static bool
is_hopeless(const struct call *call)
{
	if (is_of_session(call->verb))
		return true;
	return call->state == CALL_SENT && (is_write(call->verb) || (call->told && call->verb != ASK_WATCH));
}

static void
call_lost(struct roster *r, struct call *call, bool all)
{
	if (call->state == CALL_DROPPED || is_internal(call)) {
		call_free(r, call);
	} else if (all || is_hopeless(call)) {
		call->state = CALL_ENDING;
	} else {
		uncount(&r->calls, call);
		call->resumed |= call->told;
		call->state = CALL_WAITING;
		call_enqueue(r, call);
	}
}

/* First all of them find their place, then those that failed are told: what they do then finds everything in order. */
void
calls_lost(struct roster *r, const struct roster_error *error, bool all)
{
	struct calls *c = &r->calls;

	c->lines[0] = c->lines[1] = (struct line){ NULL, NULL };
	for (size_t i = 0; i < c->count; i++)
		if (c->slots[i]->state != CALL_FREE)
			call_lost(r, c->slots[i], all);
	for (size_t i = 0; i < c->count; i++)
		if (c->slots[i]->state == CALL_ENDING)
			call_fail(r, c->slots[i], error);
}
