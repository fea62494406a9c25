#include "protocol/http.h"

#include "base/banned.h"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The length of the UTF-8 sequence at p, 0 when it is none (RFC 3629: no overlong forms, no surrogates, up to U+10FFFF). */
static size_t
utf8_length(const unsigned char *p, size_t n)
{
	unsigned low = 0x80, high = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (n < len)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return len;
}

static bool
is_text(struct slice s)
{
	size_t n;

	for (size_t i = 0; i < s.len; i += n) {
		n = utf8_length((const unsigned char *)s.p + i, s.len - i);
		if (n == 0 || s.p[i] == '\0')
			return false;
	}
	return true;
}

bool
http_decode(struct arena *a, struct slice s, bool plus, struct slice *out)
{
	char *to = arena_alloc(a, s.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '%') {
			int high, low;

			if (s.len - i < 3 || (high = hex_digit(s.p[i + 1])) < 0 ||
				(low = hex_digit(s.p[i + 2])) < 0)
				return false;
			to[n++] = (char)(high << 4 | low);
			i += 2;
		} else {
			to[n++] = plus && s.p[i] == '+' ? ' ' : s.p[i];
		}
	}
	to[n] = '\0';
	*out = (struct slice){ to, n };
	return is_text(*out);
}

/* A name is written plainly by everyone, yet may be escaped. */
static bool
is_name(struct arena *a, struct slice part, struct slice name)
{
	if (part.len > 0 && memchr(part.p, '%', part.len) != NULL && !http_decode(a, part, true, &part))
		return false;
	return slice_caseeq(part, name);
}

bool
http_query(struct arena *a, struct slice query, const char *name, struct slice *value, bool *found)
{
	struct slice part, wanted = slice_of(name);

	*found = false;
	*value = (struct slice){ NULL, 0 };
	while (query.p != NULL && slice_split(&query, '&', &part)) {
		const char *eq = part.len > 0 ? memchr(part.p, '=', part.len) : NULL;
		size_t len = eq != NULL ? (size_t)(eq - part.p) : part.len;

		if (!is_name(a, (struct slice){ part.p, len }, wanted))
			continue;
		*found = true;
		return http_decode(a, slice_from(part, eq != NULL ? len + 1 : len), true, value);
	}
	return true;
}

/* Takes the next element off a comma-separated list; commas in quotes do not part it. */
static bool
next_element(struct slice *list, char sep, struct slice *out)
{
	bool quoted = false;
	size_t i;

	if (list->len == 0)
		return false;
	for (i = 0; i < list->len && (quoted || list->p[i] != sep); i++) {
		if (list->p[i] == '"')
			quoted = !quoted;
		else if (quoted && list->p[i] == '\\' && i + 1 < list->len)
			i++;
	}
	*out = slice_trim((struct slice){ list->p, i });
	*list = slice_from(*list, i < list->len ? i + 1 : i);
	return true;
}

/* Whether the parameters behind an element hold q=0 (0.0, 0.00, 0.000). */
static bool
is_refused(struct slice parameters)
{
	struct slice p;

	while (next_element(&parameters, ';', &p)) {
		if (p.len < 3 || (p.p[0] | 0x20) != 'q' || p.p[1] != '=')
			continue;
		for (size_t i = 2; i < p.len; i++)
			if (p.p[i] != '0' && p.p[i] != '.')
				return false;
		return true;
	}
	return false;
}

/* How closely a media range names the type: 3 itself, 2 its family, 1 anything, 0 not. */
static int
closeness(struct slice range, struct slice type, struct slice subtype)
{
	const char *slash = range.len > 0 ? memchr(range.p, '/', range.len) : NULL;
	struct slice left, right;

	if (slash == NULL)
		return slice_eq(range, SLICE("*")) ? 1 : 0; /* as Java's URLConnection writes it */
	left = (struct slice){ range.p, (size_t)(slash - range.p) };
	right = slice_from(range, left.len + 1);
	if (slice_eq(left, SLICE("*")) && slice_eq(right, SLICE("*")))
		return 1;
	if (!slice_caseeq(left, type))
		return 0;
	return slice_eq(right, SLICE("*")) ? 2 : slice_caseeq(right, subtype) ? 3 : 0;
}

bool
http_accepts(struct slice accept, struct slice type, struct slice subtype)
{
	struct slice element, range;
	int best = 0;
	bool allowed = false, any = false;

	while (accept.p != NULL && next_element(&accept, ',', &element)) {
		int close;

		if (!next_element(&element, ';', &range))
			continue;
		any = true;
		close = closeness(range, type, subtype);
		if (close > best || (close == best && close > 0)) {
			bool ok = !is_refused(element);

			allowed = close > best ? ok : allowed || ok;
			best = close;
		}
	}
	return !any || allowed; /* an empty list asks for nothing */
}

bool
http_accepts_coding(struct slice accept_encoding, struct slice coding)
{
	struct slice element, name;
	bool star = false;

	while (accept_encoding.p != NULL && next_element(&accept_encoding, ',', &element)) {
		if (!next_element(&element, ';', &name))
			continue;
		if (slice_caseeq(name, coding))
			return !is_refused(element);
		star |= slice_eq(name, SLICE("*")) && !is_refused(element);
	}
	return star;
}

/* The opaque part, with its quotes, of an entity tag. */
static struct slice
opaque(struct slice tag)
{
	return slice_starts(tag, SLICE("W/")) ? slice_from(tag, 2) : tag;
}

bool
http_etag_list_has(struct slice list, struct slice etag)
{
	struct slice element;

	if (list.p == NULL)
		return false;
	if (slice_eq(slice_trim(list), SLICE("*")))
		return true;
	while (next_element(&list, ',', &element))
		if (slice_eq(opaque(element), opaque(etag)))
			return true;
	return false;
}
