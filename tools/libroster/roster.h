/* libroster: asking rosterd, over roster/1 (docs/PROTOCOL.md in rosterd's sources), who is a member and who may do what.
 *
 *	struct roster *r = roster_new(&(struct roster_options){ .size = sizeof(struct roster_options),
 *		.server = "roster://roster.example.com:8444", .token = token, .org = "acme" }, &error);
 *	int may = roster_check(r, &(struct roster_request){ .size = sizeof(struct roster_request),
 *		.subject_name = "ada@example.com", .permission = "content.edit", .scope = "Works" }, NULL, &error);
 *
 * `may` is 1, 0, or -1 and the error says why. Compile and link with `pkg-config --cflags --libs libroster`.
 *
 * The parts. Each stands on the one before it:
 *   - the handle: one connection to one server, made when it is first needed and made again when it breaks;
 *   - calls: roster_start() sends a request and calls back with its answer, from an event loop of yours;
 *   - the same, waiting: roster_check() and its like;
 *   - the mirror: a copy of an organisation's memberships, or of who has a permission, kept up to date inside this process.
 *
 * Ownership. What you pass is borrowed until the function returns, and copied where it is needed longer. What a callback is
 * given, and an answer that a waiting call hands out, is the library's: texts and ids point into it, and are valid until the
 * callback returns, or until the next call with the handle. Texts of answers do not end in NUL.
 *
 * Structs that you fill in begin with `size`, which is sizeof the struct; all other members may be 0. So programs go on
 * working with later versions of the library, whose structs are longer.
 *
 * Errors. What can fail takes a struct roster_error (NULL: you do not care) and fills it in when it fails. `status` and
 * `name` are those that the server answered (docs/PROTOCOL.md, "Errors"); status 0: it was found here, and the name is one of
 *   CLOSED      the handle is being freed
 *   BAD_REQUEST something is wrong with what you passed; `field` says what
 *   FULL        max_calls or max_bytes of the handle is reached: let answers come first
 *   TIMEOUT     no answer in time; the message says what stood in the way, such as that the server can't be reached
 *   LOST        the connection broke behind a write, or in the middle of an answer: whether a write was done is not known
 *   UNTRUSTED   the server's certificate, or its protocol, is not what was asked for
 *   PROTOCOL    the server said what the protocol does not allow
 *   NOT_READY   the mirror has no copy yet, or it is too old
 * Running out of memory ends the process.
 *
 * What is sent again. When the connection breaks, requests that read and have had no part of their answer yet are sent again
 * on the next connection, as long as their deadline allows; watches go on behind the last revision that was told whole. Writes
 * (put, delete, sync) that may have reached the server are never sent again: they fail with LOST. Requests that were not sent
 * at all wait for the connection, whatever they are.
 *
 * Threads. A handle is used by one thread at a time; different handles have nothing in common. Only roster_wake() and what the
 * mirror answers may be called from any thread at any time. The library installs no signal handlers and raises no SIGPIPE;
 * a name in `server` is resolved in a short-lived thread of its own.
 *
 * Units. Times are milliseconds; sizes are bytes. Revisions are those of the organisation. */
#ifndef ROSTER_H
#define ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Small things ---- */

/* A UUID. */
struct roster_id {
	unsigned char bytes[16];
};

/* 36 characters in lower case, with dashes; false: it is no such text. */
bool roster_id_parse(const char *text, struct roster_id *out);
/* The same backwards, and a NUL. */
void roster_id_format(const struct roster_id *id, char out[37]);

/* Bytes of an answer, mostly UTF-8; p NULL: there are none. printf("%.*s", (int)t.len, t.p). */
struct roster_text {
	const char *p;
	size_t len;
};

/* Its layout never changes. All texts end in NUL; what does not fit is cut. */
struct roster_error {
	int status;              /* as over HTTPS; 0: found by this library */
	char name[32];           /* such as "FORBIDDEN" */
	char field[64];          /* of the request, or an attribute of a resource; "": none */
	char message[512];       /* a sentence for people */
	uint64_t retry_after_ms; /* 0: the server did not say */
	uint64_t revision;       /* of RESYNC: the oldest that can be named */
};

/* The library's version, such as "0.1.0". */
const char *roster_version(void);

/* ---- The handle ---- */

struct roster;

struct roster_options {
	size_t size;
	const char *server;      /* "roster://HOST:PORT"; [::1]:PORT for addresses of IPv6 */
	const char *token;       /* NULL: the certificate says who we are */
	const char *client;      /* a name for the server's log; NULL: the library's */
	const char *ca_file;     /* PEM, of the authority of the server's certificate; NULL: those that the system trusts */
	const char *server_name; /* what the certificate must name; NULL: HOST */
	const char *certificate; /* of ours, PEM, and its private_key */
	const char *private_key;
	const char *org;    /* for requests that name none */
	int timeout_ms;     /* of a call; 0: 5,000; -1: none */
	int connect_ms;     /* to connect, until the answer of the hello; 0: 5,000 */
	int ping_ms;        /* of silence, before the server is asked whether it is there, and as long again until it is taken for
	                       lost; 0: 30,000; -1: never */
	int backoff_ms;     /* before the second attempt to connect, doubled for each further one, less a random part of up to half;
	                       0: 100 */
	int backoff_max_ms; /* 0: 10,000 */
	size_t max_calls;   /* under way and waiting; 0: 65,536 */
	size_t max_bytes;   /* of their requests; 0: 64 MiB */
	/* What happens to the connection, a line each; NULL: nobody wants to know. */
	void (*log)(void *arg, const char *line);
	void *log_arg;
};

/* NULL: error says what is wrong with the options. Reads the files, but does not connect: the first call does. */
struct roster *roster_new(const struct roster_options *options, struct roster_error *error);
/* Calls under way end with CLOSED, from inside. r may be NULL. Not from a callback. */
void roster_free(struct roster *r);

/* Another token, on the connection as it is, and on later ones. False: it is too long (1,024 bytes). */
bool roster_set_token(struct roster *r, const char *token);

/* ---- Requests ---- */

enum roster_verb {
	ROSTER_PING = 2,
	ROSTER_STATS = 4,
	ROSTER_CHECK = 16,
	ROSTER_CHECK_BATCH = 17,
	ROSTER_IS_MEMBER = 18,
	ROSTER_IS_MEMBER_BATCH = 19,
	ROSTER_GROUPS_OF = 20,
	ROSTER_MEMBERS_OF = 21,
	ROSTER_PERMISSIONS_OF = 22,
	ROSTER_WHO_CAN = 23,
	ROSTER_ORGS_OF = 24,
	ROSTER_GET = 32,
	ROSTER_FIND = 33,
	ROSTER_PUT = 34,
	ROSTER_DELETE = 35,
	ROSTER_SYNC_BEGIN = 48,
	ROSTER_SYNC_RECORDS = 49,
	ROSTER_SYNC_PLAN = 50,
	ROSTER_SYNC_COMMIT = 51,
	ROSTER_SYNC_ABORT = 52,
	ROSTER_WATCH = 64
};

enum { ROSTER_MEMBER = 0, ROSTER_PERSON = 1, ROSTER_TEAM = 2 };                          /* subject_kind; kind */
enum { ROSTER_RECORDS_VIEW = 0, ROSTER_MEMBERSHIP_VIEW = 1, ROSTER_PERMISSION_VIEW = 2 }; /* view */

/* The fields of docs/PROTOCOL.md, by their names there; which of them a verb takes stands there, too, and the server refuses the
 * others. Members that are 0 or NULL are not sent. Strings end in NUL, and are UTF-8. */
struct roster_request {
	size_t size;
	int timeout_ms; /* 0: that of the handle; -1: none. Watches have none unless it is given. */

	const char *org;   /* NULL: that of the handle */
	uint64_t revision; /* that the answer must see at least */

	/* The subject: one of them. */
	const struct roster_id *subject_id;
	const char *subject_name, *subject_external_id, *subject;
	uint64_t subject_kind;

	const char *permission;
	/* The scope: one of them, or workspace and project; none: the organisation. */
	const struct roster_id *scope_id;
	const char *scope, *workspace, *project, *team;
	const char *owner, *member;
	uint64_t of_scope, explain;

	/* The group, by id or by name; several ids for a watch. */
	const struct roster_id *group_id;
	size_t group_id_count; /* 0 is 1 where there is a group_id */
	const char *group;
	uint64_t direct, names;

	/* What a batch asks, in order; of each the members above count. All have the size of the first. */
	const struct roster_request *items;
	size_t item_count;

	uint64_t limit;
	struct roster_text cursor;

	/* Records. */
	const char *type;
	const struct roster_id *id;
	const char *filter, *attributes, *excluded, *sort;
	uint64_t descending;
	const char *resource; /* JSON */
	uint64_t if_revision;

	/* sync */
	uint64_t sync; /* as sync-begin's answer gave it */
	struct roster_text data;
	const char *connection, *match;
	uint64_t groups;

	/* watch */
	uint64_t from, view, heartbeat;
};

/* ---- Answers ---- */

struct roster_answer;

/* Fields of answers and of their items (docs/PROTOCOL.md, "Numbers"). */
enum roster_field {
	ROSTER_F_REVISION = 1,
	ROSTER_F_ANSWER = 2,
	ROSTER_F_CODE = 3,
	ROSTER_F_REASON = 4,
	ROSTER_F_ROLE = 5,
	ROSTER_F_THROUGH = 6,
	ROSTER_F_SCOPE_ID = 7,
	ROSTER_F_ASSIGNMENT_ID = 8,
	ROSTER_F_TEAM_ID = 9,
	ROSTER_F_MISSING = 10,
	ROSTER_F_OWN = 11,
	ROSTER_F_ANSWERS = 12,
	ROSTER_F_ITEM = 13,
	ROSTER_F_ID = 14,
	ROSTER_F_NAME = 15,
	ROSTER_F_KIND = 16,
	ROSTER_F_DIRECT = 17,
	ROSTER_F_PERMISSION = 18,
	ROSTER_F_ORG = 19,
	ROSTER_F_RESOURCE = 20,
	ROSTER_F_TYPE = 21,
	ROSTER_F_CURSOR = 22,
	ROSTER_F_VERSION = 23,
	ROSTER_F_CREATED = 24,
	ROSTER_F_MAX_PAYLOAD = 25,
	ROSTER_F_MAX_REQUESTS = 26,
	ROSTER_F_MAX_ITEMS = 27,
	ROSTER_F_HEARTBEAT = 28,
	ROSTER_F_SERVER = 29,
	ROSTER_F_ACTOR = 30,
	ROSTER_F_STATUS = 32,
	ROSTER_F_ERROR = 33,
	ROSTER_F_MESSAGE = 34,
	ROSTER_F_FIELD = 35,
	ROSTER_F_RETRY_AFTER = 36,
	ROSTER_F_SYNC = 37,
	ROSTER_F_ACTION = 38,
	ROSTER_F_COUNT = 39,
	ROSTER_F_DATA = 40,
	ROSTER_F_TIME = 41,
	ROSTER_F_EVENT = 42,
	ROSTER_F_GROUP_ID = 43,
	ROSTER_F_MORE = 44,
	ROSTER_F_SNAPSHOT = 45,
	ROSTER_F_SETTLED = 46
};

/* Why a check or a membership is as it is: ROSTER_F_CODE, and the bytes of ROSTER_F_ANSWERS. */
enum {
	ROSTER_CODE_GRANTED = 1, /* a yes */
	ROSTER_CODE_MISSING = 2,
	ROSTER_CODE_OWN_ONLY = 3,
	ROSTER_CODE_ELSEWHERE = 4,
	ROSTER_CODE_OFF = 5,
	ROSTER_CODE_TOKEN = 6,
	ROSTER_CODE_NOT_HERE = 7,
	ROSTER_CODE_UNKNOWN_SUBJECT = 16,
	ROSTER_CODE_AMBIGUOUS_SUBJECT = 17,
	ROSTER_CODE_INACTIVE_SUBJECT = 18,
	ROSTER_CODE_UNKNOWN_PERMISSION = 19,
	ROSTER_CODE_UNKNOWN_SCOPE = 20,
	ROSTER_CODE_AMBIGUOUS_SCOPE = 21,
	ROSTER_CODE_UNKNOWN_RESOURCE = 22,
	ROSTER_CODE_UNKNOWN_GROUP = 23,
	ROSTER_CODE_AMBIGUOUS_GROUP = 24,
	ROSTER_CODE_DIRECT = 40, /* a yes */
	ROSTER_CODE_NESTED = 41, /* a yes */
	ROSTER_CODE_NOT_MEMBER = 42,
	ROSTER_CODE_ERROR = 62,
	ROSTER_CODE_MALFORMED = 63
};

enum { /* ROSTER_F_EVENT */
	ROSTER_EVENT_PUT = 1,
	ROSTER_EVENT_GONE = 2,
	ROSTER_EVENT_MEMBER_ADDED = 3,
	ROSTER_EVENT_MEMBER_REMOVED = 4,
	ROSTER_EVENT_GAINED = 5,
	ROSTER_EVENT_LOST = 6
};

enum { /* ROSTER_F_ACTION */
	ROSTER_ACTION_CREATE = 1,
	ROSTER_ACTION_CHANGE = 2,
	ROSTER_ACTION_REMOVE = 3,
	ROSTER_ACTION_UNCHANGED = 4,
	ROSTER_ACTION_MEMBER_ADD = 5,
	ROSTER_ACTION_MEMBER_REMOVE = 6
};

/* "granted", "not_member"; NULL for a number that is none. */
const char *roster_code_name(uint64_t code);

/* Whether the field is there; its number (0 when absent); its bytes; its id (NULL when absent). A field of another kind is
 * absent. Of a list: the first one. */
bool roster_has(const struct roster_answer *answer, enum roster_field field);
uint64_t roster_number(const struct roster_answer *answer, enum roster_field field);
struct roster_text roster_text(const struct roster_answer *answer, enum roster_field field);
const struct roster_id *roster_id(const struct roster_answer *answer, enum roster_field field);
/* The next item of this part, in order, NULL behind the last one; valid until the next. */
const struct roster_answer *roster_next_item(const struct roster_answer *answer);
/* The next id of a list (ROSTER_F_TEAM_ID), NULL behind the last one. One list of an answer at a time. */
const struct roster_id *roster_next_id(const struct roster_answer *answer, enum roster_field field);
/* Whether this part is the last one of the answer. */
bool roster_is_last(const struct roster_answer *answer);
/* Of a watch: the connection broke and was made again before this part. What was told since the last part without `more` is void,
 * and is told again. */
bool roster_is_resumed(const struct roster_answer *answer);

/* ---- Calls, from an event loop ---- */

/* Called for each part of the answer, error NULL, until roster_is_last(); or with an error and answer NULL, and then never
 * again. May start and cancel calls; may not wait for one (that fails with BAD_REQUEST) nor free the handle. */
typedef void roster_fn(void *arg, const struct roster_answer *answer, const struct roster_error *error);

/* Puts the request in line. All that are started in one turn of the loop go out in one write. Returns a number that names the
 * call for roster_cancel(), or 0: error says why, and fn will not be called. fn is never called from inside. */
uint64_t roster_start(struct roster *r, enum roster_verb verb, const struct roster_request *request, roster_fn *fn,
	void *arg, struct roster_error *error);

/* fn will not be called any more, and the server is told to stop. A write may have been done all the same. False: there is no
 * such call (any more). */
bool roster_cancel(struct roster *r, uint64_t call);

/* A descriptor for poll(), epoll or any event loop: when it is ready for reading, call roster_handle(). It stays the same for the
 * life of the handle, through all connections, and stands for deadlines, too; no other timer is needed. Don't close it. */
int roster_fd(const struct roster *r);
/* Does what can be done without waiting: connects, writes, reads, calls back. Calling it too often does no harm. */
void roster_handle(struct roster *r);
/* Writes what was started now, not in the next roster_handle(). */
void roster_flush(struct roster *r);

/* For programs without a loop: waits at most so long (-1: for ever) until something happens, and handles it. False: nothing did,
 * or roster_wake() was called. */
bool roster_run(struct roster *r, int timeout_ms);
/* Ends a roster_run() of another thread, or the next one. From any thread. */
void roster_wake(struct roster *r);

/* Calls that are under way or wait. */
size_t roster_pending(const struct roster *r);
bool roster_is_connected(const struct roster *r);

/* ---- The same, waiting ---- */

/* While they wait, calls that were started before go on, and call back. `answer`, where it is not NULL, receives the (last
 * part of the) answer, valid until the next call with the handle. */

/* May someone do something? Is someone in a group? 1: yes; 0: no, and ROSTER_F_CODE of the answer says why; -1: error. */
int roster_check(struct roster *r, const struct roster_request *request, const struct roster_answer **answer,
	struct roster_error *error);
int roster_is_member(struct roster *r, const struct roster_request *request, const struct roster_answer **answer,
	struct roster_error *error);

/* Many questions, however many: request->items, what each lacks is taken from the request itself. codes has room for
 * item_count bytes: roster_is_yes(codes[i]). They go out in as many frames as are needed, all at once. *revision, where not
 * NULL, becomes the lowest that an answer is true at. 0, or -1: error, and codes are not all set. */
int roster_check_batch(struct roster *r, const struct roster_request *request, unsigned char *codes, uint64_t *revision,
	struct roster_error *error);
int roster_is_member_batch(struct roster *r, const struct roster_request *request, unsigned char *codes,
	uint64_t *revision, struct roster_error *error);

static inline bool
roster_is_yes(unsigned code)
{
	return code == ROSTER_CODE_GRANTED || code == ROSTER_CODE_DIRECT || code == ROSTER_CODE_NESTED;
}

/* Called for each item, in order, as they arrive. False: enough; the rest is cancelled. */
typedef bool roster_item_fn(void *arg, const struct roster_answer *item);

/* Lists, of any length, in little memory. 0: all of it was told (of request->limit: ROSTER_F_CURSOR of the answer says where to go on),
 * or fn said that it is enough (*answer is NULL then); -1: error, and what was told is not all. */
int roster_groups_of(struct roster *r, const struct roster_request *request, roster_item_fn *fn, void *arg,
	const struct roster_answer **answer, struct roster_error *error);
int roster_members_of(struct roster *r, const struct roster_request *request, roster_item_fn *fn, void *arg,
	const struct roster_answer **answer, struct roster_error *error);
int roster_permissions_of(struct roster *r, const struct roster_request *request, roster_item_fn *fn, void *arg,
	const struct roster_answer **answer, struct roster_error *error);
int roster_who_can(struct roster *r, const struct roster_request *request, roster_item_fn *fn, void *arg,
	const struct roster_answer **answer, struct roster_error *error);
int roster_orgs_of(struct roster *r, const struct roster_request *request, roster_item_fn *fn, void *arg,
	const struct roster_answer **answer, struct roster_error *error);
int roster_find(struct roster *r, const struct roster_request *request, roster_item_fn *fn, void *arg,
	const struct roster_answer **answer, struct roster_error *error);
int roster_stats(struct roster *r, const struct roster_request *request, roster_item_fn *fn, void *arg,
	const struct roster_answer **answer, struct roster_error *error);

/* One record. 0, or -1: error. */
int roster_get(struct roster *r, const struct roster_request *request, const struct roster_answer **answer,
	struct roster_error *error);
int roster_put(struct roster *r, const struct roster_request *request, const struct roster_answer **answer,
	struct roster_error *error);
int roster_delete(struct roster *r, const struct roster_request *request, const struct roster_answer **answer,
	struct roster_error *error);
/* Is the server there? 0, or -1: error. timeout_ms: 0 is that of the handle. */
int roster_ping(struct roster *r, int timeout_ms, struct roster_error *error);

/* A sync session: begin, records (any number), plan, commit or abort. It ends with the connection: then each of these fails with
 * LOST, and the next begin starts anew. 0, or -1: error. */
int roster_sync_begin(struct roster *r, const struct roster_request *request, uint64_t *sync, struct roster_error *error);
/* data: whole lines, each a User or Group as JSON, of any length: they are sent in several requests where one would be too long.
 * *count, where not NULL, becomes how many records the server has so far. */
int roster_sync_records(struct roster *r, uint64_t sync, const char *data, size_t len, uint64_t *count,
	struct roster_error *error);
int roster_sync_plan(struct roster *r, uint64_t sync, uint64_t samples, int timeout_ms, roster_item_fn *fn, void *arg,
	const struct roster_answer **answer, struct roster_error *error);
int roster_sync_commit(struct roster *r, uint64_t sync, int timeout_ms, roster_item_fn *fn, void *arg,
	const struct roster_answer **answer, struct roster_error *error);
int roster_sync_abort(struct roster *r, uint64_t sync, struct roster_error *error);

/* Tells every part of a watch, through all connections, until fn returns false (0) or it ends with an error (-1), such as RESYNC.
 * fn is given parts, not items; see roster_is_resumed(). */
int roster_watch(struct roster *r, const struct roster_request *request, roster_item_fn *fn, void *arg,
	struct roster_error *error);

/* Any verb, waiting: fn, where not NULL, is given each part. 0, or -1: error. */
int roster_call(struct roster *r, enum roster_verb verb, const struct roster_request *request, roster_item_fn *fn,
	void *arg, const struct roster_answer **answer, struct roster_error *error);

/* ---- The mirror ---- */

/* A copy, kept by watches on a handle whose loop you run (roster_handle() or roster_run()). Any number of threads ask it, without
 * locks and without waiting; each answer is of one revision, whole. It takes some 160 bytes of memory for each user and
 * group, 8 for each membership beyond the eighth of one user, and half as much again while a snapshot is taken. */
struct roster_mirror;

struct roster_mirror_options {
	size_t size;
	const char *org;  /* NULL: that of the handle */
	bool memberships; /* keep who is in which group */
	/* Who has a permission at a scope: of each, permission and the scope count. Their place is their name for
	 * roster_mirror_check(). */
	const struct roster_request *permissions;
	size_t permission_count;
	int max_stale_ms;    /* answers that are older are none (-1); 0: any age will do */
	uint64_t heartbeat;  /* how often the server says that nothing happened; 0: the server's own. Below max_stale_ms */
	/* Told after each change, from inside roster_handle(): the mirror is at this revision now, or lost (0) with an error, when the
	 * server refuses: then it tries again, with back-off. May be NULL. */
	void (*changed)(void *arg, uint64_t revision, const struct roster_error *error);
	void *arg;
};

/* NULL: error. The handle must outlive the mirror. */
struct roster_mirror *roster_mirror_new(struct roster *r, const struct roster_mirror_options *options,
	struct roster_error *error);
/* When no thread asks it any more. m may be NULL. Not from a callback. */
void roster_mirror_free(struct roster_mirror *m);

/* Is this user or group in the group (directly, or through other groups unless `direct`)? 1, 0, or -1: not ready, or too old.
 * Someone unknown is in no group. From any thread. */
int roster_mirror_is_member(const struct roster_mirror *m, const struct roster_id *subject, const struct roster_id *group,
	bool direct);
/* Has this member permissions[number] of the options? 1, 0, -1 as above. From any thread. */
int roster_mirror_check(const struct roster_mirror *m, size_t number, const struct roster_id *member);

struct roster_mirror_state {
	bool ready;             /* there is a copy of everything */
	uint64_t revision;      /* the lowest of what the copies are at; 0: not ready */
	uint64_t stale_ms;      /* since the server last said that a copy is up to date (of the oldest); UINT64_MAX: never */
	uint64_t users, groups; /* known to the copy of memberships */
	uint64_t memberships;   /* direct ones */
};

/* Its layout never changes. From any thread. */
void roster_mirror_state(const struct roster_mirror *m, struct roster_mirror_state *out);
/* Runs the handle's loop until the mirror is ready and at this revision at least. False: not within timeout_ms (-1: for ever),
 * or roster_wake() was called. */
bool roster_mirror_wait(struct roster_mirror *m, uint64_t revision, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
