/*
 * pool.h - small blocks that live long, apart from what lives short.
 *
 * Ten thousands of small things that stay for months do not belong between the texts and trees that
 * come and go with each event: those leave holes behind which the next ones do not fit. A pool has
 * pages of its own, each for blocks of one size, and no header on a block. The memory of a page
 * without blocks goes back to the system; its address serves another size later.
 *
 * Not for threads at once. Blocks are wiped when they go.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/list.h"

enum { POOL_STEP = 16, POOL_LARGEST = 1024 }; /* what is larger comes from the heap */

struct pool {
    struct list pages[POOL_LARGEST / POOL_STEP]; /* with room, by size */
    char **regions;                              /* where pages come from */
    size_t region_count;
    char **unused; /* pages; room for all there are */
    size_t unused_count;
};

void pool_init(struct pool *pool);
void pool_deinit(struct pool *pool); /* all blocks up to POOL_LARGEST go, wiped or not */
void *pool_alloc(struct pool *pool, size_t size);        /* zeroed, aligned to 8 bytes */
void pool_free(struct pool *pool, void *p, size_t size); /* the size it was asked with */
size_t pool_size(const struct pool *pool); /* bytes of all pages that were ever used */

#endif
