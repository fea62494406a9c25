noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	base/arena.c base/arena.h \
	base/banned.h \
	base/buf.c base/buf.h \
	base/err.c base/err.h \
	base/log.c base/log.h \
	base/siphash.c base/siphash.h \
	base/slice.c base/slice.h \
	base/uuid.c base/uuid.h
