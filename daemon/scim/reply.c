#include "daemon/directory/rules.h"
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

/* ---- Rendering: resources one after another, each with its members, piece by piece ---- */

enum { MEMBERS_STEP = 256 };

enum render_state { RENDER_RESOURCE, RENDER_GROUPS, RENDER_MEMBERS, RENDER_DONE };

struct render {
	struct request *rq;
	const struct projection *by_type[TYPE_COUNT];
	const uint64_t *rows;
	struct slice packed; /* the one row's record, when it need not be read */
	size_t count, at;
	enum render_state state;
	uint64_t after;  /* the last member written */
	size_t members;  /* or groups, of this resource written */
	struct membership *groups; /* of this user; in scratch */
	size_t group_count, group_at;
	struct arena *scratch; /* of a list, emptied for each user: the request's arena would grow with all of them */
	size_t written;  /* resources */
	bool in_list;
};

static struct view
view_of(const struct render *r, const struct projection *p)
{
	return (struct view){ .set = r->rq->scim->options.schema, .projection = p, .base = r->rq->base,
		.bases = r->rq->bases, .platform = r->rq->platform,
		.space = r->rq->caller.connection };
}

static void
free_arena(void *arena)
{
	arena_free(arena);
}

/* Finds the groups of a user, all at once, to be written in pieces. */
static void
render_groups_begin(struct render *r, struct orgtx *o, uint64_t row)
{
	if (!r->in_list) {
		r->scratch = r->rq->arena;
	} else if (r->scratch == NULL) {
		r->scratch = arena_new();
		arena_on_free(r->rq->arena, free_arena, r->scratch);
	} else {
		arena_clear(r->scratch);
	}
	r->group_count = membership_list(o, r->scratch, row, &r->groups);
	r->group_at = r->members = 0;
	r->state = RENDER_GROUPS;
}

/* The last piece of a resource was written. */
static void
render_end(struct render *r, struct buf *out)
{
	if (r->members > 0)
		buf_char(out, ']');
	buf_char(out, '}');
	r->at++;
	r->state = RENDER_RESOURCE;
}

/* Some more groups of the user under way. */
static void
render_groups(struct render *r, struct orgtx *o, struct buf *out)
{
	const struct directory *d = &r->rq->scim->directory;
	struct view v = view_of(r, r->by_type[TYPE_USER]);

	for (int n = 0; n < MEMBERS_STEP && r->group_at < r->group_count; n++) {
		const struct membership *m = &r->groups[r->group_at++];
		struct record group;

		if (!record_get(o, m->group, &group))
			continue;
		if (r->members++ == 0)
			BUF_LIT(out, ",\"groups\":[");
		else
			buf_char(out, ',');
		edge_write(out, &v, d->at.user_groups, &group.id, group.type, display_of(d, &group),
			m->direct ? SLICE("direct") : SLICE("indirect"));
	}
	if (r->group_at == r->group_count)
		render_end(r, out);
}

/* The next members of the group under way; goes on to the next resource behind the last one. */
static void
render_members(struct render *r, struct orgtx *o, struct buf *out)
{
	const struct directory *d = &r->rq->scim->directory;
	struct view v = view_of(r, r->by_type[TYPE_GROUP]);
	uint64_t rows[MEMBERS_STEP];
	size_t n = edge_list(o, EDGE_MEMBERS, r->rows[r->at], r->after, rows, MEMBERS_STEP);

	for (size_t i = 0; i < n; i++) {
		struct record member;

		if (!record_get(o, rows[i], &member))
			continue;
		if (r->members++ == 0)
			BUF_LIT(out, ",\"members\":[");
		else
			buf_char(out, ',');
		edge_write(out, &v, d->at.group_members, &member.id, member.type, display_of(d, &member),
			member.type->name);
	}
	if (n > 0)
		r->after = rows[n - 1];
	if (n < MEMBERS_STEP)
		render_end(r, out);
}

/* The head of the next resource, and all of it but members and groups. A resource that was deleted since the page was found is passed over. */
static bool
render_next(struct render *r, struct orgtx *o, struct buf *out)
{
	const struct directory *d = &r->rq->scim->directory;
	uint64_t row = r->rows[r->at];
	const struct projection *p = r->by_type[row_type(row)];
	struct view v = view_of(r, p);
	struct record rec;

	if (r->packed.p != NULL ? !record_parse(v.set, r->packed, &rec) : !record_get(o, row, &rec)) {
		r->at++;
		return txn_rc(orgtx_txn(o)) == RC_OK;
	}
	if (r->written++ > 0)
		buf_char(out, ',');
	record_live(d, o, r->rq->arena, r->rq->now, row, &rec);
	if (!resource_write_open(out, &v, &rec))
		return false;
	r->members = 0;
	if (rec.type->code == TYPE_USER && projection_has(p, d->at.user_groups)) {
		render_groups_begin(r, o, row);
		return true;
	}
	if (rec.type->code == TYPE_GROUP && projection_has(p, d->at.group_members)) {
		r->state = RENDER_MEMBERS;
		r->after = 0;
		return true;
	}
	render_end(r, out);
	return true;
}

static bool
render_some(struct render *r, struct orgtx *o, struct buf *out, size_t want, bool *failed)
{
	size_t from = out->len;

	while (r->state != RENDER_DONE && out->len - from < want) {
		if (r->state == RENDER_MEMBERS) {
			render_members(r, o, out);
		} else if (r->state == RENDER_GROUPS) {
			render_groups(r, o, out);
		} else if (r->at == r->count) {
			if (r->in_list)
				BUF_LIT(out, "]}");
			r->state = RENDER_DONE;
		} else if (!render_next(r, o, out)) {
			*failed = true;
			return false;
		}
	}
	return r->state != RENDER_DONE;
}

static bool
produce(void *ctx, struct buf *out, size_t want, bool *failed)
{
	struct render *r = ctx;
	struct scim_worker *w = r->rq->worker;
	bool more;

	if (reader_enter(w, NULL) != RC_OK) {
		*failed = true;
		return false;
	}
	more = render_some(r, orgtx_open(w->reader, r->rq->caller.org), out, want, failed);
	reader_leave(w);
	return more;
}

/* A list begins with its head, in the first piece. */
struct list_render {
	struct render render;
	struct list_head head;
	bool begun;
};

static bool
produce_list(void *ctx, struct buf *out, size_t want, bool *failed)
{
	struct list_render *l = ctx;

	if (!l->begun) {
		list_write_open(out, &l->head);
		l->begun = true;
	}
	return produce(&l->render, out, want, failed);
}

void
reply_list(struct request *rq, const struct list_head *head, const uint64_t *rows, size_t count,
	const struct projection *const by_type[TYPE_COUNT])
{
	struct list_render *l = ARENA_NEW(rq->arena, struct list_render);
	struct response r = { .status = 200, .content_type = answer_type(rq) };

	*l = (struct list_render){ .head = *head,
		.render = { .rq = rq, .rows = rows, .count = count, .in_list = true } };
	memcpy(l->render.by_type, by_type, sizeof(l->render.by_type));
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
	struct render *r = ARENA_NEW(rq->arena, struct render);
	uint64_t *rows = ARENA_NEW(rq->arena, uint64_t);

	*rows = row;
	*r = (struct render){ .rq = rq, .rows = rows, .packed = packed, .count = 1 };
	r->by_type[row_type(row)] = p;
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
