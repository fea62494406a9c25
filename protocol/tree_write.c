#include "protocol/tree_write.h"

#include <math.h>
#include <stdio.h>

#include "schema/text.h"

#include "base/banned.h"

struct writing {
	struct buf *out;
	struct arena *scratch;
	const struct projection *p; /* NULL: whatever it is */
	enum tree_part part;
};

static bool
shown(const struct writing *w, const struct attr *attr)
{
	return (w->part == TREE_ALL || attr->returned != RETURNED_NEVER) &&
	       (w->p == NULL || projection_has(w->p, attr));
}

static void
put_plain(const struct writing *w, const struct node *n)
{
	char text[DATETIME_MAX];

	switch (n->attr->type) {
	case ATTR_STRING:
	case ATTR_REFERENCE:
		buf_slice(w->out, n->text);
		break;
	case ATTR_BINARY:
		buf_slice(w->out, base64_encode(w->scratch, n->text));
		break;
	case ATTR_BOOLEAN:
		buf_slice(w->out, n->boolean ? SLICE("true") : SLICE("false"));
		break;
	case ATTR_INTEGER:
		buf_i64(w->out, n->integer);
		break;
	case ATTR_DECIMAL:
		if (isfinite(n->decimal))
			buf_printf(w->out, "%.17g", n->decimal);
		else
			BUF_LIT(w->out, "null");
		break;
	case ATTR_DATETIME:
		buf_put(w->out, text, datetime_format(n->ticks, text));
		break;
	case ATTR_COMPLEX:
		break;
	}
}

static bool
is_quoted(const struct attr *attr)
{
	return attr->type == ATTR_BINARY || attr->type == ATTR_DATETIME;
}

static void put_node(const struct writing *w, const struct node *n);

static void
put_children(const struct writing *w, const struct node *n, bool comma)
{
	for (const struct node *c = n->child; c != NULL; c = c->next) {
		if (n->kind == NODE_OBJECT && !shown(w, c->attr))
			continue;
		if (comma)
			buf_char(w->out, ',');
		comma = true;
		if (n->kind == NODE_OBJECT)
			buf_slice(w->out, c->attr->json_key);
		put_node(w, c);
	}
}

static void
put_node(const struct writing *w, const struct node *n)
{
	if (n->kind != NODE_VALUE) {
		buf_char(w->out, n->kind == NODE_LIST ? '[' : '{');
		put_children(w, n, false);
		buf_char(w->out, n->kind == NODE_LIST ? ']' : '}');
	} else if (n->attr->type == ATTR_STRING || n->attr->type == ATTR_REFERENCE) {
		buf_json_string(w->out, n->text);
	} else {
		if (is_quoted(n->attr))
			buf_char(w->out, '"');
		put_plain(w, n);
		if (is_quoted(n->attr))
			buf_char(w->out, '"');
	}
}

void
tree_write(struct buf *out, struct arena *scratch, const struct node *n, enum tree_part part)
{
	put_node(&(struct writing){ out, scratch, NULL, part }, n);
}

void
tree_write_plain(struct buf *out, struct arena *scratch, const struct node *n, enum tree_part part)
{
	struct writing w = { out, scratch, NULL, part };

	if (n->kind == NODE_VALUE)
		put_plain(&w, n);
	else
		put_node(&w, n);
}

void
tree_write_resource(struct buf *out, struct arena *scratch, const struct projection *p,
	const struct resource_type *type, const struct node *root)
{
	struct writing w = { out, scratch, p, TREE_SHOWN };

	BUF_LIT(out, "{\"schemas\":[");
	buf_json_string(out, type->core->urn);
	for (size_t i = 0; i < type->extension_count; i++) {
		if (node_child(root, type->extensions[i].container) == NULL)
			continue;
		buf_char(out, ',');
		buf_json_string(out, type->extensions[i].schema->urn);
	}
	buf_char(out, ']');
	put_children(&w, root, true);
	buf_char(out, '}');
}
