/* The commands of the outbox. Nobody is shown a mail's text: it holds links that act for whoever
 * has them. */
#include "base/log.h"
#include "daemon/control/call.h"
#include "daemon/directory/org.h"
#include "daemon/mail/letter.h"

#include "base/banned.h"

static const char *const kind_names[] = { [OUTBOX_TEST] = "test",
	[OUTBOX_INVITATION] = "invitation",
	[OUTBOX_CONFIRMATION] = "confirmation" };

static const char *
kind_name(enum outbox_kind kind)
{
	return kind < sizeof(kind_names) / sizeof(kind_names[0]) && kind_names[kind] != NULL
		       ? kind_names[kind]
		       : "other";
}

static json_t *
text_json(struct slice s)
{
	json_t *j = json_stringn(s.p, s.len);

	return j != NULL ? j : json_string("?");
}

static json_t *
entry_json(struct txn *t, const struct outbox_entry *e)
{
	bool waits = e->state == OUTBOX_WAITING;
	json_t *j = json_pack("{s:I, s:s, s:s, s:I}", "number", (json_int_t)e->no, "kind",
		kind_name(e->kind), "state", waits ? "waiting" : "dead", "attempts",
		(json_int_t)e->attempts);
	struct org org;

	(void)json_object_set_new(j, "org",
		e->org != 0 && org_by_no(t, e->org, &org) ? json_string(org.key) : json_null());
	(void)json_object_set_new(j, "to", text_json(e->to));
	(void)json_object_set_new(j, "created", json_time(e->created));
	/* 0: at once, since it was put there. */
	(void)json_object_set_new(j, "next",
		!waits ? json_null()
		       : json_time(e->next_attempt != 0 ? e->next_attempt : e->created));
	(void)json_object_set_new(j, "error", e->error.len > 0 ? text_json(e->error) : json_null());
	return j;
}

/* ---- List ---- */

struct listing {
	uint32_t org; /* 0: of all */
	bool dead;
	uint64_t after;
};

/* Up to some entries; false when there are no more. */
static bool
list_step(struct txn *t, struct listing *l, json_t *found)
{
	enum { STEP = 256 };
	struct outbox_entry e;

	for (int looked = 0; looked < STEP; looked++) {
		if (!outbox_next(t, l->after, &e))
			return false;
		l->after = e.no;
		if ((l->org == 0 || e.org == l->org) && (!l->dead || e.state == OUTBOX_DEAD))
			(void)json_array_append_new(found, entry_json(t, &e));
	}
	return true;
}

static enum rc
list_org(struct call *c, struct txn *t, struct listing *l, struct err *err)
{
	struct slice key;
	struct org org;
	enum rc rc = call_text(c, "org", false, &key, err);

	if (rc == RC_OK && key.len > 0 && (rc = dir_org_find(t, key, &org, err)) == RC_OK)
		l->org = org.no;
	return rc;
}

/* Answers are sent while no transaction is open: the client may be slow. */
enum rc
command_outbox_list(struct call *c, struct err *err)
{
	struct txn *t = reader_new(c->options->store);
	struct listing l = { .dead = call_flag(c, "dead") };
	bool more = true, first = true;
	enum rc rc = RC_OK;
	json_t *found, *part;
	size_t i;

	while (more && rc == RC_OK && !c->gone && (rc = reader_begin(t, err)) == RC_OK) {
		found = json_array();
		if (first)
			rc = list_org(c, t, &l, err);
		first = false;
		more = rc == RC_OK && list_step(t, &l, found);
		if (rc == RC_OK && (rc = txn_rc(t)) != RC_OK)
			(void)fail(err, rc, "", "the outbox can't be read");
		reader_end(t);
		json_array_foreach (found, i, part)
			call_part(c, json_incref(part));
		json_decref(found);
	}
	reader_free(t);
	return rc;
}

/* ---- Changes ---- */

struct outbox_job {
	struct write_job job; /* must stay first */
	uint64_t no;
	uint64_t after;          /* retry of all: where this step begins, */
	uint64_t reached, count; /* how far it came, how many it revived */
	bool more;
	int64_t now;
	struct slice key, address; /* test */
	const struct seal *seal;
	struct arena *arena;
};

static enum rc
no_such_mail(uint64_t no, struct err *err)
{
	return fail(err, RC_NOT_FOUND, "number", "there is no mail %llu in the outbox",
		(unsigned long long)no);
}

static enum rc
number_arg(const struct call *c, uint64_t *out, struct err *err)
{
	struct slice text;
	enum rc rc = call_text(c, "number", true, &text, err);

	if (rc == RC_OK && !slice_to_u64(text, 1, UINT64_MAX - 1, out))
		return fail(err, RC_INVALID_VALUE, "number",
			"a mail is named by its number (rosterctl outbox list)");
	return rc;
}

static enum rc
entry_revive(struct txn *t, uint64_t no, int64_t now, struct err *err)
{
	struct outbox_entry e;

	if (!outbox_get(t, no, &e))
		return txn_rc(t) != RC_OK ? txn_rc(t) : no_such_mail(no, err);
	e.state = OUTBOX_WAITING;
	e.attempts = 0;
	e.next_attempt = now;
	(void)outbox_update(t, &e);
	return txn_rc(t);
}

static enum rc
retry_one(struct write_job *job, struct txn *t, struct err *err)
{
	struct outbox_job *j = (struct outbox_job *)job;

	return entry_revive(t, j->no, j->now, err);
}

/* So many a transaction that others are not kept waiting. */
static enum rc
retry_dead(struct write_job *job, struct txn *t, struct err *err)
{
	enum { LOOK = 1000 };
	struct outbox_job *j = (struct outbox_job *)job;
	struct outbox_entry e;
	enum rc rc = RC_OK;

	j->reached = j->after;
	j->count = 0;
	j->more = true;
	for (int i = 0; i < LOOK && rc == RC_OK; i++) {
		if (!(j->more = outbox_next(t, j->reached, &e)))
			break;
		j->reached = e.no;
		if (e.state != OUTBOX_DEAD)
			continue;
		j->count++;
		rc = entry_revive(t, e.no, j->now, err);
	}
	return rc != RC_OK ? rc : txn_rc(t);
}

enum rc
command_outbox_retry(struct call *c, struct err *err)
{
	struct outbox_job j = { .now = clock_ticks(), .more = true };
	bool dead = call_flag(c, "dead");
	uint64_t count = 0;
	enum rc rc = RC_OK;

	if (dead && json_object_get(c->args, "number") != NULL)
		return fail(err, RC_INVALID_VALUE, "number",
			"say which mail, or --dead for all that were given up, not both");
	if (!dead) {
		if ((rc = number_arg(c, &j.no, err)) != RC_OK ||
			(rc = committer_run(c->options->committer, retry_one, &j.job, err)) !=
				RC_OK)
			return rc;
		count = 1;
	}
	while (dead && j.more && rc == RC_OK && !c->gone) {
		rc = committer_run(c->options->committer, retry_dead, &j.job, err);
		j.after = j.reached;
		count += rc == RC_OK ? j.count : 0;
	}
	mailer_wake(c->options->mailer, true);
	if (rc == RC_OK)
		c->result = json_pack("{s:I}", "retried", (json_int_t)count);
	return rc;
}

static enum rc
drop_step(struct write_job *job, struct txn *t, struct err *err)
{
	const struct outbox_job *j = (const struct outbox_job *)job;

	if (outbox_delete(t, j->no))
		return txn_rc(t);
	return txn_rc(t) != RC_OK ? txn_rc(t) : no_such_mail(j->no, err);
}

enum rc
command_outbox_drop(struct call *c, struct err *err)
{
	struct outbox_job j = { .no = 0 };
	enum rc rc;

	if ((rc = number_arg(c, &j.no, err)) != RC_OK ||
		(rc = committer_run(c->options->committer, drop_step, &j.job, err)) != RC_OK)
		return rc;
	log_event(LOG_INFO, "mail-dropped", LOG_NUM("number", j.no));
	c->result = json_pack("{s:I}", "dropped", (json_int_t)j.no);
	return RC_OK;
}

/* ---- Test ---- */

static enum rc
test_step(struct write_job *job, struct txn *t, struct err *err)
{
	struct outbox_job *j = (struct outbox_job *)job;
	struct outbox_entry e = { .kind = OUTBOX_TEST, .created = j->now, .to = j->address };
	struct mail mail;
	struct org org;
	enum rc rc;

	if ((rc = dir_org_find(t, j->key, &org, err)) != RC_OK ||
		(rc = mail_render_test(j->arena, slice_of(org.name[0] != '\0' ? org.name : org.key),
			 &mail, err)) != RC_OK ||
		(rc = letter_seal(j->seal, org.no, j->arena, &mail, err)) != RC_OK)
		return rc;
	e.org = org.no;
	e.subject = mail.subject;
	e.text = mail.text;
	e.html = mail.html;
	outbox_put(t, &e);
	j->no = e.no;
	return txn_rc(t);
}

enum rc
command_outbox_test(struct call *c, struct err *err)
{
	struct outbox_job j = { .now = clock_ticks(), .arena = arena_new(),
		.seal = c->options->directory->seal };
	enum rc rc;

	if (!mailer_enabled(c->options->config))
		rc = fail(err, RC_CONFLICT, "mail.server", "no mail server is set");
	else if (j.seal == NULL)
		rc = fail(err, RC_CONFLICT, "", "the daemon does not run: it seals what waits to be sent");
	else if ((rc = call_text(c, "org", true, &j.key, err)) == RC_OK &&
		 (rc = call_text(c, "address", true, &j.address, err)) == RC_OK &&
		 (rc = mail_address_check(j.address, "address", err)) == RC_OK)
		rc = committer_run(c->options->committer, test_step, &j.job, err);
	arena_free(j.arena);
	if (rc == RC_OK)
		c->result = json_pack("{s:I}", "number", (json_int_t)j.no);
	return rc;
}
