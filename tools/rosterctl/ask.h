/* Commands that ask over the binary protocol, as a product does, with libroster. The request's members are the command's
 * arguments and options; server, tokenFile and ca, where they are not given, come from the environment. */
#ifndef TOOLS_ROSTERCTL_ASK_H
#define TOOLS_ROSTERCTL_ASK_H

#include <jansson.h>
#include <stdbool.h>

#include "tools/rosterctl/exit.h"

enum exit_code ask_check(const json_t *request, bool json);
enum exit_code ask_members(const json_t *request, bool json);
enum exit_code ask_groups(const json_t *request, bool json);
enum exit_code ask_who_can(const json_t *request, bool json);
enum exit_code ask_watch(const json_t *request, bool json);

#endif
