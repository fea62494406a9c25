# tests
include $(srcdir)/tests/fuzz/local.mk
include $(srcdir)/tests/daemon/local.mk
include $(srcdir)/tests/schema/local.mk
include $(srcdir)/tests/libroster/local.mk

if HAVE_CMOCKA
check_PROGRAMS += tests/base/test_siphash
tests_base_test_siphash_SOURCES = tests/base/test_siphash.c
tests_base_test_siphash_LDADD = libbase.a $(OPENSSL_LIBS) $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/protocol/test_filter
tests_protocol_test_filter_SOURCES = tests/protocol/test_filter.c tests/protocol/tree_fixture.c \
	tests/protocol/tree_fixture.h
tests_protocol_test_filter_LDADD = libprotocol.a libschema.a libbase.a $(JANSSON_LIBS) $(OPENSSL_LIBS) \
	$(UNISTRING_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/protocol/test_patch
tests_protocol_test_patch_SOURCES = tests/protocol/test_patch.c tests/protocol/tree_fixture.c \
	tests/protocol/tree_fixture.h
tests_protocol_test_patch_LDADD = $(tests_protocol_test_filter_LDADD)
endif

EXTRA_DIST += tests/protocol/examples tests/clients
if HAVE_CMOCKA
CODEC_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests/protocol -DTEST_EXAMPLES='"$(srcdir)/tests/protocol/examples/"'
CODEC_LDADD = libprotocol.a libschema.a libbase.a $(CMOCKA_LIBS) $(JANSSON_LIBS) $(OPENSSL_LIBS) $(UNISTRING_LIBS)

check_PROGRAMS += \
	tests/protocol/test_json \
	tests/protocol/test_scim_read \
	tests/protocol/test_scim_write \
	tests/protocol/test_bulk \
	tests/protocol/test_discovery
tests_protocol_test_json_SOURCES = tests/protocol/test_json.c tests/protocol/fixture.h
tests_protocol_test_json_CPPFLAGS = $(CODEC_CPPFLAGS)
tests_protocol_test_json_LDADD = $(CODEC_LDADD)
tests_protocol_test_scim_read_SOURCES = tests/protocol/test_scim_read.c tests/protocol/fixture.h
tests_protocol_test_scim_read_CPPFLAGS = $(CODEC_CPPFLAGS)
tests_protocol_test_scim_read_LDADD = $(CODEC_LDADD)
tests_protocol_test_scim_write_SOURCES = tests/protocol/test_scim_write.c tests/protocol/fixture.h
tests_protocol_test_scim_write_CPPFLAGS = $(CODEC_CPPFLAGS)
tests_protocol_test_scim_write_LDADD = $(CODEC_LDADD)
tests_protocol_test_bulk_SOURCES = tests/protocol/test_bulk.c tests/protocol/fixture.h
tests_protocol_test_bulk_CPPFLAGS = $(CODEC_CPPFLAGS)
tests_protocol_test_bulk_LDADD = $(CODEC_LDADD)
tests_protocol_test_discovery_SOURCES = tests/protocol/test_discovery.c tests/protocol/fixture.h
tests_protocol_test_discovery_CPPFLAGS = $(CODEC_CPPFLAGS)
tests_protocol_test_discovery_LDADD = $(CODEC_LDADD)
endif

# The HTTPS door by itself, for tests/system/test_http_door.py.
noinst_PROGRAMS += tests/daemon/echo_server
tests_daemon_echo_server_SOURCES = tests/daemon/echo_server.c
tests_daemon_echo_server_LDADD = libdaemon.a libprotocol.a libschema.a libbase.a \
	$(LIBEVENT_LIBS) $(OPENSSL_LIBS) $(ZLIB_LIBS) $(JANSSON_LIBS) $(UNISTRING_LIBS)

include $(srcdir)/tests/store/local.mk

if HAVE_CMOCKA
check_PROGRAMS += tests/protocol/test_http
tests_protocol_test_http_SOURCES = tests/protocol/test_http.c
tests_protocol_test_http_LDADD = libprotocol.a libbase.a $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/daemon/test_committer tests/daemon/test_query tests/daemon/test_recall
tests_daemon_test_committer_SOURCES = tests/daemon/test_committer.c tests/store/fixture.c tests/store/fixture.h
tests_daemon_test_committer_LDADD = $(tests_daemon_test_query_LDADD)
tests_daemon_test_recall_SOURCES = tests/daemon/test_recall.c tests/store/fixture.c tests/store/fixture.h
tests_daemon_test_recall_LDADD = $(tests_daemon_test_query_LDADD)
tests_daemon_test_query_SOURCES = tests/daemon/test_query.c tests/store/fixture.c tests/store/fixture.h
tests_daemon_test_query_LDADD = libdaemon.a libmail.a libstore.a libprotocol.a libschema.a libbase.a $(CMOCKA_LIBS) \
	$(LMDB_LIBS) $(JANSSON_LIBS) $(OPENSSL_LIBS) $(UNISTRING_LIBS)
endif
