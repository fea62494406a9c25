/* The commands that look after the daemon as a whole. */
#include <unistd.h>

#include <config.h>

#include "daemon/control/call.h"

#include "base/banned.h"

static void
json_put(json_t *object, const char *name, uint64_t value)
{
	(void)json_object_set_new(object, name, json_integer((json_int_t)value));
}

static enum rc
count_orgs(const struct control_options *o, uint64_t *out, struct err *err)
{
	struct txn *t = reader_new(o->store);
	struct org org = { .no = 0 };
	enum rc rc;

	*out = 0;
	if (t == NULL)
		return fail(err, RC_UNAVAILABLE, "", "there are too many readers of the store");
	if ((rc = reader_begin(t, err)) == RC_OK) {
		while (org_next(t, org.no, &org))
			*out += 1;
		reader_end(t);
	}
	reader_free(t);
	return rc;
}

enum rc
command_status(struct call *c, struct err *err)
{
	const struct control_options *o = c->options;
	struct store_usage usage;
	struct committer_stats writes;
	struct server_stats traffic;
	json_t *part, *listeners;
	uint64_t orgs;
	enum rc rc = count_orgs(o, &orgs, err);

	if (rc != RC_OK)
		return rc;
	store_usage(o->store, &usage);
	committer_stats(o->committer, &writes);
	c->result = json_pack("{s:s, s:b, s:i, s:s}", "version", PACKAGE_VERSION, "running",
		o->server != NULL, "pid", (int)getpid(), "dataDirectory",
		o->config->data_directory);
	json_put(c->result, "orgs", orgs);
	part = json_object();
	json_put(part, "mapBytes", usage.map_bytes);
	json_put(part, "usedBytes", usage.used_bytes);
	json_put(part, "lastTransaction", usage.last_txn);
	json_put(part, "readers", usage.readers);
	(void)json_object_set_new(c->result, "store", part);
	if (o->server == NULL)
		return RC_OK;
	server_stats(o->server, &traffic);
	listeners = json_array();
	for (size_t i = 0; o->config->listen[i] != NULL; i++)
		(void)json_array_append_new(listeners, json_string(o->config->listen[i]));
	(void)json_object_set_new(c->result, "listen", listeners);
	part = json_object();
	json_put(part, "connections", traffic.connections);
	json_put(part, "accepted", traffic.accepted);
	json_put(part, "requests", traffic.requests);
	json_put(part, "refused", traffic.refused);
	(void)json_object_set_new(c->result, "traffic", part);
	part = json_object();
	json_put(part, "commits", writes.commits);
	json_put(part, "jobs", writes.jobs);
	json_put(part, "waiting", writes.waiting);
	(void)json_object_set_new(c->result, "writes", part);
	return RC_OK;
}

enum rc
command_reload(struct call *c, struct err *err)
{
	if (c->options->reload == NULL)
		return fail(
			err, RC_CONFLICT, "", "no daemon runs here: there is nothing to reload");
	c->options->reload(c->options->arg);
	return RC_OK;
}
