#include "tools/libroster/mirror.h"

#include <stdlib.h>

#include "base/banned.h"

/* ---- Making and freeing it ---- */

static const char *
own(const char *text)
{
	char *copy;

	if (text == NULL)
		return NULL;
	if ((copy = strdup(text)) == NULL)
		abort();
	return copy;
}

/* Texts of a request that are our own; it shows them as const to those who borrow them. */
static void
disown(const char *text)
{
	union {
		const char *in;
		char *out;
	} u = { text };

	free(u.out);
}

void
feed_init(struct feed *f, struct roster_mirror *m, const struct roster_request *watch)
{
	memset(f, 0, sizeof(*f));
	copies_init(&f->copies);
	atomic_init(&f->heard_at, NOT_HEARD);
	f->mirror = m;
	f->retry_at = NEVER;
	f->watch = *watch;
	f->watch.org = own(watch->org);
	f->watch.permission = own(watch->permission);
	f->watch.scope = own(watch->scope);
	f->watch.workspace = own(watch->workspace);
	f->watch.project = own(watch->project);
	f->watch.team = own(watch->team);
	if (watch->scope_id != NULL) {
		f->scope_id = *watch->scope_id;
		f->watch.scope_id = &f->scope_id;
	}
}

static void
drop_fresh(struct feed *f)
{
	graph_free(f->fresh);
	f->fresh = NULL;
	f->complete = false;
	f->count = 0;
}

void
feed_release(struct feed *f)
{
	if (f->call != 0)
		(void)roster_cancel(mirror_handle(f->mirror), f->call);
	drop_fresh(f);
	free(f->changes);
	copies_release(&f->copies);
	disown(f->watch.org);
	disown(f->watch.permission);
	disown(f->watch.scope);
	disown(f->watch.workspace);
	disown(f->watch.project);
	disown(f->watch.team);
}

/* ---- What happened ---- */

static void
keep_change(struct feed *f, const struct change *change)
{
	if (f->count == f->room) {
		f->room = f->room == 0 ? 64 : 2 * f->room;
		f->changes = reallocarray(f->changes, f->room, sizeof(*f->changes));
		if (f->changes == NULL)
			abort();
	}
	f->changes[f->count++] = *change;
}

static void
apply(struct graph *g, const struct change *c)
{
	switch (c->event) {
	case EVENT_PUT:
		graph_put(g, &c->id, c->is_group);
		break;
	case EVENT_GAINED: /* of a permission: who has it is known, others are not */
		graph_put(g, &c->id, false);
		break;
	case EVENT_GONE:
	case EVENT_LOST:
		graph_gone(g, &c->id);
		break;
	case EVENT_MEMBER_ADDED:
		graph_add(g, &c->group, &c->id, c->is_group);
		break;
	case EVENT_MEMBER_REMOVED:
		graph_remove(g, &c->group, &c->id);
		break;
	default: /* later versions may tell more */
		break;
	}
}

/* Of records only those of users and groups count, and not what stands in them. */
static bool
read_change(const struct roster_answer *item, struct change *out)
{
	const struct roster_id *id = roster_id(item, ROSTER_F_ID), *group = roster_id(item, ROSTER_F_GROUP_ID);
	struct roster_text type = roster_text(item, ROSTER_F_TYPE);
	struct slice name = { type.p, type.len };

	*out = (struct change){ .event = (uint8_t)roster_number(item, ROSTER_F_EVENT),
		.is_group = roster_number(item, ROSTER_F_KIND) == ROSTER_TEAM || slice_eq(name, SLICE("Group")) };
	if (id == NULL)
		return false;
	out->id = *id;
	if (out->event == EVENT_MEMBER_ADDED || out->event == EVENT_MEMBER_REMOVED) {
		if (group == NULL)
			return false;
		out->group = *group;
	}
	return (out->event != EVENT_PUT && out->event != EVENT_GONE) || out->is_group || slice_eq(name, SLICE("User"));
}

static void
apply_all(struct graph *g, void *arg)
{
	struct feed *f = arg;

	for (size_t i = 0; i < f->count; i++)
		apply(g, &f->changes[i]);
	graph_settle(g);
}

static void
heard(struct feed *f, uint64_t revision)
{
	atomic_store_explicit(&f->heard_at, clock_ms(), memory_order_relaxed);
	atomic_store_explicit(&f->revision, revision, memory_order_release);
}

/* The snapshot, and what came after it, is exact now: it is for all to see. */
static void
publish(struct feed *f)
{
	graph_settle(f->fresh);
	copies_replace(&f->copies, f->fresh);
	f->fresh = NULL;
	f->complete = false;
	heard(f, f->at);
	mirror_changed(f->mirror, NULL);
}

static void
publish_if_exact(struct feed *f, uint64_t revision)
{
	f->at = revision;
	if (f->complete && revision >= f->settled)
		publish(f);
}

static void
snapshot_told(struct feed *f, const struct roster_answer *answer)
{
	const struct roster_answer *item;
	struct change change;

	if (f->fresh == NULL || f->complete || roster_is_resumed(answer)) {
		drop_fresh(f);
		f->fresh = graph_new();
	}
	while ((item = roster_next_item(answer)) != NULL)
		if (read_change(item, &change))
			apply(f->fresh, &change);
	if (roster_number(answer, ROSTER_F_MORE) != 0)
		return;
	f->complete = true;
	f->settled = roster_number(answer, ROSTER_F_SETTLED);
	publish_if_exact(f, roster_number(answer, ROSTER_F_REVISION));
}

static void
changes_told(struct feed *f, const struct roster_answer *answer)
{
	uint64_t revision = roster_number(answer, ROSTER_F_REVISION);
	const struct roster_answer *item;
	struct change change;
	bool any;

	if (roster_is_resumed(answer))
		f->count = 0;
	while ((item = roster_next_item(answer)) != NULL)
		if (read_change(item, &change))
			keep_change(f, &change);
	if (roster_number(answer, ROSTER_F_MORE) != 0)
		return;
	any = f->count > 0;
	if (f->fresh != NULL) {
		apply_all(f->fresh, f);
		f->count = 0;
		publish_if_exact(f, revision);
		return;
	}
	if (any)
		copies_change(&f->copies, apply_all, f);
	f->count = 0;
	heard(f, revision);
	if (any)
		mirror_changed(f->mirror, NULL);
}

/* ---- The watch ---- */

static int64_t
pause_of(const struct feed *f)
{
	int64_t pause = 100;

	for (unsigned i = 1; i < f->failures && pause < 10000; i++)
		pause *= 2;
	return pause;
}

static void
feed_failed(struct feed *f, const struct roster_error *error)
{
	f->call = 0;
	f->count = 0;
	f->failures++;
	/* What the journal has forgotten a snapshot brings; the copy stays for those who read it, until then. */
	if (error->status == 410) {
		drop_fresh(f);
		f->watch.from = 0;
	} else if (f->fresh != NULL) {
		drop_fresh(f);
		f->watch.from = 0;
	} else {
		f->watch.from = atomic_load_explicit(&f->revision, memory_order_relaxed);
	}
	f->retry_at = clock_ms() + (error->status == 410 && f->failures == 1 ? 0 : pause_of(f));
	if (error->retry_after_ms > 0 && error->retry_after_ms < INT32_MAX)
		f->retry_at = clock_ms() + (int64_t)error->retry_after_ms;
	handle_at(mirror_handle(f->mirror), f->retry_at);
	mirror_changed(f->mirror, error);
}

static void
feed_told(void *arg, const struct roster_answer *answer, const struct roster_error *error)
{
	static const struct roster_error over = { .name = "UNAVAILABLE", .message = "the server ended the watch" };
	struct feed *f = arg;

	if (error != NULL) {
		if (error->status != 0 || strcmp(error->name, NAME_CLOSED) != 0)
			feed_failed(f, error);
		f->call = 0;
		return;
	}
	f->failures = 0;
	if (roster_number(answer, ROSTER_F_SNAPSHOT) != 0)
		snapshot_told(f, answer);
	else
		changes_told(f, answer);
	if (roster_is_last(answer))
		feed_failed(f, &over);
}

bool
feed_start(struct feed *f, struct roster_error *error)
{
	f->retry_at = NEVER;
	f->call = roster_start(mirror_handle(f->mirror), ROSTER_WATCH, &f->watch, feed_told, f, error);
	return f->call != 0;
}

int64_t
feed_clock(struct feed *f, int64_t now)
{
	struct roster_error error;

	if (f->retry_at <= now && !feed_start(f, &error))
		feed_failed(f, &error);
	return f->retry_at;
}
