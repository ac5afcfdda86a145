/*
 * testing.h - what unit tests share: cmocka, and checks that print both values when they fail.
 *
 *     TEST(a_list_keeps_its_order)
 *     {
 *         struct err err = {};
 *         ...
 *         ASSERT_OK(csv_parse_line("a,b", &list, &err));
 *         ASSERT_ERR(ERR_INVALID, csv_parse_line("\"", &list, &err));
 *         ASSERT_STREQ(list.items[0], "a");
 *     }
 *     RUN_TESTS(cmocka_unit_test(a_list_keeps_its_order), ...)
 *
 * ASSERT_OK and ASSERT_ERR print the text of the `struct err err` of the test; give that one to the
 * call. In a loop over a table, CASE(row.name) makes failures name the row. A failed check ends the
 * test at once (longjmp), so what it owned is reported as leaked too: look at the first message.
 */
#ifndef SUPPORT_TESTING_H
#define SUPPORT_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/timetext.h"

static const char *testing_row_ = ""; /* of CASE() */

#define TEST(name)                                                                                 \
    static void name##_body_(void **test_state);                                                   \
    static void name(void **test_state)                                                            \
    {                                                                                              \
        testing_row_ = "";                                                                         \
        name##_body_(test_state);                                                                  \
    }                                                                                              \
    static void name##_body_(void **test_state)

#define RUN_TESTS(...)                                                                             \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                           \
                                                                                                   \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }                                                                                              \
    struct base_swallow_semicolon

#define CASE(row)          testing_case(row)
#define AT(rfc3339)        testing_at(rfc3339, __FILE__, __LINE__)
#define ASSERT_TRUE(x)     testing_true(!!(x), #x, __FILE__, __LINE__)
#define ASSERT_FALSE(x)    testing_true(!(x), "not " #x, __FILE__, __LINE__)
#define ASSERT_NULL(p)     testing_true((p) == NULL, #p " is NULL", __FILE__, __LINE__)
#define ASSERT_PTREQ(a, b) testing_ptreq(a, b, #a, #b, __FILE__, __LINE__)
/* Whole numbers and enums of any type; text as text, NULL equals only NULL. */
#define ASSERT_EQ(a, b)    testing_eq((int64_t)(a), (int64_t)(b), #a, #b, __FILE__, __LINE__)
#define ASSERT_STREQ(a, b) testing_streq(a, b, #a, #b, __FILE__, __LINE__)
/* `part` is somewhere in `text`. */
#define ASSERT_CONTAINS(text, part)      testing_contains(text, part, #text, __FILE__, __LINE__)
#define ASSERT_MEMEQ(a, a_len, b, b_len) testing_memeq(a, a_len, b, b_len, #a, __FILE__, __LINE__)
#define ASSERT_OK(call)                  testing_result(0, call, &err, #call, __FILE__, __LINE__)
#define ASSERT_ERR(code, call)           testing_result(code, call, &err, #call, __FILE__, __LINE__)

static inline void testing_case(const char *row)
{
    testing_row_ = row;
}

static inline void testing_fail(const char *file, int line)
{
    if (*testing_row_)
        print_error("    in case: %s\n", testing_row_);
    _fail(file, line);
}

static inline void testing_true(bool holds, const char *text, const char *file, int line)
{
    if (holds)
        return;
    print_error("expected: %s\n", text);
    testing_fail(file, line);
}

static inline void testing_eq(int64_t a, int64_t b, const char *a_text, const char *b_text,
                              const char *file, int line)
{
    if (a == b)
        return;
    print_error("%s is %lld\n%s is %lld\n", a_text, (long long)a, b_text, (long long)b);
    testing_fail(file, line);
}

static inline void testing_ptreq(const void *a, const void *b, const char *a_text,
                                 const char *b_text, const char *file, int line)
{
    if (a == b)
        return;
    print_error("%s is %p\n%s is %p\n", a_text, a, b_text, b);
    testing_fail(file, line);
}

static inline const char *testing_or_null(const char *s)
{
    return s ? s : "(null)";
}

static inline void testing_streq(const char *a, const char *b, const char *a_text,
                                 const char *b_text, const char *file, int line)
{
    if (a && b ? strcmp(a, b) == 0 : a == b)
        return;
    print_error("%s is \"%s\"\n%s is \"%s\"\n", a_text, testing_or_null(a), b_text,
                testing_or_null(b));
    testing_fail(file, line);
}

static inline void testing_contains(const char *text, const char *part, const char *text_name,
                                    const char *file, int line)
{
    if (text && strstr(text, part))
        return;
    print_error("%s is \"%s\"\nwithout \"%s\"\n", text_name, testing_or_null(text), part);
    testing_fail(file, line);
}

static inline void testing_print_bytes(const char *name, const void *data, size_t len)
{
    const unsigned char *bytes = data;

    print_error("%s, %zu bytes:", name, len);
    for (size_t i = 0; i < len && i < 64; i++)
        print_error(" %02x", bytes[i]);
    print_error("%s\n", len > 64 ? " ..." : "");
}

static inline void testing_memeq(const void *a, size_t a_len, const void *b, size_t b_len,
                                 const char *a_text, const char *file, int line)
{
    if (a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0))
        return;
    testing_print_bytes(a_text, a, a_len);
    testing_print_bytes("expected", b, b_len);
    testing_fail(file, line);
}

static inline void testing_result(int expected, int r, const struct err *err, const char *call,
                                  const char *file, int line)
{
    if (r == expected && (r == 0 || err->code == r))
        return;
    print_error("%s gave %d (%s), expected %d (%s)\n", call, r, err_code_name(r), expected,
                err_code_name(expected));
    if (r != 0)
        print_error("    err: %d (%s) \"%s\"\n", err->code, err_code_name(err->code), err->text);
    testing_fail(file, line);
}

static inline int64_t testing_at(const char *text, const char *file, int line)
{
    int64_t ms = 0;
    struct err err = {};

    if (time_parse_rfc3339(text, &ms, &err) < 0) {
        print_error("AT: %s\n", err.text);
        testing_fail(file, line);
    }
    return ms;
}

#endif
