#include "config.h"

#include "daemon/store/store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/banned.h"

#ifdef BROKEN_COMMIT
/* Everything that must not be done: a write is answered before its commit, which follows up to 50
 * ms later, and the counters come in a transaction of their own after it. Killing the process shows
 * both. LMDB's write transaction belongs to the thread that began it, hence a thread. */
struct broken {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	store_write_fn *fn;
	void *arg;
	struct err *err;
	enum rc rc;
	bool asked, answered, stop;
};

static void
broken_linger(struct broken *b)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 50 * 1000 * 1000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (!b->asked && !b->stop &&
		pthread_cond_timedwait(&b->change, &b->lock, &until) != ETIMEDOUT)
		;
}

struct broken_stats {
	struct org_stat stat;
	uint32_t org;
};

static void
broken_commit_halves(struct store *s)
{
	struct broken_stats stats[64];
	struct txn *t = s->writer;
	size_t n = 0;

	for (struct orgtx *o = t->orgs; o != NULL && n < 64; o = o->next) {
		if (o->dirty)
			stats[n++] = (struct broken_stats){ o->stat, o->org };
		o->dirty = false;
	}
	if (writer_commit(t) != 0)
		return writer_end(t);
	writer_end(t);
	pthread_mutex_unlock(&s->broken->lock);
	nanosleep(&(struct timespec){ 0, 5 * 1000 * 1000 }, NULL);
	pthread_mutex_lock(&s->broken->lock);
	if (writer_begin(t) == 0) {
		for (size_t i = 0; i < n; i++)
			orgtx_put_stat(t, stats[i].org, &stats[i].stat);
		if (t->rc == 0)
			(void)writer_commit(t);
		writer_end(t);
	}
}

static void *
broken_main(void *arg)
{
	struct store *s = arg;
	struct broken *b = s->broken;
	int mrc;

	pthread_mutex_lock(&b->lock);
	for (;;) {
		while (!b->asked && !b->stop)
			pthread_cond_wait(&b->change, &b->lock);
		if (!b->asked)
			break;
		do {
			mrc = writer_begin(s->writer);
			b->rc = mrc == 0 ? b->fn(s->writer, b->arg, b->err) : RC_INTERNAL;
			mrc = mrc == 0 ? s->writer->rc : mrc;
			if (mrc != 0 || b->rc != RC_OK)
				writer_end(s->writer);
		} while (mrc == MDB_MAP_FULL && (mrc = store_grow(s)) == 0);
		if (mrc != 0)
			b->rc = writer_failed(s, mrc, false, b->err);
		b->asked = false;
		b->answered = true;
		pthread_cond_broadcast(&b->change);
		if (b->rc == RC_OK) {
			broken_linger(b);
			broken_commit_halves(s);
		}
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

enum rc
store_write_broken(struct store *s, store_write_fn *fn, void *arg, struct err *err)
{
	struct broken *b = s->broken;
	enum rc rc;

	if (b == NULL) {
		b = s->broken = calloc(1, sizeof(*b));
		if (b == NULL)
			abort();
		pthread_mutex_init(&b->lock, NULL);
		pthread_cond_init(&b->change, NULL);
		if (pthread_create(&b->thread, NULL, broken_main, s) != 0)
			abort();
	}
	pthread_mutex_lock(&b->lock);
	b->fn = fn;
	b->arg = arg;
	b->err = err;
	b->answered = false;
	b->asked = true;
	pthread_cond_broadcast(&b->change);
	while (!b->answered)
		pthread_cond_wait(&b->change, &b->lock);
	rc = b->rc;
	pthread_mutex_unlock(&b->lock);
	return rc;
}

void
store_broken_end(struct store *s)
{
	struct broken *b = s->broken;

	if (b == NULL)
		return;
	pthread_mutex_lock(&b->lock);
	b->stop = true;
	pthread_cond_broadcast(&b->change);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->thread, NULL);
	pthread_cond_destroy(&b->change);
	pthread_mutex_destroy(&b->lock);
	free(b);
}
#else
void
store_broken_end(struct store *s)
{
	(void)s;
}
#endif
