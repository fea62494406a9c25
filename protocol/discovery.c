#include "protocol/discovery.h"

#include "base/banned.h"

static void
put_meta(struct buf *out, const struct discovery *d, const char *type, const char *place,
	struct slice id)
{
	struct slice base = d->base;

	buf_printf(out, ",\"meta\":{\"resourceType\":\"%s\",\"location\":\"%.*s/%s%s%.*s\"}}", type,
		SLICE_ARG(base), place, id.len > 0 ? "/" : "", SLICE_ARG(id));
}

void
discovery_config(struct buf *out, const struct discovery *d)
{
	BUF_LIT(out, "{\"schemas\":[\"" URN_SERVICE_PROVIDER_CONFIG "\"]");
	if (d->documentation_uri.len > 0) {
		BUF_LIT(out, ",\"documentationUri\":");
		buf_json_string(out, d->documentation_uri);
	}
	buf_printf(out,
		",\"patch\":{\"supported\":true}"
		",\"bulk\":{\"supported\":true,\"maxOperations\":%llu,\"maxPayloadSize\":%llu}"
		",\"filter\":{\"supported\":true,\"maxResults\":%llu}"
		",\"changePassword\":{\"supported\":true}"
		",\"sort\":{\"supported\":true}"
		",\"etag\":{\"supported\":true}",
		(unsigned long long)d->bulk_operations, (unsigned long long)d->bulk_payload,
		(unsigned long long)d->filter_results);
	buf_printf(out,
		",\"pagination\":{\"cursor\":true,\"index\":true,\"defaultPaginationMethod\":"
		"\"index\""
		",\"defaultPageSize\":%llu,\"maxPageSize\":%llu,\"cursorTimeout\":%llu}",
		(unsigned long long)d->page_default, (unsigned long long)d->page_max,
		(unsigned long long)d->cursor_timeout);
	BUF_LIT(out, ",\"authenticationSchemes\":[{\"type\":\"oauthbearertoken\""
		     ",\"name\":\"OAuth Bearer Token\""
		     ",\"description\":\"A token in the Authorization header\""
		     ",\"specUri\":\"https://www.rfc-editor.org/info/rfc6750\",\"primary\":true}]");
	if (d->dialect == DIALECT_INTEROP)
		BUF_LIT(out, ",\"interopProfileConformant\":true");
	put_meta(out, d, "ServiceProviderConfig", "ServiceProviderConfig", (struct slice){ "", 0 });
}

static void
put_type(struct buf *out, const struct discovery *d, const struct resource_type *type)
{
	buf_slice(out, type->json);
	put_meta(out, d, "ResourceType", "ResourceTypes", type->name);
}

static void
put_schema(struct buf *out, const struct discovery *d, const struct schema *schema)
{
	buf_slice(out, d->dialect == DIALECT_INTEROP ? schema->json_interop : schema->json);
	put_meta(out, d, "Schema", "Schemas", schema->urn);
}

static void
open_list(struct buf *out, size_t n)
{
	buf_printf(out,
		"{\"schemas\":[\"" URN_LIST_RESPONSE "\"],\"totalResults\":%zu,\"startIndex\":1"
		",\"itemsPerPage\":%zu,\"Resources\":[",
		n, n);
}

void
discovery_types(struct buf *out, const struct discovery *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->set->type_count; i++)
		n += (d->set->types[i]->bases & d->bases) != 0;
	open_list(out, n);
	for (size_t i = 0, put = 0; i < d->set->type_count; i++) {
		if ((d->set->types[i]->bases & d->bases) == 0)
			continue;
		if (put++ > 0)
			buf_char(out, ',');
		put_type(out, d, d->set->types[i]);
	}
	BUF_LIT(out, "]}");
}

void
discovery_schemas(struct buf *out, const struct discovery *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->set->schema_count; i++)
		n += (d->set->schemas[i]->bases & d->bases) != 0;
	open_list(out, n);
	for (size_t i = 0, put = 0; i < d->set->schema_count; i++) {
		if ((d->set->schemas[i]->bases & d->bases) == 0)
			continue;
		if (put++ > 0)
			buf_char(out, ',');
		put_schema(out, d, d->set->schemas[i]);
	}
	BUF_LIT(out, "]}");
}

enum rc
discovery_type(struct buf *out, const struct discovery *d, struct slice id, struct err *err)
{
	const struct resource_type *type = schema_type_by_name(d->set, id);

	if (type == NULL || (type->bases & d->bases) == 0)
		return fail(err, RC_NOT_FOUND, "", "there is no resource type \"%.*s\"",
			SLICE_ARG(id));
	put_type(out, d, type);
	return RC_OK;
}

enum rc
discovery_schema(struct buf *out, const struct discovery *d, struct slice id, struct err *err)
{
	const struct schema *schema = schema_by_urn(d->set, id);

	if (schema == NULL || (schema->bases & d->bases) == 0)
		return fail(err, RC_NOT_FOUND, "", "there is no schema \"%.*s\"", SLICE_ARG(id));
	put_schema(out, d, schema);
	return RC_OK;
}
