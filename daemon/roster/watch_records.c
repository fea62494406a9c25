/* The records view of a watch: the journal, entry by entry; before it, when asked for, all resources. */
#include "daemon/roster/watch.h"

#include "daemon/directory/rules.h"

#include "base/banned.h"

enum { ITEM_ROOM = 4096 /* of a part's payload, beside its longest resource */ };

/* ---- Items ---- */

/* As get over HTTPS shows it, without members and groups: those are edges. A resource that would make the part too long is
 * left out: it can be read over HTTPS. */
static void
put_resource(struct watch *w, const struct watch_part *p, const struct feed_event *e)
{
	struct message *m = &w->task.message;
	struct view v = { .set = m->roster->options.schema,
		.projection = &m->roster->by_default[e->type->code],
		.base = w->base,
		.bases = BASE_ORG,
		.platform = w->platform,
		.space = m->caller->connection };
	struct record r = e->record;
	size_t field = m->out->len, began;

	record_live(&m->roster->directory, m->o, m->arena, m->worker->now, e->row, &r);
	began = put_item_begin(m->out, OUT_RESOURCE);
	if (!resource_write_open(m->out, &v, &r)) {
		m->out->len = field;
		return;
	}
	buf_char(m->out, '}');
	put_item_end(m->out, began);
	if (m->out->len - p->began > ROSTER_PAYLOAD_MAX - ITEM_ROOM)
		m->out->len = field;
}

static void
put_record(struct watch *w, const struct watch_part *p, const struct feed_event *e)
{
	struct buf *out = w->task.message.out;

	put_bytes(out, OUT_TYPE, e->type->name);
	put_id(out, OUT_ID, &e->id);
	if (e->kind == FEED_PUT)
		put_resource(w, p, e);
}

static void
put_edge(struct watch *w, const struct feed_event *e)
{
	struct buf *out = w->task.message.out;

	put_id(out, OUT_GROUP_ID, &e->group);
	put_id(out, OUT_ID, &e->id);
	if (e->type->code == TYPE_GROUP)
		put_number(out, OUT_KIND, CHECK_TEAM);
}

static void
put_event(struct watch *w, const struct watch_part *p, const struct feed_event *e)
{
	static const enum roster_event events[] = { [FEED_PUT] = EVENT_PUT, [FEED_GONE] = EVENT_GONE,
		[FEED_MEMBER_ADDED] = EVENT_MEMBER_ADDED, [FEED_MEMBER_REMOVED] = EVENT_MEMBER_REMOVED };
	struct buf *out = w->task.message.out;
	size_t item = put_item_begin(out, OUT_ITEM);

	put_number(out, OUT_EVENT, events[e->kind]);
	if (e->kind == FEED_PUT || e->kind == FEED_GONE)
		put_record(w, p, e);
	else
		put_edge(w, e);
	put_item_end(out, item);
}

/* ---- The journal ---- */

/* The oldest revision that can be named. */
static uint64_t
oldest(struct orgtx *o)
{
	uint64_t first = journal_oldest(o);

	return first > 0 ? first - 1 : orgtx_stat(o)->revision;
}

/* Whether an entry has anything left to be told: a part that has nothing would be no part of it. */
static bool
entry_ends(const struct feed *f)
{
	struct feed ahead = *f;
	struct feed_event e;

	return feed_next(&ahead, &e) == FEED_END;
}

/* One part of the entry behind w->at. */
static enum rc
entry_part(struct watch *w, struct err *err)
{
	struct message *m = &w->task.message;
	enum feed_step step = FEED_END;
	struct feed_event e;
	struct watch_part p;
	struct feed f;

	if (!feed_open(&f, m->roster->options.schema, m->o, w->at + 1, w->entry_at))
		return txn_rc(orgtx_txn(m->o)) == RC_OK ? watch_resync(w, oldest(m->o), err)
							: fail(err, RC_INTERNAL, "", "the journal can't be read");
	p = watch_part_begin(w, w->at + 1, f.entry.actor.now);
	while (!watch_part_full(&p) && (step = feed_next(&f, &e)) == FEED_EVENT)
		put_event(w, &p, &e);
	if (step == FEED_LOST) {
		m->out->len = p.began;
		return watch_resync(w, w->at + 1, err);
	}
	w->entry_at = step == FEED_END || entry_ends(&f) ? 0 : feed_at(&f);
	if (w->entry_at != 0)
		watch_part_more(&p);
	else
		w->at++;
	watch_part_end(w, &p);
	return RC_OK;
}

/* ---- The snapshot ---- */

static void
snapshot_part(struct watch *w)
{
	struct message *m = &w->task.message;
	struct watch_part p = watch_part_begin(w, w->at, m->worker->now);
	enum feed_step step = FEED_END;
	struct feed_event e;

	put_number(m->out, OUT_SNAPSHOT, 1);
	while (!watch_part_full(&p) &&
		(step = feed_walk_next(&w->walk, m->roster->options.schema, m->o, &e)) == FEED_EVENT)
		put_event(w, &p, &e);
	w->snapshot = step == FEED_EVENT;
	if (w->snapshot)
		watch_part_more(&p);
	else
		put_number(m->out, OUT_SETTLED, m->revision);
	watch_part_end(w, &p);
}

/* ---- Turns ---- */

enum rc
records_turn(struct watch *w, bool *more, struct err *err)
{
	struct message *m = &w->task.message;
	enum rc rc = RC_OK;

	while (rc == RC_OK && (w->snapshot || w->at < m->revision) && !watch_full(w)) {
		if (w->snapshot)
			snapshot_part(w);
		else
			rc = entry_part(w, err);
	}
	*more = w->snapshot || w->at < m->revision;
	return rc;
}

enum rc
records_begin(struct watch *w, struct err *err)
{
	struct message *m = &w->task.message;
	const struct config *c = m->roster->options.config;
	struct slice url = slice_of(c->public_url != NULL ? c->public_url : config_default_url(c));
	uint64_t first = oldest(m->o);

	w->platform = arena_join(m->arena, (const struct slice[]){ url, SLICE("/scim/v2") }, 2);
	w->base = arena_join(m->arena,
		(const struct slice[]){ url, SLICE("/orgs/"), slice_of(m->caller->org_key), SLICE("/scim/v2") }, 4);
	return w->at < first ? watch_resync(w, first, err) : RC_OK;
}
