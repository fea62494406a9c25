#include "common.h"

#include <jansson.h>

#include "schema/load.h"

static const char *const types[] = { "string", "boolean", "integer", "decimal", "dateTime",
	"binary", "reference", "complex" };
static const char *const mutabilities[] = { "readWrite", "readOnly", "immutable", "writeOnly" };
static const char *const returneds[] = { "default", "always", "never", "request" };
static const char *const uniquenesses[] = { "none", "server", "global" };

#define ENTERPRISE "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
#define CORE "urn:ietf:params:scim:schemas:core:2.0:User"
#define MEMBER "urn:rosterd:scim:schemas:extension:member:1.0:User"

/* One row of the reference: schema, path, type, multi, required, caseExact, mutability, returned,
 * uniqueness. */
enum { COLUMNS = 9 };

static bool
next_row(struct slice *rest, struct slice cell[COLUMNS], size_t columns)
{
	struct slice line;

	while (slice_split(rest, '\n', &line)) {
		if (line.len == 0 || line.p[0] == '#')
			continue;
		for (size_t i = 0; i < columns; i++)
			assert_true(slice_split(&line, '\t', &cell[i]));
		return true;
	}
	return false;
}

static const struct attr *
find_in_schema(const struct schema *schema, struct slice path)
{
	struct slice part;
	const struct attr *at = NULL;

	assert_true(slice_split(&path, '.', &part));
	for (size_t i = 0; i < schema->attr_count; i++) {
		if (slice_eq(schema->attrs[i]->name, part))
			at = schema->attrs[i];
	}
	while (at != NULL && slice_split(&path, '.', &part))
		at = attr_sub(at, part);
	return at;
}

static void
check_row(const struct attr *attr, const struct slice cell[COLUMNS])
{
	if (attr == NULL)
		fail_msg("%.*s is missing", SLICE_ARG(cell[1]));
	assert_slice(cell[2], types[attr->type]);
	assert_slice(cell[3], attr->multi ? "true" : "false");
	assert_slice(cell[4], attr->required ? "true" : "false");
	if (!slice_eq(cell[5], SLICE("-")))
		assert_slice(cell[5], attr->case_exact ? "true" : "false");
	assert_slice(cell[6], mutabilities[attr->mutability]);
	assert_slice(cell[7], returneds[attr->returned]);
	if (!slice_eq(cell[8], SLICE("-")))
		assert_slice(cell[8], uniquenesses[attr->uniqueness]);
}

/* Hidden ones are the server's own. */
static size_t
attrs_below(const struct attr *const *attrs, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += attrs[i]->hidden ? 0 : 1 + attrs_below(attrs[i]->subs, attrs[i]->sub_count);
	return count;
}

static void
each_attribute_is_as_the_rfc_says(void **state)
{
	char *text = read_reference("attributes.tsv");
	struct slice rest = slice_of(text), cell[COLUMNS];
	size_t seen = 0, have = 0;

	(void)state;
	while (next_row(&rest, cell, COLUMNS)) {
		if (slice_eq(cell[0], SLICE("common"))) {
			check_row(attr_find(fx.user, cell[1]), cell);
			check_row(attr_find(fx.group, cell[1]), cell);
		} else {
			const struct schema *schema = schema_by_urn(fx.set, cell[0]);

			assert_non_null(schema);
			check_row(find_in_schema(schema, cell[1]), cell);
			seen++;
		}
	}
	free(text);
	for (size_t i = 0; i < fx.set->schema_count; i++)
		if (slice_starts(fx.set->schemas[i]->urn, SLICE("urn:ietf:")))
			have += attrs_below(fx.set->schemas[i]->attrs, fx.set->schemas[i]->attr_count);
	assert_int_equal(have, seen + 1); /* interopProfileConformant is from a draft */
}

static void
ids_of_stored_attributes_never_change(void **state)
{
	char *text = read_reference("stored-ids.tsv");
	struct slice rest = slice_of(text), cell[COLUMNS], name;
	uint64_t id;

	(void)state;
	while (next_row(&rest, cell, 2)) {
		const struct attr *attr;

		assert_true(slice_split(&cell[0], ' ', &name));
		attr = attr_find(schema_type_by_name(fx.set, name), cell[0]);
		if (attr == NULL)
			attr = attr_own(schema_type_by_name(fx.set, name)->root, cell[0]);
		if (attr == NULL)
			fail_msg("%.*s is missing", SLICE_ARG(cell[0]));
		assert_true(slice_to_u64(cell[1], 1, ATTR_ID_MAX - 1, &id));
		assert_int_equal(attr->id, id);
		assert_ptr_equal(fx.set->by_id[id], attr);
		assert_slice(attr_path(fx.a, attr), arena_printf(fx.a, "%.*s", SLICE_ARG(cell[0])));
	}
	free(text);
}

static void
check_tree(const struct attr *attr, const struct attr *parent)
{
	uint64_t bits[ATTR_ID_MAX / 64] = { 0 };

	assert_ptr_equal(attr->parent, parent);
	assert_ptr_equal(fx.set->by_id[attr->id], attr);
	bits[attr->id / 64] |= UINT64_C(1) << (attr->id % 64);
	for (size_t i = 0; i < attr->sub_count; i++) {
		check_tree(attr->subs[i], attr);
		for (size_t w = 0; w < ATTR_ID_MAX / 64; w++)
			bits[w] |= attr->subs[i]->bits[w];
	}
	assert_memory_equal(bits, attr->bits, sizeof(bits));
}

static void
trees_hang_together(void **state)
{
	(void)state;
	for (size_t i = 0; i < fx.set->type_count; i++) {
		assert_int_equal(fx.set->types[i]->code, i + 1);
		check_tree(fx.set->types[i]->root, NULL);
	}
	assert_ptr_equal(fx.set->types[0], fx.user);
	assert_ptr_not_equal(fx.user->meta, fx.group->meta);
	assert_slice(fx.user->root->subs[0]->name, "schemas");
	assert_slice(fx.user->root->subs[fx.user->root->sub_count - 1]->name, "meta");
	assert_int_equal(fx.user->extension_count, 2);
	assert_false(fx.user->extensions[0].required);
	assert_ptr_equal(fx.user->extensions[0].container->schema, fx.user->extensions[0].schema);
	assert_slice(user_attr("userName")->json_key, "\"userName\":");
	assert_int_equal(user_attr("emails.type")->canonical_count, 3);
	assert_slice(user_attr("emails.type")->canonical[1], "home");
}

static void
our_own_members_are_read(void **state)
{
	/* Besides externalId and meta.lastModified, which all types have. */
	static const struct {
		uint8_t code;
		const char *paths[8];
	} rows[] = {
		{ TYPE_USER, { "userName", "emails.value", "displayName", "name.familyName", "active",
				     MEMBER ":person.value", MEMBER ":linkState" } },
		{ TYPE_GROUP, { "displayName", "connectionNumber" } },
		{ TYPE_WORKSPACE, { "displayName", "parent.value" } },
		{ TYPE_PROJECT, { "displayName", "parent.value" } },
		{ TYPE_ROLE, { "name", "kind" } },
		{ TYPE_ASSIGNMENT, { "principal.value", "role", "scope.value" } },
		{ TYPE_INVITATION, { "kind", "address", "status", "tokenHash", "orgNumber" } },
		{ TYPE_CONNECTION, { "name", "number" } },
		{ TYPE_TOKEN, { "kind", "owner.value", "number" } },
		{ TYPE_SETTINGS, { NULL } },
		{ TYPE_ORGANIZATION, { "key", "displayName", "state", "number", "domains",
					     "formerKeys.value" } },
		{ TYPE_PERSON, { "userName", "displayName", "emails.value", "active" } },
		{ TYPE_CERTIFICATE, { "kind", "subject.value", "serial", "fingerprint", "revoked" } },
		{ TYPE_QUOTA, { "name", "member.value" } },
		{ TYPE_AUDIT_EVENT, { NULL } },
	};
	size_t count = 0, want = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct resource_type *type = schema_type(fx.set, rows[i].code);

		want += 2;
		assert_true(type->external_id->indexed && type->meta_modified->indexed);
		for (size_t k = 0; k < 8 && rows[i].paths[k] != NULL; k++, want++) {
			const struct attr *attr = attr_find(type, slice_of(rows[i].paths[k]));

			if (attr == NULL)
				attr = attr_own(type->root, slice_of(rows[i].paths[k]));
			if (attr == NULL || !attr->indexed)
				fail_msg("%s", rows[i].paths[k]);
		}
	}
	for (size_t i = 0; i < ATTR_ID_MAX; i++)
		count += fx.set->by_id[i] != NULL && fx.set->by_id[i]->indexed;
	assert_int_equal(count, want);
	assert_int_equal(user_attr("userName")->prepare, PREPARE_USERNAME);
	assert_int_equal(user_attr("password")->prepare, PREPARE_PASSWORD);
	assert_int_equal(user_attr("groups")->source, SOURCE_GROUPS);
	assert_int_equal(user_attr("groups.value")->source, SOURCE_GROUPS);
	assert_int_equal(user_attr("externalId")->source, SOURCE_SPACE);
	assert_int_equal(user_attr("meta.version")->source, SOURCE_HEADER);
	assert_int_equal(user_attr("title")->source, SOURCE_FIELDS);
	assert_int_equal(attr_find(fx.group, SLICE("members"))->source, SOURCE_MEMBERS);
	assert_true(attr_find(fx.group, SLICE("members.value"))->resource_id);
	assert_true(user_attr(
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value")
			    ->resource_id);
}

static void
attributes_are_found_by_path(void **state)
{
	static const struct {
		const char *path, *found; /* NULL: none */
	} rows[] = {
		{ "userName", "userName" },
		{ "USERNAME", "userName" },
		{ "name.givenname", "name.givenName" },
		{ "Meta.LastModified", "meta.lastModified" },
		{ "groups.$ref", "groups.$ref" },
		{ CORE ":userName", "userName" },
		{ CORE ".userName", "userName" },
		{ CORE ":name.familyName", "name.familyName" },
		{ "URN:IETF:params:scim:schemas:CORE:2.0:user:emails.value", "emails.value" },
		{ CORE ":externalId", "externalId" },
		{ ENTERPRISE, ENTERPRISE },
		{ ENTERPRISE ":manager.displayName", ENTERPRISE ":manager.displayName" },
		{ ENTERPRISE ".manager", ENTERPRISE ":manager" },
		{ ENTERPRISE ":DEPARTMENT", ENTERPRISE ":department" },
		{ ENTERPRISE ":userName", NULL },
		{ ENTERPRISE ":", NULL },
		{ ENTERPRISE "department", NULL },
		{ CORE, NULL },
		{ CORE ":", NULL },
		{ CORE ":" ENTERPRISE, NULL },
		{ "urn:ietf:params:scim:schemas:core:2.0:Group:displayName", NULL },
		{ "department", NULL },
		{ "name.", NULL },
		{ ".name", NULL },
		{ "name..givenName", NULL },
		{ "userName.value", NULL },
		{ "", NULL },
		{ "members", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct attr *attr = attr_find(fx.user, slice_of(rows[i].path));

		if ((attr == NULL) != (rows[i].found == NULL))
			fail_msg("\"%s\"", rows[i].path);
		if (attr != NULL)
			assert_slice(attr_path(fx.a, attr), rows[i].found);
	}
}

static void
types_and_schemas_are_found(void **state)
{
	(void)state;
	assert_ptr_equal(schema_type_by_endpoint(fx.set, SLICE("Users")), fx.user);
	assert_ptr_equal(schema_type_by_name(fx.set, SLICE("Group")), fx.group);
	assert_null(schema_type_by_endpoint(fx.set, SLICE("users")));
	assert_null(schema_type_by_endpoint(fx.set, SLICE("")));
	assert_null(schema_type(fx.set, 0));
	assert_null(schema_type(fx.set, TYPE_COUNT));
	assert_null(schema_type(fx.set, 255));
	assert_int_equal(fx.set->schema_count, 6 + 1 + 13);
	assert_ptr_equal(schema_by_urn(fx.set, SLICE("URN:ietf:params:scim:schemas:core:2.0:user")),
		fx.user->core);
	assert_null(schema_by_urn(fx.set, SLICE("urn:x")));
}

static void
what_is_hidden_has_no_name_for_clients(void **state)
{
	const struct resource_type *type = schema_type(fx.set, TYPE_INVITATION);
	const struct attr *hash = attr_own(type->root, SLICE("tokenHash"));

	(void)state;
	assert_non_null(hash);
	assert_true(hash->hidden && hash->indexed);
	assert_null(attr_find(type, SLICE("tokenHash")));
	assert_null(attr_find(type, SLICE("urn:rosterd:scim:schemas:core:1.0:Invitation:tokenHash")));
	assert_null(attr_sub(type->root, SLICE("TOKENHASH")));
	assert_ptr_equal(attr_own(type->root, SLICE("teams.value")), attr_find(type, SLICE("teams.value")));
	assert_null(attr_own(type->root, SLICE("teams.x")));
}

static void
what_is_made_when_read_is_marked(void **state)
{
	const struct resource_type *type = schema_type(fx.set, TYPE_INVITATION);
	const struct attr *status = attr_find(type, SLICE("status"));

	(void)state;
	assert_true(status->live && status->indexed);
	assert_false(attr_find(type, SLICE("address"))->live);
}

static void
types_live_on_their_bases(void **state)
{
	static const char *const platform[] = { "Organization", "Person" };
	static const char *const both[] = { "Invitation", "Token" };

	(void)state;
	for (size_t i = 0; i < fx.set->type_count; i++) {
		const struct resource_type *t = fx.set->types[i];
		unsigned want = BASE_ORG;

		for (size_t k = 0; k < 2; k++) {
			if (slice_eq(t->name, slice_of(platform[k])))
				want = BASE_PLATFORM;
			if (slice_eq(t->name, slice_of(both[k])))
				want = BASE_BOTH;
		}
		assert_int_equal(t->bases, want);
		assert_int_equal(t->core->bases, want);
		assert_int_equal(t->in_root, t->code <= TYPE_GROUP);
	}
	assert_int_equal(fx.user->extensions[1].schema->bases, BASE_ORG);
	assert_int_equal(schema_by_urn(fx.set, SLICE("urn:ietf:params:scim:schemas:core:2.0:Schema"))->bases,
		BASE_BOTH);
}

static void
references_that_are_made_know_their_parts(void **state)
{
	const struct attr *person = user_attr(MEMBER ":person");
	const struct attr *scope =
		attr_find(schema_type(fx.set, TYPE_ASSIGNMENT), SLICE("scope"));

	(void)state;
	assert_ptr_equal(person->made_ref, attr_sub(person, SLICE("$ref")));
	assert_ptr_equal(person->ref_value, attr_sub(person, SLICE("value")));
	assert_null(person->ref_type);
	assert_slice(person->made_ref->refs[0], "Person");
	assert_ptr_equal(scope->ref_type, attr_sub(scope, SLICE("type")));
	assert_null(user_attr(ENTERPRISE ":manager")->made_ref); /* stored as it was sent */
	assert_null(user_attr("groups")->made_ref);              /* edges */
	assert_int_equal(user_attr(MEMBER)->mutability, ATTR_READ_ONLY);
	assert_int_equal(user_attr(ENTERPRISE)->mutability, ATTR_READ_WRITE);
	assert_int_equal(attr_find(schema_type(fx.set, TYPE_SETTINGS), SLICE("policies"))->max, 262144);
}

/* ---- What is published ---- */

static json_t *
parse_open(struct slice text)
{
	json_t *json = json_loads(
		arena_printf(fx.a, "%.*s}", SLICE_ARG(text)), JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(json);
	assert_memory_equal(text.p, "{\"schemas\":", 11);
	return json;
}

static json_t *
json_attr(json_t *attrs, const char *name)
{
	size_t i;
	json_t *attr;

	json_array_foreach (attrs, i, attr) {
		if (strcmp(json_string_value(json_object_get(attr, "name")), name) == 0)
			return attr;
	}
	return NULL;
}

static void
assert_nothing_of_ours(json_t *attrs)
{
	size_t i;
	json_t *attr, *value;
	const char *key;

	json_array_foreach (attrs, i, attr) {
		json_object_foreach (attr, key, value) {
			assert_int_not_equal(key[0], '$');
		}
		assert_true(json_string_length(json_object_get(attr, "description")) > 0);
		assert_nothing_of_ours(json_object_get(attr, "subAttributes"));
	}
}

static void
published_schemas_tell_what_is_served(void **state)
{
	(void)state;
	for (size_t i = 0; i < fx.set->schema_count; i++) {
		const struct schema *schema = fx.set->schemas[i];
		json_t *json = parse_open(schema->json),
		       *attrs = json_object_get(json, "attributes");
		json_t *interop = parse_open(schema->json_interop);

		assert_slice(schema->urn, json_string_value(json_object_get(json, "id")));
		assert_nothing_of_ours(attrs);
		for (size_t k = 0; k < schema->attr_count; k++) {
			const char *name = schema->attrs[k]->name.p;
			bool draft = strcmp(name, "interopProfileConformant") == 0;
			bool hidden = schema->attrs[k]->hidden;

			assert_int_equal(json_attr(attrs, name) == NULL, draft || hidden);
			assert_int_equal(
				json_attr(json_object_get(interop, "attributes"), name) == NULL, hidden);
		}
		json_decref(json);
		json_decref(interop);
	}
}

static void
published_user_schema_is_exact(void **state)
{
	json_t *json = parse_open(fx.user->core->json),
	       *attrs = json_object_get(json, "attributes"), *attr;

	(void)state;
	assert_string_equal(
		json_string_value(json_object_get(json, "description")), "User Account");
	assert_non_null(json_attr(attrs, "externalId"));
	assert_null(json_attr(attrs, "meta"));
	attr = json_attr(attrs, "password");
	assert_string_equal(json_string_value(json_object_get(attr, "mutability")), "writeOnly");
	assert_string_equal(json_string_value(json_object_get(attr, "returned")), "never");
	attr = json_attr(json_object_get(json_attr(attrs, "groups"), "subAttributes"), "$ref");
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(attr, "referenceTypes"), 0)),
		"Group");
	json_decref(json);
}

static void
published_types_are_exact(void **state)
{
	json_t *json = parse_open(fx.user->json), *extension;

	(void)state;
	assert_string_equal(json_string_value(json_object_get(json, "id")), "User");
	assert_string_equal(json_string_value(json_object_get(json, "name")), "User");
	assert_string_equal(json_string_value(json_object_get(json, "endpoint")), "/Users");
	assert_string_equal(
		json_string_value(json_object_get(json, "description")), "User Account");
	assert_string_equal(json_string_value(json_object_get(json, "schema")), CORE);
	assert_null(json_object_get(json, "$code"));
	extension = json_array_get(json_object_get(json, "schemaExtensions"), 0);
	assert_int_equal(json_object_size(extension), 2);
	assert_string_equal(json_string_value(json_object_get(extension, "schema")), ENTERPRISE);
	assert_true(json_is_false(json_object_get(extension, "required")));
	json_decref(json);
}

/* ---- Mistakes in the data ---- */

struct slip {
	const char *file, *from, *to; /* the first from in the file becomes to */
	const char *path, *detail;    /* the error: its path, a piece of its sentence */
};

static const struct slip slips[] = {
	{ "User.json", "\"$id\": 41", "\"$id\": 40", "name", "taken by \"userName\"" },
	{ "User.json", "\"$id\": 41", "\"$id\": 1024", "name", "not from 1 to 1023" },
	{ "User.json", "\"$id\": 41", "\"$id\": 0", "name", "not from 1 to 1023" },
	{ "User.json", "\"$id\": 41", "\"$id\": -9223372036854775808", "name",
		"not from 1 to 1023" },
	{ "User.json", "\"$id\": 41", "\"$id\": \"41\"", "name", "wrong kind" },
	{ "User.json", "\"$id\": 41", "\"$id\": 12", "id",
		"common.json: \"$id\" 12 is taken by \"name\"" },
	{ "User.json", "\"$id\": 42,", "", "name.formatted", "\"$id\" is missing" },
	{ "User.json", "\"type\": \"string\", ", "", "userName", "\"type\" is missing" },
	{ "User.json", "\"type\": \"string\"", "\"type\": \"text\"", "userName",
		"can't be \"text\"" },
	{ "User.json", "\"$index\"", "\"$indexed\"", "userName", "unknown member \"$indexed\"" },
	{ "User.json", "\"$id\": 41", "\"$id\": 41, \"$index\": true", "name",
		"can't have an index" },
	{ "User.json", "\"$id\": 41", "\"$id\": 41, \"$prepare\": \"username\"", "name",
		"no meaning" },
	{ "User.json", "\"name\": \"userName\"", "\"name\": \"user name\"", "user name",
		"no attribute name" },
	{ "User.json", "\"name\": \"familyName\"", "\"name\": \"Formatted\"", "name",
		"two attributes" },
	{ "User.json", "\"name\": \"userName\"", "\"name\": \"externalid\"", "User",
		"two attributes" },
	{ "User.json", "\"caseExact\": false, ", "", "userName", "\"caseExact\" is missing" },
	{ "User.json", "\"uniqueness\": \"server\"", "\"uniqueness\": \"org\"", "userName",
		"can't be \"org\"" },
	{ "User.json", "\"mutability\": \"readWrite\"", "\"mutability\": 1", "userName",
		"wrong kind" },
	{ "User.json", "\"$source\": \"groups\"", "\"$source\": \"groupz\"", "groups",
		"can't be \"groupz\"" },
	{ "User.json", "\"$id\": 42", "\"$id\": 42, \"$source\": \"space\"", "name.formatted",
		"around it" },
	{ "User.json", "\"referenceTypes\": [\"external\"],", "", "profileUrl",
		"\"referenceTypes\" is missing" },
	{ "User.json", "\"returned\": \"never\"", "\"returned\": \"default\"", "password",
		"neither be returned" },
	{ "User.json", "\"id\": \"urn:ietf", "\"id\": \"http:ietf", "id", "no URN" },
	{ "User.json", "\"attributes\"", "\"attrs\"", "", "unknown member \"attrs\"" },
	{ "Group.json", "core:2.0:Group", "core:2.0:User", "id", "User.json defines" },
	{ "Group.json", "{", "[", "", "line " },
	{ "common.json", "\"$id\": 2,", "\"$id\": 1,", "id", "taken by \"schemas\"" },
	{ "common.json", "\"name\": \"externalId\"", "\"name\": \"external\"", "externalId",
		"lack it" },
	{ "common.json", "\"after\"", "\"behind\"", "", "unknown member \"behind\"" },
	{ "types.json", "\"$code\": 2", "\"$code\": 1", "Group", "\"$code\" 1 is taken" },
	{ "types.json", "\"$code\": 2", "\"$code\": 16", "Group",
		"\"$code\" 16 is taken or not below 16" },
	{ "types.json", "\"$base\": \"org\"", "\"$base\": \"tenant\"", "User",
		"can't be \"tenant\"" },
	{ "types.json", "\"$base\": \"org\", ", "", "User", "\"$base\" is missing" },
	{ "Invitation.json", "\"mutability\": \"readOnly\", \"returned\": \"never\"",
		"\"mutability\": \"readOnly\", \"returned\": \"default\"", "tokenHash",
		"needs readOnly, returned never" },
	{ "Invitation.json", "\"mutability\": \"readOnly\", \"returned\": \"never\"",
		"\"mutability\": \"readWrite\", \"returned\": \"never\"", "tokenHash",
		"needs readOnly, returned never" },
	{ "Invitation.json", "\"$max\": 4096", "\"$max\": 0", "message", "1 to 1048576 bytes" },
	{ "Invitation.json", "\"$max\": 4096", "\"$max\": 1048577", "message", "1 to 1048576 bytes" },
	{ "MemberUser.json", "\"referenceTypes\": [\"Person\"]",
		"\"referenceTypes\": [\"Person\", \"User\"]", "person", "the one reference type" },
	{ "types.json", "\"$id\": 20", "\"$id\": 11", "Group", "taken by \"schemas\"" },
	{ "types.json", "core:2.0:Group", "core:2.0:Team", "Group", "schema of no file" },
	{ "types.json", "extension:enterprise:2.0:User", "core:2.0:User", "User", "has a place" },
	{ "types.json", "\"/Groups\"", "\"/Users\"", "Group", "is taken" },
	{ "types.json", "\"/Groups\"", "\"Groups\"", "Group", "slash" },
	{ "types.json", "core:2.0:Group", "core:2.0:Schema", "Group", "holds a complex attribute" },
};

static struct slice
with_slip(struct arena *a, struct slice text, const struct slip *slip)
{
	const char *at = memmem(text.p, text.len, slip->from, strlen(slip->from));
	size_t before;

	assert_non_null(at);
	before = (size_t)(at - text.p);
	return slice_of(arena_printf(a, "%.*s%s%.*s", (int)before, text.p, slip->to,
		(int)(text.len - before - strlen(slip->from)), at + strlen(slip->from)));
}

static void
mistakes_are_named(void **state)
{
	struct schema_file files[SCHEMA_FILE_COUNT];

	(void)state;
	for (size_t i = 0; i < sizeof(slips) / sizeof(slips[0]); i++) {
		struct arena *a = arena_new();
		const struct schema_set *set = NULL;
		struct err err = ERR_INIT;

		schema_files(files);
		for (size_t f = 0; f < SCHEMA_FILE_COUNT; f++) {
			if (strcmp(files[f].name, slips[i].file) == 0)
				files[f].text = with_slip(a, files[f].text, &slips[i]);
		}
		if (schema_compile(a, files, SCHEMA_FILE_COUNT, &set, &err) != RC_INTERNAL)
			fail_msg("%s with %s passes", slips[i].file, slips[i].to);
		assert_null(set);
		if (strcmp(err.path, slips[i].path) != 0 ||
			strstr(err.detail, slips[i].detail) == NULL ||
			strstr(err.detail, ".json: ") == NULL)
			fail_msg("%s with %s: %s: %s", slips[i].file, slips[i].to, err.path,
				err.detail);
		arena_free(a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_attribute_is_as_the_rfc_says),
		cmocka_unit_test(ids_of_stored_attributes_never_change),
		cmocka_unit_test(trees_hang_together),
		cmocka_unit_test(our_own_members_are_read),
		cmocka_unit_test(attributes_are_found_by_path),
		cmocka_unit_test(types_and_schemas_are_found),
		cmocka_unit_test(what_is_hidden_has_no_name_for_clients),
		cmocka_unit_test(what_is_made_when_read_is_marked),
		cmocka_unit_test(types_live_on_their_bases),
		cmocka_unit_test(references_that_are_made_know_their_parts),
		cmocka_unit_test(published_schemas_tell_what_is_served),
		cmocka_unit_test(published_user_schema_is_exact),
		cmocka_unit_test(published_types_are_exact),
		cmocka_unit_test(mistakes_are_named),
	};

	return cmocka_run_group_tests(tests, fixture_up, fixture_down);
}
