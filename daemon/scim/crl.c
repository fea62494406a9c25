#include "daemon/scim/crl.h"

#include <stdlib.h>

#include "daemon/directory/certificate.h"

#include "base/banned.h"

enum {
	KEPT = 256,         /* lists */
	FRESH = 3600,       /* seconds until a list is made anew, at least */
	HOLDS = 86400,      /* until its nextUpdate: clients have a day to reach us */
	CLIENT_KEEPS = 300, /* max-age */
	ETAG_MAX = 32,
};

#define TICKS INT64_C(10000000) /* a second */

/* A list, and what it was made from. Counted: one that is being sent may meanwhile be replaced. */
struct list {
	uint32_t org;
	uint64_t mark, number;
	int64_t made; /* seconds */
	size_t len;
	unsigned users;
	char der[];
};

struct crl_cache {
	pthread_mutex_t lock;
	struct kept {
		struct list *list;
		uint64_t revision; /* of the org, when the list was last known to be right */
		int64_t used;
	} kept[KEPT];
};

struct crl_cache *
crl_cache_new(void)
{
	struct crl_cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		abort();
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

static void
list_drop(struct list *l)
{
	if (l != NULL && --l->users == 0)
		free(l);
}

void
crl_cache_free(struct crl_cache *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < KEPT; i++)
		list_drop(c->kept[i].list);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* The org's place; NULL when it has none. The lock is held. */
static struct kept *
kept_of(struct crl_cache *c, uint32_t org)
{
	for (size_t i = 0; i < KEPT; i++)
		if (c->kept[i].list != NULL && c->kept[i].list->org == org)
			return &c->kept[i];
	return NULL;
}

static struct kept *
longest_unused(struct crl_cache *c)
{
	struct kept *k = &c->kept[0];

	for (size_t i = 1; i < KEPT && k->list != NULL; i++)
		if (c->kept[i].list == NULL || c->kept[i].used < k->used)
			k = &c->kept[i];
	return k;
}

static void
list_keep(struct crl_cache *c, struct list *l, uint64_t revision, int64_t now)
{
	struct kept *k;

	pthread_mutex_lock(&c->lock);
	if ((k = kept_of(c, l->org)) == NULL)
		k = longest_unused(c);
	list_drop(k->list);
	*k = (struct kept){ l, revision, now };
	l->users++;
	pthread_mutex_unlock(&c->lock);
}

static void
list_release(struct crl_cache *c, struct list *l)
{
	pthread_mutex_lock(&c->lock);
	list_drop(l);
	pthread_mutex_unlock(&c->lock);
}

/* The list that is kept, when it is still right; list_release() it. revision: of the org, unless
 * mark tells. */
static struct list *
list_take(struct crl_cache *c, uint32_t org, uint64_t revision, const uint64_t *mark, int64_t now)
{
	struct list *found = NULL;
	struct kept *k;

	pthread_mutex_lock(&c->lock);
	k = kept_of(c, org);
	if (k != NULL && now - k->list->made < FRESH && now >= k->list->made &&
		(mark == NULL ? k->revision == revision : k->list->mark == *mark)) {
		found = k->list;
		found->users++;
		k->used = now;
		if (mark != NULL)
			k->revision = revision;
	}
	pthread_mutex_unlock(&c->lock);
	return found;
}

/* ---- Answers ---- */

static enum rc
nothing_here(struct err *err)
{
	return fail(err, RC_NOT_FOUND, "", "there is no list of revoked certificates here");
}

static void
answer(struct request *rq, const struct list *l)
{
	char *etag = arena_printf(rq->arena, "\"%llu\"", (unsigned long long)l->number);
	struct response r = { .status = 200,
		.content_type = SLICE_INIT("application/pkix-crl"),
		.etag = slice_of(etag),
		.cacheable = true,
		.max_age = CLIENT_KEEPS };

	if (rq->x->request.if_none_match.p != NULL &&
		http_etag_list_has(rq->x->request.if_none_match, r.etag)) {
		r.status = 304;
		exchange_respond(rq->x, &r, SLICE(""));
	} else {
		exchange_respond(rq->x, &r, (struct slice){ l->der, l->len });
	}
}

/* ---- Making one, on the pool ---- */

struct making {
	struct pool_job slow; /* must stay first */
	struct request *rq;
	uint32_t org;
	struct list *list;
	enum rc rc;
	struct err err;
};

static enum rc
make(struct making *m, struct txn *t)
{
	const struct directory *d = &m->rq->scim->directory;
	struct orgtx *o = orgtx_open(t, m->org);
	int64_t now = m->rq->now / TICKS;
	uint64_t number = (uint64_t)(m->rq->now / (TICKS / 1000)),
		 revision = orgtx_stat(o)->revision;
	struct ca_revoked *revoked;
	struct authority authority;
	struct ca_crl crl;
	struct org org;
	size_t n;
	enum rc rc;

	if (d->seal == NULL || !org_by_no(t, m->org, &org) ||
		!authority_find(d, o, m->rq->arena, &authority))
		return nothing_here(&m->err);
	n = certificates_revoked(d, o, m->rq->arena, authority.row, now, &revoked);
	rc = ca_crl_make(d->seal, &(struct ca_org){ org.no, slice_of(org.key), slice_of(org.name) },
		&authority.ca, revoked, n, number, now, now + HOLDS, m->rq->arena, &crl, &m->err);
	if (rc != RC_OK)
		return rc;
	if ((m->list = malloc(sizeof(*m->list) + crl.der.len)) == NULL)
		abort();
	*m->list = (struct list){ .org = m->org,
		.mark = certificates_revoked_mark(o, d, m->rq->arena, authority.row),
		.number = number,
		.made = now,
		.len = crl.der.len,
		.users = 1 };
	memcpy(m->list->der, crl.der.p, crl.der.len);
	list_keep(m->rq->scim->crls, m->list, revision, now);
	return RC_OK;
}

static void
made(void *arg)
{
	struct making *m = arg;
	struct crl_cache *c = m->rq->scim->crls;
	struct list *l = m->list;

	if (m->rc != RC_OK) {
		reply_error(m->rq, m->rc, &m->err);
		return;
	}
	answer(m->rq, l); /* m is gone now */
	list_release(c, l);
}

static void
make_run(struct pool_job *job)
{
	struct making *m = (struct making *)job;
	struct txn *t = reader_new(m->rq->scim->options.store);

	if ((m->rc = reader_begin(t, &m->err)) == RC_OK)
		m->rc = make(m, t);
	reader_free(t);
	worker_post(m->rq->x->worker, made, m);
}

static void
make_start(struct request *rq, uint32_t org)
{
	struct making *m = ARENA_NEW(rq->arena, struct making);
	struct err err;
	enum rc rc;

	m->rq = rq;
	m->org = org;
	m->slow.item.lane = org;
	m->slow.run = make_run;
	if ((rc = pool_submit(rq->scim->pool, &m->slow, &err)) != RC_OK)
		reply_error(rq, rc, &err);
}

/* ---- Requests ---- */

static bool
org_find(struct request *rq, struct slice key, struct org *out)
{
	struct txn *t = rq->worker->reader;
	int64_t until;

	/* Certificates that were issued before a rename name the former key. */
	return (org_by_key(t, key, out) ||
		       (org_by_former_key(t, key, out, &until) && until > rq->now)) &&
	       out->state != ORG_DELETED && out->state != ORG_PURGING;
}

static void
serve(struct request *rq, const struct org *org)
{
	const struct directory *d = &rq->scim->directory;
	struct orgtx *o = orgtx_open(rq->worker->reader, org->no);
	uint64_t revision = orgtx_stat(o)->revision, mark;
	int64_t now = rq->now / TICKS;
	struct list *l = list_take(rq->scim->crls, org->no, revision, NULL, now);
	struct crl_cache *c = rq->scim->crls;
	struct authority authority;
	struct err err;

	if (l == NULL) {
		if (!authority_find(d, o, rq->arena, &authority)) {
			reply_error(rq, nothing_here(&err), &err);
			return;
		}
		mark = certificates_revoked_mark(o, d, rq->arena, authority.row);
		l = list_take(c, org->no, revision, &mark, now);
	}
	if (l == NULL) {
		make_start(rq, org->no);
		return;
	}
	answer(rq, l);
	list_release(c, l);
}

static bool
key_of_path(struct slice path, struct slice *key)
{
	const struct slice head = SLICE("/orgs/"), tail = SLICE("/crl");

	if (path.len <= head.len + tail.len || !slice_starts(path, head) ||
		!slice_eq(slice_from(path, path.len - tail.len), tail))
		return false;
	*key = (struct slice){ path.p + head.len, path.len - head.len - tail.len };
	return memchr(key->p, '/', key->len) == NULL;
}

static bool
takes(const struct http_request *h)
{
	struct slice key;

	return key_of_path(h->path, &key);
}

static bool
is_read(const struct request *rq)
{
	return rq->x->request.method == HTTP_GET || rq->x->request.method == HTTP_HEAD;
}

static void
refuse_method(struct request *rq)
{
	struct err err;

	rq->allow = SLICE("GET, HEAD");
	reply_error(rq, fail(&err, RC_METHOD_NOT_ALLOWED, "", "only GET and HEAD are allowed here"),
		&err);
}

static void
admit(struct request *rq)
{
	if (!is_read(rq))
		refuse_method(rq);
}

static void
handle(struct request *rq)
{
	struct exchange *x = rq->x;
	struct slice key;
	struct org org;
	struct err err;
	enum rc rc;

	if (!is_read(rq)) {
		refuse_method(rq);
	} else if (!rate_take_address(
			   rq->scim->options.rate, x->peer, x->started_us, &rq->retry_after)) {
		rc = fail(&err, RC_RATE_LIMITED, "", "too many requests; try again in %d s",
			rq->retry_after);
		reply_error(rq, rc, &err);
	} else if (!key_of_path(x->request.path, &key) || !org_find(rq, key, &org)) {
		reply_error(rq, nothing_here(&err), &err);
	} else {
		x->log_org = org.no;
		serve(rq, &org);
	}
}

const struct side_door crl_door = { takes, admit, handle };
