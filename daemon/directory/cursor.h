/* Stateless cursors of queries: what the next page needs, with its time, authenticated and bound to org, connection and query. */
#ifndef DAEMON_DIRECTORY_CURSOR_H
#define DAEMON_DIRECTORY_CURSOR_H

#include "daemon/directory/query.h"
#include "protocol/list.h"

struct cursor {
	uint8_t type_code; /* of a query over several types: where it stands */
	uint64_t count;
	struct query_position position;
	bool started; /* position is set */
};

struct cursor_binding {
	const uint8_t *secret; /* store_secret() */
	uint32_t org, connection;
	uint8_t type; /* of the query; 0: several */
	const struct list_request *query;
	int64_t now;      /* ticks */
	uint64_t timeout; /* seconds that a cursor lasts */
};

/* In the arena. */
struct slice cursor_write(const struct cursor_binding *to, struct arena *a, const struct cursor *c);
/* INVALID_CURSOR, EXPIRED_CURSOR. */
enum rc cursor_read(const struct cursor_binding *to, struct arena *a, struct slice text, struct cursor *out,
	struct err *err) MUSTCHECK;

#endif
