/* The gate of the platform's own resources: Organizations, People, platform tokens, invitations that
 * wait. There are no roles here: operators may do all, a product's service what its token names, a
 * person what is their own. */
#ifndef DAEMON_DIRECTORY_PLATFORM_H
#define DAEMON_DIRECTORY_PLATFORM_H

#include "daemon/directory/rules.h"

enum sight platform_sight(const struct subject *s, const struct resource_type *type);
bool platform_sees(const struct subject *s, uint64_t row, const struct record *r);

/* FORBIDDEN, with what is missing. Actions: part is the action's name. */
enum rc platform_require(const struct subject *s, uint8_t type, enum verb verb, struct slice part,
	uint64_t row, const struct record *r, struct err *err) MUSTCHECK;

/* FORBIDDEN, with what is missing, when nothing of the type can be seen. */
enum rc platform_require_sight(
	const struct subject *s, const struct resource_type *type, struct err *err) MUSTCHECK;

/* What a person does that needs no row of their own (by a link, by an address): FORBIDDEN when the token
 * is none of a person's, or is limited to other things. */
enum rc platform_require_person(
	const struct subject *s, uint8_t type, const char *action, struct err *err) MUSTCHECK;

#endif
