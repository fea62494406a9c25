/* The committer: one commit for what waits, each job told after it, one bad job no harm to the others. */
#include <semaphore.h>
#include <stdio.h>

#include "tests/store/fixture.h"

#include "daemon/committer.h"
#include "daemon/store/store_private.h"

#include "base/banned.h"

enum { JOBS = 20 };

static struct store *store;
static struct committer *committer;
static char *dir;
static sem_t at_gate, gate, finished;

struct job {
	struct write_job write; /* must stay first */
	int number;
	int runs;
};

static enum rc
put_org(struct write_job *job, struct txn *t, struct err *err)
{
	struct job *j = (struct job *)job;
	struct org org = { .state = ORG_ACTIVE, .name = "Org" };

	(void)err;
	j->runs++;
	(void)snprintf(org.key, sizeof(org.key), "org-%d", j->number);
	org_create(t, &org);
	return RC_OK;
}

static enum rc
wait_at_gate(struct write_job *job, struct txn *t, struct err *err)
{
	(void)job;
	(void)t;
	(void)err;
	(void)sem_post(&at_gate);
	(void)sem_wait(&gate);
	return RC_OK;
}

static enum rc
meet_damage(struct write_job *job, struct txn *t, struct err *err)
{
	((struct job *)job)->runs++;
	(void)txn_ok(t, MDB_CORRUPTED);
	return fail(err, RC_INTERNAL, "", "damaged");
}

static enum rc
refuse(struct write_job *job, struct txn *t, struct err *err)
{
	(void)job;
	(void)t;
	return fail(err, RC_UNIQUENESS, "userName", "taken");
}

/* Finds out too late. */
static enum rc
put_and_refuse(struct write_job *job, struct txn *t, struct err *err)
{
	(void)put_org(job, t, err);
	job->undo = true;
	return fail(err, RC_CONFLICT, "late", "found out too late");
}

static void
tell(struct write_job *job)
{
	(void)job;
	(void)sem_post(&finished);
}

static bool
has_org(int number)
{
	struct txn *t = reader_new(store);
	struct err err = ERR_INIT;
	struct buf key = BUF_INIT;
	struct org org;
	bool has;

	assert_int_equal(reader_begin(t, &err), RC_OK);
	buf_printf(&key, "org-%d", number);
	has = org_by_key(t, buf_as_slice(&key), &org);
	reader_free(t);
	buf_release(&key);
	return has;
}

/* Submits all behind a job that waits, so that they are one batch, and waits for them. */
static void
run_as_one_batch(struct job *jobs)
{
	struct job first = { .write = { .run = wait_at_gate, .done = tell } };

	committer_submit(committer, &first.write);
	(void)sem_wait(&at_gate);
	for (int i = 0; i < JOBS; i++)
		committer_submit(committer, &jobs[i].write);
	(void)sem_post(&gate);
	for (int i = 0; i <= JOBS; i++)
		(void)sem_wait(&finished);
}

static int
setup(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	(void)sem_init(&at_gate, 0, 0);
	(void)sem_init(&gate, 0, 0);
	(void)sem_init(&finished, 0, 0);
	dir = fixture_dir();
	store = fixture_open(dir, 16 << 20, 1 << 30);
	return committer_new(store, &committer, &err) == RC_OK ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	committer_free(committer);
	store_close(store);
	fixture_dir_remove(dir);
	return 0;
}

static void
what_waits_shares_a_commit(void **state)
{
	struct job jobs[JOBS];
	struct committer_stats before, after;

	(void)state;
	committer_stats(committer, &before);
	for (int i = 0; i < JOBS; i++)
		jobs[i] = (struct job){ .write = { .run = i % 5 == 4 ? refuse : put_org, .done = tell },
			.number = i };
	run_as_one_batch(jobs);
	committer_stats(committer, &after);
	assert_true(after.commits - before.commits <= 3);
	assert_int_equal(after.jobs - before.jobs, JOBS + 1);
	for (int i = 0; i < JOBS; i++) {
		assert_int_equal(jobs[i].write.rc, i % 5 == 4 ? RC_UNIQUENESS : RC_OK);
		assert_int_equal(has_org(i), i % 5 != 4);
	}
}

static void
a_damaged_record_fails_its_own_job_alone(void **state)
{
	struct job jobs[JOBS];

	(void)state;
	for (int i = 0; i < JOBS; i++)
		jobs[i] = (struct job){ .write = { .run = i == 7 ? meet_damage : put_org, .done = tell },
			.number = 100 + i };
	run_as_one_batch(jobs);
	for (int i = 0; i < JOBS; i++) {
		assert_int_equal(jobs[i].write.rc, i == 7 ? RC_INTERNAL : RC_OK);
		assert_int_equal(has_org(100 + i), i != 7);
	}
}

static void
a_late_refusal_leaves_nothing(void **state)
{
	struct job jobs[JOBS], alone = { .number = 299 };
	struct err err = ERR_INIT;

	(void)state;
	for (int i = 0; i < JOBS; i++)
		jobs[i] = (struct job){ .write = { .run = i == 7 ? put_and_refuse : put_org, .done = tell },
			.number = 200 + i };
	run_as_one_batch(jobs);
	for (int i = 0; i < JOBS; i++) {
		assert_int_equal(jobs[i].write.rc, i == 7 ? RC_CONFLICT : RC_OK);
		assert_int_equal(has_org(200 + i), i != 7);
	}
	assert_string_equal(jobs[7].write.err.path, "late");
	assert_int_equal(committer_run(committer, put_and_refuse, &alone.write, &err), RC_CONFLICT);
	assert_string_equal(err.path, "late");
	assert_false(has_org(299));
}

static void
waiting_for_a_job_gives_its_error(void **state)
{
	struct write_job job = { .item.next = NULL };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(committer_run(committer, refuse, &job, &err), RC_UNIQUENESS);
	assert_string_equal(err.path, "userName");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_waits_shares_a_commit),
		cmocka_unit_test(a_damaged_record_fails_its_own_job_alone),
		cmocka_unit_test(a_late_refusal_leaves_nothing),
		cmocka_unit_test(waiting_for_a_job_gives_its_error),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
