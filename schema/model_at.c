#include "schema/model_private.h"

#include "base/banned.h"

const struct at *
at_member(struct arena *a, const struct at *up, const char *key)
{
	struct at *at = ARENA_NEW(a, struct at);

	*at = (struct at){ up, key, 0 };
	return at;
}

const struct at *
at_item(struct arena *a, const struct at *up, size_t index)
{
	struct at *at = ARENA_NEW(a, struct at);

	*at = (struct at){ up, NULL, index };
	return at;
}

void
at_print(const struct at *at, struct buf *out)
{
	if (at == NULL)
		return;
	at_print(at->up, out);
	if (at->key == NULL)
		buf_printf(out, "[%zu]", at->index);
	else
		buf_printf(out, "%s%s", at->up != NULL ? "." : "", at->key);
}

struct scan {
	struct slice left;
	unsigned line, found; /* found: where the last step stood */
};

static char
peek(const struct scan *s)
{
	return s->left.len > 0 ? s->left.p[0] : '\0';
}

static void
step(struct scan *s)
{
	if (s->left.len == 0)
		return;
	s->line += s->left.p[0] == '\n';
	s->left = slice_from(s->left, 1);
}

/* To the next token. Commas and colons are passed over: that they stand right is known. */
static void
space(struct scan *s)
{
	while (s->left.len > 0 && strchr(" \t\r\n,:", peek(s)) != NULL)
		step(s);
}

/* The text between the quotes, as it stands. */
static struct slice
string(struct scan *s)
{
	struct slice out;

	step(s);
	out = s->left;
	while (s->left.len > 0 && peek(s) != '"') {
		if (peek(s) == '\\')
			step(s);
		step(s);
	}
	out.len -= s->left.len;
	step(s);
	return out;
}

static void
skip_value(struct scan *s)
{
	size_t depth = 0;

	do {
		space(s);
		if (s->left.len == 0)
			return;
		switch (peek(s)) {
		case '"':
			(void)string(s);
			break;
		case '{':
		case '[':
			depth++;
			step(s);
			break;
		case '}':
		case ']':
			depth -= depth > 0;
			step(s);
			break;
		default:
			while (s->left.len > 0 && strchr(" \t\r\n,:]}", peek(s)) == NULL)
				step(s);
		}
	} while (depth > 0);
}

static bool
find(struct scan *s, const struct at *at)
{
	if (at == NULL) {
		space(s);
		s->found = s->line;
		return true;
	}
	if (!find(s, at->up) || peek(s) != (at->key != NULL ? '{' : '['))
		return false;
	step(s);
	for (size_t i = 0;; i++) {
		unsigned line;
		bool here = i == at->index;

		space(s);
		line = s->line;
		if (s->left.len == 0 || peek(s) == '}' || peek(s) == ']')
			return false;
		if (at->key != NULL) {
			here = slice_eq(string(s), slice_of(at->key));
			space(s);
		}
		if (here) {
			s->found = line;
			return true;
		}
		skip_value(s);
	}
}

unsigned
at_line(const struct at *at, struct slice text)
{
	struct scan s = { text, 1, 1 };

	(void)find(&s, at);
	return s.found;
}
