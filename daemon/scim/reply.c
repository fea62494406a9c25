#include "daemon/directory/render.h"
#include "daemon/scim/request.h"

#include "base/banned.h"

enum rc
reader_enter(struct scim_worker *w, struct err *err)
{
	enum rc rc = w->depth == 0 ? reader_begin(w->reader, err) : RC_OK;

	if (rc == RC_OK)
		w->depth++;
	return rc;
}

void
reader_leave(struct scim_worker *w)
{
	if (--w->depth == 0)
		reader_end(w->reader);
}

struct response
error_response(const struct request *rq, enum rc rc)
{
	struct response r = { .status = rc_status(rc), .content_type = answer_type(rq) };

	if (rc == RC_UNAUTHORIZED)
		r.www_authenticate = auth_challenge(rq->x->request.authorization);
	else if (rc == RC_RATE_LIMITED || rc == RC_UNAVAILABLE)
		r.retry_after = rq->retry_after > 0 ? rq->retry_after : 1;
	else if (rc == RC_METHOD_NOT_ALLOWED)
		r.allow = rq->allow;
	else if (rc == RC_MOVED)
		r.location = rq->moved;
	return r;
}

void
reply_error(struct request *rq, enum rc rc, const struct err *err)
{
	struct response r = error_response(rq, rc);

	buf_clear(&rq->worker->out);
	error_write(&rq->worker->out, rc, err);
	exchange_respond(rq->x, &r, buf_as_slice(&rq->worker->out));
}

void
reply_json(struct request *rq, int status, struct slice body)
{
	struct response r = { .status = status, .content_type = answer_type(rq) };

	exchange_respond(rq->x, &r, body);
}

void
reply_no_content(struct request *rq, uint64_t revision)
{
	char etag[VERSION_MAX];
	struct response r = { .status = 204 };

	if (revision != 0)
		r.etag = (struct slice){ etag, version_format(revision, etag) };
	exchange_respond(rq->x, &r, SLICE(""));
}

/* ---- Resources, piece by piece ---- */

struct reply {
	struct request *rq;
	struct render render;
};

static void
reply_init(struct reply *r, struct request *rq, const uint64_t *rows, size_t count)
{
	*r = (struct reply){ .rq = rq,
		.render = { .d = &rq->scim->directory,
			.arena = rq->arena,
			.now = rq->now,
			.view = { .set = rq->scim->options.schema,
				.base = rq->base,
				.bases = rq->bases,
				.platform = rq->platform,
				.space = rq->caller.connection },
			.rows = rows,
			.count = count } };
}

static bool
produce(void *ctx, struct buf *out, size_t want, bool *failed)
{
	struct reply *r = ctx;
	struct scim_worker *w = r->rq->worker;
	bool more;

	if (reader_enter(w, NULL) != RC_OK) {
		*failed = true;
		return false;
	}
	more = render_some(&r->render, orgtx_open(w->reader, r->rq->caller.org), out, want, failed);
	reader_leave(w);
	return more;
}

/* A list begins with its head, in the first piece. */
struct list_reply {
	struct reply reply;
	struct list_head head;
	bool begun;
};

static bool
produce_list(void *ctx, struct buf *out, size_t want, bool *failed)
{
	struct list_reply *l = ctx;

	if (!l->begun) {
		list_write_open(out, &l->head);
		l->begun = true;
	}
	return produce(&l->reply, out, want, failed);
}

void
reply_list(struct request *rq, const struct list_head *head, const uint64_t *rows, size_t count,
	const struct projection *const by_type[TYPE_COUNT])
{
	struct list_reply *l = ARENA_NEW(rq->arena, struct list_reply);
	struct response r = { .status = 200, .content_type = answer_type(rq) };

	l->head = *head;
	reply_init(&l->reply, rq, rows, count);
	l->reply.render.in_list = true;
	memcpy(l->reply.render.by_type, by_type, sizeof(l->reply.render.by_type));
	exchange_respond_stream(rq->x, &r, produce_list, l);
}

static void
reply_gone(struct request *rq)
{
	struct err err;
	enum rc rc = fail(&err, RC_NOT_FOUND, "", "the resource was deleted meanwhile");

	reply_error(rq, rc, &err);
}

/* A resource may be long: members and groups are written as the client takes them. */
static void
stream_resource(struct request *rq, const struct response *head, uint64_t row, struct slice packed,
	const struct projection *p)
{
	struct reply *r = ARENA_NEW(rq->arena, struct reply);
	uint64_t *rows = ARENA_NEW(rq->arena, uint64_t);

	*rows = row;
	reply_init(r, rq, rows, 1);
	r->render.packed = packed;
	r->render.by_type[row_type(row)] = p;
	exchange_respond_stream(rq->x, head, produce, r);
}

void
reply_resource(struct request *rq, int status, uint64_t row, struct slice packed,
	const struct projection *p)
{
	struct orgtx *o = orgtx_open(rq->worker->reader, rq->caller.org);
	struct response r = { .status = status, .content_type = answer_type(rq) };
	char etag[VERSION_MAX], id[UUID_TEXT];
	struct record rec;

	if (packed.p != NULL ? !record_parse(rq->scim->options.schema, packed, &rec)
			     : !record_get(o, row, &rec)) {
		reply_gone(rq);
		return;
	}
	r.etag = (struct slice){ etag, version_format(rec.revision, etag) };
	if (status == 201) {
		uuid_format(&rec.id, id);
		r.location = slice_of(arena_printf(rq->arena, "%.*s%.*s/%.*s", SLICE_ARG(rq->base),
			SLICE_ARG(rec.type->endpoint), UUID_TEXT, id));
	}
	stream_resource(rq, &r, row, packed, p);
}
