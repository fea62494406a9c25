/* What schema_load() reads: the files of schema/data/, embedded, and the compiler over them. Apart
 * from schema.h so that tests can hand it files with mistakes in them. */
#ifndef SCHEMA_LOAD_H
#define SCHEMA_LOAD_H

#include "schema/schema.h"

enum schema_file_kind {
	SCHEMA_FILE_COMMON, /* the common attributes; first, once */
	SCHEMA_FILE_SCHEMA, /* one schema each, in the order they are published */
	SCHEMA_FILE_TYPES,  /* the resource types; last, once */
};

struct schema_file {
	const char *name; /* for messages */
	enum schema_file_kind kind;
	struct slice text;
};

enum { SCHEMA_FILE_COUNT = 22 };

/* The embedded files. */
void schema_files(struct schema_file out[SCHEMA_FILE_COUNT]);

/* schema_load() over files of the caller's. */
enum rc schema_compile(struct arena *a, const struct schema_file *files, size_t n,
	const struct schema_set **out, struct err *err) MUSTCHECK;

#endif
