#include "daemon/directory/guard.h"

#include "base/log.h"

#include "base/banned.h"

enum { TICKS_PER_SECOND = 10000000 };

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

enum rc
guard_admit(const struct guard_options *g, struct orgtx *o, const struct actor *actor, uint64_t users,
	uint64_t memberships, struct err *err)
{
	const struct org_stat *stat = orgtx_stat(o);
	struct txn *t = orgtx_txn(o);
	struct connection c;

	if (g->share_percent == 0 || actor->connection == 0 || (users == 0 && memberships == 0))
		return RC_OK;
	if (!connection_get(t, orgtx_org(o), actor->connection, &c))
		return fail(err, RC_FORBIDDEN, "", "the connection no longer exists");
	if (c.guard.tripped)
		return refuse(&c, err);
	if (c.guard.window_start == 0 ||
		actor->now - c.guard.window_start > (int64_t)g->window * TICKS_PER_SECOND)
		c.guard = (struct guard){ .window_start = actor->now,
			.base_users = stat->active_users,
			.base_edges = stat->edges };
	if (c.guard.users + users > threshold(g->share_percent, c.guard.base_users, g->min_users) ||
		c.guard.edges + memberships >
			threshold(g->share_percent, c.guard.base_edges, g->min_memberships)) {
		c.guard.tripped = true;
		connection_put(t, &c);
		log_event(LOG_WARN, "guard_tripped", LOG_NUM("org", c.org), LOG_STR("connection", c.name),
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
