/* Role models: what is read must be whole, and what is refused must be told with its line. */
#include <assert.h>

#include "schema/model_rules.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
ask_all(const struct model *m, const struct model_role *r)
{
	const struct model_grant grant = { .role = r, .covers = true };
	struct buf text = BUF_INIT;

	for (unsigned k = 0; k < ORG_KINDS; k++) {
		const struct model_subject s = { m, &m->kinds[k], &grant, 1, NULL };
		struct permset rights;

		for (uint16_t p = 0; m->kinds[k].allowed && p < m->permission_count; p++) {
			const struct model_query q = { p, r->scope, false };
			struct model_answer why;
			bool allowed = model_allows(&s, &q, &why);

			model_rights(&s, r->scope, &rights);
			assert(allowed == permset_any(&rights, p));
			buf_clear(&text);
			model_answer_print(&s, &q, &why, &text);
		}
	}
	buf_release(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	const struct model *m;
	struct err err = ERR_INIT;

	if (model_compile(a, (struct slice){ (const char *)data, size }, &m, &err) != RC_OK) {
		assert(strncmp(err.detail, "line ", 5) == 0);
	} else {
		assert(m->by_default[SCOPE_ORG] != NULL);
		for (size_t i = 0; i < m->role_count && i < 4; i++)
			ask_all(m, &m->roles[i]);
	}
	arena_free(a);
	return 0;
}
