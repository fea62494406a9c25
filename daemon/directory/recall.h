/* What a worker remembers of answers that it gave: what came out of a check or a membership.
 *
 * A question about one of a million people costs the store some twenty cache misses; remembered, it costs one. What is remembered is as
 * good as the store: before it is used in a transaction, the journal's entries since the last time are read, and what they can have
 * changed is forgotten: of one member, when it is about one member (a profile, a membership, an assignment of theirs), else of the
 * whole org. Too many entries at once, or one that is no longer there, and all of the org is forgotten. Answers that the clock can
 * change are never kept.
 *
 * Not thread-safe: one a worker. The table grows with what is asked, up to its limit; then new answers take the place of old ones. */
#ifndef DAEMON_DIRECTORY_RECALL_H
#define DAEMON_DIRECTORY_RECALL_H

#include "daemon/directory/directory.h"

struct recall;
struct recall_org; /* valid until the next recall_enter() */

/* bytes: of memory, at most, but for a quarter more for a while when it has grown; at least RECALL_MIN. */
enum { RECALL_MIN = 1 << 20 };
struct recall *recall_new(const struct directory *d, size_t bytes);
void recall_free(struct recall *r);

/* Brought up to the transaction. */
struct recall_org *recall_enter(struct recall *r, struct orgtx *o);

/* What is asked about people, but for who it is: a permission at a scope, or membership of a group. scope: the id of a workspace, project,
 * team or group; NULL: the org. 0: such a question is not remembered. */
enum recall_kind { RECALL_CHECK, RECALL_MEMBER, RECALL_DIRECT };
uint32_t recall_question(struct recall *r, const struct recall_org *ro, enum recall_kind kind, struct slice permission,
	const struct uuid *scope);

/* row: of the User with that id. */
bool recall_get(struct recall *r, const struct recall_org *ro, uint32_t question, const struct uuid *subject, uint64_t *row,
	uint8_t *code);
void recall_put(struct recall *r, const struct recall_org *ro, uint32_t question, const struct uuid *subject, uint64_t row,
	uint8_t code);

#endif
