/* Mappings for `rosterctl sync`: which column of a CSV file, or attribute of an LDIF file, becomes which attribute
 * of a User or Group. rosterctl(1) describes the file's form; it is checked against the schema here, so that
 * mistakes are told before anything is sent. */
#ifndef TOOLS_ROSTERCTL_MAP_H
#define TOOLS_ROSTERCTL_MAP_H

#include <jansson.h>

#include "base/arena.h"
#include "base/err.h"
#include "schema/schema.h"

enum { MAP_FILE_MAX = 1 << 20, SOURCES_MAX = 8 };

enum map_target {
	MAP_ATTR,    /* attr */
	MAP_ID,      /* id */
	MAP_GROUPS,  /* of CSV users: names of the groups that they are in */
	MAP_MEMBERS, /* of LDIF groups */
};

struct map_row {
	unsigned line; /* of the mapping file, or column of the header */
	bool of_group;
	enum map_target target;
	const struct attr *attr; /* simple; inside of a multi-valued complex one its `value` */
	struct slice type;       /* of such an element: emails[work]; empty: none */
	struct slice sources[SOURCES_MAX]; /* names; the first that has a value counts */
	size_t source_count;     /* 0: literal is the value */
	struct slice literal;    /* with sources: `is`: true when the value is this text */
	bool is;
	char split;              /* between several values in one; 0: none */
};

struct map {
	struct map_row *rows;
	size_t count, cap;
	char separator; /* of CSV */
	bool groups;    /* there is something to make groups of */
};

/* INVALID_SYNTAX, INVALID_VALUE: "line 3: …". The text must live as long as the map, which is in the arena. */
enum rc map_read(struct arena *a, const struct schema_set *set, struct slice text, struct map *out, struct err *err)
	MUSTCHECK;
/* A CSV header that names attributes itself. */
enum rc map_from_header(struct arena *a, const struct schema_set *set, const struct slice *columns, size_t count,
	struct map *out, struct err *err) MUSTCHECK;
/* The one for LDIF without a file: inetOrgPerson and groups of names. */
extern const char map_of_ldif[];

/* Values by the name of a source: the i-th; false: there are no more. */
typedef bool map_value_fn(void *arg, struct slice name, size_t i, struct slice *value);

/* Puts a row's values into a resource. INVALID_VALUE names the attribute. */
enum rc map_apply(const struct map_row *row, map_value_fn *value, void *arg, json_t *resource, struct err *err)
	MUSTCHECK;

#endif
