#include "config.h"

#include "daemon/store/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

#include "base/banned.h"

#define X(name, text, flags) [TAB_##name] = { text, flags },
const struct table_row store_tables[TAB_COUNT] = { TABLE_LIST(X) };
#undef X

/* One slot a reader: workers, the control door, verify and backup, and rosterctl beside the daemon.
 */
enum { MAX_READERS = 1022 };

static const char meta_format[] = "format", meta_secret[] = "secret";

/* ---- Failures ---- */

enum rc
store_rc(int mrc)
{
	switch (mrc) {
	case 0:
		return RC_OK;
	case MDB_MAP_FULL:
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return RC_NO_SPACE;
	default:
		return RC_INTERNAL;
	}
}

enum rc
store_fail(struct store *s, int mrc, struct err *err)
{
	if (mrc == MDB_MAP_FULL)
		return fail(err, RC_NO_SPACE, "",
			"the store has reached the size it may grow to (%llu MiB): nothing was "
			"changed",
			(unsigned long long)(s->map_limit >> 20));
	if (store_rc(mrc) == RC_NO_SPACE)
		return fail(err, RC_NO_SPACE, "",
			"the disk of the store is full: nothing was changed; writes work again "
			"when there is room");
	return fail(err, RC_INTERNAL, "", "the store failed: %s", mdb_strerror(mrc));
}

/* ---- Format and secret ---- */

static MDB_val
val_text(const char *text)
{
	return val_slice(slice_of(text));
}

static int
meta_create(MDB_txn *mdb, MDB_dbi meta)
{
	uint8_t secret[STORE_SECRET], format[4];
	MDB_val key = val_text(meta_format), value = val_slice(slice_at(format, sizeof(format)));
	uint32_t le = htole32(STORE_FORMAT);
	int rc;

	memcpy(format, &le, sizeof(le));
	if (getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
		return errno != 0 ? errno : EIO;
	if ((rc = mdb_put(mdb, meta, &key, &value, MDB_NOOVERWRITE)) != 0)
		return rc;
	key = val_text(meta_secret);
	value = val_slice(slice_at(secret, sizeof(secret)));
	rc = mdb_put(mdb, meta, &key, &value, MDB_NOOVERWRITE);
	explicit_bzero(secret, sizeof(secret));
	return rc;
}

enum rc
store_meta_check(
	MDB_txn *mdb, MDB_dbi meta, const char *name, uint8_t secret[STORE_SECRET], struct err *err)
{
	MDB_val key = val_text(meta_format), value;
	uint32_t format;

	if (mdb_get(mdb, meta, &key, &value) != 0 || value.mv_size != sizeof(format))
		return fail(err, RC_INTERNAL, "", "%s holds a database that is no store of rosterd",
			name);
	memcpy(&format, value.mv_data, sizeof(format));
	format = le32toh(format);
	if (format > STORE_FORMAT)
		return fail(err, RC_CONFLICT, "",
			"the store in %s has format %u, and this rosterd knows formats up to %d: "
			"it takes a newer rosterd to open it",
			name, format, STORE_FORMAT);
	if (format < STORE_FORMAT)
		return fail(err, RC_CONFLICT, "",
			"the store in %s has format %u, of a rosterd before its first release; this one begins with format %d: "
			"export the organisations with that rosterd, and import them here",
			name, format, STORE_FORMAT);
	key = val_text(meta_secret);
	if (mdb_get(mdb, meta, &key, &value) != 0 || value.mv_size != STORE_SECRET)
		return fail(err, RC_INTERNAL, "", "the store in %s has lost its secret", name);
	memcpy(secret, value.mv_data, STORE_SECRET);
	return RC_OK;
}

/* In one write transaction, so that two processes that start at once make one store. An existing
 * store is not written to. */
static enum rc
open_tables(struct store *s, MDB_txn *mdb, const char *directory, struct err *err)
{
	MDB_stat root;
	enum rc checked;
	int rc;

	rc = mdb_dbi_open(mdb, store_tables[TAB_META].name, 0, &s->dbi[TAB_META]);
	if (rc == MDB_NOTFOUND) {
		MDB_dbi main_dbi;

		if ((rc = mdb_dbi_open(mdb, NULL, 0, &main_dbi)) != 0 ||
			(rc = mdb_stat(mdb, main_dbi, &root)) != 0)
			return store_fail(s, rc, err);
		if (root.ms_entries > 0)
			return fail(err, RC_INTERNAL, "",
				"%s holds a database that is no store of rosterd", directory);
		rc = mdb_dbi_open(mdb, store_tables[TAB_META].name, MDB_CREATE, &s->dbi[TAB_META]);
		if (rc == 0)
			rc = meta_create(mdb, s->dbi[TAB_META]);
	}
	if (rc != 0)
		return store_fail(s, rc, err);
	checked = store_meta_check(mdb, s->dbi[TAB_META], directory, s->secret, err);
	if (checked != RC_OK)
		return checked;
	for (int i = 0; i < TAB_COUNT; i++) {
		rc = mdb_dbi_open(
			mdb, store_tables[i].name, store_tables[i].flags | MDB_CREATE, &s->dbi[i]);
		if (rc != 0)
			return store_fail(s, rc, err);
	}
	return RC_OK;
}

/* ---- Open and close ---- */

/* LMDB syncs what it writes into its files, not their names. */
static enum rc
sync_directory(const char *directory, struct err *err)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return done ? RC_OK
		    : fail(err, RC_INTERNAL, "", "%s cannot be synced: %s", directory,
			      strerror(errno));
}

static enum rc
env_open(struct store *s, const struct store_options *o, struct err *err)
{
	enum rc rc;
	MDB_txn *mdb;
	int mrc, dead;

	if (mkdir(o->directory, 0700) != 0 && errno != EEXIST)
		return fail(err, RC_INTERNAL, "", "%s cannot be made: %s", o->directory,
			strerror(errno));
	if ((mrc = mdb_env_create(&s->env)) != 0 ||
		(mrc = mdb_env_set_maxdbs(s->env, TAB_COUNT)) != 0 ||
		(mrc = mdb_env_set_maxreaders(s->env, MAX_READERS)) != 0 ||
		(mrc = mdb_env_set_mapsize(s->env, o->map_size)) != 0)
		return store_fail(s, mrc, err);
	if ((mrc = mdb_env_open(s->env, o->directory, MDB_NOTLS, 0600)) != 0)
		return fail(err, RC_INTERNAL, "", "the store in %s cannot be opened: %s",
			o->directory, mdb_strerror(mrc));
	/* Slots of processes that were killed would keep pages from reuse. */
	if ((mrc = mdb_reader_check(s->env, &dead)) != 0 ||
		(mrc = mdb_txn_begin(s->env, NULL, 0, &mdb)) != 0)
		return store_fail(s, mrc, err);
	rc = open_tables(s, mdb, o->directory, err);
	if (rc != RC_OK) {
		mdb_txn_abort(mdb);
		return rc;
	}
	if ((mrc = mdb_txn_commit(mdb)) != 0)
		return store_fail(s, mrc, err);
	return sync_directory(o->directory, err);
}

enum rc
store_open(const struct store_options *o, struct store **out, struct err *err)
{
	struct store *s = calloc(1, sizeof(*s));
	const struct resource_type *user;
	enum rc rc;

	*out = NULL;
	if (s == NULL)
		abort();
	s->schema = o->schema;
	s->map_limit = o->map_limit;
	user = schema_type(s->schema, TYPE_USER);
	s->active = user != NULL ? attr_sub(user->root, SLICE("active")) : NULL;
	pthread_mutex_init(&s->write_lock, NULL);
	pthread_mutex_init(&s->gate_lock, NULL);
	pthread_mutex_init(&s->walk_lock, NULL);
	pthread_cond_init(&s->walk_change, NULL);
	rc = env_open(s, o, err);
	if (rc != RC_OK) {
		store_close(s);
		return rc;
	}
	s->writer = txn_new(s, true);
	*out = s;
	return RC_OK;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	store_broken_end(s);
	txn_free(s->writer);
	if (s->env != NULL)
		mdb_env_close(s->env);
	pthread_cond_destroy(&s->walk_change);
	pthread_mutex_destroy(&s->walk_lock);
	pthread_mutex_destroy(&s->gate_lock);
	pthread_mutex_destroy(&s->write_lock);
	explicit_bzero(s->secret, sizeof(s->secret));
	free(s);
}

const uint8_t *
store_secret(const struct store *s)
{
	return s->secret;
}

void
store_usage(struct store *s, struct store_usage *out)
{
	MDB_envinfo info;
	MDB_stat stat;

	*out = (struct store_usage){ 0 };
	pthread_mutex_lock(&s->gate_lock); /* the map stays where it is */
	if (mdb_env_info(s->env, &info) == 0 && mdb_env_stat(s->env, &stat) == 0) {
		out->map_bytes = info.me_mapsize;
		out->used_bytes = (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize;
		out->last_txn = info.me_last_txnid;
		out->readers = info.me_numreaders;
	}
	pthread_mutex_unlock(&s->gate_lock);
}

void
store_on_mail(struct store *s, store_mail_fn *fn, void *arg)
{
	pthread_mutex_lock(&s->write_lock);
	s->mail_fn = fn;
	s->mail_arg = arg;
	pthread_mutex_unlock(&s->write_lock);
}

void
store_on_commit(struct store *s, store_commit_fn *fn, void *arg)
{
	pthread_mutex_lock(&s->write_lock);
	s->commit_fn = fn;
	s->commit_arg = arg;
	pthread_mutex_unlock(&s->write_lock);
}

/* ---- The map ---- */

static void
gate_shut(struct store *s)
{
	static const struct timespec moment = { 0, 20 * 1000 };

	pthread_mutex_lock(&s->gate_lock);
	atomic_store(&s->growing, true);
	for (struct txn *t = s->readers; t != NULL; t = t->next_reader) {
		/* A reader stays inside for one turn of an event loop at most. */
		while (atomic_load(&t->inside))
			nanosleep(&moment, NULL);
	}
}

static void
gate_open(struct store *s)
{
	atomic_store(&s->growing, false);
	pthread_mutex_unlock(&s->gate_lock);
}

static void
walks_hold(struct store *s)
{
	pthread_mutex_lock(&s->walk_lock);
	s->walks_held = true;
	while (s->walks > 0)
		pthread_cond_wait(&s->walk_change, &s->walk_lock);
	pthread_mutex_unlock(&s->walk_lock);
}

static void
walks_release(struct store *s)
{
	pthread_mutex_lock(&s->walk_lock);
	s->walks_held = false;
	pthread_cond_broadcast(&s->walk_change);
	pthread_mutex_unlock(&s->walk_lock);
}

/* size 0: what the file says. */
static int
map_resize(struct store *s, size_t size)
{
	MDB_envinfo before;
	int rc;

	walks_hold(s);
	gate_shut(s);
	(void)mdb_env_info(s->env, &before);
	rc = mdb_env_set_mapsize(s->env, size);
	/* A failure leaves no map at all: without the old one back nothing in this process may go
	 * on. */
	if (rc != 0 && rc != EINVAL && mdb_env_set_mapsize(s->env, before.me_mapsize) != 0)
		abort();
	gate_open(s);
	walks_release(s);
	return rc;
}

int
store_grow(struct store *s)
{
	MDB_envinfo info;
	uint64_t size;
	int rc;

	(void)mdb_env_info(s->env, &info);
	if (info.me_mapsize >= s->map_limit)
		return MDB_MAP_FULL;
	size = (uint64_t)info.me_mapsize * 2;
	if (size > s->map_limit)
		size = s->map_limit;
	rc = map_resize(s, size);
	log_event(rc == 0 ? LOG_INFO : LOG_ERROR, "store-grow", LOG_NUM("bytes", size),
		LOG_STR("result", rc == 0 ? "ok" : mdb_strerror(rc)));
	return rc;
}

int
store_adopt_map(struct store *s)
{
	return map_resize(s, 0);
}

/* Growth during a long walk makes writers wait for its end: so there is room for as much again
 * before it begins. */
static void
walk_make_room(struct store *s)
{
	struct store_usage usage;

	pthread_mutex_lock(&s->write_lock);
	do
		store_usage(s, &usage);
	while (usage.used_bytes > usage.map_bytes / 2 && store_grow(s) == 0);
	pthread_mutex_unlock(&s->write_lock);
}

void
store_walk_begin(struct store *s)
{
	walk_make_room(s);
	pthread_mutex_lock(&s->walk_lock);
	while (s->walks_held)
		pthread_cond_wait(&s->walk_change, &s->walk_lock);
	s->walks++;
	pthread_mutex_unlock(&s->walk_lock);
}

void
store_walk_end(struct store *s)
{
	pthread_mutex_lock(&s->walk_lock);
	s->walks--;
	pthread_cond_broadcast(&s->walk_change);
	pthread_mutex_unlock(&s->walk_lock);
}
