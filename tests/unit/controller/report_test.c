/* report_test.c - rows for people, from objects in a store. */
#include "controller/report.h"

#include "api/kinds.h"
#include "store/local.h"
#include "unit/api/api_testing.h"

#define NOW "2026-11-24T13:00:00Z"

struct bed {
    struct fake_clock clock;
    struct context ctx;
    struct store *store;
    struct report report;
};

static struct bed *bed_new(void)
{
    struct bed *bed = xalloc(sizeof(*bed));
    struct local_options options = {.clock = &bed->clock.clock, .resources = kind_resources};
    struct err err = {};

    fake_clock_init(&bed->clock, AT(NOW));
    bed->ctx = context_background(&bed->clock.clock);
    ASSERT_OK(store_local_open(&options, &bed->store, &err));
    return bed;
}

static void bed_free(struct bed *bed)
{
    report_deinit(&bed->report);
    store_close(bed->store);
    xfree(bed);
}

/* An owner is "Kind name"; NULL: none. */
static void set_owner(struct bed *bed, struct json *object, const char *owner)
{
    cleanup(xfree) char *kind = xstrdup(owner);
    cleanup(json_unref) struct json *parent = NULL;
    struct json *list = json_new_list(), *reference = json_new_map();
    const char *name = strchr(owner, ' ') + 1;
    struct key key = {.namespace = "default", .name = name};
    struct err err = {};

    kind[strchr(owner, ' ') - owner] = '\0';
    ASSERT_OK(store_get(bed->store, &bed->ctx, &kind_by_name(kind)->resource, &key, &parent, &err));
    json_set_text(reference, "apiVersion", json_get_text(parent, "apiVersion"));
    json_set_text(reference, "kind", kind);
    json_set_text(reference, "name", name);
    json_set_text(reference, "uid", json_as_text(json_path(parent, "metadata.uid")));
    json_set_bool(reference, "controller", true);
    json_append(list, reference);
    json_set(json_get(object, "metadata"), "ownerReferences", list);
}

/* The object, and then its status. */
static void put(struct bed *bed, const char *owner, const char *yaml)
{
    cleanup(json_unref) struct json *given = read_yaml(yaml);
    cleanup(json_unref) struct json *object = json_deep(given);
    cleanup(json_unref) struct json *stored = NULL;
    const struct kind *kind = kind_find(json_get_text(object, "apiVersion"),
                                        json_get_text(object, "kind"));
    struct err err = {};

    if (owner)
        set_owner(bed, object, owner);
    ASSERT_OK(store_create(bed->store, &bed->ctx, &kind->resource, "test", object, &stored, &err));
    if (!json_get(given, "status"))
        return;
    json_set(stored, "status", json_ref(json_get(given, "status")));
    ASSERT_OK(store_update(bed->store, &bed->ctx, &kind->resource, STORE_STATUS, "test", stored,
                           NULL, &err));
}

static const struct report *load(struct bed *bed)
{
    struct err err = {};

    report_deinit(&bed->report);
    ASSERT_OK(report_load(bed->store, &bed->ctx, &bed->report, &err));
    return &bed->report;
}

static const struct certificate_row *only_row(struct bed *bed)
{
    ASSERT_EQ(load(bed)->certificate_count, 1);
    return &bed->report.certificates[0];
}

#define HEAD(group, kind, name, more)                                                              \
    "apiVersion: " group "cert-manager.io/v1\nkind: " kind "\nmetadata: {name: " name              \
    ", namespace: default" more "}\n"
#define CERTIFICATE(name, status)                                                                  \
    HEAD("", "Certificate", name, "")                                                              \
    "spec: {dnsNames: [a.example, '*.a.example'], secretName: " name                               \
    "-tls, issuerRef: {name: acme}}\n" status
#define REQUEST(name, revision, status)                                                            \
    HEAD("", "CertificateRequest", name,                                                           \
         ", annotations: {cert-manager.io/certificate-revision: '" revision "'}")                  \
    "spec: {request: eA==, issuerRef: {name: acme}}\n" status
#define ORDER(name, status)                                                                        \
    HEAD("acme.", "Order", name, "")                                                               \
    "spec: {request: eA==, issuerRef: {name: acme}, dnsNames: [a.example, '*.a.example']}\n" status
#define CHALLENGE(name, dns_name, status)                                                          \
    HEAD("acme.", "Challenge", name, "")                                                           \
    "spec: {url: u, authorizationURL: u, dnsName: " dns_name                                       \
    ", type: DNS-01, token: t, key: k, solver: {}, issuerRef: {name: acme}}\n" status
#define CONDITION(type, status, reason, message)                                                   \
    "{type: " type ", status: '" status "', reason: " reason ", message: '" message                \
    "', lastTransitionTime: '2026-11-24T12:00:00Z'}"

#define READY                                                                                      \
    "status: {notBefore: '2026-11-01T00:00:00Z', notAfter: '2027-01-30T00:00:00Z', renewalTime: "  \
    "'2026-12-31T00:00:00Z', revision: 1, conditions: [" CONDITION("Ready", "True", "Ready",       \
                                                                   "up to date") "]}\n"
#define ISSUING                                                                                    \
    "status: {conditions: [" CONDITION("Ready", "False", "DoesNotExist",                           \
                                       "no Secret") ", " CONDITION("Issuing", "True",              \
                                                                   "DoesNotExist",                 \
                                                                   "Secret does not exist") "]}\n"

TEST(a_request_of_no_certificate_is_told)
{
    static const struct {
        const char *yaml, *said;
    } rows[] = {
        {REQUEST("a", "1",
                 "status: {conditions: [" CONDITION("Denied", "True", "Policy", "no") "]}\n"),
         "CertificateRequest default/a: denied: no"},
        {REQUEST("b", "1",
                 "status: {conditions: [" CONDITION("Ready", "False", "Failed", "bad") "]}\n"),
         "CertificateRequest default/b: failed: bad"},
        {REQUEST("c", "1",
                 "status: {conditions: [" CONDITION("Ready", "True", "Issued", "done") "]}\n"),
         "CertificateRequest default/c: issued"},
        {REQUEST("d", "1", ""), "CertificateRequest default/d: not approved yet"},
    };
    struct bed *bed = bed_new();

    put(bed, NULL, CERTIFICATE("web", READY));
    put(bed, "Certificate web", REQUEST("web-1", "1", ""));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        put(bed, NULL, rows[i].yaml);
    ASSERT_EQ(load(bed)->request_count, ARRAY_LEN(rows));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(buf_deinit) struct buf said = BUF(1000);
        const struct request_row *row = &bed->report.requests[i];

        request_row_explain(row, &said);
        ASSERT_STREQ(buf_str(&said), rows[i].said);
        ASSERT_EQ(row->is_issued, streq(row->name, "c"));
    }
    bed_free(bed);
}

TEST(a_certificate_that_is_ready_is_fine)
{
    struct bed *bed = bed_new();
    const struct certificate_row *row;

    put(bed, NULL, CERTIFICATE("web", READY));
    row = only_row(bed);
    ASSERT_STREQ(row->namespace, "default");
    ASSERT_STREQ(row->name, "web");
    ASSERT_STREQ(row->ready, "True");
    ASSERT_EQ(row->dns_names.len, 2);
    ASSERT_STREQ(row->issuer_kind, "Issuer");
    ASSERT_STREQ(row->secret_name, "web-tls");
    ASSERT_EQ(row->not_after_ms, AT("2027-01-30T00:00:00Z"));
    ASSERT_FALSE(row->is_issuing);
    ASSERT_NULL(row->waiting_for);
    ASSERT_NULL(row->problem);
    ASSERT_TRUE(certificate_row_is_fine(row, AT(NOW)));
    bed_free(bed);
}

/* Nobody takes it, for as long as the clock was ahead. */
TEST(a_certificate_that_is_not_in_force_yet_is_not_fine)
{
    struct bed *bed = bed_new();
    cleanup(buf_deinit) struct buf text = BUF(4096);
    const struct certificate_row *row;

    put(bed, NULL, CERTIFICATE("web", READY));
    ASSERT_TRUE(certificate_row_is_fine(only_row(bed), AT(NOW)));
    bed->clock.now_ms = AT("2026-10-31T23:54:59Z");
    row = only_row(bed);
    ASSERT_FALSE(certificate_row_is_fine(row, bed->clock.now_ms));
    certificate_row_explain(row, &text);
    ASSERT_CONTAINS(buf_str(&text), "default/web: not valid before 2026-11-01T00:00:00Z: ");
    bed_free(bed);
}

TEST(a_certificate_whose_renewal_is_overdue_is_not_fine)
{
    struct bed *bed = bed_new();

    put(bed, NULL, CERTIFICATE("web", READY));
    ASSERT_TRUE(certificate_row_is_fine(only_row(bed), AT("2026-12-30T23:59:59Z")));
    ASSERT_FALSE(certificate_row_is_fine(only_row(bed), AT("2026-12-31T00:00:00Z")));
    bed_free(bed);
}

TEST(a_certificate_that_nobody_has_looked_at_says_what_to_do)
{
    struct bed *bed = bed_new();
    const struct certificate_row *row;

    put(bed, NULL, CERTIFICATE("web", ""));
    row = only_row(bed);
    ASSERT_STREQ(row->ready, "Unknown");
    ASSERT_CONTAINS(row->message, "certlet run");
    ASSERT_FALSE(certificate_row_is_fine(row, AT(NOW)));
    bed_free(bed);
}

TEST(an_issuance_shows_what_its_order_waits_for_and_the_name_that_holds_it_up)
{
    struct bed *bed = bed_new();
    cleanup(buf_deinit) struct buf line = BUF(4096);
    const struct certificate_row *row;

    put(bed, NULL, CERTIFICATE("web", ISSUING));
    put(bed, "Certificate web", REQUEST("web-1", "1", ""));
    put(bed, "CertificateRequest web-1",
        ORDER("web-1-7", "status: {state: pending, reason: 'waiting for a.example'}\n"));
    put(bed, "Order web-1-7", CHALLENGE("good", "good.example", "status: {state: valid}\n"));
    put(bed, "Order web-1-7",
        CHALLENGE("slow", "a.example", "status: {state: pending, reason: not yet}\n"));
    row = only_row(bed);
    ASSERT_TRUE(row->is_issuing);
    ASSERT_STREQ(row->waiting_for, "waiting for a.example");
    ASSERT_STREQ(row->failing_name, "a.example");
    certificate_row_explain(row, &line);
    ASSERT_STREQ(buf_str(&line), "default/web: waiting: waiting for a.example");
    bed_free(bed);
}

TEST(a_request_without_an_order_says_what_it_waits_for)
{
    struct bed *bed = bed_new();

    put(bed, NULL, CERTIFICATE("web", ISSUING));
    put(bed, "Certificate web",
        REQUEST("web-1", "1",
                "status: {conditions: [" CONDITION("Ready", "False", "Pending",
                                                   "issuer acme is not ready") "]}\n"));
    ASSERT_STREQ(only_row(bed)->waiting_for, "issuer acme is not ready");
    bed_free(bed);
}

TEST(what_only_the_certificate_says_it_waits_for_is_said)
{
    struct bed *bed = bed_new();
    cleanup(buf_deinit) struct buf line = BUF(4096);

    put(bed, NULL,
        CERTIFICATE("web", "status: {conditions: [" CONDITION(
                               "Issuing", "True", "DoesNotExist",
                               "no Secret (waiting: the controller (of another group))") "]}\n"));
    ASSERT_STREQ(only_row(bed)->waiting_for, "the controller (of another group)");
    certificate_row_explain(only_row(bed), &line);
    ASSERT_STREQ(buf_str(&line), "default/web: waiting: the controller (of another group)");
    bed_free(bed);
}

#define MARKED(reason, message, generation)                                                        \
    "status: {conditions: [{type: Ready, status: 'False', reason: " reason ", message: '" message  \
    "', observedGeneration: " generation ", lastTransitionTime: '2026-11-24T12:00:00Z'}, "         \
    "" CONDITION("Issuing", "True", "ManuallyTriggered", "triggered by hand") "]}\n"

TEST(what_is_marked_by_hand_and_cannot_be_issued_says_why)
{
    static const struct {
        const char *status, *said;
    } rows[] = {
        {MARKED("InvalidSpec", "spec.dnsNames[0]: is no name", "1"),
         "default/web: spec.dnsNames[0]: is no name"},
        {MARKED("DuplicateSecretName", "another one names the Secret", "1"),
         "default/web: another one names the Secret"},
        {MARKED("InvalidSpec", "of another spec", "7"), "default/web: triggered by hand"},
        {MARKED("DoesNotExist", "no Secret", "1"), "default/web: triggered by hand"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bed *bed = bed_new();
        cleanup(buf_deinit) struct buf line = BUF(4096);
        cleanup(xfree) char *yaml = xasprintf("%s%s", CERTIFICATE("web", ""), rows[i].status);

        put(bed, NULL, yaml);
        certificate_row_explain(only_row(bed), &line);
        ASSERT_STREQ(buf_str(&line), rows[i].said);
        bed_free(bed);
    }
}

#define FAILED                                                                                     \
    "status: {failedIssuanceAttempts: 2, lastFailureTime: '2026-11-24T12:30:00Z', conditions: "    \
    "[" CONDITION("Ready", "False", "DoesNotExist",                                                \
                  "no Secret") ", " CONDITION("Issuing", "False", "Failed", "it failed") "]}\n"

TEST(a_failure_shows_the_words_of_the_ca_the_name_the_attempt_and_the_next_time)
{
    struct bed *bed = bed_new();
    cleanup(buf_deinit) struct buf line = BUF(4096);
    const struct certificate_row *row;

    put(bed, NULL, CERTIFICATE("web", FAILED));
    put(bed, "Certificate web", REQUEST("web-1", "1", ""));
    put(bed, "CertificateRequest web-1",
        ORDER("web-1-7", "status: {state: invalid, reason: 'a.example: CAA forbids it'}\n"));
    row = only_row(bed);
    ASSERT_STREQ(row->problem, "a.example: CAA forbids it");
    ASSERT_STREQ(row->failing_name, "a.example");
    ASSERT_EQ(row->attempts, 2);
    ASSERT_EQ(row->next_attempt_ms, AT("2026-11-24T14:30:00Z"));
    ASSERT_FALSE(certificate_row_is_fine(row, AT(NOW)));
    certificate_row_explain(row, &line);
    ASSERT_STREQ(buf_str(&line), "default/web: a.example: CAA forbids it (attempt 2 failed, next "
                                 "not before 2026-11-24T14:30:00Z)");
    bed_free(bed);
}

TEST(an_issuance_that_was_called_off_is_no_problem)
{
    struct bed *bed = bed_new();

    put(bed, NULL,
        CERTIFICATE("web", "status: {conditions: [" CONDITION("Issuing", "False", "CalledOff",
                                                              "called off") "]}\n"));
    ASSERT_NULL(only_row(bed)->problem);
    bed_free(bed);
}

/* The controller has flags for how long it waits, and says it. */
TEST(the_attempt_and_its_time_are_said_once_as_the_controller_says_them)
{
    struct bed *bed = bed_new();
    cleanup(buf_deinit) struct buf line = BUF(4096);
    const struct certificate_row *row;

    put(bed, NULL,
        CERTIFICATE("web",
                    "status: {failedIssuanceAttempts: 2, lastFailureTime: '2026-11-24T12:30:00Z', "
                    "conditions: [" CONDITION("Issuing", "False", "Failed",
                                              "the CA said no (attempt 1 of many) (attempt 2, "
                                              "next not before 2026-11-24T13:05:00Z)") "]}\n"));
    row = only_row(bed);
    ASSERT_STREQ(row->problem, "the CA said no (attempt 1 of many)");
    ASSERT_EQ(row->next_attempt_ms, AT("2026-11-24T13:05:00Z"));
    certificate_row_explain(row, &line);
    ASSERT_STREQ(buf_str(&line), "default/web: the CA said no (attempt 1 of many) (attempt 2 "
                                 "failed, next not before 2026-11-24T13:05:00Z)");
    bed_free(bed);
}

TEST(names_of_every_kind_are_names)
{
    static const struct {
        const char *spec, *first;
        size_t count;
    } rows[] = {
        {"dnsNames: [a.example], commonName: a.example", "a.example", 1},
        {"dnsNames: [a.example], ipAddresses: [10.0.0.1], uris: ['spiffe://a'], emailAddresses: "
         "[a@a.example], otherNames: [{oid: 1.2.3, utf8Value: a}]",
         "a.example", 5},
        {"ipAddresses: [10.0.0.1]", "10.0.0.1", 1},
        {"uris: ['spiffe://a']", "spiffe://a", 1},
        {"emailAddresses: [a@a.example]", "a@a.example", 1},
        {"otherNames: [{oid: 1.2.3, utf8Value: upn}]", "upn", 1},
        {"commonName: Root", "Root", 1},
        {"literalSubject: 'CN=Root,O=Example'", "Root", 1},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bed *bed = bed_new();
        cleanup(xfree) char *yaml = xasprintf(
            HEAD("", "Certificate", "web", "") "spec: {%s, secretName: s, issuerRef: {name: i}}\n",
            rows[i].spec);

        CASE(rows[i].spec);
        put(bed, NULL, yaml);
        ASSERT_EQ(only_row(bed)->names.len, rows[i].count);
        ASSERT_STREQ(only_row(bed)->names.items[0], rows[i].first);
        bed_free(bed);
    }
}

TEST(a_renewal_that_failed_is_not_fine_although_the_certificate_is_in_force)
{
    struct bed *bed = bed_new();
    struct certificate_row row;

    put(bed, NULL, CERTIFICATE("web", READY));
    row = *only_row(bed);
    row.attempts = 1;
    ASSERT_FALSE(certificate_row_is_fine(&row, AT(NOW)));
    bed_free(bed);
}

TEST(requests_of_other_certificates_and_other_revisions_do_not_count)
{
    struct bed *bed = bed_new();

    put(bed, NULL, CERTIFICATE("api", READY));
    put(bed, NULL, CERTIFICATE("web", FAILED));
    put(bed, "Certificate api", REQUEST("api-2", "2", ""));
    put(bed, "CertificateRequest api-2",
        ORDER("api-2-7", "status: {state: errored, reason: refused}\n"));
    put(bed, "Certificate web", REQUEST("web-9", "9", ""));
    put(bed, "CertificateRequest web-9",
        ORDER("web-9-7", "status: {state: errored, reason: old}\n"));
    ASSERT_EQ(load(bed)->certificate_count, 2);
    ASSERT_STREQ(bed->report.certificates[0].name, "api");
    ASSERT_STREQ(bed->report.certificates[0].problem, "refused");
    ASSERT_STREQ(bed->report.certificates[1].problem, "it failed");
    bed_free(bed);
}

TEST(a_text_that_would_steer_a_terminal_is_made_harmless)
{
    struct bed *bed = bed_new();

    put(bed, NULL, CERTIFICATE("web", FAILED));
    put(bed, "Certificate web", REQUEST("web-1", "1", ""));
    put(bed, "CertificateRequest web-1",
        ORDER("web-1-7", "status: {state: errored, reason: \"\\e[2Jgone\"}\n"));
    ASSERT_STREQ(only_row(bed)->problem, "?[2Jgone");
    bed_free(bed);
}

TEST(issuers_of_both_scopes_are_rows)
{
    struct bed *bed = bed_new();

    put(bed, NULL,
        HEAD("", "Issuer", "acme", "") "spec: {acme: {server: 'https://ca.example', "
                                       "privateKeySecretRef: {name: k}}}\n"
                                       "status: {acme: {uri: 'https://ca.example/1'}, conditions: "
                                       "[" CONDITION("Ready", "True", "ACMEAccountRegistered",
                                                     "registered") "]}\n");
    put(bed, NULL,
        "apiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: {name: all}\n"
        "spec: {acme: {server: 'https://ca.example', privateKeySecretRef: {name: k}}}\n");
    ASSERT_EQ(load(bed)->issuer_count, 2);
    ASSERT_STREQ(bed->report.issuers[0].account, "https://ca.example/1");
    ASSERT_STREQ(bed->report.issuers[0].ready, "True");
    ASSERT_STREQ(bed->report.issuers[1].kind, "ClusterIssuer");
    ASSERT_STREQ(bed->report.issuers[1].ready, "Unknown");
    bed_free(bed);
}

TEST(an_issuer_that_is_elsewhere_is_told_to_those_that_wait)
{
    static const struct {
        const char *kind, *namespace, *status, *hint;
    } cases[] = {
        {"Issuer", "default", ISSUING, NULL},
        {"ClusterIssuer", NULL, READY, NULL},
        {"ClusterIssuer", NULL, ISSUING, "there is ClusterIssuer 'acme': set spec.issuerRef.kind"},
        {"Issuer", "other", ISSUING,
         "there is an Issuer 'acme' in namespace 'other', which is for that one only"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bed *bed = bed_new();
        cleanup(xfree) char *crt = xasprintf(CERTIFICATE("web", "%s"), cases[i].status);
        cleanup(xfree) char *issuer = xasprintf(
            "apiVersion: cert-manager.io/v1\nkind: %s\nmetadata: {name: acme%s%s}\n"
            "spec: {selfSigned: {}}\n",
            cases[i].kind, cases[i].namespace ? ", namespace: " : "",
            str_or(cases[i].namespace, ""));

        CASE(cases[i].kind);
        put(bed, NULL, crt);
        put(bed, NULL, issuer);
        ASSERT_STREQ(only_row(bed)->issuer_hint, cases[i].hint);
        bed_free(bed);
    }
}

/* Of an issuer of that name and kind, and of a Certificate that waits. */
TEST(a_refused_manifest_is_told_to_those_that_wait_for_its_issuer)
{
    static const struct {
        const char *object, *status;
        bool is_warning, is_told;
    } cases[] = {
        {"Issuer default/acme", ISSUING, false, true}, {"Issuer default/acme", READY, false, false},
        {"Issuer default/acme", ISSUING, true, false}, {"Issuer other/acme", ISSUING, false, false},
        {"ClusterIssuer acme", ISSUING, false, false}, {NULL, ISSUING, false, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bed *bed = bed_new();
        struct manifest_problem problem = {.file = (char *)"manifests/a.yaml",
                                           .line = 4,
                                           .object = (char *)cases[i].object,
                                           .text = (char *)"no",
                                           .is_warning = cases[i].is_warning};
        cleanup(xfree) char *yaml = xasprintf(CERTIFICATE("web", "%s"), cases[i].status);
        const struct certificate_row *row;

        CASE(str_or(cases[i].object, "(none)"));
        put(bed, NULL, yaml);
        row = only_row(bed);
        report_tell_refused(&bed->report, &(struct manifest_problems){&problem, 1, 0});
        ASSERT_STREQ(row->issuer_refused,
                     cases[i].is_told ? "manifests/a.yaml:4: Issuer default/acme: no" : NULL);
        bed_free(bed);
    }
}

TEST(a_certificate_without_a_stored_chain_has_no_serial)
{
    struct bed *bed = bed_new();
    struct err err = {};

    put(bed, NULL, CERTIFICATE("web", READY));
    put(bed, NULL,
        "apiVersion: v1\nkind: Secret\nmetadata: {name: other-tls, namespace: default}\n"
        "type: kubernetes.io/tls\ndata: {tls.crt: bm8=, tls.key: bm8=}\n");
    put(bed, NULL, CERTIFICATE("other", READY));
    (void)load(bed); /* the rows are looked at below */
    ASSERT_OK(report_load_leaves(bed->store, &bed->ctx, &bed->report, &err));
    ASSERT_NULL(bed->report.certificates[0].serial);
    ASSERT_NULL(bed->report.certificates[1].serial);
    bed_free(bed);
}

/* --- a part of it --- */

/* A store whose reader may not read everything. */
struct restricted {
    struct store store;
    struct store *inner;
    const char *refused; /* plurals */
    size_t lists;
};

static int check(struct store *store, const struct resource *resource, struct err *err)
{
    struct restricted *self = CONTAINER_OF(store, struct restricted, store);

    if (strstr(self->refused, resource->plural))
        return err_set(err, ERR_DENIED, "%s: denied", resource->plural);
    return 0;
}

static int restricted_get(struct store *store, const struct context *ctx,
                          const struct resource *resource, const struct key *key, struct json **ret,
                          struct err *err)
{
    int r = check(store, resource, err);

    return r < 0 ? r
                 : store_get(CONTAINER_OF(store, struct restricted, store)->inner, ctx, resource,
                             key, ret, err);
}

static int restricted_watch(struct store *store, const struct context *ctx,
                            const struct resource *resource, const struct store_view *view,
                            const char *since, struct store_watch **ret, struct err *err)
{
    struct restricted *self = CONTAINER_OF(store, struct restricted, store);
    int r = check(store, resource, err);

    self->lists++;
    return r < 0 ? r : self->inner->ops->watch(self->inner, ctx, resource, view, since, ret, err);
}

static const struct store_ops restricted_ops = {.get = restricted_get, .watch = restricted_watch};

static int load_part(struct bed *bed, const char *refused, const struct report_scope *scope,
                     size_t *ret_lists, struct err *err)
{
    struct restricted store = {
        .store.ops = &restricted_ops, .inner = bed->store, .refused = refused};
    int r;

    report_deinit(&bed->report);
    r = report_load_scope(&store.store, &bed->ctx, scope, &bed->report, err);
    if (r == 0)
        r = report_load_leaves(&store.store, &bed->ctx, &bed->report, err);
    *ret_lists = store.lists;
    return r;
}

static void put_elsewhere(struct bed *bed, const char *namespace, const char *name)
{
    cleanup(xfree) char *yaml = xasprintf(
        "apiVersion: cert-manager.io/v1\nkind: Certificate\n"
        "metadata: {name: %s, namespace: %s}\n"
        "spec: {dnsNames: [a.example], secretName: s, issuerRef: {name: acme}}\n" READY,
        name, namespace);

    put(bed, NULL, yaml);
}

static void check_names(struct bed *bed, const char *scope_namespaces, const char *scope_names,
                        const char *expected)
{
    struct report_scope scope = {};
    cleanup(buf_deinit) struct buf got = BUF(1024);
    struct err err = {};
    size_t lists;

    CASE(expected);
    strlist_split(&scope.namespaces, scope_namespaces, ',');
    strlist_split(&scope.names, scope_names, ',');
    ASSERT_OK(load_part(bed, "", &scope, &lists, &err));
    for (size_t i = 0; i < bed->report.certificate_count; i++)
        buf_addf(&got, "%s%s/%s", i > 0 ? " " : "", bed->report.certificates[i].namespace,
                 bed->report.certificates[i].name);
    ASSERT_STREQ(buf_str(&got), expected);
    strlist_deinit(&scope.namespaces);
    strlist_deinit(&scope.names);
}

TEST(a_scope_is_namespaces_and_names)
{
    struct bed *bed = bed_new();

    put_elsewhere(bed, "a", "web");
    put_elsewhere(bed, "b", "web");
    put_elsewhere(bed, "b", "x");
    put_elsewhere(bed, "c", "x");
    check_names(bed, "", "", "a/web b/web b/x c/x");
    check_names(bed, "a,c", "", "a/web c/x");
    check_names(bed, "", "web", "a/web b/web");
    check_names(bed, "", "b/x", "b/x");
    check_names(bed, "b", "web,c/x", "b/web");
    ASSERT_TRUE(report_has(&bed->report, "web"));
    ASSERT_TRUE(report_has(&bed->report, "b/web"));
    ASSERT_FALSE(report_has(&bed->report, "x"));
    ASSERT_FALSE(report_has(&bed->report, "a/web"));
    bed_free(bed);
}

TEST(what_explains_a_certificate_is_read_only_when_one_needs_it)
{
    struct bed *bed = bed_new();
    char name[] = "web";
    const struct report_scope ready = {.names = {.items = (char *[]){name}, .len = 1}};
    struct err err = {};
    size_t lists;

    put(bed, NULL, CERTIFICATE("web", READY));
    put(bed, NULL, CERTIFICATE("young", ""));
    ASSERT_OK(load_part(bed, "", &ready, &lists, &err));
    ASSERT_EQ(lists, 3); /* Certificates and both kinds of Issuers */
    ASSERT_OK(load_part(bed, "", &(struct report_scope){}, &lists, &err));
    ASSERT_EQ(lists, 4); /* and requests, of which there is none */
    bed_free(bed);
}

static void put_issuer(struct bed *bed, const char *kind, const char *namespace, const char *name)
{
    cleanup(xfree) char *yaml = xasprintf(
        "apiVersion: cert-manager.io/v1\nkind: %s\nmetadata: {name: %s%s%s}\nspec: {selfSigned: {}}\n",
        kind, name, *namespace ? ", namespace: " : "", namespace);

    put(bed, NULL, yaml);
}

TEST(who_asks_by_name_is_told_of_the_issuers_of_these_only)
{
    struct bed *bed = bed_new();
    struct report_scope scope = {};
    struct err err = {};
    size_t lists;

    put(bed, NULL, CERTIFICATE("web", ""));
    put_issuer(bed, "Issuer", "default", "acme");
    put_issuer(bed, "Issuer", "default", "other");
    put_issuer(bed, "Issuer", "elsewhere", "acme");
    put_issuer(bed, "ClusterIssuer", "", "acme");
    ASSERT_OK(load_part(bed, "", &scope, &lists, &err));
    ASSERT_EQ(bed->report.issuer_count, 4);
    strlist_add(&scope.names, "web");
    ASSERT_OK(load_part(bed, "", &scope, &lists, &err));
    ASSERT_EQ(bed->report.issuer_count, 1);
    ASSERT_STREQ(bed->report.issuers[0].kind, "Issuer");
    ASSERT_STREQ(bed->report.issuers[0].namespace, "default");
    ASSERT_STREQ(bed->report.issuers[0].name, "acme");
    strlist_deinit(&scope.names);
    bed_free(bed);
}

TEST(what_may_not_be_read_beside_certificates_is_named_and_left_out)
{
    struct bed *bed = bed_new();
    struct report_scope scope = {.tolerant = true};
    const char *all = "certificaterequests orders challenges issuers clusterissuers secrets";
    struct err err = {};
    size_t lists;

    put(bed, NULL, CERTIFICATE("young", ""));
    strlist_add(&scope.namespaces, "default");
    ASSERT_OK(load_part(bed, all, &scope, &lists, &err));
    ASSERT_EQ(bed->report.certificate_count, 1);
    ASSERT_EQ(bed->report.refused.len, 4);
    ASSERT_CONTAINS(bed->report.refused.items[0],
                    "not permitted to read certificaterequests.cert-manager.io in namespace "
                    "'default': ");
    ASSERT_CONTAINS(bed->report.refused.items[2],
                    "not permitted to read clusterissuers.cert-manager.io: ");
    ASSERT_CONTAINS(bed->report.refused.items[3],
                    "not permitted to read secrets in namespace 'default': ");
    scope.tolerant = false;
    ASSERT_ERR(ERR_DENIED, load_part(bed, "issuers", &scope, &lists, &err));
    strlist_deinit(&scope.namespaces);
    bed_free(bed);
}

TEST(a_report_without_certificates_is_none)
{
    struct bed *bed = bed_new();
    const struct report_scope scope = {.tolerant = true};
    struct err err = {};
    size_t lists;

    ASSERT_ERR(ERR_DENIED, load_part(bed, "certificates", &scope, &lists, &err));
    bed_free(bed);
}

TEST(a_secret_that_lacks_a_key_is_not_one_that_is_not_there)
{
    static const struct {
        const char *data, *state, *text;
    } rows[] = {
        {NULL, "not there", "secret 'default/web-tls' does not exist"},
        {"{}", "incomplete", "it has no 'tls.crt'"},
        {"{tls.crt: '', tls.key: bm8=}", "incomplete", "it has no 'tls.crt'"},
        {"{tls.crt: bm8=}", "incomplete", "it has no 'tls.key'"},
    };
    const struct report_scope scope = {.with_tree = true};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bed *bed = bed_new();
        cleanup(xfree) char *secret = xasprintf(
            "apiVersion: v1\nkind: Secret\nmetadata: {name: web-tls, namespace: default}\n"
            "data: %s\n",
            str_or(rows[i].data, ""));
        struct err err = {};
        size_t lists;

        put(bed, NULL, CERTIFICATE("web", READY));
        if (rows[i].data)
            put(bed, NULL, secret);
        ASSERT_OK(load_part(bed, "", &scope, &lists, &err));
        ASSERT_STREQ(bed->report.certificates[0].nodes[1].kind, "Secret");
        ASSERT_STREQ(bed->report.certificates[0].nodes[1].state, rows[i].state);
        ASSERT_STREQ(bed->report.certificates[0].nodes[1].text, rows[i].text);
        bed_free(bed);
    }
}

RUN_TESTS(
    cmocka_unit_test(a_secret_that_lacks_a_key_is_not_one_that_is_not_there),
    cmocka_unit_test(names_of_every_kind_are_names),
    cmocka_unit_test(an_issuance_that_was_called_off_is_no_problem),
    cmocka_unit_test(the_attempt_and_its_time_are_said_once_as_the_controller_says_them),
    cmocka_unit_test(a_scope_is_namespaces_and_names),
    cmocka_unit_test(what_explains_a_certificate_is_read_only_when_one_needs_it),
    cmocka_unit_test(who_asks_by_name_is_told_of_the_issuers_of_these_only),
    cmocka_unit_test(what_may_not_be_read_beside_certificates_is_named_and_left_out),
    cmocka_unit_test(a_report_without_certificates_is_none),
    cmocka_unit_test(a_request_of_no_certificate_is_told),
    cmocka_unit_test(a_certificate_that_is_ready_is_fine),
    cmocka_unit_test(a_certificate_that_is_not_in_force_yet_is_not_fine),
    cmocka_unit_test(a_certificate_whose_renewal_is_overdue_is_not_fine),
    cmocka_unit_test(a_certificate_that_nobody_has_looked_at_says_what_to_do),
    cmocka_unit_test(an_issuance_shows_what_its_order_waits_for_and_the_name_that_holds_it_up),
    cmocka_unit_test(a_request_without_an_order_says_what_it_waits_for),
    cmocka_unit_test(what_only_the_certificate_says_it_waits_for_is_said),
    cmocka_unit_test(what_is_marked_by_hand_and_cannot_be_issued_says_why),
    cmocka_unit_test(a_failure_shows_the_words_of_the_ca_the_name_the_attempt_and_the_next_time),
    cmocka_unit_test(a_renewal_that_failed_is_not_fine_although_the_certificate_is_in_force),
    cmocka_unit_test(requests_of_other_certificates_and_other_revisions_do_not_count),
    cmocka_unit_test(a_text_that_would_steer_a_terminal_is_made_harmless),
    cmocka_unit_test(issuers_of_both_scopes_are_rows),
    cmocka_unit_test(an_issuer_that_is_elsewhere_is_told_to_those_that_wait),
    cmocka_unit_test(a_refused_manifest_is_told_to_those_that_wait_for_its_issuer),
    cmocka_unit_test(a_certificate_without_a_stored_chain_has_no_serial));
