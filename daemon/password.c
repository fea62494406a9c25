#include "daemon/password.h"

#include <argon2.h>
#include <sys/random.h>

#include "base/banned.h"

enum { SALT_SIZE = 16, HASH_SIZE = 32 };

enum rc
password_hash(struct arena *a, struct slice password, const struct password_cost *cost, struct slice *phc,
	struct err *err)
{
	size_t size = argon2_encodedlen(cost->passes, cost->memory_kib, cost->lanes, SALT_SIZE, HASH_SIZE,
		Argon2_id);
	char *text = arena_alloc(a, size);
	unsigned char salt[SALT_SIZE];
	int failed;

	if (getrandom(salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
		return fail(err, RC_INTERNAL, "password", "no randomness for the salt");
	failed = argon2id_hash_encoded(cost->passes, cost->memory_kib, cost->lanes, password.p,
		password.len, salt, sizeof(salt), HASH_SIZE, text, size);
	if (failed != ARGON2_OK)
		return fail(err, RC_INTERNAL, "password", "could not be hashed: %s",
			argon2_error_message(failed));
	*phc = slice_of(text);
	return RC_OK;
}
