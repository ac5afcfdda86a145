#include "base/limits.h"
#include "pki/cert.h"
#include "pki/sign.h"
#include "support/testing.h"

/* By openssl, of Ed25519 keys. */

/* The last one has pathlen:0. */
static const char too_long_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBHjCB0aADAgECAgEBMAUGAytlcDASMRAwDgYDVQQDDAdiZXR3ZWVuMCAXDTI2\n"
    "MTEzMDE3NDY0OFoYDzIxMjYxMTA2MTc0NjQ4WjAPMQ0wCwYDVQQDDARsZWFmMCow\n"
    "BQYDK2VwAyEAhhVD4QOgXPTbiCsiYUAWyQo/fY8L1dno73uEgp2cWZGjTTBLMAkG\n"
    "A1UdEwQCMAAwHQYDVR0OBBYEFEK9GJCZmyroSCIXT/cTbiUaKrp/MB8GA1UdIwQY\n"
    "MBaAFAmvPxHnjWYz4NWjZG7UBTgbYn/RMAUGAytlcANBAMb3rDS+5ZbNWv9GTz7H\n"
    "IBS2bXo0g390a0Lzql/0dzq1kvqoE9n30yAIOhESK/nYb7vct7udHA8R0frxms0e\n"
    "Sww=\n"
    "-----END CERTIFICATE-----\n"
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBJTCB2KADAgECAgEBMAUGAytlcDAQMQ4wDAYDVQQDDAVzaG9ydDAgFw0yNjEx\n"
    "MzAxNzQ2NDhaGA8yMTI2MTEwNjE3NDY0OFowEjEQMA4GA1UEAwwHYmV0d2VlbjAq\n"
    "MAUGAytlcAMhAPvTl7zSsKIzxpnVN5YEj1q8AVTYRSHdREnhK+fPKP+2o1MwUTAP\n"
    "BgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBQJrz8R541mM+DVo2Ru1AU4G2J/0TAf\n"
    "BgNVHSMEGDAWgBRbqzD4uhiEzJqpV1D31ulitkgNkjAFBgMrZXADQQAmW0hniycJ\n"
    "uObTETbDIej2PJ1xrb2cnSVbjT5rqHP/Vo3qAAhdqO+zeEQcHLlIwG/1sWrSIs1H\n"
    "NfXOcKQ8qQYC\n"
    "-----END CERTIFICATE-----\n"
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBBTCBuKADAgECAgEBMAUGAytlcDAQMQ4wDAYDVQQDDAVzaG9ydDAgFw0yNjEx\n"
    "MzAxNzQ2NDhaGA8yMTI2MTEwNjE3NDY0OFowEDEOMAwGA1UEAwwFc2hvcnQwKjAF\n"
    "BgMrZXADIQAmuX/7uF2v35+TTnmMqiU2A9DiSGLE9Yggnv0qBV+HL6M1MDMwEgYD\n"
    "VR0TAQH/BAgwBgEB/wIBADAdBgNVHQ4EFgQUW6sw+LoYhMyaqVdQ99bpYrZIDZIw\n"
    "BQYDK2VwA0EAmU2YSo31R8mOk5/RP60Y3bEGIqcnNxNn1pVfRVyY0MqcAsb9M61o\n"
    "ddSVi+wYf3k4l/n8q+ifHtLsqRKGprTXDA==\n"
    "-----END CERTIFICATE-----\n";

/* The second one has the key usage cRLSign alone. */
static const char mute_pem[] = "-----BEGIN CERTIFICATE-----\n"
                               "MIIBHDCBz6ADAgECAgEBMAUGAytlcDAPMQ0wCwYDVQQDDARtdXRlMCAXDTI2MTEz\n"
                               "MDE3NDY0OFoYDzIxMjYxMTA2MTc0NjQ4WjAQMQ4wDAYDVQQDDAVsZWFmMjAqMAUG\n"
                               "AytlcAMhAEHj7Kvra0yjfjr+c47wwMWIUqk/ncQrsZmyJoygiIilo00wSzAJBgNV\n"
                               "HRMEAjAAMB0GA1UdDgQWBBQduVtNqpHYTbZn4IffMJ1EwkKa4zAfBgNVHSMEGDAW\n"
                               "gBTmit1sIKj4xQsUE2bLqzWNWMG/SDAFBgMrZXADQQCtdrI8ScxQSZ6CEOAnyYrQ\n"
                               "EzydiLXhan1Fd4OXD3rXrKh5qTy7lGIw3+XWmOwzF498lys31xhRuAUuj2WSgtkG\n"
                               "-----END CERTIFICATE-----\n"
                               "-----BEGIN CERTIFICATE-----\n"
                               "MIIBEDCBw6ADAgECAgEBMAUGAytlcDAPMQ0wCwYDVQQDDARtdXRlMCAXDTI2MTEz\n"
                               "MDE3NDY0OFoYDzIxMjYxMTA2MTc0NjQ4WjAPMQ0wCwYDVQQDDARtdXRlMCowBQYD\n"
                               "K2VwAyEAGgMIllEEzV4dyqvrysWESa5OtsPRwiUBwbiaYHCm3ZqjQjBAMA8GA1Ud\n"
                               "EwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgECMB0GA1UdDgQWBBTmit1sIKj4xQsU\n"
                               "E2bLqzWNWMG/SDAFBgMrZXADQQAW8EUjQuGxNArgGoymguPd/VS1CfPBs4BQvhME\n"
                               "WkY1nbrJwlaisTW+zrt/rUEWUR60vZcGOGIu9Nztg5e43QMN\n"
                               "-----END CERTIFICATE-----\n";

/* The extension 1.2.3.4 is critical. */
static const char odd_pem[] = "-----BEGIN CERTIFICATE-----\n"
                              "MIH7MIGuoAMCAQICAQEwBQYDK2VwMA4xDDAKBgNVBAMMA29kZDAgFw0yNjExMzAx\n"
                              "NzQ2NDhaGA8yMTI2MTEwNjE3NDY0OFowDjEMMAoGA1UEAwwDb2RkMCowBQYDK2Vw\n"
                              "AyEA0plga58mSk2nTp1LrAtESrWNmC00Kwp9Kd99MrriOt6jLzAtMAwGAyoDBAEB\n"
                              "/wQCBQAwHQYDVR0OBBYEFFVdYPAOH58/H+LRaIHoMHUxkgDIMAUGAytlcANBAFYz\n"
                              "br1cehQFcmguX+yWWXvYdGxIG4IHy1zKrR//NHLAyiEwFB+3HOW7mfvEX6VxvFcb\n"
                              "KBt56G3xFbfnKohiDgw=\n"
                              "-----END CERTIFICATE-----\n";

/* Name constraints that are an OCTET STRING. */
static const char broken_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBDzCBwqADAgECAgEBMAUGAytlcDARMQ8wDQYDVQQDDAZicm9rZW4wIBcNMjYx\n"
    "MTMwMTc0NjQ4WhgPMjEyNjExMDYxNzQ2NDhaMBExDzANBgNVBAMMBmJyb2tlbjAq\n"
    "MAUGAytlcAMhAKLOXzpY3Mks9mL0pRkPZe5CPBPSaBLFhAoiOoqexRlboz0wOzAP\n"
    "BgNVHRMBAf8EBTADAQH/MAkGA1UdHgQCBAAwHQYDVR0OBBYEFK07DuVD0LYb+gRo\n"
    "Nrr/h1Q/M5ObMAUGAytlcANBADKY8J7z/T0XRBSl8nh3LG2BAUYKEvwWqGDJhMNd\n"
    "fgS2GRJ42YmRbWVY853epJNe4MlOn+xqqij27/rBVnKiHwU=\n"
    "-----END CERTIFICATE-----\n";

/* The first one's authorityKeyIdentifier is not the second one's subjectKeyIdentifier. */
static const char rekeyed_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBAjCBtaADAgECAgEBMAUGAytlcDASMRAwDgYDVQQDDAdyZWtleWVkMCAXDTI2\n"
    "MTEzMDE3NDY0OFoYDzIxMjYxMTA2MTc0NjQ4WjAQMQ4wDAYDVQQDDAVsZWFmMzAq\n"
    "MAUGAytlcAMhAO89LMgoc14bFd6joCxONw390te18gOQ2JCqv6eY4TLzozAwLjAN\n"
    "BgNVHSMEBjAEgAIBAjAdBgNVHQ4EFgQUVWLHtHBjlAMWDpZxuP9zo3BIOdQwBQYD\n"
    "K2VwA0EAPeYU8MtYUzL3yHmfC7r4m1riSr8apZGV3dOaND78n4AqcOEVw9sAI8ui\n"
    "YBYCFZb7/BCp+YCiRe8PjBKCuiIZCw==\n"
    "-----END CERTIFICATE-----\n"
    "-----BEGIN CERTIFICATE-----\n"
    "MIH0MIGnoAMCAQICAQEwBQYDK2VwMBIxEDAOBgNVBAMMB3Jla2V5ZWQwIBcNMjYx\n"
    "MTMwMTc0NjQ4WhgPMjEyNjExMDYxNzQ2NDhaMBIxEDAOBgNVBAMMB3Jla2V5ZWQw\n"
    "KjAFBgMrZXADIQB2wmPqpsLeZeJ+IBELl/fBNCz0HkIYFVYMZdUslb1JeaMgMB4w\n"
    "DwYDVR0TAQH/BAUwAwEB/zALBgNVHQ4EBAQCAQMwBQYDK2VwA0EAsIz2IeMdHm/z\n"
    "7+zv75sy8WtEgS8v+PKwwtZGDs4dP0tr9lAODTivdtDvEptQX0jK92RMg1w4xM0S\n"
    "/dLZhNDaCA==\n"
    "-----END CERTIFICATE-----\n";

static const struct pkey *key;

typedef void judge_fn(const struct chain *path, const struct strlist *places, struct strlist *ret);

/* What is found, one finding a line, of certificates that are called 1, 2, ... */
static char *found_by(judge_fn *judge, const struct chain *path)
{
    cleanup(strlist_deinit) struct strlist places = {}, found = {};

    for (size_t i = 0; i < path->len; i++)
        strlist_add_take(&places, xasprintf("%zu", i + 1));
    judge(path, &places, &found);
    return strlist_join(&found, "\n");
}

static char *judge(const struct chain *path)
{
    return found_by(chain_judge, path);
}

static char *refusals(const struct chain *path)
{
    return found_by(chain_refusals, path);
}

TEST(what_clients_refuse_in_a_chain_is_told_with_what_to_do)
{
    static const struct {
        const char *name;
        bool is_certain;
        const char *pem, *says;
    } rows[] = {
        {"path length", true, too_long_pem,
         "3 may have 0 CAs below it (basicConstraints, pathLenConstraint) and has 1: get a "
         "certificate from a CA within that limit, or a CA without it"},
        {"key usage", true, mute_pem,
         "2 may not sign certificates, as its key usage lacks keyCertSign: have it issued anew "
         "with 'cert sign' among its usages"},
        {"critical extension", true, odd_pem,
         "1 has the critical extension 1.2.3.4, which clients do not know and so have to refuse: "
         "have it issued without, or with it not critical"},
        {"malformed", false, broken_pem,
         "1 has extensions that are malformed or contradict each other: have it issued anew"},
        {"another key", false, rekeyed_pem,
         "1 says that another key has signed it (authorityKeyIdentifier) than that of 2: put the "
         "certificate of the CA that it means in that place"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(chain_deinit) struct chain chain = {};
        cleanup(xfree) char *found = NULL, *certain = NULL;
        struct err err = {};

        CASE(rows[i].name);
        ASSERT_OK(chain_from_pem(rows[i].pem, strlen(rows[i].pem), &chain, &err));
        ASSERT_OK(chain_verify(
            &chain,
            &(struct chain_expectation){.now_ms = cert_not_before_ms(chain.certs[0]) + DAYS(1)},
            NULL, &err));
        found = judge(&chain);
        certain = refusals(&chain);
        ASSERT_STREQ(found, rows[i].says);
        ASSERT_STREQ(certain, rows[i].is_certain ? rows[i].says : "");
    }
}

TEST(a_limit_that_is_above_the_chain_is_not_seen)
{
    cleanup(chain_deinit) struct chain chain = {};
    cleanup(xfree) char *found = NULL;
    struct err err = {};

    ASSERT_OK(chain_from_pem(too_long_pem, strlen(too_long_pem), &chain, &err));
    cert_unref(chain.certs[--chain.len]);
    found = judge(&chain);
    ASSERT_STREQ(found, "");
}

/* --- names --- */

static struct cert *sign(const struct cert_template *like)
{
    struct cert_template template = *like;
    struct cert *cert = NULL;
    struct err err = {};

    template.issuer_key = key;
    template.not_before_ms = AT("2026-01-01T00:00:00Z");
    template.not_after_ms = AT("2036-01-01T00:00:00Z");
    ASSERT_OK(cert_sign(&template, &cert, &err));
    return cert;
}

static struct cert *make_ca(const char *name, const struct name_bounds *bounds,
                            const struct cert *issuer)
{
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup(name)};
    cleanup(csr_free) struct csr *csr = NULL;
    struct csr_request request = {.names = &names, .bounds = bounds, .is_ca = true};
    struct err err = {};

    ASSERT_OK(csr_new(&request, key, &csr, &err));
    return sign(&(struct cert_template){.csr = csr, .is_ca = true, .issuer = issuer});
}

enum kind { DNS, IP, EMAIL, URI };

static struct strlist *bounds_of(struct subtrees *subtrees, enum kind kind)
{
    struct strlist *const lists[] = {&subtrees->dns_domains, &subtrees->ip_ranges,
                                     &subtrees->email_addresses, &subtrees->uri_domains};

    return lists[kind];
}

static struct strlist *names_of(struct x509_names *names, enum kind kind)
{
    struct strlist *const lists[] = {&names->dns_names, &names->ip_addresses,
                                     &names->email_addresses, &names->uris};

    return lists[kind];
}

/* A root, a CA and a leaf, without limits; the caller puts one of its own in place. */
static void make_path(const struct name_bounds *of_root, const struct name_bounds *of_ca,
                      struct x509_names *names, struct chain *ret)
{
    struct cert *root = make_ca("root", of_root, NULL);
    struct cert *ca = make_ca("ca", of_ca, root);
    struct cert *leaf = sign(
        &(struct cert_template){.names = names, .public_key = key, .issuer = ca});

    *ret = (struct chain){.certs = xcalloc(3, sizeof(struct cert *)), .len = 3};
    ret->certs[0] = leaf;
    ret->certs[1] = ca;
    ret->certs[2] = root;
}

/* Some clients do without it. */
static bool is_certain(const char *says)
{
    return says && !strstr(says, "not to be compared") && !strstr(says, "common name");
}

/* `says` of what number `by` has against the leaf; NULL: nothing. */
static void assert_found(const struct name_bounds *of_root, const struct name_bounds *of_ca,
                         struct x509_names *names, size_t by, const char *says)
{
    cleanup(chain_deinit) struct chain path = {};
    cleanup(xfree) char *found = NULL, *certain = NULL, *begin = NULL;

    make_path(of_root, of_ca, names, &path);
    found = judge(&path);
    certain = refusals(&path);
    ASSERT_STREQ(certain, is_certain(says) ? found : "");
    ASSERT_EQ(cert_names_fit(path.certs[0], path.certs[by - 1]),
              !says || strstr(says, "common name"));
    begin = xasprintf("1 has names that %zu may not sign (name constraints: ", by);
    ASSERT_EQ(str_empty(found), !says);
    ASSERT_CONTAINS(found, says ? begin : "");
    ASSERT_CONTAINS(found, says ? says : "");
}

TEST(names_that_a_ca_may_not_sign_are_told_each)
{
    static const struct {
        bool excluded;
        enum kind kind;
        const char *bounds, *names, *common_name, *says; /* NULL: all are fine */
    } rows[] = {
        {false, DNS, "in.test", "in.test,a.in.test", "x", NULL},
        {false, DNS, "in.test", "in.test,out.test", "x", "permitted): DNS name 'out.test';"},
        {false, DNS, ".in.test", "in.test", "x", "permitted): DNS name 'in.test';"},
        {true, DNS, "in.test", "a.in.test,b.in.test,out.test", "x",
         "excluded): DNS name 'a.in.test', DNS name 'b.in.test';"},
        {true, DNS, "test", "0.test,1.test,2.test,3.test,4.test,5.test,6.test,7.test,8.test", "x",
         "DNS name '7.test' and 1 more; leave them out"},
        {true, DNS, "", "a.test", "x", "excluded): DNS name 'a.test';"},
        {false, DNS, "in.test", "", "out.test", "permitted): common name 'out.test';"},
        {true, DNS, "test", "", "john.test", "excluded): common name 'john.test';"},
        {false, DNS, "in.test", "", "out test", NULL}, /* that is no DNS name */
        {false, DNS, "in.test", "in.test", "out.test", NULL},
        {false, IP, "10.0.0.0/8", "10.1.2.3", "x", NULL},
        {false, IP, "10.0.0.0/8", "10.1.2.3,11.0.0.1,fd00::1", "x",
         "permitted): IP address 11.0.0.1, IP address fd00::1;"},
        {true, IP, "fd00::/8", "fd00::1,fe80::1", "x", "excluded): IP address fd00::1;"},
        {false, EMAIL, "in.test", "a@in.test,a@b.in.test", "x",
         "permitted): e-mail address 'a@b.in.test';"},
        {true, EMAIL, "a@in.test", "a@in.test,b@in.test", "x",
         "excluded): e-mail address 'a@in.test';"},
        {false, URI, ".in.test", "https://a.in.test/x", "x", NULL},
        {false, URI, "in.test", "spiffe://out.test/x", "x",
         "permitted): URI 'spiffe://out.test/x';"},
        {true, URI, "in.test", "urn:a:b", "x",
         "not to be compared with what is permitted or excluded): URI 'urn:a:b';"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(name_bounds_deinit) struct name_bounds bounds = {.critical = i % 2};
        cleanup(x509_names_deinit) struct x509_names names = {};
        struct subtrees *subtrees = rows[i].excluded ? &bounds.excluded : &bounds.permitted;

        CASE(rows[i].names);
        strlist_add(bounds_of(subtrees, rows[i].kind), rows[i].bounds);
        strlist_split(names_of(&names, rows[i].kind), rows[i].names, ',');
        names.common_name = xstrdup(rows[i].common_name);
        assert_found(&bounds, NULL, &names, 3, rows[i].says); /* the root's count as well */
        assert_found(NULL, &bounds, &names, 2, rows[i].says);
    }
}

TEST(names_of_a_ca_in_between_count_as_well)
{
    cleanup(name_bounds_deinit) struct name_bounds bounds = {};
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup("x")};
    cleanup(x509_names_deinit) struct x509_names of_ca = {.common_name = xstrdup("ca")};
    cleanup(chain_deinit) struct chain path = {};
    cleanup(xfree) char *found = NULL;

    strlist_add(&bounds.permitted.dns_domains, "in.test");
    make_path(&bounds, NULL, &names, &path);
    strlist_add(&of_ca.dns_names, "out.test");
    cert_unref(path.certs[1]);
    path.certs[1] = sign(
        &(struct cert_template){.names = &of_ca, .is_ca = true, .issuer = path.certs[2]});
    found = judge(&path);
    ASSERT_CONTAINS(found, "2 has names that 3 may not sign (name constraints: outside of what is "
                           "permitted): DNS name 'out.test'; leave them out");
}

/* --- the path --- */

static struct cert *make_leaf(const struct cert *issuer)
{
    cleanup(x509_names_deinit) struct x509_names names = {.common_name = xstrdup("leaf")};

    strlist_add(&names.dns_names, "out.test");
    return sign(&(struct cert_template){.names = &names, .public_key = key, .issuer = issuer});
}

/* Takes them; NULL ends. */
static struct chain chain_of(struct cert *first, struct cert *second, struct cert *third)
{
    struct cert *certs[] = {first, second, third};
    struct chain chain = {.certs = xcalloc(ARRAY_LEN(certs), sizeof(*certs))};

    while (chain.len < ARRAY_LEN(certs) && certs[chain.len]) {
        chain.certs[chain.len] = certs[chain.len];
        chain.len++;
    }
    return chain;
}

static char *path_refusals(const struct chain *chain, const struct chain *ca, char **ret_places)
{
    cleanup(chain_deinit) struct chain path = {};
    cleanup(strlist_deinit) struct strlist places = {};

    chain_path(chain, ca, &path, &places);
    *ret_places = strlist_join(&places, ", ");
    return chain_refusal_text(chain, ca);
}

/* Of a CA that another one has signed too, what that one lets it sign is no matter to who trusts the CA itself. */
TEST(a_cross_signed_ca_is_judged_as_it_stands_in_ca_crt)
{
    cleanup(name_bounds_deinit) struct name_bounds bounds = {};
    cleanup(cert_unref) struct cert *other = NULL;
    cleanup(chain_deinit) struct chain chain = {}, ca = {}, bundle = {}, none = {};
    cleanup(xfree) char *found = NULL, *alone = NULL, *places = NULL, *places_alone = NULL;
    cleanup(xfree) char *of_bundle = NULL, *places_of_bundle = NULL;

    strlist_add(&bounds.permitted.dns_domains, "in.test");
    other = make_ca("other", &bounds, NULL);
    ca = chain_of(make_ca("root", NULL, NULL), NULL, NULL);
    chain = chain_of(make_leaf(ca.certs[0]), make_ca("root", NULL, other), cert_ref(other));
    found = path_refusals(&chain, &ca, &places);
    ASSERT_STREQ(places, "certificate 1 of the chain ('CN=leaf'), certificate 1 of ca.crt "
                         "('CN=root')");
    ASSERT_NULL(found);
    bundle = chain_of(cert_ref(chain.certs[1]), cert_ref(other), cert_ref(ca.certs[0]));
    of_bundle = path_refusals(&chain, &bundle, &places_of_bundle);
    ASSERT_STREQ(places_of_bundle, "certificate 1 of the chain ('CN=leaf'), certificate 3 of "
                                   "ca.crt ('CN=root')");
    ASSERT_NULL(of_bundle);
    alone = path_refusals(&chain, &none, &places_alone);
    ASSERT_CONTAINS(places_alone, "certificate 3 of the chain ('CN=other')");
    ASSERT_CONTAINS(alone, "certificate 1 of the chain ('CN=leaf') has names that certificate 3 of "
                           "the chain ('CN=other') may not sign");
}

TEST(what_is_only_not_trusted_or_not_there_is_no_refusal)
{
    struct cert *root = make_ca("root", NULL, NULL), *middle = make_ca("middle", NULL, root),
                *leaf = make_leaf(middle), *self = make_leaf(NULL);
    const struct {
        const char *name;
        struct chain chain, ca;
    } rows[] = {
        {"nothing", chain_of(NULL, NULL, NULL), {}},
        {"a leaf alone", chain_of(cert_ref(leaf), NULL, NULL), {}},
        {"without its root", chain_of(cert_ref(leaf), cert_ref(middle), NULL), {}},
        {"with an own root", chain_of(cert_ref(leaf), cert_ref(middle), NULL),
         chain_of(cert_ref(root), NULL, NULL)},
        {"a self-signed leaf", chain_of(cert_ref(self), NULL, NULL),
         chain_of(cert_ref(self), NULL, NULL)},
        {"a root of somebody else", chain_of(cert_ref(leaf), cert_ref(middle), NULL),
         chain_of(cert_ref(self), NULL, NULL)},
        {"a CA", chain_of(cert_ref(middle), cert_ref(root), NULL), {}},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(chain_deinit) struct chain chain = rows[i].chain, ca = rows[i].ca;
        cleanup(xfree) char *places = NULL, *found = path_refusals(&chain, &ca, &places);

        CASE(rows[i].name);
        ASSERT_NULL(found);
    }
    cert_unref(root);
    cert_unref(middle);
    cert_unref(leaf);
    cert_unref(self);
}

/* Who asks is told all of it; nobody else waits for that. */
TEST(of_thousands_of_names_only_the_first_are_looked_at_unasked)
{
    cleanup(name_bounds_deinit) struct name_bounds bounds = {};
    cleanup(x509_names_deinit) struct x509_names names = {};
    cleanup(chain_deinit) struct chain path = {};
    cleanup(xfree) char *found = NULL, *certain = NULL;

    strlist_add(&bounds.permitted.dns_domains, "in.test");
    for (int i = 0; i < 2000; i++)
        strlist_add_take(&names.dns_names, xasprintf("%d.test", i));
    make_path(NULL, &bounds, &names, &path);
    found = judge(&path);
    certain = refusals(&path);
    ASSERT_CONTAINS(found, "DNS name '7.test' and 1992 more;");
    ASSERT_CONTAINS(certain, "DNS name '7.test' and 992 more;");
}

static int make_key(void **state)
{
    return pkey_generate(KEY_ECDSA, 256, &key, NULL);
}

static int free_key(void **state)
{
    pkey_unref(key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_clients_refuse_in_a_chain_is_told_with_what_to_do),
        cmocka_unit_test(a_limit_that_is_above_the_chain_is_not_seen),
        cmocka_unit_test(names_that_a_ca_may_not_sign_are_told_each),
        cmocka_unit_test(names_of_a_ca_in_between_count_as_well),
        cmocka_unit_test(a_cross_signed_ca_is_judged_as_it_stands_in_ca_crt),
        cmocka_unit_test(what_is_only_not_trusted_or_not_there_is_no_refusal),
        cmocka_unit_test(of_thousands_of_names_only_the_first_are_looked_at_unasked),
    };

    return cmocka_run_group_tests(tests, make_key, free_key);
}
