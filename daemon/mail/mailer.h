/* The mailer: one thread that sends what is due in the outbox over SMTP (libcurl), and notes the result.
 *
 * At least once: an entry is deleted by a commit after the server took it, so a crash between sends it again, with the same
 * Message-ID. What the server refuses for good (5yz for this mail) becomes a dead letter; all else is tried again, later each
 * time, until mail.attempts. When the server as such can't be used (no connection, no TLS, wrong password), one mail at a time
 * tries it, so that an outage does not use up the attempts of all. Mail of a suspended org waits; that of a removed one goes
 * with it.
 *
 * Nobody needs to wake it: it is told by the store of each commit that put something into the outbox. */
#ifndef DAEMON_MAIL_MAILER_H
#define DAEMON_MAIL_MAILER_H

#include "daemon/committer.h"
#include "daemon/config.h"
#include "daemon/seal.h"

struct mailer;

/* Whether there is a mail server: where there is none nothing is to be put into the outbox, and links go to whoever asked. */
static inline bool
mailer_enabled(const struct config *c)
{
	return c->mail_server != NULL;
}

/* Starts the thread; *out is NULL when there is no mail server. The config is read as it stands at each mail, so reloadable
 * settings hold at once. */
enum rc mailer_new(const struct config *config, struct store *store, struct committer *committer,
	const struct seal *seal, struct mailer **out, struct err *err) MUSTCHECK;
/* Waits up to some seconds for the mail that is on its way, then cuts it off: it will be sent again. m may be NULL. */
void mailer_free(struct mailer *m, unsigned seconds);

/* Look now at what is due; retry: do not wait any longer for a server that failed before. Thread-safe, never blocks; m may be
 * NULL. */
void mailer_wake(struct mailer *m, bool retry);

/* How long to wait before the next attempt, in ticks: first seconds doubled with each attempt up to greatest, a quarter more or
 * less by random (0 to 2^32-1), never above greatest. attempts: those that failed, 1 or more. */
int64_t mailer_delay(uint64_t first, uint64_t greatest, uint32_t attempts, uint32_t random);

#endif
