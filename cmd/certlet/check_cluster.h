/*
 * check_cluster.h - certlet check --cluster: prints what is found in a cluster (controller/installed.h).
 */
#ifndef CERTLET_CHECK_CLUSTER_H
#define CERTLET_CHECK_CLUSTER_H

#include "cluster.h"

struct check_cluster_flags {
    struct cluster_flags cluster;
    const char *lease_namespace, *service_account, *format;
    bool quiet; /* no line for what is well */
};
/* Returns an exit code. */
int check_cluster(const struct usage *usage, const struct check_cluster_flags *flags);

#endif
