#include "schema/schema.h"

#include "base/banned.h"

const struct resource_type *
schema_type(const struct schema_set *set, uint8_t code)
{
	return code < TYPE_COUNT ? set->by_code[code] : NULL;
}

const struct resource_type *
schema_type_by_endpoint(const struct schema_set *set, struct slice segment)
{
	for (size_t i = 0; i < set->type_count; i++) {
		if (slice_eq(slice_from(set->types[i]->endpoint, 1), segment))
			return set->types[i];
	}
	return NULL;
}

const struct resource_type *
schema_type_by_name(const struct schema_set *set, struct slice name)
{
	for (size_t i = 0; i < set->type_count; i++) {
		if (slice_eq(set->types[i]->name, name))
			return set->types[i];
	}
	return NULL;
}

const struct schema *
schema_by_urn(const struct schema_set *set, struct slice urn)
{
	for (size_t i = 0; i < set->schema_count; i++) {
		if (slice_caseeq(set->schemas[i]->urn, urn))
			return set->schemas[i];
	}
	return NULL;
}

static const struct attr *
sub_named(const struct attr *complex, struct slice name)
{
	for (size_t i = 0; i < complex->sub_count; i++) {
		if (slice_caseeq(complex->subs[i]->name, name))
			return complex->subs[i];
	}
	return NULL;
}

const struct attr *
attr_sub(const struct attr *complex, struct slice name)
{
	const struct attr *found = sub_named(complex, name);

	return found != NULL && !found->hidden ? found : NULL;
}

const struct attr *
attr_own(const struct attr *root, struct slice path)
{
	struct slice part;

	while (root != NULL && slice_split(&path, '.', &part))
		root = sub_named(root, part);
	return root;
}

static bool
is_container(const struct attr *attr)
{
	return attr->parent != NULL && attr->parent->parent == NULL &&
	       memchr(attr->name.p, ':', attr->name.len) != NULL;
}

/* Takes the URN and what separates it from a name off *path. */
static bool
strip_urn(struct slice *path, struct slice urn)
{
	struct slice start = { path->p, urn.len };

	if (path->len < urn.len || !slice_caseeq(start, urn))
		return false;
	if (path->len == urn.len) {
		*path = slice_from(*path, urn.len);
		return true;
	}
	if (path->p[urn.len] != ':' && path->p[urn.len] != '.')
		return false;
	if (path->len == urn.len + 1) /* "urn:…:User:" names nothing */
		return false;
	*path = slice_from(*path, urn.len + 1);
	return true;
}

static const struct attr *
find_below(const struct attr *at, struct slice path)
{
	struct slice part;

	while (at != NULL && slice_split(&path, '.', &part))
		at = attr_sub(at, part);
	return at;
}

const struct attr *
attr_find(const struct resource_type *type, struct slice path)
{
	const struct attr *found;

	if (memchr(path.p, ':', path.len) == NULL)
		return find_below(type->root, path);
	for (size_t i = 0; i < type->extension_count; i++) {
		const struct extension *ext = &type->extensions[i];

		if (strip_urn(&path, ext->schema->urn))
			return path.len == 0 ? ext->container : find_below(ext->container, path);
	}
	if (!strip_urn(&path, type->core->urn) || path.len == 0)
		return NULL;
	found = find_below(type->root, path);
	return found != NULL && !is_container(found) ? found : NULL;
}

struct slice
attr_path(struct arena *a, const struct attr *attr)
{
	struct slice above;
	char sep;
	char *text;

	if (attr->parent == NULL || attr->parent->parent == NULL)
		return attr->name;
	above = attr_path(a, attr->parent);
	sep = is_container(attr->parent) ? ':' : '.';
	text = arena_printf(a, "%.*s%c%.*s", SLICE_ARG(above), sep, SLICE_ARG(attr->name));
	return slice_of(text);
}
