/* Answers for people: aligned tables, labelled values, a progress bar. */
#ifndef TOOLS_ROSTERCTL_PRINT_H
#define TOOLS_ROSTERCTL_PRINT_H

#include <jansson.h>

#include "base/slice.h"

struct column {
	const char *member, *title;
};

/* An array of objects; columns ends with a NULL member. "actor.display" is a member of a member. */
void print_table(const json_t *rows, const struct column *columns);
/* An object's members, each on a line; objects and arrays inside indented. */
void print_object(const json_t *object, int indent);

/* Without control characters: a name must not steer the terminal. */
void print_text(const char *text);

/* On standard error, when that is a terminal; nothing otherwise. total 0: unknown. */
void progress_show(const char *what, uint64_t done, uint64_t total);
void progress_end(void);

#endif
