#include "daemon/directory/form.h"
#include "daemon/directory/migrate_private.h"
#include "daemon/directory/org_roles.h"
#include "daemon/directory/org_tell.h"
#include "daemon/directory/organization.h"

#include "base/banned.h"

enum { STEP = 256 };

/* ---- What becomes of a role ---- */

static const struct role_move *
wish_for(const struct move *m, struct slice path)
{
	for (size_t i = 0; i < m->wish->move_count; i++)
		if (slice_eq(m->wish->moves[i].from, path))
			return &m->wish->moves[i];
	return NULL;
}

struct slice
migration_becomes(void *arg, struct slice path)
{
	const struct move *m = arg;
	const struct model *from = m->plan->from, *to = m->plan->to;
	enum org_kind kind = m->by->org.kind;
	const struct role_move *wish = wish_for(m, path);
	struct slice rest = path, scope;
	enum scope_kind at;

	if (wish != NULL)
		return wish->to;
	if (model_role_by_path(to, path) != NULL)
		return path;
	if (model_role_by_path(from, path) == NULL) /* the org's own */
		return slice_split(&rest, '/', &scope) && scope_kind_read(scope, &at) &&
				       (to->custom_roles & 1U << at) != 0
			       ? path
			       : SLICE("");
	if (slice_eq(path, from->kinds[kind].creator->path))
		return to->kinds[kind].creator->path;
	return SLICE("");
}

static enum rc
check_wishes(struct move *m, struct err *err)
{
	for (size_t i = 0; i < m->wish->move_count; i++) {
		const struct role_move *w = &m->wish->moves[i];
		const struct model_role *to = model_role_by_path(m->plan->to, w->to);
		struct role_found from;
		enum rc rc = role_find(m->d, m->o, m->a, m->plan->from, w->from, &from, err);

		if (rc != RC_OK)
			return rc;
		if (from.role != NULL && from.role == m->plan->from->by_default[SCOPE_ORG])
			return fail(err, RC_INVALID_VALUE, "map",
				"\"%.*s\" is the default role: who holds it gets the new default, \"%.*s\"",
				SLICE_ARG(w->from), SLICE_ARG(m->plan->to->by_default[SCOPE_ORG]->path));
		if (w->to.len == 0)
			continue;
		if (to == NULL)
			return fail(err, RC_INVALID_VALUE, "map", "the model \"%.*s\" has no role \"%.*s\"",
				SLICE_ARG(m->plan->to->name), SLICE_ARG(slice_clip(w->to, 80)));
		if (to->scope != from.scope ||
			(from.role != NULL && from.role->assignment != to->assignment))
			return fail(err, RC_INVALID_VALUE, "map",
				"\"%.*s\" can't become \"%.*s\": they are held in different ways",
				SLICE_ARG(w->from), SLICE_ARG(w->to));
	}
	return RC_OK;
}

static enum rc
begin(struct move *m, struct err *err)
{
	struct migration_plan *plan = m->plan;
	enum rc rc;

	*plan = (struct migration_plan){ .from = m->by->model };
	if ((rc = operation_ask(m->by, TYPE_ORGANIZATION, VERB_ACTION, "migrate", 0, err)) != RC_OK)
		return rc;
	plan->to = model_by_name(m->d->models, m->wish->model);
	if (plan->to == NULL)
		return fail(err, RC_INVALID_VALUE, "model", "there is no role model \"%.*s\"",
			SLICE_ARG(slice_clip(m->wish->model, 80)));
	if (plan->to == plan->from)
		return fail(err, RC_CONFLICT, "model", "the org has this model already");
	if (!plan->to->kinds[m->by->org.kind].allowed)
		return fail(err, RC_INVALID_VALUE, "model", "the model \"%.*s\" has no %s orgs",
			SLICE_ARG(plan->to->name), org_kind_name(m->by->org.kind));
	m->holders = ARENA_ARRAY(m->a, uint64_t, plan->to->role_count + 1);
	m->people = ARENA_ARRAY(m->a, uint64_t, plan->to->role_count + 1);
	return check_wishes(m, err);
}

/* ---- Assignments ---- */

/* The path that an assignment has afterwards; "" when it ends. */
static struct slice
fate(struct move *m, const struct assignment *x, bool tell)
{
	struct slice path = migration_becomes(m, x->role);
	const struct model_role *role = path.len > 0 ? model_role_by_path(m->plan->to, path) : NULL;
	struct err err;

	if (role != NULL && row_type(x->principal) == TYPE_GROUP && role_fits_team(role, &err) != RC_OK) {
		if (tell)
			migration_warn(m, "a team loses \"%.*s\": a team can't hold it in the new model", SLICE_ARG(path));
		return SLICE("");
	}
	if (role != NULL && role->scope == SCOPE_ORG && !role->assignment &&
		role == m->plan->to->by_default[SCOPE_ORG])
		return SLICE(""); /* the default needs no record */
	return path;
}

static bool
is_active(const struct move *m, uint64_t member)
{
	struct record r;

	return row_type(member) == TYPE_USER && record_get(m->o, member, &r) &&
	       record_bool(m->d->schema, &r, m->d->at.user_active, true);
}

static void
count_holder(struct move *m, const struct assignment *x, const struct model_role *role)
{
	const struct model_role *had = model_role_by_path(m->plan->from, x->role);
	bool somebody;

	if (x->scope != 0 || !assignment_in_force(x, m->now) || !is_active(m, x->principal))
		return;
	somebody = member_is_somebody(m->d, m->o, x->principal);
	m->had_people = m->had_people || (somebody && had != NULL && had->holders_min > 0);
	if (role == NULL)
		return;
	m->holders[role->index]++;
	m->people[role->index] += somebody;
}

static void
count_assignment(struct move *m, uint64_t row)
{
	const struct model_role *role;
	struct assignment x;
	struct slice path;

	if (!assignment_read(m->d, m->o, row, &x))
		return;
	m->plan->assignments++;
	path = fate(m, &x, true);
	m->plan->ended += path.len == 0;
	m->plan->changed += path.len > 0 && !slice_eq(path, x.role);
	role = path.len > 0 ? model_role_by_path(m->plan->to, path) : NULL;
	count_holder(m, &x, role);
}

static enum rc
check_holders(struct move *m, struct err *err)
{
	const struct model *to = m->plan->to;
	enum rc rc;

	for (size_t i = 0; i < to->role_count; i++) {
		const struct model_role *role = &to->roles[i];

		if (role->scope == SCOPE_ORG && !role->assignment && !role->by_default &&
			(role->holders_min > 0 || role->holders_max > 0) &&
			((rc = role_count_fits(to, role, m->holders[role->index], err)) != RC_OK ||
				(m->had_people &&
					(rc = role_count_fits(to, role, m->people[role->index], err)) != RC_OK)))
			return rc;
	}
	return RC_OK;
}

static void
count_role(struct move *m, uint64_t row)
{
	struct slice *names;
	struct record r;
	struct slice path;
	size_t n;

	if (!record_get(m->o, row, &r) ||
		!slice_eq(record_text(m->d->schema, &r, m->d->at.role_kind), SLICE("custom")))
		return;
	path = record_text(m->d->schema, &r, m->d->at.role_name);
	if (!slice_eq(migration_becomes(m, path), path)) {
		m->plan->roles_ended++;
		return;
	}
	n = record_texts(m->a, m->d->schema, &r, m->d->at.role_permissions, &names);
	for (size_t i = 0; i < n; i++) {
		struct slice plain = slice_starts(names[i], SLICE("own:")) ? slice_from(names[i], 4) : names[i];

		if (model_permission(m->plan->to, plain) == NULL)
			migration_warn(m, "the role \"%.*s\" loses \"%.*s\", which the new model has not",
				SLICE_ARG(path), SLICE_ARG(names[i]));
	}
}

static enum rc
look(struct move *m, struct err *err)
{
	migration_each_row(m, TYPE_ASSIGNMENT, count_assignment);
	migration_each_row(m, TYPE_ROLE, count_role);
	migration_foresee(m);
	return check_holders(m, err);
}

/* ---- Who gains and loses what ---- */

static struct slice
holdings(const struct move *m, const struct subject *s)
{
	struct buf b = BUF_INIT;
	struct slice out;

	for (size_t i = 0; i < s->grant_count; i++) {
		const struct grant *g = &s->grants[i];
		struct assignment x;

		if (b.len > 0)
			buf_char(&b, ' ');
		if (g->role != NULL)
			buf_slice(&b, g->role->path);
		else if (g->assignment != 0 && assignment_read(m->d, m->o, g->assignment, &x))
			buf_slice(&b, x.role);
		if (g->scope != 0) {
			buf_char(&b, '@');
			buf_slice(&b, row_id_text(m->a, m->o, g->scope));
		}
	}
	out = arena_dup(m->a, buf_as_slice(&b));
	buf_release(&b);
	return out;
}

struct names {
	struct arena *a;
	const char *at;
	struct slice *list;
	size_t count, cap;
};

static void
add_name(void *arg, struct slice name)
{
	struct names *n = arg;

	n->list = arena_grow(n->a, n->list, n->count, &n->cap, sizeof(*n->list));
	n->list[n->count++] = slice_of(arena_printf(n->a, "%s:%.*s", n->at, SLICE_ARG(name)));
}

/* All that one may do: in the org, and where they have a role. */
static struct names
all_rights(const struct move *m, const struct subject *s)
{
	struct names names = { .a = m->a };

	for (unsigned kind = 0; kind < SCOPE_KINDS; kind++) {
		struct model_subject ms = subject_seen_from(s, 0);
		struct permset set = { { 0 }, { 0 } };

		for (size_t i = 0; kind != SCOPE_ORG && i < s->grant_count; i++)
			s->scratch[i].covers = true;
		model_rights(&ms, (enum scope_kind)kind, &set);
		names.at = scope_kind_name((enum scope_kind)kind);
		permset_print(s->model, &set, add_name, &names);
	}
	return names;
}

static struct slice
without(const struct move *m, const struct names *these, const struct names *those)
{
	struct buf b = BUF_INIT;
	struct slice out;

	for (size_t i = 0; i < these->count; i++) {
		bool has = false;

		for (size_t k = 0; k < those->count && !has; k++)
			has = slice_eq(these->list[i], those->list[k]);
		if (has)
			continue;
		if (b.len > 0)
			buf_char(&b, ' ');
		buf_slice(&b, these->list[i]);
	}
	out = arena_dup(m->a, buf_as_slice(&b));
	buf_release(&b);
	return out;
}

static struct migration_class *
class_of(struct move *m, const struct subject *before, const struct subject *after)
{
	struct migration_plan *p = m->plan;
	struct slice had = holdings(m, before), has = holdings(m, after);
	struct slice key = slice_of(arena_printf(m->a, "%.*s|%.*s", SLICE_ARG(had), SLICE_ARG(has)));
	struct names rights_before, rights_after;
	struct migration_class *c;

	for (size_t i = 0; i < p->class_count; i++)
		if (slice_eq(p->classes[i].key, key))
			return &p->classes[i];
	p->classes = arena_grow(m->a, p->classes, p->class_count, &m->class_cap, sizeof(*p->classes));
	c = &p->classes[p->class_count++];
	rights_before = all_rights(m, before);
	rights_after = all_rights(m, after);
	*c = (struct migration_class){ .key = key, .before = had, .after = has };
	c->gains = without(m, &rights_after, &rights_before);
	c->loses = without(m, &rights_before, &rights_after);
	return c;
}

static void
class_member(struct move *m, uint64_t row)
{
	struct arena *scratch = arena_new();
	struct subject before, after;
	struct migration_class *c;
	struct record r;
	struct err err;

	if (subject_of_member(m->d, m->o, scratch, row, m->now, &before, &err) != RC_OK ||
		!record_get(m->o, row, &r)) {
		arena_free(scratch);
		return;
	}
	subject_as_if(m->d, m->o, scratch, row, m->now, m->plan->to, migration_becomes, m, &after);
	c = class_of(m, &before, &after);
	c->members++;
	if (c->name_count < MIGRATION_NAMES) {
		c->names = arena_grow(m->a, c->names, c->name_count, &c->name_cap, sizeof(*c->names));
		c->names[c->name_count++] =
			arena_dup(m->a, record_text(m->d->schema, &r, m->d->at.user_name));
	}
	arena_free(scratch);
}

static struct move
move_of(const struct subject *by, int64_t now, const struct migration *wish, struct migration_plan *plan)
{
	return (struct move){ .d = by->d, .o = by->o, .a = by->arena, .now = now, .wish = wish, .by = by,
		.plan = plan };
}

enum rc
org_migrate_plan(const struct subject *by, int64_t now, const struct migration *wish,
	struct migration_plan *out, struct err *err)
{
	struct move m = move_of(by, now, wish, out);
	enum rc rc = begin(&m, err);

	if (rc != RC_OK || (rc = look(&m, err)) != RC_OK)
		return rc;
	migration_each_row(&m, TYPE_USER, class_member);
	return RC_OK;
}

/* ---- Doing it ---- */

/* Whether a grant is in force whenever the other is. */
static bool
outlasts(const struct assignment *x, const struct assignment *other)
{
	return (x->start == 0 || (other->start != 0 && x->start <= other->start)) &&
		(x->end == 0 || (other->end != 0 && x->end >= other->end));
}

/* What was moved before and is the same grant now; 0: none. Only a map makes two roles one. */
static uint64_t
same_before(struct move *m, const struct assignment *was, struct slice path)
{
	struct assignment *list;
	size_t n = m->wish->move_count > 0 ? assignments_of(m->d, m->o, m->a, was->principal, &list) : 0;

	for (size_t i = 0; i < n; i++)
		if (list[i].row < was->row && list[i].scope == was->scope && slice_eq(list[i].role, path) &&
			outlasts(&list[i], was))
			return list[i].row;
	return 0;
}

/* One grant goes into another, with its origins. */
static void
merge(struct move *m, struct deed *x, uint64_t row, uint64_t into, uint64_t revision)
{
	const struct attrs *at = &m->d->at;
	const struct node *list;
	struct node *from, *root;
	struct record r;

	if (!record_get(m->o, row, &r))
		return;
	from = deed_tree(x, &r);
	if (!record_get(m->o, into, &r))
		return;
	root = deed_tree(x, &r);
	list = node_child(from, at->assignment_origins);
	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
		deed_add_origin(x, root, arena_dup(m->a, tree_text(e, at->origin_type)).p,
			tree_text(e, at->origin_value));
	deed_replace(x, into, root, revision);
	deed_erase(x, row, revision);
}

static void
move_assignment(struct move *m, struct deed *x, uint64_t row, uint64_t revision)
{
	struct assignment was;
	struct slice path;
	struct record r;
	struct node *root;
	uint64_t same;

	if (!assignment_read(m->d, m->o, row, &was))
		return;
	path = arena_dup(m->a, fate(m, &was, false));
	if (path.len == 0) {
		deed_erase(x, row, revision);
	} else if ((same = same_before(m, &was, path)) != 0) {
		merge(m, x, row, same, revision);
	} else if (!slice_eq(path, was.role) && record_get(m->o, row, &r)) {
		root = deed_tree(x, &r);
		tree_set_text(m->a, root, m->d->at.assignment_role, path);
		deed_replace(x, row, root, revision);
	}
}

static void
move_assignments(struct move *m, struct deed *x, uint64_t revision)
{
	uint64_t rows[STEP], after = 0;
	size_t n;

	while ((n = rows_list(m->o, TYPE_ASSIGNMENT, after, 0, rows, STEP)) > 0) {
		for (size_t i = 0; i < n; i++)
			move_assignment(m, x, rows[i], revision);
		after = rows[n - 1];
	}
}

/* Those of the org's own that go on keep the permissions that the new model knows. */
static void
move_custom_roles(struct move *m, struct deed *x, uint64_t revision)
{
	const struct attr *list = m->d->at.role_permissions;
	uint64_t rows[STEP], after = 0;
	size_t n;

	while ((n = rows_list(m->o, TYPE_ROLE, after, 0, rows, STEP)) > 0) {
		for (size_t i = 0; i < n; i++) {
			struct slice path, *names;
			struct record r;
			struct node *root;
			size_t count;

			if (!record_get(m->o, rows[i], &r) ||
				!slice_eq(record_text(m->d->schema, &r, m->d->at.role_kind), SLICE("custom")))
				continue;
			root = deed_tree(x, &r);
			path = tree_text(root, m->d->at.role_name);
			if (!slice_eq(migration_becomes(m, path), path)) {
				deed_erase(x, rows[i], revision);
				continue;
			}
			count = record_texts(m->a, m->d->schema, &r, list, &names);
			tree_clear(root, list);
			for (size_t k = 0; k < count; k++) {
				struct slice plain = slice_starts(names[k], SLICE("own:"))
					? slice_from(names[k], 4) : names[k];

				if (model_permission(m->plan->to, plain) != NULL)
					tree_add_text(m->a, root, list, arena_dup(m->a, names[k]));
			}
			deed_replace(x, rows[i], root, revision);
		}
		after = rows[n - 1];
	}
}

/* The org's row, and its record on the platform. */
static void
set_model(const struct move *m, const struct writer *w)
{
	const struct model *to = m->plan->to;
	struct orgtx *home = orgtx_open(orgtx_txn(m->o), ORG_PLATFORM);
	struct deed x = { .d = m->d, .o = home, .w = w, .arena = m->a, .verb = VERB_ACTION };
	struct org org = m->by->org;
	struct record r;
	struct node *root;
	uint64_t revision;

	memset(org.model, 0, sizeof(org.model));
	memcpy(org.model, to->name.p, to->name.len);
	org.model_version = to->version;
	org_put(orgtx_txn(m->o), &org);
	if (org.row == 0 || !record_get(home, org.row, &r))
		return;
	root = deed_tree(&x, &r);
	tree_set_text(m->a, root, m->d->at.org_model, to->name);
	tree_set_i64(m->a, root, m->d->at.org_model_version, to->version);
	revision = change_begin(home, &w->actor);
	deed_replace(&x, org.row, root, revision);
	change_end(home);
	org_tell(&x, &org, true);
}

enum rc
org_migrate(const struct subject *by, const struct writer *w, const struct migration *wish,
	struct migration_plan *out, struct err *err)
{
	struct move m = move_of(by, w->actor.now, wish, out);
	struct writer writer = *w;
	struct deed x = { .d = by->d, .o = by->o, .w = &writer, .arena = by->arena,
		.verb = VERB_ACTION };
	uint64_t revision;
	enum rc rc = begin(&m, err);

	if (rc != RC_OK || (rc = look(&m, err)) != RC_OK)
		return rc;
	writer.actor.action = "org.migrate";
	revision = change_begin(by->o, &writer.actor);
	move_assignments(&m, &x, revision);
	move_custom_roles(&m, &x, revision);
	org_roles_put(&x, out->to, revision);
	change_end(by->o);
	set_model(&m, &writer);
	return RC_OK;
}
