#include "tools/libroster/private.h"

#include <stdlib.h>

#include "base/banned.h"

/* ---- One call, waited for ---- */

struct waiting {
	struct roster *r;
	uint64_t call;
	roster_item_fn *part, *item; /* NULL: not told */
	void *arg;
	bool keep; /* the last part is wanted */
	bool done, failed, enough;
	struct roster_error *error;
};

/* Copies the answer to where it stays until the next call. */
static void
keep_answer(struct roster *r, const struct roster_answer *answer)
{
	buf_clear(&r->kept_bytes);
	buf_slice(&r->kept_bytes, answer->row);
	(void)answer_read(&r->kept, buf_as_slice(&r->kept_bytes), true);
	if (roster_has(answer, ROSTER_F_SYNC)) /* as part_told() made it */
		r->kept.fields.at[OUT_SYNC] = answer->fields.at[OUT_SYNC];
}

/* False: enough. */
static bool
tell(struct waiting *w, const struct roster_answer *answer)
{
	const struct roster_answer *item;

	if (w->part != NULL && !w->part(w->arg, answer))
		return false;
	while (w->item != NULL && (item = roster_next_item(answer)) != NULL)
		if (!w->item(w->arg, item))
			return false;
	return true;
}

static void
waited(void *arg, const struct roster_answer *answer, const struct roster_error *error)
{
	struct waiting *w = arg;

	if (error != NULL) {
		error_copy(w->error, error);
		w->done = w->failed = true;
		return;
	}
	if (!tell(w, answer)) {
		w->done = w->enough = true;
		(void)roster_cancel(w->r, w->call);
	} else if (roster_is_last(answer)) {
		w->done = true;
		if (w->keep)
			keep_answer(w->r, answer);
	}
}

static bool
may_wait(struct roster *r, struct roster_error *error)
{
	if (r->inside)
		error_local(error, NAME_BAD_REQUEST, "", "a callback can't wait for a call");
	return !r->inside;
}

static int
wait_for(struct waiting *w, enum roster_verb verb, const struct roster_request *request,
	const struct roster_answer **answer)
{
	if (answer != NULL)
		*answer = NULL;
	w->keep = answer != NULL;
	if (!may_wait(w->r, w->error) ||
		(w->call = roster_start(w->r, verb, request, waited, w, w->error)) == 0)
		return -1;
	while (!w->done)
		(void)handle_wait(w->r, NEVER);
	if (w->failed)
		return -1;
	if (answer != NULL && !w->enough)
		*answer = &w->r->kept;
	return 0;
}

int
roster_call(struct roster *r, enum roster_verb verb, const struct roster_request *request, roster_item_fn *fn, void *arg,
	const struct roster_answer **answer, struct roster_error *error)
{
	struct waiting w = { .r = r, .part = fn, .arg = arg, .error = error };

	return wait_for(&w, verb, request, answer);
}

int
roster_watch(struct roster *r, const struct roster_request *request, roster_item_fn *fn, void *arg,
	struct roster_error *error)
{
	return roster_call(r, ROSTER_WATCH, request, fn, arg, NULL, error);
}

/* ---- Yes or no ---- */

static int
ask(struct roster *r, enum roster_verb verb, const struct roster_request *request, const struct roster_answer **answer,
	struct roster_error *error)
{
	const struct roster_answer *mine;

	if (roster_call(r, verb, request, NULL, NULL, &mine, error) < 0)
		return -1;
	if (answer != NULL)
		*answer = mine;
	return roster_number(mine, ROSTER_F_ANSWER) == 1;
}

int
roster_check(struct roster *r, const struct roster_request *request, const struct roster_answer **answer,
	struct roster_error *error)
{
	return ask(r, ROSTER_CHECK, request, answer, error);
}

int
roster_is_member(struct roster *r, const struct roster_request *request, const struct roster_answer **answer,
	struct roster_error *error)
{
	return ask(r, ROSTER_IS_MEMBER, request, answer, error);
}

/* ---- Lists and records ---- */

#define LIST(name, verb)                                                                             \
	int roster_##name(struct roster *r, const struct roster_request *request, roster_item_fn *fn, void *arg, \
		const struct roster_answer **answer, struct roster_error *error)                     \
	{                                                                                            \
		struct waiting w = { .r = r, .item = fn, .arg = arg, .error = error };               \
                                                                                                     \
		return wait_for(&w, verb, request, answer);                                          \
	}

LIST(groups_of, ROSTER_GROUPS_OF)
LIST(members_of, ROSTER_MEMBERS_OF)
LIST(permissions_of, ROSTER_PERMISSIONS_OF)
LIST(who_can, ROSTER_WHO_CAN)
LIST(orgs_of, ROSTER_ORGS_OF)
LIST(find, ROSTER_FIND)
LIST(stats, ROSTER_STATS)
#undef LIST

#define RECORD(name, verb)                                                                           \
	int roster_##name(struct roster *r, const struct roster_request *request,                    \
		const struct roster_answer **answer, struct roster_error *error)                     \
	{                                                                                            \
		return roster_call(r, verb, request, NULL, NULL, answer, error);                     \
	}

RECORD(get, ROSTER_GET)
RECORD(put, ROSTER_PUT)
RECORD(delete, ROSTER_DELETE)
#undef RECORD

int
roster_ping(struct roster *r, int timeout_ms, struct roster_error *error)
{
	struct roster_request request = { .size = sizeof(request), .timeout_ms = timeout_ms };

	return roster_call(r, ROSTER_PING, &request, NULL, NULL, NULL, error);
}

/* ---- sync ---- */

int
roster_sync_begin(struct roster *r, const struct roster_request *request, uint64_t *sync, struct roster_error *error)
{
	const struct roster_answer *answer;

	if (roster_call(r, ROSTER_SYNC_BEGIN, request, NULL, NULL, &answer, error) < 0)
		return -1;
	*sync = roster_number(answer, ROSTER_F_SYNC);
	return 0;
}

/* As many whole lines as one request carries; 0: the first one alone is too long. */
static size_t
whole_lines(const char *data, size_t len, size_t most)
{
	const char *end;

	if (len <= most)
		return len;
	end = memrchr(data, '\n', most);
	return end == NULL ? 0 : (size_t)(end - data) + 1;
}

int
roster_sync_records(struct roster *r, uint64_t sync, const char *data, size_t len, uint64_t *count,
	struct roster_error *error)
{
	struct roster_request request = { .size = sizeof(request), .sync = sync };
	const struct roster_answer *answer;

	do {
		/* The data's own head, and the session's number, stand beside it. */
		size_t n = whole_lines(data, len, r->link.max_payload / 4 * 3);

		if (n == 0 && len > 0) {
			error_local(error, "TOO_LARGE", "data", "a record is longer than a request may be");
			return -1;
		}
		request.data = (struct roster_text){ data, n };
		if (roster_call(r, ROSTER_SYNC_RECORDS, &request, NULL, NULL, &answer, error) < 0)
			return -1;
		if (count != NULL)
			*count = roster_number(answer, ROSTER_F_COUNT);
		data += n;
		len -= n;
	} while (len > 0);
	return 0;
}

int
roster_sync_plan(struct roster *r, uint64_t sync, uint64_t samples, int timeout_ms, roster_item_fn *fn, void *arg,
	const struct roster_answer **answer, struct roster_error *error)
{
	struct roster_request request = { .size = sizeof(request), .sync = sync, .limit = samples, .timeout_ms = timeout_ms };
	struct waiting w = { .r = r, .item = fn, .arg = arg, .error = error };

	return wait_for(&w, ROSTER_SYNC_PLAN, &request, answer);
}

int
roster_sync_commit(struct roster *r, uint64_t sync, int timeout_ms, roster_item_fn *fn, void *arg,
	const struct roster_answer **answer, struct roster_error *error)
{
	struct roster_request request = { .size = sizeof(request), .sync = sync, .timeout_ms = timeout_ms };
	struct waiting w = { .r = r, .item = fn, .arg = arg, .error = error };

	return wait_for(&w, ROSTER_SYNC_COMMIT, &request, answer);
}

int
roster_sync_abort(struct roster *r, uint64_t sync, struct roster_error *error)
{
	struct roster_request request = { .size = sizeof(request), .sync = sync };

	return roster_call(r, ROSTER_SYNC_ABORT, &request, NULL, NULL, NULL, error);
}
