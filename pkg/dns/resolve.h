/*
 * resolve.h - addresses of a name server that was given by its host name.
 *
 * getaddrinfo() can be neither cancelled nor given a deadline, so the host is looked up with our
 * own questions, by the files that it would read: hosts, then the servers and search list of
 * resolv.conf.
 */
#ifndef DNS_RESOLVE_H
#define DNS_RESOLVE_H

#include "dns/dns.h"

struct resolve_files {
    const char *hosts, *resolv_conf;
};
extern const struct resolve_files resolve_files_of_system;

int resolve_host(struct dns *dns, const struct context *ctx, const struct resolve_files *files,
                 const char *host, struct strlist *ret, struct err *err);

/* The lines of resolv.conf that we use: resolv.conf(5). Missing file: all empty. */
struct resolv_conf {
    struct strlist nameservers;
    struct strlist search;
    int ndots;
};
void resolv_conf_deinit(struct resolv_conf *conf);
DEFINE_CLEANUP_VALUE(struct resolv_conf, resolv_conf_deinit);
int resolv_conf_read(const char *path, struct resolv_conf *ret, struct err *err);

#endif
