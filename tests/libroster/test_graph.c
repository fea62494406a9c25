/* The mirror's graph against a plain matrix, under random changes; and its two copies under readers that never stop. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/libroster/copies.h"
#include "tools/libroster/idset.h"

#include <cmocka.h> /* last: it has a macro fail() */

enum { USERS = 40, GROUPS = 12, NODES = USERS + GROUPS, STEPS = 20000 };

static uint64_t seed = 88172645463325252u;

static uint32_t
random_below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 20) % n;
}

static struct roster_id
id_of(uint64_t n)
{
	struct roster_id id = { { 1 } };

	n = n * UINT64_C(0x9E3779B97F4A7C15) + 1;
	memcpy(id.bytes + 8, &n, sizeof(n));
	return id;
}

/* ---- The plain model: who holds whom ---- */

static bool exists[NODES], holds[NODES][NODES]; /* [group][member] */

static bool
is_group(uint32_t n)
{
	return n >= USERS;
}

static bool
reaches(uint32_t group, uint32_t member)
{
	if (holds[group][member])
		return true;
	for (uint32_t g = USERS; g < NODES; g++)
		if (holds[group][g] && reaches(g, member))
			return true;
	return false;
}

static void
forget(uint32_t n)
{
	exists[n] = false;
	for (uint32_t i = 0; i < NODES; i++)
		holds[n][i] = holds[i][n] = false;
}

static void
assert_same(const struct graph *g)
{
	struct graph_counts counts = graph_counts(g), wanted = { 0, 0, 0 };

	for (uint32_t i = 0; i < NODES; i++) {
		struct roster_id member = id_of(i);

		assert_int_equal(graph_knows(g, &member), exists[i]);
		wanted.users += exists[i] && !is_group(i);
		wanted.groups += exists[i] && is_group(i);
		for (uint32_t j = USERS; j < NODES; j++) {
			struct roster_id group = id_of(j);

			wanted.memberships += holds[j][i];
			assert_int_equal(graph_has(g, &group, &member, true), holds[j][i]);
			assert_int_equal(graph_has(g, &group, &member, false), reaches(j, i));
		}
	}
	assert_int_equal(counts.users, wanted.users);
	assert_int_equal(counts.groups, wanted.groups);
	assert_int_equal(counts.memberships, wanted.memberships);
}

/* Groups that go are told in three ways: alone, before their memberships and behind them. */
static void
go(struct graph *g, uint32_t n)
{
	struct roster_id id = id_of(n), other;
	uint32_t way = random_below(3);

	if (way == 1)
		graph_gone(g, &id);
	for (uint32_t i = 0; way != 0 && i < NODES; i++) {
		other = id_of(i);
		if (holds[n][i])
			graph_remove(g, &id, &other);
		if (holds[i][n])
			graph_remove(g, &other, &id);
	}
	if (way != 1)
		graph_gone(g, &id);
	forget(n);
}

static void
step(struct graph *g)
{
	uint32_t member = random_below(NODES), group = USERS + random_below(GROUPS);
	struct roster_id member_id = id_of(member), group_id = id_of(group);

	switch (random_below(12)) {
	case 0:
		go(g, member);
		break;
	case 1:
	case 2:
		graph_put(g, &member_id, is_group(member));
		exists[member] = true;
		break;
	case 3:
	case 4:
	case 5:
		graph_remove(g, &group_id, &member_id);
		holds[group][member] = false;
		break;
	default:
		/* Cycles the server refuses. */
		if (member == group || (is_group(member) && reaches(member, group)))
			break;
		graph_add(g, &group_id, &member_id, is_group(member));
		exists[member] = exists[group] = holds[group][member] = true;
		break;
	}
}

static void
random_changes_are_kept(void **state)
{
	struct graph *g = graph_new();

	(void)state;
	for (int i = 0; i < STEPS; i++) {
		step(g);
		if (random_below(8) != 0)
			continue;
		graph_settle(g);
		if (i % 16 == 0)
			assert_same(g);
		if (i % 1000 < 8) { /* a copy goes on as well as what it was made from */
			struct graph *copy = graph_copy(g);

			graph_free(g);
			g = copy;
			assert_same(g);
		}
	}
	graph_settle(g);
	assert_same(g);
	graph_free(g);
}

/* Copies have just the room for what is in them. */
static void
copies_of_little_grow(void **state)
{
	(void)state;
	for (uint64_t count = 0; count < 4; count++) {
		struct graph *g = graph_new(), *copy;

		for (uint64_t n = 0; n < 200; n++) {
			struct roster_id id = id_of(n);

			if (n == count) {
				copy = graph_copy(g);
				graph_free(g);
				g = copy;
			}
			graph_put(g, &id, n % 2 != 0);
		}
		assert_int_equal(graph_counts(g).users, 100);
		assert_int_equal(graph_counts(g).groups, 100);
		graph_free(g);
	}
}

static void
sets_are_sets(void **state)
{
	struct idset s = { 0 }, copy;
	bool is[200] = { false };

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint32_t v = random_below(i < 10000 ? 200 : 5);

		if (random_below(2) == 0)
			assert_int_equal(idset_add(&s, v), !is[v]), is[v] = true;
		else
			assert_int_equal(idset_remove(&s, v), is[v]), is[v] = false;
		if (i % 100 != 0)
			continue;
		copy = idset_copy(&s);
		for (v = 0; v < 200; v++)
			assert_int_equal(idset_has(&copy, v), is[v]);
		idset_release(&s);
		s = copy;
	}
	idset_release(&s);
}

/* ---- Readers beside a writer ---- */

enum { READERS = 2, CHANGES = 300, PAIRS = 64 };

static struct copies copies;
static _Atomic bool over;
static _Atomic uint64_t reads;

/* Exactly one of the two groups holds everybody, whenever one looks. */
static void *
read_on(void *arg)
{
	struct roster_id one = id_of(1000), two = id_of(1001);
	uint64_t wrong = 0, n = 0;

	(void)arg;
	for (; !atomic_load(&over) || n == 0; n++) {
		struct visit visit;
		const struct graph *g = copies_enter(&copies, &visit);
		struct roster_id a = id_of(n % PAIRS), b = id_of((n * 7 + 3) % PAIRS);
		bool of_one = graph_has(g, &one, &a, false), of_two = graph_has(g, &two, &b, false);

		copies_leave(&visit);
		wrong += of_one == of_two;
	}
	atomic_fetch_add(&reads, n);
	return (void *)(uintptr_t)wrong;
}

struct turn {
	uint64_t from, to;
};

static void
move_all(struct graph *g, void *arg)
{
	const struct turn *turn = arg;
	struct roster_id from = id_of(turn->from), to = id_of(turn->to);

	for (uint64_t i = 0; i < PAIRS; i++) {
		struct roster_id member = id_of(i);

		graph_remove(g, &from, &member);
		graph_add(g, &to, &member, false);
	}
	graph_settle(g);
}

static struct graph *
full_graph(uint64_t group)
{
	struct graph *g = graph_new();
	struct turn turn = { .from = 999, .to = group };

	move_all(g, &turn);
	return g;
}

static void
readers_see_changes_whole(void **state)
{
	pthread_t threads[READERS];
	void *wrong;

	(void)state;
	copies_init(&copies);
	copies_replace(&copies, full_graph(1000));
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, NULL), 0);
	for (unsigned i = 0; i < CHANGES; i++) {
		struct turn turn = { .from = 1000 + i % 2, .to = 1001 - i % 2 };

		if (i % 20 == 19) /* a snapshot, for once */
			copies_replace(&copies, full_graph(turn.to));
		else
			copies_change(&copies, move_all, &turn);
	}
	atomic_store(&over, true);
	for (int i = 0; i < READERS; i++) {
		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_int_equal((uintptr_t)wrong, 0);
	}
	assert_true(atomic_load(&reads) >= READERS);
	copies_release(&copies);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_are_sets),
		cmocka_unit_test(copies_of_little_grow),
		cmocka_unit_test(random_changes_are_kept),
		cmocka_unit_test(readers_see_changes_whole),
	};
	const char *given = getenv("ROSTER_SEED");

	if (given != NULL)
		seed = strtoull(given, NULL, 10) * 2 + 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
