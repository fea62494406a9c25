#include "protocol/scim_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "schema/text.h"

#include "base/banned.h"

static void
put_key(struct buf *out, const struct attr *attr)
{
	buf_slice(out, attr->json_key);
}

static void
put_quoted(struct buf *out, const char *text, size_t len)
{
	char *p = buf_reserve(out, len + 2);

	p[0] = '"';
	memcpy(p + 1, text, len);
	p[len + 1] = '"';
	out->len += len + 2;
}

static void
put_uuid(struct buf *out, const struct uuid *id)
{
	char *p = buf_reserve(out, UUID_TEXT + 2);

	p[0] = '"';
	uuid_format(id, p + 1);
	p[UUID_TEXT + 1] = '"';
	out->len += UUID_TEXT + 2;
}

void
location_write(
	struct buf *out, struct slice base, const struct resource_type *type, const struct uuid *id)
{
	buf_slice(out, base);
	buf_slice(out, type->endpoint);
	buf_char(out, '/');
	uuid_format(id, buf_reserve(out, UUID_TEXT));
	out->len += UUID_TEXT;
}

static void
put_location(struct buf *out, const struct view *v, const struct resource_type *type,
	const struct uuid *id)
{
	buf_char(out, '"');
	location_write(out, v->base, type, id);
	buf_char(out, '"');
}

static void
put_datetime(struct buf *out, int64_t ticks)
{
	char text[DATETIME_MAX];

	put_quoted(out, text, datetime_format(ticks, text));
}

/* The shortest of a few forms that reads back as the same number; with a digit on both sides of a
 * period (RFC 7643 section 2.3.3). */
static void
put_decimal(struct buf *out, double value)
{
	char text[40];

	if (!isfinite(value)) {
		BUF_LIT(out, "null");
		return;
	}
	(void)snprintf(text, sizeof(text), "%.15g", value);
	if (strtod(text, NULL) != value)
		(void)snprintf(text, sizeof(text), "%.17g", value);
	buf_put(out, text, strlen(text));
	if (strpbrk(text, ".e") == NULL)
		BUF_LIT(out, ".0");
}

static void
put_base64(struct buf *out, struct slice bytes)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = (const unsigned char *)bytes.p;
	char *p = buf_reserve(out, bytes.len / 3 * 4 + 6), *start = p;

	*p++ = '"';
	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t left = bytes.len - i;
		unsigned v = (unsigned)in[i] << 16 | (left > 1 ? (unsigned)in[i + 1] << 8 : 0) |
			     (left > 2 ? in[i + 2] : 0U);

		*p++ = alphabet[v >> 18];
		*p++ = alphabet[v >> 12 & 63];
		*p++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
		*p++ = left > 2 ? alphabet[v & 63] : '=';
	}
	*p++ = '"';
	out->len += (size_t)(p - start);
}

/* What became of a value: EMPTY when the projection left nothing of it; the caller then takes its
 * key back. */
enum wrote { WROTE_BAD, WROTE_EMPTY, WROTE_VALUE };

static enum wrote put_fields(
	struct buf *out, const struct view *v, const struct attr *parent, struct slice fields);

static enum wrote
put_one(struct buf *out, const struct view *v, const struct attr *attr, struct slice payload)
{
	enum wrote wrote;
	size_t start;

	switch (attr->type) {
	case ATTR_STRING:
	case ATTR_REFERENCE:
		buf_json_string(out, payload);
		break;
	case ATTR_BOOLEAN:
		if (payload_bool(payload))
			BUF_LIT(out, "true");
		else
			BUF_LIT(out, "false");
		break;
	case ATTR_INTEGER:
		buf_i64(out, payload_i64(payload));
		break;
	case ATTR_DECIMAL:
		put_decimal(out, payload_double(payload));
		break;
	case ATTR_DATETIME:
		put_datetime(out, payload_i64(payload));
		break;
	case ATTR_BINARY:
		put_base64(out, payload);
		break;
	case ATTR_COMPLEX:
		start = out->len;
		buf_char(out, '{');
		wrote = put_fields(out, v, attr, payload);
		if (wrote == WROTE_VALUE)
			buf_char(out, '}');
		else
			out->len = start;
		return wrote;
	}
	return WROTE_VALUE;
}

static enum wrote
put_list(struct buf *out, const struct view *v, const struct attr *attr, struct slice payload)
{
	size_t start = out->len, elements = 0;
	struct slice element;
	bool bad = false;

	buf_char(out, '[');
	while (record_next_element(&payload, &element, &bad)) {
		size_t before = out->len;
		enum wrote wrote;

		if (elements > 0)
			buf_char(out, ',');
		wrote = put_one(out, v, attr, element);
		if (wrote == WROTE_BAD)
			return WROTE_BAD;
		if (wrote == WROTE_EMPTY)
			out->len = before;
		else
			elements++;
	}
	buf_char(out, ']');
	if (bad)
		return WROTE_BAD;
	if (elements == 0) {
		out->len = start;
		return WROTE_EMPTY;
	}
	return WROTE_VALUE;
}

/* Key and value of one field, with the comma before it when something stands before it. */
static enum wrote
put_field(struct buf *out, const struct view *v, const struct field *f, bool comma)
{
	size_t start = out->len;
	enum wrote wrote;

	if (!projection_has(v->projection, f->attr) || f->attr->returned == RETURNED_NEVER)
		return WROTE_EMPTY;
	if (comma)
		buf_char(out, ',');
	put_key(out, f->attr);
	wrote = f->attr->multi ? put_list(out, v, f->attr, f->payload)
			       : put_one(out, v, f->attr, f->payload);
	if (wrote != WROTE_VALUE)
		out->len = start;
	return wrote;
}

/* The address of what a complex value points to. None for what is no resource that has an address
 * here: `value` is then a name of another kind, or the resource lives on another base. */
static bool
put_made_ref(struct buf *out, const struct view *v, const struct attr *attr, struct slice value,
	struct slice type_name, bool comma)
{
	const struct resource_type *type =
		schema_type_by_name(v->set, attr->ref_type != NULL ? type_name : attr->made_ref->refs[0]);
	struct slice base = v->base;
	struct uuid id;

	if (type == NULL || !uuid_parse(value, &id))
		return false;
	if ((type->bases & (v->bases != 0 ? v->bases : BASE_ORG)) == 0)
		base = (type->bases & BASE_PLATFORM) != 0 ? v->platform : SLICE("");
	if (base.len == 0)
		return false;
	if (comma)
		buf_char(out, ',');
	put_key(out, attr->made_ref);
	buf_char(out, '"');
	location_write(out, base, type, &id);
	buf_char(out, '"');
	return true;
}

/* The inside of an object. A field that does not belong there is damage; this also bounds the
 * recursion. */
static enum wrote
put_fields(struct buf *out, const struct view *v, const struct attr *parent, struct slice fields)
{
	struct slice value = { "", 0 }, type_name = { "", 0 };
	bool any = false, bad = false;
	struct field f;

	while (record_next(v->set, &fields, &f, &bad)) {
		enum wrote wrote;

		if (f.attr->parent != parent)
			return WROTE_BAD;
		if (f.attr == parent->ref_value)
			value = f.payload;
		else if (f.attr == parent->ref_type)
			type_name = f.payload;
		if (f.attr == parent->made_ref)
			continue;
		wrote = put_field(out, v, &f, any);
		if (wrote == WROTE_BAD)
			return WROTE_BAD;
		any |= wrote == WROTE_VALUE;
	}
	if (parent->made_ref != NULL && projection_has(v->projection, parent->made_ref))
		any |= put_made_ref(out, v, parent, value, type_name, any);
	return bad ? WROTE_BAD : any ? WROTE_VALUE : WROTE_EMPTY;
}

/* RFC 7643 section 3: the core schema and the extensions in use. */
static void
put_schemas(struct buf *out, const struct view *v, const struct record *r)
{
	struct slice unused;

	put_key(out, r->type->schemas);
	buf_char(out, '[');
	put_quoted(out, r->type->core->urn.p, r->type->core->urn.len);
	for (size_t i = 0; i < r->type->extension_count; i++) {
		const struct extension *e = &r->type->extensions[i];

		if (!record_field(v->set, r, e->container, &unused))
			continue;
		buf_char(out, ',');
		put_quoted(out, e->schema->urn.p, e->schema->urn.len);
	}
	buf_char(out, ']');
}

/* The comma and key of a sub-attribute of meta, when it is to be seen. */
static bool
put_meta_key(struct buf *out, const struct view *v, const struct attr *attr, bool *any)
{
	if (!projection_has(v->projection, attr))
		return false;
	if (*any)
		buf_char(out, ',');
	*any = true;
	put_key(out, attr);
	return true;
}

static void
put_meta(struct buf *out, const struct view *v, const struct record *r)
{
	const struct resource_type *type = r->type;
	size_t start = out->len;
	char version[VERSION_MAX];
	bool any = false;

	if (!projection_has(v->projection, type->meta))
		return;
	buf_char(out, ',');
	put_key(out, type->meta);
	buf_char(out, '{');
	if (put_meta_key(out, v, type->meta_type, &any))
		put_quoted(out, type->name.p, type->name.len);
	if (put_meta_key(out, v, type->meta_created, &any))
		put_datetime(out, r->created);
	if (put_meta_key(out, v, type->meta_modified, &any))
		put_datetime(out, r->modified);
	if (put_meta_key(out, v, type->meta_location, &any))
		put_location(out, v, type, &r->id);
	if (put_meta_key(out, v, type->meta_version, &any))
		buf_json_string(
			out, (struct slice){ version, version_format(r->revision, version) });
	if (any)
		buf_char(out, '}');
	else
		out->len = start;
}

/* A value of one connection's space. Returns false on damage. */
static bool
put_space_field(struct buf *out, const struct view *v, const struct field *f)
{
	struct slice text;
	uint32_t space;

	if (!payload_space(f->payload, &space, &text))
		return false;
	if (space != v->space || !projection_has(v->projection, f->attr))
		return true;
	buf_char(out, ',');
	put_key(out, f->attr);
	buf_json_string(out, text);
	return true;
}

bool
resource_write_open(struct buf *out, const struct view *v, const struct record *r)
{
	struct slice fields = r->fields;
	struct field f;
	bool bad = false;

	/* Most of what follows then fits without growing. */
	buf_reserve(out, 1024 + r->fields.len * 2);
	buf_char(out, '{');
	put_schemas(out, v, r);
	buf_char(out, ',');
	put_key(out, r->type->id);
	put_uuid(out, &r->id);
	while (record_next(v->set, &fields, &f, &bad)) {
		if (f.attr->parent != r->type->root)
			return false;
		if (f.attr->source == SOURCE_SPACE) {
			if (!put_space_field(out, v, &f))
				return false;
		} else if (put_field(out, v, &f, true) == WROTE_BAD) {
			return false;
		}
	}
	put_meta(out, v, r);
	return !bad;
}

void
edge_write(struct buf *out, const struct view *v, const struct attr *attr, const struct uuid *id,
	const struct resource_type *ref_type, struct slice display, struct slice type_text)
{
	char sep = '{';

	for (size_t i = 0; i < attr->sub_count; i++) {
		const struct attr *sub = attr->subs[i];
		char which = sub->name.p[0]; /* value, $ref, display, type differ in it */

		if (!projection_has(v->projection, sub) || (which == '$' && ref_type == NULL) ||
			(which == 'd' && display.len == 0) || (which == 't' && type_text.len == 0))
			continue;
		buf_char(out, sep);
		sep = ',';
		put_key(out, sub);
		if (which == 'v')
			put_uuid(out, id);
		else if (which == '$')
			put_location(out, v, ref_type, id);
		else
			buf_json_string(out, which == 'd' ? display : type_text);
	}
	if (sep == '{')
		buf_char(out, '{');
	buf_char(out, '}');
}

size_t
version_format(uint64_t revision, char out[VERSION_MAX])
{
	char digits[20];
	size_t at = sizeof(digits), len;

	do
		digits[--at] = (char)('0' + revision % 10);
	while ((revision /= 10) != 0);
	len = sizeof(digits) - at;
	memcpy(out, "W/\"", 3);
	memcpy(out + 3, digits + at, len);
	out[3 + len] = '"';
	return len + 4;
}

/* For failures that come without a sentence of their own: a detail is never empty. */
static const char *const sentences[RC_COUNT] = {
	[RC_INVALID_FILTER] = "the filter is not valid",
	[RC_TOO_MANY] = "the filter has too many results",
	[RC_UNIQUENESS] = "the value is taken",
	[RC_MUTABILITY] = "the attribute can't be changed so",
	[RC_INVALID_SYNTAX] = "the body is not what the request needs",
	[RC_INVALID_PATH] = "the path is not valid",
	[RC_NO_TARGET] = "the path names nothing that is there",
	[RC_INVALID_VALUE] = "the value is not valid",
	[RC_INVALID_VERS] = "this version of SCIM is not supported",
	[RC_SENSITIVE] = "this must not be asked in an address: use POST and /.search",
	[RC_INVALID_CURSOR] = "the cursor is not one of this query",
	[RC_EXPIRED_CURSOR] = "the cursor has expired",
	[RC_INVALID_COUNT] = "the count is not valid",
	[RC_BAD_REQUEST] = "the request is not valid",
	[RC_UNAUTHORIZED] = "a valid token is needed",
	[RC_FORBIDDEN] = "the token does not allow this",
	[RC_NOT_FOUND] = "there is no such resource",
	[RC_METHOD_NOT_ALLOWED] = "the method is not allowed here",
	[RC_MOVED] = "the organisation has another key now",
	[RC_NOT_ACCEPTABLE] = "the answer would be application/scim+json",
	[RC_TIMEOUT] = "the request took too long to arrive",
	[RC_CONFLICT] = "the request conflicts with the state of the resource",
	[RC_PRECONDITION_FAILED] = "the resource has changed: its version is another one",
	[RC_TOO_LARGE] = "the request is too large",
	[RC_URI_TOO_LONG] = "the address is too long",
	[RC_UNSUPPORTED_MEDIA_TYPE] = "the body must be application/scim+json or application/json",
	[RC_EXPECTATION_FAILED] = "the expectation is not supported",
	[RC_RATE_LIMITED] = "too many requests: wait before the next",
	[RC_HEADERS_TOO_LARGE] = "the headers are too large",
	[RC_INTERNAL] = "the server failed",
	[RC_NOT_IMPLEMENTED] = "this is not supported",
	[RC_UNAVAILABLE] = "the server can't answer now",
	[RC_HTTP_VERSION] = "the HTTP version is not supported",
	[RC_NO_SPACE] = "the server has no space left to store this",
};

void
error_write(struct buf *out, enum rc rc, const struct err *err)
{
	const char *detail = err != NULL && err->detail[0] != '\0' ? err->detail : sentences[rc];
	const char *path = err != NULL ? err->path : "";
	char text[sizeof(err->path) + sizeof(err->detail) + 2];

	(void)snprintf(text, sizeof(text), "%s%s%s", path, path[0] != '\0' ? ": " : "",
		detail != NULL ? detail : rc_name(rc));
	BUF_LIT(out, "{\"schemas\":[\"" URN_ERROR "\"],\"status\":\"");
	buf_u64(out, (uint64_t)rc_status(rc));
	buf_char(out, '"');
	if (rc_scim_type(rc) != NULL) {
		BUF_LIT(out, ",\"scimType\":");
		buf_json_string(out, slice_of(rc_scim_type(rc)));
	}
	BUF_LIT(out, ",\"detail\":");
	buf_json_string(out, slice_of(text));
	buf_char(out, '}');
}
