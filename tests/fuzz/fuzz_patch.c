/* A PATCH body of any bytes against a fixed user and a group, in each dialect. Two copies of one
 * resource come out equal, and no empty object or list is left in them. */
#include <stdint.h>
#include <stdlib.h>

#include "protocol/patch.h"
#include "schema/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char user_json[] =
	"{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],\"userName\":\"ada\","
	"\"active\":true,"
	"\"name\":{\"familyName\":\"O'Malley\",\"givenName\":\"Ada\"},\"title\":\"Guide\","
	"\"emails\":[{\"value\":\"a@example.com\",\"type\":\"work\",\"primary\":true},"
	"{\"value\":\"b@example.org\",\"type\":\"home\"}],"
	"\"addresses\":[{\"type\":\"work\",\"locality\":\"Malm\xc3\xb6\"}],"
	"\"roles\":[{\"value\":\"r\",\"primary\":true}],"
	"\"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\":{\"department\":\"D\","
	"\"manager\":{\"value\":\"boss\",\"$ref\":\"https://x/Users/boss\"}}}";
static const char group_json[] =
	"{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:Group\"],\"displayName\":\"Crew\"}";

struct world {
	struct arena *fixed, *a;
	const struct schema_set *set;
	struct node *roots[TYPE_COUNT];
};

static void
build(struct world *w)
{
	static const char *const bodies[TYPE_COUNT] = {
		[TYPE_USER] = user_json, [TYPE_GROUP] = group_json
	};
	struct read_options options = { DIALECT_TOLERANT };
	struct err err;

	w->fixed = arena_new();
	w->a = arena_new();
	if (schema_load(w->fixed, &w->set, &err) != RC_OK)
		abort();
	for (uint8_t code = TYPE_USER; code <= TYPE_GROUP; code++) {
		struct resource_in in;
		json_t *body;

		if (json_read(w->fixed, slice_of(bodies[code]), &body, &err) != RC_OK ||
			resource_read(w->fixed, w->set, schema_type(w->set, code), body, &options,
				&in, &err) != RC_OK)
			abort();
		w->roots[code] = in.root;
	}
}

/* Objects and lists have children, and nothing is its own sibling's twin. */
static void
check_shape(const struct node *n)
{
	if (n->kind == NODE_VALUE)
		return;
	if (n->child == NULL && n->attr->parent != NULL)
		abort();
	for (const struct node *c = n->child; c != NULL; c = c->next) {
		if (n->kind == NODE_LIST ? c->attr != n->attr : c->attr->parent != n->attr)
			abort();
		for (const struct node *d = c->next; n->kind == NODE_OBJECT && d != NULL;
			d = d->next)
			if (c->attr == d->attr)
				abort();
		check_shape(c);
	}
}

static void
run(struct world *w, uint8_t code, enum dialect dialect, const json_t *body)
{
	struct read_options options = { dialect };
	struct node *one = node_copy(w->a, w->roots[code]), *two = node_copy(w->a, w->roots[code]);
	struct err err = ERR_INIT;
	struct patch *p;
	enum rc rc;

	if (patch_read(w->a, w->set, schema_type(w->set, code), body, &options, &p, &err) !=
		RC_OK) {
		if (err.detail[0] == '\0' || !text_valid(slice_of(err.detail)))
			abort();
		return;
	}
	if (patch_password(p).len > 0)
		patch_set_password_hash(p, SLICE("$argon2id$"));
	rc = patch_apply(w->a, p, one, &err);
	if (rc != RC_OK && (err.detail[0] == '\0' || !text_valid(slice_of(err.detail))))
		abort();
	if (patch_apply(w->a, p, two, &err) != rc)
		abort();
	if (rc != RC_OK)
		return;
	check_shape(one);
	if (!node_equal(one, two))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct err err = ERR_INIT;
	json_t *body;

	if (w.set == NULL)
		build(&w);
	if (json_read(w.a, (struct slice){ (const char *)data, size }, &body, &err) == RC_OK)
		for (int d = DIALECT_TOLERANT; d <= DIALECT_INTEROP; d++) {
			run(&w, TYPE_USER, (enum dialect)d, body);
			run(&w, TYPE_GROUP, (enum dialect)d, body);
		}
	arena_clear(w.a);
	return 0;
}
