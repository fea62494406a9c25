#include "schema/load.h"

#include "base/banned.h"

/* SCHEMA_DATA (the path of schema/data/, with a slash) comes from the make rule; the assembler
 * reads the files as they are, so no generated source stands between the data and the library. */
#define EMBED(symbol, file)                                                                        \
	__asm__(".pushsection .rodata\n"                                                           \
		"schema_data_" #symbol "_begin:\n"                                                 \
		".incbin \"" SCHEMA_DATA file "\"\n"                                               \
		"schema_data_" #symbol "_end:\n"                                                   \
		".byte 0\n"                                                                        \
		".popsection\n");                                                                  \
	extern const char schema_data_##symbol##_begin[];                                          \
	extern const char schema_data_##symbol##_end[]

EMBED(common, "common.json");
EMBED(user, "User.json");
EMBED(group, "Group.json");
EMBED(enterprise_user, "EnterpriseUser.json");
EMBED(member_user, "MemberUser.json");
EMBED(workspace, "Workspace.json");
EMBED(project, "Project.json");
EMBED(role, "Role.json");
EMBED(assignment, "Assignment.json");
EMBED(invitation, "Invitation.json");
EMBED(connection, "Connection.json");
EMBED(token, "Token.json");
EMBED(settings, "Settings.json");
EMBED(organization, "Organization.json");
EMBED(person, "Person.json");
EMBED(certificate, "Certificate.json");
EMBED(quota, "Quota.json");
EMBED(audit_event, "AuditEvent.json");
EMBED(service_provider_config, "ServiceProviderConfig.json");
EMBED(resource_type, "ResourceType.json");
EMBED(schema, "Schema.json");
EMBED(types, "types.json");

void
schema_files(struct schema_file out[SCHEMA_FILE_COUNT])
{
#define FILE_ROW(symbol, file, kind)                                                               \
	{                                                                                          \
		file, kind,                                                                        \
		{                                                                                  \
			schema_data_##symbol##_begin, (size_t)(schema_data_##symbol##_end -        \
							       schema_data_##symbol##_begin)       \
		}                                                                                  \
	}
	const struct schema_file files[SCHEMA_FILE_COUNT] = {
		FILE_ROW(common, "common.json", SCHEMA_FILE_COMMON),
		FILE_ROW(user, "User.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(group, "Group.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(enterprise_user, "EnterpriseUser.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(member_user, "MemberUser.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(workspace, "Workspace.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(project, "Project.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(role, "Role.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(assignment, "Assignment.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(invitation, "Invitation.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(connection, "Connection.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(token, "Token.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(settings, "Settings.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(organization, "Organization.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(person, "Person.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(certificate, "Certificate.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(quota, "Quota.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(audit_event, "AuditEvent.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(service_provider_config, "ServiceProviderConfig.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(resource_type, "ResourceType.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(schema, "Schema.json", SCHEMA_FILE_SCHEMA),
		FILE_ROW(types, "types.json", SCHEMA_FILE_TYPES),
	};
#undef FILE_ROW

	memcpy(out, files, sizeof(files));
}
