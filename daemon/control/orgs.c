/* The commands for orgs. */
#include <stdio.h>

#include "base/log.h"
#include "daemon/control/change.h"
#include "daemon/directory/form.h"
#include "daemon/directory/org.h"
#include "daemon/directory/sync.h"
#include "daemon/directory/subject.h"

#include "base/banned.h"

static enum rc
org_create_step(struct change_job *j, struct txn *t, struct err *err)
{
	const struct directory *d = j->call->options->directory;
	struct orgtx *o = orgtx_open(t, ORG_PLATFORM);
	struct node *root = change_root(j, TYPE_ORGANIZATION);
	struct arena *a = j->call->arena;
	struct written written;
	uint64_t owner;
	enum rc rc;

	tree_set_text(a, root, d->at.org_key, j->key);
	tree_set_text(a, root, d->at.org_display, j->name);
	tree_set_text(a, root, d->at.org_model, j->model);
	tree_set_text(a, root, d->at.org_kind, j->kind);
	if (j->owner.len > 0) {
		if ((rc = change_find_person(j->call, t, j->owner, &owner, err)) != RC_OK)
			return rc;
		tree_set_text(a, root, d->at.org_creator_value, row_id_text(a, o, owner));
	}
	if ((rc = change_create(j, o, TYPE_ORGANIZATION, root, &written, err)) != RC_OK)
		return rc;
	return org_of_row(d, o, written.row, &j->org)
		       ? RC_OK
		       : fail(err, RC_INTERNAL, "", "the org could not be made");
}

enum rc
command_org_create(struct call *c, struct err *err)
{
	struct change_job j = { .step = org_create_step };
	enum rc rc;

	if ((rc = key_arg(c, &j, err)) != RC_OK ||
		(rc = call_text(c, "name", false, &j.name, err)) != RC_OK ||
		(rc = call_text(c, "model", false, &j.model, err)) != RC_OK ||
		(rc = call_text(c, "kind", false, &j.kind, err)) != RC_OK ||
		(rc = call_text(c, "owner", false, &j.owner, err)) != RC_OK ||
		(rc = change_run(c, &j, err)) != RC_OK)
		return rc;
	log_change("org-created", &j);
	c->result = org_json(NULL, &j.org);
	json_put(c->result, "baseUrl", base_url(c->options, j.org.key));
	return RC_OK;
}

/* Answers are sent while no transaction is open: the client may be slow. */
enum rc
command_org_list(struct call *c, struct err *err)
{
	enum { STEP = 256 };
	struct txn *t = reader_new(c->options->store);
	struct org org = { .no = 0 };
	bool more = true;
	enum rc rc = RC_OK;

	if (t == NULL)
		return fail(err, RC_UNAVAILABLE, "", "there are too many readers of the store");
	while (more && !c->gone && (rc = reader_begin(t, err)) == RC_OK) {
		json_t *found = json_array();
		json_t *part;
		size_t i;

		for (i = 0; i < STEP && (more = org_next(t, org.no, &org)); i++)
			(void)json_array_append_new(found, org_json(t, &org));
		reader_end(t);
		json_array_foreach (found, i, part)
			call_part(c, json_incref(part));
		json_decref(found);
	}
	reader_free(t);
	return rc;
}

/* Limits that an operator set. */
static json_t *
limits_json(const struct org *org)
{
	json_t *j = json_object();

	for (int i = 0; i < LIMIT_COUNT; i++)
		if (org->limits[i] != UINT64_MAX)
			json_put(j, limit_name((enum limit)i), json_integer((json_int_t)org->limits[i]));
	return j;
}

static enum rc
org_show(struct call *c, struct txn *t, struct err *err)
{
	struct connection connection = { .no = 0 };
	struct slice key;
	json_t *list;
	struct org org;
	enum rc rc;

	if ((rc = call_text(c, "org", true, &key, err)) != RC_OK ||
		(rc = dir_org_find(t, key, &org, err)) != RC_OK)
		return rc;
	c->result = org_json(t, &org);
	json_put(c->result, "baseUrl", base_url(c->options, org.key));
	json_put(c->result, "modelVersion", json_integer(org.model_version));
	json_put(c->result, "limits", limits_json(&org));
	list = json_array();
	while (connection_next(t, org.no, connection.no, &connection))
		(void)json_array_append_new(list, connection_json(c->options, &org, &connection));
	json_put(c->result, "connections", list);
	return RC_OK;
}

enum rc
command_org_show(struct call *c, struct err *err)
{
	return with_reader(c, org_show, err);
}

/* ---- What becomes of one ---- */

static enum rc
org_act_step(struct change_job *j, struct txn *t, struct err *err)
{
	const struct directory *d = j->call->options->directory;
	struct written written;
	enum rc rc = dir_org_find(t, j->key, &j->org, err);

	if (rc != RC_OK)
		return rc;
	if (j->act.act == ORG_ACT_DELETE) {
		/* The operator has confirmed it by the org's key. */
		j->act.confirmed = true;
		j->act.confirm = rows_count(orgtx_open(t, j->org.no), TYPE_USER);
	}
	rc = organization_act(
		d, t, &j->writer, j->call->arena, j->org.row, NULL, &j->act, &written, err);
	if (rc == RC_OK && j->act.at_once)
		(void)organization_bury(d, t, j->org.no, j->now);
	if (rc == RC_OK)
		(void)org_by_no(t, j->org.no, &j->org);
	return rc;
}

static enum rc
org_act(struct call *c, enum org_act act, const char *event, struct change_job *j, struct err *err)
{
	enum rc rc;

	*j = (struct change_job){ .step = org_act_step, .act = { .act = act } };
	if ((rc = key_arg(c, j, err)) != RC_OK ||
		(act == ORG_ACT_RENAME &&
			(rc = call_text(c, "newKey", true, &j->act.key, err)) != RC_OK) ||
		(rc = call_text(c, "reason", false, &j->act.reason, err)) != RC_OK)
		return rc;
	j->act.at_once = act == ORG_ACT_DELETE && call_flag(c, "now");
	if ((rc = change_run(c, j, err)) != RC_OK)
		return rc;
	log_change(event, j);
	c->result = org_json(NULL, &j->org);
	return RC_OK;
}

enum rc
command_org_suspend(struct call *c, struct err *err)
{
	struct change_job j;

	return org_act(c, ORG_ACT_SUSPEND, "org-suspended", &j, err);
}

enum rc
command_org_resume(struct call *c, struct err *err)
{
	struct change_job j;

	return org_act(c, ORG_ACT_RESUME, "org-resumed", &j, err);
}

enum rc
command_org_restore(struct call *c, struct err *err)
{
	struct change_job j;

	return org_act(c, ORG_ACT_RESTORE, "org-restored", &j, err);
}

enum rc
command_org_rename(struct call *c, struct err *err)
{
	struct change_job j;
	enum rc rc = org_act(c, ORG_ACT_RENAME, "org-renamed", &j, err);

	if (rc == RC_OK)
		json_put(c->result, "baseUrl", base_url(c->options, j.org.key));
	return rc;
}

struct purge_job {
	struct write_job job;
	uint32_t org;
	bool ended;
};

static enum rc
purge_step(struct write_job *job, struct txn *t, struct err *err)
{
	enum { ENTRIES = 20000 /* some tens of milliseconds, so that other writers go on */ };
	struct purge_job *p = (struct purge_job *)job;

	(void)err;
	p->ended = org_purge(t, p->org, ENTRIES);
	return txn_rc(t);
}

enum rc
org_purge_all(const struct control_options *o, uint32_t no, struct call *c, struct err *err)
{
	struct purge_job p = { .job.item.lane = no, .org = no };
	uint64_t steps = 0;
	enum rc rc = RC_OK;

	while (!p.ended && rc == RC_OK && (o->stop == NULL || !*o->stop)) {
		rc = committer_run(o->committer, purge_step, &p.job, err);
		if (c != NULL)
			call_progress(c, ++steps, 0);
	}
	if (p.ended && rc == RC_OK)
		sync_forget_org(o->config->data_directory, no);
	return rc;
}

enum rc
command_org_delete(struct call *c, struct err *err)
{
	struct change_job j;
	enum rc rc = org_act(c, ORG_ACT_DELETE, "org-deleted", &j, err);

	if (rc != RC_OK || !j.act.at_once)
		return rc;
	if ((rc = org_purge_all(c->options, j.org.no, c, err)) == RC_OK)
		json_put(c->result, "state", json_string("removed"));
	return rc;
}

/* ---- Those whose grace is over ---- */

struct bury_job { /* also of org_follow_model() */
	struct write_job job;
	const struct directory *directory;
	uint32_t org;
	bool buried;
};

static enum rc
bury_step(struct write_job *job, struct txn *t, struct err *err)
{
	struct bury_job *b = (struct bury_job *)job;

	(void)err;
	b->buried = organization_bury(b->directory, t, b->org, clock_ticks());
	return txn_rc(t);
}

enum rc
org_bury(const struct control_options *o, uint32_t no, bool *buried, struct err *err)
{
	struct bury_job b = { .directory = o->directory, .org = no };
	enum rc rc = committer_run(o->committer, bury_step, &b.job, err);

	*buried = rc == RC_OK && b.buried;
	return rc;
}

static enum rc
follow_step(struct write_job *job, struct txn *t, struct err *err)
{
	struct bury_job *b = (struct bury_job *)job;

	(void)err;
	organization_follow_model(b->directory, t, b->org, clock_ticks());
	return txn_rc(t);
}

enum rc
org_follow_model(const struct control_options *o, uint32_t no, struct err *err)
{
	struct bury_job b = { .directory = o->directory, .org = no };

	return committer_run(o->committer, follow_step, &b.job, err);
}
