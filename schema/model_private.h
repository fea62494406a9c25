/* The compiler of role models: what its files share. */
#ifndef SCHEMA_MODEL_PRIVATE_H
#define SCHEMA_MODEL_PRIVATE_H

#include <jansson.h>

#include "schema/model.h"

/* ---- Where something stands in a JSON text: for messages about what is well-formed but wrong ----
 */

/* One step on the way from the root (NULL) to a value: a member, or with key NULL an item. */
struct at {
	const struct at *up;
	const char *key;
	size_t index;
};

const struct at *at_member(struct arena *a, const struct at *up, const char *key);
const struct at *at_item(struct arena *a, const struct at *up, size_t index);

/* "roles.org.owner.permissions[2]" */
void at_print(const struct at *at, struct buf *out);

/* The line of the member's name or of the item, from 1. The text is well-formed JSON; a step that
 * is not there gives the line of the last one that is. */
unsigned at_line(const struct at *at, struct slice text);

/* ---- A file on its way (model_load.c) ---- */

/* A role: read once the roles that it includes are. */
struct draft {
	struct model_role *role;
	const json_t *json;
	const struct at *at;
	enum { NOT_YET, UNDER_WAY, READ } state;
};

/* The first mistake stays; what follows it is not looked at. */
struct loader {
	struct arena *a;
	struct err *err;
	struct slice text;
	struct model *m;
	struct permission *permissions;
	struct model_role *roles;
	struct draft drafts[MODEL_ROLES_MAX];
	struct permset everyone;
	enum rc rc;
};

/* ---- Reading (model_read.c) ---- */

enum member_type {
	MEMBER_TEXT,
	MEMBER_BOOL,
	MEMBER_COUNT,
	MEMBER_TEXTS,
	MEMBER_OBJECT,
	MEMBER_ANY,
};

/* What may stand in an object; tables end with a NULL name. */
struct member {
	const char *name;
	enum member_type type;
	bool required;
};

void load_mistake(struct loader *l, const struct at *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* false: there was a mistake, here or before. */
bool load_check(
	struct loader *l, const struct at *at, const json_t *object, const struct member *table);
bool load_fits(const json_t *value, enum member_type type);
extern const char *const load_type_names[];

/* Iterating takes json_t *, though nothing is changed. */
json_t *load_loose(const json_t *j);
struct slice load_slice(const json_t *text); /* borrowed */
struct slice load_text(struct loader *l, const json_t *object, const char *name);
bool load_flag(const json_t *object, const char *name, bool otherwise);
/* [a-z][a-z0-9-]*, the last one no hyphen. */
bool load_is_word(struct slice s);
void load_name(struct loader *l, const struct at *at, struct slice name);
/* A list of kinds of scope, of those in allowed, as AT_*. */
uint8_t load_scopes(struct loader *l, const struct at *at, const json_t *list, uint8_t allowed);
/* A list of patterns of permissions. */
void load_patterns(struct loader *l, const struct at *at, const json_t *list, enum scope_kind scope,
	struct permset *out);

/* Whose names can be written without "SCOPE/" in front. */
struct group {
	bool assignment;
	enum scope_kind scope;
};

void role_set_add(struct role_set *s, const struct model_role *r);
/* The roles that "admin", "workspace/admin" or an asterisk in place of the name speak of. */
void load_refs(struct loader *l, const struct at *at, const json_t *list, struct group group,
	struct role_set *out);
/* One role of the org, named by a member; NULL after a mistake. */
const struct model_role *load_org_role(
	struct loader *l, const struct at *at, const json_t *json, const char *member);

/* ---- Roles and assignments (model_roles.c) ---- */

void load_role_names(struct loader *l, const json_t *root);
void load_roles(struct loader *l, const json_t *root);

#endif
