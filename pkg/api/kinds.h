/*
 * kinds.h - the table of kinds: one row each, named here so that a newcomer can grep for them.
 */
#ifndef API_KINDS_H
#define API_KINDS_H

#include "api/object.h"

extern const struct kind kind_certificate;
extern const struct kind kind_certificate_request;
extern const struct kind kind_issuer;
extern const struct kind kind_cluster_issuer;
extern const struct kind kind_order;
extern const struct kind kind_challenge;
extern const struct kind kind_secret;
/* Kubernetes' own: not among those below, which are what manifests and directories hold. */
extern const struct kind kind_signing_request;

extern const struct kind *const kinds[];              /* NULL-terminated */
extern const struct resource *const kind_resources[]; /* their resources, NULL-terminated */
const struct kind *kind_find(const char *api_version, const char *kind); /* NULL: not ours */
/* "Certificate", "certificates", "cert", "certs": for commands; NULL when unknown. */
const struct kind *kind_by_name(const char *name);

/* Names of the caches' indexes; values are a uid, "<namespace>/<name>", or as said. */
#define INDEX_OWNER       "owner" /* uid of the controller: requests, orders, challenges, secrets */
#define INDEX_SECRET_NAME "secretName" /* Certificates by target Secret */
#define INDEX_PASSWORD_SECRET                                                                      \
    "passwordSecret"                   /* Certificates by Secrets with passwords of key stores */
#define INDEX_ISSUER      "issuer"     /* "Issuer/ns/name", "ClusterIssuer//name" */
#define INDEX_PLACE       "place"      /* Challenges that hold one, by namespace; "*" for all */
#define PLACE_PRESENTED   "+"          /* of it: those that are presented, also without a place */
#define INDEX_USED_SECRET "usedSecret" /* Issuers by the Secrets they read */
#define INDEX_KEY_SECRET                                                                           \
    "keySecret" /* requests without a certificate by their private key's Secret */

/* Keys of annotations, labels and finalizers (behaviour.md 15, api.md 10). */
#define ANNOTATION_CERTIFICATE_NAME       "cert-manager.io/certificate-name"
#define ANNOTATION_ISSUER_NAME            "cert-manager.io/issuer-name"
#define ANNOTATION_ISSUER_KIND            "cert-manager.io/issuer-kind"
#define ANNOTATION_ISSUER_GROUP           "cert-manager.io/issuer-group"
#define ANNOTATION_COMMON_NAME            "cert-manager.io/common-name"
#define ANNOTATION_ALT_NAMES              "cert-manager.io/alt-names"
#define ANNOTATION_IP_SANS                "cert-manager.io/ip-sans"
#define ANNOTATION_URI_SANS               "cert-manager.io/uri-sans"
#define ANNOTATION_EMAIL_SANS             "cert-manager.io/email-sans"
#define ANNOTATION_REVISION               "cert-manager.io/certificate-revision"
#define ANNOTATION_PRIVATE_KEY_SECRET     "cert-manager.io/private-key-secret-name"
#define ANNOTATION_TEMPORARY              "cert-manager.io/issue-temporary-certificate"
#define ANNOTATION_ALLOW_DIRECT_INJECTION "cert-manager.io/allow-direct-injection"
#define ANNOTATION_ACME_GATE              "acme.certlet.dev/rate-gate" /* and a directory's hash */
#define ANNOTATION_RETRY                  "acme.certlet.dev/retry" /* on a request: try its Order now */
#define ANNOTATION_REPLACES_YOUNG         "acme.certlet.dev/replaces-young"
#define LABEL_NEXT_PRIVATE_KEY            "cert-manager.io/next-private-key"
#define LABEL_FAO                         "controller.cert-manager.io/fao"
#define LABEL_MANAGED_BY                  "app.kubernetes.io/managed-by"
#define FINALIZER_CHALLENGE               "acme.cert-manager.io/finalizer"
#define FINALIZER_CHALLENGE_LEGACY        "finalizer.acme.cert-manager.io"

/* Field manager of what is written to target Secrets. */
#define MANAGER_ISSUING "cert-manager-certificates-issuing"

#endif
