#include "fixture.h"

#include "protocol/discovery.h"

static struct discovery
discovery_of(struct fixture *f, enum dialect dialect)
{
	return (struct discovery){
		.set = f->set,
		.base = SLICE("https://h/v2"),
		.bases = BASE_ORG,
		.dialect = dialect,
		.bulk_operations = 1000,
		.bulk_payload = 1048576,
		.filter_results = 200,
		.page_default = 100,
		.page_max = 1000,
		.cursor_timeout = 3600,
	};
}

static json_t *
parsed(struct fixture *f, struct buf *out)
{
	json_t *json = json_loadb(out->p, out->len, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(json);
	arena_on_free(f->a, fixture_decref, json);
	buf_release(out);
	return json;
}

static void
the_service_provider_config(void **state)
{
	struct fixture *f = *state;
	struct discovery d = discovery_of(f, DIALECT_TOLERANT);
	struct buf out = BUF_INIT;
	const char *want =
		"{'schemas':['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],"
		"'patch':{'supported':true},"
		"'bulk':{'supported':true,'maxOperations':1000,'maxPayloadSize':1048576},"
		"'filter':{'supported':true,'maxResults':200},'changePassword':{'supported':true},"
		"'sort':{'supported':true},'etag':{'supported':true},"
		"'pagination':{'cursor':true,'index':true,'defaultPaginationMethod':'index',"
		"'defaultPageSize':100,'maxPageSize':1000,'cursorTimeout':3600},"
		"'authenticationSchemes':[{'type':'oauthbearertoken','name':'OAuth Bearer Token',"
		"'description':'A token in the Authorization header',"
		"'specUri':'https://www.rfc-editor.org/info/rfc6750','primary':true}],"
		"'meta':{'resourceType':'ServiceProviderConfig','location':'https://h/v2/"
		"ServiceProviderConfig'}}";
	json_t *json = json_of(f, want);

	discovery_config(&out, &d);
	assert_json(f, buf_as_slice(&out), json);
	buf_clear(&out);

	d.dialect = DIALECT_INTEROP;
	d.documentation_uri = SLICE("https://h/\"docs\"");
	json_object_set_new(json, "interopProfileConformant", json_true());
	json_object_set_new(json, "documentationUri", json_string("https://h/\"docs\""));
	discovery_config(&out, &d);
	assert_json(f, buf_as_slice(&out), json);
	buf_release(&out);
}

/* Whether value is of the type that a published attribute names, and all below it is published. */
static void
assert_described(const json_t *value, const json_t *attributes, const char *where)
{
	const char *key;
	json_t *member, *attribute, *each;
	size_t i, k;

	json_object_foreach (json_unconst(value), key, member) {
		const json_t *found = NULL, *one = member;

		if (strcmp(key, "schemas") == 0 || strcmp(key, "meta") == 0 ||
			strcmp(key, "id") == 0)
			continue;
		json_array_foreach (attributes, i, attribute)
			if (strcmp(json_string_value(json_object_get(attribute, "name")), key) == 0)
				found = attribute;
		if (found == NULL)
			fail_msg("%s.%s is not in the schema", where, key);
		assert_int_equal(
			json_is_array(member), json_is_true(json_object_get(found, "multiValued")));
		for (k = 0; k < (json_is_array(member) ? json_array_size(member) : 1); k++) {
			one = json_is_array(member) ? json_array_get(member, k) : member;
			if (json_is_object(one))
				assert_described(one, json_object_get(found, "subAttributes"), key);
			else
				assert_null(json_object_get(found, "subAttributes"));
		}
	}
	json_array_foreach (attributes, i, each)
		if (json_is_true(json_object_get(each, "required")) &&
			json_object_get(value, json_string_value(json_object_get(each, "name"))) ==
				NULL)
			fail_msg("%s.%s is required", where,
				json_string_value(json_object_get(each, "name")));
}

/* What is served is what /Schemas says. */
static void
the_config_is_as_its_schema_says(void **state)
{
	static const enum dialect dialects[] = { DIALECT_TOLERANT, DIALECT_INTEROP };
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		struct discovery d = discovery_of(f, dialects[i]);
		struct buf schema = BUF_INIT, config = BUF_INIT;
		struct err err = ERR_INIT;

		d.documentation_uri = SLICE("https://h/docs");
		assert_int_equal(discovery_schema(&schema, &d,
					 SLICE("urn:ietf:params:scim:schemas:core:2.0:"
					       "ServiceProviderConfig"),
					 &err),
			RC_OK);
		discovery_config(&config, &d);
		assert_described(parsed(f, &config),
			json_object_get(parsed(f, &schema), "attributes"), "config");
	}
}

static const char *
text_at(const json_t *json, const char *name, const char *sub)
{
	json = json_object_get(json, name);
	return json_string_value(sub != NULL ? json_object_get(json, sub) : json);
}

static void
assert_list(const json_t *list)
{
	size_t n = json_array_size(json_object_get(list, "Resources"));

	assert_string_equal(json_string_value(json_array_get(json_object_get(list, "schemas"), 0)),
		"urn:ietf:params:scim:api:messages:2.0:ListResponse");
	assert_int_equal(json_integer_value(json_object_get(list, "totalResults")), n);
	assert_int_equal(json_integer_value(json_object_get(list, "itemsPerPage")), n);
	assert_int_equal(json_integer_value(json_object_get(list, "startIndex")), 1);
}

static void
resource_types(void **state)
{
	struct fixture *f = *state;
	struct discovery d = discovery_of(f, DIALECT_STRICT);
	struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	json_t *list, *user, *group, *one;

	discovery_types(&out, &d);
	list = parsed(f, &out);
	assert_list(list);
	user = json_array_get(json_object_get(list, "Resources"), 0);
	group = json_array_get(json_object_get(list, "Resources"), 1);
	assert_string_equal(text_at(user, "id", NULL), "User");
	assert_string_equal(text_at(user, "endpoint", NULL), "/Users");
	assert_string_equal(text_at(user, "schema", NULL), USER_URN);
	assert_string_equal(text_at(json_array_get(json_object_get(user, "schemaExtensions"), 0),
				    "schema", NULL),
		ENTERPRISE);
	assert_string_equal(text_at(user, "meta", "location"), "https://h/v2/ResourceTypes/User");
	assert_string_equal(text_at(user, "meta", "resourceType"), "ResourceType");
	assert_string_equal(text_at(group, "id", NULL), "Group");
	assert_string_equal(text_at(group, "endpoint", NULL), "/Groups");

	assert_int_equal(discovery_type(&out, &d, SLICE("Group"), &err), RC_OK);
	one = parsed(f, &out);
	assert_true(json_equal(one, group));
	assert_int_equal(discovery_type(&out, &d, SLICE("group"), &err), RC_NOT_FOUND);
	assert_int_equal(discovery_type(&out, &d, SLICE(""), &err), RC_NOT_FOUND);
	assert_int_equal(out.len, 0);
}

static void
schemas(void **state)
{
	static const char *const urns[] = { USER_URN, GROUP_URN, ENTERPRISE };
	struct fixture *f = *state;
	struct discovery d = discovery_of(f, DIALECT_STRICT);
	struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	json_t *list, *one, *found, *item;
	size_t i;

	discovery_schemas(&out, &d);
	list = parsed(f, &out);
	assert_list(list);
	for (size_t u = 0; u < 3; u++) {
		found = NULL;
		json_array_foreach (json_object_get(list, "Resources"), i, item)
			if (strcmp(text_at(item, "id", NULL), urns[u]) == 0)
				found = item;
		assert_non_null(found);
		assert_string_equal(text_at(found, "meta", "resourceType"), "Schema");
		assert_string_equal(text_at(found, "meta", "location"),
			arena_printf(f->a, "https://h/v2/Schemas/%s", urns[u]));
		assert_true(json_array_size(json_object_get(found, "attributes")) > 1);
		assert_int_equal(discovery_schema(&out, &d, slice_of(urns[u]), &err), RC_OK);
		one = parsed(f, &out);
		assert_true(json_equal(one, found));
	}
	assert_int_equal(discovery_schema(&out, &d, SLICE("urn:x"), &err), RC_NOT_FOUND);
	assert_non_null(strstr(err.detail, "urn:x"));
}

static bool
lists(const json_t *list, const char *id)
{
	json_t *item;
	size_t i;

	json_array_foreach (json_object_get(list, "Resources"), i, item)
		if (strcmp(text_at(item, "id", NULL), id) == 0)
			return true;
	return false;
}

/* What lives on another base is not there: neither listed nor found by its id. */
static void
each_base_has_its_own(void **state)
{
	static const struct {
		const char *type, *urn;
		bool org, platform;
	} rows[] = {
		{ "User", USER_URN, true, false },
		{ NULL, ENTERPRISE, true, false },
		{ NULL, "urn:rosterd:scim:schemas:extension:member:1.0:User", true, false },
		{ "Workspace", "urn:rosterd:scim:schemas:core:1.0:Workspace", true, false },
		{ "Quota", "urn:rosterd:scim:schemas:core:1.0:Quota", true, false },
		{ "Invitation", "urn:rosterd:scim:schemas:core:1.0:Invitation", true, true },
		{ "Token", "urn:rosterd:scim:schemas:core:1.0:Token", true, true },
		{ "Person", "urn:rosterd:scim:schemas:core:1.0:Person", false, true },
		{ "Organization", "urn:rosterd:scim:schemas:core:1.0:Organization", false, true },
		{ NULL, "urn:ietf:params:scim:schemas:core:2.0:Schema", true, true },
	};
	struct fixture *f = *state;

	for (unsigned base = BASE_ORG; base <= BASE_PLATFORM; base++) {
		struct discovery d = discovery_of(f, DIALECT_STRICT);
		struct buf out = BUF_INIT;
		struct err err = ERR_INIT;
		json_t *types, *schemas_there;

		d.bases = base;
		discovery_types(&out, &d);
		types = parsed(f, &out);
		assert_list(types);
		discovery_schemas(&out, &d);
		schemas_there = parsed(f, &out);
		assert_list(schemas_there);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			bool there = base == BASE_ORG ? rows[i].org : rows[i].platform;
			enum rc want = there ? RC_OK : RC_NOT_FOUND;

			assert_int_equal(lists(schemas_there, rows[i].urn), there);
			assert_int_equal(discovery_schema(&out, &d, slice_of(rows[i].urn), &err), want);
			if (rows[i].type == NULL)
				continue;
			assert_int_equal(lists(types, rows[i].type), there);
			assert_int_equal(discovery_type(&out, &d, slice_of(rows[i].type), &err), want);
		}
		buf_release(&out);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(the_service_provider_config),
		CASE(the_config_is_as_its_schema_says),
		CASE(resource_types),
		CASE(schemas),
		CASE(each_base_has_its_own),
	};

	return RUN(tests);
}
