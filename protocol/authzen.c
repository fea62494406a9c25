#include "protocol/authzen.h"

#include "base/banned.h"

/* ---- Members ---- */

/* Names are compared exactly: JSON of this API is no SCIM. null is absent. */
static enum rc
member_object_at(const json_t *in, const char *path, const char *name, const json_t **out, struct err *err)
{
	const json_t *value = json_object_get(in, name);

	*out = NULL;
	if (value == NULL || json_is_null(value))
		return RC_OK;
	if (!json_is_object(value))
		return fail(err, RC_BAD_REQUEST, path, "must be an object");
	*out = value;
	return RC_OK;
}

static enum rc
member_object(const json_t *in, const char *name, const json_t **out, struct err *err)
{
	return member_object_at(in, name, name, out, err);
}

static enum rc
member_text(const json_t *in, const char *path, const char *name, bool required, struct slice *out,
	struct err *err)
{
	const json_t *value = json_object_get(in, name);

	*out = (struct slice){ NULL, 0 };
	if (value == NULL && !required)
		return RC_OK;
	if (value == NULL)
		return fail(err, RC_BAD_REQUEST, path, "is required");
	if (!json_is_string(value))
		return fail(err, RC_BAD_REQUEST, path, "must be a string");
	*out = json_text(value);
	return RC_OK;
}

/* ---- Evaluations ---- */

/* What an evaluation is read from: its own object, and that of the batch around it (NULL: none). */
struct source {
	const json_t *own, *around;
};

/* One of subject, action and resource: its own, else the batch's. `around` is left to fill the gaps. */
static enum rc
entity_of(const struct source *in, const char *name, struct source *out, struct err *err)
{
	enum rc rc;

	*out = (struct source){ NULL, NULL };
	if ((rc = member_object(in->own, name, &out->own, err)) != RC_OK)
		return rc;
	if (in->around != NULL && (rc = member_object(in->around, name, &out->around, err)) != RC_OK)
		return rc;
	if (out->own == NULL) {
		out->own = out->around;
		out->around = NULL;
	}
	return out->own != NULL ? RC_OK : fail(err, RC_BAD_REQUEST, name, "is required");
}

static enum rc
entity_text(const struct source *entity, const char *path, const char *name, struct slice *out, struct err *err)
{
	bool here = json_object_get(entity->own, name) != NULL || entity->around == NULL;

	return member_text(here ? entity->own : entity->around, path, name, true, out, err);
}

static enum rc
read_subject(const struct source *in, struct authzen_evaluation *out, struct err *err)
{
	const json_t *properties;
	struct source s;
	enum rc rc;

	if ((rc = entity_of(in, "subject", &s, err)) != RC_OK ||
		(rc = entity_text(&s, "subject.type", "type", &out->subject_type, err)) != RC_OK ||
		(rc = entity_text(&s, "subject.id", "id", &out->subject_id, err)) != RC_OK)
		return rc;
	if ((rc = member_object_at(s.own, "subject.properties", "properties", &properties, err)) != RC_OK)
		return rc;
	return member_text(
		properties, "subject.properties.id_type", "id_type", false, &out->id_type, err);
}

static enum rc
read_action(const struct source *in, struct authzen_evaluation *out, struct err *err)
{
	const json_t *properties;
	struct source s;
	enum rc rc;

	if ((rc = entity_of(in, "action", &s, err)) != RC_OK ||
		(rc = entity_text(&s, "action.name", "name", &out->action, err)) != RC_OK)
		return rc;
	return member_object_at(s.own, "action.properties", "properties", &properties, err);
}

static enum rc
read_resource(const struct source *in, struct authzen_evaluation *out, struct err *err)
{
	const struct {
		const char *path, *name;
		struct slice *value;
	} known[] = {
		{ "resource.properties.workspace", "workspace", &out->workspace },
		{ "resource.properties.project", "project", &out->project },
		{ "resource.properties.team", "team", &out->team },
		{ "resource.properties.scope", "scope", &out->scope },
		{ "resource.properties.owner", "owner", &out->owner },
	};
	const json_t *properties;
	struct source s;
	enum rc rc;

	if ((rc = entity_of(in, "resource", &s, err)) != RC_OK ||
		(rc = entity_text(&s, "resource.type", "type", &out->resource_type, err)) != RC_OK ||
		(rc = entity_text(&s, "resource.id", "id", &out->resource_id, err)) != RC_OK)
		return rc;
	if ((rc = member_object_at(s.own, "resource.properties", "properties", &properties, err)) != RC_OK)
		return rc;
	/* One of another type must not be passed over: the question would become one about the org. */
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if ((rc = member_text(properties, known[i].path, known[i].name, false,
			     known[i].value, err)) != RC_OK)
			return rc;
	return RC_OK;
}

static enum rc
read_evaluation(const struct source *in, struct authzen_evaluation *out, struct err *err)
{
	const json_t *context;
	enum rc rc;

	*out = (struct authzen_evaluation){ .rc = RC_OK };
	if ((rc = read_subject(in, out, err)) != RC_OK || (rc = read_action(in, out, err)) != RC_OK ||
		(rc = read_resource(in, out, err)) != RC_OK)
		return rc;
	return member_object(in->own, "context", &context, err);
}

enum rc
authzen_read(const json_t *body, struct authzen_evaluation *out, struct err *err)
{
	const struct source in = { body, NULL };

	return read_evaluation(&in, out, err);
}

/* ---- Batches ---- */

static enum rc
read_semantic(const json_t *body, enum authzen_semantic *out, struct err *err)
{
	static const char *const names[] = { [AUTHZEN_ALL] = "execute_all",
		[AUTHZEN_UNTIL_DENY] = "deny_on_first_deny",
		[AUTHZEN_UNTIL_PERMIT] = "permit_on_first_permit" };
	const json_t *options;
	struct slice text;
	enum rc rc;

	*out = AUTHZEN_ALL;
	if ((rc = member_object(body, "options", &options, err)) != RC_OK ||
		(rc = member_text(options, "options.evaluations_semantic", "evaluations_semantic",
			 false, &text, err)) != RC_OK ||
		text.p == NULL)
		return rc;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_eq(text, slice_of(names[i]))) {
			*out = (enum authzen_semantic)i;
			return RC_OK;
		}
	return fail(err, RC_BAD_REQUEST, "options.evaluations_semantic",
		"must be execute_all, deny_on_first_deny or permit_on_first_permit");
}

/* What all elements may fall back on. */
static enum rc
check_defaults(const json_t *body, struct err *err)
{
	static const char *const names[] = { "subject", "action", "resource", "context" };
	const json_t *unused;
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < sizeof(names) / sizeof(names[0]); i++)
		rc = member_object(body, names[i], &unused, err);
	return rc;
}

enum rc
authzen_read_batch(struct arena *a, const json_t *body, size_t max, struct authzen_batch *out, struct err *err)
{
	const json_t *list = json_object_get(body, "evaluations");
	enum rc rc;

	*out = (struct authzen_batch){ .list = NULL };
	if (list != NULL && !json_is_array(list))
		return fail(err, RC_BAD_REQUEST, "evaluations", "must be an array");
	if (json_array_size(list) > max)
		return fail(err, RC_BAD_REQUEST, "evaluations", "at most %zu can be asked in one request", max);
	if ((rc = read_semantic(body, &out->semantic, err)) != RC_OK || json_array_size(list) == 0)
		return rc;
	if ((rc = check_defaults(body, err)) != RC_OK)
		return rc;
	out->count = json_array_size(list);
	out->list = ARENA_ARRAY(a, struct authzen_evaluation, out->count);
	for (size_t i = 0; i < out->count; i++) {
		const struct source in = { json_array_get(list, i), body };
		struct err why = ERR_INIT;

		if (!json_is_object(in.own))
			return fail(err, RC_BAD_REQUEST, "evaluations", "must hold objects");
		rc = read_evaluation(&in, &out->list[i], &why);
		out->list[i].rc = rc;
		out->list[i].err = why;
	}
	return RC_OK;
}

/* ---- Metadata ---- */

static void
write_url(struct buf *out, const char *name, struct slice base, const char *tail)
{
	buf_printf(out, ",\"%s\":", name);
	buf_json_string(out, base);
	out->len--; /* nothing in the tail needs escaping */
	buf_printf(out, "%s\"", tail);
}

void
authzen_write_metadata(struct buf *out, struct slice base)
{
	BUF_LIT(out, "{\"policy_decision_point\":");
	buf_json_string(out, base);
	write_url(out, "access_evaluation_endpoint", base, "/access/v1/evaluation");
	write_url(out, "access_evaluations_endpoint", base, "/access/v1/evaluations");
	buf_char(out, '}');
}
