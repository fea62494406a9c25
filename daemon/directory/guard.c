#include "daemon/directory/guard.h"

#include "base/log.h"

#include "base/banned.h"

#define TICKS_PER_SECOND INT64_C(10000000)
#define FRESH_STEP (1800 * TICKS_PER_SECOND)

static uint64_t
threshold(unsigned percent, uint64_t base, uint64_t min)
{
	uint64_t share = base / 100 * percent + base % 100 * percent / 100;

	return share > min ? share : min;
}

static enum rc
refuse(const struct connection *c, struct err *err)
{
	return fail(err, RC_CONFLICT, "",
		"the mass-removal guard has stopped removals by the connection \"%.100s\": together they "
		"would remove too large a share of the organization; an operator or owner must check "
		"this and release the connection", c->name);
}

/* The connection's guard as it stands now: a new window when the old one is over, the bases and the mark of what is
 * fresh brought up to date. */
static void
bring_up(const struct guard_options *g, struct guard *w, const struct org_stat *stat, int64_t now)
{
	if (w->window_start == 0 || now - w->window_start > (int64_t)g->window * TICKS_PER_SECOND)
		*w = (struct guard){ .window_start = now, .fresh_time = w->fresh_time,
			.fresh_row = w->fresh_row, .fresh_next = w->fresh_next };
	w->base_users = stat->active_users > w->base_users ? stat->active_users : w->base_users;
	w->base_edges = stat->edges > w->base_edges ? stat->edges : w->base_edges;
	/* Rows rise with time, so two marks half an hour apart bound the age of all rows behind the older one. */
	if (now - w->fresh_time > 2 * FRESH_STEP)
		w->fresh_next = stat->next_row;
	if (now - w->fresh_time > FRESH_STEP) {
		w->fresh_row = w->fresh_next;
		w->fresh_next = stat->next_row;
		w->fresh_time = now;
	}
}

void
guard_look(const struct guard_options *g, struct orgtx *o, const struct actor *actor, struct guard_view *out)
{
	struct connection c;
	uint64_t allowed;

	*out = (struct guard_view){ 0, 0 };
	if (g->share_percent == 0 || actor->connection == 0 ||
		!connection_get(orgtx_txn(o), orgtx_org(o), actor->connection, &c))
		return;
	bring_up(g, &c.guard, orgtx_stat(o), actor->now);
	allowed = threshold(g->share_percent, c.guard.base_edges, g->min_memberships);
	out->first_free = c.guard.fresh_row;
	out->enough = c.guard.tripped || c.guard.edges >= allowed ? 1 : allowed - c.guard.edges + 1;
}

enum rc
guard_admit(const struct guard_options *g, struct orgtx *o, const struct actor *actor, uint64_t users,
	uint64_t memberships, struct err *err)
{
	struct txn *t = orgtx_txn(o);
	struct connection c;

	if (g->share_percent == 0 || actor->connection == 0 || (users == 0 && memberships == 0))
		return RC_OK;
	if (!connection_get(t, orgtx_org(o), actor->connection, &c))
		return fail(err, RC_FORBIDDEN, "", "the connection no longer exists");
	if (c.guard.tripped)
		return refuse(&c, err);
	bring_up(g, &c.guard, orgtx_stat(o), actor->now);
	if (c.guard.users + users > threshold(g->share_percent, c.guard.base_users, g->min_users) ||
		c.guard.edges + memberships >
			threshold(g->share_percent, c.guard.base_edges, g->min_memberships)) {
		c.guard.tripped = true;
		connection_put(t, &c);
		log_event(LOG_WARN, "guard-tripped", LOG_NUM("org", c.org), LOG_STR("connection", c.name),
			LOG_NUM("users", c.guard.users + users),
			LOG_NUM("memberships", c.guard.edges + memberships));
		return refuse(&c, err);
	}
	c.guard.users += users;
	c.guard.edges += memberships;
	connection_put(t, &c);
	return RC_OK;
}

void
guard_release(struct connection *c)
{
	c->guard = (struct guard){ .tripped = false };
}
