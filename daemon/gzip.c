#include "daemon/gzip.h"

#include <stdlib.h>
#include <zlib.h>

#include "base/banned.h"

struct gzip {
	struct gzip *next;
	z_stream z;
};

enum {
	GZIP_LEVEL = 1,       /* JSON shrinks five times at it; level 6 gains a tenth for three times the time */
	GZIP_BITS = 15 + 16,  /* a gzip wrapper */
	GZIP_MEMORY = 8,
	GZIP_STEP = 16 * 1024,
};

struct gzip *
gzip_new(void)
{
	struct gzip *g = calloc(1, sizeof(*g));

	if (g == NULL ||
		deflateInit2(&g->z, GZIP_LEVEL, Z_DEFLATED, GZIP_BITS, GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	return g;
}

void
gzip_free(struct gzip *g)
{
	if (g == NULL)
		return;
	(void)deflateEnd(&g->z);
	free(g);
}

struct gzip **
gzip_next(struct gzip *g)
{
	return &g->next;
}

void
gzip_reset(struct gzip *g)
{
	(void)deflateReset(&g->z);
}

void
gzip_put(struct gzip *g, struct slice in, bool last, struct buf *out)
{
	int r;

	g->z.next_in = (Bytef *)(uintptr_t)in.p;
	g->z.avail_in = 0;
	do {
		if (g->z.avail_in == 0 && in.len > 0) { /* zlib counts in unsigned int */
			g->z.avail_in = in.len > GZIP_STEP ? GZIP_STEP : (uInt)in.len;
			in = slice_from(in, g->z.avail_in);
		}
		g->z.next_out = (Bytef *)buf_reserve(out, GZIP_STEP);
		g->z.avail_out = GZIP_STEP;
		r = deflate(&g->z, last && in.len == 0 ? Z_FINISH : Z_NO_FLUSH);
		out->len += GZIP_STEP - g->z.avail_out;
	} while (r == Z_OK && (g->z.avail_in > 0 || in.len > 0 || g->z.avail_out == 0 || last));
	if (last)
		gzip_reset(g);
}
