/* A PATCH between reading and applying: a list of simple steps on a tree. For patch_read.c and
 * patch_apply.c. */
#ifndef PROTOCOL_PATCH_PRIVATE_H
#define PROTOCOL_PATCH_PRIVATE_H

#include "protocol/patch.h"

enum patch_verb {
	PATCH_SET,             /* the single simple attr := value */
	PATCH_UNSET,           /* attr, of whatever kind, loses its value */
	PATCH_LIST_ADD,        /* values that are not there join the list */
	PATCH_LIST_REPLACE,    /* the list := values */
	PATCH_LIST_TAKE,       /* elements that have all that one of the values has go */
	PATCH_ELEMENT_SET,     /* sub := value in each element that meets filter */
	PATCH_ELEMENT_UNSET,   /* sub loses its value in each such element; without sub the elements
				  go */
	PATCH_ELEMENT_REPLACE, /* each such element := value */
	PATCH_ELEMENT_MERGE,   /* value's subs join each such element */
};

struct patch_step {
	struct patch_step *next;
	size_t operation; /* 1 for the first, for messages */
	enum patch_verb verb;
	bool may_miss; /* nothing to remove is no error */
	bool may_make; /* an element that is not found is made, with the filter's eq terms */
	bool add;      /* the operation is an add: a multi-valued sub grows */
	const struct attr *attr;     /* not below a list */
	const struct attr *sub;      /* ELEMENT_*: simple, below attr; or NULL */
	const struct filter *filter; /* ELEMENT_*: NULL means every element */
	const struct node *value;
};

struct patch {
	const struct resource_type *type;
	enum dialect dialect;
	size_t operations;
	struct patch_step *steps, **steps_end;
	struct member_edit *edits, **edits_end;
	struct node *password; /* the value that all steps on it share: the last one sent */
	bool password_hashed;
};

/* Says in a message which operation was at fault, when there are several. */
void patch_name_operation(struct err *err, size_t operation, size_t count);

#endif
