/* One watch: what its views share. */
#ifndef DAEMON_ROSTER_WATCH_H
#define DAEMON_ROSTER_WATCH_H

#include "daemon/directory/effect.h"
#include "daemon/directory/feed.h"
#include "daemon/roster/message.h"
#include "daemon/roster/wake.h"

struct watch {
	struct roster_task task; /* must stay first */
	struct wake_item wake;
	enum roster_view view;
	bool snapshot;       /* it is under way */
	uint64_t at;         /* the revision that the client is at, when it has taken all that was told */
	int64_t heartbeat;   /* us */
	int64_t last, end;   /* us, monotonic: when something was told last; the end of this turn */
	size_t size;         /* of the output when this turn began */
	/* The records view. */
	size_t entry_at;     /* how far the entry of at + 1 was told */
	struct feed_walk walk; /* of the snapshot */
	struct slice base, platform; /* of addresses */
	/* The views of memberships and permissions; walk.row is the last user of the snapshot. */
	struct effect_share *share;
	struct effect_cursor cursor;
	struct uuid *groups; /* that were named, sorted */
	size_t group_count;
	bool placed, walked; /* the cursor is where it shall be; the snapshot is at its end */
	uint64_t mark, settled;
	struct effect_event *events, *ahead; /* of this turn */
};

/* A turn has told enough, or took long enough. */
bool watch_full(const struct watch *w);

/* One part: items are put between begin and end. */
struct watch_part {
	size_t began;
	struct message *m;
};
struct watch_part watch_part_begin(struct watch *w, uint64_t revision, int64_t ticks);
/* Whether the part is long enough. */
bool watch_part_full(const struct watch_part *p);
void watch_part_more(struct watch_part *p);
void watch_part_end(struct watch *w, struct watch_part *p);

/* RESYNC: begin again, at `oldest` at the earliest. */
enum rc watch_resync(struct watch *w, uint64_t oldest, struct err *err) MUSTCHECK;

/* ---- Views ---- */

/* Reads what the request says beside, before the first turn; what fails here is the answer. May set wake.org. */
typedef enum rc watch_begin(struct watch *w, struct err *err);
watch_begin records_begin, effects_begin;
/* Each tells what it can in this turn; *more: and could go on at once. On failure the watch ends. */
typedef enum rc watch_turn(struct watch *w, bool *more, struct err *err);
watch_turn records_turn, effects_turn;

#endif
