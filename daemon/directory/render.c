#include "daemon/directory/render.h"

#include "daemon/directory/rules.h"

#include "base/banned.h"

enum { MEMBERS_STEP = 256 };

static struct view
view_of(const struct render *r, const struct projection *p)
{
	struct view v = r->view;

	v.projection = p;
	return v;
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
		r->scratch = r->arena;
	} else if (r->scratch == NULL) {
		r->scratch = arena_new();
		arena_on_free(r->arena, free_arena, r->scratch);
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
	const struct directory *d = r->d;
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
	const struct directory *d = r->d;
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
	const struct directory *d = r->d;
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
	record_live(d, o, r->arena, r->now, row, &rec);
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

bool
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
