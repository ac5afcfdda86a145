#include "store/selector.h"
#include "support/testing.h"

static bool matches(const char *text, const char *labels)
{
    cleanup(selector_free) struct selector *selector = NULL;
    cleanup(json_unref) struct json *map = NULL;
    struct err err = {};

    ASSERT_OK(selector_parse(text, &selector, &err));
    ASSERT_OK(json_parse(labels, strlen(labels), 4096, &map, &err));
    return selector_matches(selector, map);
}

TEST(a_selector_holds_when_every_requirement_does)
{
    static const struct {
        const char *selector, *labels;
        bool holds;
    } rows[] = {
        {"", "{}", true},
        {"app=web", "{\"app\": \"web\"}", true},
        {"app==web", "{\"app\": \"web\"}", true},
        {"app=web", "{\"app\": \"db\"}", false},
        {"app=web", "{}", false},
        {"app=", "{\"app\": \"\"}", true},
        {"app!=web", "{\"app\": \"db\"}", true},
        {"app!=web", "{}", true},
        {"app!=web", "{\"app\": \"web\"}", false},
        {"app", "{\"app\": \"web\"}", true},
        {"app", "{}", false},
        {"!app", "{}", true},
        {"!app", "{\"app\": \"web\"}", false},
        {"stage in (test, live)", "{\"stage\": \"live\"}", true},
        {"stage in (test, live)", "{\"stage\": \"old\"}", false},
        {"stage in (test)", "{}", false},
        {"stage notin (test,live)", "{\"stage\": \"old\"}", true},
        {"stage notin (test,live)", "{\"stage\": \"test\"}", false},
        {"stage notin (test)", "{}", true},
        {"app=web,stage in (a,b),!old", "{\"app\": \"web\", \"stage\": \"b\"}", true},
        {"app=web,stage in (a,b),!old", "{\"app\": \"web\", \"stage\": \"b\", \"old\": \"\"}",
         false},
        {" app = web , tier ", "{\"app\": \"web\", \"tier\": \"1\"}", true},
        {"example.com/app=web", "{\"example.com/app\": \"web\"}", true},
        {"in in (in)", "{\"in\": \"in\"}", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i].selector);
        ASSERT_EQ(matches(rows[i].selector, rows[i].labels), rows[i].holds);
    }
}

TEST(a_selector_that_is_wrong_is_told_with_its_text)
{
    static const struct {
        const char *selector, *why;
    } rows[] = {
        {"=web", "'' is not a label's name"},
        {"app=web,", NULL}, /* as kubectl: a comma at the end adds nothing */
        {",app", "'' is not a label's name"},
        {"app in web", "want (VALUE, ...)"},
        {"app in (web", "')' is missing"},
        {"app web", "'web' is not understood"},
        {"app>1", "'>1' is not understood"},
        {"app=a b", "'b' is not understood"},
        {"app=-a", "'-a' is not a label value"},
        {"a/b/c=d", "'a/b/c' is not a label's name"},
        {"!", "'' is not a label's name"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(selector_free) struct selector *selector = NULL;
        struct err err = {};
        int r = selector_parse(rows[i].selector, &selector, &err);

        CASE(rows[i].selector);
        ASSERT_EQ(r, rows[i].why ? ERR_INVALID : 0);
        if (rows[i].why) {
            ASSERT_CONTAINS(err.text, rows[i].why);
            ASSERT_CONTAINS(err.text, rows[i].selector);
        }
    }
}

RUN_TESTS(cmocka_unit_test(a_selector_holds_when_every_requirement_does),
          cmocka_unit_test(a_selector_that_is_wrong_is_told_with_its_text));
