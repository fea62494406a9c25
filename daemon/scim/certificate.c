/* The actions of the org's certificate authority: Settings/{id}/.ca and Certificates/{id}/.revoke.
 */
#include "daemon/directory/certificate.h"

#include "daemon/scim/acts.h"
#include "daemon/scim/way.h"

#include "base/banned.h"

struct cert_act {
	struct write write; /* must stay first */
	struct uuid id;
	bool make; /* .ca */
	bool replace, made;
	enum ca_reason reason;
	struct written written;
};

static enum rc
read_replace(const json_t *body, bool *out, struct err *err)
{
	const json_t *value = json_member(body, "replace");

	*out = json_is_true(value);
	if (value != NULL && !json_is_boolean(value))
		return fail(err, RC_INVALID_VALUE, "replace", "must be true or false");
	return RC_OK;
}

static enum rc
read_reason(const json_t *body, enum ca_reason *out, struct err *err)
{
	const json_t *value = json_member(body, "reason");

	*out = CA_UNSPECIFIED;
	if (value == NULL || (json_is_string(value) && ca_reason_parse(json_text(value), out)))
		return RC_OK;
#define X(name, code, text) " " text
	return fail(err, RC_INVALID_VALUE, "reason", "must be one of" CA_REASON_LIST(X));
#undef X
}

static enum rc
cert_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	struct cert_act *x = (struct cert_act *)w;
	json_t *body;
	enum rc rc;

	(void)slow;
	*needs_slow = false;
	if ((rc = action_body(w->rq, &body, err)) != RC_OK)
		return rc;
	return x->make ? read_replace(body, &x->replace, err) : read_reason(body, &x->reason, err);
}

static enum rc
cert_run(struct write *w, struct orgtx *o, struct err *err)
{
	const struct directory *d = &w->rq->scim->directory;
	struct cert_act *x = (struct cert_act *)w;
	struct writer by = writer_of(w->rq, o);
	struct record r;
	uint64_t row;
	enum rc rc;

	if (!x->make)
		return certificate_revoke(
			d, o, &by, w->rq->arena, &x->id, x->reason, &x->written, err);
	if ((rc = resource_find(o, w->rq->type, &x->id, &row, &r, err)) != RC_OK)
		return rc;
	return authority_make(d, o, &by, w->rq->arena, x->replace, &x->made, &x->written, err);
}

static void
cert_reply(struct write *w)
{
	const struct cert_act *x = (const struct cert_act *)w;

	reply_resource(w->rq, x->made ? 201 : 200, x->written.row, x->written.packed,
		&w->rq->scim->by_default[TYPE_CERTIFICATE]);
}

static void
cert_start(struct request *rq, bool make)
{
	struct cert_act *x = ARENA_NEW(rq->arena, struct cert_act);
	struct err err;

	x->make = make;
	x->write.prepare = cert_prepare;
	x->write.run = cert_run;
	x->write.reply = cert_reply;
	if (uuid_parse(rq->name, &x->id))
		write_start(rq, &x->write);
	else
		reply_error(rq,
			fail(&err, RC_NOT_FOUND, "", "there is no %.*s with the id \"%.*s\"",
				SLICE_ARG(rq->type->name), SLICE_ARG(slice_clip(rq->name, 100))),
			&err);
}

void
act_ca(struct request *rq)
{
	cert_start(rq, true);
}

void
act_revoke(struct request *rq)
{
	cert_start(rq, false);
}
