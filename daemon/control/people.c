/* The commands for people. */
#include <stdio.h>

#include "base/log.h"
#include "daemon/control/change.h"
#include "daemon/directory/form.h"

#include "base/banned.h"

static json_t *
text_json(struct slice s)
{
	return s.len > 0 ? json_stringn(s.p, s.len) : json_null();
}

static json_t *
person_json(const struct directory *d, struct arena *a, const struct record *r)
{
	json_t *j = json_object();

	json_put(j, "userName", text_json(record_text(d->schema, r, d->at.person_user_name)));
	json_put(j, "name", text_json(record_text(d->schema, r, d->at.person_display)));
	json_put(j, "active", json_boolean(record_bool(d->schema, r, d->at.person_active, true)));
	json_put(j, "id", text_json(id_text(a, &r->id)));
	json_put(j, "created", json_time(r->created));
	return j;
}

static enum rc
person_create_step(struct change_job *j, struct txn *t, struct err *err)
{
	const struct attrs *at = &j->call->options->directory->at;
	struct node *root = change_root(j, TYPE_PERSON), *e;
	struct arena *a = j->call->arena;
	struct written written;
	enum rc rc;

	tree_set_text(a, root, at->person_user_name, j->name);
	tree_set_text(a, root, at->person_display, j->label);
	if (j->email.len > 0) {
		e = tree_add(a, root, at->person_emails);
		tree_set_text(a, e, at->person_email, j->email);
		tree_set_bool(a, e, at->person_email_primary, true);
		if (call_flag(j->call, "verified"))
			tree_set_bool(a, e, at->person_email_verified, true);
	}
	rc = change_create(j, orgtx_open(t, ORG_PLATFORM), TYPE_PERSON, root, &written, err);
	j->row = rc == RC_OK ? written.row : 0;
	return rc;
}

static json_t *
orgs_json(const struct directory *d, struct orgtx *o, uint64_t person)
{
	uint64_t rows[64], after = 0;
	json_t *list = json_array();
	struct org org;
	size_t n;

	while ((n = edge_list(o, EDGE_GROUPS, person, after, rows, 64)) > 0) {
		for (size_t i = 0; i < n; i++)
			if (org_of_row(d, o, rows[i], &org))
				(void)json_array_append_new(list, org_json(NULL, &org));
		after = rows[n - 1];
	}
	return list;
}

static enum rc
person_read(struct call *c, struct txn *t, struct err *err)
{
	struct orgtx *o = orgtx_open(t, ORG_PLATFORM);
	struct slice name;
	struct record r;
	uint64_t row;
	enum rc rc;

	if ((rc = call_text(c, "person", true, &name, err)) != RC_OK ||
		(rc = change_find_person(c, t, name, &row, err)) != RC_OK)
		return rc;
	if (!record_get(o, row, &r))
		return fail(err, RC_INTERNAL, "", "the person's record can't be read");
	c->result = person_json(c->options->directory, c->arena, &r);
	json_put(c->result, "orgs", orgs_json(c->options->directory, o, row));
	return RC_OK;
}

enum rc
command_person_show(struct call *c, struct err *err)
{
	return with_reader(c, person_read, err);
}

enum rc
command_person_create(struct call *c, struct err *err)
{
	struct change_job j = { .step = person_create_step };
	enum rc rc;

	if ((rc = call_text(c, "person", true, &j.name, err)) != RC_OK ||
		(rc = call_text(c, "name", false, &j.label, err)) != RC_OK ||
		(rc = call_text(c, "email", false, &j.email, err)) != RC_OK ||
		(rc = change_run(c, &j, err)) != RC_OK)
		return rc;
	log_event(LOG_INFO, "person-created", LOG_NUM("row", row_counter(j.row)));
	return with_reader(c, person_read, err);
}

static enum rc
person_delete_step(struct change_job *j, struct txn *t, struct err *err)
{
	enum rc rc = change_find_person(j->call, t, j->name, &j->row, err);

	return rc != RC_OK ? rc : change_delete(j, orgtx_open(t, ORG_PLATFORM), j->row, err);
}

enum rc
command_person_delete(struct call *c, struct err *err)
{
	struct change_job j = { .step = person_delete_step };
	enum rc rc;

	if ((rc = call_text(c, "person", true, &j.name, err)) != RC_OK ||
		(rc = change_run(c, &j, err)) != RC_OK)
		return rc;
	log_event(LOG_INFO, "person-deleted", LOG_NUM("row", row_counter(j.row)));
	c->result = json_pack("{s:s#}", "deleted", j.name.p, (int)j.name.len);
	return RC_OK;
}

/* Answers are sent while no transaction is open: the client may be slow. */
enum rc
command_person_list(struct call *c, struct err *err)
{
	enum { STEP = 256 };
	struct txn *t = reader_new(c->options->store);
	uint64_t rows[STEP], after = 0;
	size_t n = 1;
	enum rc rc = RC_OK;

	while (n > 0 && !c->gone && (rc = reader_begin(t, err)) == RC_OK) {
		struct orgtx *o = orgtx_open(t, ORG_PLATFORM);
		json_t *found = json_array(), *part;
		struct record r;
		size_t i;

		n = rows_list(o, TYPE_PERSON, after, 0, rows, STEP);
		for (i = 0; i < n; i++)
			if (record_get(o, rows[i], &r))
				(void)json_array_append_new(
					found, person_json(c->options->directory, c->arena, &r));
		after = n > 0 ? rows[n - 1] : 0;
		reader_end(t);
		json_array_foreach (found, i, part)
			call_part(c, json_incref(part));
		json_decref(found);
	}
	reader_free(t);
	return rc;
}
