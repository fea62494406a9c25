#include "common.h"

static struct arena *a;

static int
arena_up(void **state)
{
	a = arena_new();
	return fixture_up(state);
}

static int
arena_down(void **state)
{
	arena_free(a);
	return fixture_down(state);
}

static void
only_well_formed_utf8_is_valid(void **state)
{
	static const char *const good[] = { "", "a", "\x7f", "\xc2\x80", "\xe2\x82\xac",
		"\xf0\x9f\x98\x80", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
		"\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xe2\x82", "a\xff",
		"\xc3(" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(text_valid(slice_of(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (text_valid(slice_of(bad[i])))
			fail_msg("row %zu passes", i);
	}
	assert_false(text_valid((struct slice){ "a\0b", 3 }));
}

static void
folding_is_unicodes(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "", "" },
		{ "bjensen", "bjensen" },
		{ "BJensen@Example.COM", "bjensen@example.com" },
		{ "Stra\xc3\x9f"
		  "e",
			"strasse" },
		{ "STRASSE", "strasse" },
		{ "\xce\x9f\xce\x94\xce\x9f\xce\xa3",
			"\xce\xbf\xce\xb4\xce\xbf\xcf\x83" }, /* final sigma folds */
		{ "\xce\xbf\xce\xb4\xce\xbf\xcf\x82", "\xce\xbf\xce\xb4\xce\xbf\xcf\x83" },
		{ "e\xcc\x81", "\xc3\xa9" },
		{ "\xc3\x89", "\xc3\xa9" },
		{ "\xe2\x84\xaa", "k" }, /* KELVIN SIGN */
		{ "[\\]^_`{|}~@AZaz09", "[\\]^_`{|}~@azaz09" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_slice(text_fold(a, slice_of(rows[i].in)), rows[i].out);
}

/* ---- PRECIS ---- */

struct name_row {
	const char *in, *out; /* out: NULL when refused */
};

static const struct name_row names[] = {
	/* RFC 8265 section 3.6 */
	{ "juliet@example.com", "juliet@example.com" },
	{ "fussball", "fussball" },
	{ "fu\xc3\x9f"
	  "ball",
		"fu\xc3\x9f"
		"ball" },
	{ "\xcf\x80", "\xcf\x80" },
	{ "\xce\xa3", "\xcf\x83" },
	{ "\xcf\x83", "\xcf\x83" },
	{ "\xcf\x82", "\xcf\x82" },
	{ "foo bar", "foo bar" }, /* two userparts */
	{ "", NULL },
	{ "henry\xe2\x85\xa3", NULL }, /* ROMAN NUMERAL FOUR */
	{ "\xe2\x99\x9a", NULL },      /* BLACK CHESS KING */
	/* userparts */
	{ " foo", NULL },
	{ "foo ", NULL },
	{ "foo  bar", NULL },
	{ " ", NULL },
	{ "Foo B\xc3\x84r \xce\xa3", "foo b\xc3\xa4r \xcf\x83" },
	{ "foo\xc2\xa0"
	  "bar",
		NULL },
	{ "foo\xe3\x80\x80"
	  "bar",
		NULL },
	/* ASCII */
	{ "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" },
	{ "BJENSEN", "bjensen" },
	{ "a\tb", NULL },
	{ "a\nb", NULL },
	{ "a\x7f", NULL },
	/* width, then case, then NFC */
	{ "\xef\xbc\xa1\xef\xbc\xa2\xef\xbc\xa3", "abc" },
	{ "\xef\xbd\xb6\xef\xbe\x9e", "\xe3\x82\xac" }, /* halfwidth KA, sound mark: GA */
	{ "E\xcc\x81", "\xc3\xa9" },
	{ "\xc3\x89", "\xc3\xa9" },
	{ "\xe1\xba\x9e", "\xc3\x9f" },
	{ "\xed\x95\x9c", "\xed\x95\x9c" },
	/* U+0130 is not "i"; a Greek name in capitals ends in final sigma */
	{ "\xc4\xb0", "i\xcc\x87" },
	{ "\xce\x9f\xce\x94\xce\x9f\xce\xa3", "\xce\xbf\xce\xb4\xce\xbf\xcf\x82" },
	{ "\xce\xbf\xce\xb4\xce\xbf\xcf\x83", "\xce\xbf\xce\xb4\xce\xbf\xcf\x83" },
	/* what compatibility mappings touch */
	{ "\xe2\x84\xaa", NULL },
	{ "\xef\xac\x81", NULL },
	{ "\xc7\x85", NULL },
	{ "\xe2\x91\xa0", NULL },
	{ "\xe1\xbd\xb1", NULL },
	/* invisible, obsolete, unassigned, noncharacters, private use */
	{ "a\xc2\xad", NULL },
	{ "a\xe2\x80\x8b", NULL },
	{ "a\xef\xbb\xbf", NULL },
	{ "a\xf3\xa0\x80\x81", NULL },
	{ "\xe1\x84\x80", NULL },
	{ "\xcd\xb8", NULL },
	{ "\xef\xbf\xbf", NULL },
	{ "\xee\x80\x80", NULL },
	{ "\xf0\x9f\x98\x80", NULL },
	/* the exceptions of RFC 5892 */
	{ "\xe3\x80\x87", "\xe3\x80\x87" },
	{ "\xd9\x80", NULL },
	{ "\xe3\x80\xb1", NULL },
	{ "\xd8\xa8\xdb\xbd", "\xd8\xa8\xdb\xbd" },
	/* context rules */
	{ "l\xc2\xb7l", "l\xc2\xb7l" },
	{ "a\xc2\xb7l", NULL },
	{ "l\xc2\xb7", NULL },
	{ "\xc2\xb7l", NULL },
	{ "L\xc2\xb7L", NULL }, /* checked before case is mapped */
	{ "\xcd\xb5\xce\xb1", "\xcd\xb5\xce\xb1" },
	{ "\xcd\xb5"
	  "a",
		NULL },
	{ "\xcd\xb5", NULL },
	{ "\xd7\x92\xd7\xb3", "\xd7\x92\xd7\xb3" },
	{ "a\xd7\xb3", NULL },
	{ "\xd7\xb4", NULL },
	{ "\xe3\x82\xa2\xe3\x83\xbb\xe3\x82\xa4", "\xe3\x82\xa2\xe3\x83\xbb\xe3\x82\xa4" },
	{ "a\xe3\x83\xbb\xe6\xbc\xa2", "a\xe3\x83\xbb\xe6\xbc\xa2" },
	{ "a\xe3\x83\xbb"
	  "b",
		NULL },
	{ "\xd8\xa8\xd9\xa1", "\xd8\xa8\xd9\xa1" },
	{ "\xd8\xa8\xdb\xb1", "\xd8\xa8\xdb\xb1" },
	{ "\xd8\xa8\xd9\xa1\xdb\xb1", NULL },
	{ "\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8d\xe0\xa4\xb7",
		"\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8d\xe0\xa4\xb7" },
	{ "\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8c\xe0\xa4\xb7",
		"\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8c\xe0\xa4\xb7" },
	{ "a\xe2\x80\x8d"
	  "b",
		NULL },
	{ "a\xe2\x80\x8c"
	  "b",
		NULL },
	{ "\xe2\x80\x8c", NULL },
	{ "\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae",
		"\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae" }, /* Farsi yeh, ZWNJ, khah */
	{ "\xd9\x85\xd8\xa7\xe2\x80\x8c\xd8\xae", NULL }, /* alef does not join to the left */
	/* the Bidi Rule */
	{ "\xd7\x90\xd7\x91", "\xd7\x90\xd7\x91" },
	{ "\xd7\x90"
	  "1",
		"\xd7\x90"
		"1" },
	{ "1\xd7\x90", NULL },
	{ "\xd7\x90"
	  "a",
		NULL },
	{ "a\xd7\x90", NULL },
	{ "\xd7\x90.", NULL },
	{ "\xd7\x90-\xd7\x91", "\xd7\x90-\xd7\x91" },
	{ "\xd7\x90\xd6\xb7", "\xd7\x90\xd6\xb7" },
	{ "\xd8\xa8"
	  "1\xd9\xa1",
		NULL },
	{ "a\xd7\x90 b", NULL },
	{ "a \xd7\x90", "a \xd7\x90" }, /* each userpart by itself */
	/* not UTF-8 */
	{ "a\xff", NULL },
	{ "\xed\xa0\x80", NULL },
};

static void
usernames_are_prepared_by_precis(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct err err = ERR_INIT;
		struct slice out, again;
		enum rc rc = text_username(a, slice_of(names[i].in), &out, &err);

		if (rc != (names[i].out != NULL ? RC_OK : RC_INVALID_VALUE))
			fail_msg("\"%s\": %s", names[i].in, err.detail);
		if (rc != RC_OK) {
			assert_string_equal(err.path, "userName");
			assert_true(strlen(err.detail) > 10);
			continue;
		}
		assert_slice(out, names[i].out);
		assert_int_equal(text_username(a, out, &again, NULL), RC_OK);
		assert_slice(again, names[i].out);
	}
	assert_int_equal(
		text_username(a, (struct slice){ "a\0b", 3 }, &(struct slice){ NULL, 0 }, NULL),
		RC_INVALID_VALUE);
}

static void
a_long_name_costs_its_length(void **state)
{
	enum { N = 200000 };
	struct buf b = BUF_INIT;
	struct slice out;

	(void)state;
	for (int i = 0; i < N; i++)
		BUF_LIT(&b, "\xe3\x83\xbb");
	assert_int_equal(text_username(a, buf_as_slice(&b), &out, NULL), RC_INVALID_VALUE);
	BUF_LIT(&b, "\xe3\x82\xa2");
	assert_int_equal(text_username(a, buf_as_slice(&b), &out, NULL), RC_OK);
	buf_clear(&b);
	for (int i = 0; i < N; i++)
		BUF_LIT(&b, "\xc3\xa4 ");
	BUF_LIT(&b, "b");
	assert_int_equal(text_username(a, buf_as_slice(&b), &out, NULL), RC_OK);
	assert_int_equal(out.len, b.len);
	buf_release(&b);
}

static void
passwords_are_prepared_by_precis(void **state)
{
	static const struct name_row rows[] = {
		/* RFC 8265 section 4.3 */
		{ "correct horse battery staple", "correct horse battery staple" },
		{ "Correct Horse Battery Staple", "Correct Horse Battery Staple" },
		{ "\xcf\x80\xc3\x9f\xc3\xa5", "\xcf\x80\xc3\x9f\xc3\xa5" },
		{ "Jack of \xe2\x99\xa6s", "Jack of \xe2\x99\xa6s" },
		{ "foo\xe1\x9a\x80"
		  "bar",
			"foo bar" },
		{ "", NULL },
		{ "my cat is a \tby", NULL },
		/* neither trimmed, folded nor narrowed; NFC */
		{ "  x  ", "  x  " },
		{ "\xc2\xa0"
		  "a\xe3\x80\x80",
			" a " },
		{ "\xef\xbc\xa1", "\xef\xbc\xa1" },
		{ "e\xcc\x81", "\xc3\xa9" },
		{ "\xe2\x85\xa3\xf0\x9f\x98\x80", "\xe2\x85\xa3\xf0\x9f\x98\x80" },
		{ "a\xd7\x90"
		  "1",
			"a\xd7\x90"
			"1" },
		{ "a\xc2\xad", NULL },
		{ "\xcd\xb8", NULL },
		{ "\xe1\x84\x80", NULL },
		{ "a\xe2\x80\x8d", NULL },
		{ "a\xff", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = ERR_INIT;
		struct slice out;
		enum rc rc = text_password(a, slice_of(rows[i].in), &out, &err);

		if (rc != (rows[i].out != NULL ? RC_OK : RC_INVALID_VALUE))
			fail_msg("\"%s\": %s", rows[i].in, err.detail);
		if (rc == RC_OK)
			assert_slice(out, rows[i].out);
		else
			assert_string_equal(err.path, "password");
		/* An error shows nothing of the password. */
		assert_null(strstr(err.detail, "U+"));
	}
}

static void
preparation_follows_the_attribute(void **state)
{
	const struct attr *name = user_attr("userName");

	(void)state;
	assert_slice(text_prepare(a, name,
			     SLICE("Stra\xc3\x9f"
				   "e")),
		"stra\xc3\x9f"
		"e");
	assert_slice(text_prepare(a, user_attr("displayName"),
			     SLICE("Stra\xc3\x9f"
				   "e")),
		"strasse");
	assert_slice(text_prepare(a, user_attr("externalId"), SLICE("AbC")), "AbC");
	/* What PRECIS refuses is folded, for searches of pieces ... */
	assert_slice(text_prepare(a, name, SLICE("B ")), "b ");
	assert_slice(text_prepare(a, name, SLICE("\xc2\xb7L")), "\xc2\xb7l");
	/* ... but must never become a name that is somebody's. */
	assert_slice(text_prepare(a, name,
			     SLICE("\xe2\x84\xaa"
				   "im")),
		"\xe2\x84\xaa"
		"im");
	assert_slice(text_prepare(a, name, SLICE("\xef\xac\x81n")), "\xef\xac\x81n");
}

/* RFC 4648 section 10, and what clients leave out. */
static void
base64_is_read_and_written(void **state)
{
	static const struct {
		const char *text, *bytes;
		bool exact; /* encodes to this text */
	} rows[] = {
		{ "", "", true },
		{ "Zg==", "f", true },
		{ "Zm8=", "fo", true },
		{ "Zm9v", "foo", true },
		{ "Zm9vYg==", "foob", true },
		{ "Zm9vYmE=", "fooba", true },
		{ "Zm9vYmFy", "foobar", true },
		{ "Zg", "f", false },
		{ "Zm8", "fo", false },
		{ "-_-_", "\xfb\xff\xbf", false },
		{ "+/+/", "\xfb\xff\xbf", true },
	};
	static const char *const bad[] = { "Z", "Zg=", "Zg===", "Zm9v=", "Zm9v====", "Zm 9v",
		"Zm9v\n", "Z=g=", "=", "==", "Zh==", "Zm9", "Zm9vY", "Z\xc3\xa4==" };
	struct slice out;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(base64_decode(a, slice_of(rows[i].text), &out));
		assert_slice(out, rows[i].bytes);
		if (rows[i].exact)
			assert_slice(base64_encode(a, out), rows[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (base64_decode(a, slice_of(bad[i]), &out))
			fail_msg("\"%s\" passes", bad[i]);
	}
}

static void
base64_keeps_all_bytes(void **state)
{
	uint64_t seed = 11;
	char bytes[64];
	struct slice out;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		size_t n = dice(&seed) % sizeof(bytes);

		for (size_t k = 0; k < n; k++)
			bytes[k] = (char)dice(&seed);
		assert_true(base64_decode(a, base64_encode(a, (struct slice){ bytes, n }), &out));
		assert_true(slice_eq(out, (struct slice){ bytes, n }));
	}
}

/* Random texts of code points that the rules treat differently: a form never changes again, and no
 * text folds to two. */
static void
prepared_texts_are_stable(void **state)
{
	static const char *const pieces[] = { "a", "B", "\xc3\x9f", "\xc4\xb0", "\xce\xa3",
		"\xcf\x82", "\xcd\x85", "\xcc\x81", "\xcc\x87", "\xe1\xbe\xb3", "\xef\xbc\xa1",
		"\xef\xbd\xb6", "\xef\xbe\x9e", "\xe1\xba\x9e", "\xc7\xb0", "\xe1\x84\x80",
		"\xed\x95\x9c", "\xe2\x84\xaa", "\xd7\x90", "1", " ", "\xc2\xb7", "l", "\xcc\xa7",
		"\xe1\xb8\x9e", "\xc5\x89" };
	uint64_t seed = 3;
	size_t valid = 0;

	(void)state;
	for (int i = 0; i < 40000; i++) {
		struct buf b = BUF_INIT;
		struct slice out, again;

		arena_clear(a);
		for (uint64_t n = 1 + dice(&seed) % 6; n > 0; n--) {
			const char *piece =
				pieces[dice(&seed) % (sizeof(pieces) / sizeof(pieces[0]))];

			buf_put(&b, piece, strlen(piece));
		}
		out = text_fold(a, buf_as_slice(&b));
		assert_true(slice_eq(text_fold(a, out), out));
		if (text_username(a, buf_as_slice(&b), &out, NULL) == RC_OK) {
			valid++;
			assert_int_equal(text_username(a, out, &again, NULL), RC_OK);
			assert_true(slice_eq(out, again));
		}
		if (text_password(a, buf_as_slice(&b), &out, NULL) == RC_OK) {
			assert_int_equal(text_password(a, out, &again, NULL), RC_OK);
			assert_true(slice_eq(out, again));
		}
		buf_release(&b);
	}
	assert_true(valid > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_well_formed_utf8_is_valid),
		cmocka_unit_test(folding_is_unicodes),
		cmocka_unit_test(usernames_are_prepared_by_precis),
		cmocka_unit_test(a_long_name_costs_its_length),
		cmocka_unit_test(passwords_are_prepared_by_precis),
		cmocka_unit_test(preparation_follows_the_attribute),
		cmocka_unit_test(base64_is_read_and_written),
		cmocka_unit_test(base64_keeps_all_bytes),
		cmocka_unit_test(prepared_texts_are_stable),
	};

	return cmocka_run_group_tests(tests, arena_up, arena_down);
}
