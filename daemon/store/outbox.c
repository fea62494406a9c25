/* Mail that waits. The texts are the bulk of an entry, so what changes with an attempt stands in
 * front of them, and the two lists (what is due, what is whose) are tables of keys alone. */
#include "daemon/store/store_private.h"

#include <assert.h>

#include "base/banned.h"

static const char meta_next_mail[] = "next-mail";

static const struct slice nothing = SLICE_INIT("");

bool
outbox_decode(struct slice value, uint64_t no, struct outbox_entry *out)
{
	struct rd r = { value.p, value.len, false };
	struct slice about;

	*out = (struct outbox_entry){ .no = no };
	out->state = (enum outbox_state)rd_le(&r, 1);
	out->attempts = (uint32_t)rd_le(&r, 4);
	out->next_attempt = (int64_t)rd_le(&r, 8);
	out->error = rd_bytes(&r, rd_le(&r, 4));
	out->kind = (enum outbox_kind)rd_le(&r, 1);
	out->org = (uint32_t)rd_le(&r, 4);
	about = rd_bytes(&r, UUID_SIZE);
	if (about.len == UUID_SIZE)
		memcpy(out->about.bytes, about.p, UUID_SIZE);
	out->created = (int64_t)rd_le(&r, 8);
	out->to = rd_bytes(&r, rd_le(&r, 4));
	out->subject = rd_bytes(&r, rd_le(&r, 4));
	out->text = rd_bytes(&r, rd_le(&r, 4));
	out->html = rd_bytes(&r, rd_le(&r, 4));
	return !r.bad && r.left == 0 && out->state <= OUTBOX_DEAD && out->next_attempt >= 0;
}

static void
entry_write(struct txn *t, const struct outbox_entry *e)
{
	struct buf b = BUF_INIT;
	uint8_t key[KEY_MAIL];

	assert(e->next_attempt >= 0 && e->error.len <= MAIL_ERROR_MAX);
	wr_le(&b, e->state, 1);
	wr_le(&b, e->attempts, 4);
	wr_le(&b, (uint64_t)e->next_attempt, 8);
	wr_bytes(&b, e->error);
	wr_le(&b, e->kind, 1);
	wr_le(&b, e->org, 4);
	buf_put(&b, e->about.bytes, UUID_SIZE);
	wr_le(&b, (uint64_t)e->created, 8);
	wr_bytes(&b, e->to);
	wr_bytes(&b, e->subject);
	wr_bytes(&b, e->text);
	wr_bytes(&b, e->html);
	put_be64(key, e->no);
	txn_put(t, TAB_OUTBOX, key, sizeof(key), b.p, b.len);
	explicit_bzero(b.p, b.len); /* links */
	buf_release(&b);
}

static void
due_put(struct txn *t, const struct outbox_entry *e)
{
	uint8_t key[KEY_MAIL_DUE];

	if (e->state != OUTBOX_WAITING)
		return;
	key_mail_due(key, e->next_attempt, e->no);
	txn_put(t, TAB_OUTBOXDUE, key, sizeof(key), nothing.p, 0);
	t->mail_put = true;
}

static void
due_drop(struct txn *t, const struct outbox_entry *e)
{
	uint8_t key[KEY_MAIL_DUE];

	if (e->state != OUTBOX_WAITING)
		return;
	key_mail_due(key, e->next_attempt, e->no);
	if (!txn_del(t, TAB_OUTBOXDUE, slice_at(key, sizeof(key)), (struct slice){ NULL, 0 }))
		(void)txn_ok(t, MDB_CORRUPTED);
}

void
outbox_put(struct txn *t, struct outbox_entry *e)
{
	uint8_t next[8], key[KEY_MAIL_ORG];
	MDB_val value;

	assert(e->to.len <= MAIL_ADDRESS_MAX && e->subject.len <= MAIL_SUBJECT_MAX &&
		e->text.len <= MAIL_BODY_MAX && e->html.len <= MAIL_BODY_MAX);
	e->no = 1;
	if (txn_get(t, TAB_META, meta_next_mail, sizeof(meta_next_mail) - 1, &value) &&
		txn_ok(t, value.mv_size == sizeof(next) ? 0 : MDB_CORRUPTED))
		e->no = get_be64(value.mv_data);
	put_be64(next, e->no + 1);
	txn_put(t, TAB_META, meta_next_mail, sizeof(meta_next_mail) - 1, next, sizeof(next));
	entry_write(t, e);
	due_put(t, e);
	key_mail_org(key, e->org, &e->about, e->no);
	txn_put(t, TAB_OUTBOXORG, key, sizeof(key), nothing.p, 0);
}

bool
outbox_get(struct txn *t, uint64_t no, struct outbox_entry *out)
{
	uint8_t key[KEY_MAIL];
	MDB_val value;

	put_be64(key, no);
	return txn_get(t, TAB_OUTBOX, key, sizeof(key), &value) &&
	       txn_ok(t, outbox_decode(slice_val(&value), no, out) ? 0 : MDB_CORRUPTED);
}

/* An entry to be written again: what stays of it is borrowed from the page that is written to. */
static bool
entry_take(struct txn *t, uint64_t no, struct outbox_entry *old)
{
	if (!outbox_get(t, no, old))
		return false;
	arena_clear(t->scratch);
	old->to = arena_dup(t->scratch, old->to);
	old->subject = arena_dup(t->scratch, old->subject);
	old->text = arena_dup(t->scratch, old->text);
	old->html = arena_dup(t->scratch, old->html);
	old->error = arena_dup(t->scratch, old->error);
	return true;
}

bool
outbox_put_texts(struct txn *t, const struct outbox_entry *e)
{
	struct outbox_entry old;

	assert(e->text.len <= MAIL_BODY_MAX && e->html.len <= MAIL_BODY_MAX);
	if (!entry_take(t, e->no, &old))
		return false;
	old.text = e->text;
	old.html = e->html;
	entry_write(t, &old);
	return true;
}

bool
outbox_update(struct txn *t, const struct outbox_entry *e)
{
	struct outbox_entry old;

	if (!entry_take(t, e->no, &old))
		return false;
	due_drop(t, &old);
	old.state = e->state;
	old.attempts = e->attempts;
	old.next_attempt = e->next_attempt;
	old.error = arena_dup(t->scratch, e->error);
	entry_write(t, &old);
	due_put(t, &old);
	return true;
}

bool
outbox_delete(struct txn *t, uint64_t no)
{
	uint8_t about[KEY_MAIL_ORG], key[KEY_MAIL];
	struct outbox_entry old;

	if (!outbox_get(t, no, &old))
		return false;
	due_drop(t, &old);
	key_mail_org(about, old.org, &old.about, no);
	if (!txn_del(t, TAB_OUTBOXORG, slice_at(about, sizeof(about)), (struct slice){ NULL, 0 }))
		(void)txn_ok(t, MDB_CORRUPTED);
	put_be64(key, no);
	return txn_del(t, TAB_OUTBOX, slice_at(key, sizeof(key)), (struct slice){ NULL, 0 });
}

bool
outbox_next(struct txn *t, uint64_t after, struct outbox_entry *out)
{
	MDB_val found, value;
	uint8_t key[KEY_MAIL];

	if (after == UINT64_MAX)
		return false;
	put_be64(key, after + 1);
	return txn_first(t, TAB_OUTBOX, slice_at(key, sizeof(key)), 0, &found, &value) &&
	       txn_ok(t, found.mv_size == KEY_MAIL && outbox_decode(slice_val(&value),
							      get_be64(found.mv_data), out)
				 ? 0
				 : MDB_CORRUPTED);
}

bool
outbox_due(struct txn *t, struct outbox_entry *out)
{
	uint8_t key[KEY_MAIL_DUE] = { 0 };
	MDB_val found, value;

	if (!txn_first(t, TAB_OUTBOXDUE, slice_at(key, sizeof(key)), 0, &found, &value))
		return false;
	return txn_ok(
		t, found.mv_size == KEY_MAIL_DUE &&
				   outbox_get(t, get_be64((const uint8_t *)found.mv_data + 8), out)
			   ? 0
			   : MDB_CORRUPTED);
}

/* Deletes entries whose key in the org's list begins like key, while *left lasts. */
static size_t
delete_listed(struct txn *t, const uint8_t *key, size_t prefix_len, size_t *left)
{
	MDB_val found, value;
	size_t n = 0;

	while (*left > 0 && txn_first(t, TAB_OUTBOXORG, slice_at(key, KEY_MAIL_ORG), prefix_len,
				    &found, &value)) {
		if (!txn_ok(t, found.mv_size == KEY_MAIL_ORG ? 0 : MDB_CORRUPTED) ||
			!outbox_delete(t, get_be64((const uint8_t *)found.mv_data + KEY_MAIL_ORG -
						   KEY_MAIL))) {
			(void)txn_ok(t, MDB_CORRUPTED);
			break;
		}
		--*left;
		n++;
	}
	return n;
}

size_t
outbox_cancel(struct txn *t, uint32_t org, const struct uuid *about)
{
	uint8_t key[KEY_MAIL_ORG];
	size_t left = SIZE_MAX;

	key_mail_org(key, org, about, 0);
	return delete_listed(t, key, KEY_ORG + UUID_SIZE, &left);
}

bool
outbox_purge(struct txn *t, uint32_t org, size_t *left)
{
	static const struct uuid first;
	uint8_t key[KEY_MAIL_ORG];

	key_mail_org(key, org, &first, 0);
	(void)delete_listed(t, key, KEY_ORG, left);
	return *left > 0 && t->rc == 0;
}
