/* What the records of an org come to: who is in which group, through nesting; who may do one thing at one place. Kept in memory, moved
 * forward along the journal, and told as events: gained, lost.
 *
 * An entry of the journal tells whom it may concern; those are looked at again in the store as it stands, by the same code that answers
 * questions. So an effect stands at whole commits only: it says which revision it is at when all are looked at, and what came and went in between
 * is not told. Start and end times of assignments are heeded.
 *
 * One thread moves it (effect_turn() and what is marked so); the readers may be called by any thread. The last events are remembered, up to
 * EFFECT_EVENTS: whoever was away for no longer goes on exactly where they were. */
#ifndef DAEMON_DIRECTORY_EFFECT_H
#define DAEMON_DIRECTORY_EFFECT_H

#include "daemon/directory/subject.h"

enum {
	EFFECT_EVENTS = 1 << 18, /* remembered: 9 MB */
	EFFECT_PARTS = 1 << 16,  /* into which they are divided */
};

enum effect_kind { EFFECT_MEMBERSHIP, EFFECT_PERMISSION };

struct effect_question {
	enum effect_kind kind;
	uint32_t org;
	struct slice permission; /* a name of the model: borrowed from there for ever */
	uint64_t scope;          /* row; 0: the org */
};

struct effect_event {
	bool gained;
	struct uuid group; /* of memberships */
	struct uuid user;
};

struct effect;

struct effect *effect_new(const struct directory *d, const struct effect_question *q);
void effect_free(struct effect *e);
const struct effect_question *effect_question(const struct effect *e);

/* ---- The thread that moves it ---- */

/* Goes on for some milliseconds. now: ticks. *told: readers have something new. Returns whether there is more to do at once. */
bool effect_turn(struct effect *e, struct txn *t, int64_t now, bool *told);
/* When the clock brings something (ticks); 0: never. */
int64_t effect_due(const struct effect *e);

/* ---- Readers ---- */

/* Where one stands. */
struct effect_cursor {
	uint64_t serial; /* of the part to be read next */
	size_t event;    /* in it */
	uint64_t at;     /* the revision that has been read */
};

enum effect_answer {
	EFFECT_OK,
	EFFECT_NOT_YET, /* it is still being made */
	EFFECT_TOO_OLD, /* not remembered: *least can be named, or all is to be read anew */
};

/* Behind what was read at a revision. */
enum effect_answer effect_after(struct effect *e, uint64_t revision, struct effect_cursor *out, uint64_t *least);
/* At the end, to read all that is held, by effect_held(). */
enum effect_answer effect_end(struct effect *e, struct effect_cursor *out);

struct effect_part {
	uint64_t revision;
	int64_t time; /* ticks */
	size_t count; /* events read */
	bool whole;   /* they are the last of the part */
};

/* Some events of the next part; part->revision 0: there is none, and cursor->at is the revision that was come to. */
enum effect_answer effect_read(struct effect *e, struct effect_cursor *c, struct effect_event *out, size_t max,
	struct effect_part *part, uint64_t *least);

/* What a user holds now: rows of groups above after; of a permission one row, 1. It may be ahead of what was told so far. */
size_t effect_held(struct effect *e, uint64_t user, uint64_t after, uint64_t *out, size_t max);
/* Whether all that effect_held() gave by now has been told, at which revision; *mark: 0 at first, kept from call to call. */
bool effect_settled(struct effect *e, uint64_t *mark, uint64_t *revision);

#endif
