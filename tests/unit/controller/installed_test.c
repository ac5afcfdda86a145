/* installed_test.c - what is found in a cluster, from its objects. */
#include "controller/installed.h"

#include "api/kinds.h"
#include "unit/api/api_testing.h"

#define NOW "2026-11-24T13:00:00Z"

/* The findings as text, a line each. */
static char *lines_of(struct findings *findings)
{
    cleanup(buf_deinit) struct buf text = BUF(16 * 1024);

    for (size_t i = 0; i < findings->len; i++) {
        const struct finding *one = &findings->items[i];

        buf_addf(&text, "%s %s: %s; %s\n", finding_level_names[one->level], one->about, one->text,
                 str_or(one->todo, "-"));
    }
    findings_deinit(findings);
    return buf_take(&text);
}

static struct json *yaml_of(const char *text)
{
    return text ? read_yaml(text) : NULL;
}

/* --- server --- */

TEST(a_server_is_judged_by_its_minor_version)
{
    static const struct {
        const char *yaml, *found;
    } rows[] = {
        {"{major: '1', minor: '36', gitVersion: v1.36.3}", "ok server: v1.36.3; -\n"},
        {"{major: '1', minor: '34+', gitVersion: v1.34.4-eks}",
         "ok server: v1.34.4-eks: who made a request is checked, and stamped from 1.36 on; -\n"},
        {"{major: '1', minor: '36', emulationMajor: '1', emulationMinor: '36', gitVersion: v1.36.3}",
         "ok server: v1.36.3; -\n"},
        {"{major: '1', minor: '36', emulationMajor: '1', emulationMinor: '33', gitVersion: v1.36.3}",
         "ok server: v1.36.3 (emulating 1.33): who made a request is checked, and stamped from "
         "1.36 on; -\n"},
        {"{major: '1', minor: '31', gitVersion: v1.31.0}",
         "warning server: v1.31.0: certlet is tried with 1.33 to 1.37; -\n"},
        {"{major: '1', minor: '38', gitVersion: v1.38.0}",
         "warning server: v1.38.0: certlet is tried with 1.33 to 1.37; -\n"},
        {"{major: '1', minor: '29', gitVersion: v1.29.9}",
         "problem server: v1.29.9 is too old: admission policies need 1.30; upgrade the cluster\n"},
        {"{major: '1', minor: 'x'}", "warning server: its version is not known; -\n"},
        {"{major: '1', minor: '12345678901'}", "warning server: its version is not known; -\n"},
        {NULL, "warning server: its version is not known; -\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(json_unref) struct json *version = yaml_of(rows[i].yaml);
        cleanup(xfree) char *found = NULL;
        struct findings findings = {};

        CASE(rows[i].found);
        judge_server(version, &findings);
        found = lines_of(&findings);
        ASSERT_STREQ(found, rows[i].found);
    }
}

/* --- CRDs --- */

#define OURS "app.kubernetes.io/part-of: certlet, app.kubernetes.io/version: v" CERTLET_VERSION
#define KEEP "helm.sh/resource-policy: keep"
#define CRD(labels, annotations, spec, status)                                                     \
    "metadata: {name: orders.acme.cert-manager.io, labels: {" labels "}, annotations: "            \
    "{" annotations "}}\nspec: {" spec "}\nstatus: {" status "}\n"
#define SERVED "versions: [{name: v1, served: true, subresources: {status: {}}}]"
#define THERE  "storedVersions: [v1], conditions: [{type: Established, status: 'True'}]"

#define APPLY " kubectl apply -k deploy\n"

TEST(a_crd_is_judged_by_what_can_be_stored_and_who_may_delete_it)
{
    static const struct {
        const char *yaml, *found;
    } rows[] = {
        {CRD(OURS, KEEP, SERVED, THERE), "ok CRD: serves v1, of certlet v" CERTLET_VERSION "; -\n"},
        {NULL, "problem CRD: is missing;" APPLY},
        {CRD(OURS, KEEP, "versions: [{name: v1alpha2, served: true}]", THERE),
         "problem CRD: does not serve version v1;" APPLY},
        {CRD(OURS, KEEP, "versions: [{name: v1, served: false}]", THERE),
         "problem CRD: does not serve version v1;" APPLY},
        {CRD(OURS, KEEP, SERVED, "conditions: [{type: Established, status: 'False'}]"),
         "problem CRD: is not established yet;" APPLY},
        {CRD(OURS, KEEP, "versions: [{name: v1, served: true}]", THERE),
         "problem CRD: has no status subresource;" APPLY},
        {CRD(OURS, KEEP, SERVED ", conversion: {strategy: Webhook}", THERE),
         "problem CRD: has its objects converted by a webhook, which is not ours;" APPLY},
        {CRD("app.kubernetes.io/part-of: certlet, app.kubernetes.io/version: v0.0.1", KEEP, SERVED,
             THERE),
         "warning CRD: is of certlet v0.0.1, this is certlet v" CERTLET_VERSION ";" APPLY},
        {CRD("app.kubernetes.io/name: cert-manager, app.kubernetes.io/version: v1.21.1", KEEP,
             SERVED, THERE),
         "warning CRD: is another's (cert-manager v1.21.1): works, without our rules and "
         "descriptions;" APPLY},
        {CRD(OURS, "", SERVED, THERE),
         "ok CRD: serves v1, of certlet v" CERTLET_VERSION "; -\n"
         "warning CRD: has no annotation helm.sh/resource-policy: keep; kubectl annotate crd "
         "orders.acme.cert-manager.io helm.sh/resource-policy=keep\n"},
        {CRD(OURS, "meta.helm.sh/release-name: cm", SERVED, THERE),
         "ok CRD: serves v1, of certlet v" CERTLET_VERSION "; -\n"
         "problem CRD: helm uninstall cm would delete it and every object of it; kubectl annotate "
         "crd orders.acme.cert-manager.io helm.sh/resource-policy=keep\n"},
        {CRD(OURS, KEEP, SERVED,
             "storedVersions: [v1alpha2, v1], conditions: [{type: Established, status: 'True'}]"),
         "ok CRD: serves v1, of certlet v" CERTLET_VERSION "; -\n"
         "warning CRD: may hold objects of old versions; write each object anew (cmctl upgrade "
         "migrate-api-version)\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(json_unref) struct json *crd = yaml_of(rows[i].yaml);
        cleanup(xfree) char *found = NULL;
        struct findings findings = {};

        CASE(rows[i].found);
        judge_crd(&kind_order.resource, crd, &findings);
        for (size_t n = 0; n < findings.len; n++) {
            ASSERT_STREQ(findings.items[n].about, "CRD orders.acme.cert-manager.io");
            findings.items[n].about[3] = '\0';
        }
        found = lines_of(&findings);
        ASSERT_STREQ(found, rows[i].found);
    }
}

TEST(a_crd_that_goes_takes_its_objects_along)
{
    cleanup(json_unref) struct json *crd = read_yaml(CRD(OURS, KEEP, SERVED, THERE));
    cleanup(xfree) char *found = NULL;
    struct findings findings = {};

    json_set_text(json_get(crd, "metadata"), "deletionTimestamp", NOW);
    judge_crd(&kind_order.resource, crd, &findings);
    found = lines_of(&findings);
    ASSERT_CONTAINS(found, "problem CRD orders.acme.cert-manager.io: is being deleted");
}

/* --- policies --- */

static char *judge_approval(const char *policies_yaml, const char *bindings_yaml)
{
    cleanup(json_unref) struct json *policies = read_yaml(policies_yaml);
    cleanup(json_unref) struct json *bindings = read_yaml(bindings_yaml);
    cleanup(xfree) char *all = NULL;
    struct findings findings = {};
    const char *line, *end;

    judge_policies(policies, bindings, false, 34, &findings);
    all = lines_of(&findings);
    line = strstr(all, "admission policy certlet-certificaterequest-approval: ");
    if (!line)
        return xstrdup(strstr(all, "ok admission policies"));
    end = strchr(line, '\n');
    return xasprintf("%.*s", (int)(end - line), line);
}

TEST(a_policy_counts_when_it_is_there_bound_and_looked_at)
{
#define NAME "certlet-certificaterequest-approval"
#define POLICY(seen, more)                                                                         \
    "[{metadata: {name: " NAME ", generation: 2}, status: {observedGeneration: " seen more "}}]"
#define BINDING(policy, action)                                                                    \
    "[{metadata: {name: b}, spec: {policyName: " policy ", validationActions: [" action "]}}]"
    static const struct {
        const char *policies, *bindings, *found;
    } rows[] = {
        {POLICY("2", ""), BINDING(NAME, "Deny"), "1 of 10 are there, bound and active"},
        {"[]", BINDING(NAME, "Deny"),
         "is missing: whoever may write a request's status can approve"},
        {POLICY("2", ""), "[]", "is not bound"},
        {POLICY("2", ""), BINDING("other", "Deny"), "is not bound"},
        {POLICY("2", ""), BINDING(NAME, "Audit"), "is not bound"},
        {POLICY("1", ""), BINDING(NAME, "Deny"), "is not active yet"},
        {POLICY("2", ", typeChecking: {expressionWarnings: [{fieldRef: f, warning: undefined x}]}"),
         BINDING(NAME, "Deny"), "does not fit the CRDs: undefined x"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(xfree) char *found = NULL;

        CASE(rows[i].found);
        found = judge_approval(rows[i].policies, rows[i].bindings);
        ASSERT_CONTAINS(found, rows[i].found);
    }
}

TEST(policies_that_a_server_cannot_have_are_not_missed)
{
    static const struct {
        int minor;
        size_t refusing, stamping;
    } rows[] = {{34, 10, 0}, {36, 11, 1}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(findings_deinit) struct findings refusing = {}, stamping = {};

        judge_policies(NULL, NULL, false, rows[i].minor, &refusing);
        judge_policies(NULL, NULL, true, rows[i].minor, &stamping);
        ASSERT_EQ(refusing.len, rows[i].refusing);
        ASSERT_EQ(stamping.len, rows[i].stamping);
        ASSERT_EQ(findings_count(&refusing, FINDING_PROBLEM), 3);
    }
}

/* --- Lease --- */

#define UUID "0b6a4f1e-6f0c-4c0e-9d0a-3f1f6a2b8c77"
#define LEASE_FOR(holder, seconds, renewed)                                                        \
    "spec: {holderIdentity: '" holder "', leaseDurationSeconds: " seconds ", renewTime: '" renewed \
    "'}"
#define LEASE(holder, renewed) LEASE_FOR(holder, "15", renewed)

TEST(a_lease_says_who_works_and_since_when)
{
    static const struct {
        const char *yaml, *found;
    } rows[] = {
        {NULL, "problem Lease a/b: there is none: no controller has run"},
        {LEASE("", "2026-11-24T12:59:58.000000Z"), "problem Lease a/b: nobody holds it"},
        {LEASE("pod-1_" UUID, "2026-11-24T12:59:58.000000Z"),
         "ok Lease a/b: held by pod-1_" UUID " (certlet), renewed 2s ago"},
        {LEASE("pod-1_" UUID, "2026-11-24T13:00:30.000000Z"), "renewed 0s ago"},
        {LEASE("pod-1_" UUID, "2026-11-24T12:58:00.000000Z"),
         "problem Lease a/b: held by pod-1_" UUID " (certlet), who has not renewed it for 2m"},
        {LEASE("x-external-cert-manager-controller", "2026-11-24T12:59:50.000000Z"),
         "warning Lease a/b: held by x-external-cert-manager-controller (cert-manager), renewed 10s "
         "ago: certlet waits"},
        {LEASE("me", "2026-11-24T12:59:50.000000Z"), "held by me (an unknown program)"},
        {"spec: {holderIdentity: me}", "who has not renewed it for"},
        /* Whoever may write a Lease may write any number: no year has that many seconds. */
        {LEASE_FOR("me", "9223372036854775807", "2026-11-24T12:59:50.000000Z"), "renewed 10s ago"},
        {LEASE_FOR("me", "9223372036854775807", "2024-11-24T12:59:50.000000Z"),
         "who has not renewed it for"},
        {LEASE_FOR("me", "-9223372036854775808", "2026-11-24T12:50:00.000000Z"),
         "who has not renewed it for"},
    };
    const struct key key = {.namespace = "a", .name = "b"};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(json_unref) struct json *lease = yaml_of(rows[i].yaml);
        cleanup(xfree) char *found = NULL;
        struct findings findings = {};

        CASE(rows[i].found);
        judge_lease(&key, lease, AT(NOW), &findings);
        found = lines_of(&findings);
        ASSERT_CONTAINS(found, rows[i].found);
    }
}

TEST(a_lease_of_cert_manager_elsewhere_is_a_problem_while_it_is_held)
{
    static const struct {
        const char *yaml, *found;
    } rows[] = {
        {NULL, ""},
        {LEASE("", "2026-11-24T12:59:58.000000Z"), ""},
        {LEASE("x-external-cert-manager-controller", "2026-11-24T12:50:00.000000Z"), ""},
        {LEASE("x-external-cert-manager-controller", "2026-11-24T12:59:50.000000Z"),
         "problem Lease a/b: held by x-external-cert-manager-controller (cert-manager): it works"},
    };
    const struct key key = {.namespace = "a", .name = "b"};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(json_unref) struct json *lease = yaml_of(rows[i].yaml);
        cleanup(xfree) char *found = NULL;
        struct findings findings = {};

        CASE(str_or(rows[i].yaml, "none"));
        judge_foreign_lease(&key, lease, AT(NOW), &findings);
        ASSERT_EQ(findings.len, rows[i].found[0] ? 1 : 0);
        found = lines_of(&findings);
        if (rows[i].found[0])
            ASSERT_CONTAINS(found, rows[i].found);
    }
}

/* --- webhooks --- */

#define RULE(groups, resources) "rules: [{apiGroups: [" groups "], resources: [" resources "]}]"

TEST(a_webhook_is_asked_when_a_rule_covers_one_of_our_kinds)
{
    static const struct {
        const char *yaml;
        bool asked;
    } rows[] = {
        {RULE("cert-manager.io, acme.cert-manager.io", "'*/*'"), true},
        {RULE("'*'", "'*'"), true},
        {RULE("'*'", "pods"), false},
        {RULE("cert-manager.io", "certificaterequests/status"), true},
        {RULE("apps", "'*'"), false},
        {"name: x", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(json_unref) struct json *webhook = read_yaml(rows[i].yaml);

        CASE(rows[i].yaml);
        ASSERT_EQ(webhook_is_asked(webhook), rows[i].asked);
    }
}

#define SLICE(service, conditions)                                                                 \
    "[{metadata: {labels: {kubernetes.io/service-name: " service "}}, endpoints: [{conditions: "   \
    "{" conditions "}}]}]"

TEST(a_service_answers_when_a_slice_of_it_has_a_ready_endpoint)
{
    static const struct {
        const char *yaml;
        enum endpoints endpoints;
    } rows[] = {
        {SLICE("hook", "ready: true"), ENDPOINTS_READY},
        {SLICE("hook", ""), ENDPOINTS_READY}, /* not said: ready */
        {SLICE("hook", "ready: false"), ENDPOINTS_NONE},
        {SLICE("other", "ready: true"), ENDPOINTS_NONE},
        {"[{metadata: {labels: {kubernetes.io/service-name: hook}}}]", ENDPOINTS_NONE},
        {"[]", ENDPOINTS_NONE},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(json_unref) struct json *slices = read_yaml(rows[i].yaml);

        CASE(rows[i].yaml);
        ASSERT_EQ(judge_endpoints(slices, "hook"), rows[i].endpoints);
    }
}

#define HOOK(more) "{name: hook.test, clientConfig: {service: {namespace: a, name: b}}" more "}"

TEST(a_webhook_without_endpoints_is_a_problem_when_its_failure_refuses_writes)
{
    static const struct {
        const char *yaml;
        enum endpoints endpoints;
        const char *found;
    } rows[] = {
        {HOOK(""), ENDPOINTS_NONE,
         "problem webhook hook.test: Service a/b has no endpoints, so that the server refuses every "
         "write of our objects; start what answers, or if it was uninstalled: kubectl delete kind "
         "conf\n"},
        {HOOK(", failurePolicy: Fail"), ENDPOINTS_NONE, "problem webhook hook.test: "},
        {HOOK(", failurePolicy: Ignore"), ENDPOINTS_NONE,
         "warning webhook hook.test: Service a/b has no endpoints; the server goes on without it"},
        {HOOK(""), ENDPOINTS_READY, "ok webhook hook.test: of kind 'conf' has endpoints"},
        {"{name: hook.test, clientConfig: {url: 'https://x'}}", ENDPOINTS_UNKNOWN,
         "warning webhook hook.test: of kind 'conf' is outside of the cluster"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(json_unref) struct json *webhook = read_yaml(rows[i].yaml);
        cleanup(xfree) char *found = NULL;
        struct findings findings = {};

        CASE(rows[i].found);
        judge_webhook("kind", "conf", webhook, rows[i].endpoints, &findings);
        found = lines_of(&findings);
        ASSERT_CONTAINS(found, rows[i].found);
    }
}

/* --- CertificateSigningRequests --- */

/* One gate is enough here; the program's own reading has tests of its own. */
static bool has_gate(const struct strlist *gates)
{
    return strlist_has(gates, "G=true");
}

TEST(the_gate_is_read_from_the_deployments_of_the_account)
{
#define POD(account, container)                                                                    \
    "{spec: {template: {spec: {serviceAccountName: " account ", containers: [{" container "}]}}}}"
    static const struct {
        const char *deployments;
        enum signing_gate gate;
    } rows[] = {
        {"[]", SIGNING_UNKNOWN},
        {"[" POD("other", "args: ['--feature-gates=G=true']") "]", SIGNING_UNKNOWN},
        {"[" POD("certlet", "args: [controller]") "]", SIGNING_OFF},
        {"[" POD("certlet", "args: ['--feature-gates=G=false', '-v=4']") "]", SIGNING_OFF},
        {"[" POD("certlet", "args: ['--feature-gates=A=true,G=true']") "]", SIGNING_ON},
        {"[" POD("certlet", "args: ['--feature-gates', 'G=true']") "]", SIGNING_ON},
        {"[" POD("certlet", "args: ['--feature-gatesG=true']") "]", SIGNING_OFF},
        {"[" POD("certlet", "command: [certlet, '--feature-gates=G=true'], args: [x]") "]",
         SIGNING_ON},
        {"[" POD("certlet", "args: [--config, /x]") "]", SIGNING_UNKNOWN},
        {"[" POD("certlet", "args: [--config=/x, '--feature-gates=G=true']") "]", SIGNING_ON},
        {"[" POD("certlet", "args: ['--feature-gates=G=true']") ", " POD("certlet", "args: []") "]",
         SIGNING_ON},
        {"[{}, 3]", SIGNING_UNKNOWN},
    };
    const struct installed_options options = {
        .service_account = {.namespace = "cert-manager", .name = "certlet"},
        .signing_gate_is_on = has_gate};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(json_unref) struct json *deployments = read_yaml(rows[i].deployments);

        CASE(rows[i].deployments);
        ASSERT_EQ(signing_gate_of(deployments, &options), rows[i].gate);
    }
}

TEST(signing_is_judged_by_gate_role_and_permissions)
{
#define ABOUT  "CertificateSigningRequests: "
#define HOW    "kubectl apply -k deploy/signing_requests"
#define DELETE ", or kubectl delete clusterrole,clusterrolebinding " SIGNING_ROLE
    static const struct {
        enum signing_gate gate;
        bool role, binding;
        const char *missing; /* "": none; NULL: not known */
        const char *found;
    } rows[] = {
        {SIGNING_OFF, false, false, "x", "ok " ABOUT "are not signed: the gate is off; -\n"},
        {SIGNING_OFF, true, true, "",
         "warning " ABOUT "are not signed: ClusterRole " SIGNING_ROLE " is there, but the gate is "
         "off; " HOW DELETE "\n"},
        {SIGNING_OFF, false, true, "x",
         "warning " ABOUT "are not signed: ClusterRoleBinding " SIGNING_ROLE " is there, but the "
         "gate is off; " HOW DELETE "\n"},
        {SIGNING_UNKNOWN, false, false, "",
         "ok " ABOUT "are not signed: deploy/signing_requests is not installed; -\n"},
        {SIGNING_ON, true, true, "",
         "ok " ABOUT "the gate is on, and the controller has the permissions; -\n"},
        {SIGNING_ON, false, false, "",
         "ok " ABOUT "the gate is on, and the controller has the permissions; -\n"},
        {SIGNING_ON, true, true, "sign x",
         "problem " ABOUT "the gate is on, but the controller may not sign x; " HOW "\n"},
        {SIGNING_ON, true, true, NULL,
         "warning " ABOUT
         "the gate is on; whether the controller has the permissions is not known; "
         "-\n"},
        {SIGNING_UNKNOWN, true, false, "sign x",
         "problem " ABOUT "ClusterRole " SIGNING_ROLE " is there, but the controller may not sign "
         "x; " HOW "\n"},
        {SIGNING_UNKNOWN, false, true, "sign x",
         "problem " ABOUT "ClusterRoleBinding " SIGNING_ROLE
         " is there, but the controller may not "
         "sign x; " HOW "\n"},
        {SIGNING_UNKNOWN, true, true, "",
         "ok " ABOUT "ClusterRole " SIGNING_ROLE " is there, and the controller has the "
         "permissions; -\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(strlist_deinit) struct strlist missing = {};
        struct signing_setup setup = {rows[i].gate, rows[i].role, rows[i].binding, NULL};
        cleanup(xfree) char *found = NULL;
        struct findings findings = {};

        CASE(rows[i].found);
        if (!str_empty(rows[i].missing))
            strlist_add(&missing, rows[i].missing);
        setup.missing = rows[i].missing ? &missing : NULL;
        judge_signing(&setup, &findings);
        found = lines_of(&findings);
        ASSERT_STREQ(found, rows[i].found);
    }
}

TEST(what_waits_for_cainjector_is_told)
{
    cleanup(json_unref) struct json *object = read_yaml(
        "metadata: {name: x, annotations: {cert-manager.io/inject-ca-from: a/b}}");
    cleanup(xfree) char *found = NULL;
    struct findings findings = {};

    judge_injection("apiservice", object, &findings);
    found = lines_of(&findings);
    ASSERT_CONTAINS(found, "warning apiservice x: waits for cainjector to write its CA "
                           "(cert-manager.io/inject-ca-from)");
}

TEST(what_steers_a_terminal_is_made_harmless)
{
    cleanup(findings_deinit) struct findings findings = {};

    findings_add(&findings, FINDING_OK, "a\033[2J", "c\033", "b\n%s", "\x07");
    ASSERT_STREQ(findings.items[0].about, "a?[2J");
    ASSERT_STREQ(findings.items[0].text, "b??");
    ASSERT_STREQ(findings.items[0].todo, "c?");
}

RUN_TESTS(
    cmocka_unit_test(a_server_is_judged_by_its_minor_version),
    cmocka_unit_test(a_crd_is_judged_by_what_can_be_stored_and_who_may_delete_it),
    cmocka_unit_test(a_crd_that_goes_takes_its_objects_along),
    cmocka_unit_test(a_policy_counts_when_it_is_there_bound_and_looked_at),
    cmocka_unit_test(policies_that_a_server_cannot_have_are_not_missed),
    cmocka_unit_test(a_lease_says_who_works_and_since_when),
    cmocka_unit_test(a_lease_of_cert_manager_elsewhere_is_a_problem_while_it_is_held),
    cmocka_unit_test(a_webhook_is_asked_when_a_rule_covers_one_of_our_kinds),
    cmocka_unit_test(a_service_answers_when_a_slice_of_it_has_a_ready_endpoint),
    cmocka_unit_test(a_webhook_without_endpoints_is_a_problem_when_its_failure_refuses_writes),
    cmocka_unit_test(the_gate_is_read_from_the_deployments_of_the_account),
    cmocka_unit_test(signing_is_judged_by_gate_role_and_permissions),
    cmocka_unit_test(what_waits_for_cainjector_is_told),
    cmocka_unit_test(what_steers_a_terminal_is_made_harmless));
