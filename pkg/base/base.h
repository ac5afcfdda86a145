/*
 * base.h - what every file of the program may use without thinking.
 *
 * cleanup(fn) declares an owner: fn_ptr() runs when the variable leaves its scope.
 * take(p) hands the owned pointer over and leaves NULL behind.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_CHECK             __attribute__((warn_unused_result))

#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* cleanup(x_free) struct x *p = NULL;   cleanup(y_deinit) struct y y = {};
 * "unused" because clang complains about a held lock that nothing else mentions. */
#define cleanup(fn) __attribute__((cleanup(fn##_ptr), unused))

/* For `void fn(type *p)` on heap objects: makes the helper that cleanup(fn) calls. */
#define DEFINE_CLEANUP(type, fn)                                                                   \
    static inline void fn##_ptr(type **p)                                                          \
    {                                                                                              \
        if (*p)                                                                                    \
            fn(*p);                                                                                \
    }                                                                                              \
    struct base_swallow_semicolon

/* For `void fn(type *p)` on storage of the caller. */
#define DEFINE_CLEANUP_VALUE(type, fn)                                                             \
    static inline void fn##_ptr(type *p)                                                           \
    {                                                                                              \
        fn(p);                                                                                     \
    }                                                                                              \
    struct base_swallow_semicolon

#define take(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) *taken_from_ = &(p);                                                         \
        __typeof__(p) taken_ = *taken_from_;                                                       \
        *taken_from_ = NULL;                                                                       \
        taken_;                                                                                    \
    })

/* Memory. These abort when there is none left, as git's do; xfree accepts NULL. */
void *xalloc(size_t size);                           /* zeroed */
void *xcalloc(size_t count, size_t size);            /* zeroed, checked against overflow */
void *xalloc_aligned(size_t alignment, size_t size); /* not zeroed; a power of two and a multiple */
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t len);
void *xmemdup(const void *data, size_t len);
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2);
void xfree(void *p);
void xfree_secret(char *s);     /* wipes up to the terminator, then frees */
void wipe(void *p, size_t len); /* not optimised away */

static inline void xfree_ptr(void *p)
{
    xfree(*(void **)p);
}
static inline void xfree_secret_ptr(char **p)
{
    xfree_secret(*p);
}

/* A file descriptor as an owner: cleanup(fd_close) int fd = -1; */
void fd_close(int fd); /* ignores -1 */
static inline void fd_close_ptr(int *fd)
{
    fd_close(*fd);
}

#endif
