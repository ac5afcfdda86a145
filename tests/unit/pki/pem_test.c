#include "pki/pem.h"

#include "support/testing.h"

static int next_of(const char *text, struct pem_block *ret, struct err *err)
{
    const char *at = text;

    return pem_next(&at, text + strlen(text), ret, err);
}

TEST(a_block_is_found_between_other_text)
{
    static const char text[] =
        "subject=CN = x\n-----BEGIN A B-----\nAQID\nBA==\n-----END A B-----\n"
        "behind\n";
    cleanup(pem_block_deinit) struct pem_block block = {};
    const char *at = text, *end = text + strlen(text);
    struct err err = {};

    ASSERT_OK(pem_next(&at, end, &block, &err));
    ASSERT_STREQ(block.label, "A B");
    ASSERT_MEMEQ(block.der, block.der_len, "\1\2\3\4", 4);
    ASSERT_PTREQ(block.start, strstr(text, "-----BEGIN"));
    ASSERT_PTREQ(block.end, strstr(text, "behind"));
    ASSERT_PTREQ(at, block.end);
    ASSERT_ERR(ERR_NOT_FOUND, pem_next(&at, end, &block, &err));
}

TEST(blocks_follow_each_other)
{
    static const char text[] = "-----BEGIN A-----\nAQ==\n-----END A-----\n"
                               "-----BEGIN B-----\nAg==\n-----END B-----";
    const char *at = text, *end = text + strlen(text);
    struct err err = {};

    for (int i = 0; i < 2; i++) {
        cleanup(pem_block_deinit) struct pem_block block = {};

        ASSERT_OK(pem_next(&at, end, &block, &err));
        ASSERT_STREQ(block.label, i ? "B" : "A");
        ASSERT_EQ(block.der_len, 1);
        ASSERT_EQ(block.der[0], i + 1);
    }
    ASSERT_PTREQ(at, end);
}

TEST(line_ends_and_blanks_may_differ)
{
    static const char *const rows[] = {
        "-----BEGIN A-----\r\nAQID\r\n-----END A-----\r\n",
        "-----BEGIN A-----\rAQID\r-----END A-----\r",
        "-----BEGIN A-----  \n  AQ\n\tID \n\n  -----END A----- \t\n",
        "-----BEGIN A-----\nA\nQ\nI\nD\n-----END A-----",
    };
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(pem_block_deinit) struct pem_block block = {};

        CASE(rows[i]);
        ASSERT_OK(next_of(rows[i], &block, &err));
        ASSERT_MEMEQ(block.der, block.der_len, "\1\2\3", 3);
    }
}

TEST(broken_blocks_are_refused)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"-----BEGIN A-----\nAQID\n", "no END line"},
        {"-----BEGIN A-----\nAQID\n-----END B-----\n", "no END line of its own"},
        {"-----BEGIN A-----\nAQID\n-----BEGIN A-----\nAQID\n-----END A-----\n", "END line"},
        {"-----BEGIN A-----\nAQID-----END A-----\n", "other text"},
        {"-----BEGIN A-----\nAQID\n-----END A----- x\n", "goes on"},
        {"-----BEGIN A-----AQID\n-----END A-----\n", "goes on"},
        {"-----BEGIN A-----\nAQ?D\n-----END A-----\n", "PEM block 'A'"},
        {"-----BEGIN A-----\nAQI\n-----END A-----\n", "PEM block 'A'"},
        {"-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nAQID\n-----END A-----\n", "passphrase"},
        {"-----BEGIN A-----\nFoo: x\n\nAQID\n-----END A-----\n", "headers"},
        {"-----BEGIN -----\nAQID\n-----END -----\n", "no proper label"},
        {"-----BEGIN 123456789012345678901234567890123456789012345678-----\n", "no proper label"},
        {"-----BEGIN A\x01-----\nAQID\n", "no proper label"},
        {"-----BEGIN A", "no proper label"},
    };
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(pem_block_deinit) struct pem_block block = {};

        CASE(rows[i].text);
        ASSERT_ERR(ERR_INVALID, next_of(rows[i].text, &block, &err));
        ASSERT_CONTAINS(err.text, rows[i].says);
        ASSERT_NULL(block.der);
    }
}

TEST(a_begin_inside_a_line_is_text)
{
    cleanup(pem_block_deinit) struct pem_block block = {};
    struct err err = {};

    ASSERT_ERR(ERR_NOT_FOUND, next_of("", &block, &err));
    ASSERT_ERR(ERR_NOT_FOUND, next_of("see -----BEGIN A-----\n", &block, &err));
    ASSERT_ERR(ERR_NOT_FOUND, next_of("-----BEGIN", &block, &err));
}

/*
 * GHSA-r4pg-vg54-wxx4: input that made cert-manager's parser take time with the square of its
 * length. There is no clock here: a quadratic scan of 300 kB under the sanitizers runs into
 * ctest's time limit.
 */
TEST(hostile_300_kb_take_linear_time_ghsa_r4pg_vg54_wxx4)
{
    static const char *const patterns[] = {"-",
                                           "-----BEGIN ",
                                           "x-----BEGIN ",
                                           "-----BEGIN A-----\n",
                                           "\n-----BEGIN A-----\n-----END B-----",
                                           "-----BEGIN A-----\nA\n",
                                           "-----BEGIN A-----\n-"};
    const size_t size = 300 * 1000;

    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        cleanup(buf_deinit) struct buf text = BUF(size);
        cleanup(pem_block_deinit) struct pem_block block = {};
        const char *at;
        struct err err = {};

        CASE(patterns[i]);
        while (text.len + strlen(patterns[i]) <= size)
            buf_add_str(&text, patterns[i]);
        at = text.data;
        ASSERT_TRUE(pem_next(&at, text.data + text.len, &block, &err) < 0);
    }
}

TEST(writing_has_lines_of_64_and_reads_back)
{
    cleanup(buf_deinit) struct buf text = BUF(1000);
    cleanup(pem_block_deinit) struct pem_block block = {};
    unsigned char bytes[49];
    struct err err = {};

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    pem_write(&text, "X", bytes, sizeof(bytes));
    ASSERT_STREQ(buf_str(&text),
                 "-----BEGIN X-----\n"
                 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v\n"
                 "MA==\n"
                 "-----END X-----\n");
    ASSERT_OK(next_of(buf_str(&text), &block, &err));
    ASSERT_MEMEQ(block.der, block.der_len, bytes, sizeof(bytes));
}

TEST(an_empty_block_has_no_bytes)
{
    cleanup(pem_block_deinit) struct pem_block block = {};
    struct err err = {};

    ASSERT_OK(next_of("-----BEGIN A-----\n-----END A-----\n", &block, &err));
    ASSERT_EQ(block.der_len, 0);
}

RUN_TESTS(cmocka_unit_test(a_block_is_found_between_other_text),
          cmocka_unit_test(blocks_follow_each_other),
          cmocka_unit_test(line_ends_and_blanks_may_differ),
          cmocka_unit_test(broken_blocks_are_refused),
          cmocka_unit_test(a_begin_inside_a_line_is_text),
          cmocka_unit_test(hostile_300_kb_take_linear_time_ghsa_r4pg_vg54_wxx4),
          cmocka_unit_test(writing_has_lines_of_64_and_reads_back),
          cmocka_unit_test(an_empty_block_has_no_bytes));
