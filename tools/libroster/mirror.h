/* A mirror, and its feeds: each is one watch, and the copy that it keeps. */
#ifndef LIBROSTER_MIRROR_H
#define LIBROSTER_MIRROR_H

#include "tools/libroster/copies.h"
#include "tools/libroster/private.h"

enum { NOT_HEARD = -1 };

/* One change of a revision that is not whole yet. */
struct change {
	uint8_t event;
	bool is_group;
	struct roster_id id, group;
};

struct feed {
	struct copies copies;
	_Atomic uint64_t revision; /* of the copy; 0: there is none yet */
	_Atomic int64_t heard_at;  /* when the server last said so much */
	struct roster_mirror *mirror;
	struct roster_request watch; /* its texts and ids are ours */
	struct roster_id scope_id;
	uint64_t call;     /* 0: not under way */
	int64_t retry_at;
	unsigned failures;
	struct graph *fresh; /* a snapshot on its way, nobody's yet */
	bool complete;       /* all of the snapshot is there */
	uint64_t settled;    /* from this revision on it is exact */
	uint64_t at;         /* revision of fresh */
	struct change *changes;
	size_t count, room;
};

/* Copies the request. */
void feed_init(struct feed *f, struct roster_mirror *m, const struct roster_request *watch);
void feed_release(struct feed *f);
bool feed_start(struct feed *f, struct roster_error *error);
/* Starts it again when its time has come; returns when that is. */
int64_t feed_clock(struct feed *f, int64_t now);

struct roster_mirror {
	struct roster *r;
	struct roster_mirror *next; /* of the handle */
	int max_stale_ms;
	bool memberships;
	void (*changed)(void *arg, uint64_t revision, const struct roster_error *error);
	void *arg;
	struct feed *feeds; /* memberships first, where they are kept; then one for each permission */
	size_t count;
};

struct roster *mirror_handle(const struct roster_mirror *m);
void mirror_changed(struct roster_mirror *m, const struct roster_error *error);

#endif
