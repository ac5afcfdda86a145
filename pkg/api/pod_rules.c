/*
 * pod_rules.c - see pod_rules.h. In the order of Kubernetes' own structs, in which cert-manager hashes them.
 */
#include "api/pod_rules.h"

#include "api/check.h"

#define RULES(type_, member_, json_, of_)                                                          \
    FIELD(type_, member_, json_, LIST, .of = &(of_), .flags = F_ATOMIC)
#define WEIGHT(type_)                                                                              \
    FIELD(type_, weight, "weight", OPT_INT, .flags = F_REQUIRED, .min = INT32_MIN, .max = INT32_MAX)
#define REQUIRED  "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"

/* --- nodes and labels --- */

struct pod_requirement { /* of a node, and of labels */
    const char *key, *operator_;
    struct array_string values;
};
static const struct field pod_requirement_rows[] = {
    FIELD(struct pod_requirement, key, "key", STRING, .flags = F_REQUIRED),
    FIELD(struct pod_requirement, operator_, "operator", STRING, .flags = F_REQUIRED),
    FIELD(struct pod_requirement, values, "values", STRINGS, .flags = F_ATOMIC),
};
static DEFINE_FIELDS(pod_requirement, "matchExpressions", pod_requirement_rows, NULL);

struct pod_node_term {
    ARRAY_OF(struct pod_requirement) expressions, fields;
};
static const struct field pod_node_term_rows[] = {
    RULES(struct pod_node_term, expressions, "matchExpressions", pod_requirement_fields),
    RULES(struct pod_node_term, fields, "matchFields", pod_requirement_fields),
};
static DEFINE_FIELDS(pod_node_term, "nodeSelectorTerms", pod_node_term_rows, NULL);

struct pod_label_selector {
    ARRAY_OF(struct pod_requirement) expressions;
    struct array_pair labels;
};
static const struct field pod_label_selector_rows[] = {
    FIELD(struct pod_label_selector, labels, "matchLabels", MAP),
    RULES(struct pod_label_selector, expressions, "matchExpressions", pod_requirement_fields),
};
static DEFINE_FIELDS(pod_label_selector, "labelSelector", pod_label_selector_rows, NULL);

/* --- affinity --- */

struct pod_preferred_node {
    struct pod_node_term *preference;
    struct opt_int weight;
};
static const struct field pod_preferred_node_rows[] = {
    WEIGHT(struct pod_preferred_node),
    FIELD(struct pod_preferred_node, preference, "preference", OBJECT, .of = &pod_node_term_fields,
          .flags = F_REQUIRED),
};
static DEFINE_FIELDS(pod_preferred_node, "nodeAffinity", pod_preferred_node_rows, NULL);

struct pod_required_nodes {
    ARRAY_OF(struct pod_node_term) terms;
};
static const struct field pod_required_nodes_rows[] = {
    FIELD(struct pod_required_nodes, terms, "nodeSelectorTerms", LIST, .of = &pod_node_term_fields,
          .flags = F_REQUIRED | F_ATOMIC),
};
static DEFINE_FIELDS(pod_required_nodes, "nodeAffinity", pod_required_nodes_rows, NULL);

struct pod_node_affinity {
    ARRAY_OF(struct pod_preferred_node) preferred;
    struct pod_required_nodes *required;
};
static const struct field pod_node_affinity_rows[] = {
    FIELD(struct pod_node_affinity, required, REQUIRED, OBJECT, .of = &pod_required_nodes_fields),
    RULES(struct pod_node_affinity, preferred, PREFERRED, pod_preferred_node_fields),
};
static DEFINE_FIELDS(pod_node_affinity, "nodeAffinity", pod_node_affinity_rows, NULL);

struct pod_term {
    struct pod_label_selector *labels, *namespace_labels;
    struct array_string match_keys, mismatch_keys, namespaces;
    const char *topology_key;
};
static const struct field pod_term_rows[] = {
    FIELD(struct pod_term, labels, "labelSelector", OBJECT, .of = &pod_label_selector_fields),
    FIELD(struct pod_term, namespaces, "namespaces", STRINGS, .flags = F_ATOMIC),
    FIELD(struct pod_term, topology_key, "topologyKey", STRING, .flags = F_REQUIRED),
    FIELD(struct pod_term, namespace_labels, "namespaceSelector", OBJECT,
          .of = &pod_label_selector_fields),
    FIELD(struct pod_term, match_keys, "matchLabelKeys", STRINGS, .flags = F_ATOMIC),
    FIELD(struct pod_term, mismatch_keys, "mismatchLabelKeys", STRINGS, .flags = F_ATOMIC),
};
static DEFINE_FIELDS(pod_term, "podAffinityTerm", pod_term_rows, NULL);

struct pod_preferred_pods {
    struct pod_term *term;
    struct opt_int weight;
};
static const struct field pod_preferred_pods_rows[] = {
    WEIGHT(struct pod_preferred_pods),
    FIELD(struct pod_preferred_pods, term, "podAffinityTerm", OBJECT, .of = &pod_term_fields,
          .flags = F_REQUIRED),
};
static DEFINE_FIELDS(pod_preferred_pods, "podAffinity", pod_preferred_pods_rows, NULL);

struct pod_neighbours {
    ARRAY_OF(struct pod_preferred_pods) preferred;
    ARRAY_OF(struct pod_term) required;
};
static const struct field pod_neighbours_rows[] = {
    RULES(struct pod_neighbours, required, REQUIRED, pod_term_fields),
    RULES(struct pod_neighbours, preferred, PREFERRED, pod_preferred_pods_fields),
};
static DEFINE_FIELDS(pod_neighbours, "podAffinity", pod_neighbours_rows, NULL);

struct pod_affinity {
    struct pod_node_affinity *node;
    struct pod_neighbours *near, *away;
};
static const struct field pod_affinity_rows[] = {
    FIELD(struct pod_affinity, node, "nodeAffinity", OBJECT, .of = &pod_node_affinity_fields),
    FIELD(struct pod_affinity, near, "podAffinity", OBJECT, .of = &pod_neighbours_fields),
    FIELD(struct pod_affinity, away, "podAntiAffinity", OBJECT, .of = &pod_neighbours_fields),
};
DEFINE_FIELDS(pod_affinity, "podTemplate.spec.affinity", pod_affinity_rows, NULL);

/* --- the rest --- */

static const struct field pod_toleration_rows[] = {
    FIELD(struct pod_toleration, key, "key", STRING),
    FIELD(struct pod_toleration, operator_, "operator", STRING),
    FIELD(struct pod_toleration, value, "value", STRING),
    FIELD(struct pod_toleration, effect, "effect", STRING),
    FIELD(struct pod_toleration, seconds, "tolerationSeconds", OPT_INT),
};
DEFINE_FIELDS(pod_toleration, "podTemplate.spec.tolerations", pod_toleration_rows, NULL);

struct pod_selinux {
    const char *level, *role, *type, *user;
};
static const struct field pod_selinux_rows[] = {
    FIELD(struct pod_selinux, user, "user", STRING),
    FIELD(struct pod_selinux, role, "role", STRING),
    FIELD(struct pod_selinux, type, "type", STRING),
    FIELD(struct pod_selinux, level, "level", STRING),
};
DEFINE_FIELDS(pod_selinux, "seLinuxOptions", pod_selinux_rows, NULL);

static const struct field pod_sysctl_rows[] = {
    FIELD(struct pod_sysctl, name, "name", STRING, .flags = F_REQUIRED),
    FIELD(struct pod_sysctl, value, "value", STRING, .flags = F_REQUIRED),
};
DEFINE_FIELDS(pod_sysctl, "sysctls", pod_sysctl_rows, NULL);

struct pod_seccomp {
    const char *type, *localhost_profile;
};
static const struct field pod_seccomp_rows[] = {
    FIELD(struct pod_seccomp, type, "type", STRING, .flags = F_REQUIRED),
    FIELD(struct pod_seccomp, localhost_profile, "localhostProfile", STRING, .flags = F_POINTER),
};
DEFINE_FIELDS(pod_seccomp, "seccompProfile", pod_seccomp_rows, NULL);

void check_integers(const void *member, const char *path, struct field_report *report)
{
    const struct json *list = *(struct json *const *)member;

    if (json_kind(list) != JSON_KIND_LIST)
        field_report_add(report, PROBLEM_TYPE, path, "must be a list of integers");
    json_for_each_item (item, list)
        if (json_kind(item) != JSON_KIND_INT)
            problem_at_index(report, PROBLEM_TYPE, path, item_at, "must be an integer");
}

void check_quantities(const void *member, const char *path, struct field_report *report)
{
    const struct json *map = *(struct json *const *)member;

    if (json_kind(map) != JSON_KIND_MAP)
        field_report_add(report, PROBLEM_TYPE, path, "must be a map of quantities");
    json_for_each (key, value, map) {
        enum json_kind kind = json_kind(value);

        if (kind != JSON_KIND_TEXT && kind != JSON_KIND_INT && kind != JSON_KIND_REAL)
            problem_at_key(report, PROBLEM_TYPE, path, key,
                           "must be a quantity such as 100m or 64Mi");
    }
}
