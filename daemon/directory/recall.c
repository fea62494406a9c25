#include "daemon/directory/recall.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "daemon/directory/form.h"

#include "base/banned.h"

enum {
	WAYS = 4,             /* in which an answer can be: two cache lines, side by side */
	SLOTS_MIN = 1 << 12,
	HUGE_BYTES = 2 << 20, /* from here on the table asks for large pages */
	MOVES = 16,           /* slots that move with each new answer, when the table has grown */
	MEMBER_STAMPS = 1 << 14,
	QUESTIONS = 1 << 14,  /* slots; half of them are used at most */
	PERMISSION_MAX = 62,  /* bytes of a text that is remembered */
	ENTRIES_MAX = 256,    /* of the journal that are read at once */
	CHANGES_MAX = 4096,
};

/* All zeros: empty. */
struct answer {
	struct uuid subject;
	uint32_t question, stamp;
	uint64_t row_code; /* the User's row, without its type, above the code */
};

_Static_assert(sizeof(struct answer) == 32, "two a cache line");

struct table {
	struct answer *slots; /* NULL: no table */
	size_t count;         /* a power of two */
};

struct recall_org {
	uint32_t org;    /* 0: empty slot */
	uint32_t stamp;  /* what has another one is forgotten */
	uint64_t txn, revision;
};

struct question {
	uint32_t number; /* 0: empty slot */
	uint32_t org;
	struct uuid scope;
	uint8_t kind, len;
	char permission[PERMISSION_MAX];
};

struct recall {
	const struct directory *d;
	uint64_t seed;
	struct table now, former; /* former: the smaller one that was, while its answers move */
	size_t limit;             /* slots */
	size_t moved;             /* slots of the former one */
	size_t evicted;           /* answers since the table has its size */
	struct recall_org *orgs; /* open addressing, at most half full */
	size_t org_count, org_cap;
	struct recall_org platform;
	uint32_t people; /* rises when people become active or inactive */
	uint32_t members[MEMBER_STAMPS]; /* rise when something about a member changes; several share one */
	struct question questions[QUESTIONS];
	uint32_t question_count, last_question;
};

static uint64_t
mix(uint64_t a, uint64_t b)
{
	__uint128_t m = (__uint128_t)(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xd6e8feb86659fd93u);

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t
mix_id(uint64_t seed, const struct uuid *id)
{
	uint64_t words[2];

	memcpy(words, id->bytes, sizeof(words));
	return mix(words[0] ^ seed, words[1]);
}

/* ---- The table ---- */

static struct table
table_new(size_t count)
{
	size_t size = count * sizeof(struct answer);
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	if (size >= HUGE_BYTES)
		(void)madvise(p, size, MADV_HUGEPAGE);
	return (struct table){ p, count };
}

static void
table_free(struct table *t)
{
	if (t->slots != NULL)
		(void)munmap(t->slots, t->count * sizeof(struct answer));
	*t = (struct table){ NULL, 0 };
}

static struct answer *
set_of(const struct table *t, uint64_t hash)
{
	return t->slots + ((size_t)hash & (t->count - WAYS));
}

static bool
is_about(const struct answer *a, uint32_t question, const struct uuid *subject)
{
	return a->question == question && memcmp(&a->subject, subject, sizeof(*subject)) == 0;
}

static struct answer *
find_in(const struct table *t, uint64_t hash, uint32_t question, const struct uuid *subject)
{
	struct answer *set;

	if (t->slots == NULL)
		return NULL;
	set = set_of(t, hash);
	__builtin_prefetch(set + WAYS / 2);
	for (size_t i = 0; i < WAYS; i++)
		if (is_about(&set[i], question, subject))
			return &set[i];
	return NULL;
}

/* What is about the same, then what is empty, then one after the other. newer: it counts more than one that is there. */
static void
put(struct recall *r, const struct answer *a, bool newer)
{
	uint64_t hash = mix_id(r->seed ^ a->question, &a->subject);
	struct answer *at = find_in(&r->now, hash, a->question, &a->subject), *set = set_of(&r->now, hash);

	if (at != NULL && !newer)
		return;
	for (size_t i = 0; i < WAYS && at == NULL; i++)
		if (set[i].question == 0)
			at = &set[i];
	if (at == NULL)
		at = &set[r->evicted++ % WAYS];
	*at = *a;
}

/* Some at a time: a pause for all of them would be long. */
static void
move_some(struct recall *r)
{
	for (size_t n = 0; n < MOVES && r->moved < r->former.count; n++) {
		const struct answer *a = &r->former.slots[r->moved++];

		if (a->question != 0)
			put(r, a, false);
	}
	if (r->moved == r->former.count)
		table_free(&r->former);
}

/* Answers that find their set full are asked for in vain again and again, which costs more than room: soon there is more of it. */
static void
grow(struct recall *r)
{
	if (r->former.slots != NULL || r->evicted < r->now.count / 32 || r->now.count >= r->limit)
		return;
	r->former = r->now;
	r->now = table_new(r->now.count * 4 < r->limit ? r->now.count * 4 : r->limit);
	r->moved = r->evicted = 0;
}

/* ---- Orgs ---- */

static struct recall_org *
org_slot(const struct recall *r, uint32_t org)
{
	size_t at = (size_t)mix(org, r->seed) & (r->org_cap - 1);

	while (r->orgs[at].org != 0 && r->orgs[at].org != org)
		at = (at + 1) & (r->org_cap - 1);
	return &r->orgs[at];
}

static void
orgs_grow(struct recall *r)
{
	struct recall_org *old = r->orgs;
	size_t cap = r->org_cap;

	r->org_cap = cap == 0 ? 64 : cap * 2;
	if ((r->orgs = calloc(r->org_cap, sizeof(*r->orgs))) == NULL)
		abort();
	for (size_t i = 0; i < cap; i++)
		if (old[i].org != 0)
			*org_slot(r, old[i].org) = old[i];
	free(old);
}

static uint32_t *
member_stamp(struct recall *r, uint32_t org, uint64_t row)
{
	return &r->members[mix(row, r->seed ^ org) % MEMBER_STAMPS];
}

/* Each part only rises: the sum is the same when none of them rose. */
static uint32_t
answer_stamp(struct recall *r, const struct recall_org *ro, uint64_t member)
{
	return ro->stamp + r->people + *member_stamp(r, ro->org, member);
}

/* ---- Forgetting ---- */

static void
forget_member(struct recall *r, struct recall_org *ro, uint64_t row)
{
	if (row_type(row) == TYPE_USER)
		++*member_stamp(r, ro->org, row);
	else
		ro->stamp++;
}

/* What an assignment's record says of one principal. */
static void
forget_assignment(struct recall *r, struct recall_org *ro, struct orgtx *o, struct slice packed)
{
	struct record rec;

	if (record_parse(r->d->schema, packed, &rec))
		forget_member(r, ro, record_row(o, r->d->schema, &rec, r->d->at.assignment_principal_value));
	else
		ro->stamp++;
}

/* Whether a person's record makes them active or inactive. */
static void
forget_person(struct recall *r, const struct change *c, bool had_old, struct slice old)
{
	struct record a, b;

	if (c->kind == CHANGE_REPLACE && had_old && record_parse(r->d->schema, old, &a) &&
		record_parse(r->d->schema, c->packed, &b) &&
		record_bool(r->d->schema, &a, r->d->at.person_active, true) ==
			record_bool(r->d->schema, &b, r->d->at.person_active, true))
		return;
	r->people++;
}

static void
note_record(struct recall *r, struct recall_org *ro, struct orgtx *o, const struct journal_entry *e, const struct change *c)
{
	struct slice old;
	bool had_old = c->kind != CHANGE_CREATE && journal_old(o, e, c, &old);

	switch (row_type(c->row)) {
	case TYPE_INVITATION:
	case TYPE_CONNECTION:
	case TYPE_TOKEN:
	case TYPE_CERTIFICATE:
	case TYPE_QUOTA:
		break; /* nobody's rights hang on these */
	case TYPE_USER:
		forget_member(r, ro, c->row);
		break;
	case TYPE_GROUP: /* a new one, or another name, changes nobody's rights */
		if (c->kind == CHANGE_DELETE)
			ro->stamp++;
		break;
	case TYPE_ASSIGNMENT:
		forget_assignment(r, ro, o, c->kind == CHANGE_DELETE ? (had_old ? old : (struct slice){ NULL, 0 }) : c->packed);
		break;
	case TYPE_PERSON:
		if (c->kind != CHANGE_CREATE)
			forget_person(r, c, had_old, old);
		break;
	default:
		ro->stamp++;
	}
}

static void
note_change(struct recall *r, struct recall_org *ro, struct orgtx *o, const struct journal_entry *e, const struct change *c)
{
	switch (c->kind) {
	case CHANGE_CREATE:
	case CHANGE_REPLACE:
	case CHANGE_DELETE:
		note_record(r, ro, o, e, c);
		break;
	case CHANGE_EDGE_ADD:
	case CHANGE_EDGE_REMOVE:
		forget_member(r, ro, c->member);
		break;
	}
}

/* false: too much happened, or something can't be read. */
static bool
note_entries(struct recall *r, struct recall_org *ro, struct orgtx *o, uint64_t to)
{
	struct journal_entry e;
	struct change c;
	size_t changes = 0;
	bool bad = false;

	if (to < ro->revision || to - ro->revision > ENTRIES_MAX)
		return false;
	for (uint64_t revision = ro->revision + 1; revision <= to; revision++) {
		if (!journal_get(o, revision, &e))
			return false;
		while (journal_next_change(&e.changes, &c, &bad) && ++changes <= CHANGES_MAX)
			note_change(r, ro, o, &e, &c);
		if (bad || changes > CHANGES_MAX)
			return false;
	}
	return true;
}

static void
bring_up(struct recall *r, struct recall_org *ro, struct orgtx *o, uint64_t txn)
{
	uint64_t revision = orgtx_stat(o)->revision;

	if (ro->txn != 0 && revision != ro->revision && !note_entries(r, ro, o, revision)) {
		ro->stamp++;
		r->people += ro == &r->platform;
	}
	ro->txn = txn;
	ro->revision = revision;
}

struct recall_org *
recall_enter(struct recall *r, struct orgtx *o)
{
	struct txn *t = orgtx_txn(o);
	uint64_t txn = txn_id(t);
	struct recall_org *ro = org_slot(r, orgtx_org(o));

	if (ro->org == 0) {
		if ((r->org_count + 1) * 2 > r->org_cap) {
			orgs_grow(r);
			ro = org_slot(r, orgtx_org(o));
		}
		r->org_count++;
		ro->org = orgtx_org(o);
	}
	if (r->platform.txn != txn)
		bring_up(r, &r->platform, orgtx_open(t, ORG_PLATFORM), txn);
	if (ro->txn != txn)
		bring_up(r, ro, o, txn);
	return ro;
}

/* ---- Questions ---- */

static uint64_t
question_hash(const struct recall *r, const struct question *q)
{
	uint64_t hash = mix_id(r->seed ^ q->org, &q->scope);

	for (size_t i = 0; i < q->len; i += 8) {
		uint64_t word = 0;

		memcpy(&word, q->permission + i, q->len - i < 8u ? q->len - i : 8u);
		hash = mix(hash, word ^ q->kind);
	}
	return hash ^ q->kind;
}

static bool
question_eq(const struct question *a, const struct question *b)
{
	return a->org == b->org && a->kind == b->kind && a->len == b->len &&
	       memcmp(&a->scope, &b->scope, sizeof(a->scope)) == 0 && memcmp(a->permission, b->permission, a->len) == 0;
}

/* Too many: numbers are never given twice, so that what was remembered under the former ones is lost and nothing is mistaken. */
static void
questions_clear(struct recall *r)
{
	memset(r->questions, 0, sizeof(r->questions));
	r->question_count = 0;
}

uint32_t
recall_question(struct recall *r, const struct recall_org *ro, enum recall_kind kind, struct slice permission,
	const struct uuid *scope)
{
	struct question q = { .org = ro->org, .kind = (uint8_t)kind, .len = (uint8_t)permission.len };
	struct question *at;
	size_t i;

	if (permission.len > PERMISSION_MAX || r->last_question == UINT32_MAX)
		return 0;
	if (permission.len > 0)
		memcpy(q.permission, permission.p, permission.len);
	if (scope != NULL)
		q.scope = *scope;
	i = (size_t)question_hash(r, &q) & (QUESTIONS - 1);
	while ((at = &r->questions[i])->number != 0) {
		if (question_eq(at, &q))
			return at->number;
		i = (i + 1) & (QUESTIONS - 1);
	}
	if (r->question_count >= QUESTIONS / 2) {
		questions_clear(r);
		at = &r->questions[(size_t)question_hash(r, &q) & (QUESTIONS - 1)];
	}
	q.number = ++r->last_question;
	r->question_count++;
	*at = q;
	return q.number;
}

/* ---- Answers ---- */

static uint64_t
row_of_answer(const struct answer *a)
{
	return (uint64_t)TYPE_USER << 56 | a->row_code >> 8;
}

bool
recall_get(struct recall *r, const struct recall_org *ro, uint32_t question, const struct uuid *subject, uint64_t *row,
	uint8_t *code)
{
	uint64_t hash = mix_id(r->seed ^ question, subject);
	const struct answer *a = find_in(&r->now, hash, question, subject);

	if (a == NULL && (a = find_in(&r->former, hash, question, subject)) == NULL)
		return false;
	*row = row_of_answer(a);
	*code = (uint8_t)a->row_code;
	return a->stamp == answer_stamp(r, ro, *row);
}

void
recall_put(struct recall *r, const struct recall_org *ro, uint32_t question, const struct uuid *subject, uint64_t row,
	uint8_t code)
{
	struct answer a = { *subject, question, answer_stamp(r, ro, row), row_counter(row) << 8 | code };

	put(r, &a, true);
	move_some(r);
	grow(r);
}

/* ---- Life ---- */

struct recall *
recall_new(const struct directory *d, size_t bytes)
{
	struct recall *r = calloc(1, sizeof(*r));

	if (r == NULL || getrandom(&r->seed, sizeof(r->seed), 0) != (ssize_t)sizeof(r->seed))
		abort();
	r->d = d;
	r->limit = SLOTS_MIN;
	while (r->limit * 2 * sizeof(struct answer) <= bytes)
		r->limit *= 2;
	r->now = table_new(SLOTS_MIN);
	orgs_grow(r);
	return r;
}

void
recall_free(struct recall *r)
{
	if (r == NULL)
		return;
	table_free(&r->now);
	table_free(&r->former);
	free(r->orgs);
	free(r);
}
