/* Which person a member is.
 *
 * A member that an identity provider made becomes a person's only by a proven address: one that the
 * person has verified, in a domain that the org has verified; or one that the person has verified, when
 * the person says so. What a connection merely claims links nobody, so an org can reach no one in
 * another org by naming their address. */
#ifndef DAEMON_DIRECTORY_LINK_H
#define DAEMON_DIRECTORY_LINK_H

#include "daemon/directory/rules.h"

/* For a User on its way (x->root): links it, or marks a conflict, when its addresses prove something.
 * Changes x->root alone; returns the row of the person to whom it is linked now and was not before, 0:
 * none. */
uint64_t link_decide(struct deed *x);

/* Whether link_decide() can link anybody: the org has named domains. */
bool link_is_possible(const struct directory *d, struct orgtx *o, struct arena *a);

/* The domain behind an address, folded, in the arena; empty when there is none. */
struct slice address_domain(struct arena *a, struct slice address);

/* Whether a person has verified an address. */
bool person_has_address(const struct directory *d, struct arena *a, const struct record *person,
	struct slice address);

/* The person who has verified an address: one at most (row on the platform); 0: nobody. */
uint64_t person_with(
	const struct directory *d, struct txn *t, struct arena *a, struct slice address);

/* After a person verified an address: the members in orgs that have its domain. Opens changes of its
 * own, one in each org. */
void link_person(const struct directory *d, struct txn *t, const struct writer *w, struct arena *a,
	struct slice address);

/* After a domain was verified: members behind `after`, at most so many; returns the last one looked at, 0 at
 * the end. */
uint64_t link_members(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	uint64_t after, size_t limit);

/* A person takes the member of an org that has one of their verified addresses. NOT_FOUND, CONFLICT. */
enum rc link_claim(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	uint64_t person, uint64_t *member, struct err *err) MUSTCHECK;

/* An admin decides (member.link): the person must have a verified address of the member's. person NULL:
 * takes the link away. */
enum rc link_set(const struct directory *d, struct orgtx *o, const struct writer *w, struct arena *a,
	const struct uuid *member, const struct uuid *person, struct written *out, struct err *err) MUSTCHECK;

#endif
