/* Whether a name is free: /available/usernames/{name}, /available/orgs/{key}. */
#ifndef DAEMON_SCIM_AVAILABLE_H
#define DAEMON_SCIM_AVAILABLE_H

#include "daemon/scim/request.h"

extern const struct side_door available_door;

#endif
