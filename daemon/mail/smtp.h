/* One mail after the other to the configured server, through libcurl. For one thread, but for what says otherwise.
 *
 * The connection is kept between mails. Certificates are checked. Nothing of a mail, no password and no words of the server's
 * are logged here: what happened is told to the caller. */
#ifndef DAEMON_MAIL_SMTP_H
#define DAEMON_MAIL_SMTP_H

#include "daemon/config.h"

struct smtp;

struct smtp_mail {
	struct slice to, subject, text, html;
	struct slice id; /* what stands before the @ of the Message-ID: the same at each attempt */
	int64_t date;    /* ticks */
};

enum smtp_outcome {
	SMTP_SENT,
	SMTP_REFUSED,   /* this mail, for good */
	SMTP_LATER,     /* this mail, for now */
	SMTP_NO_SERVER, /* the server as such can't be used now: others would fare no better */
	SMTP_CUT,       /* by smtp_cut() */
};

enum { SMTP_WHY_MAX = 320 };

struct smtp_result {
	enum smtp_outcome outcome;
	int code;                   /* the server's last reply; 0: none */
	char local[SMTP_WHY_MAX];   /* our side's words for the log; "" when the server refused */
	char why[SMTP_WHY_MAX];     /* for the operator: with the server's words */
};

/* Errors name the setting: a sender that is no address, a password file that can't be read. */
enum rc smtp_new(const struct config *config, struct smtp **out, struct err *err) MUSTCHECK;
/* Ends the connection with QUIT; nothing is sent after it. smtp_wake() and smtp_cut() stay allowed until smtp_free(). */
void smtp_close(struct smtp *s);
void smtp_free(struct smtp *s);

/* Tries once; takes mail.timeout at most. */
void smtp_send(struct smtp *s, const struct smtp_mail *mail, struct smtp_result *out);

/* Waits until smtp_wake(), a time at most. */
void smtp_wait(struct smtp *s, unsigned ms);
/* Thread-safe: ends the present smtp_wait(), or the next one. */
void smtp_wake(struct smtp *s);
/* Thread-safe: what is under way fails at once, and all that is tried after. */
void smtp_cut(struct smtp *s);

#endif
