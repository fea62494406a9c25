/* The people of the bench: person n is the same one as SCIM JSON and as LDIF, so that rosterd and its
 * peers keep the same data. */
#ifndef BENCH_PERSON_H
#define BENCH_PERSON_H

#include "base/buf.h"

struct person {
	uint64_t number;
	char tag[24];        /* in front of the user name: "" for people that were loaded, else unique to a run */
	char user_name[64];  /* "tag.given.family.number@corp.example" */
	const char *given, *family, *title, *department;
	char employee[48], phone[24];
};

void person_make(struct person *p, const char *tag, uint64_t number);

/* A SCIM User with EnterpriseUser, on one line without a line end; id may be NULL. */
void person_scim(struct buf *out, const struct person *p, const char *id);

/* inetOrgPerson below ou=people,dc=bench, with the blank line behind it. */
void person_ldif(struct buf *out, const struct person *p);
void person_dn(struct buf *out, const struct person *p);

/* A UUID that is the same for the same (kind, number) in each run: references within an import file. */
enum { BENCH_ID_SIZE = 37 };
void bench_id(char out[BENCH_ID_SIZE], unsigned kind, uint64_t number);

#endif
