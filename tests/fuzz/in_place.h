/* The committer and the pool without their threads (tests/fuzz/stage.h). */
#ifndef TESTS_FUZZ_IN_PLACE_H
#define TESTS_FUZZ_IN_PLACE_H

#include "daemon/committer.h"
#include "daemon/pool.h"

/* At most so many of the jobs that wait; how many ran. */
unsigned committer_work(struct committer *c, unsigned max);
unsigned pool_work(unsigned max);
/* Commits since it was made. */
uint64_t committer_commits(const struct committer *c);

#endif
