#include "protocol/list.h"

#include "protocol/scim.h"

#include "base/banned.h"

/* An integer in decimal; too large ones saturate, for "as many as you have" is a legitimate wish. */
static bool
parse_integer(struct slice s, bool *negative, uint64_t *out)
{
	*negative = s.len > 0 && s.p[0] == '-';
	if (*negative || (s.len > 0 && s.p[0] == '+'))
		s = slice_from(s, 1);
	if (slice_to_u64(s, 0, UINT64_MAX, out))
		return true;
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	*out = UINT64_MAX;
	return s.len > 0;
}

static enum rc
take_start(struct list_request *r, struct slice text, struct err *err)
{
	bool negative;

	if (!parse_integer(text, &negative, &r->start))
		return fail(err, RC_INVALID_VALUE, "startIndex", "must be an integer");
	if (negative || r->start == 0)
		r->start = 1;
	return RC_OK;
}

static enum rc
take_count(struct list_request *r, struct slice text, struct err *err)
{
	bool negative;

	if (!parse_integer(text, &negative, &r->count))
		return fail(err, RC_INVALID_COUNT, "count", "must be an integer");
	if (negative)
		r->count = 0;
	r->has_count = true;
	return RC_OK;
}

static enum rc
take_order(struct list_request *r, struct slice text, struct err *err)
{
	if (slice_caseeq(text, SLICE("descending")))
		r->descending = true;
	else if (text.len > 0 && !slice_caseeq(text, SLICE("ascending")))
		return fail(err, RC_INVALID_VALUE, "sortOrder", "must be ascending or descending");
	return RC_OK;
}

/* A parameter: either a text that is kept, or a function that reads it. */
struct parameter {
	const char *name;
	size_t text; /* offset in struct list_request */
	enum rc (*take)(struct list_request *r, struct slice text, struct err *err);
};

static const struct parameter parameters[] = {
	{ "attributes", offsetof(struct list_request, attributes), NULL },
	{ "excludedAttributes", offsetof(struct list_request, excluded), NULL },
	{ "filter", offsetof(struct list_request, filter), NULL },
	{ "sortBy", offsetof(struct list_request, sort_by), NULL },
	{ "cursor", offsetof(struct list_request, cursor), NULL },
	{ "sortOrder", 0, take_order },
	{ "startIndex", 0, take_start },
	{ "count", 0, take_count },
};

enum { PARAMETERS = sizeof(parameters) / sizeof(parameters[0]) };

static enum rc
take(struct list_request *r, const struct parameter *p, struct slice text, struct err *err)
{
	if (p->take != NULL)
		return p->take(r, text, err);
	memcpy((char *)r + p->text, &text, sizeof(text));
	if (p->text == offsetof(struct list_request, cursor))
		r->has_cursor = true;
	if (p->text == offsetof(struct list_request, filter))
		r->has_filter = true;
	return RC_OK;
}

enum rc
list_request_from_query(struct arena *a, struct slice query, struct list_request *out, struct err *err)
{
	*out = (struct list_request){ .start = 1 };
	if (query.len == 0)
		return RC_OK;
	for (size_t i = 0; i < PARAMETERS; i++) {
		struct slice text;
		bool found;
		enum rc rc;

		if (!http_query(a, query, parameters[i].name, &text, &found))
			return fail(err, RC_INVALID_VALUE, parameters[i].name,
				"the parameter is not percent-encoded UTF-8");
		if (found && (rc = take(out, &parameters[i], text, err)) != RC_OK)
			return rc;
	}
	return RC_OK;
}

/* A member of the body as the text that the query would have: arrays of names joined by commas. */
static bool
as_text(struct arena *a, const json_t *value, struct slice *out)
{
	struct buf b = BUF_INIT;

	if (json_is_string(value)) {
		*out = (struct slice){ json_string_value(value), json_string_length(value) };
		return true;
	}
	if (json_is_integer(value)) {
		*out = slice_of(arena_printf(a, "%lld", (long long)json_integer_value(value)));
		return true;
	}
	if (!json_is_array(value))
		return false;
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *name = json_array_get(value, i);

		if (!json_is_string(name)) {
			buf_release(&b);
			return false;
		}
		if (i > 0)
			buf_char(&b, ',');
		buf_put(&b, json_string_value(name), json_string_length(name));
	}
	*out = arena_dup(a, buf_as_slice(&b));
	buf_release(&b);
	return true;
}

static bool
names_search_request(const json_t *body)
{
	const json_t *schemas = json_member(body, "schemas");

	for (size_t i = 0; i < json_array_size(schemas); i++) {
		const char *urn = json_string_value(json_array_get(schemas, i));

		if (urn != NULL && slice_caseeq(slice_of(urn), SLICE(URN_SEARCH_REQUEST)))
			return true;
	}
	return false;
}

enum rc
list_request_from_json(struct arena *a, const json_t *body, struct list_request *out, struct err *err)
{
	*out = (struct list_request){ .start = 1 };
	if (!names_search_request(body))
		return fail(err, RC_INVALID_SYNTAX, "schemas", "must name %s", URN_SEARCH_REQUEST);
	for (size_t i = 0; i < PARAMETERS; i++) {
		const json_t *value = json_member(body, parameters[i].name);
		struct slice text;
		enum rc rc;

		if (value == NULL || json_is_null(value))
			continue;
		if (!as_text(a, value, &text))
			return fail(err, RC_INVALID_SYNTAX, parameters[i].name,
				"has a value of the wrong type");
		if ((rc = take(out, &parameters[i], text, err)) != RC_OK)
			return rc;
	}
	return RC_OK;
}

void
list_write_open(struct buf *out, const struct list_head *h)
{
	BUF_LIT(out, "{\"schemas\":[\"" URN_LIST_RESPONSE "\"]");
	if (h->has_total) {
		BUF_LIT(out, ",\"totalResults\":");
		buf_u64(out, h->total);
	}
	BUF_LIT(out, ",\"itemsPerPage\":");
	buf_u64(out, h->items);
	if (!h->by_cursor) {
		BUF_LIT(out, ",\"startIndex\":");
		buf_u64(out, h->start);
	}
	if (h->next_cursor.len > 0) {
		BUF_LIT(out, ",\"nextCursor\":");
		buf_json_string(out, h->next_cursor);
	}
	BUF_LIT(out, ",\"Resources\":[");
}
