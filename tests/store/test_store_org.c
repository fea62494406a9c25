/* Organisations, connections, tokens; what one org can see of another; how a deleted one goes;
 * formats, backup, restore. */
#include "tests/store/fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/store/store_private.h"

#include "base/banned.h"

enum { MAP = 64 << 20 };

struct place {
	struct store *s;
	char *dir;
	uint32_t orgs[3];
};

static const struct actor actor = { .door = DOOR_CONTROL, .now = 1 };

static void
place_open(struct place *p)
{
	p->dir = fixture_dir();
	p->s = fixture_open(p->dir, MAP, MAP);
}

static void
place_close(struct place *p)
{
	store_close(p->s);
	fixture_dir_remove(p->dir);
}

static void
write_ok(struct place *p, store_write_fn *fn)
{
	struct err err = ERR_INIT;

	assert_int_equal(store_write(p->s, fn, p, &err), RC_OK);
}

static void
read_with(struct place *p, void (*fn)(struct place *p, struct txn *t))
{
	struct txn *t = reader_new(p->s);
	struct err err = ERR_INIT;

	assert_int_equal(reader_begin(t, &err), RC_OK);
	fn(p, t);
	assert_int_equal(txn_rc(t), RC_OK);
	reader_free(t);
}

/* ---- Platform tables ---- */

static enum rc
make_platform(struct txn *t, void *arg, struct err *err)
{
	struct place *p = arg;

	(void)err;
	for (int i = 0; i < 3; i++) {
		struct org org = { .state = ORG_ACTIVE, .created = 100 + i };

		(void)snprintf(org.key, sizeof(org.key), "org%d", i);
		(void)snprintf(org.name, sizeof(org.name), "Organisation \xC3\xA9 %d", i);
		org_create(t, &org);
		p->orgs[i] = org.no;
		for (int j = 0; j < 3; j++) {
			struct connection c = { .org = org.no,
				.dialect = DIALECT_STRICT,
				.created = j,
				.guard = { .window_start = 1,
					.base_users = 2,
					.base_edges = 3,
					.fresh_time = 4,
					.fresh_row = 5,
					.fresh_next = 6,
					.users = 7,
					.edges = 8,
					.tripped = true },
				.name = "conn" };
			struct token token = {
				.org = org.no, .created = 5, .expires = -6, .label = "label"
			};

			connection_put(t, &c);
			assert_int_equal(c.no, j + 1);
			token.hash[0] = (uint8_t)i;
			token.hash[31] = (uint8_t)(9 - j);
			token.connection = c.no;
			token_put(t, &token);
			assert_int_equal(token.no, j + 1);
		}
	}
	return RC_OK;
}

static void
check_platform(struct place *p, struct txn *t)
{
	struct org org;
	struct connection c;
	struct token token;
	uint8_t hash[TOKEN_HASH] = { 0 };
	uint32_t after = 0;
	int n = 0;

	assert_true(org_by_key(t, SLICE("org1"), &org));
	assert_int_equal(org.no, p->orgs[1]);
	assert_int_equal(org.created, 101);
	assert_string_equal(org.name, "Organisation \xC3\xA9 1");
	assert_false(org_by_key(t, SLICE("org"), &org));
	assert_false(org_by_key(t, SLICE(""), &org));
	assert_false(org_by_no(t, 99, &org));
	for (org.no = 0; org_next(t, org.no, &org); n++)
		assert_int_equal(org.no, p->orgs[n]);
	assert_int_equal(n, 3);
	for (n = 0; connection_next(t, p->orgs[1], after, &c); n++, after = c.no) {
		assert_int_equal(c.no, n + 1);
		assert_int_equal(c.org, p->orgs[1]);
		assert_int_equal(c.dialect, DIALECT_STRICT);
		assert_int_equal(c.guard.base_users, 2);
		assert_int_equal(c.guard.fresh_next, 6);
		assert_int_equal(c.guard.edges, 8);
		assert_true(c.guard.tripped);
	}
	assert_int_equal(n, 3);
	assert_false(connection_get(t, p->orgs[1], 4, &c));
	for (n = 0, after = 0; token_next(t, p->orgs[2], after, &token); n++, after = token.no) {
		assert_int_equal(token.no, n + 1);
		assert_int_equal(token.org, p->orgs[2]);
		assert_int_equal(token.connection, n + 1);
		assert_int_equal(token.expires, -6);
		assert_string_equal(token.label, "label");
	}
	assert_int_equal(n, 3);
	assert_false(token_get(t, hash, &token));
}

static enum rc
change_platform(struct txn *t, void *arg, struct err *err)
{
	struct place *p = arg;
	struct token token;
	struct org org;
	struct connection fresh = { .org = p->orgs[1] };

	(void)err;
	assert_true(org_by_no(t, p->orgs[0], &org));
	org.state = ORG_SUSPENDED;
	org_put(t, &org);
	connection_delete(t, p->orgs[1], 3);
	connection_put(t, &fresh);
	assert_int_equal(fresh.no, 4); /* 3 is not given again */
	assert_true(token_next(t, p->orgs[2], 1, &token));
	token_delete(t, &token);
	assert_true(token_next(t, p->orgs[2], 0, &token));
	token.last_used = 77;
	token_put(t, &token);
	return RC_OK;
}

static void
check_changes(struct place *p, struct txn *t)
{
	struct connection c;
	struct token token;
	struct org org;

	assert_true(org_by_key(t, SLICE("org0"), &org));
	assert_int_equal(org.state, ORG_SUSPENDED);
	assert_false(connection_get(t, p->orgs[1], 3, &c));
	assert_true(connection_next(t, p->orgs[1], 2, &c));
	assert_int_equal(c.no, 4);
	assert_true(token_next(t, p->orgs[2], 0, &token));
	assert_int_equal(token.last_used, 77);
	assert_true(token_next(t, p->orgs[2], token.no, &token));
	assert_int_equal(token.no, 3);
}

static enum rc
take_key_again(struct txn *t, void *arg, struct err *err)
{
	struct org org = { .state = ORG_ACTIVE, .key = "org1" };

	(void)arg;
	(void)err;
	org_create(t, &org);
	return RC_OK;
}

static void
orgs_connections_and_tokens_are_kept(void **state)
{
	struct err err = ERR_INIT;
	struct place p;

	(void)state;
	place_open(&p);
	write_ok(&p, make_platform);
	read_with(&p, check_platform);
	store_close(p.s);
	p.s = fixture_open(p.dir, MAP, MAP);
	read_with(&p, check_platform);
	write_ok(&p, change_platform);
	read_with(&p, check_changes);
	/* A caller that did not look whether the key is free changes nothing. */
	assert_int_equal(store_write(p.s, take_key_again, &p, &err), RC_INTERNAL);
	read_with(&p, check_changes);
	place_close(&p);
}

/* ---- Keys of orgs ---- */

static enum rc
make_fields(struct txn *t, void *arg, struct err *err)
{
	struct place *p = arg;
	struct org org;

	(void)err;
	org_init(&org);
	org.kind = ORG_PERSONAL;
	org.row = 77;
	org.delete_after = -5;
	org.model_version = 9;
	org.connections_manage_guarded = true;
	org.limits[LIMIT_REQUESTS] = 12;
	memcpy(org.key, "first", 6);
	memcpy(org.model, "standard", 9);
	assert_int_equal(org_next_number(t), 1);
	org_create(t, &org);
	assert_int_equal(org.no, 1);
	p->orgs[0] = org.no;
	org_rename(t, &org, SLICE("second"), 1000);
	org_rename(t, &org, SLICE("third"), 2000);
	org_rename(t, &org, SLICE("first"), 3000); /* its own former one */
	org_rename(t, &org, SLICE("fourth"), 0);   /* which leaves none behind */
	return RC_OK;
}

static void
check_keys(struct place *p, struct txn *t)
{
	char key[ORG_KEY_MAX + 1] = "";
	struct org org;
	int64_t until;

	assert_true(org_by_key(t, SLICE("fourth"), &org));
	assert_int_equal(org.kind, ORG_PERSONAL);
	assert_int_equal(org.row, 77);
	assert_int_equal(org.delete_after, -5);
	assert_int_equal(org.model_version, 9);
	assert_true(org.connections_manage_guarded);
	assert_false(org.external_invitations);
	assert_int_equal(org.limits[LIMIT_REQUESTS], 12);
	assert_true(org.limits[LIMIT_MEMBERS] == UINT64_MAX);
	assert_string_equal(org.model, "standard");
	assert_false(org_by_key(t, SLICE("second"), &org));
	assert_true(org_by_former_key(t, SLICE("second"), &org, &until));
	assert_int_equal(org.no, p->orgs[0]);
	assert_int_equal(until, 2000);
	assert_true(org_had_key(t, org.no, SLICE("third"), &until));
	assert_int_equal(until, 3000);
	assert_false(org_had_key(t, org.no + 1, SLICE("third"), &until));
	assert_false(org_by_former_key(t, SLICE("first"), &org, &until));
	assert_false(org_by_former_key(t, SLICE("fourth"), &org, &until));
	assert_true(org_former_key_next(t, p->orgs[0], key, &until));
	assert_string_equal(key, "second");
	assert_true(org_former_key_next(t, p->orgs[0], key, &until));
	assert_string_equal(key, "third");
	assert_false(org_former_key_next(t, p->orgs[0], key, &until));
}

static enum rc
take_former(struct txn *t, void *arg, struct err *err)
{
	struct org org;

	(void)arg;
	(void)err;
	org_init(&org);
	memcpy(org.key, "second", 7);
	org_create(t, &org);
	return RC_OK;
}

static enum rc
purge_first(struct txn *t, void *arg, struct err *err)
{
	struct place *p = arg;

	(void)err;
	assert_true(org_purge(t, p->orgs[0], 100000));
	return RC_OK;
}

static void
check_taken(struct place *p, struct txn *t)
{
	struct org org;
	int64_t until;

	assert_true(org_by_key(t, SLICE("second"), &org));
	assert_int_not_equal(org.no, p->orgs[0]);
	assert_false(org_had_key(t, p->orgs[0], SLICE("second"), &until));
	assert_true(org_had_key(t, p->orgs[0], SLICE("third"), &until));
}

static void
check_let_go(struct place *p, struct txn *t)
{
	struct org org;
	int64_t until;

	(void)p;
	assert_true(org_by_key(t, SLICE("second"), &org));
	assert_false(org_by_key(t, SLICE("fourth"), &org));
	assert_false(org_by_former_key(t, SLICE("third"), &org, &until));
}

static void
keys_lead_to_their_org_and_former_ones_do(void **state)
{
	struct verify_result r;
	struct err err = ERR_INIT;
	struct place p;
	uint64_t before;

	(void)state;
	place_open(&p);
	before = store_epoch(p.s);
	write_ok(&p, make_fields);
	assert_true(store_epoch(p.s) > before);
	read_with(&p, check_keys);
	write_ok(&p, take_former);
	read_with(&p, check_taken);
	assert_int_equal(store_verify(p.s, NULL, &r, &err), RC_OK);
	assert_int_equal(r.problems, 0);
	write_ok(&p, purge_first);
	read_with(&p, check_let_go);
	assert_int_equal(store_verify(p.s, NULL, &r, &err), RC_OK);
	assert_int_equal(r.problems, 0);
	place_close(&p);
}

/* ---- Isolation and removal ---- */

static uint64_t
fill(struct orgtx *o, int users)
{
	struct person person = { "same name", "d", "f", { "a@b", "c@d" }, "ext", NULL, 1, 1 };
	struct buf b = BUF_INIT;
	uint64_t group, row = 0;

	(void)change_begin(o, &actor);
	fixture_pack_group(&b, fixture_id(1), 1, 1, "group");
	group = record_create(o, TYPE_GROUP, buf_as_slice(&b));
	for (int i = 0; i < users; i++) {
		buf_clear(&b);
		fixture_pack_user(&b, fixture_id(2 + (uint64_t)i), 1, 1, &person);
		row = record_create(o, TYPE_USER, buf_as_slice(&b));
		(void)edge_add(o, group, row);
	}
	change_end(o);
	buf_release(&b);
	return row;
}

static enum rc
fill_two(struct txn *t, void *arg, struct err *err)
{
	struct place *p = arg;

	(void)err;
	(void)fill(orgtx_open(t, p->orgs[0]), 300);
	(void)fill(orgtx_open(t, p->orgs[2]), 700);
	return RC_OK;
}

static void
check_isolation(struct place *p, struct txn *t)
{
	const struct attr *attr = fixture_attr(TYPE_USER, "userName");
	struct orgtx *between = orgtx_open(t, p->orgs[1]), *last = orgtx_open(t, p->orgs[2]);
	struct uuid id = fixture_id(500);
	struct index_walk *walk;
	uint64_t row, rows[4];
	struct record r;
	struct slice key;

	/* The neighbours on both sides are full; between them there is nothing, whatever is asked.
	 */
	assert_true(row_by_id(last, &id, &row));
	assert_false(row_by_id(between, &id, &row));
	assert_false(record_get(between, row, &r));
	assert_false(edge_has(between, UINT64_C(2) << 56 | 1, row));
	assert_int_equal(edge_count(between, EDGE_GROUPS, row), 0);
	assert_int_equal(edge_list(between, EDGE_MEMBERS, UINT64_C(2) << 56 | 1, 0, rows, 4), 0);
	assert_int_equal(rows_count(between, TYPE_USER), 0);
	assert_int_equal(rows_list(between, TYPE_USER, 0, 0, rows, 4), 0);
	assert_int_equal(index_count(between, attr->id, TYPE_USER, SLICE("same name")), 0);
	assert_int_equal(index_count(last, attr->id, TYPE_USER, SLICE("same name")), 700);
	walk = index_walk_open(between, attr->id, TYPE_USER, false, (struct slice){ NULL, 0 }, 0);
	assert_false(index_walk_next(walk, &key, &row));
	walk = index_walk_open(
		between, attr->id, TYPE_USER, true, (struct slice){ NULL, 0 }, UINT64_MAX);
	assert_false(index_walk_next(walk, &key, &row));
	assert_int_equal(orgtx_stat(between)->revision, 0);
	assert_int_equal(orgtx_stat(last)->revision, 1);
}

static enum rc
purge_step(struct txn *t, void *arg, struct err *err)
{
	struct place *p = arg;
	struct org org;

	(void)err;
	if (org_by_no(t, p->orgs[0], &org) && org.state != ORG_PURGING) {
		org.state = ORG_PURGING;
		org_put(t, &org);
	}
	if (org_purge(t, p->orgs[0], 100))
		p->orgs[0] = 0;
	return RC_OK;
}

static void
check_purged(struct place *p, struct txn *t)
{
	struct org org;

	assert_false(org_by_key(t, SLICE("org0"), &org));
	assert_true(org_by_key(t, SLICE("org2"), &org));
	assert_int_equal(rows_count(orgtx_open(t, p->orgs[2]), TYPE_USER), 700);
	for (int tab = TAB_ORG; tab < TAB_COUNT; tab++) {
		MDB_val key, value;
		uint8_t first[KEY_ORG] = { 0 };

		if (tab == TAB_ORGNAME || tab == TAB_TOKEN)
			continue;
		if (txn_first(t, (enum table)tab, slice_at(first, sizeof(first)), 0, &key, &value))
			assert_true(get_be32(key.mv_data) >= p->orgs[1]);
	}
}

static enum rc
take_free_key(struct txn *t, void *arg, struct err *err)
{
	struct org org = { .state = ORG_ACTIVE, .key = "org0" };
	struct place *p = arg;

	(void)err;
	org_create(t, &org);
	assert_true(org.no > p->orgs[2]);
	return RC_OK;
}

static void
a_deleted_org_goes_in_steps_and_leaves_nothing(void **state)
{
	struct verify_result r;
	struct err err = ERR_INIT;
	struct place p;
	int steps = 0;

	(void)state;
	place_open(&p);
	write_ok(&p, make_platform);
	write_ok(&p, fill_two);
	read_with(&p, check_isolation);
	for (; p.orgs[0] != 0; steps++) {
		write_ok(&p, purge_step);
		assert_int_equal(store_verify(p.s, NULL, &r, &err), RC_OK);
		assert_int_equal(r.problems, 0);
	}
	assert_in_range(steps, 5, 100);
	read_with(&p, check_purged);
	/* The key is free again, the number is not. */
	write_ok(&p, take_free_key);
	place_close(&p);
}

/* ---- Formats, backup, restore ---- */

static enum rc
raise_format(struct txn *t, void *arg, struct err *err)
{
	(void)arg;
	(void)err;
	txn_put(t, TAB_META, "format", 6, "\x03\0\0\0", 4);
	return RC_OK;
}

static void
a_newer_format_is_refused_with_both_numbers(void **state)
{
	struct store_options options = { NULL, MAP, MAP, fixture_schema() };
	struct err err = ERR_INIT;
	struct store *s;
	struct place p;

	(void)state;
	place_open(&p);
	write_ok(&p, raise_format);
	store_close(p.s);
	options.directory = p.dir;
	assert_int_equal(store_open(&options, &s, &err), RC_CONFLICT);
	assert_null(s);
	assert_non_null(strstr(err.detail, "format 3"));
	assert_non_null(strstr(err.detail, "up to 2"));
	fixture_dir_remove(p.dir);
}

static void
write_file(const char *dir, const char *name, const char *text, size_t len)
{
	struct buf path = BUF_INIT;
	int fd;

	buf_printf(&path, "%s/%s%c", dir, name, '\0');
	fd = open(path.p, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
	buf_release(&path);
}

static void
what_is_no_store_is_refused(void **state)
{
	char *dir = fixture_dir(), block[16384];
	struct store_options options = { dir, MAP, MAP, fixture_schema() };
	struct err err = ERR_INIT;
	struct store *s;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	(void)state;
	memset(block, 'x', sizeof(block));
	write_file(dir, "data.mdb", block, sizeof(block));
	assert_int_equal(store_open(&options, &s, &err), RC_INTERNAL);
	assert_non_null(strstr(err.detail, "cannot be opened"));
	write_file(dir, "data.mdb", "", 0);
	/* Somebody else's database. */
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 4), 0);
	assert_int_equal(mdb_env_open(env, dir, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "things", MDB_CREATE, &dbi), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	assert_int_equal(store_open(&options, &s, &err), RC_INTERNAL);
	assert_non_null(strstr(err.detail, "no store of rosterd"));
	fixture_dir_remove(dir);
}

static void
count_step(void *arg, uint64_t done, uint64_t total)
{
	uint64_t *last = arg;

	assert_true(done >= *last && done <= total);
	*last = done;
}

static void
a_backup_restores_to_the_same_store(void **state)
{
	struct store_progress progress = { count_step, NULL, &(uint64_t){ 0 } };
	struct buf file = BUF_INIT;
	struct err err = ERR_INIT;
	struct verify_result r;
	struct place p, q;
	uint8_t secret[STORE_SECRET];

	(void)state;
	place_open(&p);
	q.dir = fixture_dir();
	memcpy(secret, store_secret(p.s), sizeof(secret));
	buf_printf(&file, "%s/copy%c", q.dir, '\0');
	write_ok(&p, make_platform);
	write_ok(&p, fill_two);
	assert_int_equal(store_backup(p.s, file.p, &progress, &err), RC_OK);
	assert_true(*(uint64_t *)progress.arg > 0);
	assert_int_equal(store_backup(p.s, file.p, NULL, &err), RC_CONFLICT);
	write_ok(&p, change_platform);
	*(uint64_t *)progress.arg = 0;
	assert_int_equal(store_restore(file.p, q.dir, &progress, &err), RC_OK);
	assert_int_equal(store_restore(file.p, q.dir, NULL, &err), RC_CONFLICT);
	q.s = fixture_open(q.dir, MAP, MAP);
	memcpy(q.orgs, p.orgs, sizeof(q.orgs));
	assert_memory_equal(store_secret(q.s), secret, sizeof(secret));
	read_with(&q, check_platform);
	read_with(&q, check_isolation);
	assert_int_equal(store_verify(q.s, NULL, &r, &err), RC_OK);
	assert_int_equal(r.problems, 0);
	write_ok(&q, change_platform);
	place_close(&q);
	place_close(&p);
	buf_release(&file);
}

static void
a_broken_backup_is_refused_and_leaves_no_store(void **state)
{
	struct buf file = BUF_INIT, data = BUF_INIT;
	struct err err = ERR_INIT;
	char *dir = fixture_dir();
	struct place p;
	off_t size;
	int fd;

	(void)state;
	place_open(&p);
	write_ok(&p, make_platform);
	buf_printf(&file, "%s/copy%c", p.dir, '\0');
	buf_printf(&data, "%s/data.mdb%c", dir, '\0');
	assert_int_equal(store_backup(p.s, file.p, NULL, &err), RC_OK);
	fd = open(file.p, O_RDWR);
	size = lseek(fd, 0, SEEK_END);
	assert_int_equal(ftruncate(fd, size - 4096), 0);
	assert_int_equal(store_restore(file.p, dir, NULL, &err), RC_INTERNAL);
	assert_non_null(strstr(err.detail, "cut off"));
	assert_int_equal(ftruncate(fd, 100), 0);
	assert_int_equal(store_restore(file.p, dir, NULL, &err), RC_INTERNAL);
	assert_non_null(strstr(err.detail, "no backup"));
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(store_restore(file.p, dir, NULL, &err), RC_INTERNAL);
	close(fd);
	assert_int_equal(store_restore("/nowhere/at/all", dir, NULL, &err), RC_INTERNAL);
	assert_int_not_equal(access(data.p, F_OK), 0);
	place_close(&p);
	fixture_dir_remove(dir);
	buf_release(&file);
	buf_release(&data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orgs_connections_and_tokens_are_kept),
		cmocka_unit_test(keys_lead_to_their_org_and_former_ones_do),
		cmocka_unit_test(a_deleted_org_goes_in_steps_and_leaves_nothing),
		cmocka_unit_test(a_newer_format_is_refused_with_both_numbers),
		cmocka_unit_test(what_is_no_store_is_refused),
		cmocka_unit_test(a_backup_restores_to_the_same_store),
		cmocka_unit_test(a_broken_backup_is_refused_and_leaves_no_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
