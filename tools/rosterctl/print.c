#include "tools/rosterctl/print.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "base/buf.h"

#include "base/banned.h"

/* ---- Values ---- */

static bool
ends_with(const char *text, const char *end)
{
	size_t a = strlen(text), b = strlen(end);

	return a >= b && strcmp(text + a - b, end) == 0;
}

static void
put_bytes(struct buf *out, json_int_t v)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	double n = (double)v;
	unsigned i = 0;

	for (; n >= 1024 && i < 4; i++)
		n /= 1024;
	buf_printf(out, i == 0 ? "%.0f %s" : "%.1f %s", n, units[i]);
}

/* "2026-11-22T20:27:00.123Z" as "2026-11-22 20:27:00Z". */
static bool
put_time(struct buf *out, const char *text)
{
	int y, mo, d, h, mi, s;

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &y, &mo, &d, &h, &mi, &s) != 6 ||
		!ends_with(text, "Z"))
		return false;
	buf_printf(out, "%04d-%02d-%02d %02d:%02d:%02dZ", y, mo, d, h, mi, s);
	return true;
}

/* Text from the store is shown without control characters: a name must not steer the terminal. */
static void
put_text(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++)
		buf_char(out, (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

void
print_text(const char *text)
{
	struct buf out = BUF_INIT;

	put_text(&out, text);
	(void)fwrite(out.p, 1, out.len, stdout);
	buf_release(&out);
}

static void
put_value(struct buf *out, const char *name, const json_t *v)
{
	if (v == NULL || json_is_null(v))
		buf_printf(out, "%s",
			strcmp(name, "expires") == 0 || strcmp(name, "lastUsed") == 0 ? "never"
										      : "-");
	else if (json_is_boolean(v))
		buf_printf(out, "%s", json_is_true(v) ? "yes" : "no");
	else if (json_is_integer(v) && ends_with(name, "Bytes"))
		put_bytes(out, json_integer_value(v));
	else if (json_is_integer(v))
		buf_i64(out, json_integer_value(v));
	else if (json_is_string(v) && !put_time(out, json_string_value(v)))
		put_text(out, json_string_value(v));
}

/* Columns that a terminal shows: UTF-8 sequences count once. */
static size_t
width(struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
	return n;
}

/* ---- Tables ---- */

static void
put_cell(struct slice text, size_t to, bool last)
{
	(void)printf("%.*s", SLICE_ARG(text));
	for (size_t n = width(text); !last && n < to + 2; n++)
		(void)putchar(' ');
}

/* A member by name, or by names with dots between. */
static const json_t *
cell_of(const json_t *row, const char *member)
{
	struct slice rest = slice_of(member), name;

	while (row != NULL && slice_split(&rest, '.', &name))
		row = json_object_getn(row, name.p, name.len);
	return row;
}

void
print_table(const json_t *rows, const struct column *columns)
{
	enum { COLUMNS_MAX = 160 };
	size_t widths[COLUMNS_MAX] = { 0 }, n = 0, i;
	struct buf cell = BUF_INIT;
	json_t *row;

	while (n < COLUMNS_MAX && columns[n].member != NULL)
		n++;
	for (size_t c = 0; c < n; c++) {
		widths[c] = strlen(columns[c].title);
		json_array_foreach ((json_t *)(uintptr_t)rows, i, row) {
			buf_clear(&cell);
			put_value(
				&cell, columns[c].member, cell_of(row, columns[c].member));
			if (width(buf_as_slice(&cell)) > widths[c])
				widths[c] = width(buf_as_slice(&cell));
		}
	}
	for (size_t c = 0; c < n; c++)
		put_cell(slice_of(columns[c].title), widths[c], c + 1 == n);
	(void)putchar('\n');
	json_array_foreach ((json_t *)(uintptr_t)rows, i, row) {
		for (size_t c = 0; c < n; c++) {
			buf_clear(&cell);
			put_value(
				&cell, columns[c].member, cell_of(row, columns[c].member));
			put_cell(buf_as_slice(&cell), widths[c], c + 1 == n);
		}
		(void)putchar('\n');
	}
	buf_release(&cell);
}

/* ---- Objects ---- */

/* "lastUsed" as "last used"; "usedBytes" as "used". */
static void
put_label(struct buf *out, const char *name)
{
	size_t len = strlen(name) - (ends_with(name, "Bytes") ? 5 : 0);

	for (size_t i = 0; i < len; i++) {
		if (name[i] >= 'A' && name[i] <= 'Z') {
			buf_char(out, ' ');
			buf_char(out, (char)(name[i] - 'A' + 'a'));
		} else {
			buf_char(out, name[i]);
		}
	}
}

static size_t
label_width(const json_t *object)
{
	struct buf label = BUF_INIT;
	const char *name;
	size_t widest = 0;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)object, name, v) {
		buf_clear(&label);
		put_label(&label, name);
		if (label.len > widest)
			widest = label.len;
	}
	buf_release(&label);
	return widest;
}

static void
print_list(const json_t *list, int indent)
{
	struct buf text = BUF_INIT;
	json_t *item;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)list, i, item) {
		if (json_is_object(item)) {
			print_object(item, indent);
			if (i + 1 < json_array_size(list))
				(void)putchar('\n');
			continue;
		}
		buf_clear(&text);
		put_value(&text, "", item);
		(void)printf("%*s%.*s\n", indent, "", SLICE_ARG(buf_as_slice(&text)));
	}
	buf_release(&text);
}

void
print_object(const json_t *object, int indent)
{
	size_t widest = label_width(object);
	struct buf text = BUF_INIT;
	const char *name;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)object, name, v) {
		buf_clear(&text);
		put_label(&text, name);
		(void)printf("%*s%.*s:", indent, "", SLICE_ARG(buf_as_slice(&text)));
		if (json_is_object(v) || json_is_array(v)) {
			(void)putchar('\n');
			if (json_is_object(v))
				print_object(v, indent + 2);
			else
				print_list(v, indent + 2);
			continue;
		}
		for (size_t n = text.len; n <= widest; n++)
			(void)putchar(' ');
		buf_clear(&text);
		put_value(&text, name, v);
		(void)printf("%.*s\n", SLICE_ARG(buf_as_slice(&text)));
	}
	buf_release(&text);
}

/* ---- Progress ---- */

static bool shown;

void
progress_show(const char *what, uint64_t done, uint64_t total)
{
	static const char bar[] = "##############################";
	static struct timespec last;
	struct timespec now;
	int filled;

	if (!isatty(STDERR_FILENO))
		return;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (shown && done < total && now.tv_sec == last.tv_sec &&
		now.tv_nsec - last.tv_nsec < 100000000)
		return;
	last = now;
	shown = true;
	if (total == 0) {
		(void)fprintf(stderr, "\r%s %llu\033[K", what, (unsigned long long)done);
		return;
	}
	if (done > total)
		done = total;
	filled = (int)((double)done / (double)total * 30);
	(void)fprintf(stderr, "\r%s [%-30.*s] %3d%%\033[K", what, filled, bar,
		(int)((double)done / (double)total * 100));
}

void
progress_end(void)
{
	if (shown)
		(void)fputs("\r\033[K", stderr);
	shown = false;
}
