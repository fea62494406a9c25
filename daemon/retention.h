/* How much of the journals is kept: journal.keep_days and journal.keep_size.
 *
 * Now and then all orgs are looked at (the platform, too), and the oldest entries of those that have more go, in small steps by the
 * committer. The newest entry of each stays. For one thread. */
#ifndef DAEMON_RETENTION_H
#define DAEMON_RETENTION_H

#include <stdatomic.h>

#include "daemon/committer.h"
#include "daemon/config.h"

struct retention;

/* All are borrowed. stop: set when it is time to end. */
struct retention *retention_new(struct store *s, struct committer *c, const struct config *config, const _Atomic bool *stop);
void retention_free(struct retention *r);

/* Looks, when it is time to. Called about once a second; may take long, but for *stop. */
void retention_turn(struct retention *r);

#endif
