/*
 * certificate_request.c - the tables of CertificateRequest and its rules.
 */
#include "api/certificate_request.h"

#include "api/certificate.h"
#include "api/check.h"

/* A usage that has two words is one bit in a request; csr_usages() gives these words. */
static key_usages as_encoded(key_usages usages)
{
    if (usages & USAGE(SIGNING))
        usages = (usages & ~USAGE(SIGNING)) | USAGE(DIGITAL_SIGNATURE);
    if (usages & USAGE(SMIME))
        usages = (usages & ~USAGE(SMIME)) | USAGE(EMAIL_PROTECTION);
    return usages;
}

/* Of those that differ, the ones that 'isCA' decides: where the list has no 'cert sign', it is there or not by that. */
static key_usages decided_by_ca(const struct certificate_request_spec *spec)
{
    return USAGE(CERT_SIGN) & ~usages_of(&spec->usages, false);
}

static void check_is_ca(const struct certificate_request_spec *spec, const struct csr *csr,
                        key_usages differing, const char *path, struct field_report *report)
{
    bool has_constraints, is_ca = csr_is_ca(csr, &has_constraints);

    if (has_constraints && is_ca != spec->is_ca)
        problem_at_member(report, PROBLEM_INVALID, path, "isCA",
                          "is %s, and the basic constraints of the request say the opposite",
                          spec->is_ca ? "true" : "false");
    else if (differing & decided_by_ca(spec))
        problem_at_member(report, PROBLEM_INVALID, path, "isCA",
                          spec->is_ca
                              ? "is true, which asks for 'cert sign', and the request does not"
                              : "is not true, and the request asks for 'cert sign'; set it, or "
                                "put that into 'usages'");
}

static void check_csr(const struct certificate_request_spec *spec, const struct csr *csr,
                      const char *path, struct field_report *report)
{
    bool has_usages;
    key_usages encoded = csr_usages(csr, &has_usages);
    key_usages wanted = as_encoded(usages_of(&spec->usages, spec->is_ca));
    key_usages differing = has_usages ? encoded ^ wanted : 0;

    check_is_ca(spec, csr, differing, path, report);
    if (differing & ~decided_by_ca(spec))
        problem_at_member(report, PROBLEM_INVALID, path, "usages",
                          "with 'isCA' must ask for the same key usages as the request has in it");
}

static void check_spec(const void *self, const char *path, struct field_report *report)
{
    const struct certificate_request_spec *spec = self;
    cleanup(csr_free) struct csr *csr = NULL;
    struct err why = {};

    if (spec->request.len == 0)
        return;
    if (csr_parse(spec->request.data, spec->request.len, &csr, &why) < 0) {
        problem_at_member(report, PROBLEM_INVALID, path, "request",
                          "is not a certificate signing request: %s", why.text);
        return;
    }
    check_csr(spec, csr, path, report);
}

static void check_extra(const void *member, const char *path, struct field_report *report)
{
    const struct json *extra = *(struct json *const *)member;

    if (json_kind(extra) != JSON_KIND_MAP) {
        field_report_add(report, PROBLEM_TYPE, path, "must be a map of lists of strings");
        return;
    }
    json_for_each (key, values, extra) {
        cleanup(xfree) char *place = xasprintf("%s[%s]", path, key);

        if (json_kind(values) != JSON_KIND_LIST)
            field_report_add(report, PROBLEM_TYPE, place, "must be a list of strings");
        json_for_each_item (value, values)
            if (!json_as_text(value))
                problem_at_index(report, PROBLEM_TYPE, place, value_at, "must be a string");
    }
}

static const struct field certificate_request_spec_rows[] = {
    FIELD(struct certificate_request_spec, duration, "duration", DURATION, .check = check_positive,
          .default_text = "2160h0m0s"),
    FIELD(struct certificate_request_spec, issuer_ref, "issuerRef", INLINE,
          .of = &issuer_reference_fields, .flags = F_REQUIRED, .check = check_issuer_reference),
    FIELD(struct certificate_request_spec, request, "request", BYTES,
          .flags = F_REQUIRED | F_DIGEST),
    FIELD(struct certificate_request_spec, is_ca, "isCA", BOOL),
    FIELD(struct certificate_request_spec, usages, "usages", ENUMS, .names = &key_usage_names,
          .flags = F_ATOMIC, .default_text = "digital signature, key encipherment"),
    FIELD(struct certificate_request_spec, username, "username", STRING),
    FIELD(struct certificate_request_spec, uid, "uid", STRING),
    FIELD(struct certificate_request_spec, groups, "groups", STRINGS, .flags = F_ATOMIC),
    FIELD(struct certificate_request_spec, extra, "extra", RAW, .check = check_extra),
};
DEFINE_FIELDS(certificate_request_spec, "CertificateRequest spec", certificate_request_spec_rows,
              check_spec);

static const struct field certificate_request_status_rows[] = {
    FIELD(struct certificate_request_status, conditions, "conditions", LIST,
          .of = &condition_plain_fields, .key = "type"),
    FIELD(struct certificate_request_status, certificate, "certificate", BYTES, .flags = F_DIGEST),
    FIELD(struct certificate_request_status, ca, "ca", BYTES, .flags = F_DIGEST),
    FIELD(struct certificate_request_status, failure_time_ms, "failureTime", TIME),
};
DEFINE_FIELDS(certificate_request_status, "CertificateRequest status",
              certificate_request_status_rows, NULL);

static const struct field certificate_request_rows[] = {
    FIELD(struct certificate_request, object.metadata, "metadata", INLINE, .of = &metadata_fields),
    FIELD(struct certificate_request, spec, "spec", INLINE, .of = &certificate_request_spec_fields,
          .flags = F_IMMUTABLE),
    FIELD(struct certificate_request, status, "status", INLINE,
          .of = &certificate_request_status_fields),
};
DEFINE_FIELDS(certificate_request, "CertificateRequest", certificate_request_rows, NULL);
