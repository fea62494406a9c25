/* A sorted set of node numbers; the first eight need no memory of their own. Zero-initialise it. */
#ifndef LIBROSTER_IDSET_H
#define LIBROSTER_IDSET_H

#include <stdbool.h>
#include <stdint.h>

enum { IDSET_FEW = 8 };

struct idset {
	uint32_t count, room; /* room 0: they are in `few` */
	union {
		uint32_t few[IDSET_FEW];
		uint32_t *many;
	} in;
};

static inline const uint32_t *
idset_all(const struct idset *s)
{
	return s->room == 0 ? s->in.few : s->in.many;
}

/* Where v is, or would be. */
static inline uint32_t
idset_place(const struct idset *s, uint32_t v)
{
	const uint32_t *all = idset_all(s);
	uint32_t low = 0, high = s->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (all[middle] < v)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static inline bool
idset_has(const struct idset *s, uint32_t v)
{
	uint32_t at = idset_place(s, v);

	return at < s->count && idset_all(s)[at] == v;
}

/* Whether something is in both. */
bool idset_meet(const struct idset *a, const struct idset *b);

/* False: it was there, or was not, already. */
bool idset_add(struct idset *s, uint32_t v);
bool idset_remove(struct idset *s, uint32_t v);
void idset_release(struct idset *s);
struct idset idset_copy(const struct idset *s);

#endif
