#include <stdlib.h>

#include "daemon/directory/sync_private.h"

#include "base/banned.h"

/* Open addressing, at most two thirds full. */

static uint64_t
slot_of(uint64_t hash, uint32_t record)
{
	return (hash & UINT64_C(0xFFFFFFFF00000000)) | ((uint64_t)record + 1);
}

/* The place of an entry is found by the upper half of its hash, so that tables can grow without the keys. */
static size_t
place(const struct sync_map *m, uint64_t hash, size_t step)
{
	return (size_t)((hash >> 32) + step) & (m->cap - 1);
}

static void
insert(struct sync_map *m, uint64_t slot)
{
	size_t step = 0;

	while (m->slots[place(m, slot, step)] != 0)
		step++;
	m->slots[place(m, slot, step)] = slot;
}

static void
grow(struct sync_map *m)
{
	struct sync_map bigger = { .count = m->count, .cap = m->cap == 0 ? 1024 : m->cap * 2 };

	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		abort();
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i] != 0)
			insert(&bigger, m->slots[i]);
	free(m->slots);
	*m = bigger;
}

void
sync_map_put(struct sync_map *m, uint64_t hash, uint32_t record)
{
	if (m->count >= m->cap / 3 * 2)
		grow(m);
	insert(m, slot_of(hash, record));
	m->count++;
}

bool
sync_map_next(const struct sync_map *m, struct sync_walk *w, uint32_t *record)
{
	if (m->cap == 0)
		return false;
	for (;;) {
		uint64_t slot = m->slots[place(m, w->hash, w->step)];

		if (slot == 0)
			return false;
		w->step++;
		if (slot >> 32 == w->hash >> 32) {
			*record = (uint32_t)slot - 1;
			return true;
		}
	}
}

void
sync_map_release(struct sync_map *m)
{
	free(m->slots);
	*m = (struct sync_map){ NULL, 0, 0 };
}
