#include "protocol/bulk.h"

#include "protocol/scim_write.h"

#include "base/banned.h"

enum rc
bulk_check_size(uint64_t body, uint64_t max_payload, struct err *err)
{
	if (body <= max_payload)
		return RC_OK;
	return fail(err, RC_TOO_LARGE, "",
		"the bulk request has %llu bytes, more than maxPayloadSize (%llu)",
		(unsigned long long)body, (unsigned long long)max_payload);
}

static void
release(void *json)
{
	json_decref(json);
}

struct reader {
	struct arena *a;
	const struct schema_set *set;
	enum dialect dialect;
	unsigned bases;
};

static const struct slice methods[] = {
	[BULK_POST] = SLICE_INIT("POST"),
	[BULK_PUT] = SLICE_INIT("PUT"),
	[BULK_PATCH] = SLICE_INIT("PATCH"),
	[BULK_DELETE] = SLICE_INIT("DELETE"),
};

static enum rc
method_read(const struct reader *r, const json_t *json, struct bulk_op *op)
{
	struct slice text = json_text(json_member(json, "method"));

	if (text.p == NULL)
		return fail(
			&op->err, RC_INVALID_SYNTAX, "method", "is required and must be a text");
	op->method_text = text;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (r->dialect == DIALECT_TOLERANT ? slice_caseeq(methods[i], text)
						   : slice_eq(methods[i], text)) {
			op->method = (enum bulk_method)i;
			op->method_text = methods[i];
			return RC_OK;
		}
	return fail(&op->err, RC_INVALID_SYNTAX, "method", "must be POST, PUT, PATCH or DELETE");
}

static enum rc
path_read(const struct reader *r, const json_t *json, struct bulk_op *op)
{
	struct slice rest, segment;

	op->path = json_text(json_member(json, "path"));
	if (op->path.p == NULL || op->path.len == 0)
		return fail(&op->err, RC_INVALID_SYNTAX, "path", "is required and must be a text");
	rest = op->path;
	if (rest.p[0] == '/')
		rest = slice_from(rest, 1);
	else if (r->dialect != DIALECT_TOLERANT)
		return fail(&op->err, RC_INVALID_SYNTAX, "path", "must start with \"/\"");
	(void)slice_split(&rest, '/', &segment);
	if (slice_eq(segment, SLICE("Me")))
		return fail(&op->err, RC_NOT_IMPLEMENTED, "path", "/Me is not supported");
	op->type = schema_type_by_endpoint(r->set, segment);
	if (op->type != NULL && (op->type->bases & r->bases) == 0)
		op->type = NULL;
	if (op->type == NULL)
		return fail(&op->err, RC_NOT_FOUND, "path", "there is no endpoint \"%.*s\"",
			SLICE_ARG(op->path));
	op->id_text = rest.p != NULL ? rest : (struct slice){ "", 0 };
	if (r->dialect == DIALECT_TOLERANT && op->id_text.len > 0 &&
		op->id_text.p[op->id_text.len - 1] == '/')
		op->id_text.len--;
	op->is_uuid = uuid_parse(op->id_text, &op->id);
	if (op->method == BULK_POST && op->id_text.len > 0)
		return fail(&op->err, RC_METHOD_NOT_ALLOWED, "path",
			"a POST goes to the endpoint of a resource type, such as %.*s",
			SLICE_ARG(op->type->endpoint));
	if (op->method != BULK_POST && op->id_text.len == 0)
		return fail(&op->err, RC_METHOD_NOT_ALLOWED, "path",
			"a %.*s goes to one resource, such as %.*s/{id}",
			SLICE_ARG(op->method_text), SLICE_ARG(op->type->endpoint));
	return RC_OK;
}

/* Tolerantly also JSON in a text, as one Java library sends it, and a bare list of PATCH
 * operations. */
static enum rc
data_read(const struct reader *r, const json_t *json, struct bulk_op *op)
{
	json_t *data = json_member(json, "data");
	enum rc rc;

	if (op->method == BULK_DELETE)
		return RC_OK;
	if (r->dialect == DIALECT_TOLERANT && json_is_string(data)) {
		rc = json_read(r->a, json_text(data), &data, &op->err);
		if (rc != RC_OK)
			return rc;
	} else if (r->dialect == DIALECT_TOLERANT && op->method == BULK_PATCH &&
		   json_is_array(data)) {
		data = json_pack("{s:[s], s:O}", "schemas", URN_PATCH_OP, "Operations", data);
		if (data == NULL)
			return fail(&op->err, RC_INTERNAL, "data", "could not be read");
		arena_on_free(r->a, release, data);
	}
	if (!json_is_object(data))
		return fail(&op->err, RC_INVALID_SYNTAX, "data",
			"is required for %.*s and must be an object", SLICE_ARG(op->method_text));
	op->data = data;
	return RC_OK;
}

static enum rc
bulk_id_read(const struct reader *r, const json_t *json, struct bulk_op *op)
{
	const json_t *value = json_member(json, "bulkId");

	op->bulk_id = json_text(value);
	if (op->method != BULK_POST)
		return RC_OK;
	if (value == NULL || json_is_null(value)) {
		if (r->dialect == DIALECT_TOLERANT)
			return RC_OK;
		return fail(&op->err, RC_INVALID_SYNTAX, "bulkId", "is required for POST");
	}
	if (op->bulk_id.len == 0 || op->bulk_id.len > BULK_ID_MAX) {
		op->bulk_id = (struct slice){ NULL, 0 };
		return fail(&op->err, RC_INVALID_VALUE, "bulkId", "must be a text of 1 to %d bytes",
			BULK_ID_MAX);
	}
	return RC_OK;
}

static enum rc
op_read(const struct reader *r, const json_t *json, struct bulk_op *op)
{
	const json_t *version = json_member(json, "version");
	enum rc rc;

	if (!json_is_object(json))
		return fail(&op->err, RC_INVALID_SYNTAX, "Operations",
			"an operation must be an object");
	op->bulk_id = json_text(json_member(json, "bulkId"));
	op->path = json_text(json_member(json, "path"));
	rc = method_read(r, json, op);
	if (rc == RC_OK)
		rc = bulk_id_read(r, json, op);
	if (rc == RC_OK)
		rc = path_read(r, json, op);
	if (rc == RC_OK)
		rc = data_read(r, json, op);
	if (rc != RC_OK || version == NULL || json_is_null(version))
		return rc;
	if (!json_is_string(version))
		return fail(&op->err, RC_INVALID_SYNTAX, "version", "must be a text");
	op->version = json_text(version);
	return RC_OK;
}

static enum rc
schemas_check(const json_t *schemas, const struct bulk_options *options, struct err *err)
{
	const json_t *uri;
	size_t i;

	json_array_foreach (schemas, i, uri)
		if (json_is_string(uri) && slice_caseeq(json_text(uri), SLICE(URN_BULK_REQUEST)))
			return RC_OK;
	if (options->dialect == DIALECT_TOLERANT && (schemas == NULL || json_is_null(schemas)))
		return RC_OK;
	return fail(err, RC_INVALID_SYNTAX, "schemas", "must name \"%s\"", URN_BULK_REQUEST);
}

static enum rc
fail_on_errors_read(const json_t *json, uint64_t *out, struct err *err)
{
	*out = 0;
	if (json == NULL || json_is_null(json))
		return RC_OK;
	if (!json_is_integer(json) || json_integer_value(json) < 0)
		return fail(
			err, RC_INVALID_VALUE, "failOnErrors", "must be a whole number, 0 or more");
	*out = (uint64_t)json_integer_value(json);
	return RC_OK;
}

enum rc
bulk_read(struct arena *a, const struct schema_set *set, json_t *body,
	const struct bulk_options *options, struct bulk **out, struct err *err)
{
	struct reader r = { a, set, options->dialect, options->bases };
	struct bulk *b = ARENA_NEW(a, struct bulk);
	const json_t *operations = json_member(body, "Operations");
	enum rc rc;

	rc = schemas_check(json_member(body, "schemas"), options, err);
	if (rc == RC_OK)
		rc = fail_on_errors_read(
			json_member(body, "failOnErrors"), &b->fail_on_errors, err);
	if (rc != RC_OK)
		return rc;
	b->count = json_array_size(operations);
	if (b->count == 0)
		return fail(err, RC_INVALID_SYNTAX, "Operations",
			"is required and must be a list of operations");
	if (b->count > options->max_operations)
		return fail(err, RC_TOO_LARGE, "Operations",
			"the bulk request has %zu operations, more than maxOperations (%llu)",
			b->count, (unsigned long long)options->max_operations);
	b->ops = ARENA_ARRAY(a, struct bulk_op, b->count);
	for (size_t i = 0; i < b->count; i++)
		b->ops[i].rc = op_read(&r, json_array_get(operations, i), &b->ops[i]);
	bulk_index(a, b);
	*out = b;
	return RC_OK;
}

void
bulk_write_open(struct buf *out)
{
	BUF_LIT(out, "{\"schemas\":[\"" URN_BULK_RESPONSE "\"],\"Operations\":[");
}

/* RFC 7644 section 3.7.3: all but a failed POST have a location. */
static void
put_location(struct buf *out, struct slice base, const struct bulk_op *op)
{
	struct buf text = BUF_INIT;

	if (op->type != NULL && (op->method == BULK_POST || op->is_uuid)) {
		location_write(&text, base, op->type, &op->id);
	} else {
		buf_slice(&text, base);
		if (op->path.len == 0 || op->path.p[0] != '/')
			buf_char(&text, '/');
		buf_slice(&text, op->path);
	}
	BUF_LIT(out, ",\"location\":");
	buf_json_string(out, buf_as_slice(&text));
	buf_release(&text);
}

static void
put_text(struct buf *out, const char *key, struct slice text)
{
	if (text.len == 0)
		return;
	buf_printf(out, "\"%s\":", key);
	buf_json_string(out, text);
	buf_char(out, ',');
}

void
bulk_write_entry(struct buf *out, bool first, struct slice base, const struct bulk_op *op,
	const struct bulk_result *result)
{
	bool failed = result->rc != RC_OK;

	if (!first)
		buf_char(out, ',');
	buf_char(out, '{');
	put_text(out, "method", op->method_text);
	put_text(out, "bulkId", op->bulk_id);
	put_text(out, "version", result->version);
	buf_printf(out, "\"status\":\"%d\"", result->status);
	if (!failed || (op->method_text.len > 0 && op->method != BULK_POST))
		put_location(out, base, op);
	if (failed) {
		BUF_LIT(out, ",\"response\":");
		error_write(out, result->rc, result->err);
	}
	buf_char(out, '}');
}

void
bulk_write_close(struct buf *out)
{
	BUF_LIT(out, "]}");
}
