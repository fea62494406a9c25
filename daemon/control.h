/* The operator's door: a unix socket in the data directory, mode 0600; who may open it may do
 * everything.
 *
 * Frames (protocol/frame.h) with JSON. One thread a connection, blocking I/O, at most
 * CONTROL_CONNECTIONS; what a command writes goes through the committer as everything does. The
 * same commands are served over one socket by a process that has no listeners (rosterd
 * --control-stdio), so that rosterctl works when no daemon runs and still never touches the store
 * itself. */
#ifndef DAEMON_CONTROL_H
#define DAEMON_CONTROL_H

#include "daemon/auth.h"
#include "daemon/config.h"
#include "daemon/directory/directory.h"
#include "daemon/mail/mailer.h"
#include "daemon/server.h"

enum { CONTROL_CONNECTIONS = 16 };

struct control;

/* What a command works on. */
enum control_need {
	NEEDS_NOTHING,
	NEEDS_DIRECTORY, /* the data directory, made when missing; no store opened */
	NEEDS_STORE, /* one that is there: a directory named by mistake must not become a store */
	NEEDS_OR_MAKES_STORE,
};

/* store, committer and auth may be NULL at first when `open` is given: it is called before a
 * command that needs something while store is NULL, and fills them in. */
struct control_options {
	const struct config *config;
	const struct schema_set *schema;
	const struct directory *directory;
	struct store *store;
	struct committer *committer;
	struct auth *auth;
	struct mailer *mailer; /* NULL when there is no mail server, or nothing that sends */
	struct server *server; /* NULL when there are no listeners */
	enum rc (*open)(
		struct control_options *o, enum control_need need, void *arg, struct err *err);
	void (*reload)(void *arg); /* NULL: nothing to reload */
	void *arg;
	const _Atomic bool *stop; /* set by control_new(): removals in steps look at it */
};

/* Listens on config->control_socket, serves in threads of its own; goes on with the removal of
 * deleted orgs that was interrupted. Options are copied. */
enum rc control_new(
	const struct control_options *options, struct control **out, struct err *err) MUSTCHECK;
/* Ends the connections, waits for the commands under way. */
void control_free(struct control *c);

/* Serves one connection on this thread until the peer closes it. */
void control_serve(const struct control_options *options, int fd);

#endif
