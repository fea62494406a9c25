#include "tools/libroster/private.h"

#include <assert.h>

#include "base/banned.h"

enum member_kind { TEXT, NUMBER, ID, BYTES };

/* How the members of struct roster_request become fields, in the order of their numbers. */
struct member {
	unsigned number;
	enum member_kind kind;
	size_t at, size;
};

#define ROW(number, kind, name)                                                                      \
	{                                                                                            \
		number, kind, offsetof(struct roster_request, name), sizeof(((struct roster_request *)0)->name) \
	}

static const struct member members[] = {
	ROW(IN_ORG, TEXT, org),
	ROW(IN_REVISION, NUMBER, revision),
	ROW(IN_SUBJECT_ID, ID, subject_id),
	ROW(IN_SUBJECT_NAME, TEXT, subject_name),
	ROW(IN_SUBJECT_EXTERNAL_ID, TEXT, subject_external_id),
	ROW(IN_SUBJECT, TEXT, subject),
	ROW(IN_SUBJECT_KIND, NUMBER, subject_kind),
	ROW(IN_PERMISSION, TEXT, permission),
	ROW(IN_SCOPE_ID, ID, scope_id),
	ROW(IN_SCOPE, TEXT, scope),
	ROW(IN_WORKSPACE, TEXT, workspace),
	ROW(IN_PROJECT, TEXT, project),
	ROW(IN_TEAM, TEXT, team),
	ROW(IN_OWNER, TEXT, owner),
	ROW(IN_MEMBER, TEXT, member),
	ROW(IN_OF_SCOPE, NUMBER, of_scope),
	ROW(IN_EXPLAIN, NUMBER, explain),
	ROW(IN_GROUP_ID, ID, group_id),
	ROW(IN_GROUP, TEXT, group),
	ROW(IN_DIRECT, NUMBER, direct),
	ROW(IN_ITEM, ID, items),
	ROW(IN_LIMIT, NUMBER, limit),
	ROW(IN_CURSOR, BYTES, cursor),
	ROW(IN_TYPE, TEXT, type),
	ROW(IN_ID, ID, id),
	ROW(IN_FILTER, TEXT, filter),
	ROW(IN_ATTRIBUTES, TEXT, attributes),
	ROW(IN_EXCLUDED, TEXT, excluded),
	ROW(IN_SORT, TEXT, sort),
	ROW(IN_DESCENDING, NUMBER, descending),
	ROW(IN_RESOURCE, TEXT, resource),
	ROW(IN_IF_REVISION, NUMBER, if_revision),
	ROW(IN_FROM, NUMBER, from),
	ROW(IN_VIEW, NUMBER, view),
	ROW(IN_HEARTBEAT, NUMBER, heartbeat),
	ROW(IN_DATA, BYTES, data),
	ROW(IN_SYNC, NUMBER, sync),
	ROW(IN_CONNECTION, TEXT, connection),
	ROW(IN_MATCH, TEXT, match),
	ROW(IN_GROUPS, NUMBER, groups),
	ROW(IN_NAMES, NUMBER, names),
};
#undef ROW

/* On the wire it is the session's number on its own connection; above it stands that connection's. */
static uint64_t
on_the_wire(unsigned number, uint64_t v)
{
	return number == IN_SYNC ? v & UINT32_MAX : v;
}

static void
write_member(struct buf *out, const struct member *m, const char *at)
{
	const void *p;
	struct roster_text t;
	uint64_t v;

	switch (m->kind) {
	case TEXT:
		memcpy(&p, at, sizeof(p));
		if (p != NULL)
			put_bytes(out, m->number, slice_of(p));
		break;
	case NUMBER:
		memcpy(&v, at, sizeof(v));
		if (v != 0)
			put_number(out, m->number, on_the_wire(m->number, v));
		break;
	case ID:
		memcpy(&p, at, sizeof(p));
		if (p != NULL)
			put_id(out, m->number, p);
		break;
	case BYTES:
		memcpy(&t, at, sizeof(t));
		if (t.p != NULL)
			put_bytes(out, m->number, (struct slice){ t.p, t.len });
		break;
	}
}

static void
write_groups(struct buf *out, const struct roster_request *request)
{
	size_t count = request->group_id_count > 0 ? request->group_id_count : 1;

	_Static_assert(sizeof(struct roster_id) == sizeof(struct uuid), "ids are bytes");
	for (size_t i = 0; request->group_id != NULL && i < count; i++)
		put_id(out, IN_GROUP_ID, (const struct uuid *)(const void *)&request->group_id[i]);
}

static bool write_row(struct buf *out, const struct roster_request *request, size_t *from_at,
	struct roster_error *error);

static bool
write_items(struct buf *out, const struct roster_request *request, struct roster_error *error)
{
	const char *at = (const char *)request->items;
	struct roster_request item;
	size_t began, stride = request->item_count > 0 ? request->items->size : 0;

	for (size_t i = 0; i < request->item_count; i++, at += stride) {
		if (!options_copy(&item, sizeof(item), at, "items", error))
			return false;
		if (item.size != stride || item.item_count > 0) {
			error_local(error, NAME_BAD_REQUEST, "items",
				"items have one size, that of the first, and no items of their own");
			return false;
		}
		began = put_item_begin(out, IN_ITEM);
		if (!write_row(out, &item, NULL, error))
			return false;
		put_item_end(out, began);
		/* No use in going on: this is far too long, and its bytes would fill memory. */
		if (out->len > ROSTER_PAYLOAD_MAX + FRAME_HEAD)
			break;
	}
	return true;
}

static bool
write_row(struct buf *out, const struct roster_request *request, size_t *from_at, struct roster_error *error)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const struct member *m = &members[i];

		if (m->number == IN_ITEM) {
			if (!write_items(out, request, error))
				return false;
		} else if (m->number == IN_GROUP_ID) {
			write_groups(out, request);
		} else if (m->number == IN_FROM && from_at != NULL) {
			*from_at = out->len;
		} else {
			write_member(out, m, (const char *)request + m->at);
		}
	}
	return true;
}

bool
request_write(struct buf *out, const struct roster_request *request, const char *org, size_t *from_at,
	struct roster_error *error)
{
	struct roster_request whole = *request;

	if (whole.org == NULL)
		whole.org = org;
	return write_row(out, &whole, from_at, error);
}
