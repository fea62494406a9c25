#include "daemon/mail/mail.h"

#include <assert.h>

#include "daemon/mail/template.h"
#include "schema/text.h"

#include "base/banned.h"

enum {
	WORD_MAX =
		52, /* of an encoded word, so that it fits a line of 76 behind the header's name */
	PLAIN_MAX = 66, /* a value that stays on the header's own line */
	LOCAL_MAX = 64, /* RFC 5321 section 4.5.3.1 */
	ADDRESS_MAX = 254,
};

/* ---- Fields ---- */

/* The code point at s.p[0] of valid UTF-8, and its length. */
static uint32_t
code_point(struct slice s, size_t *len)
{
	unsigned char c = (unsigned char)s.p[0];
	uint32_t u;

	*len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	u = *len == 1 ? c : c & (0x7fu >> *len);
	for (size_t i = 1; i < *len; i++)
		u = u << 6 | ((unsigned char)s.p[i] & 0x3f);
	return u;
}

/* Ends a line, or changes what is seen of it: C0 and C1 controls, line and paragraph separators,
 * the embeddings, overrides and isolates of the bidirectional algorithm (UAX #9). */
static bool
is_control(uint32_t u)
{
	return u < 0x20 || (u >= 0x7f && u < 0xa0) || (u >= 0x2028 && u <= 0x202e) ||
	       (u >= 0x2066 && u <= 0x2069);
}

static enum rc
line_check(struct slice s, const char *path, struct err *err)
{
	size_t len;

	if (!text_valid(s))
		return fail(err, RC_INVALID_VALUE, path, "%s is not valid UTF-8", path);
	for (size_t i = 0; i < s.len; i += len) {
		if (is_control(code_point(slice_from(s, i), &len)))
			return fail(err, RC_INVALID_VALUE, path,
				"%s must be one line without control characters", path);
	}
	return RC_OK;
}

enum field_kind { FIELD_NAME, FIELD_MESSAGE, FIELD_URL };

static enum rc
field_check(struct slice s, enum field_kind kind, const char *path, struct err *err)
{
	static const size_t most[] = { MAIL_NAME_MAX, MAIL_MESSAGE_MAX, MAIL_URL_MAX };
	enum rc rc;

	if (s.len > most[kind])
		return fail(err, RC_INVALID_VALUE, path,
			"%s has %zu bytes, at most %zu are allowed", path, s.len, most[kind]);
	if (s.len == 0 && kind != FIELD_MESSAGE)
		return fail(err, RC_INVALID_VALUE, path, "%s is empty", path);
	if ((rc = line_check(s, path, err)) != RC_OK || kind != FIELD_URL)
		return rc;
	if ((!slice_starts(s, SLICE("https://")) && !slice_starts(s, SLICE("http://"))) ||
		memchr(s.p, ' ', s.len) != NULL)
		return fail(
			err, RC_INVALID_VALUE, path, "%s is no https:// or http:// address", path);
	return RC_OK;
}

/* ---- The mails ---- */

static struct slice
taken(struct arena *a, struct buf *b)
{
	struct slice s = arena_dup(a, buf_as_slice(b));

	explicit_bzero(b->p, b->len); /* links */
	buf_release(b);
	return s;
}

static void
build(struct arena *a, const char *name, const struct mail_field *fields, struct mail *out)
{
	struct buf subject = BUF_INIT, text = BUF_INIT, html = BUF_INIT;
	struct slice plain, rich, line;
	bool found = mail_template(name, &plain, &rich);

	assert(found);
	(void)found;
	(void)slice_split(&plain, '\n', &line);
	mail_template_fill(&subject, line, fields, false);
	assert(plain.len > 0 && plain.p[0] == '\n');
	mail_template_fill(&text, slice_from(plain, 1), fields, false);
	mail_template_fill(&html, rich, fields, true);
	out->subject = taken(a, &subject);
	out->text = taken(a, &text);
	out->html = taken(a, &html);
}

/* "https://id.example.com" of a link: what the reader can hold the link against. */
static struct slice
site_of(struct slice url)
{
	struct slice host = slice_from(url, slice_starts(url, SLICE("https://")) ? 8 : 7);
	size_t n = 0;

	while (n < host.len && strchr("/?#", host.p[n]) == NULL)
		n++;
	return (struct slice){ host.p, n };
}

/* "2027-01-31 12:00 UTC" */
static struct slice
day_and_time(struct arena *a, int64_t ticks)
{
	char text[DATETIME_MAX];

	if (ticks == 0)
		return SLICE("");
	(void)datetime_format(ticks, text);
	return slice_of(arena_printf(a, "%.10s %.5s UTC", text, text + 11));
}

enum rc
mail_render_invitation(
	struct arena *a, const struct mail_invitation *in, struct mail *out, struct err *err)
{
	const struct mail_field fields[] = { { "org", in->org }, { "inviter", in->inviter },
		{ "role", in->role }, { "message", in->message }, { "accept", in->accept_url },
		{ "decline", in->decline_url }, { "expires", day_and_time(a, in->expires) },
		{ "site", in->accept_url.len > 7 ? site_of(in->accept_url) : SLICE("") },
		{ NULL, SLICE_INIT("") } };
	enum rc rc;

	if ((rc = field_check(in->org, FIELD_NAME, "organization", err)) != RC_OK ||
		(rc = field_check(in->inviter, FIELD_NAME, "inviter", err)) != RC_OK ||
		(rc = field_check(in->role, FIELD_NAME, "role", err)) != RC_OK ||
		(rc = field_check(in->message, FIELD_MESSAGE, "message", err)) != RC_OK ||
		(rc = field_check(in->accept_url, FIELD_URL, "acceptUrl", err)) != RC_OK ||
		(rc = field_check(in->decline_url, FIELD_URL, "declineUrl", err)) != RC_OK)
		return rc;
	build(a, "invitation", fields, out);
	return RC_OK;
}

enum rc
mail_render_confirmation(
	struct arena *a, const struct mail_confirmation *in, struct mail *out, struct err *err)
{
	const struct mail_field fields[] = { { "name", in->name }, { "confirm", in->confirm_url },
		{ "site", in->confirm_url.len > 7 ? site_of(in->confirm_url) : SLICE("") },
		{ NULL, SLICE_INIT("") } };
	enum rc rc;

	if ((rc = field_check(in->name, FIELD_NAME, "name", err)) != RC_OK ||
		(rc = field_check(in->confirm_url, FIELD_URL, "confirmUrl", err)) != RC_OK)
		return rc;
	build(a, "confirmation", fields, out);
	return RC_OK;
}

enum rc
mail_render_test(struct arena *a, struct slice org, struct mail *out, struct err *err)
{
	const struct mail_field fields[] = { { "org", org }, { NULL, SLICE_INIT("") } };
	enum rc rc = field_check(org, FIELD_NAME, "organization", err);

	if (rc == RC_OK)
		build(a, "test", fields, out);
	return rc;
}

/* ---- Addresses ---- */

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Labels between dots, or nothing that a name server would know. */
static bool
domain_valid(struct slice domain)
{
	struct slice label;

	if (domain.len == 0)
		return false;
	while (slice_split(&domain, '.', &label)) {
		if (label.len == 0 || label.len > 63 || label.p[0] == '-' ||
			label.p[label.len - 1] == '-')
			return false;
		for (size_t i = 0; i < label.len; i++)
			if (!is_alnum(label.p[i]) && label.p[i] != '-' &&
				(unsigned char)label.p[i] < 0x80)
				return false;
	}
	return true;
}

/* RFC 5322 atext, dots anywhere (some providers give such addresses out), UTF-8 (RFC 6531
 * section 3.3). Quoted local parts are nobody's address. */
static bool
local_valid(struct slice local)
{
	if (local.len == 0 || local.len > LOCAL_MAX)
		return false;
	for (size_t i = 0; i < local.len; i++)
		if (!is_alnum(local.p[i]) && (unsigned char)local.p[i] < 0x80 &&
			strchr("!#$%&'*+-/=?^_`{|}~.", local.p[i]) == NULL)
			return false;
	return true;
}

enum rc
mail_address_check(struct slice address, const char *path, struct err *err)
{
	const char *at = address.len > 0 ? memrchr(address.p, '@', address.len) : NULL;
	struct slice local, domain;
	enum rc rc = line_check(address, path, err);

	if (rc != RC_OK)
		return rc;
	if (at != NULL && address.len <= ADDRESS_MAX) {
		local = (struct slice){ address.p, (size_t)(at - address.p) };
		domain = slice_from(address, local.len + 1);
		if (local_valid(local) && domain_valid(domain))
			return RC_OK;
	}
	return fail(err, RC_INVALID_VALUE, path, "%s is no address that mail can be sent to", path);
}

enum rc
mail_mailbox_parse(struct slice text, struct slice *name, struct slice *address, struct err *err)
{
	const char *open = text.len > 0 ? memrchr(text.p, '<', text.len) : NULL;
	enum rc rc;

	*name = SLICE("");
	*address = text;
	if (open != NULL && text.p[text.len - 1] == '>') {
		*name = slice_trim((struct slice){ text.p, (size_t)(open - text.p) });
		*address = (struct slice){ open + 1, (size_t)(text.p + text.len - open) - 2 };
	}
	if ((rc = line_check(*name, "name", err)) != RC_OK)
		return rc;
	if (name->len > MAIL_NAME_MAX)
		return fail(err, RC_INVALID_VALUE, "name", "the name has more than %d bytes",
			MAIL_NAME_MAX);
	return mail_address_check(*address, "address", err);
}

/* ---- Headers ---- */

/* Whether a header may carry it as it stands: printable ASCII that nobody takes for an encoded
 * word, and of a phrase no word that RFC 5322 section 3.2.3 gives a meaning. */
static bool
stands_plain(struct slice s, bool phrase)
{
	if (s.len > PLAIN_MAX || (s.len > 1 && memmem(s.p, s.len, "=?", 2) != NULL))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < ' ' || s.p[i] > '~' ||
			(phrase && !is_alnum(s.p[i]) &&
				strchr(" !#$%&'*+-/=?^_`{|}~", s.p[i]) == NULL))
			return false;
	return true;
}

/* One character in the Q encoding, with the set of RFC 2047 section 5 (3) that is allowed
 * everywhere. */
static size_t
q_encode(struct slice s, size_t len, char out[12])
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == ' ') {
			out[n++] = '_';
		} else if (is_alnum(s.p[i]) || strchr("!*+-/", c) != NULL) {
			out[n++] = s.p[i];
		} else {
			out[n++] = '=';
			out[n++] = hex[c >> 4];
			out[n++] = hex[c & 15];
		}
	}
	return n;
}

void
mail_header_text(struct buf *out, struct slice text, bool phrase)
{
	size_t word = 0, len, n;
	char one[12];

	if (stands_plain(text, phrase)) {
		buf_slice(out, text);
		return;
	}
	BUF_LIT(out, "=?UTF-8?Q?");
	for (; text.len > 0; text = slice_from(text, len)) {
		(void)code_point(text, &len);
		n = q_encode(text, len, one);
		if (word + n > WORD_MAX) { /* a character stays in one word (section 5) */
			BUF_LIT(out, "?=\r\n =?UTF-8?Q?");
			word = 0;
		}
		buf_put(out, one, n);
		word += n;
	}
	BUF_LIT(out, "?=");
}
