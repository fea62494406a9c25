#include <stdlib.h>
#include <sys/random.h>

#include "daemon/clock.h"
#include "daemon/directory/form.h"
#include "daemon/directory/org.h"
#include "daemon/directory/transfer_private.h"
#include "schema/text.h"

#include "base/banned.h"

/* ---- What stands beside the resource ---- */

struct extras {
	bool are;             /* whether the line has any */
	json_t *external_ids; /* borrowed from the line's JSON; NULL: none */
	struct slice connection; /* that made the group; p NULL: none */
	struct slice password_hash;
};

static enum rc
extras_read(const json_t *object, struct extras *out, struct err *err)
{
	const json_t *hash = json_object_get(object, "passwordHash");
	const json_t *made_by = json_object_get(object, "connection");

	*out = (struct extras){ .are = object != NULL,
		.external_ids = json_object_get(object, "externalIds"),
		.connection = json_text(made_by) };
	if (object != NULL && !json_is_object(object))
		return fail(err, RC_INVALID_VALUE, "", TRANSFER_URN " must be an object");
	if (out->external_ids != NULL && !json_is_object(out->external_ids))
		return fail(err, RC_INVALID_VALUE, "", "externalIds must be an object");
	if (made_by != NULL && !json_is_null(made_by) && out->connection.len == 0)
		return fail(err, RC_INVALID_VALUE, "", "connection must be a name or null");
	if (hash == NULL)
		return RC_OK;
	out->password_hash = json_text(hash);
	if (out->password_hash.p == NULL || out->password_hash.len > 512 ||
		!slice_starts(out->password_hash, SLICE("$argon2id$")))
		return fail(err, RC_INVALID_VALUE, "", "passwordHash must be an Argon2id PHC text");
	return RC_OK;
}

struct connection_job {
	struct write_job job;
	uint32_t org, no;
	struct slice name;
	enum dialect dialect;
};

static enum rc
connection_step(struct write_job *job, struct txn *t, struct err *err)
{
	struct connection_job *j = (struct connection_job *)job;
	struct connection c;
	enum rc rc = dir_connection_find(t, j->org, j->name, &c, err);

	if (rc == RC_NOT_FOUND)
		rc = dir_connection_create(t, j->org, j->name, j->dialect, clock_ticks(), &c, err);
	j->no = c.no;
	return rc != RC_OK ? rc : txn_rc(t);
}

/* A connection of the file, made when the org has none of that name: the number of its space. */
static enum rc
space_of(struct import *im, struct parser *p, struct slice name, uint32_t *out, struct err *err)
{
	struct connection_job j = {
		.org = im->options.org, .name = name, .dialect = im->options.dialect
	};
	enum rc rc;

	for (size_t i = 0; i < p->space_count; i++) {
		if (slice_eq(p->spaces[i].name, name)) {
			*out = p->spaces[i].no;
			return RC_OK;
		}
	}
	if (p->space_count == SPACES_MAX)
		return fail(err, RC_TOO_MANY, "", "the file names more than %d connections", SPACES_MAX);
	if ((rc = committer_run(im->options.committer, connection_step, &j.job, err)) != RC_OK)
		return rc;
	p->spaces[p->space_count].name = arena_dup(p->kept, name);
	p->spaces[p->space_count++].no = j.no;
	*out = j.no;
	return RC_OK;
}

/* ---- Packing ---- */

static void
put_text_node(struct arena *a, struct node *root, const struct attr *attr, struct slice text)
{
	struct node *n = node_child(root, attr);

	if (n == NULL) {
		n = node_new(a, attr, NODE_VALUE);
		n->text = text;
		node_insert(root, n);
	} else {
		n->text = text;
	}
}

/* One externalId at a time: each packing takes over those of the spaces before. */
static enum rc
pack_spaces(struct import *im, struct parser *p, const struct record *header, struct node *root,
	json_t *external_ids, struct err *err)
{
	const struct schema_set *set = im->options.schema;
	const struct attr *attr = header->type->external_id;
	struct node *plain = node_child(root, attr);
	struct record old;
	const char *name;
	json_t *value;
	uint32_t space = 0;
	bool first = true;
	enum rc rc;

	buf_clear(&p->packed);
	if (external_ids == NULL || json_object_size(external_ids) == 0) {
		/* A file with the object says there all that there is to say. */
		if (plain != NULL && external_ids != NULL)
			node_remove(root, plain);
		record_pack(&p->packed, set, header, root, im->options.connection, NULL);
		return RC_OK;
	}
	json_object_foreach (external_ids, name, value) {
		struct slice id = json_text(value);

		if (id.p == NULL || id.len == 0 || id.len > KEY_TEXT_MAX)
			return fail(err, RC_INVALID_VALUE, "",
				"externalIds must hold texts of at most %d bytes", KEY_TEXT_MAX);
		if ((rc = space_of(im, p, slice_of(name), &space, err)) != RC_OK)
			return rc;
		put_text_node(p->arena, root, attr, id);
		buf_clear(&p->other);
		if (!first && !record_parse(set, buf_as_slice(&p->packed), &old))
			return fail(err, RC_INTERNAL, "", "the record can't be packed");
		record_pack(&p->other, set, header, root, space, first ? NULL : &old);
		buf_clear(&p->packed);
		buf_slice(&p->packed, buf_as_slice(&p->other));
		first = false;
	}
	return RC_OK;
}

/* A group of a file that says nothing of connections is as one that the import's connection made. */
static enum rc
put_connection(struct import *im, struct parser *p, const struct resource_in *in,
	const struct extras *extras, struct err *err)
{
	uint32_t no = extras->are ? 0 : im->options.connection;
	enum rc rc;

	if (extras->connection.p != NULL && (rc = space_of(im, p, extras->connection, &no, err)) != RC_OK)
		return rc;
	if (no != 0)
		tree_set_i64(p->arena, in->root, im->group_connection, no);
	return RC_OK;
}

static int64_t
time_of(const json_t *meta, const char *name, int64_t otherwise)
{
	struct slice text = json_text(json_object_get(meta, name));
	int64_t ticks;

	return text.p != NULL && datetime_parse(text, &ticks) ? ticks : otherwise;
}

static void
header_fill(struct parser *p, const json_t *body, struct item *item, struct record *header)
{
	const json_t *meta = json_object_get(body, "meta");
	int64_t ticks = clock_ticks();
	uint8_t random[8];

	header->created = time_of(meta, "created", ticks);
	header->modified = time_of(meta, "lastModified", header->created);
	if (!item->has_uuid) {
		if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
			abort();
		item->id = uuid_v7(&p->ids, (uint64_t)(ticks / 10000), random);
	}
	header->id = item->id;
}

/* ---- One line ---- */

const struct resource_type *
transfer_type_of(const struct schema_set *set, const json_t *body)
{
	json_t *schemas = json_member(body, "schemas"), *urn;
	size_t i;

	json_array_foreach (schemas, i, urn)
		for (size_t t = 0; t < set->type_count; t++)
			if (set->types[t]->in_root &&
				slice_caseeq(json_text(urn), set->types[t]->core->urn))
				return set->types[t];
	if (json_array_size(schemas) > 0)
		return NULL;
	if (json_member(body, "userName") != NULL)
		return schema_type(set, TYPE_USER);
	return json_member(body, "members") != NULL ? schema_type(set, TYPE_GROUP) : NULL;
}

static enum rc
uniques_find(struct import *im, struct chunk *chunk, const struct node *root, struct item *item,
	struct err *err)
{
	item->uniques = ARENA_ARRAY(chunk->arena, struct unique_key, 2);
	for (const struct node *n = root->child; n != NULL; n = n->next) {
		const struct attr *attr = n->attr;
		bool unique = attr == im->display
				      ? im->options.dialect == DIALECT_TOLERANT
				      : attr->indexed && attr->uniqueness != UNIQUE_NONE &&
						attr->source == SOURCE_FIELDS;

		if (!unique || n->kind != NODE_VALUE || item->unique_count == 2)
			continue;
		item->uniques[item->unique_count].attr_id = attr->id;
		if (!index_key_of(chunk->arena, attr, im->options.connection, n, false,
			    &item->uniques[item->unique_count++].key))
			return fail(err, RC_INVALID_VALUE, "", "%.*s can't hold this value",
				SLICE_ARG(attr->name));
	}
	return RC_OK;
}

static void
members_keep(struct chunk *chunk, const struct member_ids *members, struct item *item)
{
	item->member_count = members->count;
	item->members = ARENA_ARRAY(chunk->arena, struct slice, members->count);
	for (size_t i = 0; i < members->count; i++)
		item->members[i] = arena_dup(chunk->arena, members->ids[i]);
}

static enum rc
put_password(struct import *im, struct parser *p, const struct resource_in *in, struct slice hash,
	struct err *err)
{
	enum rc rc;

	if (hash.p == NULL && in->password.len > 0 &&
		(rc = password_hash(p->arena, in->password, &im->options.cost, &hash, err)) !=
			RC_OK)
		return rc;
	if (hash.p != NULL)
		put_text_node(p->arena, in->root, im->password, hash);
	return RC_OK;
}

static enum rc
line_parse(struct import *im, struct parser *p, struct chunk *chunk, struct slice line,
	struct item *item, struct err *err)
{
	const struct read_options options = { im->options.dialect };
	struct resource_in in = { .root = NULL };
	struct record header = { .type = NULL };
	struct extras extras;
	json_t *body, *beside;
	enum rc rc;

	if ((rc = json_read(p->arena, line, &body, err)) != RC_OK)
		return rc;
	if ((header.type = transfer_type_of(im->options.schema, body)) == NULL)
		return fail(
			err, RC_INVALID_VALUE, "schemas", "the line is neither a User nor a Group");
	item->type = header.type->code;
	/* Taken off the body, which is read as any other: in the strict dialects unknown members
	 * are mistakes. */
	beside = json_incref(json_object_get(body, TRANSFER_URN));
	(void)json_object_del(body, TRANSFER_URN);
	if ((rc = extras_read(beside, &extras, err)) == RC_OK &&
		(rc = resource_read(p->arena, im->options.schema, header.type, body, &options, &in,
			 err)) == RC_OK &&
		(rc = put_password(im, p, &in,
			 item->type == TYPE_USER ? extras.password_hash : (struct slice){ 0 },
			 err)) == RC_OK &&
		(rc = resource_check(header.type, in.root, err)) == RC_OK) {
		struct slice id = json_text(json_member(body, "id"));

		if (id.p != NULL)
			item->id_text = arena_dup(chunk->arena, id);
		item->has_uuid = id.p != NULL && uuid_parse(id, &item->id);
		header_fill(p, body, item, &header);
		members_keep(chunk, &in.members, item);
		if ((rc = uniques_find(im, chunk, in.root, item, err)) == RC_OK &&
			(item->type != TYPE_GROUP ||
				(rc = put_connection(im, p, &in, &extras, err)) == RC_OK) &&
			(rc = pack_spaces(im, p, &header, in.root, extras.external_ids, err)) ==
				RC_OK)
			item->packed = arena_dup(chunk->arena, buf_as_slice(&p->packed));
	}
	json_decref(beside);
	return rc;
}

void
chunk_parse(struct import *im, struct parser *p, struct chunk *chunk)
{
	struct slice rest = buf_as_slice(&chunk->text), line;
	uint64_t number = chunk->first_line - 1;

	chunk->arena = arena_new();
	chunk->items = ARENA_ARRAY(chunk->arena, struct item, chunk->lines);
	while (slice_split(&rest, '\n', &line)) {
		struct item *item = &chunk->items[chunk->count];
		struct err err = ERR_INIT;

		number++;
		line = slice_trim(line);
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		if (line.len == 0)
			continue;
		item->line = number;
		if (line_parse(im, p, chunk, line, item, &err) != RC_OK)
			item->why = arena_printf(chunk->arena, "%s%s%s", err.path,
				err.path[0] != '\0' ? ": " : "", err.detail);
		chunk->count++;
		arena_clear(p->arena);
	}
	buf_release(&chunk->text);
}
