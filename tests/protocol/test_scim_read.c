#include "fixture.h"

#include "protocol/scim_read.h"

static const enum dialect dialects[] = { DIALECT_TOLERANT, DIALECT_STRICT, DIALECT_INTEROP };

static enum rc
read_as(struct fixture *f, enum dialect dialect, const struct resource_type *type,
	const json_t *body, struct resource_in *in, struct err *err)
{
	const struct read_options options = { dialect };

	*err = (struct err)ERR_INIT;
	return resource_read(f->a, f->set, type, body, &options, in, err);
}

static const struct node *
at(struct fixture *f, const struct resource_in *in, const char *path)
{
	const struct attr *attr =
		attr_find(in->root->attr == f->user->root ? f->user : f->group, slice_of(path));

	assert_non_null(attr);
	return node_find(in->root, attr);
}

static void
assert_text(const struct node *n, const char *want)
{
	assert_non_null(n);
	if (!slice_eq(n->text, slice_of(want)))
		fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARG(n->text), want);
}

static size_t
count_of(const struct node *list)
{
	size_t n = 0;

	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
		n++;
	return n;
}

/* RFC 7643 sections 8.1 to 8.3: the examples are good in every dialect. */
static void
reads_the_examples_of_the_rfc(void **state)
{
	struct fixture *f = *state;
	struct resource_in in;
	struct err err;

	for (size_t d = 0; d < 3; d++) {
		if (read_as(f, dialects[d], f->user, example_of(f, "user-minimal.json"), &in,
			    &err) != RC_OK)
			fail_msg("%s: %s", err.path, err.detail);
		assert_text(at(f, &in, "userName"), "bjensen@example.com");
		assert_null(at(f, &in, "id"));
		assert_null(at(f, &in, "meta.location"));

		if (read_as(f, dialects[d], f->user, example_of(f, "user-full.json"), &in, &err) !=
			RC_OK)
			fail_msg("%s: %s", err.path, err.detail);
		assert_text(at(f, &in, "externalId"), "701984");
		assert_text(at(f, &in, "name.honorificSuffix"), "III");
		assert_text(at(f, &in, "profileUrl"), "https://login.example.com/bjensen");
		assert_int_equal(count_of(at(f, &in, "emails")), 2);
		assert_int_equal(count_of(at(f, &in, "photos")), 2);
		assert_int_equal(count_of(at(f, &in, "x509Certificates")), 1);
		assert_int_equal(at(f, &in, "x509Certificates")->child->child->text.len, 839);
		assert_true(at(f, &in, "active")->boolean);
		assert_null(at(f, &in, "groups"));
		assert_null(at(f, &in, "password"));
		assert_true(slice_eq(in.password, SLICE("t1meMa$heen")));

		if (read_as(f, dialects[d], f->user, example_of(f, "user-enterprise.json"), &in,
			    &err) != RC_OK)
			fail_msg("%s: %s", err.path, err.detail);
		assert_text(at(f, &in, ENTERPRISE ":costCenter"), "4130");
		assert_text(at(f, &in, ENTERPRISE ":manager.value"),
			"26118915-6090-4610-87e4-49d8ca9f808d");
		assert_null(at(f, &in, ENTERPRISE ":manager.displayName"));

		if (read_as(f, dialects[d], f->group, example_of(f, "group.json"), &in, &err) !=
			RC_OK)
			fail_msg("%s: %s", err.path, err.detail);
		assert_text(at(f, &in, "displayName"), "Tour Guides");
		assert_true(in.has_members);
		assert_int_equal(in.members.count, 2);
		assert_true(
			slice_eq(in.members.ids[1], SLICE("902c246b-6245-4190-8e05-00816be7344a")));
		assert_null(at(f, &in, "members"));
	}
}

#define U "'schemas':['" USER_URN "'],"
#define UE "'schemas':['" USER_URN "','" ENTERPRISE "'],"
#define G "'schemas':['" GROUP_URN "'],"
#define ADA "'userName':'ada',"

/* One body, and what each dialect makes of it. path: that of the error, when there is one. */
struct row {
	char type;
	const char *body;
	enum rc tolerant, strict, interop;
	const char *path;
};

#define SAME(rc) RC_##rc, RC_##rc, RC_##rc

static const struct row rows[] = {
	/* required */
	{ 'u', "{" U "'displayName':'x'}", SAME(INVALID_VALUE), "userName" },
	{ 'u', "{" U "'userName':null}", SAME(INVALID_VALUE), "userName" },
	{ 'u', "{" U "'userName':''}", SAME(INVALID_VALUE), "userName" },
	{ 'g', "{" G "'externalId':'x'}", SAME(INVALID_VALUE), "displayName" },
	{ 'g', "{" G "'displayName':''}", SAME(INVALID_VALUE), "displayName" },
	{ 'g', "{" G "'displayName':'x'}", SAME(OK), "" },
	/* types */
	{ 'u', "{" U "'userName':1}", SAME(INVALID_VALUE), "userName" },
	{ 'u', "{" U "'userName':{}}", SAME(INVALID_VALUE), "userName" },
	{ 'u', "{" U "'userName':['a','b']}", SAME(INVALID_VALUE), "userName" },
	{ 'u', "{" U "'userName':['ada']}", RC_OK, RC_INVALID_VALUE, RC_INVALID_VALUE, "userName" },
	{ 'u', "{" U ADA "'title':1}", SAME(INVALID_VALUE), "title" },
	{ 'u', "{" U ADA "'title':true}", SAME(INVALID_VALUE), "title" },
	{ 'u', "{" U ADA "'active':1}", SAME(INVALID_VALUE), "active" },
	{ 'u', "{" U ADA "'active':'yes'}", SAME(INVALID_VALUE), "active" },
	{ 'u', "{" U ADA "'active':'True'}", RC_OK, RC_INVALID_VALUE, RC_INVALID_VALUE, "active" },
	{ 'u', "{" U ADA "'active':'false'}", RC_OK, RC_INVALID_VALUE, RC_INVALID_VALUE, "active" },
	{ 'u', "{" U ADA "'active':''}", RC_OK, RC_INVALID_VALUE, RC_INVALID_VALUE, "active" },
	{ 'u', "{" U ADA "'active':false}", SAME(OK), "" },
	{ 'u', "{" U ADA "'name':'Ada'}", SAME(INVALID_VALUE), "name" },
	{ 'u', "{" U ADA "'name':[{'givenName':'Ada'}]}", RC_OK, RC_INVALID_VALUE, RC_INVALID_VALUE,
		"name" },
	{ 'u', "{" U ADA "'name':{'givenName':7}}", SAME(INVALID_VALUE), "name.givenName" },
	{ 'u', "{" U ADA "'emails':{'value':'a@b'}}", RC_OK, RC_INVALID_VALUE, RC_INVALID_VALUE,
		"emails" },
	{ 'u', "{" U ADA "'emails':['a@b']}", RC_OK, RC_INVALID_VALUE, RC_INVALID_VALUE, "emails" },
	{ 'u', "{" U ADA "'emails':'a@b'}", RC_OK, RC_INVALID_VALUE, RC_INVALID_VALUE, "emails" },
	{ 'u', "{" U ADA "'roles':['admin']}", RC_OK, RC_INVALID_VALUE, RC_INVALID_VALUE, "roles" },
	{ 'u', "{" U ADA "'addresses':['Main Street']}", SAME(INVALID_VALUE), "addresses" },
	{ 'u', "{" U ADA "'emails':[['a@b']]}", SAME(INVALID_VALUE), "emails" },
	{ 'u', "{" U ADA "'emails':[{'value':'a@b','primary':'True'}]}", RC_OK, RC_INVALID_VALUE,
		RC_INVALID_VALUE, "emails.primary" },
	{ 'u', "{" U ADA "'emails':[null]}", RC_OK, RC_INVALID_VALUE, RC_INVALID_VALUE, "emails" },
	{ 'u', "{" U ADA "'x509Certificates':[{'value':'MII*'}]}", SAME(INVALID_VALUE),
		"x509Certificates.value" },
	{ 'u', "{" U ADA "'x509Certificates':[{'value':'_-8'}]}", SAME(OK), "" },
	{ 'u', "{" U ADA "'profileUrl':'../me'}", SAME(OK), "" },
	/* unassigned */
	{ 'u', "{" U ADA "'title':null,'emails':[],'name':{},'locale':null,'active':null}",
		SAME(OK), "" },
	{ 'u', "{" U ADA "'title':'','name':{'middleName':''},'profileUrl':''}", SAME(OK), "" },
	{ 'u', "{" U ADA "'title':[]}", RC_OK, RC_INVALID_VALUE, RC_INVALID_VALUE, "title" },
	/* readOnly values are passed over, whatever they are (RFC 7644 sections 3.3 and 3.5.1) */
	{ 'u', "{" U ADA "'id':5,'meta':'x','groups':[1]}", SAME(OK), "" },
	/* names without case */
	{ 'u',
		"{'SCHEMAS':['" USER_URN
		"'],'USERNAME':'ada','Emails':[{'Value':'a@b','PRIMARY':true}]}",
		SAME(OK), "" },
	/* unknown attributes */
	{ 'u', "{" U ADA "'shoeSize':44}", RC_OK, RC_OK, RC_INVALID_SYNTAX, "shoeSize" },
	{ 'u', "{" U ADA "'name':{'nick':'a'}}", RC_OK, RC_OK, RC_INVALID_SYNTAX, "name.nick" },
	{ 'g', "{" G "'displayName':'x','members':[{'value':'1','rank':2}]}", RC_OK, RC_OK,
		RC_INVALID_SYNTAX, "members.rank" },
	{ 'u', "{" U ADA "'department':null,'manager':null}", RC_OK, RC_OK, RC_INVALID_SYNTAX,
		NULL },
	{ 'u', "{" U ADA "'urn:x:y':{'a':1}}", RC_OK, RC_OK, RC_INVALID_SYNTAX, "urn:x:y" },
	/* schemas */
	{ 'u', "{'userName':'ada'}", RC_OK, RC_INVALID_SYNTAX, RC_INVALID_SYNTAX, "schemas" },
	{ 'u', "{'schemas':[],'userName':'ada'}", RC_OK, RC_INVALID_SYNTAX, RC_INVALID_SYNTAX,
		"schemas" },
	{ 'u', "{'schemas':'" USER_URN "','userName':'ada'}", RC_OK, RC_INVALID_SYNTAX,
		RC_INVALID_SYNTAX, "schemas" },
	{ 'u', "{'schemas':[1],'userName':'ada'}", SAME(INVALID_SYNTAX), "schemas" },
	{ 'u', "{'schemas':{},'userName':'ada'}", SAME(INVALID_SYNTAX), "schemas" },
	{ 'u', "{'schemas':['" GROUP_URN "'],'userName':'ada'}", SAME(INVALID_SYNTAX), "schemas" },
	{ 'u', "{'schemas':['" ENTERPRISE "'],'userName':'ada'}", RC_OK, RC_INVALID_SYNTAX,
		RC_INVALID_SYNTAX, "schemas" },
	{ 'u', "{'schemas':['URN:IETF:params:scim:schemas:core:2.0:user'],'userName':'ada'}",
		SAME(OK), "" },
	{ 'u', "{'schemas':['" USER_URN "','" USER_URN "'],'userName':'ada'}", RC_OK,
		RC_INVALID_SYNTAX, RC_INVALID_SYNTAX, "schemas" },
	{ 'g',
		"{'schemas':['" GROUP_URN
		"','http://schemas.example.com/2006/11/ADSCIM/2.0/Group'],"
		"'displayName':'x'}",
		RC_OK, RC_INVALID_SYNTAX, RC_INVALID_SYNTAX, "schemas" },
	{ 'u', "{" U ADA "'" ENTERPRISE "':{'department':'d'}}", RC_OK, RC_INVALID_SYNTAX,
		RC_INVALID_SYNTAX, "schemas" },
	{ 'u', "{" U ADA "'" ENTERPRISE "':{'department':null}}", SAME(OK), "" },
	{ 'u', "{" UE ADA "'" ENTERPRISE "':{'department':'d'}}", SAME(OK), "" },
	{ 'u', "{" UE "'userName':'ada'}", SAME(OK), "" },
	{ 'u', "{" UE ADA "'" ENTERPRISE "':'x'}", SAME(INVALID_VALUE), ENTERPRISE },
	{ 'u', "{" UE ADA "'" ENTERPRISE "':{'department':5}}", SAME(INVALID_VALUE),
		ENTERPRISE ":department" },
	{ 'u', "{" UE ADA "'" ENTERPRISE "':{'manager':{'value':5}}}", SAME(INVALID_VALUE),
		ENTERPRISE ":manager.value" },
	{ 'u', "{" UE ADA "'" ENTERPRISE "':{'manager':'5'}}", RC_OK, RC_INVALID_VALUE,
		RC_INVALID_VALUE, ENTERPRISE ":manager" },
	{ 'u', "{" UE ADA "'" ENTERPRISE "':{'manager':[{'value':'5'}]}}", RC_OK, RC_INVALID_VALUE,
		RC_INVALID_VALUE, ENTERPRISE ":manager" },
	/* primary (RFC 7643 section 2.4) */
	{ 'u', "{" U ADA "'emails':[{'value':'a','primary':true},{'value':'b','primary':true}]}",
		SAME(INVALID_VALUE), "emails.primary" },
	{ 'u', "{" U ADA "'emails':[{'value':'a','primary':true},{'value':'b','primary':false}]}",
		SAME(OK), "" },
	/* a (type, value) pair once */
	{ 'u', "{" U ADA "'emails':[{'value':'a','type':'work'},{'value':'A','type':'Work'}]}",
		RC_OK, RC_INVALID_VALUE, RC_INVALID_VALUE, "emails" },
	{ 'u',
		"{" U ADA
		"'emails':[{'value':'a','type':'work'},{'value':'a','type':'home'},{'value':'a'}]}",
		SAME(OK), "" },
	{ 'u',
		"{" U ADA
		"'addresses':[{'type':'work','country':'US'},{'type':'work','country':'DE'}]}",
		SAME(OK), "" },
	/* canonical values */
	{ 'u', "{" U ADA "'emails':[{'value':'a','type':'pigeon'}]}", RC_OK, RC_OK,
		RC_INVALID_VALUE, "emails.type" },
	{ 'u', "{" U ADA "'emails':[{'value':'a','type':'WORK'}]}", SAME(OK), "" },
	/* PRECIS */
	{ 'u', "{" U "'userName':'a\\u0007b'}", SAME(INVALID_VALUE), "userName" },
	{ 'u', "{" U "'userName':'\\u200b'}", SAME(INVALID_VALUE), "userName" },
	{ 'u', "{" U ADA "'password':'a\\u0007b'}", SAME(INVALID_VALUE), "password" },
	{ 'u', "{" U ADA "'password':7}", SAME(INVALID_VALUE), "password" },
	{ 'u', "{" U ADA "'password':''}", RC_OK, RC_INVALID_VALUE, RC_INVALID_VALUE, "password" },
	/* members */
	{ 'g', "{" G "'displayName':'x','members':{'value':'1'}}", RC_OK, RC_INVALID_VALUE,
		RC_INVALID_VALUE, "members" },
	{ 'g', "{" G "'displayName':'x','members':['1']}", RC_OK, RC_INVALID_VALUE,
		RC_INVALID_VALUE, "members" },
	{ 'g',
		"{" G "'displayName':'x','members':[{'value':'1','$ref':null,'type':'User','"
		      "display':''}]}",
		SAME(OK), "" },
	{ 'g', "{" G "'displayName':'x','members':[{'value':'1','$ref':'../Users/1'}]}", SAME(OK),
		"" },
	{ 'g', "{" G "'displayName':'x','members':[{'display':'x'}]}", SAME(INVALID_VALUE),
		"members" },
	{ 'g', "{" G "'displayName':'x','members':[{'value':''}]}", SAME(INVALID_VALUE),
		"members" },
	{ 'g', "{" G "'displayName':'x','members':[{'value':5}]}", SAME(INVALID_VALUE), "members" },
	{ 'g', "{" G "'displayName':'x','members':[5]}", SAME(INVALID_VALUE), "members" },
	{ 'g', "{" G "'displayName':'x','members':null}", SAME(OK), "" },
};

static void
reads_by_dialect(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		const enum rc want[] = { row->tolerant, row->strict, row->interop };

		for (size_t d = 0; d < 3; d++) {
			struct resource_in in;
			struct err err;
			enum rc rc = read_as(f, dialects[d], row->type == 'u' ? f->user : f->group,
				json_of(f, row->body), &in, &err);

			if (rc != want[d])
				fail_msg("dialect %zu: %s gives %s (%s: %s), not %s", d, row->body,
					rc_name(rc), err.path, err.detail, rc_name(want[d]));
			if (rc != RC_OK &&
				(err.detail[0] == '\0' ||
					(row->path != NULL && strcmp(err.path, row->path) != 0)))
				fail_msg("dialect %zu: %s: \"%s: %s\"", d, row->body, err.path,
					err.detail);
		}
	}
}

static void
read_tolerantly(struct fixture *f, const struct resource_type *type, const char *body,
	struct resource_in *in)
{
	struct err err;

	if (read_as(f, DIALECT_TOLERANT, type, json_of(f, body), in, &err) != RC_OK)
		fail_msg("%s: %s: %s", body, err.path, err.detail);
}

/* What tolerance makes of the shapes that clients send. */
static void
tolerant_values_are_right(void **state)
{
	struct fixture *f = *state;
	struct resource_in in;

	read_tolerantly(f, f->user,
		"{'userName':'ada','active':'False','title':'','roles':['admin','']}", &in);
	assert_false(at(f, &in, "active")->boolean);
	assert_null(at(f, &in, "title"));
	assert_int_equal(count_of(at(f, &in, "roles")), 1);
	assert_text(at(f, &in, "roles")->child->child, "admin");
	assert_string_equal(at(f, &in, "roles")->child->child->attr->name.p, "value");

	read_tolerantly(
		f, f->user, "{'userName':'ada','" ENTERPRISE "':{'Manager':{'Value':'7'}}}", &in);
	assert_text(at(f, &in, ENTERPRISE ":manager.value"), "7");
	read_tolerantly(f, f->user, "{'userName':'ada','" ENTERPRISE "':{'manager':'7'}}", &in);
	assert_text(at(f, &in, ENTERPRISE ":manager.value"), "7");
	read_tolerantly(
		f, f->user, "{'userName':'ada','" ENTERPRISE "':{'manager':[{'value':'7'}]}}", &in);
	assert_text(at(f, &in, ENTERPRISE ":manager.value"), "7");
	read_tolerantly(f, f->user, "{'userName':'ada','" ENTERPRISE "':{'manager':''}}", &in);
	assert_null(at(f, &in, ENTERPRISE ":manager"));
	assert_null(node_child(in.root, attr_find(f->user, SLICE(ENTERPRISE))));

	read_tolerantly(f, f->user, "{'department':'bare','userName':'ada','manager':'7'}", &in);
	assert_text(at(f, &in, ENTERPRISE ":department"), "bare");
	assert_text(at(f, &in, ENTERPRISE ":manager.value"), "7");
	read_tolerantly(f, f->user,
		"{'department':'bare','userName':'ada','" ENTERPRISE "':{'department':'own'}}",
		&in);
	assert_text(at(f, &in, ENTERPRISE ":department"), "own");

	read_tolerantly(f, f->user,
		"{'userName':'ada','emails':[{'value':'a','type':'work'},{'value':'b'},"
		"{'value':'A','type':'work','primary':true},{'value':'a','type':'work'}]}",
		&in);
	assert_int_equal(count_of(at(f, &in, "emails")), 2);
	assert_text(at(f, &in, "emails")->child->child, "b");
	assert_text(at(f, &in, "emails")->child->next->child, "A");

	read_tolerantly(f, f->group, "{'displayName':'g','members':{'value':'1'}}", &in);
	assert_int_equal(in.members.count, 1);
	read_tolerantly(f, f->group, "{'displayName':'g','members':['1','2','1']}", &in);
	assert_int_equal(in.members.count, 3);
	assert_true(slice_eq(in.members.ids[1], SLICE("2")));
	read_tolerantly(f, f->group, "{'displayName':'g','members':[]}", &in);
	assert_true(in.has_members);
	assert_int_equal(in.members.count, 0);
	read_tolerantly(f, f->group, "{'displayName':'g','members':null}", &in);
	assert_false(in.has_members);
}

/* A strict empty text is a value. */
static void
strict_keeps_empty_texts(void **state)
{
	struct fixture *f = *state;
	struct resource_in in;
	struct err err;

	assert_int_equal(
		read_as(f, DIALECT_STRICT, f->user, json_of(f, "{" U ADA "'title':''}"), &in, &err),
		RC_OK);
	assert_text(at(f, &in, "title"), "");
}

static char *
repeat(struct fixture *f, char c, size_t n)
{
	char *text = arena_alloc(f->a, n + 1);

	memset(text, c, n);
	text[n] = '\0';
	return text;
}

static enum rc
read_text_of(struct fixture *f, const char *name, size_t len, struct err *err)
{
	const char *text = repeat(f, 'a', len);
	bool user = strcmp(name, "userName") == 0;
	struct resource_in in;

	return read_as(f, DIALECT_TOLERANT, f->user,
		json_of(f, user ? arena_printf(f->a, "{'userName':'%s'}", text)
				: arena_printf(f->a, "{'userName':'x','%s':'%s'}", name, text)),
		&in, err);
}

static void
texts_have_a_longest_length(void **state)
{
	struct fixture *f = *state;
	struct err err;

	assert_int_equal(read_text_of(f, "userName", KEY_TEXT_MAX, &err), RC_OK);
	assert_int_equal(read_text_of(f, "userName", KEY_TEXT_MAX + 1, &err), RC_INVALID_VALUE);
	assert_string_equal(err.path, "userName");
	assert_non_null(strstr(err.detail, "1024"));
	assert_int_equal(read_text_of(f, "externalId", KEY_TEXT_MAX + 1, &err), RC_INVALID_VALUE);
	assert_int_equal(read_text_of(f, "displayName", KEY_TEXT_MAX + 1, &err), RC_INVALID_VALUE);
	assert_int_equal(read_text_of(f, "password", KEY_TEXT_MAX + 1, &err), RC_INVALID_VALUE);
	assert_int_equal(read_text_of(f, "title", TEXT_MAX, &err), RC_OK);
	assert_int_equal(read_text_of(f, "title", TEXT_MAX + 1, &err), RC_INVALID_VALUE);
	assert_string_equal(err.path, "title");
}

static void
lists_have_a_longest_length(void **state)
{
	struct fixture *f = *state;
	struct buf text = BUF_INIT;
	struct resource_in in;
	struct err err;

	for (size_t extra = 0; extra < 2; extra++) {
		buf_clear(&text);
		BUF_LIT(&text, "{'userName':'x','emails':[");
		for (size_t i = 0; i < LIST_MAX + extra; i++)
			buf_printf(&text, "%s{'value':'%zu@example.com'}", i > 0 ? "," : "", i);
		BUF_LIT(&text, "]}");
		buf_char(&text, '\0');
		assert_int_equal(
			read_as(f, DIALECT_TOLERANT, f->user, json_of(f, text.p), &in, &err),
			extra ? RC_INVALID_VALUE : RC_OK);
	}
	assert_string_equal(err.path, "emails");
	assert_non_null(strstr(err.detail, "1000"));
	buf_release(&text);
}

/* Members are edges: no limit but the body's. */
static void
members_have_no_such_limit(void **state)
{
	struct fixture *f = *state;
	struct buf text = BUF_INIT;
	struct resource_in in;
	struct err err;

	BUF_LIT(&text, "{'displayName':'x','members':[{'value':'0'}");
	for (size_t i = 1; i < 5000; i++)
		buf_printf(&text, ",{'value':'%zu'}", i);
	BUF_LIT(&text, "]}");
	buf_char(&text, '\0');
	assert_int_equal(
		read_as(f, DIALECT_TOLERANT, f->group, json_of(f, text.p), &in, &err), RC_OK);
	assert_int_equal(in.members.count, 5000);
	buf_release(&text);
}

/* No attribute of the standard schemas is a writable dateTime, integer or decimal: meta's and a
 * made one stand in. */
static void
single_values(void **state)
{
	static const struct {
		enum attr_type type;
		const char *json;
		enum rc rc;
		int64_t want;
	} table[] = {
		{ ATTR_DATETIME, "'1970-01-01T00:00:01Z'", RC_OK, 10000000 },
		{ ATTR_DATETIME, "'1970-01-01T01:00:01.5000000+01:00'", RC_OK, 15000000 },
		{ ATTR_DATETIME, "'0001-01-01T00:00:00.0000000Z'", RC_OK, -621355968000000000 },
		{ ATTR_DATETIME, "'1970-01-01'", RC_INVALID_VALUE, 0 },
		{ ATTR_DATETIME, "'yesterday'", RC_INVALID_VALUE, 0 },
		{ ATTR_DATETIME, "0", RC_INVALID_VALUE, 0 },
		{ ATTR_INTEGER, "7", RC_OK, 7 },
		{ ATTR_INTEGER, "-9223372036854775808", RC_OK, INT64_MIN },
		{ ATTR_INTEGER, "7.0", RC_INVALID_VALUE, 0 },
		{ ATTR_INTEGER, "7e0", RC_INVALID_VALUE, 0 },
		{ ATTR_INTEGER, "'7'", RC_INVALID_VALUE, 0 },
		{ ATTR_INTEGER, "true", RC_INVALID_VALUE, 0 },
	};
	static const struct read_options options = { DIALECT_TOLERANT };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct attr attr = { .name = SLICE("x"), .type = table[i].type };
		struct err err = ERR_INIT;
		struct node *node;
		enum rc rc =
			value_read(f->a, &attr, json_of(f, table[i].json), &options, &node, &err);

		if (rc != table[i].rc || (rc == RC_OK && node->integer != table[i].want))
			fail_msg("%s: %s", table[i].json, rc_name(rc));
	}
}

static void
shuffle_case(char *text, uint64_t *seed)
{
	for (; *text != '\0'; text++)
		if (random_below(seed, 2) != 0 && ((*text | 0x20) >= 'a' && (*text | 0x20) <= 'z'))
			*text ^= 0x20;
}

/* The same resource with its members in another order and its names in another case. */
static json_t *
disguise(json_t *json, uint64_t *seed)
{
	json_t *copy, *value;
	const char *key;
	size_t i, n = json_object_size(json);

	if (json_is_array(json)) {
		copy = json_array();
		json_array_foreach (json, i, value)
			json_array_append_new(copy, disguise(value, seed));
		return copy;
	}
	if (!json_is_object(json))
		return json_incref(json);
	copy = json_object();
	for (size_t turn = random_below(seed, (uint32_t)n + 1), k = 0; k < n; k++) {
		void *iter = json_object_iter(json);
		char *name;

		for (i = (k + turn) % n; i > 0; i--)
			iter = json_object_iter_next(json, iter);
		key = json_object_iter_key(iter);
		name = strdup(key);
		shuffle_case(name, seed);
		json_object_set_new(copy, name, disguise(json_object_iter_value(iter), seed));
		free(name);
	}
	return copy;
}

static void
order_and_case_of_names_do_not_matter(void **state)
{
	struct fixture *f = *state;
	struct resource_in plain, other;
	json_t *json = example_of(f, "user-enterprise.json");
	uint64_t seed = 1;
	struct err err;

	assert_int_equal(read_as(f, DIALECT_STRICT, f->user, json, &plain, &err), RC_OK);
	for (int i = 0; i < 200; i++) {
		json_t *disguised = disguise(json, &seed);

		if (read_as(f, dialects[i % 3], f->user, disguised, &other, &err) != RC_OK)
			fail_msg("%s: %s", err.path, err.detail);
		assert_true(node_equal(plain.root, other.root));
		assert_true(slice_eq(plain.password, other.password));
		json_decref(disguised);
	}
}

/* Puts a strange value somewhere into a copy of the document. */
static bool
spoil(json_t *json, json_t *strange, uint64_t *seed)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_object(json)) {
		json_object_foreach (json, key, value) {
			if (random_below(seed, 12) == 0)
				return json_object_set(json, key, strange) == 0;
			if (spoil(value, strange, seed))
				return true;
		}
	} else if (json_is_array(json)) {
		json_array_foreach (json, i, value) {
			if (random_below(seed, 6) == 0)
				return json_array_set(json, i, strange) == 0;
			if (spoil(value, strange, seed))
				return true;
		}
	}
	return false;
}

static void
any_value_anywhere_is_taken_or_refused_with_a_reason(void **state)
{
	static const char *const files[] = { "user-minimal.json", "user-full.json",
		"user-enterprise.json", "group.json" };
	static const char *const strange[] = { "null", "[]", "{}", "''", "'x'", "5", "1.5", "true",
		"[[]]", "[{}]", "{'value':{}}", "{'value':[1]}", "[null,null]", "{'primary':true}",
		"['" USER_URN "']" };
	struct fixture *f = *state;
	uint64_t seed = 7;
	size_t taken = 0, refused = 0;

	for (int i = 0; i < 6000; i++) {
		size_t which = random_below(&seed, 4);
		json_t *json = json_deep_copy(example_of(f, files[which]));
		struct resource_in in;
		struct err err;

		spoil(json,
			json_of(f,
				strange[random_below(&seed, sizeof(strange) / sizeof(strange[0]))]),
			&seed);
		if (read_as(f, dialects[i % 3], which < 3 ? f->user : f->group, json, &in, &err) ==
			RC_OK) {
			taken++;
			assert_int_equal(
				resource_check(which < 3 ? f->user : f->group, in.root, &err),
				RC_OK);
		} else {
			refused++;
			assert_true(err.detail[0] != '\0' && err.path[0] != '\0');
		}
		arena_clear(f->a);
		json_decref(json);
	}
	assert_true(taken > 500 && refused > 500);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(reads_the_examples_of_the_rfc),
		CASE(reads_by_dialect),
		CASE(tolerant_values_are_right),
		CASE(strict_keeps_empty_texts),
		CASE(texts_have_a_longest_length),
		CASE(lists_have_a_longest_length),
		CASE(members_have_no_such_limit),
		CASE(single_values),
		CASE(order_and_case_of_names_do_not_matter),
		CASE(any_value_anywhere_is_taken_or_refused_with_a_reason),
	};

	return RUN(tests);
}
