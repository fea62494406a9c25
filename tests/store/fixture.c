#include "tests/store/fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/banned.h"

static struct arena *schema_arena;

static void
schema_free(void)
{
	arena_free(schema_arena);
}

const struct schema_set *
fixture_schema(void)
{
	static const struct schema_set *set;
	struct err err = ERR_INIT;

	if (set == NULL) {
		schema_arena = arena_new();
		(void)atexit(schema_free);
		if (schema_load(schema_arena, &set, &err) != RC_OK) {
			fprintf(stderr, "schema: %s\n", err.detail);
			abort();
		}
	}
	return set;
}

const struct attr *
fixture_attr(uint8_t type, const char *path)
{
	const struct attr *attr = attr_find(schema_type(fixture_schema(), type), slice_of(path));

	assert_non_null(attr);
	return attr;
}

char *
fixture_dir(void)
{
	const char *tmp = getenv("TMPDIR");
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s/rosterd-store-XXXXXX%c", tmp != NULL ? tmp : "/tmp", '\0');
	assert_non_null(mkdtemp(b.p));
	return b.p;
}

void
fixture_dir_remove(char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
	(void)rmdir(dir);
	free(dir);
}

struct store *
fixture_open(const char *dir, uint64_t map_size, uint64_t map_limit)
{
	struct store_options options = { dir, map_size, map_limit, fixture_schema() };
	struct err err = ERR_INIT;
	struct store *s = NULL;

	if (store_open(&options, &s, &err) != RC_OK)
		assert_string_equal(err.detail, "");
	return s;
}

struct uuid
fixture_id(uint64_t n)
{
	struct uuid id = { { 0x01, 0x90 } };

	id.bytes[6] = 0x70;
	id.bytes[8] = 0x80;
	for (int i = 0; i < 6; i++)
		id.bytes[15 - i] = (uint8_t)(n >> (8 * i));
	return id;
}

static void
put_text(struct arena *a, struct node *root, const struct attr *attr, const char *text)
{
	struct node *n;

	if (text == NULL)
		return;
	n = node_new(a, attr, NODE_VALUE);
	n->text = slice_of(text);
	node_insert(node_parent_for(a, root, attr), n);
}

static void
put_emails(struct arena *a, struct node *root, const char *const emails[2])
{
	const struct attr *value = fixture_attr(TYPE_USER, "emails.value");
	struct node *list = node_new(a, value->parent, NODE_LIST), *object;

	for (int i = 0; i < 2; i++) {
		if (emails[i] == NULL)
			continue;
		object = node_new(a, value->parent, NODE_OBJECT);
		put_text(a, object, value, emails[i]);
		node_append(list, object);
	}
	if (list->child != NULL)
		node_insert(root, list);
}

static void
pack(struct buf *out, struct arena *a, struct uuid id, uint8_t type, uint64_t revision,
	int64_t modified, struct node *root, uint32_t space)
{
	struct record r = { schema_type(fixture_schema(), type), id, revision, 1000, modified,
		{ NULL, 0 } };

	record_pack(out, fixture_schema(), &r, root, space, NULL);
	arena_free(a);
}

static struct node *
root_of(struct arena *a, uint8_t type)
{
	return node_new(a, schema_type(fixture_schema(), type)->root, NODE_OBJECT);
}

void
fixture_pack_user(struct buf *out, struct uuid id, uint64_t revision, int64_t modified,
	const struct person *p)
{
	struct arena *a = arena_new();
	struct node *root = root_of(a, TYPE_USER), *n;

	put_text(a, root, fixture_attr(TYPE_USER, "externalId"), p->external_id);
	put_text(a, root, fixture_attr(TYPE_USER, "userName"), p->user_name);
	put_text(a, root, fixture_attr(TYPE_USER, "name.familyName"), p->family_name);
	put_text(a, root, fixture_attr(TYPE_USER, "displayName"), p->display_name);
	put_text(a, root, fixture_attr(TYPE_USER, "title"), p->title);
	put_emails(a, root, p->emails);
	if (p->active >= 0) {
		n = node_new(a, fixture_attr(TYPE_USER, "active"), NODE_VALUE);
		n->boolean = p->active != 0;
		node_insert(root, n);
	}
	pack(out, a, id, TYPE_USER, revision, modified, root, p->space);
}

void
fixture_pack_group(struct buf *out, struct uuid id, uint64_t revision, int64_t modified,
	const char *display_name)
{
	struct arena *a = arena_new();
	struct node *root = root_of(a, TYPE_GROUP);

	put_text(a, root, fixture_attr(TYPE_GROUP, "displayName"), display_name);
	pack(out, a, id, TYPE_GROUP, revision, modified, root, 0);
}

struct slice
fixture_key(struct arena *a, const struct attr *attr, uint32_t space, const char *text)
{
	struct node *n = node_new(a, attr, NODE_VALUE);
	struct slice key;

	if (attr->type == ATTR_BOOLEAN)
		n->boolean = strcmp(text, "true") == 0;
	else
		n->text = slice_of(text);
	assert_true(index_key_of(a, attr, space, n, false, &key));
	return key;
}

/* xorshift64* */
uint64_t
fixture_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545F4914F6CDD1D);
}
