#include "daemon/pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/banned.h"

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct pool_job *first, **last; /* under lock */
	bool stop;                      /* under lock */
	unsigned threads;
	pthread_t thread[];
};

static void *
pool_main(void *arg)
{
	struct pool *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct pool_job *job = p->first;

		if (job == NULL && p->stop)
			break;
		if (job == NULL) {
			pthread_cond_wait(&p->wake, &p->lock);
			continue;
		}
		p->first = job->next;
		if (p->first == NULL)
			p->last = &p->first;
		pthread_mutex_unlock(&p->lock);
		job->run(job);
		pthread_mutex_lock(&p->lock);
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
	p->last = &p->first;
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

void
pool_submit(struct pool *p, struct pool_job *job)
{
	job->next = NULL;
	pthread_mutex_lock(&p->lock);
	*p->last = job;
	p->last = &job->next;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}
