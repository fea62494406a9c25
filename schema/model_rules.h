/* Who may give which role, and what an org must never be without: the constraints of a role model.
 *
 * These come on top of permissions: changing a member's role needs `member.role` (model_allows) and
 * a grant that may take the old role and give the new one. All are pure; whatever depends on the
 * state (how many hold a role now) is the caller's to count, in the same transaction as the write.
 */
#ifndef SCHEMA_MODEL_RULES_H
#define SCHEMA_MODEL_RULES_H

#include "schema/model.h"

/* The permission that giving and taking this role needs, at the scope where it is held. */
enum perm role_permission(const struct model_role *role);
/* The same for a role of the org's own, held at that kind of scope. */
enum perm custom_role_permission(enum scope_kind scope);

/* Whether the subject may make someone hold the role, or no longer hold it. The grants' `covers`
 * is about the scope where the role is held. Removing, suspending or deactivating a member is
 * taking their role. RC_FORBIDDEN with the reason. */
enum rc model_may_give(
	const struct model_subject *s, const struct model_role *role, struct err *err) MUSTCHECK;
enum rc model_may_take(
	const struct model_subject *s, const struct model_role *role, struct err *err) MUSTCHECK;
/* A role of the org's own, defined or given: nothing beyond what the subject may itself. */
enum rc model_may_give_set(const struct model_subject *s, enum scope_kind scope,
	const struct permset *set, struct err *err) MUSTCHECK;

/* Whether a member with that role may hold the assignment; RC_INVALID_VALUE. */
enum rc assignment_fits(const struct model_role *role, const struct model_role *assignment,
	struct err *err) MUSTCHECK;
/* A required assignment of a member with that role can't be taken; RC_CONFLICT. */
enum rc assignment_may_end(const struct model_role *role, const struct model_role *assignment,
	struct err *err) MUSTCHECK;
/* Whether a team may hold the role; RC_INVALID_VALUE. */
enum rc role_fits_team(const struct model_role *role, struct err *err) MUSTCHECK;

/* Whether the org may be left with that many active members who hold the role; RC_CONFLICT. */
enum rc role_count_fits(const struct model *m, const struct model_role *role, uint64_t holders,
	struct err *err) MUSTCHECK;

/* What an invitation carries: the sort, the role (NULL: *role becomes the default), assignments.
 * The model's part of it only: the inviter must also be allowed to (member.invite or invite.link,
 * model_may_give for each; presets at workspaces and projects are given like any other role). */
enum rc invitation_fits(const struct model *m, enum invitation_sort sort,
	const struct model_role **role, const struct model_role *const *assignments, size_t n,
	struct err *err) MUSTCHECK;

/* Whether who has `from` may hand it to a member with `to` (both roles of the org). After it the
 * new holder has `from`, the old one m->transfer.previous, in one commit. */
enum rc transfer_fits(const struct model *m, const struct model_role *from,
	const struct model_role *to, struct err *err) MUSTCHECK;

/* Whether a workspace or project may lie directly in a scope of that kind; RC_INVALID_VALUE. */
enum rc parent_fits(const struct model *m, enum scope_kind child, enum scope_kind parent,
	struct err *err) MUSTCHECK;

#endif
