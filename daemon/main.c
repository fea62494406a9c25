/* rosterd: options, start, signals, stop.
 *
 * Start-up order: configuration, listeners and keys, privileges, store, threads. The listeners come
 * first because they may need root; the store comes after privileges are dropped, so that its files
 * belong to the user that will write them. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <config.h>

#include "base/log.h"
#include "daemon/api_print.h"
#include "daemon/clock.h"
#include "daemon/config.h"
#include "daemon/control.h"
#include "daemon/directory/certificate.h"
#include "daemon/directory/operation.h"
#include "daemon/mail/letter.h"
#include "daemon/mail/mailer.h"
#include "daemon/models.h"
#include "daemon/rate.h"
#include "daemon/roster/roster.h"
#include "daemon/scim/scim.h"
#include "daemon/server.h"

#include "base/banned.h"

enum { EXIT_USAGE = 2, MAIL_STOP_S = 5 };

struct daemon {
	struct config *config;
	struct arena *arena; /* of schema and models */
	const struct schema_set *schema;
	const struct model_set *models;
	struct directory directory;
	struct seal *seal;
	struct server *server;
	struct store *store;
	struct committer *committer;
	struct auth *auth;
	struct rate *rate;
	struct scim *scim;
	struct roster *roster;
	struct mailer *mailer;
	struct control *control;
	int lock;
	bool verbose;
};

static const char usage[] =
	"Usage: rosterd [--config FILE] [OPTION]\n"
	"Serves SCIM 2.0 for many organisations from one embedded store.\n"
	"\n"
	"  -c, --config FILE   the configuration (default " SYSCONFDIR "/rosterd.conf)\n"
	"  -d, --data DIR      no file: every setting at its default, this data directory\n"
	"      --check-config  read the configuration, say what is wrong, and end\n"
	"      --print-api     print the tables of docs/API.md, and end\n"
	"      --print-config  print a configuration with every setting explained, and end\n"
	"      --print-manual  print the settings as a part of rosterd.conf(5), and end\n"
	"      --print-operations  print each operation and the permission that it needs, and end\n"
	"      --print-socket  print the name of the control socket, and end\n"
	"      --control-stdio serve rosterctl on standard input (a socket), without listeners\n"
	"  -v, --verbose       log at level debug\n"
	"  -h, --help          print this, and end\n"
	"  -V, --version       print the version, and end\n"
	"\n"
	"Signals: HUP reloads the configuration and certificate, TERM and INT stop cleanly, a "
	"second one at once.\n"
	"See rosterd(8), rosterd.conf(5), rosterctl(1).\n";

/* ---- Start ---- */

/* Tokens, password texts and the TLS key are in memory: no core file, no debugger of the same user.
 */
static void
hide_memory(void)
{
	struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static struct rate_limits
rate_limits(const struct config *c)
{
	return (struct rate_limits){ c->rate_token, c->rate_token_burst, c->rate_org,
		c->rate_org_burst, c->rate_address, c->rate_address_burst };
}

static void
apply_log_level(const struct daemon *d)
{
	log_set_level(d->verbose ? LOG_DEBUG : (enum log_level)d->config->log_level);
}

/* The listeners are bound before there is a store; no request comes before server_start(). */
static void
handle(struct exchange *x, void *arg)
{
	const struct daemon *d = arg;

	scim_handle(x, d->scim);
}

static void
admit(struct exchange *x, void *arg)
{
	const struct daemon *d = arg;

	scim_admit(x, d->scim);
}

static enum rc
scim_start(struct daemon *d, struct err *err)
{
	struct scim_options options = {
		.schema = d->schema,
		.directory = &d->directory,
		.config = d->config,
		.store = d->store,
		.committer = d->committer,
		.auth = d->auth,
		.rate = d->rate,
		.workers = (unsigned)d->config->workers,
		.default_url = config_default_url(d->config),
	};

	return scim_new(&options, &d->scim, err);
}

static enum rc
roster_start(struct daemon *d, struct err *err)
{
	struct roster_options options = {
		.schema = d->schema,
		.directory = &d->directory,
		.config = d->config,
		.store = d->store,
		.committer = d->committer,
		.auth = d->auth,
		.rate = d->rate,
		.workers = (unsigned)d->config->workers,
	};

	return roster_new(&options, &d->roster, err);
}

static enum rc
listeners_open(struct daemon *d, struct err *err)
{
	const struct config *c = d->config;
	struct server_options options = {
		.listen = (const char *const *)c->listen,
		.certificate = c->tls_certificate,
		.private_key = c->tls_private_key,
		.workers = (unsigned)c->workers,
		.max_connections = c->max_connections,
		.max_body = c->max_body,
		.limits = { c->max_target, c->max_head },
		.head_timeout = (unsigned)c->head_timeout,
		.body_timeout = (unsigned)c->body_timeout,
		.write_timeout = (unsigned)c->write_timeout,
		.idle_timeout = (unsigned)c->idle_timeout,
		.gzip = c->gzip,
		.access_log = c->access_log,
		.handler = handle,
		.admit = admit,
		.arg = d,
		.sessions = roster_sessions,
	};

	options.sessions.arg = &d->roster; /* made when there is a store */
	return server_new(&options, &d->server, err);
}

static enum rc
directory_make(const char *path, uid_t uid, gid_t gid, struct err *err)
{
	if (mkdir(path, 0700) == 0) {
		if (geteuid() == 0 && chown(path, uid, gid) != 0)
			return fail(err, RC_INTERNAL, "", "%s: %s", path, strerror(errno));
		return RC_OK;
	}
	if (errno != EEXIST)
		return fail(err, RC_INTERNAL, "", "data directory %s: %s", path, strerror(errno));
	return RC_OK;
}

static enum rc
become(uid_t uid, gid_t gid, const char *name, struct err *err)
{
	if ((name != NULL ? initgroups(name, gid) : setgroups(0, NULL)) != 0 || setgid(gid) != 0 ||
		setuid(uid) != 0)
		return fail(err, RC_INTERNAL, "", "can't become user %ld, group %ld: %s", (long)uid,
			(long)gid, strerror(errno));
	return RC_OK;
}

/* Whom to become: the configured user; for offline commands by root otherwise the data directory's
 * owner, so that no file of root's is left where the daemon can't write it. */
static enum rc
privileges_drop(const struct daemon *d, bool offline, struct err *err)
{
	const struct config *c = d->config;
	const struct passwd *user = NULL;
	const struct group *group = NULL;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	struct stat st;
	enum rc rc;

	if (c->user != NULL && (user = getpwnam(c->user)) == NULL)
		return fail(err, RC_INVALID_VALUE, "", "user: there is no user \"%s\"", c->user);
	if (c->group != NULL && (group = getgrnam(c->group)) == NULL)
		return fail(err, RC_INVALID_VALUE, "", "group: there is no group \"%s\"", c->group);
	if (user != NULL) {
		uid = user->pw_uid;
		gid = user->pw_gid;
	} else if (offline && stat(c->data_directory, &st) == 0) {
		uid = st.st_uid;
		gid = st.st_gid;
	}
	if (group != NULL)
		gid = group->gr_gid;
	if ((rc = directory_make(c->data_directory, uid, gid, err)) != RC_OK)
		return rc;
	if (geteuid() != 0) {
		if (uid != geteuid() && user != NULL)
			return fail(err, RC_FORBIDDEN, "", "user: only root can become \"%s\"",
				c->user);
		return RC_OK;
	}
	return uid == 0 ? RC_OK : become(uid, gid, user != NULL ? user->pw_name : NULL, err);
}

/* One daemon, or one offline command, a data directory. The lock ends with the process, however
 * that ends. A start waits some seconds: an offline command, or a daemon about to end, may hold the
 * lock for a moment. */
static enum rc
lock_take(struct daemon *d, unsigned wait_s, struct err *err)
{
	char name[4096], pid[32] = "";
	unsigned tries = wait_s * 20; /* of 50 ms */
	ssize_t n;

	(void)snprintf(name, sizeof(name), "%s/rosterd.lock", d->config->data_directory);
	if ((d->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
		return fail(err, RC_INTERNAL, "", "%s: %s", name, strerror(errno));
	while (flock(d->lock, LOCK_EX | LOCK_NB) != 0) {
		if (tries-- > 0) {
			(void)usleep(50000);
			continue;
		}
		n = pread(d->lock, pid, sizeof(pid) - 1, 0);
		pid[n > 0 ? (size_t)n - 1 : 0] = '\0';
		(void)close(d->lock);
		d->lock = -1;
		return fail(err, RC_CONFLICT, "",
			"the data directory %s is in use by another rosterd (pid %s)",
			d->config->data_directory, pid);
	}
	n = (ssize_t)snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(d->lock, 0) != 0 || pwrite(d->lock, pid, (size_t)n, 0) != n)
		return fail(err, RC_NO_SPACE, "", "%s: %s", name, strerror(errno));
	return RC_OK;
}

static enum rc
store_start(struct daemon *d, struct err *err)
{
	struct store_options options = {
		.directory = d->config->data_directory,
		.map_size = d->config->map_size,
		.map_limit = d->config->map_limit,
		.schema = d->schema,
	};
	enum rc rc;

	if ((rc = store_open(&options, &d->store, err)) != RC_OK ||
		(rc = committer_new(d->store, &d->committer, err)) != RC_OK)
		return rc;
	return auth_new(&(struct auth_options){ .workers = (unsigned)d->config->workers,
				.store = d->store,
				.schema = d->schema,
				.committer = d->committer,
				.models = d->models },
		&d->auth, err);
}

static void
directory_start(struct daemon *d)
{
	const int64_t second = 10000000; /* ticks */
	const struct config *c = d->config;
	struct guard_options guard = { .share_percent = c->guard ? (unsigned)c->guard_share : 0,
		.min_users = c->guard_users,
		.min_memberships = c->guard_members,
		.window = c->guard_window };

	directory_init(&d->directory, d->schema, d->models, &guard, c->scan_limit);
	d->directory.orgs = (struct org_settings){ .reserved = c->reserved_names,
		.personal_model = c->personal_model,
		.per_person = c->orgs_per_person,
		.rename_grace = (int64_t)c->rename_grace * second,
		.delete_grace = (int64_t)c->delete_grace * second,
		.token_lifetime = &c->token_lifetime,
		.token_lifetime_max = &c->token_lifetime_max };
}

static enum rc
personal_model_check(const struct daemon *d, struct err *err)
{
	const char *name = d->config->personal_model;
	const struct model *m;

	if (name == NULL || name[0] == '\0')
		return RC_OK;
	m = model_by_name(d->models, slice_of(name));
	if (m == NULL)
		return fail(err, RC_INVALID_VALUE, "", "org.personal_model: there is no role model \"%s\"",
			name);
	if (!m->kinds[ORG_PERSONAL].allowed || !m->kinds[ORG_PERSONAL].at_signup)
		return fail(err, RC_INVALID_VALUE, "",
			"org.personal_model: the role model \"%s\" makes no personal org at signing up",
			name);
	return RC_OK;
}

static enum rc
schema_start(struct daemon *d, struct err *err)
{
	enum rc rc;

	d->arena = arena_new();
	rc = schema_load(d->arena, &d->schema, err);
	if (rc != RC_OK ||
		(rc = models_open(d->arena, d->config->models, &d->models, err)) != RC_OK)
		return rc;
	directory_start(d);
	return personal_model_check(d, err);
}

/* What keys of secrets there are; whatever a former one sealed is sealed anew, so that its file can go. */
static enum rc
seal_start(struct daemon *d, struct err *err)
{
	const struct config *c = d->config;
	enum rc rc = seal_new(c->data_directory, c->seal_key_file, c->seal_old_key_files, &d->seal, err);

	d->directory.seal = d->seal;
	if (c->public_url != NULL)
		d->directory.public_url = slice_of(c->public_url);
	return rc;
}

struct reseal_job {
	struct write_job job; /* must stay first */
	const struct directory *directory;
	size_t count;
};

static enum rc
reseal_run(struct write_job *job, struct txn *t, struct err *err)
{
	struct reseal_job *r = (struct reseal_job *)job;
	struct actor by = { .door = DOOR_CONTROL, .kind = ACTOR_SYSTEM, .now = clock_ticks() };
	struct arena *a = arena_new();
	enum rc rc = certificates_reseal(r->directory, t, &by, a, &r->count, err);

	if (rc == RC_OK)
		rc = letters_reseal(r->directory->seal, t, &r->count, err);
	arena_free(a);
	return rc;
}

static enum rc
reseal(struct daemon *d, struct err *err)
{
	struct reseal_job job = { .directory = &d->directory };
	enum rc rc;

	if (d->config->seal_old_key_files[0] == NULL)
		return RC_OK;
	if ((rc = committer_run(d->committer, reseal_run, &job.job, err)) == RC_OK)
		log_event(LOG_INFO, "sealed-anew", LOG_NUM("secrets", job.count));
	return rc;
}

/* ---- Reload ---- */

static void
reload(struct daemon *d)
{
	struct err err = ERR_INIT;
	struct buf left = BUF_INIT;
	struct config *fresh = NULL;
	struct rate_limits limits;

	if (d->config->file == NULL || config_load(d->config->file, &fresh, &err) != RC_OK) {
		log_event(LOG_ERROR, "reload-failed",
			LOG_STR("reason", fresh == NULL && d->config->file == NULL
						  ? "there is no configuration file"
						  : err.detail));
		return;
	}
	if (config_reload(d->config, fresh, &left) > 0)
		log_event(LOG_WARN, "reload-needs-restart",
			LOG_SLICE("settings", buf_as_slice(&left)));
	buf_release(&left);
	config_free(fresh);
	apply_log_level(d);
	limits = rate_limits(d->config);
	rate_set(d->rate, &limits);
	if (server_reload_tls(d->server, &err) != RC_OK)
		log_event(LOG_ERROR, "certificate-kept", LOG_STR("reason", err.detail));
	log_event(LOG_INFO, "reloaded", LOG_STR("file", d->config->file));
}

/* From the control door: the main thread does it, as for the signal. */
static void
reload_ask(void *arg)
{
	(void)arg;
	(void)kill(getpid(), SIGHUP);
}

/* ---- The ways to run ---- */

static void
log_listeners(const struct daemon *d)
{
	for (size_t i = 0; d->config->listen[i] != NULL; i++)
		log_event(LOG_INFO, "listening", LOG_STR("url", d->config->listen[i]),
			LOG_NUM("port", server_port(d->server, i)));
}

static void
stop(struct daemon *d)
{
	if (d->server != NULL)
		server_stop(d->server, (unsigned)d->config->stop_timeout);
	control_free(d->control);
	mailer_free(d->mailer, MAIL_STOP_S);
	scim_stop(d->scim);
	if (d->auth != NULL)
		auth_flush(d->auth);
	if (d->committer != NULL)
		committer_free(d->committer); /* the writes under way ask once more who may */
	auth_free(d->auth);
	roster_stop(d->roster); /* what was committed may be kept by its threads */
	scim_free(d->scim);
	server_free(d->server); /* writes under way post their answers to its workers */
	roster_free(d->roster);
	if (d->store != NULL)
		store_close(d->store);
	rate_free(d->rate);
	seal_free(d->seal);
}

static enum rc
start(struct daemon *d, struct err *err)
{
	struct rate_limits limits = rate_limits(d->config);
	struct control_options control = { .config = d->config };
	enum rc rc;

	if ((rc = schema_start(d, err)) != RC_OK || (rc = listeners_open(d, err)) != RC_OK ||
		(rc = privileges_drop(d, false, err)) != RC_OK ||
		(rc = lock_take(d, 5, err)) != RC_OK || (rc = seal_start(d, err)) != RC_OK ||
		(rc = store_start(d, err)) != RC_OK || (rc = reseal(d, err)) != RC_OK)
		return rc;
	hide_memory(); /* after setuid(), which makes the process dumpable again */
	d->rate = rate_new(&limits);
	if ((rc = scim_start(d, err)) != RC_OK || (rc = roster_start(d, err)) != RC_OK ||
		(rc = mailer_new(d->config, d->store, d->committer, d->seal, &d->mailer, err)) != RC_OK)
		return rc;
	control = (struct control_options){ .config = d->config,
		.schema = d->schema,
		.directory = &d->directory,
		.store = d->store,
		.committer = d->committer,
		.auth = d->auth,
		.mailer = d->mailer,
		.server = d->server,
		.reload = reload_ask,
		.arg = d };
	if ((rc = server_start(d->server, err)) != RC_OK ||
		(rc = control_new(&control, &d->control, err)) != RC_OK)
		return rc;
	log_listeners(d);
	return RC_OK;
}

static void
signals_block(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGHUP);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGTERM);
	(void)pthread_sigmask(SIG_BLOCK, set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

/* The second signal finds the default action. */
static void
signals_unblock(const sigset_t *set)
{
	(void)pthread_sigmask(SIG_UNBLOCK, set, NULL);
	(void)signal(SIGHUP, SIG_IGN);
}

static int
run(struct daemon *d)
{
	struct err err = ERR_INIT;
	sigset_t signals;
	int got = 0;
	enum rc rc;

	signals_block(&signals);
	if ((rc = start(d, &err)) != RC_OK) {
		log_event(LOG_ERROR, "start-failed", LOG_STR("reason", err.detail));
		stop(d);
		return EXIT_FAILURE;
	}
	log_event(LOG_INFO, "ready", LOG_STR("version", PACKAGE_VERSION), LOG_NUM("pid", getpid()),
		LOG_NUM("workers", d->config->workers));
	while (sigwait(&signals, &got) != 0 || got == SIGHUP)
		if (got == SIGHUP)
			reload(d);
	log_event(LOG_INFO, "stopping", LOG_STR("signal", got == SIGINT ? "INT" : "TERM"));
	signals_unblock(&signals);
	stop(d);
	log_event(LOG_INFO, "stopped", LOG_NUM("pid", getpid()));
	return EXIT_SUCCESS;
}

static bool
store_exists(const struct config *c)
{
	char name[4096];

	(void)snprintf(name, sizeof(name), "%s/data.mdb", c->data_directory);
	return access(name, F_OK) == 0;
}

static enum rc
control_open(struct control_options *o, enum control_need need, void *arg, struct err *err)
{
	struct daemon *d = arg;
	enum rc rc;

	if (need == NEEDS_STORE && !store_exists(d->config))
		return fail(err, RC_NOT_FOUND, "", "there is no store in %s",
			d->config->data_directory);
	if (d->lock < 0) {
		if ((rc = privileges_drop(d, true, err)) != RC_OK ||
			(rc = lock_take(d, 1, err)) != RC_OK)
			return rc;
		hide_memory();
	}
	if (need == NEEDS_DIRECTORY)
		return RC_OK;
	if ((rc = store_start(d, err)) != RC_OK)
		return rc;
	o->store = d->store;
	o->committer = d->committer;
	o->auth = d->auth;
	return RC_OK;
}

static int
run_offline(struct daemon *d)
{
	struct control_options control = { .config = d->config, .open = control_open, .arg = d };
	struct err err = ERR_INIT;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGINT,
		SIG_IGN); /* of the terminal: rosterctl ends, then its end of the socket closes */
	if (!d->verbose)
		log_set_level(LOG_ERROR);
	if (schema_start(d, &err) != RC_OK) {
		(void)fprintf(stderr, "rosterd: %s\n", err.detail);
		return EXIT_FAILURE;
	}
	control.schema = d->schema;
	control.directory = &d->directory;
	control_serve(&control, STDIN_FILENO);
	stop(d);
	return EXIT_SUCCESS;
}

/* ---- Options ---- */

enum {
	OPT_CHECK = 256,
	OPT_PRINT_API,
	OPT_PRINT_CONFIG,
	OPT_PRINT_MANUAL,
	OPT_PRINT_OPERATIONS,
	OPT_PRINT_SOCKET,
	OPT_CONTROL,
};

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "data", required_argument, NULL, 'd' },
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "print-api", no_argument, NULL, OPT_PRINT_API },
	{ "print-config", no_argument, NULL, OPT_PRINT_CONFIG },
	{ "print-manual", no_argument, NULL, OPT_PRINT_MANUAL },
	{ "print-operations", no_argument, NULL, OPT_PRINT_OPERATIONS },
	{ "print-socket", no_argument, NULL, OPT_PRINT_SOCKET },
	{ "control-stdio", no_argument, NULL, OPT_CONTROL },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int
print(void (*made)(struct buf *))
{
	struct buf b = BUF_INIT;
	bool ok;

	made(&b);
	ok = fwrite(b.p, 1, b.len, stdout) == b.len && fflush(stdout) == 0;
	buf_release(&b);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* What is made from the schemas. */
static int
print_of_schema(void (*made)(const struct schema_set *set, struct buf *out))
{
	const struct schema_set *schema;
	struct arena *arena = arena_new();
	struct buf b = BUF_INIT;
	struct err err = ERR_INIT;
	enum rc rc = schema_load(arena, &schema, &err);
	bool ok = rc == RC_OK;

	if (ok) {
		made(schema, &b);
		ok = fwrite(b.p, 1, b.len, stdout) == b.len && fflush(stdout) == 0;
	} else {
		(void)fprintf(stderr, "rosterd: %s\n", err.detail);
	}
	buf_release(&b);
	arena_free(arena);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
run_mode(struct daemon *d, int mode)
{
	switch (mode) {
	case OPT_CHECK:
		(void)printf("%s: ok\n", d->config->file != NULL ? d->config->file : "defaults");
		return EXIT_SUCCESS;
	case OPT_PRINT_SOCKET:
		(void)printf("%s\n", d->config->control_socket);
		return EXIT_SUCCESS;
	case OPT_CONTROL:
		return run_offline(d);
	default:
		apply_log_level(d);
		return run(d);
	}
}

int
main(int argc, char **argv)
{
	const char *file = SYSCONFDIR "/rosterd.conf", *data = NULL;
	struct daemon d = { .lock = -1 };
	struct err err = ERR_INIT;
	int mode = 0, opt, status;
	enum rc rc;

	while ((opt = getopt_long(argc, argv, "c:d:vhV", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			file = optarg;
			break;
		case 'd':
			data = optarg;
			break;
		case 'v':
			d.verbose = true;
			break;
		case 'h':
			(void)fputs(usage, stdout);
			return EXIT_SUCCESS;
		case 'V':
			(void)puts("rosterd " PACKAGE_VERSION);
			return EXIT_SUCCESS;
		case OPT_PRINT_API:
			return print_of_schema(api_print);
		case OPT_PRINT_CONFIG:
			return print(config_print_example);
		case OPT_PRINT_MANUAL:
			return print(config_print_manual);
		case OPT_PRINT_OPERATIONS:
			return print_of_schema(operations_print);
		case '?':
			(void)fputs("Try rosterd --help.\n", stderr);
			return EXIT_USAGE;
		default:
			mode = opt;
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "rosterd: unexpected argument \"%s\". Try rosterd --help.\n",
			argv[optind]);
		return EXIT_USAGE;
	}
	rc = data != NULL ? config_default(data, &d.config, &err)
			  : config_load(file, &d.config, &err);
	if (rc != RC_OK) {
		(void)fprintf(stderr, "rosterd: %s\n", err.detail);
		return EXIT_FAILURE;
	}
	status = run_mode(&d, mode);
	if (d.arena != NULL)
		arena_free(d.arena);
	config_free(d.config);
	return status;
}
