/* Quotas: reserving and releasing, and the records that an org of an older version does not have yet. */
#include "daemon/directory/quota.h"

#include "daemon/scim/acts.h"
#include "daemon/scim/way.h"

#include "base/banned.h"

/* ---- .reserve, .release ---- */

struct act {
	struct write write; /* must stay first */
	struct uuid id;
	struct quota_move move;
	struct written written;
};

static enum rc
read_move(const json_t *body, struct quota_move *out, struct err *err)
{
	const json_t *amount = json_member(body, "amount"), *member = json_member(body, "member");

	if (!json_is_integer(amount) || json_integer_value(amount) < 1 ||
		json_integer_value(amount) > QUOTA_AMOUNT_MAX)
		return fail(err, RC_INVALID_VALUE, "amount", "must be an integer from 1 to %d", QUOTA_AMOUNT_MAX);
	out->amount = (uint64_t)json_integer_value(amount);
	out->has_member = member != NULL && !json_is_null(member);
	if (out->has_member && (!json_is_string(member) || !uuid_parse(json_text(member), &out->member)))
		return fail(err, RC_INVALID_VALUE, "member", "must be the id of a member");
	return RC_OK;
}

static enum rc
act_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	struct act *act = (struct act *)w;
	json_t *body;
	enum rc rc = action_body(w->rq, &body, err);

	(void)slow;
	*needs_slow = false;
	return rc != RC_OK ? rc : read_move(body, &act->move, err);
}

static enum rc
act_run(struct write *w, struct orgtx *o, struct err *err)
{
	struct act *act = (struct act *)w;
	struct writer writer = writer_of(w->rq, o);

	return quota_act(&w->rq->scim->directory, o, &writer, w->rq->arena, &act->id, &act->move, &act->written,
		err);
}

static void
act_reply(struct write *w)
{
	struct act *act = (struct act *)w;

	reply_resource(w->rq, 200, act->written.row, act->written.packed,
		&w->rq->scim->by_default[TYPE_QUOTA]);
}

static void
act_start(struct request *rq, bool release)
{
	struct act *act = ARENA_NEW(rq->arena, struct act);
	struct err err;

	act->move.release = release;
	act->write.prepare = act_prepare;
	act->write.run = act_run;
	act->write.reply = act_reply;
	if (uuid_parse(rq->name, &act->id))
		write_start(rq, &act->write);
	else
		reply_error(rq, fail(&err, RC_NOT_FOUND, "", "there is no Quota with this id"), &err);
}

void
act_reserve(struct request *rq)
{
	act_start(rq, false);
}

void
act_release(struct request *rq)
{
	act_start(rq, true);
}

/* ---- Looking, at all that the model has ---- */

/* Of rosterd's own accord: whoever looks changes nothing. */
static enum rc
make_missing(struct write *w, struct orgtx *o, struct err *err)
{
	const struct directory *d = &w->rq->scim->directory;
	struct writer writer = { .actor = { .door = DOOR_SCIM, .kind = ACTOR_SYSTEM, .now = w->rq->now,
				       .action = "quota.make" } };
	struct deed x = { .d = d, .o = o, .w = &writer, .arena = w->rq->arena, .verb = VERB_CREATE };
	struct subject by;
	enum rc rc;

	if (!quotas_missing(d, o, x.arena))
		return RC_OK;
	if ((rc = subject_load(d, o, x.arena, &w->rq->caller, w->rq->now, &by, err)) != RC_OK)
		return rc;
	quotas_put(&x, by.model, change_begin(o, &writer.actor));
	change_end(o);
	return RC_OK;
}

static enum rc
nothing_to_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	(void)w;
	(void)slow;
	(void)err;
	*needs_slow = false;
	return RC_OK;
}

static void
list(struct write *w)
{
	handle_list(w->rq);
}

static void
search(struct write *w)
{
	handle_search(w->rq);
}

static void
look(struct request *rq, void (*then)(struct write *w))
{
	struct orgtx *o = orgtx_open(rq->worker->reader, rq->caller.org);
	struct write *w = ARENA_NEW(rq->arena, struct write);
	struct subject by;

	w->prepare = nothing_to_prepare;
	w->run = make_missing;
	w->reply = then;
	w->rq = rq;
	if (!quotas_missing(&rq->scim->directory, o, rq->arena) ||
		subject_of(rq, rq->worker->reader, &by, NULL) != RC_OK ||
		subject_sight(&by, rq->type) == SEES_NONE)
		then(w);
	else
		write_start(rq, w);
}

void
handle_quotas(struct request *rq)
{
	look(rq, list);
}

void
handle_quota_search(struct request *rq)
{
	look(rq, search);
}
