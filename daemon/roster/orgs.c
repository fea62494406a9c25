/* orgs-of: the organisations of a person. */
#include "daemon/directory/form.h"
#include "daemon/directory/organization.h"
#include "daemon/roster/list.h"

#include "base/banned.h"

static struct orgtx *
platform_of(struct message *m)
{
	return orgtx_open(m->worker->reader, ORG_PLATFORM);
}

/* ---- Whose ---- */

/* The person that the token is of: a personal token's, or the one to whom a key's member is linked; 0: none. */
static enum rc
own_person(struct message *m, uint64_t *person, struct err *err)
{
	struct slice home = slice_of(m->peer->org);
	struct caller c;
	struct record r;
	enum rc rc = peer_check(m, home.len > 0 ? home : (struct slice){ NULL, 0 }, &c, err);

	if (rc != RC_OK)
		return rc;
	*person = c.person;
	if (c.member != 0 && record_get(orgtx_open(m->worker->reader, c.org), c.member, &r))
		*person = person_of_member(&m->roster->directory, orgtx_open(m->worker->reader, c.org), &r);
	return *person != 0 ? RC_OK
			    : fail(err, RC_INVALID_VALUE, "subject", "is missing: this token is not a person's");
}

static enum rc
named_person(struct message *m, uint64_t *person, struct err *err)
{
	const struct attr *attr = m->roster->directory.at.person_user_name;
	struct uuid id;
	struct slice name;
	uint64_t *rows;
	enum rc rc = message_text(m, IN_SUBJECT_NAME, ROSTER_TEXT_MAX, &name, err);

	if (rc != RC_OK)
		return rc;
	if (fields_id(&m->in, IN_SUBJECT_ID, &id)) {
		if (!row_by_id(platform_of(m), &id, person) || row_type(*person) != TYPE_PERSON)
			*person = 0;
	} else if (rows_with_text(platform_of(m), m->arena, attr, TYPE_PERSON, name, &rows) == 1) {
		*person = rows[0];
	}
	return RC_OK;
}

static enum rc
check_fields(const struct message *m, struct err *err)
{
	const struct fields *f = &m->in;
	uint64_t kind = fields_number(f, IN_SUBJECT_KIND);

	if (fields_has(f, IN_SUBJECT) || fields_has(f, IN_SUBJECT_EXTERNAL_ID) ||
		(fields_has(f, IN_SUBJECT_ID) && fields_has(f, IN_SUBJECT_NAME)))
		return fail(err, RC_INVALID_VALUE, "subject", "is a person, by subject-id or subject-name");
	if (kind > 1)
		return fail(err, RC_INVALID_VALUE, "subject-kind", "is 1 here: a person");
	if (fields_has(f, IN_REVISION))
		return fail(err, RC_INVALID_VALUE, "revision", "is of one organisation, and this is about several");
	return RC_OK;
}

/* A person who is nobody has no organisations: who is a person of the platform is not for everybody to find out. */
static enum rc
orgs_of_open(struct message *m, struct list *l, bool first, struct err *err)
{
	bool named = fields_has(&m->in, IN_SUBJECT_ID) || fields_has(&m->in, IN_SUBJECT_NAME);
	enum caller_kind kind;
	enum rc rc;

	if ((rc = check_fields(m, err)) != RC_OK || (rc = message_read(m, err)) != RC_OK ||
		(rc = peer_still(m, &kind, err)) != RC_OK)
		return rc;
	if (!first)
		return RC_OK;
	return named ? named_person(m, &l->about, err) : own_person(m, &l->about, err);
}

/* ---- Which ---- */

static uint64_t
member_in(struct message *m, struct arena *a, uint32_t org, uint64_t person)
{
	return member_of_person(&m->roster->directory, orgtx_open(m->worker->reader, org), a, person, true);
}

/* Whether the caller sees the person's member in an org, or is it. */
static bool
sees_member(struct message *m, struct arena *a, const struct caller *c, uint64_t member)
{
	struct orgtx *o = orgtx_open(m->worker->reader, c->org);
	struct subject s;
	struct record r;
	struct err ignored;

	if (member == 0 || member == c->member)
		return member != 0;
	return subject_load(&m->roster->directory, o, a, c, m->worker->now, &s, &ignored) == RC_OK &&
	       record_get(o, member, &r) && subject_sees(&s, member, &r);
}

static bool
is_told(struct message *m, struct list *l, uint64_t place)
{
	struct caller c;
	struct org org;
	struct err ignored;

	return org_of_row(&m->roster->directory, platform_of(m), place, &org) &&
	       peer_check(m, slice_of(org.key), &c, &ignored) == RC_OK &&
	       sees_member(m, l->scratch, &c, member_in(m, l->scratch, c.org, l->about));
}

/* On the platform, a person is a member of Organization records. */
static enum rc
orgs_of_more(struct message *m, struct list *l, uint64_t *places, size_t max, size_t *count, bool *end,
	struct err *err)
{
	size_t n = l->about == 0 ? 0 : edge_list(platform_of(m), EDGE_GROUPS, l->about, l->scanned, places, max);

	(void)err;
	*end = n < max;
	*count = 0;
	if (n > 0)
		l->scanned = places[n - 1];
	for (size_t i = 0; i < n; i++)
		if (is_told(m, l, places[i]))
			places[(*count)++] = places[i];
	return RC_OK;
}

static bool
orgs_of_put(struct message *m, struct list *l, uint64_t place)
{
	struct org org;
	struct record r;
	uint64_t member;

	if (!org_of_row(&m->roster->directory, platform_of(m), place, &org) ||
		(member = member_in(m, l->scratch, org.no, l->about)) == 0 ||
		!record_get(orgtx_open(m->worker->reader, org.no), member, &r))
		return false;
	put_bytes(m->out, OUT_ORG, slice_of(org.key));
	put_id(m->out, OUT_ID, &r.id);
	put_bytes(m->out, OUT_NAME, slice_of(org.name));
	return true;
}

static const struct list_kind orgs_of = { .open = orgs_of_open,
	.more = orgs_of_more,
	.put = orgs_of_put,
	.no_org = true };

enum rc
orgs_of_run(struct message *m, struct err *err)
{
	return list_run(m, &orgs_of, err);
}
