/* The way to the daemon: its control socket, or a rosterd of our own that serves the same commands
 * without listeners. */
#ifndef TOOLS_ROSTERCTL_CLIENT_H
#define TOOLS_ROSTERCTL_CLIENT_H

#include <jansson.h>
#include <sys/types.h>

#include "protocol/frame.h"

struct client {
	int fd;
	pid_t child; /* 0: a daemon answers */
	struct buf in;
	size_t taken;
};

struct where {
	const char *config, *data; /* as given; NULL: not */
};

/* false: a message was printed. */
bool client_open(struct client *c, const struct where *w);
void client_close(struct client *c);

/* What comes back. Each is called for one frame; part and progress objects are borrowed. */
struct answers {
	void (*part)(void *arg, const json_t *part);
	void (*data)(void *arg, struct slice bytes);
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void (*sent)(void *arg, uint64_t bytes); /* of the input so far */
	bool (*decide)(void *arg, const json_t *plan); /* of a sync: whether to go on. NULL: nothing is asked */
	void *arg;
};

/* Where the input of a request comes from. */
enum source_state { SOURCE_PIECE, SOURCE_END, SOURCE_BROKEN /* a message was printed, or will be */ };

struct source {
	/* Appends the next piece, at most some MiB. */
	enum source_state (*next)(void *arg, struct buf *out);
	uint64_t (*taken)(void *arg); /* bytes that were read for it so far */
	void *arg;
};

/* The bytes of a file. */
struct file_source {
	int fd;
	uint64_t taken;
};
struct source source_of_file(struct file_source *f);

enum outcome { DONE, FAILED, LOST };

/* Sends the request, and its input behind it (NULL: none), until the last answer: its
 * object in *last (the caller's to release; NULL when LOST). */
enum outcome client_run(struct client *c, const json_t *request, const struct source *input,
	const struct answers *to, json_t **last);

#endif
