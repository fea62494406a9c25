/* A resource's values as a tree, while a request works on them.
 *
 * A resource is a NODE_OBJECT of the type's root attribute; an extension is an object under the
 * container its URN names. Nodes live in an arena and point into it; there is no node_free().
 * What has no value is not there: null, [] and absent are one state (RFC 7643 section 2.5). */
#ifndef SCHEMA_NODE_H
#define SCHEMA_NODE_H

#include "schema/schema.h"

enum node_kind {
	NODE_VALUE,  /* one simple value */
	NODE_OBJECT, /* one complex value: its children are sub-attributes, each at most once */
	NODE_LIST,   /* a multi-valued attribute: its children are NODE_VALUE or NODE_OBJECT of the
			same attribute */
};

struct node {
	const struct attr *attr;
	struct node *next; /* sibling */
	enum node_kind kind;
	union {
		struct slice text; /* string, reference; binary: the bytes, decoded */
		bool boolean;
		int64_t integer;
		double decimal;
		int64_t ticks;      /* dateTime: 100 ns since 1970-01-01T00:00:00Z */
		struct node *child; /* object, list: the first */
	};
};

struct node *node_new(struct arena *a, const struct attr *attr, enum node_kind kind);

/* The child for attr, or NULL. The first form looks among the object's own children; the second
 * climbs from the root through attr's parents and returns the first value found on the way down
 * (lists are not entered). */
struct node *node_child(const struct node *object, const struct attr *attr);
struct node *node_find(const struct node *root, const struct attr *attr);

/* Appends; puts in schema order; unlinks (the child must be there). */
void node_append(struct node *list, struct node *child);
void node_insert(struct node *object, struct node *child);
void node_remove(struct node *parent, struct node *child);

/* The object for attr's parent, made with all above it when missing: where a sub-attribute can be
 * put. */
struct node *node_parent_for(struct arena *a, struct node *root, const struct attr *attr);

/* Deep copy; deep equality as SCIM compares (texts by the attribute's own rule: caseExact, PRECIS;
 * objects in any order of members; lists in order). */
struct node *node_copy(struct arena *a, const struct node *n);
bool node_equal(const struct node *a, const struct node *b);

/* After a client's change from old to root: what is readOnly stays with the value that it tells
 * about. A readOnly attribute that root lacks is copied from old, also inside of complex values;
 * where a complex value has a `value`, only as long as that is the same (an element of a list: the
 * same as of any element of the old list), and is dropped when it is another one. */
void node_carry_read_only(struct arena *a, const struct node *old, struct node *root);

/* Two simple values of one attribute: <0, 0, >0. Texts by the attribute's rule (folded unless
 * caseExact), dateTimes as instants, false before true. */
int node_compare(const struct node *a, const struct node *b);

#endif
