noinst_LIBRARIES += libschema.a
libschema_a_SOURCES = \
	schema/datetime.c \
	schema/embed.c \
	schema/load.c schema/load.h \
	schema/model.c schema/model.h \
	schema/model_at.c schema/model_private.h \
	schema/model_embed.c \
	schema/model_load.c \
	schema/model_read.c \
	schema/model_roles.c \
	schema/model_rules.c schema/model_rules.h \
	schema/node.c schema/node.h \
	schema/permission.c schema/permission.h \
	schema/precis.c \
	schema/record.c schema/record.h \
	schema/schema.c schema/schema.h \
	schema/text.c schema/text.h
# The role models that ship. The first is for orgs that are created without naming one.
libschema_a_CPPFLAGS = $(AM_CPPFLAGS) -DSCHEMA_DATA='"$(top_srcdir)/schema/data/"' \
	-DMODEL_DATA='"$(top_srcdir)/schema/models/"' \
	-DMODEL_LIST='M(standard) M(lab) M(sandbox) M(network) M(metal) M(studio)'

SCHEMA_DATA_FILES = \
	schema/data/common.json \
	schema/data/User.json \
	schema/data/Group.json \
	schema/data/EnterpriseUser.json \
	schema/data/MemberUser.json \
	schema/data/Workspace.json \
	schema/data/Project.json \
	schema/data/Role.json \
	schema/data/Assignment.json \
	schema/data/Invitation.json \
	schema/data/Connection.json \
	schema/data/Token.json \
	schema/data/Settings.json \
	schema/data/Organization.json \
	schema/data/Person.json \
	schema/data/Certificate.json \
	schema/data/Quota.json \
	schema/data/AuditEvent.json \
	schema/data/ServiceProviderConfig.json \
	schema/data/ResourceType.json \
	schema/data/Schema.json \
	schema/data/types.json
EXTRA_DIST += $(SCHEMA_DATA_FILES)
schema/libschema_a-embed.$(OBJEXT): $(SCHEMA_DATA_FILES)

MODEL_DATA_FILES = \
	schema/models/standard.json \
	schema/models/lab.json \
	schema/models/sandbox.json \
	schema/models/network.json \
	schema/models/metal.json \
	schema/models/studio.json
EXTRA_DIST += $(MODEL_DATA_FILES)
schema/libschema_a-model_embed.$(OBJEXT): $(MODEL_DATA_FILES)
