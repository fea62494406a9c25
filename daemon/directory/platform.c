#include "daemon/directory/platform.h"

#include "daemon/directory/form.h"

#include "base/banned.h"

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

static bool
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
within_token(const struct subject *s, const struct operation *op)
{
	struct slice *names;
	size_t n;

	if (op->verb == VERB_VIEW || (op->type == TYPE_ORGANIZATION && op->verb != VERB_CREATE) ||
		!token_names(s, &names, &n))
		return true;
	return names_right(names, n, op->right != NULL ? slice_of(op->right) : SLICE("*"));
}

static bool
is_own(const struct subject *s, uint64_t row, const struct record *r)
{
	const struct rules *rules = rules_of(r->type->code);

	return s->person != 0 && rules != NULL && rules->own != NULL && rules->own(s, row, r);
}

static bool
passes(const struct subject *s, const struct operation *op, uint64_t row, const struct record *r)
{
	if (s->all || op == NULL)
		return s->all;
	if (s->caller == CALLER_SERVICE)
		return op->right != NULL && service_has(s, slice_of(op->right));
	return s->caller == CALLER_PERSON && within_token(s, op) &&
		(op->person == PERSON_ANY || (op->person == PERSON_OWN && r != NULL && is_own(s, row, r)));
}

enum sight
platform_sight(const struct subject *s, const struct resource_type *type)
{
	const struct operation *op = operation_find_platform(type->code, VERB_VIEW, SLICE(""));

	if (op != NULL && s->caller == CALLER_PERSON)
		return op->person == PERSON_NOT ? SEES_NONE : SEES_SOME;
	return passes(s, op, 0, NULL) ? SEES_ALL : SEES_NONE;
}

bool
platform_sees(const struct subject *s, uint64_t row, const struct record *r)
{
	return passes(s, operation_find_platform(r->type->code, VERB_VIEW, SLICE("")), row, r);
}

/* What is missing, and to whom it would not be. */
static enum rc
refuse(const struct subject *s, const struct operation *op, struct err *err)
{
	struct slice needs = operation_needs(op);

	if (op != NULL && s->caller == CALLER_PERSON && op->person != PERSON_NOT && !within_token(s, op))
		return fail(err, RC_FORBIDDEN, "", "the permission \"%.*s\" is missing in this token",
			SLICE_ARG(op->right != NULL ? needs : SLICE("*")));
	return fail(err, RC_FORBIDDEN, "", "the permission \"%.*s\" is missing%s", SLICE_ARG(needs),
		op != NULL && op->person == PERSON_OWN  ? ": a person can do this with what is their own"
		: op != NULL && op->person == PERSON_ANY ? ": a person can do this, with a personal token"
							 : "");
}

enum rc
platform_require(const struct subject *s, uint8_t type, enum verb verb, struct slice part,
	uint64_t row, const struct record *r, struct err *err)
{
	const struct operation *op = operation_find_platform(type, verb, part);

	return passes(s, op, row, r) ? RC_OK : refuse(s, op, err);
}

enum rc
platform_require_sight(const struct subject *s, const struct resource_type *type, struct err *err)
{
	return platform_sight(s, type) != SEES_NONE
		       ? RC_OK
		       : refuse(s, operation_find_platform(type->code, VERB_VIEW, SLICE("")), err);
}

enum rc
platform_require_person(const struct subject *s, uint8_t type, const char *action, struct err *err)
{
	const struct operation *op = operation_find_platform(type, VERB_ACTION, slice_of(action));

	if (s->caller == CALLER_PERSON && op != NULL && op->person != PERSON_NOT && within_token(s, op))
		return RC_OK;
	return refuse(s, op, err);
}
