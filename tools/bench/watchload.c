/* watchload: how long after its commit a change is told to who watches. See usage(). */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/slice.h"
#include "tools/bench/histogram.h"
#include "tools/libroster/roster.h"

#include "base/banned.h"

static struct roster *writer, *watcher;
static uint64_t number, written_revision, told_revision, written_ns, told_ns, sent_ns, count = 2000;
static struct histogram behind, whole;
static bool busy, done;

static uint64_t
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
die(const char *what, const struct roster_error *error)
{
	fprintf(stderr, "watchload: %s: %s: %s\n", what, error->name, error->message);
	exit(1);
}

/* Both are there: the answer of the write, which comes when it is on disk, and what the watch tells. */
static void
compare(void)
{
	if (told_revision < written_revision || written_revision == 0 || !busy)
		return;
	histogram_add(&behind, told_ns > written_ns ? told_ns - written_ns : 0);
	histogram_add(&whole, told_ns - sent_ns);
	busy = false;
}

static void
on_told(void *arg, const struct roster_answer *answer, const struct roster_error *error)
{
	(void)arg;
	if (done)
		return;
	if (error != NULL)
		die("watch", error);
	told_revision = roster_number(answer, ROSTER_F_REVISION);
	told_ns = clock_ns();
	compare();
}

static void
on_written(void *arg, const struct roster_answer *answer, const struct roster_error *error)
{
	(void)arg;
	if (error != NULL)
		die("put", error);
	written_revision = roster_number(answer, ROSTER_F_REVISION);
	written_ns = clock_ns();
	compare();
}

static void
write_one(void)
{
	struct roster_error error;
	char user[256];

	(void)snprintf(user, sizeof(user),
		"{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],\"userName\":\"w%d-%llu@example.com\"}",
		(int)getpid(), (unsigned long long)number++);
	written_revision = 0;
	busy = true;
	sent_ns = clock_ns();
	if (roster_start(writer, ROSTER_PUT,
		    &(struct roster_request){ .size = sizeof(struct roster_request), .type = "User", .resource = user },
		    on_written, NULL, &error) == 0)
		die("put", &error);
}

static void
wait_for_both(void)
{
	struct pollfd fds[] = { { roster_fd(writer), POLLIN, 0 }, { roster_fd(watcher), POLLIN, 0 } };

	if (poll(fds, 2, 20000) == 0)
		exit(1);
	if (fds[1].revents != 0)
		roster_handle(watcher);
	if (fds[0].revents != 0)
		roster_handle(writer);
}

static struct roster *
dial(const char *server, const char *ca)
{
	struct roster_error error;
	struct roster *r = roster_new(&(struct roster_options){ .size = sizeof(struct roster_options), .server = server,
			.token = getenv("ASKLOAD_TOKEN"), .ca_file = ca, .org = "bench" }, &error);

	if (r == NULL)
		die(server, &error);
	return r;
}

static void
follow(void)
{
	const struct roster_answer *stats;
	struct roster_error error;
	struct roster_request watch = { .size = sizeof(watch) };

	if (roster_call(writer, ROSTER_STATS, &(struct roster_request){ .size = sizeof(watch) }, NULL, NULL, &stats, &error) != 0)
		die("stats", &error);
	watch.from = roster_number(stats, ROSTER_F_REVISION);
	if (roster_start(watcher, ROSTER_WATCH, &watch, on_told, NULL, &error) == 0)
		die("watch", &error);
}

int
main(int argc, char **argv)
{
	if (argc < 3 || (argc > 3 && !slice_to_u64(slice_of(argv[3]), 1, 1000000, &count))) {
		fprintf(stderr, "usage: watchload roster://HOST:PORT CA-FILE [COUNT]\n"
				"Makes users of the org \"bench\" one after the other, and watches. ASKLOAD_TOKEN may do both. Prints a line of JSON.\n");
		return 2;
	}
	writer = dial(argv[1], argv[2]);
	watcher = dial(argv[1], argv[2]);
	follow();
	for (uint64_t i = 0; i < count; i++) {
		write_one();
		while (busy)
			wait_for_both();
	}
	printf("{\"name\":\"watch\",\"changes\":%llu,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f,\"whole_p50\":%.1f,\"whole_p99\":%.1f}\n",
		(unsigned long long)count, (double)histogram_quantile(&behind, 0.5) / 1e3,
		(double)histogram_quantile(&behind, 0.99) / 1e3, (double)behind.max / 1e3,
		(double)histogram_quantile(&whole, 0.5) / 1e3, (double)histogram_quantile(&whole, 0.99) / 1e3);
	done = true;
	roster_free(writer);
	roster_free(watcher);
	return 0;
}
