/* Figures of the store alone: bench_store [users [chunk]]. Not a test: it prints, and fails at
 * nothing. */
#include "tests/store/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/banned.h"

enum { ROUNDS = 3000 };

struct bench {
	struct store *s;
	char *dir;
	uint32_t org;
	uint64_t users, chunk, made, seed;
	uint64_t big, small; /* groups */
	struct buf packed;
	size_t *ends;
	struct slice *slices;
	uint64_t *rows;
	uint64_t group, member; /* of one_member() */
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of the process: what the figure would be on a machine that has nothing else to do and a fast
 * disk. */
static double
cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
write_or_die(struct bench *b, store_write_fn *fn)
{
	struct err err = ERR_INIT;

	if (store_write(b->s, fn, b, &err) != RC_OK) {
		fprintf(stderr, "%s\n", err.detail);
		exit(1);
	}
}

static const struct actor actor = { .door = DOOR_CONTROL, .now = 1 };

static enum rc
make_org(struct txn *t, void *arg, struct err *err)
{
	struct org org = { .state = ORG_ACTIVE, .key = "bench" };

	(void)err;
	org_create(t, &org);
	((struct bench *)arg)->org = org.no;
	return RC_OK;
}

/* Some 700 bytes, values in no order, as people come. */
static void
pack_users(struct bench *b, uint64_t n)
{
	char name[64], mail[80], external[64], title[360], family[64];
	struct person p = { name, name, family, { mail, NULL }, external, title, 1, 1 };

	buf_clear(&b->packed);
	memset(title, 'x', sizeof(title));
	title[sizeof(title) - 1] = '\0';
	for (uint64_t i = 0; i < n; i++) {
		uint64_t x = fixture_random(&b->seed);

		(void)snprintf(name, sizeof(name), "%08llx.person.%llu",
			(unsigned long long)(x >> 32), (unsigned long long)b->made);
		(void)snprintf(
			family, sizeof(family), "Family%llu", (unsigned long long)(x % 50000));
		(void)snprintf(mail, sizeof(mail), "%s@example.com", name);
		(void)snprintf(external, sizeof(external), "%016llx%016llx",
			(unsigned long long)fixture_random(&b->seed), (unsigned long long)x);
		b->made++;
		fixture_pack_user(&b->packed, fixture_id(b->made), 1, (int64_t)(b->made / 100), &p);
		b->ends[i] = b->packed.len;
	}
	for (uint64_t i = 0, at = 0; i < n; at = b->ends[i++])
		b->slices[i] = (struct slice){ b->packed.p + at, b->ends[i] - at };
}

static enum rc
load_chunk(struct txn *t, void *arg, struct err *err)
{
	struct bench *b = arg;
	struct orgtx *o = orgtx_open(t, b->org);

	(void)err;
	(void)change_begin(o, &actor);
	record_create_many(o, TYPE_USER, b->slices, b->chunk, b->rows);
	change_end(o);
	return RC_OK;
}

static void
bench_load(struct bench *b)
{
	double spent = 0, burnt = 0, t, c;

	for (uint64_t done = 0; done < b->users; done += b->chunk) {
		if (b->chunk > b->users - done)
			b->chunk = b->users - done;
		pack_users(b, b->chunk);
		t = now();
		c = cpu();
		write_or_die(b, load_chunk);
		t = now() - t;
		c = cpu() - c;
		spent += t;
		burnt += c;
		printf("  chunk of %llu at %llu: %.2f s (cpu %.2f s)\n",
			(unsigned long long)b->chunk, (unsigned long long)done, t, c);
	}
	printf("record_create_many: %llu users of %zu bytes, %.0f/s (cpu %.0f/s)\n",
		(unsigned long long)b->users, b->packed.len / b->chunk, (double)b->users / spent,
		(double)b->users / burnt);
}

static enum rc
create_64(struct txn *t, void *arg, struct err *err)
{
	struct bench *b = arg;
	struct orgtx *o = orgtx_open(t, b->org);

	(void)err;
	for (int i = 0; i < 64; i++) {
		(void)change_begin(o, &actor);
		(void)record_create(o, TYPE_USER, b->slices[i]);
		change_end(o);
	}
	return RC_OK;
}

static void
bench_create(struct bench *b)
{
	double spent = 0, t;

	for (int i = 0; i < 100; i++) {
		pack_users(b, 64);
		t = now();
		write_or_die(b, create_64);
		spent += now() - t;
	}
	printf("record_create, 64 a commit: %.0f/s\n", 6400 / spent);
}

static enum rc
make_groups(struct txn *t, void *arg, struct err *err)
{
	struct bench *b = arg;
	struct orgtx *o = orgtx_open(t, b->org);
	uint64_t n;

	(void)err;
	buf_clear(&b->packed);
	fixture_pack_group(&b->packed, fixture_id(++b->made), 1, 1, "big");
	(void)change_begin(o, &actor);
	b->big = record_create(o, TYPE_GROUP, buf_as_slice(&b->packed));
	buf_clear(&b->packed);
	fixture_pack_group(&b->packed, fixture_id(++b->made), 1, 1, "small");
	b->small = record_create(o, TYPE_GROUP, buf_as_slice(&b->packed));
	n = rows_list(o, TYPE_USER, 0, 0, b->rows, b->users);
	(void)edge_add_many(o, b->big, b->rows, n);
	(void)edge_add_many(o, b->small, b->rows, 10);
	change_end(o);
	return RC_OK;
}

static enum rc
one_member(struct txn *t, void *arg, struct err *err)
{
	struct bench *b = arg;
	struct orgtx *o = orgtx_open(t, b->org);

	(void)err;
	(void)change_begin(o, &actor);
	if (edge_has(o, b->group, b->member))
		(void)edge_remove(o, b->group, b->member);
	else
		(void)edge_add(o, b->group, b->member);
	change_end(o);
	return RC_OK;
}

static void
bench_members(struct bench *b)
{
	double t = now(), spent[2] = { 0, 0 };

	write_or_die(b, make_groups);
	printf("edge_add_many of %llu: %.2f s\n", (unsigned long long)b->users, now() - t);
	for (int i = 0; i < ROUNDS; i++) {
		b->group = i % 2 ? b->big : b->small;
		b->member = b->rows[fixture_random(&b->seed) % b->users];
		t = now();
		write_or_die(b, one_member);
		spent[i % 2] += now() - t;
	}
	printf("one member, one commit: group of 10 %.0f/s, of %llu %.0f/s: %.2f times\n",
		ROUNDS / 2 / spent[0], (unsigned long long)b->users, ROUNDS / 2 / spent[1],
		spent[1] / spent[0]);
}

static void
bench_reads(struct bench *b)
{
	const struct attr *attr = fixture_attr(TYPE_USER, "userName");
	struct txn *t = reader_new(b->s);
	struct err err = ERR_INIT;
	enum { N = 500000 };
	struct orgtx *o;
	struct record r;
	struct uuid id;
	uint64_t row, found = 0, out[100];
	double at;

	if (reader_begin(t, &err) != RC_OK)
		exit(1);
	o = orgtx_open(t, b->org);
	at = cpu();
	for (int i = 0; i < N; i++)
		found += record_get(o, b->rows[fixture_random(&b->seed) % b->users], &r);
	printf("record_get: %.0f/s\n", N / (cpu() - at));
	at = cpu();
	for (int i = 0; i < N; i++) {
		id = fixture_id(1 + fixture_random(&b->seed) % b->users);
		found += row_by_id(o, &id, &row) && record_get(o, row, &r);
	}
	printf("row_by_id + record_get: %.0f/s\n", N / (cpu() - at));
	at = cpu();
	for (int i = 0; i < N; i++)
		found += edge_has(o, b->big, b->rows[fixture_random(&b->seed) % b->users]);
	printf("edge_has in the big group: %.0f/s\n", N / (cpu() - at));
	at = cpu();
	for (int i = 0; i < N; i++)
		found += index_list(o, attr->id, TYPE_USER, SLICE("00000000.nobody"), 0, out, 2);
	printf("index_list of an absent userName: %.0f/s\n", N / (cpu() - at));
	reader_end(t);
	at = cpu();
	for (int i = 0; i < N; i++) {
		if (reader_begin(t, &err) != RC_OK)
			exit(1);
		found += edge_has(orgtx_open(t, b->org), b->big,
			b->rows[fixture_random(&b->seed) % b->users]);
		reader_end(t);
	}
	printf("reader_begin + edge_has + reader_end: %.0f/s\n", N / (cpu() - at));
	if (reader_begin(t, &err) != RC_OK)
		exit(1);
	o = orgtx_open(t, b->org);
	at = cpu();
	for (int i = 0; i < 100; i++)
		found += rows_list(o, TYPE_USER, 0, b->users / 2, out, 100);
	printf("rows_list past %llu rows: %.3f ms (%llu)\n", (unsigned long long)b->users / 2,
		(cpu() - at) * 10, (unsigned long long)found);
	at = cpu();
	found = 0;
	for (uint64_t after = 0; (row = edge_list(o, EDGE_MEMBERS, b->big, after, out, 100)) > 0;
		found += row)
		after = out[row - 1];
	printf("edge_list of %llu in pages of 100: %.3f s\n", (unsigned long long)found,
		cpu() - at);
	reader_free(t);
}

static enum rc
delete_big(struct txn *t, void *arg, struct err *err)
{
	struct bench *b = arg;
	struct orgtx *o = orgtx_open(t, b->org);

	(void)err;
	(void)change_begin(o, &actor);
	(void)record_delete(o, b->big);
	change_end(o);
	return RC_OK;
}

static bool purged;

static enum rc
purge_some(struct txn *t, void *arg, struct err *err)
{
	struct bench *b = arg;
	struct org org;

	(void)err;
	if (org_by_no(t, b->org, &org) && org.state != ORG_PURGING) {
		org.state = ORG_PURGING;
		org_put(t, &org);
	}
	purged = org_purge(t, b->org, 20000);
	return RC_OK;
}

static void
bench_care(struct bench *b)
{
	struct verify_result result;
	struct store_usage usage;
	struct err err = ERR_INIT;
	struct buf file = BUF_INIT;
	double t = now(), c = cpu(), longest = 0, one;
	struct stat st;
	int steps = 0;

	if (store_verify(b->s, NULL, &result, &err) != RC_OK)
		exit(1);
	printf("store_verify: %.1f s (cpu %.1f s), %llu problems\n", now() - t, cpu() - c,
		(unsigned long long)result.problems);
	store_usage(b->s, &usage);
	buf_printf(&file, "%s/backup%c", b->dir, '\0');
	t = now();
	if (store_backup(b->s, file.p, NULL, &err) != RC_OK)
		printf("backup: %s\n", err.detail);
	(void)stat(file.p, &st);
	printf("store_backup: %.1f s, %lld MiB of %llu MiB\n", now() - t,
		(long long)st.st_size >> 20, (unsigned long long)usage.used_bytes >> 20);
	(void)unlink(file.p);
	buf_release(&file);
	store_close(b->s);
	t = now();
	b->s = fixture_open(b->dir, UINT64_C(1) << 30, UINT64_C(1) << 36);
	printf("store_open: %.1f ms\n", (now() - t) * 1000);
	t = now();
	write_or_die(b, delete_big);
	printf("record_delete of the big group: %.2f s\n", now() - t);
	t = now();
	do {
		one = now();
		write_or_die(b, purge_some);
		one = now() - one;
		longest = one > longest ? one : longest;
		steps++;
	} while (!purged);
	printf("org_purge: %.1f s in %d steps, the longest %.2f s\n", now() - t, steps, longest);
}

int
main(int argc, char **argv)
{
	struct bench b = { .users = 1000000, .chunk = 100000, .seed = 7 };

	if (argc > 1)
		b.users = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		b.chunk = strtoull(argv[2], NULL, 10);
	b.ends = malloc(sizeof(*b.ends) * (b.chunk + 64));
	b.slices = malloc(sizeof(*b.slices) * (b.chunk + 64));
	b.rows = malloc(sizeof(*b.rows) * (b.users + 64));
	if (b.ends == NULL || b.slices == NULL || b.rows == NULL)
		abort();
	b.dir = fixture_dir();
	b.s = fixture_open(b.dir, UINT64_C(1) << 30, UINT64_C(1) << 36);
	write_or_die(&b, make_org);
	bench_load(&b);
	bench_members(&b);
	bench_create(&b);
	bench_reads(&b);
	bench_care(&b);
	store_close(b.s);
	fixture_dir_remove(b.dir);
	buf_release(&b.packed);
	free(b.ends);
	free(b.slices);
	free(b.rows);
	return 0;
}
