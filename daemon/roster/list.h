/* Answers of many items, told in parts, in one order: behind each place the list can go on in another turn, or by a cursor in another
 * request.
 *
 * Each turn is one part, true at its revision: the rights are asked again, what the list is about must still be there, and what was
 * kept from the turn before is made anew when the org has changed. */
#ifndef DAEMON_ROSTER_LIST_H
#define DAEMON_ROSTER_LIST_H

#include "daemon/roster/message.h"

struct list;

struct list_kind {
	/* What the list is about, and whether the caller may see it. In later turns (!first) only whether both is still so. */
	enum rc (*open)(struct message *m, struct list *l, bool first, struct err *err);
	/* Makes l->state in l->kept, to go on behind l->scanned. NULL: nothing is kept. */
	enum rc (*prepare)(struct message *m, struct list *l, struct err *err);
	/* The next places behind l->scanned, at most max; none is 0. Sets l->scanned, and *end when there are no more. What it needs
	 * meanwhile goes to l->scratch. */
	enum rc (*more)(struct message *m, struct list *l, uint64_t *places, size_t max, size_t *count, bool *end,
		struct err *err);
	/* Writes the fields of an item; false: it is not there after all. */
	bool (*put)(struct message *m, struct list *l, uint64_t place);
	bool no_org; /* it is about no org: its parts have no revision */
};

struct list {
	const struct list_kind *kind;
	uint64_t about;      /* row of the subject, group or person */
	uint64_t scope;      /* row; 0: the org */
	uint16_t permission; /* as the org's model has it in this turn */
	bool direct, names;

	uint64_t told;    /* place of the last item */
	uint64_t scanned; /* where the walk stands: at `told` or behind it */
	uint64_t left;    /* items that may still be told */
	uint64_t revision; /* that state is of; 0: there is none */
	void *state;
	struct arena *kept, *scratch;
};

/* Answers the message with a list; from verb_run. */
enum rc list_run(struct message *m, const struct list_kind *kind, struct err *err) MUSTCHECK;

/* `what` was not found (0 and a code of it): NOT_FOUND, or INVALID_VALUE when it means several. */
enum rc list_no_such(uint8_t code, const char *field, struct err *err) MUSTCHECK;

#endif
