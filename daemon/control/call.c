#include "daemon/control/call.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "schema/text.h"

#include "base/banned.h"

json_t *
json_time(int64_t ticks)
{
	char text[DATETIME_MAX];

	return ticks == 0 ? json_null() : json_stringn(text, datetime_format(ticks, text));
}

enum rc
call_text(const struct call *c, const char *name, bool required, struct slice *out, struct err *err)
{
	const json_t *v = json_object_get(c->args, name);

	*out = SLICE("");
	if (v == NULL && !required)
		return RC_OK;
	if (v == NULL)
		return fail(err, RC_INVALID_VALUE, name, "%s is missing", name);
	if (!json_is_string(v))
		return fail(err, RC_INVALID_VALUE, name, "%s must be a text", name);
	*out = (struct slice){ json_string_value(v), json_string_length(v) };
	return RC_OK;
}

bool
call_flag(const struct call *c, const char *name)
{
	return json_is_true(json_object_get(c->args, name));
}

/* ---- Answers ---- */

static void
send_frame(struct call *c, enum frame_type type, uint8_t flags, struct slice payload)
{
	char head[FRAME_HEAD];
	struct iovec iov[2] = { { head, sizeof(head) },
		{ (void *)(uintptr_t)payload.p, payload.len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	frame_head(head, (uint8_t)type, flags, c->id, payload.len);
	while (!c->gone && iov[0].iov_len + iov[1].iov_len > 0) {
		ssize_t n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			c->gone = true;
			return;
		}
		for (size_t i = 0; i < 2; i++) {
			size_t step = (size_t)n < iov[i].iov_len ? (size_t)n : iov[i].iov_len;

			iov[i].iov_base = (char *)iov[i].iov_base + step;
			iov[i].iov_len -= step;
			n -= (ssize_t)step;
		}
	}
}

static void
send_json(struct call *c, enum frame_type type, uint8_t flags, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);

	send_frame(c, type, flags, text != NULL ? slice_of(text) : SLICE("{}"));
	if (text != NULL) {
		explicit_bzero(text, strlen(text)); /* it may hold a token */
		free(text);
	}
	json_decref(json);
}

void
call_part(struct call *c, json_t *part)
{
	send_json(c, FRAME_PART, 0, part);
}

void
call_data(struct call *c, struct slice data)
{
	while (data.len > 0) {
		size_t n = data.len < FRAME_PAYLOAD_MAX ? data.len : FRAME_PAYLOAD_MAX;

		send_frame(c, FRAME_DATA, 0, (struct slice){ data.p, n });
		data = slice_from(data, n);
	}
}

void
call_progress(struct call *c, uint64_t done, uint64_t total)
{
	enum { EVERY = 1000000 /* 0.1 s in ticks */ };
	int64_t now = clock_ticks();

	if (now >= c->told && now - c->told < EVERY)
		return;
	c->told = now;
	send_json(c, FRAME_PROGRESS, 0,
		json_pack("{s:I, s:I}", "done", (json_int_t)done, "total", (json_int_t)total));
}

static void
call_end(struct call *c, enum rc rc, const struct err *err)
{
	if (rc == RC_OK) {
		send_json(c, FRAME_PART, FRAME_LAST, c->result != NULL ? c->result : json_object());
	} else {
		if (c->result != NULL)
			json_decref(c->result);
		send_json(c, FRAME_PART, FRAME_LAST | FRAME_ERROR,
			json_pack("{s:s, s:s, s:s}", "error", rc_name(rc), "path", err->path,
				"detail", err->detail));
	}
	c->result = NULL;
}

/* ---- Requests ---- */

/* Reads until a whole frame is there. false: the peer is gone or sent nonsense. */
static bool
read_frame(int fd, struct buf *in, size_t *taken, struct frame *f)
{
	for (;;) {
		struct slice seen = slice_from(buf_as_slice(in), *taken);
		size_t used;
		ssize_t n;

		if (in->p != NULL) {
			enum frame_result r = frame_decode(seen, f, &used);

			if (r == FRAME_BAD)
				return false;
			if (r == FRAME_OK) {
				*taken += used;
				return true;
			}
		} else {
			used = FRAME_HEAD;
		}
		if (*taken > 0) {
			buf_drain(in, *taken);
			*taken = 0;
		}
		if (used < (64 << 10))
			used = 64 << 10;
		n = recv(fd, buf_reserve(in, used), used, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		in->len += (size_t)n;
	}
}

enum rc
call_read(struct call *c, struct slice *data, bool *last, struct err *err)
{
	struct frame f;

	*data = SLICE("");
	*last = c->input_ended;
	if (c->input_ended)
		return RC_OK;
	if (c->gone || !read_frame(c->fd, c->in, c->taken, &f) || f.type != FRAME_DATA ||
		f.id != c->id) {
		c->gone = c->gone || f.type != FRAME_STOP;
		c->input_ended = true;
		return fail(err, RC_UNAVAILABLE, "", "the client ended the command");
	}
	*data = f.payload;
	*last = c->input_ended = (f.flags & FRAME_LAST) != 0;
	return RC_OK;
}

static const struct command *
command_find(struct slice name)
{
	for (size_t i = 0; i < control_command_count; i++)
		if (slice_eq(name, slice_of(control_commands[i].name)))
			return &control_commands[i];
	return NULL;
}

static enum rc
call_run(struct call *c, struct slice payload, struct err *err)
{
	json_error_t parse;
	json_t *request = json_loadb(payload.p, payload.len, JSON_REJECT_DUPLICATES, &parse);
	const struct command *command;
	struct slice name;
	enum rc rc;

	if (!json_is_object(request)) {
		json_decref(request);
		return fail(err, RC_INVALID_SYNTAX, "", "the request is no JSON object");
	}
	c->args = request;
	if ((rc = call_text(c, "command", true, &name, err)) != RC_OK)
		;
	else if ((command = command_find(name)) == NULL)
		rc = fail(err, RC_NOT_IMPLEMENTED, "command", "there is no command \"%.*s\"",
			name.len > 60 ? 60 : (int)name.len, name.p);
	else if (command->need == NEEDS_NOTHING || c->options->store != NULL ||
		 (rc = c->options->open(c->options, command->need, c->options->arg, err)) == RC_OK)
		rc = command->run(c, err);
	json_decref(request);
	return rc;
}

static void
serve(struct control_options *options, int fd)
{
	struct arena *arena = arena_new();
	struct buf in = BUF_INIT;
	size_t taken = 0;
	struct frame f;

	while (read_frame(fd, &in, &taken, &f) && f.type == FRAME_REQUEST) {
		struct call c = { .options = options,
			.arena = arena,
			.fd = fd,
			.id = f.id,
			.in = &in,
			.taken = &taken,
			.input_ended = (f.flags & FRAME_LAST) != 0 };
		struct err err = ERR_INIT;
		enum rc rc = call_run(&c, f.payload, &err);

		call_end(&c, rc, &err);
		/* What the client still sends for a command that failed has nobody to read it. */
		while (!c.gone && !c.input_ended && read_frame(fd, &in, &taken, &f))
			c.input_ended = f.type == FRAME_STOP ||
					(f.type == FRAME_DATA && (f.flags & FRAME_LAST) != 0);
		arena_clear(arena);
		if (c.gone || !c.input_ended)
			break;
	}
	buf_release(&in);
	arena_free(arena);
}

void
control_serve(const struct control_options *options, int fd)
{
	struct control_options own = *options;

	serve(&own, fd);
}

const struct command control_commands[] = {
	{ "status", command_status, NEEDS_STORE },
	{ "reload", command_reload, NEEDS_NOTHING },
	{ "export", command_export, NEEDS_STORE },
	{ "import", command_import, NEEDS_STORE },
	{ "sync", command_sync, NEEDS_STORE },
	{ "backup", command_backup, NEEDS_STORE },
	{ "restore", command_restore, NEEDS_DIRECTORY },
	{ "verify", command_verify, NEEDS_STORE },
	{ "audit list", command_audit_list, NEEDS_STORE },
	{ "audit export", command_audit_export, NEEDS_STORE },
	{ "audit head", command_audit_head, NEEDS_STORE },
	{ "audit verify", command_audit_verify, NEEDS_STORE },
	{ "org create", command_org_create, NEEDS_OR_MAKES_STORE },
	{ "org list", command_org_list, NEEDS_STORE },
	{ "org show", command_org_show, NEEDS_STORE },
	{ "org suspend", command_org_suspend, NEEDS_STORE },
	{ "org resume", command_org_resume, NEEDS_STORE },
	{ "org migrate-model", command_org_migrate_model, NEEDS_STORE },
	{ "org rename", command_org_rename, NEEDS_STORE },
	{ "org delete", command_org_delete, NEEDS_STORE },
	{ "org restore", command_org_restore, NEEDS_STORE },
	{ "person create", command_person_create, NEEDS_OR_MAKES_STORE },
	{ "person list", command_person_list, NEEDS_STORE },
	{ "person show", command_person_show, NEEDS_STORE },
	{ "person token", command_person_token, NEEDS_STORE },
	{ "person delete", command_person_delete, NEEDS_STORE },
	{ "connection create", command_connection_create, NEEDS_STORE },
	{ "connection list", command_connection_list, NEEDS_STORE },
	{ "connection delete", command_connection_delete, NEEDS_STORE },
	{ "connection release", command_connection_release, NEEDS_STORE },
	{ "connection set-dialect", command_connection_set_dialect, NEEDS_STORE },
	{ "token create", command_token_create, NEEDS_OR_MAKES_STORE },
	{ "token add", command_token_add, NEEDS_STORE },
	{ "token list", command_token_list, NEEDS_STORE },
	{ "token rotate", command_token_rotate, NEEDS_STORE },
	{ "token revoke", command_token_revoke, NEEDS_STORE },
	{ "outbox list", command_outbox_list, NEEDS_STORE },
	{ "outbox retry", command_outbox_retry, NEEDS_STORE },
	{ "outbox drop", command_outbox_drop, NEEDS_STORE },
	{ "outbox test", command_outbox_test, NEEDS_STORE },
};
const size_t control_command_count = sizeof(control_commands) / sizeof(control_commands[0]);
