/* rosterctl: the operator's command line. It decodes options into one request and shows the answer;
 * what the commands do is the daemon's (daemon/control/). */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <config.h>

#include "tools/rosterctl/ask.h"
#include "tools/rosterctl/client.h"
#include "tools/rosterctl/model.h"
#include "tools/rosterctl/print.h"
#include "tools/rosterctl/sync.h"

#include "base/banned.h"

enum { ARGS_MAX = 3, OPTIONS_MAX = 10 };

struct option_spec {
	const char *flag, *member, *value, *help; /* value NULL: a switch */
};

struct command {
	const char *words, *usage, *help;
	const char *args[ARGS_MAX]; /* members of the request that positional arguments become */
	unsigned args_min;
	struct option_spec options[OPTIONS_MAX];
	const struct column *columns; /* a list */
	enum { PLAIN, CONFIRM, FILE_NAME, INPUT, OUTPUT, PROBLEMS, SYNC } kind;
	const char *progress;                            /* what is under way */
	bool (*local)(const json_t *request, bool json); /* needs neither daemon nor store */
	enum exit_code (*ask)(const json_t *request, bool json); /* over the binary protocol */
};

static const struct column org_columns[] = { { "key", "KEY" }, { "name", "NAME" },
	{ "kind", "KIND" }, { "model", "MODEL" }, { "state", "STATE" }, { "users", "USERS" }, { "activeUsers", "ACTIVE" },
	{ "groups", "GROUPS" }, { "memberships", "MEMBERSHIPS" }, { "created", "CREATED" },
	{ NULL, NULL } };
static const struct column connection_columns[] = { { "number", "NO" }, { "name", "NAME" },
	{ "dialect", "DIALECT" }, { "stopped", "STOPPED" }, { "created", "CREATED" },
	{ "baseUrl", "BASE URL" }, { NULL, NULL } };
static const struct column person_columns[] = { { "userName", "USERNAME" }, { "name", "NAME" },
	{ "active", "ACTIVE" }, { "id", "ID" }, { "created", "CREATED" }, { NULL, NULL } };
static const struct column token_columns[] = { { "number", "NO" }, { "kind", "KIND" },
	{ "connection", "CONNECTION" },
	{ "label", "LABEL" }, { "created", "CREATED" }, { "expires", "EXPIRES" },
	{ "expired", "EXPIRED" }, { "lastUsed", "LAST USED" }, { NULL, NULL } };

static const struct column outbox_columns[] = { { "number", "NO" }, { "org", "ORG" },
	{ "kind", "KIND" }, { "to", "TO" }, { "state", "STATE" }, { "attempts", "ATTEMPTS" },
	{ "created", "CREATED" }, { "next", "NEXT ATTEMPT" }, { "error", "LAST ERROR" },
	{ NULL, NULL } };
static const struct column audit_columns[] = { { "time", "TIME" }, { "actor.type", "BY" },
	{ "actor.display", "ACTOR" }, { "action", "ACTION" }, { "target.type", "TYPE" },
	{ "target.display", "TARGET" }, { "peer", "FROM" }, { "id", "ID" }, { NULL, NULL } };

#define EXPIRES                                                                                    \
	{                                                                                          \
		"--expires", "expires", "WHEN", "90d, 12h, a date, a time, or never"               \
	}
#define LABEL                                                                                      \
	{                                                                                          \
		"--label", "label", "TEXT", "what the token is for"                                \
	}
#define PERMISSIONS                                                                                \
	{                                                                                          \
		"--permissions", "permissions", "P,P", "what the token is limited to"             \
	}
#define DIALECT                                                                                    \
	{                                                                                          \
		"--dialect", "dialect", "DIALECT", "tolerant (default), strict or interop"         \
	}

#define AUDIT_ORG                                                                                  \
	{                                                                                          \
		"--org", "org", "KEY", "whose audit log; without it the platform's own"           \
	}
#define AUDIT_FILTERS                                                                              \
	{ "--since", "since", "WHEN", "a date or a time" },                                        \
		{ "--until", "until", "WHEN", "a date or a time, before which" },                  \
		{ "--actor", "actor", "ID", "who made the change" },                               \
		{ "--target", "target", "ID", "what was changed" },                                \
		{ "--action", "action", "NAME", "such as User.create" },                           \
	{                                                                                          \
		"--filter", "filter", "FILTER", "a SCIM filter on AuditEvents"                     \
	}

/* Where the server is, and who asks. */
#define WAY                                                                                        \
	{ "--server", "server", "URL", "roster://HOST:PORT; else ROSTER_SERVER of the environment" },     \
		{ "--ca", "ca", "FILE", "its authority, PEM; else ROSTER_CA" },                    \
	{                                                                                          \
		"--token-file", "tokenFile", "FILE", "the token; else it is in ROSTER_TOKEN"       \
	}
#define SCOPE                                                                                      \
	{                                                                                          \
		"--scope", "scope", "SCOPE", "an id, or names with / between; else the org itself" \
	}
#define TEAM                                                                                       \
	{                                                                                          \
		"--team", "team", NULL, "WHO is a group"                                           \
	}
#define DIRECT                                                                                     \
	{                                                                                          \
		"--direct", "direct", NULL, "without nesting"                                      \
	}

static const struct command commands[] = {
	{ .words = "org create",
		.usage = "KEY [--name NAME] [--model M] [--kind KIND] [--owner USERNAME]",
		.args = { "org" },
		.args_min = 1,
		.help = "makes an org; its key stands in addresses",
		.options = { { "--name", "name", "NAME", "what people call it" },
			{ "--model", "model", "M", "its role model (rosterctl model list)" },
			{ "--kind", "kind", "KIND", "company (default) or personal" },
			{ "--owner", "owner", "USERNAME",
				"the person who becomes its first member" } } },
	{ .words = "org list", .usage = "", .help = "lists all orgs", .columns = org_columns },
	{ .words = "org show",
		.usage = "KEY",
		.args = { "org" },
		.args_min = 1,
		.help = "shows an org and its connections" },
	{ .words = "org suspend",
		.usage = "KEY [--reason TEXT]",
		.args = { "org" },
		.args_min = 1,
		.help = "refuses all requests of an org (403) until it is resumed",
		.options = { { "--reason", "reason", "TEXT", "why, for its members to read" } } },
	{ .words = "org resume",
		.usage = "KEY",
		.args = { "org" },
		.args_min = 1,
		.help = "serves a suspended org again" },
	{ .words = "org migrate-model",
		.usage = "KEY MODEL [--map OLD=NEW,...] [--dry-run]",
		.args = { "org", "model" },
		.args_min = 2,
		.help = "moves an org to another role model",
		.options = { { "--map", "map", "OLD=NEW,...",
				     "roles by path, and what they become (OLD= ends one)" },
			{ "--dry-run", "dryRun", NULL, "only tell who gains and loses what" } } },
	{ .words = "org rename",
		.usage = "KEY NEWKEY",
		.args = { "org", "newKey" },
		.args_min = 2,
		.help = "changes an org's key; the former one leads to it for a while" },
	{ .words = "org delete",
		.usage = "KEY [--now] [--yes]",
		.args = { "org" },
		.args_min = 1,
		.kind = CONFIRM,
		.help = "deletes an org; after a grace all that is in it is removed for good",
		.progress = "removing",
		.options = { { "--now", "now", NULL, "for good at once, without a grace" },
			{ "--yes", "yes", NULL, "do not ask" } } },
	{ .words = "org restore",
		.usage = "KEY",
		.args = { "org" },
		.args_min = 1,
		.help = "restores a deleted org within its grace" },
	{ .words = "person create",
		.usage = "USERNAME [--name NAME] [--email ADDRESS [--verified]]",
		.args = { "person" },
		.args_min = 1,
		.help = "signs a person up",
		.options = { { "--name", "name", "NAME", "what people call them" },
			{ "--email", "email", "ADDRESS", "their address" },
			{ "--verified", "verified", NULL, "it is proven that the address is theirs" } } },
	{ .words = "person list", .usage = "", .help = "lists all people", .columns = person_columns },
	{ .words = "person show",
		.usage = "USERNAME",
		.args = { "person" },
		.args_min = 1,
		.help = "shows a person and their orgs" },
	{ .words = "person token",
		.usage = "USERNAME [--permissions P,P] [--expires WHEN] [--label TEXT]",
		.args = { "person" },
		.args_min = 1,
		.help = "makes a personal token, for every org that the person is in; it is shown this "
			"once",
		.options = { PERMISSIONS, EXPIRES, LABEL } },
	{ .words = "person delete",
		.usage = "USERNAME",
		.args = { "person" },
		.args_min = 1,
		.help = "removes a person, their memberships and tokens; their personal org is deleted" },
	{ .words = "connection create",
		.usage = "ORG NAME [--dialect D] [--expires WHEN] [--label TEXT]",
		.args = { "org", "connection" },
		.args_min = 2,
		.help = "makes a connection for an identity provider, with its first token",
		.options = { DIALECT, EXPIRES, LABEL } },
	{ .words = "connection list",
		.usage = "ORG",
		.args = { "org" },
		.args_min = 1,
		.help = "lists an org's connections",
		.columns = connection_columns },
	{ .words = "connection delete",
		.usage = "ORG NAME",
		.args = { "org", "connection" },
		.args_min = 2,
		.help = "removes a connection and its tokens; users and groups stay" },
	{ .words = "connection release",
		.usage = "ORG NAME",
		.args = { "org", "connection" },
		.args_min = 2,
		.help = "lets a connection go on that the guard of mass removal stopped" },
	{ .words = "connection set-dialect",
		.usage = "ORG NAME DIALECT",
		.args = { "org", "connection", "dialect" },
		.args_min = 3,
		.help = "sets how a connection's requests are read: tolerant, strict, interop" },
	{ .words = "token create",
		.usage = "--operator | --service --orgs K,K --permissions P,P [--expires WHEN] "
			 "[--label TEXT]",
		.help = "makes a token for an operator or a product; it is shown this once",
		.options = { { "--operator", "operator", NULL, "may do everything, over HTTPS" },
			{ "--service", "service", NULL, "of a product, in the orgs that it names" },
			{ "--orgs", "orgs", "K,K", "keys of these orgs, or * for all" }, PERMISSIONS,
			EXPIRES, LABEL } },
	{ .words = "token add",
		.usage = "ORG CONNECTION [--expires WHEN] [--label TEXT]",
		.args = { "org", "connection" },
		.args_min = 2,
		.help = "makes one more token; it is shown this once",
		.options = { EXPIRES, LABEL } },
	{ .words = "token list",
		.usage = "ORG [CONNECTION]",
		.args = { "org", "connection" },
		.args_min = 1,
		.help = "lists tokens, never their secrets; ORG platform: those of persons, products "
			"and operators",
		.columns = token_columns },
	{ .words = "token rotate",
		.usage = "ORG NUMBER [--overlap TIME] [--expires WHEN] [--label TEXT]",
		.args = { "org", "token" },
		.args_min = 2,
		.help = "makes a new token in place of an old one, which ends after the overlap",
		.options = { { "--overlap", "overlap", "TIME",
				     "how long the old one lives on (24h)" },
			EXPIRES, LABEL } },
	{ .words = "token revoke",
		.usage = "ORG NUMBER",
		.args = { "org", "token" },
		.args_min = 2,
		.help = "ends a token at once" },
	{ .words = "outbox list",
		.usage = "[--org KEY] [--dead]",
		.help = "lists mail that waits or was given up",
		.columns = outbox_columns,
		.options = { { "--org", "org", "KEY", "of this org only" },
			{ "--dead", "dead", NULL, "only what was given up" } } },
	{ .words = "outbox retry",
		.usage = "NUMBER | --dead",
		.args = { "number" },
		.help = "sends a mail at once, or all that were given up",
		.options = { { "--dead", "dead", NULL, "all that were given up" } } },
	{ .words = "outbox drop",
		.usage = "NUMBER",
		.args = { "number" },
		.args_min = 1,
		.help = "takes a mail out of the outbox without sending it" },
	{ .words = "outbox test",
		.usage = "ADDRESS --org KEY",
		.args = { "address" },
		.args_min = 1,
		.help = "sends a test mail in the name of an org",
		.options = { { "--org", "org", "KEY", "whose name stands in it" } } },
	{ .words = "model check",
		.usage = "FILE",
		.args = { "file" },
		.args_min = 1,
		.local = model_check_command,
		.help = "reads a role model's file as the daemon would, and says what is wrong "
			"with it" },
	{ .words = "check",
		.usage = "ORG WHO PERMISSION [--scope SCOPE] [--owner WHO] [--team]",
		.args = { "org", "who", "permission" },
		.args_min = 3,
		.ask = ask_check,
		.options = { SCOPE, { "--owner", "owner", "WHO", "whose the thing in question is" }, TEAM, WAY },
		.help = "may somebody do something? and why; exit 4 is no" },
	{ .words = "members",
		.usage = "ORG GROUP [--direct]",
		.args = { "org", "group" },
		.args_min = 2,
		.ask = ask_members,
		.options = { DIRECT, WAY },
		.help = "lists who is in a group" },
	{ .words = "groups",
		.usage = "ORG WHO [--direct] [--team]",
		.args = { "org", "who" },
		.args_min = 2,
		.ask = ask_groups,
		.options = { DIRECT, TEAM, WAY },
		.help = "lists the groups that somebody is in" },
	{ .words = "who-can",
		.usage = "ORG PERMISSION [--scope SCOPE]",
		.args = { "org", "permission" },
		.args_min = 2,
		.ask = ask_who_can,
		.options = { SCOPE, WAY },
		.help = "lists who has a permission" },
	{ .words = "watch",
		.usage = "ORG [--from REVISION] [--memberships | --permission P [--scope SCOPE]]",
		.args = { "org" },
		.args_min = 1,
		.ask = ask_watch,
		.options = { { "--from", "from", "REVISION", "what came after it; else first all there is" },
			{ "--memberships", "memberships", NULL, "who gains and loses membership, nested too" },
			{ "--permission", "permission", "P", "who gains and loses this permission" }, SCOPE, WAY },
		.help = "tells every change as it happens" },
	{ .words = "model list",
		.usage = "",
		.local = model_list_command,
		.help = "lists the role models that ship" },
	{ .words = "model show",
		.usage = "NAME|FILE",
		.args = { "model" },
		.args_min = 1,
		.local = model_show_command,
		.help = "tells what a role model says; with --json its file" },
	{ .words = "model matrix",
		.usage = "NAME|FILE [--kind KIND]",
		.args = { "model" },
		.args_min = 1,
		.local = model_matrix_command,
		.help = "shows which role has which permission",
		.options = { { "--kind", "kind", "KIND",
			"in an org of that kind: company or personal" } } },
	{ .words = "status", .usage = "", .help = "shows the daemon and its store" },
	{ .words = "reload",
		.usage = "",
		.help = "has the daemon read configuration and certificate again" },
	{ .words = "backup",
		.usage = "FILE",
		.args = { "file" },
		.args_min = 1,
		.kind = FILE_NAME,
		.help = "writes a consistent copy of the store while it is in use",
		.progress = "backup" },
	{ .words = "restore",
		.usage = "FILE",
		.args = { "file" },
		.args_min = 1,
		.kind = FILE_NAME,
		.help = "makes a new store from a backup; no daemon may run",
		.progress = "restore" },
	{ .words = "verify",
		.usage = "",
		.kind = PROBLEMS,
		.help = "walks every record, edge and index entry, and reports what disagrees",
		.progress = "verify" },
	{ .words = "audit list",
		.usage = "[--org KEY] [--limit N] [--since WHEN] [--until WHEN] [--actor ID] [--target ID] [--action NAME] [--filter FILTER]",
		.help = "shows what was changed, the newest first; without --org on the platform",
		.columns = audit_columns,
		.options = { AUDIT_ORG, { "--limit", "limit", "N", "how many at most (50)" }, AUDIT_FILTERS } },
	{ .words = "audit export",
		.usage = "[FILE] [--org KEY] [--after ID] [--since WHEN] [--until WHEN] [--actor ID] [--target ID] [--action NAME] [--filter FILTER]",
		.args = { "file" },
		.kind = OUTPUT,
		.help = "writes the audit log as JSON lines, the oldest first",
		.progress = "audit export",
		.options = { AUDIT_ORG, { "--after", "after", "ID", "goes on behind the last event that was had" },
			AUDIT_FILTERS } },
	{ .words = "audit head",
		.usage = "[--org KEY]",
		.help = "prints an anchor to be kept elsewhere: what the audit log is now",
		.options = { AUDIT_ORG } },
	{ .words = "audit verify",
		.usage = "[--org KEY] [--anchor REVISION:HASH]",
		.kind = PROBLEMS,
		.help = "finds any altered, missing or cut entry of the audit log",
		.progress = "audit verify",
		.options = { AUDIT_ORG, { "--anchor", "anchor", "REVISION:HASH", "what audit head printed then" } } },
	{ .words = "export",
		.usage = "ORG [FILE] [--with-secrets]",
		.args = { "org", "file" },
		.args_min = 1,
		.kind = OUTPUT,
		.help = "writes an org's users and groups as SCIM JSON lines",
		.progress = "export",
		.options = { { "--with-secrets", "secrets", NULL,
			"also the hashes of passwords" } } },
	{ .words = "import",
		.usage = "ORG [FILE] --connection NAME [--continue]",
		.args = { "org", "file" },
		.args_min = 1,
		.kind = INPUT,
		.help = "creates users and groups from SCIM JSON lines",
		.progress = "import",
		.options = { { "--connection", "connection", "NAME",
				     "whose externalIds these are" },
			{ "--continue", "continue", NULL,
				"pass over wrong lines, and report them" } } },
	{ .words = "sync",
		.usage = "--org KEY --from FILE [--format jsonl|csv|ldif] [--map FILE] [--connection NAME] "
			 "[--match externalId|userName|id] [--filter FILTER] [--users-only] [--dry-run] [--yes]",
		.kind = SYNC,
		.help = "makes an org's users and groups what a file says, in one step",
		.progress = "sync",
		.options = { { "--org", "org", "KEY", "whose users and groups" },
			{ "--from", "from", "FILE", "the whole desired state; - for standard input" },
			{ "--format", "format", "FORMAT", "jsonl, csv or ldif; else by the file's name" },
			{ "--map", "map", "FILE", "which columns or attributes become what" },
			{ "--connection", "connection", "NAME", "whose externalIds and guard count" },
			{ "--match", "match", "BY", "how records are found: externalId, userName or id" },
			{ "--filter", "filter", "FILTER", "only users that it takes are removed" },
			{ "--users-only", "usersOnly", NULL, "groups are no part of the state" },
			{ "--dry-run", "dryRun", NULL, "only tell what would be done" },
			{ "--yes", "yes", NULL, "do not ask" } } },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

struct session {
	const struct command *command;
	struct where where;
	bool json;
	json_t *request;
	json_t *parts; /* what came of a list */
	FILE *output;  /* of an export */
	json_t *file;  /* taken off the request: files are opened here */
	const char *output_name;
	uint64_t input_size;
	struct sync_run *sync;
	bool output_failed;
};

/* ---- Help ---- */

static void
print_help(void)
{
	(void)printf(
		"Usage: rosterctl [--config FILE | --data DIR] [--json] COMMAND ...\n"
		"Manages a rosterd: over its control socket, or directly when no daemon runs.\n\n");
	for (size_t i = 0; i < COMMANDS; i++) {
		(void)printf("  %s %s\n      %s\n", commands[i].words, commands[i].usage,
			commands[i].help);
		for (size_t j = 0; j < OPTIONS_MAX && commands[i].options[j].flag != NULL; j++)
			(void)printf("        %s%s%s  %s\n", commands[i].options[j].flag,
				commands[i].options[j].value != NULL ? " " : "",
				commands[i].options[j].value != NULL ? commands[i].options[j].value
								     : "",
				commands[i].options[j].help);
	}
	(void)printf("\n  -c, --config FILE  the daemon's configuration (default " SYSCONFDIR
		     "/rosterd.conf)\n"
		     "  -d, --data DIR     the daemon's data directory\n"
		     "      --json         answers as JSON, errors too\n"
		     "  -h, --help         print this\n"
		     "  -V, --version      print the version\n\n"
		     "Without -c and -d the environment's ROSTER_CONFIG or ROSTER_DATA count.\n"
		     "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no way to the "
		     "daemon or store,\n"
		     "4 verify found problems, or import passed over lines.\n");
}

/* For the shells' completion: words, a tab, the command's options. */
static void
print_commands(void)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		(void)printf("%s\t", commands[i].words);
		for (size_t j = 0; j < OPTIONS_MAX && commands[i].options[j].flag != NULL; j++)
			(void)printf("%s ", commands[i].options[j].flag);
		(void)putchar('\n');
	}
}

static enum exit_code misuse(const struct command *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static enum exit_code
misuse(const struct command *c, const char *format, ...)
{
	va_list ap;

	(void)fprintf(stderr, "rosterctl: ");
	va_start(ap, format);
	(void)vfprintf(stderr, format, ap);
	va_end(ap);
	if (c != NULL)
		(void)fprintf(stderr, "\nUsage: rosterctl %s %s\n", c->words, c->usage);
	else
		(void)fprintf(stderr, "\nTry rosterctl --help.\n");
	return EXIT_USAGE;
}

/* ---- Arguments ---- */

/* How many arguments the command's words take; 0 when they are others. */
static int
words_match(const char *words, int argc, char **argv)
{
	struct slice rest = slice_of(words), word;
	int n = 0;

	while (slice_split(&rest, ' ', &word)) {
		if (n >= argc || !slice_eq(word, slice_of(argv[n])))
			return 0;
		n++;
	}
	return n;
}

static const struct command *
command_find(int argc, char **argv, int *taken)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if ((*taken = words_match(commands[i].words, argc, argv)) > 0)
			return &commands[i];
	return NULL;
}

static const struct option_spec *
option_find(const struct command *c, struct slice flag)
{
	for (size_t i = 0; i < OPTIONS_MAX && c->options[i].flag != NULL; i++)
		if (slice_eq(flag, slice_of(c->options[i].flag)))
			return &c->options[i];
	return NULL;
}

static bool
put_text(json_t *request, const char *member, const char *text)
{
	return json_object_set_new(request, member, json_string(text)) == 0;
}

/* One of the options that stand anywhere; how many arguments it took, 0 when it is none, -1 when
 * its value is missing. */
static int
common_option(struct session *s, int left, char **argv)
{
	static const struct {
		const char *brief, *full;
		bool config;
	} rows[] = { { "-c", "--config", true }, { "-d", "--data", false } };

	if (strcmp(argv[0], "--json") == 0) {
		s->json = true;
		return 1;
	}
	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(rows[i].full);
		const char *value = NULL;

		if (strncmp(argv[0], rows[i].full, len) == 0 && argv[0][len] == '=')
			value = argv[0] + len + 1;
		else if (strcmp(argv[0], rows[i].brief) != 0 && strcmp(argv[0], rows[i].full) != 0)
			continue;
		else if (left < 2)
			return -1;
		*(rows[i].config ? &s->where.config : &s->where.data) =
			value != NULL ? value : argv[1];
		return value != NULL ? 1 : 2;
	}
	return 0;
}

/* An option of the command, at argv[0]. */
static int
own_option(struct session *s, int left, char **argv)
{
	const char *equals = strchr(argv[0], '=');
	struct slice flag = { argv[0],
		equals != NULL ? (size_t)(equals - argv[0]) : strlen(argv[0]) };
	const struct option_spec *o = option_find(s->command, flag);

	if (o == NULL)
		return 0;
	if (o->value == NULL) {
		(void)json_object_set_new(s->request, o->member, json_true());
		return equals != NULL ? -1 : 1;
	}
	if (equals == NULL && left < 2)
		return -1;
	if (!put_text(s->request, o->member, equals != NULL ? equals + 1 : argv[1]))
		return -1;
	return equals != NULL ? 1 : 2;
}

static enum exit_code
parse_command(struct session *s, int argc, char **argv)
{
	const struct command *c = s->command;
	unsigned given = 0;
	bool options = true;

	for (int i = 0; i < argc;) {
		int took = 0;

		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
			i++;
			continue;
		}
		if (options && argv[i][0] == '-' && argv[i][1] != '\0') {
			if ((took = own_option(s, argc - i, argv + i)) == 0)
				took = common_option(s, argc - i, argv + i);
			if (took == 0)
				return misuse(c, "there is no option %s here", argv[i]);
			if (took < 0)
				return misuse(c, "%s is not used like this", argv[i]);
			i += took;
			continue;
		}
		if (given == ARGS_MAX || c->args[given] == NULL)
			return misuse(c, "unexpected argument \"%s\"", argv[i]);
		if (!put_text(s->request, c->args[given++], argv[i++]))
			return misuse(c, "\"%s\" is not valid UTF-8", argv[i - 1]);
	}
	if (given < c->args_min)
		return misuse(c, "%s is missing", c->args[given]);
	return EXIT_OK;
}

/* ---- Before and after the request ---- */

static enum exit_code
confirm(struct session *s)
{
	const char *key = json_string_value(json_object_get(s->request, "org"));
	char answer[256] = "";

	if (json_object_get(s->request, "yes") != NULL)
		return EXIT_OK;
	if (!isatty(STDIN_FILENO))
		return misuse(
			s->command, "%s: say --yes, there is nobody to ask", s->command->words);
	(void)fprintf(stderr,
		"This deletes the org \"%s\" with all its users, groups and tokens%s.\n"
		"Type its key to go on: ",
		key, json_object_get(s->request, "now") != NULL ? ", for good" : "");
	if (fgets(answer, sizeof(answer), stdin) != NULL)
		answer[strcspn(answer, "\n")] = '\0';
	if (strcmp(answer, key) == 0)
		return EXIT_OK;
	(void)fprintf(stderr, "rosterctl: nothing was deleted\n");
	return EXIT_FAILED;
}

/* The daemon stands in another directory: names become absolute. */
static enum exit_code
file_absolute(struct session *s)
{
	const char *name = json_string_value(json_object_get(s->request, "file"));
	char here[4096], full[8192];

	if (name[0] == '/')
		return EXIT_OK;
	if (getcwd(here, sizeof(here)) == NULL) {
		(void)fprintf(stderr, "rosterctl: the working directory: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	(void)snprintf(full, sizeof(full), "%s/%s", here, name);
	(void)put_text(s->request, "file", full);
	return EXIT_OK;
}

static const char *
take_file_name(struct session *s)
{
	const char *name;

	s->file = json_incref(json_object_get(s->request, "file"));
	name = json_string_value(s->file);
	(void)json_object_del(s->request, "file");
	return name == NULL || strcmp(name, "-") == 0 ? NULL : name;
}

static enum exit_code
open_input(struct session *s, int *fd)
{
	const char *name = take_file_name(s);
	struct stat st;

	*fd = STDIN_FILENO;
	if (json_object_get(s->request, "connection") == NULL)
		return misuse(s->command, "%s is missing: it says whose externalIds these are",
			"--connection");
	if (name != NULL && (*fd = open(name, O_RDONLY | O_CLOEXEC)) < 0) {
		(void)fprintf(stderr, "rosterctl: %s: %s\n", name, strerror(errno));
		return EXIT_FAILED;
	}
	if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode))
		s->input_size = (uint64_t)st.st_size;
	return EXIT_OK;
}

static enum exit_code
open_output(struct session *s)
{
	int fd;

	s->output = stdout;
	s->output_name = take_file_name(s);
	if (s->output_name == NULL)
		return EXIT_OK;
	/* Personal data: for the operator alone. */
	fd = open(s->output_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || (s->output = fdopen(fd, "w")) == NULL) {
		(void)fprintf(stderr, "rosterctl: %s: %s\n", s->output_name, strerror(errno));
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

static enum exit_code
open_sync(struct session *s)
{
	bool usage;

	if ((s->sync = sync_run_new(s->request, s->json, &usage)) == NULL)
		return usage ? EXIT_USAGE : EXIT_FAILED;
	s->input_size = sync_run_size(s->sync);
	return EXIT_OK;
}

static enum exit_code
prepare(struct session *s, int *input)
{
	*input = -1;
	switch (s->command->kind) {
	case PLAIN:
	case PROBLEMS:
		break;
	case CONFIRM:
		return confirm(s);
	case FILE_NAME:
		return file_absolute(s);
	case INPUT:
		return open_input(s, input);
	case OUTPUT:
		return open_output(s);
	case SYNC:
		return open_sync(s);
	}
	return EXIT_OK;
}

/* ---- Answers ---- */

static void
on_part(void *arg, const json_t *part)
{
	struct session *s = arg;
	const char *problem = json_string_value(json_object_get(part, "problem"));

	if (s->json || s->command->columns != NULL) {
		(void)json_array_append(s->parts, (json_t *)(uintptr_t)part);
	} else if (problem != NULL) {
		progress_end();
		(void)fprintf(stderr, "%s\n", problem);
	}
}

static void
on_data(void *arg, struct slice bytes)
{
	struct session *s = arg;

	if (s->output == NULL || fwrite(bytes.p, 1, bytes.len, s->output) != bytes.len)
		s->output_failed = true;
}

static void
on_progress(void *arg, uint64_t done, uint64_t total)
{
	const struct session *s = arg;

	if (s->command->progress != NULL && s->command->kind != INPUT)
		progress_show(s->command->progress, done, total);
}

static bool
on_plan(void *arg, const json_t *plan)
{
	const struct session *s = arg;

	progress_end();
	return sync_run_decide(s->sync, plan);
}

static void
on_sent(void *arg, uint64_t bytes)
{
	const struct session *s = arg;

	progress_show(s->command->progress, bytes, s->input_size);
}

static void
dump(const json_t *j)
{
	(void)json_dumpf(j, stdout, JSON_INDENT(2));
	(void)putchar('\n');
}

static enum exit_code
show_failure(const struct session *s, const json_t *last)
{
	const char *path = json_string_value(json_object_get(last, "path"));
	const char *detail = json_string_value(json_object_get(last, "detail"));

	if (s->json)
		dump(last);
	(void)fprintf(stderr, "rosterctl: %s%s%s\n", path != NULL ? path : "",
		path != NULL && path[0] != '\0' ? ": " : "", detail != NULL ? detail : "failed");
	return EXIT_FAILED;
}

static enum exit_code
show_result(struct session *s, json_t *last)
{
	/* The numbers that turn a result into exit code 4. */
	bool found = json_integer_value(json_object_get(last, "problems")) > 0 ||
		     json_integer_value(json_object_get(last, "skipped")) > 0;
	FILE *out = s->command->kind == OUTPUT && s->output == stdout ? NULL : stdout;

	if (s->command->columns != NULL && s->json) {
		dump(s->parts);
	} else if (s->command->columns != NULL) {
		print_table(s->parts, s->command->columns);
	} else if (out != NULL && s->json) {
		if (json_array_size(s->parts) > 0)
			(void)json_object_set(last, "details", s->parts);
		dump(last);
	} else if (s->sync != NULL) {
		sync_run_show(s->sync, last);
	} else if (out != NULL) {
		print_object(last, 0);
	}
	return found ? EXIT_FOUND : EXIT_OK;
}

static enum exit_code
close_output(struct session *s, enum exit_code code)
{
	if (s->output != NULL && (fflush(s->output) != 0 || ferror(s->output) != 0))
		s->output_failed = true;
	if (s->output != NULL && s->output != stdout && fclose(s->output) != 0)
		s->output_failed = true;
	if (!s->output_failed)
		return code;
	(void)fprintf(stderr, "rosterctl: %s can't be written: it is not complete\n",
		s->output_name != NULL ? s->output_name : "standard output");
	return EXIT_FAILED;
}

static enum exit_code
run(struct session *s, int input)
{
	const bool sends = input >= 0 || s->sync != NULL;
	const struct answers to = { .part = on_part, .data = on_data, .progress = on_progress,
		.sent = sends ? on_sent : NULL, .decide = s->sync != NULL ? on_plan : NULL, .arg = s };
	struct file_source file = { input, 0 };
	struct source source = s->sync != NULL ? sync_run_source(s->sync) : source_of_file(&file);
	struct client client;
	json_t *last = NULL;
	enum outcome outcome;
	enum exit_code code = EXIT_UNREACHABLE;

	(void)put_text(s->request, "command", s->command->words);
	if (!client_open(&client, &s->where))
		return EXIT_UNREACHABLE;
	s->parts = json_array();
	outcome = client_run(&client, s->request, sends ? &source : NULL, &to, &last);
	progress_end();
	if (s->sync != NULL && sync_run_failure(s->sync) != NULL) {
		(void)fprintf(stderr, "rosterctl: %s\n", sync_run_failure(s->sync));
		json_decref(last);
		json_decref(s->parts);
		client_close(&client);
		return EXIT_FAILED;
	}
	if (outcome == LOST && client.child == 0)
		(void)fprintf(stderr, "rosterctl: the daemon ended the connection\n");
	else if (outcome == FAILED)
		code = show_failure(s, last);
	else if (outcome == DONE)
		code = show_result(s, last);
	json_decref(last);
	json_decref(s->parts);
	client_close(&client);
	return close_output(s, code);
}

static enum exit_code
run_command(struct session *s, int argc, char **argv)
{
	enum exit_code code;
	int input, taken;

	if ((s->command = command_find(argc, argv, &taken)) == NULL)
		return misuse(NULL, "there is no command \"%s\"", argv[0]);
	if ((code = parse_command(s, argc - taken, argv + taken)) != EXIT_OK)
		return code;
	if (s->command->local != NULL)
		return s->command->local(s->request, s->json) ? EXIT_OK : EXIT_FAILED;
	if (s->command->ask != NULL)
		return s->command->ask(s->request, s->json);
	if (s->where.config == NULL && s->where.data == NULL) {
		s->where.config = getenv("ROSTER_CONFIG");
		s->where.data = s->where.config == NULL ? getenv("ROSTER_DATA") : NULL;
	}
	if ((code = prepare(s, &input)) != EXIT_OK)
		return code;
	return run(s, input);
}

/* Options before the command, then the command. */
static enum exit_code
rosterctl(struct session *s, int argc, char **argv)
{
	int i = 1, taken;

	while (i < argc && argv[i][0] == '-') {
		if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
			print_help();
			return EXIT_OK;
		}
		if (strcmp(argv[i], "--list-commands") == 0) {
			print_commands();
			return EXIT_OK;
		}
		if (strcmp(argv[i], "-V") == 0 || strcmp(argv[i], "--version") == 0) {
			(void)puts("rosterctl " PACKAGE_VERSION);
			return EXIT_OK;
		}
		if ((taken = common_option(s, argc - i, argv + i)) == 0)
			return misuse(NULL, "there is no option %s", argv[i]);
		if (taken < 0)
			return misuse(NULL, "%s needs a value", argv[i]);
		i += taken;
	}
	return i == argc ? misuse(NULL, "the command is missing")
			 : run_command(s, argc - i, argv + i);
}

int
main(int argc, char **argv)
{
	struct session s = { .request = json_object() };
	enum exit_code code = rosterctl(&s, argc, argv);

	json_decref(s.request);
	json_decref(s.file);
	sync_run_free(s.sync);
	return (int)code;
}
