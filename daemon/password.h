/* Password hashes: Argon2id (RFC 9106) through libargon2, kept as PHC strings. Slow on purpose: call on the pool. */
#ifndef DAEMON_PASSWORD_H
#define DAEMON_PASSWORD_H

#include "base/arena.h"
#include "base/err.h"

struct password_cost {
	uint32_t memory_kib, passes, lanes;
};

/* password: prepared by OpaqueString (schema/text.h). *phc lives in the arena. */
enum rc password_hash(struct arena *a, struct slice password, const struct password_cost *cost,
	struct slice *phc, struct err *err) MUSTCHECK;

#endif
