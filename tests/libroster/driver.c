/* libroster under a script: JSON lines on standard input say what to do, JSON lines on standard output what came of it. Its loop is a
 * plain poll() of both. tests/system/test_libroster.py drives it. */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/libroster/roster.h"

enum { CALLS = 5000, IDS = 1 << 16, ITEMS_SHOWN = 100 };

static struct roster *handle;
static struct roster_mirror *mirror;
static struct {
	char name[32];
	uint64_t call;
} calls[CALLS];
static struct roster_id ids[IDS];
static size_t ids_used;

static void
say(json_t *line)
{
	char *text = json_dumps(line, JSON_COMPACT);

	(void)puts(text);
	(void)fflush(stdout);
	free(text);
	json_decref(line);
}

static json_t *
error_json(const struct roster_error *e)
{
	return json_pack("{s:i,s:s,s:s,s:s,s:I,s:I}", "status", e->status, "name", e->name, "field", e->field, "message",
		e->message, "retry_after_ms", (json_int_t)e->retry_after_ms, "revision", (json_int_t)e->revision);
}

/* ---- Requests ---- */

enum kind { TEXT, NUMBER, ID, BYTES, INT, SIZE, FLAG };

struct member {
	const char *name;
	enum kind kind;
	size_t at;
};

#define R(kind, name) { #name, kind, offsetof(struct roster_request, name) }
static const struct member request_members[] = { R(INT, timeout_ms), R(TEXT, org), R(NUMBER, revision), R(ID, subject_id),
	R(TEXT, subject_name), R(TEXT, subject_external_id), R(TEXT, subject), R(NUMBER, subject_kind), R(TEXT, permission),
	R(ID, scope_id), R(TEXT, scope), R(TEXT, workspace), R(TEXT, project), R(TEXT, team), R(TEXT, owner), R(TEXT, member),
	R(NUMBER, of_scope), R(NUMBER, explain), R(ID, group_id), R(TEXT, group), R(NUMBER, direct), R(NUMBER, names),
	R(NUMBER, limit), R(BYTES, cursor), R(TEXT, type), R(ID, id), R(TEXT, filter), R(TEXT, attributes), R(TEXT, excluded),
	R(TEXT, sort), R(NUMBER, descending), R(TEXT, resource), R(NUMBER, if_revision), R(NUMBER, sync), R(BYTES, data),
	R(TEXT, connection), R(TEXT, match), R(NUMBER, groups), R(NUMBER, from), R(NUMBER, view), R(NUMBER, heartbeat),
	{ NULL, TEXT, 0 } };
#undef R
#define O(kind, name) { #name, kind, offsetof(struct roster_options, name) }
static const struct member option_members[] = { O(TEXT, server), O(TEXT, token), O(TEXT, client), O(TEXT, ca_file),
	O(TEXT, server_name), O(TEXT, certificate), O(TEXT, private_key), O(TEXT, org), O(INT, timeout_ms), O(INT, connect_ms),
	O(INT, ping_ms), O(INT, backoff_ms), O(INT, backoff_max_ms), O(SIZE, max_calls), O(SIZE, max_bytes), { NULL, TEXT, 0 } };
#undef O
#define M(kind, name) { #name, kind, offsetof(struct roster_mirror_options, name) }
static const struct member mirror_members[] = { M(TEXT, org), M(FLAG, memberships), M(INT, max_stale_ms),
	M(NUMBER, heartbeat), { NULL, TEXT, 0 } };
#undef M

static const struct roster_id *
an_id(const char *text)
{
	struct roster_id *id = &ids[ids_used++ % IDS];

	if (!roster_id_parse(text, id)) {
		(void)fprintf(stderr, "no id: %s\n", text);
		exit(2);
	}
	return id;
}

static void
set_member(char *at, enum kind kind, const json_t *value)
{
	const void *p = json_string_value(value);
	uint64_t number = (uint64_t)json_integer_value(value);
	struct roster_text text = { p, json_string_length(value) };
	size_t size = (size_t)number;
	int i = (int)json_integer_value(value);
	bool flag = json_is_true(value);

	if (kind == ID)
		p = an_id(p);
	switch (kind) {
	case TEXT:
	case ID:
		memcpy(at, &p, sizeof(p));
		break;
	case NUMBER:
		memcpy(at, &number, sizeof(number));
		break;
	case BYTES:
		memcpy(at, &text, sizeof(text));
		break;
	case INT:
		memcpy(at, &i, sizeof(i));
		break;
	case SIZE:
		memcpy(at, &size, sizeof(size));
		break;
	case FLAG:
		memcpy(at, &flag, sizeof(flag));
		break;
	}
}

static void
fill(void *out, const struct member *members, const json_t *object)
{
	for (const struct member *m = members; m->name != NULL; m++)
		if (json_object_get(object, m->name) != NULL)
			set_member((char *)out + m->at, m->kind, json_object_get(object, m->name));
}

/* Its items are the caller's to free. */
static struct roster_request
request_of(const json_t *command)
{
	const json_t *given = json_object_get(command, "request"), *items = json_object_get(given, "items");
	struct roster_request q = { .size = sizeof(q) };
	struct roster_request *all;

	fill(&q, request_members, given);
	if (items == NULL)
		return q;
	all = calloc(json_array_size(items) + 1, sizeof(*all));
	for (size_t i = 0; i < json_array_size(items); i++) {
		all[i].size = sizeof(q);
		fill(&all[i], request_members, json_array_get(items, i));
	}
	q.items = all;
	q.item_count = json_array_size(items);
	return q;
}

static void
free_items(const struct roster_request *q)
{
	union {
		const struct roster_request *in;
		struct roster_request *out;
	} u = { q->items };

	free(u.out);
}

/* ---- Answers ---- */

static json_t *
answer_json(const struct roster_answer *a)
{
	json_t *out = json_object();
	const struct roster_answer *item;
	json_t *items = json_array();
	size_t count = 0;

	for (int f = 1; f <= ROSTER_F_SETTLED; f++) {
		enum roster_field field = (enum roster_field)f;
		struct roster_text text = roster_text(a, field);
		char key[16], id[37];

		(void)snprintf(key, sizeof(key), "%d", f);
		if (!roster_has(a, field) || field == ROSTER_F_ITEM)
			continue;
		if (text.p != NULL) { /* bytes that are no text: how many */
			json_t *string = json_stringn(text.p, text.len);

			(void)json_object_set_new(out, key, string != NULL ? string : json_integer((json_int_t)text.len));
		} else if (roster_id(a, field) != NULL) {
			roster_id_format(roster_id(a, field), id);
			(void)json_object_set_new(out, key, json_string(id));
		} else {
			(void)json_object_set_new(out, key, json_integer((json_int_t)roster_number(a, field)));
		}
	}
	while ((item = roster_next_item(a)) != NULL)
		if (count++ < ITEMS_SHOWN)
			(void)json_array_append_new(items, answer_json(item));
	if (count > 0)
		(void)json_object_set_new(out, "count", json_integer((json_int_t)count));
	(void)json_object_set_new(out, "items", items);
	return out;
}

static void
told(void *arg, const struct roster_answer *answer, const struct roster_error *error)
{
	const char *name = arg;

	if (error != NULL)
		say(json_pack("{s:s,s:o}", "as", name, "error", error_json(error)));
	else
		say(json_pack("{s:s,s:o,s:b,s:b}", "as", name, "answer", answer_json(answer), "last", roster_is_last(answer),
			"resumed", roster_is_resumed(answer)));
}

/* ---- What can be done ---- */

static void
log_line(void *arg, const char *line)
{
	(void)arg;
	(void)fprintf(stderr, "%s\n", line);
}

static const char *
text_of(const json_t *command, const char *member)
{
	const char *text = json_string_value(json_object_get(command, member));

	return text != NULL ? text : "";
}

static void
say_result(bool ok, const struct roster_error *error)
{
	say(ok ? json_pack("{s:b}", "ok", 1) : json_pack("{s:o}", "error", error_json(error)));
}

static void
do_open(const json_t *command)
{
	struct roster_options o = { .size = sizeof(o), .log = log_line };
	struct roster_error error;

	fill(&o, option_members, json_object_get(command, "options"));
	handle = roster_new(&o, &error);
	say_result(handle != NULL, &error);
}

static void
do_start(const json_t *command)
{
	struct roster_request q = request_of(command);
	size_t times = (size_t)json_integer_value(json_object_get(command, "times")), at = 0;
	struct roster_error error;

	for (size_t i = 0; i < (times > 0 ? times : 1); i++) {
		while (at < CALLS - 1 && calls[at].name[0] != '\0')
			at++;
		(void)snprintf(calls[at].name, sizeof(calls[at].name), "%s", text_of(command, "as"));
		calls[at].call = roster_start(handle, (enum roster_verb)json_integer_value(json_object_get(command, "verb")), &q,
			told, calls[at].name, &error);
		if (calls[at].call == 0) {
			say(json_pack("{s:s,s:o}", "refused", calls[at].name, "error", error_json(&error)));
			calls[at].name[0] = '\0';
		}
	}
	free_items(&q);
}

static void
do_cancel(const json_t *command)
{
	for (size_t i = 0; i < CALLS; i++)
		if (strcmp(calls[i].name, text_of(command, "as")) == 0)
			say(json_pack("{s:b}", "cancelled", roster_cancel(handle, calls[i].call)));
}

static bool
count_item(void *arg, const struct roster_answer *item)
{
	json_t *list = arg;

	(void)json_array_append_new(list, answer_json(item));
	return json_array_size(list) < ITEMS_SHOWN;
}

typedef int ask_fn(struct roster *, const struct roster_request *, const struct roster_answer **, struct roster_error *);
typedef int list_fn(struct roster *, const struct roster_request *, roster_item_fn *, void *, const struct roster_answer **,
	struct roster_error *);
typedef int batch_fn(struct roster *, const struct roster_request *, unsigned char *, uint64_t *, struct roster_error *);

static const struct {
	const char *name;
	ask_fn *ask;
	list_fn *list;
	batch_fn *batch;
} functions[] = {
	{ .name = "check", .ask = roster_check },
	{ .name = "is_member", .ask = roster_is_member },
	{ .name = "get", .ask = roster_get },
	{ .name = "put", .ask = roster_put },
	{ .name = "delete", .ask = roster_delete },
	{ .name = "groups_of", .list = roster_groups_of },
	{ .name = "members_of", .list = roster_members_of },
	{ .name = "permissions_of", .list = roster_permissions_of },
	{ .name = "who_can", .list = roster_who_can },
	{ .name = "orgs_of", .list = roster_orgs_of },
	{ .name = "find", .list = roster_find },
	{ .name = "stats", .list = roster_stats },
	{ .name = "check_batch", .batch = roster_check_batch },
	{ .name = "is_member_batch", .batch = roster_is_member_batch },
};

static void
say_answer(int result, const struct roster_answer *answer, json_t *items, const struct roster_error *error)
{
	if (result < 0) {
		json_decref(items);
		say(json_pack("{s:o}", "error", error_json(error)));
		return;
	}
	say(json_pack("{s:i,s:o*,s:o}", "result", result, "answer", answer != NULL ? answer_json(answer) : NULL, "told", items));
}

static void
say_batch(batch_fn *fn, const struct roster_request *q)
{
	unsigned char *codes = calloc(q->item_count + 1, 1);
	struct roster_error error;
	uint64_t revision;
	json_t *list;

	if (fn(handle, q, codes, &revision, &error) < 0) {
		say(json_pack("{s:o}", "error", error_json(&error)));
	} else {
		list = json_array();
		for (size_t i = 0; i < q->item_count; i++)
			(void)json_array_append_new(list, json_integer(codes[i]));
		say(json_pack("{s:o,s:I}", "codes", list, "revision", (json_int_t)revision));
	}
	free(codes);
}

static void
do_call(const json_t *command)
{
	struct roster_request q = request_of(command);
	const struct roster_answer *answer = NULL;
	json_t *items = json_array();
	struct roster_error error;

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (strcmp(functions[i].name, text_of(command, "fn")) != 0)
			continue;
		if (functions[i].batch != NULL) {
			json_decref(items);
			say_batch(functions[i].batch, &q);
		} else if (functions[i].list != NULL) {
			int result = functions[i].list(handle, &q, count_item, items, &answer, &error);

			say_answer(result, answer, items, &error);
		} else {
			int result = functions[i].ask(handle, &q, &answer, &error);

			say_answer(result, answer, items, &error);
		}
	}
	free_items(&q);
}

static void
do_ping(const json_t *command)
{
	struct roster_error error;

	say_result(roster_ping(handle, (int)json_integer_value(json_object_get(command, "timeout_ms")), &error) == 0, &error);
}

static void
do_token(const json_t *command)
{
	struct roster_error error = { .name = "too long" };

	say_result(roster_set_token(handle, text_of(command, "token")), &error);
}

/* ---- sync ---- */

static void
do_sync(const json_t *command)
{
	struct roster_request q = request_of(command);
	uint64_t sync = (uint64_t)json_integer_value(json_object_get(command, "sync")), count = 0;
	const struct roster_answer *answer = NULL;
	const char *step = text_of(command, "step");
	json_t *items = json_array();
	struct roster_error error;
	int result = -2;

	if (strcmp(step, "begin") == 0)
		result = roster_sync_begin(handle, &q, &sync, &error);
	else if (strcmp(step, "records") == 0)
		result = roster_sync_records(handle, sync, text_of(command, "data"), strlen(text_of(command, "data")), &count, &error);
	else if (strcmp(step, "plan") == 0)
		result = roster_sync_plan(handle, sync, 3, 0, count_item, items, &answer, &error);
	else if (strcmp(step, "commit") == 0)
		result = roster_sync_commit(handle, sync, 0, count_item, items, &answer, &error);
	else if (strcmp(step, "abort") == 0)
		result = roster_sync_abort(handle, sync, &error);
	if (result < 0)
		say(json_pack("{s:o}", "error", error_json(&error)));
	else
		say(json_pack("{s:I,s:I,s:O}", "sync", (json_int_t)sync, "count", (json_int_t)count, "told", items));
	json_decref(items);
}

/* ---- The mirror ---- */

static void
mirror_changed(void *arg, uint64_t revision, const struct roster_error *error)
{
	(void)arg;
	if (error != NULL)
		say(json_pack("{s:o}", "mirror", error_json(error)));
	else
		say(json_pack("{s:I}", "mirror", (json_int_t)revision));
}

static void
do_mirror(const json_t *command)
{
	struct roster_mirror_options o = { .size = sizeof(o), .changed = mirror_changed };
	const json_t *list = json_object_get(json_object_get(command, "options"), "permissions");
	struct roster_request permissions[8];
	struct roster_error error;

	fill(&o, mirror_members, json_object_get(command, "options"));
	for (size_t i = 0; i < json_array_size(list); i++) {
		permissions[i] = (struct roster_request){ .size = sizeof(permissions[i]) };
		fill(&permissions[i], request_members, json_array_get(list, i));
	}
	o.permissions = permissions;
	o.permission_count = json_array_size(list);
	mirror = roster_mirror_new(handle, &o, &error);
	say_result(mirror != NULL, &error);
}

/* Waits, too, with `revision` and `timeout_ms`. */
static void
do_mirror_state(const json_t *command)
{
	struct roster_mirror_state s;
	bool there = true;

	if (json_object_get(command, "timeout_ms") != NULL)
		there = roster_mirror_wait(mirror, (uint64_t)json_integer_value(json_object_get(command, "revision")),
			(int)json_integer_value(json_object_get(command, "timeout_ms")));
	roster_mirror_state(mirror, &s);
	say(json_pack("{s:b,s:b,s:I,s:I,s:I,s:I,s:I}", "there", there, "ready", s.ready, "revision", (json_int_t)s.revision,
		"stale_ms", (json_int_t)(s.stale_ms & INT64_MAX), "users", (json_int_t)s.users, "groups", (json_int_t)s.groups,
		"memberships", (json_int_t)s.memberships));
}

/* Pairs of subject and group, or members and the number of a permission. */
static void
do_mirror_ask(const json_t *command)
{
	const json_t *pairs = json_object_get(command, "pairs"), *number = json_object_get(command, "number");
	bool direct = json_is_true(json_object_get(command, "direct"));
	json_t *out = json_array();

	for (size_t i = 0; i < json_array_size(pairs); i++) {
		const json_t *pair = json_array_get(pairs, i);
		const struct roster_id *who = an_id(json_string_value(json_array_get(pair, 0)));
		int is = number != NULL ? roster_mirror_check(mirror, (size_t)json_integer_value(number), who) :
					  roster_mirror_is_member(mirror, who, an_id(json_string_value(json_array_get(pair, 1))), direct);

		(void)json_array_append_new(out, json_integer(is));
	}
	say(json_pack("{s:o}", "are", out));
}

static void
do_close(const json_t *command)
{
	(void)command;
	roster_mirror_free(mirror);
	mirror = NULL;
	roster_free(handle);
	handle = NULL;
	say(json_pack("{s:b}", "ok", 1));
}

static void
do_pending(const json_t *command)
{
	(void)command;
	say(json_pack("{s:I,s:b}", "pending", (json_int_t)roster_pending(handle), "connected", roster_is_connected(handle)));
}

static const struct {
	const char *name;
	void (*run)(const json_t *command);
} commands[] = {
	{ "open", do_open },
	{ "close", do_close },
	{ "start", do_start },
	{ "cancel", do_cancel },
	{ "call", do_call },
	{ "ping", do_ping },
	{ "token", do_token },
	{ "sync", do_sync },
	{ "mirror", do_mirror },
	{ "mirror_state", do_mirror_state },
	{ "mirror_ask", do_mirror_ask },
	{ "pending", do_pending },
};

static void
run_line(const char *line)
{
	json_t *command = json_loads(line, 0, NULL);

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, text_of(command, "do")) == 0)
			commands[i].run(command);
	json_decref(command);
}

/* Whole lines from standard input, as they come; false at its end. */
static bool
take_lines(void)
{
	static char in[4 << 20];
	static size_t len;
	ssize_t n = read(STDIN_FILENO, in + len, sizeof(in) - 1 - len);
	char *end;

	if (n <= 0)
		return false;
	len += (size_t)n;
	in[len] = '\0';
	while ((end = strchr(in, '\n')) != NULL) {
		*end = '\0';
		run_line(in);
		len -= (size_t)(end + 1 - in);
		memmove(in, end + 1, len + 1);
	}
	return true;
}

int
main(void)
{
	for (;;) {
		struct pollfd p[] = { { STDIN_FILENO, POLLIN, 0 }, { handle != NULL ? roster_fd(handle) : -1, POLLIN, 0 } };

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return 1;
		if (p[0].revents != 0 && !take_lines())
			break;
		if (p[1].revents != 0 && handle != NULL)
			roster_handle(handle);
	}
	roster_mirror_free(mirror);
	roster_free(handle);
	return 0;
}
