/* Long lists: of a type, of a group, of a value; passed over by whole pages, compared with counting
 * by hand. */
#include "tests/store/fixture.h"

#include <stdlib.h>

#include "base/banned.h"

enum { MAP = 512 << 20, MANY = 60000 };

struct list {
	struct store *s;
	char *dir;
	uint32_t org;
	size_t size; /* of this round */
	uint64_t *rows, group;
	size_t n;
	uint64_t seed;
};

static const struct actor actor = { .door = DOOR_SCIM, .now = 1 };

static enum rc
make_list(struct txn *t, void *arg, struct err *err)
{
	struct list *l = arg;
	struct org org = { .state = ORG_ACTIVE, .key = "list" };
	struct slice *packed = malloc(sizeof(*packed) * (l->size + 1));
	struct person p = { "u", NULL, NULL, { NULL, NULL }, NULL, NULL, 0, 1 };
	struct buf b = BUF_INIT;
	size_t each;
	struct orgtx *o;

	(void)err;
	assert_non_null(packed);
	fixture_pack_user(&b, fixture_id(1), 1, 1, &p);
	each = b.len;
	for (size_t i = 1; i < l->size; i++)
		fixture_pack_user(&b, fixture_id(1 + i), 1, 1, &p);
	for (size_t i = 0; i < l->size; i++)
		packed[i] = (struct slice){ b.p + i * each, each };
	if (l->org == 0) {
		org_create(t, &org);
		l->org = org.no;
	}
	o = orgtx_open(t, l->org);
	(void)change_begin(o, &actor);
	record_create_many(o, TYPE_USER, packed, l->size, l->rows);
	buf_clear(&b);
	fixture_pack_group(&b, fixture_id(1000000), 1, 1, "g");
	l->group = record_create(o, TYPE_GROUP, buf_as_slice(&b));
	assert_int_equal(edge_add_many(o, l->group, l->rows, l->size), l->size);
	change_end(o);
	buf_release(&b);
	free(packed);
	return RC_OK;
}

/* Leaves holes, so that pages are full to different degrees. */
static enum rc
make_holes(struct txn *t, void *arg, struct err *err)
{
	struct list *l = arg;
	struct orgtx *o = orgtx_open(t, l->org);
	size_t kept = 0;

	(void)err;
	(void)change_begin(o, &actor);
	for (size_t i = 0; i < l->size; i++) {
		bool in_hole = (i / 97) % 5 == 0 || fixture_random(&l->seed) % 7 == 0;

		if (in_hole && l->size > 3)
			assert_int_equal(record_delete(o, l->rows[i]), 1);
		else
			l->rows[kept++] = l->rows[i];
	}
	change_end(o);
	l->n = kept;
	return RC_OK;
}

static void
compare(struct list *l, struct orgtx *o, uint64_t after, uint64_t skip, size_t max)
{
	static uint64_t got[MANY];
	size_t first = 0, n;

	while (first < l->n && l->rows[first] <= after)
		first++;
	first += skip;
	n = first >= l->n ? 0 : l->n - first < max ? l->n - first : max;
	assert_int_equal(rows_list(o, TYPE_USER, after, skip, got, max), n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(got[i], l->rows[first + i]);
	if (skip > 0)
		return;
	assert_int_equal(edge_list(o, EDGE_MEMBERS, l->group, after, got, max), n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(got[i], l->rows[first + i]);
}

static void
compare_all(struct list *l)
{
	struct txn *t = reader_new(l->s);
	struct err err = ERR_INIT;
	struct orgtx *o;
	uint64_t after;

	assert_int_equal(reader_begin(t, &err), RC_OK);
	o = orgtx_open(t, l->org);
	assert_int_equal(rows_count(o, TYPE_USER), l->n);
	assert_int_equal(edge_count(o, EDGE_MEMBERS, l->group), l->n);
	compare(l, o, 0, 0, MANY);
	compare(l, o, 0, l->n, 1);
	compare(l, o, UINT64_MAX, 0, 1);
	for (int i = 0; i < 300; i++) {
		after = l->n > 0 && i % 3 != 0
				? l->rows[fixture_random(&l->seed) % l->n] + (uint64_t)i % 2
				: 0;
		compare(l, o, after, fixture_random(&l->seed) % (l->n + 3),
			1 + fixture_random(&l->seed) % 700);
		compare(l, o, after, 0, 1 + fixture_random(&l->seed) % 700);
	}
	/* Around the borders of pages. */
	for (uint64_t skip = 490; skip < 530 && skip < l->n; skip++)
		compare(l, o, 0, skip, 3);
	assert_int_equal(txn_rc(t), RC_OK);
	reader_free(t);
}

static void
lists_pass_over_whole_pages_exactly(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 17, 180, 260, 511, 520, 1500, MANY };
	struct verify_result r;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct list l = { .size = sizes[i], .n = sizes[i], .seed = 99 + i };

		l.dir = fixture_dir();
		l.s = fixture_open(l.dir, MAP, MAP);
		l.rows = malloc(sizeof(*l.rows) * l.size);
		assert_int_equal(store_write(l.s, make_list, &l, &err), RC_OK);
		compare_all(&l);
		assert_int_equal(store_write(l.s, make_holes, &l, &err), RC_OK);
		compare_all(&l);
		assert_int_equal(store_verify(l.s, NULL, &r, &err), RC_OK);
		assert_int_equal(r.problems, 0);
		store_close(l.s);
		fixture_dir_remove(l.dir);
		free(l.rows);
	}
}

/* ---- A walk that others write under ---- */

static enum rc
walk_and_delete(struct txn *t, void *arg, struct err *err)
{
	struct list *l = arg;
	struct orgtx *o = orgtx_open(t, l->org);
	const struct attr *attr = fixture_attr(TYPE_USER, "userName");
	bool backward = l->seed % 2 == 1;
	struct index_walk *walk;
	struct slice key;
	uint64_t row;

	(void)err;
	(void)change_begin(o, &actor);
	walk = index_walk_open(o, attr->id, TYPE_USER, backward, (struct slice){ NULL, 0 },
		backward ? UINT64_MAX : 0);
	/* Every other one goes as soon as it was given: none is given twice, none is left out. */
	for (size_t i = 0; i < l->size; i++) {
		assert_true(index_walk_next(walk, &key, &row));
		assert_true(slice_eq(key, SLICE("u")));
		assert_int_equal(row, l->rows[backward ? l->size - 1 - i : i]);
		if (i % 2 == 0)
			(void)record_delete(o, row);
	}
	assert_false(index_walk_next(walk, &key, &row));
	change_end(o);
	return RC_OK;
}

static void
a_walk_goes_on_under_writes(void **state)
{
	static const size_t sizes[] = { 1, 2, 5, 300, 2000 };
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct list l = { .size = sizes[i / 2], .seed = i };

		l.dir = fixture_dir();
		l.s = fixture_open(l.dir, MAP, MAP);
		l.rows = malloc(sizeof(*l.rows) * l.size);
		assert_int_equal(store_write(l.s, make_list, &l, &err), RC_OK);
		assert_int_equal(store_write(l.s, walk_and_delete, &l, &err), RC_OK);
		store_close(l.s);
		fixture_dir_remove(l.dir);
		free(l.rows);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_pass_over_whole_pages_exactly),
		cmocka_unit_test(a_walk_goes_on_under_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
