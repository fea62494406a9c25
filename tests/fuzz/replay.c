/* Runs a fuzz target over the files of its corpus, so that plain `make check` keeps what the fuzzer
 * found. CORPUS is the directory, below the source directory. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1024 * 1024 };

/* From a block of its own size, so that a sanitizer sees each byte read too far. */
static int
run_file(const char *path)
{
	static uint8_t bytes[INPUT_MAX];
	FILE *f = fopen(path, "rb");
	uint8_t *exact;
	size_t n;

	if (f == NULL) {
		perror(path);
		return -1;
	}
	n = fread(bytes, 1, sizeof(bytes), f);
	(void)fclose(f);
	exact = malloc(n > 0 ? n : 1);
	if (exact == NULL)
		return -1;
	memcpy(exact, bytes, n);
	(void)LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return 0;
}

int
main(void)
{
	const char *srcdir = getenv("srcdir");
	char dir_path[2048], path[4096];
	struct dirent *entry;
	size_t count = 0;
	DIR *dir;

	(void)snprintf(dir_path, sizeof(dir_path), "%s/%s", srcdir != NULL ? srcdir : ".", CORPUS);
	dir = opendir(dir_path);
	if (dir == NULL) {
		perror(dir_path);
		return 1;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir_path, entry->d_name);
		if (run_file(path) != 0)
			return 1;
		count++;
	}
	(void)closedir(dir);
	(void)printf("%zu inputs from %s\n", count, dir_path);
	return count > 0 ? 0 : 1;
}
