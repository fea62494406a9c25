#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/patch.h"
#include "tests/protocol/tree_fixture.h"

#include <cmocka.h> /* last: it has a fail() of its own */

/* JSON in this file is written with ' for ". */
#define ENT "'" URN_ENTERPRISE "'"

static const char babs[] =
	"{'userName':'babs','active':true,'name':{'familyName':'Jensen','givenName':'Barbara'},"
	"'emails':[{'value':'b@work.example','type':'work','primary':true},{'value':'b@home.example','type':'home'}]}";

#define WORK "{'value':'b@work.example','type':'work','primary':true}"
#define HOME "{'value':'b@home.example','type':'home'}"
#define REST "'userName':'babs','active':true,'name':{'familyName':'Jensen','givenName':'Barbara'}"
#define EMAILS "'emails':[" WORK "," HOME "]"
#define SAME "{" REST "," EMAILS "}"
#define OP(op, path, value) "{'op':'" op "','path':'" path "','value':" value "}"
#define REMOVE(path) "{'op':'remove','path':'" path "'}"
#define BARE(op, value) "{'op':'" op "','value':" value "}"

/* What the operations make of babs, or how they fail, by the dialects named (T, S, I). Written from RFC 7644 section 3.5.2 and from what
 * the clients send. A case without a result must fail with rc. */
#define URN_MEMBER "urn:rosterd:scim:schemas:extension:member:1.0:User"

static const struct patch_case {
	const char *dialects, *operations, *after;
	enum rc rc;
	const char *path; /* of the error */
} cases[] = {
	/* ---- An extension that only the server writes ---- */
	{ "TSI", OP("add", URN_MEMBER, "{}"), SAME, RC_OK, NULL },
	{ "T", OP("replace", URN_MEMBER, "{'linkState':'linked','person':{'value':'x'}}"), SAME, RC_OK, NULL },
	{ "SI", OP("replace", URN_MEMBER, "{'linkState':'linked'}"), NULL, RC_MUTABILITY, URN_MEMBER ":linkState" },
	{ "TSI", OP("add", URN_MEMBER ":person.value", "'x'"), NULL, RC_MUTABILITY, URN_MEMBER ":person.value" },
	{ "TSI", OP("replace", URN_MEMBER, "'x'"), NULL, RC_MUTABILITY, URN_MEMBER },
	{ "TSI", REMOVE(URN_MEMBER), NULL, RC_MUTABILITY, URN_MEMBER },
	/* ---- add, RFC 7644 section 3.5.2.1 ---- */
	{ "TSI", OP("add", "title", "'Guide'"), "{" REST ",'title':'Guide'," EMAILS "}", RC_OK, NULL },
	{ "TSI", OP("add", "userName", "'Babs2'"), "{'userName':'Babs2','active':true,'name':{'familyName':'Jensen',"
	  "'givenName':'Barbara'}," EMAILS "}", RC_OK, NULL },
	{ "TSI", OP("add", "name", "{'givenName':'Babs','middleName':'J'}"),
	  "{'userName':'babs','active':true,'name':{'familyName':'Jensen','givenName':'Babs','middleName':'J'}," EMAILS "}",
	  RC_OK, NULL },
	{ "TSI", OP("add", "emails", "[{'value':'n@x.example'}]"),
	  "{" REST ",'emails':[" WORK "," HOME ",{'value':'n@x.example'}]}", RC_OK, NULL },
	{ "TSI", OP("add", "emails", "[" HOME "," WORK "]"), SAME, RC_OK, NULL },
	{ "TSI", OP("add", "emails", "[{'value':'B@HOME.example','type':'Home'}]"), SAME, RC_OK, NULL },
	{ "TSI", OP("add", "emails", "[{'value':'b@home.example','type':'other'}]"),
	  "{" REST ",'emails':[" WORK "," HOME ",{'value':'b@home.example','type':'other'}]}", RC_OK, NULL },
	{ "TSI", OP("add", "emails", "[{'value':'b@home.example','type':'home','display':'H'}]"),
	  "{" REST ",'emails':[" WORK ",{'value':'b@home.example','type':'home','display':'H'}]}", RC_OK, NULL },
	{ "TS", OP("add", "emails", "{'value':'n@x.example'}"),
	  "{" REST ",'emails':[" WORK "," HOME ",{'value':'n@x.example'}]}", RC_OK, NULL },
	{ "I", OP("add", "emails", "{'value':'n@x.example'}"), NULL, RC_INVALID_VALUE, "emails" },
	{ "TS", BARE("add", "{'emails':[{'value':'babs@jensen.org','type':'other'}],'nickname':'Babs'}"),
	  "{" REST ",'nickName':'Babs','emails':[" WORK "," HOME ",{'value':'babs@jensen.org','type':'other'}]}",
	  RC_OK, NULL },
	{ "TSI", OP("add", URN_ENTERPRISE ":employeeNumber", "'42'"),
	  "{" REST "," EMAILS "," ENT ":{'employeeNumber':'42'}}", RC_OK, NULL },
	{ "TSI", OP("add", URN_ENTERPRISE, "{'employeeNumber':'42','manager':{'value':'m'}}"),
	  "{" REST "," EMAILS "," ENT ":{'employeeNumber':'42','manager':{'value':'m'}}}", RC_OK, NULL },
	{ "TS", BARE("add", "{" ENT ":{'department':'D'}}"), "{" REST "," EMAILS "," ENT ":{'department':'D'}}",
	  RC_OK, NULL },
	{ "TSI", OP("add", "emails[type eq \\'home\\'].display", "'H'"),
	  "{" REST ",'emails':[" WORK ",{'value':'b@home.example','type':'home','display':'H'}]}", RC_OK, NULL },
	{ "TS", OP("add", "emails[type eq \\'home\\']", "{'display':'H'}"),
	  "{" REST ",'emails':[" WORK ",{'value':'b@home.example','type':'home','display':'H'}]}", RC_OK, NULL },
	{ "TSI", OP("add", "title", "null"), SAME, RC_OK, NULL },
	{ "TSI", OP("add", "emails", "[]"), SAME, RC_OK, NULL },
	{ "TSI", "{'op':'add','path':'title'}", NULL, RC_INVALID_VALUE, "value" },
	/* ---- remove, section 3.5.2.2 ---- */
	{ "TS", "{'op':'remove'}", NULL, RC_NO_TARGET, "path" },
	{ "TSI", REMOVE("name.givenName"), "{'userName':'babs','active':true,'name':{'familyName':'Jensen'}," EMAILS "}",
	  RC_OK, NULL },
	{ "TSI", REMOVE("name.givenName") "," REMOVE("name.familyName"), "{'userName':'babs','active':true," EMAILS "}",
	  RC_OK, NULL },
	{ "TSI", REMOVE("name"), "{'userName':'babs','active':true," EMAILS "}", RC_OK, NULL },
	{ "TSI", REMOVE("title"), SAME, RC_OK, NULL },
	{ "TSI", REMOVE("emails"), "{" REST "}", RC_OK, NULL },
	{ "TSI", REMOVE("emails[type eq \\'work\\' and value ew \\'WORK.example\\']"), "{" REST ",'emails':[" HOME "]}",
	  RC_OK, NULL },
	{ "TSI", REMOVE("emails[value ew \\'example\\' and not (value co \\']\\\\\\'[\\')]"), "{" REST "}", RC_OK, NULL },
	{ "TSI", REMOVE("emails[value pr]"), "{" REST "}", RC_OK, NULL },
	{ "TSI", REMOVE("emails[type eq \\'work\\'].primary"),
	  "{" REST ",'emails':[{'value':'b@work.example','type':'work'}," HOME "]}", RC_OK, NULL },
	{ "TSI", REMOVE("emails.type"),
	  "{" REST ",'emails':[{'value':'b@work.example','primary':true},{'value':'b@home.example'}]}", RC_OK, NULL },
	{ "T", REMOVE("emails[type eq \\'other\\']"), SAME, RC_OK, NULL },
	{ "SI", REMOVE("emails[type eq \\'other\\']"), NULL, RC_NO_TARGET, "emails" },
	{ "T", REMOVE("emails[type eq \\'work\\'].value"), "{" REST ",'emails':[" HOME "]}", RC_OK, NULL },
	{ "S", REMOVE("emails[type eq \\'work\\'].value"), "{" REST ",'emails':[{'type':'work','primary':true}," HOME "]}",
	  RC_OK, NULL },
	{ "TSI", REMOVE("userName"), NULL, RC_MUTABILITY, "userName" },
	{ "TSI", REMOVE("id"), NULL, RC_MUTABILITY, "id" },
	{ "TSI", REMOVE("groups"), NULL, RC_MUTABILITY, "groups" },
	{ "TSI", REMOVE("meta.created"), NULL, RC_MUTABILITY, "meta.created" },
	{ "TSI", OP("replace", "userName", "null"), NULL, RC_MUTABILITY, "userName" },
	{ "TSI", OP("add", URN_ENTERPRISE ":department", "'D'") "," REMOVE(URN_ENTERPRISE ":department"), SAME, RC_OK, NULL },
	{ "TSI", OP("add", URN_ENTERPRISE ":manager.value", "'m'") "," REMOVE(URN_ENTERPRISE), SAME, RC_OK, NULL },
	{ "TSI", OP("add", URN_ENTERPRISE ":manager.value", "'m'") "," REMOVE(URN_ENTERPRISE ":manager.value"), SAME,
	  RC_OK, NULL },
	/* ---- replace, section 3.5.2.3 ---- */
	{ "TSI", OP("replace", "title", "'Guide'"), "{" REST ",'title':'Guide'," EMAILS "}", RC_OK, NULL },
	{ "TSI", OP("replace", "title", "null"), SAME, RC_OK, NULL },
	{ "TS", OP("replace", "name", "{'givenName':'Babs'}"),
	  "{'userName':'babs','active':true,'name':{'familyName':'Jensen','givenName':'Babs'}," EMAILS "}", RC_OK, NULL },
	{ "I", OP("replace", "name", "{'givenName':'Babs'}"),
	  "{'userName':'babs','active':true,'name':{'givenName':'Babs'}," EMAILS "}", RC_OK, NULL },
	{ "TS", OP("replace", "name", "{'givenName':null}"),
	  "{'userName':'babs','active':true,'name':{'familyName':'Jensen'}," EMAILS "}", RC_OK, NULL },
	{ "TS", OP("replace", "name", "null"), "{'userName':'babs','active':true," EMAILS "}", RC_OK, NULL },
	{ "TSI", OP("replace", "emails", "[{'value':'n@x.example'}]"), "{" REST ",'emails':[{'value':'n@x.example'}]}",
	  RC_OK, NULL },
	{ "TSI", OP("replace", "emails", "[]"), "{" REST "}", RC_OK, NULL },
	{ "TSI", OP("replace", "emails[type eq \\'work\\'].value", "'n@x.example'"),
	  "{" REST ",'emails':[{'value':'n@x.example','type':'work','primary':true}," HOME "]}", RC_OK, NULL },
	{ "TSI", OP("replace", "emails[type pr].display", "'D'"),
	  "{" REST ",'emails':[{'value':'b@work.example','display':'D','type':'work','primary':true},"
	  "{'value':'b@home.example','display':'D','type':'home'}]}", RC_OK, NULL },
	{ "TSI", OP("replace", "emails.display", "'D'"),
	  "{" REST ",'emails':[{'value':'b@work.example','display':'D','type':'work','primary':true},"
	  "{'value':'b@home.example','display':'D','type':'home'}]}", RC_OK, NULL },
	{ "S", OP("replace", "emails[type eq \\'work\\']", "{'value':'n@x.example'}"),
	  "{" REST ",'emails':[{'value':'n@x.example'}," HOME "]}", RC_OK, NULL },
	{ "T", OP("replace", "emails[type eq \\'work\\']", "{'value':'n@x.example'}"),
	  "{" REST ",'emails':[{'value':'n@x.example','type':'work'}," HOME "]}", RC_OK, NULL },
	{ "TS", OP("replace", "emails[type eq \\'home\\']", "{'type':'home','value':'n@x.example','primary':true}"),
	  "{" REST ",'emails':[{'value':'b@work.example','type':'work','primary':false},"
	  "{'value':'n@x.example','type':'home','primary':true}]}", RC_OK, NULL },
	{ "I", OP("replace", "emails[type eq \\'work\\']", "{'value':'n@x.example'}"), NULL, RC_INVALID_PATH, "emails" },
	{ "TS", OP("replace", "emails[type eq \\'other\\']", "{'value':'n@x.example'}"), NULL, RC_NO_TARGET, "emails" },
	{ "SI", OP("replace", "emails[type eq \\'other\\'].value", "'n@x.example'"), NULL, RC_NO_TARGET, "emails" },
	{ "SI", OP("add", "emails[type eq \\'other\\'].value", "'n@x.example'"), NULL, RC_NO_TARGET, "emails" },
	{ "TS", BARE("replace", "{'emails':[{'value':'n@x.example','type':'work','primary':true}],'nickname':'Babs'}"),
	  "{" REST ",'nickName':'Babs','emails':[{'value':'n@x.example','type':'work','primary':true}]}", RC_OK, NULL },
	{ "I", BARE("replace", "{'nickname':'Babs'}"), NULL, RC_INVALID_SYNTAX, "path" },
	{ "TSI", OP("replace", "phoneNumbers.value", "'1'"), "{" REST "," EMAILS ",'phoneNumbers':[{'value':'1'}]}", RC_OK,
	  NULL },
	/* ---- primary ---- */
	{ "TSI", OP("add", "emails", "[{'value':'n@x.example','primary':true}]"),
	  "{" REST ",'emails':[{'value':'b@work.example','type':'work','primary':false}," HOME
	  ",{'value':'n@x.example','primary':true}]}", RC_OK, NULL },
	{ "TSI", OP("replace", "emails[type eq \\'home\\'].primary", "true"),
	  "{" REST ",'emails':[{'value':'b@work.example','type':'work','primary':false},"
	  "{'value':'b@home.example','type':'home','primary':true}]}", RC_OK, NULL },
	{ "TSI", OP("add", "emails", "[{'value':'1','primary':true},{'value':'2','primary':true}]"), NULL,
	  RC_INVALID_VALUE, "emails" },
	{ "TSI", OP("replace", "emails", "[{'value':'1','primary':true},{'value':'2','primary':true}]"), NULL,
	  RC_INVALID_VALUE, "emails" },
	{ "TSI", OP("add", "emails[type eq \\'work\\'].primary", "true") ","
	  OP("add", "emails[type eq \\'home\\'].primary", "true"), NULL, RC_INVALID_VALUE, "emails" },
	{ "TSI", OP("replace", "emails.primary", "true"), NULL, RC_INVALID_VALUE, "emails" },
	{ "TSI", OP("add", "emails[type eq \\'home\\'].primary", "true") "," REMOVE("emails[type eq \\'home\\']") ","
	  OP("add", "emails[type eq \\'work\\'].primary", "true"), "{" REST ",'emails':[" WORK "]}", RC_OK, NULL },
	/* ---- order, and what is refused ---- */
	{ "TSI", OP("add", "title", "'1'") "," OP("replace", "title", "'2'") "," OP("add", "nickName", "'n'") "," REMOVE("nickName"),
	  "{" REST ",'title':'2'," EMAILS "}", RC_OK, NULL },
	{ "TSI", OP("replace", "title", "'1'") "," OP("replace", "emails[type eq", "'x'"), NULL, RC_INVALID_PATH, "path" },
	{ "TSI", OP("replace", "emails[type xx \\'work\\'].value", "'x'"), NULL, RC_INVALID_FILTER, "filter" },
	{ "TSI", OP("replace", "emails[shoe eq \\'x\\'].value", "'x'"), NULL, RC_INVALID_FILTER, "shoe" },
	{ "TS", OP("replace", "emails[type eq \\'work\\'].shoe", "'x'"), NULL, RC_INVALID_PATH,
	  "emails[type eq \"work\"].shoe" },
	{ "TSI", OP("replace", "emails[type eq \\'work\\']value", "'x'"), NULL, RC_INVALID_PATH, "path" },
	{ "TSI", OP("replace", "name[givenName pr].givenName", "'x'"), NULL, RC_INVALID_PATH, "name" },
	{ "TS", OP("replace", "shoeSize", "'x'"), NULL, RC_INVALID_PATH, "shoeSize" },
	{ "I", OP("replace", "shoeSize", "'x'"), NULL, RC_INVALID_SYNTAX, "shoeSize" },
	{ "TS", OP("replace", "urn:x:y:User:z", "'x'"), NULL, RC_INVALID_PATH, "urn:x:y:User:z" },
	{ "TSI", OP("move", "title", "'x'"), NULL, RC_INVALID_SYNTAX, "op" },
	{ "TSI", "{'path':'title','value':'x'}", NULL, RC_INVALID_SYNTAX, "op" },
	{ "TSI", "{'op':'add','path':3,'value':'x'}", NULL, RC_INVALID_PATH, "path" },
	{ "TSI", "7", NULL, RC_INVALID_SYNTAX, "Operations" },
	{ "TS", BARE("add", "'x'"), NULL, RC_INVALID_VALUE, "value" },
	{ "TSI", OP("replace", "active", "'maybe'"), NULL, RC_INVALID_VALUE, "active" },
	{ "TSI", OP("replace", "id", "'x'"), NULL, RC_MUTABILITY, "id" },
	{ "TSI", OP("replace", "groups", "[]"), NULL, RC_MUTABILITY, "groups" },
	{ "TSI", OP("replace", URN_ENTERPRISE ":manager.displayName", "'x'"), NULL, RC_MUTABILITY,
	  URN_ENTERPRISE ":manager.displayName" },
	{ "S", BARE("replace", "{'id':'x'}"), NULL, RC_MUTABILITY, "id" },
	{ "S", BARE("replace", "{'meta':{'location':'x'}}"), NULL, RC_MUTABILITY, "meta" },
	{ "S", BARE("replace", "{'name.givenName':'x'}"), NULL, RC_INVALID_PATH, "name.givenName" },
	{ "S", BARE("replace", "{'shoeSize':3}"), NULL, RC_INVALID_PATH, "shoeSize" },
	{ "SI", OP("Replace", "title", "'x'"), NULL, RC_INVALID_SYNTAX, "op" },
	{ "SI", OP("remove", "title", "'x'"), NULL, RC_INVALID_VALUE, "title" },
	{ "SI", OP("replace", "active", "'False'"), NULL, RC_INVALID_VALUE, "active" },
	/* ---- what clients send ---- */
	{ "T", OP("Replace", "active", "'False'"), "{'userName':'babs','active':false,'name':{'familyName':'Jensen',"
	  "'givenName':'Barbara'}," EMAILS "}", RC_OK, NULL },
	{ "T", OP("replace", "active", "['true']") "," OP("replace", "displayName", "['B']"),
	  "{" REST ",'displayName':'B'," EMAILS "}", RC_OK, NULL },
	{ "T", BARE("REPLACE", "{'id':'x','schemas':[],'meta':{'a':1},'groups':[{'value':'g'}],'shoeSize':4,'title':'G'}"),
	  "{" REST ",'title':'G'," EMAILS "}", RC_OK, NULL },
	{ "T", BARE("replace", "{'name.givenName':'X','" URN_ENTERPRISE ":employeeNumber':'7','department':'D',"
	  "'emails[type eq \\'home\\'].value':'n@x.example'}"),
	  "{'userName':'babs','active':true,'name':{'familyName':'Jensen','givenName':'X'},'emails':[" WORK
	  ",{'value':'n@x.example','type':'home'}]," ENT ":{'employeeNumber':'7','department':'D'}}", RC_OK, NULL },
	{ "T", OP("Add", "phoneNumbers[type eq \\'mobile\\'].value", "'1'"),
	  "{" REST "," EMAILS ",'phoneNumbers':[{'value':'1','type':'mobile'}]}", RC_OK, NULL },
	{ "T", OP("Replace", "addresses[type eq \\'work\\'].locality", "'L'") ","
	  OP("Replace", "addresses[type eq \\'work\\'].country", "'SE'"),
	  "{" REST "," EMAILS ",'addresses':[{'locality':'L','country':'SE','type':'work'}]}", RC_OK, NULL },
	{ "T", OP("Add", "roles[primary eq \\'True\\'].value", "'Editor'") ","
	  OP("Add", "roles[primary eq \\'True\\'].display", "'The editor'"),
	  "{" REST "," EMAILS ",'roles':[{'value':'Editor','display':'The editor','primary':true}]}", RC_OK, NULL },
	{ "T", OP("add", "emails[type eq \\'other\\' and display eq \\'d\\']", "{'value':'o'}"),
	  "{" REST ",'emails':[" WORK "," HOME ",{'value':'o','display':'d','type':'other'}]}", RC_OK, NULL },
	{ "T", OP("add", "emails[type eq \\'other\\' or display eq \\'d\\'].value", "'o'"), NULL, RC_NO_TARGET, "emails" },
	{ "T", OP("add", "emails[not (type pr)].value", "'o'"), NULL, RC_NO_TARGET, "emails" },
	{ "T", OP("replace", "emails", "{'value':'n@x.example','type':'work','primary':true}"),
	  "{" REST ",'emails':[{'value':'n@x.example','type':'work','primary':true}]}", RC_OK, NULL },
	{ "T", OP("Remove", "title", "'old'"), SAME, RC_OK, NULL },
	{ "T", OP("Remove", "emails", "[{'value':'b@work.example'}]"), "{" REST ",'emails':[" HOME "]}", RC_OK, NULL },
	{ "T", OP("Remove", "emails", "[{'value':'b@work.example','type':'home'}]"), SAME, RC_OK, NULL },
	{ "T", OP("Remove", "emails", "[" WORK "," HOME "]"), "{" REST "}", RC_OK, NULL },
	{ "T", OP("Remove", "emails", "[]"), SAME, RC_OK, NULL },
	{ "T", OP("Remove", "emails[type eq \\'work\\'].value", "'b@work.example'"), "{" REST ",'emails':[" HOME "]}", RC_OK,
	  NULL },
	{ "T", OP("Add", "roles", "[{'value':'{\\'id\\':\\'1\\'}'}]"),
	  "{" REST "," EMAILS ",'roles':[{'value':'{\\'id\\':\\'1\\'}'}]}", RC_OK, NULL },
	{ "T", OP("add", "manager", "'m'"), "{" REST "," EMAILS "," ENT ":{'manager':{'value':'m'}}}", RC_OK, NULL },
	{ "T", OP("add", URN_ENTERPRISE ".manager", "[{'value':'m'}]"),
	  "{" REST "," EMAILS "," ENT ":{'manager':{'value':'m'}}}", RC_OK, NULL },
	{ "T", OP("add", "manager", "{'$ref':null,'Value':'m'}") "," OP("replace", URN_ENTERPRISE ":manager", "''"), SAME,
	  RC_OK, NULL },
	{ "T", OP("add", "manager", "{'displayName':'M','value':'m'}") "," OP("replace", "manager", "null"), SAME, RC_OK, NULL },
	/* The address of the old manager does not outlive him. */
	{ "T", OP("add", "manager", "{'$ref':'https://x/Users/m','value':'m'}") "," OP("replace", "manager", "'n'"),
	  "{" REST "," EMAILS "," ENT ":{'manager':{'value':'n'}}}", RC_OK, NULL },
	{ "T", OP("add", "manager", "{'$ref':'https://x/Users/m','value':'m'}") "," OP("replace", "manager.value", "'n'"),
	  "{" REST "," EMAILS "," ENT ":{'manager':{'value':'n'}}}", RC_OK, NULL },
	{ "T", OP("add", "manager", "{'$ref':'https://x/Users/m','value':'m'}") ","
	  OP("replace", "manager", "{'$ref':'https://x/Users/n','value':'n'}"),
	  "{" REST "," EMAILS "," ENT ":{'manager':{'value':'n','$ref':'https://x/Users/n'}}}", RC_OK, NULL },
	{ "T", OP("replace", " title ", "'x'"), "{" REST ",'title':'x'," EMAILS "}", RC_OK, NULL },
	{ "T", "{'op':'add','path':'','value':{'title':'x'}}", "{" REST ",'title':'x'," EMAILS "}", RC_OK, NULL },
	/* ---- schemas ---- */
	{ "TSI", OP("add", "schemas", "['" URN_ENTERPRISE "']") "," OP("add", URN_ENTERPRISE ":division", "'x'"),
	  "{" REST "," EMAILS "," ENT ":{'division':'x'}}", RC_OK, NULL },
	{ "TSI", OP("add", URN_ENTERPRISE ":division", "'x'") "," OP("replace", "schemas", "['" URN_USER "']"), SAME, RC_OK,
	  NULL },
	{ "TSI", OP("add", URN_ENTERPRISE ":division", "'x'") "," REMOVE("schemas[value eq \\'" URN_ENTERPRISE "\\']"),
	  SAME, RC_OK, NULL },
	{ "TSI", REMOVE("schemas"), NULL, RC_MUTABILITY, "schemas" },
	{ "TSI", OP("replace", "schemas", "['" URN_ENTERPRISE "']"), NULL, RC_MUTABILITY, "schemas" },
	{ "SI", OP("add", "schemas", "['urn:x']"), NULL, RC_INVALID_VALUE, "schemas" },
};

/* ' to ", and \' to an escaped one. */
static char *
json_of(struct arena *a, const char *text)
{
	char *out = arena_printf(a, "%s", text);

	for (char *c = out; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
	return out;
}

static const json_t *
body_of(struct arena *a, const char *operations)
{
	char *text = arena_printf(a, "{\"schemas\":[\"%s\"],\"Operations\":[%s]}", URN_PATCH_OP,
		json_of(a, operations));
	struct err err = ERR_INIT;
	json_t *body;

	if (json_read(a, slice_of(text), &body, &err) != RC_OK)
		fail_msg("%s: %s", text, err.detail);
	return body;
}

static enum rc
run(struct arena *a, uint8_t type, enum dialect dialect, const char *operations, struct node *root, struct err *err)
{
	struct read_options options = { dialect };
	struct patch *p;
	enum rc rc = patch_read(a, fixture_schemas(), fixture_type(type), body_of(a, operations), &options, &p, err);

	return rc == RC_OK ? patch_apply(a, p, root, err) : rc;
}

static bool
case_holds(struct arena *a, const struct patch_case *c, enum dialect dialect)
{
	struct node *root = fixture_tree(a, fixture_type(TYPE_USER), json_of(a, babs));
	struct err err = ERR_INIT;
	enum rc rc = run(a, TYPE_USER, dialect, c->operations, root, &err);
	json_t *have = NULL, *want = NULL;
	bool same = true;

	if (rc == RC_OK && c->after != NULL) {
		have = fixture_json(root);
		want = fixture_parse(json_of(a, c->after));
		same = json_equal(have, want) != 0;
	}
	if (rc != c->rc || !same || (rc != RC_OK && strcmp(err.path, c->path) != 0)) {
		print_error("dialect %d: %s\n  %s %s: %s\n", dialect, c->operations, rc_name(rc), err.path, err.detail);
		if (have != NULL)
			print_error("  %s\n", json_dumps(have, JSON_COMPACT));
		same = false;
	}
	json_decref(have);
	json_decref(want);
	return same;
}

static void
operations_do_as_the_rfc_says(void **state)
{
	struct arena *a = arena_new();
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int d = DIALECT_TOLERANT; d <= DIALECT_INTEROP; d++) {
			if (strchr(cases[i].dialects, "TSI"[d]) != NULL)
				wrong += !case_holds(a, &cases[i], (enum dialect)d);
			arena_clear(a);
		}
	arena_free(a);
	assert_int_equal(wrong, 0);
}

/* ---- The message ---- */

static void
the_message_is_checked(void **state)
{
	static const struct {
		const char *body;
		enum rc by_dialect[3];
	} messages[] = {
		{ "{'Operations':[{'op':'add','path':'title','value':'x'}]}",
		  { RC_OK, RC_INVALID_SYNTAX, RC_INVALID_SYNTAX } },
		{ "{'schemas':['urn:x'],'Operations':[{'op':'add','path':'title','value':'x'}]}",
		  { RC_OK, RC_INVALID_SYNTAX, RC_INVALID_SYNTAX } },
		{ "{'SCHEMAS':['" URN_PATCH_OP "'],'operations':[{'OP':'add','Path':'title','VALUE':'x'}]}",
		  { RC_OK, RC_OK, RC_OK } },
		{ "{'schemas':['" URN_PATCH_OP "'],'Operations':[]}",
		  { RC_INVALID_SYNTAX, RC_INVALID_SYNTAX, RC_INVALID_SYNTAX } },
		{ "{'schemas':['" URN_PATCH_OP "']}", { RC_INVALID_SYNTAX, RC_INVALID_SYNTAX, RC_INVALID_SYNTAX } },
		{ "{'schemas':['" URN_PATCH_OP "'],'Operations':{'op':'add','path':'title','value':'x'}}",
		  { RC_INVALID_SYNTAX, RC_INVALID_SYNTAX, RC_INVALID_SYNTAX } },
	};
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		for (int d = DIALECT_TOLERANT; d <= DIALECT_INTEROP; d++) {
			struct read_options options = { (enum dialect)d };
			struct err err = ERR_INIT;
			struct patch *p;
			json_t *body;

			assert_int_equal(json_read(a, slice_of(json_of(a, messages[i].body)), &body, &err), RC_OK);
			if (patch_read(a, fixture_schemas(), fixture_type(TYPE_USER), body, &options, &p, &err) !=
			    messages[i].by_dialect[d])
				fail_msg("dialect %d: %s", d, messages[i].body);
		}
	arena_free(a);
}

static void
too_many_operations_name_the_limit(void **state)
{
	struct read_options options = { DIALECT_STRICT };
	struct arena *a = arena_new();
	struct err err = ERR_INIT;
	struct patch *p;
	json_t *body = json_pack("{s:[s],s:[]}", "schemas", URN_PATCH_OP, "Operations");

	(void)state;
	for (int i = 0; i < PATCH_OPERATIONS_MAX; i++)
		assert_int_equal(json_array_append_new(json_object_get(body, "Operations"),
			json_pack("{s:s,s:s,s:s}", "op", "add", "path", "title", "value", "x")), 0);
	assert_int_equal(patch_read(a, fixture_schemas(), fixture_type(TYPE_USER), body, &options, &p, &err), RC_OK);
	assert_int_equal(json_array_append_new(json_object_get(body, "Operations"), json_object()), 0);
	assert_int_equal(patch_read(a, fixture_schemas(), fixture_type(TYPE_USER), body, &options, &p, &err),
		RC_TOO_LARGE);
	assert_non_null(strstr(err.detail, "10000"));
	json_decref(body);
	arena_free(a);
}

static void
errors_say_which_operation(void **state)
{
	struct arena *a = arena_new();
	struct node *root = fixture_tree(a, fixture_type(TYPE_USER), json_of(a, babs));
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(run(a, TYPE_USER, DIALECT_TOLERANT, REMOVE("title") "," REMOVE("shoe"), root, &err), RC_INVALID_PATH);
	assert_non_null(strstr(err.detail, "(operation 2)"));
	assert_int_equal(run(a, TYPE_USER, DIALECT_STRICT, REMOVE("emails[type eq \\'x\\']") "," REMOVE("title"), root, &err),
		RC_NO_TARGET);
	assert_non_null(strstr(err.detail, "(operation 1)"));
	arena_free(a);
}

/* The steps of one patch are bounded: it is applied inside the one thread that writes. */
static void
costly_patches_are_refused(void **state)
{
	struct read_options options = { DIALECT_STRICT };
	struct arena *a = arena_new();
	struct node *root = fixture_tree(a, fixture_type(TYPE_USER), json_of(a, babs));
	const struct attr *roles = attr_find(fixture_type(TYPE_USER), SLICE("roles"));
	struct node *list = node_new(a, roles, NODE_LIST);
	struct err err = ERR_INIT;
	struct patch *p;
	json_t *body = json_pack("{s:[s],s:[]}", "schemas", URN_PATCH_OP, "Operations");

	(void)state;
	for (int i = 0; i < 900; i++) {
		struct node *role = node_new(a, roles, NODE_OBJECT), *value;

		value = node_new(a, attr_sub(roles, SLICE("value")), NODE_VALUE);
		value->text = slice_of(arena_printf(a, "role%d", i));
		node_insert(role, value);
		role->next = list->child;
		list->child = role;
	}
	node_insert(root, list);
	for (int i = 0; i < PATCH_OPERATIONS_MAX; i++)
		assert_int_equal(json_array_append_new(json_object_get(body, "Operations"), json_pack("{s:s,s:s,s:s}",
			"op", "replace", "path", "roles[value sw \"r\"].display", "value", "x")), 0);
	assert_int_equal(patch_read(a, fixture_schemas(), fixture_type(TYPE_USER), body, &options, &p, &err), RC_OK);
	assert_int_equal(patch_apply(a, p, root, &err), RC_TOO_LARGE);
	assert_non_null(strstr(err.detail, "4000000"));
	json_decref(body);
	arena_free(a);
}

/* ---- Members ---- */

static void
print_edits(char out[512], const struct member_edit *e)
{
	static const char *const names[] = { "add", "remove", "clear", "set", "if" };
	size_t len = 0;

	out[0] = '\0';
	for (; e != NULL; e = e->next) {
		len += (size_t)snprintf(out + len, 512 - len, "%s%s", len > 0 ? " " : "", names[e->kind]);
		for (size_t i = 0; i < e->members.count; i++)
			len += (size_t)snprintf(out + len, 512 - len, ":%.*s", SLICE_ARG(e->members.ids[i]));
	}
}

static const struct {
	const char *dialects, *operations, *edits; /* edits NULL: fails with rc */
	enum rc rc;
} member_cases[] = {
	{ "TSI", OP("add", "members", "[{'value':'a','$ref':'https://x/Users/a','display':'A','type':'User'},{'value':'b'}]"),
	  "add:a:b", RC_OK },
	{ "TSI", OP("replace", "members", "[{'value':'a'}]"), "set:a", RC_OK },
	{ "TSI", OP("replace", "members", "[]"), "clear", RC_OK },
	{ "TSI", REMOVE("members"), "clear", RC_OK },
	{ "TSI", REMOVE("members[value eq \\'a\\']"), "remove:a", RC_OK },
	{ "TSI", REMOVE("members[value eq \\'a\\' or (value eq \\'b\\')]"), "remove:a:b", RC_OK },
	{ "TSI", REMOVE("members[value sw \\'a\\']"), "if", RC_OK },
	{ "TSI", REMOVE("members[value eq \\'a\\' and type eq \\'User\\']"), "if", RC_OK },
	{ "TSI", REMOVE("members[value eq \\'a\\']") "," OP("add", "members", "[{'value':'c'}]"), "remove:a add:c", RC_OK },
	{ "TSI", REMOVE("members") "," OP("add", "members", "[{'value':'b'},{'value':'a'}]"), "clear add:b:a", RC_OK },
	{ "TS", OP("add", "members", "{'value':'a'}"), "add:a", RC_OK },
	{ "T", REMOVE("members[value eq\\'a\\']"), "remove:a", RC_OK },
	{ "T", OP("Add", "members", "[{'$ref':null,'value':'a'}]"), "add:a", RC_OK },
	{ "T", OP("Add", "members", "['a','b']"), "add:a:b", RC_OK },
	{ "T", OP("Add", "members", "'a'"), "add:a", RC_OK },
	{ "T", OP("Remove", "members", "[{'$ref':null,'value':'a'},{'value':'b'}]"), "remove:a:b", RC_OK },
	{ "T", OP("Remove", "members", "[]"), "", RC_OK },
	{ "T", OP("Remove", "members", "null"), "clear", RC_OK },
	{ "T", BARE("replace", "{'id':'g','displayName':'X'}"), "", RC_OK },
	{ "TS", BARE("replace", "{'members':[],'displayName':'X'}"), "clear", RC_OK },
	{ "TS", BARE("replace", "{'members':[{'value':'a'}]}"), "set:a", RC_OK },
	{ "TS", BARE("add", "{'members':[{'value':'a'}]}"), "add:a", RC_OK },
	{ "SI", OP("remove", "members", "[{'value':'a'}]"), NULL, RC_INVALID_VALUE },
	{ "SI", OP("add", "members", "['a']"), NULL, RC_INVALID_VALUE },
	{ "TSI", OP("add", "members", "[{'display':'A'}]"), NULL, RC_INVALID_VALUE },
	{ "TSI", OP("add", "members", "[{'value':7}]"), NULL, RC_INVALID_VALUE },
	{ "TSI", OP("replace", "members[value eq \\'a\\'].display", "'x'"), NULL, RC_MUTABILITY },
	{ "TSI", OP("add", "members.display", "'x'"), NULL, RC_MUTABILITY },
	{ "TS", OP("replace", "members[value eq \\'a\\']", "{'value':'b'}"), NULL, RC_MUTABILITY },
	{ "TSI", REMOVE("members[shoe eq \\'a\\']"), NULL, RC_INVALID_FILTER },
};

static void
members_become_edits(void **state)
{
	struct arena *a = arena_new();
	char edits[512];

	(void)state;
	for (size_t i = 0; i < sizeof(member_cases) / sizeof(member_cases[0]); i++)
		for (int d = DIALECT_TOLERANT; d <= DIALECT_INTEROP; d++) {
			struct read_options options = { (enum dialect)d };
			struct err err = ERR_INIT;
			struct patch *p = NULL;
			enum rc rc;

			if (strchr(member_cases[i].dialects, "TSI"[d]) == NULL)
				continue;
			rc = patch_read(a, fixture_schemas(), fixture_type(TYPE_GROUP),
				body_of(a, member_cases[i].operations), &options, &p, &err);
			if (rc == RC_OK)
				print_edits(edits, patch_member_edits(p));
			if (rc != member_cases[i].rc ||
			    (rc == RC_OK && strcmp(edits, member_cases[i].edits) != 0))
				fail_msg("dialect %d: %s: %s %s %s", d, member_cases[i].operations, rc_name(rc),
					err.detail, rc == RC_OK ? edits : "");
			arena_clear(a);
		}
	arena_free(a);
}

static void
a_member_filter_is_handed_on(void **state)
{
	struct read_options options = { DIALECT_STRICT };
	struct arena *a = arena_new();
	struct node *with = fixture_tree(a, fixture_type(TYPE_GROUP),
		"{\"members\":[{\"value\":\"u\",\"type\":\"User\"},{\"value\":\"g\",\"type\":\"Group\"}]}");
	const struct member_edit *e;
	struct err err = ERR_INIT;
	struct patch *p;

	(void)state;
	assert_int_equal(patch_read(a, fixture_schemas(), fixture_type(TYPE_GROUP),
		body_of(a, REMOVE("members[type eq \\'group\\']")), &options, &p, &err), RC_OK);
	e = patch_member_edits(p);
	assert_int_equal(e->kind, MEMBER_REMOVE_IF);
	assert_false(filter_match_element(e->filter, with->child->child, a));
	assert_true(filter_match_element(e->filter, with->child->child->next, a));
	arena_free(a);
}

/* ---- Password ---- */

static void
password_is_kept_apart(void **state)
{
	struct read_options options = { DIALECT_TOLERANT };
	struct arena *a = arena_new();
	struct node *root = fixture_tree(a, fixture_type(TYPE_USER), json_of(a, babs));
	const struct attr *password = attr_find(fixture_type(TYPE_USER), SLICE("password"));
	struct err err = ERR_INIT;
	struct patch *p;

	(void)state;
	assert_int_equal(patch_read(a, fixture_schemas(), fixture_type(TYPE_USER),
		body_of(a, OP("add", "password", "'first'") "," BARE("replace", "{'password':'p\xc2\xa0w'}")), &options, &p,
		&err), RC_OK);
	assert_true(slice_eq(patch_password(p), SLICE("p w"))); /* OpaqueString maps the space */
	patch_set_password_hash(p, SLICE("$hash"));
	assert_int_equal(patch_password(p).len, 0);
	assert_int_equal(patch_apply(a, p, root, &err), RC_OK);
	assert_true(slice_eq(node_find(root, password)->text, SLICE("$hash")));
	assert_int_equal(patch_read(a, fixture_schemas(), fixture_type(TYPE_USER), body_of(a, REMOVE("password")), &options,
		&p, &err), RC_OK);
	assert_int_equal(patch_password(p).len, 0);
	assert_int_equal(patch_apply(a, p, root, &err), RC_OK);
	assert_null(node_find(root, password));
	assert_int_equal(patch_read(a, fixture_schemas(), fixture_type(TYPE_USER),
		body_of(a, OP("add", "password", "7")), &options, &p, &err), RC_INVALID_VALUE);
	arena_free(a);
}

/* ---- What the clients' transcripts hold ---- */

static void
read_message(struct arena *a, const json_t *body, const char *path, bool refused)
{
	struct read_options options = { DIALECT_TOLERANT };
	struct err err = ERR_INIT;
	struct patch *p;
	enum rc rc = patch_read(a, fixture_schemas(), fixture_type(strstr(path, "/Groups") != NULL ? TYPE_GROUP : TYPE_USER),
		body, &options, &p, &err);

	if ((rc == RC_OK) == refused)
		fail_msg("%s: %s", json_dumps(body, 0), err.detail);
}

static size_t
walk_transcript(struct arena *a, const json_t *json)
{
	const json_t *method = json_object_get(json, "method"), *path = json_object_get(json, "path");
	const json_t *body = json_object_get(json, json_object_get(json, "body") != NULL ? "body" : "data");
	const json_t *status = json_object_get(json_object_get(json, "expect"), "status"), *value;
	size_t count = 0, i;
	const char *key;

	if (json_is_string(method) && json_is_string(path) && json_is_object(body) &&
	    strcmp(json_string_value(method), "PATCH") == 0) {
		/* A 409 is about what others hold: the message itself is fine. */
		read_message(a, body, json_string_value(path), json_array_size(status) == 1 &&
			json_integer_value(json_array_get(status, 0)) == 400);
		count++;
	}
	if (json_is_array(json)) {
		json_array_foreach (json, i, value)
			count += walk_transcript(a, value);
	} else if (json_is_object(json)) {
		json_object_foreach (json_unconst(json), key, value)
			count += walk_transcript(a, value);
	}
	return count;
}

static void
every_patch_of_the_transcripts_is_taken(void **state)
{
	static const char *const names[] = { "authentik", "entra-groups", "entra-initial-sync", "entra-user-lifecycle",
		"google", "hr-push", "jumpcloud", "keycloak", "okta-group-push", "okta-setup-and-import",
		"okta-user-lifecycle", "onelogin", "ping" };
	const char *srcdir = getenv("srcdir");
	struct arena *a = arena_new();
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *path = arena_printf(a, "%s/tests/idp/transcripts/%s.json", srcdir != NULL ? srcdir : ".", names[i]);
		json_t *json = json_load_file(path, 0, NULL);

		if (json == NULL)
			fail_msg("%s can't be read", path);
		count += walk_transcript(a, json);
		json_decref(json);
	}
	assert_true(count > 50);
	arena_free(a);
}

/* ---- Laws, on random resources ---- */

static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 11;
}

static const char *const paths[] = { "title", "nickName", "name", "name.givenName", "name.familyName", "active",
	"emails", "phoneNumbers", "roles", "addresses", URN_ENTERPRISE, URN_ENTERPRISE ":department",
	URN_ENTERPRISE ":manager", "emails[type eq \\\"work\\\"].value", "emails[type eq \\\"home\\\"].display",
	"addresses[type eq \\\"work\\\"].locality", "emails[value co \\\"1\\\"]", "emails.type" };

/* A random value that fits the path; few different texts, so that they meet. */
static char *
random_value(struct arena *a, uint64_t *r, const char *path)
{
	unsigned n = (unsigned)(next_random(r) % 4), m = (unsigned)(next_random(r) % 3);
	static const char *const types[] = { "work", "home", "\xc3\x96ther" };

	if (strcmp(path, "active") == 0)
		return arena_printf(a, "%s", n % 2 == 0 ? "true" : "false");
	if (strcmp(path, "name") == 0)
		return arena_printf(a, "{\"givenName\":\"G%u\",\"middleName\":\"M%u\"}", n, m);
	if (strcmp(path, URN_ENTERPRISE) == 0)
		return arena_printf(a, "{\"department\":\"D%u\",\"manager\":{\"value\":\"m%u\"}}", n, m);
	if (strcmp(path, URN_ENTERPRISE ":manager") == 0)
		return arena_printf(a, "{\"value\":\"m%u\"}", n);
	if (strcmp(path, "addresses") == 0)
		return arena_printf(a, "[{\"type\":\"%s\",\"locality\":\"L%u\"}]", types[m], n);
	if (strcmp(path, "emails[value co \\\"1\\\"]") == 0)
		return arena_printf(a, "{\"value\":\"v1%u\",\"type\":\"%s\"}", n, types[m]);
	if (strcmp(path, "emails.type") == 0)
		return arena_printf(a, "\"%s\"", types[m]);
	if (strcmp(path, "emails") == 0 || strcmp(path, "phoneNumbers") == 0 || strcmp(path, "roles") == 0)
		return arena_printf(a, "[{\"value\":\"v%u\",\"type\":\"%s\"%s},{\"value\":\"w%u\"}]", n, types[m],
			n == 0 ? ",\"primary\":true" : "", m);
	return arena_printf(a, "\"t%u\"", n);
}

static char *
random_operation(struct arena *a, uint64_t *r, const char *op, const char *path)
{
	if (strcmp(op, "remove") == 0)
		return arena_printf(a, "{\"op\":\"remove\",\"path\":\"%s\"}", path);
	return arena_printf(a, "{\"op\":\"%s\",\"path\":\"%s\",\"value\":%s}", op, path, random_value(a, r, path));
}

static struct node *
random_user(struct arena *a, uint64_t *r)
{
	struct node *root = fixture_tree(a, fixture_type(TYPE_USER), "{\"userName\":\"u\"}");
	struct err err;

	for (int i = 0; i < 8; i++) {
		struct node *next = node_copy(a, root);

		/* What does not go through is left out. */
		if (run(a, TYPE_USER, DIALECT_TOLERANT, random_operation(a, r, "add",
		    paths[next_random(r) % (sizeof(paths) / sizeof(paths[0]))]), next, &err) == RC_OK)
			root = next;
	}
	return root;
}

static void
expect_equal(const struct node *x, const struct node *y, const char *law, const char *operations)
{
	json_t *one = fixture_json(x), *two = fixture_json(y);

	if (!json_equal(one, two))
		fail_msg("%s: %s\n%s\n%s", law, operations, json_dumps(one, JSON_COMPACT),
			json_dumps(two, JSON_COMPACT));
	json_decref(one);
	json_decref(two);
}

static void
laws_hold_for_random_resources(void **state)
{
	uint64_t r = 0x9E3779B97F4A7C15;
	struct arena *a = arena_new();
	size_t applied = 0;

	(void)state;
	for (int round = 0; round < 4000; round++) {
		const char *path = paths[next_random(&r) % (sizeof(paths) / sizeof(paths[0]))];
		enum dialect dialect = (enum dialect)(next_random(&r) % 3);
		const char *verb = next_random(&r) % 3 == 0 ? "remove" : next_random(&r) % 2 == 0 ? "add" : "replace";
		struct node *root = random_user(a, &r), *once = node_copy(a, root), *twice, *both = node_copy(a, root);
		const char *op = random_operation(a, &r, verb, path);
		struct err err;
		enum rc rc = run(a, TYPE_USER, dialect, op, once, &err);

		if (rc == RC_OK) {
			applied++;
			/* Once more changes nothing, whether in a request of its own or in the same; a removal may then miss. */
			twice = node_copy(a, once);
			rc = run(a, TYPE_USER, dialect, op, twice, &err);
			if (rc == RC_OK)
				expect_equal(once, twice, "twice is once", op);
			else
				assert_true(rc == RC_NO_TARGET);
			rc = run(a, TYPE_USER, dialect, arena_printf(a, "%s,%s", op, op), both, &err);
			if (rc == RC_OK)
				expect_equal(once, both, "twice in one request is once", op);
			else
				assert_true(rc == RC_NO_TARGET);
		} else {
			/* Refused in the same way by an equal resource. */
			assert_int_equal(run(a, TYPE_USER, dialect, op, both, &err), rc);
		}
		arena_clear(a);
	}
	assert_true(applied > 2000);
	arena_free(a);
}

static void
a_fresh_value_added_and_removed_leaves_nothing(void **state)
{
	static const struct {
		const char *add, *remove;
	} pairs[] = {
		{ OP("add", "emails", "[{'value':'fresh','type':'fresh'}]"), REMOVE("emails[value eq \\'fresh\\']") },
		{ OP("add", "emails", "[{'value':'fresh','type':'fresh'}]"), OP("remove", "emails", "[{'value':'fresh'}]") },
		{ OP("add", "addresses[type eq \\'fresh\\'].country", "'XX'"), REMOVE("addresses[type eq \\'fresh\\'].country") },
		{ OP("add", "profileUrl", "'https://x'"), REMOVE("profileUrl") },
		{ OP("add", "name.honorificSuffix", "'III'"), REMOVE("name.honorificSuffix") },
		{ OP("add", URN_ENTERPRISE ":division", "'fresh'"), REMOVE(URN_ENTERPRISE ":division") },
		{ OP("add", "photos.value", "'https://x'"), REMOVE("photos[value pr]") },
	};
	uint64_t r = 0xD1B54A32D192ED03;
	struct arena *a = arena_new();
	struct err err;

	(void)state;
	for (int round = 0; round < 1000; round++) {
		size_t i = (size_t)round % (sizeof(pairs) / sizeof(pairs[0]));
		struct node *root = random_user(a, &r), *changed = node_copy(a, root);

		assert_int_equal(run(a, TYPE_USER, DIALECT_TOLERANT, pairs[i].add, changed, &err), RC_OK);
		assert_false(node_equal(root, changed));
		assert_int_equal(run(a, TYPE_USER, DIALECT_TOLERANT, pairs[i].remove, changed, &err), RC_OK);
		expect_equal(root, changed, "added and removed", pairs[i].add);
		arena_clear(a);
	}
	arena_free(a);
}

/* A patch is read once and may be applied again (the committer runs a batch anew after the map grew). */
static void
a_patch_is_not_used_up(void **state)
{
	struct read_options options = { DIALECT_TOLERANT };
	struct arena *a = arena_new();
	struct node *one = fixture_tree(a, fixture_type(TYPE_USER), json_of(a, babs)), *two = node_copy(a, one);
	struct node *spoilt = node_copy(a, one), *before = node_copy(a, one);
	struct err err = ERR_INIT;
	struct patch *p;

	(void)state;
	assert_int_equal(patch_read(a, fixture_schemas(), fixture_type(TYPE_USER), body_of(a,
		OP("add", "emails", "[{'value':'x','primary':true}]") "," OP("replace", "emails[value eq \\'x\\'].type", "'t'") ","
		OP("replace", "emails[type eq \\'home\\']", "{'value':'y'}") "," OP("add", "name", "{'middleName':'M'}")),
		&options, &p, &err), RC_OK);
	assert_int_equal(patch_apply(a, p, one, &err), RC_OK);
	assert_int_equal(patch_apply(a, p, two, &err), RC_OK);
	expect_equal(one, two, "applied again", "");
	assert_int_equal(run(a, TYPE_USER, DIALECT_STRICT, REMOVE("emails") "," REMOVE("emails[type eq \\'x\\']"), spoilt, &err),
		RC_NO_TARGET);
	expect_equal(before, fixture_tree(a, fixture_type(TYPE_USER), json_of(a, babs)), "a copy stays whole", "");
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_do_as_the_rfc_says),
		cmocka_unit_test(the_message_is_checked),
		cmocka_unit_test(too_many_operations_name_the_limit),
		cmocka_unit_test(errors_say_which_operation),
		cmocka_unit_test(costly_patches_are_refused),
		cmocka_unit_test(members_become_edits),
		cmocka_unit_test(a_member_filter_is_handed_on),
		cmocka_unit_test(password_is_kept_apart),
		cmocka_unit_test(every_patch_of_the_transcripts_is_taken),
		cmocka_unit_test(laws_hold_for_random_resources),
		cmocka_unit_test(a_fresh_value_added_and_removed_leaves_nothing),
		cmocka_unit_test(a_patch_is_not_used_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
