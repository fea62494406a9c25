/* One write, decoded: what POST, PUT, PATCH and DELETE and each operation of a bulk request have in common.
 *
 * edit_decode() and edit_hash() need no store and may run on any thread; edit_run() runs inside the committer's
 * transaction, and may run again there. */
#ifndef DAEMON_SCIM_EDIT_H
#define DAEMON_SCIM_EDIT_H

#include "daemon/scim/request.h"

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

/* body: NULL for OP_DELETE. */
enum rc edit_decode(struct request *rq, const json_t *body, struct edit *c, struct err *err) MUSTCHECK;

/* Whether there is a password to hash. */
bool edit_has_password(const struct edit *c);
enum rc edit_hash(struct request *rq, struct edit *c, struct err *err) MUSTCHECK;

enum rc edit_run(struct request *rq, struct orgtx *o, struct edit *c, struct err *err) MUSTCHECK;

/* ---- The way of a write through the threads ---- */

struct write {
	struct write_job job;   /* must stay first */
	struct pool_job slow;
	struct request *rq;
	enum rc rc;             /* of decoding */
	struct err err;
	/* Reads the body into whatever run needs; with slow work when `slow` is true (then on the pool). Sets *needs_slow when it left work
	 * undone that belongs on the pool: it is called there until nothing is left, and others' work goes in between. */
	enum rc (*prepare)(struct write *w, bool slow, bool *needs_slow, struct err *err);
	enum rc (*run)(struct write *w, struct orgtx *o, struct err *err);
	void (*reply)(struct write *w); /* on the worker, after the commit; the reader is open */
	/* Of a write that takes several commits, NULL for others. On the committer's thread, behind each: whether run is to go on in
	 * another one. It may forgive a failed commit (w->job.rc). */
	bool (*committed)(struct write *w);
};

/* Takes a write from here to its answer. w lives in the request's arena. */
void write_start(struct request *rq, struct write *w);

#endif
