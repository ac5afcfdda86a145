/*
 * A page begins with its header and is aligned to its size, so that a block's address names its page.
 * Pages come in regions, which are so large that malloc() maps them: a page that was never used
 * takes no memory.
 */
#include "base/pool.h"

#include <assert.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, size)
#define ASAN_UNPOISON_MEMORY_REGION(p, size)
#endif

enum { PAGE_SIZE = 4096, REGION_PAGES = 64 };

struct block { /* a free one */
    struct block *next;
};

struct page {
    struct list node; /* among those with room, or the empty ones; alone while full */
    struct block *free;
    uint16_t size;  /* of a block */
    uint16_t used;  /* blocks in use */
    uint16_t fresh; /* bytes from the beginning that were handed out once */
    _Alignas(8) char blocks[];
};

static size_t class_of(size_t size)
{
    return size > 0 ? (size - 1) / POOL_STEP : 0;
}

void pool_init(struct pool *pool)
{
    *pool = (struct pool){};
    for (size_t i = 0; i < ARRAY_LEN(pool->pages); i++)
        list_init(&pool->pages[i]);
    list_init(&pool->empty);
}

void pool_deinit(struct pool *pool)
{
    for (size_t i = 0; i < pool->region_count; i++)
        xfree(pool->regions[i]);
    xfree(pool->regions);
    pool->regions = NULL;
    pool->region_count = pool->fresh = 0;
}

/* --- pages --- */

static void region_add(struct pool *pool)
{
    size_t size = (pool->region_count + 1) * sizeof(*pool->regions);

    pool->regions = xrealloc(pool->regions, size);
    pool->regions[pool->region_count++] = xalloc_aligned(PAGE_SIZE, REGION_PAGES * PAGE_SIZE);
    pool->fresh = REGION_PAGES;
}

static struct page *fresh_page(struct pool *pool)
{
    char *newest;

    if (pool->fresh == 0)
        region_add(pool);
    newest = pool->regions[pool->region_count - 1];
    return (struct page *)(newest + (REGION_PAGES - pool->fresh--) * PAGE_SIZE);
}

static struct page *page_of(const void *block)
{
    return (struct page *)((uintptr_t)block & ~(uintptr_t)(PAGE_SIZE - 1));
}

static struct page *page_add(struct pool *pool, size_t class)
{
    struct page *page;

    if (list_empty(&pool->empty)) {
        page = fresh_page(pool);
    } else {
        page = list_entry(pool->empty.next, struct page, node);
        list_remove(&page->node);
    }
    page->free = NULL;
    page->size = (uint16_t)((class + 1) * POOL_STEP);
    page->used = 0;
    page->fresh = sizeof(*page);
    list_append(&pool->pages[class], &page->node);
    return page;
}

static bool has_room(const struct page *page)
{
    return page->free || page->fresh + page->size <= PAGE_SIZE;
}

/* --- blocks --- */

static void *page_take(struct page *page)
{
    struct block *block = page->free;

    if (block) {
        page->free = block->next;
    } else {
        block = (struct block *)((char *)page + page->fresh);
        page->fresh = (uint16_t)(page->fresh + page->size);
    }
    page->used++;
    ASAN_UNPOISON_MEMORY_REGION(block, page->size);
    memset(block, 0, page->size);
    return block;
}

static void page_put(struct page *page, struct block *block)
{
    wipe(block, page->size);
    block->next = page->free;
    page->free = block;
    page->used--;
    ASAN_POISON_MEMORY_REGION(block + 1, page->size - sizeof(*block));
}

void *pool_alloc(struct pool *pool, size_t size)
{
    size_t class = class_of(size);
    struct page *page;
    void *block;

    if (size > POOL_LARGEST)
        return xalloc(size);
    page = list_empty(&pool->pages[class]) ? page_add(pool, class)
                                           : list_entry(pool->pages[class].next, struct page, node);
    block = page_take(page);
    if (!has_room(page))
        list_remove(&page->node);
    return block;
}

static void large_free(void *p, size_t size)
{
    wipe(p, size);
    xfree(p);
}

void pool_free(struct pool *pool, void *p, size_t size)
{
    size_t class = class_of(size);
    struct page *page;

    if (!p)
        return;
    if (size > POOL_LARGEST) {
        large_free(p, size);
        return;
    }
    page = page_of(p);
    assert(page->size == (class + 1) * POOL_STEP);
    page_put(page, p);
    list_remove(&page->node); /* to the end: the pages in front fill up */
    list_append(page->used > 0 ? &pool->pages[class] : &pool->empty, &page->node);
}

size_t pool_size(const struct pool *pool)
{
    return (pool->region_count * REGION_PAGES - pool->fresh) * PAGE_SIZE;
}
