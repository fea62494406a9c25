#include "daemon/scim/scim.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "daemon/access/access.h"
#include "daemon/clock.h"
#include "daemon/mail/mailer.h"
#include "daemon/scim/available.h"
#include "daemon/scim/crl.h"
#include "daemon/scim/request.h"

#include "base/banned.h"

/* ---- Paths ---- */

struct fixed_path {
	struct slice segment;
	enum path_kind kind, with_name;
	bool takes_name;
};

static const struct fixed_path fixed_paths[] = {
	{ SLICE_INIT(".search"), PATH_SEARCH, PATH_SEARCH, false },
	{ SLICE_INIT("Me"), PATH_ME, PATH_ME, false },
	{ SLICE_INIT("Bulk"), PATH_BULK, PATH_BULK, false },
	{ SLICE_INIT("ServiceProviderConfig"), PATH_CONFIG, PATH_CONFIG, false },
	{ SLICE_INIT("ResourceTypes"), PATH_RESOURCE_TYPES, PATH_RESOURCE_TYPE, true },
	{ SLICE_INIT("Schemas"), PATH_SCHEMAS, PATH_SCHEMA, true },
};

static bool
match_fixed(struct request *rq, struct slice first)
{
	for (size_t i = 0; i < sizeof(fixed_paths) / sizeof(fixed_paths[0]); i++) {
		const struct fixed_path *f = &fixed_paths[i];

		if (!slice_eq(first, f->segment))
			continue;
		rq->path = rq->name.len > 0 ? f->with_name : f->kind;
		return rq->name.len == 0 || f->takes_name;
	}
	return false;
}

/* RFC 3986 section 6.2.2.2: an escape for an unreserved character is the character. */
static bool
next_segment(struct request *rq, struct slice *rest, struct slice *out)
{
	if (!slice_split(rest, '/', out) || out->len == 0)
		return false;
	return memchr(out->p, '%', out->len) == NULL || http_decode(rq->arena, *out, false, out);
}

static bool
is_action(struct slice segment)
{
	return segment.len > 1 && segment.p[0] == '.';
}

/* What stands behind the endpoint of a type. */
static bool
match_below_type(struct request *rq, struct slice rest)
{
	struct slice action;

	rq->path = rq->name.len == 0 ? PATH_TYPE : PATH_RESOURCE;
	if (slice_eq(rq->name, SLICE(".search"))) {
		rq->path = PATH_TYPE_SEARCH;
	} else if (rq->type->code == TYPE_AUDIT_EVENT && slice_eq(rq->name, SLICE(".export"))) {
		rq->path = PATH_TYPE_EXPORT;
	} else if (is_action(rq->name)) {
		rq->path = PATH_TYPE_ACTION;
		rq->action = slice_from(rq->name, 1);
	} else if (rest.p != NULL) {
		if (!next_segment(rq, &rest, &action) || !is_action(action))
			return false;
		rq->path = PATH_ACTION;
		rq->action = slice_from(action, 1);
	}
	return rest.p == NULL;
}

/* What stands behind the base: "", "/Users", "/Users/{id}", "/Users/.search", "/Users/{id}/.link", with or without a slash at
 * the end. */
static bool
match_path(struct request *rq, struct slice rest)
{
	struct slice first;

	if (rest.len > 0 && rest.p[rest.len - 1] == '/')
		rest.len--;
	if (rest.len == 0) {
		rq->path = PATH_ROOT;
		return true;
	}
	rest = slice_from(rest, 1);
	if (!next_segment(rq, &rest, &first) || (rest.p != NULL && !next_segment(rq, &rest, &rq->name)))
		return false;
	rq->type = schema_type_by_endpoint(rq->scim->options.schema, first);
	if (rq->type != NULL)
		return (rq->type->bases & rq->bases) != 0 && match_below_type(rq, rest);
	return rest.p == NULL && match_fixed(rq, first);
}

/* "/scim/v2" or "/orgs/{key}/scim/v2" off the path; of the first, key->p is NULL. */
static bool
split_base(struct slice path, struct slice *key, struct slice *rest)
{
	const struct slice head = SLICE("/orgs/"), tail = SLICE("/scim/v2");
	const char *end;

	*key = (struct slice){ NULL, 0 };
	*rest = path;
	if (slice_starts(path, head)) {
		path = slice_from(path, head.len);
		end = path.len > 0 ? memchr(path.p, '/', path.len) : NULL;
		if (end == NULL)
			return false;
		*key = (struct slice){ path.p, (size_t)(end - path.p) };
		*rest = slice_from(path, key->len);
	}
	if (!slice_starts(*rest, tail))
		return false;
	*rest = slice_from(*rest, tail.len);
	return rest->len == 0 || rest->p[0] == '/';
}

/* ---- Routes ---- */

struct route {
	enum path_kind path;
	enum http_method method;
	void (*handle)(struct request *rq);
	bool body;
	uint8_t type; /* a type with rows of its own has only those; 0: of all others */
};

static const struct route routes[] = {
	{ PATH_RESOURCE, HTTP_GET, handle_get, false, 0 },
	{ PATH_RESOURCE, HTTP_PUT, handle_replace, true, 0 },
	{ PATH_RESOURCE, HTTP_PATCH, handle_patch, true, 0 },
	{ PATH_RESOURCE, HTTP_DELETE, handle_delete, false, 0 },
	{ PATH_TYPE, HTTP_GET, handle_list, false, 0 },
	{ PATH_TYPE, HTTP_POST, handle_create, true, 0 },
	{ PATH_TYPE_SEARCH, HTTP_POST, handle_search, true, 0 },
	{ PATH_RESOURCE, HTTP_GET, handle_get, false, TYPE_QUOTA },
	{ PATH_TYPE, HTTP_GET, handle_quotas, false, TYPE_QUOTA },
	{ PATH_TYPE_SEARCH, HTTP_POST, handle_quota_search, true, TYPE_QUOTA },
	{ PATH_ROOT, HTTP_GET, handle_list, false, 0 },
	{ PATH_SEARCH, HTTP_POST, handle_search, true, 0 },
	{ PATH_BULK, HTTP_POST, handle_bulk, true, 0 },
	{ PATH_ME, HTTP_GET, handle_me, false, 0 },
	{ PATH_ME, HTTP_POST, handle_me, false, 0 },
	{ PATH_ME, HTTP_PUT, handle_me, false, 0 },
	{ PATH_ME, HTTP_PATCH, handle_me, false, 0 },
	{ PATH_ME, HTTP_DELETE, handle_me, false, 0 },
	{ PATH_CONFIG, HTTP_GET, handle_config, false, 0 },
	{ PATH_RESOURCE_TYPES, HTTP_GET, handle_resource_types, false, 0 },
	{ PATH_RESOURCE_TYPE, HTTP_GET, handle_resource_type, false, 0 },
	{ PATH_SCHEMAS, HTTP_GET, handle_schemas, false, 0 },
	{ PATH_SCHEMA, HTTP_GET, handle_schema, false, 0 },
	{ PATH_RESOURCE, HTTP_GET, handle_audit_get, false, TYPE_AUDIT_EVENT },
	{ PATH_TYPE, HTTP_GET, handle_audit_list, false, TYPE_AUDIT_EVENT },
	{ PATH_TYPE_SEARCH, HTTP_POST, handle_audit_search, true, TYPE_AUDIT_EVENT },
	{ PATH_TYPE_EXPORT, HTTP_GET, handle_audit_export, false, TYPE_AUDIT_EVENT },
};

enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

static const char *const method_names[] = { [HTTP_GET] = "GET", [HTTP_HEAD] = "HEAD",
	[HTTP_POST] = "POST", [HTTP_PUT] = "PUT", [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
	[HTTP_OPTIONS] = "OPTIONS", [HTTP_OTHER] = "" };

static bool
has_own_routes(const struct resource_type *type)
{
	for (size_t i = 0; type != NULL && i < ROUTES; i++)
		if (routes[i].type == type->code)
			return true;
	return false;
}

static bool
route_is_for(const struct route *r, const struct request *rq)
{
	return r->path == rq->path && r->type == (has_own_routes(rq->type) ? rq->type->code : 0);
}

static bool
find_route(const struct request *rq, struct route *out)
{
	enum http_method method = rq->x->request.method == HTTP_HEAD ? HTTP_GET : rq->x->request.method;
	const struct action_route *action;

	if (rq->path == PATH_ACTION || rq->path == PATH_TYPE_ACTION) {
		action = action_find(rq);
		*out = (struct route){ .handle = action->handle,
			.body = action->needs_body || rq->x->request.content_type.p != NULL };
		return method == HTTP_POST;
	}
	for (size_t i = 0; i < ROUTES; i++)
		if (routes[i].method == method && route_is_for(&routes[i], rq)) {
			*out = routes[i];
			return true;
		}
	return false;
}

static struct slice
allowed_methods(const struct request *rq)
{
	struct buf b = BUF_INIT;
	struct slice out;

	if (rq->path == PATH_ACTION || rq->path == PATH_TYPE_ACTION)
		return SLICE("POST");
	for (size_t i = 0; i < ROUTES; i++) {
		if (!route_is_for(&routes[i], rq))
			continue;
		buf_printf(&b, "%s%s%s", b.len > 0 ? ", " : "", method_names[routes[i].method],
			routes[i].method == HTTP_GET ? ", HEAD" : "");
	}
	out = arena_dup(rq->arena, buf_as_slice(&b));
	buf_release(&b);
	return out;
}

static enum rc
not_allowed(struct request *rq, struct err *err)
{
	rq->allow = allowed_methods(rq);
	return fail(err, RC_METHOD_NOT_ALLOWED, "", "%.*s is not allowed here; allowed: %.*s",
		SLICE_ARG(slice_clip(rq->x->request.method_text, 32)), SLICE_ARG(rq->allow));
}

/* ---- One request ---- */

struct slice
request_url(const struct request *rq)
{
	const struct scim_options *so = &rq->scim->options;
	const char *public_url = so->config->public_url;
	struct slice host = rq->x->request.host;

	if (public_url != NULL)
		return slice_of(public_url);
	if (host.p != NULL && host.len > 0)
		return arena_join(rq->arena, (const struct slice[]){
			strncmp(so->default_url, "http:", 5) == 0 ? SLICE("http://") : SLICE("https://"), host }, 2);
	return slice_of(so->default_url);
}

/* The addresses under which the client knows the org (or with no key the platform), and the platform: what it is given in
 * meta.location must work for it. */
static void
set_addresses(struct request *rq, struct slice key)
{
	struct slice url = request_url(rq), tail = SLICE("/scim/v2");

	rq->platform = arena_join(rq->arena, (const struct slice[]){ url, tail }, 2);
	rq->base = key.p == NULL ? rq->platform
		: arena_join(rq->arena, (const struct slice[]){ url, SLICE("/orgs/"), key, tail }, 4);
}

/* A liveness answer for load balancers; tells nothing. */
static bool
answer_health(struct exchange *x)
{
	struct response r = { .status = 200, .content_type = SLICE_INIT("application/json") };

	if (!slice_eq(x->request.path, SLICE("/healthz")) ||
		(x->request.method != HTTP_GET && x->request.method != HTTP_HEAD))
		return false;
	exchange_respond(x, &r, SLICE("{\"status\":\"ok\"}"));
	return true;
}

/* The same address with the org's present key, for a client that knows a former one. */
static struct slice
moved_address(const struct request *rq, struct slice key)
{
	const struct slice head = SLICE("/orgs/");
	struct slice query = rq->x->request.query;

	return slice_of(arena_printf(rq->arena, "%.*s%.*s%s%.*s%s%.*s", SLICE_ARG(request_url(rq)),
		SLICE_ARG(head), rq->caller.org_key,
		SLICE_ARG(slice_from(rq->x->request.path, head.len + key.len)),
		query.len > 0 ? "?" : "", SLICE_ARG(query)));
}

enum rc
request_admit(struct request *rq, struct slice key, bool counted, struct err *err)
{
	const struct scim_options *so = &rq->scim->options;
	enum rc rc = auth_check(so->auth, worker_index(rq->x->worker), rq->worker->reader,
		rq->x->request.authorization, key, rq->now, &rq->caller, err);

	if (rc == RC_MOVED)
		rq->moved = moved_address(rq, key);
	if (rc != RC_OK)
		return rc;
	rq->x->log_org = rq->caller.org;
	rq->x->log_token = rq->caller.token;
	if (counted && !rate_take(so->rate, &rq->caller, rq->x->started_us, &rq->retry_after))
		return fail(err, RC_RATE_LIMITED, "", "too many requests; try again in %d s", rq->retry_after);
	return RC_OK;
}

static enum rc
no_action(const struct request *rq, struct err *err)
{
	return fail(err, RC_NOT_FOUND, "", "there is no action \".%.*s\" on %.*s%s",
		SLICE_ARG(slice_clip(rq->action, 64)), SLICE_ARG(rq->type->endpoint),
		rq->path == PATH_ACTION ? "/{id}" : "");
}

/* The way to the handler, as far as the head decides; a failure is to be answered. counted: the request is taken out of its
 * rate. */
static enum rc
find_handler(struct request *rq, bool counted, struct route *route, struct err *err)
{
	struct slice key, rest;
	enum rc rc;

	if (!split_base(rq->x->request.path, &key, &rest))
		return fail(err, RC_NOT_FOUND, "",
			"nothing is served here; SCIM is at /orgs/{key}/scim/v2 and /scim/v2");
	rq->bases = key.p != NULL ? BASE_ORG : BASE_PLATFORM;
	if ((rc = request_admit(rq, key, counted, err)) != RC_OK)
		return rc;
	if (!match_path(rq, rest))
		return fail(err, RC_NOT_FOUND, "", "there is no such endpoint");
	if ((rq->path == PATH_ACTION || rq->path == PATH_TYPE_ACTION) && action_find(rq) == NULL)
		return no_action(rq, err);
	if (!find_route(rq, route))
		return not_allowed(rq, err);
	if ((rc = check_accept(rq, err)) != RC_OK ||
		(route->body && (rc = check_media_type(rq, err)) != RC_OK))
		return rc;
	set_addresses(rq, key);
	return RC_OK;
}

static struct request *
request_new(struct exchange *x, struct scim *s)
{
	struct request *rq = ARENA_NEW(x->arena, struct request);

	rq->scim = s;
	rq->worker = &s->workers[worker_index(x->worker)];
	rq->x = x;
	rq->arena = x->arena;
	rq->now = clock_ticks() / 10000 * 10000; /* whole milliseconds: that is what clients can read */
	return rq;
}

/* What else is served beside SCIM: the first that takes the path answers. */
static const struct side_door *const doors[] = { &access_door, &available_door, &crl_door,
	&invitation_door };

static const struct side_door *
find_door(const struct request *rq)
{
	for (size_t i = 0; i < sizeof(doors) / sizeof(doors[0]); i++)
		if (doors[i]->takes(&rq->x->request))
			return doors[i];
	return NULL;
}

void
scim_admit(struct exchange *x, void *arg)
{
	struct scim *s = arg;
	struct request *rq = request_new(x, s);
	const struct side_door *door = find_door(rq);
	struct route route;
	struct err err = ERR_INIT;
	enum rc rc;

	/* A store that can't be read is told when the body is here. */
	if (reader_enter(rq->worker, &err) != RC_OK)
		return;
	if (door != NULL)
		door->admit(rq);
	else if ((rc = find_handler(rq, false, &route, &err)) != RC_OK)
		reply_error(rq, rc, &err);
	reader_leave(rq->worker);
}

void
scim_handle(struct exchange *x, void *arg)
{
	struct scim *s = arg;
	const struct side_door *door;
	struct route route;
	struct request *rq;
	struct err err = ERR_INIT;
	enum rc rc;

	if (answer_health(x))
		return;
	rq = request_new(x, s);
	if ((rc = reader_enter(rq->worker, &err)) != RC_OK) {
		reply_error(rq, rc, &err);
		return;
	}
	if ((door = find_door(rq)) != NULL)
		door->handle(rq);
	else if ((rc = find_handler(rq, true, &route, &err)) != RC_OK)
		reply_error(rq, rc, &err);
	else
		route.handle(rq);
	reader_leave(rq->worker);
}

/* ---- Life ---- */

struct uuid
new_id(struct scim *s)
{
	uint8_t random[8];
	struct uuid id;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort(); /* can't happen once the kernel's pool is ready; an id must never repeat */
	pthread_mutex_lock(&s->id_lock);
	id = uuid_v7(&s->ids, (uint64_t)(clock_ticks() / 10000), random);
	pthread_mutex_unlock(&s->id_lock);
	return id;
}

enum rc
scim_new(const struct scim_options *options, struct scim **out, struct err *err)
{
	const struct config *c = options->config;
	struct scim *s = calloc(1, sizeof(*s));
	enum rc rc;

	if (s == NULL || (s->workers = calloc(options->workers, sizeof(*s->workers))) == NULL)
		abort();
	s->options = *options;
	pthread_mutex_init(&s->id_lock, NULL);
	s->crls = crl_cache_new();
	audit_attrs_init(&s->audit, options->schema);
	s->directory = *options->directory;
	s->directory.mail = mailer_enabled(c);
	for (size_t i = 0; i < options->schema->type_count; i++)
		projection_default(options->schema->types[i],
			&s->by_default[options->schema->types[i]->code]);
	for (unsigned i = 0; i < options->workers; i++)
		s->workers[i].reader = reader_new(options->store);
	if ((rc = pool_new((unsigned)c->password_threads, &s->pool, err)) != RC_OK) {
		scim_free(s);
		return rc;
	}
	*out = s;
	return RC_OK;
}

void
scim_stop(struct scim *s)
{
	if (s == NULL)
		return;
	pool_free(s->pool);
	s->pool = NULL;
}

void
scim_free(struct scim *s)
{
	if (s == NULL)
		return;
	scim_stop(s);
	for (unsigned i = 0; i < s->options.workers; i++) {
		reader_free(s->workers[i].reader);
		buf_release(&s->workers[i].out);
	}
	crl_cache_free(s->crls);
	pthread_mutex_destroy(&s->id_lock);
	free(s->workers);
	free(s);
}
