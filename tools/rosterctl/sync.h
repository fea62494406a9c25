/* `rosterctl sync`: a file's state, its plan for people, and the question whether to go on. */
#ifndef TOOLS_ROSTERCTL_SYNC_H
#define TOOLS_ROSTERCTL_SYNC_H

#include <stdbool.h>

#include "tools/rosterctl/client.h"

struct sync_run;

/* Opens and checks the files that the request names, and takes their names off it. NULL: a message was printed, *usage
 * says whether the command was used wrongly. */
struct sync_run *sync_run_new(json_t *request, bool json, bool *usage);
void sync_run_free(struct sync_run *s);
/* What is sent, and who decides about the plan. */
struct source sync_run_source(struct sync_run *s);
bool sync_run_decide(struct sync_run *s, const json_t *plan);
/* Bytes of the file. */
uint64_t sync_run_size(const struct sync_run *s);
/* After it: what was done, or with --dry-run would be. */
void sync_run_show(const struct sync_run *s, const json_t *last);
/* What went wrong here, if anything did: the daemon's answer is about that. */
const char *sync_run_failure(const struct sync_run *s);

#endif
