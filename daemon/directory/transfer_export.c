#include "daemon/directory/transfer.h"

#include "daemon/directory/form.h"
#include "protocol/scim_write.h"

#include "base/banned.h"

enum { TURN_ROWS = 256, FLUSH = 256 << 10 };

struct export
{
	const struct export_options *options;
	struct transfer_counts counts;
	struct projection projection[TYPE_COUNT];
	const struct attr *password, *group_connection;
	struct txn *reader;
	struct buf out;
	uint64_t total;
};

static void
projection_drop(struct projection *p, const struct attr *attr)
{
	for (size_t i = 0; attr != NULL && i < ATTR_ID_MAX / 64; i++)
		p->bits[i] &= ~attr->bits[i];
}

/* All that is stored, but what the answer's door makes: addresses, versions, and edges. */
static void
projection_all(const struct resource_type *type, struct projection *p)
{
	static const struct slice made[] = { SLICE_INIT("password"), SLICE_INIT("groups"),
		SLICE_INIT("members") };

	memcpy(p->bits, type->root->bits, sizeof(p->bits));
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		projection_drop(p, attr_find(type, made[i]));
	projection_drop(p, type->meta_location);
	projection_drop(p, type->meta_version);
}

/* ---- What SCIM has no place for ---- */

static void
put_external_ids(struct export *e, const struct record *r)
{
	struct slice fields = r->fields, text;
	struct connection c;
	struct field f;
	uint32_t space;
	bool bad = false, any = false;

	while (record_next(e->options->schema, &fields, &f, &bad)) {
		if (f.attr->source != SOURCE_SPACE || !payload_space(f.payload, &space, &text) ||
			!connection_get(e->reader, e->options->org, space, &c))
			continue;
		buf_printf(&e->out, "%s", any ? "," : "\"externalIds\":{");
		buf_json_string(&e->out, slice_of(c.name));
		buf_char(&e->out, ':');
		buf_json_string(&e->out, text);
		any = true;
	}
	if (any)
		buf_char(&e->out, '}');
}

/* Said of every group: of one without a word an import would make its own connection's. */
static void
put_connection(struct export *e, const struct record *r)
{
	int64_t no = record_i64(e->options->schema, r, e->group_connection, 0);
	struct connection c;

	buf_slice(&e->out, SLICE("\"connection\":"));
	if (no > 0 && connection_get(e->reader, e->options->org, (uint32_t)no, &c))
		buf_json_string(&e->out, slice_of(c.name));
	else
		buf_slice(&e->out, SLICE("null"));
}

static void
put_extras(struct export *e, const struct record *r)
{
	size_t before = e->out.len, start;
	struct slice hash;

	BUF_LIT(&e->out, ",\"" TRANSFER_URN "\":{");
	start = e->out.len;
	put_external_ids(e, r);
	if (r->type->code == TYPE_GROUP) {
		buf_printf(&e->out, "%s", e->out.len > start ? "," : "");
		put_connection(e, r);
	}
	if (e->options->secrets && r->type->code == TYPE_USER &&
		record_field(e->options->schema, r, e->password, &hash)) {
		buf_printf(&e->out, "%s\"passwordHash\":", e->out.len > start ? "," : "");
		buf_json_string(&e->out, hash);
	}
	if (e->out.len == start)
		e->out.len = before;
	else
		buf_char(&e->out, '}');
}

/* The externalId that is shown plain: the first one, so that other servers can read the file. */
static uint32_t
first_space(const struct export *e, const struct record *r)
{
	struct slice fields = r->fields, text;
	struct field f;
	uint32_t space = 0;
	bool bad = false;

	while (record_next(e->options->schema, &fields, &f, &bad))
		if (f.attr->source == SOURCE_SPACE && payload_space(f.payload, &space, &text))
			return space;
	return 0;
}

static enum rc
put_resource(struct export *e, const struct record *r, struct err *err)
{
	struct view view = { .set = e->options->schema,
		.projection = &e->projection[r->type->code],
		.base = SLICE(""),
		.space = first_space(e, r) };

	if (!resource_write_open(&e->out, &view, r))
		return fail(err, RC_INTERNAL, "",
			"a record of the store is damaged: run rosterctl verify");
	put_extras(e, r);
	return RC_OK;
}

/* ---- Turns ---- */

static enum rc
turn_begin(struct export *e, struct orgtx **o, struct err *err)
{
	struct org org;
	enum rc rc = reader_begin(e->reader, err);

	if (rc != RC_OK)
		return rc;
	if (!org_by_no(e->reader, e->options->org, &org) || org.state == ORG_PURGING) {
		reader_end(e->reader);
		return fail(err, RC_NOT_FOUND, "org", "the org was deleted meanwhile");
	}
	*o = orgtx_open(e->reader, e->options->org);
	e->total = orgtx_stat(*o)->rows[TYPE_USER] + orgtx_stat(*o)->rows[TYPE_GROUP];
	return RC_OK;
}

static enum rc
hand_over(struct export *e, struct err *err)
{
	const struct export_options *o = e->options;

	if (e->out.len > 0 && !o->write(o->arg, buf_as_slice(&e->out)))
		return fail(err, RC_UNAVAILABLE, "", "the export was ended by its reader");
	buf_clear(&e->out);
	return RC_OK;
}

/* Lets go of the store, then hands over what was written. */
static enum rc
turn_end(struct export *e, enum rc rc, struct err *err)
{
	const struct export_options *o = e->options;

	if (rc == RC_OK && (rc = txn_rc(e->reader)) != RC_OK)
		(void)fail(err, rc, "", "the store could not be read");
	reader_end(e->reader);
	if (rc != RC_OK || (e->out.len >= FLUSH && (rc = hand_over(e, err)) != RC_OK))
		return rc;
	if (o->progress != NULL)
		o->progress(o->arg, e->counts.users + e->counts.groups, e->total);
	return RC_OK;
}

static enum rc
export_users(struct export *e, struct err *err)
{
	uint64_t rows[TURN_ROWS], after = 0;
	struct orgtx *o;
	struct record r;
	size_t n;
	enum rc rc;

	do {
		if ((rc = turn_begin(e, &o, err)) != RC_OK)
			return rc;
		n = rows_list(o, TYPE_USER, after, 0, rows, TURN_ROWS);
		for (size_t i = 0; rc == RC_OK && i < n; i++) {
			after = rows[i];
			if (!record_get(o, rows[i], &r))
				continue;
			if ((rc = put_resource(e, &r, err)) == RC_OK)
				BUF_LIT(&e->out, "}\n");
			e->counts.users++;
			e->counts.lines++;
		}
		rc = turn_end(e, rc, err);
	} while (rc == RC_OK && n == TURN_ROWS);
	return rc;
}

/* Members above *after, as many as one line holds. */
static void
put_members(struct export *e, struct orgtx *o, uint64_t group, uint64_t *after, bool *more)
{
	uint64_t rows[TURN_ROWS];
	char id[UUID_TEXT];
	struct record r;
	size_t n = TURN_ROWS, written = 0;

	while (n == TURN_ROWS && written < TRANSFER_MEMBERS) {
		n = edge_list(o, EDGE_MEMBERS, group, *after, rows, TURN_ROWS);
		for (size_t i = 0; i < n; i++) {
			*after = rows[i];
			if (!record_get(o, rows[i], &r))
				continue;
			uuid_format(&r.id, id);
			buf_printf(&e->out, "%s{\"value\":\"%.*s\",\"type\":\"%.*s\"}",
				written++ > 0 ? "," : ",\"members\":[", UUID_TEXT, id,
				SLICE_ARG(r.type->name));
		}
	}
	if (written > 0)
		buf_char(&e->out, ']');
	e->counts.memberships += written;
	*more = n == TURN_ROWS;
}

/* One group, a turn for each of its lines. */
static enum rc
export_group(struct export *e, uint64_t row, struct err *err)
{
	uint64_t after = 0;
	bool more = true, first = true;
	struct orgtx *o;
	struct record r;
	enum rc rc = RC_OK;

	while (rc == RC_OK && more) {
		if ((rc = turn_begin(e, &o, err)) != RC_OK)
			return rc;
		if (!record_get(o, row, &r)) {
			more = false;
		} else if ((rc = put_resource(e, &r, err)) == RC_OK) {
			put_members(e, o, row, &after, &more);
			BUF_LIT(&e->out, "}\n");
			e->counts.lines++;
			e->counts.groups += first;
			first = false;
		}
		rc = turn_end(e, rc, err);
	}
	return rc;
}

static enum rc
export_groups(struct export *e, struct err *err)
{
	uint64_t rows[TURN_ROWS], after = 0;
	struct orgtx *o;
	size_t n;
	enum rc rc;

	do {
		if ((rc = turn_begin(e, &o, err)) != RC_OK)
			return rc;
		n = rows_list(o, TYPE_GROUP, after, 0, rows, TURN_ROWS);
		rc = turn_end(e, RC_OK, err);
		for (size_t i = 0; rc == RC_OK && i < n; i++) {
			after = rows[i];
			rc = export_group(e, rows[i], err);
		}
	} while (rc == RC_OK && n == TURN_ROWS);
	return rc;
}

enum rc
org_export(const struct export_options *options, struct transfer_counts *out, struct err *err)
{
	struct export e = { .options = options, .reader = reader_new(options->store) };
	const struct resource_type *user = schema_type(options->schema, TYPE_USER);
	enum rc rc;

	if (e.reader == NULL)
		return fail(err, RC_UNAVAILABLE, "", "there are too many readers of the store");
	projection_all(user, &e.projection[TYPE_USER]);
	projection_all(schema_type(options->schema, TYPE_GROUP), &e.projection[TYPE_GROUP]);
	e.password = attr_find(user, SLICE("password"));
	e.group_connection = attr_own(schema_type(options->schema, TYPE_GROUP)->root,
		SLICE("connectionNumber"));
	if ((rc = export_users(&e, err)) == RC_OK && (rc = export_groups(&e, err)) == RC_OK)
		rc = hand_over(&e, err);
	*out = e.counts;
	reader_free(e.reader);
	buf_release(&e.out);
	return rc;
}
