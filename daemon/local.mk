noinst_LIBRARIES += libstore.a
libstore_a_SOURCES = \
	daemon/store/backup.c \
	daemon/store/broken.c \
	daemon/store/edge.c \
	daemon/store/index.c \
	daemon/store/journal.c \
	daemon/store/org.c \
	daemon/store/outbox.c \
	daemon/store/store.c daemon/store/store.h \
	daemon/store/store_private.h \
	daemon/store/store_record.c \
	daemon/store/trim.c \
	daemon/store/txn.c \
	daemon/store/verify.c

# Builders of mails, pure: they know neither store nor network.
noinst_LIBRARIES += libmail.a
libmail_a_SOURCES = \
	daemon/mail/embed.c \
	daemon/mail/mail.c daemon/mail/mail.h \
	daemon/mail/template.c daemon/mail/template.h
libmail_a_CPPFLAGS = $(AM_CPPFLAGS) -DMAIL_TEMPLATES='"$(top_srcdir)/daemon/mail/templates/"' \
	-DMAIL_LIST='M(invitation) M(confirmation) M(test)'
MAIL_TEMPLATE_FILES = \
	daemon/mail/templates/confirmation.html \
	daemon/mail/templates/confirmation.txt \
	daemon/mail/templates/invitation.html \
	daemon/mail/templates/invitation.txt \
	daemon/mail/templates/test.html \
	daemon/mail/templates/test.txt
EXTRA_DIST += $(MAIL_TEMPLATE_FILES)
daemon/mail/libmail_a-embed.$(OBJEXT): $(MAIL_TEMPLATE_FILES)

noinst_LIBRARIES += libdaemon.a
libdaemon_a_SOURCES = \
	daemon/access/access.c daemon/access/access.h \
	daemon/access/ask.c daemon/access/ask.h \
	daemon/auth.c daemon/auth.h \
	daemon/ca.c daemon/ca.h daemon/ca_private.h \
	daemon/ca_check.c \
	daemon/committer.c daemon/committer.h \
	daemon/api_print.c daemon/api_print.h \
	daemon/config.c daemon/config.h \
	daemon/config_print.c \
	daemon/config_table.c daemon/config_table.h \
	daemon/conn.c daemon/conn.h \
	daemon/control.h \
	daemon/control/audit.c \
	daemon/control/call.c daemon/control/call.h \
	daemon/control/care.c \
	daemon/control/change.c daemon/control/change.h \
	daemon/control/migrate.c \
	daemon/control/orgs.c \
	daemon/control/people.c \
	daemon/control/tokens.c \
	daemon/control/control.c \
	daemon/control/keep.c \
	daemon/control/outbox.c \
	daemon/control/sync.c \
	daemon/control/transfer.c \
	daemon/directory/attrs.c daemon/directory/attrs.h \
	daemon/directory/audit.c daemon/directory/audit.h \
	daemon/directory/audit_values.c \
	daemon/directory/check.c daemon/directory/check.h \
	daemon/directory/certificate.c daemon/directory/certificate.h \
	daemon/directory/cursor.c daemon/directory/cursor.h \
	daemon/directory/directory.h \
	daemon/directory/effect.c daemon/directory/effect.h \
	daemon/directory/effect_private.h \
	daemon/directory/effect_told.c \
	daemon/directory/edit.c daemon/directory/edit.h \
	daemon/directory/feed.c daemon/directory/feed.h \
	daemon/directory/form.c daemon/directory/form.h \
	daemon/directory/guard.c daemon/directory/guard.h \
	daemon/directory/ids.c daemon/directory/ids.h \
	daemon/directory/link.c daemon/directory/link.h \
	daemon/directory/doubt.c daemon/directory/doubt.h \
	daemon/directory/org_tell.c daemon/directory/org_tell.h \
	daemon/directory/invitation.c daemon/directory/invitation.h \
	daemon/directory/invitation_join.c \
	daemon/directory/member_set.c daemon/directory/member_set.h \
	daemon/directory/membership.c \
	daemon/directory/row_set.c daemon/directory/row_set.h \
	daemon/directory/user_walk.c daemon/directory/user_walk.h \
	daemon/directory/who_can.c daemon/directory/who_can.h \
	daemon/directory/names.c daemon/directory/names.h \
	daemon/directory/operation.c daemon/directory/operation.h \
	daemon/directory/migrate.c daemon/directory/migrate_warn.c \
	daemon/directory/migrate.h daemon/directory/migrate_private.h \
	daemon/directory/org.c daemon/directory/org.h \
	daemon/directory/org_roles.c daemon/directory/org_roles.h \
	daemon/directory/organization.c daemon/directory/organization.h \
	daemon/directory/organization_act.c \
	daemon/directory/plan.c daemon/directory/plan.h \
	daemon/directory/platform.c daemon/directory/platform.h \
	daemon/directory/query.c daemon/directory/query.h \
	daemon/directory/recall.c daemon/directory/recall.h \
	daemon/directory/render.c daemon/directory/render.h \
	daemon/directory/resource.c \
	daemon/directory/rules.c daemon/directory/rules.h \
	daemon/directory/rules_assignment.c \
	daemon/directory/rules_connection.c \
	daemon/directory/rules_certificate.c \
	daemon/directory/rules_invitation.c \
	daemon/directory/rules_member.c \
	daemon/directory/rules_organization.c \
	daemon/directory/rules_person.c \
	daemon/directory/quota.h \
	daemon/directory/rules_quota.c \
	daemon/directory/rules_role.c \
	daemon/directory/rules_scope.c \
	daemon/directory/rules_settings.c \
	daemon/directory/rules_token.c \
	daemon/directory/subject.c daemon/directory/subject.h \
	daemon/directory/sync.c daemon/directory/sync.h \
	daemon/directory/sync_compare.c \
	daemon/directory/sync_decide.c \
	daemon/directory/sync_groups.c \
	daemon/directory/sync_known.c \
	daemon/directory/sync_map.c \
	daemon/directory/sync_parse.c \
	daemon/directory/sync_plan.c \
	daemon/directory/sync_private.h \
	daemon/directory/sync_put.c \
	daemon/directory/transfer.h daemon/directory/transfer_private.h \
	daemon/directory/transfer_export.c \
	daemon/directory/transfer_import.c \
	daemon/directory/transfer_parse.c \
	daemon/directory/transfer_put.c \
	daemon/dns_txt.c daemon/dns_txt.h \
	daemon/exchange.h \
	daemon/fair.c daemon/fair.h \
	daemon/gzip.c daemon/gzip.h \
	daemon/link.c daemon/link.h \
	daemon/mail/letter.c daemon/mail/letter.h \
	daemon/mail/mailer.c daemon/mail/mailer.h \
	daemon/mail/smtp.c daemon/mail/smtp.h \
	daemon/models.c daemon/models.h \
	daemon/password.c daemon/password.h \
	daemon/pool.c daemon/pool.h \
	daemon/rate.c daemon/rate.h \
	daemon/respond.c \
	daemon/retention.c daemon/retention.h \
	daemon/roster/ask.c \
	daemon/roster/batch.c \
	daemon/roster/certificate.c \
	daemon/roster/message.h \
	daemon/roster/sync.c \
	daemon/roster/door.c \
	daemon/roster/change.c \
	daemon/roster/find.c \
	daemon/roster/hello.c \
	daemon/roster/list.c daemon/roster/list.h \
	daemon/roster/lists.c \
	daemon/roster/orgs.c \
	daemon/roster/peer.c \
	daemon/roster/records.c daemon/roster/records.h \
	daemon/roster/roster.h \
	daemon/roster/effects.c daemon/roster/effects.h \
	daemon/roster/wake.c daemon/roster/wake.h \
	daemon/roster/watch.c daemon/roster/watch.h \
	daemon/roster/watch_effects.c \
	daemon/roster/watch_records.c \
	daemon/scim/acts.c daemon/scim/acts.h \
	daemon/scim/actions.c \
	daemon/scim/audit.c \
	daemon/scim/available.c daemon/scim/available.h \
	daemon/scim/bulk.c \
	daemon/scim/certificate.c \
	daemon/scim/crl.c daemon/scim/crl.h \
	daemon/scim/discovery.c \
	daemon/scim/helpers.c \
	daemon/scim/quota.c \
	daemon/scim/invite.c \
	daemon/scim/invite_link.c \
	daemon/scim/org_acts.c \
	daemon/scim/read.c \
	daemon/scim/reply.c \
	daemon/scim/request.h \
	daemon/scim/scim.c daemon/scim/scim.h \
	daemon/scim/way.c daemon/scim/way.h \
	daemon/scim/write.c \
	daemon/seal.c daemon/seal.h \
	daemon/server.c daemon/server.h \
	daemon/session.c daemon/session.h \
	daemon/tls.c daemon/tls.h \
	daemon/worker.c

sbin_PROGRAMS += rosterd
rosterd_SOURCES = daemon/main.c
rosterd_LDADD = libdaemon.a libmail.a libstore.a libprotocol.a libschema.a libbase.a \
	$(LIBEVENT_LIBS) $(OPENSSL_LIBS) $(LMDB_LIBS) $(LIBCONFIG_LIBS) $(JANSSON_LIBS) $(ARGON2_LIBS) \
	$(ZLIB_LIBS) $(UNISTRING_LIBS) $(CURL_LIBS)
