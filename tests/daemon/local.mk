# The frames; configuration, tokens and rates.
check_PROGRAMS += tests/fuzz/replay_frame
tests_fuzz_replay_frame_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_frame.c
tests_fuzz_replay_frame_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"tests/fuzz/corpus/frame"'
tests_fuzz_replay_frame_LDADD = libprotocol.a libbase.a
if ENABLE_FUZZER
noinst_PROGRAMS += tests/fuzz/fuzz_frame
tests_fuzz_fuzz_frame_SOURCES = tests/fuzz/fuzz_frame.c
tests_fuzz_fuzz_frame_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_frame_LDADD = libprotocol.a libbase.a
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/protocol/test_frame tests/daemon/test_config tests/daemon/test_fair tests/daemon/test_rate \
	tests/daemon/test_auth tests/daemon/test_want
tests_daemon_test_want_SOURCES = tests/daemon/test_want.c tests/daemon/check.h
tests_daemon_test_want_LDADD = libdaemon.a libstore.a libprotocol.a libschema.a libbase.a $(LIBEVENT_LIBS) $(LMDB_LIBS) $(JANSSON_LIBS) \
	$(OPENSSL_LIBS) $(ZLIB_LIBS) $(UNISTRING_LIBS) $(CMOCKA_LIBS)
tests_protocol_test_frame_SOURCES = tests/protocol/test_frame.c tests/daemon/check.h
tests_protocol_test_frame_LDADD = libprotocol.a libbase.a $(CMOCKA_LIBS)
tests_daemon_test_config_SOURCES = tests/daemon/test_config.c
tests_daemon_test_config_LDADD = libdaemon.a libbase.a $(LIBCONFIG_LIBS) $(CMOCKA_LIBS)
tests_daemon_test_fair_SOURCES = tests/daemon/test_fair.c
tests_daemon_test_fair_LDADD = libdaemon.a libbase.a $(CMOCKA_LIBS)
tests_daemon_test_rate_SOURCES = tests/daemon/test_rate.c
tests_daemon_test_rate_LDADD = libdaemon.a libbase.a $(CMOCKA_LIBS)
tests_daemon_test_auth_SOURCES = tests/daemon/test_auth.c tests/store/fixture.c tests/store/fixture.h
tests_daemon_test_auth_LDADD = libdaemon.a libstore.a libschema.a libbase.a $(LMDB_LIBS) $(JANSSON_LIBS) \
	$(OPENSSL_LIBS) $(UNISTRING_LIBS) $(CMOCKA_LIBS)
endif

# Mail: the builders alone.
if HAVE_CMOCKA
check_PROGRAMS += tests/daemon/test_mail
tests_daemon_test_mail_SOURCES = tests/daemon/test_mail.c tests/daemon/check.h
tests_daemon_test_mail_LDADD = libmail.a libschema.a libbase.a $(UNISTRING_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/daemon/test_mailer
tests_daemon_test_mailer_SOURCES = tests/daemon/test_mailer.c tests/daemon/check.h
tests_daemon_test_mailer_LDADD = libdaemon.a libmail.a libstore.a libschema.a libbase.a $(LMDB_LIBS) \
	$(JANSSON_LIBS) $(OPENSSL_LIBS) $(UNISTRING_LIBS) $(CURL_LIBS) $(CMOCKA_LIBS)
endif

# Secrets, certificates, names.
if HAVE_CMOCKA
check_PROGRAMS += tests/daemon/test_seal tests/daemon/test_dns_txt tests/daemon/test_ca
tests_daemon_test_seal_SOURCES = tests/daemon/test_seal.c tests/daemon/check.h
tests_daemon_test_seal_LDADD = libdaemon.a libbase.a $(OPENSSL_LIBS) $(CMOCKA_LIBS)
tests_daemon_test_ca_SOURCES = tests/daemon/test_ca.c tests/daemon/check.h
tests_daemon_test_ca_LDADD = libdaemon.a libbase.a $(OPENSSL_LIBS) $(CMOCKA_LIBS)
tests_daemon_test_dns_txt_SOURCES = tests/daemon/test_dns_txt.c tests/daemon/check.h
tests_daemon_test_dns_txt_LDADD = libdaemon.a libbase.a $(CMOCKA_LIBS)
endif
