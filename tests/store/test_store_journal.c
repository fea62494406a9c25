/* The journal as evidence: the chain of hashes is what an independent SHA-256 makes of the bytes; whoever alters, takes out or cuts entries
 * is seen; what a record was is found again. On an org and on the platform. */
#include "tests/store/fixture.h"

#include <openssl/sha.h>
#include <stdio.h>

#include "daemon/store/store_private.h"

#include "base/banned.h"

enum { MAP = 32 << 20, ENTRIES = 8, MANY = 200, MANY_AT = 5 };

struct scene {
	uint32_t org; /* where it plays */
	uint64_t user, group, many[MANY];
};

static const struct slice nothing = { NULL, 0 };
static const struct actor actor = { .door = DOOR_SCIM, .connection = 3, .token = 4, .now = 77, .kind = ACTOR_PERSON,
	.subject = { { 1, 2, 3 } }, .peer = "192.0.2.7", .action = "team.change" };

static struct slice
user(struct buf *b, uint64_t n, uint64_t revision, const char *title)
{
	char name[32];
	struct person p = { name, NULL, NULL, { NULL, NULL }, NULL, title, 0, 1 };

	(void)snprintf(name, sizeof(name), "user%llu", (unsigned long long)n);
	buf_clear(b);
	fixture_pack_user(b, fixture_id(n), revision, 50, &p);
	return buf_as_slice(b);
}

/* 1 create, 2 replace, 3 replace twice, 4 a group with the user, 5 many users, some of them twice, 6 replace one of the many, 7 delete the
 * user, 8 delete one of the many. */
static enum rc
make_scene(struct txn *t, void *arg, struct err *err)
{
	struct org org = { .state = ORG_ACTIVE, .key = "acme", .name = "Acme" };
	struct scene *s = arg;
	struct buf b = BUF_INIT;
	struct orgtx *o;

	(void)err;
	org_create(t, &org);
	o = orgtx_open(t, s->org);
	s->user = record_create(o, TYPE_USER, user(&b, 1, change_begin(o, &actor), "first"));
	change_end(o);
	record_replace(o, s->user, user(&b, 1, change_begin(o, &actor), "second"));
	change_end(o);
	record_replace(o, s->user, user(&b, 1, change_begin(o, &actor), "third"));
	record_replace(o, s->user, user(&b, 1, 3, "fourth"));
	change_end(o);
	buf_clear(&b);
	fixture_pack_group(&b, fixture_id(2), change_begin(o, &actor), 50, "Team");
	s->group = record_create(o, TYPE_GROUP, buf_as_slice(&b));
	assert_true(edge_add(o, s->group, s->user));
	change_end(o);
	(void)change_begin(o, &actor);
	for (uint64_t i = 0; i < MANY; i++)
		s->many[i] = record_create(o, TYPE_USER, user(&b, 100 + i, MANY_AT, "many"));
	for (uint64_t i = 0; i < MANY; i += 3)
		record_replace(o, s->many[i], user(&b, 100 + i, MANY_AT, "again"));
	change_end(o);
	record_replace(o, s->many[7], user(&b, 107, change_begin(o, &actor), "seven"));
	change_end(o);
	(void)change_begin(o, &actor);
	(void)record_delete(o, s->user);
	change_end(o);
	(void)change_begin(o, &actor);
	(void)record_delete(o, s->many[9]);
	change_end(o);
	buf_release(&b);
	assert_int_equal(orgtx_stat(o)->revision, ENTRIES);
	return RC_OK;
}

/* ---- Hands on the journal ---- */

static struct slice
key_of(uint32_t org, uint64_t revision)
{
	static uint8_t keys[4][KEY_ROW];
	static unsigned at;
	uint8_t *key = keys[at++ % 4];

	key_row(key, org, revision);
	return slice_at(key, KEY_ROW);
}

static struct slice
entry(struct txn *t, uint32_t org, uint64_t revision)
{
	struct slice key = key_of(org, revision);
	MDB_val value;

	assert_true(txn_get(t, TAB_JOURNAL, key.p, key.len, &value));
	return arena_dup(t->arena, slice_val(&value));
}

static void
put_entry(struct txn *t, uint32_t org, uint64_t revision, struct slice bytes)
{
	(void)txn_put_new(t, TAB_JOURNAL, key_of(org, revision), bytes, 0);
}

static void
alter(struct txn *t, uint32_t org, uint64_t revision, size_t at)
{
	struct slice bytes = entry(t, org, revision);

	((char *)(uintptr_t)bytes.p)[at] ^= 1;
	put_entry(t, org, revision, bytes);
}

/* What an intruder does who knows how it works: all links made right again from an entry on, the org's counters too. */
static void
relink(struct txn *t, uint32_t org, uint64_t from, uint64_t last)
{
	struct org_stat stat = *orgtx_stat(orgtx_open(t, org));
	struct slice bytes = entry(t, org, from);

	for (uint64_t r = from + 1; r <= last; r++) {
		struct slice next = entry(t, org, r);

		(void)SHA256((const unsigned char *)bytes.p, bytes.len, (unsigned char *)(uintptr_t)next.p);
		put_entry(t, org, r, next);
		bytes = next;
	}
	(void)SHA256((const unsigned char *)bytes.p, bytes.len, stat.head);
	stat.revision = last;
	orgtx_put_stat(t, org, &stat);
}

static void
drop(struct txn *t, uint32_t org, uint64_t revision)
{
	assert_true(txn_del(t, TAB_JOURNAL, key_of(org, revision), nothing));
}

#define DAMAGE(name) static void name(struct txn *t, uint32_t org)

DAMAGE(nothing_done)
{
	(void)t;
	(void)org;
}

DAMAGE(altered_actor)
{
	alter(t, org, 3, JOURNAL_HASH + 4);
}

DAMAGE(altered_link)
{
	alter(t, org, 3, 5);
}

DAMAGE(altered_first)
{
	alter(t, org, 1, 60);
}

DAMAGE(altered_last)
{
	alter(t, org, ENTRIES, 60);
}

DAMAGE(longer)
{
	struct slice bytes = entry(t, org, 4);
	char *more = arena_alloc(t->arena, bytes.len + 1);

	memcpy(more, bytes.p, bytes.len);
	more[bytes.len] = 0;
	put_entry(t, org, 4, slice_at(more, bytes.len + 1));
}

DAMAGE(missing)
{
	drop(t, org, 4);
}

DAMAGE(missing_first)
{
	drop(t, org, 1);
}

DAMAGE(missing_last)
{
	drop(t, org, ENTRIES);
}

DAMAGE(tail_cut)
{
	for (uint64_t r = 6; r <= ENTRIES; r++)
		drop(t, org, r);
}

DAMAGE(swapped)
{
	struct slice a = entry(t, org, 4), b = entry(t, org, 5);

	put_entry(t, org, 4, b);
	put_entry(t, org, 5, a);
}

DAMAGE(taken_out)
{
	for (uint64_t r = 4; r < ENTRIES; r++)
		put_entry(t, org, r, entry(t, org, r + 1));
	drop(t, org, ENTRIES);
}

DAMAGE(counter_back)
{
	struct org_stat stat = *orgtx_stat(orgtx_open(t, org));
	struct slice bytes = entry(t, org, 6);

	stat.revision = 6;
	(void)SHA256((const unsigned char *)bytes.p, bytes.len, stat.head);
	orgtx_put_stat(t, org, &stat);
}

DAMAGE(rewritten)
{
	alter(t, org, 3, 60);
	relink(t, org, 3, ENTRIES);
}

DAMAGE(rewritten_behind)
{
	alter(t, org, 7, 60);
	relink(t, org, 7, ENTRIES);
}

DAMAGE(neatly_cut)
{
	for (uint64_t r = 6; r <= ENTRIES; r++)
		drop(t, org, r);
	relink(t, org, 5, 5);
}

DAMAGE(neatly_taken_out)
{
	taken_out(t, org);
	relink(t, org, 3, ENTRIES - 1);
}

static const struct {
	void (*damage)(struct txn *t, uint32_t org);
	enum journal_fault fault;
	uint64_t at, anchor; /* 0: no anchor */
	enum journal_fault with_anchor;
	uint64_t at_with_anchor;
} damages[] = {
	{ nothing_done, JOURNAL_SOUND, 0, 0, JOURNAL_SOUND, 0 },
	{ nothing_done, JOURNAL_SOUND, 0, ENTRIES, JOURNAL_SOUND, 0 },
	{ altered_actor, JOURNAL_ALTERED, 3, 6, JOURNAL_ALTERED, 3 },
	{ altered_link, JOURNAL_ALTERED, 3, 6, JOURNAL_ALTERED, 3 },
	{ altered_first, JOURNAL_ALTERED, 1, 1, JOURNAL_ALTERED, 1 },
	{ altered_last, JOURNAL_ALTERED, ENTRIES, ENTRIES, JOURNAL_ALTERED, ENTRIES },
	{ longer, JOURNAL_ALTERED, 4, 2, JOURNAL_ALTERED, 4 },
	{ missing, JOURNAL_MISSING, 4, 2, JOURNAL_MISSING, 4 },
	{ missing_first, JOURNAL_MISSING, 1, 2, JOURNAL_MISSING, 1 },
	{ missing_last, JOURNAL_MISSING, ENTRIES, 2, JOURNAL_MISSING, ENTRIES },
	{ tail_cut, JOURNAL_MISSING, 6, 2, JOURNAL_MISSING, 6 },
	{ swapped, JOURNAL_ALTERED, 4, 2, JOURNAL_ALTERED, 4 },
	{ taken_out, JOURNAL_ALTERED, 3, 2, JOURNAL_ALTERED, 3 },
	{ counter_back, JOURNAL_BEYOND, 7, 6, JOURNAL_BEYOND, 7 },
	{ rewritten, JOURNAL_SOUND, 0, 5, JOURNAL_ALTERED, 5 },
	{ rewritten_behind, JOURNAL_SOUND, 0, ENTRIES, JOURNAL_ALTERED, ENTRIES },
	{ rewritten_behind, JOURNAL_SOUND, 0, 6, JOURNAL_SOUND, 0 }, /* an older anchor can't know */
	{ neatly_cut, JOURNAL_SOUND, 0, 7, JOURNAL_CUT, 6 },
	{ neatly_taken_out, JOURNAL_SOUND, 0, ENTRIES, JOURNAL_CUT, ENTRIES },
	{ neatly_taken_out, JOURNAL_SOUND, 0, 6, JOURNAL_ALTERED, 6 },
};

struct job {
	void (*damage)(struct txn *t, uint32_t org);
	uint32_t org;
};

static enum rc
run_damage(struct txn *t, void *arg, struct err *err)
{
	struct job *j = arg;

	(void)err;
	j->damage(t, j->org);
	orgtx_forget(t, j->org);
	return RC_OK;
}

static void
check_journal(struct store *s, uint32_t org, struct journal_check *c)
{
	struct txn *t = reader_new(s);
	struct err err = ERR_INIT;

	assert_int_equal(reader_begin(t, &err), RC_OK);
	while (!c->done) {
		bool sound = journal_verify(orgtx_open(t, org), c);

		assert_int_equal(sound, c->fault == JOURNAL_SOUND);
	}
	assert_int_equal(txn_rc(t), RC_OK);
	reader_free(t);
}

static void
hash_of(struct store *s, uint32_t org, uint64_t revision, uint8_t out[JOURNAL_HASH])
{
	struct txn *t = reader_new(s);
	struct err err = ERR_INIT;
	struct slice bytes;

	assert_int_equal(reader_begin(t, &err), RC_OK);
	bytes = entry(t, org, revision);
	(void)SHA256((const unsigned char *)bytes.p, bytes.len, out);
	reader_free(t);
}

static void
damage_on(uint32_t org)
{
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		char *dir = fixture_dir();
		struct store *s = fixture_open(dir, MAP, MAP);
		struct scene scene = { .org = org };
		struct job job = { damages[i].damage, org };
		struct journal_check plain = { 0 }, anchored = { .anchor_revision = damages[i].anchor };
		struct err err = ERR_INIT;

		assert_int_equal(store_write(s, make_scene, &scene, &err), RC_OK);
		if (damages[i].anchor > 0)
			hash_of(s, org, damages[i].anchor, anchored.anchor);
		assert_int_equal(store_write(s, run_damage, &job, &err), RC_OK);
		check_journal(s, org, &plain);
		check_journal(s, org, &anchored);
		if (plain.fault != damages[i].fault || plain.fault_revision != damages[i].at ||
			anchored.fault != damages[i].with_anchor || anchored.fault_revision != damages[i].at_with_anchor)
			print_error("damage %zu: %d at %llu \"%s\", with an anchor %d at %llu \"%s\"\n", i, plain.fault,
				(unsigned long long)plain.fault_revision, plain.text, anchored.fault,
				(unsigned long long)anchored.fault_revision, anchored.text);
		assert_int_equal(plain.fault, damages[i].fault);
		assert_int_equal(plain.fault_revision, damages[i].at);
		assert_int_equal(anchored.fault, damages[i].with_anchor);
		assert_int_equal(anchored.fault_revision, damages[i].at_with_anchor);
		store_close(s);
		fixture_dir_remove(dir);
	}
}

static void
each_damage_is_found(void **state)
{
	(void)state;
	damage_on(1);
}

static void
each_damage_on_the_platform_is_found(void **state)
{
	(void)state;
	damage_on(ORG_PLATFORM);
}

/* ---- Any byte ---- */

/* Whatever the bytes are, reading them ends, and ends within them. */
static void
read_damaged(struct orgtx *o, uint64_t revision)
{
	struct slice rest, old;
	struct journal_entry e;
	struct change c;
	bool bad = false;

	if (!journal_decode(entry(o->t, 1, revision), revision, &e))
		return;
	for (rest = e.changes; journal_next_change(&rest, &c, &bad);) {
		assert_true(c.packed.p == NULL || c.packed.p + c.packed.len <= e.bytes.p + e.bytes.len);
		(void)journal_old(o, &e, &c, &old);
		(void)journal_deletes(o, revision, c.row, &old);
		o->t->rc = 0; /* found out to be damaged: as it should */
	}
}

static enum rc
run_flips(struct txn *t, void *arg, struct err *err)
{
	uint64_t *flips = arg;

	for (uint64_t revision = 1; revision <= ENTRIES; revision++) {
		size_t size = entry(t, 1, revision).len;

		for (size_t at = 0; at < size; at += revision == MANY_AT ? 97 : 1) {
			struct journal_check c = { 0 };

			alter(t, 1, revision, at);
			assert_false(journal_verify(orgtx_open(t, 1), &c));
			assert_int_equal(c.fault, JOURNAL_ALTERED);
			assert_int_equal(c.fault_revision, revision);
			read_damaged(orgtx_open(t, 1), revision);
			alter(t, 1, revision, at); /* and back */
			++*flips;
		}
	}
	return fail(err, RC_CONFLICT, "", "enough");
}

static uint64_t
problems_of(struct store *s)
{
	struct verify_result result;
	struct err err = ERR_INIT;

	assert_int_equal(store_verify(s, NULL, &result, &err), RC_OK);
	return result.problems;
}

static void
no_byte_can_be_altered(void **state)
{
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir, MAP, MAP);
	struct scene scene = { .org = 1 };
	struct err err = ERR_INIT;
	uint64_t flips = 0;

	(void)state;
	assert_int_equal(store_write(s, make_scene, &scene, &err), RC_OK);
	assert_int_equal(store_write(s, run_flips, &flips, &err), RC_CONFLICT);
	assert_true(flips > 1000);
	assert_int_equal(problems_of(s), 0);
	store_close(s);
	fixture_dir_remove(dir);
}

/* ---- What the entries say ---- */

static struct slice
title_of(struct slice packed)
{
	const struct schema_set *set = fixture_schema();
	struct record r;
	struct slice title;

	assert_true(record_parse(set, packed, &r));
	assert_true(record_field(set, &r, fixture_attr(TYPE_USER, "title"), &title));
	return title;
}

static void
assert_title(struct slice packed, const char *want)
{
	assert_true(slice_eq(title_of(packed), slice_of(want)));
}

static void
check_chain(struct orgtx *o)
{
	uint8_t hash[JOURNAL_HASH] = { 0 };
	struct journal_entry e;

	for (uint64_t r = 1; r <= ENTRIES; r++) {
		assert_true(journal_get(o, r, &e));
		assert_memory_equal(e.bytes.p, hash, JOURNAL_HASH);
		(void)SHA256((const unsigned char *)e.bytes.p, e.bytes.len, hash);
		assert_int_equal(e.actor.door, DOOR_SCIM);
		assert_int_equal(e.actor.kind, ACTOR_PERSON);
		assert_int_equal(e.actor.connection, 3);
		assert_int_equal(e.actor.token, 4);
		assert_int_equal(e.actor.now, 77);
		assert_memory_equal(&e.actor.subject, &actor.subject, sizeof(actor.subject));
		assert_string_equal(e.actor.peer, "192.0.2.7");
		assert_string_equal(e.actor.action, "team.change");
	}
	assert_memory_equal(orgtx_stat(o)->head, hash, JOURNAL_HASH);
}

static void
check_old(struct orgtx *o, const struct scene *s)
{
	struct slice rest, old = { NULL, 0 };
	struct journal_entry e;
	struct change c;
	struct record r;
	struct uuid id;
	bool bad = false;
	size_t n = 0;

	assert_true(journal_get(o, 2, &e));
	rest = e.changes;
	assert_true(journal_next_change(&rest, &c, &bad) && journal_old(o, &e, &c, &old));
	assert_title(old, "first");
	assert_true(journal_get(o, 3, &e));
	rest = e.changes;
	assert_true(journal_next_change(&rest, &c, &bad) && journal_old(o, &e, &c, &old));
	assert_title(old, "second");
	assert_true(journal_next_change(&rest, &c, &bad) && journal_old(o, &e, &c, &old));
	assert_title(old, "third");
	assert_true(journal_get(o, MANY_AT, &e));
	for (rest = e.changes; journal_next_change(&rest, &c, &bad); n++) {
		assert_int_equal(journal_old(o, &e, &c, &old), c.kind == CHANGE_REPLACE);
		if (c.kind == CHANGE_REPLACE) {
			assert_title(c.packed, "again");
			assert_title(old, "many");
		}
	}
	assert_int_equal(n, MANY + (MANY + 2) / 3);
	assert_true(journal_get(o, 6, &e));
	rest = e.changes;
	assert_true(journal_next_change(&rest, &c, &bad) && journal_old(o, &e, &c, &old));
	assert_title(old, "many");
	/* The user's group is told before the user goes. */
	assert_true(journal_get(o, 7, &e));
	rest = e.changes;
	assert_true(journal_next_change(&rest, &c, &bad));
	assert_int_equal(c.kind, CHANGE_EDGE_REMOVE);
	assert_int_equal(c.row, s->group);
	assert_int_equal(c.member, s->user);
	assert_true(journal_next_change(&rest, &c, &bad));
	assert_int_equal(c.kind, CHANGE_DELETE);
	assert_true(journal_old(o, &e, &c, &old));
	assert_title(old, "fourth");
	assert_false(bad);
	assert_true(record_gone(o, s->user, &r));
	assert_memory_equal(r.id.bytes, fixture_id(1).bytes, UUID_SIZE);
	assert_true(record_gone(o, s->many[9], &r));
	assert_memory_equal(r.id.bytes, fixture_id(109).bytes, UUID_SIZE);
	assert_false(record_gone(o, s->many[8], &r));
	assert_false(record_gone(o, s->group, &r));
	/* The id is known of what is there and of what was. */
	assert_true(row_id(o, s->user, &id));
	assert_memory_equal(id.bytes, fixture_id(1).bytes, UUID_SIZE);
	assert_true(row_id(o, s->many[8], &id));
	assert_memory_equal(id.bytes, fixture_id(108).bytes, UUID_SIZE);
	assert_false(row_id(o, s->user + 1000000, &id));
}

static void
entries_say_what_was(void **state)
{
	static const uint32_t orgs[] = { ORG_PLATFORM, 1 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char *dir = fixture_dir();
		struct store *s = fixture_open(dir, MAP, MAP);
		struct scene scene = { .org = orgs[i] };
		struct txn *t = reader_new(s);
		struct err err = ERR_INIT;
		struct orgtx *o;

		assert_int_equal(store_write(s, make_scene, &scene, &err), RC_OK);
		assert_int_equal(problems_of(s), 0);
		assert_int_equal(reader_begin(t, &err), RC_OK);
		o = orgtx_open(t, scene.org);
		check_chain(o);
		check_old(o, &scene);
		assert_int_equal(txn_rc(t), RC_OK);
		reader_free(t);
		store_close(s);
		fixture_dir_remove(dir);
	}
}

/* ---- Doing it again, elsewhere ---- */

struct replay {
	struct txn *from;
	struct scene *scene;
};

static enum rc
run_replay(struct txn *t, void *arg, struct err *err)
{
	struct org org = { .state = ORG_ACTIVE, .key = "acme", .name = "Acme" };
	struct replay *r = arg;
	struct orgtx *from = orgtx_open(r->from, r->scene->org), *to;
	struct journal_entry e;

	org_create(t, &org);
	to = orgtx_open(t, r->scene->org);
	for (uint64_t n = 1; n <= ENTRIES; n++) {
		assert_true(journal_get(from, n, &e));
		assert_int_equal(journal_apply(to, &e, err), RC_OK);
	}
	assert_memory_equal(orgtx_stat(to)->head, orgtx_stat(from)->head, JOURNAL_HASH);
	return RC_OK;
}

/* An entry of another history is refused, be it as well formed as it likes. */
static enum rc
run_foreign(struct txn *t, void *arg, struct err *err)
{
	struct org org = { .state = ORG_ACTIVE, .key = "acme", .name = "Acme" };
	struct replay *r = arg;
	struct orgtx *from = orgtx_open(r->from, r->scene->org), *to;
	struct buf b = BUF_INIT;
	struct journal_entry e;

	org_create(t, &org);
	to = orgtx_open(t, r->scene->org);
	(void)record_create(to, TYPE_USER, user(&b, 1, change_begin(to, &actor), "another"));
	change_end(to);
	buf_release(&b);
	assert_true(journal_get(from, 2, &e));
	assert_int_equal(journal_apply(to, &e, err), RC_CONFLICT);
	return RC_CONFLICT;
}

static void
the_journal_makes_the_same_store_again(void **state)
{
	static const uint32_t orgs[] = { ORG_PLATFORM, 1 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char *dir = fixture_dir(), *other = fixture_dir();
		struct store *s = fixture_open(dir, MAP, MAP), *copy = fixture_open(other, MAP, MAP);
		struct scene scene = { .org = orgs[i] };
		struct replay replay = { reader_new(s), &scene };
		struct journal_check c = { 0 };
		struct err err = ERR_INIT;

		assert_int_equal(store_write(s, make_scene, &scene, &err), RC_OK);
		assert_int_equal(reader_begin(replay.from, &err), RC_OK);
		assert_int_equal(store_write(copy, run_foreign, &replay, &err), RC_CONFLICT);
		assert_int_equal(store_write(copy, run_replay, &replay, &err), RC_OK);
		reader_free(replay.from);
		check_journal(copy, scene.org, &c);
		assert_int_equal(c.fault, JOURNAL_SOUND);
		assert_int_equal(problems_of(copy), 0);
		store_close(s);
		store_close(copy);
		fixture_dir_remove(dir);
		fixture_dir_remove(other);
	}
}

/* A backup carries the chain along, the platform's too. */
static void
a_backup_keeps_the_chain(void **state)
{
	char *dir = fixture_dir(), *other = fixture_dir();
	struct store *s = fixture_open(dir, MAP, MAP);
	struct scene scene = { .org = ORG_PLATFORM };
	struct journal_check c = { .anchor_revision = ENTRIES };
	struct buf file = BUF_INIT, target = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(store_write(s, make_scene, &scene, &err), RC_OK);
	hash_of(s, ORG_PLATFORM, ENTRIES, c.anchor);
	buf_printf(&file, "%s/backup%c", other, '\0');
	buf_printf(&target, "%s/restored%c", other, '\0');
	assert_int_equal(store_backup(s, file.p, NULL, &err), RC_OK);
	store_close(s);
	assert_int_equal(store_restore(file.p, target.p, NULL, &err), RC_OK);
	s = fixture_open(target.p, MAP, MAP);
	assert_int_equal(problems_of(s), 0);
	check_journal(s, ORG_PLATFORM, &c);
	assert_int_equal(c.fault, JOURNAL_SOUND);
	assert_int_equal(c.revision, ENTRIES);
	store_close(s);
	buf_release(&file);
	buf_release(&target);
	fixture_dir_remove(dir);
	fixture_dir_remove(other);
}

/* ---- A journal whose beginning is not kept ---- */

struct trim_run {
	uint32_t org;
	struct journal_trim trim;
	size_t limit;
	bool ended;
};

static enum rc
run_trim(struct txn *t, void *arg, struct err *err)
{
	struct trim_run *x = arg;

	(void)err;
	x->ended = journal_trim(orgtx_open(t, x->org), &x->trim, x->limit);
	return txn_rc(t);
}

/* In steps of `limit`; nothing is wrong after any of them. Returns the steps. */
static int
trim_to(struct store *s, uint32_t org, uint64_t upto, size_t limit)
{
	struct trim_run x = { .org = org, .trim.upto = upto, .limit = limit };
	struct err err = ERR_INIT;
	int steps = 0;

	for (; !x.ended; steps++) {
		assert_int_equal(store_write(s, run_trim, &x, &err), RC_OK);
		assert_int_equal(problems_of(s), 0);
	}
	return steps;
}

static enum journal_fault
fault_with(struct store *s, uint32_t org, uint64_t revision, const uint8_t hash[JOURNAL_HASH], uint64_t trimmed)
{
	struct journal_check c = { .anchor_revision = revision };

	memcpy(c.anchor, hash, JOURNAL_HASH);
	check_journal(s, org, &c);
	assert_int_equal(c.trimmed, trimmed);
	return c.fault;
}

static void
check_trimmed(struct orgtx *o, const struct scene *s)
{
	struct slice rest, old;
	struct journal_entry e;
	struct change c;
	struct uuid id;
	struct record r;
	bool bad = false;

	assert_int_equal(journal_oldest(o), 4);
	assert_false(journal_get(o, 3, &e));
	/* What the user was is not known any more, who it was is. */
	assert_true(journal_get(o, 7, &e));
	rest = e.changes;
	assert_true(journal_next_change(&rest, &c, &bad) && journal_next_change(&rest, &c, &bad));
	assert_int_equal(c.kind, CHANGE_DELETE);
	assert_false(journal_old(o, &e, &c, &old));
	assert_false(record_gone(o, s->user, &r));
	assert_true(row_id(o, s->user, &id));
	assert_memory_equal(id.bytes, fixture_id(1).bytes, UUID_SIZE);
	assert_true(record_gone(o, s->many[9], &r));
	assert_int_equal(txn_rc(orgtx_txn(o)), RC_OK);
}

static void
check_trimmed_to_the_last(struct orgtx *o, const struct scene *s)
{
	struct uuid id;
	struct record r;

	assert_int_equal(journal_oldest(o), ENTRIES);
	assert_int_equal(orgtx_stat(o)->trimmed, ENTRIES - 1);
	assert_false(row_id(o, s->user, &id)); /* forgotten with the entry that deleted it */
	assert_true(row_id(o, s->many[9], &id));
	assert_false(record_gone(o, s->many[9], &r));
	assert_true(row_id(o, s->many[8], &id));
	assert_int_equal(txn_rc(orgtx_txn(o)), RC_OK);
}

static void
with_reader(struct store *s, const struct scene *scene, void (*check)(struct orgtx *o, const struct scene *s))
{
	struct txn *t = reader_new(s);
	struct err err = ERR_INIT;

	assert_int_equal(reader_begin(t, &err), RC_OK);
	check(orgtx_open(t, scene->org), scene);
	reader_free(t);
}

static enum rc
write_on(struct txn *t, void *arg, struct err *err)
{
	const struct scene *s = arg;
	struct orgtx *o = orgtx_open(t, s->org);
	struct buf b = BUF_INIT;

	(void)err;
	record_replace(o, s->many[8], user(&b, 108, change_begin(o, &actor), "later"));
	change_end(o);
	buf_release(&b);
	return txn_rc(t);
}

static void
trim_on(uint32_t org)
{
	char *dir = fixture_dir();
	struct store *s = fixture_open(dir, MAP, MAP);
	struct scene scene = { .org = org };
	uint8_t second[JOURNAL_HASH], third[JOURNAL_HASH], fifth[JOURNAL_HASH];
	struct job job = { NULL, org };
	struct err err = ERR_INIT;

	assert_int_equal(store_write(s, make_scene, &scene, &err), RC_OK);
	hash_of(s, org, 2, second);
	hash_of(s, org, 3, third);
	hash_of(s, org, 5, fifth);
	assert_int_equal(trim_to(s, org, 0, 1), 1);
	assert_true(trim_to(s, org, 3, 2) > 1);
	with_reader(s, &scene, check_trimmed);
	assert_int_equal(fault_with(s, org, 0, second, 3), JOURNAL_SOUND);
	assert_int_equal(fault_with(s, org, 5, fifth, 3), JOURNAL_SOUND);
	assert_int_equal(fault_with(s, org, 5, third, 3), JOURNAL_ALTERED);
	assert_int_equal(fault_with(s, org, 3, third, 3), JOURNAL_SOUND);
	assert_int_equal(fault_with(s, org, 3, second, 3), JOURNAL_ALTERED);
	assert_int_equal(fault_with(s, org, 2, second, 3), JOURNAL_TRIMMED);
	assert_true(trim_to(s, org, 1000, 50) > 4);
	with_reader(s, &scene, check_trimmed_to_the_last);
	assert_int_equal(store_write(s, write_on, &scene, &err), RC_OK);
	assert_int_equal(problems_of(s), 0);
	/* An entry less than there should be is seen all the same. */
	job.damage = missing_last;
	assert_int_equal(store_write(s, run_damage, &job, &err), RC_OK);
	assert_int_equal(fault_with(s, org, 0, second, ENTRIES - 1), JOURNAL_MISSING);
	assert_true(problems_of(s) > 0);
	store_close(s);
	fixture_dir_remove(dir);
}

static void
a_trimmed_journal_is_sound(void **state)
{
	(void)state;
	trim_on(1);
	trim_on(ORG_PLATFORM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_damage_is_found),
		cmocka_unit_test(each_damage_on_the_platform_is_found),
		cmocka_unit_test(no_byte_can_be_altered),
		cmocka_unit_test(entries_say_what_was),
		cmocka_unit_test(the_journal_makes_the_same_store_again),
		cmocka_unit_test(a_backup_keeps_the_chain),
		cmocka_unit_test(a_trimmed_journal_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
