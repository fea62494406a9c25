#include "daemon/directory/invitation.h"

#include <openssl/crypto.h>

#include "daemon/directory/form.h"
#include "daemon/directory/link.h"
#include "daemon/directory/organization.h"
#include "schema/text.h"

#include "base/banned.h"

static const int64_t SECOND = 10000000; /* ticks */

/* ---- State ---- */

struct slice
invitation_status(const struct directory *d, const struct record *r, int64_t now)
{
	struct slice status = record_text(d->schema, r, d->at.invitation_status);

	if (slice_eq(status, SLICE("pending")) &&
		record_i64(d->schema, r, d->at.invitation_expires, INT64_MAX) <= now)
		return SLICE("expired");
	return status;
}

enum rc
invitation_require_pending(const struct directory *d, const struct record *r, int64_t now, struct err *err)
{
	struct slice status = invitation_status(d, r, now);

	if (slice_eq(status, SLICE("pending")))
		return RC_OK;
	if (slice_eq(status, SLICE("expired")))
		return fail(err, RC_CONFLICT, "status", "the invitation has expired; it can be sent again");
	if (slice_eq(status, SLICE("accepted")) &&
		slice_eq(record_text(d->schema, r, d->at.invitation_kind), SLICE("link")))
		return fail(err, RC_CONFLICT, "status",
			"the link was used as often as it may be; it can be handed out again");
	return fail(err, RC_CONFLICT, "status", "the invitation was %.*s%s", SLICE_ARG(status),
		slice_eq(status, SLICE("accepted")) ? " already" : "; it can be sent again");
}

/* ---- What it carries ---- */

static bool
is_link(const struct directory *d, const struct node *root)
{
	return slice_eq(tree_text(root, d->at.invitation_kind), SLICE("link"));
}

static enum rc
row_of(const struct subject *by, struct slice text, uint64_t *row, const char *path, struct err *err)
{
	struct uuid id;

	if (uuid_parse(text, &id) && row_by_id(by->o, &id, row))
		return RC_OK;
	return fail(err, RC_INVALID_VALUE, path, "there is nothing with the id \"%.*s\" in this org",
		SLICE_ARG(slice_clip(text, 64)));
}

static enum rc
may_give_all_of(const struct subject *by, uint64_t team, struct err *err)
{
	struct assignment *list;
	size_t n = assignments_of(by->d, by->o, by->arena, team, &list);

	for (size_t i = 0; i < n; i++) {
		enum rc rc = subject_may_give(by, list[i].role, list[i].scope, err);

		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

/* Who comes into a team gets its role, and what it and the teams around it hold. */
static enum rc
may_bring_in(const struct subject *by, uint64_t team, struct err *err)
{
	const struct model_role *role = by->model->by_default[SCOPE_TEAM];
	struct membership *around;
	size_t n;
	enum rc rc;

	if (by->all)
		return RC_OK;
	if ((rc = operation_ask(by, TYPE_GROUP, VERB_EDIT, "members", team, err)) != RC_OK ||
		(role != NULL && (rc = subject_may_give(by, role->path, team, err)) != RC_OK) ||
		(rc = may_give_all_of(by, team, err)) != RC_OK)
		return rc;
	n = membership_list(by->o, by->arena, team, &around);
	for (size_t i = 0; i < n; i++)
		if ((rc = may_give_all_of(by, around[i].group, err)) != RC_OK)
			return rc;
	return RC_OK;
}

static enum rc
check_teams(const struct subject *by, const struct node *root, struct err *err)
{
	const struct attrs *at = &by->d->at;
	const struct node *list = node_child(root, at->invitation_teams);

	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
		uint64_t team;
		enum rc rc = row_of(by, tree_text(e, at->invitation_team), &team, "teams", err);

		if (rc == RC_OK && row_type(team) != TYPE_GROUP)
			rc = fail(err, RC_INVALID_VALUE, "teams", "must name teams of this org");
		if (rc != RC_OK || (rc = may_bring_in(by, team, err)) != RC_OK)
			return rc;
	}
	return RC_OK;
}

static enum rc
check_access(const struct subject *by, const struct node *root, struct err *err)
{
	const struct attrs *at = &by->d->at;
	const struct node *list = node_child(root, at->invitation_access);

	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
		struct slice path = tree_text(e, at->invitation_access_role);
		struct role_found found;
		uint64_t scope;
		enum rc rc;

		if ((rc = row_of(by, tree_text(e, at->invitation_access_value), &scope, "access", err)) != RC_OK ||
			(rc = role_find(by->d, by->o, by->arena, by->model, path, &found, err)) != RC_OK)
			return rc;
		if (found.scope == SCOPE_ORG || scope_kind_of(scope) != found.scope)
			return fail(err, RC_INVALID_VALUE, "access",
				"the role \"%.*s\" is held in a %s, and that is not what the id names",
				SLICE_ARG(slice_clip(path, 80)), scope_kind_name(found.scope));
		if ((found.scope == SCOPE_TEAM && (rc = may_bring_in(by, scope, err)) != RC_OK) ||
			(rc = subject_may_give(by, path, scope, err)) != RC_OK)
			return rc;
	}
	return RC_OK;
}

/* Those of the model into out, which has room; of the org's own the rights are asked at once. */
static enum rc
read_assignments(const struct subject *by, const struct node *list, const struct model_role **out,
	size_t *n, struct err *err)
{
	*n = 0;
	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
		struct role_found found;
		enum rc rc = role_find(by->d, by->o, by->arena, by->model, e->text, &found, err);

		if (rc != RC_OK)
			return rc;
		if (found.scope != SCOPE_ORG || (found.role != NULL && !found.role->assignment))
			return fail(err, RC_INVALID_VALUE, "assignments", "\"%.*s\" is no assignment",
				SLICE_ARG(slice_clip(e->text, 80)));
		if (found.role != NULL)
			out[(*n)++] = found.role;
		else if ((rc = subject_may_give(by, e->text, 0, err)) != RC_OK)
			return rc;
	}
	return RC_OK;
}

static size_t
children(const struct node *list)
{
	size_t n = 0;

	for (const struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
		n++;
	return n;
}

/* The role in the org, and the assignments: to invite is the right to give what one manages. */
static enum rc
check_roles(const struct subject *by, const struct node *root, const struct model_role **role, struct err *err)
{
	const struct attrs *at = &by->d->at;
	const struct node *list = node_child(root, at->invitation_assignments);
	const struct model_role **given = ARENA_ARRAY(by->arena, const struct model_role *, children(list) + 1);
	struct slice path = tree_text(root, at->invitation_role);
	struct model_subject ms;
	size_t n;
	enum rc rc;

	*role = path.len > 0 ? model_role_by_path(by->model, path) : NULL;
	if (path.len > 0 && (*role == NULL || (*role)->scope != SCOPE_ORG || (*role)->assignment))
		return fail(err, RC_INVALID_VALUE, "role", "\"%.*s\" is no role of members of this org",
			SLICE_ARG(slice_clip(path, 80)));
	if ((rc = read_assignments(by, list, given, &n, err)) != RC_OK ||
		(rc = invitation_fits(by->model, is_link(by->d, root) ? INVITE_BY_LINK : INVITE_BY_EMAIL,
			 role, given, n, err)) != RC_OK || by->all)
		return rc;
	ms = subject_seen_from(by, 0);
	if ((rc = model_may_give(&ms, *role, err)) != RC_OK)
		return rc;
	for (size_t i = 0; i < n; i++)
		if ((rc = model_may_give(&ms, given[i], err)) != RC_OK)
			return rc;
	return RC_OK;
}

enum rc
invitation_presets(const struct subject *by, const struct node *root, const struct model_role **role,
	struct err *err)
{
	enum rc rc;

	if ((rc = check_roles(by, root, role, err)) != RC_OK ||
		(rc = check_teams(by, root, err)) != RC_OK)
		return rc;
	return check_access(by, root, err);
}

/* ---- To whom ---- */

/* Whether the org has verified the domain. */
static bool
has_domain(const struct subject *by, struct slice domain)
{
	const struct attrs *at = &by->d->at;
	const struct node *root, *list;
	struct record r;
	uint64_t row;

	if (domain.len == 0 || (row = settings_row(by->o)) == 0 ||
		!record_get(by->o, row, &r) ||
		(root = record_unpack(by->arena, by->d->schema, &r, 0)) == NULL ||
		(list = node_child(root, at->settings_domains)) == NULL)
		return false;
	for (const struct node *e = list->child; e != NULL; e = e->next)
		if (tree_bool(e, at->settings_domain_verified, false) &&
			slice_caseeq(tree_text(e, at->settings_domain), domain))
			return true;
	return false;
}

enum rc
invitation_require_inside(const struct subject *by, struct slice address, struct err *err)
{
	if (by->org.external_invitations || has_domain(by, address_domain(by->arena, address)))
		return RC_OK;
	return fail(err, RC_CONFLICT, "address",
		"\"%.*s\" is of no verified domain of the org, and its setting externalInvitations is off",
		SLICE_ARG(slice_clip(address, 100)));
}

static bool
is_linked(const struct directory *d, const struct record *member)
{
	return record_text(d->schema, member, d->at.user_person_value).len > 0 &&
	       slice_eq(record_text(d->schema, member, d->at.user_link_state), SLICE("linked"));
}

static enum rc
check_no_member(const struct subject *by, struct slice address, struct err *err)
{
	const struct directory *d = by->d;
	struct node value = { .attr = d->at.user_email, .kind = NODE_VALUE, .text = address };
	struct orgtx *home = orgtx_open(orgtx_txn(by->o), ORG_PLATFORM);
	uint64_t rows[16], person = person_with(d, orgtx_txn(by->o), by->arena, address);
	bool member = person != 0 && by->org.row != 0 && edge_has(home, by->org.row, person);
	struct slice key;
	size_t n = 0;

	if (!member && index_key_of(by->arena, value.attr, 0, &value, false, &key))
		n = index_list(by->o, value.attr->id, TYPE_USER, key, 0, rows, 16);
	for (size_t i = 0; i < n && !member; i++) {
		struct record r;

		member = record_get(by->o, rows[i], &r) && is_linked(d, &r);
	}
	if (!member)
		return RC_OK;
	return fail(err, RC_CONFLICT, "address", "\"%.*s\" is the address of a member already",
		SLICE_ARG(slice_clip(address, 100)));
}

static enum rc
check_not_invited(const struct subject *by, struct slice address, uint64_t self, int64_t now, struct err *err)
{
	enum { STEP = 32 };
	const struct directory *d = by->d;
	struct node value = { .attr = d->at.invitation_address, .kind = NODE_VALUE, .text = address };
	uint64_t rows[STEP], after = 0;
	struct slice key;
	size_t n;

	if (!index_key_of(by->arena, value.attr, 0, &value, false, &key))
		return RC_OK;
	while ((n = index_list(by->o, value.attr->id, TYPE_INVITATION, key, after, rows, STEP)) > 0) {
		for (size_t i = 0; i < n; i++) {
			char id[UUID_TEXT];
			struct record r;

			if (rows[i] == self || !record_get(by->o, rows[i], &r) ||
				!slice_eq(invitation_status(d, &r, now), SLICE("pending")))
				continue;
			uuid_format(&r.id, id);
			return fail(err, RC_CONFLICT, "address",
				"\"%.*s\" is invited already, by the invitation %.*s: send that one again",
				SLICE_ARG(slice_clip(address, 100)), UUID_TEXT, id);
		}
		after = rows[n - 1];
	}
	return RC_OK;
}

static enum rc
check_address(struct deed *x, struct err *err)
{
	struct slice address = tree_text(x->root, x->d->at.invitation_address);
	enum rc rc;

	if ((rc = invitation_require_inside(x->by, address, err)) != RC_OK ||
		(rc = check_no_member(x->by, address, err)) != RC_OK ||
		(rc = check_not_invited(x->by, address, x->row, x->w->actor.now, err)) != RC_OK)
		return rc;
	return seat_require(x->by, x->w->actor.now, x->row, err);
}

/* ---- Handing out ---- */

static void
hash_text(struct slice secret, char out[2 * TOKEN_HASH + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t hash[TOKEN_HASH];

	token_hash(secret, hash);
	for (size_t i = 0; i < TOKEN_HASH; i++) {
		out[2 * i] = digits[hash[i] >> 4];
		out[2 * i + 1] = digits[hash[i] & 15];
	}
	out[2 * (size_t)TOKEN_HASH] = '\0';
}

static void
make_secret(struct deed *x, struct offer *out)
{
	char text[TOKEN_TEXT + 1], hex[2 * TOKEN_HASH + 1];
	uint8_t hash[TOKEN_HASH];
	struct slice secret = { text + TOKEN_TEXT - INVITE_SECRET, INVITE_SECRET };

	token_generate(text, hash);
	hash_text(secret, hex);
	out->url = slice_of(arena_printf(x->arena, "%.*s/invitations/%.*s", SLICE_ARG(x->w->site),
		SLICE_ARG(secret)));
	tree_set_text(x->arena, x->root, x->d->at.invitation_token_hash,
		arena_dup(x->arena, slice_of(hex)));
	explicit_bzero(text, sizeof(text));
}

/* A name as a mail takes it: one line, without marks that change what is seen of it. */
static struct slice
one_line(struct arena *a, struct slice s, size_t max)
{
	char *p = arena_alloc(a, s.len + 1);
	size_t n = 0;

	s = slice_clip(s, max);
	for (size_t i = 0; i < s.len; i++) {
		const unsigned char *c = (const unsigned char *)s.p + i;
		bool mark = s.len - i >= 3 && c[0] == 0xe2 &&
			((c[1] == 0x80 && c[2] >= 0xa8 && c[2] <= 0xae) ||
				(c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));

		if (mark || (s.len - i >= 2 && c[0] == 0xc2 && c[1] < 0xa0))
			i += mark ? 2 : 1;
		else
			p[n++] = *c < 0x20 || *c == 0x7f ? ' ' : s.p[i];
	}
	return slice_trim((struct slice){ p, n });
}

static enum rc
make_letter(struct deed *x, struct offer *out, struct err *err)
{
	const struct attrs *at = &x->d->at;
	struct slice name = slice_of(x->by->org.name), inviter = tree_text(x->root, at->invitation_inviter_display);
	const struct node *expires = tree_value(x->root, at->invitation_expires);
	struct mail_invitation in = { .accept_url = out->url,
		.expires = expires != NULL ? expires->ticks : 0 };
	enum rc rc;

	in.org = one_line(x->arena, name, MAIL_NAME_MAX);
	if (in.org.len == 0)
		in.org = slice_of(x->by->org.key);
	in.inviter = one_line(x->arena, inviter, MAIL_NAME_MAX);
	if (in.inviter.len == 0)
		in.inviter = in.org;
	in.role = one_line(x->arena, out->role->title.len > 0 ? out->role->title : out->role->name, MAIL_NAME_MAX);
	in.message = one_line(x->arena, tree_text(x->root, at->invitation_message), MAIL_MESSAGE_MAX);
	in.org = arena_dup(x->arena, in.org);
	in.decline_url = slice_of(arena_printf(x->arena, "%.*s/decline", SLICE_ARG(out->url)));
	out->letter = ARENA_NEW(x->arena, struct mail);
	rc = mail_render_invitation(x->arena, &in, out->letter, err);
	return rc != RC_OK ? rc
			   : letter_seal(x->d->seal, orgtx_org(x->o), x->arena, out->letter, err);
}

/* Who hands it out answers for what it carries: their rights are asked again when it is accepted. */
static void
set_inviter(struct deed *x)
{
	const struct attrs *at = &x->d->at;
	struct record r;

	tree_clear(x->root, at->invitation_inviter);
	if (x->by->member == 0 || !record_get(x->o, x->by->member, &r))
		return;
	tree_set_text(x->arena, x->root, at->invitation_inviter_value, id_text(x->arena, &r.id));
	tree_set_text(x->arena, x->root, at->invitation_inviter_type, SLICE("User"));
	tree_set_text(x->arena, x->root, at->invitation_inviter_display, arena_dup(x->arena, display_of(x->d, &r)));
}

static enum rc
check_expires(struct deed *x, bool link, struct err *err)
{
	const struct attr *attr = x->d->at.invitation_expires;
	const struct node *n = tree_value(x->root, attr);
	uint32_t normal = x->by->model->invitations[link ? INVITE_BY_LINK : INVITE_BY_EMAIL].expires;

	if (n != NULL && n->ticks <= x->w->actor.now)
		return fail(err, RC_INVALID_VALUE, "expires", "must be in the future");
	if (n == NULL && normal > 0)
		tree_set_i64(x->arena, x->root, attr, x->w->actor.now + (int64_t)normal * SECOND);
	return RC_OK;
}

/* Attributes that only one of the two sorts has. */
static enum rc
check_sort(struct deed *x, bool link, struct err *err)
{
	const struct attrs *at = &x->d->at;
	const struct node *most = tree_value(x->root, at->invitation_max_uses);

	if (x->by->org.kind == ORG_PERSONAL)
		return fail(err, RC_CONFLICT, "", "a personal org has one member, always: nobody can be invited");
	if (!link && most != NULL)
		return fail(err, RC_INVALID_VALUE, "maxUses", "is for links");
	if (most != NULL && most->integer < 1)
		return fail(err, RC_INVALID_VALUE, "maxUses", "must be 1 or more");
	return RC_OK;
}

static void
fill_types(struct deed *x)
{
	const struct attrs *at = &x->d->at;
	struct node *list = node_child(x->root, at->invitation_access);

	for (struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next) {
		struct uuid id;
		uint64_t row;

		if (uuid_parse(tree_text(e, at->invitation_access_value), &id) && row_by_id(x->o, &id, &row))
			tree_set_text(x->arena, e, at->invitation_access_type,
				schema_type(x->d->schema, row_type(row))->name);
	}
}

enum rc
offer_check_form(struct deed *x, bool link, struct err *err)
{
	enum rc rc = check_sort(x, link, err);

	return rc != RC_OK ? rc : check_expires(x, link, err);
}

void
offer_fill(struct deed *x, const struct model_role *role)
{
	tree_set_text(x->arena, x->root, x->d->at.invitation_role, role->path);
	fill_types(x);
	set_inviter(x);
}

enum rc
offer_check(struct deed *x, struct offer *out, struct err *err)
{
	const struct attrs *at = &x->d->at;
	int64_t now = x->w->actor.now;
	enum rc rc;

	*out = (struct offer){ .link = is_link(x->d, x->root) };
	out->mailed = !out->link && x->d->mail;
	if ((rc = offer_check_form(x, out->link, err)) != RC_OK ||
		(rc = invitation_presets(x->by, x->root, &out->role, err)) != RC_OK ||
		(!out->link && (rc = check_address(x, err)) != RC_OK) ||
		(rc = limit_require(x->by, LIMIT_INVITATIONS,
			 pending_invitations(x->d, x->o, x->arena, now, x->row).all + 1, err)) != RC_OK)
		return rc;
	tree_set_text(x->arena, x->root, at->invitation_status, SLICE("pending"));
	offer_fill(x, out->role);
	make_secret(x, out);
	if (out->mailed && (rc = make_letter(x, out, err)) != RC_OK)
		return rc;
	if (out->mailed)
		tree_set_i64(x->arena, x->root, at->invitation_sent, now);
	else
		tree_clear(x->root, at->invitation_sent);
	if (!out->mailed) {
		x->shown = node_copy(x->arena, x->root);
		tree_set_text(x->arena, x->shown, at->invitation_link, out->url);
	}
	return RC_OK;
}

void
offer_put(struct deed *x, const struct offer *offer)
{
	struct txn *t = orgtx_txn(x->o);
	struct outbox_entry e = { .org = orgtx_org(x->o), .kind = OUTBOX_INVITATION, .about = x->id,
		.created = x->w->actor.now };

	(void)outbox_cancel(t, e.org, &x->id); /* an older link of it is dead */
	if (!offer->mailed)
		return;
	e.to = tree_text(x->root, x->d->at.invitation_address);
	e.subject = offer->letter->subject;
	e.text = offer->letter->text;
	e.html = offer->letter->html;
	outbox_put(t, &e);
}

/* ---- The platform's copy ---- */

static struct node *
copy_tree(struct deed *x)
{
	const struct attrs *at = &x->d->at;
	const struct attr *const same[] = { at->invitation_kind, at->invitation_address,
		at->invitation_role, at->invitation_message, at->invitation_expires,
		at->invitation_status, at->invitation_sent, at->invitation_answered,
		at->invitation_uses, at->invitation_max_uses, at->invitation_token_hash };
	struct node *root = node_new(x->arena, x->root->attr, NODE_OBJECT);
	struct txn *t = orgtx_txn(x->o);
	struct org org;

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		const struct node *n = node_child(x->root, same[i]);

		if (n != NULL)
			node_insert(root, node_copy(x->arena, n));
	}
	tree_set_text(x->arena, root, at->invitation_inviter_display,
		tree_text(x->root, at->invitation_inviter_display));
	tree_set_i64(x->arena, root, at->invitation_org_number, orgtx_org(x->o));
	if (org_by_no(t, orgtx_org(x->o), &org))
		tree_set_text(x->arena, root, at->invitation_org_value,
			row_id_text(x->arena, orgtx_open(t, ORG_PLATFORM), org.row));
	return root;
}

void
invitation_mirror_put(struct deed *x, struct deed *home, uint64_t revision)
{
	struct node *root = copy_tree(x);
	uint64_t row;

	if (row_by_id(home->o, &x->id, &row) && row_type(row) == TYPE_INVITATION)
		deed_replace(home, row, root, revision);
	else
		(void)deed_create_as(home, TYPE_INVITATION, &x->id, root, revision);
}

/* Numbers of connections and tokens are the org's own: they mean nothing on the platform. */
static struct writer
writer_at_home(const struct writer *w)
{
	struct writer home = *w;

	home.actor.connection = 0;
	if (w->caller == NULL || w->caller->token_org != ORG_PLATFORM)
		home.actor.token = 0;
	return home;
}

void
invitation_mirror(struct deed *x)
{
	struct writer w = writer_at_home(x->w);
	struct deed home = *x;

	home.w = &w;
	home.o = orgtx_open(orgtx_txn(x->o), ORG_PLATFORM);
	invitation_mirror_put(x, &home, change_begin(home.o, &w.actor));
	change_end(home.o);
}

void
invitation_mirror_drop(struct deed *x)
{
	struct orgtx *home = orgtx_open(orgtx_txn(x->o), ORG_PLATFORM);
	struct writer w = writer_at_home(x->w);
	uint64_t row;

	if (!row_by_id(home, &x->id, &row) || row_type(row) != TYPE_INVITATION)
		return;
	(void)change_begin(home, &w.actor);
	(void)record_delete(home, row);
	change_end(home);
}

void
invitations_forget(const struct directory *d, struct txn *t, struct arena *a, uint32_t org,
	const struct actor *actor)
{
	enum { STEP = 64 };
	struct node value = { .attr = d->at.invitation_org_number, .kind = NODE_VALUE, .integer = org };
	struct orgtx *home = orgtx_open(t, ORG_PLATFORM);
	uint64_t rows[STEP];
	struct slice key;
	size_t n;

	if (!index_key_of(a, value.attr, 0, &value, false, &key))
		return;
	(void)change_begin(home, actor);
	while ((n = index_list(home, value.attr->id, TYPE_INVITATION, key, 0, rows, STEP)) > 0 &&
		txn_rc(t) == RC_OK)
		for (size_t i = 0; i < n; i++)
			(void)record_delete(home, rows[i]);
	change_end(home);
}

/* ---- By who may, in the org ---- */

static enum rc
act_begin(struct deed *x, const struct uuid *id, const char *part, struct err *err)
{
	struct subject *by = ARENA_NEW(x->arena, struct subject);
	struct record *old = ARENA_NEW(x->arena, struct record);
	bool own;
	enum rc rc;

	if ((rc = subject_load(x->d, x->o, x->arena, x->w->caller, x->w->actor.now, by, err)) != RC_OK ||
		(rc = resource_find(x->o, x->type, id, &x->row, old, err)) != RC_OK)
		return rc;
	old->fields = arena_dup(x->arena, old->fields);
	x->by = by;
	x->id = *id;
	x->old = old;
	x->root = record_unpack(x->arena, x->d->schema, old, 0);
	if (x->root == NULL)
		return fail(err, RC_INTERNAL, "", "the stored invitation is damaged");
	own = rules_of(TYPE_INVITATION)->own(by, x->row, old);
	return operation_require(by, operation_find(TYPE_INVITATION, VERB_ACTION, slice_of(part)), 0, own, err);
}

static void
act_end(struct deed *x, const struct offer *offer, struct written *out)
{
	uint64_t revision = change_begin(x->o, &x->w->actor);
	struct buf b = BUF_INIT;
	struct record r;

	deed_replace(x, x->row, x->root, revision);
	if (offer != NULL)
		offer_put(x, offer);
	else
		(void)outbox_cancel(orgtx_txn(x->o), orgtx_org(x->o), &x->id);
	change_end(x->o);
	invitation_mirror(x);
	*out = (struct written){ .row = x->row };
	if (!record_get(x->o, x->row, &r))
		return;
	record_pack(&b, x->d->schema, &r, x->shown != NULL ? x->shown : x->root, 0, NULL);
	out->packed = arena_dup(x->arena, buf_as_slice(&b));
	buf_release(&b);
}

enum rc
invitation_resend(const struct directory *d, struct orgtx *o, const struct writer *w,
	struct arena *a, const struct uuid *id, struct written *out, struct err *err)
{
	struct writer mine = *w;
	struct deed x = { .d = d, .o = o, .w = &mine, .arena = a, .verb = VERB_ACTION,
		.type = schema_type(d->schema, TYPE_INVITATION) };
	struct offer offer;
	enum rc rc;

	mine.actor.action = "invitation.resend";
	if ((rc = act_begin(&x, id, "resend", err)) != RC_OK)
		return rc;
	if (slice_eq(tree_text(x.root, d->at.invitation_status), SLICE("accepted")) && !is_link(d, x.root))
		return fail(err, RC_CONFLICT, "status", "the invitation was accepted already");
	tree_clear(x.root, d->at.invitation_expires); /* as long as a new one */
	tree_clear(x.root, d->at.invitation_answered);
	tree_clear(x.root, d->at.invitation_uses);
	if ((rc = offer_check(&x, &offer, err)) != RC_OK)
		return rc;
	act_end(&x, &offer, out);
	return RC_OK;
}

enum rc
invitation_revoke(const struct directory *d, struct orgtx *o, const struct writer *w,
	struct arena *a, const struct uuid *id, struct written *out, struct err *err)
{
	struct writer mine = *w;
	struct deed x = { .d = d, .o = o, .w = &mine, .arena = a, .verb = VERB_ACTION,
		.type = schema_type(d->schema, TYPE_INVITATION) };
	enum rc rc;

	mine.actor.action = "invitation.revoke";
	if ((rc = act_begin(&x, id, "revoke", err)) != RC_OK)
		return rc;
	if (slice_eq(tree_text(x.root, d->at.invitation_status), SLICE("accepted")))
		return fail(err, RC_CONFLICT, "status", "the invitation was accepted already");
	tree_set_text(a, x.root, d->at.invitation_status, SLICE("revoked"));
	tree_set_i64(a, x.root, d->at.invitation_answered, w->actor.now);
	act_end(&x, NULL, out);
	return RC_OK;
}

/* ---- Links ---- */

enum rc
invitation_by_secret(const struct directory *d, struct txn *t, struct arena *a, struct slice secret,
	uint64_t *copy, struct err *err)
{
	struct node value = { .attr = d->at.invitation_token_hash, .kind = NODE_VALUE };
	char hex[2 * TOKEN_HASH + 1];
	struct slice key;

	hash_text(secret, hex);
	value.text = slice_of(hex);
	if (secret.len == INVITE_SECRET && index_key_of(a, value.attr, 0, &value, false, &key) &&
		index_list(orgtx_open(t, ORG_PLATFORM), value.attr->id, TYPE_INVITATION, key, 0, copy, 1) == 1)
		return RC_OK;
	return fail(err, RC_NOT_FOUND, "", "there is no such invitation: the link is not whole, or was "
		"replaced by a newer one, or the invitation was removed");
}

enum rc
invitation_tell(const struct directory *d, struct txn *t, struct arena *a, uint64_t copy, int64_t now,
	struct invitation_facts *out, struct err *err)
{
	const struct attrs *at = &d->at;
	struct org *org = ARENA_NEW(a, struct org);
	const struct model_role *role;
	const struct model *m;
	struct slice path;
	struct record r;

	if (!record_get(orgtx_open(t, ORG_PLATFORM), copy, &r) ||
		!org_by_no(t, (uint32_t)record_i64(d->schema, &r, at->invitation_org_number, 0), org) ||
		(org->state != ORG_ACTIVE && org->state != ORG_SUSPENDED))
		return fail(err, RC_NOT_FOUND, "", "the org of this invitation is not there any more");
	path = record_text(d->schema, &r, at->invitation_role);
	m = org->model[0] != '\0' ? model_by_name(d->models, slice_of(org->model)) : d->models->models[0];
	role = m != NULL ? model_role_by_path(m, path) : NULL;
	*out = (struct invitation_facts){ .org_key = slice_of(org->key),
		.org_name = slice_of(org->name[0] != '\0' ? org->name : org->key),
		.inviter = record_text(d->schema, &r, at->invitation_inviter_display),
		.role = role != NULL && role->title.len > 0 ? role->title : path,
		.kind = record_text(d->schema, &r, at->invitation_kind),
		.message = record_text(d->schema, &r, at->invitation_message),
		.status = invitation_status(d, &r, now),
		.expires = record_i64(d->schema, &r, at->invitation_expires, 0) };
	return RC_OK;
}
