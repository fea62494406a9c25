/* The door for checks over HTTPS: OpenID's Authorization API 1.0 (AuthZEN), one decision point an
 * org, at /orgs/{key}/access/v1/evaluation and /evaluations; its metadata at
 * /.well-known/authzen-configuration/orgs/{key}. What is decided is daemon/directory/check.h's. */
#ifndef DAEMON_ACCESS_ACCESS_H
#define DAEMON_ACCESS_ACCESS_H

#include "daemon/scim/request.h"

extern const struct side_door access_door;

#endif
