/* The messages of OpenID's Authorization API 1.0 (AuthZEN), read and written.
 *
 * What an evaluation says is read into texts here; what the texts mean is decided elsewhere. Members
 * that nobody knows are passed over, as the API asks. */
#ifndef PROTOCOL_AUTHZEN_H
#define PROTOCOL_AUTHZEN_H

#include "base/buf.h"
#include "protocol/json.h"

/* One question. Texts are borrowed from the JSON; p is NULL where a property is absent. */
struct authzen_evaluation {
	struct slice subject_type, subject_id;
	struct slice id_type; /* subject.properties.id_type */
	struct slice action;
	struct slice resource_type, resource_id;
	/* resource.properties: */
	struct slice workspace, project, team, scope, owner;
	/* Of an element of a batch: it alone is malformed. */
	enum rc rc;
	struct err err;
};

/* When the answers of a batch end. */
enum authzen_semantic { AUTHZEN_ALL, AUTHZEN_UNTIL_DENY, AUTHZEN_UNTIL_PERMIT };

struct authzen_batch {
	enum authzen_semantic semantic;
	struct authzen_evaluation *list; /* in the arena */
	size_t count;
};

/* BAD_REQUEST names the member that is missing or of the wrong type: "subject.id". */
enum rc authzen_read(const json_t *body, struct authzen_evaluation *out, struct err *err) MUSTCHECK;

/* The body of a batch. With no evaluations, or an empty list, it is one question: out->list is NULL
 * and authzen_read() reads it. An element takes what it lacks from the body: a whole subject, action
 * or resource, and of one that it has only the type, id or name. An element that is malformed is an
 * answer of its own; BAD_REQUEST is for the rest of the body. */
enum rc authzen_read_batch(struct arena *a, const json_t *body, size_t max, struct authzen_batch *out,
	struct err *err) MUSTCHECK;

/* The metadata document of a decision point: its base address, without a slash at the end. */
void authzen_write_metadata(struct buf *out, struct slice base);

#endif
