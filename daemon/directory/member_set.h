/* What a request does to the members of a group, brought down to the edges to add and to remove.
 *
 * Edits come in order and may contradict each other; the last word on a member counts. Cost is that of the
 * edits, not of the group, unless an edit speaks of all members. */
#ifndef DAEMON_DIRECTORY_MEMBER_SET_H
#define DAEMON_DIRECTORY_MEMBER_SET_H

#include "daemon/directory/directory.h"

struct member_changes {
	uint64_t *add, *remove; /* rows, rising */
	size_t add_count, remove_count;
};

/* The edits against a group's members. group 0: a new group. Unknown ids in adds are INVALID_VALUE, in
 * removes they pass. */
enum rc member_changes_of(const struct directory *d, struct orgtx *o, struct arena *a, uint64_t group,
	const struct attr *members, const struct member_edit *edits, struct member_changes *out,
	struct err *err) MUSTCHECK;

/* INVALID_VALUE when adding these members would make the group hold itself. */
enum rc member_check_cycle(struct orgtx *o, struct arena *a, uint64_t group,
	const struct member_changes *changes, struct err *err) MUSTCHECK;

#endif
