/* Tokens: API keys of members and tokens of connections in an org; those of persons, products and
 * operators on the platform. The record says what a token is and what limits it; the store's token
 * opens the door by the hash of the secret, which is shown once. */
#include <openssl/crypto.h>

#include "daemon/directory/form.h"
#include "daemon/directory/ids.h"
#include "daemon/directory/names.h"
#include "daemon/directory/org.h"
#include "daemon/directory/organization.h"
#include "daemon/directory/platform.h"

#include "base/banned.h"

static const int64_t DAY = INT64_C(86400) * 10000000; /* ticks */

struct plan {
	struct token token;
	char secret[TOKEN_TEXT + 1];
};

static const struct {
	const char *name;
	enum token_kind kind;
	bool platform;
	uint8_t owner; /* type; 0: none */
} kinds[] = {
	{ "connection", TOKEN_CONNECTION, false, TYPE_CONNECTION },
	{ "key", TOKEN_KEY, false, TYPE_USER },
	{ "personal", TOKEN_PERSONAL, true, TYPE_PERSON },
	{ "service", TOKEN_SERVICE, true, 0 },
	{ "operator", TOKEN_OPERATOR, true, 0 },
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static bool
on_platform(const struct deed *x)
{
	return orgtx_org(x->o) == ORG_PLATFORM;
}

/* ---- The gate ---- */

/* A new one is taken for one's own at the gate; check() refuses it when it is not. */
static bool
own(const struct subject *s, uint64_t row, const struct record *r)
{
	uint64_t self = orgtx_org(s->o) == ORG_PLATFORM ? s->person : s->member;

	(void)row;
	return self != 0 && (r == NULL || record_row(s->o, s->d->schema, r,
						  s->d->at.token_owner_value) == self);
}

static struct slice
part(const struct directory *d, struct orgtx *o, uint64_t row, const struct node *root)
{
	struct slice kind = root != NULL ? tree_text(root, d->at.token_kind) : SLICE("");

	(void)o;
	(void)row;
	return slice_eq(kind, SLICE("connection")) ? kind : SLICE("key");
}

/* ---- What a token may ---- */

static size_t
texts_of(const struct deed *x, const struct attr *attr, struct slice **out)
{
	const struct node *list = node_child(x->root, attr);
	size_t n = 0, cap = 0;

	*out = NULL;
	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
		*out = arena_grow(x->arena, *out, n, &cap, sizeof(**out));
		(*out)[n++] = e->text;
	}
	return n;
}

static bool
same_list(const struct deed *x, const struct attr *attr)
{
	const struct node *had = x->old_root != NULL ? node_child(x->old_root, attr) : NULL;
	const struct node *has = node_child(x->root, attr);

	return (had == NULL && has == NULL) || (had != NULL && has != NULL && node_equal(had, has));
}

/* All that the maker may. Of a key of one's own that is what one may at any scope, as it is asked at each use again what one may
 * there. A key of somebody else's acts with their rights, on their own things: it is bounded by what the maker may in the whole
 * org, whosever the things are. */
static void
rights_for(const struct subject *by, bool self, struct permset *out)
{
	struct model_subject ms = subject_seen_from(by, 0);
	struct permset at;

	for (size_t i = 0; self && i < by->grant_count; i++)
		by->scratch[i].covers = true;
	*out = (struct permset){ { 0 }, { 0 } };
	for (int kind = 0; kind < SCOPE_KINDS; kind++) {
		model_rights(&ms, (enum scope_kind)kind, &at);
		permset_join(out, &at);
	}
	if (!self)
		memset(out->own, 0, sizeof(out->own));
}

/* With another's key one acts as them. That must not be a way to roles which they may give, and the maker may not. */
static enum rc
check_for_another(const struct deed *x, uint64_t owner, struct err *err)
{
	const struct model *m = x->by->model;
	struct model_subject maker, acted;
	struct subject other;
	enum rc rc;

	if ((rc = operation_require(x->by, operation_find(TYPE_TOKEN, VERB_CREATE, SLICE("key")), 0,
		     false, err)) != RC_OK ||
		(rc = subject_of_member(x->d, x->o, x->arena, owner, x->w->actor.now, &other, err)) != RC_OK)
		return rc;
	maker = subject_seen_from(x->by, 0);
	acted = subject_seen_from(&other, 0);
	for (size_t i = 0; i < other.grant_count; i++)
		other.scratch[i].covers = true;
	for (size_t i = 0; i < m->role_count; i++)
		if (model_may_give(&acted, &m->roles[i], NULL) == RC_OK &&
			model_may_give(&maker, &m->roles[i], NULL) != RC_OK)
			return fail(err, RC_FORBIDDEN, "owner",
				"this member may give the role \"%.*s\", and you may not: a key would let "
				"you act as them",
				SLICE_ARG(m->roles[i].path));
	return RC_OK;
}

static enum rc
check_key_permissions(const struct deed *x, bool self, struct err *err)
{
	const struct attr *attr = x->d->at.token_permissions;
	struct permset set = { { 0 }, { 0 } }, rights;
	struct slice *names;
	size_t n = texts_of(x, attr, &names);
	uint16_t beyond;
	enum rc rc;

	if (n == 0) {
		if (x->by == NULL || x->by->all || (self && x->by->within == NULL))
			return RC_OK;
		return fail(err, RC_INVALID_VALUE, "permissions",
			"say which permissions: they must be within those of who makes the key");
	}
	if ((rc = permset_read(x->by->model, SCOPE_ORG, names, n, &set, err)) != RC_OK || x->by->all)
		return rc;
	rights_for(x->by, self, &rights);
	if (permset_within(&set, &rights, &beyond))
		return RC_OK;
	return fail(err, RC_FORBIDDEN, "permissions",
		"\"%.*s\" is beyond the permissions of who makes the key",
		SLICE_ARG(x->by->model->permissions[beyond].name));
}

/* Some model that is installed must know it: which one counts is the org's. */
static enum rc
check_platform_permissions(const struct deed *x, struct err *err)
{
	struct slice *names;
	size_t n = texts_of(x, x->d->at.token_permissions, &names);
	struct permset set;

	for (size_t i = 0; i < n; i++) {
		bool known = operation_right_known(names[i]);

		for (size_t m = 0; m < x->d->models->count && !known; m++)
			known = permset_read(x->d->models->models[m], SCOPE_ORG, &names[i], 1, &set,
					NULL) == RC_OK;
		if (!known)
			return fail(err, RC_INVALID_VALUE, "permissions",
				"there is no permission \"%.*s\"", SLICE_ARG(slice_clip(names[i], 80)));
	}
	return RC_OK;
}

/* A token that is limited itself would get more by making another one. */
static enum rc
require_unlimited(const struct deed *x, struct err *err)
{
	struct slice *names;
	struct record r;

	if (x->by == NULL || x->by->caller != CALLER_PERSON || x->by->token_row == 0 ||
		!record_get(x->o, x->by->token_row, &r) ||
		record_texts(x->arena, x->d->schema, &r, x->d->at.token_permissions, &names) == 0)
		return RC_OK;
	return fail(err, RC_FORBIDDEN, "",
		"the permission \"*\" is missing in this token: one that is limited can't make or change tokens");
}

static enum rc
check_organizations(const struct deed *x, enum token_kind kind, struct err *err)
{
	struct slice *names;
	size_t n = texts_of(x, x->d->at.token_organizations, &names);
	struct org org;

	if (kind != TOKEN_SERVICE)
		return n == 0 ? RC_OK
			      : fail(err, RC_INVALID_VALUE, "organizations",
					"only a service's token names organizations");
	if (n == 0)
		return fail(err, RC_INVALID_VALUE, "organizations",
			"name the orgs that the service may enter, by key, or \"*\" for all");
	for (size_t i = 0; i < n; i++)
		if (!slice_eq(names[i], SLICE("*")) && !org_by_key(orgtx_txn(x->o), names[i], &org))
			return fail(err, RC_INVALID_VALUE, "organizations",
				"there is no org \"%.*s\"", SLICE_ARG(slice_clip(names[i], ORG_KEY_MAX)));
	return RC_OK;
}

/* ---- Whose it is ---- */

static enum rc
find_owner(struct deed *x, size_t kind, uint64_t *row, struct err *err)
{
	const struct attrs *at = &x->d->at;
	struct slice text = tree_text(x->root, at->token_owner_value);
	uint64_t self = x->by == NULL ? 0 : on_platform(x) ? x->by->person : x->by->member;
	const struct resource_type *type = schema_type(x->d->schema, kinds[kind].owner);
	struct uuid id;

	*row = 0;
	if (type == NULL)
		return text.len == 0 ? RC_OK
				     : fail(err, RC_INVALID_VALUE, "owner",
					       "a %s token has no owner", kinds[kind].name);
	if (text.len == 0 && type->code != TYPE_CONNECTION)
		*row = self;
	else if (text.len > 0 && (!uuid_parse(text, &id) || !row_by_id(x->o, &id, row) ||
					 row_type(*row) != type->code))
		return fail(err, RC_INVALID_VALUE, "owner", "there is no %.*s with this id",
			SLICE_ARG(type->name));
	if (*row == 0)
		return fail(err, RC_INVALID_VALUE, "owner", "a %s token needs an owner: a %.*s",
			kinds[kind].name, SLICE_ARG(type->name));
	tree_set_text(x->arena, x->root, at->token_owner_value, row_id_text(x->arena, x->o, *row));
	tree_set_text(x->arena, x->root, at->token_owner_type, type->name);
	return RC_OK;
}

/* Who may make which kind, for whom; the permissions of the token with it. */
static enum rc
check_maker(struct deed *x, size_t kind, uint64_t owner, struct err *err)
{
	enum caller_kind caller = x->by != NULL ? x->by->caller : CALLER_OPERATOR;
	bool all = x->by == NULL || x->by->all, self;
	enum rc rc;

	switch (kinds[kind].kind) {
	case TOKEN_CONNECTION:
		if (node_child(x->root, x->d->at.token_permissions) != NULL)
			return fail(err, RC_INVALID_VALUE, "permissions",
				"what a connection may is not limited by its tokens");
		return RC_OK;
	case TOKEN_KEY:
		self = x->by != NULL && owner == x->by->member;
		if (!all && !self && (rc = check_for_another(x, owner, err)) != RC_OK)
			return rc;
		return check_key_permissions(x, self, err);
	case TOKEN_PERSONAL:
		if (caller == CALLER_PERSON && owner != x->by->person)
			return fail(err, RC_FORBIDDEN, "owner", "the permission \"people.tokens\" is missing: a person makes tokens of their own only");
		rc = require_unlimited(x, err);
		return rc != RC_OK ? rc : check_platform_permissions(x, err);
	case TOKEN_SERVICE:
	case TOKEN_OPERATOR:
		break;
	}
	if (!all)
		return fail(err, RC_FORBIDDEN, "kind", "the permission \"operator\" is missing: it makes %s tokens", kinds[kind].name);
	if (kinds[kind].kind == TOKEN_SERVICE && node_child(x->root, x->d->at.token_permissions) == NULL)
		return fail(err, RC_INVALID_VALUE, "permissions", "a service's token names its permissions");
	return check_platform_permissions(x, err);
}

/* ---- Expiry, count ---- */

static enum rc
check_expires(struct deed *x, struct token *token, struct err *err)
{
	const struct attrs *at = &x->d->at;
	const struct node *n = node_child(x->root, at->token_expires);
	int64_t now = x->w->actor.now;
	const uint64_t *usual = x->d->orgs.token_lifetime, *most = x->d->orgs.token_lifetime_max;

	token->expires = n != NULL ? n->ticks : 0;
	/* At the control door "never" can be said, by saying nothing. */
	if (n == NULL && x->verb == VERB_CREATE && usual != NULL && *usual > 0 &&
		x->w->actor.door != DOOR_CONTROL)
		token->expires = now + (int64_t)*usual * DAY;
	if (token->expires != 0 && token->expires <= now && x->verb == VERB_CREATE)
		return fail(err, RC_INVALID_VALUE, "expires", "the token would have expired already");
	if (most != NULL && *most > 0 &&
		(token->expires == 0 || token->expires > token->created + (int64_t)*most * DAY))
		return fail(err, RC_INVALID_VALUE, "expires",
			"a token may live for %llu days at most (token.lifetime_max)",
			(unsigned long long)*most);
	if (token->expires != 0)
		tree_set_i64(x->arena, x->root, at->token_expires, token->expires);
	return RC_OK;
}

static enum rc
check_count(struct deed *x, enum token_kind kind, uint64_t owner, struct err *err)
{
	const struct attr *attr = x->d->at.token_owner_value;
	struct node value = { .attr = attr, .kind = NODE_VALUE };
	uint64_t rows[TOKENS_MAX + 1];
	int64_t now = x->w->actor.now;
	struct slice key;
	size_t n, live = 0;
	enum rc rc;

	if (!on_platform(x) && x->by != NULL &&
		(rc = limit_require(x->by, LIMIT_TOKENS, rows_count(x->o, TYPE_TOKEN) + 1, err)) != RC_OK)
		return rc;
	if (kind != TOKEN_CONNECTION && kind != TOKEN_PERSONAL)
		return RC_OK;
	value.text = row_id_text(x->arena, x->o, owner);
	if (!index_key_of(x->arena, attr, 0, &value, false, &key))
		return RC_OK;
	for (uint64_t after = 0; (n = index_list(x->o, attr->id, TYPE_TOKEN, key, after, rows, TOKENS_MAX)) > 0;
		after = rows[n - 1])
		for (size_t i = 0; i < n; i++) {
			struct record r;
			int64_t expires;

			if (!record_get(x->o, rows[i], &r))
				continue;
			expires = record_i64(x->d->schema, &r, x->d->at.token_expires, 0);
			live += expires == 0 || expires > now;
		}
	if (live < TOKENS_MAX)
		return RC_OK;
	return fail(err, RC_TOO_MANY, "tokens",
		"there are %zu live tokens already, at most %d are allowed: revoke some", live, TOKENS_MAX);
}

/* ---- Deciding ---- */

static enum rc
find_kind(struct deed *x, size_t *out, struct err *err)
{
	struct slice name = tree_text(x->root, x->d->at.token_kind);

	if (name.len == 0)
		name = on_platform(x) ? SLICE("personal") : SLICE("key");
	for (*out = 0; *out < KINDS; ++*out)
		if (kinds[*out].platform == on_platform(x) && slice_eq(name, slice_of(kinds[*out].name)))
			break;
	if (*out == KINDS)
		return fail(err, RC_INVALID_VALUE, "kind", "kind is %s here",
			on_platform(x) ? "personal, service or operator" : "key or connection");
	tree_set_text(x->arena, x->root, x->d->at.token_kind, slice_of(kinds[*out].name));
	return RC_OK;
}

static enum rc
take_label(const struct deed *x, struct token *token, struct err *err)
{
	struct slice label = tree_text(x->root, x->d->at.token_display);
	enum rc rc = shown_name_require("displayName", label, err);

	if (rc != RC_OK)
		return rc;
	memset(token->label, 0, sizeof(token->label));
	memcpy(token->label, label.p, label.len);
	return RC_OK;
}

static enum rc
check_create(struct deed *x, struct plan *p, struct err *err)
{
	const struct attrs *at = &x->d->at;
	struct connection c;
	uint64_t owner;
	size_t kind;
	enum rc rc;

	p->token = (struct token){ .org = orgtx_org(x->o), .created = x->w->actor.now };
	if ((rc = find_kind(x, &kind, err)) != RC_OK || (rc = find_owner(x, kind, &owner, err)) != RC_OK ||
		(rc = check_maker(x, kind, owner, err)) != RC_OK ||
		(rc = check_organizations(x, kinds[kind].kind, err)) != RC_OK ||
		(rc = check_expires(x, &p->token, err)) != RC_OK ||
		(rc = check_count(x, kinds[kind].kind, owner, err)) != RC_OK ||
		(rc = take_label(x, &p->token, err)) != RC_OK)
		return rc;
	p->token.kind = kinds[kind].kind;
	if (p->token.kind == TOKEN_CONNECTION) {
		if (!connection_of_row(x->d, x->o, owner, &c))
			return fail(err, RC_INTERNAL, "", "the connection of this record is not there");
		p->token.connection = c.no;
	} else {
		p->token.owner = owner;
	}
	token_generate(p->secret, p->token.hash);
	tree_set_i64(x->arena, x->root, at->token_number, orgtx_stat(x->o)->next_token);
	deed_created_by(x, x->root, at->token_by_value, at->token_by_type);
	x->shown = node_copy(x->arena, x->root);
	tree_set_text(x->arena, x->shown, at->token_secret,
		arena_dup(x->arena, (struct slice){ p->secret, TOKEN_TEXT }));
	return RC_OK;
}

bool
token_of_record(const struct directory *d, struct orgtx *o, const struct record *r, struct token *out)
{
	int64_t no = record_i64(d->schema, r, d->at.token_number, 0);

	return no > 0 && no <= UINT32_MAX &&
	       token_next(orgtx_txn(o), orgtx_org(o), (uint32_t)no - 1, out) && out->no == no;
}

static enum rc
check_edit(struct deed *x, struct plan *p, struct err *err)
{
	const struct attrs *at = &x->d->at;
	bool self = x->by != NULL && p->token.kind == TOKEN_KEY && p->token.owner == x->by->member;
	enum rc rc = RC_OK;

	if (!same_list(x, at->token_permissions)) {
		size_t kind = 0;

		while (kinds[kind].kind != p->token.kind)
			kind++;
		rc = p->token.kind == TOKEN_KEY ? check_key_permissions(x, self, err)
						: check_maker(x, kind, p->token.owner, err);
	}
	if (rc == RC_OK && !same_list(x, at->token_organizations)) {
		if (x->by != NULL && !x->by->all)
			return fail(err, RC_FORBIDDEN, "organizations", "the permission \"operator\" is missing: it changes them");
		rc = check_organizations(x, p->token.kind, err);
	}
	if (rc != RC_OK || (rc = require_unlimited(x, err)) != RC_OK ||
		(rc = check_expires(x, &p->token, err)) != RC_OK)
		return rc;
	return take_label(x, &p->token, err);
}

/* Products end tokens of people, not those of operators and of other products. */
static enum rc
check_delete(const struct deed *x, struct err *err)
{
	if (!on_platform(x) || x->by == NULL || x->by->caller != CALLER_SERVICE ||
		slice_eq(record_text(x->d->schema, x->old, x->d->at.token_kind), SLICE("personal")))
		return RC_OK;
	return fail(err, RC_FORBIDDEN, "", "the permission \"operator\" is missing: it ends tokens that are no person's");
}

static enum rc
check(struct deed *x, struct err *err)
{
	struct plan *p = ARENA_NEW(x->arena, struct plan);

	x->plan = p;
	if (x->verb == VERB_CREATE)
		return check_create(x, p, err);
	if (x->verb == VERB_DELETE)
		return check_delete(x, err);
	if (!token_of_record(x->d, x->o, x->old, &p->token))
		return fail(err, RC_INTERNAL, "", "the token of this record is not there");
	return check_edit(x, p, err);
}

static void
apply(struct deed *x, uint64_t revision)
{
	struct plan *p = x->plan;

	(void)revision;
	if (x->verb == VERB_DELETE)
		return; /* deed_erase() takes the store's along */
	p->token.row = x->row;
	token_put(orgtx_txn(x->o), &p->token);
	OPENSSL_cleanse(p->secret, sizeof(p->secret));
}

static void
live(const struct directory *d, struct orgtx *o, struct arena *a, int64_t now, uint64_t row,
	struct record *r)
{
	struct token token;

	(void)now;
	(void)row;
	if (token_of_record(d, o, r, &token) && token.last_used != 0)
		record_overlay_i64(d, a, r, d->at.token_last_used, token.last_used);
}

const struct rules token_rules = { .type = TYPE_TOKEN,
	.own = own,
	.part = part,
	.check = check,
	.apply = apply,
	.live = live };

/* ---- Rotation ---- */

/* In an org making the new one asks for the same permission. */
static enum rc
require_rotate(const struct deed *x, uint64_t row, const struct record *old, struct err *err)
{
	struct subject by;
	enum rc rc;

	if (x->w->caller == NULL || !on_platform(x))
		return RC_OK;
	rc = subject_load(x->d, x->o, x->arena, x->w->caller, x->w->actor.now, &by, err);
	return rc != RC_OK ? rc
			   : platform_require(&by, TYPE_TOKEN, VERB_ACTION, SLICE("rotate"), row, old, err);
}

enum rc
token_rotate(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	uint64_t row, struct token_rotation *r, struct written *out, struct err *err)
{
	struct deed x = { .d = d, .o = o, .w = w, .arena = a };
	const struct resource_type *type = schema_type(d->schema, TYPE_TOKEN);
	struct resource_in in = { .root = NULL };
	struct uuid id = id_new();
	struct record old, fresh;
	struct token token;
	uint64_t revision;
	struct node *tree;
	enum rc rc;

	if (row_type(row) != TYPE_TOKEN || !record_get(o, row, &old) ||
		!token_of_record(d, o, &old, &token))
		return fail(err, RC_NOT_FOUND, "", "there is no such token");
	if ((rc = require_rotate(&x, row, &old, err)) != RC_OK)
		return rc;
	in.root = deed_tree(&x, &old);
	tree = deed_tree(&x, &old);
	tree_clear(in.root, d->at.token_expires);
	if (r->expires != 0)
		tree_set_i64(a, in.root, d->at.token_expires, r->expires);
	if (r->label.len > 0)
		tree_set_text(a, in.root, d->at.token_display, r->label);
	if ((rc = resource_create(d, o, w, a, type, &id, &in, out, err)) != RC_OK)
		return rc;
	if (!record_parse(d->schema, out->packed, &fresh) || !token_of_record(d, o, &fresh, &r->token))
		return fail(err, RC_INTERNAL, "", "the token could not be made");
	memset(r->secret, 0, sizeof(r->secret));
	memcpy(r->secret, record_text(d->schema, &fresh, d->at.token_secret).p, TOKEN_TEXT);
	if (token.expires != 0 && token.expires <= r->old_until)
		return RC_OK;
	token.expires = r->old_until;
	tree_set_i64(a, tree, d->at.token_expires, token.expires);
	revision = change_begin(o, &w->actor);
	deed_replace(&x, row, tree, revision);
	token_put(orgtx_txn(o), &token);
	change_end(o);
	return RC_OK;
}
