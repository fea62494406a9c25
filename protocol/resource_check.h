/* What protocol/scim_read.c and protocol/resource_check.c share. */
#ifndef PROTOCOL_RESOURCE_CHECK_H
#define PROTOCOL_RESOURCE_CHECK_H

#include "schema/node.h"

/* The path of an attribute for an error, as attr_path() but without an arena. Returns out. */
enum { ATTR_LABEL_MAX = 96 };
const char *attr_label(const struct attr *attr, char out[ATTR_LABEL_MAX]);

/* Drops elements whose (type, value) pair is there already; of equal ones a primary stays, else the
 * first. The list is at most LIST_MAX long. */
void list_drop_repeats(struct node *list);

#endif
