/* A sync over the control door: the state as a stream of lines; then the plan as a part; then, unless only the
 * plan was wanted, one more piece of the stream: "commit", or the end of it without. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/control/change.h"
#include "daemon/directory/org.h"
#include "daemon/directory/sync.h"
#include "daemon/directory/transfer.h"
#include "daemon/pool.h"

#include "base/banned.h"

enum { CHUNK = 1 << 20, UNDER_WAY = 8 << 20, THREADS_MAX = 16, SAMPLES = 5, COMMIT_TRIES = 5 };

/* ---- Lines, parsed by several threads ---- */

struct feed {
	struct sync *sync;
	struct pool *pool;
	struct buf rest; /* bytes of a line that has not ended */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t under_way; /* bytes: under lock, as what follows */
	bool failed;
};

struct chunk {
	struct pool_job job; /* must stay first */
	struct feed *feed;
	struct buf text;
	struct sync_lines *lines;
};

static void
parse(struct pool_job *job)
{
	struct chunk *k = (struct chunk *)job;
	struct feed *f = k->feed;
	struct err ignored; /* the plan tells it */
	bool good = sync_lines_parse(k->lines, &ignored) == RC_OK;

	(void)pthread_mutex_lock(&f->lock);
	f->under_way -= k->text.len;
	f->failed = f->failed || !good;
	(void)pthread_cond_signal(&f->changed);
	(void)pthread_mutex_unlock(&f->lock);
	buf_release(&k->text);
	free(k);
}

/* Waits until at most so much is under way; false when a line was wrong. */
static bool
feed_wait(struct feed *f, size_t most)
{
	bool good;

	(void)pthread_mutex_lock(&f->lock);
	while (f->under_way > most)
		(void)pthread_cond_wait(&f->changed, &f->lock);
	good = !f->failed;
	(void)pthread_mutex_unlock(&f->lock);
	return good;
}

/* Hands over the first n bytes of what is there. */
static bool
feed_submit(struct feed *f, size_t n)
{
	struct chunk *k = calloc(1, sizeof(*k));

	if (k == NULL)
		abort();
	k->feed = f;
	k->job.run = parse;
	buf_put(&k->text, f->rest.p, n);
	buf_drain(&f->rest, n);
	k->lines = sync_lines_new(f->sync, buf_as_slice(&k->text));
	(void)pthread_mutex_lock(&f->lock);
	f->under_way += n;
	(void)pthread_mutex_unlock(&f->lock);
	pool_go_on(f->pool, &k->job);
	return feed_wait(f, UNDER_WAY);
}

static enum rc
feed_take(struct feed *f, struct slice data, bool last, struct err *err)
{
	const char *newline = data.len > 0 ? memrchr(data.p, '\n', data.len) : NULL;
	size_t before = f->rest.len, whole = 0;

	buf_slice(&f->rest, data);
	if (newline != NULL)
		whole = before + (size_t)(newline - data.p) + 1;
	if (last)
		whole = f->rest.len;
	else if (whole < CHUNK)
		whole = 0; /* few threads find something to do in little pieces */
	if (f->rest.len - whole > TRANSFER_LINE_MAX)
		return fail(err, RC_TOO_LARGE, "", "a line is longer than %d bytes", TRANSFER_LINE_MAX);
	if (whole > 0)
		(void)feed_submit(f, whole); /* a wrong line is told by the plan */
	return RC_OK;
}

/* All of the state: it ends with an empty piece. */
static enum rc
feed_all(struct call *c, struct feed *f, struct err *err)
{
	struct slice data;
	bool last = false;
	enum rc rc = RC_OK;

	for (;;) {
		if ((rc = call_read(c, &data, &last, err)) != RC_OK)
			break;
		if ((rc = feed_take(f, data, last || data.len == 0, err)) != RC_OK || last || data.len == 0)
			break;
		if (!feed_wait(f, UNDER_WAY))
			break;
	}
	(void)feed_wait(f, 0);
	return rc;
}

static enum rc
feed_run(struct call *c, struct sync *sync, struct err *err)
{
	struct feed f = { .sync = sync, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	enum rc rc = pool_new(cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (unsigned)cores, &f.pool, err);

	if (rc != RC_OK)
		return rc;
	rc = feed_all(c, &f, err);
	pool_free(f.pool);
	buf_release(&f.rest);
	(void)pthread_cond_destroy(&f.changed);
	(void)pthread_mutex_destroy(&f.lock);
	return rc;
}

/* ---- The plan and the commit ---- */

struct command_state {
	struct write_job job; /* must stay first */
	struct call *call;
	struct sync *sync;
	struct sync_plan plan;
	struct caller caller;
	struct writer writer;
	struct org org;
	struct connection connection;
};

static const char *const action_names[SYNC_ACTIONS] = { [SYNC_CREATE] = "create", [SYNC_CHANGE] = "change",
	[SYNC_REMOVE] = "remove", [SYNC_UNCHANGED] = "unchanged", [SYNC_MEMBER_ADD] = "addMembers",
	[SYNC_MEMBER_REMOVE] = "removeMembers" };

static struct slice
type_name(const struct command_state *k, uint8_t type)
{
	return schema_type(k->call->options->schema, type)->name;
}

static json_t *
counts_json(const struct command_state *k, const struct sync_counts *counts)
{
	json_t *all = json_object();

	for (uint8_t type = TYPE_USER; type <= TYPE_GROUP; type++) {
		json_t *of_type = json_object();

		for (unsigned a = SYNC_CREATE; a < SYNC_ACTIONS; a++)
			if (type == TYPE_GROUP || a <= SYNC_UNCHANGED)
				json_put(of_type, action_names[a], json_integer((json_int_t)counts->n[a][type]));
		(void)json_object_setn_new(all, type_name(k, type).p, type_name(k, type).len, of_type);
	}
	return all;
}

static json_t *
sample_json(const struct command_state *k, const struct sync_sample *s)
{
	json_t *j = json_object();

	json_put(j, "action", json_string(action_names[s->action]));
	json_put(j, "type", json_stringn(type_name(k, s->type).p, type_name(k, s->type).len));
	json_put(j, "name", json_stringn(s->name.p, s->name.len));
	json_put(j, "data", json_stringn(s->data.p, s->data.len));
	return j;
}

static json_t *
plan_json(const struct command_state *k)
{
	json_t *j = json_object(), *samples = json_array();

	for (size_t i = 0; i < k->plan.sample_count; i++)
		(void)json_array_append_new(samples, sample_json(k, &k->plan.samples[i]));
	json_put(j, "revision", json_integer((json_int_t)k->plan.revision));
	json_put(j, "counts", counts_json(k, &k->plan.counts));
	json_put(j, "samples", samples);
	return j;
}

static enum rc
commit_step(struct write_job *job, struct txn *t, struct err *err)
{
	struct command_state *k = (struct command_state *)job;

	return sync_commit(k->sync, t, &k->writer, &job->undo, err);
}

/* Whether others wrote since the plan was made: then another one may go through. */
static bool
has_moved(struct command_state *k)
{
	struct txn *t = reader_new(k->call->options->store);
	bool moved = false;

	if (t != NULL && reader_begin(t, NULL) == RC_OK)
		moved = orgtx_stat(orgtx_open(t, k->org.no))->revision != k->plan.revision;
	reader_free(t);
	return moved;
}

/* again: who asks said yes to whatever the plan says. */
static enum rc
commit(struct command_state *k, bool again, struct err *err)
{
	enum rc rc = RC_OK;

	for (int i = 0; i < COMMIT_TRIES; i++) {
		rc = committer_run(k->call->options->committer, commit_step, &k->job, err);
		if (rc == RC_OK)
			sync_remember(k->sync);
		if (rc != RC_CONFLICT || !again || !has_moved(k))
			return rc;
		if ((rc = sync_plan(k->sync, &k->writer, 0, &k->plan, err)) != RC_OK)
			return rc;
	}
	return rc;
}

static enum rc
ask_and_commit(struct command_state *k, struct err *err)
{
	struct slice word;
	bool last;
	enum rc rc = call_read(k->call, &word, &last, err);

	if (rc != RC_OK)
		return rc;
	if (!slice_eq(word, SLICE("commit")))
		return fail(err, RC_CANCELLED, "", "nothing was changed");
	if ((rc = commit(k, call_flag(k->call, "yes"), err)) != RC_OK)
		return rc;
	k->call->result = json_object();
	json_put(k->call->result, "revision", json_integer((json_int_t)sync_revision(k->sync)));
	json_put(k->call->result, "counts", counts_json(k, sync_done(k->sync)));
	return RC_OK;
}

static enum rc
plan_and_commit(struct command_state *k, struct err *err)
{
	enum rc rc = feed_run(k->call, k->sync, err);

	if (rc == RC_OK)
		rc = sync_plan(k->sync, &k->writer, SAMPLES, &k->plan, err);
	if (rc != RC_OK)
		return rc;
	if (call_flag(k->call, "dryRun")) {
		k->call->result = plan_json(k);
		return RC_OK;
	}
	call_part(k->call, json_pack("{s:o}", "plan", plan_json(k)));
	return ask_and_commit(k, err);
}

/* ---- What is asked for ---- */

static enum rc
find_names(struct call *c, struct command_state *k, struct txn *t, struct err *err)
{
	struct slice key, name;
	enum rc rc;

	if ((rc = call_text(c, "org", true, &key, err)) != RC_OK ||
		(rc = call_text(c, "connection", false, &name, err)) != RC_OK ||
		(rc = dir_org_find(t, key, &k->org, err)) != RC_OK)
		return rc;
	return name.len > 0 ? dir_connection_find(t, k->org.no, name, &k->connection, err) : RC_OK;
}

static enum rc
read_options(struct call *c, struct command_state *k, struct sync_options *out, struct err *err)
{
	const struct config *config = c->options->config;
	struct slice match;
	enum rc rc;

	*out = (struct sync_options){ .store = c->options->store,
		.directory = c->options->directory,
		.data_directory = config->data_directory,
		.org = k->org.no,
		.connection = k->connection.no,
		.dialect = k->connection.dialect,
		.groups = !call_flag(c, "usersOnly"),
		.max_records = config->sync_records,
		.max_bytes = config->sync_bytes };
	if ((rc = call_text(c, "match", false, &match, err)) != RC_OK ||
		(rc = call_text(c, "filter", false, &out->filter, err)) != RC_OK)
		return rc;
	if (match.len > 0 && !sync_match_parse(match, &out->match))
		return fail(err, RC_INVALID_VALUE, "match", "must be externalId, userName or id");
	return RC_OK;
}

static enum rc
prepare(struct call *c, struct command_state *k, struct sync_options *options, struct err *err)
{
	struct txn *t = reader_new(c->options->store);
	enum rc rc;

	if (t == NULL)
		return fail(err, RC_UNAVAILABLE, "", "there are too many readers of the store");
	if ((rc = reader_begin(t, err)) == RC_OK)
		rc = find_names(c, k, t, err);
	reader_free(t);
	if (rc != RC_OK)
		return rc;
	caller_init_control(&k->caller, k->org.no);
	k->job.item.lane = k->org.no;
	k->writer = (struct writer){ .actor = { .door = DOOR_CONTROL, .kind = ACTOR_OPERATOR,
					     .connection = k->connection.no, .now = clock_ticks() / 10000 * 10000 },
		.dialect = k->connection.dialect, .caller = &k->caller };
	return read_options(c, k, options, err);
}

enum rc
command_sync(struct call *c, struct err *err)
{
	struct command_state k = { .call = c };
	struct sync_options options;
	enum rc rc = prepare(c, &k, &options, err);

	if (rc != RC_OK || (rc = sync_new(&options, &k.sync, err)) != RC_OK)
		return rc;
	rc = plan_and_commit(&k, err);
	sync_free(k.sync);
	log_event(LOG_INFO, "sync", LOG_STR("org", k.org.key), LOG_STR("result", rc_name(rc)));
	return rc;
}
