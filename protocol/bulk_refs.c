#include "protocol/bulk.h"

#include <stdlib.h>

#include "base/banned.h"

static const struct slice prefix = SLICE_INIT("bulkId:");

struct entry {
	struct slice id;
	size_t at;
};

static int
entry_compare(const void *x, const void *y)
{
	const struct entry *p = x, *q = y;
	int order = slice_cmp(p->id, q->id);

	return order != 0 ? order : (p->at > q->at) - (p->at < q->at);
}

void
bulk_index(struct arena *a, struct bulk *b)
{
	struct entry *entries = ARENA_ARRAY(a, struct entry, b->count);
	size_t n = 0;

	for (size_t i = 0; i < b->count; i++) {
		const struct bulk_op *op = &b->ops[i];

		if (op->method == BULK_POST && op->method_text.len > 0 && op->bulk_id.len > 0)
			entries[n++] = (struct entry){ op->bulk_id, i };
	}
	if (n > 1)
		qsort(entries, n, sizeof(*entries), entry_compare);
	b->by_id = ARENA_ARRAY(a, size_t, n);
	for (size_t i = 0; i < n; i++) {
		struct bulk_op *op = &b->ops[entries[i].at];
		size_t last = b->by_id_count > 0 ? b->by_id[b->by_id_count - 1] : 0;

		if (b->by_id_count == 0 || !slice_eq(b->ops[last].bulk_id, op->bulk_id))
			b->by_id[b->by_id_count++] = entries[i].at;
		else if (op->rc == RC_OK)
			op->rc = fail(&op->err, RC_INVALID_VALUE, "bulkId",
				"\"%.*s\" is the bulkId of operation %zu too",
				SLICE_ARG(op->bulk_id), last + 1);
	}
}

struct resolver {
	struct bulk *b;
	struct bulk_op *op; /* whose references are being replaced */
	size_t at;          /* its index */
	size_t *seen;       /* for each operation: the index + 1 of the last that referred to it */
	size_t *refs, ref_count;
};

/* The id that stands for a bulkId, as a text in out; notes the reference. false when there is none.
 */
static bool
take(struct resolver *r, struct slice bulk_id, char out[UUID_TEXT])
{
	size_t low = 0, high = r->b->by_id_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2, at = r->b->by_id[middle];
		int order = slice_cmp(r->b->ops[at].bulk_id, bulk_id);

		if (order == 0) {
			uuid_format(&r->b->ops[at].id, out);
			if (at != r->at && r->seen[at] != r->at + 1) {
				r->seen[at] = r->at + 1;
				r->refs[r->ref_count++] = at;
			}
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (r->op->rc == RC_OK)
		r->op->rc = fail(&r->op->err, RC_INVALID_VALUE, "",
			"\"bulkId:%.*s\" refers to no POST of this request", SLICE_ARG(bulk_id));
	return false;
}

static void
replace(struct resolver *r, json_t *json, struct slice text)
{
	if (json_string_setn(json, text.p, text.len) != 0)
		r->op->rc = fail(&r->op->err, RC_INTERNAL, "", "a bulkId could not be replaced");
}

/* How long a bulkId is inside of an address or of a filter; 0 when none can stand here. */
static size_t
length_inside(struct slice text, size_t start)
{
	char before = text.p[start - prefix.len - 1], c;
	size_t end = start;

	if (before != '"' && before != '/')
		return 0;
	for (; end < text.len; end++) {
		c = text.p[end];
		if (c == '"' || (before == '/' &&
					(c == '/' || c == '?' || c == '#' || c == ' ' || c == ']')))
			break;
	}
	return end - start;
}

/* Addresses and PATCH paths hold references besides other text. */
static void
replace_inside(struct resolver *r, json_t *json)
{
	struct slice text = json_text(json);
	struct buf out = BUF_INIT;
	char uuid[UUID_TEXT];
	size_t from = 0, len;
	const char *hit;

	while ((hit = memmem(text.p + from, text.len - from, prefix.p, prefix.len)) != NULL) {
		size_t start = (size_t)(hit - text.p) + prefix.len;

		len = hit > text.p ? length_inside(text, start) : 0;
		if (len > 0 && take(r, (struct slice){ text.p + start, len }, uuid)) {
			buf_put(&out, text.p + from, start - prefix.len - from);
			buf_put(&out, uuid, UUID_TEXT);
		} else {
			buf_put(&out, text.p + from, start + len - from);
		}
		from = start + len;
	}
	if (from > 0) {
		buf_put(&out, text.p + from, text.len - from);
		replace(r, json, buf_as_slice(&out));
	}
	buf_release(&out);
}

static void
replace_text(struct resolver *r, json_t *json, const char *key)
{
	struct slice text = json_text(json);
	char uuid[UUID_TEXT];

	if (slice_starts(text, prefix)) {
		if (take(r, slice_from(text, prefix.len), uuid))
			replace(r, json, (struct slice){ uuid, UUID_TEXT });
	} else if (strcasecmp(key, "$ref") == 0 || strcasecmp(key, "path") == 0) {
		replace_inside(r, json);
	}
}

/* Recursion is bounded by JSON_DEPTH_MAX. key: the member that json is the value of, or an element
 * of. */
static void
walk(struct resolver *r, json_t *json, const char *key)
{
	const char *name;
	json_t *value;
	size_t i;

	if (json_is_string(json)) {
		replace_text(r, json, key);
	} else if (json_is_array(json)) {
		json_array_foreach (json, i, value)
			walk(r, value, key);
	} else if (json_is_object(json)) {
		json_object_foreach (json, name, value)
			walk(r, value, name);
	}
}

static void
resolve_path(struct arena *a, struct resolver *r)
{
	struct bulk_op *op = r->op;
	char *uuid;

	if (op->method == BULK_POST || !slice_starts(op->id_text, prefix))
		return;
	uuid = arena_alloc(a, UUID_TEXT);
	if (take(r, slice_from(op->id_text, prefix.len), uuid)) {
		op->id_text = (struct slice){ uuid, UUID_TEXT };
		op->is_uuid = uuid_parse(op->id_text, &op->id);
	}
}

void
bulk_resolve(struct arena *a, struct bulk *b)
{
	struct resolver r = { .b = b };

	r.seen = ARENA_ARRAY(a, size_t, b->count);
	r.refs = ARENA_ARRAY(a, size_t, b->count);
	for (r.at = 0; r.at < b->count; r.at++) {
		size_t *refs;

		r.op = &b->ops[r.at];
		if (r.op->rc != RC_OK)
			continue;
		r.ref_count = 0;
		resolve_path(a, &r);
		if (r.op->data != NULL)
			walk(&r, r.op->data, "");
		if (r.ref_count == 0)
			continue;
		refs = ARENA_ARRAY(a, size_t, r.ref_count);
		memcpy(refs, r.refs, r.ref_count * sizeof(*refs));
		r.op->refs = refs;
		r.op->ref_count = r.ref_count;
	}
}

size_t *
bulk_order(struct arena *a, const struct bulk *b)
{
	size_t *order = ARENA_ARRAY(a, size_t, b->count), *stack = ARENA_ARRAY(a, size_t, b->count);
	size_t *next = ARENA_ARRAY(a, size_t, b->count); /* the reference to look at next */
	bool *begun = ARENA_ARRAY(a, bool, b->count);
	size_t placed = 0, depth;

	/* A walk in depth with a stack of its own: a chain may be as long as the request. */
	for (size_t i = 0; i < b->count; i++) {
		if (begun[i])
			continue;
		begun[i] = true;
		stack[0] = i;
		depth = 1;
		while (depth > 0) {
			size_t at = stack[depth - 1];
			const struct bulk_op *op = &b->ops[at];

			if (next[at] == op->ref_count) {
				order[placed++] = at;
				depth--;
			} else if (!begun[op->refs[next[at]++]]) {
				stack[depth] = op->refs[next[at] - 1];
				begun[stack[depth++]] = true;
			}
		}
	}
	return order;
}

enum rc
bulk_fail_ref(const struct bulk *b, size_t ref, struct err *err)
{
	return fail(err, RC_CONFLICT, "", "\"bulkId:%.*s\" refers to operation %zu, which failed",
		SLICE_ARG(b->ops[ref].bulk_id), ref + 1);
}
