/* JSON text to jansson objects, with limits. jansson objects stay in protocol/. */
#ifndef PROTOCOL_JSON_H
#define PROTOCOL_JSON_H

#include <jansson.h>

#include "base/arena.h"
#include "base/err.h"

enum { JSON_DEPTH_MAX = 64 };

/* Parses a body. It must be UTF-8 JSON (a byte order mark before it is passed over), an object, at
 * most JSON_DEPTH_MAX deep, without NUL in texts and without repeated members: names that differ in
 * ASCII case alone are repeated too, as SCIM reads names without case (RFC 7643 section 2.1). The
 * json_t is freed with the arena. INVALID_SYNTAX with the position otherwise; the detail never
 * repeats what the body holds. */
enum rc json_read(struct arena *a, struct slice body, json_t **out, struct err *err) MUSTCHECK;

/* A member of an object by name, ASCII case-insensitive (RFC 7643 section 2.1); NULL when absent.
 */
json_t *json_member(const json_t *object, const char *name);

/* The bytes of a JSON string, borrowed; p is NULL when json is no string. */
static inline struct slice
json_text(const json_t *json)
{
	return (struct slice){ json_string_value(json), json_string_length(json) };
}

/* jansson's iterators take objects that they do not change without const. */
static inline json_t *
json_unconst(const json_t *json)
{
	return (json_t *)(uintptr_t)json;
}

#endif
