/* The audit log over the control door: list, export, verify, head. Without an org the platform's own journal is meant. */
#include "daemon/directory/audit.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/control/call.h"
#include "daemon/directory/org.h"
#include "protocol/tree_write.h"
#include "schema/text.h"

#include "base/banned.h"

enum { STEP_BUDGET = 20000, LIST_DEFAULT = 50, EVENTS_MAX = 10000, SEND_AT = 256 * 1024 };

/* Reading a journal in turns, each with a transaction of its own: a client may be slow, and pages must not be held. */
struct reading {
	struct call *c;
	struct txn *t;
	uint32_t org;
	struct directory directory; /* its schema alone is set */
	struct audit_attrs attrs;
	struct projection projection;
	struct arena *scratch;
	struct audit_walk walk;
	struct buf out;
	uint64_t made; /* events in out */
	uint64_t left; /* of a list: how many more; of an export: how many so far */
};

static enum rc
org_arg(struct call *c, struct txn *t, uint32_t *no, struct err *err)
{
	struct slice key;
	struct org org;
	enum rc rc = call_text(c, "org", false, &key, err);

	*no = ORG_PLATFORM;
	if (rc != RC_OK || key.len == 0)
		return rc;
	if ((rc = dir_org_find(t, key, &org, err)) == RC_OK)
		*no = org.no;
	return rc;
}

/* ---- Filters ---- */

/* A date is its beginning. */
static enum rc
add_time(struct call *c, struct buf *b, const char *name, const char *op, struct err *err)
{
	char day[DATETIME_MAX], text[DATETIME_MAX];
	struct slice given;
	int64_t ticks;
	enum rc rc = call_text(c, name, false, &given, err);

	if (rc != RC_OK || given.len == 0)
		return rc;
	if (given.len == 10 && snprintf(day, sizeof(day), "%.10sT00:00:00Z", given.p) == 20)
		given = slice_of(day);
	if (!datetime_parse(given, &ticks))
		return fail(err, RC_INVALID_VALUE, name, "%s is a date (2027-01-31) or a time (2027-01-31T12:00:00Z)", name);
	buf_printf(b, "%stime %s \"%.*s\"", b->len > 0 ? " and " : "", op, (int)datetime_format(ticks, text), text);
	return RC_OK;
}

static enum rc
add_equal(struct call *c, struct buf *b, const char *name, const char *attr, struct err *err)
{
	struct slice given;
	enum rc rc = call_text(c, name, false, &given, err);

	if (rc != RC_OK || given.len == 0)
		return rc;
	buf_printf(b, "%s%s eq ", b->len > 0 ? " and " : "", attr);
	buf_json_string(b, given);
	return RC_OK;
}

/* All that the options say, as one SCIM filter. */
static enum rc
filter_args(struct reading *r, struct err *err)
{
	struct call *c = r->c;
	struct buf b = BUF_INIT;
	struct slice own, text;
	struct filter *filter;
	enum rc rc;

	if ((rc = call_text(c, "filter", false, &own, err)) == RC_OK && own.len > 0)
		buf_printf(&b, "(%.*s)", SLICE_ARG(own));
	if (rc == RC_OK && (rc = add_time(c, &b, "since", "ge", err)) == RC_OK &&
		(rc = add_time(c, &b, "until", "lt", err)) == RC_OK &&
		(rc = add_equal(c, &b, "actor", "actor.value", err)) == RC_OK &&
		(rc = add_equal(c, &b, "target", "target.value", err)) == RC_OK)
		rc = add_equal(c, &b, "action", "action", err);
	text = arena_dup(c->arena, buf_as_slice(&b));
	buf_release(&b);
	if (rc != RC_OK || text.len == 0)
		return rc;
	if ((rc = filter_parse(c->arena, c->options->schema, r->attrs.type, text, DIALECT_TOLERANT, &filter, err)) == RC_OK)
		r->walk.filter = filter;
	return rc;
}

/* ---- Walking ---- */

static void
reading_free(struct reading *r)
{
	reader_free(r->t);
	arena_free(r->scratch);
	buf_release(&r->out);
}

static enum rc
reading_begin(struct reading *r, struct call *c, struct err *err)
{
	enum rc rc;

	*r = (struct reading){ .c = c, .t = reader_new(c->options->store), .scratch = arena_new() };
	r->directory.schema = c->options->schema;
	audit_attrs_init(&r->attrs, c->options->schema);
	projection_default(r->attrs.type, &r->projection);
	r->walk = (struct audit_walk){ .at = &r->attrs, .d = &r->directory, .scratch = r->scratch };
	if ((rc = filter_args(r, err)) != RC_OK)
		return rc;
	if ((rc = reader_begin(r->t, err)) == RC_OK) {
		rc = org_arg(c, r->t, &r->org, err);
		r->walk.o = orgtx_open(r->t, r->org);
	}
	return rc;
}

/* The reader is open at the beginning, and shut while each() sends. */
static enum rc
reading_run(struct reading *r, bool (*full)(struct reading *r), void (*each)(struct reading *r), struct err *err)
{
	enum audit_step step = AUDIT_PAUSE;
	const struct node *event;
	enum rc rc = RC_OK;

	while (rc == RC_OK && step != AUDIT_END && !r->c->gone) {
		r->walk.o = orgtx_open(r->t, r->org);
		r->walk.budget = STEP_BUDGET;
		while (r->out.len < SEND_AT && !full(r) && (step = audit_next(&r->walk, &event)) == AUDIT_EVENT) {
			tree_write_resource(&r->out, r->scratch, &r->projection, r->attrs.type, event);
			buf_char(&r->out, '\n');
			r->made++;
		}
		reader_end(r->t);
		each(r);
		buf_clear(&r->out);
		r->made = 0;
		if (step == AUDIT_FAILED)
			return fail(err, RC_INTERNAL, "", "journal entry %" PRIu64 " can't be read (rosterctl audit verify)",
				r->walk.next.revision);
		if (full(r))
			return RC_OK;
		if (step != AUDIT_END)
			rc = reader_begin(r->t, err);
	}
	return rc;
}

static bool
list_full(struct reading *r)
{
	return r->made >= r->left;
}

static void
list_send(struct reading *r)
{
	struct slice rest = buf_as_slice(&r->out), line;

	while (r->left > 0 && slice_split(&rest, '\n', &line) && line.len > 0) {
		call_part(r->c, json_loadb(line.p, line.len, 0, NULL));
		r->left--;
	}
}

static enum rc
limit_arg(struct call *c, uint64_t *out, struct err *err)
{
	struct slice text;
	enum rc rc = call_text(c, "limit", false, &text, err);

	*out = LIST_DEFAULT;
	if (rc == RC_OK && text.len > 0 && !slice_to_u64(text, 1, EVENTS_MAX, out))
		return fail(err, RC_INVALID_VALUE, "limit", "limit is a number from 1 to %d; for more: audit export", EVENTS_MAX);
	return rc;
}

enum rc
command_audit_list(struct call *c, struct err *err)
{
	struct reading r;
	enum rc rc = reading_begin(&r, c, err);

	if (rc == RC_OK && (rc = limit_arg(c, &r.left, err)) == RC_OK) {
		r.walk.next = audit_newest(r.walk.o);
		rc = reading_run(&r, list_full, list_send, err);
	}
	reading_free(&r);
	return rc;
}

static bool
export_full(struct reading *r)
{
	(void)r;
	return false;
}

static void
export_send(struct reading *r)
{
	r->left += r->made;
	call_data(r->c, buf_as_slice(&r->out));
}

enum rc
command_audit_export(struct call *c, struct err *err)
{
	struct slice after;
	struct reading r;
	enum rc rc = reading_begin(&r, c, err);

	if (rc == RC_OK && (rc = call_text(c, "after", false, &after, err)) == RC_OK) {
		r.walk.forward = true;
		r.walk.last = orgtx_stat(r.walk.o)->revision;
		r.walk.next = audit_oldest(r.walk.o);
		if (after.len > 0 && !audit_after(r.walk.o, after, &r.walk.next))
			rc = fail(err, RC_INVALID_VALUE, "after",
				"after is the id of the last event that was had, such as 12-0; there is no such event (any more)");
		else
			rc = reading_run(&r, export_full, export_send, err);
	}
	if (rc == RC_OK)
		c->result = json_pack("{s:I}", "events", (json_int_t)r.left);
	reading_free(&r);
	return rc;
}

/* ---- Anchors ---- */

static json_t *
anchor_json(uint64_t revision, const uint8_t hash[JOURNAL_HASH])
{
	static const char digits[] = "0123456789abcdef";
	char text[JOURNAL_HASH * 2 + 1] = "";

	for (size_t i = 0; i < JOURNAL_HASH; i++) {
		text[2 * i] = digits[hash[i] >> 4];
		text[2 * i + 1] = digits[hash[i] & 15];
	}
	return json_sprintf("%" PRIu64 ":%s", revision, text);
}

static int
hex(char ch)
{
	if (ch >= '0' && ch <= '9')
		return ch - '0';
	ch |= 32;
	return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

static bool
anchor_parse(struct slice text, uint64_t *revision, uint8_t hash[JOURNAL_HASH])
{
	struct slice number;

	if (!slice_split(&text, ':', &number) || text.p == NULL || text.len != JOURNAL_HASH * 2 ||
		!slice_to_u64(number, 1, UINT64_MAX - 1, revision))
		return false;
	for (size_t i = 0; i < JOURNAL_HASH; i++) {
		int high = hex(text.p[2 * i]), low = hex(text.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		hash[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

enum rc
command_audit_head(struct call *c, struct err *err)
{
	struct txn *t = reader_new(c->options->store);
	const struct org_stat *stat;
	uint32_t no;
	enum rc rc = reader_begin(t, err);

	if (rc == RC_OK && (rc = org_arg(c, t, &no, err)) == RC_OK) {
		stat = orgtx_stat(orgtx_open(t, no));
		c->result = json_object();
		(void)json_object_set_new(c->result, "revision", json_integer((json_int_t)stat->revision));
		(void)json_object_set_new(c->result, "anchor", anchor_json(stat->revision, stat->head));
	}
	reader_free(t);
	return rc;
}

static enum rc
verify_run(struct call *c, struct txn *t, uint32_t no, struct journal_check *check, struct err *err)
{
	enum rc rc = RC_OK;

	while (!check->done && rc == RC_OK && !c->gone) {
		struct orgtx *o = orgtx_open(t, no);
		uint64_t total = orgtx_stat(o)->revision;

		(void)journal_verify(o, check);
		if (txn_rc(t) != RC_OK)
			return fail(err, txn_rc(t), "", "the journal can't be read");
		reader_end(t);
		call_progress(c, check->revision, total);
		rc = reader_begin(t, err);
	}
	return rc;
}

enum rc
command_audit_verify(struct call *c, struct err *err)
{
	struct txn *t = reader_new(c->options->store);
	struct journal_check check = { 0 };
	struct slice anchor;
	uint32_t no;
	enum rc rc = reader_begin(t, err);

	if (rc == RC_OK && (rc = org_arg(c, t, &no, err)) == RC_OK &&
		(rc = call_text(c, "anchor", false, &anchor, err)) == RC_OK) {
		if (anchor.len > 0 && !anchor_parse(anchor, &check.anchor_revision, check.anchor))
			rc = fail(err, RC_INVALID_VALUE, "anchor", "an anchor is what audit head printed: REVISION:HASH");
		else
			rc = verify_run(c, t, no, &check, err);
	}
	if (rc == RC_OK && check.fault != JOURNAL_SOUND)
		call_part(c, json_pack("{s:s, s:I}", "problem", check.text, "revision", (json_int_t)check.fault_revision));
	if (rc == RC_OK) {
		c->result = json_object();
		(void)json_object_set_new(c->result, "entries", json_integer((json_int_t)(check.revision - check.trimmed)));
		if (check.trimmed > 0)
			(void)json_object_set_new(c->result, "trimmed", json_integer((json_int_t)check.trimmed));
		if (check.fault == JOURNAL_SOUND)
			(void)json_object_set_new(c->result, "anchor", anchor_json(check.revision, check.hash));
		(void)json_object_set_new(c->result, "problems", json_integer(check.fault != JOURNAL_SOUND));
	}
	reader_free(t);
	return rc;
}
