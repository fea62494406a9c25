#include "daemon/directory/attrs.h"

#include <stdlib.h>

#include "base/log.h"

#include "base/banned.h"

static const struct attr *
find(const struct schema_set *schema, uint8_t type, const char *path)
{
	const struct resource_type *t = schema_type(schema, type);
	const struct attr *found = t != NULL ? attr_find(t, slice_of(path)) : NULL;

	if (found == NULL && t != NULL)
		found = attr_own(t->root, slice_of(path)); /* hidden ones too */
	if (found == NULL) {
		log_event(LOG_ERROR, "schema-lacks-attribute", LOG_STR("path", path));
		abort();
	}
	return found;
}

void
attrs_init(struct attrs *at, const struct schema_set *schema)
{
#define X(member, type, path) at->member = find(schema, TYPE_##type, path);
	ATTRS_LIST(X)
#undef X
}
