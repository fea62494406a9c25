/* The command that moves an org to another role model, or tells what that would do. */
#include <stdio.h>

#include "base/log.h"
#include "daemon/control/change.h"
#include "daemon/directory/migrate.h"
#include "daemon/directory/org.h"
#include "daemon/scim/acts.h"

#include "base/banned.h"

/* "org/admin=org/manager,team/lead=": old role to new role, or to nothing. */
static enum rc
read_map(struct call *c, struct slice map, struct migration *m, struct err *err)
{
	struct role_move *moves;
	struct slice rest = map, item;
	size_t n = 0;

	while (rest.len > 0 && slice_split(&rest, ',', &item))
		n++;
	moves = n > 0 ? ARENA_ARRAY(c->arena, struct role_move, n) : NULL;
	while (map.len > 0 && slice_split(&map, ',', &item)) {
		struct role_move *move = &moves[m->move_count++];

		item = slice_trim(item);
		if (!slice_split(&item, '=', &move->from) || move->from.len == 0 || item.p == NULL)
			return fail(err, RC_INVALID_VALUE, "map",
				"a map is OLD=NEW,OLD=NEW with roles by path; OLD= for a role that "
				"ends");
		move->to = item;
	}
	m->moves = moves;
	return RC_OK;
}

static enum rc
args_read(struct call *c, struct slice *key, struct migration *m, struct err *err)
{
	struct slice map;
	enum rc rc;

	if ((rc = call_text(c, "org", true, key, err)) != RC_OK ||
		(rc = call_text(c, "model", true, &m->model, err)) != RC_OK ||
		(rc = call_text(c, "map", false, &map, err)) != RC_OK)
		return rc;
	return read_map(c, map, m, err);
}

static enum rc
operator_in(struct call *c, struct txn *t, uint32_t org, int64_t now, struct caller *caller,
	struct subject *by, struct err *err)
{
	caller_init_control(caller, org);
	return subject_load(
		c->options->directory, orgtx_open(t, org), c->arena, caller, now, by, err);
}

static enum rc
tell(struct call *c, const struct migration_plan *plan, bool done, struct err *err)
{
	struct buf b = BUF_INIT;

	migration_write(&b, plan, done);
	c->result = json_loadb(b.p, b.len, 0, NULL);
	buf_release(&b);
	return c->result != NULL ? RC_OK : fail(err, RC_INTERNAL, "", "the plan can't be shown");
}

static enum rc
plan_read(struct call *c, struct txn *t, struct err *err)
{
	struct migration m = { .move_count = 0 };
	struct migration_plan plan = { .from = NULL };
	struct caller caller;
	struct subject by;
	struct slice key;
	struct org org;
	enum rc rc;

	if ((rc = args_read(c, &key, &m, err)) != RC_OK ||
		(rc = dir_org_find(t, key, &org, err)) != RC_OK ||
		(rc = operator_in(c, t, org.no, clock_ticks(), &caller, &by, err)) != RC_OK ||
		(rc = org_migrate_plan(&by, clock_ticks(), &m, &plan, err)) != RC_OK)
		return rc;
	return tell(c, &plan, false, err);
}

struct migrate_job {
	struct change_job change; /* must stay first */
	struct migration migration;
	struct migration_plan plan;
};

static enum rc
migrate_step(struct change_job *j, struct txn *t, struct err *err)
{
	struct migrate_job *m = (struct migrate_job *)j;
	struct subject by;
	enum rc rc;

	m->plan = (struct migration_plan){ .from = NULL };
	if ((rc = dir_org_find(t, j->key, &j->org, err)) != RC_OK ||
		(rc = operator_in(j->call, t, j->org.no, j->now, &j->caller, &by, err)) != RC_OK)
		return rc;
	return org_migrate(&by, &j->writer, &m->migration, &m->plan, err);
}

enum rc
command_org_migrate_model(struct call *c, struct err *err)
{
	struct migrate_job m = { .change.step = migrate_step };
	enum rc rc;

	if (call_flag(c, "dryRun"))
		return with_reader(c, plan_read, err);
	if ((rc = args_read(c, &m.change.key, &m.migration, err)) != RC_OK ||
		(rc = change_run(c, &m.change, err)) != RC_OK)
		return rc;
	log_change("org-migrated", &m.change);
	return tell(c, &m.plan, true, err);
}
