/* The one table of operations: what each needs, in an org and on the platform. Every door asks here; no
 * handler decides rights. */
#ifndef DAEMON_DIRECTORY_OPERATION_H
#define DAEMON_DIRECTORY_OPERATION_H

#include "daemon/directory/subject.h"

enum verb { VERB_VIEW, VERB_CREATE, VERB_EDIT, VERB_DELETE, VERB_ACTION };

enum {
	/* Instead of a permission: */
	PERM_OPERATOR = PERM_MAX, /* operators of the platform alone */
	PERM_ANYONE,              /* whoever gets here: the rules of the type decide by who it is */
	PERM_NOWHERE,             /* there is no such operation in an org */
};

/* What a person may on the platform, with a personal token: that with what is their own, or at all. What
 * is done there with an org is asked in that org too, by its permission. */
enum person_may { PERSON_NOT, PERSON_OWN, PERSON_ANY };

/* Type, verb, part, permission in an org; on the platform: what a person may, and the right that the
 * token of a product must name (NULL: no product may). Operators may all. The part of an edit is an attribute that needs another permission
 * than the rest; of a create a sort of resource; of an action its name. The permission is asked for
 * at the scope that the type's rules name. */
#define OPERATION_LIST(X) \
	X(USER, VIEW, "", PERM_MEMBER_VIEW, NOT, NULL) \
	X(USER, CREATE, "", PERM_MEMBER_CREATE, NOT, NULL) \
	X(USER, EDIT, "", PERM_MEMBER_EDIT, NOT, NULL) \
	X(USER, EDIT, "active", PERM_MEMBER_SUSPEND, NOT, NULL) \
	X(USER, DELETE, "", PERM_MEMBER_REMOVE, NOT, NULL) \
	X(USER, ACTION, "link", PERM_MEMBER_LINK, NOT, NULL) \
	X(USER, ACTION, "unlink", PERM_MEMBER_LINK, NOT, NULL) \
	X(USER, ACTION, "claim", PERM_ANYONE, ANY, NULL) \
	X(GROUP, VIEW, "", PERM_TEAM_VIEW, NOT, NULL) \
	X(GROUP, CREATE, "", PERM_TEAM_CREATE, NOT, NULL) \
	X(GROUP, EDIT, "", PERM_TEAM_EDIT, NOT, NULL) \
	X(GROUP, EDIT, "members", PERM_TEAM_MEMBERS, NOT, NULL) \
	X(GROUP, DELETE, "", PERM_TEAM_DELETE, NOT, NULL) \
	X(WORKSPACE, VIEW, "", PERM_WORKSPACE_VIEW, NOT, NULL) \
	X(WORKSPACE, CREATE, "", PERM_WORKSPACE_CREATE, NOT, NULL) \
	X(WORKSPACE, EDIT, "", PERM_WORKSPACE_EDIT, NOT, NULL) \
	X(WORKSPACE, EDIT, "parent", PERM_WORKSPACE_MOVE, NOT, NULL) \
	X(WORKSPACE, DELETE, "", PERM_WORKSPACE_DELETE, NOT, NULL) \
	X(PROJECT, VIEW, "", PERM_PROJECT_VIEW, NOT, NULL) \
	X(PROJECT, CREATE, "", PERM_PROJECT_CREATE, NOT, NULL) \
	X(PROJECT, EDIT, "", PERM_PROJECT_EDIT, NOT, NULL) \
	X(PROJECT, EDIT, "parent", PERM_PROJECT_ASSIGN, NOT, NULL) \
	X(PROJECT, DELETE, "", PERM_PROJECT_DELETE, NOT, NULL) \
	X(ROLE, VIEW, "", PERM_ROLE_VIEW, NOT, NULL) \
	X(ROLE, CREATE, "", PERM_ROLE_CREATE, NOT, NULL) \
	X(ROLE, EDIT, "", PERM_ROLE_EDIT, NOT, NULL) \
	X(ROLE, DELETE, "", PERM_ROLE_DELETE, NOT, NULL) \
	X(ASSIGNMENT, VIEW, "org", PERM_MEMBER_VIEW, NOT, NULL) \
	X(ASSIGNMENT, VIEW, "assignment", PERM_MEMBER_VIEW, NOT, NULL) \
	X(ASSIGNMENT, VIEW, "team", PERM_TEAM_VIEW, NOT, NULL) \
	X(ASSIGNMENT, VIEW, "workspace", PERM_WORKSPACE_VIEW, NOT, NULL) \
	X(ASSIGNMENT, VIEW, "project", PERM_PROJECT_VIEW, NOT, NULL) \
	X(ASSIGNMENT, CREATE, "org", PERM_MEMBER_ROLE, NOT, NULL) \
	X(ASSIGNMENT, CREATE, "assignment", PERM_ROLE_ASSIGN, NOT, NULL) \
	X(ASSIGNMENT, CREATE, "team", PERM_TEAM_MEMBERS, NOT, NULL) \
	X(ASSIGNMENT, CREATE, "workspace", PERM_WORKSPACE_MEMBERS, NOT, NULL) \
	X(ASSIGNMENT, CREATE, "project", PERM_PROJECT_MEMBERS, NOT, NULL) \
	X(ASSIGNMENT, CREATE, "mapping", PERM_ROLE_MAP, NOT, NULL) \
	X(ASSIGNMENT, EDIT, "org", PERM_MEMBER_ROLE, NOT, NULL) \
	X(ASSIGNMENT, EDIT, "assignment", PERM_ROLE_ASSIGN, NOT, NULL) \
	X(ASSIGNMENT, EDIT, "team", PERM_TEAM_MEMBERS, NOT, NULL) \
	X(ASSIGNMENT, EDIT, "workspace", PERM_WORKSPACE_MEMBERS, NOT, NULL) \
	X(ASSIGNMENT, EDIT, "project", PERM_PROJECT_MEMBERS, NOT, NULL) \
	X(ASSIGNMENT, DELETE, "org", PERM_MEMBER_ROLE, NOT, NULL) \
	X(ASSIGNMENT, DELETE, "assignment", PERM_ROLE_ASSIGN, NOT, NULL) \
	X(ASSIGNMENT, DELETE, "team", PERM_TEAM_MEMBERS, NOT, NULL) \
	X(ASSIGNMENT, DELETE, "workspace", PERM_WORKSPACE_MEMBERS, NOT, NULL) \
	X(ASSIGNMENT, DELETE, "project", PERM_PROJECT_MEMBERS, NOT, NULL) \
	X(ASSIGNMENT, ACTION, "withdraw", PERM_ANYONE, NOT, NULL) \
	X(INVITATION, VIEW, "", PERM_INVITE_VIEW, OWN, NULL) \
	X(INVITATION, CREATE, "email", PERM_MEMBER_INVITE, NOT, NULL) \
	X(INVITATION, CREATE, "link", PERM_INVITE_LINK, NOT, NULL) \
	X(INVITATION, EDIT, "", PERM_INVITE_RESEND, NOT, NULL) \
	X(INVITATION, ACTION, "resend", PERM_INVITE_RESEND, NOT, NULL) \
	X(INVITATION, ACTION, "revoke", PERM_INVITE_REVOKE, NOT, NULL) \
	X(INVITATION, ACTION, "accept", PERM_NOWHERE, OWN, NULL) \
	X(INVITATION, ACTION, "decline", PERM_NOWHERE, OWN, NULL) \
	X(INVITATION, DELETE, "", PERM_INVITE_REVOKE, NOT, NULL) \
	X(CONNECTION, VIEW, "", PERM_SETTINGS_CONNECTIONS, NOT, NULL) \
	X(CONNECTION, CREATE, "", PERM_SETTINGS_CONNECTIONS, NOT, NULL) \
	X(CONNECTION, EDIT, "", PERM_SETTINGS_CONNECTIONS, NOT, NULL) \
	X(CONNECTION, DELETE, "", PERM_SETTINGS_CONNECTIONS, NOT, NULL) \
	X(CONNECTION, ACTION, "release", PERM_SETTINGS_CONNECTIONS, NOT, NULL) \
	X(TOKEN, VIEW, "", PERM_TOKEN_VIEW, OWN, "people.tokens") \
	X(TOKEN, CREATE, "key", PERM_TOKEN_CREATE, NOT, NULL) \
	X(TOKEN, CREATE, "connection", PERM_SETTINGS_CONNECTIONS, NOT, NULL) \
	X(TOKEN, CREATE, "personal", PERM_NOWHERE, ANY, "people.tokens") \
	X(TOKEN, EDIT, "", PERM_TOKEN_CREATE, OWN, NULL) \
	X(TOKEN, ACTION, "rotate", PERM_TOKEN_CREATE, OWN, "people.tokens") \
	X(TOKEN, DELETE, "", PERM_TOKEN_REVOKE, OWN, "people.tokens") \
	X(SETTINGS, VIEW, "", PERM_SETTINGS_VIEW, NOT, NULL) \
	X(SETTINGS, EDIT, "", PERM_SETTINGS_EDIT, NOT, NULL) \
	X(SETTINGS, EDIT, "externalInvitations", PERM_SETTINGS_INVITATIONS, NOT, NULL) \
	X(SETTINGS, EDIT, "connectionsManageGuarded", PERM_SETTINGS_CONNECTIONS, NOT, NULL) \
	X(SETTINGS, EDIT, "domains", PERM_SETTINGS_DOMAINS, NOT, NULL) \
	X(SETTINGS, EDIT, "sso", PERM_SETTINGS_SSO, NOT, NULL) \
	X(SETTINGS, EDIT, "nameservers", PERM_SETTINGS_DNS, NOT, NULL) \
	X(SETTINGS, EDIT, "searchDomains", PERM_SETTINGS_DNS, NOT, NULL) \
	X(SETTINGS, EDIT, "policies", PERM_SETTINGS_POLICIES, NOT, NULL) \
	X(SETTINGS, ACTION, "verify", PERM_SETTINGS_DOMAINS, NOT, NULL) \
	X(SETTINGS, ACTION, "ca", PERM_SETTINGS_CA, NOT, NULL) \
	X(ORGANIZATION, VIEW, "", PERM_ORG_VIEW, OWN, "organizations.view") \
	X(ORGANIZATION, CREATE, "", PERM_ANYONE, ANY, "organizations.create") \
	X(ORGANIZATION, EDIT, "", PERM_SETTINGS_EDIT, OWN, NULL) \
	X(ORGANIZATION, EDIT, "limits", PERM_OPERATOR, NOT, NULL) \
	X(ORGANIZATION, EDIT, "quotas", PERM_OPERATOR, NOT, NULL) \
	X(ORGANIZATION, DELETE, "", PERM_ORG_DELETE, OWN, NULL) \
	X(ORGANIZATION, ACTION, "rename", PERM_ORG_RENAME, OWN, NULL) \
	X(ORGANIZATION, ACTION, "transfer", PERM_ORG_TRANSFER, OWN, NULL) \
	X(ORGANIZATION, ACTION, "migrate", PERM_ORG_MIGRATE, OWN, NULL) \
	X(ORGANIZATION, ACTION, "suspend", PERM_OPERATOR, NOT, NULL) \
	X(ORGANIZATION, ACTION, "resume", PERM_OPERATOR, NOT, NULL) \
	X(ORGANIZATION, ACTION, "restore", PERM_OPERATOR, NOT, NULL) \
	X(PERSON, VIEW, "", PERM_NOWHERE, OWN, "people.view") \
	X(PERSON, CREATE, "", PERM_NOWHERE, NOT, "people.create") \
	X(PERSON, EDIT, "", PERM_NOWHERE, OWN, "people.edit") \
	X(PERSON, DELETE, "", PERM_NOWHERE, OWN, "people.delete") \
	X(CERTIFICATE, VIEW, "", PERM_SETTINGS_CA, NOT, NULL) \
	X(CERTIFICATE, CREATE, "", PERM_SETTINGS_CA, NOT, NULL) \
	X(CERTIFICATE, EDIT, "", PERM_SETTINGS_CA, NOT, NULL) \
	X(CERTIFICATE, DELETE, "", PERM_SETTINGS_CA, NOT, NULL) \
	X(CERTIFICATE, ACTION, "revoke", PERM_SETTINGS_CA, NOT, NULL) \
	X(QUOTA, VIEW, "", PERM_ORG_USAGE, NOT, NULL) \
	X(QUOTA, ACTION, "reserve", PERM_ORG_RESERVE, NOT, NULL) \
	X(QUOTA, ACTION, "release", PERM_ORG_RESERVE, NOT, NULL) \
	X(AUDIT_EVENT, VIEW, "", PERM_AUDIT_VIEW, NOT, NULL) \
	X(AUDIT_EVENT, ACTION, "export", PERM_AUDIT_EXPORT, NOT, NULL) \
	X(NONE, ACTION, "check", PERM_ORG_CHECK, NOT, NULL) \
	X(NONE, ACTION, "members", PERM_TEAM_VIEW, NOT, NULL) \
	X(NONE, ACTION, "stats", PERM_ORG_USAGE, NOT, NULL) \
	X(NONE, ACTION, "watch", PERM_ORG_WATCH, NOT, NULL) \
	X(NONE, ACTION, "sync", PERM_ORG_SYNC, NOT, NULL)

enum { TYPE_NONE = 0 };

struct operation {
	uint8_t type;
	enum verb verb;
	const char *part;
	uint16_t perm;
	enum person_may person;
	const char *right;
};

extern const struct operation operations[];
extern const size_t operation_count;

/* In an org. NULL when the type has no such operation. A part without a row of its own is "". */
const struct operation *operation_find(uint8_t type, enum verb verb, struct slice part);

/* Whether anybody at all can do this to a type, in an org. */
bool operation_any(uint8_t type, enum verb verb);

/* On the platform: with an empty part the one operation of that type and verb. NULL: operators only. */
const struct operation *operation_find_platform(uint8_t type, enum verb verb, struct slice part);
/* Whether a right of products is asked for anywhere; "*" and "people.*" are too. */
bool operation_right_known(struct slice right);

/* FORBIDDEN unless the subject may, at that scope. */
enum rc operation_require(const struct subject *s, const struct operation *op, uint64_t scope,
	bool own, struct err *err) MUSTCHECK;
/* The same by name, for one that is in the table. */
enum rc operation_ask(const struct subject *s, uint8_t type, enum verb verb, const char *part,
	uint64_t scope, struct err *err) MUSTCHECK;

/* What is missing to who may not do it: a permission, a right, or "operator". */
struct slice operation_needs(const struct operation *op);

/* "Workspace.create", "Settings.edit.sso", "Invitation.resend". */
void operation_name(const struct schema_set *set, const struct operation *op, struct buf *out);

/* The table, a line each, four words: the name; the permission in an org ("operator": only they may;
 * "anyone": the rules of the type decide by who asks); what a person may on the platform ("own", "any");
 * the right of a product there. "-": there is none. */
void operations_print(const struct schema_set *set, struct buf *out);

#endif
