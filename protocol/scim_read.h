/* JSON to resources: bodies of POST and PUT, and single values for PATCH. jansson objects stay on
 * this side.
 *
 * What is read borrows its texts from the json_t, which json_read() keeps as long as the arena.
 *
 * The dialects (docs/SCIM.md):
 * - tolerant: "true"/"False" texts are booleans; an empty text, like null and [], is no value; a
 * list of one stands for a single value and a single value for a list of one; a simple value where
 * a complex one is asked for is its `value`; repeats of a (type, value) pair are dropped; a bare
 * name that only an extension has is that extension's; schemas may be absent.
 * - strict: types as RFC 7643 section 2.3 says; schemas as section 3 says. Unknown attributes are
 * passed over.
 * - interop: as strict; unknown attributes are refused, and texts beside the canonical values too.
 */
#ifndef PROTOCOL_SCIM_READ_H
#define PROTOCOL_SCIM_READ_H

#include "protocol/json.h"
#include "protocol/scim.h"
#include "schema/node.h"

/* Longest values in bytes: of texts that are indexed, unique or ids; of other texts; of binary
 * values, decoded. Most elements of a multi-valued attribute (members are edges and have no such
 * limit). */
enum { KEY_TEXT_MAX = 1024, TEXT_MAX = 65536, BINARY_MAX = 262144, LIST_MAX = 1000 };

struct read_options {
	enum dialect dialect;
};

/* Members of a group as the client named them, in order, repeats included. */
struct member_ids {
	struct slice *ids;
	size_t count;
};

struct resource_in {
	struct node *root; /* writable values only: what is readOnly in the body is passed over */
	struct member_ids members; /* the `value` of each element of a SOURCE_MEMBERS attribute */
	bool has_members;      /* the body names the attribute with a value (also [], not null) */
	struct slice password; /* as sent, prepared by OpaqueString; empty when the body has none.
				  In root it is absent: the caller hashes it and puts the hash.
				  Wiped with the arena */
};

/* A whole resource (POST, PUT). Checks types, lengths, required attributes, `primary` at most once,
 * schemas that name the type's core URN; passes over readOnly values; unknown attributes and
 * (tolerant) schema URIs are passed over, in DIALECT_INTEROP refused with INVALID_SYNTAX. Errors
 * name the attribute. */
enum rc resource_read(struct arena *a, const struct schema_set *set,
	const struct resource_type *type, const json_t *body, const struct read_options *options,
	struct resource_in *out, struct err *err) MUSTCHECK;

/* One value of attr: for a multi-valued one a NODE_LIST (from an array, or in DIALECT_TOLERANT from
 * a single value), else a NODE_VALUE or NODE_OBJECT. *out is NULL when nothing is left of it: null,
 * [], an object without writable sub-attributes, (tolerant) an empty text. A read-only
 * sub-attribute is passed over; attr itself is read whatever its mutability. A password comes
 * prepared by OpaqueString and is wiped with the arena. */
enum rc value_read(struct arena *a, const struct attr *attr, const json_t *json,
	const struct read_options *options, struct node **out, struct err *err) MUSTCHECK;

/* One element of a multi-valued attribute, likewise. */
enum rc element_read(struct arena *a, const struct attr *attr, const json_t *json,
	const struct read_options *options, struct node **out, struct err *err) MUSTCHECK;

/* The ids in a value of a SOURCE_MEMBERS attribute: an array of objects, in DIALECT_TOLERANT also
 * one object, and bare texts for objects. Only `value` is taken: the rest of a member (type,
 * display, $ref) is made by the server. null is none. */
enum rc members_read(struct arena *a, const struct attr *attr, const json_t *json,
	const struct read_options *options, struct member_ids *out, struct err *err) MUSTCHECK;

/* Checks a finished tree before it is stored: required attributes present, lists not too long,
 * `primary` true at most once a list, no repeated (type, value) pair. A required password is the
 * caller's to check: it may be out of the tree. */
enum rc resource_check(
	const struct resource_type *type, const struct node *root, struct err *err) MUSTCHECK;

#endif
