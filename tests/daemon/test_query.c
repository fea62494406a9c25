/* Queries over the indexes against a plain reading of all records: the same resources, in the same order, on every
 * page, by index and by cursor, small (sorted in memory) and large (walking the sort attribute's index). */
#include <stdlib.h>

#include "tests/store/fixture.h"

#include "daemon/directory/query.h"

#include "base/banned.h"

enum { USERS = 6000, SPACE = 1 };

static struct store *store;
static char *dir;
static uint32_t org_no;
static struct directory directory;
static const struct schema_set *schema;
static const struct resource_type *user_type;
static uint64_t seed = 20261122;

/* The plain model: what was put, by row. */
static struct {
	uint64_t row;
	bool gone;
} put[USERS];

static const char *
pick(const char *const *list, size_t n)
{
	return list[fixture_random(&seed) % n];
}

static void
make_user(struct buf *out, uint64_t n, char text[6][64])
{
	static const char *const families[] = { "Okoro", "Visser", "marin", "Acar", "Nowak", "Özil", "zhang" };
	static const char *const titles[] = { "Engineer", "engineer", "Lead", "Clerk" };
	struct person p = { .space = SPACE, .active = (int)(fixture_random(&seed) % 3) - 1 };

	(void)snprintf(text[0], 64, "%s%llu@example.com", n % 2 ? "User" : "user",
		(unsigned long long)(n * 7919 % USERS));
	(void)snprintf(text[1], 64, "Name %llu", (unsigned long long)(fixture_random(&seed) % 300));
	(void)snprintf(text[2], 64, "a%llu@mail.example", (unsigned long long)(fixture_random(&seed) % 900));
	(void)snprintf(text[3], 64, "b%llu@mail.example", (unsigned long long)(fixture_random(&seed) % 900));
	(void)snprintf(text[4], 64, "ext-%llu", (unsigned long long)(n / 2));
	p.user_name = text[0];
	if (n % 5 != 0)
		p.display_name = text[1];
	if (n % 3 != 0)
		p.family_name = pick(families, 7);
	if (n % 4 != 0)
		p.emails[0] = text[2];
	if (n % 8 == 1)
		p.emails[1] = text[3];
	if (n % 6 != 0)
		p.external_id = text[4];
	if (n % 2 == 0)
		p.title = pick(titles, 4);
	fixture_pack_user(out, fixture_id(n + 1), n + 1, (int64_t)(17000000000000000 + n % 1000 * 10000), &p);
}

static enum rc
fill(struct txn *t, void *arg, struct err *err)
{
	struct org org = { .state = ORG_ACTIVE, .key = "query", .name = "Query" };
	struct actor actor = { .door = DOOR_CONTROL, .now = 17000000000000000 };
	struct buf b = BUF_INIT;
	char text[6][64];
	struct orgtx *o;

	(void)arg;
	(void)err;
	org_create(t, &org);
	org_no = org.no;
	o = orgtx_open(t, org.no);
	for (uint64_t n = 0; n < USERS; n++) {
		buf_clear(&b);
		make_user(&b, n, text);
		(void)change_begin(o, &actor);
		put[n].row = record_create(o, TYPE_USER, buf_as_slice(&b));
		change_end(o);
	}
	buf_release(&b);
	return RC_OK;
}

static int
setup(void **state)
{
	struct guard_options guard = { .share_percent = 0 };
	struct err err;

	(void)state;
	schema = fixture_schema();
	user_type = schema_type(schema, TYPE_USER);
	directory_init(&directory, schema, NULL, &guard, 200000);
	dir = fixture_dir();
	store = fixture_open(dir, 256 << 20, 1ull << 34);
	return store_write(store, fill, NULL, &err) == RC_OK ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	store_close(store);
	fixture_dir_remove(dir);
	return 0;
}

/* ---- The plain reading ---- */

struct plain {
	uint64_t row;
	const struct node *value; /* that sorts, or NULL */
};

static const struct attr *plain_sort;
static bool plain_descending;

static int
plain_order(const void *left, const void *right)
{
	const struct plain *a = left, *b = right;
	int order = a->row < b->row ? -1 : 1;

	if (plain_sort != NULL && (a->value != NULL) != (b->value != NULL))
		return ((a->value != NULL) ? -1 : 1) * (plain_descending ? -1 : 1);
	if (plain_sort == NULL || a->value == NULL)
		return order;
	if (node_compare(a->value, b->value) != 0)
		order = node_compare(a->value, b->value);
	return plain_descending ? -order : order;
}

static size_t
plain_search(struct orgtx *o, struct arena *a, const struct filter *f, const struct attr *sort,
	bool descending, struct plain *out)
{
	size_t n = 0;

	for (size_t i = 0; i < USERS; i++) {
		struct record r;
		struct node *root;

		if (put[i].gone || !record_get(o, put[i].row, &r))
			continue;
		root = record_unpack(a, schema, &r, SPACE);
		assert_non_null(root);
		if (f != NULL && !filter_match(f, root, NULL, a))
			continue;
		out[n].row = put[i].row;
		out[n++].value = sort != NULL ? node_find(root, sort) : NULL;
	}
	plain_sort = sort;
	plain_descending = descending;
	qsort(out, n, sizeof(*out), plain_order);
	return n;
}

/* ---- The comparison ---- */

static int
row_order(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

/* Without sortBy the order is the query's own: stable, but not the model's. */
static void
assert_same(const struct plain *want, size_t n, uint64_t *got, size_t got_count, bool sorted)
{
	assert_int_equal(got_count, n);
	if (!sorted)
		qsort(got, got_count, sizeof(*got), row_order);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(got[i], want[i].row);
}

/* Asked in a hurry first, as the event loop does: either nothing, or the same as with all the time of the world. */
static unsigned hurried, gave_up;

static enum rc
run_query(struct orgtx *o, struct arena *a, const struct query *q, struct query_page *page, struct err *err)
{
	static const uint64_t hurries[] = { 1, 20, 200 };
	enum rc rc = query_run(&directory, o, a, q, page, err);

	assert_false(page->gave_up);
	for (size_t i = 0; i < sizeof(hurries) / sizeof(hurries[0]); i++) {
		struct query hurry = *q;
		struct query_page quick;

		hurry.quick = hurries[i];
		assert_int_equal(query_run(&directory, o, a, &hurry, &quick, err), RC_OK);
		hurried++;
		gave_up += quick.gave_up;
		if (quick.gave_up)
			continue;
		assert_int_equal(quick.count, page->count);
		assert_int_equal(quick.more, page->more);
		assert_int_equal(quick.total_known, page->total_known);
		if (quick.total_known)
			assert_int_equal(quick.total, page->total);
		assert_memory_equal(quick.rows, page->rows, page->count * sizeof(*page->rows));
	}
	return rc;
}

static size_t
all_by_cursor(struct orgtx *o, struct arena *a, struct query *q, uint64_t *out)
{
	struct query_page page = { .more = true };
	struct query_position after;
	struct err err = ERR_INIT;
	size_t n = 0;

	q->by_cursor = true;
	q->after = NULL;
	while (page.more) {
		assert_int_equal(run_query(o, a, q, &page, &err), RC_OK);
		assert_true(page.count <= q->count);
		memcpy(out + n, page.rows, page.count * sizeof(*out));
		n += page.count;
		assert_true(n <= USERS);
		after = page.next;
		q->after = &after;
	}
	return n;
}

static size_t
all_by_index(struct orgtx *o, struct arena *a, struct query *q, size_t total, uint64_t *out)
{
	struct query_page page;
	struct err err = ERR_INIT;
	size_t n = 0;

	q->by_cursor = false;
	q->after = NULL;
	for (q->skip = 0; q->skip == 0 || q->skip < total; q->skip += q->count) {
		assert_int_equal(run_query(o, a, q, &page, &err), RC_OK);
		assert_int_equal(page.total, total);
		memcpy(out + n, page.rows, page.count * sizeof(*out));
		n += page.count;
	}
	return n;
}

static const char *const filters[] = {
	NULL,
	"userName eq \"USER21@example.com\"",
	"userName sw \"user1\"",
	"userName sw \"USER69\" and active eq true",
	"userName gt \"user5\"",
	"userName le \"user3000@example.com\"",
	"displayName eq \"name 7\"",
	"displayName sw \"Name 2\"",
	"displayName ge \"name 250\" and displayName lt \"name 30\"",
	"name.familyName eq \"özil\"",
	"name.familyName sw \"o\" or name.familyName sw \"v\"",
	"name.familyName eq \"Okoro\" or name.familyName eq \"MARIN\"",
	"not (name.familyName pr)",
	"emails.value sw \"a1\"",
	"emails.value ge \"a5\"",
	"emails.value eq \"a17@mail.example\" or userName eq \"user3@example.com\"",
	"emails[value sw \"b\"]",
	"emails eq \"b7@mail.example\"",
	"externalId eq \"ext-100\"",
	"externalId eq \"EXT-100\"",
	"externalId sw \"ext-10\"",
	"active eq true",
	"active eq false and title eq \"lead\"",
	"active ne true",
	"title eq \"engineer\"",
	"title co \"eer\" and not (active eq false)",
	"meta.lastModified gt \"2023-11-14T22:13:20.500Z\"",
	"meta.lastModified le \"2023-11-14T22:13:20.002Z\"",
	"id eq \"no such id\"",
	"userName eq \"nobody\"",
};

static const char *const sorts[] = { NULL, "userName", "displayName", "name.familyName", "active", "title",
	"meta.lastModified", "externalId" };

static struct filter *
parse(struct arena *a, const char *text)
{
	struct filter *f = NULL;
	struct err err = ERR_INIT;

	if (text != NULL)
		assert_int_equal(filter_parse(a, schema, user_type, slice_of(text), DIALECT_TOLERANT, &f,
			&err), RC_OK);
	return f;
}

static void
check_query(const char *text, const char *sort, bool descending)
{
	static uint64_t got[USERS];
	static struct plain want[USERS];
	struct arena *a = arena_new();
	struct txn *t = reader_new(store);
	struct query q = { .type = user_type, .space = SPACE, .descending = descending,
		.count = 200 + fixture_random(&seed) % 1500 };
	struct orgtx *o;
	struct err err;
	size_t n;

	assert_int_equal(reader_begin(t, &err), RC_OK);
	o = orgtx_open(t, org_no);
	q.filter = parse(a, text);
	q.sort = sort != NULL ? attr_find(user_type, slice_of(sort)) : NULL;
	n = plain_search(o, a, q.filter, q.sort, descending, want);
	assert_same(want, n, got, all_by_cursor(o, a, &q, got), sort != NULL);
	assert_same(want, n, got, all_by_index(o, a, &q, n, got), sort != NULL);
	reader_end(t);
	reader_free(t);
	arena_free(a);
}

static void
every_filter_finds_what_a_plain_reading_finds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		check_query(filters[i], NULL, false);
}

static void
every_order_is_that_of_a_plain_sort(void **state)
{
	(void)state;
	for (size_t s = 1; s < sizeof(sorts) / sizeof(sorts[0]); s++)
		for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i += 2 + s % 3)
			check_query(filters[i], sorts[s], (i + s) % 2 == 0);
}

/* ---- Cursors while others write ---- */

static enum rc
disturb(struct txn *t, void *arg, struct err *err)
{
	struct orgtx *o = orgtx_open(t, org_no);
	struct actor actor = { .door = DOOR_CONTROL, .now = 17000000000000000 };
	uint64_t *next = arg;
	struct buf b = BUF_INIT;
	char text[6][64];

	(void)err;
	/* Deletes every 16th user, one a step; makes others, which the walk may or may not see. */
	if (*next < USERS && !put[*next].gone) {
		(void)change_begin(o, &actor);
		(void)record_delete(o, put[*next].row);
		make_user(&b, USERS * 10 + *next, text);
		(void)record_create(o, TYPE_USER, buf_as_slice(&b));
		change_end(o);
	}
	buf_release(&b);
	return RC_OK;
}

static void
a_hurry_ends_long_queries_only(void **state)
{
	(void)state;
	assert_true(hurried > 100);
	assert_in_range(gave_up, hurried / 20, hurried * 19 / 20);
}

static void
what_stays_put_is_seen_once_while_others_write(void **state)
{
	static unsigned char seen[USERS];
	uint64_t victim = 3;

	(void)state;
	for (size_t s = 0; s < sizeof(sorts) / sizeof(sorts[0]); s++) {
		struct query q = { .type = user_type, .space = SPACE, .by_cursor = true, .count = 97,
			.descending = s % 2 == 1 };
		struct query_page page = { .more = true };
		struct arena *a = arena_new();
		struct query_position after;
		struct err err = ERR_INIT;

		q.sort = sorts[s] != NULL ? attr_find(user_type, slice_of(sorts[s])) : NULL;
		memset(seen, 0, sizeof(seen));
		while (page.more) {
			struct txn *t = reader_new(store);

			assert_int_equal(reader_begin(t, &err), RC_OK);
			assert_int_equal(query_run(&directory, orgtx_open(t, org_no), a, &q, &page, &err), RC_OK);
			for (size_t i = 0; i < page.count; i++)
				for (size_t n = 0; n < USERS; n++)
					if (put[n].row == page.rows[i])
						seen[n]++;
			reader_end(t);
			reader_free(t);
			after = page.next;
			q.after = &after;
			assert_int_equal(store_write(store, disturb, &victim, &err), RC_OK);
			if (victim < USERS)
				put[victim].gone = true;
			victim += 16;
		}
		for (size_t n = 0; n < USERS; n++)
			if (!put[n].gone)
				assert_int_equal(seen[n], 1);
		arena_free(a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_filter_finds_what_a_plain_reading_finds),
		cmocka_unit_test(every_order_is_that_of_a_plain_sort),
		cmocka_unit_test(a_hurry_ends_long_queries_only),
		cmocka_unit_test(what_stays_put_is_seen_once_while_others_write),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
