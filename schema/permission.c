#include "schema/permission.h"

#include "base/banned.h"

#define X(name, text, at, own, about)                                                              \
	[PERM_##name] = { PERM_##name, at, own, SLICE_INIT(text), SLICE_INIT(about) },
const struct permission permission_builtin[PERM_BUILTIN] = { PERM_LIST(X) };
#undef X

static const char *const reserved[] = { "org.", "member.", "invite.", "team.", "workspace.",
	"project.", "role.", "token.", "audit.", "settings." };

bool
permission_reserved(struct slice name)
{
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (slice_starts(name, slice_of(reserved[i])))
			return true;
	return false;
}

void
permset_add(struct permset *s, uint16_t perm, bool own)
{
	uint64_t *words = own ? s->own : s->any;

	words[perm / 64] |= UINT64_C(1) << (perm % 64);
}

void
permset_join(struct permset *s, const struct permset *other)
{
	for (size_t w = 0; w < PERM_MAX / 64; w++) {
		s->any[w] |= other->any[w];
		s->own[w] |= other->own[w];
	}
}

bool
permset_within(const struct permset *s, const struct permset *limits, uint16_t *first_beyond)
{
	for (size_t w = 0; w < PERM_MAX / 64; w++) {
		uint64_t beyond = (s->any[w] & ~limits->any[w]) |
				  (s->own[w] & ~limits->any[w] & ~limits->own[w]);

		if (beyond == 0)
			continue;
		if (first_beyond != NULL)
			*first_beyond = (uint16_t)(w * 64 + (unsigned)__builtin_ctzll(beyond));
		return false;
	}
	return true;
}
