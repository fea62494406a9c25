/* check and is-member: one question. */
#include "daemon/roster/message.h"

#include "daemon/directory/form.h"

#include "base/banned.h"

/* ---- Fields ---- */

static const uint64_t subject_fields = BIT(IN_SUBJECT_ID) | BIT(IN_SUBJECT_NAME) |
				       BIT(IN_SUBJECT_EXTERNAL_ID) | BIT(IN_SUBJECT) | BIT(IN_SUBJECT_KIND);
static const uint64_t place_fields = BIT(IN_SCOPE_ID) | BIT(IN_SCOPE) | BIT(IN_WORKSPACE) |
				     BIT(IN_PROJECT) | BIT(IN_TEAM);
static const uint64_t group_fields = BIT(IN_GROUP_ID) | BIT(IN_GROUP);

/* Whose fields of a set count: the question's own, when it has one of them. */
static const struct fields *
with_any(const struct question *q, uint64_t set)
{
	return (q->own->present & set) != 0 || q->shared == NULL ? q->own : q->shared;
}

static struct slice
text_of(const struct question *q, unsigned field)
{
	return fields_bytes(with_any(q, BIT(field)), field);
}

static enum rc
check_lengths(const struct fields *f, uint64_t set, struct err *err)
{
	for (unsigned n = 0; n < FIELD_NUMBERS; n++)
		if ((set >> n & 1) != 0 && fields_has(f, n) &&
			roster_request_fields[n].kind == FIELD_BYTES && f->at[n].bytes.len > ROSTER_TEXT_MAX)
			return fail(err, RC_TOO_LARGE, roster_request_fields[n].name,
				"is longer than %d bytes", ROSTER_TEXT_MAX);
	return RC_OK;
}

static int
count_of(const struct fields *f, uint64_t set)
{
	return __builtin_popcountll(f->present & set);
}

static enum rc
read_kind(const struct fields *f, enum check_who *who, struct err *err)
{
	static const enum check_who kinds[] = { CHECK_MEMBER, CHECK_PERSON, CHECK_TEAM };
	uint64_t kind = fields_number(f, IN_SUBJECT_KIND);

	if (kind >= sizeof(kinds) / sizeof(kinds[0]))
		return fail(err, RC_INVALID_VALUE, "subject-kind", "is 0 (member), 1 (person) or 2 (team)");
	*who = kinds[kind];
	return RC_OK;
}

static enum rc
read_name(const struct fields *f, struct check_name *out, struct err *err)
{
	static const struct {
		unsigned field;
		enum check_by by;
	} ways[] = { { IN_SUBJECT_NAME, CHECK_BY_NAME }, { IN_SUBJECT_EXTERNAL_ID, CHECK_BY_EXTERNAL_ID },
		{ IN_SUBJECT, CHECK_BY_ANY } };
	enum rc rc;

	if (count_of(f, subject_fields & ~BIT(IN_SUBJECT_KIND)) != 1)
		return fail(err, RC_INVALID_VALUE, "subject",
			"is named by one of subject-id, subject-name, subject-external-id and subject");
	if ((rc = read_kind(f, &out->who, err)) != RC_OK || (rc = check_lengths(f, subject_fields, err)) != RC_OK)
		return rc;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (fields_has(f, ways[i].field)) {
			out->by = ways[i].by;
			out->text = fields_bytes(f, ways[i].field);
		}
	return RC_OK;
}

static uint64_t
row_of(struct orgtx *o, const struct fields *f, unsigned field)
{
	struct uuid id;
	uint64_t row;

	return fields_id(f, field, &id) && row_by_id(o, &id, &row) ? row : 0;
}

static const uint8_t codes_of_outcome[] = {
	[CHECK_DECIDED] = 0,
	[CHECK_NO_SUBJECT] = CODE_UNKNOWN_SUBJECT,
	[CHECK_MANY_SUBJECTS] = CODE_AMBIGUOUS_SUBJECT,
	[CHECK_INACTIVE] = CODE_INACTIVE_SUBJECT,
	[CHECK_NO_PERMISSION] = CODE_UNKNOWN_PERMISSION,
	[CHECK_NO_PLACE] = CODE_UNKNOWN_SCOPE,
	[CHECK_MANY_PLACES] = CODE_AMBIGUOUS_SCOPE,
	[CHECK_NO_MEMBER] = CODE_UNKNOWN_RESOURCE,
	[CHECK_PLACE_MIXED] = CODE_AMBIGUOUS_SCOPE,
};

static const uint8_t codes_of_reason[] = {
	[REASON_GRANTED] = CODE_GRANTED,
	[REASON_MISSING] = CODE_MISSING,
	[REASON_OWN_ONLY] = CODE_OWN_ONLY,
	[REASON_ELSEWHERE] = CODE_ELSEWHERE,
	[REASON_OFF] = CODE_OFF,
	[REASON_TOKEN] = CODE_TOKEN,
	[REASON_NOT_HERE] = CODE_NOT_HERE,
};

enum rc
find_subject(struct check *k, const struct question *q, uint64_t *row, uint8_t *code, struct err *err)
{
	const struct fields *f = with_any(q, subject_fields);
	struct check_name name = { .by = CHECK_BY_ID };
	enum check_outcome outcome;
	enum rc rc;

	*code = 0;
	*row = 0;
	if ((rc = read_name(f, &name, err)) != RC_OK)
		return rc;
	if (fields_has(f, IN_SUBJECT_ID) && name.who != CHECK_PERSON) {
		*row = row_of(k->o, f, IN_SUBJECT_ID);
		if (*row != 0 && row_type(*row) != (name.who == CHECK_TEAM ? TYPE_GROUP : TYPE_USER))
			*row = 0;
		outcome = *row != 0 ? CHECK_DECIDED : CHECK_NO_SUBJECT;
	} else {
		if (fields_has(f, IN_SUBJECT_ID)) {
			struct uuid id;

			(void)fields_id(f, IN_SUBJECT_ID, &id);
			name.text = id_text(k->arena, &id);
		}
		*row = check_find(k, &name, &outcome);
	}
	*code = codes_of_outcome[outcome];
	return RC_OK;
}

enum rc
find_group(struct check *k, const struct question *q, uint64_t *row, uint8_t *code, struct err *err)
{
	const struct fields *f = with_any(q, group_fields);
	struct check_name name = { CHECK_TEAM, CHECK_BY_ANY, fields_bytes(f, IN_GROUP) };
	enum check_outcome outcome;
	enum rc rc;

	*row = 0;
	*code = 0;
	if (count_of(f, group_fields) != 1)
		return fail(err, RC_INVALID_VALUE, "group", "is named by group-id or group");
	if ((rc = check_lengths(f, group_fields, err)) != RC_OK)
		return rc;
	if (fields_has(f, IN_GROUP_ID)) {
		*row = row_of(k->o, f, IN_GROUP_ID);
		if (*row != 0 && row_type(*row) != TYPE_GROUP)
			*row = 0;
		*code = *row != 0 ? 0 : CODE_UNKNOWN_GROUP;
		return RC_OK;
	}
	*row = check_find(k, &name, &outcome);
	*code = *row != 0 ? 0 : outcome == CHECK_MANY_SUBJECTS ? CODE_AMBIGUOUS_GROUP : CODE_UNKNOWN_GROUP;
	return RC_OK;
}

enum rc
read_place(const struct question *q, struct check_place *out, struct err *err)
{
	const struct fields *f = with_any(q, place_fields);
	struct uuid id;
	enum rc rc;

	if ((rc = check_lengths(f, place_fields, err)) != RC_OK)
		return rc;
	*out = (struct check_place){ .workspace = fields_bytes(f, IN_WORKSPACE),
		.project = fields_bytes(f, IN_PROJECT),
		.team = fields_bytes(f, IN_TEAM),
		.scope = fields_bytes(f, IN_SCOPE) };
	if (fields_id(f, IN_SCOPE_ID, &id)) {
		if (out->scope.p != NULL)
			return fail(err, RC_INVALID_VALUE, "scope", "is named by scope-id or scope");
		uuid_format(&id, out->id_text);
		out->scope = (struct slice){ out->id_text, UUID_TEXT };
	}
	return RC_OK;
}

/* ---- check ---- */

/* Once a message, and only when the answer must be found. */
static void
check_begin(struct message *m, struct check *k)
{
	if (k->o == NULL)
		check_init(k, &m->roster->directory, m->o, m->arena, m->worker->now);
}

static enum rc
read_query(struct check *k, const struct question *q, struct check_query *out, struct err *err)
{
	const struct fields *f = with_any(q, subject_fields);
	struct check_name *who = &out->subject;
	struct uuid id;
	enum rc rc;

	*out = (struct check_query){ .permission = text_of(q, IN_PERMISSION) };
	if (out->permission.p == NULL)
		return fail(err, RC_INVALID_VALUE, "permission", "is missing");
	if ((rc = check_lengths(with_any(q, BIT(IN_PERMISSION)), BIT(IN_PERMISSION), err)) != RC_OK ||
		(rc = check_lengths(with_any(q, BIT(IN_OWNER)), BIT(IN_OWNER), err)) != RC_OK ||
		(rc = check_lengths(with_any(q, BIT(IN_MEMBER)), BIT(IN_MEMBER), err)) != RC_OK ||
		(rc = read_name(f, who, err)) != RC_OK || (rc = read_place(q, &out->place, err)) != RC_OK)
		return rc;
	if (fields_id(f, IN_SUBJECT_ID, &id)) {
		who->by = CHECK_BY_ID;
		who->text = id_text(k->arena, &id);
	}
	out->of_place = fields_number(with_any(q, BIT(IN_OF_SCOPE)), IN_OF_SCOPE) != 0;
	out->member = (struct check_name){ CHECK_MEMBER, CHECK_BY_ANY, text_of(q, IN_MEMBER) };
	out->of_member = out->member.text.p != NULL;
	out->owner = (struct check_name){ who->who, who->by == CHECK_BY_ID ? CHECK_BY_ANY : who->by, text_of(q, IN_OWNER) };
	out->owned = out->owner.text.p != NULL;
	return RC_OK;
}

static uint8_t
code_of(const struct check_answer *a)
{
	return a->outcome == CHECK_DECIDED ? codes_of_reason[a->why.reason] : codes_of_outcome[a->outcome];
}

/* What of a question is remembered: its number, and whom it is about. */
struct recalled {
	uint32_t number; /* 0: it is not remembered */
	struct uuid subject;
};

/* Questions that name all by ids, and nothing that is not in the key of what is remembered. */
static struct recalled
recall_of(struct message *m, const struct question *q, enum recall_kind kind, uint64_t allowed, unsigned scope)
{
	uint64_t present = q->own->present | (q->shared != NULL ? q->shared->present : 0);
	const struct fields *who = with_any(q, subject_fields), *where = with_any(q, place_fields | group_fields);
	struct recalled out = { 0 };
	struct uuid id;
	bool scoped;

	if ((present & ~(allowed | BIT(IN_ORG) | BIT(IN_REVISION) | BIT(IN_ITEM) | BIT(IN_CLIENT))) != 0 ||
		!fields_id(who, IN_SUBJECT_ID, &out.subject))
		return out;
	scoped = fields_id(where, scope, &id);
	out.number = recall_question(m->worker->recall, m->recall, kind, text_of(q, IN_PERMISSION), scoped ? &id : NULL);
	return out;
}

static bool
recall_find(struct message *m, const struct recalled *k, uint64_t *row, uint8_t *code)
{
	return k->number != 0 && recall_get(m->worker->recall, m->recall, k->number, &k->subject, row, code);
}

static void
recall_keep(struct message *m, const struct recalled *k, uint64_t row, uint8_t code)
{
	if (k->number != 0 && row_type(row) == TYPE_USER)
		recall_put(m->worker->recall, m->recall, k->number, &k->subject, row, code);
}

/* *lasting: the row of the subject, when the answer is one that stays until something is written. */
static enum rc
decide_check(struct message *m, struct check *k, const struct question *q, uint8_t *code,
	uint64_t *lasting, struct err *err)
{
	struct check_query query;
	struct check_answer a;
	enum rc rc;

	check_begin(m, k);
	if ((rc = read_query(k, q, &query, err)) != RC_OK || (rc = check_ask(k, &query, &a, err)) != RC_OK ||
		(rc = message_may(m, RIGHT_CHECK, a.subject, err)) != RC_OK)
		return rc;
	*code = code_of(&a);
	*lasting = a.outcome != CHECK_DECIDED || k->subject.timed ? 0 : a.subject;
	return RC_OK;
}

enum rc
ask_check(struct message *m, struct check *k, const struct question *q, uint8_t *code, struct err *err)
{
	struct recalled known = recall_of(m, q, RECALL_CHECK, BIT(IN_SUBJECT_ID) | BIT(IN_SCOPE_ID) | BIT(IN_PERMISSION),
		IN_SCOPE_ID);
	uint64_t row;
	enum rc rc;

	if (recall_find(m, &known, &row, code))
		return message_may(m, RIGHT_CHECK, row, err);
	if ((rc = decide_check(m, k, q, code, &row, err)) == RC_OK)
		recall_keep(m, &known, row, *code);
	return rc;
}

static void
put_row_id(struct message *m, unsigned field, uint64_t row)
{
	struct record r;

	if (row != 0 && record_get(m->o, row, &r))
		put_id(m->out, field, &r.id);
}

/* The grant's path. */
static void
put_grant(struct message *m, const struct check_answer *a)
{
	put_bytes(m->out, OUT_ROLE, a->role);
	if (a->why.through != NULL)
		put_bytes(m->out, OUT_THROUGH, a->why.through->path);
	put_row_id(m, OUT_SCOPE_ID, a->grant->scope);
	put_row_id(m, OUT_ASSIGNMENT_ID, a->grant->assignment);
	for (size_t i = 0; i < a->team_count; i++)
		put_row_id(m, OUT_TEAM_ID, a->teams[i]);
	if (a->why.own)
		put_number(m->out, OUT_OWN, 1);
}

static void
put_answer(struct message *m, uint8_t code)
{
	put_number(m->out, OUT_REVISION, m->revision);
	put_number(m->out, OUT_ANSWER, roster_code_is_yes(code));
	put_number(m->out, OUT_CODE, code);
}

static void
put_explained(struct message *m, struct check *k, const struct check_query *q, const struct check_answer *a)
{
	struct buf sentence = BUF_INIT;

	put_answer(m, code_of(a));
	check_print(k, q, a, &sentence);
	put_bytes(m->out, OUT_REASON, buf_as_slice(&sentence));
	buf_release(&sentence);
	if (a->outcome == CHECK_DECIDED && !a->allowed)
		put_bytes(m->out, OUT_MISSING, q->permission);
	if (a->grant != NULL)
		put_grant(m, a);
}

static enum rc
check_explained(struct message *m, struct check *k, const struct question *q, struct err *err)
{
	struct check_query query;
	struct check_answer a;
	size_t began;
	enum rc rc;

	check_begin(m, k);
	if ((rc = read_query(k, q, &query, err)) != RC_OK)
		return rc;
	query.explain = true;
	if ((rc = check_ask(k, &query, &a, err)) != RC_OK || (rc = message_may(m, RIGHT_CHECK, a.subject, err)) != RC_OK)
		return rc;
	began = answer_begin(m);
	put_explained(m, k, &query, &a);
	answer_end(m, began, FRAME_LAST);
	return RC_OK;
}

static enum rc
answer_one(struct message *m, struct check *k, const struct question *q, ask_fn *ask, struct err *err)
{
	uint8_t code = 0;
	enum rc rc = ask(m, k, q, &code, err);
	size_t began;

	if (rc != RC_OK)
		return rc;
	began = answer_begin(m);
	put_answer(m, code);
	answer_end(m, began, FRAME_LAST);
	return RC_OK;
}

enum rc
check_run(struct message *m, struct err *err)
{
	const struct question q = { &m->in, NULL };
	struct check k;

	k.o = NULL;
	return fields_number(&m->in, IN_EXPLAIN) != 0 ? check_explained(m, &k, &q, err)
						      : answer_one(m, &k, &q, ask_check, err);
}

/* ---- is-member ---- */

static enum rc
decide_member(struct message *m, struct check *k, const struct question *q, bool direct, uint8_t *code,
	uint64_t *lasting, struct err *err)
{
	static const uint8_t codes[] = { [NOT_MEMBER] = CODE_NOT_MEMBER, [DIRECT_MEMBER] = CODE_DIRECT,
		[NESTED_MEMBER] = CODE_NESTED };
	uint64_t subject, group;
	uint8_t no_group;
	enum rc rc;

	*lasting = 0; /* a group that is not there may be there tomorrow */
	check_begin(m, k);
	if ((rc = find_subject(k, q, &subject, code, err)) != RC_OK ||
		(rc = message_may(m, RIGHT_MEMBERS, subject, err)) != RC_OK ||
		(rc = find_group(k, q, &group, &no_group, err)) != RC_OK)
		return rc;
	if (group == 0 && subject != 0)
		*code = no_group;
	if (group == 0 || subject == 0)
		return RC_OK;
	*code = codes[direct ? (edge_has(k->o, group, subject) ? DIRECT_MEMBER : NOT_MEMBER)
			     : membership_find(k->o, k->arena, group, subject)];
	*lasting = subject;
	return RC_OK;
}

enum rc
ask_is_member(struct message *m, struct check *k, const struct question *q, uint8_t *code, struct err *err)
{
	bool direct = fields_number(with_any(q, BIT(IN_DIRECT)), IN_DIRECT) != 0;
	struct recalled known = recall_of(m, q, direct ? RECALL_DIRECT : RECALL_MEMBER,
		BIT(IN_SUBJECT_ID) | BIT(IN_GROUP_ID) | BIT(IN_DIRECT), IN_GROUP_ID);
	uint64_t row;
	enum rc rc;

	if (recall_find(m, &known, &row, code))
		return message_may(m, RIGHT_MEMBERS, row, err);
	if ((rc = decide_member(m, k, q, direct, code, &row, err)) == RC_OK)
		recall_keep(m, &known, row, *code);
	return rc;
}

enum rc
is_member_run(struct message *m, struct err *err)
{
	const struct question q = { &m->in, NULL };
	struct check k;

	k.o = NULL;
	return answer_one(m, &k, &q, ask_is_member, err);
}
