/* Domain names, and addresses of servers. With arguments it is a client:
 * tests/system/test_dns_txt.py runs it against a server of its own.
 *
 *   test_dns_txt SERVER MILLISECONDS text NAME            the status, then one line a TXT record
 *   test_dns_txt SERVER MILLISECONDS proof DOMAIN TOKEN   the code, then what the error says */
#include "tests/daemon/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/dns_txt.h"

static const struct {
	const char *in, *out;
} domains[] = {
	{ "example.com", "example.com" },
	{ "Example.COM.", "example.com" },
	{ "a.b-c.d3", "a.b-c.d3" },
	{ "xn--bcher-kva.example", "xn--bcher-kva.example" },
	{ "1.2.3.4.example", "1.2.3.4.example" },
};

static const struct {
	const char *in, *word;
} refused[] = {
	{ "", "needed" },
	{ ".", "empty label" },
	{ "com", "two labels" },
	{ "b\xc3\xbc"
	  "cher.example",
		"xn--" },
	{ "a..com", "empty label" },
	{ ".example.com", "empty label" },
	{ "example.com..", "empty label" },
	{ "exa_mple.com", "letters" },
	{ "*.example.com", "letters" },
	{ "ada@example.com", "letters" },
	{ "exam ple.com", "letters" },
	{ "-a.com", "hyphen" },
	{ "a-.com", "hyphen" },
	{ "192.0.2.1", "IP address" },
	{ "https://example.com", "letters" },
	{ "0123456789012345678901234567890123456789012345678901234567890123.com", "63" },
};

static void
domains_are_normalised(void **state)
{
	struct arena *a = arena_new();
	struct err err = ERR_INIT;
	struct slice out;

	(void)state;
	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
		if (dns_domain_normalize(a, "value", slice_of(domains[i].in), &out, &err) != RC_OK)
			failed("%s: %s", domains[i].in, err.detail);
		assert_true(slice_eq(out, slice_of(domains[i].out)));
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (dns_domain_normalize(a, "value", slice_of(refused[i].in), &out, &err) !=
			RC_INVALID_VALUE)
			failed("taken: %s", refused[i].in);
		assert_string_equal(err.path, "value");
		if (strstr(err.detail, refused[i].word) == NULL)
			failed("%s: %s", refused[i].in, err.detail);
	}
	assert_int_equal(
		dns_domain_normalize(a, "value", (struct slice){ "a.c\0m", 5 }, &out, &err),
		RC_INVALID_VALUE);
	arena_free(a);
}

/* The longest domain still has room for the challenge's label: 253 characters in all (RFC 1035
 * section 2.3.4). */
static void
the_longest_domain(void **state)
{
	struct arena *a = arena_new();
	char text[DNS_DOMAIN_MAX + 2];
	struct err err = ERR_INIT;
	struct slice out;

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = i % 60 == 59 ? '.' : 'a';
	text[DNS_DOMAIN_MAX + 1] = '\0';
	assert_int_equal(
		dns_domain_normalize(a, "value", slice_of(text), &out, &err), RC_INVALID_VALUE);
	assert_non_null(strstr(err.detail, "234"));
	text[DNS_DOMAIN_MAX] = '\0';
	assert_int_equal(dns_domain_normalize(a, "value", slice_of(text), &out, &err), RC_OK);
	assert_int_equal(dns_challenge_name(a, out).len, 253);
	arena_free(a);
}

static void
servers_are_addresses(void **state)
{
	static const char *const good[] = { "192.0.2.53", "192.0.2.53:5353", "2001:db8::53",
		"[2001:db8::53]", "[2001:db8::53]:53", "::1" };
	static const char *const bad[] = { "", ":", "ns.example.com", "192.0.2.53:", "192.0.2.53:0",
		"192.0.2.53:65536", "192.0.2", "[::1", "[::1]53", "[192.0.2.53]", "192.0.2.53:x",
		"192.0.2.53 " };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!dns_server_valid(good[i]))
			failed("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (dns_server_valid(bad[i]))
			failed("taken: %s", bad[i]);
}

static void
what_to_put_where(void **state)
{
	struct arena *a = arena_new();

	(void)state;
	assert_string_equal(
		dns_challenge_name(a, SLICE("example.com")).p, "_rosterd-challenge.example.com");
	assert_string_equal(
		dns_challenge_text(a, SLICE("abc")).p, "rosterd-domain-verification=abc");
	arena_free(a);
}

static int
be_client(char **argv, int argc)
{
	static const char *const statuses[] = { [DNS_FOUND] = "FOUND",
		[DNS_NO_NAME] = "NO_NAME",
		[DNS_NO_TEXT] = "NO_TEXT",
		[DNS_FAILED] = "FAILED",
		[DNS_TIMEOUT] = "TIMEOUT" };
	struct dns_options o = { strcmp(argv[1], "-") != 0 ? argv[1] : NULL,
		(unsigned)strtoul(argv[2], NULL, 10) };
	struct arena *a = arena_new();
	struct slice *texts = NULL;
	struct err err = ERR_INIT;
	size_t n = 0;
	enum rc rc;

	if (argc == 6) {
		rc = dns_challenge_check(
			&o, a, "value", slice_of(argv[4]), slice_of(argv[5]), &err);
		(void)printf("%s\n%s\n", rc_name(rc), err.detail);
	} else {
		(void)puts(statuses[dns_txt_lookup(&o, a, slice_of(argv[4]), &texts, &n)]);
		for (size_t i = 0; i < n; i++)
			(void)printf("%.*s\n", SLICE_ARG(texts[i]));
	}
	arena_free(a);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(domains_are_normalised),
		cmocka_unit_test(the_longest_domain),
		cmocka_unit_test(servers_are_addresses),
		cmocka_unit_test(what_to_put_where),
	};

	if (argc == 5 || argc == 6)
		return be_client(argv, argc);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
