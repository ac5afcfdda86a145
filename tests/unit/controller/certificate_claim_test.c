/* certificate_claim_test.c - which Secrets an Issuer has for itself. */
#include "controller/certificate_decide.h"

#include "unit/controller/certificate_facts.h"

static struct ca_issuer corp_ca = {.secret_name = "web-tls"};
static struct ca_issuer other_ca = {.secret_name = "other-tls"};
static struct acme_issuer account = {.private_key_secret_ref = {.name = "web-tls"}};
static struct acme_issuer other_account = {.private_key_secret_ref = {.name = "other-tls"}};

/* Nobody has annotated it, and no request has brought what is in it. */
static void brought_by_hand(struct sample *s)
{
    s->secret.object.metadata.annotations.len = 0;
    s->secret.cert_hash[0] ^= 1;
}

static void brought_without_a_key(struct sample *s)
{
    brought_by_hand(s);
    s->secret.has_data = s->secret.key_ok = false;
}

static void brought_without_a_certificate(struct sample *s)
{
    brought_by_hand(s);
    s->secret.has_data = s->secret.cert_ok = false;
}

SPOIL(annotations_taken_off, s->secret.object.metadata.annotations.len = 0);
SPOIL(of_another_certificate, s->crt.object.metadata.name = "shop");
/* The key of an account, in a Secret that has our annotation. */
SPOIL(key_alone, s->secret.has_data = s->secret.cert_ok = false);

static void is_signed_by_the_reader(struct sample *s)
{
    s->issuer.object.metadata.uid = "uid-of-reader";
}

static void no_secret_yet_by_the_reader(struct sample *s)
{
    is_signed_by_the_reader(s);
    s->facts.secret = NULL;
}

static void of_another_by_the_reader(struct sample *s)
{
    is_signed_by_the_reader(s);
    of_another_certificate(s);
}

static const char *claim_of(struct sample *s, const struct issuer_spec *spec)
{
    struct issuer reader = {.object = {.kind = &kind_issuer}, .spec = *spec};

    reader.object.metadata.name = "corp";
    reader.object.metadata.uid = "uid-of-reader";
    return certificate_claim(&s->facts, &reader, s->arena);
}

TEST(what_an_issuer_has_in_a_secret_is_not_overwritten)
{
    static const struct {
        const char *name;
        void (*spoil)(struct sample *s);
        struct issuer_spec reader;
        bool is_claimed;
    } rows[] = {
        {"a CA from this Certificate", as_it_is, {.ca = &corp_ca}, false},
        {"before it is there", no_secret, {.ca = &corp_ca}, false},
        {"a CA of somebody's own", brought_by_hand, {.ca = &corp_ca}, true},
        {"a key without certificate", brought_without_a_certificate, {.ca = &corp_ca}, true},
        {"nothing to lose", brought_without_a_key, {.ca = &corp_ca}, false},
        {"an annotation is gone", annotations_taken_off, {.ca = &corp_ca}, false},
        {"a renamed Certificate", of_another_certificate, {.ca = &corp_ca}, false},
        {"a CA that renews itself", is_signed_by_the_reader, {.ca = &corp_ca}, false},
        {"signed by that CA", of_another_by_the_reader, {.ca = &corp_ca}, true},
        {"signed by it, in time to come", no_secret_yet_by_the_reader, {.ca = &corp_ca}, true},
        {"another CA", brought_by_hand, {.ca = &other_ca}, false},
        {"an account", brought_by_hand, {.acme = &account}, true},
        {"an account to come", no_secret, {.acme = &account}, true},
        {"an account from another one's", of_another_certificate, {.acme = &account}, true},
        {"an account's key, annotated", key_alone, {.acme = &account}, true},
        {"an account with our key already", as_it_is, {.acme = &account}, false},
        {"another account", brought_by_hand, {.acme = &other_account}, false},
        {"neither", brought_by_hand, {}, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(sample_deinit) struct sample s = {};

        CASE(rows[i].name);
        sample_init(&s);
        rows[i].spoil(&s);
        ASSERT_EQ(claim_of(&s, &rows[i].reader) != NULL, rows[i].is_claimed);
    }
}

TEST(the_issuer_is_named_and_what_to_do)
{
    cleanup(sample_deinit) struct sample s = {};

    sample_init(&s);
    brought_by_hand(&s);
    ASSERT_STREQ(claim_of(&s, &(struct issuer_spec){.ca = &corp_ca}),
                 "Issuer 'corp' has its CA in Secret 'web-tls', which is not of this Certificate; "
                 "give it another spec.secretName");
    ASSERT_STREQ(claim_of(&s, &(struct issuer_spec){.acme = &account}),
                 "Issuer 'corp' has the key of its ACME account in Secret 'web-tls'; give this "
                 "Certificate another spec.secretName");
}

RUN_TESTS(cmocka_unit_test(what_an_issuer_has_in_a_secret_is_not_overwritten),
          cmocka_unit_test(the_issuer_is_named_and_what_to_do));
