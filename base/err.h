/* The one list of ways to fail, and what carries a failure to the door.
 *
 * What can fail returns enum rc and is MUSTCHECK. The code says what happened; struct err says
 * it to the client: the attribute at fault and a sentence. Foreign codes (errno, MDB_*, OpenSSL)
 * stop in the file that made the call. A bug of ours is an assert, never a reply. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/slice.h"

/* One row a way to fail: our name, HTTP status, SCIM scimType (RFC 7644 section 3.12, Table 9;
 * RFC 9865 section 2.1), or NULL where the RFC has none. */
#define RC_LIST(X) \
	X(OK, 200, NULL) \
	X(INVALID_FILTER, 400, "invalidFilter") \
	X(TOO_MANY, 400, "tooMany") \
	X(UNIQUENESS, 409, "uniqueness") \
	X(MUTABILITY, 400, "mutability") \
	X(INVALID_SYNTAX, 400, "invalidSyntax") \
	X(INVALID_PATH, 400, "invalidPath") \
	X(NO_TARGET, 400, "noTarget") \
	X(INVALID_VALUE, 400, "invalidValue") \
	X(INVALID_VERS, 400, "invalidVers") \
	X(SENSITIVE, 403, "sensitive") \
	X(INVALID_CURSOR, 400, "invalidCursor") \
	X(EXPIRED_CURSOR, 400, "expiredCursor") \
	X(INVALID_COUNT, 400, "invalidCount") \
	X(MOVED, 308, NULL) \
	X(BAD_REQUEST, 400, NULL) \
	X(UNAUTHORIZED, 401, NULL) \
	X(FORBIDDEN, 403, NULL) \
	X(NOT_FOUND, 404, NULL) \
	X(METHOD_NOT_ALLOWED, 405, NULL) \
	X(UNKNOWN_TYPE, 405, NULL) \
	X(NOT_ACCEPTABLE, 406, NULL) \
	X(TIMEOUT, 408, NULL) \
	X(CONFLICT, 409, NULL) \
	X(RESYNC, 410, NULL) \
	X(PRECONDITION_FAILED, 412, NULL) \
	X(TOO_LARGE, 413, NULL) \
	X(URI_TOO_LONG, 414, NULL) \
	X(UNSUPPORTED_MEDIA_TYPE, 415, NULL) \
	X(EXPECTATION_FAILED, 417, NULL) \
	X(RATE_LIMITED, 429, NULL) \
	X(HEADERS_TOO_LARGE, 431, NULL) \
	X(CANCELLED, 499, NULL) \
	X(INTERNAL, 500, NULL) \
	X(NOT_IMPLEMENTED, 501, NULL) \
	X(UNAVAILABLE, 503, NULL) \
	X(HTTP_VERSION, 505, NULL) \
	X(NO_SPACE, 507, NULL)

#define X(name, http, scim) RC_##name,
enum rc { RC_LIST(X) RC_COUNT };
#undef X

#define MUSTCHECK __attribute__((warn_unused_result))

struct err {
	char path[96];    /* attribute, parameter or setting at fault; "" when none */
	char detail[320]; /* for the client: no keys, file names or secrets */
};

#define ERR_INIT { "", "" }

/* Fills err (which may be NULL) and returns rc: `return fail(err, RC_X, "path", "..", ..);` */
enum rc fail(struct err *err, enum rc rc, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* HTTP status; scimType or NULL; our name, for logs. */
int rc_status(enum rc rc);
const char *rc_scim_type(enum rc rc);
const char *rc_name(enum rc rc);

#endif
