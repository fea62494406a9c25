/* Role models on the command line: what the files say, as the daemon reads them. Needs no daemon.
 */
#ifndef TOOLS_ROSTERCTL_MODEL_H
#define TOOLS_ROSTERCTL_MODEL_H

#include <jansson.h>
#include <stdbool.h>

/* Commands of the table in rosterctl.c; the request has its arguments and options. What is printed
 * goes to standard output, a failure to standard error; false then. */
bool model_check_command(const json_t *request, bool json);
bool model_list_command(const json_t *request, bool json);
bool model_show_command(const json_t *request, bool json);
bool model_matrix_command(const json_t *request, bool json);

#endif
