/* The life of a sync, and its records between the lines and the plan. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/directory/form.h"
#include "daemon/directory/sync_private.h"

#include "base/banned.h"

bool
sync_match_parse(struct slice text, enum sync_match *out)
{
	static const struct {
		struct slice name;
		enum sync_match match;
	} names[] = { { SLICE_INIT("externalId"), SYNC_MATCH_EXTERNAL_ID },
		{ SLICE_INIT("userName"), SYNC_MATCH_NAME }, { SLICE_INIT("id"), SYNC_MATCH_ID } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (slice_eq(text, names[i].name)) {
			*out = names[i].match;
			return true;
		}
	}
	return false;
}

/* ---- Life ---- */

/* A file without a name: nothing of it is left, however the process ends. */
static int
file_open(const char *directory)
{
	char name[4096];
	int file = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return file;
	if (snprintf(name, sizeof(name), "%s/.sync-XXXXXX", directory) >= (int)sizeof(name))
		return -1;
	if ((file = mkostemp(name, O_CLOEXEC)) >= 0)
		(void)unlink(name);
	return file;
}

static enum rc
filter_read(struct sync *s, struct err *err)
{
	struct filter *f;
	enum rc rc;

	if (s->options.filter.len == 0)
		return RC_OK;
	s->options.filter = arena_dup(s->arena, s->options.filter);
	rc = filter_parse(s->arena, s->options.directory->schema, s->user, s->options.filter, s->options.dialect, &f,
		err);
	if (rc == RC_OK && filter_names(f, s->options.directory->at.user_groups))
		return fail(err, RC_INVALID_FILTER, "filter", "a part can't be named by groups");
	s->filter = f;
	return rc;
}

enum rc
sync_new(const struct sync_options *options, struct sync **out, struct err *err)
{
	struct sync *s = calloc(1, sizeof(*s));
	enum rc rc;

	if (s == NULL)
		abort();
	s->options = *options;
	s->user = schema_type(options->directory->schema, TYPE_USER);
	s->group = schema_type(options->directory->schema, TYPE_GROUP);
	s->arena = arena_new();
	s->plan_arena = arena_new();
	s->key = sipkey_new();
	s->known.file = -1;
	s->last = &s->first;
	(void)pthread_mutex_init(&s->lock, NULL);
	s->file = file_open(options->data_directory);
	rc = s->file >= 0 ? filter_read(s, err)
			  : fail(err, RC_INTERNAL, "", "no file for the records: %s", strerror(errno));
	if (rc != RC_OK)
		sync_free(s);
	else
		*out = s;
	return rc;
}

static void
lines_free(struct sync *s)
{
	while (s->first != NULL) {
		struct sync_lines *l = s->first;

		s->first = l->next;
		free(l->records);
		free(l);
	}
	s->last = &s->first;
}

void
sync_free(struct sync *s)
{
	if (s == NULL)
		return;
	lines_free(s);
	if (s->map.p != NULL)
		(void)munmap((void *)(uintptr_t)s->map.p, s->map.len);
	if (s->file >= 0)
		(void)close(s->file);
	known_close(s);
	buf_release(&s->extra);
	free(s->rows_done);
	sync_map_release(&s->keys);
	free(s->records);
	free(s->claims);
	free(s->removed);
	free(s->groups);
	free(s->edges);
	arena_free(s->arena);
	arena_free(s->plan_arena);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

void
sync_stop(struct sync *s)
{
	atomic_store(&s->stop, true);
}

/* ---- Receiving ---- */

struct sync_lines *
sync_lines_new(struct sync *s, struct slice text)
{
	struct sync_lines *l = calloc(1, sizeof(*l));
	const char *p = text.p, *end = text.p + text.len;

	if (l == NULL)
		abort();
	*l = (struct sync_lines){ .sync = s, .text = text, .first_line = (uint32_t)s->lines + 1 };
	while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		s->lines++;
		p++;
	}
	s->lines += text.len > 0 && end[-1] != '\n';
	(void)pthread_mutex_lock(&s->lock);
	*s->last = l;
	s->last = &l->next;
	s->planned = false;
	(void)pthread_mutex_unlock(&s->lock);
	return l;
}

uint64_t
sync_count(struct sync *s)
{
	uint64_t n;

	(void)pthread_mutex_lock(&s->lock);
	n = s->parsed;
	(void)pthread_mutex_unlock(&s->lock);
	return n;
}

uint64_t
sync_revision(const struct sync *s)
{
	return s->revision_done;
}

const struct sync_counts *
sync_done(const struct sync *s)
{
	return &s->done;
}

/* ---- Records ---- */

struct staged
sync_staged(const struct sync *s, const struct sync_record *r)
{
	if ((r->at & SYNC_EXTRA) != 0)
		return staged_read((struct slice){ s->extra.p + (r->at & ~SYNC_EXTRA), r->size });
	return staged_read((struct slice){ s->map.p + r->at, r->size });
}

uint64_t
sync_hash(const struct sync *s, enum sync_key what, uint8_t type, struct slice key)
{
	/* Keys of several sorts are few with the same text. */
	return siphash(&s->key, key) ^ ((uint64_t)what << 40 | (uint64_t)type << 48);
}

static struct slice
key_in(const struct staged *head, enum sync_key what)
{
	switch (what) {
	case KEY_LINE_ID:
		break;
	case KEY_EXTERNAL:
		return head->external;
	case KEY_NAME:
		return head->name;
	}
	return SLICE("");
}

size_t
sync_record_with(const struct sync *s, enum sync_key what, uint8_t type, struct slice key, size_t but)
{
	struct sync_walk w = { sync_hash(s, what, type, key), 0 };
	uint32_t at;

	while (sync_map_next(&s->keys, &w, &at)) {
		struct staged head;

		if (at == but || s->records[at].type != type)
			continue;
		if (what == KEY_LINE_ID) {
			if (s->records[at].id_hash == w.hash)
				return at;
			continue;
		}
		head = sync_staged(s, &s->records[at]);
		if (slice_eq(key_in(&head, what), key))
			return at;
	}
	return SIZE_MAX;
}

struct sync_record *
sync_claim(const struct sync *s, uint64_t row)
{
	uint64_t n = row_counter(row);

	return n < s->claim_count && s->claims[n] != 0 ? &s->records[s->claims[n] - 1] : NULL;
}

bool
sync_is_removed(const struct sync *s, uint64_t row)
{
	size_t low = 0, high = s->removed_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->removed[mid] < row)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->removed_count && s->removed[low] == row;
}

struct slice
sync_name_of(const struct sync *s, const struct record *r)
{
	const struct attrs *at = &s->options.directory->at;

	return record_text(s->options.directory->schema, r,
		r->type->code == TYPE_USER ? at->user_name : at->group_display);
}

/* ---- Failures ---- */

enum rc
sync_fail_line(struct err *err, enum rc rc, uint32_t line)
{
	struct err inner = *err;

	return fail(err, rc, inner.path, "line %u: %s", line, inner.detail);
}

enum rc
sync_fail_row(struct sync *s, struct orgtx *o, uint64_t row, enum rc rc, struct err *err)
{
	struct err inner = *err;
	struct slice name = SLICE("");
	struct record r;

	if (record_get(o, row, &r))
		name = slice_clip(sync_name_of(s, &r), 100);
	return fail(err, rc, inner.path, "%s \"%.*s\": %s", row_type(row) == TYPE_USER ? "User" : "Group",
		SLICE_ARG(name), inner.detail);
}
