/* The views of memberships and permissions of a watch. */
#include "daemon/roster/watch.h"

#include <stdlib.h>

#include "daemon/roster/effects.h"

#include "base/banned.h"

enum {
	EVENTS_A_PART = SESSION_PIECE / 40, /* an item of a membership takes 37 bytes */
	STEP = 256,                         /* users, or groups of one, looked up at once */
};

/* ---- Which events are wanted ---- */

static int
uuid_order(const void *a, const void *b)
{
	return memcmp(a, b, UUID_SIZE);
}

/* Of all groups, or of those that were named. */
static bool
wanted(const struct watch *w, const struct uuid *group)
{
	return w->group_count == 0 ||
	       bsearch(group, w->groups, w->group_count, sizeof(*w->groups), uuid_order) != NULL;
}

static enum rc
read_groups(struct watch *w, struct err *err)
{
	struct message *m = &w->task.message;
	struct slice rest = m->payload, id;
	uint64_t row;

	while (fields_next(&rest, IN_GROUP_ID, &id))
		w->group_count++;
	if (w->group_count > ROSTER_ITEMS_MAX)
		return fail(err, RC_TOO_MANY, "group-id", "at most %d groups in one request", ROSTER_ITEMS_MAX);
	w->groups = ARENA_ARRAY(m->arena, struct uuid, w->group_count + 1);
	rest = m->payload;
	for (size_t i = 0; fields_next(&rest, IN_GROUP_ID, &id); i++) {
		memcpy(w->groups[i].bytes, id.p, UUID_SIZE);
		if (!row_by_id(m->o, &w->groups[i], &row) || row_type(row) != TYPE_GROUP)
			return fail(err, RC_NOT_FOUND, "group-id", "there is no such group");
	}
	qsort(w->groups, w->group_count, sizeof(*w->groups), uuid_order);
	return RC_OK;
}

/* ---- Items ---- */

static void
put_event(struct watch *w, bool gained, const struct uuid *group, const struct uuid *user)
{
	struct buf *out = w->task.message.out;
	size_t item = put_item_begin(out, OUT_ITEM);

	put_number(out, OUT_EVENT, gained ? EVENT_GAINED : EVENT_LOST);
	if (w->view == VIEW_MEMBERSHIP)
		put_id(out, OUT_GROUP_ID, group);
	put_id(out, OUT_ID, user);
	put_item_end(out, item);
}

/* ---- What happens ---- */

/* Some events of the next part, those that are not wanted left out. */
static enum effect_answer
read_wanted(struct watch *w, struct effect_cursor *c, struct effect_event *events, struct effect_part *part, uint64_t *least)
{
	enum effect_answer answer = effect_read(w->share->effect, c, events, EVENTS_A_PART, part, least);
	size_t n = 0;

	for (size_t i = 0; i < part->count; i++)
		if (w->view != VIEW_MEMBERSHIP || wanted(w, &events[i].group))
			events[n++] = events[i];
	part->count = n;
	return answer;
}

/* Whether anything is wanted of what is left of a part; if nothing, it counts as read. A failure shows when it is read again. */
static bool
rest_wanted(struct watch *w)
{
	struct effect_cursor ahead = w->cursor;
	struct effect_part part;
	uint64_t least;

	do {
		if (read_wanted(w, &ahead, w->ahead, &part, &least) != EFFECT_OK || part.count > 0)
			return true;
	} while (!part.whole);
	w->cursor = ahead;
	return false;
}

/* Some events, or that nothing happened up to where the effect is. *more: there may be more. */
static enum rc
tell_part(struct watch *w, bool *more, struct err *err)
{
	struct effect_part part;
	struct watch_part p;
	uint64_t least;
	bool last;

	if (read_wanted(w, &w->cursor, w->events, &part, &least) == EFFECT_TOO_OLD)
		return watch_resync(w, least, err);
	*more = part.revision != 0;
	last = !*more || part.whole || !rest_wanted(w);
	if (last ? !*more && w->cursor.at == w->at : part.count == 0)
		return RC_OK;
	p = watch_part_begin(w, *more ? part.revision : w->cursor.at, *more ? part.time : w->task.message.worker->now);
	for (size_t i = 0; i < part.count; i++)
		put_event(w, w->events[i].gained, &w->events[i].group, &w->events[i].user);
	if (last)
		w->at = w->cursor.at;
	else
		watch_part_more(&p);
	watch_part_end(w, &p);
	return RC_OK;
}

/* ---- All that there is ---- */

static void
put_held(struct watch *w, uint64_t user)
{
	struct message *m = &w->task.message;
	uint64_t rows[STEP], after = 0;
	struct uuid id, group = { { 0 } };
	size_t n;

	do {
		n = effect_held(w->share->effect, user, after, rows, STEP);
		for (size_t i = 0; i < n; i++)
			if (row_id(m->o, user, &id) &&
				(w->view != VIEW_MEMBERSHIP || (row_id(m->o, rows[i], &group) && wanted(w, &group))))
				put_event(w, true, &group, &id);
		after = n > 0 ? rows[n - 1] : 0;
	} while (n == STEP);
}

/* Users who are not there any more are passed over: what they held has been, or will be, told as lost. */
static void
snapshot_part(struct watch *w)
{
	struct message *m = &w->task.message;
	struct watch_part p = watch_part_begin(w, w->at, m->worker->now);
	size_t n = 1;

	put_number(m->out, OUT_SNAPSHOT, 1);
	while (!w->walked && !watch_part_full(&p) && n > 0) {
		uint64_t users[STEP];

		n = rows_list(m->o, TYPE_USER, w->walk.row, 0, users, STEP);
		for (size_t i = 0; i < n && !watch_part_full(&p); i++) {
			put_held(w, users[i]);
			w->walk.row = users[i];
		}
		w->walked = n == 0;
	}
	w->snapshot = !w->walked || !effect_settled(w->share->effect, &w->mark, &w->settled);
	if (w->snapshot)
		watch_part_more(&p);
	else
		put_number(m->out, OUT_SETTLED, w->settled);
	watch_part_end(w, &p);
}

/* *more: goes on at once. */
static void
tell_all(struct watch *w, bool *more)
{
	struct effect *e = w->share->effect;

	*more = false;
	if (w->walk.row == 0 && !w->walked) {
		if (effect_end(e, &w->cursor) != EFFECT_OK)
			return;
		w->at = w->cursor.at;
	}
	/* What was read may be ahead of what was told: the end is told when that is over. */
	if (w->walked && !effect_settled(e, &w->mark, &w->settled))
		return;
	snapshot_part(w);
	w->placed = !w->snapshot;
	*more = w->placed || !w->walked;
}

/* ---- Turns ---- */

/* From now on nothing is missed: that is told by a first heartbeat. */
static void
tell_place(struct watch *w)
{
	struct watch_part p = watch_part_begin(w, w->at, w->task.message.worker->now);

	watch_part_end(w, &p);
}

static enum rc
find_place(struct watch *w, bool *more, struct err *err)
{
	uint64_t least;

	switch (effect_after(w->share->effect, w->at, &w->cursor, &least)) {
	case EFFECT_OK:
		w->placed = *more = true;
		tell_place(w);
		break;
	case EFFECT_NOT_YET:
		*more = false;
		break;
	case EFFECT_TOO_OLD:
		return watch_resync(w, least, err);
	}
	return RC_OK;
}

enum rc
effects_turn(struct watch *w, bool *more, struct err *err)
{
	struct arena *a = w->task.message.arena;
	enum rc rc = RC_OK;

	w->events = arena_alloc(a, EVENTS_A_PART * sizeof(*w->events));
	w->ahead = arena_alloc(a, EVENTS_A_PART * sizeof(*w->ahead));
	do {
		if (w->snapshot)
			tell_all(w, more);
		else if (!w->placed)
			rc = find_place(w, more, err);
		else
			rc = tell_part(w, more, err);
	} while (rc == RC_OK && *more && !watch_full(w));
	return rc;
}

static enum rc
read_permission(struct watch *w, struct effect_question *q, struct err *err)
{
	struct message *m = &w->task.message;
	const struct directory *d = &m->roster->directory;
	const struct question fields = { &m->in, NULL };
	const struct permission *permission;
	const struct model *model;
	struct check_place place;
	struct check k;
	struct org org;
	enum rc rc;

	if (!org_by_no(orgtx_txn(m->o), q->org, &org))
		return fail(err, RC_NOT_FOUND, "org", "there is no such org for this token");
	model = org.model[0] != '\0' ? model_by_name(d->models, slice_of(org.model)) : d->models->models[0];
	if (model == NULL || (permission = model_permission(model, fields_bytes(&m->in, IN_PERMISSION))) == NULL)
		return fail(err, RC_INVALID_VALUE, "permission", "is none of the org's role model");
	q->permission = permission->name;
	if ((rc = read_place(&fields, &place, err)) != RC_OK)
		return rc;
	check_init(&k, d, m->o, m->arena, m->worker->now);
	return check_find_place(&k, &place, &q->scope) == CHECK_DECIDED
		       ? RC_OK
		       : fail(err, RC_NOT_FOUND, "scope", "is not one workspace, project or team of this org");
}

static void
let_go(void *arg)
{
	struct watch *w = arg;

	effects_close(w->task.message.roster->effects, w->share);
}

enum rc
effects_begin(struct watch *w, struct err *err)
{
	struct message *m = &w->task.message;
	struct effect_question q = { .kind = w->view == VIEW_MEMBERSHIP ? EFFECT_MEMBERSHIP : EFFECT_PERMISSION,
		.org = m->caller->org };
	enum rc rc = w->view == VIEW_MEMBERSHIP ? read_groups(w, err) : read_permission(w, &q, err);

	if (rc != RC_OK || (rc = effects_open(m->roster->effects, &q, &w->share, err)) != RC_OK)
		return rc;
	arena_on_free(m->arena, let_go, w);
	w->wake.org = w->share->wake;
	return RC_OK;
}
