#include "secrets.h"
#include "solver/solver.h"

static const struct secret_row rows[] = {
    {"default/tsig", "secret", "c2VjcmV0\n"},
    {"default/raw", "secret", "not base64!"},
    {"default/empty", "secret", " \n"},
};

static struct secret_key_selector tsig = {"tsig", "secret"}, missing = {"absent", "secret"},
                                  other_key = {"tsig", "other"}, raw = {"raw", "secret"},
                                  empty = {"empty", "secret"}, half = {"tsig", NULL};
static struct dns01_webhook webhook = {"acme.example.com", "solver", NULL};
static const char *bad_nameserver[] = {"192.0.2.1:0"};

static struct acme_dns01 with(struct dns01_rfc2136 *config)
{
    return (struct acme_dns01){.rfc2136 = config};
}

static int check(struct acme_dns01 dns01, bool with_store, struct err *err)
{
    struct context ctx = context_background(clock_system());
    struct secrets secrets = secrets_of(rows, ARRAY_LEN(rows));
    struct acme_solver solver = {.dns01 = &dns01};

    return solver_check_config(with_store ? &secrets.store : NULL, &ctx, &solver, "default", err);
}

TEST(rfc2136_is_complete_or_the_message_says_what_is_missing)
{
    static const struct {
        const char *name;
        struct dns01_rfc2136 config;
        int code;
        const char *text;
    } cases[] = {
        {"unsigned", {"192.0.2.1"}, 0, ""},
        {"ipv6", {"[2001:db8::1]:5353", .protocol = RFC2136_TCP}, 0, ""},
        {"signed", {"ns.example.com:53", &tsig, "key."}, 0, ""},
        {"any case", {"192.0.2.1", &tsig, "key.", "hmacsha256"}, 0, ""},
        {"no server", {NULL}, ERR_INVALID, "nameserver is missing"},
        {"no host", {":53"}, ERR_INVALID, "':53'"},
        {"https", {"https://192.0.2.1/dns-query"}, ERR_INVALID, "do not go over https"},
        {"algorithm", {"192.0.2.1", &tsig, "key.", "HMACSHA224"}, ERR_INVALID, "HMACSHA224"},
        {"no key name", {"192.0.2.1", &tsig, ""}, ERR_INVALID, "tsigKeyName is needed"},
        {"no secret", {"192.0.2.1", NULL, "key."}, ERR_INVALID, "tsigSecretSecretRef is needed"},
        {"no key", {"192.0.2.1", &half, "key."}, ERR_INVALID, "needs 'name' and 'key'"},
        {"secret is missing", {"192.0.2.1", &missing, "key."}, ERR_NOT_FOUND, "'default/absent'"},
        {"key is missing", {"192.0.2.1", &other_key, "key."}, ERR_NOT_FOUND, "no key 'other'"},
        {"raw bytes", {"192.0.2.1", &raw, "key."}, ERR_INVALID, "as base64 text"},
        {"empty", {"192.0.2.1", &empty, "key."}, ERR_INVALID, "it is empty"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct dns01_rfc2136 config = cases[i].config;
        struct err err = {};

        CASE(cases[i].name);
        ASSERT_EQ(check(with(&config), true, &err), cases[i].code);
        ASSERT_CONTAINS(err.text, cases[i].text);
        ASSERT_NULL(strstr(err.text, "not base64!"));
    }
}

TEST(without_a_store_secrets_are_not_looked_at)
{
    struct dns01_rfc2136 config = {"192.0.2.1", &missing, "key."};
    struct err err = {};

    ASSERT_OK(check(with(&config), false, &err));
}

TEST(a_provider_that_is_not_built_is_named)
{
    struct json *some = json_new_map();
    const struct {
        const char *name;
        struct acme_dns01 dns01;
    } cases[] = {
        {"'akamai'", {.akamai = some}},
        {"'azureDNS'", {.azure_dns = some}},
        {"'cloudDNS'", {.cloud_dns = some}},
        {"'cloudflare'", {.cloudflare = some}},
        {"'digitalocean'", {.digitalocean = some}},
        {"'route53'", {.route53 = some}},
        {"'acmeDNS'", {.acme_dns = some}},
        {"'webhook'", {.webhook = &webhook}},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {};

        CASE(cases[i].name);
        ASSERT_ERR(ERR_UNSUPPORTED, check(cases[i].dns01, true, &err));
        ASSERT_CONTAINS(err.text, cases[i].name);
    }
    json_unref(some);
}

TEST(exactly_one_provider_is_needed)
{
    struct dns01_rfc2136 config = {"192.0.2.1"};
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, check((struct acme_dns01){}, true, &err));
    ASSERT_CONTAINS(err.text, "names no provider");
    ASSERT_ERR(ERR_INVALID,
               check((struct acme_dns01){.rfc2136 = &config, .webhook = &webhook}, true, &err));
    ASSERT_CONTAINS(err.text, "both 'rfc2136' and 'webhook'");
}

TEST(a_name_server_that_cannot_be_read_is_refused)
{
    struct dns01_rfc2136 config = {"192.0.2.1"};
    struct acme_dns01 dns01 = {.rfc2136 = &config, .nameservers = {bad_nameserver, 1}};
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, check(dns01, true, &err));
    ASSERT_CONTAINS(err.text, "dns01.nameservers");
}

TEST(a_solver_is_http01_or_dns01)
{
    struct context ctx = context_background(clock_system());
    struct dns01_rfc2136 config = {"192.0.2.1"};
    struct acme_http01 http01 = {};
    struct acme_dns01 dns01 = with(&config);
    struct acme_solver solver = {};
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, solver_check_config(NULL, &ctx, &solver, "default", &err));
    solver.http01 = &http01;
    ASSERT_OK(solver_check_config(NULL, &ctx, &solver, "default", &err));
    solver.dns01 = &dns01;
    ASSERT_ERR(ERR_INVALID, solver_check_config(NULL, &ctx, &solver, "default", &err));
    solver.http01 = NULL;
    ASSERT_OK(solver_check_config(NULL, &ctx, &solver, "default", &err));
}

TEST(each_challenge_type_has_its_row)
{
    ASSERT_STREQ(solver_of(CHALLENGE_HTTP01)->acme_type, "http-01");
    ASSERT_STREQ(solver_of(CHALLENGE_DNS01)->acme_type, "dns-01");
    ASSERT_NULL(solver_of(CHALLENGE_NONE));
}

RUN_TESTS(cmocka_unit_test(rfc2136_is_complete_or_the_message_says_what_is_missing),
          cmocka_unit_test(without_a_store_secrets_are_not_looked_at),
          cmocka_unit_test(a_provider_that_is_not_built_is_named),
          cmocka_unit_test(exactly_one_provider_is_needed),
          cmocka_unit_test(a_name_server_that_cannot_be_read_is_refused),
          cmocka_unit_test(a_solver_is_http01_or_dns01),
          cmocka_unit_test(each_challenge_type_has_its_row));
