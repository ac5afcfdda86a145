/*
 * pod_rules.h - the parts of core/v1 that a podTemplate may have, as tables: types alone, since an API server
 * judges the Pod that is made of them. Private to this folder.
 */
#ifndef API_POD_RULES_H
#define API_POD_RULES_H

#include "json/field.h"

extern const struct fields pod_affinity_fields, pod_toleration_fields, pod_selinux_fields,
    pod_sysctl_fields, pod_seccomp_fields;
/* Raw JSON: a list of integers, a map of quantities. */
field_check_fn check_integers, check_quantities;

struct pod_affinity;
struct pod_toleration {
    const char *key, *operator_, *value, *effect;
    struct opt_int seconds;
};
struct pod_sysctl {
    const char *name, *value;
};
struct pod_selinux;
struct pod_seccomp;

#endif
