/* people: the bench's data as SCIM JSON lines, LDIF or lists.
 *
 *   people scim FIRST COUNT            users, with ids made from their numbers
 *   people ldif FIRST COUNT            the same people; with FIRST 0 the tree above them first
 *   people names FIRST COUNT           their user names
 *   people scim-group NAME NUMBER FIRST COUNT   one group line with these members
 *   people scim-groups NAME NUMBER FIRST COUNT PER   a line for each run of PER members, numbered from NUMBER
 *   people scim-group-but NAME NUMBER FIRST COUNT EVERY   without those whose number EVERY divides
 *   people ldif-group NAME FIRST COUNT groupOfNames
 *   people bulk TAG FIRST COUNT        one bulk request that creates them */
#include <stdio.h>
#include <stdlib.h>

#include "tools/bench/person.h"

#include "base/banned.h"

enum { KIND_USER = 1, KIND_GROUP = 2, FLUSH_AT = 1 << 20 };

static void
flush(struct buf *b, size_t keep)
{
	if (b->len > keep && fwrite(b->p, 1, b->len, stdout) != b->len) {
		perror("people: write");
		exit(1);
	}
	if (b->len > keep)
		buf_clear(b);
}

static uint64_t
number(const char *text)
{
	uint64_t v;

	if (!slice_to_u64(slice_of(text), 0, UINT64_C(1) << 40, &v)) {
		fprintf(stderr, "people: \"%s\" is not a number\n", text);
		exit(2);
	}
	return v;
}

static void
users(struct buf *out, char **arg)
{
	uint64_t first = number(arg[0]), end = first + number(arg[1]);
	struct person p;
	char id[BENCH_ID_SIZE];

	for (uint64_t i = first; i < end; i++) {
		person_make(&p, "", i);
		bench_id(id, KIND_USER, i);
		person_scim(out, &p, id);
		buf_char(out, '\n');
		flush(out, FLUSH_AT);
	}
}

static void
ldif(struct buf *out, char **arg)
{
	uint64_t first = number(arg[0]), end = first + number(arg[1]);
	struct person p;

	if (first == 0)
		BUF_LIT(out, "dn: dc=bench\nobjectClass: dcObject\nobjectClass: organization\ndc: bench\n"
			     "o: bench\n\ndn: ou=people,dc=bench\nobjectClass: organizationalUnit\nou: people\n\n"
			     "dn: ou=groups,dc=bench\nobjectClass: organizationalUnit\nou: groups\n\n");
	for (uint64_t i = first; i < end; i++) {
		person_make(&p, "", i);
		person_ldif(out, &p);
		flush(out, FLUSH_AT);
	}
}

static void
names(struct buf *out, char **arg)
{
	uint64_t first = number(arg[0]), end = first + number(arg[1]);
	struct person p;

	for (uint64_t i = first; i < end; i++) {
		person_make(&p, "", i);
		buf_slice(out, slice_of(p.user_name));
		buf_char(out, '\n');
		flush(out, FLUSH_AT);
	}
}

static void
one_group(struct buf *out, const char *name, uint64_t group, uint64_t first, uint64_t end, uint64_t but)
{
	char id[BENCH_ID_SIZE];
	const char *comma = "";

	bench_id(id, KIND_GROUP, group);
	buf_printf(out, "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:Group\"],\"id\":\"%s\","
			"\"displayName\":\"%s\",\"members\":[", id, name);
	for (uint64_t i = first; i < end; i++) {
		if (but > 0 && i % but == 0)
			continue;
		bench_id(id, KIND_USER, i);
		buf_printf(out, "%s{\"value\":\"%s\",\"type\":\"User\"}", comma, id);
		comma = ",";
		flush(out, FLUSH_AT);
	}
	BUF_LIT(out, "]}\n");
}

static void
scim_group(struct buf *out, char **arg)
{
	uint64_t first = number(arg[2]);

	one_group(out, arg[0], number(arg[1]), first, first + number(arg[3]), 0);
}

static void
scim_group_but(struct buf *out, char **arg)
{
	uint64_t first = number(arg[2]);

	one_group(out, arg[0], number(arg[1]), first, first + number(arg[3]), number(arg[4]));
}

static void
scim_groups(struct buf *out, char **arg)
{
	uint64_t group = number(arg[1]), first = number(arg[2]), end = first + number(arg[3]), per = number(arg[4]);
	char name[80];

	for (; first < end && per > 0; first += per, group++) {
		snprintf(name, sizeof(name), "%.50s %llu", arg[0], (unsigned long long)group);
		one_group(out, name, group, first, first + per < end ? first + per : end, 0);
	}
}

static void
ldif_group(struct buf *out, char **arg)
{
	uint64_t first = number(arg[1]), end = first + number(arg[2]);
	struct person p;

	buf_printf(out, "dn: cn=%s,ou=groups,dc=bench\nobjectClass: groupOfNames\ncn: %s\n", arg[0], arg[0]);
	for (uint64_t i = first; i < end; i++) {
		person_make(&p, "", i);
		BUF_LIT(out, "member: ");
		person_dn(out, &p);
		buf_char(out, '\n');
		flush(out, FLUSH_AT);
	}
	buf_char(out, '\n');
}

static void
bulk(struct buf *out, char **arg)
{
	uint64_t first = number(arg[1]), end = first + number(arg[2]);
	struct person p;

	BUF_LIT(out, "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:BulkRequest\"],\"Operations\":[");
	for (uint64_t i = first; i < end; i++) {
		person_make(&p, arg[0], i);
		buf_printf(out, "%s{\"method\":\"POST\",\"path\":\"/Users\",\"bulkId\":\"u%llu\",\"data\":",
			i > first ? "," : "", (unsigned long long)i);
		person_scim(out, &p, NULL);
		buf_char(out, '}');
		flush(out, FLUSH_AT);
	}
	BUF_LIT(out, "]}");
}

static const struct {
	const char *name;
	void (*run)(struct buf *out, char **arg);
	int arguments;
} formats[] = {
	{ "scim", users, 2 },
	{ "ldif", ldif, 2 },
	{ "names", names, 2 },
	{ "scim-group", scim_group, 4 },
	{ "scim-groups", scim_groups, 5 },
	{ "scim-group-but", scim_group_but, 5 },
	{ "ldif-group", ldif_group, 3 },
	{ "bulk", bulk, 3 },
};

int
main(int argc, char **argv)
{
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (argc < 2 || strcmp(argv[1], formats[i].name) != 0)
			continue;
		if (argc - 2 != formats[i].arguments)
			break;
		formats[i].run(&out, argv + 2);
		flush(&out, 0);
		buf_release(&out);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	fprintf(stderr, "usage: people scim|ldif|names FIRST COUNT | scim-group NAME NUMBER FIRST COUNT |\n"
			"       scim-groups NAME NUMBER FIRST COUNT PER | scim-group-but NAME NUMBER FIRST COUNT EVERY |\n"
			"       ldif-group NAME FIRST COUNT | bulk TAG FIRST COUNT\n");
	return 2;
}
