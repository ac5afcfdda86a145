/*
 * config.h - where the API server is and how to authenticate to it (kubernetes.md 1).
 *
 * From --kubeconfig or $KUBECONFIG (several files, merged as kubectl does), a ServiceAccount in a pod,
 * or ~/.kube/config. Nothing is connected, run or read here but the kubeconfig files themselves: files
 * that they name (certificates, tokens) change while we run, so their paths are kept.
 *
 * A config is constant; it belongs to who loaded it, and is wiped when freed.
 */
#ifndef KUBE_CONFIG_H
#define KUBE_CONFIG_H

#include "json/field.h"

/* Paths are absolute or as usable as the file's own; "" and NULL: not given. */
struct kube_cluster {
    const char *server, *tls_server_name, *proxy_url;
    bool insecure_skip_tls_verify, disable_compression;
    const char *certificate_authority; /* path */
    struct bytes certificate_authority_data;
};

enum kube_interactive_mode {
    KUBE_INTERACTIVE_UNSET,
    KUBE_INTERACTIVE_NEVER,
    KUBE_INTERACTIVE_IF_AVAILABLE,
    KUBE_INTERACTIVE_ALWAYS
};
struct kube_exec { /* a credential plugin */
    const char *api_version, *command, *install_hint;
    struct array_string args;
    ARRAY_OF(struct kube_exec_env) env;
    bool provide_cluster_info;
    int interactive_mode; /* enum kube_interactive_mode */
};
struct kube_exec_env {
    const char *name, *value;
};

struct kube_user {
    const char *client_certificate, *client_key; /* paths */
    struct bytes client_certificate_data, client_key_data;
    const char *token, *token_file; /* the file wins */
    const char *username, *password;
    const char *as, *as_uid;
    struct array_string as_groups;
    struct json *as_user_extra; /* {"key": ["value"]} */
    struct json *auth_provider; /* removed from Kubernetes in 1.26 */
    const struct kube_exec *exec;
};

struct kube_config {
    struct arena *arena;
    const char
        *origin; /* "context 'x' of '/path'", "the ServiceAccount of this pod": for messages */
    const char *namespace; /* of the context or pod; "default" */
    struct kube_cluster cluster;
    struct kube_user user;
};

struct kube_config_options {
    const char *kubeconfig;                  /* --kubeconfig; NULL: not given */
    const char *context;                     /* --context; NULL: current-context */
    const char *server;                      /* --master: in place of the cluster's; NULL */
    const char *service_account;             /* folder; NULL: where pods have it */
    const char *(*getenv)(const char *name); /* NULL: the process's */
};

/* ERR_NOT_FOUND: there is no configuration at all, or no such context, cluster or user. ERR_INVALID says
 * file, line and field. ERR_UNSUPPORTED: an auth-provider. */
int kube_config_load(const struct kube_config_options *options, struct kube_config **ret,
                     struct err *err);
void kube_config_free(struct kube_config *config);
DEFINE_CLEANUP(struct kube_config, kube_config_free);

#endif
