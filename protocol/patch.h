/* PATCH (RFC 7644 section 3.5.2): decoded and checked before the write, applied inside it.
 *
 * What a dialect takes:
 *
 * - tolerant: `op` in any case, no `schemas`; dotted and qualified names, and whole paths, as
 *   members of a value without path; read-only and unknown members there are passed over; an
 *   element that `attr[filter].sub` does not find is made from the filter's eq terms; `remove` with
 *   a list of values; a single value for a list and a list of one for a single value; what is not
 *   there can be removed.
 * - strict: RFC 7644 to the letter.
 * - interop: draft-zollner-scim-interop-profile: each operation has a path, a replaced complex
 *   attribute is replaced whole, a filter in add and replace is followed by a sub-attribute. */
#ifndef PROTOCOL_PATCH_H
#define PROTOCOL_PATCH_H

#include "protocol/filter.h"
#include "protocol/scim_read.h"

struct patch;

/* STEPS: comparisons of elements that applying one patch may cost; it is spent inside the one
 * thread that writes. */
enum { PATCH_OPERATIONS_MAX = 10000, PATCH_STEPS_MAX = 4000000 };

/* Reads a PatchOp message. All that needs no resource is decided here: paths, types of values,
 * mutability. Errors of one operation among several say which. */
enum rc patch_read(struct arena *a, const struct schema_set *set, const struct resource_type *type,
	const json_t *body, const struct read_options *options, struct patch **out,
	struct err *err) MUSTCHECK;

/* The plain password that the patch sets (prepared by OpaqueString), or empty;
 * patch_set_password_hash() puts what is stored in its place. A patch applied with an unhashed
 * password is a bug (assert). */
struct slice patch_password(const struct patch *p);
void patch_set_password_hash(struct patch *p, struct slice phc);

/* What the patch does to a SOURCE_MEMBERS attribute: not in the tree, so told to the caller in
 * order. */
enum member_edit_kind {
	MEMBER_ADD,    /* ids */
	MEMBER_REMOVE, /* ids; absent ones are no error */
	MEMBER_REMOVE_ALL,
	MEMBER_REPLACE_ALL, /* by ids */
	MEMBER_REMOVE_IF, /* those that meet filter (over members' subs: value, type, display, $ref)
			   */
};

struct member_edit {
	struct member_edit *next;
	enum member_edit_kind kind;
	struct member_ids members;
	const struct filter *filter;
};

/* The edits of the patch, in the order of its operations; they do not depend on the resource. */
const struct member_edit *patch_member_edits(const struct patch *p);

/* Applies all operations in order to a tree (record_unpack()'s), which is changed in place; on
 * failure it is spoilt and the caller drops it. May be called again for another tree: the patch
 * itself is not changed. The result is checked as a whole (required attributes, primary). Values
 * that are there already stay as they are, so a patch that changes nothing leaves an equal tree. */
enum rc patch_apply(
	struct arena *a, const struct patch *p, struct node *root, struct err *err) MUSTCHECK;

#endif
