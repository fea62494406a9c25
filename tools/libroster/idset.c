#include "tools/libroster/idset.h"

#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

static uint32_t *
room_for(uint32_t count)
{
	uint32_t *p = malloc((size_t)count * sizeof(*p));

	if (p == NULL)
		abort();
	return p;
}

static uint32_t *
edit(struct idset *s)
{
	return s->room == 0 ? s->in.few : s->in.many;
}

static void
grow(struct idset *s)
{
	uint32_t room = s->room == 0 ? 2 * IDSET_FEW : s->room + s->room / 2;
	uint32_t *p = room_for(room);

	memcpy(p, idset_all(s), s->count * sizeof(*p));
	if (s->room != 0)
		free(s->in.many);
	s->in.many = p;
	s->room = room;
}

bool
idset_add(struct idset *s, uint32_t v)
{
	uint32_t at = idset_place(s, v);
	uint32_t *all;

	if (at < s->count && idset_all(s)[at] == v)
		return false;
	if (s->count == (s->room == 0 ? IDSET_FEW : s->room))
		grow(s);
	all = edit(s);
	memmove(all + at + 1, all + at, (s->count - at) * sizeof(*all));
	all[at] = v;
	s->count++;
	return true;
}

bool
idset_remove(struct idset *s, uint32_t v)
{
	uint32_t at = idset_place(s, v);
	uint32_t *all = edit(s);

	if (at >= s->count || all[at] != v)
		return false;
	s->count--;
	memmove(all + at, all + at + 1, (s->count - at) * sizeof(*all));
	return true;
}

void
idset_release(struct idset *s)
{
	if (s->room != 0)
		free(s->in.many);
	*s = (struct idset){ 0 };
}

struct idset
idset_copy(const struct idset *s)
{
	struct idset copy = *s;

	if (s->room == 0)
		return copy;
	copy.room = s->count > IDSET_FEW ? s->count : 0;
	if (copy.room != 0)
		copy.in.many = room_for(copy.room);
	memcpy(edit(&copy), s->in.many, s->count * sizeof(uint32_t));
	return copy;
}

bool
idset_meet(const struct idset *a, const struct idset *b)
{
	const struct idset *less = a->count <= b->count ? a : b, *more = less == a ? b : a;
	const uint32_t *all = idset_all(less);

	for (uint32_t i = 0; i < less->count; i++)
		if (idset_has(more, all[i]))
			return true;
	return false;
}
