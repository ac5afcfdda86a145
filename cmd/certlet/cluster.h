/*
 * cluster.h - the flags that say which API server, and a connection to it (kubernetes.md 1).
 *
 * `certlet controller` and the commands have the same three flags; what they open with them differs.
 */
#ifndef CERTLET_CLUSTER_H
#define CERTLET_CLUSTER_H

#include "kube/config.h"
#include "kube/store.h"
#include "options.h"

#define CONTROLLER_LEASE                                                                           \
    "cert-manager-controller" /* cert-manager's: two programs never work at a time */

struct cluster_flags { /* NULL or "": not given */
    const char *kubeconfig, *context, *master;
};

/* Rows for a table of options. */
#define CLUSTER_OPTIONS(flags)                                                                     \
    {.name = "kubeconfig",                                                                         \
     .type = OPTION_TEXT,                                                                          \
     .target = &(flags)->kubeconfig,                                                               \
     .value = "FILE",                                                                              \
     .config = "kubeConfig",                                                                       \
     .is_path = true,                                                                              \
     .help = "which kubeconfig; else $KUBECONFIG, the ServiceAccount of a pod, ~/.kube/config"},   \
        {.name = "context",                                                                        \
         .type = OPTION_TEXT,                                                                      \
         .target = &(flags)->context,                                                              \
         .value = "NAME",                                                                          \
         .help = "which of its contexts, in place of current-context"},                            \
    {                                                                                              \
        .name = "master", .type = OPTION_TEXT, .target = &(flags)->master, .value = "URL",         \
        .config = "apiServerHost",                                                                 \
        .help = "address of the API server, in place of the kubeconfig's"                          \
    }

bool cluster_flags_given(const struct cluster_flags *flags);

/* As kube_config_load(); when there is none, the error says how to name one. */
int cluster_config(const struct cluster_flags *flags, struct kube_config **ret, struct err *err);

/* What a command needs of a cluster. Zeroed is closed. */
struct cluster {
    struct kube_config *config;
    struct http *http;
    struct store *store;
};
/* Asks nothing of the server yet. */
int cluster_open(const struct cluster_flags *flags, struct cluster *ret, struct err *err);
void cluster_close(struct cluster *cluster);
DEFINE_CLEANUP_VALUE(struct cluster, cluster_close);

/* Adds to an error of the cluster's store what can be done about it. */
void cluster_advise(const struct cluster *cluster, struct err *err);

#endif
