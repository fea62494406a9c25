bin_PROGRAMS += rosterctl
rosterctl_SOURCES = \
	tools/rosterctl/ask.c tools/rosterctl/ask.h \
	tools/rosterctl/client.c tools/rosterctl/client.h \
	tools/rosterctl/convert.c tools/rosterctl/convert.h \
	tools/rosterctl/exit.h \
	tools/rosterctl/map.c tools/rosterctl/map.h \
	tools/rosterctl/model.c tools/rosterctl/model.h \
	tools/rosterctl/print.c tools/rosterctl/print.h \
	tools/rosterctl/rosterctl.c \
	tools/rosterctl/sync.c tools/rosterctl/sync.h
rosterctl_LDADD = libroster.a libprotocol.a libschema.a libbase.a $(JANSSON_LIBS) $(OPENSSL_LIBS) $(UNISTRING_LIBS)

bashcompdir = $(datadir)/bash-completion/completions
zshcompdir = $(datadir)/zsh/site-functions
dist_zshcomp_DATA = tools/rosterctl/completion/_rosterctl
EXTRA_DIST += tools/rosterctl/completion/rosterctl.bash
# bash looks for a file with the program's name.
install-data-local:
	$(MKDIR_P) $(DESTDIR)$(bashcompdir)
	$(INSTALL_DATA) $(srcdir)/tools/rosterctl/completion/rosterctl.bash $(DESTDIR)$(bashcompdir)/rosterctl
uninstall-local:
	rm -f $(DESTDIR)$(bashcompdir)/rosterctl

dist_man_MANS += docs/man/rosterctl.1 docs/man/rosterd.8 docs/man/rosterd.conf.5
dist_doc_DATA = docs/rosterd.conf.example docs/ROLE_MODELS.md

EXTRA_DIST += tools/clients/node
PYTHON_CLIENT = tools/clients/python
EXTRA_DIST += $(PYTHON_CLIENT)/README.md $(PYTHON_CLIENT)/pyproject.toml $(PYTHON_CLIENT)/roster/py.typed \
	$(PYTHON_CLIENT)/roster/__init__.py $(PYTHON_CLIENT)/roster/channel.py $(PYTHON_CLIENT)/roster/client.py \
	$(PYTHON_CLIENT)/roster/codec.py $(PYTHON_CLIENT)/roster/connection.py $(PYTHON_CLIENT)/roster/errors.py \
	$(PYTHON_CLIENT)/roster/mirror.py $(PYTHON_CLIENT)/roster/numbers.py $(PYTHON_CLIENT)/roster/sync.py \
	$(PYTHON_CLIENT)/roster/watch.py $(PYTHON_CLIENT)/roster/words.py
