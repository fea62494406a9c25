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

enum { CHUNK = 1 << 20 };

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
	int input; /* -1: nothing (more) to send */
	uint64_t sent;
	json_t *last;
	bool ended, error;
};

static void
queue_frame(struct run *r, enum frame_type type, uint8_t flags, struct slice payload)
{
	struct frame f = { .type = type, .flags = flags, .id = 1, .payload = payload };

	frame_encode(&r->out, &f);
}

/* The next piece of the input, when the last one is on its way. */
static void
queue_input(struct run *r)
{
	static char chunk[CHUNK];
	ssize_t n;

	if (r->input < 0 || r->out_taken < r->out.len)
		return;
	buf_clear(&r->out);
	r->out_taken = 0;
	do
		n = read(r->input, chunk, sizeof(chunk));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		(void)fprintf(stderr, "rosterctl: reading the input: %s\n", strerror(errno));
	if (n > 0) {
		queue_frame(r, FRAME_DATA, 0, (struct slice){ chunk, (size_t)n });
		r->sent += (uint64_t)n;
		if (r->to->sent != NULL)
			r->to->sent(r->to->arg, r->sent);
		return;
	}
	/* A broken input must not look like its end: the daemon stops without the rest. */
	if (n < 0)
		queue_frame(r, FRAME_STOP, 0, SLICE(""));
	else
		queue_frame(r, FRAME_DATA, FRAME_LAST, SLICE(""));
	r->input = -1;
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
		r->input = -1;
	}
}

enum outcome
client_run(
	struct client *c, const json_t *request, int input, const struct answers *to, json_t **last)
{
	struct run r = { .c = c, .to = to, .input = input };
	char *text = json_dumps(request, JSON_COMPACT);
	bool alive = text != NULL;

	if (text != NULL)
		queue_frame(
			&r, FRAME_REQUEST, (uint8_t)(input < 0 ? FRAME_LAST : 0), slice_of(text));
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
	*last = r.last;
	return !r.ended ? LOST : r.error ? FAILED : DONE;
}
