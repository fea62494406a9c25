/* Actions on members, settings and the org's model: decoded here, decided in directory/. */
#include "daemon/directory/form.h"
#include "daemon/directory/link.h"
#include "daemon/directory/migrate.h"
#include "daemon/directory/org_roles.h"
#include "daemon/directory/organization.h"
#include "daemon/directory/platform.h"
#include "daemon/dns_txt.h"
#include "daemon/scim/acts.h"
#include "daemon/scim/way.h"

#include "base/banned.h"

/* What all of them carry; each uses its part. */
struct act {
	struct write write; /* must stay first */
	struct uuid id;     /* of the resource in the path */
	struct uuid other;  /* that the body names */
	struct uuid from;
	bool has_from, decoded;
	struct slice text;      /* a domain, a key, an origin's type */
	struct slice challenge; /* or an origin's value */
	struct migration migration;
	struct migration_plan plan;
	struct written written;
	uint64_t after, next; /* how far a sweep over the members came, before and with this commit */
};

static enum rc
text_of(const json_t *body, const char *name, struct slice *out, struct err *err)
{
	json_t *value = json_member(body, name);

	if (value == NULL || !json_is_string(value) || json_string_length(value) == 0)
		return fail(err, RC_INVALID_VALUE, name, "must be there, as a text");
	*out = json_text(value);
	return RC_OK;
}

static enum rc
id_of(const json_t *body, const char *name, struct uuid *out, struct err *err)
{
	struct slice text;
	enum rc rc = text_of(body, name, &text, err);

	if (rc != RC_OK)
		return rc;
	return uuid_parse(text, out) ? RC_OK : fail(err, RC_INVALID_VALUE, name, "is no id");
}

static void
start(struct request *rq, enum rc (*prepare)(struct write *, bool, bool *, struct err *),
	enum rc (*run)(struct write *, struct orgtx *, struct err *), void (*reply)(struct write *))
{
	struct act *act = ARENA_NEW(rq->arena, struct act);
	struct err err;
	enum rc rc;

	act->write.prepare = prepare;
	act->write.run = run;
	act->write.reply = reply;
	if (rq->path == PATH_ACTION && !uuid_parse(rq->name, &act->id)) {
		rc = fail(&err, RC_NOT_FOUND, "", "there is no %.*s with this id", SLICE_ARG(rq->type->name));
		reply_error(rq, rc, &err);
		return;
	}
	write_start(rq, &act->write);
}

static enum rc
begin(struct write *w, json_t **body, bool *needs_slow, struct err *err)
{
	*needs_slow = false;
	return action_body(w->rq, body, err);
}

/* The resource of the path, as it is now. */
static void
reply_row(struct write *w)
{
	struct act *act = (struct act *)w;

	reply_resource(w->rq, 200, act->written.row, (struct slice){ NULL, 0 },
		&w->rq->scim->by_default[w->rq->type->code]);
}

/* ---- Users: .link, .unlink ---- */

static enum rc
link_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	struct act *act = (struct act *)w;
	json_t *body;
	enum rc rc = begin(w, &body, needs_slow, err);

	(void)slow;
	return rc != RC_OK ? rc : id_of(body, "person", &act->other, err);
}

static enum rc
link_run(struct write *w, struct orgtx *o, struct err *err)
{
	struct act *act = (struct act *)w;
	struct writer writer = writer_of(w->rq, o);

	return link_set(&w->rq->scim->directory, o, &writer, w->rq->arena, &act->id, &act->other,
		&act->written, err);
}

static enum rc
nothing_to_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	json_t *body;

	(void)slow;
	return begin(w, &body, needs_slow, err);
}

static enum rc
unlink_run(struct write *w, struct orgtx *o, struct err *err)
{
	struct act *act = (struct act *)w;
	struct writer writer = writer_of(w->rq, o);

	return link_set(&w->rq->scim->directory, o, &writer, w->rq->arena, &act->id, NULL, &act->written,
		err);
}

void
act_link(struct request *rq)
{
	start(rq, link_prepare, link_run, reply_row);
}

void
act_unlink(struct request *rq)
{
	start(rq, nothing_to_prepare, unlink_run, reply_row);
}

/* ---- Assignments: .withdraw ---- */

static enum rc
withdraw_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	struct act *act = (struct act *)w;
	json_t *body, *value;
	enum rc rc = begin(w, &body, needs_slow, err);

	(void)slow;
	if (rc != RC_OK)
		return rc;
	value = json_member(body, "value");
	if (value != NULL && !json_is_string(value))
		return fail(err, RC_INVALID_VALUE, "value", "must be a text");
	if (value != NULL)
		act->challenge = json_text(value);
	return text_of(body, "type", &act->text, err);
}

static enum rc
withdraw_run(struct write *w, struct orgtx *o, struct err *err)
{
	struct act *act = (struct act *)w;
	struct writer writer = writer_of(w->rq, o);

	return assignment_withdraw(&w->rq->scim->directory, o, &writer, w->rq->arena, &act->id, act->text,
		act->challenge, &act->written, err);
}

/* The assignment with the origins that are left, or 204 when it ended. */
static void
withdraw_reply(struct write *w)
{
	struct act *act = (struct act *)w;

	if (act->written.row == 0)
		reply_no_content(w->rq, 0);
	else
		reply_row(w);
}

void
act_withdraw(struct request *rq)
{
	start(rq, withdraw_prepare, withdraw_run, withdraw_reply);
}

/* ---- Organizations: .claim, .transfer, .migrate ---- */

static enum rc
claim_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	struct act *act = (struct act *)w;
	json_t *body;
	enum rc rc = begin(w, &body, needs_slow, err);

	(void)slow;
	return rc != RC_OK ? rc : text_of(body, "key", &act->text, err);
}

static enum rc
claim_run(struct write *w, struct orgtx *platform, struct err *err)
{
	struct act *act = (struct act *)w;
	struct txn *t = orgtx_txn(platform);
	struct writer writer = writer_of(w->rq, platform);
	struct subject by;
	struct org org;
	uint64_t member;
	enum rc rc;

	if ((rc = subject_load(&w->rq->scim->directory, platform, w->rq->arena, &w->rq->caller, w->rq->now, &by,
		     err)) != RC_OK ||
		(rc = platform_require_person(&by, TYPE_USER, "claim", err)) != RC_OK)
		return rc;
	if (!org_by_key(t, act->text, &org) || org.state != ORG_ACTIVE)
		return fail(err, RC_NOT_FOUND, "",
			"this org has no member who waits for one of your verified addresses");
	rc = link_claim(&w->rq->scim->directory, orgtx_open(t, org.no), &writer, w->rq->arena,
		w->rq->caller.person, &member, err);
	act->written.row = org.row;
	return rc;
}

void
act_claim(struct request *rq)
{
	start(rq, claim_prepare, claim_run, reply_row);
}

/* The subject in the org of the Organization that the path names. */
static enum rc
in_org(struct write *w, struct orgtx *platform, const struct writer *writer, const char *action,
	struct subject *by, struct err *err)
{
	struct act *act = (struct act *)w;
	struct deed x = { .d = &w->rq->scim->directory, .o = platform, .w = writer,
		.arena = w->rq->arena };
	struct subject here;
	struct record r;
	struct org org;
	uint64_t row;
	enum rc rc;

	if (!row_by_id(platform, &act->id, &row) || !org_of_row(x.d, platform, row, &org) ||
		!record_get(platform, row, &r))
		return fail(err, RC_NOT_FOUND, "", "there is no such Organization");
	act->written.row = row;
	if ((rc = subject_load(x.d, platform, x.arena, &w->rq->caller, w->rq->now, &here, err)) != RC_OK ||
		(rc = platform_require(&here, TYPE_ORGANIZATION, VERB_ACTION, slice_of(action), row, &r,
			 err)) != RC_OK)
		return rc;
	return subject_in_org(&x, org.no,
		operation_find(TYPE_ORGANIZATION, VERB_ACTION, slice_of(action)), by, err);
}

static enum rc
transfer_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	struct act *act = (struct act *)w;
	json_t *body;
	enum rc rc = begin(w, &body, needs_slow, err);

	(void)slow;
	if (rc != RC_OK)
		return rc;
	act->has_from = json_member(body, "from") != NULL;
	if (act->has_from && (rc = id_of(body, "from", &act->from, err)) != RC_OK)
		return rc;
	return id_of(body, "to", &act->other, err);
}

static enum rc
transfer_run(struct write *w, struct orgtx *platform, struct err *err)
{
	struct act *act = (struct act *)w;
	struct writer writer = writer_of(w->rq, platform);
	struct subject by;
	enum rc rc = in_org(w, platform, &writer, "transfer", &by, err);

	if (rc != RC_OK)
		return rc;
	return org_transfer(&by, &writer, act->has_from ? &act->from : NULL, &act->other, err);
}

void
act_transfer(struct request *rq)
{
	start(rq, transfer_prepare, transfer_run, reply_row);
}

static enum rc
read_moves(struct act *act, struct arena *a, const json_t *map, struct err *err)
{
	struct role_move *moves;
	const char *from;
	json_t *to;

	if (map == NULL)
		return RC_OK;
	if (!json_is_object(map))
		return fail(err, RC_INVALID_VALUE, "map", "must be an object: old role to new role");
	moves = ARENA_ARRAY(a, struct role_move, json_object_size(map) + 1);
	json_object_foreach(json_unconst(map), from, to) {
		if (!json_is_string(to) && !json_is_null(to))
			return fail(err, RC_INVALID_VALUE, "map", "\"%.80s\" must become a role, or null", from);
		moves[act->migration.move_count++] = (struct role_move){ slice_of(from),
			json_is_null(to) ? SLICE("") : json_text(to) };
	}
	act->migration.moves = moves;
	return RC_OK;
}

/* The plan walks every member, so it is made on the pool; the move itself does not. */
static enum rc
migrate_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	struct act *act = (struct act *)w;
	json_t *body;
	enum rc rc;

	*needs_slow = false;
	if (act->decoded)
		return RC_OK;
	if ((rc = begin(w, &body, needs_slow, err)) != RC_OK ||
		(rc = text_of(body, "model", &act->migration.model, err)) != RC_OK ||
		(rc = read_moves(act, w->rq->arena, json_member(body, "map"), err)) != RC_OK)
		return rc;
	(void)slow;
	act->decoded = true;
	return RC_OK;
}

static enum rc
migrate_run(struct write *w, struct orgtx *platform, struct err *err)
{
	struct act *act = (struct act *)w;
	struct writer writer = writer_of(w->rq, platform);
	struct subject by;
	enum rc rc = in_org(w, platform, &writer, "migrate", &by, err);

	return rc != RC_OK ? rc : org_migrate(&by, &writer, &act->migration, &act->plan, err);
}

static void
put_words(struct buf *out, const char *name, struct slice words)
{
	struct slice word;
	bool first = true;

	buf_printf(out, ",\"%s\":[", name);
	while (slice_split(&words, ' ', &word)) {
		if (word.len == 0)
			continue;
		if (!first)
			buf_char(out, ',');
		buf_json_string(out, word);
		first = false;
	}
	buf_char(out, ']');
}

static void
put_class(struct buf *out, const struct migration_class *c)
{
	buf_printf(out, "{\"members\":%llu,\"userNames\":[", (unsigned long long)c->members);
	for (size_t i = 0; i < c->name_count; i++) {
		if (i > 0)
			buf_char(out, ',');
		buf_json_string(out, c->names[i]);
	}
	buf_char(out, ']');
	put_words(out, "before", c->before);
	put_words(out, "after", c->after);
	put_words(out, "gains", c->gains);
	put_words(out, "loses", c->loses);
	buf_char(out, '}');
}

void
migration_write(struct buf *out, const struct migration_plan *p, bool done)
{
	buf_printf(out, "{\"done\":%s,\"from\":", done ? "true" : "false");
	buf_json_string(out, p->from->name);
	BUF_LIT(out, ",\"to\":");
	buf_json_string(out, p->to->name);
	buf_printf(out, ",\"assignments\":%llu,\"changed\":%llu,\"ended\":%llu,\"rolesEnded\":%llu,\"warnings\":[",
		(unsigned long long)p->assignments, (unsigned long long)p->changed,
		(unsigned long long)p->ended, (unsigned long long)p->roles_ended);
	for (size_t i = 0; i < p->warning_count; i++) {
		if (i > 0)
			buf_char(out, ',');
		buf_json_string(out, p->warnings[i]);
	}
	BUF_LIT(out, "]");
	if (!done) {
		BUF_LIT(out, ",\"classes\":[");
		for (size_t i = 0; i < p->class_count; i++) {
			if (i > 0)
				buf_char(out, ',');
			put_class(out, &p->classes[i]);
		}
		buf_char(out, ']');
	}
	buf_char(out, '}');
}

static void
migrate_reply(struct write *w)
{
	struct act *act = (struct act *)w;
	struct buf *out = &w->rq->worker->out;

	buf_clear(out);
	migration_write(out, &act->plan, true);
	reply_json(w->rq, 200, buf_as_slice(out));
}

/* A plan alone: read on the pool, in a transaction of its own. */
struct planning {
	struct pool_job slow; /* must stay first */
	struct act *act;
	struct request *rq;
	enum rc rc;
	struct err err;
};

static void
plan_reply(void *arg)
{
	struct planning *p = arg;
	struct buf *out = &p->rq->worker->out;

	if (p->rc != RC_OK) {
		reply_error(p->rq, p->rc, &p->err);
		return;
	}
	buf_clear(out);
	migration_write(out, &p->act->plan, false);
	reply_json(p->rq, 200, buf_as_slice(out));
}

static void
plan_slowly(struct pool_job *job)
{
	struct planning *p = (struct planning *)job;
	struct txn *t = reader_new(p->rq->scim->options.store);
	struct subject by;

	if ((p->rc = reader_begin(t, &p->err)) == RC_OK) {
		struct orgtx *platform = orgtx_open(t, ORG_PLATFORM);
		struct writer writer = writer_of(p->rq, platform);

		if ((p->rc = in_org(&p->act->write, platform, &writer, "migrate", &by, &p->err)) == RC_OK)
			p->rc = org_migrate_plan(&by, p->rq->now, &p->act->migration, &p->act->plan, &p->err);
	}
	reader_free(t);
	worker_post(p->rq->x->worker, plan_reply, p);
}

static bool
wants_plan_alone(struct request *rq)
{
	struct err ignored;
	json_t *body, *dry;

	if (action_body(rq, &body, &ignored) != RC_OK)
		return false;
	dry = json_member(body, "dryRun");
	return dry != NULL && json_is_true(dry);
}

void
act_migrate(struct request *rq)
{
	struct err err = ERR_INIT;
	struct planning *p;
	enum rc rc;
	bool slow;

	if (!wants_plan_alone(rq)) {
		start(rq, migrate_prepare, migrate_run, migrate_reply);
		return;
	}
	p = ARENA_NEW(rq->arena, struct planning);
	p->rq = rq;
	p->act = ARENA_NEW(rq->arena, struct act);
	p->act->write.rq = rq;
	p->slow.run = plan_slowly;
	p->slow.item.lane = rq->caller.org;
	rc = uuid_parse(rq->name, &p->act->id)
		     ? migrate_prepare(&p->act->write, false, &slow, &err)
		     : fail(&err, RC_NOT_FOUND, "", "there is no such Organization");
	/* What was submitted is the pool's: p is not looked at again. */
	if (rc != RC_OK || (rc = pool_submit(rq->scim->pool, &p->slow, &err)) != RC_OK)
		reply_error(rq, rc, &err);
}

/* ---- Settings: .verify ---- */

static struct node *
domain_of(struct request *rq, struct orgtx *o, struct slice domain, struct node **root, uint64_t *row)
{
	const struct attrs *at = &rq->scim->directory.at;
	struct node *list;
	struct record r;

	*row = settings_row(o);
	if (*row == 0 || !record_get(o, *row, &r))
		return NULL;
	r.fields = arena_dup(rq->arena, r.fields); /* the store's bytes move with the first put */
	if ((*root = record_unpack(rq->arena, rq->scim->options.schema, &r, 0)) == NULL)
		return NULL;
	list = node_child(*root, at->settings_domains);
	for (struct node *e = list != NULL ? list->child : NULL; e != NULL; e = e->next)
		if (slice_eq(tree_text(e, at->settings_domain), domain))
			return e;
	return NULL;
}

static enum rc
find_challenge(struct act *act, struct request *rq, struct txn *t, struct err *err)
{
	const struct node *e;
	struct subject by;
	struct node *root;
	uint64_t row;
	enum rc rc;

	if ((rc = subject_of(rq, t, &by, err)) != RC_OK ||
		(rc = operation_require(&by, operation_find(TYPE_SETTINGS, VERB_ACTION, SLICE("verify")), 0,
			 false, err)) != RC_OK)
		return rc;
	e = domain_of(rq, orgtx_open(t, rq->caller.org), act->text, &root, &row);
	if (e == NULL)
		return fail(err, RC_INVALID_VALUE, "domain", "\"%.*s\" is not among the org's domains: add it first",
			SLICE_ARG(slice_clip(act->text, 80)));
	act->challenge = arena_dup(rq->arena, tree_text(e, rq->scim->directory.at.settings_domain_challenge));
	return RC_OK;
}

/* The look into the DNS may take seconds: on the pool. */
static enum rc
verify_prepare(struct write *w, bool slow, bool *needs_slow, struct err *err)
{
	struct act *act = (struct act *)w;
	const struct config *c = w->rq->scim->options.config;
	struct dns_options dns = { .server = c->dns_server, .timeout_ms = 5000 };
	struct txn *t;
	json_t *body;
	enum rc rc;

	if (!slow) {
		if ((rc = begin(w, &body, needs_slow, err)) != RC_OK ||
			(rc = text_of(body, "domain", &act->text, err)) != RC_OK)
			return rc;
		*needs_slow = true;
		return dns_domain_normalize(w->rq->arena, "domain", act->text, &act->text, err);
	}
	*needs_slow = false;
	t = reader_new(w->rq->scim->options.store);
	if ((rc = reader_begin(t, err)) == RC_OK)
		rc = find_challenge(act, w->rq, t, err);
	reader_free(t);
	if (rc != RC_OK)
		return rc;
	return dns_challenge_check(&dns, w->rq->arena, "domain", act->text, act->challenge, err);
}

/* Members are looked at in steps, so that other writes go between. */
enum { SWEEP = 2000 };

static enum rc
verify_run(struct write *w, struct orgtx *o, struct err *err)
{
	struct act *act = (struct act *)w;
	const struct directory *d = &w->rq->scim->directory;
	struct writer writer = writer_of(w->rq, o);
	struct deed x = { .d = d, .o = o, .w = &writer, .arena = w->rq->arena, .verb = VERB_EDIT };
	uint64_t revision, row;
	struct node *e;

	e = domain_of(w->rq, o, act->text, &x.root, &row);
	if (e == NULL || !slice_eq(tree_text(e, d->at.settings_domain_challenge), act->challenge))
		return fail(err, RC_CONFLICT, "domain", "the settings changed meanwhile: look at them again");
	if (act->after == 0) {
		writer.actor.action = "settings.verify";
		tree_set_bool(w->rq->arena, e, d->at.settings_domain_verified, true);
		tree_set_i64(w->rq->arena, e, d->at.settings_domain_verified_at, w->rq->now);
		revision = change_begin(o, &writer.actor);
		deed_replace(&x, row, x.root, revision);
		change_end(o);
		settings_follow(&x);
	}
	act->written.row = row;
	act->next = link_members(d, o, &writer, w->rq->arena, act->after, SWEEP);
	return RC_OK;
}

static bool
verify_committed(struct write *w)
{
	struct act *act = (struct act *)w;

	if (w->job.rc != RC_OK)
		return false;
	act->after = act->next;
	return act->after != 0;
}

void
act_verify(struct request *rq)
{
	struct act *act = ARENA_NEW(rq->arena, struct act);

	act->write.prepare = verify_prepare;
	act->write.run = verify_run;
	act->write.reply = reply_row;
	act->write.committed = verify_committed;
	write_start(rq, &act->write);
}
