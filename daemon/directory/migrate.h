/* Moving a living org to another role model: planned first, with who gains and loses what, then done
 * in one change or not at all. */
#ifndef DAEMON_DIRECTORY_MIGRATE_H
#define DAEMON_DIRECTORY_MIGRATE_H

#include "daemon/directory/rules.h"

/* A role of the old model and what becomes of who holds it: a role of the new one at the same kind of
 * scope, or nothing (""). What is not named keeps its path where the new model has it; else the
 * creator's role becomes the new creator's, and all else ends. Members whose role in the org ends so, or
 * who hold the default role, hold the new default. */
struct role_move {
	struct slice from, to;
};

struct migration {
	struct slice model;
	const struct role_move *moves;
	size_t move_count;
};

enum { MIGRATION_NAMES = 1000 };

/* Members who hold the same, before and after. */
struct migration_class {
	struct slice key; /* of this struct's making */
	struct slice before, after; /* paths with blanks; "@" and the scope's id behind those held in a scope */
	uint64_t members;
	struct slice *names; /* userNames, the first MIGRATION_NAMES */
	size_t name_count, name_cap;
	struct slice gains, loses; /* permissions with blanks, each "SCOPE:PERMISSION" */
};

struct migration_plan {
	const struct model *from, *to;
	struct migration_class *classes;
	size_t class_count;
	uint64_t assignments, changed, ended; /* grants: how many there are, get another role, end */
	uint64_t roles_ended;                 /* of the org's own */
	struct slice *warnings;
	size_t warning_count;
};

/* Reads only; walks every member. CONFLICT names what the new model would be without: a role that must
 * have a holder. */
enum rc org_migrate_plan(const struct subject *by, int64_t now, const struct migration *m,
	struct migration_plan *out, struct err *err) MUSTCHECK;

/* Does it; out has the numbers alone. */
enum rc org_migrate(const struct subject *by, const struct writer *w, const struct migration *m,
	struct migration_plan *out, struct err *err) MUSTCHECK;

#endif
