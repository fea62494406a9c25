/* The URNs of SCIM messages (RFC 7644 section 8.2) and of the server's own resource (RFC 7643 section 10.4). */
#ifndef PROTOCOL_SCIM_H
#define PROTOCOL_SCIM_H

#include "schema/schema.h"

#define URN_LIST_RESPONSE "urn:ietf:params:scim:api:messages:2.0:ListResponse"
#define URN_SEARCH_REQUEST "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
#define URN_PATCH_OP "urn:ietf:params:scim:api:messages:2.0:PatchOp"
#define URN_BULK_REQUEST "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
#define URN_BULK_RESPONSE "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
#define URN_SERVICE_PROVIDER_CONFIG "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
#define URN_ERROR "urn:ietf:params:scim:api:messages:2.0:Error"

#endif
