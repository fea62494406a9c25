#include "daemon/clock.h"
#include "daemon/scim/way.h"
#include "protocol/bulk.h"

#include "base/banned.h"

/* What an operation came to. */
struct outcome {
	enum rc rc;
	bool done;
};

/* A bulk request takes as many commits as it needs, each of so long: others' writes go in between, and an operation that looks at
 * a million members can't keep them for a thousand times as long (RFC 7644 section 3.7: operations are not one transaction). */
enum { PART_US = 20000 };

struct bulk_write {
	struct write write; /* must stay first */
	bool decoded;
	size_t prepared; /* operations that have no password to hash any more */
	struct bulk *bulk;
	size_t *order;
	struct edit *edits;       /* as bulk->ops */
	struct err *decode_errors;    /* of operations that can't be carried out */
	enum rc *decode_rc;

	/* What is on disk: outcomes, and where in the order the present part begins. */
	struct outcome *kept;
	size_t from;
	/* Of the present part; made anew by each run. */
	struct outcome *out;
	struct err *errors;
	size_t at;
	bool ended;
};

static const enum edit_op ops_by_method[] = { [BULK_POST] = OP_CREATE, [BULK_PUT] = OP_REPLACE,
	[BULK_PATCH] = OP_PATCH, [BULK_DELETE] = OP_DELETE };

static enum rc
decode_op(struct request *rq, const struct bulk_op *op, struct edit *c, struct err *err)
{
	if (op->rc != RC_OK) {
		*err = op->err;
		return op->rc;
	}
	c->op = ops_by_method[op->method];
	c->type = op->type;
	c->id = op->id;
	precondition_of_version(op->version, &c->pre);
	if (c->op != OP_CREATE && !op->is_uuid)
		return fail(err, RC_NOT_FOUND, "", "there is no %.*s with the id \"%.*s\"",
			SLICE_ARG(op->type->name), (int)(op->id_text.len < 100 ? op->id_text.len : 100),
			op->id_text.p);
	return edit_decode(&rq->scim->directory, rq->arena, rq->caller.dialect, op->data, c, err);
}

static enum rc
decode(struct bulk_write *b, struct err *err)
{
	struct request *rq = b->write.rq;
	const struct config *cfg = rq->scim->options.config;
	struct bulk_options options = { rq->caller.dialect, cfg->bulk_operations, rq->bases };
	json_t *body;
	enum rc rc;
	size_t n;

	if ((rc = bulk_check_size(rq->x->body.len, cfg->bulk_payload, err)) != RC_OK ||
		(rc = json_read(rq->arena, rq->x->body, &body, err)) != RC_OK ||
		(rc = bulk_read(rq->arena, rq->scim->options.schema, body, &options, &b->bulk, err)) != RC_OK)
		return rc;
	n = b->bulk->count;
	for (size_t i = 0; i < n; i++)
		if (b->bulk->ops[i].method == BULK_POST)
			b->bulk->ops[i].id = new_id(rq->scim);
	bulk_resolve(rq->arena, b->bulk);
	b->order = bulk_order(rq->arena, b->bulk);
	b->edits = ARENA_ARRAY(rq->arena, struct edit, n);
	b->decode_rc = ARENA_ARRAY(rq->arena, enum rc, n);
	b->decode_errors = ARENA_ARRAY(rq->arena, struct err, n);
	b->kept = ARENA_ARRAY(rq->arena, struct outcome, n);
	b->out = ARENA_ARRAY(rq->arena, struct outcome, n);
	b->errors = ARENA_ARRAY(rq->arena, struct err, n);
	for (size_t i = 0; i < n; i++)
		b->decode_rc[i] = decode_op(rq, &b->bulk->ops[i], &b->edits[i], &b->decode_errors[i]);
	return RC_OK;
}

static enum rc
bulk_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	struct bulk_write *b = (struct bulk_write *)w;
	struct password_cost cost = config_password_cost(w->rq->scim->options.config);
	bool hashed = false;
	enum rc rc;

	*needs_slow = false;
	if (!b->decoded && (rc = decode(b, err)) != RC_OK)
		return rc;
	b->decoded = true;
	for (; b->prepared < b->bulk->count; b->prepared++) {
		size_t i = b->prepared;

		if (b->decode_rc[i] != RC_OK || !edit_has_password(&b->edits[i]))
			continue;
		if (!slow || hashed) { /* one at a time: a thousand take half a minute */
			*needs_slow = true;
			return RC_OK;
		}
		b->decode_rc[i] = edit_hash(&w->rq->scim->directory, w->rq->arena, &cost, &b->edits[i], &b->decode_errors[i]);
		hashed = true;
	}
	return RC_OK;
}

/* What an operation names must have been made. In a circle of groups it can't be: a group may not hold itself. */
static enum rc
check_refs(const struct bulk_write *b, size_t i, struct err *err)
{
	const struct bulk_op *op = &b->bulk->ops[i];

	for (size_t n = 0; n < op->ref_count; n++) {
		size_t ref = op->refs[n];

		if (ref != i && b->out[ref].done && b->out[ref].rc != RC_OK)
			return bulk_fail_ref(b->bulk, ref, err);
		if (!b->out[ref].done && b->edits[i].in.members.count > 0 &&
			b->bulk->ops[ref].type != NULL && b->bulk->ops[ref].type->code == TYPE_GROUP)
			return fail(err, RC_CONFLICT, "members",
				"groups that hold each other can't be created");
	}
	return RC_OK;
}

/* Two users may name each other as manager: the one made first named somebody who was still to come. When that one
 * failed, this one goes again (RFC 7644 section 3.7.1), and so on for whoever names it. */
static void
undo_dangling(struct bulk_write *b, struct orgtx *o)
{
	struct writer w = writer_of(b->write.rq, o);
	bool again = true;

	w.actor.kind = ACTOR_SYSTEM;
	w.caller = NULL; /* what it made itself it may take back */
	w.actor.connection = 0; /* what is taken back is no removal for the guard */
	while (again) {
		again = false;
		for (size_t i = 0; i < b->bulk->count; i++) {
			const struct bulk_op *op = &b->bulk->ops[i];

			for (size_t n = 0; n < op->ref_count && b->out[i].done && b->out[i].rc == RC_OK; n++) {
				size_t ref = op->refs[n];
				struct err ignored;

				if (op->method != BULK_POST || (b->out[ref].done && b->out[ref].rc == RC_OK))
					continue;
				if (resource_delete(&b->write.rq->scim->directory, o, &w,
					    b->write.rq->arena, op->type, &op->id, NULL, &ignored) != RC_OK)
					continue;
				b->out[i].rc = bulk_fail_ref(b->bulk, ref, &b->errors[i]);
				again = true;
			}
		}
	}
}

static uint64_t
errors_of(const struct bulk_write *b)
{
	uint64_t errors = 0;

	for (size_t i = 0; i < b->bulk->count; i++)
		errors += b->out[i].done && b->out[i].rc != RC_OK;
	return errors;
}

static enum rc
bulk_run(struct write *w, struct orgtx *o, struct err *err)
{
	struct bulk_write *b = (struct bulk_write *)w;
	struct writer by = writer_of(w->rq, o);
	uint64_t errors, limit = b->bulk->fail_on_errors;
	int64_t end = clock_us() + PART_US;

	(void)err;
	if (b->bulk->count > 0)
		memcpy(b->out, b->kept, b->bulk->count * sizeof(*b->out));
	errors = errors_of(b);
	for (b->at = b->from; b->at < b->bulk->count && (limit == 0 || errors < limit); b->at++) {
		size_t i = b->order[b->at];
		enum rc rc = b->decode_rc[i];

		if (b->at > b->from && clock_us() >= end)
			break;
		b->errors[i] = b->decode_errors[i];
		if (rc == RC_OK)
			rc = check_refs(b, i, &b->errors[i]);
		if (rc == RC_OK)
			rc = edit_run(&w->rq->scim->directory, w->rq->arena, o, &by, &b->edits[i], &b->errors[i]);
		b->out[i] = (struct outcome){ rc, true };
		errors += rc != RC_OK;
	}
	b->ended = b->at == b->bulk->count || (limit > 0 && errors >= limit);
	if (b->ended)
		undo_dangling(b, o);
	return RC_OK;
}

/* What a further commit refuses is told of each operation that was to be in it: what went before is on disk. */
static void
fail_rest(struct bulk_write *b)
{
	memcpy(b->out, b->kept, b->bulk->count * sizeof(*b->out));
	for (size_t n = b->from; n < b->bulk->count; n++) {
		size_t i = b->order[n];

		b->out[i] = (struct outcome){ b->write.job.rc, true };
		b->errors[i] = b->write.job.err;
	}
	b->write.job.rc = RC_OK;
}

static bool
bulk_committed(struct write *w)
{
	struct bulk_write *b = (struct bulk_write *)w;

	if (w->job.rc != RC_OK) {
		if (b->from > 0)
			fail_rest(b);
		return false;
	}
	if (b->bulk->count > 0)
		memcpy(b->kept, b->out, b->bulk->count * sizeof(*b->out));
	b->from = b->at;
	return !b->ended;
}

static int
success_status(enum bulk_method method)
{
	return method == BULK_POST ? 201 : method == BULK_DELETE ? 204 : 200;
}

static void
bulk_reply(struct write *w)
{
	struct bulk_write *b = (struct bulk_write *)w;
	struct buf *out = &w->rq->worker->out;
	bool first = true;

	buf_clear(out);
	bulk_write_open(out);
	for (size_t i = 0; i < b->bulk->count; i++) {
		const struct bulk_op *op = &b->bulk->ops[i];
		enum rc rc = b->out[i].rc;
		struct bulk_result result = { .rc = rc, .err = &b->errors[i] };
		char version[VERSION_MAX];
		struct record rec;

		if (!b->out[i].done)
			continue;
		result.status = rc == RC_OK ? success_status(op->method) : rc_status(rc);
		if (rc == RC_OK && op->method != BULK_DELETE &&
			record_parse(w->rq->scim->options.schema, b->edits[i].written.packed, &rec))
			result.version = (struct slice){ version, version_format(rec.revision, version) };
		bulk_write_entry(out, first, w->rq->base, op, &result);
		first = false;
	}
	bulk_write_close(out);
	reply_json(w->rq, 200, buf_as_slice(out));
}

void
handle_bulk(struct request *rq)
{
	struct bulk_write *b = ARENA_NEW(rq->arena, struct bulk_write);

	b->write.prepare = bulk_prepare;
	b->write.run = bulk_run;
	b->write.reply = bulk_reply;
	b->write.committed = bulk_committed;
	write_start(rq, &b->write);
}
