/* One write, decoded: what creating, replacing, patching and deleting a resource have in common, at every door.
 *
 * edit_decode() and edit_hash() need no store and may run on any thread; edit_run() runs inside the committer's
 * transaction, and may run again there. */
#ifndef DAEMON_DIRECTORY_EDIT_H
#define DAEMON_DIRECTORY_EDIT_H

#include "daemon/directory/directory.h"
#include "daemon/password.h"

enum edit_op { OP_CREATE, OP_REPLACE, OP_PATCH, OP_DELETE };

struct edit {
	enum edit_op op;
	const struct resource_type *type;
	struct uuid id; /* of a create: the new one */
	struct precondition pre;
	struct resource_in in; /* OP_CREATE, OP_REPLACE */
	struct patch *patch;   /* OP_PATCH */
	struct written written;
};

/* body: NULL for OP_DELETE. It must live as long as the edit, as does the arena. */
enum rc edit_decode(const struct directory *d, struct arena *a, enum dialect dialect, const json_t *body,
	struct edit *e, struct err *err) MUSTCHECK;

/* Whether there is a password to hash: slow work. */
bool edit_has_password(const struct edit *e);
enum rc edit_hash(const struct directory *d, struct arena *a, const struct password_cost *cost, struct edit *e,
	struct err *err) MUSTCHECK;

enum rc edit_run(const struct directory *d, struct arena *a, struct orgtx *o, const struct writer *w,
	struct edit *e, struct err *err) MUSTCHECK;

#endif
