#include "schema/model.h"

#include <stdio.h>

#include "base/banned.h"

static const char *const scope_names[SCOPE_KINDS] = { "org", "team", "workspace", "project" };
static const char *const org_kind_names[ORG_KINDS] = { "company", "personal" };

#define X(name, text, normal, min, max) { text, min, max },
static const struct {
	const char *name;
	uint64_t min, max;
} limits[LIMIT_COUNT] = { LIMIT_LIST(X) };
#undef X

/* ---- Names ---- */

bool
scope_kind_read(struct slice text, enum scope_kind *out)
{
	for (unsigned i = 0; i < SCOPE_KINDS; i++) {
		*out = (enum scope_kind)i;
		if (slice_eq(text, slice_of(scope_names[i])))
			return true;
	}
	return false;
}

const char *
scope_kind_name(enum scope_kind kind)
{
	return scope_names[kind];
}

bool
org_kind_read(struct slice text, enum org_kind *out)
{
	for (unsigned i = 0; i < ORG_KINDS; i++) {
		*out = (enum org_kind)i;
		if (slice_eq(text, slice_of(org_kind_names[i])))
			return true;
	}
	return false;
}

const char *
org_kind_name(enum org_kind kind)
{
	return org_kind_names[kind];
}

const char *
limit_name(enum limit limit)
{
	return limits[limit].name;
}

void
limit_range(enum limit limit, uint64_t *min, uint64_t *max)
{
	*min = limits[limit].min;
	*max = limits[limit].max;
}

uint8_t
scope_below(enum scope_kind kind)
{
	static const uint8_t below[SCOPE_KINDS] = {
		[SCOPE_ORG] = AT_ORG | AT_TEAM | AT_WORKSPACE | AT_PROJECT,
		[SCOPE_TEAM] = AT_TEAM,
		[SCOPE_WORKSPACE] = AT_WORKSPACE | AT_PROJECT,
		[SCOPE_PROJECT] = AT_PROJECT,
	};

	return below[kind];
}

/* ---- Look-ups ---- */

const struct model *
model_by_name(const struct model_set *set, struct slice name)
{
	for (size_t i = 0; i < set->count; i++)
		if (slice_eq(set->models[i]->name, name))
			return set->models[i];
	return NULL;
}

const struct permission *
model_permission(const struct model *m, struct slice name)
{
	size_t low = 0, high = m->permission_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct permission *p = &m->permissions[m->permissions_by_name[mid]];
		int order = slice_cmp(name, p->name);

		if (order == 0)
			return p;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static const struct model_role *
role_find(const struct model *m, bool assignment, enum scope_kind scope, struct slice name)
{
	for (size_t i = 0; i < m->role_count; i++) {
		const struct model_role *r = &m->roles[i];

		if (r->assignment == assignment && r->scope == scope && slice_eq(r->name, name))
			return r;
	}
	return NULL;
}

const struct model_role *
model_role(const struct model *m, enum scope_kind scope, struct slice name)
{
	return role_find(m, false, scope, name);
}

const struct model_role *
model_assignment(const struct model *m, struct slice name)
{
	return role_find(m, true, SCOPE_ORG, name);
}

const struct model_role *
model_role_by_path(const struct model *m, struct slice path)
{
	for (size_t i = 0; i < m->role_count; i++)
		if (slice_eq(m->roles[i].path, path))
			return &m->roles[i];
	return NULL;
}

const struct model_quota *
model_quota(const struct model *m, struct slice name)
{
	for (size_t i = 0; i < m->quota_count; i++)
		if (slice_eq(m->quotas[i].name, name))
			return &m->quotas[i];
	return NULL;
}

/* ---- Sets of permissions in writing ---- */

static const struct slice own_prefix = SLICE_INIT("own:");

/* "member.*" has "member.view" and "member.x.y"; "*" has all. */
static bool
wildcard_has(struct slice pattern, struct slice name)
{
	return slice_starts(name, (struct slice){ pattern.p, pattern.len - 1 });
}

static bool
is_wildcard(struct slice pattern)
{
	return slice_eq(pattern, SLICE("*")) ||
	       (pattern.len > 2 && memcmp(pattern.p + pattern.len - 2, ".*", 2) == 0);
}

static enum rc
refuse_pattern(struct slice pattern, struct err *err, const char *why)
{
	return fail(err, RC_INVALID_VALUE, "permissions", "\"%.*s\": %s",
		SLICE_ARG(slice_clip(pattern, 80)), why);
}

static enum rc
read_pattern(const struct model *m, uint8_t at, struct slice pattern, struct permset *out,
	struct err *err)
{
	bool own = slice_starts(pattern, own_prefix), wild, found = false;
	struct slice name = own ? slice_from(pattern, own_prefix.len) : pattern;

	wild = is_wildcard(name);
	for (size_t i = 0; i < m->permission_count; i++) {
		const struct permission *p = &m->permissions[i];

		if (wild ? !wildcard_has(name, p->name) : !slice_eq(name, p->name))
			continue;
		if (!wild && (p->at & at) == 0)
			return refuse_pattern(pattern, err,
				"this permission is not asked for at or below such a scope");
		if (!wild && own && !p->ownable)
			return refuse_pattern(
				pattern, err, "nothing is \"own\" to this permission");
		if ((p->at & at) == 0 || (own && !p->ownable))
			continue;
		permset_add(out, p->id, own);
		found = true;
	}
	return found ? RC_OK
		     : refuse_pattern(pattern, err,
			       wild ? "no permission is meant by this"
				    : "there is no such permission in this model");
}

enum rc
permset_read(const struct model *m, enum scope_kind scope, const struct slice *patterns, size_t n,
	struct permset *out, struct err *err)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < n; i++) {
		enum rc rc = read_pattern(m, scope_below(scope), patterns[i], out, err);

		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

void
permset_print(const struct model *m, const struct permset *set,
	void (*fn)(void *arg, struct slice pattern), void *arg)
{
	for (size_t i = 0; i < m->permission_count; i++) {
		const struct permission *p = &m->permissions[i];
		char text[80];
		int len;

		if (permset_any(set, p->id)) {
			fn(arg, p->name);
		} else if (permset_own(set, p->id)) {
			len = snprintf(text, sizeof(text), "own:%.*s", SLICE_ARG(p->name));
			fn(arg, (struct slice){ text, (size_t)len });
		}
	}
}

/* ---- Checks ---- */

static const struct permset *
grant_set(const struct model_grant *g, enum scope_kind at)
{
	return g->role != NULL ? &g->role->sets[at] : g->custom;
}

/* Which of the implied roles it is by which the grant's role has the permission. */
static const struct model_role *
through(const struct model *m, const struct model_role *role, const struct model_query *q)
{
	const struct model_role *found = NULL;

	if (role == NULL || permset_any(&role->direct, q->perm) ||
		(q->own && permset_own(&role->direct, q->perm)))
		return NULL;
	for (size_t i = 0; i < m->role_count && found == NULL; i++) {
		const struct model_role *r = &m->roles[i];

		if (role_set_has(&role->implied, r) &&
			(permset_any(&r->sets[q->at], q->perm) ||
				(q->own && permset_own(&r->sets[q->at], q->perm))))
			found = r;
	}
	return found;
}

/* At scopes of any kind: it is asked for here, and held at a workspace. */
static bool
has_anywhere(const struct model_grant *g, uint16_t perm)
{
	for (int at = 0; at < SCOPE_KINDS; at++)
		if (permset_any(grant_set(g, (enum scope_kind)at), perm))
			return true;
	return false;
}

/* What one grant says, as far as it says more than the answer so far. */
static void
ask_grant(const struct model_grant *g, const struct model_query *q, struct model_answer *why)
{
	const struct permset *set = grant_set(g, q->at);
	bool any = permset_any(set, q->perm), own = permset_own(set, q->perm);
	enum model_reason reason = REASON_MISSING;

	if (g->covers && !any && !own)
		return;
	if (!g->covers)
		reason = has_anywhere(g, q->perm) ? REASON_ELSEWHERE : REASON_MISSING;
	else if (any || q->own)
		reason = REASON_GRANTED;
	else
		reason = REASON_OWN_ONLY;
	if (reason == REASON_GRANTED || why->reason == REASON_MISSING ||
		(reason == REASON_OWN_ONLY && why->reason == REASON_ELSEWHERE))
		*why = (struct model_answer){ reason, reason != REASON_MISSING ? g : NULL, NULL,
			reason == REASON_GRANTED && !any };
}

bool
model_allows(const struct model_subject *s, const struct model_query *q, struct model_answer *why)
{
	struct model_answer unused;
	const struct permset *within = s->within;

	if (why == NULL)
		why = &unused;
	*why = (struct model_answer){ REASON_MISSING, NULL, NULL, false };
	if (q->perm >= s->model->permission_count ||
		(s->model->permissions[q->perm].at & 1U << q->at) == 0)
		why->reason = REASON_NOT_HERE;
	else if (permset_any(&s->kind->off, q->perm))
		why->reason = REASON_OFF;
	else if (within != NULL && !permset_any(within, q->perm) &&
		 !(q->own && permset_own(within, q->perm)))
		why->reason = REASON_TOKEN;
	for (size_t i = 0;
		i < s->grant_count && why->reason != REASON_GRANTED && why->reason < REASON_OFF;
		i++)
		ask_grant(&s->grants[i], q, why);
	if (why->reason == REASON_GRANTED && why != &unused)
		why->through = through(s->model, why->grant->role, q);
	return why->reason == REASON_GRANTED;
}

void
model_answer_print(const struct model_subject *s, const struct model_query *q,
	const struct model_answer *why, struct buf *out)
{
	struct slice perm = q->perm < s->model->permission_count
				    ? s->model->permissions[q->perm].name
				    : SLICE("?");
	struct slice role = why->grant != NULL && why->grant->role != NULL
				    ? why->grant->role->path
				    : SLICE("a role of the org");

	if (why->reason != REASON_GRANTED)
		buf_printf(out, "permission \"%.*s\" is missing", SLICE_ARG(perm));
	switch (why->reason) {
	case REASON_GRANTED:
		buf_printf(out, "\"%s%.*s\" is granted by %.*s", why->own ? "own:" : "",
			SLICE_ARG(perm), SLICE_ARG(role));
		if (why->through != NULL)
			buf_printf(out, ", as %.*s", SLICE_ARG(why->through->path));
		break;
	case REASON_MISSING:
		break;
	case REASON_OWN_ONLY:
		buf_printf(out, ": %.*s has it for own things only", SLICE_ARG(role));
		break;
	case REASON_ELSEWHERE:
		buf_printf(out, ": %.*s is held elsewhere", SLICE_ARG(role));
		break;
	case REASON_OFF:
		buf_printf(out, ": nobody has it in a %s org", org_kind_name(s->kind->kind));
		break;
	case REASON_TOKEN:
		buf_printf(out, ": the token does not have it");
		break;
	case REASON_NOT_HERE:
		buf_printf(
			out, ": it is not asked for at a scope of kind %s", scope_kind_name(q->at));
		break;
	}
}

void
model_rights(const struct model_subject *s, enum scope_kind at, struct permset *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < s->grant_count; i++)
		if (s->grants[i].covers)
			permset_join(out, grant_set(&s->grants[i], at));
	for (size_t i = 0; i < s->model->permission_count; i++)
		if ((s->model->permissions[i].at & 1U << at) == 0) {
			out->any[i / 64] &= ~(UINT64_C(1) << (i % 64));
			out->own[i / 64] &= ~(UINT64_C(1) << (i % 64));
		}
	for (size_t w = 0; w < PERM_MAX / 64; w++) {
		const struct permset *in = s->within;
		uint64_t any = out->any[w] & ~s->kind->off.any[w],
			 own = out->own[w] & ~s->kind->off.any[w];

		out->any[w] = in != NULL ? any & in->any[w] : any;
		/* Held for everything, used through a token for own things: own. */
		out->own[w] = in != NULL ? (own | any) & (in->own[w] | in->any[w]) : own;
	}
}
