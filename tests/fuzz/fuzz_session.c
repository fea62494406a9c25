/* Whole sessions of the binary door, two at a time on one worker: an input is a row of steps (below), which send bytes and frames, cut as it
 * says, let the loop, the pool and the committer run, read or don't, end connections, and change the store meanwhile.
 *
 * Whatever comes, each frame of an answer is well-formed, no answer comes twice, none fails with INTERNAL, and nobody is told of an org that their
 * token does not open. At the end nothing is left of the sessions and the store is whole. With FUZZ_SHOW in the environment each answer is told. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <unistr.h>

#include "daemon/session.h"
#include "protocol/roster.h"
#include "tests/fuzz/stage.h"

enum {
	CLIENTS = 2,
	SENT_MAX = 13 << 20, /* bytes of all that one input sends */
	PUSH_TURNS = 1000,
	LAST_TURNS = 10000,  /* in which what is left to do must come to its end */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct client {
	int fd; /* -1: none */
	struct buf out, in;
	bool others; /* may be told of the org "others" */
	uint64_t sync;
	struct buf cursor;
	int owed[256]; /* by id: requests less last frames; of ids beyond, together in 255 */
};

struct run {
	const uint8_t *p, *end;
	struct client clients[CLIENTS];
	size_t sent;
	bool secret_said; /* by the input itself */
};

static void
must(bool holds, const char *what)
{
	if (holds)
		return;
	(void)fprintf(stderr, "%s\n", what);
	abort();
}

/* ---- What comes back ---- */

static bool
holds(struct slice s, struct slice what)
{
	return memmem(s.p, s.len, what.p, what.len) != NULL;
}

/* All fields of bytes are texts, but these. */
static void
look_at_texts(const struct fields *f)
{
	for (unsigned n = 0; n < FIELD_NUMBERS; n++)
		if (fields_has(f, n) && roster_answer_fields[n].kind == FIELD_BYTES && n != OUT_CURSOR && n != OUT_ANSWERS &&
			n != OUT_DATA && n != OUT_ITEM)
			must(u8_check((const uint8_t *)f->at[n].bytes.p, f->at[n].bytes.len) == NULL, "a text is not UTF-8");
}

static void
look_at_fields(const struct fields *f, struct slice payload)
{
	struct slice item;
	struct fields of_item;

	look_at_texts(f);
	while (fields_next(&payload, OUT_ITEM, &item)) {
		must(fields_read_answer(roster_answer_fields, item, &of_item), "an item is malformed");
		look_at_texts(&of_item);
	}
}

static void
look_at_error(const struct fields *f, uint8_t flags)
{
	must((flags & FRAME_LAST) != 0, "an error that is not the last word");
	must(fields_number(f, OUT_STATUS) >= 400 && fields_number(f, OUT_STATUS) != 500, "an error without a status, or INTERNAL");
	must(fields_bytes(f, OUT_ERROR).len > 0 && fields_bytes(f, OUT_MESSAGE).len > 0, "an error without words");
}

static int *
owed(struct client *c, uint32_t id)
{
	return &c->owed[id < 255 ? id : 255];
}

static void
show(const struct frame_head *head, struct slice payload, const struct fields *f)
{
	static int wanted = -1;
	const char *name = roster_type_name(head->type);

	if (wanted < 0)
		wanted = getenv("FUZZ_SHOW") != NULL;
	if (wanted != 0)
		(void)fprintf(stderr, "< %s %u flags %u, %zu bytes %.*s\n", name != NULL ? name : "?", head->id, head->flags,
			payload.len, SLICE_ARG(fields_bytes(f, OUT_MESSAGE)));
}

static void
take_answer(const struct run *r, struct client *c, const struct frame_head *head, struct slice payload)
{
	struct fields f;

	must(fields_read_answer(roster_answer_fields, payload, &f), "an answer is malformed");
	show(head, payload, &f);
	must((head->flags & ~(unsigned)(FRAME_LAST | FRAME_ERROR)) == 0, "an unknown flag");
	must(r->secret_said || c->others || !holds(payload, SLICE(STAGE_SECRET)), "another org's name");
	must(*owed(c, head->id) > 0 || head->type == 0, "an answer that nobody asked for");
	*owed(c, head->id) -= (head->flags & FRAME_LAST) != 0;
	look_at_fields(&f, payload);
	if ((head->flags & FRAME_ERROR) != 0)
		look_at_error(&f, head->flags);
	if (fields_has(&f, OUT_SYNC))
		c->sync = fields_number(&f, OUT_SYNC);
	if (fields_has(&f, OUT_CURSOR)) {
		buf_clear(&c->cursor);
		buf_slice(&c->cursor, fields_bytes(&f, OUT_CURSOR));
	}
}

static void
take_answers(const struct run *r, struct client *c)
{
	struct slice rest = buf_as_slice(&c->in);
	struct frame_head head;

	while (rest.len >= FRAME_HEAD) {
		must(frame_head_read(rest.p, &head), "the server's framing is lost");
		must(head.len <= ROSTER_PAYLOAD_MAX, "an answer is too long");
		if (rest.len - FRAME_HEAD < head.len)
			break;
		take_answer(r, c, &head, (struct slice){ rest.p + FRAME_HEAD, head.len });
		rest = slice_from(rest, FRAME_HEAD + (size_t)head.len);
	}
	buf_drain(&c->in, c->in.len - rest.len);
}

/* At most some bytes; false: there were none. */
static bool
client_read(const struct run *r, struct client *c, size_t max)
{
	bool any = false;

	while (max > 0 && c->fd >= 0) {
		size_t step = max < 65536 ? max : 65536;
		ssize_t n = recv(c->fd, buf_reserve(&c->in, step), step, MSG_DONTWAIT);

		if (n <= 0)
			break;
		c->in.len += (size_t)n;
		max -= (size_t)n;
		any = true;
	}
	take_answers(r, c);
	return any;
}

/* ---- What is sent ---- */

static void
client_close(struct client *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
	buf_release(&c->in);
	buf_release(&c->out);
	buf_release(&c->cursor);
	*c = (struct client){ .fd = -1 };
}

static void
client_open(struct client *c)
{
	int fds[2];

	if (c->fd >= 0)
		return;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
		abort();
	c->fd = fds[0];
	(void)atomic_fetch_add(&stage_worker()->server->connections, 1);
	session_new(stage_worker(), fds[1], NULL, "192.0.2.1:4711");
}

/* What the socket takes; the rest waits for another step. */
static void
client_send(struct client *c)
{
	ssize_t n;

	while (c->fd >= 0 && c->out.len > 0 && (n = send(c->fd, c->out.p, c->out.len, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
		buf_drain(&c->out, (size_t)n);
}

/* Whatever bytes are sent, they may be a request with any id. */
static void
owe_all(struct client *c, size_t bytes)
{
	for (int i = 0; i < 256; i++)
		c->owed[i] += (int)(bytes / FRAME_HEAD) + 1;
}

static unsigned
byte(struct run *r)
{
	return r->p < r->end ? *r->p++ : 0;
}

static struct slice
bytes(struct run *r, size_t n)
{
	size_t left = (size_t)(r->end - r->p);
	struct slice s = { (const char *)r->p, n < left ? n : left };

	r->p += s.len;
	return s;
}

static bool
may_send(struct run *r, size_t n)
{
	if (r->sent + n > SENT_MAX)
		return false;
	r->sent += n;
	return true;
}

/* ---- Steps: a byte (number, client, more), then what each says ---- */

typedef void step(struct run *r, struct client *c, unsigned more);

static void
step_raw(struct run *r, struct client *c, unsigned more)
{
	struct slice s = bytes(r, byte(r));

	(void)more;
	client_open(c);
	if (!may_send(r, s.len))
		return;
	owe_all(c, c->out.len + s.len + FRAME_HEAD);
	buf_slice(&c->out, s);
	client_send(c);
}

static void
frame_end(struct client *c, size_t began, uint8_t type, uint32_t id)
{
	roster_frame_end(&c->out, began, type, FRAME_LAST, id);
	++*owed(c, id);
	client_send(c);
}

/* more 1: with the cursor that came last, 2: with the number of the sync. */
static void
step_frame(struct run *r, struct client *c, unsigned more)
{
	uint8_t type = (uint8_t)byte(r);
	uint32_t id = byte(r);
	size_t n = byte(r), began;
	struct slice payload;

	if (more >= 4)
		n += 256 * (size_t)byte(r);
	payload = bytes(r, n);
	client_open(c);
	if (!may_send(r, payload.len + 64))
		return;
	began = roster_frame_begin(&c->out);
	buf_slice(&c->out, payload);
	if ((more & 1) != 0)
		put_bytes(&c->out, IN_CURSOR, buf_as_slice(&c->cursor));
	if ((more & 2) != 0)
		put_number(&c->out, IN_SYNC, c->sync);
	frame_end(c, began, type, id);
}

/* A frame with the same bytes over and over; more 1: as one value of a field. */
static void
step_long(struct run *r, struct client *c, unsigned more)
{
	uint8_t type = (uint8_t)byte(r);
	uint32_t id = byte(r);
	size_t count = (byte(r) + 1) * (size_t)(1 << 3 * (more >> 1)), began, field = 0;
	unsigned number = byte(r) % FIELD_NUMBERS;
	struct slice item = bytes(r, byte(r));

	client_open(c);
	if (!may_send(r, item.len * count) || item.len * count > ROSTER_PAYLOAD_MAX)
		return;
	began = roster_frame_begin(&c->out);
	if (type >= ASK_SYNC_BEGIN && type <= ASK_SYNC_ABORT)
		put_number(&c->out, IN_SYNC, c->sync);
	if ((more & 1) != 0)
		field = put_item_begin(&c->out, number);
	for (size_t i = 0; i < count; i++)
		buf_slice(&c->out, item);
	if ((more & 1) != 0)
		put_item_end(&c->out, field);
	frame_end(c, began, type, id);
}

static void
step_hello(struct run *r, struct client *c, unsigned more)
{
	enum stage_token token = (enum stage_token)(more % STAGE_TOKENS);
	uint32_t id = byte(r);
	size_t began;

	client_open(c);
	c->others |= token == STAGE_PERSON || token == STAGE_OPERATOR || token == STAGE_OTHER;
	began = roster_frame_begin(&c->out);
	put_number(&c->out, IN_VERSION, ROSTER_VERSION);
	put_bytes(&c->out, IN_TOKEN, slice_of(stage_token(token)));
	frame_end(c, began, ASK_HELLO, id);
}

static void
step_turn(struct run *r, struct client *c, unsigned more)
{
	(void)r;
	for (unsigned i = 0; i <= more; i++) {
		client_send(c);
		stage_turn();
	}
}

/* Until all is sent that waits to be, if it can be. */
static void
step_push(struct run *r, struct client *c, unsigned more)
{
	(void)r, (void)more;
	for (int n = 0; n < PUSH_TURNS && c->out.len > 0; n++) {
		client_send(c);
		stage_turn();
	}
}

static void
step_pool(struct run *r, struct client *c, unsigned more)
{
	(void)r, (void)c;
	(void)stage_pool(more + 1);
}

static void
step_commit(struct run *r, struct client *c, unsigned more)
{
	(void)r, (void)c;
	(void)stage_commit(more + 1);
}

static void
step_read(struct run *r, struct client *c, unsigned more)
{
	(void)client_read(r, c, more == 0 ? SIZE_MAX : (size_t)64 << 2 * more);
}

/* A second, or with more 7 an hour and more. */
static void
step_time(struct run *r, struct client *c, unsigned more)
{
	struct worker *w = stage_worker();

	(void)r, (void)c;
	worker_clock(w);
	if (more == 7)
		w->now_us += INT64_C(4000) * 1000000;
	for (size_t i = w->session_count; i > 0; i--)
		session_check(w->sessions[i - 1]);
	worker_clock(w);
}

static void
step_shut(struct run *r, struct client *c, unsigned more)
{
	(void)r, (void)more;
	if (c->fd >= 0)
		(void)shutdown(c->fd, SHUT_WR);
}

static void
step_close(struct run *r, struct client *c, unsigned more)
{
	(void)r, (void)more;
	client_close(c);
}

static void
step_change(struct run *r, struct client *c, unsigned more)
{
	(void)c, (void)more;
	stage_change(byte(r));
}

static void
step_drain(struct run *r, struct client *c, unsigned more)
{
	struct worker *w = stage_worker();

	(void)r, (void)c, (void)more;
	worker_clock(w);
	w->draining = true;
	for (size_t i = w->session_count; i > 0; i--)
		session_drain(w->sessions[i - 1]);
}

static step *const steps[16] = { step_raw, step_frame, step_long, step_hello, step_turn, step_pool, step_commit, step_read,
	step_time, step_shut, step_close, step_change, step_drain, step_frame, step_frame, step_push };

/* ---- The end ---- */

/* All that was asked comes to its end, and is read. */
static void
finish(struct run *r)
{
	for (unsigned n = 0, idle = 0; idle < 3; n++) {
		bool any = stage_pool(UINT32_MAX) + stage_commit(UINT32_MAX) > 0;

		must(n < LAST_TURNS, "there is no end");
		for (int i = 0; i < CLIENTS; i++) {
			client_send(&r->clients[i]);
			any |= client_read(r, &r->clients[i], SIZE_MAX);
		}
		stage_turn();
		idle = any ? 0 : idle + 1;
	}
}

static void
end(struct run *r, bool in_peace)
{
	struct worker *w = stage_worker();

	if (in_peace)
		finish(r);
	for (int i = 0; i < CLIENTS; i++)
		client_close(&r->clients[i]);
	for (int n = 0; n < LAST_TURNS && w->session_count > 0; n++) {
		stage_turn();
		(void)(stage_pool(1) + stage_commit(1));
	}
	while (w->session_count > 0) /* what waits for jobs that never come, as when the daemon stops */
		session_free(w->sessions[0]);
	while (stage_pool(1) + stage_commit(1) > 0)
		stage_turn();
	while (w->posted.n > 0 || w->running_at < w->running.n)
		stage_turn();
	must(w->orphans == NULL, "a task is left");
	must(atomic_load(&w->server->connections) == 0, "a connection is counted that is gone");
	w->draining = false;
	stage_reset();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run r = { .p = data, .end = data + size, .clients = { { .fd = -1 }, { .fd = -1 } } };
	bool in_peace;

	(void)stage_worker();
	r.secret_said = memmem(data, size, STAGE_SECRET, strlen(STAGE_SECRET)) != NULL;
	in_peace = (byte(&r) & 1) == 0;
	while (r.p < r.end) {
		unsigned what = byte(&r);

		steps[what & 15](&r, &r.clients[what >> 4 & 1], what >> 5);
	}
	end(&r, in_peace);
	return 0;
}
