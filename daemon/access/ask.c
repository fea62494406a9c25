#include "daemon/access/ask.h"

#include "daemon/directory/form.h"
#include "daemon/directory/operation.h"

#include "base/banned.h"

/* ---- Names of the API, ours ---- */

static const struct {
	struct slice type;
	enum check_who who;
} subject_types[] = {
	{ SLICE_INIT("user"), CHECK_MEMBER },
	{ SLICE_INIT("person"), CHECK_PERSON },
	{ SLICE_INIT("team"), CHECK_TEAM },
};

static const struct {
	struct slice text;
	enum check_by by;
} id_types[] = {
	{ SLICE_INIT("id"), CHECK_BY_ID },
	{ SLICE_INIT("userName"), CHECK_BY_NAME },
	{ SLICE_INIT("displayName"), CHECK_BY_NAME },
	{ SLICE_INIT("externalId"), CHECK_BY_EXTERNAL_ID },
};

static const char *const outcome_codes[] = {
	[CHECK_DECIDED] = NULL,
	[CHECK_NO_SUBJECT] = "unknown_subject",
	[CHECK_MANY_SUBJECTS] = "ambiguous_subject",
	[CHECK_INACTIVE] = "inactive_subject",
	[CHECK_NO_PERMISSION] = "unknown_permission",
	[CHECK_NO_PLACE] = "unknown_scope",
	[CHECK_MANY_PLACES] = "ambiguous_scope",
	[CHECK_NO_MEMBER] = "unknown_resource",
	[CHECK_PLACE_MIXED] = "ambiguous_scope",
};

static const char *const reason_codes[] = {
	[REASON_GRANTED] = "granted",
	[REASON_MISSING] = "missing",
	[REASON_OWN_ONLY] = "own_only",
	[REASON_ELSEWHERE] = "elsewhere",
	[REASON_OFF] = "off",
	[REASON_TOKEN] = "token",
	[REASON_NOT_HERE] = "not_here",
};

/* ---- Reading ---- */

static bool
subject_type(struct slice type, enum check_who *who)
{
	for (size_t i = 0; i < sizeof(subject_types) / sizeof(subject_types[0]); i++)
		if (slice_eq(type, subject_types[i].type)) {
			*who = subject_types[i].who;
			return true;
		}
	return false;
}

static enum rc
id_type(struct slice text, enum check_by *by, struct err *err)
{
	*by = CHECK_BY_ANY;
	if (text.p == NULL)
		return RC_OK;
	for (size_t i = 0; i < sizeof(id_types) / sizeof(id_types[0]); i++)
		if (slice_eq(text, id_types[i].text)) {
			*by = id_types[i].by;
			return RC_OK;
		}
	return fail(err, RC_BAD_REQUEST, "subject.properties.id_type",
		"must be id, userName, displayName or externalId");
}

/* Types of rosterd's own are places and members; all others are things of a product, somewhere. */
static void
read_resource(const struct authzen_evaluation *e, struct check_query *q)
{
	q->of_place = true;
	if (slice_eq(e->resource_type, SLICE("org"))) {
		q->place.org = e->resource_id;
	} else if (slice_eq(e->resource_type, SLICE("workspace"))) {
		q->place.workspace = e->resource_id;
	} else if (slice_eq(e->resource_type, SLICE("project"))) {
		q->place.project = e->resource_id;
		q->place.workspace = e->workspace;
	} else if (slice_eq(e->resource_type, SLICE("team"))) {
		q->place.team = e->resource_id;
	} else {
		q->of_place = false;
		q->place = (struct check_place){ .workspace = e->workspace,
			.project = e->project,
			.team = e->team,
			.scope = e->scope };
		q->of_member = slice_eq(e->resource_type, SLICE("user"));
		q->member = (struct check_name){ CHECK_MEMBER, CHECK_BY_ANY, e->resource_id };
	}
	q->owned = e->owner.p != NULL;
	q->owner = (struct check_name){ q->subject.who, q->subject.by, e->owner };
}

/* ---- Writing ---- */

static void
write_ref(struct buf *out, struct check *c, uint64_t row)
{
	static const char *const names[] = { [SCOPE_ORG] = "org", [SCOPE_TEAM] = "team",
		[SCOPE_WORKSPACE] = "workspace", [SCOPE_PROJECT] = "project" };
	struct slice name = SLICE("");
	struct record r;

	if (record_get(c->o, row, &r))
		name = record_text(c->d->schema, &r,
			row_type(row) == TYPE_GROUP       ? c->d->at.group_display
			: row_type(row) == TYPE_WORKSPACE ? c->d->at.workspace_display
							  : c->d->at.project_display);
	buf_printf(out, "{\"type\":\"%s\",\"id\":\"%.*s\",\"name\":", names[scope_kind_of(row)],
		SLICE_ARG(row_id_text(c->arena, c->o, row)));
	buf_json_string(out, name);
	buf_char(out, '}');
}

static void
write_grant(struct buf *out, struct check *c, const struct check_answer *a)
{
	BUF_LIT(out, ",\"grant\":{\"role\":");
	buf_json_string(out, a->role);
	if (a->why.through != NULL) {
		BUF_LIT(out, ",\"through\":");
		buf_json_string(out, a->why.through->path);
	}
	if (a->grant->scope != 0) {
		BUF_LIT(out, ",\"scope\":");
		write_ref(out, c, a->grant->scope);
	}
	if (a->grant->assignment != 0)
		buf_printf(out, ",\"assignment\":\"%.*s\"",
			SLICE_ARG(row_id_text(c->arena, c->o, a->grant->assignment)));
	for (size_t i = 0; i < a->team_count; i++) {
		buf_printf(out, "%s", i == 0 ? ",\"teams\":[" : ",");
		write_ref(out, c, a->teams[i]);
	}
	if (a->team_count > 0)
		buf_char(out, ']');
	buf_printf(out, "%s}", a->why.own ? ",\"own\":true" : "");
}

static void
write_answer(struct buf *out, struct check *c, const struct check_query *q, const struct check_answer *a)
{
	const char *code = a->outcome == CHECK_DECIDED ? reason_codes[a->why.reason] : outcome_codes[a->outcome];
	struct buf sentence = BUF_INIT;

	check_print(c, q, a, &sentence);
	buf_printf(out, "{\"decision\":%s,\"context\":{\"code\":\"%s\",\"reason\":", a->allowed ? "true" : "false",
		code);
	buf_json_string(out, buf_as_slice(&sentence));
	buf_release(&sentence);
	if (a->outcome == CHECK_DECIDED && !a->allowed) {
		BUF_LIT(out, ",\"missing\":");
		buf_json_string(out, q->permission);
	}
	if (a->grant != NULL)
		write_grant(out, c, a);
	BUF_LIT(out, ",\"revision\":");
	buf_u64(out, a->revision);
	BUF_LIT(out, "}}");
}

void
ask_write_error(struct buf *out, enum rc rc, const struct err *err)
{
	struct buf message = BUF_INIT;

	buf_printf(&message, "%s%s%s", err->path, err->path[0] != '\0' ? ": " : "", err->detail);
	buf_printf(out, "{\"decision\":false,\"context\":{\"error\":{\"status\":%d,\"message\":", rc_status(rc));
	buf_json_string(out, buf_as_slice(&message));
	BUF_LIT(out, "}}}");
	buf_release(&message);
}

/* ---- Asking ---- */

static enum rc
may_ask(const struct subject *s, bool own, struct err *err)
{
	return operation_require(s, operation_find(TYPE_NONE, VERB_ACTION, SLICE("check")), 0, own, err);
}

enum rc
asker_init(struct asker *k, struct request *rq, struct arena *a, struct err *err)
{
	struct orgtx *o = orgtx_open(rq->worker->reader, rq->caller.org);
	const struct directory *d = &rq->scim->directory;
	enum rc rc;

	if ((rc = subject_load(d, o, a, &rq->caller, rq->now, &k->subject, err)) != RC_OK)
		return rc;
	check_init(&k->check, d, o, a, rq->now);
	k->about_anyone = may_ask(&k->subject, false, NULL) == RC_OK;
	return k->about_anyone ? RC_OK : may_ask(&k->subject, true, err);
}

enum rc
asker_ask(struct asker *k, const struct authzen_evaluation *e, struct buf *out, bool *allowed, struct err *err)
{
	struct check_query q = { .permission = e->action, .explain = true };
	struct check_answer a = { .outcome = CHECK_NO_SUBJECT,
		.revision = orgtx_stat(k->check.o)->revision };
	bool known = subject_type(e->subject_type, &q.subject.who);
	enum rc rc;

	if ((rc = id_type(e->id_type, &q.subject.by, err)) != RC_OK)
		return rc;
	q.subject.text = e->subject_id;
	read_resource(e, &q);
	/* Who may ask about themselves alone is not told who else is there. */
	if (!k->about_anyone && (!known || k->subject.member == 0 ||
					check_find(&k->check, &q.subject, NULL) != k->subject.member))
		return may_ask(&k->subject, false, err);
	if (known && (rc = check_ask(&k->check, &q, &a, err)) != RC_OK)
		return rc;
	write_answer(out, &k->check, &q, &a);
	if (allowed != NULL)
		*allowed = a.allowed;
	return RC_OK;
}
