#include "protocol/discovery.h"

#include "daemon/scim/request.h"

#include "base/banned.h"

/* RFC 7644 section 4: query parameters are ignored here, but a filter is refused, so that nobody takes the whole for a part. */
static bool
refuse_filter(struct request *rq)
{
	struct slice value;
	struct err err;
	bool found;

	if (http_query(rq->arena, rq->x->request.query, "filter", &value, &found) && !found)
		return false;
	reply_error(rq, fail(&err, RC_FORBIDDEN, "filter", "is not served on discovery endpoints"), &err);
	return true;
}

static struct discovery
discovery_of(const struct request *rq)
{
	const struct config *c = rq->scim->options.config;

	return (struct discovery){ .set = rq->scim->options.schema, .base = rq->base, .bases = rq->bases,
		.dialect = rq->caller.dialect, .bulk_operations = c->bulk_operations,
		.bulk_payload = c->bulk_payload, .filter_results = c->page_max,
		.page_default = c->page_default, .page_max = c->page_max,
		.cursor_timeout = c->cursor_timeout };
}

static void
answer(struct request *rq, void (*write)(struct buf *out, const struct discovery *d))
{
	struct discovery d = discovery_of(rq);

	if (refuse_filter(rq))
		return;
	buf_clear(&rq->worker->out);
	write(&rq->worker->out, &d);
	reply_json(rq, 200, buf_as_slice(&rq->worker->out));
}

static void
answer_one(struct request *rq,
	enum rc (*write)(struct buf *out, const struct discovery *d, struct slice id, struct err *err))
{
	struct discovery d = discovery_of(rq);
	struct err err;
	enum rc rc;

	if (refuse_filter(rq))
		return;
	buf_clear(&rq->worker->out);
	if ((rc = write(&rq->worker->out, &d, rq->name, &err)) != RC_OK)
		reply_error(rq, rc, &err);
	else
		reply_json(rq, 200, buf_as_slice(&rq->worker->out));
}

void
handle_config(struct request *rq)
{
	answer(rq, discovery_config);
}

void
handle_resource_types(struct request *rq)
{
	answer(rq, discovery_types);
}

void
handle_resource_type(struct request *rq)
{
	answer_one(rq, discovery_type);
}

void
handle_schemas(struct request *rq)
{
	answer(rq, discovery_schemas);
}

void
handle_schema(struct request *rq)
{
	answer_one(rq, discovery_schema);
}
