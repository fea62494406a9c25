/* Users from several places, each once, in the order of rows: everybody in a group and in the groups below it, a list of
 * users, all of an org.
 *
 * A walk keeps rows and no transaction: it may go on in a later one as long as the org stands at the revision at which it was
 * made. Its memory is bounded by the number of groups, not of users: the lists that are merged are read in small pieces. */
#ifndef DAEMON_DIRECTORY_USER_WALK_H
#define DAEMON_DIRECTORY_USER_WALK_H

#include "base/arena.h"
#include "daemon/store/store.h"

struct user_walk;

/* Gives users behind `after` (0: all). In the arena. */
struct user_walk *user_walk_new(struct arena *a, uint64_t after);

/* What is added must be so before the first user_walk_next(). Rows that are there twice are given once. */
void user_walk_add_all(struct user_walk *w);
/* Direct members, and those of the groups below it. */
void user_walk_add_group(struct user_walk *w, struct orgtx *o, uint64_t group);
/* Rising; they must live as long as the walk. */
void user_walk_add_rows(struct user_walk *w, const uint64_t *rows, size_t count);

/* Up to max rows, rising. Fewer: there are no more. */
size_t user_walk_next(struct user_walk *w, struct orgtx *o, uint64_t *out, size_t max);

#endif
