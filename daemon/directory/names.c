#include "daemon/directory/names.h"

#include <stdio.h>

#include "schema/text.h"

#include "base/banned.h"

static const char key_form[] =
	"an org's key is 1 to 63 of a-z, 0-9 and \"-\", with no \"-\" at either end";

static bool
key_valid(struct slice key)
{
	if (key.len == 0 || key.len > ORG_KEY_MAX || key.p[0] == '-' || key.p[key.len - 1] == '-')
		return false;
	for (size_t i = 0; i < key.len; i++) {
		char c = key.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	return true;
}

static bool
is_reserved(const struct directory *d, struct slice name)
{
	for (char *const *r = d->orgs.reserved; r != NULL && *r != NULL; r++)
		if (slice_caseeq(name, slice_of(*r)))
			return true;
	return false;
}

enum name_status
org_key_status(const struct directory *d, struct txn *t, struct slice key, int64_t now,
	struct err *why)
{
	struct org org;
	int64_t until;

	if (!key_valid(key)) {
		(void)fail(why, RC_INVALID_VALUE, "key", "%s", key_form);
		return NAME_MALFORMED;
	}
	if (is_reserved(d, key)) {
		(void)fail(why, RC_INVALID_VALUE, "key", "the key \"%.*s\" is reserved",
			SLICE_ARG(key));
		return NAME_RESERVED;
	}
	if (!org_by_key(t, key, &org) &&
		!(org_by_former_key(t, key, &org, &until) && until > now))
		return NAME_FREE;
	(void)fail(why, RC_UNIQUENESS, "key", "the key \"%.*s\" is taken", SLICE_ARG(key));
	return NAME_TAKEN;
}

enum name_status
username_status(const struct directory *d, struct txn *t, struct arena *a, struct slice name,
	uint64_t self, struct err *why)
{
	struct node value = { .attr = d->at.person_user_name, .kind = NODE_VALUE, .text = name };
	struct orgtx *o = orgtx_open(t, ORG_PLATFORM);
	uint64_t rows[2];
	struct slice key;
	size_t n;

	/* The profile would let words with spaces between pass (RFC 8265 section 3.5). */
	if (name.len == 0 || name.len > USERNAME_MAX || !text_valid(name) ||
		memchr(name.p, ' ', name.len) != NULL ||
		!index_key_of(a, value.attr, 0, &value, false, &key)) {
		(void)fail(why, RC_INVALID_VALUE, "userName",
			"a username is 1 to %d bytes of letters, digits, marks and ASCII signs, without "
			"spaces (PRECIS UsernameCaseMapped, RFC 8265)",
			USERNAME_MAX);
		return NAME_MALFORMED;
	}
	if (is_reserved(d, name)) {
		(void)fail(why, RC_INVALID_VALUE, "userName", "the username \"%.*s\" is reserved",
			SLICE_ARG(name));
		return NAME_RESERVED;
	}
	n = index_list(o, value.attr->id, TYPE_PERSON, key, 0, rows, 2);
	for (size_t i = 0; i < n; i++) {
		if (rows[i] == self)
			continue;
		(void)fail(why, RC_UNIQUENESS, "userName", "the username \"%.*s\" is taken",
			SLICE_ARG(name));
		return NAME_TAKEN;
	}
	return NAME_FREE;
}

const char *
name_status_text(enum name_status s)
{
	static const char *const names[] = {
		[NAME_FREE] = "free",
		[NAME_TAKEN] = "taken",
		[NAME_RESERVED] = "reserved",
		[NAME_MALFORMED] = "malformed",
	};

	return names[s];
}

static enum rc
status_rc(enum name_status s)
{
	return s == NAME_FREE ? RC_OK : s == NAME_TAKEN ? RC_UNIQUENESS : RC_INVALID_VALUE;
}

enum rc
org_key_require(const struct directory *d, struct txn *t, struct slice key, int64_t now,
	struct err *err)
{
	return status_rc(org_key_status(d, t, key, now, err));
}

enum rc
username_require(const struct directory *d, struct txn *t, struct arena *a, struct slice name,
	uint64_t self, struct err *err)
{
	return status_rc(username_status(d, t, a, name, self, err));
}

void
org_key_from_username(const struct directory *d, struct txn *t, struct slice name, int64_t now,
	char out[ORG_KEY_MAX + 1])
{
	enum { ROOM = 10 /* for "-" and a number */ };
	char base[ORG_KEY_MAX + 1];
	size_t len = 0;

	for (size_t i = 0; i < name.len && len < ORG_KEY_MAX - ROOM; i++) {
		char c = name.p[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			base[len++] = c;
		else if (len > 0 && base[len - 1] != '-')
			base[len++] = '-';
	}
	while (len > 0 && base[len - 1] == '-')
		len--;
	base[len] = '\0';
	if (len == 0)
		(void)snprintf(base, sizeof(base), "personal");
	(void)snprintf(out, ORG_KEY_MAX + 1, "%s", base);
	for (unsigned n = 2; org_key_status(d, t, slice_of(out), now, NULL) != NAME_FREE; n++)
		(void)snprintf(out, ORG_KEY_MAX + 1, "%.*s-%u", ORG_KEY_MAX - ROOM, base, n);
}

enum rc
shown_name_require(const char *what, struct slice name, struct err *err)
{
	if (name.len > NAME_MAX_BYTES)
		return fail(err, RC_INVALID_VALUE, what, "%s has %zu bytes, at most %d are allowed",
			what, name.len, NAME_MAX_BYTES);
	if (!text_valid(name))
		return fail(err, RC_INVALID_VALUE, what, "%s is not valid UTF-8", what);
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f)
			return fail(
				err, RC_INVALID_VALUE, what, "%s holds a control character", what);
	return RC_OK;
}
