#include "protocol/frame.h"

#include <assert.h>

#include "base/banned.h"

static uint32_t
get_u32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static void
put_u32(char *p, uint32_t v)
{
	p[0] = (char)(v >> 24);
	p[1] = (char)(v >> 16);
	p[2] = (char)(v >> 8);
	p[3] = (char)v;
}

bool
frame_head_read(const char p[FRAME_HEAD], struct frame_head *out)
{
	*out = (struct frame_head){ get_u32(p), (uint8_t)p[4], (uint8_t)p[5], get_u32(p + 8) };
	return (out->flags & ~(unsigned)(FRAME_LAST | FRAME_ERROR)) == 0 && p[6] == 0 && p[7] == 0;
}

enum frame_result
frame_decode(struct slice in, struct frame *out, size_t *used)
{
	struct frame_head head;

	*used = FRAME_HEAD;
	if (in.len < FRAME_HEAD)
		return FRAME_MORE;
	if (!frame_head_read(in.p, &head) || head.len > FRAME_PAYLOAD_MAX || head.type < FRAME_REQUEST ||
		head.type > FRAME_STOP)
		return FRAME_BAD;
	*used = FRAME_HEAD + (size_t)head.len;
	if (in.len < *used)
		return FRAME_MORE;
	*out = (struct frame){ (enum frame_type)head.type, head.flags, head.id,
		{ in.p + FRAME_HEAD, head.len } };
	return FRAME_OK;
}

void
frame_head(char out[FRAME_HEAD], uint8_t type, uint8_t flags, uint32_t id, size_t len)
{
	assert(len <= FRAME_PAYLOAD_MAX);
	put_u32(out, (uint32_t)len);
	out[4] = (char)type;
	out[5] = (char)flags;
	out[6] = out[7] = 0;
	put_u32(out + 8, id);
}

void
frame_encode(struct buf *out, const struct frame *f)
{
	char head[FRAME_HEAD];

	frame_head(head, (uint8_t)f->type, f->flags, f->id, f->payload.len);
	buf_put(out, head, sizeof(head));
	buf_slice(out, f->payload);
}
