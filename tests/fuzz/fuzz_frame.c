/* Any bytes: frames are taken off one by one, stay inside the input, and encode to what they were.
 */
#include <stdint.h>
#include <stdlib.h>

#include "protocol/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { (const char *)data, size };
	struct buf again = BUF_INIT;
	struct frame f;
	size_t used;

	while (frame_decode(in, &f, &used) == FRAME_OK) {
		if (used > in.len || used != FRAME_HEAD + f.payload.len)
			abort();
		buf_clear(&again);
		frame_encode(&again, &f);
		if (!slice_eq(buf_as_slice(&again), (struct slice){ in.p, used }))
			abort();
		in = slice_from(in, used);
	}
	buf_release(&again);
	return 0;
}
