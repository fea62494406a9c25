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
	int64_t noted;       /* when its use was last put down */
	uint8_t header_len;
	char header[HEADER_MAX];
	struct token token;
	/* Of a connection's or a member's, which open one org only. */
	struct org org;
	enum dialect dialect;
};

struct use {
	uint8_t hash[TOKEN_HASH];
	int64_t when;
};

struct cache {
	struct arena *arena; /* of one look-up */
	struct known slots[CACHE_SLOTS];
};

struct auth {
	struct auth_options options;
	const struct attr *active, *person_active, *link, *link_state, *person, *organizations; /* NULL: the schema has none */
	uint64_t seed;
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

	(void)err;
	for (size_t i = 0; i < f->count; i++)
		token_used(t, f->uses[i].hash, f->uses[i].when);
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

	if (a->use_count == 0 || a->options.committer == NULL)
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
		memcpy(a->uses[a->use_count].hash, k->token.hash, TOKEN_HASH);
		a->uses[a->use_count++].when = now - now % MINUTE;
	}
	if (now - a->flushed >= MINUTE || a->flushed > now) {
		f = flush_take(a);
		a->flushed = now;
	}
	(void)pthread_mutex_unlock(&a->lock);
	if (f != NULL)
		committer_submit(a->options.committer, &f->job);
}

void
auth_flush(struct auth *a)
{
	struct flush_job none = { .count = 0 }, *f;
	struct err err = ERR_INIT;
	enum rc rc;

	if (a->options.committer == NULL)
		return;
	(void)pthread_mutex_lock(&a->lock);
	f = flush_take(a);
	(void)pthread_mutex_unlock(&a->lock);
	/* Also when there is nothing: what was submitted before is then written, as jobs run in
	 * order. */
	rc = committer_run(a->options.committer, flush_run, f != NULL ? &f->job : &none.job, &err);
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
unreadable(struct txn *t, enum rc otherwise, struct err *err)
{
	enum rc rc = txn_rc(t);

	if (rc != RC_OK)
		return fail(err, rc, "", "the store could not be read");
	return otherwise == RC_UNAUTHORIZED
		       ? invalid_token(err)
		       : fail(err, otherwise, "", "there is nothing at this address for this token");
}

/* ---- Members ---- */

/* A sub-attribute's value in an object's fields. */
static bool
fields_get(const struct schema_set *set, struct slice fields, const struct attr *attr,
	struct slice *out)
{
	struct field f;
	bool bad = false;

	while (record_next(set, &fields, &f, &bad)) {
		if (f.attr == attr) {
			*out = f.payload;
			return true;
		}
	}
	return false;
}

/* `active` is true where nothing is said. */
static bool
is_active(const struct schema_set *set, const struct record *r, const struct attr *active)
{
	struct slice value;

	return active == NULL || !record_field(set, r, active, &value) || payload_bool(value);
}

/* The id of the person to whom a member is linked; a link in conflict is none. */
static bool
linked_person(const struct auth *a, const struct record *member, struct slice *id)
{
	const struct schema_set *set = a->options.schema;
	struct slice extension, person, state;

	return a->link != NULL && record_field(set, member, a->link, &extension) &&
	       fields_get(set, extension, a->person->parent, &person) &&
	       fields_get(set, person, a->person, id) &&
	       fields_get(set, extension, a->link_state, &state) &&
	       slice_eq(state, SLICE("linked"));
}

/* A person who may use their tokens. */
static bool
person_live(const struct auth *a, struct txn *t, uint64_t row, char id[UUID_TEXT])
{
	struct record r;

	if (row == 0 || !record_get(orgtx_open(t, ORG_PLATFORM), row, &r) ||
		!is_active(a->options.schema, &r, a->person_active))
		return false;
	uuid_format(&r.id, id);
	return true;
}

/* Whether a member is there, active, and (id not NULL) linked to that person. */
static bool
member_live(const struct auth *a, struct orgtx *o, uint64_t row, struct slice id)
{
	struct slice linked;
	struct record r;

	return row_type(row) == TYPE_USER && record_get(o, row, &r) &&
	       is_active(a->options.schema, &r, a->active) &&
	       (id.p == NULL || (linked_person(a, &r, &linked) && slice_eq(linked, id)));
}

/* A key's member acts: it is live, and the person that it is, if it is anybody's, too. */
static bool
key_live(const struct auth *a, struct txn *t, struct orgtx *o, uint64_t row)
{
	struct orgtx *platform = orgtx_open(t, ORG_PLATFORM);
	struct slice linked;
	struct uuid uuid;
	struct record r;
	char id[UUID_TEXT];
	uint64_t person;

	if (!member_live(a, o, row, (struct slice){ NULL, 0 }) || !record_get(o, row, &r))
		return false;
	return !linked_person(a, &r, &linked) ||
	       (uuid_parse(linked, &uuid) && row_by_id(platform, &uuid, &person) &&
		       person_live(a, t, person, id));
}

/* The active member of an org that a person is; 0: they are none. */
static uint64_t
member_of_person(const struct auth *a, struct arena *arena, struct orgtx *o, struct slice id)
{
	struct node value = { .attr = a->person, .kind = NODE_VALUE, .text = id };
	uint64_t rows[8];
	struct slice key;
	size_t n;

	if (a->link == NULL || !index_key_of(arena, a->person, 0, &value, false, &key))
		return 0;
	/* One that is linked, beside some in conflict. */
	for (uint64_t after = 0;; after = rows[n - 1]) {
		n = index_list(o, a->person->id, TYPE_USER, key, after, rows, 8);
		for (size_t i = 0; i < n; i++)
			if (member_live(a, o, rows[i], id))
				return rows[i];
		if (n < 8)
			return 0;
	}
}

/* A service's record names the orgs that it may enter. */
static bool
service_names(const struct auth *a, struct txn *t, const struct token *token, struct slice key)
{
	struct slice list, element;
	struct record r;
	bool bad = false;

	if (a->organizations == NULL ||
		!record_get(orgtx_open(t, ORG_PLATFORM), token->row, &r) ||
		!record_field(a->options.schema, &r, a->organizations, &list))
		return false;
	while (record_next_element(&list, &element, &bad))
		if (slice_eq(element, SLICE("*")) || slice_eq(element, key))
			return true;
	return false;
}

/* ---- What a token opens ---- */

/* One row a kind of token. */
static const struct {
	enum caller_kind caller;
	bool platform; /* works on the platform's base */
	bool home;     /* works in the org only where it is kept */
} kinds[] = {
	[TOKEN_CONNECTION] = { CALLER_CONNECTION, false, true },
	[TOKEN_KEY] = { CALLER_KEY, false, true },
	[TOKEN_PERSONAL] = { CALLER_PERSON, true, false },
	[TOKEN_SERVICE] = { CALLER_SERVICE, true, false },
	[TOKEN_OPERATOR] = { CALLER_OPERATOR, true, false },
};

static enum rc
org_admits(const struct org *org, enum token_kind kind, struct err *err)
{
	if (org->state == ORG_ACTIVE ||
		(kind == TOKEN_OPERATOR && org->state != ORG_PURGING))
		return RC_OK;
	if (org->state == ORG_SUSPENDED)
		return fail(err, RC_FORBIDDEN, "", "the org is suspended");
	return kinds[kind].home ? invalid_token(err)
				: fail(err, RC_NOT_FOUND, "",
					  "there is nothing at this address for this token");
}

/* Whether a token may do anything in an org: as far as that is not kept, and so looked up at each
 * request. */
static bool
token_enters(const struct auth *a, struct arena *arena, struct txn *t, const struct token *token,
	const struct org *org, struct caller *c)
{
	struct orgtx *o = orgtx_open(t, org->no);
	char id[UUID_TEXT];

	switch (token->kind) {
	case TOKEN_CONNECTION:
	case TOKEN_OPERATOR:
		return true;
	case TOKEN_KEY:
		c->member = token->owner;
		return key_live(a, t, o, token->owner);
	case TOKEN_PERSONAL:
		c->person = token->owner;
		if (!person_live(a, t, token->owner, id))
			return false;
		c->member = member_of_person(a, arena, o, (struct slice){ id, UUID_TEXT });
		return c->member != 0;
	case TOKEN_SERVICE:
		return service_names(a, t, token, slice_of(org->key));
	}
	return false;
}

static uint64_t
request_rate(const struct auth *a, const struct org *org)
{
	const struct model *m;

	if (org->limits[LIMIT_REQUESTS] != UINT64_MAX || a->options.models == NULL)
		return org->limits[LIMIT_REQUESTS] != UINT64_MAX ? org->limits[LIMIT_REQUESTS] : 0;
	m = model_by_name(a->options.models, slice_of(org->model));
	return m != NULL ? m->kinds[org->kind].limits[LIMIT_REQUESTS] : 0;
}

static void
caller_set_org(const struct auth *a, struct caller *c, const struct org *org)
{
	c->org = org->no;
	c->request_rate = request_rate(a, org);
	memcpy(c->org_key, org->key, sizeof(c->org_key));
}

/* Connections and members: their own org. Decided without a look at the other org: the answer and
 * its time say nothing of it. */
static enum rc
enter_home(const struct auth *a, struct txn *t, const struct known *k, struct slice key,
	int64_t now, struct caller *c, struct err *err)
{
	bool moved = false;
	int64_t until;
	enum rc rc;

	if (key.p == NULL || !slice_eq(key, slice_of(k->org.key))) {
		moved = key.p != NULL && org_had_key(t, k->org.no, key, &until) && until > now;
		if (!moved)
			return unreadable(t, RC_NOT_FOUND, err);
	}
	if ((rc = org_admits(&k->org, k->token.kind, err)) != RC_OK)
		return rc;
	caller_set_org(a, c, &k->org);
	if (!token_enters(a, NULL, t, &k->token, &k->org, c))
		return unreadable(t, RC_UNAUTHORIZED, err);
	return moved ? fail(err, RC_MOVED, "", "the org's key is \"%s\" now", k->org.key) : RC_OK;
}

/* Persons, services, operators. An org that is not there takes the way of one that is. */
static enum rc
enter_any(const struct auth *a, struct arena *arena, struct txn *t, const struct known *k,
	struct slice key, int64_t now, struct caller *c, struct err *err)
{
	struct org org = { .no = UINT32_MAX };
	bool found = org_by_key(t, key, &org), moved = false;
	int64_t until;
	enum rc rc;

	if (!found)
		found = moved = org_by_former_key(t, key, &org, &until) && until > now;
	if (!token_enters(a, arena, t, &k->token, &org, c) || !found)
		return unreadable(t, RC_NOT_FOUND, err);
	if ((rc = org_admits(&org, k->token.kind, err)) != RC_OK)
		return rc;
	caller_set_org(a, c, &org);
	return moved ? fail(err, RC_MOVED, "", "the org's key is \"%s\" now", org.key) : RC_OK;
}

static enum rc
enter_platform(const struct auth *a, struct txn *t, const struct known *k, struct caller *c,
	struct err *err)
{
	char id[UUID_TEXT];

	if (!kinds[k->token.kind].platform)
		return unreadable(t, RC_NOT_FOUND, err);
	if (k->token.kind == TOKEN_PERSONAL) {
		c->person = k->token.owner;
		if (!person_live(a, t, k->token.owner, id))
			return unreadable(t, RC_UNAUTHORIZED, err);
	}
	c->org = ORG_PLATFORM;
	return RC_OK;
}

/* ---- The slots ---- */

/* Whether a token and what it belongs to are still there. */
static enum rc
token_stands(struct txn *t, const struct token *token, struct org *org,
	struct connection *connection, struct err *err)
{
	if (!kinds[token->kind].home)
		return RC_OK;
	if (org_by_no(t, token->org, org) && org->state != ORG_PURGING &&
		(token->kind != TOKEN_CONNECTION ||
			connection_get(t, token->org, token->connection, connection)))
		return RC_OK;
	return unreadable(t, RC_UNAUTHORIZED, err);
}

/* Fills a slot from the store. The generation was read before the transaction was renewed: so the
 * transaction sees all changes up to that generation, and a later one makes the slot stale. */
static enum rc
slot_load(struct auth *a, struct txn *reader, struct slice header, struct slice text,
	struct known *k, struct err *err)
{
	struct known fresh = { .generation = store_epoch(a->options.store),
		.header_len = (uint8_t)header.len };
	struct connection connection = { .dialect = DIALECT_TOLERANT };
	uint8_t hash[TOKEN_HASH];
	enum rc rc;

	reader_end(reader);
	if ((rc = reader_begin(reader, err)) != RC_OK)
		return rc;
	token_hash(text, hash);
	if (!token_get(reader, hash, &fresh.token))
		return unreadable(reader, RC_UNAUTHORIZED, err);
	if ((rc = token_stands(reader, &fresh.token, &fresh.org, &connection, err)) != RC_OK)
		return rc;
	memcpy(fresh.header, header.p, header.len);
	fresh.noted = fresh.token.last_used;
	fresh.dialect = connection.dialect;
	*k = fresh;
	return RC_OK;
}

/* What a header opens; *k is the worker's, until its next look-up. */
static enum rc
slot_get(struct auth *a, unsigned worker, struct txn *reader, struct slice authorization, int64_t now,
	struct known **out, struct err *err)
{
	struct slice text;
	struct known *k;
	enum rc rc;

	assert(worker < a->options.workers);
	if (authorization.p == NULL)
		return fail(err, RC_UNAUTHORIZED, "",
			"a bearer token is needed (Authorization: Bearer ...)");
	if (!bearer_token(authorization, &text))
		return invalid_token(err);
	k = slot_find(a->caches[worker], header_hash(a->seed, authorization), authorization);
	if ((!known_is(k, authorization) || k->generation != store_epoch(a->options.store)) &&
		(rc = slot_load(a, reader, authorization, text, k, err)) != RC_OK)
		return rc;
	*out = k;
	return k->token.expires != 0 && k->token.expires <= now ? invalid_token(err) : RC_OK;
}

enum rc
auth_check(struct auth *a, unsigned worker, struct txn *reader, struct slice authorization,
	struct slice org_key, int64_t now, struct caller *out, struct err *err)
{
	struct arena *arena;
	struct known *k;
	enum rc rc = slot_get(a, worker, reader, authorization, now, &k, err);

	if (rc != RC_OK)
		return rc;
	arena = a->caches[worker]->arena;
	*out = (struct caller){ .kind = kinds[k->token.kind].caller,
		.connection = k->token.connection,
		.token = k->token.no,
		.token_org = k->token.org,
		.token_row = k->token.row,
		.generation = k->generation,
		.dialect = k->dialect };
	arena_clear(arena);
	rc = kinds[k->token.kind].home ? enter_home(a, reader, k, org_key, now, out, err)
	     : org_key.p == NULL
		     ? enter_platform(a, reader, k, out, err)
		     : enter_any(a, arena, reader, k, org_key, now, out, err);
	if (rc == RC_OK && now - k->noted >= MINUTE)
		use_note(a, k, now);
	return rc;
}

enum caller_kind
auth_kind(const struct token *token)
{
	return kinds[token->kind].caller;
}

enum rc
auth_enter(struct auth *a, struct txn *t, const struct token *token, struct slice org_key, int64_t now,
	struct caller *out, struct err *err)
{
	struct known k = { .generation = store_epoch(a->options.store), .token = *token };
	struct connection connection = { .dialect = DIALECT_TOLERANT };
	struct arena *arena;
	enum rc rc;

	if (token->expires != 0 && token->expires <= now)
		return invalid_token(err);
	if ((rc = token_stands(t, token, &k.org, &connection, err)) != RC_OK)
		return rc;
	*out = (struct caller){ .kind = kinds[token->kind].caller,
		.connection = token->connection,
		.token = token->no,
		.token_org = token->org,
		.token_row = token->row,
		.certificate = token->no == 0,
		.generation = k.generation,
		.dialect = connection.dialect };
	arena = arena_new();
	rc = kinds[token->kind].home ? enter_home(a, t, &k, org_key, now, out, err)
	     : org_key.p == NULL     ? enter_platform(a, t, &k, out, err)
				     : enter_any(a, arena, t, &k, org_key, now, out, err);
	arena_free(arena);
	return rc;
}

enum rc
auth_identify(struct auth *a, unsigned worker, struct txn *reader, struct slice authorization, int64_t now,
	enum caller_kind *kind, char org_key[ORG_KEY_MAX + 1], struct err *err)
{
	struct known *k;
	enum rc rc = slot_get(a, worker, reader, authorization, now, &k, err);

	if (rc != RC_OK)
		return rc;
	*kind = kinds[k->token.kind].caller;
	org_key[0] = '\0';
	if (kinds[k->token.kind].home)
		memcpy(org_key, k->org.key, sizeof(k->org.key));
	return RC_OK;
}

/* Token, connection and org; whoever changes one of them raises the epoch before the change is
 * committed: what is unchanged by it is so. */
static enum rc
entry_still(struct auth *a, struct txn *t, const struct caller *c, struct token *token,
	struct org *org, struct err *err)
{
	struct connection connection;
	struct org home;
	enum rc rc;

	*org = (struct org){ .no = c->org };
	memcpy(org->key, c->org_key, sizeof(org->key));
	if (c->certificate)
		*token = (struct token){ .kind = c->kind == CALLER_CONNECTION ? TOKEN_CONNECTION : TOKEN_KEY,
			.org = c->org, .connection = c->connection, .owner = c->member };
	else if (!token_next(t, c->token_org, c->token - 1, token) || token->no != c->token)
		return unreadable(t, RC_UNAUTHORIZED, err);
	if (store_epoch(a->options.store) == c->generation)
		return RC_OK;
	if ((rc = token_stands(t, token, &home, &connection, err)) != RC_OK)
		return rc;
	if (c->org == ORG_PLATFORM)
		return RC_OK;
	if (!org_by_no(t, c->org, org))
		return unreadable(t, RC_NOT_FOUND, err);
	return org_admits(org, token->kind, err);
}

enum rc
auth_still(struct auth *a, struct txn *t, const struct caller *c, struct err *err)
{
	struct caller again = { .org = c->org };
	struct known k = { .generation = 0 };
	struct arena *arena;
	struct org org;
	bool enters;
	enum rc rc;

	if ((c->token == 0 && !c->certificate) || (c->kind == CALLER_CONNECTION &&
				     store_epoch(a->options.store) == c->generation))
		return RC_OK;
	if ((rc = entry_still(a, t, c, &k.token, &org, err)) != RC_OK)
		return rc;
	if (c->org == ORG_PLATFORM)
		return enter_platform(a, t, &k, &again, err);
	arena = arena_new();
	enters = token_enters(a, arena, t, &k.token, &org, &again) && again.member == c->member;
	arena_free(arena);
	return enters ? RC_OK
		      : unreadable(t, kinds[k.token.kind].home ? RC_UNAUTHORIZED : RC_NOT_FOUND, err);
}

void
caller_init_control(struct caller *c, uint32_t org)
{
	*c = (struct caller){ .kind = CALLER_OPERATOR, .org = org, .token_org = ORG_PLATFORM };
}

/* "127.0.0.1:4711" and "[::1]:4711" without the port. */
void
peer_address(const char *peer, char out[ACTOR_PEER])
{
	struct slice s = slice_of(peer);

	while (s.len > 0 && s.p[s.len - 1] != ':')
		s.len--;
	s.len -= s.len > 0;
	if (s.len > 1 && s.p[0] == '[' && s.p[s.len - 1] == ']')
		s = (struct slice){ s.p + 1, s.len - 2 };
	if (s.len >= ACTOR_PEER)
		s.len = ACTOR_PEER - 1;
	memcpy(out, s.p, s.len);
	out[s.len] = '\0';
}

/* The id of who acts: the member, or the person; none for connections, services and operators. */
static struct uuid
acting_id(const struct caller *c, struct orgtx *o)
{
	uint64_t row = c->member != 0 ? c->member : c->person;
	struct record r = { .id = { { 0 } } };

	if (c->member == 0)
		o = orgtx_open(orgtx_txn(o), ORG_PLATFORM);
	if (row != 0 && !record_get(o, row, &r))
		r.id = (struct uuid){ { 0 } };
	return r.id;
}

struct actor
caller_actor(const struct caller *c, struct orgtx *o, enum door door, const char *peer, int64_t now)
{
	static const enum actor_kind kinds_of[] = { [CALLER_CONNECTION] = ACTOR_CONNECTION,
		[CALLER_KEY] = ACTOR_KEY, [CALLER_PERSON] = ACTOR_PERSON,
		[CALLER_SERVICE] = ACTOR_SERVICE, [CALLER_OPERATOR] = ACTOR_OPERATOR };
	struct actor a = { .door = door,
		.connection = c->connection,
		.token = c->token,
		.now = now,
		.kind = kinds_of[c->kind],
		.subject = acting_id(c, o) };

	peer_address(peer, a.peer);
	return a;
}

const char *
caller_kind_name(enum caller_kind kind)
{
	static const char *const names[] = {
		[CALLER_CONNECTION] = "connection",
		[CALLER_KEY] = "key",
		[CALLER_PERSON] = "person",
		[CALLER_SERVICE] = "service",
		[CALLER_OPERATOR] = "operator",
	};

	return names[kind];
}

struct slice
auth_challenge(struct slice authorization)
{
	return authorization.p == NULL ? SLICE("Bearer realm=\"rosterd\"")
				       : SLICE("Bearer realm=\"rosterd\", error=\"invalid_token\"");
}

/* ---- Life ---- */

static const struct attr *
attr_of(const struct schema_set *set, const char *type, const char *path)
{
	const struct resource_type *t = schema_type_by_name(set, slice_of(type));

	return t != NULL ? attr_find(t, slice_of(path)) : NULL;
}

enum rc
auth_new(const struct auth_options *options, struct auth **out, struct err *err)
{
	static const char link[] = "urn:rosterd:scim:schemas:extension:member:1.0:User";
	static const char person[] = "urn:rosterd:scim:schemas:extension:member:1.0:User:person.value";
	static const char state[] = "urn:rosterd:scim:schemas:extension:member:1.0:User:linkState";
	struct auth *a = calloc(1, sizeof(*a));

	(void)err;
	if (a == NULL || (a->caches = calloc(options->workers, sizeof(struct cache *))) == NULL)
		abort();
	for (unsigned i = 0; i < options->workers; i++) {
		if ((a->caches[i] = calloc(1, sizeof(struct cache))) == NULL)
			abort();
		a->caches[i]->arena = arena_new();
	}
	a->options = *options;
	a->active = attr_of(options->schema, "User", "active");
	a->person_active = attr_of(options->schema, "Person", "active");
	a->link = attr_of(options->schema, "User", link);
	a->person = attr_of(options->schema, "User", person);
	a->link_state = attr_of(options->schema, "User", state);
	a->organizations = attr_of(options->schema, "Token", "organizations");
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
	for (unsigned i = 0; i < a->options.workers; i++) {
		arena_free(a->caches[i]->arena);
		explicit_bzero(a->caches[i], sizeof(struct cache));
		free(a->caches[i]);
	}
	free(a->caches);
	free(a->uses);
	(void)pthread_mutex_destroy(&a->lock);
	free(a);
}
