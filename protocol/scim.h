/* What all SCIM codecs share. */
#ifndef PROTOCOL_SCIM_H
#define PROTOCOL_SCIM_H

#include "schema/schema.h"

/* How a connection's requests are read. docs/SCIM.md lists what each one takes. */
enum dialect {
	DIALECT_TOLERANT, /* what real clients send */
	DIALECT_STRICT,   /* RFC 7643 and 7644 to the letter */
	DIALECT_INTEROP,  /* draft-zollner-scim-interop-profile */
};

#define URN_LIST_RESPONSE "urn:ietf:params:scim:api:messages:2.0:ListResponse"
#define URN_SEARCH_REQUEST "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
#define URN_PATCH_OP "urn:ietf:params:scim:api:messages:2.0:PatchOp"
#define URN_BULK_REQUEST "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
#define URN_BULK_RESPONSE "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
#define URN_ERROR "urn:ietf:params:scim:api:messages:2.0:Error"

#endif
