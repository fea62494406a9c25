/* One command under way: its arguments, its input, its answers. */
#ifndef DAEMON_CONTROL_CALL_H
#define DAEMON_CONTROL_CALL_H

#include <jansson.h>

#include "daemon/clock.h"
#include "daemon/control.h"
#include "protocol/frame.h"

struct call {
	struct control_options *options;
	struct arena *arena; /* of this command */
	const json_t *args;
	json_t *result; /* goes into the last frame; NULL: an empty object */
	uint32_t id;
	int fd;
	_Atomic bool gone; /* the client went away: answers are dropped */
	bool input_ended;
	struct buf *in; /* bytes read, from *taken on not looked at */
	size_t *taken;
	int64_t told; /* when progress was last sent */
};

typedef enum rc command_run(struct call *c, struct err *err);

struct command {
	const char *name;
	command_run *run;
	enum control_need need;
};

extern const struct command control_commands[];
extern const size_t control_command_count;

/* A text argument; empty (p not NULL) when absent. INVALID_VALUE when it is no text, or missing
 * though required. */
enum rc call_text(const struct call *c, const char *name, bool required, struct slice *out,
	struct err *err) MUSTCHECK;
bool call_flag(const struct call *c, const char *name);

/* One of several results; takes the reference. */
void call_part(struct call *c, json_t *part);
/* A piece of a stream. */
void call_data(struct call *c, struct slice data);
/* At most some times a second. */
void call_progress(struct call *c, uint64_t done, uint64_t total);
/* The next piece of the client's stream, valid until the next call; *last after the end.
 * UNAVAILABLE when the client is gone or stops. */
enum rc call_read(struct call *c, struct slice *data, bool *last, struct err *err) MUSTCHECK;

/* A time as JSON: RFC 3339, or null for 0. */
json_t *json_time(int64_t ticks);

/* Begins the removal of a deleted org whose grace is over. */
enum rc org_bury(
	const struct control_options *o, uint32_t no, bool *buried, struct err *err) MUSTCHECK;
/* The org's Role records become those of its model's present version. */
enum rc org_follow_model(const struct control_options *o, uint32_t no, struct err *err) MUSTCHECK;
/* Removes a deleted org's entries in steps until nothing is left; c may be NULL. */
enum rc org_purge_all(
	const struct control_options *o, uint32_t no, struct call *c, struct err *err) MUSTCHECK;

command_run command_status, command_reload, command_backup, command_restore, command_verify,
	command_export, command_import, command_sync;
command_run command_audit_list, command_audit_export, command_audit_head, command_audit_verify;
command_run command_org_create, command_org_list, command_org_show, command_org_suspend,
	command_org_resume, command_org_rename, command_org_delete, command_org_restore,
	command_org_migrate_model;
command_run command_person_create, command_person_list, command_person_show, command_person_token,
	command_person_delete;
command_run command_connection_create, command_connection_list, command_connection_delete,
	command_connection_release, command_connection_set_dialect;
command_run command_token_create, command_token_add, command_token_list, command_token_rotate, command_token_revoke;
command_run command_outbox_list, command_outbox_retry, command_outbox_drop, command_outbox_test;

#endif
