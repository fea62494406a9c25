#include "tests/fuzz/stage.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/clock.h"
#include "daemon/directory/form.h"
#include "daemon/models.h"
#include "daemon/roster/roster.h"
#include "protocol/json.h"
#include "tests/fuzz/in_place.h"

enum { MAP = 64 << 20, STORE_MAX = 8 << 20 };

static struct {
	char directory[64];
	struct arena *arena; /* of schema and models */
	const struct schema_set *schema;
	const struct model_set *models;
	struct config *config;
	struct server *server;
	struct buf image; /* the store's file as it is at first */
	/* Of one store: */
	struct directory directory_of;
	struct store *store;
	struct committer *committer;
	struct auth *auth;
	struct rate *rate; /* without limits */
	struct roster *roster;
	uint64_t commits; /* when it was made */
	char tokens[STAGE_TOKENS][TOKEN_TEXT + 1];
} stage;

static void
must(enum rc rc, const struct err *err, const char *what)
{
	if (rc == RC_OK)
		return;
	(void)fprintf(stderr, "%s: %s %s: %s\n", what, rc_name(rc), err->path, err->detail);
	abort();
}

/* ---- What there is ---- */

/* Ids are numbers: of the n-th thing here. */
static struct uuid
id_of(unsigned n)
{
	struct uuid id = { { 0x01, 0x90, [6] = 0x70, [8] = 0x80 } };

	id.bytes[15] = (uint8_t)n;
	return id;
}

#define ID(n) "\"01900000-0000-7000-8000-0000000000" n "\""

/* In order; `org`: its number. A token's text is kept as the one that it says. */
static const struct {
	uint32_t org;
	uint8_t type;
	unsigned id;
	const char *json;
	int token;
} things[] = {
	{ 0, TYPE_PERSON, 0x01, "{'userName':'ada','displayName':'Ada','emails':[{'value':'ada@people.test','primary':true,'verified':true}]}", -1 },
	{ 0, TYPE_ORGANIZATION, 0x02, "{'key':'acme','displayName':'Acme','kind':'company','model':'standard','creator':{'value':" ID("01") "}}", -1 },
	{ 0, TYPE_ORGANIZATION, 0x03, "{'key':'others','displayName':'" STAGE_SECRET "','kind':'company','model':'standard',"
				      "'creator':{'value':" ID("01") "}}", -1 },
	{ 1, TYPE_CONNECTION, 0x04, "{'name':'idp'}", -1 },
	{ 2, TYPE_CONNECTION, 0x05, "{'name':'" STAGE_SECRET "'}", -1 },
	{ 1, TYPE_USER, 0x10, "{'userName':'bob@example.com','externalId':'b1','displayName':'Bob'}", -1 },
	{ 1, TYPE_USER, 0x11, "{'userName':'eve@example.com','externalId':'e1'}", -1 },
	{ 1, TYPE_USER, 0x12, "{'userName':'off@example.com','active':false}", -1 },
	{ 1, TYPE_USER, 0x13, "{'userName':'kim'}", -1 },
	{ 1, TYPE_GROUP, 0x20, "{'displayName':'Crew','members':[{'value':" ID("10") "},{'value':" ID("11") "}]}", -1 },
	{ 1, TYPE_GROUP, 0x21, "{'displayName':'All','members':[{'value':" ID("20") "},{'value':" ID("12") "}]}", -1 },
	{ 1, TYPE_GROUP, 0x22, "{'displayName':'Top','members':[{'value':" ID("21") "}]}", -1 },
	{ 1, TYPE_WORKSPACE, 0x30, "{'displayName':'Works'}", -1 },
	{ 1, TYPE_PROJECT, 0x31, "{'displayName':'Plan','parent':{'value':" ID("30") "}}", -1 },
	{ 1, TYPE_ASSIGNMENT, 0x40, "{'principal':{'value':" ID("21") "},'role':'workspace/editor','scope':{'value':" ID("30") "}}", -1 },
	{ 1, TYPE_ASSIGNMENT, 0x41, "{'principal':{'value':" ID("13") "},'role':'project/viewer','scope':{'value':" ID("31") "}}", -1 },
	{ 2, TYPE_USER, 0x50, "{'userName':'" STAGE_SECRET "1','displayName':'" STAGE_SECRET "'}", -1 },
	{ 2, TYPE_GROUP, 0x51, "{'displayName':'" STAGE_SECRET "','members':[{'value':" ID("50") "}]}", -1 },
	{ 1, TYPE_TOKEN, 0x60, "{'kind':'connection','owner':{'value':" ID("04") "}}", STAGE_IDP },
	{ 1, TYPE_TOKEN, 0x61, "{'kind':'key','owner':{'value':" ID("10") "}}", STAGE_KEY },
	{ 0, TYPE_TOKEN, 0x62, "{'kind':'personal','owner':{'value':" ID("01") "}}", STAGE_PERSON },
	{ 0, TYPE_TOKEN, 0x63, "{'kind':'service','displayName':'shop','organizations':['acme'],"
			       "'permissions':['org.check','team.view','org.watch','org.usage','member.view']}", STAGE_SERVICE },
	{ 0, TYPE_TOKEN, 0x64, "{'kind':'operator','displayName':'root'}", STAGE_OPERATOR },
	{ 2, TYPE_TOKEN, 0x65, "{'kind':'connection','owner':{'value':" ID("05") "}}", STAGE_OTHER },
};

/* One write, by an operator. */
struct stage_write {
	struct write_job job; /* must stay first */
	struct arena *arena;
	struct caller caller;
	struct writer writer;
	uint32_t org;
	enum rc (*run)(struct stage_write *c, struct orgtx *o, struct err *err);
	unsigned n; /* of things */
};

static enum rc
write_run(struct write_job *job, struct txn *t, struct err *err)
{
	struct stage_write *c = (struct stage_write *)job;

	return c->run(c, orgtx_open(t, c->org), err);
}

static enum rc
write_as_operator(uint32_t org, enum rc (*run)(struct stage_write *, struct orgtx *, struct err *), unsigned n, struct err *err)
{
	struct stage_write c = { .arena = arena_new(), .org = org, .run = run, .n = n };
	enum rc rc;

	caller_init_control(&c.caller, org);
	c.writer = (struct writer){ .actor = { .door = DOOR_CONTROL, .kind = ACTOR_OPERATOR,
					    .now = clock_ticks() / 10000 * 10000 },
		.dialect = DIALECT_TOLERANT, .caller = &c.caller };
	rc = committer_run(stage.committer, write_run, &c.job, err);
	arena_free(c.arena);
	return rc;
}

/* JSON with ' for ". */
static const json_t *
json_of(struct arena *a, const char *text)
{
	struct slice body = arena_dup(a, slice_of(text));
	struct err err = ERR_INIT;
	json_t *json;

	for (size_t i = 0; i < body.len; i++)
		if (body.p[i] == '\'')
			((char *)(uintptr_t)body.p)[i] = '"';
	must(json_read(a, body, &json, &err), &err, text);
	return json;
}

static enum rc
thing_make(struct stage_write *c, struct orgtx *o, struct err *err)
{
	const struct resource_type *type = schema_type(stage.schema, things[c->n].type);
	struct read_options options = { DIALECT_TOLERANT };
	struct uuid id = id_of(things[c->n].id);
	struct resource_in in;
	struct written out;
	struct slice secret;
	struct record r;
	enum rc rc;

	if ((rc = resource_read(c->arena, stage.schema, type, json_of(c->arena, things[c->n].json), &options, &in, err)) !=
			RC_OK ||
		(rc = resource_create(&stage.directory_of, o, &c->writer, c->arena, type, &id, &in, &out, err)) != RC_OK)
		return rc;
	if (things[c->n].token < 0)
		return rc;
	if (!record_parse(stage.schema, out.packed, &r))
		abort();
	secret = record_text(stage.schema, &r, stage.directory_of.at.token_secret);
	memcpy(stage.tokens[things[c->n].token], secret.p, TOKEN_TEXT);
	return RC_OK;
}

static enum rc
thing_delete(struct stage_write *c, struct orgtx *o, struct err *err)
{
	struct uuid id = id_of(things[c->n].id);
	struct precondition pre = { .confirmed = false };

	return resource_delete(&stage.directory_of, o, &c->writer, c->arena, schema_type(stage.schema, things[c->n].type),
		&id, &pre, err);
}

void
stage_change(unsigned which)
{
	struct err err = ERR_INIT;

	which %= sizeof(things) / sizeof(things[0]);
	(void)write_as_operator(things[which].org, thing_delete, which, &err); /* some may not be removed */
}

/* ---- The store ---- */

static void
file_name(const char *name, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/%s", stage.directory, name);
}

static void
store_start(void)
{
	struct store_options options = { stage.directory, MAP, MAP, stage.schema };
	struct auth_options auth = { .workers = 1, .schema = stage.schema, .models = stage.models };
	struct roster_options roster = { .schema = stage.schema, .directory = &stage.directory_of, .config = stage.config,
		.workers = 1 };
	struct rate_limits no_limits = { .token = 0 };
	struct err err = ERR_INIT;

	must(store_open(&options, &stage.store, &err), &err, "store");
	must(committer_new(stage.store, &stage.committer, &err), &err, "committer");
	auth.store = roster.store = stage.store;
	must(auth_new(&auth, &stage.auth, &err), &err, "auth");
	roster.committer = stage.committer;
	roster.auth = stage.auth;
	roster.rate = stage.rate = rate_new(&no_limits);
	must(roster_new(&roster, &stage.roster, &err), &err, "roster");
	stage.commits = committer_commits(stage.committer);
}

static void
store_stop(void)
{
	struct worker *w = &stage.server->workers[0];

	roster_stop(stage.roster);
	while (w->posted.n > 0 || w->running_at < w->running.n) /* the roster's threads may have woken it once more */
		stage_turn();
	auth_flush(stage.auth);
	committer_free(stage.committer);
	auth_free(stage.auth);
	roster_free(stage.roster);
	store_close(stage.store);
	rate_free(stage.rate);
}

static void
image_take(void)
{
	char name[128];
	int fd;
	ssize_t n;

	file_name("data.mdb", name, sizeof(name));
	fd = open(name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf_reserve(&stage.image, STORE_MAX), STORE_MAX);
	if (n <= 0 || n == STORE_MAX)
		abort();
	stage.image.len = (size_t)n;
	(void)close(fd);
}

static void
image_put(void)
{
	char name[128];
	int fd;

	file_name("lock.mdb", name, sizeof(name));
	(void)unlink(name);
	file_name("data.mdb", name, sizeof(name));
	fd = open(name, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0 || write(fd, stage.image.p, stage.image.len) != (ssize_t)stage.image.len)
		abort();
	(void)close(fd);
}

static void
problem(void *arg, const char *text)
{
	(void)arg;
	(void)fprintf(stderr, "verify: %s\n", text);
}

void
stage_reset(void)
{
	struct store_progress progress = { .problem = problem };
	struct verify_result found;
	struct err err = ERR_INIT;

	if (committer_commits(stage.committer) == stage.commits)
		return;
	must(store_verify(stage.store, &progress, &found, &err), &err, "verify");
	if (found.problems != 0)
		abort();
	store_stop();
	image_put();
	store_start();
}

/* ---- Life ---- */

static void
stage_end(void)
{
	struct dirent *e;
	DIR *d;

	store_stop();
	server_free(stage.server);
	config_free(stage.config);
	arena_free(stage.arena);
	buf_release(&stage.image);
	d = opendir(stage.directory);
	while (d != NULL && (e = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		(void)closedir(d);
	(void)rmdir(stage.directory);
}

static void
server_start_one(void)
{
	static const char *const nowhere[] = { NULL };
	struct server_options options = { .listen = nowhere, .workers = 1, .max_connections = 1000, .max_body = 1 << 20,
		.limits = { 8192, 16384 }, .head_timeout = 3600, .body_timeout = 3600, .write_timeout = 3600,
		.idle_timeout = 3600, .sessions = roster_sessions };
	struct err err = ERR_INIT;

	options.sessions.arg = &stage.roster;
	must(server_new(&options, &stage.server, &err), &err, "server");
	/* Time passes when the target says so. */
	(void)event_del(&stage.server->workers[0].tick);
	worker_clock(&stage.server->workers[0]);
}

static void
stage_begin(void)
{
	const char *tmp = getenv("TMPDIR");
	struct guard_options guard = { .share_percent = 0 };
	struct err err = ERR_INIT;

	/* Commits are many: a file system in memory, when there is one. */
	if (tmp == NULL)
		tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	(void)snprintf(stage.directory, sizeof(stage.directory), "%s/rosterd-fuzz-XXXXXX", tmp);
	if (mkdtemp(stage.directory) == NULL)
		abort();
	log_set_level(LOG_ERROR);
	stage.arena = arena_new();
	must(schema_load(stage.arena, &stage.schema, &err), &err, "schema");
	must(config_default(stage.directory, &stage.config, &err), &err, "config");
	must(models_open(stage.arena, stage.config->models, &stage.models, &err), &err, "models");
	directory_init(&stage.directory_of, stage.schema, stage.models, &guard, 1000);
	server_start_one();
	store_start();
	for (unsigned i = 0; i < sizeof(things) / sizeof(things[0]); i++)
		must(write_as_operator(things[i].org, thing_make, i, &err), &err, things[i].json);
	store_stop();
	image_take();
	image_put();
	store_start();
	(void)atexit(stage_end);
}

struct worker *
stage_worker(void)
{
	if (stage.server == NULL)
		stage_begin();
	return &stage.server->workers[0];
}

const char *
stage_token(enum stage_token token)
{
	return stage.tokens[token];
}

void
stage_turn(void)
{
	(void)event_base_loop(stage_worker()->base, EVLOOP_NONBLOCK);
}

unsigned
stage_pool(unsigned max)
{
	return pool_work(max);
}

unsigned
stage_commit(unsigned max)
{
	return committer_work(stage.committer, max);
}
