#include "protocol/roster.h"

#include "base/banned.h"

/* ---- Frames ---- */

size_t
roster_frame_begin(struct buf *out)
{
	(void)buf_reserve(out, FRAME_HEAD);
	out->len += FRAME_HEAD;
	return out->len;
}

void
roster_frame_end(struct buf *out, size_t began, uint8_t type, uint8_t flags, uint32_t id)
{
	frame_head(out->p + began - FRAME_HEAD, type, flags, id, out->len - began);
}

/* ---- Tables ---- */

#define X(number, name, text, kind, list) [number] = { text, FIELD_##kind, list },
const field_table roster_request_fields = { ROSTER_REQUEST_FIELDS(X) };
const field_table roster_answer_fields = { ROSTER_ANSWER_FIELDS(X) };
#undef X

const char *
roster_type_name(uint8_t type)
{
#define X(number, name, text) [number] = text,
	static const char *const names[UINT8_MAX + 1] = { ROSTER_TYPES(X) };
#undef X
	return names[type];
}

const char *
roster_code_name(uint64_t code)
{
#define X(number, name, text) [number] = text,
	static const char *const names[] = { ROSTER_CODES(X) };
#undef X
	return code < sizeof(names) / sizeof(names[0]) ? names[code] : NULL;
}
