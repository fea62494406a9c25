/* Whether a name is free, for everybody: GET /available/usernames/{name}, GET /available/orgs/{key}. It tells that
 * and no more, and each address may ask so often only. */
#include "daemon/scim/available.h"

#include "daemon/directory/names.h"

#include "base/banned.h"

static const struct {
	struct slice head;
	bool org;
} kinds[] = {
	{ SLICE_INIT("/available/usernames/"), false },
	{ SLICE_INIT("/available/orgs/"), true },
};

static bool
name_of_path(struct slice path, bool *org, struct slice *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!slice_starts(path, kinds[i].head))
			continue;
		*org = kinds[i].org;
		*name = slice_from(path, kinds[i].head.len);
		return memchr(name->p, '/', name->len) == NULL;
	}
	return false;
}

static bool
takes(const struct http_request *h)
{
	struct slice name;
	bool org;

	return name_of_path(h->path, &org, &name);
}

static bool
is_read(struct request *rq)
{
	struct err err;

	if (rq->x->request.method == HTTP_GET || rq->x->request.method == HTTP_HEAD)
		return true;
	rq->allow = SLICE("GET, HEAD");
	reply_error(rq, fail(&err, RC_METHOD_NOT_ALLOWED, "", "only GET and HEAD are allowed here"), &err);
	return false;
}

static void
admit(struct request *rq)
{
	(void)is_read(rq);
}

static void
answer(struct request *rq, struct slice name, enum name_status status, const struct err *why)
{
	const struct response r = { .status = 200, .content_type = SLICE_INIT("application/json") };
	struct buf *out = &rq->worker->out;

	buf_clear(out);
	BUF_LIT(out, "{\"name\":");
	buf_json_string(out, name);
	buf_printf(out, ",\"status\":\"%s\"", name_status_text(status));
	if (status != NAME_FREE) {
		BUF_LIT(out, ",\"reason\":");
		buf_json_string(out, slice_of(why->detail));
	}
	buf_char(out, '}');
	exchange_respond(rq->x, &r, buf_as_slice(out));
}

static void
handle(struct request *rq)
{
	const struct directory *d = &rq->scim->directory;
	struct txn *t = rq->worker->reader;
	struct err err = ERR_INIT;
	enum name_status status;
	struct slice name;
	bool org;
	enum rc rc;

	if (!is_read(rq))
		return;
	if (!rate_take_address(
		    rq->scim->options.rate, rq->x->peer, rq->x->started_us, &rq->retry_after)) {
		rc = fail(&err, RC_RATE_LIMITED, "", "too many requests; try again in %d s", rq->retry_after);
		reply_error(rq, rc, &err);
		return;
	}
	if (!name_of_path(rq->x->request.path, &org, &name) ||
		!http_decode(rq->arena, name, false, &name)) {
		rc = fail(&err, RC_INVALID_VALUE, "", "the name in the path is broken");
		reply_error(rq, rc, &err);
		return;
	}
	status = org ? org_key_status(d, t, name, rq->now, &err)
		     : username_status(d, t, rq->arena, name, 0, &err);
	if ((rc = txn_rc(t)) != RC_OK)
		reply_error(rq, fail(&err, rc, "", "the store could not be read"), &err);
	else
		answer(rq, name, status, &err);
}

const struct side_door available_door = { takes, admit, handle };
