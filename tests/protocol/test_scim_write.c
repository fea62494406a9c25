#include "fixture.h"

#include "protocol/scim_read.h"
#include "protocol/scim_write.h"
#include "schema/text.h"

#define BASE "https://example.com/v2"
#define USER_ID "2819c223-7f76-453a-919d-413861904646"

enum { SPACE = 3 };

/* Reads a body and packs it as the store would. */
#define MEMBER_URN "urn:rosterd:scim:schemas:extension:member:1.0:User"

static struct record
pack(struct fixture *f, const struct resource_type *type, const json_t *body, struct buf *packed)
{
	const struct read_options options = { DIALECT_STRICT };
	struct record r = { .type = type, .revision = 7 };
	const char *id = json_string_value(json_object_get(body, "id"));
	struct resource_in in;
	struct err err = ERR_INIT;

	if (resource_read(f->a, f->set, type, body, &options, &in, &err) != RC_OK)
		fail_msg("%s: %s", err.path, err.detail);
	assert_true(uuid_parse(slice_of(id != NULL ? id : USER_ID), &r.id));
	assert_true(datetime_parse(SLICE("2010-01-23T04:56:22Z"), &r.created));
	assert_true(datetime_parse(SLICE("2011-05-13T04:42:34.5Z"), &r.modified));
	record_pack(packed, f->set, &r, in.root, SPACE, NULL);
	assert_true(record_parse(f->set, buf_as_slice(packed), &r));
	return r;
}

static struct view
view_of(struct fixture *f, const struct projection *p)
{
	return (struct view){ .set = f->set, .projection = p, .base = SLICE(BASE), .space = SPACE };
}

/* What a server answers for an example: its own values for what is readOnly, no password. */
static void
serve(json_t *json, const char *type, const char *endpoint)
{
	json_t *manager = json_object_get(json_object_get(json, ENTERPRISE), "manager");

	json_object_del(json, "password");
	json_object_del(json, "groups");
	json_object_del(json, "members");
	json_object_del(manager, "displayName");
	json_object_set_new(json, "meta",
		json_pack("{s:s, s:s, s:s, s:s, s:s}", "resourceType", type, "created",
			"2010-01-23T04:56:22Z", "lastModified", "2011-05-13T04:42:34.500Z",
			"version", "W/\"7\"", "location", ""));
	json_object_set_new(json_object_get(json, "meta"), "location",
		json_sprintf(
			BASE "%s/%s", endpoint, json_string_value(json_object_get(json, "id"))));
}

static void
examples_come_back(void **state)
{
	static const struct {
		const char *file, *type, *endpoint;
	} table[] = {
		{ "user-minimal.json", "User", "/Users" },
		{ "user-full.json", "User", "/Users" },
		{ "user-enterprise.json", "User", "/Users" },
		{ "group.json", "Group", "/Groups" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct resource_type *type =
			schema_type_by_name(f->set, slice_of(table[i].type));
		json_t *json = example_of(f, table[i].file);
		struct buf packed = BUF_INIT, out = BUF_INIT;
		struct record r = pack(f, type, json, &packed);
		struct projection all;
		struct view v = view_of(f, &all);

		projection_default(type, &all);
		assert_true(resource_write_open(&out, &v, &r));
		buf_char(&out, '}');
		serve(json, table[i].type, table[i].endpoint);
		assert_json(f, buf_as_slice(&out), json);
		buf_release(&packed);
		buf_release(&out);
	}
}

static void
strange_texts_come_back(void **state)
{
	struct fixture *f = *state;
	json_t *json = json_of(f,
		"{'schemas':['" USER_URN "'],'id':'" USER_ID "','userName':'ada',"
		"'title':'\\\"\\\\\\/"
		"\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\\u00e4\\u20ac\\ud83d\\ude00 <>&'}");
	struct buf packed = BUF_INIT, out = BUF_INIT;
	struct record r = pack(f, f->user, json, &packed);
	struct projection all;
	struct view v = view_of(f, &all);

	projection_default(f->user, &all);
	assert_true(resource_write_open(&out, &v, &r));
	buf_char(&out, '}');
	serve(json, "User", "/Users");
	assert_json(f, buf_as_slice(&out), json);
	buf_release(&packed);
	buf_release(&out);
}

/* Each byte at each place in texts of all lengths up to a few words of the machine. */
static void
any_text_is_escaped_right(void **state)
{
	(void)state;
	for (size_t len = 1; len < 27; len++) {
		for (size_t at = 0; at < len; at++) {
			for (int c = 1; c < 0x80; c++) {
				char text[32];
				struct buf out = BUF_INIT;
				json_t *json;

				memset(text, 'a', len);
				text[at] = (char)c;
				if (at + 2 < len)
					memcpy(text + at + 1, "\xc3\xa4", 2);
				buf_json_string(&out, (struct slice){ text, len });
				json = json_loadb(out.p, out.len, JSON_DECODE_ANY, NULL);
				assert_true(slice_eq(json_text(json), (struct slice){ text, len }));
				json_decref(json);
				buf_release(&out);
			}
		}
	}
}

static const char person[] =
	"{'schemas':['" USER_URN "','" ENTERPRISE "'],'id':'" USER_ID "',"
	"'externalId':'e1','userName':'ada','name':{'givenName':'Ada','familyName':'Byron'},"
	"'emails':[{'value':'ada@example.com','type':'work','primary':true},{'value':'a@b.example'}"
	"],"
	"'" ENTERPRISE "':{'department':'Engines','manager':{'value':'m1'}}}";

#define HEAD "'schemas':['" USER_URN "','" ENTERPRISE "'],'id':'" USER_ID "'"
#define META                                                                                       \
	"'meta':{'resourceType':'User','created':'2010-01-23T04:56:22Z',"                          \
	"'lastModified':'2011-05-13T04:42:34.500Z','location':'" BASE "/Users/" USER_ID            \
	"','version':'W/\\\"7\\\"'}"
#define NAME "'name':{'givenName':'Ada','familyName':'Byron'}"
#define EMAILS                                                                                     \
	"'emails':[{'value':'ada@example.com','type':'work','primary':true},{'value':'a@b."        \
	"example'}]"
#define EXT "'" ENTERPRISE "':{'department':'Engines','manager':{'value':'m1'}}"

/* RFC 7644 section 3.9. */
static const struct {
	const char *attributes, *excluded, *want;
} projections[] = {
	{ "", "",
		"{" HEAD ",'externalId':'e1','userName':'ada'," NAME "," EMAILS "," EXT "," META
		"}" },
	{ "userName", "", "{" HEAD ",'userName':'ada'}" },
	{ "USERNAME", "", "{" HEAD ",'userName':'ada'}" },
	{ " userName , name.givenName ,,", "",
		"{" HEAD ",'userName':'ada','name':{'givenName':'Ada'}}" },
	{ "id", "", "{" HEAD "}" },
	{ "nothing", "", "{" HEAD "}" },
	{ "password", "", "{" HEAD "}" },
	{ "title", "", "{" HEAD "}" },
	{ "externalId", "", "{" HEAD ",'externalId':'e1'}" },
	{ "name", "", "{" HEAD "," NAME "}" },
	{ "meta", "", "{" HEAD "," META "}" },
	{ "meta.location", "", "{" HEAD ",'meta':{'location':'" BASE "/Users/" USER_ID "'}}" },
	{ "emails.value", "",
		"{" HEAD ",'emails':[{'value':'ada@example.com'},{'value':'a@b.example'}]}" },
	{ "emails.type", "", "{" HEAD ",'emails':[{'type':'work'}]}" },
	{ "emails.display", "", "{" HEAD "}" },
	{ "emails[type eq \"work, or ]\"]", "", "{" HEAD "," EMAILS "}" },
	{ "userName,emails[type eq \"a,b\"].value", "",
		"{" HEAD ",'userName':'ada','emails':[{'value':'ada@example.com'},{'value':'a@b."
			 "example'}]}" },
	{ ENTERPRISE, "", "{" HEAD "," EXT "}" },
	{ ENTERPRISE ":department", "", "{" HEAD ",'" ENTERPRISE "':{'department':'Engines'}}" },
	{ ENTERPRISE ":manager.value", "",
		"{" HEAD ",'" ENTERPRISE "':{'manager':{'value':'m1'}}}" },
	{ ENTERPRISE ":manager.displayName", "", "{" HEAD "}" },
	{ "department", "", "{" HEAD ",'" ENTERPRISE "':{'department':'Engines'}}" },
	{ USER_URN ":userName", "", "{" HEAD ",'userName':'ada'}" },
	{ USER_URN, "", "{" HEAD ",'userName':'ada'," NAME "," EMAILS "}" },
	{ "", "userName", "{" HEAD ",'externalId':'e1'," NAME "," EMAILS "," EXT "," META "}" },
	{ "", "id,schemas",
		"{" HEAD ",'externalId':'e1','userName':'ada'," NAME "," EMAILS "," EXT "," META
		"}" },
	{ "", "meta,name,emails,externalId," ENTERPRISE, "{" HEAD ",'userName':'ada'}" },
	{ "", "meta,name.givenName,emails.value,externalId," ENTERPRISE ":manager",
		"{" HEAD ",'userName':'ada','name':{'familyName':'Byron'},'emails':[{'type':'work',"
			 "'primary':true}],'" ENTERPRISE "':{'department':'Engines'}}" },
	{ "", "meta," USER_URN, "{" HEAD ",'externalId':'e1'," EXT "}" },
	{ "", "nothing,meta",
		"{" HEAD ",'externalId':'e1','userName':'ada'," NAME "," EMAILS "," EXT "}" },
};

static void
projections_hold_what_was_asked_for(void **state)
{
	struct fixture *f = *state;
	struct buf packed = BUF_INIT;
	struct record r = pack(f, f->user, json_of(f, person), &packed);

	for (size_t i = 0; i < sizeof(projections) / sizeof(projections[0]); i++) {
		struct projection p;
		struct view v = view_of(f, &p);
		struct buf out = BUF_INIT;
		struct err err = ERR_INIT;

		assert_int_equal(
			projection_parse(f->set, f->user, slice_of(projections[i].attributes),
				slice_of(projections[i].excluded), &p, &err),
			RC_OK);
		assert_true(resource_write_open(&out, &v, &r));
		buf_char(&out, '}');
		assert_json(f, buf_as_slice(&out), json_of(f, projections[i].want));
		buf_release(&out);
	}
	buf_release(&packed);
}

static void
both_lists_are_refused(void **state)
{
	struct fixture *f = *state;
	struct projection p;
	struct err err = ERR_INIT;

	assert_int_equal(
		projection_parse(f->set, f->user, SLICE("userName"), SLICE("name"), &p, &err),
		RC_INVALID_VALUE);
	assert_true(err.detail[0] != '\0');
}

/* Broken names do not matter, whatever they are. */
static void
any_list_is_read(void **state)
{
	static const char signs[] = "emails,.[]\"\\ :a";
	struct fixture *f = *state;
	uint64_t seed = 3;

	for (int i = 0; i < 20000; i++) {
		char *text = malloc(40);
		size_t len = random_below(&seed, 40);
		struct projection p;
		struct err err = ERR_INIT;

		for (size_t k = 0; k < len; k++)
			text[k] = signs[random_below(&seed, sizeof(signs) - 1)];
		text = realloc(text, len + 1); /* to its last byte */
		assert_int_equal(projection_parse(f->set, f->user, (struct slice){ text, len },
					 (struct slice){ NULL, 0 }, &p, &err),
			RC_OK);
		assert_true(projection_has(&p, f->user->id));
		assert_false(projection_has(&p, attr_find(f->user, SLICE("password"))));
		free(text);
	}
}

static void
external_id_is_that_of_the_space(void **state)
{
	struct fixture *f = *state;
	struct buf packed = BUF_INIT, out = BUF_INIT;
	struct record r = pack(f, f->user, json_of(f, person), &packed);
	struct projection p;
	struct view v = view_of(f, &p);
	struct err err = ERR_INIT;

	assert_int_equal(
		projection_parse(f->set, f->user, SLICE("externalId"), SLICE(""), &p, &err), RC_OK);
	v.space = SPACE + 1;
	assert_true(resource_write_open(&out, &v, &r));
	buf_char(&out, '}');
	assert_json(f, buf_as_slice(&out), json_of(f, "{" HEAD "}"));
	buf_release(&packed);
	buf_release(&out);
}

static void
edges(void **state)
{
	static const struct {
		const char *attributes, *display, *type, *want;
	} table[] = {
		{ "", "Ada", "User",
			"{'value':'" USER_ID "','$ref':'" BASE "/Users/" USER_ID
			"','display':'Ada',"
			"'type':'User'}" },
		{ "members", "A\"da", "",
			"{'value':'" USER_ID "','$ref':'" BASE "/Users/" USER_ID
			"','display':'A\\\"da'}" },
		{ "members.value", "Ada", "User", "{'value':'" USER_ID "'}" },
		{ "members.type,members.display", "Ada", "User",
			"{'type':'User','display':'Ada'}" },
		{ "members.display", "", "User", "{}" },
	};
	struct fixture *f = *state;
	const struct attr *members = attr_find(f->group, SLICE("members"));
	struct uuid id;

	assert_true(uuid_parse(SLICE(USER_ID), &id));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct projection p;
		struct view v = view_of(f, &p);
		struct buf out = BUF_INIT;
		struct err err = ERR_INIT;

		assert_int_equal(projection_parse(f->set, f->group, slice_of(table[i].attributes),
					 SLICE(""), &p, &err),
			RC_OK);
		edge_write(&out, &v, members, &id, f->user, slice_of(table[i].display),
			slice_of(table[i].type));
		assert_json(f, buf_as_slice(&out), json_of(f, table[i].want));
		buf_release(&out);
	}
}

/* RFC 7644 section 3.12. */
static void
errors(void **state)
{
	static const struct {
		enum rc rc;
		struct err err;
		const char *want; /* without schemas */
	} table[] = {
		{ RC_NOT_FOUND, { "", "Resource x not found" },
			"{'status':'404','detail':'Resource x not found'}" },
		{ RC_MUTABILITY, { "id", "is readOnly" },
			"{'status':'400','scimType':'mutability','detail':'id: is readOnly'}" },
		{ RC_UNIQUENESS, { "userName", "\"ada\" is taken" },
			"{'status':'409','scimType':'uniqueness','detail':'userName: \\\"ada\\\" "
			"is taken'}" },
		{ RC_SENSITIVE, { "", "x" },
			"{'status':'403','scimType':'sensitive','detail':'x'}" },
		{ RC_PRECONDITION_FAILED, { "", "x" }, "{'status':'412','detail':'x'}" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		json_t *want = json_of(f, table[i].want);
		struct buf out = BUF_INIT;

		json_object_set_new(want, "schemas",
			json_pack("[s]", "urn:ietf:params:scim:api:messages:2.0:Error"));
		error_write(&out, table[i].rc, &table[i].err);
		assert_json(f, buf_as_slice(&out), want);
		buf_release(&out);
	}
	for (int rc = RC_OK + 1; rc < RC_COUNT; rc++) {
		struct buf out = BUF_INIT;
		json_t *json;
		bool with_type =
			rc_status((enum rc)rc) == 400 || rc == RC_UNIQUENESS || rc == RC_SENSITIVE;

		error_write(&out, (enum rc)rc, NULL);
		json = json_loadb(out.p, out.len, 0, NULL);
		assert_non_null(json);
		assert_true(json_string_length(json_object_get(json, "detail")) > 5);
		assert_int_equal(atoi(json_string_value(json_object_get(json, "status"))),
			rc_status((enum rc)rc));
		assert_true(with_type || json_object_get(json, "scimType") == NULL);
		json_decref(json);
		buf_release(&out);
	}
}

static void
versions(void **state)
{
	char text[VERSION_MAX];

	(void)state;
	assert_int_equal(version_format(12, text), 6);
	assert_memory_equal(text, "W/\"12\"", 6);
	assert_int_equal(version_format(UINT64_MAX, text), 24);
}

static void
put_at(struct fixture *f, const struct resource_type *type, struct node *root, const char *path,
	const char *text)
{
	const struct attr *attr = attr_find(type, slice_of(path));
	struct node *n = node_new(f->a, attr, NODE_VALUE);

	n->text = slice_of(text);
	node_insert(node_parent_for(f->a, root, attr), n);
}

#define PERSON_ID "0190a0b0-0000-7000-8000-000000000002"
#define SPACE_ID "0190a0b0-0000-7000-8000-000000000003"

/* Addresses of what a value points to are made when they are read, on the base of the type. */
static void
references_are_made(void **state)
{
	static const struct {
		const char *type, *complex, *value, *kind; /* kind: of the sub-attribute type, or none */
		unsigned bases;
		const char *platform, *ref; /* NULL: none */
		const char *attributes;
	} table[] = {
		{ "Assignment", "principal", USER_ID, "User", BASE_ORG, "", BASE "/Users/" USER_ID, "" },
		{ "Assignment", "scope", SPACE_ID, "Workspace", BASE_ORG, "",
			BASE "/Workspaces/" SPACE_ID, "" },
		{ "Assignment", "scope", SPACE_ID, NULL, BASE_ORG, "", NULL, "" },
		{ "Assignment", "scope", SPACE_ID, "Boat", BASE_ORG, "", NULL, "" },
		{ "Assignment", "scope", "no id", "Workspace", BASE_ORG, "", NULL, "" },
		{ "Assignment", "scope", SPACE_ID, "Workspace", BASE_ORG, "", NULL, "scope.value" },
		{ "Assignment", "scope", SPACE_ID, "Workspace", BASE_ORG, "",
			BASE "/Workspaces/" SPACE_ID, "scope.$ref" },
		{ "User", MEMBER_URN ":person", PERSON_ID, NULL, BASE_ORG, "https://h/p",
			"https://h/p/People/" PERSON_ID, "" },
		{ "User", MEMBER_URN ":person", PERSON_ID, NULL, BASE_ORG, "", NULL, "" },
		{ "Token", "owner", PERSON_ID, "Person", BASE_PLATFORM, BASE,
			BASE "/People/" PERSON_ID, "" },
		{ "Token", "owner", USER_ID, "User", BASE_PLATFORM, BASE, NULL, "" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct resource_type *type =
			schema_type_by_name(f->set, slice_of(table[i].type));
		const struct attr *complex = attr_find(type, slice_of(table[i].complex));
		struct node *root = node_new(f->a, type->root, NODE_OBJECT);
		struct record r = { .type = type };
		struct projection p;
		struct view v = view_of(f, &p);
		struct buf packed = BUF_INIT, out = BUF_INIT;
		struct err err = ERR_INIT;
		json_t *json;

		put_at(f, type, root, arena_printf(f->a, "%s.value", table[i].complex), table[i].value);
		if (table[i].kind != NULL)
			put_at(f, type, root, arena_printf(f->a, "%s.type", table[i].complex),
				table[i].kind);
		record_pack(&packed, f->set, &r, root, 0, NULL);
		assert_true(record_parse(f->set, buf_as_slice(&packed), &r));
		v.bases = table[i].bases;
		v.platform = slice_of(table[i].platform);
		assert_int_equal(projection_parse(f->set, type, slice_of(table[i].attributes),
					 SLICE(""), &p, &err),
			RC_OK);
		assert_true(resource_write_open(&out, &v, &r));
		buf_char(&out, '}');
		json = json_loadb(out.p, out.len, 0, NULL);
		assert_non_null(json);
		arena_on_free(f->a, fixture_decref, json);
		if (complex->parent != type->root)
			json = json_object_get(json, MEMBER_URN);
		json = json_object_get(json, complex->name.p);
		assert_non_null(json);
		json = json_object_get(json, "$ref");
		if ((json == NULL) != (table[i].ref == NULL))
			fail_msg("row %zu: %s", i, json_string_value(json));
		if (json != NULL)
			assert_string_equal(json_string_value(json), table[i].ref);
		buf_release(&packed);
		buf_release(&out);
	}
}

/* A damaged store must not bring the daemon down: any bytes are written or refused. */
static void
damaged_records_do_no_harm(void **state)
{
	struct fixture *f = *state;
	struct buf packed = BUF_INIT;
	struct projection all;
	struct view v = view_of(f, &all);
	uint64_t seed = 11;
	size_t refused = 0;

	(void)pack(f, f->user, example_of(f, "user-enterprise.json"), &packed);
	projection_default(f->user, &all);
	for (int i = 0; i < 20000; i++) {
		size_t len = random_below(&seed, 4) == 0 ? random_below(&seed, (uint32_t)packed.len)
							 : packed.len;
		char *copy = malloc(len + 1);
		struct buf out = BUF_INIT;
		struct record r;

		memcpy(copy, packed.p, len);
		for (uint32_t n = random_below(&seed, 4); n > 0 && len > 0; n--)
			copy[random_below(&seed, (uint32_t)len)] = (char)random_below(&seed, 256);
		if (!record_parse(f->set, (struct slice){ copy, len }, &r) ||
			!resource_write_open(&out, &v, &r))
			refused++;
		buf_release(&out);
		free(copy);
	}
	assert_true(refused > 1000);
	buf_release(&packed);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(examples_come_back),
		CASE(strange_texts_come_back),
		CASE(any_text_is_escaped_right),
		CASE(projections_hold_what_was_asked_for),
		CASE(both_lists_are_refused),
		CASE(any_list_is_read),
		CASE(external_id_is_that_of_the_space),
		CASE(edges),
		CASE(errors),
		CASE(versions),
		CASE(references_are_made),
		CASE(damaged_records_do_no_harm),
	};

	return RUN(tests);
}
