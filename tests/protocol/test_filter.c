#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/filter.h"
#include "tests/protocol/tree_fixture.h"

#include <cmocka.h> /* last: it has a fail() of its own */

static const char ada[] =
	"{\"id\":\"0190-ADA\",\"externalId\":\"Ext-1\",\"userName\":\"Bjensen@Example.com\","
	"\"name\":{\"formatted\":\"Ms. Barbara O'Malley\",\"familyName\":\"O'Malley\",\"givenName\":\"Barbara\"},"
	"\"displayName\":\"Babs \\\"B\\\" J\\u00c4NSEN \\ud83d\\ude80\",\"title\":\"Tour Guide\","
	"\"userType\":\"Employee\",\"active\":true,"
	"\"profileUrl\":\"https://login.example.com/Bjensen\","
	"\"emails\":[{\"value\":\"bjensen@example.com\",\"type\":\"work\",\"primary\":true},"
	"{\"value\":\"babs@jensen.org\",\"type\":\"home\"}],"
	"\"ims\":[{\"value\":\"babs@foo.com\",\"type\":\"xmpp\"}],"
	"\"addresses\":[{\"type\":\"work\",\"locality\":\"Hollywood\",\"country\":\"US\"}],"
	"\"x509Certificates\":[{\"value\":\"AQID\"}],"
	"\"" URN_ENTERPRISE "\":{\"employeeNumber\":\"701984\",\"department\":\"Tour Operations\","
	"\"manager\":{\"value\":\"0190-Boss\"}},"
	"\"meta\":{\"resourceType\":\"User\",\"created\":\"2010-01-23T04:56:22Z\","
	"\"lastModified\":\"2011-05-13T04:42:34Z\",\"version\":\"W/\\\"3\\\"\"}}";

static const char bob[] = "{\"id\":\"0190-bob\",\"userName\":\"bob\",\"active\":false,"
			  "\"meta\":{\"resourceType\":\"User\",\"lastModified\":\"2024-02-29T00:00:00Z\"}}";

/* What a filter says of ada and of bob in the dialects tolerant, strict, interop: Y, N, or E for invalidFilter. By hand, from
 * RFC 7644 section 3.4.2.2. */
static const struct {
	const char *filter, *ada, *bob;
} rows[] = {
	/* The examples of RFC 7644 Figure 2 */
	{ "userName eq \"bjensen\"", "NNN", "NNN" },
	{ "userName eq \"bjensen@example.com\"", "YYY", "NNN" },
	{ "name.familyName co \"O'Malley\"", "YYY", "NNN" },
	{ "userName sw \"B\"", "YYY", "YYY" },
	{ URN_USER ":userName sw \"BJ\"", "YYY", "NNN" },
	{ "title pr", "YYY", "NNN" },
	{ "meta.lastModified gt \"2011-05-13T04:42:34Z\"", "NNN", "YYY" },
	{ "meta.lastModified ge \"2011-05-13T04:42:34Z\"", "YYY", "YYY" },
	{ "meta.lastModified lt \"2011-05-13T04:42:34Z\"", "NNN", "NNN" },
	{ "meta.lastModified le \"2011-05-13T04:42:34Z\"", "YYY", "NNN" },
	{ "title pr and userType eq \"Employee\"", "YYY", "NNN" },
	{ "title pr or userType eq \"Intern\"", "YYY", "NNN" },
	{ "schemas eq \"" URN_ENTERPRISE "\"", "YYY", "NNN" },
	{ "userType eq \"Employee\" and (emails co \"example.com\" or emails.value co \"example.org\")", "YYY",
		"NNN" },
	{ "userType ne \"Employee\" and not (emails co \"example.com\" or emails.value co \"example.org\")", "NNN",
		"YYY" },
	{ "userType eq \"Employee\" and (emails.type eq \"work\")", "YYY", "NNN" },
	{ "userType eq \"Employee\" and emails[type eq \"work\" and value co \"@example.com\"]", "YYY", "NNN" },
	{ "emails[type eq \"work\" and value co \"@example.com\"] or ims[type eq \"xmpp\" and value co \"@foo.com\"]",
		"YYY", "NNN" },
	/* Names and operators without case */
	{ "USERNAME Eq \"BOB\"", "NNN", "YYY" },
	{ "Emails[TYPE EQ \"WORK\"]", "YYY", "NNN" },
	{ "title PR AND NOT (active EQ false) OR userName eq \"bob\"", "YYY", "YYY" },
	{ "URN:IETF:params:scim:schemas:extension:ENTERPRISE:2.0:user:DEPARTMENT sw \"tour\"", "YYY", "NNN" },
	/* caseExact */
	{ "externalId eq \"Ext-1\"", "YYY", "NNN" },
	{ "externalId eq \"ext-1\"", "NNN", "NNN" },
	{ "id eq \"0190-ADA\"", "YYY", "NNN" },
	{ "id eq \"0190-ada\"", "NNN", "NNN" },
	{ "profileUrl sw \"https://login.example.com/B\"", "YYY", "NNN" },
	{ "profileUrl sw \"https://login.example.com/b\"", "NNN", "NNN" },
	{ "meta.resourceType eq \"User\"", "YYY", "YYY" },
	{ "meta.version eq \"W/\\\"3\\\"\"", "YYY", "NNN" },
	/* The operators on texts */
	{ "title ew \"guide\"", "YYY", "NNN" },
	{ "title ew \"tour guide and more\"", "NNN", "NNN" },
	{ "title sw \"tour guide\"", "YYY", "NNN" },
	{ "title co \"r g\"", "YYY", "NNN" },
	{ "title co \"\"", "YYY", "NNN" },
	{ "title gt \"tour g\"", "YYY", "NNN" },
	{ "title gt \"Tour Guide\"", "NNN", "NNN" },
	{ "title ge \"TOUR GUIDE\"", "YYY", "NNN" },
	{ "title lt \"u\"", "YYY", "NNN" },
	{ "title le \"tour\"", "NNN", "NNN" },
	{ "userName lt \"c\"", "YYY", "YYY" },
	/* Absent attributes */
	{ "title eq \"x\"", "NNN", "NNN" },
	{ "title ne \"x\"", "YYY", "YYY" },
	{ "title ne \"tour guide\"", "NNN", "YYY" },
	{ "title eq null", "NNN", "YYY" },
	{ "title ne null", "YYY", "NNN" },
	{ "name pr", "YYY", "NNN" },
	{ "name.middleName pr", "NNN", "NNN" },
	{ "name eq null", "NNN", "YYY" },
	{ "emails pr", "YYY", "NNN" },
	{ "emails eq null", "NNN", "YYY" },
	{ "emails.value eq \"x\"", "NNN", "NNN" },
	{ "emails.value ne \"x\"", "YYY", "YYY" },
	{ URN_ENTERPRISE " pr", "YYY", "NNN" },
	{ "meta.location pr", "YYY", "YYY" },
	/* Several values: any of them; one of them in brackets */
	{ "emails.type eq \"work\" and emails.value eq \"babs@jensen.org\"", "YYY", "NNN" },
	{ "emails[type eq \"work\" and value eq \"babs@jensen.org\"]", "NNN", "NNN" },
	{ "emails.type ne \"work\"", "YYY", "YYY" },
	{ "not (emails.type eq \"work\")", "NNN", "YYY" },
	{ "emails[not (type eq \"work\")]", "YYY", "NNN" },
	{ "emails[type eq \"other\" or (value ew \"ORG\" and primary eq false)]", "YYY", "NNN" },
	{ "emails[primary eq true and value ew \"com\"]", "YYY", "NNN" },
	{ "emails[primary eq false]", "YYY", "NNN" },   /* RFC 7643 section 2.4: absent is false */
	{ "ims[primary eq true]", "NNN", "NNN" },
	{ "ims[primary ne true]", "YYY", "NNN" },
	{ "emails.primary eq false", "YYY", "NNN" },
	{ "ims.primary pr", "NNN", "NNN" },
	{ "name[familyName eq \"o'malley\" and givenName pr]", "YYY", "NNN" },
	{ URN_ENTERPRISE "[department pr and manager.value eq \"0190-Boss\"]", "YYY", "NNN" },
	{ "addresses[country eq \"us\" and locality sw \"h\"]", "YYY", "NNN" },
	/* Booleans, dates, binary */
	{ "active eq true", "YYY", "NNN" },
	{ "active ne true", "NNN", "YYY" },
	{ "active eq \"True\"", "YEE", "NEE" },
	{ "active eq False", "NEE", "YEE" },
	{ "active eq 1", "EEE", "EEE" },
	{ "active gt false", "EEE", "EEE" },
	{ "active co \"t\"", "EEE", "EEE" },
	{ "roles[primary eq \"True\"]", "NEE", "NEE" },
	{ "meta.lastModified eq \"2011-05-13T06:42:34.000+02:00\"", "YYY", "NNN" },
	{ "meta.lastModified ne \"2011-05-13T04:42:34.0000001Z\"", "YYY", "YYY" },
	{ "meta.created lt \"2010-01-23T05:56:22.5+01:00\"", "YYY", "NNN" },
	{ "meta.lastModified co \"2011\"", "EEE", "EEE" },
	{ "meta.lastModified gt \"yesterday\"", "EEE", "EEE" },
	{ "x509Certificates.value eq \"AQID\"", "YYY", "NNN" },
	{ "x509Certificates eq \"AQIE\"", "NNN", "NNN" },
	{ "x509Certificates.value gt \"AQID\"", "EEE", "EEE" },
	{ "x509Certificates.value eq \"A\"", "EEE", "EEE" },
	/* Literals */
	{ "displayName eq \"babs \\\"b\\\" j\\u00E4nsen \\uD83D\\uDE80\"", "YYY", "NNN" },
	{ "displayName co \"\xc3\xa4nsen\"", "YYY", "NNN" },
	{ "profileUrl eq \"https:\\/\\/login.example.com\\/Bjensen\"", "YYY", "NNN" },
	{ "displayName eq \"\\uD83D\"", "EEE", "EEE" },
	{ "displayName eq \"\\uDE80\\uD83D\"", "EEE", "EEE" },
	{ "displayName eq \"\\uD83D\\u0041\"", "EEE", "EEE" },
	{ "displayName eq \"\\u0000\"", "EEE", "EEE" },
	{ "displayName eq \"\\x\"", "EEE", "EEE" },
	{ "displayName eq \"open", "EEE", "EEE" },
	{ "displayName eq \"\\", "EEE", "EEE" },
	{ "displayName eq \"a\tb\"", "EEE", "EEE" },
	{ "userName eq bob", "NEE", "YEE" },
	{ "userName eq bob and active eq false", "NEE", "YEE" },
	{ "(userName eq bob)", "NEE", "YEE" },
	{ URN_ENTERPRISE ":employeeNumber eq 701984", "YEE", "NEE" },
	{ "title eq true", "NEE", "NEE" },
	{ "title gt null", "EEE", "EEE" },
	{ "active eq null", "NNN", "NNN" },
	/* Precedence and grouping */
	{ "title pr or title pr and active eq false", "YYY", "NNN" },
	{ "(title pr or title pr) and active eq false", "NNN", "NNN" },
	{ "active eq false and title pr or userName eq \"bob\"", "NNN", "YYY" },
	{ "not (title pr) or title pr", "YYY", "YYY" },
	{ "not (title pr or active eq false)", "NNN", "NNN" },
	{ "not(title pr)", "NNN", "YYY" },
	{ "((((title pr))))", "YYY", "NNN" },
	{ "title pr and(active eq true)", "YEE", "NEE" },
	{ "(title pr)and (active eq true)", "YEE", "NEE" },
	{ "(title pr) and (active eq true)", "YYY", "NNN" },
	{ "userName eq\"bob\"", "NEE", "YEE" },
	/* What is outside the grammar, but sent */
	{ "emails[type eq \"work\"].value eq \"BJENSEN@example.com\"", "YEE", "NEE" },
	{ "emails[type eq \"home\"].value eq \"bjensen@example.com\"", "NEE", "NEE" },
	{ "emails[type eq \"home\"].value pr and active eq true", "YEE", "NEE" },
	{ "id eq \"0190-ADA\" and manager eq \"0190-Boss\"", "YEE", "NEE" },
	{ "manager.value eq \"0190-boss\"", "NEE", "NEE" },
	{ URN_ENTERPRISE ":manager.value eq \"0190-Boss\"", "YYY", "NNN" },
	{ URN_ENTERPRISE ":manager eq \"0190-Boss\"", "YEE", "NEE" },
	/* schemas */
	{ "schemas eq \"" URN_USER "\"", "YYY", "YYY" },
	{ "schemas co \"ENTERPRISE\"", "YYY", "NNN" },
	{ "schemas eq \"urn:nobody\"", "NNN", "NNN" },
	{ "schemas[value eq \"" URN_ENTERPRISE "\"]", "YYY", "NNN" },
	{ "schemas pr", "YYY", "YYY" },
	/* Refused */
	{ "password eq \"x\"", "EEE", "EEE" },
	{ "password pr", "EEE", "EEE" },
	{ "userName eq \"bob\" or password sw \"a\"", "EEE", "EEE" },
	{ "shoeSize eq 42", "EEE", "EEE" },
	{ "title pr and shoeSize pr", "EEE", "EEE" },
	{ "emails.shoe eq \"x\"", "EEE", "EEE" },
	{ "emails[shoe eq \"x\"]", "EEE", "EEE" },
	{ "emails[userName eq \"x\"]", "EEE", "EEE" },
	{ "urn:example:other:2.0:User:userName eq \"x\"", "EEE", "EEE" },
	{ "userName.value eq \"x\"", "EEE", "EEE" },
	{ "addresses eq \"x\"", "EEE", "EEE" },
	{ "name eq \"x\"", "EEE", "EEE" },
	{ "name.familyName[value eq \"x\"]", "EEE", "EEE" },
	{ "meta.location eq \"https://x\"", "EEE", "EEE" },
	{ "userName regex \"x\"", "EEE", "EEE" },
	{ "userName", "EEE", "EEE" },
	{ "userName ", "EEE", "EEE" },
	{ "userName eq", "EEE", "EEE" },
	{ "userName eq ", "EEE", "EEE" },
	{ "eq \"x\"", "EEE", "EEE" },
	{ "", "EEE", "EEE" },
	{ " ", "EEE", "EEE" },
	{ "(", "EEE", "EEE" },
	{ "()", "EEE", "EEE" },
	{ "(title pr", "EEE", "EEE" },
	{ "title pr)", "EEE", "EEE" },
	{ "title pr and", "EEE", "EEE" },
	{ "title pr and ", "EEE", "EEE" },
	{ "and title pr", "EEE", "EEE" },
	{ "title pr title pr", "EEE", "EEE" },
	{ "title pr xor title pr", "EEE", "EEE" },
	{ "not title pr", "EEE", "EEE" },
	{ "emails[type eq \"work\"", "EEE", "EEE" },
	{ "emails[]", "EEE", "EEE" },
	{ "emails[type eq \"work\"]]", "EEE", "EEE" },
	{ "emails[value[type eq \"x\"]]", "EEE", "EEE" },
	{ URN_ENTERPRISE "[manager[value eq \"x\"]]", "EEE", "EEE" },
	{ "emails[type eq \"work\"].shoe eq \"x\"", "EEE", "EEE" },
	{ "emails[type eq \"work\"]value eq \"x\"", "EEE", "EEE" },
	{ "userName eq \"b\xff\"", "EEE", "EEE" },
	{ "userName eq 01", "NEE", "NEE" },
};

static char
verdict(struct arena *a, const char *text, enum dialect dialect, const struct node *root)
{
	struct err err = ERR_INIT;
	struct filter *f;
	enum rc rc = filter_parse(a, fixture_schemas(), fixture_type(TYPE_USER), slice_of(text), dialect, &f, &err);

	if (rc == RC_OK)
		return filter_match(f, root, NULL, a) ? 'Y' : 'N';
	assert_int_equal(rc, RC_INVALID_FILTER);
	assert_true(err.detail[0] != '\0' && err.path[0] != '\0');
	return 'E';
}

static void
filters_match_as_the_rfc_says(void **state)
{
	static const char *const names[] = { "tolerant", "strict", "interop" };
	struct arena *a = arena_new();
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int d = DIALECT_TOLERANT; d <= DIALECT_INTEROP; d++) {
			struct node *x = fixture_tree(a, fixture_type(TYPE_USER), ada);
			struct node *y = fixture_tree(a, fixture_type(TYPE_USER), bob);
			char of_ada = verdict(a, rows[i].filter, (enum dialect)d, x);
			char of_bob = verdict(a, rows[i].filter, (enum dialect)d, y);

			if (of_ada != rows[i].ada[d] || of_bob != rows[i].bob[d]) {
				print_error("%s: %s: ada %c, not %c; bob %c, not %c\n", names[d], rows[i].filter,
					of_ada, rows[i].ada[d], of_bob, rows[i].bob[d]);
				wrong++;
			}
			arena_clear(a);
		}
	arena_free(a);
	assert_int_equal(wrong, 0);
}

static void
expect_error(const char *text, const char *path, const char *detail)
{
	struct arena *a = arena_new();
	struct err err = ERR_INIT;
	struct filter *f;

	assert_int_equal(filter_parse(a, fixture_schemas(), fixture_type(TYPE_USER), slice_of(text),
		DIALECT_TOLERANT, &f, &err), RC_INVALID_FILTER);
	assert_string_equal(err.path, path);
	if (strstr(err.detail, detail) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.detail, detail);
	arena_free(a);
}

static void
errors_name_attribute_and_position(void **state)
{
	(void)state;
	expect_error("title pr and shoeSize pr", "shoeSize", "character 14");
	expect_error("userName regex \"x\"", "filter", "'regex' is not supported");
	expect_error("userName regex \"x\"", "filter", "character 10");
	expect_error("active gt true", "active", "'gt'");
	expect_error("password pr", "password", "never returned");
	expect_error("addresses eq \"x\"", "addresses", "sub-attribute");
	expect_error("title pr and title", "filter", "character 19: a blank");
	expect_error("meta.lastModified gt \"soon\"", "meta.lastModified", "dateTime");
	expect_error("(title pr", "filter", "character 1:");
}

static void
limits_are_kept(void **state)
{
	struct arena *a = arena_new();
	struct err err = ERR_INIT;
	struct filter *f;
	static char text[FILTER_LENGTH_MAX * 2];
	size_t len = 0;

	(void)state;
	for (int i = 0; i < FILTER_DEPTH_MAX; i++)
		text[len++] = '(';
	memcpy(text + len, "id pr", 5);
	len += 5;
	for (int i = 0; i < FILTER_DEPTH_MAX; i++)
		text[len++] = ')';
	assert_int_equal(filter_parse(a, fixture_schemas(), fixture_type(TYPE_USER), (struct slice){ text, len },
		DIALECT_STRICT, &f, &err), RC_OK);
	memset(text, '(', sizeof(text));
	assert_int_equal(filter_parse(a, fixture_schemas(), fixture_type(TYPE_USER),
		(struct slice){ text, FILTER_LENGTH_MAX }, DIALECT_STRICT, &f, &err), RC_INVALID_FILTER);
	assert_non_null(strstr(err.detail, "64"));
	/* Brackets side by side are not deep. */
	len = 0;
	for (int i = 0; i < FILTER_DEPTH_MAX * 2; i++, len += 16)
		memcpy(text + len, "ims[type pr] or ", 16);
	assert_int_equal(filter_parse(a, fixture_schemas(), fixture_type(TYPE_USER),
		(struct slice){ text, len - 4 }, DIALECT_STRICT, &f, &err), RC_OK);
	len = 0;
	for (int i = 0; i < FILTER_TERMS_MAX; i++, len += 9)
		memcpy(text + len, "id pr or ", 9);
	assert_int_equal(filter_parse(a, fixture_schemas(), fixture_type(TYPE_USER),
		(struct slice){ text, len - 4 }, DIALECT_STRICT, &f, &err), RC_OK);
	assert_int_equal(f->terms, FILTER_TERMS_MAX);
	memcpy(text + len, "id pr", 5);
	assert_int_equal(filter_parse(a, fixture_schemas(), fixture_type(TYPE_USER),
		(struct slice){ text, len + 5 }, DIALECT_STRICT, &f, &err), RC_INVALID_FILTER);
	assert_non_null(strstr(err.detail, "256"));
	memset(text, ' ', sizeof(text));
	assert_int_equal(filter_parse(a, fixture_schemas(), fixture_type(TYPE_USER),
		(struct slice){ text, FILTER_LENGTH_MAX + 1 }, DIALECT_STRICT, &f, &err), RC_INVALID_FILTER);
	assert_non_null(strstr(err.detail, "8192"));
	arena_free(a);
}

/* ---- Computed attributes ---- */

struct edges {
	const struct node *list;
	int loads, looks;
};

static const struct node *
edges_load(void *ctx, const struct attr *attr)
{
	struct edges *e = ctx;

	(void)attr;
	e->loads++;
	return e->list;
}

static bool
edges_has(void *ctx, const struct attr *attr, struct slice id)
{
	struct edges *e = ctx;

	(void)attr;
	e->looks++;
	for (const struct node *n = e->list != NULL ? e->list->child : NULL; n != NULL; n = n->next)
		if (id.p == NULL || slice_eq(n->child->text, id))
			return true;
	return false;
}

static void
edges_are_asked_for(void **state)
{
	static const struct {
		const char *filter;
		bool match;
		int loads, looks;
	} cases[] = {
		{ "displayName eq \"crew\"", true, 0, 0 },
		{ "members eq \"u1\"", true, 0, 1 },
		{ "members.value eq \"U1\"", false, 0, 1 },
		{ "id eq \"g\" and members eq \"u9\"", false, 0, 1 },
		{ "id eq \"other\" and members eq \"u1\"", false, 0, 0 },
		{ "members[value eq \"u2\"]", true, 0, 1 },
		{ "members pr", true, 0, 1 },
		{ "members.value pr", true, 0, 1 },
		{ "members eq null", false, 0, 1 },
		{ "members[value eq \"u1\" and type eq \"group\"]", false, 1, 0 },
		{ "members[value eq \"u2\" and type eq \"group\"] or members.type eq \"Robot\"", true, 1, 0 },
		{ "members.type eq \"Robot\" or members.display sw \"a\" or members.type eq \"User\"", true, 1, 0 },
		{ "members.value ne \"u1\"", true, 1, 0 },
	};
	const struct resource_type *group = fixture_type(TYPE_GROUP);
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct node *root = fixture_tree(a, group, "{\"id\":\"g\",\"displayName\":\"Crew\"}");
		struct node *with = fixture_tree(a, group, "{\"members\":[{\"value\":\"u1\",\"type\":\"User\"},"
			"{\"value\":\"u2\",\"type\":\"Group\"}]}");
		struct edges e = { with->child, 0, 0 };
		struct filter_source source = { &e, edges_load, edges_has };
		struct err err = ERR_INIT;
		struct filter *f;

		assert_int_equal(filter_parse(a, fixture_schemas(), group, slice_of(cases[i].filter),
			DIALECT_TOLERANT, &f, &err), RC_OK);
		if (filter_match(f, root, &source, a) != cases[i].match || e.loads != cases[i].loads ||
		    e.looks != cases[i].looks)
			fail_msg("%s: loads %d, looks %d", cases[i].filter, e.loads, e.looks);
		assert_true(filter_names(f, attr_find(group, SLICE("members"))) == (i > 0));
		arena_clear(a);
	}
	arena_free(a);
}

static void
an_element_filter_stands_alone(void **state)
{
	struct arena *a = arena_new();
	const struct attr *emails = attr_find(fixture_type(TYPE_USER), SLICE("emails"));
	struct node *root = fixture_tree(a, fixture_type(TYPE_USER), ada);
	const struct node *work = node_find(root, emails)->child;
	struct err err = ERR_INIT;
	struct filter *f;

	(void)state;
	assert_int_equal(filter_parse_element(a, emails, SLICE("type eq \"WORK\" and not (value ew \"org\")"),
		DIALECT_STRICT, &f, &err), RC_OK);
	assert_true(filter_match_element(f, work, a));
	assert_false(filter_match_element(f, work->next, a));
	assert_int_equal(filter_parse_element(a, emails, SLICE("value[type eq \"x\"]"), DIALECT_STRICT, &f, &err),
		RC_INVALID_FILTER);
	assert_int_equal(filter_parse_element(a, emails, SLICE("emails.type eq \"work\""), DIALECT_STRICT, &f, &err),
		RC_INVALID_FILTER);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_match_as_the_rfc_says),
		cmocka_unit_test(errors_name_attribute_and_position),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(edges_are_asked_for),
		cmocka_unit_test(an_element_filter_stands_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
