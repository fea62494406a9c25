/* New ids: UUIDv7, rising within the process (base/uuid.h). Thread-safe. */
#ifndef DAEMON_DIRECTORY_IDS_H
#define DAEMON_DIRECTORY_IDS_H

#include "base/uuid.h"

struct uuid id_new(void);

#endif
