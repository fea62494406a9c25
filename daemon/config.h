/* The configuration: one table of settings (config.c), a struct that holds their values.
 *
 * The file is libconfig's format (name = value; groups in braces). Every setting has a type, a
 * range, a default and a help text in the table; rosterd.conf(5) and `rosterd --print-config` are
 * made from it. Files of ours in daemon/ that want autoconf's header write <config.h>: with quotes
 * they would find this one. */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "daemon/password.h"

enum mail_starttls { MAIL_TLS_REQUIRE, MAIL_TLS_TRY, MAIL_TLS_OFF };

/* Texts are NULL where a setting without default is not set. Sizes are bytes. */
struct config {
	char *file; /* where it was read from */
	char *data_directory;
	char **listen;    /* NULL-terminated */
	char *public_url; /* without a slash at its end; NULL: the address that the client used */
	char *tls_certificate, *tls_private_key;
	char *tls_client_authority;
	char *user, *group;
	char *control_socket; /* never NULL: data_directory/control.sock by default */
	uint64_t workers;     /* never 0: the number of cores by default */
	uint64_t map_size, map_limit;
	uint64_t max_connections, max_body, max_target, max_head;
	uint64_t head_timeout, body_timeout, write_timeout, idle_timeout,
		stop_timeout; /* seconds */
	bool gzip, access_log;
	uint64_t log_level;                    /* enum log_level */
	uint64_t rate_token, rate_token_burst; /* requests/s, requests; rate 0: no limit */
	uint64_t rate_org, rate_org_burst;
	uint64_t bulk_operations, bulk_payload;
	uint64_t access_evaluations;     /* in one request */
	uint64_t roster_memory;
	uint64_t page_default, page_max; /* resources a page: filter.maxResults */
	uint64_t scan_limit;             /* records */
	uint64_t cursor_timeout;         /* seconds */
	uint64_t sync_records, sync_bytes, sync_sessions;
	uint64_t password_memory, password_time, password_lanes,
		password_threads; /* KiB, passes, lanes, threads */
	bool guard;
	uint64_t guard_share;                        /* percent of the org's users (memberships) */
	uint64_t guard_users, guard_members;         /* never stops before so many were removed */
	uint64_t guard_window;                       /* seconds */
	uint64_t token_lifetime, token_lifetime_max; /* days; 0: no end */
	uint64_t journal_keep_days, journal_keep_size; /* days, bytes an org; 0: for ever */
	uint64_t rate_address, rate_address_burst; /* of one address without a token */
	char **models;         /* files of role models, beside those that ship */
	char **reserved_names; /* no org's key, no person's username */
	char *personal_model;  /* NULL or "": who signs up gets no org */
	uint64_t orgs_per_person;
	uint64_t rename_grace, delete_grace; /* seconds */
	char *mail_server; /* smtp://host:port or smtps://host:port; NULL: no mail is sent */
	uint64_t mail_starttls; /* enum mail_starttls */
	char *mail_user, *mail_password_file;
	char *mail_from; /* "Name <address>" or an address; never NULL with a mail server */
	char *mail_ca_file;
	uint64_t mail_timeout;                     /* seconds */
	uint64_t mail_retry_first, mail_retry_max; /* seconds */
	uint64_t mail_attempts;
	char *seal_key_file, **seal_old_key_files;   /* for seal_new() */
	char *dns_server;                            /* for dns_txt_lookup(), as is dns_timeout */
	uint64_t dns_timeout;                        /* seconds */
};

/* Reads and checks a file. Errors name file, line, setting and limit. The caller frees *out. */
enum rc config_load(const char *file, struct config **out, struct err *err) MUSTCHECK;
/* All defaults, for a store in this directory. */
enum rc config_default(const char *data_directory, struct config **out, struct err *err) MUSTCHECK;
void config_free(struct config *c);

/* Takes the reloadable settings over from `fresh` into `live`, numbers and switches only (they are
 * read by other threads: each is one aligned word). Appends to `left` the names of settings that
 * differ but need a restart, separated by
 * ", ", and returns how many there are. */
size_t config_reload(struct config *live, const struct config *fresh, struct buf *left);

/* A documented configuration with every setting at its default. */
void config_print_example(struct buf *out);
/* The SETTINGS part of rosterd.conf(5), roff. */
void config_print_manual(struct buf *out);

/* The first listener that speaks HTTP: what addresses begin with where nothing else is known. */
const char *config_default_url(const struct config *c);

struct password_cost config_password_cost(const struct config *c);

#endif
