/* Names that stand in addresses: keys of orgs, usernames of persons. What is free, and why not. */
#ifndef DAEMON_DIRECTORY_NAMES_H
#define DAEMON_DIRECTORY_NAMES_H

#include "daemon/directory/directory.h"

enum name_status { NAME_FREE, NAME_TAKEN, NAME_RESERVED, NAME_MALFORMED };

enum { USERNAME_MAX = 128 /* bytes */ };

/* why: a sentence, unless the name is free. A key is 1 to ORG_KEY_MAX of a-z, 0-9 and "-", neither first
 * nor last a "-". now: for former keys, which are taken until their time is over. */
enum name_status org_key_status(const struct directory *d, struct txn *t, struct slice key,
	int64_t now, struct err *why);
/* self: row of the Person who may have it already; 0: nobody. */
enum name_status username_status(const struct directory *d, struct txn *t, struct arena *a,
	struct slice name, uint64_t self, struct err *why);

/* "free", "taken", "reserved", "malformed". */
const char *name_status_text(enum name_status s);

/* As a failure: UNIQUENESS or INVALID_VALUE with the sentence. */
enum rc org_key_require(const struct directory *d, struct txn *t, struct slice key, int64_t now,
	struct err *err) MUSTCHECK;
enum rc username_require(const struct directory *d, struct txn *t, struct arena *a,
	struct slice name, uint64_t self, struct err *err) MUSTCHECK;

/* A free key made from a username: "ada@example.com" becomes "ada-example-com", or "ada-example-com-2". */
void org_key_from_username(const struct directory *d, struct txn *t, struct slice name, int64_t now,
	char out[ORG_KEY_MAX + 1]);

/* Shown names: at most NAME_MAX_BYTES of text without control characters. */
enum rc shown_name_require(const char *what, struct slice name, struct err *err) MUSTCHECK;

#endif
