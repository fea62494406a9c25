#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/banned.h"

static const struct {
	const char *name, *scim_type;
	int status;
} rows[RC_COUNT] = {
#define X(name, http, scim) [RC_##name] = { #name, scim, http },
	RC_LIST(X)
#undef X
};

/* A cut in the middle of a UTF-8 sequence would make the error body invalid JSON. */
static void
trim_partial_utf8(char *text)
{
	size_t len = strlen(text), back = 0;

	while (back < 3 && back < len && ((unsigned char)text[len - 1 - back] & 0xC0) == 0x80)
		back++;
	if (back < len) {
		unsigned char lead = (unsigned char)text[len - 1 - back];
		size_t need = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;

		if (back < need)
			text[len - 1 - back] = '\0';
	}
}

enum rc
fail(struct err *err, enum rc rc, const char *path, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return rc;
	(void)snprintf(err->path, sizeof(err->path), "%s", path);
	va_start(ap, fmt);
	(void)vsnprintf(err->detail, sizeof(err->detail), fmt, ap);
	va_end(ap);
	trim_partial_utf8(err->path);
	trim_partial_utf8(err->detail);
	return rc;
}

int
rc_status(enum rc rc)
{
	return rows[rc].status;
}

const char *
rc_scim_type(enum rc rc)
{
	return rows[rc].scim_type;
}

const char *
rc_name(enum rc rc)
{
	return rows[rc].name;
}
