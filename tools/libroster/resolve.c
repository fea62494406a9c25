#include "tools/libroster/private.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/banned.h"

/* Shared by its thread and by the handle; the last of them frees it. */
struct resolve {
	_Atomic int users;
	_Atomic bool done;
	int wake_fd;
	int error; /* of getaddrinfo() */
	struct addrinfo *list;
	char host[NI_MAXHOST], port[NI_MAXSERV];
};

static void
job_leave(struct resolve *job)
{
	if (atomic_fetch_sub(&job->users, 1) != 1)
		return;
	if (job->list != NULL)
		freeaddrinfo(job->list);
	(void)close(job->wake_fd);
	free(job);
}

static void
job_run(struct resolve *job, int flags)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };
	uint64_t one = 1;

	job->error = getaddrinfo(job->host, job->port, &hints, &job->list);
	if (job->error != 0)
		job->list = NULL;
	atomic_store(&job->done, true);
	(void)!write(job->wake_fd, &one, sizeof(one));
}

static void *
job_thread(void *arg)
{
	job_run(arg, AI_NUMERICSERV);
	job_leave(arg);
	return NULL;
}

/* Signals are for the program's own threads. */
static int
thread_start(struct resolve *job)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, before;
	int rc;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, &attr, job_thread, job);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	return rc;
}

struct resolve *
resolve_start(const char *host, const char *port, int wake_fd, char *why, size_t size)
{
	struct resolve *job = calloc(1, sizeof(*job));
	int rc;

	if (job == NULL)
		abort();
	(void)snprintf(job->host, sizeof(job->host), "%s", host);
	(void)snprintf(job->port, sizeof(job->port), "%s", port);
	atomic_init(&job->users, 2);
	job->wake_fd = dup(wake_fd);
	/* An address needs no thread. */
	job_run(job, AI_NUMERICHOST | AI_NUMERICSERV);
	if (job->error == 0) {
		atomic_store(&job->users, 1);
		return job;
	}
	atomic_store(&job->done, false);
	if ((rc = thread_start(job)) == 0)
		return job;
	(void)snprintf(why, size, "no thread to look up %s: %s", host, strerror(rc));
	atomic_store(&job->users, 1);
	job_leave(job);
	return NULL;
}

bool
resolve_done(struct resolve *job, struct addrinfo **out, char *why, size_t size)
{
	*out = NULL;
	if (!atomic_load(&job->done))
		return false;
	*out = job->list;
	job->list = NULL;
	if (*out == NULL)
		(void)snprintf(why, size, "%s: %s", job->host, gai_strerror(job->error));
	return true;
}

void
resolve_drop(struct resolve *job)
{
	if (job != NULL)
		job_leave(job);
}
