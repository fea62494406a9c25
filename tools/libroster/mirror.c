#include "tools/libroster/private.h"

#include <stdlib.h>
#include <time.h>

#include "tools/libroster/copies.h"
#include "tools/libroster/mirror.h"

#include "base/banned.h"

/* ---- Making and freeing it ---- */

static struct feed *
permission_feed(const struct roster_mirror *m, size_t number)
{
	number += m->memberships;
	return number < m->count ? &m->feeds[number] : NULL;
}

static void
add_feed(struct roster_mirror *m, const struct roster_request *request, const struct roster_mirror_options *o)
{
	struct roster_request watch = *request;

	watch.org = o->org;
	watch.heartbeat = o->heartbeat;
	feed_init(&m->feeds[m->count++], m, &watch);
}

static bool
add_permissions(struct roster_mirror *m, const struct roster_mirror_options *o, struct roster_error *error)
{
	const char *at = (const char *)o->permissions;
	struct roster_request given;

	for (size_t i = 0; i < o->permission_count; i++, at += given.size) {
		struct roster_request watch = { .size = sizeof(watch), .view = ROSTER_PERMISSION_VIEW };

		if (!options_copy(&given, sizeof(given), at, "permissions", error))
			return false;
		if (given.permission == NULL) {
			error_local(error, NAME_BAD_REQUEST, "permission", "number %zu names no permission", i);
			return false;
		}
		watch.permission = given.permission;
		watch.scope_id = given.scope_id;
		watch.scope = given.scope;
		watch.workspace = given.workspace;
		watch.project = given.project;
		watch.team = given.team;
		add_feed(m, &watch, o);
	}
	return true;
}

static bool
add_feeds(struct roster_mirror *m, const struct roster_mirror_options *o, struct roster_error *error)
{
	struct roster_request records = { .size = sizeof(records), .view = ROSTER_RECORDS_VIEW };
	size_t count = o->memberships + o->permission_count;

	if (count == 0) {
		error_local(error, NAME_BAD_REQUEST, "memberships", "a mirror keeps memberships, permissions, or both");
		return false;
	}
	/* Lines of readers are whole cache lines. */
	m->feeds = aligned_alloc(CACHE_LINE, count * sizeof(*m->feeds));
	if (m->feeds == NULL)
		abort();
	if (o->memberships)
		add_feed(m, &records, o);
	return add_permissions(m, o, error);
}

/* All of them now, so that what is wrong with the request is told here. */
static bool
start_feeds(struct roster_mirror *m, struct roster_error *error)
{
	for (size_t i = 0; i < m->count; i++)
		if (!feed_start(&m->feeds[i], error))
			return false;
	return true;
}

struct roster_mirror *
roster_mirror_new(struct roster *r, const struct roster_mirror_options *options, struct roster_error *error)
{
	struct roster_mirror_options o;
	struct roster_mirror *m;

	if (!options_copy(&o, sizeof(o), options, "options", error))
		return NULL;
	if ((m = calloc(1, sizeof(*m))) == NULL)
		abort();
	m->r = r;
	m->max_stale_ms = o.max_stale_ms;
	m->memberships = o.memberships;
	m->changed = o.changed;
	m->arg = o.arg;
	m->next = r->mirrors;
	r->mirrors = m;
	if (!add_feeds(m, &o, error) || !start_feeds(m, error)) {
		roster_mirror_free(m);
		return NULL;
	}
	return m;
}

void
roster_mirror_free(struct roster_mirror *m)
{
	struct roster_mirror **at;

	if (m == NULL)
		return;
	for (at = &m->r->mirrors; *at != m; at = &(*at)->next)
		;
	*at = m->next;
	for (size_t i = 0; i < m->count; i++)
		feed_release(&m->feeds[i]);
	free(m->feeds);
	free(m);
}

struct roster *
mirror_handle(const struct roster_mirror *m)
{
	return m->r;
}

int64_t
mirrors_clock(struct roster *r, int64_t now)
{
	int64_t next = NEVER;

	for (struct roster_mirror *m = r->mirrors; m != NULL; m = m->next)
		for (size_t i = 0; i < m->count; i++) {
			int64_t at = feed_clock(&m->feeds[i], now);

			if (at < next)
				next = at;
		}
	return next;
}

/* ---- Answers ---- */

/* Milliseconds, cheap: some four behind at most. */
static int64_t
coarse_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool
is_usable(const struct roster_mirror *m, struct feed *f)
{
	int64_t heard;

	if (f == NULL || atomic_load_explicit(&f->revision, memory_order_acquire) == 0)
		return false;
	heard = atomic_load_explicit(&f->heard_at, memory_order_relaxed);
	return m->max_stale_ms <= 0 || coarse_ms() - heard <= m->max_stale_ms;
}

int
roster_mirror_is_member(const struct roster_mirror *m, const struct roster_id *subject, const struct roster_id *group,
	bool direct)
{
	struct visit visit;
	bool is;

	if (!m->memberships || !is_usable(m, &m->feeds[0]))
		return -1;
	is = graph_has(copies_enter(&m->feeds[0].copies, &visit), group, subject, direct);
	copies_leave(&visit);
	return is;
}

int
roster_mirror_check(const struct roster_mirror *m, size_t number, const struct roster_id *member)
{
	struct feed *f = permission_feed(m, number);
	struct visit visit;
	bool may;

	if (!is_usable(m, f))
		return -1;
	may = graph_knows(copies_enter(&f->copies, &visit), member);
	copies_leave(&visit);
	return may;
}

static uint64_t
age_of(struct feed *f, int64_t now)
{
	int64_t heard = atomic_load_explicit(&f->heard_at, memory_order_relaxed);

	return heard == NOT_HEARD ? UINT64_MAX : now > heard ? (uint64_t)(now - heard) : 0;
}

void
roster_mirror_state(const struct roster_mirror *m, struct roster_mirror_state *out)
{
	int64_t now = coarse_ms();
	uint64_t lowest = UINT64_MAX;

	*out = (struct roster_mirror_state){ .ready = true };
	for (size_t i = 0; i < m->count; i++) {
		uint64_t revision = atomic_load_explicit(&m->feeds[i].revision, memory_order_acquire);
		uint64_t age = age_of(&m->feeds[i], now);

		out->ready &= revision != 0;
		lowest = revision < lowest ? revision : lowest;
		out->stale_ms = age > out->stale_ms ? age : out->stale_ms;
	}
	out->revision = lowest;
	if (m->memberships) {
		struct visit visit;
		struct graph_counts counts = graph_counts(copies_enter(&m->feeds[0].copies, &visit));

		copies_leave(&visit);
		out->users = counts.users;
		out->groups = counts.groups;
		out->memberships = counts.memberships;
	}
}

bool
roster_mirror_wait(struct roster_mirror *m, uint64_t revision, int timeout_ms)
{
	int64_t until = timeout_ms < 0 ? NEVER : clock_ms() + timeout_ms;
	struct roster_mirror_state state;

	for (;;) {
		roster_mirror_state(m, &state);
		if (state.ready && state.revision >= revision)
			return true;
		if (m->r->inside || (until != NEVER && clock_ms() >= until) || atomic_exchange(&m->r->woken, false))
			return false;
		(void)handle_wait(m->r, until);
	}
}

void
mirror_changed(struct roster_mirror *m, const struct roster_error *error)
{
	struct roster_mirror_state state;

	if (m->changed == NULL)
		return;
	roster_mirror_state(m, &state);
	if (error != NULL || state.ready)
		m->changed(m->arg, error != NULL ? 0 : state.revision, error);
}
