/* The way of a write through the threads, from its request to its answer. */
#ifndef DAEMON_SCIM_WAY_H
#define DAEMON_SCIM_WAY_H

#include "daemon/directory/edit.h"
#include "daemon/scim/request.h"

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
