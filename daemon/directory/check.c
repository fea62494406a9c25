#include "daemon/directory/check.h"

#include "daemon/directory/form.h"
#include "daemon/directory/organization.h"
#include "daemon/directory/rules.h"

#include "base/banned.h"

/* How many that have the same name are looked at: behind that the name means several. */
enum { SAME_NAME_MAX = 256, CONNECTIONS_MAX = 256 };

void
check_init(struct check *c, const struct directory *d, struct orgtx *o, struct arena *a, int64_t now)
{
	*c = (struct check){ .d = d, .o = o, .arena = a, .now = now };
}

/* ---- Who ---- */

static size_t
with_text(struct check *c, struct orgtx *o, const struct attr *attr, uint32_t space, uint8_t type,
	struct slice text, uint64_t *rows, size_t max)
{
	struct node value = { .attr = attr, .kind = NODE_VALUE, .text = text };
	struct slice key;

	return index_key_of(c->arena, attr, space, &value, false, &key)
		       ? index_list(o, attr->id, type, key, 0, rows, max)
		       : 0;
}

/* The one that has the text; 0 and *several when there are more. */
static uint64_t
only_one(struct check *c, struct orgtx *o, const struct attr *attr, uint8_t type, struct slice text,
	bool *several)
{
	uint64_t rows[2];
	size_t n = with_text(c, o, attr, 0, type, text, rows, 2);

	*several = *several || n > 1;
	return n == 1 ? rows[0] : 0;
}

static uint64_t
of_type(struct orgtx *o, struct slice id, uint8_t type)
{
	struct uuid uuid;
	uint64_t row;

	return uuid_parse(id, &uuid) && row_by_id(o, &uuid, &row) && row_type(row) == type ? row : 0;
}

/* externalIds are labels in the space of each connection; space 0 is that of no connection. */
static uint64_t
by_external_id(struct check *c, struct slice text, bool *several)
{
	const struct attr *attr = schema_type(c->d->schema, TYPE_USER)->external_id;
	struct txn *t = orgtx_txn(c->o);
	struct connection connection = { .no = 0 };
	uint64_t found = 0, rows[2];
	size_t looked = 0;

	do {
		size_t n = with_text(c, c->o, attr, connection.no, TYPE_USER, text, rows, 2);

		for (size_t i = 0; i < n; i++) {
			*several = *several || (found != 0 && found != rows[i]);
			found = rows[i];
		}
	} while (++looked < CONNECTIONS_MAX && !*several &&
		 connection_next(t, orgtx_org(c->o), connection.no, &connection));
	return *several ? 0 : found;
}

uint64_t
check_find(struct check *c, const struct check_name *name, enum check_outcome *outcome)
{
	static const uint8_t types[] = { [CHECK_MEMBER] = TYPE_USER, [CHECK_PERSON] = TYPE_PERSON,
		[CHECK_TEAM] = TYPE_GROUP };
	const struct attr *named[] = { [CHECK_MEMBER] = c->d->at.user_name,
		[CHECK_PERSON] = c->d->at.person_user_name, [CHECK_TEAM] = c->d->at.group_display };
	struct orgtx *o = name->who == CHECK_PERSON ? orgtx_open(orgtx_txn(c->o), ORG_PLATFORM) : c->o;
	bool any = name->by == CHECK_BY_ANY, several = false;
	uint64_t row = 0;

	if (any || name->by == CHECK_BY_ID)
		row = of_type(o, name->text, types[name->who]);
	if (row == 0 && (any || name->by == CHECK_BY_NAME))
		row = only_one(c, o, named[name->who], types[name->who], name->text, &several);
	if (row == 0 && !several && (any || name->by == CHECK_BY_EXTERNAL_ID) && name->who == CHECK_MEMBER)
		row = by_external_id(c, name->text, &several);
	if (name->who == CHECK_PERSON)
		row = row != 0 ? member_of_person(c->d, c->o, c->arena, row, true) : 0;
	if (outcome != NULL)
		*outcome = row != 0 ? CHECK_DECIDED : several ? CHECK_MANY_SUBJECTS : CHECK_NO_SUBJECT;
	return row;
}

/* ---- Where ---- */

enum { AT_WORKSPACES = 1, AT_PROJECTS = 2 };

/* Counts what has the name directly in a scope (0: the org), and gives one of them. */
static size_t
children_named(struct check *c, uint64_t parent, struct slice name, uint8_t type, uint64_t *child)
{
	const struct attr *attr = type == TYPE_WORKSPACE ? c->d->at.workspace_display : c->d->at.project_display;
	uint64_t *rows = ARENA_ARRAY(c->arena, uint64_t, SAME_NAME_MAX);
	size_t n = with_text(c, c->o, attr, 0, type, name, rows, SAME_NAME_MAX), found = 0;

	for (size_t i = 0; i < n; i++)
		if (scope_parent(c->d, c->o, rows[i]) == parent) {
			*child = rows[i];
			found++;
		}
	return n == SAME_NAME_MAX ? n : found;
}

/* Names from a scope down; the last may be of the kinds in `last`. */
static enum check_outcome
walk_names(struct check *c, struct slice path, uint64_t from, unsigned last, uint64_t *row)
{
	struct slice name;

	*row = from;
	while (slice_split(&path, '/', &name)) {
		uint64_t parent = *row;
		bool is_last = path.p == NULL;
		size_t n = 0;

		if (!is_last || (last & AT_WORKSPACES) != 0)
			n += children_named(c, parent, name, TYPE_WORKSPACE, row);
		if (is_last && (last & AT_PROJECTS) != 0)
			n += children_named(c, parent, name, TYPE_PROJECT, row);
		if (n != 1)
			return n == 0 ? CHECK_NO_PLACE : CHECK_MANY_PLACES;
	}
	return CHECK_DECIDED;
}

static enum check_outcome
find_workspace(struct check *c, const struct check_place *p, uint64_t *row)
{
	*row = of_type(c->o, p->workspace, TYPE_WORKSPACE);
	return *row != 0 ? CHECK_DECIDED : walk_names(c, p->workspace, 0, AT_WORKSPACES, row);
}

static enum check_outcome
find_project(struct check *c, const struct check_place *p, uint64_t *row)
{
	enum check_outcome outcome = CHECK_DECIDED;
	uint64_t around = 0;

	if (p->workspace.p != NULL)
		outcome = find_workspace(c, p, &around);
	if (outcome != CHECK_DECIDED)
		return outcome;
	*row = of_type(c->o, p->project, TYPE_PROJECT);
	if (*row == 0)
		return walk_names(c, p->project, around, AT_PROJECTS, row);
	return scope_within(c->d, c->o, *row, around) ? CHECK_DECIDED : CHECK_NO_PLACE;
}

static enum check_outcome
find_team(struct check *c, struct slice text, uint64_t *row)
{
	const struct check_name name = { CHECK_TEAM, CHECK_BY_ANY, text };
	enum check_outcome outcome;

	*row = check_find(c, &name, &outcome);
	return outcome == CHECK_NO_SUBJECT      ? CHECK_NO_PLACE
	       : outcome == CHECK_MANY_SUBJECTS ? CHECK_MANY_PLACES
						: outcome;
}

static enum check_outcome
find_scope(struct check *c, struct slice text, uint64_t *row)
{
	static const uint8_t types[] = { TYPE_WORKSPACE, TYPE_PROJECT, TYPE_GROUP };

	for (size_t i = 0; i < sizeof(types); i++)
		if ((*row = of_type(c->o, text, types[i])) != 0)
			return CHECK_DECIDED;
	return walk_names(c, text, 0, AT_WORKSPACES | AT_PROJECTS, row);
}

static enum check_outcome
find_org(struct check *c, struct slice name)
{
	struct orgtx *platform = orgtx_open(orgtx_txn(c->o), ORG_PLATFORM);
	struct uuid id;
	struct org org;
	uint64_t row;

	if (!org_by_no(orgtx_txn(c->o), orgtx_org(c->o), &org))
		return CHECK_NO_PLACE;
	if (slice_eq(name, slice_of(org.key)))
		return CHECK_DECIDED;
	return org.row != 0 && uuid_parse(name, &id) && row_by_id(platform, &id, &row) && row == org.row
		       ? CHECK_DECIDED
		       : CHECK_NO_PLACE;
}

enum check_outcome
check_find_place(struct check *c, const struct check_place *p, uint64_t *row)
{
	int ways = (p->workspace.p != NULL || p->project.p != NULL) + (p->team.p != NULL) +
		   (p->scope.p != NULL) + (p->org.p != NULL);

	*row = 0;
	if (ways > 1)
		return CHECK_PLACE_MIXED;
	if (p->org.p != NULL)
		return find_org(c, p->org);
	if (p->project.p != NULL)
		return find_project(c, p, row);
	if (p->workspace.p != NULL)
		return find_workspace(c, p, row);
	if (p->team.p != NULL)
		return find_team(c, p->team, row);
	return p->scope.p != NULL ? find_scope(c, p->scope, row) : CHECK_DECIDED;
}

/* ---- What ---- */

/* What the thing is to rosterd itself: its own record, for which the rules of its type say whose it is. */
static bool
own_by_rules(struct check *c, uint64_t row)
{
	const struct rules *rules = row != 0 ? rules_of(row_type(row)) : NULL;
	struct record r;

	return rules != NULL && rules->own != NULL && record_get(c->o, row, &r) &&
	       rules->own(&c->subject, row, &r);
}

static bool
owns(struct check *c, const struct check_name *owner, uint64_t subject)
{
	struct check_name name = *owner;

	if (check_find(c, &name, NULL) == subject)
		return true;
	if (name.who != CHECK_PERSON)
		return false;
	name.who = CHECK_MEMBER;
	return check_find(c, &name, NULL) == subject;
}

/* Rosterd's own permissions for its own things are decided as its own gate decides them. */
static enum check_outcome
find_own(struct check *c, const struct check_query *q, struct check_answer *out)
{
	bool daemons = out->permission < PERM_BUILTIN;
	uint64_t member;

	out->own = q->owned && owns(c, &q->owner, out->subject);
	if (q->of_member) {
		if ((member = check_find(c, &q->member, NULL)) == 0)
			return CHECK_NO_MEMBER;
		out->own = out->own || member == out->subject;
	} else if (q->of_place && daemons) {
		out->own = own_by_rules(c, out->scope);
	}
	return CHECK_DECIDED;
}

static enum rc
load(struct check *c, uint64_t row, struct err *err)
{
	enum rc rc;

	if (c->loaded == row)
		return RC_OK;
	c->loaded = 0;
	rc = row_type(row) == TYPE_GROUP
		     ? subject_of_team(c->d, c->o, c->arena, row, c->now, &c->subject, err)
		     : subject_of_member(c->d, c->o, c->arena, row, c->now, &c->subject, err);
	if (rc == RC_OK)
		c->loaded = row;
	return rc;
}

static bool
is_inactive(struct check *c, uint64_t row)
{
	return row_type(row) == TYPE_USER && !member_is_active(c->d, c->o, row);
}

enum rc
check_load(struct check *c, uint64_t subject, bool *active, struct err *err)
{
	*active = !is_inactive(c, subject);
	return *active ? load(c, subject, err) : RC_OK;
}

static struct slice
role_of_grant(struct check *c, const struct grant *g)
{
	struct assignment held;

	if (g->role != NULL)
		return g->role->path;
	return g->assignment != 0 && assignment_read(c->d, c->o, g->assignment, &held) ? held.role : SLICE("");
}

/* The way up from the subject to the team that holds the grant, the shortest one. */
static void
find_teams(struct check *c, struct check_answer *out)
{
	uint64_t team = out->grant->via;
	struct membership *list;
	uint64_t *teams;
	size_t n, count = 0;

	if (team == 0)
		return;
	n = membership_list(c->o, c->arena, out->subject, &list);
	teams = ARENA_ARRAY(c->arena, uint64_t, n + 1);
	/* The list is in the order of finding: what a group was found from stands before it. */
	teams[n - count++] = team;
	for (size_t i = n; i-- > 0;)
		if (list[i].group == teams[n - count + 1] && !list[i].direct)
			teams[n - count++] = list[i].from;
	out->teams = teams + n + 1 - count;
	out->team_count = count;
}

enum rc
check_ask(struct check *c, const struct check_query *q, struct check_answer *out, struct err *err)
{
	const struct permission *permission;
	bool active;
	enum rc rc;

	*out = (struct check_answer){ .revision = orgtx_stat(c->o)->revision };
	out->subject = check_find(c, &q->subject, &out->outcome);
	if (out->outcome != CHECK_DECIDED)
		return RC_OK;
	if ((rc = check_load(c, out->subject, &active, err)) != RC_OK)
		return rc;
	if (!active) {
		out->outcome = CHECK_INACTIVE;
		return RC_OK;
	}
	if ((permission = model_permission(c->subject.model, q->permission)) == NULL) {
		out->outcome = CHECK_NO_PERMISSION;
		return RC_OK;
	}
	out->permission = permission->id;
	if ((out->outcome = check_find_place(c, &q->place, &out->scope)) != CHECK_DECIDED ||
		(out->outcome = find_own(c, q, out)) != CHECK_DECIDED)
		return RC_OK;
	out->allowed = subject_may(&c->subject, out->permission, out->scope, out->own, &out->why);
	if (out->why.grant == NULL)
		return RC_OK;
	out->grant = out->why.grant->origin;
	out->role = role_of_grant(c, out->grant);
	if (q->explain)
		find_teams(c, out);
	return RC_OK;
}

void
check_print(const struct check *c, const struct check_query *q, const struct check_answer *a, struct buf *out)
{
	static const char *const sentences[] = {
		[CHECK_NO_SUBJECT] = "the subject is not a member (or team) of this org",
		[CHECK_MANY_SUBJECTS] = "the subject's name means several; use the id",
		[CHECK_INACTIVE] = "the member is not active",
		[CHECK_NO_PLACE] = "this is not the org, nor a workspace, project or team of it",
		[CHECK_MANY_PLACES] = "the name of the workspace, project or team means several; use the id",
		[CHECK_NO_MEMBER] = "the resource is not a member of this org",
		[CHECK_PLACE_MIXED] = "a place is given by workspace and project, or by team, or by scope",
	};
	struct model_query mq = { a->permission, scope_kind_of(a->scope), a->own };
	struct model_subject ms;

	if (a->outcome == CHECK_DECIDED) {
		ms = subject_seen_from(&c->subject, a->scope);
		model_answer_print(&ms, &mq, &a->why, out);
	} else if (a->outcome == CHECK_NO_PERMISSION) {
		buf_printf(out, "the org's role model has no permission \"%.*s\"",
			SLICE_ARG(slice_clip(q->permission, 80)));
	} else {
		buf_slice(out, slice_of(sentences[a->outcome]));
	}
}
