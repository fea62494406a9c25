/* Invitations: what they may carry, how they are answered.
 *
 * An invitation is a record of its org. The platform keeps a copy of each under the same id, so that
 * a person finds those that wait for them in all orgs, and a link's secret finds its org; both
 * change in one transaction. A link's secret is 32 random bytes as base64url; the store has only
 * its hash. */
#ifndef DAEMON_DIRECTORY_INVITATION_H
#define DAEMON_DIRECTORY_INVITATION_H

#include "daemon/directory/rules.h"
#include "daemon/mail/letter.h"

enum { INVITE_SECRET = 43 /* characters */ };

/* As it reads at that time: "pending", "accepted", "declined", "revoked", "expired". */
struct slice invitation_status(const struct directory *d, const struct record *r, int64_t now);
/* CONFLICT with what became of it, unless it is pending. */
enum rc invitation_require_pending(const struct directory *d, const struct record *r, int64_t now,
	struct err *err) MUSTCHECK;

/* What it carries: as the model says, and not beyond the rights of `by`. *role: the joiner's in the
 * org. */
enum rc invitation_presets(const struct subject *by, const struct node *root,
	const struct model_role **role, struct err *err) MUSTCHECK;

/* CONFLICT when the org invites people of its verified domains alone, and the address is of none. */
enum rc invitation_require_inside(const struct subject *by, struct slice address, struct err *err)
	MUSTCHECK;

/* What is about to be handed out: made by deciding, put by the change. */
struct offer {
	bool link, mailed;
	const struct model_role *role;
	struct slice url;   /* holds the secret */
	struct mail *letter; /* when it is mailed */
};
/* Whether the invitation in x->root may be handed out by x->by, x->row left out of what is counted;
 * fills in its readOnly attributes, makes a fresh secret, and the tree that this answer shows. */
enum rc offer_check(struct deed *x, struct offer *out, struct err *err) MUSTCHECK;
/* The part of it that does not depend on who: expiry, and what only links have. */
enum rc offer_check_form(struct deed *x, bool link, struct err *err) MUSTCHECK;
/* Who answers for what it carries: x->by. Role and types in their full form. */
void offer_fill(struct deed *x, const struct model_role *role);
/* The mail, inside the change. */
void offer_put(struct deed *x, const struct offer *offer);

/* The copy on the platform: made or changed to say what x->root says; in a change of its own. */
void invitation_mirror(struct deed *x);
/* The same, inside a change of the platform's own; x->o is the org, home the platform. */
void invitation_mirror_put(struct deed *x, struct deed *home, uint64_t revision);
void invitation_mirror_drop(struct deed *x);
/* All copies of an org's invitations, when it goes. */
void invitations_forget(const struct directory *d, struct txn *t, struct arena *a, uint32_t org,
	const struct actor *actor);

/* ---- By who may, in the org ---- */

enum rc invitation_resend(const struct directory *d, struct orgtx *o, const struct writer *w,
	struct arena *a, const struct uuid *id, struct written *out, struct err *err) MUSTCHECK;
enum rc invitation_revoke(const struct directory *d, struct orgtx *o, const struct writer *w,
	struct arena *a, const struct uuid *id, struct written *out, struct err *err) MUSTCHECK;

/* ---- By who is invited ---- */

/* The row of the platform's copy; NOT_FOUND. */
enum rc invitation_by_secret(const struct directory *d, struct txn *t, struct arena *a,
	struct slice secret, uint64_t *copy, struct err *err) MUSTCHECK;

struct joined {
	struct org org;
	struct uuid member; /* who the person is there now */
};
/* by_secret: the person has the link. A mailed one proves that the address is theirs. w: who does
 * it, with the action's name. CONFLICT with what is in the way. */
enum rc invitation_accept(const struct directory *d, struct txn *t, const struct writer *w,
	struct arena *a, uint64_t copy, uint64_t person, bool by_secret, struct joined *out,
	struct err *err) MUSTCHECK;
enum rc invitation_decline(const struct directory *d, struct txn *t, const struct writer *w,
	struct arena *a, uint64_t copy, struct err *err) MUSTCHECK;

/* What a link tells who has it; borrowed from the transaction and the arena. */
struct invitation_facts {
	struct slice org_key, org_name, inviter, role, kind, status, message;
	int64_t expires; /* ticks; 0: never */
};
enum rc invitation_tell(const struct directory *d, struct txn *t, struct arena *a, uint64_t copy,
	int64_t now, struct invitation_facts *out, struct err *err) MUSTCHECK;

#endif
