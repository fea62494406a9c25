/* Bulk requests (RFC 7644 section 3.7), the part that needs no store: decoding, bulkIds, the
 * answer.
 *
 * The way of a request: bulk_read(); the caller gives each POST its final id (op->id), before
 * anything is done; bulk_resolve() puts these ids wherever a bulkId stands, also ahead and in
 * circles; the caller carries the operations out in bulk_order() and writes an entry for each that
 * was carried out. */
#ifndef PROTOCOL_BULK_H
#define PROTOCOL_BULK_H

#include "base/buf.h"
#include "base/uuid.h"
#include "protocol/json.h"
#include "protocol/scim.h"

enum bulk_method { BULK_POST, BULK_PUT, BULK_PATCH, BULK_DELETE };

enum { BULK_ID_MAX = 256 /* longest bulkId, bytes */ };

struct bulk_op {
	/* A failure that concerns this operation alone (RFC 7644 section 3.7.3): it is answered
	 * with this and not carried out. */
	enum rc rc;
	struct err err;
	enum bulk_method method;
	struct slice method_text, path;   /* as sent; for the answer */
	struct slice bulk_id, version;    /* p is NULL when absent */
	const struct resource_type *type; /* NULL when the path names none */
	struct slice id_text; /* PUT, PATCH, DELETE: the id in the path, the final one after
				 bulk_resolve() */
	struct uuid id; /* POST: set by the caller. Others: id_text, when it is a UUID (is_uuid) */
	bool is_uuid;
	json_t *data; /* POST, PUT, PATCH; an object */
	/* Other operations (by index) whose resources this one names. When one of them failed, so
	 * does this: bulk_fail_ref(). */
	const size_t *refs;
	size_t ref_count;
};

struct bulk {
	struct bulk_op *ops;
	size_t count;
	uint64_t fail_on_errors; /* stop after so many failures; 0: never */
	size_t *by_id;           /* the POSTs with a bulkId, sorted by it */
	size_t by_id_count;
};

struct bulk_options {
	enum dialect dialect;
	uint64_t max_operations;
	unsigned bases; /* BASE_ORG or BASE_PLATFORM: where the request came in */
};

/* TOO_LARGE, naming the limit, for a body longer than the limit (RFC 7644 section 3.7.4). */
enum rc bulk_check_size(uint64_t body, uint64_t max_payload, struct err *err) MUSTCHECK;

/* Reads a BulkRequest message; body is json_read()'s and is changed by bulk_resolve(). Fails as a
 * whole when it is no BulkRequest (INVALID_SYNTAX, INVALID_VALUE) or has too many operations
 * (TOO_LARGE, naming the limit). */
enum rc bulk_read(struct arena *a, const struct schema_set *set, json_t *body,
	const struct bulk_options *options, struct bulk **out, struct err *err) MUSTCHECK;

/* Part of bulk_read(): sorts the POSTs by bulkId; a POST whose bulkId an earlier one has gets
 * INVALID_VALUE. */
void bulk_index(struct arena *a, struct bulk *b);

/* Replaces references by ids: in data each text that is "bulkId:x" as a whole, and each "bulkId:x"
 * inside of a "$ref" or of the path of a PATCH operation (members[value eq "bulkId:x"]); in the
 * path of an operation "/Groups/bulkId:x". An operation with a reference to no POST of the request
 * gets INVALID_VALUE. Fills in refs. */
void bulk_resolve(struct arena *a, struct bulk *b);

/* The order in which operations are carried out: that of the request, but that each POST comes
 * before the operations that name its resource. In a circle the later one in the request comes
 * first. count indices; in the arena. */
size_t *bulk_order(struct arena *a, const struct bulk *b);

/* What an operation fails with when the operation failed that creates what it names: CONFLICT (RFC
 * 7644 section 3.7.1). */
enum rc bulk_fail_ref(const struct bulk *b, size_t ref, struct err *err) MUSTCHECK;

/* The answer: open, entries (first tells whether it is the first), close. */
struct bulk_result {
	int status; /* HTTP; of a failure rc_status(rc) */
	enum rc rc;
	const struct err *err;
	struct slice version; /* the ETag as in the header; empty: none */
};

void bulk_write_open(struct buf *out);
void bulk_write_entry(struct buf *out, bool first, struct slice base, const struct bulk_op *op,
	const struct bulk_result *result);
void bulk_write_close(struct buf *out);

#endif
