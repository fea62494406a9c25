#include "tools/bench/workload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/bench/person.h"

#include "base/banned.h"

enum needs { NEED_PATH = 1, NEED_IDS = 2, NEED_NAMES = 4, NEED_GROUP = 8 };

struct kind {
	const char *name;
	int needs;
	int status[2]; /* that count as success */
	void (*make)(struct lane *lane, struct buf *out, struct ticket *ticket);
};

static uint64_t
next_random(struct lane *lane)
{
	uint64_t x = lane->random; /* xorshift64 */

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return lane->random = x;
}

static struct slice
random_line(struct lane *lane, const struct lines *l)
{
	return l->line[next_random(lane) % l->count];
}

static void
request_line(struct buf *out, const char *method, const struct stream *s, const char *endpoint, struct slice id)
{
	buf_slice(out, slice_of(method));
	buf_slice(out, slice_of(s->path));
	buf_slice(out, slice_of(endpoint));
	buf_slice(out, id);
}

static void
headers_end(struct buf *out, const struct stream *s)
{
	BUF_LIT(out, " HTTP/1.1\r\n");
	buf_slice(out, buf_as_slice(&s->tail));
	BUF_LIT(out, "\r\n");
}

static void
body_put(struct buf *out, const struct stream *s, const struct buf *body)
{
	BUF_LIT(out, " HTTP/1.1\r\n");
	buf_slice(out, buf_as_slice(&s->tail));
	BUF_LIT(out, "Content-Type: application/scim+json\r\nContent-Length: ");
	buf_u64(out, body->len);
	BUF_LIT(out, "\r\n\r\n");
	buf_slice(out, buf_as_slice(body));
}

static void
make_path(struct lane *lane, struct buf *out, struct ticket *ticket)
{
	(void)ticket;
	request_line(out, "GET ", lane->stream, "", SLICE(""));
	headers_end(out, lane->stream);
}

static void
make_get(struct lane *lane, struct buf *out, struct ticket *ticket)
{
	struct slice id = random_line(lane, &lane->stream->ids);

	ticket->expect = id;
	request_line(out, "GET ", lane->stream, "/Users/", id);
	headers_end(out, lane->stream);
}

/* The group without its members: what a big group costs when they are left out. */
static void
make_group(struct lane *lane, struct buf *out, struct ticket *ticket)
{
	(void)ticket;
	request_line(out, "GET ", lane->stream, "/Groups/", slice_of(lane->stream->group));
	BUF_LIT(out, "?excludedAttributes=members");
	headers_end(out, lane->stream);
}

static void
make_filter(struct lane *lane, struct buf *out, struct ticket *ticket)
{
	struct slice name = random_line(lane, &lane->stream->names);

	ticket->expect = name;
	request_line(out, "GET ", lane->stream, "/Users?filter=userName%20eq%20%22", SLICE(""));
	for (size_t i = 0; i < name.len; i++) {
		if (name.p[i] == '@')
			BUF_LIT(out, "%40");
		else
			buf_char(out, name.p[i]);
	}
	BUF_LIT(out, "%22");
	headers_end(out, lane->stream);
}

static void
make_create(struct lane *lane, struct buf *out, struct ticket *ticket)
{
	struct stream *s = lane->stream;
	static _Thread_local struct buf body;
	struct person p;

	(void)ticket;
	person_make(&p, s->tag, atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed));
	buf_clear(&body);
	person_scim(&body, &p, NULL);
	request_line(out, "POST ", s, "/Users", SLICE(""));
	body_put(out, s, &body);
}

static void
put_member_patch(struct stream *s, struct buf *out, bool add, struct slice id)
{
	static _Thread_local struct buf body;

	buf_clear(&body);
	BUF_LIT(&body, "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],\"Operations\":[");
	if (add)
		buf_printf(&body, "{\"op\":\"add\",\"path\":\"members\",\"value\":[{\"value\":\"%.*s\"}]}]}",
			SLICE_ARG(id));
	else
		buf_printf(&body, "{\"op\":\"remove\",\"path\":\"members[value eq \\\"%.*s\\\"]\"}]}",
			SLICE_ARG(id));
	request_line(out, "PATCH ", s, "/Groups/", slice_of(s->group));
	body_put(out, s, &body);
}

/* Adds each id once; when all are in, takes each out again; and so on: every request changes the group. */
static void
make_patch(struct lane *lane, struct buf *out, struct ticket *ticket)
{
	struct stream *s = lane->stream;
	uint64_t n = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);

	(void)ticket;
	put_member_patch(s, out, n / s->ids.count % 2 == 0, s->ids.line[n % s->ids.count]);
}

/* Adds one, takes it out again: the group keeps its size. */
static void
make_pair(struct lane *lane, struct buf *out, struct ticket *ticket)
{
	struct stream *s = lane->stream;

	(void)ticket;
	if (!lane->added)
		lane->item = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed) % s->ids.count;
	lane->added = !lane->added;
	put_member_patch(s, out, lane->added, s->ids.line[lane->item]);
}

static const struct kind kinds[] = {
	{ "path", NEED_PATH, { 200, 200 }, make_path },
	{ "get", NEED_PATH | NEED_IDS, { 200, 200 }, make_get },
	{ "group", NEED_PATH | NEED_GROUP, { 200, 200 }, make_group },
	{ "filter", NEED_PATH | NEED_NAMES, { 200, 200 }, make_filter },
	{ "create", NEED_PATH, { 201, 201 }, make_create },
	{ "patch", NEED_PATH | NEED_IDS | NEED_GROUP, { 200, 204 }, make_patch },
	{ "pair", NEED_PATH | NEED_IDS | NEED_GROUP, { 200, 204 }, make_pair },
};

const struct kind *
workload_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

const char *
workload_kinds(void)
{
	return "path get group filter create patch pair";
}

const char *
workload_lacks(const struct stream *s)
{
	int needs = s->kind->needs;

	if (needs & NEED_PATH && s->path == NULL)
		return "path";
	if (needs & NEED_IDS && s->ids.count == 0)
		return "ids";
	if (needs & NEED_NAMES && s->names.count == 0)
		return "names";
	if (needs & NEED_GROUP && s->group == NULL)
		return "group";
	return "";
}

void
workload_headers(struct stream *s, const char *host, const char *token)
{
	buf_printf(&s->tail, "Host: %s\r\n", host);
	if (token != NULL)
		buf_printf(&s->tail, "Authorization: Bearer %s\r\n", token);
	BUF_LIT(&s->tail, "Accept: application/scim+json\r\n");
}

void
workload_make(struct lane *lane, struct buf *out, struct ticket *ticket)
{
	ticket->expect = (struct slice){ NULL, 0 };
	lane->stream->kind->make(lane, out, ticket);
}

bool
workload_status_ok(const struct stream *s, int status)
{
	return status == s->kind->status[0] || status == s->kind->status[1];
}

void
lines_read(struct lines *l, const char *file)
{
	FILE *f = fopen(file, "r");
	struct buf text = BUF_INIT;
	struct slice rest, line;
	size_t n;

	if (f == NULL) {
		fprintf(stderr, "%s: %s\n", file, strerror(errno));
		exit(1);
	}
	while ((n = fread(buf_reserve(&text, 1 << 20), 1, 1 << 20, f)) > 0)
		text.len += n;
	fclose(f);
	l->text = rest = buf_as_slice(&text);
	for (size_t i = 0; i < text.len; i++)
		l->count += text.p[i] == '\n';
	l->line = calloc(l->count + 1, sizeof(*l->line));
	if (l->line == NULL || text.len == 0) {
		fprintf(stderr, "%s: no lines\n", file);
		exit(1);
	}
	for (uint64_t i = 0; i < l->count && slice_split(&rest, '\n', &line); i++)
		l->line[i] = line;
}
