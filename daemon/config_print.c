/* The example configuration and the manual's list of settings, made from the table. */
#include "daemon/config_table.h"

#include "base/banned.h"

enum { WIDTH = 96 };

/* The part of a setting's name behind its group; NULL when it is not of the group. */
static const char *
name_in_group(const struct setting *s, const char *group)
{
	const char *dot = strchr(s->name, '.');
	size_t len = strlen(group);

	if (len == 0)
		return dot == NULL ? s->name : NULL;
	return dot != NULL && (size_t)(dot - s->name) == len && memcmp(s->name, group, len) == 0
		       ? dot + 1
		       : NULL;
}

static void
put_size(struct buf *out, uint64_t bytes, const char *quote)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	unsigned i = 0;

	while (i < 4 && bytes > 0 && bytes % 1024 == 0) {
		bytes /= 1024;
		i++;
	}
	if (i == 0)
		buf_u64(out, bytes);
	else
		buf_printf(out, "%s%llu %s%s", quote, (unsigned long long)bytes, units[i], quote);
}

/* A list; in the file a line may be as long as it likes, but people read it. */
static void
put_texts(struct buf *out, const char *text)
{
	struct slice rest = slice_of(text != NULL ? text : ""), word;
	size_t n = 0;

	BUF_LIT(out, "[");
	while (rest.len > 0 && slice_split(&rest, ' ', &word)) {
		buf_printf(out, "%s\"%.*s\"", n == 0 ? " " : n % 8 == 0 ? ",\n\t" : ", ",
			SLICE_ARG(word));
		n++;
	}
	BUF_LIT(out, " ]");
}

/* The default as it stands in a file. */
static void
put_default(struct buf *out, const struct setting *s)
{
	switch (s->kind) {
	case SETTING_TEXT:
		buf_printf(out, "\"%s\"", s->text != NULL ? s->text : "");
		break;
	case SETTING_TEXTS:
		put_texts(out, s->text);
		break;
	case SETTING_SWITCH:
		buf_printf(out, "%s", s->value != 0 ? "true" : "false");
		break;
	case SETTING_CHOICE:
		buf_printf(out, "\"%s\"", s->choices[s->value]);
		break;
	case SETTING_SIZE:
		put_size(out, s->value, "\"");
		break;
	case SETTING_NUMBER:
		buf_u64(out, s->value);
		break;
	}
}

static void
put_range(struct buf *out, const struct setting *s)
{
	if (s->kind == SETTING_NUMBER) {
		buf_printf(out, "%llu to %llu %s", (unsigned long long)s->min,
			(unsigned long long)s->max, s->unit);
	} else if (s->kind == SETTING_SIZE) {
		put_size(out, s->min, "");
		BUF_LIT(out, " to ");
		put_size(out, s->max, "");
	} else if (s->kind == SETTING_SWITCH) {
		BUF_LIT(out, "true or false");
	} else if (s->kind == SETTING_CHOICE) {
		for (size_t i = 0; s->choices[i] != NULL; i++)
			buf_printf(out, "%s\"%s\"", i > 0 ? ", " : "", s->choices[i]);
	} else {
		buf_printf(out, "%s",
			s->kind == SETTING_TEXTS ? "a text or a list of texts" : "a text");
	}
}

/* Words behind a prefix on each line. */
static void
put_wrapped(struct buf *out, const char *prefix, const char *text)
{
	struct slice rest = slice_of(text), word;
	size_t column = 0;

	while (slice_split(&rest, ' ', &word)) {
		if (column == 0 || column + 1 + word.len > WIDTH) {
			buf_printf(out, "%s%s", column > 0 ? "\n" : "", prefix);
			column = prefix[0] == '\t' ? 10 : 2;
		} else {
			buf_char(out, ' ');
			column++;
		}
		buf_slice(out, word);
		column += word.len;
	}
	buf_char(out, '\n');
}

static void
example_setting(struct buf *out, const struct setting *s, const char *name, const char *indent)
{
	struct buf range = BUF_INIT;
	char prefix[8];
	size_t n = 0;

	if (indent[0] != '\0')
		prefix[n++] = '\t';
	prefix[n++] = '#';
	prefix[n++] = ' ';
	prefix[n] = '\0';
	put_range(&range, s);
	buf_char(out, '\n');
	put_wrapped(out, prefix, s->help);
	buf_printf(out, "%s%.*s.%s\n", prefix, SLICE_ARG(buf_as_slice(&range)),
		s->reloadable ? " SIGHUP reloads it." : "");
	/* A text without default stays a comment: there is nothing to set it to. */
	buf_printf(out, "%s%s%s = ", indent, s->kind == SETTING_TEXT && s->text == NULL ? "#" : "",
		name);
	put_default(out, s);
	BUF_LIT(out, ";\n");
	buf_release(&range);
}

void
config_print_example(struct buf *out)
{
	BUF_LIT(out,
		"# rosterd's configuration: every setting, at its default. See rosterd.conf(5).\n");
	for (size_t g = 0; g < config_group_count; g++) {
		const struct setting_group *group = &config_groups[g];
		bool named = group->name[0] != '\0';

		buf_printf(out, "\n# ---- %s ----\n", group->help);
		if (named)
			buf_printf(out, "%s: {", group->name);
		for (size_t i = 0; i < config_setting_count; i++) {
			const char *name = name_in_group(&config_settings[i], group->name);

			if (name != NULL)
				example_setting(out, &config_settings[i], name, named ? "\t" : "");
		}
		if (named)
			BUF_LIT(out, "};\n");
	}
}

/* roff takes "-" as a hyphen, and a dot or quote at a line's beginning as a request. */
static void
put_roff(struct buf *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		BUF_LIT(out, "\\&");
	for (; *text != '\0'; text++) {
		if (*text == '-' || *text == '\\')
			buf_char(out, '\\');
		buf_char(out, *text);
	}
}

static void
manual_setting(struct buf *out, const struct setting *s)
{
	struct buf line = BUF_INIT;

	put_range(&line, s);
	if (s->kind != SETTING_TEXT || s->text != NULL) {
		BUF_LIT(&line, "; default ");
		put_default(&line, s);
	} else {
		BUF_LIT(&line, "; no default");
	}
	if (s->reloadable)
		BUF_LIT(&line, "; reloaded by SIGHUP");
	buf_char(&line, '\0');
	BUF_LIT(out, ".TP\n.B ");
	put_roff(out, s->name);
	BUF_LIT(out, "\n(");
	put_roff(out, line.p);
	BUF_LIT(out, ")\n.br\n");
	put_roff(out, s->help);
	buf_char(out, '\n');
	buf_release(&line);
}

void
config_print_manual(struct buf *out)
{
	for (size_t g = 0; g < config_group_count; g++) {
		BUF_LIT(out, ".SS ");
		put_roff(out, config_groups[g].help);
		buf_char(out, '\n');
		for (size_t i = 0; i < config_setting_count; i++)
			if (name_in_group(&config_settings[i], config_groups[g].name) != NULL)
				manual_setting(out, &config_settings[i]);
	}
}
