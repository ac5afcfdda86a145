#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Most cached objects fit the first chunk; large ones should not cost many calls. */
enum { FIRST_CHUNK = 1024, LARGEST_STEP = 32 * 1024, ALIGNMENT = 8 };

struct chunk {
    struct chunk *next;
    size_t size, used;
    _Alignas(ALIGNMENT) char data[];
};

struct hook {
    struct hook *next;
    void (*fn)(void *);
    void *arg;
};

struct arena {
    struct hook *hooks;   /* they live in the chunks themselves */
    struct chunk *chunks; /* the newest first; only it is filled further */
    size_t next_size;
    size_t total;
    bool secret;
};

struct arena *arena_new(size_t first_chunk)
{
    struct arena *arena = xalloc(sizeof(*arena));

    arena->next_size = first_chunk ? first_chunk : FIRST_CHUNK;
    arena->total = sizeof(*arena);
    return arena;
}

struct arena *arena_new_secret(size_t first_chunk)
{
    struct arena *arena = arena_new(first_chunk);

    arena->secret = true;
    return arena;
}

void arena_free(struct arena *arena)
{
    struct chunk *next;

    if (!arena)
        return;
    for (const struct hook *hook = arena->hooks; hook; hook = hook->next)
        hook->fn(hook->arg);
    for (struct chunk *chunk = arena->chunks; chunk; chunk = next) {
        next = chunk->next;
        if (arena->secret)
            wipe(chunk->data, chunk->used);
        xfree(chunk);
    }
    xfree(arena);
}

static struct chunk *chunk_add(struct arena *arena, size_t needed)
{
    size_t size = arena->next_size > needed ? arena->next_size : needed;
    struct chunk *chunk;

    assert(size <= SIZE_MAX - sizeof(*chunk));
    chunk = xalloc(sizeof(*chunk) + size);
    chunk->size = size;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->total += sizeof(*chunk) + size;
    if (arena->next_size < LARGEST_STEP)
        arena->next_size *= 2;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    struct chunk *chunk = arena->chunks;
    void *p;

    assert(size <= SIZE_MAX - ALIGNMENT);
    size = ((size ? size : 1) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!chunk || size > chunk->size - chunk->used)
        chunk = chunk_add(arena, size);
    p = chunk->data + chunk->used;
    chunk->used += size;
    return p;
}

void *arena_memdup(struct arena *arena, const void *data, size_t len)
{
    void *p = arena_alloc(arena, len);

    if (len > 0)
        memcpy(p, data, len);
    return p;
}

char *arena_strndup(struct arena *arena, const char *s, size_t len)
{
    size_t real = len > 0 ? strnlen(s, len) : 0;
    char *p = arena_alloc(arena, real + 1);

    if (real > 0)
        memcpy(p, s, real);
    return p;
}

char *arena_strdup(struct arena *arena, const char *s)
{
    return s ? arena_memdup(arena, s, strlen(s) + 1) : NULL;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list args;
    char *text;
    int len;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert(len >= 0);

    text = arena_alloc(arena, (size_t)len + 1);
    va_start(args, fmt);
    (void)vsnprintf(text, (size_t)len + 1, fmt, args); /* measured above */
    va_end(args);
    return text;
}

void arena_on_free(struct arena *arena, void (*fn)(void *), void *arg)
{
    struct hook *hook = arena_alloc(arena, sizeof(*hook));

    hook->fn = fn;
    hook->arg = arg;
    hook->next = arena->hooks;
    arena->hooks = hook;
}

size_t arena_size(const struct arena *arena)
{
    return arena->total;
}
