/* What the org's role model does to a living org: the Role records that show it, handing the one role
 * over, and moving to another model. */
#ifndef DAEMON_DIRECTORY_ORG_ROLES_H
#define DAEMON_DIRECTORY_ORG_ROLES_H

#include "daemon/directory/rules.h"

/* Makes the Role records of the org say what the model says; roles of the org's own stay. Inside a
 * change of the org; x needs d, o, w and arena alone. */
void org_roles_put(struct deed *x, const struct model *m, uint64_t revision);

/* The role that the model lets move goes from one member to another, in one change. from 0: the
 * caller itself. FORBIDDEN, INVALID_VALUE, CONFLICT. */
enum rc org_transfer(const struct directory *d, struct orgtx *o, const struct writer *w,
	struct arena *a, const struct uuid *from, const struct uuid *to, struct err *err) MUSTCHECK;

/* ---- Moving to another model ---- */

/* A role of the old model and what becomes of who holds it: a role of the new one, or nothing ("").
 * What is not named keeps its path where the new model has it; else the creator's role becomes the
 * new creator's, other roles of the org the new default, and all else ends. */
struct role_move {
	struct slice from, to;
};

struct migration {
	struct slice model;
	const struct role_move *moves;
	size_t move_count;
	bool dry_run;
};

/* Members who hold the same, before and after. */
struct migration_class {
	struct slice before, after; /* paths with commas; those at other scopes with "@" and the scope's name */
	uint64_t members;
	struct slice names[20]; /* userNames, the first ones */
	size_t name_count;
	struct slice gains, loses; /* permissions, with blanks; those of one kind of scope behind "at workspace:" */
};

struct migration_plan {
	struct migration_class *classes;
	size_t class_count;
	uint64_t assignments_changed, assignments_ended, roles_ended;
	struct slice *warnings; /* limits that are passed, permissions that are no more, ... */
	size_t warning_count;
};

/* All in one change, or nothing (dry_run: nothing). CONFLICT names what the new model would be
 * without: a role that must have a holder. */
enum rc org_migrate(const struct directory *d, struct orgtx *o, const struct writer *w,
	struct arena *a, const struct migration *m, struct migration_plan *out,
	struct err *err) MUSTCHECK;

#endif
