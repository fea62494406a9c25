/* Resources as JSON, as GET over HTTPS shows them, one after another, each with its members or groups, piece by piece: a piece may
 * be written in a later transaction than the one before. */
#ifndef DAEMON_DIRECTORY_RENDER_H
#define DAEMON_DIRECTORY_RENDER_H

#include "daemon/directory/directory.h"
#include "protocol/scim_write.h"

enum render_state { RENDER_RESOURCE, RENDER_GROUPS, RENDER_MEMBERS, RENDER_DONE };

struct render {
	/* Set by the caller; all of it lives as long as this does. */
	const struct directory *d;
	struct arena *arena;
	int64_t now;      /* ticks */
	struct view view; /* but for its projection: */
	const struct projection *by_type[TYPE_COUNT];
	const uint64_t *rows;
	size_t count;
	struct slice packed; /* the one row's record, when it need not be read */
	bool in_list;        /* between them commas, behind them "]}" */

	/* Zero to begin. */
	size_t at;
	enum render_state state;
	uint64_t after;  /* the last member written */
	size_t members;  /* or groups, of this resource written */
	struct membership *groups; /* of this user; in scratch */
	size_t group_count, group_at;
	struct arena *scratch; /* of a list, emptied for each user: the arena would grow with all of them */
	size_t written;        /* resources */
};

/* Appends until about `want` bytes are there. True while there is more; false and *failed when it can't go on. A resource that was deleted since
 * its row was found is passed over. */
bool render_some(struct render *r, struct orgtx *o, struct buf *out, size_t want, bool *failed);

#endif
