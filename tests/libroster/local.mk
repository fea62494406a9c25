# The client library.
if HAVE_CMOCKA
check_PROGRAMS += tests/libroster/test_examples tests/libroster/test_graph
tests_libroster_test_examples_SOURCES = tests/libroster/test_examples.c
tests_libroster_test_examples_CPPFLAGS = $(AM_CPPFLAGS) -DPROTOCOL_MD='"$(srcdir)/docs/PROTOCOL.md"'
tests_libroster_test_examples_LDADD = librostercore.la $(CMOCKA_LIBS) $(OPENSSL_LIBS)
tests_libroster_test_graph_SOURCES = tests/libroster/test_graph.c
tests_libroster_test_graph_LDADD = $(tests_libroster_test_examples_LDADD)
endif

# What tests/system/test_libroster.py drives; with the shared library's static sister, so that it has no names but the public ones.
noinst_PROGRAMS += tests/libroster/driver
tests_libroster_driver_SOURCES = tests/libroster/driver.c
tests_libroster_driver_LDADD = libroster.a $(OPENSSL_LIBS) $(JANSSON_LIBS)
