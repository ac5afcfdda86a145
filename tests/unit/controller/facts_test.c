#include "controller/facts.h"
#include "unit/api/api_testing.h"
#include "unit/api/manifests.h"

static const void *decode(const char *text,
                          int (*decode_fn)(const struct json *, const void **, struct err *))
{
    cleanup(json_unref) struct json *value = read_yaml(text);
    cleanup(json_unref) struct json *before = json_deep(value);
    const void *facts = NULL;
    struct err err = {};

    ASSERT_OK(decode_fn(value, &facts, &err));
    ASSERT_TRUE(json_same(before, value)); /* it is shared */
    return facts;
}

#define REQUEST                                                                                    \
    "apiVersion: cert-manager.io/v1\nkind: CertificateRequest\n"                                   \
    "metadata:\n  name: web-1\n  annotations: {cert-manager.io/certificate-revision: '%s'}\n"      \
    "spec: {issuerRef: {name: acme}, request: %s}\n"

TEST(a_request_is_known_by_the_hashes_of_its_bytes)
{
    cleanup(object_unref)
        const struct object *object = decode(manifest_certificate_request, request_facts_decode);
    const struct request_facts *facts = (const struct request_facts *)object;

    ASSERT_TRUE(facts->csr_ok && facts->has_certificate && facts->certificate_ok);
    ASSERT_MEMEQ(facts->key_hash, SHA256_LEN, facts->certificate_key_hash, SHA256_LEN);
    ASSERT_TRUE(facts->not_after_ms > 0);
    ASSERT_EQ(facts->request.spec.request.len, 0);
    ASSERT_EQ(facts->request.status.certificate.len, 0);
    ASSERT_EQ(facts->request.status.ca.len, 0);
    ASSERT_STREQ(facts->request.spec.issuer_ref.name, "acme");
    ASSERT_TRUE(condition_is(&facts->request.status.conditions, "Approved", CONDITION_TRUE));
    ASSERT_PTREQ(object->kind, &kind_certificate_request);
}

TEST(a_request_matches_the_spec_that_it_was_made_from_in_any_order)
{
    cleanup(object_unref)
        const struct object *object = decode(manifest_certificate_request, request_facts_decode);
    const struct request_facts *facts = (const struct request_facts *)object;
    const char *names[] = {"WWW.example.com", "example.com", "example.com"};
    const char *ips[] = {"::ffff:192.0.2.1"};
    struct certificate_spec spec = {
        .common_name = "example.com", .dns_names = {names, 3}, .ip_addresses = {ips, 1}};
    uint64_t wanted[CSR_FIELD_COUNT];

    csr_hashes_of_spec(&spec, wanted);
    for (int i = 0; i < CSR_FIELD_COUNT; i++) {
        CASE(csr_field_paths[i]);
        if (csr_field_counts(&spec, i))
            ASSERT_EQ(wanted[i], facts->csr_hashes[i]);
    }
}

TEST(each_field_of_the_spec_changes_its_own_hash_only)
{
    const char *names[] = {"a.example"};
    struct array_string one = {names, 1};
    struct certificate_other_name other_name = {"1.2.3", "a"};
    struct certificate_subject subject = {one, one, one, one, one, one, one, "1"};
    struct certificate_spec none = {}, all = {.subject = &subject,
                                              .common_name = "a",
                                              .dns_names = one,
                                              .ip_addresses = one,
                                              .uris = one,
                                              .literal_subject = "CN=a",
                                              .other_names = {&other_name, 1},
                                              .email_addresses = one};
    uint64_t a[CSR_FIELD_COUNT], b[CSR_FIELD_COUNT];

    csr_hashes_of_spec(&none, a);
    csr_hashes_of_spec(&all, b);
    for (int i = 0; i < CSR_FIELD_COUNT; i++)
        ASSERT_TRUE(a[i] != b[i]);
    none.dns_names = one;
    csr_hashes_of_spec(&none, b);
    for (int i = 0; i < CSR_FIELD_COUNT; i++)
        ASSERT_EQ(a[i] != b[i], i == CSR_DNS_NAMES);
}

static void hash_request(const struct csr_request *request, uint64_t ret[CSR_FIELD_COUNT])
{
    cleanup(pkey_unref) const struct pkey *key = NULL;
    cleanup(csr_free) struct csr *csr = NULL;
    struct err err = {};

    ASSERT_OK(pkey_generate(KEY_ECDSA, 256, &key, &err));
    ASSERT_OK(csr_new(request, key, &csr, &err));
    csr_hashes_of_csr(csr, ret);
}

TEST(a_subject_as_text_is_compared_with_the_bytes_of_the_request)
{
    static const struct {
        const char *asked, *wanted;
        bool same;
    } rows[] = {
        {"CN=a,O=b", "CN=a,O=b", true},  {"CN=a,O=b", "cn = a ; o = b", true},
        {"CN=a,O=b", "O=b,CN=a", false}, {"CN=a+O=b", "O=b+CN=a", true},
        {"CN=a,O=b", "CN=A,O=b", false}, {"CN=a,O=b", "2.5.4.3=\\61,O=#0c0162", true},
        {"CN=a,O=b", "no name", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        cleanup(x509_names_deinit) struct x509_names names = {
            .literal_subject = xstrdup(rows[i].asked)};
        struct certificate_spec spec = {.literal_subject = rows[i].wanted};
        uint64_t asked[CSR_FIELD_COUNT], wanted[CSR_FIELD_COUNT];

        CASE(rows[i].wanted);
        hash_request(&(struct csr_request){.names = &names}, asked);
        csr_hashes_of_spec(&spec, wanted);
        ASSERT_EQ(asked[CSR_LITERAL_SUBJECT] == wanted[CSR_LITERAL_SUBJECT], rows[i].same);
    }
}

TEST(other_names_are_compared_as_a_set_of_pairs)
{
    struct certificate_other_name one[] = {{"1.2.3", "a"}, {"1.2.4", "b"}};
    struct certificate_other_name other[] = {{"1.2.3", "b"}, {"1.2.4", "a"}};
    cleanup(x509_names_deinit) struct x509_names names = {};
    struct certificate_spec spec = {.other_names = {one, 2}};
    uint64_t asked[CSR_FIELD_COUNT], wanted[CSR_FIELD_COUNT];

    x509_names_add_other(&names, "1.2.4", "b");
    x509_names_add_other(&names, "1.2.3", "a");
    hash_request(&(struct csr_request){.names = &names}, asked);
    csr_hashes_of_spec(&spec, wanted);
    ASSERT_EQ(asked[CSR_OTHER_NAMES], wanted[CSR_OTHER_NAMES]);
    spec.other_names.items = other;
    csr_hashes_of_spec(&spec, wanted);
    ASSERT_TRUE(asked[CSR_OTHER_NAMES] != wanted[CSR_OTHER_NAMES]);
}

TEST(the_bounds_between_names_count)
{
    const char *two[] = {"a", "b"}, *other[] = {"ab"};
    struct certificate_spec x = {.dns_names = {two, 2}}, y = {.dns_names = {other, 1}};
    uint64_t a[CSR_FIELD_COUNT], b[CSR_FIELD_COUNT];

    csr_hashes_of_spec(&x, a);
    csr_hashes_of_spec(&y, b);
    ASSERT_TRUE(a[CSR_DNS_NAMES] != b[CSR_DNS_NAMES]);
}

TEST(a_revision_that_cannot_be_read_is_none)
{
    static const struct {
        const char *text;
        int64_t revision;
    } cases[] = {{"1", 1}, {"27", 27}, {"", 0}, {"0", 0}, {"-1", 0}, {"x", 0}, {"1 ", 0}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(xfree) char *text = xasprintf(REQUEST, cases[i].text, "YQ==");
        cleanup(object_unref) const struct object *object = decode(text, request_facts_decode);
        const struct request_facts *facts = (const struct request_facts *)object;

        CASE(cases[i].text);
        ASSERT_EQ(facts->revision, cases[i].revision);
        ASSERT_FALSE(facts->csr_ok || facts->has_certificate || facts->certificate_ok);
    }
}

TEST(an_order_that_has_ended_keeps_neither_bytes_nor_authorizations)
{
    cleanup(object_unref) const struct object *object = decode(manifest_order, order_facts_decode);
    const struct order_facts *facts = (const struct order_facts *)object;

    ASSERT_TRUE(facts->has_certificate);
    ASSERT_EQ(facts->order.spec.request.len, 0);
    ASSERT_EQ(facts->order.status.certificate.len, 0);
    ASSERT_EQ(facts->order.status.authorizations.len, 0);
    ASSERT_EQ(facts->order.status.state, STATE_VALID);
}

TEST(an_order_in_progress_keeps_its_authorizations)
{
    cleanup(object_unref) const struct object *object = decode(
        "apiVersion: acme.cert-manager.io/v1\nkind: Order\nmetadata: {name: a}\n"
        "spec: {request: YQ==, issuerRef: {name: le}}\n"
        "status:\n  state: pending\n  authorizations:\n"
        "  - {url: 'https://ca.test/authz/1', challenges: [{url: u, token: t, type: dns-01}]}\n",
        order_facts_decode);
    const struct order_facts *facts = (const struct order_facts *)object;

    ASSERT_FALSE(facts->has_certificate);
    ASSERT_EQ(facts->order.status.authorizations.len, 1);
    ASSERT_STREQ(facts->order.status.authorizations.items[0].challenges.items[0].type, "dns-01");
}

TEST(a_wrong_type_is_an_error)
{
    cleanup(json_unref) struct json *value = json_new_list();
    const void *facts = NULL;
    struct err err = {};

    ASSERT_ERR(ERR_INVALID, request_facts_decode(value, &facts, &err));
    ASSERT_ERR(ERR_INVALID, order_facts_decode(value, &facts, &err));
}

/* What a cert-manager installation has. */
#define TYPICAL_METADATA                                                                           \
    "metadata:\n  name: web-1\n  namespace: default\n"                                             \
    "  uid: 5f1c8a52-6f0b-4f5e-9a3e-0b6a4f2f0c11\n  resourceVersion: '12345678'\n"                 \
    "  generation: 1\n  creationTimestamp: '2026-01-01T00:00:00Z'\n"                               \
    "  annotations: {cert-manager.io/certificate-name: web, "                                      \
    "cert-manager.io/certificate-revision: '1', "                                                  \
    "cert-manager.io/private-key-secret-name: web-x7d2k}\n"                                        \
    "  ownerReferences: [{apiVersion: cert-manager.io/v1, kind: Certificate, name: web, "          \
    "uid: 0b6a4f2f-6f0b-4f5e-9a3e-5f1c8a520c11, controller: true, blockOwnerDeletion: true}]\n"

static size_t size_of(const void *object, const char *what, size_t struct_size)
{
    size_t size = arena_size(((const struct object *)object)->arena);

    print_message("%s: %zu bytes, struct %zu\n", what, size, struct_size);
    return size;
}

/* --- CertificateSigningRequests --- */

#define SIGNING(signer, status)                                                                    \
    "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\n"                        \
    "metadata:\n  name: csr-1\n  uid: u1\n  resourceVersion: '7'\n  labels: {team: web}\n"         \
    "  annotations: {experimental.cert-manager.io/request-is-ca: 'true',\n"                        \
    "    kubectl.kubernetes.io/last-applied-configuration: '{}'}\n"                                \
    "spec:\n  request: " MANIFEST_CSR "\n  signerName: " signer "\n  usages: [server auth]\n"      \
    "  username: alice\n  uid: u2\n  groups: [devs]\n  extra: {a: [b]}\n"                          \
    "status:\n" status

#define OURS        "clusterissuers.cert-manager.io/ca"
#define WITH(type_) "  conditions: [{type: " type_ ", status: 'True', message: so it is}]\n"

static const struct signing_request_facts *decode_signing(const char *text)
{
    return decode(text, signing_request_facts_decode);
}

TEST(an_open_signing_request_is_known_by_what_it_wishes)
{
    const struct signing_request_facts *facts = decode_signing(SIGNING(OURS, WITH("Approved")));
    cleanup(object_unref) const struct object *object = &facts->request.object;
    const struct signing_request_spec *spec = &facts->request.spec;

    ASSERT_TRUE(facts->is_ours && !facts->has_certificate && signing_request_is_open(facts));
    ASSERT_PTREQ(object->kind, &kind_signing_request);
    ASSERT_STREQ(spec->signer_name, OURS);
    ASSERT_EQ(spec->usages.len, 1);
    ASSERT_STREQ(object_annotation(object, ANNOTATION_SIGNING_IS_CA), "true");
    ASSERT_EQ(object->metadata.annotations.len, 1);
    ASSERT_EQ(object->metadata.labels.len, 1);
    ASSERT_TRUE(signing_request_has(&facts->request, "Approved"));
    ASSERT_NULL(facts->request.status.conditions.items[0].message);
    ASSERT_TRUE(spec->request.len == 0 && spec->groups.len == 0);
    ASSERT_TRUE(!spec->username && !spec->uid && !spec->extra);
}

TEST(a_signing_request_that_has_ended_wishes_nothing)
{
    static const char *const rows[] = {SIGNING(OURS, "  certificate: Y2VydA==\n"),
                                       SIGNING(OURS, WITH("Failed")),
                                       SIGNING(OURS, WITH("Denied"))};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct signing_request_facts *facts = decode_signing(rows[i]);
        cleanup(object_unref) const struct object *object = &facts->request.object;

        CASE(rows[i]);
        ASSERT_EQ(facts->has_certificate, i == 0);
        ASSERT_TRUE(facts->is_ours && !signing_request_is_open(facts));
        ASSERT_EQ(object->metadata.annotations.len + object->metadata.labels.len, 0);
        ASSERT_EQ(facts->request.status.certificate.len, 0);
    }
}

TEST(of_another_signers_request_nothing_but_its_name_is_kept)
{
    static const char *const rows[] = {SIGNING("example.com/theirs", WITH("Approved")),
                                       SIGNING("issuers.cert-manager.io/ca", WITH("Approved"))};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct signing_request_facts *facts = decode_signing(rows[i]);
        cleanup(object_unref) const struct object *object = &facts->request.object;
        cleanup(buf_deinit) struct buf frozen = BUF(1024);

        CASE(rows[i]);
        ASSERT_TRUE(!facts->is_ours && !signing_request_is_open(facts));
        ASSERT_STREQ(object->metadata.resource_version, "7");
        ASSERT_NULL(facts->request.spec.signer_name);
        ASSERT_EQ(facts->request.status.conditions.len, 0);
        object_freeze(&signing_request_facts_form, object, (struct bytes){}, &frozen);
        print_message("%zu bytes\n", frozen.len);
        ASSERT_TRUE(frozen.len <= 64);
    }
}

/* --- sizes --- */

TEST(a_typical_certificate_is_small)
{
    cleanup(json_unref) struct json *value = read_yaml(
        "apiVersion: cert-manager.io/v1\nkind: Certificate\n"
        "metadata:\n  name: web\n  namespace: default\n"
        "  uid: 0b6a4f2f-6f0b-4f5e-9a3e-5f1c8a520c11\n  resourceVersion: '12345678'\n"
        "  generation: 1\n  creationTimestamp: '2026-01-01T00:00:00Z'\n"
        "spec:\n  secretName: web-tls\n  dnsNames: [example.com, www.example.com]\n"
        "  issuerRef: {name: letsencrypt, kind: ClusterIssuer}\n"
        "  privateKey: {algorithm: ECDSA, size: 256}\n"
        "status:\n  revision: 1\n  notBefore: '2026-01-01T00:00:00Z'\n"
        "  notAfter: '2026-04-01T00:00:00Z'\n  renewalTime: '2026-03-01T00:00:00Z'\n"
        "  conditions:\n  - {type: Ready, status: 'True', reason: Ready, observedGeneration: 1,\n"
        "     lastTransitionTime: '2026-01-01T00:00:00Z',\n"
        "     message: Certificate is up to date and has not expired}\n");
    cleanup(object_unref) const struct object *object = NULL;
    struct err err = {};

    ASSERT_OK(object_decode_cached(&kind_certificate, value, &object, &err));
    ASSERT_TRUE(size_of(object, "certificate", sizeof(struct certificate)) <= 1024);
}

TEST(a_typical_request_is_small)
{
    cleanup(object_unref) const struct object *object = decode(
        "apiVersion: cert-manager.io/v1\nkind: CertificateRequest\n" TYPICAL_METADATA
        "spec:\n  request: " MANIFEST_CSR "\n"
        "  issuerRef: {name: letsencrypt, kind: ClusterIssuer, group: cert-manager.io}\n"
        "  username: system:serviceaccount:cert-manager:cert-manager\n"
        "  uid: 9a3e4f2f-6f0b-4f5e-9a3e-5f1c8a520c11\n"
        "  groups: [system:serviceaccounts, system:authenticated]\n"
        "  extra: {a: [b]}\n"
        "status:\n  certificate: " MANIFEST_CERTIFICATE "\n"
        "  conditions:\n  - {type: Approved, status: 'True', reason: cert-manager.io,\n"
        "     lastTransitionTime: '2026-01-01T00:00:00Z',\n"
        "     message: Certificate request has been approved by cert-manager.io}\n"
        "  - {type: Ready, status: 'True', reason: Issued,\n"
        "     lastTransitionTime: '2026-01-01T00:00:00Z',\n"
        "     message: Certificate fetched from issuer successfully}\n",
        request_facts_decode);

    ASSERT_TRUE(size_of(object, "request facts", sizeof(struct request_facts)) <= 1280);
}

TEST(a_typical_order_is_small)
{
    cleanup(object_unref) const struct object *object = decode(
        "apiVersion: acme.cert-manager.io/v1\nkind: Order\n" TYPICAL_METADATA
        "spec:\n  request: " MANIFEST_CSR "\n"
        "  issuerRef: {name: letsencrypt, kind: ClusterIssuer, group: cert-manager.io}\n"
        "  dnsNames: [example.com]\n"
        "status:\n  url: https://acme-v02.api.letsencrypt.org/acme/order/123456789/987654321012\n"
        "  finalizeURL: "
        "https://acme-v02.api.letsencrypt.org/acme/finalize/123456789/987654321012\n"
        "  state: valid\n  certificate: " MANIFEST_CERTIFICATE "\n"
        "  authorizations:\n"
        "  - url: https://acme-v02.api.letsencrypt.org/acme/authz/123456789/123456789012\n"
        "    identifier: example.com\n    wildcard: false\n    initialState: pending\n"
        "    challenges:\n"
        "    - {url: 'https://acme-v02.api.letsencrypt.org/acme/chall/123456789/123456789012/AbC12a',\n"
        "       token: LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0, type: http-01}\n"
        "    - {url: 'https://acme-v02.api.letsencrypt.org/acme/chall/123456789/123456789012/AbC12b',\n"
        "       token: LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0, type: dns-01}\n"
        "    - {url: 'https://acme-v02.api.letsencrypt.org/acme/chall/123456789/123456789012/AbC12c',\n"
        "       token: LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0, type: tls-alpn-01}\n",
        order_facts_decode);

    ASSERT_TRUE(size_of(object, "order facts", sizeof(struct order_facts)) <= 1280);
}

RUN_TESTS(cmocka_unit_test(a_request_is_known_by_the_hashes_of_its_bytes),
          cmocka_unit_test(a_request_matches_the_spec_that_it_was_made_from_in_any_order),
          cmocka_unit_test(each_field_of_the_spec_changes_its_own_hash_only),
          cmocka_unit_test(a_subject_as_text_is_compared_with_the_bytes_of_the_request),
          cmocka_unit_test(other_names_are_compared_as_a_set_of_pairs),
          cmocka_unit_test(the_bounds_between_names_count),
          cmocka_unit_test(a_revision_that_cannot_be_read_is_none),
          cmocka_unit_test(an_order_that_has_ended_keeps_neither_bytes_nor_authorizations),
          cmocka_unit_test(an_order_in_progress_keeps_its_authorizations),
          cmocka_unit_test(a_wrong_type_is_an_error),
          cmocka_unit_test(an_open_signing_request_is_known_by_what_it_wishes),
          cmocka_unit_test(a_signing_request_that_has_ended_wishes_nothing),
          cmocka_unit_test(of_another_signers_request_nothing_but_its_name_is_kept),
          cmocka_unit_test(a_typical_certificate_is_small),
          cmocka_unit_test(a_typical_request_is_small), cmocka_unit_test(a_typical_order_is_small));
