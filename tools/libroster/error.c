#include "tools/libroster/private.h"

#include <stdio.h>

#include "base/banned.h"

static void
copy_text(char *to, size_t size, struct slice from)
{
	from = slice_clip(from, size - 1);
	if (from.len > 0)
		memcpy(to, from.p, from.len);
	to[from.len] = '\0';
}

void
error_local(struct roster_error *error, const char *name, const char *field, const char *fmt, ...)
{
	va_list args;

	if (error == NULL)
		return;
	*error = (struct roster_error){ .status = 0 };
	copy_text(error->name, sizeof(error->name), slice_of(name));
	copy_text(error->field, sizeof(error->field), slice_of(field));
	va_start(args, fmt);
	(void)vsnprintf(error->message, sizeof(error->message), fmt, args);
	va_end(args);
}

void
error_answered(struct roster_error *error, const struct fields *f)
{
	if (error == NULL)
		return;
	*error = (struct roster_error){
		.status = (int)(fields_number(f, OUT_STATUS) & INT32_MAX),
		.retry_after_ms = fields_number(f, OUT_RETRY_AFTER),
		.revision = fields_number(f, OUT_REVISION),
	};
	copy_text(error->name, sizeof(error->name), fields_bytes(f, OUT_ERROR));
	copy_text(error->field, sizeof(error->field), fields_bytes(f, OUT_FIELD));
	copy_text(error->message, sizeof(error->message), fields_bytes(f, OUT_MESSAGE));
}

void
error_copy(struct roster_error *to, const struct roster_error *from)
{
	if (to != NULL)
		*to = *from;
}
