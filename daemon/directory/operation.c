#include "daemon/directory/operation.h"

#include "base/banned.h"

#define X(type, verb, part, perm) { TYPE_##type, VERB_##verb, part, perm },
const struct operation operations[] = { OPERATION_LIST(X) };
#undef X
const size_t operation_count = sizeof(operations) / sizeof(operations[0]);

const struct operation *
operation_find(uint8_t type, enum verb verb, struct slice part)
{
	const struct operation *plain = NULL;

	for (size_t i = 0; i < operation_count; i++) {
		const struct operation *op = &operations[i];

		if (op->type != type || op->verb != verb)
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
		if (operations[i].type == type && operations[i].verb == verb)
			return true;
	return false;
}

enum rc
operation_require(const struct subject *s, const struct operation *op, uint64_t scope, bool own,
	struct err *err)
{
	return subject_require(s, op->perm, scope, own, err);
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
	for (size_t i = 0; i < operation_count; i++) {
		uint16_t perm = operations[i].perm;

		operation_name(set, &operations[i], out);
		buf_char(out, ' ');
		buf_slice(out, perm == PERM_OPERATOR ? SLICE("operator")
				: perm == PERM_ANYONE ? SLICE("anyone")
						      : permission_builtin[perm].name);
		buf_char(out, '\n');
	}
}
