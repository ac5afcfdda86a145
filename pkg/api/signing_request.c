/*
 * signing_request.c - the tables of CertificateSigningRequest and what its names and annotations mean.
 */
#include "api/signing_request.h"

#include <string.h>

#include "api/certificate.h"
#include "api/kinds.h"

#define SIGNER_ISSUER         "issuers.cert-manager.io/"
#define SIGNER_CLUSTER_ISSUER "clusterissuers.cert-manager.io/"
#define NS_PER_SECOND         INT64_C(1000000000)

static const struct field signing_condition_rows[] = {
    FIELD(struct signing_condition, type, "type", STRING, .flags = F_REQUIRED),
    FIELD(struct signing_condition, status, "status", ENUM, .names = &condition_status_names,
          .flags = F_REQUIRED),
    FIELD(struct signing_condition, reason, "reason", STRING),
    FIELD(struct signing_condition, message, "message", STRING),
    FIELD(struct signing_condition, last_update_time_ms, "lastUpdateTime", TIME),
    FIELD(struct signing_condition, last_transition_time_ms, "lastTransitionTime", TIME),
};
DEFINE_FIELDS(signing_condition, "CertificateSigningRequest condition", signing_condition_rows,
              NULL);

static const struct field signing_request_spec_rows[] = {
    FIELD(struct signing_request_spec, request, "request", BYTES, .flags = F_REQUIRED | F_DIGEST),
    FIELD(struct signing_request_spec, signer_name, "signerName", STRING, .flags = F_REQUIRED),
    FIELD(struct signing_request_spec, expiration_seconds, "expirationSeconds", OPT_INT, .min = 600,
          .max = INT32_MAX),
    FIELD(struct signing_request_spec, usages, "usages", ENUMS, .names = &key_usage_names,
          .flags = F_ATOMIC),
    FIELD(struct signing_request_spec, username, "username", STRING),
    FIELD(struct signing_request_spec, uid, "uid", STRING),
    FIELD(struct signing_request_spec, groups, "groups", STRINGS, .flags = F_ATOMIC),
    FIELD(struct signing_request_spec, extra, "extra", RAW),
};
DEFINE_FIELDS(signing_request_spec, "CertificateSigningRequest spec", signing_request_spec_rows,
              NULL);

static const struct field signing_request_status_rows[] = {
    FIELD(struct signing_request_status, conditions, "conditions", LIST,
          .of = &signing_condition_fields, .key = "type"),
    FIELD(struct signing_request_status, certificate, "certificate", BYTES, .flags = F_DIGEST),
};
DEFINE_FIELDS(signing_request_status, "CertificateSigningRequest status",
              signing_request_status_rows, NULL);

static const struct field signing_request_rows[] = {
    FIELD(struct signing_request, object.metadata, "metadata", INLINE, .of = &metadata_fields),
    FIELD(struct signing_request, spec, "spec", INLINE, .of = &signing_request_spec_fields,
          .flags = F_IMMUTABLE),
    FIELD(struct signing_request, status, "status", INLINE, .of = &signing_request_status_fields),
};
DEFINE_FIELDS(signing_request, "CertificateSigningRequest", signing_request_rows, NULL);

bool signing_request_has(const struct signing_request *request, const char *type)
{
    for (size_t i = 0; i < request->status.conditions.len; i++) {
        if (streq(request->status.conditions.items[i].type, type))
            return true;
    }
    return false;
}

/* --- signers --- */

static bool parse_namespaced(const char *path, struct signer *ret)
{
    size_t len = strcspn(path, ".");

    *ret = (struct signer){.namespace = path, .namespace_len = len, .name = path + len + 1};
    return len > 0 && path[len] && path[len + 1];
}

bool signer_parse(const char *signer_name, struct signer *ret)
{
    struct signer signer = {.is_cluster = true};
    const char *name = str_or(signer_name, "");
    bool is_ours = false;

    if (str_starts(name, SIGNER_CLUSTER_ISSUER)) {
        signer.name = name + strlen(SIGNER_CLUSTER_ISSUER);
        is_ours = signer.name[0];
    } else if (str_starts(name, SIGNER_ISSUER)) {
        is_ours = parse_namespaced(name + strlen(SIGNER_ISSUER), &signer);
    }
    if (!is_ours || strchr(signer.name, '/'))
        return false;
    *ret = signer;
    return true;
}

static bool is_namespace(const struct signer *signer, const char *namespace)
{
    return strlen(namespace) == signer->namespace_len &&
           memcmp(namespace, signer->namespace, signer->namespace_len) == 0;
}

bool signer_is(const struct signer *signer, const struct object *issuer)
{
    const struct kind *kind = signer->is_cluster ? &kind_cluster_issuer : &kind_issuer;

    return issuer->kind == kind && streq(issuer->metadata.name, signer->name) &&
           (signer->is_cluster || is_namespace(signer, str_or(issuer->metadata.namespace, "")));
}

/* --- what is asked for --- */

/* The API server takes 32 bits; what else sends more is not multiplied. */
static struct opt_duration of_seconds(const struct opt_int *seconds)
{
    bool fits = seconds->is_set && seconds->value >= 0 && seconds->value <= INT32_MAX;

    return (struct opt_duration){.is_set = seconds->is_set,
                                 .ns = fits ? seconds->value * NS_PER_SECOND : 0};
}

int signing_request_duration(const struct signing_request *request, struct opt_duration *ret,
                             struct err *err)
{
    const char *text = object_annotation(&request->object, ANNOTATION_SIGNING_DURATION);
    struct opt_duration duration = {.is_set = true};
    int r;

    if (!text) {
        *ret = of_seconds(&request->spec.expiration_seconds);
        return 0;
    }
    r = duration_parse(text, &duration.ns, err);
    if (r < 0)
        return err_wrap(err, "annotation '%s'", ANNOTATION_SIGNING_DURATION);
    *ret = duration;
    return 0;
}

bool signing_request_is_ca(const struct signing_request *request)
{
    return streq(str_or(object_annotation(&request->object, ANNOTATION_SIGNING_IS_CA), ""), "true");
}
