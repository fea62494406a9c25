/* A mail at rest. Its texts hold links that act for whoever has them, so they lie in the outbox
 * sealed (daemon/seal.h): of no use to who has a copy of the store alone. */
#ifndef DAEMON_MAIL_LETTER_H
#define DAEMON_MAIL_LETTER_H

#include "base/arena.h"
#include "daemon/mail/mail.h"
#include "daemon/seal.h"
#include "daemon/store/store.h"

/* Text and HTML of a mail of that org become what is put into the outbox; in the arena. */
enum rc letter_seal(const struct seal *s, uint32_t org, struct arena *a, struct mail *mail,
	struct err *err) MUSTCHECK;

/* Text and HTML of an entry become what is sent; in the arena. INTERNAL: sealed with a key that is not
 * in the configuration, or damaged. */
enum rc letter_open(const struct seal *s, struct arena *a, struct outbox_entry *e,
	struct err *err) MUSTCHECK;

/* Seals anew what another key than today's sealed; adds to *count how many. What no key opens stays as
 * it is: the mailer gives it up. */
enum rc letters_reseal(const struct seal *s, struct txn *t, size_t *count, struct err *err) MUSTCHECK;

#endif
