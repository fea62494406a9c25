/* Templates of mails, as they stand in templates/: a .txt whose first line is the subject, behind it an empty line and the plain
 * text, and an .html. {{name}} stands for a field; {{#name}} .. {{/name}} is there when the field is not empty (alone on its
 * line a mark takes the line's end with it). A field that there is not is a bug of ours, and asserted. */
#ifndef DAEMON_MAIL_TEMPLATE_H
#define DAEMON_MAIL_TEMPLATE_H

#include "base/buf.h"

bool mail_template(const char *name, struct slice *text, struct slice *html);

struct mail_field {
	const char *name; /* NULL ends the list */
	struct slice value;
};

/* Appends the template with its fields put in: escaped when it is HTML. Lines end with CRLF, as mail wants them. */
void mail_template_fill(
	struct buf *out, struct slice text, const struct mail_field *fields, bool html);

#endif
