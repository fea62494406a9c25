/* Who asks, and whether they may. */
#include "daemon/roster/message.h"

#include "daemon/clock.h"
#include "daemon/directory/operation.h"
#include "daemon/exchange.h"

#include "base/banned.h"

static const int64_t SECOND = 10000000; /* ticks */

enum rc
message_read(struct message *m, struct err *err)
{
	struct roster_worker *w = m->worker;
	enum rc rc;

	if (w->open)
		return RC_OK;
	if ((rc = reader_begin(w->reader, err)) != RC_OK)
		return rc;
	w->open = true;
	w->now = clock_ticks();
	return RC_OK;
}

enum rc
peer_check(struct message *m, struct slice org_key, struct caller *out, struct err *err)
{
	const struct roster_options *ro = &m->roster->options;
	struct token token;
	enum rc rc;

	if (!m->peer->certificate.shown)
		return auth_check(ro->auth, worker_index(session_worker(m->session)), m->worker->reader,
			slice_of(m->peer->authorization), org_key, m->worker->now, out, err);
	rc = certificate_token(m, &token, err);
	return rc != RC_OK ? rc
			   : auth_enter(ro->auth, m->worker->reader, &token, org_key, m->worker->now, out, err);
}

enum rc
peer_still(struct message *m, enum caller_kind *kind, struct err *err)
{
	char home[ORG_KEY_MAX + 1];
	struct token token;
	enum rc rc;

	if (!m->peer->certificate.shown)
		return auth_identify(m->roster->options.auth, worker_index(session_worker(m->session)),
			m->worker->reader, slice_of(m->peer->authorization), m->worker->now, kind, home, err);
	if ((rc = certificate_token(m, &token, err)) == RC_OK)
		*kind = auth_kind(&token);
	return rc;
}

static bool
same_org(const struct peer_entry *e, struct slice key)
{
	return e->caller.org != ORG_PLATFORM && slice_eq(slice_of(e->org), key);
}

/* Nothing was committed since, or nothing that tells who may enter and what they hold: tokens, connections and orgs (the epoch), people and services
 * (the platform's records), members and roles (the org's). */
static bool
entry_holds(const struct message *m, struct peer_entry *e)
{
	struct txn *t = m->worker->reader;
	uint64_t id = txn_id(t);

	if (m->worker->now >= e->until || store_epoch(m->roster->options.store) != e->epoch)
		return false;
	if (id == e->txn)
		return true;
	if (orgtx_stat(orgtx_open(t, ORG_PLATFORM))->revision != e->platform_revision ||
		orgtx_stat(orgtx_open(t, e->caller.org))->revision != e->org_revision)
		return false;
	e->txn = id;
	return true;
}

static enum rc
entry_load(struct message *m, struct slice key, struct peer_entry *e, struct err *err)
{
	const struct roster_options *ro = &m->roster->options;
	struct txn *t = m->worker->reader;
	uint64_t epoch = store_epoch(ro->store);
	enum rc rc;

	*e = (struct peer_entry){ .epoch = epoch, .until = m->worker->now + SECOND };
	if ((rc = peer_check(m, key, &e->caller, err)) != RC_OK) {
		e->caller.org = ORG_PLATFORM; /* nothing is known */
		return rc;
	}
	memcpy(e->org, key.p, key.len);
	e->org[key.len] = '\0';
	e->txn = txn_id(t);
	e->platform_revision = orgtx_stat(orgtx_open(t, ORG_PLATFORM))->revision;
	e->org_revision = orgtx_stat(orgtx_open(t, e->caller.org))->revision;
	return RC_OK;
}

static enum rc
named_org(const struct message *m, struct slice *key, struct err *err)
{
	*key = fields_bytes(&m->in, IN_ORG);
	if (key->p == NULL)
		*key = slice_of(m->peer->org);
	if (key->len == 0)
		return fail(err, RC_INVALID_VALUE, "org", "is missing: this token opens more than one org");
	return key->len <= ORG_KEY_MAX ? RC_OK
				       : fail(err, RC_NOT_FOUND, "org", "there is no such org for this token");
}

enum rc
message_enter(struct message *m, struct err *err)
{
	struct peer_entry *e = &m->peer->entry;
	struct slice key;
	enum rc rc;

	if ((rc = named_org(m, &key, err)) != RC_OK || (rc = message_read(m, err)) != RC_OK)
		return rc;
	if ((!same_org(e, key) || !entry_holds(m, e)) && (rc = entry_load(m, key, e, err)) != RC_OK)
		return rc;
	m->caller = &e->caller;
	session_set_lane(m->session, e->caller.org);
	m->o = orgtx_open(m->worker->reader, e->caller.org);
	m->revision = e->txn == txn_id(m->worker->reader) ? e->org_revision : orgtx_stat(m->o)->revision;
	m->recall = recall_enter(m->worker->recall, m->o);
	if (fields_number(&m->in, IN_REVISION) > m->revision)
		return fail(err, RC_PRECONDITION_FAILED, "revision", "the org is at revision %llu",
			(unsigned long long)m->revision);
	return RC_OK;
}

enum rc
message_subject(struct message *m, struct subject *out, struct err *err)
{
	return subject_load(&m->roster->directory, m->o, m->arena, m->caller, m->worker->now, out, err);
}

static const char *const right_actions[RIGHT_COUNT] = { [RIGHT_CHECK] = "check", [RIGHT_MEMBERS] = "members",
	[RIGHT_SYNC] = "sync", [RIGHT_WATCH] = "watch", [RIGHT_STATS] = "stats" };

static const struct operation *
right_operation(unsigned right)
{
	return operation_find(TYPE_NONE, VERB_ACTION, slice_of(right_actions[right]));
}

static enum rc
right_load(struct message *m, unsigned right, struct err *err)
{
	struct peer_entry *e = &m->peer->entry;
	struct subject s;
	enum rc rc = message_subject(m, &s, err);

	if (rc != RC_OK)
		return rc;
	if (operation_require(&s, right_operation(right), 0, false, NULL) == RC_OK)
		e->held |= (uint8_t)(1u << right);
	if (operation_require(&s, right_operation(right), 0, true, NULL) == RC_OK)
		e->held_own |= (uint8_t)(1u << right);
	e->member = s.member;
	e->known |= (uint8_t)(1u << right);
	return RC_OK;
}

enum rc
caller_may(const struct directory *d, struct orgtx *o, const struct caller *c, unsigned right, int64_t now, struct err *err)
{
	struct arena *a = arena_new();
	struct subject s;
	enum rc rc = subject_load(d, o, a, c, now, &s, err);

	if (rc == RC_OK)
		rc = operation_require(&s, right_operation(right), 0, false, err);
	arena_free(a);
	return rc;
}

enum rc
message_may(struct message *m, unsigned right, uint64_t about, struct err *err)
{
	struct peer_entry *e = &m->peer->entry;
	struct subject s;
	enum rc rc;

	if ((e->known >> right & 1) == 0 && (rc = right_load(m, right, err)) != RC_OK)
		return rc;
	if ((e->held >> right & 1) != 0 ||
		((e->held_own >> right & 1) != 0 && about != 0 && about == e->member))
		return RC_OK;
	if ((rc = message_subject(m, &s, err)) != RC_OK)
		return rc;
	return operation_require(&s, right_operation(right), 0, about != 0 && about == e->member, err);
}

enum rc
message_text(const struct message *m, unsigned field, size_t max, struct slice *out, struct err *err)
{
	*out = fields_bytes(&m->in, field);
	return out->len <= max ? RC_OK
			       : fail(err, RC_TOO_LARGE, roster_request_fields[field].name,
					 "is longer than %zu bytes", max);
}
