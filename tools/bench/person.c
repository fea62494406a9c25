#include "tools/bench/person.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/banned.h"

static const char *const given_names[] = { "Ada", "Bjarne", "Chiara", "Dmitri", "Esther", "Farid", "Grace",
	"Hiro", "Ines", "Jonas", "Kofi", "Leila", "Marta", "Noor", "Oskar", "Priya", "Quentin", "Rosa",
	"Stefan", "Tomoko", "Umar", "Vera", "Wanda", "Xavier", "Yusuf", "Zoe" };
static const char *const family_names[] = { "Almeida", "Bauer", "Castellanos", "Dubois", "Eriksson",
	"Fischer", "Garcia", "Hoffmann", "Ivanova", "Jensen", "Kowalski", "Lindqvist", "Moreau",
	"Nakamura", "Okafor", "Petrov", "Quispe", "Rossi", "Schneider", "Tanaka", "Ueda", "Virtanen",
	"Weber", "Xu", "Yilmaz", "Zhang", "Andersson", "Brennan", "Costa" };
static const char *const titles[] = { "Engineer", "Senior Engineer", "Analyst", "Account Manager",
	"Designer", "Director", "Consultant" };
static const char *const departments[] = { "Engineering", "Sales", "Finance", "Operations", "Support" };

#define PICK(list, n) ((list)[(n) % (sizeof(list) / sizeof((list)[0]))])

void
person_make(struct person *p, const char *tag, uint64_t number)
{
	snprintf(p->tag, sizeof(p->tag), "%s", tag);
	p->number = number;
	p->given = PICK(given_names, number);
	p->family = PICK(family_names, number / 3);
	p->title = PICK(titles, number / 5);
	p->department = PICK(departments, number / 7);
	snprintf(p->user_name, sizeof(p->user_name), "%s%.12s.%.12s.%" PRIu64 "@corp.example", p->tag,
		p->given, p->family, number);
	snprintf(p->employee, sizeof(p->employee), "%s%" PRIu64, p->tag, number);
	snprintf(p->phone, sizeof(p->phone), "+49-30-%07u", (unsigned)(number % 10000000));
}

void
person_scim(struct buf *out, const struct person *p, const char *id)
{
	BUF_LIT(out, "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\","
		     "\"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"],");
	if (id != NULL)
		buf_printf(out, "\"id\":\"%s\",", id);
	buf_printf(out,
		"\"userName\":\"%s\",\"externalId\":\"hr-%s\",\"name\":{\"givenName\":\"%s\","
		"\"familyName\":\"%s\",\"formatted\":\"%s %s\"},\"displayName\":\"%s %s\","
		"\"title\":\"%s\",\"preferredLanguage\":\"en-US\",\"active\":true,"
		"\"emails\":[{\"value\":\"%s\",\"type\":\"work\",\"primary\":true}],"
		"\"phoneNumbers\":[{\"value\":\"%s\",\"type\":\"work\"}],"
		"\"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\":"
		"{\"employeeNumber\":\"%s\",\"department\":\"%s\"}}",
		p->user_name, p->employee, p->given, p->family, p->given, p->family, p->given, p->family,
		p->title, p->user_name, p->phone, p->employee, p->department);
}

void
person_dn(struct buf *out, const struct person *p)
{
	buf_printf(out, "uid=%s,ou=people,dc=bench", p->user_name);
}

void
person_ldif(struct buf *out, const struct person *p)
{
	BUF_LIT(out, "dn: ");
	person_dn(out, p);
	buf_printf(out,
		"\nobjectClass: inetOrgPerson\nuid: %s\ncn: %s %s\nsn: %s\ngivenName: %s\n"
		"displayName: %s %s\nmail: %s\nemployeeNumber: %s\ntitle: %s\ntelephoneNumber: %s\n"
		"departmentNumber: %s\npreferredLanguage: en-US\n\n",
		p->user_name, p->given, p->family, p->family, p->given, p->given, p->family, p->user_name,
		p->employee, p->title, p->phone, p->department);
}

void
bench_id(char out[BENCH_ID_SIZE], unsigned kind, uint64_t number)
{
	/* Version 7 and variant bits in place, the number in the time field: rising with it. */
	snprintf(out, BENCH_ID_SIZE, "%08x-%04x-7000-8%03x-%04x%08x",
		(0x01900000u + (unsigned)(number >> 16)) & 0xffffffffu, (unsigned)(number & 0xffff), kind & 0xfff,
		(unsigned)(number >> 32 & 0xffff), (unsigned)(number & 0xffffffff));
}
