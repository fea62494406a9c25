#include "daemon/mail/letter.h"

#include "base/banned.h"

static const char purpose[] = "mail";

/* What one direction does with one text. */
typedef enum rc turn_fn(const struct seal *s, uint32_t org, const char *why, struct slice in,
	struct buf *out, struct err *err);

static enum rc
turn(turn_fn *fn, const struct seal *s, uint32_t org, struct arena *a, struct slice *text,
	struct err *err)
{
	struct buf b = BUF_INIT;
	enum rc rc = fn(s, org, purpose, *text, &b, err);

	if (rc == RC_OK)
		*text = arena_dup(a, buf_as_slice(&b));
	seal_wipe(&b);
	return rc;
}

enum rc
letter_seal(const struct seal *s, uint32_t org, struct arena *a, struct mail *mail, struct err *err)
{
	enum rc rc = turn(seal_put, s, org, a, &mail->text, err);

	return rc != RC_OK ? rc : turn(seal_put, s, org, a, &mail->html, err);
}

enum rc
letter_open(const struct seal *s, struct arena *a, struct outbox_entry *e, struct err *err)
{
	enum rc rc = turn(seal_get, s, e->org, a, &e->text, err);

	return rc != RC_OK ? rc : turn(seal_get, s, e->org, a, &e->html, err);
}

static enum rc
reseal(const struct seal *s, struct txn *t, struct arena *a, struct outbox_entry *e, size_t *count,
	struct err *err)
{
	struct mail mail;
	struct err why;
	enum rc rc;

	e->text = arena_dup(a, e->text);
	e->html = arena_dup(a, e->html);
	if (letter_open(s, a, e, &why) != RC_OK)
		return RC_OK;
	mail = (struct mail){ .text = e->text, .html = e->html };
	if ((rc = letter_seal(s, e->org, a, &mail, err)) != RC_OK)
		return rc;
	e->text = mail.text;
	e->html = mail.html;
	(void)outbox_put_texts(t, e);
	++*count;
	return RC_OK;
}

enum rc
letters_reseal(const struct seal *s, struct txn *t, size_t *count, struct err *err)
{
	struct arena *a = arena_new();
	struct outbox_entry e = { .no = 0 };
	enum rc rc = RC_OK;

	while (rc == RC_OK && outbox_next(t, e.no, &e)) {
		if (!seal_is_current(s, e.text))
			rc = reseal(s, t, a, &e, count, err);
		arena_clear(a);
	}
	arena_free(a);
	return rc != RC_OK ? rc : txn_rc(t);
}
