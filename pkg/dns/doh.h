/*
 * doh.h - DNS over HTTPS: RFC 8484, POST.
 */
#ifndef DNS_DOH_H
#define DNS_DOH_H

#include "dns/message.h"

#define LIMIT_DOH_BODY (128 * 1024) /* cert-manager's; a message in it may have 64 KiB */

int doh_exchange(struct http *http, const struct context *ctx, const char *url,
                 const struct request *request, struct buf *answer, struct err *err);

#endif
