#include "api/pod_template.h"

#include "api/pod_rules.h"

struct template_metadata {
    struct array_pair annotations, labels;
};
static const struct field template_metadata_rows[] = {
    FIELD(struct template_metadata, annotations, "annotations", MAP),
    FIELD(struct template_metadata, labels, "labels", MAP),
};
static DEFINE_FIELDS(template_metadata, "template metadata", template_metadata_rows, NULL);

struct image_pull_secret {
    const char *name;
};
static const struct field image_pull_secret_rows[] = {
    FIELD(struct image_pull_secret, name, "name", STRING, .default_text = "\"\""),
};
static DEFINE_FIELDS(image_pull_secret, "imagePullSecrets", image_pull_secret_rows, NULL);

struct pod_security {
    struct pod_selinux *se_linux_options;
    struct json *supplemental_groups;
    ARRAY_OF(struct pod_sysctl) sysctls;
    struct pod_seccomp *seccomp_profile;
    struct opt_int run_as_user, run_as_group, fs_group;
    struct opt_bool run_as_non_root;
    const char *fs_group_change_policy;
};
static const struct field pod_security_rows[] = {
    FIELD(struct pod_security, se_linux_options, "seLinuxOptions", OBJECT,
          .of = &pod_selinux_fields),
    FIELD(struct pod_security, run_as_user, "runAsUser", OPT_INT),
    FIELD(struct pod_security, run_as_group, "runAsGroup", OPT_INT),
    FIELD(struct pod_security, run_as_non_root, "runAsNonRoot", OPT_BOOL),
    FIELD(struct pod_security, supplemental_groups, "supplementalGroups", RAW,
          .check = check_integers, .flags = F_ATOMIC),
    FIELD(struct pod_security, fs_group, "fsGroup", OPT_INT),
    FIELD(struct pod_security, sysctls, "sysctls", LIST, .of = &pod_sysctl_fields,
          .flags = F_ATOMIC),
    FIELD(struct pod_security, fs_group_change_policy, "fsGroupChangePolicy", STRING,
          .flags = F_POINTER),
    FIELD(struct pod_security, seccomp_profile, "seccompProfile", OBJECT,
          .of = &pod_seccomp_fields),
};
static DEFINE_FIELDS(pod_security, "podTemplate.spec.securityContext", pod_security_rows, NULL);

struct pod_resources {
    struct json *limits, *requests;
};
static const struct field pod_resources_rows[] = {
    FIELD(struct pod_resources, limits, "limits", RAW, .check = check_quantities),
    FIELD(struct pod_resources, requests, "requests", RAW, .check = check_quantities),
};
static DEFINE_FIELDS(pod_resources, "podTemplate.spec.resources", pod_resources_rows, NULL);

struct pod_spec {
    struct array_pair node_selector;
    struct pod_affinity *affinity;
    ARRAY_OF(struct pod_toleration) tolerations;
    const char *priority_class_name, *service_account_name;
    ARRAY_OF(struct image_pull_secret) image_pull_secrets;
    struct pod_security *security_context;
    struct pod_resources *resources;
};
static const struct field pod_spec_rows[] = {
    FIELD(struct pod_spec, node_selector, "nodeSelector", MAP),
    FIELD(struct pod_spec, affinity, "affinity", OBJECT, .of = &pod_affinity_fields),
    FIELD(struct pod_spec, tolerations, "tolerations", LIST, .of = &pod_toleration_fields,
          .flags = F_ATOMIC),
    FIELD(struct pod_spec, priority_class_name, "priorityClassName", STRING),
    FIELD(struct pod_spec, service_account_name, "serviceAccountName", STRING),
    FIELD(struct pod_spec, image_pull_secrets, "imagePullSecrets", LIST,
          .of = &image_pull_secret_fields, .key = "name"),
    FIELD(struct pod_spec, security_context, "securityContext", OBJECT, .of = &pod_security_fields),
    FIELD(struct pod_spec, resources, "resources", OBJECT, .of = &pod_resources_fields),
};
static DEFINE_FIELDS(pod_spec, "podTemplate.spec", pod_spec_rows, NULL);

struct pod_template {
    struct template_metadata *metadata;
    struct pod_spec *spec;
};
static const struct field pod_template_rows[] = {
    FIELD(struct pod_template, metadata, "metadata", OBJECT, .of = &template_metadata_fields,
          .flags = F_NO_OMIT),
    FIELD(struct pod_template, spec, "spec", OBJECT, .of = &pod_spec_fields, .flags = F_NO_OMIT),
};
DEFINE_FIELDS(pod_template, "podTemplate", pod_template_rows, NULL);

struct ingress_template {
    struct template_metadata *metadata;
};
static const struct field ingress_template_rows[] = {
    FIELD(struct ingress_template, metadata, "metadata", OBJECT, .of = &template_metadata_fields,
          .flags = F_NO_OMIT),
};
DEFINE_FIELDS(ingress_template, "ingressTemplate", ingress_template_rows, NULL);
