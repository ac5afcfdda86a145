#include "support/testing.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/pool.h"

/* --- a machine with larger pages: 16 KB on a Raspberry Pi 5, 64 KB on some servers --- */

static size_t system_page = 4096;

int getpagesize(void)
{
    return (int)system_page;
}

/* As the kernel does it: whole pages, the last one, too. The checker's own bytes are passed over. */
__attribute__((no_sanitize("address"))) int madvise(void *start, size_t len, int advice)
{
    volatile char *bytes = start;

    if ((uintptr_t)start % system_page != 0) {
        errno = EINVAL;
        return -1;
    }
    len = (len + system_page - 1) / system_page * system_page;
    for (size_t i = 0; i < len && advice == MADV_DONTNEED; i++)
        bytes[i] = 0;
    return 0;
}

struct held {
    unsigned char *p;
    size_t size;
    unsigned char mark;
};

static void hold(struct pool *pool, struct held *held, size_t size, unsigned char mark)
{
    *held = (struct held){.p = pool_alloc(pool, size), .size = size, .mark = mark};
    ASSERT_EQ((uintptr_t)held->p % 8, 0);
    for (size_t i = 0; i < size; i++)
        ASSERT_EQ(held->p[i], 0);
    if (size > 0)
        memset(held->p, mark, size);
}

static void let_go(struct pool *pool, struct held *held)
{
    for (size_t i = 0; i < held->size; i++)
        ASSERT_EQ(held->p[i], held->mark);
    pool_free(pool, held->p, held->size);
    *held = (struct held){};
}

TEST(blocks_of_all_sizes_are_zeroed_and_apart)
{
    enum { COUNT = 400 };
    struct pool pool;
    struct held held[COUNT] = {};
    uint64_t state = 88172645463325252U;

    pool_init(&pool);
    for (unsigned i = 0; i < 20 * COUNT; i++) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        struct held *one = &held[(state >> 33) % COUNT];

        if (one->p)
            let_go(&pool, one);
        else
            hold(&pool, one, (state >> 40) % (POOL_LARGEST + 100), (unsigned char)(i % 255 + 1));
    }
    for (unsigned i = 0; i < COUNT; i++)
        if (held[i].p)
            let_go(&pool, &held[i]);
    pool_deinit(&pool);
}

static void fill(struct pool *pool, void **blocks, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++)
        blocks[i] = pool_alloc(pool, size);
}

static void empty(struct pool *pool, void **blocks, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++)
        pool_free(pool, blocks[i], size);
}

TEST(room_is_used_again_by_blocks_of_any_size)
{
    enum { COUNT = 1000, SIZE = 100 };
    struct pool pool;
    void *blocks[COUNT];
    size_t full;

    pool_init(&pool);
    fill(&pool, blocks, COUNT, SIZE);
    full = pool_size(&pool);
    ASSERT_TRUE(full >= (size_t)COUNT * SIZE);
    ASSERT_TRUE(full < (size_t)COUNT * SIZE * 5 / 4);
    empty(&pool, blocks, COUNT, SIZE);
    ASSERT_EQ(pool_size(&pool), 0);
    fill(&pool, blocks, COUNT, SIZE);
    ASSERT_EQ(pool_size(&pool), full);
    empty(&pool, blocks, COUNT, SIZE);
    fill(&pool, blocks, COUNT / 4, SIZE * 3);
    ASSERT_TRUE(pool_size(&pool) <= full);
    ASSERT_EQ(pool.region_count, 1);
    empty(&pool, blocks, COUNT / 4, SIZE * 3);
    pool_deinit(&pool);
}

TEST(a_block_is_wiped_when_it_goes)
{
    struct pool pool;
    char *first, *second;

    pool_init(&pool);
    first = pool_alloc(&pool, 64);
    second = pool_alloc(&pool, 64);
    memset(second, 'k', 64);
    pool_free(&pool, second, 64);
#ifndef __SANITIZE_ADDRESS__ /* which does not let us look */
    ASSERT_NULL(memchr(second, 'k', 64));
#endif
    pool_free(&pool, first, 64);
    pool_free(&pool, NULL, 64);
    pool_deinit(&pool);
    pool_deinit(&pool);
}

/* The pages beside an empty one are not the kernel's to take. */
TEST(nothing_is_lost_where_the_system_has_larger_pages)
{
    enum { COUNT = 3 * 64, SIZE = POOL_LARGEST }; /* of which a page holds three */
    struct pool pool;
    struct held held[COUNT];

    system_page = 65536;
    pool_init(&pool);
    for (size_t i = 0; i < COUNT; i++)
        hold(&pool, &held[i], SIZE, 'x');
    for (size_t i = 0; i < COUNT; i++)
        if ((uintptr_t)held[i].p % system_page < 4096)
            let_go(&pool, &held[i]);
    for (size_t i = 0; i < COUNT; i++)
        if (held[i].p)
            let_go(&pool, &held[i]);
    pool_deinit(&pool);
    system_page = 4096;
}

RUN_TESTS(cmocka_unit_test(nothing_is_lost_where_the_system_has_larger_pages),
          cmocka_unit_test(blocks_of_all_sizes_are_zeroed_and_apart),
          cmocka_unit_test(room_is_used_again_by_blocks_of_any_size),
          cmocka_unit_test(a_block_is_wiped_when_it_goes));
