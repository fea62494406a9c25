#include "tools/libroster/private.h"

#include <config.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/banned.h"

const char *
roster_version(void)
{
	return PACKAGE_VERSION;
}

int64_t
clock_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- Making and freeing it ---- */

static bool
watch_fd(struct roster *r, int fd)
{
	struct epoll_event e = { .events = EPOLLIN };

	return fd >= 0 && epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0;
}

static bool
open_fds(struct roster *r, struct roster_error *error)
{
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	r->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (r->epoll_fd >= 0 && watch_fd(r, r->timer_fd) && watch_fd(r, r->wake_fd))
		return true;
	error_local(error, NAME_FULL, "", "no descriptors: %s", strerror(errno));
	return false;
}

static void
close_fd(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

struct roster *
roster_new(const struct roster_options *options, struct roster_error *error)
{
	struct roster_options o;
	struct roster *r;
	SSL_CTX *ctx;

	if (!options_copy(&o, sizeof(o), options, "options", error))
		return NULL;
	if ((r = calloc(1, sizeof(*r))) == NULL)
		abort();
	r->epoll_fd = r->timer_fd = r->wake_fd = -1;
	r->armed = NEVER;
	r->answer.item = &r->item;
	r->kept.item = &r->kept_item;
	ctx = settings_read(&r->set, &o, error) ? tls_context(&o, error) : NULL;
	link_init(&r->link, ctx);
	if (ctx == NULL || !open_fds(r, error)) {
		roster_free(r);
		return NULL;
	}
	return r;
}

void
roster_free(struct roster *r)
{
	struct roster_error error;

	if (r == NULL)
		return;
	error_local(&error, NAME_CLOSED, "", "the handle is being freed");
	r->inside = true;
	r->set.max_calls = 0; /* no new ones, from what is called back */
	calls_lost(r, &error, true);
	link_release(r);
	calls_release(r);
	close_fd(r->timer_fd);
	close_fd(r->wake_fd);
	close_fd(r->epoll_fd);
	buf_release(&r->kept_bytes);
	settings_release(&r->set);
	free(r);
}

bool
roster_set_token(struct roster *r, const char *token)
{
	char *copy;

	if (strlen(token) > ROSTER_TEXT_MAX)
		return false;
	if ((copy = strdup(token)) == NULL)
		abort();
	if (r->set.token != NULL)
		explicit_bzero(r->set.token, strlen(r->set.token));
	free(r->set.token);
	r->set.token = copy;
	if (r->link.state == LINK_OPEN) {
		link_hello(r);
		handle_nudge(r);
	}
	return true;
}

/* ---- What makes the descriptor ready ---- */

static void
wake(int fd)
{
	uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

void
handle_nudge(struct roster *r)
{
	if (r->inside || r->nudged)
		return;
	r->nudged = true;
	wake(r->wake_fd);
}

void
roster_wake(struct roster *r)
{
	wake(r->wake_fd);
	atomic_store(&r->woken, true);
}

void
handle_at(struct roster *r, int64_t at)
{
	struct itimerspec when = { .it_value = { at / 1000, at % 1000 * 1000000 } };

	if (at >= r->armed)
		return;
	r->armed = at;
	if (at <= 0)
		when.it_value.tv_nsec = 1;
	(void)timerfd_settime(r->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* The timer is set to the earliest of all; when it goes off, everything that has a time is looked at. */
static void
clock_turn(struct roster *r, int64_t now)
{
	uint64_t times;
	int64_t of_link, of_calls, of_mirrors;

	if (now < r->armed)
		return;
	(void)!read(r->timer_fd, &times, sizeof(times));
	r->armed = NEVER;
	of_calls = calls_expire(r, now);
	of_mirrors = mirrors_clock(r, now);
	of_link = link_clock(r, now);
	handle_at(r, of_calls);
	handle_at(r, of_mirrors);
	handle_at(r, of_link);
}

/* ---- Turns of the loop ---- */

int
roster_fd(const struct roster *r)
{
	return r->epoll_fd;
}

/* Reading comes first: an answer that waited in the socket while we slept is in time. */
static void
turn(struct roster *r, bool was_ready)
{
	int64_t now = clock_ms(), heard = r->link.heard_at;
	bool nudged = r->nudged, rang = now >= r->armed;
	uint64_t count;

	r->inside = true;
	r->nudged = false;
	link_turn(r, now);
	clock_turn(r, now);
	link_write(r);
	handle_at(r, link_wanted_at(r));
	/* A turn that found nothing else to do was called for by wake_fd. */
	if (nudged || (was_ready && !rang && r->link.heard_at == heard))
		(void)!read(r->wake_fd, &count, sizeof(count));
	r->inside = false;
	if (r->link.more)
		handle_nudge(r);
}

void
roster_handle(struct roster *r)
{
	if (!r->inside)
		turn(r, true);
}

void
roster_flush(struct roster *r)
{
	if (r->inside)
		return;
	r->inside = true;
	link_write(r);
	r->inside = false;
}

/* In milliseconds, as poll() wants it; -1: for ever. */
static int
time_left(int64_t until)
{
	int64_t now;

	if (until == NEVER)
		return -1;
	now = clock_ms();
	return until <= now ? 0 : until - now > INT_MAX ? INT_MAX : (int)(until - now);
}

bool
handle_wait(struct roster *r, int64_t until)
{
	struct pollfd p = { .fd = r->epoll_fd, .events = POLLIN };
	int n;

	if (r->nudged) {
		turn(r, false);
		return true;
	}
	n = poll(&p, 1, time_left(until));
	turn(r, n > 0);
	return n != 0;
}

bool
roster_run(struct roster *r, int timeout_ms)
{
	bool happened;

	if (r->inside)
		return false;
	happened = handle_wait(r, timeout_ms < 0 ? NEVER : clock_ms() + timeout_ms);
	return !atomic_exchange(&r->woken, false) && happened;
}

size_t
roster_pending(const struct roster *r)
{
	return r->calls.live;
}

bool
roster_is_connected(const struct roster *r)
{
	return r->link.state == LINK_OPEN;
}
