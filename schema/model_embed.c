#include "schema/model.h"

#include "base/banned.h"

/* MODEL_DATA (the path of schema/models/, with a slash) and MODEL_LIST (M(name) for each file, the
 * first for orgs that name none) come from schema/local.mk: which models ship is not the code's
 * business. */
#define EMBED(symbol)                                                                              \
	__asm__(".pushsection .rodata\n"                                                           \
		"model_data_" #symbol "_begin:\n"                                                  \
		".incbin \"" MODEL_DATA #symbol ".json\"\n"                                        \
		"model_data_" #symbol "_end:\n"                                                    \
		".byte 0\n"                                                                        \
		".popsection\n");                                                                  \
	extern const char model_data_##symbol##_begin[];                                           \
	extern const char model_data_##symbol##_end[];

#define M(name) EMBED(name)
MODEL_LIST
#undef M

#define M(name) { #name ".json", model_data_##name##_begin, model_data_##name##_end },
static const struct {
	const char *name, *begin, *end;
} files[] = { MODEL_LIST };
#undef M

size_t
model_file_count(void)
{
	return sizeof(files) / sizeof(files[0]);
}

struct model_file
model_file(size_t i)
{
	return (struct model_file){ files[i].name,
		{ files[i].begin, (size_t)(files[i].end - files[i].begin) } };
}

enum rc
models_load(struct arena *a, const struct model_file *extra, size_t n, const struct model_set **out,
	struct err *err)
{
	size_t count = model_file_count();
	struct model_set *set = ARENA_NEW(a, struct model_set);
	const struct model **models = ARENA_ARRAY(a, const struct model *, count + n);

	set->models = models;
	for (size_t i = 0; i < count + n; i++) {
		struct model_file f = i < count ? model_file(i) : extra[i - count];
		struct err at = ERR_INIT;
		enum rc rc = model_compile(a, f.text, &models[i], &at);

		if (rc != RC_OK)
			return fail(err, rc, at.path, "%s: %s", f.name, at.detail);
		if (model_by_name(set, models[i]->name) != NULL)
			return fail(err, RC_UNIQUENESS, "name",
				"%s: there is another model named \"%.*s\"", f.name,
				SLICE_ARG(models[i]->name));
		set->count++;
	}
	*out = set;
	return RC_OK;
}
