#include "daemon/roster/effects.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/log.h"
#include "daemon/clock.h"

#include "base/banned.h"

enum {
	SHARES_MAX = 1000,
	SHARES_ORG = 100, /* of one org, so that it leaves some to others */
	KEEP_US = 60 * 1000000, /* behind the last who watched */
	WAIT_MS = 1000,         /* at most, between two looks */
	THREAD_NICE = 5,        /* as the committer: who asks goes first */
	FIRST_WAKE = INT32_MIN, /* above the numbers of orgs */
};

struct effects {
	const struct directory *directory;
	struct store *store;
	struct waker *waker;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct effect_share *shares; /* under lock, as all that follows */
	_Atomic unsigned count;      /* read without it */
	uint32_t next_wake;
	bool stop;
};

/* ---- What is kept ---- */

static bool
same_question(const struct effect_question *a, const struct effect_question *b)
{
	return a->kind == b->kind && a->org == b->org && a->scope == b->scope && slice_eq(a->permission, b->permission);
}

static struct effect_share *
find(struct effects *x, const struct effect_question *q)
{
	struct effect_share *s = x->shares;

	while (s != NULL && !same_question(effect_question(s->effect), q))
		s = s->next;
	return s;
}

static unsigned
count_of_org(const struct effects *x, uint32_t org)
{
	unsigned n = 0;

	for (const struct effect_share *s = x->shares; s != NULL; s = s->next)
		n += effect_question(s->effect)->org == org;
	return n;
}

/* Whether there is room for one more. */
static enum rc
may_add(const struct effects *x, uint32_t org, struct err *err)
{
	if (atomic_load(&x->count) >= SHARES_MAX)
		return fail(err, RC_UNAVAILABLE, "", "%d different memberships and permissions are watched already", SHARES_MAX);
	return count_of_org(x, org) < SHARES_ORG
		       ? RC_OK
		       : fail(err, RC_UNAVAILABLE, "", "%d different memberships and permissions of this org are watched already",
				 SHARES_ORG);
}

static struct effect_share *
add(struct effects *x, const struct effect_question *q)
{
	struct effect_share *s = calloc(1, sizeof(*s));

	if (s == NULL)
		abort();
	*s = (struct effect_share){ .next = x->shares, .effect = effect_new(x->directory, q), .wake = x->next_wake };
	x->next_wake = (x->next_wake + 1) | (uint32_t)FIRST_WAKE;
	x->shares = s;
	/* Sequentially consistent, as is the look of effects_tell(): who commits after this sees it. */
	(void)atomic_fetch_add(&x->count, 1);
	return s;
}

enum rc
effects_open(struct effects *x, const struct effect_question *q, struct effect_share **out, struct err *err)
{
	enum rc rc = RC_OK;

	pthread_mutex_lock(&x->lock);
	if ((*out = find(x, q)) == NULL && (rc = may_add(x, q->org, err)) == RC_OK)
		*out = add(x, q);
	if (rc == RC_OK) {
		(*out)->users++;
		(*out)->behind = true;
		pthread_cond_signal(&x->work);
	}
	pthread_mutex_unlock(&x->lock);
	return rc;
}

void
effects_close(struct effects *x, struct effect_share *s)
{
	pthread_mutex_lock(&x->lock);
	if (--s->users == 0)
		s->left = clock_us();
	pthread_mutex_unlock(&x->lock);
}

void
effects_tell(struct effects *x, uint32_t org)
{
	bool any = false;

	if (atomic_load(&x->count) == 0)
		return;
	pthread_mutex_lock(&x->lock);
	for (struct effect_share *s = x->shares; s != NULL; s = s->next)
		if (org == ORG_PLATFORM || effect_question(s->effect)->org == org)
			any = s->behind = true;
	if (any)
		pthread_cond_signal(&x->work);
	pthread_mutex_unlock(&x->lock);
}

/* ---- The thread ---- */

static void
drop_unused(struct effects *x)
{
	int64_t now = clock_us();

	for (struct effect_share **at = &x->shares, *s; (s = *at) != NULL;) {
		if (s->users > 0 || now - s->left < KEEP_US) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		effect_free(s->effect);
		free(s);
		(void)atomic_fetch_sub(&x->count, 1);
	}
}

/* The next that has something to do, taken to the end of the list, so that all have their turn. Else *until is when one will have (ticks). */
static struct effect_share *
next_share(struct effects *x, int64_t now, int64_t *until)
{
	struct effect_share **at = &x->shares, *s;

	for (; (s = *at) != NULL; at = &s->next) {
		int64_t due = effect_due(s->effect);

		if (s->behind || (due != 0 && due <= now))
			break;
		if (due != 0 && due < *until)
			*until = due;
	}
	if (s == NULL)
		return NULL;
	*at = s->next;
	s->next = NULL;
	for (; *at != NULL; at = &(*at)->next)
		continue;
	*at = s;
	return s;
}

static void
wait_until(struct effects *x, int64_t ticks)
{
	struct timespec t = { .tv_sec = ticks / 10000000, .tv_nsec = ticks % 10000000 * 100 };

	(void)pthread_cond_timedwait(&x->work, &x->lock, &t);
}

/* One turn, without the lock: the share stays, as this thread alone lets go of any. */
static bool
move(struct effects *x, struct effect_share *s, struct txn *t, int64_t now)
{
	struct err err = ERR_INIT;
	bool told = false, more;

	if (reader_begin(t, &err) != RC_OK) {
		log_event(LOG_ERROR, "watch-failed", LOG_STR("reason", err.detail));
		return false; /* the next commit tries again */
	}
	more = effect_turn(s->effect, t, now, &told);
	reader_end(t);
	if (told)
		waker_tell(x->waker, s->wake);
	return more;
}

static void *
effects_main(void *arg)
{
	struct effects *x = arg;
	struct txn *t = reader_new(x->store);

	(void)pthread_setname_np(pthread_self(), "effects");
	(void)setpriority(PRIO_PROCESS, 0, THREAD_NICE);
	pthread_mutex_lock(&x->lock);
	while (!x->stop) {
		int64_t now = clock_ticks(), until = now + WAIT_MS * 10000;
		struct effect_share *s = next_share(x, now, &until);
		bool more;

		if (s == NULL) {
			drop_unused(x);
			wait_until(x, until);
			continue;
		}
		s->behind = false;
		pthread_mutex_unlock(&x->lock);
		more = move(x, s, t, now);
		pthread_mutex_lock(&x->lock);
		s->behind = s->behind || more;
	}
	pthread_mutex_unlock(&x->lock);
	reader_free(t);
	return NULL;
}

/* ---- Life ---- */

enum rc
effects_new(const struct directory *d, struct store *s, struct waker *w, struct effects **out, struct err *err)
{
	struct effects *x = calloc(1, sizeof(*x));

	if (x == NULL)
		abort();
	*x = (struct effects){ .directory = d, .store = s, .waker = w, .next_wake = (uint32_t)FIRST_WAKE };
	pthread_mutex_init(&x->lock, NULL);
	pthread_cond_init(&x->work, NULL);
	if (pthread_create(&x->thread, NULL, effects_main, x) != 0) {
		free(x);
		return fail(err, RC_INTERNAL, "", "no thread for what is watched");
	}
	*out = x;
	return RC_OK;
}

void
effects_stop(struct effects *x)
{
	if (x == NULL || x->stop) /* nobody else sets it */
		return;
	pthread_mutex_lock(&x->lock);
	x->stop = true;
	pthread_cond_signal(&x->work);
	pthread_mutex_unlock(&x->lock);
	(void)pthread_join(x->thread, NULL);
}

void
effects_free(struct effects *x)
{
	if (x == NULL)
		return;
	effects_stop(x);
	while (x->shares != NULL) {
		struct effect_share *s = x->shares;

		x->shares = s->next;
		effect_free(s->effect);
		free(s);
	}
	pthread_cond_destroy(&x->work);
	pthread_mutex_destroy(&x->lock);
	free(x);
}
