/* From lines to staged records. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/directory/sync_private.h"
#include "daemon/directory/transfer.h"
#include "protocol/scim_read.h"

#include "base/banned.h"

/* ---- Bytes of a record: sizes, then what they are the sizes of ---- */

struct staged_head {
	uint32_t packed, members, member_count;
	uint16_t id, external, name;
};

void
staged_write(struct buf *out, const struct staged *s, const struct member_ids *members)
{
	struct staged_head head = { .packed = (uint32_t)s->packed.len,
		.member_count = (uint32_t)members->count,
		.id = (uint16_t)s->id.len,
		.external = (uint16_t)s->external.len,
		.name = (uint16_t)s->name.len };

	for (size_t i = 0; i < members->count; i++)
		head.members += (uint32_t)(2 + members->ids[i].len);
	buf_put(out, &head, sizeof(head));
	buf_slice(out, s->id);
	buf_slice(out, s->external);
	buf_slice(out, s->name);
	buf_slice(out, s->packed);
	for (size_t i = 0; i < members->count; i++) {
		uint16_t len = (uint16_t)members->ids[i].len;

		buf_put(out, &len, sizeof(len));
		buf_slice(out, members->ids[i]);
	}
}

static struct slice
take(struct slice *rest, size_t n)
{
	struct slice part = { rest->p, n };

	*rest = slice_from(*rest, n);
	return part;
}

struct staged
staged_read(struct slice bytes)
{
	struct staged_head head;
	struct staged s;

	memcpy(&head, bytes.p, sizeof(head));
	bytes = slice_from(bytes, sizeof(head));
	s.id = take(&bytes, head.id);
	s.external = take(&bytes, head.external);
	s.name = take(&bytes, head.name);
	s.packed = take(&bytes, head.packed);
	s.members = take(&bytes, head.members);
	s.member_count = head.member_count;
	return s;
}

bool
staged_member(struct slice *members, struct slice *member)
{
	uint16_t len;

	if (members->len == 0)
		return false;
	memcpy(&len, members->p, sizeof(len));
	*members = slice_from(*members, sizeof(len));
	*member = take(members, len);
	return true;
}

bool
sync_key_of(struct arena *a, const struct attr *attr, uint32_t connection, struct slice text, struct slice *key)
{
	struct node value = { .attr = attr, .kind = NODE_VALUE, .text = text };

	return index_key_of(a, attr, connection, &value, false, key);
}

/* ---- One line ---- */

/* What one batch of lines needs. */
struct parsing {
	struct sync *s;
	struct arena *arena; /* of one line */
	struct buf out, packed;
	struct sync_record *records;
	size_t count, cap, known;
};

static enum rc
check_members(const struct member_ids *members, struct err *err)
{
	for (size_t i = 0; i < members->count; i++)
		if (members->ids[i].len == 0 || members->ids[i].len > KEY_TEXT_MAX)
			return fail(err, RC_INVALID_VALUE, "members", "a value must have 1 to %d bytes",
				KEY_TEXT_MAX);
	return RC_OK;
}

static enum rc
key_of_child(struct parsing *p, const struct node *root, const struct attr *attr, struct slice *key, struct err *err)
{
	const struct node *n = node_child(root, attr);

	*key = SLICE("");
	if (n == NULL || sync_key_of(p->arena, attr, p->s->options.connection, n->text, key))
		return RC_OK;
	return fail(err, RC_INVALID_VALUE, "", "%.*s can't hold this value", SLICE_ARG(attr->name));
}

/* What the record is found by must be there. */
static enum rc
check_match(const struct sync *s, const struct staged *head, struct err *err)
{
	struct uuid id;

	if (s->options.match == SYNC_MATCH_EXTERNAL_ID && head->external.len == 0)
		return fail(err, RC_INVALID_VALUE, "externalId", "is missing: records are found by it");
	if (s->options.match != SYNC_MATCH_ID)
		return RC_OK;
	if (head->id.len == 0)
		return fail(err, RC_INVALID_VALUE, "id", "is missing: records are found by it");
	return uuid_parse(head->id, &id) ? RC_OK : fail(err, RC_INVALID_VALUE, "id", "is no UUID");
}

static enum rc
read_head(struct parsing *p, const json_t *body, const struct resource_in *in, const struct resource_type *type,
	struct staged *head, struct err *err)
{
	const struct attrs *at = &p->s->options.directory->at;
	struct slice id = json_text(json_member(body, "id"));
	enum rc rc;

	*head = (struct staged){ .id = id.p != NULL ? id : SLICE("") };
	if (head->id.len > KEY_TEXT_MAX)
		return fail(err, RC_INVALID_VALUE, "id", "is longer than %d bytes", KEY_TEXT_MAX);
	if ((rc = key_of_child(p, in->root, type->external_id, &head->external, err)) != RC_OK ||
		(rc = key_of_child(p, in->root,
			 type->code == TYPE_USER ? at->user_name : at->group_display, &head->name, err)) != RC_OK)
		return rc;
	return check_match(p->s, head, err);
}

static enum rc
check_type(const struct sync *s, const struct resource_type *type, struct err *err)
{
	if (type == NULL)
		return fail(err, RC_INVALID_VALUE, "schemas", "the line is neither a User nor a Group");
	if (type->code == TYPE_GROUP && !s->options.groups)
		return fail(err, RC_INVALID_VALUE, "groups", "groups are no part of this sync");
	return RC_OK;
}

/* The id is set when the record is put: it may be another's by then. */
static void
pack(struct parsing *p, const struct resource_type *type, const struct node *root, struct staged *head)
{
	struct record header = { .type = type };

	buf_clear(&p->packed);
	record_pack(&p->packed, p->s->options.directory->schema, &header, root, p->s->options.connection, NULL);
	head->packed = buf_as_slice(&p->packed);
}

static enum rc
line_parse(struct parsing *p, struct slice line, struct sync_record *r, struct err *err)
{
	const struct schema_set *set = p->s->options.directory->schema;
	const struct read_options options = { p->s->options.dialect };
	const struct resource_type *type;
	struct resource_in in = { .root = NULL };
	struct staged head;
	json_t *body;
	enum rc rc;

	if ((rc = json_read(p->arena, line, &body, err)) != RC_OK)
		return rc;
	type = transfer_type_of(set, body);
	if ((rc = check_type(p->s, type, err)) != RC_OK)
		return rc;
	(void)json_object_del(body, TRANSFER_URN);
	if ((rc = resource_read(p->arena, set, type, body, &options, &in, err)) != RC_OK ||
		(rc = resource_check(type, in.root, err)) != RC_OK || (rc = check_members(&in.members, err)) != RC_OK)
		return rc;
	if (in.password.len > 0)
		return fail(err, RC_INVALID_VALUE, "password", "a sync sets no passwords");
	if ((rc = read_head(p, body, &in, type, &head, err)) != RC_OK)
		return rc;
	pack(p, type, in.root, &head);
	r->type = type->code;
	r->id_hash = head.id.len > 0 ? sync_hash(p->s, KEY_LINE_ID, r->type, head.id) : 0;
	r->at = p->out.len;
	staged_write(&p->out, &head, &in.members);
	r->size = (uint32_t)(p->out.len - r->at);
	return RC_OK;
}

static enum rc
lines_parse(struct parsing *p, const struct sync_lines *l, struct err *err)
{
	struct slice rest = l->text, line;
	uint32_t number = l->first_line - 1;
	enum rc rc;

	while (rest.len > 0 && slice_split(&rest, '\n', &line)) {
		struct sync_record r = { .line = ++number };

		line = slice_trim(line);
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		if (line.len == 0)
			continue;
		if (known_line(p->s, line, &r))
			p->known++;
		else if ((rc = line_parse(p, line, &r, err)) != RC_OK)
			return sync_fail_line(err, rc, number);
		if (p->count == p->cap) {
			p->cap = p->cap == 0 ? 1024 : p->cap * 2;
			if ((p->records = realloc(p->records, p->cap * sizeof(*p->records))) == NULL)
				abort();
		}
		p->records[p->count++] = r;
		arena_clear(p->arena);
	}
	return RC_OK;
}

/* ---- Into the file ---- */

static enum rc
reserve(struct sync *s, const struct parsing *p, uint64_t *at, struct err *err)
{
	enum rc rc = RC_OK;

	(void)pthread_mutex_lock(&s->lock);
	if (s->parsed + p->count > s->options.max_records)
		rc = fail(err, RC_TOO_MANY, "sync.records", "a sync has at most %llu records",
			(unsigned long long)s->options.max_records);
	else if (s->size + p->out.len > s->options.max_bytes)
		rc = fail(err, RC_TOO_LARGE, "sync.bytes", "the records of a sync take at most %llu bytes",
			(unsigned long long)s->options.max_bytes);
	if (rc == RC_OK) {
		*at = s->size;
		s->size += p->out.len;
		s->parsed += p->count;
		s->known.hits += p->known;
	}
	(void)pthread_mutex_unlock(&s->lock);
	return rc;
}

static enum rc
write_all(int file, struct slice bytes, uint64_t at, struct err *err)
{
	while (bytes.len > 0) {
		ssize_t n = pwrite(file, bytes.p, bytes.len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(err, n < 0 && errno != ENOSPC && errno != EDQUOT ? RC_INTERNAL : RC_NO_SPACE, "",
				"the records can't be kept: %s", strerror(errno));
		bytes = slice_from(bytes, (size_t)n);
		at += (uint64_t)n;
	}
	return RC_OK;
}

static void
spoil(struct sync *s, uint32_t line, enum rc rc, const struct err *err)
{
	(void)pthread_mutex_lock(&s->lock);
	if (s->rc == RC_OK || line < s->wrong_line) {
		s->rc = rc;
		s->wrong_line = line;
		s->err = *err;
	}
	(void)pthread_mutex_unlock(&s->lock);
}

enum rc
sync_lines_parse(struct sync_lines *l, struct err *err)
{
	struct parsing p = { .s = l->sync, .arena = arena_new() };
	uint64_t at = 0;
	enum rc rc;

	known_open(l->sync);
	if ((rc = lines_parse(&p, l, err)) == RC_OK && (rc = reserve(l->sync, &p, &at, err)) == RC_OK &&
		(rc = write_all(l->sync->file, buf_as_slice(&p.out), at, err)) == RC_OK) {
		for (size_t i = 0; i < p.count; i++)
			p.records[i].at += at;
		l->records = p.records;
		l->count = p.count;
	} else {
		free(p.records);
		spoil(l->sync, l->first_line, rc, err);
	}
	l->text = (struct slice){ NULL, 0 };
	arena_free(p.arena);
	buf_release(&p.out);
	buf_release(&p.packed);
	return rc;
}
