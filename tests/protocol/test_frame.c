/* Frames by their bytes: the layout is a promise to every client. */
#include "tests/daemon/check.h"

#include "protocol/frame.h"

struct wire_case {
	const char *name;
	const char *bytes;
	size_t len;
	enum frame_result result;
	size_t used;
};

#define BYTES(lit) lit, sizeof(lit) - 1

static const struct wire_case cases[] = {
	{ "nothing", BYTES(""), FRAME_MORE, 12 },
	{ "half a head", BYTES("\0\0\0\2\1"), FRAME_MORE, 12 },
	{ "a head, no payload yet", BYTES("\0\0\0\2\1\1\0\0\0\0\0\7"), FRAME_MORE, 14 },
	{ "a frame", BYTES("\0\0\0\2\1\1\0\0\0\0\0\7{}"), FRAME_OK, 14 },
	{ "a frame and more", BYTES("\0\0\0\2\1\1\0\0\0\0\0\7{}\0\0"), FRAME_OK, 14 },
	{ "empty payload", BYTES("\0\0\0\0\2\1\0\0\xff\xff\xff\xff"), FRAME_OK, 12 },
	{ "type 0", BYTES("\0\0\0\0\0\0\0\0\0\0\0\1"), FRAME_BAD, 12 },
	{ "type 6", BYTES("\0\0\0\0\6\0\0\0\0\0\0\1"), FRAME_BAD, 12 },
	{ "unknown flag", BYTES("\0\0\0\0\1\4\0\0\0\0\0\1"), FRAME_BAD, 12 },
	{ "reserved bits", BYTES("\0\0\0\0\1\0\0\1\0\0\0\1"), FRAME_BAD, 12 },
	{ "largest payload", BYTES("\0\x40\0\0\1\0\0\0\0\0\0\1"), FRAME_MORE, 12 + (4 << 20) },
	{ "too large", BYTES("\0\x40\0\1\1\0\0\0\0\0\0\1"), FRAME_BAD, 12 },
	{ "far too large", BYTES("\xff\xff\xff\xff\1\0\0\0\0\0\0\1"), FRAME_BAD, 12 },
};

static void
decodes_what_the_layout_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice in = { cases[i].bytes, cases[i].len };
		struct frame f;
		size_t used = 0;

		if (frame_decode(in, &f, &used) != cases[i].result || used != cases[i].used)
			failed("%s: used %zu", cases[i].name, used);
	}
}

static void
fields_come_out(void **state)
{
	struct slice in = { BYTES("\0\0\0\3\3\3\0\0\1\2\3\4abc") };
	struct frame f;
	size_t used;

	(void)state;
	assert_int_equal(frame_decode(in, &f, &used), FRAME_OK);
	assert_int_equal(f.type, FRAME_PART);
	assert_int_equal(f.flags, FRAME_LAST | FRAME_ERROR);
	assert_int_equal(f.id, 0x01020304);
	assert_int_equal(f.payload.len, 3);
	assert_memory_equal(f.payload.p, "abc", 3);
}

static void
encodes_the_same_bytes(void **state)
{
	struct frame f = {
		.type = FRAME_DATA, .flags = FRAME_LAST, .id = 0x80000001, .payload = SLICE("xyz")
	};
	struct buf out = BUF_INIT;

	(void)state;
	frame_encode(&out, &f);
	assert_int_equal(out.len, 15);
	assert_memory_equal(out.p, "\0\0\0\3\2\1\0\0\x80\0\0\1xyz", 15);
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_what_the_layout_says),
		cmocka_unit_test(fields_come_out),
		cmocka_unit_test(encodes_the_same_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
