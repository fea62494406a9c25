#include <stdlib.h>

#include "daemon/directory/transfer_private.h"

#include "base/banned.h"

/* Text of one chunk; text put in one transaction; text that waits at most. A line may be longer. */
enum { CHUNK_TEXT = 1 << 20, PUT_TEXT = 24 << 20, UNDER_WAY = 64 << 20 };

/* ---- Chunks ---- */

static struct chunk *
chunk_new(struct slice text, uint64_t first_line)
{
	struct chunk *c = calloc(1, sizeof(*c));
	const char *p = text.p, *end = text.p + text.len;

	if (c == NULL)
		abort();
	buf_slice(&c->text, text);
	c->first_line = first_line;
	while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		c->lines++;
		p++;
	}
	if (end[-1] != '\n')
		c->lines++;
	return c;
}

static void
chunks_free(struct chunk *c)
{
	while (c != NULL) {
		struct chunk *next = c->next;

		if (c->arena != NULL)
			arena_free(c->arena);
		buf_release(&c->text);
		free(c);
		c = next;
	}
}

/* ---- Threads ---- */

static struct chunk *
next_to_parse(struct import *im)
{
	struct chunk *c = im->first;

	while (c != NULL && c->state != CHUNK_FILLED)
		c = c->next;
	return c;
}

static void *
parser_main(void *arg)
{
	struct import *im = arg;
	struct parser p = { .arena = arena_new(), .kept = arena_new() };
	struct chunk *c;

	(void)pthread_mutex_lock(&im->lock);
	for (;;) {
		while (!im->stop && (c = next_to_parse(im)) == NULL && !im->ended)
			(void)pthread_cond_wait(&im->changed, &im->lock);
		if (im->stop || c == NULL)
			break;
		c->state = CHUNK_PARSING;
		(void)pthread_mutex_unlock(&im->lock);
		chunk_parse(im, &p, c);
		(void)pthread_mutex_lock(&im->lock);
		c->state = CHUNK_PARSED;
		(void)pthread_cond_broadcast(&im->changed);
	}
	(void)pthread_mutex_unlock(&im->lock);
	arena_free(p.arena);
	arena_free(p.kept);
	buf_release(&p.packed);
	buf_release(&p.other);
	return NULL;
}

/* Takes parsed chunks off the front when there are enough for a transaction, or no more will come.
 * NULL: not yet, or the end. */
static struct chunk *
take_parsed(struct import *im, size_t *bytes)
{
	struct chunk *taken = im->first, *last = NULL;

	*bytes = 0;
	for (struct chunk *c = im->first;
		c != NULL && c->state == CHUNK_PARSED && *bytes < PUT_TEXT; c = c->next) {
		last = c;
		*bytes += c->size;
	}
	if (last == NULL || (*bytes < PUT_TEXT && !(im->ended && last->next == NULL)))
		return NULL;
	im->first = last->next;
	if (im->first == NULL)
		im->last = &im->first;
	last->next = NULL;
	return taken;
}

static void
import_fail(struct import *im, enum rc rc, const struct err *err)
{
	im->rc = rc;
	im->err = *err;
	im->stop = true;
	(void)pthread_cond_broadcast(&im->changed);
}

static void *
writer_main(void *arg)
{
	struct import *im = arg;
	struct err err = ERR_INIT;
	struct chunk *chunks;
	size_t bytes;
	enum rc rc;

	(void)pthread_mutex_lock(&im->lock);
	while (!im->stop) {
		if ((chunks = take_parsed(im, &bytes)) == NULL) {
			if (im->ended && im->first == NULL)
				break;
			(void)pthread_cond_wait(&im->changed, &im->lock);
			continue;
		}
		(void)pthread_mutex_unlock(&im->lock);
		rc = chunks_put(im, chunks, &err);
		chunks_free(chunks);
		(void)pthread_mutex_lock(&im->lock);
		im->under_way -= bytes;
		(void)pthread_cond_broadcast(&im->changed);
		if (rc != RC_OK)
			import_fail(im, rc, &err);
	}
	(void)pthread_mutex_unlock(&im->lock);
	return NULL;
}

/* ---- Feeding ---- */

/* Hands complete lines over; waits while too much is under way. */
static enum rc
submit(struct import *im, size_t n, struct err *err)
{
	struct chunk *c = chunk_new((struct slice){ im->text.p, n }, im->lines + 1);
	enum rc rc;

	c->size = n;
	im->lines += c->lines;
	buf_drain(&im->text, n);
	(void)pthread_mutex_lock(&im->lock);
	while (!im->stop && im->under_way > UNDER_WAY)
		(void)pthread_cond_wait(&im->changed, &im->lock);
	if ((rc = im->rc) != RC_OK) {
		*err = im->err;
		chunks_free(c);
	} else {
		*im->last = c;
		im->last = &c->next;
		im->under_way += n;
		(void)pthread_cond_broadcast(&im->changed);
	}
	(void)pthread_mutex_unlock(&im->lock);
	return rc;
}

enum rc
import_feed(struct import *im, struct slice data, struct err *err)
{
	const char *newline = data.len > 0 ? memrchr(data.p, '\n', data.len) : NULL;
	size_t before = im->text.len;

	buf_slice(&im->text, data);
	if (newline != NULL && im->text.len >= CHUNK_TEXT)
		return submit(im, before + (size_t)(newline - data.p) + 1, err);
	if (im->text.len > TRANSFER_LINE_MAX)
		return fail(err, RC_TOO_LARGE, "", "line %llu is longer than %d bytes",
			(unsigned long long)im->lines + 1, TRANSFER_LINE_MAX);
	return RC_OK;
}

static void
import_join(struct import *im)
{
	for (unsigned i = 0; i < im->parser_count; i++)
		(void)pthread_join(im->parsers[i], NULL);
	if (im->writing)
		(void)pthread_join(im->writer, NULL);
	im->parser_count = 0;
	im->writing = false;
}

enum rc
import_finish(struct import *im, struct transfer_counts *out, struct err *err)
{
	enum rc rc = RC_OK;

	if (im->text.len > 0)
		rc = submit(im, im->text.len, err);
	(void)pthread_mutex_lock(&im->lock);
	im->ended = true;
	(void)pthread_cond_broadcast(&im->changed);
	(void)pthread_mutex_unlock(&im->lock);
	import_join(im);
	if (rc == RC_OK && im->rc != RC_OK) {
		rc = im->rc;
		*err = im->err;
	}
	if (rc == RC_OK)
		rc = pending_put(im, err);
	im->counts.lines = im->lines;
	*out = im->counts;
	return rc;
}

enum rc
import_new(const struct import_options *options, struct import **out, struct err *err)
{
	struct import *im = calloc(1, sizeof(*im));

	if (im == NULL || (im->parsers = calloc(options->threads, sizeof(*im->parsers))) == NULL)
		abort();
	im->options = *options;
	im->password = attr_find(schema_type(options->schema, TYPE_USER), SLICE("password"));
	im->display = attr_find(schema_type(options->schema, TYPE_GROUP), SLICE("displayName"));
	im->group_connection = attr_own(schema_type(options->schema, TYPE_GROUP)->root,
		SLICE("connectionNumber"));
	im->last = &im->first;
	(void)pthread_mutex_init(&im->lock, NULL);
	(void)pthread_cond_init(&im->changed, NULL);
	im->writing = pthread_create(&im->writer, NULL, writer_main, im) == 0;
	while (im->writing && im->parser_count < options->threads &&
		pthread_create(&im->parsers[im->parser_count], NULL, parser_main, im) == 0)
		im->parser_count++;
	if (im->parser_count == 0) {
		import_free(im);
		return fail(err, RC_INTERNAL, "", "no thread for the import");
	}
	*out = im;
	return RC_OK;
}

void
import_free(struct import *im)
{
	if (im == NULL)
		return;
	(void)pthread_mutex_lock(&im->lock);
	im->stop = true;
	(void)pthread_cond_broadcast(&im->changed);
	(void)pthread_mutex_unlock(&im->lock);
	import_join(im);
	chunks_free(im->first);
	id_map_release(&im->ids);
	if (im->pending_arena != NULL)
		arena_free(im->pending_arena);
	free(im->pending);
	buf_release(&im->text);
	free(im->parsers);
	(void)pthread_cond_destroy(&im->changed);
	(void)pthread_mutex_destroy(&im->lock);
	free(im);
}
