/* A filter of any bytes: parsed in each dialect, then matched. What strict takes, tolerant takes
 * with the same meaning. */
#include <stdint.h>
#include <stdlib.h>

#include "protocol/filter.h"
#include "schema/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct arena *fixed, *a;
	const struct schema_set *set;
	const struct resource_type *user;
	struct node *root;
};

static void
put_text(struct world *w, const char *path, const char *text)
{
	const struct attr *attr = attr_find(w->user, slice_of(path));
	struct node *n = node_new(w->fixed, attr, NODE_VALUE), *list, *element;

	if (attr->type == ATTR_BOOLEAN)
		n->boolean = true;
	else if (attr->type == ATTR_DATETIME)
		n->ticks = 12951232940000000;
	else
		n->text = slice_of(text);
	if (!attr->parent->multi) {
		node_insert(node_parent_for(w->fixed, w->root, attr), n);
		return;
	}
	list = node_find(w->root, attr->parent);
	if (list == NULL) {
		list = node_new(w->fixed, attr->parent, NODE_LIST);
		node_insert(w->root, list);
		node_append(list, node_new(w->fixed, attr->parent, NODE_OBJECT));
	}
	for (element = list->child; node_child(element, attr) != NULL; element = element->next)
		if (element->next == NULL)
			node_append(list, node_new(w->fixed, attr->parent, NODE_OBJECT));
	node_insert(element, n);
}

static void
build(struct world *w)
{
	struct err err;

	w->fixed = arena_new();
	w->a = arena_new();
	if (schema_load(w->fixed, &w->set, &err) != RC_OK)
		abort();
	w->user = schema_type(w->set, TYPE_USER);
	w->root = node_new(w->fixed, w->user->root, NODE_OBJECT);
	put_text(w, "id", "0190-ada");
	put_text(w, "userName", "j\xc3\xbcrgen@example.com");
	put_text(w, "title", "");
	put_text(w, "displayName", "\xc3\x84rger \xf0\x9f\x9a\x80 Abc");
	put_text(w, "name.familyName", "O'Malley");
	put_text(w, "active", NULL);
	put_text(w, "emails.value", "a@example.com");
	put_text(w, "emails.type", "work");
	put_text(w, "emails.value", "b@example.org");
	put_text(w, "emails.primary", NULL);
	put_text(w, "meta.lastModified", NULL);
	put_text(w, "x509Certificates.value", "\x01\x02");
	put_text(w, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
		"0190-boss");
}

/* 1 match, 0 no match, -1 refused. */
static int
run(struct world *w, struct slice text, enum dialect dialect)
{
	struct err err = ERR_INIT;
	struct filter *f;
	int result;

	if (filter_parse(w->a, w->set, w->user, text, dialect, &f, &err) != RC_OK) {
		if (err.detail[0] == '\0' || !text_valid(slice_of(err.detail)))
			abort();
		return -1;
	}
	result = filter_match(f, w->root, NULL, w->a);
	(void)filter_names(f, w->user->meta);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct slice text = { (const char *)data, size };
	struct err err = ERR_INIT;
	struct filter *f;
	int strict, tolerant;

	if (w.set == NULL)
		build(&w);
	strict = run(&w, text, DIALECT_STRICT);
	tolerant = run(&w, text, DIALECT_TOLERANT);
	if (strict >= 0 && tolerant != strict)
		abort();
	if (run(&w, text, DIALECT_INTEROP) != strict)
		abort();
	if (filter_parse_element(w.a, attr_find(w.user, SLICE("emails")), text, DIALECT_TOLERANT,
		    &f, &err) == RC_OK)
		(void)filter_match_element(
			f, node_find(w.root, attr_find(w.user, SLICE("emails")))->child, w.a);
	arena_clear(w.a);
	return 0;
}
