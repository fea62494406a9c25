#include "daemon/scim/request.h"

#include "base/banned.h"

/* ---- One resource ---- */

/* GET with If-None-Match that names the present version: 304 (RFC 9110 section 13.1.2). */
static bool
not_modified(struct request *rq, uint64_t revision)
{
	char etag[VERSION_MAX];
	struct response r = { .status = 304 };

	r.etag = (struct slice){ etag, version_format(revision, etag) };
	if (rq->x->request.if_none_match.p == NULL ||
		!http_etag_list_has(rq->x->request.if_none_match, r.etag))
		return false;
	exchange_respond(rq->x, &r, SLICE(""));
	return true;
}

static enum rc
find(struct request *rq, uint64_t *row, struct record *rec, struct err *err)
{
	struct uuid id;

	if (!uuid_parse(rq->name, &id))
		return fail(err, RC_NOT_FOUND, "", "there is no %.*s with the id \"%.*s\"",
			SLICE_ARG(rq->type->name), (int)(rq->name.len < 100 ? rq->name.len : 100),
			rq->name.p);
	return resource_find(orgtx_open(rq->worker->reader, rq->caller.org), rq->type, &id, row, rec, err);
}

/* The projection of a request on one resource, in the arena. */
static enum rc
requested_projection(struct request *rq, const struct projection **out, struct err *err)
{
	struct list_request lr;
	struct projection *p;
	enum rc rc;

	*out = &rq->scim->by_default[rq->type->code];
	if (rq->x->request.query.len == 0)
		return RC_OK;
	p = ARENA_NEW(rq->arena, struct projection);
	*out = p;
	if ((rc = list_request_from_query(rq->arena, rq->x->request.query, &lr, err)) != RC_OK)
		return rc;
	return projection_of(rq, rq->type, lr.attributes, lr.excluded, p, err);
}

void
handle_get(struct request *rq)
{
	const struct projection *p;
	struct precondition pre;
	struct subject by;
	struct record rec;
	uint64_t row;
	struct err err;
	enum rc rc;

	if ((rc = requested_projection(rq, &p, &err)) != RC_OK ||
		(rc = subject_of(rq, rq->worker->reader, &by, &err)) != RC_OK ||
		(rc = find(rq, &row, &rec, &err)) != RC_OK ||
		(rc = subject_require_sight(&by, row, &rec, &err)) != RC_OK) {
		reply_error(rq, rc, &err);
		return;
	}
	if (rq->x->request.if_match.p != NULL) {
		precondition_of(&rq->x->request, &pre);
		pre.if_none_match = false;
		if ((rc = precondition_check(&pre, rec.revision, &err)) != RC_OK) {
			reply_error(rq, rc, &err);
			return;
		}
	}
	if (!not_modified(rq, rec.revision))
		reply_resource(rq, 200, row, (struct slice){ NULL, 0 }, p);
}

void
handle_me(struct request *rq)
{
	struct err err;
	enum rc rc = fail(&err, RC_NOT_IMPLEMENTED, "",
		"/Me needs a signed-in person; this connection acts for a provisioning system");

	reply_error(rq, rc, &err);
}

/* ---- Lists ---- */

/* A list under way. A query over all types (the root) takes them one after another: Users, then Groups. */
struct listing {
	struct pool_job slow; /* must stay first */
	struct request *rq;
	struct err err;
	enum rc rc;
	struct list_request lr;
	const struct resource_type *types[TYPE_COUNT];
	struct filter *filters[TYPE_COUNT]; /* as types */
	const struct attr *sorts[TYPE_COUNT];
	const struct projection *projections[TYPE_COUNT]; /* by type code */
	enum sight sight[TYPE_COUNT]; /* as types */
	size_t type_count;
	struct subject by;
	struct cursor cursor;
	struct list_head head;
	uint64_t *rows;
	size_t count, max;
	struct slice next;
};

/* Makes a type part of the list: its filter, sort attribute and projection. */
static enum rc
add_type(struct listing *l, const struct resource_type *type, struct err *err)
{
	struct request *rq = l->rq;
	size_t i = l->type_count;
	struct projection *p = ARENA_NEW(rq->arena, struct projection);
	enum rc rc;

	if ((l->lr.filter.len > 0 || (l->lr.has_filter && rq->caller.dialect != DIALECT_TOLERANT)) &&
		(rc = filter_parse(rq->arena, rq->scim->options.schema, type, l->lr.filter,
			 rq->caller.dialect, &l->filters[i], err)) != RC_OK)
		return rc;
	if (l->lr.sort_by.len > 0 && (rc = query_sort(type, l->lr.sort_by, &l->sorts[i], err)) != RC_OK)
		return rc;
	if ((rc = projection_of(rq, type, l->lr.attributes, l->lr.excluded, p, err)) != RC_OK)
		return rc;
	l->projections[type->code] = p;
	l->types[i] = type;
	l->type_count++;
	return RC_OK;
}

/* RFC 7644 section 3.4.2.1: over several types, an attribute that a type does not have is no match there. It is an error when no
 * type has it. */
static enum rc
add_types(struct listing *l, struct err *err)
{
	const struct schema_set *set = l->rq->scim->options.schema;
	enum rc rc = RC_OK;

	if (l->rq->type != NULL)
		return add_type(l, l->rq->type, err);
	for (size_t i = 0; i < set->type_count; i++) {
		enum rc one;

		/* Who asks the base itself wants members and teams: providers know no more. */
		if (!set->types[i]->in_root || (set->types[i]->bases & l->rq->bases) == 0)
			continue;
		one = add_type(l, set->types[i], err);

		if (one != RC_OK && one != RC_INVALID_FILTER && one != RC_INVALID_VALUE)
			return one;
		if (one != RC_OK)
			rc = one;
	}
	return l->type_count > 0 ? RC_OK : rc;
}

static enum rc
read_cursor(struct listing *l, struct err *err)
{
	struct cursor_binding to = cursor_binding_of(l->rq, &l->lr);

	return cursor_read(&to, l->rq->arena, l->lr.cursor, &l->cursor, err);
}

static enum rc
begin_list(struct listing *l, struct err *err)
{
	const struct config *c = l->rq->scim->options.config;
	uint64_t count = l->lr.has_count ? l->lr.count : c->page_default;

	l->max = (size_t)(count < c->page_max ? count : c->page_max);
	l->rows = ARENA_ARRAY(l->rq->arena, uint64_t, l->max + 1);
	l->cursor.count = count;
	if (l->lr.has_cursor && l->lr.cursor.len > 0) {
		enum rc rc = read_cursor(l, err);

		if (rc != RC_OK)
			return rc;
		if (l->cursor.count != count)
			return fail(err, RC_INVALID_COUNT, "count",
				"must stay the same from page to page; it was %llu",
				(unsigned long long)l->cursor.count);
	}
	return add_types(l, err);
}

/* Queries that examine more than this are made on the pool: the others of this worker's clients do not wait for them. */
enum { QUICK = 1000, SEARCH_BODY_MAX = 64 * 1024 };

static uint64_t
quick_for(const struct listing *l, size_t type)
{
	const struct filter *f = l->filters[type];

	return QUICK / (1 + (f != NULL ? f->terms / 16 : 0));
}

static void
take_page(struct listing *l, const struct query_page *page)
{
	if (page->count > 0)
		memcpy(l->rows + l->count, page->rows, page->count * sizeof(*page->rows));
	l->count += page->count;
}

/* By index: every type counts towards the total, and the page may span several. */
static enum rc
list_by_index(struct listing *l, struct orgtx *o, bool quick, bool *gave_up, struct err *err)
{
	uint64_t skip = l->lr.start - 1;

	l->head.has_total = true;
	l->head.start = l->lr.start;
	for (size_t i = 0; i < l->type_count; i++) {
		struct query q = { .type = l->types[i], .filter = l->filters[i], .sort = l->sorts[i],
			.descending = l->lr.descending, .space = l->rq->caller.connection,
			.by = l->sight[i] == SEES_ALL ? NULL : &l->by, .now = l->rq->now,
			.skip = skip, .count = l->max - l->count,
			.quick = quick ? quick_for(l, i) : 0 };
		struct query_page page;
		enum rc rc = query_run(&l->rq->scim->directory, o, l->rq->arena, &q, &page, err);

		*gave_up = page.gave_up;
		if (rc != RC_OK || page.gave_up)
			return rc;
		take_page(l, &page);
		l->head.total += page.total;
		skip = skip > page.total ? skip - page.total : 0;
	}
	return RC_OK;
}

static void
set_next(struct listing *l, size_t type, const struct query_position *position)
{
	struct cursor_binding to = cursor_binding_of(l->rq, &l->lr);
	struct cursor next = { .type_code = l->types[type]->code, .count = l->cursor.count,
		.started = position != NULL };

	if (position != NULL)
		next.position = *position;
	l->next = cursor_write(&to, l->rq->arena, &next);
}

/* By cursor: goes on in the type where the last page ended. */
static enum rc
list_by_cursor(struct listing *l, struct orgtx *o, bool quick, bool *gave_up, struct err *err)
{
	size_t first = 0;

	while (first + 1 < l->type_count && l->types[first]->code != l->cursor.type_code &&
		l->cursor.type_code != 0)
		first++;
	l->head.by_cursor = true;
	l->head.has_total = l->type_count == 1;
	for (size_t i = first; i < l->type_count; i++) {
		bool resumed = i == first && l->cursor.started;
		struct query q = { .type = l->types[i], .filter = l->filters[i], .sort = l->sorts[i],
			.descending = l->lr.descending, .space = l->rq->caller.connection,
			.by = l->sight[i] == SEES_ALL ? NULL : &l->by, .now = l->rq->now,
			.by_cursor = true, .after = resumed ? &l->cursor.position : NULL,
			.count = l->max - l->count, .quick = quick ? quick_for(l, i) : 0 };
		struct query_page page;
		enum rc rc;

		if (l->count == l->max && i > first) {
			set_next(l, i, NULL);
			break;
		}
		if ((rc = query_run(&l->rq->scim->directory, o, l->rq->arena, &q, &page, err)) != RC_OK)
			return rc;
		*gave_up = page.gave_up;
		if (page.gave_up)
			return RC_OK;
		take_page(l, &page);
		l->head.has_total = l->head.has_total && page.total_known;
		l->head.total = page.total;
		if (page.more) {
			set_next(l, i, &page.next);
			break;
		}
	}
	l->head.next_cursor = l->next;
	return RC_OK;
}

/* Types of which nothing may be seen are left out; a list of one such type is refused. */
static enum rc
check_sight(struct listing *l, struct err *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->type_count; i++) {
		l->sight[kept] = subject_sight(&l->by, l->types[i]);
		if (l->sight[kept] == SEES_NONE && l->type_count == 1)
			return subject_explain_type(&l->by, l->types[i], err);
		if (l->sight[kept] == SEES_NONE)
			continue;
		l->types[kept] = l->types[i];
		l->filters[kept] = l->filters[i];
		l->sorts[kept] = l->sorts[i];
		kept++;
	}
	l->type_count = kept;
	return RC_OK;
}

static enum rc
find_page(struct listing *l, struct txn *t, bool quick, bool *gave_up, struct err *err)
{
	struct orgtx *o = orgtx_open(t, l->rq->caller.org);
	enum rc rc;

	*gave_up = false;
	if ((rc = subject_of(l->rq, t, &l->by, err)) != RC_OK || (rc = check_sight(l, err)) != RC_OK)
		return rc;
	l->head = (struct list_head){ .items = 0 };
	l->count = 0;
	rc = l->lr.has_cursor ? list_by_cursor(l, o, quick, gave_up, err)
			      : list_by_index(l, o, quick, gave_up, err);
	if (rc == RC_OK && txn_rc(t) != RC_OK)
		return fail(err, txn_rc(t), "", "the store could not be read");
	l->head.items = l->count;
	return rc;
}

/* On the worker. */
static void
answer_list(void *arg)
{
	struct listing *l = arg;

	if (l->rc == RC_OK)
		l->rc = reader_enter(l->rq->worker, &l->err);
	if (l->rc != RC_OK) {
		reply_error(l->rq, l->rc, &l->err);
		return;
	}
	reply_list(l->rq, &l->head, l->rows, l->count, l->projections);
	reader_leave(l->rq->worker);
}

/* On the pool. */
static void
find_slowly(struct pool_job *job)
{
	struct listing *l = (struct listing *)job;
	struct txn *t = reader_new(l->rq->scim->options.store);
	bool gave_up;

	if ((l->rc = reader_begin(t, &l->err)) == RC_OK)
		l->rc = find_page(l, t, false, &gave_up, &l->err);
	reader_free(t);
	worker_post(l->rq->x->worker, answer_list, l);
}

static void
run_list(struct listing *l)
{
	bool gave_up = false;

	l->rc = begin_list(l, &l->err);
	if (l->rc == RC_OK)
		l->rc = find_page(l, l->rq->worker->reader, true, &gave_up, &l->err);
	if (gave_up) {
		struct err err = ERR_INIT;
		enum rc rc;

		l->slow.item.lane = l->rq->caller.org;
		l->slow.run = find_slowly;
		if ((rc = pool_submit(l->rq->scim->pool, &l->slow, &err)) == RC_OK)
			return; /* l is the pool's by now */
		l->rc = rc;
		l->err = err;
	}
	answer_list(l);
}

void
handle_list(struct request *rq)
{
	struct listing *l = ARENA_NEW(rq->arena, struct listing);
	struct err err;
	enum rc rc;

	l->rq = rq;
	if ((rc = list_request_from_query(rq->arena, rq->x->request.query, &l->lr, &err)) != RC_OK)
		reply_error(rq, rc, &err);
	else
		run_list(l);
}

enum rc
search_request(struct request *rq, struct list_request *out, struct err *err)
{
	json_t *body;
	enum rc rc;

	if (rq->x->body.len > SEARCH_BODY_MAX) /* it is read by the event loop itself */
		return fail(err, RC_TOO_LARGE, "", "a search request is at most %d bytes long", SEARCH_BODY_MAX);
	rc = json_read(rq->arena, rq->x->body, &body, err);
	return rc != RC_OK ? rc : list_request_from_json(rq->arena, body, out, err);
}

void
handle_search(struct request *rq)
{
	struct listing *l = ARENA_NEW(rq->arena, struct listing);
	struct err err;
	enum rc rc;

	l->rq = rq;
	if ((rc = search_request(rq, &l->lr, &err)) != RC_OK)
		reply_error(rq, rc, &err);
	else
		run_list(l);
}
