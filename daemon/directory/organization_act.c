/* What becomes of a living org: suspended, resumed, renamed, deleted, restored, and at last removed. */
#include <stdio.h>

#include "daemon/directory/form.h"
#include "daemon/directory/invitation.h"
#include "daemon/directory/names.h"
#include "daemon/directory/org_roles.h"
#include "daemon/directory/org_tell.h"
#include "daemon/directory/organization.h"
#include "daemon/directory/platform.h"
#include "schema/text.h"

#include "base/banned.h"

/* ---- Looking ---- */

bool
org_of_row(const struct directory *d, struct orgtx *platform, uint64_t row, struct org *out)
{
	struct record r;
	int64_t no;

	if (row_type(row) != TYPE_ORGANIZATION || !record_get(platform, row, &r))
		return false;
	no = record_i64(d->schema, &r, d->at.org_number, 0);
	return no > 0 && no <= UINT32_MAX && org_by_no(orgtx_txn(platform), (uint32_t)no, out) &&
	       out->row == row;
}

uint64_t
settings_row(struct orgtx *o)
{
	uint64_t row;

	return rows_list(o, TYPE_SETTINGS, 0, 0, &row, 1) == 1 ? row : 0;
}

enum rc
subject_in_org(const struct deed *x, uint32_t org, const struct operation *op, struct subject *out,
	struct err *err)
{
	struct orgtx *o = orgtx_open(orgtx_txn(x->o), org);
	struct caller *c = ARENA_NEW(x->arena, struct caller);
	struct org found;
	enum rc rc;

	if (x->w->caller != NULL)
		*c = *x->w->caller;
	else
		caller_init_control(c, org);
	c->org = org;
	if (c->kind == CALLER_PERSON) {
		c->member = member_of_person(x->d, o, x->arena, c->person, false);
		if (c->member == 0)
			return fail(err, RC_FORBIDDEN, "",
				"the permission \"%.*s\" is missing: only an active member of the org can have it",
				SLICE_ARG(operation_needs(op)));
		if (org_by_no(orgtx_txn(x->o), org, &found) && found.state != ORG_ACTIVE)
			return fail(err, RC_FORBIDDEN, "", "the org is %s",
				found.state == ORG_SUSPENDED ? "suspended" : "deleted");
	}
	rc = subject_load(x->d, o, x->arena, c, x->w->actor.now, out, err);
	return rc != RC_OK ? rc : operation_require(out, op, 0, false, err);
}

/* ---- The acts ---- */

struct acting {
	struct deed deed; /* on the platform */
	const struct org_act_args *args;
	struct org org;
	struct slice old_key; /* of a rename */
	int64_t until;
};

static enum rc
wrong_state(const struct acting *g, const char *what, struct err *err)
{
	static const char *const states[] = { [ORG_ACTIVE] = "active", [ORG_SUSPENDED] = "suspended",
		[ORG_DELETED] = "deleted", [ORG_PURGING] = "being removed" };

	return fail(err, RC_CONFLICT, "state", "the org is %s: it can't be %s", states[g->org.state],
		what);
}

enum { REASON_MAX = 500 /* bytes */ };

static enum rc
act_suspend(struct acting *g, struct err *err)
{
	if (g->org.state != ORG_ACTIVE && g->org.state != ORG_SUSPENDED)
		return wrong_state(g, "suspended", err);
	if (g->args->reason.len > REASON_MAX || !text_valid(g->args->reason))
		return fail(err, RC_INVALID_VALUE, "reason", "is a text of at most %d bytes", REASON_MAX);
	g->org.state = ORG_SUSPENDED;
	return RC_OK;
}

static enum rc
act_resume(struct acting *g, struct err *err)
{
	if (g->org.state != ORG_ACTIVE && g->org.state != ORG_SUSPENDED)
		return wrong_state(g, "resumed", err);
	g->org.state = ORG_ACTIVE;
	return RC_OK;
}

static enum rc
act_restore(struct acting *g, struct err *err)
{
	if (g->org.state != ORG_DELETED)
		return wrong_state(g, "restored", err);
	g->org.state = ORG_ACTIVE;
	g->org.delete_after = 0;
	return RC_OK;
}

static enum rc
act_delete(struct acting *g, struct err *err)
{
	const struct deed *x = &g->deed;
	const struct model *m = model_by_name(x->d->models, slice_of(g->org.model));
	uint64_t members = rows_count(orgtx_open(orgtx_txn(x->o), g->org.no), TYPE_USER);
	bool all = x->by == NULL || x->by->all;

	if (g->org.state == ORG_PURGING || (g->org.state == ORG_DELETED && !g->args->at_once))
		return wrong_state(g, "deleted", err);
	if (!all && m != NULL && !m->kinds[g->org.kind].deletable)
		return fail(err, RC_CONFLICT, "", "a %s org of the model \"%s\" can't be deleted",
			org_kind_name(g->org.kind), g->org.model);
	if (members > 0 && (!g->args->confirmed || g->args->confirm != members))
		return fail(err, RC_CONFLICT, "",
			"the org's members (%llu) would lose it with all that is in it; to go on, repeat "
			"with ?confirm=%llu",
			(unsigned long long)members, (unsigned long long)members);
	g->org.state = ORG_DELETED;
	g->org.delete_after = x->w->actor.now + (g->args->at_once ? 0 : x->d->orgs.delete_grace);
	return RC_OK;
}

static enum rc
act_rename(struct acting *g, struct err *err)
{
	const struct deed *x = &g->deed;
	struct txn *t = orgtx_txn(x->o);
	struct slice key = g->args->key;
	int64_t until;
	enum rc rc;

	if (g->org.state != ORG_ACTIVE && g->org.state != ORG_SUSPENDED)
		return wrong_state(g, "renamed", err);
	if (slice_eq(key, slice_of(g->org.key)))
		return RC_OK;
	if (!org_had_key(t, g->org.no, key, &until) &&
		(rc = org_key_require(x->d, t, key, x->w->actor.now, err)) != RC_OK)
		return rc;
	g->old_key = arena_dup(x->arena, slice_of(g->org.key));
	g->until = x->d->orgs.rename_grace > 0 ? x->w->actor.now + x->d->orgs.rename_grace : 0;
	return RC_OK;
}

static const struct {
	const char *name, *action;
	enum verb verb;
	const char *part;
	enum rc (*decide)(struct acting *g, struct err *err);
} acts[] = {
	[ORG_ACT_SUSPEND] = { "suspend", "organization.suspend", VERB_ACTION, "suspend", act_suspend },
	[ORG_ACT_RESUME] = { "resume", "organization.resume", VERB_ACTION, "resume", act_resume },
	[ORG_ACT_RENAME] = { "rename", "organization.rename", VERB_ACTION, "rename", act_rename },
	[ORG_ACT_DELETE] = { "delete", "organization.delete", VERB_DELETE, "", act_delete },
	[ORG_ACT_RESTORE] = { "restore", "organization.restore", VERB_ACTION, "restore", act_restore },
};

const char *
org_act_name(enum org_act act)
{
	return acts[act].name;
}

/* ---- Putting ---- */

/* A product's token says by key which orgs it may enter: the names follow the org. to empty: the org is no
 * more. */
static void
follow_in_tokens(struct deed *x, struct slice from, struct slice to, uint64_t revision)
{
	const struct attrs *at = &x->d->at;
	struct node value = { .attr = at->token_kind, .kind = NODE_VALUE, .text = SLICE("service") };
	uint64_t rows[64], after = 0;
	struct slice key;
	size_t n;

	if (!index_key_of(x->arena, at->token_kind, 0, &value, false, &key))
		return;
	while ((n = index_list(x->o, at->token_kind->id, TYPE_TOKEN, key, after, rows, 64)) > 0) {
		for (size_t i = 0; i < n; i++) {
			struct node *root = NULL, *list, *e, *next;
			bool changed = false;
			struct record r;

			if (record_get(x->o, rows[i], &r))
				root = deed_tree(x, &r);
			list = root != NULL ? node_child(root, at->token_organizations) : NULL;
			for (e = list != NULL ? list->child : NULL; e != NULL; e = next) {
				next = e->next;
				if (!slice_eq(e->text, from))
					continue;
				changed = true;
				if (to.len > 0)
					e->text = to;
				else
					node_remove(list, e);
			}
			if (list != NULL && list->child == NULL)
				node_remove(root, list);
			if (changed)
				deed_replace(x, rows[i], root, revision);
		}
		after = rows[n - 1];
	}
}

/* The former keys as the record tells them: those of the store. */
static void
fill_former_keys(const struct deed *x, const struct org *org, struct node *root)
{
	const struct attrs *at = &x->d->at;
	char key[ORG_KEY_MAX + 1] = "";
	struct node *e;
	int64_t until;

	tree_clear(root, at->org_former_keys);
	while (org_former_key_next(orgtx_txn(x->o), org->no, key, &until)) {
		if (until <= x->w->actor.now)
			continue;
		e = tree_add(x->arena, root, at->org_former_keys);
		tree_set_text(x->arena, e, at->org_former_key, arena_dup(x->arena, slice_of(key)));
		tree_set_i64(x->arena, e, at->org_former_until, until);
	}
}

static void
fill_state(const struct deed *x, const struct org *org, struct node *root)
{
	static const char *const states[] = { [ORG_ACTIVE] = "active", [ORG_SUSPENDED] = "suspended",
		[ORG_DELETED] = "deleted", [ORG_PURGING] = "deleted" };
	const struct attrs *at = &x->d->at;

	tree_set_text(x->arena, root, at->org_state, slice_of(states[org->state]));
	tree_set_text(x->arena, root, at->org_key, arena_dup(x->arena, slice_of(org->key)));
	if (org->delete_after != 0)
		tree_set_i64(x->arena, root, at->org_delete_after, org->delete_after);
	else
		tree_clear(root, at->org_delete_after);
}

static void
put(struct acting *g, struct written *out)
{
	struct deed *x = &g->deed;
	struct txn *t = orgtx_txn(x->o);
	uint64_t revision = change_begin(x->o, &x->w->actor);
	struct record r;

	if (g->old_key.len > 0) {
		org_rename(t, &g->org, g->args->key, g->until);
		fill_former_keys(x, &g->org, x->root);
		follow_in_tokens(x, g->old_key, arena_dup(x->arena, g->args->key), revision);
	} else {
		org_put(t, &g->org);
	}
	fill_state(x, &g->org, x->root);
	if (g->org.state != ORG_SUSPENDED || g->args->act == ORG_ACT_SUSPEND)
		tree_set_text(x->arena, x->root, x->d->at.org_state_reason,
			g->org.state == ORG_SUSPENDED ? g->args->reason : SLICE(""));
	deed_replace(x, x->row, x->root, revision);
	change_end(x->o);
	org_tell(x, &g->org, true);
	*out = (struct written){ .row = x->row };
	if (record_get(x->o, x->row, &r)) {
		struct buf b = BUF_INIT;

		record_pack_as_is(&b, &r);
		out->packed = arena_dup(x->arena, buf_as_slice(&b));
		buf_release(&b);
	}
}

static enum rc
admit(struct acting *g, struct err *err)
{
	struct deed *x = &g->deed;
	const char *part = acts[g->args->act].part;
	struct subject in_org;
	enum rc rc;

	if (x->by == NULL || x->by->all)
		return RC_OK;
	if ((rc = platform_require(x->by, TYPE_ORGANIZATION, acts[g->args->act].verb, slice_of(part),
		     x->row, x->old, err)) != RC_OK)
		return rc;
	return subject_in_org(x, g->org.no,
		operation_find(TYPE_ORGANIZATION, acts[g->args->act].verb, slice_of(part)), &in_org, err);
}

enum rc
organization_act(const struct directory *d, struct txn *t, const struct writer *w, struct arena *a,
	uint64_t row, const struct precondition *pre, const struct org_act_args *args,
	struct written *out, struct err *err)
{
	struct writer *named = ARENA_NEW(a, struct writer);
	struct record old;
	struct subject by;
	struct acting g = { .deed = { .d = d,
				    .o = orgtx_open(t, ORG_PLATFORM),
				    .w = named,
				    .arena = a,
				    .type = schema_type(d->schema, TYPE_ORGANIZATION),
				    .verb = VERB_ACTION,
				    .row = row },
		.args = args };
	enum rc rc;

	*named = *w;
	named->actor.action = acts[args->act].action;
	if (!record_get(g.deed.o, row, &old) || !org_of_row(d, g.deed.o, row, &g.org))
		return fail(err, RC_NOT_FOUND, "", "there is no such Organization");
	g.deed.old = &old;
	g.deed.id = old.id;
	if (w->caller != NULL) {
		if ((rc = subject_load(d, g.deed.o, a, w->caller, w->actor.now, &by, err)) != RC_OK)
			return rc;
		g.deed.by = &by;
	}
	if ((rc = admit(&g, err)) != RC_OK || (rc = precondition_check(pre, old.revision, err)) != RC_OK ||
		(rc = acts[args->act].decide(&g, err)) != RC_OK)
		return rc;
	if ((g.deed.root = deed_tree(&g.deed, &old)) == NULL)
		return fail(err, RC_INTERNAL, "", "the stored resource is damaged");
	put(&g, out);
	return txn_rc(t);
}

/* ---- The end ---- */

bool
organization_bury(const struct directory *d, struct txn *t, uint32_t no, int64_t now)
{
	const struct writer w = { .actor = { .door = DOOR_CONTROL,
					  .kind = ACTOR_SYSTEM,
					  .now = now,
					  .action = "organization.remove" } };
	struct deed x = { .d = d, .o = orgtx_open(t, ORG_PLATFORM), .w = &w, .arena = arena_new() };
	uint64_t revision;
	struct org org;
	bool over;

	over = org_by_no(t, no, &org) && org.state == ORG_DELETED && org.delete_after <= now;
	if (over) {
		revision = change_begin(x.o, &w.actor);
		follow_in_tokens(&x, slice_of(org.key), SLICE(""), revision);
		if (org.row != 0)
			deed_erase(&x, org.row, revision);
		change_end(x.o);
		invitations_forget(d, t, x.arena, no, &w.actor);
		org.state = ORG_PURGING;
		org_put(t, &org);
	}
	arena_free(x.arena);
	return over;
}

void
organization_follow_model(const struct directory *d, struct txn *t, uint32_t no, int64_t now)
{
	const struct writer w = { .actor = { .door = DOOR_CONTROL,
					  .kind = ACTOR_SYSTEM,
					  .now = now,
					  .action = "organization.model" } };
	struct deed x = { .d = d, .o = orgtx_open(t, ORG_PLATFORM), .w = &w, .arena = arena_new() };
	const struct model *m;
	struct node *root;
	struct record r;
	struct org org;

	if (!org_by_no(t, no, &org) || org.state == ORG_PURGING ||
		(m = model_by_name(d->models, slice_of(org.model))) == NULL ||
		m->version == org.model_version)
		goto out;
	org.model_version = m->version;
	org_put(t, &org);
	if (record_get(x.o, org.row, &r) && (root = deed_tree(&x, &r)) != NULL) {
		tree_set_i64(x.arena, root, d->at.org_model_version, m->version);
		deed_replace(&x, org.row, root, change_begin(x.o, &w.actor));
		change_end(x.o);
	}
	org_tell(&x, &org, false);
	x.o = orgtx_open(t, no);
	org_roles_put(&x, m, change_begin(x.o, &w.actor));
	change_end(x.o);
out:
	arena_free(x.arena);
}
