#include "daemon/directory/rules.h"

#include "daemon/directory/certificate.h"
#include "daemon/directory/form.h"
#include "daemon/directory/ids.h"
#include "daemon/directory/platform.h"
#include "daemon/directory/quota.h"

#include "base/banned.h"

static const struct rules *const all_rules[] = { &user_rules, &group_rules, &workspace_rules,
	&project_rules, &role_rules, &assignment_rules, &settings_rules, &organization_rules,
	&person_rules, &connection_rules, &token_rules, &certificate_rules, &quota_rules,
	&invitation_rules };

const struct rules *
rules_of(uint8_t type)
{
	for (size_t i = 0; i < sizeof(all_rules) / sizeof(all_rules[0]); i++)
		if (all_rules[i]->type == type)
			return all_rules[i];
	return NULL;
}

/* ---- The gate ---- */

static enum rc
no_such_operation(const struct deed *x, struct err *err)
{
	return fail(err, RC_METHOD_NOT_ALLOWED, "", "a %.*s can't be changed in this way", SLICE_ARG(x->type->name));
}

static enum rc
require(struct deed *x, struct slice part, const struct node *around, struct err *err)
{
	const struct operation *op = operation_find(x->type->code, x->verb, part);
	const struct rules *rules = rules_of(x->type->code);
	uint64_t row = around != NULL ? 0 : x->row, scope = 0;
	bool own = false;

	if (op == NULL && x->row != 0 && rules != NULL && rules->part != NULL)
		op = operation_find(x->type->code, x->verb, rules->part(x->d, x->o, x->row, NULL));
	if (op == NULL)
		return no_such_operation(x, err);
	if (rules != NULL && rules->scope != NULL)
		scope = rules->scope(x->d, x->o, row, around);
	if (rules != NULL && rules->own != NULL)
		own = rules->own(x->by, x->row, x->old);
	return operation_require(x->by, op, scope, own, err);
}

static enum rc
require_edit(struct deed *x, const struct attr *attr, bool *asked, struct err *err)
{
	const struct node *had = node_child(x->old_root, attr), *has = node_child(x->root, attr);
	enum rc rc;

	if ((had == NULL && has == NULL) || (had != NULL && has != NULL && node_equal(had, has)))
		return RC_OK;
	*asked = true;
	/* Moving needs the right where it comes from and where it goes to. */
	if (slice_eq(attr->name, SLICE("parent"))) {
		rc = require(x, attr->name, x->old_root, err);
		return rc != RC_OK ? rc : require(x, attr->name, x->root, err);
	}
	return require(x, attr->name, NULL, err);
}

enum rc
deed_require(struct deed *x, struct err *err)
{
	const struct rules *rules = rules_of(x->type->code);
	const struct attr *root = x->type->root;
	bool changes_members = x->members != NULL &&
			       x->members->add_count + x->members->remove_count > 0;
	bool asked = changes_members;
	struct slice part = SLICE("");
	enum rc rc;

	if (x->by == NULL)
		return RC_OK;
	/* What is not in the table is for nobody, whatever they may. */
	if (orgtx_org(x->o) != ORG_PLATFORM && !operation_any(x->type->code, x->verb))
		return no_such_operation(x, err);
	if (x->by->all)
		return RC_OK;
	if (orgtx_org(x->o) == ORG_PLATFORM)
		return platform_require(x->by, x->type->code, x->verb, part, x->row, x->old, err);
	if (x->verb == VERB_DELETE)
		return require(x, part, NULL, err);
	if (x->verb == VERB_CREATE) {
		if (rules != NULL && rules->part != NULL)
			part = rules->part(x->d, x->o, 0, x->root);
		return require(x, part, x->root, err);
	}
	for (size_t i = 0; i < root->sub_count; i++)
		if (root->subs[i]->source == SOURCE_FIELDS || root->subs[i]->source == SOURCE_SPACE)
			if ((rc = require_edit(x, root->subs[i], &asked, err)) != RC_OK)
				return rc;
	/* An edit that changes nothing is still one: its answer shows the resource. */
	if (!asked && ((rc = require(x, part, NULL, err)) == RC_OK || x->members == NULL ||
			      require(x, SLICE("members"), NULL, NULL) != RC_OK))
		return rc;
	return changes_members ? require(x, SLICE("members"), NULL, err) : RC_OK;
}

/* ---- Writes that go along ---- */

/* old: whose labels of other connections stay; NULL: none. */
static struct slice
packed(struct deed *x, const struct record *header, const struct node *root, const struct record *old)
{
	struct buf b = BUF_INIT;
	struct slice out;

	record_pack(&b, x->d->schema, header, root, x->w->actor.connection, old);
	out = arena_dup(x->arena, buf_as_slice(&b));
	buf_release(&b);
	return out;
}

uint64_t
deed_create(struct deed *x, uint8_t type, const struct node *root, uint64_t revision)
{
	struct uuid id = id_new();

	return deed_create_as(x, type, &id, root, revision);
}

uint64_t
deed_create_as(struct deed *x, uint8_t type, const struct uuid *id, const struct node *root,
	uint64_t revision)
{
	struct record header = { .type = schema_type(x->d->schema, type),
		.id = *id,
		.revision = revision,
		.created = x->w->actor.now,
		.modified = x->w->actor.now };

	return record_create(x->o, type, packed(x, &header, root, NULL));
}

void
deed_replace(struct deed *x, uint64_t row, const struct node *root, uint64_t revision)
{
	struct record header, old;

	if (!record_get(x->o, row, &header))
		return;
	old = header;
	header.revision = revision;
	header.modified = x->w->actor.now > header.modified ? x->w->actor.now : header.modified;
	record_replace(x->o, row, packed(x, &header, root, &old));
}

struct node *
deed_tree(struct deed *x, const struct record *r)
{
	struct record copy = *r;

	copy.fields = arena_dup(x->arena, r->fields); /* the store's bytes move with the first put */
	return record_unpack(x->arena, x->d->schema, &copy, x->w->actor.connection);
}

/* Those that name a resource by its id, batch by batch: each batch is gone before the next look. */
static void
erase_naming(struct deed *x, const struct attr *attr, uint8_t type, struct slice id, uint64_t revision)
{
	enum { STEP = 64 };
	struct node value = { .attr = attr, .kind = NODE_VALUE, .text = id };
	uint64_t rows[STEP];
	struct slice key;
	size_t n;

	if (!index_key_of(x->arena, attr, 0, &value, false, &key))
		return;
	while ((n = index_list(x->o, attr->id, type, key, 0, rows, STEP)) > 0 &&
		txn_rc(orgtx_txn(x->o)) == RC_OK)
		for (size_t i = 0; i < n; i++)
			deed_erase(x, rows[i], revision);
}

/* What hangs on a resource: who names it so goes with it. */
static const struct {
	uint8_t type; /* 0: any */
	uint8_t naming;
	size_t attr; /* offset in struct attrs */
} hangers[] = {
	{ 0, TYPE_ASSIGNMENT, offsetof(struct attrs, assignment_principal_value) },
	{ 0, TYPE_ASSIGNMENT, offsetof(struct attrs, assignment_scope_value) },
	{ TYPE_USER, TYPE_TOKEN, offsetof(struct attrs, token_owner_value) },
	{ TYPE_USER, TYPE_QUOTA, offsetof(struct attrs, quota_member_value) },
	{ TYPE_CONNECTION, TYPE_TOKEN, offsetof(struct attrs, token_owner_value) },
	{ TYPE_PERSON, TYPE_TOKEN, offsetof(struct attrs, token_owner_value) },
	{ TYPE_WORKSPACE, TYPE_WORKSPACE, offsetof(struct attrs, workspace_parent_value) },
	{ TYPE_WORKSPACE, TYPE_PROJECT, offsetof(struct attrs, project_parent_value) },
};

/* A token's record goes with what it opens. */
static void
erase_token(struct deed *x, const struct record *r)
{
	struct txn *t = orgtx_txn(x->o);
	uint64_t no = (uint64_t)record_i64(x->d->schema, r, x->d->at.token_number, 0);
	struct token token;

	if (no > 0 && no <= UINT32_MAX &&
		token_next(t, orgtx_org(x->o), (uint32_t)no - 1, &token) && token.no == no)
		token_delete(t, &token);
}

/* A group whose member goes is another group than before: it gets the change's revision. */
static void
touch_groups_of(struct deed *x, uint64_t member, uint64_t revision)
{
	enum { STEP = 64 };
	uint64_t groups[STEP], after = 0;
	struct buf b = BUF_INIT;
	size_t n;

	while ((n = edge_list(x->o, EDGE_GROUPS, member, after, groups, STEP)) > 0) {
		for (size_t i = 0; i < n; i++) {
			struct record r;

			if (!record_get(x->o, groups[i], &r))
				continue;
			r.revision = revision;
			r.modified = x->w->actor.now > r.modified ? x->w->actor.now : r.modified;
			buf_clear(&b);
			record_pack_as_is(&b, &r);
			record_replace(x->o, groups[i], buf_as_slice(&b));
		}
		after = groups[n - 1];
	}
	buf_release(&b);
}

void
deed_erase(struct deed *x, uint64_t row, uint64_t revision)
{
	uint8_t type = row_type(row);
	struct record r;
	struct slice id;

	if (!record_get(x->o, row, &r))
		return;
	id = id_text(x->arena, &r.id);
	if (type == TYPE_TOKEN)
		erase_token(x, &r);
	if (type == TYPE_QUOTA)
		quota_gone(x, &r, revision);
	for (size_t i = 0; i < sizeof(hangers) / sizeof(hangers[0]); i++)
		if (hangers[i].type == type || (hangers[i].type == 0 && type <= TYPE_PROJECT))
			erase_naming(x,
				*(const struct attr *const *)((const char *)&x->d->at +
							      hangers[i].attr),
				hangers[i].naming, id, revision);
	if (type == TYPE_USER || type == TYPE_TOKEN || type == TYPE_CONNECTION)
		certificates_end_of(x, id, revision);
	if (type == TYPE_USER || type == TYPE_GROUP)
		touch_groups_of(x, row, revision);
	(void)record_delete(x->o, row);
}

void
deed_end_assignments(struct deed *x, uint64_t principal, uint64_t revision)
{
	erase_naming(x, x->d->at.assignment_principal_value, TYPE_ASSIGNMENT,
		row_id_text(x->arena, x->o, principal), revision);
}

void
deed_end_access(struct deed *x, uint64_t member, uint64_t revision)
{
	struct slice id = row_id_text(x->arena, x->o, member);

	erase_naming(x, x->d->at.token_owner_value, TYPE_TOKEN, id, revision);
	certificates_end_of(x, id, revision);
}

void
deed_add_origin(struct deed *x, struct node *root, const char *origin, struct slice origin_id)
{
	const struct attrs *at = &x->d->at;
	const struct node *list = node_child(root, at->assignment_origins);
	struct node *e;

	for (e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
		if (slice_eq(tree_text(e, at->origin_type), slice_of(origin)) &&
			slice_eq(tree_text(e, at->origin_value), origin_id))
			return;
	e = tree_add(x->arena, root, at->assignment_origins);
	tree_set_text(x->arena, e, at->origin_type, slice_of(origin));
	tree_set_text(x->arena, e, at->origin_value, origin_id);
	tree_set_i64(x->arena, e, at->origin_created, x->w->actor.now);
}

uint64_t
deed_assign(struct deed *x, uint64_t principal, struct slice role, uint64_t scope,
	const char *origin, struct slice origin_id, uint64_t revision)
{
	const struct attrs *at = &x->d->at;
	struct arena *a = x->arena;
	struct assignment *list;
	size_t n = assignments_of(x->d, x->o, a, principal, &list);
	struct record r;
	struct node *root;

	for (size_t i = 0; i < n; i++)
		if (list[i].scope == scope && slice_eq(list[i].role, role) &&
			record_get(x->o, list[i].row, &r)) {
			uint64_t row = list[i].row;

			root = deed_tree(x, &r);
			deed_add_origin(x, root, origin, origin_id);
			deed_replace(x, row, root, revision);
			return row;
		}
	root = node_new(a, schema_type(x->d->schema, TYPE_ASSIGNMENT)->root, NODE_OBJECT);
	assignment_fill(x->d, x->o, a, root, principal, scope);
	tree_set_text(a, root, at->assignment_role, arena_dup(a, role));
	deed_add_origin(x, root, origin, origin_id);
	return deed_create(x, TYPE_ASSIGNMENT, root, revision);
}

void
assignment_fill(const struct directory *d, struct orgtx *o, struct arena *a, struct node *root,
	uint64_t principal, uint64_t scope)
{
	const struct attrs *at = &d->at;

	tree_set_text(a, root, at->assignment_principal_value, row_id_text(a, o, principal));
	tree_set_text(a, root, at->assignment_principal_type,
		schema_type(d->schema, row_type(principal))->name);
	if (scope == 0)
		return;
	tree_set_text(a, root, at->assignment_scope_value, row_id_text(a, o, scope));
	tree_set_text(
		a, root, at->assignment_scope_type, schema_type(d->schema, row_type(scope))->name);
}

/* ---- Limits ---- */

enum rc
limit_require(const struct subject *by, enum limit limit, uint64_t count, struct err *err)
{
	uint64_t most = by->org.limits[limit] != UINT64_MAX ? by->org.limits[limit]
							    : by->kind->limits[limit];

	if (count <= most)
		return RC_OK;
	return fail(err, RC_CONFLICT, limit_name(limit),
		"the org's limit \"%s\" is %llu: this would make it %llu", limit_name(limit),
		(unsigned long long)most, (unsigned long long)count);
}

/* ---- What is read with the clock ---- */

void
record_live(const struct directory *d, struct orgtx *o, struct arena *a, int64_t now, uint64_t row,
	struct record *r)
{
	const struct rules *rules = rules_of(r->type->code);

	if (rules != NULL && rules->live != NULL)
		rules->live(d, o, a, now, row, r);
}

void
record_overlay(const struct directory *d, struct arena *a, struct record *r, const struct node *root)
{
	struct buf b = BUF_INIT;
	struct slice whole;

	record_pack(&b, d->schema, r, root, 0, r);
	whole = arena_dup(a, buf_as_slice(&b));
	buf_release(&b);
	(void)!record_parse(d->schema, whole, r);
}

void
record_overlay_text(const struct directory *d, struct arena *a, struct record *r,
	const struct attr *attr, struct slice text)
{
	struct node *root = record_unpack(a, d->schema, r, 0);

	if (root == NULL)
		return;
	tree_set_text(a, root, attr, text);
	record_overlay(d, a, r, root);
}

void
record_overlay_bool(const struct directory *d, struct arena *a, struct record *r,
	const struct attr *attr, bool value)
{
	struct node *root = record_unpack(a, d->schema, r, 0);

	if (root == NULL)
		return;
	tree_set_bool(a, root, attr, value);
	record_overlay(d, a, r, root);
}

void
record_overlay_i64(const struct directory *d, struct arena *a, struct record *r,
	const struct attr *attr, int64_t value)
{
	struct node *root = record_unpack(a, d->schema, r, 0);

	if (root == NULL)
		return;
	tree_set_i64(a, root, attr, value);
	record_overlay(d, a, r, root);
}

void
deed_created_by(const struct deed *x, struct node *root, const struct attr *value, const struct attr *type)
{
	struct orgtx *platform = orgtx_open(orgtx_txn(x->o), ORG_PLATFORM);

	tree_clear(root, value);
	tree_clear(root, type);
	if (x->by == NULL || (x->by->member == 0 && x->by->person == 0))
		return;
	tree_set_text(x->arena, root, value,
		x->by->member != 0 ? row_id_text(x->arena, x->o, x->by->member)
				   : row_id_text(x->arena, platform, x->by->person));
	tree_set_text(x->arena, root, type, x->by->member != 0 ? SLICE("User") : SLICE("Person"));
}

static bool
pending_key(const struct directory *d, struct arena *a, struct slice *key)
{
	const struct attr *status = d->at.invitation_status;
	struct node value = { .attr = status, .kind = NODE_VALUE, .text = SLICE("pending") };

	return index_key_of(a, status, 0, &value, false, key);
}

struct pending
pending_invitations(const struct directory *d, struct orgtx *o, struct arena *a, int64_t now,
	uint64_t but)
{
	enum { STEP = 64 };
	uint64_t rows[STEP], after = 0;
	struct pending found = { 0, 0 };
	struct slice key;
	size_t n;

	if (!pending_key(d, a, &key))
		return found;
	while ((n = index_list(o, d->at.invitation_status->id, TYPE_INVITATION, key, after, rows,
			STEP)) > 0) {
		for (size_t i = 0; i < n; i++) {
			struct record r;

			if (rows[i] == but || !record_get(o, rows[i], &r) ||
				record_i64(d->schema, &r, d->at.invitation_expires, INT64_MAX) <= now)
				continue;
			found.all++;
			found.by_address += slice_eq(
				record_text(d->schema, &r, d->at.invitation_kind), SLICE("email"));
		}
		after = rows[n - 1];
	}
	return found;
}

static enum rc
seats_require(const struct subject *by, int64_t now, uint64_t but, uint64_t members, struct err *err)
{
	const struct directory *d = by->d;
	struct slice key;
	struct err ignored;

	/* Most orgs are far from their limit: then nothing is looked at but counters. */
	if (pending_key(d, by->arena, &key) &&
		limit_require(by, LIMIT_MEMBERS,
			members + index_count(by->o, d->at.invitation_status->id, TYPE_INVITATION, key),
			&ignored) == RC_OK)
		return RC_OK;
	return limit_require(by, LIMIT_MEMBERS,
		members + pending_invitations(d, by->o, by->arena, now, but).by_address, err);
}

enum rc
seat_require(const struct subject *by, int64_t now, uint64_t but, struct err *err)
{
	return seats_require(by, now, but, rows_count(by->o, TYPE_USER) + 1, err);
}

enum rc
members_fit(const struct subject *by, int64_t now, uint64_t but, uint64_t members, struct err *err)
{
	if (by->org.kind == ORG_PERSONAL && members > 1)
		return fail(err, RC_CONFLICT, "members", "a personal org has one member, always");
	return seats_require(by, now, but, members, err);
}
