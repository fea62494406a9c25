/* Files of other forms as the lines that a sync takes: JSON, each line with the number that its record has in the
 * file (empty lines stand between), so that what the daemon says of a line is true of the file. */
#ifndef TOOLS_ROSTERCTL_CONVERT_H
#define TOOLS_ROSTERCTL_CONVERT_H

#include "base/buf.h"
#include "tools/rosterctl/map.h"

enum convert_format { FORMAT_JSON, FORMAT_CSV, FORMAT_LDIF };

struct convert;

/* mapping: a mapping file's text, p NULL for none; it must live as long. */
enum rc convert_new(enum convert_format format, struct slice mapping, struct convert **out, struct err *err)
	MUSTCHECK;
void convert_free(struct convert *c);
/* Takes the next bytes of the file (none: its end, once) and appends what they become. "line 7: …". */
enum rc convert_feed(struct convert *c, struct slice bytes, bool last, struct buf *out, struct err *err) MUSTCHECK;
/* Whether the file can have groups; known when the first bytes were fed. */
bool convert_has_groups(const struct convert *c);
/* Entries of LDIF that are neither people nor groups. */
uint64_t convert_passed_over(const struct convert *c);

#endif
