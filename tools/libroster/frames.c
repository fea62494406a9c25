#include "tools/libroster/private.h"

#include "base/banned.h"

/* ---- hello ---- */

void
link_hello(struct roster *r)
{
	struct call *call = call_new(r, ASK_HELLO, NULL, NULL);
	size_t began = roster_frame_begin(&call->frame);

	put_number(&call->frame, IN_VERSION, ROSTER_VERSION);
	if (r->set.token != NULL)
		put_bytes(&call->frame, IN_TOKEN, slice_of(r->set.token));
	put_bytes(&call->frame, IN_CLIENT, slice_of(r->set.client));
	roster_frame_end(&call->frame, began, ASK_HELLO, FRAME_LAST, call->slot + 1);
	r->calls.bytes += call->frame.len;
	call->state = CALL_SENT;
	buf_put(&r->link.out, call->frame.p, call->frame.len);
}

static uint64_t
limit_or(const struct fields *f, unsigned number, uint64_t usual)
{
	uint64_t v = fields_number(f, number);

	return v > 0 && v < usual ? v : usual;
}

static void
hello_answered(struct roster *r, const struct fields *f)
{
	struct link *l = &r->link;

	l->max_payload = limit_or(f, OUT_MAX_PAYLOAD, ROSTER_PAYLOAD_MAX);
	l->max_items = limit_or(f, OUT_MAX_ITEMS, ROSTER_ITEMS_MAX);
	l->max_requests = limit_or(f, OUT_MAX_REQUESTS, UINT32_MAX);
	if (l->state == LINK_OPEN)
		return;
	l->state = LINK_OPEN;
	l->opened_at = clock_ms();
	l->trouble[0] = '\0';
	link_log(r, "connected to %s:%s", r->set.host, r->set.port);
	if (r->set.ping_ms >= 0)
		handle_at(r, l->heard_at + r->set.ping_ms);
}

/* ---- Answers ---- */

/* A watch is told whole when its revision is: from there it goes on after a break. */
static void
watch_told(struct call *call, const struct fields *f)
{
	if (fields_number(f, OUT_MORE) == 0 && fields_has(f, OUT_REVISION))
		call->from = fields_number(f, OUT_REVISION);
}

static void
part_told(struct roster *r, struct call *call)
{
	struct roster_answer *answer = &r->answer;
	roster_fn *fn = call->fn;
	void *arg = call->arg;

	answer->resumed = call->resumed;
	call->resumed = false;
	call->told = true;
	if (call->verb == ASK_WATCH)
		watch_told(call, &answer->fields);
	if (call->verb == ASK_SYNC_BEGIN && fields_has(&answer->fields, OUT_SYNC))
		answer->fields.at[OUT_SYNC].number |= (uint64_t)r->link.number << 32;
	if (!answer->last) {
		fn(arg, answer, NULL);
		return;
	}
	/* What fn cancels, or starts anew, is not this one. */
	call->state = CALL_ENDING;
	call->fn = NULL;
	fn(arg, answer, NULL);
	call_free(r, call);
}

/* Of a call of our own, or of one that nobody wants any more. */
static bool
quietly_told(struct roster *r, struct call *call, bool failed, struct roster_error *error)
{
	uint8_t verb = call->verb;

	if (!r->answer.last)
		return true;
	call_free(r, call);
	if (verb == ASK_HELLO && failed) {
		error_answered(error, &r->answer.fields);
		return false;
	}
	if (verb == ASK_HELLO)
		hello_answered(r, &r->answer.fields);
	return true;
}

static bool
frame_told(struct roster *r, const struct frame_head *head, struct slice payload, struct roster_error *error)
{
	struct call *call = calls_find(r, head->id);
	bool failed = (head->flags & FRAME_ERROR) != 0;
	struct roster_error answered;

	if (!answer_read(&r->answer, payload, (head->flags & FRAME_LAST) != 0)) {
		error_local(error, NAME_PROTOCOL, "", "the server's answer %u is malformed", head->id);
		return false;
	}
	if (head->id == 0 && failed) {
		error_answered(&answered, &r->answer.fields);
		error_local(error, NAME_PROTOCOL, "", "the server gave up: %s", answered.message);
		return false;
	}
	if (call == NULL || call->verb != head->type || (failed && !r->answer.last)) {
		error_local(error, NAME_PROTOCOL, "", "the server answers what was not asked (%u)", head->id);
		return false;
	}
	if (call->fn == NULL || call->state == CALL_DROPPED)
		return quietly_told(r, call, failed, error);
	if (failed) {
		error_answered(&answered, &r->answer.fields);
		call->state = CALL_ENDING;
		call_fail(r, call, &answered);
	} else {
		part_told(r, call);
	}
	return true;
}

bool
link_frames(struct roster *r, struct roster_error *error)
{
	struct link *l = &r->link;

	while (l->in.len - l->in_at >= FRAME_HEAD) {
		struct slice rest = { l->in.p + l->in_at, l->in.len - l->in_at };
		struct frame_head head;

		if (!frame_head_read(rest.p, &head) || head.len > ROSTER_PAYLOAD_MAX) {
			error_local(error, NAME_PROTOCOL, "", "what the server says is no frame");
			return false;
		}
		if (rest.len - FRAME_HEAD < head.len)
			break;
		l->in_at += FRAME_HEAD + head.len;
		if (!frame_told(r, &head, (struct slice){ rest.p + FRAME_HEAD, head.len }, error))
			return false;
	}
	return true;
}
