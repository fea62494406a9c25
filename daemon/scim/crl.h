/* The lists of revoked certificates, for everybody: GET /orgs/{key}/crl. A list is made (on the
 * pool) when what it says has changed or when it is an hour old, and kept for those who ask next.
 */
#ifndef DAEMON_SCIM_CRL_H
#define DAEMON_SCIM_CRL_H

#include "daemon/scim/request.h"

struct crl_cache;

struct crl_cache *crl_cache_new(void);
void crl_cache_free(struct crl_cache *c);

extern const struct side_door crl_door;

#endif
