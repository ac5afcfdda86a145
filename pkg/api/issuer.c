/*
 * issuer.c - the tables of Issuer and ClusterIssuer, which are the same, and their rules.
 */
#include "api/issuer.h"

#include <string.h>

#include "api/check.h"
#include "api/providers.h"
#include "pki/cert.h"
#include "pki/names.h"
#include "pki/pem.h"

enum { PREFERRED_CHAIN_MAX = 64 };

static const char *const source_names[] = {NULL, "ARI", "None"};
static const struct enum_names renewal_information_source_names = {source_names,
                                                                   ARRAY_LEN(source_names)};
static const char *const eab_names[] = {NULL, "HS256", "HS384", "HS512"};
static const struct enum_names eab_algorithm_names = {eab_names, ARRAY_LEN(eab_names)};

/* ACME rules */

/* RFC 8555 6.1; and keys are worth nothing to who can change the directory on its way. */
static void check_server(const void *member, const char *path, struct field_report *report)
{
    static const char scheme[] = "https://";
    const char *server = *(const char *const *)member;

    if (strncasecmp(server, "http://", strlen("http://")) == 0)
        problem_with(report, PROBLEM_INVALID, path, server,
                     "is plain http, which is refused; give the https:// address of the CA's "
                     "directory");
    else if (strncasecmp(server, scheme, strlen(scheme)) != 0)
        problem_with(report, PROBLEM_INVALID, path, server,
                     "must be the https:// address of the CA's directory");
    else if (strcspn(server + strlen(scheme), "/?#") == 0)
        problem_with(report, PROBLEM_INVALID, path, server, "has no host behind 'https://'");
    else if (text_has_blanks(server))
        problem_with(report, PROBLEM_INVALID, path, server,
                     "must have no blanks and no control characters");
}

static int count_certificates(const struct bytes *bundle, size_t *ret_count, struct err *err)
{
    const char *at = (const char *)bundle->data, *end = at + bundle->len;

    *ret_count = 0;
    for (;;) {
        cleanup(pem_block_deinit) struct pem_block block = {};
        cleanup(cert_unref) struct cert *cert = NULL;
        int r = pem_next(&at, end, &block, err);

        if (r == ERR_NOT_FOUND)
            return 0;
        if (r < 0)
            return r;
        if (!streq(block.label, "CERTIFICATE"))
            continue;
        r = cert_from_der(block.der, block.der_len, &cert, err);
        if (r < 0)
            return r;
        (*ret_count)++;
    }
}

static void check_ca_bundle(const void *member, const char *path, struct field_report *report)
{
    struct err why = {};
    size_t count;

    if (count_certificates(member, &count, &why) < 0)
        field_report_add(report, PROBLEM_INVALID, path, "must be PEM certificates: %s", why.text);
    else if (count == 0)
        field_report_add(report, PROBLEM_INVALID, path,
                         "must have at least one PEM certificate (before base64)");
}

static void check_acme(const void *self, const char *path, struct field_report *report)
{
    const struct acme_issuer *acme = self;

    if (acme->ca_bundle.len > 0 && acme->skip_tls_verify)
        problem_at_member(report, PROBLEM_INVALID, path, "skipTLSVerify",
                          "must not be set together with 'caBundle'; remove one of them");
}

/* spec */

static const struct field acme_external_account_rows[] = {
    FIELD(struct acme_external_account, key_id, "keyID", STRING, .flags = F_REQUIRED),
    FIELD(struct acme_external_account, key_secret_ref, "keySecretRef", INLINE,
          .of = &secret_key_selector_fields, .flags = F_REQUIRED, .check = check_selector_has_key),
    FIELD(struct acme_external_account, key_algorithm, "keyAlgorithm", ENUM,
          .names = &eab_algorithm_names, .default_text = "HS256"),
};
static DEFINE_FIELDS(acme_external_account, "Issuer spec.acme.externalAccountBinding",
                     acme_external_account_rows, NULL);

static const struct field acme_issuer_rows[] = {
    FIELD(struct acme_issuer, email, "email", STRING, .check = check_email),
    FIELD(struct acme_issuer, server, "server", STRING, .flags = F_REQUIRED, .check = check_server),
    FIELD(struct acme_issuer, preferred_chain, "preferredChain", STRING,
          .max = PREFERRED_CHAIN_MAX),
    FIELD(struct acme_issuer, ca_bundle, "caBundle", BYTES, .check = check_ca_bundle,
          .default_text = "the system's certificates"),
    FIELD(struct acme_issuer, skip_tls_verify, "skipTLSVerify", BOOL),
    FIELD(struct acme_issuer, external_account_binding, "externalAccountBinding", OBJECT,
          .of = &acme_external_account_fields),
    FIELD(struct acme_issuer, private_key_secret_ref, "privateKeySecretRef", INLINE,
          .of = &secret_key_selector_fields, .flags = F_REQUIRED, .default_text = "key: tls.key"),
    FIELD(struct acme_issuer, solvers, "solvers", LIST, .of = &acme_solver_fields,
          .flags = F_ATOMIC),
    FIELD(struct acme_issuer, disable_account_key_generation, "disableAccountKeyGeneration", BOOL),
    FIELD(struct acme_issuer, enable_duration_feature, "enableDurationFeature", BOOL),
    FIELD(struct acme_issuer, profile, "profile", STRING),
    FIELD(struct acme_issuer, renewal_information_source, "renewalInformationSource", ENUM,
          .names = &renewal_information_source_names, .default_text = "ARI"),
};
static DEFINE_FIELDS(acme_issuer, "Issuer spec.acme", acme_issuer_rows, check_acme);

/* An URL that is empty or cannot be written would spoil every certificate of the issuer. */
static void check_urls(const void *member, const char *path, struct field_report *report)
{
    const struct array_string *urls = member;

    for (size_t i = 0; i < urls->len; i++) {
        if (str_empty(urls->items[i]))
            problem_at_index(report, PROBLEM_INVALID, path, i, "must not be empty");
        else if (!name_is_url_text(urls->items[i]))
            problem_at_index(report, PROBLEM_INVALID, path, i,
                             "must be an URL: printable ASCII without blanks");
    }
}

static const struct field ca_issuer_rows[] = {
    FIELD(struct ca_issuer, secret_name, "secretName", STRING, .flags = F_REQUIRED),
    FIELD(struct ca_issuer, crl_distribution_points, "crlDistributionPoints", STRINGS,
          .flags = F_ATOMIC, .check = check_urls),
    FIELD(struct ca_issuer, ocsp_servers, "ocspServers", STRINGS, .flags = F_ATOMIC,
          .check = check_urls),
    FIELD(struct ca_issuer, issuing_certificate_urls, "issuingCertificateURLs", STRINGS,
          .flags = F_ATOMIC, .check = check_urls),
};
static DEFINE_FIELDS(ca_issuer, "Issuer spec.ca", ca_issuer_rows, NULL);

static const struct field self_signed_issuer_rows[] = {
    FIELD(struct self_signed_issuer, crl_distribution_points, "crlDistributionPoints", STRINGS,
          .flags = F_ATOMIC, .check = check_urls),
};
static DEFINE_FIELDS(self_signed_issuer, "Issuer spec.selfSigned", self_signed_issuer_rows, NULL);

DEFINE_RAW_CHECK(check_vault, issuer_vault);
DEFINE_RAW_CHECK(check_venafi, issuer_venafi);

#define UNBUILT_TYPE(member_, json_, fields_, check_)                                              \
    FIELD(struct issuer_spec, member_, json_, RAW, .of = &(fields_), .check = (check_),            \
          .flags = F_ONE_OF(1) | F_UNBUILT)

static const struct field issuer_spec_rows[] = {
    FIELD(struct issuer_spec, acme, "acme", OBJECT, .of = &acme_issuer_fields,
          .flags = F_ONE_OF(1)),
    FIELD(struct issuer_spec, ca, "ca", OBJECT, .of = &ca_issuer_fields, .flags = F_ONE_OF(1)),
    UNBUILT_TYPE(vault, "vault", issuer_vault_fields, check_vault),
    FIELD(struct issuer_spec, self_signed, "selfSigned", OBJECT, .of = &self_signed_issuer_fields,
          .flags = F_ONE_OF(1)),
    UNBUILT_TYPE(venafi, "venafi", issuer_venafi_fields, check_venafi),
};
DEFINE_FIELDS(issuer_spec, "Issuer spec", issuer_spec_rows, NULL);

/* status */

static const struct field issuer_acme_status_rows[] = {
    FIELD(struct issuer_acme_status, uri, "uri", STRING),
    FIELD(struct issuer_acme_status, last_registered_email, "lastRegisteredEmail", STRING),
    FIELD(struct issuer_acme_status, last_private_key_hash, "lastPrivateKeyHash", STRING),
};
static DEFINE_FIELDS(issuer_acme_status, "Issuer status.acme", issuer_acme_status_rows, NULL);

static const struct field issuer_status_rows[] = {
    FIELD(struct issuer_status, conditions, "conditions", LIST, .of = &condition_fields,
          .key = "type"),
    FIELD(struct issuer_status, acme, "acme", OBJECT, .of = &issuer_acme_status_fields),
};
DEFINE_FIELDS(issuer_status, "Issuer status", issuer_status_rows, NULL);

static const struct field issuer_rows[] = {
    FIELD(struct issuer, object.metadata, "metadata", INLINE, .of = &metadata_fields),
    FIELD(struct issuer, spec, "spec", INLINE, .of = &issuer_spec_fields, .flags = F_REQUIRED),
    FIELD(struct issuer, status, "status", INLINE, .of = &issuer_status_fields),
};
DEFINE_FIELDS(issuer, "Issuer", issuer_rows, NULL);
