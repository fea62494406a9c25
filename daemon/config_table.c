#include "daemon/config_table.h"

#include "base/banned.h"

/* What people take for the service itself, or for a page of it. */
#define RESERVED_NAMES                                                                             \
	"about abuse account accounts admin administrator administrators api app apps assets "     \
	"auth available billing blog console contact dashboard dns docs download "     \
	"email everyone explore feedback ftp guest health healthz help hostmaster imap info "      \
	"internal invitation invitations invite legal localhost login logout mail me members "     \
	"news noreply notifications null oauth operator org organization organizations orgs "      \
	"owner password people person platform postmaster pricing privacy public register root "   \
	"roster rosterd scim search security self service settings shop signin signup smtp "       \
	"sso staff static status store support sysadmin system team teams terms token "       \
	"tokens undefined unknown user users webmaster well-known wiki www"

static const char *const log_levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const starttls_modes[] = { "require", "try", "off", NULL };

#define AT(field) offsetof(struct config, field)
#define KIB(n) (UINT64_C(n) << 10)
#define MIB(n) (UINT64_C(n) << 20)
#define GIB(n) (UINT64_C(n) << 30)
#define TIB(n) (UINT64_C(n) << 40)

#define TEXT(name_, field, default_, reload, help_)                                                \
	{                                                                                          \
		.name = name_, .kind = SETTING_TEXT, .offset = AT(field), .text = default_,        \
		.reloadable = reload, .help = help_                                                \
	}
#define TEXTS(name_, field, default_, help_)                                                       \
	{                                                                                          \
		.name = name_, .kind = SETTING_TEXTS, .offset = AT(field), .text = default_,       \
		.help = help_                                                                      \
	}
#define NUMBER(name_, field, min_, max_, default_, unit_, reload, help_)                           \
	{                                                                                          \
		.name = name_, .kind = SETTING_NUMBER, .offset = AT(field), .min = min_,           \
		.max = max_, .value = default_, .unit = unit_, .reloadable = reload, .help = help_ \
	}
#define SIZE(name_, field, min_, max_, default_, help_)                                            \
	{                                                                                          \
		.name = name_, .kind = SETTING_SIZE, .offset = AT(field), .min = min_,             \
		.max = max_, .value = default_, .unit = "bytes", .help = help_                     \
	}
#define SWITCH(name_, field, default_, reload, help_)                                              \
	{                                                                                          \
		.name = name_, .kind = SETTING_SWITCH, .offset = AT(field), .value = default_,     \
		.reloadable = reload, .help = help_                                                \
	}

const struct setting_group config_groups[] = {
	{ "", "General" },
	{ "tls", "TLS, for https listeners" },
	{ "store", "The store" },
	{ "journal", "How much is kept of what happened (audit log, watch)" },
	{ "limits", "What one client may use" },
	{ "rate", "Request rates, answered with 429 and Retry-After above" },
	{ "scim", "Answers and bulk requests" },
	{ "access", "Checks over HTTPS" },
	{ "roster", "The binary door (roster:// in listen)" },
	{ "sync", "Syncs: whole states of users and groups" },
	{ "password", "Password hashing (Argon2id)" },
	{ "guard", "The guard of mass removal" },
	{ "token", "Bearer tokens" },
	{ "org", "Organisations and people" },
	{ "mail", "Mail: invitations and confirmations of addresses, sent by SMTP" },
	{ "seal", "Secrets in the store (private keys of organisations' certificate authorities, mails that wait)" },
	{ "dns", "Looking up the proof that an organisation has a domain" },
};
const size_t config_group_count = sizeof(config_groups) / sizeof(config_groups[0]);

const struct setting config_settings[] = {
	TEXT("data_directory", data_directory, "/var/lib/rosterd", false,
		"Where the store, its lock and the control socket are. Made (mode 0700) when "
		"missing."),
	TEXTS("listen", listen, "https://127.0.0.1:8443",
		"The addresses to listen on, as URLs: https://127.0.0.1:8443, https://[::]:443, "
		"http:// behind a proxy that does TLS, or roster://127.0.0.1:8444 for the binary protocol."),
	TEXT("public_url", public_url, NULL, false,
		"The address by which clients reach the daemon, such as https://scim.example.com: "
		"meta.location "
		"and $ref begin with it, and links in mails. Without it they begin with the Host of "
		"the request, and no mail is sent: mail.server needs it."),
	TEXT("user", user, NULL, false,
		"The user to become after the listeners are bound, when started by root."),
	TEXT("group", group, NULL, false, "The group to become; without it the user's own."),
	TEXT("control_socket", control_socket, NULL, false,
		"The socket for rosterctl (mode 0600: its permissions are the login). Without it "
		"control.sock in "
		"the data directory."),
	{ .name = "workers",
		.kind = SETTING_NUMBER,
		.offset = AT(workers),
		.max = 256,
		.unit = "threads",
		.help = "Threads that serve requests. 0: one a processor core." },
	SWITCH("gzip", gzip, true, false, "Compresses answers for clients that ask for it."),
	SWITCH("access_log", access_log, true, false, "Logs one line for each request."),
	{ .name = "log_level",
		.kind = SETTING_CHOICE,
		.offset = AT(log_level),
		.value = 2,
		.choices = log_levels,
		.reloadable = true,
		.help = "What is logged, on standard error: this and all that is more urgent." },

	TEXT("tls.certificate", tls_certificate, NULL, true,
		"PEM file: the server's certificate, then those of intermediate authorities. Read "
		"again on a "
		"reload."),
	TEXT("tls.private_key", tls_private_key, NULL, true,
		"PEM file: the private key. Read again on a reload."),

	TEXT("tls.client_authority", tls_client_authority, NULL, false,
		"PEM file: authorities of client certificates for roster://, beside those of the organisations. The common name "
		"of such a certificate is the label of a service token."),

	SIZE("store.map_size", map_size, MIB(16), TIB(64), GIB(1),
		"Address space of the store to begin with; it doubles by itself when it is full."),
	SIZE("store.map_limit", map_limit, MIB(16), TIB(64), TIB(1),
		"The store grows to this size; then writes are refused with 507."),

	NUMBER("journal.keep_days", journal_keep_days, 0, 36500, 0, "days", true,
		"Entries of an org's journal that are older go: with them the audit log of that time, and a watch that was "
		"away for longer begins anew. 0: all are kept."),
	{ .name = "journal.keep_size",
		.kind = SETTING_SIZE,
		.offset = AT(journal_keep_size),
		.max = TIB(64),
		.unit = "bytes",
		.reloadable = true,
		.help = "Of an org's journal as much as fits into this is kept, and the newest entry in any case; the oldest go "
			"first. 0: all is kept." },

	NUMBER("limits.connections", max_connections, 1, 1000000, 10000, "connections", false,
		"Open connections in all; above that new ones are closed at once."),
	SIZE("limits.body", max_body, KIB(16), GIB(1), MIB(8),
		"The longest request body; longer ones are answered with 413."),
	SIZE("limits.target", max_target, 256, KIB(256), KIB(16),
		"The longest path and query; longer ones are answered with 414."),
	SIZE("limits.head", max_head, 1024, KIB(512), KIB(32),
		"The longest request line and headers; longer ones are answered with 431."),
	NUMBER("limits.head_timeout", head_timeout, 1, 3600, 10, "seconds", false,
		"From the first byte of a request (or the connection, for TLS) to the end of its "
		"headers."),
	NUMBER("limits.body_timeout", body_timeout, 1, 3600, 60, "seconds", false,
		"For a request body to arrive."),
	NUMBER("limits.write_timeout", write_timeout, 1, 3600, 60, "seconds", false,
		"For a client to take any part of an answer."),
	NUMBER("limits.idle_timeout", idle_timeout, 1, 86400, 120, "seconds", false,
		"Between two requests of a connection."),
	NUMBER("limits.stop_timeout", stop_timeout, 0, 3600, 10, "seconds", false,
		"How long a stop waits for requests under way."),

	NUMBER("rate.token", rate_token, 0, 1000000, 2000, "requests/s", true,
		"Requests a second with one token. 0: no limit."),
	NUMBER("rate.token_burst", rate_token_burst, 1, 1000000, 4000, "requests", true,
		"Requests at once with one token, after a pause."),
	NUMBER("rate.org", rate_org, 0, 1000000, 5000, "requests/s", true,
		"Requests a second of one org, with all its tokens. 0: no limit."),
	NUMBER("rate.org_burst", rate_org_burst, 1, 1000000, 10000, "requests", true,
		"Requests at once of one org, after a pause."),
	NUMBER("rate.address", rate_address, 0, 1000000, 10, "requests/s", true,
		"Requests a second without a token (whether a name is free, links of invitations) from one "
		"address. 0: no limit."),
	NUMBER("rate.address_burst", rate_address_burst, 1, 1000000, 50, "requests", true,
		"Such requests at once from one address, after a pause."),

	NUMBER("scim.page_default", page_default, 1, 1000, 100, "resources", false,
		"Resources on a page when the request has no count."),
	NUMBER("scim.page_max", page_max, 1, 10000, 1000, "resources", false,
		"Resources on a page at most (filter.maxResults)."),
	NUMBER("scim.scan_limit", scan_limit, 1000, 100000000, 200000, "resources", false,
		"Resources examined for a filter that no index serves; beyond that the answer is "
		"tooMany."),
	NUMBER("scim.cursor_timeout", cursor_timeout, 1, 604800, 3600, "seconds", false,
		"How long a page's cursor can be used."),
	NUMBER("scim.bulk_operations", bulk_operations, 1, 100000, 1000, "operations", false,
		"Operations in one bulk request (bulk.maxOperations)."),
	SIZE("scim.bulk_payload", bulk_payload, KIB(16), GIB(1), MIB(8),
		"The longest bulk request (bulk.maxPayloadSize); at most limits.body."),

	NUMBER("access.evaluations", access_evaluations, 1, 10000, 1000, "questions", true,
		"Questions in one request to /access/v1/evaluations."),

	SIZE("roster.memory", roster_memory, MIB(1), GIB(16), MIB(256),
		"Memory of each worker for ids and answers that are asked for again and again; as much of it is taken "
		"as there are questions."),

	NUMBER("sync.records", sync_records, 1, 100000000, 5000000, "records", false,
		"Users and groups that one sync may send."),
	SIZE("sync.bytes", sync_bytes, MIB(1), TIB(1), GIB(4),
		"What the records of one sync may take, packed, in a file without a name in the data directory."),
	NUMBER("sync.sessions", sync_sessions, 1, 1000, 8, "syncs", false,
		"Syncs under way at once; more are refused with 503."),

	NUMBER("password.memory", password_memory, 8192, 4194304, 19456, "KiB", false,
		"Memory for hashing one password."),
	NUMBER("password.time", password_time, 1, 100, 2, "passes", false,
		"Passes over that memory."),
	NUMBER("password.lanes", password_lanes, 1, 64, 1, "lanes", false,
		"Lanes (the p of Argon2)."),
	NUMBER("password.threads", password_threads, 1, 64, 1, "threads", false,
		"Threads for slow work, beside the workers: hashing passwords, reading long bodies, queries that no "
		"index serves."),

	SWITCH("guard.enabled", guard, true, false,
		"Stops a connection (409) that would remove too much of an org at once, until "
		"rosterctl "
		"connection release."),
	NUMBER("guard.share", guard_share, 1, 100, 20, "percent", false,
		"The share of the org's active users that a connection may deactivate or delete "
		"within the "
		"window; of its memberships likewise."),
	NUMBER("guard.users", guard_users, 1, 100000000, 50, "users", false,
		"So many users may go within the window in any case."),
	NUMBER("guard.members", guard_members, 1, 1000000000, 500, "memberships", false,
		"So many memberships may go within the window in any case."),
	NUMBER("guard.window", guard_window, 60, 31536000, 86400, "seconds", false,
		"The window in which removals are counted."),

	NUMBER("token.lifetime", token_lifetime, 0, 36500, 365, "days", true,
		"How long a new token lives when rosterctl is not told. 0: without end."),
	NUMBER("token.lifetime_max", token_lifetime_max, 0, 36500, 0, "days", true,
		"The longest life of a new token; longer ones, and \"never\", are refused. 0: "
		"any."),

	TEXTS("org.models", models, NULL,
		"Files of role models of your own (docs/ROLE_MODELS.md), beside those that ship."),
	TEXTS("org.reserved_names", reserved_names, RESERVED_NAMES,
		"Names that no org's key and no person's username may be, without case."),
	TEXT("org.personal_model", personal_model, NULL, false,
		"The role model of the personal org that each person gets at signing up. Without it "
		"they get none."),
	NUMBER("org.per_person", orgs_per_person, 0, 1000000, 100, "orgs", false,
		"A person who is in so many orgs can found no further one (operators and products can for "
		"them). 0: no limit."),
	NUMBER("org.rename_grace", rename_grace, 0, 315360000, 7776000, "seconds", false,
		"How long the former key of a renamed org leads to it, and nobody else can have it."),
	NUMBER("org.delete_grace", delete_grace, 0, 315360000, 2592000, "seconds", false,
		"How long an operator can restore a deleted org; then it is removed for good."),

	TEXT("mail.server", mail_server, NULL, false,
		"The mail server, as smtp://host:port (587 for submission, 25 for a relay) or "
		"smtps://host:port (465, TLS from the start). Needs mail.from and public_url. Without "
		"it no mail is sent: links of invitations are given to whoever invites."),
	{ .name = "mail.starttls",
		.kind = SETTING_CHOICE,
		.offset = AT(mail_starttls),
		.value = MAIL_TLS_REQUIRE,
		.choices = starttls_modes,
		.help = "TLS on smtp:// servers: require it, use it when it is offered (try), or off, "
			"for a relay on this machine. The certificate is always checked." },
	TEXT("mail.user", mail_user, NULL, false,
		"The user name to log in with; needs mail.password_file, and TLS for certain."),
	TEXT("mail.password_file", mail_password_file, NULL, false,
		"A file that holds the password on its first line. Read again for each "
		"connection."),
	TEXT("mail.from", mail_from, NULL, false,
		"The sender: noreply@example.com or \"Example <noreply@example.com>\". Needed "
		"with mail.server."),
	TEXT("mail.ca_file", mail_ca_file, NULL, false,
		"PEM file: the authorities that the mail server's certificate may come from. Without "
		"it the system's."),
	NUMBER("mail.timeout", mail_timeout, 1, 600, 60, "seconds", true,
		"For one mail to be sent, connection included."),
	NUMBER("mail.retry_first", mail_retry_first, 1, 86400, 30, "seconds", true,
		"The wait after the first failed attempt; it doubles with each one."),
	NUMBER("mail.retry_max", mail_retry_max, 1, 604800, 14400, "seconds", true,
		"The longest wait between two attempts."),
	NUMBER("mail.attempts", mail_attempts, 1, 1000, 24, "attempts", true,
		"Attempts before a mail is given up (rosterctl outbox list --dead). The defaults make "
		"that two and a half days."),
	TEXT("seal.key_file", seal_key_file, NULL, false,
		"File with the key that secrets in the store are encrypted with: 32 bytes, as 64 hex digits or in "
		"base64; readable by its owner alone. Without it seal.key in the data directory, made at the first "
		"start. Keep a copy apart from the store's backups: without the key those secrets are lost."),
	TEXTS("seal.old_key_files", seal_old_key_files, NULL,
		"Files of former keys, for what was encrypted before the key was changed."),

	TEXT("dns.server", dns_server, NULL, false,
		"The DNS server to ask: an address like 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53. It should be "
		"one that validates DNSSEC. Without it those of resolv.conf."),
	NUMBER("dns.timeout", dns_timeout, 1, 60, 5, "seconds", true, "For one question, with all its repetitions."),
};
const size_t config_setting_count = sizeof(config_settings) / sizeof(config_settings[0]);
