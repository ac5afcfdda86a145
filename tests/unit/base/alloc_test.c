#include "support/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/base.h"
#include "support/left_behind.h"

TEST(new_memory_is_zeroed)
{
    static const char zeros[100];
    cleanup(xfree) char *p = xalloc(sizeof(zeros));
    cleanup(xfree) char *q = xcalloc(10, 10);

    ASSERT_MEMEQ(p, sizeof(zeros), zeros, sizeof(zeros));
    ASSERT_MEMEQ(q, sizeof(zeros), zeros, sizeof(zeros));
}

TEST(nothing_asked_for_is_still_an_object)
{
    cleanup(xfree) char *p = xalloc(0);
    cleanup(xfree) char *q = xcalloc(0, 8);
    cleanup(xfree) char *r = xmemdup(NULL, 0);

    ASSERT_TRUE(p && q && r);
}

TEST(null_is_copied_as_null_and_freed_as_nothing)
{
    ASSERT_NULL(xstrdup(NULL));
    xfree(NULL);
    xfree_secret(NULL);
}

TEST(xstrndup_stops_at_the_length_or_at_the_end_of_the_text)
{
    cleanup(xfree) char *cut = xstrndup("abcdef", 3);
    cleanup(xfree) char *whole = xstrndup("abc", SIZE_MAX);
    cleanup(xfree) char *none = xstrndup(NULL, 0);

    ASSERT_STREQ(cut, "abc");
    ASSERT_STREQ(whole, "abc");
    ASSERT_STREQ(none, "");
}

TEST(xmemdup_copies_and_a_secret_text_can_be_freed)
{
    cleanup(xfree_secret) char *copy = xmemdup("a\0b", 4);

    ASSERT_MEMEQ(copy, 4, "a\0b", 4);
}

TEST(xasprintf_makes_a_text)
{
    cleanup(xfree) char *text = xasprintf("%s-%d", "web", 7);

    ASSERT_STREQ(text, "web-7");
}

TEST(take_hands_over_and_leaves_null)
{
    cleanup(xfree) char *mine = xstrdup("x");
    cleanup(xfree) char *yours = take(mine);

    ASSERT_NULL(mine);
    ASSERT_STREQ(yours, "x");
}

TEST(wipe_leaves_zeros)
{
    char key[] = "secret";

    wipe(key, sizeof(key));
    for (size_t i = 0; i < sizeof(key); i++)
        ASSERT_EQ(key[i], 0);
}

static int close_on_the_way_out(int *ret_number)
{
    cleanup(fd_close) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    *ret_number = fd;
    errno = EBADMSG;
    return fd;
}

TEST(an_owned_descriptor_is_closed_and_errno_kept)
{
    int fd = -1;

    ASSERT_TRUE(close_on_the_way_out(&fd) >= 0);
    ASSERT_EQ(errno, EBADMSG);
    ASSERT_EQ(fcntl(fd, F_GETFD), -1);
    fd_close(-1);
}

/* As the line of an Authorization header. */
TEST(a_secret_text_is_made_without_a_copy)
{
    char *text;

    left_behind_look_for("hunter2hunter2", 14);
    text = xasprintf("Authorization: Bearer %s %d", "hunter2hunter2", 7);
    ASSERT_STREQ(text, "Authorization: Bearer hunter2hunter2 7");
    xfree_secret(text);
    ASSERT_EQ(left_behind_count(), 0);
}

RUN_TESTS(cmocka_unit_test(new_memory_is_zeroed),
          cmocka_unit_test(a_secret_text_is_made_without_a_copy),
          cmocka_unit_test(nothing_asked_for_is_still_an_object),
          cmocka_unit_test(null_is_copied_as_null_and_freed_as_nothing),
          cmocka_unit_test(xstrndup_stops_at_the_length_or_at_the_end_of_the_text),
          cmocka_unit_test(xmemdup_copies_and_a_secret_text_can_be_freed),
          cmocka_unit_test(xasprintf_makes_a_text),
          cmocka_unit_test(take_hands_over_and_leaves_null), cmocka_unit_test(wipe_leaves_zeros),
          cmocka_unit_test(an_owned_descriptor_is_closed_and_errno_kept));
