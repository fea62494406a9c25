noinst_LIBRARIES += libprotocol.a
libprotocol_a_SOURCES = \
	protocol/authzen.c protocol/authzen.h \
	protocol/csv.c protocol/csv.h \
	protocol/bulk.c protocol/bulk.h \
	protocol/bulk_refs.c \
	protocol/discovery.c protocol/discovery.h \
	protocol/fields.c protocol/fields.h \
	protocol/filter.h protocol/filter_match.c protocol/filter_parse.c \
	protocol/frame.c protocol/frame.h \
	protocol/http.c protocol/http.h protocol/http_fields.c \
	protocol/json.c protocol/json.h \
	protocol/ldif.c protocol/ldif.h \
	protocol/list.c protocol/list.h \
	protocol/patch.h protocol/patch_apply.c protocol/patch_private.h protocol/patch_read.c \
	protocol/projection.c \
	protocol/resource_check.c protocol/resource_check.h \
	protocol/roster.c protocol/roster.h \
	protocol/scim.h \
	protocol/scim_read.c protocol/scim_read.h \
	protocol/scim_write.c protocol/scim_write.h \
	protocol/tree_write.c protocol/tree_write.h
