#include "daemon/directory/directory.h"

#include "daemon/directory/form.h"
#include "daemon/directory/rules.h"

#include "base/banned.h"

void
directory_init(struct directory *d, const struct schema_set *schema, const struct model_set *models,
	const struct guard_options *guard, uint64_t scan_limit)
{
	static const enum perm of_connections[] = { PERM_MEMBER_VIEW, PERM_MEMBER_CREATE,
		PERM_MEMBER_EDIT, PERM_MEMBER_SUSPEND, PERM_MEMBER_REMOVE, PERM_TEAM_VIEW,
		PERM_TEAM_CREATE, PERM_TEAM_EDIT, PERM_TEAM_DELETE, PERM_TEAM_MEMBERS,
		PERM_ORG_SYNC };

	*d = (struct directory){ .schema = schema,
		.models = models,
		.guard = *guard,
		.scan_limit = scan_limit };
	attrs_init(&d->at, schema);
	for (size_t i = 0; i < sizeof(of_connections) / sizeof(of_connections[0]); i++)
		permset_add(&d->connection_rights, (uint16_t)of_connections[i], false);
}

/* ---- What is decided before anything is put ---- */

enum rc
resource_find(struct orgtx *o, const struct resource_type *type, const struct uuid *id, uint64_t *row,
	struct record *out, struct err *err)
{
	char text[UUID_TEXT];

	if (row_by_id(o, id, row) && row_type(*row) == type->code && record_get(o, *row, out))
		return RC_OK;
	uuid_format(id, text);
	return fail(err, RC_NOT_FOUND, "", "there is no %.*s with the id \"%.*s\"",
		SLICE_ARG(type->name), UUID_TEXT, text);
}

static bool
lists(const uint64_t *tags, size_t count, uint64_t revision)
{
	for (size_t i = 0; i < count; i++)
		if (tags[i] == revision)
			return true;
	return false;
}

enum rc
precondition_check(const struct precondition *pre, uint64_t revision, struct err *err)
{
	if (pre == NULL)
		return RC_OK;
	if (pre->if_match && !pre->if_match_any && !lists(pre->match, pre->match_count, revision))
		return fail(err, RC_PRECONDITION_FAILED, "", "the resource is at version %llu",
			(unsigned long long)revision);
	if (pre->if_none_match && (pre->if_none_match_any ||
		lists(pre->none_match, pre->none_match_count, revision)))
		return fail(err, RC_PRECONDITION_FAILED, "", "the resource is at this version");
	return RC_OK;
}

/* RFC 7643 section 4.2 does not ask for unique group names, but IdPs find groups by them. */
static bool
must_be_unique(const struct directory *d, const struct attr *attr, enum dialect dialect)
{
	if (attr == d->at.group_display)
		return dialect == DIALECT_TOLERANT;
	return attr->indexed && attr->uniqueness != UNIQUE_NONE && attr->source == SOURCE_FIELDS;
}

static enum rc
check_unique(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	const struct resource_type *type, const struct node *root, uint64_t self, struct err *err)
{
	for (const struct node *n = root->child; n != NULL; n = n->next) {
		uint64_t rows[2];
		struct slice key;
		size_t found;

		if (n->kind != NODE_VALUE || !must_be_unique(d, n->attr, w->dialect))
			continue;
		if (!index_key_of(a, n->attr, w->actor.connection, n, false, &key))
			return fail(err, RC_INVALID_VALUE, arena_dup(a, n->attr->name).p, "can't hold this value");
		found = index_list(o, n->attr->id, type->code, key, 0, rows, 2);
		for (size_t i = 0; i < found; i++)
			if (rows[i] != self)
				return fail(err, RC_UNIQUENESS, arena_dup(a, n->attr->name).p,
					"\"%.*s\" is taken by another %.*s of this organization",
					SLICE_ARG(slice_clip(n->text, 150)), SLICE_ARG(type->name));
	}
	return RC_OK;
}

enum rc
edit_check_immutable(const struct node *old, const struct node *root, struct err *err)
{
	for (const struct node *had = old->child; had != NULL; had = had->next) {
		const struct node *now;

		if (had->attr->mutability != ATTR_IMMUTABLE || had->attr->source != SOURCE_FIELDS)
			continue;
		now = node_child(root, had->attr);
		if (now == NULL || !node_equal(had, now))
			return fail(err, RC_MUTABILITY, "", "%.*s can't be changed once it is set",
				SLICE_ARG(had->attr->name));
	}
	return RC_OK;
}

static bool
is_active(const struct directory *d, const struct node *root)
{
	const struct node *n = node_child(root, d->at.user_active);

	return n == NULL || n->boolean;
}

/* How many users a change from old to root deactivates: one or none. */
static uint64_t
deactivated(const struct directory *d, const struct resource_type *type, const struct node *old,
	const struct node *root)
{
	return type->code == TYPE_USER && is_active(d, old) && !is_active(d, root) ? 1 : 0;
}

/* How many of the removed memberships count for the guard. */
static uint64_t
counted(const uint64_t *members, size_t n, uint64_t first_free)
{
	uint64_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += row_counter(members[i]) < first_free;
	return count;
}

uint64_t
guard_counted_members(struct orgtx *o, uint64_t group, const struct guard_view *v)
{
	enum { STEP = 256 };
	uint64_t rows[STEP], after = 0, count = 0;
	size_t n;

	while (count < v->enough && (n = edge_list(o, EDGE_MEMBERS, group, after, rows, STEP)) > 0) {
		count += counted(rows, n, v->first_free);
		after = rows[n - 1];
	}
	return count;
}

/* ---- Putting ---- */

static void
put_edges(struct orgtx *o, uint64_t group, const struct member_changes *m)
{
	for (size_t i = 0; i < m->remove_count; i++)
		(void)edge_remove(o, group, m->remove[i]);
	if (m->add_count > 64)
		(void)edge_add_many(o, group, m->add, m->add_count);
	else
		for (size_t i = 0; i < m->add_count; i++)
			(void)edge_add(o, group, m->add[i]);
}

static struct slice
pack(const struct directory *d, struct arena *a, const struct record *header, const struct node *root,
	uint32_t space, const struct record *old)
{
	struct buf b = BUF_INIT;
	struct slice packed;

	record_pack(&b, d->schema, header, root, space, old);
	packed = arena_dup(a, buf_as_slice(&b));
	buf_release(&b);
	return packed;
}

/* ---- The way of a write: gate, rules, then all that is put ---- */

static struct deed
deed_of(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	const struct resource_type *type, enum verb verb)
{
	return (struct deed){ .d = d, .o = o, .w = w, .arena = a, .type = type, .verb = verb };
}

static enum rc
deed_begin(struct deed *x, struct err *err)
{
	struct subject *by;
	enum rc rc;

	if (x->w->caller == NULL)
		return RC_OK;
	by = ARENA_NEW(x->arena, struct subject);
	if ((rc = subject_load(x->d, x->o, x->arena, x->w->caller, x->w->actor.now, by, err)) != RC_OK)
		return rc;
	x->by = by;
	return RC_OK;
}

enum rc
deed_decide(struct deed *x, struct err *err)
{
	const struct rules *rules = rules_of(x->type->code);
	enum rc rc = deed_require(x, err);

	if (rc != RC_OK || rules == NULL || rules->check == NULL)
		return rc;
	return rules->check(x, err);
}

void
deed_apply(struct deed *x, uint64_t revision)
{
	const struct rules *rules = rules_of(x->type->code);

	if (rules != NULL && rules->apply != NULL)
		rules->apply(x, revision);
}

void
deed_after(struct deed *x)
{
	const struct rules *rules = rules_of(x->type->code);

	if (rules != NULL && rules->after != NULL)
		rules->after(x);
}

static void
deed_written(const struct deed *x, const struct record *header, struct slice stored, struct written *out)
{
	out->row = x->row;
	out->packed = stored;
	if (x->shown != NULL)
		out->packed = pack(x->d, x->arena, header, x->shown, x->w->actor.connection, x->old);
}

enum rc
resource_create(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	const struct resource_type *type, const struct uuid *id, const struct resource_in *in,
	struct written *out, struct err *err)
{
	struct record header = { .type = type, .id = *id, .created = w->actor.now,
		.modified = w->actor.now };
	struct member_edit edit = { .kind = MEMBER_ADD, .members = in->members };
	struct member_changes members = { .add = NULL };
	struct deed x = deed_of(d, o, w, a, type, VERB_CREATE);
	struct slice stored;
	enum rc rc;

	x.id = *id;
	x.root = node_copy(a, in->root); /* the batch may run again with the same input */
	if ((rc = deed_begin(&x, err)) != RC_OK)
		return rc;
	if (in->members.count > 0 &&
		(rc = member_changes_of(d, o, a, 0, d->at.group_members, &edit, &members, err)) != RC_OK)
		return rc;
	x.members = &members;
	if ((rc = deed_decide(&x, err)) != RC_OK ||
		(rc = check_unique(d, o, w, a, type, x.root, x.row, err)) != RC_OK)
		return rc;
	if (x.replaced) {
		header.id = x.old->id;
		header.created = x.old->created;
	}
	header.revision = change_begin(o, &w->actor);
	stored = pack(d, a, &header, x.root, w->actor.connection, NULL);
	if (x.replaced)
		record_replace(o, x.row, stored);
	else
		x.row = record_create(o, type->code, stored);
	put_edges(o, x.row, &members);
	deed_apply(&x, header.revision);
	change_end(o);
	deed_after(&x);
	deed_written(&x, &header, stored, out);
	return RC_OK;
}

/* What a PUT and a PATCH have in common: an existing resource and the tree that shall take its place. */
struct update {
	const struct resource_type *type;
	uint64_t row;
	struct record old;
	struct node *old_root, *root;
	struct member_changes members;
	struct deed deed;
};

static enum rc
update_begin(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	const struct uuid *id, const struct precondition *pre, struct update *u, struct err *err)
{
	struct slice fields;
	enum rc rc;

	u->deed = deed_of(d, o, w, a, u->type, VERB_EDIT);
	if ((rc = deed_begin(&u->deed, err)) != RC_OK ||
		(rc = resource_find(o, u->type, id, &u->row, &u->old, err)) != RC_OK ||
		(rc = precondition_check(pre, u->old.revision, err)) != RC_OK)
		return rc;
	fields = arena_dup(a, u->old.fields); /* the store's bytes move with the first put */
	u->old.fields = fields;
	u->old_root = record_unpack(a, d->schema, &u->old, w->actor.connection);
	if (u->old_root == NULL)
		return fail(err, RC_INTERNAL, "", "the stored resource is damaged");
	return RC_OK;
}

static enum rc
update_finish(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	struct update *u, struct written *out, struct err *err)
{
	struct record header = u->old, made;
	uint64_t users = 0, memberships = 0;
	struct guard_view guard;
	bool same;
	enum rc rc;

	*out = (struct written){ .row = u->row };
	header.revision = orgtx_stat(o)->revision + 1;
	header.modified = w->actor.now > u->old.modified ? w->actor.now : u->old.modified;
	u->deed.id = u->old.id;
	u->deed.row = u->row;
	u->deed.old = &u->old;
	u->deed.old_root = u->old_root;
	u->deed.root = u->root;
	u->deed.members = &u->members;
	if ((rc = deed_decide(&u->deed, err)) != RC_OK)
		return rc;
	out->packed = pack(d, a, &header, u->root, w->actor.connection, &u->old);
	if (!record_parse(d->schema, out->packed, &made))
		return fail(err, RC_INTERNAL, "", "the resource could not be packed");
	same = slice_eq(made.fields, u->old.fields);
	if (same && u->members.add_count == 0 && u->members.remove_count == 0) {
		out->packed = pack(d, a, &u->old, u->old_root, w->actor.connection, &u->old);
		return RC_OK;
	}
	guard_look(&d->guard, o, &w->actor, &guard);
	if (row_counter(u->row) < guard.first_free) {
		users = deactivated(d, u->type, u->old_root, u->root);
		memberships = counted(u->members.remove, u->members.remove_count, guard.first_free);
	}
	if ((rc = check_unique(d, o, w, a, u->type, u->root, u->row, err)) != RC_OK ||
		(rc = member_check_cycle(o, a, u->row, &u->members, err)) != RC_OK ||
		(rc = guard_admit(&d->guard, o, &w->actor, users, memberships, err)) != RC_OK)
		return rc;
	(void)change_begin(o, &w->actor);
	record_replace(o, u->row, out->packed);
	put_edges(o, u->row, &u->members);
	deed_apply(&u->deed, header.revision);
	change_end(o);
	deed_after(&u->deed);
	deed_written(&u->deed, &header, out->packed, out);
	return RC_OK;
}

/* The password is never returned, so a client that sends back what it read does not have it. */
void
edit_carry_over(struct arena *a, const struct node *old, struct node *root)
{
	node_carry_read_only(a, old, root);
	for (const struct node *had = old->child; had != NULL; had = had->next)
		if (had->attr->prepare == PREPARE_PASSWORD && node_child(root, had->attr) == NULL)
			node_insert(root, node_copy(a, had));
}

enum rc
resource_replace(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	const struct resource_type *type, const struct uuid *id, const struct precondition *pre,
	const struct resource_in *in, struct written *out, struct err *err)
{
	struct member_edit edit = { .kind = MEMBER_REPLACE_ALL, .members = in->members };
	struct update u = { .type = type };
	enum rc rc;

	if ((rc = update_begin(d, o, w, a, id, pre, &u, err)) != RC_OK)
		return rc;
	u.root = node_copy(a, in->root); /* the batch may run again with the same input */
	edit_carry_over(a, u.old_root, u.root);
	if ((rc = edit_check_immutable(u.old_root, u.root, err)) != RC_OK)
		return rc;
	if (type->code == TYPE_GROUP &&
		(rc = member_changes_of(d, o, a, u.row, d->at.group_members, &edit, &u.members, err)) != RC_OK)
		return rc;
	return update_finish(d, o, w, a, &u, out, err);
}

enum rc
resource_patch(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	const struct resource_type *type, const struct uuid *id, const struct precondition *pre,
	const struct patch *patch, struct written *out, struct err *err)
{
	const struct member_edit *edits = patch_member_edits(patch);
	struct update u = { .type = type };
	enum rc rc;

	if ((rc = update_begin(d, o, w, a, id, pre, &u, err)) != RC_OK)
		return rc;
	u.root = node_copy(a, u.old_root);
	if ((rc = patch_apply(a, patch, u.root, err)) != RC_OK)
		return rc;
	node_carry_read_only(a, u.old_root, u.root);
	if (edits != NULL && (rc = member_changes_of(d, o, a, u.row, d->at.group_members, edits, &u.members,
				     err)) != RC_OK)
		return rc;
	return update_finish(d, o, w, a, &u, out, err);
}

/* ---- Deleting ---- */

/* What the guard counts of a removal. A user who was deactivated before has been counted then. */
static void
weigh_removal(struct deed *x, uint64_t *users, uint64_t *memberships)
{
	struct guard_view guard;

	guard_look(&x->d->guard, x->o, &x->w->actor, &guard);
	if (row_counter(x->row) >= guard.first_free)
		return;
	if (x->type->code == TYPE_USER)
		*users = record_bool(x->d->schema, x->old, x->d->at.user_active, true);
	if (x->type->code == TYPE_GROUP)
		*memberships = guard_counted_members(x->o, x->row, &guard);
}

enum rc
resource_delete(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	const struct resource_type *type, const struct uuid *id, const struct precondition *pre,
	struct err *err)
{
	struct deed x = deed_of(d, o, w, a, type, VERB_DELETE);
	uint64_t users = 0, memberships = 0, revision;
	struct record old;
	enum rc rc;

	if ((rc = deed_begin(&x, err)) != RC_OK ||
		(rc = resource_find(o, type, id, &x.row, &old, err)) != RC_OK ||
		(rc = precondition_check(pre, old.revision, err)) != RC_OK)
		return rc;
	old.fields = arena_dup(a, old.fields); /* the store's bytes move with the first put */
	x.id = old.id;
	x.old = &old;
	x.confirmed = pre != NULL && pre->confirmed;
	x.confirm = x.confirmed ? pre->confirm : 0;
	if ((rc = deed_decide(&x, err)) != RC_OK || x.done)
		return rc;
	weigh_removal(&x, &users, &memberships);
	if ((rc = guard_admit(&d->guard, o, &w->actor, users, memberships, err)) != RC_OK)
		return rc;
	revision = change_begin(o, &w->actor);
	deed_apply(&x, revision);
	deed_erase(&x, x.row, revision);
	change_end(o);
	deed_after(&x);
	return RC_OK;
}
