#include "daemon/directory/operation.h"

#include <assert.h>

#include "base/banned.h"

#define X(type, verb, part, perm, person, right)                                                    \
	{ TYPE_##type, VERB_##verb, part, perm, PERSON_##person, right },
const struct operation operations[] = { OPERATION_LIST(X) };
#undef X
const size_t operation_count = sizeof(operations) / sizeof(operations[0]);

/* ---- In an org ---- */

const struct operation *
operation_find(uint8_t type, enum verb verb, struct slice part)
{
	const struct operation *plain = NULL;

	for (size_t i = 0; i < operation_count; i++) {
		const struct operation *op = &operations[i];

		if (op->type != type || op->verb != verb || op->perm == PERM_NOWHERE)
			continue;
		if (slice_eq(slice_of(op->part), part))
			return op;
		if (op->part[0] == '\0')
			plain = op;
	}
	return plain;
}

bool
operation_any(uint8_t type, enum verb verb)
{
	for (size_t i = 0; i < operation_count; i++)
		if (operations[i].type == type && operations[i].verb == verb &&
			operations[i].perm != PERM_NOWHERE)
			return true;
	return false;
}

enum rc
operation_require(const struct subject *s, const struct operation *op, uint64_t scope, bool own,
	struct err *err)
{
	return subject_require(s, op->perm, scope, own, err);
}

enum rc
operation_ask(const struct subject *s, uint8_t type, enum verb verb, const char *part,
	uint64_t scope, struct err *err)
{
	const struct operation *op = operation_find(type, verb, slice_of(part));

	assert(op != NULL && strcmp(op->part, part) == 0);
	return operation_require(s, op, scope, false, err);
}

/* ---- On the platform ---- */

static bool
is_on_platform(const struct operation *op)
{
	return op->person != PERSON_NOT || op->right != NULL;
}

const struct operation *
operation_find_platform(uint8_t type, enum verb verb, struct slice part)
{
	for (size_t i = 0; i < operation_count; i++) {
		const struct operation *op = &operations[i];

		if (op->type == type && op->verb == verb && is_on_platform(op) &&
			(part.len == 0 || slice_eq(slice_of(op->part), part)))
			return op;
	}
	return NULL;
}

/* "people.*" of "people.view". */
static bool
is_family_of(struct slice name, struct slice right)
{
	return name.len > 2 && name.p[name.len - 1] == '*' && name.p[name.len - 2] == '.' &&
	       slice_starts(right, (struct slice){ name.p, name.len - 1 });
}

bool
operation_right_known(struct slice right)
{
	if (slice_eq(right, SLICE("*")))
		return true;
	for (size_t i = 0; i < operation_count; i++)
		if (operations[i].right != NULL &&
			(slice_eq(right, slice_of(operations[i].right)) ||
				is_family_of(right, slice_of(operations[i].right))))
			return true;
	return false;
}

/* ---- Telling ---- */

static const char no_word[] = "-";

static struct slice
perm_word(uint16_t perm)
{
	return perm == PERM_OPERATOR  ? SLICE("operator")
	       : perm == PERM_ANYONE  ? SLICE("anyone")
	       : perm == PERM_NOWHERE ? slice_of(no_word)
				      : permission_builtin[perm].name;
}

struct slice
operation_needs(const struct operation *op)
{
	if (op != NULL && op->right != NULL)
		return slice_of(op->right);
	return op != NULL && op->perm < PERM_BUILTIN ? permission_builtin[op->perm].name
						     : SLICE("operator");
}

void
operation_name(const struct schema_set *set, const struct operation *op, struct buf *out)
{
	static const char *const verbs[] = { [VERB_VIEW] = "view",
		[VERB_CREATE] = "create",
		[VERB_EDIT] = "edit",
		[VERB_DELETE] = "delete",
		[VERB_ACTION] = NULL };
	const struct resource_type *type = schema_type(set, op->type);

	if (type != NULL) {
		buf_slice(out, type->name);
		buf_char(out, '.');
	}
	if (verbs[op->verb] != NULL)
		buf_slice(out, slice_of(verbs[op->verb]));
	if (verbs[op->verb] != NULL && op->part[0] != '\0')
		buf_char(out, '.');
	buf_slice(out, slice_of(op->part));
}

void
operations_print(const struct schema_set *set, struct buf *out)
{
	static const char *const persons[] = { [PERSON_NOT] = no_word, [PERSON_OWN] = "own",
		[PERSON_ANY] = "any" };

	for (size_t i = 0; i < operation_count; i++) {
		const struct operation *op = &operations[i];

		operation_name(set, op, out);
		buf_printf(out, " %.*s %s %s\n", SLICE_ARG(perm_word(op->perm)), persons[op->person],
			op->right != NULL ? op->right : no_word);
	}
}
