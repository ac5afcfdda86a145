#include "support/testing.h"

#include "base/arena.h"

TEST(memory_is_zeroed_aligned_and_apart)
{
    cleanup(arena_free) struct arena *arena = arena_new(64);
    static const char zeros[100];
    char *before = NULL;

    for (size_t size = 0; size < sizeof(zeros); size++) {
        char *p = arena_alloc(arena, size);

        ASSERT_EQ((uintptr_t)p % 8, 0);
        ASSERT_MEMEQ(p, size, zeros, size);
        ASSERT_TRUE(p != before);
        memset(p, 0xff, size);
        before = p;
    }
}

TEST(texts_are_copied)
{
    cleanup(arena_free) struct arena *arena = arena_new(0);
    char text[] = "abc";
    char *copy = arena_strdup(arena, text), *part = arena_strndup(arena, text, 2);
    char *made = arena_printf(arena, "%s/%d", text, 7), *bytes = arena_memdup(arena, text, 3);

    text[0] = 'x';
    ASSERT_STREQ(copy, "abc");
    ASSERT_STREQ(part, "ab");
    ASSERT_STREQ(made, "abc/7");
    ASSERT_MEMEQ(bytes, 3, "abc", 3);
    ASSERT_NULL(arena_strdup(arena, NULL));
    ASSERT_STREQ(arena_strndup(arena, NULL, 0), "");
    ASSERT_STREQ(arena_strndup(arena, "abc", 100), "abc");
}

TEST(size_counts_what_the_heap_gave)
{
    cleanup(arena_free) struct arena *arena = arena_new(100);
    size_t empty = arena_size(arena), first;

    arena_alloc(arena, 10);
    first = arena_size(arena);
    ASSERT_TRUE(first >= empty + 100);
    arena_alloc(arena, 10); /* still in the first chunk */
    ASSERT_EQ(arena_size(arena), first);
    arena_alloc(arena, 100000);
    ASSERT_TRUE(arena_size(arena) >= first + 100000);
}

TEST(a_secret_arena_works_the_same)
{
    struct arena *arena = arena_new_secret(32);

    for (int i = 0; i < 100; i++)
        ASSERT_STREQ(arena_strdup(arena, "a key"), "a key");
    arena_free(arena);
    arena_free(NULL);
}

static void note(void *arg)
{
    char *order = arg;

    order[strlen(order)] = (char)('a' + strlen(order));
}

static void note_x(void *arg)
{
    char *order = arg;

    order[strlen(order)] = 'x';
}

TEST(what_it_holds_is_let_go_when_it_is_freed_newest_first)
{
    struct arena *arena = arena_new_secret(0);
    char order[4] = "";

    arena_on_free(arena, note, order);
    arena_on_free(arena, note_x, order);
    ASSERT_STREQ(order, "");
    arena_free(arena);
    ASSERT_STREQ(order, "xb");
}

RUN_TESTS(cmocka_unit_test(memory_is_zeroed_aligned_and_apart), cmocka_unit_test(texts_are_copied),
          cmocka_unit_test(size_counts_what_the_heap_gave),
          cmocka_unit_test(a_secret_arena_works_the_same),
          cmocka_unit_test(what_it_holds_is_let_go_when_it_is_freed_newest_first));
