# tests

# The HTTPS door by itself, for tests/system/test_http_door.py.
noinst_PROGRAMS += tests/daemon/echo_server
tests_daemon_echo_server_SOURCES = tests/daemon/echo_server.c
tests_daemon_echo_server_LDADD = libdaemon.a libprotocol.a libschema.a libbase.a \
	$(LIBEVENT_LIBS) $(OPENSSL_LIBS) $(ZLIB_LIBS) $(JANSSON_LIBS) $(UNISTRING_LIBS)
