/* Frames: how messages travel on the control socket and, with types of its own, in roster/1 (protocol/roster.h).
 *
 * All integers big-endian:
 *   u32 length of the payload | u8 type | u8 flags | u16 reserved, 0 | u32 request id | payload
 * On the control socket a request is one FRAME_REQUEST; its input, if it has any, follows as FRAME_DATA of the same id,
 * the last one flagged. Answers carry the request's id: any number of FRAME_PART and
 * FRAME_PROGRESS, then one with FRAME_LAST, which has FRAME_ERROR too when the request failed.
 * Pure: bytes in, a struct out. */
#ifndef PROTOCOL_FRAME_H
#define PROTOCOL_FRAME_H

#include "base/buf.h"
#include "base/slice.h"

enum { FRAME_HEAD = 12, FRAME_PAYLOAD_MAX = 4 << 20 };

enum frame_type {
	FRAME_REQUEST = 1,  /* JSON: {"command": …, arguments} */
	FRAME_DATA = 2,     /* bytes of a stream, either way */
	FRAME_PART = 3,     /* JSON: a result, or one of several */
	FRAME_PROGRESS = 4, /* JSON: {"done": n, "total": n} */
	FRAME_STOP = 5,     /* the client wants no more: the answer ends soon, with an error */
};

enum { FRAME_LAST = 1, FRAME_ERROR = 2 };

struct frame {
	enum frame_type type;
	uint8_t flags;
	uint32_t id;
	struct slice payload; /* into the bytes that were decoded */
};

enum frame_result { FRAME_MORE, FRAME_OK, FRAME_BAD };

/* FRAME_OK: *used bytes were taken. FRAME_MORE: *used is how many bytes the whole frame needs, as
 * far as is known. FRAME_BAD: an unknown type or flag, reserved bits, a payload above
 * FRAME_PAYLOAD_MAX; the connection can't go on. */
enum frame_result frame_decode(struct slice in, struct frame *out, size_t *used);

void frame_encode(struct buf *out, const struct frame *f);

/* ---- The head alone, whatever the types are ---- */

struct frame_head {
	uint32_t len; /* of the payload */
	uint8_t type, flags;
	uint32_t id;
};

/* false: a flag that there is not, or reserved bits: the framing is lost. */
bool frame_head_read(const char p[FRAME_HEAD], struct frame_head *out);
/* For a payload that is written from where it is. */
void frame_head(char out[FRAME_HEAD], uint8_t type, uint8_t flags, uint32_t id, size_t len);

#endif
