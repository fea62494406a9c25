#include "schema/model_private.h"

#include "base/banned.h"

/* ---- What may stand in the file ---- */

static const struct member root_members[] = {
	{ "format", MEMBER_COUNT, true },
	{ "name", MEMBER_TEXT, true },
	{ "version", MEMBER_COUNT, true },
	{ "title", MEMBER_TEXT, true },
	{ "description", MEMBER_TEXT, true },
	{ "kinds", MEMBER_OBJECT, true },
	{ "tree", MEMBER_OBJECT, false },
	{ "permissions", MEMBER_OBJECT, false },
	{ "everyone", MEMBER_TEXTS, false },
	{ "roles", MEMBER_OBJECT, true },
	{ "assignments", MEMBER_OBJECT, false },
	{ "customRoles", MEMBER_TEXTS, false },
	{ "invitations", MEMBER_OBJECT, false },
	{ "transfer", MEMBER_OBJECT, false },
	{ "limits", MEMBER_OBJECT, false },
	{ "quotas", MEMBER_OBJECT, false },
	{ NULL, MEMBER_ANY, false },
};

static const struct member kind_list[] = {
	{ "company", MEMBER_OBJECT, false },
	{ "personal", MEMBER_OBJECT, false },
	{ NULL, MEMBER_ANY, false },
};

static const struct member kind_members[] = {
	{ "title", MEMBER_TEXT, true },
	{ "creator", MEMBER_TEXT, true },
	{ "atSignup", MEMBER_BOOL, false },
	{ "deletable", MEMBER_BOOL, false },
	{ "off", MEMBER_TEXTS, false },
	{ "limits", MEMBER_OBJECT, false },
	{ "quotas", MEMBER_OBJECT, false },
	{ "quotaPer", MEMBER_TEXT, false },
	{ NULL, MEMBER_ANY, false },
};

static const struct member tree_members[] = {
	{ "workspace", MEMBER_TEXTS, false },
	{ "project", MEMBER_TEXTS, false },
	{ NULL, MEMBER_ANY, false },
};

static const struct member permission_members[] = {
	{ "description", MEMBER_TEXT, true },
	{ "at", MEMBER_TEXTS, false },
	{ NULL, MEMBER_ANY, false },
};

static const struct member invitation_list[] = {
	{ "external", MEMBER_BOOL, false },
	{ "email", MEMBER_OBJECT, false },
	{ "link", MEMBER_OBJECT, false },
	{ NULL, MEMBER_ANY, false },
};

static const struct member invitation_members[] = {
	{ "roles", MEMBER_TEXTS, true },
	{ "role", MEMBER_TEXT, true },
	{ "assignments", MEMBER_TEXTS, false },
	{ "expires", MEMBER_TEXT, true },
	{ NULL, MEMBER_ANY, false },
};

static const struct member transfer_members[] = {
	{ "role", MEMBER_TEXT, true },
	{ "previous", MEMBER_TEXT, true },
	{ NULL, MEMBER_ANY, false },
};

static const struct member quota_members[] = {
	{ "title", MEMBER_TEXT, true },
	{ "default", MEMBER_COUNT, true },
	{ NULL, MEMBER_ANY, false },
};

#define X(name, text, normal, min, max) { text, MEMBER_COUNT, false },
static const struct member limit_members[] = { LIMIT_LIST(X){ NULL, MEMBER_ANY, false } };
#undef X

/* ---- Tree and permissions ---- */

static void
read_tree(struct loader *l, const json_t *root)
{
	const struct at *at = at_member(l->a, NULL, "tree");
	const json_t *tree = json_object_get(root, "tree");
	uint8_t *parents = l->m->parents;

	if (tree == NULL || !load_check(l, at, tree, tree_members))
		return;
	for (unsigned k = SCOPE_WORKSPACE; k <= SCOPE_PROJECT; k++) {
		const char *name = scope_kind_name((enum scope_kind)k);

		parents[k] = load_scopes(l, at_member(l->a, at, name), json_object_get(tree, name),
			AT_ORG | AT_WORKSPACE);
	}
	if (parents[SCOPE_WORKSPACE] == AT_WORKSPACE)
		load_mistake(l, at_member(l->a, at, "workspace"),
			"the first workspace has to lie in the org");
	if (parents[SCOPE_PROJECT] == AT_WORKSPACE && parents[SCOPE_WORKSPACE] == 0)
		load_mistake(l, at_member(l->a, at, "project"), "there are no workspaces");
}

static bool
is_permission_name(struct slice name)
{
	struct slice part;
	unsigned parts = 0;

	if (name.len > 64)
		return false;
	for (; slice_split(&name, '.', &part); parts++)
		if (!load_is_word(part))
			return false;
	return parts >= 2;
}

static void
read_permission(struct loader *l, const struct at *at, const char *key, const json_t *json,
	struct permission *p)
{
	const json_t *description = json, *where = NULL;

	p->at = AT_TREE;
	p->ownable = true;
	p->name = arena_dup(l->a, slice_of(key));
	if (!is_permission_name(p->name))
		load_mistake(l, at,
			"a permission is named by two words or more with dots between them, as "
			"\"invoice.view\"");
	if (permission_reserved(p->name))
		load_mistake(l, at, "permissions that begin like this are the daemon's own");
	if (json_is_object(json) && load_check(l, at, json, permission_members)) {
		description = json_object_get(json, "description");
		where = json_object_get(json, "at");
	}
	if (json_string_length(description) == 0)
		load_mistake(l, at, "a description is expected");
	p->description = arena_dup(l->a, load_slice(description));
	if (where != NULL)
		p->at = load_scopes(l, at_member(l->a, at, "at"), where,
			AT_ORG | AT_TEAM | AT_WORKSPACE | AT_PROJECT);
	if (p->at == 0)
		load_mistake(l, at, "this permission is not asked for anywhere");
}

static void
index_permissions(struct loader *l)
{
	size_t n = l->m->permission_count;
	uint16_t *ids = ARENA_ARRAY(l->a, uint16_t, n);

	for (size_t i = 0; i < n; i++) {
		size_t at = i;

		for (; at > 0 &&
			slice_cmp(l->permissions[ids[at - 1]].name, l->permissions[i].name) > 0;
			at--)
			ids[at] = ids[at - 1];
		ids[at] = (uint16_t)i;
	}
	l->m->permissions_by_name = ids;
}

static void
read_permissions(struct loader *l, const json_t *root)
{
	const struct at *at = at_member(l->a, NULL, "permissions");
	const json_t *list = json_object_get(root, "permissions");
	size_t n = PERM_BUILTIN + json_object_size(list);
	const char *key;
	json_t *value;

	if (n > PERM_MAX) {
		load_mistake(l, at, "at most %d permissions are possible", PERM_MAX - PERM_BUILTIN);
		return;
	}
	l->permissions = ARENA_ARRAY(l->a, struct permission, n);
	memcpy(l->permissions, permission_builtin, sizeof(permission_builtin));
	l->m->permissions = l->permissions;
	l->m->permission_count = PERM_BUILTIN;
	json_object_foreach (load_loose(list), key, value) {
		struct permission *p = &l->permissions[l->m->permission_count];

		p->id = (uint16_t)l->m->permission_count++;
		read_permission(l, at_member(l->a, at, key), key, value, p);
	}
	index_permissions(l);
}

/* ---- Limits, quotas, kinds of org ---- */

static void
read_limits(struct loader *l, const struct at *at, const json_t *json, uint64_t out[LIMIT_COUNT])
{
	if (json == NULL || !load_check(l, at, json, limit_members))
		return;
	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		const char *name = limit_name((enum limit)i);
		const json_t *v = json_object_get(json, name);
		uint64_t min, max;

		limit_range((enum limit)i, &min, &max);
		if (v == NULL)
			continue;
		out[i] = (uint64_t)json_integer_value(v);
		if (out[i] < min || out[i] > max)
			load_mistake(l, at_member(l->a, at, name), "this limit can be %llu to %llu",
				(unsigned long long)min, (unsigned long long)max);
	}
}

static void
read_quotas(struct loader *l, const json_t *root)
{
	const struct at *at = at_member(l->a, NULL, "quotas");
	const json_t *list = json_object_get(root, "quotas");
	struct model_quota *quotas = ARENA_ARRAY(l->a, struct model_quota, json_object_size(list));
	const char *key;
	json_t *json;

	l->m->quotas = quotas;
	json_object_foreach (load_loose(list), key, json) {
		const struct at *here = at_member(l->a, at, key);
		struct model_quota *q = &quotas[l->m->quota_count++];

		load_name(l, here, slice_of(key));
		if (!load_check(l, here, json, quota_members))
			return;
		q->name = arena_dup(l->a, slice_of(key));
		q->title = load_text(l, json, "title");
		for (unsigned k = 0; k < ORG_KINDS; k++)
			q->normal[k] =
				(uint64_t)json_integer_value(json_object_get(json, "default"));
	}
}

static void
read_kind_quotas(struct loader *l, const struct at *at, const json_t *list, enum org_kind kind)
{
	const char *key;
	json_t *value;

	json_object_foreach (load_loose(list), key, value) {
		struct model_quota *q =
			(struct model_quota *)(uintptr_t)model_quota(l->m, slice_of(key));

		if (q == NULL || !load_fits(value, MEMBER_COUNT))
			load_mistake(l, at_member(l->a, at, key),
				q == NULL ? "the model has no such quota" : "a number is expected");
		else
			q->normal[kind] = (uint64_t)json_integer_value(value);
	}
}

static void
read_off(struct loader *l, const struct at *at, const json_t *list, struct model_kind *k)
{
	load_patterns(l, at, list, SCOPE_ORG, &k->off);
	for (size_t w = 0; w < PERM_MAX / 64; w++)
		if (k->off.own[w] != 0)
			load_mistake(l, at, "what nobody has can't be \"own:\"");
	if (!k->deletable)
		permset_add(&k->off, PERM_ORG_DELETE, false);
}

static void
check_kind(struct loader *l, const struct at *at, const struct model_kind *k)
{
	if (k->kind == ORG_PERSONAL && k->limits[LIMIT_MEMBERS] != 1)
		load_mistake(
			l, at_member(l->a, at, "limits"), "a personal org has one member, always");
	if (k->kind != ORG_PERSONAL && k->at_signup)
		load_mistake(l, at_member(l->a, at, "atSignup"),
			"only personal orgs are made when a person signs up");
	for (size_t i = 0; i < l->m->role_count && k->creator != NULL; i++)
		if (l->roles[i].holders_min > 0 && k->creator != &l->roles[i])
			load_mistake(l, at_member(l->a, at, "creator"),
				"the org would begin without the role \"%.*s\", "
				"which someone must hold",
				SLICE_ARG(l->roles[i].path));
}

static void
read_kind(struct loader *l, const struct at *at, const json_t *json, const json_t *limits,
	struct model_kind *k)
{
	struct slice per = load_slice(json_object_get(json, "quotaPer"));

	if (!load_check(l, at, json, kind_members))
		return;
	k->allowed = true;
	k->title = load_text(l, json, "title");
	k->creator = load_org_role(l, at, json, "creator");
	k->at_signup = load_flag(json, "atSignup", false);
	k->deletable = load_flag(json, "deletable", true);
	k->quota_per_person = slice_eq(per, SLICE("person"));
	if (per.p != NULL && !k->quota_per_person && !slice_eq(per, SLICE("org")))
		load_mistake(
			l, at_member(l->a, at, "quotaPer"), "\"person\" or \"org\" is expected");
	read_limits(l, at_member(l->a, NULL, "limits"), limits, k->limits);
	if (k->kind == ORG_PERSONAL)
		k->limits[LIMIT_MEMBERS] = 1;
	read_limits(l, at_member(l->a, at, "limits"), json_object_get(json, "limits"), k->limits);
	read_kind_quotas(
		l, at_member(l->a, at, "quotas"), json_object_get(json, "quotas"), k->kind);
	read_off(l, at_member(l->a, at, "off"), json_object_get(json, "off"), k);
	check_kind(l, at, k);
}

static void
read_kinds(struct loader *l, const json_t *root)
{
#define X(name, text, normal, min, max) normal,
	static const uint64_t normal_limits[LIMIT_COUNT] = { LIMIT_LIST(X) };
#undef X
	const struct at *at = at_member(l->a, NULL, "kinds");
	const json_t *kinds = json_object_get(root, "kinds");

	read_quotas(l, root);
	if (!load_check(l, at, kinds, kind_list))
		return;
	if (json_object_size(kinds) == 0)
		load_mistake(l, at, "a model has at least one kind of org");
	for (unsigned i = 0; i < ORG_KINDS; i++) {
		struct model_kind *k = &l->m->kinds[i];
		const char *name = org_kind_name((enum org_kind)i);
		const json_t *json = json_object_get(kinds, name);

		k->kind = (enum org_kind)i;
		memcpy(k->limits, normal_limits, sizeof(normal_limits));
		if (json != NULL)
			read_kind(l, at_member(l->a, at, name), json,
				json_object_get(root, "limits"), k);
	}
}

/* ---- Invitations and transfer ---- */

static const struct group org_roles = { false, SCOPE_ORG };
static const struct group all_assignments = { true, SCOPE_ORG };

/* "7d", "12h", "30m" as seconds; 0 when it is none of these. */
static uint32_t
read_duration(struct slice s)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 } };
	uint64_t n;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && s.len > 1; i++)
		if (s.p[s.len - 1] == units[i].unit &&
			slice_to_u64((struct slice){ s.p, s.len - 1 }, 1,
				UINT32_C(315360000) / units[i].seconds, &n))
			return (uint32_t)n * units[i].seconds;
	return 0;
}

/* Someone must be able to send it. */
static bool
given_by_someone(const struct loader *l, const struct model_role *role, uint16_t perm)
{
	for (size_t i = 0; i < l->m->role_count; i++)
		if (role_set_has(&l->roles[i].gives, role) &&
			permset_any(&l->roles[i].sets[SCOPE_ORG], perm))
			return true;
	return false;
}

static void
check_invited(
	struct loader *l, const struct at *at, const struct model_invitation *inv, uint16_t perm)
{
	for (size_t i = 0; i < l->m->role_count; i++) {
		const struct model_role *r = &l->roles[i];
		bool carried = role_set_has(&inv->roles, r);

		if (carried && (r->scope != SCOPE_ORG || r->assignment))
			load_mistake(l, at_member(l->a, at, "roles"),
				"\"%.*s\" is no role of the org", SLICE_ARG(r->path));
		if (role_set_has(&inv->assignments, r) && !r->assignment)
			load_mistake(l, at_member(l->a, at, "assignments"),
				"\"%.*s\" is no assignment", SLICE_ARG(r->path));
		if (carried && r->holders_max > 0)
			load_mistake(l, at_member(l->a, at, "roles"),
				"\"%.*s\" moves by transfer only", SLICE_ARG(r->path));
		if ((carried || role_set_has(&inv->assignments, r)) &&
			!given_by_someone(l, r, perm))
			load_mistake(l, at,
				"nobody who may send such an invitation may give \"%.*s\"",
				SLICE_ARG(r->path));
	}
}

static void
read_invitation(struct loader *l, const struct at *at, const json_t *json, uint16_t perm,
	struct model_invitation *inv)
{
	if (json == NULL || !load_check(l, at, json, invitation_members))
		return;
	inv->allowed = true;
	inv->expires = read_duration(load_slice(json_object_get(json, "expires")));
	if (inv->expires == 0)
		load_mistake(l, at_member(l->a, at, "expires"),
			"a time such as \"7d\", \"12h\" or \"30m\" is expected");
	load_refs(l, at_member(l->a, at, "roles"), json_object_get(json, "roles"), org_roles,
		&inv->roles);
	load_refs(l, at_member(l->a, at, "assignments"), json_object_get(json, "assignments"),
		all_assignments, &inv->assignments);
	inv->role = load_org_role(l, at, json, "role");
	if (inv->role != NULL && !role_set_has(&inv->roles, inv->role))
		load_mistake(l, at_member(l->a, at, "role"), "it is not among \"roles\"");
	check_invited(l, at, inv, perm);
}

static void
read_invitations(struct loader *l, const json_t *root)
{
	const struct at *at = at_member(l->a, NULL, "invitations");
	const json_t *json = json_object_get(root, "invitations");

	l->m->external_invitations = load_flag(json, "external", true);
	if (json == NULL || !load_check(l, at, json, invitation_list))
		return;
	read_invitation(l, at_member(l->a, at, "email"), json_object_get(json, "email"),
		PERM_MEMBER_INVITE, &l->m->invitations[INVITE_BY_EMAIL]);
	read_invitation(l, at_member(l->a, at, "link"), json_object_get(json, "link"),
		PERM_INVITE_LINK, &l->m->invitations[INVITE_BY_LINK]);
}

static void
read_transfer(struct loader *l, const json_t *root)
{
	const struct at *at = at_member(l->a, NULL, "transfer");
	const json_t *json = json_object_get(root, "transfer");
	struct model_transfer *t = &l->m->transfer;

	if (json != NULL && load_check(l, at, json, transfer_members)) {
		t->role = load_org_role(l, at, json, "role");
		t->previous = load_org_role(l, at, json, "previous");
		if (t->role == t->previous || (t->previous != NULL && t->previous->holders_max > 0))
			load_mistake(l, at_member(l->a, at, "previous"),
				"who gave the role away needs another one, that many can have");
		if (t->role != NULL && !permset_any(&t->role->sets[SCOPE_ORG], PERM_ORG_TRANSFER))
			load_mistake(l, at_member(l->a, at, "role"),
				"\"%.*s\" lacks the permission \"org.transfer\"",
				SLICE_ARG(t->role->path));
	}
	for (size_t i = 0; i < l->m->role_count; i++)
		if (l->roles[i].holders_max > 0 && t->role != &l->roles[i])
			load_mistake(l, at_member(l->a, l->drafts[i].at, "holders"),
				"with a \"max\" the role needs a \"transfer\": it could never "
				"change hands");
}

/* ---- All of it ---- */

static void
read_head(struct loader *l, const json_t *root)
{
	json_int_t format = json_integer_value(json_object_get(root, "format"));
	json_int_t version = json_integer_value(json_object_get(root, "version"));

	if (json_is_integer(json_object_get(root, "format")) && format != MODEL_FORMAT)
		load_mistake(l, at_member(l->a, NULL, "format"), "this rosterd reads format %d",
			MODEL_FORMAT);
	if (!load_check(l, NULL, root, root_members))
		return;
	if (version < 1 || version > UINT32_MAX)
		load_mistake(l, at_member(l->a, NULL, "version"), "a number from 1 on is expected");
	l->m->version = (uint32_t)version;
	l->m->name = load_text(l, root, "name");
	l->m->title = load_text(l, root, "title");
	l->m->description = load_text(l, root, "description");
	load_name(l, at_member(l->a, NULL, "name"), l->m->name);
}

static void
read_custom_roles(struct loader *l, const json_t *root)
{
	const struct at *at = at_member(l->a, NULL, "customRoles");
	uint8_t have = AT_ORG | AT_TEAM;

	for (unsigned k = SCOPE_WORKSPACE; k <= SCOPE_PROJECT; k++)
		if (l->m->parents[k] != 0)
			have |= (uint8_t)(1U << k);
	l->m->custom_roles = load_scopes(l, at, json_object_get(root, "customRoles"), have);
}

enum rc
model_compile(struct arena *a, struct slice text, const struct model **out, struct err *err)
{
	static void (*const steps[])(struct loader *, const json_t *) = { read_head, read_tree,
		read_permissions, load_role_names, load_roles, read_kinds, read_custom_roles,
		read_transfer, read_invitations };
	struct loader *l;
	json_error_t where;
	json_t *root;

	if (text.len > MODEL_FILE_MAX)
		return fail(err, RC_INVALID_VALUE, "", "line 1: a role model has at most %d bytes",
			MODEL_FILE_MAX);
	root = json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, &where);
	if (root == NULL)
		return fail(err, RC_INVALID_VALUE, "", "line %d: %s", where.line, where.text);
	l = ARENA_NEW(a, struct loader);
	l->a = a;
	l->err = err;
	l->text = text;
	l->m = ARENA_NEW(a, struct model);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && l->rc == RC_OK; i++)
		steps[i](l, root);
	l->m->text = arena_dup(a, text);
	json_decref(root);
	if (l->rc == RC_OK)
		*out = l->m;
	return l->rc;
}
