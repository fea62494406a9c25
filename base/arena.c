#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/banned.h"

enum { ARENA_ALIGN = 16, ARENA_FIRST = 16 * 1024 };

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(ARENA_ALIGN) char bytes[];
};

struct cleanup {
	struct cleanup *next;
	void (*fn)(void *);
	void *arg;
};

struct arena {
	struct block *top; /* the newest; the oldest is the last of the list */
	struct cleanup *cleanups;
	size_t used;
};

static struct block *
block_new(size_t size)
{
	struct block *b = malloc(sizeof(*b) + size);

	if (b == NULL)
		abort();
	b->next = NULL;
	b->size = size;
	b->used = 0;
	return b;
}

struct arena *
arena_new(void)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (a == NULL)
		abort();
	a->top = block_new(ARENA_FIRST);
	return a;
}

void
arena_clear(struct arena *a)
{
	struct block *b;

	while (a->cleanups != NULL) {
		struct cleanup *c = a->cleanups;

		a->cleanups = c->next;
		c->fn(c->arg);
	}
	while ((b = a->top)->next != NULL) {
		a->top = b->next;
		free(b);
	}
	b->used = 0;
	a->used = 0;
}

void
arena_free(struct arena *a)
{
	if (a == NULL)
		return;
	arena_clear(a);
	free(a->top);
	free(a);
}

size_t
arena_used(const struct arena *a)
{
	return a->used;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	struct block *b = a->top;
	char *p;

	if (size > SIZE_MAX / 2)
		abort();
	size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (size > b->size - b->used) {
		/* Doubling keeps the number of blocks logarithmic in what one request uses. */
		size_t next = b->size * 2;

		b = block_new(next > size ? next : size);
		b->next = a->top;
		a->top = b;
	}
	p = b->bytes + b->used;
	b->used += size;
	a->used += size;
	return p;
}

void *
arena_zalloc(struct arena *a, size_t size)
{
	return memset(arena_alloc(a, size), 0, size);
}

void *
arena_grow(struct arena *a, void *array, size_t count, size_t *cap, size_t element)
{
	void *grown;

	if (count < *cap)
		return array;
	*cap = *cap == 0 ? 32 : *cap * 2;
	grown = arena_zalloc(a, *cap * element);
	return count > 0 ? memcpy(grown, array, count * element) : grown;
}

struct slice
arena_dup(struct arena *a, struct slice s)
{
	char *p = arena_alloc(a, s.len + 1);

	if (s.len > 0)
		memcpy(p, s.p, s.len);
	p[s.len] = '\0';
	return (struct slice){ p, s.len };
}

struct slice
arena_join(struct arena *a, const struct slice *parts, size_t n)
{
	size_t len = 0;
	char *out;

	for (size_t i = 0; i < n; i++)
		len += parts[i].len;
	out = arena_alloc(a, len + 1);
	len = 0;
	for (size_t i = 0; i < n; i++) {
		if (parts[i].len > 0)
			memcpy(out + len, parts[i].p, parts[i].len);
		len += parts[i].len;
	}
	out[len] = '\0';
	return (struct slice){ out, len };
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	int len;
	char *p;

	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		abort();
	p = arena_alloc(a, (size_t)len + 1);
	(void)vsnprintf(p, (size_t)len + 1, fmt, again);
	va_end(again);
	return p;
}

void
arena_on_free(struct arena *a, void (*fn)(void *), void *arg)
{
	struct cleanup *c = ARENA_NEW(a, struct cleanup);

	c->fn = fn;
	c->arg = arg;
	c->next = a->cleanups;
	a->cleanups = c;
}
