/* What the SCIM handlers share: one request under way, and ways to answer it. */
#ifndef DAEMON_SCIM_REQUEST_H
#define DAEMON_SCIM_REQUEST_H

#include <pthread.h>

#include "daemon/directory/audit.h"
#include "daemon/directory/cursor.h"
#include "daemon/directory/directory.h"
#include "daemon/directory/query.h"
#include "daemon/directory/subject.h"
#include "daemon/pool.h"
#include "daemon/scim/scim.h"
#include "protocol/list.h"
#include "protocol/scim_write.h"

/* What a worker keeps for itself. */
struct scim_worker {
	struct txn *reader;
	unsigned depth; /* of reader_enter() */
	struct buf out; /* answers are made here and copied to the connection */
};

struct scim {
	struct scim_options options;
	struct directory directory;
	struct pool *pool;
	struct crl_cache *crls;
	struct scim_worker *workers;
	struct projection by_default[TYPE_COUNT];
	struct audit_attrs audit;
	pthread_mutex_t id_lock;
	struct uuid_gen ids; /* under id_lock */
};

enum path_kind {
	PATH_ROOT,           /* "/": a query over all types */
	PATH_SEARCH,         /* /.search */
	PATH_TYPE,           /* /Users */
	PATH_TYPE_SEARCH,    /* /Users/.search */
	PATH_TYPE_EXPORT,    /* /AuditEvents/.export */
	PATH_RESOURCE,       /* /Users/{id} */
	PATH_ACTION,         /* /Organizations/{id}/.suspend */
	PATH_TYPE_ACTION,    /* /Users/.claim */
	PATH_ME,
	PATH_BULK,
	PATH_CONFIG,         /* /ServiceProviderConfig */
	PATH_RESOURCE_TYPES,
	PATH_RESOURCE_TYPE,  /* /ResourceTypes/User */
	PATH_SCHEMAS,
	PATH_SCHEMA,         /* /Schemas/urn:… */
};

struct request {
	struct scim *scim;
	struct scim_worker *worker;
	struct exchange *x;
	struct arena *arena; /* the exchange's */
	struct caller caller;
	enum path_kind path;
	const struct resource_type *type; /* of the path, or NULL */
	struct slice name;                /* the last segment, decoded: an id, a type's name, a schema's URN */
	struct slice action;              /* of PATH_ACTION and PATH_TYPE_ACTION, without its dot */
	struct slice base;                /* "https://host/orgs/acme/scim/v2" */
	unsigned bases;                   /* which one that is: BASE_ORG or BASE_PLATFORM (then caller.org is ORG_PLATFORM) */
	struct slice platform;            /* "https://host/scim/v2" */
	int64_t now;                      /* ticks */
	int retry_after;                  /* seconds, for a refusal by rate */
	struct slice allow;               /* for a refusal of the method */
	struct slice moved;               /* the address under the org's present key, for RC_MOVED */
};

/* ---- Other doors beside SCIM on the same listeners ---- */

struct side_door {
	/* Whether the path is this door's. */
	bool (*takes)(const struct http_request *h);
	/* With the head alone, the body still to come: answers what needs no body to be refused, or leaves the
	 * exchange alone. The reader is open, as in handle. */
	void (*admit)(struct request *rq);
	void (*handle)(struct request *rq);
};

/* Who asks, for the org with that key (p NULL: the platform); counted: takes the request out of its rate. What
 * fails is to be answered with error_response(). */
enum rc request_admit(struct request *rq, struct slice key, bool counted, struct err *err) MUSTCHECK;
/* "https://host": what addresses begin with. */
struct slice request_url(const struct request *rq);
/* The head of an error's answer, with the headers that the code asks for; of a SCIM answer's media type. */
struct response error_response(const struct request *rq, enum rc rc);

/* ---- The reader of this worker ---- */

/* Opens the worker's read transaction, unless it is open already. Every enter needs its leave, in the same turn of the loop. */
enum rc reader_enter(struct scim_worker *w, struct err *err) MUSTCHECK;
void reader_leave(struct scim_worker *w);

/* ---- Answers: each ends the request ---- */

/* With the headers that the code asks for: WWW-Authenticate, Retry-After, Allow. */
void reply_error(struct request *rq, enum rc rc, const struct err *err);
void reply_json(struct request *rq, int status, struct slice body);

/* A resource with its ETag; 201 brings Location too. packed: the record as a write left it (in the arena), so that a write is
 * answered by what it did, whatever came after; p NULL: as it is in the store. The projection must live as long as the
 * exchange. The reader must be open. */
void reply_resource(struct request *rq, int status, uint64_t row, struct slice packed,
	const struct projection *p);

/* Rows as a ListResponse. Rows and projections must live as long as the exchange. */
void reply_list(struct request *rq, const struct list_head *head, const uint64_t *rows, size_t count,
	const struct projection *const by_type[TYPE_COUNT]);

void reply_no_content(struct request *rq, uint64_t revision /* 0: no ETag */);

/* ---- Helpers ---- */

struct uuid new_id(struct scim *s);
/* If-Match and If-None-Match of the request (or one tag, of a bulk operation's version). */
void precondition_of(const struct http_request *h, struct precondition *out);
void precondition_of_version(struct slice version, struct precondition *out);
/* Who writes, in the transaction that does it. */
struct writer writer_of(const struct request *rq, struct orgtx *o);

struct read_options read_options_of(const struct request *rq);

/* Who reads, in the transaction that answers. */
enum rc subject_of(struct request *rq, struct txn *t, struct subject *out, struct err *err) MUSTCHECK;

/* The projection that a query string asks for. */
enum rc projection_of(struct request *rq, const struct resource_type *type, struct slice attributes,
	struct slice excluded, struct projection *out, struct err *err) MUSTCHECK;

/* The client must take one of our media types (RFC 9110 section 12.5.1); which of them it gets. */
enum rc check_accept(const struct request *rq, struct err *err) MUSTCHECK;
struct slice answer_type(const struct request *rq);

/* The body's media type must be one of ours. */
enum rc check_media_type(const struct request *rq, struct err *err) MUSTCHECK;

/* A SearchRequest, from the body. */
enum rc search_request(struct request *rq, struct list_request *out, struct err *err) MUSTCHECK;

/* What a cursor of a list is bound to. */
struct cursor_binding cursor_binding_of(const struct request *rq, const struct list_request *lr);

/* ---- Actions (actions.c) ---- */

/* What can be done to a resource, or to a type, besides reading and writing it: POST to its address and ".name". */
struct action_route {
	const char *name;    /* without the dot; NULL ends the table */
	uint8_t type;        /* TYPE_* */
	unsigned bases;      /* where: BASE_ORG | BASE_PLATFORM */
	bool on_type;        /* /Users/.claim, not /Users/{id}/.claim */
	bool needs_body;     /* action_body() refuses an empty one */
	void (*handle)(struct request *rq);
};

extern const struct action_route action_routes[];

/* By type, base, path and name; NULL when there is none. */
const struct action_route *action_find(const struct request *rq);

/* The body of an action: an object; an empty one when there is no body. */
enum rc action_body(struct request *rq, json_t **out, struct err *err) MUSTCHECK;

/* ---- Handlers ---- */

void handle_invite(struct request *rq);
void handle_invitation_resend(struct request *rq);
void handle_invitation_revoke(struct request *rq);
void handle_invitation_accept(struct request *rq);
void handle_invitation_decline(struct request *rq);
/* "/invitations/{secret}" (invite_link.c) */
extern const struct side_door invitation_door;

void handle_get(struct request *rq);
void handle_list(struct request *rq);
void handle_search(struct request *rq);
void handle_create(struct request *rq);
void handle_replace(struct request *rq);
void handle_patch(struct request *rq);
void handle_delete(struct request *rq);
void handle_bulk(struct request *rq);
void handle_audit_get(struct request *rq);
void handle_audit_list(struct request *rq);
void handle_audit_search(struct request *rq);
void handle_audit_export(struct request *rq);
void handle_me(struct request *rq);
void handle_quotas(struct request *rq);
void handle_quota_search(struct request *rq);
void handle_config(struct request *rq);
void handle_resource_types(struct request *rq);
void handle_resource_type(struct request *rq);
void handle_schemas(struct request *rq);
void handle_schema(struct request *rq);

#endif
