#include "controller/order_flow.h"

#include <string.h>

#include "support/testing.h"
#include "yaml/yaml.h"

#define NOW AT("2026-01-01T00:00:00Z")

/* --- where a problem leads --- */

TEST(each_class_of_problem_either_waits_or_ends_the_order)
{
    static const struct {
        const char *name;
        enum acme_class class;
        int code;
        enum flow_verdict verdict;
    } rows[] = {
        {"rate limited", ACME_RATE_LIMITED, ERR_RATE_LIMITED, FLOW_RETRY},
        {"paused", ACME_PAUSED, ERR_RATE_LIMITED, FLOW_RETRY},
        {"transient", ACME_RETRY, ERR_UNAVAILABLE, FLOW_RETRY},
        {"not ready", ACME_NOT_READY, ERR_CONFLICT, FLOW_RETRY},
        {"order lost", ACME_NEW_ORDER, ERR_INVALID, FLOW_FAIL},
        {"same request never works", ACME_FIX_CONFIG, ERR_INVALID, FLOW_FAIL},
        {"account", ACME_ACCOUNT, ERR_DENIED, FLOW_FAIL},
        {"already replaced", ACME_ALREADY_REPLACED, ERR_CONFLICT, FLOW_FAIL},
        /* the class says more than the code */
        {"transient, with a code that ends", ACME_RETRY, ERR_INVALID, FLOW_RETRY},
        {"lost, with a code that waits", ACME_NEW_ORDER, ERR_UNAVAILABLE, FLOW_FAIL},
        /* no problem document: the code decides */
        {"gate closed", ACME_OK, ERR_RATE_LIMITED, FLOW_RETRY},
        {"share used up", ACME_OK, ERR_BUSY, FLOW_RETRY},
        {"timeout", ACME_OK, ERR_TIMEOUT, FLOW_RETRY},
        {"canceled", ACME_OK, ERR_CANCELED, FLOW_RETRY},
        {"network", ACME_OK, ERR_NETWORK, FLOW_RETRY},
        {"web page", ACME_OK, ERR_UNAVAILABLE, FLOW_RETRY},
        {"tls", ACME_OK, ERR_DENIED, FLOW_RETRY},
        {"broken json", ACME_OK, ERR_PROTOCOL, FLOW_RETRY},
        {"50 MB", ACME_OK, ERR_TOO_LARGE, FLOW_RETRY},
        {"disk", ACME_OK, ERR_IO, FLOW_RETRY},
        {"memory", ACME_OK, ERR_NOMEM, FLOW_RETRY},
        {"profile that is not offered", ACME_OK, ERR_INVALID, FLOW_FAIL},
        {"not offered", ACME_OK, ERR_UNSUPPORTED, FLOW_FAIL},
        {"gone", ACME_OK, ERR_NOT_FOUND, FLOW_FAIL},
        {"our own mistake", ACME_OK, ERR_INTERNAL, FLOW_FAIL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(arena_free) struct arena *arena = arena_new(0);
        struct acme_problem problem = {.class = rows[i].class};
        struct err err = {};
        struct flow flow;

        CASE(rows[i].name);
        (void)err_set(&err, rows[i].code, "the server said no");
        flow = flow_of(rows[i].code, &problem, &err, "create Order", NOW, arena);
        ASSERT_EQ(flow.verdict, rows[i].verdict);
        ASSERT_CONTAINS(flow.reason, "Failed to create Order: the server said no");
        if (flow.verdict == FLOW_FAIL)
            ASSERT_EQ(flow.state, STATE_ERRORED);
    }
}

/* The Issuer shows it, and what needs the account waits for that. */
TEST(an_account_that_does_not_exist_fails_no_order)
{
    cleanup(arena_free) struct arena *arena = arena_new(0);
    char type[] = "accountDoesNotExist";
    struct acme_problem problem = {.class = ACME_ACCOUNT, .status = 400, .type = type};
    struct err err = {.code = ERR_DENIED, .text = "something of ours"};
    struct flow flow = flow_of(ERR_DENIED, &problem, &err, "create Order", NOW, arena);

    ASSERT_EQ(flow.verdict, FLOW_RETRY);
    ASSERT_CONTAINS(flow.reason, "another Secret in spec.acme.privateKeySecretRef");
}

TEST(the_reason_quotes_the_problem_document_rather_than_our_error)
{
    cleanup(arena_free) struct arena *arena = arena_new(0);
    char type[] = "rejectedIdentifier", detail[] = "policy forbids";
    struct acme_problem problem = {
        .class = ACME_FIX_CONFIG, .status = 400, .type = type, .detail = detail};
    struct err err = {.code = ERR_INVALID, .text = "something of ours"};
    struct flow flow = flow_of(ERR_INVALID, &problem, &err, "create Order", NOW, arena);

    ASSERT_CONTAINS(flow.reason, "Failed to create Order: 400 ");
    ASSERT_CONTAINS(flow.reason, "rejectedIdentifier: policy forbids");
    ASSERT_NULL(strstr(flow.reason, "something of ours"));
}

TEST(a_retry_comes_when_the_ca_or_the_gate_says_and_the_reason_names_the_time_once)
{
    static const struct {
        const char *name;
        enum acme_class class;
        int64_t problem_in_ms, gate_in_ms;
        const char *text;
        int64_t expected_in_ms; /* 0: by back-off */
        const char *reason;
    } rows[] = {
        {"Retry-After", ACME_RATE_LIMITED, HOURS(1), 0, "slow down", HOURS(1),
         "Failed to create Order: slow down; not before 2026-01-01T01:00:00Z"},
        {"the CA's time goes before ours", ACME_RATE_LIMITED, HOURS(1), HOURS(2), "slow down",
         HOURS(1), "Failed to create Order: slow down; not before 2026-01-01T01:00:00Z"},
        {"only ours is known", ACME_RETRY, 0, HOURS(2), "down", HOURS(2),
         "Failed to create Order: down; not before 2026-01-01T02:00:00Z"},
        {"no time", ACME_RETRY, 0, 0, "down", 0, "Failed to create Order: down"},
        {"the gate says it itself", ACME_OK, 0, HOURS(2), "not before 2026-01-01T02:00:00Z: budget",
         HOURS(2), "Failed to create Order: not before 2026-01-01T02:00:00Z: budget"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(arena_free) struct arena *arena = arena_new(0);
        int64_t now_ms = NOW;
        struct acme_problem problem = {.class = rows[i].class};
        struct err err = {};
        struct flow flow;

        CASE(rows[i].name);
        if (rows[i].problem_in_ms)
            problem.retry_at_ms = now_ms + rows[i].problem_in_ms;
        (void)err_set(&err, ERR_RATE_LIMITED, "%s", rows[i].text);
        if (rows[i].gate_in_ms)
            err.retry_at_ms = now_ms + rows[i].gate_in_ms;
        flow = flow_of(ERR_RATE_LIMITED, &problem, &err, "create Order", now_ms, arena);
        ASSERT_EQ(flow.verdict, FLOW_RETRY);
        ASSERT_EQ(flow.at_ms, rows[i].expected_in_ms ? now_ms + rows[i].expected_in_ms : 0);
        ASSERT_STREQ(flow.reason, rows[i].reason);
    }
}

TEST(a_reason_is_compared_without_the_time_at_its_end)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"down", "down; not before 2026-01-01T00:00:00Z", true},
        {"down; not before 2026-01-02T00:00:00Z", "down; not before 2026-01-01T00:00:00Z", true},
        {"down; not before 2026-01-02T00:00:00Z", "up; not before 2026-01-02T00:00:00Z", false},
        {"down; not before noon", "down", false},
        {"down; not before 2026-01-02T00:00:00Z: budget", "down", false},
        {"down", NULL, false},
        {"", NULL, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ASSERT_EQ(reason_is_the_same(rows[i].a, rows[i].b), rows[i].same);
        ASSERT_EQ(reason_is_the_same(rows[i].b, rows[i].a), rows[i].same);
    }
}

TEST(a_pause_is_looked_at_once_a_day_and_says_which_page_to_open)
{
    cleanup(arena_free) struct arena *arena = arena_new(0);
    char url[] = "https://ca.test/unpause?x=1";
    struct acme_problem problem = {.class = ACME_PAUSED, .help_url = url};
    struct err err = {.code = ERR_RATE_LIMITED, .text = "paused"};
    struct flow flow = flow_of(ERR_RATE_LIMITED, &problem, &err, "create Order", NOW, arena);

    ASSERT_EQ(flow.verdict, FLOW_RETRY);
    ASSERT_EQ(flow.at_ms, NOW + HOURS(24));
    ASSERT_CONTAINS(flow.reason, "open https://ca.test/unpause?x=1 to go on");
}

/* --- polling --- */

TEST(what_the_ca_works_on_is_looked_at_after_a_quarter_of_the_time_waited)
{
    static const struct {
        const char *name;
        int64_t waited_ms, retry_in_ms, expected_in_ms;
    } rows[] = {
        {"at once: not sooner than 250 ms", 0, 0, 250},
        {"after a second", 1000, 0, 250},
        {"after four seconds", 4000, 0, 1000},
        {"after a minute", 60000, 0, 15000},
        {"after an hour: not later than 30 s", HOURS(1), 0, SECONDS(30)},
        {"a clock that was set back", -HOURS(1), 0, 250},
        {"Retry-After goes before it", 4000, SECONDS(90), SECONDS(90)},
        {"a shorter Retry-After, too", HOURS(1), 100, 100},
        {"a Retry-After of a year is an hour", 4000, DAYS(365), HOURS(1)},
        {"a Retry-After that has passed says nothing", 4000, -1, 1000},
    };
    int64_t now_ms = NOW;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t retry_at_ms = rows[i].retry_in_ms ? now_ms + rows[i].retry_in_ms : 0;

        CASE(rows[i].name);
        ASSERT_EQ(next_poll_ms(now_ms, now_ms - rows[i].waited_ms, retry_at_ms) - now_ms,
                  rows[i].expected_in_ms);
    }
}

/* --- keys --- */

TEST(a_refused_key_is_told_with_the_field_to_change)
{
    static const struct {
        const char *type, *advice; /* NULL: none */
        enum key_algorithm algorithm;
    } rows[] = {
        {"badCSR", "spec.privateKey.algorithm of the Certificate to ECDSA", KEY_ED25519},
        {"badPublicKey", "spec.privateKey.algorithm of the Certificate to ECDSA", KEY_ED25519},
        {"badPublicKey", "spec.privateKey.size", KEY_RSA},
        {"badCSR", NULL, KEY_ECDSA},
        {"unauthorized", NULL, KEY_ED25519},
        {NULL, NULL, KEY_ED25519},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct acme_problem problem = {.type = (char *)rows[i].type};
        const char *advice = key_advice(&problem, rows[i].algorithm);

        CASE(rows[i].type);
        if (rows[i].advice)
            ASSERT_CONTAINS(advice, rows[i].advice);
        else
            ASSERT_NULL(advice);
    }
}

/* --- names --- */

static struct json *yaml_of(const char *text)
{
    cleanup(yaml_stream_free) struct yaml_stream *stream = NULL;
    struct err err = {};

    ASSERT_OK(yaml_parse(text, strlen(text), &stream, &err));
    return json_ref(yaml_document(stream, 0));
}

/* What cert-manager 1.21.1 called it. */
TEST(a_challenge_has_the_name_that_cert_manager_gives_it)
{
    struct secret_key_selector tsig = {.name = "tsig-certlet", .key = "secret"};
    struct dns01_rfc2136 rfc2136 = {.nameserver = "127.0.0.1:15608",
                                    .tsig_secret_secret_ref = &tsig,
                                    .tsig_key_name = "certlet",
                                    .tsig_algorithm = "HMACSHA256"};
    struct acme_dns01 dns01 = {.rfc2136 = &rfc2136};
    struct object order = {.metadata.name = "web-1-2917423077"};
    struct challenge_spec spec = {
        .url = "https://127.0.0.1:20864/chalZ/2JZgrpW4DDh49SHXcG2xsu_8OqvNlUVvu4JD9dla97M",
        .authorization_url =
            "https://127.0.0.1:20864/authZ/mlTVclMdijDzBXlIV9H9DBrAwGf5nvrUyJMcNRpDb48",
        .dns_name = "web.cert-manager-carries-on-where-certlet-wa-1bd6bfd8.example.test",
        .type = CHALLENGE_DNS01,
        .token = "DQ_8cjESlFJD_6D-mFXuk90KCOPwxz1bjvGntTYiMhE",
        .key = "QCbSZplkCze4uxmTWNVByQ0q4roipwIGbHpQD6ktOdU",
        .solver = {.dns01 = &dns01, .wait_instead_of_self_check = {.is_set = true}},
        .issuer_ref = {.name = "acme", .kind = "Issuer"},
    };
    cleanup(xfree) char *name = challenge_name(&order, &spec);

    ASSERT_STREQ(name, "web-1-2917423077-288990254");
}

/* The hash is over what Go makes of its structs: other members first, and some though they are empty. These are by
 * cert-manager 1.21. */
TEST(a_challenge_has_that_name_with_every_solver)
{
    static const struct {
        const char *name, *challenge, *spec;
    } rows[] = {
        {"RFC 2136 without TSIG, '&' in a URL", "web-1-2917423077-399800313",
         "{'url': 'https://ca.example/chall?id=1&n=2', 'authorizationURL': "
         "'https://ca.example/authz/1', 'dnsName': 'www.example.com', 'wildcard': true, "
         "'type': 'DNS-01', 'token': 't1', 'key': 'k1', 'solver': {'dns01': {'rfc2136': "
         "{'nameserver': '192.0.2.1:53'}}}, 'issuerRef': {'name': 'acme'}}"},
        {"RFC 2136 with TSIG", "web-1-2917423077-3093945362",
         "{'url': 'https://ca.example/chall/1', 'authorizationURL': "
         "'https://ca.example/authz/1', 'dnsName': 'www.example.com', 'wildcard': false, "
         "'type': 'DNS-01', 'token': 't1', 'key': 'k1', 'solver': {'selector': {'dnsZones': "
         "['example.com'], 'matchLabels': {'a': 'b', 'c': 'd'}}, 'dns01': {'cnameStrategy': "
         "'Follow', 'rfc2136': {'nameserver': '192.0.2.1:53', 'protocol': 'TCP', "
         "'tsigAlgorithm': 'HMACSHA512', 'tsigKeyName': 'key.', 'tsigSecretSecretRef': {'key':"
         " 'secret', 'name': 'tsig'}}}, 'waitInsteadOfSelfCheck': '1m30s'}, 'issuerRef': "
         "{'group': 'cert-manager.io', 'kind': 'ClusterIssuer', 'name': 'acme'}}"},
        {"what is empty", "web-1-2917423077-1947774796",
         "{'url': 'https://ca.example/chall/1', 'authorizationURL': "
         "'https://ca.example/authz/1', 'dnsName': 'www.example.com', 'wildcard': false, "
         "'type': 'HTTP-01', 'token': 't1', 'key': 'k1', 'solver': {'selector': {}, 'http01': "
         "{'ingress': {'class': '', 'name': '', 'ingressTemplate': {}, 'podTemplate': {}}}}, "
         "'issuerRef': {'name': 'acme'}}"},
        {"a template of pods", "web-1-2917423077-3980913482",
         "{'url': 'https://ca.example/chall/1', 'authorizationURL': "
         "'https://ca.example/authz/1', 'dnsName': 'www.example.com', 'wildcard': false, "
         "'type': 'HTTP-01', 'token': 't1', 'key': 'k1', 'solver': {'http01': {'ingress': "
         "{'ingressClassName': 'nginx', 'ingressTemplate': {'metadata': {'annotations': {'a': "
         "'b'}}}, 'podTemplate': {'metadata': {'labels': {'x': 'y'}}, 'spec': {'affinity': "
         "{'nodeAffinity': {'preferredDuringSchedulingIgnoredDuringExecution': [{'preference':"
         " {'matchExpressions': [{'key': 'k', 'operator': 'In', 'values': ['v', 'w']}]}, "
         "'weight': 1}], 'requiredDuringSchedulingIgnoredDuringExecution': "
         "{'nodeSelectorTerms': [{'matchFields': [{'key': 'metadata.name', 'operator': "
         "'Exists'}]}]}}, 'podAffinity': {'preferredDuringSchedulingIgnoredDuringExecution': "
         "[{'podAffinityTerm': {'labelSelector': {'matchExpressions': [{'key': 'k', "
         "'operator': 'Exists'}], 'matchLabels': {'l': 'm'}}, 'matchLabelKeys': ['mk'], "
         "'mismatchLabelKeys': ['nk'], 'namespaceSelector': {}, 'namespaces': ['n'], "
         "'topologyKey': 'zone'}, 'weight': 2}], "
         "'requiredDuringSchedulingIgnoredDuringExecution': [{'topologyKey': 'host'}]}, "
         "'podAntiAffinity': {}}, 'imagePullSecrets': [{'name': 'pull'}, {'name': ''}], "
         "'nodeSelector': {'kubernetes.io/os': 'linux'}, 'priorityClassName': 'high', "
         "'resources': {'limits': {'cpu': '100m', 'memory': '64Mi'}, 'requests': {}}, "
         "'securityContext': {'fsGroup': 3, 'fsGroupChangePolicy': 'Always', 'runAsGroup': 0, "
         "'runAsNonRoot': true, 'runAsUser': 1, 'seLinuxOptions': {'level': 'a', 'role': 'b', "
         "'type': 'c', 'user': 'd'}, 'seccompProfile': {'localhostProfile': 'p', 'type': "
         "'Localhost'}, 'supplementalGroups': [4, 5], 'sysctls': [{'name': 'n', 'value': "
         "'v'}]}, 'serviceAccountName': 'sa', 'tolerations': [{'effect': 'NoSchedule', 'key': "
         "'k', 'operator': 'Equal', 'tolerationSeconds': 6, 'value': 'v'}]}}, 'serviceType': "
         "'ClusterIP'}}}, 'issuerRef': {'name': 'acme'}}"},
        {"a Gateway", "web-1-2917423077-2961873537",
         "{'url': 'https://ca.example/chall/1', 'authorizationURL': "
         "'https://ca.example/authz/1', 'dnsName': 'www.example.com', 'wildcard': false, "
         "'type': 'HTTP-01', 'token': 't1', 'key': 'k1', 'solver': {'http01': "
         "{'gatewayHTTPRoute': {'labels': {'a': 'b'}, 'parentRefs': [{'group': "
         "'gateway.networking.k8s.io', 'kind': 'Gateway', 'name': 'gw', 'namespace': 'infra', "
         "'port': 80, 'sectionName': 'http'}], 'podTemplate': {'spec': {'nodeSelector': {'a': "
         "'b'}}}}}}, 'issuerRef': {'name': 'acme'}}"},
    };
    struct object order = {.metadata.name = "web-1-2917423077"};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(arena_free) struct arena *arena = arena_new(0);
        cleanup(json_unref) struct json *document = yaml_of(rows[i].spec);
        cleanup(xfree) char *name = NULL;
        struct challenge_spec spec = {};
        struct err err = {};

        CASE(rows[i].name);
        ASSERT_OK(fields_decode(&challenge_spec_fields, document, arena, &spec, "", NULL, &err));
        name = challenge_name(&order, &spec);
        ASSERT_STREQ(name, rows[i].challenge);
    }
}

RUN_TESTS(
    cmocka_unit_test(a_refused_key_is_told_with_the_field_to_change),
    cmocka_unit_test(a_challenge_has_the_name_that_cert_manager_gives_it),
    cmocka_unit_test(a_challenge_has_that_name_with_every_solver),
    cmocka_unit_test(each_class_of_problem_either_waits_or_ends_the_order),
    cmocka_unit_test(an_account_that_does_not_exist_fails_no_order),
    cmocka_unit_test(the_reason_quotes_the_problem_document_rather_than_our_error),
    cmocka_unit_test(a_retry_comes_when_the_ca_or_the_gate_says_and_the_reason_names_the_time_once),
    cmocka_unit_test(a_reason_is_compared_without_the_time_at_its_end),
    cmocka_unit_test(a_pause_is_looked_at_once_a_day_and_says_which_page_to_open),
    cmocka_unit_test(what_the_ca_works_on_is_looked_at_after_a_quarter_of_the_time_waited));
