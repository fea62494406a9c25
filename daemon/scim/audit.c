/* The audit log over HTTPS: lists, single events, and the export. Lists are made on the pool, as what a filter passes over costs time; the
 * export is made piece by piece as the client takes it. */
#include "daemon/directory/audit.h"

#include "daemon/directory/operation.h"
#include "daemon/scim/request.h"
#include "protocol/tree_write.h"

#include "base/banned.h"

enum {
	PAGE_BYTES = 4 << 20, /* a page with more ends early: events of large resources are large */
	STEP_BUDGET = 2000,   /* of the export, in one turn of the event loop */
	COUNTING = 4,         /* times the scan limit: what a list by index may look at, for its total */
};

/* Whether the caller may: the one place where the audit log is gated. a: where the subject is kept. */
static enum rc
require(struct request *rq, struct txn *t, struct arena *a, enum verb verb, struct slice part, struct err *err)
{
	struct subject by;
	enum rc rc = subject_load(&rq->scim->directory, orgtx_open(t, rq->caller.org), a, &rq->caller, rq->now,
		&by, err);

	return rc != RC_OK ? rc : operation_require(&by, operation_find(TYPE_AUDIT_EVENT, verb, part), 0, false, err);
}

static void
free_arena(void *arena)
{
	arena_free(arena);
}

/* An arena that goes with the request's. */
static struct arena *
own_arena(struct request *rq)
{
	struct arena *a = arena_new();

	arena_on_free(rq->arena, free_arena, a);
	return a;
}

static struct audit_walk
walk_of(struct request *rq, const struct filter *filter)
{
	return (struct audit_walk){ .at = &rq->scim->audit, .d = &rq->scim->directory, .scratch = own_arena(rq),
		.base = rq->base, .filter = filter };
}

static enum rc
parse_filter(struct request *rq, struct slice text, bool given, struct filter **out, struct err *err)
{
	*out = NULL;
	if (text.len == 0 && (!given || rq->caller.dialect == DIALECT_TOLERANT))
		return RC_OK;
	return filter_parse(rq->arena, rq->scim->options.schema, rq->type, text, rq->caller.dialect, out, err);
}

/* ---- One event ---- */

static enum rc
find_event(struct request *rq, struct audit_walk *w, const struct projection **p, const struct node **event,
	struct err *err)
{
	struct txn *t = rq->worker->reader;
	struct list_request lr;
	struct projection *own;
	enum rc rc;

	*p = &rq->scim->by_default[rq->type->code];
	if ((rc = require(rq, t, rq->arena, VERB_VIEW, SLICE(""), err)) != RC_OK)
		return rc;
	if (rq->x->request.query.len > 0) {
		own = ARENA_NEW(rq->arena, struct projection);
		*p = own;
		if ((rc = list_request_from_query(rq->arena, rq->x->request.query, &lr, err)) != RC_OK ||
			(rc = projection_of(rq, rq->type, lr.attributes, lr.excluded, own, err)) != RC_OK)
			return rc;
	}
	w->o = orgtx_open(t, rq->caller.org);
	if (audit_get(w, rq->name, event))
		return RC_OK;
	return fail(err, RC_NOT_FOUND, "", "there is no AuditEvent with the id \"%.*s\"",
		SLICE_ARG(slice_clip(rq->name, 100)));
}

void
handle_audit_get(struct request *rq)
{
	struct audit_walk w = walk_of(rq, NULL);
	const struct projection *p;
	const struct node *event;
	struct err err;
	enum rc rc = find_event(rq, &w, &p, &event, &err);

	if (rc != RC_OK) {
		reply_error(rq, rc, &err);
		return;
	}
	buf_clear(&rq->worker->out);
	tree_write_resource(&rq->worker->out, rq->arena, p, rq->type, event);
	reply_json(rq, 200, buf_as_slice(&rq->worker->out));
}

/* ---- Lists ---- */

struct audit_list {
	struct pool_job slow; /* must stay first */
	struct request *rq;
	struct err err;
	enum rc rc;
	struct list_request lr;
	struct projection projection;
	struct audit_walk walk;
	struct cursor cursor;
	struct list_head head;
	size_t max;
	bool ended;
	struct buf items;
};

static void
release_items(void *items)
{
	buf_release(items);
}

/* The position of a cursor: the revision is its row, index and place its key. */
static void
position_to_cursor(const struct audit_position *at, char key[8], struct cursor *out)
{
	uint32_t parts[2] = { at->index, at->at };

	memcpy(key, parts, sizeof(parts));
	out->position.row = at->revision;
	out->position.key = (struct slice){ key, 8 };
	out->started = true;
}

static bool
position_of_cursor(const struct cursor *c, struct audit_position *out)
{
	uint32_t parts[2];

	if (!c->started || c->position.key.len != sizeof(parts))
		return false;
	memcpy(parts, c->position.key.p, sizeof(parts));
	*out = (struct audit_position){ c->position.row, parts[0], parts[1] };
	return true;
}

static enum rc
begin_list(struct audit_list *l, struct err *err)
{
	const struct config *c = l->rq->scim->options.config;
	uint64_t count = l->lr.has_count ? l->lr.count : c->page_default;
	struct cursor_binding to = cursor_binding_of(l->rq, &l->lr);
	struct filter *filter;
	enum rc rc;

	l->max = (size_t)(count < c->page_max ? count : c->page_max);
	if (l->lr.sort_by.len > 0 && (!slice_caseeq(l->lr.sort_by, SLICE("time")) || !l->lr.descending))
		return fail(err, RC_INVALID_VALUE, "sortBy", "AuditEvents come by time, descending, and in no other order");
	if (l->lr.has_cursor && l->lr.cursor.len > 0) {
		if ((rc = cursor_read(&to, l->rq->arena, l->lr.cursor, &l->cursor, err)) != RC_OK)
			return rc;
		if (l->cursor.count != count)
			return fail(err, RC_INVALID_COUNT, "count", "must stay the same from page to page; it was %llu",
				(unsigned long long)l->cursor.count);
	}
	l->cursor.count = count;
	if ((rc = parse_filter(l->rq, l->lr.filter, l->lr.has_filter, &filter, err)) != RC_OK)
		return rc;
	l->walk = walk_of(l->rq, filter);
	return projection_of(l->rq, l->rq->type, l->lr.attributes, l->lr.excluded, &l->projection, err);
}

static bool
is_full(const struct audit_list *l)
{
	return l->head.items >= l->max || l->items.len >= PAGE_BYTES;
}

static void
add_item(struct audit_list *l, const struct node *event)
{
	if (l->head.items++ > 0)
		buf_char(&l->items, ',');
	tree_write_resource(&l->items, l->walk.scratch, &l->projection, l->rq->type, event);
}

/* By cursor a page ends when it is full, or when looking took long: it may then be short, or empty, and the cursor goes on. */
static enum rc
list_by_cursor(struct audit_list *l, struct err *err)
{
	struct cursor_binding to = cursor_binding_of(l->rq, &l->lr);
	bool first = !l->cursor.started;
	enum audit_step step = AUDIT_END;
	const struct node *event;
	char key[8];

	l->walk.budget = l->rq->scim->directory.scan_limit;
	if (first)
		l->walk.next = audit_newest(l->walk.o);
	else if (!position_of_cursor(&l->cursor, &l->walk.next))
		return fail(err, RC_INVALID_CURSOR, "cursor", "is not a cursor of this query");
	while (!is_full(l) && (step = audit_next(&l->walk, &event)) == AUDIT_EVENT)
		add_item(l, event);
	if (step == AUDIT_FAILED)
		return fail(err, RC_INTERNAL, "", "the journal can't be read");
	l->head.by_cursor = true;
	l->head.has_total = first && step == AUDIT_END && !is_full(l);
	l->head.total = l->head.items;
	if (l->max == 0 || (step == AUDIT_END && !is_full(l)) || l->walk.next.revision == 0)
		return RC_OK;
	position_to_cursor(&l->walk.next, key, &l->cursor);
	l->cursor.type_code = l->rq->type->code;
	l->head.next_cursor = cursor_write(&to, l->rq->arena, &l->cursor);
	return RC_OK;
}

/* By index the total must be known, so all is looked at. */
static enum rc
list_by_index(struct audit_list *l, struct err *err)
{
	const struct node *event;
	enum audit_step step;
	uint64_t skip = l->lr.start - 1;

	l->walk.next = audit_newest(l->walk.o);
	l->walk.budget = l->rq->scim->directory.scan_limit * COUNTING;
	l->head.start = l->lr.start;
	l->head.has_total = true;
	while ((step = audit_next(&l->walk, &event)) == AUDIT_EVENT) {
		if (l->head.total++ >= skip && !is_full(l))
			add_item(l, event);
	}
	if (step == AUDIT_FAILED)
		return fail(err, RC_INTERNAL, "", "the journal can't be read");
	if (step == AUDIT_PAUSE)
		return fail(err, RC_TOO_MANY, "",
			"the audit log is too long to be counted: page by cursor (cursor= to begin)");
	return RC_OK;
}

static enum rc
make_page(struct audit_list *l, struct txn *t, struct err *err)
{
	enum rc rc = require(l->rq, t, l->walk.scratch, VERB_VIEW, SLICE(""), err);

	if (rc != RC_OK)
		return rc;
	l->walk.o = orgtx_open(t, l->rq->caller.org);
	rc = l->lr.has_cursor ? list_by_cursor(l, err) : list_by_index(l, err);
	if (rc == RC_OK && txn_rc(t) != RC_OK)
		return fail(err, txn_rc(t), "", "the store could not be read");
	return rc;
}

/* On the worker. */
static void
answer_list(void *arg)
{
	struct audit_list *l = arg;
	struct buf *out = &l->rq->worker->out;

	if (l->rc != RC_OK) {
		reply_error(l->rq, l->rc, &l->err);
		return;
	}
	buf_clear(out);
	list_write_open(out, &l->head);
	buf_slice(out, buf_as_slice(&l->items));
	BUF_LIT(out, "]}");
	reply_json(l->rq, 200, buf_as_slice(out));
}

/* On the pool. */
static void
list_slowly(struct pool_job *job)
{
	struct audit_list *l = (struct audit_list *)job;
	struct txn *t = reader_new(l->rq->scim->options.store);

	if ((l->rc = reader_begin(t, &l->err)) == RC_OK)
		l->rc = make_page(l, t, &l->err);
	reader_free(t);
	worker_post(l->rq->x->worker, answer_list, l);
}

static void
run_list(struct audit_list *l)
{
	struct err err = ERR_INIT;
	enum rc rc;

	if ((rc = begin_list(l, &err)) == RC_OK) {
		arena_on_free(l->rq->arena, release_items, &l->items);
		l->slow.item.lane = l->rq->caller.org;
		l->slow.run = list_slowly;
		if ((rc = pool_submit(l->rq->scim->pool, &l->slow, &err)) == RC_OK)
			return; /* l is the pool's by now */
	}
	reply_error(l->rq, rc, &err);
}

void
handle_audit_list(struct request *rq)
{
	struct audit_list *l = ARENA_NEW(rq->arena, struct audit_list);
	struct err err;
	enum rc rc;

	l->rq = rq;
	if ((rc = list_request_from_query(rq->arena, rq->x->request.query, &l->lr, &err)) != RC_OK)
		reply_error(rq, rc, &err);
	else
		run_list(l);
}

void
handle_audit_search(struct request *rq)
{
	struct audit_list *l = ARENA_NEW(rq->arena, struct audit_list);
	struct err err;
	enum rc rc;

	l->rq = rq;
	if ((rc = search_request(rq, &l->lr, &err)) != RC_OK)
		reply_error(rq, rc, &err);
	else
		run_list(l);
}

/* ---- Export ---- */

struct audit_export {
	struct request *rq;
	struct audit_walk walk;
	struct arena *subject;
};

/* A line an event, oldest first, up to the revision that was the newest when the export began. Whoever may no more stops in the middle. */
static bool
export_some(struct audit_export *x, struct buf *out, size_t want, bool *failed)
{
	struct request *rq = x->rq;
	size_t from = out->len;
	const struct node *event;
	enum audit_step step = AUDIT_PAUSE;
	struct err err;

	arena_clear(x->subject);
	if (require(rq, rq->worker->reader, x->subject, VERB_ACTION, SLICE("export"), &err) != RC_OK) {
		*failed = true;
		return false;
	}
	x->walk.o = orgtx_open(rq->worker->reader, rq->caller.org);
	x->walk.budget = STEP_BUDGET;
	while (out->len - from < want && (step = audit_next(&x->walk, &event)) == AUDIT_EVENT) {
		tree_write_resource(out, x->walk.scratch, &rq->scim->by_default[rq->type->code], rq->type, event);
		buf_char(out, '\n');
	}
	*failed = step == AUDIT_FAILED;
	return step != AUDIT_END && step != AUDIT_FAILED;
}

static bool
produce_export(void *ctx, struct buf *out, size_t want, bool *failed)
{
	struct audit_export *x = ctx;
	bool more;

	if (reader_enter(x->rq->worker, NULL) != RC_OK) {
		*failed = true;
		return false;
	}
	more = export_some(x, out, want, failed);
	reader_leave(x->rq->worker);
	return more;
}

static enum rc
begin_export(struct audit_export *x, struct err *err)
{
	struct request *rq = x->rq;
	struct orgtx *o = orgtx_open(rq->worker->reader, rq->caller.org);
	struct slice query = rq->x->request.query, text = SLICE(""), after = SLICE("");
	struct filter *filter;
	bool filtered, resumed;
	enum rc rc = require(rq, rq->worker->reader, rq->arena, VERB_ACTION, SLICE("export"), err);

	if (rc != RC_OK)
		return rc;
	if (!http_query(rq->arena, query, "filter", &text, &filtered))
		return fail(err, RC_INVALID_FILTER, "filter", "is not encoded as a query parameter is");
	if (!http_query(rq->arena, query, "after", &after, &resumed))
		return fail(err, RC_INVALID_VALUE, "after", "is not encoded as a query parameter is");
	if ((rc = parse_filter(rq, filtered ? text : SLICE(""), filtered, &filter, err)) != RC_OK)
		return rc;
	x->walk = walk_of(rq, filter);
	x->subject = own_arena(rq);
	x->walk.forward = true;
	x->walk.last = orgtx_stat(o)->revision;
	x->walk.next = audit_oldest(o);
	if (resumed && !audit_after(o, after, &x->walk.next))
		return fail(err, RC_INVALID_VALUE, "after", "is the id of the last AuditEvent that was had; there is no \"%.*s\" (any more)",
			SLICE_ARG(slice_clip(after, 100)));
	return RC_OK;
}

void
handle_audit_export(struct request *rq)
{
	struct response r = { .status = 200, .content_type = SLICE_INIT("application/x-ndjson") };
	struct audit_export *x = ARENA_NEW(rq->arena, struct audit_export);
	struct err err;
	enum rc rc;

	x->rq = rq;
	if ((rc = begin_export(x, &err)) != RC_OK)
		reply_error(rq, rc, &err);
	else
		exchange_respond_stream(rq->x, &r, produce_export, x);
}
