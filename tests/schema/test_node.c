#include "common.h"

static struct node *
user_root(void)
{
	return node_new(fx.a, fx.user->root, NODE_OBJECT);
}

/* A value at a path, with the objects above it. */
static struct node *
put(struct node *root, const char *path, const char *text)
{
	const struct attr *attr = user_attr(path);
	struct node *n = text_node(fx.a, attr, text);

	node_insert(node_parent_for(fx.a, root, attr), n);
	return n;
}

static struct node *
email(const char *value, const char *type)
{
	struct node *n = node_new(fx.a, user_attr("emails"), NODE_OBJECT);

	node_insert(n, text_node(fx.a, user_attr("emails.type"), type));
	node_insert(n, text_node(fx.a, user_attr("emails.value"), value));
	return n;
}

static void
children_stand_in_schema_order(void **state)
{
	static const char *const order[] = { "externalId", "userName", "displayName", "title" };
	struct node *root = user_root(), *at;
	size_t i = 0;

	(void)state;
	put(root, "title", "t");
	put(root, "displayName", "d");
	put(root, "externalId", "x");
	put(root, "userName", "u");
	for (at = root->child; at != NULL; at = at->next, i++)
		assert_slice(at->attr->name, order[i]);
	assert_int_equal(i, 4);
	node_remove(root, node_child(root, user_attr("userName")));
	node_remove(root, node_child(root, user_attr("title")));
	node_remove(root, node_child(root, user_attr("externalId")));
	assert_slice(root->child->attr->name, "displayName");
	assert_null(root->child->next);
	node_remove(root, root->child);
	assert_null(root->child);
}

static void
values_are_found_from_the_root(void **state)
{
	struct node *root = user_root(), *list = node_new(fx.a, user_attr("emails"), NODE_LIST),
		    *city;
	const struct attr *department =
		user_attr("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department");

	(void)state;
	city = put(root, "name.familyName", "Jensen");
	assert_ptr_equal(node_find(root, user_attr("name.familyName")), city);
	assert_ptr_equal(node_find(root, user_attr("name")), root->child);
	assert_null(node_find(root, user_attr("name.givenName")));
	assert_null(node_find(root, department));
	node_insert(node_parent_for(fx.a, root, department), text_node(fx.a, department, "Tour"));
	assert_slice(node_find(root, department)->text, "Tour");
	assert_int_equal(node_find(root, department->parent)->kind, NODE_OBJECT);
	node_append(list, email("a@x", "work"));
	node_append(list, email("b@x", "home"));
	node_insert(root, list);
	assert_ptr_equal(node_find(root, user_attr("emails")), list);
	assert_null(node_find(root, user_attr("emails.value")));
	assert_slice(list->child->next->child->text, "b@x"); /* value before type */
	/* An object that is there is used again. */
	assert_ptr_equal(node_parent_for(fx.a, root, user_attr("name.givenName")),
		city == NULL ? NULL : root->child);
}

static void
copies_are_equal_and_apart(void **state)
{
	struct node *root = user_root(), *list = node_new(fx.a, user_attr("emails"), NODE_LIST),
		    *copy;
	char name[] = "bjensen";

	(void)state;
	put(root, "userName", name);
	put(root, "name.givenName", "Barbara");
	node_append(list, email("a@x", "work"));
	node_append(list, email("b@x", "home"));
	node_insert(root, list);
	copy = node_copy(fx.a, root);
	assert_true(node_equal(root, copy));
	name[0] = 'c';
	assert_false(node_equal(root, copy));
	name[0] = 'B'; /* userName compares without case */
	assert_true(node_equal(root, copy));
	node_remove(copy, node_child(copy, user_attr("name")));
	assert_non_null(node_child(root, user_attr("name")));
	assert_false(node_equal(root, copy));
}

static void
equality_is_scims(void **state)
{
	struct node *one = email("a@x", "work"),
		    *two = node_new(fx.a, user_attr("emails"), NODE_OBJECT);
	struct node *left = node_new(fx.a, user_attr("emails"), NODE_LIST);
	struct node *right = node_new(fx.a, user_attr("emails"), NODE_LIST);

	(void)state;
	/* Members in any order: appended the other way round. */
	node_append(two, text_node(fx.a, user_attr("emails.type"), "WORK"));
	node_append(two, text_node(fx.a, user_attr("emails.value"), "A@X"));
	assert_true(node_equal(one, two));
	node_append(left, email("a@x", "work"));
	node_append(left, email("b@x", "work"));
	node_append(right, email("b@x", "work"));
	node_append(right, email("a@x", "work"));
	assert_false(node_equal(left, right));
	node_append(right, email("c@x", "work"));
	assert_false(node_equal(left, right));
	assert_false(node_equal(right, left));
	assert_false(node_equal(text_node(fx.a, user_attr("externalId"), "a"),
		text_node(fx.a, user_attr("externalId"), "A")));
	assert_false(node_equal(text_node(fx.a, user_attr("title"), "a"),
		text_node(fx.a, user_attr("nickName"), "a")));
}

static void
values_compare_by_their_type(void **state)
{
	static const struct {
		const char *path, *left, *right;
		int order;
	} rows[] = {
		{ "displayName", "a", "B", -1 },
		{ "displayName", "Z", "a", 1 },
		{ "displayName", "ab", "a", 1 },
		{ "displayName", "", "a", -1 },
		{ "displayName", "STRASSE",
			"stra\xc3\x9f"
			"e",
			0 },
		{ "displayName", "\xc3\x89", "e\xcc\x81", 0 },
		{ "displayName", "z", "\xc3\xa4", -1 },
		{ "userName", "fussball",
			"fu\xc3\x9f"
			"ball",
			-1 },
		{ "userName", "\xef\xbc\xa1", "a", 0 },
		{ "userName", "\xe2\x84\xaa", "k", 1 },
		{ "externalId", "a", "A", 1 },
		{ "externalId", "a", "a", 0 },
	};
	struct node no = { .attr = user_attr("active"), .boolean = false },
		    yes = { .attr = user_attr("active"), .boolean = true };
	struct node early = { .attr = fx.user->meta_created, .ticks = INT64_MIN };
	struct node late = { .attr = fx.user->meta_created, .ticks = INT64_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct node *l = text_node(fx.a, user_attr(rows[i].path), rows[i].left);
		struct node *r = text_node(fx.a, user_attr(rows[i].path), rows[i].right);
		int order = node_compare(l, r);

		if ((order > 0) - (order < 0) != rows[i].order)
			fail_msg("%s: \"%s\" and \"%s\": %d", rows[i].path, rows[i].left,
				rows[i].right, order);
		assert_true((node_compare(r, l) > 0) == (order < 0));
	}
	assert_true(node_compare(&no, &yes) < 0);
	assert_true(node_compare(&early, &late) < 0);
	assert_true(node_compare(&late, &late) == 0);
}

/* A text at a path of a type, with the objects above it. */
static struct node *
put_at(const struct resource_type *type, struct node *root, const char *path, const char *text)
{
	const struct attr *attr = attr_find(type, slice_of(path));
	struct node *n = text_node(fx.a, attr, text);

	node_insert(node_parent_for(fx.a, root, attr), n);
	return n;
}

static const char *
text_at(const struct resource_type *type, const struct node *root, const char *path)
{
	const struct node *n = node_find(root, attr_find(type, slice_of(path)));

	return n != NULL ? n->text.p : NULL;
}

static void
what_is_read_only_stays_with_its_value(void **state)
{
	const struct resource_type *type = schema_type(fx.set, TYPE_ASSIGNMENT);
	struct node *old = node_new(fx.a, type->root, NODE_OBJECT), *same, *other;

	(void)state;
	put_at(type, old, "principal.value", "p1");
	put_at(type, old, "principal.type", "Group");
	put_at(type, old, "scope.value", "s1");
	put_at(type, old, "scope.type", "Workspace");
	put_at(type, old, "status", "active");
	put_at(type, old, "role", "workspace/viewer");

	same = node_new(fx.a, type->root, NODE_OBJECT);
	put_at(type, same, "principal.value", "p1");
	node_carry_read_only(fx.a, old, same);
	assert_string_equal(text_at(type, same, "principal.type"), "Group");
	assert_string_equal(text_at(type, same, "status"), "active");
	assert_null(text_at(type, same, "scope.type")); /* the scope went, and all of it */
	assert_null(text_at(type, same, "role"));

	other = node_copy(fx.a, old);
	node_find(other, attr_find(type, SLICE("scope.value")))->text = SLICE("s2");
	node_carry_read_only(fx.a, old, other);
	assert_null(text_at(type, other, "scope.type"));
	assert_string_equal(text_at(type, other, "scope.value"), "s2");
	assert_string_equal(text_at(type, other, "principal.type"), "Group");
}

static struct node *
domain(const struct resource_type *type, struct node *list, const char *name, bool verified)
{
	struct node *n = node_new(fx.a, list->attr, NODE_OBJECT), *flag;

	node_insert(n, text_node(fx.a, attr_find(type, SLICE("domains.value")), name));
	if (verified) {
		flag = node_new(fx.a, attr_find(type, SLICE("domains.verified")), NODE_VALUE);
		flag->boolean = true;
		node_insert(n, flag);
	}
	node_append(list, n);
	return n;
}

static void
what_is_read_only_stays_with_its_element(void **state)
{
	const struct resource_type *type = schema_type(fx.set, TYPE_SETTINGS);
	const struct attr *verified = attr_find(type, SLICE("domains.verified"));
	struct node *old = node_new(fx.a, type->root, NODE_OBJECT), *root, *was, *list;

	(void)state;
	was = node_new(fx.a, attr_find(type, SLICE("domains")), NODE_LIST);
	domain(type, was, "one.example", true);
	domain(type, was, "two.example", false);
	node_insert(old, was);

	root = node_new(fx.a, type->root, NODE_OBJECT);
	list = node_new(fx.a, was->attr, NODE_LIST);
	node_insert(root, list);
	domain(type, list, "two.example", false);
	domain(type, list, "three.example", true);
	domain(type, list, "ONE.example", false);
	node_carry_read_only(fx.a, old, root);
	assert_null(node_child(list->child->next, verified));
	assert_true(node_child(list->child->next->next, verified)->boolean);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(children_stand_in_schema_order),
		cmocka_unit_test(values_are_found_from_the_root),
		cmocka_unit_test(copies_are_equal_and_apart),
		cmocka_unit_test(equality_is_scims),
		cmocka_unit_test(values_compare_by_their_type),
		cmocka_unit_test(what_is_read_only_stays_with_its_value),
		cmocka_unit_test(what_is_read_only_stays_with_its_element),
	};

	return cmocka_run_group_tests(tests, fixture_up, fixture_down);
}
