/* Batches of any length, in as many frames as they need. */
#include "tools/libroster/private.h"

#include <stdlib.h>

#include "base/banned.h"

struct batch {
	struct roster *r;
	enum roster_verb verb;
	unsigned char *codes;
	uint64_t revision; /* the lowest so far */
	size_t under_way;
	bool failed;
	struct roster_error *error;
};

struct chunk {
	struct batch *batch;
	size_t at, count, told;
	uint64_t call;
	struct chunk *next;
};

static void
batch_fail(struct batch *b, const struct roster_error *error)
{
	if (!b->failed)
		error_copy(b->error, error);
	b->failed = true;
}

static void
chunk_told(void *arg, const struct roster_answer *answer, const struct roster_error *error)
{
	struct chunk *c = arg;
	struct batch *b = c->batch;
	struct roster_text codes;
	struct roster_error wrong;

	if (error != NULL) {
		b->under_way--;
		c->call = 0;
		batch_fail(b, error);
		return;
	}
	codes = roster_text(answer, ROSTER_F_ANSWERS);
	if (codes.len > c->count - c->told) {
		codes.len = c->count - c->told;
		error_local(&wrong, NAME_PROTOCOL, "", "the server gave more answers than there were questions");
		batch_fail(b, &wrong);
	}
	if (codes.len > 0)
		memcpy(b->codes + c->at + c->told, codes.p, codes.len);
	c->told += codes.len;
	if (roster_number(answer, ROSTER_F_REVISION) < b->revision)
		b->revision = roster_number(answer, ROSTER_F_REVISION);
	if (!roster_is_last(answer))
		return;
	b->under_way--;
	c->call = 0;
	if (c->told < c->count) {
		error_local(&wrong, NAME_PROTOCOL, "", "the server gave fewer answers than there were questions");
		batch_fail(b, &wrong);
	}
}

static void
drop_chunks(struct batch *b, struct chunk *c)
{
	struct chunk *next;

	for (; c != NULL; c = next) {
		next = c->next;
		if (c->call != 0)
			(void)roster_cancel(b->r, c->call);
		free(c);
	}
}

/* The error of a request that is too long, or of a handle that is full, may go away with a smaller chunk, or later. */
static bool
is_named(const struct roster_error *error, const char *name)
{
	return error->status == 0 && slice_eq(slice_of(error->name), slice_of(name));
}

/* Starts one chunk of at most `most`; returns how many items it took, 0: error. */
static size_t
start_chunk(struct batch *b, struct chunk *c, const struct roster_request *request, size_t most,
	struct roster_error *error)
{
	struct roster_request part = *request;

	part.items = (const struct roster_request *)(const void *)((const char *)request->items + c->at * request->items->size);
	for (size_t n = most; n > 0; n /= 2) {
		part.item_count = c->count = n;
		if ((c->call = roster_start(b->r, b->verb, &part, chunk_told, c, error)) != 0)
			return n;
		if (!is_named(error, "TOO_LARGE"))
			break;
	}
	return 0;
}

static struct chunk *
new_chunk(struct batch *b, size_t at)
{
	struct chunk *c = calloc(1, sizeof(*c));

	if (c == NULL)
		abort();
	c->batch = b;
	c->at = at;
	return c;
}

/* The limits are the server's: they are known when it has said hello. */
static void
get_connected(struct batch *b)
{
	struct roster_error error;

	if (!roster_is_connected(b->r) && roster_ping(b->r, 0, &error) < 0)
		batch_fail(b, &error);
}

static void
run_batch(struct batch *b, const struct roster_request *request)
{
	struct chunk *chunks = NULL;
	struct roster_error error;

	for (size_t at = 0, n; at < request->item_count && !b->failed; at += n) {
		struct chunk *c = new_chunk(b, at);
		size_t left = request->item_count - at;

		c->next = chunks;
		chunks = c;
		n = start_chunk(b, c, request, left < b->r->link.max_items ? left : (size_t)b->r->link.max_items, &error);
		if (n > 0)
			b->under_way++;
		else if (!is_named(&error, NAME_FULL) || b->under_way == 0)
			batch_fail(b, &error);
		else
			(void)handle_wait(b->r, NEVER);
	}
	while (b->under_way > 0 && !b->failed)
		(void)handle_wait(b->r, NEVER);
	drop_chunks(b, chunks);
}

static int
batch(struct batch *b, const struct roster_request *given, uint64_t *revision)
{
	struct roster_request request;
	struct roster_error error;

	if (!options_copy(&request, sizeof(request), given, "request", b->error))
		return -1;
	if (b->r->inside) {
		error_local(&error, NAME_BAD_REQUEST, "", "a callback can't wait for a call");
		batch_fail(b, &error);
	} else if (request.item_count > 0) {
		request.size = sizeof(request);
		get_connected(b);
		run_batch(b, &request);
	}
	if (revision != NULL)
		*revision = b->revision == UINT64_MAX ? 0 : b->revision;
	return b->failed ? -1 : 0;
}

#define BATCH(name, what)                                                                            \
	int roster_##name(struct roster *r, const struct roster_request *request, unsigned char *codes, \
		uint64_t *revision, struct roster_error *error)                                      \
	{                                                                                            \
		struct batch b = { .r = r, .verb = what, .codes = codes, .revision = UINT64_MAX, .error = error }; \
                                                                                                     \
		return batch(&b, request, revision);                                                 \
	}

BATCH(check_batch, ROSTER_CHECK_BATCH)
BATCH(is_member_batch, ROSTER_IS_MEMBER_BATCH)
#undef BATCH
