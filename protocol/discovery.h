/* The discovery endpoints (RFC 7644 section 4, RFC 7643 sections 5 to 7, RFC 9865 section 4): what
 * is served and enforced. */
#ifndef PROTOCOL_DISCOVERY_H
#define PROTOCOL_DISCOVERY_H

#include "base/buf.h"
#include "protocol/scim.h"

struct discovery {
	const struct schema_set *set;
	struct slice base; /* the SCIM base address, "https://host/orgs/acme/scim/v2" */
	unsigned bases;    /* which one that is, BASE_ORG or BASE_PLATFORM: what lives elsewhere is not
			      there */
	enum dialect dialect;
	struct slice documentation_uri; /* left out when empty */
	/* As the daemon enforces them. */
	uint64_t bulk_operations; /* bulk.maxOperations */
	uint64_t bulk_payload;    /* bulk.maxPayloadSize, bytes */
	uint64_t filter_results;  /* filter.maxResults */
	uint64_t page_default, page_max;
	uint64_t cursor_timeout; /* seconds for which a cursor stays valid */
};

/* Each appends one whole JSON text. The collections are ListResponses with all on one page. */
void discovery_config(struct buf *out, const struct discovery *d);
void discovery_types(struct buf *out, const struct discovery *d);
void discovery_schemas(struct buf *out, const struct discovery *d);

/* One by its id: the type's name (case-exact, as ids are), the schema's URN (without case).
 * NOT_FOUND, then out is untouched. */
enum rc discovery_type(
	struct buf *out, const struct discovery *d, struct slice id, struct err *err) MUSTCHECK;
enum rc discovery_schema(
	struct buf *out, const struct discovery *d, struct slice id, struct err *err) MUSTCHECK;

#endif
