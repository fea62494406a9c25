#include "daemon/config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <libconfig.h>

#include "base/log.h"
#include "daemon/config_table.h"
#include "daemon/dns_txt.h"

#include "base/banned.h"

/* While a file is read: where each setting was found, for errors that come up later. */
struct reading {
	const char *file;
	struct config *config;
	unsigned lines[128]; /* by place in the table; 0: not in the file */
};

#define FIELD(c, s, T) ((T *)(void *)((char *)(c) + (s)->offset))
#define CONST_FIELD(c, s, T) ((T const *)(const void *)((const char *)(c) + (s)->offset))

static char *
copy(const char *text)
{
	char *p = text != NULL ? strdup(text) : NULL;

	if (p == NULL && text != NULL)
		abort();
	return p;
}

static void
texts_free(char **texts)
{
	for (size_t i = 0; texts != NULL && texts[i] != NULL; i++)
		free(texts[i]);
	free(texts);
}

static char **
texts_new(size_t n)
{
	char **texts = calloc(n + 1, sizeof(*texts));

	if (texts == NULL)
		abort();
	return texts;
}

/* The default of a list: its texts, with spaces between. */
static char **
texts_split(const char *text)
{
	struct slice rest = slice_of(text != NULL ? text : ""), word, all = rest;
	size_t n = 0;
	char **texts;

	while (rest.len > 0 && slice_split(&rest, ' ', &word))
		n++;
	texts = texts_new(n);
	for (size_t i = 0; i < n; i++) {
		(void)slice_split(&all, ' ', &word);
		if ((texts[i] = strndup(word.p, word.len)) == NULL)
			abort();
	}
	return texts;
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct setting *s = &config_settings[i];

		if (s->kind == SETTING_TEXT)
			free(*FIELD(c, s, char *));
		else if (s->kind == SETTING_TEXTS)
			texts_free(*FIELD(c, s, char **));
	}
	free(c->file);
	free(c);
}

/* ---- Values ---- */

static const char *
kind_text(enum setting_kind kind)
{
	static const char *const names[] = {
		[SETTING_TEXT] = "a text in quotes",
		[SETTING_TEXTS] = "a text in quotes or a list of them",
		[SETTING_NUMBER] = "a whole number",
		[SETTING_SIZE] = "a whole number of bytes, or a text like \"16 MiB\"",
		[SETTING_SWITCH] = "true or false",
		[SETTING_CHOICE] = "one of the texts that the manual lists",
	};

	return names[kind];
}

static enum rc
wrong_kind(const struct reading *r, const struct setting *s, unsigned line, struct err *err)
{
	return fail(err, RC_INVALID_VALUE, "", "%s:%u: %s must be %s", r->file, line, s->name,
		kind_text(s->kind));
}

static const struct {
	const char *text;
	unsigned shift;
} units[] = { { "", 0 }, { "B", 0 }, { "KiB", 10 }, { "MiB", 20 }, { "GiB", 30 }, { "TiB", 40 } };

static bool
size_parse(const char *text, uint64_t *out)
{
	struct slice s = slice_trim(slice_of(text)), digits = s, unit;

	for (digits.len = 0;
		digits.len < s.len && s.p[digits.len] >= '0' && s.p[digits.len] <= '9';)
		digits.len++;
	unit = slice_trim(slice_from(s, digits.len));
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!slice_caseeq(unit, slice_of(units[i].text)))
			continue;
		if (!slice_to_u64(digits, 0, UINT64_MAX >> units[i].shift, out))
			return false;
		*out <<= units[i].shift;
		return true;
	}
	return false;
}

static void
size_print(struct buf *out, uint64_t bytes)
{
	unsigned i = 5;

	while (i > 1 && (bytes & ((UINT64_C(1) << units[i].shift) - 1)) != 0)
		i--;
	if (i > 1 && bytes > 0)
		buf_printf(out, "%llu %s", (unsigned long long)(bytes >> units[i].shift),
			units[i].text);
	else
		buf_u64(out, bytes);
}

static void
number_print(struct buf *out, const struct setting *s, uint64_t v)
{
	if (s->kind == SETTING_SIZE)
		size_print(out, v);
	else
		buf_u64(out, v);
}

static enum rc
number_set(const struct reading *r, const struct setting *s, const config_setting_t *at,
	struct err *err)
{
	unsigned line = config_setting_source_line(at);
	int type = config_setting_type(at);
	struct buf range = BUF_INIT;
	uint64_t v = 0;
	long long raw;

	if (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64) {
		raw = type == CONFIG_TYPE_INT ? config_setting_get_int(at)
					      : config_setting_get_int64(at);
		/* libconfig 1.5 reads a number above 31 bits without the suffix L as a wrapped one.
		 */
		v = raw < 0 ? UINT64_MAX : (uint64_t)raw;
	} else if (s->kind != SETTING_SIZE || type != CONFIG_TYPE_STRING ||
		   !size_parse(config_setting_get_string(at), &v)) {
		return wrong_kind(r, s, line, err);
	}
	if (v >= s->min && v <= s->max) {
		*FIELD(r->config, s, uint64_t) = v;
		return RC_OK;
	}
	number_print(&range, s, s->min);
	BUF_LIT(&range, " to ");
	number_print(&range, s, s->max);
	(void)fail(err, RC_INVALID_VALUE, "", "%s:%u: %s must be %.*s (%s)", r->file, line, s->name,
		SLICE_ARG(buf_as_slice(&range)), s->unit);
	buf_release(&range);
	return RC_INVALID_VALUE;
}

static enum rc
texts_set(const struct reading *r, const struct setting *s, const config_setting_t *at,
	struct err *err)
{
	int type = config_setting_type(at);
	int n = type == CONFIG_TYPE_STRING ? 1 : config_setting_length(at);
	char **texts;

	if (type != CONFIG_TYPE_STRING && type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST)
		return wrong_kind(r, s, config_setting_source_line(at), err);
	texts = texts_new((size_t)n);
	for (int i = 0; i < n; i++) {
		const char *text = type == CONFIG_TYPE_STRING
					   ? config_setting_get_string(at)
					   : config_setting_get_string_elem(at, i);

		if (text == NULL) {
			texts_free(texts);
			return wrong_kind(r, s, config_setting_source_line(at), err);
		}
		texts[i] = copy(text);
	}
	texts_free(*FIELD(r->config, s, char **));
	*FIELD(r->config, s, char **) = texts;
	return RC_OK;
}

static enum rc
choice_set(const struct reading *r, const struct setting *s, const config_setting_t *at,
	struct err *err)
{
	const char *text = config_setting_get_string(at);
	struct buf known = BUF_INIT;

	if (text == NULL)
		return wrong_kind(r, s, config_setting_source_line(at), err);
	for (uint64_t i = 0; s->choices[i] != NULL; i++) {
		if (strcmp(text, s->choices[i]) == 0) {
			*FIELD(r->config, s, uint64_t) = i;
			buf_release(&known);
			return RC_OK;
		}
		buf_printf(&known, "%s\"%s\"", i > 0 ? ", " : "", s->choices[i]);
	}
	(void)fail(err, RC_INVALID_VALUE, "", "%s:%u: %s must be one of %.*s", r->file,
		config_setting_source_line(at), s->name, SLICE_ARG(buf_as_slice(&known)));
	buf_release(&known);
	return RC_INVALID_VALUE;
}

static enum rc
value_set(const struct reading *r, const struct setting *s, const config_setting_t *at,
	struct err *err)
{
	unsigned line = config_setting_source_line(at);

	switch (s->kind) {
	case SETTING_TEXT:
		if (config_setting_type(at) != CONFIG_TYPE_STRING)
			return wrong_kind(r, s, line, err);
		if (config_setting_get_string(at)[0] == '\0')
			return fail(err, RC_INVALID_VALUE, "", "%s:%u: %s is empty", r->file, line,
				s->name);
		free(*FIELD(r->config, s, char *));
		*FIELD(r->config, s, char *) = copy(config_setting_get_string(at));
		return RC_OK;
	case SETTING_TEXTS:
		return texts_set(r, s, at, err);
	case SETTING_NUMBER:
	case SETTING_SIZE:
		return number_set(r, s, at, err);
	case SETTING_SWITCH:
		if (config_setting_type(at) != CONFIG_TYPE_BOOL)
			return wrong_kind(r, s, line, err);
		*FIELD(r->config, s, bool) = config_setting_get_bool(at) != 0;
		return RC_OK;
	case SETTING_CHOICE:
		return choice_set(r, s, at, err);
	}
	return RC_OK;
}

/* ---- A file ---- */

static bool
group_known(const char *name)
{
	for (size_t i = 0; i < config_group_count; i++)
		if (strcmp(config_groups[i].name, name) == 0)
			return true;
	return false;
}

static enum rc
group_read(struct reading *r, const char *group, const config_setting_t *at, struct err *err)
{
	int n = config_setting_length(at);
	enum rc rc = RC_OK;

	for (int i = 0; rc == RC_OK && i < n; i++) {
		const config_setting_t *child = config_setting_get_elem(at, (unsigned)i);
		const char *name = config_setting_name(child);
		char full[128];
		size_t j;

		if (group[0] == '\0' && config_setting_is_group(child) && group_known(name)) {
			rc = group_read(r, name, child, err);
			continue;
		}
		(void)snprintf(
			full, sizeof(full), "%s%s%s", group, group[0] != '\0' ? "." : "", name);
		for (j = 0; j < config_setting_count; j++)
			if (strcmp(config_settings[j].name, full) == 0)
				break;
		if (j == config_setting_count)
			return fail(err, RC_INVALID_VALUE, "", "%s:%u: there is no setting \"%s\"",
				r->file, config_setting_source_line(child), full);
		r->lines[j] = config_setting_source_line(child);
		rc = value_set(r, &config_settings[j], child, err);
	}
	return rc;
}

static unsigned
line_of(const struct reading *r, const void *field)
{
	size_t offset = (size_t)((const char *)field - (const char *)r->config);

	for (size_t i = 0; i < config_setting_count; i++)
		if (config_settings[i].offset == offset)
			return r->lines[i];
	return 0;
}

static bool
has_scheme(const char *url, const char *scheme)
{
	return strncasecmp(url, scheme, strlen(scheme)) == 0;
}

struct password_cost
config_password_cost(const struct config *c)
{
	return (struct password_cost){ (uint32_t)c->password_memory, (uint32_t)c->password_time,
		(uint32_t)c->password_lanes };
}

const char *
config_default_url(const struct config *c)
{
	for (size_t i = 0; c->listen[i] != NULL; i++)
		if (!has_scheme(c->listen[i], "roster://"))
			return c->listen[i];
	return "https://localhost";
}

static enum rc
listeners_check(const struct reading *r, struct err *err)
{
	const struct config *c = r->config;
	unsigned line = line_of(r, &c->listen);

	if (c->listen[0] == NULL)
		return fail(err, RC_INVALID_VALUE, "", "%s:%u: listen needs at least one address",
			r->file, line);
	for (size_t i = 0; c->listen[i] != NULL; i++) {
		if (!has_scheme(c->listen[i], "https://") && !has_scheme(c->listen[i], "http://") &&
			!has_scheme(c->listen[i], "roster://"))
			return fail(err, RC_INVALID_VALUE, "",
				"%s:%u: listen: \"%.100s\" does not begin with https:// or http:// or roster://",
				r->file, line, c->listen[i]);
		if (!has_scheme(c->listen[i], "http://") &&
			(c->tls_certificate == NULL || c->tls_private_key == NULL))
			return fail(err, RC_INVALID_VALUE, "",
				"%s:%u: listen: \"%.100s\" needs tls.certificate and "
				"tls.private_key",
				r->file, line, c->listen[i]);
	}
	return RC_OK;
}

/* A host and a port, nothing else: libcurl would take a user from before it, and say what stands
 * behind it to the server. */
static bool
mail_server_valid(const char *url)
{
	struct slice rest = slice_of(strstr(url, "://") + 3), digits;
	const char *colon;
	uint64_t port;

	if (rest.len > 0 && rest.p[rest.len - 1] == '/')
		rest.len--;
	for (size_t i = 0; i < rest.len; i++)
		if ((unsigned char)rest.p[i] <= ' ' || strchr("/@?#\\\"", rest.p[i]) != NULL)
			return false;
	colon = memrchr(rest.p, ':', rest.len);
	if (rest.len > 0 && rest.p[0] == '[' && memchr(rest.p, ']', rest.len) == NULL)
		return false;
	if (colon != NULL && memchr(colon, ']', rest.len - (size_t)(colon - rest.p)) == NULL) {
		digits = slice_from(rest, (size_t)(colon + 1 - rest.p));
		rest.len = (size_t)(colon - rest.p);
		if (!slice_to_u64(digits, 1, 65535, &port))
			return false;
	}
	return rest.len > 0;
}

static enum rc
mail_check(const struct reading *r, struct err *err)
{
	const struct config *c = r->config;
	bool implicit;

	if (c->mail_retry_first > c->mail_retry_max)
		return fail(err, RC_INVALID_VALUE, "",
			"%s:%u: mail.retry_first is above mail.retry_max (%llu)", r->file,
			line_of(r, &c->mail_retry_first), (unsigned long long)c->mail_retry_max);
	if (c->mail_server == NULL)
		return RC_OK;
	implicit = has_scheme(c->mail_server, "smtps://");
	if ((!implicit && !has_scheme(c->mail_server, "smtp://")) ||
		!mail_server_valid(c->mail_server))
		return fail(err, RC_INVALID_VALUE, "",
			"%s:%u: mail.server must be smtp://host:port or smtps://host:port", r->file,
			line_of(r, &c->mail_server));
	if (c->mail_from == NULL)
		return fail(err, RC_INVALID_VALUE, "", "%s:%u: mail.server needs mail.from", r->file,
			line_of(r, &c->mail_server));
	if ((c->mail_user == NULL) != (c->mail_password_file == NULL))
		return fail(err, RC_INVALID_VALUE, "",
			"%s:%u: mail.user and mail.password_file need each other", r->file,
			line_of(r, c->mail_user != NULL ? &c->mail_user : &c->mail_password_file));
	/* With "try" whoever sits in between takes STARTTLS out of the answer, and gets the
	 * password. */
	if (c->mail_user != NULL && !implicit && c->mail_starttls != MAIL_TLS_REQUIRE)
		return fail(err, RC_INVALID_VALUE, "",
			"%s:%u: mail.user needs TLS for certain: smtps://, or mail.starttls = "
			"\"require\"",
			r->file, line_of(r, &c->mail_user));
	/* Whoever opens a link from a mail proves an address by it: where it leads to must not
	 * come from a request's Host. */
	if (c->public_url == NULL)
		return fail(err, RC_INVALID_VALUE, "",
			"%s:%u: mail.server needs public_url: the links in mails begin with it", r->file,
			line_of(r, &c->mail_server));
	return RC_OK;
}

/* What one setting alone can't tell. A setting that is not in the file has line 0. */
static enum rc
together_check(const struct reading *r, struct err *err)
{
	const struct config *c = r->config;

	if (c->public_url != NULL && !has_scheme(c->public_url, "https://") &&
		!has_scheme(c->public_url, "http://"))
		return fail(err, RC_INVALID_VALUE, "",
			"%s:%u: public_url must begin with https:// or http://", r->file,
			line_of(r, &c->public_url));
	if (c->map_size > c->map_limit)
		return fail(err, RC_INVALID_VALUE, "",
			"%s:%u: store.map_size is above store.map_limit", r->file,
			line_of(r, &c->map_size));
	if (c->page_default > c->page_max)
		return fail(err, RC_INVALID_VALUE, "",
			"%s:%u: scim.page_default is above scim.page_max (%llu)", r->file,
			line_of(r, &c->page_default), (unsigned long long)c->page_max);
	if (c->bulk_payload > c->max_body)
		return fail(err, RC_INVALID_VALUE, "",
			"%s:%u: scim.bulk_payload is above limits.body (%llu)", r->file,
			line_of(r, &c->bulk_payload), (unsigned long long)c->max_body);
	if (c->max_target > c->max_head)
		return fail(err, RC_INVALID_VALUE, "",
			"%s:%u: limits.target is above limits.head (%llu)", r->file,
			line_of(r, &c->max_target), (unsigned long long)c->max_head);
	if (c->token_lifetime_max > 0 &&
		(c->token_lifetime == 0 || c->token_lifetime > c->token_lifetime_max))
		return fail(err, RC_INVALID_VALUE, "",
			"%s:%u: token.lifetime is above token.lifetime_max (%llu)", r->file,
			line_of(r, &c->token_lifetime), (unsigned long long)c->token_lifetime_max);
	if (c->password_memory < 8 * c->password_lanes)
		return fail(err, RC_INVALID_VALUE, "",
			"%s:%u: password.memory must be at least 8 KiB a lane", r->file,
			line_of(r, &c->password_memory));
	if (c->dns_server != NULL && !dns_server_valid(c->dns_server))
		return fail(err, RC_INVALID_VALUE, "",
			"%s:%u: dns.server: \"%.100s\" is no IP address with an optional port", r->file,
			line_of(r, &c->dns_server), c->dns_server);
	return mail_check(r, err) != RC_OK ? RC_INVALID_VALUE : listeners_check(r, err);
}

static void
finish(struct config *c)
{
	long cores;

	if (c->workers == 0) {
		cores = sysconf(_SC_NPROCESSORS_ONLN);
		c->workers = cores > 0 && cores <= 256 ? (uint64_t)cores : 1;
	}
	for (size_t n = c->public_url != NULL ? strlen(c->public_url) : 0;
		n > 0 && c->public_url[n - 1] == '/'; n--)
		c->public_url[n - 1] = '\0';
	if (c->control_socket == NULL &&
		asprintf(&c->control_socket, "%s/control.sock", c->data_directory) < 0)
		abort();
}

static struct config *
defaults_new(void)
{
	struct config *c = calloc(1, sizeof(*c));

	if (c == NULL)
		abort();
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct setting *s = &config_settings[i];

		switch (s->kind) {
		case SETTING_TEXT:
			*FIELD(c, s, char *) = copy(s->text);
			break;
		case SETTING_TEXTS:
			*FIELD(c, s, char **) = texts_split(s->text);
			break;
		case SETTING_SWITCH:
			*FIELD(c, s, bool) = s->value != 0;
			break;
		case SETTING_NUMBER:
		case SETTING_SIZE:
		case SETTING_CHOICE:
			*FIELD(c, s, uint64_t) = s->value;
			break;
		}
	}
	return c;
}

static enum rc
file_read(struct reading *r, config_t *parsed, struct err *err)
{
	FILE *f = fopen(r->file, "re");
	enum rc rc;

	if (f == NULL)
		return fail(err, errno == ENOENT ? RC_NOT_FOUND : RC_INVALID_VALUE, "",
			"%s: can't be read: %s", r->file, strerror(errno));
	if (config_read(parsed, f) != CONFIG_TRUE)
		rc = fail(err, RC_INVALID_SYNTAX, "", "%s:%d: %s", r->file,
			config_error_line(parsed),
			config_error_text(parsed) != NULL ? config_error_text(parsed)
							  : "can't be read");
	else if ((rc = group_read(r, "", config_root_setting(parsed), err)) == RC_OK)
		rc = together_check(r, err);
	(void)fclose(f);
	return rc;
}

enum rc
config_load(const char *file, struct config **out, struct err *err)
{
	struct reading r = { .file = file, .config = defaults_new() };
	config_t parsed;
	enum rc rc;

	assert(config_setting_count <= sizeof(r.lines) / sizeof(r.lines[0]));
	config_init(&parsed);
	rc = file_read(&r, &parsed, err);
	config_destroy(&parsed);
	if (rc != RC_OK) {
		config_free(r.config);
		return rc;
	}
	finish(r.config);
	r.config->file = copy(file);
	*out = r.config;
	return RC_OK;
}

enum rc
config_default(const char *data_directory, struct config **out, struct err *err)
{
	struct config *c;

	if (data_directory[0] == '\0')
		return fail(err, RC_INVALID_VALUE, "", "the data directory's name is empty");
	c = defaults_new();
	free(c->data_directory);
	c->data_directory = copy(data_directory);
	finish(c);
	*out = c;
	return RC_OK;
}

/* ---- Reload ---- */

static bool
texts_equal(char *const *a, char *const *b)
{
	size_t i = 0;

	while (a[i] != NULL && b[i] != NULL && strcmp(a[i], b[i]) == 0)
		i++;
	return a[i] == NULL && b[i] == NULL;
}

static bool
setting_equal(const struct setting *s, const struct config *a, const struct config *b)
{
	const char *x, *y;

	switch (s->kind) {
	case SETTING_TEXT:
		x = *CONST_FIELD(a, s, char *);
		y = *CONST_FIELD(b, s, char *);
		return x == NULL || y == NULL ? x == y : strcmp(x, y) == 0;
	case SETTING_TEXTS:
		return texts_equal(*CONST_FIELD(a, s, char **), *CONST_FIELD(b, s, char **));
	case SETTING_SWITCH:
		return *CONST_FIELD(a, s, bool) == *CONST_FIELD(b, s, bool);
	case SETTING_NUMBER:
	case SETTING_SIZE:
	case SETTING_CHOICE:
		break;
	}
	return *CONST_FIELD(a, s, uint64_t) == *CONST_FIELD(b, s, uint64_t);
}

size_t
config_reload(struct config *live, const struct config *fresh, struct buf *left)
{
	size_t n = 0;

	for (size_t i = 0; i < config_setting_count; i++) {
		const struct setting *s = &config_settings[i];

		if (setting_equal(s, live, fresh))
			continue;
		/* A file's name is no word that changes at once: another certificate goes into the
		 * same file. */
		if (!s->reloadable || s->kind == SETTING_TEXT || s->kind == SETTING_TEXTS)
			buf_printf(left, "%s%s", n++ > 0 ? ", " : "", s->name);
		else if (s->kind == SETTING_SWITCH)
			__atomic_store_n(FIELD(live, s, bool), *CONST_FIELD(fresh, s, bool),
				__ATOMIC_RELAXED);
		else
			__atomic_store_n(FIELD(live, s, uint64_t), *CONST_FIELD(fresh, s, uint64_t),
				__ATOMIC_RELAXED);
	}
	return n;
}
