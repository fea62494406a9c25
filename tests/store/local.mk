if HAVE_CMOCKA
STORE_TEST_LDADD = libstore.a libschema.a libbase.a $(CMOCKA_LIBS) $(LMDB_LIBS) $(JANSSON_LIBS) \
	$(OPENSSL_LIBS) $(UNISTRING_LIBS)

check_PROGRAMS += tests/store/test_store_model
tests_store_test_store_model_SOURCES = tests/store/test_store_model.c tests/store/fixture.c tests/store/fixture.h
tests_store_test_store_model_LDADD = $(STORE_TEST_LDADD)

check_PROGRAMS += tests/store/test_store_verify
tests_store_test_store_verify_SOURCES = tests/store/test_store_verify.c tests/store/fixture.c tests/store/fixture.h
tests_store_test_store_verify_LDADD = $(STORE_TEST_LDADD)

check_PROGRAMS += tests/store/test_store_list
tests_store_test_store_list_SOURCES = tests/store/test_store_list.c tests/store/fixture.c tests/store/fixture.h
tests_store_test_store_list_LDADD = $(STORE_TEST_LDADD)

check_PROGRAMS += tests/store/test_store_org
tests_store_test_store_org_SOURCES = tests/store/test_store_org.c tests/store/fixture.c tests/store/fixture.h
tests_store_test_store_org_LDADD = $(STORE_TEST_LDADD)

check_PROGRAMS += tests/store/test_store_outbox
tests_store_test_store_outbox_SOURCES = tests/store/test_store_outbox.c tests/store/fixture.c tests/store/fixture.h
tests_store_test_store_outbox_LDADD = $(STORE_TEST_LDADD)

check_PROGRAMS += tests/store/test_store_journal
tests_store_test_store_journal_SOURCES = tests/store/test_store_journal.c tests/store/fixture.c tests/store/fixture.h
tests_store_test_store_journal_LDADD = $(STORE_TEST_LDADD)

check_PROGRAMS += tests/store/test_store_fault
tests_store_test_store_fault_SOURCES = tests/store/test_store_fault.c tests/store/fixture.c tests/store/fixture.h
tests_store_test_store_fault_LDADD = $(STORE_TEST_LDADD)

# Prints figures: make tests/store/bench_store && tests/store/bench_store
EXTRA_PROGRAMS += tests/store/bench_store
tests_store_bench_store_SOURCES = tests/store/bench_store.c tests/store/fixture.c tests/store/fixture.h
tests_store_bench_store_LDADD = $(STORE_TEST_LDADD)
endif

# For tests/system/test_audit.py.
noinst_PROGRAMS += tests/store/journal_tool
tests_store_journal_tool_SOURCES = tests/store/journal_tool.c
tests_store_journal_tool_LDADD = libstore.a libschema.a libbase.a $(LMDB_LIBS) $(JANSSON_LIBS) $(OPENSSL_LIBS) $(UNISTRING_LIBS)
