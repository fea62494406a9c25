/* The SCIM door's hall: from an HTTP request to the directory and back (RFC 7644).
 *
 * scim_handle() authenticates, takes the request's rate, finds the route, and runs its handler.
 * Reads are answered on the worker, straight from the store. Writes are decoded on the worker
 * (large bodies and passwords on the pool), decided and put by the committer, and answered after
 * the commit. */
#ifndef DAEMON_SCIM_SCIM_H
#define DAEMON_SCIM_SCIM_H

#include "daemon/auth.h"
#include "daemon/committer.h"
#include "daemon/config.h"
#include "daemon/directory/directory.h"
#include "daemon/exchange.h"
#include "daemon/rate.h"

struct scim;

struct scim_options {
	const struct schema_set *schema;
	const struct directory *directory;
	const struct config *config; /* live: reloadable settings are read at each request */
	struct store *store;
	struct committer *committer;
	struct auth *auth;
	struct rate *rate;
	unsigned workers;
	const char *default_url; /* base of addresses when public_url is not set and a request has
				    no Host */
};

/* Everything in options must outlive the scim. */
enum rc scim_new(const struct scim_options *options, struct scim **out, struct err *err) MUSTCHECK;
/* After the server was stopped, before the committer is freed: finishes what the pool has, which
 * may still submit writes. */
void scim_stop(struct scim *s);
/* After the committer was freed: writes under way look at it. NULL is fine. */
void scim_free(struct scim *s);

/* Exchange handlers; arg is the struct scim. scim_admit() is called with the head of a request
 * whose body is still to come: it answers what needs no body to be refused, so that strangers can't
 * have bodies kept. */
void scim_admit(struct exchange *x, void *arg);
void scim_handle(struct exchange *x, void *arg);

#endif
