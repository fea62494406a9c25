/* The role models of this daemon: those that ship, and the files of the configuration. */
#ifndef DAEMON_MODELS_H
#define DAEMON_MODELS_H

#include "schema/model.h"

/* files: names, NULL at the end. A file that can't be read or compiled is an error that names it and
 * the line. */
enum rc models_open(struct arena *a, char *const *files, const struct model_set **out,
	struct err *err) MUSTCHECK;

#endif
