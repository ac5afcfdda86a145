#include "unit/issuer/bed.h"

static const struct pkey *own_key, *other_key;
static char *own_key_pem, *other_key_pem;

/* Its key is in the Secret 'ca', which the bed has. */
static void for_own_key(struct signing *signing, const char *common_name)
{
    static struct pair named = {ANNOTATION_PRIVATE_KEY_SECRET, "ca"};
    static struct self_signed_issuer spec;
    struct issuer issuer = {.object = {.kind = &kind_issuer}, .spec = {.self_signed = &spec}};

    signing_init(signing, issuer, common_name, own_key);
    signing->request.object.metadata.annotations = (struct array_pair){&named, 1};
}

static int sign(struct bed *bed, struct signing *signing, struct err *err)
{
    return bed_sign(bed, &issuer_self_signed, signing, err);
}

TEST(it_is_ready_without_a_message)
{
    cleanup(bed_deinit) struct bed bed;
    cleanup(signing_deinit) struct signing signing;
    struct setup_result result = {};
    struct err err = {};

    bed_init(&bed);
    for_own_key(&signing, "a");
    ASSERT_OK(issuer_self_signed.setup(&bed.issuers, &bed.ctx, &signing.issuer, bed.arena, &result,
                                       &err));
    ASSERT_EQ(result.ready.status, CONDITION_TRUE);
    ASSERT_STREQ(result.ready.reason, "IsReady");
    /* An empty one would be written over none, as cert-manager leaves it. */
    ASSERT_NULL(result.ready.message);
}

static void expect_issued(struct bed *bed, struct signing *signing)
{
    const struct bytes *pem = &signing->result.certificate;
    cleanup(chain_deinit) struct chain chain = {};
    struct err err = {};

    ASSERT_OK(sign(bed, signing, &err));
    ASSERT_EQ(signing->result.state, SIGN_ISSUED);
    ASSERT_MEMEQ(pem->data, pem->len, signing->result.ca.data, signing->result.ca.len);
    chain = bed_chain(pem);
    ASSERT_EQ(chain.len, 1);
    ASSERT_TRUE(cert_is_self_signed(chain.certs[0]));
    ASSERT_OK(chain_verify(&chain, &(struct chain_expectation){.key = own_key, .now_ms = NOW}, NULL,
                           &err));
}

TEST(the_key_of_the_named_secret_signs)
{
    cleanup(bed_deinit) struct bed bed;
    cleanup(signing_deinit) struct signing signing;

    bed_init(&bed);
    for_own_key(&signing, "a");
    bed_put(&bed, &(struct bed_secret){.key = own_key_pem}, true);
    expect_issued(&bed, &signing);
    ASSERT_NULL(signing.result.warning);
}

TEST(a_key_that_is_at_hand_needs_no_secret)
{
    cleanup(bed_deinit) struct bed bed;
    cleanup(signing_deinit) struct signing signing;

    bed_init(&bed);
    for_own_key(&signing, "a");
    signing.input.key = own_key;
    expect_issued(&bed, &signing);
    ASSERT_EQ(bed.reads, 0);
}

TEST(an_empty_subject_is_issued_with_a_warning)
{
    cleanup(bed_deinit) struct bed bed;
    cleanup(signing_deinit) struct signing signing;

    bed_init(&bed);
    for_own_key(&signing, NULL);
    signing.input.key = own_key;
    expect_issued(&bed, &signing);
    ASSERT_CONTAINS(signing.result.warning, "empty subject");
}

TEST(what_is_missing_is_waited_for_and_what_is_wrong_fails)
{
    const struct {
        const char *name;
        const char *annotation;   /* NULL: none */
        struct bed_secret secret; /* no key: no Secret, unless `empty` */
        bool empty;
        int answer;
        enum sign_state state;
        const char *reason, *message;
    } rows[] = {
        {"no annotation",
         NULL,
         {.key = own_key_pem},
         false,
         0,
         SIGN_FAILED,
         "MissingAnnotation",
         "has no annotation 'cert-manager.io/private-key-secret-name'"},
        {"no Secret", "ca", {}, false, 0, SIGN_PENDING, "MissingSecret", "default/ca"},
        {"no key in it",
         "ca",
         {.crt = "x"},
         true,
         0,
         SIGN_PENDING,
         "ErrorParsingKey",
         "has no key 'tls.key'"},
        {"no key at all",
         "ca",
         {.key = "x"},
         false,
         0,
         SIGN_PENDING,
         "ErrorParsingKey",
         "default/ca"},
        {"no answer",
         "ca",
         {.key = own_key_pem},
         false,
         ERR_UNAVAILABLE,
         SIGN_PENDING,
         "ErrorGettingSecret",
         "no answer"},
        {"another key",
         "ca",
         {.key = other_key_pem},
         false,
         0,
         SIGN_FAILED,
         "ErrorKeyMatch",
         "signed with another key"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(bed_deinit) struct bed bed;
        cleanup(signing_deinit) struct signing signing;
        struct err err = {};

        CASE(rows[i].name);
        bed_init(&bed);
        for_own_key(&signing, "a");
        if (!rows[i].annotation)
            signing.request.object.metadata.annotations.len = 0;
        if (rows[i].secret.key || rows[i].empty)
            bed_put(&bed, &rows[i].secret, true);
        bed.answer = rows[i].answer;
        ASSERT_OK(sign(&bed, &signing, &err));
        ASSERT_EQ(signing.result.state, rows[i].state);
        ASSERT_STREQ(signing.result.reason, rows[i].reason);
        ASSERT_CONTAINS(signing.result.message, rows[i].message);
        ASSERT_TRUE((signing.result.requeue_at_ms > 0) == (rows[i].state == SIGN_PENDING));
    }
}

static int make_keys(void **state)
{
    if (pkey_generate(KEY_ECDSA, 256, &own_key, NULL) < 0 ||
        pkey_generate(KEY_ECDSA, 256, &other_key, NULL) < 0)
        return -1;
    own_key_pem = bed_key_pem(own_key);
    other_key_pem = bed_key_pem(other_key);
    return 0;
}

static int free_keys(void **state)
{
    pkey_unref(own_key);
    pkey_unref(other_key);
    xfree(own_key_pem);
    xfree(other_key_pem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_ready_without_a_message),
        cmocka_unit_test(the_key_of_the_named_secret_signs),
        cmocka_unit_test(a_key_that_is_at_hand_needs_no_secret),
        cmocka_unit_test(an_empty_subject_is_issued_with_a_warning),
        cmocka_unit_test(what_is_missing_is_waited_for_and_what_is_wrong_fails),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
