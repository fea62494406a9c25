/* What is remembered of answers while the table grows: what comes back is what was put, and little of it gets lost. What makes an answer
 * void is tested over the binary door, beside a plain model (test_roster_recall.py). */
#include "tests/store/fixture.h"

#include "daemon/directory/recall.h"

#include "base/banned.h"

enum { PEOPLE = 100000, QUESTIONS = 3 };

static struct store *store;
static char *dir;
static struct directory directory;
static struct txn *reader;
static struct orgtx *org;

static enum rc
make_org(struct txn *t, void *arg, struct err *err)
{
	struct org o = { .state = ORG_ACTIVE, .key = "recall", .name = "Recall" };

	(void)err;
	org_create(t, &o);
	*(uint32_t *)arg = o.no;
	return RC_OK;
}

static int
setup(void **state)
{
	struct guard_options guard = { .share_percent = 0 };
	struct err err;
	uint32_t no;

	(void)state;
	directory_init(&directory, fixture_schema(), NULL, &guard, 200000);
	dir = fixture_dir();
	store = fixture_open(dir, 1 << 20, 1 << 30);
	reader = reader_new(store);
	if (store_write(store, make_org, &no, &err) != RC_OK || reader_begin(reader, &err) != RC_OK)
		return -1;
	org = orgtx_open(reader, no);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	reader_free(reader);
	store_close(store);
	fixture_dir_remove(dir);
	return 0;
}

static uint64_t
row_of(uint64_t person)
{
	return (uint64_t)TYPE_USER << 56 | (person + 1);
}

static uint8_t
code_of(uint64_t person, uint32_t question)
{
	return (uint8_t)(person * 7 + question);
}

/* How many of the people's answers come back; each that does must be theirs. */
static uint64_t
count_found(struct recall *r, const struct recall_org *ro, const uint32_t *questions, uint64_t people)
{
	uint64_t found = 0;

	for (uint64_t i = 0; i < people; i++)
		for (unsigned q = 0; q < QUESTIONS; q++) {
			struct uuid id = fixture_id(i + 1);
			uint64_t row;
			uint8_t code;

			if (!recall_get(r, ro, questions[q], &id, &row, &code))
				continue;
			assert_int_equal(row, row_of(i));
			assert_int_equal(code, code_of(i, q));
			found++;
		}
	return found;
}

/* Returns how many of all answers are found at the end. */
static uint64_t
fill(size_t bytes)
{
	struct recall *r = recall_new(&directory, bytes);
	struct recall_org *ro = recall_enter(r, org);
	uint32_t questions[QUESTIONS];
	uint64_t found;

	for (unsigned q = 0; q < QUESTIONS; q++) {
		struct uuid scope = fixture_id(q + 1);

		questions[q] = recall_question(r, ro, RECALL_CHECK, SLICE("content.view"), &scope);
		assert_int_not_equal(questions[q], 0);
	}
	for (uint64_t i = 0; i < PEOPLE; i++) {
		for (unsigned q = 0; q < QUESTIONS; q++) {
			struct uuid id = fixture_id(i + 1);
			uint64_t row;
			uint8_t code;

			assert_false(recall_get(r, ro, questions[q], &id, &row, &code));
			recall_put(r, ro, questions[q], &id, row_of(i), code_of(i, q));
			assert_true(recall_get(r, ro, questions[q], &id, &row, &code));
		}
		if (i % 9973 == 0)
			(void)count_found(r, ro, questions, i);
	}
	found = count_found(r, ro, questions, PEOPLE);
	recall_free(r);
	return found;
}

/* 300,000 answers take 9.2 MiB. Before the table grows, one in 32 of its slots was taken from another answer. */
static void
with_room(void **state)
{
	(void)state;
	assert_true(fill(64 << 20) > (uint64_t)PEOPLE * QUESTIONS / 100 * 95);
}

static void
without_room(void **state)
{
	uint64_t found = fill(RECALL_MIN), slots = RECALL_MIN / 32;

	(void)state;
	assert_true(found > slots / 2);
	assert_true(found <= slots);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(with_room), cmocka_unit_test(without_room) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
