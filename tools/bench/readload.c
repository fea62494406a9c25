/* readload FILE: reads JSON lines and parses each, and does nothing with them: what a sync is measured beside. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/slice.h"

#include "base/banned.h"

int
main(int argc, char **argv)
{
	FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
	size_t cap = 0;
	char *line = NULL;
	ssize_t n;

	if (f == NULL) {
		fprintf(stderr, "usage: readload FILE\n");
		return 2;
	}
	while ((n = getline(&line, &cap, f)) > 0) {
		json_error_t error;
		json_t *json = json_loadb(line, (size_t)n, 0, &error);

		if (json == NULL) {
			fprintf(stderr, "readload: %s\n", error.text);
			return 1;
		}
		json_decref(json);
	}
	free(line);
	(void)fclose(f);
	return 0;
}
