/* The parts of a sync: lines become staged records (sync_parse.c), which are put together, matched and
 * compared with the org (sync_plan.c, sync_compare.c), groups with their members (sync_groups.c); what
 * only the whole shows is decided (sync_decide.c), and all of it is put (sync_put.c). */
#ifndef DAEMON_DIRECTORY_SYNC_PRIVATE_H
#define DAEMON_DIRECTORY_SYNC_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/siphash.h"
#include "daemon/directory/rules.h"
#include "daemon/directory/sync.h"
#include "protocol/filter.h"

/* ---- Staged records ---- */

enum fate {
	FATE_CREATE,
	FATE_CHANGE,
	FATE_UNCHANGED,
	FATE_FURTHER, /* a further line of a group: its members are the first one's too */
	FATE_KNOWN,   /* the line said so the last time, and the row says so still: it was not parsed */
};

#define SYNC_EXTRA (UINT64_C(1) << 63)

struct sync_record {
	uint64_t at;  /* where its bytes are in the file; with SYNC_EXTRA: in sync.extra */
	uint64_t row; /* of the resource that it is; 0: none yet */
	uint32_t size, line;
	uint32_t more; /* the next line of the same group: its number + 1; 0: none */
	uint8_t type, fate;
	struct sip128 hash; /* of the line */
	uint64_t id_hash;   /* of the id that it says; 0: none */
};

/* The bytes of a record, read. Borrowed from the file. */
struct staged {
	struct slice id;       /* as the line says; empty: it says none */
	struct slice external; /* keys (index_key_of()); empty: it has none */
	struct slice name;     /* of userName, of a group displayName */
	struct slice packed;
	struct slice members; /* for staged_member() */
	uint32_t member_count;
};

/* What a parsing thread puts together for one record. */
void staged_write(struct buf *out, const struct staged *head, const struct member_ids *members);
struct staged staged_read(struct slice bytes);
/* Takes the next member off the list; false at its end. */
bool staged_member(struct slice *members, struct slice *member);

struct sync_lines {
	struct sync *sync;
	struct sync_lines *next;
	struct slice text;
	uint32_t first_line;
	struct sync_record *records; /* malloc() */
	size_t count;
};

/* ---- Which record has a key ---- */

enum sync_key { KEY_LINE_ID, KEY_EXTERNAL, KEY_NAME };

struct sync_map {
	uint64_t *slots; /* upper half of the hash, and the record's number + 1; 0: free */
	size_t count, cap;
};

/* A walk over the records that may have a key: the caller compares. */
struct sync_walk {
	uint64_t hash;
	size_t step;
};

void sync_map_put(struct sync_map *m, uint64_t hash, uint32_t record);
bool sync_map_next(const struct sync_map *m, struct sync_walk *w, uint32_t *record);
void sync_map_release(struct sync_map *m);

/* ---- The sync ---- */

/* What becomes of a group's members, in the order of its lists: rows, rising; of records that get their row
 * only when they are put, NEW_ROW and the record's number. */
#define NEW_ROW (UINT64_C(1) << 63)

struct group_change {
	uint32_t record;
	size_t add_at, add_count, remove_at, remove_count; /* in sync.edges */
};

/* What the last sync left; see sync_known.c. */
struct known_entry;
struct known {
	bool tried;
	int file;
	struct slice map;
	const struct known_entry *entries;
	size_t count, mask;
	uint32_t *slots;   /* number of the entry + 1, by hash */
	uint64_t revision; /* that it is true of */
	uint8_t head[JOURNAL_HASH];
	size_t hits; /* records that are known */
};

struct sync {
	struct sync_options options;
	const struct resource_type *user, *group;
	const struct filter *filter; /* NULL: all */
	struct arena *arena;         /* of the options and the filter */
	struct sipkey key;
	_Atomic bool stop;

	pthread_mutex_t lock; /* of what follows, while lines are parsed */
	struct sync_lines *first, **last;
	uint64_t lines, parsed; /* parsed: records */
	uint64_t size;          /* of the file */
	enum rc rc;             /* the failure that spoilt it: of the first wrong line */
	uint32_t wrong_line;
	struct err err;
	int file;

	/* From the first plan on. */
	bool sealed;
	struct slice map; /* the file */
	struct buf extra; /* bytes of records that were known, and had to be looked at after all */
	struct known known;
	struct sync_record *records;
	size_t count;
	struct sync_map keys;

	/* The plan; planned: there is one. */
	bool planned;
	struct arena *plan_arena;
	uint64_t revision, revision_done;
	uint8_t head_done[JOURNAL_HASH];
	uint64_t *rows_done; /* of new records, by their number, after the commit */
	struct sync_counts counts, done;
	struct sync_sample *samples;
	size_t sample_count, sample_cap, sample_max;
	uint32_t *claims; /* by a row's counter: the record that it is + 1 */
	uint64_t claim_count;
	uint64_t *removed; /* rows: users, then groups; rising */
	size_t removed_count, removed_cap;
	struct group_change *groups;
	size_t group_count, group_cap;
	uint64_t *edges;
	size_t edge_count, edge_cap;
};

struct planning;

struct staged sync_staged(const struct sync *s, const struct sync_record *r);
uint64_t sync_hash(const struct sync *s, enum sync_key what, uint8_t type, struct slice key);
/* A record other than `but` (SIZE_MAX: any) that has the key; SIZE_MAX: none. */
size_t sync_record_with(const struct sync *s, enum sync_key what, uint8_t type, struct slice key, size_t but);
/* The record that a row is; NULL: none. */
struct sync_record *sync_claim(const struct sync *s, uint64_t row);
bool sync_is_removed(const struct sync *s, uint64_t row);

/* "line 7: " before what err says. */
enum rc sync_fail_line(struct err *err, enum rc rc, uint32_t line);
/* The same with what a row is: "User \"ada\": ". */
enum rc sync_fail_row(struct sync *s, struct orgtx *o, uint64_t row, enum rc rc, struct err *err);

/* ---- sync_known.c ---- */

void known_open(struct sync *s);
void known_close(struct sync *s);
/* Gives the line's hash; true: it is known, and all of r is filled in but the line. */
bool known_line(const struct sync *s, struct slice line, struct sync_record *r);
/* At the begin of a plan: those that are known have their rows; of those that others touched since, what their lines said. */
enum rc known_settle(struct planning *p, struct err *err) MUSTCHECK;

/* ---- sync_parse.c ---- */

/* The keys by which names are told apart; false: the value can't be one. connection: whose externalIds. */
bool sync_key_of(struct arena *a, const struct attr *attr, uint32_t connection, struct slice text, struct slice *key);

/* ---- Planning ---- */

/* Makes a record known by its keys. UNIQUENESS when another has one that it must not have. */
enum rc sync_enter_keys(struct sync *s, size_t at, struct err *err) MUSTCHECK;

/* A plan in the making, on one thread. */
struct planning {
	struct sync *s;
	struct txn *reader;
	struct orgtx *o;     /* of this slice */
	struct arena *arena; /* of one record: cleared often */
	struct arena *slice; /* of this slice: the subject */
	struct writer w;
	struct subject *by; /* NULL: rosterd itself, or an operator at the control door */
	uint64_t next_row;  /* of the snapshot */
	int64_t until_us;
	unsigned looks;
	struct tally *tally;
};

/* Whether others had their turn too long ago: then a new slice begins. What was borrowed from the store is gone.
 * CONFLICT (and *moved): the org has changed. */
enum rc planning_breathe(struct planning *p, struct err *err) MUSTCHECK;

void sync_sample(struct sync *s, enum sync_action action, uint8_t type, const struct uuid *id, struct slice name,
	struct slice data);
/* displayName or userName, of a record. */
struct slice sync_name_of(const struct sync *s, const struct record *r);

/* ---- sync_compare.c ---- */

/* An existing resource and what it shall be. */
struct sync_edit {
	struct deed deed;
	struct record old;
	const struct node *old_root;
	struct node *root;
	struct slice packed; /* as it is to be put, but for revision and time */
	bool same; /* as it was: nothing is to be put but members */
};

/* Whether a record says what the store has, without trees; false: one must look closer. */
bool sync_same(const struct sync *s, const struct record *old, struct slice packed);
/* Looks closer, and asks the rules when something changes. The record's bytes must outlive the arena's use.
 * members: of a group; NULL: as they are. */
enum rc sync_edit(struct sync *s, struct orgtx *o, const struct writer *w, const struct subject *by, struct arena *a,
	const struct sync_record *r, const struct member_changes *members, struct sync_edit *out,
	struct err *err) MUSTCHECK;
struct deed sync_deed(const struct sync *s, struct orgtx *o, const struct writer *w, const struct subject *by,
	struct arena *a, uint8_t type, enum verb verb);
/* A new resource's tree. */
struct node *sync_new_root(const struct sync *s, struct arena *a, const struct sync_record *r, struct record *out);
/* What changes, for people. */
struct slice sync_explain(struct arena *a, const struct node *old, const struct node *root);

/* ---- sync_groups.c ---- */

/* Members of all groups: who comes and who goes; cycles and nesting. */
enum rc sync_plan_groups(struct planning *p, struct err *err) MUSTCHECK;

/* ---- sync_decide.c ---- */

/* What is lost and gained of a role that an org needs holders of. */
enum { TALLY_MAX = 32 };
struct tally {
	struct {
		const struct model_role *role;
		uint64_t lost, gained;
	} roles[TALLY_MAX];
	size_t count;
};

void tally_user(struct planning *p, uint64_t row, bool was_active, bool is_active);
/* Names that are unique, seats and teams, roles that must be held. */
enum rc sync_decide(struct planning *p, struct err *err) MUSTCHECK;
/* In the commit: the guard is asked about all that is removed, and counts it. */
enum rc sync_guard(struct sync *s, struct orgtx *o, const struct writer *w, struct err *err) MUSTCHECK;

#endif
