# libroster: the objects once, as position-independent code; from them the shared and the static library, which both show no
# names but those of libroster.map.
noinst_LTLIBRARIES += librostercore.la
librostercore_la_SOURCES = \
	base/buf.c base/buf.h \
	base/err.c base/err.h \
	base/slice.c base/slice.h \
	base/uuid.c base/uuid.h \
	protocol/fields.c protocol/fields.h \
	protocol/frame.c protocol/frame.h \
	protocol/roster.c protocol/roster.h \
	tools/libroster/answer.c \
	tools/libroster/batch.c \
	tools/libroster/blocking.c \
	tools/libroster/calls.c \
	tools/libroster/error.c \
	tools/libroster/frames.c \
	tools/libroster/handle.c \
	tools/libroster/link.c \
	tools/libroster/copies.c \
	tools/libroster/copies.h \
	tools/libroster/feed.c \
	tools/libroster/graph.c \
	tools/libroster/graph.h \
	tools/libroster/idset.c \
	tools/libroster/idset.h \
	tools/libroster/mirror.c \
	tools/libroster/mirror.h \
	tools/libroster/options.c \
	tools/libroster/private.h \
	tools/libroster/request.c \
	tools/libroster/resolve.c \
	tools/libroster/roster.h \
	tools/libroster/tls.c
# Flags of its own, if only for objects of its own: those of libbase.a and libprotocol.a are for programs.
librostercore_la_CFLAGS = $(AM_CFLAGS)
librostercore_la_LIBADD = $(OPENSSL_LIBS)
# Not -pie, as programs are.
librostercore_la_LDFLAGS = $(SAN_FLAGS) -pthread

lib_LTLIBRARIES += libroster.la
libroster_la_SOURCES =
libroster_la_LIBADD = librostercore.la $(OPENSSL_LIBS)
libroster_la_LDFLAGS = $(SAN_FLAGS) -pthread -shared -version-info 0:0:0 -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack \
	-Wl,--version-script=$(srcdir)/tools/libroster/libroster.map
libroster_la_DEPENDENCIES = librostercore.la tools/libroster/libroster.map

staticlibdir = $(libdir)
nodist_staticlib_DATA = libroster.a
libroster.a: librostercore.la tools/libroster/libroster.map
	$(AM_V_GEN)sed -n 's/^\t\(roster_[a-z_]*\);$$/\1/p' $(srcdir)/tools/libroster/libroster.map >$@.names && \
	$(CC) -r -nostdlib -o $@.o -Wl,--whole-archive .libs/librostercore.a && \
	$(OBJCOPY) --keep-global-symbols=$@.names $@.o && \
	rm -f $@ && $(AR) cr $@ $@.o && $(RANLIB) $@ && rm -f $@.o $@.names

include_HEADERS = tools/libroster/roster.h
pkgconfigdir = $(libdir)/pkgconfig
nodist_pkgconfig_DATA = tools/libroster/libroster.pc
EXTRA_DIST += tools/libroster/libroster.map
CLEANFILES += libroster.a libroster.a.o libroster.a.names
dist_man_MANS += docs/man/libroster.3 docs/man/roster_check.3 docs/man/roster_mirror.3 docs/man/roster_new.3 \
	docs/man/roster_start.3
