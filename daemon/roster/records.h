/* What get, find, put and delete share. */
#ifndef DAEMON_ROSTER_RECORDS_H
#define DAEMON_ROSTER_RECORDS_H

#include "daemon/directory/render.h"
#include "daemon/roster/message.h"

/* The type that the request names, as far as it is read and written here. INVALID_VALUE. */
enum rc records_type(const struct message *m, const struct resource_type **out, struct err *err) MUSTCHECK;
/* The id of the request; INVALID_VALUE when it is missing. */
enum rc records_id(const struct message *m, struct uuid *out, struct err *err) MUSTCHECK;
/* What of a resource is shown: as over HTTPS, but that members of groups come only when they are asked for. */
enum rc records_projection(const struct message *m, const struct resource_type *type, struct projection *out,
	struct err *err) MUSTCHECK;
/* Takes the request out of the rates of its token and org. RATE_LIMITED. */
enum rc records_rate(struct message *m, struct err *err) MUSTCHECK;
/* What begins the addresses that the caller knows. */
struct slice records_url(const struct message *m);
/* The eyes of the caller, for rendering; in the arena. */
struct view records_view(const struct message *m, struct arena *a);

/* All of one resource behind out. TOO_LARGE when it is longer than an answer may be, NOT_FOUND when it is gone. */
struct resource_text {
	const struct directory *d;
	const struct view *view;
	const struct projection *projection;
	int64_t now;
};
enum rc resource_text(const struct resource_text *t, struct orgtx *o, struct arena *a, uint64_t row, struct buf *out,
	struct err *err) MUSTCHECK;

#endif
