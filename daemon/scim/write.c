#include "daemon/scim/way.h"

#include "base/banned.h"

/* A group with more members than this is not sent back after a PATCH: 204 instead of 200, so that one more member costs the same
 * in a group of ten and of a million (docs/SCIM.md). */
enum { PATCH_ANSWER_MEMBERS = 100 };

struct single {
	struct write write; /* must stay first */
	struct edit edit;
	struct projection projection;
	bool projected; /* the request says what to return */
	bool decoded;
};

static enum rc
single_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	struct single *s = (struct single *)w;
	struct request *rq = w->rq;
	struct password_cost cost = config_password_cost(rq->scim->options.config);
	json_t *body = NULL;
	enum rc rc = RC_OK;

	*needs_slow = false;
	if (!s->decoded) {
		if (s->edit.op != OP_DELETE)
			rc = json_read(rq->arena, rq->x->body, &body, err);
		if (rc != RC_OK || (rc = edit_decode(&rq->scim->directory, rq->arena, rq->caller.dialect, body, &s->edit, err)) != RC_OK)
			return rc;
		s->decoded = true;
	}
	if (!edit_has_password(&s->edit))
		return RC_OK;
	*needs_slow = !slow;
	return slow ? edit_hash(&rq->scim->directory, rq->arena, &cost, &s->edit, err) : RC_OK;
}

static enum rc
single_run(struct write *w, struct orgtx *o, struct err *err)
{
	struct request *rq = w->rq;
	struct writer by = writer_of(rq, o);

	return edit_run(&rq->scim->directory, rq->arena, o, &by, &((struct single *)w)->edit, err);
}

/* RFC 7644 section 3.5.2: 200 is a must when attributes are asked for, else 204 is as good. */
static bool
answers_without_body(const struct single *s)
{
	struct request *rq = s->write.rq;

	return s->edit.op == OP_PATCH && s->edit.type->code == TYPE_GROUP && !s->projected &&
		edge_count(orgtx_open(rq->worker->reader, rq->caller.org), EDGE_MEMBERS,
			s->edit.written.row) > PATCH_ANSWER_MEMBERS;
}

static void
single_reply(struct write *w)
{
	struct single *s = (struct single *)w;
	struct record rec;

	if (s->edit.op == OP_DELETE)
		reply_no_content(w->rq, 0);
	else if (!answers_without_body(s))
		reply_resource(w->rq, s->edit.op == OP_CREATE ? 201 : 200, s->edit.written.row,
			s->edit.written.packed, &s->projection);
	else
		reply_no_content(w->rq, record_parse(w->rq->scim->options.schema,
			s->edit.written.packed, &rec) ? rec.revision : 0);
}

/* ?confirm=N: the client knows that so many things go along. */
static enum rc
read_confirm(struct request *rq, struct precondition *pre, struct err *err)
{
	struct slice value;

	if (!http_query(rq->arena, rq->x->request.query, "confirm", &value, &pre->confirmed) ||
		(pre->confirmed && !slice_to_u64(value, 0, UINT64_MAX, &pre->confirm)))
		return fail(err, RC_INVALID_VALUE, "confirm", "is a number: how many things go along");
	return RC_OK;
}

static enum rc
single_begin(struct request *rq, struct single *s, struct err *err)
{
	struct list_request lr;
	enum rc rc;

	s->edit.type = rq->type;
	precondition_of(&rq->x->request, &s->edit.pre);
	if ((rc = list_request_from_query(rq->arena, rq->x->request.query, &lr, err)) != RC_OK ||
		(rc = read_confirm(rq, &s->edit.pre, err)) != RC_OK)
		return rc;
	s->projected = lr.attributes.len > 0 || lr.excluded.len > 0;
	if ((rc = projection_of(rq, rq->type, lr.attributes, lr.excluded, &s->projection, err)) != RC_OK)
		return rc;
	if (s->edit.op == OP_CREATE)
		s->edit.id = new_id(rq->scim);
	else if (!uuid_parse(rq->name, &s->edit.id))
		return fail(err, RC_NOT_FOUND, "", "there is no %.*s with the id \"%.*s\"",
			SLICE_ARG(rq->type->name), (int)(rq->name.len < 100 ? rq->name.len : 100),
			rq->name.p);
	return RC_OK;
}

static void
single_start(struct request *rq, enum edit_op op)
{
	struct single *s = ARENA_NEW(rq->arena, struct single);
	struct err err;
	enum rc rc;

	s->edit.op = op;
	s->write.prepare = single_prepare;
	s->write.run = single_run;
	s->write.reply = single_reply;
	if ((rc = single_begin(rq, s, &err)) != RC_OK)
		reply_error(rq, rc, &err);
	else
		write_start(rq, &s->write);
}

void
handle_create(struct request *rq)
{
	single_start(rq, OP_CREATE);
}

void
handle_replace(struct request *rq)
{
	single_start(rq, OP_REPLACE);
}

void
handle_patch(struct request *rq)
{
	single_start(rq, OP_PATCH);
}

void
handle_delete(struct request *rq)
{
	single_start(rq, OP_DELETE);
}
