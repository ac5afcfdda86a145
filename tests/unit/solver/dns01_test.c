#include "api/secret.h"
#include "cache/write.h"
#include "secrets.h"
#include "solver/solver.h"
#include "unit/dns/zones.h"

#define VALUE "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
#define NAME  "_acme-challenge.www.example.com."

static const struct secret_row secret_rows[] = {{"certs/tsig", "secret", "c2VjcmV0"}};

static const struct secret_row rotated_rows[] = {{"certs/tsig", "secret", "bmV3ZXI="}};

struct bed {
    struct zones zones; /* first: the fake's argument for questions and updates */
    int updates;
    struct dns_update last;
    char zone[256], name[256], value[256], key_name[64], secret[64];
    struct dns_server server;
    int update_result;
    const char *refused_secret; /* updates that it signs are denied; NULL: none */
    struct secrets secrets;
    struct solvers solvers;
    struct dns01_rfc2136 rfc2136;
    struct acme_dns01 dns01;
    struct acme_solver solver;
    struct solver_task task;
    struct context ctx;
};

static int record_update(void *arg, const struct context *ctx, const struct dns_server *server,
                         const struct dns_update *update, struct err *err)
{
    struct bed *bed = arg;

    bed->updates++;
    bed->last = *update;
    bed->server = *server;
    snprintf(bed->zone, sizeof(bed->zone), "%s", update->zone);
    snprintf(bed->name, sizeof(bed->name), "%s", update->name);
    snprintf(bed->value, sizeof(bed->value), "%s", update->value);
    if (update->tsig) {
        snprintf(bed->key_name, sizeof(bed->key_name), "%s", update->tsig->key_name);
        snprintf(bed->secret, sizeof(bed->secret), "%.*s", (int)update->tsig->secret_len,
                 (const char *)update->tsig->secret);
    }
    if (bed->refused_secret && streq(bed->secret, bed->refused_secret))
        return err_set(err, ERR_DENIED, "not with this key");
    return bed->update_result < 0 ? err_set(err, bed->update_result, "as the test says") : 0;
}

static void bed_init(struct bed *bed, const struct zone_row *rows, size_t len)
{
    struct dns_fake fake = {zones_exchange, record_update, bed};

    *bed = (struct bed){.zones = {.rows = rows, .len = len}};
    bed->ctx = context_background(clock_system());
    bed->secrets = secrets_of(secret_rows, ARRAY_LEN(secret_rows));
    bed->solvers.store = &bed->secrets.store;
    bed->solvers.dns = dns_new_fake(&fake);
    zones_servers(&bed->solvers.recursive, "192.0.2.53");
    bed->rfc2136 = (struct dns01_rfc2136){.nameserver = "192.0.2.100"};
    bed->dns01.rfc2136 = &bed->rfc2136;
    bed->solver.dns01 = &bed->dns01;
    bed->task = (struct solver_task){.dns_name = "www.example.com",
                                     .token = "token",
                                     .key = VALUE,
                                     .solver = &bed->solver,
                                     .secret_namespace = "certs"};
}

static void bed_deinit(struct bed *bed)
{
    dns_free(bed->solvers.dns);
    dns_servers_deinit(&bed->solvers.recursive);
}
DEFINE_CLEANUP_VALUE(struct bed, bed_deinit);

#define SETUP(rows)                                                                                \
    cleanup(bed_deinit) struct bed bed = {};                                                       \
    struct err err = {};                                                                           \
                                                                                                   \
    bed_init(&bed, rows, ARRAY_LEN(rows))

#define ZONE(name_)                                                                                \
    {                                                                                              \
        NULL, name_, DNS_SOA, DNS_NOERROR,                                                         \
        {                                                                                          \
            {                                                                                      \
                NULL, DNS_SOA, "ns1.example.com."                                                  \
            }                                                                                      \
        }                                                                                          \
    }
#define TWO_SERVERS                                                                                \
    {NULL,                                                                                         \
     "example.com.",                                                                               \
     DNS_NS,                                                                                       \
     DNS_NOERROR,                                                                                  \
     {{NULL, DNS_NS, "ns1.example.com."}, {NULL, DNS_NS, "ns2.example.com."}}},                    \
        {NULL, "ns1.example.com.", DNS_A, DNS_NOERROR, {{NULL, DNS_A, "192.0.2.1"}}},              \
    {                                                                                              \
        NULL, "ns2.example.com.", DNS_A, DNS_NOERROR,                                              \
        {                                                                                          \
            {                                                                                      \
                NULL, DNS_A, "192.0.2.2"                                                           \
            }                                                                                      \
        }                                                                                          \
    }
#define TXT(server_, name_, value_)                                                                \
    {                                                                                              \
        server_, name_, DNS_TXT, DNS_NOERROR,                                                      \
        {                                                                                          \
            {                                                                                      \
                NULL, DNS_TXT, value_                                                              \
            }                                                                                      \
        }                                                                                          \
    }
#define CNAME(name_, target_)                                                                      \
    {                                                                                              \
        NULL, name_, DNS_CNAME, DNS_NOERROR,                                                       \
        {                                                                                          \
            {                                                                                      \
                NULL, DNS_CNAME, target_                                                           \
            }                                                                                      \
        }                                                                                          \
    }

static const struct zone_row plain_zone[] = {ZONE("example.com.")};

static int present(struct bed *bed, struct err *err)
{
    return solver_dns01.present(&bed->solvers, &bed->ctx, &bed->task, err);
}

static int clean_up(struct bed *bed, struct err *err)
{
    return solver_dns01.clean_up(&bed->solvers, &bed->ctx, &bed->task, err);
}

static int check(struct bed *bed, struct err *err)
{
    return solver_dns01.check(&bed->solvers, &bed->ctx, &bed->task, err);
}

/* --- present and clean up --- */

TEST(the_record_is_added_to_its_zone_and_deleted_by_its_exact_value)
{
    SETUP(plain_zone);

    ASSERT_OK(present(&bed, &err));
    ASSERT_STREQ(bed.zone, "example.com.");
    ASSERT_STREQ(bed.name, NAME);
    ASSERT_STREQ(bed.value, VALUE);
    ASSERT_EQ(bed.last.ttl, 60);
    ASSERT_FALSE(bed.last.is_delete);
    ASSERT_NULL(bed.last.tsig);
    ASSERT_STREQ(bed.server.address, "192.0.2.100");
    ASSERT_EQ(bed.server.port, 53);
    ASSERT_EQ(bed.server.transport, DNS_UDP);

    ASSERT_OK(clean_up(&bed, &err));
    ASSERT_TRUE(bed.last.is_delete);
    ASSERT_STREQ(bed.name, NAME);
    ASSERT_STREQ(bed.value, VALUE);
    ASSERT_EQ(bed.updates, 2);
}

TEST(a_zone_cut_below_the_registered_domain_is_respected)
{
    static const struct zone_row rows[] = {ZONE("www.example.com."), ZONE("example.com.")};
    SETUP(rows);

    ASSERT_OK(present(&bed, &err));
    ASSERT_STREQ(bed.zone, "www.example.com.");
}

TEST(the_nameserver_protocol_and_key_are_those_of_the_solver)
{
    static struct secret_key_selector ref = {"tsig", "secret"};
    static const struct {
        const char *nameserver;
        int protocol;
        const char *algorithm;
        const char *address;
        int port, transport, tsig;
    } cases[] = {
        {"192.0.2.7", RFC2136_PROTOCOL_DEFAULT, NULL, "192.0.2.7", 53, DNS_UDP, TSIG_HMAC_MD5},
        {"[2001:db8::1]", RFC2136_UDP, "HMACSHA1", "2001:db8::1", 53, DNS_UDP, TSIG_HMAC_SHA1},
        {"[2001:db8::1]:5353", RFC2136_TCP, "hmacsha256", "2001:db8::1", 5353, DNS_TCP,
         TSIG_HMAC_SHA256},
        {"bind.dns.svc:5353", RFC2136_TCP, "HMACSHA512", "bind.dns.svc", 5353, DNS_TCP,
         TSIG_HMAC_SHA512},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        SETUP(plain_zone);

        CASE(cases[i].nameserver);
        bed.rfc2136 = (struct dns01_rfc2136){.nameserver = cases[i].nameserver,
                                             .protocol = cases[i].protocol,
                                             .tsig_secret_secret_ref = &ref,
                                             .tsig_key_name = "certlet.",
                                             .tsig_algorithm = cases[i].algorithm};
        ASSERT_OK(present(&bed, &err));
        ASSERT_STREQ(bed.server.address, cases[i].address);
        ASSERT_EQ(bed.server.port, cases[i].port);
        ASSERT_EQ(bed.server.transport, cases[i].transport);
        ASSERT_STREQ(bed.key_name, "certlet.");
        ASSERT_STREQ(bed.secret, "secret");
    }
}

TEST(a_missing_secret_sends_no_unsigned_update)
{
    static struct secret_key_selector ref = {"absent", "secret"};
    SETUP(plain_zone);

    bed.rfc2136.tsig_secret_secret_ref = &ref;
    bed.rfc2136.tsig_key_name = "certlet.";
    ASSERT_ERR(ERR_NOT_FOUND, present(&bed, &err));
    ASSERT_CONTAINS(err.text, "secret 'certs/absent' does not exist");
    ASSERT_EQ(bed.updates, 0);
}

TEST(a_record_is_taken_back_by_the_secret_that_it_was_written_with)
{
    static struct secret_key_selector ref = {"tsig", "secret"};
    cleanup(solver_secrets_free) struct solver_secrets *secrets = solver_secrets_new();
    SETUP(plain_zone);

    bed.rfc2136.tsig_secret_secret_ref = &ref;
    bed.rfc2136.tsig_key_name = "certlet.";
    bed.task.secrets = secrets;
    ASSERT_OK(present(&bed, &err));
    bed.secrets.len = 0; /* gone */
    ASSERT_ERR(ERR_NOT_FOUND, present(&bed, &err));
    ASSERT_EQ(bed.updates, 1);
    bed.secret[0] = '\0';
    ASSERT_OK(clean_up(&bed, &err));
    ASSERT_EQ(bed.updates, 2);
    ASSERT_STREQ(bed.secret, "secret");
    bed.task.secrets = NULL;
    ASSERT_ERR(ERR_NOT_FOUND, clean_up(&bed, &err));
}

static int decode_secret(const struct json *value, const void **ret, struct err *err)
{
    const struct secret_facts *facts = NULL;
    int r = secret_facts_decode(value, &facts, err);

    *ret = facts;
    return r;
}

static void unref(const void *object)
{
    object_unref(object);
}

static void freeze_secret(const void *form, const void *object, struct cache_names names,
                          struct buf *to)
{
    object_freeze(form, object, bytes_of(names.text, names.len), to);
}

static const void *thaw_secret(const void *form, const void *frozen, struct cache_names names)
{
    return object_thaw(form, frozen, bytes_of(names.text, names.len));
}

/* What the watch has told of: the Secret as the store has it now. */
static void tell(struct bed *bed, struct cache *cache)
{
    struct store_event event = {.type = STORE_ADDED, .version = "1"};
    struct key key = {.namespace = "certs", .name = "tsig"};
    struct err err = {};

    event.object = secrets_object(&bed->secrets.rows[0], &key);
    ASSERT_OK(cache_apply(cache_add_source(cache, NULL), &event, &err));
    store_event_deinit(&event);
}

/* The watch is cut, so that nobody tells of the new value. */
TEST(a_secret_that_was_rotated_is_read_again_when_its_old_value_is_refused)
{
    static const struct cache_kind kind = {.resource = &kind_secret.resource,
                                           .decode = decode_secret,
                                           .unref = unref,
                                           .freeze = freeze_secret,
                                           .thaw = thaw_secret,
                                           .form = &secret_facts_form};
    static struct secret_key_selector ref = {"tsig", "secret"};
    cleanup(cache_free) struct cache *cache = cache_new(&kind);
    cleanup(derived_free) struct derived *values = solver_values_new(cache);
    SETUP(plain_zone);

    tell(&bed, cache);
    bed.solvers.values = values;
    bed.rfc2136.tsig_secret_secret_ref = &ref;
    bed.rfc2136.tsig_key_name = "certlet.";
    ASSERT_OK(present(&bed, &err));
    ASSERT_EQ(derived_len(values), 1);
    bed.secrets.rows = rotated_rows;
    bed.refused_secret = "secret";
    ASSERT_OK(clean_up(&bed, &err));
    ASSERT_STREQ(bed.secret, "newer");
    ASSERT_EQ(bed.updates, 3);
    bed.refused_secret = "newer"; /* no better than the one before, and not tried twice */
    bed.secrets.rows = secret_rows;
    bed.update_result = ERR_DENIED;
    ASSERT_ERR(ERR_DENIED, clean_up(&bed, &err));
    ASSERT_EQ(bed.updates, 4);
}

TEST(half_a_key_sends_no_unsigned_update)
{
    static struct secret_key_selector ref = {"tsig", "secret"};
    SETUP(plain_zone);

    bed.rfc2136.tsig_secret_secret_ref = &ref;
    ASSERT_ERR(ERR_INVALID, present(&bed, &err));
    ASSERT_EQ(bed.updates, 0);
}

TEST(a_refused_update_is_passed_up)
{
    SETUP(plain_zone);

    bed.update_result = ERR_DENIED;
    ASSERT_ERR(ERR_DENIED, present(&bed, &err));
}

TEST(a_refusal_names_the_secret_that_signed_and_not_what_is_in_it)
{
    static struct secret_key_selector ref = {"tsig", "secret"};
    SETUP(plain_zone);

    bed.rfc2136.tsig_secret_secret_ref = &ref;
    bed.rfc2136.tsig_key_name = "certlet.";
    bed.update_result = ERR_DENIED;
    ASSERT_ERR(ERR_DENIED, present(&bed, &err));
    ASSERT_CONTAINS(err.text, "signed with secret 'certs/tsig'");
    ASSERT_NULL(strstr(err.text, "c2VjcmV0"));
}

TEST(an_unknown_zone_is_not_taken_for_a_missing_secret)
{
    static const struct zone_row nothing[] = {ZONE("other.org.")};
    SETUP(nothing);

    ASSERT_ERR(ERR_UNAVAILABLE, present(&bed, &err));
    ASSERT_CONTAINS(err.text, NAME);
}

TEST(names_that_are_none_are_refused_and_leave_nothing_to_clean_up)
{
    static const char *const names[] = {"192.0.2.1", "2001:db8::1", "*.example.com", "a b", ""};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        SETUP(plain_zone);

        CASE(names[i]);
        bed.task.dns_name = names[i];
        ASSERT_ERR(ERR_INVALID, present(&bed, &err));
        ASSERT_ERR(ERR_INVALID, check(&bed, &err));
        ASSERT_OK(clean_up(&bed, &err));
        ASSERT_EQ(bed.updates, 0);
    }
}

TEST(a_provider_that_is_not_built_is_said)
{
    SETUP(plain_zone);

    bed.dns01 = (struct acme_dns01){.route53 = json_new_map()};
    ASSERT_ERR(ERR_UNSUPPORTED, present(&bed, &err));
    ASSERT_CONTAINS(err.text, "'route53'");
    json_unref(bed.dns01.route53);
}

/* --- delegation --- */

static const struct zone_row delegated[] = {
    CNAME(NAME, "www.acme.example.net."),
    ZONE("example.com."),
    ZONE("acme.example.net."),
    {NULL, "acme.example.net.", DNS_NS, DNS_NOERROR, {{NULL, DNS_NS, "ns.example.net."}}},
    {NULL, "ns.example.net.", DNS_A, DNS_NOERROR, {{NULL, DNS_A, "192.0.2.9"}}},
    TXT("192.0.2.9", "www.acme.example.net.", VALUE),
};

TEST(a_cname_is_followed_for_writing_only_with_follow)
{
    SETUP(delegated);

    ASSERT_OK(present(&bed, &err));
    ASSERT_STREQ(bed.name, NAME);
    ASSERT_STREQ(bed.zone, "example.com.");

    bed.dns01.cname_strategy = CNAME_FOLLOW;
    ASSERT_OK(present(&bed, &err));
    ASSERT_STREQ(bed.name, "www.acme.example.net.");
    ASSERT_STREQ(bed.zone, "acme.example.net.");
    ASSERT_OK(clean_up(&bed, &err));
    ASSERT_TRUE(bed.last.is_delete);
    ASSERT_STREQ(bed.name, "www.acme.example.net.");
}

TEST(the_check_follows_a_cname_with_any_strategy)
{
    SETUP(delegated);

    ASSERT_OK(check(&bed, &err));
    bed.dns01.cname_strategy = CNAME_FOLLOW;
    ASSERT_OK(check(&bed, &err));
}

TEST(a_cname_loop_is_an_error)
{
    static const struct zone_row rows[] = {
        CNAME(NAME, "a.example.com."),
        CNAME("a.example.com.", NAME),
        ZONE("example.com."),
    };
    SETUP(rows);

    bed.dns01.cname_strategy = CNAME_FOLLOW;
    ASSERT_ERR(ERR_INVALID, present(&bed, &err));
    ASSERT_EQ(bed.updates, 0);
}

TEST(a_wildcard_cname_delegates_nothing)
{
    static const struct zone_row rows[] = {
        ZONE("example.com."),
        ZONE("example.net."),
        {NULL, "*", DNS_CNAME, DNS_NOERROR, {{NULL, DNS_CNAME, "lb.example.net."}}},
    };
    SETUP(rows);

    bed.dns01.cname_strategy = CNAME_FOLLOW;
    ASSERT_OK(present(&bed, &err));
    ASSERT_STREQ(bed.name, NAME);
    ASSERT_STREQ(bed.zone, "example.com.");
}

/* --- check --- */

TEST(the_check_passes_when_every_authoritative_server_shows_the_value)
{
    static const struct zone_row rows[] = {
        ZONE("example.com."),
        TWO_SERVERS,
        TXT("192.0.2.1", NAME, VALUE),
        {"192.0.2.2",
         NAME,
         DNS_TXT,
         DNS_NOERROR,
         {{NULL, DNS_TXT, "other"}, {NULL, DNS_TXT, VALUE}}},
    };
    SETUP(rows);

    ASSERT_OK(check(&bed, &err));
    ASSERT_EQ(bed.updates, 0);
}

TEST(the_check_names_the_server_that_is_behind_and_what_it_said)
{
    static const struct {
        const char *name;
        struct zone_row answer; /* of the second server */
        int code;
        const char *text;
    } cases[] = {
        {"no record",
         {"192.0.2.2", NAME, DNS_TXT, DNS_NOERROR},
         ERR_UNAVAILABLE,
         "'192.0.2.2:53' has no TXT record at '" NAME "'"},
        {"no name",
         {"192.0.2.2", NAME, DNS_TXT, DNS_NXDOMAIN},
         ERR_UNAVAILABLE,
         "'192.0.2.2:53' has no TXT record"},
        {"the value of another challenge", TXT("192.0.2.2", NAME, "other"), ERR_UNAVAILABLE,
         "'192.0.2.2:53' has 1 TXT records at '" NAME "', but not the one"},
        {"a value with the same beginning", TXT("192.0.2.2", NAME, VALUE "0"), ERR_UNAVAILABLE,
         "'192.0.2.2:53' has 1 TXT records"},
        {"servfail",
         {"192.0.2.2", NAME, DNS_TXT, DNS_SERVFAIL},
         ERR_UNAVAILABLE,
         "name server '192.0.2.2:53': SERVFAIL"},
        {"refused",
         {"192.0.2.2", NAME, DNS_TXT, DNS_REFUSED},
         ERR_DENIED,
         "name server '192.0.2.2:53': REFUSED"},
        {"silence",
         {"192.0.2.2", NAME, DNS_TXT, ERR_TIMEOUT},
         ERR_TIMEOUT,
         "name server '192.0.2.2:53'"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct zone_row rows[] = {ZONE("example.com."), TWO_SERVERS,
                                        TXT("192.0.2.1", NAME, VALUE), cases[i].answer};
        SETUP(rows);

        CASE(cases[i].name);
        ASSERT_ERR(cases[i].code, check(&bed, &err));
        ASSERT_CONTAINS(err.text, cases[i].text);
        ASSERT_NULL(strstr(err.text, VALUE));
    }
}

TEST(what_recursive_servers_say_does_not_count_beside_authoritative_ones)
{
    static const struct zone_row rows[] = {
        ZONE("example.com."),
        TWO_SERVERS,
        TXT("192.0.2.53", NAME, VALUE),
        TXT("192.0.2.1", NAME, VALUE),
    };
    SETUP(rows);

    ASSERT_ERR(ERR_UNAVAILABLE, check(&bed, &err));
    ASSERT_CONTAINS(err.text, "'192.0.2.2:53'");
}

TEST(with_recursive_only_all_recursive_servers_are_asked_and_no_others)
{
    static const struct zone_row rows[] = {
        TXT("192.0.2.53", NAME, VALUE),
        TXT("192.0.2.54", NAME, "other"),
    };
    SETUP(rows);

    bed.solvers.recursive_only = true;
    ASSERT_OK(check(&bed, &err));
    dns_servers_deinit(&bed.solvers.recursive);
    zones_servers(&bed.solvers.recursive, "192.0.2.53,192.0.2.54");
    ASSERT_ERR(ERR_UNAVAILABLE, check(&bed, &err));
    ASSERT_CONTAINS(err.text, "'192.0.2.54:53'");
}

TEST(the_name_servers_of_the_solver_are_asked_and_no_others)
{
    static const char *nameservers[] = {"192.0.2.70:53", "192.0.2.71:53"};
    static const struct zone_row rows[] = {
        {"192.0.2.70", "example.com.", DNS_SOA, DNS_NOERROR, {{NULL, DNS_SOA, "ns.example.com."}}},
        TXT("192.0.2.70", NAME, VALUE),
        TXT("192.0.2.71", NAME, VALUE),
    };
    SETUP(rows);

    bed.dns01.nameservers = (struct array_string){nameservers, 2};
    ASSERT_OK(present(&bed, &err));
    ASSERT_STREQ(bed.zone, "example.com.");
    ASSERT_OK(check(&bed, &err));
}

RUN_TESTS(cmocka_unit_test(the_record_is_added_to_its_zone_and_deleted_by_its_exact_value),
          cmocka_unit_test(a_zone_cut_below_the_registered_domain_is_respected),
          cmocka_unit_test(the_nameserver_protocol_and_key_are_those_of_the_solver),
          cmocka_unit_test(a_missing_secret_sends_no_unsigned_update),
          cmocka_unit_test(a_record_is_taken_back_by_the_secret_that_it_was_written_with),
          cmocka_unit_test(a_secret_that_was_rotated_is_read_again_when_its_old_value_is_refused),
          cmocka_unit_test(half_a_key_sends_no_unsigned_update),
          cmocka_unit_test(a_refused_update_is_passed_up),
          cmocka_unit_test(a_refusal_names_the_secret_that_signed_and_not_what_is_in_it),
          cmocka_unit_test(an_unknown_zone_is_not_taken_for_a_missing_secret),
          cmocka_unit_test(names_that_are_none_are_refused_and_leave_nothing_to_clean_up),
          cmocka_unit_test(a_provider_that_is_not_built_is_said),
          cmocka_unit_test(a_cname_is_followed_for_writing_only_with_follow),
          cmocka_unit_test(the_check_follows_a_cname_with_any_strategy),
          cmocka_unit_test(a_cname_loop_is_an_error),
          cmocka_unit_test(a_wildcard_cname_delegates_nothing),
          cmocka_unit_test(the_check_passes_when_every_authoritative_server_shows_the_value),
          cmocka_unit_test(the_check_names_the_server_that_is_behind_and_what_it_said),
          cmocka_unit_test(what_recursive_servers_say_does_not_count_beside_authoritative_ones),
          cmocka_unit_test(with_recursive_only_all_recursive_servers_are_asked_and_no_others),
          cmocka_unit_test(the_name_servers_of_the_solver_are_asked_and_no_others));
