/* Export and import over the control door. */
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/control/change.h"
#include "daemon/directory/org.h"
#include "daemon/directory/transfer.h"

#include "base/banned.h"

static void
count_put(json_t *object, const char *name, uint64_t value)
{
	(void)json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *
counts_json(const struct transfer_counts *n)
{
	json_t *j = json_object();

	count_put(j, "lines", n->lines);
	count_put(j, "users", n->users);
	count_put(j, "groups", n->groups);
	count_put(j, "memberships", n->memberships);
	count_put(j, "skipped", n->skipped);
	return j;
}

static enum rc
find_org(struct call *c, struct org *org, struct err *err)
{
	struct txn *t;
	struct slice key;
	enum rc rc = call_text(c, "org", true, &key, err);

	if (rc != RC_OK)
		return rc;
	if ((t = reader_new(c->options->store)) == NULL)
		return fail(err, RC_UNAVAILABLE, "", "there are too many readers of the store");
	if ((rc = reader_begin(t, err)) == RC_OK) {
		rc = dir_org_find(t, key, org, err);
		reader_end(t);
	}
	reader_free(t);
	return rc;
}

/* ---- Export ---- */

static bool
write_lines(void *arg, struct slice lines)
{
	struct call *c = arg;

	call_data(c, lines);
	return !c->gone;
}

static void
tell_progress(void *arg, uint64_t done, uint64_t total)
{
	call_progress(arg, done, total);
}

enum rc
command_export(struct call *c, struct err *err)
{
	struct export_options options = { .store = c->options->store,
		.schema = c->options->schema,
		.secrets = call_flag(c, "secrets"),
		.write = write_lines,
		.progress = tell_progress,
		.arg = c };
	struct transfer_counts counts = { 0 };
	struct org org;
	enum rc rc = find_org(c, &org, err);

	if (rc != RC_OK)
		return rc;
	options.org = org.no;
	log_event(LOG_INFO, "export", LOG_STR("org", org.key), LOG_NUM("secrets", options.secrets));
	if ((rc = org_export(&options, &counts, err)) == RC_OK)
		c->result = counts_json(&counts);
	return rc;
}

/* ---- Import ---- */

static enum rc
find_step(struct change_job *j, struct txn *t, struct err *err)
{
	enum rc rc;

	if ((rc = dir_org_find(t, j->key, &j->org, err)) != RC_OK)
		return rc;
	if ((rc = dir_connection_find(t, j->org.no, j->name, &j->connection, err)) == RC_NOT_FOUND)
		rc = change_make_connection(j, t, j->org.no, j->name, DIALECT_TOLERANT, err);
	return rc;
}

static void
tell_problem(void *arg, uint64_t line, const char *why)
{
	struct call *c = arg;
	char text[480];

	(void)snprintf(text, sizeof(text), "line %llu: %s", (unsigned long long)line, why);
	call_part(c, json_pack("{s:s, s:I, s:s}", "problem", text, "line", (json_int_t)line,
			     "reason", why));
}

static enum rc
feed_all(struct call *c, struct import *im, struct transfer_counts *counts, struct err *err)
{
	struct slice data;
	bool last = false;
	enum rc rc = RC_OK;

	while (rc == RC_OK && !last)
		if ((rc = call_read(c, &data, &last, err)) == RC_OK)
			rc = import_feed(im, data, err);
	return rc != RC_OK ? rc : import_finish(im, counts, err);
}

enum rc
command_import(struct call *c, struct err *err)
{
	const struct config *config = c->options->config;
	struct change_job j = { .step = find_step };
	struct import_options options = { .store = c->options->store,
		.committer = c->options->committer,
		.schema = c->options->schema,
		.go_on = call_flag(c, "continue"),
		.cost = { (uint32_t)config->password_memory, (uint32_t)config->password_time,
			(uint32_t)config->password_lanes },
		.problem = tell_problem,
		.arg = c };
	struct transfer_counts counts = { 0 };
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct import *im;
	enum rc rc;

	if ((rc = call_text(c, "org", true, &j.key, err)) != RC_OK ||
		(rc = call_text(c, "connection", true, &j.name, err)) != RC_OK ||
		(rc = change_run(c, &j, err)) != RC_OK)
		return rc;
	options.org = j.org.no;
	options.connection = j.connection.no;
	options.dialect = j.connection.dialect;
	options.threads = cores > 1 && cores <= 64 ? (unsigned)cores : cores > 64 ? 64 : 1;
	if ((rc = import_new(&options, &im, err)) != RC_OK)
		return rc;
	rc = feed_all(c, im, &counts, err);
	import_free(im);
	log_event(LOG_INFO, "import", LOG_STR("org", j.org.key), LOG_STR("result", rc_name(rc)),
		LOG_NUM("users", counts.users), LOG_NUM("groups", counts.groups));
	if (rc == RC_OK)
		c->result = counts_json(&counts);
	return rc;
}
