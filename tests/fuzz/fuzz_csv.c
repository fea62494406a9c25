/* Any bytes: records of CSV stay inside the input, and come out the same however the bytes arrive. */
#include <stdint.h>
#include <stdlib.h>

#include "protocol/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct csv_row whole, part;
	struct slice in = { (const char *)data, size };
	struct err err;
	size_t used, used_part;
	unsigned lines, lines_part;

	while (csv_next(in, true, ',', &whole, &used, &lines, &err) == CSV_RECORD) {
		if (used == 0 || used > in.len || whole.count == 0)
			abort();
		for (size_t i = 0; i < whole.count; i++)
			if (csv_field(&whole, i).len > in.len)
				abort();
		/* Not known to be the end: the same record, or more is wanted. */
		if (csv_next(in, false, ',', &part, &used_part, &lines_part, &err) == CSV_RECORD &&
			(used_part != used || lines_part != lines || part.count != whole.count ||
				!slice_eq(buf_as_slice(&part.text), buf_as_slice(&whole.text))))
			abort();
		in = slice_from(in, used);
	}
	return 0;
}
