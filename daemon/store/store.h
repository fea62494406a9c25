/* The store: LMDB underneath, organisations on top. The only room that includes <lmdb.h>.
 *
 * Tables (keys big-endian, so that byte order is numeric order; org is a u32, row a u64 whose top byte is the
 * resource type's code and whose rest rises with every record of the org):
 *   meta      name                             format version, cursor key, counters of the platform
 *   org       org                              struct org (packed)
 *   orgname   key text                         org | until (ticks; 0: the org's key, else a former one)
 *   oldkey    org | key text                   until: the org's former keys
 *   stat      org                              struct org_stat: what every write changes
 *   conn      org | connection                 struct connection
 *   token     SHA-256 of the token             struct token
 *   tokenno   org | token number               SHA-256 of the token
 *   outbox    mail number (u64)                struct outbox_entry: mail to be sent, of all orgs
 *   outboxdue time | mail number               nothing: what waits, in order of its next attempt
 *   outboxorg org | subject uuid | mail number nothing: by what it is about
 *   rec       org | row                        packed record (schema/record.h)
 *   id        org | uuid                       row
 *   idx       org | attr id | type | value     row, DUPFIXED; attr id 0 with no value: all rows of a type
 *   member    org | group row                  member row, DUPFIXED: a membership edge,
 *   group     org | member row                 group row, DUPFIXED: and its mirror
 *   gone      org | row                        revision that deleted it | uuid
 *   journal   org | revision                   entry
 *
 * An entry of the journal (integers little-endian):
 *   u8[32] SHA-256 of all bytes of the entry before it (zeros in the first) | u8 layout version (2) |
 *   u8 flags (1: subject, 2: index) | u8 door | u8 kind of actor | u32 connection | u32 token | i64 ticks |
 *   u8[16] subject, when flagged | u8 length | peer | u8 length | action and a NUL (length 0: none) | changes |
 *   index, when flagged
 *   change = u8 kind | u64 row | what the kind adds:
 *            create: u32 length | packed record;
 *            replace: u64 revision of the record that it replaced | u32 length | packed record;
 *            delete: u64 revision of the record that went (the edges of a group to its members go with it; those that lead to it from
 *            the groups that hold it are noted before);
 *            edge added, edge removed: u64 member row (row is the group's)
 *   index  = (u64 row | u32 where the change begins in the entry) for each create, replace and delete, sorted, | u32 how many:
 *            entries of many records have one, so that finding what a record was does not mean reading all of them
 * The chain of hashes ends in org_stat.head: whoever knows the head of a day can tell later whether anything up to that day was changed.
 *
 * Org number 0 (ORG_PLATFORM) holds the platform's own records in the same tables, with a journal of its own; it has no entry in org and
 * orgname, so no key leads to it.
 *
 * Errors of the store are sticky in a transaction: after the first failure its calls do nothing, look-ups find nothing, and
 * txn_rc() (or the commit) tells. "Not there" is not a failure. Slices from the store are borrowed until the
 * transaction ends or, in a write transaction, until the next write: copy what must live longer. */
#ifndef DAEMON_STORE_STORE_H
#define DAEMON_STORE_STORE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/uuid.h"
#include "schema/model.h"
#include "schema/record.h"

struct store;
struct txn;
struct orgtx; /* one org in a transaction: the only way to name its records */

/* ---- The environment ---- */

struct store_options {
	const char *directory;   /* made (mode 0700) when missing; data.mdb and lock.mdb go there */
	uint64_t map_size;       /* bytes of address space to begin with; doubles when full */
	uint64_t map_limit;      /* growth ends here with NO_SPACE */
	const struct schema_set *schema;
};

/* A store of a newer format is refused with a sentence (CONFLICT), a damaged or unreadable one too (INTERNAL). Another process
 * may have it open (rosterctl's offline commands). */
enum rc store_open(const struct store_options *options, struct store **out, struct err *err) MUSTCHECK;
void store_close(struct store *s);

/* 32 random bytes made when the store was: the key of what we sign for ourselves (cursors). */
const uint8_t *store_secret(const struct store *s);

struct store_usage {
	uint64_t map_bytes, used_bytes, last_txn;
	unsigned readers;
};
void store_usage(struct store *s, struct store_usage *out);

/* ---- Transactions ---- */

/* A read transaction is made once a thread and renewed for each turn of its loop. reader_begin() gives the newest state;
 * reader_end() lets go of it. It must not be held across a wait (it keeps pages from reuse, and the map from growing). */
struct txn *reader_new(struct store *s);
void reader_free(struct txn *t);
enum rc reader_begin(struct txn *t, struct err *err) MUSTCHECK;
void reader_end(struct txn *t);

/* Runs fn in a write transaction and commits, durably. When the map is full it grows and fn runs again from the start: fn must
 * be able to, and the calling thread must hold no reader. Returns fn's failure (nothing is then changed), NO_SPACE on a full disk, INTERNAL on I/O errors. One writer
 * at a time; call it from the committer only (or where no daemon runs). */
typedef enum rc store_write_fn(struct txn *t, void *arg, struct err *err);
enum rc store_write(struct store *s, store_write_fn *fn, void *arg, struct err *err) MUSTCHECK;

/* Tells one state of the store from another: a read transaction's rises with every commit. */
uint64_t txn_id(const struct txn *t);

/* The sticky failure of a transaction, OK when none. */
enum rc txn_rc(const struct txn *t);

/* Counts changes of what decides who gets in (orgs, connections, tokens; not the times of last use): it rises when such a change
 * is made in a transaction and again after its commit. Who keeps what was read must look again when it rose; thread-safe. */
uint64_t store_epoch(const struct store *s);
/* Counts commits that put an org on its way out (ORG_DELETED, ORG_PURGING): who removes them looks when it rose. */
uint64_t store_departures(const struct store *s);

/* ---- Organisations, connections, tokens (platform level) ---- */

enum { ORG_KEY_MAX = 63, NAME_MAX_BYTES = 200, JOURNAL_HASH = 32 /* SHA-256 */ };

/* The number under which the platform keeps its own records (Organization, Person, their tokens): for orgtx_open() as any
 * org's, but with no struct org and no key. */
#define ORG_PLATFORM UINT32_C(0)

enum org_state {
	ORG_ACTIVE,
	ORG_SUSPENDED,
	ORG_DELETED, /* nobody but an operator gets in, who may restore it until delete_after */
	ORG_PURGING, /* being removed from the tables, in steps */
};

/* The operational face of an Organization record. */
struct org {
	uint32_t no;
	enum org_state state;
	enum org_kind kind;
	int64_t created, delete_after; /* ticks; delete_after: of ORG_DELETED */
	uint64_t row;                  /* of the Organization record in ORG_PLATFORM; 0: none */
	uint32_t model_version;        /* of the model when the org's Role records were made */
	bool external_invitations, connections_manage_guarded;
	uint64_t limits[LIMIT_COUNT]; /* UINT64_MAX: the model's */
	char model[MODEL_NAME_MAX + 1];
	char key[ORG_KEY_MAX + 1];
	char name[NAME_MAX_BYTES + 1]; /* display name, UTF-8 */
};

/* Limits as the model has them, all else 0. */
void org_init(struct org *org);

struct org_stat {
	uint64_t revision;  /* of the newest journal entry; 0: none */
	uint64_t next_row;  /* the counter behind rows */
	uint64_t rows[TYPE_COUNT]; /* records by type code */
	uint64_t active_users;
	uint64_t edges;
	uint32_t next_connection, next_token; /* numbers are not given twice */
	uint8_t head[JOURNAL_HASH]; /* hash of the newest journal entry; zeros: none */
	uint64_t trimmed; /* revision of the last entry that journal_trim() took away; 0: none */
	uint8_t trimmed_hash[JOURNAL_HASH]; /* its */
};

bool org_by_key(struct txn *t, struct slice key, struct org *out);
/* The org that had this key, and until when it leads there (ticks). Whether that is over is the caller's to decide. */
bool org_by_former_key(struct txn *t, struct slice key, struct org *out, int64_t *until);
bool org_by_no(struct txn *t, uint32_t no, struct org *out);
/* The first org with a number above after (0 to begin). */
bool org_next(struct txn *t, uint32_t after, struct org *out);
/* The number that the next org gets. */
uint32_t org_next_number(struct txn *t);
/* Gives the number; the key must be free, or another org's former one, which it then no longer is (checked by the caller). */
void org_create(struct txn *t, struct org *org);
/* Rewrites all but the key. */
void org_put(struct txn *t, const struct org *org);
/* The present key becomes a former one until then (0: it is free at once); the new one as for org_create(). */
void org_rename(struct txn *t, struct org *org, struct slice key, int64_t until);
/* Whether this org had this key, and until when it leads there: without a look at who else has it. */
bool org_had_key(struct txn *t, uint32_t no, struct slice key, int64_t *until);
/* The next former key of an org, in order of text; key (of ORG_KEY_MAX + 1 bytes) is "" to begin. */
bool org_former_key_next(struct txn *t, uint32_t no, char *key, int64_t *until);
/* Lets go of a former key. */
void org_former_key_drop(struct txn *t, uint32_t no, struct slice key);
/* Removes up to limit entries of a deleted org from the tables; true when nothing is left (the org itself included). 10,000 a
 * transaction keep other writers waiting for some 50 ms. */
bool org_purge(struct txn *t, uint32_t no, size_t limit);

struct guard { /* of mass removal: what a connection has removed in the present window */
	int64_t window_start; /* ticks; 0: no window open */
	uint64_t base_users, base_edges; /* the most that the org had in the window */
	int64_t fresh_time;              /* when fresh_next was taken */
	uint64_t fresh_row, fresh_next;  /* rows from fresh_row on are young: removing them harms nobody */
	uint64_t users, edges;           /* removed since */
	bool tripped;
};

struct connection {
	uint32_t org, no;
	enum dialect dialect;
	int64_t created;
	uint64_t row; /* of its Connection record in the org; 0: none */
	struct guard guard;
	char name[NAME_MAX_BYTES + 1];
};

bool connection_get(struct txn *t, uint32_t org, uint32_t no, struct connection *out);
bool connection_next(struct txn *t, uint32_t org, uint32_t after, struct connection *out);
/* no == 0: gives a new number. */
void connection_put(struct txn *t, struct connection *c);
void connection_delete(struct txn *t, uint32_t org, uint32_t no);

enum { TOKEN_HASH = 32 };

enum token_kind {
	TOKEN_CONNECTION, /* of an IdP's or HR system's connection */
	TOKEN_KEY,        /* of a member, in the org */
	TOKEN_PERSONAL,   /* of a person, wherever they are a member */
	TOKEN_SERVICE,    /* of a product, in the orgs that its record names */
	TOKEN_OPERATOR,
};

struct token {
	uint8_t hash[TOKEN_HASH];
	enum token_kind kind;
	uint32_t org, connection, no; /* org: where it is kept, ORG_PLATFORM for the last three kinds. no: a number to name
					 it by, within the org */
	uint64_t owner; /* row: of the member in the org (key), of the Person in ORG_PLATFORM (personal); else 0 */
	uint64_t row;   /* of the Token record in the org, which may limit it; 0: none */
	int64_t created, expires;     /* ticks; expires 0: never */
	int64_t last_used;            /* ticks, to the minute; 0: never */
	char label[NAME_MAX_BYTES + 1];
};

bool token_get(struct txn *t, const uint8_t hash[TOKEN_HASH], struct token *out);
/* All tokens of an org, in order of number; after 0 to begin. */
bool token_next(struct txn *t, uint32_t org, uint32_t after, struct token *out);
void token_put(struct txn *t, struct token *token); /* no == 0: gives a new number */
/* Notes that it was used then, unless it was later already. */
void token_used(struct txn *t, const uint8_t hash[TOKEN_HASH], int64_t when);
void token_delete(struct txn *t, const struct token *token);

/* ---- The outbox: mail that is to be sent ---- */

/* Written in the transaction of what caused it, so that a mail is sent if and only if that was committed; the mailer
 * (daemon/mail/mailer.h) takes it from here, and deletes what was sent. What it holds of the
 * texts is sealed (daemon/mail/letter.h): there are links with their secrets in them. */

enum outbox_kind { OUTBOX_TEST = 1, OUTBOX_INVITATION, OUTBOX_CONFIRMATION };
enum outbox_state { OUTBOX_WAITING, OUTBOX_DEAD /* given up: for the operator to look at */ };

/* Texts of at most these many bytes; none may be longer (an assertion). */
enum { MAIL_ADDRESS_MAX = 320, MAIL_SUBJECT_MAX = 998, MAIL_ERROR_MAX = 400, MAIL_BODY_MAX = 256 << 10 };

struct outbox_entry {
	uint64_t no;  /* rising, not given twice */
	uint32_t org; /* 0: the platform's own */
	enum outbox_kind kind;
	enum outbox_state state;
	struct uuid about; /* what callers cancel by: the invitation, say */
	int64_t created, next_attempt; /* ticks; next_attempt counts while it waits */
	uint32_t attempts;
	/* Borrowed: from the store until the transaction ends or writes, or the caller's. */
	struct slice to, subject, text, html, error; /* error: why the last attempt failed; "" when there was none */
};

/* Gives e->no. The caller sets org, kind, about, created, to, subject, text and html; the rest may be zero (waiting, due at
 * once). After the commit whoever asked by store_on_mail() is told. */
void outbox_put(struct txn *t, struct outbox_entry *e);
bool outbox_get(struct txn *t, uint64_t no, struct outbox_entry *out);
/* Rewrites state, next_attempt, attempts and error of an entry that is there; false: it is not, and nothing was done. The rest
 * of e does not count. */
bool outbox_update(struct txn *t, const struct outbox_entry *e);
/* Rewrites text and html (memory of the caller's) of an entry that is there, and nothing else; false: it is not. */
bool outbox_put_texts(struct txn *t, const struct outbox_entry *e);
/* false: it was not there. */
bool outbox_delete(struct txn *t, uint64_t no);
/* The first entry with a number above after (0 to begin). */
bool outbox_next(struct txn *t, uint64_t after, struct outbox_entry *out);
/* The waiting entry whose turn is first, whether its time has come (next_attempt at most now) or not. */
bool outbox_due(struct txn *t, struct outbox_entry *out);
/* Deletes all entries of an org about something. Returns how many: what is being sent at this moment still goes out. */
size_t outbox_cancel(struct txn *t, uint32_t org, const struct uuid *about);

/* fn is called after each commit that put or updated a waiting entry, on the committing thread: it must not block. */
typedef void store_mail_fn(void *arg);
void store_on_mail(struct store *s, store_mail_fn *fn, void *arg);

/* Who follows journals: fn is called after each commit, on the committing thread, once for each org that got an entry. ORG_PLATFORM
 * stands for what may concern any org: people, tokens, connections, the orgs themselves. It must not block. */
typedef void store_commit_fn(void *arg, uint32_t org);
void store_on_commit(struct store *s, store_commit_fn *fn, void *arg);

/* ---- One org ---- */

/* The handle, kept by the transaction until it ends; the same one for the same org. */
struct orgtx *orgtx_open(struct txn *t, uint32_t org);
const struct org_stat *orgtx_stat(struct orgtx *o);
struct txn *orgtx_txn(struct orgtx *o);
uint32_t orgtx_org(const struct orgtx *o);

static inline uint8_t
row_type(uint64_t row)
{
	return (uint8_t)(row >> 56);
}

static inline uint64_t
row_counter(uint64_t row)
{
	return row & UINT64_C(0x00ffffffffffffff);
}

bool row_by_id(struct orgtx *o, const struct uuid *id, uint64_t *row);
/* The packed record, parsed: borrowed. */
bool record_get(struct orgtx *o, uint64_t row, struct record *out);
/* The id of a record that is there, or was. */
bool row_id(struct orgtx *o, uint64_t row, struct uuid *id);
/* What a deleted record was at last, from the journal: borrowed. false, too, when the journal no longer has it. */
bool record_gone(struct orgtx *o, uint64_t row, struct record *out);

/* ---- Changes of one org: each between change_begin() and change_end(), which writes the journal entry ---- */

enum door { DOOR_SCIM = 1, DOOR_CONTROL = 2, DOOR_ROSTER = 3 };

enum actor_kind {
	ACTOR_OPERATOR,
	ACTOR_CONNECTION,
	ACTOR_SERVICE, /* a product */
	ACTOR_PERSON,
	ACTOR_KEY,     /* an API key of the org */
	ACTOR_SYSTEM,  /* rosterd itself */
};

enum { ACTOR_PEER = 48, ACTOR_ACTION_MAX = 63 };

struct actor {
	enum door door;
	uint32_t connection, token; /* numbers within the org; 0 where there is none (the operator) */
	int64_t now;                /* ticks */
	enum actor_kind kind;
	struct uuid subject;        /* the member or person who acted; zeros: none */
	char peer[ACTOR_PEER];      /* the address that it came from, without the port; "" on the control socket */
	const char *action;         /* "invitation.accept", at most ACTOR_ACTION_MAX bytes; NULL: told by the changes. Borrowed */
};

/* Opens a change (one at a time in a transaction) and returns its revision: what goes into the records that it writes. A change that ends with nothing done leaves no
 * entry and gives the revision back. */
uint64_t change_begin(struct orgtx *o, const struct actor *actor);
void change_end(struct orgtx *o);

/* packed is a whole packed record, in memory of the caller's (not a slice of the store's). record_create() gives the
 * row. */
uint64_t record_create(struct orgtx *o, uint8_t type, struct slice packed);
void record_replace(struct orgtx *o, uint64_t row, struct slice packed);
/* With its edges, both ways (a second or two for a group of a million). Returns how many edges went. */
uint64_t record_delete(struct orgtx *o, uint64_t row);
/* false: it was there (not there) already, and nothing changed. */
bool edge_add(struct orgtx *o, uint64_t group, uint64_t member);
bool edge_remove(struct orgtx *o, uint64_t group, uint64_t member);

/* Many creates at once: the same result as record_create() for each, with the index entries put in sorted order (one page write for many
 * entries). rows gets the row of each. 50,000 a transaction load about as fast as more would, and keep other writers waiting for less than
 * a second; from some 200,000 on LMDB begins to spill pages in the middle. */
void record_create_many(struct orgtx *o, uint8_t type, const struct slice *packed, size_t n, uint64_t *rows);
/* The same in two steps: what needs no transaction may be done before, on any thread. packed and what it points to stay until the put, which
 * lets the batch go. */
struct record_batch;
struct record_batch *record_batch_new(const struct schema_set *schema, uint32_t org, uint8_t type, const struct slice *packed,
	size_t count);
void record_batch_put(struct orgtx *o, struct record_batch *b, uint64_t *rows);
/* Many members of one group; edges must be sorted by member row. Returns how many were new. */
uint64_t edge_add_many(struct orgtx *o, uint64_t group, const uint64_t *members, size_t n);

/* ---- Look-ups in one org ---- */

enum edge_direction { EDGE_MEMBERS /* of a group */, EDGE_GROUPS /* that hold a member */ };

bool edge_has(struct orgtx *o, uint64_t group, uint64_t member);
uint64_t edge_count(struct orgtx *o, enum edge_direction d, uint64_t row);
/* Up to max rows above after (0 to begin), rising. */
size_t edge_list(struct orgtx *o, enum edge_direction d, uint64_t row, uint64_t after, uint64_t *out, size_t max);

/* Records of a type. `skip` rows are passed over, in time far below reading them. */
uint64_t rows_count(struct orgtx *o, uint8_t type);
size_t rows_list(struct orgtx *o, uint8_t type, uint64_t after, uint64_t skip, uint64_t *out, size_t max);

/* Rows with exactly this key (index_key_of()) in the index of an attribute. */
uint64_t index_count(struct orgtx *o, uint16_t attr_id, uint8_t type, struct slice key);
size_t index_list(struct orgtx *o, uint16_t attr_id, uint8_t type, struct slice key, uint64_t after,
	uint64_t *out, size_t max);

/* A walk over an index in order of (key, row), forward or backward. Writes of the same transaction may go on under it: it
 * never gives an entry twice, nor leaves one out that stays. */
struct index_walk;
/* The cursor lives until the transaction ends. Forward: starts at the first entry not below (key, row); backward: at the last one not
 * above it (an empty key with row 0 forward, or with UINT64_MAX and no key backward, means the end of the index). */
struct index_walk *index_walk_open(struct orgtx *o, uint16_t attr_id, uint8_t type, bool backward,
	struct slice key, uint64_t row);
/* Borrowed key; false at the end. */
bool index_walk_next(struct index_walk *w, struct slice *key, uint64_t *row);

/* ---- The journal ---- */

enum change_kind { CHANGE_CREATE = 1, CHANGE_REPLACE, CHANGE_DELETE, CHANGE_EDGE_ADD, CHANGE_EDGE_REMOVE };

struct journal_entry {
	uint64_t revision;
	struct actor actor;   /* its action is borrowed */
	struct slice changes; /* borrowed; read with journal_next_change() */
	struct slice bytes;   /* borrowed: all of it */
};

struct change {
	enum change_kind kind;
	uint64_t row, member; /* member: of edges */
	uint64_t was;         /* of replaces and deletes: the revision of the record that was there */
	struct slice packed;  /* of creates and replaces */
	const char *at;       /* where it begins in the entry */
};

bool journal_get(struct orgtx *o, uint64_t revision, struct journal_entry *out);
/* The first revision that it has; 0: none. */
uint64_t journal_oldest(struct orgtx *o);
bool journal_next_change(struct slice *changes, struct change *out, bool *bad);
/* The packed record that a replace or delete of this entry found; borrowed. false: the journal does not have it (any more). */
bool journal_old(struct orgtx *o, const struct journal_entry *entry, const struct change *change, struct slice *packed);
/* Does what the entry says to an org that stands at the revision before it, journal included: all that is needed to
 * reproduce the state. CONFLICT when the org stands elsewhere, or came there by another journal. */
enum rc journal_apply(struct orgtx *o, const struct journal_entry *entry, struct err *err) MUSTCHECK;

/* Takes a journal's oldest entries away, up to a revision; the newest one stays in any case. What is deleted, and was by one of them, is
 * forgotten with it. */
struct journal_trim {
	uint64_t upto;
	/* How far it has come. Zero to begin. */
	uint64_t entries; /* that went */
	size_t at;        /* how far the oldest one that is left was looked through */
};

/* limit: entries and changes that one call looks at; 20,000 keep other writers waiting for some 10 ms. Call it in one transaction after
 * another until it is true: nothing is left to do. */
bool journal_trim(struct orgtx *o, struct journal_trim *trim, size_t limit);

/* Whether a journal is what it was, from the oldest entry that is kept: each entry there, none altered, the end where the org stands. With an anchor (a revision and the
 * head's hash at that time, kept elsewhere) also whether all up to there is what it was then: against who rewrites the whole chain, only an
 * anchor helps. */
enum journal_fault {
	JOURNAL_SOUND,
	JOURNAL_MISSING, /* the entry at fault is not there */
	JOURNAL_ALTERED, /* it is not the one that the next one followed */
	JOURNAL_CUT,     /* the journal ends before it */
	JOURNAL_BEYOND,  /* it comes after the end that the org knows */
	JOURNAL_TRIMMED, /* the anchor is of an entry that is not kept any more: nothing can be said of it */
};

struct journal_check {
	uint64_t anchor_revision; /* 0: no anchor */
	uint8_t anchor[JOURNAL_HASH];
	/* What was found so far. Zero to begin. */
	uint64_t trimmed;            /* of the last entry that is not kept */
	uint64_t revision;           /* of the last entry that was looked at */
	uint8_t hash[JOURNAL_HASH];  /* its */
	bool done;
	enum journal_fault fault;
	uint64_t fault_revision;
	char text[200]; /* what is wrong, for people */
};

/* Looks at the next entries, some ten megabytes of them: call it in one transaction after another until it is done. false: a fault was found, and
 * it is done. A failure of the store shows in txn_rc(). */
bool journal_verify(struct orgtx *o, struct journal_check *check);

/* ---- Care ---- */

struct store_progress {
	void (*step)(void *arg, uint64_t done, uint64_t total); /* may be NULL */
	void (*problem)(void *arg, const char *text);           /* verify: one disagreement */
	void *arg;
};

struct verify_result {
	uint64_t orgs, records, edges, index_entries, journal_entries, problems;
	uint64_t journal_trimmed; /* entries that are not kept any more */
};

/* Walks every record, edge, index entry and counter, both ways, in one read transaction. */
enum rc store_verify(struct store *s, const struct store_progress *p, struct verify_result *out,
	struct err *err) MUSTCHECK;

/* A consistent, compact copy into a new file while writes go on. The file appears under its name when all of it is on
 * disk; one that is there already is left alone (CONFLICT). */
enum rc store_backup(struct store *s, const char *file, const struct store_progress *p, struct err *err)
	MUSTCHECK;
/* Makes a store directory from a backup; refused when there is a store already (CONFLICT). The file is checked for being a
 * whole backup of a format that we know; store_verify() on the new store looks closer. */
enum rc store_restore(const char *file, const char *directory, const struct store_progress *p,
	struct err *err) MUSTCHECK;

#endif
