#include "daemon/directory/subject.h"

#include "daemon/directory/form.h"
#include "daemon/directory/operation.h"
#include "daemon/directory/organization.h"
#include "daemon/directory/platform.h"
#include "daemon/directory/rules.h"

#include "base/banned.h"

/* ---- Scopes ---- */

enum scope_kind
scope_kind_of(uint64_t row)
{
	switch (row == 0 ? 0 : row_type(row)) {
	case TYPE_GROUP:
		return SCOPE_TEAM;
	case TYPE_WORKSPACE:
		return SCOPE_WORKSPACE;
	case TYPE_PROJECT:
		return SCOPE_PROJECT;
	default:
		return SCOPE_ORG;
	}
}

uint64_t
scope_parent(const struct directory *d, struct orgtx *o, uint64_t row)
{
	struct record r;

	if (row == 0 || !record_get(o, row, &r))
		return 0;
	if (row_type(row) == TYPE_WORKSPACE)
		return record_row(o, d->schema, &r, d->at.workspace_parent_value);
	if (row_type(row) == TYPE_PROJECT)
		return record_row(o, d->schema, &r, d->at.project_parent_value);
	return 0;
}

bool
scope_within(const struct directory *d, struct orgtx *o, uint64_t inner, uint64_t outer)
{
	if (outer == 0)
		return true;
	while (inner != 0 && inner != outer)
		inner = scope_parent(d, o, inner);
	return inner == outer;
}

/* ---- Roles ---- */

uint64_t
role_row(const struct directory *d, struct orgtx *o, struct arena *a, struct slice path)
{
	struct node value = { .attr = d->at.role_name, .kind = NODE_VALUE, .text = path };
	struct slice key;
	uint64_t row;

	return index_key_of(a, d->at.role_name, 0, &value, false, &key) &&
			index_list(o, d->at.role_name->id, TYPE_ROLE, key, 0, &row, 1) == 1 ? row : 0;
}

static bool
role_record(const struct directory *d, struct orgtx *o, struct arena *a, struct slice path,
	struct record *out)
{
	uint64_t row = role_row(d, o, a, path);

	return row != 0 && record_get(o, row, out);
}

/* Of a role that was valid when it was written; names that the model no longer has are left out. */
static struct permset *
permset_of_names(
	struct arena *a, const struct model *m, enum scope_kind at, const struct slice *names, size_t n)
{
	struct permset *set = ARENA_NEW(a, struct permset), one;
	struct err ignored;

	for (size_t i = 0; i < n; i++) {
		one = (struct permset){ { 0 }, { 0 } };
		if (permset_read(m, at, &names[i], 1, &one, &ignored) == RC_OK)
			permset_join(set, &one);
	}
	return set;
}

enum rc
role_find(const struct directory *d, struct orgtx *o, struct arena *a, const struct model *m,
	struct slice path, struct role_found *out, struct err *err)
{
	struct slice *names, rest = path, scope;
	struct record r;
	size_t n;

	*out = (struct role_found){ .role = model_role_by_path(m, path) };
	if (out->role != NULL) {
		out->scope = out->role->scope;
		return RC_OK;
	}
	if (!slice_split(&rest, '/', &scope) || !scope_kind_read(scope, &out->scope) ||
		!role_record(d, o, a, path, &r))
		return fail(err, RC_INVALID_VALUE, "role", "this org has no role \"%.*s\"",
			SLICE_ARG(slice_clip(path, 80)));
	n = record_texts(a, d->schema, &r, d->at.role_permissions, &names);
	out->custom = permset_of_names(a, m, out->scope, names, n);
	return RC_OK;
}

/* ---- Assignments ---- */

bool
assignment_read(const struct directory *d, struct orgtx *o, uint64_t row, struct assignment *out)
{
	struct slice scope;
	struct record r;

	if (!record_get(o, row, &r))
		return false;
	*out = (struct assignment){ .row = row,
		.principal = record_row(o, d->schema, &r, d->at.assignment_principal_value),
		.role = record_text(d->schema, &r, d->at.assignment_role),
		.start = record_i64(d->schema, &r, d->at.assignment_start, 0),
		.end = record_i64(d->schema, &r, d->at.assignment_end, 0) };
	scope = record_text(d->schema, &r, d->at.assignment_scope_value);
	if (scope.len > 0)
		out->scope = record_row(o, d->schema, &r, d->at.assignment_scope_value);
	/* A scope that is not there must never read as the whole org. */
	return out->principal != 0 && (scope.len == 0 || out->scope != 0);
}

bool
role_is_custom(const struct directory *d, struct orgtx *o, struct slice path)
{
	struct arena *a = arena_new();
	struct record r;
	bool custom = role_record(d, o, a, path, &r) &&
		slice_eq(record_text(d->schema, &r, d->at.role_kind), SLICE("custom"));

	arena_free(a);
	return custom;
}

uint64_t
count_with_text(struct orgtx *o, struct arena *a, const struct attr *attr, uint8_t type, struct slice text)
{
	struct node value = { .attr = attr, .kind = NODE_VALUE, .text = text };
	struct slice key;

	return index_key_of(a, attr, 0, &value, false, &key) ? index_count(o, attr->id, type, key) : 0;
}

uint64_t
role_count_custom(const struct directory *d, struct orgtx *o, struct arena *a)
{
	return count_with_text(o, a, d->at.role_kind, TYPE_ROLE, SLICE("custom"));
}

bool
has_assignments_at(const struct directory *d, struct orgtx *o, struct arena *a, uint64_t scope)
{
	return count_with_text(o, a, d->at.assignment_scope_value, TYPE_ASSIGNMENT,
		       row_id_text(a, o, scope)) > 0;
}

bool
assignment_in_force(const struct assignment *a, int64_t now)
{
	return (a->start == 0 || a->start <= now) && (a->end == 0 || now < a->end);
}

size_t
rows_with_text(struct orgtx *o, struct arena *a, const struct attr *attr, uint8_t type,
	struct slice text, uint64_t **out)
{
	struct node value = { .attr = attr, .kind = NODE_VALUE, .text = text };
	struct slice key;
	size_t n = 0, got;
	uint64_t total;

	*out = NULL;
	if (!index_key_of(a, attr, 0, &value, false, &key))
		return 0;
	total = index_count(o, attr->id, type, key);
	if (total == 0)
		return 0;
	*out = ARENA_ARRAY(a, uint64_t, total);
	while (n < total && (got = index_list(o, attr->id, type, key, n > 0 ? (*out)[n - 1] : 0,
				     *out + n, (size_t)(total - n))) > 0)
		n += got;
	return n;
}

size_t
assignments_of(const struct directory *d, struct orgtx *o, struct arena *a, uint64_t principal,
	struct assignment **out)
{
	struct slice id = row_id_text(a, o, principal);
	uint64_t *rows;
	size_t n = rows_with_text(
		o, a, d->at.assignment_principal_value, TYPE_ASSIGNMENT, id, &rows), kept = 0;

	*out = n > 0 ? ARENA_ARRAY(a, struct assignment, n) : NULL;
	for (size_t i = 0; i < n; i++)
		kept += assignment_read(d, o, rows[i], &(*out)[kept]);
	return kept;
}

/* A role that every member has one of. */
static const struct model_role *
org_role(const struct model *m, struct slice path, uint64_t scope)
{
	const struct model_role *role = scope == 0 ? model_role_by_path(m, path) : NULL;

	return role != NULL && role->scope == SCOPE_ORG && !role->assignment ? role : NULL;
}

const struct model_role *
member_role(const struct directory *d, struct orgtx *o, struct arena *a, const struct model *m,
	uint64_t member, int64_t now, uint64_t *assignment)
{
	struct assignment *list;
	size_t n = assignments_of(d, o, a, member, &list);

	if (assignment != NULL)
		*assignment = 0;
	for (size_t i = 0; i < n; i++) {
		const struct model_role *role = org_role(m, list[i].role, list[i].scope);

		if (role == NULL)
			continue;
		if (assignment != NULL)
			*assignment = list[i].row;
		if (assignment_in_force(&list[i], now))
			return role;
	}
	return m->by_default[SCOPE_ORG];
}

static bool
is_active_member(const struct directory *d, struct orgtx *o, uint64_t row)
{
	struct record r;

	return row_type(row) == TYPE_USER && record_get(o, row, &r) &&
	       record_bool(d->schema, &r, d->at.user_active, true);
}

static uint64_t
count_holders(const struct directory *d, struct orgtx *o, struct arena *a,
	const struct model_role *role, int64_t now, uint64_t but,
	bool (*counts)(const struct directory *d, struct orgtx *o, uint64_t member))
{
	uint64_t *rows, count = 0;
	size_t n = rows_with_text(
		o, a, d->at.assignment_role, TYPE_ASSIGNMENT, role->path, &rows);

	for (size_t i = 0; i < n; i++) {
		struct assignment x;

		count += assignment_read(d, o, rows[i], &x) && x.scope == 0 &&
			 x.principal != but && assignment_in_force(&x, now) &&
			 counts(d, o, x.principal);
	}
	return count;
}

uint64_t
role_holders(const struct directory *d, struct orgtx *o, struct arena *a,
	const struct model_role *role, int64_t now, uint64_t but)
{
	return count_holders(d, o, a, role, now, but, is_active_member);
}

uint64_t
role_left(const struct directory *d, struct orgtx *o, struct arena *a,
	const struct model_role *role, int64_t now, uint64_t without)
{
	return count_holders(d, o, a, role, now, without,
		member_is_somebody(d, o, without) ? member_is_somebody : member_is_active);
}

/* ---- What a member holds ---- */

struct gathering {
	struct subject *s;
	struct arena *a;
	size_t cap;
	int64_t now;
	role_translate *translate; /* NULL: as it is */
	void *arg;
};

static struct slice
translated(const struct gathering *g, struct slice path)
{
	return g->translate != NULL ? g->translate(g->arg, path) : path;
}

static struct grant *
grant_add(struct gathering *g, const struct grant *grant)
{
	struct subject *s = g->s;

	s->grants = arena_grow(g->a, s->grants, s->grant_count, &g->cap, sizeof(*s->grants));
	s->grants[s->grant_count] = *grant;
	return &s->grants[s->grant_count++];
}

/* Those of one principal; true when one of them was the role in the org. */
static void
gather_assignments(struct gathering *g, uint64_t principal, uint64_t via)
{
	struct subject *s = g->s;
	struct assignment *list;
	size_t n = assignments_of(s->d, s->o, g->a, principal, &list);

	for (size_t i = 0; i < n; i++) {
		struct slice path = translated(g, list[i].role);
		struct role_found found;
		struct err ignored;

		s->timed = s->timed || list[i].start > g->now || list[i].end > g->now;
		if (path.len == 0 || !assignment_in_force(&list[i], g->now) ||
			role_find(s->d, s->o, g->a, s->model, path, &found, &ignored) != RC_OK)
			continue;
		grant_add(g, &(struct grant){ found.role, found.custom, list[i].scope, list[i].row,
				     via });
		if (via == 0 && s->role == NULL)
			s->role = org_role(s->model, path, list[i].scope);
	}
}

static bool
holds_in(const struct subject *s, uint64_t scope)
{
	for (size_t i = 0; i < s->grant_count; i++)
		if (s->grants[i].scope == scope && s->grants[i].via == 0)
			return true;
	return false;
}

static void
gather_team(struct gathering *g, uint64_t team)
{
	const struct model_role *in_team = g->s->model->by_default[SCOPE_TEAM];

	if (in_team != NULL && !holds_in(g->s, team))
		grant_add(g, &(struct grant){ in_team, NULL, team, 0, team });
	gather_assignments(g, team, team);
}

static void
gather_teams(struct gathering *g, uint64_t of)
{
	struct membership *teams;
	size_t n = membership_list(g->s->o, g->a, of, &teams);

	g->s->teams = teams;
	g->s->team_count = n;
	for (size_t i = 0; i < n; i++)
		gather_team(g, teams[i].group);
}

/* An assignment goes with some roles of the org, and is nothing to who has another (any more). */
static void
drop_what_does_not_fit(struct subject *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->grant_count; i++) {
		const struct model_role *role = s->grants[i].role;

		if (role == NULL || !role->assignment || role_set_has(&role->fits, s->role))
			s->grants[kept++] = s->grants[i];
	}
	s->grant_count = kept;
}

static void
gather_all(struct gathering *g)
{
	struct subject *s = g->s;

	gather_assignments(g, s->member, 0);
	if (s->role == NULL) {
		s->role = s->model->by_default[SCOPE_ORG];
		grant_add(g, &(struct grant){ .role = s->role });
	}
	gather_teams(g, s->member);
	drop_what_does_not_fit(s);
}

static void
hold_set(struct subject *s, const struct permset *set)
{
	struct gathering g = { .s = s, .a = s->arena };

	grant_add(&g, &(struct grant){ .custom = set });
}

/* The permissions that a Token record names; NULL when it names none. */
static const struct permset *
token_permset(const struct subject *s, struct orgtx *o, uint64_t row)
{
	struct slice *names;
	struct record r;
	size_t n;

	if (row == 0 || !record_get(o, row, &r))
		return NULL;
	n = record_texts(s->arena, s->d->schema, &r, s->d->at.token_permissions, &names);
	return n > 0 ? permset_of_names(s->arena, s->model, SCOPE_ORG, names, n) : NULL;
}

enum rc
model_of_org(const struct directory *d, const struct org *org, const struct model **out, struct err *err)
{
	*out = org->model[0] != '\0' ? model_by_name(d->models, slice_of(org->model)) : d->models->models[0];
	return *out != NULL ? RC_OK
			    : fail(err, RC_FORBIDDEN, "", "the org's role model \"%s\" is not installed", org->model);
}

static enum rc
subject_begin(const struct directory *d, struct orgtx *o, struct arena *a, struct subject *s,
	struct err *err)
{
	enum rc rc;

	*s = (struct subject){ .d = d, .o = o, .arena = a };
	if (!org_by_no(orgtx_txn(o), orgtx_org(o), &s->org))
		return fail(err, RC_NOT_FOUND, "", "there is no such org");
	if ((rc = model_of_org(d, &s->org, &s->model, err)) != RC_OK)
		return rc;
	s->kind = &s->model->kinds[s->org.kind];
	return RC_OK;
}

static void
subject_end(struct subject *s)
{
	s->scratch = ARENA_ARRAY(s->arena, struct model_grant, s->grant_count + 1);
	for (size_t i = 0; i < s->grant_count; i++)
		s->scratch[i] = (struct model_grant){ .role = s->grants[i].role,
			.custom = s->grants[i].custom,
			.origin = &s->grants[i] };
}

static void
be_member(struct subject *s, uint64_t member, int64_t now)
{
	struct record r;

	s->member = member;
	if (record_get(s->o, member, &r))
		s->member_id = r.id;
	gather_all(&(struct gathering){ .s = s, .a = s->arena, .now = now });
}

enum rc
subject_load(const struct directory *d, struct orgtx *o, struct arena *a,
	const struct caller *caller, int64_t now, struct subject *out, struct err *err)
{
	struct orgtx *home;
	enum rc rc;

	if (orgtx_org(o) == ORG_PLATFORM) {
		*out = (struct subject){ .d = d, .o = o, .arena = a, .caller = caller->kind,
			.person = caller->person, .token_row = caller->token_row,
			.all = caller->kind == CALLER_OPERATOR };
		return RC_OK;
	}
	if ((rc = subject_begin(d, o, a, out, err)) != RC_OK)
		return rc;
	out->caller = caller->kind;
	out->person = caller->person;
	out->token_row = caller->token_row;
	home = orgtx_open(orgtx_txn(o), caller->token_org);
	switch (caller->kind) {
	case CALLER_OPERATOR:
		out->all = true;
		break;
	case CALLER_CONNECTION:
		hold_set(out, &d->connection_rights);
		break;
	case CALLER_SERVICE:
		out->within = token_permset(out, home, caller->token_row);
		if (out->within != NULL)
			hold_set(out, out->within);
		break;
	case CALLER_PERSON:
	case CALLER_KEY:
		be_member(out, caller->member, now);
		out->within = token_permset(out, home, caller->token_row);
		break;
	}
	subject_end(out);
	return RC_OK;
}

enum rc
subject_of_member(const struct directory *d, struct orgtx *o, struct arena *a, uint64_t member,
	int64_t now, struct subject *out, struct err *err)
{
	enum rc rc = subject_begin(d, o, a, out, err);

	if (rc != RC_OK)
		return rc;
	out->caller = CALLER_PERSON;
	be_member(out, member, now);
	subject_end(out);
	return RC_OK;
}

void
subject_as_if(const struct directory *d, struct orgtx *o, struct arena *a, uint64_t member,
	int64_t now, const struct model *m, role_translate *translate, void *arg,
	struct subject *out)
{
	struct gathering g = { .s = out, .a = a, .now = now, .translate = translate, .arg = arg };

	*out = (struct subject){ .d = d, .o = o, .arena = a, .model = m, .member = member,
		.caller = CALLER_PERSON };
	(void)org_by_no(orgtx_txn(o), orgtx_org(o), &out->org);
	out->kind = &m->kinds[out->org.kind];
	gather_all(&g);
	subject_end(out);
}

enum rc
subject_of_team(const struct directory *d, struct orgtx *o, struct arena *a, uint64_t team,
	int64_t now, struct subject *out, struct err *err)
{
	struct gathering g = { .s = out, .a = a, .now = now };
	enum rc rc = subject_begin(d, o, a, out, err);

	if (rc != RC_OK)
		return rc;
	out->caller = CALLER_PERSON;
	gather_team(&g, team);
	gather_teams(&g, team);
	subject_end(out);
	return RC_OK;
}

/* ---- Questions ---- */

/* The grants with what covers a scope. */
struct model_subject
subject_seen_from(const struct subject *s, uint64_t scope)
{
	for (size_t i = 0; i < s->grant_count; i++)
		s->scratch[i].covers = scope_within(s->d, s->o, scope, s->grants[i].scope);
	return (struct model_subject){ .model = s->model,
		.kind = s->kind,
		.grants = s->scratch,
		.grant_count = s->grant_count,
		.within = s->within };
}

bool
subject_may(const struct subject *s, uint16_t perm, uint64_t scope, bool own,
	struct model_answer *why)
{
	struct model_query q = { perm, scope_kind_of(scope), own };
	struct model_subject ms;

	if (s->all || perm == PERM_ANYONE) {
		if (why != NULL)
			*why = (struct model_answer){ .reason = REASON_GRANTED };
		return true;
	}
	if (perm == PERM_OPERATOR || perm == PERM_NOWHERE) {
		if (why != NULL)
			*why = (struct model_answer){ .reason = REASON_MISSING };
		return false;
	}
	ms = subject_seen_from(s, scope);
	return model_allows(&ms, &q, why);
}

enum rc
subject_require(
	const struct subject *s, uint16_t perm, uint64_t scope, bool own, struct err *err)
{
	struct model_query q = { perm, scope_kind_of(scope), own };
	struct model_answer why;
	struct model_subject ms;
	struct buf b = BUF_INIT;

	if (subject_may(s, perm, scope, own, &why))
		return RC_OK;
	if (perm == PERM_OPERATOR || perm == PERM_NOWHERE)
		return fail(err, RC_FORBIDDEN, "",
			"the permission \"operator\" is missing: only an operator of the platform can do this");
	ms = subject_seen_from(s, scope);
	model_answer_print(&ms, &q, &why, &b);
	(void)fail(err, RC_FORBIDDEN, "", "%.*s", (int)b.len, b.p);
	buf_release(&b);
	return RC_FORBIDDEN;
}

/* Roles are given and taken with the same permission. */
static enum rc
role_to_move(const struct subject *s, struct slice path, uint64_t scope, struct role_found *found,
	struct err *err)
{
	enum rc rc = role_find(s->d, s->o, s->arena, s->model, path, found, err);
	uint16_t perm;

	if (rc != RC_OK || s->all)
		return rc;
	perm = found->role != NULL ? (uint16_t)role_permission(found->role)
				   : (uint16_t)custom_role_permission(found->scope);
	return subject_require(s, perm, scope, false, err);
}

enum rc
subject_may_give(const struct subject *s, struct slice path, uint64_t scope, struct err *err)
{
	struct model_subject ms;
	struct role_found found;
	enum rc rc = role_to_move(s, path, scope, &found, err);

	if (rc != RC_OK || s->all)
		return rc;
	ms = subject_seen_from(s, scope);
	return found.role != NULL ? model_may_give(&ms, found.role, err)
				  : model_may_give_set(&ms, found.scope, found.custom, err);
}

enum rc
subject_may_take(const struct subject *s, struct slice path, uint64_t scope, struct err *err)
{
	struct model_subject ms;
	struct role_found found;
	enum rc rc = role_to_move(s, path, scope, &found, err);

	if (rc != RC_OK || s->all || found.role == NULL)
		return rc;
	ms = subject_seen_from(s, scope);
	return model_may_take(&ms, found.role, err);
}

bool
subject_has_role_in(const struct subject *s, uint64_t scope)
{
	for (size_t i = 0; i < s->grant_count; i++)
		if (s->grants[i].scope != 0 &&
			scope_within(s->d, s->o, scope, s->grants[i].scope))
			return true;
	return false;
}

/* ---- Sight ---- */

/* The kind of scope at which seeing a resource is asked for. */
static enum scope_kind
kind_of_look(const struct operation *op)
{
	enum scope_kind kind;

	if (op->part[0] != '\0' && scope_kind_read(slice_of(op->part), &kind))
		return kind;
	return scope_kind_of((uint64_t)op->type << 56 | 1);
}

enum sight
subject_sight(const struct subject *s, const struct resource_type *type)
{
	const struct rules *rules = rules_of(type->code);
	bool all = true, any = false;
	struct model_subject ms;

	if (s->all)
		return SEES_ALL;
	if (orgtx_org(s->o) == ORG_PLATFORM)
		return platform_sight(s, type);
	ms = subject_seen_from(s, 0);
	for (size_t i = 0; i < operation_count; i++) {
		const struct operation *op = &operations[i];
		struct model_query q = { op->perm, kind_of_look(op), false };

		if (op->type != type->code || op->verb != VERB_VIEW || op->perm == PERM_NOWHERE)
			continue;
		if (op->perm >= PERM_OPERATOR || model_allows(&ms, &q, NULL)) {
			any = true;
			continue;
		}
		all = false;
		q.own = rules != NULL && rules->own != NULL;
		any = any || q.at != SCOPE_ORG || (q.own && model_allows(&ms, &q, NULL));
	}
	return all ? SEES_ALL : any ? SEES_SOME : SEES_NONE;
}

/* What a look at one resource asks for. */
struct look {
	const struct operation *op;
	uint64_t scope;
	bool own;
};

static struct look
look_at(const struct subject *s, uint64_t row, const struct record *r)
{
	static const struct rules none;
	const struct rules *rules = rules_of(r->type->code);
	struct slice part = SLICE("");
	struct look l = { 0 };

	if (rules == NULL)
		rules = &none;
	if (rules->part != NULL)
		part = rules->part(s->d, s->o, row, NULL);
	if (rules->scope != NULL)
		l.scope = rules->scope(s->d, s->o, row, NULL);
	l.op = operation_find(r->type->code, VERB_VIEW, part);
	l.own = rules->own != NULL && rules->own(s, row, r);
	return l;
}

bool
subject_sees(const struct subject *s, uint64_t row, const struct record *r)
{
	struct look l;

	if (s->all)
		return true;
	if (orgtx_org(s->o) == ORG_PLATFORM)
		return platform_sees(s, row, r);
	l = look_at(s, row, r);
	return l.op != NULL && subject_may(s, l.op->perm, l.scope, l.own, NULL);
}

enum rc
subject_explain(const struct subject *s, uint64_t row, const struct record *r, struct err *err)
{
	struct look l;

	if (orgtx_org(s->o) == ORG_PLATFORM)
		return fail(err, RC_NOT_FOUND, "", "there is no such %.*s", SLICE_ARG(r->type->name));
	l = look_at(s, row, r);
	return l.op == NULL ? fail(err, RC_FORBIDDEN, "", "nobody can see this")
			    : subject_require(s, l.op->perm, l.scope, l.own, err);
}

enum rc
subject_require_sight(const struct subject *s, uint64_t row, const struct record *r, struct err *err)
{
	return subject_sees(s, row, r) ? RC_OK : subject_explain(s, row, r, err);
}

enum rc
subject_explain_type(const struct subject *s, const struct resource_type *type, struct err *err)
{
	if (orgtx_org(s->o) == ORG_PLATFORM)
		return platform_require_sight(s, type, err);
	for (size_t i = 0; i < operation_count; i++)
		if (operations[i].type == type->code && operations[i].verb == VERB_VIEW)
			return subject_require(s, operations[i].perm, 0, false, err);
	return subject_require(s, PERM_OPERATOR, 0, false, err);
}
