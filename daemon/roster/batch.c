/* Many questions in one frame: answered in pieces, with others' turns in between. */
#include "daemon/roster/message.h"

#include "daemon/clock.h"

#include "base/banned.h"

enum {
	ITEMS_A_LOOK = 16, /* between two looks at the clock */
	PIECE_US = 300,    /* of questions in one turn */
};

struct batch {
	struct roster_task task; /* must stay first */
	ask_fn *ask;
	struct slice rest; /* items that were not asked yet */
};

/* An item that can't be asked is an answer of its own. */
static uint8_t
ask_item(struct message *m, ask_fn *ask, struct check *k, struct slice item)
{
	struct fields own;
	const struct question q = { &own, &m->in };
	uint8_t code = CODE_MALFORMED;
	struct err err;
	enum rc rc;

	if (message_fields(item, 0, &own, &err) != RC_OK || fields_has(&own, IN_ITEM))
		return CODE_MALFORMED;
	rc = ask(m, k, &q, &code, &err);
	return rc == RC_OK ? code : rc == RC_INVALID_VALUE || rc == RC_TOO_LARGE ? CODE_MALFORMED : CODE_ERROR;
}

/* Some of the items, as one part. */
static void
answer_part(struct message *m, ask_fn *ask, struct slice *rest)
{
	char codes[ROSTER_ITEMS_MAX];
	int64_t end = clock_us() + PIECE_US;
	struct slice item;
	struct check k;
	size_t n = 0, began;

	k.o = NULL;
	while (n < sizeof(codes) && fields_next(rest, IN_ITEM, &item)) {
		codes[n++] = (char)ask_item(m, ask, &k, item);
		if (n % ITEMS_A_LOOK == 0 && clock_us() >= end)
			break;
	}
	began = answer_begin(m);
	put_number(m->out, OUT_REVISION, m->revision);
	put_bytes(m->out, OUT_ANSWERS, (struct slice){ codes, n });
	answer_end(m, began, rest->len == 0 ? FRAME_LAST : 0);
}

static enum task_state
batch_produce(struct session_task *task, struct buf *out)
{
	struct batch *b = (struct batch *)task;
	struct message *m = &b->task.message;
	struct arena *own = m->arena;

	if (!task_resume(&b->task, out, true))
		return TASK_DONE;
	m->arena = m->worker->arena;
	answer_part(m, b->ask, &b->rest);
	arena_clear(m->arena);
	m->arena = own;
	return b->rest.len == 0 ? TASK_DONE : TASK_MORE;
}

static size_t
item_count(struct slice payload)
{
	struct slice item;
	size_t n = 0;

	while (fields_next(&payload, IN_ITEM, &item))
		n++;
	return n;
}

/* Fields behind the last item leave a rest without items: it would take a last part that is empty. */
static struct slice
up_to_last_item(struct slice payload)
{
	struct slice rest = payload, item = { payload.p, 0 };

	while (fields_next(&rest, IN_ITEM, &item))
		continue;
	return (struct slice){ payload.p, (size_t)(item.p + item.len - payload.p) };
}

enum rc
batch_run(struct message *m, struct err *err)
{
	ask_fn *ask = m->type == ASK_CHECK_BATCH ? ask_check : ask_is_member;
	unsigned right = m->type == ASK_CHECK_BATCH ? RIGHT_CHECK : RIGHT_MEMBERS;
	struct slice rest = up_to_last_item(m->payload);
	struct batch *b;
	enum rc rc;

	if (item_count(rest) > ROSTER_ITEMS_MAX)
		return fail(err, RC_TOO_MANY, "item", "at most %d questions in one request", ROSTER_ITEMS_MAX);
	/* Who may ask about nobody is told so once. */
	if ((rc = message_may(m, right, 0, err)) != RC_OK && (rc = message_may(m, right, m->peer->entry.member, err)) != RC_OK)
		return rc;
	answer_part(m, ask, &rest);
	if (rest.len == 0)
		return RC_OK;
	b = task_new(m, sizeof(*b), batch_produce);
	b->ask = ask;
	b->rest = (struct slice){ b->task.message.payload.p + (rest.p - m->payload.p), rest.len };
	task_add(&b->task);
	return RC_OK;
}
