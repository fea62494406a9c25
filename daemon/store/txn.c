#include "config.h"

#include "daemon/store/store_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"

#include "base/banned.h"

enum {
	CHANGES_KEEP = 1 << 20, /* what the writer's buffer may keep between transactions */
	CHECK_READERS = 1024,   /* writes between two looks for readers that died: they keep pages
				   from reuse */
};

/* LMDB calls a short write EIO, though what it means is a full disk: the kernel wrote what there
 * was room for. An EIO of the disk has set errno; errno was cleared before. */
static int
full_disk_or(int mrc)
{
	return mrc == EIO && errno != EIO ? ENOSPC : mrc;
}

struct txn *
txn_new(struct store *s, bool write)
{
	struct txn *t = aligned_alloc(_Alignof(struct txn), sizeof(*t));

	if (t == NULL)
		abort();
	memset(t, 0, sizeof(*t));
	t->s = s;
	t->write = write;
	t->arena = arena_new();
	t->scratch = arena_new();
	return t;
}

static void
cursors_close(struct txn *t)
{
	for (struct index_walk *w = t->walks; w != NULL; w = w->next)
		mdb_cursor_close(w->cursor);
	t->walks = NULL;
	for (int i = 0; i < TAB_COUNT; i++) {
		if (t->cursors[i] != NULL)
			mdb_cursor_close(t->cursors[i]);
		t->cursors[i] = NULL;
		t->cursor_live[i] = false;
	}
}

void
txn_free(struct txn *t)
{
	if (t == NULL)
		return;
	cursors_close(t);
	if (t->mdb != NULL)
		mdb_txn_abort(t->mdb);
	arena_free(t->arena);
	arena_free(t->scratch);
	buf_release(&t->changes);
	buf_release(&t->rows);
	journal_hash_free(t);
	free(t);
}

static void
txn_forget(struct txn *t)
{
	for (struct index_walk *w = t->walks; w != NULL; w = w->next)
		mdb_cursor_close(w->cursor);
	t->walks = NULL;
	t->orgs = NULL;
	t->open = false;
	arena_clear(t->arena);
}

/* ---- Readers ---- */

struct txn *
reader_new(struct store *s)
{
	struct txn *t = txn_new(s, false);

	pthread_mutex_lock(&s->gate_lock);
	t->next_reader = s->readers;
	s->readers = t;
	pthread_mutex_unlock(&s->gate_lock);
	return t;
}

void
reader_free(struct txn *t)
{
	struct txn **at;

	if (t == NULL)
		return;
	reader_end(t);
	pthread_mutex_lock(&t->s->gate_lock);
	for (at = &t->s->readers; *at != t; at = &(*at)->next_reader)
		;
	*at = t->next_reader;
	/* Within the lock: freeing gives the slot back, in a lock file that a moving map does not
	 * touch. */
	pthread_mutex_unlock(&t->s->gate_lock);
	txn_free(t);
}

static void
gate_enter(struct txn *t)
{
	for (;;) {
		/* Both sequentially consistent: either this thread sees the gate shut, or who shuts
		 * it sees the flag. */
		atomic_store(&t->inside, true);
		if (!atomic_load(&t->s->growing))
			return;
		atomic_store(&t->inside, false);
		pthread_mutex_lock(&t->s->gate_lock); /* until it opens */
		pthread_mutex_unlock(&t->s->gate_lock);
	}
}

static int
reader_renew(struct txn *t)
{
	return t->mdb != NULL ? mdb_txn_renew(t->mdb)
			      : mdb_txn_begin(t->s->env, NULL, MDB_RDONLY, &t->mdb);
}

enum rc
reader_begin(struct txn *t, struct err *err)
{
	bool checked = false;
	int rc, dead;

	assert(!t->open);
	for (;;) {
		gate_enter(t);
		rc = reader_renew(t);
		if (rc == 0)
			break;
		atomic_store_explicit(&t->inside, false, memory_order_release);
		if (rc == MDB_MAP_RESIZED) {
			pthread_mutex_lock(&t->s->write_lock);
			rc = store_adopt_map(t->s);
			pthread_mutex_unlock(&t->s->write_lock);
			if (rc == 0)
				continue;
		}
		if (rc == MDB_READERS_FULL && !checked) {
			checked = true;
			if (mdb_reader_check(t->s->env, &dead) == 0)
				continue;
		}
		return store_fail(t->s, rc, err);
	}
	t->open = true;
	t->rc = 0;
	return RC_OK;
}

void
reader_end(struct txn *t)
{
	if (!t->open)
		return;
	memset(t->cursor_live, 0, sizeof(t->cursor_live));
	txn_forget(t);
	mdb_txn_reset(t->mdb);
	atomic_store_explicit(&t->inside, false, memory_order_release);
}

/* ---- Writers ---- */

void
writer_end(struct txn *t)
{
	if (t->mdb != NULL) {
		cursors_close(t);
		mdb_txn_abort(t->mdb);
		t->mdb = NULL;
	}
	txn_forget(t);
	if (t->changes.cap > CHANGES_KEEP)
		buf_release(&t->changes);
	buf_clear(&t->changes);
	if (t->rows.cap > CHANGES_KEEP)
		buf_release(&t->rows);
	buf_clear(&t->rows);
}

int
writer_begin(struct txn *t)
{
	int rc;

	t->rc = 0;
	t->entry_changed = t->org_departs = false;
	while ((rc = mdb_txn_begin(t->s->env, NULL, 0, &t->mdb)) == MDB_MAP_RESIZED) {
		if ((rc = store_adopt_map(t->s)) != 0)
			break;
	}
	if (rc != 0)
		t->mdb = NULL;
	else
		t->open = true;
	return rc;
}

int
writer_commit(struct txn *t)
{
	MDB_txn *mdb = t->mdb;
	int rc;

	cursors_close(t);
	t->mdb = NULL; /* gone even when the commit fails */
	errno = 0;
	rc = full_disk_or(mdb_txn_commit(mdb));
	if (t->entry_changed)
		(void)atomic_fetch_add(&t->s->epoch, 1);
	if (t->org_departs)
		(void)atomic_fetch_add(&t->s->departures, 1);
	return rc;
}

/* At once, for whoever checks again in this transaction; what readers keep from before the commit
 * is old after the second rise. */
void
txn_entry_changed(struct txn *t)
{
	t->entry_changed = true;
	(void)atomic_fetch_add(&t->s->epoch, 1);
}

uint64_t
txn_id(const struct txn *t)
{
	return mdb_txn_id(t->mdb);
}

uint64_t
store_departures(const struct store *s)
{
	return atomic_load(&s->departures);
}

uint64_t
store_epoch(const struct store *s)
{
	return atomic_load(&s->epoch);
}

/* Runs fn once. *failed: a code of LMDB's, 0 when fn itself refused. */
static enum rc
writer_run(struct txn *t, store_write_fn *fn, void *arg, struct err *err, int *failed)
{
	enum rc rc;

	*failed = writer_begin(t);
	if (*failed != 0)
		return RC_INTERNAL;
	errno = 0;
	t->mail_put = false;
	rc = fn(t, arg, err);
	if (t->rc == 0 && rc == RC_OK)
		orgtx_flush(t);
	*failed = t->rc;
	return t->rc == 0 ? rc : RC_INTERNAL;
}

/* After a write that failed, LMDB's file is what it was before the transaction: the new root is
 * written last, and pages in use are never written over. A full disk is thus no harm. Any other
 * failure of the disk is: what the kernel dropped after a failed sync is known to nobody, so we
 * write no more until someone has looked. */
enum rc
writer_failed(struct store *s, int mrc, bool in_commit, struct err *err)
{
	if (store_rc(mrc) == RC_INTERNAL) {
		if (in_commit || mrc == EIO || mrc == MDB_PANIC)
			s->write_failed = true;
		log_event(LOG_ERROR, "store-write-failed", LOG_STR("error", mdb_strerror(mrc)),
			LOG_STR("writes", s->write_failed ? "refused" : "go on"));
	}
	return store_fail(s, mrc, err);
}

static void
tell_commit(const struct txn *t)
{
	const struct store *s = t->s;

	if (s->commit_fn == NULL)
		return;
	if (t->entry_changed)
		s->commit_fn(s->commit_arg, ORG_PLATFORM);
	for (const struct orgtx *o = t->orgs; o != NULL; o = o->next)
		if (o->told)
			s->commit_fn(s->commit_arg, o->org);
}

static enum rc __attribute__((unused))
store_write_sound(struct store *s, store_write_fn *fn, void *arg, struct err *err)
{
	struct txn *t = s->writer;
	bool in_commit;
	enum rc rc;
	int mrc, dead;

	for (;;) {
		rc = writer_run(t, fn, arg, err, &mrc);
		in_commit = mrc == 0 && rc == RC_OK;
		if (in_commit)
			mrc = writer_commit(t);
		if (in_commit && mrc == 0 && t->mail_put && s->mail_fn != NULL)
			s->mail_fn(s->mail_arg);
		if (in_commit && mrc == 0)
			tell_commit(t);
		writer_end(t);
		if (++s->written % CHECK_READERS == 0)
			(void)mdb_reader_check(s->env, &dead);
		if (mrc == 0)
			return rc;
		if (mrc != MDB_MAP_FULL || (mrc = store_grow(s)) != 0)
			return writer_failed(s, mrc, in_commit, err);
	}
}

enum rc
store_write(struct store *s, store_write_fn *fn, void *arg, struct err *err)
{
	enum rc rc;

	pthread_mutex_lock(&s->write_lock);
	if (s->write_failed)
		rc = fail(err, RC_INTERNAL, "",
			"the disk of the store failed: writes are refused until the daemon is "
			"started again");
	else
#ifdef BROKEN_COMMIT
		rc = store_write_broken(s, fn, arg, err);
#else
		rc = store_write_sound(s, fn, arg, err);
#endif
	pthread_mutex_unlock(&s->write_lock);
	return rc;
}

/* ---- What both share ---- */

enum rc
txn_rc(const struct txn *t)
{
	return store_rc(t->rc);
}

bool
txn_ok(struct txn *t, int mrc)
{
	if (mrc == 0)
		return true;
	if (mrc != MDB_NOTFOUND && t->rc == 0)
		t->rc = full_disk_or(mrc); /* a large transaction writes pages before its commit */
	return false;
}

MDB_cursor *
txn_cursor(struct txn *t, enum table tab)
{
	int rc;

	assert(t->open);
	if (t->rc != 0)
		return NULL;
	if (t->cursors[tab] == NULL)
		rc = mdb_cursor_open(t->mdb, t->s->dbi[tab], &t->cursors[tab]);
	else if (!t->write && !t->cursor_live[tab])
		rc = mdb_cursor_renew(t->mdb, t->cursors[tab]);
	else
		rc = 0;
	t->cursor_live[tab] = rc == 0;
	return txn_ok(t, rc) ? t->cursors[tab] : NULL;
}

bool
txn_get(struct txn *t, enum table tab, const void *key, size_t key_len, MDB_val *out)
{
	MDB_val k = { key_len, (void *)(uintptr_t)key };

	assert(t->open);
	return t->rc == 0 && txn_ok(t, mdb_get(t->mdb, t->s->dbi[tab], &k, out));
}

void
txn_put(struct txn *t, enum table tab, const void *key, size_t key_len, const void *value,
	size_t len)
{
	(void)txn_put_new(t, tab, slice_at(key, key_len), slice_at(value, len), 0);
}

bool
txn_put_new(struct txn *t, enum table tab, struct slice key, struct slice value, unsigned flags)
{
	MDB_val k = val_slice(key), v = val_slice(value);
	MDB_cursor *cursor;
	int rc;

	assert(t->write);
	if ((cursor = txn_cursor(t, tab)) == NULL)
		return false;
	t->writes++;
	rc = mdb_cursor_put(cursor, &k, &v, flags);
	if (rc == MDB_KEYEXIST && (flags & (MDB_NOOVERWRITE | MDB_NODUPDATA)) != 0)
		return false;
	return txn_ok(t, rc);
}

bool
txn_del(struct txn *t, enum table tab, struct slice key, struct slice value)
{
	MDB_val k = val_slice(key), v = val_slice(value);

	assert(t->write && t->open);
	if (t->rc != 0)
		return false;
	t->writes++;
	return txn_ok(t, mdb_del(t->mdb, t->s->dbi[tab], &k, value.p != NULL ? &v : NULL));
}

bool
txn_first(struct txn *t, enum table tab, struct slice key, size_t prefix_len, MDB_val *found,
	MDB_val *value)
{
	MDB_cursor *cursor = txn_cursor(t, tab);

	*found = val_slice(key);
	return cursor != NULL && txn_ok(t, mdb_cursor_get(cursor, found, value, MDB_SET_RANGE)) &&
	       found->mv_size >= prefix_len && memcmp(found->mv_data, key.p, prefix_len) == 0;
}
