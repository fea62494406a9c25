/* What the org's role model does to a living org: the Role records that show it, and handing the one
 * role over. */
#ifndef DAEMON_DIRECTORY_ORG_ROLES_H
#define DAEMON_DIRECTORY_ORG_ROLES_H

#include "daemon/directory/rules.h"

/* Makes the Role and Quota records of the org say what the model says; roles of the org's own stay. Inside a
 * change of the org; x needs d, o, w and arena alone. */
void org_roles_put(struct deed *x, const struct model *m, uint64_t revision);

/* The role that the model lets move goes from one member to another, in one change. from is for
 * operators; NULL: the subject itself. FORBIDDEN, INVALID_VALUE, CONFLICT. */
enum rc org_transfer(const struct subject *by, const struct writer *w, const struct uuid *from,
	const struct uuid *to, struct err *err) MUSTCHECK;

#endif
