/* From an evaluation to a check and back to JSON, and whether the caller may ask it. */
#ifndef DAEMON_ACCESS_ASK_H
#define DAEMON_ACCESS_ASK_H

#include "daemon/directory/check.h"
#include "daemon/scim/request.h"
#include "protocol/authzen.h"

struct asker {
	struct subject subject; /* the caller */
	bool about_anyone;      /* may ask; otherwise about itself alone */
	struct check check;
};

/* In the open transaction of the request's worker. FORBIDDEN when the caller may ask nothing at all. */
enum rc asker_init(struct asker *k, struct request *rq, struct arena *a, struct err *err) MUSTCHECK;

/* Writes the answer; *allowed may be NULL. On failure nothing was written: FORBIDDEN when the caller
 * may not ask about that subject, BAD_REQUEST. */
enum rc asker_ask(struct asker *k, const struct authzen_evaluation *e, struct buf *out, bool *allowed,
	struct err *err) MUSTCHECK;

/* The answer to an evaluation of a batch that could not be asked: no. */
void ask_write_error(struct buf *out, enum rc rc, const struct err *err);

#endif
