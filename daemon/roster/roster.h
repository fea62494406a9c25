/* The binary door's hall: from frames of roster/1 (docs/PROTOCOL.md) to the directory and back.
 *
 * Questions are answered on the worker, straight from the store, as they come: those of one read share a read transaction. Long
 * answers, watches and writes are tasks of their session (daemon/session.h). Rights are asked in the one table of operations
 * (daemon/directory/operation.h), as behind every door. */
#ifndef DAEMON_ROSTER_ROSTER_H
#define DAEMON_ROSTER_ROSTER_H

#include "daemon/auth.h"
#include "daemon/committer.h"
#include "daemon/config.h"
#include "daemon/directory/directory.h"
#include "daemon/rate.h"
#include "daemon/session.h"

struct roster;

struct roster_options {
	const struct schema_set *schema;
	const struct directory *directory;
	const struct config *config; /* live */
	struct store *store;
	struct committer *committer;
	struct auth *auth;
	struct rate *rate;
	unsigned workers;
};

/* Everything in options must outlive it. */
enum rc roster_new(const struct roster_options *options, struct roster **out, struct err *err) MUSTCHECK;
/* After the sessions are gone and the committer was freed: ends its threads, when they have finished what they do. NULL is
 * fine. */
void roster_stop(struct roster *r);
/* After the committer was freed and the server's workers are gone. NULL is fine. */
void roster_free(struct roster *r);

/* What the server calls; arg is a struct roster *, which may be made after the listeners are (but before server_start()). */
extern const struct session_handler roster_sessions;

#endif
