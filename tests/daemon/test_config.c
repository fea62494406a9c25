/* The configuration: files by their text, errors by their words, the manual against the table. */
#include "tests/daemon/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/config_table.h"

static char file_name[] = "/tmp/rosterd-config-XXXXXX";

static enum rc
load(const char *text, struct config **out, struct err *err)
{
	FILE *f = fopen(file_name, "w");
	enum rc rc;

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	*out = NULL;
	rc = config_load(file_name, out, err);
	return rc;
}

#define PLAIN "listen = [ \"http://127.0.0.1:80\" ];\n"

static void
values_arrive(void **state)
{
	struct err err = ERR_INIT;
	struct config *c;

	(void)state;
	if (load("data_directory = \"/d\";\nlisten = [ \"https://a:1\", \"http://b:2\" ];\n"
		 "public_url = \"https://scim.example.com//\";\n"
		 "tls: { certificate = \"c.pem\"; private_key = \"k.pem\"; };\n"
		 "store: { map_size = \"2 GiB\"; map_limit = 68719476736L; };\n"
		 "gzip = false; log_level = \"debug\"; workers = 3;\n"
		 "rate: { token = 7; };\n",
		    &c, &err) != RC_OK)
		failed("%s", err.detail);
	assert_string_equal(c->data_directory, "/d");
	assert_string_equal(c->listen[0], "https://a:1");
	assert_string_equal(c->listen[1], "http://b:2");
	assert_null(c->listen[2]);
	assert_string_equal(c->public_url, "https://scim.example.com");
	assert_string_equal(c->tls_certificate, "c.pem");
	assert_string_equal(c->control_socket, "/d/control.sock");
	assert_int_equal(c->map_size, 2147483648u);
	assert_int_equal(c->map_limit, 68719476736u);
	assert_false(c->gzip);
	assert_int_equal(c->log_level, 3);
	assert_int_equal(c->workers, 3);
	assert_int_equal(c->rate_token, 7);
	assert_int_equal(c->rate_token_burst, 4000); /* not in the file */
	assert_int_equal(c->password_memory, 19456);
	config_free(c);
}

static void
one_listener_may_be_a_text(void **state)
{
	struct err err = ERR_INIT;
	struct config *c;

	(void)state;
	assert_int_equal(load("listen = \"http://[::1]:80\";\n", &c, &err), RC_OK);
	assert_string_equal(c->listen[0], "http://[::1]:80");
	assert_null(c->listen[1]);
	assert_true(c->workers >= 1);
	config_free(c);
}

static void
mail_servers_are_taken(void **state)
{
	static const char *const good[] = { "smtp://mail.example.com:587", "smtps://[::1]:465",
		"SMTP://127.0.0.1:25/", "smtp://localhost", "smtp://[::1]" };
	struct err err = ERR_INIT;
	struct config *c;
	char text[300];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		(void)snprintf(text, sizeof(text),
			PLAIN "public_url = \"https://h\";\n"
			      "mail: { server = \"%s\"; from = \"a@b\"; };\n", good[i]);
		assert_int_equal(load(text, &c, &err), RC_OK);
		assert_string_equal(c->mail_server, good[i]);
		assert_int_equal(c->mail_starttls, MAIL_TLS_REQUIRE);
		config_free(c);
	}
}

/* Each mistake, and what its message must hold: the line, the setting, the limit. */
static const struct {
	const char *text, *words[3];
} mistakes[] = {
	{ PLAIN "colour = 1;\n", { ":2:", "\"colour\"" } },
	{ PLAIN "\nrate: {\n token = 5;\n tokens = 5;\n};\n", { ":5:", "\"rate.tokens\"" } },
	{ PLAIN "workers = \"two\";\n", { ":2:", "workers", "whole number" } },
	{ PLAIN "workers = 257;\n", { ":2:", "workers", "0 to 256" } },
	{ PLAIN "workers = -1;\n", { ":2:", "workers", "0 to 256" } },
	{ PLAIN "workers = 99999999999;\n", { ":2:", "workers" } },
	{ PLAIN "gzip = 1;\n", { ":2:", "gzip", "true or false" } },
	{ PLAIN "log_level = \"loud\";\n", { ":2:", "log_level", "\"warn\"" } },
	{ PLAIN "store: { map_size = \"5 fingers\"; };\n", { ":2:", "store.map_size" } },
	{ PLAIN "store: { map_size = \"1 MiB\"; };\n",
		{ ":2:", "store.map_size", "16 MiB to 64 TiB" } },
	{ PLAIN "store: {\n map_size = \"2 TiB\";\n};\n",
		{ ":3:", "store.map_size", "store.map_limit" } },
	{ PLAIN "scim: { page_default = 900; page_max = 500; };\n",
		{ ":2:", "scim.page_default", "500" } },
	{ PLAIN "scim: { bulk_payload = \"9 MiB\"; };\n",
		{ ":2:", "scim.bulk_payload", "limits.body" } },
	{ PLAIN "public_url = \"scim.example.com\";\n", { ":2:", "public_url", "https://" } },
	{ PLAIN "data_directory = \"\";\n", { ":2:", "data_directory", "empty" } },
	{ PLAIN "user = 5;\n", { ":2:", "user", "text" } },
	{ "listen = [ ];\n", { ":1:", "listen" } },
	{ "listen = [ \"ftp://a\" ];\n", { ":1:", "listen", "ftp://a" } },
	{ "\nlisten = [ \"https://a:1\" ];\n", { ":2:", "tls.certificate" } },
	{ PLAIN "token: { lifetime = 0; lifetime_max = 30; };\n",
		{ ":2:", "token.lifetime", "30" } },
	{ PLAIN "mail: { server = \"mail.example.com:25\"; from = \"a@b\"; };\n",
		{ ":2:", "mail.server", "smtp://" } },
	{ PLAIN "mail: { server = \"smtp://u:p@host\"; from = \"a@b\"; };\n",
		{ ":2:", "mail.server", "smtp://" } },
	{ PLAIN "mail: { server = \"smtp://host:0\"; from = \"a@b\"; };\n",
		{ ":2:", "mail.server", "smtp://" } },
	{ PLAIN "mail: { server = \"smtp://\"; from = \"a@b\"; };\n",
		{ ":2:", "mail.server", "smtp://" } },
	{ PLAIN "mail: { server = \"smtp://host/other\"; from = \"a@b\"; };\n",
		{ ":2:", "mail.server", "smtp://" } },
	{ PLAIN "mail: { server = \"smtp://host:25\"; };\n", { ":2:", "mail.from" } },
	{ PLAIN "mail: { server = \"smtp://host:25\"; from = \"a@b\"; };\n",
		{ ":2:", "mail.server", "public_url" } },
	{ PLAIN "mail: { server = \"smtp://h\"; from = \"a@b\"; user = \"u\"; };\n",
		{ ":2:", "mail.password_file" } },
	{ PLAIN "mail: { server = \"smtp://h\"; from = \"a@b\"; user = \"u\";\n"
		"password_file = \"/p\"; starttls = \"try\"; };\n",
		{ ":2:", "mail.user", "TLS" } },
	{ PLAIN "mail: { retry_first = 60; retry_max = 30; };\n",
		{ ":2:", "mail.retry_first", "30" } },
	{ PLAIN "dns: { server = \"ns.example.com\"; };\n", { ":2:", "dns.server", "ns.example.com" } },
	{ PLAIN "gzip = true\nworkers == 2;\n", { ":3:" } },
	{ PLAIN "tls = 5;\n", { ":2:", "\"tls\"" } },
};

static void
mistakes_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct err err = ERR_INIT;
		struct config *c;

		if (load(mistakes[i].text, &c, &err) == RC_OK)
			failed("taken: %s", mistakes[i].text);
		assert_non_null(strstr(err.detail, file_name));
		for (size_t w = 0; w < 3 && mistakes[i].words[w] != NULL; w++)
			if (strstr(err.detail, mistakes[i].words[w]) == NULL)
				failed("\"%s\" is not in \"%s\"", mistakes[i].words[w], err.detail);
	}
}

static void
a_missing_file_is_named(void **state)
{
	struct err err = ERR_INIT;
	struct config *c;

	(void)state;
	assert_int_equal(config_load("/nowhere/rosterd.conf", &c, &err), RC_NOT_FOUND);
	assert_non_null(strstr(err.detail, "/nowhere/rosterd.conf"));
}

/* The printed example is read back: every setting is in it, at its default. */
static void
the_example_is_the_defaults(void **state)
{
	struct buf text = BUF_INIT, left = BUF_INIT;
	struct config *c, *defaults;
	struct err err = ERR_INIT;
	char *listen;

	(void)state;
	config_print_example(&text);
	for (size_t i = 0; i < config_setting_count; i++) {
		const char *dot = strchr(config_settings[i].name, '.');
		char line[80];

		(void)snprintf(line, sizeof(line),
			"%s = ", dot != NULL ? dot + 1 : config_settings[i].name);
		if (memmem(text.p, text.len, line, strlen(line)) == NULL)
			failed("%s is not in the example", config_settings[i].name);
	}
	buf_char(&text, '\0');
	/* The default address is https, which needs a certificate, and that has no default. */
	listen = strstr(text.p, "\"https://127.0.0.1:8443\" ]");
	assert_non_null(listen);
	memcpy(listen, "\"http:///127.0.0.1:8443\" ]", 26);
	assert_int_equal(config_default("/var/lib/rosterd", &defaults, &err), RC_OK);
	if (load(text.p, &c, &err) != RC_OK)
		failed("%s", err.detail);
	(void)config_reload(defaults, c, &left);
	buf_char(&left, '\0');
	assert_string_equal(left.p, "listen");
	config_free(c);
	config_free(defaults);
	buf_release(&text);
	buf_release(&left);
}

static void
reload_takes_what_it_may(void **state)
{
	struct buf left = BUF_INIT;
	struct config *live, *fresh;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(load(PLAIN, &live, &err), RC_OK);
	assert_int_equal(
		load(PLAIN
			"rate: { token = 3; }; workers = 200; log_level = \"error\"; user = \"u\";",
			&fresh, &err),
		RC_OK);
	assert_int_equal(config_reload(live, fresh, &left), 2);
	buf_char(&left, '\0');
	assert_string_equal(left.p, "user, workers");
	assert_int_equal(live->rate_token, 3);
	assert_int_equal(live->log_level, 0);
	assert_true(live->workers != 200);
	buf_release(&left);
	config_free(live);
	config_free(fresh);
}

static char *
read_file(const char *name)
{
	const char *srcdir = getenv("srcdir");
	char path[4096];
	struct buf b = BUF_INIT;
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", srcdir != NULL ? srcdir : ".", name);
	if ((f = fopen(path, "r")) == NULL)
		failed("%s can't be read", path);
	while ((n = fread(buf_reserve(&b, 4096), 1, 4096, f)) > 0)
		b.len += n;
	(void)fclose(f);
	buf_char(&b, '\0');
	return b.p;
}

static void
the_documents_are_of_this_table(void **state)
{
	struct buf made = BUF_INIT;
	char *file;

	(void)state;
	config_print_manual(&made);
	buf_char(&made, '\0');
	file = read_file("docs/man/rosterd.conf.5");
	if (strstr(file, made.p) == NULL)
		failed("docs/man/rosterd.conf.5: put in what rosterd --print-manual prints");
	free(file);
	buf_clear(&made);
	config_print_example(&made);
	buf_char(&made, '\0');
	file = read_file("docs/rosterd.conf.example");
	if (strcmp(file, made.p) != 0)
		failed("docs/rosterd.conf.example: put in what rosterd --print-config prints");
	free(file);
	buf_release(&made);
}

static int
remove_file(void **state)
{
	(void)state;
	return unlink(file_name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_arrive),
		cmocka_unit_test(one_listener_may_be_a_text),
		cmocka_unit_test(mail_servers_are_taken),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(a_missing_file_is_named),
		cmocka_unit_test(the_example_is_the_defaults),
		cmocka_unit_test(reload_takes_what_it_may),
		cmocka_unit_test(the_documents_are_of_this_table),
	};
	int fd = mkstemp(file_name);

	if (fd < 0)
		return 1;
	(void)close(fd);
	return cmocka_run_group_tests(tests, NULL, remove_file);
}
