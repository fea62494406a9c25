/* Damaged records: whatever the bytes are, reading stays within them, and what could be read packs
 * to a form that does not change again. */
#include <stdlib.h>

#include "schema/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena *for_tables;

static const struct schema_set *
tables(void)
{
	static const struct schema_set *set;
	struct err err;

	if (set == NULL) {
		for_tables = arena_new();
		if (schema_load(for_tables, &set, &err) != RC_OK)
			abort();
	}
	return set;
}

__attribute__((destructor)) static void
drop_tables(void)
{
	if (for_tables != NULL)
		arena_free(for_tables);
}

static bool
repack(struct arena *a, const struct record *r, struct buf *out)
{
	struct node *root = record_unpack(a, tables(), r, 1);

	if (root != NULL)
		record_pack(out, tables(), r, root, 1, r);
	return root != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice packed = { (const char *)data, size }, payload;
	struct arena *a = arena_new();
	struct buf once = BUF_INIT, twice = BUF_INIT;
	struct record r, again;
	struct index_key *keys;

	if (record_parse(tables(), packed, &r)) {
		size_t n = record_index_keys(a, tables(), &r, &keys);

		for (size_t i = 0; i < n; i++) {
			if (keys[i].key.len > INDEX_KEY_MAX)
				abort();
		}
		(void)record_external_id(tables(), &r, 1);
		(void)record_field(tables(), &r, r.type->external_id, &payload);
		if (repack(a, &r, &once)) {
			if (!record_parse(tables(), buf_as_slice(&once), &again) ||
				!repack(a, &again, &twice) ||
				!slice_eq(buf_as_slice(&once), buf_as_slice(&twice)) ||
				!node_equal(record_unpack(a, tables(), &again, 1),
					record_unpack(a, tables(), &again, 1)))
				abort();
		}
	}
	buf_release(&once);
	buf_release(&twice);
	arena_free(a);
	return 0;
}
