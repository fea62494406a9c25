#include "daemon/directory/platform.h"

#include "daemon/directory/form.h"

#include "base/banned.h"

/* What a person may do with what is their own, or at all (any); where a service needs which right.
 * What a row lets a person do with an org is asked again in that org, by its rules. */
enum person_may { PERSON_NOT, PERSON_OWN, PERSON_ANY };

static const struct gate {
	uint8_t type;
	enum verb verb;
	enum person_may person;
	const char *right; /* NULL: no service may */
} gates[] = {
	{ TYPE_ORGANIZATION, VERB_VIEW, PERSON_OWN, "organizations.view" },
	{ TYPE_ORGANIZATION, VERB_CREATE, PERSON_ANY, "organizations.create" },
	{ TYPE_ORGANIZATION, VERB_EDIT, PERSON_OWN, NULL },
	{ TYPE_ORGANIZATION, VERB_DELETE, PERSON_OWN, NULL },
	{ TYPE_ORGANIZATION, VERB_ACTION, PERSON_OWN, NULL },
	{ TYPE_PERSON, VERB_VIEW, PERSON_OWN, "people.view" },
	{ TYPE_PERSON, VERB_CREATE, PERSON_NOT, "people.create" },
	{ TYPE_PERSON, VERB_EDIT, PERSON_OWN, "people.edit" },
	{ TYPE_PERSON, VERB_DELETE, PERSON_OWN, "people.delete" },
	{ TYPE_PERSON, VERB_ACTION, PERSON_OWN, "people.edit" },
	{ TYPE_TOKEN, VERB_VIEW, PERSON_OWN, "people.tokens" },
	{ TYPE_TOKEN, VERB_CREATE, PERSON_ANY, "people.tokens" },
	{ TYPE_TOKEN, VERB_EDIT, PERSON_OWN, NULL },
	{ TYPE_TOKEN, VERB_DELETE, PERSON_OWN, "people.tokens" },
	{ TYPE_TOKEN, VERB_ACTION, PERSON_OWN, NULL },
	{ TYPE_INVITATION, VERB_VIEW, PERSON_OWN, NULL },
	{ TYPE_INVITATION, VERB_ACTION, PERSON_OWN, NULL },
};

static const struct gate *
gate_find(uint8_t type, enum verb verb)
{
	for (size_t i = 0; i < sizeof(gates) / sizeof(gates[0]); i++)
		if (gates[i].type == type && gates[i].verb == verb)
			return &gates[i];
	return NULL;
}

/* The permissions that the caller's token names; false when it names none. */
static bool
token_names(const struct subject *s, struct slice **names, size_t *n)
{
	struct record r;

	*n = 0;
	if (s->token_row != 0 &&
		record_get(orgtx_open(orgtx_txn(s->o), ORG_PLATFORM), s->token_row, &r))
		*n = record_texts(s->arena, s->d->schema, &r, s->d->at.token_permissions, names);
	return *n > 0;
}

static bool
names_right(const struct slice *names, size_t n, struct slice right)
{
	for (size_t i = 0; i < n; i++) {
		struct slice name = names[i];

		if (slice_eq(name, right) || slice_eq(name, SLICE("*")) ||
			(name.len > 2 && name.p[name.len - 1] == '*' &&
				slice_starts(right, (struct slice){ name.p, name.len - 1 })))
			return true;
	}
	return false;
}

bool
service_has(const struct subject *s, struct slice right)
{
	struct slice *names;
	size_t n;

	return s->caller == CALLER_SERVICE && token_names(s, &names, &n) &&
	       names_right(names, n, right);
}

/* A personal token that is limited does on the platform what it names, and no more. Looking at one's own is
 * always allowed; what is done to an org is asked again in that org, within the same limits. */
static bool
within_token(const struct subject *s, const struct gate *g)
{
	struct slice *names;
	size_t n;

	if (g->verb == VERB_VIEW || (g->type == TYPE_ORGANIZATION && g->verb != VERB_CREATE) ||
		!token_names(s, &names, &n))
		return true;
	return names_right(names, n, g->right != NULL ? slice_of(g->right) : SLICE("*"));
}

static bool
is_own(const struct subject *s, uint64_t row, const struct record *r)
{
	const struct rules *rules = rules_of(r->type->code);

	return s->person != 0 && rules != NULL && rules->own != NULL && rules->own(s, row, r);
}

static bool
passes(const struct subject *s, const struct gate *g, uint64_t row, const struct record *r)
{
	if (s->all)
		return true;
	if (s->caller == CALLER_SERVICE)
		return g->right != NULL && service_has(s, slice_of(g->right));
	return s->caller == CALLER_PERSON && within_token(s, g) &&
		(g->person == PERSON_ANY || (g->person == PERSON_OWN && r != NULL && is_own(s, row, r)));
}

enum sight
platform_sight(const struct subject *s, const struct resource_type *type)
{
	const struct gate *g = gate_find(type->code, VERB_VIEW);

	if (g == NULL)
		return s->all ? SEES_ALL : SEES_NONE;
	if (s->caller == CALLER_PERSON)
		return g->person == PERSON_NOT ? SEES_NONE : SEES_SOME;
	return passes(s, g, 0, NULL) ? SEES_ALL : SEES_NONE;
}

bool
platform_sees(const struct subject *s, uint64_t row, const struct record *r)
{
	const struct gate *g = gate_find(r->type->code, VERB_VIEW);

	return s->all || (g != NULL && passes(s, g, row, r));
}

enum rc
platform_require(const struct subject *s, uint8_t type, enum verb verb, struct slice part,
	uint64_t row, const struct record *r, struct err *err)
{
	static const char *const verbs[] = { [VERB_VIEW] = "see", [VERB_CREATE] = "create",
		[VERB_EDIT] = "change", [VERB_DELETE] = "delete", [VERB_ACTION] = "do this with" };
	const struct gate *g = gate_find(type, verb);
	struct slice name = schema_type(s->d->schema, type)->name;

	(void)part;
	if (s->all || (g != NULL && passes(s, g, row, r)))
		return RC_OK;
	if (g != NULL && g->right != NULL &&
		(s->caller == CALLER_SERVICE || (s->caller == CALLER_PERSON && !within_token(s, g))))
		return fail(err, RC_FORBIDDEN, "", "the permission \"%s\" is missing in this token", g->right);
	return fail(err, RC_FORBIDDEN, "", "this token may not %s this %.*s", verbs[verb], SLICE_ARG(name));
}

enum rc
platform_require_person(const struct subject *s, uint8_t type, enum verb verb, struct err *err)
{
	const struct gate *g = gate_find(type, verb);

	if (s->caller != CALLER_PERSON || g == NULL || g->person == PERSON_NOT)
		return fail(err, RC_FORBIDDEN, "", "only a person can do this: with a personal token");
	if (within_token(s, g))
		return RC_OK;
	return fail(err, RC_FORBIDDEN, "", "the permission \"%s\" is missing in this token",
		g->right != NULL ? g->right : "*");
}
