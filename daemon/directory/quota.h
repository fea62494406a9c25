/* Product quotas: how much of something an org, or each member of it, can have. What is counted is the
 * product's; that it never passes the limit, however many ask at once, is decided here, in the transaction
 * that counts.
 *
 * Each quota of the model has one Quota record of the org. Where all members share the quota it counts what
 * is reserved. Where each member has it (the kind's quotaPer), each has a record of their own from their
 * first reservation on, gone with them, and the org's record counts the sum. */
#ifndef DAEMON_DIRECTORY_QUOTA_H
#define DAEMON_DIRECTORY_QUOTA_H

#include "daemon/directory/rules.h"

/* Whether the model has quotas for which the org has no record yet: older than the model's version. */
bool quotas_missing(const struct directory *d, struct orgtx *o, struct arena *a);

/* Makes the org's records say what the model says; inside a change of the org. x needs d, o, w and arena. */
void quotas_put(struct deed *x, const struct model *m, uint64_t revision);

struct quota_move {
	bool release;
	uint64_t amount;    /* 1 or more */
	bool has_member;
	struct uuid member; /* whose; without it the caller's own, or the one of a personal org */
};

enum { QUOTA_AMOUNT_MAX = 1000000000 };
#define QUOTA_MAX INT64_C(1000000000000000)

/* Reserves or releases; *out is the record that counts it. FORBIDDEN, NOT_FOUND, INVALID_VALUE; CONFLICT when
 * it would pass the limit, or release more than is reserved. */
enum rc quota_act(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	const struct uuid *id, const struct quota_move *move, struct written *out, struct err *err) MUSTCHECK;

/* A member's record goes: the sum goes down. */
void quota_gone(struct deed *x, const struct record *r, uint64_t revision);

#endif
