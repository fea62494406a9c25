#include "tools/rosterctl/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/rosterctl/convert.h"

#include "base/banned.h"

enum { CHUNK = 1 << 20 };

struct sync_run {
	struct convert *convert;
	struct buf mapping, out, chunk;
	int fd;
	uint64_t size, taken;
	bool ended, yes, dry, json, has_first;
	char failure[400];
};

/* ---- Arguments ---- */

static const char *
option(const json_t *request, const char *name)
{
	return json_string_value(json_object_get(request, name));
}

static bool
ends_with(const char *name, const char *end)
{
	size_t a = strlen(name), b = strlen(end);

	return a >= b && strcasecmp(name + a - b, end) == 0;
}

/* As said, else by the file's name. */
static bool
format_of(const char *said, const char *name, enum convert_format *out)
{
	static const struct {
		const char *said, *ends[4];
		enum convert_format format;
	} rows[] = { { "jsonl", { ".jsonl", ".json", ".ndjson", NULL }, FORMAT_JSON },
		{ "csv", { ".csv", NULL }, FORMAT_CSV }, { "ldif", { ".ldif", ".ldf", NULL }, FORMAT_LDIF } };

	*out = FORMAT_JSON;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (said != NULL && strcmp(said, rows[i].said) == 0) {
			*out = rows[i].format;
			return true;
		}
		for (size_t k = 0; said == NULL && rows[i].ends[k] != NULL; k++)
			if (ends_with(name, rows[i].ends[k]))
				*out = rows[i].format;
	}
	return said == NULL;
}

static bool
read_mapping(struct sync_run *s, const char *name)
{
	FILE *f = fopen(name, "re");
	size_t got = 1;
	bool bad;

	if (f == NULL) {
		(void)fprintf(stderr, "rosterctl: %s: %s\n", name, strerror(errno));
		return false;
	}
	while (got > 0 && s->mapping.len <= MAP_FILE_MAX) {
		got = fread(buf_reserve(&s->mapping, 65536), 1, 65536, f);
		s->mapping.len += got;
	}
	bad = ferror(f) != 0 || s->mapping.len > MAP_FILE_MAX;
	(void)fclose(f);
	if (bad)
		(void)fprintf(stderr, "rosterctl: %s can't be read, or is longer than 1 MiB\n", name);
	return !bad;
}

static bool
open_file(struct sync_run *s, const char *name)
{
	struct stat st;

	s->fd = strcmp(name, "-") == 0 ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0) {
		(void)fprintf(stderr, "rosterctl: %s: %s\n", name, strerror(errno));
		return false;
	}
	if (fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode))
		s->size = (uint64_t)st.st_size;
	return true;
}

static bool
misuse(bool *usage, const char *why)
{
	(void)fprintf(stderr, "rosterctl: %s\n", why);
	*usage = true;
	return false;
}

static bool
check_usage(struct sync_run *s, const json_t *request, enum convert_format *format, bool *usage)
{
	const char *from = option(request, "from"), *map = option(request, "map");

	if (from == NULL)
		return misuse(usage, "--from is missing: the file that has the state (- for standard input)");
	if (option(request, "org") == NULL)
		return misuse(usage, "--org is missing");
	if (!format_of(option(request, "format"), from, format))
		return misuse(usage, "--format must be jsonl, csv or ldif");
	if (map != NULL && *format == FORMAT_JSON)
		return misuse(usage, "--map is for csv and ldif: JSON lines say themselves what is what");
	if (*format == FORMAT_LDIF && option(request, "match") != NULL && strcmp(option(request, "match"), "id") == 0)
		return misuse(usage, "--match id is not for ldif: its entries are known by other names");
	if (!s->yes && !s->dry && (strcmp(from, "-") == 0 || !isatty(STDIN_FILENO)))
		return misuse(usage, "sync: say --yes or --dry-run, there is nobody to ask");
	return true;
}

static bool
open_all(struct sync_run *s, const json_t *request, enum convert_format format)
{
	const char *from = option(request, "from"), *map = option(request, "map");
	struct slice mapping = { NULL, 0 };
	struct err err = ERR_INIT;

	if (map != NULL && !read_mapping(s, map))
		return false;
	if (map != NULL)
		mapping = s->mapping.p != NULL ? buf_as_slice(&s->mapping) : SLICE("");
	if (convert_new(format, mapping, &s->convert, &err) != RC_OK) {
		(void)fprintf(stderr, "rosterctl: %s: %s\n", map != NULL ? map : from, err.detail);
		return false;
	}
	return open_file(s, from);
}

/* ---- The stream ---- */

static void
failed(struct sync_run *s, const char *what, const char *why)
{
	(void)snprintf(s->failure, sizeof(s->failure), "%s%s", what, why);
}

/* Reads on until there is something to send; false at the end, or after a failure. */
static bool
read_on(struct sync_run *s)
{
	struct err err = ERR_INIT;
	ssize_t n = 0;

	while (!s->ended && s->out.len == 0) {
		do
			n = read(s->fd, buf_reserve(&s->chunk, CHUNK), CHUNK);
		while (n < 0 && errno == EINTR);
		s->ended = n <= 0;
		if (n < 0) {
			failed(s, "reading the file: ", strerror(errno));
			return false;
		}
		s->taken += (uint64_t)n;
		if (convert_feed(s->convert, (struct slice){ s->chunk.p, (size_t)n }, n == 0, &s->out, &err) != RC_OK) {
			s->ended = true;
			failed(s, "", err.detail);
			return false;
		}
	}
	return s->out.len > 0;
}

static enum source_state
next_piece(void *arg, struct buf *out)
{
	struct sync_run *s = arg;

	if (s->out.len == 0 && !read_on(s))
		return s->failure[0] != '\0' ? SOURCE_BROKEN : SOURCE_END;
	buf_slice(out, buf_as_slice(&s->out));
	buf_clear(&s->out);
	return SOURCE_PIECE;
}

static uint64_t
taken(void *arg)
{
	return ((const struct sync_run *)arg)->taken;
}

struct source
sync_run_source(struct sync_run *s)
{
	return (struct source){ next_piece, taken, s };
}

uint64_t
sync_run_size(const struct sync_run *s)
{
	return s->size;
}

const char *
sync_run_failure(const struct sync_run *s)
{
	return s->failure[0] != '\0' ? s->failure : NULL;
}

/* ---- For people ---- */

static const struct {
	const char *action, *words;
} lines[] = { { "create", "to be made" }, { "change", "to be changed" }, { "remove", "to be removed" },
	{ "unchanged", "unchanged" }, { "addMembers", "memberships more" }, { "removeMembers", "memberships less" } };

static void
print_clean(const char *text)
{
	for (; *text != '\0'; text++)
		(void)putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

static void
print_samples(const json_t *samples, const char *type, const char *action, json_int_t count)
{
	json_int_t shown = 0;
	json_t *sample;
	size_t i;

	if (strcmp(action, "unchanged") == 0)
		return;
	json_array_foreach ((json_t *)(uintptr_t)samples, i, sample) {
		const char *data = json_string_value(json_object_get(sample, "data"));

		if (strcmp(json_string_value(json_object_get(sample, "type")), type) != 0 ||
			strcmp(json_string_value(json_object_get(sample, "action")), action) != 0)
			continue;
		(void)fputs("                ", stdout);
		print_clean(json_string_value(json_object_get(sample, "name")));
		if (data != NULL && data[0] != '\0') {
			(void)fputs("  (", stdout);
			print_clean(data);
			(void)putchar(')');
		}
		(void)putchar('\n');
		shown++;
	}
	if (shown > 0 && shown < count && strcmp(action, "addMembers") != 0 && strcmp(action, "removeMembers") != 0)
		(void)printf("                and %lld more\n", (long long)(count - shown));
}

static void
print_plan(const json_t *plan)
{
	static const char *const types[] = { "User", "Group" }, *const titles[] = { "Users", "Groups" };
	const json_t *samples = json_object_get(plan, "samples");

	for (size_t t = 0; t < 2; t++) {
		const json_t *counts = json_object_get(json_object_get(plan, "counts"), types[t]);
		bool any = false;

		for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
			json_int_t n = json_integer_value(json_object_get(counts, lines[i].action));

			if (n == 0)
				continue;
			(void)printf("%s%12lld %s\n", any ? "" : t == 0 ? "Users\n" : "Groups\n", (long long)n,
				lines[i].words);
			any = true;
			print_samples(samples, types[t], lines[i].action, n);
		}
		if (!any && t == 0)
			(void)printf("%s: none\n", titles[t]);
	}
}

static bool
changes_anything(const json_t *plan)
{
	static const char *const types[] = { "User", "Group" };
	json_int_t n = 0;

	for (size_t t = 0; t < 2; t++)
		for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
			if (strcmp(lines[i].action, "unchanged") != 0)
				n += json_integer_value(json_object_get(
					json_object_get(json_object_get(plan, "counts"), types[t]), lines[i].action));
	return n > 0;
}

bool
sync_run_decide(struct sync_run *s, const json_t *plan)
{
	char answer[16] = "";

	if (s->yes || !changes_anything(plan))
		return true;
	print_plan(plan);
	(void)fputs("Do it? [y/N] ", stderr);
	return fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

void
sync_run_show(const struct sync_run *s, const json_t *last)
{
	print_plan(last);
	if (convert_passed_over(s->convert) > 0)
		(void)printf("Entries that are neither people nor groups: %llu\n",
			(unsigned long long)convert_passed_over(s->convert));
	if (s->dry)
		(void)printf("Nothing was changed.\n");
	else
		(void)printf("Done: the organization is at revision %lld.\n",
			(long long)json_integer_value(json_object_get(last, "revision")));
}

/* ---- Life ---- */

struct sync_run *
sync_run_new(json_t *request, bool json, bool *usage)
{
	struct sync_run *s = calloc(1, sizeof(*s));
	enum convert_format format = FORMAT_JSON;

	if (s == NULL)
		abort();
	*usage = false;
	s->fd = -1;
	s->json = json;
	s->yes = json_object_get(request, "yes") != NULL;
	s->dry = json_object_get(request, "dryRun") != NULL;
	if (!check_usage(s, request, &format, usage) || !open_all(s, request, format)) {
		sync_run_free(s);
		return NULL;
	}
	/* Whether there are groups is known when the beginning was read. */
	(void)read_on(s);
	if (s->failure[0] != '\0') {
		(void)fprintf(stderr, "rosterctl: %s: %s\n", option(request, "from"), s->failure);
		sync_run_free(s);
		return NULL;
	}
	if (!convert_has_groups(s->convert))
		(void)json_object_set_new(request, "usersOnly", json_true());
	(void)json_object_del(request, "from");
	(void)json_object_del(request, "map");
	(void)json_object_del(request, "format");
	return s;
}

void
sync_run_free(struct sync_run *s)
{
	if (s == NULL)
		return;
	if (s->fd > STDIN_FILENO)
		(void)close(s->fd);
	convert_free(s->convert);
	buf_release(&s->mapping);
	buf_release(&s->out);
	buf_release(&s->chunk);
	free(s);
}
