#include "daemon/api_print.h"

#include "daemon/directory/operation.h"

#include "base/banned.h"

static const char *const type_words[] = {
	[ATTR_STRING] = "string",
	[ATTR_BOOLEAN] = "boolean",
	[ATTR_INTEGER] = "integer",
	[ATTR_DECIMAL] = "decimal",
	[ATTR_DATETIME] = "dateTime",
	[ATTR_BINARY] = "binary",
	[ATTR_REFERENCE] = "reference",
	[ATTR_COMPLEX] = "complex",
};

static const char *const mutability_words[] = {
	[ATTR_READ_WRITE] = NULL,
	[ATTR_READ_ONLY] = "readOnly",
	[ATTR_IMMUTABLE] = "immutable",
	[ATTR_WRITE_ONLY] = "writeOnly",
};

static const char *const base_words[] = {
	[BASE_ORG] = "an org's base",
	[BASE_PLATFORM] = "the platform's base",
	[BASE_BOTH] = "an org's base and the platform's",
};

/* What a reader must know of it besides its type. Of a sub-attribute only what differs from the
 * attribute around it. */
static void
put_traits(struct buf *out, const struct attr *attr)
{
	const char *mutability = mutability_words[attr->mutability];
	/* No attribute's name holds a colon, an extension's does. */
	bool inner = attr->parent->parent != NULL &&
		     memchr(attr->parent->name.p, ':', attr->parent->name.len) == NULL;

	buf_printf(out, "%s%s", type_words[attr->type], attr->multi ? ", a list" : "");
	if (attr->required)
		BUF_LIT(out, ", required");
	if (mutability != NULL && !(inner && attr->parent->mutability == attr->mutability))
		buf_printf(out, ", %s", mutability);
	if (attr->uniqueness != UNIQUE_NONE)
		BUF_LIT(out, ", unique");
}

static void
put_words(struct buf *out, const char *before, const struct slice *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s`%.*s`", i == 0 ? before : ", ", SLICE_ARG(words[i]));
	if (n > 0)
		buf_char(out, '.');
}

static void
put_attr(struct buf *out, const char *before, const struct attr *attr)
{
	struct arena *a;

	if (attr->hidden)
		return;
	buf_printf(out, "| `%s%.*s` | ", before, SLICE_ARG(attr->name));
	put_traits(out, attr);
	buf_printf(out, " | %.*s", SLICE_ARG(attr->description));
	put_words(out, " One of ", attr->canonical, attr->canonical_count);
	put_words(out, " To: ", attr->refs, attr->ref_count);
	BUF_LIT(out, " |\n");
	a = arena_new();
	for (size_t i = 0; i < attr->sub_count; i++)
		put_attr(out, arena_printf(a, "%s%.*s.", before, SLICE_ARG(attr->name)), attr->subs[i]);
	arena_free(a);
}

static void
put_schema(struct buf *out, const struct schema *schema)
{
	buf_printf(out, "\nSchema `%.*s`:\n\n| attribute | | |\n| --- | --- | --- |\n",
		SLICE_ARG(schema->urn));
	for (size_t i = 0; i < schema->attr_count; i++)
		put_attr(out, "", schema->attrs[i]);
}

/* ---- Operations ---- */

static void
put_perm(struct buf *out, uint16_t perm)
{
	if (perm == PERM_OPERATOR)
		BUF_LIT(out, "operators of the platform only");
	else if (perm == PERM_ANYONE)
		BUF_LIT(out, "decided by who asks");
	else if (perm != PERM_NOWHERE)
		buf_printf(out, "`%.*s`", SLICE_ARG(permission_builtin[perm].name));
}

/* Which of the columns a type needs. */
struct columns {
	bool org, platform;
};

static struct columns
columns_of(const struct resource_type *type)
{
	struct columns c = { false, false };

	for (size_t i = 0; i < operation_count; i++) {
		const struct operation *op = &operations[i];

		if (op->type != type->code)
			continue;
		c.org = c.org || op->perm != PERM_NOWHERE;
		c.platform = c.platform || op->person != PERSON_NOT || op->right != NULL;
	}
	return c;
}

static void
put_operation(struct buf *out, const struct operation *op, struct columns c)
{
	static const char *const verbs[] = { [VERB_VIEW] = "view",
		[VERB_CREATE] = "create",
		[VERB_EDIT] = "edit",
		[VERB_DELETE] = "delete",
		[VERB_ACTION] = "`POST`" };
	static const char *const persons[] = { [PERSON_NOT] = "", [PERSON_OWN] = "their own",
		[PERSON_ANY] = "yes" };

	buf_printf(out, "| %s", verbs[op->verb]);
	if (op->part[0] != '\0')
		buf_printf(out, op->verb == VERB_ACTION ? " `.%s`" : " `%s`", op->part);
	if (c.org) {
		BUF_LIT(out, " | ");
		put_perm(out, op->perm);
	}
	if (c.platform) {
		buf_printf(out, " | %s | ", persons[op->person]);
		if (op->right != NULL)
			buf_printf(out, "`%s`", op->right);
	}
	BUF_LIT(out, " |\n");
}

static void
put_operations(struct buf *out, const struct resource_type *type)
{
	struct columns c = columns_of(type);

	if (!c.org && !c.platform)
		return;
	buf_printf(out, "\n| operation |%s%s\n| --- |%s%s\n", c.org ? " permission |" : "",
		c.platform ? " a person, on the platform | a product, on the platform |" : "",
		c.org ? " --- |" : "", c.platform ? " --- | --- |" : "");
	for (size_t i = 0; i < operation_count; i++)
		if (operations[i].type == type->code)
			put_operation(out, &operations[i], c);
}

void
api_print(const struct schema_set *set, struct buf *out)
{
	for (size_t i = 0; i < set->type_count; i++) {
		const struct resource_type *type = set->types[i];

		buf_printf(out, "<!-- %.*s: made by rosterd --print-api -->\n", SLICE_ARG(type->name));
		buf_printf(out, "`%.*s` on %s.\n", SLICE_ARG(type->endpoint), base_words[type->bases]);
		put_schema(out, type->core);
		for (size_t k = 0; k < type->extension_count; k++)
			put_schema(out, type->extensions[k].schema);
		put_operations(out, type);
		BUF_LIT(out, "<!-- end -->\n");
	}
}
