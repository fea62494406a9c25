/* Any bytes: entries of LDIF stay inside the input, and come out the same however the bytes arrive. */
#include <stdint.h>
#include <stdlib.h>

#include "protocol/ldif.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct slice in = { (const char *)data, size };
	struct ldif_entry whole, part;
	struct err err;
	size_t used, used_part;
	unsigned lines, before, lines_part, before_part;
	enum ldif_result r;

	while ((r = ldif_next(a, in, true, &whole, &used, &lines, &before, &err)) <= LDIF_NOTHING) {
		if (used == 0 || used > in.len || before > lines || (r == LDIF_ENTRY && whole.dn.p == NULL))
			abort();
		if (ldif_next(a, in, false, &part, &used_part, &lines_part, &before_part, &err) == LDIF_ENTRY &&
			(used_part != used || lines_part != lines || before_part != before ||
				part.count != whole.count || !slice_eq(part.dn, whole.dn)))
			abort();
		if (r == LDIF_ENTRY && ldif_dn(a, whole.dn).len > whole.dn.len)
			abort();
		in = slice_from(in, used);
	}
	arena_free(a);
	return 0;
}
