/* The table of settings: what config.c reads by, and what the manual is made from. */
#ifndef DAEMON_CONFIG_TABLE_H
#define DAEMON_CONFIG_TABLE_H

#include <stddef.h>

#include "daemon/config.h"

enum setting_kind {
	SETTING_TEXT,   /* char * */
	SETTING_TEXTS,  /* char **: a list, or one text */
	SETTING_NUMBER, /* uint64_t */
	SETTING_SIZE,   /* uint64_t bytes: a number, or a text like "16 MiB" */
	SETTING_SWITCH, /* bool */
	SETTING_CHOICE, /* uint64_t: the place in choices */
};

struct setting {
	const char *name; /* "group.name" or "name" */
	enum setting_kind kind;
	size_t offset;            /* in struct config */
	uint64_t min, max, value; /* value: the default */
	const char *text; /* the default of texts (of a list: with spaces between them); what to say instead of the default of others */
	const char *unit;
	const char *const *choices;
	bool reloadable;
	const char *help;
};

extern const struct setting config_settings[];
extern const size_t config_setting_count;

struct setting_group {
	const char *name, *help;
};

extern const struct setting_group config_groups[];
extern const size_t config_group_count;

#endif
