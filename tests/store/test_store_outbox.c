/* The outbox: what is due first, what an org or a cancelled invitation takes with it, who is told.
 */
#include "tests/store/fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/store/store_private.h"

#include "base/banned.h"

enum { MAP = 16 << 20 };

struct place {
	struct store *s;
	char *dir;
	struct org org[2];
	unsigned told;
};

static void
write_ok(struct place *p, store_write_fn *fn)
{
	struct err err = ERR_INIT;

	assert_int_equal(store_write(p->s, fn, p, &err), RC_OK);
}

static struct verify_result
verified(struct place *p)
{
	struct verify_result found;
	struct err err = ERR_INIT;

	assert_int_equal(store_verify(p->s, NULL, &found, &err), RC_OK);
	return found;
}

static uint64_t
put(struct txn *t, uint32_t org, uint64_t about, int64_t when, const char *to)
{
	struct outbox_entry e = { .org = org,
		.kind = OUTBOX_INVITATION,
		.about = fixture_id(about),
		.created = 77,
		.next_attempt = when,
		.to = slice_of(to),
		.subject = SLICE("Gr\xC3\xBC\xC3\x9F Gott"),
		.text = SLICE("text\r\n"),
		.html = SLICE("<p>text</p>") };

	outbox_put(t, &e);
	return e.no;
}

static enum rc
fill(struct txn *t, void *arg, struct err *err)
{
	struct place *p = arg;

	(void)err;
	for (int i = 0; i < 2; i++) {
		p->org[i] = (struct org){ .state = ORG_ACTIVE };
		(void)snprintf(p->org[i].key, sizeof(p->org[i].key), "org%d", i);
		org_create(t, &p->org[i]);
	}
	assert_int_equal(put(t, p->org[0].no, 1, 30, "a@example.com"), 1);
	assert_int_equal(put(t, p->org[1].no, 1, 10, "b@example.com"), 2);
	assert_int_equal(put(t, p->org[0].no, 2, 20, "c@example.com"), 3);
	assert_int_equal(put(t, p->org[0].no, 1, 256, "d@example.com"), 4);
	assert_int_equal(put(t, 0, 3, 0, "e@example.com"), 5);
	return RC_OK;
}

static void
tell(void *arg)
{
	struct place *p = arg;

	p->told++;
}

static int
place_open(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	p->dir = fixture_dir();
	p->s = fixture_open(p->dir, MAP, MAP);
	store_on_mail(p->s, tell, p);
	write_ok(p, fill);
	assert_int_equal(p->told, 1);
	*state = p;
	return 0;
}

static int
place_close(void **state)
{
	struct place *p = *state;

	store_close(p->s);
	fixture_dir_remove(p->dir);
	free(p);
	return 0;
}

/* The numbers in order of their turn, as digits; takes them out. */
static enum rc
drain(struct txn *t, void *arg, struct err *err)
{
	static const uint64_t turn[] = { 5, 2, 3, 1, 4 };
	struct outbox_entry e;

	(void)arg;
	(void)err;
	for (size_t i = 0; i < 5; i++) {
		assert_true(outbox_due(t, &e));
		assert_int_equal(e.no, turn[i]);
		assert_true(outbox_delete(t, e.no));
		assert_false(outbox_delete(t, e.no));
	}
	assert_false(outbox_due(t, &e));
	return RC_OK;
}

static void
first_come_by_time_then_number(void **state)
{
	struct place *p = *state;

	write_ok(p, drain);
	assert_int_equal(p->told, 1); /* nothing new waits */
	assert_int_equal(verified(p).problems, 0);
}

static enum rc
look(struct txn *t, void *arg, struct err *err)
{
	const struct place *p = arg;
	struct outbox_entry e;
	struct uuid about = fixture_id(2);

	(void)err;
	assert_true(outbox_get(t, 3, &e));
	assert_int_equal(e.no, 3);
	assert_int_equal(e.org, p->org[0].no);
	assert_int_equal(e.kind, OUTBOX_INVITATION);
	assert_int_equal(e.state, OUTBOX_WAITING);
	assert_memory_equal(e.about.bytes, about.bytes, UUID_SIZE);
	assert_int_equal(e.created, 77);
	assert_int_equal(e.next_attempt, 20);
	assert_int_equal(e.attempts, 0);
	assert_true(slice_eq(e.to, SLICE("c@example.com")));
	assert_true(slice_eq(e.subject, SLICE("Gr\xC3\xBC\xC3\x9F Gott")));
	assert_true(slice_eq(e.text, SLICE("text\r\n")));
	assert_true(slice_eq(e.html, SLICE("<p>text</p>")));
	assert_int_equal(e.error.len, 0);
	assert_false(outbox_get(t, 6, &e));
	assert_false(outbox_get(t, 0, &e));
	e.no = 0;
	for (uint64_t n = 1; n <= 5; n++) {
		assert_true(outbox_next(t, e.no, &e));
		assert_int_equal(e.no, n);
	}
	assert_false(outbox_next(t, e.no, &e));
	assert_false(outbox_next(t, UINT64_MAX, &e));
	return RC_OK;
}

static void
an_entry_comes_back_whole(void **state)
{
	write_ok(*state, look);
}

static enum rc
fail_once(struct txn *t, void *arg, struct err *err)
{
	struct outbox_entry e;

	(void)arg;
	(void)err;
	assert_true(outbox_get(t, 2, &e));
	e.attempts = 1;
	e.next_attempt = 1000;
	e.error = SLICE("451 later");
	assert_true(outbox_update(t, &e));
	assert_true(outbox_get(t, 5, &e));
	e.state = OUTBOX_DEAD;
	e.error = SLICE("550 nobody");
	assert_true(outbox_update(t, &e));
	e.no = 99;
	assert_false(outbox_update(t, &e));
	return RC_OK;
}

static enum rc
look_after_failure(struct txn *t, void *arg, struct err *err)
{
	struct outbox_entry e;

	(void)arg;
	(void)err;
	assert_true(outbox_due(t, &e));
	assert_int_equal(e.no, 3);
	assert_true(outbox_get(t, 2, &e));
	assert_int_equal(e.attempts, 1);
	assert_int_equal(e.next_attempt, 1000);
	assert_true(slice_eq(e.error, SLICE("451 later")));
	assert_true(slice_eq(e.html, SLICE("<p>text</p>")));
	assert_true(outbox_get(t, 5, &e));
	assert_int_equal(e.state, OUTBOX_DEAD);
	/* As rosterctl outbox retry does it, with what the store lent. */
	e.state = OUTBOX_WAITING;
	e.next_attempt = 1;
	assert_true(outbox_update(t, &e));
	assert_true(outbox_due(t, &e));
	assert_int_equal(e.no, 5);
	assert_true(slice_eq(e.error, SLICE("550 nobody")));
	return RC_OK;
}

static void
a_failure_moves_it_back_and_the_dead_wait_no_more(void **state)
{
	struct place *p = *state;

	write_ok(p, fail_once);
	assert_int_equal(verified(p).problems, 0);
	write_ok(p, look_after_failure);
	assert_int_equal(verified(p).problems, 0);
	assert_int_equal(p->told, 3);
}

static enum rc
cancel(struct txn *t, void *arg, struct err *err)
{
	const struct place *p = arg;
	struct uuid one = fixture_id(1), none = fixture_id(9);
	struct outbox_entry e;

	(void)err;
	assert_int_equal(outbox_cancel(t, p->org[0].no, &none), 0);
	assert_int_equal(outbox_cancel(t, p->org[0].no, &one), 2);
	assert_int_equal(outbox_cancel(t, p->org[0].no, &one), 0);
	assert_false(outbox_get(t, 1, &e));
	assert_false(outbox_get(t, 4, &e));
	assert_true(outbox_get(t, 2, &e)); /* another org's, of the same id */
	assert_true(outbox_get(t, 3, &e));
	return RC_OK;
}

static void
a_cancelled_invitation_takes_its_mail_along(void **state)
{
	write_ok(*state, cancel);
	assert_int_equal(verified(*state).problems, 0);
}

static enum rc
purge_step(struct txn *t, void *arg, struct err *err)
{
	struct place *p = arg;

	(void)err;
	if (org_purge(t, p->org[0].no, 1))
		p->org[0].no = 0;
	return RC_OK;
}

static enum rc
look_after_purge(struct txn *t, void *arg, struct err *err)
{
	struct outbox_entry e;

	(void)arg;
	(void)err;
	assert_true(outbox_next(t, 0, &e));
	assert_int_equal(e.no, 2);
	assert_true(outbox_next(t, 2, &e));
	assert_int_equal(e.no, 5);
	assert_false(outbox_next(t, 5, &e));
	/* The number of one that is gone is not given again. */
	assert_int_equal(put(t, 0, 1, 0, "f@example.com"), 6);
	return RC_OK;
}

static void
an_org_takes_its_mail_along(void **state)
{
	struct place *p = *state;

	for (int i = 0; i < 100 && p->org[0].no != 0; i++)
		write_ok(p, purge_step);
	assert_int_equal(p->org[0].no, 0);
	write_ok(p, look_after_purge);
	assert_int_equal(verified(p).problems, 0);
}

static enum rc
refuse(struct txn *t, void *arg, struct err *err)
{
	(void)arg;
	(void)put(t, 0, 9, 0, "nobody@example.com");
	return fail(err, RC_CONFLICT, "", "no");
}

static enum rc
look_after_refusal(struct txn *t, void *arg, struct err *err)
{
	struct outbox_entry e;

	(void)arg;
	(void)err;
	assert_false(outbox_get(t, 6, &e));
	return RC_OK;
}

static void
what_was_refused_sends_nothing(void **state)
{
	struct place *p = *state;
	struct err err = ERR_INIT;

	assert_int_equal(store_write(p->s, refuse, p, &err), RC_CONFLICT);
	assert_int_equal(p->told, 1);
	write_ok(p, look_after_refusal);
}

static enum rc
harm(struct txn *t, void *arg, struct err *err)
{
	uint8_t due[KEY_MAIL_DUE], about[KEY_MAIL_ORG], mail[KEY_MAIL];
	const struct place *p = arg;
	struct uuid two = fixture_id(2);

	(void)err;
	key_mail_due(due, 10, 2); /* waits, yet is not due */
	assert_true(
		txn_del(t, TAB_OUTBOXDUE, slice_at(due, sizeof(due)), (struct slice){ NULL, 0 }));
	key_mail_due(due, 5, 77); /* due, yet there is none */
	txn_put(t, TAB_OUTBOXDUE, due, sizeof(due), "", 0);
	key_mail_org(about, p->org[0].no, &two, 3);
	assert_true(txn_del(
		t, TAB_OUTBOXORG, slice_at(about, sizeof(about)), (struct slice){ NULL, 0 }));
	key_mail_org(about, p->org[1].no, &two, 3); /* another org's list */
	txn_put(t, TAB_OUTBOXORG, about, sizeof(about), "", 0);
	put_be64(mail, 4);
	txn_put(t, TAB_OUTBOX, mail, sizeof(mail), "short", 5);
	return RC_OK;
}

static void
verify_finds_what_disagrees(void **state)
{
	write_ok(*state, harm);
	/* The five above, and both lists that lead to the entry that can't be read. */
	assert_int_equal(verified(*state).problems, 7);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_open, place_close)
	const struct CMUnitTest tests[] = {
		TEST(first_come_by_time_then_number),
		TEST(an_entry_comes_back_whole),
		TEST(a_failure_moves_it_back_and_the_dead_wait_no_more),
		TEST(a_cancelled_invitation_takes_its_mail_along),
		TEST(an_org_takes_its_mail_along),
		TEST(what_was_refused_sends_nothing),
		TEST(verify_finds_what_disagrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
