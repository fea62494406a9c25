#include "daemon/directory/ids.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "daemon/clock.h"

#include "base/banned.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct uuid_gen generator; /* under lock */

struct uuid
id_new(void)
{
	uint8_t random[8];
	struct uuid id;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort(); /* can't happen once the kernel's pool is ready; an id must never repeat */
	pthread_mutex_lock(&lock);
	id = uuid_v7(&generator, (uint64_t)(clock_ticks() / 10000), random);
	pthread_mutex_unlock(&lock);
	return id;
}
