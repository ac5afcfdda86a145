#include "base/limits.h"
#include "pki/cert.h"
#include "pki/pem.h"
#include "pki/sign.h"
#include "support/testing.h"

#define NOW AT("2026-02-01T00:00:00Z")

/* One tree for all tests: root, intermediate, leaf; made once. */
static const struct pkey *ca_key, *other_key, *leaf_key;
static struct cert *root, *intermediate, *leaf;
static struct strlist wanted_dns, wanted_ips;

static void add_pem(struct buf *buf, const struct cert *cert)
{
    cert_to_pem(cert, buf);
}

static int parse(const struct buf *pem, struct chain *ret, struct err *err)
{
    return chain_from_pem(buf_str(pem), pem->len, ret, err);
}

static struct cert *issue(const char *name, bool is_ca, const struct pkey *key,
                          const struct cert *issuer, const struct pkey *issuer_key,
                          const char *not_before, const char *not_after)
{
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup(name)};
    struct cert *cert = NULL;
    struct err err = {};
    struct cert_template template = {
        .names = &names,
        .public_key = key,
        .is_ca = is_ca,
        .issuer = issuer,
        .issuer_key = issuer_key,
        .not_before_ms = AT(not_before),
        .not_after_ms = AT(not_after),
    };

    if (!is_ca) {
        strlist_add(&names.dns_names, "A.example");
        strlist_add(&names.dns_names, "*.b.example");
        strlist_add(&names.ip_addresses, "192.0.2.1");
    }
    ASSERT_OK(cert_sign(&template, &cert, &err));
    return cert;
}

static struct chain_expectation expectation(void)
{
    return (struct chain_expectation){.key = leaf_key,
                                      .dns_names = &wanted_dns,
                                      .ip_addresses = &wanted_ips,
                                      .now_ms = NOW,
                                      .clock_slack_ms = MINUTES(5)};
}

/* Parses the certificates as a chain and verifies it. */
static int verify(struct cert *const *certs, size_t len, const struct chain_expectation *expect,
                  struct strlist *ret_extra, struct err *err)
{
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
    cleanup(chain_deinit) struct chain chain = {};
    int r;

    for (size_t i = 0; i < len; i++)
        add_pem(&pem, certs[i]);
    r = parse(&pem, &chain, err);
    if (r < 0)
        return r;
    return chain_verify(&chain, expect, ret_extra, err);
}
#define VERIFY(expect, ret_extra, err, ...)                                                        \
    verify((struct cert *[]){__VA_ARGS__}, ARRAY_LEN(((struct cert *[]){__VA_ARGS__})), expect,    \
           ret_extra, err)

TEST(a_good_chain_is_accepted_with_and_without_its_root)
{
    struct chain_expectation expect = expectation();
    struct err err = {};

    ASSERT_OK(VERIFY(&expect, NULL, &err, leaf));
    ASSERT_OK(VERIFY(&expect, NULL, &err, leaf, intermediate));
    ASSERT_OK(VERIFY(&expect, NULL, &err, leaf, intermediate, root));
    ASSERT_OK(VERIFY(&(struct chain_expectation){.now_ms = NOW}, NULL, &err, leaf, intermediate));
}

TEST(wrong_order_is_refused)
{
    struct chain_expectation expect = expectation();
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, VERIFY(&expect, NULL, &err, leaf, root, intermediate));
    ASSERT_CONTAINS(err.text, "certificate 2 of the chain ('CN=root') did not sign");
    ASSERT_ERR(ERR_INVALID, VERIFY(&expect, NULL, &err, intermediate, leaf));
    ASSERT_CONTAINS(err.text, "another key");
    ASSERT_ERR(ERR_INVALID, VERIFY(&expect, NULL, &err, leaf, leaf));
    ASSERT_CONTAINS(err.text, "not a CA");
    ASSERT_ERR(ERR_INVALID, VERIFY(&expect, NULL, &err, leaf, intermediate, intermediate));
    ASSERT_CONTAINS(err.text, "certificate 3");
}

TEST(where_the_order_is_wrong_it_says_what_belongs_there)
{
    cleanup(cert_unref) struct cert *stranger = issue("stranger", true, other_key, NULL, other_key,
                                                      "2026-01-01T00:00:00Z",
                                                      "2030-01-01T00:00:00Z");
    const struct {
        const char *name;
        struct cert *certs[4];
        const char *says;
    } rows[] = {
        {"root second",
         {leaf, root, intermediate},
         "; certificate 3 has signed certificate 1 and has to stand there"},
        {"twice",
         {leaf, intermediate, intermediate, root},
         "certificate 3 of the chain ('CN=intermediate') did not sign the one before it; it is certificate 2 once more: take it out"},
        {"leaf twice",
         {leaf, leaf, intermediate},
         "is not a CA; it is certificate 1 once more: take it out"},
        {"stranger",
         {leaf, intermediate, stranger, root},
         "certificate 3 of the chain ('CN=stranger') did not sign the one before it; certificate 4 has signed certificate 2 and has to stand there"},
        {"stranger at the end",
         {leaf, intermediate, root, stranger},
         "; certificate 3 has signed itself: take out what is behind it"},
        {"upside down",
         {root, intermediate, leaf},
         "; certificate 1 has signed it and must not stand before it"},
        {"leaf second",
         {intermediate, leaf, root},
         "certificate 2 of the chain ('CN=leaf') is not a CA; certificate 1 has signed it and must not stand before it"},
        {"one missing", {leaf, root}, "; put that of 'CN=intermediate' there"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct chain_expectation expect = {.now_ms = NOW};
        struct err err = {};
        size_t len = 0;

        CASE(rows[i].name);
        while (len < ARRAY_LEN(rows[i].certs) && rows[i].certs[len])
            len++;
        ASSERT_ERR(ERR_INVALID, verify(rows[i].certs, len, &expect, NULL, &err));
        ASSERT_CONTAINS(err.text, rows[i].says);
    }
}

TEST(a_ca_of_the_same_name_with_another_key_did_not_sign)
{
    cleanup(cert_unref) struct cert *impostor = issue("intermediate", true, other_key, NULL,
                                                      other_key, "2026-01-01T00:00:00Z",
                                                      "2030-01-01T00:00:00Z");
    struct chain_expectation expect = expectation();
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, VERIFY(&expect, NULL, &err, leaf, impostor));
    ASSERT_CONTAINS(err.text, "did not sign");
}

TEST(a_leaf_for_another_key_is_refused)
{
    struct chain_expectation expect = expectation();
    struct err err = {};

    expect.key = other_key;
    ASSERT_ERR(ERR_INVALID, VERIFY(&expect, NULL, &err, leaf, intermediate));
    ASSERT_CONTAINS(err.text, "another key");
}

TEST(a_missing_name_is_refused)
{
    cleanup(strlist_deinit) struct strlist dns = {};
    cleanup(strlist_deinit) struct strlist ips = {};
    struct chain_expectation expect = expectation();
    struct err err = {};

    strlist_add(&dns, "c.b.example"); /* the wildcard that covers it is another name */
    expect.dns_names = &dns;
    ASSERT_ERR(ERR_INVALID, VERIFY(&expect, NULL, &err, leaf, intermediate));
    ASSERT_CONTAINS(err.text, "'c.b.example' is missing");
    strlist_add(&ips, "192.0.2.2");
    expect = expectation();
    expect.ip_addresses = &ips;
    ASSERT_ERR(ERR_INVALID, VERIFY(&expect, NULL, &err, leaf, intermediate));
    ASSERT_CONTAINS(err.text, "'192.0.2.2' is missing");
}

TEST(names_nobody_asked_for_are_reported)
{
    cleanup(strlist_deinit) struct strlist dns = {};
    cleanup(strlist_deinit) struct strlist extra = {};
    struct chain_expectation expect = expectation();
    struct err err = {};

    ASSERT_OK(VERIFY(&expect, &extra, &err, leaf));
    ASSERT_EQ(extra.len, 0);
    strlist_add(&dns, "a.example");
    expect.dns_names = &dns;
    expect.ip_addresses = NULL;
    ASSERT_OK(VERIFY(&expect, &extra, &err, leaf));
    ASSERT_EQ(extra.len, 2);
    ASSERT_STREQ(extra.items[0], "*.b.example");
    ASSERT_STREQ(extra.items[1], "192.0.2.1");
}

TEST(dates_are_checked_with_slack_at_the_start_only)
{
    static const struct {
        const char *name, *not_before, *not_after, *says; /* NULL: fine */
    } rows[] = {
        {"expired", "2026-01-01T00:00:00Z", "2026-01-31T23:59:59Z", "expired"},
        {"expires now", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "expired"},
        {"last second", "2026-01-01T00:00:00Z", "2026-02-01T00:00:01Z", NULL},
        {"not yet", "2026-02-01T00:05:01Z", "2026-04-01T00:00:00Z", "not valid before"},
        {"within the slack", "2026-02-01T00:05:00Z", "2026-04-01T00:00:00Z", NULL},
    };
    struct chain_expectation expect = expectation();
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(cert_unref) struct cert *cert = NULL;

        CASE(rows[i].name);
        cert = issue("leaf", false, leaf_key, intermediate, ca_key, rows[i].not_before,
                     rows[i].not_after);
        if (!rows[i].says) {
            ASSERT_OK(VERIFY(&expect, NULL, &err, cert, intermediate));
            continue;
        }
        ASSERT_ERR(ERR_INVALID, VERIFY(&expect, NULL, &err, cert, intermediate));
        ASSERT_CONTAINS(err.text, rows[i].says);
        ASSERT_CONTAINS(err.text, "certificate 1");
    }
}

TEST(an_expired_intermediate_matters_and_an_expired_root_does_not)
{
    cleanup(cert_unref) struct cert *old_root = issue(
        "root", true, ca_key, NULL, ca_key, "2000-01-01T00:00:00Z", "2020-01-01T00:00:00Z");
    cleanup(cert_unref) struct cert *old_intermediate = issue(
        "intermediate", true, ca_key, root, ca_key, "2000-01-01T00:00:00Z", "2020-01-01T00:00:00Z");
    struct chain_expectation expect = expectation();
    struct err err = {};

    ASSERT_OK(VERIFY(&expect, NULL, &err, leaf, intermediate, old_root));
    ASSERT_ERR(ERR_INVALID, VERIFY(&expect, NULL, &err, leaf, old_intermediate, root));
    ASSERT_CONTAINS(err.text, "certificate 2 of the chain has expired");
}

/* RFC 8555 11.4 */
TEST(a_chain_has_only_certificates)
{
    static const char *const labels[] = {"PRIVATE KEY", "X509 CERTIFICATE", "TRUSTED CERTIFICATE",
                                         "certificate", "CERTIFICATE REQUEST"};
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        for (int in_front = 0; in_front < 2; in_front++) {
            cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
            cleanup(chain_deinit) struct chain chain = {};

            CASE(labels[i]);
            if (!in_front)
                add_pem(&pem, leaf);
            pem_write(&pem, labels[i], "abc", 3);
            if (in_front)
                add_pem(&pem, leaf);
            ASSERT_ERR(ERR_INVALID, parse(&pem, &chain, &err));
            ASSERT_CONTAINS(err.text, labels[i]);
            ASSERT_EQ(chain.len, 0);
        }
    }
}

TEST(no_certificate_is_not_a_chain)
{
    static const char *const rows[] = {"", "hello\n", "-----BEGIN CERTIFICATE-----\n"};
    struct chain chain = {};
    struct err err = {};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CASE(rows[i]);
        ASSERT_ERR(ERR_INVALID, chain_from_pem(rows[i], strlen(rows[i]), &chain, &err));
    }
    ASSERT_ERR(ERR_INVALID,
               chain_verify(&chain, &(struct chain_expectation){.now_ms = NOW}, NULL, &err));
}

/* CERTMAN-4: a chain walk in the square of its length. */
TEST(chains_are_bounded_in_number_and_bytes)
{
    cleanup(buf_deinit) struct buf pem = BUF(2 * LIMIT_CHAIN_BODY);
    cleanup(chain_deinit) struct chain chain = {};
    struct chain too_long = {};
    struct err err = {};

    for (int i = 0; i < LIMIT_CHAIN_CERTS; i++)
        add_pem(&pem, leaf);
    ASSERT_OK(parse(&pem, &chain, &err));
    ASSERT_EQ(chain.len, LIMIT_CHAIN_CERTS);
    add_pem(&pem, leaf);
    ASSERT_ERR(ERR_TOO_LARGE, parse(&pem, &too_long, &err));
    while (pem.len <= LIMIT_CHAIN_BODY)
        buf_add_char(&pem, '\n');
    ASSERT_ERR(ERR_TOO_LARGE, parse(&pem, &too_long, &err));
    ASSERT_EQ(too_long.len, 0);
}

/* Bundles of CAs are longer than chains, in no order, and one may be there twice. */
TEST(a_bundle_is_bounded_too_and_has_only_certificates)
{
    cleanup(buf_deinit) struct buf pem = BUF(2 * LIMIT_BUNDLE_PEM);
    cleanup(chain_deinit) struct chain chain = {};
    struct err err = {};

    for (int i = 0; i <= LIMIT_CHAIN_CERTS; i++)
        add_pem(&pem, i % 2 ? leaf : root);
    ASSERT_OK(bundle_from_pem(buf_str(&pem), pem.len, &chain, &err));
    ASSERT_EQ(chain.len, LIMIT_CHAIN_CERTS + 1);
    pem_write(&pem, "PRIVATE KEY", "abc", 3);
    ASSERT_ERR(ERR_INVALID, bundle_from_pem(buf_str(&pem), pem.len, &chain, &err));
    ASSERT_CONTAINS(err.text, "PEM block 'PRIVATE KEY' in the certificate bundle");
    while (pem.len <= LIMIT_BUNDLE_PEM)
        buf_add_str(&pem, "text in front\n");
    ASSERT_ERR(ERR_TOO_LARGE, bundle_from_pem(buf_str(&pem), pem.len, &chain, &err));
}

static struct cert *read_upper_of_chain(void)
{
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
    cleanup(chain_deinit) struct chain chain = {};
    struct err err = {};

    add_pem(&pem, leaf);
    add_pem(&pem, intermediate);
    ASSERT_OK(parse(&pem, &chain, &err));
    return cert_ref(chain.certs[1]);
}

TEST(a_bundle_of_many_pushes_out_no_intermediate_that_is_known)
{
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_BUNDLE_PEM);
    cleanup(chain_deinit) struct chain bundle = {};
    cleanup(cert_unref) struct cert *before = read_upper_of_chain(), *after = NULL;
    struct err err = {};

    for (int i = 0; i < 40; i++) { /* more than are kept */
        cleanup(xfree) char *name = xasprintf("ca-%d", i);
        cleanup(cert_unref) struct cert *ca = issue(name, true, ca_key, root, ca_key,
                                                    "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");

        add_pem(&pem, ca);
    }
    ASSERT_OK(bundle_from_pem(buf_str(&pem), pem.len, &bundle, &err));
    ASSERT_EQ(bundle.len, 40);
    for (size_t i = 0; i < bundle.len; i++)
        ASSERT_NULL(cert_public_key(bundle.certs[i]));
    after = read_upper_of_chain();
    ASSERT_TRUE(after == before);
    ASSERT_TRUE(cert_public_key(after));
}

TEST(a_chain_is_written_as_it_was_read)
{
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
    cleanup(buf_deinit) struct buf again = BUF(LIMIT_CHAIN_BODY);
    cleanup(chain_deinit) struct chain chain = {};
    struct err err = {};

    add_pem(&pem, leaf);
    add_pem(&pem, intermediate);
    ASSERT_OK(parse(&pem, &chain, &err));
    chain_to_pem(&chain, &again);
    ASSERT_STREQ(buf_str(&again), buf_str(&pem));
}

/* Its public point is written in the short form, which is hashed as it stands. */
static const char compressed_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBXzCCAQWgAwIBAgIUUvdFOohvYExVthcLmKLrYbsHxPMwCgYIKoZIzj0EAwIw\n"
    "FTETMBEGA1UEAwwKY29tcHJlc3NlZDAeFw0yNjExMjQxNzQ3MDVaFw0zNjExMjEx\n"
    "NzQ3MDVaMBUxEzARBgNVBAMMCmNvbXByZXNzZWQwOTATBgcqhkjOPQIBBggqhkjO\n"
    "PQMBBwMiAANIv096lCycU52ny8qVuLUG6im1v0nC0gyFZNUU/hZgf6NTMFEwHQYD\n"
    "VR0OBBYEFBnnGLGLhbuOXpx4M3Nm+sREK4RIMB8GA1UdIwQYMBaAFBnnGLGLhbuO\n"
    "Xpx4M3Nm+sREK4RIMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIh\n"
    "AK1dOMeR9rEuH8VSiTf+w+dILfm8852DXBHuTO2Wj88zAiAWhh9qix77XJNsIZ2U\n"
    "dN5SbO0B3z7e8di/4hhQKJ4n8Q==\n"
    "-----END CERTIFICATE-----\n";

static void assert_look_gives_the_hash_of_the_key(const char *pem, bool reads_key)
{
    cleanup(cert_unref) struct cert *look = NULL;
    cleanup(chain_deinit) struct chain chain = {};
    unsigned char of_look[SHA256_LEN], of_cert[SHA256_LEN], of_key[SHA256_LEN];
    struct err err = {};

    ASSERT_OK(leaf_look(pem, strlen(pem), &look, &err));
    ASSERT_OK(chain_from_pem(pem, strlen(pem), &chain, &err));
    ASSERT_EQ(cert_public_key(look) != NULL, reads_key);
    cert_public_hash(look, of_look);
    cert_public_hash(chain.certs[0], of_cert);
    pkey_public_hash(cert_public_key(chain.certs[0]), of_key);
    ASSERT_MEMEQ(of_look, SHA256_LEN, of_key, SHA256_LEN);
    ASSERT_MEMEQ(of_cert, SHA256_LEN, of_key, SHA256_LEN);
}

TEST(a_look_hashes_the_public_key_without_reading_it)
{
    static const struct {
        const char *name;
        enum key_algorithm algorithm;
        int size;
        bool reads_key;
    } rows[] = {
        {"P-256", KEY_ECDSA, 256}, {"P-384", KEY_ECDSA, 384},         {"P-521", KEY_ECDSA, 521},
        {"RSA", KEY_RSA, 2048},    {"Ed25519", KEY_ED25519, 0, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(pkey_unref) const struct pkey *key = NULL;
        cleanup(cert_unref) struct cert *cert = NULL;
        cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
        struct err err = {};

        CASE(rows[i].name);
        ASSERT_OK(pkey_generate(rows[i].algorithm, rows[i].size, &key, &err));
        cert = issue("leaf", false, key, intermediate, ca_key, "2026-01-01T00:00:00Z",
                     "2027-01-01T00:00:00Z");
        add_pem(&pem, cert);
        add_pem(&pem, intermediate);
        assert_look_gives_the_hash_of_the_key(buf_str(&pem), rows[i].reads_key);
    }
    assert_look_gives_the_hash_of_the_key(compressed_pem, true);
}

static char *with_other_point(const struct cert *cert)
{
    static const unsigned char start[] = {0x03, 0x42, 0x00, 0x04};
    cleanup(buf_deinit) struct buf der = BUF(LIMIT_CHAIN_BODY), pem = BUF(LIMIT_CHAIN_BODY);
    unsigned char *point;

    cert_to_der(cert, &der);
    point = memmem(der.data, der.len, start, sizeof(start));
    ASSERT_TRUE(point);
    memset(point + sizeof(start), 0, 64);
    point[sizeof(start) + 63] = 1;
    pem_write(&pem, "CERTIFICATE", der.data, der.len);
    return buf_take(&pem);
}

TEST(a_point_on_no_curve_is_refused_but_only_looked_at_is_another_key)
{
    cleanup(cert_unref) struct cert *look = NULL;
    cleanup(chain_deinit) struct chain chain = {};
    cleanup(xfree) char *pem = with_other_point(leaf);
    unsigned char other[SHA256_LEN], own[SHA256_LEN];
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, chain_from_pem(pem, strlen(pem), &chain, &err));
    ASSERT_OK(leaf_look(pem, strlen(pem), &look, &err));
    cert_public_hash(look, other);
    pkey_public_hash(leaf_key, own);
    ASSERT_TRUE(memcmp(other, own, SHA256_LEN) != 0);
}

TEST(a_look_reads_all_blocks_by_the_rules_of_a_chain)
{
    cleanup(buf_deinit) struct buf pem = BUF(LIMIT_CHAIN_BODY);
    struct cert *look = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, leaf_look("", 0, &look, &err));
    add_pem(&pem, leaf);
    pem_write(&pem, "PRIVATE KEY", "abc", 3);
    ASSERT_ERR(ERR_INVALID, leaf_look(pem.data, pem.len, &look, &err));
    ASSERT_NULL(look);
}

static int make_tree(void **state)
{
    if (pkey_generate(KEY_ECDSA, 256, &ca_key, NULL) < 0 ||
        pkey_generate(KEY_ECDSA, 256, &other_key, NULL) < 0 ||
        pkey_generate(KEY_ECDSA, 256, &leaf_key, NULL) < 0)
        return -1;
    root = issue("root", true, ca_key, NULL, ca_key, "2020-01-01T00:00:00Z",
                 "2040-01-01T00:00:00Z");
    intermediate = issue("intermediate", true, ca_key, root, ca_key, "2020-01-01T00:00:00Z",
                         "2030-01-01T00:00:00Z");
    leaf = issue("leaf", false, leaf_key, intermediate, ca_key, "2026-01-01T00:00:00Z",
                 "2026-04-01T00:00:00Z");
    strlist_add(&wanted_dns, "a.example");
    strlist_add(&wanted_dns, "*.b.example");
    strlist_add(&wanted_ips, "192.0.2.1");
    return 0;
}

TEST(a_chain_is_put_in_order_from_its_first_certificate_upwards)
{
    cleanup(chain_deinit) struct chain upwards = {}, alone = {}, nothing = {};
    struct chain mixed = {.certs = (struct cert *[]){leaf, root, leaf, intermediate, root},
                          .len = 5};
    struct chain one = {.certs = &root, .len = 1}, none = {};

    chain_upwards(&mixed, &upwards);
    ASSERT_EQ(upwards.len, 3);
    ASSERT_TRUE(upwards.certs[0] == leaf);
    ASSERT_TRUE(upwards.certs[1] == intermediate);
    ASSERT_TRUE(upwards.certs[2] == root);
    chain_upwards(&one, &alone);
    ASSERT_EQ(alone.len, 1);
    chain_upwards(&none, &nothing);
    ASSERT_EQ(nothing.len, 0);
}

TEST(certificates_that_signed_nothing_are_left_out_of_an_ordered_chain)
{
    cleanup(chain_deinit) struct chain upwards = {};
    cleanup(cert_unref) struct cert *stranger = issue(
        "root", true, other_key, NULL, other_key, "2025-01-01T00:00:00Z", "2035-01-01T00:00:00Z");
    struct chain mixed = {.certs = (struct cert *[]){leaf, stranger, intermediate}, .len = 3};

    chain_upwards(&mixed, &upwards);
    ASSERT_EQ(upwards.len, 2);
    ASSERT_TRUE(upwards.certs[1] == intermediate);
}

TEST(two_that_have_signed_each_other_are_in_an_ordered_chain_once)
{
    cleanup(cert_unref) struct cert *other = issue("other", true, other_key, NULL, other_key,
                                                   "2025-01-01T00:00:00Z", "2035-01-01T00:00:00Z");
    cleanup(cert_unref) struct cert *by_root = issue(
        "other", true, other_key, root, ca_key, "2025-01-01T00:00:00Z", "2035-01-01T00:00:00Z");
    cleanup(cert_unref) struct cert *by_other = issue(
        "root", true, ca_key, other, other_key, "2025-01-01T00:00:00Z", "2035-01-01T00:00:00Z");
    struct chain crossed = {.certs = (struct cert *[]){intermediate, by_other, by_root, leaf, root},
                            .len = 5};
    cleanup(chain_deinit) struct chain upwards = {};

    chain_upwards(&crossed, &upwards);
    ASSERT_EQ(upwards.len, 3);
    ASSERT_TRUE(upwards.certs[1] == by_other);
    ASSERT_TRUE(upwards.certs[2] == by_root);
}

static int free_tree(void **state)
{
    cert_unref(root);
    cert_unref(intermediate);
    cert_unref(leaf);
    pkey_unref(ca_key);
    pkey_unref(other_key);
    pkey_unref(leaf_key);
    strlist_deinit(&wanted_dns);
    strlist_deinit(&wanted_ips);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_chain_is_accepted_with_and_without_its_root),
        cmocka_unit_test(wrong_order_is_refused),
        cmocka_unit_test(where_the_order_is_wrong_it_says_what_belongs_there),
        cmocka_unit_test(a_ca_of_the_same_name_with_another_key_did_not_sign),
        cmocka_unit_test(a_leaf_for_another_key_is_refused),
        cmocka_unit_test(a_missing_name_is_refused),
        cmocka_unit_test(names_nobody_asked_for_are_reported),
        cmocka_unit_test(dates_are_checked_with_slack_at_the_start_only),
        cmocka_unit_test(an_expired_intermediate_matters_and_an_expired_root_does_not),
        cmocka_unit_test(a_chain_has_only_certificates),
        cmocka_unit_test(no_certificate_is_not_a_chain),
        cmocka_unit_test(chains_are_bounded_in_number_and_bytes),
        cmocka_unit_test(a_bundle_is_bounded_too_and_has_only_certificates),
        cmocka_unit_test(a_bundle_of_many_pushes_out_no_intermediate_that_is_known),
        cmocka_unit_test(a_chain_is_written_as_it_was_read),
        cmocka_unit_test(a_look_hashes_the_public_key_without_reading_it),
        cmocka_unit_test(a_point_on_no_curve_is_refused_but_only_looked_at_is_another_key),
        cmocka_unit_test(a_look_reads_all_blocks_by_the_rules_of_a_chain),
        cmocka_unit_test(a_chain_is_put_in_order_from_its_first_certificate_upwards),
        cmocka_unit_test(certificates_that_signed_nothing_are_left_out_of_an_ordered_chain),
        cmocka_unit_test(two_that_have_signed_each_other_are_in_an_ordered_chain_once),
    };

    return cmocka_run_group_tests(tests, make_tree, free_tree);
}
