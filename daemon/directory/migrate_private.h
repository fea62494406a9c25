/* A move to another model while it is planned or made: migrate.c decides what becomes of each grant and does it, migrate_warn.c
 * tells what else the new model means for what is there. */
#ifndef DAEMON_DIRECTORY_MIGRATE_PRIVATE_H
#define DAEMON_DIRECTORY_MIGRATE_PRIVATE_H

#include "daemon/directory/migrate.h"

struct move {
	const struct directory *d;
	struct orgtx *o;
	struct arena *a;
	int64_t now;
	const struct migration *wish;
	const struct subject *by;
	struct migration_plan *plan;
	size_t warning_cap, class_cap;
	uint64_t *holders; /* by index of the new model's roles: active members, by assignments */
	uint64_t *people;  /* and those of them who are somebody */
	bool had_people;   /* somebody holds a role now that the org can't be without */
};

/* The path of a role afterwards; "" when it ends. arg: the move (struct move). */
struct slice migration_becomes(void *arg, struct slice path);

/* One more sentence for the plan's warnings; what is too long is cut. */
void __attribute__((format(printf, 2, 3))) migration_warn(struct move *m, const char *fmt, ...);

/* Each record of a type, in the order of its making. */
void migration_each_row(struct move *m, uint8_t type, void (*fn)(struct move *m, uint64_t row));

/* Warns of limits that are passed already, and of pending invitations that can't be accepted any more. Needs the number of the org's
 * own roles that end. */
void migration_foresee(struct move *m);

#endif
