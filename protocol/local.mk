noinst_LIBRARIES += libprotocol.a
libprotocol_a_SOURCES = \
	protocol/frame.c protocol/frame.h \
	protocol/scim.h
