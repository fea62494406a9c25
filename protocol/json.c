#include "protocol/json.h"

#include <stdlib.h>

#include "base/banned.h"

/* Sentences of our own, because jansson's quote the body, which may hold a password. */
static const char *const sentences[] = {
	[json_error_stack_overflow] = "it is nested too deeply",
	[json_error_invalid_utf8] = "it is not valid UTF-8",
	[json_error_premature_end_of_input] = "it ends too early",
	[json_error_end_of_input_expected] = "something follows its end",
	[json_error_invalid_syntax] = "the syntax is wrong",
	[json_error_null_character] = "a text holds the character NUL",
	[json_error_null_byte_in_key] = "a name holds the character NUL",
	[json_error_duplicate_key] = "an object has a member twice",
	[json_error_numeric_overflow] = "a number is out of range",
};

static const char *
sentence_of(const json_error_t *error)
{
	size_t code = (size_t)json_error_code(error);
	static const char surrogate[] = "invalid Unicode";

	if (strncmp(error->text, surrogate, sizeof(surrogate) - 1) == 0)
		return "a \\u escape is half of a surrogate pair";
	if (code < sizeof(sentences) / sizeof(sentences[0]) && sentences[code] != NULL)
		return sentences[code];
	return sentences[json_error_invalid_syntax];
}

/* Counted before jansson builds anything: its own limit is 2,048 levels. Text that is no JSON may
 * be counted wrongly; the parser refuses it then. */
static bool
too_deep(struct slice body)
{
	size_t depth = 0;

	for (size_t i = 0; i < body.len; i++) {
		char c = body.p[i];

		if (c == '"') {
			for (i++; i < body.len && body.p[i] != '"'; i++)
				i += body.p[i] == '\\';
		} else if (c == '{' || c == '[') {
			if (++depth > JSON_DEPTH_MAX)
				return true;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

static int
key_compare(const void *x, const void *y)
{
	return strcasecmp(*(const char *const *)x, *(const char *const *)y);
}

/* The member that occurs twice when case is ignored; NULL when none does. */
static const char *
repeated_key(struct arena *a, json_t *object)
{
	size_t n = json_object_size(object), i = 0;
	const char **keys, *key;
	json_t *value;

	if (n < 2)
		return NULL;
	keys = ARENA_ARRAY(a, const char *, n);
	json_object_foreach (object, key, value)
		keys[i++] = key;
	qsort(keys, n, sizeof(*keys), key_compare);
	for (i = 1; i < n; i++)
		if (strcasecmp(keys[i - 1], keys[i]) == 0)
			return keys[i];
	return NULL;
}

/* Recursion is bounded by JSON_DEPTH_MAX. */
static enum rc
names_check(struct arena *a, json_t *json, struct err *err)
{
	enum rc rc = RC_OK;
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_object(json)) {
		key = repeated_key(a, json);
		if (key != NULL)
			return fail(err, RC_INVALID_SYNTAX, key,
				"the body has this member twice (names are compared without case)");
		json_object_foreach (json, key, value) {
			rc = names_check(a, value, err);
			if (rc != RC_OK)
				return rc;
		}
	} else if (json_is_array(json)) {
		json_array_foreach (json, i, value) {
			rc = names_check(a, value, err);
			if (rc != RC_OK)
				return rc;
		}
	}
	return rc;
}

static void
release(void *json)
{
	json_decref(json);
}

enum rc
json_read(struct arena *a, struct slice body, json_t **out, struct err *err)
{
	static const struct slice bom = SLICE_INIT("\xEF\xBB\xBF");
	json_error_t error;
	json_t *json;

	if (slice_starts(body, bom))
		body = slice_from(body, bom.len);
	if (slice_trim(body).len == 0)
		return fail(
			err, RC_INVALID_SYNTAX, "", "the body is empty; it must be a JSON object");
	if (too_deep(body))
		return fail(err, RC_INVALID_SYNTAX, "",
			"the JSON of the body is nested more than %d levels deep", JSON_DEPTH_MAX);
	json = json_loadb(body.p, body.len, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL)
		return fail(err, RC_INVALID_SYNTAX, "",
			"the body is not valid JSON: %s (line %d, column %d)", sentence_of(&error),
			error.line, error.column);
	arena_on_free(a, release, json);
	if (!json_is_object(json))
		return fail(err, RC_INVALID_SYNTAX, "", "the body must be a JSON object");
	*out = json;
	return names_check(a, json, err);
}

json_t *
json_member(const json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);
	const char *key;

	if (value != NULL || !json_is_object(object))
		return value;
	json_object_foreach (json_unconst(object), key, value)
		if (strcasecmp(key, name) == 0)
			return value;
	return NULL;
}
