/* The link of an invitation: /invitations/{secret}, and below it accept and decline.
 *
 * A GET tells what the invitation is and changes nothing, whatever the address ends in: scanners of
 * mail follow links. Declining is a POST by whoever has the link; accepting one by a person, with
 * their token. Nobody needs a token to ask, so the address that asks has a rate. */
#include <string.h>

#include "daemon/directory/invitation.h"
#include "daemon/directory/platform.h"
#include "daemon/scim/way.h"
#include "schema/text.h"

#include "base/banned.h"

struct link {
	struct write write; /* must stay first */
	struct slice secret;
	bool html;
	struct joined joined;
};

static bool
wants_html(const struct request *rq)
{
	struct slice accept = rq->x->request.accept;

	return accept.len > 0 && memmem(accept.p, accept.len, "text/html", 9) != NULL &&
		http_accepts(accept, SLICE("text"), SLICE("html"));
}

/* ---- Answers ---- */

static void
put_escaped(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		switch (s.p[i]) {
		case '&': BUF_LIT(out, "&amp;"); break;
		case '<': BUF_LIT(out, "&lt;"); break;
		case '>': BUF_LIT(out, "&gt;"); break;
		case '"': BUF_LIT(out, "&quot;"); break;
		case '\'': BUF_LIT(out, "&#39;"); break;
		default: buf_char(out, s.p[i]);
		}
}

/* The page must not hand the link on: no referrer, nothing loaded from elsewhere, no frame around it. */
static void
page_open(struct buf *out, struct slice title)
{
	BUF_LIT(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"robots\" content=\"noindex\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; form-action 'self'\">\n"
		"<title>");
	put_escaped(out, title);
	BUF_LIT(out, "</title>\n</head>\n<body>\n<h1>");
	put_escaped(out, title);
	BUF_LIT(out, "</h1>\n");
}

static void
page_send(struct request *rq, int status, struct buf *out)
{
	struct response r = { .status = status, .content_type = SLICE_INIT("text/html; charset=utf-8") };

	BUF_LIT(out, "</body>\n</html>\n");
	if (status == 429 || status == 503)
		r.retry_after = rq->retry_after > 0 ? rq->retry_after : 1;
	exchange_respond(rq->x, &r, buf_as_slice(out));
}

static void
refuse(struct request *rq, bool html, enum rc rc, const struct err *err)
{
	struct buf *out = &rq->worker->out;

	if (!html || rc == RC_UNAUTHORIZED || rc == RC_METHOD_NOT_ALLOWED) {
		reply_error(rq, rc, err);
		return;
	}
	buf_clear(out);
	page_open(out, SLICE("Invitation"));
	BUF_LIT(out, "<p>");
	put_escaped(out, slice_of(err->detail));
	BUF_LIT(out, "</p>\n");
	page_send(rq, rc_status(rc), out);
}

static void
page_facts(struct request *rq, const struct link *l, const struct invitation_facts *f)
{
	struct buf *out = &rq->worker->out;
	bool pending = slice_eq(f->status, SLICE("pending"));
	char time[DATETIME_MAX];

	buf_clear(out);
	page_open(out, slice_of(arena_printf(rq->arena, "Invitation to %.*s", SLICE_ARG(f->org_name))));
	BUF_LIT(out, "<p>");
	put_escaped(out, f->inviter.len > 0 ? f->inviter : f->org_name);
	BUF_LIT(out, " invites you to join <strong>");
	put_escaped(out, f->org_name);
	BUF_LIT(out, "</strong> as ");
	put_escaped(out, f->role);
	BUF_LIT(out, ".</p>\n");
	if (f->message.len > 0) {
		BUF_LIT(out, "<blockquote>");
		put_escaped(out, f->message);
		BUF_LIT(out, "</blockquote>\n");
	}
	if (!pending) {
		BUF_LIT(out, "<p>The invitation is not open any more: it is ");
		put_escaped(out, f->status);
		BUF_LIT(out, ". Whoever invited you can send another one.</p>\n");
	} else {
		if (f->expires != 0 && datetime_format(f->expires, time) > 16)
			buf_printf(out, "<p>It can be accepted until %.10s %.5s UTC: sign in where you use "
				"your account, and open this link there.</p>\n", time, time + 11);
		if (slice_eq(f->kind, SLICE("email"))) {
			BUF_LIT(out, "<form method=\"post\" action=\"/invitations/");
			put_escaped(out, l->secret);
			BUF_LIT(out, "/decline\"><button type=\"submit\">Decline</button></form>\n");
		}
	}
	page_send(rq, 200, out);
}

static void
json_facts(struct request *rq, const struct invitation_facts *f)
{
	struct buf *out = &rq->worker->out;
	char time[DATETIME_MAX];

	buf_clear(out);
	BUF_LIT(out, "{\"organization\":{\"key\":");
	buf_json_string(out, f->org_key);
	BUF_LIT(out, ",\"display\":");
	buf_json_string(out, f->org_name);
	BUF_LIT(out, "},\"inviter\":{\"display\":");
	buf_json_string(out, f->inviter);
	BUF_LIT(out, "},\"role\":");
	buf_json_string(out, f->role);
	BUF_LIT(out, ",\"kind\":");
	buf_json_string(out, f->kind);
	BUF_LIT(out, ",\"status\":");
	buf_json_string(out, f->status);
	if (f->message.len > 0) {
		BUF_LIT(out, ",\"message\":");
		buf_json_string(out, f->message);
	}
	if (f->expires != 0) {
		BUF_LIT(out, ",\"expires\":");
		buf_json_string(out, (struct slice){ time, datetime_format(f->expires, time) });
	}
	buf_char(out, '}');
	reply_json(rq, 200, buf_as_slice(out));
}

static enum rc
tell(struct request *rq, const struct link *l, struct err *err)
{
	const struct directory *d = &rq->scim->directory;
	struct txn *t = rq->worker->reader;
	struct invitation_facts facts;
	uint64_t copy;
	enum rc rc;

	if ((rc = invitation_by_secret(d, t, rq->arena, l->secret, &copy, err)) != RC_OK ||
		(rc = invitation_tell(d, t, rq->arena, copy, rq->now, &facts, err)) != RC_OK)
		return rc;
	if (l->html)
		page_facts(rq, l, &facts);
	else
		json_facts(rq, &facts);
	return RC_OK;
}

/* ---- Accepting ---- */

static enum rc
accept_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	(void)w;
	(void)slow;
	(void)err;
	*needs_slow = false;
	return RC_OK;
}

static enum rc
accept_run(struct write *w, struct orgtx *o, struct err *err)
{
	struct link *l = (struct link *)w;
	struct request *rq = w->rq;
	const struct directory *d = &rq->scim->directory;
	struct writer who = writer_of(rq, o);
	struct subject by;
	uint64_t copy;
	enum rc rc;

	who.actor.action = "invitation.accept";
	if ((rc = subject_load(d, o, rq->arena, &rq->caller, rq->now, &by, err)) != RC_OK ||
		(rc = platform_require_person(&by, TYPE_INVITATION, "accept", err)) != RC_OK ||
		(rc = invitation_by_secret(d, orgtx_txn(o), rq->arena, l->secret, &copy, err)) != RC_OK)
		return rc;
	return invitation_accept(d, orgtx_txn(o), &who, rq->arena, copy, rq->caller.person, true, &l->joined, err);
}

static void
accept_reply(struct write *w)
{
	struct link *l = (struct link *)w;
	struct buf *out = &w->rq->worker->out;
	char id[UUID_TEXT];

	uuid_format(&l->joined.member, id);
	buf_clear(out);
	BUF_LIT(out, "{\"status\":\"accepted\",\"organization\":{\"key\":");
	buf_json_string(out, slice_of(l->joined.org.key));
	BUF_LIT(out, ",\"display\":");
	buf_json_string(out, slice_of(l->joined.org.name));
	buf_printf(out, "},\"member\":{\"value\":\"%.*s\"}}", UUID_TEXT, id);
	reply_json(w->rq, 200, buf_as_slice(out));
}

static enum rc
accept(struct request *rq, struct link *l, struct err *err)
{
	enum rc rc = request_admit(rq, (struct slice){ NULL, 0 }, true, err);

	if (rc != RC_OK)
		return rc;
	l->write.prepare = accept_prepare;
	l->write.run = accept_run;
	l->write.reply = accept_reply;
	write_start(rq, &l->write);
	return RC_OK;
}

/* ---- Declining: by nobody that we know ---- */

struct decline_job {
	struct write_job job; /* must stay first */
	struct request *rq;
	struct link *link;
};

static enum rc
decline_run(struct write_job *job, struct txn *t, struct err *err)
{
	struct decline_job *j = (struct decline_job *)job;
	const struct directory *d = &j->rq->scim->directory;
	struct writer who = { .actor = { .door = DOOR_SCIM, .kind = ACTOR_PERSON, .now = j->rq->now,
				      .action = "invitation.decline" } };
	uint64_t copy;
	enum rc rc;

	peer_address(j->rq->x->peer, who.actor.peer);
	if ((rc = invitation_by_secret(d, t, j->rq->arena, j->link->secret, &copy, err)) != RC_OK)
		return rc;
	return invitation_decline(d, t, &who, j->rq->arena, copy, err);
}

static void
decline_reply(void *arg)
{
	struct decline_job *j = arg;
	struct request *rq = j->rq;
	struct buf *out = &rq->worker->out;

	if (j->job.rc != RC_OK) {
		refuse(rq, j->link->html, j->job.rc, &j->job.err);
		return;
	}
	if (!j->link->html) {
		reply_json(rq, 200, SLICE("{\"status\":\"declined\"}"));
		return;
	}
	buf_clear(out);
	page_open(out, SLICE("Invitation declined"));
	BUF_LIT(out, "<p>You have declined the invitation. Nothing else happens.</p>\n");
	page_send(rq, 200, out);
}

static void
decline_done(struct write_job *job)
{
	struct decline_job *j = (struct decline_job *)job;

	worker_post(j->rq->x->worker, decline_reply, j);
}

static void
decline(struct request *rq, struct link *l)
{
	struct decline_job *j = ARENA_NEW(rq->arena, struct decline_job);

	j->rq = rq;
	j->link = l;
	j->job.run = decline_run;
	j->job.done = decline_done;
	j->job.item.lane = ORG_PLATFORM;
	committer_submit(rq->scim->options.committer, &j->job);
}

/* ---- */

static enum rc
serve(struct request *rq, struct link *l, struct slice verb, struct err *err)
{
	enum http_method method = rq->x->request.method;
	bool accepts = slice_eq(verb, SLICE("accept")), declines = slice_eq(verb, SLICE("decline"));

	if (verb.len > 0 && !accepts && !declines)
		return fail(err, RC_NOT_FOUND, "", "there is no such address");
	if (method == HTTP_GET || method == HTTP_HEAD)
		return tell(rq, l, err);
	if (method != HTTP_POST || verb.len == 0) {
		rq->allow = verb.len > 0 ? SLICE("GET, HEAD, POST") : SLICE("GET, HEAD");
		return fail(err, RC_METHOD_NOT_ALLOWED, "", "this is not allowed here");
	}
	if (accepts)
		return accept(rq, l, err);
	decline(rq, l);
	return RC_OK;
}

static bool
takes(const struct http_request *h)
{
	return slice_starts(h->path, SLICE("/invitations/"));
}

/* Bodies are not read: a small one, as clients send to any POST, does no harm. */
static void
admit(struct request *rq)
{
	enum { BODY_MAX = 4096 };
	const struct http_request *h = &rq->x->request;
	struct err err;

	if (h->chunked || h->length > BODY_MAX)
		reply_error(rq, fail(&err, RC_TOO_LARGE, "", "nothing is asked for in a body here"), &err);
}

static void
handle(struct request *rq)
{
	struct link *l = ARENA_NEW(rq->arena, struct link);
	struct slice rest = slice_from(rq->x->request.path, sizeof("/invitations/") - 1), verb = SLICE("");
	struct err err = ERR_INIT;
	enum rc rc = RC_OK;

	l->html = wants_html(rq);
	(void)slice_split(&rest, '/', &l->secret);
	if (rest.p != NULL)
		verb = rest;
	if (!rate_take_address(rq->scim->options.rate, rq->x->peer, rq->x->started_us, &rq->retry_after))
		rc = fail(&err, RC_RATE_LIMITED, "", "too many requests; try again in %d s", rq->retry_after);
	if (rc == RC_OK)
		rc = serve(rq, l, verb, &err);
	if (rc != RC_OK)
		refuse(rq, l->html, rc, &err);
}

const struct side_door invitation_door = { takes, admit, handle };
