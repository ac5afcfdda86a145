/*
 * installed_webhooks.c - webhooks that the API server asks about our objects, and what waits for
 * cainjector.
 *
 * certlet has neither. What an uninstalled cert-manager leaves behind is asked all the same: with
 * failurePolicy Fail and no Pod, nothing of ours can be written any more (users.md A.1, row 7).
 */
#include <string.h>

#include "controller/installed.h"

#define SERVICE_LABEL "kubernetes.io/service-name"

static bool is_any_of(const struct json *list, const char *const *texts, size_t count)
{
    json_for_each_item (item, list) {
        for (size_t i = 0; i < count; i++) {
            if (streq(json_as_text(item), texts[i]))
                return true;
        }
    }
    return false;
}

static bool is_about_us(const struct json *rule)
{
    static const char *const groups[] = {"*", "cert-manager.io", "acme.cert-manager.io"};
    static const char *const resources[] = {
        "*",
        "*/*",
        "certificates",
        "certificaterequests",
        "certificaterequests/status",
        "certificates/status",
        "issuers",
        "clusterissuers",
        "orders",
        "challenges",
        "orders/status",
        "challenges/status",
        "issuers/status",
        "clusterissuers/status",
    };

    return is_any_of(json_get(rule, "apiGroups"), groups, ARRAY_LEN(groups)) &&
           is_any_of(json_get(rule, "resources"), resources, ARRAY_LEN(resources));
}

bool webhook_is_asked(const struct json *webhook)
{
    json_for_each_item (rule, json_get(webhook, "rules")) {
        if (is_about_us(rule))
            return true;
    }
    return false;
}

char *webhook_service(const struct json *webhook)
{
    const struct json *service = json_path(webhook, "clientConfig.service");

    return service ? xasprintf("%s/%s", str_or(json_get_text(service, "namespace"), ""),
                               str_or(json_get_text(service, "name"), ""))
                   : NULL;
}

/* A condition that is missing counts as true (discovery.k8s.io/v1). */
static bool has_ready(const struct json *slice)
{
    json_for_each_item (endpoint, json_get(slice, "endpoints")) {
        if (json_as_bool(json_path(endpoint, "conditions.ready"), true))
            return true;
    }
    return false;
}

enum endpoints judge_endpoints(const struct json *slices, const char *service_name)
{
    json_for_each_item (slice, slices) {
        if (streq(json_get_text(json_path(slice, "metadata.labels"), SERVICE_LABEL),
                  service_name) &&
            has_ready(slice))
            return ENDPOINTS_READY;
    }
    return ENDPOINTS_NONE;
}

static void judge_dead(const char *about, const char *kind, const char *configuration,
                       bool is_strict, const char *service, struct findings *to)
{
    cleanup(xfree) char *todo = xasprintf(
        "start what answers, or if it was uninstalled: kubectl delete %s %s", kind, configuration);

    findings_add(to, is_strict ? FINDING_PROBLEM : FINDING_WARNING, about, todo,
                 is_strict ? "Service %s has no endpoints, so that the server refuses every write "
                             "of our objects"
                           : "Service %s has no endpoints; the server goes on without it",
                 service);
}

void judge_webhook(const char *kind, const char *configuration, const struct json *webhook,
                   enum endpoints endpoints, struct findings *to)
{
    cleanup(xfree) char *about = xasprintf("webhook %s",
                                           str_or(json_get_text(webhook, "name"), "?"));
    cleanup(xfree) char *service = webhook_service(webhook);
    bool is_strict = !streq(json_get_text(webhook, "failurePolicy"), "Ignore");

    if (!service)
        findings_add(to, FINDING_WARNING, about, NULL,
                     "of %s '%s' is outside of the cluster: whether it answers is not known", kind,
                     configuration);
    else if (endpoints == ENDPOINTS_NONE)
        judge_dead(about, kind, configuration, is_strict, service, to);
    else if (endpoints == ENDPOINTS_READY)
        findings_add(to, FINDING_OK, about, NULL,
                     "of %s '%s' has endpoints; certlet does not need it", kind, configuration);
}

void judge_injection(const char *kind, const struct json *object, struct findings *to)
{
    static const char *const wishes[] = {"cert-manager.io/inject-ca-from",
                                         "cert-manager.io/inject-ca-from-secret",
                                         "cert-manager.io/inject-apiserver-ca"};
    const struct json *annotations = json_path(object, "metadata.annotations");
    cleanup(xfree) char *about = xasprintf(
        "%s %s", kind, str_or(json_as_text(json_path(object, "metadata.name")), "?"));

    for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
        if (json_get(annotations, wishes[i]))
            findings_add(to, FINDING_WARNING, about,
                         "keep cert-manager's cainjector, or write the caBundle by other means",
                         "waits for cainjector to write its CA (%s), which certlet does not have",
                         wishes[i]);
    }
}
