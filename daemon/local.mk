noinst_LIBRARIES += libstore.a
libstore_a_SOURCES = \
	daemon/store/broken.c \
	daemon/store/edge.c \
	daemon/store/index.c \
	daemon/store/journal.c \
	daemon/store/org.c \
	daemon/store/store.c daemon/store/store.h \
	daemon/store/store_private.h \
	daemon/store/store_record.c \
	daemon/store/txn.c

noinst_LIBRARIES += libdaemon.a
libdaemon_a_SOURCES = \
	daemon/auth.c daemon/auth.h \
	daemon/config.c daemon/config.h \
	daemon/config_print.c \
	daemon/config_table.c daemon/config_table.h \
	daemon/directory/org.c daemon/directory/org.h \
	daemon/conn.c daemon/conn.h \
	daemon/exchange.h \
	daemon/gzip.c daemon/gzip.h \
	daemon/link.c daemon/link.h \
	daemon/rate.c daemon/rate.h \
	daemon/respond.c \
	daemon/server.c daemon/server.h \
	daemon/tls.c daemon/tls.h \
	daemon/worker.c
