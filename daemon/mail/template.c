#include "daemon/mail/template.h"

#include <assert.h>

#include "base/banned.h"

static struct slice
field_value(const struct mail_field *fields, struct slice name)
{
	while (fields->name != NULL && !slice_eq(slice_of(fields->name), name))
		fields++;
	assert(fields->name != NULL);
	return fields->value;
}

static void
put_html(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		switch (s.p[i]) {
		case '&':
			BUF_LIT(out, "&amp;");
			break;
		case '<':
			BUF_LIT(out, "&lt;");
			break;
		case '>':
			BUF_LIT(out, "&gt;");
			break;
		case '"':
			BUF_LIT(out, "&quot;");
			break;
		case '\'':
			BUF_LIT(out, "&#39;");
			break;
		default:
			buf_char(out, s.p[i]);
		}
	}
}

static void
put_lines(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\n')
			buf_char(out, '\r');
		buf_char(out, s.p[i]);
	}
}

/* Takes what stands before the next mark off *rest into *before and the mark's inside into *mark;
 * false when there is no mark left. */
static bool
next_mark(struct slice *rest, struct slice *before, struct slice *mark)
{
	const char *begin = memmem(rest->p, rest->len, "{{", 2), *end;

	if (begin == NULL) {
		*before = *rest;
		return false;
	}
	*before = (struct slice){ rest->p, (size_t)(begin - rest->p) };
	*rest = slice_from(*rest, before->len + 2);
	end = memmem(rest->p, rest->len, "}}", 2);
	assert(end != NULL);
	*mark = (struct slice){ rest->p, (size_t)(end - rest->p) };
	*rest = slice_from(*rest, mark->len + 2);
	return true;
}

void
mail_template_fill(struct buf *out, struct slice text, const struct mail_field *fields, bool html)
{
	struct slice before, mark;
	bool shown = true;

	while (next_mark(&text, &before, &mark)) {
		if (shown)
			put_lines(out, before);
		if (mark.p[0] == '#' || mark.p[0] == '/') {
			shown = mark.p[0] == '/' ||
				field_value(fields, slice_from(mark, 1)).len > 0;
			if (text.len > 0 && text.p[0] == '\n')
				text = slice_from(text, 1);
		} else if (shown && html) {
			put_html(out, field_value(fields, mark));
		} else if (shown) {
			buf_slice(out, field_value(fields, mark));
		}
	}
	assert(shown);
	put_lines(out, before);
}
