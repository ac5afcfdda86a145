#include "controller/keystores.h"

#include "api/kinds.h"
#include "base/base64.h"
#include "base/limits.h"
#include "controller/target_secret.h"
#include "support/testing.h"
#include "unit/controller/certificate_facts.h"

/* What a Certificate may ask for. */
struct asked {
    struct certificate_keystores keystores;
    struct jks_keystore jks;
    struct pkcs12_keystore pkcs12;
};

static void ask(struct asked *asked, struct certificate_spec *spec, bool jks, bool pkcs12)
{
    asked->jks = (struct jks_keystore){.create = {true, jks}, .password = "a"};
    asked->pkcs12 = (struct pkcs12_keystore){.create = {true, pkcs12}, .password = "b"};
    asked->keystores = (struct certificate_keystores){&asked->jks, &asked->pkcs12};
    spec->keystores = &asked->keystores;
}

static void set_list(struct sample *sample, const char *text, struct array_string *to)
{
    cleanup(strlist_deinit) struct strlist list = {};

    strlist_split(&list, text, ' ');
    to->items = arena_alloc(sample->arena, (list.len + 1) * sizeof(*to->items));
    to->len = list.len;
    for (size_t i = 0; i < list.len; i++)
        to->items[i] = arena_strdup(sample->arena, list.items[i]);
}

#define JKS    "keystore.jks truststore.jks"
#define PKCS12 "keystore.p12 truststore.p12"

TEST(stores_that_are_missing_or_too_many_are_a_violation)
{
    static const struct {
        const char *name;
        bool jks, pkcs12;
        const char *keys, *owned, *words; /* NULL: no violation */
    } rows[] = {
        {"nothing asked, nothing there", false, false, "tls.crt", "tls.crt", NULL},
        {"nothing asked, theirs is there", false, false, "keystore.jks", "", NULL},
        {"nothing asked, ours is there", false, false, "keystore.jks", "keystore.jks",
         "has a 'keystore.jks'"},
        {"ours is there no more, but still owned", false, false, "", "truststore.p12",
         "has a 'truststore.p12'"},
        {"asked, not there", true, false, "", "", "no 'keystore.jks'"},
        {"asked, theirs is there", true, false, "keystore.jks", "", "no 'keystore.jks'"},
        {"asked, emptied by another", true, false, "", "keystore.jks", "no 'keystore.jks'"},
        {"asked, there", true, false, "keystore.jks", "keystore.jks", NULL},
        {"with a CA there is a trust store", true, false, "ca.crt keystore.jks", "keystore.jks",
         "no 'truststore.jks'"},
        {"with a CA, there", true, false, "ca.crt " JKS, JKS, NULL},
        {"the CA is gone", true, false, JKS, JKS, "has a 'truststore.jks'"},
        {"the other format", false, true, JKS, JKS, "has a 'keystore.jks'"},
        {"PKCS#12, not there", false, true, "ca.crt", "", "no 'keystore.p12'"},
        {"both", true, true, "ca.crt " JKS " " PKCS12, JKS " " PKCS12, NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(sample_deinit) struct sample sample = {};
        struct asked asked;
        struct violation found;

        CASE(rows[i].name);
        sample_init(&sample);
        ask(&asked, &sample.crt.spec, rows[i].jks, rows[i].pkcs12);
        set_list(&sample, rows[i].keys, &sample.secret.keys);
        set_list(&sample, rows[i].owned, &sample.secret.owned_data);
        found = keystores_violation(&sample.facts, sample.arena);
        ASSERT_STREQ(found.reason, rows[i].words ? "SecretMismatch" : NULL);
        if (rows[i].words)
            ASSERT_CONTAINS(found.message, rows[i].words);
    }
}

TEST(without_keystores_in_the_spec_ours_are_too_many)
{
    cleanup(sample_deinit) struct sample sample = {};

    sample_init(&sample);
    set_list(&sample, PKCS12, &sample.secret.keys);
    ASSERT_NULL(keystores_violation(&sample.facts, sample.arena).reason);
    set_list(&sample, PKCS12, &sample.secret.owned_data);
    ASSERT_STREQ(keystores_violation(&sample.facts, sample.arena).reason, "SecretMismatch");
}

/* --- making and keeping them --- */

struct material {
    struct certificate crt;
    struct asked asked;
    struct buf key_pem, chain_pem;
    struct keystore_passwords passwords;
    struct array_pair kept;
    struct pair items[4];
    struct target_secret target;
};

static void add_password(struct material *material, enum keystore_format format, const char *text)
{
    material->passwords.of[format] = BUF_SECRET(LIMIT_PASSWORD);
    buf_add_str(&material->passwords.of[format], text);
}

static void material_init(struct material *material)
{
    cleanup(pkey_unref) const struct pkey *key = NULL;
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup("web")};
    cleanup(cert_unref) struct cert *cert = NULL;
    struct cert_template template = {.names = &names,
                                     .not_before_ms = AT("2026-01-01T00:00:00Z"),
                                     .not_after_ms = AT("2026-04-01T00:00:00Z")};
    struct err err = {};

    *material = (struct material){.key_pem = BUF_SECRET(LIMIT_KEY_PEM),
                                  .chain_pem = BUF(LIMIT_CHAIN_BODY)};
    ASSERT_OK(pkey_generate(KEY_ECDSA, 256, &key, &err));
    template.public_key = template.issuer_key = key;
    ASSERT_OK(cert_sign(&template, &cert, &err));
    pkey_to_pem(key, KEY_PKCS1, &material->key_pem);
    cert_to_pem(cert, &material->chain_pem);
    add_password(material, KEYSTORE_JKS, "a");
    add_password(material, KEYSTORE_PKCS12, "b");
    ask(&material->asked, &material->crt.spec, true, true);
    material->crt.object.metadata.name = "web";
    material->crt.object.metadata.namespace = "default";
    material->crt.spec.secret_name = "web-tls";
    material->kept.items = material->items;
    material->target = (struct target_secret){.crt = &material->crt,
                                              .key_pem = buf_str(&material->key_pem),
                                              .chain_pem = buf_str(&material->chain_pem),
                                              .ca_pem = buf_str(&material->chain_pem),
                                              .passwords = &material->passwords,
                                              .kept = &material->kept};
}

static void material_deinit(struct material *material)
{
    buf_deinit(&material->key_pem);
    buf_deinit(&material->chain_pem);
    keystore_passwords_deinit(&material->passwords);
}
DEFINE_CLEANUP_VALUE(struct material, material_deinit);

static const char *const entries[] = {"keystore.jks", "truststore.jks", "keystore.p12",
                                      "truststore.p12"};

static const char *entry_of(const struct json *secret, const char *key)
{
    return json_get_text(json_get(secret, "data"), key);
}

TEST(a_secret_has_the_stores_that_are_asked_for)
{
    static const struct {
        const char *name;
        bool jks, pkcs12, has_ca;
        bool there[4];
    } rows[] = {
        {"none", false, false, true, {}},
        {"JKS", true, false, true, {true, true}},
        {"PKCS#12", false, true, true, {false, false, true, true}},
        {"both", true, true, true, {true, true, true, true}},
        {"no CA", true, true, false, {true, false, true, false}},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(material_deinit) struct material material = {};
        cleanup(json_unref) struct json *secret = NULL;
        struct err err = {};

        CASE(rows[i].name);
        material_init(&material);
        ask(&material.asked, &material.crt.spec, rows[i].jks, rows[i].pkcs12);
        if (!rows[i].has_ca)
            material.target.ca_pem = NULL;
        ASSERT_OK(target_secret_json(&material.target, &secret, &err));
        for (size_t j = 0; j < ARRAY_LEN(entries); j++)
            ASSERT_EQ(entry_of(secret, entries[j]) != NULL, rows[i].there[j]);
        ASSERT_EQ(keystores_need_password(&material.target, KEYSTORE_JKS), rows[i].jks);
        ASSERT_EQ(keystores_need_password(&material.target, KEYSTORE_PKCS12), rows[i].pkcs12);
    }
}

TEST(a_store_that_is_kept_stays_as_it_is_and_needs_no_password)
{
    cleanup(material_deinit) struct material material = {};
    cleanup(json_unref) struct json *secret = NULL;
    struct err err = {};

    material_init(&material);
    for (int i = 0; i < 3; i++)
        material.items[i] = (struct pair){entries[i], "QUJD"};
    material.kept.len = 3;
    ASSERT_FALSE(keystores_need_password(&material.target, KEYSTORE_JKS));
    ASSERT_TRUE(keystores_need_password(&material.target, KEYSTORE_PKCS12)); /* its trust store */
    ASSERT_OK(target_secret_json(&material.target, &secret, &err));
    for (int i = 0; i < 3; i++)
        ASSERT_STREQ(entry_of(secret, entries[i]), "QUJD");
    ASSERT_TRUE(strlen(entry_of(secret, "truststore.p12")) > 100);
}

TEST(what_nobody_asks_for_is_not_kept)
{
    cleanup(material_deinit) struct material material = {};
    cleanup(json_unref) struct json *secret = NULL;
    struct err err = {};

    material_init(&material);
    ask(&material.asked, &material.crt.spec, false, false);
    material.items[0] = (struct pair){"keystore.jks", "QUJD"};
    material.kept.len = 1;
    ASSERT_OK(target_secret_json(&material.target, &secret, &err));
    ASSERT_NULL(entry_of(secret, "keystore.jks"));
}

TEST(only_ours_of_the_version_that_is_known_are_kept)
{
    static const struct {
        const char *name, *owned, *version;
        size_t kept;
    } rows[] = {
        {"ours", "keystore.jks", "7", 1},
        {"theirs", "tls.crt", "7", 0},
        {"another version", "keystore.jks", "8", 0},
        {"ours, but empty", "truststore.jks", "7", 0},
    };
    struct pair items[] = {{"keystore.jks", "QUJD"}, {"truststore.jks", ""}};
    struct secret secret = {.data = {.items = items, .len = 2}};

    secret.object.metadata.resource_version = "7";
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(sample_deinit) struct sample sample = {};
        struct array_pair kept = {};

        CASE(rows[i].name);
        sample_init(&sample);
        set_list(&sample, rows[i].owned, &sample.secret.owned_data);
        sample.secret.object.metadata.resource_version = rows[i].version;
        keystores_keep(&sample.secret, &secret, sample.arena, &kept);
        ASSERT_EQ(kept.len, rows[i].kept);
    }
}

TEST(a_ca_that_cannot_be_read_is_named)
{
    cleanup(material_deinit) struct material material = {};
    struct json *secret = NULL;
    struct err err = {};

    material_init(&material);
    material.target.ca_pem = "nonsense";
    ASSERT_ERR(ERR_INVALID, target_secret_json(&material.target, &secret, &err));
    ASSERT_CONTAINS(err.text, "reading ca.crt for a key store");
}

/* Each store is within its own limit, and the CAs within theirs. */
TEST(more_than_a_secret_may_hold_is_refused_with_advice)
{
    cleanup(material_deinit) struct material material = {};
    cleanup(buf_deinit) struct buf big = BUF(LIMIT_OBJECT);
    struct json *secret = NULL;
    struct err err = {};

    material_init(&material);
    for (int i = 0; i < LIMIT_SECRET / 4; i++)
        buf_add_char(&big, 'A');
    for (int i = 0; i < 4; i++)
        material.items[i] = (struct pair){entries[i], buf_str(&big)};
    material.kept.len = 4;
    ASSERT_OK(target_secret_json(&material.target, &secret, &err)); /* three quarters: base64 */
    json_unref(secret);
    secret = NULL;
    while (big.len < LIMIT_SECRET / 3)
        buf_add_char(&big, 'A');
    for (int i = 0; i < 4; i++)
        material.items[i].value = buf_str(&big);
    ASSERT_ERR(ERR_TOO_LARGE, target_secret_json(&material.target, &secret, &err));
    ASSERT_CONTAINS(err.text, "leave key stores or output formats out");
    ASSERT_NULL(secret);
}

RUN_TESTS(cmocka_unit_test(stores_that_are_missing_or_too_many_are_a_violation),
          cmocka_unit_test(without_keystores_in_the_spec_ours_are_too_many),
          cmocka_unit_test(a_secret_has_the_stores_that_are_asked_for),
          cmocka_unit_test(a_store_that_is_kept_stays_as_it_is_and_needs_no_password),
          cmocka_unit_test(what_nobody_asks_for_is_not_kept),
          cmocka_unit_test(only_ours_of_the_version_that_is_known_are_kept),
          cmocka_unit_test(a_ca_that_cannot_be_read_is_named),
          cmocka_unit_test(more_than_a_secret_may_hold_is_refused_with_advice));
