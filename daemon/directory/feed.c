#include "daemon/directory/feed.h"

#include "base/banned.h"

bool
feed_open(struct feed *f, const struct schema_set *schema, struct orgtx *o, uint64_t revision, size_t at)
{
	*f = (struct feed){ .schema = schema, .o = o };
	if (!journal_get(o, revision, &f->entry) || at > f->entry.changes.len)
		return false;
	f->rest = slice_from(f->entry.changes, at);
	return true;
}

size_t
feed_at(const struct feed *f)
{
	return f->entry.changes.len - f->rest.len;
}

static enum feed_step
put_of(const struct feed *f, const struct change *c, struct feed_event *out)
{
	out->kind = FEED_PUT;
	if (!record_parse(f->schema, c->packed, &out->record))
		return FEED_LOST;
	out->id = out->record.id;
	return FEED_EVENT;
}

static enum feed_step
event_of(const struct feed *f, const struct change *c, struct feed_event *out)
{
	switch (c->kind) {
	case CHANGE_CREATE:
	case CHANGE_REPLACE:
		return put_of(f, c, out);
	case CHANGE_DELETE:
		out->kind = FEED_GONE;
		return row_id(f->o, c->row, &out->id) ? FEED_EVENT : FEED_LOST;
	case CHANGE_EDGE_ADD:
	case CHANGE_EDGE_REMOVE:
		out->kind = c->kind == CHANGE_EDGE_ADD ? FEED_MEMBER_ADDED : FEED_MEMBER_REMOVED;
		return row_id(f->o, c->row, &out->group) && row_id(f->o, c->member, &out->id) ? FEED_EVENT
											       : FEED_LOST;
	}
	return FEED_LOST;
}

enum feed_step
feed_next(struct feed *f, struct feed_event *out)
{
	struct change c;
	bool bad = false;

	while (journal_next_change(&f->rest, &c, &bad)) {
		bool edge = c.kind == CHANGE_EDGE_ADD || c.kind == CHANGE_EDGE_REMOVE;

		out->row = edge ? c.member : c.row;
		out->type = schema_type(f->schema, row_type(out->row));
		if (out->type != NULL)
			return event_of(f, &c, out);
	}
	return bad ? FEED_LOST : FEED_END;
}

/* ---- All there is ---- */

static bool
next_member(struct feed_walk *w, const struct schema_set *schema, struct orgtx *o, struct feed_event *out)
{
	uint64_t member;

	while (edge_list(o, EDGE_MEMBERS, w->row, w->member, &member, 1) == 1) {
		w->member = member;
		out->kind = FEED_MEMBER_ADDED;
		out->row = member;
		out->type = schema_type(schema, row_type(member));
		if (out->type != NULL && row_id(o, w->row, &out->group) && row_id(o, member, &out->id))
			return true;
	}
	w->members = false;
	return false;
}

static bool
next_row(struct feed_walk *w, const struct schema_set *schema, struct orgtx *o, struct feed_event *out)
{
	const struct resource_type *type = schema->types[w->type];
	uint64_t row;

	while (rows_list(o, type->code, w->row, 0, &row, 1) == 1) {
		w->row = row;
		if (!record_get(o, row, &out->record))
			continue;
		out->kind = FEED_PUT;
		out->row = row;
		out->type = type;
		out->id = out->record.id;
		w->members = type->code == TYPE_GROUP;
		w->member = 0;
		return true;
	}
	return false;
}

enum feed_step
feed_walk_next(struct feed_walk *w, const struct schema_set *schema, struct orgtx *o, struct feed_event *out)
{
	if (w->members && next_member(w, schema, o, out))
		return FEED_EVENT;
	for (; w->type < schema->type_count; w->type++, w->row = 0)
		if (next_row(w, schema, o, out))
			return FEED_EVENT;
	return FEED_END;
}
