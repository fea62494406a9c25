#include "daemon/directory/row_set.h"

#include "base/banned.h"

static size_t
slot_of(const struct row_set *s, uint64_t row)
{
	size_t at = (size_t)(row * 0x9E3779B97F4A7C15u >> 20) & (s->cap - 1);

	while (s->slots[at] != 0 && s->slots[at] != row)
		at = (at + 1) & (s->cap - 1);
	return at;
}

bool
row_set_add(struct row_set *s, uint64_t row)
{
	size_t at;

	if (s->count * 2 >= s->cap) {
		struct row_set grown = { s->arena, NULL, s->count, s->cap == 0 ? 32 : s->cap * 2 };

		grown.slots = ARENA_ARRAY(s->arena, uint64_t, grown.cap);
		for (size_t i = 0; i < s->cap; i++)
			if (s->slots[i] != 0)
				grown.slots[slot_of(&grown, s->slots[i])] = s->slots[i];
		*s = grown;
	}
	at = slot_of(s, row);
	if (s->slots[at] == row)
		return false;
	s->slots[at] = row;
	s->count++;
	return true;
}
