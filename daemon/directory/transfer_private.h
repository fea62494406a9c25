/* The parts of an import: lines are parsed by several threads, chunk by chunk (transfer_parse.c);
 * one thread takes the chunks in order and has the committer put them, many at once
 * (transfer_put.c). */
#ifndef DAEMON_DIRECTORY_TRANSFER_PRIVATE_H
#define DAEMON_DIRECTORY_TRANSFER_PRIVATE_H

#include <pthread.h>

#include "base/buf.h"
#include "daemon/directory/transfer.h"
#include "protocol/scim_read.h"

struct unique_key {
	uint16_t attr_id;
	struct slice key;
};

/* One line, parsed. Texts live in its chunk's arena. */
struct item {
	uint64_t line;
	const char *why; /* it is passed over; NULL: it is not */
	uint8_t type;
	bool has_uuid;
	struct uuid id; /* as the line says (has_uuid), else a new one; in the end the one it got */
	struct slice id_text; /* as the line says; p NULL: it says none */
	struct slice packed;
	struct unique_key *uniques;
	size_t unique_count;
	struct slice *members;
	size_t member_count;
	/* Found by the committer. */
	bool continued; /* a further line of a group of this import */
	uint64_t row;
};

enum chunk_state { CHUNK_FILLED, CHUNK_PARSING, CHUNK_PARSED };

struct chunk {
	struct chunk *next;
	enum chunk_state state;
	struct buf text;
	size_t size; /* of the text, which goes when it is parsed */
	uint64_t first_line, lines;
	struct arena *arena;
	struct item *items;
	size_t count;
};

/* What the ids of the file became, where the store can't tell: ids that were given anew, and groups
 * of this import. */
struct id_map_entry {
	struct slice text; /* p NULL: free */
	uint64_t row;
};

struct id_map {
	struct arena *arena; /* of the texts */
	struct id_map_entry *slots;
	size_t count, cap;
};

/* A member that was not there when its line was put. */
struct pending {
	uint64_t group, line;
	struct slice member;
};

struct import {
	struct import_options options;
	const struct attr *password, *display, *group_connection;
	struct transfer_counts counts;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct chunk *first, **last; /* in the file's order */
	size_t under_way;            /* bytes of text */
	bool ended, stop;
	enum rc rc; /* the failure that ended it */
	struct err err;
	pthread_t *parsers, writer;
	unsigned parser_count;
	bool writing;

	/* The feeding thread's. */
	struct buf text;
	uint64_t lines;

	/* The writing thread's. */
	struct id_map ids;
	struct pending *pending;
	size_t pending_count, pending_cap;
	struct arena *pending_arena;
};

/* ---- transfer_parse.c ---- */

enum { SPACES_MAX = 64 };

/* What one parsing thread keeps. */
struct parser {
	struct arena *arena; /* of one line */
	struct arena *kept;
	struct {
		struct slice name;
		uint32_t no;
	} spaces[SPACES_MAX]; /* connections that the file named */
	size_t space_count;
	struct uuid_gen ids;
	struct buf packed, other;
};

/* Fills chunk->items. */
void chunk_parse(struct import *im, struct parser *p, struct chunk *chunk);

/* ---- transfer_put.c ---- */

/* Puts consecutive chunks (a list that ends with NULL). Failures are those that end the import. */
enum rc chunks_put(struct import *im, struct chunk *chunks, struct err *err) MUSTCHECK;
/* What members were not there before. */
enum rc pending_put(struct import *im, struct err *err) MUSTCHECK;

bool id_map_get(const struct id_map *m, struct slice text, uint64_t *row);
void id_map_put(struct id_map *m, struct slice text, uint64_t row);
void id_map_release(struct id_map *m);

#endif
