/* The certificate authority of an org and the certificates that it issued: Certificate records.
 *
 * The authority is a record of the kind "authority", with its private key sealed (daemon/seal.h) in
 * a hidden attribute; a journal that is read by strangers tells them nothing. One at most is in
 * force. When another takes its place, all that it issued is revoked. Certificates end with who
 * shows them, in the same commit. */
#ifndef DAEMON_DIRECTORY_CERTIFICATE_H
#define DAEMON_DIRECTORY_CERTIFICATE_H

#include "daemon/ca.h"
#include "daemon/directory/rules.h"

enum {
	CERTIFICATES_MAX = 10000, /* records of one org, those that ended included */
	CERTIFICATE_DAYS = 90,    /* unless the request says */
	CERTIFICATE_KEPT_DAYS =
		7, /* after its end a certificate can be deleted, and is on no list any more */
};

struct authority {
	uint64_t row;
	struct ca_authority ca; /* in the arena */
	int64_t not_after;      /* seconds */
};

/* The one in force; false: the org has none. Expired ones count. */
bool authority_find(
	const struct directory *d, struct orgtx *o, struct arena *a, struct authority *out);

/* The action ".ca": makes the org's authority, or gives the one that it has and that holds still,
 * unless that is to be replaced: then all its certificates are revoked. */
enum rc authority_make(const struct directory *d, struct orgtx *o, const struct writer *w,
	struct arena *a, bool replace, bool *made, struct written *out, struct err *err) MUSTCHECK;

/* The action ".revoke". A certificate that is revoked already stays as it is. */
enum rc certificate_revoke(const struct directory *d, struct orgtx *o, const struct writer *w,
	struct arena *a, const struct uuid *id, enum ca_reason reason, struct written *out,
	struct err *err) MUSTCHECK;

/* Inside a change: whoever has this id is gone, and shows no certificate any more. */
void certificates_end_of(struct deed *x, struct slice id, uint64_t revision);

/* What goes onto the list of revoked certificates: those of the authority that ended within the
 * last days or have not ended. In the arena. */
size_t certificates_revoked(const struct directory *d, struct orgtx *o, struct arena *a,
	uint64_t authority, int64_t now, struct ca_revoked **out);
/* Tells one such list from another, without making it. */
uint64_t certificates_revoked_mark(
	struct orgtx *o, const struct directory *d, struct arena *a, uint64_t authority);

/* Seals anew what a former key sealed, in all orgs; in a write transaction. How many there were. */
enum rc certificates_reseal(const struct directory *d, struct txn *t, const struct actor *by,
	struct arena *a, size_t *count, struct err *err) MUSTCHECK;

extern const struct rules certificate_rules;

#endif
