/* Tells who waits for an org that something was committed there.
 *
 * The committer says which orgs changed; each worker that has somebody waiting for one of them is told once, however many
 * commits come before it looks. */
#ifndef DAEMON_ROSTER_WAKE_H
#define DAEMON_ROSTER_WAKE_H

#include <stdbool.h>
#include <stdint.h>

struct waker;
struct worker;

/* One who waits; embedded in what it is about. */
struct wake_item {
	struct wake_item *next, **at;
	struct wake_list *list;
	uint32_t org;
	void (*wake)(struct wake_item *item); /* on its worker; must not remove items */
};

struct waker *waker_new(unsigned workers);
/* After the workers are gone. NULL is fine. */
void waker_free(struct waker *w);

/* On the worker's thread: from now on it is woken, at least once after each commit in the org (or what concerns all orgs). */
void wake_add(struct waker *w, struct worker *worker, struct wake_item *item);
void wake_remove(struct wake_item *item);

/* Thread-safe; does not block for long. org: ORG_PLATFORM for all. */
void waker_tell(struct waker *w, uint32_t org);

#endif
