/* docs/API.md's tables, made from the schemas and the table of operations: for each resource type a
 * block between two marks, its attributes and what its operations need. */
#ifndef DAEMON_API_PRINT_H
#define DAEMON_API_PRINT_H

#include "base/buf.h"
#include "schema/schema.h"

void api_print(const struct schema_set *set, struct buf *out);

#endif
