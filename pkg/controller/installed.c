/* installed.c - reads what the judges want to see; see installed.h. */
#include "controller/installed.h"

#include "api/kinds.h"
#include "runtime/lease.h"

#define ADMISSION "admissionregistration.k8s.io"

static const struct resource crd_resource = {.group = "apiextensions.k8s.io",
                                             .version = "v1",
                                             .kind = "CustomResourceDefinition",
                                             .plural = "customresourcedefinitions"};
static const struct resource slice_resource = {.group = "discovery.k8s.io",
                                               .version = "v1",
                                               .kind = "EndpointSlice",
                                               .plural = "endpointslices",
                                               .namespaced = true};
static const struct resource api_service_resource = {.group = "apiregistration.k8s.io",
                                                     .version = "v1",
                                                     .kind = "APIService",
                                                     .plural = "apiservices"};
static const struct resource deployment_resource = {.group = "apps",
                                                    .version = "v1",
                                                    .kind = "Deployment",
                                                    .plural = "deployments",
                                                    .namespaced = true};
static const struct resource cluster_role_resource = {.group = "rbac.authorization.k8s.io",
                                                      .version = "v1",
                                                      .kind = "ClusterRole",
                                                      .plural = "clusterroles"};
static const struct resource cluster_role_binding_resource = {.group = "rbac.authorization.k8s.io",
                                                              .version = "v1",
                                                              .kind = "ClusterRoleBinding",
                                                              .plural = "clusterrolebindings"};
static const struct resource policy_resources[2][2] = {
    {{ADMISSION, "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies"},
     {ADMISSION, "v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"}},
    {{ADMISSION, "v1", "MutatingAdmissionPolicy", "mutatingadmissionpolicies"},
     {ADMISSION, "v1", "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings"}},
};
static const struct webhook_kind {
    struct resource resource;
    const char *singular;
} webhook_kinds[] = {
    {{ADMISSION, "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations"},
     "validatingwebhookconfiguration"},
    {{ADMISSION, "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations"},
     "mutatingwebhookconfiguration"},
};

struct look {
    struct store *store;
    const struct context *ctx;
    const struct installed_options *options;
    struct findings *to;
};

static void say_refused(const struct look *look, const struct resource *resource,
                        const char *namespace, const char *unknown)
{
    cleanup(xfree) char *text = refusal_text(resource, namespace, unknown);

    findings_add(look->to, FINDING_WARNING, "permissions of yours", NULL, "%s", text);
}

/* NULL in `ret`, and no error, when it may not be read or the server does not have the kind. */
static int list(const struct look *look, const struct resource *resource, const char *namespace,
                const char *unknown, struct json **ret, struct err *err)
{
    struct err why = {};
    int r = store_list(look->store, look->ctx, resource, namespace, ret, &why);

    if (r == ERR_DENIED)
        say_refused(look, resource, namespace, unknown);
    else if (r == ERR_UNSUPPORTED)
        findings_add(look->to, FINDING_WARNING, resource->plural, NULL,
                     "this server does not have them");
    else if (r < 0)
        return err_pass(err, &why);
    return 0;
}

/* `ret_judge`: it is known whether there is one. */
static int get(const struct look *look, const struct resource *resource, const struct key *key,
               const char *unknown, struct json **ret, bool *ret_judge, struct err *err)
{
    struct err why = {};
    int r = store_get(look->store, look->ctx, resource, key, ret, &why);

    *ret_judge = r == 0 || r == ERR_NOT_FOUND;
    if (r == ERR_DENIED)
        say_refused(look, resource, key->namespace, unknown);
    else if (r < 0 && r != ERR_NOT_FOUND)
        return err_pass(err, &why);
    return 0;
}

static int look_at_crd(const struct look *look, const struct resource *resource, struct err *err)
{
    cleanup(xfree) char *name = xasprintf("%s.%s", resource->plural, resource->group);
    cleanup(xfree) char *unknown = xasprintf("whether CRD %s is there is not known", name);
    struct key key = {.namespace = "", .name = name};
    cleanup(json_unref) struct json *crd = NULL;
    bool judge;
    int r = get(look, &crd_resource, &key, unknown, &crd, &judge, err);

    if (r == 0 && judge)
        judge_crd(resource, crd, look->to);
    return r;
}

static int look_at_crds(const struct look *look, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && kinds[i]; i++) {
        if (kinds[i] != &kind_secret)
            r = look_at_crd(look, &kinds[i]->resource, err);
    }
    return r;
}

static int look_at_policies_of(const struct look *look, bool mutating, struct err *err)
{
    const char *unknown = "whether the policies are active is not known";
    cleanup(json_unref) struct json *policies = NULL;
    cleanup(json_unref) struct json *bindings = NULL;
    int r = list(look, &policy_resources[mutating][0], NULL, unknown, &policies, err);

    if (r == 0 && policies)
        r = list(look, &policy_resources[mutating][1], NULL, unknown, &bindings, err);
    if (r == 0 && policies && bindings)
        judge_policies(policies, bindings, mutating, server_minor(look->options->version),
                       look->to);
    return r;
}

static int look_at_policies(const struct look *look, struct err *err)
{
    int r = look_at_policies_of(look, false, err);

    if (r == 0 && server_minor(look->options->version) >= SERVER_MINOR_STAMPS)
        r = look_at_policies_of(look, true, err);
    return r;
}

static int look_at_lease(const struct look *look, const struct key *key, const char *unknown,
                         judge_lease_fn *judge, struct err *err)
{
    cleanup(json_unref) struct json *lease = NULL;
    bool is_known;
    int r = get(look, &lease_resource, key, unknown, &lease, &is_known, err);

    if (r == 0 && is_known)
        judge(key, lease, context_now_ms(look->ctx), look->to);
    return r;
}

/* Two controllers that look at different Leases do not know of each other. */
static int look_at_leases(const struct look *look, struct err *err)
{
    const struct key *ours = &look->options->lease;
    const struct key other = {.namespace = LEASE_NAMESPACE_OF_CHART, .name = ours->name};
    int r = look_at_lease(look, ours, "whether a controller works is not known", judge_lease, err);

    if (r < 0 || key_equal(ours, &other))
        return r;
    return look_at_lease(look, &other, "whether cert-manager works beside is not known",
                         judge_foreign_lease, err);
}

static int find_endpoints(const struct look *look, const struct json *webhook, enum endpoints *ret,
                          struct err *err)
{
    cleanup(xfree) char *service = webhook_service(webhook);
    cleanup(json_unref) struct json *slices = NULL;
    struct key key;
    int r;

    *ret = ENDPOINTS_UNKNOWN;
    if (!service)
        return 0;
    key = key_parse(service);
    r = list(look, &slice_resource, key.namespace, "whether its webhook answers is not known",
             &slices, err);
    if (r == 0 && slices)
        *ret = judge_endpoints(slices, key.name);
    return r;
}

static int look_at_webhook(const struct look *look, const char *kind, const char *configuration,
                           const struct json *webhook, struct err *err)
{
    enum endpoints endpoints;
    int r;

    if (!webhook_is_asked(webhook))
        return 0;
    r = find_endpoints(look, webhook, &endpoints, err);
    if (r == 0)
        judge_webhook(kind, configuration, webhook, endpoints, look->to);
    return r;
}

static int look_at_configuration(const struct look *look, const char *kind,
                                 const struct json *configuration, struct err *err)
{
    const char *name = str_or(json_as_text(json_path(configuration, "metadata.name")), "?");

    judge_injection(kind, configuration, look->to);
    json_for_each_item (webhook, json_get(configuration, "webhooks")) {
        int r = look_at_webhook(look, kind, name, webhook, err);

        if (r < 0)
            return r;
    }
    return 0;
}

static int look_at_webhooks(const struct look *look, const struct webhook_kind *kind,
                            struct err *err)
{
    cleanup(json_unref) struct json *configurations = NULL;
    int r = list(look, &kind->resource, NULL, "whether a webhook is in the way is not known",
                 &configurations, err);

    for (size_t i = 0; r == 0 && i < json_len(configurations); i++)
        r = look_at_configuration(look, kind->singular, json_at(configurations, i), err);
    return r;
}

static int look_at_api_services(const struct look *look, struct err *err)
{
    cleanup(json_unref) struct json *services = NULL;
    int r = list(look, &api_service_resource, NULL, "whether one waits for cainjector is not known",
                 &services, err);

    for (size_t i = 0; r == 0 && i < json_len(services); i++)
        judge_injection("apiservice", json_at(services, i), look->to);
    return r;
}

/* --- CertificateSigningRequests --- */

static const char *const signing_unknown = "whether CertificateSigningRequests are signed is not "
                                           "known";

static int find_signing_object(const struct look *look, const struct resource *resource,
                               bool *ret_has, bool *ret_known, struct err *err)
{
    const struct key key = {.namespace = "", .name = SIGNING_ROLE};
    cleanup(json_unref) struct json *found = NULL;
    int r = get(look, resource, &key, signing_unknown, &found, ret_known, err);

    *ret_has = found != NULL;
    return r;
}

/* Only asked where it matters: nobody needs rights for what is off. */
static int judge_signing_by_rights(const struct look *look, struct signing_setup *setup,
                                   struct err *err)
{
    cleanup(strlist_deinit) struct strlist missing = {};
    struct err why = {};
    int r = 0;

    if (signing_is_meant(setup))
        r = installed_missing_signing_rights(look->store, look->ctx, look->options, &missing, &why);
    if (r < 0 && r != ERR_DENIED)
        return err_pass(err, &why);
    setup->missing = r == 0 ? &missing : NULL;
    judge_signing(setup, look->to);
    return 0;
}

/* What may not be read is said once. */
static int look_at_signing(const struct look *look, struct err *err)
{
    cleanup(json_unref) struct json *deployments = NULL;
    struct signing_setup setup = {};
    bool is_known = false;
    int r = list(look, &deployment_resource, look->options->service_account.namespace,
                 signing_unknown, &deployments, err);

    if (r == 0 && deployments)
        r = find_signing_object(look, &cluster_role_resource, &setup.has_role, &is_known, err);
    if (r == 0 && is_known)
        r = find_signing_object(look, &cluster_role_binding_resource, &setup.has_binding, &is_known,
                                err);
    if (r < 0 || !is_known)
        return r;
    setup.gate = signing_gate_of(deployments, look->options);
    return judge_signing_by_rights(look, &setup, err);
}

int installed_look(struct store *store, const struct context *ctx,
                   const struct installed_options *options, struct findings *to, struct err *err)
{
    const struct look look = {store, ctx, options, to};
    int r;

    judge_server(options->version, to);
    r = look_at_crds(&look, err);
    if (r == 0)
        r = look_at_policies(&look, err);
    if (r == 0)
        r = look_at_leases(&look, err);
    if (r == 0)
        r = installed_look_at_rights(store, ctx, options, to, err);
    if (r == 0)
        r = look_at_signing(&look, err);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(webhook_kinds); i++)
        r = look_at_webhooks(&look, &webhook_kinds[i], err);
    return r == 0 ? look_at_api_services(&look, err) : r;
}
