/* The binary door's connections: frames in, bytes out, on the worker's event loop.
 *
 * A session knows TLS, the heads of frames (protocol/frame.h), back-pressure and time; what frames mean is its handler's
 * business. All frames that one read brought are handled in a row and answered by one write. Sessions take turns by the org
 * that they said hello for, or asked about last (daemon/fair.h), so that no number of busy connections of one keeps
 * another's waiting for more than a turn or two. A client that does not take its answers is not read from, and its long answers wait: a session holds at most SESSION_HIGH bytes and one piece of an answer, one
 * frame of input, and of what is under way SESSION_TASK_BYTES of requests and one frame, and some parts of answers.
 *
 * Memory: a session at rest costs about 14 KiB (its OpenSSL state). Everything here runs on the worker's thread, but
 * session_task_ready(). */
#ifndef DAEMON_SESSION_H
#define DAEMON_SESSION_H

#include <openssl/ssl.h>

#include "base/arena.h"
#include "base/buf.h"
#include "protocol/frame.h"

struct session;
struct worker;

enum {
	SESSION_HIGH = 256 << 10, /* bytes of answers that wait for the client, before it is no longer read from */
	SESSION_PIECE = 32 << 10, /* of a long answer, at a time */
	SESSION_TASKS = 256,      /* long answers and writes under way */
	SESSION_TASK_BYTES = 1 << 20, /* that they keep; then the client is no longer read from */
	SESSION_TASK_LONG = SESSION_TASK_BYTES / 4, /* what one counts that keeps a part of an answer, of 4 MiB at most */
};

/* ---- Long answers, and those that wait for something ---- */

enum task_state {
	TASK_MORE,  /* goes on when the client has room */
	TASK_WAITS, /* for session_task_ready() */
	TASK_DONE,  /* answered: it is let go */
};

/* The handler's own struct begins with it. */
struct session_task {
	struct session *session; /* NULL: the session is gone; it is let go as soon as nobody works for it */
	struct session_task *next;
	struct worker *worker;
	uint32_t id; /* of the request */
	size_t size; /* bytes that it keeps, about; as it is when it is added */
	bool waits, cancelled, held;
	bool ticks; /* gets a turn about once a second, even while it waits */
	/* Appends frames to out, some SESSION_PIECE bytes. Called with `cancelled` set after session_cancel(), to say the
	 * last word. */
	enum task_state (*produce)(struct session_task *task, struct buf *out);
	void (*release)(struct session_task *task);
};

/* Its first turn comes after the frames at hand. */
void session_task_add(struct session *s, struct session_task *task);
/* NULL: there is none of that id. */
struct session_task *session_task_find(const struct session *s, uint32_t id);
/* false: it can't be stopped, because somebody else holds it. */
bool session_task_cancel(struct session_task *task);
/* Another thread works for it until it says session_task_ready(): release waits that long. On the worker's thread. */
void session_task_hold(struct session_task *task);
/* Thread-safe: what the task waited for is there. Ends a hold. */
void session_task_ready(struct session_task *task);
/* The same on the worker's thread, for a task that nobody holds. */
void session_task_wake(struct session_task *task);

/* Whose turn the session's turns are from now on: the org's. */
void session_set_lane(struct session *s, uint32_t lane);
/* The client is not read from until it is let go again: what it sent is more than can be worked on. On the
 * worker's thread. */
void session_hold_input(struct session *s, bool hold);

/* ---- The handler ---- */

struct session_handler {
	/* A client is there, its handshake done: *data is the handler's. */
	void (*open)(struct session *s, void **data, void *arg);
	/* One whole frame. Answers go to out. True: it may have taken long, and the clock is to be looked at. */
	bool (*frame)(struct session *s, void *data, const struct frame_head *head, struct slice payload,
		struct buf *out);
	/* One whose payload is longer than max_payload, which is passed over; or whose head is malformed (lost), the last one. */
	void (*refuse)(struct session *s, void *data, const struct frame_head *head, bool lost, struct buf *out);
	/* The turn of the session ends, before its answers are written: what was opened for the frames is closed. */
	void (*rest)(struct worker *w, void *arg);
	void (*close)(void *data);
	size_t max_payload, max_hello; /* bytes of a payload; before session_welcome() */
	void *arg;
};

struct worker *session_worker(const struct session *s);
const char *session_peer(const struct session *s);
/* The client's certificate, unverified but for its key; NULL: none. The caller frees it with X509_free(). */
X509 *session_certificate(const struct session *s);
/* The client said who it is: the time for that is no longer counted. */
void session_welcome(struct session *s);
/* The connection ends when what was answered is written. */
void session_end(struct session *s);
/* Whether the worker stops: long answers should end. */
bool session_stopping(const struct session *s);

/* ---- For the worker ---- */

/* Takes fd and ssl over; NULL: plain, for tests. */
void session_new(struct worker *w, int fd, SSL *ssl, const char *peer);
/* Acts when the deadline is over. May free s. */
void session_check(struct session *s);
/* Gives turns to those that wait for one, for half a millisecond. */
void sessions_turn(struct worker *w);
/* Writes the answers that wait for those of other sessions. May free any session that has some. */
void sessions_write(struct worker *w);
/* The worker stops: what was asked is answered, then the connection closes. May free s, and no other session when none has answers
 * that wait. */
void session_drain(struct session *s);
void session_free(struct session *s);
/* Its place in worker->sessions. */
size_t session_slot(const struct session *s);
void session_set_slot(struct session *s, size_t slot);
/* Lets tasks go that outlived their sessions; whoever held them is gone. */
void session_orphans_free(struct worker *w);

#endif
