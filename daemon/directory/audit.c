#include "daemon/directory/audit.h"

#include <assert.h>

#include "base/banned.h"

/* What a step of a walk costs, in parts of the budget. */
enum { COST_ENTRY = 1, COST_CHANGE = 1, COST_VALUES = 4, COST_OLD = 8 };

void
audit_attrs_init(struct audit_attrs *at, const struct schema_set *schema)
{
	const struct resource_type *type = schema_type(schema, TYPE_AUDIT_EVENT);
	const struct {
		const struct attr **to;
		const char *path;
	} rows[] = { { &at->time, "time" }, { &at->action, "action" }, { &at->operation, "operation" },
		{ &at->actor, "actor" }, { &at->actor_type, "actor.type" }, { &at->actor_value, "actor.value" },
		{ &at->actor_display, "actor.display" }, { &at->actor_connection, "actor.connection" },
		{ &at->actor_token, "actor.token" }, { &at->door, "door" }, { &at->peer, "peer" },
		{ &at->target, "target" }, { &at->target_type, "target.type" }, { &at->target_value, "target.value" },
		{ &at->target_display, "target.display" }, { &at->changes, "changes" }, { &at->path, "changes.path" },
		{ &at->old, "changes.old" }, { &at->new, "changes.new" }, { &at->display, "changes.display" },
		{ &at->secret, "changes.secret" } };

	assert(type != NULL);
	at->type = type;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		*rows[i].to = attr_own(type->root, slice_of(rows[i].path));
		assert(*rows[i].to != NULL);
	}
}

/* ---- Positions ---- */

struct audit_position
audit_newest(struct orgtx *o)
{
	return (struct audit_position){ .revision = orgtx_stat(o)->revision };
}

struct audit_position
audit_oldest(struct orgtx *o)
{
	return (struct audit_position){ .revision = orgtx_stat(o)->trimmed + 1 };
}

static bool
id_parse(struct slice id, uint64_t *revision, uint64_t *index)
{
	struct slice first;

	/* As we write it, and no other way: an id is compared as a text. */
	if (!slice_split(&id, '-', &first) || id.p == NULL || first.len == 0 || id.len == 0 || first.p[0] == '0' ||
		(id.p[0] == '0' && id.len > 1))
		return false;
	return slice_to_u64(first, 1, UINT64_MAX - 1, revision) && slice_to_u64(id, 0, UINT32_MAX - 1, index);
}

/* The entry and the change that an id names, and where the change begins. */
static bool
find_change(struct orgtx *o, struct slice id, struct journal_entry *e, struct audit_position *at, struct change *c,
	struct slice *rest)
{
	uint64_t index;
	bool bad = false;

	if (!id_parse(id, &at->revision, &index) || !journal_get(o, at->revision, e))
		return false;
	*rest = e->changes;
	for (uint64_t i = 0; journal_next_change(rest, c, &bad); i++) {
		if (i < index)
			continue;
		at->index = (uint32_t)i;
		at->at = (uint32_t)(c->at - e->changes.p);
		return true;
	}
	return false;
}

bool
audit_after(struct orgtx *o, struct slice id, struct audit_position *out)
{
	struct journal_entry e;
	struct slice rest;
	struct change c;

	if (!find_change(o, id, &e, out, &c, &rest))
		return false;
	out->index++;
	out->at = (uint32_t)(rest.p - e.changes.p);
	return true;
}

/* ---- Building an event ---- */

static void
put_text(struct audit_walk *w, struct node *object, const struct attr *attr, struct slice text)
{
	struct node *n;

	if (text.p == NULL || text.len == 0)
		return;
	n = node_new(w->scratch, attr, NODE_VALUE);
	n->text = text;
	node_insert(object, n);
}

static void
put_number(struct audit_walk *w, struct node *object, const struct attr *attr, uint64_t number)
{
	struct node *n;

	if (number == 0)
		return;
	n = node_new(w->scratch, attr, NODE_VALUE);
	n->integer = (int64_t)number;
	node_insert(object, n);
}

static void
put_ticks(struct audit_walk *w, struct node *object, const struct attr *attr, int64_t ticks)
{
	struct node *n = node_new(w->scratch, attr, NODE_VALUE);

	n->ticks = ticks;
	node_insert(object, n);
}

static struct slice
id_text(struct audit_walk *w, const struct uuid *id)
{
	char *text = arena_alloc(w->scratch, UUID_TEXT);

	uuid_format(id, text);
	return (struct slice){ text, UUID_TEXT };
}

/* The name under which a resource is shown: the first of these that it has. */
static struct slice
name_of(struct audit_walk *w, const struct record *r)
{
	static const char *const names[] = { "displayName", "userName", "name", "key", "address", "role" };
	const struct attr *attr;
	struct slice text;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		attr = attr_sub(r->type->root, slice_of(names[i]));
		if (attr != NULL && attr->type == ATTR_STRING && !attr->multi &&
			record_field(w->d->schema, r, attr, &text) && text.len > 0)
			return arena_dup(w->scratch, text);
	}
	return (struct slice){ NULL, 0 };
}

static struct slice
connection_name(struct audit_walk *w, uint32_t no, struct uuid *id, bool *has_id)
{
	struct connection c;
	struct record r;

	*has_id = false;
	if (no == 0 || !connection_get(orgtx_txn(w->o), orgtx_org(w->o), no, &c))
		return (struct slice){ NULL, 0 };
	if (c.row != 0 && (record_get(w->o, c.row, &r) || record_gone(w->o, c.row, &r))) {
		*id = r.id;
		*has_id = true;
	}
	return arena_dup(w->scratch, slice_of(c.name));
}

static bool
is_zero(const struct uuid *id)
{
	static const struct uuid zero;

	return memcmp(id, &zero, sizeof(zero)) == 0;
}

/* The member, or the person on the platform. */
static struct slice
subject_name(struct audit_walk *w, const struct uuid *id)
{
	struct orgtx *places[] = { w->o, orgtx_open(orgtx_txn(w->o), ORG_PLATFORM) };
	struct record r;
	uint64_t row;

	for (size_t i = 0; i < 2; i++)
		if (row_by_id(places[i], id, &row) && record_get(places[i], row, &r))
			return name_of(w, &r);
	return (struct slice){ NULL, 0 };
}

static const char *const kind_names[] = { [ACTOR_OPERATOR] = "operator", [ACTOR_CONNECTION] = "connection",
	[ACTOR_SERVICE] = "service", [ACTOR_PERSON] = "person", [ACTOR_KEY] = "key", [ACTOR_SYSTEM] = "system" };
static const char *const door_names[] = { [DOOR_SCIM] = "scim", [DOOR_CONTROL] = "control",
	[DOOR_ROSTER] = "roster" };

#define NAME_IN(names, i) ((size_t)(i) < sizeof(names) / sizeof((names)[0]) && (names)[i] != NULL ? (names)[i] : "unknown")

static void
put_actor(struct audit_walk *w, struct node *root, const struct actor *actor)
{
	struct node *n = node_new(w->scratch, w->at->actor, NODE_OBJECT);
	bool has_id = !is_zero(&actor->subject);
	struct uuid id = actor->subject;
	struct slice display = { NULL, 0 };

	if (has_id)
		display = subject_name(w, &id);
	else if (actor->kind == ACTOR_CONNECTION)
		display = connection_name(w, actor->connection, &id, &has_id);
	put_text(w, n, w->at->actor_type, slice_of(NAME_IN(kind_names, actor->kind)));
	if (has_id)
		put_text(w, n, w->at->actor_value, id_text(w, &id));
	else if (actor->kind == ACTOR_CONNECTION)
		put_text(w, n, w->at->actor_value, slice_of(arena_printf(w->scratch, "%u", actor->connection)));
	put_text(w, n, w->at->actor_display, display);
	put_number(w, n, w->at->actor_connection, actor->connection);
	put_number(w, n, w->at->actor_token, actor->token);
	node_insert(root, n);
}

/* What all changes of an entry have in common. */
static struct node *
entry_tree(struct audit_walk *w, const struct journal_entry *e)
{
	struct node *root = node_new(w->scratch, w->at->type->root, NODE_OBJECT);

	put_ticks(w, root, w->at->time, e->actor.now);
	put_actor(w, root, &e->actor);
	put_text(w, root, w->at->door, slice_of(NAME_IN(door_names, e->actor.door)));
	put_text(w, root, w->at->peer, arena_dup(w->scratch, slice_of(e->actor.peer)));
	return root;
}

static void
put_header(struct audit_walk *w, struct node *root, const struct journal_entry *e, uint32_t index)
{
	const struct resource_type *type = w->at->type;
	struct node *meta = node_new(w->scratch, type->meta, NODE_OBJECT);
	struct slice id = slice_of(
		arena_printf(w->scratch, "%llu-%u", (unsigned long long)e->revision, (unsigned)index));

	put_text(w, root, type->id, id);
	put_text(w, meta, type->meta_type, type->name);
	put_ticks(w, meta, type->meta_created, e->actor.now);
	if (w->base.len > 0)
		put_text(w, meta, type->meta_location,
			slice_of(arena_printf(w->scratch, "%.*s%.*s/%.*s", SLICE_ARG(w->base),
				SLICE_ARG(type->endpoint), SLICE_ARG(id))));
	node_insert(root, meta);
}

/* ---- One change ---- */

static const struct {
	const char *operation, *suffix; /* of the action: "User" + ".create" */
} kinds[] = {
	[CHANGE_CREATE] = { "create", "create" },
	[CHANGE_REPLACE] = { "replace", "replace" },
	[CHANGE_DELETE] = { "delete", "delete" },
	[CHANGE_EDGE_ADD] = { "add", "members.add" },
	[CHANGE_EDGE_REMOVE] = { "remove", "members.remove" },
};

/* A change with the records that it is about. */
struct about {
	const struct journal_entry *e;
	const struct change *c;
	struct record now, was, member;
	bool has_now, has_was, has_member;
	const struct record *target; /* NULL: unknown by now */
};

static bool
record_any(struct orgtx *o, uint64_t row, struct record *out)
{
	return record_get(o, row, out) || record_gone(o, row, out);
}

static void
about_edge(struct audit_walk *w, struct about *x)
{
	x->has_now = record_any(w->o, x->c->row, &x->now);
	x->has_member = record_any(w->o, x->c->member, &x->member);
	x->target = x->has_now ? &x->now : NULL;
}

static void
about_record(struct audit_walk *w, struct about *x)
{
	const struct schema_set *set = w->d->schema;
	struct slice packed;

	x->has_now = x->c->packed.p != NULL && record_parse(set, x->c->packed, &x->now);
	if (x->c->kind != CHANGE_CREATE) {
		x->has_was = journal_old(w->o, x->e, x->c, &packed) && record_parse(set, packed, &x->was);
		w->budget -= w->budget < COST_OLD ? w->budget : COST_OLD;
	}
	x->target = x->has_now ? &x->now : x->has_was ? &x->was : NULL;
}

static void
put_change(struct audit_walk *w, struct node *root, const struct about *x)
{
	const struct resource_type *type = schema_type(w->d->schema, row_type(x->c->row));
	struct slice name = type != NULL ? type->name : SLICE("Resource");
	struct node *target = node_new(w->scratch, w->at->target, NODE_OBJECT);
	struct uuid id;

	put_text(w, root, w->at->action,
		x->e->actor.action != NULL
			? arena_dup(w->scratch, slice_of(x->e->actor.action))
			: slice_of(arena_printf(
				  w->scratch, "%.*s.%s", SLICE_ARG(name), kinds[x->c->kind].suffix)));
	put_text(w, root, w->at->operation, slice_of(kinds[x->c->kind].operation));
	put_text(w, target, w->at->target_type, name);
	if (x->target != NULL) {
		put_text(w, target, w->at->target_value, id_text(w, &x->target->id));
		put_text(w, target, w->at->target_display, name_of(w, x->target));
	} else if (row_id(w->o, x->c->row, &id))
		put_text(w, target, w->at->target_value, id_text(w, &id));
	node_insert(root, target);
}

/* false: nothing that could be told. What a resource was before is unknown when the entry that told it is not kept any more: then all that it is
 * now is told. */
static bool
put_values(struct audit_walk *w, struct node *root, const struct about *x)
{
	struct slice none = { NULL, 0 }, id;
	struct uuid member;
	bool differs = true;

	w->list = NULL;
	w->budget -= w->budget < COST_VALUES ? w->budget : COST_VALUES;
	if (x->c->kind == CHANGE_EDGE_ADD || x->c->kind == CHANGE_EDGE_REMOVE) {
		id = row_id(w->o, x->c->member, &member) ? id_text(w, &member) : SLICE("unknown");
		audit_add(w, SLICE("members"), x->c->kind == CHANGE_EDGE_ADD ? none : id,
			x->c->kind == CHANGE_EDGE_ADD ? id : none, x->has_member ? name_of(w, &x->member) : none, false);
	} else if (x->has_was || x->has_now) {
		differs = audit_compare(w, x->has_was ? &x->was : NULL, x->has_now ? &x->now : NULL);
	}
	if (w->list != NULL)
		node_insert(root, w->list);
	return differs || x->c->kind != CHANGE_REPLACE;
}

/* ---- Filters: what can be told early ---- */

/* What is known of an event: of the entry, of the change, all. */
enum level { LEVEL_ENTRY, LEVEL_CHANGE, LEVEL_ALL };

enum { NO, MAYBE, YES };

static enum level
level_of(const struct audit_attrs *at, const struct attr *attr)
{
	if (attr == at->changes || attr->parent == at->changes)
		return LEVEL_ALL;
	if (attr == at->actor || attr->parent == at->actor || attr == at->time || attr == at->door || attr == at->peer)
		return LEVEL_ENTRY;
	return LEVEL_CHANGE;
}

static int
judge(const struct audit_walk *w, const struct filter *f, const struct node *root, enum level known)
{
	int a, b;

	switch (f->kind) {
	case FILTER_AND:
		a = judge(w, f->left, root, known);
		b = a != NO ? judge(w, f->right, root, known) : NO;
		return a < b ? a : b;
	case FILTER_OR:
		a = judge(w, f->left, root, known);
		b = a != YES ? judge(w, f->right, root, known) : YES;
		return a > b ? a : b;
	case FILTER_NOT:
		return YES - judge(w, f->left, root, known);
	case FILTER_COMPARE:
	case FILTER_PRESENT:
	case FILTER_ELEMENT:
		break;
	}
	if (level_of(w->at, f->attr) > known)
		return MAYBE;
	return filter_match(f, root, NULL, w->scratch) ? YES : NO;
}

static bool
may_match(const struct audit_walk *w, const struct node *root, enum level known)
{
	return w->filter == NULL || judge(w, w->filter, root, known) != NO;
}

/* ---- The walk ---- */

/* The event of one change; NULL when the filter, or its having nothing to tell, leaves it out. */
static const struct node *
event_of(struct audit_walk *w, const struct journal_entry *e, const struct change *c, uint32_t index, bool only)
{
	struct about x = { .e = e, .c = c };
	struct node *root = entry_tree(w, e);
	bool edge = c->kind == CHANGE_EDGE_ADD || c->kind == CHANGE_EDGE_REMOVE, told;

	if (!may_match(w, root, LEVEL_ENTRY))
		return NULL;
	if (edge)
		about_edge(w, &x);
	else
		about_record(w, &x);
	put_header(w, root, e, index);
	put_change(w, root, &x);
	if (!may_match(w, root, LEVEL_CHANGE))
		return NULL;
	told = put_values(w, root, &x);
	return (told || only) && may_match(w, root, LEVEL_ALL) ? root : NULL;
}

/* Whether any change of an entry can be wanted. */
static bool
entry_wanted(struct audit_walk *w, const struct journal_entry *e)
{
	if (w->filter == NULL)
		return true;
	if (w->seen != e->revision) {
		arena_clear(w->scratch);
		w->seen = e->revision;
		w->seen_good = may_match(w, entry_tree(w, e), LEVEL_ENTRY);
	}
	return w->seen_good;
}

static void
next_entry(struct audit_walk *w)
{
	w->next = (struct audit_position){ .revision = w->forward ? w->next.revision + 1 : w->next.revision - 1 };
}

/* The next change of the entry at hand, and its place. */
static bool
next_change(struct audit_walk *w, const struct journal_entry *e, struct change *c, uint32_t *index, bool *only, bool *bad)
{
	struct slice rest = e->changes;

	if (w->next.at > rest.len)
		*bad = true;
	if (*bad)
		return false;
	rest = slice_from(rest, w->next.at);
	if (!journal_next_change(&rest, c, bad))
		return false;
	*index = w->next.index++;
	w->next.at = (uint32_t)(rest.p - e->changes.p);
	*only = *index == 0 && rest.len == 0;
	return true;
}

static bool
at_end(const struct audit_walk *w)
{
	return w->forward ? w->next.revision > w->last : w->next.revision <= orgtx_stat(w->o)->trimmed;
}

enum audit_step
audit_next(struct audit_walk *w, const struct node **event)
{
	struct journal_entry e;
	struct change c;
	uint32_t index;
	bool only, bad = false;

	while (!at_end(w)) {
		if (w->budget < COST_ENTRY)
			return AUDIT_PAUSE;
		w->budget -= COST_ENTRY;
		if (!journal_get(w->o, w->next.revision, &e)) {
			if (txn_rc(orgtx_txn(w->o)) != RC_OK)
				return AUDIT_FAILED;
			next_entry(w); /* missing: audit verify tells */
			continue;
		}
		if (!entry_wanted(w, &e)) {
			next_entry(w);
			continue;
		}
		while (w->budget >= COST_CHANGE && next_change(w, &e, &c, &index, &only, &bad)) {
			w->budget -= COST_CHANGE;
			arena_clear(w->scratch);
			if ((*event = event_of(w, &e, &c, index, only)) != NULL)
				return AUDIT_EVENT;
		}
		if (bad || txn_rc(orgtx_txn(w->o)) != RC_OK)
			return AUDIT_FAILED;
		if (w->budget < COST_CHANGE)
			return AUDIT_PAUSE;
		next_entry(w);
	}
	return AUDIT_END;
}

bool
audit_get(struct audit_walk *w, struct slice id, const struct node **event)
{
	const struct filter *filter = w->filter;
	struct audit_position at;
	struct journal_entry e;
	struct slice rest;
	struct change c;

	if (!find_change(w->o, id, &e, &at, &c, &rest))
		return false;
	arena_clear(w->scratch);
	w->filter = NULL;
	w->budget = UINT64_MAX;
	*event = event_of(w, &e, &c, at.index, at.index == 0 && rest.len == 0);
	w->filter = filter;
	return *event != NULL;
}
