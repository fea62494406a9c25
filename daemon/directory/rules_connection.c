/* Connections: the record, and the operational one of the store that its tokens, externalIds and guard
 * go by. */
#include "daemon/directory/form.h"
#include "daemon/directory/names.h"
#include "daemon/directory/org.h"
#include "daemon/directory/organization.h"

#include "base/banned.h"

bool
connection_of_row(const struct directory *d, struct orgtx *o, uint64_t row, struct connection *out)
{
	struct record r;
	int64_t no;

	if (row_type(row) != TYPE_CONNECTION || !record_get(o, row, &r))
		return false;
	no = record_i64(d->schema, &r, d->at.connection_number, 0);
	return no > 0 && no <= UINT32_MAX &&
	       connection_get(orgtx_txn(o), orgtx_org(o), (uint32_t)no, out);
}

/* ---- The groups that it made ---- */

enum { STEP = 64 };

/* Those behind `after`, rising. */
static size_t
groups_of(struct deed *x, const struct connection *c, uint64_t after, uint64_t rows[STEP])
{
	const struct attr *attr = x->d->at.group_connection;
	struct node value = { .attr = attr, .kind = NODE_VALUE, .integer = c->no };
	struct slice key;

	return index_key_of(x->arena, attr, 0, &value, false, &key)
		       ? index_list(x->o, attr->id, TYPE_GROUP, key, after, rows, STEP)
		       : 0;
}

/* What they hold ends with the connection, which alone said who is in them: that is taking it. */
static enum rc
check_end_groups(struct deed *x, const struct connection *c, struct err *err)
{
	uint64_t rows[STEP], after = 0;
	struct assignment *list;
	size_t n;
	enum rc rc;

	while (x->by != NULL && (n = groups_of(x, c, after, rows)) > 0) {
		for (size_t i = 0; i < n; i++) {
			size_t held = assignments_of(x->d, x->o, x->arena, rows[i], &list);

			for (size_t k = 0; k < held; k++)
				if ((rc = subject_may_take(x->by, list[k].role, list[k].scope, err)) != RC_OK)
					return rc;
		}
		after = rows[n - 1];
	}
	return RC_OK;
}

/* They stay, with who is in them, as teams of the org's own that hold nothing. */
static void
end_groups(struct deed *x, const struct connection *c, uint64_t revision)
{
	uint64_t rows[STEP];
	struct record r;
	struct node *root;
	size_t n;

	while (txn_rc(orgtx_txn(x->o)) == RC_OK && (n = groups_of(x, c, 0, rows)) > 0)
		for (size_t i = 0; i < n; i++) {
			deed_end_assignments(x, rows[i], revision);
			if (!record_get(x->o, rows[i], &r) || (root = deed_tree(x, &r)) == NULL)
				return;
			tree_clear(root, x->d->at.group_connection);
			deed_replace(x, rows[i], root, revision);
		}
}

/* ---- The connection ---- */

static enum rc
check(struct deed *x, struct err *err)
{
	const struct attrs *at = &x->d->at;
	struct connection *c = ARENA_NEW(x->arena, struct connection);
	struct slice name, dialect;
	enum rc rc;

	x->plan = c;
	if (x->verb != VERB_CREATE &&
		!connection_of_row(x->d, x->o, x->row, c))
		return fail(err, RC_INTERNAL, "", "the connection of this record is not there");
	if (x->verb == VERB_DELETE)
		return check_end_groups(x, c, err);
	name = tree_text(x->root, at->connection_name);
	if (name.len == 0 || name.p[0] == '#')
		return fail(err, RC_INVALID_VALUE, "name",
			"a connection needs a name, which does not begin with \"#\"");
	if ((rc = shown_name_require("name", name, err)) != RC_OK)
		return rc;
	dialect = tree_text(x->root, at->connection_dialect);
	if (dialect.len == 0)
		tree_set_text(x->arena, x->root, at->connection_dialect, SLICE("tolerant"));
	c->dialect = DIALECT_TOLERANT;
	if (dialect.len > 0 && !dialect_parse(dialect, &c->dialect))
		return fail(err, RC_INVALID_VALUE, "dialect", "dialect is tolerant, strict or interop");
	memset(c->name, 0, sizeof(c->name));
	memcpy(c->name, name.p, name.len);
	if (x->verb == VERB_EDIT)
		return RC_OK;
	c->org = orgtx_org(x->o);
	c->created = x->w->actor.now;
	tree_set_i64(x->arena, x->root, at->connection_number, orgtx_stat(x->o)->next_connection);
	deed_created_by(x, x->root, at->connection_by_value, at->connection_by_type);
	return RC_OK;
}

/* Tokens from before there were records of them. */
static void
drop_tokens(struct deed *x, const struct connection *c)
{
	struct txn *t = orgtx_txn(x->o);
	struct token token;

	for (uint32_t no = 0; token_next(t, c->org, no, &token); no = token.no)
		if (token.kind == TOKEN_CONNECTION && token.connection == c->no && token.row == 0)
			token_delete(t, &token);
}

static void
apply(struct deed *x, uint64_t revision)
{
	struct connection *c = x->plan;

	if (x->verb == VERB_DELETE) {
		end_groups(x, c, revision);
		drop_tokens(x, c);
		connection_delete(orgtx_txn(x->o), c->org, c->no);
		return;
	}
	c->row = x->row;
	connection_put(orgtx_txn(x->o), c);
}

static void
live(const struct directory *d, struct orgtx *o, struct arena *a, int64_t now, uint64_t row,
	struct record *r)
{
	struct connection c;

	(void)now;
	if (connection_of_row(d, o, row, &c) && c.guard.tripped)
		record_overlay_bool(d, a, r, d->at.connection_stopped, true);
}

const struct rules connection_rules = { .type = TYPE_CONNECTION,
	.check = check,
	.apply = apply,
	.live = live };

enum rc
connection_release(const struct directory *d, struct orgtx *o, const struct writer *w,
	struct arena *a, uint64_t row, struct connection *out, struct err *err)
{
	struct writer named = *w;
	struct buf b = BUF_INIT;
	struct subject by;
	struct record r;
	enum rc rc;

	if (!connection_of_row(d, o, row, out) || !record_get(o, row, &r))
		return fail(err, RC_NOT_FOUND, "", "there is no such connection");
	if (w->caller != NULL &&
		((rc = subject_load(d, o, a, w->caller, w->actor.now, &by, err)) != RC_OK ||
			(rc = operation_require(&by,
				 operation_find(TYPE_CONNECTION, VERB_ACTION, SLICE("release")), 0,
				 false, err)) != RC_OK))
		return rc;
	named.actor.action = "connection.release";
	out->guard = (struct guard){ 0 };
	r.revision = change_begin(o, &named.actor);
	record_pack_as_is(&b, &r);
	record_replace(o, row, buf_as_slice(&b));
	connection_put(orgtx_txn(o), out);
	change_end(o);
	buf_release(&b);
	return RC_OK;
}
