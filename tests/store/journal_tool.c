/* For the system tests of the audit log: hands on the journal that no part of rosterd lends, and tokens of kinds that need more than the
 * control door.
 *
 *   journal_tool DIRECTORY alter ORG REVISION BYTE    turns one bit of an entry
 *   journal_tool DIRECTORY drop ORG REVISION          takes an entry out
 *   journal_tool DIRECTORY cut ORG REVISION           takes it and all behind it out, and makes the org believe it
 *   journal_tool DIRECTORY rewrite ORG REVISION BYTE  alters it, and makes all hashes behind it right again
 *   journal_tool DIRECTORY age ORG REVISION DAYS      makes all entries up to it that many days older, and all hashes right again
 *   journal_tool DIRECTORY size ORG                   prints the bytes of all entries
 *   journal_tool DIRECTORY operator SECRET            makes this text the token of an operator */
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/store/store_private.h"

#include "base/banned.h"

struct job {
	int argc;
	char **argv;
	uint32_t org;
	uint64_t revision, byte;
};

static struct slice
entry(struct txn *t, const struct job *j, uint64_t revision)
{
	uint8_t key[KEY_ROW];
	MDB_val value;

	key_row(key, j->org, revision);
	if (!txn_get(t, TAB_JOURNAL, key, sizeof(key), &value)) {
		(void)fprintf(stderr, "there is no entry %" PRIu64 "\n", revision);
		exit(1);
	}
	return arena_dup(t->arena, slice_val(&value));
}

static void
put_entry(struct txn *t, const struct job *j, uint64_t revision, struct slice bytes)
{
	uint8_t key[KEY_ROW];

	key_row(key, j->org, revision);
	txn_put(t, TAB_JOURNAL, key, sizeof(key), bytes.p, bytes.len);
}

static void
drop_entry(struct txn *t, const struct job *j, uint64_t revision)
{
	uint8_t key[KEY_ROW];

	key_row(key, j->org, revision);
	(void)txn_del(t, TAB_JOURNAL, slice_at(key, sizeof(key)), (struct slice){ NULL, 0 });
}

static void
alter(struct txn *t, const struct job *j)
{
	struct slice bytes = entry(t, j, j->revision);

	((char *)(uintptr_t)bytes.p)[j->byte % bytes.len] ^= 1;
	put_entry(t, j, j->revision, bytes);
}

/* Makes the links right from an entry on, and the org's own knowledge of the end. */
static void
relink(struct txn *t, const struct job *j, uint64_t from, uint64_t last)
{
	struct org_stat stat = *orgtx_stat(orgtx_open(t, j->org));
	struct slice bytes = entry(t, j, from);

	for (uint64_t r = from + 1; r <= last; r++) {
		struct slice next = entry(t, j, r);

		(void)SHA256((const unsigned char *)bytes.p, bytes.len, (unsigned char *)(uintptr_t)next.p);
		put_entry(t, j, r, next);
		bytes = next;
	}
	(void)SHA256((const unsigned char *)bytes.p, bytes.len, stat.head);
	stat.revision = last;
	orgtx_put_stat(t, j->org, &stat);
}

static void
make_older(struct txn *t, const struct job *j)
{
	enum { TIME_AT = JOURNAL_HASH + 1 + 1 + 1 + 1 + 4 + 4 };
	uint64_t first = journal_oldest(orgtx_open(t, j->org));

	for (uint64_t r = first; r <= j->revision; r++) {
		struct slice bytes = entry(t, j, r);
		uint64_t ticks;

		memcpy(&ticks, bytes.p + TIME_AT, sizeof(ticks));
		ticks = htole64(le64toh(ticks) - j->byte * UINT64_C(864000000000));
		memcpy((char *)(uintptr_t)bytes.p + TIME_AT, &ticks, sizeof(ticks));
		put_entry(t, j, r, bytes);
	}
	relink(t, j, first, orgtx_stat(orgtx_open(t, j->org))->revision);
}

static size_t
size_of(struct txn *t, const struct job *j, uint64_t last)
{
	size_t size = 0;

	for (uint64_t r = journal_oldest(orgtx_open(t, j->org)); r <= last; r++)
		size += entry(t, j, r).len;
	return size;
}

static void
operator_token(struct txn *t, struct slice text)
{
	struct token token = { .kind = TOKEN_OPERATOR, .org = ORG_PLATFORM };

	(void)SHA256((const unsigned char *)text.p, text.len, token.hash);
	token_put(t, &token);
}

static enum rc
run(struct txn *t, void *arg, struct err *err)
{
	struct job *j = arg;
	struct slice what = slice_of(j->argv[2]);
	struct org org;
	uint64_t last;

	if (slice_eq(what, SLICE("operator"))) {
		operator_token(t, slice_of(j->argv[3]));
		return RC_OK;
	}
	if (slice_eq(slice_of(j->argv[3]), SLICE("-")))
		org.no = ORG_PLATFORM;
	else if (!org_by_key(t, slice_of(j->argv[3]), &org))
		return fail(err, RC_NOT_FOUND, "", "there is no org %s", j->argv[3]);
	j->org = org.no;
	last = orgtx_stat(orgtx_open(t, org.no))->revision;
	if (slice_eq(what, SLICE("alter"))) {
		alter(t, j);
	} else if (slice_eq(what, SLICE("drop"))) {
		drop_entry(t, j, j->revision);
	} else if (slice_eq(what, SLICE("cut"))) {
		for (uint64_t r = j->revision; r <= last; r++)
			drop_entry(t, j, r);
		relink(t, j, j->revision - 1, j->revision - 1);
	} else if (slice_eq(what, SLICE("rewrite"))) {
		alter(t, j);
		relink(t, j, j->revision, last);
	} else if (slice_eq(what, SLICE("size"))) {
		(void)printf("%zu\n", size_of(t, j, last));
	} else if (slice_eq(what, SLICE("age"))) {
		make_older(t, j);
	} else {
		return fail(err, RC_INVALID_VALUE, "", "what is \"%s\"?", j->argv[2]);
	}
	return RC_OK;
}

int
main(int argc, char **argv)
{
	struct store_options options = { .map_size = 1 << 20, .map_limit = UINT64_C(1) << 40 };
	struct arena *a = arena_new();
	struct err err = ERR_INIT;
	struct job job = { .argc = argc, .argv = argv };
	struct store *s;
	int status = 0;

	if (argc < 4) {
		(void)fprintf(stderr, "usage: journal_tool DIRECTORY WHAT ORG ...\n");
		return 2;
	}
	options.directory = argv[1];
	if (argc > 4)
		job.revision = strtoull(argv[4], NULL, 10);
	if (argc > 5)
		job.byte = strtoull(argv[5], NULL, 10);
	if (schema_load(a, &options.schema, &err) != RC_OK || store_open(&options, &s, &err) != RC_OK) {
		(void)fprintf(stderr, "%s\n", err.detail);
		return 1;
	}
	if (store_write(s, run, &job, &err) != RC_OK) {
		(void)fprintf(stderr, "%s\n", err.detail);
		status = 1;
	}
	store_close(s);
	arena_free(a);
	return status;
}
