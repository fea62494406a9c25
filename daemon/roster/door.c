#include "daemon/roster/message.h"

#include <stdlib.h>
#include <unistr.h>

#include "base/log.h"
#include "daemon/clock.h"
#include "daemon/exchange.h"
#include "daemon/roster/effects.h"
#include "daemon/roster/wake.h"

#include "base/banned.h"

enum { HELLO_MAX = 8 << 10 };

/* ---- The verbs ---- */

static const struct {
	verb_run *run;
	enum verb_needs needs;
	bool quick; /* some microseconds at most */
	uint64_t lists; /* fields that it takes more than once */
} verbs[UINT8_MAX + 1] = {
	[ASK_HELLO] = { hello_run, NEEDS_NOBODY, false, 0 },
	[ASK_PING] = { ping_run, NEEDS_HELLO, true, 0 },
	[ASK_CANCEL] = { cancel_run, NEEDS_HELLO, true, 0 },
	[ASK_STATS] = { stats_run, NEEDS_HELLO, false, 0 },
	[ASK_CHECK] = { check_run, NEEDS_ORG, true, 0 },
	[ASK_CHECK_BATCH] = { batch_run, NEEDS_ORG, false, BIT(IN_ITEM) },
	[ASK_IS_MEMBER] = { is_member_run, NEEDS_ORG, true, 0 },
	[ASK_IS_MEMBER_BATCH] = { batch_run, NEEDS_ORG, false, BIT(IN_ITEM) },
	[ASK_WATCH] = { watch_run, NEEDS_ORG, false, BIT(IN_GROUP_ID) },
	[ASK_GROUPS_OF] = { groups_of_run, NEEDS_ORG, false, 0 },
	[ASK_MEMBERS_OF] = { members_of_run, NEEDS_ORG, false, 0 },
	[ASK_PERMISSIONS_OF] = { permissions_of_run, NEEDS_ORG, false, 0 },
	[ASK_WHO_CAN] = { who_can_run, NEEDS_ORG, false, 0 },
	[ASK_ORGS_OF] = { orgs_of_run, NEEDS_HELLO, false, 0 },
	[ASK_GET] = { get_run, NEEDS_ORG, false, 0 },
	[ASK_FIND] = { find_run, NEEDS_ORG, false, 0 },
	[ASK_PUT] = { put_run, NEEDS_ORG, false, 0 },
	[ASK_DELETE] = { delete_run, NEEDS_ORG, false, 0 },
	[ASK_SYNC_BEGIN] = { sync_begin_run, NEEDS_ORG, false, 0 },
	[ASK_SYNC_RECORDS] = { sync_records_run, NEEDS_ORG, false, 0 },
	[ASK_SYNC_PLAN] = { sync_plan_run, NEEDS_ORG, false, 0 },
	[ASK_SYNC_COMMIT] = { sync_commit_run, NEEDS_ORG, false, 0 },
	[ASK_SYNC_ABORT] = { sync_abort_run, NEEDS_ORG, false, 0 },
};

/* ---- Answers ---- */

size_t
answer_begin(struct message *m)
{
	return roster_frame_begin(m->out);
}

void
answer_end(struct message *m, size_t began, unsigned flags)
{
	roster_frame_end(m->out, began, m->type, (uint8_t)flags, m->id);
}

void
answer_error(struct message *m, enum rc rc, const struct err *err)
{
	size_t began = answer_begin(m);

	put_number(m->out, OUT_STATUS, (uint64_t)rc_status(rc));
	put_bytes(m->out, OUT_ERROR, slice_of(rc_name(rc)));
	put_bytes(m->out, OUT_MESSAGE, slice_of(err->detail));
	if (err->path[0] != '\0')
		put_bytes(m->out, OUT_FIELD, slice_of(err->path));
	if (m->retry_after > 0)
		put_number(m->out, OUT_RETRY_AFTER, m->retry_after);
	if (rc == RC_RESYNC)
		put_number(m->out, OUT_REVISION, m->revision);
	answer_end(m, began, FRAME_LAST | FRAME_ERROR);
}

/* ---- One message ---- */

#define X(number, name, text, kind, list) | (FIELD_##kind == FIELD_BYTES ? BIT(number) : 0)
/* A resource is looked at where its JSON is read. */
static const uint64_t texts =
	(0 ROSTER_REQUEST_FIELDS(X)) & ~(BIT(IN_ITEM) | BIT(IN_CURSOR) | BIT(IN_DATA) | BIT(IN_RESOURCE));
#undef X

static bool
is_text(struct slice s)
{
	uint64_t seen = 0, word;
	size_t i = 0;

	for (; i + sizeof(word) <= s.len; i += sizeof(word)) {
		memcpy(&word, s.p + i, sizeof(word));
		seen |= word;
	}
	for (; i < s.len; i++)
		seen |= (unsigned char)s.p[i];
	return (seen & UINT64_C(0x8080808080808080)) == 0 || u8_check((const uint8_t *)s.p, s.len) == NULL;
}

/* Texts go into names that are compared, into logs and back into answers: all behind this door take them for UTF-8. */
enum rc
message_fields(struct slice payload, uint64_t lists, struct fields *out, struct err *err)
{
	enum rc rc = fields_read(roster_request_fields, payload, lists, out, err);

	for (uint64_t left = rc == RC_OK ? out->present & texts : 0; left != 0; left &= left - 1) {
		unsigned n = (unsigned)__builtin_ctzll(left);

		if (!is_text(out->at[n].bytes))
			return fail(err, RC_BAD_REQUEST, roster_request_fields[n].name, "is not UTF-8");
	}
	return rc;
}

static void
message_init(struct message *m, struct session *s, struct peer *p, const struct frame_head *head, struct buf *out)
{
	m->roster = p->roster;
	m->worker = &p->roster->workers[worker_index(session_worker(s))];
	m->session = s;
	m->peer = p;
	m->type = head->type;
	m->id = head->id;
	m->arena = m->worker->arena;
	m->out = out;
	/* Not all of it at once: the slots of the fields are a kilobyte, and only those that are present are looked at. */
	m->payload = (struct slice){ NULL, 0 };
	m->in.present = 0;
	m->caller = NULL;
	m->o = NULL;
	m->revision = 0;
	m->recall = NULL;
	m->retry_after = 0;
}

static enum rc
message_read_head(struct message *m, const struct frame_head *head, struct err *err)
{
	if (verbs[head->type].run == NULL)
		return fail(err, RC_UNKNOWN_TYPE, "", "this server knows no frame of type %u%s%s", head->type,
			roster_type_name(head->type) != NULL ? ", " : "",
			roster_type_name(head->type) != NULL ? roster_type_name(head->type) : "");
	if (head->flags != FRAME_LAST)
		return fail(err, RC_BAD_REQUEST, "", "a request is one frame with the flag \"last\" alone");
	if (session_task_find(m->session, head->id) != NULL)
		return fail(err, RC_BAD_REQUEST, "", "a request with the id %u is under way", head->id);
	return message_fields(m->payload, verbs[head->type].lists, &m->in, err);
}

static enum rc
message_run(struct message *m, const struct frame_head *head, struct err *err)
{
	enum verb_needs needs = verbs[head->type].needs;
	enum rc rc = message_read_head(m, head, err);

	if (rc != RC_OK)
		return rc;
	if (needs != NEEDS_NOBODY && !m->peer->welcome)
		return fail(err, RC_UNAUTHORIZED, "", "the first frame is a hello");
	if (needs == NEEDS_ORG && (rc = message_enter(m, err)) != RC_OK)
		return rc;
	return verbs[head->type].run(m, err);
}

static bool
on_frame(struct session *s, void *data, const struct frame_head *head, struct slice payload, struct buf *out)
{
	struct err err = ERR_INIT;
	struct message m;
	enum rc rc;

	message_init(&m, s, data, head, out);
	m.payload = payload;
	if ((rc = message_run(&m, head, &err)) != RC_OK)
		answer_error(&m, rc, &err);
	if (arena_used(m.worker->arena) > 0)
		arena_clear(m.worker->arena);
	return !verbs[head->type].quick;
}

static void
on_refuse(struct session *s, void *data, const struct frame_head *head, bool lost, struct buf *out)
{
	static const struct frame_head none;
	struct err err = ERR_INIT;
	struct peer *p = data;
	struct message m;
	enum rc rc;

	message_init(&m, s, p, lost ? &none : head, out);
	rc = lost ? fail(&err, RC_BAD_REQUEST, "", "the framing is lost: reserved bits are set in a frame's head")
		  : fail(&err, RC_TOO_LARGE, "", "a payload of %u bytes is longer than the limit of %zu", head->len,
			    p->welcome ? roster_sessions.max_payload : roster_sessions.max_hello);
	answer_error(&m, rc, &err);
}

static void
on_rest(struct worker *w, void *arg)
{
	struct roster_worker *rw = &(*(struct roster **)arg)->workers[worker_index(w)];

	if (rw->open)
		reader_end(rw->reader);
	rw->open = false;
}

static void
on_open(struct session *s, void **data, void *arg)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (p == NULL)
		abort();
	p->roster = *(struct roster **)arg;
	p->session = s;
	*data = p;
}

static void
on_close(void *data)
{
	struct peer *p = data;

	sync_forget(p);
	explicit_bzero(p, sizeof(*p));
	free(p);
}

const struct session_handler roster_sessions = {
	.open = on_open,
	.frame = on_frame,
	.refuse = on_refuse,
	.rest = on_rest,
	.close = on_close,
	.max_payload = ROSTER_PAYLOAD_MAX,
	.max_hello = HELLO_MAX,
};

/* ---- Tasks ---- */

static void
task_release(struct session_task *task)
{
	struct roster_task *t = (struct roster_task *)task;

	arena_free(t->message.arena); /* and the task with it */
}

void *
task_new(struct message *m, size_t size, enum task_state (*produce)(struct session_task *task, struct buf *out))
{
	struct arena *a = arena_new();
	struct roster_task *t = arena_zalloc(a, size);
	struct err ignored;
	struct fields *in = &t->message.in;

	t->message = *m;
	t->message.arena = a;
	t->message.payload = arena_dup(a, m->payload);
	if (fields_read(roster_request_fields, t->message.payload, verbs[m->type].lists, in, &ignored) != RC_OK)
		abort(); /* it was well a moment ago */
	if (m->caller != NULL) { /* another hello may mean another org */
		t->org = m->caller->org;
		in->present |= BIT(IN_ORG);
		in->at[IN_ORG].bytes = arena_dup(a, slice_of(m->caller->org_key));
	}
	t->task.size = m->payload.len;
	t->task.id = m->id;
	t->task.produce = produce;
	t->task.release = task_release;
	return t;
}

void
task_add(struct roster_task *t)
{
	session_task_add(t->message.session, &t->task);
}

bool
task_resume(struct roster_task *t, struct buf *out, bool org)
{
	struct message *m = &t->message;
	struct err err = ERR_INIT;
	enum rc rc = RC_OK;

	m->out = out;
	if (t->task.cancelled)
		rc = session_stopping(m->session) ? fail(&err, RC_UNAVAILABLE, "", "the server stops")
						  : fail(&err, RC_CANCELLED, "", "cancelled");
	else
		rc = org ? message_enter(m, &err) : message_read(m, &err);
	if (rc == RC_OK && org && m->caller->org != t->org)
		rc = fail(&err, RC_NOT_FOUND, "org", "is not the org any more that was asked about");
	if (rc != RC_OK)
		answer_error(m, rc, &err);
	return rc == RC_OK;
}

/* ---- Life ---- */

static void
on_commit(void *arg, uint32_t org)
{
	struct roster *r = arg;

	waker_tell(r->waker, org);
	effects_tell(r->effects, org);
}

enum rc
roster_new(const struct roster_options *options, struct roster **out, struct err *err)
{
	struct roster *r = calloc(1, sizeof(*r));
	enum rc rc;

	if (r == NULL || (r->workers = calloc(options->workers, sizeof(*r->workers))) == NULL)
		abort();
	r->options = *options;
	r->directory = *options->directory;
	for (unsigned i = 0; i < options->workers; i++) {
		r->workers[i].reader = reader_new(options->store);
		r->workers[i].arena = arena_new();
		r->workers[i].recall = recall_new(&r->directory, options->config->roster_memory);
	}
	for (size_t i = 0; i < options->schema->type_count; i++)
		projection_default(options->schema->types[i], &r->by_default[options->schema->types[i]->code]);
	r->waker = waker_new(options->workers);
	if ((rc = pool_new(options->workers, &r->pool, err)) != RC_OK ||
		(rc = certificate_authority_load(options->config->tls_client_authority, &r->authority, err)) != RC_OK ||
		(rc = effects_new(&r->directory, options->store, r->waker, &r->effects, err)) != RC_OK) {
		roster_free(r);
		return rc;
	}
	store_on_commit(options->store, on_commit, r);
	*out = r;
	return RC_OK;
}

void
roster_stop(struct roster *r)
{
	if (r == NULL)
		return;
	pool_free(r->pool);
	r->pool = NULL;
	effects_stop(r->effects);
}

void
roster_free(struct roster *r)
{
	if (r == NULL)
		return;
	roster_stop(r);
	store_on_commit(r->options.store, NULL, NULL);
	effects_free(r->effects);
	waker_free(r->waker);
	for (unsigned i = 0; i < r->options.workers; i++) {
		reader_free(r->workers[i].reader);
		arena_free(r->workers[i].arena);
		recall_free(r->workers[i].recall);
	}
	X509_STORE_free(r->authority);
	free(r->workers);
	free(r);
}
