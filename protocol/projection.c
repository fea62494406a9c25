#include "protocol/scim_write.h"

#include <stdio.h>

#include "base/banned.h"

enum { NAME_MAX_LEN = 256 };

static void
set_bit(struct projection *p, const struct attr *attr)
{
	p->bits[attr->id / 64] |= UINT64_C(1) << (attr->id % 64);
}

static void
clear_bits(struct projection *p, const struct attr *attr)
{
	for (size_t i = 0; i < ATTR_ID_MAX / 64; i++)
		p->bits[i] &= ~attr->bits[i];
}

/* attr itself and what below it is returned without being named. */
static void
add_default(struct projection *p, const struct attr *attr)
{
	set_bit(p, attr);
	for (size_t i = 0; i < attr->sub_count; i++) {
		const struct attr *sub = attr->subs[i];

		if (sub->returned == RETURNED_DEFAULT || sub->returned == RETURNED_ALWAYS)
			add_default(p, sub);
	}
}

/* attr and what comes with it in any case. */
static void
add_minimum(struct projection *p, const struct attr *attr)
{
	set_bit(p, attr);
	for (size_t i = 0; i < attr->sub_count; i++)
		if (attr->subs[i]->returned == RETURNED_ALWAYS)
			add_minimum(p, attr->subs[i]);
}

/* Always, whatever the schema files say (RFC 7643 sections 3 and 3.1). */
static void
add_always(struct projection *p, const struct resource_type *type)
{
	add_minimum(p, type->root);
	set_bit(p, type->id);
	set_bit(p, type->schemas);
}

void
projection_default(const struct resource_type *type, struct projection *out)
{
	*out = (struct projection){ { 0 } };
	add_default(out, type->root);
	add_always(out, type);
}

/* A name without its value filter: `emails[type eq "a,b"].value` is emails.value. */
static struct slice
without_filter(struct slice name, char out[NAME_MAX_LEN])
{
	size_t len = 0;
	bool quoted = false, inside = false;

	for (size_t i = 0; i < name.len && len < NAME_MAX_LEN; i++) {
		char c = name.p[i];

		if (inside && c == '\\' && quoted)
			i++;
		else if (inside && c == '"')
			quoted = !quoted;
		else if (inside && !quoted && c == ']')
			inside = false;
		else if (!inside && c == '[')
			inside = true;
		else if (!inside)
			out[len++] = c;
	}
	return (struct slice){ out, len };
}

/* Takes the next name off a comma-separated list; commas inside a filter do not count. */
static bool
next_name(struct slice *rest, struct slice *name)
{
	bool quoted = false, inside = false;
	size_t i = 0;

	if (rest->len == 0)
		return false;
	for (; i < rest->len && (inside || rest->p[i] != ','); i++) {
		char c = rest->p[i];

		if (inside && quoted && c == '\\')
			i++;
		else if (inside && c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '[' || c == ']'))
			inside = c == '[';
	}
	if (i > rest->len)
		i = rest->len;
	*name = slice_trim((struct slice){ rest->p, i });
	*rest = slice_from(*rest, i < rest->len ? i + 1 : i);
	return true;
}

static const struct attr *
find(const struct resource_type *type, struct slice name)
{
	const struct attr *attr = attr_find(type, name);
	char path[2 * NAME_MAX_LEN];

	for (size_t i = 0; attr == NULL && i < type->extension_count; i++) {
		int len = snprintf(path, sizeof(path), "%.*s:%.*s",
			SLICE_ARG(type->extensions[i].schema->urn), SLICE_ARG(name));

		if (len > 0 && (size_t)len < sizeof(path))
			attr = attr_find(type, (struct slice){ path, (size_t)len });
	}
	return attr;
}

/* Named attributes come with the minimum of the complex ones around them. */
static void
add_named(struct projection *p, const struct attr *attr)
{
	if (attr->returned == RETURNED_NEVER)
		return;
	add_default(p, attr);
	for (attr = attr->parent; attr != NULL; attr = attr->parent)
		add_minimum(p, attr);
}

static void
add_core(struct projection *p, const struct resource_type *type)
{
	for (size_t i = 0; i < type->root->sub_count; i++) {
		const struct attr *attr = type->root->subs[i];

		if (attr->schema == type->core && attr->returned == RETURNED_DEFAULT)
			add_named(p, attr);
	}
}

static void
drop_core(struct projection *p, const struct resource_type *type)
{
	for (size_t i = 0; i < type->root->sub_count; i++)
		if (type->root->subs[i]->schema == type->core)
			clear_bits(p, type->root->subs[i]);
}

/* Excluded, but for what is always there as long as the attribute around it is. */
static void
drop_named(struct projection *p, const struct attr *attr)
{
	if (attr->returned != RETURNED_ALWAYS)
		clear_bits(p, attr);
	for (size_t i = 0; attr->returned == RETURNED_ALWAYS && i < attr->sub_count; i++)
		drop_named(p, attr->subs[i]);
}

enum rc
projection_parse(const struct schema_set *set, const struct resource_type *type,
	struct slice attributes, struct slice excluded, struct projection *out, struct err *err)
{
	char plain[NAME_MAX_LEN];
	bool add = attributes.len > 0;
	struct slice rest = add ? attributes : excluded, name;
	const struct attr *attr;

	if (attributes.len > 0 && excluded.len > 0)
		return fail(err, RC_INVALID_VALUE, "excludedAttributes",
			"can't be combined with attributes (RFC 7644 section 3.9)");
	projection_default(type, out);
	if (add) {
		*out = (struct projection){ { 0 } };
		add_always(out, type);
	}
	while (next_name(&rest, &name)) {
		name = without_filter(name, plain);
		if (schema_by_urn(set, name) == type->core) {
			(add ? add_core : drop_core)(out, type);
			continue;
		}
		attr = find(type, name);
		if (attr != NULL && attr->parent != NULL)
			(add ? add_named : drop_named)(out, attr);
	}
	add_always(out, type);
	return RC_OK;
}
