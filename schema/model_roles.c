#include "schema/model_private.h"

#include "base/banned.h"

static const struct member scope_list[] = {
	{ "org", MEMBER_OBJECT, true },
	{ "team", MEMBER_OBJECT, false },
	{ "workspace", MEMBER_OBJECT, false },
	{ "project", MEMBER_OBJECT, false },
	{ NULL, MEMBER_ANY, false },
};

/* clang-format off */
#define ROLE_MEMBERS \
	{ "title", MEMBER_TEXT, true }, \
	{ "description", MEMBER_TEXT, true }, \
	{ "permissions", MEMBER_TEXTS, false }, \
	{ "includes", MEMBER_TEXTS, false }, \
	{ "implies", MEMBER_TEXTS, false }, \
	{ "manages", MEMBER_ANY, false }, \
	{ "teams", MEMBER_BOOL, false }
/* clang-format on */

static const struct member role_members[] = {
	ROLE_MEMBERS,
	{ "default", MEMBER_BOOL, false },
	{ "creator", MEMBER_BOOL, false },
	{ NULL, MEMBER_ANY, false },
};

static const struct member org_role_members[] = {
	ROLE_MEMBERS,
	{ "default", MEMBER_BOOL, false },
	{ "holders", MEMBER_OBJECT, false },
	{ "guarded", MEMBER_BOOL, false },
	{ NULL, MEMBER_ANY, false },
};

static const struct member assignment_members[] = {
	ROLE_MEMBERS,
	{ "for", MEMBER_TEXTS, false },
	{ "required", MEMBER_BOOL, false },
	{ NULL, MEMBER_ANY, false },
};

static const struct member holder_members[] = {
	{ "min", MEMBER_COUNT, false },
	{ "max", MEMBER_COUNT, false },
	{ NULL, MEMBER_ANY, false },
};

static const struct member manage_members[] = {
	{ "give", MEMBER_TEXTS, true },
	{ "take", MEMBER_TEXTS, true },
	{ NULL, MEMBER_ANY, false },
};

/* ---- Roles: names first, so that they can speak of each other ---- */

static void
read_holders(struct loader *l, const struct at *at, const json_t *json, struct model_role *r)
{
	const json_t *max;

	if (json == NULL || !load_check(l, at, json, holder_members))
		return;
	max = json_object_get(json, "max");
	if (json_integer_value(max) > UINT32_MAX ||
		json_integer_value(json_object_get(json, "min")) > UINT32_MAX)
		load_mistake(l, at, "no org has that many members");
	r->holders_min = (uint32_t)json_integer_value(json_object_get(json, "min"));
	r->holders_max = (uint32_t)json_integer_value(max);
	if (max != NULL && (r->holders_max == 0 || r->holders_max < r->holders_min))
		load_mistake(l, at, "\"max\" must be at least 1, and not below \"min\"");
	/* The one who makes the org is all it has at first. */
	if (r->holders_min > 1)
		load_mistake(l, at, "\"min\" can be 0 or 1");
}

/* A flag that one role of each kind of scope can have. */
static void
read_place(struct loader *l, const struct at *at, const json_t *json, const char *member,
	struct model_role *r, bool *flag, const struct model_role **place)
{
	*flag = load_flag(json, member, false);
	if (!*flag)
		return;
	if (r->holders_max > 0)
		load_mistake(l, at_member(l->a, at, member), "only %u can have this role",
			r->holders_max);
	if (*place != NULL)
		load_mistake(l, at_member(l->a, at, member), "\"%.*s\" is that already",
			SLICE_ARG((*place)->path));
	*place = r;
}

static void
add_role(struct loader *l, const struct at *at, bool assignment, enum scope_kind scope,
	const char *key, const json_t *json)
{
	bool of_org = scope == SCOPE_ORG && !assignment;
	struct draft *d;
	struct model_role *r;

	if (l->m->role_count == MODEL_ROLES_MAX) {
		load_mistake(
			l, at, "at most %d roles and assignments are possible", MODEL_ROLES_MAX);
		return;
	}
	r = &l->roles[l->m->role_count];
	d = &l->drafts[l->m->role_count];
	r->index = (uint16_t)l->m->role_count++;
	*d = (struct draft){ r, json, at, NOT_YET };
	load_name(l, at, slice_of(key));
	if (!load_check(l, at, json,
		    assignment ? assignment_members
		    : of_org   ? org_role_members
			       : role_members))
		return;
	r->assignment = assignment;
	r->scope = scope;
	r->name = arena_dup(l->a, slice_of(key));
	r->path = slice_of(arena_printf(
		l->a, "%s/%s", assignment ? "assignment" : scope_kind_name(scope), key));
	r->title = load_text(l, json, "title");
	r->description = load_text(l, json, "description");
	r->guarded = load_flag(json, "guarded", false);
	r->required = load_flag(json, "required", false);
	r->teams = load_flag(json, "teams", !of_org);
	read_holders(l, at_member(l->a, at, "holders"), json_object_get(json, "holders"), r);
	if (r->teams && (r->holders_min > 0 || r->holders_max > 0))
		load_mistake(l, at_member(l->a, at, "teams"),
			"holders are counted, so a team can't be one");
	read_place(l, at, json, "default", r, &r->by_default, &l->m->by_default[scope]);
	read_place(l, at, json, "creator", r, &r->by_creation, &l->m->by_creation[scope]);
}

void
load_role_names(struct loader *l, const json_t *root)
{
	const struct at *at = at_member(l->a, NULL, "roles"), *place;
	const json_t *scopes = json_object_get(root, "roles"), *group;
	const char *key;
	json_t *json;

	l->roles = ARENA_ARRAY(l->a, struct model_role, MODEL_ROLES_MAX);
	l->m->roles = l->roles;
	if (!load_check(l, at, scopes, scope_list))
		return;
	for (unsigned k = 0; k < SCOPE_KINDS; k++) {
		const char *name = scope_kind_name((enum scope_kind)k);

		place = at_member(l->a, at, name);
		group = json_object_get(scopes, name);
		if (group != NULL && k >= SCOPE_WORKSPACE && l->m->parents[k] == 0)
			load_mistake(l, place, "the model's tree has no scopes of this kind");
		json_object_foreach (load_loose(group), key, json)
			add_role(l, at_member(l->a, place, key), false, (enum scope_kind)k, key,
				json);
	}
	if (l->m->by_default[SCOPE_ORG] == NULL)
		load_mistake(l, at_member(l->a, at, "org"), "no role has \"default\": true");
	place = at_member(l->a, NULL, "assignments");
	json_object_foreach (load_loose(json_object_get(root, "assignments")), key, json)
		add_role(l, at_member(l->a, place, key), true, SCOPE_ORG, key, json);
}

/* ---- Roles: what they refer to ---- */

static const struct group org_roles = { false, SCOPE_ORG };

static void
role_set_join(struct role_set *s, const struct role_set *other)
{
	for (size_t w = 0; w < MODEL_ROLES_MAX / 64; w++)
		s->bits[w] |= other->bits[w];
}

static void
read_managed(struct loader *l, const struct draft *d, const struct at *at, const json_t *list,
	struct role_set *out)
{
	struct group group = { d->role->assignment, d->role->scope };
	struct role_set named = { { 0 } };

	load_refs(l, at, list, group, &named);
	for (size_t i = 0; i < l->m->role_count; i++) {
		const struct model_role *other = &l->roles[i];

		if (!role_set_has(&named, other))
			continue;
		if ((scope_below(d->role->scope) & 1U << other->scope) == 0)
			load_mistake(l, at,
				"\"%.*s\" is not held at or below the scope of this role",
				SLICE_ARG(other->path));
		if (other->holders_max > 0)
			load_mistake(
				l, at, "\"%.*s\" moves by transfer only", SLICE_ARG(other->path));
	}
	role_set_join(out, &named);
}

static void
read_manages(struct loader *l, const struct draft *d)
{
	const struct at *at = at_member(l->a, d->at, "manages");
	const json_t *json = json_object_get(d->json, "manages");
	bool apart = json_is_object(json);
	const json_t *give = apart ? json_object_get(json, "give") : json;
	const json_t *take = apart ? json_object_get(json, "take") : json;

	if (apart && !load_check(l, at, json, manage_members))
		return;
	if (json != NULL && !apart && !load_fits(json, MEMBER_TEXTS)) {
		load_mistake(l, at, "%s, or an object of two, is expected",
			load_type_names[MEMBER_TEXTS]);
		return;
	}
	read_managed(l, d, apart ? at_member(l->a, at, "give") : at, give, &d->role->gives);
	read_managed(l, d, apart ? at_member(l->a, at, "take") : at, take, &d->role->takes);
}

static void read_role(struct loader *l, struct draft *d);

static void
read_includes(struct loader *l, struct draft *d, struct group group)
{
	const struct at *at = at_member(l->a, d->at, "includes");
	struct role_set included = { { 0 } };
	struct model_role *r = d->role;

	load_refs(l, at, json_object_get(d->json, "includes"), group, &included);
	for (size_t i = 0; i < l->m->role_count && l->rc == RC_OK; i++) {
		const struct model_role *other = &l->roles[i];

		if (!role_set_has(&included, other))
			continue;
		if (other->scope != r->scope || other->assignment != r->assignment)
			load_mistake(l, at, "\"%.*s\" is of another kind; see \"implies\"",
				SLICE_ARG(other->path));
		else if (l->drafts[i].state == UNDER_WAY)
			load_mistake(l, at, "\"%.*s\" includes itself", SLICE_ARG(other->path));
		else
			read_role(l, &l->drafts[i]);
		permset_join(&r->direct, &other->direct);
		role_set_join(&r->implied, &other->implied);
		role_set_join(&r->gives, &other->gives);
		role_set_join(&r->takes, &other->takes);
	}
}

static void
read_implies(struct loader *l, struct draft *d, struct group group)
{
	const struct at *at = at_member(l->a, d->at, "implies");
	struct model_role *r = d->role;

	load_refs(l, at, json_object_get(d->json, "implies"), group, &r->implied);
	for (size_t i = 0; i < l->m->role_count; i++) {
		const struct model_role *other = &l->roles[i];

		if (role_set_has(&r->implied, other) &&
			(other->scope == r->scope ||
				(scope_below(r->scope) & 1U << other->scope) == 0))
			load_mistake(l, at, "\"%.*s\" is not of a scope below this role's",
				SLICE_ARG(other->path));
	}
}

/* What the role itself says, and the roles that it includes. */
static void
read_role(struct loader *l, struct draft *d)
{
	struct group group = { d->role->assignment, d->role->scope };
	struct model_role *r = d->role;

	if (d->state == READ || l->rc != RC_OK)
		return;
	d->state = UNDER_WAY;
	if (r->scope == SCOPE_ORG && !r->assignment)
		permset_join(&r->direct, &l->everyone);
	load_patterns(l, at_member(l->a, d->at, "permissions"),
		json_object_get(d->json, "permissions"), r->scope, &r->direct);
	read_includes(l, d, group);
	read_implies(l, d, group);
	read_manages(l, d);
	d->state = READ;
}

static void
read_fits(struct loader *l, struct draft *d)
{
	const json_t *list = json_object_get(d->json, "for");

	if (!d->role->assignment)
		return;
	load_refs(l, at_member(l->a, d->at, "for"), list, org_roles, &d->role->fits);
	for (size_t i = 0; i < l->m->role_count; i++) {
		struct model_role *r = &l->roles[i];

		if (r->scope != SCOPE_ORG || r->assignment) {
			if (role_set_has(&d->role->fits, r))
				load_mistake(l, at_member(l->a, d->at, "for"),
					"\"%.*s\" is no role of the org", SLICE_ARG(r->path));
			continue;
		}
		if (list == NULL)
			role_set_add(&d->role->fits, r);
		if (d->role->required && role_set_has(&d->role->fits, r))
			role_set_add(&r->implied, d->role);
	}
}

/* ---- Roles: what comes of it at each kind of scope ---- */

static void
flatten(struct loader *l, struct model_role *r)
{
	uint8_t below = scope_below(r->scope);

	for (unsigned k = 0; k < SCOPE_KINDS; k++) {
		for (uint16_t p = 0; (below & 1U << k) != 0 && p < l->m->permission_count; p++) {
			if ((l->permissions[p].at & 1U << k) == 0)
				continue;
			if (permset_any(&r->direct, p))
				permset_add(&r->sets[k], p, false);
			if (permset_own(&r->direct, p))
				permset_add(&r->sets[k], p, true);
		}
		for (size_t i = 0; i < l->m->role_count; i++)
			if (role_set_has(&r->implied, &l->roles[i]))
				permset_join(&r->sets[k], &l->roles[i].sets[k]);
	}
	for (size_t i = 0; i < l->m->role_count; i++)
		if (role_set_has(&r->implied, &l->roles[i])) {
			role_set_join(&r->gives, &l->roles[i].gives);
			role_set_join(&r->takes, &l->roles[i].takes);
		}
}

/* Whoever may give a role could give it to an account of their own: so never
 * more than they have. */
static void
check_gives(struct loader *l, const struct draft *d)
{
	const struct at *at = at_member(l->a, d->at, "manages");
	const struct model_role *r = d->role;

	for (size_t i = 0; i < l->m->role_count; i++) {
		const struct model_role *other = &l->roles[i];
		bool gives = role_set_has(&r->gives, other);

		for (unsigned k = 0; gives && k < SCOPE_KINDS; k++) {
			uint16_t beyond;

			if (!permset_within(&other->sets[k], &r->sets[k], &beyond))
				load_mistake(l, at,
					"\"%.*s\" permits \"%.*s\" in a scope of kind %s, which "
					"who gives it has not",
					SLICE_ARG(other->path),
					SLICE_ARG(l->permissions[beyond].name),
					scope_kind_name((enum scope_kind)k));
		}
	}
}

void
load_roles(struct loader *l, const json_t *root)
{
	/* What is implied comes before what implies it. */
	static const struct group order[] = { { false, SCOPE_PROJECT }, { false, SCOPE_TEAM },
		{ false, SCOPE_WORKSPACE }, { true, SCOPE_ORG }, { false, SCOPE_ORG } };
	size_t n = l->m->role_count;

	load_patterns(l, at_member(l->a, NULL, "everyone"), json_object_get(root, "everyone"),
		SCOPE_ORG, &l->everyone);
	for (size_t i = 0; i < n; i++)
		read_role(l, &l->drafts[i]);
	for (size_t i = 0; i < n; i++)
		read_fits(l, &l->drafts[i]);
	for (size_t o = 0; o < sizeof(order) / sizeof(order[0]) && l->rc == RC_OK; o++)
		for (size_t i = 0; i < n; i++)
			if (l->roles[i].scope == order[o].scope &&
				l->roles[i].assignment == order[o].assignment)
				flatten(l, &l->roles[i]);
	for (size_t i = 0; i < n; i++)
		check_gives(l, &l->drafts[i]);
}
