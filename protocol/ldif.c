#include "protocol/ldif.h"

#include "base/buf.h"
#include "schema/text.h"

#include "base/banned.h"

bool
ldif_is(struct slice name, const char *wanted)
{
	return slice_caseeq(name, slice_of(wanted));
}

/* ---- Lines ---- */

/* A walk over one record: the lines up to a blank one. */
struct walk {
	struct arena *a;
	struct slice rest;
	unsigned lines; /* taken */
	struct err *err;
};

static bool
take_raw(struct walk *w, struct slice *line)
{
	const char *end;

	if (w->rest.len == 0)
		return false;
	end = memchr(w->rest.p, '\n', w->rest.len);
	line->p = w->rest.p;
	line->len = end != NULL ? (size_t)(end - w->rest.p) : w->rest.len;
	w->rest = slice_from(w->rest, line->len + (end != NULL));
	if (line->len > 0 && line->p[line->len - 1] == '\r')
		line->len--;
	w->lines++;
	return true;
}

/* With what is folded behind it: lines that begin with a space. */
static bool
take_line(struct walk *w, struct slice *line)
{
	struct buf b = BUF_INIT;
	struct slice more;

	if (!take_raw(w, line))
		return false;
	if (w->rest.len == 0 || w->rest.p[0] != ' ')
		return true;
	buf_slice(&b, *line);
	while (w->rest.len > 0 && w->rest.p[0] == ' ' && take_raw(w, &more))
		buf_slice(&b, slice_from(more, 1));
	*line = arena_dup(w->a, buf_as_slice(&b));
	buf_release(&b);
	return true;
}

/* ---- Values ---- */

static enum ldif_result
bad(struct walk *w, const char *what, const char *why)
{
	(void)fail(w->err, RC_INVALID_SYNTAX, what, "%s", why);
	return LDIF_BAD;
}

static struct slice
without_blanks(struct slice s)
{
	while (s.len > 0 && s.p[0] == ' ')
		s = slice_from(s, 1);
	return s;
}

static enum ldif_result
read_value(struct walk *w, struct slice line, struct ldif_value *out)
{
	const char *colon = line.len > 0 ? memchr(line.p, ':', line.len) : NULL;

	if (colon == NULL || colon == line.p)
		return bad(w, "", "is no line of LDIF: NAME: VALUE");
	out->name = (struct slice){ line.p, (size_t)(colon - line.p) };
	line = slice_from(line, out->name.len + 1);
	if (line.len > 0 && line.p[0] == '<')
		return bad(w, "", "values by URL (\"<\") are not read");
	if (line.len == 0 || line.p[0] != ':') {
		out->value = without_blanks(line);
		return LDIF_ENTRY;
	}
	return base64_decode(w->a, slice_trim(slice_from(line, 1)), &out->value) ? LDIF_ENTRY
									    : bad(w, "", "is no base64");
}

/* What makes a record a change, which says what happens and not what is. */
static enum ldif_result
check_name(struct walk *w, const struct ldif_value *v)
{
	if (ldif_is(v->name, "changetype"))
		return bad(w, "changetype", "a file of changes can't be synced: it must hold whole entries");
	if (ldif_is(v->name, "control"))
		return bad(w, "control", "a file of changes can't be synced: it must hold whole entries");
	return LDIF_ENTRY;
}

static void
add_value(struct walk *w, struct ldif_entry *out, const struct ldif_value *v)
{
	if (memchr(v->name.p, ';', v->name.len) != NULL)
		return;
	out->values = arena_grow(w->a, out->values, out->count, &out->cap, sizeof(*out->values));
	out->values[out->count++] = *v;
}

/* ---- Records ---- */

static bool
is_version(const struct ldif_value *v)
{
	return ldif_is(v->name, "version");
}

static enum ldif_result
take_values(struct walk *w, struct ldif_entry *out, unsigned *before)
{
	struct slice line;
	struct ldif_value v;
	enum ldif_result r;

	for (unsigned at = w->lines; take_line(w, &line); at = w->lines) {
		if (line.len == 0) {
			if (out->dn.p != NULL)
				return LDIF_ENTRY;
			continue;
		}
		if (line.p[0] == '#')
			continue;
		if ((r = read_value(w, line, &v)) != LDIF_ENTRY || (r = check_name(w, &v)) != LDIF_ENTRY) {
			w->lines = at;
			return r;
		}
		if (out->dn.p != NULL) {
			add_value(w, out, &v);
		} else if (ldif_is(v.name, "dn")) {
			out->dn = v.value;
			*before = at;
		} else if (!is_version(&v)) {
			w->lines = at;
			return bad(w, "dn", "an entry begins with its dn");
		}
	}
	return out->dn.p != NULL ? LDIF_ENTRY : LDIF_NOTHING;
}

/* How many bytes the record has: it ends with a blank line behind something else. 0: that is not there yet. */
static size_t
record_size(struct slice in)
{
	struct slice rest = in;
	bool any = false;

	while (rest.len > 0) {
		const char *end = memchr(rest.p, '\n', rest.len);
		size_t len;

		if (end == NULL)
			return 0;
		len = (size_t)(end - rest.p);
		rest = slice_from(rest, len + 1);
		if (len == 0 || (len == 1 && end[-1] == '\r')) {
			if (any)
				return in.len - rest.len;
		} else {
			any = true;
		}
	}
	return 0;
}

enum ldif_result
ldif_next(struct arena *a, struct slice in, bool last, struct ldif_entry *out, size_t *used, unsigned *lines,
	unsigned *before, struct err *err)
{
	size_t size = record_size(in);
	struct walk w = { .a = a, .rest = { in.p, size != 0 ? size : in.len }, .err = err };
	enum ldif_result r;

	*out = (struct ldif_entry){ .count = 0 };
	*lines = *before = 0;
	if (size == 0 && !last)
		return in.len <= LDIF_ENTRY_MAX ? LDIF_MORE : bad(&w, "", "an entry is longer than 128 MiB");
	if (in.len == 0)
		return LDIF_MORE;
	r = take_values(&w, out, before);
	*used = (size != 0 ? size : in.len) - w.rest.len;
	*lines = w.lines;
	return r;
}

struct slice
ldif_dn(struct arena *a, struct slice dn)
{
	char *out = arena_alloc(a, dn.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < dn.len; i++) {
		char c = dn.p[i];

		if (c == ' ' && (n == 0 || strchr(",=+", out[n - 1]) != NULL))
			continue; /* behind a separator */
		if (strchr(",=+", c) != NULL && c != '\0')
			while (n > 0 && out[n - 1] == ' ' && (n < 2 || out[n - 2] != '\\'))
				n--;
		out[n++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		if (c == '\\' && i + 1 < dn.len)
			out[n++] = dn.p[++i];
	}
	return (struct slice){ out, n };
}
