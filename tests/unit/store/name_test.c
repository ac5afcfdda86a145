#include "store/name.h"

#include <string.h>

#include "support/testing.h"

enum accepts { LABEL = 1, SUBDOMAIN = 2, QUALIFIED = 4, LABEL_VALUE = 8, DATA_KEY = 16 };

#define L63 "a23456789012345678901234567890123456789012345678901234567890123"

TEST(names_are_what_the_api_server_accepts)
{
    static const struct {
        const char *name;
        int accepted;
    } rows[] = {
        {"web", LABEL | SUBDOMAIN | QUALIFIED | LABEL_VALUE | DATA_KEY},
        {"1", LABEL | SUBDOMAIN | QUALIFIED | LABEL_VALUE | DATA_KEY},
        {"", LABEL_VALUE},
        {NULL, 0},
        {"a.b", SUBDOMAIN | QUALIFIED | LABEL_VALUE | DATA_KEY},
        {"Web", QUALIFIED | LABEL_VALUE | DATA_KEY},
        {"a_b", QUALIFIED | LABEL_VALUE | DATA_KEY},
        {"-a", DATA_KEY},
        {"a-", DATA_KEY},
        {"a..b", QUALIFIED | LABEL_VALUE | DATA_KEY},
        {".a", DATA_KEY},
        {".", 0},
        {"..", 0},
        {"..a", 0},
        {"a/b", QUALIFIED},
        {"example.org/tls.crt", QUALIFIED},
        {"Example.org/a", 0},
        {"/a", 0},
        {"a/", 0},
        {"a/b/c", 0},
        {"a b", 0},
        {"a\n", 0},
        {"\xc3\xa4", 0},
        {L63, LABEL | SUBDOMAIN | QUALIFIED | LABEL_VALUE | DATA_KEY},
        {L63 "4", SUBDOMAIN | DATA_KEY},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *name = rows[i].name;
        int accepted = rows[i].accepted;

        CASE(name ? name : "(null)");
        ASSERT_EQ(stored_name_is_label(name), (accepted & LABEL) != 0);
        ASSERT_EQ(stored_name_is_subdomain(name), (accepted & SUBDOMAIN) != 0);
        ASSERT_EQ(stored_name_is_qualified(name), (accepted & QUALIFIED) != 0);
        ASSERT_EQ(stored_name_is_label_value(name), (accepted & LABEL_VALUE) != 0);
        ASSERT_EQ(stored_name_is_data_key(name), (accepted & DATA_KEY) != 0);
    }
}

TEST(a_subdomain_has_at_most_253_bytes)
{
    char name[256];

    memset(name, 'a', sizeof(name));
    name[253] = '\0';
    ASSERT_TRUE(stored_name_is_subdomain(name));
    name[253] = 'a';
    name[254] = '\0';
    ASSERT_FALSE(stored_name_is_subdomain(name));
}

TEST(a_step_of_a_path_is_anything_that_is_one)
{
    static const struct {
        const char *name;
        bool accepted;
    } rows[] = {
        {"web", true},  {"csr:My Node_1@x", true},
        {"-", true},    {"a..b", true},
        {"...", true},  {".", false},
        {"..", false},  {"", false},
        {"a/b", false}, {"a%2fb", false},
        {NULL, false},
    };
    char name[256];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].name ? rows[i].name : "(null)");
        ASSERT_EQ(stored_name_is_step(rows[i].name), rows[i].accepted);
    }
    memset(name, 'A', sizeof(name));
    name[253] = '\0';
    ASSERT_TRUE(stored_name_is_step(name));
    name[253] = 'A';
    name[254] = '\0';
    ASSERT_FALSE(stored_name_is_step(name));
}

TEST(only_of_an_annotation_the_case_of_the_domain_does_not_matter)
{
    ASSERT_TRUE(stored_name_is_annotation_key("Example.com/Name"));
    ASSERT_FALSE(stored_name_is_qualified("Example.com/Name"));
    ASSERT_FALSE(stored_name_is_annotation_key("a/b/c"));
    ASSERT_FALSE(stored_name_is_annotation_key(NULL));
}

RUN_TESTS(cmocka_unit_test(only_of_an_annotation_the_case_of_the_domain_does_not_matter),
          cmocka_unit_test(names_are_what_the_api_server_accepts),
          cmocka_unit_test(a_subdomain_has_at_most_253_bytes),
          cmocka_unit_test(a_step_of_a_path_is_anything_that_is_one));
