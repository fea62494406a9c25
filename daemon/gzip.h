/* gzip for answers. */
#ifndef DAEMON_GZIP_H
#define DAEMON_GZIP_H

#include "base/buf.h"

struct gzip;

/* One costs 264 KiB and serves any number of answers, one after the other, on one thread. */
struct gzip *gzip_new(void);
void gzip_free(struct gzip *g);

/* A free list, for who keeps some. */
struct gzip **gzip_next(struct gzip *g);

/* Appends what comes of in to out; `last` ends the answer, and g may serve the next. */
void gzip_put(struct gzip *g, struct slice in, bool last, struct buf *out);
/* Forgets an answer that was not ended. */
void gzip_reset(struct gzip *g);

#endif
