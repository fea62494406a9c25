/* A set of rows: open addressing, at most half full, in an arena. Row 0 is none. Zero but for the arena to begin. */
#ifndef DAEMON_DIRECTORY_ROW_SET_H
#define DAEMON_DIRECTORY_ROW_SET_H

#include "base/arena.h"

struct row_set {
	struct arena *arena;
	uint64_t *slots;
	size_t count, cap;
};

/* false: it was there. */
bool row_set_add(struct row_set *s, uint64_t row);

#endif
