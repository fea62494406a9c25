bin_PROGRAMS += rosterctl
rosterctl_SOURCES = \
	tools/rosterctl/client.c tools/rosterctl/client.h \
	tools/rosterctl/print.c tools/rosterctl/print.h \
	tools/rosterctl/rosterctl.c
rosterctl_LDADD = libprotocol.a libschema.a libbase.a $(JANSSON_LIBS)
