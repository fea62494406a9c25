/* A sync: a directory sends the whole desired state of users and groups, or of a part, sees what would
 * change, and has it done in one step. Knows neither frames nor HTTP.
 *
 * The state comes as lines, each a SCIM User or Group (the export's format; what stands beside the
 * resource there, and readOnly values, are passed over). Lines are parsed by whoever calls
 * sync_lines_parse(), on any number of threads, and kept packed in an unlinked file in the data
 * directory; in memory stay some 100 bytes a record. Lines of users that came the last time and have not changed since, neither here nor there,
 * are not even parsed (sync_known.c). sync_plan() compares them with a snapshot of the
 * org, in slices, so that no reader lives long, and asks for every change what a single write of that
 * caller would be asked: rights, rules, limits, uniqueness, the guard. sync_commit() does it in one
 * transaction and one journal entry, on condition that the org has not changed since.
 *
 * Order of calls: sync_new(), any number of lines, sync_plan() (again, after CONFLICT), sync_commit(),
 * sync_free(). Nothing is written before sync_commit(). */
#ifndef DAEMON_DIRECTORY_SYNC_H
#define DAEMON_DIRECTORY_SYNC_H

#include "daemon/directory/directory.h"

enum sync_match {
	SYNC_MATCH_ANY, /* externalId, and the name where that finds nobody */
	SYNC_MATCH_EXTERNAL_ID,
	SYNC_MATCH_NAME, /* userName; of a group displayName */
	SYNC_MATCH_ID,
};

/* "externalId", "userName", "id"; false for another text. */
bool sync_match_parse(struct slice text, enum sync_match *out);

struct sync_options {
	struct store *store;
	const struct directory *directory; /* must outlive the sync */
	const char *data_directory;        /* where the records are kept meanwhile */
	uint32_t org, connection;          /* connection: whose externalIds and guard count; 0: none */
	enum dialect dialect;              /* how the lines are read */
	enum sync_match match;
	bool groups;         /* groups are part of the state */
	struct slice filter; /* only users that it takes are removed when they are absent; empty: all */
	uint64_t max_records, max_bytes; /* of one sync; bytes as they are kept */
};

struct sync;

/* INVALID_FILTER; INTERNAL when there can be no file. */
enum rc sync_new(const struct sync_options *options, struct sync **out, struct err *err) MUSTCHECK;
/* Whoever parses or plans must have ended. NULL is fine. */
void sync_free(struct sync *s);
/* Thread-safe: a plan under way ends soon, with CANCELLED. */
void sync_stop(struct sync *s);

/* ---- Receiving ---- */

/* Some whole lines on their way (the last one may lack its newline). */
struct sync_lines;

/* Takes the numbers of the lines, in the order of calls: one thread at a time. text is borrowed until they
 * are parsed. */
struct sync_lines *sync_lines_new(struct sync *s, struct slice text);
/* Any thread; each once. After a failure the sync is spoilt: plans fail with the same error, which names the
 * line. TOO_MANY and TOO_LARGE name the limit. */
enum rc sync_lines_parse(struct sync_lines *l, struct err *err) MUSTCHECK;
/* Records parsed so far. */
uint64_t sync_count(struct sync *s);

/* ---- Planning ---- */

enum sync_action {
	SYNC_CREATE = 1,
	SYNC_CHANGE,
	SYNC_REMOVE,
	SYNC_UNCHANGED,
	SYNC_MEMBER_ADD,
	SYNC_MEMBER_REMOVE,
	SYNC_ACTIONS,
};

struct sync_counts {
	uint64_t n[SYNC_ACTIONS][TYPE_GROUP + 1]; /* memberships count with TYPE_GROUP */
};

/* One of what is to be done. */
struct sync_sample {
	enum sync_action action;
	uint8_t type;
	struct uuid id;          /* zeros: it gets one */
	struct slice name, data; /* data: for people */
};

struct sync_plan {
	uint64_t revision; /* that it was made at */
	struct sync_counts counts;
	const struct sync_sample *samples; /* the sync's, until the next plan */
	size_t sample_count;
};

/* w: who does it; copied. Takes seconds for millions: call it where one may block; the calling thread must hold
 * no reader. samples: of each action and type at most. On failure the detail names the record: the rule that
 * a change would break; CONFLICT as well when others write so often that no plan can be made. */
enum rc sync_plan(struct sync *s, const struct writer *w, size_t samples, struct sync_plan *out,
	struct err *err) MUSTCHECK;

/* ---- Committing ---- */

/* Within the committer's transaction. CONFLICT without a plan, when the org has changed since, or by the guard
 * (whose mark is written then). *undo: the failure came when something was written: the transaction must not
 * be committed. May run again. */
enum rc sync_commit(struct sync *s, struct txn *t, const struct writer *w, bool *undo, struct err *err) MUSTCHECK;
/* After the commit, where one may block for a moment: keeps what the lines were, so that they need not be parsed when they come
 * again. */
void sync_remember(struct sync *s);
/* The org is gone for good: what was kept of its syncs goes too. */
void sync_forget_org(const char *data_directory, uint32_t org);
/* After the commit: the org's revision, and what was done. */
uint64_t sync_revision(const struct sync *s);
const struct sync_counts *sync_done(const struct sync *s);

#endif
