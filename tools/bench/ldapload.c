/* ldapload: the LDAP peer of rload. A thread and a connection each, one operation under way a connection. See usage(). */
#include <getopt.h>
#include <lber.h>
#include <ldap.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tools/bench/histogram.h"
#include "tools/bench/person.h"

#include "base/banned.h"

enum { CONNECTIONS_MAX = 1024, WINDOW_MAX = 128, ANSWER_SECONDS = 60 };

static const char *uri, *operation, *group = "big", *password;
static double seconds = 5;
static uint64_t people = 1000;
static char tag[24];
static uint64_t window = 1;
static _Atomic uint64_t next_number;
static pthread_barrier_t ready;

struct lane {
	pthread_t id;
	LDAP *ldap;
	uint64_t random, done;
	uint64_t started[WINDOW_MAX]; /* of compares, in order: slapd answers in any, the histogram does not mind */
	struct histogram latency;
};

static uint64_t
clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
must(int rc, const char *what)
{
	if (rc != LDAP_SUCCESS) {
		fprintf(stderr, "ldapload: %s: %s\n", what, ldap_err2string(rc));
		exit(1);
	}
}

static LDAP *
dial(void)
{
	LDAP *ld;
	int version = LDAP_VERSION3;
	char *copy = strdup(password);
	struct berval secret = { strlen(copy), copy };

	must(ldap_initialize(&ld, uri), "initialize");
	ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
	must(ldap_sasl_bind_s(ld, "cn=admin,dc=bench", LDAP_SASL_SIMPLE, &secret, NULL, NULL, NULL), "bind");
	free(copy);
	return ld;
}

/* libldap takes what it only reads as char *. */
#define MUTABLE(text) ((char *)(uintptr_t)(text))

enum { ATTRS_MAX = 16 };

struct entry {
	LDAPMod mods[ATTRS_MAX], *list[ATTRS_MAX + 1];
	char *values[ATTRS_MAX][2];
	int count;
};

static void
entry_put(struct entry *e, const char *type, const char *value)
{
	int i = e->count++;

	e->values[i][0] = MUTABLE(value);
	e->mods[i].mod_op = LDAP_MOD_ADD;
	e->mods[i].mod_type = MUTABLE(type);
	e->mods[i].mod_values = e->values[i];
	e->list[i] = &e->mods[i];
}

static int
send_add(LDAP *ld, int *id)
{
	struct person p;
	struct buf dn = BUF_INIT;
	struct entry e = { .count = 0 };
	char cn[64];
	int rc;

	person_make(&p, tag, atomic_fetch_add(&next_number, 1));
	person_dn(&dn, &p);
	buf_char(&dn, '\0');
	snprintf(cn, sizeof(cn), "%.30s %.30s", p.given, p.family);
	entry_put(&e, "objectClass", "inetOrgPerson");
	entry_put(&e, "uid", p.user_name);
	entry_put(&e, "cn", cn);
	entry_put(&e, "sn", p.family);
	entry_put(&e, "givenName", p.given);
	entry_put(&e, "displayName", cn);
	entry_put(&e, "mail", p.user_name);
	entry_put(&e, "employeeNumber", p.employee);
	entry_put(&e, "title", p.title);
	entry_put(&e, "telephoneNumber", p.phone);
	entry_put(&e, "departmentNumber", p.department);
	entry_put(&e, "preferredLanguage", "en-US");
	rc = ldap_add_ext(ld, dn.p, e.list, NULL, NULL, id);
	buf_release(&dn);
	return rc;
}

static int
send_search(struct lane *lane, int *id)
{
	struct person p;
	char filter[96];

	lane->random ^= lane->random << 13;
	lane->random ^= lane->random >> 7;
	lane->random ^= lane->random << 17;
	person_make(&p, "", lane->random % people);
	snprintf(filter, sizeof(filter), "(uid=%s)", p.user_name);
	return ldap_search_ext(lane->ldap, "ou=people,dc=bench", LDAP_SCOPE_SUBTREE, filter, NULL, 0, NULL, NULL,
		NULL, 1, id);
}

static int
send_member(LDAP *ld, int *id)
{
	struct person p;
	struct buf member = BUF_INIT;
	struct entry e = { .count = 0 };
	char dn[128];
	int rc;

	person_make(&p, tag, atomic_fetch_add(&next_number, 1));
	person_dn(&member, &p);
	buf_char(&member, '\0');
	snprintf(dn, sizeof(dn), "cn=%s,ou=groups,dc=bench", group);
	entry_put(&e, "member", member.p);
	rc = ldap_modify_ext(ld, dn, e.list, NULL, NULL, id);
	buf_release(&member);
	return rc;
}

/* Whether somebody of the first `people` is in the group, who is. */
static void
send_compare(struct lane *lane)
{
	struct buf member = BUF_INIT;
	struct berval value;
	struct person p;
	char dn[128];
	int id;

	lane->random ^= lane->random << 13;
	lane->random ^= lane->random >> 7;
	lane->random ^= lane->random << 17;
	person_make(&p, "", lane->random % people);
	person_dn(&member, &p);
	value = (struct berval){ member.len, member.p };
	snprintf(dn, sizeof(dn), "cn=%s,ou=groups,dc=bench", group);
	must(ldap_compare_ext(lane->ldap, dn, "member", &value, NULL, NULL, &id), "compare");
	buf_release(&member);
}

static void
take_compare(struct lane *lane)
{
	struct timeval limit = { ANSWER_SECONDS, 0 };
	LDAPMessage *answer;
	int rc = LDAP_SUCCESS;

	if (ldap_result(lane->ldap, LDAP_RES_ANY, LDAP_MSG_ONE, &limit, &answer) <= 0)
		must(LDAP_TIMEOUT, "answer");
	must(ldap_parse_result(lane->ldap, answer, &rc, NULL, NULL, NULL, NULL, 1), "answer");
	if (rc != LDAP_COMPARE_TRUE)
		must(rc == LDAP_SUCCESS ? LDAP_OTHER : rc, "compare");
}

/* `window` compares are under way at any time. */
static void
compare(struct lane *lane, uint64_t end)
{
	uint64_t now = clock_ns();

	for (uint64_t i = 0; i < window; i++) {
		lane->started[i] = now;
		send_compare(lane);
	}
	for (uint64_t i = 0; (now = clock_ns()) < end; i++) {
		take_compare(lane);
		histogram_add(&lane->latency, clock_ns() - lane->started[i % window]);
		lane->started[i % window] = clock_ns();
		lane->done++;
		send_compare(lane);
	}
	for (uint64_t i = 0; i < window; i++)
		take_compare(lane);
}

static void
one(struct lane *lane)
{
	struct timeval limit = { ANSWER_SECONDS, 0 };
	bool search = strcmp(operation, "search") == 0;
	LDAPMessage *answer;
	int id = 0, rc = LDAP_SUCCESS;

	if (search)
		must(send_search(lane, &id), "search");
	else if (strcmp(operation, "add") == 0)
		must(send_add(lane->ldap, &id), "add");
	else
		must(send_member(lane->ldap, &id), "member");
	if (ldap_result(lane->ldap, id, LDAP_MSG_ALL, &limit, &answer) <= 0)
		must(LDAP_TIMEOUT, "answer");
	must(ldap_parse_result(lane->ldap, answer, &rc, NULL, NULL, NULL, NULL, 0), "answer");
	must(rc, operation);
	if (search && ldap_count_entries(lane->ldap, answer) != 1)
		must(LDAP_NO_SUCH_OBJECT, "search");
	ldap_msgfree(answer);
}

static void *
lane_main(void *arg)
{
	struct lane *lane = arg;
	uint64_t now, end;

	lane->ldap = dial();
	pthread_barrier_wait(&ready);
	now = clock_ns();
	end = now + (uint64_t)(seconds * 1e9);
	if (strcmp(operation, "compare") == 0) {
		compare(lane, end);
		now = end;
	}
	while (now < end) {
		uint64_t start = now;

		one(lane);
		now = clock_ns();
		if (now <= end) {
			histogram_add(&lane->latency, now - start);
			lane->done++;
		}
	}
	ldap_unbind_ext_s(lane->ldap, NULL, NULL);
	return NULL;
}

static void
usage(void)
{
	fprintf(stderr, "usage: ldapload [-c CONNECTIONS] [-d SECONDS] [-g GROUP] [-n PEOPLE] [-p WINDOW] URI OPERATION\n"
			"OPERATION: add, search, member (adds one), compare (member; WINDOW under way on each)\n"
			"Closed-loop LDAP load below dc=bench; prints one JSON object. The environment's\n"
			"LDAPLOAD_PASSWORD is that of cn=admin,dc=bench.\n");
	exit(2);
}

static unsigned
parse_options(int argc, char **argv)
{
	uint64_t connections = 64;
	int c;

	while ((c = getopt(argc, argv, "c:d:g:n:p:")) != -1) {
		if (c == 'c' && slice_to_u64(slice_of(optarg), 1, CONNECTIONS_MAX, &connections))
			continue;
		if (c == 'n' && slice_to_u64(slice_of(optarg), 1, UINT32_MAX, &people))
			continue;
		if (c == 'p' && slice_to_u64(slice_of(optarg), 1, WINDOW_MAX, &window))
			continue;
		if (c == 'd' && (seconds = strtod(optarg, NULL)) > 0)
			continue;
		if (c != 'g')
			usage();
		group = optarg;
	}
	password = getenv("LDAPLOAD_PASSWORD");
	if (argc - optind != 2 || password == NULL)
		usage();
	uri = argv[optind];
	operation = argv[optind + 1];
	if (strcmp(operation, "add") != 0 && strcmp(operation, "search") != 0 && strcmp(operation, "member") != 0 &&
		strcmp(operation, "compare") != 0)
		usage();
	return (unsigned)connections;
}

int
main(int argc, char **argv)
{
	static struct histogram sum;
	unsigned connections = parse_options(argc, argv);
	struct lane *lanes = calloc(connections, sizeof(*lanes));
	int never = LDAP_OPT_X_TLS_NEVER;
	uint64_t done = 0;

	/* A self-signed certificate on loopback is not looked at. */
	ldap_set_option(NULL, LDAP_OPT_X_TLS_REQUIRE_CERT, &never);
	snprintf(tag, sizeof(tag), "n%x%llx-", (unsigned)getpid() & 0xffff,
		(unsigned long long)(clock_ns() & 0xffffff));
	if (lanes == NULL || pthread_barrier_init(&ready, NULL, connections) != 0)
		return 1;
	for (unsigned i = 0; i < connections; i++) {
		lanes[i].random = (uint64_t)getpid() * 65536 + i + 1;
		if (pthread_create(&lanes[i].id, NULL, lane_main, &lanes[i]) != 0)
			return 1;
	}
	for (unsigned i = 0; i < connections; i++) {
		pthread_join(lanes[i].id, NULL);
		done += lanes[i].done;
		histogram_merge(&sum, &lanes[i].latency);
	}
	printf("{\"streams\":[{\"name\":\"%s\",\"connections\":%u,\"requests\":%llu,\"errors\":0,\"rate\":%.1f,"
	       "\"latency_us\":{\"p50\":%.1f,\"p95\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}}]}\n",
		operation, connections, (unsigned long long)done, (double)done / seconds,
		(double)histogram_quantile(&sum, 0.5) / 1e3, (double)histogram_quantile(&sum, 0.95) / 1e3,
		(double)histogram_quantile(&sum, 0.99) / 1e3, (double)histogram_quantile(&sum, 0.999) / 1e3,
		(double)sum.max / 1e3);
	free(lanes);
	return done > 0 ? 0 : 1;
}
