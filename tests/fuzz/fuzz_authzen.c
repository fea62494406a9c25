/* A body, read as one question and as a batch: what is taken has all that is required, what is refused is told why. */
#include <stdint.h>
#include <stdlib.h>

#include "protocol/authzen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
look_at(const struct authzen_evaluation *e)
{
	must(e->subject_type.p != NULL && e->subject_id.p != NULL && e->action.p != NULL);
	must(e->resource_type.p != NULL && e->resource_id.p != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct authzen_evaluation one;
	struct authzen_batch batch;
	struct err err = ERR_INIT;
	json_t *json;

	if (json_read(a, (struct slice){ (const char *)data, size }, &json, &err) == RC_OK) {
		if (authzen_read(json, &one, &err) == RC_OK)
			look_at(&one);
		else
			must(err.detail[0] != '\0');
		if (authzen_read_batch(a, json, 100, &batch, &err) != RC_OK)
			must(err.detail[0] != '\0');
		else
			for (size_t i = 0; i < batch.count; i++)
				if (batch.list[i].rc == RC_OK)
					look_at(&batch.list[i]);
				else
					must(batch.list[i].err.detail[0] != '\0');
	}
	arena_free(a);
	return 0;
}
