/* What the files of the store share. Nobody outside daemon/store/ includes this. */
#ifndef DAEMON_STORE_STORE_PRIVATE_H
#define DAEMON_STORE_STORE_PRIVATE_H

#include <endian.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "daemon/store/store.h"

enum { STORE_FORMAT = 2, STORE_SECRET = 32 };

/* One row a table: constant, name in the file, flags. Keys of the tables from TAB_STAT to TAB_JOURNAL begin with the org's
 * number, except TAB_TOKEN's. */
#define DUPS (MDB_DUPSORT | MDB_DUPFIXED)
#define TABLE_LIST(X) \
	X(META, "meta", 0) \
	X(ORG, "org", 0) \
	X(ORGNAME, "orgname", 0) \
	X(TOKEN, "token", 0) \
	X(OUTBOX, "outbox", 0) \
	X(OUTBOXDUE, "outboxdue", 0) \
	X(OUTBOXORG, "outboxorg", 0) \
	X(STAT, "stat", 0) \
	X(OLDKEY, "oldkey", 0) \
	X(CONN, "conn", 0) \
	X(TOKENNO, "tokenno", 0) \
	X(REC, "rec", 0) \
	X(ID, "id", 0) \
	X(IDX, "idx", DUPS) \
	X(MEMBER, "member", DUPS) \
	X(GROUP, "group", DUPS) \
	X(GONE, "gone", 0) \
	X(JOURNAL, "journal", 0)

#define X(name, text, flags) TAB_##name,
enum table { TABLE_LIST(X) TAB_COUNT };
#undef X

/* The tables whose keys begin with an org. */
#define TAB_FIRST_OF_ORG TAB_STAT
#define TAB_LAST_OF_ORG TAB_JOURNAL

struct table_row {
	const char *name;
	unsigned flags;
};
extern const struct table_row store_tables[TAB_COUNT];

enum {
	KEY_ORG = 4,
	KEY_ROW = KEY_ORG + 8,
	KEY_ID = KEY_ORG + UUID_SIZE,
	KEY_INDEX = KEY_ORG + 2 + 1, /* org, attribute, type: before the value */
	KEY_MAX = KEY_INDEX + INDEX_KEY_MAX,
	ROW_SIZE = 8,
	GONE_SIZE = 8 + UUID_SIZE,
	KEY_MAIL = 8,                                  /* outbox: number */
	KEY_MAIL_DUE = 8 + KEY_MAIL,                   /* outboxdue: time, number */
	KEY_MAIL_ORG = KEY_ORG + UUID_SIZE + KEY_MAIL, /* outboxorg: org, subject, number */
};

#define ROW_COUNTER_MASK ((UINT64_C(1) << 56) - 1)

/* ---- The environment ---- */

struct store {
	MDB_env *env;
	MDB_dbi dbi[TAB_COUNT];
	const struct schema_set *schema;
	const struct attr *active; /* of a User: what org_stat.active_users counts by */
	uint64_t map_limit;
	uint8_t secret[STORE_SECRET];

	_Atomic uint64_t epoch; /* store_epoch() */
	_Atomic uint64_t departures;

	/* Held while a write transaction is open or the map changes. */
	pthread_mutex_t write_lock;
	struct txn *writer;
	uint64_t written;  /* transactions */
	bool write_failed; /* the disk failed us: what it holds is not known well enough to write on */

	/* The gate that keeps readers out while the map moves. A reader raises its flag, then looks at
	 * `growing`; who grows does it the other way round, and waits for every flag to go down. */
	_Atomic bool growing;
	pthread_mutex_t gate_lock; /* held while growing; guards the list */
	struct txn *readers;

	/* Walks that take seconds (verify, backup): growth waits for them before it shuts the gate, so that
	 * only writers wait. */
	pthread_mutex_t walk_lock;
	pthread_cond_t walk_change;
	unsigned walks;
	bool walks_held;
	store_mail_fn *mail_fn;
	void *mail_arg;
	store_commit_fn *commit_fn;
	void *commit_arg;
	struct broken *broken; /* of the control of the crash test, else NULL */
};

/* Whether a database is a store that we may open; name is for the sentence. Gives its secret. */
enum rc store_meta_check(MDB_txn *mdb, MDB_dbi meta, const char *name, uint8_t secret[STORE_SECRET],
	struct err *err) MUSTCHECK;

/* Room for more: doubles the map. MDB_MAP_FULL at the limit. The write lock is held, no write transaction is open. */
int store_grow(struct store *s);
/* Another process made the map larger: follow. The write lock is held. */
int store_adopt_map(struct store *s);

void store_walk_begin(struct store *s);
void store_walk_end(struct store *s);

/* Ours for a code of LMDB's or the system's, with a sentence. */
enum rc store_rc(int mrc);
enum rc store_fail(struct store *s, int mrc, struct err *err);

/* ---- A transaction ---- */

struct orgtx {
	struct orgtx *next;
	struct txn *t;
	uint32_t org;
	bool loaded, dirty, in_change;
	bool told; /* an entry was written in this transaction */
	struct org_stat stat;
	struct actor actor; /* of the open change */
};

struct index_walk {
	struct index_walk *next;
	struct orgtx *o;
	MDB_cursor *cursor;
	bool backward, started, ended;
	uint64_t writes; /* txn.writes when the cursor was placed */
	size_t len;      /* of the last key, prefix included */
	uint64_t row;
	uint8_t key[KEY_MAX];
};

struct txn {
	_Alignas(64) _Atomic bool inside; /* a reader within reader_begin() and reader_end() */
	bool write, open;
	int rc; /* sticky: LMDB's code */
	struct store *s;
	MDB_txn *mdb;
	struct txn *next_reader;
	MDB_cursor *cursors[TAB_COUNT];
	bool cursor_live[TAB_COUNT]; /* belongs to this turn of a reader */
	struct arena *arena;   /* orgs and walks of this transaction */
	struct arena *scratch; /* of one call */
	struct orgtx *orgs;
	struct index_walk *walks;
	uint64_t writes;
	bool mail_put;      /* something was put into the outbox */
	bool org_departs;
	bool entry_changed; /* who gets in: the epoch rises again after the commit */
	struct buf changes; /* the entry of the open change */
	struct buf rows;    /* where in it the records are: struct journal_row */
	size_t head_len;    /* where its changes begin */
	struct evp_md_ctx_st *hash_ctx; /* made when needed */
	struct evp_md_st *sha256;
};

struct txn *txn_new(struct store *s, bool write);
void txn_free(struct txn *t);

/* The steps of a write, codes being LMDB's. writer_end() aborts what was not committed. */
int writer_begin(struct txn *t);
int writer_commit(struct txn *t);
void writer_end(struct txn *t);
enum rc writer_failed(struct store *s, int mrc, bool in_commit, struct err *err);

/* Only with --enable-broken-commit; else store_broken_end() does nothing. */
enum rc store_write_broken(struct store *s, store_write_fn *fn, void *arg, struct err *err);
void store_broken_end(struct store *s);

/* Keeps the first failure; true when mrc is success. MDB_NOTFOUND is no failure. */
bool txn_ok(struct txn *t, int mrc);

/* The one cursor of a table in this transaction; NULL after a failure. Whoever uses it places it first. */
MDB_cursor *txn_cursor(struct txn *t, enum table tab);

bool txn_get(struct txn *t, enum table tab, const void *key, size_t key_len, MDB_val *out);
void txn_put(struct txn *t, enum table tab, const void *key, size_t key_len, const void *value, size_t len);
/* false: it was there. flags: MDB_NOOVERWRITE, MDB_NODUPDATA, MDB_APPENDDUP. */
bool txn_put_new(struct txn *t, enum table tab, struct slice key, struct slice value, unsigned flags);
/* value.p NULL: all of the key. false: it was not there. */
bool txn_del(struct txn *t, enum table tab, struct slice key, struct slice value);
/* The first key of a table not below `key` that begins with its first prefix_len bytes. */
bool txn_first(struct txn *t, enum table tab, struct slice key, size_t prefix_len, MDB_val *found,
	MDB_val *value);

/* ---- Org and records ---- */

struct org_stat *orgtx_stat_load(struct orgtx *o);
void orgtx_flush(struct txn *t);
/* Raises the epoch, now and after the commit. */
void txn_entry_changed(struct txn *t);
void orgtx_put_stat(struct txn *t, uint32_t org, const struct org_stat *stat);
/* Lets go of the handle of an org that is no more. */
void orgtx_forget(struct txn *t, uint32_t org);
bool org_stat_decode(struct slice value, struct org_stat *out);
bool org_name_decode(struct slice value, uint32_t *no, int64_t *until);
bool org_decode(struct slice value, uint32_t no, struct org *out);
bool connection_decode(struct slice value, uint32_t org, uint32_t no, struct connection *out);
bool token_decode(struct slice value, const uint8_t *hash, struct token *out);

bool outbox_decode(struct slice value, uint64_t no, struct outbox_entry *out);
/* Removes up to *left entries of an org; true when it has none left. */
bool outbox_purge(struct txn *t, uint32_t org, size_t *left);

/* All index entries of a record as full keys, sorted, the entry of its type's list first. In the arena. */
struct slice *index_entries(struct arena *a, const struct schema_set *schema, uint32_t org, const struct record *r, size_t *n);

/* Puts a record under a row given from outside (journal_apply()). */
void record_insert(struct orgtx *o, uint64_t row, struct slice packed);
bool record_is_active(const struct store *s, const struct record *r);

/* Notes a change for the entry of the open change. */
void change_note_record(struct orgtx *o, enum change_kind kind, uint64_t row, uint64_t was, struct slice packed);
void change_note_edge(struct orgtx *o, enum change_kind kind, uint64_t group, uint64_t member);
bool journal_decode(struct slice value, uint64_t revision, struct journal_entry *out);
/* Whether an entry deletes a row; then what it was (p NULL: the entry that had it was trimmed). */
bool journal_deletes(struct orgtx *o, uint64_t revision, uint64_t row, struct slice *packed);
/* All bytes of an entry. */
void journal_hash(struct txn *t, struct slice bytes, uint8_t out[JOURNAL_HASH]);
/* Whether an entry names this one as the entry before it. */
bool journal_follows(struct slice bytes, const uint8_t before[JOURNAL_HASH]);
void journal_hash_free(struct txn *t);

/* Removes the edges of a record, both ways; returns how many. */
uint64_t edges_drop(struct orgtx *o, uint64_t row);

/* Up to max rows above after among the values of one key, skip passed over. */
size_t dups_list(struct txn *t, enum table tab, struct slice key, uint64_t after, uint64_t skip, uint64_t *out,
	size_t max);
uint64_t dups_count(struct txn *t, enum table tab, struct slice key);
bool dups_has(struct txn *t, enum table tab, struct slice key, uint64_t row);

/* ---- Bytes: big-endian in keys, little-endian in values ---- */

static inline void
put_be32(void *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void
put_be64(void *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

static inline uint32_t
get_be32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline uint64_t
get_be64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static inline void
key_row(uint8_t key[KEY_ROW], uint32_t org, uint64_t row)
{
	put_be32(key, org);
	put_be64(key + KEY_ORG, row);
}

static inline void
key_index(uint8_t key[KEY_INDEX], uint32_t org, uint16_t attr_id, uint8_t type)
{
	put_be32(key, org);
	key[KEY_ORG] = (uint8_t)(attr_id >> 8);
	key[KEY_ORG + 1] = (uint8_t)attr_id;
	key[KEY_ORG + 2] = type;
}

/* Times of mail are never before 1970. */
static inline void
key_mail_due(uint8_t key[KEY_MAIL_DUE], int64_t when, uint64_t no)
{
	put_be64(key, (uint64_t)when);
	put_be64(key + 8, no);
}

static inline void
key_mail_org(uint8_t key[KEY_MAIL_ORG], uint32_t org, const struct uuid *about, uint64_t no)
{
	put_be32(key, org);
	memcpy(key + KEY_ORG, about->bytes, UUID_SIZE);
	put_be64(key + KEY_ORG + UUID_SIZE, no);
}

static inline struct slice
slice_at(const void *p, size_t len)
{
	return (struct slice){ p, len };
}

static inline struct slice
slice_val(const MDB_val *v)
{
	return (struct slice){ v->mv_data, v->mv_size };
}

static inline MDB_val
val_slice(struct slice s)
{
	return (MDB_val){ s.len, (void *)(uintptr_t)s.p };
}

static inline void
wr_le(struct buf *b, uint64_t v, size_t size)
{
	v = htole64(v);
	buf_put(b, &v, size);
}

/* Text of at most 65,535 bytes. */
static inline void
wr_text(struct buf *b, const char *text)
{
	size_t len = strlen(text);

	wr_le(b, len, 2);
	buf_put(b, text, len);
}

/* A slice of any length below 4 GiB. */
static inline void
wr_bytes(struct buf *b, struct slice s)
{
	wr_le(b, s.len, 4);
	buf_put(b, s.p, s.len);
}

/* Errors stick: after the first short read every other gives 0, and bad is looked at once. */
struct rd {
	const char *p;
	size_t left;
	bool bad;
};

static inline struct slice
rd_bytes(struct rd *r, size_t len)
{
	struct slice s = { r->p, len };

	if (r->bad || r->left < len) {
		r->bad = true;
		return (struct slice){ NULL, 0 };
	}
	r->p += len;
	r->left -= len;
	return s;
}

static inline uint64_t
rd_le(struct rd *r, size_t size)
{
	struct slice s = rd_bytes(r, size);
	uint64_t v = 0;

	if (s.len > 0)
		memcpy(&v, s.p, s.len);
	return le64toh(v);
}

/* Into an array of size bytes, NUL included. */
static inline void
rd_text(struct rd *r, char *out, size_t size)
{
	struct slice s = rd_bytes(r, rd_le(r, 2));

	if (s.len >= size)
		r->bad = true;
	else if (s.len > 0)
		memcpy(out, s.p, s.len);
	if (!r->bad)
		out[s.len] = '\0';
}

#endif
