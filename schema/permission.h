/* Permissions: the list of those that the daemon enforces itself, and sets of permissions.
 *
 * An operation of the daemon names its permission by PERM_*: the same number in every role model,
 * so that asking is testing a bit. A role model adds the permissions of its product behind them.
 * docs/ROLE_MODELS.md says what each one lets do, and what "own" means for it. */
#ifndef SCHEMA_PERMISSION_H
#define SCHEMA_PERMISSION_H

#include "base/slice.h"

/* Kinds of scope. A team lies in the org beside the tree of workspaces and projects. */
enum scope_kind { SCOPE_ORG, SCOPE_TEAM, SCOPE_WORKSPACE, SCOPE_PROJECT };

enum {
	SCOPE_KINDS = SCOPE_PROJECT + 1,
	AT_ORG = 1 << SCOPE_ORG,
	AT_TEAM = 1 << SCOPE_TEAM,
	AT_WORKSPACE = 1 << SCOPE_WORKSPACE,
	AT_PROJECT = 1 << SCOPE_PROJECT,
	AT_TREE = AT_ORG | AT_WORKSPACE | AT_PROJECT,
};

/* Name, kinds of scope at which it is asked for, whether it can be held for own things only, what
 * it lets do. New rows may stand anywhere: the numbers are not stored. */
#define PERM_LIST(X) \
	X(ORG_VIEW, "org.view", AT_ORG, false, "see the org: its name, kind, model and state") \
	X(ORG_RENAME, "org.rename", AT_ORG, false, "change the org's key") \
	X(ORG_DELETE, "org.delete", AT_ORG, false, "delete the org") \
	X(ORG_TRANSFER, "org.transfer", AT_ORG, false, "hand one's own role over, as the model's \"transfer\" says") \
	X(ORG_MIGRATE, "org.migrate", AT_ORG, false, "move the org to another role model") \
	X(ORG_USAGE, "org.usage", AT_ORG, false, "see limits and quotas, and what is used of them") \
	X(ORG_RESERVE, "org.reserve", AT_ORG, false, "reserve and release quota for anyone in the org") \
	X(ORG_CHECK, "org.check", AT_ORG, true, "ask what someone may do") \
	X(ORG_SYNC, "org.sync", AT_ORG, false, "send the whole desired state of members and teams in one step") \
	X(ORG_WATCH, "org.watch", AT_ORG, false, "follow every change of the org") \
	X(MEMBER_VIEW, "member.view", AT_ORG, true, "see members") \
	X(MEMBER_CREATE, "member.create", AT_ORG, false, "add a member without an invitation") \
	X(MEMBER_INVITE, "member.invite", AT_ORG, false, "invite people by address") \
	X(MEMBER_EDIT, "member.edit", AT_ORG, true, "change a member's profile") \
	X(MEMBER_SUSPEND, "member.suspend", AT_ORG, false, "deactivate a member, and activate again") \
	X(MEMBER_REMOVE, "member.remove", AT_ORG, true, "remove a member") \
	X(MEMBER_ROLE, "member.role", AT_ORG, false, "change a member's role") \
	X(MEMBER_LINK, "member.link", AT_ORG, false, "decide which person a provisioned member is") \
	X(INVITE_VIEW, "invite.view", AT_ORG, true, "see invitations") \
	X(INVITE_LINK, "invite.link", AT_ORG, false, "make invitations that whoever has the link can accept") \
	X(INVITE_RESEND, "invite.resend", AT_ORG, true, "send an invitation again") \
	X(INVITE_REVOKE, "invite.revoke", AT_ORG, true, "revoke an invitation") \
	X(TEAM_VIEW, "team.view", AT_ORG | AT_TEAM, true, "see teams and who is in them") \
	X(TEAM_CREATE, "team.create", AT_ORG, false, "create teams") \
	X(TEAM_EDIT, "team.edit", AT_ORG | AT_TEAM, false, "change a team's name and attributes") \
	X(TEAM_DELETE, "team.delete", AT_ORG | AT_TEAM, false, "delete a team") \
	X(TEAM_MEMBERS, "team.members", AT_ORG | AT_TEAM, false, "change who is in a team, and in which role there") \
	X(WORKSPACE_VIEW, "workspace.view", AT_ORG | AT_WORKSPACE, true, "see workspaces and who has access to them") \
	X(WORKSPACE_CREATE, "workspace.create", AT_ORG | AT_WORKSPACE, false, "create workspaces here") \
	X(WORKSPACE_EDIT, "workspace.edit", AT_ORG | AT_WORKSPACE, false, "change a workspace's name and attributes") \
	X(WORKSPACE_MOVE, "workspace.move", AT_ORG | AT_WORKSPACE, false, "move a workspace from here or to here") \
	X(WORKSPACE_DELETE, "workspace.delete", AT_ORG | AT_WORKSPACE, false, "delete a workspace with what is in it") \
	X(WORKSPACE_MEMBERS, "workspace.members", AT_ORG | AT_WORKSPACE, false, "change who has access to a workspace, and in which role") \
	X(PROJECT_VIEW, "project.view", AT_TREE, true, "see projects and who has access to them") \
	X(PROJECT_CREATE, "project.create", AT_ORG | AT_WORKSPACE, false, "create projects here") \
	X(PROJECT_EDIT, "project.edit", AT_TREE, false, "change a project's name and attributes") \
	X(PROJECT_ASSIGN, "project.assign", AT_ORG | AT_WORKSPACE, false, "put an existing project in here, or take it out (moving it)") \
	X(PROJECT_DELETE, "project.delete", AT_TREE, false, "delete a project with what is in it") \
	X(PROJECT_MEMBERS, "project.members", AT_TREE, false, "change who has access to a project, and in which role") \
	X(ROLE_VIEW, "role.view", AT_ORG, false, "see the org's roles and what they permit") \
	X(ROLE_CREATE, "role.create", AT_ORG, false, "define roles of the org's own") \
	X(ROLE_EDIT, "role.edit", AT_ORG, false, "change roles of the org's own") \
	X(ROLE_DELETE, "role.delete", AT_ORG, false, "remove roles of the org's own that nobody holds") \
	X(ROLE_ASSIGN, "role.assign", AT_ORG, false, "give and take assignments, and the org's own roles, for the whole org") \
	X(ROLE_MAP, "role.map", AT_ORG, false, "map groups of a connection to roles") \
	X(TOKEN_VIEW, "token.view", AT_ORG, true, "see the org's API keys, never their secrets") \
	X(TOKEN_CREATE, "token.create", AT_ORG, true, "make API keys") \
	X(TOKEN_REVOKE, "token.revoke", AT_ORG, true, "end API keys") \
	X(AUDIT_VIEW, "audit.view", AT_ORG, false, "read the audit log") \
	X(AUDIT_EXPORT, "audit.export", AT_ORG, false, "export the audit log") \
	X(SETTINGS_VIEW, "settings.view", AT_ORG, false, "see the org's settings") \
	X(SETTINGS_EDIT, "settings.edit", AT_ORG, false, "change the display name and the general settings") \
	X(SETTINGS_INVITATIONS, "settings.invitations", AT_ORG, false, "switch external invitations on and off") \
	X(SETTINGS_DOMAINS, "settings.domains", AT_ORG, false, "claim and verify domains") \
	X(SETTINGS_CONNECTIONS, "settings.connections", AT_ORG, false, "manage the connections of identity providers and their tokens") \
	X(SETTINGS_SSO, "settings.sso", AT_ORG, false, "set the single sign-on provider") \
	X(SETTINGS_DNS, "settings.dns", AT_ORG, false, "change the DNS settings") \
	X(SETTINGS_POLICIES, "settings.policies", AT_ORG, false, "change the stored policies") \
	X(SETTINGS_CA, "settings.ca", AT_ORG, false, "use the org's certificate authority")

#define X(name, text, at, own, about) PERM_##name,
enum perm { PERM_LIST(X) PERM_BUILTIN };
#undef X

enum { PERM_MAX = 512 /* of one model, with the daemon's */ };

/* Any: for everything in the scope. Own: for the subject's own things only. */
struct permset {
	uint64_t any[PERM_MAX / 64], own[PERM_MAX / 64];
};

struct permission {
	uint16_t id; /* enum perm, or behind PERM_BUILTIN */
	uint8_t at;  /* AT_* */
	bool ownable;
	struct slice name, description;
};

/* The daemon's, PERM_BUILTIN of them. */
extern const struct permission permission_builtin[PERM_BUILTIN];

/* Whether names that begin like this one are the daemon's alone ("org.", "member.", ...). */
bool permission_reserved(struct slice name);

static inline bool
permset_any(const struct permset *s, uint16_t perm)
{
	return (s->any[perm / 64] >> (perm % 64) & 1) != 0;
}

static inline bool
permset_own(const struct permset *s, uint16_t perm)
{
	return (s->own[perm / 64] >> (perm % 64) & 1) != 0;
}

void permset_add(struct permset *s, uint16_t perm, bool own);
void permset_join(struct permset *s, const struct permset *other);

/* Whether all that is in s is in limits as well; what is held for everything covers what is own. */
bool permset_within(const struct permset *s, const struct permset *limits, uint16_t *first_beyond);

#endif
