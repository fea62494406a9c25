/* Lines that are known: what the last sync of a connection found or made of each line of a user, so that lines that come again
 * need not be parsed.
 *
 * A file beside the store (sync-ORG-CONNECTION.known) has, for each line, its keyed hash and the row that said the same after that
 * sync; and the org's revision then, with the hash of the journal's head. That is true of the org as it is now when its journal still has what
 * came after, and that follows that head: then the rows that it touches are not known any more, and all others are. Whatever does not
 * fit (another match, dialect, schema or history, a damaged file) makes the file useless, never wrong. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <config.h>

#include "daemon/directory/form.h"
#include "daemon/directory/ids.h"
#include "daemon/directory/sync_private.h"

#include "base/banned.h"

enum { LAYOUT = 1, TOUCHED_REVISIONS_MAX = 100000 };

struct known_entry {
	struct sip128 line;
	uint64_t id; /* hash of the line's id; 0: it says none */
	uint64_t row;
};

struct known_head {
	char magic[8];
	uint32_t layout, org, connection, match, dialect, zero;
	struct sipkey key;
	uint64_t schema; /* hash of all that it says */
	uint64_t count;
	uint64_t revision;
	uint8_t head[JOURNAL_HASH];
	uint64_t entries_sum, head_sum; /* hashes of the entries, and of this head before this member */
};

static const char magic[8] = "rstknow";

/* ---- What a file must fit ---- */

static uint64_t
schema_hash(const struct sync *s, const struct sipkey *key)
{
	const struct schema_set *set = s->options.directory->schema;
	uint64_t h = siphash(key, SLICE(PACKAGE_VERSION));

	for (size_t i = 0; i < set->schema_count; i++)
		h = (h << 7 | h >> 57) ^ siphash(key, set->schemas[i]->json);
	return h;
}

static struct known_head
head_for(const struct sync *s)
{
	struct known_head h = { .layout = LAYOUT, .org = s->options.org, .connection = s->options.connection,
		.match = (uint32_t)s->options.match, .dialect = (uint32_t)s->options.dialect, .key = s->key,
		.schema = schema_hash(s, &s->key) };

	memcpy(h.magic, magic, sizeof(magic));
	return h;
}

static uint64_t
head_sum(const struct known_head *h)
{
	return siphash(&h->key, (struct slice){ (const char *)h, offsetof(struct known_head, head_sum) });
}

static bool
file_name(const struct sync *s, char *out, size_t size, const char *end)
{
	return snprintf(out, size, "%s/sync-%u-%u.known%s", s->options.data_directory, s->options.org,
		       s->options.connection, end) < (int)size;
}

/* ---- Opening ---- */

static bool
is_sound(const struct sync *s, struct slice file)
{
	const struct known_head *h = (const void *)file.p;

	return file.len >= sizeof(*h) && memcmp(h->magic, magic, sizeof(magic)) == 0 && h->layout == LAYOUT &&
	       h->org == s->options.org && h->connection == s->options.connection &&
	       h->match == (uint32_t)s->options.match && h->dialect == (uint32_t)s->options.dialect &&
	       h->schema == schema_hash(s, &h->key) && h->count < UINT32_MAX / 2 &&
	       file.len == sizeof(*h) + h->count * sizeof(struct known_entry) && h->head_sum == head_sum(h) &&
	       h->entries_sum == siphash(&h->key, slice_from(file, sizeof(*h)));
}

/* The org went on from the head that the file names, and its journal has all that came since. */
static bool
is_history(struct orgtx *o, uint64_t revision, const uint8_t head[JOURNAL_HASH])
{
	const struct org_stat *stat = orgtx_stat(o);
	struct journal_entry next;

	if (stat->revision == revision)
		return memcmp(stat->head, head, JOURNAL_HASH) == 0;
	return stat->revision > revision && stat->revision - revision <= TOUCHED_REVISIONS_MAX &&
	       journal_get(o, revision + 1, &next) && next.bytes.len > JOURNAL_HASH &&
	       memcmp(next.bytes.p, head, JOURNAL_HASH) == 0;
}

static bool
fits_org(const struct sync *s, const struct known_head *h)
{
	struct txn *t = reader_new(s->options.store);
	bool fits = false;

	if (t != NULL && reader_begin(t, NULL) == RC_OK)
		fits = is_history(orgtx_open(t, s->options.org), h->revision, h->head);
	reader_free(t);
	return fits;
}

static void
index_entries(struct known *k)
{
	size_t cap = 1024;

	while (cap < k->count * 2)
		cap *= 2;
	k->mask = cap - 1;
	if ((k->slots = calloc(cap, sizeof(*k->slots))) == NULL)
		abort();
	for (size_t i = 0; i < k->count; i++) {
		size_t at = (size_t)k->entries[i].line.low & k->mask;

		while (k->slots[at] != 0)
			at = (at + 1) & k->mask;
		k->slots[at] = (uint32_t)i + 1;
	}
}

static void
file_load(struct sync *s)
{
	struct known *k = &s->known;
	char name[4096];
	struct stat st;
	void *p = MAP_FAILED;
	const struct known_head *h;

	if (!file_name(s, name, sizeof(name), "") || (k->file = open(name, O_RDWR | O_CLOEXEC)) < 0)
		return;
	if (fstat(k->file, &st) == 0 && st.st_size > 0)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, k->file, 0);
	if (p == MAP_FAILED)
		return;
	k->map = (struct slice){ p, (size_t)st.st_size };
	h = p;
	if (!is_sound(s, k->map) || !fits_org(s, h))
		return;
	k->entries = (const void *)(k->map.p + sizeof(*h));
	k->count = h->count;
	k->revision = h->revision;
	memcpy(k->head, h->head, JOURNAL_HASH);
	s->key = h->key;
	index_entries(k);
}

/* Before the first line is looked at: by whichever thread is the first. */
void
known_open(struct sync *s)
{
	(void)pthread_mutex_lock(&s->lock);
	if (!s->known.tried)
		file_load(s);
	s->known.tried = true;
	(void)pthread_mutex_unlock(&s->lock);
}

void
known_close(struct sync *s)
{
	if (s->known.map.p != NULL)
		(void)munmap((void *)(uintptr_t)s->known.map.p, s->known.map.len);
	if (s->known.file >= 0)
		(void)close(s->known.file);
	free(s->known.slots);
}

/* ---- Looking up ---- */

bool
known_line(const struct sync *s, struct slice line, struct sync_record *r)
{
	const struct known *k = &s->known;

	r->hash = siphash128(&s->key, line);
	for (size_t at = (size_t)r->hash.low & k->mask; k->count > 0 && k->slots[at] != 0; at = (at + 1) & k->mask) {
		const struct known_entry *e = &k->entries[k->slots[at] - 1];

		if (e->line.low != r->hash.low || e->line.high != r->hash.high)
			continue;
		r->type = TYPE_USER;
		r->fate = FATE_KNOWN;
		r->id_hash = e->id;
		r->row = e->row;
		return true;
	}
	return false;
}

/* ---- What is not known any more ---- */

static void
drop_unwritable(struct node *n)
{
	struct node *next;

	for (struct node *c = n->child; c != NULL; c = next) {
		next = c->next;
		if (n->kind == NODE_OBJECT &&
			(c->attr->mutability == ATTR_READ_ONLY || c->attr->prepare == PREPARE_PASSWORD))
			node_remove(n, c);
		else if (c->kind != NODE_VALUE)
			drop_unwritable(c);
	}
}

static struct slice
key_of(struct planning *p, const struct node *root, const struct attr *attr)
{
	const struct node *n = node_child(root, attr);
	struct slice key = SLICE("");

	if (n != NULL)
		(void)!sync_key_of(p->arena, attr, p->s->options.connection, n->text, &key);
	return key;
}

/* What the line said is what the record was: staged as if it had been parsed. */
static bool
restage(struct planning *p, struct sync_record *r, struct slice packed)
{
	struct sync *s = p->s;
	const struct schema_set *set = s->options.directory->schema;
	const struct member_ids none = { NULL, 0 };
	struct record old, header = { .type = s->user };
	struct staged head = { .id = SLICE("") };
	struct buf b = BUF_INIT;
	struct node *root;

	if (!record_parse(set, packed, &old) || (root = record_unpack(p->arena, set, &old, s->options.connection)) == NULL)
		return false;
	drop_unwritable(root);
	if (s->options.match == SYNC_MATCH_ID)
		head.id = id_text(p->arena, &old.id);
	head.external = key_of(p, root, s->user->external_id);
	head.name = key_of(p, root, s->options.directory->at.user_name);
	record_pack(&b, set, &header, root, s->options.connection, NULL);
	head.packed = buf_as_slice(&b);
	r->at = SYNC_EXTRA | s->extra.len;
	staged_write(&s->extra, &head, &none);
	r->size = (uint32_t)(s->extra.len - (r->at & ~SYNC_EXTRA));
	r->fate = FATE_CREATE;
	r->row = 0;
	buf_release(&b);
	return true;
}

static enum rc
touch(struct planning *p, const struct journal_entry *entry, const struct change *change, struct err *err)
{
	struct sync *s = p->s;
	struct sync_record *r = sync_claim(s, change->row);
	struct slice packed;
	enum rc rc;

	if (change->kind > CHANGE_DELETE || r == NULL || r->fate != FATE_KNOWN)
		return RC_OK;
	s->claims[row_counter(change->row)] = 0;
	if (!journal_old(p->o, entry, change, &packed) || !restage(p, r, packed))
		return fail(err, RC_CONFLICT, "", "the journal no longer has what the users were: send the state again");
	s->known.hits--;
	if ((rc = sync_enter_keys(s, (size_t)(r - s->records), err)) != RC_OK)
		return sync_fail_line(err, rc, r->line);
	return RC_OK;
}

static enum rc
claim_all(struct planning *p, struct err *err)
{
	struct sync *s = p->s;

	for (size_t i = 0; i < s->count; i++) {
		const struct sync_record *r = &s->records[i], *other;

		if (r->fate != FATE_KNOWN)
			continue;
		if (row_counter(r->row) >= s->claim_count)
			return fail(err, RC_INTERNAL, "", "a known line is of no row");
		if ((other = sync_claim(s, r->row)) != NULL) {
			(void)fail(err, RC_UNIQUENESS, "", "the same as on line %u", other->line);
			return sync_fail_line(err, RC_UNIQUENESS, r->line);
		}
		s->claims[row_counter(r->row)] = (uint32_t)i + 1;
	}
	return RC_OK;
}

enum rc
known_settle(struct planning *p, struct err *err)
{
	struct sync *s = p->s;
	enum rc rc = RC_OK;

	if (s->known.hits == 0 || (rc = claim_all(p, err)) != RC_OK)
		return rc;
	if (!is_history(p->o, s->known.revision, s->known.head))
		return fail(err, RC_CONFLICT, "", "the journal no longer goes back to the last sync: send the state again");
	for (uint64_t n = s->known.revision + 1; rc == RC_OK && n <= s->revision; n++) {
		struct journal_entry entry;
		struct change change;
		bool bad = false;

		if (!journal_get(p->o, n, &entry))
			return fail(err, RC_INTERNAL, "", "the journal could not be read");
		while (rc == RC_OK && journal_next_change(&entry.changes, &change, &bad))
			rc = touch(p, &entry, &change, err);
		if (rc == RC_OK)
			rc = planning_breathe(p, err);
	}
	return rc;
}

/* ---- Keeping it for the next time ---- */

static bool
write_all(int file, const void *bytes, size_t n, off_t at)
{
	const char *p = bytes;

	while (n > 0) {
		ssize_t done = pwrite(file, p, n, at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
		at += done;
	}
	return true;
}

static struct known_head
head_now(const struct sync *s, uint64_t count, uint64_t sum)
{
	struct known_head h = head_for(s);

	h.count = count;
	h.entries_sum = sum;
	h.revision = s->revision_done;
	memcpy(h.head, s->head_done, JOURNAL_HASH);
	h.head_sum = head_sum(&h);
	return h;
}

/* All lines are the known ones: only the head is another. */
static void
write_head(const struct sync *s)
{
	const struct known_head *was = (const void *)s->known.map.p;
	struct known_head h = head_now(s, was->count, was->entries_sum);

	(void)!write_all(s->known.file, &h, sizeof(h), 0);
}

static void
collect(const struct sync *s, struct buf *entries)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct sync_record *r = &s->records[i];
		struct known_entry e = { r->hash, r->id_hash, r->row != 0 ? r->row : s->rows_done[i] };

		if (r->type == TYPE_USER)
			buf_put(entries, &e, sizeof(e));
	}
}

static void
write_file(const struct sync *s)
{
	struct buf entries = BUF_INIT;
	struct known_head h;
	char name[4096], temporary[4096];
	bool good;
	int file;

	if (!file_name(s, name, sizeof(name), "") || !file_name(s, temporary, sizeof(temporary), ".XXXXXX") ||
		(file = mkostemp(temporary, O_CLOEXEC)) < 0)
		return;
	collect(s, &entries);
	h = head_now(s, entries.len / sizeof(struct known_entry), siphash(&s->key, buf_as_slice(&entries)));
	good = write_all(file, &h, sizeof(h), 0) && write_all(file, entries.p, entries.len, sizeof(h));
	(void)close(file);
	if (!good || rename(temporary, name) != 0)
		(void)unlink(temporary);
	buf_release(&entries);
}

void
sync_forget_org(const char *data_directory, uint32_t org)
{
	DIR *dir = opendir(data_directory);
	const struct dirent *e;
	char beginning[32];

	(void)snprintf(beginning, sizeof(beginning), "sync-%u-", org);
	while (dir != NULL && (e = readdir(dir)) != NULL)
		if (strncmp(e->d_name, beginning, strlen(beginning)) == 0)
			(void)unlinkat(dirfd(dir), e->d_name, 0);
	if (dir != NULL)
		(void)closedir(dir);
}

void
sync_remember(struct sync *s)
{
	if (s->rows_done == NULL)
		return;
	if (s->known.hits > 0 && s->known.hits == s->count && s->known.hits == s->known.count)
		write_head(s);
	else
		write_file(s);
}
