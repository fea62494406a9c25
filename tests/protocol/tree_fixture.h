/* Resources for the tests of filters and PATCH: JSON to tree and back. */
#ifndef TESTS_PROTOCOL_TREE_FIXTURE_H
#define TESTS_PROTOCOL_TREE_FIXTURE_H

#include <jansson.h>

#include "base/arena.h"
#include "schema/node.h"

#define URN_USER "urn:ietf:params:scim:schemas:core:2.0:User"
#define URN_GROUP "urn:ietf:params:scim:schemas:core:2.0:Group"
#define URN_ENTERPRISE "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

/* The schemas, loaded once; the process keeps them. */
const struct schema_set *fixture_schemas(void);
const struct resource_type *fixture_type(uint8_t code);

/* A tree by the shape of the JSON alone: names are looked up, values taken as they are. A mistake ends the test program. The
 * arena must outlive the tree. */
struct node *fixture_tree(struct arena *a, const struct resource_type *type, const char *json);

/* The tree as JSON, each value as it is stored; the caller owns it. */
json_t *fixture_json(const struct node *n);

json_t *fixture_parse(const char *json);

#endif
