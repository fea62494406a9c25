/* Role models: how an org works, as tables.
 *
 * A role model is a JSON file (docs/ROLE_MODELS.md; those that ship stand in schema/models/ and are
 * embedded). It is checked and compiled once, at start; after that the tables are constant and may
 * be read by all threads. Nothing in the code knows a model or a role by name: what differs between
 * two models is said here.
 *
 * Three questions are answered over the tables, without look-ups, clock or allocation:
 * may the holder of these grants do that (model_allows), what may they do in all (model_rights),
 * and may they give, take, invite, transfer (schema/model_rules.h). Who holds which grant, and
 * which scope lies in which, is the caller's to know. */
#ifndef SCHEMA_MODEL_H
#define SCHEMA_MODEL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "schema/permission.h"

enum {
	MODEL_FORMAT = 1,
	MODEL_ROLES_MAX = 128, /* roles and assignments of one model */
	MODEL_NAME_MAX = 32,   /* of a model, a role, a quota */
	MODEL_FILE_MAX = 1 << 20,
};

/* Kinds of org. Personal: one person's own; it has exactly one member, always. */
enum org_kind { ORG_COMPANY, ORG_PERSONAL };

enum { ORG_KINDS = ORG_PERSONAL + 1 };

/* Name, value where the model says nothing, least, greatest. Only operators change the limits of
 * an org. */
#define LIMIT_LIST(X)                                                                              \
	X(MEMBERS, "members", 500, 1, 100000000)                                                   \
	X(TEAMS, "teams", 10000, 0, 100000000)                                                     \
	X(WORKSPACES, "workspaces", 1000, 0, 10000000)                                             \
	X(PROJECTS, "projects", 10000, 0, 10000000)                                                \
	X(INVITATIONS, "invitations", 1000, 0, 1000000) /* pending ones */                         \
	X(ROLES, "roles", 100, 0, 10000)                /* of the org's own */                     \
	X(TOKENS, "tokens", 1000, 0, 1000000)                                                      \
	X(NESTING, "nesting", 10, 1, 64) /* of teams in teams, and of workspaces */                \
	X(REQUESTS, "requestsPerSecond", 1000000, 1, 1000000)

#define X(name, text, normal, min, max) LIMIT_##name,
enum limit { LIMIT_LIST(X) LIMIT_COUNT };
#undef X

struct role_set {
	uint64_t bits[MODEL_ROLES_MAX / 64];
};

/* A role or an assignment. Every member has one role in the org; assignments are held beside it,
 * any number of them. */
struct model_role {
	uint16_t index; /* in struct model's roles, and its bit in a role_set */
	bool assignment;
	enum scope_kind scope; /* where it is held; of assignments: the org */
	struct slice name, title, description;
	struct slice path; /* "org/NAME", "assignment/NAME": unique in the model */

	/* What a holder may do at a scope of each kind, where it is held or below: its own
	 * permissions, what it includes and implies, what everyone has. */
	struct permset sets[SCOPE_KINDS];
	struct permset direct;   /* without what is implied */
	struct role_set implied; /* roles held without an entry at every scope of their kind below,
				    and the assignments that always go with this role */

	struct role_set gives,
		takes; /* which roles a holder may give to others, and take from them */
	uint32_t holders_min,
		holders_max; /* members of the org with this role; max 0: any number */
	bool by_default;     /* of those who come to its scope with no role said */
	bool by_creation;    /* of who creates its scope */
	bool teams;          /* a team may hold it */
	bool guarded;  /* connections may not touch its holders, unless the org's settings say so */
	bool required; /* assignment: the members of the roles that it fits always hold it */
	struct role_set fits; /* assignment: members with which roles may hold it */
};

struct model_quota {
	struct slice name, title;
	uint64_t normal[ORG_KINDS]; /* how much an org of that kind has, unless an operator changes
				       it */
};

struct model_kind {
	bool allowed; /* the model has orgs of this kind; all below is meant for those only */
	enum org_kind kind;
	struct slice title;
	const struct model_role *creator; /* role of the first member */
	bool at_signup;                   /* made when a person signs up */
	bool deletable;
	bool quota_per_person; /* each member has the quotas; otherwise all share them */
	struct permset off;    /* nobody has these in such an org (any is used, own is not) */
	uint64_t limits[LIMIT_COUNT];
};

/* What invitations of one sort may carry. */
struct model_invitation {
	bool allowed;
	const struct model_role *role; /* when none is said */
	struct role_set roles, assignments;
	uint32_t expires; /* seconds, when none is said */
};

enum invitation_sort { INVITE_BY_EMAIL, INVITE_BY_LINK };

struct model_transfer {
	const struct model_role *role;     /* that moves; NULL: the model has no transfer */
	const struct model_role *previous; /* of who gave it away */
};

struct model {
	struct slice name, title, description;
	uint32_t version;
	struct slice text; /* the file */

	struct model_kind kinds[ORG_KINDS];
	uint8_t parents[SCOPE_KINDS]; /* AT_*: where a workspace or a project may lie; 0: there are
					 none */

	const struct permission *permissions; /* by id; the daemon's first */
	size_t permission_count;
	const uint16_t *permissions_by_name; /* their ids, in the order of slice_cmp */
	/* In the order of the file: org, team, workspace, project, assignments. */
	const struct model_role *roles;
	size_t role_count;
	const struct model_role *by_default[SCOPE_KINDS];  /* NULL: none */
	const struct model_role *by_creation[SCOPE_KINDS]; /* NULL: none; of the org see kinds */
	uint8_t custom_roles; /* AT_*: scopes for which an org may define roles of its own */

	struct model_invitation invitations[2]; /* by enum invitation_sort */
	bool external_invitations;              /* default of the org's setting */
	struct model_transfer transfer;
	const struct model_quota *quotas;
	size_t quota_count;
};

/* ---- Models ---- */

struct model_file {
	const char *name; /* for messages */
	struct slice text;
};

struct model_set {
	const struct model *const *models;
	size_t count;
};

/* Compiles one file. A mistake is RC_INVALID_VALUE: err->path names the member of the file, the
 * detail begins with "line N: ". Text is borrowed for the call. */
enum rc model_compile(
	struct arena *a, struct slice text, const struct model **out, struct err *err) MUSTCHECK;

/* The models that ship, then those of the caller (an error names the file). Names must differ. The
 * first one is for orgs that are created without naming one. */
enum rc models_load(struct arena *a, const struct model_file *extra, size_t n,
	const struct model_set **out, struct err *err) MUSTCHECK;

/* The embedded files. */
size_t model_file_count(void);
struct model_file model_file(size_t i);

const struct model *model_by_name(const struct model_set *set, struct slice name);

/* ---- Look-ups; NULL when there is none ---- */

const struct permission *model_permission(const struct model *m, struct slice name);
const struct model_role *model_role(
	const struct model *m, enum scope_kind scope, struct slice name);
const struct model_role *model_assignment(const struct model *m, struct slice name);
/* "org/NAME", "team/NAME", "workspace/NAME", "project/NAME", "assignment/NAME" */
const struct model_role *model_role_by_path(const struct model *m, struct slice path);
const struct model_quota *model_quota(const struct model *m, struct slice name);

/* "org", "team", "workspace", "project"; false when it is none. */
bool scope_kind_read(struct slice text, enum scope_kind *out);
const char *scope_kind_name(enum scope_kind kind);
/* "company", "personal" */
bool org_kind_read(struct slice text, enum org_kind *out);
const char *org_kind_name(enum org_kind kind);
const char *limit_name(enum limit limit);
void limit_range(enum limit limit, uint64_t *min, uint64_t *max);

/* AT_*: the kinds of scope that lie at or below one of this kind. */
uint8_t scope_below(enum scope_kind kind);

static inline bool
role_set_has(const struct role_set *s, const struct model_role *r)
{
	return (s->bits[r->index / 64] >> (r->index % 64) & 1) != 0;
}

/* ---- Sets of permissions in writing ---- */

/* What "member.view", "member.*", "*", "own:member.edit" mean for a role held at that kind of
 * scope. Used for the model's own roles and for those that an org defines: keep the set as names
 * (permset_print), so that a later model that has more permissions does not widen the role. */
enum rc permset_read(const struct model *m, enum scope_kind scope, const struct slice *patterns,
	size_t n, struct permset *out, struct err *err) MUSTCHECK;

/* Calls fn for each permission of the set, by name, with "own:" where it is for own things only. */
void permset_print(const struct model *m, const struct permset *set,
	void (*fn)(void *arg, struct slice pattern), void *arg);

/* ---- Checks ---- */

/* One thing that the subject holds, itself or through a team. */
struct model_grant {
	const struct model_role *role; /* or NULL, and */
	const struct permset *custom;  /* what a role of the org's own permits */
	bool covers;                   /* it is held at the scope in question or at one around it */
	const void *origin;            /* the caller's: where it comes from */
};

struct model_subject {
	const struct model *model;
	const struct model_kind *kind; /* of the org */
	const struct model_grant *grants;
	size_t grant_count;
	const struct permset
		*within; /* of the token that is used; NULL: all that the subject may */
};

struct model_query {
	uint16_t perm;
	enum scope_kind at;
	bool own; /* the thing is the subject's own */
};

enum model_reason {
	REASON_GRANTED,
	REASON_MISSING,   /* no grant has it */
	REASON_OWN_ONLY,  /* held for own things, and this is not one */
	REASON_ELSEWHERE, /* held at another scope */
	REASON_OFF,       /* nobody has it in an org of this kind */
	REASON_TOKEN,     /* beyond the token */
	REASON_NOT_HERE,  /* not asked for at scopes of this kind */
};

struct model_answer {
	enum model_reason reason;
	const struct model_grant
		*grant; /* that gave it; or that has it for own things, or elsewhere */
	const struct model_role *through; /* the implied role that has it; NULL: the grant itself */
	bool own;                         /* because the thing is the subject's own */
};

/* why may be NULL. */
bool model_allows(
	const struct model_subject *s, const struct model_query *q, struct model_answer *why);

/* The answer as a sentence for the client: what granted it, or the permission that is missing. */
void model_answer_print(const struct model_subject *s, const struct model_query *q,
	const struct model_answer *why, struct buf *out);

/* All that the subject may do at a scope of that kind, which the grants with `covers` cover. */
void model_rights(const struct model_subject *s, enum scope_kind at, struct permset *out);

#endif
