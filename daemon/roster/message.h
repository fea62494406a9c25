/* What the verbs of the binary door share: one message under way, and ways to answer it. */
#ifndef DAEMON_ROSTER_MESSAGE_H
#define DAEMON_ROSTER_MESSAGE_H

#include <stdatomic.h>

#include "daemon/ca.h"
#include "daemon/directory/check.h"
#include "daemon/pool.h"
#include "daemon/directory/recall.h"
#include "daemon/roster/roster.h"
#include "protocol/roster.h"
#include "protocol/scim_write.h"

/* What a worker keeps for itself. */
struct roster_worker {
	struct txn *reader;
	bool open;           /* the reader: until the session's turn ends */
	struct arena *arena; /* of one message */
	struct recall *recall;
	int64_t now;         /* ticks, while the reader is open */
};

struct roster {
	struct roster_options options;
	struct directory directory;
	struct waker *waker;
	struct effects *effects;
	struct projection by_default[TYPE_COUNT]; /* what resources show when nothing is asked for */
	struct roster_worker *workers;
	struct pool *pool; /* for what takes longer than a turn: parsing, planning */
	_Atomic unsigned syncs; /* open */
	X509_STORE *authority;  /* of client certificates, as configured; or NULL */
};

/* Who a session is, and what was found out about it and an org. That holds while nothing was committed, or nothing that could
 * change it: see peer_enter(). */
struct peer_entry {
	uint64_t txn, epoch, platform_revision, org_revision;
	int64_t until; /* ticks: looked at again then, as tokens expire */
	struct caller caller;
	char org[ORG_KEY_MAX + 1];
	/* Rights that are asked for at each question: bits of RIGHT_*. */
	uint8_t known, held, held_own;
	uint64_t member; /* the caller's own row: for questions about oneself; 0: none */
};

enum { RIGHT_CHECK, RIGHT_MEMBERS, RIGHT_SYNC, RIGHT_WATCH, RIGHT_STATS, RIGHT_COUNT };

/* A field in a set of them. */
#define BIT(n) (UINT64_C(1) << (n))

/* Who showed a certificate in the handshake (certificate.c). */
struct peer_certificate {
	bool shown;   /* and is let in by it */
	bool service; /* of the configured authority: the token of that hash; else of an org: */
	uint8_t token[TOKEN_HASH];
	int64_t until; /* ticks: that certificate ends */
	char org[ORG_KEY_MAX + 1];
	char fingerprint[CA_FINGERPRINT_TEXT];
};

struct peer {
	struct roster *roster;
	struct session *session;
	bool welcome;
	unsigned failures; /* of hello */
	char authorization[TOKEN_TEXT + 8]; /* "Bearer rst_…"; "" with a certificate */
	struct peer_certificate certificate;
	char org[ORG_KEY_MAX + 1]; /* the one that the token opens; "": several, or none yet */
	struct peer_entry entry;   /* of the org that was asked about last */
	struct peer_sync *sync;    /* NULL: none is open */
};

struct message {
	struct roster *roster;
	struct roster_worker *worker;
	struct session *session;
	struct peer *peer;
	uint8_t type;
	uint32_t id;
	struct slice payload;
	struct fields in;
	struct arena *arena; /* the worker's, cleared after it; of a task its own */
	struct buf *out;
	/* Of a verb that is about an org, in the open transaction: */
	const struct caller *caller;
	struct orgtx *o;
	uint64_t revision; /* of the org */
	struct recall_org *recall;
	unsigned retry_after; /* milliseconds, for a refusal by rate; 0: nothing is said */
};

/* ---- Verbs ---- */

enum verb_needs {
	NEEDS_NOBODY, /* comes before hello */
	NEEDS_HELLO,
	NEEDS_ORG, /* and the reader is open */
};

/* Answers, or adds a task that will; on failure nothing was written, and the failure is the answer. */
typedef enum rc verb_run(struct message *m, struct err *err);

verb_run hello_run, ping_run, cancel_run, stats_run;             /* hello.c */
verb_run check_run, is_member_run;                               /* ask.c */
verb_run batch_run;                                              /* batch.c: of both */
verb_run watch_run;                                              /* watch.c */
verb_run groups_of_run, members_of_run, permissions_of_run, who_can_run; /* lists.c */
verb_run orgs_of_run;                                            /* orgs.c */
verb_run get_run;                                                /* records.c */
verb_run put_run, delete_run;                                    /* change.c */
verb_run find_run;                                               /* find.c */
verb_run sync_begin_run, sync_records_run, sync_plan_run, sync_commit_run, sync_abort_run; /* sync.c */
/* Forgets the sync that is open, if one is. */
void sync_forget(struct peer *p);

/* ---- Certificates (certificate.c) ---- */

/* INVALID_VALUE when the file can't be used; NULL: none, *out is NULL. */
enum rc certificate_authority_load(const char *file, X509_STORE **out, struct err *err) MUSTCHECK;
/* At hello: whose the session's certificate is, as the token that it is as good as, or no token at all (number 0) but one made up for the member
 * or connection. UNAUTHORIZED, with the reason. */
enum rc certificate_identify(struct message *m, struct token *out, struct err *err) MUSTCHECK;
/* Later: the same as it is now. */
enum rc certificate_token(struct message *m, struct token *out, struct err *err) MUSTCHECK;

/* ---- Within a message ---- */

/* What the peer may do in an org (p NULL: on the platform), as auth_check() says. */
enum rc peer_check(struct message *m, struct slice org_key, struct caller *out, struct err *err) MUSTCHECK;
/* Whether token or certificate are good at all now, whatever they may do where. */
enum rc peer_still(struct message *m, enum caller_kind *kind, struct err *err) MUSTCHECK;

/* The fields of a request, or of an item: as fields_read(), and texts must be UTF-8. */
enum rc message_fields(struct slice payload, uint64_t lists, struct fields *out, struct err *err) MUSTCHECK;
/* Opens the worker's reader, which the session's turn closes. */
enum rc message_read(struct message *m, struct err *err) MUSTCHECK;
/* The org that the request names, and whether the caller may enter it; then whether it is at the revision that is asked for. Opens the
 * reader. UNAUTHORIZED, NOT_FOUND, FORBIDDEN, PRECONDITION_FAILED, MOVED. */
enum rc message_enter(struct message *m, struct err *err) MUSTCHECK;
/* Who asks, with all that they hold; in the message's arena. */
enum rc message_subject(struct message *m, struct subject *out, struct err *err) MUSTCHECK;
/* Whether the caller has one of RIGHT_*; about: the row that is asked about (0: others too). FORBIDDEN names the permission. */
enum rc message_may(struct message *m, unsigned right, uint64_t about, struct err *err) MUSTCHECK;
/* The same on another thread, in its transaction. */
enum rc caller_may(const struct directory *d, struct orgtx *o, const struct caller *c, unsigned right, int64_t now,
	struct err *err) MUSTCHECK;
/* A text of the request: TOO_LARGE beyond max. p NULL where it is absent. */
enum rc message_text(const struct message *m, unsigned field, size_t max, struct slice *out, struct err *err) MUSTCHECK;

/* ---- Answers ---- */

/* One frame: fields are put between begin and end. */
size_t answer_begin(struct message *m);
void answer_end(struct message *m, size_t began, unsigned flags /* FRAME_LAST */);
void answer_error(struct message *m, enum rc rc, const struct err *err);

/* ---- Tasks: long answers, and those that wait ---- */

struct roster_task {
	struct session_task task; /* must stay first */
	struct message message;      /* with an arena of its own, that the task lives in */
	uint32_t org; /* that it is about, whoever the client becomes */
};

/* A task of this size (its struct begins with a roster_task) for the rest of the answer; zeroed. `produce` has to begin with
 * task_resume(). Add it with task_add(). */
void *task_new(struct message *m, size_t size,
	enum task_state (*produce)(struct session_task *task, struct buf *out));
void task_add(struct roster_task *t);
/* A new turn of the task: out, the reader, and with `org` the org again, with rights as they are now. On failure the error was
 * written, and produce returns TASK_DONE. */
bool task_resume(struct roster_task *t, struct buf *out, bool org);

/* ---- Questions (ask.c) ---- */

/* Where a question's fields come from: an item of a batch, and what it lacks from the request. */
struct question {
	const struct fields *own, *shared; /* shared NULL: none */
};

/* k->o is NULL at first: it is made ready when the answer must be found. Code of one question, without the words; what can't be asked is a code as well. Failures are those of the store, and
 * FORBIDDEN. */
typedef enum rc ask_fn(struct message *m, struct check *k, const struct question *q, uint8_t *code, struct err *err);
ask_fn ask_check, ask_is_member;
/* The row of the subject (of the group), or 0 and a code; INVALID_VALUE when none is named. */
enum rc find_subject(struct check *k, const struct question *q, uint64_t *row, uint8_t *code, struct err *err) MUSTCHECK;
enum rc find_group(struct check *k, const struct question *q, uint64_t *row, uint8_t *code, struct err *err) MUSTCHECK;
/* The scope that the fields name, as a check takes it. */
enum rc read_place(const struct question *q, struct check_place *out, struct err *err) MUSTCHECK;

#endif
