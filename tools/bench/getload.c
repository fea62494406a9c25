/* getload: how many random gets of ids LMDB alone does in a second: what a batch of checks is measured beside. See usage(). */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/slice.h"
#include "base/uuid.h"

#include "base/banned.h"

enum { FILE_BYTES_MAX = 1 << 30 };

struct ids {
	struct uuid *id;
	uint64_t count;
};

static void
must(int rc, const char *what)
{
	if (rc != 0) {
		fprintf(stderr, "getload: %s: %s\n", what, mdb_strerror(rc));
		exit(1);
	}
}

static double
clock_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct ids
read_ids(const char *file)
{
	FILE *f = fopen(file, "r");
	char line[64];
	struct ids ids = { NULL, 0 };
	uint64_t cap = 0;

	if (f == NULL)
		must(MDB_NOTFOUND, file);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (ids.count == cap) {
			cap = cap == 0 ? 1024 : cap * 2;
			if ((ids.id = realloc(ids.id, cap * sizeof(*ids.id))) == NULL)
				abort();
		}
		if (uuid_parse((struct slice){ line, UUID_TEXT }, &ids.id[ids.count]))
			ids.count++;
	}
	fclose(f);
	return ids;
}

/* As rosterd keeps them: the id and 8 bytes. */
static void
fill(MDB_env *env, MDB_dbi *dbi, const struct ids *ids)
{
	MDB_txn *t;

	must(mdb_txn_begin(env, NULL, 0, &t), "begin");
	must(mdb_dbi_open(t, "id", MDB_CREATE, dbi), "open");
	for (uint64_t i = 0; i < ids->count; i++) {
		MDB_val k = { sizeof(ids->id[i]), &ids->id[i] }, v = { sizeof(i), &i };

		must(mdb_put(t, *dbi, &k, &v, 0), "put");
	}
	must(mdb_txn_commit(t), "commit");
}

static double
measure(MDB_env *env, MDB_dbi dbi, const struct ids *ids, double seconds)
{
	uint64_t random = 88172645463325252u, done = 0;
	double begin = clock_s(), now;
	MDB_txn *t;

	must(mdb_txn_begin(env, NULL, MDB_RDONLY, &t), "begin");
	do {
		for (int i = 0; i < 1000; i++, done++) {
			MDB_val k = { sizeof(struct uuid), NULL }, v;

			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			k.mv_data = &ids->id[random % ids->count];
			must(mdb_get(t, dbi, &k, &v), "get");
		}
		now = clock_s();
	} while (now - begin < seconds);
	mdb_txn_abort(t);
	return (double)done / (now - begin);
}

int
main(int argc, char **argv)
{
	struct ids ids;
	MDB_env *env;
	MDB_dbi dbi;

	if (argc != 4) {
		fprintf(stderr, "usage: getload IDS DIRECTORY SECONDS\n"
				"Puts the ids of a file into a store in an empty directory, and prints random gets a second.\n");
		return 2;
	}
	ids = read_ids(argv[1]);
	must(mdb_env_create(&env), "environment");
	must(mdb_env_set_mapsize(env, FILE_BYTES_MAX), "map size");
	must(mdb_env_set_maxdbs(env, 1), "databases");
	must(mdb_env_open(env, argv[2], MDB_NOSYNC, 0600), argv[2]);
	fill(env, &dbi, &ids);
	printf("%.0f\n", measure(env, dbi, &ids, strtod(argv[3], NULL)));
	mdb_env_close(env);
	free(ids.id);
	return 0;
}
