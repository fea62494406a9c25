noinst_LIBRARIES += libprotocol.a
libprotocol_a_SOURCES = \
	protocol/bulk.c protocol/bulk.h \
	protocol/bulk_refs.c \
	protocol/discovery.c protocol/discovery.h \
	protocol/frame.c protocol/frame.h \
	protocol/json.c protocol/json.h \
	protocol/projection.c \
	protocol/resource_check.c protocol/resource_check.h \
	protocol/scim.h \
	protocol/scim_read.c protocol/scim_read.h \
	protocol/scim_write.c protocol/scim_write.h
