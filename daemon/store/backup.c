/* A backup is LMDB's own compacting copy: one consistent state, free pages left out, in a single
 * file. It appears under its name only when all of it is on disk. Restoring is the same the other
 * way. */
#include "daemon/store/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/banned.h"

enum { COPY_BLOCK = 1 << 20, POLL_MS = 100 };

static void
progress(const struct store_progress *p, uint64_t done, uint64_t total)
{
	if (p != NULL && p->step != NULL)
		p->step(p->arg, done < total ? done : total, total);
}

static struct buf
path_join(const char *a, const char *b)
{
	struct buf path = BUF_INIT;

	buf_printf(&path, "%s%s%c", a, b, '\0');
	return path;
}

static enum rc
file_fail(struct err *err, const char *file, const char *what)
{
	int error = errno;

	return fail(err, error == ENOSPC || error == EDQUOT ? RC_NO_SPACE : RC_INTERNAL, "",
		"%s cannot be %s: %s", file, what, strerror(error));
}

static enum rc
sync_directory_of(const char *file, struct err *err)
{
	char *copy = strdup(file);
	enum rc rc = RC_OK;
	int fd;

	if (copy == NULL)
		abort();
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		rc = file_fail(err, file, "made durable");
	if (fd >= 0)
		close(fd);
	free(copy);
	return rc;
}

/* The finished file gets its name, unless something has it already. */
static enum rc
publish(const char *part, const char *file, struct err *err)
{
	if (link(part, file) != 0) {
		if (errno == EEXIST)
			return fail(err, RC_CONFLICT, "", "%s is there already", file);
		/* Not every file system has links. */
		if (access(file, F_OK) == 0 || rename(part, file) != 0)
			return file_fail(err, file, "made");
	} else {
		(void)unlink(part);
	}
	return sync_directory_of(file, err);
}

/* ---- Backup ---- */

struct copy {
	MDB_env *env;
	int fd, rc;
	bool done;
	pthread_mutex_t lock;
	pthread_cond_t change;
};

static void *
copy_main(void *arg)
{
	struct copy *c = arg;
	int rc = mdb_env_copyfd2(c->env, c->fd, MDB_CP_COMPACT);

	pthread_mutex_lock(&c->lock);
	c->rc = rc;
	c->done = true;
	pthread_cond_signal(&c->change);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* LMDB tells nothing while it copies: a thread of its own does it, and this one watches the file
 * grow. */
static int
copy_watched(struct copy *c, uint64_t total, const struct store_progress *p)
{
	struct timespec until;
	pthread_t thread;
	struct stat st;
	int rc;

	if ((rc = pthread_create(&thread, NULL, copy_main, c)) != 0)
		return rc;
	pthread_mutex_lock(&c->lock);
	while (!c->done) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += POLL_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		(void)pthread_cond_timedwait(&c->change, &c->lock, &until);
		if (!c->done && fstat(c->fd, &st) == 0) {
			pthread_mutex_unlock(&c->lock);
			progress(p, (uint64_t)st.st_size, total);
			pthread_mutex_lock(&c->lock);
		}
	}
	pthread_mutex_unlock(&c->lock);
	pthread_join(thread, NULL);
	return c->rc;
}

/* What a compact copy will have: pages in use. */
static uint64_t
bytes_in_use(struct txn *t)
{
	uint64_t pages = 2;
	MDB_stat stat;

	for (int i = 0; i < TAB_COUNT; i++) {
		if (mdb_stat(t->mdb, t->s->dbi[i], &stat) == 0)
			pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
	}
	return mdb_env_stat(t->s->env, &stat) == 0 ? pages * stat.ms_psize : 0;
}

static enum rc
backup_to(
	struct store *s, int fd, const char *file, const struct store_progress *p, struct err *err)
{
	struct copy c = { .env = s->env, .fd = fd };
	struct txn *t = reader_new(s);
	enum rc rc = reader_begin(t, err); /* also follows a map that another process has grown */
	uint64_t total;

	if (rc == RC_OK) {
		total = bytes_in_use(t);
		reader_end(t);
		pthread_mutex_init(&c.lock, NULL);
		pthread_cond_init(&c.change, NULL);
		errno = copy_watched(&c, total, p);
		if (errno != 0)
			rc = errno > 0 ? file_fail(err, file, "written")
				       : store_fail(s, errno, err);
		else if (fsync(fd) != 0)
			rc = file_fail(err, file, "written");
		else
			progress(p, total, total);
		pthread_cond_destroy(&c.change);
		pthread_mutex_destroy(&c.lock);
	}
	reader_free(t);
	return rc;
}

enum rc
store_backup(struct store *s, const char *file, const struct store_progress *p, struct err *err)
{
	struct buf part = path_join(file, ".part");
	enum rc rc;
	int fd;

	if (access(file, F_OK) == 0) {
		rc = fail(err, RC_CONFLICT, "", "%s is there already", file);
	} else if ((fd = open(part.p, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0) {
		rc = file_fail(err, part.p, "made");
	} else {
		store_walk_begin(s);
		rc = backup_to(s, fd, file, p, err);
		store_walk_end(s);
		close(fd);
		if (rc == RC_OK)
			rc = publish(part.p, file, err);
		if (rc != RC_OK)
			(void)unlink(part.p);
	}
	buf_release(&part);
	return rc;
}

/* ---- Restore ---- */

static enum rc
copy_file(const char *from, int in, const char *to, int out, const struct store_progress *p,
	struct err *err)
{
	char *block = malloc(COPY_BLOCK);
	enum rc rc = RC_OK;
	uint64_t done = 0;
	struct stat st;
	ssize_t n = 0, put;

	if (block == NULL)
		abort();
	if (fstat(in, &st) != 0)
		rc = file_fail(err, from, "read");
	while (rc == RC_OK && (n = read(in, block, COPY_BLOCK)) > 0) {
		for (ssize_t at = 0; rc == RC_OK && at < n; at += put) {
			put = write(out, block + at, (size_t)(n - at));
			if (put <= 0) {
				rc = file_fail(err, to, "written");
				break;
			}
		}
		done += (uint64_t)n;
		progress(p, done, (uint64_t)st.st_size);
	}
	if (rc == RC_OK && n < 0)
		rc = file_fail(err, from, "read");
	if (rc == RC_OK && fsync(out) != 0)
		rc = file_fail(err, to, "written");
	free(block);
	return rc;
}

/* Every table is there, and no page lies behind the end of the file: reading one would kill the
 * process. A compact copy has all its pages. */
static enum rc
check_tables(MDB_env *env, MDB_txn *mdb, const char *from, uint64_t size, struct err *err)
{
	uint8_t secret[STORE_SECRET];
	MDB_envinfo info;
	MDB_stat stat;
	MDB_dbi dbi;
	enum rc rc;
	int mrc;

	if (mdb_env_info(env, &info) != 0 || mdb_env_stat(env, &stat) != 0 ||
		(uint64_t)(info.me_last_pgno + 1) * stat.ms_psize > size)
		return fail(err, RC_INTERNAL, "", "%s is cut off: it is no whole backup", from);
	for (int i = 0; i < TAB_COUNT; i++) {
		mrc = mdb_dbi_open(mdb, store_tables[i].name, store_tables[i].flags, &dbi);
		/* A table that is younger than the backup: store_open() makes it. */
		if (mrc == MDB_NOTFOUND && i != TAB_META)
			continue;
		if (mrc != 0)
			return fail(err, RC_INTERNAL, "",
				"%s is no backup of a store of rosterd: %s", from,
				mdb_strerror(mrc));
		if (i == TAB_META) {
			rc = store_meta_check(mdb, dbi, from, secret, err);
			explicit_bzero(secret, sizeof(secret));
			if (rc != RC_OK)
				return rc;
		}
	}
	return RC_OK;
}

static enum rc
check_backup(const char *part, const char *from, struct err *err)
{
	MDB_env *env = NULL;
	MDB_txn *mdb = NULL;
	struct stat st;
	enum rc rc;
	int mrc;

	if (stat(part, &st) != 0)
		return file_fail(err, part, "read");
	if ((mrc = mdb_env_create(&env)) != 0 || (mrc = mdb_env_set_maxdbs(env, TAB_COUNT)) != 0 ||
		(mrc = mdb_env_open(env, part, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0600)) !=
			0 ||
		(mrc = mdb_txn_begin(env, NULL, MDB_RDONLY, &mdb)) != 0)
		rc = fail(err, RC_INTERNAL, "", "%s is no backup of a store of rosterd: %s", from,
			mdb_strerror(mrc));
	else
		rc = check_tables(env, mdb, from, (uint64_t)st.st_size, err);
	if (mdb != NULL)
		mdb_txn_abort(mdb);
	if (env != NULL)
		mdb_env_close(env);
	return rc;
}

static enum rc
restore_to(const char *file, const char *part, const char *data, const struct store_progress *p,
	struct err *err)
{
	int in = open(file, O_RDONLY | O_CLOEXEC), out = -1;
	enum rc rc;

	if (in < 0)
		return file_fail(err, file, "read");
	out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	rc = out < 0 ? file_fail(err, part, "made") : copy_file(file, in, part, out, p, err);
	close(in);
	if (out >= 0)
		close(out);
	if (rc == RC_OK)
		rc = check_backup(part, file, err);
	if (rc == RC_OK)
		rc = publish(part, data, err);
	if (rc != RC_OK && out >= 0)
		(void)unlink(part);
	return rc;
}

enum rc
store_restore(
	const char *file, const char *directory, const struct store_progress *p, struct err *err)
{
	struct buf data = path_join(directory, "/data.mdb"),
		   part = path_join(directory, "/data.mdb.part");
	enum rc rc;

	if (mkdir(directory, 0700) != 0 && errno != EEXIST)
		rc = file_fail(err, directory, "made");
	else if (access(data.p, F_OK) == 0)
		rc = fail(err, RC_CONFLICT, "", "there is a store in %s already", directory);
	else
		rc = restore_to(file, part.p, data.p, p, err);
	buf_release(&data);
	buf_release(&part);
	return rc;
}
