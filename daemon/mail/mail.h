/* The mails that rosterd writes: pure builders of subject, plain text and HTML from a few fields, by the templates in
 * daemon/mail/templates/. No I/O, no clock. What they make goes into the outbox (outbox_put() in daemon/store/store.h) in the
 * transaction of what caused it, and daemon/mail/mailer.h sends it.
 *
 * Every field comes from people: it must be UTF-8 of one line. Control characters (so line ends, which would begin another header
 * of the mail, or fake a second link below the first) and marks that turn the direction of writing are refused with INVALID_VALUE
 * and the field's name in err->path. In HTML everything is escaped. */
#ifndef DAEMON_MAIL_MAIL_H
#define DAEMON_MAIL_MAIL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { MAIL_NAME_MAX = 400, MAIL_MESSAGE_MAX = 2000, MAIL_URL_MAX = 2000 }; /* bytes of a field */

struct mail { /* in the arena it was made with */
	struct slice subject, text, html;
};

struct mail_invitation {
	struct slice org;     /* display name */
	struct slice inviter; /* display name */
	struct slice role;    /* title, as people read it */
	struct slice message; /* the inviter's words; empty: none */
	struct slice accept_url, decline_url; /* https:// or http:// */
	int64_t expires;      /* ticks; 0: never */
};
enum rc mail_render_invitation(struct arena *a, const struct mail_invitation *in, struct mail *out,
	struct err *err) MUSTCHECK;

struct mail_confirmation {
	struct slice name;        /* the person's */
	struct slice confirm_url; /* https:// or http:// */
};
enum rc mail_render_confirmation(struct arena *a, const struct mail_confirmation *in,
	struct mail *out, struct err *err) MUSTCHECK;

/* For the operator: does mail arrive? */
enum rc mail_render_test(
	struct arena *a, struct slice org, struct mail *out, struct err *err) MUSTCHECK;

/* An address that mail can be sent to: local part and domain, nothing that would end the command to the mail server. path
 * names the attribute for err. Whether anybody reads it only a mail tells. */
enum rc mail_address_check(struct slice address, const char *path, struct err *err) MUSTCHECK;

/* ---- For the mailer ---- */

/* "Name <a@b>" or "a@b" into its parts; name is empty when there is none. INVALID_VALUE as above. */
enum rc mail_mailbox_parse(
	struct slice text, struct slice *name, struct slice *address, struct err *err) MUSTCHECK;

/* A text as a header's value: as it is when it is ASCII, else in encoded words (RFC 2047 section 2), folded. phrase: a display
 * name, quoted where it must be. */
void mail_header_text(struct buf *out, struct slice text, bool phrase);

#endif
