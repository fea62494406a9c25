/* A body, read in a dialect as a user, a group or a bulk request; what is taken is packed, written
 * and must be JSON again. The first byte chooses. */
#include <stdint.h>
#include <stdlib.h>

#include "protocol/bulk.h"
#include "protocol/scim_read.h"
#include "protocol/scim_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
write_and_parse(
	const struct schema_set *set, const struct resource_type *type, const struct node *root)
{
	struct record r = { .type = type, .revision = 1 };
	struct buf packed = BUF_INIT, out = BUF_INIT;
	struct projection all;
	struct view v = { .set = set, .projection = &all, .base = SLICE("https://h"), .space = 1 };
	json_t *json;

	record_pack(&packed, set, &r, root, 1, NULL);
	must(record_parse(set, buf_as_slice(&packed), &r));
	projection_default(type, &all);
	must(resource_write_open(&out, &v, &r));
	buf_char(&out, '}');
	json = json_loadb(out.p, out.len, JSON_REJECT_DUPLICATES, NULL);
	must(json != NULL);
	json_decref(json);
	buf_release(&packed);
	buf_release(&out);
}

static void
run_bulk(struct arena *a, const struct schema_set *set, json_t *json, enum dialect dialect)
{
	const struct bulk_options options = { dialect, 1000, BASE_ORG };
	struct err err = ERR_INIT;
	struct bulk *b;
	const size_t *order;

	if (bulk_read(a, set, json, &options, &b, &err) != RC_OK) {
		must(err.detail[0] != '\0');
		return;
	}
	bulk_resolve(a, b);
	order = bulk_order(a, b);
	for (size_t i = 0; i < b->count; i++) {
		must(order[i] < b->count);
		must(b->ops[i].rc == RC_OK || b->ops[i].err.detail[0] != '\0');
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct schema_set *set;
	static struct arena *kept, *a;
	struct err err = ERR_INIT;
	json_t *json;

	if (set == NULL) {
		kept = arena_new();
		a = arena_new();
		must(schema_load(kept, &set, &err) == RC_OK);
	}
	if (size == 0)
		return 0;
	if (json_read(a, (struct slice){ (const char *)data + 1, size - 1 }, &json, &err) !=
		RC_OK) {
		must(err.detail[0] != '\0');
	} else if (data[0] % 9 >= 6) {
		run_bulk(a, set, json, (enum dialect)(data[0] % 3));
	} else {
		const struct read_options options = { (enum dialect)(data[0] % 3) };
		const struct resource_type *type =
			schema_type(set, data[0] % 9 < 3 ? TYPE_USER : TYPE_GROUP);
		struct resource_in in;

		if (resource_read(a, set, type, json, &options, &in, &err) == RC_OK)
			write_and_parse(set, type, in.root);
		else
			must(err.detail[0] != '\0');
	}
	arena_clear(a);
	return 0;
}
