/* The builders of mails: what people's words can do to a mail (nothing), addresses, headers. */
#include "tests/daemon/check.h"

#include <stdlib.h>

#include "daemon/mail/mail.h"
#include "daemon/mail/template.h"

#include "base/banned.h"

static const struct mail_invitation plain = {
	.org = SLICE_INIT("Acme & Sons"),
	.inviter = SLICE_INIT("Ada \"Ace\" Okoro"),
	.role = SLICE_INIT("Member"),
	.message = SLICE_INIT("Tom's <b>waiting</b>"),
	.accept_url = SLICE_INIT("https://id.example.com/invitations/a?b=1&c=2"),
	.decline_url = SLICE_INIT("https://id.example.com/invitations/a/decline"),
	.expires = INT64_C(18014400000000000),
};

static bool
holds(struct slice s, const char *part)
{
	return memmem(s.p, s.len, part, strlen(part)) != NULL;
}

/* Every line end is CRLF, and there is nothing else below a space. */
static void
assert_lines(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\n')
			assert_true(i > 0 && s.p[i - 1] == '\r');
		else if (s.p[i] == '\r')
			assert_true(i + 1 < s.len && s.p[i + 1] == '\n');
		else
			assert_true((unsigned char)s.p[i] >= ' ');
	}
}

static void
an_invitation_says_all(void **state)
{
	struct mail_invitation in = plain;
	struct arena *a = arena_new();
	struct err err = ERR_INIT;
	struct mail mail;

	(void)state;
	in.expires = INT64_C(17987616000000000); /* date -u -d @1798761600: 2027-01-01 00:00 */
	assert_int_equal(mail_render_invitation(a, &in, &mail, &err), RC_OK);
	assert_true(slice_eq(mail.subject, SLICE("Ada \"Ace\" Okoro invites you to Acme & Sons")));
	assert_true(holds(mail.text, "Ada \"Ace\" Okoro invites you to join Acme & Sons on "
				     "id.example.com as Member.\r\n"));
	assert_true(holds(mail.text, "    Tom's <b>waiting</b>\r\n"));
	assert_true(holds(mail.text, "\r\nhttps://id.example.com/invitations/a?b=1&c=2\r\n"));
	assert_true(holds(mail.text, "\r\nhttps://id.example.com/invitations/a/decline\r\n"));
	assert_true(holds(mail.text, "2027-01-01 00:00 UTC"));
	assert_true(slice_starts(mail.text, SLICE("Hello,\r\n")));
	assert_true(holds(mail.html, "<b>Ada &quot;Ace&quot; Okoro</b>"));
	assert_true(holds(mail.html, "<b>Acme &amp; Sons</b>"));
	assert_true(holds(mail.html, "Tom&#39;s &lt;b&gt;waiting&lt;/b&gt;</blockquote>"));
	assert_true(holds(mail.html, "href=\"https://id.example.com/invitations/a?b=1&amp;c=2\""));
	assert_true(holds(mail.html, "href=\"https://id.example.com/invitations/a/decline\""));
	assert_false(holds(mail.html, "{{"));
	assert_false(holds(mail.text, "{{"));
	assert_lines(mail.text);
	assert_lines(mail.html);
	arena_free(a);
}

static void
what_is_not_given_leaves_no_trace(void **state)
{
	struct mail_invitation in = plain;
	struct arena *a = arena_new();
	struct err err = ERR_INIT;
	struct mail mail;

	(void)state;
	in.message = SLICE("");
	in.expires = 0;
	assert_int_equal(mail_render_invitation(a, &in, &mail, &err), RC_OK);
	assert_false(holds(mail.text, "writes"));
	assert_false(holds(mail.html, "blockquote"));
	assert_false(holds(mail.text, "ends on"));
	assert_false(holds(mail.html, "ends on"));
	assert_false(holds(mail.text, "\r\n\r\n\r\n"));
	arena_free(a);
}

static void
a_confirmation_and_a_test_say_all(void **state)
{
	const struct mail_confirmation in = { SLICE("J\xC3\xBCrgen <x>"),
		SLICE("https://id.example.com/confirm/abc") };
	struct arena *a = arena_new();
	struct err err = ERR_INIT;
	struct mail mail;

	(void)state;
	assert_int_equal(mail_render_confirmation(a, &in, &mail, &err), RC_OK);
	assert_true(holds(mail.text, "Hello J\xC3\xBCrgen <x>,\r\n"));
	assert_true(holds(mail.text, "\r\nhttps://id.example.com/confirm/abc\r\n"));
	assert_true(holds(mail.html, "Hello J\xC3\xBCrgen &lt;x&gt;,"));
	assert_true(holds(mail.html, "href=\"https://id.example.com/confirm/abc\""));
	assert_lines(mail.text);
	assert_lines(mail.html);
	assert_int_equal(mail_render_test(a, SLICE("Acme"), &mail, &err), RC_OK);
	assert_true(slice_eq(mail.subject, SLICE("Test mail of Acme")));
	assert_lines(mail.text);
	arena_free(a);
}

/* Each is refused in each field. */
static const struct slice bad[] = {
	SLICE_INIT("a\r\nBcc: everybody@example.com"),
	SLICE_INIT("a\nb"),
	SLICE_INIT("a\rb"),
	SLICE_INIT("a\0b"),
	SLICE_INIT("a\tb"),
	SLICE_INIT("a\x7f"),
	SLICE_INIT("a\xC2\x85"
		   "b"), /* next line */
	SLICE_INIT("a\xE2\x80\xA8"
		   "b"), /* line separator */
	SLICE_INIT("a\xE2\x80\xAE"
		   "b"), /* right-to-left override */
	SLICE_INIT("a\xE2\x81\xA6"
		   "b"), /* isolate */
	SLICE_INIT("a\xFF"
		   "b"), /* no UTF-8 */
	SLICE_INIT("a\xC3"),
};

static void
no_field_breaks_out_of_its_line(void **state)
{
	static const struct {
		size_t offset;
		const char *path, *prefix;
	} fields[] = {
		{ offsetof(struct mail_invitation, org), "organization", "" },
		{ offsetof(struct mail_invitation, inviter), "inviter", "" },
		{ offsetof(struct mail_invitation, role), "role", "" },
		{ offsetof(struct mail_invitation, message), "message", "" },
		{ offsetof(struct mail_invitation, accept_url), "acceptUrl", "https://x/" },
		{ offsetof(struct mail_invitation, decline_url), "declineUrl", "https://x/" },
	};
	struct arena *a = arena_new();
	struct mail mail;

	(void)state;
	for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++) {
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			struct mail_invitation in = plain;
			struct err err = ERR_INIT;
			struct buf b = BUF_INIT;

			buf_put(&b, fields[f].prefix, strlen(fields[f].prefix));
			buf_slice(&b, bad[i]);
			memcpy((char *)&in + fields[f].offset, &(struct slice){ b.p, b.len },
				sizeof(struct slice));
			assert_int_equal(
				mail_render_invitation(a, &in, &mail, &err), RC_INVALID_VALUE);
			assert_string_equal(err.path, fields[f].path);
			buf_release(&b);
		}
	}
	arena_free(a);
}

static void
links_are_links(void **state)
{
	static const char *const no[] = { "", "javascript:alert(1)", "ftp://x/", "//x/", "https:/x",
		"https://x/a b", "HTTPS://x/" };
	struct arena *a = arena_new();
	struct mail mail;

	(void)state;
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		struct mail_invitation in = plain;
		struct err err = ERR_INIT;

		in.accept_url = slice_of(no[i]);
		assert_int_equal(mail_render_invitation(a, &in, &mail, &err), RC_INVALID_VALUE);
		assert_string_equal(err.path, "acceptUrl");
	}
	arena_free(a);
}

static void
lengths_have_limits(void **state)
{
	static char text[MAIL_MESSAGE_MAX + 2];
	struct mail_invitation in = plain;
	struct arena *a = arena_new();
	struct err err = ERR_INIT;
	struct mail mail;

	(void)state;
	memset(text, 'x', sizeof(text));
	in.message = (struct slice){ text, MAIL_MESSAGE_MAX };
	in.org = in.inviter = (struct slice){ text, MAIL_NAME_MAX };
	assert_int_equal(mail_render_invitation(a, &in, &mail, &err), RC_OK);
	assert_true(mail.subject.len <= 998); /* MAIL_SUBJECT_MAX of the outbox */
	in.message.len++;
	assert_int_equal(mail_render_invitation(a, &in, &mail, &err), RC_INVALID_VALUE);
	assert_string_equal(err.path, "message");
	in.message.len--;
	in.inviter.len++;
	assert_int_equal(mail_render_invitation(a, &in, &mail, &err), RC_INVALID_VALUE);
	assert_string_equal(err.path, "inviter");
	arena_free(a);
}

static void
addresses_are_checked(void **state)
{
	static const char *const good[] = { "a@b", "ada.okoro+tag@mail.example.com",
		"x'y@example.com", "abc..def.@docomo.example",
		"j\xC3\xBCrgen@m\xC3\xBCller.example", "a@127.example" };
	static const struct slice no[] = { SLICE_INIT(""), SLICE_INIT("a"), SLICE_INIT("@b"),
		SLICE_INIT("a@"), SLICE_INIT("a b@c"), SLICE_INIT("a@b c"), SLICE_INIT("a@b@c"),
		SLICE_INIT("<a@b>"), SLICE_INIT("a@b>"), SLICE_INIT("a,b@c"), SLICE_INIT("\"a\"@b"),
		SLICE_INIT("a@b\r\nRCPT TO:<c@d>"), SLICE_INIT("a@b\n"), SLICE_INIT("a@b..c"),
		SLICE_INIT("a@.b"), SLICE_INIT("a@b."), SLICE_INIT("a@-b"), SLICE_INIT("a@b-"),
		SLICE_INIT("a@[1.2.3.4]"), SLICE_INIT("a@b\0"), SLICE_INIT("a@b\xFF"),
		SLICE_INIT("a@b_c"), SLICE_INIT("a:b@c"), SLICE_INIT("a;b@c"),
		SLICE_INIT("a(b)@c") };
	char longest[300];
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(mail_address_check(slice_of(good[i]), "address", &err), RC_OK);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_int_equal(mail_address_check(no[i], "address", &err), RC_INVALID_VALUE);
	memset(longest, 'x', sizeof(longest));
	longest[64] = '@';
	longest[128] = longest[192] = '.';
	assert_int_equal(
		mail_address_check((struct slice){ longest, 254 }, "address", &err), RC_OK);
	assert_int_equal(mail_address_check((struct slice){ longest, 255 }, "address", &err),
		RC_INVALID_VALUE);
	longest[64] = 'x';
	longest[65] = '@';
	assert_int_equal(mail_address_check((struct slice){ longest, 100 }, "address", &err),
		RC_INVALID_VALUE);
}

static void
mailboxes_are_parsed(void **state)
{
	struct slice name, address;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(mail_mailbox_parse(SLICE("a@b"), &name, &address, &err), RC_OK);
	assert_int_equal(name.len, 0);
	assert_true(slice_eq(address, SLICE("a@b")));
	assert_int_equal(
		mail_mailbox_parse(SLICE("Acme Inc. <a@b>"), &name, &address, &err), RC_OK);
	assert_true(slice_eq(name, SLICE("Acme Inc.")));
	assert_true(slice_eq(address, SLICE("a@b")));
	assert_int_equal(mail_mailbox_parse(SLICE("<a@b>"), &name, &address, &err), RC_OK);
	assert_int_equal(
		mail_mailbox_parse(SLICE("Acme"), &name, &address, &err), RC_INVALID_VALUE);
	assert_int_equal(mail_mailbox_parse(SLICE("A\r\nX: <a@b>"), &name, &address, &err),
		RC_INVALID_VALUE);
	assert_int_equal(mail_mailbox_parse(SLICE(""), &name, &address, &err), RC_INVALID_VALUE);
	assert_int_equal(mail_mailbox_parse(SLICE(">"), &name, &address, &err), RC_INVALID_VALUE);
	assert_int_equal(mail_mailbox_parse(SLICE("<"), &name, &address, &err), RC_INVALID_VALUE);
}

/* By hand after RFC 2047; the system test reads real mails with another's decoder. */
static const struct {
	const char *text, *plain, *phrase;
} headers[] = {
	{ "Hello, world", "Hello, world", "=?UTF-8?Q?Hello=2C_world?=" },
	{ "Acme Inc", "Acme Inc", "Acme Inc" },
	{ "\xC3\x9C"
	  "bung=1?",
		"=?UTF-8?Q?=C3=9Cbung=3D1=3F?=", "=?UTF-8?Q?=C3=9Cbung=3D1=3F?=" },
	{ "=?UTF-8?Q?x?=", "=?UTF-8?Q?=3D=3FUTF-8=3FQ=3Fx=3F=3D?=",
		"=?UTF-8?Q?=3D=3FUTF-8=3FQ=3Fx=3F=3D?=" },
	{ "\xF0\x9F\x8E\x89\xF0\x9F\x8E\x89\xF0\x9F\x8E\x89\xF0\x9F\x8E\x89\xF0\x9F\x8E\x89",
		"=?UTF-8?Q?=F0=9F=8E=89=F0=9F=8E=89=F0=9F=8E=89=F0=9F=8E=89?=\r\n "
		"=?UTF-8?Q?=F0=9F=8E=89?=",
		"=?UTF-8?Q?=F0=9F=8E=89=F0=9F=8E=89=F0=9F=8E=89=F0=9F=8E=89?=\r\n "
		"=?UTF-8?Q?=F0=9F=8E=89?=" },
};

static void
headers_are_encoded(void **state)
{
	char text[900];
	struct buf b = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		buf_clear(&b);
		mail_header_text(&b, slice_of(headers[i].text), false);
		assert_true(slice_eq(buf_as_slice(&b), slice_of(headers[i].plain)));
		buf_clear(&b);
		mail_header_text(&b, slice_of(headers[i].text), true);
		assert_true(slice_eq(buf_as_slice(&b), slice_of(headers[i].phrase)));
	}
	memset(text, 'x', sizeof(text));
	buf_clear(&b);
	mail_header_text(&b, (struct slice){ text, sizeof(text) }, false);
	for (size_t i = 0, line = strlen("Subject: "); i < b.len; i++, line++) {
		assert_true(line <= 76); /* RFC 2047 section 2 */
		if (b.p[i] == '\n')
			line = 0;
	}
	buf_release(&b);
}

static void
templates_put_fields_in(void **state)
{
	static const struct mail_field fields[] = { { "a", SLICE_INIT("<1>") },
		{ "none", SLICE_INIT("") }, { NULL, SLICE_INIT("") } };
	struct buf b = BUF_INIT;

	(void)state;
	mail_template_fill(&b,
		SLICE("x{{a}}y\n{{#none}}\nno {{a}}\n{{/none}}\nz{{#a}}!{{/a}}{{none}}"), fields,
		false);
	assert_true(slice_eq(buf_as_slice(&b), SLICE("x<1>y\r\nz!")));
	buf_clear(&b);
	mail_template_fill(&b, SLICE("{{a}}"), fields, true);
	assert_true(slice_eq(buf_as_slice(&b), SLICE("&lt;1&gt;")));
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_invitation_says_all),
		cmocka_unit_test(what_is_not_given_leaves_no_trace),
		cmocka_unit_test(a_confirmation_and_a_test_say_all),
		cmocka_unit_test(no_field_breaks_out_of_its_line),
		cmocka_unit_test(links_are_links),
		cmocka_unit_test(lengths_have_limits),
		cmocka_unit_test(addresses_are_checked),
		cmocka_unit_test(mailboxes_are_parsed),
		cmocka_unit_test(headers_are_encoded),
		cmocka_unit_test(templates_put_fields_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
