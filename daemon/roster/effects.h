/* The effects (daemon/directory/effect.h) that are watched: each is kept once, however many watch it, and some time longer, for those who
 * come back; one thread moves all of them. */
#ifndef DAEMON_ROSTER_EFFECTS_H
#define DAEMON_ROSTER_EFFECTS_H

#include "daemon/directory/effect.h"
#include "daemon/roster/wake.h"

struct effects;

/* All are borrowed. */
enum rc effects_new(const struct directory *d, struct store *s, struct waker *w, struct effects **out, struct err *err) MUSTCHECK;
/* Ends the thread, which wakes workers: while these are there. NULL is fine. */
void effects_stop(struct effects *x);
/* After all was closed. NULL is fine. */
void effects_free(struct effects *x);

/* One that is shared. */
struct effect_share {
	struct effect_share *next;
	struct effect *effect;
	uint32_t wake; /* what it tells the waker in place of an org, when it has news */
	/* Under the lock of struct effects: */
	unsigned users;
	int64_t left; /* us, monotonic: when the last one went */
	bool behind;
};

/* Thread-safe. UNAVAILABLE beyond what the daemon keeps, of all orgs or of this one. */
enum rc effects_open(struct effects *x, const struct effect_question *q, struct effect_share **out, struct err *err) MUSTCHECK;
void effects_close(struct effects *x, struct effect_share *s);

/* Thread-safe: something was committed in an org (ORG_PLATFORM: maybe in any). */
void effects_tell(struct effects *x, uint32_t org);

#endif
