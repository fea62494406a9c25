if HAVE_CMOCKA
STORE_TEST_LDADD = libstore.a libschema.a libbase.a $(CMOCKA_LIBS) $(LMDB_LIBS) $(JANSSON_LIBS) \
	$(OPENSSL_LIBS) $(UNISTRING_LIBS)

check_PROGRAMS += tests/store/test_store_model
tests_store_test_store_model_SOURCES = tests/store/test_store_model.c \
	tests/store/fixture.c tests/store/fixture.h
tests_store_test_store_model_LDADD = $(STORE_TEST_LDADD)
endif
