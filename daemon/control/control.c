/* The socket and its threads. */
#include "daemon/control.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/control/call.h"
#include "daemon/retention.h"

#include "base/banned.h"

struct slot {
	struct control *control;
	int fd; /* -1: free */
};

struct control {
	struct control_options options;
	int fd;
	pthread_t thread, purger;
	bool purging;
	pthread_mutex_t lock;
	pthread_cond_t idle;
	_Atomic bool stopping;
	unsigned busy;
	struct slot slots[CONTROL_CONNECTIONS];
};

static void *
slot_main(void *arg)
{
	struct slot *s = arg;
	struct control *c = s->control;

	control_serve(&c->options, s->fd);
	(void)pthread_mutex_lock(&c->lock);
	(void)close(s->fd);
	s->fd = -1;
	if (--c->busy == 0)
		(void)pthread_cond_broadcast(&c->idle);
	(void)pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* Takes fd over; false when all slots are in use. */
static bool
slot_start(struct control *c, int fd)
{
	pthread_attr_t detached;
	pthread_t thread;
	bool started = false;

	(void)pthread_attr_init(&detached);
	(void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	(void)pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; !c->stopping && !started && i < CONTROL_CONNECTIONS; i++) {
		struct slot *s = &c->slots[i];

		if (s->fd >= 0)
			continue;
		s->fd = fd;
		started = pthread_create(&thread, &detached, slot_main, s) == 0;
		if (!started) {
			s->fd = -1;
			break;
		}
		c->busy++;
	}
	(void)pthread_mutex_unlock(&c->lock);
	(void)pthread_attr_destroy(&detached);
	return started;
}

static void *
accept_main(void *arg)
{
	struct control *c = arg;

	for (;;) {
		int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);

		if (c->stopping) {
			if (fd >= 0)
				(void)close(fd);
			return NULL;
		}
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0) { /* out of descriptors: others will be given back */
			(void)usleep(100000);
			continue;
		}
		if (!slot_start(c, fd)) {
			log_event(
				LOG_WARN, "control-refused", LOG_NUM("limit", CONTROL_CONNECTIONS));
			(void)close(fd);
		}
	}
}

static bool
is_due(const struct org *org, int64_t now)
{
	return org->state == ORG_PURGING || (org->state == ORG_DELETED && org->delete_after <= now);
}

static bool
has_old_model(const struct control *c, const struct org *org)
{
	const struct model *m = model_by_name(c->options.directory->models, slice_of(org->model));

	return m != NULL && m->version != org->model_version;
}

static void
org_remove(struct control *c, const struct org *org)
{
	struct err err = ERR_INIT;
	bool go = org->state == ORG_PURGING;

	if ((!go && org_bury(&c->options, org->no, &go, &err) != RC_OK) ||
		(go && org_purge_all(&c->options, org->no, NULL, &err) != RC_OK))
		log_event(LOG_ERROR, "org-removal-failed", LOG_STR("org", org->key),
			LOG_STR("reason", err.detail));
	else if (go)
		log_event(LOG_INFO, "org-removed", LOG_STR("org", org->key));
}

static void
org_update(struct control *c, const struct org *org)
{
	struct err err = ERR_INIT;

	if (org_follow_model(&c->options, org->no, &err) != RC_OK)
		log_event(LOG_ERROR, "org-model-not-followed", LOG_STR("org", org->key),
			LOG_STR("reason", err.detail));
}

/* One look at all orgs: removes those whose grace is over, goes on with removals that a stop
 * interrupted, and (first: of this start) shows those the roles of their model's present version.
 * Returns when the next removal is due (ticks; 0: none waits). */
static int64_t
look_at_orgs(struct control *c, struct txn *reader, bool first)
{
	struct org org = { .no = 0 };
	struct err err = ERR_INIT;
	int64_t next = 0, now;
	uint32_t after = 0;
	bool more = true, due = false;

	while (more && !c->stopping && reader_begin(reader, &err) == RC_OK) {
		now = clock_ticks();
		while ((more = org_next(reader, after, &org))) {
			after = org.no;
			if ((due = is_due(&org, now)) || (first && has_old_model(c, &org)))
				break;
			if (org.state == ORG_DELETED && (next == 0 || org.delete_after < next))
				next = org.delete_after;
		}
		reader_end(reader);
		if (more && due)
			org_remove(c, &org);
		else if (more)
			org_update(c, &org);
	}
	return next;
}

static void *
care_main(void *arg)
{
	struct control *c = arg;
	struct txn *reader = reader_new(c->options.store);
	struct retention *retention =
		retention_new(c->options.store, c->options.committer, c->options.config, &c->stopping);
	uint64_t seen = store_departures(c->options.store);
	int64_t next = look_at_orgs(c, reader, true);

	while (!c->stopping) {
		if (seen != store_departures(c->options.store) || (next != 0 && next <= clock_ticks())) {
			seen = store_departures(c->options.store);
			next = look_at_orgs(c, reader, false);
		}
		retention_turn(retention);
		for (int i = 0; i < 10 && !c->stopping; i++)
			(void)usleep(100000);
	}
	retention_free(retention);
	reader_free(reader);
	return NULL;
}

static enum rc
listen_on(const char *path, int *out, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t old;
	int fd, failed;

	if (strlen(path) >= sizeof(address.sun_path))
		return fail(err, RC_INVALID_VALUE, "",
			"control_socket: the name is longer than the %zu bytes a socket may have: "
			"%s",
			sizeof(address.sun_path) - 1, path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		return fail(err, RC_INTERNAL, "", "control socket: %s", strerror(errno));
	(void)unlink(path); /* of a daemon that was killed: the lock says that none runs */
	old = umask(0177);
	failed = bind(fd, (const struct sockaddr *)&address, sizeof(address));
	(void)umask(old);
	if (failed != 0 || listen(fd, CONTROL_CONNECTIONS) != 0) {
		failed = errno;
		(void)close(fd);
		return fail(err, RC_INTERNAL, "", "control socket %s: %s", path, strerror(failed));
	}
	*out = fd;
	return RC_OK;
}

enum rc
control_new(const struct control_options *options, struct control **out, struct err *err)
{
	struct control *c = calloc(1, sizeof(*c));
	enum rc rc;

	if (c == NULL)
		abort();
	c->options = *options;
	c->options.stop = &c->stopping;
	for (unsigned i = 0; i < CONTROL_CONNECTIONS; i++)
		c->slots[i] = (struct slot){ c, -1 };
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)pthread_cond_init(&c->idle, NULL);
	if ((rc = listen_on(options->config->control_socket, &c->fd, err)) != RC_OK) {
		free(c);
		return rc;
	}
	if (pthread_create(&c->thread, NULL, accept_main, c) != 0) {
		(void)close(c->fd);
		free(c);
		return fail(err, RC_INTERNAL, "", "the control thread can't be started");
	}
	c->purging = pthread_create(&c->purger, NULL, care_main, c) == 0;
	*out = c;
	return RC_OK;
}

void
control_free(struct control *c)
{
	if (c == NULL)
		return;
	(void)pthread_mutex_lock(&c->lock);
	c->stopping = true;
	(void)unlink(c->options.config->control_socket);
	(void)shutdown(c->fd, SHUT_RDWR); /* wakes accept() */
	for (unsigned i = 0; i < CONTROL_CONNECTIONS; i++)
		if (c->slots[i].fd >= 0)
			(void)shutdown(
				c->slots[i].fd, SHUT_RD); /* commands under way may still answer */
	while (c->busy > 0)
		(void)pthread_cond_wait(&c->idle, &c->lock);
	(void)pthread_mutex_unlock(&c->lock);
	(void)pthread_join(c->thread, NULL);
	if (c->purging)
		(void)pthread_join(c->purger, NULL);
	(void)close(c->fd);
	(void)pthread_cond_destroy(&c->idle);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}
