#include "daemon/models.h"

#include <errno.h>
#include <stdio.h>

#include "base/banned.h"

static enum rc
file_read(struct arena *a, const char *name, struct slice *out, struct err *err)
{
	FILE *f = fopen(name, "re");
	char *text;
	size_t n;
	bool bad;

	if (f == NULL)
		return fail(err, RC_INVALID_VALUE, "org.models", "%s: can't be read: %s", name,
			strerror(errno));
	text = arena_alloc(a, MODEL_FILE_MAX + 1);
	n = fread(text, 1, MODEL_FILE_MAX + 1, f);
	bad = ferror(f) != 0;
	(void)fclose(f);
	if (bad || n > MODEL_FILE_MAX)
		return fail(err, RC_INVALID_VALUE, "org.models",
			"%s: can't be read, or is larger than %d bytes", name, MODEL_FILE_MAX);
	*out = (struct slice){ text, n };
	return RC_OK;
}

enum rc
models_open(struct arena *a, char *const *files, const struct model_set **out, struct err *err)
{
	struct model_file *extra;
	size_t n = 0;
	enum rc rc;

	while (files[n] != NULL)
		n++;
	extra = n > 0 ? ARENA_ARRAY(a, struct model_file, n) : NULL;
	for (size_t i = 0; i < n; i++) {
		extra[i].name = files[i];
		if ((rc = file_read(a, files[i], &extra[i].text, err)) != RC_OK)
			return rc;
	}
	return models_load(a, extra, n, out, err);
}
