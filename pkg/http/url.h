/*
 * url.h - URLs taken apart, for the files of this folder.
 */
#ifndef HTTP_URL_H
#define HTTP_URL_H

#include "base/err.h"

struct url_parts {
    char *scheme;    /* "https" */
    char *host;      /* lower case, IPv6 with its brackets */
    char *port;      /* the scheme's own if the URL has none */
    char *authority; /* what a Host header says: "host", "host:8443" */
    char *origin;    /* "https://host:port", for messages: never path or query */
};
void url_parts_deinit(struct url_parts *parts);
DEFINE_CLEANUP_VALUE(struct url_parts, url_parts_deinit);

/* ERR_INVALID unless it is an absolute http or https URL. The text does not quote the URL. */
int url_split(const char *url, struct url_parts *ret, struct err *err);
/* The same URL with another host. */
int url_with_host(const char *url, const char *host, char **ret, struct err *err);

#endif
