/* The rules of the business for users and groups: who may be called what, what a group may hold, what a
 * write changes. Knows neither HTTP nor frames: every door decodes into these calls.
 *
 * The resource_*() functions run inside the committer's transaction. They look at everything and decide
 * first, then put: on failure nothing was written (but the guard's own mark, see guard.h). */
#ifndef DAEMON_DIRECTORY_DIRECTORY_H
#define DAEMON_DIRECTORY_DIRECTORY_H

#include "base/arena.h"
#include "daemon/directory/attrs.h"
#include "daemon/directory/guard.h"
#include "daemon/store/store.h"
#include "protocol/patch.h"
#include "protocol/scim_read.h"
#include "schema/model.h"

/* What the configuration says of orgs and people. */
struct org_settings {
	char *const *reserved;      /* names; NULL at the end, or NULL: none */
	const char *personal_model; /* NULL: who signs up gets no org */
	uint64_t per_person;        /* in so many orgs a person may be and still found another; 0: any */
	int64_t rename_grace, delete_grace;                 /* ticks */
	const uint64_t *token_lifetime, *token_lifetime_max; /* days, 0: no end; NULL: none */
};

struct directory {
	const struct schema_set *schema;
	struct org_settings orgs; /* set by whoever has the configuration */
	struct guard_options guard;
	uint64_t scan_limit; /* records that one request may examine without an index */
	struct attrs at;
	const struct model_set *models;
	const struct seal *seal; /* of private keys; NULL: none can be made or used */
	struct slice public_url; /* the daemon's own address, for what is made to last */
	struct permset connection_rights; /* what a connection may do: users and groups */
	bool mail; /* there is a mail server: links are mailed, not shown to who asked for them */
};

/* Fills in the attributes that the rules name. */
void directory_init(struct directory *d, const struct schema_set *schema, const struct model_set *models,
	const struct guard_options *guard, uint64_t scan_limit);

struct caller; /* daemon/auth.h */

/* Who writes, and how the connection wants to be read. */
struct writer {
	struct actor actor; /* a connection of 0 is the operator: no guard, no externalId space */
	enum dialect dialect;
	const struct caller *caller; /* whose rights are asked; NULL: rosterd itself, or an operator
					at the control door */
	struct slice site; /* "https://host": where the links of mails lead */
};

/* If-Match and If-None-Match, reduced to revisions (docs/SCIM.md: the opaque part of our ETags is the
 * revision). Decided inside the write. */
enum { PRECONDITION_TAGS_MAX = 16 };
struct precondition {
	bool if_match, if_match_any, if_none_match, if_none_match_any;
	size_t match_count, none_match_count;
	uint64_t match[PRECONDITION_TAGS_MAX], none_match[PRECONDITION_TAGS_MAX];
	bool confirmed;   /* of a delete, ?confirm=N: the client knows that N things go along */
	uint64_t confirm;
};

struct written {
	uint64_t row;
	struct slice packed; /* as the answer shows it; in the arena */
};

/* A new resource under an id of ours. INVALID_VALUE for unknown members or a cycle, UNIQUENESS for a name
 * that is taken. */
enum rc resource_create(const struct directory *d, struct orgtx *o, const struct writer *w,
	struct arena *a, const struct resource_type *type, const struct uuid *id,
	const struct resource_in *in, struct written *out, struct err *err) MUSTCHECK;

/* PUT: what the body leaves out is cleared, but the password. Nothing changes, and no revision is made,
 * when the result equals what is there. */
enum rc resource_replace(const struct directory *d, struct orgtx *o, const struct writer *w,
	struct arena *a, const struct resource_type *type, const struct uuid *id,
	const struct precondition *pre, const struct resource_in *in, struct written *out,
	struct err *err) MUSTCHECK;

enum rc resource_patch(const struct directory *d, struct orgtx *o, const struct writer *w,
	struct arena *a, const struct resource_type *type, const struct uuid *id,
	const struct precondition *pre, const struct patch *patch, struct written *out,
	struct err *err) MUSTCHECK;

/* Takes the resource's edges along; the groups that held it get a new version. */
enum rc resource_delete(const struct directory *d, struct orgtx *o, const struct writer *w,
	struct arena *a, const struct resource_type *type, const struct uuid *id,
	const struct precondition *pre, struct err *err) MUSTCHECK;

/* The resource of a type by id; NOT_FOUND. */
enum rc resource_find(struct orgtx *o, const struct resource_type *type, const struct uuid *id,
	uint64_t *row, struct record *out, struct err *err) MUSTCHECK;

/* RC_PRECONDITION_FAILED unless a resource at this revision meets the precondition (NULL: none). */
enum rc precondition_check(const struct precondition *pre, uint64_t revision, struct err *err) MUSTCHECK;

/* ---- Groups of groups ---- */

/* All groups that hold a member, directly or through other groups; direct ones first, each once. */
struct membership {
	uint64_t group;
	bool direct;
	uint64_t from; /* unless direct: the group, before this one in the list, that is in it */
};
size_t membership_list(struct orgtx *o, struct arena *a, uint64_t member, struct membership **out);

/* Whether a group holds a member or group itself, or through other groups. */
enum membership_kind { NOT_MEMBER, DIRECT_MEMBER, NESTED_MEMBER };
enum membership_kind membership_find(struct orgtx *o, struct arena *a, uint64_t group, uint64_t member);

/* The name by which a member or group is shown: displayName, else userName. Borrowed from the record. */
struct slice display_of(const struct directory *d, const struct record *r);

/* An element of members (direct: its type) or groups as a node, for filters that look inside; NULL when the row
 * has no record. */
struct node *edge_node(const struct directory *d, struct orgtx *o, struct arena *a,
	const struct attr *attr, uint64_t row, bool direct);

/* All elements of members or groups of a resource; NULL when it has none, or more than limit (*over). */
const struct node *edge_nodes(const struct directory *d, struct orgtx *o, struct arena *a,
	const struct attr *attr, uint64_t row, uint64_t limit, bool *over);

#endif
