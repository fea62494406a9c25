#include "protocol/filter.h"

#include <errno.h>
#include <stdlib.h>

#include "schema/text.h"

#include "base/banned.h"

struct parser {
	struct arena *a;
	const struct resource_type *type; /* NULL inside a PATCH path */
	const struct attr *scope;         /* whose subs are named inside brackets; NULL outside */
	enum dialect dialect;
	struct slice text;
	size_t pos;
	unsigned depth, terms;
	struct err *err;
};

enum { SHOWN = 48 }; /* bytes of the client's text that a message repeats */

/* For "%.*s": a message shows no more of the text than helps. */
#define SHOW(s) SLICE_ARG(slice_clip((s), SHOWN))

#define BAD(p, at, fmt, ...)                                                                       \
	fail((p)->err, RC_INVALID_FILTER, "filter", "at character %zu: " fmt, (at) + 1,            \
		##__VA_ARGS__)

#define TYPE_BIT(t) (1U << (t))
#define TEXTS (TYPE_BIT(ATTR_STRING) | TYPE_BIT(ATTR_REFERENCE))
#define ORDERED (TEXTS | TYPE_BIT(ATTR_INTEGER) | TYPE_BIT(ATTR_DECIMAL) | TYPE_BIT(ATTR_DATETIME))
#define SIMPLE (ORDERED | TYPE_BIT(ATTR_BOOLEAN) | TYPE_BIT(ATTR_BINARY))

/* RFC 7644 Table 3, and the types of attribute each operator makes sense for. */
static const struct {
	struct slice name;
	enum filter_op op;
	unsigned types;
} operators[] = {
	{ SLICE_INIT("eq"), FILTER_EQ, SIMPLE },
	{ SLICE_INIT("ne"), FILTER_NE, SIMPLE },
	{ SLICE_INIT("co"), FILTER_CO, TEXTS },
	{ SLICE_INIT("sw"), FILTER_SW, TEXTS },
	{ SLICE_INIT("ew"), FILTER_EW, TEXTS },
	{ SLICE_INIT("gt"), FILTER_GT, ORDERED },
	{ SLICE_INIT("ge"), FILTER_GE, ORDERED },
	{ SLICE_INIT("lt"), FILTER_LT, ORDERED },
	{ SLICE_INIT("le"), FILTER_LE, ORDERED },
};

static const char *const type_names[] = {
	[ATTR_STRING] = "string",
	[ATTR_BOOLEAN] = "boolean",
	[ATTR_INTEGER] = "integer",
	[ATTR_DECIMAL] = "decimal",
	[ATTR_DATETIME] = "dateTime",
	[ATTR_BINARY] = "binary",
	[ATTR_REFERENCE] = "reference",
	[ATTR_COMPLEX] = "complex",
};

enum literal_kind {
	LITERAL_TEXT,
	LITERAL_NUMBER,
	LITERAL_TRUE,
	LITERAL_FALSE,
	LITERAL_NULL,
	LITERAL_BARE
};

struct literal {
	enum literal_kind kind;
	struct slice text; /* decoded; for a number or bare literal as written */
	size_t at;
};

static enum rc parse_or(struct parser *p, struct filter **out);

/* ---- Names ---- */

const struct attr *
path_attr_below(const struct attr *complex, struct slice path)
{
	struct slice part;

	/* RFC 7644 section 3.5.2.2 calls the value of a simple attribute "value". */
	if (complex->type != ATTR_COMPLEX)
		return slice_caseeq(path, SLICE("value")) ? complex : NULL;
	while (complex != NULL && slice_split(&path, '.', &part))
		complex = complex->type == ATTR_COMPLEX ? attr_sub(complex, part) : NULL;
	return complex;
}

const struct attr *
path_attr(const struct resource_type *type, struct slice path, enum dialect dialect)
{
	const struct attr *found;

	if (path.len == 0)
		return NULL;
	found = attr_find(type, path);
	for (size_t i = 0;
		found == NULL && dialect == DIALECT_TOLERANT && i < type->extension_count; i++)
		found = path_attr_below(type->extensions[i].container, path);
	return found;
}

static char *
name_of(const struct parser *p, const struct attr *attr)
{
	struct slice path = attr_path(p->a, attr);

	return arena_printf(p->a, "%.*s", SLICE_ARG(path));
}

/* ---- Characters ---- */

static bool
at_end(const struct parser *p)
{
	return p->pos == p->text.len;
}

static char
peek(const struct parser *p)
{
	return at_end(p) ? '\0' : p->text.p[p->pos];
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* true when there was at least one. */
static bool
skip_blanks(struct parser *p)
{
	size_t from = p->pos;

	while (is_blank(peek(p)))
		p->pos++;
	return p->pos > from;
}

/* A run up to a blank, a bracket, a parenthesis or a quote. */
static struct slice
take_run(struct parser *p)
{
	size_t from = p->pos;

	while (!at_end(p) && !is_blank(peek(p)) && strchr("()[]\"", peek(p)) == NULL)
		p->pos++;
	return (struct slice){ p->text.p + from, p->pos - from };
}

/* The word at pos when it is one of letters and is followed by neither a name character nor a
 * colon. */
static struct slice
peek_word(const struct parser *p)
{
	struct slice rest = slice_from(p->text, p->pos);
	size_t len = 0;

	while (len < rest.len && ((rest.p[len] | 0x20) >= 'a' && (rest.p[len] | 0x20) <= 'z'))
		len++;
	if (len < rest.len && (rest.p[len] == '.' || rest.p[len] == ':' || rest.p[len] == '-' ||
				      rest.p[len] == '_' || rest.p[len] == '$' ||
				      (rest.p[len] >= '0' && rest.p[len] <= '9')))
		len = 0;
	return (struct slice){ rest.p, len };
}

/* ---- Literals ---- */

static bool
hex4(struct slice s, uint32_t *out)
{
	uint32_t v = 0;

	if (s.len < 4)
		return false;
	for (size_t i = 0; i < 4; i++) {
		char c = s.p[i];
		unsigned digit;

		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (unsigned)((c | 0x20) - 'a') + 10;
		else
			return false;
		v = v << 4 | digit;
	}
	*out = v;
	return true;
}

static size_t
put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xC0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xE0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3F));
		out[2] = (char)(0x80 | (c & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3F));
	out[2] = (char)(0x80 | (c >> 6 & 0x3F));
	out[3] = (char)(0x80 | (c & 0x3F));
	return 4;
}

/* \uXXXX at pos (behind the u), with the second half of a surrogate pair. */
static bool
take_unicode(struct parser *p, uint32_t *out)
{
	struct slice rest = slice_from(p->text, p->pos);
	uint32_t c, low;

	if (!hex4(rest, &c) || c == 0 || (c >= 0xDC00 && c <= 0xDFFF))
		return false;
	p->pos += 4;
	if (c >= 0xD800 && c <= 0xDBFF) {
		rest = slice_from(rest, 4);
		if (rest.len < 6 || rest.p[0] != '\\' || rest.p[1] != 'u' ||
			!hex4(slice_from(rest, 2), &low) || low < 0xDC00 || low > 0xDFFF)
			return false;
		p->pos += 6;
		c = 0x10000 + ((c - 0xD800) << 10 | (low - 0xDC00));
	}
	*out = c;
	return true;
}

static bool
take_escape(struct parser *p, char *out, size_t *len)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *found;
	uint32_t c;
	char name = peek(p);

	if (at_end(p))
		return false;
	p->pos++;
	if (name == 'u') {
		if (!take_unicode(p, &c))
			return false;
		*len += put_utf8(out + *len, c);
		return true;
	}
	if (name == '\0' || (found = strchr(names, name)) == NULL)
		return false;
	out[(*len)++] = values[found - names];
	return true;
}

/* A JSON string (RFC 8259 section 7); pos stands at its first quote. */
static enum rc
take_string(struct parser *p, struct slice *out)
{
	size_t from = p->pos, end = from + 1, len = 0;
	char *buf;

	/* Room for this text alone: a filter of many texts must not cost the square of its length.
	 */
	while (end < p->text.len && p->text.p[end] != '"')
		end += p->text.p[end] == '\\' ? 2 : 1;
	buf = arena_alloc(p->a, end - from);
	p->pos++;
	for (;;) {
		char c = peek(p);

		if (at_end(p))
			return BAD(p, from, "the text that begins here has no closing quote");
		if ((unsigned char)c < 0x20)
			return BAD(p, p->pos, "a control character must be escaped");
		p->pos++;
		if (c == '"')
			break;
		if (c != '\\')
			buf[len++] = c;
		else if (!take_escape(p, buf, &len))
			return BAD(p, p->pos - 1, "an escape in the text is none of JSON's");
	}
	*out = (struct slice){ buf, len };
	return RC_OK;
}

static bool
take_digits(struct slice s, size_t *i)
{
	size_t from = *i;

	while (*i < s.len && s.p[*i] >= '0' && s.p[*i] <= '9')
		++*i;
	return *i > from;
}

/* RFC 8259 section 6. */
static bool
is_number(struct slice s)
{
	size_t i = s.len > 0 && s.p[0] == '-', first = i;

	if (!take_digits(s, &i) || (s.p[first] == '0' && i - first > 1))
		return false;
	if (i < s.len && s.p[i] == '.' && (++i, !take_digits(s, &i)))
		return false;
	if (i < s.len && (s.p[i] | 0x20) == 'e') {
		i++;
		if (i < s.len && (s.p[i] == '+' || s.p[i] == '-'))
			i++;
		if (!take_digits(s, &i))
			return false;
	}
	return i == s.len;
}

static enum rc
take_literal(struct parser *p, struct literal *out)
{
	static const struct {
		struct slice word;
		enum literal_kind kind;
	} words[] = {
		{ SLICE_INIT("true"), LITERAL_TRUE },
		{ SLICE_INIT("false"), LITERAL_FALSE },
		{ SLICE_INIT("null"), LITERAL_NULL },
	};

	out->at = p->pos;
	out->kind = LITERAL_TEXT;
	if (peek(p) == '"')
		return take_string(p, &out->text);
	out->text = take_run(p);
	if (out->text.len == 0)
		return BAD(p, out->at, "a value is expected");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (slice_eq(out->text, words[i].word)) {
			out->kind = words[i].kind;
			return RC_OK;
		}
	out->kind = is_number(out->text) ? LITERAL_NUMBER : LITERAL_BARE;
	if (out->kind == LITERAL_BARE && p->dialect != DIALECT_TOLERANT)
		return BAD(p, out->at, "\"%.*s\" is no JSON value: a text stands in quotes",
			SHOW(out->text));
	return RC_OK;
}

/* ---- Literals as values of an attribute ---- */

static enum rc
bad_literal(const struct parser *p, const struct attr *attr, const struct literal *lit)
{
	return fail(p->err, RC_INVALID_FILTER, name_of(p, attr),
		"at character %zu: \"%.*s\" is no value of this attribute, whose type is %s",
		lit->at + 1, SHOW(lit->text), type_names[attr->type]);
}

static bool
text_of(const struct parser *p, const struct literal *lit, struct node *v)
{
	if (lit->kind != LITERAL_TEXT && p->dialect != DIALECT_TOLERANT)
		return false;
	v->text = lit->text;
	return true;
}

static bool
boolean_of(const struct parser *p, const struct literal *lit, struct node *v)
{
	if (lit->kind == LITERAL_TRUE || lit->kind == LITERAL_FALSE) {
		v->boolean = lit->kind == LITERAL_TRUE;
		return true;
	}
	/* Entra compares with "True". */
	if (p->dialect != DIALECT_TOLERANT)
		return false;
	v->boolean = slice_caseeq(lit->text, SLICE("true"));
	return v->boolean || slice_caseeq(lit->text, SLICE("false"));
}

/* A copy with a NUL behind it, for the C library. */
static const char *
number_text(const struct parser *p, const struct literal *lit)
{
	return lit->kind == LITERAL_NUMBER ? arena_dup(p->a, lit->text).p : NULL;
}

static bool
integer_of(const struct parser *p, const struct literal *lit, struct node *v)
{
	const char *text = number_text(p, lit);
	char *end;
	long long n;

	if (text == NULL)
		return false;
	errno = 0;
	n = strtoll(text, &end, 10);
	v->integer = n;
	return errno == 0 && *end == '\0';
}

static bool
decimal_of(const struct parser *p, const struct literal *lit, struct node *v)
{
	const char *text = number_text(p, lit);
	char *end;

	if (text == NULL)
		return false;
	v->decimal = strtod(text, &end);
	return *end == '\0';
}

static bool
datetime_of(const struct parser *p, const struct literal *lit, struct node *v)
{
	return (lit->kind == LITERAL_TEXT ||
		       (lit->kind == LITERAL_BARE && p->dialect == DIALECT_TOLERANT)) &&
	       datetime_parse(lit->text, &v->ticks);
}

static bool
binary_of(const struct parser *p, const struct literal *lit, struct node *v)
{
	return lit->kind == LITERAL_TEXT && base64_decode(p->a, lit->text, &v->text);
}

static bool (*const convert[])(const struct parser *, const struct literal *, struct node *) = {
	[ATTR_STRING] = text_of,
	[ATTR_BOOLEAN] = boolean_of,
	[ATTR_INTEGER] = integer_of,
	[ATTR_DECIMAL] = decimal_of,
	[ATTR_DATETIME] = datetime_of,
	[ATTR_BINARY] = binary_of,
	[ATTR_REFERENCE] = text_of,
};

/* ---- Terms ---- */

static struct filter *
filter_new(struct parser *p, enum filter_kind kind, struct filter *left, struct filter *right)
{
	struct filter *f = ARENA_NEW(p->a, struct filter);

	f->kind = kind;
	f->type = p->type;
	f->left = left;
	f->right = right;
	f->terms = (left != NULL ? left->terms : 0) + (right != NULL ? right->terms : 0);
	if (f->terms == 0)
		f->terms = 1;
	return f;
}

static struct filter *
present(struct parser *p, const struct attr *attr)
{
	struct filter *f = filter_new(p, FILTER_PRESENT, NULL, NULL);

	/* Every resource has an address, though it is not in the tree. */
	f->attr = p->type != NULL && attr == p->type->meta_location ? p->type->id : attr;
	return f;
}

/* members.$ref, groups.$ref: made from the request's address when they are shown. */
static bool
is_computed_ref(const struct attr *attr)
{
	return attr->parent != NULL && slice_eq(attr->name, SLICE("$ref")) &&
	       (attr->parent->source == SOURCE_MEMBERS || attr->parent->source == SOURCE_GROUPS);
}

/* The attribute that a comparison with a complex one is about: RFC 7644's examples write `emails co
 * "x"`. */
static enum rc
comparable(struct parser *p, const struct attr **attr, size_t at)
{
	const struct attr *value;

	if ((*attr)->type != ATTR_COMPLEX)
		return RC_OK;
	value = (*attr)->multi || p->dialect == DIALECT_TOLERANT ? attr_sub(*attr, SLICE("value"))
								 : NULL;
	if (value == NULL)
		return fail(p->err, RC_INVALID_FILTER, name_of(p, *attr),
			"at character %zu: a complex attribute has no value to compare: name a "
			"sub-attribute",
			at + 1);
	*attr = value;
	return RC_OK;
}

static enum rc
compare(struct parser *p, const struct attr *attr, size_t row, size_t at, const struct literal *lit,
	struct filter **out)
{
	struct filter *f;
	struct node *value;
	enum rc rc;

	if (lit->kind == LITERAL_NULL) {
		if (operators[row].op != FILTER_EQ && operators[row].op != FILTER_NE)
			return BAD(p, lit->at, "null compares with eq and ne only");
		*out = present(p, attr);
		if (operators[row].op == FILTER_EQ)
			*out = filter_new(p, FILTER_NOT, *out, NULL);
		return RC_OK;
	}
	if ((rc = comparable(p, &attr, at)) != RC_OK)
		return rc;
	if ((operators[row].types & TYPE_BIT(attr->type)) == 0)
		return fail(p->err, RC_INVALID_FILTER, name_of(p, attr),
			"at character %zu: the operator '%s' does not go with the type %s", at + 1,
			operators[row].name.p, type_names[attr->type]);
	if ((p->type != NULL && attr == p->type->meta_location) || is_computed_ref(attr))
		return fail(p->err, RC_INVALID_FILTER, name_of(p, attr),
			"at character %zu: the address depends on the request and is not compared: "
			"use the id",
			at + 1);
	value = node_new(p->a, attr, NODE_VALUE);
	if (!convert[attr->type](p, lit, value))
		return bad_literal(p, attr, lit);
	f = filter_new(p, FILTER_COMPARE, NULL, NULL);
	f->attr = attr;
	f->op = operators[row].op;
	f->value = value;
	if ((TYPE_BIT(attr->type) & TEXTS) != 0)
		/* RFC 7643 section 3: URIs of schemas compare without case. */
		f->prepared = p->type != NULL && attr == p->type->schemas
				      ? text_fold(p->a, value->text)
				      : text_prepare(p->a, attr, value->text);
	f->by_id =
		f->op == FILTER_EQ && attr->parent != NULL &&
		(attr->parent->source == SOURCE_MEMBERS || attr->parent->source == SOURCE_GROUPS) &&
		slice_eq(attr->name, SLICE("value"));
	*out = f;
	return RC_OK;
}

/* What follows an attribute's path: SP "pr", or SP operator SP value. */
static enum rc
operation(struct parser *p, const struct attr *attr, size_t at, struct filter **out)
{
	struct slice word;
	struct literal lit;
	enum rc rc;
	size_t row, word_at;

	if (++p->terms > FILTER_TERMS_MAX)
		return BAD(p, at, "a filter holds at most %d comparisons", FILTER_TERMS_MAX);
	if (!skip_blanks(p))
		return BAD(p, p->pos, "a blank and an operator are expected");
	word_at = p->pos;
	word = take_run(p);
	if (slice_caseeq(word, SLICE("pr"))) {
		*out = present(p, attr);
		return RC_OK;
	}
	for (row = 0; row < sizeof(operators) / sizeof(operators[0]); row++)
		if (slice_caseeq(word, operators[row].name))
			break;
	if (row == sizeof(operators) / sizeof(operators[0]))
		return BAD(p, word_at, "the operator '%.*s' is not supported", SHOW(word));
	if (!skip_blanks(p) && (p->dialect != DIALECT_TOLERANT || peek(p) != '"'))
		return BAD(p, p->pos, "a blank and a value are expected");
	if ((rc = take_literal(p, &lit)) != RC_OK)
		return rc;
	return compare(p, attr, row, at, &lit, out);
}

static enum rc
deeper(struct parser *p)
{
	if (++p->depth > FILTER_DEPTH_MAX)
		return BAD(p, p->pos, "brackets nest at most %d deep", FILTER_DEPTH_MAX);
	return RC_OK;
}

/* Entra writes emails[type eq "work"].value eq "x", which the grammar has not. */
static enum rc
element_tail(struct parser *p, const struct attr *attr, struct filter **inside)
{
	const struct attr *sub;
	struct filter *tail;
	struct slice name;
	size_t at = p->pos;
	enum rc rc;

	if (p->dialect != DIALECT_TOLERANT)
		return BAD(p, at,
			"a sub-attribute behind a bracket is not in the grammar: put it inside");
	p->pos++;
	name = take_run(p);
	sub = path_attr_below(attr, name);
	if (sub == NULL)
		return fail(p->err, RC_INVALID_FILTER, name_of(p, attr),
			"at character %zu: there is no sub-attribute \"%.*s\"", at + 1, SHOW(name));
	if ((rc = operation(p, sub, at, &tail)) != RC_OK)
		return rc;
	*inside = filter_new(p, FILTER_AND, *inside, tail);
	return RC_OK;
}

/* attr[...]; pos stands at the bracket. */
static enum rc
element(struct parser *p, const struct attr *attr, struct filter **out)
{
	size_t at = p->pos;
	struct filter *inside;
	enum rc rc;

	if (p->scope != NULL)
		return BAD(p, at, "brackets do not nest");
	if (attr->type != ATTR_COMPLEX && !attr->multi)
		return fail(p->err, RC_INVALID_FILTER, name_of(p, attr),
			"at character %zu: a simple attribute has no values to choose from",
			at + 1);
	if ((rc = deeper(p)) != RC_OK)
		return rc;
	p->pos++;
	p->scope = attr;
	if ((rc = parse_or(p, &inside)) != RC_OK)
		return rc;
	if (peek(p) != ']')
		return BAD(p, at, "the bracket that opens here is not closed");
	p->pos++;
	if (peek(p) == '.' && (rc = element_tail(p, attr, &inside)) != RC_OK)
		return rc;
	p->scope = NULL;
	p->depth--;
	*out = filter_new(p, FILTER_ELEMENT, inside, NULL);
	(*out)->attr = attr;
	return RC_OK;
}

static enum rc
term(struct parser *p, struct filter **out)
{
	size_t at = p->pos;
	struct slice path = take_run(p);
	const struct attr *attr;

	if (path.len == 0)
		return BAD(p, at, "an attribute is expected");
	attr = p->scope != NULL ? path_attr_below(p->scope, path)
				: path_attr(p->type, path, p->dialect);
	if (attr == NULL || attr->parent == NULL)
		return fail(p->err, RC_INVALID_FILTER, arena_printf(p->a, "%.*s", SHOW(path)),
			"at character %zu: there is no such attribute", at + 1);
	/* A filter on what is never returned would tell it bit by bit. */
	if (attr->returned == RETURNED_NEVER)
		return fail(p->err, RC_INVALID_FILTER, name_of(p, attr),
			"at character %zu: the attribute is never returned and can't be filtered "
			"on",
			at + 1);
	if (peek(p) == '[')
		return element(p, attr, out);
	return operation(p, attr, at, out);
}

/* ( FILTER ); pos stands at the parenthesis. */
static enum rc
group(struct parser *p, struct filter **out)
{
	size_t at = p->pos;
	enum rc rc;

	if ((rc = deeper(p)) != RC_OK)
		return rc;
	p->pos++;
	skip_blanks(p);
	if ((rc = parse_or(p, out)) != RC_OK)
		return rc;
	if (peek(p) != ')')
		return BAD(p, at, "the parenthesis that opens here is not closed");
	p->pos++;
	p->depth--;
	return RC_OK;
}

static enum rc
factor(struct parser *p, struct filter **out)
{
	enum rc rc;

	skip_blanks(p);
	if (peek(p) == '(')
		return group(p, out);
	if (slice_caseeq(peek_word(p), SLICE("not"))) {
		p->pos += 3;
		skip_blanks(p);
		if (peek(p) == '(') {
			if ((rc = group(p, out)) == RC_OK)
				*out = filter_new(p, FILTER_NOT, *out, NULL);
			return rc;
		}
		return BAD(p, p->pos, "a parenthesis is expected behind \"not\"");
	}
	return term(p, out);
}

/* Takes "and" or "or" when it is what comes next. In front of it and behind it there are blanks,
 * but for a parenthesis in DIALECT_TOLERANT. */
static enum rc
take_keyword(struct parser *p, struct slice keyword, bool *taken)
{
	size_t from = p->pos;
	bool blank = skip_blanks(p);

	*taken = slice_caseeq(peek_word(p), keyword);
	if (!*taken) {
		p->pos = from;
		return RC_OK;
	}
	if (!blank && p->dialect != DIALECT_TOLERANT)
		return BAD(p, p->pos, "a blank is expected before \"%s\"", keyword.p);
	p->pos += keyword.len;
	if (!skip_blanks(p) && (p->dialect != DIALECT_TOLERANT || peek(p) != '('))
		return BAD(p, p->pos, "a blank is expected behind \"%s\"", keyword.p);
	return RC_OK;
}

static enum rc
parse_and(struct parser *p, struct filter **out)
{
	struct filter *right;
	bool more;
	enum rc rc;

	if ((rc = factor(p, out)) != RC_OK)
		return rc;
	while ((rc = take_keyword(p, SLICE("and"), &more)) == RC_OK && more) {
		if ((rc = factor(p, &right)) != RC_OK)
			return rc;
		*out = filter_new(p, FILTER_AND, *out, right);
	}
	return rc;
}

static enum rc
parse_or(struct parser *p, struct filter **out)
{
	struct filter *right;
	bool more;
	enum rc rc;

	if ((rc = parse_and(p, out)) != RC_OK)
		return rc;
	while ((rc = take_keyword(p, SLICE("or"), &more)) == RC_OK && more) {
		if ((rc = parse_and(p, &right)) != RC_OK)
			return rc;
		*out = filter_new(p, FILTER_OR, *out, right);
	}
	skip_blanks(p);
	return rc;
}

static enum rc
parse_all(struct parser *p, struct filter **out)
{
	enum rc rc;

	if (p->text.len > FILTER_LENGTH_MAX)
		return fail(p->err, RC_INVALID_FILTER, "filter",
			"a filter is at most %d bytes long", FILTER_LENGTH_MAX);
	if (!text_valid(p->text))
		return fail(
			p->err, RC_INVALID_FILTER, "filter", "the filter is not well-formed UTF-8");
	if ((rc = parse_or(p, out)) != RC_OK)
		return rc;
	if (!at_end(p))
		return BAD(p, p->pos, "\"and\", \"or\" or the end is expected");
	return RC_OK;
}

enum rc
filter_parse(struct arena *a, const struct schema_set *set, const struct resource_type *type,
	struct slice text, enum dialect dialect, struct filter **out, struct err *err)
{
	struct parser p = { .a = a, .type = type, .dialect = dialect, .text = text, .err = err };

	(void)set;
	return parse_all(&p, out);
}

enum rc
filter_parse_element(struct arena *a, const struct attr *attr, struct slice text,
	enum dialect dialect, struct filter **out, struct err *err)
{
	struct parser p = { .a = a, .scope = attr, .dialect = dialect, .text = text, .err = err };

	return parse_all(&p, out);
}
