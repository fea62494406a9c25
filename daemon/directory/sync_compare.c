/* An existing resource beside what it shall be. */
#include "daemon/directory/form.h"
#include "daemon/directory/sync_private.h"

#include "base/banned.h"

/* ---- Without trees ---- */

static bool
all_read_only(const struct schema_set *set, struct slice fields)
{
	struct field f;
	bool bad = false;

	while (record_next(set, &fields, &f, &bad))
		if (f.attr->mutability != ATTR_READ_ONLY)
			return false;
	return !bad;
}

/* What a whole record of a client's leaves as it is: see carry_over() in resource.c. externalIds are compared
 * by themselves. */
static bool
is_kept(const struct schema_set *set, const struct field *f)
{
	const struct attr *attr = f->attr;

	return attr->source == SOURCE_SPACE || attr->mutability == ATTR_READ_ONLY ||
	       attr->prepare == PREPARE_PASSWORD ||
	       (attr->type == ATTR_COMPLEX && !attr->multi && all_read_only(set, f->payload));
}

/* The next field that counts; false at the end. */
static bool
next_field(const struct schema_set *set, struct slice *fields, bool stored, struct field *out, bool *bad)
{
	while (record_next(set, fields, out, bad))
		if (out->attr->source != SOURCE_SPACE && !(stored && is_kept(set, out)))
			return true;
	return false;
}

bool
sync_same(const struct sync *s, const struct record *old, struct slice packed)
{
	const struct schema_set *set = s->options.directory->schema;
	uint32_t space = s->options.connection;
	struct field had, has;
	struct slice a = old->fields, b;
	struct record new;
	bool bad = false, more;

	if (!record_parse(set, packed, &new))
		return false;
	b = new.fields;
	for (;;) {
		more = next_field(set, &a, true, &had, &bad);
		if (more != next_field(set, &b, false, &has, &bad))
			return false;
		if (!more)
			break;
		if (had.attr != has.attr || !slice_eq(had.payload, has.payload))
			return false;
	}
	return !bad && slice_eq(record_external_id(set, old, space), record_external_id(set, &new, space));
}

/* ---- With trees ---- */

struct deed
sync_deed(const struct sync *s, struct orgtx *o, const struct writer *w, const struct subject *by, struct arena *a,
	uint8_t type, enum verb verb)
{
	return (struct deed){ .d = s->options.directory, .o = o, .w = w, .arena = a, .by = by,
		.type = type == TYPE_USER ? s->user : s->group, .verb = verb };
}

static void
drop_child(struct node *root, const struct attr *attr)
{
	struct node *n = node_child(root, attr);

	if (n != NULL)
		node_remove(root, n);
}

struct node *
sync_new_root(const struct sync *s, struct arena *a, const struct sync_record *r, struct record *out)
{
	const struct schema_set *set = s->options.directory->schema;
	struct node *root;

	if (!record_parse(set, sync_staged(s, r).packed, out) ||
		(root = record_unpack(a, set, out, s->options.connection)) == NULL)
		return NULL;
	/* As from a client: what the header makes is not part of it. */
	drop_child(root, out->type->id);
	drop_child(root, out->type->meta);
	return root;
}

static struct slice
pack_edit(const struct sync *s, struct arena *a, const struct record *old, const struct node *root)
{
	struct buf b = BUF_INIT;
	struct slice packed;

	record_pack(&b, s->options.directory->schema, old, root, s->options.connection, old);
	packed = arena_dup(a, buf_as_slice(&b));
	buf_release(&b);
	return packed;
}

static bool
is_same(const struct sync *s, struct sync_edit *edit, struct arena *a)
{
	struct record made;

	edit->packed = pack_edit(s, a, &edit->old, edit->root);
	return record_parse(s->options.directory->schema, edit->packed, &made) &&
	       slice_eq(made.fields, edit->old.fields);
}

/* The record in the store, in memory of its own, and the tree that shall take its place. */
static enum rc
edit_load(struct sync *s, struct orgtx *o, struct arena *a, const struct sync_record *r, struct sync_edit *edit,
	struct err *err)
{
	struct record new;

	if (!record_get(o, r->row, &edit->old))
		return fail(err, RC_INTERNAL, "", "the resource is gone");
	edit->old.fields = arena_dup(a, edit->old.fields); /* the store's bytes move with the first put */
	edit->old_root = record_unpack(a, s->options.directory->schema, &edit->old, s->options.connection);
	edit->root = sync_new_root(s, a, r, &new);
	if (edit->old_root == NULL || edit->root == NULL)
		return fail(err, RC_INTERNAL, "", "the stored resource is damaged");
	edit_carry_over(a, edit->old_root, edit->root);
	return edit_check_immutable(edit->old_root, edit->root, err);
}

enum rc
sync_edit(struct sync *s, struct orgtx *o, const struct writer *w, const struct subject *by, struct arena *a,
	const struct sync_record *r, const struct member_changes *members, struct sync_edit *out, struct err *err)
{
	bool moves = members != NULL && members->add_count + members->remove_count > 0;
	enum rc rc;

	*out = (struct sync_edit){ .deed = sync_deed(s, o, w, by, a, r->type, VERB_EDIT) };
	if ((rc = edit_load(s, o, a, r, out, err)) != RC_OK)
		return rc;
	out->same = is_same(s, out, a);
	out->deed.id = out->old.id;
	out->deed.row = r->row;
	out->deed.old = &out->old;
	out->deed.old_root = out->old_root;
	out->deed.root = out->root;
	out->deed.members = members;
	if (out->same && !moves)
		return RC_OK;
	if ((rc = deed_decide(&out->deed, err)) != RC_OK)
		return rc;
	out->root = out->deed.root;
	out->same = is_same(s, out, a);
	return RC_OK;
}

/* ---- For people ---- */

enum { VALUE_SHOWN = 60, EXPLAINED_MAX = 600 };

static void
explain_value(struct buf *b, const struct node *n)
{
	if (n == NULL)
		BUF_LIT(b, "nothing");
	else if (n->kind == NODE_VALUE && n->attr->type == ATTR_BOOLEAN)
		buf_printf(b, "%s", n->boolean ? "true" : "false");
	else if (n->kind == NODE_VALUE && (n->attr->type == ATTR_STRING || n->attr->type == ATTR_REFERENCE))
		buf_printf(b, "\"%.*s\"", SLICE_ARG(slice_clip(n->text, VALUE_SHOWN)));
	else
		BUF_LIT(b, "…");
}

static void
explain_attr(struct buf *b, const struct attr *attr, const struct node *had, const struct node *has)
{
	if (b->len > EXPLAINED_MAX || (had == NULL && has == NULL) || (had != NULL && has != NULL && node_equal(had, has)))
		return;
	if (b->len > 0)
		BUF_LIT(b, ", ");
	buf_slice(b, attr->name);
	if (attr->type == ATTR_COMPLEX || attr->multi)
		return;
	BUF_LIT(b, ": ");
	explain_value(b, had);
	BUF_LIT(b, " -> ");
	explain_value(b, has);
}

struct slice
sync_explain(struct arena *a, const struct node *old, const struct node *root)
{
	const struct attr *type = root->attr;
	struct buf b = BUF_INIT;
	struct slice out;

	for (size_t i = 0; i < type->sub_count; i++) {
		const struct attr *attr = type->subs[i];
		const struct node *had = node_child(old, attr), *has = node_child(root, attr);

		if (attr->source != SOURCE_FIELDS && attr->source != SOURCE_SPACE)
			continue;
		if (!slice_starts(attr->name, SLICE("urn:"))) {
			explain_attr(&b, attr, had, has);
			continue;
		}
		for (size_t k = 0; k < attr->sub_count; k++)
			explain_attr(&b, attr->subs[k], had != NULL ? node_child(had, attr->subs[k]) : NULL,
				has != NULL ? node_child(has, attr->subs[k]) : NULL);
	}
	out = arena_dup(a, buf_as_slice(&b));
	buf_release(&b);
	return out;
}
