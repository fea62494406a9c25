/* What is done with invitations: many at once, again, not any more; and by who is invited, yes or no. */
#include <stdlib.h>
#include <strings.h>

#include "daemon/clock.h"
#include "daemon/directory/form.h"
#include "daemon/directory/invitation.h"
#include "daemon/directory/platform.h"
#include "daemon/scim/way.h"

#include "base/banned.h"

/* ---- One invitation ---- */

struct act {
	struct write write; /* must stay first */
	enum rc (*run)(struct act *a, struct orgtx *o, const struct writer *w, struct err *err);
	const char *action;
	bool joins;
	struct uuid id;
	struct written written;
};

static enum rc
act_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	json_t *body;

	(void)slow;
	*needs_slow = false;
	return action_body(w->rq, &body, err);
}

static enum rc
act_run(struct write *w, struct orgtx *o, struct err *err)
{
	struct act *a = (struct act *)w;
	struct writer who = writer_of(w->rq, o);

	who.actor.action = a->action;
	return a->run(a, o, &who, err);
}

static void
act_reply(struct write *w)
{
	struct act *a = (struct act *)w;

	reply_resource(w->rq, 200, a->written.row, a->written.packed, &w->rq->scim->by_default[TYPE_INVITATION]);
}

static void
act_start(struct request *rq, const char *action,
	enum rc (*run)(struct act *a, struct orgtx *o, const struct writer *w, struct err *err), bool joins)
{
	struct act *a = ARENA_NEW(rq->arena, struct act);
	struct err err;
	enum rc rc;

	a->write.prepare = act_prepare;
	a->write.run = act_run;
	a->write.reply = act_reply;
	a->run = run;
	a->action = action;
	a->joins = joins;
	if (uuid_parse(rq->name, &a->id)) {
		write_start(rq, &a->write);
		return;
	}
	rc = fail(&err, RC_NOT_FOUND, "", "there is no Invitation with the id \"%.*s\"",
		SLICE_ARG(slice_clip(rq->name, 100)));
	reply_error(rq, rc, &err);
}

static enum rc
run_resend(struct act *a, struct orgtx *o, const struct writer *w, struct err *err)
{
	return invitation_resend(&a->write.rq->scim->directory, o, w, a->write.rq->arena, &a->id, &a->written, err);
}

static enum rc
run_revoke(struct act *a, struct orgtx *o, const struct writer *w, struct err *err)
{
	return invitation_revoke(&a->write.rq->scim->directory, o, w, a->write.rq->arena, &a->id, &a->written, err);
}

/* On the platform: o is its, and the id names the copy. */
static enum rc
run_answer(struct act *a, struct orgtx *o, const struct writer *w, struct err *err)
{
	struct request *rq = a->write.rq;
	const struct directory *d = &rq->scim->directory;
	const struct resource_type *type = schema_type(d->schema, TYPE_INVITATION);
	struct joined joined;
	struct subject by;
	struct record r;
	enum rc rc;

	if ((rc = subject_load(d, o, rq->arena, &rq->caller, rq->now, &by, err)) != RC_OK ||
		(rc = resource_find(o, type, &a->id, &a->written.row, &r, err)) != RC_OK)
		return rc;
	if (!subject_sees(&by, a->written.row, &r))
		return resource_find(o, type, &(struct uuid){ { 0 } }, &a->written.row, &r, err);
	if ((rc = platform_require(&by, TYPE_INVITATION, VERB_ACTION, slice_of(a->joins ? "accept" : "decline"),
		     a->written.row, &r, err)) != RC_OK)
		return rc;
	if (!a->joins)
		return invitation_decline(d, orgtx_txn(o), w, rq->arena, a->written.row, err);
	return invitation_accept(d, orgtx_txn(o), w, rq->arena, a->written.row, rq->caller.person, false,
		&joined, err);
}

void
handle_invitation_resend(struct request *rq)
{
	act_start(rq, "invitation.resend", run_resend, false);
}

void
handle_invitation_revoke(struct request *rq)
{
	act_start(rq, "invitation.revoke", run_revoke, false);
}

void
handle_invitation_accept(struct request *rq)
{
	act_start(rq, "invitation.accept", run_answer, true);
}

void
handle_invitation_decline(struct request *rq)
{
	act_start(rq, "invitation.decline", run_answer, false);
}

/* ---- Many at once ---- */

/* Others' writes go in between (as with bulk requests): so long is one commit's part. */
enum { PART_US = 20000 };

struct one {
	struct slice address;
	struct resource_in in;
	struct uuid id;
	struct written written;
	enum rc decoded, rc;
	struct err err;
};

struct many {
	struct write write; /* must stay first */
	struct one *ones;
	size_t count;
	size_t from, at; /* the present part */
};

static void
free_json(void *json)
{
	json_decref(json);
}

/* The body without its addresses, and with this one, is an invitation. */
static enum rc
read_one(struct request *rq, const json_t *body, const json_t *address, struct one *out)
{
	const struct schema_set *set = rq->scim->options.schema;
	const struct resource_type *type = schema_type(set, TYPE_INVITATION);
	struct read_options options = read_options_of(rq);
	json_t *copy = json_copy(json_unconst(body)), *urn = NULL;
	const char *name;
	json_t *value;
	void *next;

	if (copy == NULL)
		abort();
	arena_on_free(rq->arena, free_json, copy);
	json_object_foreach_safe (copy, next, name, value)
		if (strcasecmp(name, "addresses") == 0 || strcasecmp(name, "address") == 0 ||
			strcasecmp(name, "kind") == 0 || strcasecmp(name, "schemas") == 0)
			(void)json_object_del(copy, name);
	urn = json_stringn(type->core->urn.p, type->core->urn.len);
	(void)json_object_set_new(copy, "schemas", json_pack("[o]", urn));
	(void)json_object_set(copy, "address", json_unconst(address));
	(void)json_object_set_new(copy, "kind", json_string("email"));
	out->address = json_text(address);
	out->id = new_id(rq->scim);
	if (out->address.p == NULL)
		return fail(&out->err, RC_INVALID_VALUE, "addresses", "each is a string");
	return resource_read(rq->arena, set, type, copy, &options, &out->in, &out->err);
}

static enum rc
many_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	struct many *m = (struct many *)w;
	uint64_t most = w->rq->scim->options.config->bulk_operations;
	json_t *body, *list, *address;
	size_t i;
	enum rc rc;

	(void)slow;
	*needs_slow = false;
	if (m->ones != NULL)
		return RC_OK;
	if ((rc = action_body(w->rq, &body, err)) != RC_OK)
		return rc;
	list = json_member(body, "addresses");
	if (!json_is_array(list) || json_array_size(list) == 0)
		return fail(err, RC_INVALID_VALUE, "addresses", "is required: a list of whom to invite");
	if (json_array_size(list) > most)
		return fail(err, RC_INVALID_VALUE, "addresses", "names %zu addresses, at most %llu are allowed",
			json_array_size(list), (unsigned long long)most);
	m->count = json_array_size(list);
	m->ones = ARENA_ARRAY(w->rq->arena, struct one, m->count);
	json_array_foreach (list, i, address)
		m->ones[i].decoded = read_one(w->rq, body, address, &m->ones[i]);
	return RC_OK;
}

static enum rc
many_run(struct write *w, struct orgtx *o, struct err *err)
{
	struct many *m = (struct many *)w;
	const struct directory *d = &w->rq->scim->directory;
	const struct resource_type *type = schema_type(d->schema, TYPE_INVITATION);
	struct writer who = writer_of(w->rq, o);
	int64_t end = clock_us() + PART_US;

	(void)err;
	who.actor.action = "invitation.create";
	for (m->at = m->from; m->at < m->count && (m->at == m->from || clock_us() < end); m->at++) {
		struct one *one = &m->ones[m->at];

		one->rc = one->decoded != RC_OK ? one->decoded
			: resource_create(d, o, &who, w->rq->arena, type, &one->id, &one->in, &one->written, &one->err);
	}
	return RC_OK;
}

static bool
many_committed(struct write *w)
{
	struct many *m = (struct many *)w;

	if (w->job.rc != RC_OK && m->from == 0)
		return false;
	if (w->job.rc != RC_OK) { /* what went before is on disk: it is told of each that was still to come */
		for (size_t i = m->from; i < m->count; i++) {
			m->ones[i].rc = w->job.rc;
			m->ones[i].err = w->job.err;
		}
		w->job.rc = RC_OK;
		return false;
	}
	m->from = m->at;
	return m->at < m->count;
}

static void
put_text(struct buf *out, const char *name, struct slice text)
{
	if (text.len == 0)
		return;
	buf_printf(out, ",\"%s\":", name);
	buf_json_string(out, text);
}

static void
put_one(const struct request *rq, struct buf *out, const struct one *one)
{
	const struct directory *d = &rq->scim->directory;
	char id[UUID_TEXT];
	struct record r;

	BUF_LIT(out, "{\"address\":");
	buf_json_string(out, one->address);
	buf_printf(out, ",\"status\":\"%d\"", one->rc == RC_OK ? 201 : rc_status(one->rc));
	if (one->rc != RC_OK) {
		if (rc_scim_type(one->rc) != NULL)
			put_text(out, "scimType", slice_of(rc_scim_type(one->rc)));
		put_text(out, "detail", slice_of(one->err.detail));
	} else if (record_parse(d->schema, one->written.packed, &r)) {
		uuid_format(&one->id, id);
		put_text(out, "id", (struct slice){ id, UUID_TEXT });
		buf_printf(out, ",\"location\":\"%.*s/Invitations/%.*s\"", SLICE_ARG(rq->base), UUID_TEXT, id);
		put_text(out, "link", record_text(d->schema, &r, d->at.invitation_link));
	}
	buf_char(out, '}');
}

static void
many_reply(struct write *w)
{
	struct many *m = (struct many *)w;
	struct buf *out = &w->rq->worker->out;

	buf_clear(out);
	BUF_LIT(out, "{\"results\":[");
	for (size_t i = 0; i < m->count; i++) {
		if (i > 0)
			buf_char(out, ',');
		put_one(w->rq, out, &m->ones[i]);
	}
	BUF_LIT(out, "]}");
	reply_json(w->rq, 200, buf_as_slice(out));
}

void
handle_invite(struct request *rq)
{
	struct many *m = ARENA_NEW(rq->arena, struct many);

	m->write.prepare = many_prepare;
	m->write.run = many_run;
	m->write.committed = many_committed;
	m->write.reply = many_reply;
	write_start(rq, &m->write);
}
