/* What goes wrong around a store: maps that fill under readers, disks that fill, disks that fail,
 * processes that are killed. */
#include "config.h"

#include "tests/store/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/store/store_private.h"

#include "base/banned.h"

/* The control: a build whose commit order is wrong on purpose must be found out. It is good for
 * nothing else. */
#ifdef BROKEN_COMMIT
enum { CONTROL = 1 };
#else
enum { CONTROL = 0 };
#endif

enum { MAP = 1 << 20, LIMIT = 1 << 28, BATCH = 16, ROUNDS = 20 };

/* ---- A writer whose state can be checked by looking: batch n makes user n*BATCH.. and joins them
 * to one group ---- */

struct writer {
	struct store *s;
	uint32_t org;
	uint64_t batch; /* the next */
	uint64_t group;
	unsigned runs;
	struct buf packed;
};

static const struct actor actor = { .door = DOOR_SCIM, .now = 1 };

static enum rc
make_org(struct txn *t, void *arg, struct err *err)
{
	struct org org = { .state = ORG_ACTIVE, .key = "fault" };
	struct writer *w = arg;
	struct buf b = BUF_INIT;
	struct orgtx *o;

	(void)err;
	org_create(t, &org);
	w->org = org.no;
	o = orgtx_open(t, w->org);
	(void)change_begin(o, &actor);
	fixture_pack_group(&b, fixture_id(1), 1, 1, "all");
	w->group = record_create(o, TYPE_GROUP, buf_as_slice(&b));
	change_end(o);
	buf_release(&b);
	return RC_OK;
}

static enum rc
write_batch(struct txn *t, void *arg, struct err *err)
{
	struct writer *w = arg;
	struct orgtx *o = orgtx_open(t, w->org);
	char name[40], title[700];
	struct person p = { name, "Display", "Family", { "a@example.com", NULL }, NULL, title, 0,
		1 };
	uint64_t revision = change_begin(o, &actor), row;

	(void)err;
	w->runs++;
	memset(title, 't', sizeof(title));
	title[sizeof(title) - 1] = '\0';
	for (uint64_t i = 0; i < BATCH; i++) {
		(void)snprintf(name, sizeof(name), "user-%llu-%llu", (unsigned long long)w->batch,
			(unsigned long long)i);
		buf_clear(&w->packed);
		fixture_pack_user(
			&w->packed, fixture_id(100 + w->batch * BATCH + i), revision, 1, &p);
		row = record_create(o, TYPE_USER, buf_as_slice(&w->packed));
		(void)edge_add(o, w->group, row);
	}
	change_end(o);
	return RC_OK;
}

static enum rc
write_next(struct writer *w, struct err *err)
{
	enum rc rc = store_write(w->s, write_batch, w, err);

	w->batch += rc == RC_OK;
	return rc;
}

static void
writer_start(struct writer *w, struct store *s)
{
	struct err err = ERR_INIT;

	*w = (struct writer){ .s = s };
	assert_int_equal(store_write(s, make_org, w, &err), RC_OK);
}

/* Takes up where an earlier process ended: batches are whole or not there. -1: half of one is
 * there. */
static int64_t
writer_resume(struct writer *w, struct store *s)
{
	struct txn *t = reader_new(s);
	struct err err = ERR_INIT;
	struct orgtx *o;
	struct org org;
	int64_t batches = -1;
	uint64_t users;

	*w = (struct writer){ .s = s, .group = (uint64_t)TYPE_GROUP << 56 | 1 };
	assert_int_equal(reader_begin(t, &err), RC_OK);
	if (org_by_key(t, SLICE("fault"), &org)) {
		w->org = org.no;
		o = orgtx_open(t, org.no);
		users = rows_count(o, TYPE_USER);
		w->batch = users / BATCH;
		if (users % BATCH == 0 && orgtx_stat(o)->revision == w->batch + 1 &&
			edge_count(o, EDGE_MEMBERS, w->group) == users)
			batches = (int64_t)w->batch;
	}
	assert_int_equal(txn_rc(t), RC_OK);
	reader_free(t);
	return batches;
}

static uint64_t
problems(struct store *s)
{
	struct verify_result r;
	struct err err = ERR_INIT;

	assert_int_equal(store_verify(s, NULL, &r, &err), RC_OK);
	return r.problems;
}

/* ---- Growth ---- */

struct crowd {
	struct writer w;
	char *dir;
	_Atomic bool stop;
	_Atomic unsigned looks, wrong, walks;
};

static bool
look(struct txn *t, uint32_t org, uint64_t group)
{
	struct orgtx *o = orgtx_open(t, org);
	uint64_t row[2], users = rows_count(o, TYPE_USER);
	struct record r;

	if (users % BATCH != 0 || edge_count(o, EDGE_MEMBERS, group) != users)
		return false;
	if (users == 0)
		return true;
	return rows_list(o, TYPE_USER, 0, users - 1, row, 2) == 1 && record_get(o, row[0], &r) &&
	       r.revision == orgtx_stat(o)->revision && edge_has(o, group, row[0]) &&
	       txn_rc(t) == RC_OK;
}

static void *
look_on(void *arg)
{
	struct crowd *c = arg;
	struct txn *t = reader_new(c->w.s);
	struct err err = ERR_INIT;

	while (!c->stop) {
		if (reader_begin(t, &err) != RC_OK || !look(t, c->w.org, c->w.group))
			c->wrong++;
		c->looks++;
		reader_end(t);
	}
	reader_free(t);
	return NULL;
}

/* A copy that was made while others wrote holds whole batches, and nothing else. */
static bool
copy_is_whole(const char *file)
{
	char *dir = fixture_dir();
	struct store_options options = { dir, MAP, LIMIT, fixture_schema() };
	struct err err = ERR_INIT;
	struct verify_result r;
	struct writer copied;
	struct store *s;
	bool whole;

	whole = store_restore(file, dir, NULL, &err) == RC_OK &&
		store_open(&options, &s, &err) == RC_OK;
	if (whole) {
		whole = writer_resume(&copied, s) >= 0 &&
			store_verify(s, NULL, &r, &err) == RC_OK && r.problems == 0;
		store_close(s);
	}
	fixture_dir_remove(dir);
	return whole;
}

static void *
walk_on(void *arg)
{
	struct crowd *c = arg;
	struct verify_result r;
	struct buf file = BUF_INIT;
	struct err err = ERR_INIT;

	buf_printf(&file, "%s/copy%c", c->dir, '\0');
	while (!c->stop) {
		if (store_verify(c->w.s, NULL, &r, &err) != RC_OK || r.problems > 0 ||
			store_backup(c->w.s, file.p, NULL, &err) != RC_OK || !copy_is_whole(file.p))
			c->wrong++;
		(void)unlink(file.p);
		c->walks++;
	}
	buf_release(&file);
	return NULL;
}

static void
the_map_grows_under_readers_and_walks(void **state)
{
	static struct crowd c;
	struct err err = ERR_INIT;
	pthread_t threads[4];
	struct store_usage usage;

	(void)state;
	c.dir = fixture_dir();
	writer_start(&c.w, fixture_open(c.dir, MAP, LIMIT));
	for (int i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, i < 3 ? look_on : walk_on, &c), 0);
	for (int i = 0; i < 150; i++)
		assert_int_equal(write_next(&c.w, &err), RC_OK);
	c.stop = true;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	store_usage(c.w.s, &usage);
	assert_true(usage.map_bytes >= 4 * (uint64_t)MAP);
	assert_int_equal(c.wrong, 0);
	assert_true(c.looks > 0 && c.walks > 0);
	assert_int_equal(problems(c.w.s), 0);
	store_close(c.w.s);
	buf_release(&c.w.packed);
	fixture_dir_remove(c.dir);
}

static void
a_full_map_runs_the_batch_again(void **state)
{
	char *dir = fixture_dir();
	struct err err = ERR_INIT;
	struct writer w;

	(void)state;
	writer_start(&w, fixture_open(dir, MAP, LIMIT));
	while (w.batch < 100)
		assert_int_equal(write_next(&w, &err), RC_OK);
	assert_in_range(w.runs, 101, 110);
	assert_int_equal(problems(w.s), 0);
	store_close(w.s);
	buf_release(&w.packed);
	fixture_dir_remove(dir);
}

static void
growth_ends_at_the_limit(void **state)
{
	char *dir = fixture_dir();
	struct err err = ERR_INIT;
	struct writer w, again;
	enum rc rc;

	(void)state;
	writer_start(&w, fixture_open(dir, MAP, 3 * MAP));
	while ((rc = write_next(&w, &err)) == RC_OK)
		;
	assert_int_equal(rc, RC_NO_SPACE);
	assert_non_null(strstr(err.detail, "3 MiB"));
	assert_true(w.batch > 10);
	assert_int_equal(writer_resume(&again, w.s), w.batch);
	assert_int_equal(problems(w.s), 0);
	/* More is allowed after a restart. */
	store_close(w.s);
	w.s = fixture_open(dir, MAP, LIMIT);
	assert_int_equal(write_next(&w, &err), RC_OK);
	assert_int_equal(problems(w.s), 0);
	store_close(w.s);
	buf_release(&w.packed);
	fixture_dir_remove(dir);
}

/* ---- Another process ---- */

static int
child_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void
a_map_grown_by_another_process_is_followed(void **state)
{
	char *dir = fixture_dir();
	struct err err = ERR_INIT;
	struct writer w, other;
	struct txn *t;
	pid_t pid;

	(void)state;
	/* The child opens the store before its parent does: a process must not inherit an open one.
	 */
	writer_start(&w, fixture_open(dir, MAP, LIMIT));
	store_close(w.s);
	for (int round = 0; round < 2; round++) {
		int go[2];
		char byte;

		assert_int_equal(pipe(go), 0);
		pid = fork();
		if (pid == 0) {
			if (read(go[0], &byte, 1) != 1 ||
				writer_resume(&other, fixture_open(dir, MAP, LIMIT)) < 0)
				_exit(2);
			for (int i = 0; i < 100; i++) {
				if (write_next(&other, &err) != RC_OK)
					_exit(1);
			}
			store_close(other.s);
			_exit(0);
		}
		w.s = fixture_open(dir, MAP, LIMIT);
		t = reader_new(w.s);
		assert_int_equal(reader_begin(t, &err), RC_OK);
		reader_end(t);
		assert_int_equal(write(go[1], "g", 1), 1);
		assert_int_equal(child_status(pid), 0);
		close(go[0]);
		close(go[1]);
		w.batch += 100;
		if (round == 1) { /* the writer meets it first */
			assert_int_equal(write_next(&w, &err), RC_OK);
		}
		assert_int_equal(reader_begin(t, &err), RC_OK);
		assert_true(look(t, w.org, w.group));
		assert_int_equal(rows_count(orgtx_open(t, w.org), TYPE_USER), w.batch * BATCH);
		reader_free(t);
		assert_int_equal(write_next(&w, &err), RC_OK);
		assert_int_equal(problems(w.s), 0);
		store_close(w.s);
	}
	buf_release(&w.packed);
	fixture_dir_remove(dir);
}

/* ---- Full disk: in a child, since limits and mounts are the process's ---- */

enum { SKIPPED = 77 };

struct room {
	bool (*little)(const char *dir);
	bool (*more)(const char *dir);
};

static bool
limit_file_size(rlim_t size)
{
	struct rlimit limit = { size, RLIM_INFINITY };

	return signal(SIGXFSZ, SIG_IGN) != SIG_ERR && setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

static bool
little_by_limit(const char *dir)
{
	(void)dir;
	return limit_file_size(2 << 20);
}

static bool
more_by_limit(const char *dir)
{
	(void)dir;
	return limit_file_size(RLIM_INFINITY);
}

static bool
little_by_mount(const char *dir)
{
	char ballast[4096] = { 0 };
	struct buf path = BUF_INIT;
	int fd;

	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		mount("tmpfs", dir, "tmpfs", 0, "size=6m") != 0)
		return false;
	buf_printf(&path, "%s/ballast%c", dir, '\0');
	fd = open(path.p, O_WRONLY | O_CREAT, 0600);
	for (int i = 0; i < 1024; i++) {
		if (write(fd, ballast, sizeof(ballast)) != sizeof(ballast))
			return false;
	}
	close(fd);
	buf_release(&path);
	return true;
}

static bool
more_by_mount(const char *dir)
{
	struct buf path = BUF_INIT;
	bool done;

	buf_printf(&path, "%s/ballast%c", dir, '\0');
	done = unlink(path.p) == 0;
	buf_release(&path);
	return done;
}

/* 0: all is as it should be; else the line that is not. */
#define EXPECT(x)                                                                                  \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "%d: %s (%s)\n", __LINE__, #x, err.detail);                \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static void
fill_the_disk(const char *dir, const struct room *room)
{
	struct err err = ERR_INIT;
	struct writer w, again;
	uint64_t full_at;
	enum rc rc;

	if (!room->little(dir))
		_exit(SKIPPED);
	writer_start(&w, fixture_open(dir, LIMIT, LIMIT));
	while ((rc = write_next(&w, &err)) == RC_OK)
		EXPECT(w.batch < 10000);
	full_at = w.batch;
	EXPECT(rc == RC_NO_SPACE && full_at > 5);
	EXPECT(strstr(err.detail, "disk of the store is full") != NULL);
	for (int i = 0; i < 3; i++) {
		EXPECT(write_next(&w, &err) == RC_NO_SPACE);
		EXPECT(writer_resume(&again, w.s) == (int64_t)full_at);
		EXPECT(problems(w.s) == 0);
	}
	EXPECT(room->more(dir));
	for (int i = 0; i < 20; i++)
		EXPECT(write_next(&w, &err) == RC_OK);
	EXPECT(problems(w.s) == 0);
	store_close(w.s);
	w.s = fixture_open(dir, LIMIT, LIMIT);
	EXPECT(writer_resume(&again, w.s) == (int64_t)full_at + 20);
	EXPECT(problems(w.s) == 0);
	store_close(w.s);
	_exit(0);
}

static void
full_disk(const struct room *room)
{
	char *dir = fixture_dir();
	pid_t pid = fork();
	int status;

	if (pid == 0)
		fill_the_disk(dir, room);
	status = child_status(pid);
	fixture_dir_remove(dir);
	if (status == SKIPPED)
		skip();
	assert_int_equal(status, 0);
}

static void
a_full_disk_refuses_writes_only(void **state)
{
	static const struct room room = { little_by_limit, more_by_limit };

	(void)state;
	full_disk(&room);
}

static void
a_full_file_system_refuses_writes_only(void **state)
{
	static const struct room room = { little_by_mount, more_by_mount };

	(void)state;
	full_disk(&room);
}

/* ---- A disk that fails ---- */

static void
a_failed_disk_ends_writing_but_not_reading(void **state)
{
	char *dir = fixture_dir();
	struct err err = ERR_INIT;
	struct writer w, again;
	int fd, null, spare;

	(void)state;
	writer_start(&w, fixture_open(dir, LIMIT, LIMIT));
	assert_int_equal(write_next(&w, &err), RC_OK);
	/* What LMDB writes to is not writable any more. */
	assert_int_equal(mdb_env_get_fd(w.s->env, &fd), 0);
	spare = dup(fd);
	null = open("/dev/null", O_RDONLY);
	assert_int_equal(dup2(null, fd), fd);
	assert_int_equal(write_next(&w, &err), RC_INTERNAL);
	assert_int_equal(dup2(spare, fd), fd);
	/* It works again, but who knows what was lost. */
	assert_int_equal(write_next(&w, &err), RC_INTERNAL);
	assert_non_null(strstr(err.detail, "refused until the daemon is started again"));
	assert_int_equal(writer_resume(&again, w.s), 1);
	assert_int_equal(problems(w.s), 0);
	store_close(w.s);
	w.s = fixture_open(dir, LIMIT, LIMIT);
	assert_int_equal(write_next(&w, &err), RC_OK);
	assert_int_equal(problems(w.s), 0);
	store_close(w.s);
	close(spare);
	close(null);
	buf_release(&w.packed);
	fixture_dir_remove(dir);
}

/* ---- kill -9 ---- */

static void
write_until_killed(const char *dir, int acks)
{
	struct err err = ERR_INIT;
	struct writer w;
	struct store *s = fixture_open(dir, MAP, LIMIT);

	if (writer_resume(&w, s) < 0)
		_exit(3);
	/* After store_write() has returned, not before: that is the promise. */
	while (write_next(&w, &err) == RC_OK) {
		if (write(acks, &w.batch, sizeof(w.batch)) != sizeof(w.batch))
			_exit(4);
	}
	_exit(5);
}

/* Returns what the child had acknowledged when it was killed. */
static uint64_t
kill_at_random(const char *dir, uint64_t *seed, uint64_t acked)
{
	int pipe_fd[2];
	uint64_t batch;
	pid_t pid;

	assert_int_equal(pipe(pipe_fd), 0);
	pid = fork();
	if (pid == 0) {
		close(pipe_fd[0]);
		write_until_killed(dir, pipe_fd[1]);
	}
	close(pipe_fd[1]);
	usleep(2000 + (useconds_t)(fixture_random(seed) % 60000));
	kill(pid, SIGKILL);
	while (read(pipe_fd[0], &batch, sizeof(batch)) == sizeof(batch))
		acked = batch;
	close(pipe_fd[0]);
	assert_int_equal(child_status(pid), 100 + SIGKILL);
	return acked;
}

static void
what_was_acknowledged_survives_kill_9(void **state)
{
	char *dir = fixture_dir();
	uint64_t acked = 0, seed = 4711, lost = 0, halves = 0, total = 0;
	struct writer w;
	int64_t found;

	(void)state;
	writer_start(&w, fixture_open(dir, MAP, LIMIT));
	store_close(w.s);
	for (int i = 0; i < ROUNDS && halves == 0; i++) {
		acked = kill_at_random(dir, &seed, acked);
		w.s = fixture_open(dir, MAP, LIMIT);
		found = writer_resume(&w, w.s);
		if (found < 0 || problems(w.s) > 0)
			halves++;
		else if ((uint64_t)found < acked)
			lost++;
		total += acked;
		acked = found < 0 ? acked : (uint64_t)found;
		store_close(w.s);
	}
	assert_true(total > 0);
	if (CONTROL) {
		assert_true(lost + halves > 0);
	} else {
		assert_int_equal(lost, 0);
		assert_int_equal(halves, 0);
	}
	fixture_dir_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_acknowledged_survives_kill_9),
		cmocka_unit_test(the_map_grows_under_readers_and_walks),
		cmocka_unit_test(a_full_map_runs_the_batch_again),
		cmocka_unit_test(growth_ends_at_the_limit),
		cmocka_unit_test(a_map_grown_by_another_process_is_followed),
		cmocka_unit_test(a_full_disk_refuses_writes_only),
		cmocka_unit_test(a_full_file_system_refuses_writes_only),
		cmocka_unit_test(a_failed_disk_ends_writing_but_not_reading),
	};
	const struct CMUnitTest control[] = {
		cmocka_unit_test(what_was_acknowledged_survives_kill_9),
	};

	log_set_level(LOG_WARN);
	return CONTROL ? cmocka_run_group_tests(control, NULL, NULL)
		       : cmocka_run_group_tests(tests, NULL, NULL);
}
