/*
 * controller_names.c - cert-manager's controllers and feature gates (cli-metrics-helm.md 1.2, 1.3), and what
 * each of them is here. Every name is accepted, so that a command line need not change; what a name cannot
 * have an effect on is said in the log.
 */
#include <string.h>

#include "base/log.h"
#include "controller.h"

/* --- controllers --- */

enum name_effect {
    IS_LANE,
    IS_PART_OF_CERTIFICATES,
    IS_ISSUER,
    IS_SIGNING_ISSUER,
    IS_APPROVER,
    IS_METRICS,
    IS_UNBUILT
};

static const struct controller_name {
    const char *name;
    enum name_effect effect;
    enum lane lane;     /* of IS_LANE */
    const char *issuer; /* of IS_ISSUER, IS_SIGNING_ISSUER */
} names[] = {
    {"issuers", IS_LANE, LANE_ISSUERS},
    {"clusterissuers", IS_LANE, LANE_CLUSTER_ISSUERS},
    {"orders", IS_LANE, LANE_ORDERS},
    {"challenges", IS_LANE, LANE_CHALLENGES},
    {"certificates-trigger", IS_PART_OF_CERTIFICATES},
    {"certificates-issuing", IS_PART_OF_CERTIFICATES},
    {"certificates-key-manager", IS_PART_OF_CERTIFICATES},
    {"certificates-request-manager", IS_PART_OF_CERTIFICATES},
    {"certificates-readiness", IS_PART_OF_CERTIFICATES},
    {"certificates-revision-manager", IS_PART_OF_CERTIFICATES},
    {"certificates-metrics", IS_METRICS},
    {"certificaterequests-approver", IS_APPROVER},
    {"certificaterequests-issuer-acme", IS_ISSUER, .issuer = "acme"},
    {"certificaterequests-issuer-ca", IS_ISSUER, .issuer = "ca"},
    {"certificaterequests-issuer-selfsigned", IS_ISSUER, .issuer = "selfsigned"},
    {"certificaterequests-issuer-vault", IS_ISSUER, .issuer = "vault"},
    {"certificaterequests-issuer-venafi", IS_ISSUER, .issuer = "venafi"},
    {"ingress-shim", IS_UNBUILT},
    {"gateway-shim", IS_UNBUILT},
    {"certificatesigningrequests-issuer-acme", IS_SIGNING_ISSUER, .issuer = "acme"},
    {"certificatesigningrequests-issuer-ca", IS_SIGNING_ISSUER, .issuer = "ca"},
    {"certificatesigningrequests-issuer-selfsigned", IS_SIGNING_ISSUER, .issuer = "selfsigned"},
    {"certificatesigningrequests-issuer-vault", IS_UNBUILT},
    {"certificatesigningrequests-issuer-venafi", IS_UNBUILT},
};

static const struct controller_name *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (streq(names[i].name, name))
            return &names[i];
    }
    return NULL;
}

static int check_names(const struct strlist *list, struct err *err)
{
    for (size_t i = 0; i < list->len; i++) {
        const char *name = list->items[i] + (list->items[i][0] == '-');

        if (streq(name, "*") || find(name))
            continue;
        return err_set(
            err, ERR_INVALID,
            "there is no controller '%s'; 'issuers', 'orders', 'certificaterequests-approver' and "
            "the others are cert-manager's names",
            name);
    }
    return 0;
}

static bool only_removes(const struct strlist *list)
{
    for (size_t i = 0; i < list->len; i++) {
        if (list->items[i][0] != '-')
            return false;
    }
    return true;
}

static bool is_on(const struct strlist *list, const char *name)
{
    cleanup(xfree) char *off = xasprintf("-%s", name);

    if (strlist_has(list, off))
        return false;
    return strlist_has(list, name) || strlist_has(list, "*") || only_removes(list);
}

/* The gate adds them to whatever is listed; each can be taken out by its name. */
static bool is_on_by_gate(const struct strlist *list, const char *name)
{
    cleanup(xfree) char *off = xasprintf("-%s", name);

    return !strlist_has(list, off);
}

static void switch_off(const struct controller_name *name, struct controller_choice *choice)
{
    switch (name->effect) {
    case IS_LANE:
        choice->lanes_off |= 1U << name->lane;
        break;
    case IS_PART_OF_CERTIFICATES:
        choice->lanes_off |= 1U << LANE_CERTIFICATES;
        break;
    case IS_ISSUER:
        strlist_add(&choice->issuers_off, name->issuer);
        break;
    case IS_SIGNING_ISSUER:
        strlist_add(&choice->signing_issuers_off, name->issuer);
        break;
    case IS_APPROVER:
        choice->approve = false;
        break;
    case IS_METRICS:
        choice->object_metrics = false;
        break;
    case IS_UNBUILT:
        break;
    }
}

int controller_choice_parse(const struct strlist *controllers, struct controller_choice *ret,
                            struct err *err)
{
    size_t parts = 0, parts_on = 0;
    int r = check_names(controllers, err);

    if (r < 0)
        return r;
    ret->approve = ret->object_metrics = true;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        bool on = names[i].effect == IS_SIGNING_ISSUER ? is_on_by_gate(controllers, names[i].name)
                                                       : is_on(controllers, names[i].name);

        parts += names[i].effect == IS_PART_OF_CERTIFICATES;
        parts_on += names[i].effect == IS_PART_OF_CERTIFICATES && on;
        if (!on)
            switch_off(&names[i], ret);
    }
    if (parts_on > 0 && parts_on < parts)
        return err_set(
            err, ERR_UNSUPPORTED,
            "the controllers 'certificates-...' are one here: name all six of them, or none");
    return 0;
}

/* --- feature gates --- */

enum gate_effect { GATE_BUILT_IN, GATE_SWITCH, GATE_UNBUILT, GATE_GONE };
#define GATE_ALL_ALPHA        "AllAlpha"
#define GATE_SIGNING_REQUESTS "ExperimentalCertificateSigningRequestControllers" /* an alpha one */

static const struct gate {
    const char *name;
    enum gate_effect effect;
} gates[] = {
    {GATE_ALL_ALPHA, GATE_SWITCH},
    {"AllBeta", GATE_GONE},
    {GATE_SIGNING_REQUESTS, GATE_SWITCH},
    {"ExperimentalGatewayAPISupport", GATE_GONE}, /* permits a flag */
    {"ListenerSets", GATE_GONE},                  /* permits a flag */
    {"ServerSideApply", GATE_GONE},               /* a status is written whole (DESIGN 6) */
    {"LiteralCertificateSubject", GATE_BUILT_IN},
    {"NameConstraints", GATE_BUILT_IN},
    {"OtherNames", GATE_BUILT_IN},
    {"UseCertificateRequestBasicConstraints", GATE_UNBUILT},
    {"StableCertificateRequestName", GATE_BUILT_IN},
    {"SecretsFilteredCaching", GATE_BUILT_IN},
    {"ACMEHTTP01IngressPathTypeExact", GATE_UNBUILT},
    {"ACMEUseARI", GATE_BUILT_IN},
    {"AdditionalCertificateOutputFormats", GATE_BUILT_IN},
    {"DisallowInsecureCSRUsageDefinition", GATE_BUILT_IN},
    {"UseDomainQualifiedFinalizer", GATE_BUILT_IN},
    {"DefaultPrivateKeyRotationPolicyAlways", GATE_BUILT_IN},
    {"ValidateCAA", GATE_GONE},
};

static const struct gate *gate_of(const char *entry, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(gates); i++) {
        if (strlen(gates[i].name) == len && memcmp(gates[i].name, entry, len) == 0)
            return &gates[i];
    }
    return NULL;
}

int feature_gates_check(const struct strlist *list, struct err *err)
{
    for (size_t i = 0; i < list->len; i++) {
        size_t len = strcspn(list->items[i], "=");
        const char *value = list->items[i] + len;

        if (!gate_of(list->items[i], len))
            return err_set(err, ERR_INVALID, "there is no gate '%.*s' in cert-manager", (int)len,
                           list->items[i]);
        if (!streq(value, "=true") && !streq(value, "=false"))
            return err_set(err, ERR_INVALID, "'%s' must be %.*s=true or %.*s=false", list->items[i],
                           (int)len, list->items[i], (int)len, list->items[i]);
    }
    return 0;
}

/* 1 or 0 as the last entry says; -1: there is none. */
static int gate_value(const struct strlist *list, const char *name)
{
    size_t len = strlen(name);
    int value = -1;

    for (size_t i = 0; i < list->len; i++) {
        if (str_starts(list->items[i], name) && list->items[i][len] == '=')
            value = streq(list->items[i] + len, "=true");
    }
    return value;
}

bool feature_gates_have_signing_requests(const struct strlist *list)
{
    int value = gate_value(list, GATE_SIGNING_REQUESTS);

    return (value < 0 ? gate_value(list, GATE_ALL_ALPHA) : value) > 0;
}

static void log_gate(const char *entry)
{
    size_t len = strcspn(entry, "=");
    bool on = streq(entry + len, "=true");

    switch (gate_of(entry, len)->effect) {
    case GATE_BUILT_IN:
        if (!on)
            log_warning(NULL, "feature gate '%s' has no effect: this is built in", entry);
        break;
    case GATE_UNBUILT:
        if (on)
            log_warning(NULL, "feature gate '%s' has no effect: this is not built in this version",
                        entry);
        break;
    case GATE_SWITCH:
    case GATE_GONE:
        break;
    }
}

static void log_name(const struct controller_name *name, bool signing_requests)
{
    if (name->effect == IS_UNBUILT)
        log_warning(NULL, "controller '%s' is not built in this version", name->name);
    if (name->effect == IS_SIGNING_ISSUER && !signing_requests)
        log_warning(NULL, "controller '%s' runs with --feature-gates=%s=true only", name->name,
                    GATE_SIGNING_REQUESTS);
}

void controller_names_log(const struct controller_flags *flags)
{
    bool signing_requests = feature_gates_have_signing_requests(&flags->feature_gates);

    if (signing_requests && flags->namespaces.len > 0)
        log_warning(NULL, "CertificateSigningRequests are in no namespace: with --namespace they "
                          "are left alone");
    for (size_t i = 0; i < flags->feature_gates.len; i++)
        log_gate(flags->feature_gates.items[i]);
    for (size_t i = 0; i < flags->controllers.len; i++) {
        const struct controller_name *name = find(flags->controllers.items[i]);

        if (name)
            log_name(name, signing_requests);
    }
}
