#include "daemon/mail/mailer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/log.h"
#include "daemon/clock.h"
#include "daemon/mail/letter.h"
#include "daemon/mail/smtp.h"

#include "base/banned.h"

static const int64_t SECOND = 10000000; /* ticks */

enum {
	LOOK_MS = 60000, /* between two looks at what waits, when nothing wakes us: the clock may be
			    set */
	FAULT_MS = 5000, /* before the store is tried again */
};

/* What became of an entry, on its way into the store. */
struct result {
	struct write_job job; /* must stay first */
	bool waits;           /* not yet written */
	bool done;            /* the entry goes; else these go into it: */
	struct outbox_entry entry;
	char error[MAIL_ERROR_MAX];
};

struct mailer {
	const struct config *config;
	struct store *store;
	struct committer *committer;
	const struct seal *seal;
	struct smtp *smtp;
	struct arena *arena; /* of one mail */
	struct txn *reader;
	struct result result;
	int64_t pause_until; /* monotonic, us: the server can't be used before */
	_Atomic bool stopping, hurry;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t end;
	bool ended; /* under lock */
};

/* ---- When ---- */

int64_t
mailer_delay(uint64_t first, uint64_t greatest, uint32_t attempts, uint32_t random)
{
	uint64_t base = first;
	int64_t delay, most = (int64_t)greatest * SECOND;

	for (uint32_t i = 1; i < attempts && base < greatest; i++)
		base *= 2;
	delay = (int64_t)(base < greatest ? base : greatest) * SECOND;
	/* 3/4 to 5/4 of it: those that failed together don't come back together. */
	delay = delay / 4 * 3 + (int64_t)((double)(delay / 2) * ((double)random / 4294967296.0));
	return delay < most ? delay : most;
}

static int64_t
delay_after(const struct mailer *m, uint32_t attempts)
{
	uint32_t random = 0;

	(void)!getrandom(&random, sizeof(random), 0);
	return mailer_delay(__atomic_load_n(&m->config->mail_retry_first, __ATOMIC_RELAXED),
		__atomic_load_n(&m->config->mail_retry_max, __ATOMIC_RELAXED), attempts, random);
}

/* ---- Results ---- */

static enum rc
result_step(struct write_job *job, struct txn *t, struct err *err)
{
	const struct result *r = (const struct result *)job;

	(void)err;
	/* An entry that was cancelled or dropped meanwhile is gone, and stays so. */
	if (r->done)
		(void)outbox_delete(t, r->entry.no);
	else
		(void)outbox_update(t, &r->entry);
	return txn_rc(t);
}

/* Until it is written nothing else is sent: with a full disk the same mail would go out again and
 * again. */
static bool
result_write(struct mailer *m)
{
	struct err err = ERR_INIT;

	if (!m->result.waits)
		return true;
	if (committer_run(m->committer, result_step, &m->result.job, &err) != RC_OK) {
		log_event(LOG_ERROR, "mail-result-not-written",
			LOG_NUM("number", m->result.entry.no), LOG_STR("reason", err.detail));
		return false;
	}
	m->result.waits = false;
	return true;
}

static void
result_set(struct mailer *m, const struct outbox_entry *e, bool done)
{
	m->result.job.item.lane = e->org;
	m->result.entry = *e;
	m->result.done = done;
	m->result.waits = true;
}

static void
error_set(struct mailer *m, const char *why)
{
	size_t n = strlen(why) < sizeof(m->result.error) ? strlen(why) : sizeof(m->result.error);

	memcpy(m->result.error, why, n);
	m->result.entry.error = (struct slice){ m->result.error, n };
}

static void
on_failure(struct mailer *m, const struct outbox_entry *sent, const struct smtp_result *r)
{
	uint64_t most = __atomic_load_n(&m->config->mail_attempts, __ATOMIC_RELAXED);
	struct outbox_entry e = *sent;
	int64_t delay = 0;

	e.attempts++;
	if (r->outcome == SMTP_REFUSED || e.attempts >= most)
		e.state = OUTBOX_DEAD;
	else
		delay = delay_after(m, e.attempts);
	e.next_attempt = clock_ticks() + delay;
	result_set(m, &e, false);
	error_set(m, r->why);
	log_event(e.state == OUTBOX_DEAD ? LOG_ERROR : LOG_WARN,
		e.state == OUTBOX_DEAD ? "mail-dead" : "mail-deferred", LOG_NUM("number", e.no),
		LOG_NUM("org", e.org), LOG_NUM("attempt", e.attempts), LOG_NUM("code", r->code),
		LOG_NUM("seconds", delay / SECOND), LOG_STR("reason", r->local));
}

static void
on_outcome(struct mailer *m, const struct outbox_entry *e, const struct smtp_result *r)
{
	switch (r->outcome) {
	case SMTP_SENT:
		result_set(m, e, true);
		log_event(LOG_INFO, "mail-sent", LOG_NUM("number", e->no), LOG_NUM("org", e->org),
			LOG_NUM("attempt", e->attempts + 1));
		return;
	case SMTP_CUT:
		return;
	case SMTP_NO_SERVER:
		m->pause_until = clock_us() + delay_after(m, 1) / 10;
		break;
	case SMTP_REFUSED:
	case SMTP_LATER:
		break;
	}
	on_failure(m, e, r);
}

/* ---- One step ---- */

/* Nobody can read it any more. */
static void
give_up(struct mailer *m, const struct outbox_entry *sealed)
{
	struct outbox_entry e = *sealed;

	e.state = OUTBOX_DEAD;
	result_set(m, &e, false);
	error_set(m, "its text can't be opened: sealed with a key that is not in seal.old_key_files");
	log_event(LOG_ERROR, "mail-dead", LOG_NUM("number", e.no), LOG_NUM("org", e.org),
		LOG_STR("reason", "it can't be opened"));
}

static void
send_one(struct mailer *m, struct outbox_entry *e)
{
	struct smtp_result result;
	struct err ignored;
	struct smtp_mail mail;

	if (letter_open(m->seal, m->arena, e, &ignored) != RC_OK) {
		give_up(m, e);
		return;
	}
	mail = (struct smtp_mail){ .to = e->to,
		.subject = e->subject,
		.text = e->text,
		.html = e->html,
		.date = e->created };
	/* Of this store and no other: two of them never give the same number at the same 100 ns. */
	mail.id = slice_of(arena_printf(m->arena, "%llu.%llx.rosterd", (unsigned long long)e->no,
		(unsigned long long)e->created));
	smtp_send(m->smtp, &mail, &result);
	on_outcome(m, e, &result);
}

/* What is due first, copied, so that no reader is held while it is sent; and what its org says to
 * it. false: nothing is there. */
static bool
take_due(struct mailer *m, struct outbox_entry *e, bool *gone, bool *held, struct err *err,
	enum rc *rc)
{
	struct org org = { .state = ORG_ACTIVE };
	bool found = false;

	if ((*rc = reader_begin(m->reader, err)) != RC_OK)
		return false;
	if ((found = outbox_due(m->reader, e)) && e->next_attempt <= clock_ticks()) {
		*gone = e->org != 0 &&
			(!org_by_no(m->reader, e->org, &org) || org.state == ORG_DELETED);
		*held = org.state == ORG_SUSPENDED;
		e->to = arena_dup(m->arena, e->to);
		e->subject = arena_dup(m->arena, e->subject);
		e->text = arena_dup(m->arena, e->text);
		e->html = arena_dup(m->arena, e->html);
	}
	if ((*rc = txn_rc(m->reader)) != RC_OK)
		(void)fail(err, *rc, "", "the outbox can't be read");
	reader_end(m->reader);
	e->error = SLICE("");
	return found && *rc == RC_OK;
}

static unsigned
wait_ms(int64_t us)
{
	return us >= (int64_t)LOOK_MS * 1000 ? LOOK_MS : us <= 0 ? 0 : (unsigned)(us / 1000) + 1;
}

/* Does what is to be done first; returns how long there is nothing to do. */
static unsigned
step(struct mailer *m)
{
	bool gone = false, held = false;
	struct err err = ERR_INIT;
	struct outbox_entry e;
	int64_t now;
	enum rc rc;

	arena_clear(m->arena);
	if (!result_write(m))
		return FAULT_MS;
	if (atomic_exchange(&m->hurry, false))
		m->pause_until = 0;
	if (m->pause_until > clock_us())
		return wait_ms(m->pause_until - clock_us());
	if (!take_due(m, &e, &gone, &held, &err, &rc)) {
		if (rc != RC_OK)
			log_event(LOG_ERROR, "outbox-failed", LOG_STR("reason", err.detail));
		return rc != RC_OK ? FAULT_MS : LOOK_MS;
	}
	now = clock_ticks();
	if (e.next_attempt > now)
		return wait_ms((e.next_attempt - now) / 10);
	if (gone) {
		result_set(m, &e, true);
	} else if (held) {
		e.next_attempt = now + delay_after(m, UINT32_MAX);
		result_set(m, &e, false);
		error_set(m, "the organization is suspended");
	} else {
		send_one(m, &e);
	}
	return 0;
}

static void *
mailer_main(void *arg)
{
	struct mailer *m = arg;
	unsigned ms;

	(void)pthread_setname_np(pthread_self(), "mailer");
	while (!m->stopping) {
		ms = step(m);
		if (ms > 0 && !m->stopping)
			smtp_wait(m->smtp, ms);
	}
	(void)result_write(m);
	smtp_close(m->smtp);
	(void)pthread_mutex_lock(&m->lock);
	m->ended = true;
	(void)pthread_cond_signal(&m->end);
	(void)pthread_mutex_unlock(&m->lock);
	return NULL;
}

/* ---- Start, wake, stop ---- */

static void
on_mail(void *arg)
{
	mailer_wake(arg, false);
}

static void
mailer_release(struct mailer *m)
{
	if (m->smtp != NULL)
		smtp_free(m->smtp);
	reader_free(m->reader);
	arena_free(m->arena);
	(void)pthread_cond_destroy(&m->end);
	(void)pthread_mutex_destroy(&m->lock);
	free(m);
}

enum rc
mailer_new(const struct config *config, struct store *store, struct committer *committer,
	const struct seal *seal, struct mailer **out, struct err *err)
{
	struct mailer *m;
	enum rc rc;

	*out = NULL;
	if (!mailer_enabled(config))
		return RC_OK;
	if ((m = calloc(1, sizeof(*m))) == NULL)
		abort();
	m->config = config;
	m->store = store;
	m->committer = committer;
	m->seal = seal;
	(void)pthread_mutex_init(&m->lock, NULL);
	(void)pthread_cond_init(&m->end, NULL);
	m->arena = arena_new();
	m->reader = reader_new(store);
	if ((rc = smtp_new(config, &m->smtp, err)) != RC_OK) {
		mailer_release(m);
		return rc;
	}
	if (pthread_create(&m->thread, NULL, mailer_main, m) != 0) {
		mailer_release(m);
		return fail(err, RC_INTERNAL, "", "no thread for the mailer");
	}
	store_on_mail(store, on_mail, m);
	*out = m;
	return RC_OK;
}

void
mailer_wake(struct mailer *m, bool retry)
{
	if (m == NULL)
		return;
	if (retry)
		m->hurry = true;
	smtp_wake(m->smtp);
}

void
mailer_free(struct mailer *m, unsigned seconds)
{
	struct timespec until;

	if (m == NULL)
		return;
	store_on_mail(m->store, NULL, NULL);
	m->stopping = true;
	mailer_wake(m, false);
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += seconds;
	(void)pthread_mutex_lock(&m->lock);
	while (!m->ended && pthread_cond_timedwait(&m->end, &m->lock, &until) != ETIMEDOUT)
		;
	if (!m->ended)
		smtp_cut(m->smtp);
	(void)pthread_mutex_unlock(&m->lock);
	(void)pthread_join(m->thread, NULL);
	mailer_release(m);
}
