/* Lists in parts, with limit and cursor. */
#include "daemon/roster/list.h"

#include <config.h>
#include <endian.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "daemon/clock.h"
#include "daemon/directory/subject.h"

#include "base/banned.h"

enum {
	CHUNK = 64,      /* places that are asked for at a time */
	TURN_US = 500,
	CURSOR_MAC = 16,
	CURSOR_SIZE = 8 + CURSOR_MAC,
};

enum rc
list_no_such(uint8_t code, const char *field, struct err *err)
{
	bool several = code == CODE_AMBIGUOUS_SUBJECT || code == CODE_AMBIGUOUS_GROUP ||
		       code == CODE_AMBIGUOUS_SCOPE;

	return several ? fail(err, RC_INVALID_VALUE, field, "means several; use the id")
		       : fail(err, RC_NOT_FOUND, field, "there is none of this name or id in the org");
}

/* ---- Cursors: a place, and a MAC of it and of all that decides what the list is ---- */

static void
mac_u64(struct buf *b, uint64_t v)
{
	v = htobe64(v);
	buf_put(b, &v, sizeof(v));
}

/* Places of permissions are numbers that a model, or this program, may give otherwise in another version. */
static void
mac_model(struct message *m, struct buf *b)
{
	struct org org;

	BUF_LIT(b, PACKAGE_VERSION);
	if (org_by_no(orgtx_txn(m->o), orgtx_org(m->o), &org)) {
		mac_u64(b, org.model_version);
		buf_slice(b, slice_of(org.model));
	}
}

static void
cursor_mac(struct message *m, const struct list *l, uint64_t place, unsigned char mac[EVP_MAX_MD_SIZE])
{
	struct slice permission = fields_bytes(&m->in, IN_PERMISSION);
	struct buf b = BUF_INIT;

	BUF_LIT(&b, "roster/1 list");
	buf_char(&b, (char)m->type);
	mac_u64(&b, l->kind->no_org ? 0 : orgtx_org(m->o));
	mac_u64(&b, l->about);
	mac_u64(&b, l->scope);
	mac_u64(&b, l->direct);
	mac_u64(&b, place);
	mac_u64(&b, permission.len);
	buf_slice(&b, permission);
	if (m->type == ASK_PERMISSIONS_OF)
		mac_model(m, &b);
	(void)HMAC(EVP_sha256(), store_secret(m->roster->options.store), 32, (unsigned char *)b.p, b.len, mac, NULL);
	buf_release(&b);
}

static void
put_cursor(struct message *m, const struct list *l)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	uint64_t place = htobe64(l->told);
	char bytes[CURSOR_SIZE];

	cursor_mac(m, l, l->told, mac);
	memcpy(bytes, &place, sizeof(place));
	memcpy(bytes + sizeof(place), mac, CURSOR_MAC);
	put_bytes(m->out, OUT_CURSOR, (struct slice){ bytes, sizeof(bytes) });
}

static enum rc
read_cursor(struct message *m, struct list *l, struct err *err)
{
	struct slice cursor = fields_bytes(&m->in, IN_CURSOR);
	unsigned char mac[EVP_MAX_MD_SIZE];
	uint64_t place = 0;

	if (cursor.p == NULL)
		return RC_OK;
	if (cursor.len == CURSOR_SIZE) {
		memcpy(&place, cursor.p, sizeof(place));
		place = be64toh(place);
		cursor_mac(m, l, place, mac);
	}
	if (cursor.len != CURSOR_SIZE || CRYPTO_memcmp(mac, cursor.p + sizeof(place), CURSOR_MAC) != 0)
		return fail(err, RC_INVALID_CURSOR, "cursor",
			"is not a cursor of this list; begin without one and keep all other fields");
	l->told = l->scanned = place;
	return RC_OK;
}

/* ---- Parts ---- */

static enum rc
refresh(struct message *m, struct list *l, struct err *err)
{
	enum rc rc;

	if (l->kind->prepare == NULL || (l->revision != 0 && l->revision == m->revision))
		return RC_OK;
	arena_clear(l->kept);
	if ((rc = l->kind->prepare(m, l, err)) == RC_OK)
		l->revision = m->revision;
	return rc;
}

/* The items of some places. True: the limit was reached, and there are more. */
static bool
put_items(struct message *m, struct list *l, const uint64_t *places, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t before = m->out->len, item;

		if (l->left == 0)
			return true;
		item = put_item_begin(m->out, OUT_ITEM);
		if (l->kind->put(m, l, places[i])) {
			put_item_end(m->out, item);
			l->left--;
			l->told = places[i];
		} else {
			m->out->len = before;
		}
	}
	return false;
}

/* Items until the part or the turn is full. *end: there are no more; *cut: that may be told. */
static enum rc
fill_part(struct message *m, struct list *l, bool *end, bool *cut, struct err *err)
{
	int64_t until = clock_us() + TURN_US;
	size_t full = m->out->len + SESSION_PIECE, count;
	uint64_t places[CHUNK];
	enum rc rc;

	do {
		/* One more than may be told shows whether there is one. */
		size_t max = l->left < CHUNK ? (size_t)l->left + 1 : CHUNK;

		rc = l->kind->more(m, l, places, max, &count, end, err);
		if (rc != RC_OK)
			return rc;
		*cut = put_items(m, l, places, count);
		arena_clear(l->scratch);
	} while (!*end && !*cut && m->out->len < full && clock_us() < until);
	rc = txn_rc(m->worker->reader);
	return rc == RC_OK ? rc : fail(err, rc, "", "the store could not be read");
}

/* One part. On failure nothing was written. */
static enum rc
answer_part(struct message *m, struct list *l, bool *done, struct err *err)
{
	size_t before = m->out->len, began;
	bool end = false, cut = false;
	enum rc rc = refresh(m, l, err);

	if (rc != RC_OK)
		return rc;
	began = answer_begin(m);
	if (!l->kind->no_org)
		put_number(m->out, OUT_REVISION, m->revision);
	if ((rc = fill_part(m, l, &end, &cut, err)) != RC_OK) {
		m->out->len = before;
		return rc;
	}
	if (cut)
		put_cursor(m, l);
	*done = end || cut;
	answer_end(m, began, *done ? FRAME_LAST : 0);
	return RC_OK;
}

/* ---- The task ---- */

struct list_task {
	struct roster_task task; /* must stay first */
	struct list list;
};

static void
list_free(void *arg)
{
	struct list *l = arg;

	arena_free(l->kept);
	arena_free(l->scratch);
}

static enum task_state
list_produce(struct session_task *task, struct buf *out)
{
	struct list_task *t = (struct list_task *)task;
	struct message *m = &t->task.message;
	struct arena *own = m->arena;
	struct err err = ERR_INIT;
	bool done = false;
	enum rc rc;

	if (!task_resume(&t->task, out, !t->list.kind->no_org))
		return TASK_DONE;
	m->arena = m->worker->arena;
	if ((rc = t->list.kind->open(m, &t->list, false, &err)) != RC_OK ||
		(rc = answer_part(m, &t->list, &done, &err)) != RC_OK)
		answer_error(m, rc, &err);
	arena_clear(m->arena);
	m->arena = own;
	return done || rc != RC_OK ? TASK_DONE : TASK_MORE;
}

static void
go_on_later(struct message *m, const struct list *l)
{
	struct list_task *t = task_new(m, sizeof(*t), list_produce);

	t->list = *l;
	arena_on_free(t->task.message.arena, list_free, &t->list);
	task_add(&t->task);
}

enum rc
list_run(struct message *m, const struct list_kind *kind, struct err *err)
{
	uint64_t limit = fields_number(&m->in, IN_LIMIT);
	struct list l = { .kind = kind,
		.direct = fields_number(&m->in, IN_DIRECT) != 0,
		.names = fields_number(&m->in, IN_NAMES) != 0,
		.left = limit != 0 ? limit : UINT64_MAX };
	bool done = false;
	enum rc rc;

	if ((rc = kind->open(m, &l, true, err)) != RC_OK || (rc = read_cursor(m, &l, err)) != RC_OK)
		return rc;
	l.kept = arena_new();
	l.scratch = arena_new();
	rc = answer_part(m, &l, &done, err);
	if (rc == RC_OK && !done)
		go_on_later(m, &l);
	else
		list_free(&l);
	return rc;
}
