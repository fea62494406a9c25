/* find: resources that a filter takes, in parts.
 *
 * A part is found and written in one transaction, so it is true at its revision: by the event loop when that is quick, else on the pool. The
 * next part begins behind the last resource of the one before. */
#include "daemon/roster/records.h"

#include "daemon/directory/cursor.h"

#include "base/banned.h"

enum {
	QUICK = 1000,   /* resources that are examined on the event loop */
	PAGE = 64,      /* that are looked for at a time */
	SLOW_PAGE = 512,
	SLOW_PIECE = 4 * SESSION_PIECE, /* bytes: what takes long to find is told in longer parts */
	ROOM_BESIDE = 1024,
	CURSOR_MAX = 4096,
};

struct find {
	struct roster_task task; /* must stay first */
	struct pool_job job;
	const struct directory *d;
	struct store *store;
	struct arena *scratch; /* of one part */
	struct caller caller;
	int64_t now;
	struct view view;
	struct projection projection;
	const struct resource_type *type;
	struct list_request query; /* texts as they were asked; in the message's arena */
	struct filter *filter;
	const struct attr *sort;
	uint64_t timeout; /* of cursors, seconds */
	/* Where it stands. */
	uint64_t left; /* resources that may still be told */
	bool started, slow, asked /* the pool has a part to find, or has found it */;
	struct query_position after;
	struct buf key; /* of after */
	/* One part. */
	struct buf items;
	uint64_t revision;
	bool end;
	enum rc rc;
	struct err err;
};

static void
find_free(void *arg)
{
	struct find *f = arg;

	arena_free(f->scratch);
	buf_release(&f->items);
	buf_release(&f->key);
}

/* ---- Cursors ---- */

static struct cursor_binding
binding_of(const struct find *f)
{
	return (struct cursor_binding){ .secret = store_secret(f->store),
		.org = f->caller.org,
		.connection = f->caller.connection,
		.type = f->type->code,
		.query = &f->query,
		.now = f->now,
		.timeout = f->timeout };
}

/* The place, in memory that outlives the part. */
static void
stand_behind(struct find *f, const struct query_position *p)
{
	f->started = true;
	f->after = *p;
	buf_clear(&f->key);
	buf_slice(&f->key, p->key);
	if (p->key.p != NULL)
		f->after.key = buf_as_slice(&f->key);
}

static enum rc
read_cursor(struct find *f, struct slice text, struct err *err)
{
	struct cursor_binding to = binding_of(f);
	struct cursor c = { .count = 0 };
	enum rc rc;

	if (text.p == NULL)
		return RC_OK;
	if ((rc = cursor_read(&to, f->scratch, text, &c, err)) != RC_OK)
		return rc;
	if (c.started)
		stand_behind(f, &c.position);
	return RC_OK;
}

static void
put_cursor(struct find *f, struct buf *out)
{
	const struct cursor c = { .type_code = f->type->code, .position = f->after, .started = f->started };
	struct cursor_binding to = binding_of(f);

	put_bytes(out, OUT_CURSOR, cursor_write(&to, f->scratch, &c));
}

/* ---- One part ---- */

/* An item. false: it would make the part too long. */
static enum rc
put_resource(struct find *f, struct orgtx *o, uint64_t row, bool *fits, struct err *err)
{
	const struct resource_text text = { f->d, &f->view, &f->projection, f->now };
	size_t before = f->items.len, item, began;
	struct record r;
	enum rc rc;

	*fits = true;
	if (!record_get(o, row, &r))
		return RC_OK;
	item = put_item_begin(&f->items, OUT_ITEM);
	put_id(&f->items, OUT_ID, &r.id);
	put_number(&f->items, OUT_VERSION, r.revision);
	began = put_item_begin(&f->items, OUT_RESOURCE);
	if ((rc = resource_text(&text, o, f->scratch, row, &f->items, err)) != RC_OK)
		return rc;
	put_item_end(&f->items, began);
	put_item_end(&f->items, item);
	*fits = f->items.len <= ROSTER_PAYLOAD_MAX - ROOM_BESIDE - CURSOR_MAX || before == 0;
	if (!*fits)
		f->items.len = before;
	return RC_OK;
}

/* The resources of a page, as many as go into a part. */
static enum rc
put_page(struct find *f, struct orgtx *o, const struct query_page *page, struct err *err)
{
	size_t full = f->slow ? SLOW_PIECE : SESSION_PIECE, n = 0;
	enum rc rc;
	bool fits;

	while (n < page->count && f->items.len < full) {
		if ((rc = put_resource(f, o, page->rows[n], &fits, err)) != RC_OK)
			return rc;
		if (!fits)
			break;
		n++;
	}
	f->left -= n;
	if (n == page->count && page->more)
		stand_behind(f, &page->next);
	else if (n > 0)
		stand_behind(f, &page->positions[n - 1]);
	f->end = n == page->count && !page->more;
	return RC_OK;
}

static enum rc
sight_of(const struct find *f, const struct subject *by, enum sight *out, struct err *err)
{
	*out = subject_sight(by, f->type);
	return *out == SEES_NONE ? subject_explain_type(by, f->type, err) : RC_OK;
}

/* Finds and writes a part. *gave_up: nothing was done, as it would take long. */
static enum rc
find_part(struct find *f, struct txn *t, bool *gave_up, struct err *err)
{
	uint64_t most = f->slow ? SLOW_PAGE : PAGE, quick = QUICK / (1 + (f->filter != NULL ? f->filter->terms / 16 : 0));
	struct orgtx *o = orgtx_open(t, f->caller.org);
	struct query q = { .type = f->type, .filter = f->filter, .sort = f->sort, .descending = f->query.descending,
		.space = f->caller.connection, .now = f->now, .by_cursor = true,
		.after = f->started ? &f->after : NULL, .count = f->left < most ? f->left : most,
		.quick = f->slow ? 0 : quick };
	struct query_page page;
	struct subject by;
	enum sight sight;
	enum rc rc;

	*gave_up = false;
	buf_clear(&f->items);
	f->revision = orgtx_stat(o)->revision;
	if ((rc = subject_load(f->d, o, f->scratch, &f->caller, f->now, &by, err)) != RC_OK ||
		(rc = sight_of(f, &by, &sight, err)) != RC_OK)
		return rc;
	q.by = sight == SEES_ALL ? NULL : &by;
	if ((rc = query_run(f->d, o, f->scratch, &q, &page, err)) != RC_OK)
		return rc;
	*gave_up = page.gave_up;
	if (!page.gave_up && (rc = put_page(f, o, &page, err)) != RC_OK)
		return rc;
	return txn_rc(t) == RC_OK ? RC_OK : fail(err, txn_rc(t), "", "the store could not be read");
}

static void
answer_part(struct message *m, struct find *f)
{
	bool cut = !f->end && f->left == 0;
	size_t began = answer_begin(m);

	put_number(m->out, OUT_REVISION, f->revision);
	buf_slice(m->out, buf_as_slice(&f->items));
	if (cut)
		put_cursor(f, m->out);
	answer_end(m, began, f->end || cut ? FRAME_LAST : 0);
	arena_clear(f->scratch);
	if (f->items.cap > 4 * SLOW_PIECE)
		buf_release(&f->items);
}

/* ---- Turns ---- */

/* On the pool. */
static void
find_job(struct pool_job *job)
{
	struct find *f = (struct find *)((char *)job - offsetof(struct find, job));
	struct txn *t = reader_new(f->store);
	bool gave_up;

	if ((f->rc = reader_begin(t, &f->err)) == RC_OK)
		f->rc = find_part(f, t, &gave_up, &f->err);
	reader_free(t);
	session_task_ready(&f->task.task);
}

/* The next part goes to the pool. */
static enum task_state
find_slowly(struct find *f)
{
	struct err err = ERR_INIT;
	enum rc rc;

	f->asked = true;
	session_task_hold(&f->task.task);
	if ((rc = pool_submit(f->task.message.roster->pool, &f->job, &err)) == RC_OK)
		return TASK_WAITS; /* it is the pool's by now: not even its rc may be touched */
	f->rc = rc;
	f->err = err;
	session_task_ready(&f->task.task);
	return TASK_WAITS;
}

/* The part at hand, and what comes next. */
static enum task_state
tell(struct find *f)
{
	struct message *m = &f->task.message;

	if (f->rc != RC_OK) {
		answer_error(m, f->rc, &f->err);
		return TASK_DONE;
	}
	answer_part(m, f);
	if (f->end || f->left == 0)
		return TASK_DONE;
	return f->slow ? find_slowly(f) : TASK_MORE;
}

static enum task_state
find_produce(struct session_task *task, struct buf *out)
{
	struct find *f = (struct find *)task;
	struct message *m = &f->task.message;

	if (task->held)
		return TASK_WAITS;
	if (!task_resume(&f->task, out, true))
		return TASK_DONE;
	f->caller = *m->caller; /* with rights as they are now */
	f->now = m->worker->now;
	if (f->asked) {
		f->asked = false;
		return tell(f);
	}
	if (!f->slow && (f->rc = find_part(f, m->worker->reader, &f->slow, &f->err)) != RC_OK)
		return tell(f);
	return f->slow ? find_slowly(f) : tell(f);
}

/* ---- The request ---- */

static enum rc
read_query(struct find *f, struct err *err)
{
	struct message *m = &f->task.message;
	struct list_request *q = &f->query;
	enum rc rc;

	if ((rc = records_projection(m, f->type, &f->projection, err)) != RC_OK ||
		(rc = message_text(m, IN_FILTER, ROSTER_FILTER_MAX, &q->filter, err)) != RC_OK ||
		(rc = message_text(m, IN_SORT, ROSTER_TEXT_MAX, &q->sort_by, err)) != RC_OK)
		return rc;
	q->attributes = fields_bytes(&m->in, IN_ATTRIBUTES);
	q->excluded = fields_bytes(&m->in, IN_EXCLUDED);
	q->descending = fields_number(&m->in, IN_DESCENDING) != 0;
	if (q->filter.len > 0 && (rc = filter_parse(m->arena, m->roster->options.schema, f->type, q->filter,
					  f->caller.dialect, &f->filter, err)) != RC_OK)
		return rc;
	if (q->sort_by.len > 0 && query_sort(f->type, q->sort_by, &f->sort, err) != RC_OK)
		return fail(err, RC_INVALID_VALUE, "sort", "can't sort %.*s by \"%.*s\"", SLICE_ARG(f->type->name),
			SLICE_ARG(slice_clip(q->sort_by, 100)));
	return read_cursor(f, fields_bytes(&m->in, IN_CURSOR), err);
}

static struct find *
find_new(struct message *m, const struct resource_type *type)
{
	struct find *f = task_new(m, sizeof(*f), find_produce);
	uint64_t limit = fields_number(&m->in, IN_LIMIT);

	f->d = &m->roster->directory;
	f->store = m->roster->options.store;
	f->timeout = m->roster->options.config->cursor_timeout;
	f->scratch = arena_new();
	f->caller = *m->caller;
	f->now = m->worker->now;
	f->view = records_view(m, f->task.message.arena);
	f->type = type;
	f->left = limit != 0 ? limit : UINT64_MAX;
	f->job.run = find_job;
	f->job.item.lane = f->caller.org;
	arena_on_free(f->task.message.arena, find_free, f);
	return f;
}

enum rc
find_run(struct message *m, struct err *err)
{
	const struct resource_type *type;
	struct find *f;
	enum rc rc = records_type(m, &type, err);

	if (rc != RC_OK || (rc = records_rate(m, err)) != RC_OK)
		return rc;
	f = find_new(m, type);
	if ((rc = read_query(f, err)) != RC_OK) {
		arena_free(f->task.message.arena); /* and the task with it */
		return rc;
	}
	/* Members of groups may be many. */
	f->slow = type->code == TYPE_GROUP && projection_has(&f->projection, f->d->at.group_members);
	f->task.task.size += f->slow ? SESSION_TASK_LONG : SLOW_PIECE; /* it keeps a part until the client has room */
	task_add(&f->task);
	return RC_OK;
}
