#include "daemon/retention.h"

#include <stdlib.h>

#include "base/log.h"
#include "daemon/clock.h"

#include "base/banned.h"

enum {
	PASS_S = 3,          /* between two looks at all orgs */
	ENTRIES_A_LOOK = 10000, /* in one read transaction */
	STEP = 20000,        /* of journal_trim(): some 10 ms */
};

static const int64_t DAY = INT64_C(864000000000); /* ticks */

/* How large a journal is, as far as it was counted; by number of the org. */
struct size {
	uint64_t upto; /* entries up to here are counted, from the oldest one on */
	uint64_t bytes;
};

struct retention {
	struct store *store;
	struct committer *committer;
	const struct config *config;
	const _Atomic bool *stop;
	struct txn *reader;
	struct size *sizes;
	size_t size_count;
	uint64_t days, size; /* the settings, of this pass */
	int64_t next;        /* us, monotonic */
};

struct retention *
retention_new(struct store *s, struct committer *c, const struct config *config, const _Atomic bool *stop)
{
	struct retention *r = calloc(1, sizeof(*r));

	if (r == NULL)
		abort();
	*r = (struct retention){ .store = s, .committer = c, .config = config, .stop = stop, .reader = reader_new(s) };
	return r;
}

void
retention_free(struct retention *r)
{
	if (r == NULL)
		return;
	reader_free(r->reader);
	free(r->sizes);
	free(r);
}

/* ---- Sizes ---- */

static struct size *
size_of(struct retention *r, uint32_t org)
{
	size_t n = r->size_count;

	if (org < n)
		return &r->sizes[org];
	while (n <= org)
		n = n == 0 ? 64 : n * 2;
	if ((r->sizes = realloc(r->sizes, n * sizeof(*r->sizes))) == NULL)
		abort();
	for (size_t i = r->size_count; i < n; i++)
		r->sizes[i] = (struct size){ 0 };
	r->size_count = n;
	return &r->sizes[org];
}

/* Counts on. False: there is more to be counted. */
static bool
size_count_on(struct size *size, struct orgtx *o)
{
	const struct org_stat *stat = orgtx_stat(o);
	struct journal_entry e;

	if (size->upto < stat->trimmed || size->upto > stat->revision)
		*size = (struct size){ .upto = stat->trimmed };
	for (unsigned n = 0; n < ENTRIES_A_LOOK && size->upto < stat->revision; n++)
		if (journal_get(o, ++size->upto, &e))
			size->bytes += e.bytes.len;
	return size->upto == stat->revision;
}

/* ---- One org ---- */

/* The last entry that is to go; 0: none. *more: it is not known yet how many are. */
static uint64_t
find_end(struct retention *r, struct orgtx *o, int64_t before, bool *more)
{
	const struct org_stat *stat = orgtx_stat(o);
	struct size none = { .bytes = 0 }, *size = r->size > 0 ? size_of(r, orgtx_org(o)) : &none;
	uint64_t at = stat->trimmed;
	struct journal_entry e;

	*more = r->size > 0 && !size_count_on(size, o);
	for (unsigned n = 0; !*more && at + 1 < stat->revision; n++) {
		if (!journal_get(o, at + 1, &e) ||
			!((r->days > 0 && e.actor.now < before) || (r->size > 0 && size->bytes > r->size)))
			break;
		*more = n == ENTRIES_A_LOOK;
		size->bytes -= e.bytes.len < size->bytes ? e.bytes.len : size->bytes;
		at++;
	}
	return at > stat->trimmed ? at : 0;
}

/* A step may run again: what it began with stays as it was. */
struct trim_job {
	struct write_job job; /* must stay first */
	uint32_t org;
	struct journal_trim before, after;
	bool ended;
};

static enum rc
trim_step(struct write_job *job, struct txn *t, struct err *err)
{
	struct trim_job *j = (struct trim_job *)job;
	struct org org;

	(void)err;
	j->after = j->before;
	j->ended = (j->org != ORG_PLATFORM && !org_by_no(t, j->org, &org)) ||
		   journal_trim(orgtx_open(t, j->org), &j->after, STEP);
	return txn_rc(t);
}

static void
trim(struct retention *r, uint32_t org, uint64_t upto)
{
	struct trim_job j = { .job.item.lane = org, .org = org, .before.upto = upto };
	struct err err = ERR_INIT;
	enum rc rc = RC_OK;

	while (!j.ended && !*r->stop && (rc = committer_run(r->committer, trim_step, &j.job, &err)) == RC_OK)
		j.before = j.after;
	if (rc != RC_OK || !j.ended) { /* what went is not what was taken off */
		if (org < r->size_count)
			r->sizes[org] = (struct size){ 0 };
		if (rc != RC_OK)
			log_event(LOG_ERROR, "journal-not-trimmed", LOG_NUM("org", org), LOG_STR("reason", err.detail));
		return;
	}
	log_event(LOG_INFO, "journal-trimmed", LOG_NUM("org", org), LOG_NUM("entries", j.before.entries),
		LOG_NUM("revision", upto));
}

static void
look_at(struct retention *r, uint32_t org)
{
	bool more = true;

	while (more && !*r->stop && reader_begin(r->reader, NULL) == RC_OK) {
		uint64_t upto = find_end(r, orgtx_open(r->reader, org), clock_ticks() - (int64_t)r->days * DAY, &more);

		reader_end(r->reader);
		if (upto > 0)
			trim(r, org, upto);
	}
}

/* ---- All ---- */

static bool
next_org(struct retention *r, uint32_t *org)
{
	struct org found;
	bool there;

	if (reader_begin(r->reader, NULL) != RC_OK)
		return false;
	if ((there = org_next(r->reader, *org, &found)))
		*org = found.no;
	reader_end(r->reader);
	return there;
}

void
retention_turn(struct retention *r)
{
	uint32_t org = ORG_PLATFORM;

	if (clock_us() < r->next)
		return;
	r->days = __atomic_load_n(&r->config->journal_keep_days, __ATOMIC_RELAXED);
	r->size = __atomic_load_n(&r->config->journal_keep_size, __ATOMIC_RELAXED);
	while ((r->days > 0 || r->size > 0) && !*r->stop) {
		look_at(r, org);
		if (!next_org(r, &org))
			break;
	}
	r->next = clock_us() + (int64_t)PASS_S * 1000000;
}
