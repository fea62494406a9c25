/* What time it is. */
#ifndef DAEMON_CLOCK_H
#define DAEMON_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Microseconds of a clock that never goes back: for how long something took. */
static inline int64_t
clock_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Ticks of 100 ns since 1970. */
static inline int64_t
clock_ticks(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 10000000 + t.tv_nsec / 100;
}

#endif
