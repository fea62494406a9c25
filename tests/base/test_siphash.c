/* SipHash against OpenSSL's, for texts of all lengths. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <endian.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "base/siphash.h"

#include "base/banned.h"

enum { LONGEST = 200 };

static void
theirs(const struct sipkey *key, struct slice text, size_t size, unsigned char *out)
{
	uint64_t words[2] = { htole64(key->k0), htole64(key->k1) };
	OSSL_PARAM params[] = { OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_construct_end() };
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	size_t len = 0;

	assert_int_equal(EVP_MAC_init(ctx, (const unsigned char *)words, sizeof(words), params), 1);
	assert_int_equal(EVP_MAC_update(ctx, (const unsigned char *)text.p, text.len), 1);
	assert_int_equal(EVP_MAC_final(ctx, out, &len, size), 1);
	assert_int_equal(len, size);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

static void
same_as_openssl(void **state)
{
	char text[LONGEST];
	unsigned char out[16];
	uint64_t words[2];

	(void)state;
	for (size_t i = 0; i < LONGEST; i++)
		text[i] = (char)(i * 37 + 11);
	for (size_t len = 0; len <= LONGEST; len++) {
		struct sipkey key = sipkey_new();
		struct slice s = { text, len };
		struct sip128 wide = siphash128(&key, s);

		theirs(&key, s, 8, out);
		memcpy(words, out, 8);
		assert_true(siphash(&key, s) == le64toh(words[0]));
		theirs(&key, s, 16, out);
		memcpy(words, out, 16);
		assert_true(wide.low == le64toh(words[0]) && wide.high == le64toh(words[1]));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(same_as_openssl) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
