noinst_LIBRARIES += libschema.a
libschema_a_SOURCES = \
	schema/datetime.c \
	schema/embed.c \
	schema/load.c schema/load.h \
	schema/node.c schema/node.h \
	schema/precis.c \
	schema/record.c schema/record.h \
	schema/schema.c schema/schema.h \
	schema/text.c schema/text.h
libschema_a_CPPFLAGS = $(AM_CPPFLAGS) -DSCHEMA_DATA='"$(top_srcdir)/schema/data/"'

SCHEMA_DATA_FILES = \
	schema/data/common.json \
	schema/data/User.json \
	schema/data/Group.json \
	schema/data/EnterpriseUser.json \
	schema/data/ServiceProviderConfig.json \
	schema/data/ResourceType.json \
	schema/data/Schema.json \
	schema/data/types.json
EXTRA_DIST += $(SCHEMA_DATA_FILES)
schema/libschema_a-embed.$(OBJEXT): $(SCHEMA_DATA_FILES)
