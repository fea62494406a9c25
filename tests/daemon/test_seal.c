/* Secrets at rest: what is sealed opens in its place with its key, and nowhere else. */
#include "tests/daemon/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/seal.h"

static char directory[] = "/tmp/rosterd-seal-XXXXXX";

static const char HEX[] = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F\n";
static const char BASE64[] =
	" AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\r\n"; /* the same bytes */
static const char BASE64URL[] = "-_8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
static const char BASE64PLUS[] = "+/8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

static char *
file_in(const char *name)
{
	static char path[4][256];
	static unsigned turn;
	char *p = path[turn++ % 4];

	(void)snprintf(p, sizeof(path[0]), "%s/%s", directory, name);
	return p;
}

static char *
put_file(const char *name, const char *text, mode_t mode)
{
	char *path = file_in(name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static struct seal *
opened(const char *key_file, char *const *old)
{
	struct err err = ERR_INIT;
	struct seal *s = NULL;

	if (seal_new(directory, key_file, old, &s, &err) != RC_OK)
		failed("%s: %s", err.path, err.detail);
	return s;
}

static struct slice
sealed(const struct seal *s, uint32_t org, const char *purpose, const char *plain, struct buf *b)
{
	struct err err = ERR_INIT;

	if (seal_put(s, org, purpose, slice_of(plain), b, &err) != RC_OK)
		failed("%s", err.detail);
	return buf_as_slice(b);
}

static enum rc
opens(const struct seal *s, uint32_t org, const char *purpose, struct slice blob,
	const char *expected, struct err *err)
{
	struct buf plain = BUF_INIT;
	enum rc rc;

	BUF_LIT(&plain, "before ");
	rc = seal_get(s, org, purpose, blob, &plain, err);
	if (rc != RC_OK)
		assert_int_equal(plain.len, 7);
	else if (!slice_eq(slice_from(buf_as_slice(&plain), 7), slice_of(expected)))
		failed("another text came back");
	seal_wipe(&plain);
	assert_null(plain.p);
	return rc;
}

static void
a_key_is_made_once(void **state)
{
	struct err err = ERR_INIT;
	struct buf b = BUF_INIT;
	struct seal *s = opened(NULL, NULL);
	struct slice blob = sealed(s, 7, "ca", "a secret", &b);
	struct stat st;

	(void)state;
	assert_int_equal(stat(file_in("seal.key"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(access(file_in("seal.key.new"), F_OK), -1);
	seal_free(s);
	s = opened(NULL, NULL); /* as after a restart */
	assert_int_equal(opens(s, 7, "ca", blob, "a secret", &err), RC_OK);
	seal_free(s);
	assert_int_equal(unlink(file_in("seal.key")), 0);
	s = opened(NULL, NULL); /* another key now */
	assert_int_equal(opens(s, 7, "ca", blob, "a secret", &err), RC_INTERNAL);
	assert_non_null(strstr(err.detail, "seal.old_key_files"));
	seal_free(s);
	buf_release(&b);
}

static void
a_blob_opens_in_its_place_only(void **state)
{
	struct err err = ERR_INIT;
	struct buf b = BUF_INIT;
	struct seal *s = opened(NULL, NULL);
	struct slice blob = sealed(s, 7, "ca", "a secret", &b);

	(void)state;
	assert_int_equal(blob.len, 8 + SEAL_OVERHEAD);
	assert_null(memmem(blob.p, blob.len, "secret", 6));
	assert_int_equal(opens(s, 7, "ca", blob, "a secret", &err), RC_OK);
	assert_int_equal(opens(s, 8, "ca", blob, "", &err), RC_INTERNAL);
	assert_int_equal(opens(s, 7, "c", blob, "", &err), RC_INTERNAL);
	assert_int_equal(opens(s, 7, "cab", blob, "", &err), RC_INTERNAL);
	assert_non_null(strstr(err.detail, "cab"));
	for (size_t i = 0; i < blob.len; i++) { /* each bit counts */
		b.p[i] ^= 1;
		assert_int_equal(opens(s, 7, "ca", blob, "", &err), RC_INTERNAL);
		b.p[i] ^= 1;
	}
	for (size_t n = 0; n < blob.len; n++)
		assert_int_equal(
			opens(s, 7, "ca", (struct slice){ blob.p, n }, "", &err), RC_INTERNAL);
	seal_free(s);
	buf_release(&b);
}

static void
no_two_blobs_are_alike(void **state)
{
	struct buf a = BUF_INIT, b = BUF_INIT;
	struct seal *s = opened(NULL, NULL);

	(void)state;
	assert_false(
		slice_eq(sealed(s, 7, "ca", "a secret", &a), sealed(s, 7, "ca", "a secret", &b)));
	seal_free(s);
	buf_release(&a);
	buf_release(&b);
}

/* Decrypted by another implementation: python3-cryptography, key 00 01 .. 1f, org 7, purpose "ca".
 * Made with head = b"\x01" + sha256(b"rosterd seal key id\0" + key).digest()[:8] head + nonce +
 * AESGCM(key).encrypt(nonce, b"a secret", head + (7).to_bytes(4, "big") + b"ca") */
static void
the_format_stands(void **state)
{
	static const char blob[] =
		"\x01\x7c\x6b\xc1\x0d\x05\x91\xa1\x82\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e"
		"\x6f\x29\x3b\xad\x03\x1a\x9b\x33\xea\x1a\x03\xec\x60\xd3\x35\x28\x46\x6c\xdf\x50"
		"\x8e\x81\x39\x78\x6b";
	char *file = put_file("fixed", HEX, 0600);
	struct err err = ERR_INIT;
	struct seal *s = opened(file, NULL);

	(void)state;
	if (opens(s, 7, "ca", (struct slice){ blob, sizeof(blob) - 1 }, "a secret", &err) != RC_OK)
		failed("%s", err.detail);
	assert_true(seal_is_current(s, (struct slice){ blob, sizeof(blob) - 1 }));
	seal_free(s);
}

static void
keys_are_written_in_three_ways(void **state)
{
	static const struct {
		const char *a, *b;
	} pairs[] = { { HEX, BASE64 }, { BASE64URL, BASE64PLUS } };
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct seal *one = opened(put_file("one", pairs[i].a, 0600), NULL);
		struct seal *two = opened(put_file("two", pairs[i].b, 0400), NULL);
		struct buf b = BUF_INIT;

		assert_int_equal(
			opens(two, 1, "x", sealed(one, 1, "x", "t", &b), "t", &err), RC_OK);
		seal_free(one);
		seal_free(two);
		buf_release(&b);
	}
}

static void
keys_change(void **state)
{
	char *first = put_file("first", HEX, 0600), *second = put_file("second", BASE64PLUS, 0600);
	char *old[] = { first, NULL };
	struct err err = ERR_INIT;
	struct buf a = BUF_INIT, b = BUF_INIT;
	struct seal *s = opened(first, NULL);
	struct slice before = sealed(s, 1, "x", "old", &a), after;

	(void)state;
	seal_free(s);
	s = opened(second, old);
	assert_int_equal(opens(s, 1, "x", before, "old", &err), RC_OK);
	assert_false(seal_is_current(s, before));
	after = sealed(s, 1, "x", "new", &b);
	assert_true(seal_is_current(s, after));
	seal_free(s);
	s = opened(second, NULL); /* the old one is gone for good */
	assert_int_equal(opens(s, 1, "x", after, "new", &err), RC_OK);
	assert_int_equal(opens(s, 1, "x", before, "", &err), RC_INTERNAL);
	seal_free(s);
	buf_release(&a);
	buf_release(&b);
}

static const struct {
	const char *text;
	mode_t mode;
	const char *word;
} bad_files[] = {
	{ HEX, 0640, "mode 640" },
	{ HEX, 0604, "mode 604" },
	{ "", 0600, "32 bytes" },
	{ "00", 0600, "32 bytes" },
	{ "g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 0600, "32 bytes" },
	{ "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", 0600, "32 bytes" }, /* bits left over */
	{ "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8f", 0600, "32 bytes" },
};

static void
bad_files_are_named(void **state)
{
	char *missing[] = { file_in("missing"), NULL };
	struct err err = ERR_INIT;
	struct seal *s = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad_files) / sizeof(bad_files[0]); i++) {
		char *file = put_file("bad", bad_files[i].text, bad_files[i].mode);

		assert_int_equal(seal_new(directory, file, NULL, &s, &err), RC_INVALID_VALUE);
		assert_string_equal(err.path, "seal.key_file");
		assert_non_null(strstr(err.detail, file));
		if (strstr(err.detail, bad_files[i].word) == NULL)
			failed("%zu: %s", i, err.detail);
		assert_int_equal(unlink(file), 0);
	}
	assert_int_equal(seal_new(directory, missing[0], NULL, &s, &err), RC_NOT_FOUND);
	assert_int_equal(seal_new(directory, directory, NULL, &s, &err), RC_INVALID_VALUE);
	assert_int_equal(seal_new(directory, NULL, missing, &s, &err), RC_NOT_FOUND);
	assert_string_equal(err.path, "seal.old_key_files");
	assert_int_equal(seal_new("/nowhere/at/all", NULL, NULL, &s, &err), RC_INTERNAL);
	assert_null(s);
}

static void
what_can_not_be_sealed(void **state)
{
	static char long_text[SEAL_PLAIN_MAX + 1];
	struct seal *s = opened(NULL, NULL);
	struct err err = ERR_INIT;
	struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(seal_put(s, 1, "x", SLICE(""), &b, &err), RC_INTERNAL);
	assert_int_equal(
		seal_put(s, 1, "x", (struct slice){ long_text, SEAL_PLAIN_MAX + 1 }, &b, &err),
		RC_INTERNAL);
	assert_int_equal(
		seal_put(s, 1, "x", (struct slice){ long_text, SEAL_PLAIN_MAX }, &b, &err), RC_OK);
	seal_free(s);
	buf_release(&b);
}

static int
directory_make(void **state)
{
	(void)state;
	return mkdtemp(directory) != NULL ? 0 : -1;
}

static int
directory_remove(void **state)
{
	static const char *const names[] = { "seal.key", "fixed", "one", "two", "first", "second" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(file_in(names[i]));
	return rmdir(directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_made_once),
		cmocka_unit_test(a_blob_opens_in_its_place_only),
		cmocka_unit_test(no_two_blobs_are_alike),
		cmocka_unit_test(the_format_stands),
		cmocka_unit_test(keys_are_written_in_three_ways),
		cmocka_unit_test(keys_change),
		cmocka_unit_test(bad_files_are_named),
		cmocka_unit_test(what_can_not_be_sealed),
	};

	return cmocka_run_group_tests(tests, directory_make, directory_remove);
}
