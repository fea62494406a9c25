/* A resource as the store keeps it: one packed run of bytes.
 *
 * Layout (integers little-endian):
 *   u8 layout version (1) | u8 type code | u8[16] id | u64 revision | i64 created | i64 modified |
 * fields field   = u16 attribute id | varint length | payload payload = simple: text or bytes as
 * they are; boolean 1 byte; integer, decimal, dateTime 8 bytes object: fields list:   elements,
 * each varint length | payload externalId (SOURCE_SPACE): u32 space | text; the field may repeat,
 * once a space Fields stand in schema order, externalIds first. Empty objects and lists are not
 * packed. What has source HEADER, MEMBERS or GROUPS is not in the fields. times are ticks of 100 ns
 * since 1970. password holds the PHC string of its hash.
 *
 * The packed form is parsed with no allocation and printed as JSON without a tree
 * (protocol/scim_write.h). */
#ifndef SCHEMA_RECORD_H
#define SCHEMA_RECORD_H

#include "base/buf.h"
#include "base/uuid.h"
#include "schema/node.h"

struct record {
	const struct resource_type *type;
	struct uuid id;
	uint64_t revision; /* of the org's journal when it last changed: the ETag is W/"revision" */
	int64_t created, modified; /* ticks */
	struct slice fields;       /* borrowed */
};

/* One step over fields. payload is borrowed. */
struct field {
	const struct attr *attr;
	struct slice payload;
};

/* false: the bytes are no record of a known type (a damaged store). */
bool record_parse(const struct schema_set *set, struct slice packed, struct record *out) MUSTCHECK;

/* Takes the next field off *fields. Returns false at the end, and sets *bad on damaged bytes.
 * Fields of attributes that the schema no longer knows are passed over. */
bool record_next(const struct schema_set *set, struct slice *fields, struct field *out, bool *bad);

/* The next element of a list's payload. */
bool record_next_element(struct slice *list, struct slice *element, bool *bad);

/* Payload readers (0 or empty on a wrong length). */
int64_t payload_i64(struct slice payload);
double payload_double(struct slice payload);
bool payload_bool(struct slice payload);
/* externalId's payload into its two parts. */
bool payload_space(struct slice payload, uint32_t *space, struct slice *text);

/* The first field of a top-level attribute; false when it has none. */
bool record_field(const struct schema_set *set, const struct record *r, const struct attr *attr,
	struct slice *payload);

/* The externalId in one space; empty when there is none. */
struct slice record_external_id(
	const struct schema_set *set, const struct record *r, uint32_t space);

/* As a tree for one space: fields, the space's externalId, and id and meta.* (not schemas, nor
 * meta.location, which depends on the door) as nodes of their own. Texts are borrowed from the
 * record's bytes. NULL on damaged bytes. */
struct node *record_unpack(
	struct arena *a, const struct schema_set *set, const struct record *r, uint32_t space);

/* Packs r's header and the tree's fields behind out. The externalIds of other spaces are taken over
 * from old (NULL for a new record). Nodes of computed attributes are left out. */
void record_pack(struct buf *out, const struct schema_set *set, const struct record *r,
	const struct node *root, uint32_t space, const struct record *old);

/* Packs r's header and its own fields as they are: for a record that gets a new revision alone. */
void record_pack_as_is(struct buf *out, const struct record *r);

/* Writes another id and revision into a packed record. */
void record_restamp(char *packed, const struct uuid *id, uint64_t revision);
/* And other times. */
void record_stamp(char *packed, const struct uuid *id, uint64_t revision, int64_t created, int64_t modified);

/* An entry of a secondary index: the attribute and the value's key, whose byte order is the
 * attribute's order. */
enum { INDEX_KEY_MAX = 400 };

struct index_key {
	uint16_t attr_id;
	struct slice key;
};

/* All index entries of a record, sorted by (attribute, key) and without repeats: for each attribute
 * with "$index" each value's key; meta.lastModified too. externalId's key is u32 space (big-endian)
 * before the text. The result lives in the arena. */
size_t record_index_keys(struct arena *a, const struct schema_set *set, const struct record *r,
	struct index_key **out);

/* The key of one simple value of an indexed attribute, for look-ups: texts prepared as the
 * attribute asks; a text longer than INDEX_KEY_MAX - 36 keeps its beginning and the SHA-256 of the
 * whole, so equal keys still mean equal texts (texts that differ only behind the beginning are in
 * the order of their hashes). false when the text can't be a value of the attribute (a userName
 * that PRECIS refuses). prefix: without the hash, for a search of texts that start so, and never
 * refused. */
bool index_key_of(struct arena *a, const struct attr *attr, uint32_t space,
	const struct node *value, bool prefix, struct slice *key);

#endif
