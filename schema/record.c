#include "schema/record.h"

#include <endian.h>
#include <stdlib.h>

#include <openssl/sha.h>

#include "schema/text.h"

#include "base/banned.h"

enum { LAYOUT = 1, HEADER_SIZE = 2 + UUID_SIZE + 8 + 8 + 8, VARINT_MAX = 5 };

/* ---- Numbers ---- */

static uint64_t
load_le(const char *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = n; i-- > 0;)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

static inline uint64_t
load_u64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static void
put_le(struct buf *b, uint64_t v, size_t n)
{
	char *to = buf_reserve(b, n);

	for (size_t i = 0; i < n; i++, v >>= 8)
		to[i] = (char)(v & 0xFF);
	b->len += n;
}

static size_t
varint_size(size_t v)
{
	size_t n = 1;

	while ((v >>= 7) != 0)
		n++;
	return n;
}

static void
put_varint(struct buf *b, size_t v)
{
	while (v >= 0x80) {
		buf_char(b, (char)(v | 0x80));
		v >>= 7;
	}
	buf_char(b, (char)v);
}

/* Takes a length and as many bytes off *s; false when they are not there. */
static inline bool
take_run(struct slice *s, struct slice *run)
{
	uint64_t len = 0;

	for (unsigned at = 0; at < VARINT_MAX && at < s->len; at++) {
		unsigned char c = (unsigned char)s->p[at];

		len |= (uint64_t)(c & 0x7F) << (7 * at);
		if (c < 0x80) {
			*s = slice_from(*s, at + 1);
			if (len > s->len)
				return false;
			*run = (struct slice){ s->p, (size_t)len };
			*s = slice_from(*s, (size_t)len);
			return true;
		}
	}
	return false;
}

int64_t
payload_i64(struct slice payload)
{
	return payload.len == 8 ? (int64_t)load_u64(payload.p) : 0;
}

double
payload_double(struct slice payload)
{
	uint64_t bits = payload.len == 8 ? load_u64(payload.p) : 0;
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

bool
payload_bool(struct slice payload)
{
	return payload.len == 1 && payload.p[0] != 0;
}

bool
payload_space(struct slice payload, uint32_t *space, struct slice *text)
{
	if (payload.len < 4)
		return false;
	*space = (uint32_t)load_le(payload.p, 4);
	*text = slice_from(payload, 4);
	return true;
}

/* ---- Reading ---- */

bool
record_parse(const struct schema_set *set, struct slice packed, struct record *out)
{
	const char *p = packed.p;

	if (packed.len < HEADER_SIZE || p[0] != LAYOUT)
		return false;
	out->type = schema_type(set, (uint8_t)p[1]);
	if (out->type == NULL)
		return false;
	memcpy(out->id.bytes, p + 2, UUID_SIZE);
	p += 2 + UUID_SIZE;
	out->revision = load_u64(p);
	out->created = (int64_t)load_u64(p + 8);
	out->modified = (int64_t)load_u64(p + 16);
	out->fields = slice_from(packed, HEADER_SIZE);
	return true;
}

bool
record_next(const struct schema_set *set, struct slice *fields, struct field *out, bool *bad)
{
	while (fields->len > 0) {
		unsigned id;

		if (fields->len < 3) {
			*bad = true;
			return false;
		}
		id = (unsigned char)fields->p[0] | (unsigned)(unsigned char)fields->p[1] << 8;
		*fields = slice_from(*fields, 2);
		if (!take_run(fields, &out->payload)) {
			*bad = true;
			return false;
		}
		out->attr = id < ATTR_ID_MAX ? set->by_id[id] : NULL;
		if (out->attr != NULL)
			return true;
	}
	return false;
}

bool
record_next_element(struct slice *list, struct slice *element, bool *bad)
{
	if (list->len == 0)
		return false;
	if (take_run(list, element))
		return true;
	*bad = true;
	return false;
}

bool
record_field(const struct schema_set *set, const struct record *r, const struct attr *attr,
	struct slice *payload)
{
	struct slice fields = r->fields;
	struct field f;
	bool bad = false;

	while (record_next(set, &fields, &f, &bad)) {
		if (f.attr == attr) {
			*payload = f.payload;
			return true;
		}
	}
	return false;
}

struct slice
record_external_id(const struct schema_set *set, const struct record *r, uint32_t space)
{
	struct slice fields = r->fields, text;
	struct field f;
	uint32_t of;
	bool bad = false;

	while (record_next(set, &fields, &f, &bad)) {
		if (f.attr == r->type->external_id && payload_space(f.payload, &of, &text) &&
			of == space)
			return text;
	}
	return (struct slice){ NULL, 0 };
}

/* ---- To a tree ---- */

struct unpacking {
	struct arena *a;
	const struct schema_set *set;
	uint32_t space;
};

static struct node *unpack_object(
	const struct unpacking *u, const struct attr *attr, struct slice fields);

/* One simple value; NULL when the payload has a wrong length. */
static struct node *
unpack_value(const struct unpacking *u, const struct attr *attr, struct slice payload)
{
	struct node *n = node_new(u->a, attr, NODE_VALUE);

	switch (attr->type) {
	case ATTR_STRING:
	case ATTR_REFERENCE:
	case ATTR_BINARY:
		n->text = payload;
		return n;
	case ATTR_BOOLEAN:
		n->boolean = payload_bool(payload);
		return payload.len == 1 ? n : NULL;
	case ATTR_INTEGER:
		n->integer = payload_i64(payload);
		break;
	case ATTR_DECIMAL:
		n->decimal = payload_double(payload);
		break;
	case ATTR_DATETIME:
		n->ticks = payload_i64(payload);
		break;
	case ATTR_COMPLEX:
		return NULL;
	}
	return payload.len == 8 ? n : NULL;
}

static struct node *
unpack_one(const struct unpacking *u, const struct attr *attr, struct slice payload)
{
	return attr->type == ATTR_COMPLEX ? unpack_object(u, attr, payload)
					  : unpack_value(u, attr, payload);
}

static struct node *
unpack_list(const struct unpacking *u, const struct attr *attr, struct slice payload)
{
	struct node *list = node_new(u->a, attr, NODE_LIST), **at = &list->child;
	struct slice element;
	bool bad = false;

	for (; record_next_element(&payload, &element, &bad); at = &(*at)->next) {
		*at = unpack_one(u, attr, element);
		if (*at == NULL)
			return NULL;
	}
	return bad ? NULL : list;
}

static struct node *
unpack_object(const struct unpacking *u, const struct attr *attr, struct slice fields)
{
	struct node *object = node_new(u->a, attr, NODE_OBJECT), **at = &object->child;
	struct field f;
	bool bad = false;

	while (record_next(u->set, &fields, &f, &bad)) {
		if (f.attr->source == SOURCE_SPACE && f.attr->parent == attr) {
			uint32_t space;

			if (!payload_space(f.payload, &space, &f.payload))
				return NULL;
			if (space != u->space)
				continue;
		} else if (f.attr->source != SOURCE_FIELDS || f.attr->parent != attr) {
			return NULL;
		}
		if (node_child(object, f.attr) != NULL)
			return NULL;
		*at = f.attr->multi ? unpack_list(u, f.attr, f.payload)
				    : unpack_one(u, f.attr, f.payload);
		if (*at == NULL)
			return NULL;
		at = &(*at)->next;
	}
	return bad ? NULL : object;
}

static void
insert_text(struct arena *a, struct node *object, const struct attr *attr, struct slice text)
{
	struct node *n = node_new(a, attr, NODE_VALUE);

	n->text = text;
	node_insert(object, n);
}

static void
insert_ticks(struct arena *a, struct node *object, const struct attr *attr, int64_t ticks)
{
	struct node *n = node_new(a, attr, NODE_VALUE);

	n->ticks = ticks;
	node_insert(object, n);
}

static void
insert_header(struct arena *a, const struct record *r, struct node *root)
{
	struct node *meta = node_new(a, r->type->meta, NODE_OBJECT);
	char *id = arena_alloc(a, UUID_TEXT);

	uuid_format(&r->id, id);
	insert_text(a, root, r->type->id, (struct slice){ id, UUID_TEXT });
	insert_text(a, meta, r->type->meta_type, r->type->name);
	insert_ticks(a, meta, r->type->meta_created, r->created);
	insert_ticks(a, meta, r->type->meta_modified, r->modified);
	insert_text(a, meta, r->type->meta_version,
		slice_of(arena_printf(a, "W/\"%llu\"", (unsigned long long)r->revision)));
	node_insert(root, meta);
}

struct node *
record_unpack(struct arena *a, const struct schema_set *set, const struct record *r, uint32_t space)
{
	struct unpacking u = { a, set, space };
	struct node *root = unpack_object(&u, r->type->root, r->fields);

	if (root != NULL)
		insert_header(a, r, root);
	return root;
}

/* ---- From a tree ---- */

static size_t payload_size(const struct node *n);

static size_t
run_size(size_t payload)
{
	return varint_size(payload) + payload;
}

static bool
is_packed(const struct node *n)
{
	return n->attr->source == SOURCE_FIELDS && (n->kind == NODE_VALUE || payload_size(n) > 0);
}

static size_t
payload_size(const struct node *n)
{
	size_t size = 0;

	if (n->kind == NODE_VALUE) {
		switch (n->attr->type) {
		case ATTR_STRING:
		case ATTR_REFERENCE:
		case ATTR_BINARY:
			return n->text.len;
		case ATTR_BOOLEAN:
			return 1;
		case ATTR_INTEGER:
		case ATTR_DECIMAL:
		case ATTR_DATETIME:
			return 8;
		case ATTR_COMPLEX:
			return 0;
		}
	}
	for (const struct node *c = n->child; c != NULL; c = c->next) {
		if (is_packed(c))
			size += (n->kind == NODE_OBJECT ? 2 : 0) + run_size(payload_size(c));
	}
	return size;
}

static void
pack_value(struct buf *out, const struct node *n)
{
	uint64_t bits;

	switch (n->attr->type) {
	case ATTR_STRING:
	case ATTR_REFERENCE:
	case ATTR_BINARY:
		buf_slice(out, n->text);
		break;
	case ATTR_BOOLEAN:
		buf_char(out, n->boolean ? 1 : 0);
		break;
	case ATTR_INTEGER:
		put_le(out, (uint64_t)n->integer, 8);
		break;
	case ATTR_DATETIME:
		put_le(out, (uint64_t)n->ticks, 8);
		break;
	case ATTR_DECIMAL:
		memcpy(&bits, &n->decimal, sizeof(bits));
		put_le(out, bits, 8);
		break;
	case ATTR_COMPLEX:
		break;
	}
}

static void
pack_payload(struct buf *out, const struct node *n)
{
	if (n->kind == NODE_VALUE) {
		pack_value(out, n);
		return;
	}
	for (const struct node *c = n->child; c != NULL; c = c->next) {
		if (!is_packed(c))
			continue;
		if (n->kind == NODE_OBJECT)
			put_le(out, c->attr->id, 2);
		put_varint(out, payload_size(c));
		pack_payload(out, c);
	}
}

static void
pack_external_id(struct buf *out, const struct attr *attr, uint32_t space, struct slice text)
{
	put_le(out, attr->id, 2);
	put_varint(out, 4 + text.len);
	put_le(out, space, 4);
	buf_slice(out, text);
}

/* Other spaces' values stay where they were, so that what did not change packs to the same bytes. */
static void
pack_external_ids(struct buf *out, const struct schema_set *set, const struct node *value,
	const struct attr *attr, uint32_t space, const struct record *old)
{
	struct slice fields = old != NULL ? old->fields : (struct slice){ NULL, 0 }, text;
	struct field f;
	uint32_t of;
	bool bad = false;

	while (record_next(set, &fields, &f, &bad)) {
		if (f.attr != attr || !payload_space(f.payload, &of, &text))
			continue;
		if (of != space) {
			pack_external_id(out, attr, of, text);
		} else if (value != NULL) {
			pack_external_id(out, attr, space, value->text);
			value = NULL;
		}
	}
	if (value != NULL)
		pack_external_id(out, attr, space, value->text);
}

static void
pack_header(struct buf *out, const struct record *r)
{
	buf_char(out, LAYOUT);
	buf_char(out, (char)r->type->code);
	buf_put(out, r->id.bytes, UUID_SIZE);
	put_le(out, r->revision, 8);
	put_le(out, (uint64_t)r->created, 8);
	put_le(out, (uint64_t)r->modified, 8);
}

void
record_pack_as_is(struct buf *out, const struct record *r)
{
	pack_header(out, r);
	buf_slice(out, r->fields);
}

void
record_pack(struct buf *out, const struct schema_set *set, const struct record *r,
	const struct node *root, uint32_t space, const struct record *old)
{
	const struct attr *external_id = r->type->external_id;

	pack_header(out, r);
	pack_external_ids(out, set, node_child(root, external_id), external_id, space, old);
	pack_payload(out, root);
}

void
record_restamp(char *packed, const struct uuid *id, uint64_t revision)
{
	memcpy(packed + 2, id->bytes, UUID_SIZE);
	for (size_t i = 0; i < 8; i++)
		packed[2 + UUID_SIZE + i] = (char)(revision >> 8 * i);
}

void
record_stamp(char *packed, const struct uuid *id, uint64_t revision, int64_t created, int64_t modified)
{
	record_restamp(packed, id, revision);
	for (size_t i = 0; i < 8; i++) {
		packed[2 + UUID_SIZE + 8 + i] = (char)((uint64_t)created >> 8 * i);
		packed[2 + UUID_SIZE + 16 + i] = (char)((uint64_t)modified >> 8 * i);
	}
}

/* ---- Index keys ---- */

/* The longest text that is a key as it is: behind it a hash must fit, before it a space. */
enum { KEY_TEXT_MAX = INDEX_KEY_MAX - SHA256_DIGEST_LENGTH - 4 };

static void
put_be(char *to, uint64_t v, size_t n)
{
	for (size_t i = n; i-- > 0; v >>= 8)
		to[i] = (char)(v & 0xFF);
}

static struct slice
number_key(struct arena *a, uint64_t v)
{
	char *to = arena_alloc(a, 8);

	put_be(to, v, 8);
	return (struct slice){ to, 8 };
}

/* The bytes of a double in an order that memcmp() sees as numeric. */
static uint64_t
ordered_bits(double v)
{
	const uint64_t sign = UINT64_C(1) << 63;
	uint64_t bits;

	v = v == 0 ? 0 : v; /* -0 is 0 */
	memcpy(&bits, &v, sizeof(bits));
	return (bits & sign) != 0 ? ~bits : bits | sign;
}

static struct slice
text_key(struct arena *a, const struct attr *attr, uint32_t space, struct slice text, bool prefix)
{
	size_t at = 0, len = text.len < KEY_TEXT_MAX ? text.len : KEY_TEXT_MAX;
	char *to = arena_alloc(a, 4 + len + SHA256_DIGEST_LENGTH);

	if (attr->source == SOURCE_SPACE) {
		put_be(to, space, 4);
		at = 4;
	}
	if (len > 0)
		memcpy(to + at, text.p, len);
	at += len;
	if (text.len > KEY_TEXT_MAX && !prefix) {
		SHA256((const unsigned char *)text.p, text.len, (unsigned char *)to + at);
		at += SHA256_DIGEST_LENGTH;
	}
	return (struct slice){ to, at };
}

bool
index_key_of(struct arena *a, const struct attr *attr, uint32_t space, const struct node *value,
	bool prefix, struct slice *key)
{
	const uint64_t sign = UINT64_C(1) << 63;
	struct slice text;

	switch (attr->type) {
	case ATTR_STRING:
	case ATTR_REFERENCE:
	case ATTR_BINARY:
		if (attr->prepare != PREPARE_USERNAME || prefix)
			text = text_prepare(a, attr, value->text);
		else if (text_username(a, value->text, &text, NULL) != RC_OK)
			return false;
		*key = text_key(a, attr, space, text, prefix);
		return true;
	case ATTR_BOOLEAN:
		*key = value->boolean ? (struct slice){ "\1", 1 } : (struct slice){ "\0", 1 };
		return true;
	case ATTR_INTEGER:
		*key = number_key(a, (uint64_t)value->integer ^ sign);
		return true;
	case ATTR_DATETIME:
		*key = number_key(a, (uint64_t)value->ticks ^ sign);
		return true;
	case ATTR_DECIMAL:
		*key = number_key(a, ordered_bits(value->decimal));
		return true;
	case ATTR_COMPLEX:
		break;
	}
	return false;
}

struct keys {
	struct unpacking u;
	struct index_key *list;
	size_t count, room;
};

static void
add_key(struct keys *k, const struct attr *attr, uint32_t space, const struct node *value)
{
	struct slice key;

	if (!index_key_of(k->u.a, attr, space, value, false, &key))
		return;
	if (k->count == k->room) {
		struct index_key *grown =
			ARENA_ARRAY(k->u.a, struct index_key, k->room = 2 * k->room + 16);

		if (k->count > 0)
			memcpy(grown, k->list, k->count * sizeof(grown[0]));
		k->list = grown;
	}
	k->list[k->count++] = (struct index_key){ attr->id, key };
}

static void add_fields(struct keys *k, const struct attr *attr, struct slice fields);

static void
add_payload(struct keys *k, const struct attr *attr, struct slice payload)
{
	uint32_t space = 0;
	struct node *value;

	if (attr->type == ATTR_COMPLEX) {
		add_fields(k, attr, payload);
		return;
	}
	if (!attr->indexed ||
		(attr->source == SOURCE_SPACE && !payload_space(payload, &space, &payload)))
		return;
	value = unpack_value(&k->u, attr, payload);
	if (value != NULL)
		add_key(k, attr, space, value);
}

static void
add_fields(struct keys *k, const struct attr *attr, struct slice fields)
{
	struct field f;
	struct slice element;
	bool bad = false;

	while (record_next(k->u.set, &fields, &f, &bad)) {
		if (f.attr->parent != attr)
			continue;
		if (!f.attr->multi) {
			add_payload(k, f.attr, f.payload);
			continue;
		}
		while (record_next_element(&f.payload, &element, &bad))
			add_payload(k, f.attr, element);
	}
}

static void
add_ticks(struct keys *k, const struct attr *attr, int64_t ticks)
{
	struct node value = { .attr = attr, .kind = NODE_VALUE, .ticks = ticks };

	if (attr->indexed)
		add_key(k, attr, 0, &value);
}

static int
key_order(const void *a, const void *b)
{
	const struct index_key *left = a, *right = b;

	if (left->attr_id != right->attr_id)
		return left->attr_id < right->attr_id ? -1 : 1;
	return slice_cmp(left->key, right->key);
}

size_t
record_index_keys(struct arena *a, const struct schema_set *set, const struct record *r,
	struct index_key **out)
{
	struct keys k = { .u = { a, set, 0 } };
	size_t n = 0;

	add_fields(&k, r->type->root, r->fields);
	add_ticks(&k, r->type->meta_created, r->created);
	add_ticks(&k, r->type->meta_modified, r->modified);
	if (k.count > 1)
		qsort(k.list, k.count, sizeof(k.list[0]), key_order);
	for (size_t i = 0; i < k.count; i++) {
		if (n == 0 || key_order(&k.list[n - 1], &k.list[i]) != 0)
			k.list[n++] = k.list[i];
	}
	*out = k.list;
	return n;
}
