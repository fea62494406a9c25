/* hello, ping, cancel, stats. */
#include "daemon/roster/message.h"

#include <stdio.h>

#include <config.h>

#include "base/log.h"
#include "daemon/exchange.h"
#include "daemon/server.h"

#include "base/banned.h"

enum { FAILURES_MAX = 3, PING_MAX = 1024, CLIENT_MAX = 100 };

/* ---- hello ---- */

static enum rc
read_token(struct message *m, struct err *err)
{
	struct peer *p = m->peer;
	struct slice token = fields_bytes(&m->in, IN_TOKEN);

	if (token.len > TOKEN_TEXT)
		return fail(err, RC_UNAUTHORIZED, "", "the bearer token is unknown, revoked or expired");
	(void)snprintf(p->authorization, sizeof(p->authorization), "Bearer %.*s", SLICE_ARG(token));
	return RC_OK;
}

static enum rc
identify_certificate(struct message *m, enum caller_kind *kind, struct err *err)
{
	struct peer *p = m->peer;
	struct token token;
	enum rc rc = certificate_identify(m, &token, err);

	if (rc == RC_OK)
		*kind = auth_kind(&token);
	if (rc == RC_OK && !p->certificate.service)
		memcpy(p->org, p->certificate.org, sizeof(p->org));
	return rc;
}

static enum rc
identify(struct message *m, enum caller_kind *kind, struct err *err)
{
	struct peer *p = m->peer;
	enum rc rc;

	sync_forget(p); /* it was begun with other rights */
	p->entry = (struct peer_entry){ .until = 0 };
	p->certificate.shown = false;
	p->org[0] = p->authorization[0] = '\0';
	if (fields_number(&m->in, IN_VERSION) < ROSTER_VERSION)
		return fail(err, RC_BAD_REQUEST, "version", "this server speaks version %d", ROSTER_VERSION);
	if ((rc = message_read(m, err)) != RC_OK)
		return rc;
	if (!fields_has(&m->in, IN_TOKEN))
		return identify_certificate(m, kind, err);
	if ((rc = read_token(m, err)) != RC_OK)
		return rc;
	return auth_identify(m->roster->options.auth, worker_index(session_worker(m->session)), m->worker->reader,
		slice_of(p->authorization), m->worker->now, kind, p->org, err);
}

static void
answer_hello(struct message *m, enum caller_kind kind)
{
	size_t began = answer_begin(m);

	put_number(m->out, OUT_VERSION, ROSTER_VERSION);
	put_bytes(m->out, OUT_SERVER, SLICE("rosterd/" PACKAGE_VERSION));
	put_number(m->out, OUT_MAX_PAYLOAD, ROSTER_PAYLOAD_MAX);
	put_number(m->out, OUT_MAX_REQUESTS, SESSION_TASKS);
	put_number(m->out, OUT_MAX_ITEMS, ROSTER_ITEMS_MAX);
	put_number(m->out, OUT_HEARTBEAT, ROSTER_HEARTBEAT_MS);
	put_bytes(m->out, OUT_ACTOR, slice_of(caller_kind_name(kind)));
	if (m->peer->org[0] != '\0')
		put_bytes(m->out, OUT_ORG, slice_of(m->peer->org));
	answer_end(m, began, FRAME_LAST);
}

/* A question says more; who never asks one is not among the strangers, though, whose handshakes and hellos share one lane. */
static void
take_lane(struct message *m)
{
	struct org org;

	if (m->peer->org[0] != '\0' && org_by_key(m->worker->reader, slice_of(m->peer->org), &org))
		session_set_lane(m->session, org.no);
}

/* One that fails leaves nobody, whoever was there before. */
enum rc
hello_run(struct message *m, struct err *err)
{
	struct slice client = fields_bytes(&m->in, IN_CLIENT);
	enum caller_kind kind;
	enum rc rc;

	m->peer->welcome = false;
	if ((rc = identify(m, &kind, err)) != RC_OK) {
		if (++m->peer->failures >= FAILURES_MAX)
			session_end(m->session);
		return rc;
	}
	m->peer->welcome = true;
	m->peer->failures = 0;
	session_welcome(m->session);
	take_lane(m);
	log_event(LOG_DEBUG, "hello", LOG_STR("peer", session_peer(m->session)),
		LOG_STR("actor", caller_kind_name(kind)), LOG_STR("org", m->peer->org),
		LOG_SLICE("client", slice_clip(client, CLIENT_MAX)));
	answer_hello(m, kind);
	return RC_OK;
}

/* ---- ping, cancel ---- */

enum rc
ping_run(struct message *m, struct err *err)
{
	struct slice data;
	size_t began;
	enum rc rc = message_text(m, IN_DATA, PING_MAX, &data, err);

	if (rc != RC_OK)
		return rc;
	began = answer_begin(m);
	if (data.p != NULL)
		put_bytes(m->out, OUT_DATA, data);
	answer_end(m, began, FRAME_LAST);
	return RC_OK;
}

enum rc
cancel_run(struct message *m, struct err *err)
{
	uint64_t target = fields_number(&m->in, IN_TARGET);
	struct session_task *task;
	size_t began;

	if (target > UINT32_MAX)
		return fail(err, RC_INVALID_VALUE, "target", "is no id of a request");
	task = session_task_find(m->session, (uint32_t)target);
	began = answer_begin(m);
	put_number(m->out, OUT_ANSWER, task != NULL && session_task_cancel(task));
	answer_end(m, began, FRAME_LAST);
	return RC_OK;
}

/* ---- stats ---- */

static void
put_stat(struct message *m, const char *name, uint64_t count)
{
	size_t item = put_item_begin(m->out, OUT_ITEM);

	put_bytes(m->out, OUT_NAME, slice_of(name));
	put_number(m->out, OUT_COUNT, count);
	put_item_end(m->out, item);
}

static enum rc
stats_of_org(struct message *m, struct err *err)
{
	const struct org_stat *stat;
	enum rc rc;
	size_t began;

	if ((rc = message_enter(m, err)) != RC_OK || (rc = message_may(m, RIGHT_STATS, 0, err)) != RC_OK)
		return rc;
	stat = orgtx_stat(m->o);
	began = answer_begin(m);
	put_number(m->out, OUT_REVISION, m->revision);
	put_stat(m, "revision", stat->revision);
	put_stat(m, "oldest-revision", journal_oldest(m->o));
	put_stat(m, "users", stat->rows[TYPE_USER]);
	put_stat(m, "active-users", stat->active_users);
	put_stat(m, "groups", stat->rows[TYPE_GROUP]);
	put_stat(m, "memberships", stat->edges);
	answer_end(m, began, FRAME_LAST);
	return RC_OK;
}

static enum rc
stats_of_daemon(struct message *m, struct err *err)
{
	struct committer_stats writes;
	struct server_stats doors;
	struct caller caller;
	size_t began;
	enum rc rc;

	if ((rc = message_read(m, err)) != RC_OK ||
		(rc = peer_check(m, (struct slice){ NULL, 0 }, &caller, err)) != RC_OK)
		return rc;
	if (caller.kind != CALLER_OPERATOR)
		return fail(err, RC_FORBIDDEN, "", "only an operator of the platform can do this; name an org");
	committer_stats(m->roster->options.committer, &writes);
	worker_server_stats(session_worker(m->session), &doors);
	began = answer_begin(m);
	put_stat(m, "connections", doors.connections);
	put_stat(m, "requests", doors.requests);
	put_stat(m, "commits", writes.commits);
	put_stat(m, "waiting-writes", writes.waiting);
	answer_end(m, began, FRAME_LAST);
	return RC_OK;
}

enum rc
stats_run(struct message *m, struct err *err)
{
	return fields_has(&m->in, IN_ORG) || m->peer->org[0] != '\0' ? stats_of_org(m, err)
								      : stats_of_daemon(m, err);
}
