/* JSON to resources: bodies of POST and PUT, and single values for PATCH. jansson objects stay on this side. */
#ifndef PROTOCOL_SCIM_READ_H
#define PROTOCOL_SCIM_READ_H

#include <jansson.h>

#include "protocol/scim.h"
#include "schema/node.h"

/* Parses a body. It must be UTF-8 JSON, an object, without repeated members, at most JSON_DEPTH_MAX deep. The json_t is freed with
 * the arena. INVALID_SYNTAX with the position otherwise. */
enum { JSON_DEPTH_MAX = 64 };
enum rc json_read(struct arena *a, struct slice body, json_t **out, struct err *err) MUSTCHECK;

/* A member of an object by name, ASCII case-insensitive (RFC 7643 section 2.1); NULL when absent. */
json_t *json_member(const json_t *object, const char *name);

struct read_options {
	enum dialect dialect;
};

/* Members of a group as the client named them, in order, repeats included. */
struct member_ids {
	struct slice *ids;
	size_t count;
};

struct resource_in {
	struct node *root;       /* writable values only: what is readOnly in the body is passed over */
	struct member_ids members; /* the `value` of each element of a SOURCE_MEMBERS attribute */
	bool has_members;        /* the body names the attribute with a value (also []) */
	struct slice password;   /* as sent, prepared by OpaqueString; empty when the body has none. In root it is
	                            absent: the caller hashes it and puts the hash */
};

/* A whole resource (POST, PUT). Checks types, required attributes, canonical forms, `primary` at most once, schemas that
 * name the type's core URN; passes over readOnly values; unknown attributes and schema URIs are passed over, in
 * DIALECT_INTEROP refused with INVALID_SYNTAX. Errors name the attribute. */
enum rc resource_read(struct arena *a, const struct schema_set *set, const struct resource_type *type,
	const json_t *body, const struct read_options *options, struct resource_in *out,
	struct err *err) MUSTCHECK;

/* One value of attr: for a multi-valued one a NODE_LIST (from an array, or in DIALECT_TOLERANT from a single value), else a NODE_VALUE or
 * NODE_OBJECT. *out is NULL when json is null, [] or (tolerant) an empty text for a reference or complex attribute.
 * A read-only sub-attribute is passed over. */
enum rc value_read(struct arena *a, const struct attr *attr, const json_t *json,
	const struct read_options *options, struct node **out, struct err *err) MUSTCHECK;

/* One element of a multi-valued attribute, likewise. */
enum rc element_read(struct arena *a, const struct attr *attr, const json_t *json,
	const struct read_options *options, struct node **out, struct err *err) MUSTCHECK;

/* Checks a finished tree before it is stored: required attributes present, `primary` true at most once a list, no repeated
 * (type, value) pair. */
enum rc resource_check(const struct resource_type *type, const struct node *root, struct err *err) MUSTCHECK;

#endif
