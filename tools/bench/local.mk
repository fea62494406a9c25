# The load generator and the data of the bench; `make bench` and `make scale` build and run them.
bench_common = \
	tools/bench/person.c tools/bench/person.h \
	tools/bench/histogram.c tools/bench/histogram.h
bench_programs = tools/bench/rload tools/bench/askload tools/bench/getload tools/bench/readload tools/bench/watchload tools/bench/people

EXTRA_PROGRAMS += tools/bench/rload tools/bench/askload tools/bench/getload tools/bench/readload tools/bench/watchload tools/bench/people
tools_bench_rload_SOURCES = $(bench_common) \
	tools/bench/client.c tools/bench/client.h \
	tools/bench/rload.c \
	tools/bench/workload.c tools/bench/workload.h
tools_bench_rload_LDADD = libbase.a $(LIBEVENT_LIBS) $(OPENSSL_LIBS) -lm
tools_bench_askload_SOURCES = tools/bench/askload.c tools/bench/histogram.c tools/bench/histogram.h
tools_bench_askload_LDADD = libprotocol.a libbase.a $(LIBEVENT_LIBS) $(OPENSSL_LIBS) -lm
tools_bench_getload_SOURCES = tools/bench/getload.c
tools_bench_getload_LDADD = libbase.a $(LMDB_LIBS)
tools_bench_readload_SOURCES = tools/bench/readload.c
tools_bench_readload_LDADD = libbase.a $(JANSSON_LIBS)
tools_bench_watchload_SOURCES = tools/bench/watchload.c tools/bench/histogram.c tools/bench/histogram.h
tools_bench_watchload_LDADD = libroster.la libbase.a -lm
tools_bench_people_SOURCES = tools/bench/people.c $(bench_common)
tools_bench_people_LDADD = libbase.a -lm

EXTRA_PROGRAMS += tools/bench/mirror
bench_programs += tools/bench/mirror
tools_bench_mirror_SOURCES = tools/bench/mirror.c
tools_bench_mirror_LDADD = librostercore.la $(OPENSSL_LIBS)

if HAVE_LDAP
EXTRA_PROGRAMS += tools/bench/ldapload
bench_programs += tools/bench/ldapload
tools_bench_ldapload_SOURCES = tools/bench/ldapload.c $(bench_common)
tools_bench_ldapload_LDADD = libbase.a $(LDAP_LIBS) -lm
endif
CLEANFILES += $(bench_programs)

EXTRA_DIST += tools/bench/run.sh tools/bench/rows_ask.sh tools/bench/scale.sh tools/bench/lib.sh

# BENCH: the rows to measure, all when empty.
bench: all $(bench_programs)
	BUILD=$(abs_builddir) bash $(srcdir)/tools/bench/run.sh $(BENCH)
scale: all $(bench_programs)
	BUILD=$(abs_builddir) bash $(srcdir)/tools/bench/scale.sh
.PHONY: bench scale
