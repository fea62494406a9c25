#include "tools/rosterctl/ask.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"
#include "tools/libroster/roster.h"
#include "tools/rosterctl/print.h"

#include "base/banned.h"

enum { TOKEN_ROOM = 1100 };

struct asking {
	struct roster *r;
	struct roster_request q;
	struct roster_error error;
	bool json, how; /* how: of groups-of, which tells what is direct */
	bool lines;     /* of watch: an object is one line, an error too */
	json_t *rows;
};

static const char *
given(const json_t *request, const char *member)
{
	return json_string_value(json_object_get(request, member));
}

static const char *
given_or(const json_t *request, const char *member, const char *variable)
{
	const char *text = given(request, member);

	return text != NULL ? text : getenv(variable);
}

static bool
is_set(const json_t *request, const char *member)
{
	return json_object_get(request, member) != NULL;
}

/* ---- The way to the server ---- */

/* A token in the arguments would be for all to see who list processes: a file, or the environment. */
static bool
read_token(const json_t *request, char out[TOKEN_ROOM])
{
	const char *file = given(request, "tokenFile"), *text = getenv("ROSTER_TOKEN");
	FILE *f;
	bool ok;

	if (file == NULL) {
		ok = text != NULL && text[0] != '\0' && snprintf(out, TOKEN_ROOM, "%s", text) < TOKEN_ROOM;
		if (!ok)
			(void)fprintf(stderr, "rosterctl: there is no token: ROSTER_TOKEN in the environment, or --token-file\n");
		return ok;
	}
	f = fopen(file, "re");
	ok = f != NULL && fgets(out, TOKEN_ROOM, f) != NULL;
	if (!ok)
		(void)fprintf(stderr, "rosterctl: %s: %s\n", file, errno != 0 ? strerror(errno) : "it is empty");
	else
		out[strcspn(out, "\r\n")] = '\0';
	if (f != NULL)
		(void)fclose(f);
	return ok;
}

static void
dump(const json_t *value, size_t flags)
{
	(void)json_dumpf(value, stdout, flags);
	(void)putchar('\n');
}

static enum exit_code
failed(const struct asking *a)
{
	json_t *object;

	if (a->json) {
		object = json_pack("{s:s,s:s,s:s}", "error", a->error.name, "path", a->error.field, "detail", a->error.message);
		dump(object, a->lines ? JSON_COMPACT : JSON_INDENT(2));
		json_decref(object);
	}
	(void)fprintf(stderr, "rosterctl: %s%s%s\n", a->error.field, a->error.field[0] != '\0' ? ": " : "", a->error.message);
	/* What the library found out by itself is about the way there, or about wrong options. */
	return a->error.status != 0 ? EXIT_FAILED : EXIT_UNREACHABLE;
}

static enum exit_code
begin(struct asking *a, const json_t *request, bool json)
{
	struct roster_options o = { .size = sizeof(o), .client = "rosterctl", .ca_file = given_or(request, "ca", "ROSTER_CA"),
		.server = given_or(request, "server", "ROSTER_SERVER"), .timeout_ms = 60000, .connect_ms = 5000 };
	char token[TOKEN_ROOM];

	*a = (struct asking){ .q = { .size = sizeof(a->q) }, .json = json };
	if (o.server == NULL) {
		(void)fprintf(stderr, "rosterctl: where is the server? ROSTER_SERVER in the environment, or --server roster://HOST:PORT\n");
		return EXIT_USAGE;
	}
	if (!read_token(request, token))
		return EXIT_USAGE;
	o.token = token;
	a->r = roster_new(&o, &a->error);
	explicit_bzero(token, sizeof(token));
	if (a->r == NULL)
		return failed(a);
	/* So that a server that is not there is told in seconds, whatever the answer may take. */
	if (roster_ping(a->r, 5000, &a->error) < 0)
		return failed(a);
	a->rows = json_array();
	a->q.org = given(request, "org");
	a->q.scope = given(request, "scope");
	a->q.permission = given(request, "permission");
	a->q.direct = is_set(request, "direct");
	return EXIT_OK;
}

static enum exit_code
end(struct asking *a, enum exit_code code)
{
	roster_free(a->r);
	json_decref(a->rows);
	return code;
}

/* ---- Values ---- */

static json_t *
text_value(const struct roster_answer *answer, enum roster_field field)
{
	struct roster_text t = roster_text(answer, field);

	return t.p != NULL ? json_stringn(t.p, t.len) : NULL;
}

static json_t *
id_value(const struct roster_answer *answer, enum roster_field field)
{
	const struct roster_id *id = roster_id(answer, field);
	char text[37];

	if (id == NULL)
		return NULL;
	roster_id_format(id, text);
	return json_string(text);
}

static void
put(json_t *object, const char *member, json_t *value)
{
	if (value != NULL)
		(void)json_object_set_new(object, member, value);
}

/* ---- check ---- */

static json_t *
decision(const struct roster_answer *answer, bool yes)
{
	const char *code = roster_code_name(roster_number(answer, ROSTER_F_CODE));
	json_t *object = json_object();

	put(object, "allowed", json_boolean(yes));
	put(object, "code", json_string(code != NULL ? code : "unknown"));
	put(object, "reason", text_value(answer, ROSTER_F_REASON));
	put(object, "role", text_value(answer, ROSTER_F_ROLE));
	put(object, "through", text_value(answer, ROSTER_F_THROUGH));
	put(object, "scope", id_value(answer, ROSTER_F_SCOPE_ID));
	put(object, "assignment", id_value(answer, ROSTER_F_ASSIGNMENT_ID));
	put(object, "missing", text_value(answer, ROSTER_F_MISSING));
	put(object, "revision", json_integer((json_int_t)roster_number(answer, ROSTER_F_REVISION)));
	return object;
}

enum exit_code
ask_check(const json_t *request, bool json)
{
	const struct roster_answer *answer;
	struct asking a;
	enum exit_code code = begin(&a, request, json);
	json_t *object;
	int may;

	if (code != EXIT_OK)
		return end(&a, code);
	a.q.subject = given(request, "who");
	a.q.subject_kind = is_set(request, "team") ? ROSTER_TEAM : ROSTER_MEMBER;
	a.q.owner = given(request, "owner");
	a.q.explain = 1;
	if ((may = roster_check(a.r, &a.q, &answer, &a.error)) < 0)
		return end(&a, failed(&a));
	object = decision(answer, may == 1);
	if (json)
		dump(object, JSON_INDENT(2));
	else
		print_object(object, 0);
	json_decref(object);
	return end(&a, may == 1 ? EXIT_OK : EXIT_FOUND);
}

/* ---- Lists ---- */

static const struct column list_columns[] = { { "name", "NAME" }, { "kind", "KIND" }, { "how", "HOW" }, { "id", "ID" },
	{ NULL, NULL } };

static const char *
kind_name(uint64_t kind)
{
	return kind == ROSTER_TEAM ? "group" : "user";
}

static bool
keep_row(void *arg, const struct roster_answer *item)
{
	struct asking *a = arg;
	json_t *row = json_object();

	put(row, "name", text_value(item, ROSTER_F_NAME));
	put(row, "kind", json_string(kind_name(roster_number(item, ROSTER_F_KIND))));
	if (a->how)
		put(row, "how", json_string(roster_number(item, ROSTER_F_DIRECT) == 1 ? "direct" : "nested"));
	put(row, "id", id_value(item, ROSTER_F_ID));
	(void)json_array_append_new(a->rows, row);
	return true;
}

typedef int list_fn(struct roster *, const struct roster_request *, roster_item_fn *, void *, const struct roster_answer **,
	struct roster_error *);

static enum exit_code
show_list(struct asking *a, list_fn *list, const struct column *columns)
{
	a->q.names = 1;
	if (list(a->r, &a->q, keep_row, a, NULL, &a->error) < 0)
		return failed(a);
	if (a->json)
		dump(a->rows, JSON_INDENT(2));
	else
		print_table(a->rows, columns);
	return EXIT_OK;
}

enum exit_code
ask_members(const json_t *request, bool json)
{
	static const struct column columns[] = { { "name", "NAME" }, { "kind", "KIND" }, { "id", "ID" }, { NULL, NULL } };
	struct asking a;
	enum exit_code code = begin(&a, request, json);

	a.q.group = given(request, "group");
	return end(&a, code == EXIT_OK ? show_list(&a, roster_members_of, columns) : code);
}

enum exit_code
ask_groups(const json_t *request, bool json)
{
	struct asking a;
	enum exit_code code = begin(&a, request, json);

	a.how = true;
	a.q.subject = given(request, "who");
	a.q.subject_kind = is_set(request, "team") ? ROSTER_TEAM : ROSTER_MEMBER;
	return end(&a, code == EXIT_OK ? show_list(&a, roster_groups_of, list_columns) : code);
}

enum exit_code
ask_who_can(const json_t *request, bool json)
{
	static const struct column columns[] = { { "name", "NAME" }, { "id", "ID" }, { NULL, NULL } };
	struct asking a;
	enum exit_code code = begin(&a, request, json);

	return end(&a, code == EXIT_OK ? show_list(&a, roster_who_can, columns) : code);
}

/* ---- watch ---- */

static const char *const event_names[] = { [ROSTER_EVENT_PUT] = "put", [ROSTER_EVENT_GONE] = "gone",
	[ROSTER_EVENT_MEMBER_ADDED] = "member added", [ROSTER_EVENT_MEMBER_REMOVED] = "member removed",
	[ROSTER_EVENT_GAINED] = "gained", [ROSTER_EVENT_LOST] = "lost" };

static const char *
event_name(uint64_t event)
{
	bool known = event < sizeof(event_names) / sizeof(event_names[0]) && event_names[event] != NULL;

	return known ? event_names[event] : "something else";
}

static json_t *
event_object(const struct roster_answer *part, const struct roster_answer *item)
{
	struct roster_text resource = roster_text(item, ROSTER_F_RESOURCE);
	json_t *object = json_object();

	put(object, "revision", json_integer((json_int_t)roster_number(part, ROSTER_F_REVISION)));
	put(object, "time", json_integer((json_int_t)roster_number(part, ROSTER_F_TIME)));
	put(object, "event", json_string(event_name(roster_number(item, ROSTER_F_EVENT))));
	put(object, "type", text_value(item, ROSTER_F_TYPE));
	put(object, "group", id_value(item, ROSTER_F_GROUP_ID));
	put(object, "id", id_value(item, ROSTER_F_ID));
	if (resource.p != NULL)
		put(object, "resource", json_loadb(resource.p, resource.len, 0, NULL));
	if (roster_number(part, ROSTER_F_SNAPSHOT) != 0)
		put(object, "snapshot", json_true());
	return object;
}

/* One line for people: revision, what, of which type, name, ids. */
static void
print_event(const json_t *event)
{
	const json_t *resource = json_object_get(event, "resource");
	const char *type = given(event, "type"), *group = given(event, "group"), *name = given(resource, "displayName");

	if (given(resource, "userName") != NULL)
		name = given(resource, "userName");
	(void)printf("%" JSON_INTEGER_FORMAT "  %s%s%s  %s%s%s", json_integer_value(json_object_get(event, "revision")),
		given(event, "event"), type != NULL ? " " : "", type != NULL ? type : "", given(event, "id"),
		group != NULL ? "  in " : "", group != NULL ? group : "");
	if (name != NULL) {
		(void)fputs("  ", stdout);
		print_text(name);
	}
	(void)putchar('\n');
}

static bool
show_part(void *arg, const struct roster_answer *part)
{
	const struct asking *a = arg;
	const struct roster_answer *item;
	json_t *event;

	while ((item = roster_next_item(part)) != NULL) {
		event = event_object(part, item);
		if (a->json)
			dump(event, JSON_COMPACT);
		else
			print_event(event);
		json_decref(event);
	}
	/* Whoever read it may have gone away. */
	return fflush(stdout) == 0;
}

/* What is wrong with the options of a watch; NULL: nothing. `from` stands for a snapshot where it is not given, as it does in the
 * protocol; a revision is a number. */
static const char *
read_watch(struct asking *a, const json_t *request)
{
	const char *text = given(request, "from");
	bool memberships = is_set(request, "memberships");

	if (text != NULL && !slice_to_u64(slice_of(text), 1, INT64_MAX, &a->q.from))
		return "--from is a revision, a number above 0";
	if (memberships && a->q.permission != NULL)
		return "--memberships or --permission: one of them";
	if (a->q.scope != NULL && a->q.permission == NULL)
		return "--scope says where a --permission is watched";
	if (memberships)
		a->q.view = ROSTER_MEMBERSHIP_VIEW;
	if (a->q.permission != NULL)
		a->q.view = ROSTER_PERMISSION_VIEW;
	return NULL;
}

enum exit_code
ask_watch(const json_t *request, bool json)
{
	struct asking a;
	enum exit_code code = begin(&a, request, json);
	const char *wrong;

	if (code != EXIT_OK)
		return end(&a, code);
	if ((wrong = read_watch(&a, request)) != NULL) {
		(void)fprintf(stderr, "rosterctl: %s\n", wrong);
		return end(&a, EXIT_USAGE);
	}
	a.lines = true;
	if (roster_watch(a.r, &a.q, show_part, &a, &a.error) < 0)
		return end(&a, failed(&a));
	return end(&a, EXIT_OK);
}
