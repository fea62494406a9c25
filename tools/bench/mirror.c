/* How long libroster's mirror takes for an answer, beside a writer that changes it: nanoseconds a call, for each kind of answer, with one
 * reader and with as many as there are processors. What else the machine does shows in the time on the clock, but not in the time of the
 * processor, which is printed beside it. The mirror is filled from here, without a server. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tools/libroster/mirror.h"

enum { USERS = 1000000, GROUPS = 10000, OF_USER = 3, DEPTH = 8, PAIRS = 1 << 18, CALLS = 3000000, CHANGES_A_SECOND = 1000 };

static struct roster_mirror *mirror;
static _Atomic bool over;

static uint64_t
mix(uint64_t n)
{
	n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
	return n ^ n >> 31;
}

static struct roster_id
id_of(uint64_t n)
{
	struct roster_id id;
	uint64_t low = mix(n + 1);

	n <<= 16;
	memcpy(id.bytes, &n, sizeof(n));
	memcpy(id.bytes + sizeof(n), &low, sizeof(low));
	return id;
}

static uint64_t
group_of(uint64_t user, uint64_t nth)
{
	return USERS + mix(user * OF_USER + nth) % GROUPS;
}

/* Groups stand in chains of DEPTH, each in the next one. */
static struct graph *
fill(void)
{
	struct graph *g = graph_new();

	for (uint64_t n = 0; n < GROUPS; n++) {
		struct roster_id inner = id_of(USERS + n), outer = id_of(USERS + n + 1);

		if (n % DEPTH != DEPTH - 1 && n + 1 < GROUPS)
			graph_add(g, &outer, &inner, true);
	}
	for (uint64_t n = 0; n < USERS; n++)
		for (uint64_t i = 0; i < OF_USER; i++) {
			struct roster_id user = id_of(n), group = id_of(group_of(n, i));

			graph_add(g, &group, &user, false);
		}
	graph_settle(g);
	return g;
}

/* ---- What is asked ---- */

struct pair {
	struct roster_id user, group;
};

enum question { DIRECT, NESTED, NOT, CHECK, QUESTIONS };

static const char *const titles[] = { "is-member, directly: yes", "is-member, nested in up to 7: yes", "is-member: no",
	"check of a permission" };

static struct pair *
make_pairs(enum question question)
{
	struct pair *pairs = calloc(PAIRS, sizeof(*pairs));

	if (pairs == NULL)
		abort();
	for (uint64_t i = 0; i < PAIRS; i++) {
		uint64_t user = mix(i * 4 + question) % USERS, group = group_of(user, i % OF_USER);

		if (question == NESTED) /* the outermost of its chain */
			group = USERS + (group - USERS) / DEPTH * DEPTH + DEPTH - 1;
		else if (question == NOT)
			group = USERS + mix(user + i) % GROUPS;
		pairs[i] = (struct pair){ id_of(user), id_of(group) };
	}
	return pairs;
}

static uint64_t
now_ns(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct reader {
	pthread_t thread;
	enum question question;
	const struct pair *pairs;
	uint64_t ns, cpu_ns, yes;
};

static void *
read_on(void *arg)
{
	struct reader *r = arg;
	uint64_t began = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);

	for (uint64_t i = 0; i < CALLS; i++) {
		const struct pair *p = &r->pairs[i % PAIRS];

		r->yes += (r->question == CHECK ? roster_mirror_check(mirror, 0, &p->user) :
						  roster_mirror_is_member(mirror, &p->user, &p->group, false)) == 1;
	}
	r->ns = now_ns(CLOCK_MONOTONIC) - began;
	r->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	return NULL;
}

/* ---- The writer ---- */

struct move {
	struct roster_id user, from, to;
};

static void
move(struct graph *g, void *arg)
{
	const struct move *m = arg;

	graph_remove(g, &m->from, &m->user);
	graph_add(g, &m->to, &m->user, false);
	graph_settle(g);
}

static void *
write_on(void *arg)
{
	struct timespec pause = { 0, 1000000000 / CHANGES_A_SECOND };

	(void)arg;
	for (uint64_t i = 0; !atomic_load(&over); i++) {
		struct move m = { id_of(mix(i / 2) % USERS), id_of(USERS + i % 2), id_of(USERS + 1 - i % 2) };

		copies_change(&mirror->feeds[0].copies, move, &m);
		(void)nanosleep(&pause, NULL);
	}
	return NULL;
}

static void
measure(enum question question, long readers)
{
	struct reader *all = calloc((size_t)readers, sizeof(*all));
	struct pair *pairs = make_pairs(question);
	uint64_t ns = 0, cpu_ns = 0, yes = 0;

	if (all == NULL)
		abort();
	for (long i = 0; i < readers; i++) {
		all[i] = (struct reader){ .question = question, .pairs = pairs };
		if (pthread_create(&all[i].thread, NULL, read_on, &all[i]) != 0)
			abort();
	}
	for (long i = 0; i < readers; i++) {
		(void)pthread_join(all[i].thread, NULL);
		ns += all[i].ns;
		cpu_ns += all[i].cpu_ns;
		yes += all[i].yes;
	}
	printf("%-36s %3ld readers  %6.0f ns a call, %6.0f of the processor's   %3.0f %% yes\n", titles[question], readers,
		(double)ns / (double)readers / CALLS, (double)cpu_ns / (double)readers / CALLS,
		100.0 * (double)yes / (double)readers / CALLS);
	free(pairs);
	free(all);
}

static void
show(struct feed *f, struct graph *g)
{
	copies_replace(&f->copies, g);
	atomic_store(&f->heard_at, clock_ms());
	atomic_store(&f->revision, 1);
}

static struct graph *
half_of_users(void)
{
	struct graph *g = graph_new();

	for (uint64_t n = 0; n < USERS; n += 2) {
		struct roster_id id = id_of(n);

		graph_put(g, &id, false);
	}
	return g;
}

int
main(void)
{
	struct roster_options options = { .size = sizeof(options), .server = "127.0.0.1:1" };
	struct roster_request permission = { .size = sizeof(permission), .permission = "content.edit" };
	struct roster_mirror_options mirrored = { .size = sizeof(mirrored), .memberships = true, .permissions = &permission,
		.permission_count = 1, .max_stale_ms = 3600000 };
	struct roster *r = roster_new(&options, NULL);
	struct roster_mirror_state state;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t writer;

	if (r == NULL || (mirror = roster_mirror_new(r, &mirrored, NULL)) == NULL)
		return 1;
	show(&mirror->feeds[0], fill());
	show(&mirror->feeds[1], half_of_users());
	roster_mirror_state(mirror, &state);
	printf("%ju users, %ju groups, %ju memberships; %d changes a second meanwhile\n", (uintmax_t)state.users,
		(uintmax_t)state.groups, (uintmax_t)state.memberships, CHANGES_A_SECOND);
	if (pthread_create(&writer, NULL, write_on, NULL) != 0)
		abort();
	for (int q = 0; q < QUESTIONS; q++)
		for (long n = 1; n <= processors; n += processors > 1 ? processors - 1 : 1)
			measure((enum question)q, n);
	atomic_store(&over, true);
	(void)pthread_join(writer, NULL);
	roster_mirror_free(mirror);
	roster_free(r);
	return 0;
}
