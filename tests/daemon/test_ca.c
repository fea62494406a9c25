/* The certificate authority of an org. What it makes is looked at by the openssl command in
 * tests/system/test_ca.py, which runs this program with arguments:
 *
 *   test_ca create DIR KEY NAME                       DIR/ca.pem, DIR/ca.der, DIR/ca.key (sealed)
 *   test_ca issue DIR KIND UUID NAME DAYS URL [CSR]   DIR/cert.pem, DIR/cert.key; prints the serial
 * number test_ca crl DIR NUMBER [SERIAL=REASON...]         DIR/crl.pem, DIR/crl.der test_ca verify
 * DIR CERTIFICATE [SERIAL]           DER; prints kind, uuid, serial; SERIAL is revoked test_ca open
 * DIR -                                DIR/plain.der: the key as it is never to be seen
 *
 * An error is printed as CODE PATH: SENTENCE. */
#include "tests/daemon/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "daemon/ca.h"

#define ID "01890a5d-ac96-774b-bcce-b302099a8057"

static char directory[] = "/tmp/rosterd-ca-XXXXXX";
static const int64_t now = 1800000000, day = 86400;
static const struct ca_org acme = { 7, SLICE_INIT("acme"), SLICE_INIT("Acme Inc.") };
static const struct ca_org other = { 8, SLICE_INIT("other"), SLICE_INIT("") };

struct fixture {
	struct arena *a;
	struct seal *seal;
	struct ca_authority acme, other;
};

static struct ca_request
request_for(enum ca_kind kind, int64_t days)
{
	struct ca_request r = { .kind = kind, .name = SLICE("Ada"), .not_after = now + days * day };

	assert_true(uuid_parse(SLICE(ID), &r.id));
	return r;
}

static struct ca_certificate
issued(const struct fixture *f, enum ca_kind kind, int64_t days)
{
	struct ca_request r = request_for(kind, days);
	struct ca_certificate c;
	struct err err = ERR_INIT;

	if (ca_issue(f->seal, &acme, &f->acme, &r, now, f->a, &c, &err) != RC_OK)
		failed("%s: %s", err.path, err.detail);
	return c;
}

static enum rc
none_revoked(void *arg, const struct ca_serial *serial, bool *revoked, struct err *err)
{
	const struct ca_serial *gone = arg;

	(void)err;
	*revoked = gone != NULL && memcmp(gone, serial, sizeof(*gone)) == 0;
	return RC_OK;
}

static enum rc
store_is_broken(void *arg, const struct ca_serial *serial, bool *revoked, struct err *err)
{
	(void)arg, (void)serial, (void)revoked;
	return fail(err, RC_UNAVAILABLE, "", "no store");
}

static void
refused(const struct fixture *f, struct slice der, struct slice authority, int64_t when, void *gone,
	const char *word)
{
	struct ca_subject s;
	struct err err = ERR_INIT;

	(void)f;
	assert_int_equal(
		ca_verify(der, authority, when, none_revoked, gone, &s, &err), RC_UNAUTHORIZED);
	if (strstr(err.detail, word) == NULL)
		failed("\"%s\" is not in \"%s\"", word, err.detail);
}

static void
a_certificate_says_who_it_is(void **state)
{
	const struct fixture *f = *state;
	static const enum ca_kind kinds[] = { CA_MEMBER, CA_SERVICE };
	struct err err = ERR_INIT;

	for (size_t i = 0; i < 2; i++) {
		struct ca_certificate c = issued(f, kinds[i], 30);
		struct ca_subject s;
		char id[UUID_TEXT];

		if (ca_verify(c.der, f->acme.certificate, now, none_revoked, NULL, &s, &err) !=
			RC_OK)
			failed("%s", err.detail);
		uuid_format(&s.id, id);
		assert_memory_equal(id, ID, UUID_TEXT);
		assert_int_equal(s.kind, kinds[i]);
		assert_memory_equal(&s.serial, &c.serial, sizeof(s.serial));
		assert_int_equal(s.not_after, now + 30 * day);
		assert_int_equal(c.not_after, now + 30 * day);
		assert_true(c.private_key.len > 0);
	}
}

static void
serials_are_not_repeated(void **state)
{
	const struct fixture *f = *state;
	struct ca_certificate a = issued(f, CA_MEMBER, 1), b = issued(f, CA_MEMBER, 1);

	assert_memory_not_equal(&a.serial, &b.serial, sizeof(a.serial));
	assert_true(a.serial.bytes[0] > 0 && a.serial.bytes[0] < 0x80);
}

static void
others_are_refused(void **state)
{
	const struct fixture *f = *state;
	struct ca_certificate c = issued(f, CA_MEMBER, 30);
	struct ca_serial gone = c.serial;
	struct ca_subject s;
	struct err err = ERR_INIT;
	char *copy;

	refused(f, c.der, f->other.certificate, now, NULL, "issuer");
	refused(f, c.der, f->acme.certificate, now + 31 * day, NULL, "expired");
	refused(f, c.der, f->acme.certificate, now - day, NULL, "not yet valid");
	refused(f, c.der, f->acme.certificate, now, &gone, "revoked");
	refused(f, f->acme.certificate, f->acme.certificate, now, NULL, "purpose");
	refused(f, (struct slice){ NULL, 0 }, f->acme.certificate, now, NULL, "can't be read");
	copy = arena_alloc(f->a, c.der.len + 1);
	memcpy(copy, c.der.p, c.der.len);
	copy[c.der.len] = 0;
	refused(f, (struct slice){ copy, c.der.len + 1 }, f->acme.certificate, now, NULL,
		"can't be read");
	copy[c.der.len - 1] ^= 1; /* the signature's last byte */
	refused(f, (struct slice){ copy, c.der.len }, f->acme.certificate, now, NULL, "signature");
	assert_int_equal(
		ca_verify(c.der, f->acme.certificate, now, store_is_broken, NULL, &s, &err),
		RC_UNAVAILABLE);
}

static void
ends_are_bounded(void **state)
{
	const struct fixture *f = *state;
	struct ca_request r = request_for(CA_MEMBER, 0);
	int64_t end = now + 315576000; /* ten years of the authority */
	struct ca_certificate c;
	struct err err = ERR_INIT;

	assert_int_equal(
		ca_issue(f->seal, &acme, &f->acme, &r, now, f->a, &c, &err), RC_INVALID_VALUE);
	assert_string_equal(err.path, "notAfter");
	r.not_after = now + CA_DAYS_MAX * day + 1;
	assert_int_equal(
		ca_issue(f->seal, &acme, &f->acme, &r, now, f->a, &c, &err), RC_INVALID_VALUE);
	assert_non_null(strstr(err.detail, "825"));
	r.not_after = now + CA_DAYS_MAX * day;
	assert_int_equal(ca_issue(f->seal, &acme, &f->acme, &r, now, f->a, &c, &err), RC_OK);
	r.not_after = end + 1;
	assert_int_equal(ca_issue(f->seal, &acme, &f->acme, &r, end - 50 * day, f->a, &c, &err),
		RC_INVALID_VALUE);
	assert_non_null(strstr(err.detail, "50 days"));
	assert_int_equal(ca_issue(f->seal, &acme, &f->acme, &r, end, f->a, &c, &err), RC_CONFLICT);
	r.not_after = end;
	assert_int_equal(
		ca_issue(f->seal, &acme, &f->acme, &r, end - 50 * day, f->a, &c, &err), RC_OK);
}

static void
facts_are_those_of_the_certificate(void **state)
{
	const struct fixture *f = *state;
	struct ca_certificate c = issued(f, CA_MEMBER, 3);
	struct slice der, pem;
	struct ca_facts facts;
	struct err err = ERR_INIT;

	assert_int_equal(ca_facts_read(c.der, &facts, &err), RC_OK);
	assert_memory_equal(&facts.serial, &c.serial, sizeof(c.serial));
	assert_int_equal(facts.not_before, c.not_before);
	assert_int_equal(facts.not_after, now + 3 * day);
	assert_int_equal(ca_certificate_der(f->a, c.pem, &der, &err), RC_OK);
	assert_true(slice_eq(der, c.der));
	assert_int_equal(ca_certificate_pem(f->a, c.der, &pem, &err), RC_OK);
	assert_true(slice_eq(pem, c.pem));
	assert_int_equal(ca_facts_read(c.pem, &facts, &err), RC_INTERNAL);
	assert_int_equal(ca_certificate_der(f->a, c.der, &der, &err), RC_INTERNAL);
}

static void
keys_stay_in_their_org(void **state)
{
	const struct fixture *f = *state;
	struct ca_request r = request_for(CA_MEMBER, 1);
	struct ca_authority mixed = { f->acme.certificate, f->other.sealed_key };
	struct ca_certificate c;
	struct err err = ERR_INIT;

	assert_int_equal(ca_issue(f->seal, &other, &f->acme, &r, now, f->a, &c, &err), RC_INTERNAL);
	assert_int_equal(ca_issue(f->seal, &other, &mixed, &r, now, f->a, &c, &err), RC_INTERNAL);
	assert_non_null(strstr(err.detail, "not of its key"));
}

static void
serials_and_reasons_as_text(void **state)
{
	static const char text[] = "0102030405060708090a0b0c0d0e0fFF";
	enum ca_reason reason;
	char back[CA_SERIAL_TEXT];
	struct ca_serial s;

	(void)state;
	assert_true(ca_serial_parse(SLICE(text), &s));
	assert_int_equal(s.bytes[15], 255);
	ca_serial_format(&s, back);
	assert_memory_equal(back, "0102030405060708090a0b0c0d0e0fff", CA_SERIAL_TEXT);
	assert_false(ca_serial_parse(SLICE("0102"), &s));
	assert_false(ca_serial_parse(SLICE("0102030405060708090a0b0c0d0e0f0g"), &s));
	assert_false(
		ca_serial_parse((struct slice){ "0102030405060708090a0b0c0d0e0f0\0", 32 }, &s));
	assert_true(ca_reason_parse(SLICE("superseded"), &reason));
	assert_int_equal(reason, 4);
	assert_string_equal(ca_reason_text(CA_PRIVILEGE_WITHDRAWN), "privilegeWithdrawn");
	assert_false(ca_reason_parse(SLICE("cACompromise"), &reason));
}

static int
setup(void **state)
{
	static struct fixture f;
	struct err err = ERR_INIT;

	f.a = arena_new();
	*state = &f;
	return mkdtemp(directory) != NULL &&
			       seal_new(directory, NULL, NULL, &f.seal, &err) == RC_OK &&
			       ca_create(f.seal, &acme, now, f.a, &f.acme, &err) == RC_OK &&
			       ca_create(f.seal, &other, now, f.a, &f.other, &err) == RC_OK
		       ? 0
		       : -1;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char name[64];

	seal_free(f->seal);
	arena_free(f->a);
	(void)snprintf(name, sizeof(name), "%s/seal.key", directory);
	return unlink(name) == 0 && rmdir(directory) == 0 ? 0 : -1;
}

/* ---- A client ---- */

static struct slice
file_read(struct arena *a, const char *folder, const char *name)
{
	char *path = folder != NULL ? arena_printf(a, "%s/%s", folder, name)
				    : arena_printf(a, "%s", name);
	char *bytes = arena_alloc(a, 65536);
	FILE *f = fopen(path, "rb");
	size_t n;

	if (f == NULL) {
		perror(path);
		exit(2);
	}
	n = fread(bytes, 1, 65536, f);
	(void)fclose(f);
	return (struct slice){ bytes, n };
}

static void
file_write(struct arena *a, const char *folder, const char *name, struct slice s)
{
	FILE *f = fopen(arena_printf(a, "%s/%s", folder, name), "wb");

	if (f == NULL || (s.len > 0 && fwrite(s.p, 1, s.len, f) != s.len) || fclose(f) != 0)
		exit(2);
}

static enum rc
client_issue(struct fixture *f, const struct ca_org *org, char **argv, struct err *err)
{
	struct ca_request r = { .kind = strcmp(argv[3], "service") == 0 ? CA_SERVICE : CA_MEMBER,
		.name = slice_of(argv[5]),
		.not_after = time(NULL) + (int64_t)strtoul(argv[6], NULL, 10) * day,
		.crl_url = slice_of(argv[7]) };
	char serial[CA_SERIAL_TEXT];
	struct ca_certificate c;
	enum rc rc;

	if (!uuid_parse(slice_of(argv[4]), &r.id))
		return fail(err, RC_INVALID_VALUE, "uuid", "malformed");
	if (argv[8] != NULL)
		r.csr = file_read(f->a, NULL, argv[8]);
	if ((rc = ca_issue(f->seal, org, &f->acme, &r, time(NULL), f->a, &c, err)) != RC_OK)
		return rc;
	file_write(f->a, argv[2], "cert.pem", c.pem);
	file_write(f->a, argv[2], "cert.key", c.private_key);
	ca_serial_format(&c.serial, serial);
	(void)printf("%.*s\n", CA_SERIAL_TEXT, serial);
	return RC_OK;
}

static enum rc
client_crl(struct fixture *f, const struct ca_org *org, char **argv, struct err *err)
{
	struct ca_revoked list[2000];
	struct ca_crl crl;
	size_t n = 0;
	enum rc rc;

	for (char **p = argv + 4; *p != NULL; p++, n++) {
		struct slice rest = slice_of(*p), serial, reason;

		list[n].when = time(NULL) - 60;
		if (!slice_split(&rest, '=', &serial) || !slice_split(&rest, '=', &reason) ||
			!ca_serial_parse(serial, &list[n].serial) ||
			!ca_reason_parse(reason, &list[n].reason))
			return fail(err, RC_INVALID_VALUE, "entry", "malformed");
	}
	rc = ca_crl_make(f->seal, org, &f->acme, list, n, strtoull(argv[3], NULL, 10),
		time(NULL) - 10, time(NULL) + day, f->a, &crl, err);
	if (rc == RC_OK) {
		file_write(f->a, argv[2], "crl.pem", crl.pem);
		file_write(f->a, argv[2], "crl.der", crl.der);
	}
	return rc;
}

static enum rc
client_verify(struct fixture *f, char **argv, struct err *err)
{
	char id[UUID_TEXT], serial[CA_SERIAL_TEXT];
	struct ca_serial gone;
	struct ca_subject s;
	bool has_gone = argv[4] != NULL && ca_serial_parse(slice_of(argv[4]), &gone);
	enum rc rc = ca_verify(file_read(f->a, NULL, argv[3]), f->acme.certificate, time(NULL),
		none_revoked, has_gone ? &gone : NULL, &s, err);

	if (rc == RC_OK) {
		uuid_format(&s.id, id);
		ca_serial_format(&s.serial, serial);
		(void)printf("%s %.*s %.*s\n", s.kind == CA_MEMBER ? "member" : "service",
			UUID_TEXT, id, CA_SERIAL_TEXT, serial);
	}
	return rc;
}

static enum rc
client_open(struct fixture *f, const struct ca_org *org, char **argv, struct err *err)
{
	struct buf plain = BUF_INIT;
	enum rc rc = seal_get(f->seal, org->no, "ca", f->acme.sealed_key, &plain, err);

	if (rc == RC_OK)
		file_write(f->a, argv[2], "plain.der", buf_as_slice(&plain));
	seal_wipe(&plain);
	return rc;
}

static enum rc
client(struct fixture *f, char **argv, struct err *err)
{
	struct ca_org org = { 5, slice_of(argv[3]), { NULL, 0 } };
	struct slice pem;
	enum rc rc = seal_new(argv[2], NULL, NULL, &f->seal, err);

	if (rc != RC_OK)
		return rc;
	if (strcmp(argv[1], "create") == 0) {
		org.display_name = slice_of(argv[4]);
		if ((rc = ca_create(f->seal, &org, time(NULL), f->a, &f->acme, err)) != RC_OK ||
			(rc = ca_certificate_pem(f->a, f->acme.certificate, &pem, err)) != RC_OK)
			return rc;
		file_write(f->a, argv[2], "ca.pem", pem);
		file_write(f->a, argv[2], "ca.der", f->acme.certificate);
		file_write(f->a, argv[2], "ca.key", f->acme.sealed_key);
		file_write(f->a, argv[2], "org", org.key);
		return RC_OK;
	}
	org.key = file_read(f->a, argv[2], "org");
	f->acme = (struct ca_authority){ file_read(f->a, argv[2], "ca.der"),
		file_read(f->a, argv[2], "ca.key") };
	if (strcmp(argv[1], "issue") == 0)
		return client_issue(f, &org, argv, err);
	if (strcmp(argv[1], "open") == 0)
		return client_open(f, &org, argv, err);
	return strcmp(argv[1], "crl") == 0 ? client_crl(f, &org, argv, err)
					   : client_verify(f, argv, err);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certificate_says_who_it_is),
		cmocka_unit_test(serials_are_not_repeated),
		cmocka_unit_test(others_are_refused),
		cmocka_unit_test(ends_are_bounded),
		cmocka_unit_test(facts_are_those_of_the_certificate),
		cmocka_unit_test(keys_stay_in_their_org),
		cmocka_unit_test(serials_and_reasons_as_text),
	};
	struct fixture f = { .a = NULL };
	struct err err = ERR_INIT;
	enum rc rc;

	if (argc < 4)
		return cmocka_run_group_tests(tests, setup, teardown);
	f.a = arena_new();
	if ((rc = client(&f, argv, &err)) != RC_OK)
		(void)printf("%s %s: %s\n", rc_name(rc), err.path, err.detail);
	seal_free(f.seal);
	arena_free(f.a);
	return rc == RC_OK ? 0 : 1;
}
