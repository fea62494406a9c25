#include "tools/rosterctl/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/banned.h"

enum { CHUNK = 1 << 20, PIECE = FRAME_PAYLOAD_MAX };

/* ---- Finding rosterd ---- */

/* Beside rosterctl, in ../sbin (installed), else on the PATH. */
static const char *
rosterd_path(void)
{
	static char path[4096 + 32];
	char own[4096];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash;

	own[n > 0 ? n : 0] = '\0';
	slash = strrchr(own, '/');
	if (slash == NULL)
		return "rosterd";
	*slash = '\0';
	(void)snprintf(path, sizeof(path), "%s/rosterd", own);
	if (access(path, X_OK) == 0)
		return path;
	(void)snprintf(path, sizeof(path), "%s/../sbin/rosterd", own);
	return access(path, X_OK) == 0 ? path : "rosterd";
}

/* Runs rosterd with fd 0 (socket) or fd 1 (output) replaced. */
static pid_t
rosterd_start(const struct where *w, const char *mode, int fd, int as)
{
	const char *path = rosterd_path();
	const char *argv[] = { "rosterd", mode, NULL, NULL, NULL };
	pid_t pid;

	if (w->data != NULL) {
		argv[2] = "--data";
		argv[3] = w->data;
	} else if (w->config != NULL) {
		argv[2] = "--config";
		argv[3] = w->config;
	}
	if ((pid = fork()) == 0) {
		if (dup2(fd, as) >= 0)
			(void)execvp(path, (char *const *)(uintptr_t)argv);
		(void)fprintf(stderr, "rosterctl: can't run %s: %s\n", path, strerror(errno));
		_exit(127);
	}
	if (pid < 0)
		(void)fprintf(stderr, "rosterctl: can't start a process: %s\n", strerror(errno));
	return pid;
}

/* rosterd knows its configuration: it tells where the socket is. */
static bool
socket_name(const struct where *w, char *out, size_t size)
{
	int pipefd[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	if (w->data != NULL) {
		(void)snprintf(out, size, "%s/control.sock", w->data);
		return true;
	}
	if (pipe2(pipefd, O_CLOEXEC) != 0 ||
		(pid = rosterd_start(w, "--print-socket", pipefd[1], STDOUT_FILENO)) < 0)
		return false;
	(void)close(pipefd[1]);
	while ((n = read(pipefd[0], out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	(void)close(pipefd[0]);
	if (waitpid(pid, &status, 0) != pid || status != 0 || len == 0)
		return false; /* rosterd said why */
	out[len - 1] = '\0';
	return true;
}

/* ---- Opening ---- */

/* -1: nobody listens there (or a message was printed and *failed set). */
static int
dial(const char *name, bool *failed)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, code;

	if (strlen(name) >= sizeof(address.sun_path)) {
		(void)fprintf(stderr, "rosterctl: the socket's name is too long: %s\n", name);
		*failed = true;
		return -1;
	}
	memcpy(address.sun_path, name, strlen(name) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	code = errno;
	if (fd >= 0)
		(void)close(fd);
	if (code != ENOENT && code != ECONNREFUSED) {
		(void)fprintf(stderr, "rosterctl: %s: %s\n", name, strerror(code));
		*failed = true;
	}
	return -1;
}

bool
client_open(struct client *c, const struct where *w)
{
	char name[4096];
	bool failed = false;
	int pair[2];

	*c = (struct client){ .fd = -1 };
	if (!socket_name(w, name, sizeof(name)))
		return false;
	c->fd = dial(name, &failed);
	if (c->fd >= 0 || failed)
		return !failed;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		(void)fprintf(stderr, "rosterctl: %s\n", strerror(errno));
		return false;
	}
	c->child = rosterd_start(w, "--control-stdio", pair[1], STDIN_FILENO);
	(void)close(pair[1]);
	c->fd = pair[0];
	return c->child > 0;
}

void
client_close(struct client *c)
{
	int status;

	if (c->fd >= 0)
		(void)close(c->fd);
	if (c->child > 0)
		(void)waitpid(c->child, &status, 0);
	buf_release(&c->in);
	*c = (struct client){ .fd = -1 };
}

/* ---- One request ---- */

struct run {
	struct client *c;
	const struct answers *to;
	struct buf out;
	size_t out_taken;
	const struct source *input; /* NULL: nothing (more) to send */
	struct buf piece;
	json_t *last;
	bool ended, error;
};

static void
queue_frame(struct run *r, enum frame_type type, uint8_t flags, struct slice payload)
{
	struct frame f = { .type = type, .flags = flags, .id = 1, .payload = payload };

	frame_encode(&r->out, &f);
}

static enum source_state
read_file(void *arg, struct buf *out)
{
	struct file_source *f = arg;
	ssize_t n;

	do
		n = read(f->fd, buf_reserve(out, CHUNK), CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		(void)fprintf(stderr, "rosterctl: reading the input: %s\n", strerror(errno));
	if (n <= 0)
		return n < 0 ? SOURCE_BROKEN : SOURCE_END;
	out->len += (size_t)n;
	f->taken += (uint64_t)n;
	return SOURCE_PIECE;
}

static uint64_t
file_taken(void *arg)
{
	return ((const struct file_source *)arg)->taken;
}

struct source
source_of_file(struct file_source *f)
{
	return (struct source){ read_file, file_taken, f };
}

static void
queue_piece(struct run *r)
{
	struct slice rest = buf_as_slice(&r->piece);

	while (rest.len > 0) {
		size_t n = rest.len < PIECE ? rest.len : PIECE;

		queue_frame(r, FRAME_DATA, 0, (struct slice){ rest.p, n });
		rest = slice_from(rest, n);
	}
	buf_clear(&r->piece);
}

/* The next piece of the input, when the last one is on its way. */
static void
queue_input(struct run *r)
{
	enum source_state state;

	if (r->input == NULL || r->out_taken < r->out.len)
		return;
	buf_clear(&r->out);
	r->out_taken = 0;
	if ((state = r->input->next(r->input->arg, &r->piece)) == SOURCE_PIECE) {
		queue_piece(r);
		if (r->to->sent != NULL)
			r->to->sent(r->to->arg, r->input->taken(r->input->arg));
		return;
	}
	/* A broken input must not look like its end: the daemon stops without the rest. Where something is to be decided
	 * the stream goes on behind an empty piece. */
	if (state == SOURCE_BROKEN)
		queue_frame(r, FRAME_STOP, 0, SLICE(""));
	else
		queue_frame(r, FRAME_DATA, r->to->decide != NULL ? 0 : FRAME_LAST, SLICE(""));
	r->input = NULL;
}

static void
decide(struct run *r, const json_t *plan)
{
	if (r->to->decide(r->to->arg, plan))
		queue_frame(r, FRAME_DATA, FRAME_LAST, SLICE("commit"));
	else
		queue_frame(r, FRAME_DATA, FRAME_LAST, SLICE(""));
}

static void
take_frame(struct run *r, const struct frame *f)
{
	json_t *json = NULL;

	if (f->type == FRAME_DATA) {
		if (r->to->data != NULL)
			r->to->data(r->to->arg, f->payload);
		return;
	}
	json = json_loadb(f->payload.p, f->payload.len, 0, NULL);
	if ((f->flags & FRAME_LAST) != 0) {
		r->ended = true;
		r->error = (f->flags & FRAME_ERROR) != 0;
		r->last = json;
		return;
	}
	if (f->type == FRAME_PROGRESS && r->to->progress != NULL)
		r->to->progress(r->to->arg,
			(uint64_t)json_integer_value(json_object_get(json, "done")),
			(uint64_t)json_integer_value(json_object_get(json, "total")));
	else if (f->type == FRAME_PART && r->to->decide != NULL && json_object_get(json, "plan") != NULL)
		decide(r, json_object_get(json, "plan"));
	else if (f->type == FRAME_PART && r->to->part != NULL)
		r->to->part(r->to->arg, json);
	json_decref(json);
}

/* false: the connection ended or makes no sense. */
static bool
take_input(struct run *r)
{
	struct client *c = r->c;
	struct frame f;
	size_t used;
	ssize_t n = recv(c->fd, buf_reserve(&c->in, 1 << 18), 1 << 18, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	c->in.len += (size_t)n;
	for (;;) {
		enum frame_result got =
			frame_decode(slice_from(buf_as_slice(&c->in), c->taken), &f, &used);

		if (got == FRAME_BAD)
			return false;
		if (got == FRAME_MORE)
			break;
		c->taken += used;
		take_frame(r, &f);
	}
	buf_drain(&c->in, c->taken);
	c->taken = 0;
	return true;
}

static void
push_output(struct run *r)
{
	ssize_t n = send(r->c->fd, r->out.p + r->out_taken, r->out.len - r->out_taken,
		MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0)
		r->out_taken += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		r->out_taken = r->out.len; /* the answer tells why nobody reads */
		r->input = NULL;
	}
}

enum outcome
client_run(struct client *c, const json_t *request, const struct source *input, const struct answers *to,
	json_t **last)
{
	struct run r = { .c = c, .to = to, .input = input };
	char *text = json_dumps(request, JSON_COMPACT);
	bool alive = text != NULL;

	if (text != NULL)
		queue_frame(
			&r, FRAME_REQUEST, (uint8_t)(input == NULL ? FRAME_LAST : 0), slice_of(text));
	free(text);
	while (alive && !r.ended) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };

		queue_input(&r);
		if (r.out_taken < r.out.len)
			p.events |= POLLOUT;
		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			break;
		if ((p.revents & POLLOUT) != 0)
			push_output(&r);
		if ((p.revents & (POLLIN | POLLHUP | POLLERR)) != 0)
			alive = take_input(&r);
	}
	buf_release(&r.out);
	buf_release(&r.piece);
	*last = r.last;
	return !r.ended ? LOST : r.error ? FAILED : DONE;
}
