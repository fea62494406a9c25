/* roster/1, the binary protocol: its types, fields and codes (docs/PROTOCOL.md, "Numbers").
 *
 * The lists below are the one place where the numbers stand in C; a test compares them with the document. Pure. */
#ifndef PROTOCOL_ROSTER_H
#define PROTOCOL_ROSTER_H

#include "protocol/fields.h"
#include "protocol/frame.h"

#define ROSTER_ALPN "roster/1"

enum {
	ROSTER_VERSION = 1,
	ROSTER_PAYLOAD_MAX = 4 << 20,    /* of a request, and of an answer */
	ROSTER_ITEMS_MAX = 10000,        /* of a batch */
	ROSTER_TEXT_MAX = 1024,          /* bytes of a name, permission or path */
	ROSTER_FILTER_MAX = 16 << 10,
	ROSTER_HEARTBEAT_MS = 10000,     /* of a watch that asks for no other */
};

/* ---- Frames ---- */

/* A frame whose payload is written between begin and end. */
size_t roster_frame_begin(struct buf *out);
void roster_frame_end(struct buf *out, size_t began, uint8_t type, uint8_t flags, uint32_t id);

/* ---- Types: what is asked ---- */

/* Number, name in C, name on paper. */
#define ROSTER_TYPES(X) \
	X(1, HELLO, "hello") \
	X(2, PING, "ping") \
	X(3, CANCEL, "cancel") \
	X(4, STATS, "stats") \
	X(16, CHECK, "check") \
	X(17, CHECK_BATCH, "check-batch") \
	X(18, IS_MEMBER, "is-member") \
	X(19, IS_MEMBER_BATCH, "is-member-batch") \
	X(20, GROUPS_OF, "groups-of") \
	X(21, MEMBERS_OF, "members-of") \
	X(22, PERMISSIONS_OF, "permissions-of") \
	X(23, WHO_CAN, "who-can") \
	X(24, ORGS_OF, "orgs-of") \
	X(32, GET, "get") \
	X(33, FIND, "find") \
	X(34, PUT, "put") \
	X(35, DELETE, "delete") \
	X(48, SYNC_BEGIN, "sync-begin") \
	X(49, SYNC_RECORDS, "sync-records") \
	X(50, SYNC_PLAN, "sync-plan") \
	X(51, SYNC_COMMIT, "sync-commit") \
	X(52, SYNC_ABORT, "sync-abort") \
	X(64, WATCH, "watch")

#define X(number, name, text) ASK_##name = (number),
enum roster_type { ROSTER_TYPES(X) };
#undef X

/* NULL for a number that is none. */
const char *roster_type_name(uint8_t type);

/* ---- Fields ---- */

/* Number, name in C, name on paper, kind, whether it is a list. */
#define ROSTER_REQUEST_FIELDS(X) \
	X(1, ORG, "org", BYTES, false) \
	X(2, REVISION, "revision", NUMBER, false) \
	X(3, SUBJECT_ID, "subject-id", ID, false) \
	X(4, SUBJECT_NAME, "subject-name", BYTES, false) \
	X(5, SUBJECT_EXTERNAL_ID, "subject-external-id", BYTES, false) \
	X(6, SUBJECT, "subject", BYTES, false) \
	X(7, SUBJECT_KIND, "subject-kind", NUMBER, false) \
	X(8, PERMISSION, "permission", BYTES, false) \
	X(9, SCOPE_ID, "scope-id", ID, false) \
	X(10, SCOPE, "scope", BYTES, false) \
	X(11, WORKSPACE, "workspace", BYTES, false) \
	X(12, PROJECT, "project", BYTES, false) \
	X(13, TEAM, "team", BYTES, false) \
	X(14, OWNER, "owner", BYTES, false) \
	X(15, MEMBER, "member", BYTES, false) \
	X(16, OF_SCOPE, "of-scope", NUMBER, false) \
	X(17, EXPLAIN, "explain", NUMBER, false) \
	X(18, GROUP_ID, "group-id", ID, true) \
	X(19, GROUP, "group", BYTES, false) \
	X(20, DIRECT, "direct", NUMBER, false) \
	X(21, ITEM, "item", BYTES, true) \
	X(22, LIMIT, "limit", NUMBER, false) \
	X(23, CURSOR, "cursor", BYTES, false) \
	X(24, TYPE, "type", BYTES, false) \
	X(25, ID, "id", ID, false) \
	X(26, FILTER, "filter", BYTES, false) \
	X(27, ATTRIBUTES, "attributes", BYTES, false) \
	X(28, EXCLUDED, "excluded", BYTES, false) \
	X(29, SORT, "sort", BYTES, false) \
	X(30, DESCENDING, "descending", NUMBER, false) \
	X(31, RESOURCE, "resource", BYTES, false) \
	X(32, IF_REVISION, "if-revision", NUMBER, false) \
	X(33, TOKEN, "token", BYTES, false) \
	X(34, VERSION, "version", NUMBER, false) \
	X(35, TARGET, "target", NUMBER, false) \
	X(36, FROM, "from", NUMBER, false) \
	X(37, VIEW, "view", NUMBER, false) \
	X(38, HEARTBEAT, "heartbeat", NUMBER, false) \
	X(39, DATA, "data", BYTES, false) \
	X(40, SYNC, "sync", NUMBER, false) \
	X(41, CONNECTION, "connection", BYTES, false) \
	X(42, MATCH, "match", BYTES, false) \
	X(43, GROUPS, "groups", NUMBER, false) \
	X(48, CLIENT, "client", BYTES, false) \
	X(49, NAMES, "names", NUMBER, false)

#define ROSTER_ANSWER_FIELDS(X) \
	X(1, REVISION, "revision", NUMBER, false) \
	X(2, ANSWER, "answer", NUMBER, false) \
	X(3, CODE, "code", NUMBER, false) \
	X(4, REASON, "reason", BYTES, false) \
	X(5, ROLE, "role", BYTES, false) \
	X(6, THROUGH, "through", BYTES, false) \
	X(7, SCOPE_ID, "scope-id", ID, false) \
	X(8, ASSIGNMENT_ID, "assignment-id", ID, false) \
	X(9, TEAM_ID, "team-id", ID, true) \
	X(10, MISSING, "missing", BYTES, false) \
	X(11, OWN, "own", NUMBER, false) \
	X(12, ANSWERS, "answers", BYTES, false) \
	X(13, ITEM, "item", BYTES, true) \
	X(14, ID, "id", ID, false) \
	X(15, NAME, "name", BYTES, false) \
	X(16, KIND, "kind", NUMBER, false) \
	X(17, DIRECT, "direct", NUMBER, false) \
	X(18, PERMISSION, "permission", BYTES, false) \
	X(19, ORG, "org", BYTES, false) \
	X(20, RESOURCE, "resource", BYTES, false) \
	X(21, TYPE, "type", BYTES, false) \
	X(22, CURSOR, "cursor", BYTES, false) \
	X(23, VERSION, "version", NUMBER, false) \
	X(24, CREATED, "created", NUMBER, false) \
	X(25, MAX_PAYLOAD, "max-payload", NUMBER, false) \
	X(26, MAX_REQUESTS, "max-requests", NUMBER, false) \
	X(27, MAX_ITEMS, "max-items", NUMBER, false) \
	X(28, HEARTBEAT, "heartbeat", NUMBER, false) \
	X(29, SERVER, "server", BYTES, false) \
	X(30, ACTOR, "actor", BYTES, false) \
	X(32, STATUS, "status", NUMBER, false) \
	X(33, ERROR, "error", BYTES, false) \
	X(34, MESSAGE, "message", BYTES, false) \
	X(35, FIELD, "field", BYTES, false) \
	X(36, RETRY_AFTER, "retry-after", NUMBER, false) \
	X(37, SYNC, "sync", NUMBER, false) \
	X(38, ACTION, "action", NUMBER, false) \
	X(39, COUNT, "count", NUMBER, false) \
	X(40, DATA, "data", BYTES, false) \
	X(41, TIME, "time", NUMBER, false) \
	X(42, EVENT, "event", NUMBER, false) \
	X(43, GROUP_ID, "group-id", ID, false) \
	X(44, MORE, "more", NUMBER, false) \
	X(45, SNAPSHOT, "snapshot", NUMBER, false) \
	X(46, SETTLED, "settled", NUMBER, false)

#define X(number, name, text, kind, list) IN_##name = (number),
enum roster_request_field { ROSTER_REQUEST_FIELDS(X) };
#undef X
#define X(number, name, text, kind, list) OUT_##name = (number),
enum roster_answer_field { ROSTER_ANSWER_FIELDS(X) };
#undef X

extern const field_table roster_request_fields, roster_answer_fields;

/* ---- Codes: why a check or a membership is as it is ---- */

#define ROSTER_CODES(X) \
	X(1, GRANTED, "granted") \
	X(2, MISSING, "missing") \
	X(3, OWN_ONLY, "own_only") \
	X(4, ELSEWHERE, "elsewhere") \
	X(5, OFF, "off") \
	X(6, TOKEN, "token") \
	X(7, NOT_HERE, "not_here") \
	X(16, UNKNOWN_SUBJECT, "unknown_subject") \
	X(17, AMBIGUOUS_SUBJECT, "ambiguous_subject") \
	X(18, INACTIVE_SUBJECT, "inactive_subject") \
	X(19, UNKNOWN_PERMISSION, "unknown_permission") \
	X(20, UNKNOWN_SCOPE, "unknown_scope") \
	X(21, AMBIGUOUS_SCOPE, "ambiguous_scope") \
	X(22, UNKNOWN_RESOURCE, "unknown_resource") \
	X(23, UNKNOWN_GROUP, "unknown_group") \
	X(24, AMBIGUOUS_GROUP, "ambiguous_group") \
	X(40, DIRECT, "direct") \
	X(41, NESTED, "nested") \
	X(42, NOT_MEMBER, "not_member") \
	X(62, ERROR, "error") \
	X(63, MALFORMED, "malformed")

#define X(number, name, text) CODE_##name = (number),
enum roster_code { ROSTER_CODES(X) };
#undef X

const char *roster_code_name(uint64_t code);

static inline bool
roster_code_is_yes(uint64_t code)
{
	return code == CODE_GRANTED || code == CODE_DIRECT || code == CODE_NESTED;
}

/* What happened, in the items of a watch. */
enum roster_event {
	EVENT_PUT = 1,
	EVENT_GONE,
	EVENT_MEMBER_ADDED,
	EVENT_MEMBER_REMOVED,
	EVENT_GAINED,
	EVENT_LOST,
};

/* What a sync does, in the items of its plan. */
enum roster_action {
	ACTION_CREATE = 1,
	ACTION_CHANGE,
	ACTION_REMOVE,
	ACTION_UNCHANGED,
	ACTION_MEMBER_ADD,
	ACTION_MEMBER_REMOVE,
};

/* Views of a watch. */
enum roster_view { VIEW_RECORDS, VIEW_MEMBERSHIP, VIEW_PERMISSION, VIEW_COUNT };

#endif
