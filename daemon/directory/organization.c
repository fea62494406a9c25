#include "daemon/directory/organization.h"

#include <stdio.h>

#include "daemon/directory/form.h"
#include "daemon/directory/ids.h"
#include "daemon/directory/names.h"
#include "daemon/directory/org_roles.h"
#include "daemon/directory/org_tell.h"

#include "base/banned.h"

static struct orgtx *
platform_of(const struct deed *x)
{
	return orgtx_open(orgtx_txn(x->o), ORG_PLATFORM);
}

/* ---- Deciding ---- */

static enum rc
plan_model(const struct deed *x, const struct org_wish *wish, struct org_plan *p, struct err *err)
{
	enum org_kind kind = ORG_COMPANY;

	p->model = wish->model.len > 0 ? model_by_name(x->d->models, wish->model)
				       : x->d->models->models[0];
	if (p->model == NULL)
		return fail(err, RC_INVALID_VALUE, "model", "there is no role model \"%.*s\"",
			SLICE_ARG(slice_clip(wish->model, MODEL_NAME_MAX)));
	if (wish->kind.len > 0 && !org_kind_read(wish->kind, &kind))
		return fail(err, RC_INVALID_VALUE, "kind", "kind is company or personal");
	if (!p->model->kinds[kind].allowed)
		return fail(err, RC_INVALID_VALUE, "kind", "the model \"%.*s\" has no %s orgs",
			SLICE_ARG(p->model->name), org_kind_name(kind));
	p->org.kind = kind;
	return RC_OK;
}

enum rc
org_plan_make(const struct deed *x, const struct org_wish *wish, struct org_plan *p, struct err *err)
{
	struct txn *t = orgtx_txn(x->o);
	struct slice name = wish->name.len > 0 ? wish->name : wish->key;
	enum rc rc;

	*p = (struct org_plan){ .creator = wish->creator };
	org_init(&p->org);
	if ((rc = org_key_require(x->d, t, wish->key, x->w->actor.now, err)) != RC_OK ||
		(rc = plan_model(x, wish, p, err)) != RC_OK ||
		(rc = shown_name_require("displayName", name, err)) != RC_OK)
		return rc;
	if (p->org.kind == ORG_PERSONAL && p->creator == 0)
		return fail(err, RC_INVALID_VALUE, "creator",
			"a personal org needs the person whose it is");
	p->org.no = org_next_number(t);
	p->org.created = x->w->actor.now;
	p->org.model_version = p->model->version;
	p->org.external_invitations = p->model->external_invitations;
	memcpy(p->org.key, wish->key.p, wish->key.len);
	memcpy(p->org.name, name.p, name.len);
	memcpy(p->org.model, p->model->name.p, p->model->name.len);
	return RC_OK;
}

void
org_plan_fill(const struct deed *x, const struct org_plan *p, struct node *root)
{
	const struct attrs *at = &x->d->at;
	struct arena *a = x->arena;

	tree_set_text(a, root, at->org_key, arena_dup(a, slice_of(p->org.key)));
	tree_set_text(a, root, at->org_display, arena_dup(a, slice_of(p->org.name)));
	tree_set_text(a, root, at->org_kind, slice_of(org_kind_name(p->org.kind)));
	tree_set_text(a, root, at->org_model, p->model->name);
	tree_set_i64(a, root, at->org_model_version, p->model->version);
	tree_set_text(a, root, at->org_state, SLICE("active"));
	tree_set_i64(a, root, at->org_number, p->org.no);
	if (p->creator != 0)
		tree_set_text(a, root, at->org_creator_value,
			row_id_text(a, platform_of(x), p->creator));
}

/* ---- Putting ---- */

void
org_plan_put(struct deed *x, struct org_plan *p, uint64_t row)
{
	p->org.row = row;
	org_create(orgtx_txn(x->o), &p->org);
	if (p->creator != 0)
		(void)edge_add(x->o, row, p->creator);
}

static struct node *
root_of(const struct deed *x, uint8_t type)
{
	return node_new(x->arena, schema_type(x->d->schema, type)->root, NODE_OBJECT);
}

static void
furnish_settings(struct deed *y, const struct org_plan *p, uint64_t revision)
{
	const struct attrs *at = &y->d->at;
	struct node *root = root_of(y, TYPE_SETTINGS);

	org_tell_fill(y->d, orgtx_txn(y->o), y->arena, &p->org, root);
	tree_set_text(y->arena, root, at->settings_display, slice_of(p->org.name));
	tree_set_bool(y->arena, root, at->settings_external, p->org.external_invitations);
	tree_set_bool(y->arena, root, at->settings_guarded, p->org.connections_manage_guarded);
	(void)deed_create(y, TYPE_SETTINGS, root, revision);
}

void
org_plan_furnish(struct deed *x, const struct org_plan *p)
{
	struct deed y = { .d = x->d,
		.o = orgtx_open(orgtx_txn(x->o), p->org.no),
		.w = x->w,
		.arena = x->arena,
		.verb = VERB_CREATE };
	uint64_t revision = change_begin(y.o, &x->w->actor), member;
	const struct model_role *role = p->model->kinds[p->org.kind].creator;

	furnish_settings(&y, p, revision);
	org_roles_put(&y, p->model, revision);
	if (p->creator != 0) {
		member = member_make(&y, p->creator, revision);
		if (role != NULL)
			(void)deed_assign(&y, member, role->path, 0, "creator",
				row_id_text(x->arena, y.o, member), revision);
	}
	change_end(y.o);
}

/* ---- Members who are people ---- */

static size_t
users_with(const struct deed *x, const struct attr *attr, struct slice text, uint64_t *rows, size_t max)
{
	struct node value = { .attr = attr, .kind = NODE_VALUE, .text = text };
	struct slice key;

	return index_key_of(x->arena, attr, 0, &value, false, &key)
		       ? index_list(x->o, attr->id, TYPE_USER, key, 0, rows, max)
		       : 0;
}

uint64_t
member_of_person(const struct directory *d, struct orgtx *o, struct arena *a, uint64_t person,
	bool all)
{
	struct deed x = { .d = d, .o = o, .arena = a };
	struct slice id = row_id_text(a, orgtx_open(orgtx_txn(o), ORG_PLATFORM), person);
	uint64_t rows[16];
	size_t n = id.len > 0 ? users_with(&x, d->at.user_person_value, id, rows, 16) : 0;

	for (size_t i = 0; i < n; i++) {
		struct record r;

		if (record_get(o, rows[i], &r) &&
			slice_eq(record_text(d->schema, &r, d->at.user_link_state),
				SLICE("linked")) &&
			(all || record_bool(d->schema, &r, d->at.user_active, true)))
			return rows[i];
	}
	return 0;
}

uint64_t
person_of_member(const struct directory *d, struct orgtx *o, const struct record *member)
{
	if (!slice_eq(record_text(d->schema, member, d->at.user_link_state), SLICE("linked")))
		return 0;
	return record_row(orgtx_open(orgtx_txn(o), ORG_PLATFORM), d->schema, member,
		d->at.user_person_value);
}

static bool
person_is_active(const struct directory *d, struct orgtx *o, uint64_t person)
{
	struct record r;

	return record_get(orgtx_open(orgtx_txn(o), ORG_PLATFORM), person, &r) &&
	       record_bool(d->schema, &r, d->at.person_active, true);
}

static bool
is_active_user(const struct directory *d, struct orgtx *o, uint64_t member, struct record *r)
{
	return row_type(member) == TYPE_USER && record_get(o, member, r) &&
	       record_bool(d->schema, r, d->at.user_active, true);
}

bool
member_is_active(const struct directory *d, struct orgtx *o, uint64_t member)
{
	struct record r;
	uint64_t person;

	if (!is_active_user(d, o, member, &r))
		return false;
	person = person_of_member(d, o, &r);
	return person == 0 || person_is_active(d, o, person);
}

bool
member_is_somebody(const struct directory *d, struct orgtx *o, uint64_t member)
{
	struct record r;

	return is_active_user(d, o, member, &r) && person_is_active(d, o, person_of_member(d, o, &r));
}

/* The name under which a person comes in: their username, or one like it. */
static struct slice
free_user_name(const struct deed *x, struct slice name)
{
	struct slice tried = arena_dup(x->arena, name);
	uint64_t row;

	for (unsigned n = 2; users_with(x, x->d->at.user_name, tried, &row, 1) > 0; n++)
		tried = slice_of(arena_printf(x->arena, "%.*s-%u", SLICE_ARG(name), n));
	return tried;
}

/* Sub-attributes of the same name. */
static void
copy_parts(const struct deed *x, const struct node *from, struct node *root, const struct attr *to)
{
	for (const struct node *n = from != NULL ? from->child : NULL; n != NULL; n = n->next) {
		const struct attr *sub = attr_sub(to, n->attr->name);

		if (sub != NULL && n->kind == NODE_VALUE && sub->type == n->attr->type &&
			sub->type == ATTR_STRING)
			tree_set_text(x->arena, root, sub, n->text);
	}
}

/* The address that the new member is known by: the primary one, else the first. */
static void
copy_email(const struct deed *x, const struct node *list, struct node *root)
{
	const struct attrs *at = &x->d->at;
	const struct node *best = list != NULL ? list->child : NULL;
	struct node *e;

	for (const struct node *n = best; n != NULL; n = n->next) {
		const struct node *primary = node_child(n, at->person_email_primary);

		if (primary != NULL && primary->boolean)
			best = n;
	}
	if (best == NULL || node_child(best, at->person_email) == NULL)
		return;
	e = tree_add(x->arena, root, at->user_emails);
	tree_set_text(x->arena, e, at->user_email, node_child(best, at->person_email)->text);
	tree_set_bool(x->arena, e, at->user_email_primary, true);
}

uint64_t
member_make(struct deed *x, uint64_t person, uint64_t revision)
{
	const struct attrs *at = &x->d->at;
	struct node *root = root_of(x, TYPE_USER), *from;
	struct slice name;
	struct record r;

	if (!record_get(platform_of(x), person, &r) || (from = deed_tree(x, &r)) == NULL)
		return 0;
	name = tree_text(from, at->person_user_name);
	tree_set_text(x->arena, root, at->user_name, free_user_name(x, name));
	tree_set_text(x->arena, root, at->user_display, tree_text(from, at->person_display));
	copy_parts(x, node_child(from, at->person_name), root, at->user_full_name);
	copy_email(x, node_child(from, at->person_emails), root);
	tree_set_bool(x->arena, root, at->user_active, true);
	tree_set_text(x->arena, root, at->user_person_value, id_text(x->arena, &r.id));
	tree_set_text(x->arena, root, at->user_link_state, SLICE("linked"));
	return deed_create(x, TYPE_USER, root, revision);
}

void
org_member_edge(const struct deed *x, const struct org *org, uint64_t person, bool is, bool in_change)
{
	struct orgtx *platform = platform_of(x);

	if (org->row == 0 || person == 0)
		return;
	if (!in_change)
		(void)change_begin(platform, &x->w->actor);
	if (is)
		(void)edge_add(platform, org->row, person);
	else
		(void)edge_remove(platform, org->row, person);
	if (!in_change)
		change_end(platform);
}
