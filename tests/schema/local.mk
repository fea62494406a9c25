if HAVE_CMOCKA
SCHEMA_TEST_LDADD = libschema.a libbase.a $(JANSSON_LIBS) $(OPENSSL_LIBS) $(UNISTRING_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += \
	tests/schema/test_datetime \
	tests/schema/test_load \
	tests/schema/test_model \
	tests/schema/test_node \
	tests/schema/test_record \
	tests/schema/test_text
tests_schema_test_datetime_SOURCES = tests/schema/test_datetime.c tests/schema/common.h
tests_schema_test_datetime_LDADD = $(SCHEMA_TEST_LDADD)
tests_schema_test_load_SOURCES = tests/schema/test_load.c tests/schema/common.h
tests_schema_test_load_LDADD = $(SCHEMA_TEST_LDADD)
tests_schema_test_model_SOURCES = tests/schema/test_model.c tests/schema/common.h
tests_schema_test_model_LDADD = $(SCHEMA_TEST_LDADD)
tests_schema_test_node_SOURCES = tests/schema/test_node.c tests/schema/common.h
tests_schema_test_node_LDADD = $(SCHEMA_TEST_LDADD)
tests_schema_test_record_SOURCES = tests/schema/test_record.c tests/schema/common.h
tests_schema_test_record_LDADD = $(SCHEMA_TEST_LDADD)
tests_schema_test_text_SOURCES = tests/schema/test_text.c tests/schema/common.h
tests_schema_test_text_LDADD = $(SCHEMA_TEST_LDADD)
endif
EXTRA_DIST += tests/schema/data/attributes.tsv tests/schema/data/stored-ids.tsv
EXTRA_DIST += tests/models/role_model.py tests/models/school.json tests/models/test_models.py
