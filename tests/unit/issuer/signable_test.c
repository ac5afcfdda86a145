/* signable_test.c - what requests of both kinds ask of an issuer. */
#include "unit/issuer/bed.h"

#include "api/signing_request.h"
#include "issuer/order.h"

static struct issuer issuer_named(const struct kind *kind, const char *namespace)
{
    return (struct issuer){
        .object = {.kind = kind, .metadata = {.name = "ca", .namespace = namespace}}};
}

TEST(a_certificate_request_says_all_by_itself)
{
    struct issuers issuers = {.resource_namespace = "trust"};
    struct issuer issuer = issuer_named(&kind_cluster_issuer, NULL);
    int usages[] = {USAGE_CLIENT_AUTH};
    struct certificate_request request = {
        .object = {.kind = &kind_certificate_request, .metadata.namespace = "web"},
        .spec = {.issuer_ref = {.name = "other", .group = "cert-manager.io"},
                 .duration = {true, 5},
                 .is_ca = true,
                 .usages = {usages, 1}}};
    struct signable asked;
    struct err err = {};

    ASSERT_OK(signable_of(&issuers, &issuer, &request.object, &asked, &err));
    ASSERT_PTREQ(asked.object, &request.object);
    ASSERT_STREQ(asked.namespace, "web");
    ASSERT_STREQ(asked.issuer_ref.name, "other"); /* verbatim, as Orders have it */
    ASSERT_NULL(asked.issuer_ref.kind);
    ASSERT_EQ(asked.duration.ns, 5);
    ASSERT_TRUE(asked.is_ca && !asked.is_plain);
    ASSERT_EQ(asked.usages, USAGE(CLIENT_AUTH) | USAGE(CERT_SIGN));
    ASSERT_STREQ(asked.key_annotation, ANNOTATION_PRIVATE_KEY_SECRET);
}

TEST(a_signing_request_says_it_by_its_signer_and_annotations)
{
    static const struct {
        const char *name, *signer, *duration;
        const struct kind *kind;
        const char *namespace; /* of the issuer */
        const char *where;     /* NULL: refused */
        const char *message;
    } rows[] = {
        {"Issuer", "issuers.cert-manager.io/web.ca", "1h", &kind_issuer, "web", "web", NULL},
        {"ClusterIssuer", "clusterissuers.cert-manager.io/ca", "1h", &kind_cluster_issuer, NULL,
         "trust", NULL},
        {"another namespace", "issuers.cert-manager.io/web.ca", "1h", &kind_issuer, "other", NULL,
         "is not the Issuer 'ca'"},
        {"another kind", "issuers.cert-manager.io/web.ca", "1h", &kind_cluster_issuer, NULL, NULL,
         "is not the ClusterIssuer 'ca'"},
        {"no signer of ours", "example.com/ca", "1h", &kind_issuer, "web", NULL,
         "'example.com/ca'"},
        {"no duration", "issuers.cert-manager.io/web.ca", "soon", &kind_issuer, "web", NULL,
         "soon"},
    };
    struct issuers issuers = {.resource_namespace = "trust"};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct issuer issuer = issuer_named(rows[i].kind, rows[i].namespace);
        struct pair annotations[] = {{ANNOTATION_SIGNING_DURATION, rows[i].duration},
                                     {ANNOTATION_SIGNING_IS_CA, "true"}};
        int usages[] = {USAGE_CLIENT_AUTH};
        struct signing_request request = {
            .object = {.kind = &kind_signing_request, .metadata.annotations = {annotations, 2}},
            .spec = {.signer_name = rows[i].signer, .usages = {usages, 1}}};
        struct signable asked;
        struct err err = {};

        CASE(rows[i].name);
        if (!rows[i].where) {
            ASSERT_ERR(ERR_INVALID, signable_of(&issuers, &issuer, &request.object, &asked, &err));
            ASSERT_CONTAINS(err.text, rows[i].message);
            continue;
        }
        ASSERT_OK(signable_of(&issuers, &issuer, &request.object, &asked, &err));
        ASSERT_STREQ(asked.namespace, rows[i].where);
        ASSERT_STREQ(asked.issuer_ref.name, "ca");
        ASSERT_STREQ(asked.issuer_ref.kind, rows[i].kind->resource.kind);
        ASSERT_STREQ(asked.issuer_ref.group, "cert-manager.io");
        ASSERT_EQ(asked.duration.ns / 1000000, HOURS(1));
        ASSERT_TRUE(asked.is_ca && asked.is_plain);
        ASSERT_EQ(asked.usages, USAGE(CLIENT_AUTH) | USAGE(CERT_SIGN));
        ASSERT_STREQ(asked.key_annotation, ANNOTATION_SIGNING_KEY_SECRET);
    }
}

TEST(an_order_names_its_request_and_issuer_in_its_place)
{
    static const struct {
        const char *name;
        const char *uid, *kind, *owner, *namespace, *issuer;
        bool names;
    } rows[] = {
        {"ours", "u", "CertificateRequest", "req", "web", "acme", true},
        {"another uid", "v", "CertificateRequest", "req", "web", "acme", false},
        {"another kind", "u", "CertificateSigningRequest", "req", "web", "acme", false},
        {"another name", "u", "CertificateRequest", "other", "web", "acme", false},
        {"another place", "u", "CertificateRequest", "req", "other", "acme", false},
        {"another issuer", "u", "CertificateRequest", "req", "web", "other", false},
        {"nobody's", NULL, NULL, NULL, "web", "acme", false},
    };
    struct object request = {.kind = &kind_certificate_request,
                             .metadata = {.name = "req", .uid = "u"}};
    struct signable asked = {
        .object = &request, .namespace = "web", .issuer_ref = {.name = "acme", .kind = "Issuer"}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct owner_reference owner = {.kind = rows[i].kind,
                                        .name = rows[i].owner,
                                        .uid = rows[i].uid,
                                        .controller = {true, true}};
        struct order order = {.object.metadata = {.namespace = rows[i].namespace},
                              .spec.issuer_ref.name = rows[i].issuer};

        CASE(rows[i].name);
        order.object.metadata.owner_references.items = &owner;
        order.object.metadata.owner_references.len = rows[i].uid ? 1 : 0;
        ASSERT_EQ(order_names(&order, &asked), rows[i].names);
    }
}

RUN_TESTS(cmocka_unit_test(a_certificate_request_says_all_by_itself),
          cmocka_unit_test(a_signing_request_says_it_by_its_signer_and_annotations),
          cmocka_unit_test(an_order_names_its_request_and_issuer_in_its_place));
