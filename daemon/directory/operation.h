/* The one table of operations: what each needs. Every door asks here; no handler decides rights. */
#ifndef DAEMON_DIRECTORY_OPERATION_H
#define DAEMON_DIRECTORY_OPERATION_H

#include "daemon/directory/subject.h"

enum verb { VERB_VIEW, VERB_CREATE, VERB_EDIT, VERB_DELETE, VERB_ACTION };

enum {
	/* Instead of a permission: */
	PERM_OPERATOR = PERM_MAX, /* operators of the platform alone */
	PERM_ANYONE,              /* whoever gets here: the rules of the type decide by who it is */
};

/* Type, verb, part, permission. The part of an edit is an attribute that needs another permission
 * than the rest; of a create a sort of resource; of an action its name. The permission is asked for
 * at the scope that the type's rules name. */
#define OPERATION_LIST(X) \
	X(USER, VIEW, "", PERM_MEMBER_VIEW) \
	X(USER, CREATE, "", PERM_MEMBER_CREATE) \
	X(USER, EDIT, "", PERM_MEMBER_EDIT) \
	X(USER, EDIT, "active", PERM_MEMBER_SUSPEND) \
	X(USER, DELETE, "", PERM_MEMBER_REMOVE) \
	X(USER, ACTION, "link", PERM_MEMBER_LINK) \
	X(USER, ACTION, "unlink", PERM_MEMBER_LINK) \
	X(USER, ACTION, "claim", PERM_ANYONE) \
	X(GROUP, VIEW, "", PERM_TEAM_VIEW) \
	X(GROUP, CREATE, "", PERM_TEAM_CREATE) \
	X(GROUP, EDIT, "", PERM_TEAM_EDIT) \
	X(GROUP, EDIT, "members", PERM_TEAM_MEMBERS) \
	X(GROUP, DELETE, "", PERM_TEAM_DELETE) \
	X(WORKSPACE, VIEW, "", PERM_WORKSPACE_VIEW) \
	X(WORKSPACE, CREATE, "", PERM_WORKSPACE_CREATE) \
	X(WORKSPACE, EDIT, "", PERM_WORKSPACE_EDIT) \
	X(WORKSPACE, EDIT, "parent", PERM_WORKSPACE_MOVE) \
	X(WORKSPACE, DELETE, "", PERM_WORKSPACE_DELETE) \
	X(PROJECT, VIEW, "", PERM_PROJECT_VIEW) \
	X(PROJECT, CREATE, "", PERM_PROJECT_CREATE) \
	X(PROJECT, EDIT, "", PERM_PROJECT_EDIT) \
	X(PROJECT, EDIT, "parent", PERM_PROJECT_ASSIGN) \
	X(PROJECT, DELETE, "", PERM_PROJECT_DELETE) \
	X(ROLE, VIEW, "", PERM_ROLE_VIEW) \
	X(ROLE, CREATE, "", PERM_ROLE_CREATE) \
	X(ROLE, EDIT, "", PERM_ROLE_EDIT) \
	X(ROLE, DELETE, "", PERM_ROLE_DELETE) \
	X(ASSIGNMENT, VIEW, "org", PERM_MEMBER_VIEW) \
	X(ASSIGNMENT, VIEW, "assignment", PERM_MEMBER_VIEW) \
	X(ASSIGNMENT, VIEW, "team", PERM_TEAM_VIEW) \
	X(ASSIGNMENT, VIEW, "workspace", PERM_WORKSPACE_VIEW) \
	X(ASSIGNMENT, VIEW, "project", PERM_PROJECT_VIEW) \
	X(ASSIGNMENT, CREATE, "org", PERM_MEMBER_ROLE) \
	X(ASSIGNMENT, CREATE, "assignment", PERM_ROLE_ASSIGN) \
	X(ASSIGNMENT, CREATE, "team", PERM_TEAM_MEMBERS) \
	X(ASSIGNMENT, CREATE, "workspace", PERM_WORKSPACE_MEMBERS) \
	X(ASSIGNMENT, CREATE, "project", PERM_PROJECT_MEMBERS) \
	X(ASSIGNMENT, CREATE, "mapping", PERM_ROLE_MAP) \
	X(ASSIGNMENT, EDIT, "org", PERM_MEMBER_ROLE) \
	X(ASSIGNMENT, EDIT, "assignment", PERM_ROLE_ASSIGN) \
	X(ASSIGNMENT, EDIT, "team", PERM_TEAM_MEMBERS) \
	X(ASSIGNMENT, EDIT, "workspace", PERM_WORKSPACE_MEMBERS) \
	X(ASSIGNMENT, EDIT, "project", PERM_PROJECT_MEMBERS) \
	X(ASSIGNMENT, DELETE, "org", PERM_MEMBER_ROLE) \
	X(ASSIGNMENT, DELETE, "assignment", PERM_ROLE_ASSIGN) \
	X(ASSIGNMENT, DELETE, "team", PERM_TEAM_MEMBERS) \
	X(ASSIGNMENT, DELETE, "workspace", PERM_WORKSPACE_MEMBERS) \
	X(ASSIGNMENT, DELETE, "project", PERM_PROJECT_MEMBERS) \
	X(ASSIGNMENT, ACTION, "withdraw", PERM_ANYONE) \
	X(INVITATION, VIEW, "", PERM_INVITE_VIEW) \
	X(INVITATION, CREATE, "email", PERM_MEMBER_INVITE) \
	X(INVITATION, CREATE, "link", PERM_INVITE_LINK) \
	X(INVITATION, EDIT, "", PERM_INVITE_RESEND) \
	X(INVITATION, ACTION, "resend", PERM_INVITE_RESEND) \
	X(INVITATION, ACTION, "revoke", PERM_INVITE_REVOKE) \
	X(INVITATION, DELETE, "", PERM_INVITE_REVOKE) \
	X(CONNECTION, VIEW, "", PERM_SETTINGS_CONNECTIONS) \
	X(CONNECTION, CREATE, "", PERM_SETTINGS_CONNECTIONS) \
	X(CONNECTION, EDIT, "", PERM_SETTINGS_CONNECTIONS) \
	X(CONNECTION, DELETE, "", PERM_SETTINGS_CONNECTIONS) \
	X(CONNECTION, ACTION, "release", PERM_SETTINGS_CONNECTIONS) \
	X(TOKEN, VIEW, "", PERM_TOKEN_VIEW) \
	X(TOKEN, CREATE, "key", PERM_TOKEN_CREATE) \
	X(TOKEN, CREATE, "connection", PERM_SETTINGS_CONNECTIONS) \
	X(TOKEN, EDIT, "", PERM_TOKEN_CREATE) \
	X(TOKEN, ACTION, "rotate", PERM_TOKEN_CREATE) \
	X(TOKEN, DELETE, "", PERM_TOKEN_REVOKE) \
	X(SETTINGS, VIEW, "", PERM_SETTINGS_VIEW) \
	X(SETTINGS, EDIT, "", PERM_SETTINGS_EDIT) \
	X(SETTINGS, EDIT, "externalInvitations", PERM_SETTINGS_INVITATIONS) \
	X(SETTINGS, EDIT, "connectionsManageGuarded", PERM_SETTINGS_CONNECTIONS) \
	X(SETTINGS, EDIT, "domains", PERM_SETTINGS_DOMAINS) \
	X(SETTINGS, EDIT, "sso", PERM_SETTINGS_SSO) \
	X(SETTINGS, EDIT, "nameservers", PERM_SETTINGS_DNS) \
	X(SETTINGS, EDIT, "searchDomains", PERM_SETTINGS_DNS) \
	X(SETTINGS, EDIT, "policies", PERM_SETTINGS_POLICIES) \
	X(SETTINGS, ACTION, "verify", PERM_SETTINGS_DOMAINS) \
	X(SETTINGS, ACTION, "ca", PERM_SETTINGS_CA) \
	X(ORGANIZATION, VIEW, "", PERM_ORG_VIEW) \
	X(ORGANIZATION, CREATE, "", PERM_ANYONE) \
	X(ORGANIZATION, EDIT, "", PERM_SETTINGS_EDIT) \
	X(ORGANIZATION, EDIT, "limits", PERM_OPERATOR) \
	X(ORGANIZATION, EDIT, "quotas", PERM_OPERATOR) \
	X(ORGANIZATION, DELETE, "", PERM_ORG_DELETE) \
	X(ORGANIZATION, ACTION, "rename", PERM_ORG_RENAME) \
	X(ORGANIZATION, ACTION, "transfer", PERM_ORG_TRANSFER) \
	X(ORGANIZATION, ACTION, "migrate", PERM_ORG_MIGRATE) \
	X(ORGANIZATION, ACTION, "suspend", PERM_OPERATOR) \
	X(ORGANIZATION, ACTION, "resume", PERM_OPERATOR) \
	X(ORGANIZATION, ACTION, "restore", PERM_OPERATOR) \
	X(CERTIFICATE, VIEW, "", PERM_SETTINGS_CA) \
	X(CERTIFICATE, CREATE, "", PERM_SETTINGS_CA) \
	X(CERTIFICATE, EDIT, "", PERM_SETTINGS_CA) \
	X(CERTIFICATE, DELETE, "", PERM_SETTINGS_CA) \
	X(CERTIFICATE, ACTION, "revoke", PERM_SETTINGS_CA) \
	X(QUOTA, VIEW, "", PERM_ORG_USAGE) \
	X(QUOTA, ACTION, "reserve", PERM_ORG_RESERVE) \
	X(QUOTA, ACTION, "release", PERM_ORG_RESERVE) \
	X(AUDIT_EVENT, VIEW, "", PERM_AUDIT_VIEW) \
	X(AUDIT_EVENT, ACTION, "export", PERM_AUDIT_EXPORT) \
	X(NONE, ACTION, "check", PERM_ORG_CHECK) \
	X(NONE, ACTION, "members", PERM_TEAM_VIEW) \
	X(NONE, ACTION, "stats", PERM_ORG_USAGE) \
	X(NONE, ACTION, "sync", PERM_ORG_SYNC) \
	X(NONE, ACTION, "watch", PERM_ORG_WATCH)

enum { TYPE_NONE = 0 };

struct operation {
	uint8_t type;
	enum verb verb;
	const char *part;
	uint16_t perm;
};

extern const struct operation operations[];
extern const size_t operation_count;

/* NULL when the type has no such operation. A part without a row of its own is "". */
const struct operation *operation_find(uint8_t type, enum verb verb, struct slice part);

/* Whether anybody at all can do this to a type. */
bool operation_any(uint8_t type, enum verb verb);

/* FORBIDDEN unless the subject may, at that scope. */
enum rc operation_require(const struct subject *s, const struct operation *op, uint64_t scope,
	bool own, struct err *err) MUSTCHECK;

/* "Workspace.create", "Settings.edit.sso", "Invitation.resend". */
void operation_name(const struct schema_set *set, const struct operation *op, struct buf *out);

/* The table, a line each: the name, a space, the permission ("operator": only they may; "anyone": the
 * rules of the type decide by who asks). */
void operations_print(const struct schema_set *set, struct buf *out);

#endif
