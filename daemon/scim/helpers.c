#include "daemon/scim/request.h"

#include "base/banned.h"

static bool
takes(struct slice accept, struct slice subtype)
{
	return http_accepts(accept, SLICE("application"), subtype);
}

/* RFC 7644 section 3.8: application/scim+json, unless the client takes application/json alone. */
struct slice
answer_type(const struct request *rq)
{
	struct slice accept = rq->x->request.accept;

	if (accept.p == NULL || takes(accept, SLICE("scim+json")) || !takes(accept, SLICE("json")))
		return SLICE("application/scim+json");
	return SLICE("application/json");
}

enum rc
check_accept(const struct request *rq, struct err *err)
{
	struct slice accept = rq->x->request.accept;

	if (accept.p == NULL || takes(accept, SLICE("scim+json")) || takes(accept, SLICE("json")) ||
		(rq->path == PATH_TYPE_EXPORT && takes(accept, SLICE("x-ndjson"))))
		return RC_OK;
	return fail(err, RC_NOT_ACCEPTABLE, "Accept",
		"must allow application/scim+json or application/json: nothing else is served");
}

/* One of the two, and in UTF-8 (RFC 8259 section 8.1). Other parameters say nothing to us. */
static bool
is_media_type(struct slice header)
{
	struct slice part, charset = SLICE("charset=");

	if (!slice_split(&header, ';', &part))
		return false;
	part = slice_trim(part);
	if (!slice_caseeq(part, SLICE("application/scim+json")) &&
		!slice_caseeq(part, SLICE("application/json")))
		return false;
	while (slice_split(&header, ';', &part)) {
		part = slice_trim(part);
		if (part.len < charset.len ||
			!slice_caseeq((struct slice){ part.p, charset.len }, charset))
			continue;
		part = slice_from(part, charset.len);
		if (!slice_caseeq(part, SLICE("utf-8")) && !slice_caseeq(part, SLICE("\"utf-8\"")) &&
			!slice_caseeq(part, SLICE("utf8")))
			return false;
	}
	return true;
}

enum rc
check_media_type(const struct request *rq, struct err *err)
{
	struct slice type = rq->x->request.content_type;

	if (type.p == NULL && rq->caller.dialect == DIALECT_TOLERANT)
		return RC_OK;
	if (type.p == NULL || !is_media_type(type))
		return fail(err, RC_UNSUPPORTED_MEDIA_TYPE, "Content-Type",
			"must be application/scim+json or application/json, in UTF-8");
	return RC_OK;
}

struct writer
writer_of(const struct request *rq, struct orgtx *o)
{
	return (struct writer){ .actor = caller_actor(&rq->caller, o, DOOR_SCIM, rq->x->peer, rq->now),
		.dialect = rq->caller.dialect,
		.caller = &rq->caller,
		.site = request_url(rq) };
}

enum rc
subject_of(struct request *rq, struct txn *t, struct subject *out, struct err *err)
{
	return subject_load(&rq->scim->directory, orgtx_open(t, rq->caller.org), rq->arena,
		&rq->caller, rq->now, out, err);
}

struct read_options
read_options_of(const struct request *rq)
{
	return (struct read_options){ .dialect = rq->caller.dialect };
}

struct cursor_binding
cursor_binding_of(const struct request *rq, const struct list_request *lr)
{
	return (struct cursor_binding){ .secret = store_secret(rq->scim->options.store),
		.org = rq->caller.org,
		.connection = rq->caller.connection,
		.type = rq->type != NULL ? rq->type->code : 0,
		.query = lr,
		.now = rq->now,
		.timeout = rq->scim->options.config->cursor_timeout };
}

/* Our tags are W/"12" (protocol/scim_write.h); what follows compares opaque parts (docs/SCIM.md). */
static bool
tag_revision(struct slice tag, uint64_t *revision)
{
	if (slice_starts(tag, SLICE("W/")))
		tag = slice_from(tag, 2);
	if (tag.len < 2 || tag.p[0] != '"' || tag.p[tag.len - 1] != '"')
		return false;
	return slice_to_u64((struct slice){ tag.p + 1, tag.len - 2 }, 1, UINT64_MAX, revision);
}

/* A tag of another form matches no version of ours: it is left out. Tags with commas inside fall apart into such. */
static size_t
read_tags(struct slice list, bool *any, uint64_t out[PRECONDITION_TAGS_MAX])
{
	struct slice tag;
	size_t n = 0;

	*any = slice_eq(slice_trim(list), SLICE("*"));
	while (n < PRECONDITION_TAGS_MAX && slice_split(&list, ',', &tag))
		if (tag_revision(slice_trim(tag), &out[n]))
			n++;
	return n;
}

void
precondition_of(const struct http_request *h, struct precondition *out)
{
	*out = (struct precondition){ .if_match = h->if_match.p != NULL,
		.if_none_match = h->if_none_match.p != NULL };
	if (out->if_match)
		out->match_count = read_tags(h->if_match, &out->if_match_any, out->match);
	if (out->if_none_match)
		out->none_match_count =
			read_tags(h->if_none_match, &out->if_none_match_any, out->none_match);
}

void
precondition_of_version(struct slice version, struct precondition *out)
{
	*out = (struct precondition){ .if_match = version.p != NULL };
	if (out->if_match)
		out->match_count = read_tags(version, &out->if_match_any, out->match);
}

enum rc
projection_of(struct request *rq, const struct resource_type *type, struct slice attributes,
	struct slice excluded, struct projection *out, struct err *err)
{
	if (attributes.len == 0 && excluded.len == 0) {
		*out = rq->scim->by_default[type->code];
		return RC_OK;
	}
	return projection_parse(rq->scim->options.schema, type, attributes, excluded, out, err);
}
