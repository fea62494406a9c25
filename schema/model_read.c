#include "schema/model_private.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/banned.h"

void
load_mistake(struct loader *l, const struct at *at, const char *fmt, ...)
{
	struct buf path = BUF_INIT;
	char text[256], cut[96];
	size_t len;
	va_list ap;

	if (l->rc != RC_OK)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	at_print(at, &path);
	len = slice_clip(buf_as_slice(&path), sizeof(cut) - 1).len;
	if (len > 0)
		memcpy(cut, path.p, len);
	cut[len] = '\0';
	buf_release(&path);
	l->rc = fail(l->err, RC_INVALID_VALUE, cut, "line %u: %s", at_line(at, l->text), text);
}

const char *const load_type_names[] = { "a text that is not empty", "true or false",
	"a number, 0 or more", "a list of texts", "an object", "a value" };

bool
load_fits(const json_t *value, enum member_type type)
{
	size_t i;
	json_t *item;

	switch (type) {
	case MEMBER_TEXT:
		return json_string_length(value) > 0;
	case MEMBER_BOOL:
		return json_is_boolean(value);
	case MEMBER_COUNT:
		return json_is_integer(value) && json_integer_value(value) >= 0;
	case MEMBER_TEXTS:
		json_array_foreach (value, i, item) {
			if (!json_is_string(item))
				return false;
		}
		return json_is_array(value);
	case MEMBER_OBJECT:
		return json_is_object(value);
	case MEMBER_ANY:
		return true;
	}
	return false;
}

json_t *
load_loose(const json_t *j)
{
	return (json_t *)(uintptr_t)j;
}

bool
load_check(struct loader *l, const struct at *at, const json_t *object, const struct member *table)
{
	const struct member *m;
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		load_mistake(l, at, "an object is expected");
	json_object_foreach (load_loose(object), key, value) {
		for (m = table; m->name != NULL && strcmp(m->name, key) != 0; m++)
			;
		if (m->name == NULL)
			load_mistake(l, at_member(l->a, at, key), "unknown member");
		else if (!load_fits(value, m->type))
			load_mistake(l, at_member(l->a, at, key), "%s is expected",
				load_type_names[m->type]);
	}
	for (m = table; m->name != NULL; m++)
		if (m->required && json_object_get(object, m->name) == NULL)
			load_mistake(l, at, "\"%s\" is missing", m->name);
	return l->rc == RC_OK;
}

struct slice
load_slice(const json_t *text)
{
	return (struct slice){ json_string_value(text), json_string_length(text) };
}

struct slice
load_text(struct loader *l, const json_t *object, const char *name)
{
	return arena_dup(l->a, load_slice(json_object_get(object, name)));
}

/* A member that may be missing. */
bool
load_flag(const json_t *object, const char *name, bool otherwise)
{
	const json_t *v = json_object_get(object, name);

	return v != NULL ? json_is_true(v) : otherwise;
}

bool
load_is_word(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		bool letter = s.p[i] >= 'a' && s.p[i] <= 'z';
		bool digit = s.p[i] >= '0' && s.p[i] <= '9';

		if (!letter && (i == 0 || (!digit && (s.p[i] != '-' || i + 1 == s.len))))
			return false;
	}
	return s.len > 0;
}

void
load_name(struct loader *l, const struct at *at, struct slice name)
{
	if (!load_is_word(name) || name.len > MODEL_NAME_MAX)
		load_mistake(l, at,
			"a name is a to z, 0 to 9 and hyphens, begins with a letter, and has at "
			"most %d of them",
			MODEL_NAME_MAX);
}

uint8_t
load_scopes(struct loader *l, const struct at *at, const json_t *list, uint8_t allowed)
{
	uint8_t out = 0;
	size_t i;
	json_t *item;

	json_array_foreach (load_loose(list), i, item) {
		enum scope_kind kind;

		if (!scope_kind_read(load_slice(item), &kind) || (allowed & 1U << kind) == 0)
			load_mistake(l, at_item(l->a, at, i), "\"%s\" can't stand here",
				json_string_value(item));
		else
			out |= (uint8_t)(1U << kind);
	}
	return out;
}

void
load_patterns(struct loader *l, const struct at *at, const json_t *list, enum scope_kind scope,
	struct permset *out)
{
	size_t i;
	json_t *item;

	json_array_foreach (load_loose(list), i, item) {
		struct slice pattern = load_slice(item);
		struct permset one;
		struct err err = ERR_INIT;

		if (permset_read(l->m, scope, &pattern, 1, &one, &err) == RC_OK)
			permset_join(out, &one);
		else
			load_mistake(l, at_item(l->a, at, i), "%s", err.detail);
	}
}

/* ---- Roles by name ---- */

void
role_set_add(struct role_set *s, const struct model_role *r)
{
	s->bits[r->index / 64] |= UINT64_C(1) << (r->index % 64);
}

/* Splits "workspace/admin". */
static bool
read_group(struct slice *ref, struct group *group)
{
	struct slice rest = *ref, first;

	if (memchr(ref->p, '/', ref->len) == NULL)
		return true;
	(void)slice_split(&rest, '/', &first);
	*ref = rest;
	group->assignment = slice_eq(first, SLICE("assignment"));
	if (group->assignment) {
		group->scope = SCOPE_ORG;
		return true;
	}
	return scope_kind_read(first, &group->scope);
}

/* The roles that "admin", "workspace/admin" or an asterisk in place of the name speak of. */
static void
read_ref(struct loader *l, const struct at *at, struct slice ref, struct group group,
	struct role_set *out)
{
	struct slice name = ref;
	bool known = read_group(&name, &group), found = false, all = slice_eq(name, SLICE("*"));

	for (size_t i = 0; known && i < l->m->role_count; i++) {
		const struct model_role *r = &l->roles[i];

		if (r->assignment != group.assignment || r->scope != group.scope ||
			(!all && !slice_eq(r->name, name)))
			continue;
		/* A role that only so many can have is not meant by "all": it moves by transfer. */
		if (!all || r->holders_max == 0)
			role_set_add(out, r);
		found = true;
	}
	if (!found)
		load_mistake(
			l, at, "there is no role \"%.*s\" here", SLICE_ARG(slice_clip(ref, 80)));
}

void
load_refs(struct loader *l, const struct at *at, const json_t *list, struct group group,
	struct role_set *out)
{
	size_t i;
	json_t *item;

	json_array_foreach (load_loose(list), i, item)
		read_ref(l, at_item(l->a, at, i), load_slice(item), group, out);
}

const struct model_role *
load_org_role(struct loader *l, const struct at *at, const json_t *json, const char *member)
{
	const struct model_role *r =
		model_role(l->m, SCOPE_ORG, load_slice(json_object_get(json, member)));

	if (r == NULL)
		load_mistake(l, at_member(l->a, at, member), "there is no role \"%s\" of the org",
			json_string_value(json_object_get(json, member)));
	return r;
}
