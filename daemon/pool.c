#include "daemon/pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "daemon/clock.h"

#include "base/banned.h"

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct fair queue; /* under lock */
	bool stop;         /* under lock */
	unsigned running;  /* jobs; one may submit itself again: under lock */
	unsigned threads;
	pthread_t thread[];
};

static void *
pool_main(void *arg)
{
	struct pool *p = arg;

	(void)pthread_setname_np(pthread_self(), "pool");
	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct pool_job *job = (struct pool_job *)fair_take(&p->queue);
		int64_t began;
		uint32_t lane;

		if (job == NULL && p->stop && p->running == 0)
			break;
		if (job == NULL) {
			pthread_cond_wait(&p->wake, &p->lock);
			continue;
		}
		lane = job->item.lane;
		p->running++;
		pthread_mutex_unlock(&p->lock);
		began = clock_us();
		job->run(job);
		pthread_mutex_lock(&p->lock);
		fair_charge(&p->queue, lane, clock_us() - began);
		if (--p->running == 0 && p->stop)
			pthread_cond_broadcast(&p->wake);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

enum rc
pool_new(unsigned threads, struct pool **out, struct err *err)
{
	struct pool *p = calloc(1, sizeof(*p) + threads * sizeof(p->thread[0]));

	if (p == NULL)
		abort();
	fair_init(&p->queue);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	for (; p->threads < threads; p->threads++)
		if (pthread_create(&p->thread[p->threads], NULL, pool_main, p) != 0) {
			pool_free(p);
			return fail(err, RC_INTERNAL, "", "no thread for the pool");
		}
	*out = p;
	return RC_OK;
}

void
pool_free(struct pool *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->threads; i++)
		pthread_join(p->thread[i], NULL);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

enum rc
pool_submit(struct pool *p, struct pool_job *job, struct err *err)
{
	bool full;

	pthread_mutex_lock(&p->lock);
	full = p->queue.count >= POOL_WAITING ||
	       fair_waiting(&p->queue, job->item.lane) >= POOL_WAITING_LANE;
	if (!full)
		fair_put(&p->queue, &job->item);
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	return full ? fail(err, RC_UNAVAILABLE, "",
			      "too many requests with passwords, long bodies or long searches wait "
			      "already; try again")
		    : RC_OK;
}

void
pool_go_on(struct pool *p, struct pool_job *job)
{
	pthread_mutex_lock(&p->lock);
	fair_put(&p->queue, &job->item);
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}
