/* Damages a store by hand, one way at a time, and asks store_verify() whether it sees just that. */
#include "tests/store/fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/store/store_private.h"

#include "base/banned.h"

enum { MAP = 16 << 20, USERS = 5 };

struct scene {
	uint32_t org, other;
	uint64_t users[USERS], group, nested;
	struct connection connection;
	struct token token;
};

static uint64_t
make_user(struct orgtx *o, uint64_t n, uint64_t revision)
{
	char name[32];
	struct person p = { name, "Some One", "One", { "one@example.com", NULL }, "ext", NULL, 1,
		n % 2 == 0 };
	struct buf b = BUF_INIT;
	uint64_t row;

	(void)snprintf(name, sizeof(name), "user%llu", (unsigned long long)n);
	fixture_pack_user(&b, fixture_id(n), revision, 50, &p);
	row = record_create(o, TYPE_USER, buf_as_slice(&b));
	buf_release(&b);
	return row;
}

static uint64_t
make_group(struct orgtx *o, uint64_t n, uint64_t revision)
{
	struct buf b = BUF_INIT;
	uint64_t row;

	fixture_pack_group(&b, fixture_id(n), revision, 50, "Group");
	row = record_create(o, TYPE_GROUP, buf_as_slice(&b));
	buf_release(&b);
	return row;
}

static enum rc
make_scene(struct txn *t, void *arg, struct err *err)
{
	struct org org = { .state = ORG_ACTIVE, .key = "acme", .name = "Acme" };
	struct org other = { .state = ORG_ACTIVE, .key = "other", .name = "Other" };
	static const struct actor actor = { .door = DOOR_SCIM, .connection = 1, .token = 1, .now = 60 };
	struct scene *s = arg;
	struct orgtx *o;

	(void)err;
	org_create(t, &org);
	org_create(t, &other);
	s->org = org.no;
	s->other = other.no;
	s->connection = (struct connection){ .org = org.no, .name = "okta" };
	connection_put(t, &s->connection);
	s->token = (struct token){
		.hash = { 1, 2, 3 }, .org = org.no, .connection = s->connection.no
	};
	token_put(t, &s->token);
	o = orgtx_open(t, org.no);
	for (int i = 0; i < USERS; i++) {
		s->users[i] = make_user(o, 10 + (uint64_t)i, change_begin(o, &actor));
		change_end(o);
	}
	s->group = make_group(o, 20, change_begin(o, &actor));
	s->nested = make_group(o, 21, 6);
	(void)edge_add(o, s->group, s->users[0]);
	(void)edge_add(o, s->group, s->nested);
	(void)edge_add(o, s->nested, s->users[1]);
	change_end(o);
	o = orgtx_open(t, other.no);
	(void)make_user(o, 10, change_begin(o, &actor));
	change_end(o);
	return RC_OK;
}

/* ---- Damages ---- */

static struct slice
row_key(const struct scene *s, uint64_t row)
{
	static uint8_t key[KEY_ROW];

	key_row(key, s->org, row);
	return slice_at(key, sizeof(key));
}

static struct slice
id_key(const struct scene *s, uint64_t n)
{
	static uint8_t key[KEY_ID];
	struct uuid id = fixture_id(n);

	put_be32(key, s->org);
	memcpy(key + KEY_ORG, id.bytes, UUID_SIZE);
	return slice_at(key, sizeof(key));
}

static struct slice
row_value(uint64_t row)
{
	static uint8_t value[ROW_SIZE];

	put_be64(value, row);
	return slice_at(value, sizeof(value));
}

static struct slice
gone_value(uint64_t revision)
{
	static uint8_t value[GONE_SIZE];

	put_be64(value, revision);
	return slice_at(value, sizeof(value));
}

static struct slice
name_key(const struct scene *s, const char *name)
{
	static uint8_t key[KEY_MAX];
	size_t len = strlen(name);

	key_index(key, s->org, fixture_attr(TYPE_USER, "userName")->id, TYPE_USER);
	memcpy(key + KEY_INDEX, name, len);
	return slice_at(key, KEY_INDEX + len);
}

static struct slice
org_key(uint32_t org)
{
	static uint8_t key[KEY_ORG];

	put_be32(key, org);
	return slice_at(key, sizeof(key));
}

static struct slice
token_key(uint32_t org, uint32_t no)
{
	static uint8_t key[8];

	put_be32(key, org);
	put_be32(key + KEY_ORG, no);
	return slice_at(key, sizeof(key));
}

static const struct slice nothing = { NULL, 0 };

static void
put(struct txn *t, enum table tab, struct slice key, struct slice value)
{
	txn_put(t, tab, key.p, key.len, value.p, value.len);
}

#define DAMAGE(name) static void name(struct txn *t, const struct scene *s)

DAMAGE(no_record)
{
	(void)txn_del(t, TAB_REC, row_key(s, s->users[2]), nothing);
}

DAMAGE(garbled_record)
{
	put(t, TAB_REC, row_key(s, s->users[2]), SLICE("garbage"));
}

DAMAGE(cut_record)
{
	MDB_val value;
	struct slice key = row_key(s, s->users[2]), copy;

	(void)txn_get(t, TAB_REC, key.p, key.len, &value);
	copy = arena_dup(t->arena, slice_val(&value));
	copy.len -= 3;
	put(t, TAB_REC, key, copy);
}

DAMAGE(no_id)
{
	(void)txn_del(t, TAB_ID, id_key(s, 12), nothing);
}

DAMAGE(wrong_id)
{
	put(t, TAB_ID, id_key(s, 12), row_value(s->users[1]));
}

DAMAGE(extra_id)
{
	put(t, TAB_ID, id_key(s, 99), row_value(s->users[1]));
}

DAMAGE(dangling_id)
{
	put(t, TAB_ID, id_key(s, 99), row_value(UINT64_C(1) << 56 | 99));
}

DAMAGE(no_index_entry)
{
	(void)txn_del(t, TAB_IDX, name_key(s, "user12"), row_value(s->users[2]));
}

DAMAGE(extra_index_entry)
{
	put(t, TAB_IDX, name_key(s, "nobody"), row_value(s->users[2]));
}

DAMAGE(moved_index_entry)
{
	no_index_entry(t, s);
	extra_index_entry(t, s);
}

DAMAGE(dangling_index_entry)
{
	put(t, TAB_IDX, name_key(s, "user12"), row_value(UINT64_C(1) << 56 | 99));
}

DAMAGE(not_in_type_list)
{
	uint8_t key[KEY_INDEX];

	key_index(key, s->org, 0, TYPE_USER);
	(void)txn_del(t, TAB_IDX, slice_at(key, sizeof(key)), row_value(s->users[3]));
}

DAMAGE(no_edge)
{
	(void)txn_del(t, TAB_MEMBER, row_key(s, s->group), row_value(s->users[0]));
}

DAMAGE(no_mirror)
{
	(void)txn_del(t, TAB_GROUP, row_key(s, s->users[0]), row_value(s->group));
}

DAMAGE(edge_to_nobody)
{
	uint64_t nobody = UINT64_C(1) << 56 | 99;

	put(t, TAB_MEMBER, row_key(s, s->group), row_value(nobody));
	put(t, TAB_GROUP, row_key(s, nobody), row_value(s->group));
}

DAMAGE(edge_from_a_user)
{
	put(t, TAB_MEMBER, row_key(s, s->users[0]), row_value(s->users[1]));
	put(t, TAB_GROUP, row_key(s, s->users[1]), row_value(s->users[0]));
}

static void
change_stat(struct txn *t, const struct scene *s, int64_t users, int64_t active, int64_t edges,
	int64_t revision)
{
	struct org_stat stat = *orgtx_stat(orgtx_open(t, s->org));

	stat.rows[TYPE_USER] += (uint64_t)users;
	stat.active_users += (uint64_t)active;
	stat.edges += (uint64_t)edges;
	stat.revision += (uint64_t)revision;
	orgtx_put_stat(t, s->org, &stat);
}

DAMAGE(wrong_users)
{
	change_stat(t, s, 1, 0, 0, 0);
}

DAMAGE(wrong_active)
{
	change_stat(t, s, 0, -1, 0, 0);
}

DAMAGE(wrong_edges)
{
	change_stat(t, s, 0, 0, 1, 0);
}

DAMAGE(wrong_revision)
{
	change_stat(t, s, 0, 0, 0, 1);
}

DAMAGE(old_revision)
{
	change_stat(t, s, 0, 0, 0, -3);
}

DAMAGE(low_next_row)
{
	struct org_stat stat = *orgtx_stat(orgtx_open(t, s->org));

	stat.next_row = 2;
	orgtx_put_stat(t, s->org, &stat);
}

DAMAGE(no_stat)
{
	(void)txn_del(t, TAB_STAT, org_key(s->org), nothing);
}

DAMAGE(garbled_stat)
{
	put(t, TAB_STAT, org_key(s->org), SLICE("?"));
}

DAMAGE(no_journal_entry)
{
	(void)txn_del(t, TAB_JOURNAL, row_key(s, 3), nothing);
}

DAMAGE(garbled_journal_entry)
{
	put(t, TAB_JOURNAL, row_key(s, 3), SLICE("?"));
}

DAMAGE(cut_journal_entry)
{
	MDB_val value;
	struct slice key = row_key(s, 3), copy;

	(void)txn_get(t, TAB_JOURNAL, key.p, key.len, &value);
	copy = arena_dup(t->arena, slice_val(&value));
	copy.len--;
	put(t, TAB_JOURNAL, key, copy);
}

/* Still an entry that can be read, by another token. */
DAMAGE(altered_journal_entry)
{
	MDB_val value;
	struct slice key = row_key(s, 3), copy;

	(void)txn_get(t, TAB_JOURNAL, key.p, key.len, &value);
	copy = arena_dup(t->arena, slice_val(&value));
	((char *)(uintptr_t)copy.p)[JOURNAL_HASH + 8] ^= 1;
	put(t, TAB_JOURNAL, key, copy);
}

DAMAGE(altered_newest_entry)
{
	MDB_val value;
	struct slice key = row_key(s, 6), copy;

	(void)txn_get(t, TAB_JOURNAL, key.p, key.len, &value);
	copy = arena_dup(t->arena, slice_val(&value));
	((char *)(uintptr_t)copy.p)[JOURNAL_HASH + 8] ^= 1;
	put(t, TAB_JOURNAL, key, copy);
}

DAMAGE(gone_yet_there)
{
	put(t, TAB_GONE, row_key(s, s->users[0]), gone_value(3));
}

DAMAGE(gone_by_nothing)
{
	put(t, TAB_GONE, row_key(s, 1234), gone_value(3));
}

DAMAGE(platform_without_counters)
{
	struct scene platform = { .org = ORG_PLATFORM };

	(void)s;
	put(t, TAB_JOURNAL, row_key(&platform, 1), SLICE("?"));
}

DAMAGE(no_connection)
{
	connection_delete(t, s->org, s->connection.no);
}

DAMAGE(garbled_connection)
{
	put(t, TAB_CONN, token_key(s->org, s->connection.no), SLICE("?"));
}

DAMAGE(no_token)
{
	(void)txn_del(t, TAB_TOKEN, slice_at(s->token.hash, TOKEN_HASH), nothing);
}

DAMAGE(no_token_number)
{
	(void)txn_del(t, TAB_TOKENNO, token_key(s->org, s->token.no), nothing);
}

DAMAGE(garbled_token)
{
	put(t, TAB_TOKEN, slice_at(s->token.hash, TOKEN_HASH), SLICE("?"));
}

DAMAGE(no_org_name)
{
	(void)s;
	(void)txn_del(t, TAB_ORGNAME, SLICE("acme"), nothing);
}

DAMAGE(extra_org_name)
{
	put(t, TAB_ORGNAME, SLICE("acmee"), org_key(s->org));
}

DAMAGE(no_org)
{
	(void)txn_del(t, TAB_ORG, org_key(s->org), nothing);
}

DAMAGE(garbled_org)
{
	put(t, TAB_ORG, org_key(s->org), SLICE("?"));
}

DAMAGE(stray_record)
{
	struct scene stray = { .org = 77 };

	(void)s;
	put(t, TAB_REC, row_key(&stray, 1), SLICE("?"));
}

DAMAGE(short_key)
{
	(void)s;
	put(t, TAB_REC, SLICE("xy"), SLICE("?"));
}

DAMAGE(long_key)
{
	uint8_t key[KEY_ROW + 1] = { 0 };

	put_be32(key, s->org);
	put(t, TAB_JOURNAL, slice_at(key, sizeof(key)), SLICE("?"));
}

static const struct {
	const char *name;
	void (*damage)(struct txn *t, const struct scene *s);
	const char *says[3];
} damages[] = {
	{ "no_record", no_record,
		{ "org acme: the table of ids leads from", "to no record",
			"userName leads to row" } },
	{ "garbled_record", garbled_record, { "org acme: record row", "cannot be read" } },
	{ "cut_record", cut_record, { "fields that cannot be read" } },
	{ "no_id", no_id, { "-00000000000c is missing from the table of ids" } },
	{ "wrong_id", wrong_id,
		{ "-00000000000c to another record", "to a record with another id" } },
	{ "extra_id", extra_id, { "-000000000063 to a record with another id" } },
	{ "dangling_id", dangling_id, { "-000000000063 to no record" } },
	{ "no_index_entry", no_index_entry,
		{ "-00000000000c is missing from the index of userName" } },
	{ "extra_index_entry", extra_index_entry,
		{ "the index of userName has an entry of record",
			"that the record does not have" } },
	{ "moved_index_entry", moved_index_entry,
		{ "is missing from the index of userName", "that the record does not have" } },
	{ "dangling_index_entry", dangling_index_entry, { "the index of userName leads to row" } },
	{ "not_in_type_list", not_in_type_list,
		{ "-00000000000d is missing from the index of the list of its type" } },
	{ "no_edge", no_edge,
		{ "but is no member there", "counter of memberships says 3, there are 2" } },
	{ "no_mirror", no_mirror, { "the member's own list of groups does not say so" } },
	{ "edge_to_nobody", edge_to_nobody, { "which is no record" } },
	{ "edge_from_a_user", edge_from_a_user, { "-00000000000a, which is no group" } },
	{ "wrong_users", wrong_users, { "the counter of users says 6, there are 5" } },
	{ "wrong_active", wrong_active, { "the counter of active users says 2, there are 3" } },
	{ "wrong_edges", wrong_edges, { "the counter of memberships says 4, there are 3" } },
	{ "wrong_revision", wrong_revision, { "stands at revision 7, its journal ends with 6" } },
	{ "old_revision", old_revision, { "above the newest of the org", "stands at revision 3" } },
	{ "low_next_row", low_next_row, { "the counter of rows says 2" } },
	{ "no_stat", no_stat, { "the org has no counters" } },
	{ "garbled_stat", garbled_stat, { "an entry of the store cannot be read" } },
	{ "no_journal_entry", no_journal_entry, { "the journal goes from revision 2 to 4" } },
	{ "garbled_journal_entry", garbled_journal_entry, { "journal entry 3 cannot be read" } },
	{ "cut_journal_entry", cut_journal_entry, { "journal entry 3 cannot be read" } },
	{ "altered_journal_entry", altered_journal_entry,
		{ "org acme: journal entry 4 does not follow from the one before it" } },
	{ "altered_newest_entry", altered_newest_entry,
		{ "org acme: journal entry 6, the newest, is not the one that the org knows" } },
	{ "gone_yet_there", gone_yet_there, { "is in the list of deleted records, and is there" } },
	{ "gone_by_nothing", gone_by_nothing, { "was deleted, but not by journal entry 3" } },
	{ "platform_without_counters", platform_without_counters,
		{ "platform: the org has no counters", "platform: journal entry 1 cannot be read" } },
	{ "no_connection", no_connection,
		{ "token 1 of org acme belongs to connection 1, which is not there" } },
	{ "garbled_connection", garbled_connection,
		{ "the table of connections has an entry that cannot be read" } },
	{ "no_token", no_token, { "the list of tokens leads from number 1" } },
	{ "no_token_number", no_token_number,
		{ "token 1 of org number 1 is missing from the org's list" } },
	{ "garbled_token", garbled_token,
		{ "the table of tokens has an entry that cannot be read" } },
	{ "no_org_name", no_org_name, { "org acme: the org cannot be found by its key" } },
	{ "extra_org_name", extra_org_name, { "the org key acmee leads to no org" } },
	{ "no_org", no_org,
		{ "the org key acme leads to no org",
			"the table rec has entries of org number 1" } },
	{ "garbled_org", garbled_org, { "an entry of the store cannot be read" } },
	{ "stray_record", stray_record, { "the table rec has entries of org number 77" } },
	{ "short_key", short_key, { "the table rec has a key of 2 bytes" } },
	{ "long_key", long_key, { "the journal has a key of 13 bytes" } },
};

/* ---- The tests ---- */

struct damaging {
	struct scene *scene;
	void (*damage)(struct txn *t, const struct scene *s);
};

static enum rc
run_damage(struct txn *t, void *arg, struct err *err)
{
	struct damaging *d = arg;

	(void)err;
	d->damage(t, d->scene);
	assert_int_equal(txn_rc(t), RC_OK);
	return RC_OK;
}

static void
note_problem(void *arg, const char *text)
{
	buf_printf(arg, "%s\n", text);
}

static uint64_t
problems_of(struct store *s, struct buf *said)
{
	struct store_progress progress = { NULL, note_problem, said };
	struct verify_result result;
	struct err err = ERR_INIT;

	assert_int_equal(store_verify(s, &progress, &result, &err), RC_OK);
	buf_char(said, '\0');
	return result.problems;
}

static void
each_damage_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		char *dir = fixture_dir();
		struct store *s = fixture_open(dir, MAP, MAP);
		struct scene scene = { .org = 0 };
		struct damaging d = { &scene, damages[i].damage };
		struct buf before = BUF_INIT, after = BUF_INIT;
		struct err err = ERR_INIT;

		assert_int_equal(store_write(s, make_scene, &scene, &err), RC_OK);
		assert_int_equal(problems_of(s, &before), 0);
		assert_int_equal(store_write(s, run_damage, &d, &err), RC_OK);
		if (problems_of(s, &after) == 0)
			print_error("%s: nothing was found\n", damages[i].name);
		for (int j = 0; j < 3 && damages[i].says[j] != NULL; j++) {
			if (strstr(after.p, damages[i].says[j]) == NULL) {
				print_error("%s: \"%s\" is not in:\n%s", damages[i].name,
					damages[i].says[j], after.p);
				assert_true(false);
			}
		}
		buf_release(&before);
		buf_release(&after);
		store_close(s);
		fixture_dir_remove(dir);
	}
}

static void
count_step(void *arg, uint64_t done, uint64_t total)
{
	uint64_t *last = arg;

	assert_true(done >= *last && done <= total);
	*last = done;
}

static void
a_sound_store_is_counted(void **state)
{
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir, MAP, MAP);
	uint64_t last = 0;
	struct store_progress progress = { count_step, NULL, &last };
	struct verify_result r;
	struct scene scene;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(store_write(s, make_scene, &scene, &err), RC_OK);
	assert_int_equal(store_verify(s, &progress, &r, &err), RC_OK);
	assert_int_equal(r.problems, 0);
	assert_int_equal(r.orgs, 2);
	assert_int_equal(r.records, 8);
	assert_int_equal(r.edges, 3);
	assert_int_equal(r.journal_entries, 7);
	assert_true(last > 0);
	store_close(s);
	fixture_dir_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_store_is_counted),
		cmocka_unit_test(each_damage_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
