/*
 * A page begins with its header and is aligned to its size, so that a block's address names its page.
 * Pages come in regions. A page that is not in use takes no memory: it was never touched, or it was
 * given back, header and all, which is why the list of these stands elsewhere.
 */
#include "base/pool.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
    struct list node; /* among those with room; alone while full */
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
}

void pool_deinit(struct pool *pool)
{
    for (size_t i = 0; i < pool->region_count; i++)
        xfree(pool->regions[i]);
    xfree(pool->regions);
    xfree(pool->unused);
    pool->regions = pool->unused = NULL;
    pool->region_count = pool->unused_count = 0;
}

/* --- pages --- */

static void region_add(struct pool *pool)
{
    size_t count = ++pool->region_count;
    char *region = xalloc_aligned(PAGE_SIZE, REGION_PAGES * PAGE_SIZE);

    pool->regions = xrealloc(pool->regions, count * sizeof(*pool->regions));
    pool->regions[count - 1] = region;
    pool->unused = xrealloc(pool->unused, count * REGION_PAGES * sizeof(*pool->unused));
    for (size_t i = REGION_PAGES; i-- > 0;)
        pool->unused[pool->unused_count++] = region + i * PAGE_SIZE;
}

static struct page *page_of(const void *block)
{
    return (struct page *)((uintptr_t)block & ~(uintptr_t)(PAGE_SIZE - 1));
}

static struct page *page_add(struct pool *pool, size_t class)
{
    struct page *page;

    if (pool->unused_count == 0)
        region_add(pool);
    page = (struct page *)pool->unused[--pool->unused_count];
    page->free = NULL;
    page->size = (uint16_t)((class + 1) * POOL_STEP);
    page->used = 0;
    page->fresh = sizeof(*page);
    list_append(&pool->pages[class], &page->node);
    return page;
}

/* The kernel takes whole pages of its own, which may be larger than ours (16 KB on a Raspberry Pi 5, up
 * to 64 KB on other ARM machines): what stands beside would go as well. There nothing is given back. */
static void give_back(struct page *page)
{
    if (getpagesize() <= PAGE_SIZE)
        (void)madvise(page, PAGE_SIZE, MADV_DONTNEED); /* or it stays in memory */
}

static void page_remove(struct pool *pool, struct page *page)
{
    ASAN_UNPOISON_MEMORY_REGION(page, PAGE_SIZE);
    pool->unused[pool->unused_count++] = (char *)page;
    give_back(page);
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
    list_remove(&page->node);
    if (page->used > 0)
        list_append(&pool->pages[class], &page->node); /* those in front fill up */
    else
        page_remove(pool, page);
}

size_t pool_size(const struct pool *pool)
{
    return (pool->region_count * REGION_PAGES - pool->unused_count) * PAGE_SIZE;
}
