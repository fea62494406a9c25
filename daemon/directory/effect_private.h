/* What effect.c (what is to be looked at again, and the look) and effect_told.c (what is held and told) share. */
#ifndef DAEMON_DIRECTORY_EFFECT_PRIVATE_H
#define DAEMON_DIRECTORY_EFFECT_PRIVATE_H

#include <pthread.h>

#include "daemon/directory/effect.h"

/* Rows that grow, in memory of their own. */
struct row_list {
	uint64_t *rows;
	size_t count, cap;
};

void row_list_add(struct row_list *l, uint64_t row);

/* What users hold: open addressing, at most half full. held[0] counts the rows behind it; NULL: nothing. */
struct held_table {
	uint64_t *users, **held;
	size_t cap, count;
};

/* NULL: nothing. */
const uint64_t *held_get(const struct held_table *t, uint64_t user);

/* A change of time that comes to an assignment. */
struct boundary {
	int64_t when;
	uint64_t assignment;
};

struct told_part {
	uint64_t revision;
	int64_t time;
	bool clock; /* not by a revision */
	size_t count;
	struct effect_event *events;
};

struct effect {
	const struct directory *d;
	struct effect_question q;
	struct arena *arena;

	/* The moving thread's own. */
	uint64_t read; /* the journal up to here was looked through */
	size_t read_at; /* and so far the entry behind it */
	struct row_list users, groups; /* to be looked at; to be walked down */
	struct held_table seen;        /* groups of this walk */
	uint64_t group, member;        /* under way in a walk; the last one looked at */
	bool all, begun;               /* all users, behind all_after; the first look was begun */
	uint64_t all_after;
	bool times;                    /* assignments are to be looked through for times, behind times_after */
	uint64_t times_after;
	struct boundary *heap;
	size_t heap_count, heap_cap, heap_limit; /* limit: beyond it they are looked through, see heap_tidy() */
	int64_t last_boundary; /* the last one that was over when it was found */
	int64_t now;           /* of the pass under way; 0: none is */
	char model[MODEL_NAME_MAX + 1];
	uint32_t model_version;
	enum org_kind kind;

	pthread_mutex_t lock; /* of all below. The moving thread alone writes, and reads `held` without it */
	struct held_table held;
	bool ready;
	uint64_t at, least; /* the revision that was told; the oldest that can be named */
	uint64_t told;      /* how often something was told */
	bool lost;          /* more happened than is remembered */
	struct effect_event *pending;
	size_t pending_count, pending_cap;
	struct told_part *parts; /* from parts_at on, parts_count of them */
	size_t parts_at, parts_count, parts_cap, event_count;
	uint64_t first_serial;
};

/* Notes what a user holds now, rows sorted; the difference becomes events. */
void told_hold(struct effect *e, struct orgtx *o, uint64_t user, const uint64_t *rows, size_t count);
/* What happened can't be told: everybody has to begin anew. */
void told_lose(struct effect *e);
/* All was looked at, at that revision. apart: by the clock something may have happened at the revision that nobody told. True when readers
 * have something new. */
bool told_publish(struct effect *e, uint64_t revision, int64_t now, bool apart);
void held_free(struct held_table *t);
void held_clear(struct held_table *t);
/* false: it was there. */
bool held_mark(struct held_table *t, uint64_t row);

#endif
