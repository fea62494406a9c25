/* Small reading and writing of resources in code: one attribute of a packed record without a tree,
 * and records that the daemon makes itself. */
#ifndef DAEMON_DIRECTORY_FORM_H
#define DAEMON_DIRECTORY_FORM_H

#include "base/uuid.h"
#include "daemon/store/store.h"
#include "schema/node.h"

/* ---- Reading ---- */

/* The payload of a simple attribute, or of a simple sub-attribute of a complex one that is not
 * multi-valued; extensions too. false when it has none. Borrowed from the record. */
bool record_value(const struct schema_set *set, const struct record *r, const struct attr *attr,
	struct slice *payload);
/* The same as text ("" when none), as time or number (fallback when none), as truth. */
struct slice record_text(
	const struct schema_set *set, const struct record *r, const struct attr *attr);
int64_t record_i64(const struct schema_set *set, const struct record *r, const struct attr *attr,
	int64_t fallback);
bool record_bool(const struct schema_set *set, const struct record *r, const struct attr *attr,
	bool fallback);
/* The row that an attribute names by id; 0 when it has none or there is no such record. */
uint64_t record_row(struct orgtx *o, const struct schema_set *set, const struct record *r,
	const struct attr *attr);
/* The texts of a multi-valued simple attribute, in the arena; borrowed. */
size_t record_texts(struct arena *a, const struct schema_set *set, const struct record *r,
	const struct attr *attr, struct slice **out);

/* ---- Values in a tree ---- */

/* The value of a simple attribute in a tree; NULL when none (lists are not entered). */
const struct node *tree_value(const struct node *root, const struct attr *attr);
/* "" when none. */
struct slice tree_text(const struct node *root, const struct attr *attr);
bool tree_bool(const struct node *root, const struct attr *attr, bool fallback);

/* Set a simple attribute, in place of what was there; the complex attribute around it is made. Text
 * is borrowed. An empty text, or tree_clear(), takes the value away. */
void tree_set_text(struct arena *a, struct node *root, const struct attr *attr, struct slice text);
void tree_set_bool(struct arena *a, struct node *root, const struct attr *attr, bool value);
void tree_set_i64(struct arena *a, struct node *root, const struct attr *attr, int64_t value);
void tree_clear(struct node *root, const struct attr *attr);
/* A new element of a multi-valued attribute: complex (fill it with tree_set_*() on its
 * sub-attributes, taking the element as root), or a text. */
struct node *tree_add(struct arena *a, struct node *root, const struct attr *list);
void tree_add_text(struct arena *a, struct node *root, const struct attr *list, struct slice text);

/* The text of an id, in the arena. */
struct slice id_text(struct arena *a, const struct uuid *id);
/* The id of a row as text, in the arena; "" when there is no such record. */
struct slice row_id_text(struct arena *a, struct orgtx *o, uint64_t row);

#endif
