/* Trees to JSON: for resources that are made when they are read, and for values that are told as text. What is in a record goes out by
 * scim_write.h, without a tree. */
#ifndef PROTOCOL_TREE_WRITE_H
#define PROTOCOL_TREE_WRITE_H

#include "protocol/scim_write.h"
#include "schema/node.h"

/* Which attributes a text holds. */
enum tree_part {
	TREE_SHOWN, /* without those that are never returned */
	TREE_ALL,   /* for comparisons: such a text must not leave the process */
};

/* One value: a text in quotes, a number, an object, a list. */
void tree_write(struct buf *out, struct arena *scratch, const struct node *n, enum tree_part part);

/* One value as plain text: a string as it is, anything else as tree_write() has it. */
void tree_write_plain(struct buf *out, struct arena *scratch, const struct node *n, enum tree_part part);

/* A whole resource: schemas, then what the tree holds, id and meta as nodes too. */
void tree_write_resource(struct buf *out, struct arena *scratch, const struct projection *p,
	const struct resource_type *type, const struct node *root);

#endif
