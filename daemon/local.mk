noinst_LIBRARIES += libdaemon.a
libdaemon_a_SOURCES = \
	daemon/auth.c daemon/auth.h \
	daemon/config.c daemon/config.h \
	daemon/config_print.c \
	daemon/config_table.c daemon/config_table.h \
	daemon/directory/org.c daemon/directory/org.h \
	daemon/exchange.h \
	daemon/rate.c daemon/rate.h \
	daemon/server.h \
	daemon/store/store.h
