#include "support/testing.h"

#include "base/buf.h"

/* What holds for every buf at any time (buf.h); called on the way out of each test. */
static void assert_sound(const struct buf *buf)
{
    ASSERT_TRUE(buf->len <= buf->max);
    if (!buf->data) {
        ASSERT_EQ(buf->len, 0);
        ASSERT_EQ(buf->alloc, 0);
        return;
    }
    ASSERT_TRUE(buf->len < buf->alloc);
    ASSERT_EQ(buf->data[buf->len], 0);
}

TEST(an_empty_buf_reads_as_empty_text)
{
    struct err err = {};
    struct buf buf = BUF(10);

    ASSERT_STREQ(buf_str(&buf), "");
    ASSERT_OK(buf_check(&buf, "it", &err));
    assert_sound(&buf);
    buf_deinit(&buf);
    buf_deinit(&buf);
}

TEST(adds_append_in_every_form)
{
    cleanup(buf_deinit) struct buf buf = BUF(1000);

    buf_add(&buf, "a\0b", 3);
    buf_add_str(&buf, "cd");
    buf_add_char(&buf, 'e');
    buf_addf(&buf, "-%d-%s", 42, "x");
    buf_add(&buf, NULL, 0);
    ASSERT_MEMEQ(buf.data, buf.len, "a\0bcde-42-x", 11);
    assert_sound(&buf);
}

TEST(many_small_adds_grow_it)
{
    cleanup(buf_deinit) struct buf buf = BUF(100000);

    for (int i = 0; i < 20000; i++)
        buf_addf(&buf, "%04d", i % 10000);
    ASSERT_EQ(buf.len, 80000);
    ASSERT_MEMEQ(buf.data + 4 * 1234, 4, "1234", 4);
    assert_sound(&buf);
}

TEST(a_buf_takes_exactly_its_maximum_and_fails_beyond_it)
{
    struct err err = {};
    cleanup(buf_deinit) struct buf buf = BUF(5);

    buf_add_str(&buf, "abc");
    buf_add_str(&buf, "de");
    ASSERT_OK(buf_check(&buf, "an answer", &err));
    buf_add_char(&buf, 'f');
    ASSERT_ERR(ERR_TOO_LARGE, buf_check(&buf, "an answer", &err));
    ASSERT_STREQ(err.text, "an answer is larger than 5 bytes");
    ASSERT_STREQ(buf_str(&buf), "abcde");
    assert_sound(&buf);
}

TEST(room_is_written_by_the_caller_and_counts_once_it_is_added)
{
    cleanup(buf_deinit) struct buf buf = BUF(10);
    char *room;

    buf_add_str(&buf, "ab");
    room = buf_room(&buf, 8);
    memcpy(room, "cdefghij", 8);
    ASSERT_EQ(buf.len, 2);
    buf_added(&buf, 3);
    ASSERT_STREQ(buf_str(&buf), "abcde");
    assert_sound(&buf);
    ASSERT_TRUE(buf_room(&buf, 6) == NULL);
    ASSERT_TRUE(buf.failed);
    assert_sound(&buf);
}

TEST(a_failed_buf_takes_nothing_more_until_it_is_reset)
{
    struct err err = {};
    cleanup(buf_deinit) struct buf buf = BUF(5);

    buf_addf(&buf, "%s", "too long a text");
    buf_add_str(&buf, "a");
    ASSERT_STREQ(buf_str(&buf), "");
    ASSERT_ERR(ERR_TOO_LARGE, buf_check(&buf, "it", &err));
    buf_reset(&buf);
    buf_add_str(&buf, "a");
    ASSERT_OK(buf_check(&buf, "it", &err));
    ASSERT_STREQ(buf_str(&buf), "a");
    assert_sound(&buf);
}

TEST(truncate_shortens_and_never_lengthens)
{
    cleanup(buf_deinit) struct buf buf = BUF(10);

    buf_truncate(&buf, 0);
    buf_add_str(&buf, "abcdef");
    buf_truncate(&buf, 6);
    ASSERT_STREQ(buf_str(&buf), "abcdef");
    buf_truncate(&buf, 2);
    ASSERT_STREQ(buf_str(&buf), "ab");
    assert_sound(&buf);
}

TEST(take_hands_the_text_over_and_leaves_an_empty_buf)
{
    struct buf buf = BUF(10);
    cleanup(xfree) char *none = buf_take(&buf);
    char *text;

    ASSERT_STREQ(none, "");
    buf_add_str(&buf, "abc");
    text = buf_take(&buf);
    ASSERT_STREQ(text, "abc");
    ASSERT_NULL(buf.data);
    ASSERT_EQ(buf.max, 10);
    assert_sound(&buf);
    xfree(text);
}

TEST(a_secret_buf_is_wiped_when_reset_and_truncated)
{
    static const char zeros[64];
    cleanup(buf_deinit) struct buf buf = BUF_SECRET(1000);

    buf_add_str(&buf, "0123456789");
    buf_truncate(&buf, 4);
    ASSERT_MEMEQ(buf.data + 4, 6, zeros, 6);
    buf_reset(&buf);
    ASSERT_MEMEQ(buf.data, 10, zeros, 10);
    for (int i = 0; i < 100; i++)
        buf_add_str(&buf, "0123456789"); /* moves several times */
    ASSERT_EQ(buf.len, 1000);
    ASSERT_TRUE(buf.secret);
    assert_sound(&buf);
}

RUN_TESTS(cmocka_unit_test(an_empty_buf_reads_as_empty_text),
          cmocka_unit_test(adds_append_in_every_form), cmocka_unit_test(many_small_adds_grow_it),
          cmocka_unit_test(a_buf_takes_exactly_its_maximum_and_fails_beyond_it),
          cmocka_unit_test(room_is_written_by_the_caller_and_counts_once_it_is_added),
          cmocka_unit_test(a_failed_buf_takes_nothing_more_until_it_is_reset),
          cmocka_unit_test(truncate_shortens_and_never_lengthens),
          cmocka_unit_test(take_hands_the_text_over_and_leaves_an_empty_buf),
          cmocka_unit_test(a_secret_buf_is_wiped_when_reset_and_truncated));
