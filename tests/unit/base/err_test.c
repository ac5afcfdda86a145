#include "support/testing.h"

#include <errno.h>

TEST(err_set_returns_the_code_and_keeps_the_text)
{
    struct err err = {.retry_at_ms = 5};

    ASSERT_EQ(err_set(&err, ERR_DENIED, "reading secret '%s'", "web"), ERR_DENIED);
    ASSERT_EQ(err.code, ERR_DENIED);
    ASSERT_EQ(err.retry_at_ms, 0);
    ASSERT_STREQ(err.text, "reading secret 'web'");
}

TEST(err_wrap_puts_what_we_were_doing_in_front_and_keeps_code_and_retry)
{
    struct err err = {};

    err_set(&err, ERR_RATE_LIMITED, "try later");
    err.retry_at_ms = 77;
    ASSERT_EQ(err_wrap(&err, "asking '%s'", "ca"), ERR_RATE_LIMITED);
    ASSERT_EQ(err.code, ERR_RATE_LIMITED);
    ASSERT_EQ(err.retry_at_ms, 77);
    ASSERT_STREQ(err.text, "asking 'ca': try later");
}

TEST(err_pass_hands_all_of_an_error_on)
{
    struct err from = {}, to = {};

    err_set(&from, ERR_RATE_LIMITED, "try later");
    from.retry_at_ms = 77;
    ASSERT_EQ(err_pass(&to, &from), ERR_RATE_LIMITED);
    ASSERT_EQ(to.code, ERR_RATE_LIMITED);
    ASSERT_EQ(to.retry_at_ms, 77);
    ASSERT_STREQ(to.text, "try later");
}

TEST(err_text_may_be_an_argument_of_its_own_replacement)
{
    struct err err = {};

    err_set(&err, ERR_NETWORK, "connection lost");
    err_set(&err, ERR_UNAVAILABLE, "the CA: %s", err.text);
    ASSERT_STREQ(err.text, "the CA: connection lost");
    err_wrap(&err, "after '%s'", err.text);
    ASSERT_STREQ(err.text, "after 'the CA: connection lost': the CA: connection lost");
}

TEST(err_text_has_no_control_characters_and_is_utf8)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"one\ntwo\ttab\x1b[0m\x7f", "one?two?tab?[0m?"},
        {"bad \xff\xfe end", "bad ?? end"},
        {"c1 \xc2\x9b end", "c1 ? end"},
        {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x94\x92", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x94\x92"},
    };
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        err_set(&err, ERR_INVALID, "%s", rows[i].in);
        ASSERT_STREQ(err.text, rows[i].out);
    }
}

TEST(longer_err_text_ends_in_dots_between_two_characters)
{
    char text[ERR_TEXT_MAX + 100];
    struct err err;

    /* Two-byte characters at both parities, so that one of them would be cut in its middle. */
    for (size_t shift = 0; shift < 2; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 1 < sizeof(text) - 1; i += 2)
            memcpy(text + i, "\xc3\xbc", 2);
        text[sizeof(text) - 2] = '\0';
        err_set(&err, ERR_INVALID, "%s", text);
        ASSERT_EQ(strlen(err.text), ERR_TEXT_MAX - 1 - shift);
        ASSERT_CONTAINS(err.text, "\xc3\xbc...");
        ASSERT_NULL(strchr(err.text, '?'));
    }
    err_wrap(&err, "doing");
    ASSERT_STREQ(err.text + strlen(err.text) - 3, "...");
    ASSERT_CONTAINS(err.text, "doing: ");
}

TEST(without_an_err_the_code_alone_comes_through)
{
    ASSERT_EQ(err_set(NULL, ERR_GONE, "x"), ERR_GONE);
    ASSERT_EQ(err_wrap(NULL, "doing"), ERR_GONE);
    ASSERT_EQ(err_set_errno(NULL, ENOENT, "x"), ERR_NOT_FOUND);
    ASSERT_EQ(err_wrap(NULL, "doing"), ERR_NOT_FOUND);
    ASSERT_EQ(err_pass(NULL, &(struct err){.code = ERR_DENIED}), ERR_DENIED);
    ASSERT_EQ(err_wrap(NULL, "doing"), ERR_DENIED);
}

TEST(errno_becomes_a_code_and_its_words)
{
    static const struct {
        int errnum, code;
        const char *text;
    } rows[] = {
        {ENOENT, ERR_NOT_FOUND, "opening 'f': No such file or directory"},
        {EACCES, ERR_DENIED, "opening 'f': Permission denied"},
        {EPERM, ERR_DENIED, "opening 'f': Operation not permitted"},
        {EEXIST, ERR_EXISTS, "opening 'f': File exists"},
        {ENOSPC, ERR_IO, "opening 'f': No space left on device"},
    };
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ASSERT_EQ(err_set_errno(&err, rows[i].errnum, "opening '%s'", "f"), rows[i].code);
        ASSERT_STREQ(err.text, rows[i].text);
    }
}

TEST(every_code_has_a_name)
{
    for (int code = ERR_DELETED; code <= ERR_NONE; code++)
        ASSERT_TRUE(*err_code_name(code));
    ASSERT_STREQ(err_code_name(ERR_NOT_FOUND), "not found");
    ASSERT_STREQ(err_code_name(ERR_RATE_LIMITED), "rate limited");
    ASSERT_STREQ(err_code_name(ERR_DELETED - 1), "unknown");
    ASSERT_STREQ(err_code_name(1), "unknown");
}

TEST(only_what_may_mend_itself_is_transient)
{
    ASSERT_TRUE(err_is_transient(ERR_NETWORK));
    ASSERT_TRUE(err_is_transient(ERR_UNAVAILABLE));
    ASSERT_TRUE(err_is_transient(ERR_RATE_LIMITED));
    ASSERT_TRUE(err_is_transient(ERR_CONFLICT));
    ASSERT_FALSE(err_is_transient(ERR_INVALID));
    ASSERT_FALSE(err_is_transient(ERR_DENIED));
    ASSERT_FALSE(err_is_transient(ERR_CANCELED));
    ASSERT_FALSE(err_is_transient(ERR_INTERNAL));
}

RUN_TESTS(cmocka_unit_test(err_set_returns_the_code_and_keeps_the_text),
          cmocka_unit_test(err_wrap_puts_what_we_were_doing_in_front_and_keeps_code_and_retry),
          cmocka_unit_test(err_pass_hands_all_of_an_error_on),
          cmocka_unit_test(err_text_may_be_an_argument_of_its_own_replacement),
          cmocka_unit_test(err_text_has_no_control_characters_and_is_utf8),
          cmocka_unit_test(longer_err_text_ends_in_dots_between_two_characters),
          cmocka_unit_test(without_an_err_the_code_alone_comes_through),
          cmocka_unit_test(errno_becomes_a_code_and_its_words),
          cmocka_unit_test(every_code_has_a_name),
          cmocka_unit_test(only_what_may_mend_itself_is_transient));
