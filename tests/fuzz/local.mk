# Fuzz targets. Each has its corpus run by `make check`; with --enable-fuzzer (clang) the fuzzer itself is built as
# tests/fuzz/fuzz_NAME. A new target: its name in FUZZ_*, three lines in each half.
#
# An hour of one (Debian: clang, libclang-rt-14-dev), then what it found new into its corpus, the shortest inputs that do:
#   ../configure --enable-fuzzer CC=clang CFLAGS='-O1 -g' && make tests/fuzz/fuzz_NAME && mkdir new least
#   tests/fuzz/fuzz_NAME -max_total_time=3600 -max_len=4096 -timeout=60 -rss_limit_mb=2500 new ../tests/fuzz/corpus/NAME
#   tests/fuzz/fuzz_NAME -set_cover_merge=1 least ../tests/fuzz/corpus/NAME new
EXTRA_DIST += tests/fuzz/corpus
FUZZ_LDADD = libprotocol.a libschema.a libbase.a $(JANSSON_LIBS) $(OPENSSL_LIBS) $(UNISTRING_LIBS)

check_PROGRAMS += tests/fuzz/replay_filter tests/fuzz/replay_http_chunked tests/fuzz/replay_http_head \
	tests/fuzz/replay_patch
tests_fuzz_replay_filter_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_filter.c
tests_fuzz_replay_filter_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"tests/fuzz/corpus/filter"'
tests_fuzz_replay_filter_LDADD = $(FUZZ_LDADD)
tests_fuzz_replay_http_chunked_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_http_chunked.c
tests_fuzz_replay_http_chunked_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"tests/fuzz/corpus/http_chunked"'
tests_fuzz_replay_http_chunked_LDADD = $(FUZZ_LDADD)
tests_fuzz_replay_http_head_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_http_head.c
tests_fuzz_replay_http_head_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"tests/fuzz/corpus/http_head"'
tests_fuzz_replay_http_head_LDADD = $(FUZZ_LDADD)
tests_fuzz_replay_patch_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_patch.c
tests_fuzz_replay_patch_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"tests/fuzz/corpus/patch"'
tests_fuzz_replay_patch_LDADD = $(FUZZ_LDADD)
check_PROGRAMS += tests/fuzz/replay_scim_read
tests_fuzz_replay_scim_read_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_scim_read.c
tests_fuzz_replay_scim_read_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"tests/fuzz/corpus/scim_read"'
tests_fuzz_replay_scim_read_LDADD = $(FUZZ_LDADD)

if ENABLE_FUZZER
noinst_PROGRAMS += tests/fuzz/fuzz_filter tests/fuzz/fuzz_http_chunked tests/fuzz/fuzz_http_head \
	tests/fuzz/fuzz_patch
tests_fuzz_fuzz_filter_SOURCES = tests/fuzz/fuzz_filter.c
tests_fuzz_fuzz_filter_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_filter_LDADD = $(FUZZ_LDADD)
tests_fuzz_fuzz_http_chunked_SOURCES = tests/fuzz/fuzz_http_chunked.c
tests_fuzz_fuzz_http_chunked_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_http_chunked_LDADD = $(FUZZ_LDADD)
tests_fuzz_fuzz_http_head_SOURCES = tests/fuzz/fuzz_http_head.c
tests_fuzz_fuzz_http_head_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_http_head_LDADD = $(FUZZ_LDADD)
tests_fuzz_fuzz_patch_SOURCES = tests/fuzz/fuzz_patch.c
tests_fuzz_fuzz_patch_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_patch_LDADD = $(FUZZ_LDADD)
noinst_PROGRAMS += tests/fuzz/fuzz_scim_read
tests_fuzz_fuzz_scim_read_SOURCES = tests/fuzz/fuzz_scim_read.c
tests_fuzz_fuzz_scim_read_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_scim_read_LDADD = $(FUZZ_LDADD)
endif

check_PROGRAMS += tests/fuzz/replay_record
tests_fuzz_replay_record_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_record.c
tests_fuzz_replay_record_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"tests/fuzz/corpus/record"'
tests_fuzz_replay_record_LDADD = $(FUZZ_LDADD)
if ENABLE_FUZZER
noinst_PROGRAMS += tests/fuzz/fuzz_record
tests_fuzz_fuzz_record_SOURCES = tests/fuzz/fuzz_record.c
tests_fuzz_fuzz_record_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_record_LDADD = $(FUZZ_LDADD)
endif

check_PROGRAMS += tests/fuzz/replay_model
tests_fuzz_replay_model_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_model.c
tests_fuzz_replay_model_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"tests/fuzz/corpus/model"'
tests_fuzz_replay_model_LDADD = $(FUZZ_LDADD)
if ENABLE_FUZZER
noinst_PROGRAMS += tests/fuzz/fuzz_model
tests_fuzz_fuzz_model_SOURCES = tests/fuzz/fuzz_model.c
tests_fuzz_fuzz_model_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_model_LDADD = $(FUZZ_LDADD)
endif

check_PROGRAMS += tests/fuzz/replay_authzen
tests_fuzz_replay_authzen_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_authzen.c
tests_fuzz_replay_authzen_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"tests/fuzz/corpus/authzen"'
tests_fuzz_replay_authzen_LDADD = $(FUZZ_LDADD)
if ENABLE_FUZZER
noinst_PROGRAMS += tests/fuzz/fuzz_authzen
tests_fuzz_fuzz_authzen_SOURCES = tests/fuzz/fuzz_authzen.c
tests_fuzz_fuzz_authzen_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_authzen_LDADD = $(FUZZ_LDADD)
endif

check_PROGRAMS += tests/fuzz/replay_csv
tests_fuzz_replay_csv_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_csv.c
tests_fuzz_replay_csv_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"tests/fuzz/corpus/csv"'
tests_fuzz_replay_csv_LDADD = $(FUZZ_LDADD)
if ENABLE_FUZZER
noinst_PROGRAMS += tests/fuzz/fuzz_csv
tests_fuzz_fuzz_csv_SOURCES = tests/fuzz/fuzz_csv.c
tests_fuzz_fuzz_csv_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_csv_LDADD = $(FUZZ_LDADD)
endif

check_PROGRAMS += tests/fuzz/replay_ldif
tests_fuzz_replay_ldif_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_ldif.c
tests_fuzz_replay_ldif_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"tests/fuzz/corpus/ldif"'
tests_fuzz_replay_ldif_LDADD = $(FUZZ_LDADD)
if ENABLE_FUZZER
noinst_PROGRAMS += tests/fuzz/fuzz_ldif
tests_fuzz_fuzz_ldif_SOURCES = tests/fuzz/fuzz_ldif.c
tests_fuzz_fuzz_ldif_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_ldif_LDADD = $(FUZZ_LDADD)
endif

check_PROGRAMS += tests/fuzz/replay_fields
tests_fuzz_replay_fields_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz_fields.c
tests_fuzz_replay_fields_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"tests/fuzz/corpus/fields"'
tests_fuzz_replay_fields_LDADD = libprotocol.a libbase.a
if ENABLE_FUZZER
noinst_PROGRAMS += tests/fuzz/fuzz_fields
tests_fuzz_fuzz_fields_SOURCES = tests/fuzz/fuzz_fields.c
tests_fuzz_fuzz_fields_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_fields_LDADD = libprotocol.a libbase.a
endif

SESSION_SOURCES = tests/fuzz/fuzz_session.c tests/fuzz/stage.c tests/fuzz/stage.h tests/fuzz/in_place.c tests/fuzz/in_place.h
check_PROGRAMS += tests/fuzz/replay_session
tests_fuzz_replay_session_SOURCES = tests/fuzz/replay.c $(SESSION_SOURCES)
tests_fuzz_replay_session_CPPFLAGS = $(AM_CPPFLAGS) -DCORPUS='"tests/fuzz/corpus/session"'
tests_fuzz_replay_session_LDADD = $(rosterd_LDADD)
if ENABLE_FUZZER
noinst_PROGRAMS += tests/fuzz/fuzz_session
tests_fuzz_fuzz_session_SOURCES = $(SESSION_SOURCES)
tests_fuzz_fuzz_session_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_session_LDADD = $(rosterd_LDADD)
endif
