/* get, and what the verbs of records share: resources as over HTTPS. */
#include "daemon/roster/records.h"

#include "daemon/clock.h"

#include "base/banned.h"

enum {
	AT_ONCE = 64 << 10, /* bytes of a resource that are written by the event loop itself */
	ROOM_BESIDE = 1024, /* bytes of an answer beside the resource */
};

/* ---- What they share ---- */

/* Not kept as resources, but made up from others where they are asked for. */
static bool
is_made_up(const struct resource_type *type, uint8_t ask)
{
	return type->code == TYPE_AUDIT_EVENT || (type->code == TYPE_QUOTA && ask == ASK_FIND);
}

enum rc
records_type(const struct message *m, const struct resource_type **out, struct err *err)
{
	struct slice name;
	enum rc rc = message_text(m, IN_TYPE, ROSTER_TEXT_MAX, &name, err);

	if (rc != RC_OK)
		return rc;
	if (name.p == NULL)
		return fail(err, RC_INVALID_VALUE, "type", "is missing");
	*out = schema_type_by_name(m->roster->options.schema, name);
	if (*out == NULL || ((*out)->bases & BASE_ORG) == 0)
		return fail(err, RC_INVALID_VALUE, "type", "an org has no resources of this type");
	return is_made_up(*out, m->type) ? fail(err, RC_INVALID_VALUE, "type", "is read over HTTPS alone") : RC_OK;
}

enum rc
records_id(const struct message *m, struct uuid *out, struct err *err)
{
	return fields_id(&m->in, IN_ID, out) ? RC_OK : fail(err, RC_INVALID_VALUE, "id", "is missing");
}

enum rc
records_projection(const struct message *m, const struct resource_type *type, struct projection *out, struct err *err)
{
	const struct attr *members = m->roster->directory.at.group_members;
	struct slice attributes, excluded;
	enum rc rc = message_text(m, IN_ATTRIBUTES, ROSTER_FILTER_MAX, &attributes, err);

	if (rc != RC_OK || (rc = message_text(m, IN_EXCLUDED, ROSTER_FILTER_MAX, &excluded, err)) != RC_OK)
		return rc;
	if (attributes.len > 0 && excluded.len > 0)
		return fail(err, RC_INVALID_VALUE, "excluded", "can't be combined with attributes");
	*out = m->roster->by_default[type->code];
	if ((attributes.len > 0 || excluded.len > 0) &&
		(rc = projection_parse(m->roster->options.schema, type, attributes, excluded, out, err)) != RC_OK)
		return rc;
	if (attributes.len == 0)
		out->bits[members->id / 64] &= ~(UINT64_C(1) << (members->id % 64));
	return RC_OK;
}

enum rc
records_rate(struct message *m, struct err *err)
{
	int seconds;

	if (rate_take(m->roster->options.rate, m->caller, clock_us(), &seconds))
		return RC_OK;
	m->retry_after = (unsigned)seconds * 1000;
	return fail(err, RC_RATE_LIMITED, "", "too many requests; try again in %d s", seconds);
}

struct slice
records_url(const struct message *m)
{
	const struct config *c = m->roster->options.config;

	return slice_of(c->public_url != NULL ? c->public_url : config_default_url(c));
}

struct view
records_view(const struct message *m, struct arena *a)
{
	struct slice url = records_url(m), tail = SLICE("/scim/v2");

	return (struct view){ .set = m->roster->options.schema,
		.base = arena_join(a,
			(const struct slice[]){ url, SLICE("/orgs/"), slice_of(m->caller->org_key), tail }, 4),
		.bases = BASE_ORG,
		.platform = arena_join(a, (const struct slice[]){ url, tail }, 2),
		.space = m->caller->connection };
}

static void
render_init(struct render *r, const struct resource_text *t, struct arena *a, const uint64_t *row)
{
	*r = (struct render){ .d = t->d, .arena = a, .now = t->now, .view = *t->view, .rows = row, .count = 1 };
	r->by_type[row_type(*row)] = t->projection;
}

/* Up to some length: *whole tells whether that was all. */
static enum rc
render_up_to(const struct resource_text *t, struct orgtx *o, struct arena *a, uint64_t row, size_t max,
	struct buf *out, bool *whole, struct err *err)
{
	size_t began = out->len;
	bool failed = false;
	struct render r;

	render_init(&r, t, a, &row);
	*whole = !render_some(&r, o, out, max, &failed);
	if (failed)
		return fail(err, RC_INTERNAL, "", "the store could not be read");
	return !*whole || out->len > began ? RC_OK
					   : fail(err, RC_NOT_FOUND, "", "the resource was deleted meanwhile");
}

enum rc
resource_text(const struct resource_text *t, struct orgtx *o, struct arena *a, uint64_t row, struct buf *out,
	struct err *err)
{
	size_t began = out->len;
	bool whole;
	enum rc rc = render_up_to(t, o, a, row, ROSTER_PAYLOAD_MAX, out, &whole, err);

	if (rc == RC_OK && out->len - began > ROSTER_PAYLOAD_MAX - ROOM_BESIDE)
		return fail(err, RC_TOO_LARGE, "resource",
			"is longer than the %d bytes of an answer; ask for fewer attributes, or over HTTPS",
			ROSTER_PAYLOAD_MAX);
	return rc;
}

/* ---- get ---- */

struct get {
	struct roster_task task; /* must stay first */
	struct pool_job job;
	const struct directory *d;
	struct store *store;
	const struct resource_type *type;
	struct caller caller;
	struct uuid id;
	struct projection projection;
	struct view view;
	struct resource_text text;
	/* What the pool found. */
	struct record record;
	uint64_t revision;
	struct buf out;
	enum rc rc;
	struct err err;
};

/* The resource, and that the caller sees it. */
static enum rc
get_find(const struct get *g, struct orgtx *o, struct arena *a, int64_t now, uint64_t *row, struct record *rec,
	struct err *err)
{
	struct subject by;
	enum rc rc = subject_load(g->d, o, a, &g->caller, now, &by, err);

	if (rc != RC_OK || (rc = resource_find(o, g->type, &g->id, row, rec, err)) != RC_OK)
		return rc;
	return subject_require_sight(&by, *row, rec, err);
}

static void
put_head(struct buf *out, uint64_t revision, const struct record *r)
{
	put_number(out, OUT_REVISION, revision);
	put_id(out, OUT_ID, &r->id);
	put_number(out, OUT_VERSION, r->revision);
}

static enum task_state
get_produce(struct session_task *task, struct buf *out)
{
	struct get *g = (struct get *)task;
	struct message *m = &g->task.message;
	size_t began;

	if (task->held)
		return TASK_WAITS;
	if (!task_resume(&g->task, out, true))
		return TASK_DONE;
	if (g->rc != RC_OK) {
		answer_error(m, g->rc, &g->err);
		return TASK_DONE;
	}
	began = answer_begin(m);
	put_head(out, g->revision, &g->record);
	put_bytes(out, OUT_RESOURCE, buf_as_slice(&g->out));
	answer_end(m, began, FRAME_LAST);
	return TASK_DONE;
}

static enum rc
get_slowly(struct get *g, struct txn *t, struct err *err)
{
	struct arena *a = g->task.message.arena;
	struct orgtx *o;
	uint64_t row;
	enum rc rc = reader_begin(t, err);

	if (rc != RC_OK)
		return rc;
	o = orgtx_open(t, g->caller.org);
	g->revision = orgtx_stat(o)->revision;
	if ((rc = get_find(g, o, a, g->text.now, &row, &g->record, err)) != RC_OK)
		return rc;
	return resource_text(&g->text, o, a, row, &g->out, err);
}

/* On the pool: a long one is read in one transaction, so that it is true at its revision. */
static void
get_job(struct pool_job *job)
{
	struct get *g = (struct get *)((char *)job - offsetof(struct get, job));
	struct txn *t = reader_new(g->store);

	g->rc = get_slowly(g, t, &g->err);
	reader_free(t);
	session_task_ready(&g->task.task);
}

static void
get_release(void *arg)
{
	buf_release(&((struct get *)arg)->out);
}

static void
get_later(struct message *m, const struct get *found)
{
	struct get *g = task_new(m, sizeof(*g), get_produce);
	struct roster_task task = g->task;
	struct err err;
	enum rc rc;

	*g = *found;
	g->task = task;
	g->view = records_view(m, g->task.message.arena);
	g->text.view = &g->view;
	g->text.projection = &g->projection;
	g->job.run = get_job;
	g->job.item.lane = g->caller.org;
	arena_on_free(g->task.message.arena, get_release, g);
	g->task.task.size += SESSION_TASK_LONG; /* it keeps what the pool finds until the client has room */
	session_task_hold(&g->task.task);
	task_add(&g->task);
	if ((rc = pool_submit(m->roster->pool, &g->job, &err)) == RC_OK)
		return; /* it is the pool's by now: not even its rc may be touched */
	g->rc = rc;
	g->err = err;
	session_task_ready(&g->task.task);
}

enum rc
get_run(struct message *m, struct err *err)
{
	struct get g = { .d = &m->roster->directory, .store = m->roster->options.store, .caller = *m->caller };
	size_t before = m->out->len, began, item;
	bool whole;
	uint64_t row;
	enum rc rc;

	if ((rc = records_type(m, &g.type, err)) != RC_OK || (rc = records_id(m, &g.id, err)) != RC_OK ||
		(rc = records_projection(m, g.type, &g.projection, err)) != RC_OK ||
		(rc = get_find(&g, m->o, m->arena, m->worker->now, &row, &g.record, err)) != RC_OK)
		return rc;
	g.view = records_view(m, m->arena);
	g.text = (struct resource_text){ g.d, &g.view, &g.projection, m->worker->now };
	began = answer_begin(m);
	put_head(m->out, m->revision, &g.record);
	item = put_item_begin(m->out, OUT_RESOURCE);
	rc = render_up_to(&g.text, m->o, m->arena, row, AT_ONCE, m->out, &whole, err);
	if (rc == RC_OK && whole) {
		put_item_end(m->out, item);
		answer_end(m, began, FRAME_LAST);
		return RC_OK;
	}
	m->out->len = before;
	if (rc == RC_OK)
		get_later(m, &g);
	return rc;
}
