#include "daemon/roster/wake.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "daemon/exchange.h"
#include "daemon/store/store.h"

#include "base/banned.h"

enum {
	BUCKETS = 256,
	ORGS_MAX = 64, /* that changed since the worker looked: beyond that all are woken */
};

/* Of one worker. */
struct wake_list {
	_Atomic unsigned count; /* of items */
	struct wake_item *buckets[BUCKETS]; /* by org; the worker's own */
	struct worker *worker;
	pthread_mutex_t lock;
	uint32_t orgs[ORGS_MAX]; /* under lock, as all that follows */
	unsigned org_count;
	bool all, posted;
};

struct waker {
	unsigned count;
	struct wake_list lists[];
};

struct waker *
waker_new(unsigned workers)
{
	struct waker *w = calloc(1, sizeof(*w) + workers * sizeof(w->lists[0]));

	if (w == NULL)
		abort();
	w->count = workers;
	for (unsigned i = 0; i < workers; i++)
		pthread_mutex_init(&w->lists[i].lock, NULL);
	return w;
}

void
waker_free(struct waker *w)
{
	if (w == NULL)
		return;
	for (unsigned i = 0; i < w->count; i++)
		pthread_mutex_destroy(&w->lists[i].lock);
	free(w);
}

void
wake_add(struct waker *w, struct worker *worker, struct wake_item *item)
{
	struct wake_list *l = &w->lists[worker_index(worker)];

	item->list = l;
	item->at = &l->buckets[item->org % BUCKETS];
	item->next = *item->at;
	if (item->next != NULL)
		item->next->at = &item->next;
	*item->at = item;
	if (l->worker == NULL)
		l->worker = worker;
	/* Sequentially consistent, as is the look of waker_tell(): who commits after this sees it. */
	(void)atomic_fetch_add(&l->count, 1);
}

void
wake_remove(struct wake_item *item)
{
	*item->at = item->next;
	if (item->next != NULL)
		item->next->at = item->at;
	(void)atomic_fetch_sub(&item->list->count, 1);
}

static void
wake_bucket(struct wake_item *item, uint32_t org, bool all)
{
	struct wake_item *next;

	for (; item != NULL; item = next) {
		next = item->next;
		if (all || item->org == org)
			item->wake(item);
	}
}

/* On the worker. */
static void
wake_all(void *arg)
{
	struct wake_list *l = arg;
	uint32_t orgs[ORGS_MAX];
	unsigned n;
	bool all;

	pthread_mutex_lock(&l->lock);
	n = l->org_count;
	all = l->all;
	for (unsigned i = 0; i < n; i++)
		orgs[i] = l->orgs[i];
	l->org_count = 0;
	l->all = l->posted = false;
	pthread_mutex_unlock(&l->lock);
	for (unsigned i = 0; all && i < BUCKETS; i++)
		wake_bucket(l->buckets[i], ORG_PLATFORM, true);
	for (unsigned i = 0; !all && i < n; i++)
		wake_bucket(l->buckets[orgs[i] % BUCKETS], orgs[i], false);
}

static bool
note(struct wake_list *l, uint32_t org)
{
	bool first = !l->posted;

	l->posted = true;
	if (l->all)
		return first;
	for (unsigned i = 0; i < l->org_count; i++)
		if (l->orgs[i] == org)
			return first;
	l->all = org == ORG_PLATFORM || l->org_count == ORGS_MAX;
	if (!l->all)
		l->orgs[l->org_count++] = org;
	return first;
}

void
waker_tell(struct waker *w, uint32_t org)
{
	for (unsigned i = 0; i < w->count; i++) {
		struct wake_list *l = &w->lists[i];
		bool first;

		if (atomic_load(&l->count) == 0)
			continue;
		pthread_mutex_lock(&l->lock);
		first = note(l, org);
		pthread_mutex_unlock(&l->lock);
		if (first)
			worker_post(l->worker, wake_all, l);
	}
}
