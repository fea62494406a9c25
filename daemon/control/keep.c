/* Backup, restore and verify: the store's work, told to the client step by step. */
#include "base/log.h"
#include "daemon/control/call.h"

#include "base/banned.h"

static void
json_put(json_t *object, const char *name, uint64_t value)
{
	(void)json_object_set_new(object, name, json_integer((json_int_t)value));
}

static void
tell_progress(void *arg, uint64_t done, uint64_t total)
{
	call_progress(arg, done, total);
}

static void
tell_problem(void *arg, const char *text)
{
	call_part(arg, json_pack("{s:s}", "problem", text));
}

/* The file's name as a C string: absolute, as the daemon stands elsewhere than its client. */
static enum rc
file_arg(struct call *c, const char **out, struct err *err)
{
	struct slice file;
	enum rc rc = call_text(c, "file", true, &file, err);

	if (rc != RC_OK)
		return rc;
	if (file.len == 0 || file.p[0] != '/' || memchr(file.p, '\0', file.len) != NULL)
		return fail(err, RC_INVALID_VALUE, "file",
			"the file must be given by its absolute name");
	*out = arena_dup(c->arena, file).p;
	return RC_OK;
}

enum rc
command_backup(struct call *c, struct err *err)
{
	struct store_progress progress = { .step = tell_progress, .arg = c };
	const char *file;
	enum rc rc;

	if ((rc = file_arg(c, &file, err)) != RC_OK ||
		(rc = store_backup(c->options->store, file, &progress, err)) != RC_OK)
		return rc;
	log_event(LOG_INFO, "backup", LOG_STR("file", file));
	c->result = json_pack("{s:s}", "file", file);
	return RC_OK;
}

enum rc
command_restore(struct call *c, struct err *err)
{
	struct store_progress progress = { .step = tell_progress, .arg = c };
	const char *file;
	enum rc rc;

	if (c->options->store != NULL)
		return fail(err, RC_CONFLICT, "",
			"a daemon runs on this data directory: stop it first");
	if ((rc = file_arg(c, &file, err)) != RC_OK ||
		(rc = store_restore(file, c->options->config->data_directory, &progress, err)) !=
			RC_OK)
		return rc;
	c->result = json_pack(
		"{s:s, s:s}", "file", file, "dataDirectory", c->options->config->data_directory);
	return RC_OK;
}

enum rc
command_verify(struct call *c, struct err *err)
{
	struct store_progress progress = { tell_progress, tell_problem, c };
	struct verify_result found = { 0 };
	enum rc rc = store_verify(c->options->store, &progress, &found, err);

	if (rc != RC_OK)
		return rc;
	c->result = json_object();
	json_put(c->result, "orgs", found.orgs);
	json_put(c->result, "records", found.records);
	json_put(c->result, "edges", found.edges);
	json_put(c->result, "indexEntries", found.index_entries);
	json_put(c->result, "journalEntries", found.journal_entries);
	if (found.journal_trimmed > 0)
		json_put(c->result, "journalTrimmed", found.journal_trimmed);
	json_put(c->result, "problems", found.problems);
	return RC_OK;
}
