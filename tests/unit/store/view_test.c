/* view_test.c - field selectors: which are understood, and what they let in. */
#include "store/store.h"

#include <string.h>

#include "support/testing.h"

#define OURS   "issuers.cert-manager.io/a.b"
#define THEIRS "kubernetes.io/kubelet-serving"

TEST(field_selectors_are_terms_with_commas)
{
    static const struct {
        const char *selector;
        bool understood;
    } rows[] = {
        {"metadata.name=a", true},
        {"metadata.name!=a", true},
        {"spec.signerName=" THEIRS, true},
        {"spec.signerName!=" THEIRS ",spec.signerName!=example.com/x", true},
        {"metadata.name=a,spec.signerName!=b", true},
        {"", false},
        {"metadata.name", false},
        {"metadata.name=", false},
        {"metadata.name!", false},
        {"metadata.name!a", false},
        {"metadata.name==a", false},
        {"metadata.name=a,", false},
        {",metadata.name=a", false},
        {"metadata.name=a,,metadata.name=b", false},
        {"metadata.namespace=a", false},
        {"spec.signer=a", false},
        {"=a", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct store_view view = {.field_selector = rows[i].selector};
        struct err err = {};

        CASE(rows[i].selector);
        ASSERT_EQ(store_view_check(&view, &err), rows[i].understood ? 0 : ERR_INVALID);
        if (!rows[i].understood)
            ASSERT_CONTAINS(err.text, "spec.signerName");
    }
}

static struct json *request_of(const char *name, const char *signer)
{
    struct json *object = json_new_map();

    json_set_text(json_need_map(object, "metadata"), "name", name);
    if (signer)
        json_set_text(json_need_map(object, "spec"), "signerName", signer);
    return object;
}

TEST(what_every_term_lets_in_is_in_the_view)
{
    static const struct {
        const char *selector, *name, *signer;
        bool in;
    } rows[] = {
        {"metadata.name=a", "a", OURS, true},
        {"metadata.name=a", "b", OURS, false},
        {"metadata.name=a", "ab", OURS, false},
        {"metadata.name!=a", "a", OURS, false},
        {"metadata.name!=a", "ab", OURS, true},
        {"spec.signerName!=" THEIRS, "a", OURS, true},
        {"spec.signerName!=" THEIRS, "a", THEIRS, false},
        {"spec.signerName!=" THEIRS, "a", NULL, true},
        {"spec.signerName=" THEIRS, "a", NULL, false},
        {"spec.signerName!=x,spec.signerName!=" THEIRS, "a", THEIRS, false},
        {"spec.signerName!=x,spec.signerName!=" THEIRS, "a", OURS, true},
        {"spec.signerName!=x,metadata.name=a", "b", OURS, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(json_unref) struct json *object = request_of(rows[i].name, rows[i].signer);
        struct store_view view = {.field_selector = rows[i].selector};

        CASE(rows[i].selector);
        ASSERT_EQ(store_view_has(&view, object), rows[i].in);
        ASSERT_EQ(store_view_could_have(&view, object), rows[i].in);
    }
}

RUN_TESTS(cmocka_unit_test(field_selectors_are_terms_with_commas),
          cmocka_unit_test(what_every_term_lets_in_is_in_the_view));
