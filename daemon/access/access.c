#include "daemon/access/access.h"

#include "daemon/access/ask.h"
#include "daemon/clock.h"
#include "protocol/authzen.h"

#include "base/banned.h"

enum {
	BODY_MAX = 1 << 20, /* it is read on the event loop */
	TURN_US = 2000,     /* of questions, before others have theirs */
};

/* ---- Paths ---- */

enum what { ONE_QUESTION, SEVERAL_QUESTIONS, METADATA, NOTHING };

struct place {
	enum what what;
	struct slice key; /* p NULL: none */
};

static const struct slice orgs = SLICE_INIT("/orgs/"), access_tail = SLICE_INIT("/access/"),
			  well_known = SLICE_INIT("/.well-known/authzen-configuration");

/* "/orgs/{key}" off a path. */
static bool
split_key(struct slice *path, struct slice *key)
{
	const struct slice letters = SLICE("abcdefghijklmnopqrstuvwxyz0123456789-");
	size_t n = 0;

	if (!slice_starts(*path, orgs))
		return false;
	*key = slice_from(*path, orgs.len);
	while (n < key->len && key->p[n] != '/')
		n++;
	*path = slice_from(*key, n);
	key->len = n;
	for (size_t i = 0; i < n; i++)
		if (memchr(letters.p, key->p[i], letters.len) == NULL)
			return false;
	return n > 0 && n <= ORG_KEY_MAX;
}

static enum what
what_of(struct slice rest)
{
	static const struct {
		struct slice path;
		enum what what;
	} known[] = {
		{ SLICE_INIT("/access/v1/evaluation"), ONE_QUESTION },
		{ SLICE_INIT("/access/v1/evaluations"), SEVERAL_QUESTIONS },
		{ SLICE_INIT("/.well-known/authzen-configuration"), METADATA },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_eq(rest, known[i].path))
			return known[i].what;
	return NOTHING;
}

/* The well-known part stands between host and path of a decision point's address (RFC 8615 section 3 and the API's
 * section on metadata); behind the address it is found as well, for clients that put it there. */
static bool
place_of(struct slice path, struct place *out)
{
	*out = (struct place){ NOTHING, { NULL, 0 } };
	if (slice_starts(path, well_known)) {
		path = slice_from(path, well_known.len);
		if (split_key(&path, &out->key) && path.len == 0)
			out->what = METADATA;
		return path.len == 0 || path.p[0] == '/';
	}
	if (!split_key(&path, &out->key)) {
		out->key.p = NULL;
		return false;
	}
	out->what = what_of(path);
	return out->what != NOTHING || slice_starts(path, access_tail);
}

/* ---- Answers ---- */

/* The API has a message as the body of an error. */
static void
reply_refusal(struct request *rq, enum rc rc, const struct err *err)
{
	struct response r = error_response(rq, rc);
	struct buf *out = &rq->worker->out;

	r.content_type = SLICE("text/plain; charset=utf-8");
	buf_clear(out);
	buf_printf(out, "%s%s%s\n", err->path, err->path[0] != '\0' ? ": " : "",
		err->detail[0] != '\0' ? err->detail : rc_name(rc));
	exchange_respond(rq->x, &r, buf_as_slice(out));
}

static const struct response answer = { .status = 200, .content_type = SLICE_INIT("application/json") };

static void
reply_metadata(struct request *rq, struct slice key)
{
	struct response r = answer;
	struct buf *out = &rq->worker->out;

	r.cacheable = true;
	buf_clear(out);
	authzen_write_metadata(out,
		slice_of(arena_printf(rq->arena, "%.*s%.*s%.*s", SLICE_ARG(request_url(rq)),
			SLICE_ARG(orgs), SLICE_ARG(key))));
	exchange_respond(rq->x, &r, buf_as_slice(out));
}

/* ---- Questions ---- */

static void
reply_one(struct request *rq, const json_t *body)
{
	struct buf *out = &rq->worker->out;
	struct authzen_evaluation e;
	struct asker asker;
	struct err err = ERR_INIT;
	enum rc rc;

	buf_clear(out);
	if ((rc = authzen_read(body, &e, &err)) != RC_OK ||
		(rc = asker_init(&asker, rq, rq->arena, &err)) != RC_OK ||
		(rc = asker_ask(&asker, &e, out, NULL, &err)) != RC_OK) {
		reply_refusal(rq, rc, &err);
		return;
	}
	exchange_respond(rq->x, &answer, buf_as_slice(out));
}

/* A batch on its way: some questions a turn, in the newest state each turn. */
struct batch {
	struct request *rq;
	struct authzen_batch asked;
	size_t at;
	struct arena *scratch;
};

static void
free_arena(void *arena)
{
	arena_free(arena);
}

/* What can't be asked is answered no, with an error of its own. */
static bool
answer_next(struct batch *b, struct asker *asker, struct buf *out)
{
	const struct authzen_evaluation *e = &b->asked.list[b->at];
	bool allowed = false;
	struct err err = e->err;
	enum rc rc = e->rc;

	if (b->at++ > 0)
		buf_char(out, ',');
	if (rc == RC_OK)
		rc = asker_ask(asker, e, out, &allowed, &err);
	if (rc != RC_OK)
		ask_write_error(out, rc, &err);
	if (b->asked.semantic == AUTHZEN_ALL)
		return b->at < b->asked.count;
	return b->at < b->asked.count && allowed == (b->asked.semantic == AUTHZEN_UNTIL_DENY);
}

static bool
answer_some(struct batch *b, struct buf *out, size_t want, bool *failed)
{
	int64_t until = clock_us() + TURN_US;
	size_t from = out->len;
	struct asker asker;
	bool more = true;
	struct err err;

	arena_clear(b->scratch);
	if (asker_init(&asker, b->rq, b->scratch, &err) != RC_OK) {
		*failed = true;
		return false;
	}
	if (b->at == 0)
		BUF_LIT(out, "{\"evaluations\":[");
	while (more && out->len - from < want && clock_us() < until)
		more = answer_next(b, &asker, out);
	if (!more)
		BUF_LIT(out, "]}");
	*failed = txn_rc(b->rq->worker->reader) != RC_OK;
	return more && !*failed;
}

static bool
produce(void *ctx, struct buf *out, size_t want, bool *failed)
{
	struct batch *b = ctx;
	bool more;

	if (reader_enter(b->rq->worker, NULL) != RC_OK) {
		*failed = true;
		return false;
	}
	more = answer_some(b, out, want, failed);
	reader_leave(b->rq->worker);
	return more;
}

static void
reply_batch(struct request *rq, const json_t *body)
{
	struct batch *b = ARENA_NEW(rq->arena, struct batch);
	uint64_t max = rq->scim->options.config->access_evaluations;
	struct asker asker;
	struct err err = ERR_INIT;
	enum rc rc;

	if ((rc = authzen_read_batch(rq->arena, body, max, &b->asked, &err)) != RC_OK ||
		(rc = asker_init(&asker, rq, rq->arena, &err)) != RC_OK) {
		reply_refusal(rq, rc, &err);
		return;
	}
	if (b->asked.count == 0) {
		reply_one(rq, body);
		return;
	}
	b->rq = rq;
	b->scratch = arena_new();
	arena_on_free(rq->arena, free_arena, b->scratch);
	exchange_respond_stream(rq->x, &answer, produce, b);
}

/* ---- The door ---- */

static bool
is_json(struct slice type)
{
	struct slice part;

	return type.p != NULL && slice_split(&type, ';', &part) &&
	       slice_caseeq(slice_trim(part), SLICE("application/json"));
}

static enum rc
check_head(struct request *rq, const struct place *p, bool counted, struct err *err)
{
	const struct http_request *h = &rq->x->request;
	bool get = h->method == HTTP_GET || h->method == HTTP_HEAD;
	enum rc rc;

	if (p->what == METADATA && get)
		return RC_OK;
	if (p->key.p == NULL || (p->what == NOTHING && slice_starts(h->path, well_known)))
		return fail(err, RC_NOT_FOUND, "",
			"each org is a decision point of its own: "
			"/.well-known/authzen-configuration/orgs/{key}");
	if (p->what != METADATA && (rc = request_admit(rq, p->key, counted, err)) != RC_OK)
		return rc;
	if (p->what == NOTHING)
		return fail(err, RC_NOT_FOUND, "", "there is no such endpoint");
	rq->allow = p->what == METADATA ? SLICE("GET, HEAD") : SLICE("POST");
	if (p->what == METADATA || h->method != HTTP_POST)
		return fail(err, RC_METHOD_NOT_ALLOWED, "", "allowed: %.*s", SLICE_ARG(rq->allow));
	return is_json(h->content_type)
		       ? RC_OK
		       : fail(err, RC_BAD_REQUEST, "Content-Type", "must be application/json");
}

static bool
takes(const struct http_request *h)
{
	struct place p;

	return place_of(h->path, &p);
}

static void
admit(struct request *rq)
{
	struct err err = ERR_INIT;
	struct place p;
	enum rc rc;

	(void)place_of(rq->x->request.path, &p);
	if ((rc = check_head(rq, &p, false, &err)) != RC_OK)
		reply_refusal(rq, rc, &err);
}

static void
handle(struct request *rq)
{
	struct err err = ERR_INIT;
	json_t *body;
	struct place p;
	enum rc rc;

	(void)place_of(rq->x->request.path, &p);
	rc = check_head(rq, &p, true, &err);
	if (rc == RC_OK && p.what == METADATA) {
		reply_metadata(rq, p.key);
		return;
	}
	if (rc == RC_OK && rq->x->body.len > BODY_MAX)
		rc = fail(&err, RC_TOO_LARGE, "", "at most %d bytes of questions in one request", BODY_MAX);
	if (rc == RC_OK)
		rc = json_read(rq->arena, rq->x->body, &body, &err);
	if (rc != RC_OK)
		reply_refusal(rq, rc, &err);
	else if (p.what == ONE_QUESTION)
		reply_one(rq, body);
	else
		reply_batch(rq, body);
}

const struct side_door access_door = { takes, admit, handle };
