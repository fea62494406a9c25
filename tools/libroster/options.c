#include "tools/libroster/private.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "base/banned.h"

enum { DEFAULT_CALLS = 65536, DEFAULT_BYTES = 64 << 20, SIZE_LIMIT = 1 << 16 };

bool
options_copy(void *to, size_t size, const void *from, const char *what, struct roster_error *error)
{
	size_t given;

	memcpy(&given, from, sizeof(given));
	if (given < sizeof(given) || given > SIZE_LIMIT) {
		error_local(error, NAME_BAD_REQUEST, "size", "`size` of the %s must be sizeof the struct", what);
		return false;
	}
	memset(to, 0, size);
	memcpy(to, from, given < size ? given : size);
	return true;
}

/* ---- The address ---- */

static char *
copy_slice(struct slice s)
{
	char *text = malloc(s.len + 1);

	if (text == NULL)
		abort();
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	return text;
}

static char *
copy_text(const char *text)
{
	return text != NULL ? copy_slice(slice_of(text)) : NULL;
}

/* "HOST:PORT", where HOST may be an address in brackets. */
static bool
split_address(struct slice address, struct slice *host, struct slice *port)
{
	const char *end = NULL;
	uint64_t number;

	if (address.len > 0 && address.p[0] == '[') {
		if ((end = memchr(address.p, ']', address.len)) == NULL)
			return false;
		*host = (struct slice){ address.p + 1, (size_t)(end - address.p) - 1 };
		address = slice_from(address, (size_t)(end - address.p) + 1);
	} else {
		if ((end = memchr(address.p, ':', address.len)) == NULL)
			return false;
		*host = (struct slice){ address.p, (size_t)(end - address.p) };
		address = slice_from(address, host->len);
	}
	if (address.len < 2 || address.p[0] != ':')
		return false;
	*port = slice_from(address, 1);
	return host->len > 0 && host->len < NI_MAXHOST && slice_to_u64(*port, 1, UINT16_MAX, &number);
}

static bool
read_address(struct settings *s, const char *server, struct roster_error *error)
{
	struct slice address = slice_of(server), host, port;

	if (slice_starts(address, SLICE("roster://")))
		address = slice_from(address, strlen("roster://"));
	if (server == NULL || !split_address(address, &host, &port)) {
		error_local(error, NAME_BAD_REQUEST, "server", "\"%.100s\" is no address: it is like roster://HOST:PORT",
			server != NULL ? server : "");
		return false;
	}
	s->host = copy_slice(host);
	s->port = copy_slice(port);
	return true;
}

/* ---- All of it ---- */

static int
number_or(int given, int usual)
{
	return given != 0 ? given : usual;
}

bool
settings_read(struct settings *s, const struct roster_options *o, struct roster_error *error)
{
	*s = (struct settings){
		.timeout_ms = number_or(o->timeout_ms, 5000),
		.connect_ms = number_or(o->connect_ms, 5000),
		.ping_ms = number_or(o->ping_ms, 30000),
		.backoff_ms = number_or(o->backoff_ms, 100),
		.backoff_max_ms = number_or(o->backoff_max_ms, 10000),
		.max_calls = o->max_calls != 0 ? o->max_calls : DEFAULT_CALLS,
		.max_bytes = o->max_bytes != 0 ? o->max_bytes : DEFAULT_BYTES,
		.log = o->log,
		.log_arg = o->log_arg,
	};
	if (s->connect_ms < 0 || s->backoff_ms < 0 || s->backoff_max_ms < s->backoff_ms) {
		error_local(error, NAME_BAD_REQUEST, s->connect_ms < 0 ? "connect_ms" : "backoff_ms",
			"connect_ms and backoff_ms are above 0, and backoff_ms is at most backoff_max_ms");
		return false;
	}
	if (o->token != NULL && strlen(o->token) > ROSTER_TEXT_MAX) {
		error_local(error, NAME_BAD_REQUEST, "token", "a token has at most %d bytes", ROSTER_TEXT_MAX);
		return false;
	}
	if (!read_address(s, o->server, error))
		return false;
	s->token = copy_text(o->token);
	s->org = copy_text(o->org);
	s->client = copy_text(o->client != NULL ? o->client : "libroster");
	s->server_name = copy_text(o->server_name != NULL ? o->server_name : s->host);
	return true;
}

static void
forget(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void
settings_release(struct settings *s)
{
	free(s->host);
	free(s->port);
	forget(s->token);
	free(s->client);
	free(s->server_name);
	free(s->org);
}

/* ---- The files ---- */

static bool
load_files(SSL_CTX *ctx, const struct roster_options *o, struct roster_error *error)
{
	const char *field = NULL, *file = NULL;

	if (o->ca_file == NULL) {
		if (SSL_CTX_set_default_verify_paths(ctx) != 1)
			field = "ca_file", file = "of the system";
	} else if (SSL_CTX_load_verify_locations(ctx, o->ca_file, NULL) != 1) {
		field = "ca_file", file = o->ca_file;
	}
	if (field == NULL && o->certificate != NULL && SSL_CTX_use_certificate_chain_file(ctx, o->certificate) != 1)
		field = "certificate", file = o->certificate;
	if (field == NULL && o->certificate != NULL) {
		file = o->private_key != NULL ? o->private_key : o->certificate;
		if (SSL_CTX_use_PrivateKey_file(ctx, file, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1)
			field = "private_key";
	}
	if (field == NULL)
		return true;
	error_local(error, NAME_BAD_REQUEST, field, "the file %.200s can't be used: %s", file,
		ERR_reason_error_string(ERR_peek_last_error()));
	return false;
}

SSL_CTX *
tls_context(const struct roster_options *o, struct roster_error *error)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		abort();
	ERR_clear_error();
	SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Many records a system call. */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, 64 << 10);
	if (!load_files(ctx, o, error)) {
		ERR_clear_error();
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}
