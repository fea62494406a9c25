#include "common.h"

/* Texts that differ in how they are compared and how long they are. */
static struct slice
random_text(struct arena *a, uint64_t *seed)
{
	static const char *const pieces[] = { "a", "B", "z", "9", "-", "\xc3\xa4", "\xc3\x84",
		"\xce\xa3", "\xcf\x82", "\xc3\x9f", "e\xcc\x81", "\xe6\xbc\xa2", "Zq" };
	uint64_t n = dice(seed) % 8;
	struct buf b = BUF_INIT;
	struct slice out;

	if (dice(seed) % 40 == 0)
		n = dice(seed) % 500;
	for (; n > 0; n--) {
		const char *piece = pieces[dice(seed) % (sizeof(pieces) / sizeof(pieces[0]))];

		buf_put(&b, piece, strlen(piece));
	}
	out = arena_dup(a, buf_as_slice(&b));
	buf_release(&b);
	return out;
}

static struct node *
random_value(struct arena *a, const struct attr *attr, uint64_t *seed)
{
	struct node *n = node_new(a, attr, NODE_VALUE);

	switch (attr->type) {
	case ATTR_BOOLEAN:
		n->boolean = dice(seed) % 2 == 0;
		break;
	case ATTR_INTEGER:
	case ATTR_DATETIME:
		n->integer =
			(int64_t)(dice(seed) >> dice(seed) % 64) * (dice(seed) % 2 == 0 ? 1 : -1);
		break;
	case ATTR_DECIMAL:
		n->decimal = ((double)(int64_t)dice(seed)) / (double)(1 + dice(seed) % 1000000);
		break;
	case ATTR_STRING:
	case ATTR_REFERENCE:
	case ATTR_BINARY:
	case ATTR_COMPLEX:
		n->text = random_text(a, seed);
		break;
	}
	return n;
}

static struct node *random_object(struct arena *a, const struct attr *attr, uint64_t *seed);

static struct node *
random_one(struct arena *a, const struct attr *attr, uint64_t *seed)
{
	return attr->type == ATTR_COMPLEX ? random_object(a, attr, seed)
					  : random_value(a, attr, seed);
}

static struct node *
random_object(struct arena *a, const struct attr *attr, uint64_t *seed)
{
	struct node *object = node_new(a, attr, NODE_OBJECT), *n;

	for (size_t i = 0; i < attr->sub_count; i++) {
		const struct attr *sub = attr->subs[i];
		uint64_t count = 1 + dice(seed) % 4;

		if ((sub->source != SOURCE_FIELDS && sub->source != SOURCE_SPACE) ||
			dice(seed) % 3 == 0)
			continue;
		n = sub->multi ? node_new(a, sub, NODE_LIST) : random_one(a, sub, seed);
		for (; sub->multi && count > 0; count--) {
			struct node *element = random_one(a, sub, seed);

			if (element->kind == NODE_VALUE || element->child != NULL)
				node_append(n, element);
		}
		if (n->kind == NODE_VALUE || n->child != NULL)
			node_insert(object, n);
	}
	return object;
}

static struct record
random_header(uint64_t *seed)
{
	struct record r = { .type = dice(seed) % 4 == 0 ? fx.group : fx.user };

	for (size_t i = 0; i < UUID_SIZE; i++)
		r.id.bytes[i] = (uint8_t)dice(seed);
	r.revision = dice(seed);
	r.created = (int64_t)(dice(seed) % 17723214000000000);
	r.modified = (int64_t)(dice(seed) % 17723214000000000);
	return r;
}

/* Takes what the header gives out of an unpacked tree. */
static void
drop_header(struct node *root, const struct record *r)
{
	node_remove(root, node_child(root, r->type->id));
	node_remove(root, node_child(root, r->type->meta));
}

static void
trees_survive_packing(void **state)
{
	uint64_t seed = 42;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		struct arena *a = arena_new();
		struct record r = random_header(&seed), back;
		struct node *root = random_object(a, r.type->root, &seed), *again;
		struct buf packed = BUF_INIT, twice = BUF_INIT;
		uint32_t space = (uint32_t)dice(&seed);

		record_pack(&packed, fx.set, &r, root, space, NULL);
		assert_true(record_parse(fx.set, buf_as_slice(&packed), &back));
		assert_ptr_equal(back.type, r.type);
		assert_memory_equal(&back.id, &r.id, sizeof(r.id));
		assert_int_equal(back.revision, r.revision);
		assert_int_equal(back.created, r.created);
		assert_int_equal(back.modified, r.modified);
		again = record_unpack(a, fx.set, &back, space);
		assert_non_null(again);
		record_pack(
			&twice, fx.set, &back, again, space, &back); /* id and meta are left out */
		assert_true(slice_eq(buf_as_slice(&packed), buf_as_slice(&twice)));
		drop_header(again, &back);
		assert_true(node_equal(root, again));
		buf_release(&packed);
		buf_release(&twice);
		arena_free(a);
	}
}

static void
header_becomes_nodes(void **state)
{
	struct record r = { .type = fx.user, .revision = 12, .created = 1, .modified = 2 }, back;
	struct buf packed = BUF_INIT;
	struct node *root;

	(void)state;
	r.id.bytes[15] = 0xAB;
	record_pack(&packed, fx.set, &r, node_new(fx.a, fx.user->root, NODE_OBJECT), 0, NULL);
	assert_int_equal(packed.len, 42);
	assert_true(record_parse(fx.set, buf_as_slice(&packed), &back));
	root = record_unpack(fx.a, fx.set, &back, 0);
	assert_slice(node_find(root, fx.user->id)->text, "00000000-0000-0000-0000-0000000000ab");
	assert_slice(node_find(root, fx.user->meta_version)->text, "W/\"12\"");
	assert_slice(node_find(root, fx.user->meta_type)->text, "User");
	assert_int_equal(node_find(root, fx.user->meta_created)->ticks, 1);
	assert_int_equal(node_find(root, fx.user->meta_modified)->ticks, 2);
	assert_null(node_find(root, fx.user->meta_location));
	assert_null(node_find(root, fx.user->external_id));
	buf_release(&packed);
}

/* Packs a tree that has only an externalId (NULL: none) for a space over old. */
static struct record
with_external_id(struct buf *b, const char *text, uint32_t space, const struct record *old)
{
	struct record r = { .type = fx.user }, back;
	struct node *root = node_new(fx.a, fx.user->root, NODE_OBJECT);

	if (text != NULL)
		node_insert(root, text_node(fx.a, fx.user->external_id, text));
	record_pack(b, fx.set, &r, root, space, old);
	assert_true(record_parse(fx.set, buf_as_slice(b), &back));
	return back;
}

static void
each_space_has_its_own_external_id(void **state)
{
	struct buf b[5] = { BUF_INIT, BUF_INIT, BUF_INIT, BUF_INIT, BUF_INIT };
	struct record one = with_external_id(&b[0], "a", 1, NULL);
	struct record two = with_external_id(&b[1], "b", 70000, &one);
	struct record changed = with_external_id(&b[2], "A", 1, &two);
	struct record same = with_external_id(&b[3], "b", 70000, &changed);
	struct record gone = with_external_id(&b[4], NULL, 1, &changed);

	(void)state;
	assert_slice(record_external_id(fx.set, &two, 1), "a");
	assert_slice(record_external_id(fx.set, &two, 70000), "b");
	assert_int_equal(record_external_id(fx.set, &two, 2).len, 0);
	assert_slice(record_external_id(fx.set, &changed, 1), "A");
	assert_slice(record_external_id(fx.set, &changed, 70000), "b");
	assert_true(slice_eq(changed.fields, same.fields));
	assert_int_equal(record_external_id(fx.set, &gone, 1).len, 0);
	assert_slice(record_external_id(fx.set, &gone, 70000), "b");
	assert_slice(
		node_find(record_unpack(fx.a, fx.set, &two, 70000), fx.user->external_id)->text,
		"b");
	assert_null(node_find(record_unpack(fx.a, fx.set, &two, 3), fx.user->external_id));
	for (size_t i = 0; i < 5; i++)
		buf_release(&b[i]);
}

static void
what_has_no_value_is_not_packed(void **state)
{
	struct node *root = node_new(fx.a, fx.user->root, NODE_OBJECT);
	struct node *emails = node_new(fx.a, user_attr("emails"), NODE_LIST);
	struct node *groups = node_new(fx.a, user_attr("groups"), NODE_LIST);
	struct node *group = node_new(fx.a, user_attr("groups"), NODE_OBJECT);
	struct record r = { .type = fx.user };
	struct buf b = BUF_INIT;

	(void)state;
	node_insert(root, node_new(fx.a, user_attr("name"), NODE_OBJECT));
	node_insert(root, emails);
	node_append(emails, node_new(fx.a, user_attr("emails"), NODE_OBJECT));
	node_append(group, text_node(fx.a, user_attr("groups.value"), "x"));
	node_append(groups, group);
	node_insert(root, groups); /* computed */
	node_insert(root, text_node(fx.a, fx.user->id, "x"));
	record_pack(&b, fx.set, &r, root, 0, NULL);
	assert_int_equal(b.len, 42);
	buf_release(&b);
}

/* An old program reads what a newer one wrote. */
static void
unknown_attributes_are_passed_over(void **state)
{
	struct record r = { .type = fx.user }, back;
	struct node *root = node_new(fx.a, fx.user->root, NODE_OBJECT);
	struct buf b = BUF_INIT;
	struct slice title;

	(void)state;
	record_pack(&b, fx.set, &r, root, 0, NULL);
	buf_put(&b, "\xff\x03\x03xyz", 6); /* id 1023 */
	buf_put(&b, "\xff\xff\x01x", 4);   /* an id above all */
	buf_put(&b, (char[]){ (char)user_attr("title")->id, 0, 1, 't' }, 4);
	assert_true(record_parse(fx.set, buf_as_slice(&b), &back));
	assert_true(record_field(fx.set, &back, user_attr("title"), &title));
	assert_slice(title, "t");
	assert_slice(
		node_find(record_unpack(fx.a, fx.set, &back, 0), user_attr("title"))->text, "t");
	assert_false(record_field(fx.set, &back, user_attr("nickName"), &title));
	buf_release(&b);
}

/* The bytes of the layout as the header states them. */
static void
layout_is_as_documented(void **state)
{
	static const char want[] = "\x01\x01"
				   "0123456789abcdef"
				   "\x02\x01\0\0\0\0\0\0"
				   "\xff\xff\xff\xff\xff\xff\xff\xff"
				   "\x03\0\0\0\0\0\0\0"
				   "\x0d\x00\x06"
				   "\x07\0\0\0"
				   "xy" /* externalId, space 7 */
				   "\x28\x00\x02"
				   "bj" /* userName */
				   "\x29\x00\x06"
				   "\x2b\x00\x03"
				   "Jen" /* name.familyName */
				   "\x38\x00\x01"
				   "\x01"; /* active */
	struct record r = { .type = fx.user, .revision = 258, .created = -1, .modified = 3 };
	struct node *root = node_new(fx.a, fx.user->root, NODE_OBJECT), *active;
	struct buf b = BUF_INIT;

	(void)state;
	memcpy(r.id.bytes, "0123456789abcdef", 16);
	node_insert(root, text_node(fx.a, fx.user->external_id, "xy"));
	node_insert(root, text_node(fx.a, user_attr("userName"), "bj"));
	node_insert(node_parent_for(fx.a, root, user_attr("name.familyName")),
		text_node(fx.a, user_attr("name.familyName"), "Jen"));
	active = node_new(fx.a, user_attr("active"), NODE_VALUE);
	active->boolean = true;
	node_insert(root, active);
	assert_int_equal(user_attr("active")->id, 0x38);
	record_pack(&b, fx.set, &r, root, 7, NULL);
	assert_int_equal(b.len, sizeof(want) - 1);
	assert_memory_equal(b.p, want, b.len);
	buf_release(&b);
}

static void
damaged_bytes_are_refused(void **state)
{
	struct record r = { .type = fx.user }, back;
	struct buf b = BUF_INIT;
	static const struct {
		const char *fields;
		size_t len;
	} rows[] = {
		{ "\x28", 1 }, { "\x28\x00", 2 }, { "\x28\x00\x02x", 4 },
		{ "\x28\x00\xff\xff\xff\xff\xff\x01", 8 }, /* a length without end */
		{ "\x28\x00\xff\xff\xff\xff\x0f", 7 },
		{ "\x38\x00\x00", 3 }, /* boolean of no byte */
		{ "\x28\x00\x01"
		  "a\x28\x00\x01"
		  "b",
			8 }, /* twice */
		{ "\x2b\x00\x01"
		  "a",
			4 }, /* name.familyName outside name */
		{ "\x0c\x00\x01"
		  "a",
			4 }, /* id is of the header */
		{ "\x0d\x00\x03"
		  "abc",
			6 }, /* externalId without a space */
		{ "\x14\x00\x01"
		  "a",
			4 }, /* a group's root */
	};

	(void)state;
	assert_false(record_parse(fx.set, (struct slice){ NULL, 0 }, &back));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&b);
		record_pack(&b, fx.set, &r, node_new(fx.a, fx.user->root, NODE_OBJECT), 0, NULL);
		buf_put(&b, rows[i].fields, rows[i].len);
		assert_true(record_parse(fx.set, buf_as_slice(&b), &back));
		if (record_unpack(fx.a, fx.set, &back, 0) != NULL)
			fail_msg("row %zu passes", i);
	}
	b.p[0] = 2;
	assert_false(record_parse(fx.set, buf_as_slice(&b), &back));
	b.p[0] = 1;
	b.p[1] = TYPE_COUNT;
	assert_false(record_parse(fx.set, buf_as_slice(&b), &back));
	b.p[1] = 0;
	assert_false(record_parse(fx.set, buf_as_slice(&b), &back));
	b.p[1] = 1;
	assert_false(record_parse(fx.set, (struct slice){ b.p, 41 }, &back));
	buf_release(&b);
}

static void
mutated_bytes_never_crash(void **state)
{
	uint64_t seed = 99;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct arena *a = arena_new();
		struct record r = random_header(&seed), back;
		struct buf b = BUF_INIT;
		struct index_key *keys;
		char *exact;

		record_pack(&b, fx.set, &r, random_object(a, r.type->root, &seed), 1, NULL);
		for (uint64_t n = 1 + dice(&seed) % 4; n > 0; n--)
			b.p[dice(&seed) % b.len] = (char)dice(&seed);
		if (dice(&seed) % 4 == 0)
			b.len = dice(&seed) % b.len;
		/* A block of exactly these bytes, so that the sanitizer sees a step beyond. */
		exact = malloc(b.len > 0 ? b.len : 1);
		memcpy(exact, b.p, b.len);
		if (record_parse(fx.set, (struct slice){ exact, b.len }, &back)) {
			(void)record_unpack(a, fx.set, &back, 1);
			(void)record_index_keys(a, fx.set, &back, &keys);
			(void)record_external_id(fx.set, &back, 1);
		}
		free(exact);
		buf_release(&b);
		arena_free(a);
	}
}

/* ---- Index keys ---- */

static int
sign(int v)
{
	return (v > 0) - (v < 0);
}

static void
keys_order_as_values_do(void **state)
{
	struct attr integer = { .type = ATTR_INTEGER }, decimal = { .type = ATTR_DECIMAL };
	const struct attr *attrs[] = { user_attr("displayName"), user_attr("userName"),
		user_attr("externalId"), user_attr("active"), fx.user->meta_modified, &integer,
		&decimal };
	uint64_t seed = 5;
	size_t compared = 0;

	(void)state;
	for (int i = 0; i < 40000; i++) {
		struct arena *a = arena_new();
		const struct attr *attr = attrs[dice(&seed) % (sizeof(attrs) / sizeof(attrs[0]))];
		struct node *left = random_value(a, attr, &seed),
			    *right = random_value(a, attr, &seed);
		struct slice l, r;
		int order;

		if (index_key_of(a, attr, 9, left, false, &l) &&
			index_key_of(a, attr, 9, right, false, &r)) {
			order = slice_cmp(l, r);
			assert_true(l.len <= INDEX_KEY_MAX && r.len <= INDEX_KEY_MAX);
			assert_int_equal(order == 0, node_compare(left, right) == 0);
			if (l.len < INDEX_KEY_MAX - 36 && r.len < INDEX_KEY_MAX - 36) {
				assert_int_equal(sign(order), sign(node_compare(left, right)));
				compared++;
			}
		}
		arena_free(a);
	}
	assert_true(compared > 30000);
}

static void
number_keys_rise(void **state)
{
	static const double decimals[] = { -1e308, -2.5, -2, -1, -1e-300, 0, 1e-300, 0.5, 1,
		1.0000001, 2, 3e100 };
	static const int64_t integers[] = { INT64_MIN, -1000000, -1, 0, 1, 255, 256, INT64_MAX };
	struct attr integer = { .type = ATTR_INTEGER }, decimal = { .type = ATTR_DECIMAL };
	struct slice before = { "", 0 }, key;

	(void)state;
	for (size_t i = 0; i < sizeof(decimals) / sizeof(decimals[0]); i++, before = key) {
		assert_true(index_key_of(fx.a, &decimal, 0,
			&(struct node){ .attr = &decimal, .decimal = decimals[i] }, false, &key));
		assert_true(slice_cmp(before, key) < 0);
	}
	before = (struct slice){ "", 0 };
	for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++, before = key) {
		assert_true(index_key_of(fx.a, &integer, 0,
			&(struct node){ .attr = &integer, .integer = integers[i] }, false, &key));
		assert_true(slice_cmp(before, key) < 0);
	}
	assert_true(index_key_of(fx.a, &decimal, 0,
		&(struct node){ .attr = &decimal, .decimal = 0.0 }, false, &before));
	assert_true(index_key_of(fx.a, &decimal, 0,
		&(struct node){ .attr = &decimal, .decimal = -0.0 }, false, &key));
	assert_true(slice_eq(before, key));
}

static void
long_texts_keep_apart(void **state)
{
	const struct attr *attr = user_attr("displayName");
	char text[1001] = "";
	struct slice one, two, prefix;
	struct node *n = text_node(fx.a, attr, text);

	(void)state;
	memset(text, 'x', 1000);
	n->text = (struct slice){ text, 1000 };
	assert_true(index_key_of(fx.a, attr, 0, n, false, &one));
	text[999] = 'y';
	assert_true(index_key_of(fx.a, attr, 0, n, false, &two));
	assert_true(one.len <= INDEX_KEY_MAX);
	assert_false(slice_eq(one, two));
	text[999] = 'X';
	assert_true(index_key_of(fx.a, attr, 0, n, false, &two));
	assert_true(slice_eq(one, two));
	assert_true(index_key_of(fx.a, attr, 0, n, true, &prefix));
	assert_true(slice_starts(one, prefix));
	assert_int_equal(prefix.len, INDEX_KEY_MAX - 36);
	n->text.len = INDEX_KEY_MAX - 36; /* the longest that is its own key */
	assert_true(index_key_of(fx.a, attr, 0, n, false, &one));
	assert_int_equal(one.len, INDEX_KEY_MAX - 36);
}

static void
names_that_compare_alike_have_one_key(void **state)
{
	const struct attr *attr = user_attr("userName");
	struct slice one, two;

	(void)state;
	assert_true(index_key_of(
		fx.a, attr, 0, text_node(fx.a, attr, "\xef\xbc\xa2jensen"), false, &one));
	assert_true(index_key_of(fx.a, attr, 0, text_node(fx.a, attr, "bJENSEN"), false, &two));
	assert_true(slice_eq(one, two));
	assert_false(index_key_of(fx.a, attr, 0, text_node(fx.a, attr, " bjensen"), false, &one));
	assert_false(index_key_of(fx.a, attr, 0, text_node(fx.a, attr, ""), false, &one));
	assert_true(index_key_of(fx.a, attr, 0, text_node(fx.a, attr, ""), true, &one));
	assert_int_equal(one.len, 0);
	/* externalId: exact, each space by itself */
	attr = fx.user->external_id;
	assert_true(index_key_of(fx.a, attr, 0x01020304, text_node(fx.a, attr, "aB"), false, &one));
	assert_int_equal(one.len, 6);
	assert_memory_equal(one.p,
		"\x01\x02\x03\x04"
		"aB",
		6);
}

static void
records_give_all_their_keys_once(void **state)
{
	static const char *const mails[] = { "a@x", "A@x", "b@x", "" };
	struct node *root = node_new(fx.a, fx.user->root, NODE_OBJECT);
	struct node *emails = node_new(fx.a, user_attr("emails"), NODE_LIST);
	struct record r = { .type = fx.user, .created = 5, .modified = 6 }, back;
	struct buf first = BUF_INIT, b = BUF_INIT;
	struct index_key *keys;
	size_t n, seen[ATTR_ID_MAX] = { 0 };

	(void)state;
	node_insert(root, text_node(fx.a, user_attr("userName"), "BJ"));
	node_insert(root, text_node(fx.a, user_attr("title"), "no index"));
	node_insert(root, text_node(fx.a, fx.user->external_id, "x"));
	node_insert(root, emails);
	for (size_t i = 0; i < 4; i++) {
		struct node *mail = node_new(fx.a, user_attr("emails"), NODE_OBJECT);

		if (i < 3)
			node_insert(mail, text_node(fx.a, user_attr("emails.value"), mails[i]));
		node_insert(mail, text_node(fx.a, user_attr("emails.type"), "work"));
		node_append(emails, mail);
	}
	record_pack(&first, fx.set, &r, root, 1, NULL);
	assert_true(record_parse(fx.set, buf_as_slice(&first), &back));
	record_pack(&b, fx.set, &r, root, 2, &back);
	assert_true(record_parse(fx.set, buf_as_slice(&b), &back));
	n = record_index_keys(fx.a, fx.set, &back, &keys);
	assert_int_equal(n, 6);
	for (size_t i = 0; i < n; i++) {
		seen[keys[i].attr_id]++;
		if (i > 0 && keys[i].attr_id == keys[i - 1].attr_id)
			assert_true(slice_cmp(keys[i - 1].key, keys[i].key) < 0);
	}
	assert_int_equal(seen[user_attr("userName")->id], 1);
	assert_int_equal(seen[user_attr("emails.value")->id], 2);
	assert_int_equal(seen[fx.user->external_id->id], 2);
	assert_int_equal(seen[fx.user->meta_modified->id], 1);
	buf_release(&first);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trees_survive_packing),
		cmocka_unit_test(header_becomes_nodes),
		cmocka_unit_test(each_space_has_its_own_external_id),
		cmocka_unit_test(what_has_no_value_is_not_packed),
		cmocka_unit_test(unknown_attributes_are_passed_over),
		cmocka_unit_test(layout_is_as_documented),
		cmocka_unit_test(damaged_bytes_are_refused),
		cmocka_unit_test(mutated_bytes_never_crash),
		cmocka_unit_test(keys_order_as_values_do),
		cmocka_unit_test(number_keys_rise),
		cmocka_unit_test(long_texts_keep_apart),
		cmocka_unit_test(names_that_compare_alike_have_one_key),
		cmocka_unit_test(records_give_all_their_keys_once),
	};

	return cmocka_run_group_tests(tests, fixture_up, fixture_down);
}
