/* The attributes that the rules name, one row each: member of struct attrs, type, path. They are
 * looked up once, at start; a row that the schema data does not have is a fault of the build. */
#ifndef DAEMON_DIRECTORY_ATTRS_H
#define DAEMON_DIRECTORY_ATTRS_H

#include "schema/schema.h"

#define MEMBER_URN "urn:rosterd:scim:schemas:extension:member:1.0:User"

#define ATTRS_LIST(X) \
	X(user_name, USER, "userName") \
	X(user_display, USER, "displayName") \
	X(user_active, USER, "active") \
	X(user_password, USER, "password") \
	X(user_groups, USER, "groups") \
	X(user_emails, USER, "emails") \
	X(user_email, USER, "emails.value") \
	X(user_email_type, USER, "emails.type") \
	X(user_email_primary, USER, "emails.primary") \
	X(user_person, USER, MEMBER_URN ":person") \
	X(user_person_value, USER, MEMBER_URN ":person.value") \
	X(user_doubt, USER, "addressDoubt") \
	X(user_link_state, USER, MEMBER_URN ":linkState") \
	X(user_link_candidates, USER, MEMBER_URN ":candidates") \
	X(group_display, GROUP, "displayName") \
	X(group_members, GROUP, "members") \
	X(group_connection, GROUP, "connectionNumber") \
	X(workspace_display, WORKSPACE, "displayName") \
	X(workspace_parent, WORKSPACE, "parent") \
	X(workspace_parent_value, WORKSPACE, "parent.value") \
	X(workspace_parent_type, WORKSPACE, "parent.type") \
	X(workspace_created_by_value, WORKSPACE, "createdBy.value") \
	X(workspace_created_by_type, WORKSPACE, "createdBy.type") \
	X(project_display, PROJECT, "displayName") \
	X(project_parent, PROJECT, "parent") \
	X(project_parent_value, PROJECT, "parent.value") \
	X(project_parent_type, PROJECT, "parent.type") \
	X(project_created_by_value, PROJECT, "createdBy.value") \
	X(project_created_by_type, PROJECT, "createdBy.type") \
	X(role_name, ROLE, "name") \
	X(role_kind, ROLE, "kind") \
	X(role_display, ROLE, "displayName") \
	X(role_description, ROLE, "description") \
	X(role_scope, ROLE, "scope") \
	X(role_permissions, ROLE, "permissions") \
	X(assignment_principal, ASSIGNMENT, "principal") \
	X(assignment_principal_value, ASSIGNMENT, "principal.value") \
	X(assignment_role, ASSIGNMENT, "role") \
	X(assignment_scope, ASSIGNMENT, "scope") \
	X(assignment_scope_value, ASSIGNMENT, "scope.value") \
	X(assignment_start, ASSIGNMENT, "start") \
	X(assignment_end, ASSIGNMENT, "end") \
	X(assignment_origins, ASSIGNMENT, "origins") \
	X(assignment_principal_type, ASSIGNMENT, "principal.type") \
	X(assignment_scope_type, ASSIGNMENT, "scope.type") \
	X(assignment_status, ASSIGNMENT, "status") \
	X(origin_type, ASSIGNMENT, "origins.type") \
	X(origin_value, ASSIGNMENT, "origins.value") \
	X(origin_created, ASSIGNMENT, "origins.created") \
	X(invitation_kind, INVITATION, "kind") \
	X(invitation_address, INVITATION, "address") \
	X(invitation_role, INVITATION, "role") \
	X(invitation_assignments, INVITATION, "assignments") \
	X(invitation_teams, INVITATION, "teams") \
	X(invitation_team, INVITATION, "teams.value") \
	X(invitation_access, INVITATION, "access") \
	X(invitation_access_role, INVITATION, "access.role") \
	X(invitation_access_value, INVITATION, "access.value") \
	X(invitation_access_type, INVITATION, "access.type") \
	X(invitation_message, INVITATION, "message") \
	X(invitation_expires, INVITATION, "expires") \
	X(invitation_status, INVITATION, "status") \
	X(invitation_inviter, INVITATION, "inviter") \
	X(invitation_inviter_value, INVITATION, "inviter.value") \
	X(invitation_inviter_type, INVITATION, "inviter.type") \
	X(invitation_inviter_display, INVITATION, "inviter.display") \
	X(invitation_member, INVITATION, "member") \
	X(invitation_member_value, INVITATION, "member.value") \
	X(invitation_member_display, INVITATION, "member.display") \
	X(invitation_sent, INVITATION, "sent") \
	X(invitation_answered, INVITATION, "answered") \
	X(invitation_uses, INVITATION, "uses") \
	X(invitation_max_uses, INVITATION, "maxUses") \
	X(invitation_link, INVITATION, "link") \
	X(invitation_org_value, INVITATION, "organization.value") \
	X(invitation_org_key, INVITATION, "organization.key") \
	X(invitation_org_display, INVITATION, "organization.display") \
	X(invitation_token_hash, INVITATION, "tokenHash") \
	X(invitation_org_number, INVITATION, "orgNumber") \
	X(settings_domains, SETTINGS, "domains") \
	X(settings_domain, SETTINGS, "domains.value") \
	X(settings_domain_verified, SETTINGS, "domains.verified") \
	X(person_user_name, PERSON, "userName") \
	X(person_display, PERSON, "displayName") \
	X(person_active, PERSON, "active") \
	X(person_emails, PERSON, "emails") \
	X(person_email, PERSON, "emails.value") \
	X(person_email_primary, PERSON, "emails.primary") \
	X(person_email_verified, PERSON, "emails.verified") \
	X(org_model, ORGANIZATION, "model") \
	X(org_model_version, ORGANIZATION, "modelVersion") \
	X(user_full_name, USER, "name") \
	X(connection_name, CONNECTION, "name") \
	X(connection_dialect, CONNECTION, "dialect") \
	X(connection_number, CONNECTION, "number") \
	X(connection_stopped, CONNECTION, "stopped") \
	X(connection_by_value, CONNECTION, "createdBy.value") \
	X(connection_by_type, CONNECTION, "createdBy.type") \
	X(settings_display, SETTINGS, "displayName") \
	X(settings_external, SETTINGS, "externalInvitations") \
	X(settings_guarded, SETTINGS, "connectionsManageGuarded") \
	X(org_key, ORGANIZATION, "key") \
	X(org_display, ORGANIZATION, "displayName") \
	X(org_kind, ORGANIZATION, "kind") \
	X(org_state, ORGANIZATION, "state") \
	X(org_state_reason, ORGANIZATION, "stateReason") \
	X(org_number, ORGANIZATION, "number") \
	X(org_limits, ORGANIZATION, "limits") \
	X(org_limit_name, ORGANIZATION, "limits.value") \
	X(org_limit_max, ORGANIZATION, "limits.max") \
	X(org_quotas, ORGANIZATION, "quotas") \
	X(org_quota_name, ORGANIZATION, "quotas.value") \
	X(org_quota_max, ORGANIZATION, "quotas.max") \
	X(org_former_keys, ORGANIZATION, "formerKeys") \
	X(org_former_key, ORGANIZATION, "formerKeys.value") \
	X(org_former_until, ORGANIZATION, "formerKeys.until") \
	X(org_delete_after, ORGANIZATION, "deleteAfter") \
	X(org_creator, ORGANIZATION, "creator") \
	X(org_creator_value, ORGANIZATION, "creator.value") \
	X(person_name, PERSON, "name") \
	X(quota_name, QUOTA, "name") \
	X(quota_display, QUOTA, "displayName") \
	X(quota_limit, QUOTA, "limit") \
	X(quota_used, QUOTA, "used") \
	X(quota_member_value, QUOTA, "member.value") \
	X(token_display, TOKEN, "displayName") \
	X(token_kind, TOKEN, "kind") \
	X(token_owner, TOKEN, "owner") \
	X(token_owner_type, TOKEN, "owner.type") \
	X(token_organizations, TOKEN, "organizations") \
	X(token_expires, TOKEN, "expires") \
	X(token_last_used, TOKEN, "lastUsed") \
	X(token_secret, TOKEN, "token") \
	X(token_by_value, TOKEN, "createdBy.value") \
	X(token_by_type, TOKEN, "createdBy.type") \
	X(token_by_display, TOKEN, "createdBy.display") \
	X(org_domains, ORGANIZATION, "domains") \
	X(settings_domain_verified_at, SETTINGS, "domains.verifiedAt") \
	X(settings_domain_challenge, SETTINGS, "domains.challenge") \
	X(settings_policies, SETTINGS, "policies") \
	X(settings_policies_version, SETTINGS, "policiesVersion") \
	X(settings_nameservers, SETTINGS, "nameservers") \
	X(settings_search_domains, SETTINGS, "searchDomains") \
	X(settings_sso_metadata, SETTINGS, "sso.metadataUrl") \
	X(certificate_kind, CERTIFICATE, "kind") \
	X(certificate_display, CERTIFICATE, "displayName") \
	X(certificate_subject_value, CERTIFICATE, "subject.value") \
	X(certificate_subject_type, CERTIFICATE, "subject.type") \
	X(certificate_csr, CERTIFICATE, "csr") \
	X(certificate_private_key, CERTIFICATE, "privateKey") \
	X(certificate_certificate, CERTIFICATE, "certificate") \
	X(certificate_serial, CERTIFICATE, "serial") \
	X(certificate_fingerprint, CERTIFICATE, "fingerprint") \
	X(certificate_not_before, CERTIFICATE, "notBefore") \
	X(certificate_not_after, CERTIFICATE, "notAfter") \
	X(certificate_status, CERTIFICATE, "status") \
	X(certificate_revoked_at, CERTIFICATE, "revokedAt") \
	X(certificate_reason, CERTIFICATE, "reason") \
	X(certificate_revoked, CERTIFICATE, "revoked") \
	X(certificate_sealed_key, CERTIFICATE, "sealedKey") \
	X(certificate_created_by_value, CERTIFICATE, "createdBy.value") \
	X(certificate_created_by_type, CERTIFICATE, "createdBy.type") \
	X(token_number, TOKEN, "number") \
	X(token_permissions, TOKEN, "permissions") \
	X(token_owner_value, TOKEN, "owner.value")

struct attrs {
#define X(member, type, path) const struct attr *member;
	ATTRS_LIST(X)
#undef X
};

void attrs_init(struct attrs *at, const struct schema_set *schema);

#endif
