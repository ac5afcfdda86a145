/*
 * update.h - the one dynamic update we need: a TXT record comes or goes (RFC 2136).
 */
#ifndef DNS_UPDATE_H
#define DNS_UPDATE_H

#include "dns/message.h"

int request_init_update(struct request *request, const struct dns_update *update, uint16_t id,
                        struct err *err);
/* 0, or why the server did not do it, by name and with what to do (ERR_DENIED and others). */
int update_judge(const struct dns_update *update, const struct request *request,
                 const struct buf *answer, int64_t now_ms, struct err *err);

#endif
