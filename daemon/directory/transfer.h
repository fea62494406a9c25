/* Export and import of an org as JSON lines: one SCIM resource a line, users first, then groups
 * with their members.
 *
 * What SCIM has no place for stands in one more object, TRANSFER_URN: {"externalIds":
 * {"connection": "id"}, "passwordHash": "…"}, and of a group "connection": the name of the one that
 * made it, or null. Ids and times are kept. A group of many members takes
 * several lines of the same id, each with some of them: what comes after the first adds its
 * members. An import into an empty org gives the same org. */
#ifndef DAEMON_DIRECTORY_TRANSFER_H
#define DAEMON_DIRECTORY_TRANSFER_H

#include <jansson.h>

#include "daemon/committer.h"
#include "daemon/password.h"

#define TRANSFER_URN "urn:rosterd:scim:schemas:export:1.0:Resource"

enum { TRANSFER_LINE_MAX = 128 << 20, TRANSFER_MEMBERS = 10000 /* of a group on one line */ };

struct export_options {
	struct store *store;
	const struct schema_set *schema;
	uint32_t org;
	bool secrets; /* hashes of passwords too */
	/* Whole lines; false: stop. Called while no transaction is open. */
	bool (*write)(void *arg, struct slice lines);
	void (*progress)(void *arg, uint64_t done, uint64_t total); /* resources */
	void *arg;
};

struct transfer_counts {
	uint64_t lines, users, groups, memberships, skipped;
};

/* Of the org as it is at each moment: what changes meanwhile is in or not, never half. UNAVAILABLE
 * when write() said so. */
enum rc org_export(const struct export_options *options, struct transfer_counts *out,
	struct err *err) MUSTCHECK;

struct import_options {
	struct store *store;
	struct committer *committer;
	const struct schema_set *schema;
	uint32_t org, connection; /* connection: whose externalIds plain ones are; it made what the
				     file names no connection for */
	enum dialect dialect;     /* how the lines are read */
	unsigned threads;         /* that parse; the caller's own only feeds */
	bool go_on;               /* passes over wrong lines; else the first one ends the import */
	struct password_cost cost;
	/* A line that was passed over, and why; from one thread at a time. */
	void (*problem)(void *arg, uint64_t line, const char *why);
	void *arg;
};

struct import;

enum rc import_new(
	const struct import_options *options, struct import **out, struct err *err) MUSTCHECK;
/* Takes the next bytes of the file; waits while much is under way. The first wrong line fails it,
 * then or later (unless go_on): batches of lines before its own stay, its own batch is not written.
 */
enum rc import_feed(struct import *im, struct slice data, struct err *err) MUSTCHECK;
/* After the last byte: waits for the rest, puts what members refer to later lines. */
enum rc import_finish(struct import *im, struct transfer_counts *out, struct err *err) MUSTCHECK;
void import_free(struct import *im);

/* User or Group, by the line's schemas; without schemas by what it has. NULL: neither. */
const struct resource_type *transfer_type_of(const struct schema_set *set, const json_t *line);

#endif
