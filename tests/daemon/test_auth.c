/* Tokens against a real store: what opens what, and when it stops. */
#include "tests/daemon/check.h"
#include "tests/store/fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/auth.h"
#include "daemon/directory/org.h"

static const int64_t SECOND = 10000000, NOW = INT64_C(17000000000000000);

struct world {
	char *dir;
	struct store *store;
	struct committer *committer;
	struct auth *auth;
	struct txn *reader;
	struct org acme, other;
	struct connection connection;
	struct token token;
	char text[TOKEN_TEXT + 1];
};

struct step {
	struct write_job job;
	struct world *w;
	enum rc (*fn)(struct world *w, struct txn *t, struct err *err);
};

static enum rc
step_run(struct write_job *job, struct txn *t, struct err *err)
{
	struct step *s = (struct step *)job;

	return s->fn(s->w, t, err);
}

static void
change(struct world *w, enum rc (*fn)(struct world *, struct txn *, struct err *))
{
	struct step s = { .w = w, .fn = fn };
	struct err err = ERR_INIT;

	if (committer_run(w->committer, step_run, &s.job, &err) != RC_OK)
		failed("%s: %s", err.path, err.detail);
}

static enum rc
populate(struct world *w, struct txn *t, struct err *err)
{
	enum rc rc;

	if ((rc = dir_org_create(t, SLICE("acme"), SLICE("Acme"), NOW, &w->acme, err)) != RC_OK ||
		(rc = dir_org_create(t, SLICE("other"), SLICE(""), NOW, &w->other, err)) != RC_OK ||
		(rc = dir_connection_create(t, w->acme.no, SLICE("okta"), DIALECT_STRICT, NOW,
			 &w->connection, err)) != RC_OK)
		return rc;
	w->token.expires = NOW + 100 * SECOND;
	return dir_token_add(t, &w->connection, NOW, &w->token, err);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err err = ERR_INIT;

	assert_non_null(w);
	w->dir = fixture_dir();
	w->store = fixture_open(w->dir, 16 << 20, 64 << 20);
	assert_int_equal(committer_new(w->store, &w->committer, &err), RC_OK);
	assert_int_equal(auth_new(&(struct auth_options){ .workers = 2,
					  .store = w->store,
					  .schema = fixture_schema(),
					  .committer = w->committer },
				 &w->auth, &err),
		RC_OK);
	w->reader = reader_new(w->store);
	assert_non_null(w->reader);
	token_generate(w->text, w->token.hash);
	change(w, populate);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	reader_free(w->reader);
	auth_free(w->auth);
	committer_free(w->committer);
	store_close(w->store);
	fixture_dir_remove(w->dir);
	free(w);
	return 0;
}

/* As a worker asks: in a fresh read. */
static enum rc
ask_on(struct world *w, unsigned worker, const char *scheme, const char *token, const char *org,
	int64_t now, struct caller *out)
{
	struct caller unused;
	struct err err = ERR_INIT;
	char header[200];
	enum rc rc;

	(void)snprintf(header, sizeof(header), "%s%s", scheme, token);
	assert_int_equal(reader_begin(w->reader, &err), RC_OK);
	rc = auth_check(w->auth, worker, w->reader, slice_of(header), slice_of(org), now,
		out != NULL ? out : &unused, &err);
	reader_end(w->reader);
	if (rc != RC_OK)
		assert_null(strstr(err.detail, token)); /* no secret in an error */
	return rc;
}

static enum rc
ask(struct world *w, const char *token, const char *org, int64_t now)
{
	return ask_on(w, 0, "Bearer ", token, org, now, NULL);
}

static void
tokens_look_right(void **state)
{
	char one[TOKEN_TEXT + 1], two[TOKEN_TEXT + 1];
	uint8_t hash[TOKEN_HASH], again[TOKEN_HASH];

	(void)state;
	token_generate(one, hash);
	token_generate(two, again);
	assert_int_equal(strlen(one), TOKEN_TEXT);
	assert_memory_equal(one, "rst_", 4);
	assert_int_equal(
		strspn(one + 4, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
		43);
	assert_string_not_equal(one, two);
	token_hash(slice_of(one), again);
	assert_memory_equal(hash, again, TOKEN_HASH);
	/* SHA-256 of "abc" (FIPS 180-2, appendix B.1). */
	token_hash(SLICE("abc"), hash);
	assert_memory_equal(hash,
		"\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23"
		"\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad",
		32);
}

static void
a_token_opens_its_own_org_only(void **state)
{
	struct world *w = *state;
	struct caller c;

	for (int again = 0; again < 3; again++) { /* also from the cache */
		assert_int_equal(ask_on(w, 1, "Bearer ", w->text, "acme", NOW, &c), RC_OK);
		assert_int_equal(c.org, w->acme.no);
		assert_int_equal(c.connection, w->connection.no);
		assert_int_equal(c.token, w->token.no);
		assert_int_equal(c.dialect, DIALECT_STRICT);
		assert_string_equal(c.org_key, "acme");
		assert_int_equal(ask(w, w->text, "other", NOW), RC_NOT_FOUND);
		assert_int_equal(ask(w, w->text, "nobody", NOW), RC_NOT_FOUND);
		assert_int_equal(ask(w, w->text, "acm", NOW), RC_NOT_FOUND);
	}
}

static void
what_is_no_token_is_refused(void **state)
{
	struct world *w = *state;
	struct caller c;
	struct err err = ERR_INIT;
	char other[TOKEN_TEXT + 1];

	memcpy(other, w->text, sizeof(other));
	other[TOKEN_TEXT - 1] = other[TOKEN_TEXT - 1] == 'A' ? 'B' : 'A';
	assert_int_equal(ask(w, w->text, "acme", NOW), RC_OK);
	assert_int_equal(ask(w, other, "acme", NOW), RC_UNAUTHORIZED);
	assert_int_equal(ask_on(w, 0, "bearer  ", w->text, "acme", NOW, NULL), RC_OK);
	assert_int_equal(ask_on(w, 0, "Basic ", w->text, "acme", NOW, NULL), RC_UNAUTHORIZED);
	assert_int_equal(ask_on(w, 0, "Bearer", w->text, "acme", NOW, NULL), RC_UNAUTHORIZED);
	assert_int_equal(ask(w, "rst_short", "acme", NOW), RC_UNAUTHORIZED);
	assert_int_equal(reader_begin(w->reader, &err), RC_OK);
	assert_int_equal(auth_check(w->auth, 0, w->reader, (struct slice){ NULL, 0 }, SLICE("acme"),
				 NOW, &c, &err),
		RC_UNAUTHORIZED);
	assert_int_equal(
		auth_check(w->auth, 0, w->reader, SLICE("Bearer "), SLICE("acme"), NOW, &c, &err),
		RC_UNAUTHORIZED);
	reader_end(w->reader);
	assert_null(memmem(auth_challenge((struct slice){ NULL, 0 }).p,
		auth_challenge((struct slice){ NULL, 0 }).len, "error", 5));
	assert_non_null(memmem(
		auth_challenge(SLICE("x")).p, auth_challenge(SLICE("x")).len, "invalid_token", 13));
}

static void
a_token_ends_when_it_expires(void **state)
{
	struct world *w = *state;

	assert_int_equal(ask(w, w->text, "acme", NOW), RC_OK);
	assert_int_equal(ask(w, w->text, "acme", w->token.expires - 1), RC_OK);
	assert_int_equal(ask(w, w->text, "acme", w->token.expires), RC_UNAUTHORIZED);
}

static enum rc
revoke(struct world *w, struct txn *t, struct err *err)
{
	struct token gone;

	return dir_token_revoke(t, w->acme.no, w->token.no, &gone, err);
}

static void
a_revoked_token_is_dead_at_once(void **state)
{
	struct world *w = *state;

	assert_int_equal(ask_on(w, 0, "Bearer ", w->text, "acme", NOW, NULL), RC_OK);
	assert_int_equal(ask_on(w, 1, "Bearer ", w->text, "acme", NOW, NULL), RC_OK);
	change(w, revoke);
	assert_int_equal(ask_on(w, 0, "Bearer ", w->text, "acme", NOW, NULL), RC_UNAUTHORIZED);
	assert_int_equal(ask_on(w, 1, "Bearer ", w->text, "acme", NOW, NULL), RC_UNAUTHORIZED);
}

/* The read began before the change was committed: what it saw must not be kept as new. */
static void
an_old_read_is_renewed(void **state)
{
	struct world *w = *state;
	struct err err = ERR_INIT;
	struct caller c;
	char header[200];

	(void)snprintf(header, sizeof(header), "Bearer %s", w->text);
	assert_int_equal(reader_begin(w->reader, &err), RC_OK);
	change(w, revoke);
	assert_int_equal(
		auth_check(w->auth, 0, w->reader, slice_of(header), SLICE("acme"), NOW, &c, &err),
		RC_UNAUTHORIZED);
	reader_end(w->reader);
}

static enum rc
suspend(struct world *w, struct txn *t, struct err *err)
{
	return dir_org_set_state(t, SLICE("acme"), ORG_SUSPENDED, &w->acme, err);
}

static enum rc
resume(struct world *w, struct txn *t, struct err *err)
{
	return dir_org_set_state(t, SLICE("acme"), ORG_ACTIVE, &w->acme, err);
}

static enum rc delete (struct world *w, struct txn *t, struct err *err) {
	return dir_org_set_state(t, SLICE("acme"), ORG_PURGING, &w->acme, err);
}

static void
the_state_of_the_org_counts(void **state)
{
	struct world *w = *state;

	assert_int_equal(ask(w, w->text, "acme", NOW), RC_OK);
	change(w, suspend);
	assert_int_equal(ask(w, w->text, "acme", NOW), RC_FORBIDDEN);
	assert_int_equal(ask(w, w->text, "other", NOW), RC_NOT_FOUND);
	change(w, resume);
	assert_int_equal(ask(w, w->text, "acme", NOW), RC_OK);
	change(w, delete);
	assert_int_equal(ask(w, w->text, "acme", NOW), RC_UNAUTHORIZED);
}

static enum rc
drop_connection(struct world *w, struct txn *t, struct err *err)
{
	return dir_connection_delete(t, w->acme.no, SLICE("OKTA"), &w->connection, err);
}

static void
a_connection_takes_its_tokens_along(void **state)
{
	struct world *w = *state;

	assert_int_equal(ask(w, w->text, "acme", NOW), RC_OK);
	change(w, drop_connection);
	assert_int_equal(ask(w, w->text, "acme", NOW), RC_UNAUTHORIZED);
}

static struct token
stored(struct world *w)
{
	struct err err = ERR_INIT;
	struct token t = { .no = 0 };

	assert_int_equal(reader_begin(w->reader, &err), RC_OK);
	assert_true(token_get(w->reader, w->token.hash, &t));
	reader_end(w->reader);
	return t;
}

static void
last_use_is_written_to_the_minute(void **state)
{
	struct world *w = *state;
	const int64_t minute = 60 * SECOND;

	assert_int_equal(stored(w).last_used, 0);
	assert_int_equal(ask(w, w->text, "acme", NOW), RC_OK);
	auth_flush(w->auth);
	assert_int_equal(stored(w).last_used, NOW - NOW % minute);
	assert_int_equal(ask(w, w->text, "acme", NOW + SECOND), RC_OK);
	auth_flush(w->auth);
	assert_int_equal(stored(w).last_used, NOW - NOW % minute);
	assert_int_equal(ask(w, w->text, "acme", NOW + 70 * SECOND), RC_OK);
	auth_flush(w->auth);
	assert_int_equal(stored(w).last_used, (NOW + 70 * SECOND) - (NOW + 70 * SECOND) % minute);
}

/* ---- Rules of orgs, connections and tokens ---- */

static enum rc
names_are_checked_in(struct world *w, struct txn *t, struct err *err)
{
	static const char *const wrong[] = { "", "-a", "a-", "A", "a b", "a/b", "ü", "a.b",
		"0123456789012345678901234567890123456789012345678901234567890123" };
	struct connection c;
	struct org org;

	(void)w;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(dir_org_create(t, slice_of(wrong[i]), SLICE(""), NOW, &org, err),
			RC_INVALID_VALUE);
	assert_int_equal(
		dir_org_create(t, SLICE("acme"), SLICE(""), NOW, &org, err), RC_UNIQUENESS);
	assert_int_equal(
		dir_org_create(t, SLICE("b"), SLICE("a\nb"), NOW, &org, err), RC_INVALID_VALUE);
	assert_int_equal(
		dir_org_create(t, SLICE("b"), SLICE("\xff"), NOW, &org, err), RC_INVALID_VALUE);
	assert_int_equal(
		dir_org_create(t, SLICE("b-2"), SLICE("B\xc3\xa9"), NOW, &org, err), RC_OK);
	assert_int_equal(
		dir_connection_create(t, org.no, SLICE("#1"), DIALECT_TOLERANT, NOW, &c, err),
		RC_INVALID_VALUE);
	assert_int_equal(
		dir_connection_create(t, org.no, SLICE("Okta"), DIALECT_TOLERANT, NOW, &c, err),
		RC_OK);
	assert_int_equal(
		dir_connection_create(t, org.no, SLICE("oKTA"), DIALECT_TOLERANT, NOW, &c, err),
		RC_UNIQUENESS);
	assert_int_equal(dir_connection_find(t, org.no, SLICE("OKTA"), &c, err), RC_OK);
	assert_int_equal(dir_connection_find(t, org.no, SLICE("#1"), &c, err), RC_OK);
	assert_int_equal(dir_connection_find(t, org.no, SLICE("#2"), &c, err), RC_NOT_FOUND);
	return RC_OK;
}

static void
names_are_checked(void **state)
{
	change(*state, names_are_checked_in);
}

static enum rc
tokens_are_limited_in(struct world *w, struct txn *t, struct err *err)
{
	struct token token;
	enum rc rc = RC_OK;
	unsigned n = 1;

	for (; rc == RC_OK; n++) {
		token = (struct token){ .expires = 0 };
		token_hash((struct slice){ (const char *)&n, sizeof(n) }, token.hash);
		rc = dir_token_add(t, &w->connection, NOW, &token, err);
	}
	assert_int_equal(rc, RC_TOO_MANY);
	assert_int_equal(n - 1, TOKENS_MAX);
	token.expires = NOW - 1;
	assert_int_equal(dir_token_add(t, &w->connection, NOW, &token, err), RC_INVALID_VALUE);
	return RC_OK;
}

static void
tokens_are_limited(void **state)
{
	change(*state, tokens_are_limited_in);
}

static enum rc
rotation_in(struct world *w, struct txn *t, struct err *err)
{
	struct token fresh = { .expires = NOW + 1000 * SECOND }, old;

	memset(fresh.hash, 7, TOKEN_HASH);
	assert_int_equal(
		dir_token_rotate(t, w->acme.no, w->token.no, NOW, NOW + 50 * SECOND, &fresh, err),
		RC_OK);
	assert_true(token_get(t, w->token.hash, &old));
	assert_int_equal(old.expires, NOW + 50 * SECOND);
	assert_true(fresh.no != old.no);
	/* An overlap never lets the old one live longer than it would have. */
	memset(fresh.hash, 8, TOKEN_HASH);
	assert_int_equal(
		dir_token_rotate(t, w->acme.no, old.no, NOW, NOW + 99 * SECOND, &fresh, err),
		RC_OK);
	assert_true(token_get(t, w->token.hash, &old));
	assert_int_equal(old.expires, NOW + 50 * SECOND);
	return RC_OK;
}

static void
rotation(void **state)
{
	change(*state, rotation_in);
}

int
main(void)
{
#define WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_look_right),
		WORLD(a_token_opens_its_own_org_only),
		WORLD(what_is_no_token_is_refused),
		WORLD(a_token_ends_when_it_expires),
		WORLD(a_revoked_token_is_dead_at_once),
		WORLD(an_old_read_is_renewed),
		WORLD(the_state_of_the_org_counts),
		WORLD(a_connection_takes_its_tokens_along),
		WORLD(last_use_is_written_to_the_minute),
		WORLD(names_are_checked),
		WORLD(tokens_are_limited),
		WORLD(rotation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
