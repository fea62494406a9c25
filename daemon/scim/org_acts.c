/* Actions on organizations, connections and tokens: decoded here, decided in directory/. */
#include "daemon/directory/organization.h"
#include "daemon/scim/acts.h"
#include "daemon/scim/way.h"
#include "schema/text.h"

#include "base/banned.h"

struct org_action {
	struct write write; /* must stay first */
	struct uuid id;     /* of the path */
	struct org_act_args args;
	struct precondition pre;
	struct token_rotation rotation;
	int64_t overlap; /* ticks */
	struct written written;
};

static void
start(struct request *rq, struct org_action *act)
{
	struct err err;

	precondition_of(&rq->x->request, &act->pre);
	if (uuid_parse(rq->name, &act->id))
		write_start(rq, &act->write);
	else
		reply_error(rq,
			fail(&err, RC_NOT_FOUND, "", "there is no %.*s with this id",
				SLICE_ARG(rq->type->name)),
			&err);
}

static enum rc
find(const struct org_action *act, struct orgtx *o, uint64_t *row, struct err *err)
{
	struct record r;

	return resource_find(o, act->write.rq->type, &act->id, row, &r, err);
}

static void
reply(struct write *w)
{
	struct org_action *act = (struct org_action *)w;

	reply_resource(w->rq, 200, act->written.row, (struct slice){ NULL, 0 },
		&w->rq->scim->by_default[w->rq->type->code]);
}

/* ---- Organizations ---- */

static enum rc
org_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	struct org_action *act = (struct org_action *)w;
	json_t *body, *key, *reason;
	enum rc rc = action_body(w->rq, &body, err);

	(void)slow;
	*needs_slow = false;
	if (rc != RC_OK)
		return rc;
	reason = json_member(body, "reason");
	if (reason != NULL && !json_is_string(reason))
		return fail(err, RC_INVALID_VALUE, "reason", "must be a text");
	if (reason != NULL)
		act->args.reason = json_text(reason);
	if (act->args.act != ORG_ACT_RENAME)
		return RC_OK;
	key = json_member(body, "key");
	if (key == NULL || !json_is_string(key))
		return fail(err, RC_INVALID_VALUE, "key", "must be there, as a text: the new key");
	act->args.key = json_text(key);
	return RC_OK;
}

static enum rc
org_run(struct write *w, struct orgtx *o, struct err *err)
{
	struct org_action *act = (struct org_action *)w;
	struct writer writer = writer_of(w->rq, o);
	uint64_t row;
	enum rc rc = find(act, o, &row, err);

	return rc != RC_OK ? rc
			   : organization_act(&w->rq->scim->directory, orgtx_txn(o), &writer, w->rq->arena,
				     row, &act->pre, &act->args, &act->written, err);
}

static void
act_org(struct request *rq, enum org_act what)
{
	struct org_action *act = ARENA_NEW(rq->arena, struct org_action);

	act->args.act = what;
	act->write.prepare = org_prepare;
	act->write.run = org_run;
	act->write.reply = reply;
	start(rq, act);
}

void
act_suspend(struct request *rq)
{
	act_org(rq, ORG_ACT_SUSPEND);
}

void
act_resume(struct request *rq)
{
	act_org(rq, ORG_ACT_RESUME);
}

void
act_rename(struct request *rq)
{
	act_org(rq, ORG_ACT_RENAME);
}

void
act_restore(struct request *rq)
{
	act_org(rq, ORG_ACT_RESTORE);
}

/* ---- Connections ---- */

static enum rc
release_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	json_t *body;

	(void)slow;
	*needs_slow = false;
	return action_body(w->rq, &body, err);
}

static enum rc
release_run(struct write *w, struct orgtx *o, struct err *err)
{
	struct org_action *act = (struct org_action *)w;
	struct writer writer = writer_of(w->rq, o);
	struct connection unused;
	enum rc rc = find(act, o, &act->written.row, err);

	return rc != RC_OK ? rc
			   : connection_release(&w->rq->scim->directory, o, &writer, w->rq->arena,
				     act->written.row, &unused, err);
}

void
act_connection_release(struct request *rq)
{
	struct org_action *act = ARENA_NEW(rq->arena, struct org_action);

	act->write.prepare = release_prepare;
	act->write.run = release_run;
	act->write.reply = reply;
	start(rq, act);
}

/* ---- Tokens ---- */

enum { OVERLAP_MAX = 365 * 86400 };

static enum rc
rotate_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	struct org_action *act = (struct org_action *)w;
	json_t *body, *overlap, *expires;
	enum rc rc = action_body(w->rq, &body, err);

	(void)slow;
	*needs_slow = false;
	if (rc != RC_OK)
		return rc;
	overlap = json_member(body, "overlap");
	if (overlap != NULL && (!json_is_integer(overlap) || json_integer_value(overlap) < 0 ||
				       json_integer_value(overlap) > OVERLAP_MAX))
		return fail(err, RC_INVALID_VALUE, "overlap",
			"is a number of seconds, for which the old token lives on");
	act->overlap = overlap != NULL ? json_integer_value(overlap) * 10000000 : 0;
	expires = json_member(body, "expires");
	if (expires != NULL && (!json_is_string(expires) ||
				       !datetime_parse(json_text(expires), &act->rotation.expires)))
		return fail(err, RC_INVALID_VALUE, "expires", "is a time, such as 2027-01-31T12:00:00Z");
	return RC_OK;
}

static enum rc
rotate_run(struct write *w, struct orgtx *o, struct err *err)
{
	struct org_action *act = (struct org_action *)w;
	struct writer writer = writer_of(w->rq, o);
	uint64_t row;
	enum rc rc = find(act, o, &row, err);

	if (rc != RC_OK)
		return rc;
	act->rotation.old_until = w->rq->now + act->overlap;
	rc = token_rotate(&w->rq->scim->directory, o, &writer, w->rq->arena, row, &act->rotation,
		&act->written, err);
	explicit_bzero(act->rotation.secret, sizeof(act->rotation.secret));
	return rc;
}

static void
rotate_reply(struct write *w)
{
	struct org_action *act = (struct org_action *)w;

	reply_resource(w->rq, 201, act->written.row, act->written.packed,
		&w->rq->scim->by_default[TYPE_TOKEN]);
}

void
act_rotate(struct request *rq)
{
	struct org_action *act = ARENA_NEW(rq->arena, struct org_action);

	act->write.prepare = rotate_prepare;
	act->write.run = rotate_run;
	act->write.reply = rotate_reply;
	start(rq, act);
}
