#include "daemon/auth.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "base/log.h"

#include "base/banned.h"

enum { CACHE_SLOTS = 4096, CACHE_WAYS = 2, HEADER_MAX = 96, USES_MAX = 1 << 16 };

static const int64_t MINUTE = INT64_C(60) * 10000000; /* ticks */

/* A header seen before, and what it opened when the tables had this generation. */
struct known {
	uint64_t generation; /* 0: empty */
	int64_t expires;
	int64_t noted; /* when its use was last put down */
	bool suspended;
	uint8_t header_len;
	char header[HEADER_MAX];
	uint8_t hash[TOKEN_HASH];
	struct caller caller;
};

struct use {
	uint8_t hash[TOKEN_HASH];
	int64_t when;
};

struct cache {
	struct known slots[CACHE_SLOTS];
};

struct auth {
	_Atomic uint64_t generation;
	struct committer *committer;
	uint64_t seed;
	unsigned workers;
	struct cache **caches; /* one a worker: no lock */
	pthread_mutex_t lock;  /* of what follows */
	struct use *uses;
	size_t use_count;
	int64_t flushed;
};

/* ---- Tokens ---- */

void
token_hash(struct slice text, uint8_t hash[TOKEN_HASH])
{
	(void)SHA256((const unsigned char *)text.p, text.len, hash);
}

static void
random_bytes(void *out, size_t n)
{
	if (getrandom(out, n, 0) != (ssize_t)n)
		abort();
}

void
token_generate(char text[TOKEN_TEXT + 1], uint8_t hash[TOKEN_HASH])
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint8_t raw[33] = { 0 };
	char *p = text + 4;

	random_bytes(raw, 32);
	memcpy(text, "rst_", 4);
	for (size_t i = 0; i < 33; i += 3) {
		uint32_t v = (uint32_t)raw[i] << 16 | (uint32_t)raw[i + 1] << 8 | raw[i + 2];

		for (int shift = 18; shift >= 0; shift -= 6)
			*p++ = digits[v >> shift & 63];
	}
	text[TOKEN_TEXT] = '\0'; /* the 44th digit is of padding only */
	token_hash((struct slice){ text, TOKEN_TEXT }, hash);
	explicit_bzero(raw, sizeof(raw));
}

/* The token of `Bearer TOKEN`; false for any other header. The scheme compares without case (RFC
 * 9110 section 11.1). */
static bool
bearer_token(struct slice header, struct slice *token)
{
	if (header.p == NULL || header.len < 8 || header.len > HEADER_MAX ||
		!slice_caseeq((struct slice){ header.p, 7 }, SLICE("Bearer ")))
		return false;
	*token = slice_trim(slice_from(header, 7));
	return token->len > 0;
}

/* ---- Times of last use ---- */

struct flush_job {
	struct write_job job;
	struct use *uses;
	size_t count;
};

static enum rc
flush_run(struct write_job *job, struct txn *t, struct err *err)
{
	struct flush_job *f = (struct flush_job *)job;
	struct token token;

	(void)err;
	for (size_t i = 0; i < f->count; i++) {
		if (token_get(t, f->uses[i].hash, &token) && token.last_used < f->uses[i].when) {
			token.last_used = f->uses[i].when;
			token_put(t, &token);
		}
	}
	return txn_rc(t);
}

static void
flush_done(struct write_job *job)
{
	struct flush_job *f = (struct flush_job *)job;

	if (job->rc != RC_OK)
		log_event(LOG_WARN, "token-use-not-written", LOG_STR("reason", job->err.detail));
	free(f->uses);
	free(f);
}

/* Takes all uses; NULL when there are none. The lock is held. */
static struct flush_job *
flush_take(struct auth *a)
{
	struct flush_job *f;

	if (a->use_count == 0 || a->committer == NULL)
		return NULL;
	if ((f = calloc(1, sizeof(*f))) == NULL)
		abort();
	f->job.run = flush_run;
	f->job.done = flush_done;
	f->uses = a->uses;
	f->count = a->use_count;
	a->uses = NULL;
	a->use_count = 0;
	return f;
}

static void
use_note(struct auth *a, struct known *k, int64_t now)
{
	struct flush_job *f = NULL;

	k->noted = now;
	(void)pthread_mutex_lock(&a->lock);
	if (a->uses == NULL && (a->uses = malloc(USES_MAX * sizeof(*a->uses))) == NULL)
		abort();
	if (a->use_count < USES_MAX) {
		memcpy(a->uses[a->use_count].hash, k->hash, TOKEN_HASH);
		a->uses[a->use_count++].when = now - now % MINUTE;
	}
	if (now - a->flushed >= MINUTE || a->flushed > now) {
		f = flush_take(a);
		a->flushed = now;
	}
	(void)pthread_mutex_unlock(&a->lock);
	if (f != NULL)
		committer_submit(a->committer, &f->job);
}

void
auth_flush(struct auth *a)
{
	struct flush_job none = { .count = 0 }, *f;
	struct err err = ERR_INIT;
	enum rc rc;

	if (a->committer == NULL)
		return;
	(void)pthread_mutex_lock(&a->lock);
	f = flush_take(a);
	(void)pthread_mutex_unlock(&a->lock);
	/* Also when there is nothing: what was submitted before is then written, as jobs run in
	 * order. */
	rc = committer_run(a->committer, flush_run, f != NULL ? &f->job : &none.job, &err);
	if (rc != RC_OK)
		log_event(LOG_WARN, "token-use-not-written", LOG_STR("reason", err.detail));
	if (f != NULL)
		free(f->uses);
	free(f);
}

/* ---- Look-up ---- */

static uint64_t
header_hash(uint64_t seed, struct slice s)
{
	uint64_t h = seed, word;

	while (s.len > 0) {
		size_t n = s.len < 8 ? s.len : 8;

		word = 0;
		memcpy(&word, s.p, n);
		h = (h ^ word) * 0x9fb21c651e98df25ULL;
		h ^= h >> 32;
		s = slice_from(s, n);
	}
	return h;
}

static bool
known_is(const struct known *k, struct slice header)
{
	return k->generation != 0 && k->header_len == header.len &&
	       CRYPTO_memcmp(k->header, header.p, header.len) == 0;
}

/* The slot that holds the header, else the one to put it in (the older of two). */
static struct known *
slot_find(struct cache *c, uint64_t hash, struct slice header)
{
	struct known *first = &c->slots[hash & (CACHE_SLOTS - CACHE_WAYS)];
	struct known *second = first + 1;

	if (known_is(first, header))
		return first;
	if (known_is(second, header))
		return second;
	return first->generation == 0 || first->noted <= second->noted ? first : second;
}

static enum rc
invalid_token(struct err *err)
{
	return fail(err, RC_UNAUTHORIZED, "", "the bearer token is unknown, revoked or expired");
}

static enum rc
suspended(struct err *err)
{
	return fail(err, RC_FORBIDDEN, "", "the org is suspended");
}

/* What a token opens, if it still does. */
static enum rc
token_opens(struct txn *t, const struct token *token, struct org *org,
	struct connection *connection, struct err *err)
{
	enum rc rc;

	if (org_by_no(t, token->org, org) && org->state != ORG_DELETED &&
		connection_get(t, token->org, token->connection, connection))
		return RC_OK;
	if ((rc = txn_rc(t)) != RC_OK)
		return fail(err, rc, "", "the store could not be read");
	return invalid_token(err);
}

/* Fills a slot from the store. The generation was read before the transaction was renewed: so the
 * transaction sees all changes up to that generation, and a later one makes the slot stale. */
static enum rc
slot_load(struct auth *a, struct txn *reader, struct slice header, struct slice text,
	struct known *k, struct err *err)
{
	uint64_t generation = atomic_load(&a->generation);
	struct known fresh = { .generation = generation, .header_len = (uint8_t)header.len };
	struct connection connection;
	struct token token;
	struct org org;
	enum rc rc;

	reader_end(reader);
	if ((rc = reader_begin(reader, err)) != RC_OK)
		return rc;
	token_hash(text, fresh.hash);
	if (!token_get(reader, fresh.hash, &token))
		return txn_rc(reader) == RC_OK
			       ? invalid_token(err)
			       : fail(err, txn_rc(reader), "", "the store could not be read");
	if ((rc = token_opens(reader, &token, &org, &connection, err)) != RC_OK)
		return rc;
	memcpy(fresh.header, header.p, header.len);
	fresh.expires = token.expires;
	fresh.noted = token.last_used;
	fresh.suspended = org.state == ORG_SUSPENDED;
	fresh.caller.org = token.org;
	fresh.caller.connection = token.connection;
	fresh.caller.token = token.no;
	fresh.caller.generation = generation;
	fresh.caller.dialect = connection.dialect;
	memcpy(fresh.caller.org_key, org.key, sizeof(fresh.caller.org_key));
	*k = fresh;
	return RC_OK;
}

enum rc
auth_check(struct auth *a, unsigned worker, struct txn *reader, struct slice authorization,
	struct slice org_key, int64_t now, struct caller *out, struct err *err)
{
	struct slice text;
	struct known *k;
	enum rc rc;

	assert(worker < a->workers);
	if (authorization.p == NULL)
		return fail(err, RC_UNAUTHORIZED, "",
			"a bearer token is needed (Authorization: Bearer ...)");
	if (!bearer_token(authorization, &text))
		return invalid_token(err);
	k = slot_find(a->caches[worker], header_hash(a->seed, authorization), authorization);
	if (!known_is(k, authorization) ||
		k->generation != atomic_load_explicit(&a->generation, memory_order_acquire)) {
		if ((rc = slot_load(a, reader, authorization, text, k, err)) != RC_OK)
			return rc;
	}
	if (k->expires != 0 && k->expires <= now)
		return invalid_token(err);
	/* Decided without a look at the other org: the answer and its time say nothing of it. */
	if (org_key.p != NULL && !slice_eq(org_key, slice_of(k->caller.org_key)))
		return fail(
			err, RC_NOT_FOUND, "", "there is nothing at this address for this token");
	if (k->suspended)
		return suspended(err);
	if (now - k->noted >= MINUTE)
		use_note(a, k, now);
	*out = k->caller;
	return RC_OK;
}

enum rc
auth_still(struct auth *a, struct txn *t, const struct caller *c, struct err *err)
{
	struct connection connection;
	struct token token;
	struct org org;
	enum rc rc;

	/* Whoever changes a table says so on this thread, before the change is committed: what is
	 * unchanged here is so. */
	if (atomic_load(&a->generation) == c->generation)
		return RC_OK;
	if (!token_next(t, c->org, c->token - 1, &token) || token.no != c->token)
		return txn_rc(t) == RC_OK ? invalid_token(err)
					  : fail(err, txn_rc(t), "", "the store could not be read");
	if ((rc = token_opens(t, &token, &org, &connection, err)) != RC_OK)
		return rc;
	return org.state == ORG_SUSPENDED ? suspended(err) : RC_OK;
}

struct slice
auth_challenge(struct slice authorization)
{
	return authorization.p == NULL ? SLICE("Bearer realm=\"rosterd\"")
				       : SLICE("Bearer realm=\"rosterd\", error=\"invalid_token\"");
}

void
auth_changed(struct auth *a)
{
	(void)atomic_fetch_add(&a->generation, 1);
}

enum rc
auth_new(unsigned workers, struct committer *committer, struct auth **out, struct err *err)
{
	struct auth *a = calloc(1, sizeof(*a));

	(void)err;
	if (a == NULL || (a->caches = calloc(workers, sizeof(struct cache *))) == NULL)
		abort();
	for (unsigned i = 0; i < workers; i++)
		if ((a->caches[i] = calloc(1, sizeof(struct cache))) == NULL)
			abort();
	atomic_store(&a->generation, 1);
	a->workers = workers;
	a->committer = committer;
	random_bytes(&a->seed, sizeof(a->seed));
	(void)pthread_mutex_init(&a->lock, NULL);
	*out = a;
	return RC_OK;
}

void
auth_free(struct auth *a)
{
	if (a == NULL)
		return;
	auth_flush(a);
	for (unsigned i = 0; i < a->workers; i++) {
		explicit_bzero(a->caches[i], sizeof(struct cache));
		free(a->caches[i]);
	}
	free(a->caches);
	free(a->uses);
	(void)pthread_mutex_destroy(&a->lock);
	free(a);
}
